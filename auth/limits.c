/* SPDX-License-Identifier: ISC */
/*
 * limits - see limits.h.
 *
 * A count is a bucket that leaks: each failure adds UNIT, and what a limit
 * allows in a window drains in that window.  Without a limit it drains as if
 * 20 were allowed, because delays come from the same count.
 */
#include <stdbool.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/num.h"
#include "limits.h"

#define UNIT		1000	/* one failure */
#define WAYS		8	/* entries that a key can be in */
#define COUNT_SETS	8192	/* of each table of counts */
#define KNOWN_SETS	16384
#define UNLIMITED	20

struct count {
	uint64_t	 key;		/* 0: free */
	int64_t		 when_ms;
	uint64_t	 level;		/* failures * UNIT */
	uint64_t	 last;		/* hash of what was tried */
};

struct known {
	uint64_t	 key;		/* of client and login; 0: free */
	int64_t		 when_ms;	/* of the last success */
};

enum table { CLIENTS, NETWORKS, USERS, TABLES };

struct limits {
	struct limits_policy	 policy;
	uint64_t		 secret[2];
	struct count		*counts[TABLES];	/* owned */
	struct known		*known;			/* owned */
};

static uint64_t	 key_of(const struct limits *, enum table, const void *,
		    size_t);
static size_t	 network_bytes(const uint8_t addr[16], enum table);
static uint64_t	 client_key(const struct limits *, const uint8_t addr[16],
		    enum table);
static uint64_t	 user_key(const struct limits *, struct slice);
static uint64_t	 pair_key(const struct limits *, const uint8_t addr[16],
		    struct slice);
static uint64_t	 allowed(const struct limits *, enum table);
static uint64_t	 level_now(const struct limits *, enum table,
		    const struct count *, int64_t now);
static struct count *count_find(struct limits *, enum table, uint64_t key);
static struct count *count_take(struct limits *, enum table, uint64_t key,
		    int64_t now);
static bool	 is_over(struct limits *, enum table, uint64_t key,
		    int64_t now);
static bool	 is_known(struct limits *, uint64_t key);
static uint64_t	 add(struct limits *, enum table, uint64_t key, uint64_t tried,
		    int64_t now);

struct limits *
limits_new(void)
{
	struct limits *l = mem_alloc(sizeof(*l));
	unsigned t;

	arc4random_buf(l->secret, sizeof(l->secret));
	for (t = 0; t < TABLES; t++)
		l->counts[t] = mem_array(COUNT_SETS * WAYS,
		    sizeof(*l->counts[t]));
	l->known = mem_array(KNOWN_SETS * WAYS, sizeof(*l->known));
	return l;
}

void
limits_free(struct limits **lp)
{
	struct limits *l = *lp;
	unsigned t;

	if (l == NULL)
		return;
	for (t = 0; t < TABLES; t++)
		free(l->counts[t]);
	free(l->known);
	free(l);
	*lp = NULL;
}

void
limits_configure(struct limits *l, const struct limits_policy *p)
{
	l->policy = *p;
}

const char *
limits_verdict_name(enum limits_verdict v)
{
	static const char *const names[] = {
		[LIMITS_GO_ON] = "none",
		[LIMITS_CLIENT] = "client-limit",
		[LIMITS_NETWORK] = "network-limit",
		[LIMITS_USER] = "user-limit",
	};

	return names[v];
}

int64_t
limits_delay_max(const struct limits *l)
{
	return l->policy.delay_max_ms;
}

/* ---- keys ---------------------------------------------------------------- */

static uint64_t
key_of(const struct limits *l, enum table t, const void *p, size_t n)
{
	uint64_t secret[2] = { l->secret[0] ^ (uint64_t)t, l->secret[1] };
	uint64_t key = siphash(secret, slice_of(p, n));

	return key == 0 ? 1 : key;
}

/* How much of an address names the client, or its network. */
static size_t
network_bytes(const uint8_t addr[16], enum table t)
{
	static const uint8_t v4[12] = { [10] = 0xff, [11] = 0xff };
	bool is_v4 = memcmp(addr, v4, sizeof(v4)) == 0;

	if (t == CLIENTS)
		return is_v4 ? 16 : 8;
	return is_v4 ? 15 : 6;
}

static uint64_t
client_key(const struct limits *l, const uint8_t addr[16], enum table t)
{
	return key_of(l, t, addr, network_bytes(addr, t));
}

static uint64_t
user_key(const struct limits *l, struct slice login)
{
	return key_of(l, USERS, login.p, login.n);
}

static uint64_t
pair_key(const struct limits *l, const uint8_t addr[16], struct slice login)
{
	uint64_t pair[2] = { client_key(l, addr, CLIENTS),
		user_key(l, login) };

	return key_of(l, TABLES, pair, sizeof(pair));
}

/* ---- counts -------------------------------------------------------------- */

static uint64_t
allowed(const struct limits *l, enum table t)
{
	const struct limits_policy *p = &l->policy;
	uint64_t n = t == CLIENTS ? p->max_client : t == NETWORKS ?
	    p->max_network : p->max_user;

	return n;
}

static uint64_t
level_now(const struct limits *l, enum table t, const struct count *c,
    int64_t now)
{
	uint64_t rate = allowed(l, t), gone;
	int64_t elapsed = now - c->when_ms;

	if (elapsed <= 0)
		return c->level;
	if (elapsed >= l->policy.window_ms)
		return 0;
	if (rate == 0)
		rate = UNLIMITED;
	gone = (uint64_t)elapsed * rate * UNIT /
	    (uint64_t)l->policy.window_ms;
	return gone >= c->level ? 0 : c->level - gone;
}

static struct count *
count_find(struct limits *l, enum table t, uint64_t key)
{
	struct count *set = &l->counts[t][key % COUNT_SETS * WAYS];
	size_t i;

	for (i = 0; i < WAYS; i++)
		if (set[i].key == key)
			return &set[i];
	return NULL;
}

/* The key's own, or that of the one in its set who has the least to lose. */
static struct count *
count_take(struct limits *l, enum table t, uint64_t key, int64_t now)
{
	struct count *c = count_find(l, t, key), *set;
	size_t i;

	if (c != NULL)
		return c;
	set = &l->counts[t][key % COUNT_SETS * WAYS];
	c = set;
	for (i = 0; i < WAYS && c->key != 0; i++)
		if (set[i].key == 0 || level_now(l, t, &set[i], now) <
		    level_now(l, t, c, now))
			c = &set[i];
	*c = (struct count){ .key = key, .when_ms = now };
	return c;
}

static bool
is_over(struct limits *l, enum table t, uint64_t key, int64_t now)
{
	const struct count *c = count_find(l, t, key);

	/* Half a failure may have drained while the last ones came. */
	return allowed(l, t) > 0 && c != NULL &&
	    level_now(l, t, c, now) + UNIT / 2 >= allowed(l, t) * UNIT;
}

/* The level after it.  It stops a little above the limit, so that nobody pays
 * for longer than a window. */
static uint64_t
add(struct limits *l, enum table t, uint64_t key, uint64_t tried, int64_t now)
{
	struct count *c = count_take(l, t, key, now);
	uint64_t most = (allowed(l, t) + 1) * UNIT;

	c->level = level_now(l, t, c, now);
	c->when_ms = now;
	if (tried == 0 || c->last != tried)
		c->level += UNIT;
	if (allowed(l, t) > 0 && c->level > most)
		c->level = most;
	c->last = tried;
	return c->level;
}

/* ---- questions ----------------------------------------------------------- */

static bool
is_known(struct limits *l, uint64_t key)
{
	const struct known *set = &l->known[key % KNOWN_SETS * WAYS];
	size_t i;

	for (i = 0; i < WAYS; i++)
		if (set[i].key == key)
			return true;
	return false;
}

enum limits_verdict
limits_ask(struct limits *l, const uint8_t addr[16], struct slice login,
    int64_t now)
{
	if (login.n > 0 && is_known(l, pair_key(l, addr, login)))
		/* Only a client that itself guesses is held. */
		return is_over(l, CLIENTS, client_key(l, addr, CLIENTS), now) ?
		    LIMITS_CLIENT : LIMITS_GO_ON;
	if (is_over(l, CLIENTS, client_key(l, addr, CLIENTS), now))
		return LIMITS_CLIENT;
	if (is_over(l, NETWORKS, client_key(l, addr, NETWORKS), now))
		return LIMITS_NETWORK;
	if (login.n > 0 && is_over(l, USERS, user_key(l, login), now))
		return LIMITS_USER;
	return LIMITS_GO_ON;
}

uint64_t
limits_of_user(struct limits *l, struct slice login, int64_t now)
{
	const struct count *c = count_find(l, USERS, user_key(l, login));

	return c == NULL ? 0 :
	    (level_now(l, USERS, c, now) + UNIT / 2) / UNIT;
}

int64_t
limits_failed(struct limits *l, const uint8_t addr[16], struct slice login,
    struct slice secret, int64_t now)
{
	const struct limits_policy *p = &l->policy;
	uint64_t tried = 0, level, n;
	int64_t delay = p->delay_ms;

	if (secret.n > 0)
		tried = key_of(l, TABLES, secret.p, secret.n) ^
		    user_key(l, login);
	level = add(l, CLIENTS, client_key(l, addr, CLIENTS), tried, now);
	add(l, NETWORKS, client_key(l, addr, NETWORKS), tried, now);
	if (login.n > 0)
		add(l, USERS, user_key(l, login), tried, now);
	for (n = (level + UNIT / 2) / UNIT;
	    n > 1 && delay < p->delay_max_ms; n--)
		delay *= 2;
	return delay < p->delay_max_ms ? delay : p->delay_max_ms;
}

void
limits_succeeded(struct limits *l, const uint8_t addr[16], struct slice login,
    int64_t now)
{
	uint64_t key = pair_key(l, addr, login);
	struct known *set = &l->known[key % KNOWN_SETS * WAYS], *k = set;
	size_t i;

	for (i = 0; i < WAYS; i++) {
		if (set[i].key == key) {
			k = &set[i];
			break;
		}
		if (set[i].key == 0 || (k->key != 0 &&
		    set[i].when_ms < k->when_ms))
			k = &set[i];
	}
	*k = (struct known){ key, now };
}
