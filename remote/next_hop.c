/* SPDX-License-Identifier: ISC */
/* next_hop - see next_hop.h. */
#include "base/num.h"
#include "dns/dns.h"
#include "next_hop.h"

static bool	 parse_brackets(struct slice, struct next_hop *);
static bool	 parse_name(struct slice, struct next_hop *);
static bool	 parse_port(struct slice, struct next_hop *);
static bool	 is_domain(struct slice);

bool
next_hop_parse(struct slice s, struct next_hop *h)
{
	static const struct slice smtp = { "smtp:", 5 }, lmtp = { "lmtp:", 5 },
	    smtps = { "smtps:", 6 };

	memset(h, 0, sizeof(*h));
	if (slice_starts_nocase(s, lmtp)) {
		h->lmtp = true;
		s = slice_from(s, lmtp.n);
		if (s.n > 1 && s.p[0] == '/') {
			h->kind = HOP_SOCKET;
			h->host = s;
			return memchr(s.p, '\0', s.n) == NULL;
		}
	} else if (slice_starts_nocase(s, smtps)) {
		h->smtps = true;
		s = slice_from(s, smtps.n);
	} else if (slice_starts_nocase(s, smtp))
		s = slice_from(s, smtp.n);
	return s.n > 0 && s.p[0] == '[' ? parse_brackets(s, h) :
	    parse_name(s, h);
}

static bool
parse_brackets(struct slice s, struct next_hop *h)
{
	static const struct slice ipv6 = { "IPv6:", 5 };
	size_t end = slice_find(s, ']');
	struct slice address;

	if (end == s.n)
		return false;
	h->host = slice_from(slice_first(s, end), 1);
	address = slice_starts_nocase(h->host, ipv6) ?
	    slice_from(h->host, ipv6.n) : h->host;
	if (dns_address_parse(address, h->address)) {
		h->kind = HOP_ADDRESS;
		h->host = address;
	} else if (is_domain(h->host))
		h->kind = HOP_HOST;
	else
		return false;
	return parse_port(slice_from(s, end + 1), h);
}

static bool
parse_name(struct slice s, struct next_hop *h)
{
	size_t end = slice_find(s, ':');

	h->host = slice_first(s, end);
	/* These are spoken to a host that was chosen, not to a domain's MX. */
	h->kind = dns_address_parse(h->host, h->address) ? HOP_ADDRESS :
	    h->lmtp || h->smtps ? HOP_HOST : HOP_MX;
	return (h->kind == HOP_ADDRESS || is_domain(h->host)) &&
	    parse_port(slice_from(s, end), h);
}

static bool
parse_port(struct slice s, struct next_hop *h)
{
	uint64_t port;

	if (s.n == 0)
		return true;
	if (s.p[0] != ':' || !slice_to_u64(slice_from(s, 1), 1, 65535, &port))
		return false;
	h->port = (uint16_t)port;
	return true;
}

/* A host name, perhaps with a dot at its end, or UTF-8 that dns_ask() will
 * convert or refuse. */
static bool
is_domain(struct slice s)
{
	size_t i;

	if (s.n > 1 && s.p[s.n - 1] == '.')
		s.n--;
	if (dns_is_host_name(s))
		return true;
	for (i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 0x7f ||
		    s.p[i] == '[' || s.p[i] == ']')
			return false;
	for (i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] >= 0x80)
			return true;
	return false;
}
