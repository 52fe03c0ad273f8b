/* SPDX-License-Identifier: ISC */
/*
 * content - see content.h.
 *
 * Small content stays in memory until it goes to qmgr as a part of SUBMIT;
 * larger goes to a file that qmgr opens for it, WRITE_BYTES at a time.  What
 * fails on the way is remembered, the rest is read and dropped, and the reply
 * comes at the end, where the client listens for it.
 *
 * A bare CR or LF never ends a line here; content that has one is refused,
 * since the next host could take it for the end of a line, or of the message.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "content.h"
#include "ipc/smtpd_qmgr.h"
#include "os/fs.h"
#include "session.h"
#include "submission.h"
#include "submit.h"

#define WRITE_BYTES	(64 * 1024)
#define PUSH_BYTES	(1024 * 1024)	/* write-back is begun after so many */
#define SLACK_BYTES	(STREAM_KEEP_BYTES + 128 * 1024)

static void	 add(struct session *, struct slice);
static void	 add_mended(struct session *, struct slice);
static void	 go_on(struct session *);
static bool	 place_content(struct session *);
static bool	 write_out(struct session *);
static void	 push_to_disk(struct tx *);
static void	 content_end(struct session *);
static void	 drop_memory(struct smtpd *, struct tx *);
static void	 look_at_front(struct tx *);

/* ---- the transaction ------------------------------------------------- */

struct tx *
tx_new(void)
{
	struct tx *tx = mem_alloc(sizeof(*tx));

	tx->arena = ARENA_INIT(TX_ARENA_BYTES);
	tx->spool_fd = -1;
	tx->recipients_left = UINT64_MAX;
	tx->begun_us = clock_mono_us();
	return tx;
}

void
tx_free(struct smtpd *d, struct tx **txp)
{
	struct tx *tx = *txp;

	*txp = NULL;
	if (tx == NULL)
		return;
	drop_memory(d, tx);
	if (tx->spool_fd != -1)
		close(tx->spool_fd);
	free(tx->recipients);
	free(tx->asked);
	free(tx->authors);
	arena_clear(&tx->arena);
	free(tx);
}

static void
drop_memory(struct smtpd *d, struct tx *tx)
{
	d->content_bytes -= tx->content.n;
	buf_clear(&tx->content);
}

/* ---- receiving ------------------------------------------------------- */

void
content_begin(struct session *s, bool by_bdat)
{
	struct tx *tx = s->tx;

	tx->by_bdat = by_bdat;
	tx->held = submission_is(s);
	buf_init(&tx->content, s->set->inline_bytes + WRITE_BYTES +
	    SLACK_BYTES + (tx->held ? s->set->max_header : 0));
	dot_decoder_init(&tx->dot, s->bare_lf);
	content_scan_init(&tx->scan);
	if (tx->declared > s->set->inline_bytes)
		submit_ask_spool(s);
}

bool
content_take_data(struct session *s)
{
	struct slice in = stream_input(&s->stream), rest = in, run;
	struct tx *tx = s->tx;
	bool done = false;

	s->stage = "content";
	while (!done && dot_decode(&tx->dot, &rest, &run, &done) == PARSE_OK)
		add(s, run);
	stream_consume(&s->stream, in.n - rest.n);
	tx->complete = done;
	go_on(s);
	return true;
}

void
content_chunk(struct session *s, uint64_t octets, bool last)
{
	struct tx *tx = s->tx;

	if (s->state == S_RCPT)
		content_begin(s, true);
	tx->chunk_left = octets;
	tx->last_chunk = last;
	tx->chunk_said = octets;
	if (octets > 0)
		session_enter(s, S_CHUNK);
	else {
		tx->complete = last;
		go_on(s);
	}
}

bool
content_take_chunk(struct session *s)
{
	struct tx *tx = s->tx;
	struct slice in = stream_input(&s->stream);

	s->stage = "content";
	if (in.n > tx->chunk_left)
		in.n = (size_t)tx->chunk_left;
	if (s->bare_lf && tx->body != BODY_BINARYMIME)
		add_mended(s, in);
	else
		add(s, in);
	stream_consume(&s->stream, in.n);
	tx->chunk_left -= in.n;
	tx->complete = tx->chunk_left == 0 && tx->last_chunk;
	go_on(s);
	return true;
}

static void
add(struct session *s, struct slice run)
{
	struct smtpd *d = s->d;
	struct tx *tx = s->tx;

	if (tx->fault != 0 || run.n == 0)
		return;
	content_scan_feed(&tx->scan, run);
	if (tx->scan.bytes > s->set->max_message)
		content_fail(s, 552, "5.3.4 The message is too large");
	else if (d->content_bytes + run.n > s->set->memory)
		content_fail(s, 452, "4.3.1 Out of memory, try again later");
	else if (buf_add(&tx->content, run) == -1)
		content_fail(s, 451, "4.3.0 The message could not be kept");
	else
		d->content_bytes += run.n;
}

/* smtp.bare_lf_networks: what dot_decode() does for DATA. */
static void
add_mended(struct session *s, struct slice run)
{
	struct tx *tx = s->tx;
	size_t n;

	while (run.n > 0) {
		n = slice_find(run, '\n');
		if (n > 0) {
			add(s, slice_first(run, n));
			tx->mend_cr = run.p[n - 1] == '\r';
		}
		if (n == run.n)
			return;
		add(s, tx->mend_cr ? SLICE_LIT("\n") : SLICE_LIT("\r\n"));
		tx->mend_cr = false;
		run = slice_from(run, n + 1);
	}
}

/* What follows from all that was taken so far. */
static void
go_on(struct session *s)
{
	struct tx *tx = s->tx;

	if (tx->held && tx->fault == 0)
		submission_header(s);
	if (!place_content(s))
		session_enter(s, S_SPOOL_ASKED);
	else if (tx->complete)
		content_end(s);
	else if (!tx->by_bdat)
		session_enter(s, S_DATA);
	else if (tx->chunk_left > 0)
		session_enter(s, S_CHUNK);
	else {
		session_enter(s, S_CHUNKS);
		if (tx->fault != 0)
			session_refuse(s, tx->fault, "%s", tx->fault_words);
		else
			session_reply(s, 250, "2.0.0 %ju octets received",
			    (uintmax_t)tx->chunk_said);
	}
}

/* ---- where it goes --------------------------------------------------- */

/* False: it has to wait for the file. */
static bool
place_content(struct session *s)
{
	struct tx *tx = s->tx;

	if (tx->fault != 0 || tx->held)
		return true;
	if (tx->spool == SPOOL_NONE && tx->content.n > s->set->inline_bytes)
		submit_ask_spool(s);
	switch (tx->spool) {
	case SPOOL_NONE:
		return true;
	case SPOOL_ASKED:
		return tx->fault != 0 || (!tx->complete &&
		    tx->content.n <= s->set->inline_bytes);
	case SPOOL_OPEN:
		if (tx->content.n >= WRITE_BYTES)
			write_out(s);
		return true;
	}
	return true;
}

void
content_spool_open(struct session *s, int fd_take)
{
	struct tx *tx = s->tx;

	tx->spool = SPOOL_OPEN;
	tx->spool_fd = fd_take;
	if (s->state == S_SPOOL_ASKED) {
		go_on(s);
		session_resume(s);
	}
}

void
content_spool_refused(struct session *s, unsigned code, const char *words)
{
	content_fail(s, code, words);
	if (s->state == S_SPOOL_ASKED) {
		go_on(s);
		session_resume(s);
	}
}

bool
content_flush(struct session *s)
{
	return s->tx->fault == 0 && write_out(s);
}

/* The descriptor is of a regular file: it takes all, or fails. */
static bool
write_out(struct session *s)
{
	struct tx *tx = s->tx;

	look_at_front(tx);
	if (fs_write(&fs_real, tx->spool_fd, buf_slice(&tx->content)) == -1) {
		log_error("id=%s event=spool-failed error=%s",
		    queue_id_text(tx->id).s, LOG_Q(slice_str(strerror(errno))));
		content_fail(s, 452, "4.3.1 The message could not be stored, "
		    "try again later");
		return false;
	}
	tx->spooled += tx->content.n;
	tx->spooled_crc = crc32c(tx->spooled_crc, buf_slice(&tx->content));
	s->d->content_bytes -= tx->content.n;
	buf_reset(&tx->content);
	if (tx->spooled - tx->pushed >= PUSH_BYTES)
		push_to_disk(tx);
	return true;
}

/* So that qmgr's sync at the end has little left to do. */
static void
push_to_disk(struct tx *tx)
{
	fs_push(tx->spool_fd, (off_t)tx->pushed,
	    (off_t)(tx->spooled - tx->pushed));
	tx->pushed = tx->spooled;
}

/* ---- the end --------------------------------------------------------- */

static void
content_end(struct session *s)
{
	struct tx *tx = s->tx;
	bool lines = tx->body != BODY_BINARYMIME;

	content_scan_end(&tx->scan);
	if (tx->fault != 0)
		;
	else if (lines && (tx->scan.bare_cr || tx->scan.bare_lf ||
	    (!tx->by_bdat && tx->dot.faults != 0 && !s->bare_lf)))
		content_fail(s, 550, "5.6.0 The message has a bare CR or LF; "
		    "lines end in CR LF");
	else if (lines && tx->scan.longest > s->set->max_line)
		content_fail(s, 554, "5.6.0 The message has a line that is "
		    "too long");
	else if (tx->scan.received >= s->set->max_hops)
		content_fail(s, 554, "5.4.6 Too many hops: the message loops");
	if (tx->fault != 0) {
		content_refuse(s, tx->fault, tx->fault_words);
		return;
	}
	if (!submission_ask_authors(s))
		content_complete(s);
}

void
content_complete(struct session *s)
{
	struct tx *tx = s->tx;

	/* Whoever did not say so before: the next hop has to know. */
	if (tx->scan.eight_bit && tx->body == BODY_7BIT)
		tx->body = BODY_8BITMIME;
	look_at_front(tx);
	tx->complete_ms = clock_mono_ms();
	session_enter(s, S_COMPLETE);
	submit_go_on(s);
}

/* What is at its beginning, which is in the first part of it if anywhere: a
 * header section at all, the Message-ID for the log. */
static void
look_at_front(struct tx *tx)
{
	struct slice rest = buf_slice(&tx->content), id;
	struct field f;

	if (tx->spooled > 0)
		return;
	tx->headless = rest.n > 0 && !slice_starts(rest, SLICE_LIT("\r\n")) &&
	    !header_next(&rest, &f);
	if (!tx->scan.has_message_id ||
	    !header_find(buf_slice(&tx->content), "Message-ID", &f))
		return;
	id = slice_trim(f.body);
	if (id.n > MSGID_BYTES)
		id.n = MSGID_BYTES;
	memcpy(tx->msgid, id.p, id.n);
	tx->msgid[id.n] = '\0';
}

void
content_fail(struct session *s, unsigned code, const char *words)
{
	struct tx *tx = s->tx;

	if (tx->fault != 0)
		return;
	tx->fault = (uint16_t)code;
	snprintf(tx->fault_words, sizeof(tx->fault_words), "%s", words);
	drop_memory(s->d, tx);
	submit_abort(s);
	if (tx->spool_fd != -1)
		close(tx->spool_fd);
	tx->spool_fd = -1;
	tx->spool = SPOOL_NONE;
}

/* RFC 2033 section 4.2: each recipient has its own, all of them alike here,
 * because qmgr takes a message for all or for none. */
void
content_refuse(struct session *s, unsigned code, const char *words)
{
	size_t i, more = s->client.kind == LISTENER_LMTP ?
	    s->tx->accepted - 1 : 0;

	s->stage = "content";
	session_refuse(s, code, "%s", words);
	for (i = 0; i < more; i++)
		session_reply(s, code, "%s", words);
	session_ready(s);
}

void
content_accept(struct session *s)
{
	const struct tx *tx = s->tx;
	size_t i, n = s->client.kind == LISTENER_LMTP ? tx->accepted : 1;

	for (i = 0; i < n; i++)
		session_reply(s, 250, "2.0.0 Ok: queued as %s",
		    queue_id_text(tx->id).s);
	session_ready(s);
}
