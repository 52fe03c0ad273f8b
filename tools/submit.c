/* SPDX-License-Identifier: ISC */
/*
 * submit - a submission by SMTP over smtpd's Unix socket.
 *
 * One process, one message: blocking, in a straight line.  A transaction has at
 * most as many recipients as every server takes (RFC 5321 4.5.3.1.8), and their
 * replies are read together (RFC 2920).  Those that are refused are told and
 * make the exit status, the others get the message.
 */
#include <sys/socket.h>
#include <sys/time.h>

#include <err.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "mail/address.h"
#include "mail/dot.h"
#include "mail/esmtp.h"
#include "mail/outcome.h"
#include "os/sockets.h"
#include "submission.h"

#define GROUP		100		/* recipients of a transaction */
#define WAIT_S		600		/* for a reply; the queue may be slow */
#define PART_BYTES	(64 * 1024)

struct client {
	const struct submission	*s;
	int			 fd;		/* owned */
	bool			 verbose;
	struct buf		 out;
	char			 in[4096];
	size_t			 in_from, in_to;
	struct reply		 reply;
	bool			 utf8;
	size_t			 accepted;
	int			 status;	/* of those refused */
};

static int	converse(struct client *);
static int	send_group(struct client *, size_t from, size_t end);
static int	send_mail(struct client *);
static int	send_rcpts(struct client *, size_t from, size_t end);
static void	put_rcpt(struct client *, struct slice);
static int	send_content(struct client *);
static int	command(struct client *);
static int	flush(struct client *);
static void	show_reply(const struct reply *);
static int	read_reply(struct client *);
static int	refused(struct client *, const char *what, struct slice);
static int	status_of(const struct reply *);

int
submit(const struct submission *s, const char *path, bool verbose)
{
	struct timeval wait = { .tv_sec = WAIT_S };
	struct client c = { .s = s, .verbose = verbose };
	int status;

	c.fd = unix_connect(path);
	if (c.fd == -1) {
		if (errno == ENOENT || errno == ECONNREFUSED)
			return -1;
		warn("%s", path);
		return errno == EACCES ? EX_NOPERM : EX_TEMPFAIL;
	}
	setsockopt(c.fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	setsockopt(c.fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	buf_init(&c.out, 4 * PART_BYTES);
	reply_init(&c.reply);
	status = converse(&c);
	if (status == EX_OK) {
		buf_add_str(&c.out, "QUIT\r\n");
		if (command(&c) == EX_OK)
			read_reply(&c);
	}
	close(c.fd);
	buf_clear(&c.out);
	reply_clear(&c.reply);
	return status != EX_OK ? status : c.status;
}

static int
converse(struct client *c)
{
	size_t from, n = c->s->nrcpts;
	int status = read_reply(c);

	if (status == EX_OK && c->reply.code != 220)
		status = refused(c, "the mail system", SLICE_EMPTY);
	if (status != EX_OK)
		return status;
	buf_printf(&c->out, "EHLO %s\r\n", c->s->hostname);
	if ((status = command(c)) != EX_OK || (status = read_reply(c)) != EX_OK)
		return status;
	if (c->reply.code != 250)
		return refused(c, "the mail system", SLICE_EMPTY);
	for (from = 0; from < n && status == EX_OK; from += GROUP)
		status = send_group(c, from,
		    n - from > GROUP ? from + GROUP : n);
	return status;
}

static int
send_group(struct client *c, size_t from, size_t end)
{
	int status;

	c->accepted = 0;
	if ((status = send_mail(c)) != EX_OK ||
	    (status = send_rcpts(c, from, end)) != EX_OK)
		return status;
	if (c->accepted > 0)
		return send_content(c);
	buf_add_str(&c->out, "RSET\r\n");
	status = command(c);
	return status == EX_OK ? read_reply(c) : status;
}

static bool
needs_utf8(const struct submission *s)
{
	size_t i;

	if (!slice_is_ascii(s->sender))
		return true;
	for (i = 0; i < s->nrcpts; i++)
		if (!slice_is_ascii(s->rcpts[i]))
			return true;
	return false;
}

static int
send_mail(struct client *c)
{
	const struct submission *s = c->s;
	int status;

	c->utf8 = needs_utf8(s);
	buf_printf(&c->out, "MAIL FROM:<%.*s> SIZE=%zu", SLICE_ARG(s->sender),
	    s->text.n);
	if (!slice_is_ascii(buf_slice(&s->text)))
		buf_add_str(&c->out, " BODY=8BITMIME");
	if (c->utf8)
		buf_add_str(&c->out, " SMTPUTF8");
	if (s->ret != RET_NONE)
		buf_add_str(&c->out, s->ret == RET_FULL ? " RET=FULL" :
							  " RET=HDRS");
	if (s->envid.n > 0) {
		buf_add_str(&c->out, " ENVID=");
		xtext_encode(&c->out, s->envid);
	}
	buf_add_str(&c->out, "\r\n");
	if ((status = command(c)) != EX_OK || (status = read_reply(c)) != EX_OK)
		return status;
	return c->reply.code == 250 ? EX_OK :
	    refused(c, "sender", s->sender);
}

static int
send_rcpts(struct client *c, size_t from, size_t end)
{
	const struct slice *rcpts = c->s->rcpts;
	size_t i;
	int status;

	for (i = from; i < end; i++)
		put_rcpt(c, rcpts[i]);
	if ((status = command(c)) != EX_OK)
		return status;
	for (i = from; i < end; i++) {
		if ((status = read_reply(c)) != EX_OK)
			return status;
		if (c->reply.code / 100 == 2)
			c->accepted++;
		else
			c->status = refused(c, "recipient", rcpts[i]);
	}
	return EX_OK;
}

static void
put_rcpt(struct client *c, struct slice rcpt)
{
	static const struct {
		uint8_t		 bit;
		const char	*name;
	} words[] = {
		{ NOTIFY_NEVER, "NEVER" }, { NOTIFY_SUCCESS, "SUCCESS" },
		{ NOTIFY_FAILURE, "FAILURE" }, { NOTIFY_DELAY, "DELAY" },
	};
	const char *sep = " NOTIFY=";
	size_t i;

	buf_printf(&c->out, "RCPT TO:<%.*s>", SLICE_ARG(rcpt));
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if ((c->s->notify & words[i].bit) != 0) {
			buf_add_str(&c->out, sep);
			buf_add_str(&c->out, words[i].name);
			sep = ",";
		}
	}
	buf_add_str(&c->out, "\r\n");
}

static int
send_content(struct client *c)
{
	struct slice rest = buf_slice(&c->s->text), part;
	unsigned state = 0;
	int status;

	buf_add_str(&c->out, "DATA\r\n");
	if ((status = command(c)) != EX_OK || (status = read_reply(c)) != EX_OK)
		return status;
	if (c->reply.code != 354)
		return refused(c, "the message", SLICE_EMPTY);
	while (rest.n > 0) {
		part = slice_first(rest,
		    rest.n < PART_BYTES ? rest.n : PART_BYTES);
		rest = slice_from(rest, part.n);
		dot_encode(&state, part, &c->out);
		if ((status = flush(c)) != EX_OK)
			return status;
	}
	dot_encode_end(state, &c->out);
	if ((status = flush(c)) != EX_OK || (status = read_reply(c)) != EX_OK)
		return status;
	return c->reply.code == 250 ? EX_OK :
	    refused(c, "the message", SLICE_EMPTY);
}

/* What is in c->out, lines of commands; -v shows them as other mailers do. */
static int
command(struct client *c)
{
	struct slice rest = buf_slice(&c->out), line;

	while (c->verbose && rest.n > 0 && slice_next(&rest, '\n', &line))
		fprintf(stderr, ">>> %.*s\n", SLICE_ARG(slice_trim(line)));
	return flush(c);
}

static void
show_reply(const struct reply *r)
{
	struct slice rest = buf_slice(&r->text), line;

	do {
		if (!slice_next(&rest, '\n', &line))
			line = SLICE_EMPTY;
		fprintf(stderr, "%u%c%.*s\n", r->code, rest.n > 0 ? '-' : ' ',
		    SLICE_ARG(line));
	} while (rest.n > 0);
}

static int
flush(struct client *c)
{
	struct slice s = buf_slice(&c->out);
	ssize_t n;

	while (s.n > 0) {
		n = send(c->fd, s.p, s.n, MSG_NOSIGNAL);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && (errno == EPIPE || errno == ECONNRESET))
			break;	/* there may be a reply that says why */
		if (n == -1) {
			warn("the mail system does not listen");
			return EX_TEMPFAIL;
		}
		s = slice_from(s, (size_t)n);
	}
	buf_reset(&c->out);
	return EX_OK;
}

static int
read_reply(struct client *c)
{
	struct slice in;
	enum parse r;
	ssize_t n;

	reply_reset(&c->reply);
	for (;;) {
		in = slice_of(c->in + c->in_from, c->in_to - c->in_from);
		r = reply_feed(&c->reply, &in);
		c->in_from = c->in_to - in.n;
		if (r == PARSE_OK)
			break;
		if (r == PARSE_BAD) {
			warnx("the mail system's answer makes no sense");
			return EX_PROTOCOL;
		}
		do
			n = recv(c->fd, c->in, sizeof(c->in), 0);
		while (n == -1 && errno == EINTR);
		if (n <= 0) {
			warnx("the mail system gave no answer%s%s; the message "
			    "may not have been taken", n == 0 ? "" : ": ",
			    n == 0 ? "" : strerror(errno));
			return EX_TEMPFAIL;
		}
		c->in_from = 0;
		c->in_to = (size_t)n;
	}
	if (c->verbose)
		show_reply(&c->reply);
	return EX_OK;
}

/* Tells what was refused, and with what words. */
static int
refused(struct client *c, const char *what, struct slice who)
{
	struct slice words = buf_slice(&c->reply.text);
	size_t i;

	fprintf(stderr, "%s: ", program_invocation_short_name);
	if (who.n > 0)
		fprintf(stderr, "%.*s: ", SLICE_ARG(who));
	else
		fprintf(stderr, "%s: ", what);
	fprintf(stderr, "%u ", c->reply.code);
	for (i = 0; i < words.n; i++)
		fputc(words.p[i] == '\n' ? ' ' :
		    (unsigned char)words.p[i] < ' ' ? '?' : words.p[i],
		    stderr);
	fputc('\n', stderr);
	return status_of(&c->reply);
}

static int
status_of(const struct reply *r)
{
	struct slice text = buf_slice(&r->text);
	struct enhanced e = { 0 };

	enhanced_parse(&text, &e);
	if (r->code / 100 == 4)
		return EX_TEMPFAIL;
	if (e.subject == 1)
		return e.detail == 2 ? EX_NOHOST : e.detail == 3 ||
		    e.detail == 7 ? EX_DATAERR : EX_NOUSER;
	if (e.subject == 7)
		return EX_NOPERM;
	return r->code == 552 ? EX_DATAERR : EX_UNAVAILABLE;
}

/* ---- -bs ---------------------------------------------------------------- */

/* Copies what is there; false at the end. */
static bool
copy(int from, int to)
{
	char part[16384];
	ssize_t n, w, at;

	n = read(from, part, sizeof(part));
	if (n <= 0)
		return n == -1 && (errno == EINTR || errno == EAGAIN);
	for (at = 0; at < n; at += w) {
		w = write(to, part + at, (size_t)(n - at));
		if (w == -1 && errno == EINTR)
			w = 0;
		else if (w == -1)
			return false;
	}
	return true;
}

int
submit_session(const char *path)
{
	int fd = unix_connect(path);
	struct pollfd p[2] = { { fd, POLLIN, 0 }, { STDIN_FILENO, POLLIN, 0 } };

	if (fd == -1)
		return -1;
	for (;;) {
		if (poll(p, 2, -1) == -1 && errno != EINTR)
			err(EX_OSERR, "poll");
		if (p[0].revents != 0 && !copy(fd, STDOUT_FILENO))
			break;
		if (p[1].revents != 0 && !copy(STDIN_FILENO, fd)) {
			shutdown(fd, SHUT_WR);
			p[1].fd = -1;
		}
	}
	close(fd);
	return EX_OK;
}
