/* SPDX-License-Identifier: ISC */
/*
 * password - see password.h.
 *
 * One table of schemes.  Nothing here branches on where a comparison fails.
 */
#include <crypt.h>
#include <errno.h>
#include <stdlib.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/base64.h"
#include "base/mem.h"
#include "base/num.h"
#include "sasl/password.h"
#include "sasl/scram.h"

typedef enum password_result check_fn(struct slice stored, struct slice given);
static check_fn	 check_plain, check_crypt, check_md5, check_sha1, check_sha256,
    check_sha512, check_smd5, check_ssha1, check_ssha256, check_ssha512,
    check_pbkdf2, check_scram1, check_scram256, check_nothing;

/* By the name between the braces; of digests the encoding may follow a '.'. */
static const struct scheme {
	const char	*name;
	check_fn	*check;
	bool		 is_digest;
} schemes[] = {
	{ "PLAIN",		check_plain,	false },
	{ "CLEAR",		check_plain,	false },
	{ "CLEARTEXT",		check_plain,	false },
	{ "CRYPT",		check_crypt,	false },
	{ "SHA256-CRYPT",	check_crypt,	false },
	{ "SHA512-CRYPT",	check_crypt,	false },
	{ "BLF-CRYPT",		check_crypt,	false },
	{ "MD5-CRYPT",		check_crypt,	false },
	{ "MD5",		check_crypt,	false },
	{ "DES-CRYPT",		check_crypt,	false },
	{ "SHA",		check_sha1,	true },
	{ "SHA1",		check_sha1,	true },
	{ "SHA256",		check_sha256,	true },
	{ "SHA512",		check_sha512,	true },
	{ "SSHA",		check_ssha1,	true },
	{ "SSHA256",		check_ssha256,	true },
	{ "SSHA512",		check_ssha512,	true },
	{ "PLAIN-MD5",		check_md5,	true },
	{ "LDAP-MD5",		check_md5,	true },
	{ "SMD5",		check_smd5,	true },
	{ "PBKDF2",		check_pbkdf2,	false },
	{ "SCRAM-SHA-1",	check_scram1,	false },
	{ "SCRAM-SHA-256",	check_scram256,	false },
	/* Known by name, so that the log can say what is the matter. */
	{ "ARGON2I",		check_nothing,	false },
	{ "ARGON2ID",		check_nothing,	false },
	{ "CRAM-MD5",		check_nothing,	false },
	{ "DIGEST-MD5",		check_nothing,	false },
};

static const struct scheme *scheme_of(struct slice stored,
		    struct slice *rest_r);
static enum password_result check_digest(const EVP_MD *, struct slice stored,
		    struct slice given, bool salted);
static bool	 same(struct slice, struct slice);
static bool	 crypt_text(struct slice given, const char *setting,
		    struct buf *);

/* Any: only its cost counts.  Made at the first use, with a random salt. */
static struct buf nobody = { .max = STORED_BYTES };

enum password_result
password_check(struct slice stored, struct slice given)
{
	struct slice rest;
	const struct scheme *s;

	if (given.n == 0 || given.n > PASSWORD_BYTES ||
	    stored.n > STORED_BYTES || memchr(given.p, '\0', given.n) != NULL)
		return PASSWORD_WRONG;
	s = scheme_of(stored, &rest);
	return s == NULL ? PASSWORD_UNKNOWN_SCHEME : s->check(rest, given);
}

enum password_result
password_check_nobody(struct slice given)
{
	if (nobody.n == 0 &&
	    password_make(SLICE_LIT("nobody's password"), &nobody) == -1)
		return PASSWORD_WRONG;
	password_check(buf_slice(&nobody), given);
	return PASSWORD_WRONG;
}

bool
password_is_cheap(struct slice stored)
{
	struct slice rest;
	const struct scheme *s = scheme_of(stored, &rest);

	return s != NULL && (s->is_digest || s->check == check_plain);
}

static const struct scheme *
scheme_of(struct slice stored, struct slice *rest_r)
{
	static const struct scheme bare = { "CRYPT", check_crypt, false };
	struct slice name, encoding;
	bool encoded;
	size_t i, end;

	*rest_r = stored;
	if (stored.n == 0 || stored.p[0] != '{')
		return stored.n > 0 ? &bare : NULL;
	end = slice_find(stored, '}');
	if (end == stored.n)
		return NULL;
	*rest_r = slice_from(stored, end + 1);
	name = slice_first(slice_from(stored, 1), end - 1);
	i = slice_find(name, '.');
	encoded = i < name.n;
	if (encoded) {
		encoding = slice_from(name, i + 1);
		name = slice_first(name, i);
		/* A digest shows whether it is hexadecimal. */
		if (!slice_eq_nocase(encoding, SLICE_LIT("b64")) &&
		    !slice_eq_nocase(encoding, SLICE_LIT("base64")) &&
		    !slice_eq_nocase(encoding, SLICE_LIT("hex")))
			return NULL;
	}
	for (i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (slice_eq_nocase(name, slice_str(schemes[i].name)))
			return encoded && !schemes[i].is_digest ? NULL :
			    &schemes[i];
	return NULL;
}

const char *
password_scheme_name(struct slice stored)
{
	struct slice rest;
	const struct scheme *s = scheme_of(stored, &rest);

	if (s != NULL && s->check == check_crypt) {
		if (slice_starts(rest, SLICE_LIT("$y$")))
			return "yescrypt";
		if (slice_starts(rest, SLICE_LIT("$2")))
			return "bcrypt";
		if (slice_starts(rest, SLICE_LIT("$6$")))
			return "SHA512-CRYPT";
		if (slice_starts(rest, SLICE_LIT("$5$")))
			return "SHA256-CRYPT";
	}
	return s == NULL ? "unknown" : s->name;
}

static bool
same(struct slice a, struct slice b)
{
	return a.n == b.n && CRYPTO_memcmp(a.p, b.p, a.n) == 0;
}

/* ---- each scheme --------------------------------------------------------- */

/* Of another length is told by the time, but a stored length tells little, and
 * who stores passwords like that has told all. */
static enum password_result
check_plain(struct slice stored, struct slice given)
{
	return same(stored, given) ? PASSWORD_GOOD : PASSWORD_WRONG;
}

static bool
crypt_text(struct slice given, const char *setting, struct buf *out)
{
	static struct crypt_data data;	/* 32 KiB: not for the stack */
	char *phrase = mem_slicedup(given);
	const char *hash = crypt_r(phrase, setting, &data);
	bool ok = hash != NULL && hash[0] != '*' &&
	    buf_add_str(out, hash) == 0;

	freezero(phrase, given.n);
	explicit_bzero(&data, sizeof(data));
	return ok;
}

static enum password_result
check_crypt(struct slice stored, struct slice given)
{
	char setting[STORED_BYTES + 1];
	struct buf hash = BUF_INIT(STORED_BYTES);
	enum password_result r = PASSWORD_WRONG;

	/* "*" and "!" are what others lock an account with. */
	if (stored.n < 13 || stored.p[0] == '*' || stored.p[0] == '!' ||
	    memchr(stored.p, '\0', stored.n) != NULL)
		return PASSWORD_UNKNOWN_SCHEME;
	memcpy(setting, stored.p, stored.n);
	setting[stored.n] = '\0';
	if (!crypt_text(given, setting, &hash))
		r = PASSWORD_UNKNOWN_SCHEME;
	else if (same(stored, buf_slice(&hash)))
		r = PASSWORD_GOOD;
	buf_clear(&hash);
	return r;
}

static int
hex_digit(char c)
{
	static const char hex[] = "0123456789abcdef";
	const char *at = memchr(hex, ascii_lower(c), 16);

	return at == NULL ? -1 : (int)(at - hex);
}

/* Base64, or hexadecimal, of the digest; a salt may follow it.  Base64 of that
 * length has other letters, too. */
static bool
decode_digest(struct slice s, size_t n, bool salted, struct buf *b)
{
	size_t i;
	int high, low;

	for (i = 0; i < s.n && hex_digit(s.p[i]) >= 0;)
		i++;
	if (i < s.n || s.n < 2 * n || s.n % 2 != 0 ||
	    (!salted && s.n > 2 * n))
		return b64_decode(s, b) ||
		    (buf_reset(b), b64_decode_bare(s, b));
	for (i = 0; i < s.n; i += 2) {
		high = hex_digit(s.p[i]);
		low = hex_digit(s.p[i + 1]);
		if (buf_add_byte(b, (char)(high << 4 | low)) == -1)
			return false;
	}
	return true;
}

static enum password_result
check_digest(const EVP_MD *md, struct slice stored, struct slice given,
    bool salted)
{
	size_t n = (size_t)EVP_MD_get_size(md);
	struct buf b = BUF_INIT(STORED_BYTES);
	struct buf in = BUF_INIT(PASSWORD_BYTES + STORED_BYTES);
	uint8_t made[EVP_MAX_MD_SIZE];
	enum password_result r = PASSWORD_UNKNOWN_SCHEME;

	if (decode_digest(stored, n, salted, &b) &&
	    (salted ? b.n > n : b.n == n) && buf_add(&in, given) == 0 &&
	    buf_add(&in, slice_from(buf_slice(&b), n)) == 0 &&
	    EVP_Digest(in.p, in.n, made, NULL, md, NULL) == 1)
		r = CRYPTO_memcmp(made, b.p, n) == 0 ? PASSWORD_GOOD :
		    PASSWORD_WRONG;
	if (in.n > 0)
		explicit_bzero(in.p, in.n);
	buf_clear(&in);
	buf_clear(&b);
	return r;
}

#define DIGEST_CHECK(name, md, salted)					\
static enum password_result						\
name(struct slice stored, struct slice given)				\
{									\
	return check_digest(md, stored, given, salted);			\
}
DIGEST_CHECK(check_md5, EVP_md5(), false)
DIGEST_CHECK(check_sha1, EVP_sha1(), false)
DIGEST_CHECK(check_sha256, EVP_sha256(), false)
DIGEST_CHECK(check_sha512, EVP_sha512(), false)
DIGEST_CHECK(check_smd5, EVP_md5(), true)
DIGEST_CHECK(check_ssha1, EVP_sha1(), true)
DIGEST_CHECK(check_ssha256, EVP_sha256(), true)
DIGEST_CHECK(check_ssha512, EVP_sha512(), true)

/* Dovecot's: "$1$SALT$ROUNDS$HEX", HMAC-SHA-1, 20 bytes. */
static enum password_result
check_pbkdf2(struct slice stored, struct slice given)
{
	struct slice empty, version, salt, number;
	struct buf want = BUF_INIT(64);
	uint8_t made[20];
	uint64_t rounds;
	enum password_result r = PASSWORD_UNKNOWN_SCHEME;

	if (slice_next(&stored, '$', &empty) && empty.n == 0 &&
	    slice_next(&stored, '$', &version) &&
	    slice_eq(version, SLICE_LIT("1")) &&
	    slice_next(&stored, '$', &salt) && salt.n > 0 &&
	    slice_next(&stored, '$', &number) && stored.p != NULL &&
	    slice_to_u64(number, 1, SCRAM_ITERATIONS_MAX, &rounds) &&
	    stored.n == 2 * sizeof(made) &&
	    decode_digest(stored, sizeof(made), false, &want) &&
	    PKCS5_PBKDF2_HMAC(given.p, (int)given.n,
	    (const unsigned char *)salt.p, (int)salt.n, (int)rounds,
	    EVP_sha1(), sizeof(made), made) == 1)
		r = CRYPTO_memcmp(made, want.p, sizeof(made)) == 0 ?
		    PASSWORD_GOOD : PASSWORD_WRONG;
	buf_clear(&want);
	return r;
}

static enum password_result
check_scram(enum sasl_hash h, struct slice stored, struct slice given)
{
	struct scram_keys k;

	if (!scram_keys_parse(stored, h, &k))
		return PASSWORD_UNKNOWN_SCHEME;
	return scram_check_password(&k, given) ? PASSWORD_GOOD :
	    PASSWORD_WRONG;
}

static enum password_result
check_scram1(struct slice stored, struct slice given)
{
	return check_scram(SASL_SHA_1, stored, given);
}

static enum password_result
check_scram256(struct slice stored, struct slice given)
{
	return check_scram(SASL_SHA_256, stored, given);
}

static enum password_result
check_nothing(struct slice stored, struct slice given)
{
	(void)stored;
	(void)given;
	return PASSWORD_UNKNOWN_SCHEME;
}

/* ---- making -------------------------------------------------------------- */

int
password_make(struct slice password, struct buf *out)
{
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];

	if (memchr(password.p, '\0', password.n) != NULL ||
	    password.n > PASSWORD_BYTES) {
		errno = EINVAL;
		return -1;
	}
	if (crypt_gensalt_rn("$y$", 0, NULL, 0, setting, sizeof(setting)) ==
	    NULL)
		return -1;
	return crypt_text(password, setting, out) ? 0 : -1;
}

int
password_make_fast(struct slice password, struct buf *out)
{
	uint8_t made[32 + 16];
	struct buf in = BUF_INIT(PASSWORD_BYTES + 16);
	int r = -1;

	arc4random_buf(made + 32, 16);
	if (buf_add(&in, password) == 0 &&
	    buf_add(&in, slice_of(made + 32, 16)) == 0 &&
	    EVP_Digest(in.p, in.n, made, NULL, EVP_sha256(), NULL) == 1 &&
	    buf_add_str(out, "{SSHA256}") == 0)
		r = b64_encode(out, slice_of(made, sizeof(made)));
	if (in.n > 0)
		explicit_bzero(in.p, in.n);
	buf_clear(&in);
	return r;
}
