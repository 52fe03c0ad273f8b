/* SPDX-License-Identifier: ISC */
/*
 * postfix - see postfix.h.
 *
 * What a peer has said is written without control characters, and within angle
 * brackets without these.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/num.h"
#include "postfix.h"

#define LINE_BYTES	8192
#define LINES_BYTES	(4 * 1024 * 1024)
#define FLUSH_BYTES	(64 * 1024)

/* A line that is being made. */
struct line {
	struct postfix_log	*log;
	int64_t			 time_us;
	struct buf		 text;
};

typedef void	 write_fn(struct postfix_log *, const struct history_event *);
static write_fn	 queued, accepted, outcome, removed, reported, refused,
    session, login_failed, connect_failed;

/* The role is certain, so that who talks to the network cannot report what only
 * qmgr knows. */
static const struct {
	enum role	 role;
	const char	*name;
	write_fn	*write;
} events[] = {
	{ ROLE_QMGR,	"queued",	  queued },
	{ ROLE_SMTPD,	"accepted",	  accepted },
	{ ROLE_QMGR,	"delivered",	  outcome },
	{ ROLE_QMGR,	"relayed",	  outcome },
	{ ROLE_QMGR,	"deferred",	  outcome },
	{ ROLE_QMGR,	"failed",	  outcome },
	{ ROLE_QMGR,	"removed",	  removed },
	{ ROLE_QMGR,	"reported",	  reported },
	{ ROLE_SMTPD,	"refused",	  refused },
	{ ROLE_SMTPD,	"session",	  session },
	{ ROLE_AUTH,	"login-failed",	  login_failed },
	{ ROLE_REMOTE,	"connect-failed", connect_failed },
};

static struct line begin(struct postfix_log *, const struct history_event *,
		    const char *service);
static void	 add(struct line *, struct slice);
static void	 add_address(struct line *, struct slice);
static void	 add_host(struct line *, const struct history_event *);
static void	 end(struct line *);

void
postfix_init(struct postfix_log *l, const char *host)
{
	snprintf(l->host, sizeof(l->host), "%s", host);
	l->host[strcspn(l->host, ".")] = '\0';
	l->fd = -1;
	l->lines = BUF_INIT(LINES_BYTES);
}

void
postfix_log_to(struct postfix_log *l, enum log_sink sink, int fd_take)
{
	postfix_flush(l);
	if (l->fd != -1)
		close(l->fd);
	l->sink = sink;
	l->fd = fd_take;
}

void
postfix_event(struct postfix_log *l, const struct history_event *e)
{
	size_t i;

	if (l->fd == -1)
		return;
	for (i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		if (events[i].role == e->role &&
		    slice_eq(e->name, slice_str(events[i].name))) {
			events[i].write(l, e);
			return;
		}
}

void
postfix_flush(struct postfix_log *l)
{
	struct slice rest = buf_slice(&l->lines);
	ssize_t n;

	while (l->fd != -1 && rest.n > 0 &&
	    (n = write(l->fd, rest.p, rest.n)) > 0)
		rest = slice_from(rest, (size_t)n);
	buf_reset(&l->lines);
}

/* ---- a line -------------------------------------------------------------- */

/* "Nov 27 20:41:34 mx postfix/smtpd[12]: ID: "; syslog knows when and where. */
static struct line
begin(struct postfix_log *l, const struct history_event *e,
    const char *service)
{
	struct line line = { l, e->time_us, BUF_INIT(LINE_BYTES) };
	time_t s = e->time_us / 1000000;
	char when[32] = "";
	struct tm tm;

	if (l->sink == LOG_SINK_SYSLOG)
		buf_printf(&line.text, "<%d>", LOG_MAIL | LOG_INFO);
	else if (localtime_r(&s, &tm) != NULL &&
	    strftime(when, sizeof(when), "%b %e %H:%M:%S", &tm) > 0)
		buf_printf(&line.text, "%s %s ", when, l->host);
	buf_printf(&line.text, "postfix/%s[%u]: ", service, e->pid);
	if (e->id.n > 0) {
		add(&line, e->id);
		buf_add_str(&line.text, ": ");
	}
	return line;
}

/* Words, without control characters. */
static void
add(struct line *line, struct slice s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		buf_add_byte(&line->text, s.p[i] >= 0x20 && s.p[i] <= 0x7e ?
		    s.p[i] : s.p[i] == '\n' ? ' ' : '?');
}

static void
add_address(struct line *line, struct slice s)
{
	size_t i;

	buf_add_byte(&line->text, '<');
	for (i = 0; i < s.n; i++)
		buf_add_byte(&line->text, s.p[i] > 0x20 && s.p[i] <= 0x7e &&
		    s.p[i] != '<' && s.p[i] != '>' ? s.p[i] : '?');
	buf_add_byte(&line->text, '>');
}

static void
end(struct line *line)
{
	struct postfix_log *l = line->log;

	if (l->sink == LOG_SINK_SYSLOG)
		send(l->fd, line->text.p, line->text.n,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
	else if (buf_add_byte(&line->text, '\n') == 0)
		buf_add(&l->lines, buf_slice(&line->text));
	buf_clear(&line->text);
	if (l->lines.n >= FLUSH_BYTES)
		postfix_flush(l);
}

static struct slice
field(const struct history_event *e, const char *key)
{
	struct slice s = history_event_field(e, key);

	return s.p == NULL ? SLICE_EMPTY : s;
}

/* "mx.example.org[192.0.2.1]" */
static void
add_host(struct line *line, const struct history_event *e)
{
	struct slice name = field(e, "name");

	add(line, name.n == 0 || slice_eq(name, SLICE_LIT("-")) ?
	    SLICE_LIT("unknown") : name);
	buf_add_byte(&line->text, '[');
	add(line, field(e, "client"));
	buf_add_byte(&line->text, ']');
}

/* ---- a message ----------------------------------------------------------- */

/* pickup where it came by sendmail, smtpd where it came from a client; a report
 * of our own comes from nowhere. */
static void
queued(struct postfix_log *l, const struct history_event *e)
{
	struct slice client = field(e, "client"), login = field(e, "login");
	struct line line;

	if (slice_starts(client, SLICE_LIT("uid="))) {
		line = begin(l, e, "pickup");
		buf_add_str(&line.text, "uid=");
		add(&line, slice_from(client, 4));
		buf_add_str(&line.text, " from=");
		add_address(&line, field(e, "from"));
		end(&line);
	} else if (client.n > 0) {
		line = begin(l, e, "smtpd");
		buf_add_str(&line.text, "client=");
		add_host(&line, e);
		if (login.n > 0) {
			buf_add_str(&line.text, ", sasl_username=");
			add(&line, login);
		}
		end(&line);
	}
	line = begin(l, e, "qmgr");
	buf_add_str(&line.text, "from=");
	add_address(&line, field(e, "from"));
	buf_add_str(&line.text, ", size=");
	add(&line, field(e, "size"));
	buf_add_str(&line.text, ", nrcpt=");
	add(&line, field(e, "nrcpt"));
	buf_add_str(&line.text, " (queue active)");
	end(&line);
}

static void
accepted(struct postfix_log *l, const struct history_event *e)
{
	struct line line = begin(l, e, "cleanup");
	struct slice id = field(e, "msgid");

	if (id.n > 1 && id.p[0] == '<' && id.p[id.n - 1] == '>')
		id = slice_of(id.p + 1, id.n - 2);
	buf_add_str(&line.text, "message-id=");
	add_address(&line, slice_eq(id, SLICE_LIT("-")) ? SLICE_EMPTY : id);
	end(&line);
}

/* "12.345" in thousandths. */
static uint64_t
thousandths(struct slice s)
{
	uint64_t whole = 0, part = 0;

	if (parse_u64(&s, &whole) == PARSE_OK && s.n > 1 && s.p[0] == '.') {
		s = slice_from(s, 1);
		parse_u64(&s, &part);
	}
	return whole > UINT32_MAX || part > 999 ? 0 : whole * 1000 + part;
}

static void
add_seconds(struct line *line, uint64_t ms)
{
	buf_printf(&line->text, "%ju.%02u", (uintmax_t)(ms / 1000),
	    (unsigned)(ms % 1000 / 10));
}

/* Time in the queue, and in the attempt; Postfix's other two, before the queue
 * and for the connection, are in these. */
static void
add_delays(struct line *line, const struct history_event *e)
{
	uint64_t delay = thousandths(field(e, "delay"));
	uint64_t took = thousandths(field(e, "took"));

	if (took > delay)
		took = delay;
	buf_add_str(&line->text, ", delay=");
	add_seconds(line, delay);
	buf_add_str(&line->text, ", delays=0/");
	add_seconds(line, delay - took);
	buf_add_str(&line->text, "/0/");
	add_seconds(line, took);
}

static const char *
service_of(struct slice hop)
{
	if (hop.n == 0)
		return "error";
	if (slice_starts(hop, SLICE_LIT("local:")))
		return "local";
	return slice_starts(hop, SLICE_LIT("lmtp:")) ? "lmtp" : "smtp";
}

static void
outcome(struct postfix_log *l, const struct history_event *e)
{
	const char *service = service_of(field(e, "hop"));
	struct slice orig = field(e, "orig"), remote = field(e, "remote"),
	    text = field(e, "text");
	struct line line = begin(l, e, service);
	bool sent = !slice_eq(e->name, SLICE_LIT("deferred")) &&
	    !slice_eq(e->name, SLICE_LIT("failed"));

	buf_add_str(&line.text, "to=");
	add_address(&line, field(e, "rcpt"));
	if (orig.n > 0) {
		buf_add_str(&line.text, ", orig_to=");
		add_address(&line, orig);
	}
	buf_add_str(&line.text, ", relay=");
	if (remote.n > 0)
		add(&line, remote);
	else
		buf_add_str(&line.text, strcmp(service, "local") == 0 ?
		    "local" : "none");
	add_delays(&line, e);
	buf_add_str(&line.text, ", dsn=");
	add(&line, field(e, "status"));
	buf_printf(&line.text, ", status=%s (", sent ? "sent" :
	    slice_eq(e->name, SLICE_LIT("deferred")) ? "deferred" : "bounced");
	if (!sent && field(e, "code").n > 0) {
		buf_add_str(&line.text, "host ");
		add(&line, remote);
		buf_add_str(&line.text, " said: ");
	}
	if (field(e, "code").n > 0) {
		add(&line, field(e, "code"));
		buf_add_byte(&line.text, ' ');
		add(&line, field(e, "status"));
		buf_add_byte(&line.text, ' ');
	}
	add(&line, text.n > 0 ? text : SLICE_LIT("delivered to mailbox"));
	buf_add_byte(&line.text, ')');
	end(&line);
}

static void
removed(struct postfix_log *l, const struct history_event *e)
{
	struct line line = begin(l, e, "qmgr");

	buf_add_str(&line.text, "removed");
	end(&line);
}

static void
reported(struct postfix_log *l, const struct history_event *e)
{
	struct line line = begin(l, e, "bounce");

	buf_add_str(&line.text, "sender notification: ");
	add(&line, field(e, "report"));
	end(&line);
}

/* ---- clients ------------------------------------------------------------- */

static const struct {
	const char	*stage;
	const char	*words;
} stages[] = {
	{ "connect", "CONNECT" }, { "mail", "MAIL" }, { "rcpt", "RCPT" },
	{ "data", "DATA" }, { "content", "END-OF-MESSAGE" },
};

static void
refused(struct postfix_log *l, const struct history_event *e)
{
	struct slice stage = field(e, "stage"), to = field(e, "to");
	struct history_event unnamed = *e;
	struct line line;
	size_t i, n = sizeof(stages) / sizeof(stages[0]);

	for (i = 0; i < n && !slice_eq(stage, slice_str(stages[i].stage)); i++)
		continue;
	if (i == n)
		return;		/* a command that was none */
	/* Nothing is in the queue before the content. */
	if (strcmp(stages[i].stage, "content") != 0)
		unnamed.id = SLICE_LIT("NOQUEUE");
	line = begin(l, &unnamed, "smtpd");
	buf_printf(&line.text, "reject: %s from ", stages[i].words);
	add_host(&line, e);
	buf_add_str(&line.text, ": ");
	add(&line, field(e, "code"));
	buf_add_byte(&line.text, ' ');
	add(&line, field(e, "enhanced"));
	buf_add_byte(&line.text, ' ');
	if (to.n > 0 && strcmp(stages[i].stage, "rcpt") == 0) {
		add_address(&line, to);
		buf_add_str(&line.text, ": Recipient address rejected: ");
	}
	add(&line, field(e, "reason"));
	buf_add_str(&line.text, "; from=");
	add_address(&line, field(e, "from"));
	if (to.n > 0 && !slice_eq(to, SLICE_LIT("-"))) {
		buf_add_str(&line.text, " to=");
		add_address(&line, to);
	}
	buf_add_str(&line.text, " proto=ESMTP helo=");
	add_address(&line, field(e, "helo"));
	end(&line);
}

/* Both when it is over: what is known of it is known then. */
static void
session(struct postfix_log *l, const struct history_event *e)
{
	struct history_event begun = *e;
	uint64_t ms = 0;
	struct line line;

	if (slice_to_u64(field(e, "ms"), 0, UINT32_MAX, &ms))
		begun.time_us -= (int64_t)ms * 1000;
	line = begin(l, &begun, "smtpd");
	buf_add_str(&line.text, "connect from ");
	add_host(&line, e);
	end(&line);
	line = begin(l, e, "smtpd");
	buf_add_str(&line.text, "disconnect from ");
	add_host(&line, e);
	end(&line);
}

static void
login_failed(struct postfix_log *l, const struct history_event *e)
{
	struct line line;

	if (!slice_eq(field(e, "protocol"), SLICE_LIT("smtp")))
		return;
	line = begin(l, e, "smtpd");
	buf_add_str(&line.text, "warning: ");
	add_host(&line, e);
	buf_add_str(&line.text, ": SASL ");
	add(&line, field(e, "mechanism"));
	buf_add_str(&line.text, " authentication failed: ");
	add(&line, field(e, "reason"));
	buf_add_str(&line.text, ", sasl_username=");
	add(&line, field(e, "login"));
	end(&line);
}

static void
connect_failed(struct postfix_log *l, const struct history_event *e)
{
	struct history_event unnamed = *e;
	struct line line;

	unnamed.id = SLICE_EMPTY;	/* Postfix does not say which */
	line = begin(l, &unnamed, "smtp");
	buf_add_str(&line.text, "connect to ");
	add(&line, field(e, "host"));
	buf_add_str(&line.text, ": ");
	add(&line, field(e, "why"));
	end(&line);
}
