/* SPDX-License-Identifier: ISC */
/* thread_fuzz - each byte triple is a message: its id, what it refers to, its
 * subject.  Whatever they say, each message is written once. */
#include <stdlib.h>

#include "base/mem.h"
#include "test_box.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
check(struct view *v, enum thread_algorithm how, const struct uids *p)
{
	struct buf b = BUF_INIT(1 << 20);
	unsigned char *seen = mem_alloc(box.n + 2);
	size_t i, depth = 0, number, count = 0;

	assert(thread_write(v, how, p, false, &b) == 0);
	for (i = 0; i < b.n; i++) {
		if (b.p[i] == '(')
			depth++;
		else if (b.p[i] == ')')
			assert(depth-- > 0);
		if (b.p[i] < '0' || b.p[i] > '9')
			continue;
		for (number = 0; b.p[i] >= '0' && b.p[i] <= '9'; i++)
			number = number * 10 + (size_t)(b.p[i] - '0');
		i--;
		assert(number >= 1 && number <= box.n && !seen[number]);
		seen[number] = 1;
		count++;
	}
	assert(depth == 0 && count == box.n);
	free(seen);
	buf_clear(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const char *const subjects[] = { "a", "Re: a", "b", "" };
	struct buf mail[100];
	struct uids all = { 0 };
	struct view v = { 0 };
	size_t i, k, m = n / 3 < 100 ? n / 3 : 100;

	for (i = 0; i < m; i++, p += 3) {
		mail[i] = BUF_INIT(1000);
		buf_printf(&mail[i], "Message-ID: <%u>\nSubject: %s\n"
		    "References:", p[0] % 32U, subjects[p[2] & 3]);
		for (k = 0; k < (p[2] >> 2 & 3U); k++)
			buf_printf(&mail[i], " <%u>",
			    (unsigned)(p[1] + k * (p[2] >> 4)) % 32U);
		buf_add_str(&mail[i], "\n\n");
		box_add(buf_slice(&mail[i]));
		uids_add(&all, (uint32_t)i);
	}
	view_open(&v, &box);
	check(&v, THREAD_REFERENCES, &all);
	check(&v, THREAD_ORDEREDSUBJECT, &all);
	view_free(&v);
	box_clear();
	uids_clear(&all);
	for (i = 0; i < m; i++)
		buf_clear(&mail[i]);
	return 0;
}
