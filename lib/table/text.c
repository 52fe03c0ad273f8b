/* SPDX-License-Identifier: ISC */
/* text - tables that are read into memory: inline, file, aliases, cidr. */
#include <stdlib.h>

#include "base/mem.h"
#include "table/aliases.h"
#include "table/driver.h"
#include "table/store.h"

#define NET_KEY_BYTES	17	/* a masked address and its prefix length */

struct text_table {
	struct store	 store;
	struct buf	 key;		/* folded */
	struct arena	 arena;		/* for one line */
	bool		 lengths[129];	/* cidr: prefix lengths that occur */
};

static void *
text_begin(uint64_t max_entries)
{
	struct text_table *t = mem_alloc(sizeof(*t));

	store_init(&t->store, max_entries);
	buf_init(&t->key, TABLE_KEY_BYTES);
	t->arena = ARENA_INIT((size_t)4 * TABLE_LINE_BYTES);
	return t;
}

static void
text_free(void *v)
{
	struct text_table *t = v;

	store_clear(&t->store);
	buf_clear(&t->key);
	arena_clear(&t->arena);
	free(t);
}

static uint64_t
text_entries(const void *v)
{
	const struct text_table *t = v;

	return t->store.n;
}

static int
text_add(struct text_table *t, struct slice key, struct slice value,
    unsigned no, struct buf *why)
{
	unsigned first;

	switch (store_add(&t->store, key, value, no, &first)) {
	case STORE_ADDED:
		return 0;
	case STORE_TWIN:
		if (no == 0)
			buf_add_str(why, "a key is there twice");
		else
			buf_printf(why, "the key is there already, in line %u",
			    first);
		return -1;
	case STORE_FULL:
		buf_printf(why, "more than table.max_entries (%llu) entries",
		    (unsigned long long)t->store.max);
		return -1;
	}
	return -1;
}

static enum table_result
text_find(void *v, struct slice key, struct table_hit *hit,
    struct buf *scratch, struct buf *why)
{
	struct text_table *t = v;

	(void)scratch;
	(void)why;
	return store_find(&t->store, key, &hit->value, &hit->line) ?
	    TABLE_FOUND : TABLE_MISSING;
}

void
file_line_split(struct slice line, struct slice *key_r, struct slice *value_r)
{
	bool quoted = false;
	size_t i;

	for (i = 0; i < line.n; i++) {
		if (quoted && line.p[i] == '\\' && i + 1 < line.n)
			i++;
		else if (line.p[i] == '"')
			quoted = !quoted;
		else if (!quoted && (line.p[i] == ' ' || line.p[i] == '\t'))
			break;
	}
	*key_r = slice_first(line, i);
	*value_r = slice_trim(slice_from(line, i));
}

int
key_fold(struct slice key, struct buf *to)
{
	char *p;
	size_t i;

	buf_reset(to);
	p = buf_reserve(to, key.n);
	if (p == NULL)
		return -1;
	for (i = 0; i < key.n; i++)
		p[i] = ascii_lower(key.p[i]);
	to->n = key.n;
	return 0;
}

static int
file_line(void *v, struct slice line, unsigned no, struct buf *why)
{
	struct text_table *t = v;
	struct slice key, value;

	file_line_split(line, &key, &value);
	if (key_fold(key, &t->key) == -1) {
		buf_printf(why, "the key is longer than %d bytes",
		    TABLE_KEY_BYTES);
		return -1;
	}
	return text_add(t, buf_slice(&t->key), value, no, why);
}

/* KEY=VALUE or KEY; '=' in the key is not possible. */
static int
inline_line(void *v, struct slice line, unsigned no, struct buf *why)
{
	struct text_table *t = v;
	size_t eq = slice_find(line, '=');

	if (key_fold(slice_first(line, eq), &t->key) == -1) {
		buf_printf(why, "the key is longer than %d bytes",
		    TABLE_KEY_BYTES);
		return -1;
	}
	return text_add(t, buf_slice(&t->key),
	    eq < line.n ? slice_from(line, eq + 1) : SLICE_EMPTY, no, why);
}

/* The targets are checked here, so that a wrong one is named by its line. */
static int
aliases_line(void *v, struct slice line, unsigned no, struct buf *why)
{
	struct text_table *t = v;
	struct alias_target target;
	struct slice name, targets, rest;
	const char *reason = "";
	enum parse r;
	int result = -1;

	if (alias_line(&t->arena, line, &name, &targets, &reason) == PARSE_OK) {
		rest = targets;
		do {
			r = alias_next(&t->arena, &rest, &target, &reason);
		} while (r == PARSE_OK);
		if (targets.n == 0)
			buf_add_str(why, "no targets behind ':'");
		else if (name.n > TABLE_KEY_BYTES)
			buf_add_str(why, "the name is too long");
		else if (r == PARSE_BAD)
			buf_add_str(why, reason);
		else
			result = text_add(t, name, targets, no, why);
	} else {
		buf_add_str(why, reason);
	}
	arena_clear(&t->arena);
	return result;
}

static void
net_key(const uint8_t addr[16], unsigned bits, char key[NET_KEY_BYTES])
{
	unsigned i;

	for (i = 0; i < 16; i++) {
		unsigned mask = bits >= i * 8 + 8 ? 0xffu :
		    bits <= i * 8 ? 0u : 0xff00u >> (bits - i * 8) & 0xff;

		key[i] = (char)(addr[i] & mask);
	}
	key[16] = (char)bits;
}

static int
cidr_line(void *v, struct slice line, unsigned no, struct buf *why)
{
	struct text_table *t = v;
	struct slice key, value;
	struct conf_net net;
	char text[64], packed[NET_KEY_BYTES];

	file_line_split(line, &key, &value);
	if (key.n < sizeof(text)) {
		memcpy(text, key.p, key.n);
		text[key.n] = '\0';
	}
	if (key.n >= sizeof(text) || !conf_net_parse(text, &net)) {
		buf_add_str(why, "not a network such as 192.0.2.0/24 or "
		    "2001:db8::/32 (bits behind the prefix must be zero)");
		return -1;
	}
	net_key(net.addr, net.bits, packed);
	t->lengths[net.bits] = true;
	return text_add(t, slice_of(packed, sizeof(packed)), value, no, why);
}

/* The longest prefix wins. */
static enum table_result
cidr_find(void *v, struct slice key, struct table_hit *hit,
    struct buf *scratch, struct buf *why)
{
	struct text_table *t = v;
	char packed[NET_KEY_BYTES];
	uint8_t addr[16];
	unsigned bits;

	(void)scratch;
	(void)why;
	if (!conf_ip_parse(key, addr))
		return TABLE_MISSING;
	for (bits = 128; bits <= 128; bits--) {
		if (!t->lengths[bits])
			continue;
		net_key(addr, bits, packed);
		if (store_find(&t->store, slice_of(packed, sizeof(packed)),
		    &hit->value, &hit->line))
			return TABLE_FOUND;
	}
	return TABLE_MISSING;
}

#define TEXT_DRIVER(type, line, find)					\
	const struct driver driver_##type = { #type, true, text_begin,	\
		line, NULL, find, text_entries, text_free };
TEXT_DRIVER(inline, inline_line, text_find)
TEXT_DRIVER(file, file_line, text_find)
TEXT_DRIVER(aliases, aliases_line, text_find)
TEXT_DRIVER(cidr, cidr_line, cidr_find)
