/* SPDX-License-Identifier: ISC */
/*
 * pki - hands out certificates and keys.
 *
 * Only master opens the files.  The key's descriptor goes to keys, which reads
 * it and says whether it fits the chain; then the chain goes to those who
 * serve TLS, under the number that keys has the key by.  Until keys has said
 * so, and where it says no, what was in force before stays in force.  (At the
 * suite's start there is nothing before: chains are given out at once, and
 * taken back if keys refuses.)
 *
 * The files are looked at every tls.check.  One that has changed is taken when
 * it has not changed any more since the look before: a renewal writes two.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "ipc/certificates.h"
#include "master.h"
#include "os/memory.h"
#include "pem.h"

#define DROP_MS		60000	/* a key that was replaced is kept so long */
#define NAME_BYTES	400	/* of a certificate, for keys' log */

/* Both files as they were when they were opened. */
struct pair {
	uint32_t	 number;	/* 0: there is none */
	int		 key_fd;	/* owned, or -1: the file */
	int		 chain_fd;	/* owned, or -1: a sealed copy */
};

struct certificate {
	TAILQ_ENTRY(certificate) entry;
	char		*name;		/* owned, like these: */
	char		*chain_path;
	char		*key_path;
	struct pair	 now;		/* in force */
	struct pair	 next;		/* keys has not answered yet */
	struct stamp	 taken[2];	/* chain and key: of the last attempt */
	struct stamp	 seen[2];	/* of the last look */
	bool		 refused;	/* that attempt */
	bool		 wanted;
};

struct client_ca {
	TAILQ_ENTRY(client_ca)	 entry;
	char		*listener;	/* owned, like these: */
	char		*path;
	struct buf	 pem;
	struct stamp	 taken;
};

/* A key that was replaced, until handshakes under way are over. */
struct old_key {
	TAILQ_ENTRY(old_key)	 entry;
	uint32_t	 number;
	int64_t		 drop_ms;
};

struct pki {
	TAILQ_HEAD(, certificate) list;
	TAILQ_HEAD(, client_ca) cas;
	TAILQ_HEAD(, old_key)	 old;
	uint32_t	 last_number;
	struct ev_timer	 watch;
	struct ev_task	 give_out;
};

static void	 take_configuration(struct master *);
static void	 add_certificate(struct master *,
		    const struct conf_certificate *);
static void	 remove_certificate(struct master *, struct certificate *);
static void	 read_client_cas(struct master *);
static void	 watch(void *);
static int	 load(struct master *, struct certificate *);
static void	 close_pair(struct pair *);
static void	 give_key(struct process *, const struct certificate *,
		    const struct pair *);
static void	 put_in_force(struct master *, struct certificate *);
static void	 drop_later(struct master *, uint32_t number);
static void	 drop_old(struct master *);
static void	 give_out(void *);
static int	 make_bundle(struct master *);
static void	 give_bundle(struct process *, int fd);

/* ---- start --------------------------------------------------------------- */

int
pki_start(struct master *m, struct buf *why)
{
	struct pki *c = mem_alloc(sizeof(*c));

	TAILQ_INIT(&c->list);
	TAILQ_INIT(&c->cas);
	TAILQ_INIT(&c->old);
	m->pki = c;
	if (pki_check(m->conf, why) == -1)
		return -1;
	ticket_memory_start(m);
	ev_timer_init(&c->watch, &m->loop, watch, m);
	ev_task_init(&c->give_out, give_out, m);
	take_configuration(m);
	ev_timer_set(&c->watch, m->conf->tls_check);
	return 0;
}

int
pki_check(const struct conf *conf, struct buf *why)
{
	int r = 0;
	size_t i;

	for (i = 0; i < conf->ncertificates; i++)
		r |= pem_check(conf->certificates[i].chain,
		    CERTIFICATE_CHAIN_BYTES, why) |
		    pem_check(conf->certificates[i].key,
		    CERTIFICATE_CHAIN_BYTES, why);
	for (i = 0; i < conf->nlisteners; i++)
		if (conf->listeners[i].client_ca[0] != '\0')
			r |= pem_check(conf->listeners[i].client_ca,
			    CERTIFICATE_CHAIN_BYTES, why);
	return r | authorities_check(conf, why);
}

void
pki_clear(struct master *m)
{
	struct pki *c = m->pki;

	if (c == NULL)
		return;
	ev_timer_clear(&c->watch);
	ticket_memory_clear(m);
	ev_task_cancel(&m->loop, &c->give_out);
}

/* ---- configuration ------------------------------------------------------- */

void
pki_reload(struct master *m)
{
	take_configuration(m);
	ev_timer_set(&m->pki->watch, m->conf->tls_check);
	ticket_memory_reload(m);
}

static struct certificate *
find(struct master *m, const char *name)
{
	struct certificate *c;

	TAILQ_FOREACH(c, &m->pki->list, entry)
		if (strcmp(c->name, name) == 0)
			break;
	return c;
}

static void
take_configuration(struct master *m)
{
	struct certificate *c, *next;
	size_t i;

	TAILQ_FOREACH(c, &m->pki->list, entry)
		c->wanted = false;
	for (i = 0; i < m->conf->ncertificates; i++)
		add_certificate(m, &m->conf->certificates[i]);
	TAILQ_FOREACH_SAFE(c, &m->pki->list, entry, next)
		if (!c->wanted)
			remove_certificate(m, c);
	read_client_cas(m);
	ev_task_ask(&m->loop, &m->pki->give_out);
	authorities_reload(m);
}

/* In the order of the file: the first is the default.  One that is there and
 * has not changed is left alone. */
static void
add_certificate(struct master *m, const struct conf_certificate *conf)
{
	struct pki *all = m->pki;
	struct certificate *c = find(m, conf->name);
	struct stamp was[2];
	bool settled;

	if (c == NULL) {
		c = mem_alloc(sizeof(*c));
		c->name = mem_strdup(conf->name);
		c->now = c->next = (struct pair){ 0, -1, -1 };
	} else
		TAILQ_REMOVE(&all->list, c, entry);
	TAILQ_INSERT_TAIL(&all->list, c, entry);
	c->wanted = true;
	free(c->chain_path);
	free(c->key_path);
	c->chain_path = mem_strdup(conf->chain);
	c->key_path = mem_strdup(conf->key);
	memcpy(was, c->taken, sizeof(was));
	settled = c->now.number != 0 && c->next.number == 0 && !c->refused;
	if (load(m, c) == -1)
		return;
	if (settled && memcmp(was, c->taken, sizeof(was)) == 0) {
		close_pair(&c->next);
		return;
	}
	if (m->phase == SUITE_STARTING)
		put_in_force(m, c);
}

static void
remove_certificate(struct master *m, struct certificate *c)
{
	TAILQ_REMOVE(&m->pki->list, c, entry);
	drop_later(m, c->now.number);
	drop_later(m, c->next.number);
	close_pair(&c->now);
	close_pair(&c->next);
	free(c->name);
	free(c->chain_path);
	free(c->key_path);
	free(c);
}

/* True when it has changed. */
static bool
renew_ca(struct client_ca *ca)
{
	struct buf fresh = BUF_INIT(CERTIFICATE_CHAIN_BYTES), why =
	    BUF_INIT(1000);
	struct stamp stamp = pem_stamp(ca->path);

	if (memcmp(&stamp, &ca->taken, sizeof(stamp)) == 0)
		return false;
	if (pem_read(ca->path, &fresh, &stamp, &why) == -1) {
		buf_clear(&fresh);
		buf_clear(&why);
		return false;
	}
	ca->taken = stamp;
	buf_clear(&ca->pem);
	buf_init(&ca->pem, CERTIFICATE_CHAIN_BYTES);
	certificates_only(buf_slice(&fresh), &ca->pem);
	buf_clear(&fresh);
	return true;
}

static void
read_client_cas(struct master *m)
{
	struct pki *all = m->pki;
	const struct conf *conf = m->conf;
	struct client_ca *ca;
	size_t i;

	while ((ca = TAILQ_FIRST(&all->cas)) != NULL) {
		TAILQ_REMOVE(&all->cas, ca, entry);
		free(ca->listener);
		free(ca->path);
		buf_clear(&ca->pem);
		free(ca);
	}
	for (i = 0; i < conf->nlisteners; i++) {
		if (conf->listeners[i].client_ca[0] == '\0')
			continue;
		ca = mem_alloc(sizeof(*ca));
		ca->listener = mem_strdup(conf->listeners[i].name);
		ca->path = mem_strdup(conf->listeners[i].client_ca);
		TAILQ_INSERT_TAIL(&all->cas, ca, entry);
		renew_ca(ca);
	}
}

/* ---- files --------------------------------------------------------------- */

/* Both files into c->next; what was there is forgotten. */
static int
load(struct master *m, struct certificate *c)
{
	struct buf chain = BUF_INIT(CERTIFICATE_CHAIN_BYTES), only =
	    BUF_INIT(CERTIFICATE_CHAIN_BYTES), why = BUF_INIT(2000);
	struct stat st;
	int r = -1;

	drop_later(m, c->next.number);
	close_pair(&c->next);
	memset(c->taken, 0, sizeof(c->taken));
	c->refused = false;
	c->next.key_fd = pem_open(c->key_path, CERTIFICATE_CHAIN_BYTES,
	    &c->taken[1], &why);
	if (pem_read(c->chain_path, &chain, &c->taken[0], &why) == 0 &&
	    c->next.key_fd != -1 &&
	    certificates_only(buf_slice(&chain), &only) == 0) {
		c->next.chain_fd = memory_of_text("chasqui-pem",
		    buf_slice(&only));
		r = c->next.chain_fd == -1 ? -1 : 0;
	}
	/* It may be the key's file, too. */
	if (chain.n > 0)
		explicit_bzero(chain.p, chain.n);
	memcpy(c->seen, c->taken, sizeof(c->seen));
	if (r == 0) {
		c->next.number = ++m->pki->last_number;
		if (fstat(c->next.key_fd, &st) == 0 && st.st_mode & S_IROTH)
			log_warn("event=key-is-public certificate=%s path=%s "
			    "advice=\"chmod 600\"", LOG_Q(slice_str(c->name)),
			    LOG_Q(slice_str(c->key_path)));
	} else {
		close_pair(&c->next);
		log_error("event=certificate-not-read certificate=%s "
		    "in_force=%s why=%s", LOG_Q(slice_str(c->name)),
		    c->now.number != 0 ? "old" : "none",
		    LOG_Q(slice_trim(buf_slice(&why))));
	}
	buf_clear(&chain);
	buf_clear(&only);
	buf_clear(&why);
	return r;
}

static void
close_pair(struct pair *p)
{
	if (p->key_fd != -1)
		close(p->key_fd);
	if (p->chain_fd != -1)
		close(p->chain_fd);
	*p = (struct pair){ 0, -1, -1 };
}

static void
look_at(struct master *m, struct certificate *c)
{
	struct process *keys = process_find(m, ROLE_KEYS, 0);
	struct stamp now[2];

	memset(now, 0, sizeof(now));	/* also what is between */
	now[0] = pem_stamp(c->chain_path);
	now[1] = pem_stamp(c->key_path);
	if (memcmp(now, c->seen, sizeof(now)) != 0) {
		memcpy(c->seen, now, sizeof(now));
		return;		/* perhaps it is still being written */
	}
	if (memcmp(now, c->taken, sizeof(now)) == 0)
		return;
	if (load(m, c) == -1) {
		/* Not again before it changes. */
		memcpy(c->taken, now, sizeof(now));
		memcpy(c->seen, now, sizeof(now));
	} else if (keys != NULL && process_is_alive(keys))
		give_key(keys, c, &c->next);
}

static void
watch(void *arg)
{
	struct master *m = arg;
	struct pki *all = m->pki;
	struct certificate *c;
	struct client_ca *ca;

	if (m->phase == SUITE_RUNNING) {
		TAILQ_FOREACH(c, &all->list, entry)
			look_at(m, c);
		TAILQ_FOREACH(ca, &all->cas, entry)
			if (renew_ca(ca))
				ev_task_ask(&m->loop, &all->give_out);
		authorities_look(m);
	}
	drop_old(m);
	ev_timer_set(&all->watch, m->conf->tls_check);
}

/* ---- keys ---------------------------------------------------------------- */

static void
give_key(struct process *keys, const struct certificate *c,
    const struct pair *p)
{
	struct slice name = slice_str(c->name);
	struct buf *b;
	int fds[2];

	if (p->number == 0)
		return;
	fds[0] = fcntl(p->key_fd, F_DUPFD_CLOEXEC, 3);
	fds[1] = fcntl(p->chain_fd, F_DUPFD_CLOEXEC, 3);
	if (fds[0] == -1 || fds[1] == -1) {
		log_error("event=dup-failed why=\"%s\"", strerror(errno));
		if (fds[0] != -1)
			close(fds[0]);
		return;
	}
	b = channel_begin(keys->channel, CTL_KEY, 0);
	if (b != NULL) {
		put_u32(b, p->number);
		put_slice(b, slice_first(name, name.n > NAME_BYTES ?
		    NAME_BYTES : name.n));
	}
	channel_end_fds(keys->channel, fds, 2);
}

static void
put_in_force(struct master *m, struct certificate *c)
{
	drop_later(m, c->now.number);
	close_pair(&c->now);
	c->now = c->next;
	c->next = (struct pair){ 0, -1, -1 };
	ev_task_ask(&m->loop, &m->pki->give_out);
}

void
pki_key_taken(struct process *p, struct message *msg)
{
	struct master *m = p->master;
	uint32_t number = get_u32(&msg->body);
	bool taken = get_bool(&msg->body);
	struct slice why = get_slice(&msg->body, 1000);
	struct certificate *c;

	if (!wire_done(&msg->body)) {
		channel_breach(p->channel, "key-taken");
		return;
	}
	TAILQ_FOREACH(c, &m->pki->list, entry)
		if (c->now.number == number || c->next.number == number)
			break;
	if (c == NULL || number == 0)
		return;		/* replaced since then */
	if (taken && number == c->next.number) {
		put_in_force(m, c);
		log_info("event=certificate-renewed certificate=%s key=%u",
		    LOG_Q(slice_str(c->name)), number);
	} else if (!taken) {
		c->refused = true;
		log_error("event=certificate-refused certificate=%s "
		    "in_force=%s why=%s", LOG_Q(slice_str(c->name)),
		    number == c->next.number && c->now.number != 0 ? "old" :
		    "none", LOG_Q(why));
		close_pair(number == c->next.number ? &c->next : &c->now);
		ev_task_ask(&m->loop, &m->pki->give_out);
	}
}

static void
drop_later(struct master *m, uint32_t number)
{
	struct old_key *o;

	if (number == 0)
		return;
	o = mem_alloc(sizeof(*o));
	o->number = number;
	o->drop_ms = clock_mono_ms() + DROP_MS;
	TAILQ_INSERT_TAIL(&m->pki->old, o, entry);
}

static void
drop_old(struct master *m)
{
	struct process *keys = process_find(m, ROLE_KEYS, 0);
	int64_t now = clock_mono_ms();
	struct old_key *o;
	struct buf *b;

	while ((o = TAILQ_FIRST(&m->pki->old)) != NULL &&
	    o->drop_ms <= now) {
		TAILQ_REMOVE(&m->pki->old, o, entry);
		b = keys == NULL ? NULL : channel_begin(keys->channel,
		    CTL_KEY_DROP, 0);
		if (b != NULL) {
			put_u32(b, o->number);
			channel_end(keys->channel);
		}
		free(o);
	}
}

/* ---- chains -------------------------------------------------------------- */

bool
pki_serves_tls(enum role role)
{
	return role == ROLE_SMTPD || role == ROLE_IMAP_LOGIN ||
	    role == ROLE_POP3_LOGIN;
}

void
pki_give(struct process *p)
{
	struct pki *all = p->master->pki;
	struct certificate *c;
	int fd;

	if (p->role == ROLE_KEYS)
		TAILQ_FOREACH(c, &all->list, entry) {
			give_key(p, c, &c->now);
			give_key(p, c, &c->next);
		}
	if (p->role == ROLE_REMOTE)
		authorities_give(p);
	if (!pki_serves_tls(p->role))
		return;
	ticket_memory_give(p);
	fd = make_bundle(p->master);
	if (fd == -1)
		return;
	give_bundle(p, fd);
	close(fd);
}

/* To all who serve TLS, once for all changes of a turn. */
static void
give_out(void *arg)
{
	struct master *m = arg;
	struct certificate *c;
	struct process *p;
	int fd = make_bundle(m);

	TAILQ_FOREACH(p, &m->processes, entry) {
		if (!process_is_alive(p))
			continue;
		if (p->role == ROLE_KEYS)
			TAILQ_FOREACH(c, &m->pki->list, entry)
				give_key(p, c, &c->next);
		if (fd != -1 && pki_serves_tls(p->role))
			give_bundle(p, fd);
	}
	if (fd != -1)
		close(fd);
}

static uint32_t
count(const struct pki *all)
{
	const struct certificate *c;
	uint32_t n = 0;

	TAILQ_FOREACH(c, &all->list, entry)
		n += c->now.number != 0;
	return n;
}

/* The copy was read before it was sealed, so its size is right. */
static int
put_chain(struct buf *b, const struct certificate *c)
{
	struct certificate_entry e = { slice_str(c->name), c->now.number,
		SLICE_EMPTY };
	struct buf text = BUF_INIT(CERTIFICATE_CHAIN_BYTES);
	char *room = buf_reserve(&text, CERTIFICATE_CHAIN_BYTES);
	ssize_t n = room == NULL ? -1 : pread(c->now.chain_fd, room,
	    CERTIFICATE_CHAIN_BYTES, 0);
	int r;

	e.chain = n > 0 ? slice_of(room, (size_t)n) : SLICE_EMPTY;
	r = certificates_put(b, &e);
	buf_clear(&text);
	return r;
}

static int
make_bundle(struct master *m)
{
	const struct pki *all = m->pki;
	struct buf b = BUF_INIT(CERTIFICATES_BYTES);
	const struct certificate *c;
	const struct client_ca *ca;
	uint32_t n = 0;
	int fd, r;

	r = put_u32(&b, count(all));
	TAILQ_FOREACH(c, &all->list, entry)
		if (r == 0 && c->now.number != 0)
			r = put_chain(&b, c);
	TAILQ_FOREACH(ca, &all->cas, entry)
		n++;
	r |= put_u32(&b, n);
	TAILQ_FOREACH(ca, &all->cas, entry)
		r |= certificates_put_cas(&b, slice_str(ca->listener),
		    buf_slice(&ca->pem));
	fd = r == 0 ? memory_of_text("chasqui-pem", buf_slice(&b)) : -1;
	if (fd == -1)
		log_error("event=certificates-not-given why=\"%s\"", r == 0 ?
		    strerror(errno) : "all chains are too much");
	buf_clear(&b);
	return fd;
}

static void
give_bundle(struct process *p, int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	if (copy == -1)
		return;
	channel_begin(p->channel, CTL_CERTIFICATES, 0);
	channel_end_fds(p->channel, &copy, 1);
}
