/* SPDX-License-Identifier: ISC */
/*
 * cmd_report - `chasqui report`: a page about what the suite has done.
 *
 * The event history's files are read once, whether the suite runs or not.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "chasqui.h"
#include "report.h"
#include "when.h"

#define USUAL_US	(INT64_C(7) * 86400 * 1000000)

static int	 run(struct tool *, int, char *[]);
static int	 make(struct tool *, struct history_range, const char *path);
static int	 write_to(const struct report *, const char *host,
		    const char *path, int64_t now_us);

const struct command cmd_report = { "report",
	"[--since T] [--until T] [-o FILE]",
	"make a page (HTML) about the mail of the last days", run };

static int
run(struct tool *t, int argc, char *argv[])
{
	enum { SINCE = 256, UNTIL };
	static const struct option options[] = {
		{ "since", required_argument, NULL, SINCE },
		{ "until", required_argument, NULL, UNTIL },
		{ NULL, 0, NULL, 0 },
	};
	struct history_range range = { clock_wall_ms() * 1000 - USUAL_US,
		INT64_MAX };
	const char *path = NULL;
	int ch;

	while ((ch = getopt_long(argc, argv, "o:", options, NULL)) != -1)
		if (ch == 'o')
			path = optarg;
		else if (ch != SINCE && ch != UNTIL)
			return tool_usage(&cmd_report);
		else if (!when_parse(optarg, ch == SINCE ? &range.since_us :
		    &range.until_us))
			return tool_fail(EX_USAGE, "%s is no time: 2h (ago), "
			    "2026-11-27, or 2026-11-27T20:41", optarg);
	if (optind != argc)
		return tool_usage(&cmd_report);
	if (range.since_us >= range.until_us)
		return tool_fail(EX_USAGE, "that time ends before it begins");
	if (path == NULL && isatty(STDOUT_FILENO))
		return tool_fail(EX_USAGE, "a page is no text for a terminal; "
		    "-o FILE says where it goes");
	return make(t, range, path);
}

static int
make(struct tool *t, struct history_range range, const char *path)
{
	static struct report r;
	const struct conf *conf = tool_conf(t);
	int64_t now_us = clock_wall_ms() * 1000;
	struct buf why = BUF_INIT(8192);
	struct history_stat st;
	struct history *h;
	int status = EX_OK;

	h = history_open(conf->path_history, &why);
	if (h == NULL)
		return tool_fail(EX_NOPERM, "%s", buf_cstr(&why));
	history_stat(h, &st);
	report_init(&r, range, st.first_us, now_us);
	if (history_each(h, range, report_take, &r) == -1)
		status = tool_fail(EX_IOERR, "the event history cannot be "
		    "read: %s", strerror(errno));
	else
		status = write_to(&r, conf->hostname, path, now_us);
	history_close(&h);
	buf_clear(&why);
	return status;
}

/* Addresses are in it: nobody else reads the file.  It is there whole, or not
 * at all. */
static int
write_to(const struct report *r, const char *host, const char *path,
    int64_t now_us)
{
	char temporary[PATH_MAX];
	FILE *f;
	int fd;

	if (path == NULL)
		return report_write(r, host, now_us, stdout) == 0 ? EX_OK :
		    tool_fail(EX_IOERR, "%s", strerror(errno));
	if (snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path) >=
	    (int)sizeof(temporary))
		return tool_fail(EX_CANTCREAT, "%s: the name is too long",
		    path);
	fd = mkostemp(temporary, O_CLOEXEC);
	f = fd == -1 ? NULL : fdopen(fd, "w");
	if (f == NULL)
		return tool_fail(EX_CANTCREAT, "%s: %s", path,
		    strerror(errno));
	if (report_write(r, host, now_us, f) == -1 || fclose(f) != 0 ||
	    rename(temporary, path) == -1) {
		fd = errno;
		unlink(temporary);
		return tool_fail(EX_IOERR, "%s: %s", path, strerror(fd));
	}
	return EX_OK;
}
