/* SPDX-License-Identifier: ISC */
/* certificates - see certificates.h. */
#include <sys/mman.h>
#include <sys/stat.h>

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "ipc/certificates.h"

#define SIGN_MS		2000	/* for the answer of keys */
#define SLOW_MS		5000	/* it is not asked again so long after that */
#define COMPLAIN_MS	10000	/* between two lines about keys */
#define WHY_BYTES	1000
#define CERTIFICATES	10000	/* that a context can have */

/* One for each listener that was asked for. */
struct listener_context {
	char			*listener;	/* owned */
	struct tls_context	*tls;		/* owned; NULL: not to be had */
};

static void	 forget_contexts(struct certificates *);
static struct tls_context *make_context(struct certificates *,
		    const struct conf_listener *);
static size_t	 choose(const struct certificates *,
		    const struct conf_listener *, struct tls_certificate *,
		    struct slice *cas);
static int	 sign(void *, uint32_t, unsigned, struct slice, struct buf *);
static int	 take_answer(struct certificates *, struct message *,
		    struct buf *);
static int	 complain(struct certificates *, uint32_t, const char *);
static void	 keys_says(void *, struct channel *, struct message *);
static void	 keys_is_down(void *, struct channel *);

const struct message_rule keys_client_rules[] = RULES_OF(KEYS_CLIENT);
const struct channel_ops keys_client_ops = { keys_says, keys_is_down, NULL };

/* ---- what master gives --------------------------------------------------- */

void
certificates_init(struct certificates *c, struct child *child)
{
	memset(c, 0, sizeof(*c));
	c->child = child;
	buf_init(&c->bundle, CERTIFICATES_BYTES + 8192);
	/* The last use of files: see tls.h. */
	tls_init();
}

void
certificates_clear(struct certificates *c)
{
	forget_contexts(c);
	buf_clear(&c->bundle);
}

static int
read_all(int fd, struct buf *to)
{
	struct stat st;
	ssize_t n;
	char *room;

	if (fstat(fd, &st) == -1 || st.st_size < 8 ||
	    st.st_size > CERTIFICATES_BYTES)
		return -1;
	room = buf_reserve(to, (size_t)st.st_size);
	while (room != NULL && to->n < (size_t)st.st_size) {
		n = pread(fd, to->p + to->n, (size_t)st.st_size - to->n,
		    (off_t)to->n);
		if (n == 0 || (n == -1 && errno != EINTR))
			return -1;
		if (n > 0)
			to->n += (size_t)n;
	}
	return room == NULL ? -1 : 0;
}

bool
certificates_control(struct certificates *c, struct message *m)
{
	struct buf fresh = BUF_INIT(c->bundle.max);

	if (m->type != CTL_CERTIFICATES)
		return false;
	if (read_all(m->fds[0], &fresh) == -1) {
		log_error("event=certificates-not-read");
		buf_clear(&fresh);
		return true;
	}
	buf_clear(&c->bundle);
	c->bundle = fresh;
	forget_contexts(c);
	return true;
}

bool
certificates_shared(struct certificates *c, const char *name, int fd)
{
	struct stat st;
	void *p;

	if (strcmp(name, TICKETS_SHARED) != 0)
		return false;
	if (fstat(fd, &st) == -1 || st.st_size <= 0)
		return true;
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED) {
		log_warn("event=tickets-not-shared");
		return true;
	}
	c->tickets = p;
	c->ticket_bytes = (size_t)st.st_size;
	return true;
}

void
certificates_reload(struct certificates *c)
{
	forget_contexts(c);
}

/* ---- contexts ------------------------------------------------------------ */

static void
forget_contexts(struct certificates *c)
{
	size_t i;

	for (i = 0; i < c->ncontexts; i++) {
		free(c->contexts[i].listener);
		tls_context_release(&c->contexts[i].tls);
	}
	free(c->contexts);
	c->contexts = NULL;
	c->ncontexts = 0;
}

static const struct conf_listener *
find_listener(const struct certificates *c, const char *name)
{
	const struct conf *conf = c->child->conf;
	size_t i;

	for (i = 0; i < conf->nlisteners; i++)
		if (strcmp(conf->listeners[i].name, name) == 0)
			return &conf->listeners[i];
	return NULL;
}

enum listener_tls
certificates_mode(const struct certificates *c, const char *listener)
{
	static const struct {
		const char		*word;
		enum listener_tls	 mode;
	} words[] = {
		{ "starttls", LISTENER_TLS_STARTTLS },
		{ "required", LISTENER_TLS_REQUIRED },
		{ "implicit", LISTENER_TLS_IMPLICIT },
	};
	const struct conf_listener *l = find_listener(c, listener);
	size_t i;

	for (i = 0; l != NULL && i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(l->tls, words[i].word) == 0)
			return words[i].mode;
	return LISTENER_TLS_NONE;
}

struct tls_context *
certificates_of(struct certificates *c, const char *listener)
{
	const struct conf_listener *l;
	struct listener_context *lc;
	size_t i;

	for (i = 0; i < c->ncontexts; i++)
		if (strcmp(c->contexts[i].listener, listener) == 0)
			return c->contexts[i].tls;
	l = find_listener(c, listener);
	if (l == NULL)
		return NULL;
	c->contexts = mem_regrow(c->contexts, c->ncontexts + 1, sizeof(*lc));
	lc = &c->contexts[c->ncontexts++];
	lc->listener = mem_strdup(listener);
	lc->tls = certificates_mode(c, listener) == LISTENER_TLS_NONE ? NULL :
	    make_context(c, l);
	return lc->tls;
}

/* NULL also where there is no certificate: that is no error. */
static struct tls_context *
make_context(struct certificates *c, const struct conf_listener *l)
{
	struct tls_certificate *list = mem_array(CERTIFICATES, sizeof(*list));
	struct tls_server_config config = {
		.certificates = list,
		.client_cas = SLICE_EMPTY,
		.ticket_keys = c->tickets,
		.ticket_bytes = c->ticket_bytes,
		.ticket_life_ms = c->child->conf->tls_tickets,
		.tls13_only =
		    strcmp(c->child->conf->tls_minimum, "1.3") == 0,
		.name = l->name,
		.sign = sign,
		.sign_arg = c,
	};
	struct buf why = BUF_INIT(WHY_BYTES);
	struct tls_context *tls = NULL;

	/* Both are the registered names; SMTP has none. */
	if (strcmp(l->mode, "imap") == 0 || strcmp(l->mode, "pop3") == 0)
		config.alpn = l->mode;
	config.ncertificates = choose(c, l, list, &config.client_cas);
	if (config.ncertificates > 0) {
		tls = tls_server_new(&config, &why);
		if (tls == NULL)
			log_error("event=no-tls listener=%s why=%s",
			    LOG_Q(slice_str(l->name)),
			    LOG_Q(buf_slice(&why)));
	}
	free(list);
	buf_clear(&why);
	return tls;
}

/* Those of the listener in its order; all where it names none. */
static size_t
choose(const struct certificates *c, const struct conf_listener *l,
    struct tls_certificate *list, struct slice *cas)
{
	size_t wanted = l->certificates.n > 0 ? l->certificates.n : 1;
	struct wire w;
	struct slice name, text;
	uint32_t count, key;
	size_t i, n = 0;

	for (i = 0; i < wanted && c->bundle.n > 0; i++) {
		w = wire_of(buf_slice(&c->bundle));
		for (count = get_u32(&w); count > 0 && !w.bad; count--) {
			name = get_slice(&w, w.rest.n);
			key = get_u32(&w);
			text = get_slice(&w, w.rest.n);
			if (w.bad || n == CERTIFICATES ||
			    (l->certificates.n > 0 && !slice_eq(name,
			    slice_str(l->certificates.v[i]))))
				continue;
			list[n++] = (struct tls_certificate){ text, key };
		}
		for (count = get_u32(&w); count > 0 && !w.bad; count--) {
			name = get_slice(&w, w.rest.n);
			text = get_slice(&w, w.rest.n);
			if (!w.bad && slice_eq(name, slice_str(l->name)))
				*cas = text;
		}
	}
	return n;
}

/* ---- keys ---------------------------------------------------------------- */

/* Waits in line: the handshake cannot go on without it, and nothing that keys
 * does takes long.  Should it hang, the sessions that need no signature have
 * most of the time.  Answers that come too late carry an older id. */
static int
sign(void *arg, uint32_t key, unsigned scheme, struct slice input,
    struct buf *signature)
{
	struct certificates *c = arg;
	struct channel *ch = child_peer(c->child, ROLE_KEYS, 0);
	int64_t now = clock_mono_ms(), until = now + SIGN_MS, left;
	struct message m;
	struct buf *b;

	if (input.n > KEYS_INPUT_BYTES)
		return -1;
	if (now < c->not_before_ms)
		return complain(c, key, "keys was slow a moment ago");
	b = channel_begin(ch, KY_SIGN, ++c->last_id);
	if (b == NULL)
		return complain(c, key, "keys is not there");
	put_u32(b, key);
	put_u16(b, (uint16_t)scheme);
	put_slice(b, input);
	channel_end(ch);
	do {
		left = until - clock_mono_ms();
		if (left > 0 && channel_wait(ch, &m, (int)left) == 0)
			continue;
		now = clock_mono_ms();
		if (now + 10 < until)
			return complain(c, key, "keys is gone");
		c->not_before_ms = now + SLOW_MS;
		return complain(c, key, "keys is slow");
	} while (m.id != c->last_id);
	return take_answer(c, &m, signature);
}

static int
take_answer(struct certificates *c, struct message *m, struct buf *signature)
{
	struct slice s;

	if (m->type != KY_SIGNATURE)
		return complain(c, 0, "keys refused it");
	s = get_slice(&m->body, KEYS_SIGNATURE_BYTES);
	if (!wire_done(&m->body) || buf_add(signature, s) == -1)
		return complain(c, 0, "keys sent no signature");
	return 0;
}

static int
complain(struct certificates *c, uint32_t key, const char *why)
{
	int64_t now = clock_mono_ms();

	if (c->complained_ms == 0 || now - c->complained_ms >= COMPLAIN_MS) {
		c->complained_ms = now;
		log_error("event=not-signed key=%u why=\"%s\"", key, why);
	}
	return -1;
}

/* An answer that nobody waits for any more. */
static void
keys_says(void *arg, struct channel *c, struct message *m)
{
	(void)arg;
	(void)c;
	(void)m;
}

static void
keys_is_down(void *arg, struct channel *c)
{
	(void)arg;
	(void)c;
}
