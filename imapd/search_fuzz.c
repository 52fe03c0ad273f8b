/* SPDX-License-Identifier: ISC */
/* search_fuzz - a search program (to the first NUL) over a message (the rest),
 * alone and beside a plain one: with summaries and without the answer is the
 * same. */
#include "test_box.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static size_t
hits(struct slice program, unsigned flags, bool summaries)
{
	struct arena a = ARENA_INIT(1 << 20);
	struct cursor c = cursor_of(program, &a);
	struct search *s = NULL;
	struct view v = { 0 };
	size_t n = SIZE_MAX;

	c.utf8 = true;
	box.no_summaries = !summaries;
	view_open(&v, &box);
	if (search_parse(&c, flags, &s) == SEARCH_OK) {
		search_begin(s, &v);
		while (search_step(s, 0) == SEARCH_GOING_ON)
			;
		n = search_hits(s)->n;
		assert(n <= box.n);
	}
	search_free(&s);
	view_free(&v);
	arena_clear(&a);
	return n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct slice s = slice_of(p, n), program;
	struct sort_key keys[SORT_KEYS];
	struct arena a = ARENA_INIT(1 << 20);
	struct cursor c;
	size_t nkeys;

	if (n == 0)
		return 0;
	program = slice_of(p + 1, slice_find(slice_from(s, 1), '\0'));
	s = slice_from(s, program.n + 1 < n ? program.n + 2 : n);
	box_add(s);
	box_add(SLICE_LIT("Subject: x\n\ny\n"));
	assert(hits(program, p[0] & 7, true) == hits(program, p[0] & 7, false));
	box_clear();
	c = cursor_of(program, &a);
	sort_parse(&c, keys, &nkeys);
	arena_clear(&a);
	return 0;
}
