/* SPDX-License-Identifier: ISC */
/*
 * resolve_fuzz - recipients and the values of tables, as strangers and
 * operators may write them.  The first line is the recipient, the second what
 * it is an alias for, the third what a system alias is.
 *
 * No recipient of an envelope becomes a program or a file unless an alias table
 * names one; no path leaves path.mail.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "resolve.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static enum user_found
fuzz_user(void *arg, struct slice name, struct user *u)
{
	(void)arg;
	*u = (struct user){ 1000, 1000, name, SLICE_LIT("/home/x") };
	return name.n % 3 == 0 ? USER_UNKNOWN : USER_FOUND;
}

static int
fuzz_include(void *arg, struct slice path, uint32_t owner,
    struct slice *text_r, struct buf *why)
{
	(void)path;
	(void)owner;
	(void)why;
	*text_r = *(struct slice *)arg;
	return 0;
}

static void
check_route(const struct route *route, bool may_be_special)
{
	size_t i;

	for (i = 0; i < route->ntargets; i++)
		assert(may_be_special ||
		    (route->targets[i].text.p[0] != '|' &&
		    route->targets[i].text.p[0] != '/'));
	assert(may_be_special || route->trouble || route->ntargets > 0 ||
	    (route->to.kind != DEST_COMMAND && route->to.kind != DEST_FILE));
	if (route->to.kind == DEST_MAILDIR &&
	    (route->to.flags & DEST_VIRTUAL) != 0) {
		assert(slice_starts(route->to.path, SLICE_LIT("/mail/")));
		assert(memmem(route->to.path.p, route->to.path.n, "/../", 4) ==
		    NULL);
	}
	assert(route->ntargets > 0 || route->to.kind != 0);
}

static const char configuration[] =
    "hostname = h.example\npath.mail = /mail\n"
    "alias.max_depth = 8\nalias.max_results = 50\n"
    "domain v.example { mailboxes = m; catch_all = c@v.example }\n"
    "domain o.example { }\ndomain s.example { type = system }\n"
    "alias.virtual = v\nalias.tables = a\nroute.tables = v\n"
    "table m { type = inline; entries = x }\n"
    "table v { type = inline; entries = x }\n"
    "table a { type = inline; entries = x }\n";

/* One table of each kind, with the fuzzer's value under a fixed key. */
static void
put_entry(struct conf_table *ct, const char *key, struct slice value)
{
	struct buf b = BUF_INIT(1 << 20);

	buf_printf(&b, "%s=", key);
	buf_add(&b, value);
	ct->entries.v[0] = mem_strdup(buf_cstr(&b));
	buf_clear(&b);
}

static void
free_entry(struct conf_table *ct)
{
	union {
		const char	*borrowed;
		char		*own;
	} v = { ct->entries.v[0] };

	free(v.own);
	ct->entries.v[0] = "";
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice rest = slice_of(data, n);
	struct slice line[3] = { SLICE_EMPTY, SLICE_EMPTY, SLICE_EMPTY };
	struct arena arena = ARENA_INIT(RESOLVE_ARENA);
	struct buf why = BUF_INIT(4096), trace = BUF_INIT(1 << 20);
	struct resolve_world world = { .user = fuzz_user,
		.include = fuzz_include, .arg = &line[2] };
	struct tables tables;
	struct resolver r;
	struct verdict v;
	struct route route;
	struct conf *c;
	size_t i;

	for (i = 0; i < 3 && slice_next(&rest, '\n', &line[i]); i++)
		;
	c = conf_parse(slice_of(configuration, sizeof(configuration) - 1), "f",
	    &why);
	assert(c != NULL);
	put_entry(&c->tables[0], "c@v.example", line[1]);
	put_entry(&c->tables[1], n % 2 == 0 ? "a@v.example" : "@o.example",
	    line[1]);
	put_entry(&c->tables[2], "a", line[2]);
	tables_init(&tables, c, NULL);
	for (i = 0; i < 3; i++)
		table_load(tables.v[i], &why);
	resolver_init(&r, c, &tables, &world);
	resolve_rcpt(&r, &arena, n % 2 == 0, line[0], &trace, &v);
	resolve_route(&r, &arena, 0, line[0], SLICE_EMPTY, &trace, &route);
	check_route(&route, slice_find(line[2], '/') < line[2].n ||
	    slice_find(line[2], '|') < line[2].n);
	arena_clear(&arena);
	resolve_route(&r, &arena, ROUTE_EXPANDED, line[0], SLICE_EMPTY, NULL,
	    &route);
	check_route(&route, true);
	arena_clear(&arena);
	resolver_clear(&r);
	tables_clear(&tables, NULL);
	for (i = 0; i < 3; i++)
		free_entry(&c->tables[i]);
	conf_free(&c);
	buf_clear(&why);
	buf_clear(&trace);
	return 0;
}
