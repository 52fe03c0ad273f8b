/* SPDX-License-Identifier: ISC */
/* net - networks, endpoints and next hops in the configuration's notation. */
#include <arpa/inet.h>

#include "base/num.h"
#include "conf/conf.h"

static const uint8_t v4_mapped[12] = { [10] = 0xff, [11] = 0xff };

bool
conf_ip_parse(struct slice s, uint8_t addr_r[16])
{
	char text[INET6_ADDRSTRLEN];
	uint8_t v4[4], v6[16];

	if (s.n == 0 || s.n >= sizeof(text) || memchr(s.p, '\0', s.n) != NULL)
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	if (inet_pton(AF_INET, text, v4) == 1) {
		memcpy(addr_r, v4_mapped, 12);
		memcpy(addr_r + 12, v4, 4);
		return true;
	}
	if (inet_pton(AF_INET6, text, v6) != 1)
		return false;
	memcpy(addr_r, v6, 16);
	return true;
}

static bool
is_v4(const uint8_t addr[16])
{
	return memcmp(addr, v4_mapped, 12) == 0;
}

/* Without brackets that stand around all of it. */
static struct slice
unbracket(struct slice s)
{
	if (s.n >= 2 && s.p[0] == '[' && s.p[s.n - 1] == ']')
		return slice_first(slice_from(s, 1), s.n - 2);
	return s;
}

bool
conf_net_parse(const char *text, struct conf_net *net_r)
{
	struct slice s = slice_str(text), ip;
	struct conf_net net = { .bits = 128 };
	size_t slash = slice_find(s, '/');
	uint64_t bits;
	unsigned i;
	bool v4;

	ip = unbracket(slice_first(s, slash));
	if (!conf_ip_parse(ip, net.addr))
		return false;
	v4 = is_v4(net.addr) && slice_find(ip, ':') == ip.n;
	if (slash < s.n) {
		if (!slice_to_u64(slice_from(s, slash + 1), 0, v4 ? 32 : 128,
		    &bits))
			return false;
		net.bits = (uint8_t)(v4 ? bits + 96 : bits);
	}
	for (i = net.bits; i < 128; i++)
		if ((net.addr[i / 8] & 0x80 >> i % 8) != 0)
			return false;
	*net_r = net;
	return true;
}

bool
conf_net_has(const struct conf_net *net, const uint8_t addr[16])
{
	unsigned whole = net->bits / 8, odd = net->bits % 8;

	if (memcmp(net->addr, addr, whole) != 0)
		return false;
	return odd == 0 ||
	    ((net->addr[whole] ^ addr[whole]) & (0xff00 >> odd & 0xff)) == 0;
}

bool
conf_endpoint_parse(const char *text, struct conf_endpoint *e_r)
{
	struct slice s = slice_str(text), host;
	struct conf_endpoint e = { .kind = ENDPOINT_ANY };
	size_t colon = slice_rfind(s, ':');
	uint64_t port;

	if (slice_find(s, '/') < s.n) {
		e_r->kind = ENDPOINT_UNIX;
		return true;
	}
	if (colon == s.n ||
	    !slice_to_u64(slice_from(s, colon + 1), 1, 65535, &port))
		return false;
	e.port = (uint16_t)port;
	host = slice_first(s, colon);
	if (!slice_eq(host, SLICE_LIT("*"))) {
		if (!conf_ip_parse(unbracket(host), e.addr))
			return false;
		e.kind = is_v4(e.addr) ? ENDPOINT_IPV4 : ENDPOINT_IPV6;
		/* 2001:db8::1:25 could be read in two ways. */
		if (e.kind == ENDPOINT_IPV6 && host.p[0] != '[')
			return false;
	}
	*e_r = e;
	return true;
}

/* Letters, digits, hyphens and underscores in labels up to 63 bytes; UTF-8
 * labels are left to IDNA. */
static bool
is_host_name(struct slice s)
{
	struct slice rest = s, label;
	size_t i;

	if (s.n == 0 || s.n > 253)
		return false;
	while (slice_next(&rest, '.', &label)) {
		if (label.n == 0 || label.n > 63 || label.p[0] == '-' ||
		    label.p[label.n - 1] == '-')
			return false;
		for (i = 0; i < label.n; i++) {
			unsigned char c = (unsigned char)label.p[i];

			if (!(c >= 0x80 || (c >= '0' && c <= '9') ||
			    (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			    c == '-' || c == '_'))
				return false;
		}
	}
	return true;
}

bool
conf_next_hop_is_valid(struct slice s)
{
	struct slice host;
	uint8_t addr[16];
	uint64_t port;
	size_t end;

	if (slice_starts_nocase(s, SLICE_LIT("smtps:")))
		s = slice_from(s, 6);
	else if (slice_starts_nocase(s, SLICE_LIT("lmtp:"))) {
		s = slice_from(s, 5);
		if (s.n > 0 && s.p[0] == '/')
			return s.n > 1 && s.n < 108; /* sun_path, unix(7) */
	}
	if (s.n > 0 && s.p[0] == '[') {
		end = slice_find(s, ']');
		if (end == s.n)
			return false;
		host = slice_first(slice_from(s, 1), end - 1);
		s = slice_from(s, end + 1);
		if (slice_starts_nocase(host, SLICE_LIT("IPv6:")))
			host = slice_from(host, 5);
		if (slice_find(host, ':') < host.n &&
		    !conf_ip_parse(host, addr))
			return false;
	} else {
		end = slice_find(s, ':');
		host = slice_first(s, end);
		s = slice_from(s, end);
	}
	if (slice_find(host, ':') == host.n && !is_host_name(host))
		return false;
	return s.n == 0 || (s.p[0] == ':' &&
	    slice_to_u64(slice_from(s, 1), 1, 65535, &port));
}

bool
conf_domain_is_valid(struct slice s)
{
	return is_host_name(s);
}

/* An address may stand in brackets; a name in brackets is another next hop
 * than one without, which has MX hosts. */
static bool
is_same_hop(struct slice a, struct slice b)
{
	struct slice *bare = a.n > 0 && a.p[0] == '[' ? &a : &b;
	struct slice *other = bare == &a ? &b : &a;
	size_t end = slice_find(*bare, ']');
	struct slice literal;
	uint8_t address[16];

	if (slice_eq_nocase(a, b))
		return true;
	if (bare->n == 0 || bare->p[0] != '[' || end == bare->n)
		return false;
	literal = slice_from(slice_first(*bare, end), 1);
	return other->n >= literal.n && conf_ip_parse(literal, address) &&
	    slice_eq_nocase(slice_first(*other, literal.n), literal) &&
	    slice_eq_nocase(slice_from(*other, literal.n),
	    slice_from(*bare, end + 1));
}

/* ".example.com" is above "a.b.example.com", with or without a port. */
static bool
is_below(struct slice hop, struct slice above)
{
	if (above.n < 2 || above.p[0] != '.')
		return false;
	hop = slice_first(hop, slice_find(hop, ':'));
	return hop.n > above.n && hop.p[0] != '[' &&
	    slice_ends_nocase(hop, above);
}

const struct conf_nexthop *
conf_nexthop_find(const struct conf *c, struct slice hop)
{
	const struct conf_nexthop *best = NULL;
	struct slice name;
	size_t i, n = 0;

	for (i = 0; i < c->nnexthops; i++) {
		name = slice_str(c->nexthops[i].name);
		if (is_same_hop(name, hop))
			return &c->nexthops[i];
		if (name.n > n && is_below(hop, name)) {
			best = &c->nexthops[i];
			n = name.n;
		}
	}
	return best;
}

static int
hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' :
	    c >= 'a' && c <= 'f' ? c - 'a' + 10 :
	    c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool
conf_fingerprint_parse(struct slice s, uint8_t digest_r[32])
{
	bool colons = s.n == 95;
	size_t i, at;
	int high, low;

	if (s.n != 64 && !colons)
		return false;
	for (i = 0; i < 32; i++) {
		at = i * (colons ? 3 : 2);
		high = hex_digit(s.p[at]);
		low = hex_digit(s.p[at + 1]);
		if (high == -1 || low == -1 ||
		    (colons && i < 31 && s.p[at + 2] != ':'))
			return false;
		digest_r[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}
