/* SPDX-License-Identifier: ISC */
/*
 * verifier - says whether a password is the right one; one process a core.
 *
 * It has the tables of passwords, and no peer but auth.  What costs little is
 * answered at once: remembered passwords, app passwords, SCRAM.  A password
 * that has to be hashed becomes a job; one is done in each turn of the loop, so
 * that cheap questions never wait for more than one hash.
 */
#include <sys/queue.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "cache.h"
#include "ipc/auth_verifier.h"
#include "ipc/child.h"
#include "providers.h"
#include "ipc/counters.h"
#include "sasl/password.h"
#include "sasl/scram.h"
#include "sources.h"
#include "verifier.h"

#define JOBS_MAX	4096
#define SEED_BYTES	32
#define MACHINE_ID	"/etc/machine-id"

/* A password that waits for its hash to be made. */
struct job {
	TAILQ_ENTRY(job)	 entry;
	uint64_t		 id;
	enum auth_protocol	 protocol;
	char			*login;		/* owned */
	char			*password;	/* owned; to be wiped */
	size_t			 npassword;
};
TAILQ_HEAD(job_list, job);

struct verifier {
	struct child		 child;
	struct channel		*auth;		/* NULL: none */
	struct sources		*sources;	/* owned */
	struct cache		*cache;		/* owned */
	struct providers	 providers;
	struct job_list		 jobs;
	size_t			 njobs;
	struct ev_timer		 timer;		/* the next job */
	uint8_t			 seed[SEED_BYTES];
};

/* An answer. */
struct verdict {
	enum verdict_kind	 kind;
	struct slice		 login;
	struct slice		 extra;
	const char		*reason;
};

static void	 acquire(struct verifier *);
static void	 make_seed(struct verifier *);
static void	 auth_is_up(void *, struct channel *);
static void	 auth_says(void *, struct channel *, struct message *);
static void	 auth_is_down(void *, struct channel *);
static void	 look_for_changes(struct verifier *);
static bool	 take_password(struct verifier *, struct message *);
static bool	 is_cheap(struct verifier *, const struct account *, int n,
		    enum auth_protocol, struct slice password,
		    struct verdict *);
static void	 queue(struct verifier *, uint64_t id, enum auth_protocol,
		    struct slice, struct slice);
static void	 next_job(void *);
static bool	 is_locked(struct slice);
static void	 do_job(struct verifier *, struct job *, struct verdict *);
static void	 job_free(struct verifier *, struct job *);
static bool	 cancel(struct verifier *, uint64_t id);
static bool	 take_salt(struct verifier *, struct message *);
static bool	 take_proof(struct verifier *, struct message *);
static bool	 keys_of(const struct verifier *, const struct account *,
		    enum sasl_hash, struct scram_keys *);
static bool	 take_account(struct verifier *, struct message *);
static bool	 take_token(struct verifier *, struct message *);
static void	 judge(const struct account *all, int n, int i,
		    enum auth_protocol, struct verdict *);
static void	 say(struct verifier *, uint64_t id, const struct verdict *);
static int	 reload(void *, const struct conf *, struct buf *);
static void	 tell_status(void *, struct buf *);
static void	 tell_login(void *, struct message *);
static void	 tell_account(const struct account *, struct buf *);

static const struct message_rule auth_rules[] = RULES_OF(AUTH_VERIFIER);
static const struct channel_ops auth_ops = { auth_says, auth_is_down, NULL };
static const struct child_edge edges[] = {
	{ ROLE_AUTH, auth_rules, &auth_ops },
	{ 0, NULL, NULL },
};
static const struct child_spec spec = {
	.role = ROLE_VERIFIER,
	.edges = edges,
	.channel_up = auth_is_up,
	.reload = reload,
	.status = tell_status,
	.control = tell_login,
};

int
verifier_main(int argc, char *argv[])
{
	static struct verifier v;

	child_init(&v.child, &spec, &v, argc, argv);
	acquire(&v);
	child_enter(&v.child);
	sources_refresh(v.sources);	/* with the rights of each later look */
	return child_run(&v.child);
}

static void
acquire(struct verifier *v)
{
	TAILQ_INIT(&v->jobs);
	v->cache = cache_new();
	v->sources = sources_new(v->child.conf);
	providers_load(&v->providers, v->child.conf);
	ev_timer_init(&v->timer, &v->child.loop, next_job, v);
	make_seed(v);
	/* What the libraries load at their first use. */
	password_check_nobody(SLICE_LIT("nobody"));
}

/* Salts of names that nobody has: the same in all verifiers and after a
 * restart, or they would differ from others by changing.  What a stranger
 * cannot know of this host goes into it. */
static void
make_seed(struct verifier *v)
{
	struct buf b = BUF_INIT(4096);
	char id[256];
	ssize_t n = 0;
	int fd = open(MACHINE_ID, O_RDONLY | O_CLOEXEC);

	if (fd != -1) {
		n = read(fd, id, sizeof(id));
		close(fd);
	}
	if (n <= 0)
		log_warn("event=no-machine-id path=" MACHINE_ID " advice=\"SCRAM "
		    "may show which login names exist\"");
	buf_printf(&b, "chasqui salt %s ", v->child.conf->hostname);
	buf_add(&b, slice_of(id, n > 0 ? (size_t)n : 0));
	if (EVP_Digest(b.p, b.n, v->seed, NULL, EVP_sha256(), NULL) != 1)
		log_fatal("event=no-digest");
	buf_clear(&b);
}

static int
reload(void *arg, const struct conf *conf, struct buf *why)
{
	struct verifier *v = arg;

	(void)why;
	sources_free(&v->sources);
	v->sources = sources_new(conf);
	cache_forget(v->cache);
	sources_refresh(v->sources);
	providers_clear(&v->providers);
	providers_load(&v->providers, conf);
	return 0;
}

static void
tell_status(void *arg, struct buf *out)
{
	const struct verifier *v = arg;

	buf_printf(out, "accounts=%zu waiting=%zu",
	    sources_count(v->sources), v->njobs);
}

/* CTL_LOGIN: who has it, and what would let it in; nothing that is stored. */
static void
tell_login(void *arg, struct message *m)
{
	struct verifier *v = arg;
	struct slice name = get_slice(&m->body, SASL_LOGIN_BYTES);
	struct account all[ACCOUNT_OF_ONE];
	struct buf login = BUF_INIT(SASL_LOGIN_BYTES), *b;
	int n = 0, i;

	if (m->type != CTL_LOGIN || !wire_done(&m->body))
		log_fatal("event=bad-order type=%u", m->type);
	look_for_changes(v);
	if (sasl_prep_login(name, &login))
		n = sources_find(v->sources, buf_slice(&login), all,
		    ACCOUNT_OF_ONE);
	b = channel_begin(v->child.master, CTL_LOGIN_IS, m->id);
	if (b != NULL && n == 0)
		buf_add_str(b, "backend: none has it\n");
	else if (b != NULL)
		buf_printf(b, "backend: %s%s\n", sources_last(v->sources),
		    n < 0 ? ", which cannot answer now: try later" : "");
	for (i = 0; b != NULL && i < n; i++)
		tell_account(&all[i], b);
	channel_end(v->child.master);
	buf_clear(&login);
}

static void
tell_account(const struct account *a, struct buf *b)
{
	if (a->app.n > 0)
		buf_printf(b, "app password %.*s", SLICE_ARG(a->app));
	else if (a->external)
		buf_add_str(b, "password: its modules decide");
	else
		buf_printf(b, "password: %s%s", is_locked(a->stored) ?
		    "none, or locked" : password_scheme_name(a->stored),
		    a->scram[SASL_SHA_256].n > 0 ||
		    a->scram[SASL_SHA_1].n > 0 ? ", and keys for SCRAM" : "");
	buf_printf(b, "; for%s%s%s%s%s\n",
	    a->protocols & ACCOUNT_IMAP ? " imap" : "",
	    a->protocols & ACCOUNT_POP3 ? " pop3" : "",
	    a->protocols & ACCOUNT_SMTP ? " smtp" : "",
	    a->disabled ? "; disabled" : "", a->expired ? "; expired" : "");
}

/* ---- questions ----------------------------------------------------------- */

static void
auth_is_up(void *arg, struct channel *ch)
{
	struct verifier *v = arg;

	v->auth = ch;
}

/* Nobody waits for what is under way. */
static void
auth_is_down(void *arg, struct channel *ch)
{
	struct verifier *v = arg;

	(void)ch;
	v->auth = NULL;
	while (!TAILQ_EMPTY(&v->jobs))
		job_free(v, TAILQ_FIRST(&v->jobs));
}

static void
auth_says(void *arg, struct channel *ch, struct message *m)
{
	struct verifier *v = arg;
	bool ok;

	look_for_changes(v);
	switch (m->type) {
	case AV_PASSWORD:
		ok = take_password(v, m);
		break;
	case AV_SCRAM_SALT:
		ok = take_salt(v, m);
		break;
	case AV_SCRAM_PROOF:
		ok = take_proof(v, m);
		break;
	case AV_ACCOUNT:
		ok = take_account(v, m);
		break;
	case AV_TOKEN:
		ok = take_token(v, m);
		break;
	case AV_CANCEL:
		ok = cancel(v, m->id);
		break;
	default:
		ok = false;
		break;
	}
	if (!ok)
		channel_breach(ch, "bad-field");
}

static void
look_for_changes(struct verifier *v)
{
	if (!sources_refresh(v->sources))
		return;
	cache_forget(v->cache);
	if (v->auth != NULL)
		channel_send(v->auth, AV_CHANGED, 0, SLICE_EMPTY);
}

static void
say(struct verifier *v, uint64_t id, const struct verdict *verdict)
{
	struct buf *b;

	if (v->auth == NULL)
		return;
	b = channel_begin(v->auth, AV_VERDICT, id);
	if (b != NULL) {
		put_u8(b, (uint8_t)verdict->kind);
		put_slice(b, verdict->login);
		put_slice(b, verdict->extra);
		put_slice(b, slice_str(verdict->reason));
	}
	channel_end(v->auth);
}

/* The password of line i is right; may he?  An account that is disabled is so
 * for its app passwords, too. */
static void
judge(const struct account *all, int n, int i, enum auth_protocol protocol,
    struct verdict *r)
{
	const struct account *a = &all[i];
	bool disabled = a->disabled;
	int k;

	for (k = 0; k < n; k++)
		disabled = disabled || (all[k].app.n == 0 && all[k].disabled);
	r->login = a->login;
	if (disabled) {
		r->kind = LOGIN_DISABLED;
		r->reason = "disabled";
	} else if ((a->protocols & 1u << protocol) == 0) {
		r->kind = LOGIN_FORBIDDEN;
		r->reason = "not-for-this-protocol";
	} else if (a->expired) {
		r->kind = LOGIN_EXPIRED;
		r->reason = "expired";
	} else {
		r->kind = LOGIN_GOOD;
		r->reason = "";
	}
}

static struct verdict
broken(struct slice login)
{
	return (struct verdict){ LOGIN_BROKEN, login, SLICE_EMPTY,
		"no-password-table" };
}

static struct verdict
wrong(struct slice login, const char *reason)
{
	return (struct verdict){ LOGIN_WRONG, login, SLICE_EMPTY, reason };
}

/* ---- passwords ----------------------------------------------------------- */

static bool
take_password(struct verifier *v, struct message *m)
{
	enum auth_protocol protocol =
	    (enum auth_protocol)get_enum(&m->body, AUTH_POP3);
	struct slice login = get_slice(&m->body, LOGIN_BYTES);
	struct slice password = get_slice(&m->body, PASSWORD_BYTES);
	struct account all[ACCOUNT_OF_ONE];
	struct verdict r = wrong(login, "");
	int n;

	if (!wire_done(&m->body) || protocol == 0)
		return false;
	n = sources_find(v->sources, login, all, ACCOUNT_OF_ONE);
	if (n < 0) {
		r = broken(login);
		say(v, m->id, &r);
	} else if (is_cheap(v, all, n, protocol, password, &r))
		say(v, m->id, &r);
	else
		queue(v, m->id, protocol, login, password);
	return true;
}

/* App passwords, which are long and random and have a fast hash, those that are
 * stored with no costly one, and what was right a moment ago.  Only what is
 * right is told here: what is wrong has to cost the same whatever the name. */
static bool
is_cheap(struct verifier *v, const struct account *all, int n,
    enum auth_protocol protocol, struct slice password, struct verdict *r)
{
	bool check;
	int i;

	for (i = 0; i < n; i++) {
		if (all[i].external)
			continue;
		check = all[i].app.n > 0 || password_is_cheap(all[i].stored);
		if (check ? password_check(all[i].stored, password) !=
		    PASSWORD_GOOD : !cache_has(v->cache, r->login,
		    all[i].stored, password, clock_mono_ms()))
			continue;
		if (!check)
			count(VERIFIER_REMEMBERED);
		judge(all, n, i, protocol, r);
		r->extra = all[i].app;
		return true;
	}
	return false;
}

static void
queue(struct verifier *v, uint64_t id, enum auth_protocol protocol,
    struct slice login, struct slice password)
{
	struct verdict busy = { LOGIN_BROKEN, login, SLICE_EMPTY, "busy" };
	struct job *j;

	if (v->njobs == JOBS_MAX) {
		say(v, id, &busy);
		return;
	}
	j = mem_alloc(sizeof(*j));
	j->id = id;
	j->protocol = protocol;
	j->login = mem_slicedup(login);
	j->password = mem_slicedup(password);
	j->npassword = password.n;
	TAILQ_INSERT_TAIL(&v->jobs, j, entry);
	v->njobs++;
	if (!ev_timer_is_set(&v->timer))
		ev_timer_set(&v->timer, 0);
}

static void
job_free(struct verifier *v, struct job *j)
{
	TAILQ_REMOVE(&v->jobs, j, entry);
	v->njobs--;
	freezero(j->password, j->npassword + 1);
	free(j->login);
	free(j);
}

static bool
cancel(struct verifier *v, uint64_t id)
{
	struct job *j;

	TAILQ_FOREACH(j, &v->jobs, entry)
		if (j->id == id) {
			job_free(v, j);
			break;
		}
	return true;
}

static void
next_job(void *arg)
{
	struct verifier *v = arg;
	struct job *j = TAILQ_FIRST(&v->jobs);
	struct verdict r;

	if (j == NULL)
		return;
	look_for_changes(v);
	do_job(v, j, &r);
	say(v, j->id, &r);
	job_free(v, j);
	if (!TAILQ_EMPTY(&v->jobs))
		ev_timer_set(&v->timer, 0);
}

/* As it was given, then in its prepared form, which is what we store; tables of
 * others have either. */
static enum password_result
check_both(struct slice stored, struct slice password)
{
	struct buf prepared = BUF_INIT(PASSWORD_BYTES);
	enum password_result r = password_check(stored, password);

	if (r == PASSWORD_WRONG && sasl_prep(password, &prepared) &&
	    !slice_eq(buf_slice(&prepared), password))
		r = password_check(stored, buf_slice(&prepared));
	if (prepared.n > 0)
		explicit_bzero(prepared.p, prepared.n);
	buf_clear(&prepared);
	return r;
}

/* What passwd -l and others leave. */
static bool
is_locked(struct slice stored)
{
	return stored.n > 0 && (stored.p[0] == '!' || stored.p[0] == '*');
}

static void
do_job(struct verifier *v, struct job *j, struct verdict *r)
{
	struct account all[ACCOUNT_OF_ONE];
	struct slice login = slice_str(j->login);
	struct slice password = slice_of(j->password, j->npassword);
	int n = sources_find(v->sources, login, all, ACCOUNT_OF_ONE), i;
	bool hashed = false;
	int said;

	*r = n < 0 ? broken(login) :
	    wrong(login, n == 0 ? "unknown-user" : "wrong-password");
	/* Another job may have made it known meanwhile. */
	if (n < 0 || is_cheap(v, all, n, j->protocol, password, r))
		return;
	count(VERIFIER_HASHED);
	for (i = 0; i < n; i++) {
		if (all[i].app.n > 0)
			continue;
		hashed = true;
		if (all[i].external) {
			said = sources_ask(v->sources, &all[i], j->password);
			if (said == 1)
				judge(all, n, i, j->protocol, r);
			else if (said == -1)
				*r = broken(login);
			return;
		}
		switch (check_both(all[i].stored, password)) {
		case PASSWORD_GOOD:
			if (v->child.conf->auth_cache_time > 0)
				cache_add(v->cache, login, all[i].stored,
				    password, clock_mono_ms() +
				    v->child.conf->auth_cache_time);
			judge(all, n, i, j->protocol, r);
			return;
		case PASSWORD_WRONG:
			break;
		case PASSWORD_UNKNOWN_SCHEME:
			r->reason = is_locked(all[i].stored) ? "locked" :
			    "unknown-scheme";
			hashed = false;
			break;
		}
	}
	if (!hashed)
		password_check_nobody(password);
}

/* ---- SCRAM --------------------------------------------------------------- */

static enum sasl_hash
get_hash(struct wire *w)
{
	uint8_t hash = get_enum(w, SASL_SHA_256);

	if (hash == 0)
		wire_fail(w);
	return hash == SASL_SHA_1 ? SASL_SHA_1 : SASL_SHA_256;
}

static size_t
made_up_salt(const struct verifier *v, struct slice login,
    uint8_t salt[SCRAM_NEW_SALT_BYTES])
{
	uint8_t mac[32];
	unsigned n = 0;

	if (HMAC(EVP_sha256(), v->seed, sizeof(v->seed),
	    (const unsigned char *)login.p, login.n, mac, &n) == NULL)
		log_fatal("event=no-hmac");
	memcpy(salt, mac, SCRAM_NEW_SALT_BYTES);
	return SCRAM_NEW_SALT_BYTES;
}

/* Keys beside the hash, keys that are the stored password, or those that can be
 * made because it is stored in clear. */
static bool
keys_of(const struct verifier *v, const struct account *a, enum sasl_hash h,
    struct scram_keys *k)
{
	static const char *const schemes[] = {
		[SASL_SHA_1] = "{SCRAM-SHA-1}",
		[SASL_SHA_256] = "{SCRAM-SHA-256}",
	};
	static const char *const plain[] = { "{PLAIN}", "{CLEAR}",
		"{CLEARTEXT}" };
	struct slice scheme = slice_str(schemes[h]);
	uint8_t salt[SCRAM_NEW_SALT_BYTES];
	size_t i;

	if (a->scram[h].n > 0)
		return scram_keys_parse(a->scram[h], h, k);
	if (slice_starts_nocase(a->stored, scheme))
		return scram_keys_parse(slice_from(a->stored, scheme.n), h, k);
	for (i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		if (slice_starts_nocase(a->stored, slice_str(plain[i])))
			return scram_keys_make(k, h, slice_from(a->stored,
			    strlen(plain[i])), slice_of(salt,
			    made_up_salt(v, a->login, salt)),
			    SCRAM_ITERATIONS) == 0;
	return false;
}

/* All keys of a login have one salt, since nobody knows yet which of them the
 * client has: the first that has keys gives it. */
static bool
take_salt(struct verifier *v, struct message *m)
{
	enum sasl_hash h = get_hash(&m->body);
	struct slice login = get_slice(&m->body, LOGIN_BYTES);
	struct account all[ACCOUNT_OF_ONE];
	struct scram_keys k;
	struct buf *b;
	int n, i;

	if (!wire_done(&m->body))
		return false;
	n = sources_find(v->sources, login, all, ACCOUNT_OF_ONE);
	for (i = 0; i < n; i++)
		if (keys_of(v, &all[i], h, &k))
			break;
	if (i >= n) {
		k.iterations = SCRAM_ITERATIONS;
		k.nsalt = made_up_salt(v, login, k.salt);
	}
	b = channel_begin(v->auth, AV_SALT, m->id);
	if (b != NULL) {
		put_u32(b, k.iterations);
		put_slice(b, slice_of(k.salt, k.nsalt));
	}
	channel_end(v->auth);
	return true;
}

static bool
take_proof(struct verifier *v, struct message *m)
{
	enum auth_protocol protocol =
	    (enum auth_protocol)get_enum(&m->body, AUTH_POP3);
	enum sasl_hash h = get_hash(&m->body);
	struct slice login = get_slice(&m->body, LOGIN_BYTES);
	struct slice message = get_slice(&m->body, 32768);
	struct slice proof = get_slice(&m->body, SASL_HASH_BYTES);
	struct account all[ACCOUNT_OF_ONE];
	struct verdict r = wrong(login, "unknown-user");
	uint8_t signature[SASL_HASH_BYTES];
	struct scram_keys k;
	int n, i;

	if (!wire_done(&m->body) || protocol == 0)
		return false;
	n = sources_find(v->sources, login, all, ACCOUNT_OF_ONE);
	if (n < 0)
		r = broken(login);
	else if (n > 0)
		r.reason = "no-scram-keys";
	for (i = 0; i < n; i++) {
		if (!keys_of(v, &all[i], h, &k))
			continue;
		r.reason = "wrong-password";
		if (!scram_check(&k, message, proof, signature))
			continue;
		judge(all, n, i, protocol, &r);
		r.extra = slice_of(signature, scram_hash_bytes(h));
		break;
	}
	say(v, m->id, &r);
	return true;
}

/* ---- without a password -------------------------------------------------- */

static bool
take_account(struct verifier *v, struct message *m)
{
	enum auth_protocol protocol =
	    (enum auth_protocol)get_enum(&m->body, AUTH_POP3);
	struct slice login = get_slice(&m->body, LOGIN_BYTES);
	struct account all[ACCOUNT_OF_ONE];
	struct verdict r = wrong(login, "unknown-user");
	int n, i;

	if (!wire_done(&m->body) || protocol == 0)
		return false;
	n = sources_find(v->sources, login, all, ACCOUNT_OF_ONE);
	if (n > 0 && all[0].external)
		n = sources_ask(v->sources, &all[0], NULL);
	if (n < 0)
		r = broken(login);
	for (i = 0; i < n; i++)
		if (all[i].app.n == 0) {
			judge(all, n, i, protocol, &r);
			break;
		}
	say(v, m->id, &r);
	return true;
}

/* Who is in no table can have a mailbox all the same; one that is disabled in a
 * table is so for tokens, too. */
static bool
take_token(struct verifier *v, struct message *m)
{
	enum auth_protocol protocol =
	    (enum auth_protocol)get_enum(&m->body, AUTH_POP3);
	struct slice claimed = get_slice(&m->body, LOGIN_BYTES);
	struct slice token = get_slice(&m->body, TOKEN_BYTES);
	struct arena arena = ARENA_INIT(JWT_ARENA_BYTES);
	struct buf login = BUF_INIT(SASL_LOGIN_BYTES);
	struct account all[ACCOUNT_OF_ONE];
	struct verdict r = wrong(claimed, "");
	struct slice named;
	int n = 0, i;

	if (!wire_done(&m->body) || protocol == 0)
		return false;
	r.reason = jwt_check(token, v->providers.v, v->providers.n,
	    clock_wall_ms() / 1000, &arena, &named);
	if (r.reason == NULL && (named.n > SASL_LOGIN_BYTES ||
	    !sasl_prep_login(named, &login)))
		r.reason = "bad-login-claim";
	if (r.reason == NULL) {
		r = (struct verdict){ LOGIN_GOOD, buf_slice(&login),
			SLICE_EMPTY, "" };
		n = sources_find(v->sources, r.login, all, ACCOUNT_OF_ONE);
	}
	if (n > 0 && all[0].external)
		n = sources_ask(v->sources, &all[0], NULL);
	if (n < 0)
		r = broken(r.login);
	for (i = 0; i < n; i++)
		if (all[i].app.n == 0) {
			judge(all, n, i, protocol, &r);
			r.login = buf_slice(&login);
			break;
		}
	say(v, m->id, &r);
	buf_clear(&login);
	arena_clear(&arena);
	return true;
}
