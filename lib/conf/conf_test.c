/* SPDX-License-Identifier: ISC */
/* conf_test - the parser, its messages, the checks, writing and reading
 * back. */
#include <sys/mman.h>
#include <sys/stat.h>

#include <fcntl.h>
#include <stdarg.h>
#include <setjmp.h>
#include <unistd.h>

#include <cmocka.h>

#include "conf/conf.h"
#include "conf/keys.h"

#define WHY_BYTES	65536

static struct conf *
parse(const char *text, struct buf *why)
{
	return conf_parse(slice_str(text), "c", why);
}

static void
assert_parses(const char *text, struct conf **c_r)
{
	struct buf why = BUF_INIT(WHY_BYTES);

	*c_r = parse(text, &why);
	if (*c_r == NULL)
		fail_msg("%s\n-> %s", text, buf_cstr(&why));
	buf_clear(&why);
}

static void
empty_text_gives_the_defaults(void **state)
{
	struct conf *c;

	(void)state;
	assert_parses("", &c);
	assert_int_equal(c->smtp_max_message, 50 * 1024 * 1024);
	assert_int_equal(c->queue_lifetime, 30 * 3600 * 1000);
	assert_true(c->smtp_reverse_dns);
	assert_int_equal(c->relay_networks.n, 2);
	assert_string_equal(c->relay_networks.v[1], "::1/128");
	assert_string_equal(c->bounce_from_name, "Mail Delivery System");
	assert_int_equal(c->ndomains, 0);
	conf_free(&c);
	assert_null(c);
}

static void
every_form_of_a_statement_is_understood(void **state)
{
	static const char text[] =
	    "\xef\xbb\xbf# comment\r\n"
	    "hostname = mx.example.org # another\n"
	    "smtp.max_message=20M; smtp.max_hops = 30\n"
	    "smtp {\n"
	    "\tbanner = \"say \\\"hi\\\" \\\\ {#;}\"\n"
	    "\tmax_line = 1000; }\n"
	    "relay_networks = 127.0.0.0/8, 192.0.2.0/24 2001:db8::/32\n"
	    "dns { servers = {\n"
	    "\t127.0.0.1:53 # one\n"
	    "\n"
	    "\t[::1]:5353,\n"
	    "} }\n"
	    "queue.lifetime = 1h30m\n"
	    "listener a { address = *:25 }\n"
	    "listener b { address = \"run/b.sock\"; mode = lmtp }\n"
	    "domain Example.ORG { mailboxes = users }\n"
	    "table users { type = inline; entries = { a@example.org "
	    "\"b@example.org=quota_bytes=5M quota_messages=7\" } }\n"
	    "nexthop [192.0.2.1]:25 { concurrency = 5 }\n"
	    "nexthop LMTP:/run/X { }";
	struct conf *c;

	(void)state;
	assert_parses(text, &c);
	assert_string_equal(c->hostname, "mx.example.org");
	assert_int_equal(c->smtp_max_message, 20 * 1024 * 1024);
	assert_int_equal(c->smtp_max_hops, 30);
	assert_string_equal(c->smtp_banner, "say \"hi\" \\ {#;}");
	assert_int_equal(c->smtp_max_line, 1000);
	assert_int_equal(c->relay_networks.n, 3);
	assert_int_equal(c->dns_servers.n, 2);
	assert_string_equal(c->dns_servers.v[1], "[::1]:5353");
	assert_int_equal(c->queue_lifetime, 5400 * 1000);
	assert_int_equal(c->nlisteners, 2);
	assert_string_equal(c->listeners[0].name, "a");
	assert_string_equal(c->listeners[1].mode, "lmtp");
	assert_string_equal(c->domains[0].name, "example.org");
	assert_string_equal(c->domains[0].type, "virtual");
	assert_string_equal(c->tables[0].entries.v[1],
	    "b@example.org=quota_bytes=5M quota_messages=7");
	assert_int_equal(c->nnexthops, 2);
	assert_int_equal(c->nexthops[0].concurrency, 5);
	assert_string_equal(c->nexthops[1].name, "lmtp:/run/X");
	conf_free(&c);
}

static const struct {
	const char	*text;
	const char	*why;	/* a part of it */
} broken[] = {
	{ "hostnam = x", "c:1:1: unknown key \"hostnam\"; did you mean "
	    "\"hostname\"?" },
	{ "\n  max_message = 1M", "c:2:3: unknown key \"max_message\"; did you "
	    "mean \"smtp.max_message\"?" },
	{ "smtp { max_mesage = 1M }", "c:1:8: unknown key \"max_mesage\"; did "
	    "you mean \"max_message\"?" },
	{ "zzzzzzzz = 1", "unknown key \"zzzzzzzz\"; chasqui config" },
	{ "stmp { max_message = 1M }", "c:1:1: unknown section \"stmp\"; did "
	    "you mean \"smtp\"?" },
	{ "listner a { }", "unknown block \"listner\"; did you mean "
	    "\"listener\"?" },
	{ "listener { }", "c:1:10: a name expected: listener NAME" },
	{ "listener a", "'{' expected after listener a" },
	{ "listener a { prt = 5 }", "c:1:14: a listener has no key \"prt\"" },
	{ "listener \"\" { }", "name of a listener is empty" },
	{ "domain a.b { smtp { } }", "c:1:19: '=' expected after \"smtp\"" },
	{ "hostname", "c:1:9: '=' or '{' expected" },
	{ "hostname x", "c:1:10: '=' expected after \"hostname\"" },
	{ "hostname = a b", "c:1:14: hostname takes one value" },
	{ "hostname =", "c:1:11: hostname wants a value" },
	{ "hostname = (x)", "c:1:12: \"(\" must be in double quotes" },
	{ "hostname = \"x", "c:1:12: the quotes are not closed" },
	{ "hostname = \"x\ny\"", "c:1:12: the quotes are not closed" },
	{ "hostname = \"x\\n\"", "a backslash stands only" },
	{ "hostname = \"\x01\"", "a control character" },
	{ "hostname = a_b..c", "c:1:12: \"a_b..c\" is not a host name" },
	{ "hostname = a; hostname = b", "c:1:15: hostname is set twice" },
	{ "smtp.max_hops = 9; smtp { max_hops = 9 }",
	    "c:1:27: smtp.max_hops is set twice" },
	{ "domain a.b {}\ndomain A.B {}", "c:2:8: domain a.b is there twice" },
	{ "}", "c:1:1: '}' without a '{'" },
	{ "smtp {", "c:1:6: no '}' for this '{'" },
	{ "dns.servers = {", "c:1:15: no '}' for this '{'" },
	{ "dns.servers = { } x", "the end of the line, ';' or '}' expected" },
	{ "dns.servers =", "dns.servers wants words ({ } for none)" },
	{ "dns.servers = { a ( b }\nhostnam = x", "c:2:1: unknown key" },
	{ "= x", "c:1:1: a key or a block expected" },
	{ "smtp.reverse_dns = maybe", "yes or no expected, not \"maybe\"" },
	{ "smtp.max_hops = 10x", "a number expected, not \"10x\"" },
	{ "smtp.max_hops = 1", "smtp.max_hops must be from 5 to 1000" },
	{ "smtp.max_message = 5Q", "a size such as" },
	{ "smtp.max_message = 99999999T", "a size such as" },
	{ "smtp.max_message = 2T", "must be from 1K to 1T" },
	{ "queue.lifetime = 5", "a time with its unit" },
	{ "queue.lifetime = 5y", "a time with its unit" },
	{ "queue.lifetime = 1s", "must be from 1m to 30d" },
	{ "queue.retry_first = 2h", "c:1:21: queue.retry_max is less" },
	{ "queue.retry_first = 2h\nqueue.retry_max = 1h", "c:2:19: queue." },
	{ "relay_networks = 10.0.0.0/8 10.1.2.3/16", "c:1:29: \"10.1.2.3/16\" "
	    "is not a network" },
	{ "relay_networks = 10.0.0.0/33", "not a network" },
	{ "log.level = inof", "log.level cannot be \"inof\"; did you mean "
	    "\"info\"?" },
	{ "log.level = blue", "it is one of: debug info warn error" },
	{ "log.target = file", "syslog, stderr or a path" },
	{ "local.sync = \"\"", "local.sync cannot be \"\"" },
	{ "quota.full = bounce", "one of: defer refuse" },
	{ "domain a.b { type = vitrual }", "did you mean \"virtual\"?" },
	{ "domain a.b { mailboxes = usrs }\ntable users { path = u }",
	    "c:1:26: there is no table \"usrs\"; did you mean \"users\"?" },
	{ "domain a.b { type = relay; mailboxes = u }\ntable u { path = u }",
	    "mailboxes is for domains of the type virtual" },
	{ "domain a.b { relay_to = x }", "relay_to is for domains of the type "
	    "relay" },
	{ "domain a.b { type = relay; relay_to = \"a b\" }", "no next hop" },
	{ "domain a.b { catch_all = x }", "catch_all is an address" },
	{ "domain a_b@c { }", "\"a_b@c\" is not a domain name" },
	{ "nexthop a:b { }", "is not a next hop" },
	{ "nexthop . { }", "is not a next hop" },
	{ "nexthop ..a { }", "is not a next hop" },
	{ "nexthop a { tls = fingerprint }", "wants tls_fingerprints" },
	{ "nexthop a { tls_names = b }", "are for tls = verify" },
	{ "nexthop a { tls = verify; tls_names = . }", "is no name" },
	{ "nexthop a { tls = sometimes }", "cannot be" },
	{ "nexthop a { tls = fingerprint; tls_fingerprints = 00:11 }",
	    "is no SHA-256" },
	{ "remote.tls = fingerprint", "cannot be" },
	{ "listener a { address = 25 }", "c:1:24: \"25\" is no place" },
	{ "listener a { address = ::1:25 }", "no place to listen" },
	{ "listener a { address = *:0 }", "no place to listen" },
	{ "listener a { mode = metrics; address = *:9155 }", "127.0.0.0/8" },
	{ "listener a { mode = metrics; address = 192.0.2.1:9155 }", "127.0.0.0/8" },
	{ "listener a { mode = metrics; address = [::2]:9155 }", "127.0.0.0/8" },
	{ "listener a { mode = metrics }", "127.0.0.0/8" },
	{ "listener a { mode = metrics; address = 127.0.0.1:9155; tls = implicit }", "without TLS" },
	{ "listener a { address = *:25 }\nlistener b { address = 127.0.0.1:25 }",
	    "c:2:24: listener b cannot listen on 127.0.0.1:25: listener a has "
	    "*:25 already" },
	{ "listener a { address = 127.0.0.1:25, [::1]:25, 127.0.0.1:25 }",
	    "c:1:48: listener a cannot" },
	{ "listener a { address = /run/x }\nlistener b { address = /run/x }",
	    "listener a has /run/x already" },
	{ "listener a { address = [::1]:26 }\nlistener b { address = [::]:26 }",
	    "listener b cannot" },
	{ "listener a { mode = nntp }", "one of: smtp submission lmtp imap pop3 metrics" },
	{ "dns.servers = ns.example.org", "is no name server" },
	{ "table t { }", "table t wants a path" },
	{ "table t { type = inline; path = x }", "an inline table has no path" },
	{ "table t { path = x; entries = a }", "entries are for tables of the "
	    "type inline" },
	{ "table t { type = inline; entries = =x }", "an entry is KEY=VALUE" },
	{ "alias.tables = aliases", "there is no table \"aliases\": add" },
	{ "recipient_delimiter = ab", "recipient_delimiter is empty or one" },
	{ "remote.source_ipv4 = ::1", "remote.source_ipv4 is an IPv4" },
	{ "remote { ipv4 = no; ipv6 = no }", "are both off" },
	{ "path.queue = \"\"", "path.queue may not be empty" },
	{ "path.mail = \"/a:b\"", "may not contain ':'" },
	{ "local.system_maildir = ../x", "a path below the home directory" },
	{ "user.mail = \"a b\"", "is no name of a system user" },
};

static void
each_error_names_its_place_and_reason(void **state)
{
	struct buf why = BUF_INIT(WHY_BYTES);
	struct conf *c;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		buf_reset(&why);
		c = parse(broken[i].text, &why);
		if (c != NULL || strstr(buf_cstr(&why), broken[i].why) == NULL)
			fail_msg("%s\n-> %s\nnot %s", broken[i].text,
			    buf_cstr(&why), broken[i].why);
	}
	buf_clear(&why);
}

static void
one_run_names_several_errors_but_not_all(void **state)
{
	struct buf why = BUF_INIT(WHY_BYTES), text = BUF_INIT(WHY_BYTES);
	struct slice rest, line;
	size_t lines = 0;
	int i;

	(void)state;
	for (i = 0; i < 100; i++)
		buf_printf(&text, "wrong%d = { a\nb }\n", i);
	assert_null(conf_parse(buf_slice(&text), "c", &why));
	assert_non_null(strstr(buf_cstr(&why), "c:1:1: unknown key"));
	assert_non_null(strstr(buf_cstr(&why), "c:3:1: unknown key"));
	rest = buf_slice(&why);
	while (slice_next(&rest, '\n', &line))
		lines++;
	assert_in_range(lines, 20, 23);
	buf_clear(&why);
	buf_clear(&text);
}

/* Every prefix, and with its end at an inaccessible page. */
static void
no_prefix_of_a_text_is_read_beyond(void **state)
{
	static const char text[] = "smtp { banner = \"a\\\"b\"; max_hops = 9 }\n"
	    "listener a { address = { *:25 /x } }\ndns.servers = 1.1.1.1 # x\n";
	long page = sysconf(_SC_PAGESIZE);
	struct buf why = BUF_INIT(WHY_BYTES);
	struct conf *c;
	char *map;
	size_t n;

	(void)state;
	map = mmap(NULL, 2 * (size_t)page, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(map, MAP_FAILED);
	assert_int_equal(mprotect(map + page, (size_t)page, PROT_NONE), 0);
	for (n = 0; n < sizeof(text); n++) {
		memcpy(map + page - n, text, n);
		buf_reset(&why);
		c = conf_parse(slice_of(map + page - n, n), "c", &why);
		conf_free(&c);
	}
	munmap(map, 2 * (size_t)page);
	buf_clear(&why);
}

static const char rich[] =
    "hostname = mx.example.org\n"
    "smtp.banner = \"with \\\"quotes\\\" and # {\"\n"
    "smtp.max_message = 20M\n"
    "queue.lifetime = 90m\n"
    "remote.ipv6 = no\n"
    "dns.servers = { }\n"
    "relay_networks = 10.0.0.0/8\n"
    "alias.virtual = v\n"
    "listener a { address = 127.0.0.1:25 [::1]:25 }\n"
    "domain example.org { catch_all = x@example.org }\n"
    "domain b.example { type = relay; relay_to = [192.0.2.1]:25 }\n"
    "nexthop b.example { rate = 6 }\n"
    "table v { type = inline; entries = \"a=b c\" \"d\" }\n";

static void
what_is_written_reads_back_the_same(void **state)
{
	struct buf one = BUF_INIT(WHY_BYTES), two = BUF_INIT(WHY_BYTES);
	struct conf *c, *again;
	int all;

	(void)state;
	assert_parses(rich, &c);
	for (all = 0; all < 2; all++) {
		buf_reset(&one);
		buf_reset(&two);
		assert_int_equal(conf_write(c, R_ALL, all, &one), 0);
		assert_parses(buf_cstr(&one), &again);
		assert_int_equal(conf_write(again, R_ALL, all, &two), 0);
		assert_string_equal(buf_cstr(&one), buf_cstr(&two));
		conf_free(&again);
	}
	buf_clear(&one);
	buf_clear(&two);
	conf_free(&c);
}

static void
a_role_gets_its_part_alone_in_a_sealed_memfd(void **state)
{
	struct buf why = BUF_INIT(WHY_BYTES);
	struct conf *c, *part;
	int fd, role;

	(void)state;
	assert_parses(rich, &c);
	for (role = 1; role < ROLE_LIMIT; role++) {
		fd = conf_to_memfd(c, (enum role)role);
		assert_true(fd >= 0);
		assert_int_equal(write(fd, "x", 1), -1);
		assert_int_equal(ftruncate(fd, 0), -1);
		part = conf_from_fd(fd, &why);
		if (part == NULL)
			fail_msg("role %d: %s", role, buf_cstr(&why));
		assert_string_equal(part->hostname, "mx.example.org");
		if (role == ROLE_LOOKUP) {
			assert_int_equal(part->ntables, 1);
			assert_int_equal(part->nnexthops, 0);
			assert_string_equal(part->domains[1].relay_to,
			    "[192.0.2.1]:25");
			assert_string_equal(part->tables[0].entries.v[0],
			    "a=b c");
		}
		if (role == ROLE_SMTPD) {
			assert_int_equal(part->ntables, 0);
			assert_int_equal(part->alias_virtual.n, 0);
			assert_string_equal(part->domains[1].type, "relay");
			assert_string_equal(part->domains[1].relay_to, "");
			assert_int_equal(part->relay_networks.n, 1);
		}
		if (role == ROLE_QMGR)
			assert_int_equal(part->nexthops[0].rate, 6);
		conf_free(&part);
		close(fd);
	}
	conf_free(&c);
	buf_clear(&why);
}

static void
relative_paths_start_at_the_file(void **state)
{
	static const char text[] = "path { queue = queue; run = ./run; "
	    "mail = /m }\nlog.target = ./log/mail.log\n"
	    "listener a { address = *:25 run/lmtp.sock }\n"
	    "table t { path = users }\ntable u { path = /etc/aliases; "
	    "type = aliases }\n";
	char dir[] = "/tmp/conf_test.XXXXXX", path[64];
	struct buf why = BUF_INIT(WHY_BYTES), want = BUF_INIT(512);
	struct conf *c;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/chasqui.conf", dir);
	assert_null(conf_load(path, &why));
	assert_non_null(strstr(buf_cstr(&why), "No such file"));
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	close(fd);
	c = conf_load(path, &why);
	assert_non_null(c);
#define ASSERT_BELOW(have, below)					\
	do {								\
		buf_reset(&want);					\
		buf_printf(&want, "%s/%s", dir, below);			\
		assert_string_equal(have, buf_cstr(&want));		\
	} while (0)
	ASSERT_BELOW(c->path_queue, "queue");
	ASSERT_BELOW(c->path_run, "run");
	ASSERT_BELOW(c->path_tables, "tables");
	ASSERT_BELOW(c->log_target, "log/mail.log");
	ASSERT_BELOW(c->listeners[0].address.v[1], "run/lmtp.sock");
	ASSERT_BELOW(c->tables[0].path, "tables/users");
	assert_string_equal(c->listeners[0].address.v[0], "*:25");
	assert_string_equal(c->path_mail, "/m");
	assert_string_equal(c->path_templates, "");
	assert_string_equal(c->tables[1].path, "/etc/aliases");
	assert_true(strlen(c->hostname) > 0);
	conf_free(&c);
	unlink(path);
	rmdir(dir);
	buf_clear(&why);
	buf_clear(&want);
}

static void
ten_thousand_domains_are_the_limit(void **state)
{
	struct buf text = BUF_INIT(CONF_FILE_BYTES), why = BUF_INIT(WHY_BYTES);
	struct conf *c;
	int i;

	(void)state;
	for (i = 0; i < CONF_BLOCKS; i++)
		buf_printf(&text, "domain d%d.example { mailboxes = t }\n", i);
	buf_add_str(&text, "table t { path = t }\n");
	c = conf_parse(buf_slice(&text), "c", &why);
	assert_non_null(c);
	assert_int_equal(c->ndomains, CONF_BLOCKS);
	conf_free(&c);
	buf_add_str(&text, "domain one.more { }\n");
	assert_null(conf_parse(buf_slice(&text), "c", &why));
	assert_non_null(strstr(buf_cstr(&why), "more than 10000 blocks"));
	buf_clear(&text);
	buf_clear(&why);
}

static void
nets_contain_their_addresses(void **state)
{
	static const struct {
		const char *net, *addr;
		bool has;
	} rows[] = {
		{ "10.0.0.0/8", "10.255.255.255", true },
		{ "10.0.0.0/8", "11.0.0.0", false },
		{ "10.0.0.0/9", "10.127.0.1", true },
		{ "10.0.0.0/9", "10.128.0.1", false },
		{ "0.0.0.0/0", "203.0.113.9", true },
		{ "0.0.0.0/0", "2001:db8::1", false },
		{ "::/0", "203.0.113.9", true },
		{ "2001:db8::/33", "2001:db8:7fff::1", true },
		{ "2001:db8::/33", "2001:db8:8000::1", false },
		{ "192.0.2.1", "192.0.2.1", true },
		{ "192.0.2.1", "192.0.2.2", false },
		{ "[::1]/128", "::1", true },
		{ "::ffff:192.0.2.0/120", "192.0.2.77", true },
	};
	static const char *const bad[] = { "", "/8", "10.0.0.0/", "10.0.0.0/33",
		"10.0.0.1/8", "::1/129", "x", "10.0.0", "10.0.0.0/8/8",
		"10.0.0.0/-1", "[::1", "2001:db8::/28", "10.0.0.0/08x" };
	struct conf_net net;
	uint8_t addr[16];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_true(conf_net_parse(rows[i].net, &net));
		assert_true(conf_ip_parse(slice_str(rows[i].addr), addr));
		if (conf_net_has(&net, addr) != rows[i].has)
			fail_msg("%s %s", rows[i].net, rows[i].addr);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (conf_net_parse(bad[i], &net))
			fail_msg("%s", bad[i]);
}

static void
next_hops_and_endpoints_are_told_apart(void **state)
{
	static const char *const good[] = { "example.org", "[example.org]",
		"[192.0.2.1]:25", "192.0.2.1:2525", "[2001:db8::1]",
		"[IPv6:2001:db8::1]:26", "lmtp:[127.0.0.1]:24", "lmtp:/run/x",
		"lmtp:host:24", "localhost:25" };
	static const char *const bad[] = { "", "[", "[]", "[a", "a:", "a:x",
		"a:0", "a:65536", "2001:db8::1", "lmtp:", "lmtp:/", "a b",
		"-a.b", "a..b", "[::z]:25", "[a]25", "lmtp:run/x", "smtp:x" };
	static const struct {
		const char	*text;
		int		 kind;	/* -1: not one */
		uint16_t	 port;
	} ends[] = {
		{ "*:25", ENDPOINT_ANY, 25 },
		{ "127.0.0.1:2525", ENDPOINT_IPV4, 2525 },
		{ "[::]:25", ENDPOINT_IPV6, 25 },
		{ "/run/x", ENDPOINT_UNIX, 0 },
		{ "25", -1, 0 }, { ":25", -1, 0 }, { "[::1]", -1, 0 },
		{ "localhost:25", -1, 0 }, { "1.2.3:25", -1, 0 },
	};
	struct conf_endpoint e;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (!conf_next_hop_is_valid(slice_str(good[i])))
			fail_msg("%s", good[i]);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (conf_next_hop_is_valid(slice_str(bad[i])))
			fail_msg("%s", bad[i]);
	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		if (conf_endpoint_parse(ends[i].text, &e) !=
		    (ends[i].kind != -1))
			fail_msg("%s", ends[i].text);
		if (ends[i].kind == -1)
			continue;
		assert_int_equal(e.kind, ends[i].kind);
		if (ends[i].port != 0)
			assert_int_equal(e.port, ends[i].port);
	}
}

static void
keys_explain_themselves(void **state)
{
	static const struct {
		const char	*key;
		const char	*has;
		bool		 found;
	} rows[] = {
		{ "smtp.max_message", "from 1K to 1T", true },
		{ "log.level", "one of: debug info", true },
		{ "queue", "queue.retry_first", true },
		{ "listener", "listener.mode", true },
		{ "domain.type", "default: virtual", true },
		{ "smtp.max_mesage", "did you mean \"smtp.max_message\"?",
		    false },
		{ "nothing.like.it", "there is no key", false },
		{ "", "there is no key", false },
	};
	struct buf out = BUF_INIT(WHY_BYTES);
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		buf_reset(&out);
		assert_true(conf_explain(rows[i].key, &out) == rows[i].found);
		if (strstr(buf_cstr(&out), rows[i].has) == NULL)
			fail_msg("%s: %s", rows[i].key, buf_cstr(&out));
	}
	buf_reset(&out);
	assert_int_equal(conf_write_mdoc(&out), 0);
	assert_non_null(strstr(buf_cstr(&out), ".It Ic smtp.max_message\n"));
	buf_clear(&out);
}

static void
resolv_conf_gives_the_name_servers(void **state)
{
	struct conf *c = conf_new("");
	struct buf text = BUF_INIT(4096), why = BUF_INIT(4096);
	struct conf *back;

	(void)state;
	conf_take_resolv_conf(c, SLICE_LIT("# nameserver 192.0.2.9\n"
	    "search example.org\nnameserver\nnameserver x\n"
	    "nameserver 192.0.2.1\n  nameserver\t2001:db8::1 # comment\r\n"
	    "nameservers 192.0.2.7\nnameserver fe80::1%eth0\n"
	    "nameserver 192.0.2.2"));
	assert_int_equal(c->dns_servers.n, 4);
	assert_string_equal(c->dns_servers.v[0], "192.0.2.1");
	assert_string_equal(c->dns_servers.v[1], "2001:db8::1");
	assert_string_equal(c->dns_servers.v[2], "fe80::1%eth0");
	assert_string_equal(c->dns_servers.v[3], "192.0.2.2");
	/* The resolver reads it back. */
	assert_int_equal(conf_write(c, R_RESOLVER, false, &text), 0);
	back = conf_parse(buf_slice(&text), "r", &why);
	if (back == NULL)
		fail_msg("%s", buf_cstr(&why));
	assert_int_equal(back->dns_servers.n, 4);
	conf_free(&back);
	conf_free(&c);
	buf_clear(&text);
	buf_clear(&why);
}

/* Parked sessions have no process: their time is the login process's. */
static void
logins_know_how_long_a_session_may_be_silent(void **state)
{
	struct buf why = BUF_INIT(4096);
	struct conf *c = conf_parse(SLICE_LIT("imap.timeout = 45m\n"), "t",
	    &why), *back;
	int fd = conf_to_memfd(c, ROLE_IMAP_LOGIN);

	(void)state;
	back = conf_from_fd(fd, &why);
	assert_non_null(back);
	assert_int_equal(back->imap_timeout, 45 * 60000);
	conf_free(&back);
	conf_free(&c);
	close(fd);
	/* RFC 9051 section 5.4, RFC 1939 section 3 */
	c = conf_new("");
	assert_int_equal(c->imap_timeout, 30 * 60000);
	assert_int_equal(c->pop3_timeout, 10 * 60000);
	conf_free(&c);
	assert_null(conf_parse(SLICE_LIT("imap.timeout = 29m\n"), "t", &why));
	assert_null(conf_parse(SLICE_LIT("pop3.timeout = 9m\n"), "t", &why));
	buf_clear(&why);
}

static void
a_block_is_found_where_it_stands(void **state)
{
	static const struct {
		const char	*text, *name;	/* of a domain */
		const char	*span;		/* NULL: none */
	} cases[] = {
		{ "domain a.example { type = relay }\n", "a.example",
		    "domain a.example { type = relay }" },
		{ "hostname = x\ndomain a.example {\n\ttype = relay\n}\n",
		    "A.Example", "domain a.example {\n\ttype = relay\n}" },
		{ "# domain a.example {\ndomain \"a.example\" { }", "a.example",
		    "domain \"a.example\" { }" },
		{ "relay_networks = { 127.0.0.0/8 }\ndomain b { }; domain a { }",
		    "a", "domain a { }" },
		{ "domain b { mailboxes = { domain a } }\ndomain a { }", "a",
		    "domain a { }" },
		{ "smtp.banner = \"domain a { }\"\ndomain a { } # }", "a",
		    "domain a { }" },
		{ "domain a { catch_all = \"x}\\\"}@b\" }", "a",
		    "domain a { catch_all = \"x}\\\"}@b\" }" },
		{ "table a { path = a }\n", "a", NULL },
		{ "domain a {\n", "a", NULL },
		{ "domain a { \"", "a", NULL },
		{ "domain a\n{ }", "a", NULL },
		{ "", "a", NULL },
	};
	struct slice span, text;
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		text = slice_str(cases[i].text);
		if (cases[i].span == NULL) {
			assert_false(conf_block_find(text, "domain",
			    cases[i].name, &span));
			continue;
		}
		assert_true(conf_block_find(text, "domain", cases[i].name,
		    &span));
		assert_true(slice_eq(span, slice_str(cases[i].span)));
		for (n = 0; n < (size_t)(span.p + span.n - text.p); n++)
			assert_false(conf_block_find(slice_first(text, n),
			    "domain", cases[i].name, &span));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_text_gives_the_defaults),
		cmocka_unit_test(every_form_of_a_statement_is_understood),
		cmocka_unit_test(each_error_names_its_place_and_reason),
		cmocka_unit_test(one_run_names_several_errors_but_not_all),
		cmocka_unit_test(no_prefix_of_a_text_is_read_beyond),
		cmocka_unit_test(what_is_written_reads_back_the_same),
		cmocka_unit_test(a_role_gets_its_part_alone_in_a_sealed_memfd),
		cmocka_unit_test(relative_paths_start_at_the_file),
		cmocka_unit_test(ten_thousand_domains_are_the_limit),
		cmocka_unit_test(nets_contain_their_addresses),
		cmocka_unit_test(next_hops_and_endpoints_are_told_apart),
		cmocka_unit_test(keys_explain_themselves),
		cmocka_unit_test(resolv_conf_gives_the_name_servers),
		cmocka_unit_test(a_block_is_found_where_it_stands),
		cmocka_unit_test(logins_know_how_long_a_session_may_be_silent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
