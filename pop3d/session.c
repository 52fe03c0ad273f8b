/* SPDX-License-Identifier: ISC */
/* session - see session.h. */
#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "ev/stream.h"
#include "mail/dot.h"
#include "pop3d.h"
#include "session.h"

#define OUT_BYTES	(256 * 1024)	/* replies that wait */
#define UNSENT_BYTES	(64 * 1024)	/* above, nothing more is made */
#define PIECE_BYTES	(64 * 1024)	/* of a message, at a time */
#define ENCODED_BYTES	(3 * PIECE_BYTES + 8) /* each byte a dot or an LF */
#define ERRORS		50		/* then it is ended */
#define CLOSING_MS	10000

enum state {
	P_TRANSACTION =	1 << 0,
	P_SENDING =	1 << 1,		/* an answer of many lines */
	P_CLOSING =	1 << 2,		/* the last reply is being sent */
	P_OVER =	1 << 3,
};

#define OCTETS_UNKNOWN	UINT64_MAX

struct drop {			/* a message of the maildrop */
	uint32_t	 uid;
	bool		 deleted;
	bool		 retrieved;	/* and was not \Seen before */
	bool		 seen;
	uint64_t	 octets;	/* OCTETS_UNKNOWN until asked for */
};

struct pop3_session {
	const struct pop3_config config;
	struct ev_loop		*loop;
	struct stream		 stream;
	enum state		 state;
	const char		*why;		/* it ends */
	struct mailbox		*mailbox;	/* owned; NULL: not open */
	struct drop		*drops;		/* owned; [0] is message 1 */
	size_t			 ndrops;
	struct buf		 ahead;		/* input before the stream's */
	unsigned		 errors;
	bool			 working;
	/* SENDING: */
	void			(*more)(struct pop3_session *);
	size_t			 next;		/* of a list */
	struct message_content	 content;
	struct slice		 rest;		/* of it, to be sent */
	unsigned		 dots;		/* dot_encode()'s */
	struct buf		 piece;
};

struct verb {
	const char	*name;
	unsigned	 legal_in;
	void		(*run)(struct pop3_session *, struct slice args);
};

static void	 open_maildrop(struct pop3_session *, struct store *);
static void	 enter(struct pop3_session *, enum state);
static void	 input(void *);
static void	 sent(void *);
static void	 stream_ended(void *, enum stream_end);
static void	 work(struct pop3_session *);
static bool	 take_line(struct pop3_session *);
static void	 run_line(struct pop3_session *, struct slice);
static void	 say(struct pop3_session *, const char *, ...)
		    __attribute__((format(printf, 2, 3)));
static void	 say_error(struct pop3_session *, const char *);
static struct drop *find_drop(struct pop3_session *, struct slice number);
static void	 begin_sending(struct pop3_session *,
		    void (*more)(struct pop3_session *));
static void	 end_sending(struct pop3_session *);
static void	 send_content(struct pop3_session *, struct drop *,
		    uint64_t lines);
static struct slice top_of(struct slice content, uint64_t lines);
static void	 more_content(struct pop3_session *);
static void	 more_sizes(struct pop3_session *);
static void	 more_names(struct pop3_session *);
static bool	 put_name(struct pop3_session *, size_t);
static bool	 update(struct pop3_session *);
static void	 mark_seen(struct pop3_session *);
static struct uid_list choose(struct pop3_session *,
		    bool (*wanted)(const struct drop *));
static void	 finish(struct pop3_session *, const char *why);
static void	 over(struct pop3_session *);
static void	 cmd_stat(struct pop3_session *, struct slice);
static void	 cmd_list(struct pop3_session *, struct slice);
static void	 cmd_uidl(struct pop3_session *, struct slice);
static void	 cmd_retr(struct pop3_session *, struct slice);
static void	 cmd_top(struct pop3_session *, struct slice);
static void	 cmd_dele(struct pop3_session *, struct slice);
static void	 cmd_rset(struct pop3_session *, struct slice);
static void	 cmd_noop(struct pop3_session *, struct slice);
static void	 cmd_capa(struct pop3_session *, struct slice);
static void	 cmd_lang(struct pop3_session *, struct slice);
static void	 cmd_quit(struct pop3_session *, struct slice);
static void	 cmd_too_late(struct pop3_session *, struct slice);

static const struct verb verbs[] = {
	{ "STAT", P_TRANSACTION, cmd_stat },
	{ "LIST", P_TRANSACTION, cmd_list },
	{ "UIDL", P_TRANSACTION, cmd_uidl },
	{ "RETR", P_TRANSACTION, cmd_retr },
	{ "TOP",  P_TRANSACTION, cmd_top },
	{ "DELE", P_TRANSACTION, cmd_dele },
	{ "RSET", P_TRANSACTION, cmd_rset },
	{ "NOOP", P_TRANSACTION, cmd_noop },
	{ "CAPA", P_TRANSACTION, cmd_capa },
	{ "LANG", P_TRANSACTION, cmd_lang },
	{ "QUIT", P_TRANSACTION, cmd_quit },
	/* Of the state before: RFC 1939 section 4, 2595, 5034, 6856. */
	{ "USER", P_TRANSACTION, cmd_too_late },
	{ "PASS", P_TRANSACTION, cmd_too_late },
	{ "APOP", P_TRANSACTION, cmd_too_late },
	{ "AUTH", P_TRANSACTION, cmd_too_late },
	{ "STLS", P_TRANSACTION, cmd_too_late },
	{ "UTF8", P_TRANSACTION, cmd_too_late },
};

static const struct stream_ops stream_ops = { .input = input, .sent = sent,
	.ended = stream_ended };

/* ---- the beginning ------------------------------------------------------- */

struct pop3_session *
pop3_session_new(struct ev_loop *loop, struct store *store,
    const struct pop3_config *config, int fd_take, struct slice unread)
{
	struct pop3_session *s = mem_alloc(sizeof(*s));

	memcpy((void *)(uintptr_t)&s->config, config, sizeof(*config));
	s->loop = loop;
	s->state = P_TRANSACTION;
	buf_init(&s->ahead, unread.n + STREAM_KEEP_BYTES);
	buf_add(&s->ahead, unread);
	buf_init(&s->piece, ENCODED_BYTES);
	stream_open(&s->stream, loop, fd_take, OUT_BYTES + ENCODED_BYTES,
	    &stream_ops, s);
	stream_stay_half_open(&s->stream);
	stream_timeout(&s->stream, config->timeout_ms);
	open_maildrop(s, store);
	work(s);
	return s;
}

static void
open_maildrop(struct pop3_session *s, struct store *store)
{
	const struct message_entry *e;
	enum store_result r = store == NULL ? STORE_FAILED :
	    mailbox_open(store, SLICE_LIT("INBOX"), false, &s->mailbox);
	size_t i;

	if (r != STORE_OK) {
		log_warn("event=maildrop-not-opened why=\"%s\"",
		    store_strerror(r));
		say(s, "-ERR [SYS/%s] The maildrop cannot be opened\r\n",
		    r == STORE_DAMAGED ? "PERM" : "TEMP");
		finish(s, "no-maildrop");
		return;
	}
	e = mailbox_entries(s->mailbox, &s->ndrops);
	s->drops = mem_array(s->ndrops, sizeof(*s->drops));
	for (i = 0; i < s->ndrops; i++) {
		s->drops[i].uid = e[i].uid;
		s->drops[i].octets = OCTETS_UNKNOWN;
		s->drops[i].seen = e[i].flags & FLAG_SEEN;
	}
	say(s, "+OK Logged in, %zu messages\r\n", s->ndrops);
}

void
pop3_session_free(struct pop3_session **sp)
{
	struct pop3_session *s = *sp;

	*sp = NULL;
	if (s == NULL)
		return;
	mark_seen(s);
	stream_close(&s->stream);
	message_content_clear(&s->content);
	mailbox_close(&s->mailbox);
	buf_clear(&s->ahead);
	buf_clear(&s->piece);
	free(s->drops);
	free(s);
}

/* ---- input --------------------------------------------------------------- */

static const struct {
	enum state	 state;
	unsigned	 next;		/* beside CLOSING and OVER */
} moves[] = {
	{ P_TRANSACTION, P_SENDING },
	{ P_SENDING, P_TRANSACTION },
	{ P_CLOSING, 0 },
	{ P_OVER, 0 },
};

static void
enter(struct pop3_session *s, enum state to)
{
	size_t i = (size_t)__builtin_ctz(s->state);

	assert(moves[i].state == s->state);
	assert(s->state != P_OVER && (moves[i].next & to ||
	    to & (P_CLOSING | P_OVER)));
	s->state = to;
}

static void
input(void *arg)
{
	struct pop3_session *s = arg;

	stream_timeout(&s->stream, s->config.timeout_ms);
	work(s);
}

static void
sent(void *arg)
{
	work(arg);
}

/* Commands while there are any and the client takes the replies. */
static void
work(struct pop3_session *s)
{
	bool more = true;

	if (s->working)
		return;
	s->working = true;
	while (more && stream_unsent(&s->stream) <= UNSENT_BYTES) {
		if (s->state == P_SENDING)
			s->more(s);
		else
			more = s->state == P_TRANSACTION && take_line(s);
	}
	s->working = false;
	if (s->state & (P_CLOSING | P_OVER))
		return;
	/* What comes meanwhile waits with the kernel. */
	if (more)
		stream_pause(&s->stream);
	else
		stream_resume(&s->stream);
}

/* False: there is no whole line. */
static bool
take_line(struct pop3_session *s)
{
	struct slice in = stream_input(&s->stream), line;
	char copy[POP3_LINE_BYTES];
	size_t used;

	if (s->ahead.n > 0 && in.n > 0) {
		buf_add(&s->ahead, in);
		stream_consume(&s->stream, in.n);
	}
	if (s->ahead.n > 0)
		in = buf_slice(&s->ahead);
	if (in.n == 0)
		return false;
	switch (pop3_find_line(in, POP3_LINE_BYTES, &line, &used)) {
	case POP3_LINE_PART:
		return false;
	case POP3_LINE_BAD:
		say(s, "-ERR Lines end in CR LF and have at most %d octets\r\n",
		    POP3_LINE_BYTES);
		finish(s, "line");
		return false;
	case POP3_LINE:
		break;
	}
	/* The input may move when it is consumed. */
	memcpy(copy, line.p, line.n);
	line.p = copy;
	if (s->ahead.n > 0)
		buf_drop(&s->ahead, used);
	else
		stream_consume(&s->stream, used);
	stream_timeout(&s->stream, s->config.timeout_ms);
	run_line(s, line);
	return true;
}

static void
run_line(struct pop3_session *s, struct slice line)
{
	size_t n = slice_find(line, ' '), i;
	struct slice word = slice_first(line, n);
	struct slice args = slice_trim(slice_from(line, n));

	for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (!slice_eq_nocase(word, slice_str(verbs[i].name)))
			continue;
		if (s->state & verbs[i].legal_in)
			verbs[i].run(s, args);
		else
			say_error(s, "Not now");
		return;
	}
	say_error(s, "Unknown command");
}

static void
say(struct pop3_session *s, const char *fmt, ...)
{
	struct buf b = BUF_INIT(OUT_BYTES);
	va_list ap;

	va_start(ap, fmt);
	if (buf_vprintf(&b, fmt, ap) == -1 ||
	    stream_write(&s->stream, buf_slice(&b)) == -1)
		finish(s, "output");
	va_end(ap);
	buf_clear(&b);
}

static void
say_error(struct pop3_session *s, const char *text)
{
	say(s, "-ERR %s\r\n", text);
	if (++s->errors >= ERRORS)
		finish(s, "errors");
}

/* ---- commands ------------------------------------------------------------ */

/* NULL, and the client has been told. */
static struct drop *
find_drop(struct pop3_session *s, struct slice number)
{
	uint64_t n;

	if (!slice_to_u64(number, 1, UINT32_MAX, &n))
		say_error(s, "The number of a message is wanted");
	else if (n > s->ndrops)
		say_error(s, "There is no such message");
	else if (s->drops[n - 1].deleted)
		say_error(s, "This message is deleted");
	else
		return &s->drops[n - 1];
	return NULL;
}

/* What STAT has said of a message is true of it for the whole session. */
static uint64_t
octets_of(struct pop3_session *s, struct drop *d)
{
	struct message_facts f;

	if (d->octets == OCTETS_UNKNOWN) {
		(void)!mailbox_facts(s->mailbox, d->uid, FACT_SIZE, &f);
		d->octets = f.size;
	}
	return d->octets;
}

static void
total(struct pop3_session *s, size_t *n, uint64_t *octets)
{
	size_t i;

	*n = 0;
	*octets = 0;
	for (i = 0; i < s->ndrops; i++)
		if (!s->drops[i].deleted) {
			(*n)++;
			*octets += octets_of(s, &s->drops[i]);
		}
}

static void
cmd_stat(struct pop3_session *s, struct slice args)
{
	uint64_t octets;
	size_t n;

	(void)args;
	total(s, &n, &octets);
	say(s, "+OK %zu %ju\r\n", n, (uintmax_t)octets);
}

static void
cmd_list(struct pop3_session *s, struct slice args)
{
	struct drop *d;
	uint64_t octets;
	size_t n;

	if (args.n == 0) {
		total(s, &n, &octets);
		say(s, "+OK %zu messages (%ju octets)\r\n", n,
		    (uintmax_t)octets);
		begin_sending(s, more_sizes);
		return;
	}
	d = find_drop(s, args);
	if (d != NULL)
		say(s, "+OK %zu %ju\r\n", (size_t)(d - s->drops) + 1,
		    (uintmax_t)octets_of(s, d));
}

static void
more_sizes(struct pop3_session *s)
{
	buf_reset(&s->piece);
	while (s->next < s->ndrops && s->piece.n < PIECE_BYTES) {
		if (!s->drops[s->next].deleted)
			buf_printf(&s->piece, "%zu %ju\r\n", s->next + 1,
			    (uintmax_t)octets_of(s, &s->drops[s->next]));
		s->next++;
	}
	stream_write(&s->stream, buf_slice(&s->piece));
	if (s->next == s->ndrops)
		end_sending(s);
}

static void
cmd_uidl(struct pop3_session *s, struct slice args)
{
	const struct drop *d;

	if (args.n == 0) {
		say(s, "+OK\r\n");
		begin_sending(s, more_names);
		return;
	}
	d = find_drop(s, args);
	if (d == NULL)
		return;
	buf_reset(&s->piece);
	buf_add_str(&s->piece, "+OK ");
	if (put_name(s, (size_t)(d - s->drops)))
		stream_write(&s->stream, buf_slice(&s->piece));
	else
		say_error(s, "[SYS/TEMP] This message has no name now");
}

static bool
put_name(struct pop3_session *s, size_t i)
{
	size_t before = s->piece.n;

	if (buf_printf(&s->piece, "%zu ", i + 1) == 0 &&
	    mailbox_uidl(s->mailbox, s->drops[i].uid, &s->piece) ==
	    STORE_OK && buf_add_str(&s->piece, "\r\n") == 0)
		return true;
	s->piece.n = before;
	return false;
}

/* One that another session has expunged has no name, and is left out. */
static void
more_names(struct pop3_session *s)
{
	buf_reset(&s->piece);
	while (s->next < s->ndrops && s->piece.n < PIECE_BYTES) {
		if (!s->drops[s->next].deleted)
			put_name(s, s->next);
		s->next++;
	}
	stream_write(&s->stream, buf_slice(&s->piece));
	if (s->next == s->ndrops)
		end_sending(s);
}

static void
cmd_retr(struct pop3_session *s, struct slice args)
{
	struct drop *d = find_drop(s, args);

	if (d != NULL)
		send_content(s, d, UINT64_MAX);
}

static void
cmd_top(struct pop3_session *s, struct slice args)
{
	size_t n = slice_find(args, ' ');
	struct slice lines = slice_trim(slice_from(args, n));
	struct drop *d;
	uint64_t count;

	if (!slice_to_u64(lines, 0, UINT32_MAX, &count)) {
		say_error(s, "TOP wants a message and a number of lines");
		return;
	}
	d = find_drop(s, slice_first(args, n));
	if (d != NULL)
		send_content(s, d, count);
}

static void
cmd_dele(struct pop3_session *s, struct slice args)
{
	struct drop *d = find_drop(s, args);

	if (d == NULL)
		return;
	d->deleted = true;
	say(s, "+OK Message %zu deleted\r\n", (size_t)(d - s->drops) + 1);
}

static void
cmd_rset(struct pop3_session *s, struct slice args)
{
	size_t i;

	(void)args;
	for (i = 0; i < s->ndrops; i++)
		s->drops[i].deleted = false;
	say(s, "+OK\r\n");
}

static void
cmd_noop(struct pop3_session *s, struct slice args)
{
	(void)args;
	say(s, "+OK\r\n");
}

static void
cmd_capa(struct pop3_session *s, struct slice args)
{
	struct buf b = BUF_INIT(4096);

	(void)args;
	pop3_capabilities(&b, false, false, false, SLICE_EMPTY);
	stream_write(&s->stream, buf_slice(&b));
	buf_clear(&b);
}

static void
cmd_lang(struct pop3_session *s, struct slice args)
{
	struct buf b = BUF_INIT(1024);

	pop3_lang(&b, args);
	stream_write(&s->stream, buf_slice(&b));
	buf_clear(&b);
}

static void
cmd_too_late(struct pop3_session *s, struct slice args)
{
	(void)args;
	say_error(s, "You are logged in already");
}

/* ---- many lines ---------------------------------------------------------- */

static void
begin_sending(struct pop3_session *s, void (*more)(struct pop3_session *))
{
	s->more = more;
	s->next = 0;
	if (s->state == P_TRANSACTION)
		enter(s, P_SENDING);
}

static void
end_sending(struct pop3_session *s)
{
	message_content_clear(&s->content);
	stream_write(&s->stream, SLICE_LIT(".\r\n"));
	if (s->state == P_SENDING)
		enter(s, P_TRANSACTION);
}

static void
send_content(struct pop3_session *s, struct drop *d, uint64_t lines)
{
	enum store_result r = mailbox_content_away(s->mailbox, d->uid,
	    &s->content);

	if (r != STORE_OK) {
		say_error(s, r == STORE_EXPUNGED ? "[SYS/TEMP] This message "
		    "was expunged meanwhile" : "[SYS/TEMP] This message "
		    "cannot be read now");
		return;
	}
	s->rest = s->content.bytes;
	s->dots = 0;
	if (lines == UINT64_MAX) {
		d->retrieved = !d->seen;
		say(s, "+OK %ju octets\r\n", (uintmax_t)octets_of(s, d));
	} else {
		message_content_want(&s->content, s->rest);
		s->rest = top_of(s->rest, lines);
		message_content_let_go(&s->content);
		say(s, "+OK\r\n");
	}
	begin_sending(s, more_content);
}

/* The header section, the empty line, and so many lines of the body. */
static struct slice
top_of(struct slice content, uint64_t lines)
{
	struct slice rest = content;
	bool in_body = false;
	size_t n;

	while (rest.n > 0 && !(in_body && lines == 0)) {
		n = slice_find(rest, '\n');
		if (in_body)
			lines--;
		else
			in_body = n == 0 || (n == 1 && rest.p[0] == '\r');
		rest = slice_from(rest, n < rest.n ? n + 1 : n);
	}
	return slice_first(content, content.n - rest.n);
}

static void
more_content(struct pop3_session *s)
{
	static char window[PIECE_BYTES];
	size_t n = s->rest.n < PIECE_BYTES ? s->rest.n : PIECE_BYTES;
	struct slice text = slice_first(s->rest, n);
	int r;

	if (s->content.away) {
		text = slice_of(window, message_content_read(&s->content,
		    (size_t)(text.p - s->content.bytes.p), window, n));
		if (text.n == 0) {
			/* What follows would seem the message's end. */
			finish(s, "unreadable");
			return;
		}
	}
	buf_reset(&s->piece);
	r = dot_encode(&s->dots, text, &s->piece);
	s->rest = slice_from(s->rest, text.n);
	if (s->rest.n > 0 || r == -1) {
		if (r == -1 || stream_write(&s->stream,
		    buf_slice(&s->piece)) == -1)
			finish(s, "output");
		return;
	}
	dot_encode_end(s->dots, &s->piece);
	message_content_clear(&s->content);
	stream_write(&s->stream, buf_slice(&s->piece));
	enter(s, P_TRANSACTION);
}

/* ---- the end ------------------------------------------------------------- */

static bool
is_deleted(const struct drop *d)
{
	return d->deleted;
}

static bool
is_new_seen(const struct drop *d)
{
	return d->retrieved && !d->deleted;
}

/* Ascending, as the maildrop is; the caller frees .v. */
static struct uid_list
choose(struct pop3_session *s, bool (*wanted)(const struct drop *))
{
	uint32_t *v = mem_array(s->ndrops, sizeof(*v));
	size_t i, n = 0;

	for (i = 0; i < s->ndrops; i++)
		if (wanted(&s->drops[i]))
			v[n++] = s->drops[i].uid;
	return (struct uid_list){ v, n };
}

static void
cmd_quit(struct pop3_session *s, struct slice args)
{
	(void)args;
	if (update(s))
		say(s, "+OK Bye\r\n");
	else
		say(s, "-ERR [SYS/TEMP] The deleted messages are still "
		    "there\r\n");
	finish(s, "quit");
}

/* All of them, or none. */
static bool
update(struct pop3_session *s)
{
	struct uid_list uids = choose(s, is_deleted);
	enum store_result r = uids.n == 0 ? STORE_OK :
	    mailbox_expunge(s->mailbox, uids, false);

	if (r != STORE_OK)
		log_warn("event=not-expunged messages=%zu why=\"%s\"", uids.n,
		    store_strerror(r));
	else if (uids.n > 0)
		s->config.changed(s->config.arg, SLICE_LIT("INBOX"));
	free((void *)(uintptr_t)uids.v);
	return r == STORE_OK;
}

static void
mark_seen(struct pop3_session *s)
{
	const struct flag_request request = { .how = FLAGS_ADD,
		.flags = FLAG_SEEN, .unchanged_since = UINT64_MAX };
	struct uid_list uids;
	uint64_t modseq;

	if (!s->config.mark_seen || s->mailbox == NULL)
		return;
	uids = choose(s, is_new_seen);
	if (uids.n > 0 && mailbox_set_flags(s->mailbox, uids, &request, NULL,
	    NULL, &modseq) == STORE_OK)
		s->config.changed(s->config.arg, SLICE_LIT("INBOX"));
	free((void *)(uintptr_t)uids.v);
}

void
pop3_session_bye(struct pop3_session *s, const char *text)
{
	/* In the middle of an answer there is no place for another. */
	if (s->state == P_TRANSACTION)
		say(s, "-ERR [SYS/TEMP] %s\r\n", text);
	finish(s, "stop");
}

static void
finish(struct pop3_session *s, const char *why)
{
	if (s->state & (P_CLOSING | P_OVER))
		return;
	s->why = why;
	enter(s, P_CLOSING);
	stream_timeout(&s->stream, CLOSING_MS);
	stream_resume(&s->stream);
	stream_close_when_sent(&s->stream);
}

static void
stream_ended(void *arg, enum stream_end how)
{
	struct pop3_session *s = arg;

	if (how == STREAM_EOF && s->state != P_CLOSING &&
	    stream_unsent(&s->stream) > 0) {
		finish(s, "eof");	/* it may still read */
		return;
	}
	if (s->state != P_CLOSING)
		s->why = how == STREAM_EOF ? "eof" : how == STREAM_TIMEOUT ?
		    "timeout" : "reset";
	over(s);
}

static void
over(struct pop3_session *s)
{
	if (s->state == P_OVER)
		return;
	stream_close(&s->stream);
	enter(s, P_OVER);
	s->config.ended(s->config.arg, s->why);
}
