/* SPDX-License-Identifier: ISC */
/* name - host names and addresses as text. */
#include <arpa/inet.h>

#include "dns/dns.h"

static bool
is_name_char(char c)
{
	char l = ascii_lower(c);

	return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
	    c == '_';
}

bool
dns_is_host_name(struct slice s)
{
	size_t i, label = 0;

	if (s.n == 0 || s.n > DNS_NAME_BYTES)
		return false;
	for (i = 0; i < s.n; i++) {
		if (s.p[i] == '.') {
			if (label == 0)
				return false;
			label = 0;
		} else if (!is_name_char(s.p[i]) || ++label > 63)
			return false;
	}
	return label > 0;
}

bool
dns_address_parse(struct slice s, uint8_t address_r[16])
{
	struct in6_addr v6;
	struct in_addr v4;
	char text[INET6_ADDRSTRLEN];

	if (s.n == 0 || s.n >= sizeof(text) || memchr(s.p, '\0', s.n) != NULL)
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	if (inet_pton(AF_INET, text, &v4) == 1) {
		memset(address_r, 0, 10);
		memset(address_r + 10, 0xff, 2);
		memcpy(address_r + 12, &v4, 4);
		return true;
	}
	if (inet_pton(AF_INET6, text, &v6) != 1)
		return false;
	memcpy(address_r, &v6, 16);
	return true;
}

bool
dns_address_is_ipv4(const uint8_t address[16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	return memcmp(address, mapped, sizeof(mapped)) == 0;
}

struct dns_address_text
dns_address_text(const uint8_t address[16])
{
	struct dns_address_text t;

	if (dns_address_is_ipv4(address))
		inet_ntop(AF_INET, address + 12, t.s, sizeof(t.s));
	else
		inet_ntop(AF_INET6, address, t.s, sizeof(t.s));
	return t;
}
