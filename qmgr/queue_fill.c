/* SPDX-License-Identifier: ISC */
/*
 * queue_fill - fills the queue directory of a stopped instance with deferred
 * messages, for bench/backlog; not installed.
 *
 *	queue_fill QUEUE MESSAGES NEXT-HOPS DUE-IN BYTES
 *
 * Message i is for user@hopNNNN.test, NNNN = i modulo NEXT-HOPS, was tried
 * twice and deferred.  For an even next hop it is due at a random moment
 * between DUE-IN and twice as many seconds from now, for an odd one within as
 * many before: overdue.  The files are written by qmgr's own code.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/num.h"
#include "qmgr.h"
#include "record.h"

#define AT_A_TIME	1000	/* messages of one millisecond's ids */

struct filling {
	struct queue	 q;
	struct store	*store;
	struct slice	 content;
	unsigned	 failed;
};

struct written {
	struct migration m;		/* first */
	struct filling	*f;
};

static int64_t	 argument(const char *, int64_t least, int64_t most);
static void	 write_message(struct filling *, uint64_t id, unsigned hop,
		    int64_t due_in);
static struct entry *message(struct filling *, uint64_t id, unsigned hop,
		    int64_t due);
static void	 written(struct store_wait *, bool ok);
static void	 synced(struct store_wait *, bool ok);

int
main(int argc, char *argv[])
{
	struct ev_loop loop;
	struct filling f = { .failed = 0 };
	struct store_wait sync = { .fn = synced };
	struct disk_lane *lane;
	struct qmgr place;
	int64_t n, hops, due_in, bytes, i, now = clock_wall_ms(), ms;
	char *content;

	if (argc != 6)
		errx(64, "usage: queue_fill QUEUE MESSAGES NEXT-HOPS DUE-IN "
		    "BYTES");
	n = argument(argv[2], 1, 10000000);
	hops = argument(argv[3], 1, 10000);
	due_in = argument(argv[4], 1, 86400);
	bytes = argument(argv[5], 1, 100000);
	content = mem_alloc((size_t)bytes);
	memset(content, 'x', (size_t)bytes);
	f.content = slice_of(content, (size_t)bytes);
	if (qmgr_open(&place, argv[1]) == -1)
		err(66, "%s", argv[1]);
	ev_loop_init(&loop);
	queue_init(&f.q);
	lane = disk_lane_new(&loop, false);
	f.store = store_new(&loop, place.dir, lane);
	if (f.store == NULL)
		err(73, "%s", argv[1]);
	for (i = 0; i < n; i++) {
		/* Ids of an hour ago, spread over the directories. */
		ms = now - 3600 * 1000 + i / AT_A_TIME;
		write_message(&f, (uint64_t)ms << 20 |
		    (uint64_t)(i % AT_A_TIME) << 10 | (uint64_t)(i % 1024),
		    (unsigned)(i % hops), due_in * 1000);
		if (i % AT_A_TIME == 0)
			disk_lane_drain(lane);
	}
	store_barrier(f.store, &sync);
	disk_lane_drain(lane);
	if (!sync.ok || f.failed > 0)
		errx(74, "%u messages could not be written", f.failed);
	store_free(&f.store);
	disk_lane_free(&lane);
	queue_clear(&f.q);
	ev_loop_clear(&loop);
	free(content);
	return 0;
}

static int64_t
argument(const char *text, int64_t least, int64_t most)
{
	const char *why;
	int64_t n = strtonum(text, least, most, &why);

	if (why != NULL)
		errx(64, "%s is %s", text, why);
	return n;
}

static void
write_message(struct filling *f, uint64_t id, unsigned hop, int64_t due_in)
{
	int64_t now = clock_wall_ms();
	int64_t late = arc4random_uniform((uint32_t)due_in);
	struct written *w = mem_alloc(sizeof(*w));
	struct entry *e;
	struct slot *s;

	e = message(f, id, hop, hop % 2 == 1 ? now - late :
	    now + due_in + late);
	s = e->slot;
	migration_init(&w->m, e);
	w->m.content = e->content;
	e->content->refs++;
	w->m.wait.fn = written;
	w->f = f;
	store_migrate(f->store, &w->m);
	entry_free(&f->q, &e);
	queue_slot_free(&f->q, &s);
}

static struct entry *
message(struct filling *f, uint64_t id, unsigned hop, int64_t due)
{
	char address[64], name[32];
	struct recipient to = { 0 };
	struct envelope env = {
		.reverse_path = SLICE_LIT("sender@bench.test"),
		.arrived_ms = clock_wall_ms() - 3600 * 1000,
		.client = SLICE_LIT("127.0.0.1"),
		.helo = SLICE_LIT("client.test"),
		.protocol = SLICE_LIT("ESMTP"),
		.recipients = &to,
		.nrecipients = 1,
	};
	struct outcome o = {
		.status = OUTCOME_DEFERRED,
		.enhanced = { 4, 4, 1 },
		.site = true,
		.text = SLICE_LIT("connect: Connection refused"),
	};
	struct buf packed = BUF_INIT(4096);
	struct slot *s = queue_slot_new(&f->q, id);
	struct entry *e;

	snprintf(address, sizeof(address), "user%llu@hop%04u.test",
	    (unsigned long long)(id >> 10 & 0xff), hop);
	snprintf(name, sizeof(name), "hop%04u.test", hop);
	to.address = slice_str(address);
	envelope_pack(&packed, &env);
	e = entry_new(&f->q, s, buf_slice(&packed));
	if (e == NULL)
		errx(70, "no envelope");
	entry_set_content(&f->q, e, f->content);
	s->attempts = 2;
	e->next_ms = due;
	e->rcpts[0].attempted_ms = env.arrived_ms;
	rcpt_set_outcome(&f->q, e, &e->rcpts[0], &o);
	rcpt_set_next_hop(&f->q, e, &e->rcpts[0], slice_str(name));
	rcpt_enter(e, &e->rcpts[0], RCPT_DEFERRED);
	buf_clear(&packed);
	return e;
}

static void
written(struct store_wait *sw, bool ok)
{
	struct written *w = (struct written *)(void *)sw;

	w->f->failed += !ok;
	content_release(&w->f->q, &w->m.content);
	buf_clear(&w->m.head);
	free(w);
}

static void
synced(struct store_wait *w, bool ok)
{
	w->ok = ok;
}
