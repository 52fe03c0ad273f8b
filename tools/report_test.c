/* SPDX-License-Identifier: ISC */
/*
 * report_test - what is counted, how much is remembered, and what a page makes
 * of names that somebody else has chosen.  With an argument it writes a page of
 * an invented week there, to be looked at.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/test_guard.h"
#include "report.h"

#define HOUR	(INT64_C(3600) * 1000000)
#define DAY	(24 * HOUR)
#define NOW	(INT64_C(1795800000) * 1000000)

static void
feed(struct report *r, int64_t us, enum role role, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static void
feed(struct report *r, int64_t us, enum role role, const char *fmt, ...)
{
	struct history_event e = { .time_us = us, .role = role };
	struct buf line = BUF_INIT(4096);
	char room[4096];
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&line, fmt, ap);
	va_end(ap);
	history_event_parse(&e, buf_slice(&line), room);
	assert_true(report_take(r, &e));
	buf_clear(&line);
}

static struct report *
report_of(int64_t span)
{
	struct report *r = mem_alloc(sizeof(*r));

	report_init(r, (struct history_range){ NOW - span, INT64_MAX }, 0,
	    NOW);
	return r;
}

static char *
page_of(const struct report *r)
{
	char *text;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	assert_non_null(f);
	assert_int_equal(report_write(r, "mx.example.org", NOW, f), 0);
	fclose(f);
	assert_true(strlen(text) == n);
	return text;
}

static void
events_are_counted_in_their_time(void **state)
{
	struct report *r = report_of(DAY);
	size_t last = r->nbuckets - 1;

	(void)state;
	assert_in_range(r->nbuckets, 24, REPORT_BUCKETS);
	feed(r, NOW - 1, ROLE_QMGR, "id=1 event=queued from=\"a@b\" size=1000");
	feed(r, NOW - 1, ROLE_QMGR, "id=1 event=delivered rcpt=\"x@y.example\" "
	    "hop=\"local\" delay=0.120");
	feed(r, NOW - 1, ROLE_QMGR, "id=1 event=relayed rcpt=\"x@z.example\" "
	    "hop=\"mx.z.example\" delay=12.000");
	feed(r, NOW - DAY, ROLE_QMGR, "id=2 event=deferred rcpt=\"q@z.example\""
	    " hop=\"mx.z.example\" delay=3.000");
	feed(r, NOW - DAY, ROLE_QMGR, "id=2 event=failed rcpt=\"q@z.example\" "
	    "hop=\"mx.z.example\" delay=4.000");
	/* Not theirs to say, and not of this time. */
	feed(r, NOW - 1, ROLE_SMTPD, "event=delivered rcpt=\"x@y\" hop=\"h\"");
	feed(r, NOW - 2 * DAY, ROLE_QMGR, "event=queued from=\"a@b\" size=1");
	feed(r, NOW + 5 * DAY, ROLE_QMGR, "event=queued from=\"a@b\" size=1");
	assert_int_equal(r->totals[REPORT_QUEUED], 1);
	assert_int_equal(r->totals[REPORT_DELIVERED], 1);
	assert_int_equal(r->totals[REPORT_RELAYED], 1);
	assert_int_equal(r->totals[REPORT_DEFERRED], 1);
	assert_int_equal(r->totals[REPORT_FAILED], 1);
	assert_int_equal(r->buckets[last].counts[REPORT_RELAYED], 1);
	assert_int_equal(r->bytes, 1000);
	assert_int_equal(r->took[1], 1);	/* 0.12 s */
	assert_int_equal(r->took[3], 1);	/* 12 s */
	assert_int_equal(r->hops.n, 2);
	assert_int_equal(r->domains.n, 2);
	free(r);
}

static void
quantiles_are_near_what_was_added(void **state)
{
	struct delays d = { 0 };
	int i;

	(void)state;
	assert_true(delays_quantile(&d, 0.5) == 0);
	for (i = 1; i <= 1000; i++)
		delays_add(&d, i / 100.0);
	assert_int_equal(delays_count(&d), 1000);
	assert_true(delays_quantile(&d, 0.5) >= 5 &&
	    delays_quantile(&d, 0.5) <= 5 * M_SQRT2);
	delays_add(&d, 1e12);
	assert_true(isfinite(delays_quantile(&d, 1)));
}

static void
who_comes_often_is_not_forgotten(void **state)
{
	struct top *t = mem_alloc(sizeof(*t));
	const struct top_name *list[3];
	char name[32];
	int i;

	(void)state;
	for (i = 0; i < 100000; i++) {
		snprintf(name, sizeof(name), "once%d", i);
		top_take(t, slice_str(name));
		if (i % 50 == 0)
			top_take(t, SLICE_LIT("often"));
	}
	assert_int_equal(t->n, TOP_NAMES);
	assert_int_equal(top_list(t, list, 3), 3);
	assert_slice_equal(slice_of(list[0]->name, list[0]->n_name),
	    SLICE_LIT("often"));
	assert_in_range(2000, list[0]->n - list[0]->error, list[0]->n);
	free(t);
}

static void
hostile_names_stay_text(void **state)
{
	static const char *const names[] = {
		"<script>alert(1)</script>@x", "\\x22\\x27&<img src=x>@x",
		"</style></title><svg onload=a>@x", "\\xe2\\x80\\xaeevil@x",
		"\\xff\\xfe\\xc3@x", "a\\x00b\\x1b[2J@x",
	};
	struct report *r = report_of(DAY);
	char *page;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		feed(r, NOW - HOUR, ROLE_QMGR, "event=queued from=\"%s\" "
		    "size=1", names[i]);
		feed(r, NOW - HOUR, ROLE_QMGR, "event=failed rcpt=\"%s\" "
		    "hop=\"%s\" delay=1.000", names[i], names[i]);
		feed(r, NOW - HOUR, ROLE_SMTPD, "event=refused client=%s "
		    "stage=mail code=550 enhanced=5.1.1 reason=\"%s\"",
		    "192.0.2.1", names[i]);
		feed(r, NOW - HOUR, ROLE_MASTER, "event=died role=\"%s\"",
		    names[i]);
	}
	page = page_of(r);
	assert_non_null(strstr(page, "&lt;script&gt;alert(1)&lt;/script&gt;"));
	assert_null(strstr(page, "<script"));
	assert_null(strstr(page, "<img"));
	assert_null(strstr(page, "onload=a>"));
	assert_null(strstr(page, "\xe2\x80\xae"));
	assert_null(strstr(page, "\xff"));
	assert_null(strchr(page, '\033'));
	assert_true(slice_find(slice_str(page), '\0') == strlen(page));
	free(page);
	free(r);
}

static void
nothing_makes_a_page_too(void **state)
{
	struct report *r = report_of(7 * DAY);
	char *page = page_of(r);

	(void)state;
	assert_non_null(strstr(page, "None in this time."));
	assert_null(strstr(page, "nan"));
	free(page);
	free(r);
}

static void
any_span_fits(void **state)
{
	static const int64_t spans[] = { 1, 1000000, HOUR, DAY, 30 * DAY,
		400 * DAY, 20000 * DAY };
	struct report *r;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(spans) / sizeof(spans[0]); i++) {
		r = report_of(spans[i]);
		assert_in_range(r->nbuckets, 1, REPORT_BUCKETS);
		assert_true(r->since_us <= NOW - spans[i]);
		feed(r, NOW - 1, ROLE_QMGR, "event=queued from=\"a@b\" size=1");
		if (spans[i] < 10000 * DAY)
			assert_int_equal(r->totals[REPORT_QUEUED], 1);
		free(page_of(r));
		free(r);
	}
}

/* ---- to be looked at ----------------------------------------------------- */

static void
invent_hour(struct report *r, int64_t us, unsigned n)
{
	static const char *const hops[] = { "local", "gmail-smtp-in.example",
		"mx1.provider.example", "mail.partner.example",
		"192.0.2.25:25", ("a-very-long-name-of-a-next-hop.somewhere."
		"in.a-deep.subdomain.example") };
	static const char *const reasons[] = { "550 enhanced=5.1.1 reason=\""
		"No such user here\"", "550 enhanced=5.7.1 reason=\"Relaying "
		"is not allowed\"", "451 enhanced=4.3.0 reason=\"The queue is "
		"not available, try again later\"" };
	unsigned i, h, k;

	for (i = 0; i < n; i++) {
		h = (unsigned)random() % 12 % 6;
		feed(r, us, ROLE_QMGR, "event=queued from=\"user%u@%s\" "
		    "size=%u", (unsigned)random() % 40 % 17, h % 2 ?
		    "example.org" : "newsletter.example",
		    (unsigned)random() % 60000);
		k = (unsigned)random() % 100;
		feed(r, us, ROLE_QMGR, "event=%s rcpt=\"p%u@%s\" hop=\"%s\" "
		    "delay=%u.%03u", k < 6 ? "deferred" : k < 9 ? "failed" :
		    h == 0 ? "delivered" : "relayed", k, hops[h], hops[h],
		    h == 0 ? 0 : k > 95 ? (unsigned)random() % 5000 :
		    (unsigned)random() % (1 + h * 2),
		    (unsigned)random() % 1000);
		if (k % 5 == 0)
			feed(r, us, ROLE_SMTPD, "event=refused client=203.0."
			    "113.%u stage=rcpt code=%s", k, reasons[k % 3]);
		if (k % 3 == 0)
			feed(r, us, ROLE_AUTH, "event=%s client=198.51.100.%u",
			    k % 9 ? "login" : "login-failed", k);
	}
}

static void
write_invented(const char *path)
{
	struct report *r = report_of(7 * DAY);
	FILE *f = fopen(path, "w");
	int64_t us;
	int hour;

	for (us = NOW - 7 * DAY, hour = 0; us < NOW; us += HOUR, hour++)
		invent_hour(r, us, (unsigned)(20 + 15 * sin(hour / 24.0 *
		    2 * M_PI) + (hour % 24 > 8 ? 60 : 0)));
	feed(r, NOW - 3 * DAY, ROLE_MASTER, "event=died role=smtpd index=0 "
	    "child=4711 signal=SIGSEGV");
	feed(r, NOW - 2 * DAY, ROLE_MASTER, "event=reloaded");
	feed(r, NOW - DAY, ROLE_MASTER, "event=restarting program=\"/usr/lib/"
	    "chasqui/master\"");
	if (f == NULL || report_write(r, "mx.example.org", NOW, f) == -1 ||
	    fclose(f) != 0)
		exit(1);
	free(r);
}

int
main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_are_counted_in_their_time),
		cmocka_unit_test(quantiles_are_near_what_was_added),
		cmocka_unit_test(who_comes_often_is_not_forgotten),
		cmocka_unit_test(hostile_names_stay_text),
		cmocka_unit_test(nothing_makes_a_page_too),
		cmocka_unit_test(any_span_fits),
	};

	if (argc > 1) {
		write_invented(argv[1]);
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
