/* SPDX-License-Identifier: ISC */
/* cache - see cache.h. */
#include <stdlib.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/mem.h"
#include "base/wire.h"
#include "cache.h"

#define WAYS		4
#define KEY_BYTES	32
#define INPUT_BYTES	8192

struct entry {
	uint8_t		 key[KEY_BYTES];
	int64_t		 until_ms;	/* 0: free */
};

struct cache {
	uint8_t		 secret[32];
	struct entry	 v[CACHE_ENTRIES];
};

static bool	 key_of(const struct cache *, struct slice, struct slice,
		    struct slice, uint8_t key_r[KEY_BYTES]);
static struct entry *set_of(struct cache *, const uint8_t key[KEY_BYTES]);

struct cache *
cache_new(void)
{
	struct cache *c = mem_alloc(sizeof(*c));

	arc4random_buf(c->secret, sizeof(c->secret));
	return c;
}

void
cache_free(struct cache **cp)
{
	if (*cp != NULL)
		freezero(*cp, sizeof(**cp));
	*cp = NULL;
}

void
cache_forget(struct cache *c)
{
	memset(c->v, 0, sizeof(c->v));
	arc4random_buf(c->secret, sizeof(c->secret));
}

/* Each part with its length: no two triples make one input. */
static bool
key_of(const struct cache *c, struct slice login, struct slice stored,
    struct slice password, uint8_t key_r[KEY_BYTES])
{
	struct buf b = BUF_INIT(INPUT_BYTES);
	unsigned n = 0;
	bool ok;

	ok = put_slice(&b, login) == 0 && put_slice(&b, stored) == 0 &&
	    put_slice(&b, password) == 0 && HMAC(EVP_sha256(), c->secret,
	    sizeof(c->secret), (const unsigned char *)b.p, b.n, key_r,
	    &n) != NULL;
	if (b.n > 0)
		explicit_bzero(b.p, b.n);
	buf_clear(&b);
	return ok;
}

static struct entry *
set_of(struct cache *c, const uint8_t key[KEY_BYTES])
{
	size_t n = (size_t)key[0] << 16 | (size_t)key[1] << 8 | key[2];

	return &c->v[n % (CACHE_ENTRIES / WAYS) * WAYS];
}

bool
cache_has(struct cache *c, struct slice login, struct slice stored,
    struct slice password, int64_t now_ms)
{
	uint8_t key[KEY_BYTES];
	struct entry *set;
	size_t i;

	if (!key_of(c, login, stored, password, key))
		return false;
	set = set_of(c, key);
	for (i = 0; i < WAYS; i++)
		if (set[i].until_ms > now_ms &&
		    CRYPTO_memcmp(set[i].key, key, KEY_BYTES) == 0)
			return true;
	return false;
}

void
cache_add(struct cache *c, struct slice login, struct slice stored,
    struct slice password, int64_t until_ms)
{
	uint8_t key[KEY_BYTES];
	struct entry *set, *e;
	size_t i;

	if (!key_of(c, login, stored, password, key))
		return;
	e = set = set_of(c, key);
	for (i = 0; i < WAYS; i++) {
		if (memcmp(set[i].key, key, KEY_BYTES) == 0) {
			e = &set[i];
			break;
		}
		if (set[i].until_ms < e->until_ms)
			e = &set[i];
	}
	memcpy(e->key, key, KEY_BYTES);
	e->until_ms = until_ms;
}
