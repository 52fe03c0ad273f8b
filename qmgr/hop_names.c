/* SPDX-License-Identifier: ISC */
/* hop_names - see hop_names.h. */
#include <stdlib.h>

#include "base/mem.h"
#include "hop_names.h"

struct hop_name {
	RB_ENTRY(hop_name)	 node;
	char			*text;	/* owned; NULL: the number is unused */
	struct slice		 name;
	uint32_t		 refs;
	uint32_t		 next;	/* unused: the number after this one */
	uint16_t		 number;
};

static int
hop_name_cmp(const struct hop_name *a, const struct hop_name *b)
{
	return slice_cmp(a->name, b->name);
}

RB_GENERATE_INTERNAL(hop_name_tree, hop_name, node, hop_name_cmp,
    __attribute__((__unused__)) static)

static struct hop_name *
number_for(struct hop_names *h)
{
	struct hop_name *e;

	if (h->unused != 0) {
		e = h->v[h->unused - 1];
		h->unused = e->next;
		return e;
	}
	if (h->n == HOP_NAMES)
		return NULL;
	h->v = mem_regrow(h->v, h->n + 1, sizeof(struct hop_name *));
	e = h->v[h->n] = mem_alloc(sizeof(*e));
	e->number = (uint16_t)++h->n;
	return e;
}

uint16_t
hop_names_take(struct hop_names *h, struct slice name)
{
	struct hop_name key = { .name = name }, *e;

	if (name.n == 0)
		return 0;
	e = RB_FIND(hop_name_tree, &h->tree, &key);
	if (e == NULL) {
		e = number_for(h);
		if (e == NULL)
			return 0;
		e->text = mem_slicedup(name);
		e->name = slice_of(e->text, name.n);
		e->refs = 0;
		RB_INSERT(hop_name_tree, &h->tree, e);
	}
	e->refs++;
	return e->number;
}

void
hop_names_release(struct hop_names *h, uint16_t number)
{
	struct hop_name *e;

	if (number == 0)
		return;
	e = h->v[number - 1];
	if (--e->refs > 0)
		return;
	RB_REMOVE(hop_name_tree, &h->tree, e);
	free(e->text);
	e->text = NULL;
	e->next = h->unused;
	h->unused = number;
}

struct slice
hop_names_get(const struct hop_names *h, uint16_t number)
{
	return number == 0 ? SLICE_EMPTY : h->v[number - 1]->name;
}

void
hop_names_clear(struct hop_names *h)
{
	uint32_t i;

	for (i = 0; i < h->n; i++) {
		free(h->v[i]->text);
		free(h->v[i]);
	}
	free(h->v);
	*h = (struct hop_names){ .v = NULL };
}
