/* SPDX-License-Identifier: ISC */
/* resolve_test - addresses through aliases, mailboxes, users and routes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "resolve.h"

#define X10	"0123456789"
#define X100	X10 X10 X10 X10 X10 X10 X10 X10 X10 X10
#define X1000	X100 X100 X100 X100 X100 X100 X100 X100 X100 X100

#define CONFIGURATION							\
"hostname = mx.example.org\n"						\
"path.mail = /mail\n"							\
"quota.bytes = 1M\n"							\
"alias.virtual = virt broken-virt\n"					\
"alias.tables = al\n"							\
"route.tables = hops\n"							\
"alias.max_depth = 20\n"						\
"alias.max_results = 50\n"						\
"domain example.org { mailboxes = users }\n"				\
"domain catch.example { mailboxes = users; catch_all = bob@example.org }\n" \
"domain old.example { }\n"						\
"domain sys.example { type = system }\n"				\
"domain only.example { type = alias }\n"				\
"domain passes.example { type = alias }\n"				\
"domain abroad.example { type = alias }\n"				\
"domain \"Z\xc3\xbcrich.example\" { type = alias }\n"			\
"domain relay.example { type = relay; relay_to = [192.0.2.9]:2525 }\n"	\
"domain rcpt.example { type = relay; recipients = rcpts }\n"		\
"domain \"m\xc3\xbcller.example\" { mailboxes = users }\n"		\
"table users { type = inline; entries = { alice@example.org "		\
"  \"bob@example.org=quota_bytes=5M quota_messages=7\" "		\
"  \"postfix@example.org=example.org/postfix/\" "			\
"  \"wrong@example.org=quota_byte=5M\" "				\
"  carol@catch.example  local-only "					\
"  \"\\\"odd name\\\"@example.org\" hans@xn--mller-kva.example } }\n"	\
"submission.senders = may\n"						\
"table may { type = inline; entries = { "				\
"  \"alice@example.org=sales@example.org, @far.example other.example\" " \
"  \"joe=boss@sys.example\" \"bob@example.org=*\" "			\
"  \"carol@catch.example=,, @@ @M\xc3\xbcLLER.example\" } }\n"		\
"table rcpts { type = inline; entries = known@rcpt.example }\n"		\
"table hops { type = inline; entries = { "				\
"  \"h\xc3\xbctte.example=[192.0.2.4]\" \".\xc3\xbc.example=[192.0.2.5]\" " \
"  \"\\\"q q\\\"@h\xc3\xbctte.example=[192.0.2.6]\" "			\
"  num.example=192.0.2.9:26 "						\
"  \"next.example=[192.0.2.1]:2525\" \".sub.example=Smart.Example\" "	\
"  \"vip@next.example=lmtp:/run/Vip\" \"bad.example=a b\" "		\
"  \"smtp.example=smtp:[Relay.Example]:26\" } }\n"			\
"table virt { type = inline; entries = { "				\
"  \"sales@example.org=alice@example.org, bob@example.org\" "		\
"  \"info@example.org=sales@example.org, out@far.example\" "		\
"  \"loop-a@example.org=loop-b@example.org\" "				\
"  \"loop-b@example.org=loop-a@example.org\" "				\
"  \"alice@example.org=alice@example.org, copy@far.example\" "		\
"  \"self@example.org=self@example.org, alice@catch.example\" "		\
"  \"@old.example=@example.org\" "					\
"  \"@one.example=bob@example.org\" "					\
"  \"@passes.example=@relay.example\" "					\
"  \"@abroad.example=@far.example\" "					\
"  \"info@m\xc3\xbcller.example=bob@example.org\" "			\
"  \"@z\xc3\xbcrich.example=@example.org\" "				\
"  \"info@passes.example=bob@relay.example\" "				\
"  \"a%b@passes.example=bob@relay.example\" "				\
"  \"a@only.example=bob@example.org\" "					\
"  \"gone@only.example=nobody@example.org\" "				\
"  \"moved@example.org=joe@far.example\" "				\
"  \"two@example.org=x@far.example, y@far.example\" "			\
"  \"prog@example.org=|/bin/sh\" "					\
"  \"bare@example.org=joe\" "						\
"  \"vsys=bob@example.org\" "						\
"  \"Caps@far.example=bob@example.org\" "				\
"  \"twice@example.org=bob@example.org, BOB@Example.ORG, F@far.example f@far.example\" " \
"  \"deep0@example.org=@deep1.example\" "				\
"  \"mixed@example.org=a@bad.example, bob@example.org\" "		\
"  \"half@example.org=bob@example.org, an@@address\" } }\n"		\
"table broken-virt { type = pcre; path = /nonexistent/table }\n"	\
"table al { type = inline; entries = { "				\
"  \"root=joe\" \"both=joe, ann\" \"team=:include:/lists/team, bob@example.org\" " \
"  \"owner-team=ann\" \"prog=\\\"|/bin/prog -x y\\\"\" "		\
"  \"long=\\\"|/bin/prog " X1000 " end\\\"\" "				\
"  \"too-long=\\\"|/bin/prog " X1000 X1000 X100 "\\\"\" "		\
"  \"file=/var/mbox\" \"dir=/var/dir/\" \"null=/dev/null\" "		\
"  \"back=\\\\ann\" \"circle=circle2\" \"circle2=circle\" "		\
"  \"daemon=joe\" \"evil=:include:/lists/evil\" "			\
"  \"absent=:include:/lists/absent\" \"ann=ann, copy@far.example\" "	\
"  \"nest=team, joe\" \"many=:include:/lists/many\" "			\
"  \"a list=joe\" \"owner-a list=ann\" "					\
"  \"up=../x\" \"owner-owner=joe\" \"dots=/var/../x\" } }\n"

static const struct {
	const char	*name;
	uint32_t	 uid;
	const char	*home;
} people[] = {
	{ "root", 0, "/root" }, { "daemon", 2, "/" }, { "www", 33, "/var/www" },
	{ "joe", 1001, "/home/joe" }, { "ann", 1002, "/home/ann" },
	{ "homeless", 1003, "" }, { "slash", 1004, "/" },
	{ "_chasqui_mail", 900, "/" }, { "nobody", 65534, "/none" },
};

static bool	 user_trouble;

static enum user_found
fake_user(void *arg, struct slice name, struct user *u)
{
	size_t i;

	(void)arg;
	if (user_trouble)
		return USER_TROUBLE;
	for (i = 0; i < sizeof(people) / sizeof(people[0]); i++)
		if (slice_eq(name, slice_str(people[i].name))) {
			*u = (struct user){ people[i].uid, people[i].uid + 1,
				slice_str(people[i].name),
				slice_str(people[i].home) };
			return USER_FOUND;
		}
	return USER_UNKNOWN;
}

static int
fake_include(void *arg, struct slice path, uint32_t owner,
    struct slice *text_r, struct buf *why)
{
	static char many[3000];
	size_t i, n = 0;

	(void)arg;
	assert_int_equal(owner, 0);
	if (slice_eq(path, SLICE_LIT("/lists/team"))) {
		*text_r = SLICE_LIT("# members\njoe\n\nann, \"Far, Away\" "
		    "<m@far.example>\n");
		return 0;
	}
	if (slice_eq(path, SLICE_LIT("/lists/evil"))) {
		*text_r = SLICE_LIT("joe\n|/bin/sh\n");
		return 0;
	}
	if (slice_eq(path, SLICE_LIT("/lists/many"))) {
		for (i = 0; i < 51; i++)
			n += (size_t)snprintf(many + n, sizeof(many) - n,
			    "m%zu@far.example\n", i);
		*text_r = slice_of(many, n);
		return 0;
	}
	buf_add_str(why, "No such file or directory");
	return -1;
}

static const uint8_t own[][16] = {
	{ [10] = 0xff, 0xff, 192, 0, 2, 77 },
};

static struct world {
	struct conf		*conf;
	struct tables		 tables;
	struct resolver		 resolver;
	struct resolve_world	 out;
} world;

/* broken: also with the table that cannot be read. */
static void
set_up(bool broken, const char *more)
{
	struct buf why = BUF_INIT(4096), text = BUF_INIT(65536);
	size_t i;
	char *p;

	buf_add_str(&text, CONFIGURATION);
	buf_add_str(&text, more);
	if (!broken) {
		p = strstr(buf_cstr(&text), " broken-virt\n");
		p = text.p + (p - text.p);
		memset(p, ' ', strlen(" broken-virt"));
	}
	world.conf = conf_parse(buf_slice(&text), "test", &why);
	if (world.conf == NULL)
		fail_msg("%s", buf_cstr(&why));
	tables_init(&world.tables, world.conf, NULL);
	for (i = 0; i < world.tables.n; i++)
		if (table_load(world.tables.v[i], &why) == -1 &&
		    strcmp(table_name(world.tables.v[i]), "broken-virt") != 0)
			fail_msg("%s", buf_cstr(&why));
	world.out = (struct resolve_world){ .user = fake_user,
		.include = fake_include, .addresses = own, .naddresses = 1 };
	resolver_init(&world.resolver, world.conf, &world.tables, &world.out);
	buf_clear(&why);
	buf_clear(&text);
}

static int
tear_down(void **state)
{
	(void)state;
	resolver_clear(&world.resolver);
	tables_clear(&world.tables, NULL);
	conf_free(&world.conf);
	user_trouble = false;
	return 0;
}

static int
whole(void **state)
{
	(void)state;
	set_up(false, "");
	return 0;
}

static void
show_destination(const struct destination *d, struct buf *out)
{
	static const char *const kinds[] = { "none", "maildir", "command",
		"file", "discard", "remote", "fail", "defer" };

	buf_printf(out, "%s", kinds[d->kind]);
	if (d->kind == DEST_REMOTE)
		buf_printf(out, " %.*s", SLICE_ARG(d->next_hop));
	else if (d->kind == DEST_FAIL || d->kind == DEST_DEFER)
		buf_printf(out, " %u %.*s", d->code, SLICE_ARG(d->text));
	else if (d->kind != DEST_DISCARD)
		buf_printf(out, " %u %.*s%s%s", d->uid, SLICE_ARG(d->path),
		    (d->flags & DEST_FORWARD) != 0 ? " forward" : "",
		    (d->flags & DEST_VIRTUAL) != 0 ? " virtual" : "");
}

/* The route as one line. */
static const char *
route_of(unsigned flags, const char *to, const char *owner)
{
	static struct buf out = { .max = 65536 };
	struct arena arena = ARENA_INIT(RESOLVE_ARENA);
	struct buf trace = BUF_INIT(1 << 20);
	struct route route;
	size_t i;

	buf_reset(&out);
	resolve_route(&world.resolver, &arena, flags, slice_str(to),
	    slice_str(owner), &trace, &route);
	if (route.trouble || route.ntargets == 0)
		show_destination(&route.to, &out);
	for (i = 0; i < route.ntargets && !route.trouble; i++) {
		if (i > 0)
			buf_add_str(&out, ", ");
		buf_printf(&out, "%s%.*s", (route.targets[i].flags &
		    TARGET_NO_FORWARD) != 0 ? "\\" : "",
		    SLICE_ARG(route.targets[i].text));
		if (route.targets[i].reverse_path.n > 0)
			buf_printf(&out, " from %.*s",
			    SLICE_ARG(route.targets[i].reverse_path));
	}
	buf_clear(&trace);
	arena_clear(&arena);
	return buf_cstr(&out);
}

#define NO_USER	"fail 550 5.1.1 no such user here"
#define ALICE	"maildir 900 /mail/example.org/alice/Maildir virtual"
#define BOB	"maildir 900 /mail/example.org/bob/Maildir virtual"
#define JOE	"maildir 1001 /home/joe/Maildir forward"
#define ROOT	"maildir 900 /mail/mx.example.org/root/Maildir virtual"
#define X	ROUTE_EXPANDED
#define XN	(ROUTE_EXPANDED | ROUTE_NO_FORWARD)

static const struct {
	unsigned	 flags;
	const char	*to;
	const char	*route;
} routes[] = {
	/* virtual mailboxes */
	{ 0, "bob@example.org", BOB },
	{ 0, "BOB@Example.ORG", BOB },
	{ 0, "\"bob\"@example.org", BOB },
	{ 0, "bob+shop@example.org", BOB },
	{ 0, "bob+@example.org", BOB },
	{ 0, "nobody@example.org", NO_USER },
	{ 0, "+bob@example.org", NO_USER },
	{ 0, "local-only@example.org",
	    "maildir 900 /mail/example.org/local-only/Maildir virtual" },
	{ 0, "postfix@example.org",
	    "maildir 900 /mail/example.org/postfix/Maildir virtual" },
	{ 0, "wrong@example.org", "defer 451 4.3.0 a mailbox's value has "
	    "\"quota_byte=5M\", which is neither quota_bytes=SIZE nor "
	    "quota_messages=NUMBER" },
	{ 0, "\"odd name\"@example.org",
	    "maildir 900 /mail/example.org/odd%20name/Maildir virtual" },
	{ 0, "hans@m\xc3\xbcller.example",
	    "maildir 900 /mail/xn--mller-kva.example/hans/Maildir virtual" },
	{ 0, "hans@xn--mller-kva.EXAMPLE",
	    "maildir 900 /mail/xn--mller-kva.example/hans/Maildir virtual" },
	/* A table may have its domains in either form. */
	{ 0, "info@m\xc3\xbcller.example", "bob@example.org" },
	{ 0, "info+x@xn--mller-kva.example", "bob+x@example.org" },
	{ 0, "any@Z\xc3\x9cRICH.example", "any@example.org" },
	{ 0, "x@h\xc3\xbctte.example", "remote [192.0.2.4]" },
	{ 0, "x@xn--htte-0ra.example", "remote [192.0.2.4]" },
	{ 0, "\"q q\"@xn--htte-0ra.example", "remote [192.0.2.6]" },
	{ 0, "x@a.b.\xc3\xbc.example", "remote [192.0.2.5]" },
	/* An address within quotes is no key. */
	{ 0, "\"bob@example.org\"@example.org", NO_USER },
	{ 0, "\"bob@example.org+x\"@example.org", NO_USER },
	{ 0, "\"@old.example\"@sys.example", NO_USER },
	/* alias.virtual */
	{ 0, "sales@example.org",
	    "alice@example.org, bob@example.org, copy@far.example" },
	{ 0, "SALES@example.org",
	    "alice@example.org, bob@example.org, copy@far.example" },
	{ 0, "info@example.org", "alice@example.org, bob@example.org, "
	    "copy@far.example, out@far.example" },
	{ 0, "loop-a@example.org", "fail 550 5.4.6 the alias leads to itself" },
	{ 0, "alice@example.org", "alice@example.org, copy@far.example" },
	{ X, "alice@example.org", ALICE },
	{ 0, "self@example.org", "bob@example.org" },
	{ 0, "bob@old.example", "bob@example.org" },
	{ 0, "bob+d@old.example", "bob+d@example.org" },
	{ 0, "any@one.example", "bob@example.org" },
	{ 0, "moved+detail@example.org", "joe+detail@far.example" },
	{ 0, "moved+DeTail@example.org", "joe+DeTail@far.example" },
	{ 0, "two+detail@example.org", "x@far.example, y@far.example" },
	{ 0, "a@only.example", "bob@example.org" },
	{ 0, "b@only.example", NO_USER },
	{ 0, "gone@only.example", "nobody@example.org" },
	{ 0, "prog@example.org", "defer 451 4.3.0 alias.virtual leads to "
	    "addresses only, not to /bin/sh" },
	{ 0, "bare@example.org", "joe@sys.example" },
	{ 0, "vsys@sys.example", "bob@example.org" },
	{ 0, "vsys@example.org", NO_USER },
	{ 0, "caps@FAR.example", "bob@example.org" },
	{ 0, "twice@example.org", "F@far.example, bob@example.org, "
	    "f@far.example" },
	{ 0, "half@example.org", "an@@address, bob@example.org" },
	{ X, "an@@address", "fail 550 5.1.3 not a valid address: "
	    "an@@address" },
	/* catch-all, postmaster, root */
	{ 0, "carol@catch.example",
	    "maildir 900 /mail/catch.example/carol/Maildir virtual" },
	{ 0, "other@catch.example", "bob@example.org" },
	{ 0, "postmaster@catch.example", "bob@example.org" },
	{ 0, "postmaster@example.org", "joe@sys.example" },
	{ 0, "Postmaster", "joe@sys.example" },
	{ 0, "postmaster@only.example", "joe@sys.example" },
	{ 0, "mailer-daemon@sys.example", "joe@sys.example" },
	{ 0, "mailer-daemon@example.org", NO_USER },
	{ 0, "root@mx.example.org", "joe@mx.example.org" },
	{ X, "root@mx.example.org", ROOT },
	{ X, "root@sys.example", ROOT },
	/* system users and aliases(5) */
	{ 0, "joe@sys.example", JOE },
	{ 0, "JOE@sys.example", JOE },
	{ 0, "joe", JOE },
	{ 0, "joe@localhost", JOE },
	{ 0, "joe+shop@mx.example.org", JOE },
	{ XN, "joe@sys.example", "maildir 1001 /home/joe/Maildir" },
	{ 0, "nobody-here@sys.example", NO_USER },
	{ 0, "www@sys.example", "fail 550 5.1.1 a system account without an "
	    "alias gets no mail" },
	{ 0, "daemon@sys.example", "joe@sys.example" },
	{ 0, "homeless@sys.example", "defer 451 4.3.5 the user has no home "
	    "directory" },
	{ 0, "slash@sys.example", "defer 451 4.3.5 the user has no home "
	    "directory" },
	{ 0, "both@sys.example", "ann@sys.example, copy@far.example, "
	    "joe@sys.example" },
	{ 0, "ann@sys.example", "ann@sys.example, copy@far.example" },
	{ 0, "back@sys.example", "\\ann@sys.example" },
	{ 0, "team@sys.example", "ann@sys.example from owner-team@sys.example, "
	    "bob@example.org from owner-team@sys.example, "
	    "copy@far.example from owner-team@sys.example, "
	    "joe@sys.example from owner-team@sys.example, "
	    "m@far.example from owner-team@sys.example" },
	{ 0, "owner-team@sys.example", "ann@sys.example, copy@far.example" },
	{ 0, "prog@sys.example", "|/bin/prog -x y" },
	{ 0, "\"a list\"@sys.example", "joe@sys.example from "
	    "\"owner-a list\"@sys.example" },
	{ 0, "long@sys.example", "|/bin/prog " X1000 " end" },
	{ 0, "too-long@sys.example", "defer 451 4.3.0 a target is too long" },
	{ 0, "file@sys.example", "/var/mbox" },
	{ 0, "dir@sys.example", "/var/dir/" },
	{ 0, "circle@sys.example", "fail 550 5.4.6 the alias leads to itself" },
	{ 0, "evil@sys.example", "defer 451 4.3.0 an included file names a "
	    "program or file: /bin/sh" },
	{ 0, "absent@sys.example", "defer 451 4.3.0 :include:/lists/absent: "
	    "No such file or directory" },
	{ 0, "many@sys.example", "defer 451 4.3.0 more recipients than "
	    "alias.max_results" },
	{ 0, "up@sys.example", "../x@sys.example" },
	/* programs and files, once named by us */
	{ X, "|/bin/prog -x y", "command 65534 /bin/prog -x y" },
	{ X, "/var/mbox", "file 65534 /var/mbox" },
	{ X, "/var/dir/", "maildir 65534 /var/dir" },
	{ X, "/dev/null", "discard" },
	{ X, "/var/../x", "fail 550 5.3.5 not a path that mail is written to" },
	{ X, "/x", "fail 550 5.3.5 not a path that mail is written to" },
	{ 0, "|/bin/prog", NO_USER },
	{ 0, "/var/mbox", NO_USER },
	/* A stranger's names stay names, whatever they are mapped to. */
	{ 0, "|x@old.example", "\"|x\"@example.org" },
	{ 0, "/x/y@old.example", "\"/x/y\"@example.org" },
	{ X, "\"|x\"@example.org", NO_USER },
	{ 0, "moved+|x@example.org", "joe+|x@far.example" },
	/* address literals */
	{ 0, "joe@[127.0.0.1]", JOE },
	{ 0, "joe@[IPv6:::1]", JOE },
	{ 0, "joe@[192.0.2.77]", JOE },
	{ 0, "joe@[192.0.2.78]", "remote [192.0.2.78]" },
	{ 0, "joe@[IPv6:2001:DB8::1]", "remote [ipv6:2001:db8::1]" },
	/* other hosts */
	{ 0, "x@far.example", "remote far.example" },
	{ 0, "x@FAR.example", "remote far.example" },
	{ 0, "x@next.example", "remote [192.0.2.1]:2525" },
	{ 0, "vip@next.example", "remote lmtp:/run/Vip" },
	{ 0, "VIP+x@next.example", "remote lmtp:/run/Vip" },
	{ 0, "x@a.b.sub.example", "remote smart.example" },
	{ 0, "x@sub.example", "remote sub.example" },
	{ 0, "x@smtp.example", "remote [relay.example]:26" },
	{ 0, "x@bad.example", "defer 451 4.3.0 a route has \"a b\", which is "
	    "no next hop" },
	{ 0, "x@b\xc3\xbc" "cher.example", "remote xn--bcher-kva.example" },
	{ 0, "x@relay.example", "remote [192.0.2.9]:2525" },
	{ 0, "known@rcpt.example", "remote rcpt.example" },
	{ 0, "known+d@rcpt.example", "remote rcpt.example" },
	{ 0, "x@rcpt.example", NO_USER },
	/* nonsense */
	{ 0, "", "fail 550 5.1.3 not a valid address: " },
	{ 0, "a@", "fail 550 5.1.3 not a valid address: a@" },
	{ 0, "@example.org", "fail 550 5.1.3 not a valid address: "
	    "@example.org" },
};

static void
each_address_has_its_route(void **state)
{
	const char *have;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		have = route_of(routes[i].flags, routes[i].to, "");
		if (strcmp(have, routes[i].route) != 0)
			fail_msg("%s:\n%s\nnot\n%s", routes[i].to, have,
			    routes[i].route);
	}
}

static void
a_forward_file_works_with_its_owners_rights(void **state)
{
	(void)state;
	assert_string_equal(route_of(X, "|/bin/prog", "joe"),
	    "command 1001 /bin/prog");
	assert_string_equal(route_of(X, "/home/joe/box", "joe"),
	    "file 1001 /home/joe/box");
	assert_string_equal(route_of(X, "|/bin/prog", "www"), "fail 550 5.1.1 "
	    "the user whose ~/.forward named it does not exist");
	assert_string_equal(route_of(X, "|/bin/prog", "gone"), "fail 550 5.1.1 "
	    "the user whose ~/.forward named it does not exist");
	/* Its addresses may be aliases; "\joe" is not, and not forwarded. */
	assert_string_equal(route_of(X, "sales@example.org", "joe"),
	    "alice@example.org, bob@example.org, copy@far.example");
	assert_string_equal(route_of(X, "bob@example.org", "joe"), BOB);
	assert_string_equal(route_of(XN, "joe@sys.example", "joe"),
	    "maildir 1001 /home/joe/Maildir");
}

static void
commands_can_be_turned_off(void **state)
{
	(void)state;
	set_up(false, "alias.commands = no\n");
	assert_string_equal(route_of(X, "|/bin/prog", ""), "fail 550 5.7.1 "
	    "alias tables may not name programs or files here");
	assert_string_equal(route_of(X, "|/bin/prog", "joe"),
	    "command 1001 /bin/prog");
	tear_down(state);
}

static void
a_table_that_cannot_be_read_makes_it_temporary(void **state)
{
	const char *have;

	(void)state;
	set_up(true, "");
	have = route_of(0, "bob@example.org", "");
	assert_non_null(strstr(have, "defer 451 4.3.0 table broken-virt: "));
	/* What the table before it has is not in doubt. */
	assert_string_equal(route_of(0, "two@example.org", ""),
	    "defer 451 4.3.0 table broken-virt: /nonexistent/table: No such "
	    "file or directory");
	assert_string_equal(route_of(X, "bob@example.org", ""), BOB);
	tear_down(state);
}

static void
users_that_cannot_be_looked_up_make_it_temporary(void **state)
{
	(void)state;
	user_trouble = true;
	assert_string_equal(route_of(0, "joe@sys.example", ""), "defer 451 "
	    "4.3.0 the system's users cannot be looked up");
	assert_string_equal(route_of(0, "bob@example.org", ""), "defer 451 "
	    "4.3.0 the system's users cannot be looked up");
	assert_string_equal(route_of(0, "x@far.example", ""),
	    "remote far.example");
	user_trouble = false;
}

static void
without_root_all_mail_is_one_users(void **state)
{
	(void)state;
	world.out.one_user = true;
	world.out.uid = 1002;
	assert_string_equal(route_of(0, "bob@example.org", ""),
	    "maildir 1002 /mail/example.org/bob/Maildir virtual");
	assert_string_equal(route_of(XN, "ann@sys.example", ""),
	    "maildir 1002 /home/ann/Maildir");
	assert_string_equal(route_of(0, "joe@sys.example", ""), "fail 550 "
	    "5.2.1 without root this suite delivers only to its own user");
}

static void
a_host_without_configuration_delivers_its_own_mail(void **state)
{
	struct buf why = BUF_INIT(4096);

	(void)state;
	world.conf = conf_parse(slice_str("hostname = box.example\n"
	    "path.mail = /mail\n"), "t", &why);
	tables_init(&world.tables, world.conf, NULL);
	world.out = (struct resolve_world){ .user = fake_user,
		.include = fake_include };
	resolver_init(&world.resolver, world.conf, &world.tables, &world.out);
	assert_string_equal(route_of(0, "joe@box.example", ""), JOE);
	assert_string_equal(route_of(0, "root", ""),
	    "maildir 900 /mail/box.example/root/Maildir virtual");
	assert_string_equal(route_of(0, "postmaster", ""),
	    "root@box.example");
	assert_string_equal(route_of(0, "www@box.example", ""), "fail 550 "
	    "5.1.1 a system account without an alias gets no mail");
	assert_string_equal(route_of(0, "x@else.example", ""),
	    "remote else.example");
	buf_clear(&why);
	tear_down(state);
}

static void
deep_aliases_end_at_the_limit(void **state)
{
	struct buf text = BUF_INIT(65536);
	int i;

	(void)state;
	buf_add_str(&text, "alias.max_results = 100\nx");
	buf_reset(&text);
	buf_add_str(&text, "table chain { type = inline; entries = {\n");
	for (i = 0; i < 30; i++)
		buf_printf(&text, "\"c%d@example.org=c%d@example.org\"\n", i,
		    i + 1);
	buf_add_str(&text, "c30@example.org=bob@example.org } }\n");
	set_up(false, buf_cstr(&text));
	buf_clear(&text);
	world.resolver.virtual.v[0] = tables_find(&world.tables, "chain");
	assert_string_equal(route_of(0, "c11@example.org", ""),
	    "bob@example.org");
	assert_string_equal(route_of(0, "c9@example.org", ""), "defer 451 "
	    "4.3.0 aliases lead deeper than alias.max_depth");
	tear_down(state);
}

static const struct {
	const char	*to;
	bool		 may_relay;
	const char	*verdict;	/* "accept", "ask", or code and text */
} verdicts[] = {
	{ "bob@example.org", false, "ask" },
	{ "nobody@example.org", false, "550 5.1.1 no such user here" },
	{ "nobody@example.org", true, "550 5.1.1 no such user here" },
	{ "sales@example.org", false, "accept" },
	{ "bob@old.example", false, "ask" },
	{ "nobody@old.example", false, "550 5.1.1 no such user here" },
	{ "gone@only.example", false, "550 5.1.1 no such user here" },
	{ "b@only.example", false, "550 5.1.1 no such user here" },
	{ "loop-a@example.org", false, "550 5.4.6 the alias leads to itself" },
	{ "circle@sys.example", false, "550 5.4.6 the alias leads to itself" },
	{ "x@far.example", false, "550 5.7.1 relay access denied" },
	{ "x@far.example", true, "accept" },
	{ "any@one.example", false, "550 5.7.1 relay access denied" },
	{ "x@relay.example", false, "accept" },
	{ "a%b.example@relay.example", false, "550 5.7.1 relay access denied" },
	{ "a%b.example@relay.example", true, "accept" },
	{ "b!a@relay.example", false, "550 5.7.1 relay access denied" },
	{ "\"a@b\"@relay.example", false, "550 5.7.1 relay access denied" },
	{ "bob@passes.example", false, "accept" },
	{ "\"a b\"@passes.example", false, "accept" },
	{ "a%b@passes.example", false, "accept" },
	{ "a%c@passes.example", false, "550 5.7.1 relay access denied" },
	{ "\"a@c\"@passes.example", false, "550 5.7.1 relay access denied" },
	{ "\"a@c\"@passes.example", true, "accept" },
	{ "info+a%c@passes.example", false, "550 5.7.1 relay access denied" },
	{ "info+a@passes.example", false, "accept" },
	{ "c!a@abroad.example", false, "550 5.7.1 relay access denied" },
	{ "a%far.example@old.example", false, "550 5.1.1 no such user here" },
	{ "known@rcpt.example", false, "accept" },
	{ "x@rcpt.example", false, "550 5.1.1 no such user here" },
	{ "x%far.example@example.org", false, "550 5.1.1 no such user here" },
	{ "\"x@far.example\"@example.org", false,
	    "550 5.1.1 no such user here" },
	{ "x@[127.0.0.1]", false, "550 5.1.1 no such user here" },
	{ "x@[192.0.2.1]", false, "550 5.7.1 relay access denied" },
	{ "joe@sys.example", false, "ask" },
	{ "www@sys.example", false, "550 5.1.1 a system account without an "
	    "alias gets no mail" },
	{ "prog@sys.example", false, "accept" },
	{ "null@sys.example", false, "accept" },
	{ "Postmaster", false, "ask" },
	{ "postmaster@example.org", false, "ask" },
	{ "many@sys.example", false, "451 4.3.0 the recipient cannot be "
	    "looked up now, try again later" },
	{ "half@example.org", false, "accept" },
	{ "mixed@example.org", false, "accept" },
	{ "absent@sys.example", false, "451 4.3.0 the recipient cannot be "
	    "looked up now, try again later" },
	{ "x@bad.example", true, "451 4.3.0 the recipient cannot be looked up "
	    "now, try again later" },
	{ "not an address", false, "550 5.1.3 not a valid address: not an "
	    "address" },
};

static void
each_recipient_has_its_verdict(void **state)
{
	struct arena arena = ARENA_INIT(RESOLVE_ARENA);
	struct buf have = BUF_INIT(4096), trace = BUF_INIT(1 << 20);
	struct verdict v;
	size_t i;

	(void)state;
	/* Each twice: explained, and as smtpd asks. */
	for (i = 0; i < 2 * sizeof(verdicts) / sizeof(verdicts[0]); i++) {
		size_t n = i / 2;

		buf_reset(&have);
		buf_reset(&trace);
		resolve_rcpt(&world.resolver, &arena, verdicts[n].may_relay,
		    slice_str(verdicts[n].to), i % 2 == 0 ? &trace : NULL, &v);
		if (v.kind == VERDICT_REFUSE)
			buf_printf(&have, "%u %.*s", v.code,
			    SLICE_ARG(v.text));
		else
			buf_add_str(&have, v.kind == VERDICT_ACCEPT ?
			    "accept" : "ask");
		if (strcmp(buf_cstr(&have), verdicts[n].verdict) != 0)
			fail_msg("%s: %s\n%s", verdicts[n].to,
			    buf_cstr(&have), buf_cstr(&trace));
		arena_clear(&arena);
	}
	buf_clear(&have);
	buf_clear(&trace);
}

static void
it_is_explained_what_is_found_by_mx(void **state)
{
	static const char *const rows[][2] = {
		{ "x@far.example", "next hop far.example (by MX)\n" },
		{ "x@a.sub.example", "next hop smart.example (by MX)\n" },
		{ "x@next.example", "next hop [192.0.2.1]:2525\n" },
		{ "x@num.example", "next hop 192.0.2.9:26\n" },
		{ "x@smtp.example", "next hop [relay.example]:26\n" },
		{ "vip@next.example", "next hop lmtp:/run/Vip\n" },
	};
	struct arena arena = ARENA_INIT(RESOLVE_ARENA);
	struct buf trace = BUF_INIT(1 << 20);
	struct route route;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		buf_reset(&trace);
		resolve_route(&world.resolver, &arena, 0,
		    slice_str(rows[i][0]), SLICE_EMPTY, &trace, &route);
		if (strstr(buf_cstr(&trace), rows[i][1]) == NULL)
			fail_msg("%s: %s", rows[i][0], buf_cstr(&trace));
		arena_clear(&arena);
	}
	buf_clear(&trace);
}

static void
of_a_large_list_the_first_members_decide(void **state)
{
	struct arena arena = ARENA_INIT(RESOLVE_ARENA);
	struct buf text = BUF_INIT(65536);
	struct verdict v;
	int i;

	(void)state;
	buf_add_str(&text, "table large { type = inline; entries = {\n"
	    "\"large@example.org=");
	for (i = 0; i < 100; i++)
		buf_printf(&text, "m%d@far.example,", i);
	buf_add_str(&text, "\" } }\n");
	set_up(false, buf_cstr(&text));
	buf_clear(&text);
	world.conf->alias_max_results = 99;
	world.resolver.virtual.v[0] = tables_find(&world.tables, "large");
	resolve_rcpt(&world.resolver, &arena, false,
	    SLICE_LIT("large@example.org"), NULL, &v);
	assert_int_equal(v.kind, VERDICT_ACCEPT);
	arena_clear(&arena);
	assert_string_equal(route_of(0, "large@example.org", ""), "defer 451 "
	    "4.3.0 more recipients than alias.max_results");
	tear_down(state);
}

static void
room_is_counted_in_bytes_and_messages(void **state)
{
	static const struct {
		uint64_t	 quota_bytes, quota_messages;
		uint64_t	 bytes, messages, size;
		bool		 room;
	} rows[] = {
		{ 100, 0, 99, 500, 0, true },
		{ 100, 0, 100, 0, 0, false },
		{ 100, 0, 50, 0, 50, true },
		{ 100, 0, 50, 0, 51, false },
		{ 100, 0, 0, 0, UINT64_MAX, false },
		{ 100, 0, UINT64_MAX, 0, 1, false },
		{ 0, 5, UINT64_MAX, 4, UINT64_MAX, true },
		{ 0, 5, 0, 5, 0, false },
		{ 0, 0, UINT64_MAX, UINT64_MAX, UINT64_MAX, true },
	};
	struct destination d = { .kind = DEST_MAILDIR };
	struct verdict v;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		d.quota_bytes = rows[i].quota_bytes;
		d.quota_messages = rows[i].quota_messages;
		v = (struct verdict){ .kind = VERDICT_ACCEPT };
		assert_int_equal(resolve_has_room(&world.resolver, &d,
		    rows[i].bytes, rows[i].messages, rows[i].size, &v),
		    rows[i].room);
		if (!rows[i].room)
			assert_int_equal(v.code, 452);
	}
}

/* $1 is the sender's choice. */
static void
what_a_pattern_takes_from_a_key_stays_one_address(void **state)
{
	static const struct {
		const char	*to, *route;
	} rows[] = {
		{ "ann-to@sys.example", "ann@sys.example" },
		{ "|/bin/sh-to@sys.example", "defer 451 4.3.0 a pattern with "
		    "parts of the key names a program or file: /bin/sh" },
		{ "/etc/x-to@sys.example", "defer 451 4.3.0 a pattern with "
		    "parts of the key names a program or file: /etc/x" },
		{ "\"ann, |/bin/sh -c id-to\"@sys.example", NO_USER },
		{ "\"ann, b@far.example-to\"@sys.example", NO_USER },
		{ "\"ann joe-to\"@sys.example", NO_USER },
		{ "ann-prog@sys.example", "defer 451 4.3.0 a pattern with "
		    "parts of the key names a program or file: /bin/p ann" },
		{ "ann-fixed@sys.example", "|/bin/p" },
		{ "\"ann joe-fixed\"@sys.example", "|/bin/p" },
		{ "u@quoted.example", "u@far.example" },
		{ "\"u v\"@quoted.example", "\"u v\"@far.example" },
		{ "\"u, v@w.example, x\"@bare.example",
		    "\"u, v@w.example, x\"@far.example" },
	};
	static const char text[] = "/^(?!owner-)(.*)-to$/ $1\n"
	    "/^(?!owner-)(.*)-prog$/ \"|/bin/p $1\"\n"
	    "/^(?!owner-).*-fixed$/ \"|/bin/p\"\n"
	    "/^(.*)@quoted\\.example$/ $1@far.example\n"
	    "/^\"?(.*?)\"?@bare\\.example$/ $1@far.example\n";
	char path[] = "/tmp/patterns-XXXXXX", more[200];
	int fd = mkstemp(path);
	struct table *t;
	const char *have;
	size_t i;

	(void)state;
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	close(fd);
	snprintf(more, sizeof(more), "table pat { type = pcre; path = %s }\n",
	    path);
	set_up(false, more);
	unlink(path);
	t = tables_find(&world.tables, "pat");
	world.resolver.aliases.v[0] = world.resolver.virtual.v[0] = t;
	world.resolver.virtual.n = 0;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (strstr(rows[i].to, "sys.example") == NULL)
			world.resolver.virtual.n = 1;
		have = route_of(0, rows[i].to, "");
		if (strcmp(have, rows[i].route) != 0)
			fail_msg("%s:\n%s\nnot\n%s", rows[i].to, have,
			    rows[i].route);
	}
	tear_down(state);
}

static void
a_domain_longer_than_a_name_can_be_does_not_exist(void **state)
{
	struct buf to = BUF_INIT(1000);
	size_t i;

	(void)state;
	buf_add_str(&to, "x@");
	for (i = 0; i < 126; i++)
		buf_add_str(&to, "b.");
	buf_add_byte(&to, 'c');
	assert_string_equal(route_of(0, buf_cstr(&to), "") +
	    strlen("remote "), buf_cstr(&to) + 2);
	buf_add_byte(&to, 'c');
	assert_string_equal(route_of(0, buf_cstr(&to), ""), "fail 550 5.1.2 "
	    "there is no such domain: its name is longer than one can be");
	buf_clear(&to);
}

static void
file_names_of_local_parts_are_safe(void **state)
{
	static const struct {
		const char	*local, *name;
	} rows[] = {
		{ "alice", "alice" }, { "a.b+c=d,e@f-g_h", "a.b+c=d,e@f-g_h" },
		{ ".", "%2e" }, { "..", "%2e." }, { ".x", "%2ex" },
		{ "a/b", "a%2fb" }, { "../../etc", "%2e.%2f..%2fetc" },
		{ "a b", "a%20b" }, { "100%", "100%25" },
		{ "\xc3\xbc", "%c3%bc" }, { "a\nb", "a%0ab" },
	};
	struct buf name = BUF_INIT(4096);
	char *longest = mem_alloc(300);
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		buf_reset(&name);
		assert_int_equal(local_file_name(slice_str(rows[i].local),
		    &name), 0);
		assert_string_equal(buf_cstr(&name), rows[i].name);
	}
	memset(longest, 'x', 256);
	buf_reset(&name);
	assert_int_equal(local_file_name(slice_of(longest, 255), &name), 0);
	buf_reset(&name);
	assert_int_equal(local_file_name(slice_of(longest, 256), &name), -1);
	buf_reset(&name);
	assert_int_equal(local_file_name(SLICE_EMPTY, &name), -1);
	free(longest);
	buf_clear(&name);
}

/* ---- who may send as whom ----------------------------------------------- */

static const struct {
	const char	*login;
	const char	*address;
	enum sender_verdict verdict;
} sender_cases[] = {
	{ "alice@example.org", "alice@example.org", SENDER_OWN },
	{ "alice@example.org", "ALICE@Example.ORG", SENDER_OWN },
	{ "alice@example.org", "alice+x@example.org", SENDER_OWN },
	{ "Alice@Example.org", "\"alice\"@example.org", SENDER_OWN },
	{ "alice@example.org", "bob@example.org", SENDER_FOREIGN },
	{ "alice@example.org", "bob+alice@example.org", SENDER_FOREIGN },
	{ "alice@example.org", "nobody@example.org", SENDER_FOREIGN },
	{ "alice@example.org", "alice@far.example", SENDER_OWN },
	{ "alice@example.org", "x@sub.far.example", SENDER_FOREIGN },
	{ "alice@example.org", "x@other.example", SENDER_OWN },
	{ "alice@example.org", "sales@example.org", SENDER_OWN },
	{ "alice@example.org", "sales+x@example.org", SENDER_OWN },
	{ "alice@example.org", "sales@old.example", SENDER_FOREIGN },
	{ "alice@example.org", "info@example.org", SENDER_FOREIGN },
	/* Aliases that lead to the mailbox alone, and catch_all. */
	{ "carol@catch.example", "carol@catch.example", SENDER_OWN },
	{ "carol@catch.example", "x@xn--mller-kva.example", SENDER_OWN },
	{ "carol@catch.example", "bob@example.org", SENDER_FOREIGN },
	{ "local-only@example.org", "local-only@example.org", SENDER_OWN },
	{ "postfix@example.org", "bob@example.org", SENDER_FOREIGN },
	{ "bob@example.org", "a@only.example", SENDER_OWN },
	{ "bob@example.org", "anything@one.example", SENDER_OWN },
	{ "bob@example.org", "nobody@catch.example", SENDER_OWN },
	{ "bob@example.org", "boss@bank.example", SENDER_OWN },
	{ "hans@xn--mller-kva.example", "hans@m\xc3\xbcller.example",
	    SENDER_OWN },
	/* Users of this host. */
	{ "joe", "joe@sys.example", SENDER_OWN },
	{ "joe@sys.example", "joe", SENDER_OWN },
	{ "joe", "joe@mx.example.org", SENDER_OWN },
	{ "joe", "root@sys.example", SENDER_OWN },
	{ "joe", "boss@sys.example", SENDER_OWN },
	{ "joe", "boss+x@sys.example", SENDER_OWN },
	{ "joe", "ann@sys.example", SENDER_FOREIGN },
	{ "joe", "both@sys.example", SENDER_FOREIGN },
	{ "joe", "prog@sys.example", SENDER_FOREIGN },
	{ "ann", "ann@sys.example", SENDER_OWN },
	{ "ann", "ann+x@sys.example", SENDER_OWN },
	{ "ann", "back@sys.example", SENDER_OWN },
	/* What is no address, and what is no mailbox. */
	{ "joe", "", SENDER_FOREIGN },
	{ "joe", "@sys.example", SENDER_FOREIGN },
	{ "joe", "a@b@c", SENDER_FOREIGN },
	{ "joe", "|/bin/sh", SENDER_FOREIGN },
	{ "joe", "/etc/passwd@sys.example", SENDER_FOREIGN },
	{ "", "joe@sys.example", SENDER_FOREIGN },
	{ "a b", "joe@sys.example", SENDER_FOREIGN },
	{ "ghost@example.org", "ghost@example.org", SENDER_OWN },
	{ "ghost@example.org", "phantom@example.org", SENDER_FOREIGN },
	{ "x@far.example", "x@far.example", SENDER_OWN },
	{ "x@far.example", "y@far.example", SENDER_FOREIGN },
};

static void
senders(void **state)
{
	struct arena a = ARENA_INIT(RESOLVE_ARENA);
	size_t i;
	enum sender_verdict v;

	(void)state;
	for (i = 0; i < sizeof(sender_cases) / sizeof(sender_cases[0]); i++) {
		v = resolve_sender(&world.resolver, &a,
		    slice_str(sender_cases[i].login),
		    slice_str(sender_cases[i].address));
		if (v != sender_cases[i].verdict)
			fail_msg("%s as %s: %d", sender_cases[i].login,
			    sender_cases[i].address, (int)v);
		arena_clear(&a);
	}
}

static void
senders_with_trouble(void **state)
{
	struct arena a = ARENA_INIT(RESOLVE_ARENA);

	(void)state;
	set_up(true, "");
	assert_int_equal(resolve_sender(&world.resolver, &a, SLICE_LIT("joe"),
	    SLICE_LIT("nobody@sys.example")), SENDER_TROUBLE);
	user_trouble = true;
	assert_int_equal(resolve_sender(&world.resolver, &a, SLICE_LIT("joe"),
	    SLICE_LIT("ann@sys.example")), SENDER_TROUBLE);
	arena_clear(&a);
}

static void
logins_name_mailboxes(void **state)
{
	static const struct {
		const char	*in;
		const char	*login;		/* NULL: unknown */
		const char	*directory, *maildir;
		uint32_t	 uid;
	} rows[] = {
		{ "Alice@Example.ORG", "alice@example.org",
		  "/mail/example.org/alice",
		  "/mail/example.org/alice/Maildir", 900 },
		{ "joe", "joe", "/home/joe/Maildir", "/home/joe/Maildir",
		  1001 },
		{ "joe@sys.example", "joe", "/home/joe/Maildir",
		  "/home/joe/Maildir", 1001 },
		/* neither aliases, nor details, nor catch-alls are logins */
		{ "sales@example.org", NULL, NULL, NULL, 0 },
		{ "alice+x@example.org", NULL, NULL, NULL, 0 },
		{ "anybody@catch.example", NULL, NULL, NULL, 0 },
		{ "daemon", NULL, NULL, NULL, 0 },
		{ "nobody@example.org", NULL, NULL, NULL, 0 },
		{ "x@far.example", NULL, NULL, NULL, 0 },
		{ "known@rcpt.example", NULL, NULL, NULL, 0 },
		{ "a@only.example", NULL, NULL, NULL, 0 },
		{ "no address@", NULL, NULL, NULL, 0 },
	};
	struct arena arena = ARENA_INIT(RESOLVE_ARENA);
	struct login l;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		resolve_login(&world.resolver, &arena, slice_str(rows[i].in),
		    NULL, &l);
		if ((l.found == LOGIN_FOUND) != (rows[i].login != NULL))
			fail_msg("%s", rows[i].in);
		if (rows[i].login == NULL)
			continue;
		assert_true(slice_eq(l.login, slice_str(rows[i].login)));
		assert_true(slice_eq(l.directory,
		    slice_str(rows[i].directory)));
		assert_true(slice_eq(l.to.path, slice_str(rows[i].maildir)));
		assert_int_equal(l.to.uid, rows[i].uid);
	}
	user_trouble = true;
	resolve_login(&world.resolver, &arena, SLICE_LIT("joe"), NULL, &l);
	assert_int_equal(l.found, LOGIN_TROUBLE);
	arena_clear(&arena);
}

int
main(void)
{
#define WITH(test)	cmocka_unit_test_setup_teardown(test, whole, tear_down)
	const struct CMUnitTest tests[] = {
		WITH(each_address_has_its_route),
		WITH(a_forward_file_works_with_its_owners_rights),
		cmocka_unit_test(commands_can_be_turned_off),
		WITH(senders),
		cmocka_unit_test_teardown(senders_with_trouble, tear_down),
		cmocka_unit_test(a_table_that_cannot_be_read_makes_it_temporary),
		WITH(users_that_cannot_be_looked_up_make_it_temporary),
		WITH(without_root_all_mail_is_one_users),
		cmocka_unit_test(
		    a_host_without_configuration_delivers_its_own_mail),
		cmocka_unit_test(deep_aliases_end_at_the_limit),
		WITH(each_recipient_has_its_verdict),
		WITH(it_is_explained_what_is_found_by_mx),
		cmocka_unit_test(of_a_large_list_the_first_members_decide),
		WITH(room_is_counted_in_bytes_and_messages),
		cmocka_unit_test(
		    what_a_pattern_takes_from_a_key_stays_one_address),
		WITH(a_domain_longer_than_a_name_can_be_does_not_exist),
		cmocka_unit_test(file_names_of_local_parts_are_safe),
		WITH(logins_name_mailboxes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
