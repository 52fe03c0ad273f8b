/* SPDX-License-Identifier: ISC */
/* backends_test - what cannot work is refused before anything starts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/buf.h"
#include "ipc/backends.h"

#ifdef HAVE_PAM
#define IF_PAM(why)	why
#else
#define IF_PAM(why)	"without it (configure --with-pam)"
#endif
#ifdef HAVE_POSTGRESQL
#define IF_POSTGRESQL(why) why
#else
#define IF_POSTGRESQL(why) "without it (configure --with-postgresql)"
#endif

static struct conf *
conf_of(const char *lines)
{
	struct buf text = BUF_INIT(4096), why = BUF_INIT(4096);
	struct conf *c;

	buf_printf(&text, "hostname = mx.example.org\n%s\n", lines);
	c = conf_parse(buf_slice(&text), "test", &why);
	if (c == NULL)
		fail_msg("%s: %s", lines, buf_cstr(&why));
	buf_clear(&text);
	buf_clear(&why);
	return c;
}

static void
what_cannot_work_is_refused(void **state)
{
	static const struct {
		const char	*lines;
		bool		 as_root;
		const char	*why;	/* NULL: it can */
	} t[] = {
		{ "", true, NULL },
		{ "auth.backends = file", true, NULL },
		{ "auth.backends = file", false, NULL },
		{ "auth.backends = file system", false,
		    "only a suite that is started by root" },
		{ "auth.backends = file postgresql\n"
		    "auth.postgresql_socket = /run/postgresql", false,
		    IF_POSTGRESQL(NULL) },
		{ "auth.backends = file postgresql\n"
		    "auth.postgresql_socket = db.example.org", true,
		    IF_POSTGRESQL("reach no host by TCP") },
		{ "auth.backends = postgresql\n"
		    "auth.postgresql_socket = \"/run/a,db.example.org\"", true,
		    IF_POSTGRESQL("reach no host by TCP") },
		{ "auth.backends = pam file", true,
		    IF_PAM("has to be the last") },
		{ "auth.backends = file pam\nauth.pam_service = \"../x\"",
		    true, IF_PAM("is not the name of a service") },
		{ "auth.backends = file pam\n"
		    "auth.pam_service = no-such-service-here", true,
		    IF_PAM("there is no /etc/pam.d/no-such-service-here") },
	};
	struct buf why = BUF_INIT(4096);
	struct conf *c;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		buf_reset(&why);
		c = conf_of(t[i].lines);
		if (backends_check(c, t[i].as_root, &why) !=
		    (t[i].why == NULL ? 0 : -1))
			fail_msg("%s: %s", t[i].lines, buf_cstr(&why));
		if (t[i].why == NULL)
			assert_int_equal(why.n, 0);
		else if (strstr(buf_cstr(&why), t[i].why) == NULL)
			fail_msg("%s: %s", t[i].lines, buf_cstr(&why));
		conf_free(&c);
	}
	buf_clear(&why);
}

static void
keys_are_had_by_files_and_data_bases(void **state)
{
	static const struct { const char *lines; bool none; } t[] = {
		{ "auth.backends = file", false },
		{ "auth.backends = sqlite", false },
		{ "auth.backends = system", true },
		{ "auth.backends = system pam", true },
		{ "auth.backends = file system", false },
	};
	struct conf *c;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		c = conf_of(t[i].lines);
		assert_int_equal(backends_have_no_keys(c), t[i].none);
		conf_free(&c);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_cannot_work_is_refused),
		cmocka_unit_test(keys_are_had_by_files_and_data_bases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
