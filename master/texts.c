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

#include "base/file.h"
#include "base/log.h"
#include "ipc/qmgr_bounce.h"
#include "master.h"

static void	 give(struct process *, const char *name);

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
	fd = file_open(buf_cstr(&path));
	if (fd != -1) {
		b = channel_begin(p->channel, CTL_TEXT, 0);
		if (b != NULL)
			put_slice(b, slice_str(name));
		channel_end_fds(p->channel, &fd, 1);
	} else if (errno != ENOENT)
		log_error("event=bad-template file=%s why=\"%s\"",
		    LOG_Q(buf_slice(&path)), file_error(errno));
	buf_clear(&path);
}
