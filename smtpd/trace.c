/* SPDX-License-Identifier: ISC */
/*
 * trace - see trace.h.
 *
 * What the client says of itself goes in only as far as it can neither end the
 * field nor look like a part of it that we vouch for.
 */
#include "base/clock.h"
#include "base/num.h"
#include "ipc/master_child.h"
#include "mail/header.h"
#include "session.h"
#include "submission.h"
#include "trace.h"

#define FOR_BYTES	512	/* a longer recipient is left out */

static void	 put_from(const struct session *, struct buf *);
static void	 put_word(struct buf *, const char *);
static void	 put_address(const struct peer *, struct buf *);
static void	 put_tls(const struct session *, struct buf *);
static void	 put_for(const struct tx *, struct buf *);
static void	 put_missing(const struct session *, const char *date,
		    struct buf *);
static const char *date_now(int64_t);

void
trace_write(struct session *s, int64_t now_ms, struct buf *b)
{
	const struct tx *tx = s->tx;
	const char *date = date_now(now_ms);

	buf_add_str(b, "Received: ");
	if (s->client.kind == LISTENER_SUBMIT)
		buf_printf(b, "by %s (Chasqui, from userid %u)\r\n\tid %s",
		    s->set->hostname, (unsigned)s->client.peer.uid,
		    queue_id_text(tx->id).s);
	else {
		if (!(submission_is(s) && s->set->hide_client))
			put_from(s, b);
		buf_printf(b, "by %s (Chasqui) with %s", s->set->hostname,
		    trace_protocol(s));
		put_tls(s, b);
		buf_printf(b, " id %s", queue_id_text(tx->id).s);
	}
	if (tx->extras.priority != 0)	/* RFC 6710 section 4.6 */
		buf_printf(b, " PRIORITY %d", tx->extras.priority);
	put_for(tx, b);
	buf_printf(b, "; %s\r\n", date);
	if (s->client.kind == LISTENER_SUBMIT || submission_is(s))
		put_missing(s, date, b);
	/* Else its first line would be read as one of ours, or as broken. */
	if (tx->headless)
		buf_add_str(b, "\r\n");
}

static void
put_from(const struct session *s, struct buf *b)
{
	buf_add_str(b, "from ");
	put_word(b, s->helo != NULL ? s->helo : "unknown");
	buf_printf(b, " (%s ", s->client.peer.family == AF_UNIX ? "local" :
	    s->ptr != NULL ? s->ptr : "unknown");
	put_address(&s->client.peer, b);
	buf_add_str(b, ")\r\n\t");
}

/* Domain or address literal; any other byte becomes '?'. */
static void
put_word(struct buf *b, const char *word)
{
	for (; *word != '\0'; word++)
		buf_add_byte(b, (*word >= '0' && *word <= '9') ||
		    (*word >= 'a' && *word <= 'z') ||
		    (*word >= 'A' && *word <= 'Z') || *word == '.' ||
		    *word == '-' || *word == '_' || *word == '[' ||
		    *word == ']' || *word == ':' ? *word : '?');
}

/* RFC 5321 section 4.1.3. */
static void
put_address(const struct peer *p, struct buf *b)
{
	if (p->family == AF_UNIX)
		buf_printf(b, "userid %u", (unsigned)p->uid);
	else
		buf_printf(b, p->family == AF_INET6 ? "[IPv6:%s]" : "[%s]",
		    p->text);
}

static void
put_tls(const struct session *s, struct buf *b)
{
	const struct tls_info *tls = stream_tls_info(&s->stream);

	if (tls != NULL)
		buf_printf(b, "\r\n\t(%s cipher %s bits %d)", tls->version,
		    tls->cipher, tls->bits);
}

/* With several recipients each would learn of the others, who may have been
 * meant as blind copies: RFC 5321 section 7.2. */
static void
put_for(const struct tx *tx, struct buf *b)
{
	struct slice to;

	if (tx->nrecipients != 1)
		return;
	to = tx->recipients[0].address;
	if (to.n <= FOR_BYTES)
		buf_printf(b, "\r\n\tfor <%.*s>", SLICE_ARG(to));
}

/* RFC 6409 section 8: a submission gets what every message has. */
static void
put_missing(const struct session *s, const char *date, struct buf *b)
{
	const struct tx *tx = s->tx;

	if (tx->lacks_from)
		buf_printf(b, "From: <%.*s>\r\n",
		    SLICE_ARG(tx->reverse_path));
	if (!tx->scan.has_date)
		buf_printf(b, "Date: %s\r\n", date);
	if (!tx->scan.has_message_id)
		buf_printf(b, "Message-ID: <%s@%s>\r\n",
		    queue_id_text(tx->id).s, s->set->hostname);
}

/* The same text for all messages of a second. */
static const char *
date_now(int64_t now_ms)
{
	static struct date_text text;
	static int64_t second = -1;

	if (now_ms / 1000 != second) {
		second = now_ms / 1000;
		text = date_text(now_ms);
	}
	return text.s;
}

const char *
trace_protocol(const struct session *s)
{
	/* By TLS and login; by how the client greets. */
	static const char *const names[2][2][3] = {
		{ { "SMTP", "ESMTP", "LMTP" }, { "SMTPS", "ESMTPS", "LMTPS" } },
		{ { "SMTP", "ESMTPA", "LMTPA" },
		    { "SMTPS", "ESMTPSA", "LMTPSA" } },
	};
	static const char *const utf8_names[2][2][2] = {
		{ { "UTF8SMTP", "UTF8LMTP" }, { "UTF8SMTPS", "UTF8LMTPS" } },
		{ { "UTF8SMTPA", "UTF8LMTPA" },
		    { "UTF8SMTPSA", "UTF8LMTPSA" } },
	};
	bool utf8 = s->tx != NULL && s->tx->smtputf8;
	bool lmtp = s->client.kind == LISTENER_LMTP;
	int tls = session_is_secure(s), in = s->login != NULL;

	if (s->client.kind == LISTENER_SUBMIT)
		return "local";
	if (utf8)
		return utf8_names[in][tls][lmtp];
	return names[in][tls][lmtp ? 2 : s->extended];
}
