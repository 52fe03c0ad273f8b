/* SPDX-License-Identifier: ISC */
/* grant_test - what auth seals master opens, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/test_guard.h"
#include "ipc/grant.h"

#define NOW	INT64_C(1800000000000)

static const uint8_t secret[GRANT_SECRET_BYTES] = { 1, 2, 3 };
static const struct grant sample = {
	.protocol = AUTH_IMAP, .nonce = { 9, 8, 7 }, .until_ms = NOW + 60000,
	.login = SLICE_LIT("alice@example.org"), .uid = 1000, .gid = 1001,
	.user = SLICE_LIT(""), .directory = SLICE_LIT("/mail/alice"),
	.maildir = SLICE_LIT("/mail/alice/Maildir"), .quota_bytes = 5,
	.quota_messages = 6,
};

static void
there_and_back(void **state)
{
	struct buf b = BUF_INIT(GRANT_BYTES);
	struct grant g;

	(void)state;
	assert_int_equal(grant_seal(&b, &sample, secret), 0);
	assert_true(grant_open(buf_slice(&b), NOW, secret, &g));
	assert_int_equal(g.protocol, AUTH_IMAP);
	assert_memory_equal(g.nonce, sample.nonce, 16);
	assert_slice_equal(g.login, sample.login);
	assert_slice_equal(g.directory, sample.directory);
	assert_slice_equal(g.maildir, sample.maildir);
	assert_int_equal(g.uid, 1000);
	assert_int_equal(g.gid, 1001);
	assert_int_equal(g.quota_bytes, 5);
	assert_int_equal(g.quota_messages, 6);
	buf_clear(&b);
}

static void
only_in_its_time(void **state)
{
	struct buf b = BUF_INIT(GRANT_BYTES);
	struct grant g;

	(void)state;
	grant_seal(&b, &sample, secret);
	assert_true(grant_open(buf_slice(&b), NOW + 60000, secret, &g));
	assert_false(grant_open(buf_slice(&b), NOW + 60001, secret, &g));
	/* a clock that went back does not make it live longer */
	assert_false(grant_open(buf_slice(&b), NOW - 1, secret, &g));
	buf_clear(&b);
}

static void
no_change_is_taken(void **state)
{
	uint8_t other[GRANT_SECRET_BYTES] = { 1, 2, 4 };
	struct buf b = BUF_INIT(GRANT_BYTES);
	struct guard guard;
	struct grant g;
	size_t i;

	(void)state;
	guard_init(&guard, GRANT_BYTES);
	grant_seal(&b, &sample, secret);
	assert_false(grant_open(buf_slice(&b), NOW, other, &g));
	for (i = 0; i < b.n; i++) {
		b.p[i] ^= 1;
		assert_false(grant_open(guard_copy(&guard, buf_slice(&b)), NOW,
		    secret, &g));
		b.p[i] ^= 1;
		assert_false(grant_open(guard_copy(&guard,
		    slice_first(buf_slice(&b), i)), NOW, secret, &g));
	}
	buf_add_byte(&b, '\0');
	assert_false(grant_open(buf_slice(&b), NOW, secret, &g));
	buf_clear(&b);
	guard_clear(&guard);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(only_in_its_time),
		cmocka_unit_test(no_change_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
