/* SPDX-License-Identifier: ISC */
/*
 * import_dovecot - dovecot.conf with what it includes, or what `doveconf -n`
 * prints.
 *
 * rules[] has a row for each setting that is known; '*' stands for one section.
 */
#include <errno.h>
#include <glob.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/num.h"
#include "cf_text.h"
#include "dovecot_text.h"
#include "import.h"
#include "sql_query.h"

#define INCLUDE_DEPTH	10
#define FILES_MAX	256

struct dovecot {
	struct import	*m;
	struct dovecot_text text;
	char		 dir[PATH_MAX];	/* that relative names start from */
	unsigned	 depth, files;
};

struct rule;
typedef void	rule_fn(struct dovecot *, const struct origin *,
		    struct slice value, const struct rule *);

static rule_fn	 said, none, differs, word, number, separate, mechanisms,
    plaintext, location, quota_rule, tls_minimum, uidl_format;
static void	 include(void *, struct slice pattern, unsigned line);
static int	 read_file(struct dovecot *, const char *path, bool must);
static void	 listeners(struct dovecot *);
static void	 certificate(struct dovecot *);
static void	 backends(struct dovecot *);
static bool	 matches(const char *pattern, struct slice path);

static const struct rule {
	const char	*path;
	rule_fn		*run;
	const char	*text;	/* a key of ours, or what is said */
} rules[] = {
	{ "protocols",		said, "listeners" },
	{ "listen",		said, "addresses of the listeners" },
	{ "ssl",		said, "tls of the listeners" },
	{ "ssl_cert",		said, "the certificate block" },
	{ "ssl_key",		said, "the certificate block" },
	{ "ssl_server_cert_file", said, "the certificate block" },
	{ "ssl_server_key_file", said, "the certificate block" },
	{ "ssl_min_protocol",	tls_minimum, NULL },
	{ "ssl_protocols",	differs, "tls.minimum: 1.2" },
	{ "ssl_cipher_list",	differs, "OpenSSL's, of TLS 1.2 and newer" },
	{ "ssl_prefer_server_ciphers", said, NULL },
	{ "ssl_dh",		said, "no longer needed" },
	{ "ssl_client_ca_dir",	said, NULL },
	{ "ssl_client_ca_file",	said, NULL },
	{ "ssl_ca",		differs, "client_ca of a listener" },
	{ "ssl_verify_client_cert", differs, "client_ca of a listener" },
	{ "mail_location",	location, NULL },
	{ "mail_path",		location, NULL },
	{ "mail_driver",	location, NULL },
	{ "mail_home",		said, NULL },
	{ "mail_privileged_group", said, "no process is of such a group" },
	{ "mail_access_groups",	said, NULL },
	{ "mail_uid",		differs, "virtual mailboxes belong to user.mail" },
	{ "mail_gid",		differs, "virtual mailboxes belong to user.mail" },
	{ "first_valid_uid",	number, "user.minimum_uid" },
	{ "last_valid_uid",	said, NULL },
	{ "mail_max_userip_connections", differs, "imap.user_sessions is for a "
	    "user from wherever" },
	{ "mail_plugins",	differs, "quota needs no plugin; others have no "
	    "equivalent" },
	{ "mail_fsync",		said, "always what RFC 9051 promises" },
	{ "mail_debug",		said, NULL },
	{ "mail_attribute_dict", none, NULL },
	{ "maildir_very_dirty_syncs", said, NULL },
	{ "maildir_stat_dirs",	said, NULL },
	{ "disable_plaintext_auth", plaintext, NULL },
	{ "auth_allow_cleartext", plaintext, NULL },
	{ "auth_mechanisms",	mechanisms, NULL },
	{ "auth_default_realm",	word, "auth.default_domain" },
	{ "auth_username_format", differs, "a login is the whole address, or a "
	    "system user's name; case is folded" },
	{ "auth_realms",	said, NULL },
	{ "auth_cache_size",	said, "right passwords are remembered in memory" },
	{ "auth_cache_ttl",	differs, "auth.cache_time" },
	{ "auth_verbose",	said, "each failed login is logged" },
	{ "auth_debug",		said, NULL },
	{ "auth_failure_delay",	differs, "auth.fail_delay" },
	{ "login_greeting",	none, NULL },
	{ "login_trusted_networks", none, NULL },
	{ "log_path",		differs, "log.target" },
	{ "info_log_path",	differs, "log.target" },
	{ "syslog_facility",	word, "log.facility" },
	{ "log_timestamp",	said, NULL },
	{ "base_dir",		said, NULL },
	{ "instance_name",	said, NULL },
	{ "postmaster_address",	word, "postmaster" },
	{ "hostname",		word, "hostname" },
	{ "recipient_delimiter", word, "recipient_delimiter" },
	{ "lda_mailbox_autocreate", said, NULL },
	{ "lda_mailbox_autosubscribe", said, NULL },
	{ "lmtp_save_to_detail_mailbox", none, NULL },
	{ "quota_full_tempfail", said, "quota.full" },
	{ "pop3_uidl_format",	uidl_format, NULL },
	{ "dict/*",		none, NULL },
	{ "namespace/*/inbox",	said, NULL },
	{ "namespace/*/type",	said, NULL },
	{ "namespace/*/separator", separate, NULL },
	{ "namespace/*/prefix",	separate, NULL },
	{ "namespace/*/location", location, NULL },
	{ "namespace/*/list",	said, NULL },
	{ "namespace/*/subscriptions", said, NULL },
	{ "namespace/*/hidden",	said, NULL },
	{ "namespace/*/mailbox/*/special_use", said, "the usual ones are made "
	    "at the first login" },
	{ "namespace/*/mailbox/*/auto", said, "as special_use" },
	{ "namespace/*/mailbox/*/autoexpunge", none, NULL },
	{ "passdb/*/*",		said, "auth.backends" },
	{ "userdb/*/*",		said, "the mailbox is where mail to the login "
	    "goes" },
	{ "plugin/quota",	said, "quota needs no plugin" },
	{ "plugin/*/quota",	said, "quota needs no plugin" },
	{ "plugin/*/quota_rule", quota_rule, NULL },
	{ "plugin/*/quota_warning", none, NULL },
	{ "plugin/*/sieve",	none, "SIEVE SCRIPTS ARE NOT RUN" },
	{ "plugin/*/sieve_dir",	none, "SIEVE SCRIPTS ARE NOT RUN" },
	{ "plugin/*/*",		none, NULL },
	{ "protocol/*/mail_plugins", differs, "quota needs no plugin; others "
	    "have no equivalent" },
	{ "protocol/*/mail_max_userip_connections", differs,
	    "imap.user_sessions, pop3.user_sessions" },
	{ "protocol/*/postmaster_address", word, "postmaster" },
	{ "protocol/*/*",	none, NULL },
	{ "service/*/inet_listener/*/*", said, "listeners" },
	{ "service/lmtp/unix_listener/*/*", said, "mail is delivered by the "
	    "suite itself" },
	{ "service/auth/unix_listener/*/*", said, "submission asks auth by its "
	    "own channel" },
	{ "service/*/unix_listener/*/*", said, NULL },
	{ "service/*/fifo_listener/*/*", said, NULL },
	{ "service/*/process_limit", differs, "imap.max_sessions and their "
	    "like" },
	{ "service/*/*",	said, "process.* and limits" },
};

/* ---- reading ------------------------------------------------------------- */

int
import_dovecot(struct import *m, const char *file)
{
	static struct dovecot d;
	char copy[PATH_MAX];
	size_t i, j;
	int r;

	d = (struct dovecot){ .m = m };
	snprintf(copy, sizeof(copy), "%s", file);
	snprintf(d.dir, sizeof(d.dir), "%s", dirname(copy));
	dovecot_init(&d.text);
	r = read_file(&d, file, true);
	for (i = 0; r == 0 && i < d.text.n; i++) {
		struct dovecot_setting *s = &d.text.v[i];
		struct origin o = { s->file.p, s->line, s->path, s->value };

		for (j = 0; j < sizeof(rules) / sizeof(rules[0]); j++)
			if (matches(rules[j].path, s->path))
				break;
		if (j < sizeof(rules) / sizeof(rules[0]))
			rules[j].run(&d, &o, s->value, &rules[j]);
		else
			import_say(m, REMARK_NONE, &o, "is not known here");
	}
	if (r == 0) {
		listeners(&d);
		certificate(&d);
		backends(&d);
	}
	dovecot_clear(&d.text);
	return r;
}

static int
read_file(struct dovecot *d, const char *path, bool must)
{
	struct buf text = BUF_INIT(DOVECOT_FILE_BYTES);
	struct origin o = { .file = path, .name = SLICE_LIT("this file") };
	int r = import_read(path, DOVECOT_FILE_BYTES, &text);

	if (r == -1 && must)
		r = tool_fail(EX_NOINPUT, "%s: %s", path, strerror(errno));
	else if (r == -1)
		import_say(d->m, REMARK_NONE, &o, "%s", strerror(errno));
	else {
		d->text.refused = 0;
		dovecot_parse(&d->text, buf_slice(&text), path, include, d);
		o.line = d->text.first_refused;
		if (d->text.refused > 0)
			import_say(d->m, REMARK_NONE, &o, "%u lines are no "
			    "settings; this is the first", d->text.refused);
	}
	buf_clear(&text);
	return must ? r : 0;
}

static void
include(void *arg, struct slice pattern, unsigned line)
{
	struct dovecot *d = arg;
	struct buf path = BUF_INIT(PATH_MAX);
	glob_t found;
	bool any;
	size_t i;

	(void)line;
	if (d->depth == INCLUDE_DEPTH)
		return;
	if (pattern.p[0] != '/')
		buf_printf(&path, "%s/", d->dir);
	any = buf_add(&path, pattern) == 0 &&
	    glob(buf_cstr(&path), 0, NULL, &found) == 0;
	buf_clear(&path);
	if (!any)
		return;
	d->depth++;
	for (i = 0; i < found.gl_pathc && d->files < FILES_MAX; i++) {
		d->files++;
		read_file(d, found.gl_pathv[i], false);
	}
	d->depth--;
	globfree(&found);
}

static bool
matches(const char *pattern, struct slice path)
{
	struct slice rest = slice_str(pattern), part, one;

	while (slice_next(&rest, '/', &part)) {
		if (!slice_next(&path, '/', &one))
			return false;
		/* The last '*' takes the rest. */
		if (slice_eq(part, SLICE_LIT("*"))) {
			if (rest.p == NULL)
				return true;
		} else if (!slice_eq(part, one))
			return false;
	}
	return path.p == NULL;
}

/* ---- rules --------------------------------------------------------------- */

static void
said(struct dovecot *d, const struct origin *o, struct slice value,
    const struct rule *rule)
{
	(void)value;
	import_say(d->m, REMARK_TAKEN, o, "%s", rule->text != NULL ?
	    rule->text : "needs no setting here");
}

static void
none(struct dovecot *d, const struct origin *o, struct slice value,
    const struct rule *rule)
{
	(void)value;
	import_say(d->m, REMARK_NONE, o, "%s", rule->text != NULL ?
	    rule->text : "has no equivalent");
}

static void
differs(struct dovecot *d, const struct origin *o, struct slice value,
    const struct rule *rule)
{
	(void)value;
	import_say(d->m, REMARK_DIFFERS, o, "%s", rule->text);
}

static void
word(struct dovecot *d, const struct origin *o, struct slice value,
    const struct rule *rule)
{
	if (value.n > 0 && slice_find(value, '%') == value.n)
		import_set(d->m, o, rule->text, import_copy(d->m, value));
	else
		import_say(d->m, REMARK_NONE, o, "%s has no variables",
		    rule->text);
}

static void
number(struct dovecot *d, const struct origin *o, struct slice value,
    const struct rule *rule)
{
	uint64_t n;

	if (slice_to_u64(value, 1, UINT32_MAX - 1, &n))
		word(d, o, value, rule);
	else
		import_say(d->m, REMARK_DIFFERS, o, "%s keeps its default",
		    rule->text);
}

static void
separate(struct dovecot *d, const struct origin *o, struct slice value,
    const struct rule *rule)
{
	(void)rule;
	if (value.n == 0 || slice_eq(value, SLICE_LIT("/")))
		import_say(d->m, REMARK_TAKEN, o, "the same here");
	else
		import_say(d->m, REMARK_DIFFERS, o, "levels are separated by / "
		    "and nothing stands before a mailbox's name; most clients "
		    "find out by themselves, some have it in their settings");
}

static void
mechanisms(struct dovecot *d, const struct origin *o, struct slice value,
    const struct rule *rule)
{
	static const char *const known[] = { "PLAIN", "LOGIN", "SCRAM-SHA-1",
		"SCRAM-SHA-256", "OAUTHBEARER", "XOAUTH2", "EXTERNAL" };
	struct buf words = BUF_INIT(4096);
	struct slice one;
	size_t i;

	(void)rule;
	while (cf_next_word(&value, &one)) {
		for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			if (slice_eq_nocase(one, slice_str(known[i])))
				break;
		if (i == sizeof(known) / sizeof(known[0])) {
			import_say(d->m, REMARK_NONE, o, "there is no %.*s",
			    SLICE_ARG(one));
			continue;
		}
		buf_printf(&words, "%s%s", words.n > 0 ? " " : "", known[i]);
		if (slice_starts(slice_str(known[i]), SLICE_LIT("SCRAM")))
			buf_printf(&words, " %s-PLUS", known[i]);
	}
	import_set_list(d->m, o, "auth.mechanisms", buf_slice(&words));
	buf_clear(&words);
}

static void
plaintext(struct dovecot *d, const struct origin *o, struct slice value,
    const struct rule *rule)
{
	bool clear = slice_eq(o->name, SLICE_LIT("auth_allow_cleartext")) ==
	    slice_eq(value, SLICE_LIT("yes"));

	(void)rule;
	import_set(d->m, o, "auth.plaintext", clear ? "any" : "local");
}

static void
location(struct dovecot *d, const struct origin *o, struct slice value,
    const struct rule *rule)
{
	(void)rule;
	if (slice_starts(value, SLICE_LIT("maildir:~/Maildir")) ||
	    slice_eq(value, SLICE_LIT("~/Maildir")))
		import_say(d->m, REMARK_TAKEN, o,
		    "system users' mail is there; "
		    "UIDs, flags and subscriptions are taken over");
	else if (slice_starts(value, SLICE_LIT("maildir:")) ||
	    slice_eq(value, SLICE_LIT("maildir")))
		import_say(d->m, REMARK_DIFFERS, o, "copy each Maildir (cp -a) "
		    "to path.mail/DOMAIN/LOCAL-PART/Maildir, owned by "
		    "user.mail; UIDs, flags and subscriptions are taken over. "
		    "With LAYOUT=fs run `chasqui mailbox convert`");
	else
		import_say(d->m, REMARK_NONE, o, "mailboxes are Maildirs: "
		    "before the change convert them by Dovecot's `doveadm sync` "
		    "to maildir:");
}

/* "*:storage=1G", "*:messages=1000", "*:bytes=..." for all mailboxes. */
static void
quota_rule(struct dovecot *d, const struct origin *o, struct slice value,
    const struct rule *rule)
{
	struct slice rest = value, part, name, n;
	uint64_t bytes;
	size_t eq;

	(void)rule;
	slice_next(&rest, ':', &name);
	while (rest.p != NULL && slice_next(&rest, ':', &part)) {
		eq = slice_find(part, '=');
		n = eq < part.n ? slice_from(part, eq + 1) : SLICE_EMPTY;
		name = slice_first(part, eq);
		if (!slice_starts(value, SLICE_LIT("*:")))
			break;
		if ((slice_eq(name, SLICE_LIT("storage")) ||
		    slice_eq(name, SLICE_LIT("bytes"))) &&
		    conf_size_parse(n, &bytes)) {
			struct buf text = BUF_INIT(64);

			/* A storage without a unit is in KiB. */
			if (n.n > 0 && n.p[n.n - 1] >= '0' &&
			    n.p[n.n - 1] <= '9' &&
			    slice_eq(name, SLICE_LIT("storage")))
				bytes *= 1024;
			buf_printf(&text, "%llu", (unsigned long long)bytes);
			import_set(d->m, o, "quota.bytes", import_copy(d->m,
			    buf_slice(&text)));
			buf_clear(&text);
		} else if (slice_eq(name, SLICE_LIT("messages")))
			import_set(d->m, o, "quota.messages",
			    import_copy(d->m, n));
		else
			break;
		if (rest.p == NULL)
			return;
	}
	import_say(d->m, REMARK_DIFFERS, o, "a quota is for a whole mailbox: "
	    "quota.bytes, quota.messages");
}

static void
tls_minimum(struct dovecot *d, const struct origin *o, struct slice value,
    const struct rule *rule)
{
	(void)rule;
	if (slice_eq(value, SLICE_LIT("TLSv1.3")))
		import_set(d->m, o, "tls.minimum", "1.3");
	else
		import_say(d->m, slice_eq(value, SLICE_LIT("TLSv1.2")) ?
		    REMARK_TAKEN : REMARK_DIFFERS, o, "TLS 1.2 and newer");
}

static void
uidl_format(struct dovecot *d, const struct origin *o, struct slice value,
    const struct rule *rule)
{
	(void)rule;
	if (slice_eq(value, SLICE_LIT("%08Xu%08Xv")) ||
	    slice_eq(value, SLICE_LIT("%v.%u")) ||
	    slice_eq(value, SLICE_LIT("%f")) ||
	    slice_eq(value, SLICE_LIT("%g")))
		import_set(d->m, o, "pop3.uidl", import_copy(d->m, value));
	else
		import_say(d->m, REMARK_NONE, o, "POP3 clients will fetch what "
		    "they have left here anew");
}

/* ---- listeners ----------------------------------------------------------- */

static const char *
value_of(struct dovecot *d, const char *path, const char *dflt)
{
	const struct dovecot_setting *s = dovecot_find(&d->text, path);

	return s == NULL ? dflt : s->value.p;
}

static bool
has_protocol(struct dovecot *d, const char *name)
{
	struct slice list = slice_str(value_of(d, "protocols",
	    "imap pop3 lmtp")), one;

	while (cf_next_word(&list, &one))
		if (slice_eq(one, slice_str(name)))
			return true;
	return false;
}

static void
put_listener(struct dovecot *d, const char *mode, const char *name,
    unsigned dflt, bool implicit)
{
	char path[200], text[32], address[64];
	const char *ssl = value_of(d, "ssl", "yes");
	uint64_t port = dflt;

	if (strcmp(ssl, "no") == 0 && implicit)
		return;
	snprintf(path, sizeof(path), "service/%s-login/inet_listener/%s/port",
	    mode, name);
	snprintf(text, sizeof(text), "%u", dflt);
	if (!slice_to_u64(slice_str(value_of(d, path, text)), 1, 65535, &port))
		return;		/* 0: not served */
	snprintf(address, sizeof(address), "*:%u", (unsigned)port);
	import_listener(d->m, name, import_copy(d->m, slice_str(address)),
	    mode, implicit ? "implicit" : strcmp(ssl, "no") == 0 ? "none" :
	    strcmp(ssl, "required") == 0 ? "required" : "starttls");
}

static void
listeners(struct dovecot *d)
{
	if (has_protocol(d, "imap")) {
		put_listener(d, "imap", "imap", 143, false);
		put_listener(d, "imap", "imaps", 993, true);
	}
	if (has_protocol(d, "pop3")) {
		put_listener(d, "pop3", "pop3", 110, false);
		put_listener(d, "pop3", "pop3s", 995, true);
	}
}

static void
certificate(struct dovecot *d)
{
	const struct dovecot_setting *chain = dovecot_find(&d->text,
	    "ssl_cert"), *key = dovecot_find(&d->text, "ssl_key");
	struct slice c, k;

	if (chain == NULL)
		chain = dovecot_find(&d->text, "ssl_server_cert_file");
	if (key == NULL)
		key = dovecot_find(&d->text, "ssl_server_key_file");
	if (chain == NULL || key == NULL)
		return;
	c = chain->value;
	k = key->value;
	if (c.n > 0 && c.p[0] == '<')
		c = slice_from(c, 1);
	if (k.n > 0 && k.p[0] == '<')
		k = slice_from(k, 1);
	if (c.n == 0 || k.n == 0 || c.p[0] != '/' || k.p[0] != '/')
		return;
	import_certificate(d->m, "dovecot", import_copy(d->m, c),
	    import_copy(d->m, k));
}

/* ---- passwords ----------------------------------------------------------- */

/* The file in "scheme=CRYPT username_format=%u /etc/dovecot/users". */
static struct slice
file_of(struct slice args)
{
	struct slice one, last = SLICE_EMPTY;

	while (cf_next_word(&args, &one))
		if (one.n > 0 && one.p[0] == '/')
			last = one;
	return last;
}

static void
passwd_file(struct dovecot *d, const struct origin *o, struct slice args)
{
	struct slice path = file_of(args);

	if (path.n == 0 || import_read(import_copy(d->m, path),
	    IMPORT_TEXT_BYTES, &d->m->passwords) == -1) {
		import_say(d->m, REMARK_NONE, o, "%.*s: %s", SLICE_ARG(path),
		    path.n == 0 ? "no file is named" : strerror(errno));
		return;
	}
	import_say(d->m, REMARK_TAKEN, o, "auth/passwords, whose lines are "
	    "read as they are; those of schemes that are not known here let "
	    "nobody in, see chasqui-passwords(5)");
}

/* host=... dbname=... of PostgreSQL; the path of SQLite. */
static struct slice
connect_word(struct slice text, const char *name)
{
	struct slice one, key;
	size_t eq;

	while (cf_next_word(&text, &one)) {
		eq = slice_find(one, '=');
		key = slice_first(one, eq);
		if (eq < one.n && slice_eq(key, slice_str(name)))
			return slice_from(one, eq + 1);
	}
	return SLICE_EMPTY;
}

/* A data base that we ask ourselves. */
static void
ask_it(struct dovecot *d, const struct origin *o, struct slice driver,
    struct slice connect, struct slice query)
{
	bool sqlite = slice_eq(driver, SLICE_LIT("sqlite"));
	struct buf q = BUF_INIT(2 * SQL_QUERY_BYTES);
	struct slice host = connect_word(connect, "host");
	struct slice name = connect_word(connect, "dbname");
	struct slice user = connect_word(connect, "user");

	import_set(d->m, o, "auth.backends", sqlite ? "sqlite" : "postgresql");
	if (sqlite)
		import_set(d->m, o, "auth.sqlite", import_copy(d->m, connect));
	if (!sqlite && name.n > 0)
		import_set(d->m, o, "auth.postgresql_database",
		    import_copy(d->m, name));
	if (!sqlite && user.n > 0)
		import_set(d->m, o, "auth.postgresql_user",
		    import_copy(d->m, user));
	if (!sqlite && host.n > 0 && host.p[0] == '/')
		import_set(d->m, o, "auth.postgresql_socket",
		    import_copy(d->m, host));
	else if (!sqlite)
		import_say(d->m, REMARK_DIFFERS, o, "PostgreSQL is reached by "
		    "its Unix socket alone; for a server elsewhere have a local "
		    "copy or forwarder. Its password goes into "
		    "auth.postgresql_password_file");
	if (sql_query_for_password(query, sqlite ? ":login" : "$1", &q))
		import_set(d->m, o, sqlite ? "auth.sqlite_query" :
		    "auth.postgresql_query", import_copy(d->m,
		    buf_slice(&q)));
	else
		import_say(d->m, REMARK_NONE, o, "write auth.%s_query: the old "
		    "one is not of a form that can be translated", sqlite ?
		    "sqlite" : "postgresql");
	buf_clear(&q);
}

/* MySQL is not asked: a script makes the password file of it.  Dovecot's
 * connect line is not Postfix's form, so the script has its words. */
static void
fetch_it(struct dovecot *d, const struct origin *o, const char *file,
    struct slice connect, struct slice query, struct slice scheme)
{
	struct buf all = BUF_INIT(2 * SQL_QUERY_BYTES), *b = &d->m->fetch;
	struct slice one = query, host = connect_word(connect, "host");
	struct buf password = BUF_INIT(2 * SQL_QUERY_BYTES);
	bool ok;

	/* The columns that are wanted: the login and its hash. */
	ok = sql_query_for_password(one, "'%u'", &password) &&
	    sql_query_for_all(buf_slice(&password), &all);
	if (ok) {
		import_fetch_begin(d->m);
		buf_add_str(b, "\n# Logins; a password in clear or without a "
		    "known scheme lets nobody in.\nMYSQL_PWD=$(sed -n "
		    "'s/^connect.*password=\\([^ ]*\\).*/\\1/p' ");
		import_shell_word(b, slice_str(file));
		buf_add_str(b, ") \\\n    mysql -N -B ");
		buf_add_str(b, host.n > 0 && host.p[0] == '/' ? "--socket=" :
		    "--host=");
		import_shell_word(b, host.n > 0 ? host :
		    SLICE_LIT("localhost"));
		buf_add_str(b, " --user=");
		import_shell_word(b, connect_word(connect, "user"));
		buf_add_byte(b, ' ');
		import_shell_word(b, connect_word(connect, "dbname"));
		buf_add_str(b, " -e \\\n    ");
		import_shell_word(b, buf_slice(&all));
		buf_printf(b, " >\"$rows\"\nawk -F '\\t' '{ print $1 \"\\t\" "
		    "($2 ~ /^[{$]/ ? \"\" : \"{%.*s}\") $2 }' "
		    "\"$rows\" >auth/passwords.new\n"
		    "chmod --reference=auth/passwords auth/passwords.new\n"
		    "chown --reference=auth/passwords auth/passwords.new\n"
		    "sync auth/passwords.new\n"
		    "mv auth/passwords.new auth/passwords\n",
		    SLICE_ARG(scheme.n > 0 ? scheme : SLICE_LIT("CRYPT")));
		import_say(d->m, REMARK_DIFFERS, o, "MySQL is not asked for "
		    "passwords; the script fetch-tables writes auth/passwords: "
		    "%.*s", SLICE_ARG(buf_slice(&all)));
	} else
		import_say(d->m, REMARK_NONE, o, "MySQL is not asked for "
		    "passwords; write auth/passwords from it yourself, "
		    "`login hash` a line");
	buf_clear(&all);
	buf_clear(&password);
}

static void
sql(struct dovecot *d, const struct origin *o, struct slice args)
{
	struct buf text = BUF_INIT(CF_FILE_BYTES);
	const struct cf_param *driver, *connect, *query, *scheme;
	struct slice path = file_of(args);
	const char *file = import_copy(d->m, path);
	struct cf_text cf;

	if (path.n == 0 || import_read(file, CF_FILE_BYTES, &text) == -1) {
		import_say(d->m, REMARK_NONE, o, "%s: %s", file, path.n == 0 ?
		    "no file is named" : strerror(errno));
		buf_clear(&text);
		return;
	}
	cf_parse(&cf, buf_slice(&text), false);
	driver = cf_find(&cf, SLICE_LIT("driver"));
	connect = cf_find(&cf, SLICE_LIT("connect"));
	query = cf_find(&cf, SLICE_LIT("password_query"));
	scheme = cf_find(&cf, SLICE_LIT("default_pass_scheme"));
	if (driver == NULL || connect == NULL || query == NULL)
		import_say(d->m, REMARK_NONE, o, "%s has no driver, connect or "
		    "password_query", file);
	else if (slice_eq(driver->value, SLICE_LIT("mysql")))
		fetch_it(d, o, file, connect->value, query->value,
		    scheme == NULL ? SLICE_EMPTY : scheme->value);
	else if (slice_eq(driver->value, SLICE_LIT("pgsql")) ||
	    slice_eq(driver->value, SLICE_LIT("sqlite")))
		ask_it(d, o, driver->value, connect->value, query->value);
	else
		import_say(d->m, REMARK_NONE, o, "there is no driver %.*s",
		    SLICE_ARG(driver->value));
	cf_clear(&cf);
	buf_clear(&text);
}

static void
backends(struct dovecot *d)
{
	struct dovecot_setting *s;
	struct slice args;
	char path[64];
	size_t i;

	for (i = 0; i < d->text.n; i++) {
		s = &d->text.v[i];
		if (!slice_starts(s->path, SLICE_LIT("passdb/")) ||
		    !slice_ends_nocase(s->path, SLICE_LIT("/driver")))
			continue;
		struct origin o = { s->file.p, s->line, s->path, s->value };

		snprintf(path, sizeof(path), "%.*sargs",
		    (int)(s->path.n - 6 < 50 ? s->path.n - 6 : 50),
		    s->path.p);
		args = slice_str(value_of(d, path, ""));
		if (slice_eq(s->value, SLICE_LIT("passwd-file")))
			passwd_file(d, &o, args);
		else if (slice_eq(s->value, SLICE_LIT("sql")))
			sql(d, &o, args);
		else if (slice_eq(s->value, SLICE_LIT("pam")))
			import_set(d->m, &o, "auth.backends", "pam");
		else if (slice_eq(s->value, SLICE_LIT("shadow")) ||
		    slice_eq(s->value, SLICE_LIT("passwd")))
			import_set(d->m, &o, "auth.backends", "system");
		else
			import_say(d->m, REMARK_NONE, &o, "there is no such "
			    "backend");
	}
}
