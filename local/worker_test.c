/* SPDX-License-Identifier: ISC */
/* worker_test - a whole worker with a dispatcher played by the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/num.h"
#include "base/test_guard.h"
#include "ipc/delivery.h"
#include "store/staging.h"
#include "test_dir.h"
#include "worker.h"

#define BODY	"Subject: hello\r\n\r\nbody\r\n"

struct result {
	uint64_t	 job;
	uint32_t	 number;
	enum outcome_status status;
	uint16_t	 subject, detail;
	char		 text[200];
	bool		 damaged;
};

static struct {
	struct ev_loop	 loop;
	struct worker	*worker;
	struct channel	*worker_side;
	struct channel	*side;		/* the dispatcher's */
	const char	*dir;
	struct sim_disk	*disk;		/* NULL: the real one */
	char		 path[PATH_MAX];
	struct result	 results[2000];
	size_t		 nresults;
	struct buf	 expanded;	/* the last one */
	unsigned	 news;
	bool		 down;
} t;

static void
worker_says(void *arg, struct channel *ch, struct message *m)
{
	struct outcome o;
	uint32_t n;

	(void)arg;
	(void)ch;
	if (m->type == LW_EXPANDED) {
		buf_reset(&t.expanded);
		buf_add(&t.expanded, m->body.rest);
		return;
	}
	if (m->type == LW_NEWS) {
		assert_slice_equal(get_slice(&m->body, 4096),
		    slice_str(t.path));
		t.news++;
		return;
	}
	assert_int_equal(m->type, LW_RESULT);
	for (n = get_u32(&m->body); n > 0; n--) {
		struct result *r = &t.results[t.nresults++];

		r->job = m->id;
		r->number = get_u32(&m->body);
		assert_true(outcome_unpack(&m->body, &o));
		r->status = o.status;
		r->damaged = o.damaged;
		r->subject = o.enhanced.subject;
		r->detail = o.enhanced.detail;
		snprintf(r->text, sizeof(r->text), "%.*s", SLICE_ARG(o.text));
	}
	assert_true(wire_done(&m->body));
}

static void
worker_down(void *arg, struct channel *ch)
{
	(void)arg;
	(void)ch;
	t.down = true;
	t.side = NULL;
}

static const struct channel_ops side_ops = { worker_says, worker_down, NULL };

static void
worker_side_down(void *arg, struct channel *ch)
{
	t.worker_side = NULL;
	worker_ops.down(arg, ch);
}

static int
start_with(const struct fs *fs, bool threaded)
{
	static struct channel_ops ops;
	struct buf why = BUF_INIT(4000), text = BUF_INIT(4000);
	struct conf *conf;
	int fds[2];

	memset(&t, 0, sizeof(t));
	buf_init(&t.expanded, 300000);
	t.dir = test_dir();
	if (fs == &sim_fs)
		t.disk = sim_disk_new(t.dir);
	test_path(t.path, sizeof(t.path), "%s/example.org/u/Maildir", t.dir);
	buf_printf(&text, "hostname = mx.example.org\npath.mail = \"%s\"\n",
	    t.dir);
	conf = conf_parse(buf_slice(&text), "test", &why);
	assert_non_null(conf);
	ev_loop_init(&t.loop);
	t.worker = worker_new(&t.loop, fs, conf, 10, threaded);
	conf_free(&conf);
	buf_clear(&text);
	buf_clear(&why);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	ops = worker_ops;
	ops.down = worker_side_down;
	t.worker_side = channel_new(&t.loop, fds[0], local_worker_rules,
	    ROLE_WORKER, ROLE_LOCAL, 0, &ops, t.worker);
	t.side = channel_new(&t.loop, fds[1], local_worker_rules, ROLE_LOCAL,
	    ROLE_WORKER, 0, &side_ops, NULL);
	return 0;
}

static int
start(void **state)
{
	(void)state;
	return start_with(&sim_fs, false);
}

static int
start_threaded(void **state)
{
	(void)state;
	return start_with(&fs_real, true);
}

static int
end(void **state)
{
	(void)state;
	channel_free(&t.side);
	channel_free(&t.worker_side);
	worker_free(&t.worker);
	ev_loop_clear(&t.loop);
	buf_clear(&t.expanded);
	sim_disk_free(&t.disk);
	sim_dir_remove(t.dir);
	return 0;
}

/* Turns until so many results came. */
static void
turn_until(size_t nresults)
{
	int i;

	for (i = 0; i < 1000 && t.nresults < nresults; i++)
		ev_turn(&t.loop, 50);
	assert_int_equal(t.nresults, nresults);
}

static struct job_recipient
recipient(uint32_t number)
{
	return (struct job_recipient){ .number = number,
		.address = SLICE_LIT("u@example.org"),
		.original = SLICE_LIT("u@example.org"),
		.orcpt = SLICE_EMPTY,
		.to = { .kind = DEST_MAILDIR, .flags = DEST_VIRTUAL,
			.next_hop = SLICE_LIT("local:1"), .uid = 1, .gid = 1,
			.user = SLICE_EMPTY, .home = slice_str(t.dir),
			.path = slice_str(t.path), .text = SLICE_EMPTY } };
}

static struct job
job_of(struct job_recipient *r, size_t n)
{
	return (struct job){ .queue_id = 42,
		.reverse_path = SLICE_LIT("s@client.example"),
		.envid = SLICE_EMPTY, .arrived_ms = 1763840000000,
		.content = SLICE_LIT(BODY), .recipients = r,
		.nrecipients = n };
}

static void
send_job(uint64_t id, const struct job *j, int fd)
{
	struct buf *b = channel_begin(t.side, fd == -1 ? LW_JOB : LW_JOB_FILE,
	    id);

	assert_int_equal(job_pack(b, j), 0);
	if (fd == -1)
		channel_end(t.side);
	else
		channel_end_fds(t.side, &fd, 1);
}

static void
read_file(const char *sub, char *to, size_t size)
{
	struct test_entries e = test_list(t.path, sub);
	char path[PATH_MAX + NAME_MAX + 10];
	ssize_t n;
	int fd;

	assert_int_equal(e.n, 1);
	test_path(path, sizeof(path), "%s/%s/%s", t.path, sub, e.name);
	fd = open(path, O_RDONLY);
	n = read(fd, to, size - 1);
	assert_true(n >= 0);
	to[n] = '\0';
	close(fd);
}

static void
message_is_stored_with_its_fields(void **state)
{
	struct job_recipient r = recipient(3);
	struct job j = job_of(&r, 1);
	char got[1000];

	(void)state;
	r.original = SLICE_LIT("alias@example.org");
	send_job(7, &j, -1);
	turn_until(1);
	assert_int_equal(t.results[0].job, 7);
	assert_int_equal(t.results[0].number, 3);
	assert_int_equal(t.results[0].status, OUTCOME_DELIVERED);
	read_file("new", got, sizeof(got));
	assert_string_equal(got, "Return-Path: <s@client.example>\n"
	    "Delivered-To: u@example.org\n"
	    "X-Original-To: alias@example.org\n"
	    "Subject: hello\n\nbody\n");
}

static void
many_jobs_of_one_turn_are_all_answered(void **state)
{
	struct job_recipient r[5];
	struct job j = job_of(r, 5);
	uint64_t id;
	uint32_t i;

	(void)state;
	for (id = 0; id < 100; id++) {
		for (i = 0; i < 5; i++)
			r[i] = recipient(i);
		j.queue_id = id;
		send_job(id, &j, -1);
	}
	turn_until(500);
	for (i = 0; i < 500; i++)
		assert_int_equal(t.results[i].status, OUTCOME_DELIVERED);
	assert_int_equal(test_list(t.path, "new").n, 500);
	assert_int_equal(test_list(t.path, "tmp").n, 0);
}

static void
large_message_comes_by_descriptor(void **state)
{
	struct job_recipient r = recipient(0);
	struct job j = job_of(&r, 1);
	int fd = memfd_create("content", MFD_CLOEXEC);
	char got[200];

	(void)state;
	assert_int_equal(write(fd, "-more\r\nlines\r\n", 14), 14);
	j.content = SLICE_LIT("A: b\r\n\r\n");
	j.offset = 1;
	j.size = 13;
	send_job(1, &j, fd);
	turn_until(1);
	read_file("new", got, sizeof(got));
	assert_string_equal(got, "Return-Path: <s@client.example>\n"
	    "Delivered-To: u@example.org\nA: b\n\nmore\nlines\n");
}

static void
large_message_for_many_does_not_hold_up_others(void **state)
{
	enum { MANY = 40 };
	struct job_recipient r[MANY], one = recipient(0);
	struct job j = job_of(r, MANY), small = job_of(&one, 1);
	int fd = memfd_create("content", MFD_CLOEXEC);
	uint32_t i;

	(void)state;
	assert_int_equal(ftruncate(fd, 3 * 1024 * 1024), 0);
	for (i = 0; i < MANY; i++)
		r[i] = recipient(i);
	j.size = 3 * 1024 * 1024;
	send_job(1, &j, fcntl(fd, F_DUPFD_CLOEXEC, 0));
	j.queue_id++;
	send_job(2, &j, fd);
	small.queue_id = 1;
	send_job(3, &small, -1);
	while (t.nresults == 0)
		ev_turn(&t.loop, 50);
	assert_int_equal(t.results[0].job, 3);
	channel_send(t.side, LW_CANCEL, 2, SLICE_EMPTY);
	turn_until(1 + 2 * MANY);
	for (i = 1; i < 1 + 2 * MANY; i++)
		assert_int_equal(t.results[i].status, t.results[i].job == 1 ?
		    OUTCOME_DELIVERED : OUTCOME_DEFERRED);
	assert_int_equal(test_list(t.path, "new").n, 1 + MANY);
}

static void
file_shorter_than_said_defers(void **state)
{
	struct job_recipient r = recipient(0);
	struct job j = job_of(&r, 1);

	(void)state;
	j.size = 13;
	send_job(1, &j, memfd_create("content", MFD_CLOEXEC));
	turn_until(1);
	assert_int_equal(t.results[0].status, OUTCOME_DEFERRED);
	assert_int_equal(test_list(t.path, "new").n, 0);
}

static void
damaged_content_defers(void **state)
{
	struct job_recipient r[3] = { recipient(0), recipient(1),
		recipient(2) };
	struct job j = job_of(r, 3);
	char mbox[PATH_MAX];
	struct stat st;
	size_t i;
	int fd;

	(void)state;
	test_path(mbox, sizeof(mbox), "%s/mbox", t.path);
	r[1].to.kind = DEST_FILE;
	r[1].to.path = slice_str(mbox);
	j.size = 14;
	j.crc = crc32c(0, SLICE_LIT("-more\r\nlines\r\n"));
	fd = memfd_create("content", MFD_CLOEXEC);
	assert_int_equal(write(fd, "-mpre\r\nlines\r\n", 14), 14);
	send_job(1, &j, fd);
	turn_until(3);
	for (i = 0; i < 3; i++) {
		assert_int_equal(t.results[i].status, OUTCOME_DEFERRED);
		assert_true(t.results[i].damaged);
	}
	assert_int_equal(test_list(t.path, "new").n, 0);
	assert_int_equal(test_list(t.path, "tmp").n, 0);
	assert_int_equal(stat(mbox, &st), 0);
	assert_int_equal(st.st_size, 0);
	j.queue_id++;
	fd = memfd_create("content", MFD_CLOEXEC);
	assert_int_equal(write(fd, "-more\r\nlines\r\n", 14), 14);
	send_job(2, &j, fd);
	turn_until(6);
	for (i = 3; i < 6; i++)
		assert_int_equal(t.results[i].status, OUTCOME_DELIVERED);
}

static void
loop_is_refused(void **state)
{
	struct job_recipient r = recipient(0);
	struct job j = job_of(&r, 1);

	(void)state;
	j.content = SLICE_LIT("Received: x\r\nDELIVERED-TO: U@Example.org \r\n"
	    "\r\nbody\r\n");
	send_job(1, &j, -1);
	j.content = SLICE_LIT("X: y\r\n\r\nDelivered-To: u@example.org\r\n");
	j.queue_id++;
	send_job(2, &j, -1);
	turn_until(2);
	assert_int_equal(t.results[0].status, OUTCOME_FAILED);
	assert_int_equal(t.results[0].subject, 4);
	assert_int_equal(t.results[0].detail, 6);
	assert_int_equal(t.results[1].status, OUTCOME_DELIVERED);
}

static void
failed_sync_defers_all_of_the_turn(void **state)
{
	struct job_recipient r = recipient(0);
	struct job j = job_of(&r, 1);
	char path[PATH_MAX];
	size_t calls;
	int i;

	(void)state;
	/* No staging: how many calls that makes is a matter of time. */
	test_path(path, sizeof(path), "%s/" STAGING_NAME, t.dir);
	assert_int_equal(mknod(path, S_IFREG | 0600, 0), 0);
	send_job(1, &j, -1);
	turn_until(1);
	/* The Maildir is open now: the same calls each time, then the sync. */
	sim_disk_fail(t.disk, SIM_ONCE, SIZE_MAX, EIO);
	for (i = 0; i < 10; i++) {
		j.queue_id++;
		send_job(2, &j, -1);
	}
	turn_until(11);
	calls = sim_disk_counted(t.disk);
	t.nresults = 0;
	for (i = 0; i < 10; i++) {
		j.queue_id++;
		send_job(3, &j, -1);
	}
	sim_disk_fail(t.disk, SIM_ONCE, calls, EIO);
	turn_until(10);
	for (i = 0; i < 10; i++) {
		assert_int_equal(t.results[i].status, OUTCOME_DEFERRED);
		assert_int_equal(t.results[i].subject, 3);
	}
	/* The next attempt finds what is there. */
	t.nresults = 0;
	r.maybe_done = true;
	for (i = 0; i < 10; i++) {
		send_job(4, &j, -1);
		j.queue_id--;
	}
	turn_until(10);
	for (i = 0; i < 10; i++)
		assert_int_equal(t.results[i].status, OUTCOME_DELIVERED);
	assert_int_equal(test_list(t.path, "new").n, 21);
}

static void
full_disk_defers_and_leaves_nothing(void **state)
{
	struct job_recipient r = recipient(0);
	struct job j = job_of(&r, 1);

	(void)state;
	send_job(1, &j, -1);
	turn_until(1);
	j.queue_id++;
	sim_disk_fail(t.disk, SIM_ONCE, 2, ENOSPC);	/* create, write */
	send_job(2, &j, -1);
	turn_until(2);
	assert_int_equal(t.results[1].status, OUTCOME_DEFERRED);
	assert_int_equal(t.results[1].subject, 3);
	assert_int_equal(t.results[1].detail, 1);
	assert_int_equal(test_list(t.path, "new").n, 1);
	assert_int_equal(test_list(t.path, "tmp").n, 0);
}

static void
put_forward(const char *text)
{
	char path[PATH_MAX];
	int fd;

	test_path(path, sizeof(path), "%s/.forward", t.dir);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void
forward_is_followed_for_system_users(void **state)
{
	struct job_recipient r = recipient(9);
	struct job j = job_of(&r, 1);
	struct wire w, targets;

	(void)state;
	r.to.user = SLICE_LIT("u");
	r.to.flags = DEST_FORWARD;
	put_forward("\\u, a@example.net\n");
	send_job(1, &j, -1);
	r.to.flags = DEST_VIRTUAL;
	j.queue_id++;
	send_job(2, &j, -1);	/* not asked to look: a plain delivery */
	turn_until(1);
	assert_int_equal(t.results[0].job, 2);
	w = wire_of(buf_slice(&t.expanded));
	assert_int_equal(get_u32(&w), 9);
	assert_int_equal(get_u8(&w), 1);
	targets = wire_of(get_slice(&w, 1000));
	assert_true(wire_done(&w));
	assert_int_equal(get_u8(&targets), 0);
	assert_true(slice_eq(get_slice(&targets, 100),
	    SLICE_LIT("a@example.net")));
	assert_true(wire_done(&targets));
	assert_int_equal(test_list(t.path, "new").n, 2);
}

static void
broken_forward_defers_and_says_why(void **state)
{
	struct job_recipient r = recipient(9);
	struct job j = job_of(&r, 1);

	(void)state;
	r.to.user = SLICE_LIT("u");
	r.to.flags = DEST_FORWARD;
	put_forward("a@example.net\n|\n");
	send_job(1, &j, -1);
	turn_until(1);
	assert_int_equal(t.results[0].status, OUTCOME_DEFERRED);
	assert_string_equal(t.results[0].text, "~/.forward: line 2: a command "
	    "is missing behind '|'");
	assert_int_equal(t.expanded.n, 0);
}

static void
failed_copy_is_not_forwarded(void **state)
{
	struct job_recipient r = recipient(9);
	struct job j = job_of(&r, 1);

	(void)state;
	r.to.user = SLICE_LIT("u");
	r.to.flags = DEST_FORWARD;
	put_forward("u, a@example.net\n");
	r.to.quota_messages = 1;
	send_job(1, &j, -1);
	while (t.expanded.n == 0)
		ev_turn(&t.loop, 50);
	buf_reset(&t.expanded);
	j.queue_id++;
	send_job(2, &j, -1);
	turn_until(1);
	assert_int_equal(t.results[0].status, OUTCOME_DEFERRED);
	assert_string_equal(t.results[0].text, "mailbox is full");
	assert_int_equal(t.expanded.n, 0);
}

static void
mbox_file_is_appended_to(void **state)
{
	struct job_recipient r = recipient(9);
	struct job j = job_of(&r, 1);
	char path[PATH_MAX];

	(void)state;
	test_path(path, sizeof(path), "%s/box", t.dir);
	r.to.kind = DEST_FILE;
	r.to.path = slice_str(path);
	r.address = slice_str(path);
	send_job(1, &j, -1);
	r.to.path = slice_str(t.dir);
	send_job(2, &j, -1);
	turn_until(2);
	assert_int_equal(t.results[0].status, OUTCOME_DELIVERED);
	assert_int_equal(t.results[1].status, OUTCOME_DEFERRED);
	assert_true(test_list(t.dir, "").size > (off_t)strlen(BODY));
}

static void
broken_job_ends_the_worker(void **state)
{
	(void)state;
	channel_send(t.side, LW_JOB, 1, slice_of("\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
	    "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 36));
	while (!t.loop.stop)
		ev_turn(&t.loop, 50);
	assert_null(t.worker_side);
	assert_int_equal(t.nresults, 0);
}

#define T(name)	cmocka_unit_test_setup_teardown(name, start, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(message_is_stored_with_its_fields),
		cmocka_unit_test_setup_teardown(
		    many_jobs_of_one_turn_are_all_answered, start_threaded,
		    end),
		T(large_message_for_many_does_not_hold_up_others),
		T(many_jobs_of_one_turn_are_all_answered),
		T(large_message_comes_by_descriptor),
		T(file_shorter_than_said_defers),
		T(damaged_content_defers),
		T(loop_is_refused),
		T(failed_sync_defers_all_of_the_turn),
		T(full_disk_defers_and_leaves_nothing),
		T(forward_is_followed_for_system_users),
		T(broken_forward_defers_and_says_why),
		T(failed_copy_is_not_forwarded),
		T(mbox_file_is_appended_to),
		T(broken_job_ends_the_worker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
