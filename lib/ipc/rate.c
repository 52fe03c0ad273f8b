/* SPDX-License-Identifier: ISC */
/* rate - see rate.h. */
#include <sys/mman.h>
#include <sys/stat.h>

#include <assert.h>
#include <string.h>

#include "base/log.h"
#include "ipc/master_child.h"
#include "ipc/rate.h"

static_assert(RATE_BYTES <= RATE_SHARED_BYTES, "master makes it");

static struct rate_entry *find(const struct rate_table *, uint64_t);
static struct rate_entry *find_or_make(struct rate *, uint64_t, uint32_t);
static void	 turn_window(struct rate_entry *, uint32_t);
static unsigned	 processes(const struct rate *);

#define GET(x)		atomic_load_explicit(&(x), memory_order_relaxed)
#define SET(x, v)	atomic_store_explicit(&(x), (v), memory_order_relaxed)

void
rate_init(struct rate *r)
{
	void *p = mmap(NULL, RATE_BYTES, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		log_fatal("event=out-of-memory wanted=%zu", RATE_BYTES);
	*r = (struct rate){ .memory = p, .bytes = RATE_BYTES };
	SET(r->memory->processes, 1);
}

int
rate_share(struct rate *r, int fd, unsigned self)
{
	struct stat st;
	uint32_t n;
	void *p;

	if (self >= RATE_PROCESSES || fstat(fd, &st) == -1)
		return -1;
	/* Beyond its end an access would be a SIGBUS. */
	if (st.st_size < (off_t)RATE_BYTES)
		return -1;
	p = mmap(NULL, RATE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return -1;
	rate_clear(r);
	*r = (struct rate){ .memory = p, .self = self, .bytes = RATE_BYTES };
	/* What a predecessor left: its sessions are gone. */
	if (madvise(&r->memory->tables[self], sizeof(struct rate_table),
	    MADV_REMOVE) == -1)
		memset(&r->memory->tables[self], 0, sizeof(struct rate_table));
	n = GET(r->memory->processes);
	while (n <= self && !atomic_compare_exchange_weak(
	    &r->memory->processes, &n, self + 1))
		;
	return 0;
}

void
rate_clear(struct rate *r)
{
	if (r->memory != NULL)
		munmap(r->memory, r->bytes);
	*r = (struct rate){ 0 };
}

/* The prefix itself: 64 bits, an IPv4 address as ::ffff:0:0/96 would have it
 * in its lower half.  Never 0. */
uint64_t
rate_client(const uint8_t addr[16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	uint64_t client = 0;
	size_t i, from = memcmp(addr, mapped, sizeof(mapped)) == 0 ? 8 : 0;

	for (i = from; i < from + 8; i++)
		client = client << 8 | addr[i];
	return client != 0 ? client : 1;
}

/* A client that picks its addresses so that they share a place only displaces
 * its own kind, so the hash needs no secret. */
static size_t
place_of(uint64_t client)
{
	client ^= client >> 33;
	client *= UINT64_C(0xff51afd7ed558ccd);
	client ^= client >> 33;
	return client % RATE_SETS;
}

static struct rate_entry *
find(const struct rate_table *t, uint64_t client)
{
	const struct rate_entry *set = t->v[place_of(client)];
	size_t i;

	for (i = 0; i < RATE_WAYS; i++)
		if (GET(set[i].client) == client)
			return (struct rate_entry *)(uintptr_t)&set[i];
	return NULL;
}

/* NULL where every entry of the place has open sessions: such a client is not
 * counted. */
static struct rate_entry *
find_or_make(struct rate *r, uint64_t client, uint32_t window)
{
	struct rate_entry *set, *e, *oldest = NULL;
	size_t i;

	e = find(&r->memory->tables[r->self], client);
	if (e != NULL) {
		turn_window(e, window);
		return e;
	}
	set = r->memory->tables[r->self].v[place_of(client)];
	for (i = 0; i < RATE_WAYS; i++) {
		e = &set[i];
		if (GET(e->sessions) == 0 && (oldest == NULL ||
		    GET(e->window) < GET(oldest->window)))
			oldest = e;
	}
	if (oldest == NULL)
		return NULL;
	memset(oldest, 0, sizeof(*oldest));
	SET(oldest->window, window);
	SET(oldest->client, client);
	return oldest;
}

static void
turn_window(struct rate_entry *e, uint32_t window)
{
	uint32_t was = GET(e->window);

	if (was == window)
		return;
	SET(e->connections[1], was + 1 == window ? GET(e->connections[0]) : 0);
	SET(e->messages[1], was + 1 == window ? GET(e->messages[0]) : 0);
	SET(e->connections[0], 0);
	SET(e->messages[0], 0);
	SET(e->window, window);
}

static unsigned
processes(const struct rate *r)
{
	uint32_t n = GET(r->memory->processes);

	return n > RATE_PROCESSES ? RATE_PROCESSES : n;
}

void
rate_connected(struct rate *r, uint64_t client, uint32_t window)
{
	struct rate_entry *e = find_or_make(r, client, window);

	if (e == NULL)
		return;
	SET(e->sessions, GET(e->sessions) + 1);
	SET(e->connections[0], GET(e->connections[0]) + 1);
}

void
rate_disconnected(struct rate *r, uint64_t client)
{
	struct rate_entry *e = find(&r->memory->tables[r->self], client);

	if (e != NULL && GET(e->sessions) > 0)
		SET(e->sessions, GET(e->sessions) - 1);
}

void
rate_message(struct rate *r, uint64_t client, uint32_t window)
{
	struct rate_entry *e = find_or_make(r, client, window);

	if (e != NULL)
		SET(e->messages[0], GET(e->messages[0]) + 1);
}

/* The window before counts for as much of it as the present one lacks. */
static uint64_t
in_window(const _Atomic uint32_t counts[2], uint32_t was, uint32_t window,
    unsigned part)
{
	uint64_t before = 0, now = 0;

	if (was == window) {
		now = GET(counts[0]);
		before = GET(counts[1]);
	} else if (was + 1 == window)
		before = GET(counts[0]);
	return now + before * (1000 - part) / 1000;
}

struct rate_use
rate_of(const struct rate *r, uint64_t client, uint32_t window, unsigned part)
{
	struct rate_use use = { 0, 0, 0 };
	const struct rate_entry *e;
	unsigned i, n = processes(r);
	uint32_t was;

	for (i = 0; i < n; i++) {
		e = find(&r->memory->tables[i], client);
		if (e == NULL)
			continue;
		was = GET(e->window);
		use.sessions += GET(e->sessions);
		use.connections += in_window(e->connections, was, window, part);
		use.messages += in_window(e->messages, was, window, part);
	}
	return use;
}
