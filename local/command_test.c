/* SPDX-License-Identifier: ISC */
/* command_test - programs are run, and what their ends mean. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/mman.h>
#include <sys/socket.h>

#include <sysexits.h>

#include "base/clock.h"
#include "command.h"
#include "ipc/delivery.h"
#include "test_dir.h"
#include "worker.h"

struct result {
	uint64_t	 job;
	enum outcome_status status;
	struct enhanced	 enhanced;
	char		 text[400];
};

static struct {
	struct ev_loop	 loop;
	struct runner	*runner;
	struct channel	*runner_side;
	struct channel	*side;
	const char	*dir;
	struct result	 results[300];
	size_t		 nresults;
} t;

static void
runner_says(void *arg, struct channel *ch, struct message *m)
{
	struct result *r = &t.results[t.nresults++];
	struct outcome o;

	(void)arg;
	(void)ch;
	assert_int_equal(m->type, LW_RESULT);
	r->job = m->id;
	assert_int_equal(get_u32(&m->body), 1);
	get_u32(&m->body);
	assert_true(outcome_unpack(&m->body, &o));
	r->status = o.status;
	r->enhanced = o.enhanced;
	snprintf(r->text, sizeof(r->text), "%.*s", SLICE_ARG(o.text));
}

static void
side_down(void *arg, struct channel *ch)
{
	(void)arg;
	(void)ch;
	t.side = NULL;
}

static const struct channel_ops side_ops = { runner_says, side_down, NULL };

static int
start_with(const char *time)
{
	struct buf why = BUF_INIT(4000), text = BUF_INIT(1000);
	struct conf *conf;
	int fds[2];

	memset(&t, 0, sizeof(t));
	t.dir = test_dir();
	buf_printf(&text, "hostname = mx.example.org\n"
	    "local.command_time = %s\n", time);
	conf = conf_parse(buf_slice(&text), "test", &why);
	assert_non_null(conf);
	ev_loop_init(&t.loop);
	t.runner = runner_new(&t.loop, conf);
	conf_free(&conf);
	buf_clear(&why);
	buf_clear(&text);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
	    fds), 0);
	t.runner_side = channel_new(&t.loop, fds[0], local_worker_rules,
	    ROLE_COMMAND, ROLE_LOCAL, 0, &runner_ops, t.runner);
	t.side = channel_new(&t.loop, fds[1], local_worker_rules, ROLE_LOCAL,
	    ROLE_COMMAND, 0, &side_ops, NULL);
	return 0;
}

static int
start(void **state)
{
	(void)state;
	return start_with("60s");
}

static int
start_short(void **state)
{
	(void)state;
	return start_with("1s");
}

static int
end(void **state)
{
	(void)state;
	channel_free(&t.side);
	channel_free(&t.runner_side);
	runner_free(&t.runner);
	ev_loop_clear(&t.loop);
	sim_dir_remove(t.dir);
	return 0;
}

static void
send_command(uint64_t id, const char *command, struct slice content, int fd)
{
	struct job_recipient r = { .number = 4,
		.address = SLICE_LIT("|/bin/x"),
		.original = SLICE_LIT("u+a;b@example.org"),
		.orcpt = SLICE_EMPTY,
		.to = { .kind = DEST_COMMAND, .next_hop = SLICE_LIT("local"),
			.uid = 1, .gid = 1, .user = SLICE_LIT("u"),
			.home = slice_str(t.dir), .path = slice_str(command),
			.text = SLICE_EMPTY } };
	struct job j = { .queue_id = id,
		.reverse_path = SLICE_LIT("$(id)@client.example"),
		.envid = SLICE_EMPTY, .content = content,
		.recipients = &r, .nrecipients = 1 };
	struct buf *b;

	if (fd != -1)
		j.size = 4 * 1024 * 1024;
	b = channel_begin(t.side, fd == -1 ? LW_JOB : LW_JOB_FILE, id);
	assert_int_equal(job_pack(b, &j), 0);
	if (fd == -1)
		channel_end(t.side);
	else
		channel_end_fds(t.side, &fd, 1);
}

static void
turn_until(size_t nresults)
{
	int64_t until = clock_mono_ms() + 100000;

	while (t.nresults < nresults && clock_mono_ms() < until)
		ev_turn(&t.loop, 50);
	assert_int_equal(t.nresults, nresults);
}

static const struct result *
run(const char *command)
{
	t.nresults = 0;
	send_command(1, command, SLICE_LIT("A: b\r\n\r\nbody\r\n"), -1);
	turn_until(1);
	return &t.results[0];
}

static void
assert_file(const char *name, const char *want)
{
	char path[PATH_MAX], got[2000];
	ssize_t n;
	int fd;

	test_path(path, sizeof(path), "%s/%s", t.dir, name);
	fd = open(path, O_RDONLY);
	assert_int_not_equal(fd, -1);
	n = read(fd, got, sizeof(got) - 1);
	assert_true(n >= 0);
	got[n] = '\0';
	assert_string_equal(got, want);
	close(fd);
}

static void
program_gets_message_arguments_and_environment(void **state)
{
	char want[PATH_MAX + 400];

	(void)state;
	assert_int_equal(run("/bin/sh -c 'cat > in; echo \"$0 $1\" > args; "
	    "env | grep -v -e ^PWD -e ^SHLVL -e ^_= -e ^OLDPWD | "
	    "LC_ALL=C sort > env' '$HOME' \"a b\"")->status,
	    OUTCOME_DELIVERED);
	assert_file("in", "Return-Path: <$(id)@client.example>\n"
	    "Delivered-To: u+a;b@example.org\nA: b\n\nbody\n");
	assert_file("args", "$HOME a b\n");
	test_path(want, sizeof(want), "DOMAIN=example.org\nEXTENSION=a_b\n"
	    "HOME=%s\nLOCAL=u+a_b\nLOGNAME=u\n"
	    "ORIGINAL_RECIPIENT=u+a_b@example.org\n"
	    "PATH=/usr/local/bin:/usr/bin:/bin\nRECIPIENT=u+a_b@example.org\n"
	    "SENDER=__id_@client.example\nSHELL=/bin/sh\nUSER=u\n", t.dir);
	assert_file("env", want);
}

static void
program_has_no_other_descriptors_and_a_session(void **state)
{
	(void)state;
	assert_int_equal(fcntl(dup(0), F_SETFD, 0), 0);
	assert_int_equal(run("/bin/sh -c 'ls /proc/self/fd > fds; "
	    "set -- $(cat /proc/$$/stat); "
	    "test $6 = $$ && echo leader > session'")->status,
	    OUTCOME_DELIVERED);
	/* 3 is the directory that ls reads. */
	assert_file("fds", "0\n1\n2\n3\n");
	assert_file("session", "leader\n");
}

static void
exit_status_means_what_sysexits_says(void **state)
{
	static const struct {
		const char	*command;
		enum outcome_status status;
		struct enhanced	 enhanced;
		const char	*text;
	} cases[] = {
		{ "/bin/sh -c 'exit 75'", OUTCOME_DEFERRED, { 4, 3, 0 },
		    "program: temporary failure" },
		{ "/bin/sh -c 'echo later; exit 75'", OUTCOME_DEFERRED,
		    { 4, 3, 0 }, "later" },
		{ "/bin/sh -c 'exit 67'", OUTCOME_FAILED, { 5, 1, 1 },
		    "program: no such user" },
		{ "/bin/sh -c 'echo 5.7.1 go away >&2; echo x; exit 77'",
		    OUTCOME_FAILED, { 5, 7, 1 }, "go away" },
		{ "/bin/sh -c 'echo 4.7.1 no; exit 77'", OUTCOME_FAILED,
		    { 5, 7, 0 }, "4.7.1 no" },
		{ "/bin/sh -c 'exit 3'", OUTCOME_FAILED, { 5, 3, 0 },
		    "the program ended with status 3" },
		{ "/bin/sh -c 'kill -9 $$'", OUTCOME_DEFERRED, { 4, 3, 0 },
		    "the program was ended by signal 9" },
		{ "/nonexistent/x", OUTCOME_DEFERRED, { 4, 3, 0 },
		    "the program cannot be run: No such file or directory" },
		{ "relative", OUTCOME_DEFERRED, { 4, 3, 5 },
		    "the command cannot be used: it does not begin with the "
		    "program's absolute path" },
	};
	const struct result *r;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		r = run(cases[i].command);
		assert_int_equal(r->status, cases[i].status);
		assert_memory_equal(&r->enhanced, &cases[i].enhanced,
		    sizeof(r->enhanced));
		assert_string_equal(r->text, cases[i].text);
	}
}

static void
program_that_reads_nothing_and_says_much_is_no_trouble(void **state)
{
	int fd = memfd_create("content", MFD_CLOEXEC);

	(void)state;
	assert_int_equal(ftruncate(fd, 4 * 1024 * 1024), 0);
	send_command(1, "/bin/true", SLICE_LIT("A: b\r\n\r\n"), fd);
	turn_until(1);
	assert_int_equal(t.results[0].status, OUTCOME_DELIVERED);
	assert_int_equal(run("/bin/sh -c 'yes | head -c 3000000; exit 75'")
	    ->status, OUTCOME_DEFERRED);
	assert_string_equal(t.results[0].text, "y");
}

static void
program_that_does_not_end_is_killed(void **state)
{
	(void)state;
	assert_int_equal(run("/bin/sh -c 'trap \"\" TERM HUP; sleep 100; "
	    "sleep 100'")->status, OUTCOME_DEFERRED);
	assert_string_equal(t.results[0].text,
	    "the program did not end in time");
	/* Nor is one waited for that keeps its reader busy. */
	assert_int_equal(run("/bin/sh -c 'exec dd if=/dev/zero bs=1M "
	    "2>/dev/null'")->status, OUTCOME_DEFERRED);
	assert_string_equal(t.results[0].text,
	    "the program did not end in time");
}

static void
many_at_once_are_run_in_turn(void **state)
{
	uint64_t id;

	(void)state;
	for (id = 0; id < 200; id++)
		send_command(id, "/bin/sh -c 'echo x >> count'",
		    SLICE_LIT("A: b\r\n\r\n"), -1);
	turn_until(200);
	for (id = 0; id < 200; id++)
		assert_int_equal(t.results[id].status, OUTCOME_DELIVERED);
	assert_int_equal(run("/bin/sh -c 'test $(wc -l < count) = 200'")
	    ->status, OUTCOME_DELIVERED);
}

static void
loop_is_refused(void **state)
{
	(void)state;
	send_command(1, "/bin/true",
	    SLICE_LIT("Delivered-To: u+a;b@example.org\r\n\r\n"), -1);
	turn_until(1);
	assert_int_equal(t.results[0].status, OUTCOME_FAILED);
	assert_int_equal(t.results[0].enhanced.detail, 6);
}

static void
waiting_jobs_can_be_cancelled(void **state)
{
	uint64_t id;
	size_t i;
	char path[PATH_MAX];

	(void)state;
	/* Eight that wait for a file, and one behind them. */
	for (id = 0; id < 9; id++)
		send_command(id, "/bin/sh -c 'until test -e go; do "
		    "sleep 0.01; done'", SLICE_LIT("A: b\r\n\r\n"), -1);
	channel_send(t.side, LW_CANCEL, 8, SLICE_EMPTY);
	turn_until(1);
	assert_int_equal(t.results[0].job, 8);
	assert_int_equal(t.results[0].status, OUTCOME_DEFERRED);
	test_path(path, sizeof(path), "%s/go", t.dir);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	turn_until(9);
	for (i = 1; i < 9; i++)
		assert_int_equal(t.results[i].status, OUTCOME_DELIVERED);
}

#define T(name)	cmocka_unit_test_setup_teardown(name, start, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(program_gets_message_arguments_and_environment),
		T(program_has_no_other_descriptors_and_a_session),
		T(exit_status_means_what_sysexits_says),
		T(program_that_reads_nothing_and_says_much_is_no_trouble),
		cmocka_unit_test_setup_teardown(
		    program_that_does_not_end_is_killed, start_short, end),
		T(many_at_once_are_run_in_turn),
		T(loop_is_refused),
		T(waiting_jobs_can_be_cancelled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
