/* SPDX-License-Identifier: ISC */
/*
 * doctor_ask - see doctor_ask.h.  libc makes the question and takes the answer
 * apart; the way to the servers is ours, since libc's knows no ports.
 */
#include <sys/socket.h>

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netinet/in.h>

#include <poll.h>
#include <resolv.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "doctor_ask.h"
#include "mail/address.h"

#define TRIES		2
#define WAIT_MS		2500	/* for a server, each time */

static bool	 server_address(const char *text, struct sockaddr_storage *,
		    socklen_t *);
static bool	 ask_server(const struct sockaddr_storage *, socklen_t,
		    const uint8_t *question, size_t n, struct dns_reply *);
static bool	 ask_by_tcp(const struct sockaddr_storage *, socklen_t,
		    const uint8_t *question, size_t n, struct dns_reply *);
static bool	 is_reply_to(const struct dns_reply *, const uint8_t *question);

enum dns_result
dns_ask(const struct conf *c, const char *name, int type,
    struct dns_reply *reply)
{
	static const uint8_t wants_recursion = 0x01;
	uint8_t question[512];
	struct buf ascii = BUF_INIT(NS_MAXDNAME);
	struct sockaddr_storage ss;
	socklen_t len;
	bool heard = false;
	size_t i;
	int n = -1;

	if (domain_canonical(&ascii, slice_str(name)) == 0)
		n = res_mkquery(QUERY, buf_cstr(&ascii), C_IN, type, NULL, 0,
		    NULL, question, sizeof(question));
	buf_clear(&ascii);
	if (n < NS_HFIXEDSZ)
		return DNS_NO_NAME;
	question[2] |= wants_recursion;
	for (i = 0; i < TRIES * c->dns_servers.n; i++) {
		if (!server_address(c->dns_servers.v[i % c->dns_servers.n],
		    &ss, &len) || !ask_server(&ss, len, question, (size_t)n,
		    reply))
			continue;
		heard = true;
		switch (reply->bytes[3] & 15) {
		case ns_r_noerror:
			return reply->bytes[6] == 0 && reply->bytes[7] == 0 ?
			    DNS_NOTHING : DNS_RECORDS_CAME;
		case ns_r_nxdomain:
			return DNS_NO_NAME;
		}
	}
	return heard ? DNS_FAILED : DNS_SILENT;
}

/* ADDRESS, ADDRESS:PORT, [v6]:PORT. */
static bool
server_address(const char *text, struct sockaddr_storage *ss, socklen_t *n_r)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ss;
	struct conf_endpoint e = { .kind = ENDPOINT_IPV6, .port = 53 };

	/* One form for both families: IPv4 is mapped. */
	if (!conf_ip_parse(slice_str(text), e.addr) &&
	    (!conf_endpoint_parse(text, &e) || e.kind == ENDPOINT_UNIX))
		return false;
	memset(ss, 0, sizeof(*ss));
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(e.port);
	memcpy(&in6->sin6_addr, e.addr, 16);
	*n_r = sizeof(*in6);
	if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
		struct sockaddr_in in = { .sin_family = AF_INET,
			.sin_port = htons(e.port) };

		memcpy(&in.sin_addr, e.addr + 12, 4);
		memset(ss, 0, sizeof(*ss));
		memcpy(ss, &in, sizeof(in));
		*n_r = sizeof(in);
	}
	return true;
}

static bool
ask_server(const struct sockaddr_storage *ss, socklen_t len,
    const uint8_t *question, size_t n, struct dns_reply *reply)
{
	struct pollfd p = { .events = POLLIN };
	bool came = false, cut = false;
	ssize_t got;

	p.fd = socket(ss->ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (p.fd == -1)
		return false;
	/* Connected, so that only this server's answers are heard. */
	if (connect(p.fd, (const struct sockaddr *)ss, len) == 0 &&
	    send(p.fd, question, n, 0) == (ssize_t)n)
		while (!came && poll(&p, 1, WAIT_MS) == 1) {
			got = recv(p.fd, reply->bytes, sizeof(reply->bytes),
			    0);
			if (got < 0)
				break;
			reply->n = (size_t)got;
			came = is_reply_to(reply, question);
		}
	close(p.fd);
	cut = came && (reply->bytes[2] & 0x02) != 0;
	return cut ? ask_by_tcp(ss, len, question, n, reply) : came;
}

static bool
read_whole(int fd, uint8_t *to, size_t n)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t got;

	while (n > 0) {
		if (poll(&p, 1, WAIT_MS) != 1)
			return false;
		got = read(fd, to, n);
		if (got <= 0)
			return false;
		to += got;
		n -= (size_t)got;
	}
	return true;
}

static bool
ask_by_tcp(const struct sockaddr_storage *ss, socklen_t len,
    const uint8_t *question, size_t n, struct dns_reply *reply)
{
	struct timeval wait = { 2, 0 };
	uint8_t head[2] = { (uint8_t)(n >> 8), (uint8_t)n };
	int fd = socket(ss->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool ok;

	if (fd == -1)
		return false;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	ok = connect(fd, (const struct sockaddr *)ss, len) == 0 &&
	    write(fd, head, 2) == 2 && write(fd, question, n) == (ssize_t)n &&
	    read_whole(fd, head, 2);
	reply->n = ok ? (size_t)head[0] << 8 | head[1] : 0;
	ok = ok && read_whole(fd, reply->bytes, reply->n) &&
	    is_reply_to(reply, question);
	close(fd);
	return ok;
}

static bool
is_reply_to(const struct dns_reply *r, const uint8_t *question)
{
	return r->n >= NS_HFIXEDSZ && memcmp(r->bytes, question, 2) == 0 &&
	    (r->bytes[2] & 0x80) != 0;
}

/* ---- records ------------------------------------------------------------- */

static bool
name_at(const ns_msg *m, const uint8_t *at, char *text, size_t size)
{
	char name[NS_MAXDNAME];

	if (ns_name_uncompress(ns_msg_base(*m), ns_msg_end(*m), at, name,
	    sizeof(name)) == -1)
		return false;
	snprintf(text, size, "%s", name);
	return true;
}

/* The strings of a TXT record, joined. */
static void
txt_text(const uint8_t *p, size_t n, char *text, size_t size)
{
	size_t used = 0, i = 0, end;

	while (i < n) {
		end = i + 1 + p[i];
		for (i++; i < end && i < n && used + 1 < size; i++)
			text[used++] = p[i] >= ' ' && p[i] <= '~' ?
			    (char)p[i] : '?';
		i = end;
	}
	text[used] = '\0';
}

static bool
record_text(const ns_msg *m, const ns_rr *rr, char *text, size_t size)
{
	const uint8_t *p = ns_rr_rdata(*rr);
	size_t n = ns_rr_rdlen(*rr);
	char host[NS_MAXDNAME];

	switch ((int)ns_rr_type(*rr)) {
	case ns_t_a:
		return n == 4 && inet_ntop(AF_INET, p, text,
		    (socklen_t)size) != NULL;
	case ns_t_aaaa:
		return n == 16 && inet_ntop(AF_INET6, p, text,
		    (socklen_t)size) != NULL;
	case ns_t_ptr:
		return name_at(m, p, text, size);
	case ns_t_mx:
		if (n < 3 || !name_at(m, p + 2, host, sizeof(host)))
			return false;
		snprintf(text, size, "%u %s", ns_get16(p), host);
		return true;
	case ns_t_txt:
		txt_text(p, n, text, size);
		return true;
	default:
		text[0] = '\0';
		return true;
	}
}

bool
dns_record(const struct dns_reply *r, int type, size_t i, char *text,
    size_t size)
{
	ns_msg m;
	ns_rr rr;
	int k;

	if (ns_initparse(r->bytes, (int)r->n, &m) == -1)
		return false;
	for (k = 0; k < ns_msg_count(m, ns_s_an); k++) {
		if (ns_parserr(&m, ns_s_an, k, &rr) == -1)
			return false;
		if ((int)ns_rr_type(rr) != type || i-- > 0)
			continue;
		return record_text(&m, &rr, text, size);
	}
	return false;
}
