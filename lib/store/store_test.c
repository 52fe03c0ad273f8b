/* SPDX-License-Identifier: ISC */
/* One session, and other programs on the same Maildir. */
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <fts.h>
#include <utime.h>

#include "base/num.h"
#include "mail/message.h"
#include "test_store.h"

static void
refresh(struct mailbox *mb, const struct mailbox_change **c, size_t *n)
{
	assert_int_equal(mailbox_refresh(mb, c, n), STORE_OK);
}

static void
an_empty_maildir_has_an_empty_inbox(void **arg)
{
	struct world *w = *arg;
	struct mailbox *mb = open_box(w->store, SLICE_LIT("inbox"));
	size_t n;

	mailbox_entries(mb, &n);
	assert_int_equal(n, 0);
	assert_int_equal(mailbox_head(mb)->uidnext, 1);
	assert_int_not_equal(mailbox_head(mb)->uidvalidity, 0);
	mailbox_close(&mb);
}

static void
appended_messages_are_there_after_reopening(void **arg)
{
	struct world *w = *arg;
	const struct message_entry *e;
	struct message_content c;
	struct mailbox *mb;
	uint32_t validity;
	size_t n;

	assert_int_equal(append_text(w->store, INBOX,
	    "Subject: a\r\n\r\nbody\r\n", FLAG_SEEN), 1);
	assert_int_equal(append_text(w->store, INBOX, "Subject: b\n\n\r", 0),
	    2);
	mb = open_box(w->store, INBOX);
	validity = mailbox_head(mb)->uidvalidity;
	mailbox_close(&mb);
	store_close(&w->store);
	world_open(w, NULL);
	mb = open_box(w->store, INBOX);
	e = mailbox_entries(mb, &n);
	assert_int_equal(n, 2);
	assert_int_equal(mailbox_head(mb)->uidvalidity, validity);
	assert_int_equal(e[0].uid, 1);
	assert_int_equal(e[0].flags & FLAGS_STORED, FLAG_SEEN);
	assert_int_equal(facts_of(mb, e[0].uid).size, 20);
	assert_int_equal(facts_of(mb, e[0].uid).internal_ms, 1700000000123);
	assert_int_equal(facts_of(mb, e[1].uid).size, 15);
	assert_int_equal(mailbox_content(mb, 1, &c), STORE_OK);
	assert_int_equal(c.bytes.n, 17);
	assert_memory_equal(c.bytes.p, "Subject: a\n\nbody\n", 17);
	message_content_clear(&c);
	assert_int_equal(count_files(w, "cur"), 2);
	assert_int_equal(count_files(w, "tmp"), 0);
	mailbox_close(&mb);
}

static void
shorten_only_file(struct world *w, const char *sub, size_t n)
{
	char path[PATH_MAX];
	struct dirent *e;
	DIR *d;

	test_path(path, sizeof(path), "%s/%s", w->dir, sub);
	d = opendir(path);
	assert_non_null(d);
	while ((e = readdir(d)) != NULL && e->d_name[0] == '.')
		;
	assert_non_null(e);
	test_path(path, sizeof(path), "%s/%s/%s", w->dir, sub, e->d_name);
	assert_int_equal(truncate(path, (off_t)n), 0);
	closedir(d);
}

static void
large_content_comes_and_goes(void **arg)
{
	struct world *w = *arg;
	const size_t n = STORE_HELD_BYTES + 5000;
	char *text = mem_alloc(n + 1), some[10];
	struct message_content c;
	struct mailbox *mb;
	size_t i;

	for (i = 0; i < n; i++)
		text[i] = i % 50 == 49 ? '\n' : (char)('a' + i % 17);
	text[n] = '\0';
	assert_int_equal(append_text(w->store, INBOX, text, 0), 1);
	mb = open_box(w->store, INBOX);
	assert_int_equal(mailbox_content(mb, 1, &c), STORE_OK);
	assert_false(c.away);
	assert_int_equal(c.bytes.n, n);
	assert_memory_equal(c.bytes.p, text, n);
	message_content_let_go(&c);
	assert_int_equal(c.bytes.p[100000], 0);
	message_content_want(&c, slice_of(c.bytes.p + 100000, 10));
	assert_memory_equal(c.bytes.p + 100000, text + 100000, 10);
	message_content_let_go(&c);
	assert_int_equal(message_content_read(&c, n - 4, some, 10), 4);
	assert_memory_equal(some, text + n - 4, 4);
	assert_int_equal(message_content_read(&c, n, some, 10), 0);
	message_content_clear(&c);

	assert_int_equal(mailbox_content_away(mb, 1, &c), STORE_OK);
	assert_true(c.away);
	assert_int_equal(c.bytes.n, n);
	assert_int_equal(c.bytes.p[0], 0);
	/* Its file may be gone, or be shorter, meanwhile. */
	shorten_only_file(w, "cur", n - 2000);
	message_content_want(&c, c.bytes);
	assert_memory_equal(c.bytes.p, text, n - 2000);
	assert_int_equal(c.bytes.p[n - 1], 0);
	assert_int_equal(message_content_read(&c, n - 2000, some, 10), 0);
	message_content_clear(&c);
	mailbox_close(&mb);
	free(text);
}

static void
append_pieces(struct store *s, struct slice text, size_t step)
{
	struct appended done;
	struct append *a;
	size_t n;

	assert_int_equal(append_begin(s, INBOX, &a), STORE_OK);
	assert_int_equal(append_message(a, text.n, 0, NULL, 0, 0), STORE_OK);
	for (; text.n > 0; text = slice_from(text, n)) {
		n = step < text.n ? step : text.n;
		append_bytes(a, slice_first(text, n));
	}
	assert_int_equal(append_end(a), STORE_OK);
	assert_int_equal(append_commit(&a, &done), STORE_OK);
}

static void
what_is_appended_is_read_with_the_size_that_is_told(void **arg)
{
	static const struct { const char *in, *out; } texts[] = {
		{ "A: b\r\n\r\nc\r\n", "A: b\r\n\r\nc\r\n" },
		{ "A: b\n\nc", "A: b\r\n\r\nc" },
		{ "A: b\r\n\r\nc\r", "A: b\r\n\r\nc\r" },
		{ "A: b\r\n\r\nc\rd\r\n", "A: b\r\n\r\nc\rd\r\n" },
		/* a text that was converted twice */
		{ "A: b\r\r\n\r\r\nc\r\r\n", "A: b\r\n\r\nc\r\n" },
		{ "\r\r\r\n\n\r\n", "\r\r\n\r\n\r\n" },
		{ "\r\n\r", "\r\n\r" },
	};
	struct buf b = BUF_INIT(100);
	struct world *w = *arg;
	struct message_content c;
	struct mailbox *mb;
	uint32_t uid = 0;
	size_t i, step;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		for (step = 1; step <= strlen(texts[i].in); step++) {
			append_pieces(w->store, slice_str(texts[i].in), step);
			mb = open_box(w->store, INBOX);
			assert_int_equal(mailbox_content(mb, ++uid, &c),
			    STORE_OK);
			buf_reset(&b);
			assert_int_equal(crlf_add(&b, c.bytes, 0, UINT64_MAX),
			    0);
			assert_string_equal(buf_cstr(&b), texts[i].out);
			assert_int_equal(facts_of(mb, uid).size, b.n);
			message_content_clear(&c);
			mailbox_close(&mb);
		}
	buf_clear(&b);
}

static void
files_of_others_are_taken_in(void **arg)
{
	struct world *w = *arg;
	struct mailbox *mb = open_box(w->store, INBOX);
	const struct mailbox_change *c;
	const struct message_entry *e;
	size_t n;

	put_file(w, "new/1700000002.M1P1.host", "A: b\n\nx\n");
	put_file(w, "cur/1700000001.M5P1.host:2,FS", "A: b\n\n");
	put_file(w, "cur/1700000001.M4P1.host", "A: b\r\n\r\n");
	refresh(mb, &c, &n);
	assert_int_equal(n, 3);
	assert_int_equal(c[0].what, CHANGE_NEW);
	e = mailbox_entries(mb, &n);
	assert_int_equal(n, 3);
	assert_int_equal(facts_of(mb, e[0].uid).size, 8);
	assert_int_equal(e[1].flags & FLAGS_STORED, FLAG_FLAGGED | FLAG_SEEN);
	assert_int_equal(facts_of(mb, e[1].uid).size, 8);
	assert_int_equal(facts_of(mb, e[2].uid).size, 11);
	assert_true(e[2].flags & FLAG_RECENT);
	refresh(mb, &c, &n);
	assert_int_equal(n, 0);
	/* A flag, a move to cur/, a removal. */
	move_file(w, "cur/1700000001.M5P1.host:2,FS",
	    "cur/1700000001.M5P1.host:2,F");
	move_file(w, "new/1700000002.M1P1.host",
	    "cur/1700000002.M1P1.host:2,");
	remove_file(w, "cur/1700000001.M4P1.host");
	refresh(mb, &c, &n);
	assert_int_equal(n, 2);
	assert_int_equal(c[0].uid, 1);
	assert_int_equal(c[0].what, CHANGE_EXPUNGED);
	assert_int_equal(c[1].uid, 2);
	assert_int_equal(c[1].what, CHANGE_FLAGS);
	e = mailbox_entries(mb, &n);
	assert_int_equal(n, 2);
	assert_int_equal(e[0].flags & FLAGS_STORED, FLAG_FLAGGED);
	mailbox_close(&mb);
}

static void
flags_reach_the_names_at_close_and_a_foreign_change_wins(void **arg)
{
	struct world *w = *arg;
	struct mailbox *mb;
	const struct message_entry *e;

	put_file(w, "cur/1700000001.M1P1.host:2,", "A: b\n\n");
	mb = open_box(w->store, INBOX);
	assert_int_equal(set_flags(mb, 1, FLAGS_ADD, FLAG_SEEN), STORE_OK);
	assert_true(has_file(w, "cur/1700000001.M1P1.host:2,"));
	/* Somebody flags it before our flag is in the name. */
	move_file(w, "cur/1700000001.M1P1.host:2,",
	    "cur/1700000001.M1P1.host:2,FXz,keep");
	refresh(mb, NULL, NULL);
	e = mailbox_find(mb, 1);
	assert_int_equal(e->flags & FLAGS_STORED, FLAG_SEEN | FLAG_FLAGGED);
	mailbox_close(&mb);
	assert_true(has_file(w, "cur/1700000001.M1P1.host:2,FSXz,keep"));
	mb = open_box(w->store, INBOX);
	e = mailbox_find(mb, 1);
	assert_int_equal(e->flags & FLAGS_STORED, FLAG_SEEN | FLAG_FLAGGED);
	mailbox_close(&mb);
}

static void
two_sessions_see_each_other(void **arg)
{
	struct world *w = *arg;
	struct store *other;
	struct mailbox *a, *b;
	const struct mailbox_change *c;
	uint64_t before;
	uint32_t uid = 1;
	size_t n;

	append_text(w->store, INBOX, "A: b\n\n", 0);
	append_text(w->store, INBOX, "A: c\n\n", 0);
	other = store_open(w->dir, NULL);
	a = open_box(w->store, INBOX);
	b = open_box(other, INBOX);
	before = mailbox_head(a)->highestmodseq;
	assert_int_equal(set_flags(b, 2, FLAGS_ADD, FLAG_DELETED), STORE_OK);
	refresh(a, &c, &n);
	assert_int_equal(n, 1);
	assert_int_equal(c[0].what, CHANGE_FLAGS);
	assert_true(c[0].modseq > before);
	assert_int_equal(set_flags(a, 1, FLAGS_ADD, FLAG_DELETED), STORE_OK);
	assert_int_equal(mailbox_expunge(b, (struct uid_list){ &uid, 1 },
	    true), STORE_OK);
	assert_non_null(mailbox_find(a, 1));
	refresh(a, &c, &n);
	assert_int_equal(n, 1);
	assert_int_equal(c[0].what, CHANGE_EXPUNGED);
	assert_null(mailbox_find(a, 1));
	mailbox_entries(b, &n);
	assert_int_equal(n, 2);
	refresh(b, &c, &n);
	assert_int_equal(n, 1);
	mailbox_entries(b, &n);
	assert_int_equal(n, 1);
	mailbox_close(&a);
	mailbox_close(&b);
	store_close(&other);
	assert_int_equal(count_files(w, "cur"), 1);
}

static bool
list_name(void *arg, const struct mailbox_entry *e)
{
	struct buf *b = arg;

	buf_printf(b, "%.*s%s%s%s ", SLICE_ARG(e->name), e->exists ? "" : "?",
	    e->has_children ? "+" : "", e->subscribed ? "*" : "");
	return true;
}

#define assert_list(w, text) do {					\
	struct buf b_ = BUF_INIT(65536);				\
	assert_int_equal(store_list((w)->store, list_name, &b_), STORE_OK); \
	assert_string_equal(buf_cstr(&b_), text);			\
	buf_clear(&b_);							\
} while (0)

static void
mailboxes_are_listed_made_renamed_and_deleted(void **arg)
{
	struct world *w = *arg;
	struct slice name = SLICE_LIT("A/B\xc3\xa4");

	assert_list(w, "INBOX ");
	assert_int_equal(store_create(w->store, name, 0), STORE_OK);
	assert_int_equal(store_create(w->store, name, 0), STORE_EXISTS);
	assert_true(has_file(w, ".A.B&AOQ-/maildirfolder"));
	assert_list(w, "INBOX A?+ A/B\xc3\xa4 ");
	assert_int_equal(store_delete(w->store, SLICE_LIT("A")),
	    STORE_HAS_CHILDREN);
	assert_int_equal(store_subscribe(w->store, name, true), STORE_OK);
	assert_int_equal(store_rename(w->store, SLICE_LIT("A"),
	    SLICE_LIT("C")), STORE_OK);
	assert_list(w, "INBOX A? A/B\xc3\xa4?* C?+ C/B\xc3\xa4 ");
	assert_int_equal(store_subscribe(w->store, name, false), STORE_OK);
	assert_int_equal(append_text(w->store, SLICE_LIT("C/B\xc3\xa4"),
	    "A: b\n\n", 0), 1);
	assert_int_equal(store_delete(w->store, SLICE_LIT("C/B\xc3\xa4")),
	    STORE_OK);
	assert_list(w, "INBOX ");
	assert_int_equal(store_create(w->store, SLICE_LIT("a.b"), 0),
	    STORE_BAD_NAME);
	assert_int_equal(store_create(w->store, SLICE_LIT("../x"), 0),
	    STORE_BAD_NAME);
	assert_int_equal(append_text(w->store, SLICE_LIT("no"), "x", 0), 0);
}

/* Descriptor 0 is a client's, or the channel, in a process that is kept. */
static void
what_cannot_be_opened_closes_nothing(void **arg)
{
	struct world *w = *arg;
	struct mailbox_status st;
	struct mailbox *mb;

	while (fcntl(0, F_GETFD) == -1)
		assert_int_not_equal(open("/dev/null", O_RDONLY), -1);
	assert_int_equal(store_status(w->store, SLICE_LIT("no"), &st),
	    STORE_NO_MAILBOX);
	assert_int_not_equal(fcntl(0, F_GETFD), -1);
	assert_int_equal(mailbox_open(w->store, SLICE_LIT("no"), false, &mb),
	    STORE_NO_MAILBOX);
	assert_int_equal(mailbox_open(w->store, SLICE_LIT("../no"), true, &mb),
	    STORE_NO_MAILBOX);
	assert_int_not_equal(fcntl(0, F_GETFD), -1);
}

static void
copies_keep_flags_dates_and_guid(void **arg)
{
	struct world *w = *arg;
	struct mailbox *mb, *to;
	const struct message_entry *e, *f;
	struct message_facts a, b;
	struct copied c;
	uint32_t uids[] = { 1, 2, 7 };
	size_t n;

	append_text(w->store, INBOX, "A: b\n\n", FLAG_FLAGGED);
	append_text(w->store, INBOX, "A: c\n\n", 0);
	assert_int_equal(store_create(w->store, SLICE_LIT("X"), 0), STORE_OK);
	mb = open_box(w->store, INBOX);
	assert_int_equal(mailbox_copy(mb, (struct uid_list){ uids, 3 },
	    SLICE_LIT("X"), false, &c), STORE_OK);
	assert_int_equal(c.n, 2);
	assert_int_equal(c.to[1], 2);
	free(c.from);
	free(c.to);
	to = open_box(w->store, SLICE_LIT("X"));
	e = mailbox_entries(mb, &n);
	f = mailbox_entries(to, &n);
	assert_int_equal(n, 2);
	a = facts_of(mb, e[0].uid);
	b = facts_of(to, f[0].uid);
	assert_memory_equal(a.guid, b.guid, 16);
	assert_int_equal(f[0].flags & FLAGS_STORED, FLAG_FLAGGED);
	assert_int_equal(a.internal_ms, b.internal_ms);
	assert_int_equal(mailbox_copy(mb, (struct uid_list){ uids, 1 },
	    SLICE_LIT("X"), true, &c), STORE_OK);
	assert_int_equal(c.to[0], 3);
	free(c.from);
	free(c.to);
	refresh(mb, NULL, NULL);
	mailbox_entries(mb, &n);
	assert_int_equal(n, 1);
	refresh(to, NULL, NULL);
	mailbox_entries(to, &n);
	assert_int_equal(n, 3);
	/* To where it is: a new UID, and nothing left for whoever is next. */
	uids[0] = 2;
	assert_int_equal(mailbox_copy(mb, (struct uid_list){ uids, 1 },
	    INBOX, true, &c), STORE_OK);
	assert_int_equal(c.to[0], 3);
	free(c.from);
	free(c.to);
	mailbox_close(&mb);
	mb = open_box(w->store, INBOX);
	e = mailbox_entries(mb, &n);
	assert_int_equal(n, 1);
	assert_int_equal(e[0].uid, 3);
	mailbox_close(&mb);
	mailbox_close(&to);
}

static void
a_new_account_has_what_clients_look_for(void **arg)
{
	static const struct store_options o = { .create = true,
		.create_special = true };
	struct world *w = *arg;

	store_close(&w->store);
	world_open(w, &o);
	assert_list(w, "INBOX* Archive* Drafts* Junk* Sent* Trash* ");
	/* What its user does not want does not come back. */
	assert_int_equal(store_subscribe(w->store, INBOX, false), STORE_OK);
	assert_int_equal(store_subscribe(w->store, SLICE_LIT("Archive"),
	    false), STORE_OK);
	assert_int_equal(store_delete(w->store, SLICE_LIT("Archive")),
	    STORE_OK);
	store_close(&w->store);
	world_open(w, &o);
	assert_list(w, "INBOX Drafts* Junk* Sent* Trash* ");
}

static void
a_mailbox_that_is_opened_again_is_as_it_is_now(void **arg)
{
	struct world *w = *arg;
	const struct message_entry *e;
	struct mailbox *mb;
	uint32_t validity;
	size_t n;

	assert_int_equal(store_create(w->store, SLICE_LIT("A"), 0), STORE_OK);
	assert_int_equal(append_text(w->store, SLICE_LIT("A"), "A: b\n\n", 0),
	    1);
	mb = open_box(w->store, SLICE_LIT("A"));
	validity = mailbox_head(mb)->uidvalidity;
	assert_int_equal(mailbox_head(mb)->recent, 1);
	mailbox_close(&mb);
	/* Seen before by this session; and one that is new. */
	put_file(w, ".A/new/1700000002.M1P1.host", "A: b\n\nx\n");
	mb = open_box(w->store, SLICE_LIT("A"));
	e = mailbox_entries(mb, &n);
	assert_int_equal(n, 2);
	assert_false(e[0].flags & FLAG_RECENT);
	assert_true(e[1].flags & FLAG_RECENT);
	assert_int_equal(mailbox_head(mb)->recent, 1);
	mailbox_close(&mb);
	mb = open_box(w->store, SLICE_LIT("A"));
	assert_int_equal(mailbox_head(mb)->recent, 0);
	mailbox_close(&mb);
	/* Another mailbox of that name. */
	assert_int_equal(store_delete(w->store, SLICE_LIT("A")), STORE_OK);
	assert_int_equal(store_create(w->store, SLICE_LIT("A"), 0), STORE_OK);
	mb = open_box(w->store, SLICE_LIT("A"));
	mailbox_entries(mb, &n);
	assert_int_equal(n, 0);
	assert_int_not_equal(mailbox_head(mb)->uidvalidity, validity);
	mailbox_close(&mb);
}

/* A client that only ever EXAMINEs finds the same UIDs the next time. */
static void
an_examined_mailbox_keeps_its_numbers(void **arg)
{
	struct world *w = *arg;
	struct mailbox_status first;
	struct mailbox *mb;
	int round;

	put_file(w, "new/1700000001.M1P1.host", "A: b\n\nx\n");
	for (round = 0; round < 3; round++) {
		assert_int_equal(mailbox_open(w->store, INBOX, round < 2, &mb),
		    STORE_OK);
		if (round == 0)
			first = *mailbox_head(mb);
		assert_int_equal(mailbox_head(mb)->messages, 1);
		assert_memory_equal(mailbox_head(mb)->guid, first.guid, 16);
		assert_int_equal(mailbox_head(mb)->uidvalidity,
		    first.uidvalidity);
		assert_int_equal(mailbox_head(mb)->uidnext, first.uidnext);
		assert_int_equal(mailbox_head(mb)->recent, 1);
		mailbox_close(&mb);
		store_close(&w->store);
		world_open(w, NULL);
	}
}

static void
a_delivery_gets_its_uid_without_a_scan(void **arg)
{
	struct world *w = *arg;
	struct mailbox *mb = open_box(w->store, INBOX);
	const struct mailbox_change *c;
	const struct message_entry *e;
	size_t n;

	put_file(w, "new/1700000002.M1Q1.host,S=8,W=11", "A: b\n\nx\n");
	assert_int_equal(store_delivered(w->store, INBOX,
	    "1700000002.M1Q1.host,S=8,W=11", 8, SLICE_EMPTY), STORE_OK);
	assert_int_equal(store_deliveries_write(w->store), STORE_OK);
	refresh(mb, &c, &n);
	assert_int_equal(n, 1);
	e = mailbox_entries(mb, &n);
	assert_int_equal(n, 1);
	assert_int_equal(e[0].uid, 1);
	assert_int_equal(facts_of(mb, e[0].uid).size, 11);
	/* Found by a scan first: the record is of no account. */
	put_file(w, "new/1700000003.M1Q1.host,S=8,W=11", "A: b\n\nx\n");
	refresh(mb, &c, &n);
	assert_int_equal(n, 1);
	assert_int_equal(store_delivered(w->store, INBOX,
	    "1700000003.M1Q1.host,S=8,W=11", 8, SLICE_EMPTY), STORE_OK);
	assert_int_equal(store_deliveries_write(w->store), STORE_OK);
	refresh(mb, &c, &n);
	assert_int_equal(n, 0);
	mailbox_entries(mb, &n);
	assert_int_equal(n, 2);
	mailbox_close(&mb);
	assert_int_equal(count_files(w, "new"), 0);
}

static void
add_line(void *arg, const char *line)
{
	struct buf *lines = arg;

	buf_printf(lines, "%s\n", line);
}

/* Of a name that is ours a shorter file is no message, but has a line; what
 * another program has named is as long as it is. */
static void
a_file_shorter_than_its_name_says(void **arg)
{
	static const struct {
		const char	*name;
		bool		 shown;
	} files[] = {
		{ "1700000001.M000001P77Q3.host,S=20,W=23", false },
		{ "1700000002.M000001Q0123456789abcR1.host,S=20,W=23", false },
		{ "1700000003.M1P77.host,S=20,W=23", true },
		{ "1700000004.M1P77V0I0_0.host,S=20", true },
		{ "1700000005.M000001Q01234R1.host,S=20,W=23", true },
		{ "1700000006.M000001P77Q3.host,S=20", true },
		{ "mine,S=20,W=23", true },
	};
	struct world *w = *arg;
	struct buf lines = BUF_INIT(4096);
	const struct message_entry *e;
	struct mailbox *mb;
	char path[200];
	size_t i, k, n;
	unsigned bad;

	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "new/%s", files[i].name);
		put_file(w, path, "A: b\n\nx\n");
	}
	mb = open_box(w->store, INBOX);
	e = mailbox_entries(mb, &n);
	assert_int_equal(n, 5);
	for (k = 0; k < n; k++)
		assert_int_equal(facts_of(mb, e[k].uid).size, 11);
	mailbox_close(&mb);
	assert_int_equal(store_verify(w->store, INBOX, false, add_line, &lines,
	    &bad), STORE_OK);
	assert_int_equal(bad, 0);
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		assert_int_equal(strstr(buf_cstr(&lines), files[i].name) ==
		    NULL, files[i].shown);
	buf_clear(&lines);
}

/* Of four of five messages: one that there is no room for otherwise. */
static void
a_message_takes_the_room_of_the_one_that_it_replaces(struct world *w)
{
	static const struct store_options full = { .quota_messages = 4,
		.quota_bytes = 4 * 6 };
	struct store *s = store_open(w->dir, &full);
	struct mailbox *mb = open_box(s, INBOX);
	struct appended done;
	struct append *a;

	assert_int_equal(append_begin(s, INBOX, &a), STORE_OK);
	assert_int_equal(append_message(a, 6, 0, NULL, 0, 0), STORE_OVER_QUOTA);
	append_frees(a, mb, 4);
	assert_int_equal(append_message(a, 7, 0, NULL, 0, 0), STORE_OVER_QUOTA);
	assert_int_equal(append_message(a, 6, 0, NULL, 0, 0), STORE_OK);
	assert_int_equal(append_bytes(a, SLICE_LIT("A: c\n\n")), STORE_OK);
	assert_int_equal(append_end(a), STORE_OK);
	assert_int_equal(append_replace(&a, mb, 4, &done), STORE_OK);
	assert_int_equal(done.first_uid, 5);
	mailbox_close(&mb);
	store_close(&s);
}

/* All that one command adds counts, not each message for itself. */
static void
messages_of_one_append_or_copy_are_counted_together(void **arg)
{
	static const struct store_options few = { .create = true,
		.quota_messages = 5 };
	struct world *w = *arg;
	uint32_t uids[] = { 1, 2, 3, 5 };
	struct copied c;
	struct mailbox *mb;
	struct append *a;
	int i;

	store_close(&w->store);
	world_open(w, &few);
	for (i = 0; i < 4; i++)
		assert_int_equal(append_text(w->store, INBOX, "A: b\n\n", 0),
		    i + 1);
	assert_int_equal(append_begin(w->store, INBOX, &a), STORE_OK);
	assert_int_equal(append_message(a, 1, 0, NULL, 0, 0), STORE_OK);
	assert_int_equal(append_bytes(a, SLICE_LIT("x")), STORE_OK);
	assert_int_equal(append_end(a), STORE_OK);
	assert_int_equal(append_message(a, 1, 0, NULL, 0, 0), STORE_OVER_QUOTA);
	append_abort(&a);
	a_message_takes_the_room_of_the_one_that_it_replaces(w);
	assert_int_equal(store_create(w->store, SLICE_LIT("Box"), 0), STORE_OK);
	mb = open_box(w->store, INBOX);
	assert_int_equal(mailbox_copy(mb, (struct uid_list){ uids, 2 },
	    SLICE_LIT("Box"), false, &c), STORE_OVER_QUOTA);
	assert_int_equal(mailbox_copy(mb, (struct uid_list){ uids, 1 },
	    SLICE_LIT("Box"), false, &c), STORE_OK);
	free(c.from);
	free(c.to);
	assert_int_equal(mailbox_copy(mb, (struct uid_list){ uids, 4 },
	    SLICE_LIT("Box"), true, &c), STORE_OK);
	free(c.from);
	free(c.to);
	mailbox_close(&mb);
}

static void
a_mailbox_that_nobody_has_opened_agrees_with_its_index(void **arg)
{
	struct world *w = *arg;
	unsigned bad;

	assert_int_equal(store_create(w->store, SLICE_LIT("Box"), 0), STORE_OK);
	put_file(w, ".Box/new/1700000001.M1P1.host", "A: b\n\n");
	remove_file(w, ".Box/" LOG_NAME);
	remove_file(w, ".Box/" SNAP_NAME);
	assert_int_equal(store_verify(w->store, SLICE_LIT("Box"), false, NULL,
	    NULL, &bad), STORE_OK);
	assert_int_equal(bad, 0);
	put_file(w, ".Box/" LOG_NAME, "");
	assert_int_equal(store_verify(w->store, SLICE_LIT("Box"), false, NULL,
	    NULL, &bad), STORE_OK);
	assert_int_equal(bad, 1);
}

/* What a header says of its file's format is part of what it sums up. */
static void
set_version(struct buf *file, uint32_t version)
{
	struct buf crc = BUF_INIT(4);

	file->p[8] = (char)version;
	put_u32(&crc, crc32c(0, slice_of(file->p, FILE_HEADER_BYTES - 4)));
	memcpy(file->p + FILE_HEADER_BYTES - 4, crc.p, 4);
	buf_clear(&crc);
}

static void
a_snapshot_of_format_1_is_read(void **arg)
{
	struct world *w = *arg;
	struct file_header h = { .kind = FILE_SNAP };
	struct buf b = BUF_INIT(1 << 20), log;
	const struct message_entry *e;
	struct message_content c;
	struct message_record m;
	struct mailbox *mb;
	size_t at, i, n;

	for (i = 0; i < 3; i++)
		append_text(w->store, INBOX, "A: b\n\ntext\n", FLAG_SEEN);
	mb = open_box(w->store, INBOX);
	assert_int_equal(index_lock(mb), STORE_OK);
	assert_int_equal(index_snapshot(mb, true), STORE_OK);
	index_unlock(mb);
	h.generation = mb->state.generation;
	h.uidvalidity = mb->state.uidvalidity;
	memcpy(h.guid, mb->state.guid, sizeof(h.guid));
	file_header_pack(&b, &h);
	set_version(&b, 1);
	record_begin(&b, REC_SNAP, &at);
	put_snap(&b, &(struct snap_record){ .uidnext = 4, .uid_limit = 1000,
		.recent_from = 4, .modseq = 9, .modseq_limit = 1000,
		.boot_s = fs_real.boot_s(), .messages = 3 });
	b.n -= 8;		/* it had no rest_at */
	record_end(&b, at);
	for (i = 0; i < 3; i++) {
		record_begin(&b, REC_ADD, &at);
		m = state_message(&mb->state, i);
		put_message(&b, &m);
		record_end(&b, at);
	}
	group_seal(&b, FILE_HEADER_BYTES, b.n, h.generation, 9);
	mailbox_close(&mb);
	store_close(&w->store);
	log = get_file(w, LOG_NAME);
	set_version(&log, 1);
	put_bytes(w, LOG_NAME, buf_slice(&log));
	put_bytes(w, SNAP_NAME, buf_slice(&b));
	world_open(w, NULL);
	mb = open_box(w->store, INBOX);
	e = mailbox_entries(mb, &n);
	assert_int_equal(n, 3);
	assert_int_equal(e[2].uid, 3);
	assert_int_equal(e[2].flags & FLAGS_STORED, FLAG_SEEN);
	assert_false(has_file(w, SNAP_NAME ".damaged"));
	assert_int_equal(mailbox_content(mb, 3, &c), STORE_OK);
	message_content_clear(&c);
	mailbox_close(&mb);
	buf_clear(&b);
	buf_clear(&log);
}

/* Files that another program has made get UIDs by the times in their names. */
static void
files_come_in_the_order_of_their_times(void **arg)
{
	static const char *const names[] = {
		"123456789012345678901234.M1P1.no-time", "no-time",
		"7.M1P1.host", "1700000001.M5P1.a", "1700000001.M5P1.b",
		"1700000001.M12P1.a", "1700000002.P1.host",
		"1700000002.M1P1.host", "1700000258.M0P1.host",
		"18446744073709551615.M18446744073709551615P1.host",
	};
	const size_t count = sizeof(names) / sizeof(names[0]);
	struct world *w = *arg;
	struct mailbox *mb;
	char path[PATH_MAX];
	size_t i, n;

	for (i = 0; i < count; i++) {
		test_path(path, sizeof(path), "%s/%s:2,S",
		    i % 2 ? "new" : "cur", names[i * 7 % count]);
		put_file(w, path, "A: b\n\n");
	}
	mb = open_box(w->store, INBOX);
	mailbox_entries(mb, &n);
	assert_int_equal(n, count);
	assert_int_equal(index_whole(mb), STORE_OK);
	for (i = 0; i < count; i++)
		assert_true(slice_eq(state_base(&mb->state, i),
		    slice_str(names[i])));
	mailbox_close(&mb);
}

/* Its second part is written in pieces, of what is there. */
static void
a_long_snapshot_has_all_that_is_there(void **arg)
{
	enum { COUNT = 3000, GONE_FROM = 2700 };
	struct uid_list gone;
	struct world *w = *arg;
	uint32_t uids[COUNT - GONE_FROM + 2];
	struct mailbox *mb;
	char path[PATH_MAX];
	size_t i, n = 0;

	for (i = 0; i < COUNT; i++) {
		test_path(path, sizeof(path), "cur/%zu.M1P1.host:2,", i + 1);
		put_file(w, path, "A: b\n\n");
	}
	mb = open_box(w->store, INBOX);
	uids[n++] = 1;
	uids[n++] = 1000;
	for (i = GONE_FROM; i < COUNT; i++)
		uids[n++] = (uint32_t)i + 1;
	gone = (struct uid_list){ uids, n };
	assert_int_equal(mailbox_expunge(mb, gone, false), STORE_OK);
	assert_int_equal(index_lock(mb), STORE_OK);
	assert_int_equal(index_snapshot(mb, true), STORE_OK);
	index_unlock(mb);
	mailbox_close(&mb);
	store_close(&w->store);
	world_open(w, NULL);
	mb = open_box(w->store, INBOX);
	assert_false(has_file(w, SNAP_NAME ".damaged"));
	assert_int_equal(index_whole(mb), STORE_OK);
	mailbox_entries(mb, &n);
	assert_int_equal(n, GONE_FROM - 2);
	assert_int_equal(mb->state.entries[n - 1].uid, GONE_FROM);
	test_path(path, sizeof(path), "%d.M1P1.host", GONE_FROM);
	assert_true(slice_eq(state_base(&mb->state, n - 1), slice_str(path)));
	mailbox_close(&mb);
}

/* Sizes and dates are found out once, whoever asks. */
static void
facts_are_remembered_when_they_were_asked_for(void **arg)
{
	struct world *w = *arg;
	struct message_facts f;
	struct mailbox *mb;

	put_file(w, "cur/1700000001.M5P1.host:2,S", "A: b\n\n");
	put_file(w, "cur/1700000002.M5P1.host:2,S", "A: b\n\n");
	mb = open_box(w->store, INBOX);
	assert_int_equal(mailbox_facts(mb, 1, FACT_GUID, &f), STORE_OK);
	assert_int_equal(f.size, 0);
	assert_int_equal(facts_of(mb, 1).size, 8);
	mailbox_close(&mb);
	store_close(&w->store);
	world_open(w, NULL);
	mb = open_box(w->store, INBOX);
	assert_int_equal(mailbox_facts(mb, 1, FACT_GUID, &f), STORE_OK);
	assert_int_equal(f.size, 8);
	assert_true(f.internal_ms > 0);
	assert_true(f.saved_ms > 0);
	assert_int_equal(mailbox_facts(mb, 2, FACT_GUID, &f), STORE_OK);
	assert_int_equal(f.size, 0);
	/* Asked for when the file is gone. */
	remove_file(w, "cur/1700000002.M5P1.host:2,S");
	assert_int_equal(mailbox_facts(mb, 2, FACT_SIZE, &f), STORE_EXPUNGED);
	assert_int_equal(mailbox_facts(mb, 1, FACT_SIZE, &f), STORE_OK);
	mailbox_close(&mb);
}

/* What another session calls otherwise gets no message under its old name,
 * whether it is selected here or had one before. */
static void
a_name_that_was_given_to_another_is_that_ones(void **arg)
{
	static const char *const names[] = { "Open", "Target" };
	struct world *w = *arg, other = *w;
	struct mailbox *mb, *now;
	struct slice name;
	struct uid_list one = { (const uint32_t[]){ 1 }, 1 };
	struct copied copied;
	size_t n, i;

	world_open(&other, NULL);
	append_text(w->store, INBOX, "a: b\n\n", 0);
	mb = open_box(w->store, INBOX);
	for (i = 0; i < 2; i++) {
		name = slice_str(names[i]);
		assert_int_equal(store_create(w->store, name, 0), STORE_OK);
		if (i == 0) {
			mailbox_close(&mb);
			mb = open_box(w->store, name);
		}
		assert_int_equal(append_text(w->store, name, "a: b\n\n", 0),
		    1);
		assert_int_equal(store_rename(other.store, name,
		    i == 0 ? SLICE_LIT("Old0") : SLICE_LIT("Old1")), STORE_OK);
		assert_int_equal(append_text(w->store, name, "a: c\n\n", 0),
		    0);
		assert_int_equal(store_create(other.store, name, 0), STORE_OK);
		assert_int_equal(append_text(w->store, name, "a: c\n\n", 0),
		    1);
		assert_int_equal(mailbox_copy(mb, one, name, false, &copied),
		    STORE_OK);
		free(copied.from);
		free(copied.to);
		now = open_box(other.store, name);
		mailbox_entries(now, &n);
		assert_int_equal(n, 2);
		mailbox_close(&now);
	}
	mailbox_close(&mb);
	store_close(&other.store);
}

/* A file system that is mounted read-only. */
static int
ro_openat(int dir, const char *path, int flags, mode_t mode)
{
	if ((flags & O_ACCMODE) != O_RDONLY || flags & O_CREAT) {
		errno = EROFS;
		return -1;
	}
	return fs_real.openat(dir, path, flags, mode);
}

static int
ro_mkdirat(int dir, const char *path, mode_t mode)
{
	(void)dir;
	(void)path;
	(void)mode;
	errno = EROFS;
	return -1;
}

static int
ro_two_names(int a, const char *from, int b, const char *to)
{
	(void)b;
	(void)to;
	return ro_mkdirat(a, from, 0);
}

static int
ro_unlinkat(int dir, const char *path, int flags)
{
	(void)flags;
	return ro_mkdirat(dir, path, 0);
}

static void
what_cannot_be_written_is_read(void **arg)
{
	struct world *w = *arg;
	static struct fs fs;	/* longer than the store */
	struct store_options o = { .fs = &fs };
	struct mailbox_status st;
	struct message_content c;
	struct append *a;
	struct mailbox *mb;
	size_t n;

	fs = fs_real;
	fs.openat = ro_openat;
	fs.mkdirat = ro_mkdirat;
	fs.renameat = fs.linkat = ro_two_names;
	fs.unlinkat = ro_unlinkat;
	put_file(w, "cur/1700000001.M5P1.host:2,S", "A: b\n\n");
	put_file(w, "new/1700000002.M5P1.host", "A: b\n\nc\n");
	world_rmdir(w, "tmp");
	store_close(&w->store);
	world_open(w, &o);
	/* Nobody has made an index. */
	mb = open_box(w->store, INBOX);
	assert_true(mailbox_is_read_only(mb));
	mailbox_entries(mb, &n);
	assert_int_equal(n, 2);
	assert_int_equal(mailbox_content(mb, 2, &c), STORE_OK);
	assert_int_equal(c.bytes.n, 8);
	message_content_clear(&c);
	refresh(mb, NULL, NULL);
	assert_int_equal(set_flags(mb, 1, FLAGS_ADD, FLAG_FLAGGED),
	    STORE_READ_ONLY);
	assert_int_equal(append_begin(w->store, INBOX, &a), STORE_READ_ONLY);
	mailbox_close(&mb);
	assert_int_equal(store_status(w->store, INBOX, &st), STORE_OK);
	assert_int_equal(st.messages, 2);
	assert_int_equal(store_create(w->store, SLICE_LIT("x"), 0),
	    STORE_READ_ONLY);
	assert_int_equal(store_subscribe(w->store, SLICE_LIT("x"), true),
	    STORE_READ_ONLY);
}

static size_t
files_below_staging(const struct world *w)
{
	char path[PATH_MAX], *dirs[2] = { path, NULL };
	FTS *fts;
	FTSENT *e;
	size_t n = 0;

	test_path(path, sizeof(path), "%s/tmp/%s", w->dir, STAGING_NAME);
	fts = fts_open(dirs, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	while (fts != NULL && (e = fts_read(fts)) != NULL)
		n += e->fts_info == FTS_F;
	if (fts != NULL)
		fts_close(fts);
	return n;
}

static void
begin_message(struct append *a, const char *text)
{
	assert_int_equal(append_message(a, 0, 0, NULL, 0, 0), STORE_OK);
	assert_int_equal(append_bytes(a, slice_str(text)), STORE_OK);
}

static void
an_append_leaves_nothing_where_files_are_made(void **arg)
{
	struct world *w = *arg;
	struct appended done;
	struct append *a;
	int staged;

	for (staged = 0; staged < 2; staged++) {
		if (staged)
			stage(w->store, &fs_real, w->dir);
		append_text(w->store, INBOX, "A: b\n\n", 0);
		assert_int_equal(append_begin(w->store, INBOX, &a), STORE_OK);
		begin_message(a, "A: c\n\n");
		assert_int_equal(files_below_staging(w), staged);
		assert_int_equal(append_end(a), STORE_OK);
		begin_message(a, "A: d\n\n");
		assert_int_equal(append_end(a), STORE_OK);
		assert_int_equal(append_commit(&a, &done), STORE_OK);
		assert_int_equal(done.n, 2);
		assert_int_equal(append_begin(w->store, INBOX, &a), STORE_OK);
		begin_message(a, "A: given up\n\n");
		append_abort(&a);
		assert_int_equal(append_begin(w->store, INBOX, &a), STORE_OK);
		begin_message(a, "A: given up\n\n");
		assert_int_equal(append_end(a), STORE_OK);
		begin_message(a, "A: given up\n\n");
		append_abort(&a);
		assert_int_equal(files_below_staging(w), 0);
		assert_int_equal(count_files(w, "tmp"), 0);
		assert_int_equal(count_files(w, "cur"), 3 * (staged + 1));
	}
}

/* Not out of staging: what is there begins with a time. */
static int
rename_in_one_mount(int from_dir, const char *from, int to_dir, const char *to)
{
	if (*from < '0' || *from > '9')
		return fs_real.renameat(from_dir, from, to_dir, to);
	errno = EXDEV;
	return -1;
}

static void
staging_on_another_mount_is_done_without(void **arg)
{
	struct world *w = *arg;
	struct fs fs = fs_real;

	fs.renameat = rename_in_one_mount;
	store_close(&w->store);
	world_open(w, &(struct store_options){ .fs = &fs, .create = true });
	stage(w->store, &fs, w->dir);
	assert_int_equal(append_text(w->store, INBOX, "A: b\n\n", 0), 0);
	assert_int_equal(append_text(w->store, INBOX, "A: b\n\n", 0), 1);
	assert_int_equal(files_below_staging(w), 0);
	assert_int_equal(count_files(w, "cur"), 1);
	store_close(&w->store);
	world_open(w, NULL);
}

int
main(void)
{
#define T(f)	cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		T(an_empty_maildir_has_an_empty_inbox),
		T(appended_messages_are_there_after_reopening),
		T(what_is_appended_is_read_with_the_size_that_is_told),
		T(an_append_leaves_nothing_where_files_are_made),
		T(staging_on_another_mount_is_done_without),
		T(large_content_comes_and_goes),
		T(files_of_others_are_taken_in),
		T(flags_reach_the_names_at_close_and_a_foreign_change_wins),
		T(two_sessions_see_each_other),
		T(mailboxes_are_listed_made_renamed_and_deleted),
		T(what_cannot_be_opened_closes_nothing),
		T(copies_keep_flags_dates_and_guid),
		T(a_snapshot_of_format_1_is_read),
		T(files_come_in_the_order_of_their_times),
		T(a_long_snapshot_has_all_that_is_there),
		T(facts_are_remembered_when_they_were_asked_for),
		T(a_new_account_has_what_clients_look_for),
		T(a_mailbox_that_is_opened_again_is_as_it_is_now),
		T(an_examined_mailbox_keeps_its_numbers),
		T(a_delivery_gets_its_uid_without_a_scan),
		T(a_file_shorter_than_its_name_says),
		T(a_mailbox_that_nobody_has_opened_agrees_with_its_index),
		T(messages_of_one_append_or_copy_are_counted_together),
		T(a_name_that_was_given_to_another_is_that_ones),
		T(what_cannot_be_written_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
