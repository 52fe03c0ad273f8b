/* SPDX-License-Identifier: ISC */
/*
 * sort - SORT (RFC 5256 section 3, RFC 5957): what each message is sorted by is
 * taken from its summary once, then positions are ordered.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "mail/charset.h"
#include "mail/summary.h"
#include "search.h"

#define SORT_BYTES	(256 * 1024 * 1024) /* of texts; beyond: as if empty */

/* Either is used, as the key wants. */
union value {
	int64_t		 number;
	struct { size_t at, n; } text;	/* in sorter.texts */
};

struct sorter {
	const struct sort_key *keys;
	size_t		 nkeys;
	union value	*values;	/* owned; nkeys of each message */
	struct buf	 texts;		/* in the form for comparison */
};

static const char *const names[] = {
	[SORT_ARRIVAL] = "ARRIVAL", [SORT_CC] = "CC", [SORT_DATE] = "DATE",
	[SORT_FROM] = "FROM", [SORT_SIZE] = "SIZE", [SORT_SUBJECT] = "SUBJECT",
	[SORT_TO] = "TO", [SORT_DISPLAYFROM] = "DISPLAYFROM",
	[SORT_DISPLAYTO] = "DISPLAYTO",
};

static void	 take_values(struct sorter *, struct view *, uint32_t position,
		    union value *);
static union value value_of(struct sorter *, enum sort_by,
		    const struct message_facts *, const struct summary *);
static int	 compare(const void *, const void *, void *);

bool
sort_parse(struct cursor *c, struct sort_key *keys, size_t *n_r)
{
	size_t i, n = 0;

	if (!cur_open(c))
		return false;
	do {
		if (n == SORT_KEYS)
			return false;
		keys[n].reverse = cur_word(c, "REVERSE");
		if (keys[n].reverse && !cur_sp(c))
			return false;
		for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			if (cur_word(c, names[i]))
				break;
		if (i == sizeof(names) / sizeof(names[0]))
			return false;
		keys[n++].by = (enum sort_by)i;
	} while (cur_sp(c));
	*n_r = n;
	return cur_close(c);
}

bool
sort_reads(const struct sort_key *keys, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (keys[i].by != SORT_ARRIVAL && keys[i].by != SORT_SIZE)
			return true;
	return false;
}

/* What is sorted: the index into values, and the position. */
struct item { uint32_t index, position; };

void
sort_positions(struct view *v, const struct sort_key *keys, size_t nkeys,
    struct uids *positions)
{
	struct sorter s = { .keys = keys, .nkeys = nkeys,
		.texts = BUF_INIT(SORT_BYTES) };
	struct item *items = mem_array(positions->n + 1, sizeof(*items));
	size_t i;

	buf_add_byte(&s.texts, '\n');	/* so that there is a text */
	s.values = mem_array(positions->n * nkeys + 1, sizeof(*s.values));
	for (i = 0; i < positions->n; i++) {
		items[i] = (struct item){ (uint32_t)i, positions->v[i] };
		take_values(&s, v, positions->v[i], &s.values[i * nkeys]);
	}
	qsort_r(items, positions->n, sizeof(*items), compare, &s);
	for (i = 0; i < positions->n; i++)
		positions->v[i] = items[i].position;
	free(items);
	free(s.values);
	buf_clear(&s.texts);
}

/* A message without a date of its own counts by when it came. */
static unsigned
facts_wanted(const struct sort_key *keys, size_t nkeys,
    const struct summary *sum)
{
	unsigned wanted = 0;
	size_t i;

	for (i = 0; i < nkeys; i++)
		if (keys[i].by == SORT_SIZE)
			wanted |= FACT_SIZE;
		else if (keys[i].by == SORT_ARRIVAL ||
		    (keys[i].by == SORT_DATE && sum->date_ms == INT64_MIN))
			wanted |= FACT_DATES;
	return wanted;
}

static void
take_values(struct sorter *s, struct view *v, uint32_t position,
    union value *to)
{
	const struct message_entry *e = view_entry(v, position);
	struct message_facts f = { 0 };
	struct summary sum = { .date_ms = INT64_MIN };
	struct slice bytes;
	size_t i;

	uint32_t uid = e != NULL ? e->uid : 0;

	if (e != NULL && sort_reads(s->keys, s->nkeys) &&
	    (mailbox_summary(v->mailbox, uid, &bytes) != STORE_OK ||
		!summary_read(bytes, &sum)))
		sum = (struct summary){ .date_ms = INT64_MIN };
	if (e != NULL)
		(void)!mailbox_facts(v->mailbox, uid,
		    facts_wanted(s->keys, s->nkeys, &sum), &f);
	for (i = 0; i < s->nkeys; i++)
		to[i] = value_of(s, s->keys[i].by, &f, &sum);
}

static union value
value_of(struct sorter *s, enum sort_by by, const struct message_facts *f,
    const struct summary *sum)
{
	union value v = { .number = 0 };
	struct slice text = SLICE_EMPTY;

	switch (by) {
	case SORT_ARRIVAL:
		v.number = f->internal_ms;
		return v;
	case SORT_SIZE:
		v.number = f->size > INT64_MAX ? INT64_MAX : (int64_t)f->size;
		return v;
	case SORT_DATE:
		v.number = sum->date_ms == INT64_MIN ? f->internal_ms :
						       sum->date_ms;
		return v;
	case SORT_CC:
		text = sum->cc;
		break;
	case SORT_FROM:
		text = sum->from;
		break;
	case SORT_TO:
		text = sum->to;
		break;
	case SORT_DISPLAYFROM:
		text = sum->display_from;
		break;
	case SORT_DISPLAYTO:
		text = sum->display_to;
		break;
	case SORT_SUBJECT:
		/* It is in the form for comparison already. */
		v.text.at = s->texts.n;
		if (sum->base_subject.n > 0)
			buf_add(&s->texts, sum->base_subject);
		v.text.n = s->texts.n - v.text.at;
		return v;
	}
	v.text.at = s->texts.n;
	if (text.n > 0)
		casefold(text, &s->texts);
	v.text.n = s->texts.n - v.text.at;
	return v;
}

static int
compare(const void *va, const void *vb, void *arg)
{
	const struct item *a = va, *b = vb;
	const struct sorter *s = arg;
	const union value *x = &s->values[a->index * s->nkeys];
	const union value *y = &s->values[b->index * s->nkeys];
	size_t i;
	int d;

	for (i = 0; i < s->nkeys; i++) {
		switch (s->keys[i].by) {
		case SORT_ARRIVAL:
		case SORT_DATE:
		case SORT_SIZE:
			d = (x[i].number > y[i].number) -
			    (x[i].number < y[i].number);
			break;
		case SORT_CC:
		case SORT_FROM:
		case SORT_SUBJECT:
		case SORT_TO:
		case SORT_DISPLAYFROM:
		case SORT_DISPLAYTO:
		default:
			d = slice_cmp(
			    slice_of(s->texts.p + x[i].text.at, x[i].text.n),
			    slice_of(s->texts.p + y[i].text.at, y[i].text.n));
		}
		if (d != 0)
			return s->keys[i].reverse ? -d : d;
	}
	return (a->position > b->position) - (a->position < b->position);
}
