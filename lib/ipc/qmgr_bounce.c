/* SPDX-License-Identifier: ISC */
/* qmgr_bounce - see qmgr_bounce.h. */
#include "ipc/qmgr_bounce.h"
#include "ipc/qmgr_lookup.h"

#define RECIPIENT_MIN	39	/* bytes of one with empty slices */

static int	put_recipients(struct buf *, const struct report *);
static bool	get_recipients(struct wire *, struct arena *, struct report *);
static void	get_recipient(struct wire *, struct report_recipient *);

const char *
report_text_file(enum report_kind kind)
{
	static const char *const names[REPORT_KINDS] = {
		[REPORT_FAILURE] = "failure.txt",
		[REPORT_DELAY] = "delay.txt",
		[REPORT_SUCCESS] = "success.txt",
		[REPORT_POSTMASTER] = "postmaster.txt",
	};

	return names[kind];
}

int
report_pack(struct buf *b, const struct report *r)
{
	size_t n = b->n;

	if (put_u8(b, (uint8_t)r->kind) == 0 && put_u64(b, r->queue_id) == 0 &&
	    put_u64(b, r->report_id) == 0 &&
	    put_slice(b, r->reverse_path) == 0 &&
	    put_slice(b, r->envid) == 0 && put_u8(b, (uint8_t)r->ret) == 0 &&
	    put_u8(b, (uint8_t)r->body) == 0 && put_u8(b, r->smtputf8) == 0 &&
	    put_time(b, r->arrived_ms) == 0 && put_time(b, r->until_ms) == 0 &&
	    put_slice(b, r->content) == 0 && put_u64(b, r->offset) == 0 &&
	    put_u64(b, r->size) == 0 && put_u32(b, r->crc) == 0 &&
	    put_u64(b, r->total) == 0 &&
	    put_recipients(b, r) == 0)
		return 0;
	b->n = n;
	return -1;
}

static int
put_recipients(struct buf *b, const struct report *r)
{
	const struct report_recipient *to;
	size_t i;

	if (r->nrecipients > UINT32_MAX ||
	    put_u32(b, (uint32_t)r->nrecipients) != 0)
		return -1;
	for (i = 0; i < r->nrecipients; i++) {
		to = &r->recipients[i];
		if (put_slice(b, to->address) != 0 ||
		    put_slice(b, to->original) != 0 ||
		    put_slice(b, to->orcpt) != 0 ||
		    put_u8(b, to->notify) != 0 ||
		    put_time(b, to->attempted_ms) != 0 ||
		    outcome_pack(b, &to->outcome) != 0)
			return -1;
	}
	return 0;
}

bool
report_unpack(struct wire *w, struct arena *a, struct report *r_r)
{
	struct report r = { 0 };
	uint8_t kind = get_enum(w, REPORT_POSTMASTER);

	if (kind == 0)
		wire_fail(w);
	r.kind = (enum report_kind)kind;
	r.queue_id = get_u64(w);
	r.report_id = get_u64(w);
	r.reverse_path = get_text(w, ADDRESS_BYTES);
	r.envid = get_text(w, ENVID_BYTES);
	r.ret = (enum dsn_ret)get_enum(w, RET_HDRS);
	r.body = (enum body_type)get_enum(w, BODY_BINARYMIME);
	r.smtputf8 = get_bool(w);
	r.arrived_ms = get_time(w);
	r.until_ms = get_time(w);
	r.content = get_slice(w, CHANNEL_BODY_BYTES);
	r.offset = get_u64(w);
	r.size = get_u64(w);
	r.crc = get_u32(w);
	r.total = get_u64(w);
	if (r.offset > INT64_MAX || r.size > INT64_MAX - r.offset)
		wire_fail(w);
	if (!get_recipients(w, a, &r))
		return false;
	*r_r = r;
	return true;
}

static bool
get_recipients(struct wire *w, struct arena *a, struct report *r)
{
	size_t i;

	r->recipients = get_list(w, a, UINT32_MAX, RECIPIENT_MIN,
	    sizeof(*r->recipients), &r->nrecipients);
	if (r->nrecipients == 0)
		wire_fail(w);
	for (i = 0; i < r->nrecipients && !w->bad; i++)
		get_recipient(w, &r->recipients[i]);
	return !w->bad;
}

static void
get_recipient(struct wire *w, struct report_recipient *to)
{
	to->address = get_text(w, TARGET_BYTES);
	to->original = get_text(w, TARGET_BYTES);
	to->orcpt = get_text(w, ORCPT_BYTES);
	to->notify = get_notify(w);
	to->attempted_ms = get_time(w);
	if (to->address.n == 0 || !outcome_unpack(w, &to->outcome))
		wire_fail(w);
}
