/* SPDX-License-Identifier: ISC */
/* upstream - see upstream.h. */
#include <sys/queue.h>

#include <stdio.h>
#include <stdlib.h>
#include <unbound.h>
#include <unistd.h>

#include "base/mem.h"
#include "packet.h"
#include "upstream.h"

#define ANSWER_BYTES	(256 * 1024)	/* names and data of one answer */

LIST_HEAD(askeds, asked);
/* A question that libunbound has and we have no answer to. */
struct asked {
	LIST_ENTRY(asked) entry;
	struct upstream	*upstream;
	enum dns_type	 type;
	upstream_fn	 fn;
	void		*arg;
};

struct upstream {
	struct ub_ctx	*ctx;		/* owned */
	struct askeds	 open;		/* owned */
	bool		 closing;	/* answers are for nobody */
};

static int	 set_options(struct ub_ctx *, const struct upstream_conf *,
		    struct buf *);
static int	 add_servers(struct ub_ctx *, const struct servers *,
		    struct buf *);
static int	 add_anchors(struct ub_ctx *, struct slice, struct buf *);
static int	 remove_zones(struct ub_ctx *, struct buf *);
static int	 check(int error, const char *what, struct buf *);
static void	 answered(void *, int, void *, int, int, char *, int);
static void	 fail(const struct asked *, const char *why);

/* The root zone's key signing keys of 2017 and 2024, as IANA publishes them
 * (https://data.iana.org/root-anchors/root-anchors.xml). */
static const char root_keys[] =
    ". IN DS 20326 8 2 "
    "E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D\n"
    ". IN DS 38696 8 2 "
    "683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16\n";

struct upstream *
upstream_new(struct ub_loop *loop, const struct upstream_conf *conf,
    struct buf *why)
{
	struct upstream *u = mem_alloc(sizeof(*u));

	u->ctx = ub_ctx_create_ub_event(&loop->base);
	if (u->ctx == NULL) {
		buf_add_str(why, "libunbound cannot be started");
		free(u);
		return NULL;
	}
	ub_ctx_debugout(u->ctx, NULL);
	if (set_options(u->ctx, conf, why) == -1 ||
	    add_servers(u->ctx, conf->servers, why) == -1 ||
	    (conf->dnssec && add_anchors(u->ctx, conf->anchors, why) == -1) ||
	    remove_zones(u->ctx, why) == -1)
		upstream_free(&u);
	return u;
}

void
upstream_free(struct upstream **up)
{
	struct upstream *u = *up;
	struct asked *q;

	*up = NULL;
	if (u == NULL)
		return;
	u->closing = true;
	ub_ctx_delete(u->ctx);
	while ((q = LIST_FIRST(&u->open)) != NULL) {
		LIST_REMOVE(q, entry);
		free(q);
	}
	free(u);
}

/*
 * libunbound's defaults are for a desktop program.  Ours: sockets and memory
 * for a mailer; servers on loopback are allowed; a server that was silent is
 * tried again soon, for mail waits for it.
 */
static int
set_options(struct ub_ctx *ctx, const struct upstream_conf *conf,
    struct buf *why)
{
	char sockets[24], third[24], rest[24];
	const char *const options[][2] = {
		{ "module-config:", conf->dnssec ? "validator iterator" :
		    "iterator" },
		{ "do-not-query-localhost:", "no" },
		{ "unblock-lan-zones:", "yes" },
		{ "insecure-lan-zones:", "yes" },
		{ "outgoing-range:", sockets },
		{ "outgoing-num-tcp:", "32" },
		{ "msg-cache-size:", third },
		{ "rrset-cache-size:", rest },
		/* A server that was silent counts as dead for this long.  With
		 * one server there is nothing to gain by that. */
		{ "infra-host-ttl:", conf->servers->n > 1 ? "10" : "1" },
		{ "infra-keep-probing:", "yes" },
		{ "infra-cache-max-rtt:", "4000" },
		{ "infra-cache-numhosts:", "1000" },
		{ "edns-buffer-size:", "1232" },
		{ "use-syslog:", "no" },
	};
	size_t i;

	snprintf(sockets, sizeof(sockets), "%u", conf->sockets);
	snprintf(third, sizeof(third), "%llu",
	    (unsigned long long)conf->cache_bytes / 3);
	snprintf(rest, sizeof(rest), "%llu",
	    (unsigned long long)(conf->cache_bytes - conf->cache_bytes / 3));
	for (i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (check(ub_ctx_set_option(ctx, options[i][0],
		    options[i][1]), options[i][0], why) == -1)
			return -1;
	return 0;
}

static int
add_servers(struct ub_ctx *ctx, const struct servers *s, struct buf *why)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		if (check(ub_ctx_set_fwd(ctx, s->names[i]), s->names[i],
		    why) == -1)
			return -1;
	return 0;
}

static int
add_anchors(struct ub_ctx *ctx, struct slice text, struct buf *why)
{
	struct slice line;
	char *copy;
	int r = 0;

	while (r == 0 && slice_next(&text, '\n', &line)) {
		line = slice_trim(slice_first(line, slice_find(line, ';')));
		if (line.n == 0)
			continue;
		copy = mem_slicedup(line);
		r = check(ub_ctx_add_ta(ctx, copy), "trust anchor", why);
		free(copy);
	}
	return r;
}

/* libunbound answers some zones by itself.  Those of private networks are
 * switched off above; "test" may well exist at a private name server. */
static int
remove_zones(struct ub_ctx *ctx, struct buf *why)
{
	/* Also reads what it needs and makes its sockets' ground: the last
	 * step before this process drops its rights. */
	return check(ub_ctx_zone_remove(ctx, "test."), "local zone", why);
}

static int
check(int error, const char *what, struct buf *why)
{
	if (error == 0)
		return 0;
	buf_printf(why, "libunbound: %s %s", what, ub_strerror(error));
	return -1;
}

int
upstream_read_anchors(int fd, struct buf *out)
{
	ssize_t n;
	char *to;

	if (fd == -1)
		return buf_add_str(out, root_keys);
	for (;;) {
		to = buf_reserve(out, 4096);
		if (to == NULL)
			return -1;
		n = read(fd, to, 4096);
		if (n <= 0)
			return n == 0 ? 0 : -1;
		out->n += (size_t)n;
	}
}

/* ---- questions ---------------------------------------------------------- */

void
upstream_ask(struct upstream *u, enum dns_type type, const char *name,
    upstream_fn fn, void *arg)
{
	struct asked *q = mem_alloc(sizeof(*q));

	q->upstream = u;
	q->type = type;
	q->fn = fn;
	q->arg = arg;
	LIST_INSERT_HEAD(&u->open, q, entry);
	if (ub_resolve_event(u->ctx, name, (int)type, CLASS_IN, q, answered,
	    NULL) == 0)
		return;
	/* Not even begun: answered() will not run. */
	answered(q, -1, NULL, 0, 0, NULL, 0);
}

static void
answered(void *arg, int rcode, void *packet, int bytes, int security,
    char *why_bogus, int limited)
{
	struct dns_record records[DNS_RECORDS];
	struct asked q = *(struct asked *)arg;
	struct arena arena = ARENA_INIT(ANSWER_BYTES);
	struct dns_answer a;

	(void)limited;
	LIST_REMOVE((struct asked *)arg, entry);
	free(arg);
	if (q.upstream->closing)
		return;
	if (security == 1)
		fail(&q, why_bogus != NULL ? why_bogus : "bogus");
	else if (rcode != 0)
		fail(&q, "no-answer");
	else if (packet == NULL || bytes <= 0 || packet_parse(slice_of(packet,
	    (size_t)bytes), q.type, &arena, &a, records) != PARSE_OK)
		fail(&q, "malformed");
	else {
		a.secure = security == 2;
		q.fn(q.arg, &a, a.status == DNS_FAILED ? "server" : NULL);
	}
	arena_clear(&arena);
}

static void
fail(const struct asked *q, const char *why)
{
	struct dns_answer a = { .status = DNS_FAILED,
		.canonical = SLICE_EMPTY };

	q->fn(q->arg, &a, why);
}
