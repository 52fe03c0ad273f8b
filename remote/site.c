/* SPDX-License-Identifier: ISC */
/* site - see site.h. */
#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/num.h"
#include "site.h"

#define BUCKETS	4096

static struct site **bucket_of(struct relay *, struct slice name);
static void	 trim(struct relay *);
static void	 destroy(struct site *);

struct site *
site_get(struct relay *r, struct slice name)
{
	struct site *s, **bucket = bucket_of(r, name);
	struct next_hop hop;

	for (s = *bucket; s != NULL; s = s->chain)
		if (slice_eq(slice_str(s->name), name))
			break;
	if (s == NULL) {
		if (!next_hop_parse(name, &hop))
			return NULL;
		s = mem_alloc(sizeof(*s));
		s->relay = r;
		s->name = mem_slicedup(name);
		next_hop_parse(slice_str(s->name), &s->hop);
		TAILQ_INIT(&s->idle);
		LIST_INIT(&s->sessions);
		secure_policy_make(&s->secure, r, slice_str(s->name), &s->hop);
		s->chain = *bucket;
		*bucket = s;
		r->nsites++;
	} else if (s->refs == 0)
		TAILQ_REMOVE(&r->unused, s, entry);
	s->refs++;
	trim(r);
	return s;
}

static struct site **
bucket_of(struct relay *r, struct slice name)
{
	if (r->sites == NULL)
		r->sites = mem_array(BUCKETS, sizeof(*r->sites));
	return &r->sites[siphash(r->hash_key, name) % BUCKETS];
}

void
site_release(struct site **sp)
{
	struct site *s = *sp;

	*sp = NULL;
	if (s == NULL || --s->refs > 0)
		return;
	TAILQ_INSERT_TAIL(&s->relay->unused, s, entry);
}

/* What is in use is bounded by remote.connections; the rest by SITES. */
static void
trim(struct relay *r)
{
	struct site *s;

	while (r->nsites > SITES && (s = TAILQ_FIRST(&r->unused)) != NULL) {
		TAILQ_REMOVE(&r->unused, s, entry);
		destroy(s);
	}
}

static void
destroy(struct site *s)
{
	struct site **at = bucket_of(s->relay, slice_str(s->name));

	assert(TAILQ_EMPTY(&s->idle));
	while (*at != s)
		at = &(*at)->chain;
	*at = s->chain;
	s->relay->nsites--;
	plan_unref(&s->plan);
	secure_forget_site(s);
	secure_policy_clear(&s->secure);
	free(s->name);
	free(s);
}

static void
configure(struct site *s)
{
	struct secure_policy fresh;

	secure_policy_make(&fresh, s->relay, slice_str(s->name), &s->hop);
	s->changed = !secure_policy_eq(&fresh, &s->secure);
	secure_policy_clear(&s->secure);
	s->secure = fresh;
	if (s->changed)
		secure_forget_site(s);
}

void
site_configure_all(struct relay *r)
{
	struct site *s;
	size_t i;

	for (i = 0; r->sites != NULL && i < BUCKETS; i++)
		for (s = r->sites[i]; s != NULL; s = s->chain)
			configure(s);
}

void
site_clear_all(struct relay *r)
{
	struct site *s;

	while ((s = TAILQ_FIRST(&r->unused)) != NULL) {
		TAILQ_REMOVE(&r->unused, s, entry);
		destroy(s);
	}
	assert(r->nsites == 0);
	free(r->sites);
	r->sites = NULL;
}

struct plan *
site_plan(struct site *s)
{
	if (s->plan != NULL && plan_is_stale(s->plan))
		plan_unref(&s->plan);
	if (s->plan == NULL)
		s->plan = plan_new(s->relay, &s->hop);
	return s->plan;
}
