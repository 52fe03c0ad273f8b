/* SPDX-License-Identifier: ISC */
/*
 * serve - HTTP for monitoring systems: GET /metrics, one request a connection.
 *
 * Whoever can reach the socket may ask, so nobody can do more than that: a head
 * of REQUEST_BYTES within REQUEST_MS, an answer that is taken within ANSWER_MS,
 * CLIENTS at once.  One more takes the place of the one that has been silent
 * for longest, so that who is slow keeps nobody out.
 */
#include <sys/queue.h>
#include <sys/socket.h>

#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "ev/acceptor.h"
#include "ev/stream.h"
#include "http.h"
#include "metrics.h"

#define CLIENTS		32
#define REQUEST_MS	5000
#define ANSWER_MS	10000
#define LINGER_MS	2000	/* until the client has closed too */
#define OUT_BYTES	(PAGE_BYTES + 4096)

#define CONTENT_TYPE	"application/openmetrics-text; version=1.0.0; " \
	"charset=utf-8"

/*
 *	READING --- the head is whole ---> WAITING --- scene ---> ANSWERED
 *	   |           404, 405, ...                                 ^
 *	   +---------------------------------------------------------+
 */
enum client_state { READING, WAITING, ANSWERED };

struct client {
	TAILQ_ENTRY(client)	 entry;		/* oldest first */
	struct server		*server;
	struct stream		 stream;
	struct ev_timer		 timer;
	enum client_state	 state;
	bool			 head_only;	/* HEAD */
};

struct server {
	struct ev_loop		*loop;
	void			(*wanted)(void *);
	void			*arg;
	TAILQ_HEAD(, client)	 clients;
	unsigned		 nclients;
	struct acceptor_list	 listeners;
};

static void	 accepted(void *, const struct acceptor *, int,
		    const struct peer *);
static void	 accepting_paused(void *, int);
static void	 input(void *);
static void	 take_request(struct client *, const struct http_request *);
static void	 answer(struct client *, int code, const char *type,
		    struct slice body);
static void	 refuse(struct client *, int code);
static void	 too_late(void *);
static void	 ended(void *, enum stream_end);
static void	 client_free(struct client *);

static const struct stream_ops ops = { .input = input, .ended = ended };

struct server *
server_new(struct ev_loop *loop, void (*wanted)(void *), void *arg)
{
	struct server *s = mem_alloc(sizeof(*s));

	s->loop = loop;
	s->wanted = wanted;
	s->arg = arg;
	TAILQ_INIT(&s->clients);
	LIST_INIT(&s->listeners);
	return s;
}

void
server_listen(struct server *s, enum listener_kind kind, const char *name,
    int fd_take)
{
	static const struct acceptor_ops accepting = { accepted,
		accepting_paused };

	acceptor_new(&s->listeners, s->loop, (int)kind, name, fd_take,
	    &accepting, s);
}

static void
accepted(void *arg, const struct acceptor *from, int fd_take,
    const struct peer *peer)
{
	struct server *s = arg;
	struct client *c;

	(void)from;
	(void)peer;
	if (s->nclients == CLIENTS)
		client_free(TAILQ_FIRST(&s->clients));
	c = mem_alloc(sizeof(*c));
	c->server = s;
	TAILQ_INSERT_TAIL(&s->clients, c, entry);
	s->nclients++;
	ev_timer_init(&c->timer, s->loop, too_late, c);
	ev_timer_set(&c->timer, REQUEST_MS);
	stream_open(&c->stream, s->loop, fd_take, OUT_BYTES, &ops, c);
}

static void
accepting_paused(void *arg, int error)
{
	const struct server *s = arg;

	acceptor_log_pause(error, s->nclients);
}

static void
input(void *arg)
{
	struct client *c = arg;
	struct slice in = stream_input(&c->stream);
	struct http_request r;

	if (c->state != READING)
		return;
	switch (http_parse(slice_first(in, in.n < REQUEST_BYTES ? in.n :
	    REQUEST_BYTES), &r)) {
	case PARSE_MORE:
		if (in.n >= REQUEST_BYTES)
			refuse(c, 431);
		break;
	case PARSE_BAD:
		refuse(c, 400);
		break;
	case PARSE_OK:
		take_request(c, &r);
		break;
	}
}

static void
take_request(struct client *c, const struct http_request *r)
{
	c->head_only = slice_eq(r->method, SLICE_LIT("HEAD"));
	if (!c->head_only && !slice_eq(r->method, SLICE_LIT("GET")))
		refuse(c, 405);
	else if (r->has_body)
		refuse(c, 413);
	else if (!slice_eq(r->path, SLICE_LIT("/metrics")))
		refuse(c, 404);
	else {
		c->state = WAITING;
		stream_pause(&c->stream);
		ev_timer_set(&c->timer, ANSWER_MS);
		c->server->wanted(c->server->arg);
	}
}

void
server_answer(struct server *s, const struct scene *scene)
{
	struct buf page = BUF_INIT(PAGE_BYTES);
	struct client *c, *next;

	if (page_write(&page, scene) == -1)
		buf_clear(&page);
	TAILQ_FOREACH_SAFE(c, &s->clients, entry, next) {
		if (c->state != WAITING)
			continue;
		stream_resume(&c->stream);
		if (page.n == 0)
			refuse(c, 500);
		else
			answer(c, 200, CONTENT_TYPE, buf_slice(&page));
	}
	buf_clear(&page);
}

/* ---- answers ------------------------------------------------------------- */

static const struct {
	int		 code;
	const char	*text;
} reasons[] = {
	{ 200, "OK" }, { 400, "Bad Request" }, { 404, "Not Found" },
	{ 405, "Method Not Allowed" }, { 408, "Request Timeout" },
	{ 413, "Content Too Large" },
	{ 431, "Request Header Fields Too Large" },
	{ 500, "Internal Server Error" },
};

static const char *
reason(int code)
{
	size_t i;

	for (i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].code == code)
			return reasons[i].text;
	return "?";
}

static void
answer(struct client *c, int code, const char *type, struct slice body)
{
	c->state = ANSWERED;
	stream_printf(&c->stream, "HTTP/1.1 %d %s\r\nConnection: close\r\n"
	    "%sContent-Type: %s\r\nContent-Length: %zu\r\n\r\n", code,
	    reason(code), code == 405 ? "Allow: GET, HEAD\r\n" : "", type,
	    body.n);
	if (!c->head_only)
		stream_write(&c->stream, body);
	ev_timer_set(&c->timer, ANSWER_MS);
	/* What a refused client still sends must not cost it the answer. */
	stream_close_gently(&c->stream, LINGER_MS);
}

static void
refuse(struct client *c, int code)
{
	char text[64];

	snprintf(text, sizeof(text), "%d %s\n", code, reason(code));
	answer(c, code, "text/plain", slice_str(text));
}

/* ---- ends ---------------------------------------------------------------- */

static void
too_late(void *arg)
{
	struct client *c = arg;

	if (c->state == READING)
		refuse(c, 408);
	else
		client_free(c);
}

static void
ended(void *arg, enum stream_end end)
{
	(void)end;
	client_free(arg);
}

static void
client_free(struct client *c)
{
	TAILQ_REMOVE(&c->server->clients, c, entry);
	c->server->nclients--;
	ev_timer_clear(&c->timer);
	stream_close(&c->stream);
	free(c);
}

void
server_stop(struct server *s)
{
	acceptors_free(&s->listeners);
}
