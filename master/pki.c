/* SPDX-License-Identifier: ISC */
/*
 * pki - hands out certificates, keys and the memory of tickets.
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
#include <sys/mman.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "ev/tickets.h"
#include "ipc/certificates.h"
#include "master.h"

#define DROP_MS		60000	/* a key that was replaced is kept so long */
#define NAME_BYTES	400	/* of a certificate, for keys' log */

/* What tells a file from the one that was there before. */
struct stamp {
	dev_t		 dev;
	ino_t		 ino;
	off_t		 size;
	struct timespec	 mtime;
};

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
	char		*authorities;	/* owned: tls.ca_file, for remote */
	struct stamp	 authorities_taken, authorities_seen;
	uint32_t	 last_number;
	struct ev_timer	 watch;
	struct ev_timer	 rotate;
	struct ev_task	 give_out;
	struct {
		int			 fd;		/* owned, or -1 */
		struct ticket_memory	*memory;
	}		 tickets[ROLE_LIMIT];
};

static const enum role tls_roles[] = { ROLE_SMTPD, ROLE_IMAP_LOGIN,
	ROLE_POP3_LOGIN };
#define NTLS_ROLES	(sizeof(tls_roles) / sizeof(tls_roles[0]))

static void	 make_tickets(struct master *);
static int	 make_ticket_memory(struct master *, enum role);
static void	 rotate_tickets(void *);
static void	 take_configuration(struct master *);
static void	 add_certificate(struct master *,
		    const struct conf_certificate *);
static void	 remove_certificate(struct master *, struct certificate *);
static void	 read_client_cas(struct master *);
static void	 watch(void *);
static int	 load(struct master *, struct certificate *);
static int	 open_pem(const char *path, size_t max, struct stamp *,
		    struct buf *why);
static int	 read_pem(const char *path, struct buf *, struct stamp *,
		    struct buf *why);
static int	 sealed(struct slice);
static void	 close_pair(struct pair *);
static void	 give_key(struct process *, const struct certificate *,
		    const struct pair *);
static void	 put_in_force(struct master *, struct certificate *);
static void	 drop_later(struct master *, uint32_t number);
static void	 drop_old(struct master *);
static void	 give_out(void *);
static int	 make_bundle(struct master *);
static void	 give_bundle(struct process *, int fd);
static bool	 verifies_hosts(const struct conf *);
static void	 look_at_authorities(struct master *);
static void	 give_authorities(struct process *);

/* ---- start --------------------------------------------------------------- */

int
pki_start(struct master *m, struct buf *why)
{
	struct pki *c = mem_alloc(sizeof(*c));
	size_t i;

	TAILQ_INIT(&c->list);
	TAILQ_INIT(&c->cas);
	TAILQ_INIT(&c->old);
	m->pki = c;
	for (i = 0; i < ROLE_LIMIT; i++)
		c->tickets[i].fd = -1;
	if (pki_check(m->conf, why) == -1)
		return -1;
	make_tickets(m);
	ev_timer_init(&c->watch, &m->loop, watch, m);
	ev_timer_init(&c->rotate, &m->loop, rotate_tickets, m);
	ev_task_init(&c->give_out, give_out, m);
	take_configuration(m);
	ev_timer_set(&c->watch, m->conf->tls_check);
	ev_timer_set(&c->rotate, m->conf->tls_tickets);
	return 0;
}

int
pki_check(const struct conf *conf, struct buf *why)
{
	struct stamp stamp;
	const char *paths[2];
	int fd, r = 0;
	size_t i, j;

	for (i = 0; i < conf->ncertificates; i++) {
		paths[0] = conf->certificates[i].chain;
		paths[1] = conf->certificates[i].key;
		for (j = 0; j < 2; j++) {
			fd = open_pem(paths[j], CERTIFICATE_CHAIN_BYTES,
			    &stamp, why);
			if (fd == -1)
				r = -1;
			else
				close(fd);
		}
	}
	for (i = 0; i < conf->nlisteners; i++) {
		if (conf->listeners[i].client_ca[0] == '\0')
			continue;
		fd = open_pem(conf->listeners[i].client_ca,
		    CERTIFICATE_CHAIN_BYTES, &stamp, why);
		if (fd == -1)
			r = -1;
		else
			close(fd);
	}
	/* Its default need not be there where nobody asks for it. */
	if (verifies_hosts(conf)) {
		fd = open_pem(conf->tls_ca_file, AUTHORITIES_BYTES, &stamp,
		    why);
		if (fd == -1)
			r = -1;
		else
			close(fd);
	}
	return r;
}

void
pki_clear(struct master *m)
{
	struct pki *c = m->pki;

	if (c == NULL)
		return;
	ev_timer_clear(&c->watch);
	ev_timer_clear(&c->rotate);
	ev_task_cancel(&m->loop, &c->give_out);
}

/* ---- tickets ------------------------------------------------------------- */

static void
make_tickets(struct master *m)
{
	size_t i;

	for (i = 0; i < NTLS_ROLES; i++)
		if (make_ticket_memory(m, tls_roles[i]) == -1)
			log_warn("event=no-tickets role=%s why=\"%s\"",
			    role_name(tls_roles[i]), strerror(errno));
}

/* Each role has its own, and only master can write it: its map is older than
 * the seal. */
static int
make_ticket_memory(struct master *m, enum role role)
{
	int fd = memfd_create("chasqui-tickets", MFD_CLOEXEC |
	    MFD_ALLOW_SEALING);
	void *p;

	if (fd == -1)
		return -1;
	if (ftruncate(fd, sizeof(struct ticket_memory)) == -1 ||
	    (p = mmap(NULL, sizeof(struct ticket_memory),
	    PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)) == MAP_FAILED) {
		close(fd);
		return -1;
	}
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW |
	    F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) == -1) {
		munmap(p, sizeof(struct ticket_memory));
		close(fd);
		return -1;
	}
	tickets_init(p);
	m->pki->tickets[role].fd = fd;
	m->pki->tickets[role].memory = p;
	return 0;
}

static void
rotate_tickets(void *arg)
{
	struct master *m = arg;
	struct pki *c = m->pki;
	size_t i;

	for (i = 0; i < ROLE_LIMIT; i++)
		if (c->tickets[i].memory != NULL)
			tickets_rotate(c->tickets[i].memory);
	ev_timer_set(&c->rotate, m->conf->tls_tickets);
}

/* ---- configuration ------------------------------------------------------- */

void
pki_reload(struct master *m)
{
	take_configuration(m);
	ev_timer_set(&m->pki->watch, m->conf->tls_check);
	ev_timer_set(&m->pki->rotate, m->conf->tls_tickets);
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
	if (m->pki->authorities == NULL ||
	    strcmp(m->pki->authorities, m->conf->tls_ca_file) != 0) {
		free(m->pki->authorities);
		m->pki->authorities = mem_strdup(m->conf->tls_ca_file);
		/* Of another file nothing has been seen: it is given out. */
		memset(&m->pki->authorities_taken, 0xff,
		    sizeof(m->pki->authorities_taken));
		look_at_authorities(m);
		look_at_authorities(m);
	}
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
	struct stamp stamp;
	struct stat st;

	if (stat(ca->path, &st) == 0 && st.st_mtim.tv_sec ==
	    ca->taken.mtime.tv_sec && st.st_mtim.tv_nsec ==
	    ca->taken.mtime.tv_nsec && st.st_ino == ca->taken.ino)
		return false;
	if (read_pem(ca->path, &fresh, &stamp, &why) == -1) {
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

static struct stamp
stamp_of(const struct stat *st)
{
	struct stamp s;

	memset(&s, 0, sizeof(s));	/* also what is between: memcmp() */
	s.dev = st->st_dev;
	s.ino = st->st_ino;
	s.size = st->st_size;
	s.mtime = st->st_mtim;
	return s;
}

static int
open_pem(const char *path, size_t max, struct stamp *stamp, struct buf *why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd == -1 || fstat(fd, &st) == -1) {
		buf_printf(why, "%s: %s\n", path, strerror(errno));
	} else if (!S_ISREG(st.st_mode) || st.st_size == 0 ||
	    st.st_size > (off_t)max) {
		buf_printf(why, "%s: not a file of 1 to %zu bytes\n", path,
		    max);
	} else {
		*stamp = stamp_of(&st);
		return fd;
	}
	if (fd != -1)
		close(fd);
	return -1;
}

static int
read_pem(const char *path, struct buf *to, struct stamp *stamp,
    struct buf *why)
{
	int fd = open_pem(path, CERTIFICATE_CHAIN_BYTES, stamp, why);
	ssize_t n = -1;
	char *room;

	if (fd == -1)
		return -1;
	room = buf_reserve(to, (size_t)stamp->size);
	if (room != NULL)
		n = pread(fd, room, (size_t)stamp->size, 0);
	if (n > 0)
		to->n += (size_t)n;
	else
		buf_printf(why, "%s: cannot be read\n", path);
	close(fd);
	return n > 0 ? 0 : -1;
}

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
	c->next.key_fd = open_pem(c->key_path, CERTIFICATE_CHAIN_BYTES,
	    &c->taken[1], &why);
	if (read_pem(c->chain_path, &chain, &c->taken[0], &why) == 0 &&
	    c->next.key_fd != -1 &&
	    certificates_only(buf_slice(&chain), &only) == 0) {
		c->next.chain_fd = sealed(buf_slice(&only));
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

static int
sealed(struct slice text)
{
	int fd = memfd_create("chasqui-pem", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	ssize_t n;

	while (fd != -1 && text.n > 0) {
		n = write(fd, text.p, text.n);
		if (n == -1 && errno != EINTR)
			break;
		text = slice_from(text, n > 0 ? (size_t)n : 0);
	}
	if (fd == -1 || (text.n == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL |
	    F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0))
		return fd;
	close(fd);
	return -1;
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
	struct stat st;

	memset(now, 0, sizeof(now));
	if (stat(c->chain_path, &st) == 0)
		now[0] = stamp_of(&st);
	if (stat(c->key_path, &st) == 0)
		now[1] = stamp_of(&st);
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
		look_at_authorities(m);
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

static bool
serves_tls(enum role role)
{
	size_t i;

	for (i = 0; i < NTLS_ROLES && tls_roles[i] != role; i++)
		;
	return i < NTLS_ROLES;
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
		give_authorities(p);
	if (!serves_tls(p->role))
		return;
	if (all->tickets[p->role].fd != -1)
		wire_shared(p, TICKETS_SHARED, all->tickets[p->role].fd);
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
		if (fd != -1 && serves_tls(p->role))
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
	fd = r == 0 ? sealed(buf_slice(&b)) : -1;
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

/* ---- the authorities of other hosts -------------------------------------- */

static bool
verifies_hosts(const struct conf *conf)
{
	size_t i;

	for (i = 0; i < conf->nnexthops; i++)
		if (strcmp(conf->nexthops[i].tls, "verify") == 0)
			return true;
	return strcmp(conf->remote_tls, "verify") == 0;
}

/* Given out when it has changed, and not any more since the look before. */
static void
look_at_authorities(struct master *m)
{
	struct pki *all = m->pki;
	struct process *p;
	struct stamp now;
	struct stat st;

	memset(&now, 0, sizeof(now));
	if (stat(all->authorities, &st) == 0)
		now = stamp_of(&st);
	if (memcmp(&now, &all->authorities_seen, sizeof(now)) != 0) {
		all->authorities_seen = now;
		return;
	}
	if (memcmp(&now, &all->authorities_taken, sizeof(now)) == 0)
		return;
	all->authorities_taken = now;
	TAILQ_FOREACH(p, &m->processes, entry)
		if (p->role == ROLE_REMOTE && process_is_alive(p))
			give_authorities(p);
}

/* Where there is no such file, no authority is known. */
static void
give_authorities(struct process *p)
{
	const struct conf *conf = p->master->conf;
	struct buf why = BUF_INIT(1000);
	struct stamp stamp;
	int fd = open_pem(conf->tls_ca_file, AUTHORITIES_BYTES, &stamp, &why);

	if (fd == -1 && verifies_hosts(conf))
		log_error("event=authorities-not-read why=%s",
		    LOG_Q(slice_trim(buf_slice(&why))));
	buf_clear(&why);
	if (fd == -1)
		fd = sealed(SLICE_EMPTY);
	if (fd == -1)
		return;
	channel_begin(p->channel, CTL_AUTHORITIES, 0);
	channel_end_fds(p->channel, &fd, 1);
}
