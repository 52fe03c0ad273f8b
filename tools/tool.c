/* SPDX-License-Identifier: ISC */
/* tool - see chasqui.h: what the commands of chasqui(8), and the other tools
 * that talk to the suite, share. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "chasqui.h"
#include "os/sockets.h"

#ifdef SANITIZED
/* A tool's memory ends with it. */
const char	*__asan_default_options(void) __attribute__((weak));
const char *
__asan_default_options(void)
{
	return "detect_leaks=0";
}
#endif

static int	 wait_for_answer(struct channel *,
		    void (*line)(void *, struct slice),
		    void (*on)(void *, struct message *), void *arg);

static const char *command_name;	/* for tool_fail() */

void
tool_begin(void)
{
	int fd;

	for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) == -1 && open("/dev/null",
		    fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
			_exit(EX_OSFILE);
}

void
tool_name(const char *command)
{
	command_name = command;
}

/* Absolute, because master works in the root directory. */
void
tool_directory(struct tool *t, const char *given)
{
	static char real[PATH_MAX];

	if (given == NULL)
		given = secure_getenv("CHASQUI_DIR");
	t->dir_is_default = given == NULL;
	if (given == NULL)
		given = CONF_DIR;
	t->dir = realpath(given, real) != NULL ? real : given;
}

int
tool_fail(int status, const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fprintf(stderr, "%s%s%s: ", program_invocation_short_name,
	    command_name == NULL ? "" : " ",
	    command_name == NULL ? "" : command_name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\n");
	return status;
}

int
tool_finish(int status)
{
	const char *why = "not all of it could be written";

	if (fflush(stdout) == EOF)
		why = strerror(errno);
	else if (!ferror(stdout))
		return status;
	return tool_fail(status != EX_OK ? status : EX_IOERR,
	    "standard output: %s", why);
}

const char *
tool_conf_path(struct tool *t)
{
	static struct buf path = { .max = 2 * PATH_MAX };

	if (t->dir == NULL)
		tool_directory(t, NULL);
	buf_reset(&path);
	buf_printf(&path, "%s/chasqui.conf", t->dir);
	return buf_cstr(&path);
}

int
tool_become(uid_t uid, gid_t gid)
{
	if (geteuid() != 0 || uid == 0)
		return EX_OK;
	if (setgroups(1, &gid) == -1 || setgid(gid) == -1 ||
	    setuid(uid) == -1)
		return tool_fail(EX_OSERR, "cannot become the owner: %s",
		    strerror(errno));
	return EX_OK;
}

const struct conf *
tool_conf(struct tool *t)
{
	struct buf why = BUF_INIT(64 * 1024);

	if (t->conf != NULL)
		return t->conf;
	if (access(tool_conf_path(t), F_OK) == -1)
		exit(tool_fail(EX_CONFIG, "%s: %s; `chasqui init%s%s` makes "
		    "one, -C DIR names another place", tool_conf_path(t),
		    strerror(errno), t->dir_is_default ? "" : " --dir ",
		    t->dir_is_default ? "" : t->dir));
	t->conf = conf_load(tool_conf_path(t), &why);
	if (t->conf == NULL) {
		fprintf(stderr, "%s", buf_cstr(&why));
		exit(tool_fail(EX_CONFIG, "the configuration has errors"));
	}
	buf_clear(&why);
	return t->conf;
}

const struct conf *
tool_conf_to_ask(struct tool *t)
{
	struct buf why = BUF_INIT(64 * 1024);

	if (t->conf != NULL)
		return t->conf;
	t->conf = conf_load(tool_conf_path(t), &why);
	if (t->conf == NULL && access(tool_conf_path(t), R_OK) == 0) {
		fprintf(stderr, "%s", buf_cstr(&why));
		t->conf = conf_load_anyway(tool_conf_path(t));
		if (t->conf != NULL)
			fprintf(stderr, "note: the configuration has errors; "
			    "a suite that runs is asked all the same\n");
	}
	buf_clear(&why);
	return tool_conf(t);
}

const struct conf *
tool_conf_again(struct tool *t)
{
	conf_free(&t->conf);
	return tool_conf(t);
}

/* ---- talking to the suite ------------------------------------------------ */

static void
no_message(void *arg, struct channel *c, struct message *m)
{
	(void)arg;
	(void)c;
	(void)m;
}

static void
no_down(void *arg, struct channel *c)
{
	(void)arg;
	(void)c;
}

static struct channel *
connect_to(struct tool *t, const char *name, struct buf *path)
{
	static const struct message_rule rules[] = RULES_OF(TOOL_REQUESTS);
	static const struct channel_ops ops = { no_message, no_down, NULL };
	static const struct {
		const char	*name;
		enum role	 role;
	} sockets[] = {
		{ SOCKET_CONTROL, ROLE_MASTER }, { SOCKET_QUEUE, ROLE_QMGR },
		{ SOCKET_LOOKUP, ROLE_LOOKUP },
	};
	enum role role = ROLE_MASTER;
	size_t i;
	int fd;

	buf_printf(path, "%s/%s", tool_conf_to_ask(t)->path_run, name);
	for (i = 0; i < sizeof(sockets) / sizeof(sockets[0]); i++)
		if (strcmp(name, sockets[i].name) == 0)
			role = sockets[i].role;
	fd = unix_connect(buf_cstr(path));
	if (fd == -1)
		return NULL;
	return channel_new(NULL, fd, rules, ROLE_TOOL, role, 0, &ops, NULL);
}

struct channel *
tool_connect(struct tool *t, const char *name)
{
	struct buf path = BUF_INIT(2 * PATH_MAX);
	struct channel *c = connect_to(t, name, &path);

	if (c == NULL && (errno == ENOENT || errno == ECONNREFUSED))
		exit(tool_fail(EX_UNAVAILABLE, "the suite of %s is not "
		    "running; `chasqui%s%s start` starts it", t->dir,
		    t->dir_is_default ? "" : " -C ",
		    t->dir_is_default ? "" : t->dir));
	if (c == NULL && errno == EACCES)
		exit(tool_fail(EX_NOPERM, "%s: only root, or who runs the "
		    "suite, may do this", buf_cstr(&path)));
	if (c == NULL)
		exit(tool_fail(EX_UNAVAILABLE, "%s: %s", buf_cstr(&path),
		    strerror(errno)));
	buf_clear(&path);
	return c;
}

struct channel *
tool_connect_if_running(struct tool *t, const char *name)
{
	struct buf path = BUF_INIT(2 * PATH_MAX);
	struct channel *c = connect_to(t, name, &path);
	int saved = errno;

	buf_clear(&path);
	errno = saved;
	return c;
}

static void
print_line(void *arg, struct slice line)
{
	(void)arg;
	printf("%.*s\n", SLICE_ARG(line));
}

int
tool_answer(struct channel *c, void (*on)(void *, struct message *),
    void *arg)
{
	return wait_for_answer(c, print_line, on, arg);
}

int
tool_answer_lines(struct channel *c, void (*line)(void *, struct slice),
    void *arg)
{
	return wait_for_answer(c, line, NULL, arg);
}

static int
wait_for_answer(struct channel *c, void (*line)(void *, struct slice),
    void (*on)(void *, struct message *), void *arg)
{
	struct message m;
	struct slice why;
	int status, i;

	while (channel_wait(c, &m, -1) == 0) {
		if (m.type == TL_LINE)
			line(arg, get_rest(&m.body));
		else if (m.type == TL_NOTE) {
			why = get_rest(&m.body);
			fprintf(stderr, "(%.*s)\n", SLICE_ARG(why));
		} else if (m.type == TL_END) {
			status = get_u8(&m.body);
			why = get_slice(&m.body, 1024);
			if (why.n > 0)
				return tool_fail(status, "%.*s",
				    SLICE_ARG(why));
			return status;
		} else if (on != NULL)
			on(arg, &m);
		for (i = 0; i < m.nfds; i++)
			if (m.fds[i] != -1)
				close(m.fds[i]);
	}
	return tool_fail(EX_UNAVAILABLE, "the suite has not answered; its log "
	    "may say why");
}

/* master reads the file, so what is wrong with it is told by master. */
int
tool_reload(struct channel *c)
{
	channel_send(c, TL_RELOAD, 1, SLICE_EMPTY);
	return tool_answer(c, NULL, NULL);
}

int
tool_logout_if_running(struct tool *t, const char *login)
{
	struct channel *c = tool_connect_if_running(t, SOCKET_CONTROL);
	struct buf *b;
	int status;

	if (c == NULL && errno == EACCES)
		return tool_fail(EX_NOPERM, "only root, or who runs the suite, "
		    "may end the connections of %s", login);
	if (c == NULL)
		return EX_OK;
	b = channel_begin(c, TL_LOGOUT, 1);
	if (b != NULL)
		put_slice(b, slice_str(login));
	channel_end(c);
	status = tool_answer(c, NULL, NULL);
	channel_free(&c);
	return status;
}

int
tool_reload_if_running(struct tool *t)
{
	struct channel *c = tool_connect_if_running(t, SOCKET_CONTROL);
	int status;

	if (c == NULL && errno == EACCES)
		return tool_fail(EX_NOPERM, "the file is changed, but only "
		    "root, or who runs the suite, may reload it");
	if (c == NULL)
		return EX_OK;
	status = tool_reload(c);
	channel_free(&c);
	return status;
}
