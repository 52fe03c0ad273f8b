/* SPDX-License-Identifier: ISC */
/* certificates_test - what of a file goes to those who serve TLS. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/test_guard.h"
#include "ipc/certificates.h"

#define B(name)	"-----BEGIN " name "-----\n"
#define E(name)	"-----END " name "-----\n"

static void
only_certificates_pass(void **state)
{
	static const struct {
		const char	*in, *out;
	} cases[] = {
		{ "", "" },
		{ "text", "" },
		{ B("CERTIFICATE") "AAAA\n" E("CERTIFICATE"),
		  B("CERTIFICATE") "AAAA\n" E("CERTIFICATE") },
		{ B("PRIVATE KEY") "SECRET\n" E("PRIVATE KEY")
		  B("CERTIFICATE") "AAAA\n" E("CERTIFICATE")
		  "subject=x\n"
		  B("CERTIFICATE") "BBBB\n" E("CERTIFICATE")
		  B("EC PRIVATE KEY") "SECRET\n" E("EC PRIVATE KEY"),
		  B("CERTIFICATE") "AAAA\n" E("CERTIFICATE")
		  B("CERTIFICATE") "BBBB\n" E("CERTIFICATE") },
		/* Blocks without an end. */
		{ B("CERTIFICATE") "AAAA\n" B("PRIVATE KEY") "SECRET\n",
		  B("CERTIFICATE") "AAAA\n" },
		{ B("PRIVATE KEY") "SECRET\n" E("CERTIFICATE") "SECRET\n",
		  "" },
		{ B("RSA PRIVATE KEY") "SECRET\n"
		  "x-----BEGIN CERTIFICATE-----\nSECRET\n", "" },
		{ "-----BEGIN CERTIFICATE-----\r\nAAAA\r\n"
		  "-----END CERTIFICATE-----\r\nSECRET",
		  "-----BEGIN CERTIFICATE-----\r\nAAAA\r\n"
		  "-----END CERTIFICATE-----\r\n" },
	};
	struct buf out = BUF_INIT(1000);
	struct guard guard;
	size_t i;

	(void)state;
	guard_init(&guard, 1000);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buf_reset(&out);
		assert_int_equal(certificates_only(guard_copy(&guard,
		    slice_str(cases[i].in)), &out), 0);
		assert_slice_equal(buf_slice(&out), slice_str(cases[i].out));
	}
	buf_clear(&out);
	guard_clear(&guard);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_certificates_pass),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
