/* SPDX-License-Identifier: ISC */
/* dns_records - see dns_records.h. */
#include <sys/socket.h>

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>

#include <stdio.h>
#include <string.h>

#include "dns_records.h"
#include "mail/address.h"

static bool	 is_public(const struct sockaddr *,
		    char text[INET6_ADDRSTRLEN]);
static void	 put_service(const struct conf *, const char *mode,
		    const char *service, const char *domain);

void
dns_records_of_host(const struct conf *c)
{
	struct ifaddrs *all = NULL, *i;
	char text[INET6_ADDRSTRLEN];
	size_t n = 0;

	if (getifaddrs(&all) == -1)
		all = NULL;
	printf("; This host.  Each address needs a PTR record, too, that says "
	    "%s.:\n; whoever gave you the address sets it.\n", c->hostname);
	for (i = all; i != NULL; i = i->ifa_next)
		if (i->ifa_addr != NULL && is_public(i->ifa_addr, text)) {
			printf("%s. %s %s\n", c->hostname,
			    i->ifa_addr->sa_family == AF_INET ? "A" : "AAAA",
			    text);
			n++;
		}
	if (n == 0)
		printf("%s. A <the public address of this host>\n",
		    c->hostname);
	printf("%s. TXT \"v=spf1 a -all\"\n", c->hostname);
	freeifaddrs(all);
}

static bool
is_public(const struct sockaddr *sa, char text[INET6_ADDRSTRLEN])
{
	static const char *const not_public[] = { "0.0.0.0/8", "10.0.0.0/8",
		"100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
		"172.16.0.0/12", "192.168.0.0/16", "::1", "fe80::/10",
		"fc00::/7", "::ffff:0.0.0.0/104" };
	const void *at = sa->sa_family == AF_INET ? (const void *)
	    &((const struct sockaddr_in *)(const void *)sa)->sin_addr :
	    &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;
	struct conf_net net;
	uint8_t addr[16];
	size_t i;

	if ((sa->sa_family != AF_INET && sa->sa_family != AF_INET6) ||
	    inet_ntop(sa->sa_family, at, text, INET6_ADDRSTRLEN) == NULL ||
	    !conf_ip_parse(slice_str(text), addr))
		return false;
	for (i = 0; i < sizeof(not_public) / sizeof(not_public[0]); i++)
		if (conf_net_parse(not_public[i], &net) &&
		    conf_net_has(&net, addr))
			return false;
	return true;
}

/* Nothing here signs messages, so a policy that refuses what is not signed
 * would refuse the domain's own mail where it was forwarded. */
void
dns_records_of_domain(const struct conf *c, const char *name,
    const char *type)
{
	struct buf ascii = BUF_INIT(1024);
	const char *domain = domain_canonical(&ascii, slice_str(name)) == 0 ?
	    buf_cstr(&ascii) : name;

	printf("; %s\n%s. MX 10 %s.\n", name, domain, c->hostname);
	printf("; only its MX hosts send its mail; add others: ip4:, include:\n"
	    "%s. TXT \"v=spf1 mx -all\"\n", domain);
	printf("; reports, and no refusals yet\n"
	    "_dmarc.%s. TXT \"v=DMARC1; p=none; rua=mailto:postmaster@%s\"\n",
	    domain, domain);
	/* Of others the users log in elsewhere. */
	if (strcmp(type, "virtual") == 0 || strcmp(type, "system") == 0) {
		put_service(c, "submission", "_submissions", domain);
		put_service(c, "imap", "_imaps", domain);
		put_service(c, "pop3", "_pop3s", domain);
	}
	buf_clear(&ascii);
}

/* For mail programs that find their servers by themselves (RFC 6186, 8314). */
static void
put_service(const struct conf *c, const char *mode, const char *service,
    const char *domain)
{
	const struct conf_listener *l;
	struct conf_endpoint e;
	size_t i, j;

	for (i = 0; i < c->nlisteners; i++) {
		l = &c->listeners[i];
		if (strcmp(l->mode, mode) != 0 ||
		    strcmp(l->tls, "implicit") != 0)
			continue;
		for (j = 0; j < l->address.n; j++)
			if (conf_endpoint_parse(l->address.v[j], &e) &&
			    e.kind != ENDPOINT_UNIX) {
				printf("%s._tcp.%s. SRV 0 1 %u %s.\n", service,
				    domain, e.port, c->hostname);
				return;
			}
	}
}
