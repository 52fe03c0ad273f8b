/* SPDX-License-Identifier: ISC */
/*
 * session - the connection: commands in, answers out, states, time.
 *
 * Commands are carried out one after the other, so a client may pipeline as it
 * likes and the ambiguities of RFC 9051 section 5.5 do not arise.  One whose
 * answer is long is a job: it writes while there is room, and the next command
 * is not read before it is done.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "imap.h"

#define SEND_MS		(10 * 60 * 1000)	/* for a client to read on */
#define LAST_WORDS_MS	10000

static void	 on_input(void *);
static void	 on_sent(void *);
static void	 on_end(void *, enum stream_end);
static void	 run(struct imap_session *);
static size_t	 unsent(const struct imap_session *);
static bool	 go(struct imap_session *);
static bool	 read_on(struct imap_session *);
static void	 on_literal(struct imap_session *);
static void	 stream_literal(struct imap_session *);
static void	 refuse_literal(struct imap_session *);
static void	 on_command(struct imap_session *, bool bad_line);
static void	 dispatch(struct imap_session *, const struct command *,
		    struct cursor *);
static void	 command_done(struct imap_session *);
static void	 job_done(struct imap_session *);
static void	 on_go_on(void *);
static void	 on_time(void *);
static void	 on_silence(void *);
static bool	 may_park(struct imap_session *);
static void	 listen_again(struct imap_session *);

static const struct stream_ops stream_ops = {
	.input = on_input, .sent = on_sent, .ended = on_end,
};

struct imap_session *
imap_session_new(struct ev_loop *loop, struct store *store,
    const struct imap_session_config *config, const struct imap_begin *b,
    const struct imap_seat_ops *ops, void *arg)
{
	struct imap_session *s = mem_alloc(sizeof(*s));

	s->loop = loop;
	s->store = store;
	s->config = *config;
	s->ops = ops;
	s->arg = arg;
	s->state = S_AUTH;
	s->arena = ARENA_INIT(ARENA_BYTES);
	buf_init(&s->out, OUT_BYTES);
	buf_init(&s->unread, STREAM_KEEP_BYTES);
	collector_init(&s->in, config->line_bytes, LITERAL_BYTES);
	ev_timer_init(&s->go_on, loop, on_go_on, s);
	ev_timer_init(&s->time, loop, on_time, s);
	ev_timer_init(&s->silence, loop, on_silence, s);
	if (b->state.n > 0 && !state_read(s, b->state)) {
		imap_session_free(&s);
		return NULL;
	}
	stream_open(&s->stream, loop, b->fd_take, OUT_BYTES, &stream_ops, s);
	stream_stay_half_open(&s->stream);
	if (b->preauth || b->tag.n > 0) {
		put_str(s, b->preauth ? "* PREAUTH [CAPABILITY " : "");
		if (!b->preauth) {
			put(s, b->tag);
			put_str(s, " OK [CAPABILITY ");
		}
		capability_write(s, &s->out);
		say(s, "] %s", b->preauth ? "Welcome" : "Logged in");
	}
	if (b->unread.n > 0)
		buf_add(&s->unread, b->unread);
	watch(s);
	if (b->state.n > 0 && b->news)
		imap_session_news(s, s->state == S_SELECTED ?
		    mailbox_name(s->view.mailbox) : SLICE_EMPTY);
	listen_again(s);
	/* The caller gets its session before anything can end it. */
	ev_timer_set(&s->go_on, 0);
	return s;
}

void
imap_session_free(struct imap_session **sp)
{
	struct imap_session *s = *sp;

	*sp = NULL;
	if (s == NULL)
		return;
	stream_close(&s->stream);
	ev_timer_clear(&s->go_on);
	ev_timer_clear(&s->time);
	ev_timer_clear(&s->silence);
	job_done(s);
	append_free(s);
	notify_free(s);
	deflate_end(s);
	view_free(&s->view);
	collector_clear(&s->in);
	arena_clear(&s->arena);
	buf_clear(&s->out);
	buf_clear(&s->unread);
	free(s);
}

void
imap_session_news(struct imap_session *s, struct slice mailbox)
{
	if (s->state == S_OVER || s->parked)
		return;
	if (s->notify != NULL)
		notify_news(s, mailbox);
	else if (s->idling && s->state == S_SELECTED &&
	    (mailbox.n == 0 ||
	    slice_eq(mailbox, mailbox_name(s->view.mailbox))))
		sync_view(s, true);
	flush(s);
}

void
imap_session_bye(struct imap_session *s, const char *text)
{
	if (s->state == S_OVER)
		return;
	/* Within an answer no other line can begin. */
	if (s->job == NULL)
		say(s, "* BYE %s", text);
	session_over(s, text);
}

void
session_over(struct imap_session *s, const char *why)
{
	if (s->state == S_OVER)
		return;
	flush(s);
	s->state = S_OVER;
	s->why = why;
	ev_timer_stop(&s->go_on);
	ev_timer_stop(&s->time);
	ev_timer_stop(&s->silence);
	if (s->unauthenticates && unsent(s) > 0)
		return;		/* on_sent() */
	if (!s->unauthenticates)
		stream_close_when_sent(&s->stream);
	stream_timeout(&s->stream, LAST_WORDS_MS);
}

/* ---- the connection ------------------------------------------------------ */

static void
on_input(void *arg)
{
	run(arg);
}

static void
on_sent(void *arg)
{
	struct imap_session *s = arg;

	stream_timeout(&s->stream, 0);
	if (s->state != S_OVER)
		run(s);
	else if (s->unauthenticates)
		s->ops->unauthenticate(s->arg, stream_input(&s->stream));
}

/* The caller frees the session in this. */
static void
on_end(void *arg, enum stream_end how)
{
	struct imap_session *s = arg;
	const char *why = s->state == S_OVER ? s->why :
	    how == STREAM_TIMEOUT ? "does not read" : "lost";

	/* What it has said before is still answered: run() ends it. */
	if (how == STREAM_EOF && s->state != S_OVER) {
		s->closed = true;
		run(s);
		return;
	}
	s->state = S_OVER;
	s->ops->ended(s->arg, why);
}

static void
on_go_on(void *arg)
{
	run(arg);
}

static void
run(struct imap_session *s)
{
	if (s->working || s->parked)
		return;
	s->working = true;
	while (go(s))
		;
	s->working = false;
	flush(s);
	if (s->state == S_OVER)
		return;
	if (s->job == NULL && unsent(s) < UNSENT_BYTES) {
		stream_resume(&s->stream);
		if (s->closed)
			session_over(s, "closed");
	} else
		stream_pause(&s->stream);
	if (unsent(s) > 0)
		stream_timeout(&s->stream, SEND_MS);
}

/* One step; false: wait. */
static bool
go(struct imap_session *s)
{
	if (s->state == S_OVER)
		return false;
	if (s->stuck) {
		session_over(s, s->why != NULL ? s->why :
		    "an answer was too long");
		return false;
	}
	if (s->out.n >= PIECE_BYTES)
		flush(s);
	if (unsent(s) >= UNSENT_BYTES)
		return false;
	if (s->job == NULL)
		return read_on(s);
	switch (s->job->step(s, s->job)) {
	case JOB_MORE:
		return true;
	case JOB_LATER:
		ev_timer_set(&s->go_on, 0);
		return false;
	case JOB_DONE:
		break;
	}
	job_done(s);
	command_done(s);
	return true;
}

void
session_work(struct imap_session *s, struct job *take)
{
	assert(s->job == NULL);
	s->job = take;
}

static void
job_done(struct imap_session *s)
{
	struct job *j = s->job;

	s->job = NULL;
	if (j != NULL)
		j->free(j);
}

void
flush(struct imap_session *s)
{
	if (s->out.n == 0 && s->deflate == NULL)
		return;
	if (s->deflate != NULL)
		deflate_write(s, buf_slice(&s->out));
	else if (stream_write(&s->stream, buf_slice(&s->out)) == -1)
		s->stuck = true;
	if (s->out.cap > 2 * PIECE_BYTES || s->job == NULL)
		buf_clear(&s->out);
	else
		buf_reset(&s->out);
}

static size_t
unsent(const struct imap_session *s)
{
	return stream_unsent(&s->stream) + s->out.n;
}

/* What login had read already comes first, then the stream's, inflated. */
static bool
take_input(struct imap_session *s, struct slice *in)
{
	if (s->unread.n > 0)
		*in = buf_slice(&s->unread);
	else if (s->deflate != NULL)
		return inflate_input(s, in);
	else
		*in = stream_input(&s->stream);
	return true;
}

static void
consume(struct imap_session *s, size_t n)
{
	if (s->unread.n > 0) {
		buf_drop(&s->unread, n);
		if (s->unread.n == 0)
			buf_clear(&s->unread);
	} else if (s->deflate != NULL)
		inflate_consume(s, n);
	else
		stream_consume(&s->stream, n);
}

/* ---- commands ------------------------------------------------------------ */

static bool
read_on(struct imap_session *s)
{
	struct slice in, rest, bytes;
	enum collect what;

	if (!take_input(s, &in)) {
		session_over(s, "broken compression");
		return false;
	}
	if (in.n == 0)
		return false;
	rest = in;
	what = collect(&s->in, &rest, &bytes);
	if (what == COLLECT_PASSED)
		append_bytes_come(s, bytes);
	consume(s, in.n - rest.n);
	if (what == COLLECT_LITERAL)
		on_literal(s);
	else if (what == COLLECT_COMMAND || what == COLLECT_BAD_LINE)
		on_command(s, what == COLLECT_BAD_LINE);
	listen_again(s);
	return true;
}

static void
on_literal(struct imap_session *s)
{
	struct cursor c = cursor_of(buf_slice(&s->in.text), &s->arena);
	const struct command *cmd;

	if (s->append != NULL) {
		stream_literal(s);
		return;
	}
	cmd = s->idling ? NULL : take_command(s, &c);
	if (cmd != NULL && cmd->flags & STREAMS && s->state & cmd->legal_in) {
		s->command = cmd;
		stream_literal(s);
	} else if (!collect_literal_keep(&s->in))
		refuse_literal(s);
	else if (s->in.literal.waits) {
		say(s, "+ OK");
		flush(s);
	}
}

static void
stream_literal(struct imap_session *s)
{
	append_literal(s);
	/* Refused before it was sent, a command is over. */
	if (s->append == NULL && s->state != S_OVER)
		command_done(s);
	else
		flush(s);
}

/* Too large to be collected. */
static void
refuse_literal(struct imap_session *s)
{
	if (s->in.literal.waits) {
		s->command = NULL;
		tagged(s, NO, "TOOBIG", "That is too long");
		command_done(s);
	} else if (s->in.literal.bytes > SKIP_BYTES)
		imap_session_bye(s, "[TOOBIG] That is too long");
	else
		collect_literal_skip(&s->in);
}

static void
on_command(struct imap_session *s, bool bad_line)
{
	struct cursor c = cursor_of(buf_slice(&s->in.text), &s->arena);
	const struct command *cmd;

	c.utf8 = speaks_utf8(s);
	if (s->idling) {
		idle_line(s, bad_line ? SLICE_EMPTY : c.rest);
		collector_reset(&s->in);
		return;
	}
	if (s->append != NULL && !bad_line) {
		append_ends(s);
		if (s->job == NULL)
			command_done(s);
		return;
	}
	append_free(s);
	s->command = NULL;
	cmd = take_command(s, &c);
	if (bad_line && s->in.bad) {
		say(s, "%s BAD The line is too long", s->tag);
		imap_session_bye(s, "The line is too long");
		return;
	}
	if (bad_line)
		tagged(s, BAD, NULL, "A line ends in CRLF");
	else if (s->in.skipped)
		tagged(s, NO, "TOOBIG", "That is too long");
	else if (cmd == NULL)
		tagged(s, BAD, NULL, "There is no such command");
	else
		dispatch(s, cmd, &c);
	if (s->job == NULL)
		command_done(s);
}

/* Tag and name; s->tag is "*" where there is none that can be answered. */
const struct command *
take_command(struct imap_session *s, struct cursor *c)
{
	const struct command *cmd;
	struct slice tag, word;

	s->by_uid = s->not_utf7 = false;
	memcpy(s->tag, "*", 2);
	if (!cur_tag(c, &tag) || tag.n > TAG_BYTES || !cur_sp(c))
		return NULL;
	memcpy(s->tag, tag.p, tag.n);
	s->tag[tag.n] = '\0';
	if (!cur_atom(c, &word))
		return NULL;
	if (slice_eq_nocase(word, SLICE_LIT("UID"))) {
		s->by_uid = true;
		if (!cur_sp(c) || !cur_atom(c, &word))
			return NULL;
	}
	cmd = command_find(word);
	if (cmd == NULL || (s->by_uid ? cmd->run_by_uid : cmd->run) == NULL)
		return NULL;
	return cmd;
}

static void
dispatch(struct imap_session *s, const struct command *cmd, struct cursor *c)
{
	s->command = cmd;
	if ((cmd->legal_in & s->state) == 0)
		tagged(s, BAD, NULL, "Select a mailbox first");
	else if (s->enabled & EN_UIDONLY && cmd->flags & NOT_UIDONLY &&
	    !s->by_uid)
		tagged(s, BAD, "UIDREQUIRED", "UIDONLY is enabled");
	else if (cmd->flags & NEEDS_WRITE && s->read_only)
		tagged(s, NO, "NOPERM", "The mailbox is open read-only");
	else
		(s->by_uid ? cmd->run_by_uid : cmd->run)(s, c);
}

static void
command_done(struct imap_session *s)
{
	append_free(s);
	arena_clear(&s->arena);
	collector_reset(&s->in);
	s->command = NULL;
	notify_due(s);
	if (s->bad > BAD_COMMANDS)
		imap_session_bye(s, "Too many bad commands");
	if (s->unauthenticates)
		session_over(s, "unauthenticate");
}

void
tagged(struct imap_session *s, enum status status, const char *code,
    const char *fmt, ...)
{
	static const char *const words[] = {
		[OK] = "OK", [NO] = "NO", [BAD] = "BAD",
	};
	const struct command *cmd = s->command;
	va_list ap;

	if (s->state == S_SELECTED && cmd != NULL && status != BAD &&
	    !(cmd->flags & NO_SYNC))
		sync_view(s, s->by_uid || !(cmd->flags & HOLDS_EXPUNGES));
	s->bad = status == BAD ? s->bad + 1 : 0;
	put_str(s, s->tag);
	put_str(s, " ");
	put_str(s, words[status]);
	put_str(s, " ");
	if (code != NULL) {
		put_str(s, "[");
		put_str(s, code);
		put_str(s, "] ");
	}
	va_start(ap, fmt);
	if (buf_vprintf(&s->out, fmt, ap) == -1)
		s->stuck = true;
	va_end(ap);
	put_str(s, "\r\n");
}

void
bad_args(struct imap_session *s, const char *expected)
{
	if (s->not_utf7)
		tagged(s, BAD, NULL, "The name of a mailbox is in modified "
		    "UTF-7, or comes after ENABLE UTF8=ACCEPT or IMAP4rev2");
	else
		tagged(s, BAD, NULL, "Expected: %s", expected);
}

/* A new one of enum store_result breaks the build here. */
void
store_refused(struct imap_session *s, enum store_result r)
{
	const char *code = NULL;

	switch (r) {
	case STORE_OK:
		break;
	case STORE_NO_MAILBOX:
		code = "NONEXISTENT";
		break;
	case STORE_EXISTS:
		code = "ALREADYEXISTS";
		break;
	case STORE_BAD_NAME:
		code = "CANNOT";
		break;
	case STORE_HAS_CHILDREN:
		code = "HASCHILDREN";
		break;
	case STORE_OVER_QUOTA:
		code = "OVERQUOTA";
		break;
	case STORE_TOO_LARGE:
		code = "TOOBIG";
		break;
	case STORE_READ_ONLY:
		code = "NOPERM";
		break;
	case STORE_NO_KEYWORD:
	case STORE_LIMIT:
		code = "LIMIT";
		break;
	case STORE_EXPUNGED:
		code = "EXPUNGEISSUED";
		break;
	case STORE_BUSY:
		code = "INUSE";
		break;
	case STORE_DAMAGED:
		code = "SERVERBUG";
		break;
	case STORE_NEWER:
	case STORE_FAILED:
		code = "UNAVAILABLE";
		break;
	}
	tagged(s, NO, code, "%s", store_strerror(r));
}

void
changed(struct imap_session *s, struct slice mailbox)
{
	s->ops->changed(s->arg, mailbox);
}

/* ---- time ---------------------------------------------------------------- */

static void
listen_again(struct imap_session *s)
{
	if (s->state == S_OVER)
		return;
	if (s->config.timeout_ms > 0)
		ev_timer_set(&s->time, s->config.timeout_ms);
	if (s->config.park_ms > 0)
		ev_timer_set(&s->silence, s->config.park_ms);
}

static void
on_time(void *arg)
{
	struct imap_session *s = arg;

	/* A client that is still reading an answer is not silent; one that
	 * does not read has its own limit. */
	if (s->job != NULL || unsent(s) > 0) {
		listen_again(s);
		return;
	}
	imap_session_bye(s, "You were silent for too long");
}

static void
on_silence(void *arg)
{
	struct imap_session *s = arg;
	struct buf state = BUF_INIT(STATE_BYTES);

	if (may_park(s) && state_write(s, &state) &&
	    s->ops->park(s->arg, buf_slice(&state))) {
		s->parked = true;
		ev_timer_stop(&s->time);
		stream_pause(&s->stream);
	} else
		ev_timer_set(&s->silence, s->config.park_ms);
	buf_clear(&state);
}

static bool
may_park(struct imap_session *s)
{
	return s->state != S_OVER && s->job == NULL && s->append == NULL &&
	    s->deflate == NULL && s->notify == NULL && unsent(s) == 0 &&
	    s->unread.n == 0 && stream_input(&s->stream).n == 0 &&
	    collector_is_idle(&s->in) && !stream_peer_is_gone(&s->stream);
}
