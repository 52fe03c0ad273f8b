/* SPDX-License-Identifier: ISC */
/* tls_test - sessions in clear that become TLS, and those that begin so. */
#include <sys/socket.h>

#include <openssl/ssl.h>

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "ev/test_keys.h"
#include "fake.h"
#include "replies.h"

#define CONF	"hostname = mx.example.org\n"				\
		"log.level = error\n"					\
		"relay_networks = 127.0.0.0/8\n"			\
		"smtp.max_message = 1M\n"				\
		"smtp.max_errors = 5\n"					\
		"smtp.greet_delay = 0s\n"				\
		"smtp.max_transactions = 5\n"
#define OFFERED		"250-mx.example.org\r\n250-PIPELINING\r\n"	\
			"250-SIZE 1048576\r\n250-8BITMIME\r\n"		\
			"250-ENHANCEDSTATUSCODES\r\n250-DSN\r\n"	\
			"250-CHUNKING\r\n250-BINARYMIME\r\n"		\
			"250-SMTPUTF8\r\n"				\
			"250-LIMITS RCPTMAX=1000 MAILMAX=5\r\n"		\
			"250-STARTTLS\r\n250 HELP\r\n"
#define READY		"220 2.0.0 Ready for TLS\r\n"
#define STRANGER	"192.0.2.7"

static struct fake f;
static struct test_key key;
static struct tls_context *server_tls;
static SSL_CTX *client_tls;

static int
sign(void *arg, uint32_t number, unsigned scheme, struct slice input,
    struct buf *out)
{
	(void)arg;
	(void)number;
	return test_key_sign(&key, scheme, input, out);
}

static struct tls_context *
tls_of(void *arg, const char *listener)
{
	(void)arg;
	assert_string_equal(listener, "test");
	return server_tls;
}

static int
set_up(void **state)
{
	static const char *const names[] = { "mx.example.org" };
	struct tls_self self = { TLS_SELF_P256, names, 1, NULL, 30 };
	struct tls_certificate certificate;
	struct tls_server_config config = { .certificates = &certificate,
		.ncertificates = 1, .sign = sign };
	struct buf why = BUF_INIT(1000);

	(void)state;
	tls_init();
	test_key_make(&key, &self);
	certificate = (struct tls_certificate){ buf_slice(&key.chain), 1 };
	server_tls = tls_server_new(&config, &why);
	assert_non_null(server_tls);
	client_tls = SSL_CTX_new(TLS_client_method());
	fake_init(&f, CONF);
	f.smtpd.tls_of = tls_of;
	f.tls = LISTENER_TLS_STARTTLS;
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	fake_clear(&f);
	tls_context_release(&server_tls);
	SSL_CTX_free(client_tls);
	test_key_clear(&key);
	return 0;
}

/* ---- the client ---------------------------------------------------------- */

static void
expect(int fd, const char *pattern)
{
	struct buf got = BUF_INIT(1000000);
	bool eof;

	fake_receive(fd, &got, &eof);
	if (!fake_matches(buf_slice(&got), pattern))
		fail_msg("heard \"%s\"", buf_cstr(&got));
	buf_clear(&got);
}

static void
say(int fd, const char *text)
{
	fake_send(&f, fd, slice_str(text), 0);
}

static SSL *
handshake(int fd)
{
	SSL *ssl = SSL_new(client_tls);
	int i, r = -1;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	SSL_set_fd(ssl, fd);
	for (i = 0; i < 10 && r != 1; i++) {
		r = SSL_connect(ssl);
		fake_settle(&f);
	}
	assert_int_equal(r, 1);
	return ssl;
}

static void
say_within(SSL *ssl, const char *text)
{
	assert_int_equal(SSL_write(ssl, text, (int)strlen(text)),
	    strlen(text));
	fake_settle(&f);
}

static void
expect_within(SSL *ssl, const char *pattern)
{
	char got[10000];
	int n, total = 0;

	while ((n = SSL_read(ssl, got + total, (int)sizeof(got) - total - 1))
	    > 0)
		total += n;
	got[total] = '\0';
	if (!fake_matches(slice_str(got), pattern))
		fail_msg("heard \"%s\" within TLS", got);
}

static void
hang_up(int fd, SSL *ssl)
{
	SSL_free(ssl);
	close(fd);
	fake_settle(&f);
}

/* ---- stories ------------------------------------------------------------- */

static void
starttls_begins_anew(void **state)
{
	int fd = fake_connect(&f, LISTENER_SMTP, STRANGER);
	SSL *ssl;

	(void)state;
	say(fd, "EHLO c\r\n");
	expect(fd, HELLO OFFERED);
	say(fd, "STARTTLS\r\n");
	expect(fd, READY);
	ssl = handshake(fd);
	/* No second greeting, and EHLO is forgotten. */
	say_within(ssl, "MAIL FROM:<a@b.example>\r\n");
	expect_within(ssl, SEQUENCE);
	say_within(ssl, "EHLO c\r\n");
	expect_within(ssl, EHLO_REPLY);
	say_within(ssl, "STARTTLS\r\n");
	expect_within(ssl, "503 5.5.1 TLS is spoken already\r\n");
	say_within(ssl, "MAIL FROM:<a@b.example>\r\n"
	    "RCPT TO:<u@example.org>\r\nDATA\r\n");
	expect_within(ssl, MAIL_OK RCPT_OK GO);
	say_within(ssl, "Subject: x\r\n\r\nhi\r\n.\r\n");
	expect_within(ssl, QUEUED);
	assert_int_equal(f.nmessages, 1);
	if (!fake_matches(f.messages[0].content,
	    "Received: from c (unknown [" STRANGER "])\r\n"
	    "\tby mx.example.org (Chasqui) with ESMTPS\r\n"
	    "\t(TLSv1.3 cipher TLS_AES_256_GCM_SHA384 bits 256) id *\r\n"
	    "\tfor <u@example.org>; *\r\nSubject: x\r\n\r\nhi\r\n"))
		fail_msg("%.*s", SLICE_ARG(f.messages[0].content));
	hang_up(fd, ssl);
}

static void
trace_names_the_protocol(void **state)
{
	int fd = fake_connect(&f, LISTENER_SMTP, STRANGER);
	SSL *ssl;

	(void)state;
	say(fd, "STARTTLS\r\n");
	expect(fd, HELLO READY);
	ssl = handshake(fd);
	say_within(ssl, "HELO c\r\nMAIL FROM:<>\r\nRCPT TO:<u@example.org>\r\n"
	    "DATA\r\n");
	say_within(ssl, "x\r\n.\r\n");
	assert_int_equal(f.nmessages, 1);
	assert_non_null(memmem(f.messages[0].content.p,
	    f.messages[0].content.n, " with SMTPS\r\n", 13));
	hang_up(fd, ssl);
}

static void
nothing_is_injected(void **state)
{
	static const char *const clients[] = { STRANGER, "127.0.0.1" };
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		int fd = fake_connect(&f, LISTENER_SMTP, clients[i]);
		SSL *ssl;

		say(fd, "EHLO c\r\n");
		expect(fd, HELLO OFFERED);
		say(fd, "STARTTLS\r\nEHLO injected\r\nMAIL FROM:<i@x.example>"
		    "\r\n");
		if (i == 0) {
			/* Others cannot know yet that it will be TLS. */
			expect(fd, "554 5.5.0 You did not wait for the reply"
			    "\r\n");
			close(fd);
			continue;
		}
		expect(fd, READY);
		ssl = handshake(fd);
		say_within(ssl, "MAIL FROM:<a@b.example>\r\n");
		expect_within(ssl, SEQUENCE);
		hang_up(fd, ssl);
	}
}

static void
implicit_tls_greets_within(void **state)
{
	int fd;
	SSL *ssl;

	(void)state;
	f.tls = LISTENER_TLS_IMPLICIT;
	fd = fake_connect(&f, LISTENER_SMTP, STRANGER);
	expect(fd, "");
	ssl = handshake(fd);
	expect_within(ssl, HELLO);
	say_within(ssl, "EHLO c\r\n");
	expect_within(ssl, EHLO_REPLY);
	hang_up(fd, ssl);
	/* Without a certificate there is nothing to say. */
	tls_context_release(&server_tls);
	fd = fake_connect(&f, LISTENER_SMTP, STRANGER);
	expect(fd, "");
	assert_int_equal(f.smtpd.nsessions, 0);
	close(fd);
}

static void
plain_text_at_an_implicit_port_ends_the_session(void **state)
{
	int fd;

	(void)state;
	f.tls = LISTENER_TLS_IMPLICIT;
	fd = fake_connect(&f, LISTENER_SMTP, STRANGER);
	say(fd, "EHLO c\r\n");
	assert_int_equal(f.smtpd.nsessions, 0);
	close(fd);
}

static void
required_means_required(void **state)
{
	static const char *const refused[] = { "MAIL FROM:<a@b.example>",
		"RCPT TO:<u@example.org>", "DATA", "AUTH PLAIN", "VRFY u" };
	int fd;
	SSL *ssl;
	size_t i;

	(void)state;
	f.tls = LISTENER_TLS_REQUIRED;
	for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		fd = fake_connect(&f, LISTENER_SMTP, STRANGER);
		say(fd, "EHLO c\r\n");
		expect(fd, HELLO OFFERED);
		say(fd, refused[i]);
		say(fd, "\r\n");
		expect(fd, "530 5.7.0 Say STARTTLS first\r\n");
		say(fd, "NOOP\r\n");
		expect(fd, OK);
		say(fd, "STARTTLS\r\n");
		expect(fd, READY);
		ssl = handshake(fd);
		say_within(ssl, "EHLO c\r\n");
		say_within(ssl, "MAIL FROM:<a@b.example>\r\n");
		expect_within(ssl, EHLO_REPLY MAIL_OK);
		hang_up(fd, ssl);
	}
}

static void
what_is_not_to_be_had_is_not_offered(void **state)
{
	int fd;

	(void)state;
	fd = fake_connect(&f, LISTENER_SMTP, STRANGER);
	say(fd, "STARTTLS now\r\n");
	expect(fd, HELLO "501 5.5.4 STARTTLS takes no parameters\r\n");
	say(fd, "EHLO c\r\n");
	expect(fd, OFFERED);
	say(fd, "MAIL FROM:<a@b.example>\r\n");
	expect(fd, MAIL_OK);
	say(fd, "STARTTLS\r\n");
	expect(fd, SEQUENCE);
	close(fd);
	tls_context_release(&server_tls);
	fd = fake_connect(&f, LISTENER_SMTP, STRANGER);
	say(fd, "EHLO c\r\n");
	expect(fd, HELLO EHLO_REPLY);
	say(fd, "STARTTLS\r\n");
	expect(fd, "454 4.7.0 TLS is not available\r\n");
	close(fd);
	f.tls = LISTENER_TLS_NONE;
	fd = fake_connect(&f, LISTENER_SMTP, STRANGER);
	say(fd, "STARTTLS\r\n");
	expect(fd, HELLO "502 5.5.1 Command not implemented\r\n");
	close(fd);
	fake_settle(&f);
}

static void
client_that_goes_in_the_handshake_leaves_nothing(void **state)
{
	int fd = fake_connect(&f, LISTENER_SMTP, STRANGER);

	(void)state;
	say(fd, "STARTTLS\r\n");
	say(fd, "\x16\x03\x01");
	assert_int_equal(f.smtpd.nsessions, 1);
	close(fd);
	fake_settle(&f);
	assert_int_equal(f.smtpd.nsessions, 0);
}

#define CASE(t)	cmocka_unit_test_setup_teardown(t, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(starttls_begins_anew),
		CASE(trace_names_the_protocol),
		CASE(nothing_is_injected),
		CASE(implicit_tls_greets_within),
		CASE(plain_text_at_an_implicit_port_ends_the_session),
		CASE(required_means_required),
		CASE(what_is_not_to_be_had_is_not_offered),
		CASE(client_that_goes_in_the_handshake_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
