/* SPDX-License-Identifier: ISC */
/* takeover_fuzz - files of other servers, names on disk, flags in names. */
#include <assert.h>

#include "courier.h"
#include "mail/utf8.h"
#include "names.h"
#include "subscriptions.h"
#include "takeover.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static bool
check_name(void *arg, struct slice name)
{
	struct buf *b = arg;

	assert(name_is_valid(name));
	buf_reset(b);
	(void)!name_to_dir(name, true, b);
	return true;
}

static void
names(struct slice in)
{
	struct buf a = BUF_INIT(1 << 16), b = BUF_INIT(1 << 16);

	if (mutf7_decode(in, &a) == PARSE_OK &&
	    mutf7_encode(buf_slice(&a), &b) == 0)
		assert(slice_eq(in, buf_slice(&b)));
	buf_clear(&a);
	buf_clear(&b);
}

static void
flags(struct slice in)
{
	char to[MESSAGE_NAME_BYTES];
	uint64_t keywords, again;
	uint8_t set, too;
	size_t n;

	if (in.n > 100)
		in.n = 100;
	info_parse(in, &set, &keywords);
	n = info_write(to, in, set, keywords, UINT64_MAX);
	info_parse(slice_of(to, n), &too, &again);
	assert(set == too && keywords == again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice in = slice_of(data, n);
	struct buf b = BUF_INIT(1 << 16);
	struct uidlist_fault fault;
	struct state s;

	state_init(&s);
	uidlist_parse(in, &s, &fault);
	dovecot_keywords_parse(in, &s);
	courier_keywords_parse(in, &s);
	courier_sizelist_parse(in, &s);
	if (s.n > 0)
		courier_keyword_file(in, &s, 0);
	state_clear(&s);
	subscriptions_parse(in, subscriptions_form(in), check_name, &b);
	subscriptions_parse(in, SUBSCRIPTIONS_COURIER, check_name, &b);
	names(in);
	flags(in);
	buf_clear(&b);
	return 0;
}
