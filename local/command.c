/* SPDX-License-Identifier: ISC */
/*
 * command - see command.h.
 *
 * A task is one recipient of a job; its message is copied into a memfd when it
 * is its turn.  Always: a task is in `waiting`, or in `running` with a process;
 * while more than TASKS_WAITING wait, nothing is read from local.
 */
#include <sys/mman.h>
#include <sys/queue.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "argv.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "command.h"
#include "content.h"
#include "ipc/delivery.h"
#include "mail/address.h"
#include "os/proc.h"
#include "outcomes.h"
#include "parcel.h"
#include "prefix.h"
#include "worker.h"

#define RUNNING_MAX	8	/* programs at once */
#define TASKS_WAITING	64
#define ENV_ARENA_BYTES	(256 * 1024)
#define OUTPUT_BYTES	1000	/* of a program that are looked at */
#define READS_AT_ONCE	16
#define EXEC_FAILED	127	/* with errno on the status pipe */

TAILQ_HEAD(task_list, task);

struct task {
	TAILQ_ENTRY(task)	 link;
	struct runner		*runner;
	struct parcel		*parcel;	/* shared by its job's tasks */
	const struct job_recipient *recipient;
	pid_t			 pid;
	int			 output;	/* owned, or -1 */
	struct ev_io		 io;
	struct ev_timer		 timer;
	struct buf		 said;		/* its first bytes */
	bool			 late;		/* was killed for it */
};

struct runner {
	struct child		 child;
	struct ev_loop		*loop;
	struct channel		*local;
	struct content		 content;
	struct buf		 prefix;
	char			 delimiter;
	int64_t			 time_ms;
	struct task_list	 waiting;
	struct task_list	 running;
	size_t			 nwaiting;
	size_t			 nrunning;
	bool			 ending;
	struct ev_signal	 child_ended;
};

static void	 runner_init(struct runner *, struct ev_loop *,
		    const struct conf *);
static void	 runner_configure(struct runner *, const struct conf *);
static void	 local_says(void *, struct channel *, struct message *);
static void	 take_job(struct runner *, struct channel *, struct message *);
static void	 take_cancel(struct runner *, uint64_t id);
static void	 local_is_gone(void *, struct channel *);
static void	 run_some(struct runner *);
static void	 task_run(struct runner *, struct task *);
static int	 make_message(struct runner *, struct task *);
static char	**make_environment(struct runner *, struct arena *,
		    const struct task *);
static int	 start(struct task *, char **argv, char **env, int in);
static void	 output_ready(void *, int);
static void	 time_is_up(void *);
static void	 child_has_ended(void *, int);
static void	 task_ended(struct task *, int status);
static struct outcome command_outcome(int wait_status, struct slice line,
		    struct buf *text);
static void	 task_answer(struct task *, const struct outcome *);
static void	 task_free(struct task *);

const struct channel_ops runner_ops = { local_says, local_is_gone, NULL };

static const struct child_edge edges[] = {
	{ ROLE_LOCAL, local_worker_rules, &runner_ops },
	{ 0, NULL, NULL },
};

/* ---- start and end ------------------------------------------------------ */

static int
reload(void *arg, const struct conf *conf, struct buf *why)
{
	(void)why;
	runner_configure(arg, conf);
	return 0;
}

/* Programs under way get to their end (master waits 30 s); what waits is
 * tried again later. */
static void
stop(void *arg)
{
	struct runner *r = arg;
	struct outcome o = outcome_of("4.3.2 the system is stopping");

	r->ending = true;
	while (!TAILQ_EMPTY(&r->waiting))
		task_answer(TAILQ_FIRST(&r->waiting), &o);
	if (r->nrunning == 0)
		ev_stop(r->loop);
}

static const struct child_spec spec = {
	.role = ROLE_COMMAND,
	.edges = edges,
	.reload = reload,
	.stop = stop,
};

int
command_main(int argc, char *argv[])
{
	static struct runner r;

	child_init(&r.child, &spec, &r, argc, argv);
	runner_init(&r, &r.child.loop, r.child.conf);
	child_enter(&r.child);
	return child_run(&r.child);
}

static void
runner_init(struct runner *r, struct ev_loop *loop, const struct conf *conf)
{
	r->loop = loop;
	content_init(&r->content);
	buf_init(&r->prefix, 16 * 1024);
	TAILQ_INIT(&r->waiting);
	TAILQ_INIT(&r->running);
	ev_signal_init(&r->child_ended, loop, SIGCHLD, child_has_ended, r);
	runner_configure(r, conf);
}

struct runner *
runner_new(struct ev_loop *loop, const struct conf *conf)
{
	struct runner *r = mem_alloc(sizeof(*r));

	runner_init(r, loop, conf);
	return r;
}

void
runner_free(struct runner **rp)
{
	struct runner *r = *rp;

	*rp = NULL;
	if (r == NULL)
		return;
	while (!TAILQ_EMPTY(&r->waiting))
		task_free(TAILQ_FIRST(&r->waiting));
	while (!TAILQ_EMPTY(&r->running))
		task_free(TAILQ_FIRST(&r->running));
	event_del(&r->child_ended.ev);
	content_clear(&r->content);
	buf_clear(&r->prefix);
	free(r);
}

static void
runner_configure(struct runner *r, const struct conf *conf)
{
	r->delimiter = conf->recipient_delimiter[0];
	r->time_ms = conf->local_command_time;
}

/* ---- what local asks ---------------------------------------------------- */

static void
local_says(void *arg, struct channel *ch, struct message *m)
{
	struct runner *r = arg;

	r->local = ch;
	switch (m->type) {
	case LW_JOB:
	case LW_JOB_FILE:
		take_job(r, ch, m);
		break;
	case LW_CANCEL:
		take_cancel(r, m->id);
		break;
	case LW_END:
		stop(r);
		break;
	default:
		channel_breach(ch, "direction");
	}
}

static void
take_job(struct runner *r, struct channel *ch, struct message *m)
{
	struct parcel *p = parcel_new(m);
	struct task *t;
	size_t i;

	if (p == NULL) {
		channel_breach(ch, "job");
		return;
	}
	for (i = 0; i < p->job.nrecipients; i++) {
		t = mem_alloc(sizeof(*t));
		t->runner = r;
		t->parcel = p;
		t->recipient = &p->job.recipients[i];
		t->output = -1;
		buf_init(&t->said, OUTPUT_BYTES);
		p->users++;
		TAILQ_INSERT_TAIL(&r->waiting, t, link);
		r->nwaiting++;
	}
	parcel_drop(p);
	run_some(r);
}

static void
take_cancel(struct runner *r, uint64_t id)
{
	struct outcome o = outcome_of("4.3.0 cancelled");
	struct task *t, *next;

	TAILQ_FOREACH_SAFE(t, &r->waiting, link, next)
		if (t->parcel->id == id)
			task_answer(t, &o);
}

/* Nobody is there to be told how programs end. */
static void
local_is_gone(void *arg, struct channel *ch)
{
	struct runner *r = arg;

	(void)ch;
	r->local = NULL;
	ev_stop(r->loop);
}

/* ---- running ------------------------------------------------------------ */

static void
run_some(struct runner *r)
{
	while (r->nrunning < RUNNING_MAX && r->nwaiting > 0 && !r->ending)
		task_run(r, TAILQ_FIRST(&r->waiting));
	if (r->local != NULL)
		channel_pause(r->local, r->nwaiting > TASKS_WAITING);
}

static void
task_run(struct runner *r, struct task *t)
{
	struct arena arena = ARENA_INIT(ENV_ARENA_BYTES);
	struct buf text = BUF_INIT(OUTCOME_TEXT_BYTES);
	struct outcome o = { 0 };
	char **argv, **env;
	const char *why;
	int in;

	if (t->recipient->to.kind != DEST_COMMAND)
		o = outcome_of("4.3.5 not a program's destination");
	else if (argv_split(&arena, t->recipient->to.path, &argv, &why) !=
	    PARSE_OK) {
		buf_printf(&text, "4.3.5 the command cannot be used: %s", why);
		o = outcome_of(buf_cstr(&text));
	} else if ((in = make_message(r, t)) == -1)
		o = errno == EBADMSG ? outcome_of_errno(errno) :
		    outcome_of("4.3.0 the message could not be copied for the "
		    "program");
	else if (in == -2)
		o = outcome_of("5.4.6 mail loop: the message was delivered to "
		    "this address before");
	else {
		env = make_environment(r, &arena, t);
		if (start(t, argv, env, in) == -1) {
			buf_printf(&text, "4.3.0 the program cannot be run: "
			    "%s", strerror(errno));
			o = outcome_of(buf_cstr(&text));
		}
		close(in);
	}
	if (o.status != 0)
		task_answer(t, &o);
	buf_clear(&text);
	arena_clear(&arena);
}

/* The message as the program reads it, at its start; -2: it loops.  A memfd, so
 * that a program that reads slowly, or not at all, holds up nobody. */
static int
make_message(struct runner *r, struct task *t)
{
	const struct parcel *p = t->parcel;
	struct stored_size size;
	int fd;

	if (content_set(&r->content, &p->job, p->fd) == -1)
		return -1;
	if (prefix_has_looped(content_head(&r->content),
	    prefix_address(t->recipient)))
		return -2;
	fd = memfd_create("message", MFD_CLOEXEC);
	if (fd == -1)
		return -1;
	buf_reset(&r->prefix);
	prefix_write(&r->prefix, &p->job, t->recipient);
	if (content_write(&r->content, &fs_real, fd, buf_slice(&r->prefix),
	    &size) == 0 && lseek(fd, 0, SEEK_SET) == 0)
		return fd;
	fs_close(&fs_real, fd);
	return -1;
}

static void
set(struct arena *a, char **to, const char *name, struct slice value)
{
	static const char fine[] = "!%-_=+:,./@";
	size_t n = strlen(name), i;
	char *s = arena_alloc(a, n + value.n + 2);

	*to = s;
	if (s == NULL)
		return;
	memcpy(s, name, n);
	s[n++] = '=';
	for (i = 0; i < value.n; i++) {
		char c = value.p[i], l = ascii_lower(c);

		s[n++] = (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') ||
		    (c != '\0' && strchr(fine, c) != NULL) ? c : '_';
	}
	s[n] = '\0';
}

static char **
make_environment(struct runner *r, struct arena *a, const struct task *t)
{
	const struct job_recipient *rcpt = t->recipient;
	struct slice to = prefix_address(rcpt);
	struct address parts = address_split(to);
	size_t at = r->delimiter == '\0' ? parts.local.n :
	    slice_find(parts.local, r->delimiter), i;
	struct slice detail = at < parts.local.n ?
	    slice_from(parts.local, at + 1) : SLICE_EMPTY;
	const struct {
		const char	*name;
		struct slice	 value;
	} vars[] = {
		{ "PATH", SLICE_LIT("/usr/local/bin:/usr/bin:/bin") },
		{ "SHELL", SLICE_LIT("/bin/sh") },
		{ "HOME", rcpt->to.home.n > 0 ? rcpt->to.home :
		    SLICE_LIT("/") },
		{ "USER", rcpt->to.user },
		{ "LOGNAME", rcpt->to.user },
		{ "SENDER", t->parcel->job.reverse_path },
		{ "RECIPIENT", to },
		{ "ORIGINAL_RECIPIENT", rcpt->original },
		{ "LOCAL", parts.local },
		{ "DOMAIN", parts.domain },
		{ "EXTENSION", detail },
	};
	enum { VARS = sizeof(vars) / sizeof(vars[0]) };
	char **env = arena_alloc(a, (VARS + 1) * sizeof(*env));

	for (i = 0; i < VARS; i++)
		set(a, &env[i], vars[i].name, vars[i].value);
	return env;
}

/* In the new process.  Tells errno by the pipe where the program cannot be
 * run. */
static _Noreturn void
become_program(const struct task *t, char **argv, char **env, int in, int out,
    int status)
{
	struct sigaction fresh = { .sa_handler = SIG_DFL };
	sigset_t none;
	int sig, error;
	char *home = mem_slicedup(t->recipient->to.home);

	for (sig = 1; sig < NSIG; sig++)
		sigaction(sig, &fresh, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	if (dup2(in, STDIN_FILENO) != -1 && dup2(out, STDOUT_FILENO) != -1 &&
	    dup2(out, STDERR_FILENO) != -1) {
		/* Above all channels: who has one is believed to be us. */
		proc_hide_from(STDERR_FILENO + 1);
		if (home[0] == '\0' || chdir(home) == -1)
			(void)!chdir("/");
		execve(argv[0], argv, env);
	}
	error = errno;
	(void)!write(status, &error, sizeof(error));
	_exit(EXEC_FAILED);
}

/* -1 with errno: it does not run.  in stays the caller's. */
static int
start(struct task *t, char **argv, char **env, int in)
{
	struct runner *r = t->runner;
	int out[2], status[2], error = 0;
	ssize_t n;

	if (pipe2(out, O_CLOEXEC) == -1)
		return -1;
	if (pipe2(status, O_CLOEXEC) == -1) {
		close(out[0]);
		close(out[1]);
		return -1;
	}
	log_flush();	/* or both write what is pending */
	t->pid = fork();
	if (t->pid == 0)
		become_program(t, argv, env, in, out[1], status[1]);
	if (t->pid == -1)
		error = errno;
	close(out[1]);
	close(status[1]);
	do {
		n = t->pid == -1 ? 0 : read(status[0], &error, sizeof(error));
	} while (n == -1 && errno == EINTR);
	close(status[0]);
	if (error != 0) {
		close(out[0]);
		if (t->pid != -1)
			waitpid(t->pid, NULL, 0);
		t->pid = 0;
		errno = error;
		return -1;
	}
	TAILQ_REMOVE(&r->waiting, t, link);
	r->nwaiting--;
	TAILQ_INSERT_TAIL(&r->running, t, link);
	r->nrunning++;
	t->output = out[0];
	fcntl(t->output, F_SETFL, O_NONBLOCK);
	ev_io_init(&t->io, r->loop, t->output, output_ready, t);
	ev_io_want(&t->io, EV_WANT_READ);
	ev_timer_init(&t->timer, r->loop, time_is_up, t);
	ev_timer_set(&t->timer, r->time_ms);
	return 0;
}

/* The first bytes are kept; the rest is read so that it never blocks, but not
 * for longer than a turn: some never stop. */
static void
output_ready(void *arg, int ready)
{
	struct task *t = arg;
	char bytes[4096];
	size_t room;
	ssize_t n = -1;
	int i;

	(void)ready;
	for (i = 0; i < READS_AT_ONCE &&
	    (n = read(t->output, bytes, sizeof(bytes))) > 0; i++) {
		room = OUTPUT_BYTES - t->said.n;
		buf_add(&t->said, slice_of(bytes, (size_t)n < room ? (size_t)n :
		    room));
	}
	if (n == 0)
		ev_io_want(&t->io, 0);
}

static void
time_is_up(void *arg)
{
	struct task *t = arg;

	t->late = true;
	log_warn("id=%s event=program-killed rcpt=%s why=\"still running after "
	    "local.command_time\"", queue_id_text(t->parcel->job.queue_id).s,
	    LOG_Q(t->recipient->address));
	kill(-t->pid, SIGKILL);
}

/* ---- the end of a program ----------------------------------------------- */

static void
child_has_ended(void *arg, int sig)
{
	struct runner *r = arg;
	struct task *t, *next;
	int status;

	(void)sig;
	TAILQ_FOREACH_SAFE(t, &r->running, link, next)
		if (waitpid(t->pid, &status, WNOHANG) == t->pid)
			task_ended(t, status);
	run_some(r);
	if (r->ending && r->nrunning == 0)
		ev_stop(r->loop);
}

static struct slice
first_line(struct slice s)
{
	struct slice line = SLICE_EMPTY;

	while (line.n == 0 && slice_next(&s, '\n', &line))
		line = slice_trim(line);
	return line;
}

static void
task_ended(struct task *t, int status)
{
	struct buf text = BUF_INIT(OUTCOME_TEXT_BYTES);
	struct outcome o;

	t->pid = 0;
	output_ready(t, 0);
	if (t->late)
		o = outcome_of("4.3.0 the program did not end in time");
	else
		o = command_outcome(status, first_line(buf_slice(&t->said)),
		    &text);
	task_answer(t, &o);
	buf_clear(&text);
}

/* What it says about the status it ends with counts: "5.7.1 go away". */
static bool
own_words(struct slice line, struct outcome *o)
{
	struct enhanced e;
	struct slice rest = line;

	if (enhanced_parse(&rest, &e) && e.class == o->enhanced.class) {
		o->enhanced = e;
		o->text = slice_trim(rest);
		return o->text.n > 0;
	}
	o->text = line;
	return line.n > 0;
}

/* What a wait status means, with the program's first line of output.  The text
 * is in buf where it is not constant. */
static struct outcome
command_outcome(int status, struct slice line, struct buf *text)
{
	static const struct {
		int		 status;
		const char	*text;
	} meanings[] = {
		{ EX_USAGE,	  "5.5.4 program: wrong usage" },
		{ EX_DATAERR,	  "5.6.0 program: data format error" },
		{ EX_NOINPUT,	  "5.3.0 program: cannot open its input" },
		{ EX_NOUSER,	  "5.1.1 program: no such user" },
		{ EX_NOHOST,	  "5.1.2 program: no such host" },
		{ EX_UNAVAILABLE, "5.3.0 program: service unavailable" },
		{ EX_SOFTWARE,	  "5.3.0 program: internal error" },
		{ EX_OSERR,	  "4.3.0 program: system resource problem" },
		{ EX_OSFILE,	  "5.3.0 program: a system file is missing" },
		{ EX_CANTCREAT,	  "5.2.0 program: cannot create its output" },
		{ EX_IOERR,	  "5.3.0 program: input/output error" },
		{ EX_TEMPFAIL,	  "4.3.0 program: temporary failure" },
		{ EX_PROTOCOL,	  "5.5.0 program: protocol error" },
		{ EX_NOPERM,	  "5.7.0 program: permission denied" },
		{ EX_CONFIG,	  "5.3.5 program: configuration error" },
	};
	struct outcome o;
	size_t i;

	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return outcome_delivered();
	if (!WIFEXITED(status)) {
		buf_printf(text, "4.3.0 the program was ended by signal %d",
		    WTERMSIG(status));
		return outcome_of(buf_cstr(text));
	}
	for (i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
		if (meanings[i].status == WEXITSTATUS(status))
			break;
	if (i == sizeof(meanings) / sizeof(meanings[0])) {
		buf_printf(text, "5.3.0 the program ended with status %d",
		    WEXITSTATUS(status));
		o = outcome_of(buf_cstr(text));
	} else
		o = outcome_of(meanings[i].text);
	if (!own_words(line, &o))
		o.text = outcome_of(i == sizeof(meanings) /
		    sizeof(meanings[0]) ? buf_cstr(text) :
		    meanings[i].text).text;
	return o;
}

static void
task_answer(struct task *t, const struct outcome *o)
{
	struct runner *r = t->runner;
	struct buf *b;

	if (r->local != NULL) {
		b = channel_begin(r->local, LW_RESULT, t->parcel->id);
		if (b != NULL) {
			put_u32(b, 1);
			put_u32(b, t->recipient->number);
			outcome_pack(b, o);
		}
		channel_end(r->local);
	}
	task_free(t);
}

static void
task_free(struct task *t)
{
	struct runner *r = t->runner;

	if (t->output == -1) {
		TAILQ_REMOVE(&r->waiting, t, link);
		r->nwaiting--;
	} else {
		TAILQ_REMOVE(&r->running, t, link);
		r->nrunning--;
		if (t->pid > 0) {
			kill(-t->pid, SIGKILL);
			waitpid(t->pid, NULL, 0);
		}
		ev_io_clear(&t->io);
		close(t->output);
	}
	if (ev_timer_is_set(&t->timer))
		ev_timer_stop(&t->timer);
	buf_clear(&t->said);
	parcel_drop(t->parcel);
	free(t);
}
