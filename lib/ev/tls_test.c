/* SPDX-License-Identifier: ISC */
/*
 * tls_test - TLS streams over socket pairs: both ends are streams in one loop,
 * or one end is bytes of the test's own.
 */
#include <sys/socket.h>

#include <fcntl.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "ev/tickets.h"
#include "ev/tls_internal.h"
#include "ev/test_keys.h"

#define OUT_MAX		(4 * 1024 * 1024)
#define GOT_MAX		(16 * 1024 * 1024)
#define KEYS		5

/* ---- keys, as if in another process -------------------------------------- */

static struct test_key made[KEYS];
enum { EC_A, RSA_A, EC_B, ED_A, EC_384 };

static struct {
	bool		 gone;
	unsigned	 asked;
	unsigned	 scheme;
	char		 input[600];
	size_t		 ninput;
} keys;

static int
sign(void *arg, uint32_t key, unsigned scheme, struct slice input,
    struct buf *out)
{
	(void)arg;
	keys.asked++;
	keys.scheme = scheme;
	keys.ninput = input.n;
	memcpy(keys.input, input.p, input.n);
	return keys.gone ? -1 : test_key_sign(&made[key], scheme, input, out);
}

static void
make(int i, enum tls_self_key type, const char *name, const char *email)
{
	const char *names[] = { name, "*.wild.example" };
	struct tls_self self = { type, names, i == EC_B ? 2 : 1, email, 30 };

	test_key_make(&made[i], &self);
}

static int
make_all(void **state)
{
	(void)state;
	tls_init();
	make(EC_A, TLS_SELF_P256, "a.example", "someone@a.example");
	make(RSA_A, TLS_SELF_RSA, "a.example", NULL);
	make(EC_B, TLS_SELF_P256, "b.example", NULL);
	make(ED_A, TLS_SELF_ED25519, "e.example", NULL);
	make(EC_384, TLS_SELF_P384, "p.example", NULL);
	return 0;
}

static int
clear_all(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < KEYS; i++)
		test_key_clear(&made[i]);
	return 0;
}

/* ---- two sides ----------------------------------------------------------- */

struct side {
	struct stream	 stream;
	struct buf	 got;
	int		 secured, ends;
	enum stream_end	 end;
	bool		 starttls;	/* at the first line */
	bool		 pause;
};

static struct ev_loop loop;
static struct side server, client;
static struct tls_context *server_tls, *client_tls;
static struct ticket_memory tickets;

static void
on_input(void *arg)
{
	struct side *d = arg;
	struct slice in = stream_input(&d->stream);

	if (d->pause) {
		stream_pause(&d->stream);
		return;
	}
	if (d->starttls) {
		d->starttls = false;
		buf_add(&d->got, SLICE_LIT("STARTTLS "));
		stream_consume(&d->stream, 10);
		stream_write(&d->stream, SLICE_LIT("220 go\r\n"));
		stream_tls_accept(&d->stream, server_tls);
		assert_int_equal(stream_input(&d->stream).n, 0);
		/* This is not for the clear. */
		stream_write(&d->stream, SLICE_LIT("secret"));
		return;
	}
	buf_add(&d->got, in);
	stream_consume(&d->stream, in.n);
}

static void
on_end(void *arg, enum stream_end end)
{
	struct side *d = arg;

	d->ends++;
	d->end = end;
}

static void
on_secured(void *arg)
{
	((struct side *)arg)->secured++;
}

static const struct stream_ops ops = { on_input, NULL, NULL, on_end,
	on_secured };

static const char *server_alpn;		/* of those made from here on */

static struct tls_context *
server_with_of(size_t n, const int *which, bool only13, struct slice cas)
{
	struct tls_certificate list[KEYS];
	struct tls_server_config c = { .certificates = list,
		.ncertificates = n, .client_cas = cas,
		.ticket_keys = (const void *)&tickets,
		.ticket_bytes = sizeof(tickets), .ticket_life_ms = 60000,
		.tls13_only = only13, .name = "test", .alpn = server_alpn,
		.sign = sign };
	struct buf why = BUF_INIT(1000);
	struct tls_context *tls;
	size_t i;

	for (i = 0; i < n; i++)
		list[i] = (struct tls_certificate){
			buf_slice(&made[which[i]].chain), (uint32_t)which[i] };
	tls = tls_server_new(&c, &why);
	assert_string_equal(buf_cstr(&why), "");
	assert_non_null(tls);
	buf_clear(&why);
	return tls;
}

static struct tls_context *
server_with(size_t n, const int *which)
{
	return server_with_of(n, which, false, SLICE_EMPTY);
}

static struct tls_context *
client_with(struct slice cas)
{
	struct tls_client_config c = { cas };
	struct buf why = BUF_INIT(1000);
	struct tls_context *tls = tls_client_new(&c, &why);

	assert_non_null(tls);
	buf_clear(&why);
	return tls;
}

static int
set_up(void **state)
{
	static const int all[] = { EC_A, RSA_A, EC_B, ED_A, EC_384 };

	(void)state;
	ev_loop_init(&loop);
	memset(&keys, 0, sizeof(keys));
	memset(&tickets, 0, sizeof(tickets));
	tickets_init(&tickets);
	server_tls = server_with(KEYS, all);
	client_tls = client_with(SLICE_EMPTY);
	return 0;
}

static void
open_side(struct side *d, int fd)
{
	memset(d, 0, sizeof(*d));
	buf_init(&d->got, GOT_MAX);
	stream_open(&d->stream, &loop, fd, OUT_MAX, &ops, d);
}

static void
open_both(void)
{
	int s[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	open_side(&server, s[0]);
	open_side(&client, s[1]);
}

static void
close_side(struct side *d)
{
	stream_close(&d->stream);
	buf_clear(&d->got);
	memset(d, 0, sizeof(*d));
}

static void
close_both(void)
{
	close_side(&server);
	close_side(&client);
}

static int
tear_down(void **state)
{
	(void)state;
	close_both();
	tls_context_release(&server_tls);
	tls_context_release(&client_tls);
	ev_loop_clear(&loop);
	return 0;
}

static void
settle(void)
{
	int i;

	for (i = 0; i < 60; i++)
		ev_turn(&loop, 0);
}

static void
handshake(const struct tls_demand *demand)
{
	static const struct tls_demand none;

	open_both();
	stream_tls_accept(&server.stream, server_tls);
	stream_tls_connect(&client.stream, client_tls,
	    demand == NULL ? &none : demand);
	settle();
}

static void
assert_secured(void)
{
	assert_string_equal(stream_tls_error(&server.stream), "");
	assert_string_equal(stream_tls_error(&client.stream), "");
	assert_int_equal(server.secured, 1);
	assert_int_equal(client.secured, 1);
	assert_true(stream_is_tls(&server.stream));
	assert_true(stream_is_tls(&client.stream));
}

static void
assert_got(struct side *d, const char *text)
{
	assert_string_equal(buf_cstr(&d->got), text);
	buf_clear(&d->got);
}

static void
exchange(void)
{
	stream_write(&client.stream, SLICE_LIT("hello"));
	stream_write(&server.stream, SLICE_LIT("welcome"));
	settle();
	assert_got(&server, "hello");
	assert_got(&client, "welcome");
}

static void
only_version(struct tls_context *c, int version)
{
	SSL_CTX_set_min_proto_version(c->ssl, version);
	SSL_CTX_set_max_proto_version(c->ssl, version);
}

/* ---- handshakes ---------------------------------------------------------- */

static void
tls13_carries_bytes(void **state)
{
	const struct tls_info *info;

	(void)state;
	handshake(NULL);
	assert_secured();
	exchange();
	info = stream_tls_info(&server.stream);
	assert_string_equal(info->version, "TLSv1.3");
	assert_string_equal(info->cipher, "TLS_AES_256_GCM_SHA384");
	assert_int_equal(info->bits, 256);
	assert_false(info->resumed);
	assert_string_equal(info->sni, "");
	assert_false(info->verified);
	assert_int_equal(keys.asked, 1);
	assert_int_equal(keys.scheme, 0x0403);
	assert_memory_equal(keys.input, "                                "
	    "                                TLS 1.3, server CertificateVerify",
	    98);
	assert_int_equal(keys.ninput, 98 + 48);
}

static char chosen[32];			/* by the server, as the client hears */

static void
note_chosen(const SSL *ssl, int where, int ret)
{
	const unsigned char *p;
	unsigned n;

	(void)ret;
	if (!(where & SSL_CB_HANDSHAKE_DONE))
		return;
	SSL_get0_alpn_selected(ssl, &p, &n);
	snprintf(chosen, sizeof(chosen), "%.*s", (int)n, (const char *)p);
}

/* ALPN: RFC 7301; to be taken for another protocol's server is an attack. */
static void
protocol_that_is_not_ours_is_refused(void **state)
{
	static const struct {
		const char	*ours, *offered, *chosen; /* NULL: refused */
	} cases[] = {
		{ "imap", "", "" },
		{ "imap", "\4imap", "imap" },
		{ "imap", "\10http/1.1\4imap", "imap" },
		{ "imap", "\10http/1.1", NULL },
		{ "imap", "\4pop3", NULL },
		{ "imap", "\4IMAP\5imaps\3ima", NULL },
		{ NULL, "", "" },
		{ NULL, "\4smtp", "" },
		{ NULL, "\2h2\10http/1.1", NULL },
		{ NULL, "\4smtp\10http/1.0", NULL },
	};
	struct slice offered;
	size_t i;

	(void)state;
	SSL_CTX_set_info_callback(client_tls->ssl, note_chosen);
	for (i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		tls_context_release(&server_tls);
		server_alpn = cases[i / 2].ours;
		server_tls = server_with(1, (const int[]){ EC_A });
		server_alpn = NULL;
		offered = slice_str(cases[i / 2].offered);
		only_version(client_tls, i % 2 == 0 ? TLS1_3_VERSION :
		    TLS1_2_VERSION);
		assert_int_equal(SSL_CTX_set_alpn_protos(client_tls->ssl,
		    (const void *)offered.p, (unsigned)offered.n), 0);
		handshake(NULL);
		if (cases[i / 2].chosen == NULL) {
			assert_int_equal(server.secured, 0);
			assert_non_null(strstr(stream_tls_error(
			    &client.stream), "no application protocol"));
		} else {
			assert_secured();
			assert_string_equal(chosen, cases[i / 2].chosen);
		}
		close_both();
	}
}

static void
tls12_carries_bytes(void **state)
{
	(void)state;
	only_version(client_tls, TLS1_2_VERSION);
	handshake(NULL);
	assert_secured();
	exchange();
	assert_string_equal(stream_tls_info(&client.stream)->version,
	    "TLSv1.2");
	/* Two randoms, named_curve, the point. */
	assert_int_equal(keys.input[64], 3);
	assert_int_equal(keys.ninput, 64 + 4 + 32);
}

static void
tls11_is_refused(void **state)
{
	(void)state;
	SSL_CTX_set_security_level(client_tls->ssl, 0);
	only_version(client_tls, TLS1_1_VERSION);
	handshake(NULL);
	assert_int_equal(server.ends, 1);
	assert_int_equal(server.end, STREAM_ERROR);
	assert_int_equal(server.secured, 0);
	assert_string_not_equal(stream_tls_error(&server.stream), "");
}

static void
only_tls13_is_spoken_where_it_is_the_minimum(void **state)
{
	static const int one[] = { EC_A };

	(void)state;
	tls_context_release(&server_tls);
	server_tls = server_with_of(1, one, true, SLICE_EMPTY);
	only_version(client_tls, TLS1_2_VERSION);
	handshake(NULL);
	assert_int_equal(server.secured, 0);
	assert_int_equal(server.ends, 1);
}

static void
client_gets_the_certificate_it_can_check(void **state)
{
	static const struct {
		const char	*sigalgs;
		const char	*sni;
		int		 max;
		int		 want;
		unsigned	 scheme;
	} cases[] = {
		{ "ECDSA+SHA256", "a.example", TLS1_3_VERSION, EC_A, 0x0403 },
		{ "RSA-PSS+SHA256", "a.example", TLS1_3_VERSION, RSA_A,
		    0x0804 },
		{ "RSA-PSS+SHA384", "A.Example", TLS1_3_VERSION, RSA_A,
		    0x0805 },
		{ "RSA-PSS+SHA512", "a.example.", TLS1_2_VERSION, RSA_A,
		    0x0806 },
		{ "RSA+SHA256", "a.example", TLS1_2_VERSION, RSA_A, 0x0401 },
		{ "RSA+SHA384", "a.example", TLS1_2_VERSION, RSA_A, 0x0501 },
		{ "RSA+SHA512", "a.example", TLS1_2_VERSION, RSA_A, 0x0601 },
		{ "ed25519", "e.example", TLS1_3_VERSION, ED_A, 0x0807 },
		{ "ed25519", "e.example", TLS1_2_VERSION, ED_A, 0x0807 },
		{ "ECDSA+SHA384", "p.example", TLS1_3_VERSION, EC_384,
		    0x0503 },
		{ "ECDSA+SHA384", "p.example", TLS1_2_VERSION, EC_384,
		    0x0503 },
		{ "ECDSA+SHA256", "b.example", TLS1_3_VERSION, EC_B, 0x0403 },
		{ "ECDSA+SHA256", "x.wild.example", TLS1_3_VERSION, EC_B,
		    0x0403 },
		{ "ECDSA+SHA256", "y.x.wild.example", TLS1_3_VERSION, EC_A,
		    0x0403 },
		{ "RSA-PSS+SHA256", "unknown.example", TLS1_3_VERSION, RSA_A,
		    0x0804 },
		{ "RSA-PSS+SHA256", NULL, TLS1_3_VERSION, RSA_A, 0x0804 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tls_demand d = { .sni = cases[i].sni };

		tls_context_release(&client_tls);
		client_tls = client_with(SLICE_EMPTY);
		assert_int_equal(SSL_CTX_set1_sigalgs_list(client_tls->ssl,
		    cases[i].sigalgs), 1);
		only_version(client_tls, cases[i].max);
		handshake(&d);
		assert_secured();
		exchange();
		assert_int_equal(keys.scheme, cases[i].scheme);
		assert_memory_equal(stream_tls_info(
		    &client.stream)->peer_fingerprint,
		    made[cases[i].want].fingerprint, 32);
		assert_string_equal(stream_tls_info(&server.stream)->sni,
		    cases[i].sni == NULL ? "" : cases[i].sni);
		close_both();
	}
}

static void
without_keys_the_handshake_fails_and_the_next_may_not(void **state)
{
	int version;

	(void)state;
	for (version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		only_version(client_tls, version);
		keys.gone = true;
		handshake(NULL);
		assert_int_equal(server.ends, 1);
		assert_int_equal(server.end, STREAM_ERROR);
		assert_non_null(strstr(stream_tls_error(&server.stream),
		    "private key is not to be had"));
		assert_int_equal(client.secured, 0);
		close_both();
		keys.gone = false;
		handshake(NULL);
		assert_secured();
		close_both();
	}
}

static void
key_of_another_certificate_is_of_no_use(void **state)
{
	struct tls_certificate one = { buf_slice(&made[EC_A].chain), EC_B };
	struct tls_server_config c = { .certificates = &one,
		.ncertificates = 1, .sign = sign };
	struct buf why = BUF_INIT(1000);

	(void)state;
	tls_context_release(&server_tls);
	server_tls = tls_server_new(&c, &why);
	handshake(NULL);
	assert_int_equal(client.secured, 0);
	assert_int_equal(client.end, STREAM_ERROR);
	buf_clear(&why);
}

static void
broken_certificates_are_told(void **state)
{
	static const char *const texts[] = { "", "nonsense",
		"-----BEGIN CERTIFICATE-----\nAAAA\n"
		"-----END CERTIFICATE-----\n",
		"-----BEGIN CERTIFICATE-----\n" };
	struct tls_certificate one = { SLICE_EMPTY, 0 };
	struct tls_server_config c = { .certificates = &one,
		.ncertificates = 1, .sign = sign };
	struct buf why = BUF_INIT(1000);
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		buf_reset(&why);
		one.chain = slice_str(texts[i]);
		assert_null(tls_server_new(&c, &why));
		assert_non_null(strstr(buf_cstr(&why), "no certificate"));
	}
	buf_clear(&why);
}

/* ---- what the client demands --------------------------------------------- */

static void
client_demands_are_met_or_end_it(void **state)
{
	static const char *const a[] = { "x.example", "a.example" };
	static const char *const b[] = { "b.example" };
	const struct {
		struct tls_demand d;
		struct slice	  cas;
		bool		  good;
		const char	 *why;
	} cases[] = {
		{ { .verify = true, .names = a, .nnames = 2 },
		    buf_slice(&made[EC_A].chain), true, "" },
		{ { .verify = true, .names = b, .nnames = 1 },
		    buf_slice(&made[EC_A].chain), false,
		    "hostname mismatch" },
		{ { .verify = true, .names = a, .nnames = 2 },
		    buf_slice(&made[EC_B].chain), false,
		    "self-signed certificate" },
		{ { .fingerprints = &made[EC_A].fingerprint,
		    .nfingerprints = 1 }, SLICE_EMPTY, true, "" },
		{ { .fingerprints = &made[EC_B].fingerprint,
		    .nfingerprints = 1 }, SLICE_EMPTY, false,
		    "another fingerprint" },
		{ { .verify = true, .names = a, .nnames = 2,
		    .fingerprints = &made[EC_A].fingerprint,
		    .nfingerprints = 1 }, SLICE_EMPTY, false,
		    "self-signed certificate" },
		{ { .verify = false, .names = b, .nnames = 1 },
		    SLICE_EMPTY, true, "" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tls_demand d = cases[i].d;

		d.sni = "a.example";
		tls_context_release(&client_tls);
		client_tls = client_with(cases[i].cas);
		handshake(&d);
		assert_int_equal(client.secured, cases[i].good);
		assert_int_equal(client.ends, !cases[i].good);
		assert_non_null(strstr(stream_tls_error(&client.stream),
		    cases[i].why));
		if (cases[i].good)
			assert_int_equal(stream_tls_info(
			    &client.stream)->verified, d.verify ||
			    d.nfingerprints > 0);
		close_both();
	}
}

static void
client_certificate_is_seen_and_checked(void **state)
{
	static const int one[] = { EC_B };
	static const struct {
		int	who;
		bool	verified;
	} cases[] = { { EC_A, true }, { RSA_A, false }, { -1, false } };
	const struct tls_info *info;
	size_t i;
	int version;

	(void)state;
	tls_context_release(&server_tls);
	server_tls = server_with_of(1, one, false,
	    buf_slice(&made[EC_A].chain));
	for (i = 0; i < 6; i++) {
		int who = cases[i / 2].who;
		X509 *x;

		version = i % 2 ? TLS1_2_VERSION : TLS1_3_VERSION;
		tls_context_release(&client_tls);
		client_tls = client_with(SLICE_EMPTY);
		only_version(client_tls, version);
		if (who != -1) {
			x = test_key_certificate(&made[who]);
			assert_int_equal(SSL_CTX_use_cert_and_key(
			    client_tls->ssl, x, made[who].key, NULL, 1), 1);
			X509_free(x);
		}
		handshake(NULL);
		assert_secured();
		exchange();
		info = stream_tls_info(&server.stream);
		assert_int_equal(info->verified, cases[i / 2].verified);
		if (who == EC_A) {
			assert_true(slice_eq(info->peer_emails,
			    SLICE_LIT("someone@a.example")));
			assert_memory_equal(info->peer_fingerprint,
			    made[who].fingerprint, 32);
		}
		if (who == RSA_A)
			assert_true(slice_eq(info->peer_emails,
			    SLICE_LIT("a.example")));
		if (who == -1)
			assert_int_equal(info->peer_subject.n, 0);
		close_both();
	}
}

/* ---- sessions ------------------------------------------------------------ */

static bool
resumes(struct buf *session, const struct tls_demand *demand)
{
	struct tls_demand d = demand == NULL ? (struct tls_demand){ 0 } :
	    *demand;
	bool resumed;

	d.sni = "a.example";
	d.session = buf_slice(session);
	handshake(&d);
	resumed = client.secured && stream_tls_info(&client.stream)->resumed;
	if (client.secured) {
		assert_secured();
		exchange();
		assert_int_equal(stream_tls_info(&server.stream)->resumed,
		    resumed);
	}
	return resumed;
}

static void
ticket_is_good_in_another_process_until_its_keys_are_gone(void **state)
{
	static const int all[] = { EC_A, RSA_A };
	struct buf session = BUF_INIT(65536);
	int version, i;

	(void)state;
	for (version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		buf_reset(&session);
		only_version(client_tls, version);
		handshake(&(struct tls_demand){ .sni = "a.example" });
		exchange();
		assert_int_equal(stream_tls_session(&client.stream, &session),
		    0);
		close_both();
		/* Another worker: nothing in common but the tickets. */
		tls_context_release(&server_tls);
		server_tls = server_with(2, all);
		for (i = 0; i < TICKET_KEYS; i++) {
			keys.asked = 0;
			assert_true(resumes(&session, NULL));
			assert_int_equal(keys.asked, 0);
			close_both();
			tickets_rotate(&tickets);
		}
		assert_false(resumes(&session, NULL));
		close_both();
	}
	buf_clear(&session);
}

/* RFC 6066 section 3: whose certificate it was is not asked again. */
static void
session_is_not_resumed_under_another_name(void **state)
{
	static const int all[] = { EC_A, EC_B };
	static const struct {
		const char	*before, *after;
		bool		 resumed;
	} cases[] = {
		{ "a.example", "a.example", true },
		{ "a.example", "A.Example", true },
		{ "a.example", "b.example", false },
		{ "a.example", NULL, false },
		{ NULL, "a.example", false },
		{ NULL, NULL, true },
	};
	struct buf session = BUF_INIT(65536);
	int version;
	size_t i;

	(void)state;
	tls_context_release(&server_tls);
	server_tls = server_with(2, all);
	for (version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		only_version(client_tls, version);
		for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			struct tls_demand d = { .sni = cases[i].before };

			buf_reset(&session);
			handshake(&d);
			exchange();
			assert_int_equal(stream_tls_session(&client.stream,
			    &session), 0);
			close_both();
			d.sni = cases[i].after;
			d.session = buf_slice(&session);
			handshake(&d);
			exchange();
			assert_int_equal(
			    stream_tls_info(&server.stream)->resumed,
			    cases[i].resumed);
			close_both();
		}
	}
	buf_clear(&session);
}

static void
no_tickets_without_their_memory(void **state)
{
	struct buf session = BUF_INIT(65536);

	(void)state;
	tickets.sequence = 1;		/* the writer died at it */
	handshake(NULL);
	assert_secured();
	exchange();
	assert_int_equal(stream_tls_session(&client.stream, &session), 0);
	close_both();
	assert_false(resumes(&session, NULL));
	assert_secured();
	buf_clear(&session);
}

static void
resumed_session_must_meet_the_demand_of_now(void **state)
{
	static const char *const a[] = { "a.example" };
	static const char *const b[] = { "b.example" };
	struct tls_demand named_a = { .verify = true, .names = a,
		.nnames = 1 };
	struct tls_demand named_b = { .verify = true, .names = b,
		.nnames = 1 };
	struct tls_demand pinned_a = {
		.fingerprints = &made[EC_A].fingerprint, .nfingerprints = 1 };
	struct tls_demand pinned_b = {
		.fingerprints = &made[EC_B].fingerprint, .nfingerprints = 1 };
	struct buf session = BUF_INIT(65536);
	int i;

	(void)state;
	for (i = 0; i < 2; i++) {
		/* Opportunistic, with and without the authority at hand. */
		tls_context_release(&client_tls);
		client_tls = client_with(i == 0 ? SLICE_EMPTY :
		    buf_slice(&made[EC_A].chain));
		buf_reset(&session);
		handshake(&(struct tls_demand){ .sni = "a.example" });
		exchange();
		assert_int_equal(stream_tls_session(&client.stream, &session),
		    0);
		close_both();
		assert_int_equal(resumes(&session, &named_a), i == 1);
		close_both();
		assert_false(resumes(&session, &named_b));
		assert_int_equal(client.secured, 0);
		close_both();
		assert_true(resumes(&session, &pinned_a));
		close_both();
		assert_false(resumes(&session, &pinned_b));
		close_both();
	}
	buf_clear(&session);
}

static void
exporter_is_the_same_on_both_sides(void **state)
{
	uint8_t a[32], b[32], unique[TLS_UNIQUE_BYTES];
	int version;

	(void)state;
	for (version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		only_version(client_tls, version);
		open_both();
		assert_int_equal(stream_tls_exporter(&server.stream, a), -1);
		close_both();
		handshake(NULL);
		assert_int_equal(stream_tls_exporter(&server.stream, a), 0);
		assert_int_equal(stream_tls_exporter(&client.stream, b), 0);
		assert_memory_equal(a, b, 32);
		assert_int_equal(stream_tls_unique(&server.stream, unique),
		    version == TLS1_2_VERSION ? 0 : -1);
		close_both();
	}
}

/* ---- the change ---------------------------------------------------------- */

static void
nothing_said_in_clear_is_heard_behind_the_change(void **state)
{
	char reply[100];
	ssize_t n;

	(void)state;
	open_both();
	server.starttls = true;
	/* The client's side is the test's own until the handshake. */
	stream_write(&client.stream,
	    SLICE_LIT("STARTTLS\r\nINJECTED COMMAND\r\n"));
	stream_pause(&client.stream);
	settle();
	n = recv(client.stream.fd, reply, sizeof(reply), MSG_DONTWAIT);
	assert_int_equal(n, 8);
	assert_memory_equal(reply, "220 go\r\n", 8);
	stream_resume(&client.stream);
	stream_tls_connect(&client.stream, client_tls,
	    &(struct tls_demand){ 0 });
	settle();
	assert_secured();
	assert_got(&client, "secret");
	stream_write(&client.stream, SLICE_LIT("EHLO"));
	settle();
	assert_got(&server, "STARTTLS EHLO");
}

static void
client_forgets_what_came_in_clear(void **state)
{
	(void)state;
	open_both();
	client.pause = true;
	stream_write(&server.stream, SLICE_LIT("220 go\r\n250 INJECTED\r\n"));
	settle();
	assert_int_equal(stream_input(&client.stream).n, 22);
	client.pause = false;
	stream_resume(&client.stream);
	stream_tls_connect(&client.stream, client_tls,
	    &(struct tls_demand){ 0 });
	stream_tls_accept(&server.stream, server_tls);
	settle();
	assert_secured();
	exchange();
}

/* ---- hostile peers ------------------------------------------------------- */

static void
give(const void *bytes, size_t n)
{
	assert_int_equal(send(client.stream.fd, bytes, n, MSG_NOSIGNAL), n);
	settle();
}

static void
assert_refused(const char *why)
{
	assert_int_equal(server.ends, 1);
	assert_int_equal(server.end, STREAM_ERROR);
	assert_int_equal(server.secured, 0);
	assert_non_null(strstr(stream_tls_error(&server.stream), why));
	close_both();
}

static void
raw_client(void)
{
	open_both();
	stream_pause(&client.stream);
	stream_tls_accept(&server.stream, server_tls);
	settle();
}

static void
garbage_ends_the_handshake(void **state)
{
	static const uint8_t huge[] = { 22, 3, 1, 0, 64, 1, 1, 255, 0 };
	static const uint8_t split[] = { 22, 3, 1, 0, 1, 1, 22, 3, 1, 0, 1, 1,
		22, 3, 1, 0, 2, 255, 0 };
	uint8_t random[3000];
	size_t i;

	(void)state;
	raw_client();
	give("EHLO client.example\r\n", 21);
	assert_refused("");
	raw_client();
	give("GET / HTTP/1.0\r\n\r\n", 18);
	assert_refused("http request");
	raw_client();
	give(huge, sizeof(huge));
	assert_refused("too large");
	raw_client();
	give(split, sizeof(split));
	assert_refused("too large");
	for (i = 0; i < 200; i++) {
		size_t j, n = 1 + (size_t)rand() % sizeof(random);

		for (j = 0; j < n; j++)
			random[j] = (uint8_t)rand();
		if (i % 2)
			memcpy(random, "\x16\x03\x01\x00\xf0"
			    "\x01\x00\x00\xec\x03\x03", 11);
		raw_client();
		give(random, n);
		stream_close(&client.stream);
		settle();
		assert_int_equal(server.ends, 1);
		assert_int_equal(server.secured, 0);
		close_both();
	}
}

static void
peer_that_goes_in_the_handshake_is_told_of(void **state)
{
	(void)state;
	raw_client();
	give("\x16\x03\x01", 3);
	stream_close(&client.stream);
	settle();
	assert_refused("closed during the handshake");
	raw_client();
	stream_timeout(&server.stream, 1);
	ev_turn(&loop, 20);
	settle();
	assert_int_equal(server.ends, 1);
	assert_int_equal(server.end, STREAM_TIMEOUT);
}

/* Records without end that never make a handshake. */
static void
handshake_has_a_largest_size(void **state)
{
	static uint8_t record[5 + 16384] = { 22, 3, 3, 64, 0, 1, 0, 63, 252 };
	int i;

	(void)state;
	raw_client();
	for (i = 0; i < 8 && server.ends == 0; i++)
		give(record, sizeof(record));
	assert_int_equal(server.ends, 1);
	assert_int_equal(server.secured, 0);
}

/* Takes the client's socket away from its session. */
static int
take_socket(void)
{
	int fd = dup(client.stream.fd);

	assert_true(fd >= 0);
	return fd;
}

static void
cut_and_broken_records_end_the_stream(void **state)
{
	static const struct {
		const char	*bytes;
		size_t		 n;
		bool		 close;
		enum stream_end	 end;
	} cases[] = {
		{ "", 0, true, STREAM_EOF },	/* without close_notify */
		{ "\x17\x03\x03\x00\x40half", 9, true, STREAM_EOF },
		{ "\x17\x03\x03\x00\x13" "0123456789abcdefghi", 24, false,
		    STREAM_ERROR },
		{ "plain text\r\n", 12, false, STREAM_ERROR },
		{ "\x17\x03\x03\xff\xff", 5, false, STREAM_ERROR },
		{ "\x15\x03\x03\x00\x02\x01\x00", 7, false, STREAM_ERROR },
	};
	size_t i;
	int version, fd;

	(void)state;
	for (i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		version = i % 2 ? TLS1_2_VERSION : TLS1_3_VERSION;
		only_version(client_tls, version);
		handshake(NULL);
		assert_secured();
		exchange();
		fd = take_socket();
		stream_write(&client.stream, SLICE_LIT("last words"));
		settle();
		assert_int_equal(send(fd, cases[i / 2].bytes, cases[i / 2].n,
		    0), cases[i / 2].n);
		if (cases[i / 2].close)
			shutdown(fd, SHUT_WR);
		settle();
		assert_got(&server, "last words");
		assert_int_equal(server.ends, 1);
		assert_int_equal(server.end, cases[i / 2].end);
		close(fd);
		close_both();
	}
}

static void
close_notify_is_an_end_and_is_said(void **state)
{
	uint8_t rest[200];
	int version, fd;

	(void)state;
	for (version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		only_version(client_tls, version);
		handshake(NULL);
		exchange();
		/* The socket stays open. */
		fd = take_socket();
		stream_write(&client.stream, SLICE_LIT("quit"));
		stream_close_when_sent(&client.stream);
		settle();
		assert_int_equal(client.ends, 1);
		stream_close(&client.stream);
		settle();
		assert_got(&server, "quit");
		assert_int_equal(server.ends, 1);
		assert_int_equal(server.end, STREAM_EOF);
		stream_close(&server.stream);
		assert_true(recv(fd, rest, sizeof(rest), 0) > 0);
		close(fd);
		close_both();
	}
}

static void
peer_is_known_to_be_gone_while_paused(void **state)
{
	int version;

	(void)state;
	for (version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		only_version(client_tls, version);
		handshake(NULL);
		exchange();
		stream_pause(&server.stream);
		assert_false(stream_peer_is_gone(&server.stream));
		stream_write(&client.stream, SLICE_LIT("x"));
		settle();
		assert_false(stream_peer_is_gone(&server.stream));
		stream_resume(&server.stream);
		settle();
		assert_got(&server, "x");
		stream_pause(&server.stream);
		stream_close(&client.stream);
		settle();
		assert_true(stream_peer_is_gone(&server.stream));
		close_both();
	}
}

static int
take_any(X509_STORE_CTX *c, void *arg)
{
	(void)c;
	(void)arg;
	return 1;
}

static void
renegotiation_is_refused(void **state)
{
	SSL *ssl;
	int s[2], i, r = -1;
	unsigned asked;

	/* A client of OpenSSL's own, which may ask for it. */
	(void)state;
	only_version(client_tls, TLS1_2_VERSION);
	SSL_CTX_clear_options(client_tls->ssl, SSL_OP_NO_RENEGOTIATION);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	fcntl(s[1], F_SETFL, O_NONBLOCK);
	open_side(&server, s[0]);
	stream_tls_accept(&server.stream, server_tls);
	SSL_CTX_set_cert_verify_callback(client_tls->ssl, take_any, NULL);
	ssl = SSL_new(client_tls->ssl);
	SSL_set_fd(ssl, s[1]);
	for (i = 0; i < 10 && r != 1; i++) {
		r = SSL_connect(ssl);
		settle();
	}
	assert_int_equal(server.secured, 1);
	asked = keys.asked;
	assert_int_equal(SSL_renegotiate(ssl), 1);
	for (i = 0; i < 10; i++) {
		r = SSL_do_handshake(ssl);
		settle();
	}
	assert_int_not_equal(r, 1);
	assert_int_equal(server.secured, 1);
	assert_int_equal(keys.asked, asked);
	SSL_free(ssl);
	close(s[1]);
}

/* ---- amounts ------------------------------------------------------------- */

static void
large_amounts_pass_both_ways_in_order(void **state)
{
	static char big[3 * 1024 * 1024];
	size_t i;
	int n;

	(void)state;
	for (i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 7 + i / 4096);
	handshake(NULL);
	assert_int_equal(stream_write(&client.stream,
	    slice_of(big, sizeof(big))), 0);
	assert_int_equal(stream_write(&server.stream,
	    slice_of(big, sizeof(big))), 0);
	for (n = 0; n < 4000 && (server.got.n < sizeof(big) ||
	    client.got.n < sizeof(big)); n++)
		ev_turn(&loop, 0);
	assert_int_equal(server.got.n, sizeof(big));
	assert_memory_equal(server.got.p, big, sizeof(big));
	assert_int_equal(client.got.n, sizeof(big));
	assert_memory_equal(client.got.p, big, sizeof(big));
}

/* A peer that sends and is not read is held back, and nothing is lost. */
static void
paused_stream_loses_nothing(void **state)
{
	static char big[1024 * 1024];
	int n;

	(void)state;
	memset(big, 'x', sizeof(big));
	handshake(NULL);
	server.pause = true;
	stream_write(&client.stream, slice_of(big, sizeof(big)));
	settle();
	assert_true(stream_input(&server.stream).n > 0);
	assert_true(stream_input(&server.stream).n <= STREAM_KEEP_BYTES +
	    100 * 1024);
	server.pause = false;
	for (n = 0; n < 2000 && server.got.n < sizeof(big); n++) {
		stream_resume(&server.stream);
		ev_turn(&loop, 0);
	}
	assert_int_equal(server.got.n, sizeof(big));
}

#ifndef SANITIZED
static size_t
heap(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks;
}

static void
idle_session_is_small(void **state)
{
	enum { SESSIONS = 100 };
	static struct side many[2 * SESSIONS];
	size_t before, both;
	int i, s[2];

	(void)state;
	handshake(NULL);
	exchange();
	close_both();
	before = heap();
	for (i = 0; i < SESSIONS; i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
		open_side(&many[2 * i], s[0]);
		open_side(&many[2 * i + 1], s[1]);
		stream_tls_accept(&many[2 * i].stream, server_tls);
		stream_tls_connect(&many[2 * i + 1].stream, client_tls,
		    &(struct tls_demand){ .sni = "a.example" });
		settle();
		stream_write(&many[2 * i].stream, SLICE_LIT("hello\r\n"));
		stream_write(&many[2 * i + 1].stream, SLICE_LIT("hello\r\n"));
		settle();
		assert_int_equal(many[2 * i].got.n, 7);
		buf_clear(&many[2 * i].got);
		buf_clear(&many[2 * i + 1].got);
	}
	both = heap() - before;
	for (i = 0; i < SESSIONS; i++)
		close_side(&many[2 * i + 1]);
	print_message("a client's session %zu bytes, a server's %zu\n",
	    (both - (heap() - before)) / SESSIONS,
	    (heap() - before) / SESSIONS);
	assert_true(heap() - before < SESSIONS * 16 * 1024);
	for (i = 0; i < SESSIONS; i++)
		close_side(&many[2 * i]);
}
#endif

#define CASE(f)	cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(tls13_carries_bytes),
		CASE(protocol_that_is_not_ours_is_refused),
		CASE(tls12_carries_bytes),
		CASE(tls11_is_refused),
		CASE(only_tls13_is_spoken_where_it_is_the_minimum),
		CASE(client_gets_the_certificate_it_can_check),
		CASE(without_keys_the_handshake_fails_and_the_next_may_not),
		CASE(key_of_another_certificate_is_of_no_use),
		CASE(broken_certificates_are_told),
		CASE(client_demands_are_met_or_end_it),
		CASE(client_certificate_is_seen_and_checked),
		CASE(ticket_is_good_in_another_process_until_its_keys_are_gone),
		CASE(session_is_not_resumed_under_another_name),
		CASE(no_tickets_without_their_memory),
		CASE(resumed_session_must_meet_the_demand_of_now),
		CASE(exporter_is_the_same_on_both_sides),
		CASE(nothing_said_in_clear_is_heard_behind_the_change),
		CASE(client_forgets_what_came_in_clear),
		CASE(garbage_ends_the_handshake),
		CASE(peer_that_goes_in_the_handshake_is_told_of),
		CASE(handshake_has_a_largest_size),
		CASE(cut_and_broken_records_end_the_stream),
		CASE(close_notify_is_an_end_and_is_said),
		CASE(peer_is_known_to_be_gone_while_paused),
		CASE(renegotiation_is_refused),
		CASE(large_amounts_pass_both_ways_in_order),
		CASE(paused_stream_loses_nothing),
#ifndef SANITIZED
		CASE(idle_session_is_small),
#endif
	};

	return cmocka_run_group_tests(tests, make_all, clear_all);
}
