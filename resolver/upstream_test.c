/* SPDX-License-Identifier: ISC */
/* libunbound in our loop, against a name server of the test's own. */
#include <sys/socket.h>

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/test_net.h"
#include "local_names.h"
#include "upstream.h"

struct fixture {
	struct ev_loop	 loop;
	struct ub_loop	 ub;
	int		 fd;		/* of the name server */
	struct ev_io	 io;
	bool		 silent;
	unsigned	 asked;
	struct upstream	*u;
	/* What came back: */
	unsigned	 answers;
	enum dns_status	 status;
	char		 text[512];
	uint32_t	 ttl;
};

/* What the name server knows; the data is that of RFC 1035, in hex-free C. */
static const struct {
	const char	*name;
	unsigned	 type;
	unsigned	 rcode;
	const char	*rdata;
	size_t		 nrdata;
	unsigned	 answer_type;
} zone[] = {
#define DATA(s)	s, sizeof(s) - 1
	{ "a.example.org", 1, 0, DATA("\300\000\002\001"), 1 },
	{ "aaaa.example.org", 28, 0,
	    DATA("\040\001\015\270\0\0\0\0\0\0\0\0\0\0\0\1"), 28 },
	{ "mx.example.org", 15, 0, DATA("\000\012\004mail\300\017"), 15 },
	{ "null.example.org", 15, 0, DATA("\000\000\000"), 15 },
	{ "txt.example.org", 16, 0, DATA("\003abc\002de"), 16 },
	{ "none.example.org", 1, 3, NULL, 0, 0 },
	{ "empty.example.org", 1, 0, NULL, 0, 0 },
	{ "broken.example.org", 1, 2, NULL, 0, 0 },
	{ "referral.example.org", 1, 0, DATA("\002ns\300\025"), 2 },
	{ "alias.test", 1, 0, DATA("\300\000\002\002"), 1 },
	{ "4.0.0.10.in-addr.arpa", 12, 0, DATA("\001p\300\014"), 12 },
#undef DATA
};
#define NZONE	(sizeof(zone) / sizeof(zone[0]))

static size_t
name_of(const unsigned char *p, char *out)
{
	size_t i = 12, n = 0;

	while (p[i] != 0) {
		if (n > 0)
			out[n++] = '.';
		memcpy(out + n, p + i + 1, p[i]);
		n += p[i];
		i += p[i] + 1u;
	}
	out[n] = '\0';
	return i + 1;
}

static void
server_ready(void *arg, int ready)
{
	struct fixture *f = arg;
	unsigned char p[1500];
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	char name[256];
	size_t end, i;
	ssize_t n;
	unsigned type, z;

	(void)ready;
	n = recvfrom(f->fd, p, 512, 0, (struct sockaddr *)&from, &len);
	if (n < 17)
		return;
	f->asked++;
	end = name_of(p, name);
	type = p[end] * 256u + p[end + 1];
	end += 4;
	p[2] = 0x81;		/* QR, RD */
	p[3] = 0x80 | 3;	/* RA; NXDOMAIN unless found */
	memset(p + 6, 0, 6);
	for (z = 0; z < NZONE; z++)
		if (strcasecmp(zone[z].name, name) == 0 &&
		    zone[z].type == type)
			break;
	if (z < NZONE) {
		p[3] = (unsigned char)(0x80 | zone[z].rcode);
		if (zone[z].rdata != NULL) {
			static const unsigned char head[] = { 0xc0, 12, 0, 0,
				0, 1, 0, 0, 0, 60, 0, 0 };

			/* NS records alone stand in the authority section. */
			p[zone[z].answer_type == 2 ? 9 : 7] = 1;
			memcpy(p + end, head, sizeof(head));
			p[end + 3] = (unsigned char)zone[z].answer_type;
			p[end + 11] = (unsigned char)zone[z].nrdata;
			end += sizeof(head);
			for (i = 0; i < zone[z].nrdata; i++)
				p[end++] = (unsigned char)zone[z].rdata[i];
		}
	}
	if (!f->silent)
		sendto(f->fd, p, end, 0, (struct sockaddr *)&from, len);
}

static void
set_up(struct fixture *f)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	struct servers servers = { .n = 0 };
	struct upstream_conf conf = { .servers = &servers,
		.cache_bytes = 1 << 20, .sockets = 64 };
	struct buf why = BUF_INIT(1000);
	socklen_t len = sizeof(sin);
	char word[40];

	need_loopback();
	memset(f, 0, sizeof(*f));
	ev_loop_init(&f->loop);
	ub_loop_init(&f->ub, &f->loop);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	f->fd = socket(AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(bind(f->fd, (struct sockaddr *)&sin, len), 0);
	getsockname(f->fd, (struct sockaddr *)&sin, &len);
	ev_io_init(&f->io, &f->loop, f->fd, server_ready, f);
	ev_io_want(&f->io, EV_WANT_READ);
	snprintf(word, sizeof(word), "127.0.0.1:%u", ntohs(sin.sin_port));
	assert_int_equal(servers_add(&servers, slice_str(word)), 0);
	f->u = upstream_new(&f->ub, &conf, &why);
	if (f->u == NULL)
		fail_msg("%s", buf_cstr(&why));
	buf_clear(&why);
}

static void
tear_down(struct fixture *f)
{
	upstream_free(&f->u);
	ev_io_clear(&f->io);
	close(f->fd);
	ev_loop_clear(&f->loop);
}

static void
answered(void *arg, const struct dns_answer *a, const char *why)
{
	struct fixture *f = arg;
	const struct dns_record *r = a->records;

	(void)why;
	f->answers++;
	f->status = a->status;
	f->ttl = a->ttl;
	f->text[0] = '\0';
	if (a->nrecords == 0)
		return;
	if (memcmp(r->address, (uint8_t[16]){ 0 }, 16) != 0)
		snprintf(f->text, sizeof(f->text), "%s",
		    dns_address_text(r->address).s);
	else
		snprintf(f->text, sizeof(f->text), "%u %.*s%.*s",
		    r->preference, SLICE_ARG(r->name), (int)r->data.n,
		    r->data.p == NULL ? "" : r->data.p);
}

static void
ask(struct fixture *f, enum dns_type type, const char *name)
{
	int64_t end = clock_mono_ms() + 20000;
	unsigned before = f->answers;

	upstream_ask(f->u, type, name, answered, f);
	while (f->answers == before && clock_mono_ms() < end)
		ev_turn(&f->loop, 100);
	assert_int_equal(f->answers, before + 1);
}

static void
questions_get_the_servers_answers(void **state)
{
	static const struct {
		const char	*name;
		enum dns_type	 type;
		enum dns_status	 status;
		const char	*text;
	} rows[] = {
		{ "a.example.org", DNS_A, DNS_OK, "192.0.2.1" },
		{ "A.Example.ORG", DNS_A, DNS_OK, "192.0.2.1" },
		{ "aaaa.example.org", DNS_AAAA, DNS_OK, "2001:db8::1" },
		{ "mx.example.org", DNS_MX, DNS_OK, "10 mail.example.org" },
		{ "null.example.org", DNS_MX, DNS_OK, "0 " },
		{ "txt.example.org", DNS_TXT, DNS_OK, "0 abcde" },
		{ "none.example.org", DNS_A, DNS_NO_NAME, "" },
		{ "empty.example.org", DNS_A, DNS_NO_DATA, "" },
		{ "broken.example.org", DNS_A, DNS_FAILED, "" },
		{ "referral.example.org", DNS_A, DNS_FAILED, "" },
		{ "alias.test", DNS_A, DNS_OK, "192.0.2.2" },
		{ "4.0.0.10.in-addr.arpa", DNS_PTR, DNS_OK,
		    "0 p.4.0.0.10.in-addr.arpa" },
	};
	struct fixture f;
	size_t i;

	(void)state;
	set_up(&f);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ask(&f, rows[i].type, rows[i].name);
		if (f.status != rows[i].status ||
		    strcmp(f.text, rows[i].text) != 0)
			fail_msg("%s: status %d, %s", rows[i].name, f.status,
			    f.text);
	}
	tear_down(&f);
}

static void
second_question_is_answered_from_the_cache(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	ask(&f, DNS_A, "a.example.org");
	assert_int_equal(f.ttl, 60);
	assert_int_equal(f.asked, 1);
	ask(&f, DNS_A, "a.example.org");
	assert_int_equal(f.asked, 1);
	tear_down(&f);
}

static void
free_with_open_questions_calls_nobody(void **state)
{
	struct fixture f;
	int i;

	(void)state;
	set_up(&f);
	f.silent = true;
	for (i = 0; i < 10; i++)
		upstream_ask(f.u, DNS_A, i % 2 ? "a.example.org" :
		    "aaaa.example.org", answered, &f);
	ev_turn(&f.loop, 50);
	tear_down(&f);
	assert_int_equal(f.answers, 0);
}

static void
localhost_needs_no_server(void **state)
{
	static const struct {
		const char	*name;
		enum dns_type	 type;
		enum dns_status	 status;	/* 0: not ours */
		const char	*text;
	} rows[] = {
		{ "localhost", DNS_A, DNS_OK, "127.0.0.1" },
		{ "LOCALHOST", DNS_AAAA, DNS_OK, "::1" },
		{ "a.b.localhost", DNS_A, DNS_OK, "127.0.0.1" },
		{ "localhost", DNS_MX, DNS_NO_DATA, "" },
		{ "1.0.0.127.in-addr.arpa", DNS_PTR, DNS_OK, "localhost" },
		{ "1.0.0.127.in-addr.arpa", DNS_A, 0, "" },
		{ "notlocalhost", DNS_A, 0, "" },
		{ "localhost.example.org", DNS_A, 0, "" },
	};
	struct dns_record r;
	struct dns_answer a;
	const char *text;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(local_names_answer(rows[i].type,
		    slice_str(rows[i].name), &a, &r), rows[i].status != 0);
		if (rows[i].status == 0)
			continue;
		assert_int_equal(a.status, rows[i].status);
		text = a.nrecords == 0 ? "" : rows[i].type == DNS_PTR ?
		    "localhost" : dns_address_text(r.address).s;
		assert_string_equal(text, rows[i].text);
	}
}

static void
server_words(void **state)
{
	static const struct {
		const char	*word;
		const char	*name;		/* NULL: refused */
	} rows[] = {
		{ "192.0.2.1", "192.0.2.1@53" },
		{ "192.0.2.1:5353", "192.0.2.1@5353" },
		{ "2001:db8::1", "2001:db8::1@53" },
		{ "[2001:db8::1]", "2001:db8::1@53" },
		{ "[2001:db8::1]:65535", "2001:db8::1@65535" },
		{ "fe80::1%eth0", "fe80::1%eth0@53" },
		{ "", NULL }, { "ns.example.org", NULL },
		{ "192.0.2.1:", NULL }, { "192.0.2.1:0", NULL },
		{ "192.0.2.1:65536", NULL }, { "[2001:db8::1", NULL },
		{ "[2001:db8::1]53", NULL }, { "192.0.2", NULL },
		{ "fe80::1%a@53", NULL }, { "[]:53", NULL },
	};
	struct servers s;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		s.n = 0;
		assert_int_equal(servers_add(&s, slice_str(rows[i].word)),
		    rows[i].name == NULL ? -1 : 0);
		if (rows[i].name != NULL)
			assert_string_equal(s.names[0], rows[i].name);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(questions_get_the_servers_answers),
		cmocka_unit_test(second_question_is_answered_from_the_cache),
		cmocka_unit_test(free_with_open_questions_calls_nobody),
		cmocka_unit_test(localhost_needs_no_server),
		cmocka_unit_test(server_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
