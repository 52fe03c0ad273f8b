/* SPDX-License-Identifier: ISC */
/*
 * doctor_dns - does the DNS say of this host and its domains what others need
 * to find them and to believe them.
 */
#include <sys/socket.h>

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <ifaddrs.h>
#include <netinet/in.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/num.h"
#include "doctor.h"
#include "doctor_ask.h"

#define DOMAINS_MAX	200	/* that are looked up */
#define RECORDS_MAX	64	/* of one answer */
#define ANCHOR		"/usr/share/dns/root.key"

typedef char	address_text[INET6_ADDRSTRLEN];

/* What a host name leads to. */
struct addresses {
	address_text	 v[RECORDS_MAX];
	size_t		 n;
	enum dns_result	 result;	/* of the last question */
};

static bool	 servers_answer(struct doctor *);
static void	 check_host(struct doctor *, struct addresses *own);
static void	 check_reverse(struct doctor *, const char *address);
static void	 check_domain(struct doctor *, const char *domain,
		    const struct addresses *own);
static void	 check_exchangers(struct doctor *, const char *domain,
		    const struct dns_reply *, const struct addresses *own);
static void	 check_policy(struct doctor *, const char *name,
		    const char *prefix, const char *what, const char *advice);
static void	 find_addresses(const struct conf *, const char *host,
		    struct addresses *);
static bool	 is_here(const char *address);

void
doctor_dns(struct doctor *d)
{
	static struct addresses own;
	const struct conf *c = d->conf;
	size_t i;

	if (!servers_answer(d))
		return;
	check_host(d, &own);
	for (i = 0; i < c->ndomains && i < DOMAINS_MAX; i++)
		check_domain(d, c->domains[i].name, &own);
	if (c->ndomains > DOMAINS_MAX)
		doctor_say(d, FINDING_NOTE, "domains", "look at the others by "
		    "hand", "only the first %d were looked up", DOMAINS_MAX);
}

/* ---- the name servers ---------------------------------------------------- */

static bool
servers_answer(struct doctor *d)
{
	static struct dns_reply reply;
	enum dns_result r;

	if (d->conf->dns_servers.n == 0) {
		doctor_say(d, FINDING_FAULT, "name servers", "name them in "
		    "/etc/resolv.conf or dns.servers", "there are none");
		return false;
	}
	r = dns_ask(d->conf, d->conf->hostname, ns_t_a, &reply);
	if (r == DNS_SILENT || r == DNS_FAILED) {
		doctor_say(d, FINDING_FAULT, "name servers", "see dns.servers, "
		    "/etc/resolv.conf, and whether UDP and TCP port 53 get "
		    "through", r == DNS_SILENT ? "none of %zu answers" :
		    "none of %zu can answer for the host's own name",
		    d->conf->dns_servers.n);
		return false;
	}
	doctor_say(d, FINDING_OK, "name servers", NULL, "%zu, and they answer",
	    d->conf->dns_servers.n);
	if (!d->conf->dns_dnssec)
		return true;
	if (access(ANCHOR, R_OK) == -1)
		doctor_say(d, FINDING_NOTE, "DNSSEC", "install the package "
		    "dns-root-data", ANCHOR ": %s; the anchor that is built "
		    "in is used", strerror(errno));
	if (dns_ask(d->conf, ".", ns_t_dnskey, &reply) != DNS_RECORDS_CAME)
		doctor_say(d, FINDING_FAULT, "DNSSEC", "use name servers that "
		    "hand on DNSSEC, or dns.dnssec = no", "dns.dnssec is on, "
		    "but the servers give no keys of the root");
	else
		doctor_say(d, FINDING_OK, "DNSSEC", NULL, "the servers give "
		    "the root's keys");
	return true;
}

/* ---- this host ----------------------------------------------------------- */

static void
check_host(struct doctor *d, struct addresses *own)
{
	const char *name = d->conf->hostname;
	size_t i, here = 0;

	if (strchr(name, '.') == NULL) {
		doctor_say(d, FINDING_WARNING, name, "set hostname to the name "
		    "that the DNS has for this host, such as mx.example.org",
		    "the host's name has no domain: others will refuse mail "
		    "from it");
		return;
	}
	find_addresses(d->conf, name, own);
	if (own->n == 0) {
		doctor_say(d, FINDING_WARNING, name, "publish an A (and AAAA) "
		    "record of it, or set hostname to a name that has one",
		    "the DNS has no address for it");
		return;
	}
	for (i = 0; i < own->n; i++)
		here += is_here(own->v[i]);
	if (here == 0)
		doctor_say(d, FINDING_NOTE, name, "right where an address is "
		    "translated (NAT); otherwise mend the A and AAAA records",
		    "the DNS has %s for it, which no interface here has",
		    own->v[0]);
	else
		doctor_say(d, FINDING_OK, name, NULL, "has the address %s",
		    own->v[0]);
	for (i = 0; i < own->n; i++)
		check_reverse(d, own->v[i]);
}

/* "4.3.2.1.in-addr.arpa" */
static void
reverse_name(const char *address, char *name, size_t size)
{
	uint8_t b[16];
	size_t n = 0;
	int i;

	if (inet_pton(AF_INET, address, b) == 1) {
		snprintf(name, size, "%u.%u.%u.%u.in-addr.arpa", b[3], b[2],
		    b[1], b[0]);
		return;
	}
	inet_pton(AF_INET6, address, b);
	for (i = 15; i >= 0; i--)
		n += (size_t)snprintf(name + n, size - n, "%x.%x.",
		    b[i] & 15u, b[i] >> 4);
	snprintf(name + n, size - n, "ip6.arpa");
}

static void
check_reverse(struct doctor *d, const char *address)
{
	static const char advice[] = "have whoever gave you the address set "
	    "its PTR record to hostname; many hosts take no mail without";
	static struct dns_reply reply;
	char name[128], text[NS_MAXDNAME];
	size_t i;

	reverse_name(address, name, sizeof(name));
	switch (dns_ask(d->conf, name, ns_t_ptr, &reply)) {
	case DNS_RECORDS_CAME:
		for (i = 0; i < RECORDS_MAX && dns_record(&reply, ns_t_ptr, i,
		    text, sizeof(text)); i++)
			if (strcasecmp(text, d->conf->hostname) == 0) {
				doctor_say(d, FINDING_OK, address, NULL,
				    "its name is %s", text);
				return;
			}
		doctor_say(d, FINDING_WARNING, address, advice, "its PTR "
		    "record says %s, not %s", i == 0 ? "nothing" : text,
		    d->conf->hostname);
		return;
	case DNS_NOTHING:
	case DNS_NO_NAME:
		doctor_say(d, FINDING_WARNING, address, advice, "it has no PTR "
		    "record (%s)", name);
		return;
	case DNS_SILENT:
	case DNS_FAILED:
		doctor_say(d, FINDING_WARNING, address, advice, "its PTR "
		    "record cannot be looked up");
		return;
	}
}

static void
find_addresses(const struct conf *c, const char *host, struct addresses *a)
{
	static const int types[] = { ns_t_a, ns_t_aaaa };
	static struct dns_reply reply;
	size_t t, i;

	a->n = 0;
	for (t = 0; t < 2; t++) {
		a->result = dns_ask(c, host, types[t], &reply);
		for (i = 0; a->result == DNS_RECORDS_CAME &&
		    a->n < RECORDS_MAX && dns_record(&reply, types[t], i,
		    a->v[a->n], sizeof(a->v[0])); i++)
			a->n++;
	}
}

static bool
is_here(const char *address)
{
	struct ifaddrs *all = NULL, *i;
	uint8_t want[16];
	bool here = false;
	int family = strchr(address, ':') != NULL ? AF_INET6 : AF_INET;

	if (inet_pton(family, address, want) != 1 || getifaddrs(&all) == -1)
		return false;
	for (i = all; i != NULL && !here; i = i->ifa_next) {
		if (i->ifa_addr == NULL || i->ifa_addr->sa_family != family)
			continue;
		here = family == AF_INET ? memcmp(&((struct sockaddr_in *)
		    (void *)i->ifa_addr)->sin_addr, want, 4) == 0 :
		    memcmp(&((struct sockaddr_in6 *)(void *)
		    i->ifa_addr)->sin6_addr, want, 16) == 0;
	}
	freeifaddrs(all);
	return here;
}

/* ---- the domains --------------------------------------------------------- */

static void
check_domain(struct doctor *d, const char *domain,
    const struct addresses *own)
{
	static struct dns_reply reply;

	/* Mail for the host's own name finds it by its address. */
	if (strcasecmp(domain, d->conf->hostname) == 0)
		return;
	switch (dns_ask(d->conf, domain, ns_t_mx, &reply)) {
	case DNS_RECORDS_CAME:
		check_exchangers(d, domain, &reply, own);
		break;
	case DNS_NO_NAME:
		doctor_say(d, FINDING_WARNING, domain, "register it, or take "
		    "it out (`chasqui domain del`)", "the DNS has no such "
		    "domain, so nobody can send mail there");
		return;
	case DNS_NOTHING:
		doctor_say(d, FINDING_WARNING, domain, "publish `DOMAIN. MX 10 "
		    "HOSTNAME.`; `chasqui domain records` prints it",
		    "it has no MX record; mail goes to its own address, if "
		    "it has one");
		break;
	case DNS_SILENT:
	case DNS_FAILED:
		doctor_say(d, FINDING_WARNING, domain, "see who serves the "
		    "domain", "its MX records cannot be looked up");
		return;
	}
	check_policy(d, domain, "v=spf1", "SPF", "publish `DOMAIN. TXT "
	    "\"v=spf1 mx -all\"` if only this host sends its mail; without, "
	    "some will take it for forged");
}

/* One of them should be this host. */
static void
check_exchangers(struct doctor *d, const char *domain,
    const struct dns_reply *reply, const struct addresses *own)
{
	static struct addresses a;
	char text[NS_MAXDNAME + 8], first[NS_MAXDNAME + 8] = "none";
	const char *host;
	size_t i, j, k;

	for (i = 0; i < RECORDS_MAX && dns_record(reply, ns_t_mx, i, text,
	    sizeof(text)); i++) {
		host = strchr(text, ' ');
		host = host == NULL ? text : host + 1;
		if (i == 0)
			snprintf(first, sizeof(first), "%s", host);
		if (strcasecmp(host, d->conf->hostname) == 0) {
			doctor_say(d, FINDING_OK, domain, NULL, "MX %s", text);
			return;
		}
		find_addresses(d->conf, host, &a);
		for (j = 0; j < a.n; j++) {
			bool same = is_here(a.v[j]);

			for (k = 0; k < own->n && !same; k++)
				same = strcmp(a.v[j], own->v[k]) == 0;
			if (!same)
				continue;
			doctor_say(d, FINDING_OK, domain, NULL, "MX %s, which "
			    "is this host", text);
			return;
		}
	}
	doctor_say(d, FINDING_WARNING, domain, "publish `DOMAIN. MX 10 "
	    "HOSTNAME.`, or take the domain out (`chasqui domain del`)",
	    "its MX (%s) is not this host, so its mail goes elsewhere",
	    first);
}

static void
check_policy(struct doctor *d, const char *name, const char *prefix,
    const char *what, const char *advice)
{
	static struct dns_reply reply;
	char text[1024];
	size_t i;

	if (dns_ask(d->conf, name, ns_t_txt, &reply) == DNS_RECORDS_CAME)
		for (i = 0; i < RECORDS_MAX && dns_record(&reply, ns_t_txt, i,
		    text, sizeof(text)); i++)
			if (strncasecmp(text, prefix, strlen(prefix)) == 0) {
				doctor_say(d, FINDING_OK, name, NULL, "%s: %s",
				    what, text);
				return;
			}
	doctor_say(d, FINDING_NOTE, name, advice, "it has no %s record", what);
}
