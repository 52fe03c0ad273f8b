/* SPDX-License-Identifier: ISC */
/*
 * What holds of mailboxes whatever fails.  A life of a worker is recorded on a
 * simulated disk (os/sim_disk.h): messages for a Maildir with an index and for
 * one that is not there yet, alone and many at once, and a session looks at
 * them in between.  Then for each sync of it, and for instants between, the
 * disk is made again as a crash or a power cut may have left it: what was told
 * as delivered before is there (Q2).  Another worker gets everything once more,
 * with the warning that it may have been done: then each message is there once
 * (Q3) and whole, the index agrees, and a UID that a session has seen is no
 * other message's (S2).  In that second life the power goes again.
 *
 * Then the same with builds that are broken on purpose: each must be found out.
 *
 * CRASH_SEED=N repeats a run; CRASH_RUNS=N: how many instants between syncs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/socket.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/num.h"
#include "ipc/delivery.h"
#include "os/sim_run.h"
#include "store/store.h"
#include "test_dir.h"
#include "worker.h"

#define BOXES		2
#define MESSAGES	24
#define NEVER		SIZE_MAX
#define LIVES		3
#define STUCK_TURNS	2000

static const char *const boxes[BOXES] = { "a", "b" };

/* What the session knew of a box when so many changes had been made. */
struct look {
	size_t		 at;
	int		 box;
	uint32_t	 uidvalidity;
	uint32_t	 uids[MESSAGES];	/* 0: not seen */
};

struct life {
	char		 dir[PATH_MAX];
	struct sim_disk	*disk;
	struct ev_loop	 loop;
	struct worker	*worker;
	struct channel	*worker_side;
	struct channel	*side;		/* the dispatcher's */
	/* How many changes had been made when it was told as delivered. */
	size_t		 told[MESSAGES][BOXES];
	unsigned	 answers;
	struct look	 looks[8];
	size_t		 nlooks;
};

static const char *const modes[] = { "auto", "filesystem", "file" };

/* ---- messages ----------------------------------------------------------- */

/* Every third is for both. */
static bool
is_for(unsigned n, int box)
{
	return n % 3 == 0 || (int)(n % 2) == box;
}

static void
text_of(unsigned n, bool stored, struct buf *b)
{
	const char *end = stored ? "\n" : "\r\n";
	unsigned i, lines = n == 5 ? 2000 : n * 7 % 60;

	if (stored)
		buf_add_str(b, "Return-Path: <s@client.example>\n"
		    "Delivered-To: u@example.org\n");
	buf_printf(b, "Subject: %u%s%s", n, end, end);
	for (i = 0; i < lines; i++)
		buf_printf(b, "line %u of message %u%s", i, n, end);
}

static struct buf stored[MESSAGES];	/* as they are in files */

/* Which message this is; -1: not all of one. */
static int
which(struct slice text)
{
	int n;

	for (n = 0; n < MESSAGES; n++)
		if (slice_eq(buf_slice(&stored[n]), text))
			return n;
	return -1;
}

static void
box_path(const struct life *l, int box, char path[PATH_MAX])
{
	test_path(path, PATH_MAX, "%s/example.org/%s/Maildir", l->dir,
	    boxes[box]);
}

/* ---- a worker ----------------------------------------------------------- */

static void
worker_says(void *arg, struct channel *ch, struct message *m)
{
	struct life *l = arg;
	struct outcome o;
	uint32_t n, box;

	(void)ch;
	if (m->type != LW_RESULT)
		return;
	for (n = get_u32(&m->body); n > 0; n--) {
		box = get_u32(&m->body);
		assert_true(outcome_unpack(&m->body, &o));
		l->answers++;
		if (o.status == OUTCOME_DELIVERED && l->told[m->id][box] ==
		    NEVER)
			l->told[m->id][box] = sim_disk_now(l->disk);
	}
}

static void
worker_is_down(void *arg, struct channel *ch)
{
	(void)arg;
	(void)ch;
	fail_msg("the worker has ended");
}

static const struct channel_ops side_ops = { worker_says, worker_is_down,
	NULL };

static void
worker_start(struct life *l, const char *mode)
{
	struct buf why = BUF_INIT(4000), text = BUF_INIT(4000);
	struct conf *conf;
	int fds[2];

	buf_printf(&text, "hostname = mx.example.org\npath.mail = \"%s\"\n"
	    "local.sync = %s\n", l->dir, mode);
	conf = conf_parse(buf_slice(&text), "test", &why);
	assert_non_null(conf);
	ev_loop_init(&l->loop);
	l->worker = worker_new(&l->loop, &sim_fs, conf, 10, false);
	conf_free(&conf);
	buf_clear(&text);
	buf_clear(&why);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	l->worker_side = channel_new(&l->loop, fds[0], local_worker_rules,
	    ROLE_WORKER, ROLE_LOCAL, 0, &worker_ops, l->worker);
	l->side = channel_new(&l->loop, fds[1], local_worker_rules, ROLE_LOCAL,
	    ROLE_WORKER, 0, &side_ops, l);
}

static void
worker_end(struct life *l)
{
	channel_free(&l->side);
	channel_free(&l->worker_side);
	worker_free(&l->worker);
	ev_loop_clear(&l->loop);
}

/* The number of answers that will come. */
static unsigned
send_message(struct life *l, unsigned n, bool maybe_done)
{
	struct buf text = BUF_INIT(200000), *b;
	struct job_recipient r[BOXES];
	struct job j = { .queue_id = n, .arrived_ms = 1763840000000 + n,
		.reverse_path = SLICE_LIT("s@client.example"),
		.envid = SLICE_EMPTY, .recipients = r };
	char paths[BOXES][PATH_MAX];
	int box;

	for (box = 0; box < BOXES; box++) {
		if (!is_for(n, box))
			continue;
		box_path(l, box, paths[box]);
		r[j.nrecipients++] = (struct job_recipient){
			.number = (uint32_t)box, .maybe_done = maybe_done,
			.address = SLICE_LIT("u@example.org"),
			.original = SLICE_LIT("u@example.org"),
			.orcpt = SLICE_EMPTY,
			.to = { .kind = DEST_MAILDIR, .flags = DEST_VIRTUAL,
				.next_hop = SLICE_LIT("local:1"), .uid = 1,
				.gid = 1, .user = SLICE_EMPTY,
				.home = slice_str(l->dir),
				.path = slice_str(paths[box]),
				.text = SLICE_EMPTY } };
	}
	text_of(n, false, &text);
	j.content = buf_slice(&text);
	b = channel_begin(l->side, LW_JOB, n);
	assert_int_equal(job_pack(b, &j), 0);
	channel_end(l->side);
	buf_clear(&text);
	return (unsigned)j.nrecipients;
}

/* Messages that the worker reads in one turn, until all are answered. */
static void
deliver(struct life *l, unsigned from, unsigned to, bool maybe_done)
{
	unsigned n, i, expected = l->answers;

	for (n = from; n < to; n++)
		expected += send_message(l, n, maybe_done);
	for (i = 0; i < STUCK_TURNS && l->answers < expected; i++)
		ev_turn(&l->loop, 20);
	assert_int_equal(l->answers, expected);
}

/* ---- a session ---------------------------------------------------------- */

static const struct store_options simulated = { .fs = &sim_fs };

static int
text_in(struct mailbox *mb, uint32_t uid)
{
	struct message_content c;
	int n;

	if (mailbox_content(mb, uid, &c) != STORE_OK)
		return -1;
	n = which(c.bytes);
	message_content_clear(&c);
	return n;
}

/* NULL, or what is wrong: a message that is there twice, or not whole. */
static const char *
look(struct life *l, int box, struct look *k)
{
	char path[PATH_MAX];
	const struct message_entry *e;
	const char *bad = NULL;
	struct mailbox *mb;
	struct store *s;
	size_t i, count;
	int n;

	memset(k, 0, sizeof(*k));
	k->box = box;
	box_path(l, box, path);
	s = store_open(path, &simulated);
	if (s == NULL || mailbox_open(s, SLICE_LIT("INBOX"), false, &mb) !=
	    STORE_OK) {
		store_close(&s);
		return sim_because("box %s cannot be opened", boxes[box]);
	}
	k->uidvalidity = mailbox_head(mb)->uidvalidity;
	e = mailbox_entries(mb, &count);
	for (i = 0; i < count && bad == NULL; i++) {
		n = text_in(mb, e[i].uid);
		if (n == -1)
			bad = sim_because("UID %u of %s is no message",
			    e[i].uid, boxes[box]);
		else if (k->uids[n] != 0)
			bad = sim_because("message %d has UIDs %u and %u", n,
			    k->uids[n], e[i].uid);
		else
			k->uids[n] = e[i].uid;
	}
	mailbox_close(&mb);
	store_close(&s);
	k->at = sim_disk_now(l->disk);
	return bad;
}

static void
session(struct life *l, int box)
{
	const char *bad = look(l, box, &l->looks[l->nlooks++]);

	if (bad != NULL)
		fail_msg("%s", bad);
}

/* ---- lives -------------------------------------------------------------- */

static void
life_init(struct life *l)
{
	char *dir = sim_dir_new(access("/dev/shm", W_OK) == 0 ? "/dev/shm" :
	    ".");

	memset(l, 0, sizeof(*l));
	memset(l->told, 0xff, sizeof(l->told));
	test_path(l->dir, sizeof(l->dir), "%s", dir);
	free(dir);
}

static void
life_start(struct life *l, const char *mode)
{
	l->disk = sim_disk_new(l->dir);
	worker_start(l, mode);
}

static void
life_end(struct life *l)
{
	sim_disk_stop(l->disk);
	worker_end(l);
}

static void
life_clear(struct life *l)
{
	sim_dir_remove(l->dir);
	sim_disk_free(&l->disk);
}

/* The first Maildir has an index; the second is made for its first message. */
static void
prepare(struct life *l)
{
	static const struct store_options plain = { .create = true };
	char path[PATH_MAX];
	struct mailbox *mb;
	struct store *s;

	life_init(l);
	test_path(path, sizeof(path), "%s/example.org", l->dir);
	assert_int_equal(mkdir(path, 0700), 0);
	test_path(path, sizeof(path), "%s/example.org/a", l->dir);
	assert_int_equal(mkdir(path, 0700), 0);
	box_path(l, 0, path);
	s = store_open(path, &plain);
	assert_non_null(s);
	assert_int_equal(mailbox_open(s, SLICE_LIT("INBOX"), false, &mb),
	    STORE_OK);
	mailbox_close(&mb);
	store_close(&s);
}

static void
play(struct life *l)
{
	unsigned n;

	for (n = 0; n < 4; n++)
		deliver(l, n, n + 1, false);
	session(l, 0);
	deliver(l, 4, 14, false);
	session(l, 0);
	session(l, 1);
	deliver(l, 14, 17, false);
	session(l, 1);
	deliver(l, 17, MESSAGES, false);
}

/* ---- builds that are broken --------------------------------------------- */

static const struct broken {
	const char	*name, *mode, *call, *path;
} broken_builds[] = {
	{ "a message is not synced", "file", "fsync", "*/new/*" },
	{ "names in new/ are not synced", "file", "fsync", "*/new" },
	{ "several messages are not synced", "filesystem", "syncfs", "*" },
	{ "the name of a new user's directory is not synced", "file", "fsync",
	    "example.org" },
};

static void
record(struct life *l, const char *mode, const struct broken *b)
{
	sim_boot_s = 0;
	prepare(l);
	life_start(l, mode);
	if (b != NULL)
		sim_disk_leave_out(l->disk, b->call, b->path);
	play(l);
	life_end(l);
}

/* ---- what must hold ----------------------------------------------------- */

/* Counts the copies of each message in a directory of a Maildir. */
static const char *
count_copies(const char *path, const char *sub, bool all_whole,
    unsigned copies[MESSAGES])
{
	char dir[PATH_MAX];
	struct buf b = BUF_INIT(1000000);
	const char *bad = NULL;
	struct dirent *e;
	DIR *d;
	int fd, n;

	test_path(dir, sizeof(dir), "%s/%s", path, sub);
	d = opendir(dir);
	while (d != NULL && bad == NULL && (e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		buf_reset(&b);
		fd = openat(dirfd(d), e->d_name, O_RDONLY | O_CLOEXEC);
		assert_true(fd != -1);
		(void)!fs_read(&fs_real, fd, &b, 900000, 0);
		close(fd);
		n = which(buf_slice(&b));
		if (n != -1)
			copies[n]++;
		else if (all_whole)
			bad = sim_because("%s/%s is not whole", sub,
			    e->d_name);
	}
	if (d != NULL)
		closedir(d);
	buf_clear(&b);
	return bad;
}

static const char *
count_box(const struct life *l, int box, bool all_whole,
    unsigned copies[MESSAGES])
{
	char path[PATH_MAX];
	const char *bad;

	memset(copies, 0, MESSAGES * sizeof(copies[0]));
	box_path(l, box, path);
	bad = count_copies(path, "new", all_whole, copies);
	return bad != NULL ? bad : count_copies(path, "cur", all_whole,
	    copies);
}

/* Q2: what any life before told as delivered is there, whatever comes.  A
 * rename to cur/ may have been cut in two. */
static const char *
check_told(const struct life *v, size_t n, const struct life *l)
{
	unsigned copies[MESSAGES], i;
	const char *bad;
	size_t k;
	int box;

	for (box = 0; box < BOXES; box++) {
		bad = count_box(l, box, false, copies);
		for (i = 0; i < MESSAGES && bad == NULL; i++)
			for (k = 0; k < n && bad == NULL; k++)
				if (v[k].told[i][box] != NEVER &&
				    copies[i] == 0)
					bad = sim_because("message %u, told as "
					    "delivered to %s, is lost", i,
					    boxes[box]);
		if (bad != NULL)
			return bad;
	}
	return NULL;
}

static void
keep_line(void *arg, const char *line)
{
	snprintf(arg, 200, "%s", line);
}

/* S2: a UID that a session has seen is no other message's. */
static const char *
check_uids(const struct look *seen, const struct look *now)
{
	unsigned i, n;

	if (seen->box != now->box || seen->uidvalidity != now->uidvalidity)
		return NULL;
	for (i = 0; i < MESSAGES; i++)
		for (n = 0; n < MESSAGES; n++)
			if (i != n && seen->uids[i] != 0 &&
			    seen->uids[i] == now->uids[n])
				return sim_because("UID %u of %s was of "
				    "message %u and is of %u", seen->uids[i],
				    boxes[now->box], i, n);
	return NULL;
}

static const char *
check_index(const struct life *v, size_t n, struct life *l, int box)
{
	char path[PATH_MAX], line[200] = "";
	struct store *s;
	struct look k;
	const char *bad = look(l, box, &k);
	unsigned i, wrong = 0;
	size_t life, j;

	for (i = 0; i < MESSAGES && bad == NULL; i++)
		if ((k.uids[i] != 0) != is_for(i, box))
			bad = sim_because("message %u is %sin the index of %s",
			    i, k.uids[i] != 0 ? "" : "not ", boxes[box]);
	for (life = 0; life < n; life++)
		for (j = 0; j < v[life].nlooks && bad == NULL; j++)
			bad = check_uids(&v[life].looks[j], &k);
	if (bad != NULL)
		return bad;
	box_path(l, box, path);
	s = store_open(path, &simulated);
	if (s == NULL || store_verify(s, SLICE_LIT("INBOX"), false, keep_line,
	    line, &wrong) != STORE_OK || wrong != 0)
		bad = sim_because("box %s differs from its index: %s",
		    boxes[box], line);
	store_close(&s);
	return bad;
}

/* Q3: after the retry, and when a session has looked, each is there once. */
static const char *
check_all(const struct life *v, size_t n, struct life *l)
{
	unsigned copies[MESSAGES], i;
	const char *bad = NULL;
	int box;

	for (box = 0; box < BOXES && bad == NULL; box++) {
		bad = check_index(v, n, l, box);
		if (bad == NULL)
			bad = count_box(l, box, true, copies);
		for (i = 0; i < MESSAGES && bad == NULL; i++)
			if (copies[i] != is_for(i, box))
				bad = sim_because("message %u is in %s %u "
				    "times", i, boxes[box], copies[i]);
	}
	return bad;
}

struct cut {
	size_t		 at;
	enum sim_end	 end;
	uint64_t	 seed;
};

/* What came after the cut never was. */
static void
forget(struct life *l, size_t cut)
{
	unsigned i;
	int box;

	for (i = 0; i < MESSAGES; i++)
		for (box = 0; box < BOXES; box++)
			if (l->told[i][box] > cut)
				l->told[i][box] = NEVER;
	while (l->nlooks > 0 && l->looks[l->nlooks - 1].at > cut)
		l->nlooks--;
}

/* A life on what the last of n lives has left at a cut, and judgement. */
static const char *
relive(struct life *v, size_t n, const struct cut *c, const char *mode)
{
	struct life *l = &v[n];
	const char *bad;

	forget(&v[n - 1], c->at);
	life_init(l);
	sim_disk_restore(v[n - 1].disk, l->dir, c->at, c->end, c->seed);
	if (c->end == SIM_POWER)
		sim_boot_s += 1000;
	life_start(l, mode);
	bad = check_told(v, n, l);
	if (bad == NULL) {
		deliver(l, 0, MESSAGES / 2, true);
		deliver(l, MESSAGES / 2, MESSAGES, true);
		bad = check_all(v, n, l);
	}
	life_end(l);
	return bad;
}

static const char *
try_cut(const struct life *first, const struct cut *c, const char *mode)
{
	struct life *v = mem_array(LIVES, sizeof(*v));
	struct cut second = *c;
	const char *bad;

	sim_boot_s = 0;
	v[0] = *first;
	bad = relive(v, 1, c, mode);
	if (bad == NULL) {
		second.at = sim_random(&second.seed) %
		    (sim_disk_now(v[1].disk) + 1);
		bad = relive(v, 2, &second, mode);
		life_clear(&v[2]);
	}
	life_clear(&v[1]);
	free(v);
	return bad;
}

/* ---- the runs ----------------------------------------------------------- */

static uint64_t seed;
static size_t runs = 15;

static void
judge(const struct life *first, const struct cut *c, const char *mode)
{
	const char *bad = try_cut(first, c, mode);

	if (bad != NULL)
		fail_msg("local.sync = %s: %s before change %zu of %zu (%s), "
		    "seed %llu of run CRASH_SEED=%llu: %s", mode,
		    c->end == SIM_POWER ? "power cut" : "crash", c->at,
		    sim_disk_now(first->disk),
		    sim_disk_change(first->disk, c->at),
		    (unsigned long long)c->seed, (unsigned long long)seed,
		    bad);
}

/* Before and after each sync, and at instants between. */
static void
sweep(enum sim_end end)
{
	struct life *first = mem_alloc(sizeof(*first));
	struct cut c = { .end = end };
	uint64_t r = seed;
	size_t i, m, all;

	for (m = 0; m < sizeof(modes) / sizeof(modes[0]); m++) {
		record(first, modes[m], NULL);
		all = sim_disk_now(first->disk);
		for (c.at = sim_disk_next_sync(first->disk, 0); c.at < all;
		    c.at = sim_disk_next_sync(first->disk, c.at)) {
			c.seed = sim_random(&r);
			judge(first, &c, modes[m]);
			c.at++;
			judge(first, &c, modes[m]);
		}
		for (i = 0; i < runs; i++) {
			c.seed = sim_random(&r);
			c.at = sim_random(&r) % (all + 1);
			judge(first, &c, modes[m]);
		}
		print_message("%s: %zu changes\n", modes[m], all);
		life_clear(first);
	}
	free(first);
}

static void
a_crash_makes_no_message_twice(void **state)
{
	(void)state;
	sweep(SIM_CRASH);
}

static void
a_power_cut_loses_nothing_that_was_told(void **state)
{
	(void)state;
	sweep(SIM_POWER);
}

/* ---- the net ------------------------------------------------------------ */

static bool
find_out(const struct broken *b, size_t most)
{
	struct life *first = mem_alloc(sizeof(*first));
	struct cut c = { .end = SIM_POWER };
	const char *bad = NULL;
	uint64_t r = seed;
	size_t n;

	record(first, b->mode, b);
	if (sim_disk_left_out(first->disk) == 0)
		print_error("%s: there is no such call\n", b->name);
	for (n = 1; n <= most && bad == NULL; n++) {
		c.seed = sim_random(&r);
		c.at = sim_random(&r) % (sim_disk_now(first->disk) + 1);
		bad = try_cut(first, &c, b->mode);
	}
	life_clear(first);
	free(first);
	return sim_found_out(b->name, n - 1, bad);
}

static void
every_broken_build_is_found_out(void **state)
{
	size_t i, n = sizeof(broken_builds) / sizeof(broken_builds[0]);
	unsigned missed = 0;

	(void)state;
	for (i = 0; i < n; i++)
		missed += !find_out(&broken_builds[i], 200);
	assert_int_equal(missed, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_crash_makes_no_message_twice),
		cmocka_unit_test(a_power_cut_loses_nothing_that_was_told),
		cmocka_unit_test(every_broken_build_is_found_out),
	};
	unsigned n;
	int failed;

	for (n = 0; n < MESSAGES; n++) {
		stored[n] = BUF_INIT(200000);
		text_of(n, true, &stored[n]);
	}
	seed = sim_begin_runs("CRASH", &runs);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	for (n = 0; n < MESSAGES; n++)
		buf_clear(&stored[n]);
	return failed;
}
