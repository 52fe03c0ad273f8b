/* SPDX-License-Identifier: ISC */
/*
 * model_test - several sessions at once on one user's mailboxes, at random.
 *
 * Each client keeps what it was told, as a mail client does: sequence numbers,
 * UIDs, flags, mod-sequences.  Whenever a session has told all that is new, its
 * client's picture is compared with the store.  Parking, QRESYNC and silent
 * STOREs are among what happens.
 *
 * And the other way round: a server that leaves out an answer or changes one is
 * noticed by the same clients.
 *
 *	model_test [seed [steps]]
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/stat.h>

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/num.h"
#include "base/test_files.h"
#include "client.h"
#ifdef REAL_STORE
#include "mail/summary.h"
#else
#include "fake_store.h"
#endif

#define CLIENTS		4
#define MESSAGES	2000
#define KEYWORDS	3
#define TEXT_BYTES	4096

enum { MODE_PLAIN, MODE_CONDSTORE, MODE_QRESYNC, MODE_UIDONLY };

/* Flags as bits of this test: FLAG_*, and keywords from bit 8 on. */
struct known {
	uint32_t	 uid;		/* 0: not told yet */
	unsigned	 flags;
	bool		 has_flags;
	uint64_t	 modseq;	/* 0: not told */
};

struct user {
	struct client	 client;
	int		 mode;
	struct known	 v[MESSAGES];
	size_t		 n;
	bool		 selected, idling;
	const char	*mailbox;
	uint32_t	 uidvalidity;
	uint64_t	 highest;	/* mod-sequence, of SELECT or seen */
	bool		 expunged;	/* in this answer */
	char		 last[TEXT_BYTES];	/* what it said */
	char		 modified[TEXT_BYTES];	/* of MODIFIED */
};

static const char *const keywords[KEYWORDS] = { "$Aa", "$Bb", "$Cc" };
static const char *const boxes[] = { "INBOX", "Box" };

static struct user users[CLIENTS];
static struct store *truth;
static struct mailbox *compared;	/* NULL but in compare() */
static uint64_t seed, rng;
static unsigned step_no, steps = 1500;

/* What a server could do wrong: a line that has this is left out (NULL), or
 * changed, or the number behind it is another. */
static const struct lie {
	const char	*in;
	const char	*instead;
} lies[] = {
	{ " EXPUNGE", NULL },
	{ "* VANISHED ", NULL },
	{ " EXISTS", NULL },
	{ "* VANISHED ", "0" },
	{ "UID ", "0" },
	{ "MODSEQ (", "0" },
	{ "\\Flagged", "\\Deleted" },
	{ "\\Seen", "" },
	{ "$Aa", "$Bb" },
};
static const struct lie *lie;
static jmp_buf noticed;

/* ---- chance -------------------------------------------------------------- */

static uint32_t
roll(uint32_t n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (uint32_t)(rng >> 33) % n;
}

static void
give_up(const struct user *u, const char *what)
{
	if (lie != NULL)
		longjmp(noticed, 1);
	print_error("seed %llu step %u client %d mode %d: %s\nsaid %s\n"
	    "got  %.*s\n", (unsigned long long)seed, step_no,
	    (int)(u - users), u->mode, what, u->last,
	    SLICE_ARG(buf_slice(&u->client.got)));
	fail();
}

/* ---- what a client hears ------------------------------------------------- */

static unsigned
flags_of(struct slice list)
{
	struct slice word;
	unsigned r = 0, i;

	while (list.n > 0 && slice_next(&list, ' ', &word)) {
		if (word.n > 0 && word.p[0] == '\\')
			r |= system_flag(word) & FLAGS_STORED;
		for (i = 0; i < KEYWORDS; i++)
			if (slice_eq(word, slice_str(keywords[i])))
				r |= 256u << i;
	}
	return r;
}

static bool
find_after(struct slice s, const char *key, struct slice *r)
{
	const char *hit = memmem(s.p, s.n, key, strlen(key));

	if (hit == NULL)
		return false;
	*r = slice_from(s, (size_t)(hit - s.p) + strlen(key));
	return true;
}

static uint64_t
number_at(struct slice s)
{
	uint64_t v = 0;

	parse_u64(&s, &v);
	return v;
}

static void
hear_fetch(struct user *u, uint64_t number, struct slice line, bool by_uid)
{
	struct known *k = NULL;
	struct slice at;
	uint32_t uid = 0;
	size_t i;

	if (find_after(line, "UID ", &at))
		uid = (uint32_t)number_at(at);
	if (by_uid) {
		uid = (uint32_t)number;
		for (i = 0; i < u->n; i++)
			if (u->v[i].uid == uid)
				k = &u->v[i];
		/* New ones come in order behind those that are known. */
		for (i = 0; k == NULL && i < u->n; i++)
			if (u->v[i].uid == 0)
				k = &u->v[i];
	} else if (number >= 1 && number <= u->n)
		k = &u->v[number - 1];
	if (k == NULL) {
		give_up(u, "FETCH of a number that is not there");
		return;
	}
	if (uid != 0 && k->uid != 0 && k->uid != uid)
		give_up(u, "a sequence number has another UID");
	if (uid != 0)
		k->uid = uid;
	if (find_after(line, "FLAGS (", &at)) {
		k->flags = flags_of(slice_first(at, slice_find(at, ')')));
		k->has_flags = true;
	}
	if (find_after(line, "MODSEQ (", &at)) {
		if (number_at(at) < k->modseq)
			give_up(u, "a mod-sequence went back");
		k->modseq = number_at(at);
	} else if (by_uid)
		k->modseq = 0;
}

static void
remove_at(struct user *u, size_t i)
{
	memmove(&u->v[i], &u->v[i + 1], (u->n - i - 1) * sizeof(u->v[0]));
	u->n--;
}

static void
hear_vanished(struct user *u, struct slice line, bool earlier)
{
	struct cursor c = cursor_of(line, NULL);
	struct set set;
	size_t i;

	if (!cur_set(&c, 0, &set))
		give_up(u, "VANISHED is no set");
	set_settle(&set, UINT32_MAX);
	for (i = u->n; i-- > 0;)
		if (u->v[i].uid != 0 && set_has(&set, u->v[i].uid))
			remove_at(u, i);
	set_clear(&set);
	u->expunged |= !earlier;
}

static void
hear_line(struct user *u, struct slice line)
{
	struct slice at = line, rest;
	uint64_t n;

	if (find_after(line, "[UIDVALIDITY ", &rest))
		u->uidvalidity = (uint32_t)number_at(rest);
	if (find_after(line, "[HIGHESTMODSEQ ", &rest))
		u->highest = number_at(rest);
	if (find_after(line, "[MODIFIED ", &rest))
		snprintf(u->modified, sizeof(u->modified), "%.*s",
		    (int)slice_find(rest, ']'), rest.p);
	if (slice_starts(line, SLICE_LIT("* VANISHED (EARLIER) "))) {
		hear_vanished(u, slice_from(line, 21), true);
		return;
	}
	if (slice_starts(line, SLICE_LIT("* VANISHED "))) {
		hear_vanished(u, slice_from(line, 11), false);
		return;
	}
	if (!slice_starts(line, SLICE_LIT("* ")))
		return;
	at = slice_from(at, 2);
	if (parse_u64(&at, &n) != PARSE_OK)
		return;
	if (slice_eq(at, SLICE_LIT(" EXISTS"))) {
		if (n < u->n || n > MESSAGES)
			give_up(u, "EXISTS became less");
		while (u->n < n)
			u->v[u->n++] = (struct known){ 0 };
	} else if (slice_eq(at, SLICE_LIT(" EXPUNGE"))) {
		if (n < 1 || n > u->n)
			give_up(u, "EXPUNGE of what is not there");
		else
			remove_at(u, n - 1);
		u->expunged = true;
	} else if (slice_starts(at, SLICE_LIT(" FETCH (")))
		hear_fetch(u, n, at, false);
	else if (slice_starts(at, SLICE_LIT(" UIDFETCH (")))
		hear_fetch(u, n, at, true);
}

/* False: it is not heard at all. */
static bool
change(struct slice line, struct buf *to)
{
	const char *hit = memmem(line.p, line.n, lie->in, strlen(lie->in));
	size_t at;

	buf_add(to, line);
	if (hit == NULL)
		return true;
	if (lie->instead == NULL)
		return false;
	at = (size_t)(hit - line.p) + strlen(lie->in);
	if (strcmp(lie->instead, "0") == 0) {
		while (at < to->n && to->p[at] >= '0' && to->p[at] <= '9')
			at++;
		to->p[at - 1] = to->p[at - 1] == '0' ? '1' : '0';
		return true;
	}
	to->n = (size_t)(hit - line.p);
	buf_add_str(to, lie->instead);
	buf_add(to, slice_from(line, at));
	return true;
}

/* "tag OK" or what else it was. */
static bool
hear(struct user *u)
{
	struct slice rest = buf_slice(&u->client.got), line;
	static struct buf changed = BUF_INIT(65536);
	bool ok = false;
	size_t n;

	while (rest.n > 0) {
		n = slice_find(rest, '\n');
		if (n == rest.n || n == 0 || rest.p[n - 1] != '\r') {
			give_up(u, "a line does not end in CRLF");
			return false;
		}
		line = slice_first(rest, n - 1);
		rest = slice_from(rest, n + 1);
		buf_reset(&changed);
		if (lie == NULL || change(line, &changed))
			hear_line(u, lie == NULL ? line :
			    buf_slice(&changed));
		if (slice_starts(line, SLICE_LIT("q OK")))
			ok = true;
		if (slice_starts(line, SLICE_LIT("q BAD")))
			give_up(u, "BAD");
	}
	return ok;
}

static bool
ask(struct user *u, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(u->last, sizeof(u->last), fmt, ap);
	va_end(ap);
	u->expunged = false;
	u->modified[0] = '\0';
	client_ask(&u->client, u->last);
	return hear(u);
}

/* ---- the comparison ------------------------------------------------------ */

static unsigned
true_flags(struct mailbox *m, const struct message_entry *e)
{
	unsigned r = e->flags & FLAGS_STORED, i;
	int bit;

	for (i = 0; i < KEYWORDS; i++) {
		bit = mailbox_keyword(m, slice_str(keywords[i]), false);
		if (bit >= 0 && e->keywords >> bit & 1)
			r |= 256u << i;
	}
	return r;
}

/* Everything has just been told. */
static void
compare(struct user *u)
{
	const struct message_entry *e;
	size_t n, i;
	char why[200];

	assert_int_equal(mailbox_open(truth, slice_str(u->mailbox), true,
	    &compared), STORE_OK);
	e = mailbox_entries(compared, &n);
	if (n != u->n) {
		snprintf(why, sizeof(why), "%zu messages, and there are %zu",
		    u->n, n);
		give_up(u, why);
	}
	for (i = 0; i < n; i++) {
		struct known *k = &u->v[i];

		if (k->uid != 0 && k->uid != e[i].uid)
			give_up(u, "another UID");
		if (k->has_flags && k->flags != true_flags(compared, &e[i])) {
			snprintf(why, sizeof(why), "UID %u has flags %x, not "
			    "%x", e[i].uid, true_flags(compared, &e[i]), k->flags);
			give_up(u, why);
		}
		if (u->mode != MODE_PLAIN && k->has_flags && k->modseq != 0 &&
		    k->modseq != e[i].modseq) {
			snprintf(why, sizeof(why), "UID %u has modseq %llu, "
			    "not %llu", e[i].uid,
			    (unsigned long long)e[i].modseq,
			    (unsigned long long)k->modseq);
			give_up(u, why);
		}
	}
	/* Up to here it may say that it knows all (RFC 7162 3.2.2.1). */
	u->highest = mailbox_head(compared)->highestmodseq;
	mailbox_close(&compared);
}

/* The client learns what it does not know. */
static void
learn(struct user *u)
{
	size_t i;

	for (i = 0; i < u->n; i++)
		if (u->v[i].uid == 0 || !u->v[i].has_flags) {
			ask(u, u->mode == MODE_PLAIN ?
			    "q UID FETCH 1:* (FLAGS)\r\n" :
			    "q UID FETCH 1:* (FLAGS MODSEQ)\r\n");
			return;
		}
}

static void
noop(struct user *u)
{
	ask(u, "q NOOP\r\n");
	compare(u);
	learn(u);
	ask(u, "q NOOP\r\n");
	compare(u);
}

/* ---- what happens -------------------------------------------------------- */

static void
select_box(struct user *u)
{
	const char *box = boxes[roll(2)];
	bool again = u->mailbox != NULL && u->mode == MODE_QRESYNC &&
	    u->mailbox == box && roll(3) > 0;
	size_t i;
	bool known = true;

	for (i = 0; i < u->n; i++)
		known = known && u->v[i].uid != 0 && u->v[i].has_flags;
	u->mailbox = box;
	u->selected = true;
	if (again && known && u->n > 0) {
		/* EXISTS comes before VANISHED: numbers are made anew. */
		struct known old[MESSAGES];
		size_t nold = u->n, k;

		memcpy(old, u->v, sizeof(old));
		snprintf(u->last, sizeof(u->last),
		    "q SELECT %s (QRESYNC (%u %llu))\r\n", box, u->uidvalidity,
		    (unsigned long long)u->highest);
		client_ask(&u->client, u->last);
		/* What the client does: old UIDs without those vanished, then
		 * as many new ones as EXISTS has more. */
		{
			struct slice got = buf_slice(&u->client.got), at;
			uint64_t exists = 0;
			struct set gone = { 0 };
			struct cursor c;

			if (find_after(got, "VANISHED (EARLIER) ", &at)) {
				c = cursor_of(at, NULL);
				cur_set(&c, 0, &gone);
				set_settle(&gone, UINT32_MAX);
			}
			at = got;
			while (find_after(at, "* ", &at)) {
				struct slice t = at;
				uint64_t v;

				if (parse_u64(&t, &v) == PARSE_OK &&
				    slice_starts(t, SLICE_LIT(" EXISTS")))
					exists = v;
			}
			u->n = 0;
			for (k = 0; k < nold; k++)
				if (!set_has(&gone, old[k].uid))
					u->v[u->n++] = old[k];
			set_clear(&gone);
			if (u->n > exists)
				give_up(u, "more are known than there are");
			while (u->n < exists)
				u->v[u->n++] = (struct known){ 0 };
		}
		hear(u);
		return;
	}
	u->n = 0;
	ask(u, "q SELECT %s\r\n", box);
}

static const char *
some_set(struct user *u, char *to, size_t max, bool uids)
{
	uint32_t a, b;
	size_t i, j;

	i = roll((uint32_t)u->n);
	j = roll((uint32_t)u->n);
	if (i > j) {
		size_t t = i;

		i = j;
		j = t;
	}
	if (j - i > 5)
		j = i + roll(5);
	a = uids ? u->v[i].uid : (uint32_t)i + 1;
	b = uids ? u->v[j].uid : (uint32_t)j + 1;
	snprintf(to, max, "%u:%u", a, b);
	return to;
}

static void
store_flags(struct user *u, const char *set, bool uids)
{
	static const char *const flags[] = { "\\Seen", "\\Deleted", "$Aa",
		"\\Flagged $Bb", "\\Answered \\Draft $Cc", "" };
	static const char *const hows[] = { "FLAGS", "+FLAGS", "-FLAGS" };
	uint32_t how = roll(3), f = roll(6);
	bool silent = roll(2), conditional = u->mode != MODE_PLAIN &&
	    roll(3) == 0;
	struct cursor c = cursor_of(slice_str(set), NULL), m;
	struct set s, modified = { 0 };
	char unless[64] = "";
	size_t i;

	if (conditional)
		snprintf(unless, sizeof(unless), "(UNCHANGEDSINCE %llu) ",
		    (unsigned long long)(u->highest > 3 ? u->highest - roll(3) :
		    1));
	ask(u, "q %sSTORE %s %s%s%s (%s)\r\n", uids ? "UID " : "", set, unless,
	    hows[how], silent ? ".SILENT" : "", flags[f]);
	if (!uids && u->expunged)
		give_up(u, "EXPUNGE within STORE");
	if (!silent)
		return;
	/* What is not told is what was asked for. */
	cur_set(&c, 0, &s);
	set_settle(&s, UINT32_MAX);
	m = cursor_of(slice_str(u->modified), NULL);
	if (cur_set(&m, 0, &modified))
		set_settle(&modified, UINT32_MAX);
	for (i = 0; i < u->n; i++) {
		struct known *k = &u->v[i];
		uint32_t n = uids ? k->uid : (uint32_t)i + 1;
		unsigned bits = flags_of(slice_str(flags[f]));
		const char *hit;
		char mark[40];

		if (!set_has(&s, n) || set_has(&modified, n) ||
		    !k->has_flags)
			continue;
		/* Where the answer said more, that counts. */
		snprintf(mark, sizeof(mark), u->mode == MODE_UIDONLY ?
		    "* %u UIDFETCH (FLAGS" : uids ? "(UID %u FLAGS" :
		    "* %u FETCH (FLAGS", n);
		hit = memmem(u->client.got.p, u->client.got.n, mark,
		    strlen(mark));
		if (hit != NULL)
			continue;
		k->flags = how == 0 ? bits : how == 1 ? k->flags | bits :
		    k->flags & ~bits;
	}
	set_clear(&s);
	set_clear(&modified);
}

static void
deliver(const char *box)
{
	struct append *a;
	struct appended done;
	char text[200];

	snprintf(text, sizeof(text), "Subject: %u\n\ntext %u\n", step_no,
	    step_no);
	assert_int_equal(append_begin(truth, slice_str(box), &a), STORE_OK);
	assert_int_equal(append_message(a, 0, 0, NULL, 0,
	    INT64_C(1000000000000)), STORE_OK);
	assert_int_equal(append_bytes(a, slice_str(text)), STORE_OK);
	assert_int_equal(append_end(a), STORE_OK);
	assert_int_equal(append_commit(&a, &done), STORE_OK);
}

static void
idle(struct user *u)
{
	snprintf(u->last, sizeof(u->last), "q IDLE\r\n");
	client_ask(&u->client, u->last);
	hear(u);
	compare(u);
	deliver(u->mailbox);
	buf_reset(&u->client.got);
	imap_session_news(u->client.session, slice_str(u->mailbox));
	client_settle(&u->client);
	hear(u);
	compare(u);
	ask(u, "DONE\r\n");
}

static void
park(struct user *u)
{
	u->client.parks = true;
	u->client.session->config.park_ms = 1;
	ev_timer_set(&u->client.session->silence, 0);
	while (!u->client.parked)
		ev_turn(&client_loop, 5);
	u->client.parks = false;
	if (roll(2))
		deliver(u->mailbox == NULL ? "INBOX" : u->mailbox);
	buf_reset(&u->client.got);
	client_resume(&u->client, false);
	hear(u);
}

static void
act(struct user *u)
{
	const char *other = u->mailbox == boxes[0] ? boxes[1] : boxes[0];
	bool uids = u->mode == MODE_UIDONLY || roll(2);
	const char *uid = uids ? "UID " : "";
	char set[64];

	if (!u->selected || roll(30) == 0) {
		select_box(u);
		learn(u);
		noop(u);
		return;
	}
	if (u->n == 0) {
		deliver(u->mailbox);
		noop(u);
		return;
	}
	learn(u);
	if (u->n == 0 || u->v[u->n - 1].uid == 0 || u->v[0].uid == 0)
		return;
	some_set(u, set, sizeof(set), uids);
	switch (roll(14)) {
	case 0:
	case 1:
	case 2:
		store_flags(u, set, uids);
		break;
	case 3:
		ask(u, "q %sFETCH %s (FLAGS)\r\n", uid, set);
		if (!uids && u->expunged)
			give_up(u, "EXPUNGE within FETCH");
		break;
	case 4:
		ask(u, "q EXPUNGE\r\n");
		break;
	case 5:
		ask(u, "q UID EXPUNGE %u:*\r\n",
		    u->v[roll((uint32_t)u->n)].uid);
		break;
	case 6:
		if (u->n < 100)
			ask(u, "q %sCOPY %s %s\r\n", uid, set, other);
		break;
	case 7:
		ask(u, "q %sMOVE %s %s\r\n", uid, set, other);
		break;
	case 8:
		ask(u, "q APPEND %s (\\Seen $Aa) {9+}\r\na: b\r\n\r\nx\r\n",
		    boxes[roll(2)]);
		break;
	case 9:
		ask(u, "q %sSEARCH UNSEEN NOT DELETED\r\n", uid);
		if (!uids && u->expunged)
			give_up(u, "EXPUNGE within SEARCH");
		break;
	case 10:
		deliver(boxes[roll(2)]);
		break;
	case 11:
		idle(u);
		break;
	case 12:
		park(u);
		break;
	case 13:
		noop(u);
		break;
	}
}

static void
log_in(struct user *u, int mode)
{
	static const char *const enables[] = { "NOOP", "ENABLE CONDSTORE",
		"ENABLE QRESYNC", "ENABLE UIDONLY CONDSTORE IMAP4rev2" };

	memset(u, 0, sizeof(*u));
	u->mode = mode;
	client_login(&u->client);
	snprintf(u->last, sizeof(u->last), "q %s\r\n", enables[mode]);
	client_ask(&u->client, u->last);
	u->client.got.n = 0;
}

#ifdef REAL_STORE
static char directory[32];
#endif

static void
begin(void)
{
	static const struct store_options options = { .create = true };
	size_t i;

	rng = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	ev_loop_init(&client_loop);
#ifdef REAL_STORE
	snprintf(directory, sizeof(directory), "/tmp/imap-model-XXXXXX");
	assert_non_null(mkdtemp(directory));
	client_maildir = directory;
#else
	fake_store_reset();
#endif
	truth = store_open(client_maildir, &options);
	assert_non_null(truth);
	assert_int_equal(store_create(truth, SLICE_LIT("Box"), 0), STORE_OK);
	for (i = 0; i < CLIENTS; i++)
		log_in(&users[i], (int)i);
}

static void
end(void)
{
	size_t i;

	for (i = 0; i < CLIENTS; i++)
		client_close(&users[i].client);
	if (compared != NULL)
		mailbox_close(&compared);
	store_close(&truth);
	ev_loop_clear(&client_loop);
#ifdef REAL_STORE
	test_remove(directory);
#else
	fake_store_reset();
#endif
}

static void
sessions_agree_with_the_store(void **state)
{
	size_t i;

	(void)state;
	print_message("seed %llu, %u steps\n", (unsigned long long)seed, steps);
	begin();
	for (step_no = 0; step_no < steps; step_no++)
		act(&users[roll(CLIENTS)]);
	for (i = 0; i < CLIENTS; i++)
		if (users[i].selected)
			noop(&users[i]);
	end();
}

/* Or it would prove nothing. */
static void
a_server_that_lies_is_noticed(void **state)
{
	static const struct lie *volatile l;

	(void)state;
	for (l = lies; l < lies + sizeof(lies) / sizeof(lies[0]); l++) {
		begin();
		lie = l;
		if (setjmp(noticed) == 0) {
			for (step_no = 0; step_no < 20000; step_no++)
				act(&users[roll(CLIENTS)]);
			lie = NULL;
			print_error("seed %llu: not noticed: \"%s\" %s\n",
			    (unsigned long long)seed, l->in,
			    l->instead == NULL ? "left out" : "changed");
			fail();
		}
		lie = NULL;
		end();
	}
}

int
main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sessions_agree_with_the_store),
		cmocka_unit_test(a_server_that_lies_is_noticed),
	};

	seed = argc > 1 ? strtoull(argv[1], NULL, 10) :
	    (uint64_t)time(NULL) ^ (uint64_t)getpid() << 20;
	if (argc > 2)
		steps = (unsigned)strtoul(argv[2], NULL, 10);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
