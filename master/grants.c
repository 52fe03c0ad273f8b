/* SPDX-License-Identifier: ISC */
/*
 * grants - see grants.h.
 *
 * Always: a nonce is remembered at least until its grant is too old; where
 * there is no room for another one, no grant is believed.
 */
#include <sys/queue.h>
#include <sys/tree.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "grants.h"
#include "os/memory.h"

#define NONCES		262144	/* remembered: 4,000 logins a second */

struct nonce {
	RB_ENTRY(nonce)		 node;
	TAILQ_ENTRY(nonce)	 by_age;
	uint8_t			 bytes[16];
	int64_t			 forget_ms;	/* monotonic */
};

RB_HEAD(nonce_tree, nonce);

struct grants {
	uint8_t			 secret[GRANT_SECRET_BYTES];
	int			 secret_fd;	/* sealed; owned */
	struct nonce_tree	 nonces;
	TAILQ_HEAD(, nonce)	 by_age;
	size_t			 nnonces;
};

static bool	 take_nonce(struct grants *, const uint8_t bytes[16],
		    int64_t now);
static void	 forget_oldest(struct grants *);

static int
nonce_cmp(const struct nonce *a, const struct nonce *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

RB_GENERATE_INTERNAL(nonce_tree, nonce, node, nonce_cmp,
    __attribute__((__unused__)) static)

struct grants *
grants_new(void)
{
	struct grants *g = mem_alloc(sizeof(*g));

	arc4random_buf(g->secret, sizeof(g->secret));
	RB_INIT(&g->nonces);
	TAILQ_INIT(&g->by_age);
	g->secret_fd = memory_of_text("chasqui-grant",
	    slice_of(g->secret, sizeof(g->secret)));
	if (g->secret_fd == -1)
		grants_free(&g);
	return g;
}

void
grants_free(struct grants **gp)
{
	struct grants *g = *gp;

	*gp = NULL;
	if (g == NULL)
		return;
	while (g->nnonces > 0)
		forget_oldest(g);
	if (g->secret_fd != -1)
		close(g->secret_fd);
	freezero(g, sizeof(*g));
}

int
grants_secret_fd(const struct grants *g)
{
	return g->secret_fd;
}

const char *
grants_take(struct grants *g, struct slice sealed,
    enum auth_protocol protocol, int64_t now_ms, struct grant *grant_r)
{
	if (!grant_open(sealed, now_ms, g->secret, grant_r) ||
	    grant_r->protocol != protocol)
		return "not a grant of auth's, or too late";
	if (!take_nonce(g, grant_r->nonce, now_ms))
		return "the grant has been used";
	return NULL;
}

size_t
grants_taken(const struct grants *g)
{
	return g->nnonces;
}

/* A grant older than its life is refused without this. */
static bool
take_nonce(struct grants *g, const uint8_t bytes[16], int64_t now)
{
	struct nonce *n;

	while ((n = TAILQ_FIRST(&g->by_age)) != NULL && n->forget_ms < now)
		forget_oldest(g);
	if (g->nnonces >= NONCES)
		return false;
	n = mem_alloc(sizeof(*n));
	memcpy(n->bytes, bytes, sizeof(n->bytes));
	n->forget_ms = now + GRANT_LIFE_MS;
	if (RB_INSERT(nonce_tree, &g->nonces, n) != NULL) {
		free(n);
		return false;
	}
	TAILQ_INSERT_TAIL(&g->by_age, n, by_age);
	g->nnonces++;
	return true;
}

static void
forget_oldest(struct grants *g)
{
	struct nonce *n = TAILQ_FIRST(&g->by_age);

	TAILQ_REMOVE(&g->by_age, n, by_age);
	RB_REMOVE(nonce_tree, &g->nonces, n);
	g->nnonces--;
	free(n);
}
