/* SPDX-License-Identifier: ISC */
/*
 * cmd_confinement - shows the privilege table and tests it.
 *
 * Twice: each row is entered by a process that then tries what it must not be
 * able to do; and each process of the running suite is compared with its row
 * by what the kernel says of it in /proc.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/num.h"
#include "chasqui.h"
#include "ipc/backends.h"
#include "os/sandbox.h"
#include "probe.h"

static int	 run(struct tool *, int, char *[]);
static void	 show_rows(void);
static bool	 try_rows(struct tool *);
static bool	 try_row(struct tool *, const struct probe *, enum role);
static bool	 compare_suite(struct tool *);
static bool	 compare_process(struct tool *, struct slice status_line);
static void	 lent_group(struct tool *, const struct priv *, char *, size_t);
static bool	 ids_for(struct tool *, enum role, struct priv_ids *);

const struct command cmd_confinement = { "confinement", "",
	"show what each process may do, and test that it can do no more", run };

/* In the order of their columns; with the width that their names take. */
static const enum role roles[] = { ROLE_SMTPD, ROLE_QMGR, ROLE_REMOTE,
	ROLE_LOCAL, ROLE_WORKER, ROLE_COMMAND, ROLE_BOUNCE, ROLE_LOOKUP,
	ROLE_AUTH, ROLE_VERIFIER, ROLE_RESOLVER, ROLE_KEYS, ROLE_METRICS,
	ROLE_HISTORY, ROLE_IMAP_LOGIN, ROLE_IMAP_SPAWN, ROLE_IMAP_SESSION,
	ROLE_POP3_LOGIN, ROLE_POP3_SPAWN, ROLE_POP3_SESSION };
/* CAP_SETGID, CAP_SETUID, CAP_SYS_CHROOT. */
#define SPAWN_CAPABILITIES "00000000000400c0"
#define NROLES		(sizeof(roles) / sizeof(roles[0]))

static int
run(struct tool *t, int argc, char *argv[])
{
	bool holds;

	(void)argv;
	if (argc != 1)
		return tool_usage(&cmd_confinement);
	tool_conf(t);
	show_rows();
	if (geteuid() != 0)
		printf("\nWithout root neither chroot nor uids can be tested; "
		    "the rest is.\n");
	probe_prepare();
	holds = try_rows(t);
	holds = compare_suite(t) && holds;
	if (!holds)
		return tool_fail(EX_SOFTWARE, "the confinement does not hold; "
		    "see the lines above");
	printf("\nAll of it holds.\n");
	return EX_OK;
}

/* ---- the table ----------------------------------------------------------- */

static void
show_rows(void)
{
	static const char *const roots[] = { [EMPTY] = "an empty directory",
		[SPOOL] = "its directory", [WHOLE] = "the system's",
		[OWN] = "the user's mail" };
	static const char *const nets[] = { [NO_NET] = "none",
		[NET_SERVE] = "accepts", [NET_DIAL] = "TCP connections",
		[NET_DNS] = "TCP and UDP", [NET_LOCAL] = "Unix sockets",
		[ANY_NET] = "any" };
	static const char *const files[] = { [NO_FILES] = "none",
		[RO_FILES] = "tables, to read", [RW_FILES] = "its directory",
		[ANY_FILES] = "what the user may",
		[SPAWN_FILES] = "what its uid may" };
	const struct priv *row;
	size_t i;

	printf("%-12s %-20s %-19s %-16s %-18s %s\n", "PROCESS", "USER",
	    "ROOT DIRECTORY", "NETWORK", "FILES", "MORE");
	for (i = 0; i < NROLES; i++) {
		row = priv_of(roles[i]);
		printf("%-12s %-20s %-19s %-16s %-18s %s\n", row->name,
		    row->user != NULL ? row->user : row->extra & OF_SPAWN ?
		    "the user's" : "the recipient's",
		    roots[row->root], nets[row->net], files[row->files],
		    row->extra & MAY_EXEC ? "programs" :
		    row->extra & MAY_FORK ? "forks; setuid, chroot" :
		    row->extra & MAY_THREAD ? "threads" :
		    row->extra & LENT ? "by auth.backends" : "");
	}
}

/* ---- rows, entered ------------------------------------------------------- */

/* Of a column. */
static int
width(enum role role)
{
	int n = (int)strlen(priv_of(role)->name);

	return n > 8 ? n : 8;
}

static bool
try_rows(struct tool *t)
{
	const struct probe *p;
	bool holds = true;
	size_t i;

	printf("\n%-19s", "TRIED");
	for (i = 0; i < NROLES; i++)
		printf(" %-*s", width(roles[i]),
		    priv_of(roles[i])->name);
	printf("\n");
	for (p = probes; p->name != NULL; p++) {
		printf("%-19s", p->name);
		for (i = 0; i < NROLES; i++)
			holds = try_row(t, p, roles[i]) && holds;
		printf("\n");
	}
	return holds;
}

static bool
try_row(struct tool *t, const struct probe *p, enum role role)
{
	struct priv_ids ids;

	if (p->may(priv_of(role))) {
		printf(" %-*s", width(role), "may");
		return true;
	}
	if (!ids_for(t, role, &ids)) {
		printf(" %-*s", width(role), "NO USER");
		return false;
	}
	switch (probe_run(p, role, &ids)) {
	case PROBE_KILLED:
		printf(" %-*s", width(role), "killed");
		return true;
	case PROBE_REFUSED:
		printf(" %-*s", width(role), "refused");
		return true;
	case PROBE_DONE:
		/* Known, and no fault of the suite's. */
		if (p->landlock > sandbox_landlock_abi()) {
			printf(" %-*s", width(role), "(kernel)");
			return true;
		}
		printf(" %-*s", width(role), "WORKED");
		return false;
	case PROBE_BROKEN:
		break;
	}
	printf(" %-*s", width(role), "BROKEN");
	return false;
}

static bool
uid_of(const char *name, struct priv_ids *ids)
{
	const struct passwd *pw = getpwnam(name);

	if (pw == NULL)
		return false;
	ids->uid = pw->pw_uid;
	ids->gid = pw->pw_gid;
	return true;
}

static const char *
spool_of(const struct conf *c, const struct priv *row)
{
	return row == priv_of(ROLE_HISTORY) ? c->path_history : c->path_queue;
}

/* What master would give. */
static bool
ids_for(struct tool *t, enum role role, struct priv_ids *ids)
{
	static char empty[PATH_MAX];
	const struct conf *c = tool_conf(t);
	const struct priv *row = priv_of(role);
	char name[256];

	snprintf(empty, sizeof(empty), "%s/empty", c->path_run);
	*ids = (struct priv_ids){
		.mode = geteuid() == 0 ? PRIV_FULL : PRIV_USER,
		.uid = getuid(), .gid = getgid(),
		.root = row->root == SPOOL ? spool_of(c, row) : empty,
		.writable = row->root == SPOOL ? spool_of(c, row) :
		    c->path_mail,
		.readable = c->path_tables,
		.memory = c->process_memory, .descriptors = 64 };
	if (ids->mode == PRIV_USER)
		return true;
	if (role == ROLE_WORKER || row->extra & OF_SPAWN)
		return uid_of(c->user_mail, ids);
	if (role == ROLE_COMMAND)
		return uid_of(c->user_commands, ids);
	snprintf(name, sizeof(name), "%s%s", c->user_prefix, row->user);
	return uid_of(name, ids);
}

/* ---- processes, looked at ------------------------------------------------ */

static struct slice
value_of(struct slice words, const char *key)
{
	struct slice part;
	size_t n = strlen(key);

	while (slice_next(&words, ' ', &part))
		if (part.n > n && part.p[n] == '=' &&
		    memcmp(part.p, key, n) == 0)
			return slice_from(part, n + 1);
	return SLICE_EMPTY;
}

static bool
compare_suite(struct tool *t)
{
	struct channel *c = tool_connect_if_running(t, SOCKET_CONTROL);
	struct message m;
	struct slice line;
	bool holds = true, ended = false;

	if (c == NULL && errno == EACCES) {
		printf("\nOnly root, or who runs the suite, may ask it, so "
		    "only the rows were tried.\n");
		return true;
	}
	if (c == NULL) {
		printf("\nThe suite is not running, so only the rows were "
		    "tried.\n");
		return true;
	}
	printf("\nPROCESS         PID FOUND IN /proc\n");
	channel_send(c, TL_STATUS, 1, SLICE_EMPTY);
	while (!ended && channel_wait(c, &m, -1) == 0) {
		ended = m.type == TL_END;
		line = get_rest(&m.body);
		if (m.type == TL_LINE)
			holds = compare_process(t, line) && holds;
	}
	channel_free(&c);
	return holds && ended;
}

/* The value of a field in /proc/PID/status, tabs as blanks. */
static bool
field(const char *status, const char *name, char *value, size_t size)
{
	const char *at = strstr(status, name);
	size_t i = 0;

	if (at == NULL)
		return false;
	for (at += strlen(name); *at == '\t' || *at == ' '; at++)
		;
	for (; *at != '\0' && *at != '\n' && i < size - 1; at++)
		value[i++] = *at == '\t' ? ' ' : *at;
	while (i > 0 && value[i - 1] == ' ')
		i--;
	value[i] = '\0';
	return true;
}

static bool
read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd == -1 ? -1 : read(fd, text, size - 1);

	if (fd != -1)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	return n > 0;
}

/* One difference a line, after the process's own. */
static void
must_be(const char *status, const char *name, const char *want, bool *holds)
{
	char value[512];

	if (!field(status, name, value, sizeof(value)))
		snprintf(value, sizeof(value), "missing");
	if (strcmp(value, want) == 0)
		return;
	printf("\n	WRONG: %s %s, should be %s", name + 1,
	    value[0] == '\0' ? "none" : value,
	    want[0] == '\0' ? "none" : want);
	*holds = false;
}

static void
compare_root(struct tool *t, const char *pid, const struct priv *row,
    bool *holds)
{
	const struct conf *c = tool_conf(t);
	char path[64], found[PATH_MAX] = "", want[PATH_MAX] = "/";
	char real[PATH_MAX];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%s/root", pid);
	n = readlink(path, found, sizeof(found) - 1);
	found[n > 0 ? n : 0] = '\0';
	if (row->root == EMPTY)
		snprintf(want, sizeof(want), "%s/empty", c->path_run);
	else if (row->root == SPOOL)
		snprintf(want, sizeof(want), "%s", spool_of(c, row));
	if (realpath(want, real) != NULL && strcmp(found, real) != 0) {
		printf("\n	WRONG: root directory %s, should be %s", found,
		    real);
		*holds = false;
	}
}

/* The one that auth.backends asks for; "" for none. */
static void
lent_group(struct tool *t, const struct priv *row, char *text, size_t size)
{
	gid_t group = row->extra & LENT &&
	    conf_has(&tool_conf(t)->auth_backends, "system") ?
	    backends_shadow_group() : 0;

	text[0] = '\0';
	if (group != 0)
		snprintf(text, size, "%u", (unsigned)group);
}

static bool
compare_process(struct tool *t, struct slice line)
{
	static const char *const no_capabilities[] = { "\nCapPrm:",
		"\nCapEff:", "\nCapInh:", "\nCapBnd:", "\nCapAmb:" };
	struct slice name = value_of(line, "role"), uid = value_of(line,
	    "uid");
	const struct priv *row = NULL;
	char path[64], pid[16], status[8192], ids[64];
	bool holds = true, full = geteuid() == 0;
	size_t i;

	for (i = 0; i < NROLES; i++)
		if (slice_eq(name, slice_str(priv_of(roles[i])->name)))
			row = priv_of(roles[i]);
	if (row == NULL || !slice_eq(value_of(line, "state"),
	    SLICE_LIT("running")))
		return true;	/* master, or one that is not there yet */
	snprintf(pid, sizeof(pid), "%.*s", SLICE_ARG(value_of(line, "pid")));
	snprintf(path, sizeof(path), "/proc/%s/status", pid);
	printf("%-10s %-2.*s %6s", row->name,
	    SLICE_ARG(value_of(line, "index")), pid);
	if (!read_text(path, status, sizeof(status))) {
		printf(" (has just ended)\n");
		return true;
	}
	snprintf(ids, sizeof(ids), "%.*s %.*s %.*s %.*s", SLICE_ARG(uid),
	    SLICE_ARG(uid), SLICE_ARG(uid), SLICE_ARG(uid));
	must_be(status, "\nUid:", ids, &holds);
	must_be(status, "\nNoNewPrivs:", "1", &holds);
	must_be(status, "\nSeccomp:", "2", &holds);
	if (full && !(row->extra & KEEP_GROUPS)) {
		lent_group(t, row, ids, sizeof(ids));
		must_be(status, "\nGroups:", ids, &holds);
	}
	if (!(row->extra & (MAY_THREAD | MAY_EXEC)))
		must_be(status, "\nThreads:", "1", &holds);
	for (i = 0; i < sizeof(no_capabilities) / sizeof(no_capabilities[0]);
	    i++)
		if (full || strcmp(no_capabilities[i], "\nCapBnd:") != 0)
			must_be(status, no_capabilities[i],
			    row->extra & MAY_FORK && full && i < 2 ?
			    SPAWN_CAPABILITIES : "0000000000000000", &holds);
	if (full)
		compare_root(t, pid, row, &holds);
	printf(holds ? " as its row says\n" : "\n");
	return holds;
}
