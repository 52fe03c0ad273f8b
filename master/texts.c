/* SPDX-License-Identifier: ISC */
/*
 * texts - the operator's texts of reports, for bounce.
 *
 * bounce can open no file, so it gets these open; what is in them it reads and
 * checks itself.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "ipc/qmgr_bounce.h"
#include "master.h"

static void	 give(struct process *, const char *name);
static int	 open_file(const char *path);

void
texts_give(struct process *p)
{
	unsigned kind;

	if (p->role != ROLE_BOUNCE)
		return;
	if (p->master->conf->path_templates[0] != '\0')
		for (kind = 1; kind < REPORT_KINDS; kind++)
			give(p, report_text_file(kind));
	channel_send(p->channel, CTL_TEXTS_TAKE, 0, SLICE_EMPTY);
}

static void
give(struct process *p, const char *name)
{
	struct buf path = BUF_INIT(8192), *b;
	int fd;

	buf_printf(&path, "%s/%s", p->master->conf->path_templates, name);
	fd = open_file(buf_cstr(&path));
	if (fd != -1) {
		b = channel_begin(p->channel, CTL_TEXT, 0);
		if (b != NULL)
			put_slice(b, slice_str(name));
		channel_end_fds(p->channel, &fd, 1);
	} else if (errno != ENOENT)
		log_error("event=bad-template file=%s why=\"%s\"",
		    LOG_Q(buf_slice(&path)), strerror(errno));
	buf_clear(&path);
}

/* A regular one, so that nobody waits for it. */
static int
open_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd == -1 || (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)))
		return fd;
	close(fd);
	errno = EINVAL;
	return -1;
}
