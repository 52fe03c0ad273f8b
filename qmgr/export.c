/* SPDX-License-Identifier: ISC */
/*
 * export - messages as `chasqui queue export` writes them down: see control.h.
 *
 * What is sent of each is a file of the old generation as it would be made of
 * the message now (store.h), with its state in one piece; large content goes as
 * a descriptor.  The tool frames both (mail/queue_file.h).
 */
#include <errno.h>

#include "base/log.h"
#include "control.h"

static struct content *content_of(struct client *, struct entry *);

void
export_message(struct client *c, struct entry *e)
{
	struct content *content = content_of(c, e);
	struct migration m;
	struct buf *b;
	int fd = -1;

	if (e->flags & ENTRY_LARGE)
		fd = store_large_open(c->q->store, e->id, e->large_n);
	if (content == NULL || (e->flags & ENTRY_LARGE && fd == -1)) {
		log_error("id=%s event=not-exported error=%s", id_text(e->id),
		    LOG_Q(slice_str(strerror(errno))));
		c->r.failed = true;
		content_release(&c->q->queue, &content);
		return;
	}
	migration_init(&m, e);
	stored_seal(&m.head, slice_of(content->bytes, content->n));
	b = channel_begin(c->channel, TL_MESSAGE, c->r.id);
	if (b != NULL) {
		put_u64(b, e->id);
		put_u32(b, (uint32_t)m.size);
		put_u64(b, e->flags & ENTRY_LARGE ? e->large_n : 0);
	}
	channel_end(c->channel);
	request_send(c, buf_slice(&m.head));
	request_send(c, slice_of(content->bytes, content->n));
	if (fd != -1) {
		b = channel_begin(c->channel, TL_FILE, c->r.id);
		if (b != NULL)
			put_u64(b, e->large_n);
		channel_end_fds(c->channel, &fd, 1);
	}
	buf_clear(&m.head);
	content_release(&c->q->queue, &content);
}

/* A reference, or NULL with errno.  One that was read to be seen has all of it,
 * and is not the queue's. */
static struct content *
content_of(struct client *c, struct entry *e)
{
	struct content *content = e->content;

	if (content != NULL)
		content->refs++;
	else if (e->q != NULL)
		content = entry_content(c->q, e);
	else
		errno = EIO;
	return content;
}
