/* SPDX-License-Identifier: ISC */
/* delivery - see delivery.h. */
#include "ipc/delivery.h"

#define RECIPIENT_MIN	60	/* bytes of one with empty slices */

static int	put_recipients(struct buf *, const struct job *);
static bool	get_recipients(struct wire *, struct arena *, struct job *);
static void	get_recipient(struct wire *, struct job_recipient *);

int
job_pack(struct buf *b, const struct job *j)
{
	size_t n = b->n;

	if (put_u64(b, j->queue_id) == 0 &&
	    put_slice(b, j->reverse_path) == 0 &&
	    put_slice(b, j->envid) == 0 && put_u8(b, (uint8_t)j->ret) == 0 &&
	    put_u8(b, (uint8_t)j->body) == 0 && put_u8(b, j->smtputf8) == 0 &&
	    put_time(b, j->arrived_ms) == 0 && put_slice(b, j->content) == 0 &&
	    put_u64(b, j->offset) == 0 && put_u64(b, j->size) == 0 &&
	    put_u32(b, j->crc) == 0 &&
	    extras_pack(b, &j->extras) == 0 &&
	    put_recipients(b, j) == 0)
		return 0;
	b->n = n;
	return -1;
}

static int
put_recipients(struct buf *b, const struct job *j)
{
	const struct job_recipient *r;
	size_t i;

	if (j->nrecipients > JOB_RECIPIENTS ||
	    put_u32(b, (uint32_t)j->nrecipients) != 0)
		return -1;
	for (i = 0; i < j->nrecipients; i++) {
		r = &j->recipients[i];
		if (put_u32(b, r->number) != 0 ||
		    put_slice(b, r->address) != 0 ||
		    put_slice(b, r->original) != 0 ||
		    put_slice(b, r->orcpt) != 0 || put_u8(b, r->notify) != 0 ||
		    put_u8(b, r->maybe_done) != 0 ||
		    destination_pack(b, &r->to) != 0)
			return -1;
	}
	return 0;
}

bool
job_unpack(struct wire *w, struct arena *a, struct job *j_r)
{
	struct job j = { 0 };

	j.queue_id = get_u64(w);
	j.reverse_path = get_text(w, ADDRESS_BYTES);
	j.envid = get_text(w, ENVID_BYTES);
	j.ret = (enum dsn_ret)get_enum(w, RET_HDRS);
	j.body = (enum body_type)get_enum(w, BODY_BINARYMIME);
	j.smtputf8 = get_bool(w);
	j.arrived_ms = get_time(w);
	j.content = get_slice(w, CHANNEL_BODY_BYTES);
	j.offset = get_u64(w);
	j.size = get_u64(w);
	j.crc = get_u32(w);
	extras_unpack(w, &j.extras);
	/* Readers may add the two and pass them to pread(). */
	if (j.offset > INT64_MAX || j.size > INT64_MAX - j.offset)
		wire_fail(w);
	if (!get_recipients(w, a, &j))
		return false;
	*j_r = j;
	return true;
}

static bool
get_recipients(struct wire *w, struct arena *a, struct job *j)
{
	size_t i;

	j->recipients = get_list(w, a, JOB_RECIPIENTS, RECIPIENT_MIN,
	    sizeof(*j->recipients), &j->nrecipients);
	if (j->nrecipients == 0)
		wire_fail(w);
	for (i = 0; i < j->nrecipients && !w->bad; i++)
		get_recipient(w, &j->recipients[i]);
	return !w->bad;
}

static void
get_recipient(struct wire *w, struct job_recipient *r)
{
	r->number = get_u32(w);
	r->address = get_text(w, TARGET_BYTES);
	r->original = get_text(w, TARGET_BYTES);
	r->orcpt = get_text(w, ORCPT_BYTES);
	r->notify = get_notify(w);
	r->maybe_done = get_bool(w);
	if (r->address.n == 0 || !destination_unpack(w, &r->to))
		wire_fail(w);
}
