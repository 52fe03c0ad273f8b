/* SPDX-License-Identifier: ISC */
/*
 * cmd_init - makes an instance: configuration, tables, directories, and as
 * root the system users that are missing.
 *
 * Everything is checked before the first byte is written, and chasqui.conf is
 * written last and never over another one: what fails half way can be run
 * again.
 */
#include <sys/socket.h>

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <netinet/in.h>
#include <readpassphrase.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/num.h"
#include "chasqui.h"
#include "dns_records.h"
#include "instance.h"
#include "password_file.h"
#include "sasl/password.h"

#define WORDS		1000	/* of one option */
#define TEXT_BYTES	(4 * 1024 * 1024)

struct words {
	const char	*v[WORDS];
	size_t		 n;
};

struct init {
	struct instance	 at;
	const char	*hostname;
	struct words	 domains;
	struct words	 users;		/* ADDRESS or ADDRESS:PASSWORD */
	struct words	 relays;	/* DOMAIN=HOST:PORT */
	struct words	 networks;
	const char	*dns;
	uint64_t	 port_base;	/* 0: the real ports */
};

static int	 run(struct tool *, int, char *[]);
static int	 parse_options(struct init *, int, char *[]);
static int	 ask(struct init *);
static int	 check(struct init *);
static int	 check_users(struct init *);
static int	 make_users(struct init *);
static int	 make_directories(const struct init *);
static int	 write_tables(const struct init *);
static int	 write_certificate(const struct init *);
static int	 write_conf(const struct init *);
static int	 check_result(const struct init *);
static void	 say_what_is_next(const struct init *);
static void	 say_records(const struct init *);
static bool	 has_ipv6_loopback(void);

const struct command cmd_init = { "init",
	"[--dir DIR] [--hostname HOST] [--domain DOMAIN]...\n"
	"    [--user USER@DOMAIN[:PASSWORD]]... [--port-base N] "
	"[--dns ADDRESS:PORT]\n"
	"    [--relay DOMAIN=HOST[:PORT]]... [--relay-network CIDR]...\n\n"
	"With --dir all of it is below DIR.  With --port-base each protocol "
	"is served on\nits port plus N (SMTP on N+25), on the loopback "
	"addresses, otherwise on its port\non all.  As root the system users "
	"that are missing are made.  At a terminal what\nis not given and "
	"cannot be known is asked for.",
	"make a configuration, its tables and directories", run };

static int
run(struct tool *t, int argc, char *argv[])
{
	static struct init in;
	static int (*const steps[])(struct init *) = { ask, check,
		make_users };
	static int (*const writes[])(const struct init *) = {
		make_directories, write_tables, write_certificate, write_conf,
		check_result };
	int r = parse_options(&in, argc, argv);
	size_t i;

	if (in.at.dir == NULL)
		in.at.dir = t->dir;
	umask(022);
	for (i = 0; r == 0 && i < sizeof(steps) / sizeof(steps[0]); i++)
		r = steps[i](&in);
	for (i = 0; r == 0 && i < sizeof(writes) / sizeof(writes[0]); i++)
		r = writes[i](&in);
	if (r == 0)
		say_what_is_next(&in);
	return r;
}

/* ---- options ------------------------------------------------------------- */

static int
add_word(struct words *w, const char *word)
{
	if (w->n == WORDS)
		return tool_fail(EX_USAGE, "more than %d of one option",
		    WORDS);
	w->v[w->n++] = word;
	return 0;
}

static int
parse_options(struct init *in, int argc, char *argv[])
{
	static const struct option options[] = {
		{ "dir", required_argument, NULL, 'd' },
		{ "hostname", required_argument, NULL, 'h' },
		{ "domain", required_argument, NULL, 'D' },
		{ "user", required_argument, NULL, 'u' },
		{ "port-base", required_argument, NULL, 'p' },
		{ "dns", required_argument, NULL, 'n' },
		{ "relay", required_argument, NULL, 'r' },
		{ "relay-network", required_argument, NULL, 'R' },
		{ NULL, 0, NULL, 0 },
	};
	int ch, r = 0;

	while (r == 0 && (ch = getopt_long(argc, argv, "", options, NULL)) !=
	    -1)
		switch (ch) {
		case 'd':
			in->at.dir = optarg;
			in->at.own_dir = true;
			break;
		case 'h':
			in->hostname = optarg;
			break;
		case 'D':
			r = add_word(&in->domains, optarg);
			break;
		case 'u':
			r = add_word(&in->users, optarg);
			break;
		case 'p':
			if (!slice_to_u64(slice_str(optarg), 1000, 64540,
			    &in->port_base))
				r = tool_fail(EX_USAGE, "--port-base %s: a "
				    "number from 1000 to 64540 is wanted",
				    optarg);
			break;
		case 'n':
			in->dns = optarg;
			break;
		case 'r':
			r = add_word(&in->relays, optarg);
			break;
		case 'R':
			r = add_word(&in->networks, optarg);
			break;
		default:
			return tool_usage(&cmd_init);
		}
	if (r == 0 && optind != argc)
		return tool_usage(&cmd_init);
	return r;
}

/* ---- questions ----------------------------------------------------------- */

/* One line, owned by nobody; NULL where it is empty. */
static const char *
ask_line(const char *question, const char *dflt)
{
	char line[1024];
	struct slice s;

	printf("%s%s%s%s: ", question, dflt != NULL ? " [" : "",
	    dflt != NULL ? dflt : "", dflt != NULL ? "]" : "");
	fflush(stdout);
	if (fgets(line, sizeof(line), stdin) == NULL)
		return dflt;
	s = slice_trim(slice_str(line));
	return s.n == 0 ? dflt : strndup(s.p, s.n);
}

static bool
is_full_name(const char *name)
{
	return strchr(name, '.') != NULL && strcmp(name, "localhost") != 0;
}

static int
ask_user(struct init *in, const char *domain)
{
	char prompt[400], once[PASSWORD_BYTES + 2] = "",
	    again[PASSWORD_BYTES + 2] = "";
	const char *name = ask_line("Its first mailbox, which gets postmaster's "
	    "mail, too (empty: none yet)", NULL);
	char *word;
	int r = 0;

	if (name == NULL)
		return 0;
	snprintf(prompt, sizeof(prompt), "Its password (empty: none yet): ");
	if (readpassphrase(prompt, once, sizeof(once), 0) == NULL ||
	    (once[0] != '\0' && readpassphrase("Once more: ", again,
	    sizeof(again), 0) == NULL))
		r = tool_fail(EX_NOINPUT, "no password came");
	else if (once[0] != '\0' && strcmp(once, again) != 0)
		r = tool_fail(EX_DATAERR, "they are not the same; nothing was "
		    "written");
	else if (asprintf(&word, "%s%s%s%s%s", name,
	    strchr(name, '@') == NULL ? "@" : "",
	    strchr(name, '@') == NULL ? domain : "",
	    once[0] != '\0' ? ":" : "", once) == -1)
		r = tool_fail(EX_OSERR, "no memory");
	else
		r = add_word(&in->users, word);
	explicit_bzero(once, sizeof(once));
	explicit_bzero(again, sizeof(again));
	return r;
}

/* What was not given and cannot be known; at a terminal only, and for an
 * instance that is served on the real ports. */
static int
ask(struct init *in)
{
	const char *domain;
	char known[256] = "";

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) ||
	    in->port_base != 0)
		return 0;
	if (in->hostname == NULL) {
		if (gethostname(known, sizeof(known) - 1) == -1 ||
		    !is_full_name(known))
			known[0] = '\0';
		in->hostname = ask_line("The name of this host, as the DNS has "
		    "it", known[0] != '\0' ? strdup(known) : NULL);
	}
	if (in->domains.n > 0 || in->users.n > 0)
		return 0;
	domain = ask_line("A domain whose mail is received here (empty: none "
	    "yet)", NULL);
	if (domain == NULL)
		return 0;
	return add_word(&in->domains, domain) != 0 ? EX_USAGE :
	    ask_user(in, domain);
}

/* ---- what is valid ------------------------------------------------------- */

static bool
is_domain(struct slice s)
{
	return s.n <= 255 && conf_domain_is_valid(s);
}

/* Before the last '@' a dot-atom, so that it can stand in a table and be a
 * directory's name. */
static bool
split_address(const char *text, struct slice *local, struct slice *domain,
    const char **password)
{
	struct slice s = slice_str(text), address;
	size_t colon = slice_find(s, ':'), at, i;

	*password = colon < s.n ? text + colon + 1 : NULL;
	address = slice_first(s, colon);
	at = slice_rfind(address, '@');
	if (at == address.n || at == 0 || at > 64)
		return false;
	*local = slice_first(address, at);
	*domain = slice_from(address, at + 1);
	for (i = 0; i < local->n; i++)
		if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		    "0123456789.!#$%&'*+-=?^_`{|}~", local->p[i]) == NULL)
			return false;
	return local->p[0] != '.' && is_domain(*domain);
}

/* ---- checks -------------------------------------------------------------- */

static int
check(struct init *in)
{
	static char path[PATH_MAX];
	struct conf_endpoint dns;
	struct conf_net net;
	size_t i;

	snprintf(path, sizeof(path), "%s/chasqui.conf", in->at.dir);
	if (access(path, F_OK) == 0)
		return tool_fail(EX_CANTCREAT, "%s is there already and is "
		    "left alone; edit it and `chasqui reload`, or move it "
		    "away first", path);
	if (in->hostname != NULL && !is_domain(slice_str(in->hostname)))
		return tool_fail(EX_USAGE, "--hostname %s: not a host name",
		    in->hostname);
	for (i = 0; i < in->domains.n; i++)
		if (!is_domain(slice_str(in->domains.v[i])))
			return tool_fail(EX_USAGE, "--domain %s: not a domain",
			    in->domains.v[i]);
	if (in->dns != NULL && (!conf_endpoint_parse(in->dns, &dns) ||
	    dns.kind == ENDPOINT_UNIX || dns.kind == ENDPOINT_ANY))
		return tool_fail(EX_USAGE, "--dns %s: ADDRESS:PORT is wanted",
		    in->dns);
	for (i = 0; i < in->networks.n; i++)
		if (!conf_net_parse(in->networks.v[i], &net))
			return tool_fail(EX_USAGE, "--relay-network %s: a "
			    "network like 192.0.2.0/24 is wanted",
			    in->networks.v[i]);
	for (i = 0; i < in->relays.n; i++) {
		struct slice rest = slice_str(in->relays.v[i]), domain;

		slice_next(&rest, '=', &domain);
		if (!is_domain(domain) || rest.p == NULL ||
		    !conf_next_hop_is_valid(rest))
			return tool_fail(EX_USAGE, "--relay %s: DOMAIN=HOST or "
			    "DOMAIN=HOST:PORT is wanted", in->relays.v[i]);
	}
	return check_users(in);
}

/* Adds their domains to those of --domain. */
static int
check_users(struct init *in)
{
	struct slice local, domain;
	const char *password;
	size_t i, j;

	for (i = 0; i < in->users.n; i++) {
		if (!split_address(in->users.v[i], &local, &domain, &password))
			return tool_fail(EX_USAGE, "--user %s: an address, or "
			    "ADDRESS:PASSWORD, is wanted", in->users.v[i]);
		if (password != NULL && password[0] == '\0')
			return tool_fail(EX_USAGE, "--user %s: the password is "
			    "empty", in->users.v[i]);
		for (j = 0; j < in->domains.n; j++)
			if (slice_eq_nocase(domain,
			    slice_str(in->domains.v[j])))
				break;
		if (j == in->domains.n && add_word(&in->domains,
		    strndup(domain.p, domain.n)) != 0)
			return EX_USAGE;
	}
	return 0;
}

/* ---- files --------------------------------------------------------------- */

static void
mailboxes_text(const struct init *in, struct buf *b)
{
	size_t i;

	buf_add_str(b,
	    "# The mailboxes of virtual domains: an address a line, and what\n"
	    "# limits its mailbox where the defaults do not fit:\n"
	    "#	alice@example.org	quota_bytes=1G quota_messages=100000\n");
	for (i = 0; i < in->users.n; i++)
		buf_printf(b, "%.*s\n", (int)strcspn(in->users.v[i], ":"),
		    in->users.v[i]);
}

static void
aliases_text(const struct init *in, struct buf *b)
{
	(void)in;
	buf_add_str(b,
	    "# Other names for users of system domains, see aliases(5):\n"
	    "#	name: user, address@example.org, |\"/path/program argument\",\n"
	    "#	      /path/mbox, :include:/path/list\n"
	    "mailer-daemon: postmaster\n"
	    "abuse: postmaster\n"
	    "hostmaster: postmaster\n"
	    "webmaster: postmaster\n"
	    "security: postmaster\n"
	    "postmaster: root\n"
	    "# Who reads root's mail:\n"
	    "#root: somebody\n");
}

/* The names that RFC 2142 wants in each domain go to its first user. */
static void
virtual_text(const struct init *in, struct buf *b)
{
	static const char *const names[] = { "postmaster", "abuse" };
	struct slice local, domain, d;
	const char *password;
	size_t i, j, k;

	buf_add_str(b,
	    "# Other addresses of any domain: an address, or @domain for all "
	    "that are not\n# named, and the addresses that get its mail.\n"
	    "#	sales@example.org	alice@example.org, bob@example.org\n");
	for (i = 0; i < in->domains.n; i++) {
		d = slice_str(in->domains.v[i]);
		for (j = 0; j < in->users.n; j++)
			if (split_address(in->users.v[j], &local, &domain,
			    &password) && slice_eq_nocase(domain, d))
				break;
		for (k = 0; j < in->users.n &&
		    k < sizeof(names) / sizeof(names[0]); k++)
			if (!slice_eq_nocase(local, slice_str(names[k])))
				buf_printf(b, "%s@%.*s\t%.*s@%.*s\n", names[k],
				    SLICE_ARG(d), SLICE_ARG(local),
				    SLICE_ARG(domain));
	}
}

/* HOST is the host itself, not a domain with an MX: "[HOST]:PORT". */
static void
routes_text(const struct init *in, struct buf *b)
{
	struct slice rest, domain;
	size_t i, colon;

	buf_add_str(b,
	    "# Where mail for other domains goes when not to their MX: an "
	    "address, a domain,\n# .domain for all below it, or * for all "
	    "the rest.\n"
	    "#	example.com	[relay.example.net]:25\n"
	    "#	*		[smarthost.example.net]:25\n");
	for (i = 0; i < in->relays.n; i++) {
		rest = slice_str(in->relays.v[i]);
		slice_next(&rest, '=', &domain);
		colon = slice_rfind(rest, ':');
		if (rest.p[0] == '[' || slice_starts(rest,
		    SLICE_LIT("lmtp:")))
			buf_printf(b, "%.*s\t%.*s\n", SLICE_ARG(domain),
			    SLICE_ARG(rest));
		else
			buf_printf(b, "%.*s\t[%.*s]%.*s\n", SLICE_ARG(domain),
			    SLICE_ARG(slice_first(rest, colon)),
			    SLICE_ARG(slice_from(rest, colon)));
	}
}

static int
passwords_text(const struct init *in, struct buf *b)
{
	struct slice local, domain;
	const char *password;
	size_t i;
	int r = 0;

	buf_add_str(b, "# Login names and their passwords, see "
	    "chasqui-passwords(5); `chasqui user`\n# changes them.\n");
	for (i = 0; r == 0 && i < in->users.n; i++)
		if (split_address(in->users.v[i], &local, &domain,
		    &password) && password != NULL)
			r = user_account_text(slice_first(slice_str(
			    in->users.v[i]), (size_t)(domain.p + domain.n -
			    in->users.v[i])), slice_str(password), b);
	return r;
}

static int
write_tables(const struct init *in)
{
	static const struct {
		const char	*name;
		void		(*text)(const struct init *, struct buf *);
	} tables[] = {
		{ "tables/mailboxes", mailboxes_text },
		{ "tables/aliases", aliases_text },
		{ "tables/virtual", virtual_text },
		{ "tables/routes", routes_text },
	};
	struct buf b = BUF_INIT(TEXT_BYTES);
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < sizeof(tables) / sizeof(tables[0]); i++) {
		buf_reset(&b);
		tables[i].text(in, &b);
		r = instance_write(&in->at, tables[i].name, 0644, &b);
	}
	buf_reset(&b);
	if (r == 0)
		r = passwords_text(in, &b);
	if (r == 0)
		r = instance_write_passwords(&in->at, &b);
	if (b.n > 0)
		explicit_bzero(b.p, b.n);
	buf_clear(&b);
	return r;
}

/* ---- TLS ----------------------------------------------------------------- */

static int
make_users(struct init *in)
{
	return instance_make_users(&in->at);
}

static int
make_directories(const struct init *in)
{
	return instance_make_directories(&in->at);
}

static const char *
host_name(const struct init *in)
{
	static char name[256];

	if (in->hostname != NULL)
		return in->hostname;
	if (gethostname(name, sizeof(name) - 1) == -1 ||
	    !is_domain(slice_str(name)))
		return "localhost";
	return name;
}

static int
write_certificate(const struct init *in)
{
	return instance_write_certificate(&in->at, host_name(in));
}

static void
conf_tls(struct buf *b)
{
	buf_add_str(b, "\n# TLS.  This certificate is signed by itself; put "
	    "the files of a real one here.\n"
	    "certificate self-signed {\n"
	    "\tchain = " INSTANCE_CHAIN "\n"
	    "\tkey = " INSTANCE_KEY "\n"
	    "}\n");
}

/* ---- chasqui.conf -------------------------------------------------------- */

static bool
has_ipv6_loopback(void)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
		.sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool has = fd != -1 &&
	    bind(fd, (struct sockaddr *)&in6, sizeof(in6)) == 0;

	if (fd != -1)
		close(fd);
	return has;
}

static void
conf_places(const struct init *in, struct buf *b)
{
	buf_add_str(b, "\n# Where things are; relative paths start from this "
	    "file's directory.\n");
	if (in->at.own_dir)
		buf_add_str(b,
		    "path.queue = queue\n"
		    "path.mail = mail\n"
		    "path.history = history\n"
		    "path.run = run\n");
	else
		buf_add_str(b,
		    "#path.queue = /var/spool/chasqui\n"
		    "#path.mail = /var/mail/chasqui\n"
		    "#path.history = /var/lib/chasqui/history\n"
		    "#path.run = /run/chasqui\n");
	buf_add_str(b, "path.tables = tables\n"
	    "\n# syslog, stderr, or a file.\n");
	buf_add_str(b, in->port_base != 0 ? "log.target = log/chasqui.log\n" :
	    "log.target = syslog\n");
}

static void
conf_place(const struct init *in, struct buf *b, const char *name,
    unsigned port, const char *more)
{
	port += (unsigned)in->port_base;
	buf_printf(b, "listener %s {\n", name);
	if (in->port_base == 0)
		buf_printf(b, "\taddress = *:%u\n", port);
	else if (has_ipv6_loopback())
		buf_printf(b, "\taddress = 127.0.0.1:%u, [::1]:%u\n", port,
		    port);
	else
		buf_printf(b, "\taddress = 127.0.0.1:%u\n", port);
	buf_printf(b, "%s}\n", more);
}

static void
conf_listener(const struct init *in, struct buf *b)
{
	buf_add_str(b, "\n# Where mail is taken in.\n");
	conf_place(in, b, "smtp", 25, "");
	buf_add_str(b, "\n# Where users send mail: they log in, within TLS.\n");
	conf_place(in, b, "submission", 587,
	    "\tmode = submission\n\ttls = required\n");
	conf_place(in, b, "submissions", 465,
	    "\tmode = submission\n\ttls = implicit\n");
	buf_add_str(b, "\n# Where it is read.\n");
	conf_place(in, b, "imap", 143, "\tmode = imap\n");
	conf_place(in, b, "imaps", 993, "\tmode = imap\n\ttls = implicit\n");
	conf_place(in, b, "pop3", 110, "\tmode = pop3\n");
	conf_place(in, b, "pop3s", 995, "\tmode = pop3\n\ttls = implicit\n");
	buf_add_str(b, "\n# Who may send to any domain without a login.\n"
	    "relay_networks = 127.0.0.0/8, ::1/128");
}

static void
conf_domains(const struct init *in, struct buf *b)
{
	size_t i;
	bool is_host = false;

	buf_add_str(b, "\n# The domains whose mail is received here.\n");
	for (i = 0; i < in->domains.n; i++) {
		buf_add_str(b, "domain ");
		conf_word_write(b, in->domains.v[i]);
		buf_add_str(b, " {\n\ttype = virtual\n"
		    "\tmailboxes = mailboxes\n}\n");
		is_host = is_host || (in->hostname != NULL &&
		    strcasecmp(in->hostname, in->domains.v[i]) == 0);
	}
	if (in->domains.n == 0)
		buf_add_str(b, "#domain example.org {\n#\ttype = virtual\n"
		    "#\tmailboxes = mailboxes\n#}\n");
	/* A real host has users, and programs that send them mail. */
	if (in->port_base == 0 && in->hostname != NULL && !is_host)
		buf_printf(b, "domain %s {\n\ttype = system\n}\n",
		    in->hostname);
}

static int
write_conf(const struct init *in)
{
	struct buf b = BUF_INIT(TEXT_BYTES);
	size_t i;
	int r;

	buf_add_str(&b,
	    "# chasqui.conf - see chasqui.conf(5).  `chasqui config explain "
	    "KEY` tells what a\n# key means, `chasqui config check` finds "
	    "mistakes, `chasqui reload` puts changes\n# in force.\n\n"
	    "# The name of this host in greetings, trace fields and reports.\n");
	if (in->hostname != NULL)
		buf_printf(&b, "hostname = %s\n", in->hostname);
	else
		buf_add_str(&b, "#hostname = mx.example.org\n");
	conf_places(in, &b);
	conf_listener(in, &b);
	for (i = 0; i < in->networks.n; i++)
		buf_printf(&b, ", %s", in->networks.v[i]);
	buf_add_str(&b, "\n");
	conf_tls(&b);
	conf_domains(in, &b);
	buf_add_str(&b,
	    "\n# Tables are read again when they change.\n"
	    "table mailboxes { type = file; path = mailboxes }\n"
	    "table aliases { type = aliases; path = aliases }\n"
	    "table virtual { type = file; path = virtual }\n"
	    "table routes { type = file; path = routes }\n"
	    "alias.tables = aliases\n"
	    "alias.virtual = virtual\n"
	    "route.tables = routes\n"
	    "\n# Name servers; those of /etc/resolv.conf without this.\n");
	if (in->dns != NULL)
		buf_printf(&b, "dns.servers = %s\n", in->dns);
	else
		buf_add_str(&b, "#dns.servers = 192.0.2.53:53\n");
	r = instance_write(&in->at, "chasqui.conf", 0644, &b);
	buf_clear(&b);
	return r;
}

/* What was written must pass what `chasqui config check` asks. */
static int
check_result(const struct init *in)
{
	struct buf why = BUF_INIT(64 * 1024);
	char path[PATH_MAX];
	struct conf *conf;

	snprintf(path, sizeof(path), "%s/chasqui.conf", in->at.dir);
	conf = conf_load(path, &why);
	if (conf == NULL) {
		fprintf(stderr, "%s", buf_cstr(&why));
		return tool_fail(EX_SOFTWARE, "what was written does not pass "
		    "the check; please report this");
	}
	conf_free(&conf);
	buf_clear(&why);
	return 0;
}

static void
say_what_is_next(const struct init *in)
{
	const char *c = in->at.own_dir ? " -C " : "";
	const char *dir = in->at.own_dir ? in->at.dir : "";
	size_t i;

	if (in->port_base == 0)
		say_records(in);
	for (i = 0; i < in->users.n; i++)
		if (strchr(in->users.v[i], ':') == NULL)
			printf("next: chasqui%s%s user add %s   (asks for its "
			    "password)\n", c, dir, in->users.v[i]);
	printf("next: chasqui%s%s start\n", c, dir);
	if (in->port_base == 0)
		printf("then: chasqui%s%s doctor\n", c, dir);
	if (geteuid() != 0)
		printf("(without root all processes run as this user, without "
		    "chroot)\n");
}

/* What other hosts have to find in the DNS. */
static void
say_records(const struct init *in)
{
	struct buf why = BUF_INIT(64 * 1024);
	char path[PATH_MAX];
	struct conf *c;
	size_t i;

	snprintf(path, sizeof(path), "%s/chasqui.conf", in->at.dir);
	c = conf_load(path, &why);
	buf_clear(&why);
	if (c == NULL || !is_full_name(c->hostname)) {
		conf_free(&c);
		return;
	}
	printf("\nto publish in the DNS (`chasqui domain records` prints it "
	    "again):\n\n");
	dns_records_of_host(c);
	for (i = 0; i < in->domains.n; i++) {
		printf("\n");
		dns_records_of_domain(c, in->domains.v[i], "virtual");
	}
	printf("\n");
	conf_free(&c);
}
