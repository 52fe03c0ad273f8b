/* SPDX-License-Identifier: ISC */
/* Lists of other servers, names on disk, subscriptions. */
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/test_guard.h"
#include "box.h"
#include "courier.h"
#include "names.h"
#include "subscriptions.h"
#include "takeover.h"
#include "test_store.h"

static const struct {
	const char	*in;
	bool		 ok;
	uint32_t	 validity, next;
	size_t		 n;
	unsigned	 fault;		/* line; 0: none */
} lists[] = {
	{ "3 V123 N5 G0123456789abcdef0123456789abcdef\n1 :a\n4 W7 :b:2,S\n",
	    true, 123, 5, 2, 0 },
	{ "3 N2 V9 Xunknown\n7 PUIDL7 G0011 :c,S=3,W=4\n", true, 9, 8, 1, 0 },
	{ "1 1000 3\n1 a\n2 b\n", true, 1000, 3, 2, 0 },
	/* the later of a name; a cut end */
	{ "3 V1 N9\n1 :a\n2 :a\n", true, 1, 9, 2, 0 },
	{ "3 V1 N9\n5 :a\n6 :b", true, 1, 9, 1, 0 },
	/* Faults: numbers are passed over. */
	{ "3 V1 N9\n5 :a\n2 :b\n7 :c\n", true, 1, 1009, 2, 3 },
	{ "3 V1 N9\n5 :a/b\n0 :c\n4294967295 :d\nx :e\n6\n6 \n6 :\n", true, 1,
	    1009, 0, 2 },
	{ "3 V1 N0\n5 :a\n", true, 1, 1006, 1, 1 },
	{ "3 V1\n", true, 1, 1000, 0, 1 },
	{ "1 7 0\n", true, 7, 1000, 0, 1 },
	{ "3 V1 N9\n4294967294 :a\n4294967294 :b\n", true, 1, UINT32_MAX, 1,
	    3 },
	{ "3 V0 N9\n", false, 0, 0, 0, 1 },
	{ "2 V1 N1\n", false, 0, 0, 0, 1 },
	{ "1 0 3\n", false, 0, 0, 0, 1 },
	{ "", false, 0, 0, 0, 1 },
	{ "3", false, 0, 0, 0, 1 },
	{ "3 V99999999999 N1\n", false, 0, 0, 0, 1 },
};

static void
uid_lists_are_understood(void **arg)
{
	struct state s;
	struct uidlist_fault fault;
	struct guard g;
	size_t i;

	(void)arg;
	guard_init(&g, 1000);
	for (i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		state_init(&s);
		assert_int_equal(uidlist_parse(guard_copy(&g,
		    slice_str(lists[i].in)), &s, &fault) == PARSE_OK,
		    lists[i].ok);
		if (lists[i].ok) {
			assert_int_equal(s.uidvalidity, lists[i].validity);
			assert_int_equal(s.uidnext, lists[i].next);
			assert_int_equal(s.n, lists[i].n);
		}
		assert_int_equal(fault.what == NULL ? 0 : fault.line,
		    lists[i].fault);
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
	assert_int_equal(mailbox_keywords(mb), 2);
	assert_string_equal(mailbox_keyword_name(mb, 1), "");
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
	/* Dovecot has made a keyword since, and left its list as it was. */
	put_file(w, "dovecot-keywords", "0 $Label1\n2 work\n3 fresh\n");
	move_file(w, "cur/1700000005.M1P1.h,S=6,W=8:2,S",
	    "cur/1700000005.M1P1.h,S=6,W=8:2,Sd");
	store_close(&w->store);
	world_open(w, NULL);
	mb = open_box(w->store, INBOX);
	e = mailbox_entries(mb, &n);
	assert_int_equal(n, 3);
	assert_int_equal(e[0].uid, 7);
	assert_int_equal(e[0].keywords, 8);
	assert_int_equal(e[2].uid, 20);
	assert_int_equal(mailbox_keyword(mb, SLICE_LIT("fresh"), false), 3);
	mailbox_close(&mb);
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

/* ---- Courier's POP3 and its keywords ------------------------------------ */

static const struct { const char *in, *uidls; } sizelists[] = {
	{ "/2 9 1400000000\na:2,S 12 3:1400000000\nb 7 4:1400000001:1\n",
	    "UID3-1400000000;UID4-1400000001;" },
	{ "/3 9 1\na 12 3:0:0\nb+ '\xff c 7 0:5\n", "UID3;b+2B+20+27+FF+20c;" },
	/* what is cut, without blanks, numbers, or a name */
	{ "/2 9 1\na 12 3:1", "" },
	{ "/2 9 1\na\na 1\n 1 2\na/b 1 2:3\na 1 x:1\na 1 5:x\n:2, 1 2:3\n",
	    "" },
	{ "/2 9 1\na 1 99999999999:1\na 1 18446744073709551616:1\n", "" },
	/* the last of two */
	{ "/2 9 1\na 1 2:3\na 1 4:5\n", "UID4-5;" },
	{ "/1 9 1\na 1 2:3\n", NULL },
	{ "2 9 1\n", NULL },
	{ "/\n", NULL },
	{ "", NULL },
};

static void
size_lists_are_understood(void **arg)
{
	struct buf b = BUF_INIT(1000);
	struct guard g;
	struct state s;
	size_t i, k;

	(void)arg;
	guard_init(&g, 1000);
	for (i = 0; i < sizeof(sizelists) / sizeof(sizelists[0]); i++) {
		state_init(&s);
		buf_reset(&b);
		assert_int_equal(courier_sizelist_parse(guard_copy(&g,
		    slice_str(sizelists[i].in)), &s),
		    sizelists[i].uidls != NULL);
		for (k = 0; k < s.n; k++)
			buf_printf(&b, "%.*s;", SLICE_ARG(state_uidl(&s, k)));
		if (sizelists[i].uidls != NULL)
			assert_string_equal(buf_cstr(&b), sizelists[i].uidls);
		state_clear(&s);
	}
	guard_clear(&g);
	buf_clear(&b);
}

static void
courier_pop3_and_newer_keywords_are_kept(void **arg)
{
	static const char *const uidls[] = { "UID30-99", "UID80-99",
		"0000000900000309" };
	struct world *w = *arg;
	struct buf uidl = BUF_INIT(100);
	const struct message_entry *e;
	struct mailbox *mb;
	char path[PATH_MAX];
	size_t n, i;

	put_file(w, "courierimapuiddb", "1 777 9\n3 1700000001.M1P1.h\n"
	    "8 1700000002.M1P1.h\n");
	put_file(w, "courierpop3dsizelist", "/2 100 99\n"
	    "1700000001.M1P1.h:2,S 10 30:99\n1700000002.M1P1.h 10 80:99\n");
	test_path(path, sizeof(path), "%s/courierimapkeywords", w->dir);
	assert_int_equal(mkdir(path, 0700), 0);
	put_file(w, "courierimapkeywords/:list",
	    "red\nblue\n\n1700000002.M1P1.h:0 1\n1700000001.M1P1.h:0\n");
	put_file(w, "courierimapkeywords/.7.1700000002.M1P1.h", "green\n");
	put_file(w, "courierimapkeywords/.12.1700000002.M1P1.h",
	    "Blue\nviolet\nbad name\n(\n");
	put_file(w, "courierimapkeywords/.9.1700000001.M1P1.h", "red\ngreen\n");
	put_file(w, "courierimapkeywords/1700000001.M1P1.h", "");
	put_file(w, "courierimapkeywords/.x.1700000001.M1P1.h", "never\n");
	put_file(w, "courierimapkeywords/.99999999999999999999.h", "never\n");
	put_file(w, "cur/1700000001.M1P1.h:2,S", "A: b\n\n");
	put_file(w, "cur/1700000002.M1P1.h:2,", "A: b\n\n");
	put_file(w, "cur/1700000003.M1P1.h:2,", "A: b\n\n");
	mb = open_box(w->store, INBOX);
	e = mailbox_entries(mb, &n);
	assert_int_equal(n, 3);
	assert_int_equal(e[0].keywords, 0);
	assert_int_equal(e[1].keywords, 1 << mailbox_keyword(mb,
	    SLICE_LIT("blue"), false) | 1 << mailbox_keyword(mb,
	    SLICE_LIT("violet"), false));
	assert_int_equal(mailbox_keyword(mb, SLICE_LIT("never"), false), -1);
	assert_int_equal(mailbox_keyword(mb, SLICE_LIT("("), false), -1);
	for (i = 0; i < 3; i++) {
		buf_reset(&uidl);
		assert_int_equal(mailbox_uidl(mb, e[i].uid, &uidl), STORE_OK);
		assert_string_equal(buf_cstr(&uidl), uidls[i]);
	}
	mailbox_close(&mb);
	buf_clear(&uidl);
}

/* ---- Dovecot again ------------------------------------------------------ */

static char warned[300];

static void
warn(const char *mailbox, const char *text)
{
	snprintf(warned, sizeof(warned), "%s: %s", mailbox, text);
}

static void
take_line(void *arg, const char *line)
{
	buf_printf(arg, "%s\n", line);
}

static void
a_broken_list_is_named_and_kept(void **arg)
{
	static const char list[] = "3 V55 N20\n7 :1700000005.M1P1.h\n"
	    "6 :1700000001.M1P1.h\n";
	struct world *w = *arg;
	struct buf text, lines = BUF_INIT(4096);
	const struct message_entry *e;
	struct mailbox *mb;
	unsigned bad;
	size_t n;

	w->store->options.warn = warn;
	put_file(w, "dovecot-uidlist", list);
	put_file(w, "cur/1700000001.M1P1.h:2,", "A: b\n\n");
	put_file(w, "cur/1700000005.M1P1.h:2,", "A: b\n\n");
	mb = open_box(w->store, INBOX);
	e = mailbox_entries(mb, &n);
	assert_int_equal(n, 2);
	assert_int_equal(mailbox_head(mb)->uidvalidity, 55);
	assert_int_equal(e[0].uid, 7);
	assert_int_equal(e[1].uid, 1020);
	mailbox_close(&mb);
	assert_string_equal(warned, "INBOX: the list of UIDs of another "
	    "server is broken: line 3: its UID is not above those before it");
	text = get_file(w, "dovecot-uidlist.refused");
	assert_string_equal(buf_cstr(&text), list);
	buf_clear(&text);
	assert_int_equal(store_verify(w->store, INBOX, false, take_line,
	    &lines, &bad), STORE_OK);
	assert_int_equal(bad, 1);
	assert_non_null(strstr(buf_cstr(&lines), "line 3"));
	assert_int_equal(store_verify(w->store, INBOX, true, NULL, NULL, &bad),
	    STORE_OK);
	assert_int_equal(bad, 0);
	assert_int_equal(store_export_uidlist(w->store, INBOX), STORE_OK);
	assert_int_equal(store_verify(w->store, INBOX, false, NULL, NULL,
	    &bad), STORE_OK);
	assert_int_equal(bad, 0);
	buf_clear(&lines);
}

static void
what_dovecot_wrote_since_is_taken_in(void **arg)
{
	struct world *w = *arg;
	const struct message_entry *e;
	struct mailbox *mb;
	uint64_t modseq;
	size_t n;

	put_file(w, "cur/1700000001.M1P1.h:2,", "A: b\n\n");
	put_file(w, "cur/1700000002.M1P1.h:2,", "A: b\n\n");
	put_file(w, "cur/1700000003.M1P1.h:2,", "A: b\n\n");
	put_file(w, "dovecot-uidlist", "3 V55 N20\n7 :1700000001.M1P1.h\n"
	    "9 :1700000002.M1P1.h\n");
	mb = open_box(w->store, INBOX);
	e = mailbox_entries(mb, &n);
	assert_int_equal(e[2].uid, 20);
	modseq = mailbox_head(mb)->highestmodseq;
	mailbox_close(&mb);
	assert_int_equal(store_export_uidlist(w->store, INBOX), STORE_OK);
	mb = open_box(w->store, INBOX);
	assert_int_equal(mailbox_head(mb)->uidvalidity, 55);
	mailbox_close(&mb);
	/* It has a new message, a new keyword, and a number for one of ours
	 * that is another's there. */
	put_file(w, "cur/1700000004.M1P1.h:2,Sb", "A: b\n\n");
	put_file(w, "dovecot-keywords", "1 theirs\n");
	put_file(w, "dovecot-uidlist", "3 V55 N30 Pf\n"
	    "7 :1700000001.M1P1.h\n9 Pold :1700000002.M1P1.h\n"
	    "20 :1700000004.M1P1.h\n");
	mb = open_box(w->store, INBOX);
	e = mailbox_entries(mb, &n);
	assert_int_equal(n, 4);
	assert_int_equal(mailbox_head(mb)->uidvalidity, 55);
	assert_int_equal(e[0].uid, 7);
	assert_int_equal(e[1].uid, 9);
	assert_int_equal(e[2].uid, 20);
	assert_int_equal(e[2].flags & FLAG_SEEN, FLAG_SEEN);
	assert_int_equal(e[2].keywords, 2);
	assert_int_equal(e[3].uid, 30);
	assert_true(mailbox_head(mb)->highestmodseq > modseq);
	mailbox_close(&mb);
	/* Another UIDVALIDITY: all are theirs. */
	put_file(w, "dovecot-uidlist", "3 V56 N3\n1 :1700000004.M1P1.h\n"
	    "2 :1700000003.M1P1.h\n");
	mb = open_box(w->store, INBOX);
	e = mailbox_entries(mb, &n);
	assert_int_equal(n, 4);
	assert_int_equal(mailbox_head(mb)->uidvalidity, 56);
	assert_int_equal(e[0].uid, 1);
	assert_int_equal(e[0].keywords, 2);
	assert_int_equal(e[3].uid, 4);
	mailbox_close(&mb);
	/* One that cannot be read changes nothing. */
	put_file(w, "dovecot-uidlist", "3 V0 N3\n1 :1700000003.M1P1.h\n");
	mb = open_box(w->store, INBOX);
	e = mailbox_entries(mb, &n);
	assert_int_equal(n, 4);
	assert_int_equal(mailbox_head(mb)->uidvalidity, 56);
	assert_int_equal(e[0].uid, 1);
	mailbox_close(&mb);
}

static void
uidls_are_made_as_told(void **arg)
{
	static const struct { const char *format, *uidl; } cases[] = {
		{ "%08Xu%08Xv", "0000000700000037" }, { "%v.%u", "55.7" },
		{ "%f", "1700000001.M1P1.h" }, { "%g", "1700000001.M1P1.h" },
		{ "nonsense", "0000000700000037" }, { "", "0000000700000037" },
	};
	struct world *w = *arg;
	struct buf b = BUF_INIT(100);
	struct mailbox *mb;
	size_t i;

	put_file(w, "dovecot-uidlist", "3 V55 N20\n7 :1700000001.M1P1.h\n"
	    "8 G00112233445566778899aabbccddeeff :1700000002.M1P1.h\n"
	    "9 P :1700000003.M1P1.h\n");
	put_file(w, "cur/1700000001.M1P1.h:2,", "A: b\n\n");
	put_file(w, "cur/1700000002.M1P1.h:2,", "A: b\n\n");
	put_file(w, "cur/1700000003.M1P1.h:2,", "A: b\n\n");
	mb = open_box(w->store, INBOX);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		w->store->options.uidl_format =
		    uidl_format_parse(slice_str(cases[i].format));
		buf_reset(&b);
		assert_int_equal(mailbox_uidl(mb, 7, &b), STORE_OK);
		assert_string_equal(buf_cstr(&b), cases[i].uidl);
	}
	buf_reset(&b);
	w->store->options.uidl_format = UIDL_GUID;
	assert_int_equal(mailbox_uidl(mb, 8, &b), STORE_OK);
	assert_string_equal(buf_cstr(&b), "00112233445566778899aabbccddeeff");
	buf_reset(&b);
	assert_int_equal(mailbox_uidl(mb, 9, &b), STORE_OK);
	assert_string_equal(buf_cstr(&b), "1700000003.M1P1.h");
	mailbox_close(&mb);
	buf_clear(&b);
}

static void
new_mailboxes_are_above_dovecots_uidvalidity(void **arg)
{
	struct world *w = *arg;
	struct mailbox *mb;

	put_file(w, "dovecot-uidvalidity", "f0000000");
	put_file(w, "dovecot-uidvalidity.f0000005", "");
	put_file(w, "dovecot-uidvalidity.fffffffz", "");
	assert_int_equal(store_create(w->store, SLICE_LIT("a"), 0), STORE_OK);
	assert_int_equal(store_create(w->store, SLICE_LIT("b"), 0), STORE_OK);
	mb = open_box(w->store, SLICE_LIT("a"));
	assert_int_equal(mailbox_head(mb)->uidvalidity, 0xf0000006);
	mailbox_close(&mb);
	mb = open_box(w->store, SLICE_LIT("b"));
	assert_int_equal(mailbox_head(mb)->uidvalidity, 0xf0000007);
	mailbox_close(&mb);
}

static void
mailboxes_in_directories_are_converted(void **arg)
{
	static const char *const dirs[] = { "A", "A/cur", "A/new", "A/tmp",
		"A/B", "A/B/cur", "Entw&APw-rfe", "Entw&APw-rfe/x",
		"Entw&APw-rfe/x/cur", "dot.ted", "dot.ted/cur", "C", "C/cur",
		"C/d.e", "C/d.e/cur", ".D", ".D/cur", "D", "D/cur", "empty" };
	struct world *w = *arg;
	struct buf lines = BUF_INIT(4096);
	const struct message_entry *e;
	struct mailbox *mb;
	char path[PATH_MAX];
	unsigned n;
	size_t i, k;

	for (i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		test_path(path, sizeof(path), "%s/%s", w->dir, dirs[i]);
		assert_int_equal(mkdir(path, 0700), 0);
	}
	test_path(path, sizeof(path), "%s/loop", w->dir);
	assert_int_equal(symlink(".", path), 0);
	put_file(w, "A/B/cur/1700000001.M1P1.h:2,S", "A: b\n\n");
	put_file(w, "A/B/dovecot-uidlist", "3 V77 N9\n"
	    "5 :1700000001.M1P1.h\n");
	put_file(w, "subscriptions", "A/B\n");
	assert_int_equal(store_convert(w->store, true, NULL, NULL, &n),
	    STORE_OK);
	assert_int_equal(n, 7);
	assert_true(has_file(w, "A/B/cur"));
	assert_int_equal(store_convert(w->store, false, take_line, &lines, &n),
	    STORE_OK);
	assert_int_equal(n, 7);
	assert_non_null(strstr(buf_cstr(&lines), "A/B: converted\n"));
	assert_non_null(strstr(buf_cstr(&lines), "dot.ted: cannot"));
	assert_non_null(strstr(buf_cstr(&lines), "C: stays"));
	assert_non_null(strstr(buf_cstr(&lines), "D: there is"));
	assert_true(has_file(w, ".A/cur"));
	assert_true(has_file(w, ".Entw&APw-rfe.x/cur"));
	assert_true(has_file(w, "C/d.e/cur"));
	assert_true(has_file(w, "D/cur"));
	mb = open_box(w->store, SLICE_LIT("A/B"));
	e = mailbox_entries(mb, &k);
	assert_int_equal(k, 1);
	assert_int_equal(e[0].uid, 5);
	assert_int_equal(mailbox_head(mb)->uidvalidity, 77);
	mailbox_close(&mb);
	assert_int_equal(store_convert(w->store, false, NULL, NULL, &n),
	    STORE_OK);
	assert_int_equal(n, 4);
	buf_clear(&lines);
}

/* ---- left over ---------------------------------------------------------- */

static int
fstatat_two_days_ago(int dir, const char *path, struct stat *st)
{
	int r = fs_real.fstatat(dir, path, st);

	if (strstr(path, "old") != NULL) {
		st->st_mtim.tv_sec -= 2 * 86400;
		st->st_ctim.tv_sec -= 2 * 86400;
	}
	return r;
}

static void
old_temporary_files_are_removed(void **arg)
{
	static const char *const stay[] = { "tmp/young", "chasqui.log.tmp.2.2",
		"cur/old", "chasqui.old", "old.tmp.1.1" };
	static const char *const go[] = { "tmp/old.M1",
		"chasqui.log.tmp.old.1", "dovecot-uidlist.tmp.old" };
	struct world *w = *arg;
	const struct fs *was = w->store->fs;
	struct fs fs = *was;
	struct mailbox *mb;
	size_t i;

	mb = open_box(w->store, INBOX);
	for (i = 0; i < sizeof(stay) / sizeof(stay[0]); i++)
		put_file(w, stay[i], "x");
	for (i = 0; i < sizeof(go) / sizeof(go[0]); i++)
		put_file(w, go[i], "x");
	fs.fstatat = fstatat_two_days_ago;
	w->store->fs = &fs;
	tidy_mailbox(mb);
	w->store->fs = was;
	for (i = 0; i < sizeof(stay) / sizeof(stay[0]); i++)
		assert_true(has_file(w, stay[i]));
	for (i = 0; i < sizeof(go) / sizeof(go[0]); i++)
		assert_false(has_file(w, go[i]));
	mailbox_close(&mb);
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
		{ "INBOX\nA.B\nEntw&APw-rfe\nof/fs\n/bad\nb./ad\n\n",
		    "INBOX;A/B;Entw\xc3\xbcrfe;of/fs;", SUBSCRIPTIONS_V1 },
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
		cmocka_unit_test(size_lists_are_understood),
		T(courier_pop3_and_newer_keywords_are_kept),
		T(a_broken_list_is_named_and_kept),
		T(what_dovecot_wrote_since_is_taken_in),
		T(uidls_are_made_as_told),
		T(new_mailboxes_are_above_dovecots_uidvalidity),
		T(mailboxes_in_directories_are_converted),
		T(old_temporary_files_are_removed),
		cmocka_unit_test(subscriptions_of_each_form_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
