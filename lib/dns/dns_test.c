/* SPDX-License-Identifier: ISC */
/* The client of resolver against a resolver of the test's own, an honest one
 * and others; and the choice of MX hosts. */
#include <sys/mman.h>
#include <sys/socket.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/num.h"
#include "dns/answer.h"
#include "dns/dns.h"
#include "dns/mx.h"

static const struct message_rule rules[] = RULES_OF(RESOLVER_CLIENT);

/* What the test's resolver answers; a record is "PREFERENCE NAME", a name, an
 * address, or text. */
struct known {
	const char	*name;
	enum dns_type	 type;
	enum dns_status	 status;
	const char	*records[4];
};

struct fixture {
	struct ev_loop		 loop;
	struct dns		 dns;
	struct channel		*client;
	struct channel		*server;
	const struct known	*known;
	unsigned		 asked;
	bool			 mute;
	bool			 down;
	/* What came back: */
	unsigned		 answers;
	char			 text[1000];
};

static void
set_record(struct dns_record *r, enum dns_type type, const char *text)
{
	struct slice s = slice_str(text);
	uint64_t preference = 0;

	memset(r, 0, sizeof(*r));
	if (type == DNS_A || type == DNS_AAAA) {
		assert_true(dns_address_parse(s, r->address));
		return;
	}
	if (type == DNS_MX) {
		assert_int_equal(parse_u64(&s, &preference), PARSE_OK);
		s = slice_from(s, 1);
	}
	r->preference = (uint16_t)preference;
	r->name = s;
	r->data = s;
}

static void
server_asked(void *arg, struct channel *c, struct message *m)
{
	struct fixture *f = arg;
	struct dns_record records[4];
	struct dns_answer a = { .status = DNS_NO_NAME, .ttl = 60,
		.canonical = SLICE_EMPTY, .records = records };
	enum dns_type type = get_u16(&m->body);
	struct slice name;
	struct buf b = BUF_INIT(65536);
	const struct known *k;

	get_u8(&m->body);
	name = get_slice(&m->body, 512);
	assert_true(wire_done(&m->body));
	f->asked++;
	if (f->mute)
		return;
	for (k = f->known; k != NULL && k->name != NULL; k++) {
		if (k->type != type || !slice_eq(name, slice_str(k->name)))
			continue;
		a.status = k->status;
		while (a.nrecords < 4 && k->records[a.nrecords] != NULL) {
			set_record(&records[a.nrecords], type,
			    k->records[a.nrecords]);
			a.nrecords++;
		}
	}
	assert_int_equal(dns_answer_pack(&b, type, &a), 0);
	channel_send(c, DN_ANSWER, m->id, buf_slice(&b));
	buf_clear(&b);
}

static void
client_told(void *arg, struct channel *c, struct message *m)
{
	struct fixture *f = arg;

	dns_message(&f->dns, c, m);
}

static void
client_down(void *arg, struct channel *c)
{
	struct fixture *f = arg;

	f->down = true;
	f->client = NULL;
	dns_down(&f->dns, c);
}

static void
server_down(void *arg, struct channel *c)
{
	(void)c;
	((struct fixture *)arg)->server = NULL;
}

static void
set_up(struct fixture *f, const struct known *known)
{
	static const struct channel_ops client_ops = { client_told,
		client_down, NULL };
	static const struct channel_ops server_ops = { server_asked,
		server_down, NULL };
	int fds[2];

	memset(f, 0, sizeof(*f));
	f->known = known;
	ev_loop_init(&f->loop);
	dns_init(&f->dns, &f->loop);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	f->client = channel_new(&f->loop, fds[0], rules, ROLE_SMTPD,
	    ROLE_RESOLVER, 0, &client_ops, f);
	f->server = channel_new(&f->loop, fds[1], rules, ROLE_RESOLVER,
	    ROLE_SMTPD, 0, &server_ops, f);
	dns_up(&f->dns, f->client);
}

static void
tear_down(struct fixture *f)
{
	assert_int_equal(f->dns.nopen, 0);
	channel_free(&f->client);
	channel_free(&f->server);
	dns_clear(&f->dns);
	ev_loop_clear(&f->loop);
}

static void
wait_for_answers(struct fixture *f, unsigned n)
{
	int turns;

	for (turns = 0; f->answers < n && turns < 1000; turns++)
		ev_turn(&f->loop, 100);
	assert_int_equal(f->answers, n);
}

static void
got_answer(void *arg, const struct dns_answer *a)
{
	struct fixture *f = arg;
	size_t i;

	f->answers++;
	snprintf(f->text, sizeof(f->text), "%d", a->status);
	for (i = 0; i < a->nrecords; i++)
		snprintf(f->text + strlen(f->text), 200, " %.*s",
		    SLICE_ARG(a->records[i].name));
}

/* ---- single questions --------------------------------------------------- */

static const struct known some[] = {
	{ "example.org", DNS_MX, DNS_OK, { "10 mail.example.org" } },
	{ "bad.example.org", DNS_MX, DNS_OK,
	    { "10 ma il.example.org", "20 ok.example.org" } },
	{ "worse.example.org", DNS_PTR, DNS_OK, { "a\r\nReceived: b" } },
	{ "xn--bcher-kva.example", DNS_MX, DNS_OK, { "0 m.example" } },
	{ NULL, 0, 0, { NULL } },
};

static void
questions_get_answers(void **state)
{
	static const struct {
		const char	*name;
		enum dns_type	 type;
		const char	*text;
	} rows[] = {
		{ "example.org", DNS_MX, "1 mail.example.org" },
		{ "example.org.", DNS_MX, "1 mail.example.org" },
		{ "b\303\274cher.example", DNS_MX, "1 m.example" },
		{ "bad.example.org", DNS_MX, "1 ok.example.org" },
		{ "worse.example.org", DNS_PTR, "3" },
		{ "none.example.org", DNS_MX, "2" },
		{ "", DNS_MX, "5" },
		{ ".", DNS_MX, "5" },
		{ "a..b", DNS_MX, "5" },
		{ "a b", DNS_MX, "5" },
		{ "[192.0.2.1]", DNS_MX, "5" },
		{ "\377", DNS_MX, "5" },
		{ "a234567890123456789012345678901234567890123456789012345678"
		    "9012345.example", DNS_MX, "5" },
	};
	struct dns_query *q;
	struct fixture f;
	size_t i;

	(void)state;
	set_up(&f, some);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		f.answers = 0;
		q = dns_ask(&f.dns, rows[i].type, slice_str(rows[i].name),
		    got_answer, &f);
		assert_non_null(q);
		assert_int_equal(f.answers, 0);
		wait_for_answers(&f, 1);
		assert_string_equal(f.text, rows[i].text);
	}
	tear_down(&f);
}

static void
cancelled_question_has_no_answer(void **state)
{
	struct dns_query *q[3];
	struct fixture f;
	int i;

	(void)state;
	set_up(&f, some);
	q[0] = dns_ask(&f.dns, DNS_MX, SLICE_LIT("example.org"), got_answer,
	    &f);
	q[1] = dns_ask(&f.dns, DNS_MX, SLICE_LIT("a..b"), got_answer, &f);
	q[2] = dns_ask(&f.dns, DNS_MX, SLICE_LIT("example.org"), got_answer,
	    &f);
	dns_cancel(&q[0]);
	dns_cancel(&q[1]);
	dns_cancel(&q[0]);
	assert_null(q[0]);
	wait_for_answers(&f, 1);
	for (i = 0; i < 3; i++)
		ev_turn(&f.loop, 10);
	assert_int_equal(f.answers, 1);
	tear_down(&f);
}

static void
channel_down_fails_open_questions(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, some);
	f.mute = true;
	dns_ask(&f.dns, DNS_MX, SLICE_LIT("example.org"), got_answer, &f);
	dns_ask(&f.dns, DNS_A, SLICE_LIT("example.org"), got_answer, &f);
	while (f.asked < 2)
		ev_turn(&f.loop, 100);
	channel_free(&f.server);
	wait_for_answers(&f, 2);
	assert_string_equal(f.text, "4");
	dns_ask(&f.dns, DNS_MX, SLICE_LIT("example.org"), got_answer, &f);
	wait_for_answers(&f, 3);
	assert_string_equal(f.text, "4");
	tear_down(&f);
}

static void
question_above_the_limit_fails(void **state)
{
	struct dns_query **q = calloc(DNS_OPEN, sizeof(struct dns_query *));
	struct fixture f;
	size_t i;

	(void)state;
	set_up(&f, some);
	f.mute = true;
	for (i = 0; i < DNS_OPEN; i++)
		q[i] = dns_ask(&f.dns, DNS_MX, SLICE_LIT("example.org"),
		    got_answer, &f);
	dns_ask(&f.dns, DNS_MX, SLICE_LIT("example.org"), got_answer, &f);
	wait_for_answers(&f, 1);
	assert_string_equal(f.text, "4");
	for (i = 0; i < DNS_OPEN; i++)
		dns_cancel(&q[i]);
	free(q);
	tear_down(&f);
}

/* A resolver that lies loses its channel, and its client nothing else. */
static void
malformed_answer_fails_the_channel(void **state)
{
	struct fixture f;
	struct buf b = BUF_INIT(1000);

	(void)state;
	set_up(&f, some);
	f.mute = true;
	dns_ask(&f.dns, DNS_A, SLICE_LIT("example.org"), got_answer, &f);
	while (f.asked < 1)
		ev_turn(&f.loop, 100);
	put_u8(&b, DNS_OK);
	put_u8(&b, 0);
	put_u32(&b, 60);
	put_slice(&b, SLICE_EMPTY);
	put_u16(&b, 1);
	put_u16(&b, 1);		/* half of an address */
	channel_send(f.server, DN_ANSWER, (uint64_t)f.dns.serial << 32,
	    buf_slice(&b));
	wait_for_answers(&f, 1);
	assert_true(f.down);
	assert_string_equal(f.text, "4");
	buf_clear(&b);
	tear_down(&f);
}

/* ---- the unpacker ------------------------------------------------------- */

static void
unpacker_refuses_what_is_damaged(void **state)
{
	struct dns_record in[2], out[DNS_RECORDS];
	struct dns_answer a = { .status = DNS_OK, .ttl = 1, .nrecords = 2,
		.canonical = SLICE_LIT("example.org"), .records = in };
	struct buf b = BUF_INIT(65536);
	size_t page = (size_t)sysconf(_SC_PAGESIZE), i;
	struct dns_answer back;
	struct wire w;
	char *edge;

	(void)state;
	set_record(&in[0], DNS_MX, "10 a.example.org");
	set_record(&in[1], DNS_MX, "20 b.example.org");
	assert_int_equal(dns_answer_pack(&b, DNS_MX, &a), 0);
	edge = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mprotect(edge + page, page, PROT_NONE);
	for (i = 0; i <= b.n; i++) {
		memcpy(edge + page - i, b.p, i);
		w = wire_of(slice_of(edge + page - i, i));
		assert_int_equal(dns_answer_unpack(&w, DNS_MX, &back, out),
		    i == b.n);
	}
	assert_int_equal(back.nrecords, 2);
	assert_true(slice_eq(back.records[1].name,
	    SLICE_LIT("b.example.org")));
	buf_add_byte(&b, 0);
	w = wire_of(buf_slice(&b));
	assert_false(dns_answer_unpack(&w, DNS_MX, &back, out));
	munmap(edge, 2 * page);
	buf_clear(&b);
}

/* ---- MX ----------------------------------------------------------------- */

static void
mx_hosts_are_chosen(void **state)
{
	static const struct {
		enum dns_status	 status;
		const char	*records[4];
		enum dns_mx_status is;
		bool		 implicit;
		const char	*hosts;
	} rows[] = {
		{ DNS_OK, { "20 b", "10 a", "30 c" }, DNS_MX_FOUND, false,
		    "10 a 20 b 30 c " },
		{ DNS_OK, { "0 " }, DNS_MX_NULL, false, "" },
		{ DNS_OK, { "10 " }, DNS_MX_NULL, false, "" },
		{ DNS_OK, { "0 ", "10 a" }, DNS_MX_FOUND, false, "10 a " },
		{ DNS_OK, { "0 ", "10 " }, DNS_MX_UNUSABLE, false, "" },
		{ DNS_NO_DATA, { NULL }, DNS_MX_FOUND, true,
		    "0 example.org " },
		{ DNS_NO_NAME, { NULL }, DNS_MX_NO_DOMAIN, false, "" },
		{ DNS_INVALID, { NULL }, DNS_MX_NO_DOMAIN, false, "" },
		{ DNS_FAILED, { NULL }, DNS_MX_FAILED, false, "" },
	};
	struct dns_mx_host hosts[DNS_MX_HOSTS];
	struct dns_mx r = { .hosts = hosts };
	struct dns_record records[4];
	struct dns_answer a;
	char text[200];
	size_t i, j;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		memset(&a, 0, sizeof(a));
		a.status = rows[i].status;
		a.records = records;
		for (; rows[i].records[a.nrecords] != NULL; a.nrecords++)
			set_record(&records[a.nrecords], DNS_MX,
			    rows[i].records[a.nrecords]);
		dns_mx_choose(&a, SLICE_LIT("example.org"), &r);
		assert_int_equal(r.status, rows[i].is);
		assert_int_equal(r.implicit, rows[i].implicit);
		text[0] = '\0';
		for (j = 0; j < r.nhosts; j++)
			snprintf(text + strlen(text), 60, "%u %.*s ",
			    hosts[j].preference, SLICE_ARG(hosts[j].name));
		assert_string_equal(text, rows[i].hosts);
	}
}

static void
mx_hosts_of_one_preference_share_the_load(void **state)
{
	struct dns_mx_host hosts[DNS_MX_HOSTS];
	struct dns_mx r = { .hosts = hosts };
	struct dns_record records[4];
	struct dns_answer a = { .status = DNS_OK, .nrecords = 4,
		.records = records };
	unsigned first[3] = { 0, 0, 0 };
	int i;

	(void)state;
	set_record(&records[0], DNS_MX, "5 a");
	set_record(&records[1], DNS_MX, "5 b");
	set_record(&records[2], DNS_MX, "9 z");
	set_record(&records[3], DNS_MX, "5 c");
	for (i = 0; i < 3000; i++) {
		dns_mx_choose(&a, SLICE_LIT("example.org"), &r);
		assert_int_equal(r.nhosts, 4);
		assert_int_equal(r.hosts[3].name.p[0], 'z');
		first[r.hosts[0].name.p[0] - 'a']++;
	}
	for (i = 0; i < 3; i++)
		assert_in_range(first[i], 800, 1200);
}

static void
best_mx_hosts_stay_above_the_limit(void **state)
{
	struct dns_mx_host hosts[DNS_MX_HOSTS];
	struct dns_mx r = { .hosts = hosts };
	struct dns_record records[DNS_RECORDS];
	struct dns_answer a = { .status = DNS_OK, .nrecords = DNS_RECORDS,
		.records = records };
	size_t i;

	(void)state;
	for (i = 0; i < DNS_RECORDS; i++) {
		set_record(&records[i], DNS_MX, "0 a");
		records[i].preference = (uint16_t)(DNS_RECORDS - i);
	}
	dns_mx_choose(&a, SLICE_LIT("example.org"), &r);
	assert_int_equal(r.nhosts, DNS_MX_HOSTS);
	for (i = 0; i < DNS_MX_HOSTS; i++)
		assert_int_equal(r.hosts[i].preference, i + 1);
}

static void
got_mx(void *arg, const struct dns_mx *m)
{
	struct fixture *f = arg;
	size_t i;

	f->answers++;
	snprintf(f->text, sizeof(f->text), "%d%s", m->status,
	    m->implicit ? "i" : "");
	for (i = 0; i < m->nhosts; i++)
		snprintf(f->text + strlen(f->text), 100, " %.*s",
		    SLICE_ARG(m->hosts[i].name));
}

static void
mx_of_a_domain(void **state)
{
	static const struct known known[] = {
		{ "example.org", DNS_MX, DNS_OK, { "20 b", "10 a" } },
		{ "plain.example", DNS_MX, DNS_NO_DATA, { NULL } },
		{ NULL, 0, 0, { NULL } },
	};
	static const char *const rows[][2] = {
		{ "example.org", "1 a b" },
		{ "plain.example.", "1i plain.example" },
		{ "none.example", "3" },
		{ "a..b", "3" },
	};
	struct fixture f;
	size_t i;

	(void)state;
	set_up(&f, known);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		f.answers = 0;
		dns_mx(&f.dns, slice_str(rows[i][0]), got_mx, &f);
		wait_for_answers(&f, 1);
		assert_string_equal(f.text, rows[i][1]);
	}
	tear_down(&f);
}

/* ---- addresses and names ------------------------------------------------ */

static const struct known hosts[] = {
	{ "both.example", DNS_A, DNS_OK, { "192.0.2.1", "192.0.2.2" } },
	{ "both.example", DNS_AAAA, DNS_OK, { "2001:db8::1" } },
	{ "four.example", DNS_A, DNS_OK, { "192.0.2.1" } },
	{ "four.example", DNS_AAAA, DNS_NO_DATA, { NULL } },
	{ "half.example", DNS_A, DNS_OK, { "192.0.2.1" } },
	{ "half.example", DNS_AAAA, DNS_FAILED, { NULL } },
	{ "bare.example", DNS_A, DNS_NO_DATA, { NULL } },
	{ "bare.example", DNS_AAAA, DNS_NO_DATA, { NULL } },
	{ "down.example", DNS_A, DNS_NO_DATA, { NULL } },
	{ "down.example", DNS_AAAA, DNS_FAILED, { NULL } },
	{ "1.2.0.192.in-addr.arpa", DNS_PTR, DNS_OK, { "liar.example",
	    "both.example" } },
	{ "2.2.0.192.in-addr.arpa", DNS_PTR, DNS_OK, { "four.example" } },
	{ "3.2.0.192.in-addr.arpa", DNS_PTR, DNS_FAILED, { NULL } },
	{ "4.2.0.192.in-addr.arpa", DNS_PTR, DNS_OK, { "bad name" } },
	{ "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2"
	    ".ip6.arpa", DNS_PTR, DNS_OK, { "both.example" } },
	{ "2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2"
	    ".ip6.arpa", DNS_PTR, DNS_OK, { "down.example" } },
	{ NULL, 0, 0, { NULL } },
};

static void
got_addresses(void *arg, const struct dns_addresses *a)
{
	struct fixture *f = arg;
	size_t i;

	f->answers++;
	snprintf(f->text, sizeof(f->text), "%d", a->status);
	for (i = 0; i < a->naddresses; i++)
		snprintf(f->text + strlen(f->text), 100, " %s",
		    dns_address_text(a->addresses[i]).s);
}

static void
addresses_of_a_host(void **state)
{
	static const struct {
		const char	*host;
		unsigned	 wants;
		const char	*text;
	} rows[] = {
		{ "both.example", 3, "1 2001:db8::1 192.0.2.1 192.0.2.2" },
		{ "both.example", DNS_WANT_IPV4, "1 192.0.2.1 192.0.2.2" },
		{ "both.example", DNS_WANT_IPV6, "1 2001:db8::1" },
		{ "both.example", 0, "3" },
		{ "four.example", 3, "1 192.0.2.1" },
		{ "four.example", DNS_WANT_IPV6, "3" },
		{ "half.example", 3, "1 192.0.2.1" },
		{ "bare.example", 3, "3" },
		{ "down.example", 3, "4" },
		{ "none.example", 3, "2" },
		{ "192.0.2.9", 3, "1 192.0.2.9" },
		{ "192.0.2.9", DNS_WANT_IPV6, "3" },
		{ "2001:db8::9", 3, "1 2001:db8::9" },
	};
	struct fixture f;
	size_t i;

	(void)state;
	set_up(&f, hosts);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		f.answers = 0;
		dns_addresses(&f.dns, slice_str(rows[i].host), rows[i].wants,
		    got_addresses, &f);
		assert_int_equal(f.answers, 0);
		wait_for_answers(&f, 1);
		assert_string_equal(f.text, rows[i].text);
	}
	tear_down(&f);
}

static void
got_name(void *arg, enum dns_status status, struct slice name)
{
	struct fixture *f = arg;

	f->answers++;
	snprintf(f->text, sizeof(f->text), "%d %.*s", status, SLICE_ARG(name));
}

static void
name_of_an_address_leads_back_to_it(void **state)
{
	static const char *const rows[][2] = {
		{ "192.0.2.1", "1 both.example" },
		{ "192.0.2.2", "3 four.example" },
		{ "192.0.2.3", "4 " },
		{ "192.0.2.4", "2 " },
		{ "192.0.2.5", "2 " },
		{ "2001:db8::1", "1 both.example" },
		{ "2001:db8::2", "4 down.example" },
	};
	uint8_t address[16];
	struct fixture f;
	size_t i;

	(void)state;
	set_up(&f, hosts);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		f.answers = 0;
		assert_true(dns_address_parse(slice_str(rows[i][0]),
		    address));
		dns_reverse(&f.dns, address, got_name, &f);
		wait_for_answers(&f, 1);
		assert_string_equal(f.text, rows[i][1]);
	}
	tear_down(&f);
}

static void
composite_questions_can_be_cancelled(void **state)
{
	struct dns_query *q[4];
	uint8_t address[16] = { 0 };
	struct fixture f;

	(void)state;
	set_up(&f, hosts);
	q[0] = dns_mx(&f.dns, SLICE_LIT("example.org"), got_mx, &f);
	q[1] = dns_addresses(&f.dns, SLICE_LIT("both.example"), 3,
	    got_addresses, &f);
	q[2] = dns_reverse(&f.dns, address, got_name, &f);
	q[3] = dns_addresses(&f.dns, SLICE_LIT("::1"), 3, got_addresses, &f);
	dns_cancel(&q[0]);
	dns_cancel(&q[1]);
	dns_cancel(&q[2]);
	dns_cancel(&q[3]);
	while (f.asked < 4)
		ev_turn(&f.loop, 100);
	ev_turn(&f.loop, 10);
	assert_int_equal(f.answers, 0);
	tear_down(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(questions_get_answers),
		cmocka_unit_test(cancelled_question_has_no_answer),
		cmocka_unit_test(channel_down_fails_open_questions),
		cmocka_unit_test(question_above_the_limit_fails),
		cmocka_unit_test(malformed_answer_fails_the_channel),
		cmocka_unit_test(unpacker_refuses_what_is_damaged),
		cmocka_unit_test(mx_hosts_are_chosen),
		cmocka_unit_test(mx_hosts_of_one_preference_share_the_load),
		cmocka_unit_test(best_mx_hosts_stay_above_the_limit),
		cmocka_unit_test(mx_of_a_domain),
		cmocka_unit_test(addresses_of_a_host),
		cmocka_unit_test(name_of_an_address_leads_back_to_it),
		cmocka_unit_test(composite_questions_can_be_cancelled),
	};

	log_open("dns_test", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
