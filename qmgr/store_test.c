/* SPDX-License-Identifier: ISC */
/* Files of the old generation: what is written is read back, and no damage
 * passes for a message. */
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/test_files.h"
#include "record.h"
#include "store.h"

#define ID	UINT64_C(0x1a2b3c4d5e6f7081)

struct box {
	struct ev_loop	 loop;
	char		 dir[64];
	int		 fd;
	struct disk_lane *lane;
	struct store	*s;
	struct queue	 q;
	struct slot	 slot;
	bool		 ok;
	unsigned	 told;
};

static void
box_init(struct box *b)
{
	memset(b, 0, sizeof(*b));
	log_open("store_test", LOG_LEVEL_ERROR + 1);
	ev_loop_init(&b->loop);
	snprintf(b->dir, sizeof(b->dir), "/tmp/store_test.XXXXXX");
	assert_non_null(mkdtemp(b->dir));
	b->fd = open(b->dir, O_RDONLY | O_DIRECTORY);
	b->lane = disk_lane_new(&b->loop, false);
	b->s = store_new(&b->loop, b->fd, b->lane);
	assert_non_null(b->s);
	b->slot.id = ID;
}

static void
box_clear(struct box *b)
{
	entry_free(&b->q, &b->slot.entry);
	store_free(&b->s);
	disk_lane_free(&b->lane);
	ev_loop_clear(&b->loop);
	close(b->fd);
	test_remove(b->dir);
}

static struct entry *
make_entry(struct box *b)
{
	static const char *const to[] = { "one@here", "two@here", "list@here" };
	struct recipient r[3];
	struct envelope env = { .reverse_path = SLICE_LIT("from@there"),
		.envid = SLICE_LIT("e1"), .arrived_ms = 1234567890123,
		.client = SLICE_LIT("192.0.2.1"), .protocol =
		SLICE_LIT("ESMTP"), .recipients = r, .nrecipients = 3 };
	struct buf packed = BUF_INIT(65536), body = BUF_INIT(65536);
	struct outcome o = { .status = OUTCOME_DEFERRED,
		.enhanced = { 4, 2, 1 }, .code = 450, .text =
		SLICE_LIT("come back") };
	struct target t[2] = { { .address = SLICE_LIT("m1@far") },
		{ .flags = RCPT_NO_FORWARD, .address = SLICE_LIT("m2@far") } };
	struct expansion x = { .parent = 2, .then = KEPT_DONE,
		.new_sender = true, .sender = SLICE_LIT("owner@here"),
		.notify = 0 };
	struct buf done = BUF_INIT(1000);
	struct outcome expanded = { .status = OUTCOME_EXPANDED,
		.enhanced = { 2, 0, 0 } };
	struct entry *e;
	size_t i;

	memset(r, 0, sizeof(r));
	for (i = 0; i < 3; i++)
		r[i].address = slice_str(to[i]);
	r[0].orcpt = SLICE_LIT("rfc822;o@x");
	r[0].notify = NOTIFY_FAILURE;
	assert_int_equal(envelope_pack(&packed, &env), 0);
	e = entry_new(&b->q, &b->slot, buf_slice(&packed));
	assert_non_null(e);
	entry_set_content(&b->q, e, SLICE_LIT("Subject: x\r\n\r\nbody\r\n"));
	rcpt_set_outcome(&b->q, e, &e->rcpts[0], &o);
	rcpt_set_next_hop(&b->q, e, &e->rcpts[0], SLICE_LIT("far"));
	rcpt_enter(e, &e->rcpts[0], RCPT_DEFERRED);
	rcpt_enter(e, &e->rcpts[1], RCPT_DONE);
	outcome_pack(&done, &expanded);
	x.outcome = buf_slice(&done);
	expand_pack(&body, e, &x, t, 2);
	assert_int_equal(record_apply(&b->q, e, REC_EXPAND, buf_slice(&body),
	    false), APPLIED);
	e->slot->attempts = 3;
	e->next_ms = 5555;
	buf_clear(&packed);
	buf_clear(&body);
	buf_clear(&done);
	return e;
}

static void
told(struct store_wait *w, bool ok)
{
	struct migration *m = (struct migration *)(void *)w;

	(void)m;
	*(bool *)(void *)((char *)w + sizeof(struct migration)) = ok;
}

/* The file of a message as bytes. */
static void
write_file(struct box *b, struct entry *e, struct buf *bytes)
{
	struct {
		struct migration m;
		bool	 ok;
	} v;

	memset(&v, 0, sizeof(v));
	migration_init(&v.m, e);
	v.m.content = e->content;
	v.m.wait.fn = told;
	store_migrate(b->s, &v.m);
	ev_turn(&b->loop, 0);
	assert_true(v.ok);
	e->file_end = v.m.size;
	buf_clear(&v.m.head);
	if (bytes != NULL)
		assert_int_equal(fs_read_file(fs, b->fd,
		    store_name("deferred", ID).s, bytes, SIZE_MAX, NULL), 0);
}

static void
check_entry(const struct entry *e)
{
	struct outcome o;

	assert_int_equal(e->nrcpts, 5);
	assert_int_equal(e->open, 3);
	assert_int_equal(e->env.arrived_ms, 1234567890123);
	assert_true(slice_eq(e->env.reverse_path, SLICE_LIT("from@there")));
	assert_int_equal(e->rcpts[0].state, RCPT_DEFERRED);
	assert_true(rcpt_outcome(&e->rcpts[0], &o));
	assert_true(slice_eq(o.text, SLICE_LIT("come back")));
	assert_true(slice_eq(e->rcpts[0].next_hop, SLICE_LIT("far")));
	assert_true(slice_eq(e->rcpts[0].orcpt, SLICE_LIT("rfc822;o@x")));
	assert_int_equal(e->rcpts[0].notify, NOTIFY_FAILURE);
	assert_int_equal(e->rcpts[1].state, RCPT_DONE);
	assert_int_equal(e->rcpts[2].state, RCPT_DONE);
	assert_true(slice_eq(e->rcpts[4].address, SLICE_LIT("m2@far")));
	assert_true(slice_eq(e->rcpts[4].original, SLICE_LIT("list@here")));
	assert_true(e->rcpts[4].flags & RCPT_NO_FORWARD);
	assert_true(slice_eq(e->senders[e->rcpts[3].sender],
	    SLICE_LIT("owner@here")));
}

static void
what_is_written_is_read_back(void **state)
{
	struct box b;
	struct buf bytes = BUF_INIT(65536);
	struct entry *e;
	uint32_t seq;

	(void)state;
	box_init(&b);
	e = make_entry(&b);
	write_file(&b, e, &bytes);
	seq = e->seq;
	entry_free(&b.q, &b.slot.entry);
	b.slot.attempts = 0;
	e = stored_entry(&b.q, &b.slot, buf_slice(&bytes), ID, false);
	assert_non_null(e);
	check_entry(e);
	assert_int_equal(e->seq, seq);
	assert_int_equal(b.slot.attempts, 3);
	assert_int_equal(e->next_ms, 5555);
	assert_int_equal(e->file_end, bytes.n);
	assert_true(slice_eq(slice_of(e->content->bytes, e->content->n),
	    SLICE_LIT("Subject: x\r\n\r\nbody\r\n")));
	assert_int_equal(b.q.memory, e->memory);
	buf_clear(&bytes);
	box_clear(&b);
	assert_int_equal(b.q.memory + b.q.content, 0);
}

/* However often and in whatever order a log has the same records. */
static void
log_is_applied_once(void **state)
{
	struct box b;
	struct buf bytes = BUF_INIT(65536), hold = BUF_INIT(1000);
	struct entry *e;
	int i;

	(void)state;
	box_init(&b);
	e = make_entry(&b);
	write_file(&b, e, NULL);
	e->held = true;
	e->why_held = SLICE_LIT("why");
	hold_pack(&hold, e);
	for (i = 0; i < 3; i++) {
		store_append(b.s, ID, e->file_end, REC_HOLD, buf_slice(&hold),
		    HELD_MTIME_S * 1000);
		e->file_end += store_append_bytes(hold.n);
	}
	ev_turn(&b.loop, 0);
	entry_free(&b.q, &b.slot.entry);
	assert_int_equal(fs_read_file(fs, b.fd, store_name("deferred", ID).s,
	    &bytes, SIZE_MAX, NULL), 0);
	e = stored_entry(&b.q, &b.slot, buf_slice(&bytes), ID, false);
	assert_non_null(e);
	assert_true(e->held);
	assert_int_equal(e->file_end, bytes.n);
	entry_free(&b.q, &b.slot.entry);
	/* Torn anywhere in the last record: the ones before count, and what
	 * comes next is written over it. */
	for (i = 1; i < 20; i++) {
		e = stored_entry(&b.q, &b.slot, slice_of(bytes.p,
		    bytes.n - (size_t)i), ID, false);
		assert_non_null(e);
		assert_true(e->held);
		assert_int_equal(e->file_end, bytes.n -
		    store_append_bytes(hold.n));
		entry_free(&b.q, &b.slot.entry);
	}
	buf_clear(&bytes);
	buf_clear(&hold);
	box_clear(&b);
}

static void
no_damage_passes_for_a_message(void **state)
{
	struct box b;
	struct buf bytes = BUF_INIT(65536);
	struct entry *e;
	size_t i;

	(void)state;
	box_init(&b);
	e = make_entry(&b);
	write_file(&b, e, &bytes);
	entry_free(&b.q, &b.slot.entry);
	for (i = 0; i < bytes.n; i++) {
		bytes.p[i] ^= (char)(1 << i % 8);
		assert_null(stored_entry(&b.q, &b.slot, buf_slice(&bytes), ID,
		    false));
		bytes.p[i] ^= (char)(1 << i % 8);
	}
	for (i = 0; i < bytes.n; i++)
		assert_null(stored_entry(&b.q, &b.slot, slice_of(bytes.p, i),
		    ID, false));
	assert_null(stored_entry(&b.q, &b.slot, buf_slice(&bytes), ID + 1,
	    false));
	assert_int_equal(b.q.memory + b.q.content, 0);
	buf_clear(&bytes);
	box_clear(&b);
}

/* The last byte of a file, whatever its length, is not read past. */
static void
file_may_end_at_an_inaccessible_page(void **state)
{
	struct box b;
	struct buf bytes = BUF_INIT(65536);
	struct entry *e;
	size_t page = 65536, n;
	char *map;

	(void)state;
	box_init(&b);
	e = make_entry(&b);
	write_file(&b, e, &bytes);
	entry_free(&b.q, &b.slot.entry);
	map = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(map != MAP_FAILED);
	assert_int_equal(mprotect(map + page, page, PROT_NONE), 0);
	for (n = 0; n <= bytes.n; n++) {
		memcpy(map + page - n, bytes.p, n);
		e = stored_entry(&b.q, &b.slot, slice_of(map + page - n, n),
		    ID, false);
		assert_true((e != NULL) == (n == bytes.n));
		entry_free(&b.q, &b.slot.entry);
	}
	munmap(map, 2 * page);
	buf_clear(&bytes);
	box_clear(&b);
}

static void
head_is_read_without_the_content(void **state)
{
	struct box b;
	struct load l = { .id = ID, .head_only = true };
	struct entry *e;

	(void)state;
	box_init(&b);
	e = make_entry(&b);
	write_file(&b, e, NULL);
	entry_free(&b.q, &b.slot.entry);
	assert_int_equal(store_read(b.fd, &l), 0);
	e = stored_entry(&b.q, &b.slot, buf_slice(&l.bytes), ID, true);
	assert_non_null(e);
	check_entry(e);
	assert_null(e->content);
	assert_int_equal(e->content_n, 20);
	buf_clear(&l.bytes);
	box_clear(&b);
}

static void
bodies_that_do_not_fit_are_refused(void **state)
{
	static const struct {
		uint16_t	 type;
		const char	*body;
		size_t		 n;
	} cases[] = {
		{ REC_STATUS, "", 0 },
		{ REC_STATUS, "\x09\0\0\0", 4 },
		{ REC_STATUS, "\x09\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0", 17 },
		/* recipient 99 */
		{ REC_STATUS, "\x09\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0"
		    "\x63\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 39 },
		/* owing, and no outcome */
		{ REC_STATUS, "\x09\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0"
		    "\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 39 },
		/* parent 99; first child 0 */
		{ REC_EXPAND, "\x09\0\0\0\x63\0\0\0\0\0\0\0\0\x05\0\0\0\0"
		    "\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 32 },
		{ REC_EXPAND, "\x09\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
		    "\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 32 },
		{ REC_HOLD, "\x09\0\0\0\x02\0\0\0\0", 9 },
		{ REC_MESSAGE, "\x09\0\0\0", 4 },
		{ REC_DONE, "\x09\0\0\0", 4 },
		{ 77, "\x09\0\0\0", 4 },
	};
	struct box b;
	struct entry *e;
	size_t i;

	(void)state;
	box_init(&b);
	e = make_entry(&b);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct slice body = { cases[i].body, cases[i].n };

		if (record_apply(&b.q, e, cases[i].type, body, true) !=
		    APPLIED_BAD)
			fail_msg("case %zu", i);
	}
	check_entry(e);
	box_clear(&b);
}

static unsigned syncs_to_fail;

static int
failing_syncfs(int fd)
{
	if (syncs_to_fail == 0)
		return fs_real.syncfs(fd);
	syncs_to_fail--;
	errno = EIO;
	return -1;
}

struct told {
	struct store_wait wait;		/* first */
	unsigned	 calls;
	bool		 ok;
};

static void
barrier_told(struct store_wait *w, bool ok)
{
	struct told *t = (struct told *)(void *)w;

	t->calls++;
	t->ok = ok;
}

static bool
barrier_holds(struct box *b)
{
	struct told t = { .wait.fn = barrier_told };

	store_barrier(b->s, &t.wait);
	while (t.calls == 0)
		ev_turn(&b->loop, 10);
	return t.ok;
}

static void
count_healed(void *arg)
{
	++*(unsigned *)arg;
}

static void
sync_that_failed_is_believed_only_after_a_restart(void **state)
{
	struct fs failing = fs_real;
	unsigned healed = 0, turns;
	struct box b;

	(void)state;
	failing.syncfs = failing_syncfs;
	box_init(&b);
	fs = &failing;
	store_on_healed(b.s, 20, count_healed, &healed);
	assert_true(barrier_holds(&b));
	syncs_to_fail = 3;
	assert_false(barrier_holds(&b));
	for (turns = 0; healed == 0 && turns < 2000; turns++)
		ev_turn(&b.loop, 10);
	assert_int_equal(healed, 1);
	assert_int_equal(syncs_to_fail, 0);
	assert_false(barrier_holds(&b));
	store_free(&b.s);
	b.s = store_new(&b.loop, b.fd, b.lane);
	assert_true(barrier_holds(&b));
	fs = &fs_real;
	box_clear(&b);
}

/* Records of an older version have no checksum of the large file, and an older
 * version reads ours: it takes what it does not know for a status of no
 * message. */
static void
checksum_of_large_content_is_where_there_was_nothing(void **state)
{
	struct message_body m = { .flags = ENTRY_LARGE, .large_n = 400000,
		.envelope = SLICE_LIT("env"), .content = SLICE_LIT("A: b") };
	struct message_body got;
	struct buf b = BUF_INIT(1000);
	uint32_t crc;

	(void)state;
	for (crc = 0; crc < 2; crc++) {
		m.large_crc = crc * 0x12345678;
		buf_reset(&b);
		message_pack_head(&b, &m);
		buf_add(&b, m.content);
		assert_int_equal(b.n, 1 + 8 + 8 + 4 + 3 + 4 + 4 * crc + 4 + 4);
		assert_true(message_unpack(buf_slice(&b), &got));
		assert_int_equal(got.large_crc, m.large_crc);
		assert_int_equal(got.status.n, 0);
	}
	buf_clear(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read_back),
		cmocka_unit_test(log_is_applied_once),
		cmocka_unit_test(no_damage_passes_for_a_message),
		cmocka_unit_test(file_may_end_at_an_inaccessible_page),
		cmocka_unit_test(head_is_read_without_the_content),
		cmocka_unit_test(bodies_that_do_not_fit_are_refused),
		cmocka_unit_test(
		    checksum_of_large_content_is_where_there_was_nothing),
		cmocka_unit_test(
		    sync_that_failed_is_believed_only_after_a_restart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
