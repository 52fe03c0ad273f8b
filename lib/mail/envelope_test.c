/* SPDX-License-Identifier: ISC */
/*
 * envelope_test - packed envelopes, outcomes and drop files: what is packed
 * comes back, no cut or changed byte does harm, and values that may not be are
 * refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/num.h"
#include "base/test_guard.h"
#include "mail/dropfile.h"
#include "mail/outcome.h"

static struct recipient two[] = {
	{ SLICE_LIT("a@b"), SLICE_LIT("rfc822;A@b"), NOTIFY_NEVER },
	{ SLICE_LIT("c@d"), SLICE_LIT(""), NOTIFY_SUCCESS | NOTIFY_DELAY },
};

static const struct envelope sample = {
	.reverse_path = SLICE_LIT("s@example.org"),
	.envid = SLICE_LIT("id 1"),
	.ret = RET_HDRS,
	.body = BODY_BINARYMIME,
	.smtputf8 = true,
	.arrived_ms = 1795376280000,
	.client = SLICE_LIT("192.0.2.1"),
	.helo = SLICE_LIT("h"),
	.protocol = SLICE_LIT("ESMTP"),
	.recipients = two,
	.nrecipients = 2,
};

static void
envelope_there_and_back(void **state)
{
	struct buf b = BUF_INIT(1000);
	struct arena a = ARENA_INIT(1000);
	struct envelope e;
	struct wire w;
	size_t i;

	(void)state;
	assert_int_equal(envelope_pack(&b, &sample), 0);
	w = wire_of(buf_slice(&b));
	assert_true(envelope_unpack(&w, &a, &e));
	assert_true(wire_done(&w));
	assert_slice_equal(e.reverse_path, sample.reverse_path);
	assert_slice_equal(e.envid, sample.envid);
	assert_slice_equal(e.client, sample.client);
	assert_slice_equal(e.helo, sample.helo);
	assert_slice_equal(e.protocol, sample.protocol);
	assert_int_equal(e.ret, sample.ret);
	assert_int_equal(e.body, sample.body);
	assert_true(e.smtputf8);
	assert_int_equal(e.arrived_ms, sample.arrived_ms);
	assert_int_equal(e.nrecipients, 2);
	for (i = 0; i < 2; i++) {
		assert_slice_equal(e.recipients[i].address, two[i].address);
		assert_slice_equal(e.recipients[i].orcpt, two[i].orcpt);
		assert_int_equal(e.recipients[i].notify, two[i].notify);
	}
	arena_clear(&a);
	buf_clear(&b);
}

static void
envelope_over_ceiling_leaves_the_buf_as_it_was(void **state)
{
	size_t max;

	(void)state;
	for (max = 3; max < 100; max++) {
		struct buf b = BUF_INIT(max);

		buf_add_str(&b, "abc");
		assert_int_equal(envelope_pack(&b, &sample), -1);
		assert_slice_equal(buf_slice(&b), SLICE_LIT("abc"));
		buf_clear(&b);
	}
}

/* Every cut is refused; every changed byte is refused or read as something,
 * within bounds. */
static void
envelope_damaged(void **state)
{
	struct buf b = BUF_INIT(1000);
	struct arena a = ARENA_INIT(100000);
	struct envelope e;
	struct guard g;
	struct slice s;
	struct wire w;
	size_t i, v;
	char was;

	(void)state;
	guard_init(&g, 1000);
	envelope_pack(&b, &sample);
	for (i = 0; i < b.n; i++) {
		w = wire_of(guard_copy(&g, slice_first(buf_slice(&b), i)));
		assert_false(envelope_unpack(&w, &a, &e));
		was = b.p[i];
		for (v = 0; v < 256; v += 5) {
			b.p[i] = (char)v;
			s = guard_copy(&g, buf_slice(&b));
			w = wire_of(s);
			envelope_unpack(&w, &a, &e);
			arena_clear(&a);
		}
		b.p[i] = was;
	}
	guard_clear(&g);
	buf_clear(&b);
	arena_clear(&a);
}

static bool
is_accepted(const struct envelope *e)
{
	struct buf b = BUF_INIT(200000);
	struct arena a = ARENA_INIT(100000);
	struct envelope got;
	struct wire w;
	bool ok;

	assert_int_equal(envelope_pack(&b, e), 0);
	w = wire_of(buf_slice(&b));
	ok = envelope_unpack(&w, &a, &got);
	buf_clear(&b);
	arena_clear(&a);
	return ok;
}

static void
envelope_with_bad_values(void **state)
{
	static char long_path[ADDRESS_BYTES + 1];
	struct recipient r = two[0];
	struct envelope e = sample;

	(void)state;
	memset(long_path, 'a', sizeof(long_path));
	e.recipients = &r;
	e.nrecipients = 1;
	assert_true(is_accepted(&e));
	e.reverse_path = slice_of(long_path, ADDRESS_BYTES);
	assert_true(is_accepted(&e));
	e.reverse_path = slice_of(long_path, ADDRESS_BYTES + 1);
	assert_false(is_accepted(&e));
	e.reverse_path = SLICE_LIT("a\r\nRCPT TO:<b>");
	assert_false(is_accepted(&e));
	e = sample;
	e.ret = (enum dsn_ret)3;
	assert_false(is_accepted(&e));
	e = sample;
	e.body = (enum body_type)3;
	assert_false(is_accepted(&e));
	e = sample;
	e.recipients = &r;
	e.nrecipients = 1;
	r.notify = NOTIFY_NEVER | NOTIFY_DELAY;
	assert_false(is_accepted(&e));
	r.notify = 16;
	assert_false(is_accepted(&e));
	r.notify = 0;
	assert_true(is_accepted(&e));
	r.address = SLICE_EMPTY;
	assert_false(is_accepted(&e));
	r.address = slice_of("a\0b", 3);
	assert_false(is_accepted(&e));
	r = two[0];
	r.orcpt = SLICE_LIT("rfc822;\n");
	assert_false(is_accepted(&e));
}

/* As they were before there were extras: what is in queues stays readable. */
static void
envelopes_of_the_first_version(void **state)
{
	static const uint8_t bytes[] = {
		1, 3, 0, 0, 0, 'a', '@', 'b', 0, 0, 0, 0, 1, 1, 0,
		0x40, 0xe2, 0x01, 0, 0, 0, 0, 0,
		9, 0, 0, 0, '1', '9', '2', '.', '0', '.', '2', '.', '1',
		1, 0, 0, 0, 'h', 5, 0, 0, 0, 'E', 'S', 'M', 'T', 'P',
		1, 0, 0, 0, 3, 0, 0, 0, 'c', '@', 'd', 0, 0, 0, 0, 4,
	};
	struct arena a = ARENA_INIT(1000);
	struct buf b = BUF_INIT(1000);
	struct envelope e;
	struct wire w = wire_of(slice_of(bytes, sizeof(bytes)));

	(void)state;
	assert_true(envelope_unpack(&w, &a, &e));
	assert_true(wire_done(&w));
	assert_slice_equal(e.reverse_path, SLICE_LIT("a@b"));
	assert_int_equal(e.arrived_ms, 123456);
	assert_slice_equal(e.recipients[0].address, SLICE_LIT("c@d"));
	assert_int_equal(e.recipients[0].notify, NOTIFY_FAILURE);
	assert_true(extras_are_empty(&e.extras));
	/* And one without extras is written like that still. */
	assert_int_equal(envelope_pack(&b, &e), 0);
	assert_slice_equal(buf_slice(&b), slice_of(bytes, sizeof(bytes)));
	buf_clear(&b);
	arena_clear(&a);
}

static void
extras_there_and_back(void **state)
{
	static const struct envelope_extras rows[] = {
		{ .login = SLICE_LIT("joe@example.org") },
		{ .auth = SLICE_LIT("<>") },
		{ .hold_ms = 1795376280000 },
		{ .by_mode = BY_RETURN, .by_ms = 1795376280000 },
		{ .by_mode = BY_NOTIFY, .by_ms = 1, .by_trace = true },
		{ .priority = PRIORITY_LEAST },
		{ .priority = PRIORITY_MOST },
		{ .require_tls = true },
		{ SLICE_LIT("l"), SLICE_LIT("a@b"), 5, 6, BY_NOTIFY, true,
		    true, -3 },
	};
	struct arena a = ARENA_INIT(1000000);
	struct buf b = BUF_INIT(1000);
	struct envelope e, got;
	struct wire w;
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		e = sample;
		e.extras = rows[i];
		buf_reset(&b);
		assert_int_equal(envelope_pack(&b, &e), 0);
		w = wire_of(buf_slice(&b));
		assert_true(envelope_unpack(&w, &a, &got));
		assert_true(wire_done(&w));
		assert_slice_equal(got.extras.login, rows[i].login.n == 0 ?
		    SLICE_EMPTY : rows[i].login);
		assert_slice_equal(got.extras.auth, rows[i].auth.n == 0 ?
		    SLICE_EMPTY : rows[i].auth);
		assert_int_equal(got.extras.hold_ms, rows[i].hold_ms);
		assert_int_equal(got.extras.by_ms, rows[i].by_ms);
		assert_int_equal(got.extras.by_mode, rows[i].by_mode);
		assert_int_equal(got.extras.by_trace, rows[i].by_trace);
		assert_int_equal(got.extras.require_tls, rows[i].require_tls);
		assert_int_equal(got.extras.priority, rows[i].priority);
		assert_slice_equal(got.recipients[1].address, two[1].address);
		for (n = 0; n < b.n; n++) {
			w = wire_of(slice_first(buf_slice(&b), n));
			assert_false(envelope_unpack(&w, &a, &got));
		}
	}
	buf_clear(&b);
	arena_clear(&a);
}

static void
extras_with_bad_values(void **state)
{
	static char long_login[LOGIN_NAME_BYTES + 1];
	struct arena a = ARENA_INIT(10000);
	struct buf b = BUF_INIT(1000);
	struct envelope e = sample, got;
	struct wire w;

	(void)state;
	memset(long_login, 'a', sizeof(long_login));
	e.extras.login = slice_of(long_login, LOGIN_NAME_BYTES);
	assert_true(is_accepted(&e));
	e.extras.login = slice_of(long_login, LOGIN_NAME_BYTES + 1);
	assert_false(is_accepted(&e));
	e.extras.login = SLICE_LIT("a\nb");
	assert_false(is_accepted(&e));
	e.extras = (struct envelope_extras){ .priority = 10 };
	assert_false(is_accepted(&e));
	e.extras = (struct envelope_extras){ .priority = -10 };
	assert_false(is_accepted(&e));
	e.extras = (struct envelope_extras){ .by_mode = (enum by_mode)3 };
	assert_false(is_accepted(&e));
	e.extras = (struct envelope_extras){ .by_ms = 1, .priority = 1 };
	assert_false(is_accepted(&e));
	/* Version 2 without any: there is one form for each envelope. */
	e.extras = (struct envelope_extras){ .priority = 1 };
	assert_int_equal(envelope_pack(&b, &e), 0);
	b.p[b.n - 1] = 9;
	w = wire_of(buf_slice(&b));
	assert_false(envelope_unpack(&w, &a, &got));
	b.p[b.n - 1] = 10;
	b.p[0] = 3;
	w = wire_of(buf_slice(&b));
	assert_false(envelope_unpack(&w, &a, &got));
	buf_clear(&b);
	arena_clear(&a);
}

static void
envelope_count_beyond_its_bytes(void **state)
{
	struct envelope e = sample, got;
	struct arena a = ARENA_INIT(100);
	struct buf b = BUF_INIT(1000);
	struct wire w;

	(void)state;
	e.nrecipients = 0;
	envelope_pack(&b, &e);
	memset(b.p + b.n - 4, 0xff, 4);
	w = wire_of(buf_slice(&b));
	assert_false(envelope_unpack(&w, &a, &got));
	assert_int_equal(a.used, 0);
	/* More than the arena may hold. */
	buf_reset(&b);
	envelope_pack(&b, &sample);
	a.max = sizeof(struct recipient);
	w = wire_of(buf_slice(&b));
	assert_false(envelope_unpack(&w, &a, &got));
	arena_clear(&a);
	buf_clear(&b);
}

static const struct outcome failed = {
	.status = OUTCOME_FAILED,
	.enhanced = { 5, 1, 1 },
	.code = 550,
	.site = true,
	.remote = SLICE_LIT("mx.example.org[192.0.2.1]:25"),
	.text = SLICE_LIT("no such\nuser"),
};

static bool
outcome_goes(const struct outcome *o, struct outcome *got, struct buf *b)
{
	struct wire w;

	buf_reset(b);
	assert_int_equal(outcome_pack(b, o), 0);
	w = wire_of(buf_slice(b));
	return outcome_unpack(&w, got) && wire_done(&w);
}

static void
outcomes(void **state)
{
	static char words[OUTCOME_TEXT_BYTES + 10];
	struct buf b = BUF_INIT(2000);
	struct outcome o = failed, got;

	(void)state;
	assert_true(outcome_goes(&o, &got, &b));
	assert_int_equal(got.status, OUTCOME_FAILED);
	assert_int_equal(got.enhanced.class, 5);
	assert_int_equal(got.enhanced.subject, 1);
	assert_int_equal(got.enhanced.detail, 1);
	assert_int_equal(got.code, 550);
	assert_true(got.site);
	assert_slice_equal(got.remote, o.remote);
	assert_slice_equal(got.text, o.text);

	/* A peer's words are cut, between characters, and cleaned. */
	memset(words, 'x', sizeof(words));
	memcpy(words + OUTCOME_TEXT_BYTES - 1, "\xc3\xa9", 2);
	o.text = slice_of(words, sizeof(words));
	assert_true(outcome_goes(&o, &got, &b));
	assert_int_equal(got.text.n, OUTCOME_TEXT_BYTES - 1);
	o.text = SLICE_LIT("\x1b[2Jred\r\n\tdel\x7f");
	assert_true(outcome_goes(&o, &got, &b));
	assert_slice_equal(got.text, SLICE_LIT("?[2Jred?\n del?"));

	o = failed;
	o.status = (enum outcome_status)0;
	assert_false(outcome_goes(&o, &got, &b));
	o.status = (enum outcome_status)7;
	assert_false(outcome_goes(&o, &got, &b));
	o = failed;
	o.enhanced.class = 3;
	assert_false(outcome_goes(&o, &got, &b));
	o = failed;
	o.enhanced.detail = 1000;
	assert_false(outcome_goes(&o, &got, &b));
	o = failed;
	o.code = 199;
	assert_false(outcome_goes(&o, &got, &b));
	o.code = 600;
	assert_false(outcome_goes(&o, &got, &b));
	o = failed;
	o.remote = SLICE_LIT("a\nb");
	assert_false(outcome_goes(&o, &got, &b));

	/* Unclean words that another process sends are refused. */
	assert_true(outcome_goes(&failed, &got, &b));
	b.p[b.n - 1] = '\r';
	assert_false(outcome_unpack(&(struct wire){ buf_slice(&b), false },
	    &got));
	buf_clear(&b);
}

static void
enhanced_codes(void **state)
{
	static const struct {
		const char	*in, *out;	/* NULL: none */
	} t[] = {
		{ "5.1.1 no", "5.1.1" }, { "2.0.0", "2.0.0" },
		{ "4.999.999\r", "4.999.999" }, { "3.1.1", NULL },
		{ "5.1", NULL }, { "5.1.", NULL }, { "5..1", NULL },
		{ "5.1000.1", NULL }, { "5.1.1000", NULL }, { "5.1.1.1", NULL },
		{ "5.1.1x", NULL }, { "", NULL }, { "5", NULL },
		{ "5.1.1\n", "5.1.1" }, { "5,1,1", NULL },
	};
	struct enhanced e;
	struct slice in;
	struct guard g;
	size_t i;
	bool ok;

	(void)state;
	guard_init(&g, 100);
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		in = guard_copy(&g, slice_str(t[i].in));
		ok = enhanced_parse(&in, &e);
		assert_int_equal(ok, t[i].out != NULL);
		if (ok)
			assert_string_equal(enhanced_text(e).s, t[i].out);
		assert_int_equal(in.n, strlen(t[i].in) -
		    (ok ? strlen(t[i].out) : 0));
	}
	guard_clear(&g);
	assert_string_equal(enhanced_text(enhanced_for_code(450)).s, "4.0.0");
	assert_string_equal(enhanced_text(enhanced_for_code(250)).s, "2.0.0");
	assert_string_equal(enhanced_text(enhanced_for_code(554)).s, "5.0.0");
	assert_int_equal(enhanced_for_code(354).class, 0);
}

static void
drop_files(void **state)
{
	const struct slice content = SLICE_LIT("From: a\r\n\r\nb\r\n");
	struct buf b = BUF_INIT(10000);
	struct arena a = ARENA_INIT(100000);
	struct drop_header h;
	struct envelope e;
	struct slice got;
	struct guard g;
	size_t i;

	(void)state;
	guard_init(&g, 10000);
	assert_int_equal(drop_begin(&b, &sample, content.n), 0);
	buf_add(&b, content);
	drop_trailer(&b, crc32c(0, buf_slice(&b)));
	assert_true(drop_header_parse(buf_slice(&b), b.n, &h));
	assert_int_equal(h.content, content.n);
	assert_false(drop_header_parse(buf_slice(&b), b.n + 1, &h));
	assert_false(drop_header_parse(buf_slice(&b), b.n - 1, &h));
	assert_true(drop_parse(buf_slice(&b), &a, &e, &got));
	assert_slice_equal(got, content);
	assert_int_equal(e.nrecipients, 2);
	for (i = 0; i < b.n; i++) {
		assert_false(drop_parse(guard_copy(&g,
		    slice_first(buf_slice(&b), i)), &a, &e, &got));
		b.p[i] ^= 1;
		assert_false(drop_parse(guard_copy(&g, buf_slice(&b)), &a, &e,
		    &got));
		b.p[i] ^= 1;
		arena_clear(&a);
	}
	guard_clear(&g);
	arena_clear(&a);
	buf_clear(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(envelope_there_and_back),
		cmocka_unit_test(envelope_over_ceiling_leaves_the_buf_as_it_was),
		cmocka_unit_test(envelope_damaged),
		cmocka_unit_test(envelope_with_bad_values),
		cmocka_unit_test(envelopes_of_the_first_version),
		cmocka_unit_test(extras_there_and_back),
		cmocka_unit_test(extras_with_bad_values),
		cmocka_unit_test(envelope_count_beyond_its_bytes),
		cmocka_unit_test(outcomes),
		cmocka_unit_test(enhanced_codes),
		cmocka_unit_test(drop_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
