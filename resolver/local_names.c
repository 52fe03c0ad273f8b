/* SPDX-License-Identifier: ISC */
/* local_names - see local_names.h. */
#include "local_names.h"

#define LOCAL_TTL	10800

static bool	 is_localhost(struct slice name);

/* Addresses by name, and the name by address. */
static const struct {
	enum dns_type	 type;
	struct slice	 name;		/* empty: localhost and below */
	uint8_t		 address[16];
} rows[] = {
	{ DNS_A, SLICE_EMPTY, { [10] = 0xff, [11] = 0xff, [12] = 127,
	    [15] = 1 } },
	{ DNS_AAAA, SLICE_EMPTY, { [15] = 1 } },
	{ DNS_PTR, SLICE_LIT("1.0.0.127.in-addr.arpa"), { 0 } },
	{ DNS_PTR, SLICE_LIT("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0."
	    "0.0.0.0.0.0.0.0.ip6.arpa"), { 0 } },
};

bool
local_names_answer(enum dns_type type, struct slice name,
    struct dns_answer *a, struct dns_record *record_r)
{
	bool local = is_localhost(name);
	size_t i;

	memset(a, 0, sizeof(*a));
	memset(record_r, 0, sizeof(*record_r));
	a->canonical = SLICE_EMPTY;
	a->ttl = LOCAL_TTL;
	a->records = record_r;
	a->status = DNS_NO_DATA;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].type != type || !(rows[i].name.n == 0 ? local :
		    slice_eq_nocase(rows[i].name, name)))
			continue;
		memcpy(record_r->address, rows[i].address, 16);
		if (type == DNS_PTR)
			record_r->name = SLICE_LIT("localhost");
		a->nrecords = 1;
		a->status = DNS_OK;
		return true;
	}
	return local;
}

static bool
is_localhost(struct slice name)
{
	return slice_eq_nocase(name, SLICE_LIT("localhost")) ||
	    slice_ends_nocase(name, SLICE_LIT(".localhost"));
}
