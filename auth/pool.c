/* SPDX-License-Identifier: ISC */
/*
 * pool - which verifier is asked.
 *
 * A login has its own verifier, the one that remembers its password; another
 * is taken only when that one has much more to do.  Each works off its
 * questions by itself and answers at once what it remembers, so nothing waits
 * here; what may be on its way at once is limited (auth.queue).
 */
#include "auth.h"
#include "base/num.h"

#define FAVOUR	4	/* questions that the own verifier may be behind */

static struct verifier *choose(struct auth *, struct slice login);
static uint16_t	 put_question(struct buf *, enum auth_protocol,
		    const struct sasl_question *);
static uint16_t	 type_of(const struct sasl_question *);

static uint16_t
type_of(const struct sasl_question *q)
{
	switch (q->kind) {
	case SASL_Q_PASSWORD:
		return AV_PASSWORD;
	case SASL_Q_SCRAM_SALT:
		return AV_SCRAM_SALT;
	case SASL_Q_SCRAM_PROOF:
		return AV_SCRAM_PROOF;
	case SASL_Q_TOKEN:
		return AV_TOKEN;
	case SASL_Q_ACCOUNT:
	case SASL_Q_NONE:
		break;
	}
	return AV_ACCOUNT;
}

static uint16_t
put_question(struct buf *b, enum auth_protocol protocol,
    const struct sasl_question *q)
{
	uint16_t type = type_of(q);

	if (type != AV_SCRAM_SALT)
		put_u8(b, (uint8_t)protocol);
	if (type == AV_SCRAM_SALT || type == AV_SCRAM_PROOF)
		put_u8(b, (uint8_t)q->hash);
	put_slice(b, q->login);
	if (type == AV_PASSWORD)
		put_slice(b, q->password);
	if (type == AV_TOKEN)
		put_slice(b, q->token);
	if (type == AV_SCRAM_PROOF) {
		put_slice(b, q->message);
		put_slice(b, q->proof);
	}
	return type;
}

int
pool_ask(struct auth *a, uint64_t id, enum auth_protocol protocol,
    const struct sasl_question *q, unsigned *index_r)
{
	struct verifier *v = choose(a, q->login);
	struct buf *b;

	if (v == NULL || pool_asked(a) >= a->child.conf->auth_queue)
		return -1;
	b = channel_begin(v->channel, type_of(q), id);
	if (b == NULL)
		return -1;
	put_question(b, protocol, q);
	channel_end(v->channel);
	v->asked++;
	*index_r = (unsigned)(v - a->verifiers);
	return 0;
}

static struct verifier *
choose(struct auth *a, struct slice login)
{
	static const uint64_t key[2] = { 1, 2 };	/* a spread, no secret */
	uint64_t hash = siphash(key, login);
	struct verifier *up[VERIFIERS], *own, *least;
	size_t i, n = 0;

	for (i = 0; i < VERIFIERS; i++)
		if (a->verifiers[i].channel != NULL)
			up[n++] = &a->verifiers[i];
	if (n == 0)
		return NULL;
	own = least = up[hash % n];
	for (i = 0; i < n; i++)
		if (up[i]->asked < least->asked)
			least = up[i];
	return own->asked > least->asked + FAVOUR ? least : own;
}

size_t
pool_asked(const struct auth *a)
{
	size_t i, n = 0;

	for (i = 0; i < VERIFIERS; i++)
		n += a->verifiers[i].asked;
	return n;
}

void
pool_answered(struct auth *a, unsigned index)
{
	if (a->verifiers[index].asked > 0)
		a->verifiers[index].asked--;
}

/* No answer is owed any more. */
void
pool_cancel(struct auth *a, uint64_t id, unsigned index)
{
	struct verifier *v = &a->verifiers[index];

	if (v->channel != NULL)
		channel_send(v->channel, AV_CANCEL, id, SLICE_EMPTY);
	pool_answered(a, index);
}

void
pool_up(struct auth *a, struct channel *c)
{
	unsigned i = channel_index(c);

	if (i < VERIFIERS)
		a->verifiers[i] = (struct verifier){ .channel = c };
}

void
pool_down(struct auth *a, struct channel *c)
{
	unsigned i = channel_index(c);

	if (i < VERIFIERS && a->verifiers[i].channel == c) {
		a->verifiers[i] = (struct verifier){ .channel = NULL };
		dialogue_verifier_lost(a, i);
	}
}
