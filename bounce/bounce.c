/* SPDX-License-Identifier: ISC */
/*
 * bounce - writes the reports that qmgr asks for, one after the other, and
 * hands them back; it keeps nothing, and qmgr puts them into the queue.
 *
 *	compose.c	a report as a message
 *	status.c	what happened to each recipient, for programs
 *	template.c	the texts, built in or the operator's
 *	text.c		their lines
 *
 * The operator's texts come from master as open files, since no file can be
 * opened here: all of them at the start, and all again at each reload.
 */
#include <errno.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"
#include "ipc/child.h"
#include "ipc/counters.h"
#include "os/fs.h"
#include "compose.h"

#define ARENA_BYTES	(16 * 1024 * 1024)	/* recipients of one report */

struct bounce {
	struct child	 child;
	struct templates templates;
	struct templates coming;	/* until master has sent all */
};

static void	master_says(void *, struct message *);
static void	take_text(struct bounce *, struct message *);
static void	qmgr_says(void *, struct channel *, struct message *);
static void	qmgr_is_down(void *, struct channel *);
static bool	gather(const struct report *, int fd, struct buf *,
		    struct slice *message_r);
static bool	is_damaged(const struct report *, int fd);
static void	answer(struct bounce *, struct channel *, uint64_t id,
		    const struct report *, struct slice message);
static void	refuse(struct channel *, uint64_t id,
		    const struct report *, const char *why);

static const struct message_rule qmgr_rules[] = RULES_OF(QMGR_BOUNCE);
static const struct channel_ops qmgr_ops = { qmgr_says, qmgr_is_down, NULL };
static const struct child_edge edges[] = {
	{ ROLE_QMGR, qmgr_rules, &qmgr_ops },
	{ 0, NULL, NULL },
};
static const struct child_spec spec = {
	.role = ROLE_BOUNCE,
	.edges = edges,
	.in_batches = true,
	.control = master_says,
};

int
main(int argc, char *argv[])
{
	static struct bounce b;

	child_init(&b.child, &spec, &b, argc, argv);
	templates_init(&b.templates);
	templates_init(&b.coming);
	child_enter(&b.child);
	return child_run(&b.child);
}

static void
master_says(void *arg, struct message *m)
{
	struct bounce *b = arg;

	switch (m->type) {
	case CTL_TEXT:
		take_text(b, m);
		break;
	case CTL_TEXTS_TAKE:
		templates_clear(&b->templates);
		b->templates = b->coming;
		templates_init(&b->coming);
		break;
	default:
		channel_breach(b->child.master, "not-for-bounce");
		break;
	}
}

/* A report in our own words is better than none. */
static void
take_text(struct bounce *b, struct message *m)
{
	struct buf why = BUF_INIT(2000);
	struct slice name = get_slice(&m->body, 64);

	if (!wire_done(&m->body))
		channel_breach(b->child.master, "text");
	else if (templates_take(&b->coming, name, m->fds[0], &why) == -1)
		log_error("event=bad-template why=%s",
		    LOG_Q(slice_trim(buf_slice(&why))));
	buf_clear(&why);
}

static void
qmgr_says(void *arg, struct channel *ch, struct message *m)
{
	struct bounce *b = arg;
	struct arena a = ARENA_INIT(ARENA_BYTES);
	struct buf content = BUF_INIT(INLINE_BYTES);
	struct report r;
	struct slice message;

	if ((m->type != QB_REPORT && m->type != QB_REPORT_FILE) ||
	    !report_unpack(&m->body, &a, &r) || !wire_done(&m->body))
		channel_breach(ch, "report");
	else if (!gather(&r, m->type == QB_REPORT_FILE ? m->fds[0] : -1,
		     &content, &message))
		refuse(ch, m->id, &r, "its content cannot be read");
	else
		answer(b, ch, m->id, &r, message);
	buf_clear(&content);
	arena_clear(&a);
}

static void
qmgr_is_down(void *arg, struct channel *ch)
{
	(void)arg;
	(void)ch;
}

/* The front of the message, up to what a report can hold; of damaged content
 * nothing. */
static bool
gather(const struct report *r, int fd, struct buf *b, struct slice *message_r)
{
	uint64_t want = r->size;
	char *to;

	*message_r = slice_first(r->content, r->content.n < INLINE_BYTES ?
	    r->content.n : INLINE_BYTES);
	if (fd == -1 || is_damaged(r, fd))
		return true;
	buf_add(b, *message_r);
	if (want > INLINE_BYTES - b->n)
		want = INLINE_BYTES - b->n;
	to = buf_reserve(b, (size_t)want);
	if (fs_read_exactly(&fs_real, fd, to, (size_t)want,
	    (off_t)r->offset) == -1)
		return false;
	b->n += (size_t)want;
	*message_r = buf_slice(b);
	return true;
}

static bool
is_damaged(const struct report *r, int fd)
{
	static char piece[64 * 1024];
	uint32_t crc = 0;
	uint64_t at;
	size_t n;

	for (at = 0; r->crc != 0 && at < r->size; at += n) {
		n = r->size - at < sizeof(piece) ? (size_t)(r->size - at) :
		    sizeof(piece);
		if (fs_read_exactly(&fs_real, fd, piece, n,
		    (off_t)(r->offset + at)) == -1)
			return false;	/* what is wanted may be readable */
		crc = crc32c(crc, slice_of(piece, n));
	}
	return crc != r->crc && r->crc != 0;
}

static void
answer(struct bounce *b, struct channel *ch, uint64_t id,
    const struct report *r, struct slice message)
{
	const struct conf *conf = b->child.conf;
	struct compose c = {
		.templates = &b->templates,
		.hostname = conf->hostname,
		.from_name = conf->bounce_from_name,
		.headers_above = conf->bounce_headers_above,
		.now_ms = clock_wall_ms(),
		.report = r,
		.message = message,
	};
	struct buf envelope = BUF_INIT(ENVELOPE_BYTES);
	struct buf text = BUF_INIT(INLINE_BYTES), *out;

	if (compose(&c, &envelope, &text)) {
		out = channel_begin(ch, QB_MESSAGE, id);
		if (out != NULL) {
			put_slice(out, buf_slice(&envelope));
			put_slice(out, buf_slice(&text));
		}
		channel_end(ch);
		count(BOUNCE_WRITTEN);
		log_debug("id=%s event=report-written about=%s size=%zu",
		    queue_id_text(r->report_id).s,
		    queue_id_text(r->queue_id).s, text.n);
	} else
		refuse(ch, id, r, "it would be too large");
	buf_clear(&envelope);
	buf_clear(&text);
}

static void
refuse(struct channel *ch, uint64_t id,
    const struct report *r, const char *why)
{
	struct buf *out = channel_begin(ch, QB_FAILED, id);

	if (out != NULL)
		put_slice(out, slice_str(why));
	channel_end(ch);
	count(BOUNCE_FAILED);
	log_error("id=%s event=report-failed recipients=%zu why=\"%s\"",
	    queue_id_text(r->queue_id).s, r->nrecipients, why);
}

