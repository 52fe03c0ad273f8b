/* SPDX-License-Identifier: ISC */
/*
 * import_postfix - main.cf; import_services.c has master.cf.
 *
 * rules[] has a row for each parameter that is known: what becomes of it, or
 * what there is to say.  A parameter without a row has no equivalent.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/num.h"
#include "cf_text.h"
#include "import.h"

struct postfix {
	struct import	*m;
	struct cf_text	 main, master;
	const char	*main_path, *master_path;
	char		 myhostname[256], mydomain[256];
};

struct rule;
typedef void	rule_fn(struct postfix *, const struct origin *,
		    struct slice value, const struct rule *);

static rule_fn	 differs, built_in, none, word, number, size, duration,
    hostname, destinations, networks, banner, delimiter, maildir, interfaces,
    protocols, aliases, virtual_aliases, alias_domains, mailbox_maps,
    mailbox_domains, relay_domains, recipient_maps, transports, relay_host,
    senders, tls_client, restrictions, lifetime;
static void	 certificates(struct postfix *);
static const char *default_of(void *, struct slice name);

/* text: a key of ours, or what is said. */
static const struct rule {
	const char	*name;
	rule_fn		*run;
	const char	*text;
} rules[] = {
	/* names */
	{ "myhostname",		hostname, NULL },
	{ "mydomain",		built_in, "what follows the first dot of hostname" },
	{ "myorigin",		differs, "addresses without a domain get the first "
	    "system domain" },
	{ "mydestination",	destinations, NULL },
	{ "append_dot_mydomain", built_in, "names are never completed" },
	{ "append_at_myorigin",	built_in, "as myorigin" },
	{ "inet_interfaces",	interfaces, NULL },
	{ "inet_protocols",	protocols, NULL },
	{ "proxy_interfaces",	built_in, "a domain block says what is received here" },
	{ "mynetworks",		networks, NULL },
	{ "mynetworks_style",	differs, "without mynetworks only this host may "
	    "relay here; name networks in relay_networks" },
	{ "smtpd_banner",	banner, NULL },
	{ "mail_name",		none, NULL },
	{ "mail_version",	none, NULL },
	{ "recipient_delimiter", delimiter, NULL },
	{ "smtp_helo_name",	differs, "hostname is said" },
	/* local delivery */
	{ "alias_maps",		aliases, NULL },
	{ "alias_database",	built_in, "text tables need no newaliases(1)" },
	{ "home_mailbox",	maildir, NULL },
	{ "mail_spool_directory", differs, "mail goes to a Maildir in the home "
	    "directory (local.system_maildir), not to a mbox; an alias "
	    "`user: /var/mail/user` writes a mbox" },
	{ "mailbox_command",	none, "no program delivers to mailboxes; a "
	    "~/.forward with |program does for one user" },
	{ "mailbox_command_maps", none, "as mailbox_command" },
	{ "mailbox_transport",	none, "mailboxes are served by this suite" },
	{ "mailbox_size_limit",	differs, "quota.bytes limits a mailbox, not a "
	    "mbox file" },
	{ "local_recipient_maps", differs, "users of this host, and aliases" },
	{ "local_transport",	built_in, NULL },
	{ "luser_relay",	differs, "set catch_all in the domain's block" },
	{ "forward_path",	differs, "~/.forward (local.forward)" },
	{ "allow_mail_to_commands", differs, "alias.commands" },
	{ "biff",		built_in, "there is no biff" },
	/* virtual */
	{ "virtual_alias_maps",	virtual_aliases, NULL },
	{ "virtual_maps",	virtual_aliases, NULL },
	{ "virtual_alias_domains", alias_domains, NULL },
	{ "virtual_mailbox_domains", mailbox_domains, NULL },
	{ "virtual_mailbox_maps", mailbox_maps, NULL },
	{ "virtual_mailbox_base", differs, "mailboxes lie in path.mail/DOMAIN/"
	    "LOCAL-PART/Maildir; the script move-mailboxes, if there was a text "
	    "to make it of, brings the old ones there" },
	{ "virtual_mailbox_limit", differs, "quota.bytes and the quota_bytes of "
	    "an entry limit a mailbox" },
	{ "virtual_uid_maps",	differs, "all virtual mailboxes belong to "
	    "user.mail" },
	{ "virtual_gid_maps",	differs, "as virtual_uid_maps" },
	{ "virtual_minimum_uid", built_in, NULL },
	{ "virtual_transport",	differs, "this suite writes the mailboxes "
	    "itself, and serves them" },
	{ "dovecot_destination_recipient_limit", built_in, NULL },
	/* relaying */
	{ "relay_domains",	relay_domains, NULL },
	{ "relay_recipient_maps", recipient_maps, NULL },
	{ "transport_maps",	transports, NULL },
	{ "relayhost",		relay_host, NULL },
	{ "fallback_relay",	none, NULL },
	{ "smtp_fallback_relay", none, NULL },
	{ "sender_dependent_relayhost_maps", none, "routes depend on the "
	    "recipient alone" },
	{ "smtp_sasl_auth_enable", none, "THIS SUITE DOES NOT LOG IN AT A NEXT "
	    "HOP: a smart host has to take mail by the address it comes from" },
	{ "smtp_sasl_password_maps", none, "as smtp_sasl_auth_enable" },
	{ "smtp_sasl_security_options", none, "as smtp_sasl_auth_enable" },
	{ "smtp_sasl_tls_security_options", none, "as smtp_sasl_auth_enable" },
	{ "smtp_sasl_mechanism_filter", none, "as smtp_sasl_auth_enable" },
	{ "smtp_bind_address",	word, "remote.source_ipv4" },
	{ "smtp_bind_address6",	word, "remote.source_ipv6" },
	{ "permit_mx_backup_networks", none, "name each domain (relay_domains)" },
	{ "parent_domain_matches_subdomains", differs, "a domain block is one "
	    "domain, without those below it" },
	/* limits */
	{ "message_size_limit",	size, "smtp.max_message" },
	{ "smtpd_recipient_limit", number, "smtp.max_recipients" },
	{ "default_destination_concurrency_limit", number, "remote.concurrency" },
	{ "smtp_destination_concurrency_limit", number, "remote.concurrency" },
	{ "smtp_destination_recipient_limit", number, "remote.max_recipients" },
	{ "default_destination_recipient_limit", number, "remote.max_recipients" },
	{ "smtpd_client_connection_count_limit", number, "smtp.client_sessions" },
	{ "smtpd_client_connection_rate_limit", number, "smtp.rate_connections" },
	{ "smtpd_client_message_rate_limit", number, "smtp.rate_messages" },
	{ "anvil_rate_time_unit", duration, "smtp.rate_window" },
	{ "smtpd_hard_error_limit", number, "smtp.max_errors" },
	{ "hopcount_limit",	number, "smtp.max_hops" },
	{ "default_process_limit", built_in, "sessions are not processes here" },
	{ "smtpd_timeout",	duration, "smtp.timeout_command" },
	{ "smtp_connect_timeout", duration, "remote.timeout_connect" },
	{ "smtp_helo_timeout",	duration, "remote.timeout_greeting" },
	{ "queue_minfree",	size, "queue.min_free" },
	/* the queue */
	{ "maximal_queue_lifetime", lifetime, "queue.lifetime" },
	{ "bounce_queue_lifetime", differs, "as queue.lifetime" },
	{ "delay_warning_time",	duration, "queue.delay_warning" },
	{ "minimal_backoff_time", duration, "queue.retry_first" },
	{ "maximal_backoff_time", duration, "queue.retry_max" },
	{ "queue_run_delay",	built_in, "each message has its own time" },
	{ "notify_classes",	differs, "the log says it; "
	    "bounce.postmaster_copy" },
	{ "queue_directory",	built_in, "path.queue; Postfix's own queue is "
	    "not read: drain it first" },
	/* TLS */
	{ "smtpd_tls_cert_file", built_in, "the certificate block" },
	{ "smtpd_tls_key_file",	built_in, "the certificate block" },
	{ "smtpd_tls_chain_files", built_in, "the certificate block" },
	{ "smtpd_tls_CAfile",	differs, "the chain's own file has what it was "
	    "issued with; append that" },
	{ "smtpd_use_tls",	built_in, "TLS is offered where there is a certificate" },
	{ "smtpd_tls_security_level", built_in, "tls of the listener" },
	{ "smtpd_tls_auth_only", built_in, "auth.plaintext" },
	{ "smtpd_tls_received_header", built_in, NULL },
	{ "smtpd_tls_loglevel",	built_in, NULL },
	{ "smtpd_tls_session_cache_database", built_in, "tickets" },
	{ "smtpd_tls_session_cache_timeout", duration, "tls.tickets" },
	{ "smtpd_tls_protocols", differs, "tls.minimum: 1.2" },
	{ "smtpd_tls_mandatory_protocols", differs, "tls.minimum: 1.2" },
	{ "smtpd_tls_ciphers",	differs, "OpenSSL's, of TLS 1.2 and newer" },
	{ "smtpd_tls_mandatory_ciphers", differs, "as smtpd_tls_ciphers" },
	{ "smtpd_tls_exclude_ciphers", differs, "as smtpd_tls_ciphers" },
	{ "smtpd_tls_dh1024_param_file", built_in, "no longer needed" },
	{ "smtpd_tls_eecdh_grade", built_in, NULL },
	{ "tls_preempt_cipherlist", built_in, NULL },
	{ "tls_random_source",	built_in, NULL },
	{ "smtp_tls_security_level", tls_client, NULL },
	{ "smtp_use_tls",	built_in, "remote.tls" },
	{ "smtp_enforce_tls",	differs, "set remote.tls = encrypt" },
	{ "smtp_tls_CAfile",	word, "tls.ca_file" },
	{ "smtp_tls_CApath",	differs, "tls.ca_file is one file" },
	{ "smtp_tls_policy_maps", none, "write a nexthop block for each" },
	{ "smtp_tls_session_cache_database", built_in, NULL },
	{ "smtp_tls_loglevel",	built_in, NULL },
	{ "smtp_tls_note_starttls_offer", built_in, NULL },
	{ "smtp_tls_protocols",	differs, "TLS 1.2 and newer" },
	{ "smtp_tls_mandatory_protocols", differs, "TLS 1.2 and newer" },
	{ "smtp_tls_wrappermode", differs, "write the next hop as "
	    "smtps:[host]:port" },
	/* SASL */
	{ "smtpd_sasl_auth_enable", built_in, "logins are offered by listeners "
	    "of mode submission alone" },
	{ "smtpd_sasl_type",	differs, "passwords: chasqui-passwords(5); "
	    "`import dovecot FILE` takes Dovecot's over" },
	{ "smtpd_sasl_path",	differs, "as smtpd_sasl_type" },
	{ "smtpd_sasl_security_options", built_in, NULL },
	{ "smtpd_sasl_tls_security_options", built_in, NULL },
	{ "smtpd_sasl_local_domain", word, "auth.default_domain" },
	{ "smtpd_sasl_authenticated_header", differs, "the trace field says "
	    "ESMTPSA, and not who" },
	{ "broken_sasl_auth_clients", built_in, NULL },
	{ "smtpd_sender_login_maps", senders, NULL },
	/* restrictions */
	{ "smtpd_client_restrictions", restrictions, NULL },
	{ "smtpd_helo_restrictions", restrictions, NULL },
	{ "smtpd_sender_restrictions", restrictions, NULL },
	{ "smtpd_relay_restrictions", restrictions, NULL },
	{ "smtpd_recipient_restrictions", restrictions, NULL },
	{ "smtpd_data_restrictions", restrictions, NULL },
	{ "smtpd_end_of_data_restrictions", restrictions, NULL },
	{ "smtpd_etrn_restrictions", built_in, "ETRN is not offered" },
	{ "smtpd_helo_required", built_in, NULL },
	{ "disable_vrfy_command", built_in, "VRFY answers 252" },
	{ "strict_rfc821_envelopes", built_in, NULL },
	{ "smtpd_forbid_bare_newline", built_in, "a bare LF is refused; see "
	    "smtp.bare_lf_networks" },
	{ "smtpd_forbid_bare_newline_exclusions", networks,
	    "smtp.bare_lf_networks" },
	{ "smtpd_forbid_unauth_pipelining", built_in, NULL },
	{ "smtpd_delay_reject", differs, "what is refused is refused at once" },
	{ "smtpd_reject_unlisted_recipient", built_in, NULL },
	{ "unknown_local_recipient_reject_code", built_in, "550" },
	{ "smtputf8_enable",	built_in, "always" },
	{ "smtpd_discard_ehlo_keywords", none, NULL },
	{ "show_user_unknown_table_name", built_in, NULL },
	/* content */
	{ "smtpd_milters",	none, "no filter is asked" },
	{ "non_smtpd_milters",	none, "no filter is asked" },
	{ "milter_default_action", none, "no filter is asked" },
	{ "milter_protocol",	none, "no filter is asked" },
	{ "milter_mail_macros",	none, "no filter is asked" },
	{ "content_filter",	none, "no filter is asked" },
	{ "header_checks",	none, "no filter is asked" },
	{ "body_checks",	none, "no filter is asked" },
	{ "mime_header_checks",	none, "no filter is asked" },
	{ "smtp_header_checks",	none, "no filter is asked" },
	{ "receive_override_options", built_in, NULL },
	{ "canonical_maps",	none, "addresses are never rewritten" },
	{ "sender_canonical_maps", none, "addresses are never rewritten" },
	{ "recipient_canonical_maps", none, "an alias does for recipients" },
	{ "smtp_generic_maps",	none, "addresses are never rewritten" },
	{ "masquerade_domains",	none, "addresses are never rewritten" },
	{ "always_bcc",		none, NULL },
	{ "sender_bcc_maps",	none, NULL },
	{ "recipient_bcc_maps",	none, "an alias with both addresses does" },
	{ "relocated_maps",	none, "an alias does, where the mail shall go on" },
	/* the installation */
	{ "compatibility_level", built_in, NULL },
	{ "command_directory",	built_in, NULL },
	{ "daemon_directory",	built_in, NULL },
	{ "data_directory",	built_in, NULL },
	{ "mail_owner",		built_in, "user.prefix" },
	{ "setgid_group",	built_in, "no program is setgid" },
	{ "default_privs",	differs, "user.commands" },
	{ "sendmail_path",	built_in, NULL },
	{ "newaliases_path",	built_in, NULL },
	{ "mailq_path",		built_in, NULL },
	{ "html_directory",	built_in, NULL },
	{ "manpage_directory",	built_in, NULL },
	{ "sample_directory",	built_in, NULL },
	{ "readme_directory",	built_in, NULL },
	{ "meta_directory",	built_in, NULL },
	{ "shlib_directory",	built_in, NULL },
	{ "debug_peer_level",	built_in, NULL },
	{ "debugger_command",	built_in, NULL },
	{ "maillog_file",	differs, "log.target" },
	{ "default_database_type", built_in, NULL },
};

static const struct rule *
find_rule(struct slice name)
{
	size_t i;

	for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (slice_eq(name, slice_str(rules[i].name)))
			return &rules[i];
	return NULL;
}

/* ---- reading ------------------------------------------------------------- */

static int
read_cf(struct postfix *p, const char *dir, const char *name,
    struct cf_text *cf, const char **path_r)
{
	struct buf text = BUF_INIT(CF_FILE_BYTES);
	char path[PATH_MAX];
	struct origin o = { .name = SLICE_LIT("lines that are no settings") };

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	*path_r = import_copy(p->m, slice_str(path));
	if (import_read(path, CF_FILE_BYTES, &text) == -1) {
		buf_clear(&text);
		return tool_fail(EX_NOINPUT, "%s: %s", path, strerror(errno));
	}
	cf_parse(cf, buf_slice(&text), strcmp(name, "master.cf") == 0);
	buf_clear(&text);
	if (cf->refused > 0) {
		o.file = *path_r;
		o.line = cf->first_refused;
		import_say(p->m, REMARK_NONE, &o, "%u of them are left out; "
		    "this is the first", cf->refused);
	}
	return 0;
}

/* What other values are made of. */
static const char *
default_of(void *arg, struct slice name)
{
	static const struct {
		const char	*name, *value;
	} known[] = {
		{ "mydestination", "$myhostname, localhost.$mydomain, "
		    "localhost" },
		{ "myorigin", "$myhostname" },
		{ "alias_maps", "hash:/etc/aliases" },
		{ "mail_name", "Postfix" },
		{ "config_directory", "/etc/postfix" },
		{ "queue_directory", "/var/spool/postfix" },
		{ "data_directory", "/var/lib/postfix" },
		{ "daemon_directory", "/usr/lib/postfix/sbin" },
		{ "default_database_type", "hash" },
	};
	const struct postfix *p = arg;
	size_t i;

	if (slice_eq(name, SLICE_LIT("myhostname")))
		return p->myhostname;
	if (slice_eq(name, SLICE_LIT("mydomain")))
		return p->mydomain;
	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (slice_eq(name, slice_str(known[i].name)))
			return known[i].value;
	return NULL;
}

/* Of a parameter, or of its default where the file does not have it. */
static bool
value_of(struct postfix *p, const char *name, struct buf *out)
{
	const struct cf_param *param = cf_find(&p->main, slice_str(name));
	const char *dflt = default_of(p, slice_str(name));

	buf_reset(out);
	if (param == NULL && dflt == NULL)
		return false;
	return cf_expand(&p->main, param != NULL ? param->value :
	    slice_str(dflt), default_of, p, out) == 0;
}

/* myhostname and mydomain, from which much else is made. */
static void
find_names(struct postfix *p)
{
	struct buf b = BUF_INIT(CF_VALUE_BYTES);
	const char *dot;

	if (gethostname(p->myhostname, sizeof(p->myhostname) - 1) == -1)
		snprintf(p->myhostname, sizeof(p->myhostname), "localhost");
	snprintf(p->mydomain, sizeof(p->mydomain), "localdomain");
	if (cf_find(&p->main, SLICE_LIT("mydomain")) != NULL &&
	    value_of(p, "mydomain", &b) && b.n > 0)
		snprintf(p->mydomain, sizeof(p->mydomain), "%s",
		    buf_cstr(&b));
	if (cf_find(&p->main, SLICE_LIT("myhostname")) != NULL &&
	    value_of(p, "myhostname", &b) && b.n > 0)
		snprintf(p->myhostname, sizeof(p->myhostname), "%s",
		    buf_cstr(&b));
	dot = strchr(p->myhostname, '.');
	if (dot != NULL && cf_find(&p->main, SLICE_LIT("mydomain")) == NULL)
		snprintf(p->mydomain, sizeof(p->mydomain), "%s", dot + 1);
	buf_clear(&b);
}

/* What a parameter that the file does not have is all the same. */
static void
by_default(struct postfix *p, const char *name, rule_fn *run)
{
	struct buf value = BUF_INIT(CF_VALUE_BYTES);
	struct origin o = { .file = p->main_path };
	char text[64];

	if (cf_find(&p->main, slice_str(name)) == NULL &&
	    value_of(p, name, &value)) {
		snprintf(text, sizeof(text), "%s (default)", name);
		o.name = slice_str(text);
		o.value = buf_slice(&value);
		run(p, &o, buf_slice(&value), NULL);
	}
	buf_clear(&value);
}

int
import_postfix(struct import *m, const char *dir)
{
	static struct postfix p;
	struct buf value = BUF_INIT(CF_VALUE_BYTES);
	const struct rule *rule;
	struct cf_param *param;
	size_t i;
	int r;

	p = (struct postfix){ .m = m };
	r = read_cf(&p, dir, "main.cf", &p.main, &p.main_path);
	if (r == 0)
		r = read_cf(&p, dir, "master.cf", &p.master, &p.master_path);
	if (r != 0)
		return r;
	find_names(&p);
	for (i = 0; i < p.main.n; i++) {
		struct origin o;

		param = cf_find(&p.main, p.main.v[i].name);
		if (param != &p.main.v[i])
			continue;	/* a later one counts */
		o = (struct origin){ p.main_path, param->line, param->name,
			param->value };
		rule = find_rule(param->name);
		if (cf_expand(&p.main, param->value, default_of, &p,
		    &value) == -1)
			import_say(m, REMARK_NONE, &o, "$names in it lead too "
			    "deep, or make it too long");
		else if (rule != NULL)
			rule->run(&p, &o, buf_slice(&value), rule);
		else
			import_say(m, REMARK_NONE, &o, "is not known here");
		buf_reset(&value);
	}
	by_default(&p, "mydestination", destinations);
	if (access("/etc/aliases", R_OK) == 0)
		by_default(&p, "alias_maps", aliases);
	certificates(&p);
	import_services(m, p.master_path, &p.master,
	    value_of(&p, "inet_interfaces", &value) ? buf_slice(&value) :
	    SLICE_LIT("all"));
	buf_clear(&value);
	cf_clear(&p.main);
	cf_clear(&p.master);
	return 0;
}

/* ---- simple rules -------------------------------------------------------- */

static void
differs(struct postfix *p, const struct origin *o, struct slice value,
    const struct rule *rule)
{
	if (value.n > 0)
		import_say(p->m, REMARK_DIFFERS, o, "%s", rule->text);
}

static void
built_in(struct postfix *p, const struct origin *o, struct slice value,
    const struct rule *rule)
{
	(void)value;
	import_say(p->m, REMARK_TAKEN, o, "%s", rule->text != NULL ?
	    rule->text : "needs no setting here");
}

static void
none(struct postfix *p, const struct origin *o, struct slice value,
    const struct rule *rule)
{
	if (value.n > 0 && !slice_eq(value, SLICE_LIT("no")))
		import_say(p->m, REMARK_NONE, o, "%s", rule->text != NULL ?
		    rule->text : "has no equivalent");
}

static void
word(struct postfix *p, const struct origin *o, struct slice value,
    const struct rule *rule)
{
	if (value.n > 0)
		import_set(p->m, o, rule->text, import_copy(p->m, value));
}

/* A value that our limits do not allow is left to the operator. */
static void
put_value(struct postfix *p, const struct origin *o, const char *key,
    uint64_t n, const char *unit)
{
	char text[64], line[128];
	struct buf why = BUF_INIT(1024);
	struct conf *c;

	snprintf(text, sizeof(text), "%llu%s", (unsigned long long)n, unit);
	snprintf(line, sizeof(line), "%s = %s\n", key, text);
	c = conf_parse(slice_str(line), "", &why);
	/* What it is together with other keys is seen at the end. */
	if (c != NULL || strcmp(key, "queue.retry_max") == 0 ||
	    strcmp(key, "queue.retry_first") == 0)
		import_set(p->m, o, key, import_copy(p->m, slice_str(text)));
	else
		import_say(p->m, REMARK_DIFFERS, o, "%s cannot be %s; its "
		    "default stays", key, text);
	conf_free(&c);
	buf_clear(&why);
}

/* In the largest unit that it is a multiple of. */
static void
put_seconds(struct postfix *p, const struct origin *o, const char *key,
    uint64_t n)
{
	static const struct {
		uint64_t	 n;
		const char	*unit;
	} units[] = { { 86400, "d" }, { 3600, "h" }, { 60, "m" }, { 1, "s" } };
	size_t i = 0;

	while (n % units[i].n != 0)
		i++;
	put_value(p, o, key, n / units[i].n, units[i].unit);
}

static void
number(struct postfix *p, const struct origin *o, struct slice value,
    const struct rule *rule)
{
	uint64_t n;

	if (slice_to_u64(value, 0, INT64_MAX, &n))
		put_value(p, o, rule->text, n, "");
	else
		import_say(p->m, REMARK_NONE, o, "is no number");
}

static void
size(struct postfix *p, const struct origin *o, struct slice value,
    const struct rule *rule)
{
	uint64_t n;

	if (slice_to_u64(value, 0, 0, &n))
		import_say(p->m, REMARK_DIFFERS, o, "there is always a limit: "
		    "%s", rule->text);
	else if (slice_to_u64(value, 0, INT64_MAX, &n))
		put_value(p, o, rule->text, n, "");
	else
		import_say(p->m, REMARK_NONE, o, "is no number");
}

/* 30s, 5m, 4h, 5d, 1w; seconds without a unit, hours and days for some. */
static void
duration(struct postfix *p, const struct origin *o, struct slice value,
    const struct rule *rule)
{
	static const struct {
		char	 unit;
		uint64_t n;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 },
		{ 'w', 604800 } };
	char unit = value.n > 0 ? value.p[value.n - 1] : '0';
	uint64_t n, factor = 1;
	size_t i;

	if (unit >= '0' && unit <= '9') {
		if (slice_eq(o->name, SLICE_LIT("delay_warning_time")))
			factor = 3600;
	} else {
		factor = 0;
		for (i = 0; i < sizeof(units) / sizeof(units[0]); i++)
			if (units[i].unit == unit)
				factor = units[i].n;
		value.n -= value.n > 0;
	}
	if (factor > 0 && slice_to_u64(value, 0, UINT32_MAX, &n))
		put_seconds(p, o, rule->text, n * factor);
	else
		import_say(p->m, REMARK_NONE, o, "is no time");
}

/* In days where it has no unit. */
static void
lifetime(struct postfix *p, const struct origin *o, struct slice value,
    const struct rule *rule)
{
	uint64_t days;

	if (slice_to_u64(value, 0, 10000, &days))
		put_seconds(p, o, rule->text, days * 86400);
	else
		duration(p, o, value, rule);
}

/* ---- names and networks -------------------------------------------------- */

static void
hostname(struct postfix *p, const struct origin *o, struct slice value,
    const struct rule *rule)
{
	(void)rule;
	if (conf_domain_is_valid(value))
		import_set(p->m, o, "hostname", import_copy(p->m, value));
	else
		import_say(p->m, REMARK_NONE, o, "is no host name");
}

/* Domains in a list, or the keys of tables and files in it. */
static void
each_domain(struct postfix *p, const struct origin *o, struct slice list,
    import_domain_fn *on_domain)
{
	struct buf text = BUF_INIT(IMPORT_TABLE_BYTES);
	struct slice one, rest, line;

	while (cf_next_word(&list, &one)) {
		if (one.n == 0 || one.p[0] == '!')
			import_say(p->m, REMARK_NONE, o, "\"%.*s\": there are "
			    "no exceptions", SLICE_ARG(one));
		else if (one.p[0] == '/') {
			buf_reset(&text);
			if (import_read(import_copy(p->m, one),
			    IMPORT_TABLE_BYTES, &text) == -1)
				import_say(p->m, REMARK_NONE, o, "%.*s: %s",
				    SLICE_ARG(one), strerror(errno));
			rest = buf_slice(&text);
			while (slice_next(&rest, '\n', &line)) {
				line = slice_trim(line);
				if (line.n > 0 && line.p[0] != '#')
					on_domain(p->m, o, line);
			}
		} else if (slice_find(one, ':') < one.n)
			import_tables(p->m, o, one, USE_DOMAINS, NULL,
			    on_domain);
		else
			on_domain(p->m, o, one);
	}
	buf_clear(&text);
}

static void
add_system(struct import *m, const struct origin *o, struct slice name)
{
	/* Its users get their mail without a block. */
	if (slice_eq_nocase(name, SLICE_LIT("localhost")) ||
	    slice_starts_nocase(name, SLICE_LIT("localhost.")))
		return;
	import_domain(m, o, name, "system");
}

static void
destinations(struct postfix *p, const struct origin *o, struct slice value,
    const struct rule *rule)
{
	(void)rule;
	each_domain(p, o, value, add_system);
	import_say(p->m, REMARK_TAKEN, o, "domains of type system");
}

/* Bits behind the prefix may be set in Postfix's, not in ours. */
static void
networks(struct postfix *p, const struct origin *o, struct slice value,
    const struct rule *rule)
{
	struct buf words = BUF_INIT(CF_VALUE_BYTES);
	struct conf_net net;
	struct slice one;
	char text[80];
	size_t end;

	while (cf_next_word(&value, &one)) {
		end = slice_find(one, ']');
		if (one.n > 0 && one.p[0] == '[' && end < one.n)
			snprintf(text, sizeof(text), "%.*s%.*s",
			    SLICE_ARG(slice_of(one.p + 1, end - 1)),
			    SLICE_ARG(slice_from(one, end + 1)));
		else
			snprintf(text, sizeof(text), "%.*s",
			    SLICE_ARG(slice_first(one, one.n < 79 ? one.n :
			    79)));
		if (conf_net_parse(text, &net))
			buf_printf(&words, "%s%s", words.n > 0 ? ", " : "",
			    text);
		else
			import_say(p->m, REMARK_NONE, o, "\"%.*s\" is no "
			    "network that can be named here (no files, tables "
			    "and exceptions; bits behind the prefix are 0)",
			    SLICE_ARG(one));
	}
	import_set_list(p->m, o, rule->text != NULL ? rule->text :
	    "relay_networks", buf_slice(&words));
	buf_clear(&words);
}

/* The name is said before it anyway. */
static void
banner(struct postfix *p, const struct origin *o, struct slice value,
    const struct rule *rule)
{
	struct slice name = slice_str(p->myhostname);

	(void)rule;
	if (!slice_starts_nocase(value, name))
		import_say(p->m, REMARK_DIFFERS, o, "the greeting begins with "
		    "hostname");
	else
		value = slice_trim(slice_from(value, name.n));
	if (slice_find(value, '$') == value.n && value.n > 0 &&
	    !slice_starts(value, SLICE_LIT("ESMTP Postfix")))
		import_set(p->m, o, "smtp.banner", import_copy(p->m, value));
	else
		import_say(p->m, REMARK_TAKEN, o, "the default greeting");
}

static void
delimiter(struct postfix *p, const struct origin *o, struct slice value,
    const struct rule *rule)
{
	(void)rule;
	if (value.n > 1)
		import_say(p->m, REMARK_DIFFERS, o, "one character; the first "
		    "is taken");
	import_set(p->m, o, "recipient_delimiter", import_copy(p->m,
	    slice_first(value, value.n > 0 ? 1 : 0)));
}

static void
maildir(struct postfix *p, const struct origin *o, struct slice value,
    const struct rule *rule)
{
	(void)rule;
	if (value.n > 1 && value.p[value.n - 1] == '/')
		import_set(p->m, o, "local.system_maildir", import_copy(p->m,
		    slice_first(value, value.n - 1)));
	else if (value.n > 0)
		import_say(p->m, REMARK_DIFFERS, o, "is a mbox; mail goes to a "
		    "Maildir, ~/Maildir");
}

static void
interfaces(struct postfix *p, const struct origin *o, struct slice value,
    const struct rule *rule)
{
	(void)rule;
	import_say(p->m, REMARK_TAKEN, o, "addresses of the listeners: %.*s",
	    SLICE_ARG(value));
}

static void
protocols(struct postfix *p, const struct origin *o, struct slice value,
    const struct rule *rule)
{
	(void)rule;
	if (slice_eq(value, SLICE_LIT("ipv4")))
		import_set(p->m, o, "remote.ipv6", "no");
	else if (slice_eq(value, SLICE_LIT("ipv6")))
		import_set(p->m, o, "remote.ipv4", "no");
	else
		import_say(p->m, REMARK_TAKEN, o, "needs no setting here");
}

/* ---- tables -------------------------------------------------------------- */

static void
aliases(struct postfix *p, const struct origin *o, struct slice value,
    const struct rule *rule)
{
	(void)rule;
	import_tables(p->m, o, value, USE_ALIASES, &p->m->aliases, NULL);
}

static void
virtual_aliases(struct postfix *p, const struct origin *o, struct slice value,
    const struct rule *rule)
{
	(void)rule;
	import_tables(p->m, o, value, USE_VIRTUAL, &p->m->virtual, NULL);
}

static void
add_alias_domain(struct import *m, const struct origin *o, struct slice name)
{
	import_domain(m, o, name, "alias");
}

static void
alias_domains(struct postfix *p, const struct origin *o, struct slice value,
    const struct rule *rule)
{
	struct buf maps = BUF_INIT(CF_VALUE_BYTES);

	(void)rule;
	/* $virtual_alias_maps: its table has the domains' own lines. */
	if (value_of(p, "virtual_alias_maps", &maps) &&
	    slice_eq(value, buf_slice(&maps)))
		import_say(p->m, REMARK_TAKEN, o, "the domains named in those "
		    "tables");
	else if (value.n > 0) {
		each_domain(p, o, value, add_alias_domain);
		import_say(p->m, REMARK_TAKEN, o, "domains of type alias");
	}
	buf_clear(&maps);
}

static void
add_mailbox_domain(struct import *m, const struct origin *o,
    struct slice name)
{
	import_domain(m, o, name, "virtual");
}

static void
mailbox_domains(struct postfix *p, const struct origin *o, struct slice value,
    const struct rule *rule)
{
	(void)rule;
	each_domain(p, o, value, add_mailbox_domain);
	import_say(p->m, REMARK_TAKEN, o, "domains of type virtual");
}

/* Every virtual domain asks all of these tables: see cmd_import.c. */
static void
mailbox_maps(struct postfix *p, const struct origin *o, struct slice value,
    const struct rule *rule)
{
	struct buf names = BUF_INIT(4096);

	(void)rule;
	import_tables(p->m, o, value, USE_MAILBOXES, &names, NULL);
	buf_clear(&names);
}

static void
add_relay_domain(struct import *m, const struct origin *o, struct slice name)
{
	import_domain(m, o, name, "relay");
}

static void
relay_domains(struct postfix *p, const struct origin *o, struct slice value,
    const struct rule *rule)
{
	struct buf own = BUF_INIT(CF_VALUE_BYTES);

	(void)rule;
	/* What is received here is no relay, as the old default had it. */
	if (value.n > 0 && !(value_of(p, "mydestination", &own) &&
	    slice_eq(value, buf_slice(&own)))) {
		each_domain(p, o, value, add_relay_domain);
		import_say(p->m, REMARK_TAKEN, o, "domains of type relay, "
		    "those named and none below them");
	} else
		import_say(p->m, REMARK_TAKEN, o, "no domain of type relay");
	buf_clear(&own);
}

static void
recipient_maps(struct postfix *p, const struct origin *o, struct slice value,
    const struct rule *rule)
{
	struct buf names = BUF_INIT(4096);

	(void)rule;
	import_tables(p->m, o, value, USE_RECIPIENTS, &names, NULL);
	buf_clear(&names);
}

static void
transports(struct postfix *p, const struct origin *o, struct slice value,
    const struct rule *rule)
{
	(void)rule;
	import_tables(p->m, o, value, USE_ROUTES, &p->m->routes, NULL);
}

/* The last of the routes, so that others go before it. */
static void
relay_host(struct postfix *p, const struct origin *o, struct slice value,
    const struct rule *rule)
{
	(void)rule;
	if (value.n == 0)
		return;
	if (!conf_next_hop_is_valid(value)) {
		import_say(p->m, REMARK_NONE, o, "is no next hop of ours");
		return;
	}
	import_say(p->m, REMARK_TAKEN, o, "the route * in the table "
	    "smarthost");
	buf_printf(&p->m->smarthost, "table smarthost {\n\ttype = inline\n"
	    "\tentries = { \"*=%.*s\" }\n}\n", SLICE_ARG(value));
}

static void
senders(struct postfix *p, const struct origin *o, struct slice value,
    const struct rule *rule)
{
	(void)rule;
	import_tables(p->m, o, value, USE_SENDERS, &p->m->senders, NULL);
	import_say(p->m, REMARK_DIFFERS, o, "a login may always send as the "
	    "addresses that lead to its mailbox");
}

static void
tls_client(struct postfix *p, const struct origin *o, struct slice value,
    const struct rule *rule)
{
	static const struct {
		const char	*theirs, *ours;
		bool		 same;
	} levels[] = {
		{ "none", "none", true }, { "may", "may", true },
		{ "encrypt", "encrypt", true }, { "verify", "verify", true },
		{ "secure", "verify", true }, { "dane", "may", false },
		{ "dane-only", "encrypt", false },
		{ "fingerprint", "verify", false },
	};
	size_t i;

	(void)rule;
	for (i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		if (slice_eq(value, slice_str(levels[i].theirs))) {
			import_set(p->m, o, "remote.tls", levels[i].ours);
			if (!levels[i].same)
				import_say(p->m, REMARK_DIFFERS, o, "there is "
				    "no %s for all next hops",
				    levels[i].theirs);
			return;
		}
	if (value.n > 0)
		import_say(p->m, REMARK_NONE, o, "is no level");
}

/* ---- restrictions -------------------------------------------------------- */

/* What a word takes with it. */
static bool
takes_argument(struct slice word)
{
	return slice_starts(word, SLICE_LIT("check_")) ||
	    slice_starts(word, SLICE_LIT("reject_rbl")) ||
	    slice_starts(word, SLICE_LIT("reject_rhsbl")) ||
	    slice_starts(word, SLICE_LIT("permit_dnswl")) ||
	    slice_starts(word, SLICE_LIT("permit_rhswl"));
}

static void
restrictions(struct postfix *p, const struct origin *o, struct slice value,
    const struct rule *rule)
{
	static const struct {
		const char	*word;
		enum remark	 remark;
		const char	*text;
	} words[] = {
		{ "permit_mynetworks", REMARK_TAKEN, "relay_networks" },
		{ "permit_sasl_authenticated", REMARK_TAKEN, "listeners of "
		    "mode submission" },
		{ "reject_unauth_destination", REMARK_TAKEN, "always" },
		{ "defer_unauth_destination", REMARK_TAKEN, "always, with "
		    "550" },
		{ "permit_auth_destination", REMARK_TAKEN, "always" },
		{ "reject_unlisted_recipient", REMARK_TAKEN, "always" },
		{ "reject_unauth_pipelining", REMARK_TAKEN, "always" },
		{ "reject_non_fqdn_recipient", REMARK_TAKEN, "always" },
		{ "reject_invalid_helo_hostname", REMARK_DIFFERS, "only what "
		    "is no name at all is refused" },
		{ "reject_multi_recipient_bounce", REMARK_DIFFERS, "a null "
		    "sender may have several recipients" },
		{ "permit", REMARK_TAKEN, "always" },
	};
	struct slice one, argument, rest = value;
	size_t i;

	(void)rule;
	while (cf_next_word(&rest, &one)) {
		struct origin each = { o->file, o->line, o->name, one };

		argument = SLICE_EMPTY;
		if (takes_argument(one) && cf_next_word(&rest, &argument))
			each.value = slice_of(one.p, (size_t)(argument.p +
			    argument.n - one.p));
		for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			if (slice_eq(one, slice_str(words[i].word)))
				break;
		if (i < sizeof(words) / sizeof(words[0]))
			import_say(p->m, words[i].remark, &each, "%s",
			    words[i].text);
		else
			import_say(p->m, REMARK_NONE, &each, "nothing here "
			    "refuses or allows mail by that");
	}
}

/* ---- certificates -------------------------------------------------------- */

static void
certificates(struct postfix *p)
{
	struct buf chain = BUF_INIT(CF_VALUE_BYTES);
	struct buf key = BUF_INIT(CF_VALUE_BYTES);
	struct origin o = { .file = p->main_path };
	struct slice list, one;

	if (value_of(p, "smtpd_tls_chain_files", &chain) && chain.n > 0) {
		/* Keys and chains in one file, or each in its own. */
		list = buf_slice(&chain);
		if (cf_next_word(&list, &one))
			buf_add(&key, one);
		if (!cf_next_word(&list, &one))
			one = buf_slice(&key);
		import_certificate(p->m, "postfix", import_copy(p->m, one),
		    import_copy(p->m, buf_slice(&key)));
		if (cf_next_word(&list, &one)) {
			o.name = SLICE_LIT("smtpd_tls_chain_files");
			import_say(p->m, REMARK_DIFFERS, &o, "write another "
			    "certificate block for the further files");
		}
	} else if (value_of(p, "smtpd_tls_cert_file", &chain) && chain.n > 0) {
		if (!value_of(p, "smtpd_tls_key_file", &key) || key.n == 0)
			buf_add(&key, buf_slice(&chain));
		import_certificate(p->m, "postfix",
		    import_copy(p->m, buf_slice(&chain)),
		    import_copy(p->m, buf_slice(&key)));
	}
	buf_clear(&chain);
	buf_clear(&key);
}
