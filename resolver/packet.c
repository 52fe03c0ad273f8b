/* SPDX-License-Identifier: ISC */
/*
 * packet - see packet.h.  Pure: all that it reads is the message, all that it
 * keeps is in the arena.
 */
#include "packet.h"

#define HEADER_BYTES	12
#define TYPE_NS		2
#define TYPE_SOA	6
#define NAME_BYTES	1024	/* 253 bytes, each perhaps as \DDD */

/* A reader of the message; after the first bad field it stays bad. */
struct reader {
	struct slice	whole;
	size_t		at;
	bool		bad;
};

struct record {
	unsigned	 type;
	unsigned	 class;
	uint32_t	 ttl;
	size_t		 data;		/* offset */
	size_t		 end;
};

static uint32_t	 read_number(struct reader *, size_t bytes);
static void	 skip_name(struct reader *);
static size_t	 read_name(struct reader *, char *text);
static struct slice name_in(struct reader *, struct arena *);
static struct record read_record(struct reader *);
static void	 take_record(struct reader *, const struct record *,
		    enum dns_type, struct arena *, struct dns_answer *,
		    struct dns_record *);
static void	 take_data(struct reader *, const struct record *,
		    struct arena *, struct dns_record *);
static struct slice join_strings(struct reader *, const struct record *,
		    struct arena *);
static void	 take_authority(struct reader *, unsigned count,
		    struct dns_answer *);
static enum dns_status status_of(unsigned rcode, size_t nrecords);

enum parse
packet_parse(struct slice message, enum dns_type type, struct arena *arena,
    struct dns_answer *a, struct dns_record *records)
{
	struct reader r = { message, 0, false };
	unsigned flags, questions, answers, authority;
	struct record rr;

	memset(a, 0, sizeof(*a));
	a->ttl = UINT32_MAX;
	a->canonical = SLICE_EMPTY;
	a->records = records;
	read_number(&r, 2);		/* id */
	flags = read_number(&r, 2);
	questions = read_number(&r, 2);
	answers = read_number(&r, 2);
	authority = read_number(&r, 2);
	read_number(&r, 2);
	for (; questions > 0 && !r.bad; questions--) {
		skip_name(&r);
		read_number(&r, 4);
	}
	for (; answers > 0 && !r.bad; answers--) {
		rr = read_record(&r);
		if (!r.bad)
			take_record(&r, &rr, type, arena, a, records);
	}
	if (r.bad)
		return PARSE_BAD;
	a->status = status_of(flags & 15, a->nrecords);
	if (a->status != DNS_OK) {
		a->nrecords = 0;
		take_authority(&r, authority, a);
	}
	return PARSE_OK;
}

static enum dns_status
status_of(unsigned rcode, size_t nrecords)
{
	switch (rcode) {
	case 0:		/* NOERROR */
		return nrecords > 0 ? DNS_OK : DNS_NO_DATA;
	case 3:		/* NXDOMAIN */
		return DNS_NO_NAME;
	}
	return DNS_FAILED;
}

static uint32_t
read_number(struct reader *r, size_t bytes)
{
	uint32_t v = 0;
	size_t i;

	if (r->bad || r->whole.n - r->at < bytes) {
		r->bad = true;
		return 0;
	}
	for (i = 0; i < bytes; i++)
		v = v << 8 | (unsigned char)r->whole.p[r->at++];
	return v;
}

static struct record
read_record(struct reader *r)
{
	struct record rr = { 0 };
	size_t n;

	skip_name(r);
	rr.type = read_number(r, 2);
	rr.class = read_number(r, 2);
	rr.ttl = read_number(r, 4);
	n = read_number(r, 2);
	rr.data = r->at;
	if (r->bad || r->whole.n - r->at < n) {
		r->bad = true;
		return rr;
	}
	rr.end = r->at += n;
	return rr;
}

static void
skip_name(struct reader *r)
{
	uint32_t n;

	while ((n = read_number(r, 1)) != 0) {
		if (n >= 0xc0) {
			read_number(r, 1);
			return;
		}
		if (n > 63 || r->whole.n - r->at < n)
			r->bad = true;
		if (r->bad)
			return;
		r->at += n;
	}
}

/* The name at the reader's place as text of at most NAME_BYTES, without the
 * last dot; bytes that are in no host name as \DDD.  Its length. */
static size_t
read_name(struct reader *r, char *text)
{
	size_t n = 0, wire = 0, back = 0;
	unsigned len, jumps = 0;
	char c;

	while ((len = read_number(r, 1)) != 0) {
		if (len >= 0xc0) {
			len = (len & 0x3f) << 8 | read_number(r, 1);
			if (r->bad || len >= r->whole.n ||
			    ++jumps > PACKET_JUMPS)
				goto bad;
			if (jumps == 1)
				back = r->at;
			r->at = len;
			continue;
		}
		wire += len + 1;
		if (r->bad || len > 63 || wire > 254 ||
		    r->whole.n - r->at < len)
			goto bad;
		if (n > 0)
			text[n++] = '.';
		while (len-- > 0) {
			c = r->whole.p[r->at++];
			if (dns_is_host_name(slice_of(&c, 1)))
				text[n++] = c;
			else
				n += (size_t)snprintf(text + n, 5, "\\%03u",
				    (unsigned char)c);
		}
	}
	if (r->bad)
		return 0;
	if (jumps > 0)
		r->at = back;
	return n;
bad:
	r->bad = true;
	return 0;
}

static struct slice
name_in(struct reader *r, struct arena *arena)
{
	char text[NAME_BYTES + 8];
	struct slice copy = SLICE_EMPTY;
	size_t n = read_name(r, text);

	if (arena_copy(arena, slice_of(text, n), &copy) == -1)
		r->bad = true;
	return copy;
}

static void
take_record(struct reader *r, const struct record *rr, enum dns_type type,
    struct arena *arena, struct dns_answer *a, struct dns_record *records)
{
	struct reader data = { slice_first(r->whole, rr->end), rr->data,
		false };
	struct dns_record *to;

	if (rr->class != CLASS_IN)
		return;
	if (rr->type == DNS_CNAME && type != DNS_CNAME) {
		a->canonical = name_in(&data, arena);
		/* A name that is no host name is no answer to a mailer. */
		if (a->canonical.n > DNS_NAME_BYTES)
			a->canonical = SLICE_EMPTY;
	} else if (rr->type == (unsigned)type && a->nrecords < DNS_RECORDS) {
		to = &records[a->nrecords];
		memset(to, 0, sizeof(*to));
		take_data(&data, rr, arena, to);
		if (!data.bad && to->name.n <= DNS_NAME_BYTES)
			a->nrecords++;
	} else
		return;
	if (rr->ttl < a->ttl)
		a->ttl = rr->ttl;
	r->bad = r->bad || data.bad;
}

static void
take_data(struct reader *r, const struct record *rr, struct arena *arena,
    struct dns_record *to)
{
	size_t i;

	switch ((enum dns_type)rr->type) {
	case DNS_A:
		memset(to->address + 10, 0xff, 2);
		for (i = 12; i < 16; i++)
			to->address[i] = (uint8_t)read_number(r, 1);
		break;
	case DNS_AAAA:
		for (i = 0; i < 16; i++)
			to->address[i] = (uint8_t)read_number(r, 1);
		break;
	case DNS_MX:
		to->preference = (uint16_t)read_number(r, 2);
		to->name = name_in(r, arena);
		break;
	case DNS_PTR:
	case DNS_CNAME:
		to->name = name_in(r, arena);
		break;
	case DNS_TXT:
		to->data = join_strings(r, rr, arena);
		return;
	case DNS_TLSA:
		for (i = 0; i < 3; i++)
			to->tlsa[i] = (uint8_t)read_number(r, 1);
		if (!r->bad && arena_copy(arena,
		    slice_from(r->whole, r->at), &to->data) == -1)
			r->bad = true;
		return;
	}
	if (r->at != rr->end)
		r->bad = true;
}

/* RFC 1035 section 3.3.14; RFC 7208 section 3.3 joins without blanks. */
static struct slice
join_strings(struct reader *r, const struct record *rr, struct arena *arena)
{
	struct slice all = SLICE_EMPTY;
	char *text = arena_alloc(arena, rr->end - rr->data + 1);
	size_t len, n = 0;

	if (text == NULL) {
		r->bad = true;
		return all;
	}
	while (!r->bad && r->at < rr->end) {
		len = read_number(r, 1);
		if (rr->end - r->at < len) {
			r->bad = true;
			break;
		}
		memcpy(text + n, r->whole.p + r->at, len);
		n += len;
		r->at += len;
	}
	return slice_of(text, n);
}

/*
 * RFC 2308: how long a negative answer holds says the SOA record (section 5).
 * One that has NS records instead is a referral (section 2.2): the server does
 * not answer for others and says so, which says nothing of the name.
 */
static void
take_authority(struct reader *r, unsigned count, struct dns_answer *a)
{
	struct record rr;
	bool refers = false;

	a->ttl = 0;
	for (; count > 0; count--) {
		rr = read_record(r);
		if (r->bad)
			break;
		if (rr.type == TYPE_SOA) {
			a->ttl = rr.ttl;
			return;
		}
		refers = refers || rr.type == TYPE_NS;
	}
	if (refers && a->status == DNS_NO_DATA)
		a->status = DNS_FAILED;
}
