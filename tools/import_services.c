/* SPDX-License-Identifier: ISC */
/*
 * import_services - Postfix's master.cf: what is served becomes a listener.
 *
 * Everything else in it says how Postfix's own processes run.
 */
#include <stdio.h>

#include "base/num.h"
#include "cf_text.h"
#include "import.h"

struct services {
	struct import	*m;
	const char	*path;
	const struct cf_text *cf;
	struct slice	 interfaces;	/* inet_interfaces */
	bool		 serves_smtp;
};

static void	 service(struct services *, const struct cf_param *);
static void	 listener(struct services *, const struct origin *,
		    const struct cf_service *);
static bool	 put_addresses(struct services *, struct slice name,
		    struct buf *, unsigned *port_r);
static bool	 has_option(const struct cf_service *, const char *name,
		    const char *value);
static void	 say_options(struct services *, const struct cf_service *,
		    unsigned line);
static bool	 is_usual(struct slice command);

void
import_services(struct import *m, const char *path, const struct cf_text *cf,
    struct slice interfaces)
{
	struct services p = { m, path, cf, interfaces, false };
	size_t i;

	for (i = 0; i < cf->n; i++)
		service(&p, &cf->v[i]);
	if (!p.serves_smtp) {
		struct origin o = { .file = path,
			.name = SLICE_LIT("smtp inet") };

		import_say(m, REMARK_DIFFERS, &o, "there is no service on "
		    "port 25; add a listener if mail shall come in");
	}
}

static void
service(struct services *p, const struct cf_param *row)
{
	struct origin o = { p->path, row->line, row->name, row->value };
	struct cf_service s;

	if (!cf_service_parse(row, &s))
		import_say(p->m, REMARK_NONE, &o, "is no service");
	else if (slice_eq(s.type, SLICE_LIT("inet")) &&
	    (slice_eq(s.command, SLICE_LIT("smtpd")) ||
	    slice_eq(s.command, SLICE_LIT("postscreen")))) {
		listener(p, &o, &s);
		if (slice_eq(s.command, SLICE_LIT("postscreen")))
			import_say(p->m, REMARK_DIFFERS, &o, "no postscreen; "
			    "smtp.greet_delay has its test of who speaks "
			    "first");
	} else if (slice_eq(s.command, SLICE_LIT("pipe")))
		import_say(p->m, REMARK_NONE, &o, "no transport by a program; "
		    "an alias with |program does for single addresses");
	else if (slice_eq(s.command, SLICE_LIT("smtpd")))
		return;		/* of postscreen */
	else if (!is_usual(s.command) ||
	    slice_eq(s.command, SLICE_LIT("spawn")))
		import_say(p->m, REMARK_NONE, &o, "has no equivalent");
	else if (s.noptions > 0 && !(s.noptions == 1 &&
	    slice_eq(s.options[0].name, SLICE_LIT("syslog_name"))))
		import_say(p->m, REMARK_NONE, &o, "its own settings (-o) are "
		    "not taken over; a nexthop block has what differs for "
		    "some next hops");
}

static void
listener(struct services *p, const struct origin *o,
    const struct cf_service *s)
{
	struct buf addresses = BUF_INIT(CF_VALUE_BYTES);
	char name[32];
	unsigned port;
	bool wrapped = has_option(s, "smtpd_tls_wrappermode", "yes");
	bool users = wrapped || has_option(s, "smtpd_sasl_auth_enable", "yes");
	const char *tls = "starttls";

	if (!put_addresses(p, s->name, &addresses, &port)) {
		import_say(p->m, REMARK_NONE, o, "is no port that is known");
		buf_clear(&addresses);
		return;
	}
	users = users || port == 587 || port == 465;
	wrapped = wrapped || port == 465;
	if (wrapped)
		tls = "implicit";
	else if (users)
		tls = "required";
	snprintf(name, sizeof(name), "port-%u", port);
	import_listener(p->m, name, import_copy(p->m, buf_slice(&addresses)),
	    users ? "submission" : "smtp", tls);
	import_say(p->m, REMARK_TAKEN, o, "listener %s, %s, tls = %s", name,
	    users ? "submission" : "smtp", tls);
	say_options(p, s, o->line);
	p->serves_smtp = p->serves_smtp || port == 25;
	buf_clear(&addresses);
}

/* HOST:PORT or PORT; the addresses that inet_interfaces has where there is no
 * host.  False: not a port that we know. */
static bool
put_addresses(struct services *p, struct slice name, struct buf *out,
    unsigned *port_r)
{
	static const struct {
		const char	*name;
		unsigned	 port;
	} known[] = { { "smtp", 25 }, { "submission", 587 }, { "smtps", 465 },
		{ "submissions", 465 }, { "urd", 465 } };
	size_t colon = slice_rfind(name, ':'), i;
	struct slice host = SLICE_EMPTY, rest, one;
	uint64_t port = 0;
	bool named = !slice_eq(p->interfaces, SLICE_LIT("all"));

	if (colon < name.n) {
		host = slice_first(name, colon);
		name = slice_from(name, colon + 1);
	}
	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (slice_eq(name, slice_str(known[i].name)))
			port = known[i].port;
	if (port == 0 && !slice_to_u64(name, 1, 65535, &port))
		return false;
	*port_r = (unsigned)port;
	if (host.n > 0) {
		if (slice_eq_nocase(host, SLICE_LIT("localhost")))
			host = SLICE_LIT("127.0.0.1");
		buf_printf(out, "%.*s:%u", SLICE_ARG(host), *port_r);
		return true;
	}
	rest = named ? p->interfaces : SLICE_EMPTY;
	if (!named)
		buf_printf(out, "*:%u", *port_r);
	while (cf_next_word(&rest, &one)) {
		if (slice_eq(one, SLICE_LIT("loopback-only")) ||
		    slice_eq(one, SLICE_LIT("localhost")))
			buf_printf(out, "%s127.0.0.1:%u, [::1]:%u",
			    out->n > 0 ? ", " : "", *port_r, *port_r);
		else if (slice_find(one, ':') < one.n && one.p[0] != '[')
			buf_printf(out, "%s[%.*s]:%u", out->n > 0 ? ", " : "",
			    SLICE_ARG(one), *port_r);
		else
			buf_printf(out, "%s%.*s:%u", out->n > 0 ? ", " : "",
			    SLICE_ARG(one), *port_r);
	}
	return true;
}

static bool
has_option(const struct cf_service *s, const char *name, const char *value)
{
	size_t i;

	for (i = 0; i < s->noptions; i++)
		if (slice_eq(s->options[i].name, slice_str(name)) &&
		    slice_eq(s->options[i].value, slice_str(value)))
			return true;
	return false;
}

static void
say_options(struct services *p, const struct cf_service *s, unsigned line)
{
	static const char *const taken[] = { "syslog_name",
		"smtpd_tls_security_level", "smtpd_tls_wrappermode",
		"smtpd_sasl_auth_enable", "smtpd_reject_unlisted_recipient",
		"smtpd_tls_auth_only", "smtpd_relay_restrictions",
		"smtpd_recipient_restrictions", "smtpd_client_restrictions",
		"milter_macro_daemon_name", "smtpd_helo_restrictions",
		"smtpd_sender_restrictions", "smtpd_sasl_type",
		"smtpd_sasl_path" };
	size_t i, j;

	for (i = 0; i < s->noptions; i++) {
		struct origin o = { p->path, line, s->options[i].name,
			s->options[i].value };

		for (j = 0; j < sizeof(taken) / sizeof(taken[0]); j++)
			if (slice_eq(o.name, slice_str(taken[j])))
				break;
		if (j < sizeof(taken) / sizeof(taken[0]))
			import_say(p->m, REMARK_TAKEN, &o, "as its listener's "
			    "mode and tls say");
		else
			import_say(p->m, REMARK_NONE, &o, "of service %.*s; a "
			    "listener has no such setting", SLICE_ARG(s->name));
	}
}

/* Services that are there in any installation and say nothing. */
static bool
is_usual(struct slice command)
{
	static const char *const usual[] = { "pickup", "cleanup", "qmgr",
		"oqmgr", "tlsmgr", "trivial-rewrite", "bounce", "verify", "flush",
		"proxymap", "smtp", "showq", "error", "discard", "local",
		"virtual", "lmtp", "anvil", "scache", "postlogd", "dnsblog",
		"tlsproxy" };
	size_t i;

	for (i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
		if (slice_eq(command, slice_str(usual[i])))
			return true;
	return false;
}
