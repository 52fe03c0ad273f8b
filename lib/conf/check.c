/* SPDX-License-Identifier: ISC */
/*
 * check - what the type of a value does not say.
 *
 * checks[] names a function for a key; keys with a fixed set of words are
 * checked by conf_words_of().  A child's part of the configuration passes too:
 * what it does not hold has its default.
 */
#include <stdlib.h>

#include "base/num.h"
#include "conf/keys.h"

struct checker {
	const struct conf	*conf;
	struct buf		*why;
	bool			 ok;
};

/* The value under check: one word of a STRING, LIST or NETS. */
struct value {
	const struct conf_key	*key;
	size_t			 kind, block, item;
	const void		*object;
	const char		*word;
};

typedef void	check_fn(struct checker *, const struct value *);

static void	 check_object(struct checker *, size_t kind, size_t block);
static void	 check_words(struct checker *, const struct value *);
static void	 check_name(struct checker *, size_t kind, size_t block);
static void	 check_whole(struct checker *);
static check_fn	 check_hostname, check_postmaster, check_delimiter, check_path,
    check_user, check_text, check_endpoint, check_server, check_tables,
    check_domain_tables, check_catch_all, check_next_hop, check_source,
    check_maildir, check_table_path, check_entries, check_log, check_socket,
    check_limit, check_pem, check_certificates, check_not_empty,
    check_tls_level, check_tls_name, check_fingerprint, check_listener_tls;
static bool	 is_loopback(const struct conf_endpoint *);
static void	 check_places(struct checker *);
static const struct conf_mark *find_mark(const struct checker *,
		    const struct value *);
static void	 fail(struct checker *, const struct value *, const char *, ...)
		    __attribute__((format(printf, 3, 4)));

static const struct {
	const char	*kind;
	const char	*key;
	check_fn	*fn;
} checks[] = {
	{ "", "hostname",		check_hostname },
	{ "", "postmaster",		check_postmaster },
	{ "", "recipient_delimiter",	check_delimiter },
	{ "", "path.queue",		check_path },
	{ "", "path.run",		check_path },
	{ "", "path.mail",		check_path },
	{ "", "path.history",		check_path },
	{ "", "path.tables",		check_path },
	{ "", "path.templates",		check_path },
	{ "", "user.prefix",		check_user },
	{ "", "user.mail",		check_user },
	{ "", "user.commands",		check_user },
	{ "", "log.target",		check_log },
	{ "", "smtp.banner",		check_text },
	{ "", "bounce.from_name",	check_text },
	{ "", "remote.source_ipv4",	check_source },
	{ "", "remote.source_ipv6",	check_source },
	{ "", "remote.sockets",		check_socket },
	{ "", "local.system_maildir",	check_maildir },
	{ "", "alias.tables",		check_tables },
	{ "", "alias.virtual",		check_tables },
	{ "", "route.tables",		check_tables },
	{ "", "submission.senders",	check_tables },
	{ "", "submission.limits",	check_limit },
	{ "", "submission.recipient_limits", check_limit },
	{ "", "alias.includes",		check_path },
	{ "", "dns.servers",		check_server },
	{ "", "auth.passwords",		check_path },
	{ "", "auth.sqlite",		check_path },
	{ "", "auth.default_domain",	check_hostname },
	{ "listener", "address",	check_endpoint },
	{ "listener", "tls",		check_listener_tls },
	{ "listener", "certificates",	check_certificates },
	{ "certificate", "chain",	check_pem },
	{ "certificate", "key",		check_pem },
	{ "domain", "mailboxes",	check_domain_tables },
	{ "domain", "recipients",	check_domain_tables },
	{ "domain", "catch_all",	check_catch_all },
	{ "domain", "relay_to",		check_next_hop },
	{ "table", "path",		check_table_path },
	{ "table", "entries",		check_entries },
	{ "nexthop", "tls",		check_tls_level },
	{ "nexthop", "tls_names",	check_tls_name },
	{ "nexthop", "tls_fingerprints", check_fingerprint },
	{ "oauth", "issuer",		check_not_empty },
	{ "oauth", "claim",		check_not_empty },
	{ "oauth", "keys",		check_path },
};

bool
conf_check(const struct conf *c, struct buf *why)
{
	struct checker ck = { c, why, true };
	size_t k, i;

	for (k = 0; k < CONF_KINDS; k++)
		for (i = 0; i < conf_count(c, &conf_kinds[k]); i++) {
			check_name(&ck, k, i);
			check_object(&ck, k, i);
		}
	check_whole(&ck);
	return ck.ok;
}

static check_fn *
check_of(const struct conf_kind *kind, const struct conf_key *key)
{
	size_t i;

	for (i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
		if (strcmp(checks[i].kind, kind->name) == 0 &&
		    strcmp(checks[i].key, key->name) == 0)
			return checks[i].fn;
	return conf_words_of(kind, key) != NULL ? check_words : NULL;
}

static void
check_object(struct checker *ck, size_t k, size_t block)
{
	const struct conf_kind *kind = &conf_kinds[k];
	struct value v = { .kind = k, .block = block };
	const struct conf_list *list;
	check_fn *fn;
	size_t i;

	v.object = k == 0 ? ck->conf : conf_object(ck->conf, kind, block);
	for (i = 0; i < kind->nkeys; i++) {
		const void *at;

		v.key = &kind->keys[i];
		v.item = 0;
		fn = check_of(kind, v.key);
		if (fn == NULL)
			continue;
		at = (const char *)v.object + v.key->offset;
		if (v.key->type == CONF_STRING) {
			v.word = *(const char *const *)at;
			fn(ck, &v);
			continue;
		}
		list = at;
		for (; v.item < list->n; v.item++) {
			v.word = list->v[v.item];
			fn(ck, &v);
		}
	}
}

static void
check_words(struct checker *ck, const struct value *v)
{
	const char *words = conf_words_of(&conf_kinds[v->kind], v->key);
	const char *names[16], *near;
	char text[256];
	struct slice rest = slice_str(words), part;
	size_t n = 0, used = 0;

	if (v->word[0] != '\0' && conf_word_in(words, v->word))
		return;
	while (slice_next(&rest, ' ', &part) && n < 15 &&
	    used + part.n + 1 < sizeof(text)) {
		names[n++] = text + used;
		memcpy(text + used, part.p, part.n);
		used += part.n;
		text[used++] = '\0';
	}
	names[n] = NULL;
	near = conf_nearest(slice_str(v->word), names);
	if (near != NULL)
		fail(ck, v, "%s cannot be \"%s\"; did you mean \"%s\"?",
		    v->key->name, conf_show(slice_str(v->word)).s, near);
	else
		fail(ck, v, "%s cannot be \"%s\"; it is one of: %s",
		    v->key->name, conf_show(slice_str(v->word)).s, words);
}

/* Names of blocks mean something for domains and next hops. */
static void
check_name(struct checker *ck, size_t k, size_t block)
{
	struct value v = { .kind = k, .block = block };
	struct slice name;

	if (k == 0)
		return;
	memcpy(&v.word, conf_object(ck->conf, &conf_kinds[k], block),
	    sizeof(v.word));
	name = slice_str(v.word);
	if (strcmp(conf_kinds[k].name, "domain") == 0 &&
	    !conf_domain_is_valid(name))
		fail(ck, &v, "\"%s\" is not a domain name",
		    conf_show(name).s);
	if (strcmp(conf_kinds[k].name, "nexthop") == 0 &&
	    !conf_next_hop_is_valid(name) && (name.n == 0 ||
	    name.p[0] != '.' || !conf_domain_is_valid(slice_from(name, 1))))
		fail(ck, &v, "\"%s\" is not a next hop: host, [host]:port, "
		    "smtps:[host]:port, lmtp:[host]:port, lmtp:/path or "
		    ".domain", conf_show(name).s);
	if (strcmp(conf_kinds[k].name, "table") == 0 &&
	    slice_find(name, '/') < name.n)
		fail(ck, &v, "the name of a table has no '/'");
}

static void
check_whole(struct checker *ck)
{
	const struct conf *c = ck->conf;
	struct value v = { 0 };

	v.key = conf_key_find(&conf_kinds[0], SLICE_LIT("queue.retry_max"));
	if (find_mark(ck, &v) == NULL)	/* then it is the other */
		v.key = conf_key_find(&conf_kinds[0],
		    SLICE_LIT("queue.retry_first"));
	if (c->queue_retry_max < c->queue_retry_first)
		fail(ck, &v, "queue.retry_max is less than queue.retry_first");
	v.key = conf_key_find(&conf_kinds[0], SLICE_LIT("remote.ipv6"));
	if (!c->remote_ipv4 && !c->remote_ipv6)
		fail(ck, &v, "remote.ipv4 and remote.ipv6 are both off");
	check_places(ck);
}

/* 0.0.0.0 or [::]; not ENDPOINT_ANY, which is both. */
static bool
is_unspecified(const struct conf_endpoint *e)
{
	static const uint8_t none[16];

	return memcmp(e->addr + (e->kind == ENDPOINT_IPV4 ? 12 : 0), none,
	    e->kind == ENDPOINT_IPV4 ? 4 : 16) == 0;
}

/* Can the kernel not give both? */
static bool
is_same_place(const struct conf_endpoint *a, const struct conf_endpoint *b)
{
	if (a->kind == ENDPOINT_UNIX || b->kind == ENDPOINT_UNIX ||
	    a->port != b->port)
		return false;
	if (a->kind == ENDPOINT_ANY || b->kind == ENDPOINT_ANY)
		return true;
	return a->kind == b->kind && (is_unspecified(a) ||
	    is_unspecified(b) ||
	    memcmp(a->addr, b->addr, sizeof(a->addr)) == 0);
}

/* The address before this one that leaves it no place. */
static const char *
taken_place(const struct conf *c, const struct value *v,
    const struct conf_listener **by)
{
	struct conf_endpoint here, other;
	const struct conf_listener *l;
	size_t i, j;

	if (!conf_endpoint_parse(v->word, &here))
		return NULL;
	for (i = 0; i <= v->block; i++) {
		l = &c->listeners[i];
		for (j = 0; j < (i < v->block ? l->address.n : v->item); j++) {
			*by = l;
			if (strcmp(v->word, l->address.v[j]) == 0 ||
			    (conf_endpoint_parse(l->address.v[j], &other) &&
			    is_same_place(&here, &other)))
				return l->address.v[j];
		}
	}
	return NULL;
}

static void
check_places(struct checker *ck)
{
	const struct conf *c = ck->conf;
	const struct conf_listener *l, *by;
	struct value v = { .kind = 1 };
	const char *taken;

	while (strcmp(conf_kinds[v.kind].name, "listener") != 0)
		v.kind++;
	v.key = conf_key_find(&conf_kinds[v.kind], SLICE_LIT("address"));
	for (v.block = 0; v.block < c->nlisteners; v.block++) {
		l = &c->listeners[v.block];
		for (v.item = 0; v.item < l->address.n; v.item++) {
			v.word = l->address.v[v.item];
			taken = taken_place(c, &v, &by);
			if (taken != NULL)
				fail(ck, &v, "listener %s cannot listen on %s: "
				    "listener %s has %s already", l->name,
				    v.word, by->name, taken);
		}
	}
}

static void
check_hostname(struct checker *ck, const struct value *v)
{
	if (v->word[0] != '\0' && !conf_domain_is_valid(slice_str(v->word)))
		fail(ck, v, "\"%s\" is not a host name",
		    conf_show(slice_str(v->word)).s);
}

static bool
is_address(struct slice s)
{
	size_t at = slice_rfind(s, '@');

	return at > 0 && at < s.n &&
	    conf_domain_is_valid(slice_from(s, at + 1));
}

static void
check_postmaster(struct checker *ck, const struct value *v)
{
	struct slice s = slice_str(v->word);

	if (s.n == 0 || (slice_find(s, '@') < s.n && !is_address(s)))
		fail(ck, v, "postmaster is an address or a local name");
}

static void
check_delimiter(struct checker *ck, const struct value *v)
{
	char c = v->word[0];

	if (c != '\0' && (v->word[1] != '\0' || strchr("+-=_.#%!~", c) == NULL))
		fail(ck, v, "recipient_delimiter is empty or one of "
		    "+ - = _ . # %% ! ~");
}

/* ':' stands between paths where a process is told what it may open. */
static void
check_path(struct checker *ck, const struct value *v)
{
	if (strchr(v->word, ':') != NULL)
		fail(ck, v, "%s may not contain ':'", v->key->name);
	else if (v->word[0] == '\0' &&
	    strcmp(v->key->name, "path.templates") != 0)
		fail(ck, v, "%s may not be empty", v->key->name);
	else if (strcmp(v->word, "/") == 0)
		fail(ck, v, "%s may not be the root directory", v->key->name);
}

static void
check_user(struct checker *ck, const struct value *v)
{
	size_t i;

	for (i = 0; v->word[i] != '\0'; i++)
		if (!conf_is_word_char(v->word[i]) ||
		    strchr(":/@", v->word[i]) != NULL)
			break;
	if (i == 0 || i > 64 || v->word[i] != '\0')
		fail(ck, v, "\"%s\" is no name of a system user",
		    conf_show(slice_str(v->word)).s);
}

static void
check_log(struct checker *ck, const struct value *v)
{
	if (strcmp(v->word, "syslog") != 0 && strcmp(v->word, "stderr") != 0 &&
	    strchr(v->word, '/') == NULL)
		fail(ck, v, "log.target is syslog, stderr or a path with '/' "
		    "(./%s for one beside the configuration file)",
		    conf_show(slice_str(v->word)).s);
}

static void
check_not_empty(struct checker *ck, const struct value *v)
{
	if (v->word[0] == '\0')
		fail(ck, v, "%s may not be empty", v->key->name);
}

static void
check_text(struct checker *ck, const struct value *v)
{
	size_t i;

	for (i = 0; v->word[i] >= ' ' && v->word[i] <= '~'; i++)
		;
	if (i > 200 || v->word[i] != '\0')
		fail(ck, v, "%s is printable ASCII, at most 200 characters",
		    v->key->name);
}

static void
check_source(struct checker *ck, const struct value *v)
{
	struct conf_net net;
	bool v6 = strcmp(v->key->name, "remote.source_ipv6") == 0;

	if (v->word[0] != '\0' && (!conf_net_parse(v->word, &net) ||
	    net.bits != 128 || (strchr(v->word, ':') != NULL) != v6))
		fail(ck, v, "%s is an IPv%d address", v->key->name, v6 ? 6 : 4);
}

static void
check_socket(struct checker *ck, const struct value *v)
{
	if (v->word[0] != '/' || strlen(v->word) > 107)
		fail(ck, v, "%s are absolute paths of at most 107 bytes",
		    v->key->name);
}

static void
check_maildir(struct checker *ck, const struct value *v)
{
	struct slice rest = slice_str(v->word), part;

	if (v->word[0] == '\0' || v->word[0] == '/')
		goto bad;
	while (slice_next(&rest, '/', &part))
		if (part.n == 0 || slice_eq(part, SLICE_LIT("..")))
			goto bad;
	return;
bad:
	fail(ck, v, "%s is a path below the home directory, without ..",
	    v->key->name);
}

static void
check_endpoint(struct checker *ck, const struct value *v)
{
	struct conf_endpoint e;

	if (!conf_endpoint_parse(v->word, &e))
		fail(ck, v, "\"%s\" is no place to listen: ADDRESS:PORT, "
		    "[v6]:PORT, *:PORT or a path", conf_show(
		    slice_str(v->word)).s);
	else if (e.kind == ENDPOINT_UNIX && strlen(v->word) >= 108)
		fail(ck, v, "the path of a socket has at most 107 bytes");
	else if (strcmp(((const struct conf_listener *)v->object)->mode,
	    "metrics") == 0 && !is_loopback(&e))
		fail(ck, v, "metrics are served in clear and to everybody: "
		    "on 127.0.0.0/8, [::1] or a path only");
}

static bool
is_loopback(const struct conf_endpoint *e)
{
	static const uint8_t one[16] = { [15] = 1 };

	switch (e->kind) {
	case ENDPOINT_ANY:
		return false;
	case ENDPOINT_IPV4:
		return e->addr[12] == 127;
	case ENDPOINT_IPV6:
		return memcmp(e->addr, one, sizeof(one)) == 0;
	case ENDPOINT_UNIX:
		break;
	}
	return true;
}

bool
conf_is_loopback_only(const struct conf *c)
{
	struct conf_endpoint e;
	size_t i, j;

	for (i = 0; i < c->nlisteners; i++)
		if (strcmp(c->listeners[i].mode, "smtp") == 0 ||
		    strcmp(c->listeners[i].mode, "lmtp") == 0)
			for (j = 0; j < c->listeners[i].address.n; j++)
				if (conf_endpoint_parse(
				    c->listeners[i].address.v[j], &e) &&
				    (e.kind == ENDPOINT_UNIX ||
				    !is_loopback(&e)))
					return false;
	return true;
}

/* Clients of a listener of metrics get no TLS. */
static void
check_listener_tls(struct checker *ck, const struct value *v)
{
	const struct conf_listener *l = v->object;

	check_words(ck, v);
	if (strcmp(l->mode, "metrics") == 0 &&
	    (strcmp(v->word, "required") == 0 ||
	    strcmp(v->word, "implicit") == 0))
		fail(ck, v, "metrics are served without TLS");
}

static void
check_server(struct checker *ck, const struct value *v)
{
	if (!conf_name_server_is_valid(v->word))
		fail(ck, v, "\"%s\" is no name server: ADDRESS, ADDRESS:PORT "
		    "or [v6]:PORT", conf_show(slice_str(v->word)).s);
}

bool
conf_name_server_is_valid(const char *word)
{
	struct conf_endpoint e;
	struct conf_net net;
	char address[64];
	size_t n = strcspn(word, "%");

	if (strchr(word, '/') != NULL || n >= sizeof(address))
		return false;
	/* fe80::1%eth0: the scope is the resolver's to understand. */
	memcpy(address, word, n);
	address[n] = '\0';
	if (conf_net_parse(address, &net) && net.bits == 128)
		return strlen(word + n) < 20;
	return conf_endpoint_parse(word, &e) && e.kind != ENDPOINT_ANY &&
	    e.kind != ENDPOINT_UNIX;
}

static const struct conf_table *
find_table(const struct conf *c, const char *name)
{
	size_t i;

	for (i = 0; i < c->ntables; i++)
		if (strcasecmp(c->tables[i].name, name) == 0)
			return &c->tables[i];
	return NULL;
}

static void
check_tables(struct checker *ck, const struct value *v)
{
	const struct conf *c = ck->conf;
	const char *names[65], *near;
	size_t i;

	if (find_table(c, v->word) != NULL)
		return;
	for (i = 0; i < c->ntables && i < 64; i++)
		names[i] = c->tables[i].name;
	names[i] = NULL;
	near = conf_nearest(slice_str(v->word), names);
	if (near != NULL)
		fail(ck, v, "there is no table \"%s\"; did you mean \"%s\"?",
		    conf_show(slice_str(v->word)).s, near);
	else
		fail(ck, v, "there is no table \"%s\": add table %s { ... }",
		    conf_show(slice_str(v->word)).s,
		    conf_show(slice_str(v->word)).s);
}

/* A child's part has the names of certificates, but not the files. */
static void
check_pem(struct checker *ck, const struct value *v)
{
	const struct conf_certificate *c = v->object;

	if (v->word[0] == '\0' && ck->conf->path[0] != '\0')
		fail(ck, v, "certificate %s wants a %s = FILE",
		    conf_show(slice_str(c->name)).s, v->key->name);
}

static void
check_certificates(struct checker *ck, const struct value *v)
{
	const struct conf *c = ck->conf;
	size_t i;

	for (i = 0; i < c->ncertificates; i++)
		if (strcmp(c->certificates[i].name, v->word) == 0)
			return;
	/* A child's part names them, and has none. */
	if (c->path[0] != '\0')
		fail(ck, v, "there is no certificate \"%s\": add "
		    "certificate %s { chain = FILE; key = FILE }",
		    conf_show(slice_str(v->word)).s,
		    conf_show(slice_str(v->word)).s);
}

static void
check_limit(struct checker *ck, const struct value *v)
{
	struct conf_limit limit;

	if (!conf_limit_parse(slice_str(v->word), &limit))
		fail(ck, v, "\"%s\" is not a limit such as 100/1h: from 1 to "
		    "1000000000, in a time from 1s to 31d",
		    conf_show(slice_str(v->word)).s);
	else if (v->item >= CONF_LIMITS)
		fail(ck, v, "%s has more than %u limits", v->key->name,
		    CONF_LIMITS);
}

static void
check_domain_tables(struct checker *ck, const struct value *v)
{
	const struct conf_domain *d = v->object;
	bool mailboxes = strcmp(v->key->name, "mailboxes") == 0;

	if (strcmp(d->type, mailboxes ? "virtual" : "relay") != 0)
		fail(ck, v, "%s is for domains of the type %s", v->key->name,
		    mailboxes ? "virtual" : "relay");
	check_tables(ck, v);
}

static void
check_catch_all(struct checker *ck, const struct value *v)
{
	if (v->word[0] != '\0' && !is_address(slice_str(v->word)))
		fail(ck, v, "catch_all is an address");
}

static void
check_next_hop(struct checker *ck, const struct value *v)
{
	const struct conf_domain *d = v->object;

	if (v->word[0] == '\0')
		return;
	if (strcmp(d->type, "relay") != 0)
		fail(ck, v, "relay_to is for domains of the type relay");
	else if (!conf_next_hop_is_valid(slice_str(v->word)))
		fail(ck, v, "\"%s\" is no next hop: host, [host]:port, "
		    "smtps:[host]:port, lmtp:[host]:port or lmtp:/path",
		    conf_show(slice_str(v->word)).s);
}

/* Who demands what could never be met has made a mistake. */
static void
check_tls_level(struct checker *ck, const struct value *v)
{
	const struct conf_nexthop *h = v->object;
	bool by_print = strcmp(h->tls, "fingerprint") == 0;

	check_words(ck, v);
	/* Not all of it is in the part of a role that delivers nothing. */
	if (ck->conf->path[0] == '\0')
		return;
	if (by_print != (h->tls_fingerprints.n > 0))
		fail(ck, v, by_print ? "tls = fingerprint wants "
		    "tls_fingerprints" : "tls_fingerprints are for "
		    "tls = fingerprint");
	if (h->tls_names.n > 0 && strcmp(h->tls, "verify") != 0)
		fail(ck, v, "tls_names are for tls = verify");
}

static void
check_tls_name(struct checker *ck, const struct value *v)
{
	if (!conf_domain_is_valid(slice_str(v->word +
	    (v->word[0] == '.' ? 1 : 0))))
		fail(ck, v, "\"%s\" is no name: mx.example.com, or "
		    ".example.com for all below it",
		    conf_show(slice_str(v->word)).s);
}

static void
check_fingerprint(struct checker *ck, const struct value *v)
{
	uint8_t digest[32];

	if (!conf_fingerprint_parse(slice_str(v->word), digest))
		fail(ck, v, "\"%s\" is no SHA-256: 64 hexadecimal digits, with "
		    "or without ':' between the bytes",
		    conf_show(slice_str(v->word)).s);
}

static void
check_table_path(struct checker *ck, const struct value *v)
{
	const struct conf_table *t = v->object;
	bool is_inline = strcmp(t->type, "inline") == 0;

	if (is_inline && v->word[0] != '\0')
		fail(ck, v, "an inline table has no path");
	else if (!is_inline && v->word[0] == '\0')
		fail(ck, v, "table %s wants a path", t->name);
	else if (strchr(v->word, ':') != NULL)
		fail(ck, v, "the path of a table may not contain ':'");
}

static void
check_entries(struct checker *ck, const struct value *v)
{
	const struct conf_table *t = v->object;

	if (strcmp(t->type, "inline") != 0 && v->item == 0)
		fail(ck, v, "entries are for tables of the type inline");
	else if (v->word[0] == '\0' || v->word[0] == '=')
		fail(ck, v, "an entry is KEY=VALUE or KEY");
}

/* Where the file says it, or NULL. */
static const struct conf_mark *
find_mark(const struct checker *ck, const struct value *v)
{
	const struct conf *c = ck->conf;
	struct conf_mark want = { v->key, v->kind, v->block, v->item, 0, 0 };

	return c->nmarks == 0 ? NULL : bsearch(&want, c->marks, c->nmarks,
	    sizeof(want), conf_mark_cmp);
}

static void
fail(struct checker *ck, const struct value *v, const char *fmt, ...)
{
	const struct value block = { .kind = v->kind, .block = v->block };
	const struct conf *c = ck->conf;
	const struct conf_mark *hit = find_mark(ck, v);
	va_list ap;

	ck->ok = false;
	if (hit == NULL)
		hit = find_mark(ck, &block);	/* its name */
	if (hit != NULL)
		buf_printf(ck->why, "%s:%u:%u: ", c->path, hit->line,
		    hit->column);
	else
		buf_printf(ck->why, "%s: ", c->path);
	va_start(ap, fmt);
	buf_vprintf(ck->why, fmt, ap);
	va_end(ap);
	buf_add_byte(ck->why, '\n');
}
