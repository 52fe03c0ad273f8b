/* SPDX-License-Identifier: ISC */
/* secure - see secure.h. */
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "conn.h"
#include "secure.h"
#include "site.h"

/* A session is of one site: another one has another policy. */
struct session {
	TAILQ_ENTRY(session)	 entry;		/* relay's, oldest first */
	LIST_ENTRY(session)	 site_entry;
	struct site		*site;
	uint8_t			 address[16];
	uint16_t		 port;
	struct buf		 der;
};

static enum secure_level level_of(const char *word);
static void	 default_names(struct secure_policy *,
		    const struct next_hop *);
static void	 add_name(struct secure_policy *, const char *before,
		    struct slice);
static const char *server_name(const struct conn *);
static struct session *session_of(const struct conn *);
static void	 session_free(struct relay *, struct session *);

/* ---- policies ------------------------------------------------------------ */

void
secure_policy_make(struct secure_policy *p, const struct relay *r,
    struct slice name, const struct next_hop *hop)
{
	const struct conf_nexthop *h = conf_nexthop_find(r->conf, name);
	struct slice listed;
	bool below;
	size_t i;

	memset(p, 0, sizeof(*p));
	if (hop->kind == HOP_SOCKET)
		return;
	p->level = level_of(h == NULL || strcmp(h->tls, "default") == 0 ?
	    r->conf->remote_tls : h->tls);
	if (hop->smtps && p->level < SECURE_ENCRYPT)
		p->level = SECURE_ENCRYPT;
	if (p->level == SECURE_VERIFY) {
		for (i = 0; h != NULL && i < h->tls_names.n; i++) {
			listed = slice_str(h->tls_names.v[i]);
			below = listed.p[0] == '.';
			add_name(p, below ? "." : "",
			    slice_from(listed, below));
		}
		if (p->nnames == 0)
			default_names(p, hop);
	}
	if (p->level != SECURE_FINGERPRINT)
		return;
	/* conf_check() has seen that there is one, and that each is one. */
	p->fingerprints = mem_array(h->tls_fingerprints.n,
	    sizeof(*p->fingerprints));
	for (i = 0; i < h->tls_fingerprints.n; i++)
		conf_fingerprint_parse(slice_str(h->tls_fingerprints.v[i]),
		    p->fingerprints[p->nfingerprints++]);
}

static enum secure_level
level_of(const char *word)
{
	static const char *const words[] = { "none", "may", "encrypt",
		"verify", "fingerprint" };
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(word, words[i]) == 0)
			return (enum secure_level)i;
	abort();	/* conf_check() knows the same words */
}

/* There is always one: without any name each certificate would do. */
static void
default_names(struct secure_policy *p, const struct next_hop *hop)
{
	struct slice host = hop->host;

	if (host.n > 1 && host.p[host.n - 1] == '.')
		host.n--;
	add_name(p, "", host);
	if (hop->kind == HOP_MX)
		add_name(p, ".", host);
}

static void
add_name(struct secure_policy *p, const char *before, struct slice name)
{
	char ascii[DNS_NAME_BYTES + 1];
	struct buf b = BUF_INIT(1024);

	/* One that has no such form is in no certificate. */
	if (dns_name_to_ascii(name, ascii, sizeof(ascii)) == 0)
		name = slice_str(ascii);
	buf_printf(&b, "%s%.*s", before, SLICE_ARG(name));
	p->names = mem_regrow(p->names, p->nnames + 1, sizeof(*p->names));
	p->names[p->nnames++] = mem_slicedup(buf_slice(&b));
	buf_clear(&b);
}

void
secure_policy_clear(struct secure_policy *p)
{
	while (p->nnames > 0)
		free(p->names[--p->nnames]);
	free(p->names);
	free(p->fingerprints);
	memset(p, 0, sizeof(*p));
}

bool
secure_policy_eq(const struct secure_policy *a, const struct secure_policy *b)
{
	size_t i;

	if (a->level != b->level || a->nnames != b->nnames ||
	    a->nfingerprints != b->nfingerprints)
		return false;
	for (i = 0; i < a->nnames; i++)
		if (strcmp(a->names[i], b->names[i]) != 0)
			return false;
	return a->nfingerprints == 0 || memcmp(a->fingerprints,
	    b->fingerprints, a->nfingerprints * sizeof(*a->fingerprints)) == 0;
}

void
secure_authorities(struct relay *r, struct slice pem)
{
	struct tls_client_config config = { .cas = pem };
	struct tls_context *fresh;
	struct buf why = BUF_INIT(1000);
	struct session *s;

	fresh = tls_client_new(&config, &why);
	if (fresh == NULL) {
		/* Then none is known, and `verify` delivers nothing. */
		log_error("event=authorities-not-taken why=%s",
		    LOG_Q(buf_slice(&why)));
		buf_reset(&why);
		fresh = tls_client_new(&(struct tls_client_config){
		    .cas = SLICE_EMPTY }, &why);
	}
	buf_clear(&why);
	if (fresh == NULL)
		abort();	/* memory is out */
	if (r->tls != NULL)
		tls_context_release(&r->tls);
	r->tls = fresh;
	while ((s = TAILQ_FIRST(&r->sessions)) != NULL)
		session_free(r, s);
}

/* ---- handshakes ---------------------------------------------------------- */

void
secure_start(struct conn *c)
{
	const struct secure_policy *p = &c->site->secure;
	struct session *s = session_of(c);
	struct tls_demand demand = { .sni = server_name(c),
		.verify = p->level == SECURE_VERIFY,
		.names = (const char *const *)p->names, .nnames = p->nnames,
		.fingerprints = (const uint8_t (*)[32])p->fingerprints,
		.nfingerprints = p->nfingerprints };

	if (s != NULL)
		demand.session = buf_slice(&s->der);
	stream_tls_connect(&c->stream, c->relay->tls, &demand);
}

/* RFC 6066 section 3: a name, no address; one that is demanded is as good. */
static const char *
server_name(const struct conn *c)
{
	const struct secure_policy *p = &c->site->secure;
	size_t i;

	if (c->host[0] != '\0')
		return c->host;
	for (i = 0; i < p->nnames; i++)
		if (p->names[i][0] != '.' &&
		    c->site->hop.kind == HOP_ADDRESS &&
		    !slice_eq(slice_str(p->names[i]), c->site->hop.host))
			return p->names[i];
	return NULL;
}

void
secure_words(const struct conn *c, char *words, size_t size)
{
	const struct tls_info *info = stream_tls_info(&c->stream);
	enum secure_level level = c->site->secure.level;

	snprintf(words, size, "%s/%s", info->version,
	    !info->verified ? "encrypted" : level == SECURE_FINGERPRINT ?
	    "fingerprint" : "verified");
	log_debug("event=secured host=%s tls=%s cipher=%s resumed=%s",
	    LOG_Q(slice_str(c->name)), info->version, info->cipher,
	    info->resumed ? "yes" : "no");
}

/* ---- sessions ------------------------------------------------------------ */

static struct session *
session_of(const struct conn *c)
{
	struct session *s;

	LIST_FOREACH(s, &c->site->sessions, site_entry)
		if (s->port == c->port &&
		    memcmp(s->address, c->address, 16) == 0)
			break;
	return s;
}

void
secure_keep(struct conn *c)
{
	struct relay *r = c->relay;
	struct buf der = BUF_INIT(SESSION_BYTES);
	struct session *s;

	/* One that was begun by an older policy is no model for others. */
	if (c->outdated || stream_tls_session(&c->stream, &der) == -1) {
		buf_clear(&der);
		return;
	}
	secure_forget(c);
	if (r->nsessions == SESSIONS)
		session_free(r, TAILQ_FIRST(&r->sessions));
	s = mem_alloc(sizeof(*s));
	s->site = c->site;
	memcpy(s->address, c->address, 16);
	s->port = c->port;
	s->der = der;
	TAILQ_INSERT_TAIL(&r->sessions, s, entry);
	LIST_INSERT_HEAD(&c->site->sessions, s, site_entry);
	r->nsessions++;
}

void
secure_forget(struct conn *c)
{
	struct session *s = session_of(c);

	if (s != NULL)
		session_free(c->relay, s);
}

void
secure_forget_site(struct site *site)
{
	struct session *s;

	while ((s = LIST_FIRST(&site->sessions)) != NULL)
		session_free(site->relay, s);
}

static void
session_free(struct relay *r, struct session *s)
{
	TAILQ_REMOVE(&r->sessions, s, entry);
	LIST_REMOVE(s, site_entry);
	r->nsessions--;
	buf_clear(&s->der);
	free(s);
}
