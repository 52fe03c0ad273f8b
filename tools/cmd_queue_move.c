/* SPDX-License-Identifier: ISC */
/*
 * cmd_queue_move - `chasqui queue export`, `import` and `adopt`: messages leave
 * for a file (mail/queue_file.h), come from one, or from another instance's
 * queue directory, which `qmgr export` reads as its owner.
 *
 * A file is read twice: first to see that it is whole, so that a bad one costs
 * nothing.
 */
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "chasqui.h"
#include "mail/queue_file.h"
#include "os/fs.h"
#include "queue_select.h"

#define READ_BYTES	(256 * 1024)

/* ---- export -------------------------------------------------------------- */

struct export {
	int		 fd;
	int		 error;		/* of a write */
	uint64_t	 messages;
};

static void
write_frame(struct export *x, const struct buf *b)
{
	if (x->error == 0 && fs_write(&fs_real, x->fd, buf_slice(b)) == -1)
		x->error = errno;
}

static void
write_content(struct export *x, int fd, uint64_t size)
{
	char *bytes = mem_realloc(NULL, QUEUE_FRAME_BYTES);
	struct buf b = BUF_INIT(QUEUE_FRAME_BYTES + 64);
	uint64_t at;
	size_t n;

	for (at = 0; at < size && x->error == 0; at += n) {
		n = size - at < QUEUE_FRAME_BYTES ? (size_t)(size - at) :
		    QUEUE_FRAME_BYTES;
		if (fs_read_exactly(&fs_real, fd, bytes, n, (off_t)at) == -1) {
			x->error = errno;
			break;
		}
		buf_reset(&b);
		queue_frame_put(&b, FRAME_CONTENT, slice_of(bytes, n));
		write_frame(x, &b);
	}
	buf_clear(&b);
	free(bytes);
}

static void
on_exported(void *arg, struct message *m)
{
	struct export *x = arg;
	struct buf b = BUF_INIT(2 * QUEUE_FRAME_BYTES);
	uint64_t id;
	uint32_t n;

	switch (m->type) {
	case TL_MESSAGE:
		id = get_u64(&m->body);
		n = get_u32(&m->body);
		queue_frame_put_message(&b, id, n, get_u64(&m->body));
		x->messages++;
		break;
	case TL_DATA:
		queue_frame_put(&b, FRAME_BYTES, get_rest(&m->body));
		break;
	case TL_FILE:
		write_content(x, m->fds[0], get_u64(&m->body));
		break;
	}
	if (b.n > 0)
		write_frame(x, &b);
	buf_clear(&b);
}

static void
write_begin(struct export *x)
{
	struct buf b = BUF_INIT(1024);
	char identity[QUEUE_FILE_IDENTITY];

	arc4random_buf(identity, sizeof(identity));
	buf_add(&b, SLICE_LIT(QUEUE_FILE_MAGIC));
	queue_frame_put_begin(&b, identity, clock_wall_ms());
	write_frame(x, &b);
	buf_clear(&b);
}

static void
write_end(struct export *x)
{
	struct buf b = BUF_INIT(1024);

	queue_frame_put_end(&b, x->messages);
	write_frame(x, &b);
	buf_clear(&b);
	/* A pipe cannot be synced. */
	if (x->error == 0 && fsync(x->fd) == -1 && errno != EINVAL &&
	    errno != EROFS)
		x->error = errno;
}

int
run_queue_export(struct tool *t, struct selection *s)
{
	struct export x = { .fd = STDOUT_FILENO };
	struct channel *c;
	struct buf *b;
	int status;

	if (s->output == NULL && isatty(STDOUT_FILENO))
		return tool_fail(EX_USAGE, "name a file: --output FILE");
	c = tool_connect(t, SOCKET_QUEUE);
	if (s->output != NULL)
		x.fd = open(s->output, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
		    0600);
	if (x.fd == -1)
		return tool_fail(EX_CANTCREAT, "%s: %s", s->output,
		    strerror(errno));
	write_begin(&x);
	b = channel_begin(c, TL_QUEUE_EXPORT, 1);
	if (b != NULL)
		queue_filter_pack(b, &s->filter);
	channel_end(c);
	status = tool_answer(c, on_exported, &x);
	channel_free(&c);
	if (status == EX_OK)
		write_end(&x);
	if (x.error != 0)
		status = tool_fail(EX_IOERR, "%s: %s", s->output != NULL ?
		    s->output : "standard output", strerror(x.error));
	if (status == EX_OK)
		fprintf(stderr, "%llu messages\n",
		    (unsigned long long)x.messages);
	else if (s->output != NULL)
		unlink(s->output);
	return status;
}

/* ---- reading ------------------------------------------------------------- */

struct source {
	int		 fd;
	const char	*name;
	struct queue_file file;
	struct buf	 in;
	size_t		 at;		/* of `in`, what was taken */
};

/* The next frame, good until the next call; false: the file is over, as it
 * should be or not (*status_r). */
static bool
next_frame(struct source *s, struct queue_frame *f, int *status_r)
{
	const char *why = "it ends before its end: it was cut off";
	struct slice rest;
	enum parse p;
	ssize_t n = 0;
	char *to;

	for (;;) {
		rest = slice_from(buf_slice(&s->in), s->at);
		p = queue_file_next(&s->file, &rest, f, &why);
		if (p == PARSE_OK) {
			s->at = s->in.n - rest.n;
			return true;
		}
		if (p == PARSE_BAD)
			break;
		buf_drop(&s->in, s->at);
		s->at = 0;
		to = buf_reserve(&s->in, READ_BYTES);
		n = to == NULL ? -1 : read(s->fd, to, READ_BYTES);
		if (n <= 0)
			break;
		s->in.n += (size_t)n;
	}
	*status_r = EX_OK;
	if (n == -1)
		*status_r = tool_fail(EX_IOERR, "%s: %s", s->name,
		    strerror(errno));
	else if (p == PARSE_BAD || !s->file.ended || s->in.n > 0)
		*status_r = tool_fail(EX_DATAERR, "%s: %s; nothing was "
		    "imported", s->name, p == PARSE_BAD ? why : s->file.ended ?
		    "something follows its end" :
		    "it ends before its end: it was cut off");
	return false;
}

static void
source_init(struct source *s, int fd, const char *name)
{
	memset(s, 0, sizeof(*s));
	s->fd = fd;
	s->name = name;
	buf_init(&s->in, 4 * READ_BYTES);
}

static int
look_through(int fd, const char *name)
{
	struct source s;
	struct queue_frame f;
	int status;

	source_init(&s, fd, name);
	while (next_frame(&s, &f, &status))
		continue;
	buf_clear(&s.in);
	return status;
}

/* ---- import -------------------------------------------------------------- */

struct import {
	struct channel	*c;
	struct source	 s;
	int		 large;		/* content is wanted there; -1: it is
					 * not wanted */
};

/* What qmgr says of the message: TL_MESSAGE (go on), TL_FILE, or the end. */
static int
wait_for_word(struct import *im)
{
	struct message m;
	struct slice why;
	int status;

	while (channel_wait(im->c, &m, -1) == 0)
		switch (m.type) {
		case TL_MESSAGE:
			return EX_OK;
		case TL_FILE:
			im->large = m.fds[0];
			return EX_OK;
		case TL_END:
			status = get_u8(&m.body);
			why = get_slice(&m.body, 1024);
			return tool_fail(status == EX_OK ? EX_SOFTWARE :
			    status, "%.*s; nothing was imported",
			    SLICE_ARG(why));
		}
	return tool_fail(EX_UNAVAILABLE, "the suite has not answered; import "
	    "the same again when it runs");
}

static int
send_frame(struct import *im, const struct queue_frame *f)
{
	struct buf *b;

	switch (f->type) {
	case FRAME_BEGIN:
		b = channel_begin(im->c, TL_IMPORT, 1);
		if (b != NULL) {
			buf_add(b, slice_first(f->body, QUEUE_FILE_IDENTITY));
			put_u8(b, 0);
		}
		channel_end(im->c);
		return EX_OK;
	case FRAME_MESSAGE:
		b = channel_begin(im->c, TL_MESSAGE, 1);
		if (b != NULL) {
			put_u64(b, f->id);
			put_u32(b, f->bytes);
			put_u64(b, f->content);
		}
		channel_end(im->c);
		return EX_OK;
	case FRAME_BYTES:
		channel_send(im->c, TL_DATA, 1, f->body);
		return im->s.file.bytes > 0 ? EX_OK : wait_for_word(im);
	case FRAME_CONTENT:
		if (im->large == -1)
			return EX_OK;
		if (fs_write(&fs_real, im->large, f->body) == -1)
			return tool_fail(EX_IOERR, "the content of a message "
			    "cannot be stored: %s; nothing was imported",
			    strerror(errno));
		if (im->s.file.content > 0)
			return EX_OK;
		close(im->large);
		im->large = -1;
		channel_send(im->c, TL_IMPORT_LARGE, 1, SLICE_EMPTY);
		return wait_for_word(im);
	case FRAME_END:
		channel_send(im->c, TL_IMPORT_SYNC, 1, SLICE_EMPTY);
		return wait_for_word(im);
	}
	return EX_SOFTWARE;
}

/* All that is in fd; before it is let go, `then` has to say EX_OK. */
static int
import_from(struct tool *t, int fd, const char *name,
    int (*then)(void *), void *arg)
{
	struct import im = { .c = tool_connect(t, SOCKET_QUEUE), .large = -1 };
	struct queue_frame f;
	int status = EX_OK;

	source_init(&im.s, fd, name);
	while (status == EX_OK && next_frame(&im.s, &f, &status))
		status = send_frame(&im, &f);
	if (status == EX_OK && then != NULL)
		status = then(arg);
	if (status == EX_OK) {
		channel_send(im.c, TL_IMPORT_END, 1, SLICE_EMPTY);
		status = tool_answer(im.c, NULL, NULL);
	}
	channel_free(&im.c);
	buf_clear(&im.s.in);
	return status;
}

int
run_queue_import(struct tool *t, int argc, char *argv[])
{
	int fd, status;

	if (argc != 2 || argv[1][0] == '-')
		return tool_fail(EX_USAGE, "name one file that `chasqui queue "
		    "export` has written");
	fd = file_open(argv[1]);
	if (fd == -1)
		return tool_fail(EX_NOINPUT, "%s: %s", argv[1],
		    file_error(errno));
	status = look_through(fd, argv[1]);
	if (status == EX_OK && lseek(fd, 0, SEEK_SET) == -1)
		status = tool_fail(EX_USAGE, "%s: it is to be read twice, so a "
		    "pipe will not do", argv[1]);
	if (status == EX_OK)
		status = import_from(t, fd, argv[1], NULL, NULL);
	close(fd);
	return status;
}

/* ---- adopt --------------------------------------------------------------- */

struct giver {
	pid_t	 pid;
	int	 from;		/* what it exports */
	int	 to;		/* a byte: mark the directory */
};

/* It opens the directory and checks it before it writes. */
static void
give(const char *dir, const int out[2], const int in[2])
{
	struct stat st;
	int status = EX_NOINPUT;

	if (chdir(dir) == -1 || stat(".", &st) == -1)
		tool_fail(EX_NOINPUT, "%s: %s", dir, strerror(errno));
	else if ((status = tool_become(st.st_uid, st.st_gid)) == EX_OK &&
	    dup2(out[1], STDOUT_FILENO) != -1 &&
	    dup2(in[0], STDIN_FILENO) != -1) {
		close(out[0]);
		close(in[1]);
		execl(LIBEXEC_DIR "/qmgr", "qmgr", "export", (char *)NULL);
		status = tool_fail(EX_UNAVAILABLE, "%s: %s",
		    LIBEXEC_DIR "/qmgr", strerror(errno));
	}
	_exit(status);
}

static int
wait_for(const struct giver *g)
{
	int status;

	while (waitpid(g->pid, &status, 0) == -1)
		if (errno != EINTR)
			return EX_OSERR;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EX_SOFTWARE;
}

/* Whether it gives anything; where not it has said why. */
static bool
gives(const struct giver *g)
{
	struct pollfd p = { .fd = g->from, .events = POLLIN };

	while (poll(&p, 1, -1) == -1)
		if (errno != EINTR)
			return false;
	return p.revents & POLLIN;
}

/* All that it had is durable here, and held. */
static int
mark(void *arg)
{
	struct giver *g = arg;
	int status = write(g->to, "a", 1) == 1 ? wait_for(g) : EX_IOERR;

	g->pid = -1;
	if (status != EX_OK)
		return tool_fail(EX_IOERR, "the directory could not be marked "
		    "as adopted; nothing was imported");
	return EX_OK;
}

int
run_queue_adopt(struct tool *t, int argc, char *argv[])
{
	struct giver g;
	int out[2], in[2], status, r;

	if (argc != 2 || argv[1][0] == '-')
		return tool_fail(EX_USAGE, "name the queue directory of an "
		    "instance that is stopped");
	if (pipe2(out, O_CLOEXEC) == -1 || pipe2(in, O_CLOEXEC) == -1 ||
	    (g.pid = fork()) == -1)
		return tool_fail(EX_OSERR, "%s", strerror(errno));
	if (g.pid == 0)
		give(argv[1], out, in);
	close(out[1]);
	close(in[0]);
	g.from = out[0];
	g.to = in[1];
	if (gives(&g))
		status = import_from(t, g.from, argv[1], mark, &g);
	else
		status = tool_fail(EX_NOINPUT, "%s: nothing was adopted",
		    argv[1]);
	close(g.to);
	close(g.from);
	if (g.pid != -1 && (r = wait_for(&g)) != EX_OK && status != EX_OK)
		status = r;
	if (status == EX_OK)
		printf("%s is marked as adopted: no suite starts on it any "
		    "more, and it may be removed\n", argv[1]);
	return status;
}
