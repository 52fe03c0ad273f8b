/* SPDX-License-Identifier: ISC */
/* grant - see grant.h.  The fields of struct grant in their order, then the
 * HMAC-SHA-256 of all before it. */
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "base/wire.h"
#include "ipc/fields.h"
#include "ipc/grant.h"

#define GRANT_VERSION		1
#define MAC_BYTES	32

static bool	 seal_of(struct slice, const uint8_t *secret,
		    uint8_t mac_r[MAC_BYTES]);

/* HMAC() would look for its parts anew each time, which takes several times as
 * long as what they do. */
static EVP_MAC_CTX *
hmac_sha256(void)
{
	static EVP_MAC_CTX *ctx;
	char digest[] = "SHA256";
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest,
		    0),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC *mac;

	if (ctx != NULL)
		return ctx;
	mac = EVP_MAC_fetch(NULL, OSSL_MAC_NAME_HMAC, NULL);
	ctx = EVP_MAC_CTX_new(mac);
	EVP_MAC_free(mac);
	if (ctx != NULL && EVP_MAC_CTX_set_params(ctx, params) != 1) {
		EVP_MAC_CTX_free(ctx);
		ctx = NULL;
	}
	return ctx;
}

static bool
seal_of(struct slice s, const uint8_t *secret, uint8_t mac_r[MAC_BYTES])
{
	EVP_MAC_CTX *ctx = hmac_sha256();
	size_t n = 0;

	return ctx != NULL &&
	    EVP_MAC_init(ctx, secret, GRANT_SECRET_BYTES, NULL) == 1 &&
	    EVP_MAC_update(ctx, (const unsigned char *)s.p, s.n) == 1 &&
	    EVP_MAC_final(ctx, mac_r, &n, MAC_BYTES) == 1 && n == MAC_BYTES;
}

int
grant_seal(struct buf *out, const struct grant *g,
    const uint8_t secret[GRANT_SECRET_BYTES])
{
	struct buf b = BUF_INIT(GRANT_BYTES);
	uint8_t mac[MAC_BYTES];
	int r;

	r = put_u8(&b, GRANT_VERSION) | put_u8(&b, (uint8_t)g->protocol) |
	    buf_add(&b, slice_of(g->nonce, sizeof(g->nonce))) |
	    put_time(&b, g->until_ms) | put_slice(&b, g->login) |
	    put_u32(&b, g->uid) | put_u32(&b, g->gid) |
	    put_slice(&b, g->user) | put_slice(&b, g->directory) |
	    put_slice(&b, g->maildir) | put_u64(&b, g->quota_bytes) |
	    put_u64(&b, g->quota_messages);
	if (r == 0 && seal_of(buf_slice(&b), secret, mac) &&
	    buf_add(&b, slice_of(mac, sizeof(mac))) == 0)
		r = buf_add(out, buf_slice(&b));
	else
		r = -1;
	buf_clear(&b);
	return r;
}

/* The seal is looked at before anything else is. */
bool
grant_open(struct slice sealed, int64_t now_ms,
    const uint8_t secret[GRANT_SECRET_BYTES], struct grant *g_r)
{
	struct grant g = { 0 };
	uint8_t mac[MAC_BYTES], protocol;
	struct wire w;
	size_t i;

	if (sealed.n <= MAC_BYTES || sealed.n > GRANT_BYTES)
		return false;
	w = wire_of(slice_first(sealed, sealed.n - MAC_BYTES));
	if (!seal_of(w.rest, secret, mac) || CRYPTO_memcmp(mac,
	    sealed.p + sealed.n - MAC_BYTES, MAC_BYTES) != 0)
		return false;
	if (get_u8(&w) != GRANT_VERSION)
		return false;
	protocol = get_enum(&w, AUTH_POP3);
	g.protocol = (enum auth_protocol)protocol;
	for (i = 0; i < sizeof(g.nonce); i++)
		g.nonce[i] = get_u8(&w);
	g.until_ms = get_time(&w);
	g.login = get_text(&w, LOGIN_BYTES);
	g.uid = get_u32(&w);
	g.gid = get_u32(&w);
	g.user = get_text(&w, USER_BYTES);
	g.directory = get_text(&w, PATH_BYTES);
	g.maildir = get_text(&w, PATH_BYTES);
	g.quota_bytes = get_u64(&w);
	g.quota_messages = get_u64(&w);
	if (!wire_done(&w) || protocol == 0 || g.login.n == 0 ||
	    now_ms > g.until_ms || g.until_ms - now_ms > GRANT_LIFE_MS)
		return false;
	*g_r = g;
	return true;
}
