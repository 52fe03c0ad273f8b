/* SPDX-License-Identifier: ISC */
/* answer - see answer.h.  Pure: bytes to fields and back. */
#include "dns/answer.h"

static bool	 get_record(struct wire *, enum dns_type, struct dns_record *);
static bool	 name_is_fit(enum dns_type, struct slice);

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

bool
dns_answer_unpack(struct wire *w, enum dns_type type, struct dns_answer *a,
    struct dns_record *records)
{
	unsigned status, secure, i, count;

	memset(a, 0, sizeof(*a));
	status = get_u8(w);
	secure = get_u8(w);
	a->ttl = get_u32(w);
	a->canonical = get_slice(w, DNS_NAME_BYTES);
	count = get_u16(w);
	if (w->bad || status < DNS_OK || status > DNS_INVALID || secure > 1 ||
	    count > DNS_RECORDS || (count > 0 && status != DNS_OK))
		return false;
	for (i = 0; i < count; i++) {
		if (get_record(w, type, &records[a->nrecords]))
			a->nrecords++;
		if (w->bad)
			return false;
	}
	if (!wire_done(w))
		return false;
	a->status = status == DNS_OK && a->nrecords == 0 ? DNS_NO_DATA :
	    (enum dns_status)status;
	a->secure = secure == 1;
	a->records = records;
	if (!dns_is_host_name(a->canonical))
		a->canonical = SLICE_EMPTY;
	return true;
}

/* False: the record is of no use, or the wire has become bad. */
static bool
get_record(struct wire *w, enum dns_type type, struct dns_record *r)
{
	size_t i;

	memset(r, 0, sizeof(*r));
	switch (type) {
	case DNS_A:
		memcpy(r->address, mapped, sizeof(mapped));
		for (i = 12; i < 16; i++)
			r->address[i] = get_u8(w);
		break;
	case DNS_AAAA:
		for (i = 0; i < 16; i++)
			r->address[i] = get_u8(w);
		break;
	case DNS_MX:
		r->preference = get_u16(w);
		r->name = get_slice(w, DNS_NAME_BYTES);
		break;
	case DNS_PTR:
	case DNS_CNAME:
		r->name = get_slice(w, DNS_NAME_BYTES);
		break;
	case DNS_TXT:
		r->data = get_slice(w, DNS_DATA_BYTES);
		break;
	case DNS_TLSA:
		for (i = 0; i < 3; i++)
			r->tlsa[i] = get_u8(w);
		r->data = get_slice(w, DNS_DATA_BYTES);
		break;
	}
	return !w->bad && name_is_fit(type, r->name);
}

static bool
name_is_fit(enum dns_type type, struct slice name)
{
	if (type == DNS_MX)
		return name.n == 0 || dns_is_host_name(name);
	if (type == DNS_PTR || type == DNS_CNAME)
		return dns_is_host_name(name);
	return true;
}

int
dns_answer_pack(struct buf *b, enum dns_type type, const struct dns_answer *a)
{
	const struct dns_record *r;
	size_t i, count = a->nrecords;
	int e;

	if (count > DNS_RECORDS)
		count = DNS_RECORDS;
	e = put_u8(b, (uint8_t)a->status) | put_u8(b, a->secure) |
	    put_u32(b, a->ttl) | put_slice(b, a->canonical) |
	    put_u16(b, (uint16_t)count);
	for (r = a->records; count > 0; r++, count--) {
		switch (type) {
		case DNS_A:
			e |= buf_add(b, slice_of(r->address + 12, 4));
			break;
		case DNS_AAAA:
			e |= buf_add(b, slice_of(r->address, 16));
			break;
		case DNS_MX:
			e |= put_u16(b, r->preference) | put_slice(b, r->name);
			break;
		case DNS_PTR:
		case DNS_CNAME:
			e |= put_slice(b, r->name);
			break;
		case DNS_TXT:
			e |= put_slice(b, r->data);
			break;
		case DNS_TLSA:
			for (i = 0; i < 3; i++)
				e |= put_u8(b, r->tlsa[i]);
			e |= put_slice(b, r->data);
			break;
		}
	}
	return e == 0 ? 0 : -1;
}
