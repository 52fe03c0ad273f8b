/* SPDX-License-Identifier: ISC */
/*
 * priv - the privilege table, and priv_enter() which carries out a row.
 *
 * Read it with wiring/wiring.h, which says whom a process can ask.  What the
 * words mean:
 *
 * root	  EMPTY	    an empty directory of root's is the process's root
 *	  SPOOL	    the directory that it keeps is: the queue, the history
 *	  WHOLE	    the system's root; Landlock and the uid hold it
 *	  OWN	    the one directory that it may write to, a user's mail
 * net	  NO_NET    no socket can be made or accepted
 *	  NET_SERVE accepts from sockets that master has bound; makes none
 *	  NET_DIAL  makes TCP connections; binds no port
 *	  NET_DNS   makes TCP and UDP sockets; binds no TCP port
 *	  NET_LOCAL Unix sockets only (the name service), and NET_SERVE
 * files  NO_FILES  no file can be opened
 *	  RO_FILES  only `readable` of priv_ids, to read
 *	  RW_FILES  and `writable`
 *	  SPAWN_FILES  no list of its own, since those that it forks have
 *		    theirs; but neither it nor they run a program or make a
 *		    device, a socket, a pipe or a link
 *
 * The spawns fork sessions, each of which takes its user's uid and enters the
 * row of a session before it reads a byte: they keep CAP_SETUID, CAP_SETGID and
 * CAP_SYS_CHROOT for that, under a uid that owns nothing.  A session's calls
 * are within those of its spawn.
 *
 * A row that is LENT has what START adds to it and no more: the one group whose
 * members may read /etc/shadow, Unix sockets, the code of PAM's modules.
 *
 * All others: own uid and gid, no other groups, no capabilities, no_new_privs,
 * not dumpable (so not traceable), no core file, no new processes, signals only
 * to itself, and only the system calls that the row's groups list (sandbox.c).
 */
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <linux/capability.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "os/sandbox.h"

#define FORK_CAPABILITIES	(UINT64_C(1) << CAP_SETUID |		\
	UINT64_C(1) << CAP_SETGID | UINT64_C(1) << CAP_SYS_CHROOT)

static const struct priv rows[ROLE_LIMIT] = {
	/*		    name	user	    root   network    files      extra */
	[ROLE_SMTPD]	= { "smtpd",	"smtpd",    EMPTY, NET_SERVE, NO_FILES,  0 },
	[ROLE_QMGR]	= { "qmgr",	"qmgr",	    SPOOL, NET_SERVE, RW_FILES,  MAY_THREAD },
	[ROLE_REMOTE]	= { "remote",	"remote",   EMPTY, NET_DIAL,  NO_FILES,  0 },
	[ROLE_LOCAL]	= { "local",	"local",    EMPTY, NO_NET,    NO_FILES,  0 },
	[ROLE_WORKER]	= { "worker",	NULL,	    WHOLE, NO_NET,    RW_FILES,  MAY_THREAD | MAY_PLACE },
	[ROLE_COMMAND]	= { "command",	NULL,	    WHOLE, ANY_NET,   ANY_FILES, MAY_EXEC | KEEP_GROUPS },
	[ROLE_BOUNCE]	= { "bounce",	"bounce",   EMPTY, NO_NET,    NO_FILES,  0 },
	[ROLE_HISTORY]	= { "history",	"history",  SPOOL, NO_NET,    RW_FILES,  0 },
	[ROLE_KEYS]	= { "keys",	"keys",	    EMPTY, NO_NET,    NO_FILES,  0 },
	[ROLE_AUTH]	= { "auth",	"auth",	    EMPTY, NO_NET,    NO_FILES,  0 },
	[ROLE_VERIFIER]	= { "verifier",	"verifier", WHOLE, NO_NET,    RO_FILES,  LENT },
	[ROLE_LOOKUP]	= { "lookup",	"lookup",   WHOLE, NET_LOCAL, RO_FILES,  0 },
	[ROLE_RESOLVER]	= { "resolver",	"resolver", EMPTY, NET_DNS,   NO_FILES,  0 },
	[ROLE_METRICS]	= { "metrics",	"metrics",  EMPTY, NET_SERVE, NO_FILES,  0 },
	[ROLE_IMAP_LOGIN] = { "imapd",	"imapd",    EMPTY, NET_SERVE, NO_FILES,  0 },
	[ROLE_POP3_LOGIN] = { "pop3d",	"pop3d",    EMPTY, NET_SERVE, NO_FILES,  0 },
	[ROLE_IMAP_SPAWN] = { "imap-spawn", "imapspawn", WHOLE, NO_NET, SPAWN_FILES, MAY_FORK | MAY_PLACE },
	[ROLE_POP3_SPAWN] = { "pop3-spawn", "pop3spawn", WHOLE, NO_NET, SPAWN_FILES, MAY_FORK },
	[ROLE_IMAP_SESSION] = { "imap-session", NULL, OWN,   NO_NET,  RW_FILES,  OF_SPAWN | MAY_PLACE },
	[ROLE_POP3_SESSION] = { "pop3-session", NULL, OWN,   NO_NET,  RW_FILES,  OF_SPAWN },
};

static struct priv with_what_is_lent(const struct priv *,
		    const struct priv_ids *);
static void	 enter_root(const struct priv *, const struct priv_ids *);
static void	 enter_own_root(const struct priv_ids *);
static void	 drop_bounding_set(uint64_t keep);
static void	 become(const struct priv *, const struct priv_ids *);
static void	 keep_capabilities(uint64_t keep);
static void	 set_groups(const struct priv *, const struct priv_ids *);
static void	 prove(const struct priv *, const struct priv_ids *);
static void	 limit(const struct priv *, const struct priv_ids *);
static void	 set_limit(const char *, __rlimit_resource_t, rlim_t);
static uint64_t master_capabilities(void);

const struct priv *
priv_of(enum role role)
{
	return (unsigned)role < ROLE_LIMIT && rows[role].name != NULL ?
	    &rows[role] : NULL;
}

void
priv_enter(enum role role, const struct priv_ids *ids)
{
	const struct priv *row = priv_of(role);
	struct sandbox_paths paths = { .n = 0 };
	struct priv widened;
	uint64_t keep = 0;

	if (row == NULL || (ids->mode != PRIV_FULL && ids->mode != PRIV_USER))
		log_fatal("event=no-such-row role=%u", (unsigned)role);
	if (row->extra & LENT) {
		widened = with_what_is_lent(row, ids);
		row = &widened;
	}
	if (row->files == RO_FILES || row->files == RW_FILES)
		sandbox_open_paths(&paths, ids->readable, false);
	if (row->files == RW_FILES && !(row->extra & OF_SPAWN))
		sandbox_open_paths(&paths, ids->writable, true);
	if (row->files == SPAWN_FILES)
		sandbox_open_paths(&paths, "/", true);
	if (ids->mode == PRIV_FULL) {
		if (row->extra & MAY_FORK)
			keep = FORK_CAPABILITIES;
		enter_root(row, ids);
		drop_bounding_set(0);
		become(row, ids);
	}
	if (row->extra & OF_SPAWN) {
		sandbox_make_path(ids->writable);
		sandbox_open_paths(&paths, ids->writable, true);
		if (ids->mode == PRIV_FULL)
			enter_own_root(ids);
	}
	keep_capabilities(keep);
	if (ids->mode == PRIV_FULL && keep == 0)
		prove(row, ids);
	if (priv_seal() == -1)
		log_fatal("event=prctl-failed why=\"%s\"", strerror(errno));
	limit(row, ids);
	sandbox_landlock(row, &paths);
	sandbox_seccomp(row);
}

/* The verifier's password tables may be those of the system, or behind a Unix
 * socket: see auth.backends. */
static struct priv
with_what_is_lent(const struct priv *row, const struct priv_ids *ids)
{
	struct priv r = *row;

	if (ids->lent & LEND_SOCKETS)
		r.net = NET_LOCAL;
	if (ids->lent & LEND_MODULES)
		r.extra |= MAY_TRY;
	return r;
}

void
priv_prepare(enum role role, enum role above)
{
	const struct priv *row = priv_of(role), *parent = priv_of(above);

	if (row == NULL || parent == NULL)
		log_fatal("event=no-such-row role=%u", (unsigned)role);
	sandbox_prepare(row, parent);
}

/* An empty root that anybody else could fill would not be one. */
static void
enter_root(const struct priv *row, const struct priv_ids *ids)
{
	struct stat st;

	if (row->root == WHOLE || row->root == OWN)
		return;
	if (stat(ids->root, &st) == -1 || !S_ISDIR(st.st_mode))
		log_fatal("event=no-root path=%s why=\"%s\"",
		    LOG_Q(slice_str(ids->root)), strerror(errno));
	if (row->root == EMPTY && (st.st_uid != 0 || st.st_mode & 022))
		log_fatal("event=unsafe-root path=%s why=\"must belong to "
		    "root and be writable for nobody else\"",
		    LOG_Q(slice_str(ids->root)));
	if (chroot(ids->root) == -1 || chdir("/") == -1)
		log_fatal("event=chroot-failed path=%s why=\"%s\"",
		    LOG_Q(slice_str(ids->root)), strerror(errno));
}

/* As the user: a directory that is not the user's is not entered.  Landlock
 * leaves some of what paths allow to the uid (stat, for one), and a uid can be
 * many users'; in here there are no paths but the user's. */
static void
enter_own_root(const struct priv_ids *ids)
{
	/* A spawn has it already; who was root has lost it with the uid. */
	keep_capabilities(UINT64_C(1) << CAP_SYS_CHROOT);
	if (chroot(ids->writable) == -1 || chdir("/") == -1)
		log_fatal("event=chroot-failed path=%s why=\"%s\"",
		    LOG_Q(slice_str(ids->writable)), strerror(errno));
}

/* What an earlier call has dropped is not asked about again. */
static void
drop_bounding_set(uint64_t keep)
{
	static uint64_t held = UINT64_MAX;
	unsigned cap;

	for (cap = 0; cap < 64; cap++)
		if (held & ~keep & UINT64_C(1) << cap &&
		    prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1 &&
		    prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == -1)
			log_fatal("event=cannot-drop capability=%u "
			    "why=\"%s\"", cap, strerror(errno));
	held &= keep;
}

/* Groups, gid, uid. */
static void
become(const struct priv *row, const struct priv_ids *ids)
{
	uid_t u[3];
	gid_t g[3];
	int i;

	if (ids->uid == 0 || ids->gid == 0)
		log_fatal("event=refusing-root uid=%u gid=%u",
		    (unsigned)ids->uid, (unsigned)ids->gid);
	if (row->extra & (MAY_FORK | OF_SPAWN) &&
	    prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == -1)
		log_fatal("event=prctl-failed why=\"%s\"", strerror(errno));
	set_groups(row, ids);
	if (setresgid(ids->gid, ids->gid, ids->gid) == -1 ||
	    setresuid(ids->uid, ids->uid, ids->uid) == -1)
		log_fatal("event=setuid-failed uid=%u gid=%u why=\"%s\"",
		    (unsigned)ids->uid, (unsigned)ids->gid, strerror(errno));
	if (getresuid(&u[0], &u[1], &u[2]) == -1 ||
	    getresgid(&g[0], &g[1], &g[2]) == -1)
		log_fatal("event=getresuid-failed");
	for (i = 0; i < 3; i++)
		if (u[i] != ids->uid || g[i] != ids->gid)
			log_fatal("event=setuid-incomplete");
}

static void
set_groups(const struct priv *row, const struct priv_ids *ids)
{
	bool one = row->extra & LENT && ids->group != 0;

	if (!(row->extra & KEEP_GROUPS) &&
	    setgroups(one, one ? &ids->group : NULL) == -1)
		log_fatal("event=setgroups-failed why=\"%s\"",
		    strerror(errno));
}

/* There is no way back. */
static void
prove(const struct priv *row, const struct priv_ids *ids)
{
	int groups = row->extra & LENT && ids->group != 0;

	if (setresuid(-1U, 0, -1U) != -1 || setresgid(-1U, 0, -1U) != -1 ||
	    (!(row->extra & KEEP_GROUPS) && getgroups(0, NULL) != groups))
		log_fatal("event=setuid-reversible");
}

/* Of those that it may have, these are in force.  A change of root's uid has
 * emptied them already, but not where it was kept from that, or where master
 * was started by another uid with ambient capabilities. */
static void
keep_capabilities(uint64_t keep)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3,
		0 };
	struct __user_cap_data_struct have[2];
	unsigned i;

	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (syscall(SYS_capget, &head, have) == -1)
		log_fatal("event=capget-failed why=\"%s\"", strerror(errno));
	for (i = 0; i < 2; i++) {
		have[i].permitted &= (uint32_t)(keep >> 32 * i);
		have[i].effective = have[i].permitted;
		have[i].inheritable = 0;
	}
	if (syscall(SYS_capset, &head, have) == -1)
		log_fatal("event=capset-failed why=\"%s\"", strerror(errno));
}

int
priv_seal(void)
{
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1 ? -1 : 0;
}

static void
limit(const struct priv *row, const struct priv_ids *ids)
{
#ifndef SANITIZED	/* whose shadow memory is terabytes of addresses */
	if (ids->memory > 0)
		set_limit("as", RLIMIT_AS, ids->memory);
#endif
	if (ids->descriptors > 0)
		set_limit("nofile", RLIMIT_NOFILE, ids->descriptors);
	set_limit("core", RLIMIT_CORE, 0);
	/* Threads count too, together with all that the uid has elsewhere. */
	if (!(row->extra & (MAY_EXEC | MAY_THREAD | MAY_FORK)))
		set_limit("nproc", RLIMIT_NPROC, 0);
}

/* Never above what we were given: without root that would fail. */
static void
set_limit(const char *name, __rlimit_resource_t which, rlim_t value)
{
	struct rlimit r;

	if (getrlimit(which, &r) == -1)
		log_fatal("event=getrlimit-failed limit=%s", name);
	if (value > r.rlim_max)
		value = r.rlim_max;
	r.rlim_cur = r.rlim_max = value;
	if (setrlimit(which, &r) == -1)
		log_fatal("event=setrlimit-failed limit=%s why=\"%s\"", name,
		    strerror(errno));
}

/* ---- master -------------------------------------------------------------- */

/* What starting and stopping others takes.  No chown, no mount, no module, no
 * raw socket, no trace. */
static const unsigned master_keeps[] = {
	CAP_SETUID, CAP_SETGID,		/* the children's users */
	CAP_SYS_CHROOT,			/* their roots */
	CAP_SETPCAP,			/* their empty bounding sets */
	CAP_KILL,			/* their ends */
	CAP_NET_BIND_SERVICE,		/* a listener that a reload brings */
	CAP_DAC_OVERRIDE,		/* log files and LMTP sockets of others,
					 * the mailboxes that workers open */
	CAP_IPC_LOCK,			/* keys in locked memory */
	CAP_SYS_RESOURCE,		/* as much of it as there are */
};

/* The mask of them, as /proc shows it. */
static uint64_t
master_capabilities(void)
{
	uint64_t mask = 0;
	size_t i;

	for (i = 0; i < sizeof(master_keeps) / sizeof(master_keeps[0]); i++)
		mask |= UINT64_C(1) << master_keeps[i];
	return mask;
}

void
priv_limit_master(void)
{
	if (geteuid() != 0)
		return;
	drop_bounding_set(master_capabilities());
	keep_capabilities(master_capabilities());
}
