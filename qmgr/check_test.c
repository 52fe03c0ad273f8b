/* SPDX-License-Identifier: ISC */
/*
 * A queue with messages of both generations is damaged: what check.c finds and
 * mends, and what qmgr makes of it with and without that.  Whatever is hit,
 * only the messages that were hit are missing.  The random part takes and
 * prints a seed (CHECK_SEED, CHECK_ROUNDS).
 */
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/num.h"
#include "check.h"
#include "harness.h"
#include "mail/queue_format.h"

#define YOUNG	6
#define OLD	4
#define ALL	(YOUNG + OLD + 1)	/* and one with large content */
#define SMALL	3000
#define FILES	64

/* The queue that all tests damage, and a copy to begin from. */
static struct world world;
static uint64_t ids[ALL];		/* OLD, large, YOUNG */

/* What check said last. */
static struct {
	unsigned	 n;
	unsigned	 mended;
	uint64_t	 messages, large;
	char		 text[16384];
} said;

static void
run(const char *fmt, ...)
{
	char command[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	if (system(command) != 0)
		fail_msg("%s", command);
}

static bool
later(struct world *w, const struct delivery *d, struct outcome *o)
{
	(void)w;
	(void)d;
	o->status = OUTCOME_DEFERRED;
	o->enhanced = (struct enhanced){ 4, 2, 1 };
	o->code = 450;
	o->text = SLICE_LIT("later");
	return true;
}

static bool
are_old(void)
{
	const struct slot *s;
	unsigned i;

	for (i = 0; i <= OLD; i++) {
		s = queue_find(&world.q->queue, ids[i]);
		if (s->state != SLOT_WAITING || s->entry != NULL)
			return false;
	}
	return true;
}

/* As if all segments had been used again since: the files are all there is. */
static void
forget_journal(struct world *w)
{
	world_wait(w, 5000, journal_is_idle(w->q->journal) &&
	    disk_lane_load(w->q->files) == 0);
	world_kill(w);
	run("rm %s/journal/* %s/segments", w->dir, w->dir);
}

static int
no_sync(int fd)
{
	(void)fd;
	return 0;
}

static int
make_queue(void **state)
{
	static struct fs quick;
	struct world *w = &world;
	struct told told = { 0 };
	unsigned i;

	(void)state;
	/* Nothing here is about power cuts: in memory, where there is some. */
	if (access("/dev/shm", W_OK | X_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 0);
	quick = fs_real;
	quick.fsync = quick.fdatasync = quick.syncfs = no_sync;
	fs = &quick;
	world_init(w, "queue.retry_first = 1h\nqueue.retry_max = 2h\n");
	w->outcome = later;
	assert_int_equal(world_start(w, UP_ALL), 0);
	for (i = 0; i < OLD; i++)
		ids[i] = world_submit(w, "a@b", "x@far", SMALL);
	ids[OLD] = world_submit_large(w, "a@b", "x@far", 400000);
	world_wait(w, 5000, w->ndeliveries == OLD + 1 &&
	    journal_is_idle(w->q->journal));
	/* A segment that is not used any more is emptied. */
	world_kill(w);
	assert_int_equal(world_start(w, UP_ALL), 0);
	world_wait(w, 20000, are_old());
	forget_journal(w);
	/* Something for the logs of the files. */
	assert_int_equal(world_start(w, UP_ALL), 0);
	world_ask(w, 0, TL_QUEUE_CHANGE, QUEUE_RETRY, false,
	    &(struct queue_filter){ 0 }, &told);
	told_clear(&told);
	world_wait(w, 20000, w->ndeliveries >= 2 * (OLD + 1) && are_old());
	forget_journal(w);
	assert_int_equal(world_start(w, UP_SMTPD), 0);
	for (i = 0; i < YOUNG; i++)
		ids[OLD + 1 + i] = world_submit(w, "a@b", "y@far", SMALL);
	world_wait(w, 5000, w->nqueued == ALL);
	world_wait(w, 5000, journal_is_idle(w->q->journal));
	world_kill(w);
	run("cp -a %s %s.saved", w->dir, w->dir);
	w->outcome = NULL;
	return 0;
}

static int
remove_queue(void **state)
{
	(void)state;
	run("rm -rf %s.saved", world.dir);
	world_clear(&world);
	return 0;
}

static void
begin(void)
{
	run("rm -rf %s && cp -a %s.saved %s", world.dir, world.dir,
	    world.dir);
	world.ndeliveries = 0;
}

static void
take(void *arg, const struct finding *f)
{
	size_t n = strlen(said.text);

	(void)arg;
	said.n++;
	said.mended += f->mended;
	snprintf(said.text + n, sizeof(said.text) - n, "%s: %.*s\n", f->file,
	    SLICE_ARG(f->what));
}

static void
check(bool live, bool repair)
{
	struct check c = { .live = live, .repair = repair, .tell = take };

	memset(&said, 0, sizeof(said));
	c.dir = open(world.dir, O_RDONLY | O_DIRECTORY);
	assert_true(c.dir != -1);
	assert_int_equal(queue_check(&c), 0);
	close(c.dir);
	said.messages = c.messages;
	said.large = c.large;
}

static uint32_t tree;

static int
add_file(const char *path, const struct stat *st, int type, struct FTW *f)
{
	struct buf b = BUF_INIT(1 << 24);

	(void)f;
	if (type != FTW_F)
		return 0;
	assert_int_equal(fs_read_file(fs, AT_FDCWD, path, &b, (&b)->max, NULL),
	    0);
	/* in whatever order they come */
	tree += crc32c(crc32c(0, slice_str(path)), buf_slice(&b));
	tree += crc32c(1, slice_of(&st->st_mtim, sizeof(st->st_mtim)));
	buf_clear(&b);
	return 0;
}

static uint32_t
tree_crc(void)
{
	tree = 0;
	nftw(world.dir, add_file, 16, FTW_PHYS);
	return tree;
}

/* How many of the messages are delivered, each once and as it was. */
static unsigned
served(void)
{
	struct world *w = &world;
	struct told told = { 0 };
	unsigned i, n = 0;

	assert_int_equal(world_start(w, UP_ALL), 0);
	world_ask(w, 0, TL_QUEUE_CHANGE, QUEUE_RETRY, false,
	    &(struct queue_filter){ 0 }, &told);
	told_clear(&told);
	world_wait(w, 20000, w->q->walk == NULL && w->q->jobs.n == 0 &&
	    w->q->retrying == 0 && disk_lane_load(w->q->files) == 0 &&
	    journal_is_idle(w->q->journal));
	world_run(w, 20);
	for (i = 0; i < ALL; i++)
		n += world_done(w, ids[i], i <= OLD ? "x@far" : "y@far") == 1;
	for (i = 0; i < w->ndeliveries; i++)
		assert_int_equal(w->deliveries[i].crc,
		    world_content_crc((size_t)w->deliveries[i].size));
	world_kill(w);
	return n;
}

static void
change_byte(const char *file, off_t at)
{
	char path[256], byte;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", world.dir, file);
	fd = open(path, O_RDWR);
	assert_true(fd != -1);
	if (at < 0)
		at += lseek(fd, 0, SEEK_END);
	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 0x10;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

static void
cut(const char *file, off_t at)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", world.dir, file);
	assert_int_equal(truncate(path, at), 0);
}

static const char *
file_of(const char *dir, unsigned i)
{
	static struct store_name n;

	n = store_name(dir, ids[i]);
	return n.s;
}

/* Found beside a qmgr and without, nothing changed by looking; mended; and
 * the rest is served, as it is without. */
static void
expect(const char *text, unsigned missing, unsigned missing_unmended)
{
	uint32_t before = tree_crc();

	check(true, false);
	if (strstr(text, "cut short") == NULL &&
	    strstr(said.text, text) == NULL)
		fail_msg("not found beside a qmgr: %s\n%s", text, said.text);
	check(false, false);
	if (said.n != 1 || strstr(said.text, text) == NULL)
		fail_msg("not found: %s\n%s", text, said.text);
	assert_int_equal(tree_crc(), before);
	run("cp -a %s %s.damaged", world.dir, world.dir);
	check(false, true);
	assert_int_equal(said.mended, said.n);
	check(false, false);
	if (said.n > 0)
		fail_msg("not mended: %s", said.text);
	assert_int_equal(served(), ALL - missing);
	run("rm -rf %s && mv %s.damaged %s", world.dir, world.dir, world.dir);
	world.ndeliveries = 0;
	assert_int_equal(served(), ALL - missing_unmended);
}

static void
a_whole_queue_has_no_fault(void **state)
{
	(void)state;
	begin();
	check(false, false);
	assert_string_equal(said.text, "");
	check(true, false);
	assert_string_equal(said.text, "");
	assert_int_equal(served(), ALL);
	check(false, false);
	assert_string_equal(said.text, "");
}

/* The place of the n-th MESSAGE record among the young ones. */
struct places {
	uint64_t	 id;
	uint64_t	 at;
	char		 file[32];
};

static void
note_place(void *arg, const struct record *r)
{
	struct places *p = arg;

	if (r->type == REC_MESSAGE && r->id == p->id) {
		p->at = r->at;
		snprintf(p->file, sizeof(p->file), "journal/%s",
		    segment_name(r->segment));
	}
}

static void
no_damage(void *arg, const struct journal_damage *d)
{
	(void)arg;
	(void)d;
}

static struct places
place_of(unsigned i)
{
	static const struct journal_ops ops = { NULL, NULL };
	struct journal_config conf = { .loop = &world.loop, .look = true };
	struct places p = { .id = ids[i] };
	struct journal *j;

	conf.dir = open(world.dir, O_RDONLY | O_DIRECTORY);
	j = journal_open(&conf, &ops, NULL);
	assert_non_null(j);
	journal_replay(j, note_place, no_damage, &p);
	journal_close(&j);
	close(conf.dir);
	assert_true(p.at > 0);
	return p;
}

/* Each message once, whether the journal has it, a file, or both. */
static void
all_are_counted_beside_a_qmgr(void **state)
{
	(void)state;
	begin();
	check(false, false);
	assert_int_equal(said.messages, ALL);
	assert_int_equal(said.large, 1);
	assert_int_equal(world_start(&world, UP_SMTPD), 0);
	world_wait(&world, 5000, world.q->walk == NULL);
	check(true, false);
	assert_string_equal(said.text, "");
	assert_int_equal(said.messages, ALL);
	assert_int_equal(said.large, 1);
	world_kill(&world);
}

static void
a_damaged_record_costs_itself(void **state)
{
	struct places p;

	(void)state;
	begin();
	p = place_of(OLD + 2);
	change_byte(p.file, (off_t)p.at + 500);
	expect("are no records", 1, 1);
}

static void
a_damaged_last_record_is_told_from_an_empty_place(void **state)
{
	struct places p;

	(void)state;
	begin();
	p = place_of(ALL - 1);
	change_byte(p.file, (off_t)p.at + 500);
	expect("cut short", 1, 1);
}

static void
one_header_is_enough(void **state)
{
	struct places p;

	(void)state;
	begin();
	p = place_of(ALL - 1);
	change_byte(p.file, 20);
	expect("are its header", 0, 0);
	begin();
	change_byte(p.file, 20 - SEGMENT_HEADER_BYTES);
	expect("are its header", 0, 0);
}

static void
a_segment_that_was_cut_is_read_as_far_as_it_goes(void **state)
{
	struct places p;

	(void)state;
	begin();
	p = place_of(ALL - 1);
	cut(p.file, (off_t)p.at + SMALL + 2000);
	expect("are missing at its end", 0, 0);
}

static void
a_segment_that_was_emptied_is_noticed(void **state)
{
	static const off_t left[] = { 0, 5000 };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(left) / sizeof(left[0]); i++) {
		begin();
		change_byte(place_of(ALL - 1).file, 20);
		cut(place_of(ALL - 1).file, left[i]);
		expect("are all that is left of it", YOUNG, YOUNG);
	}
}

static void
a_segment_without_headers_is_put_aside(void **state)
{
	struct places p;

	(void)state;
	begin();
	p = place_of(ALL - 1);
	change_byte(p.file, 20);
	change_byte(p.file, 20 - SEGMENT_HEADER_BYTES);
	expect("both headers", YOUNG, YOUNG);
}

static void
a_damaged_file_is_put_aside(void **state)
{
	static const struct { off_t at; const char *text; } rows[] = {
		{ 3, "does not begin" },
		{ 20, "its head is damaged" },
		{ 90, "its envelope is damaged" },
		{ 1500, "its content is damaged (from <a@b> to <x@far>)" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		begin();
		change_byte(file_of("deferred", 1), rows[i].at);
		expect(rows[i].text, 1, 1);
	}
	begin();
	cut(file_of("deferred", 1), 1500);
	expect("ends within its content", 1, 1);
	begin();
	cut(file_of("deferred", 1), 10);
	expect("shorter than its head", 1, 1);
}

static void
a_damaged_log_costs_one_record(void **state)
{
	(void)state;
	begin();
	change_byte(file_of("deferred", 1), -3);
	expect("cut short", 0, 0);
}

static void
large_content_of_another_size_is_noticed(void **state)
{
	(void)state;
	begin();
	cut(file_of("large", OLD), 1234);
	check(false, false);
	assert_int_equal(said.n, 2);
	assert_non_null(strstr(said.text, "has 1234 bytes"));
	check(false, true);
	assert_int_equal(said.mended, 2);
	check(false, false);
	assert_string_equal(said.text, "");
	assert_int_equal(served(), ALL - 1);
}

/* One bit anywhere. */
static void
damaged_large_content_is_put_aside(void **state)
{
	(void)state;
	begin();
	change_byte(file_of("large", OLD), 234567);
	check(true, false);
	assert_non_null(strstr(said.text, "has another checksum"));
	check(false, false);
	assert_int_equal(said.n, 2);
	assert_non_null(strstr(said.text, "has another checksum"));
	run("cp -a %s %s.damaged", world.dir, world.dir);
	check(false, true);
	assert_int_equal(said.mended, 2);
	check(false, false);
	assert_string_equal(said.text, "");
	assert_int_equal(served(), ALL - 1);
	run("rm -rf %s && mv %s.damaged %s", world.dir, world.dir, world.dir);
	world.ndeliveries = 0;
	assert_int_equal(served(), ALL - 1);
}

static uint64_t
young_large_message(void)
{
	size_t before = world.nqueued;
	uint64_t id;

	assert_int_equal(world_start(&world, UP_SMTPD), 0);
	id = world_submit_large(&world, "a@b", "z@far", 400000);
	world_wait(&world, 5000, world.nqueued == before + 1 &&
	    journal_is_idle(world.q->journal));
	world_kill(&world);
	check(false, false);
	assert_string_equal(said.text, "");
	return id;
}

static void
damaged_content_of_a_young_message_is_held(void **state)
{
	const struct slot *s;
	uint64_t id;

	(void)state;
	begin();
	id = young_large_message();
	change_byte(store_name(STORE_LARGE, id).s, 234567);
	check(false, false);
	assert_int_equal(said.n, 1);
	assert_non_null(strstr(said.text, "has another checksum"));
	assert_int_equal(served(), ALL);
	assert_int_equal(world_done(&world, id, "z@far"), 0);
	assert_int_equal(world_start(&world, UP_ALL), 0);
	world_wait(&world, 20000,
	    (s = queue_find(&world.q->queue, id)) != NULL &&
	    s->state == SLOT_HELD);
	world_kill(&world);
}

static void
missing_content_of_a_young_message_is_noticed(void **state)
{
	uint64_t id;

	(void)state;
	begin();
	id = young_large_message();
	run("rm %s/%s", world.dir, store_name(STORE_LARGE, id).s);
	check(false, false);
	assert_int_equal(said.n, 1);
	assert_non_null(strstr(said.text, "is missing, the content"));
	assert_int_equal(served(), ALL);
}

static void
what_is_no_drop_file_is_noticed(void **state)
{
	(void)state;
	begin();
	run("mkdir %s/drop && echo nonsense >%s/drop/x", world.dir, world.dir);
	expect("drop/x: is no message", 0, 0);
	begin();
	run("echo nonsense >%s/limits", world.dir);
	check(false, false);
	assert_non_null(strstr(said.text, "limits: its checksum is wrong"));
	assert_int_equal(served(), ALL);
}

static void
a_damaged_format_is_mended(void **state)
{
	(void)state;
	begin();
	change_byte(QUEUE_FORMAT_NAME, 0);
	check(false, false);
	assert_non_null(strstr(said.text, "is no number"));
	check(false, true);
	assert_int_equal(said.mended, 1);
	assert_int_equal(served(), ALL);
}

static void
an_empty_format_is_mended(void **state)
{
	(void)state;
	begin();
	cut(QUEUE_FORMAT_NAME, 0);
	check(false, true);
	assert_non_null(strstr(said.text, "is no number"));
	assert_int_equal(said.mended, 1);
	assert_int_equal(served(), ALL);
}

/* Whoever opens a FIFO waits for its other end. */
static void
what_is_no_file_is_not_waited_for(void **state)
{
	(void)state;
	begin();
	run("cd %s && rm %s && mkfifo %s", world.dir, file_of("deferred", 1),
	    file_of("deferred", 1));
	check(false, false);
	assert_int_equal(said.n, 1);
	assert_non_null(strstr(said.text, "is no regular file"));
	assert_int_equal(served(), ALL - 1);
	check(false, true);
	assert_int_equal(said.mended, 1);
	check(false, false);
	assert_int_equal(said.n, 0);

	begin();
	run("cd %s && rm journal/0000 && mkfifo journal/0000", world.dir);
	check(false, false);
	assert_int_equal(said.n, 1);
	assert_non_null(strstr(said.text, "journal/0000: is no regular file"));
	check(false, true);
	assert_int_equal(said.mended, 1);
	check(false, false);
	assert_int_equal(said.n, 0);
	assert_int_equal(served(), ALL - YOUNG);
}

/* Nothing within a directory tells that a file of it was removed. */
static void
a_segment_that_was_deleted_is_missed(void **state)
{
	(void)state;
	begin();
	run("rm %s/%s", world.dir, place_of(ALL - 1).file);
	expect("was there and is not", YOUNG, YOUNG);
	begin();
	run("rm -r %s/journal", world.dir);
	expect("was there and is not", YOUNG, YOUNG);
	begin();
	run("cd %s && : >none && truncate -r %s none && mv none %s", world.dir,
	    place_of(ALL - 1).file, place_of(ALL - 1).file);
	expect("cannot be read", YOUNG, YOUNG);
}

/* ... and still missed when there are others, until somebody puts it back. */
static void
a_segment_that_was_put_back_is_missed_no_more(void **state)
{
	size_t before;
	unsigned i;

	(void)state;
	begin();
	run("mv %s/%s %s.kept", world.dir, place_of(ALL - 1).file, world.dir);
	for (i = 0; i < 2; i++) {
		before = world.nqueued;
		assert_int_equal(world_start(&world, UP_SMTPD), 0);
		world_submit(&world, "a@b", "z@far", SMALL);
		world_wait(&world, 5000, world.nqueued == before + 1 &&
		    journal_is_idle(world.q->journal));
		world_kill(&world);
		check(false, false);
		assert_int_equal(said.n, 1);
		assert_non_null(strstr(said.text,
		    "0000: was there and is not"));
	}
	run("mv %s.kept %s/journal/0000", world.dir, world.dir);
	check(false, false);
	assert_string_equal(said.text, "");
	assert_int_equal(served(), ALL);
}

/* A life that ends in order. */
static void
live_and_stop(void)
{
	assert_int_equal(world_start(&world, UP_SMTPD), 0);
	world_wait(&world, 5000, world.q->walk == NULL);
	world_stop(&world);
}

static void
a_file_that_was_deleted_is_missed(void **state)
{
	uint32_t before;

	(void)state;
	begin();
	live_and_stop();
	check(false, false);
	assert_string_equal(said.text, "");
	run("rm %s/%s", world.dir, file_of("deferred", 1));
	before = tree_crc();
	check(false, false);
	assert_int_equal(said.n, 1);
	assert_memory_equal(said.text, file_of("deferred", 1), 20);
	assert_non_null(strstr(said.text, "when the suite was stopped"));
	assert_int_equal(tree_crc(), before);
	check(true, false);
	assert_int_equal(said.n, 0);	/* what a qmgr has is its affair */
	check(false, true);
	assert_int_equal(said.mended, 1);
	check(false, false);
	assert_string_equal(said.text, "");
	assert_int_equal(served(), ALL - 1);
}

/* After a crash nobody knows what was there. */
static void
a_queue_that_has_lived_on_misses_nothing(void **state)
{
	(void)state;
	begin();
	live_and_stop();
	assert_int_equal(world_start(&world, UP_SMTPD), 0);
	world_kill(&world);
	run("rm %s/%s", world.dir, file_of("deferred", 1));
	check(false, false);
	assert_string_equal(said.text, "");
}

/* ... nor by the word of one that does not know the note. */
static void
a_note_of_an_earlier_life_is_not_believed(void **state)
{
	(void)state;
	begin();
	live_and_stop();
	run("cp %s/messages %s.kept", world.dir, world.dir);
	assert_int_equal(world_start(&world, UP_ALL), 0);
	world_submit(&world, "a@b", "z@far", SMALL);
	world_wait(&world, 5000, journal_is_idle(world.q->journal));
	world_kill(&world);
	run("mv %s.kept %s/messages && rm %s/%s", world.dir, world.dir,
	    world.dir, file_of("deferred", 1));
	check(false, false);
	assert_string_equal(said.text, "");
}

static void
what_was_put_aside_is_not_missed(void **state)
{
	(void)state;
	begin();
	live_and_stop();
	change_byte(file_of("deferred", 1), 100);
	change_byte("messages", 30);
	check(false, true);
	assert_int_equal(said.n, 2);
	assert_int_equal(said.mended, 2);
	assert_non_null(strstr(said.text, "messages: its checksum is wrong"));
	begin();
	live_and_stop();
	change_byte(file_of("deferred", 1), 100);
	check(false, true);
	assert_int_equal(said.mended, 1);
	check(false, false);
	assert_string_equal(said.text, "");
}

/* What is acknowledged lasts, whoever removes its segment meanwhile. */
static void
a_segment_that_is_deleted_in_use_loses_nothing(void **state)
{
	struct world *w = &world;
	size_t before = w->nqueued;
	uint64_t id;

	(void)state;
	begin();
	assert_int_equal(world_start(w, UP_SMTPD), 0);
	id = world_submit(w, "a@b", "y@far", SMALL);
	world_wait(w, 5000, w->nqueued == before + 1 &&
	    journal_is_idle(w->q->journal));
	run("rm %s/journal/*", w->dir);
	journal_look(w->q->journal);
	world_wait(w, 20000, w->q->walk == NULL &&
	    journal_after(w->q->journal, 0) == NULL);
	world_kill(w);
	check(false, false);
	assert_string_equal(said.text, "");
	assert_int_equal(served(), ALL);
	assert_int_equal(world_done(w, id, "y@far"), 1);
}

static void
what_is_no_directory_is_noticed(void **state)
{
	static const char *const dirs[] = { "deferred", "deferred/00",
		"large", "deleted/ff", "drop", "corrupt", "journal" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		begin();
		run("cd %s && mv %s ../%s.was 2>/dev/null; : >%s", world.dir,
		    dirs[i], "taken", dirs[i]);
		run("rm -rf %s/../taken.was", world.dir);
		check(false, false);
		if (strstr(said.text, "is no directory") == NULL)
			fail_msg("%s: %s", dirs[i], said.text);
		check(false, true);
		assert_int_equal(said.mended, said.n);
		check(false, false);
		assert_string_equal(said.text, "");
		assert_int_equal(world_start(&world, UP_SMTPD), 0);
		world_kill(&world);
	}
}

static void
nothing_in_corrupt_is_written_over(void **state)
{
	(void)state;
	begin();
	run("echo first >%s/corrupt/%s", world.dir,
	    queue_id_text(ids[1]).s);
	change_byte(file_of("deferred", 1), 1500);
	check(false, true);
	assert_int_equal(said.mended, 1);
	run("grep -q first %s/corrupt/%s && test -s %s/corrupt/%s.1",
	    world.dir, queue_id_text(ids[1]).s, world.dir,
	    queue_id_text(ids[1]).s);
}

/* ---- at random ---------------------------------------------------------- */

static struct {
	struct {
		char	 name[128];
		off_t	 size;
	}	 v[FILES];
	unsigned n;
} files;

static int
list_file(const char *path, const struct stat *st, int type, struct FTW *f)
{
	const char *name = path + strlen(world.dir) + 1;

	(void)f;
	/* Without this one qmgr does not start: a_damaged_format_is_mended */
	if (strcmp(name, QUEUE_FORMAT_NAME) == 0)
		return 0;
	if (type == FTW_F && st->st_size > 0 && files.n < FILES) {
		snprintf(files.v[files.n].name, sizeof(files.v[0].name), "%s",
		    name);
		files.v[files.n++].size = st->st_size;
	}
	return 0;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* Most of a segment is empty: damage goes where records are. */
static void
damage_one(void)
{
	unsigned i = (unsigned)random() % files.n;
	const char *name = files.v[i].name;
	off_t size = files.v[i].size;

	if (strncmp(name, "journal/", 8) == 0 && random() % 4 > 0)
		size = SEGMENT_HEADER_BYTES + 20 * SMALL;
	if (random() % 4 == 0)
		cut(name, random() % size);
	else
		change_byte(name, random() % size);
}

static void
whatever_is_hit_the_rest_is_served(void **state)
{
	const char *env = getenv("CHECK_SEED"), *n = getenv("CHECK_ROUNDS");
	unsigned seed = env != NULL ? (unsigned)strtoul(env, NULL, 10) :
	    arc4random();
	unsigned rounds = n != NULL ? (unsigned)strtoul(n, NULL, 10) : 20;
	unsigned got;
	bool repair;

	(void)state;
	print_message("CHECK_SEED=%u\n", seed);
	for (; rounds > 0; rounds--, seed++) {
		srandom(seed);
		begin();
		files.n = 0;
		nftw(world.dir, list_file, 16, FTW_PHYS);
		qsort(files.v, files.n, sizeof(files.v[0]), by_name);
		damage_one();
		check(true, false);
		check(false, false);
		repair = random() % 2 == 0;
		if (repair) {
			check(false, true);
			assert_int_equal(said.mended, said.n);
			check(false, false);
			if (said.n > 0)
				fail_msg("CHECK_SEED=%u: %s", seed, said.text);
		}
		got = served();
		/* A segment may have been cut before all that is in it. */
		if (got < ALL - 1 && strstr(said.text, "missing at") == NULL &&
		    !repair)
			fail_msg("CHECK_SEED=%u: %u of %u: %s", seed, got, ALL,
			    said.text);
		if (got < ALL && !repair && said.n == 0)
			fail_msg("CHECK_SEED=%u: %u of %u, and nothing was "
			    "found", seed, got, ALL);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_queue_has_no_fault),
		cmocka_unit_test(all_are_counted_beside_a_qmgr),
		cmocka_unit_test(a_damaged_record_costs_itself),
		cmocka_unit_test(
		    a_damaged_last_record_is_told_from_an_empty_place),
		cmocka_unit_test(one_header_is_enough),
		cmocka_unit_test(
		    a_segment_that_was_cut_is_read_as_far_as_it_goes),
		cmocka_unit_test(a_segment_that_was_emptied_is_noticed),
		cmocka_unit_test(a_segment_without_headers_is_put_aside),
		cmocka_unit_test(a_damaged_file_is_put_aside),
		cmocka_unit_test(a_damaged_log_costs_one_record),
		cmocka_unit_test(large_content_of_another_size_is_noticed),
		cmocka_unit_test(damaged_large_content_is_put_aside),
		cmocka_unit_test(damaged_content_of_a_young_message_is_held),
		cmocka_unit_test(missing_content_of_a_young_message_is_noticed),
		cmocka_unit_test(what_is_no_drop_file_is_noticed),
		cmocka_unit_test(a_damaged_format_is_mended),
		cmocka_unit_test(an_empty_format_is_mended),
		cmocka_unit_test(what_is_no_file_is_not_waited_for),
		cmocka_unit_test(a_segment_that_was_deleted_is_missed),
		cmocka_unit_test(a_segment_that_was_put_back_is_missed_no_more),
		cmocka_unit_test(a_file_that_was_deleted_is_missed),
		cmocka_unit_test(a_queue_that_has_lived_on_misses_nothing),
		cmocka_unit_test(a_note_of_an_earlier_life_is_not_believed),
		cmocka_unit_test(what_was_put_aside_is_not_missed),
		cmocka_unit_test(
		    a_segment_that_is_deleted_in_use_loses_nothing),
		cmocka_unit_test(what_is_no_directory_is_noticed),
		cmocka_unit_test(nothing_in_corrupt_is_written_over),
		cmocka_unit_test(whatever_is_hit_the_rest_is_served),
	};

	return cmocka_run_group_tests(tests, make_queue, remove_queue);
}
