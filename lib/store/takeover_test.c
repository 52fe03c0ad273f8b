/* SPDX-License-Identifier: ISC */
/* Lists of other servers, names on disk, subscriptions. */
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/test_guard.h"
#include "names.h"
#include "subscriptions.h"
#include "takeover.h"
#include "test_store.h"

static const struct {
	const char	*in;
	bool		 ok;
	uint32_t	 validity, next;
	size_t		 n;
} lists[] = {
	{ "3 V123 N5 G0123456789abcdef0123456789abcdef\n1 :a\n4 W7 :b:2,S\n",
	    true, 123, 5, 2 },
	{ "3 N2 V9 Xunknown\n7 PUIDL7 G0011 :c,S=3,W=4\n", true, 9, 8, 1 },
	{ "1 1000 3\n1 a\n2 b\n", true, 1000, 3, 2 },
	/* the later of a name; disorder; a cut end */
	{ "3 V1 N9\n1 :a\n2 :a\n", true, 1, 9, 2 },
	{ "3 V1 N9\n5 :a\n2 :b\n", true, 1, 9, 1 },
	{ "3 V1 N9\n5 :a\n6 :b", true, 1, 9, 1 },
	{ "3 V1 N9\n5 :a/b\n0 :c\n4294967295 :d\nx :e\n6\n6 \n6 :\n", true, 1,
	    9, 0 },
	{ "3 V0 N9\n", false, 0, 0, 0 },
	{ "3 V1\n", false, 0, 0, 0 },
	{ "2 V1 N1\n", false, 0, 0, 0 },
	{ "1 0 3\n", false, 0, 0, 0 },
	{ "", false, 0, 0, 0 },
	{ "3", false, 0, 0, 0 },
	{ "3 V99999999999 N1\n", false, 0, 0, 0 },
};

static void
uid_lists_are_understood(void **arg)
{
	struct state s;
	struct guard g;
	size_t i;

	(void)arg;
	guard_init(&g, 1000);
	for (i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		state_init(&s);
		assert_int_equal(uidlist_parse(guard_copy(&g,
		    slice_str(lists[i].in)), &s) == PARSE_OK, lists[i].ok);
		if (lists[i].ok) {
			assert_int_equal(s.uidvalidity, lists[i].validity);
			assert_int_equal(s.uidnext, lists[i].next);
			assert_int_equal(s.n, lists[i].n);
		}
		state_clear(&s);
	}
	guard_clear(&g);
}

static void
dovecot_maildir_keeps_uids_and_keywords(void **arg)
{
	struct world *w = *arg;
	struct buf uidl = BUF_INIT(100);
	const struct message_entry *e;
	struct mailbox *mb;
	struct buf text;
	size_t n;

	put_file(w, "dovecot-uidlist", "3 V1234567890 N20 "
	    "G00112233445566778899aabbccddeeff\n"
	    "7 :1700000005.M1P1.h,S=6,W=8\n"
	    "9 Pold-uidl :1700000001.M1P1.h:2,S\n"
	    "12 :1700000002.M1P1.gone\n");
	put_file(w, "dovecot-keywords", "0 $Label1\n2 work\n");
	put_file(w, "cur/1700000001.M1P1.h:2,FSac", "A: b\n\n");
	put_file(w, "cur/1700000005.M1P1.h,S=6,W=8:2,", "A: b\n\n");
	put_file(w, "new/1700000009.M1P1.h", "A: b\n\n");
	mb = open_box(w->store, INBOX);
	e = mailbox_entries(mb, &n);
	assert_int_equal(n, 3);
	assert_int_equal(mailbox_head(mb)->uidvalidity, 1234567890);
	assert_int_equal(e[0].uid, 7);
	assert_int_equal(e[1].uid, 9);
	assert_int_equal(e[2].uid, 20);
	assert_int_equal(mailbox_keyword(mb, SLICE_LIT("WORK"), false), 2);
	assert_int_equal(e[1].keywords, 5);
	assert_int_equal(mailbox_uidl(mb, 9, &uidl), STORE_OK);
	assert_string_equal(buf_cstr(&uidl), "old-uidl");
	buf_reset(&uidl);
	assert_int_equal(mailbox_uidl(mb, 7, &uidl), STORE_OK);
	assert_string_equal(buf_cstr(&uidl), "00000007499602d2");
	assert_int_equal(set_flags(mb, 7, FLAGS_ADD, FLAG_SEEN), STORE_OK);
	mailbox_close(&mb);
	assert_int_equal(store_export_uidlist(w->store, INBOX), STORE_OK);
	text = get_file(w, "dovecot-uidlist");
	assert_string_equal(buf_cstr(&text), "3 V1234567890 N21 "
	    "G00112233445566778899aabbccddeeff\n"
	    "7 :1700000005.M1P1.h,S=6,W=8\n"
	    "9 S6 W8 Pold-uidl :1700000001.M1P1.h\n"
	    "20 S6 W8 :1700000009.M1P1.h\n");
	assert_true(has_file(w, "cur/1700000005.M1P1.h,S=6,W=8:2,S"));
	buf_clear(&text);
	buf_clear(&uidl);
}

static void
courier_maildir_keeps_uids_and_keywords(void **arg)
{
	struct world *w = *arg;
	struct buf uidl = BUF_INIT(100);
	const struct message_entry *e;
	struct mailbox *mb;
	char path[PATH_MAX];
	size_t n;

	put_file(w, "courierimapuiddb", "1 777 9\n3 1700000001.M1P1.h\n"
	    "8 1700000002.M1P1.h\n");
	test_path(path, sizeof(path), "%s/courierimapkeywords", w->dir);
	assert_int_equal(mkdir(path, 0700), 0);
	put_file(w, "courierimapkeywords/:list",
	    "$Forwarded\nblue\n\n1700000002.M1P1.h:0 1\n");
	put_file(w, "courierimapsubscribed", "INBOX\nINBOX.A.B\n");
	put_file(w, "cur/1700000001.M1P1.h:2,S", "A: b\n\n");
	put_file(w, "cur/1700000002.M1P1.h:2,", "A: b\n\n");
	mb = open_box(w->store, INBOX);
	e = mailbox_entries(mb, &n);
	assert_int_equal(n, 2);
	assert_int_equal(mailbox_head(mb)->uidvalidity, 777);
	assert_int_equal(e[0].uid, 3);
	assert_int_equal(e[1].uid, 8);
	assert_int_equal(e[1].keywords, 3);
	assert_string_equal(mailbox_keyword_name(mb, 1), "blue");
	assert_int_equal(mailbox_uidl(mb, 8, &uidl), STORE_OK);
	assert_string_equal(buf_cstr(&uidl), "UID8-777");
	mailbox_close(&mb);
	buf_clear(&uidl);
}

static bool
add_name(void *arg, struct slice name)
{
	buf_printf(arg, "%.*s;", SLICE_ARG(name));
	return true;
}

static void
subscriptions_of_each_form_are_read(void **arg)
{
	static const struct { const char *in, *out;
		enum subscriptions_form form; } cases[] = {
		{ "INBOX\nA.B\nEntw&APw-rfe\nbad/name\n\n",
		    "INBOX;A/B;Entw\xc3\xbcrfe;", SUBSCRIPTIONS_V1 },
		{ "V\t2\n\nA\tB\nC\nx.y\n", "A/B;C;", SUBSCRIPTIONS_V2 },
		{ "INBOX.A.B\nINBOX\n", "A/B;INBOX;", SUBSCRIPTIONS_COURIER },
		{ "", "", SUBSCRIPTIONS_V1 },
	};
	struct buf b = BUF_INIT(1000);
	size_t i;

	(void)arg;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buf_reset(&b);
		subscriptions_parse(slice_str(cases[i].in), cases[i].form,
		    add_name, &b);
		assert_string_equal(buf_cstr(&b), cases[i].out);
	}
	buf_clear(&b);
}

int
main(void)
{
#define T(f)	cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(uid_lists_are_understood),
		T(dovecot_maildir_keeps_uids_and_keywords),
		T(courier_maildir_keeps_uids_and_keywords),
		cmocka_unit_test(subscriptions_of_each_form_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
