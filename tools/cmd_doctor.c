/* SPDX-License-Identifier: ISC */
/*
 * cmd_doctor - `chasqui doctor`: looks at the machine and the configuration,
 * and says for each thing that is not as it should be what to do.
 */
#include <sys/resource.h>
#include <sys/timex.h>

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "doctor.h"
#include "os/sandbox.h"
#include "queue_print.h"

/* Exit statuses beside 0 and those of sysexits.h. */
#define WARNINGS	1
#define FAULTS		2

static int	 run(struct tool *, int, char *[]);
static void	 read_configuration(struct doctor *);
static void	 tell_pause(void *, struct slice);
static void	 doctor_machine(struct doctor *);	/* clock, limits, kernel */
static void	 check_clock(struct doctor *);
static void	 check_limits(struct doctor *);
static void	 check_kernel(struct doctor *);

const struct command cmd_doctor = { "doctor",
	"[--verbose] [--json] [AREA...]\n"
	"    AREA: configuration | machine | ports | certificates | files |\n"
	"        disk | dns | others\n\n"
	"Without an area it is all of them.  Best run as root.  The exit "
	"status is 0, 1\nwith warnings, 2 with faults.",
	"look for what is wrong, and say what to do", run };

static const struct {
	const char	*area;
	void		(*look)(struct doctor *);
	bool		 needs_conf;
} parts[] = {
	{ "configuration", read_configuration,	false },
	{ "machine",	   doctor_machine,	false },
	{ "ports",	   doctor_ports,	true },
	{ "certificates",  doctor_certificates,	true },
	{ "files",	   doctor_files,	true },
	{ "disk",	   doctor_disk,		true },
	{ "dns",	   doctor_dns,		true },
	{ "others",	   doctor_others,	false },
};
#define NPARTS	(sizeof(parts) / sizeof(parts[0]))

static bool
is_asked_for(const char *area, int argc, char *argv[])
{
	int i;

	for (i = 0; i < argc; i++)
		if (strcmp(argv[i], area) == 0)
			return true;
	return argc == 0;
}

static bool
is_area(const char *name)
{
	size_t i;

	for (i = 0; i < NPARTS; i++)
		if (strcmp(parts[i].area, name) == 0)
			return true;
	return false;
}

static int
run(struct tool *t, int argc, char *argv[])
{
	static const struct option options[] = {
		{ "verbose", no_argument, NULL, 'v' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};
	struct doctor d = { .tool = t };
	size_t i;
	int ch, j;

	while ((ch = getopt_long(argc, argv, "vj", options, NULL)) != -1)
		if (ch == 'v')
			d.verbose = true;
		else if (ch == 'j')
			d.json = true;
		else
			return tool_usage(&cmd_doctor);
	argc -= optind;
	argv += optind;
	for (j = 0; j < argc; j++)
		if (!is_area(argv[j]))
			return tool_usage(&cmd_doctor);
	/* Without the configuration most parts have nothing to look at. */
	for (i = 0; i < NPARTS; i++) {
		d.area = parts[i].area;
		if (i == 0 || (is_asked_for(d.area, argc, argv) &&
		    (d.conf != NULL || !parts[i].needs_conf)))
			parts[i].look(&d);
		fflush(stdout);
	}
	if (!d.json)
		printf("%u in order, %u notes, %u warnings, %u faults\n",
		    d.count[FINDING_OK], d.count[FINDING_NOTE],
		    d.count[FINDING_WARNING], d.count[FINDING_FAULT]);
	return d.count[FINDING_FAULT] > 0 ? FAULTS :
	    d.count[FINDING_WARNING] > 0 ? WARNINGS : EX_OK;
}

void
doctor_say(struct doctor *d, enum finding level, const char *subject,
    const char *advice, const char *fmt, ...)
{
	static const char *const names[] = { "ok", "note", "warning",
		"fault" };
	struct buf text = BUF_INIT(8192);
	va_list ap;

	d->count[level]++;
	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	if (d->json) {
		putchar('{');
		json_text("level", slice_str(names[level]));
		putchar(',');
		json_text("area", slice_str(d->area));
		putchar(',');
		json_text("subject", slice_str(subject));
		putchar(',');
		json_text("text", slice_trim(buf_slice(&text)));
		putchar(',');
		json_text("advice", slice_str(advice == NULL ? "" : advice));
		puts("}");
	} else if (level != FINDING_OK || d->verbose) {
		printf("%-8s %s: %s: %.*s\n", names[level], d->area, subject,
		    SLICE_ARG(slice_trim(buf_slice(&text))));
		if (advice != NULL)
			printf("         -> %s\n", advice);
	}
	buf_clear(&text);
}

/* ---- the configuration --------------------------------------------------- */

static void
read_configuration(struct doctor *d)
{
	const char *path = tool_conf_path(d->tool);
	struct buf why = BUF_INIT(64 * 1024);
	struct channel *c;

	if (access(path, F_OK) == -1) {
		doctor_say(d, FINDING_FAULT, path, "`chasqui init` makes one; "
		    "-C DIR names another place", "%s", strerror(errno));
		return;
	}
	d->conf = conf_load(path, &why);
	if (d->conf == NULL) {
		doctor_say(d, FINDING_FAULT, path, "mend it; `chasqui config "
		    "explain KEY` tells about a key", "%s", buf_cstr(&why));
		buf_clear(&why);
		return;
	}
	buf_clear(&why);
	c = tool_connect_if_running(d->tool, SOCKET_CONTROL);
	d->foreign = c == NULL && errno == EACCES;
	d->running = c != NULL || d->foreign;
	channel_free(&c);
	doctor_say(d, FINDING_OK, path, NULL, "valid; the suite %s",
	    d->running ? "runs" : "does not run");
	if (d->running)
		pauses_each(d->tool, tell_pause, d);
	if (geteuid() != 0)
		doctor_say(d, FINDING_NOTE, "root", "run this as root",
		    "not root: private keys, other processes and what only "
		    "root may do are not seen");
}

/* What somebody has stopped may have been forgotten. */
static void
tell_pause(void *arg, struct slice pause)
{
	doctor_say(arg, FINDING_WARNING, "pause", "`chasqui resume` ends it",
	    "paused: %.*s", SLICE_ARG(pause));
}

/* ---- the machine --------------------------------------------------------- */

static void
doctor_machine(struct doctor *d)
{
	check_clock(d);
	check_limits(d);
	check_kernel(d);
}

static void
check_clock(struct doctor *d)
{
	struct timex tx = { .modes = 0 };
	time_t now = time(NULL);
	struct tm tm;
	char text[64] = "";
	int state = adjtimex(&tx);

	if (gmtime_r(&now, &tm) != NULL)
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &tm);
	if (tm.tm_year + 1900 < 2024)
		doctor_say(d, FINDING_FAULT, "clock", "set it; certificates "
		    "and dates of messages are wrong with it", "it says %s",
		    text);
	else if (state == TIME_ERROR || (tx.status & STA_UNSYNC) != 0)
		doctor_say(d, FINDING_NOTE, "clock", "`timedatectl`, `chronyc "
		    "tracking` or `ntpq -p` tell more; in a container the host "
		    "keeps the time", "%s; nothing tells the kernel that it is "
		    "kept right", text);
	else
		doctor_say(d, FINDING_OK, "clock", NULL, "%s, synchronised, "
		    "off by at most %ld ms", text, tx.maxerror / 1000);
}

/* As master/wire.c gives descriptors to each process. */
static rlim_t
descriptors_wanted(const struct conf *c)
{
	const uint64_t all[] = { 8192, 2 * c->smtp_max_sessions + 512,
		2 * c->remote_connections + 512,
		3 * c->imap_max_connections + 512,
		3 * c->pop3_max_connections + 512 };
	uint64_t most = 0;
	size_t i;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i] > most)
			most = all[i];
	return most;
}

static void
check_limits(struct doctor *d)
{
	rlim_t want = d->conf == NULL ? 8192 : descriptors_wanted(d->conf);
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == -1)
		return;
	if (geteuid() == 0 || r.rlim_max >= want)
		doctor_say(d, FINDING_OK, "open files", NULL, "%llu are wanted "
		    "and can be had", (unsigned long long)want);
	else
		doctor_say(d, FINDING_WARNING, "open files", "raise it "
		    "(LimitNOFILE= of the service, nofile in "
		    "/etc/security/limits.conf), or lower smtp.max_sessions, "
		    "imap.max_connections and their like", "%llu are allowed, "
		    "a process needs %llu when all its sessions are in use",
		    (unsigned long long)r.rlim_max, (unsigned long long)want);
}

static void
check_kernel(struct doctor *d)
{
	int abi = sandbox_landlock_abi();

	if (abi == 0)
		doctor_say(d, FINDING_WARNING, "Landlock", "use Linux 5.13 or "
		    "newer, with landlock among the modules of "
		    "/sys/kernel/security/lsm", "the kernel has none: "
		    "processes are confined by uid, chroot and seccomp alone");
	else
		doctor_say(d, FINDING_OK, "Landlock", NULL, "ABI %d", abi);
	if (access("/proc/sys/kernel/seccomp/actions_avail", F_OK) == -1)
		doctor_say(d, FINDING_FAULT, "seccomp", "the suite does not "
		    "start without; see CONFIG_SECCOMP_FILTER of the kernel, "
		    "or whether /proc is mounted", "the kernel offers no "
		    "filters of system calls");
	else
		doctor_say(d, FINDING_OK, "seccomp", NULL, "filters work");
}
