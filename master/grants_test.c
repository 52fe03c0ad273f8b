/* SPDX-License-Identifier: ISC */
/* A2: a grant is believed once, in its time, with the right secret. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/test_guard.h"
#include "grants.h"

#define NOW	1000000
#define FIRST	(NOW + GRANT_LIFE_MS)	/* when what is taken at NOW is over */

static struct grants *g;
static uint8_t secret[GRANT_SECRET_BYTES];

static int
setup(void **state)
{
	(void)state;
	g = grants_new();
	return g != NULL && pread(grants_secret_fd(g), secret, sizeof(secret),
	    0) == sizeof(secret) ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	grants_free(&g);
	return g == NULL ? 0 : -1;
}

/* As auth makes it at `now`. */
static void
seal(struct buf *b, uint32_t nonce, int64_t now)
{
	struct grant made = {
		.protocol = AUTH_IMAP,
		.until_ms = now + GRANT_LIFE_MS,
		.login = SLICE_LIT("anna@example.org"),
		.uid = 1000,
		.gid = 1000,
		.directory = SLICE_LIT("/srv/mail/anna"),
		.maildir = SLICE_LIT("/srv/mail/anna/Maildir"),
	};

	memcpy(made.nonce, &nonce, sizeof(nonce));
	buf_reset(b);
	assert_int_equal(grant_seal(b, &made, secret), 0);
}

static const char *
take(const struct buf *b, enum auth_protocol protocol, int64_t now)
{
	struct grant got;

	return grants_take(g, buf_slice(b), protocol, now, &got);
}

static void
a_grant_is_taken_once(void **state)
{
	struct buf b = BUF_INIT(GRANT_BYTES);
	struct grant got;

	(void)state;
	seal(&b, 1, NOW);
	assert_null(grants_take(g, buf_slice(&b), AUTH_IMAP, NOW, &got));
	assert_int_equal(got.uid, 1000);
	assert_slice_equal(got.login, SLICE_LIT("anna@example.org"));
	assert_string_equal(take(&b, AUTH_IMAP, NOW),
	    "the grant has been used");
	assert_string_equal(take(&b, AUTH_IMAP, NOW + GRANT_LIFE_MS),
	    "the grant has been used");
	assert_int_equal(grants_taken(g), 1);
	buf_clear(&b);
}

static void
what_is_not_right_takes_nothing(void **state)
{
	static const char *const why = "not a grant of auth's, or too late";
	struct buf b = BUF_INIT(GRANT_BYTES);
	size_t i;

	(void)state;
	seal(&b, 1, NOW);
	assert_string_equal(take(&b, AUTH_POP3, NOW), why);
	assert_string_equal(take(&b, AUTH_IMAP, NOW + GRANT_LIFE_MS + 1), why);
	assert_string_equal(take(&b, AUTH_IMAP, NOW - 1), why);
	for (i = 0; i < b.n; i++) {
		b.p[i] ^= 1;
		assert_string_equal(take(&b, AUTH_IMAP, NOW), why);
		b.p[i] ^= 1;
	}
	for (; b.n > 0; b.n--)
		if (b.n < i)
			assert_string_equal(take(&b, AUTH_IMAP, NOW), why);
	assert_string_equal(take(&b, AUTH_IMAP, NOW), why);
	assert_int_equal(grants_taken(g), 0);
	seal(&b, 1, NOW);
	assert_null(take(&b, AUTH_IMAP, NOW));
	buf_clear(&b);
}

static void
a_grant_of_another_start_is_not_believed(void **state)
{
	struct grants *other = grants_new();
	struct buf b = BUF_INIT(GRANT_BYTES);
	struct grant got;

	(void)state;
	seal(&b, 1, NOW);
	assert_non_null(grants_take(other, buf_slice(&b), AUTH_IMAP, NOW,
	    &got));
	grants_free(&other);
	buf_clear(&b);
}

static void
the_secret_cannot_be_changed_by_who_has_it(void **state)
{
	uint8_t zero[GRANT_SECRET_BYTES] = { 0 };

	(void)state;
	assert_int_equal(pwrite(grants_secret_fd(g), zero, sizeof(zero), 0),
	    -1);
	assert_int_equal(ftruncate(grants_secret_fd(g), 0), -1);
}

/* Each is remembered as long as its grant could be brought again. */
static void
it_is_forgotten_with_its_life(void **state)
{
	struct buf b = BUF_INIT(GRANT_BYTES);
	uint32_t i;

	(void)state;
	for (i = 0; i < 100; i++) {
		seal(&b, i, NOW);
		assert_null(take(&b, AUTH_IMAP, NOW));
	}
	seal(&b, 100, NOW);
	assert_null(take(&b, AUTH_IMAP, FIRST));
	assert_int_equal(grants_taken(g), 101);
	seal(&b, 101, FIRST);
	assert_null(take(&b, AUTH_IMAP, FIRST + 1));
	assert_int_equal(grants_taken(g), 2);
	buf_clear(&b);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_grant_is_taken_once,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(
		    what_is_not_right_takes_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_grant_of_another_start_is_not_believed, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    the_secret_cannot_be_changed_by_who_has_it, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(it_is_forgotten_with_its_life,
		    setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
