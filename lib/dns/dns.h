/* SPDX-License-Identifier: ISC */
/*
 * dns - questions to resolver, asked over its channel.
 *
 * Nobody but resolver parses DNS, and resolver is not trusted: what it answers
 * is checked here, cut to the limits below, and names in it that are no host
 * names never reach a caller.
 *
 * A question's callback runs exactly once, never from inside the function that
 * asked, and not at all after dns_cancel().  While the channel is down, and
 * above DNS_OPEN questions, the answer is DNS_FAILED.  What a callback is given
 * is valid until it returns.
 *
 * The daemon passes on what its channel to ROLE_RESOLVER brings:
 *
 *	channel_up	dns_up()
 *	ops.message	dns_message()
 *	ops.down	dns_down()
 */
#ifndef DNS_DNS_H
#define DNS_DNS_H

#include <netinet/in.h>

#include "ev/loop.h"
#include "ipc/channel.h"
#include "ipc/resolver.h"

#define DNS_OPEN		10000	/* questions at once */
#define DNS_RECORDS		100	/* of one answer */
#define DNS_MX_HOSTS		20
#define DNS_ADDRESSES		20	/* of one host */
#define DNS_REVERSE_NAMES	4	/* PTR names that are confirmed */
#define DNS_NAME_BYTES		253	/* in text form, without the last dot */
/* resolver answers within dns.timeout; this is for one that does not. */
#define DNS_GUARD_MS		(150 * 1000)

struct dns_query;
struct dns_question;

struct dns {
	struct ev_loop		*loop;
	struct channel		*channel;	/* borrowed; NULL: down */
	struct dns_question	**slots;	/* owned; NULL: free */
	uint32_t		 nslots;
	uint32_t		 nopen;
	uint32_t		 hint;		/* where a free slot may be */
	uint32_t		 serial;	/* tells uses of a slot apart */
	struct dns_question	*oldest;	/* that wait, in order */
	struct dns_question	*newest;
	struct ev_timer		 guard;
};

void	 dns_init(struct dns *, struct ev_loop *);
void	 dns_clear(struct dns *);	/* no question may be open any more */
void	 dns_up(struct dns *, struct channel *);
void	 dns_down(struct dns *, struct channel *);
void	 dns_message(struct dns *, struct channel *, struct message *);

struct dns_record {
	uint8_t		 address[16];	/* A (as ::ffff:a.b.c.d), AAAA */
	uint16_t	 preference;	/* MX */
	/* MX, PTR, CNAME: a host name without the last dot; empty: the root
	 * (MX only, RFC 7505). */
	struct slice	 name;
	struct slice	 data;		/* TXT: its strings joined; TLSA */
	uint8_t		 tlsa[3];	/* usage, selector, matching type */
};

struct dns_answer {
	enum dns_status	 status;
	bool		 secure;	/* DNSSEC says so */
	uint32_t	 ttl;		/* seconds */
	struct slice	 canonical;	/* the name at the end of its CNAMEs */
	const struct dns_record *records;
	size_t		 nrecords;	/* 1 or more with DNS_OK, else 0 */
};

/* The name may be UTF-8 (asked for as A-labels) and end in a dot. */
struct dns_query *dns_ask(struct dns *, enum dns_type, struct slice name,
	    void (*fn)(void *arg, const struct dns_answer *), void *arg);
/* Sets the handle to NULL; NULL is fine.  Holders set their handle to NULL in
 * the callback too. */
void	 dns_cancel(struct dns_query **);

/* ---- the hosts of a domain: RFC 5321 section 5.1 ------------------------- */

enum dns_mx_status {
	DNS_MX_FOUND = 1,	/* one host at least */
	DNS_MX_NULL = 2,	/* takes no mail: RFC 7505 */
	DNS_MX_NO_DOMAIN = 3,	/* NXDOMAIN, or not a domain name */
	DNS_MX_FAILED = 4,	/* try later */
	DNS_MX_UNUSABLE = 5,	/* there are MX records, but no host */
};

struct dns_mx_host {
	uint16_t	 preference;
	struct slice	 name;
};

struct dns_mx {
	enum dns_mx_status status;
	bool		 secure;
	bool		 implicit;	/* no MX record: the domain itself */
	uint32_t	 ttl;
	struct dns_mx_host *hosts;	/* in the order to try them */
	size_t		 nhosts;
};

/* Hosts come in order of preference, at random within one. */
struct dns_query *dns_mx(struct dns *, struct slice domain,
	    void (*fn)(void *arg, const struct dns_mx *), void *arg);

/* ---- the addresses of a host --------------------------------------------- */

enum { DNS_WANT_IPV4 = 1, DNS_WANT_IPV6 = 2 };

struct dns_addresses {
	/* DNS_OK: one at least.  DNS_FAILED only where none is known. */
	enum dns_status	 status;
	bool		 secure;	/* all that was asked for */
	uint32_t	 ttl;
	const uint8_t	(*addresses)[16]; /* IPv6 first; IPv4 mapped */
	size_t		 naddresses;
};

/* host: a name, or a literal without brackets ("192.0.2.1", "2001:db8::1"),
 * which needs no question.  A and AAAA are asked at once. */
struct dns_query *dns_addresses(struct dns *, struct slice host,
	    unsigned wants, void (*fn)(void *arg, const struct dns_addresses *),
	    void *arg);

/* ---- the name of an address ---------------------------------------------- */

/*
 * DNS_OK: name is a PTR name of the address whose own addresses contain it.
 * DNS_NO_NAME: there is no name.  DNS_NO_DATA: there is one, but it does not
 * lead back (name is it, for the log).  DNS_FAILED: not known now.
 */
struct dns_query *dns_reverse(struct dns *, const uint8_t address[16],
	    void (*fn)(void *arg, enum dns_status, struct slice name),
	    void *arg);

/* ---- smaller things ------------------------------------------------------ */

/* Letters, digits, hyphens, underscores in labels of 1 to 63, at most
 * DNS_NAME_BYTES: what may stand in a trace field or a log as it is. */
bool	 dns_is_host_name(struct slice);
/* The form that is in the DNS (RFC 5891), without a dot at the end; -1: it has
 * none, or size is too small. */
int	 dns_name_to_ascii(struct slice name, char *out, size_t size);
/* "192.0.2.1", "2001:db8::1", without brackets; IPv4 is mapped. */
bool	 dns_address_parse(struct slice, uint8_t address_r[16]);
struct dns_address_text { char s[INET6_ADDRSTRLEN]; };
struct dns_address_text dns_address_text(const uint8_t address[16]);
bool	 dns_address_is_ipv4(const uint8_t address[16]);

#endif
