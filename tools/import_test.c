/* SPDX-License-Identifier: ISC */
/* import_test - the texts that `chasqui import` reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/test_guard.h"
#include "cf_text.h"
#include "dovecot_text.h"
#include "sql_query.h"

#define TEXT(s)	slice_str(s)

static void
assert_slice(struct slice s, const char *want)
{
	if (!slice_eq(s, slice_str(want)))
		fail_msg("\"%.*s\" is not \"%s\"", SLICE_ARG(s), want);
}

/* ---- main.cf ------------------------------------------------------------- */

static void
lines_become_parameters(void **state)
{
	static const char text[] =
	    "# a comment = none\n"
	    "myhostname = mx.example.org\n"
	    "  \n"
	    "mydestination = $myhostname,\n"
	    "# between\n"
	    "\tlocalhost\n"
	    "    example.org\r\n"
	    "empty =\n"
	    "no_blanks=1\n"
	    "not a setting\n"
	    "= nothing\n"
	    "myhostname = again.example.org";
	struct cf_text cf;

	(void)state;
	cf_parse(&cf, TEXT(text), false);
	assert_int_equal(cf.n, 5);
	assert_slice(cf.v[1].value, "$myhostname, localhost example.org");
	assert_int_equal(cf.v[1].line, 4);
	assert_slice(cf.v[2].value, "");
	assert_slice(cf.v[3].value, "1");
	assert_slice(cf_find(&cf, SLICE_LIT("myhostname"))->value,
	    "again.example.org");
	assert_null(cf_find(&cf, SLICE_LIT("myhost")));
	assert_int_equal(cf.refused, 2);
	assert_int_equal(cf.first_refused, 10);
	cf_clear(&cf);
	/* cf_text_fuzz: a blank where there is nothing to continue */
	cf_parse(&cf, SLICE_LIT("\n a = 1\nb = 2"), false);
	assert_int_equal(cf.n, 2);
	assert_int_equal(cf.v[0].line, 2);
	cf_clear(&cf);
}

static const char *
default_of(void *arg, struct slice name)
{
	return slice_eq(name, SLICE_LIT("known")) ? arg : NULL;
}

static void
names_are_put_in_place(void **state)
{
	static const struct {
		const char	*value, *want;	/* NULL: refused */
	} cases[] = {
		{ "plain", "plain" }, { "$a", "1" }, { "${a}2", "12" },
		{ "$(a).$b", "1.1x" }, { "$none", "" }, { "$known", "k" },
		{ "${a?yes}", "yes" }, { "${a:no}", "" },
		{ "${none?yes}", "" }, { "${none:$a}", "1" },
		{ "${none:${a?{x}}}", "{x}" }, { "$$a", "$a" }, { "$", "$" },
		{ "a$ b", "a$ b" }, { "${a", "1" }, { "$-", "$-" },
		{ "$loop", NULL }, { "$wide", NULL }, { "$deep", NULL },
	};
	struct buf text = BUF_INIT(1 << 20), out = BUF_INIT(CF_VALUE_BYTES);
	char known[] = "k";
	struct cf_text cf;
	size_t i;
	int r;

	(void)state;
	buf_add_str(&text, "a = 1\nb = ${a}x\nloop = $loop\nwide = "
	    "$wide1$wide1$wide1$wide1$wide1$wide1$wide1$wide1\n");
	for (i = 1; i < 15; i++)
		buf_printf(&text, "wide%zu = $wide%zu$wide%zu$wide%zu\n", i,
		    i + 1, i + 1, i + 1);
	buf_add_str(&text, "deep = $deep0\n");
	for (i = 0; i < 30; i++)
		buf_printf(&text, "deep%zu = $deep%zu\n", i, i + 1);
	cf_parse(&cf, buf_slice(&text), false);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buf_reset(&out);
		r = cf_expand(&cf, TEXT(cases[i].value), default_of, known,
		    &out);
		assert_int_equal(r, cases[i].want == NULL ? -1 : 0);
		if (r == 0)
			assert_slice(buf_slice(&out), cases[i].want);
	}
	cf_clear(&cf);
	buf_clear(&text);
	buf_clear(&out);
}

static void
services_have_options(void **state)
{
	static const char text[] =
	    "smtp inet n - y - - smtpd\n"
	    "submission inet n - y - - smtpd\n"
	    "  -o syslog_name=postfix/submission\n"
	    "  -o { smtpd_banner = a b }\n"
	    "  -osmtpd_tls_security_level=encrypt -v\n"
	    "short inet n\n"
	    "127.0.0.1:10025 inet n - n - - smtpd -o\n";
	struct cf_service s;
	struct cf_text cf;

	(void)state;
	cf_parse(&cf, TEXT(text), true);
	assert_int_equal(cf.n, 4);
	assert_true(cf_service_parse(&cf.v[0], &s));
	assert_slice(s.command, "smtpd");
	assert_int_equal(s.noptions, 0);
	assert_true(cf_service_parse(&cf.v[1], &s));
	assert_int_equal(s.noptions, 3);
	assert_slice(s.options[1].name, "smtpd_banner");
	assert_slice(s.options[1].value, "a b");
	assert_slice(s.options[2].value, "encrypt");
	assert_false(cf_service_parse(&cf.v[2], &s));
	assert_true(cf_service_parse(&cf.v[3], &s));
	assert_int_equal(s.noptions, 0);
	cf_clear(&cf);
}

static void
lists_have_words(void **state)
{
	struct slice rest = SLICE_LIT(" a, b,,c  {d e} inline:{ f = g, h = i } "
	    "{unclosed j");
	static const char *const want[] = { "a", "b", "c", "d e",
		"inline:{ f = g, h = i }", "unclosed j" };
	struct slice word;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		assert_true(cf_next_word(&rest, &word));
		assert_slice(word, want[i]);
	}
	assert_false(cf_next_word(&rest, &word));
}

static void
limits_hold(void **state)
{
	struct buf text = BUF_INIT(16 << 20);
	struct cf_text cf;
	size_t i;

	(void)state;
	for (i = 0; i < CF_PARAMS + 10; i++)
		buf_printf(&text, "p%zu = v\n", i);
	cf_parse(&cf, buf_slice(&text), false);
	assert_int_equal(cf.n, CF_PARAMS);
	assert_int_equal(cf.refused, 10);
	cf_clear(&cf);
	buf_reset(&text);
	buf_add_str(&text, "long = ");
	for (i = 0; i < CF_VALUE_BYTES; i++)
		buf_add_byte(&text, 'x');
	buf_add_str(&text, "\nnext = 1\n");
	cf_parse(&cf, buf_slice(&text), false);
	assert_int_equal(cf.n, 1);
	assert_int_equal(cf.refused, 1);
	cf_clear(&cf);
	buf_clear(&text);
}

/* ---- dovecot.conf -------------------------------------------------------- */

static void
sections_become_paths(void **state)
{
	static const char text[] =
	    "protocols = imap lmtp # a comment\n"
	    "ssl_cert = </etc/ssl/a#b.pem\n"
	    "passdb {\n  driver = pam\n}\n"
	    "passdb { driver = sql }\n"
	    "service imap-login {\n"
	    "  inet_listener imaps {\n    port = 993\n  }\n"
	    "}\n"
	    "plugin {\n  quota_rule = \"*:storage=1G\"\n}\n"
	    "mail_location = maildir:/v/%d/%n \\\n  :INDEX=/i\n"
	    "nonsense\n}\n"
	    "namespace \"in box\" { prefix = }\n";
	struct dovecot_text t;

	(void)state;
	dovecot_init(&t);
	dovecot_parse(&t, TEXT(text), "f", NULL, NULL);
	assert_slice(dovecot_find(&t, "protocols")->value, "imap lmtp");
	assert_slice(dovecot_find(&t, "ssl_cert")->value, "</etc/ssl/a#b.pem");
	assert_slice(dovecot_find(&t, "passdb/1/driver")->value, "pam");
	assert_slice(dovecot_find(&t, "passdb/2/driver")->value, "sql");
	assert_slice(dovecot_find(&t, "service/imap-login/inet_listener/imaps/"
	    "port")->value, "993");
	assert_int_equal(dovecot_find(&t, "service/imap-login/inet_listener/"
	    "imaps/port")->line, 9);
	assert_slice(dovecot_find(&t, "plugin/3/quota_rule")->value,
	    "*:storage=1G");
	assert_slice(dovecot_find(&t, "mail_location")->value,
	    "maildir:/v/%d/%n  :INDEX=/i");
	assert_slice(dovecot_find(&t, "namespace/in box/prefix")->value, "");
	assert_int_equal(t.refused, 2);
	assert_int_equal(t.first_refused, 17);
	dovecot_clear(&t);
}

static void
includes_are_asked_for_in_their_place(void *arg, struct slice pattern,
    unsigned line)
{
	struct dovecot_text *t = arg;

	assert_slice(pattern, "conf.d/*.conf");
	assert_int_equal(line, 2);
	dovecot_parse(t, SLICE_LIT("a = 2\n"), "g", NULL, NULL);
}

static void
what_is_included_stands_between(void **state)
{
	struct dovecot_text t;

	(void)state;
	dovecot_init(&t);
	dovecot_parse(&t, SLICE_LIT("a = 1\n!include conf.d/*.conf\nb = 3\n"),
	    "f", includes_are_asked_for_in_their_place, &t);
	assert_int_equal(t.n, 3);
	assert_slice(dovecot_find(&t, "a")->value, "2");
	assert_slice(dovecot_find(&t, "a")->file, "g");
	assert_slice(t.v[2].file, "f");
	dovecot_clear(&t);
}

static void
hostile_sections_cost_nothing(void **state)
{
	struct buf text = BUF_INIT(4 << 20);
	struct dovecot_text t;
	size_t i;

	(void)state;
	for (i = 0; i < 100000; i++)
		buf_add_str(&text, "a {\n");
	for (i = 0; i < DOVECOT_SETTINGS + 10; i++)
		buf_printf(&text, "s%zu = v\n", i);
	dovecot_init(&t);
	dovecot_parse(&t, buf_slice(&text), "f", NULL, NULL);
	assert_int_equal(t.n, DOVECOT_SETTINGS);
	dovecot_clear(&t);
	buf_clear(&text);
}

/* ---- queries ------------------------------------------------------------- */

static void
a_query_for_one_becomes_one_for_all(void **state)
{
	static const struct {
		const char	*one, *all;	/* NULL: not of that form */
	} cases[] = {
		{ "SELECT goto FROM alias WHERE address='%s' AND active = '1'",
		    "SELECT address, goto FROM alias WHERE active = '1'" },
		{ "select maildir from mailbox where username = '%s'",
		    "SELECT username, maildir FROM mailbox" },
		{ "SELECT domain FROM domain WHERE domain='%s' AND backupmx = 0 "
		    "AND active = 1;",
		    "SELECT domain FROM domain WHERE backupmx = 0 AND "
		    "active = 1" },
		{ "SELECT 1 FROM d WHERE x = 'a AND b' AND n='%s'",
		    "SELECT n FROM d WHERE x = 'a AND b'" },
		{ "SELECT a FROM t WHERE u='%u' AND d='%d'", NULL },
		{ "SELECT a FROM t WHERE u='%s' OR v='%s'", NULL },
		{ "SELECT a FROM t WHERE u='%s' LIMIT 1", NULL },
		{ "SELECT a FROM t WHERE lower(u)='%s'", NULL },
		{ "SELECT a FROM t WHERE u LIKE '%s'", NULL },
		{ "SELECT a FROM t WHERE u=%s", NULL },
		{ "SELECT a FROM t", NULL },
		{ "SELECT a FROM t WHERE b = 1", NULL },
		{ "SELECT a FROM (SELECT b FROM c) WHERE u='%s'", NULL },
		{ "SELECT a FROM t WHERE u='%s'; DROP TABLE t", NULL },
		{ "SELECT a FROM t WHERE u='%s'\nAND 1", NULL },
		{ "DELETE FROM t WHERE u='%s'", NULL },
		{ "SELECT", NULL }, { "", NULL }, { "WHERE FROM", NULL },
	};
	struct buf out = BUF_INIT(4096);
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buf_reset(&out);
		if (sql_query_for_all(TEXT(cases[i].one), &out) !=
		    (cases[i].all != NULL))
			fail_msg("%s", cases[i].one);
		assert_slice(buf_slice(&out), cases[i].all == NULL ? "" :
		    cases[i].all);
	}
	buf_clear(&out);
}

static void
a_password_query_keeps_its_conditions(void **state)
{
	struct buf out = BUF_INIT(4096);

	(void)state;
	assert_true(sql_query_for_password(SLICE_LIT("SELECT username AS user, "
	    "crypt AS password FROM mailbox WHERE username = '%u' AND "
	    "active = '1'"), "$1", &out));
	assert_slice(buf_slice(&out), "SELECT crypt AS password FROM mailbox "
	    "WHERE username = $1 AND active = '1'");
	buf_reset(&out);
	assert_false(sql_query_for_password(SLICE_LIT("SELECT NULL AS nopw FROM "
	    "mailbox WHERE username = '%u'"), "$1", &out));
	assert_false(sql_query_for_password(SLICE_LIT("SELECT password FROM m "
	    "WHERE u = '%n' AND d = '%d'"), "$1", &out));
	assert_int_equal(out.n, 0);
	buf_clear(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_become_parameters),
		cmocka_unit_test(names_are_put_in_place),
		cmocka_unit_test(services_have_options),
		cmocka_unit_test(lists_have_words),
		cmocka_unit_test(limits_hold),
		cmocka_unit_test(sections_become_paths),
		cmocka_unit_test(what_is_included_stands_between),
		cmocka_unit_test(hostile_sections_cost_nothing),
		cmocka_unit_test(a_query_for_one_becomes_one_for_all),
		cmocka_unit_test(a_password_query_keeps_its_conditions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
