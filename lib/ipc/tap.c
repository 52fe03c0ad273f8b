/* SPDX-License-Identifier: ISC */
/*
 * tap - see tap.h.
 *
 * Always: a tap is in t->taps exactly while its stream knows it, and somebody
 * watches it (its mask is not 0).
 */
#include <arpa/inet.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "ipc/tap.h"
#include "mail/dialogue.h"

#define REMARK_BYTES	500

struct tap {
	struct stream_tap	 hook;		/* first: what the stream has */
	LIST_ENTRY(tap)		 entry;
	struct taps		*all;
	struct stream		*stream;
	unsigned		 mask;		/* of all->watches */
	enum tap_protocol	 protocol;
	uint32_t		 number;
	char			 peer[INET6_ADDRSTRLEN];
	struct dialogue		 dialogue;
};

static unsigned	 who_watches(struct taps *, enum tap_protocol,
		    const uint8_t[16]);
static void	 tell_full(struct taps *, unsigned mask);
static void	 received(struct stream_tap *, struct slice);
static void	 written(struct stream_tap *, struct slice);
static void	 secured(struct stream_tap *);
static void	 closed(struct stream_tap *);
static void	 tap_free(struct tap *);
static void	 show(void *, enum dialogue_side, struct slice);
static void	 remark(struct tap *, const char *);
static void	 tell(struct tap *, char direction, struct slice);
static void	 put(struct tap_watch *, struct slice line);
static bool	 put_line(struct tap_watch *, struct slice);
static bool	 tell_lost(struct tap_watch *);

const char *const tap_protocol_names[TAP_PROTOCOLS] = {
	[TAP_SMTP] = "smtp", [TAP_LMTP] = "lmtp",
	[TAP_SUBMISSION] = "submission", [TAP_IMAP] = "imap",
	[TAP_POP3] = "pop3", [TAP_REMOTE] = "remote",
};
static const enum dialogue_protocol languages[TAP_PROTOCOLS] = {
	[TAP_SMTP] = DIALOGUE_SMTP, [TAP_LMTP] = DIALOGUE_SMTP,
	[TAP_SUBMISSION] = DIALOGUE_SMTP, [TAP_IMAP] = DIALOGUE_IMAP,
	[TAP_POP3] = DIALOGUE_POP3, [TAP_REMOTE] = DIALOGUE_SMTP,
};

/* ---- watches ------------------------------------------------------------- */

int
taps_watch(struct taps *t, struct message *m)
{
	struct tap_watch w = { .number = get_u32(&m->body) };
	struct slice address;
	size_t i = 0;

	w.protocols = get_u32(&m->body);
	w.net.bits = get_u8(&m->body);
	address = get_rest(&m->body);
	while (i < TAP_WATCHES && t->watches[i].number != 0)
		i++;
	if (!wire_done(&m->body) || address.n != sizeof(w.net.addr) ||
	    w.net.bits > 128 || w.number == 0 || i == TAP_WATCHES)
		return -1;
	memcpy(w.net.addr, address.p, address.n);
	w.fd = m->fds[0];
	m->fds[0] = -1;
	t->watches[i] = w;
	t->nwatches++;
	return 0;
}

void
taps_watch_end(struct taps *t, uint32_t number)
{
	struct tap *tap, *next;
	size_t i;

	for (i = 0; i < TAP_WATCHES; i++)
		if (t->watches[i].number == number)
			break;
	if (number == 0 || i == TAP_WATCHES)
		return;
	tell_lost(&t->watches[i]);
	close(t->watches[i].fd);
	t->watches[i].number = 0;
	t->nwatches--;
	LIST_FOREACH_SAFE(tap, &t->taps, entry, next) {
		tap->mask &= ~(1u << i);
		if (tap->mask == 0) {
			tap->stream->tap = NULL;
			tap_free(tap);
		}
	}
}

static unsigned
who_watches(struct taps *t, enum tap_protocol protocol, const uint8_t addr[16])
{
	unsigned mask = 0, i;

	for (i = 0; i < TAP_WATCHES; i++)
		if (t->watches[i].number != 0 &&
		    t->watches[i].protocols & 1u << protocol &&
		    conf_net_has(&t->watches[i].net, addr))
			mask |= 1u << i;
	return mask;
}

/* ---- taps ---------------------------------------------------------------- */

void
tap_open_watched(struct taps *t, struct stream *s, enum tap_protocol protocol,
    const uint8_t addr[16], bool in_order, const char *what)
{
	static const uint8_t ipv4[12] = { [10] = 0xff, [11] = 0xff };
	bool is_ipv4 = memcmp(addr, ipv4, sizeof(ipv4)) == 0;
	unsigned mask = who_watches(t, protocol, addr);
	struct tap *tap = (struct tap *)s->tap;

	if (mask == 0 || (tap != NULL && tap->mask == mask))
		return;
	if (tap != NULL) {
		tap->mask = mask;	/* somebody more */
		return;
	}
	if (t->ntaps == TAP_SESSIONS) {
		tell_full(t, mask);
		return;
	}
	tap = mem_alloc(sizeof(*tap));
	tap->hook = (struct stream_tap){ received, written, secured, closed };
	tap->all = t;
	tap->stream = s;
	tap->mask = mask;
	tap->protocol = protocol;
	tap->number = ++t->serial;
	if (inet_ntop(is_ipv4 ? AF_INET : AF_INET6, is_ipv4 ? addr + 12 : addr,
	    tap->peer, sizeof(tap->peer)) == NULL)
		tap->peer[0] = '?';
	dialogue_init(&tap->dialogue, languages[protocol], in_order, show,
	    tap);
	LIST_INSERT_HEAD(&t->taps, tap, entry);
	t->ntaps++;
	s->tap = &tap->hook;
	remark(tap, what);
}

void
tap_close(struct stream *s, const char *why)
{
	struct tap *tap = (struct tap *)s->tap;

	if (tap == NULL)
		return;
	s->tap = NULL;
	dialogue_end(&tap->dialogue);
	remark(tap, why);
	tap_free(tap);
}

static void
tap_free(struct tap *tap)
{
	LIST_REMOVE(tap, entry);
	tap->all->ntaps--;
	explicit_bzero(&tap->dialogue, sizeof(tap->dialogue));
	free(tap);
}

static void
received(struct stream_tap *hook, struct slice bytes)
{
	struct tap *tap = (struct tap *)hook;

	dialogue_feed(&tap->dialogue, tap->protocol == TAP_REMOTE ?
	    DIALOGUE_SERVER : DIALOGUE_CLIENT, bytes);
}

static void
written(struct stream_tap *hook, struct slice bytes)
{
	struct tap *tap = (struct tap *)hook;

	dialogue_feed(&tap->dialogue, tap->protocol == TAP_REMOTE ?
	    DIALOGUE_CLIENT : DIALOGUE_SERVER, bytes);
}

static void
secured(struct stream_tap *hook)
{
	struct tap *tap = (struct tap *)hook;

	dialogue_secured(&tap->dialogue);
}

static void
closed(struct stream_tap *hook)
{
	struct tap *tap = (struct tap *)hook;

	dialogue_end(&tap->dialogue);
	remark(tap, "closed");
	tap_free(tap);
}

/* ---- lines --------------------------------------------------------------- */

static void
show(void *arg, enum dialogue_side side, struct slice text)
{
	tell(arg, side == DIALOGUE_CLIENT ? '>' : '<', text);
}

/* It may have a name in it that somebody else has made up. */
static void
remark(struct tap *tap, const char *text)
{
	struct buf b = BUF_INIT(REMARK_BYTES);

	for (; *text != '\0' && b.n < b.max; text++)
		buf_add_byte(&b, *text >= 0x20 && *text < 0x7f ? *text : '?');
	tell(tap, '-', buf_slice(&b));
	buf_clear(&b);
}

static void
tell(struct tap *tap, char direction, struct slice text)
{
	struct buf line = BUF_INIT(TAP_LINE_BYTES);
	unsigned i;

	buf_printf(&line, "%jd %s %d.%u %s %c %.*s\n",
	    (intmax_t)clock_wall_ms(), tap_protocol_names[tap->protocol],
	    (int)getpid(), tap->number, tap->peer, direction,
	    SLICE_ARG(text));
	for (i = 0; i < TAP_WATCHES; i++)
		if (tap->mask & 1u << i)
			put(&tap->all->watches[i], buf_slice(&line));
	buf_clear(&line);
}

static void
tell_full(struct taps *t, unsigned mask)
{
	struct buf line = BUF_INIT(TAP_LINE_BYTES);
	struct tap_watch *w;

	buf_printf(&line, "%jd * %d.0 * - more than %d sessions of this "
	    "process at once: others are not shown\n",
	    (intmax_t)clock_wall_ms(), (int)getpid(), TAP_SESSIONS);
	for (w = t->watches; w < t->watches + TAP_WATCHES; w++)
		if (mask & 1u << (w - t->watches) && !w->full_told) {
			w->full_told = true;
			put(w, buf_slice(&line));
		}
	buf_clear(&line);
}

static void
put(struct tap_watch *w, struct slice line)
{
	if (!tell_lost(w) || !put_line(w, line))
		w->lost++;
}

/* Whole or not at all. */
static bool
put_line(struct tap_watch *w, struct slice line)
{
	ssize_t n;

	do
		n = write(w->fd, line.p, line.n);
	while (n == -1 && errno == EINTR);
	return n == (ssize_t)line.n;
}

/* False: it cannot be told yet. */
static bool
tell_lost(struct tap_watch *w)
{
	struct buf line = BUF_INIT(TAP_LINE_BYTES);
	bool told;

	if (w->lost == 0)
		return true;
	buf_printf(&line, "%jd * %d.0 * - %" PRIu64 " lines lost: the reader "
	    "was too slow\n", (intmax_t)clock_wall_ms(), (int)getpid(),
	    w->lost);
	told = put_line(w, buf_slice(&line));
	if (told)
		w->lost = 0;
	buf_clear(&line);
	return told;
}
