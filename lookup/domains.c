/* SPDX-License-Identifier: ISC */
/* domains - see domains.h. */
#include <stdlib.h>

#include "base/mem.h"
#include "domains.h"
#include "mail/address.h"

static void	 add(struct domains *, const char *, enum domain_type);
static char	*canonical(const char *);
static int	 by_name(const void *, const void *);

static const char *const type_names[] = {
	[DOMAIN_VIRTUAL] = "virtual",
	[DOMAIN_SYSTEM] = "system",
	[DOMAIN_RELAY] = "relay",
	[DOMAIN_ALIAS] = "alias",
};

void
domains_init(struct domains *d, const struct conf *c,
    const struct tables *tables)
{
	const struct conf_domain *from;
	struct domain *to;
	size_t i, t;

	*d = (struct domains){ .v = mem_array(c->ndomains + 2,
		sizeof(*d->v)) };
	for (i = 0; i < c->ndomains; i++) {
		from = &c->domains[i];
		for (t = 0; strcmp(type_names[t], from->type) != 0; t++)
			;
		add(d, from->name, (enum domain_type)t);
		to = &d->v[d->n - 1];
		to->catch_all = from->catch_all;
		to->relay_to = from->relay_to;
		table_list_init(&to->keys, t == DOMAIN_RELAY ?
		    &from->recipients : &from->mailboxes, tables);
		if (t == DOMAIN_SYSTEM && d->first_system == NULL)
			d->first_system = to->name;
	}
	qsort(d->v, d->n, sizeof(*d->v), by_name);
	if (domains_find(d, slice_str("localhost")) == NULL)
		add(d, "localhost", DOMAIN_SYSTEM);
	qsort(d->v, d->n, sizeof(*d->v), by_name);
	if (c->hostname[0] != '\0') {
		char *host = canonical(c->hostname);

		if (domains_find(d, slice_str(host)) == NULL) {
			add(d, c->hostname, DOMAIN_SYSTEM);
			qsort(d->v, d->n, sizeof(*d->v), by_name);
		}
		if (d->first_system == NULL)
			d->first_system = domains_find(d,
			    slice_str(host))->name;
		free(host);
	}
	if (d->first_system == NULL)
		d->first_system = "localhost";
	d->literal = (struct domain){ NULL, DOMAIN_SYSTEM, "", "",
		{ NULL, 0 } };
}

static void
add(struct domains *d, const char *name, enum domain_type type)
{
	d->v[d->n++] = (struct domain){ canonical(name), type, "", "",
		{ NULL, 0 } };
}

/* As address_canonical() makes it; what cannot be converted stays. */
static char *
canonical(const char *name)
{
	struct arena arena = ARENA_INIT(2048);
	struct address a = { SLICE_LIT("x"), slice_str(name) };
	struct slice text;
	char *copy;

	if (address_canonical(&arena, &a, false, &text) == 0)
		copy = mem_slicedup(slice_from(text, 2));
	else
		copy = mem_strdup(name);
	arena_clear(&arena);
	return copy;
}

static int
by_name(const void *va, const void *vb)
{
	const struct domain *a = va, *b = vb;

	return strcmp(a->name, b->name);
}

const struct domain *
domains_find(const struct domains *d, struct slice name)
{
	size_t low = 0, high = d->n, middle;
	int c;

	while (low < high) {
		middle = low + (high - low) / 2;
		c = slice_cmp(name, slice_str(d->v[middle].name));
		if (c == 0)
			return &d->v[middle];
		if (c < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

void
domains_clear(struct domains *d)
{
	size_t i;

	for (i = 0; i < d->n; i++) {
		free(d->v[i].name);
		free(d->v[i].keys.v);
	}
	free(d->v);
	*d = (struct domains){ 0 };
}

void
table_list_init(struct table_list *list, const struct conf_list *names,
    const struct tables *tables)
{
	struct table *t;
	size_t i;

	*list = (struct table_list){ mem_array(names->n, sizeof(*list->v)),
		0 };
	for (i = 0; i < names->n; i++) {
		t = tables_find(tables, names->v[i]);
		if (t != NULL)	/* conf_check() has seen to it */
			list->v[list->n++] = t;
	}
}
