/* SPDX-License-Identifier: ISC */
/* compose - see compose.h. */
#include "compose.h"
#include "mail/address.h"

#define PATH_ARENA_BYTES	8192

static int	 add_path(struct buf *, struct slice path, bool utf8);
static int	 add_by(struct buf *, const struct envelope_extras *,
		    int64_t now_ms);
static int	 add_notify(struct buf *, uint8_t notify);
static int	 add_orcpt(struct buf *, struct slice orcpt, bool utf8);
static int	 end_command(struct buf *, size_t n, int e);
static bool	 path_needs_utf8(struct slice);

int
compose_mail(struct buf *b, const struct compose *c, const struct job *j)
{
	size_t n = b->n;
	int e;

	e = buf_add_str(b, "MAIL FROM:<");
	e |= add_path(b, j->reverse_path, c->utf8);
	e |= buf_add_byte(b, '>');
	if (c->offers & EHLO_SIZE)
		e |= buf_printf(b, " SIZE=%llu", (unsigned long long)c->size);
	if (c->body == BODY_8BITMIME && c->offers & EHLO_8BITMIME)
		e |= buf_add_str(b, " BODY=8BITMIME");
	else if (c->body == BODY_BINARYMIME)
		e |= buf_add_str(b, " BODY=BINARYMIME");
	if (c->utf8)
		e |= buf_add_str(b, " SMTPUTF8");
	if (c->offers & EHLO_DSN) {
		if (j->ret != RET_NONE)
			e |= buf_add_str(b, j->ret == RET_FULL ?
			    " RET=FULL" : " RET=HDRS");
		if (j->envid.n > 0) {
			e |= buf_add_str(b, " ENVID=");
			e |= xtext_encode(b, j->envid);
		}
	}
	if (j->extras.by_mode != BY_NONE && c->offers & EHLO_DELIVERBY)
		e |= add_by(b, &j->extras, c->now_ms);
	if (j->extras.priority != 0 && c->offers & EHLO_MT_PRIORITY)
		e |= buf_printf(b, " MT-PRIORITY=%d", j->extras.priority);
	if (j->extras.auth.n > 0 && c->offers & EHLO_AUTH) {
		e |= buf_add_str(b, " AUTH=");
		e |= xtext_encode(b, j->extras.auth);
	}
	return end_command(b, n, e);
}

int64_t
by_seconds(const struct envelope_extras *x, int64_t now_ms)
{
	int64_t s = (x->by_ms - now_ms) / 1000;

	if (s > BY_MOST)
		return BY_MOST;
	return s < -BY_MOST ? -BY_MOST : s;
}

/* What is to be returned in time is said to have a second at least: qmgr sees
 * to it when that is over. */
static int
add_by(struct buf *b, const struct envelope_extras *x, int64_t now_ms)
{
	int64_t s = by_seconds(x, now_ms);

	if (x->by_mode == BY_RETURN && s < 1)
		s = 1;
	return buf_printf(b, " BY=%lld;%s%s", (long long)s,
	    x->by_mode == BY_RETURN ? "R" : "N", x->by_trace ? "T" : "");
}

int
compose_rcpt(struct buf *b, const struct compose *c,
    const struct job_recipient *r)
{
	size_t n = b->n;
	int e;

	e = buf_add_str(b, "RCPT TO:<");
	e |= add_path(b, r->address, c->utf8);
	e |= buf_add_byte(b, '>');
	if (c->offers & EHLO_DSN) {
		if (r->notify != 0)
			e |= add_notify(b, r->notify);
		e |= add_orcpt(b, r->orcpt, c->utf8);
	}
	return end_command(b, n, e);
}

static int
end_command(struct buf *b, size_t n, int e)
{
	if ((e | buf_add_str(b, "\r\n")) == 0)
		return 0;
	b->n = n;
	return -1;
}

/* One that has no form on the wire is left out: it is only for reports. */
static int
add_orcpt(struct buf *b, struct slice orcpt, bool utf8)
{
	size_t n = b->n;

	if (orcpt.n > 0 && (buf_add_str(b, " ORCPT=") != 0 ||
	    orcpt_encode(b, orcpt, utf8) != 0))
		b->n = n;
	return 0;
}

static int
add_path(struct buf *b, struct slice path, bool utf8)
{
	struct arena arena = ARENA_INIT(PATH_ARENA_BYTES);
	struct address a;
	struct slice text;
	int e = -1;

	if (utf8 || slice_is_ascii(path))
		return buf_add(b, path);
	a = address_split(path);
	if (slice_is_ascii(a.local) &&
	    address_canonical(&arena, &a, false, &text) == 0)
		e = buf_add(b, text);
	arena_clear(&arena);
	return e;
}

static int
add_notify(struct buf *b, uint8_t notify)
{
	static const struct {
		uint8_t		 bit;
		const char	*word;
	} words[] = {
		{ NOTIFY_NEVER, "NEVER" }, { NOTIFY_SUCCESS, "SUCCESS" },
		{ NOTIFY_FAILURE, "FAILURE" }, { NOTIFY_DELAY, "DELAY" },
	};
	const char *sep = " NOTIFY=";
	size_t i;
	int e = 0;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (notify & words[i].bit) {
			e |= buf_printf(b, "%s%s", sep, words[i].word);
			sep = ",";
		}
	return e;
}

bool
job_needs_utf8(const struct job *j, struct slice header)
{
	size_t i;

	for (i = 0; i < j->nrecipients; i++)
		if (path_needs_utf8(j->recipients[i].address))
			return true;
	return path_needs_utf8(j->reverse_path) ||
	    (j->smtputf8 && !slice_is_ascii(header));
}

static bool
path_needs_utf8(struct slice path)
{
	struct buf b = BUF_INIT(4096);
	bool needs = !slice_is_ascii(path) && add_path(&b, path, false) != 0;

	buf_clear(&b);
	return needs;
}
