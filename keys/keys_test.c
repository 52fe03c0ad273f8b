/* SPDX-License-Identifier: ISC */
/* keys_test - what is signed and what is not, and which files are keys. */
#include <sys/mman.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/test_guard.h"
#include "ev/test_keys.h"
#include "policy.h"
#include "store.h"

#define SPACES	"                                "		\
		"                                "
#define VERIFY	SPACES "TLS 1.3, server CertificateVerify"
#define RANDOMS	"0123456789abcdef0123456789abcdef"		\
		"0123456789abcdef0123456789abcdef"

/* ---- inputs -------------------------------------------------------------- */

/* head, then zeros up to n bytes. */
static struct slice
input_of(const char *head, size_t nhead, size_t n)
{
	static char bytes[1024];

	memset(bytes, 0, sizeof(bytes));
	memcpy(bytes, head, nhead);
	return slice_of(bytes, n);
}

static const struct {
	const char	*head;
	size_t		 nhead;
	size_t		 n;
	bool		 tls12, tls13;
} inputs[] = {
#define ROW(head, n, tls12, tls13)					\
	{ head, sizeof(head) - 1, n, tls12, tls13 }
	ROW(VERIFY, 97 + 1 + 32, false, true),
	ROW(VERIFY, 97 + 1 + 48, false, true),
	ROW(VERIFY, 97 + 1 + 64, false, false),
	ROW(VERIFY, 97 + 1 + 31, false, false),
	ROW(VERIFY, 97 + 1, false, false),
	ROW(VERIFY, 97, false, false),
	ROW(VERIFY "x", 97 + 1 + 32, false, false),
	ROW(SPACES "TLS 1.3, client CertificateVerify", 130, false, false),
	ROW("x" VERIFY, 130, false, false),
	ROW("                                                               "
	    "TLS 1.3, server CertificateVerify", 130, false, false),
	ROW(RANDOMS "\3\0\x1d\x20", 64 + 4 + 32, true, false),
	ROW(RANDOMS "\3\0\x1e\x38", 64 + 4 + 56, true, false),
	ROW(RANDOMS "\3\0\x17\x41", 64 + 4 + 65, true, false),
	ROW(RANDOMS "\3\0\x18\x61", 64 + 4 + 97, true, false),
	ROW(RANDOMS "\3\0\x19\x85", 64 + 4 + 133, true, false),
	ROW(RANDOMS "\3\0\x17\x41", 64 + 4 + 66, false, false),
	ROW(RANDOMS "\3\0\x17\x41", 64 + 4 + 64, false, false),
	ROW(RANDOMS "\3\0\x17\x40", 64 + 4 + 65, false, false),
	ROW(RANDOMS "\3\1\x17\x41", 64 + 4 + 65, false, false),
	ROW(RANDOMS "\1\0\x17\x41", 64 + 4 + 65, false, false),
	ROW(RANDOMS "\3\0\x1d", 67, false, false),
	ROW(RANDOMS, 64, false, false),
	ROW("From: a@example.org\r\n", 21, false, false),
	ROW("", 0, false, false),
	ROW("", 512, false, false),
#undef ROW
};

static void
only_handshakes_are_signed(void **state)
{
	static const struct {
		unsigned	scheme;
		bool		tls12, tls13;
	} schemes[] = {
		{ 0x0403, true, true }, { 0x0503, true, true },
		{ 0x0603, true, true }, { 0x0804, true, true },
		{ 0x0805, true, true }, { 0x0806, true, true },
		{ 0x0807, true, true }, { 0x0401, true, false },
		{ 0x0501, true, false }, { 0x0601, true, false },
		{ 0x0201, false, false }, { 0x0203, false, false },
		{ 0x0808, false, false }, { 0x0809, false, false },
		{ 0, false, false }, { 0x10403, false, false },
	};
	struct guard guard;
	size_t i, j;

	(void)state;
	guard_init(&guard, 1024);
	for (i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++) {
		struct slice in = guard_copy(&guard, input_of(inputs[i].head,
		    inputs[i].nhead, inputs[i].n));

		for (j = 0; j < sizeof(schemes) / sizeof(schemes[0]); j++)
			assert_int_equal(policy_allows(schemes[j].scheme,
			    in),
			    (inputs[i].tls12 && schemes[j].tls12) ||
			    (inputs[i].tls13 && schemes[j].tls13));
	}
	guard_clear(&guard);
}

/* ---- files --------------------------------------------------------------- */

struct pair {
	struct buf	 certificate, key;
	int		 certificate_fd, key_fd;
};

static int
file_of(struct slice text)
{
	int fd = memfd_create("pem", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text.p, text.n), text.n);
	return fd;
}

static void
make(struct pair *p, enum tls_self_key type)
{
	static const char *const names[] = { "mx.example.org" };
	struct tls_self self = { type, names, 1, NULL, 30 };

	buf_init(&p->certificate, 65536);
	buf_init(&p->key, 65536);
	assert_int_equal(tls_self_signed(&self, &p->certificate, &p->key), 0);
	p->certificate_fd = file_of(buf_slice(&p->certificate));
	p->key_fd = file_of(buf_slice(&p->key));
}

static void
drop(struct pair *p)
{
	buf_clear(&p->certificate);
	buf_clear(&p->key);
	close(p->certificate_fd);
	close(p->key_fd);
}

static bool
verifies(const struct pair *p, unsigned scheme, struct slice input,
    struct slice signature)
{
	BIO *b = BIO_new_mem_buf(p->certificate.p, (int)p->certificate.n);
	X509 *x = PEM_read_bio_X509(b, NULL, NULL, NULL);
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	EVP_PKEY_CTX *c;
	bool good;

	assert_int_equal(EVP_DigestVerifyInit(md, &c,
	    test_key_digest(scheme), NULL, X509_get0_pubkey(x)), 1);
	if (scheme == 0x0804) {
		EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_PSS_PADDING);
		EVP_PKEY_CTX_set_rsa_pss_saltlen(c, RSA_PSS_SALTLEN_DIGEST);
	}
	good = EVP_DigestVerify(md, (const void *)signature.p, signature.n,
	    (const void *)input.p, input.n) == 1;
	EVP_MD_CTX_free(md);
	X509_free(x);
	BIO_free(b);
	return good;
}

static void
each_kind_of_key_signs_its_schemes(void **state)
{
	static const struct {
		enum tls_self_key	type;
		unsigned		scheme;
		const char	       *head;
		size_t			nhead, n;
		int			want;
	} cases[] = {
		{ TLS_SELF_P256, 0x0403, VERIFY, 97, 146, 0 },
		{ TLS_SELF_P384, 0x0503, VERIFY, 97, 130, 0 },
		{ TLS_SELF_RSA, 0x0804, VERIFY, 97, 146, 0 },
		{ TLS_SELF_ED25519, 0x0807, VERIFY, 97, 146, 0 },
		{ TLS_SELF_RSA, 0x0401, RANDOMS "\3\0\x1d\x20", 68, 100, 0 },
		{ TLS_SELF_P256, 0x0403, RANDOMS "\3\0\x1d\x20", 68, 100,
		    0 },
		{ TLS_SELF_RSA, 0x0403, VERIFY, 97, 146, KEYS_FAILED },
		{ TLS_SELF_P256, 0x0804, VERIFY, 97, 146, KEYS_FAILED },
		{ TLS_SELF_P256, 0x0807, VERIFY, 97, 146, KEYS_FAILED },
		{ TLS_SELF_ED25519, 0x0403, VERIFY, 97, 146, KEYS_FAILED },
		{ TLS_SELF_RSA, 0x0401, VERIFY, 97, 146, KEYS_NOT_TLS },
		{ TLS_SELF_P256, 0x0403, "hello", 5, 5, KEYS_NOT_TLS },
	};
	struct store s = { 0 };
	struct buf signature = BUF_INIT(KEYS_SIGNATURE_BYTES);
	struct buf why = BUF_INIT(1000);
	struct pair p;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct slice in = input_of(cases[i].head, cases[i].nhead,
		    cases[i].n);

		make(&p, cases[i].type);
		assert_int_equal(store_add(&s, 7, p.key_fd, p.certificate_fd,
		    &why), 0);
		buf_reset(&signature);
		assert_int_equal(store_sign(&s, 7, cases[i].scheme, in,
		    &signature), cases[i].want);
		if (cases[i].want == 0)
			assert_true(verifies(&p, cases[i].scheme, in,
			    buf_slice(&signature)));
		else
			assert_int_equal(signature.n, 0);
		assert_int_equal(store_sign(&s, 8, cases[i].scheme, in,
		    &signature), KEYS_UNKNOWN);
		store_drop(&s, 7);
		assert_int_equal(store_sign(&s, 7, cases[i].scheme, in,
		    &signature), KEYS_UNKNOWN);
		drop(&p);
	}
	store_clear(&s);
	buf_clear(&signature);
	buf_clear(&why);
}

static void
renewed_key_takes_the_number(void **state)
{
	struct store s = { 0 };
	struct buf why = BUF_INIT(1000);
	struct pair a, b;

	(void)state;
	make(&a, TLS_SELF_P256);
	make(&b, TLS_SELF_RSA);
	assert_int_equal(store_add(&s, 1, a.key_fd, a.certificate_fd, &why),
	    0);
	assert_int_equal(store_add(&s, 1, b.key_fd, b.certificate_fd, &why),
	    0);
	assert_int_equal(s.n, 1);
	/* What does not fit leaves it. */
	assert_int_equal(store_add(&s, 1, a.key_fd, b.certificate_fd, &why),
	    -1);
	assert_non_null(strstr(buf_cstr(&why), "does not fit"));
	assert_int_equal(s.n, 1);
	store_clear(&s);
	drop(&a);
	drop(&b);
	buf_clear(&why);
}

static void
broken_files_are_refused_with_the_reason(void **state)
{
	static const char encrypted[] =
	    "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIGj\n"
	    "-----END ENCRYPTED PRIVATE KEY-----\n";
	struct store s = { 0 };
	struct buf why = BUF_INIT(1000), large = BUF_INIT(100000);
	struct pair p;
	int fd;
	size_t i, n;

	(void)state;
	make(&p, TLS_SELF_P256);
	for (i = 0; i < 5; i++) {
		buf_reset(&why);
		fd = file_of(i == 0 ? SLICE_EMPTY : i == 1 ?
		    SLICE_LIT("nonsense") : i == 2 ? slice_str(encrypted) :
		    i == 3 ? buf_slice(&p.certificate) :
		    slice_first(buf_slice(&p.key), p.key.n / 2));
		assert_int_equal(store_add(&s, 1, fd, p.certificate_fd, &why),
		    -1);
		assert_true(why.n > 0);
		buf_reset(&why);
		if (i != 3) {
			assert_int_equal(store_add(&s, 1, p.key_fd, fd, &why),
			    -1);
			assert_true(why.n > 0);
		}
		close(fd);
	}
	for (n = 0; n < 70000; n++)
		buf_add_byte(&large, 'x');
	fd = file_of(buf_slice(&large));
	buf_reset(&why);
	assert_int_equal(store_add(&s, 1, fd, p.certificate_fd, &why), -1);
	close(fd);
	assert_int_equal(s.n, 0);
	drop(&p);
	buf_clear(&why);
	buf_clear(&large);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_handshakes_are_signed),
		cmocka_unit_test(each_kind_of_key_signs_its_schemes),
		cmocka_unit_test(renewed_key_takes_the_number),
		cmocka_unit_test(broken_files_are_refused_with_the_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
