/* SPDX-License-Identifier: ISC */
/*
 * cmd_trace - `chasqui trace`: where a message is, and how it got there.
 *
 * The event history's files are read as they are, whether the suite runs or
 * not.  From one message others are followed: the reports on it, what it
 * reports on, and what has its Message-ID, which is what becomes of it when a
 * user's program or a list hands it in again.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "base/mem.h"
#include "base/num.h"
#include "chasqui.h"
#include "history/reader.h"
#include "ipc/json.h"
#include "trace_text.h"
#include "when.h"

#define MESSAGES	1000	/* that are told of at once */
#define COLUMNS		79
#define TEXT_COLUMN	22

struct kept_event {
	struct history_event	 e;
	char			*line;		/* owned */
	char			*room;		/* owned */
};

struct message_trace {
	char			 id[32];	/* "": events without one */
	const char		*link;		/* how it was found, or NULL */
	char			 of[32];	/* from which */
	struct kept_event	*events;	/* owned */
	size_t			 n;
};

struct trace {
	struct history		*h;
	struct history_range	 range;
	struct slice		 id;		/* that was asked for; or empty */
	struct message_trace	 messages[MESSAGES];
	size_t			 n;
	size_t			 at;		/* the one that is loaded */
	bool			 too_many;
	bool			 json;
};

static const char IS_REPORT[] = "report on", REPORTED_ON[] = "reported by",
    SAME_ID[] = "same Message-ID as";

static int	 run_trace(struct tool *, int, char *[]);
static int	 take_options(struct trace *, int, char *[]);
static bool	 is_no_word(const char *);
static bool	 search(struct trace *, const char *what, bool *list_r);
static bool	 search_time(struct trace *, bool *list_r);
static bool	 found_then(void *, const struct history_event *);
static bool	 load(struct trace *);
static bool	 load_at(void *, const struct history_event *);
static bool	 follow(struct trace *);
static bool	 found(void *, const struct history_event *);
static struct message_trace *message(struct trace *, struct slice id,
		    const char *link, const char *of);
static void	 keep(struct message_trace *, const struct history_event *);
static void	 print_list(const struct trace *);
static void	 print_message(const struct message_trace *);
static void	 print_json(const struct trace *);
static void	 trace_free(struct trace *);

const struct command cmd_trace = { "trace",
	"[--since T] [--until T] [--json] QUEUEID |\n"
	"    '<MESSAGE-ID>' | sender=ADDRESS | recipient=ADDRESS |\n"
	"    [--json] --since T [--until T]",
	"follow a message, or list those of a sender, a recipient or a time",
	run_trace };

static const struct {
	const char		*word;
	enum history_key	 key;
} words[] = {
	{ "sender=", HISTORY_SENDER }, { "recipient=", HISTORY_RECIPIENT },
};
#define NWORDS	(sizeof(words) / sizeof(words[0]))

static int
run_trace(struct tool *t, int argc, char *argv[])
{
	static struct trace tr;
	struct buf why = BUF_INIT(8192);
	struct history_stat st;
	const char *what;
	int status;
	bool list;

	tr.range = HISTORY_ALWAYS;
	status = take_options(&tr, argc, argv);
	if (status != EX_OK)
		return status;
	tr.h = history_open(tool_conf(t)->path_history, &why);
	if (tr.h == NULL)
		return tool_fail(EX_NOPERM, "%s", buf_cstr(&why));
	what = argv[optind];
	if (!(what != NULL ? search(&tr, what, &list) :
	    search_time(&tr, &list)) || !load(&tr) ||
	    (!list && !follow(&tr)))
		status = tool_fail(EX_IOERR, "the event history cannot be "
		    "read: %m");
	else if (tr.n == 0) {
		history_stat(tr.h, &st);
		status = tool_fail(EX_NOINPUT, st.segments == 0 ?
		    "the event history is empty" : "the event history knows "
		    "nothing of %s", what != NULL ? what : "that time");
	} else if (tr.json)
		print_json(&tr);
	else if (list)
		print_list(&tr);
	else
		for (size_t i = 0; i < tr.n; i++) {
			if (i > 0)
				putchar('\n');
			print_message(&tr.messages[i]);
		}
	if (tr.too_many)
		fprintf(stderr, "chasqui trace: these are the first %d; "
		    "--since and --until choose others\n", MESSAGES);
	trace_free(&tr);
	history_close(&tr.h);
	buf_clear(&why);
	return status;
}

static int
take_options(struct trace *t, int argc, char *argv[])
{
	enum { SINCE = 256, UNTIL, JSON };
	static const struct option options[] = {
		{ "since", required_argument, NULL, SINCE },
		{ "until", required_argument, NULL, UNTIL },
		{ "json", no_argument, NULL, JSON },
		{ NULL, 0, NULL, 0 },
	};
	int ch;

	while ((ch = getopt_long(argc, argv, "+", options, NULL)) != -1)
		if (ch == JSON)
			t->json = true;
		else if (ch != SINCE && ch != UNTIL)
			return EX_USAGE;	/* getopt has said why */
		else if (!when_parse(optarg, ch == SINCE ?
		    &t->range.since_us : &t->range.until_us))
			return tool_fail(EX_USAGE, "%s is no time: 2h (ago), "
			    "2026-11-27, or 2026-11-27T20:41", optarg);
	/* Of all time there may be millions. */
	if (optind == argc && t->range.since_us > 0)
		return EX_OK;
	if (optind + 1 != argc)
		return tool_usage(&cmd_trace);
	return is_no_word(argv[optind]) ? tool_fail(EX_USAGE, "%s is neither "
	    "sender= nor recipient=; a Message-ID like that stands in <>",
	    argv[optind]) : EX_OK;
}

/* WORD=..., which would otherwise be a Message-ID that nobody knows. */
static bool
is_no_word(const char *what)
{
	size_t n = strspn(what, "abcdefghijklmnopqrstuvwxyz-"), i;

	if (what[n] != '=')
		return false;
	for (i = 0; i < NWORDS; i++)
		if (strncmp(what, words[i].word, n + 1) == 0)
			return false;
	return true;
}

/* ---- finding ------------------------------------------------------------- */

/* What is asked for: *list_r where it may be many. */
static bool
search(struct trace *t, const char *what, bool *list_r)
{
	struct slice s = slice_str(what);
	struct buf id = BUF_INIT(4096);
	enum history_key key = HISTORY_MESSAGE_ID;
	uint64_t queue_id;
	size_t i;
	int r;

	for (i = 0; i < NWORDS; i++)
		if (slice_starts(s, slice_str(words[i].word))) {
			key = words[i].key;
			s = slice_from(s, strlen(words[i].word));
		}
	*list_r = key != HISTORY_MESSAGE_ID;
	if (*list_r && slice_eq(s, SLICE_LIT("<>")))
		s = SLICE_EMPTY;
	if (!*list_r && queue_id_parse(s, &queue_id))
		key = HISTORY_ID, t->id = s;
	else if (!*list_r && s.n > 0 && s.p[0] != '<') {
		buf_printf(&id, "<%s>", what);
		s = buf_slice(&id);
	}
	r = history_find(t->h, key, s, t->range, found, t);
	buf_clear(&id);
	/* One needs no list. */
	*list_r = *list_r && t->n > 1;
	return r == 0;
}

/* Every message that something was said of. */
static bool
search_time(struct trace *t, bool *list_r)
{
	int r = history_each(t->h, t->range, found_then, t);

	*list_r = t->n > 1;
	return r == 0;
}

static bool
found_then(void *arg, const struct history_event *e)
{
	return e->id.n == 0 || message(arg, e->id, NULL, NULL) != NULL;
}

static bool
found(void *arg, const struct history_event *e)
{
	struct trace *t = arg;
	struct message_trace *m;

	/* What it reports on is found from there. */
	m = message(t, t->id.n > 0 ? t->id : e->id, NULL, NULL);
	if (m != NULL && e->id.n == 0)
		keep(m, e);
	return m != NULL;
}

/* The one with this id, which is added where it is new; NULL: too many. */
static struct message_trace *
message(struct trace *t, struct slice id, const char *link, const char *of)
{
	struct message_trace *m;

	if (id.n >= sizeof(m->id))
		id = slice_first(id, sizeof(m->id) - 1);
	for (m = t->messages; m < t->messages + t->n; m++)
		if (slice_eq(slice_str(m->id), id))
			return m;
	if (t->n == MESSAGES) {
		t->too_many = true;
		return NULL;
	}
	t->n++;
	memcpy(m->id, id.p, id.n);
	m->id[id.n] = '\0';
	m->link = link;
	if (of != NULL)
		snprintf(m->of, sizeof(m->of), "%s", of);
	return m;
}

static void
keep(struct message_trace *m, const struct history_event *e)
{
	struct kept_event *k;

	m->events = mem_regrow(m->events, m->n + 1, sizeof(*m->events));
	k = &m->events[m->n++];
	k->e = *e;
	k->line = mem_slicedup(e->line);
	k->room = mem_alloc(e->line.n + 1);
	history_event_parse(&k->e, slice_of(k->line, e->line.n), k->room);
}

/* All events of the messages that were found. */
static bool
load(struct trace *t)
{
	for (t->at = 0; t->at < t->n; t->at++)
		if (t->messages[t->at].id[0] != '\0' &&
		    history_find(t->h, HISTORY_ID,
		    slice_str(t->messages[t->at].id), HISTORY_ALWAYS,
		    load_at, t) == -1)
			return false;
	return true;
}

static bool
load_at(void *arg, const struct history_event *e)
{
	struct trace *t = arg;
	struct message_trace *m = &t->messages[t->at];

	if (slice_eq(e->id, slice_str(m->id)))
		keep(m, e);
	return true;
}

/* ---- from one to others -------------------------------------------------- */

struct following {
	struct trace	*t;
	const char	*link;
	char		 of[32];
};

static bool
followed(void *arg, const struct history_event *e)
{
	struct following *f = arg;

	return e->id.n == 0 ||
	    message(f->t, e->id, f->link, f->of) != NULL;
}

/* What is added while it goes on is followed in its turn. */
static bool
follow(struct trace *t)
{
	struct following f = { .t = t };
	const struct history_event *e;
	struct slice other;
	size_t i, k;

	for (i = 0; i < t->n; i++) {
		if (t->messages[i].id[0] == '\0')
			continue;
		snprintf(f.of, sizeof(f.of), "%s", t->messages[i].id);
		t->at = i;
		if (t->messages[i].n == 0 && history_find(t->h, HISTORY_ID,
		    slice_str(f.of), HISTORY_ALWAYS, load_at, t) == -1)
			return false;
		for (k = 0; k < t->messages[i].n; k++) {
			e = &t->messages[i].events[k].e;
			other = history_event_field(e, "report");
			if (e->role == ROLE_QMGR && other.p != NULL)
				message(t, other, IS_REPORT, f.of);
			other = history_event_field(e, "msgid");
			f.link = SAME_ID;
			if (e->role == ROLE_SMTPD && other.n > 1 &&
			    history_find(t->h, HISTORY_MESSAGE_ID, other,
			    HISTORY_ALWAYS, followed, &f) == -1)
				return false;
		}
		/* Events of others that name this one as their report. */
		f.link = REPORTED_ON;
		if (history_find(t->h, HISTORY_ID, slice_str(f.of),
		    HISTORY_ALWAYS, followed, &f) == -1)
			return false;
	}
	return true;
}

static void
trace_free(struct trace *t)
{
	struct message_trace *m;
	size_t i;

	for (m = t->messages; m < t->messages + t->n; m++) {
		for (i = 0; i < m->n; i++) {
			free(m->events[i].line);
			free(m->events[i].room);
		}
		free(m->events);
	}
	t->n = 0;
}

/* ---- facts --------------------------------------------------------------- */

/* The first event of its process that has the field; EMPTY: none. */
static struct slice
fact(const struct message_trace *m, enum role role, const char *key)
{
	struct slice s;
	size_t i;

	for (i = 0; i < m->n; i++) {
		s = history_event_field(&m->events[i].e, key);
		if (s.p != NULL && m->events[i].e.role == role)
			return s;
	}
	return SLICE_EMPTY;
}

static struct slice
sender_of(const struct message_trace *m)
{
	struct slice s = fact(m, ROLE_QMGR, "from");

	if (s.n == 0)
		s = fact(m, ROLE_SMTPD, "from");
	return s.n == 0 ? SLICE_LIT("<>") : s;
}

/* Something that only happens to a message which was taken: that it was, the
 * history has lost, or it begins later. */
static bool
is_known_in_part(const struct message_trace *m)
{
	struct slice event;
	size_t i;

	for (i = 0; i < m->n; i++) {
		event = history_event_field(&m->events[i].e, "event");
		if (!slice_eq(event, SLICE_LIT("refused")) &&
		    !slice_eq(event, SLICE_LIT("aborted")))
			return true;
	}
	return false;
}

static int64_t
begin_of(const struct message_trace *m)
{
	int64_t least = INT64_MAX;
	size_t i;

	for (i = 0; i < m->n; i++)
		if (m->events[i].e.time_us < least)
			least = m->events[i].e.time_us;
	return least;
}

static const char *const fates[] = { "delivered", "relayed", "expanded",
	"deferred", "failed" };
#define FATES	(sizeof(fates) / sizeof(fates[0]))

static size_t
fate_of(const struct history_event *e)
{
	size_t i;

	for (i = 0; i < FATES && (e->role != ROLE_QMGR ||
	    !slice_eq(e->name, slice_str(fates[i]))); i++)
		continue;
	return i;
}

/* What was said of the recipient last? */
static bool
is_last_word(const struct message_trace *m, size_t at)
{
	struct slice who = history_event_field(&m->events[at].e, "rcpt");
	size_t i;

	for (i = at + 1; i < m->n; i++)
		if (fate_of(&m->events[i].e) < FATES && slice_eq_nocase(who,
		    history_event_field(&m->events[i].e, "rcpt")))
			return false;
	return true;
}

/* ---- printed ------------------------------------------------------------- */

static void
print_plain(struct slice s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		putchar(s.p[i] < 0x20 || s.p[i] > 0x7e ? '?' : s.p[i]);
}

static void
print_time(int64_t us, bool parts)
{
	time_t s = us / 1000000;
	char text[32] = "?";
	struct tm tm;

	if (localtime_r(&s, &tm) != NULL)
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	printf(parts ? "%s.%03d" : "%s", text, (int)(us / 1000 % 1000));
}

/* Words, broken at COLUMNS; further lines begin at indent. */
static void
print_wrapped(struct slice text, int column, int indent)
{
	struct slice part;
	bool first = true;

	while (slice_next(&text, ' ', &part)) {
		if (!first && column + 1 + (int)part.n > COLUMNS) {
			printf("\n%*s", indent, "");
			column = indent;
		} else if (!first) {
			putchar(' ');
			column++;
		}
		while (column + (int)part.n > COLUMNS) {
			int n = COLUMNS - column;

			print_plain(slice_first(part, (size_t)n));
			printf("\n%*s", indent, "");
			part = slice_from(part, (size_t)n);
			column = indent;
		}
		print_plain(part);
		column += (int)part.n;
		first = false;
	}
	putchar('\n');
}

static void
print_list(const struct trace *t)
{
	const struct message_trace *m;
	unsigned counts[FATES];
	struct slice to;
	const char *comma;
	size_t i, others;

	for (m = t->messages; m < t->messages + t->n; m++) {
		memset(counts, 0, sizeof(counts));
		to = fact(m, ROLE_SMTPD, "to");
		others = 0;
		for (i = 0; i < m->n; i++) {
			if (fate_of(&m->events[i].e) == FATES ||
			    !is_last_word(m, i))
				continue;
			counts[fate_of(&m->events[i].e)]++;
			if (others++ == 0)
				to = history_event_field(&m->events[i].e,
				    "rcpt");
		}
		print_time(begin_of(m), false);
		printf("  %-13s  ", m->id[0] == '\0' ? "-" : m->id);
		comma = "";
		for (i = 0; i < FATES; i++)
			if (counts[i] > 0) {
				printf("%s%u %s", comma, counts[i], fates[i]);
				comma = ", ";
			}
		printf("%s\n    ", others > 0 ? "" :
		    fact(m, ROLE_QMGR, "size").n > 0 ? "in the queue" :
		    is_known_in_part(m) ? "known in part" : "not taken");
		print_plain(sender_of(m));
		printf(" -> ");
		print_plain(to);
		if (others > 1)
			printf(" and %zu more", others - 1);
		putchar('\n');
	}
}

struct printed_step {
	struct trace_step	 s;
	size_t			 order;
};

static int
compare_steps(const void *one, const void *other)
{
	const struct printed_step *a = one, *b = other;

	if (a->s.at_us != b->s.at_us)
		return a->s.at_us < b->s.at_us ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

static void
print_step(const struct trace_step *s, int64_t begin_us)
{
	printf("%9s  %9s  ", trace_time(s->at_us - begin_us).s,
	    trace_time(s->took_us).s);
	print_wrapped(buf_slice(&s->text), TEXT_COLUMN, TEXT_COLUMN + 2);
	if (s->words.n > 0) {
		printf("%*s", TEXT_COLUMN + 2, "");
		print_wrapped(buf_slice(&s->words), TEXT_COLUMN + 2,
		    TEXT_COLUMN + 2);
	}
}

static void
print_head(const struct message_trace *m)
{
	struct slice id = fact(m, ROLE_SMTPD, "msgid"),
	    size = fact(m, ROLE_QMGR, "size");

	printf("%s  from ", m->id[0] == '\0' ? "-" : m->id);
	print_plain(sender_of(m));
	if (size.n > 0)
		printf(", %.*s bytes", SLICE_ARG(size));
	putchar('\n');
	if (m->link != NULL)
		printf("               %s %s\n", m->link, m->of);
	if (id.n > 1) {
		printf("               Message-ID ");
		print_wrapped(id, 26, 17);
	}
}

static void
print_message(const struct message_trace *m)
{
	struct printed_step *steps = mem_array(2 * m->n + 1, sizeof(*steps));
	size_t i, n = 0;
	unsigned part;

	for (i = 0; i < m->n; i++)
		for (part = 0; part < 2; part++) {
			trace_step_init(&steps[n].s);
			steps[n].order = n;
			if (trace_step_of(&m->events[i].e, part, &steps[n].s))
				n++;
			else
				trace_step_clear(&steps[n].s);
		}
	print_head(m);
	if (n == 0)
		printf("               no longer in the history\n");
	if (n > 0) {
		qsort(steps, n, sizeof(*steps), compare_steps);
		printf("               ");
		print_time(steps[0].s.at_us, true);
		printf("\n    after       took\n");
	}
	for (i = 0; i < n; i++) {
		print_step(&steps[i].s, steps[0].s.at_us);
		trace_step_clear(&steps[i].s);
	}
	free(steps);
}

/* ---- for programs -------------------------------------------------------- */

static void
json_time(int64_t us)
{
	time_t s = us / 1000000;
	char text[32] = "";
	struct tm tm;

	if (gmtime_r(&s, &tm) != NULL)
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	printf("\"time\":\"%s.%06dZ\"", text, (int)(us % 1000000));
}

static void
json_event(const struct history_event *e)
{
	size_t i;

	putchar('{');
	json_time(e->time_us);
	putchar(',');
	json_text("process", slice_str(role_name(e->role)));
	printf(",\"pid\":%u,", e->pid);
	json_text("event", e->name);
	printf(",\"fields\":{");
	for (i = 0; i < e->nfields; i++) {
		struct slice key = e->fields[i].key;

		if (i > 0)
			putchar(',');
		json_string(key);
		putchar(':');
		json_string(e->fields[i].value);
	}
	printf("}}");
}

static void
print_json(const struct trace *t)
{
	const struct message_trace *m;
	size_t i;

	printf("{\"messages\":[");
	for (m = t->messages; m < t->messages + t->n; m++) {
		printf("%s{", m == t->messages ? "" : ",");
		json_text("id", slice_str(m->id));
		if (m->link != NULL) {
			putchar(',');
			json_text("link", slice_str(m->link));
			putchar(',');
			json_text("of", slice_str(m->of));
		}
		printf(",\"events\":[");
		for (i = 0; i < m->n; i++) {
			if (i > 0)
				putchar(',');
			json_event(&m->events[i].e);
		}
		printf("]}");
	}
	printf("]}\n");
}
