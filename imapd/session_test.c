/* SPDX-License-Identifier: ISC */
/* session_test - what a client says, and exactly what is answered. */
#include <sys/socket.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <zlib.h>

#include "base/test_guard.h"
#include "client.h"
#include "fake_store.h"

#define MESSAGE								\
	"From: Ann <ann@example.org>\n"					\
	"To: bob@example.net\n"						\
	"Subject: One\n"						\
	"Date: Sun, 09 Sep 2001 01:46:40 +0000\n"			\
	"Message-ID: <1@example.org>\n"					\
	"\n"								\
	"Hello\n"							\
	"there\n"

/* One line of a conversation: what is said; all that is answered. */
struct line {
	const char	*say, *answer;
};

static struct client c;

static int
begin(void **state)
{
	(void)state;
	ev_loop_init(&client_loop);
	fake_store_reset();
	client_login(&c);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	client_close(&c);
	ev_loop_clear(&client_loop);
	fake_store_reset();
	return 0;
}

static void
converse(struct client *with, const struct line *l)
{
	struct slice got;

	for (; l->say != NULL; l++) {
		got = client_ask(with, l->say);
		if (slice_eq(got, slice_str(l->answer)))
			continue;
		print_error("to    %s\nwant  %s\ngot   %.*s\n", l->say,
		    l->answer, SLICE_ARG(got));
		fail();
	}
}
#define CONVERSE(...)							\
	converse(&c, (const struct line[]){ __VA_ARGS__, { NULL, NULL } })

#define SELECTED(exists, recent, unseen, next, modseq)			\
	"* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\r\n"	\
	"* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen "	\
	"\\Draft \\*)] Flags that are kept\r\n"				\
	"* " exists " EXISTS\r\n* " recent " RECENT\r\n" unseen		\
	"* OK [UIDVALIDITY 100] UIDs are valid\r\n"			\
	"* OK [UIDNEXT " next "] The next UID\r\n"			\
	"* OK [HIGHESTMODSEQ " modseq "] The highest mod-sequence\r\n"	\
	"* OK [MAILBOXID (F00000000000000000000000000000001)] Its id\r\n"
#define UNSEEN(n)							\
	"* OK [UNSEEN " n "] The first unseen message\r\n"

static void
select_inbox(unsigned messages)
{
	while (messages-- > 0)
		fake_store_deliver("INBOX", MESSAGE);
	client_ask(&c, "s SELECT INBOX\r\n");
	buf_reset(&c.changed);
}

/* ---- tests --------------------------------------------------------------- */

static void
commands_without_a_mailbox(void **state)
{
	(void)state;
	CONVERSE(
	    { "a NOOP\r\n", "a OK Done\r\n" },
	    { "a noop x\r\n", "a BAD Expected: nothing\r\n" },
	    { "a2 Namespace\r\n", "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n"
		"a2 OK Done\r\n" },
	    { "a FETCH 1 FLAGS\r\n", "a BAD Select a mailbox first\r\n" },
	    { "a XYZZY\r\n", "a BAD There is no such command\r\n" },
	    { "a UID NOOP\r\n", "a BAD There is no such command\r\n" },
	    { "a ID NIL\r\n", "* ID (\"name\" \"Chasqui\")\r\n"
		"a OK Done\r\n" },
	    { "a ID (\"name\" \"x\" \"v\" NIL)\r\n",
		"* ID (\"name\" \"Chasqui\")\r\na OK Done\r\n" },
	    { "a ID (\"name\")\r\n",
		"a BAD Expected: NIL, or a list of strings\r\n" },
	    { "a ENABLE CONDSTORE X\r\n", "* ENABLED CONDSTORE\r\n"
		"a OK Done\r\n" },
	    { "a LOGIN x y\r\n", "a BAD You are logged in already\r\n" },
	    { "\r\n", "* BAD There is no such command\r\n" },
	    { "+ NOOP\r\n", "* BAD There is no such command\r\n" },
	    { "a NOOP\n", "a BAD A line ends in CRLF\r\n" },
	    { "a NOOP\r\nb NOOP\r\n", "a OK Done\r\nb OK Done\r\n" },
	    { "a LOGOUT\r\n", "* BYE Until next time\r\na OK Done\r\n" });
	assert_true(c.ended);
	assert_string_equal(c.why, "logout");
}

static void
select_tells_all(void **state)
{
	(void)state;
	fake_store_deliver("INBOX", MESSAGE);
	CONVERSE(
	    { "a SELECT inbox\r\n", SELECTED("1", "1", UNSEEN("1"), "2", "2")
		"a OK [READ-WRITE] Selected\r\n" },
	    { "a SELECT nowhere\r\n",
		"* OK [CLOSED] The previous mailbox is closed\r\n"
		"a NO [NONEXISTENT] No such mailbox\r\n" },
	    { "a FETCH 1 FLAGS\r\n", "a BAD Select a mailbox first\r\n" },
	    { "a EXAMINE INBOX\r\n",
		"* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\r\n"
		"* OK [PERMANENTFLAGS ()] Read-only\r\n"
		"* 1 EXISTS\r\n* 0 RECENT\r\n" UNSEEN("1")
		"* OK [UIDVALIDITY 100] UIDs are valid\r\n"
		"* OK [UIDNEXT 2] The next UID\r\n"
		"* OK [HIGHESTMODSEQ 2] The highest mod-sequence\r\n"
		"* OK [MAILBOXID (F00000000000000000000000000000001)] Its id"
		"\r\na OK [READ-ONLY] Selected\r\n" },
	    { "a STORE 1 +FLAGS (\\Seen)\r\n",
		"a NO [NOPERM] The mailbox is open read-only\r\n" },
	    { "a UNSELECT\r\n", "a OK Done\r\n" },
	    { "a UNSELECT\r\n", "a BAD Select a mailbox first\r\n" },
	    { "a SELECT \"\"\r\n", "a NO [NONEXISTENT] No such mailbox\r\n" },
	    { "a SELECT\r\n", "a BAD Expected: a mailbox, and (CONDSTORE) or "
		"(QRESYNC (...))\r\n" });
	assert_slice_equal(buf_slice(&c.watched), SLICE_EMPTY);
}

static void
fetch_items(void **state)
{
	(void)state;
	select_inbox(1);
	CONVERSE(
	    { "a FETCH 1 (UID FLAGS)\r\n",
		"* 1 FETCH (UID 1 FLAGS (\\Recent))\r\na OK Done\r\n" },
	    { "a UID FETCH 1:* FLAGS\r\n",
		"* 1 FETCH (UID 1 FLAGS (\\Recent))\r\na OK Done\r\n" },
	    { "a FETCH 1 UID\r\n", "* 1 FETCH (UID 1)\r\na OK Done\r\n" },
	    { "a FETCH 2 UID\r\n",
		"a BAD There is no message of that number\r\n" },
	    { "a FETCH 0 UID\r\n",
		"a BAD Expected: a set, and what to fetch\r\n" },
	    { "a UID FETCH 7 UID\r\n", "a OK Done\r\n" },
	    { "a FETCH 1 (RFC822.SIZE INTERNALDATE)\r\n",
		"* 1 FETCH (RFC822.SIZE 148 INTERNALDATE "
		"\" 9-Sep-2001 01:46:40 +0000\")\r\na OK Done\r\n" },
	    { "a FETCH 1 BODY.PEEK[]<0.5>\r\n",
		"* 1 FETCH (BODY[]<0> {5}\r\nFrom:)\r\na OK Done\r\n" },
	    { "a FETCH 1 BODY.PEEK[TEXT]\r\n",
		"* 1 FETCH (BODY[TEXT] {14}\r\nHello\r\nthere\r\n)\r\n"
		"a OK Done\r\n" },
	    { "a FETCH 1 BODY.PEEK[TEXT]<5.4>\r\n",
		"* 1 FETCH (BODY[TEXT]<5> {4}\r\n\r\nth)\r\na OK Done\r\n" },
	    { "a FETCH 1 BODY.PEEK[TEXT]<100.4>\r\n",
		"* 1 FETCH (BODY[TEXT]<100> {0}\r\n)\r\na OK Done\r\n" },
	    { "a FETCH 1 (BODY.PEEK[HEADER.FIELDS (subject \"Date\")])\r\n",
		"* 1 FETCH (BODY[HEADER.FIELDS (subject Date)] {55}\r\n"
		"Subject: One\r\nDate: Sun, 09 Sep 2001 01:46:40 +0000\r\n\r\n"
		")\r\na OK Done\r\n" },
	    { "a FETCH 1 BODY[1]\r\n",
		"* 1 FETCH (BODY[1] {14}\r\nHello\r\nthere\r\n "
		"FLAGS (\\Seen \\Recent))\r\na OK Done\r\n" },
	    { "a FETCH 1 (BODY[2] UID)\r\n",
		"* 1 FETCH (UID 1 BODY[2] NIL)\r\na OK Done\r\n" },
	    { "a FETCH 1 BINARY.SIZE[1]\r\n",
		"* 1 FETCH (BINARY.SIZE[1] 14)\r\na OK Done\r\n" },
	    { "a FETCH 1 BINARY.PEEK[1]\r\n",
		"* 1 FETCH (BINARY[1] {14}\r\nHello\r\nthere\r\n)\r\n"
		"a OK Done\r\n" },
	    { "a FETCH 1 (ENVELOPE)\r\n",
		"* 1 FETCH (ENVELOPE (\"Sun, 09 Sep 2001 01:46:40 +0000\" "
		"\"One\" ((\"Ann\" NIL \"ann\" \"example.org\")) "
		"((\"Ann\" NIL \"ann\" \"example.org\")) "
		"((\"Ann\" NIL \"ann\" \"example.org\")) "
		"((NIL NIL \"bob\" \"example.net\")) NIL NIL NIL "
		"\"<1@example.org>\"))\r\na OK Done\r\n" },
	    { "a FETCH 1 (BODY)\r\n",
		"* 1 FETCH (BODY (\"text\" \"plain\" (\"charset\" "
		"\"us-ascii\") NIL NIL \"7bit\" 14 2))\r\na OK Done\r\n" },
	    { "a FETCH 1 (EMAILID THREADID PREVIEW (LAZY) MODSEQ)\r\n",
		"* 1 FETCH (EMAILID (Mab000000000000000000000000000002) "
		"THREADID (Ta823eecba37c9c4babc875bf710fb713) PREVIEW "
		"\"Hello there\" MODSEQ (3))\r\n"
		"a OK Done\r\n" },
	    { "a FETCH 1 (SAVEDATE)\r\n",
		"* 1 FETCH (SAVEDATE \" 9-Sep-2001 01:46:40 +0000\")\r\n"
		"a OK Done\r\n" },
	    { "a FETCH 1 FAST\r\n",
		"* 1 FETCH (FLAGS (\\Seen \\Recent) INTERNALDATE "
		"\" 9-Sep-2001 01:46:40 +0000\" RFC822.SIZE 148)\r\n"
		"a OK Done\r\n" });
	assert_slice_equal(buf_slice(&c.changed), SLICE_LIT("INBOX\n"));
}

static const char *const bad_fetches[] = {
	"FETCH", "FETCH 1", "FETCH 1 ()", "FETCH 1 (UID", "FETCH 1 BODY[",
	"FETCH 1 BODY[1", "FETCH 1 BODY[1.]", "FETCH 1 BODY[0]",
	"FETCH 1 BODY[MIME]", "FETCH 1 BODY[HEADER.FIELDS]",
	"FETCH 1 BODY[HEADER.FIELDS ()]", "FETCH 1 BODY[]<0.0>",
	"FETCH 1 BODY[]<0>", "FETCH 1 BODY[]<99999999999999999999.1>",
	"FETCH 1 BINARY[TEXT]", "FETCH 1 BINARY.SIZE[1]<0.1>",
	"FETCH 1,,2 UID", "FETCH 1: UID", "FETCH :1 UID", "FETCH 1;2 UID",
	"FETCH 4294967296 UID", "FETCH 1 (UID UID) (", "FETCH 1 NOSUCH",
	"FETCH 1 (FLAGS) (CHANGEDSINCE)", "FETCH 1 (FLAGS) (VANISHED)",
	"FETCH 1 (FLAGS) (CHANGEDSINCE 1 VANISHED)",
	"FETCH 1 (FLAGS) (PARTIAL 1:2)", "UID FETCH 1 (FLAGS) (PARTIAL 0:2)",
	"UID FETCH 1 (FLAGS) (PARTIAL -1:2)", "FETCH 1 (ALL)",
	"STORE", "STORE 1", "STORE 1 FLAGS", "STORE 1 FLAGS (",
	"STORE 1 FLAGS (\\Recent)", "STORE 1 FLAGS (\\Nonsense)",
	"STORE 1 FLAGS (a", "STORE 1 XFLAGS (a)", "STORE 1 FLAGS (a] b)",
	"STORE 1 (UNCHANGEDSINCE x) FLAGS (a)", "COPY", "COPY 1", "COPY 1 a b",
	"COPY a b", "UID EXPUNGE", "UID EXPUNGE x", "CLOSE x", "STATUS INBOX",
	"STATUS INBOX ()", "STATUS INBOX (X)", "LIST", "LIST \"\"",
	"LIST (X) \"\" *", "LIST (RECURSIVEMATCH) \"\" *", "LIST \"\" (",
	"LIST \"\" * RETURN (X)", "CREATE", "CREATE a (USE)", "CREATE a (X ())",
	"RENAME a", "SUBSCRIBE", "ENABLE", "COMPRESS GZIP", "GETQUOTA",
	"GETMETADATA INBOX", "GETMETADATA INBOX ()", "GETMETADATA INBOX /x",
	"GETMETADATA INBOX /shared//x", "GETMETADATA INBOX /shared/*",
	"GETMETADATA INBOX /sharedx/y", "SETMETADATA INBOX (/privatex/y NIL)",
	"SETMETADATA INBOX (/shared/x)", "NOTIFY", "NOTIFY SET",
	"NOTIFY SET (selected)", "NOTIFY SET (inboxes (MessageNew))",
	"APPEND", "APPEND INBOX", "APPEND INBOX (\\Seen)",
	"APPEND INBOX CATENATE (", "APPEND INBOX CATENATE ()",
	"APPEND INBOX CATENATE (TEXT)", "APPEND INBOX CATENATE (URL",
	"SELECT \"a", "SELECT a\\b", "SELECT &", "SELECT &AGE-",
	"SELECT INBOX (QRESYNC (1 2))",
	"SELECT {3", "SELECT \"\x80\"", "SEARCH RETURN (X) ALL",
	"SEARCH RETURN (PARTIAL 1:2 ALL) ALL", "SORT (X) UTF-8 ALL",
	"THREAD X UTF-8 ALL", "REPLACE 1 INBOX",
};

static void
bad_commands_get_BAD(void **state)
{
	struct slice got, last;
	char text[200];
	size_t i;

	(void)state;
	select_inbox(1);
	for (i = 0; i < sizeof(bad_fetches) / sizeof(bad_fetches[0]); i++) {
		snprintf(text, sizeof(text), "q %s\r\n", bad_fetches[i]);
		got = client_ask(&c, text);
		last = slice_of("", 0);
		if (!slice_starts(got, SLICE_LIT("q BAD ")) ||
		    slice_find(got, '\n') + 1 != got.n) {
			print_error("to %s got %.*s\n", text, SLICE_ARG(got));
			fail();
		}
		(void)last;
		client_ask(&c, "q SELECT INBOX\r\n");
	}
}

static void
store_flags(void **state)
{
	(void)state;
	select_inbox(2);
	CONVERSE(
	    { "a STORE 1 +FLAGS (\\Seen)\r\n",
		"* 1 FETCH (FLAGS (\\Seen \\Recent))\r\na OK Done\r\n" },
	    { "a STORE 1:2 FLAGS.SILENT (\\Deleted)\r\n", "a OK Done\r\n" },
	    { "a UID STORE 2 -FLAGS \\Deleted\r\n",
		"* 2 FETCH (UID 2 FLAGS (\\Recent))\r\na OK Done\r\n" },
	    { "a STORE 1 +FLAGS ($Junk)\r\n",
		"* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Junk)"
		"\r\n* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted "
		"\\Seen \\Draft $Junk \\*)] Flags that are kept\r\n"
		"* 1 FETCH (FLAGS (\\Deleted \\Recent $Junk))\r\n"
		"a OK Done\r\n" },
	    { "a STORE 1 (UNCHANGEDSINCE 4) +FLAGS.SILENT (\\Seen)\r\n",
		"a OK [MODIFIED 1] Some had changed\r\n" },
	    { "a STORE 1 +FLAGS.SILENT (\\Answered)\r\n",
		"* 1 FETCH (MODSEQ (8))\r\na OK Done\r\n" },
	    { "a STORE 1 FLAGS ()\r\n",
		"* 1 FETCH (FLAGS (\\Recent) MODSEQ (9))\r\na OK Done\r\n" },
	    { "a UID FETCH 1:* (FLAGS) (CHANGEDSINCE 8)\r\n",
		"* 1 FETCH (UID 1 FLAGS (\\Recent) MODSEQ (9))\r\n"
		"a OK Done\r\n" });
}

/* There are 64 for good. */
static void
keywords_are_made_by_what_succeeds(void **state)
{
	struct buf many = BUF_INIT(1000);
	struct slice got;
	int i;

	(void)state;
	select_inbox(1);
	client_ask(&c, "a STORE 1 +FLAGS (one)\r\n");
	buf_add_str(&many, "a STORE 1 +FLAGS (k");
	for (i = 0; i < STORE_KEYWORDS; i++)
		buf_printf(&many, " k%d", i);
	buf_add_str(&many, ")\r\n");
	got = client_ask(&c, buf_cstr(&many));
	assert_true(slice_starts(got, SLICE_LIT("a NO [LIMIT] ")));
	CONVERSE({ "a STORE 1 +FLAGS (two \\Three)\r\n",
	    "a BAD Expected: a set, FLAGS, +FLAGS or -FLAGS, and flags\r\n" },
	    { "a STORE 1 +FLAGS (two) x\r\n",
	    "a BAD Expected: a set, FLAGS, +FLAGS or -FLAGS, and flags\r\n" },
	    { "a STORE 1 -FLAGS.SILENT (two)\r\n", "a OK Done\r\n" });
	assert_int_equal(mailbox_keywords(c.session->view.mailbox), 1);
	buf_clear(&many);
}

static void
keywords_have_a_longest(void **state)
{
	static const struct slice refused = {
		"a NO [LIMIT] A keyword is too long\r\n", 36 };
	char name[STORE_KEYWORD_BYTES + 2], command[400];

	(void)state;
	select_inbox(1);
	memset(name, 'k', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	snprintf(command, sizeof(command), "a STORE 1 FLAGS (good %s)\r\n",
	    name);
	assert_true(slice_starts(client_ask(&c, command), refused));
	snprintf(command, sizeof(command), "a APPEND INBOX (%s) {5+}\r\n"
	    "hello\r\n", name);
	assert_true(slice_starts(client_ask(&c, command), refused));
	assert_int_equal(mailbox_keywords(c.session->view.mailbox), 0);
	snprintf(command, sizeof(command), "a STORE 1 -FLAGS.SILENT %s\r\n",
	    name);
	assert_true(slice_starts(client_ask(&c, command),
	    SLICE_LIT("a OK ")));
	name[STORE_KEYWORD_BYTES] = '\0';
	snprintf(command, sizeof(command), "a STORE 1 +FLAGS.SILENT %s\r\n",
	    name);
	client_ask(&c, command);
	assert_int_equal(mailbox_keywords(c.session->view.mailbox), 1);
}

static void
keywords_without_a_name_are_not_told(void **state)
{
	(void)state;
	fake_store_skip_keyword("INBOX");
	fake_store_skip_keyword("INBOX");
	select_inbox(1);
	CONVERSE({ "a STORE 1 +FLAGS (one)\r\n",
	    "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft one)\r\n"
	    "* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen "
	    "\\Draft one \\*)] Flags that are kept\r\n"
	    "* 1 FETCH (FLAGS (\\Recent one))\r\na OK Done\r\n" });
}

static void
silence_hides_only_what_is_known(void **state)
{
	struct client other;

	(void)state;
	select_inbox(1);
	client_login(&other);
	client_ask(&other, "x SELECT INBOX\r\n");
	client_ask(&other, "x STORE 1 +FLAGS (\\Flagged)\r\n");
	CONVERSE(
	    { "a STORE 1 +FLAGS.SILENT (\\Seen)\r\n",
		"* 1 FETCH (FLAGS (\\Flagged \\Seen \\Recent))\r\n"
		"a OK Done\r\n" });
	converse(&other, (const struct line[]){
	    { "x NOOP\r\n", "* 1 FETCH (FLAGS (\\Flagged \\Seen))\r\n"
		"x OK Done\r\n" }, { NULL, NULL } });
	client_close(&other);
}

static void
expunges_are_told_when_they_may(void **state)
{
	struct client other;

	(void)state;
	select_inbox(4);
	client_login(&other);
	client_ask(&other, "x SELECT INBOX\r\n");
	client_ask(&other, "x STORE 1,3 +FLAGS.SILENT (\\Deleted)\r\n");
	converse(&other, (const struct line[]){
	    { "x EXPUNGE\r\n", "* 3 EXPUNGE\r\n* 1 EXPUNGE\r\n"
		"x OK Done\r\n" }, { NULL, NULL } });
	fake_store_deliver("INBOX", MESSAGE);
	CONVERSE(
	    { "a FETCH 1:2 UID\r\n", "* 1 FETCH (UID 1)\r\n* 2 FETCH (UID 2)\r\n"
		"* 5 EXISTS\r\n* 5 RECENT\r\na OK Done\r\n" },
	    { "a FETCH 1:2 UID\r\n", "* 2 FETCH (UID 2)\r\n"
		"a OK [EXPUNGEISSUED] Some messages are gone\r\n" },
	    { "a STORE 4 +FLAGS (\\Seen)\r\n",
		"* 4 FETCH (FLAGS (\\Seen \\Recent))\r\na OK Done\r\n" },
	    { "a NOOP\r\n", "* 3 EXPUNGE\r\n* 1 EXPUNGE\r\na OK Done\r\n" },
	    { "a FETCH 1:* UID\r\n", "* 1 FETCH (UID 2)\r\n"
		"* 2 FETCH (UID 4)\r\n* 3 FETCH (UID 5)\r\na OK Done\r\n" });
	client_close(&other);
}

static void
copy_move_and_expunge(void **state)
{
	(void)state;
	select_inbox(3);
	CONVERSE(
	    { "a COPY 1:2 Box\r\n",
		"a NO [TRYCREATE] There is no such mailbox\r\n" },
	    { "a CREATE Box\r\n", "a OK [MAILBOXID "
		"(F00000000000000000000000000000005)] Done\r\n" },
	    { "a COPY 1:2 Box\r\n", "a OK [COPYUID 101 1:2 1:2] Done\r\n" },
	    { "a UID MOVE 2 Box\r\n", "* OK [COPYUID 101 2 3] Moved\r\n"
		"* 2 EXPUNGE\r\na OK Done\r\n" },
	    /* RFC 6851 3.3: allowed where COPY is */
	    { "a MOVE 1 INBOX\r\n", "* OK [COPYUID 100 1 4] Moved\r\n"
		"* 1 EXPUNGE\r\n* 2 EXISTS\r\n* 2 RECENT\r\na OK Done\r\n" },
	    { "a UID COPY 99 Box\r\n",
		"a OK Nothing was there to be copied\r\n" },
	    { "a STORE 1:2 +FLAGS.SILENT (\\Deleted)\r\n", "a OK Done\r\n" },
	    { "a UID EXPUNGE 3\r\n", "* 1 EXPUNGE\r\na OK Done\r\n" },
	    { "a ENABLE QRESYNC\r\n", "* ENABLED QRESYNC\r\na OK Done\r\n" },
	    { "a EXPUNGE\r\n", "* VANISHED 4\r\n"
		"a OK [HIGHESTMODSEQ 10] Done\r\n" });
}

static void
append_streams(void **state)
{
	(void)state;
	select_inbox(0);
	CONVERSE(
	    { "a APPEND nowhere {3}\r\n",
		"a NO [TRYCREATE] There is no such mailbox\r\n" },
	    { "a APPEND nowhere {3+}\r\nabc\r\nb NOOP\r\n",
		"a NO [TRYCREATE] There is no such mailbox\r\nb OK Done\r\n" },
	    { "a APPEND INBOX (\\Seen $X) \" 9-Sep-2001 01:46:41 +0000\" {8}"
		"\r\n", "+ OK\r\n" },
	    { "a: b\r\n\r\n\r\n",
		"* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $X)"
		"\r\n* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted "
		"\\Seen \\Draft $X \\*)] Flags that are kept\r\n"
		"* 1 EXISTS\r\n* 1 RECENT\r\n"
		"a OK [APPENDUID 100 1] Done\r\n" },
	    { "a APPEND {5}\r\n", "+ OK\r\n" },
	    { "INBOX {3+}\r\nabc {2+}\r\nde\r\n",
		"* 3 EXISTS\r\n* 3 RECENT\r\n"
		"a OK [APPENDUID 100 2:3] Done\r\n" },
	    { "a APPEND INBOX {9999999}\r\n",
		"a NO [TOOBIG] The message is too large\r\n" },
	    { "a APPEND INBOX {0+}\r\n\r\n",
		"a NO A message is empty; none is stored\r\n" },
	    { "a APPEND INBOX (\\Bad) {3}\r\n",
		"a BAD Expected: a mailbox, flags, a date, and a message\r\n" },
	    { "a APPEND INBOX {3+}\r\nabc x\r\n",
		"a BAD Expected: a mailbox, flags, a date, and a message\r\n" },
	    { "a APPEND INBOX ~{3+}\r\nabc\r\n",
		"* 4 EXISTS\r\n* 4 RECENT\r\n"
		"a OK [APPENDUID 100 4] Done\r\n" },
	    { "a APPEND INBOX CATENATE (TEXT {3+}\r\nab\n URL "
		"\"/INBOX;UIDVALIDITY=100/;UID=2\" URL {29+}\r\n"
		"/INBOX/;UID=1/;SECTION=HEADER)\r\n",
		"* 5 EXISTS\r\n* 5 RECENT\r\n"
		"a OK [APPENDUID 100 5] Done\r\n" },
	    { "a FETCH 5 BODY.PEEK[]\r\n",
		"* 5 FETCH (BODY[] {15}\r\nab\r\nabca: b\r\n\r\n)\r\n"
		"a OK Done\r\n" },
	    { "a APPEND INBOX CATENATE (URL \"/INBOX/;UID=77\")\r\n",
		"a NO [BADURL /INBOX/;UID=77] That is no part of a message "
		"here\r\n" },
	    { "a APPEND INBOX CATENATE (URL {5+}\r\n/]\x01\"\xc3)\r\n",
		"a NO [BADURL /%5D%01%22%C3] That is no part of a message "
		"here\r\n" },
	    { "a REPLACE 5 INBOX {1+}\r\nx\r\n",
		"* OK [APPENDUID 100 6] It is stored\r\n* 5 EXPUNGE\r\n"
		"* 5 EXISTS\r\n* 5 RECENT\r\na OK Done\r\n" },
	    { "a REPLACE * INBOX {1+}\r\ny\r\n",
		"* OK [APPENDUID 100 7] It is stored\r\n* 5 EXPUNGE\r\n"
		"* 5 EXISTS\r\n* 5 RECENT\r\na OK Done\r\n" },
	    { "a REPLACE 6 INBOX {1+}\r\nx\r\n",
		"a BAD There is no message of that number\r\n" },
	    { "a APPEND INBOX CATENATE (URL \";UID=2/;PARTIAL=0.2\" URL "
		"\"/;UID=2/;PARTIAL=2.1\")\r\n",
		"* 6 EXISTS\r\n* 6 RECENT\r\n"
		"a OK [APPENDUID 100 8] Done\r\n" },
	    { "a FETCH 6 BODY.PEEK[]\r\n",
		"* 6 FETCH (BODY[] {3}\r\nabc)\r\na OK Done\r\n" },
	    { "a APPEND INBOX \"01-Jul-1960 01:02:03 +0100\" {1+}\r\nx\r\n",
		"* 7 EXISTS\r\n* 7 RECENT\r\n"
		"a OK [APPENDUID 100 9] Done\r\n" },
	    { "a FETCH 7 INTERNALDATE\r\n",
		"* 7 FETCH (INTERNALDATE \" 1-Jul-1960 00:02:03 +0000\")\r\n"
		"a OK Done\r\n" });
}

static void
list_and_folders(void **state)
{
	(void)state;
	CONVERSE(
	    { "a LIST \"\" \"\"\r\n", "* LIST (\\Noselect) \"/\" \"\"\r\n"
		"a OK Done\r\n" },
	    { "a CREATE \"a/b &- c/\"\r\n", "a OK [MAILBOXID "
		"(F00000000000000000000000000000002)] Done\r\n" },
	    { "a LIST INBOX \"\"\r\n", "* LIST (\\Noselect) \"/\" \"\"\r\n"
		"a OK Done\r\n" },
	    { "a CREATE x (USE (\\Sent \\New))\r\n",
		"a NO [USEATTR] No mailbox can have that use\r\n" },
	    { "a CREATE x (USE (\\All))\r\n",
		"a NO [USEATTR] No mailbox can have that use\r\n" },
	    { "a CREATE Sent (USE (\\Sent))\r\n", "a OK [MAILBOXID "
		"(F00000000000000000000000000000003)] Done\r\n" },
	    { "a LIST \"\" %\r\n", "* LIST (\\HasNoChildren) \"/\" INBOX\r\n"
		"* LIST (\\HasNoChildren \\Sent) \"/\" Sent\r\n"
		"* LIST (\\Noselect \\HasChildren) \"/\" a\r\na OK Done\r\n" },
	    { "a LIST a/ *\r\n", "* LIST (\\HasNoChildren) \"/\" "
		"\"a/b &- c\"\r\na OK Done\r\n" },
	    { "a LIST \"\" inbox\r\n",
		"* LIST (\\HasNoChildren) \"/\" INBOX\r\na OK Done\r\n" },
	    { "a SUBSCRIBE a/x\r\n", "a OK Done\r\n" },
	    { "a SUBSCRIBE Sent\r\n", "a OK Done\r\n" },
	    { "a LSUB \"\" *\r\n", "* LSUB () \"/\" Sent\r\n"
		"* LSUB (\\Noselect) \"/\" a/x\r\na OK Done\r\n" },
	    { "a LSUB \"\" %\r\n", "* LSUB () \"/\" Sent\r\n"
		"* LSUB (\\Noselect) \"/\" a\r\na OK Done\r\n" },
	    { "a LIST (SUBSCRIBED) \"\" *\r\n",
		"* LIST (\\HasNoChildren \\Subscribed \\Sent) \"/\" Sent\r\n"
		"* LIST (\\NonExistent \\HasNoChildren \\Subscribed) \"/\" "
		"a/x\r\na OK Done\r\n" },
	    { "a LIST (SUBSCRIBED RECURSIVEMATCH) \"\" %\r\n",
		"* LIST (\\HasNoChildren \\Subscribed \\Sent) \"/\" Sent\r\n"
		"* LIST (\\NonExistent \\HasChildren) \"/\" a "
		"(\"CHILDINFO\" (\"SUBSCRIBED\"))\r\na OK Done\r\n" },
	    { "a LIST (SPECIAL-USE) \"\" (% *) RETURN (STATUS (MESSAGES "
		"SIZE))\r\n", "* LIST (\\HasNoChildren \\Sent) \"/\" Sent\r\n"
		"* STATUS Sent (MESSAGES 0 SIZE 0)\r\na OK Done\r\n" },
	    { "a RENAME Sent a/S\r\n", "a OK Done\r\n" },
	    { "a DELETE Sent\r\n", "a NO [NONEXISTENT] No such mailbox\r\n" },
	    { "a DELETE INBOX\r\n", "a NO [CANNOT] INBOX stays\r\n" },
	    { "a CREATE INBOX\r\n", "a NO [ALREADYEXISTS] It exists\r\n" },
	    { "a CREATE \"\xc3\xa4\"\r\n", "a BAD The name of a mailbox is in "
		"modified UTF-7, or comes after ENABLE UTF8=ACCEPT or "
		"IMAP4rev2\r\n" },
	    { "a CREATE \"x\" \"y\"\r\n",
		"a BAD Expected: a mailbox, and (USE (...))\r\n" },
	    { "a CREATE &AOQ-\r\n", "a OK [MAILBOXID "
		"(F00000000000000000000000000000004)] Done\r\n" },
	    { "a STATUS &AOQ- (UIDNEXT UIDVALIDITY UNSEEN DELETED "
		"APPENDLIMIT MAILBOXID)\r\n",
		"* STATUS &AOQ- (UIDNEXT 1 UIDVALIDITY 103 UNSEEN 0 DELETED 0 "
		"APPENDLIMIT 1000000 MAILBOXID "
		"(F00000000000000000000000000000004))\r\na OK Done\r\n" },
	    { "a ENABLE IMAP4rev2\r\n", "* ENABLED IMAP4rev2\r\n"
		"a OK Done\r\n" },
	    { "a LIST \"\" \"\xc3\xa4\"\r\n",
		"* LIST (\\HasNoChildren) \"/\" \"\xc3\xa4\"\r\n"
		"a OK Done\r\n" });
}

static void
idle_hears_at_once(void **state)
{
	struct client other;

	(void)state;
	select_inbox(1);
	client_login(&other);
	client_ask(&other, "x SELECT INBOX\r\n");
	CONVERSE({ "i IDLE\r\n", "+ idling\r\n" });
	fake_store_deliver("INBOX", MESSAGE);
	buf_reset(&c.got);
	imap_session_news(c.session, SLICE_LIT("INBOX"));
	client_settle(&c);
	assert_slice_equal(buf_slice(&c.got),
	    SLICE_LIT("* 2 EXISTS\r\n* 2 RECENT\r\n"));
	client_ask(&other, "x STORE 1 +FLAGS.SILENT (\\Deleted)\r\n");
	client_ask(&other, "x EXPUNGE\r\n");
	buf_reset(&c.got);
	imap_session_news(c.session, SLICE_LIT("INBOX"));
	client_settle(&c);
	assert_slice_equal(buf_slice(&c.got), SLICE_LIT("* 1 EXPUNGE\r\n"));
	CONVERSE({ "DONE\r\n", "i OK Done\r\n" },
	    { "i IDLE\r\n", "+ idling\r\n" },
	    { "x NOOP\r\n", "i BAD Expected: DONE\r\n" },
	    { "x NOOP\r\n", "x OK Done\r\n" });
	imap_session_bye(c.session, "It is late");
	client_settle(&c);
	assert_true(c.ended);
	client_close(&other);
}

static bool
would_park(void)
{
	c.parks = true;
	c.session->config.park_ms = 10;
	ev_timer_set(&c.session->silence, 1);
	ev_turn(&client_loop, 20);
	client_settle(&c);
	c.session->config.park_ms = 0;
	ev_timer_stop(&c.session->silence);
	return c.parked;
}

/* What those know would be lost. */
static void
notify_and_compression_are_not_parked(void **state)
{
	(void)state;
	select_inbox(1);
	client_ask(&c, "a NOTIFY SET (SELECTED (MessageNew MessageExpunge))"
	    "\r\n");
	assert_non_null(c.session->notify);
	assert_false(would_park());
	client_ask(&c, "a NOTIFY NONE\r\n");
	client_ask(&c, "a COMPRESS DEFLATE\r\n");
	assert_non_null(c.session->deflate);
	assert_false(would_park());
}

static void
half_closed_client_is_answered(void **state)
{
	(void)state;
	buf_reset(&c.got);
	client_send(&c, SLICE_LIT("a NOOP\r\nb NOOP\r\nc NO"));
	shutdown(c.fd, SHUT_WR);
	client_settle(&c);
	assert_slice_equal(buf_slice(&c.got),
	    SLICE_LIT("a OK Done\r\nb OK Done\r\n"));
	assert_true(c.ended);
}

static void
parked_and_back(void **state)
{
	(void)state;
	select_inbox(3);
	client_ask(&c, "a ENABLE CONDSTORE\r\n");
	client_ask(&c, "i IDLE\r\n");
	c.parks = true;
	client_config.park_ms = 10;
	c.session->config.park_ms = 10;
	ev_timer_set(&c.session->silence, 1);
	ev_turn(&client_loop, 20);
	client_settle(&c);
	assert_true(c.parked);
	client_config.park_ms = 0;
	fake_store_deliver("INBOX", MESSAGE);
	buf_reset(&c.got);
	client_resume(&c, true);
	assert_slice_equal(buf_slice(&c.got),
	    SLICE_LIT("* 4 EXISTS\r\n* 1 RECENT\r\n"));
	CONVERSE({ "DONE\r\n", "i OK Done\r\n" },
	    { "a STORE 1 +FLAGS.SILENT (\\Seen)\r\n",
		"* 1 FETCH (MODSEQ (6))\r\na OK Done\r\n" },
	    { "a FETCH 4 (UID)\r\n", "* 4 FETCH (UID 4)\r\na OK Done\r\n" });
}

static void
broken_states_are_refused(void **state)
{
	struct imap_begin b = { .fd_take = -1, .tag = SLICE_EMPTY,
		.unread = SLICE_EMPTY };
	struct imap_session *s;
	struct buf whole = BUF_INIT(10000);
	size_t i;

	(void)state;
	select_inbox(3);
	assert_true(state_write(c.session, &whole));
	for (i = 1; i < whole.n; i++) {
		struct slice part = slice_first(buf_slice(&whole), i);

		s = imap_session_new(&client_loop, c.store, &client_config,
		    &(struct imap_begin){ .fd_take = -1, .state = part },
		    NULL, NULL);
		assert_null(s);
	}
	(void)b;
	buf_clear(&whole);
}

static void
qresync_tells_what_has_gone(void **state)
{
	(void)state;
	select_inbox(5);
	client_ask(&c, "a ENABLE QRESYNC\r\n");
	client_ask(&c, "a STORE 2,4 +FLAGS.SILENT (\\Deleted)\r\n");
	client_ask(&c, "a EXPUNGE\r\n");
	client_ask(&c, "a STORE 1 +FLAGS.SILENT (\\Seen)\r\n");
	client_ask(&c, "a UNSELECT\r\n");
	CONVERSE(
	    { "a SELECT INBOX (QRESYNC (100 6 1:5))\r\n",
		SELECTED("3", "0", UNSEEN("2"), "6", "10")
		"* VANISHED (EARLIER) 2,4\r\n"
		"* 1 FETCH (UID 1 FLAGS (\\Seen) MODSEQ (10))\r\n"
		"a OK [READ-WRITE] Selected\r\n" },
	    { "a UID FETCH 1:5 (FLAGS) (CHANGEDSINCE 6 VANISHED)\r\n",
		"* VANISHED (EARLIER) 2,4\r\n"
		"* 1 FETCH (UID 1 FLAGS (\\Seen) MODSEQ (10))\r\n"
		"a OK Done\r\n" });
	fake_store_forget("INBOX");
	client_ask(&c, "a UNSELECT\r\n");
	CONVERSE(
	    { "a SELECT INBOX (QRESYNC (100 6))\r\n",
		SELECTED("3", "0", UNSEEN("2"), "6", "10")
		"* VANISHED (EARLIER) 2,4\r\n"
		"* 1 FETCH (UID 1 FLAGS (\\Seen) MODSEQ (10))\r\n"
		"a OK [READ-WRITE] Selected\r\n" },
	    { "a UNSELECT\r\n", "a OK Done\r\n" },
	    { "a SELECT INBOX (QRESYNC (100 6 1:5 (2 3)))\r\n",
		SELECTED("3", "0", UNSEEN("2"), "6", "10")
		"* VANISHED (EARLIER) 4\r\n"
		"* 1 FETCH (UID 1 FLAGS (\\Seen) MODSEQ (10))\r\n"
		"a OK [READ-WRITE] Selected\r\n" },
	    { "a UNSELECT\r\n", "a OK Done\r\n" },
	    { "a SELECT INBOX (QRESYNC (99 6 1:5))\r\n",
		SELECTED("3", "0", UNSEEN("2"), "6", "10")
		"a OK [READ-WRITE] Selected\r\n" });
}

static void
uidonly_and_partial(void **state)
{
	(void)state;
	select_inbox(4);
	CONVERSE(
	    { "a UID FETCH 1:* (UID) (PARTIAL -1:-2)\r\n",
		"* 3 FETCH (UID 3)\r\n* 4 FETCH (UID 4)\r\na OK Done\r\n" },
	    { "a UID FETCH 1:* (UID) (PARTIAL 4:9)\r\n",
		"* 4 FETCH (UID 4)\r\na OK Done\r\n" },
	    { "a UID FETCH 1:* (UID) (PARTIAL 5:9)\r\n", "a OK Done\r\n" },
	    { "a ENABLE UIDONLY\r\n", "* ENABLED UIDONLY\r\na OK Done\r\n" },
	    { "a FETCH 1 FLAGS\r\n",
		"a BAD [UIDREQUIRED] UIDONLY is enabled\r\n" },
	    { "a REPLACE 1 INBOX {1}\r\n",
		"a BAD [UIDREQUIRED] UIDONLY is enabled\r\n" },
	    { "a UID SEARCH 1\r\n",
		"a BAD [UIDREQUIRED] UIDONLY is enabled\r\n" },
	    { "a UID SEARCH UIDAFTER 3\r\n",
		"* ESEARCH (TAG \"a\") UID ALL 4\r\na OK Done\r\n" },
	    { "a UID FETCH 2 FLAGS\r\n",
		"* 2 UIDFETCH (FLAGS (\\Recent))\r\na OK Done\r\n" },
	    { "a UID STORE 2 +FLAGS (\\Deleted)\r\n",
		"* 2 UIDFETCH (FLAGS (\\Deleted \\Recent))\r\na OK Done\r\n" },
	    { "a EXPUNGE\r\n", "* VANISHED 2\r\na OK Done\r\n" });
}

static void
quota_and_metadata(void **state)
{
	(void)state;
	fake_store_deliver("INBOX", MESSAGE);
	CONVERSE(
	    { "a GETQUOTAROOT INBOX\r\n", "* QUOTAROOT INBOX\r\n"
		"a OK Done\r\n" },
	    { "a GETQUOTA \"\"\r\n",
		"a NO [NONEXISTENT] There is no such quota root\r\n" });
	fake_store_quota(10240, 20);
	CONVERSE(
	    { "a GETQUOTAROOT INBOX\r\n", "* QUOTAROOT INBOX \"\"\r\n"
		"* QUOTA \"\" (STORAGE 1 10 MESSAGE 1 20)\r\na OK Done\r\n" },
	    { "a APPEND INBOX {20000}\r\n",
		"a NO [OVERQUOTA] Over quota\r\n" },
	    { "a SETMETADATA INBOX (/Private/comment \"My own\" "
		"/shared/x ~{3+}\r\na\x01""b)\r\n", "a OK Done\r\n" },
	    { "a GETMETADATA INBOX (/private/comment /shared/none)\r\n",
		"* METADATA INBOX (/private/comment \"My own\" "
		"/shared/none NIL)\r\na OK Done\r\n" },
	    { "a GETMETADATA (DEPTH infinity MAXSIZE 4) INBOX (/private "
		"/shared)\r\n", "* METADATA INBOX (/shared/x \"a\x01""b\")"
		"\r\na OK [METADATA LONGENTRIES 6] Done\r\n" },
	    { "a SETMETADATA INBOX (/private/comment NIL)\r\n",
		"a OK Done\r\n" },
	    { "a GETMETADATA INBOX /private/comment\r\n",
		"* METADATA INBOX (/private/comment NIL)\r\na OK Done\r\n" },
	    { "a SETMETADATA INBOX (/private/specialuse \"\\\\Sent\")\r\n",
		"a OK Done\r\n" },
	    { "a SETMETADATA INBOX (/private/specialuse \"\\\\Flagged\")\r\n",
		"a NO [USEATTR] No mailbox can have that use\r\n" },
	    { "a SETMETADATA INBOX (/private/specialuse NIL)\r\n",
		"a OK Done\r\n" },
	    { "a SETMETADATA nowhere (/shared/x \"\")\r\n",
		"a NO [NONEXISTENT] No such mailbox\r\n" });
}

static void
assert_heard(const char *news, const char *want)
{
	buf_reset(&c.got);
	imap_session_news(c.session, slice_str(news));
	client_settle(&c);
	assert_slice_equal(buf_slice(&c.got), slice_str(want));
}

static void
notify_tells_of_others(void **state)
{
	struct client other;

	(void)state;
	select_inbox(1);
	CONVERSE(
	    { "a CREATE Other\r\n", "a OK [MAILBOXID "
		"(F00000000000000000000000000000003)] Done\r\n" },
	    { "a NOTIFY SET (mailboxes Other (AnnotationChange))\r\n",
		"a NO [BADEVENT (MessageNew MessageExpunge FlagChange "
		"MailboxName SubscriptionChange MailboxMetadataChange "
		"ServerMetadataChange)] That cannot be told\r\n" },
	    { "a NOTIFY SET (mailboxes Other (MessageNew MessageExpunge SomeChange))\r\n",
		"a NO [BADEVENT (MessageNew MessageExpunge FlagChange "
		"MailboxName SubscriptionChange MailboxMetadataChange "
		"ServerMetadataChange)] That cannot be told\r\n" },
	    { "a NOTIFY SET (selected NONE) (selected-delayed NONE)\r\n",
		"a BAD Expected: groups of mailboxes with their events\r\n" },
	    { "a NOTIFY SET (selected (MailboxName))\r\n",
		"a BAD Expected: groups of mailboxes with their events\r\n" },
	    { "a NOTIFY SET STATUS (mailboxes Other (MessageNew "
		"MessageExpunge)) (personal (MessageNew MessageExpunge "
		"FlagChange))\r\n",
		"* STATUS Other (MESSAGES 0 UIDNEXT 1 UIDVALIDITY 101 "
		"UNSEEN 0 HIGHESTMODSEQ 1)\r\na OK Done\r\n" },
	    { "a NOTIFY SET STATUS (selected (MessageNew (UID FLAGS) "
		"MessageExpunge)) (personal (MessageNew MessageExpunge))\r\n",
		"* STATUS Other (MESSAGES 0 UIDNEXT 1 UIDVALIDITY 101 "
		"UNSEEN 0)\r\na OK Done\r\n" });
	assert_slice_equal(buf_slice(&c.watched),
	    SLICE_LIT("INBOX\nOther\nINBOX\n"));
	fake_store_deliver("Other", MESSAGE);
	buf_reset(&c.got);
	imap_session_news(c.session, SLICE_LIT("Other"));
	client_settle(&c);
	assert_slice_equal(buf_slice(&c.got), SLICE_LIT(
	    "* STATUS Other (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 101 "
	    "UNSEEN 1)\r\n"));
	fake_store_deliver("INBOX", MESSAGE);
	buf_reset(&c.got);
	imap_session_news(c.session, SLICE_LIT("INBOX"));
	client_settle(&c);
	assert_slice_equal(buf_slice(&c.got), SLICE_LIT("* 2 EXISTS\r\n"
	    "* 2 RECENT\r\n* 2 FETCH (UID 2 FLAGS (\\Recent))\r\n"));
	/* FETCH of a flag has the UID, too. */
	CONVERSE({ "a NOTIFY SET (selected (MessageNew MessageExpunge "
	    "FlagChange))\r\n", "a OK Done\r\n" });
	client_login(&other);
	client_ask(&other, "x SELECT INBOX\r\n");
	client_ask(&other, "x STORE 2 +FLAGS.SILENT (\\Seen)\r\n");
	assert_heard("INBOX", "* 2 FETCH (UID 2 FLAGS (\\Seen \\Recent))\r\n");
	client_close(&other);
	CONVERSE({ "a NOTIFY NONE\r\n", "a OK Done\r\n" });
}

/* While an answer is written nothing else can be; it is told behind it. */
static void
notify_waits_for_a_long_answer(void **state)
{
	struct buf text = BUF_INIT(10 * 1024 * 1024);
	struct slice got;
	size_t i;

	(void)state;
	buf_add_str(&text, "a: b\n\n");
	for (i = 0; i < 100000; i++)
		buf_add_str(&text, "0123456789 0123456789\n");
	fake_store_deliver("INBOX", buf_cstr(&text));
	buf_clear(&text);
	client_ask(&c, "s SELECT INBOX\r\n");
	client_ask(&c, "a CREATE Other\r\n");
	client_ask(&c, "a NOTIFY SET (personal (MessageNew MessageExpunge))"
	    "\r\n");
	buf_reset(&c.got);
	assert_int_equal(send(c.fd, "a FETCH 1 BODY.PEEK[]\r\n", 23, 0), 23);
	while (c.session->job == NULL)
		ev_turn(&client_loop, 0);
	fake_store_deliver("Other", MESSAGE);
	imap_session_news(c.session, SLICE_LIT("Other"));
	client_settle(&c);
	got = buf_slice(&c.got);
	assert_true(slice_ends_nocase(got, SLICE_LIT(")\r\na OK Done\r\n"
	    "* STATUS Other (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 101 "
	    "UNSEEN 1)\r\n")));
}

/* MailboxName and SubscriptionChange: what others do, and not what one does
 * oneself. */
static void
notify_tells_of_names(void **state)
{
	struct client other;

	(void)state;
	client_login(&other);
	client_ask(&other, "x CREATE a/b\r\n");
	CONVERSE({ "a NOTIFY SET (personal (MailboxName "
	    "SubscriptionChange))\r\n", "a OK Done\r\n" },
	    { "a CREATE mine\r\n", "a OK [MAILBOXID "
		"(F00000000000000000000000000000003)] Done\r\n" },
	    { "a SUBSCRIBE mine\r\n", "a OK Done\r\n" });
	assert_slice_equal(buf_slice(&c.watched), SLICE_LIT("\n"));
	assert_heard("mine", "");
	client_ask(&other, "x CREATE new\r\n");
	assert_heard("new", "* LIST (\\HasNoChildren) \"/\" new\r\n");
	assert_heard("new", "");
	client_ask(&other, "x CREATE new/below\r\n");
	assert_heard("new/below", "* LIST (\\HasChildren) \"/\" new\r\n"
	    "* LIST (\\HasNoChildren) \"/\" new/below\r\n");
	client_ask(&other, "x SUBSCRIBE new\r\n");
	assert_heard("new",
	    "* LIST (\\HasChildren \\Subscribed) \"/\" new\r\n");
	client_ask(&other, "x UNSUBSCRIBE new\r\n");
	assert_heard("new", "* LIST (\\HasChildren) \"/\" new\r\n");
	client_ask(&other, "x RENAME new old\r\n");
	assert_heard("old", "* LIST (\\HasChildren) \"/\" old "
	    "(\"OLDNAME\" (new))\r\n");
	client_ask(&other, "x DELETE a/b\r\n");
	assert_heard("a/b",
	    "* LIST (\\NonExistent \\HasNoChildren) \"/\" a\r\n"
	    "* LIST (\\NonExistent \\HasNoChildren) \"/\" a/b\r\n");
	client_ask(&other, "x SUBSCRIBE none/x\r\n");
	assert_heard("none/x", "* LIST (\\NonExistent \\HasNoChildren "
	    "\\Subscribed) \"/\" none/x\r\n");
	client_ask(&other, "x UNSUBSCRIBE none/x\r\n");
	assert_heard("none/x",
	    "* LIST (\\NonExistent \\HasNoChildren) \"/\" none/x\r\n");
	CONVERSE({ "a DELETE mine\r\n", "a OK Done\r\n" });
	assert_heard("mine", "");
	/* Of the selected mailbox, too. */
	client_ask(&c, "a SELECT INBOX\r\n");
	client_ask(&other, "x SUBSCRIBE INBOX\r\n");
	assert_heard("INBOX",
	    "* LIST (\\HasNoChildren \\Subscribed) \"/\" INBOX\r\n");
	client_close(&other);
}

/* MailboxMetadataChange and ServerMetadataChange: the names of entries, of what
 * others do. */
static void
notify_tells_of_metadata(void **state)
{
	struct client other;

	(void)state;
	client_login(&other);
	client_ask(&other, "x CREATE Other\r\n");
	client_ask(&other, "x SETMETADATA INBOX (/private/a {1+}\r\n1)\r\n");
	CONVERSE({ "a NOTIFY SET (selected (MailboxMetadataChange))\r\n",
	    "a BAD Expected: groups of mailboxes with their events\r\n" },
	    { "a NOTIFY SET (inboxes (MailboxMetadataChange "
	    "ServerMetadataChange))\r\n", "a OK Done\r\n" });
	assert_slice_equal(buf_slice(&c.watched), SLICE_LIT("\n"));
	assert_heard("INBOX", "");
	client_ask(&other, "x SETMETADATA INBOX (/shared/comment \"x\" "
	    "/private/a NIL \"/private/b (\" \"y\" /private/b(c \"y\")\r\n");
	assert_heard("INBOX", "");
	client_ask(&other, "x SETMETADATA INBOX (/shared/comment \"x\" "
	    "/private/a NIL \"/private/b(\" \"y\")\r\n");
	assert_heard("INBOX", "* METADATA INBOX /private/a \"/private/b(\" "
	    "/shared/comment\r\n");
	CONVERSE({ "a GETMETADATA INBOX \"/private/b(\"\r\n",
	    "* METADATA INBOX (\"/private/b(\" \"y\")\r\na OK Done\r\n" });
	/* The same again is no change, another value is. */
	client_ask(&other, "x SETMETADATA INBOX (/shared/comment \"x\")\r\n");
	assert_heard("INBOX", "");
	client_ask(&other, "x SETMETADATA INBOX (/shared/comment \"z\")\r\n");
	assert_heard("INBOX", "* METADATA INBOX /shared/comment\r\n");
	/* Not asked for; one's own. */
	client_ask(&other, "x SETMETADATA Other (/shared/comment \"x\")\r\n");
	assert_heard("Other", "");
	client_ask(&other, "x SETMETADATA \"\" (/private/s \"x\")\r\n");
	CONVERSE({ "a SETMETADATA INBOX (/shared/comment NIL)\r\n",
	    "* METADATA \"\" /private/s\r\na OK Done\r\n" });
	assert_heard("INBOX", "");
	/* What goes with its mailbox is not told. */
	CONVERSE({ "a NOTIFY SET (personal (MailboxMetadataChange))\r\n",
	    "a OK Done\r\n" });
	client_ask(&other, "x SETMETADATA Other (/shared/comment \"y\")\r\n");
	assert_heard("Other", "* METADATA Other /shared/comment\r\n");
	client_ask(&other, "x SETMETADATA \"\" (/private/s NIL)\r\n");
	client_ask(&other, "x DELETE Other\r\n");
	assert_heard("Other", "");
	client_close(&other);
}

static void
endless_lines_and_literals(void **state)
{
	struct buf line = BUF_INIT(200000);
	size_t i;

	(void)state;
	CONVERSE(
	    { "a LOGIN {99999999999}\r\n", "a NO [TOOBIG] That is too long\r\n" },
	    { "a CREATE {300000}\r\n", "a NO [TOOBIG] That is too long\r\n" },
	    { "a CREATE {99999999999999999999}\r\n",
		"a BAD Expected: a mailbox, and (USE (...))\r\n" });
	buf_add_str(&line, "a ");
	for (i = 0; i < 70000; i++)
		buf_add_byte(&line, 'x');
	client_ask(&c, buf_cstr(&line));
	assert_slice_equal(buf_slice(&c.got), SLICE_LIT(
	    "a BAD The line is too long\r\n* BYE The line is too long\r\n"));
	assert_true(c.ended);
	buf_clear(&line);
}

static void
byte_by_byte(void **state)
{
	static const char said[] = "a APPEND {5}\r\nINBOX (\\Seen) {3+}\r\nabc"
	    "\r\nb FETCH 1 (UID BODY.PEEK[])\r\n";
	size_t i;

	(void)state;
	select_inbox(0);
	buf_reset(&c.got);
	for (i = 0; i < sizeof(said) - 1; i++) {
		client_send(&c, slice_of(said + i, 1));
		client_settle(&c);
	}
	assert_slice_equal(buf_slice(&c.got), SLICE_LIT("+ OK\r\n* 1 EXISTS\r\n"
	    "* 1 RECENT\r\na OK [APPENDUID 100 1] Done\r\n"
	    "* 1 FETCH (UID 1 BODY[] {3}\r\nabc)\r\nb OK Done\r\n"));
}

static void
unauthenticate_gives_input_back(void **state)
{
	(void)state;
	select_inbox(1);
	client_ask(&c, "a UNAUTHENTICATE\r\nb LOGIN x y\r\n");
	assert_true(c.unauthenticated);
	assert_slice_equal(buf_slice(&c.got), SLICE_LIT("a OK Done\r\n"));
	assert_slice_equal(buf_slice(&c.state), SLICE_LIT("b LOGIN x y\r\n"));
}

/* Text in the client's stream, flushed or with its end; behind it, in the same
 * packet, bytes that are not in it. */
static void
send_deflated(z_stream *z, const char *text, int flush, const char *behind)
{
	union { const char *from; Bytef *to; } u = { .from = text };
	char out[1000];

	z->next_in = u.to;
	z->avail_in = (uInt)strlen(text);
	z->next_out = (Bytef *)out;
	z->avail_out = sizeof(out);
	deflate(z, flush);
	assert_true(z->avail_out > strlen(behind));
	memcpy(z->next_out, behind, strlen(behind));
	client_send(&c, slice_of(out, sizeof(out) - z->avail_out +
	    strlen(behind)));
	client_settle(&c);
}

static void
inflate_got(z_stream *z, char *out, size_t n)
{
	z->next_in = (Bytef *)c.got.p;
	z->avail_in = (uInt)c.got.n;
	z->next_out = (Bytef *)out;
	z->avail_out = (uInt)n - 1;
	assert_int_equal(inflate(z, Z_SYNC_FLUSH), Z_OK);
	assert_int_equal(z->avail_in, 0);
	out[n - 1 - z->avail_out] = '\0';
}

/* RFC 8437 4.1: both streams end there, and never is the answer NO. */
static void
unauthenticate_ends_compression(void **state)
{
	static const int ends[] = { Z_SYNC_FLUSH, Z_FULL_FLUSH, Z_FINISH };
	z_stream out, in;
	char text[1000];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		memset(&out, 0, sizeof(out));
		memset(&in, 0, sizeof(in));
		assert_int_equal(deflateInit2(&out, 6, Z_DEFLATED, -15, 8,
		    Z_DEFAULT_STRATEGY), Z_OK);
		assert_int_equal(inflateInit2(&in, -15), Z_OK);
		client_ask(&c, "a COMPRESS DEFLATE\r\n");
		buf_reset(&c.got);
		send_deflated(&out, "b NOOP\r\n", Z_SYNC_FLUSH, "");
		inflate_got(&in, text, sizeof(text));
		assert_string_equal(text, "b OK Done\r\n");
		buf_reset(&c.got);
		send_deflated(&out, "c UNAUTHENTICATE\r\n", ends[i],
		    "d LOGIN x y\r\n");
		inflate_got(&in, text, sizeof(text));
		assert_string_equal(text, "c OK Done\r\n");
		assert_true(c.unauthenticated);
		assert_slice_equal(buf_slice(&c.state),
		    SLICE_LIT("d LOGIN x y\r\n"));
		deflateEnd(&out);
		inflateEnd(&in);
		client_close(&c);
		client_login(&c);
	}
}

/* More than may wait: the client reads slowly, and all arrives in order. */
static void
long_answers_come_in_pieces(void **state)
{
	struct buf text = BUF_INIT(10 * 1024 * 1024);
	struct slice got;
	size_t i, n = 0;

	(void)state;
	buf_add_str(&text, "a: b\n\n");
	for (i = 0; i < 100000; i++)
		buf_add_str(&text, "0123456789 0123456789\n");
	fake_store_deliver("INBOX", buf_cstr(&text));
	client_ask(&c, "s SELECT INBOX\r\n");
	got = client_ask(&c, "a FETCH 1 BODY.PEEK[]\r\nb NOOP\r\n");
	n = 8 + 100000 * 23;
	assert_true(got.n == n + 31 + 3 + 11 + 11 ||
	    slice_ends_nocase(got, SLICE_LIT(")\r\na OK Done\r\nb OK Done\r\n")));
	assert_true(slice_starts(got,
	    SLICE_LIT("* 1 FETCH (BODY[] {2300008}\r\na: b\r\n\r\n0123")));
	assert_int_equal(got.n, 29 + n + 3 + 11 + 11);
	buf_clear(&text);
}

#define T(name)	cmocka_unit_test_setup_teardown(name, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(commands_without_a_mailbox), T(select_tells_all),
		T(fetch_items), T(bad_commands_get_BAD), T(store_flags),
		T(keywords_are_made_by_what_succeeds),
		T(keywords_have_a_longest),
		T(keywords_without_a_name_are_not_told),
		T(silence_hides_only_what_is_known),
		T(expunges_are_told_when_they_may), T(copy_move_and_expunge),
		T(append_streams), T(list_and_folders), T(idle_hears_at_once),
		T(parked_and_back), T(notify_and_compression_are_not_parked),
		T(half_closed_client_is_answered), T(broken_states_are_refused),
		T(qresync_tells_what_has_gone), T(uidonly_and_partial),
		T(quota_and_metadata), T(notify_tells_of_others),
		T(notify_waits_for_a_long_answer), T(notify_tells_of_names),
		T(notify_tells_of_metadata),
		T(endless_lines_and_literals), T(byte_by_byte),
		T(unauthenticate_gives_input_back),
		T(unauthenticate_ends_compression),
		T(long_answers_come_in_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
