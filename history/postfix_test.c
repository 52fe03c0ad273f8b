/* SPDX-License-Identifier: ISC */
/* Tests of the log in Postfix's form: each event and its lines. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "postfix.h"

#define AT	"Nov 27 20:41:34 mx postfix/"

static const struct {
	enum role	 role;
	const char	*line;
	const char	*lines;		/* what is written; "": nothing */
} cases[] = {
	{ ROLE_QMGR, "id=1a event=queued from=a@b size=99 nrcpt=2 "
	    "client=192.0.2.1 proto=ESMTPSA login=ana",
	  AT "smtpd[7]: 1a: client=unknown[192.0.2.1], sasl_username=ana\n"
	  AT "qmgr[7]: 1a: from=<a@b>, size=99, nrcpt=2 (queue active)\n" },
	{ ROLE_QMGR, "id=1a event=queued from=root@mx size=9 nrcpt=1 "
	    "client=uid=1000 proto=local",
	  AT "pickup[7]: 1a: uid=1000 from=<root@mx>\n"
	  AT "qmgr[7]: 1a: from=<root@mx>, size=9, nrcpt=1 (queue active)\n" },
	{ ROLE_QMGR, "id=1a event=queued from=\"\" size=9 nrcpt=1 client=\"\"",
	  AT "qmgr[7]: 1a: from=<>, size=9, nrcpt=1 (queue active)\n" },
	{ ROLE_SMTPD, "id=1a event=accepted from=a@b msgid=<x@y>",
	  AT "cleanup[7]: 1a: message-id=<x@y>\n" },
	{ ROLE_QMGR, "id=1a event=delivered rcpt=a@b hop=local:5 delay=1.250 "
	    "attempt=1 status=2.0.0 took=0.240 orig=all@b",
	  AT "local[7]: 1a: to=<a@b>, orig_to=<all@b>, relay=local, "
	  "delay=1.25, delays=0/1.01/0/0.24, dsn=2.0.0, status=sent "
	  "(delivered to mailbox)\n" },
	{ ROLE_QMGR, "id=1a event=relayed rcpt=a@b hop=b delay=0.009 "
	    "attempt=1 status=2.0.0 remote=mx.b[192.0.2.9]:25 code=250 "
	    "text=Ok",
	  AT "smtp[7]: 1a: to=<a@b>, relay=mx.b[192.0.2.9]:25, delay=0.00, "
	  "delays=0/0.00/0/0.00, dsn=2.0.0, status=sent (250 2.0.0 Ok)\n" },
	{ ROLE_QMGR, "id=1a event=failed rcpt=a@b hop=b delay=2.000 attempt=1 "
	    "status=5.1.1 remote=mx.b[192.0.2.9]:25 code=550 "
	    "text=who?",
	  AT "smtp[7]: 1a: to=<a@b>, relay=mx.b[192.0.2.9]:25, delay=2.00, "
	  "delays=0/2.00/0/0.00, dsn=5.1.1, status=bounced "
	  "(host mx.b[192.0.2.9]:25 said: 550 5.1.1 who?)\n" },
	{ ROLE_QMGR, "id=1a event=deferred rcpt=a@b hop=[192.0.2.9] "
	    "delay=2.000 attempt=3 status=4.4.1 text=\"no answer\"",
	  AT "smtp[7]: 1a: to=<a@b>, relay=none, delay=2.00, "
	  "delays=0/2.00/0/0.00, dsn=4.4.1, status=deferred (no answer)\n" },
	{ ROLE_QMGR, "id=1a event=removed", AT "qmgr[7]: 1a: removed\n" },
	{ ROLE_QMGR, "id=1a event=reported report=1b to=a@b",
	  AT "bounce[7]: 1a: sender notification: 1b\n" },
	{ ROLE_SMTPD, "id=1a event=refused client=192.0.2.1 stage=rcpt code=550 "
	    "enhanced=5.1.1 from=a@b to=c@d helo=h reason=\"no such user\"",
	  AT "smtpd[7]: NOQUEUE: reject: RCPT from unknown[192.0.2.1]: "
	  "550 5.1.1 <c@d>: Recipient address rejected: no such user; "
	  "from=<a@b> to=<c@d> proto=ESMTP helo=<h>\n" },
	{ ROLE_SMTPD, "event=refused client=192.0.2.1 stage=command code=500",
	  "" },
	{ ROLE_SMTPD, "event=session client=192.0.2.1 name=h.b ms=4000",
	  "Nov 27 20:41:30 mx postfix/smtpd[7]: connect from h.b[192.0.2.1]\n"
	  AT "smtpd[7]: disconnect from h.b[192.0.2.1]\n" },
	{ ROLE_AUTH, "event=login-failed client=192.0.2.1 protocol=smtp "
	    "login=ana mechanism=PLAIN reason=password name=-",
	  AT "smtpd[7]: warning: unknown[192.0.2.1]: SASL PLAIN "
	  "authentication failed: password, sasl_username=ana\n" },
	{ ROLE_AUTH, "event=login-failed client=192.0.2.1 protocol=imap", "" },
	/* Nobody speaks for another. */
	{ ROLE_SMTPD, "id=1a event=removed", "" },
	{ ROLE_SMTPD, "id=1a event=delivered rcpt=a@b", "" },
	/* What a peer has said makes no line, and no address, of its own. */
	{ ROLE_QMGR, "id=1a event=queued from=\"a>, size=1\\x0ab\" size=9 "
	    "nrcpt=1",
	  AT "qmgr[7]: 1a: from=<a?,?size=1?b>, size=9, nrcpt=1 "
	  "(queue active)\n" },
	{ ROLE_QMGR, "id=1a event=relayed rcpt=a@b hop=b delay=x status=2.0.0 "
	    "text=\"a\\x0ab\\x00\"",
	  AT "smtp[7]: 1a: to=<a@b>, relay=none, delay=0.00, "
	  "delays=0/0.00/0/0.00, dsn=2.0.0, status=sent (a b?)\n" },
};

static void
write_case(struct postfix_log *l, size_t i)
{
	char room[HISTORY_LINE_BYTES];
	struct history_event e = { .role = cases[i].role, .pid = 7,
		.time_us = INT64_C(1795812094000000) };

	history_event_parse(&e, slice_str(cases[i].line), room);
	postfix_event(l, &e);
}

static void
each_event_has_its_lines(void **state)
{
	struct postfix_log l;
	int null[2];
	size_t i;

	(void)state;
	setenv("TZ", "UTC", 1);
	tzset();
	assert_int_equal(pipe(null), 0);
	postfix_init(&l, "mx.example.org");
	postfix_log_to(&l, LOG_SINK_STREAM, null[1]);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buf_reset(&l.lines);
		write_case(&l, i);
		assert_string_equal(buf_cstr(&l.lines), cases[i].lines);
	}
	postfix_log_to(&l, LOG_SINK_STREAM, -1);
	buf_clear(&l.lines);
	close(null[0]);
}

static void
nothing_is_made_for_nobody(void **state)
{
	struct postfix_log l;

	(void)state;
	postfix_init(&l, "mx.example.org");
	write_case(&l, 0);
	assert_int_equal(l.lines.n, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_event_has_its_lines),
		cmocka_unit_test(nothing_is_made_for_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
