/* SPDX-License-Identifier: ISC */
/*
 * sandbox - see sandbox.h.
 *
 * The system calls of a row are those of the groups that its columns name, and
 * nothing else: any other call ends the process, whose last line in the log
 * names it.  Calls that a library may try and can do without fail with an
 * error instead.  What cannot be told apart by number is narrowed by argument.
 */
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "os/sandbox.h"

#ifdef SANITIZED
#include <sanitizer/common_interface_defs.h>
/* Leaks are looked for by a new thread that traces us: not in here. */
const char	*__asan_default_options(void) __attribute__((weak));
const char *
__asan_default_options(void)
{
	return "detect_leaks=0";
}
#endif

/* ---- system calls ------------------------------------------------------- */

enum group {
	BASE, SERVE, DIAL, DNS, UNIX_SOCKETS, FILES_READ, FILES_WRITE,
	THREADS, FORKS, TRIES, PLACES, SANITIZERS, GROUPS
};

static const char *const groups[GROUPS] = {
	/* The loop, memory, time, channels, the log, descriptors at hand;
	 * nothing that names a file, makes a socket or concerns another
	 * process. */
	[BASE] = "read write readv writev pread64 pwrite64 preadv pwritev "
	    "close fstat lseek sync_file_range fadvise64 sendfile "
	    "recvfrom recvmsg sendmsg shutdown "
	    "getsockopt setsockopt getsockname getpeername "
	    "poll ppoll select pselect6 epoll_create1 epoll_ctl epoll_wait "
	    "epoll_pwait epoll_pwait2 eventfd2 pipe2 "
	    "brk munmap mremap madvise "
	    "rt_sigprocmask rt_sigreturn rt_sigpending sigaltstack sigreturn "
	    "clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday "
	    "time getrandom futex sched_yield restart_syscall "
	    "getpid getppid gettid getuid geteuid getgid getegid "
	    "getresuid getresgid getgroups getrusage times sysinfo uname umask "
	    "sched_getaffinity rseq set_robust_list membarrier "
	    "dup dup2 dup3 exit exit_group",
	[SERVE] = "accept accept4",
	[DIAL] = "connect bind",
	[DNS] = "connect bind sendto sendmmsg recvmmsg",
	[UNIX_SOCKETS] = "connect sendto",
	[FILES_READ] = "openat2 newfstatat fstatat64 stat lstat statx fstatfs "
	    "statfs getdents64 readlink readlinkat access faccessat faccessat2 "
	    "preadv2 flock getcwd fchdir chdir",
	[FILES_WRITE] = "openat pwritev2 fsync fdatasync syncfs ftruncate "
	    "fallocate copy_file_range "
	    "rename renameat renameat2 link linkat unlink unlinkat "
	    "mkdir mkdirat rmdir fchmod",
	[THREADS] = "",
	[TRIES] = "",
	[PLACES] = "",
	/* What a fork needs to become a session, its priv_enter() included. */
	[FORKS] = ("wait4 waitid pidfd_open close_range setgroups setresgid "
	    "setresuid prctl chroot capget capset landlock_create_ruleset "
	    "landlock_add_rule landlock_restrict_self seccomp prlimit64 "
	    "rt_sigaction tgkill sched_setaffinity"),
	/* What ASan and UBSan need to write a report. */
	[SANITIZERS] = "open openat stat readlink readlinkat access faccessat "
	    "newfstatat tgkill prctl",
};

/* Calls that depend on their arguments: allowed where error is 0, otherwise
 * they fail with it. */
#define DATA(a, b, ...)							\
	.datum_a = (scmp_datum_t)(a), .datum_b = (scmp_datum_t)(b)
#define CMP(n, how, ...)						\
	{ .arg = (n), .op = (how), DATA(__VA_ARGS__, 0, 0) }
#define ONE(...)	1, { CMP(__VA_ARGS__) }
#define SOCKETS(family, type)						\
	2, { CMP(0, SCMP_CMP_EQ, family),				\
	    CMP(1, SCMP_CMP_MASKED_EQ, 0xf, type) }
#define CLONE_NEW	(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC |	\
	CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWCGROUP)
#define TO_CHANGE	(O_ACCMODE | O_CREAT | O_TRUNC | O_TMPFILE)

#define FCNTL_OF(call, command)						\
	{ BASE, 0, call, ONE(1, SCMP_CMP_EQ, command) }
#define FCNTL(call)							\
	FCNTL_OF(call, F_DUPFD), FCNTL_OF(call, F_DUPFD_CLOEXEC),	\
	FCNTL_OF(call, F_GETFD), FCNTL_OF(call, F_SETFD),		\
	FCNTL_OF(call, F_GETFL),					\
	{ BASE, 0, call, 2, { CMP(1, SCMP_CMP_EQ, F_SETFL),	\
	    CMP(2, SCMP_CMP_MASKED_EQ, O_ASYNC, 0) } },		\
	FCNTL_OF(call, F_GETLK), FCNTL_OF(call, F_SETLK),		\
	FCNTL_OF(call, F_SETLKW), FCNTL_OF(call, F_OFD_GETLK),		\
	FCNTL_OF(call, F_OFD_SETLK), FCNTL_OF(call, F_OFD_SETLKW),	\
	FCNTL_OF(call, F_ADD_SEALS), FCNTL_OF(call, F_GET_SEALS)

static const struct narrow {
	enum group		 group;
	uint16_t		 error;
	const char		*call;
	unsigned		 n;
	struct scmp_arg_cmp	 args[2];
} narrowed[] = {
	/* No code is made or loaded from here on. */
	{ BASE, 0,	"mmap",	    ONE(2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0) },
	{ BASE, EPERM,	"mmap",	    ONE(2, SCMP_CMP_MASKED_EQ, PROT_EXEC,
					PROT_EXEC) },
	{ BASE, 0,	"mmap2",    ONE(2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0) },
	{ BASE, EPERM,	"mmap2",    ONE(2, SCMP_CMP_MASKED_EQ, PROT_EXEC,
					PROT_EXEC) },
	{ BASE, 0,	"mprotect", ONE(2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0) },
	{ BASE, EPERM,	"mprotect", ONE(2, SCMP_CMP_MASKED_EQ, PROT_EXEC,
					PROT_EXEC) },
	/* fstat(); the path cannot be looked at from here, but in an empty
	 * root there is none. */
	{ BASE, 0,	"newfstatat", ONE(3, SCMP_CMP_EQ, AT_EMPTY_PATH) },
	/* send(), but no sendto() an address. */
	{ BASE, 0,	"sendto",   ONE(4, SCMP_CMP_EQ, 0) },
	/* The handler that names a forbidden call stays. */
	{ BASE, 0,	"rt_sigaction", ONE(0, SCMP_CMP_NE, SIGSYS) },
	{ BASE, 0,	"ioctl",    ONE(1, SCMP_CMP_EQ, FIONREAD) },
	{ BASE, 0,	"ioctl",    ONE(1, SCMP_CMP_EQ, FIONBIO) },
	{ BASE, ENOTTY,	"ioctl",    ONE(1, SCMP_CMP_EQ, TCGETS) },
	{ BASE, 0,	"prlimit64", ONE(2, SCMP_CMP_EQ, 0) },
	{ BASE, EPERM,	"prlimit64", ONE(2, SCMP_CMP_NE, 0) },
	/* A datagram of one could be sent to any other by its name. */
	{ BASE, 0,	"socketpair", SOCKETS(AF_UNIX, SOCK_STREAM) },
	/* Not F_SETOWN and what belongs to it, by which the kernel would send
	 * any signal to any process of the same uid; nor leases. */
	FCNTL("fcntl"),
	FCNTL("fcntl64"),
	{ DIAL, 0,	"socket",   SOCKETS(AF_INET, SOCK_STREAM) },
	{ DIAL, 0,	"socket",   SOCKETS(AF_INET6, SOCK_STREAM) },
	{ DIAL, 0,	"ioctl",    ONE(1, SCMP_CMP_EQ, SIOCOUTQ) },
	{ DNS, 0,	"socket",   SOCKETS(AF_INET, SOCK_STREAM) },
	{ DNS, 0,	"socket",   SOCKETS(AF_INET6, SOCK_STREAM) },
	{ DNS, 0,	"socket",   SOCKETS(AF_INET, SOCK_DGRAM) },
	{ DNS, 0,	"socket",   SOCKETS(AF_INET6, SOCK_DGRAM) },
	{ UNIX_SOCKETS, 0, "socket", ONE(0, SCMP_CMP_EQ, AF_UNIX) },
	/* A kernel without audit, to PAM, which goes on without; any other
	 * error would be one. */
	{ TRIES, EAFNOSUPPORT, "socket", ONE(0, SCMP_CMP_NE, AF_UNIX) },
	{ FILES_READ, 0, "openat",  ONE(2, SCMP_CMP_MASKED_EQ, TO_CHANGE &
					~O_DIRECTORY, 0) },
	/* Of a file that is open.  By a path Landlock would allow it for all
	 * that the uid owns, others' mail too. */
	{ FILES_WRITE, 0, "utimensat", ONE(1, SCMP_CMP_EQ, 0) },
	/* Where a directory's files are laid (store/staging.h); what would
	 * bind others, as "immutable", needs a capability. */
	{ PLACES, 0,	"ioctl",    ONE(1, SCMP_CMP_EQ, FS_IOC_GETFLAGS) },
	{ PLACES, 0,	"ioctl",    ONE(1, SCMP_CMP_EQ, FS_IOC_SETFLAGS) },
	/* A thread, never a process.  clone3() has its flags in memory, where
	 * no filter sees them; the C library then takes clone(). */
	{ THREADS, 0,	"clone",    ONE(0, SCMP_CMP_MASKED_EQ, CLONE_THREAD,
					CLONE_THREAD) },
	{ THREADS, ENOSYS, "clone3", 0, { { 0 } } },
	/* A process, in the same namespaces. */
	{ FORKS, 0,	"clone",    ONE(0, SCMP_CMP_MASKED_EQ, CLONE_NEW, 0) },
	{ FORKS, ENOSYS, "clone3",  0, { { 0 } } },
};

/* Of calls of FORKS that a fork keeps in part: what it loses, as above. */
static const struct narrow shared[] = {
	{ FORKS, 0,	"rt_sigaction", ONE(0, SCMP_CMP_EQ, SIGSYS) },
	{ FORKS, EPERM,	"prlimit64", ONE(2, SCMP_CMP_NE, 0) },
};

/* What a program that is started for a user may not do: it has no list. */
static const char denied[] = "ptrace process_vm_readv process_vm_writev "
    "mount umount2 pivot_root chroot open_tree move_mount fsopen fsmount "
    "setns unshare bpf perf_event_open userfaultfd io_uring_setup "
    "kexec_load kexec_file_load init_module finit_module delete_module "
    "add_key request_key keyctl open_by_handle_at reboot swapon swapoff "
    "settimeofday clock_settime adjtimex acct quotactl syslog kcmp iopl "
    "ioperm";

#define CALL_BYTES	32	/* a system call's name */

static scmp_filter_ctx compile(const struct priv *, pid_t self);
static scmp_filter_ctx compile_beneath(const struct priv *,
		    const struct priv *above, pid_t self);
static void	 take_away(scmp_filter_ctx, unsigned mask, const char *call,
		    pid_t self);
static bool	 is_listed(unsigned mask, const char *call);
static void	 load_prepared(void);
static unsigned	 groups_of(const struct priv *);
static bool	 next_call(struct slice *list, char name[CALL_BYTES]);
static void	 for_each_call(scmp_filter_ctx, const char *list,
		    uint32_t action);
static void	 add_rule(scmp_filter_ctx, uint32_t action, const char *call,
		    unsigned n, const struct scmp_arg_cmp *);
static void	 allow_signals_to(scmp_filter_ctx, pid_t self);
static void	 name_forbidden_calls(void);
static void	 forbidden_call(int, siginfo_t *, void *);

/* What separates a row's list from that of the row which is in force already,
 * compiled; see sandbox_prepare(). */
static struct {
	const struct priv	*row, *above;
	struct sock_fprog	 program;	/* .filter owned */
} prepared;
/* Whose list is in force in this process, which its forks inherit. */
static const struct priv *in_force;

void
sandbox_seccomp(const struct priv *row)
{
	scmp_filter_ctx ctx;
	int r;

	if (!(row->extra & MAY_EXEC))
		name_forbidden_calls();
	if (prepared.row == row && prepared.above == in_force) {
		load_prepared();
		return;
	}
	ctx = compile(row, getpid());
	r = seccomp_load(ctx);
	if (r < 0)
		log_fatal("event=seccomp-load-failed why=\"%s\"",
		    strerror(-r));
	seccomp_release(ctx);
	in_force = row;
}

/* Stands for the process id of who will load it: no process has it. */
#define ANY_PID		0x5e1f5e1f

void
sandbox_prepare(const struct priv *row, const struct priv *above)
{
	scmp_filter_ctx ctx = compile_beneath(row, above, ANY_PID);
	int fd = memfd_create("seccomp", MFD_CLOEXEC), r;
	struct stat st;

	r = fd == -1 ? -errno : seccomp_export_bpf(ctx, fd);
	if (r < 0 || fstat(fd, &st) == -1 ||
	    st.st_size / (off_t)sizeof(struct sock_filter) > USHRT_MAX)
		log_fatal("event=seccomp-failed");
	prepared.program.len = (unsigned short)
	    ((size_t)st.st_size / sizeof(struct sock_filter));
	free(prepared.program.filter);
	prepared.program.filter = mem_alloc((size_t)st.st_size);
	if (pread(fd, prepared.program.filter, (size_t)st.st_size, 0) !=
	    st.st_size)
		log_fatal("event=seccomp-failed");
	close(fd);
	seccomp_release(ctx);
	prepared.row = row;
	prepared.above = above;
}

static void
load_prepared(void)
{
	struct sock_filter *f = prepared.program.filter;
	uint32_t self = (uint32_t)getpid();
	size_t i;

	for (i = 0; i < prepared.program.len; i++)
		if (f[i].code == (BPF_JMP | BPF_JEQ | BPF_K) &&
		    f[i].k == ANY_PID)
			f[i].k = self;
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0,
	    &prepared.program) == -1)
		log_fatal("event=seccomp-load-failed why=\"%s\"",
		    strerror(errno));
}

static scmp_filter_ctx
compile(const struct priv *row, pid_t self)
{
	bool listed = !(row->extra & MAY_EXEC);
	uint32_t otherwise = !listed ? SCMP_ACT_ALLOW :
	    row->extra & MAY_TRY ? SCMP_ACT_ERRNO(EPERM) : SCMP_ACT_TRAP;
	scmp_filter_ctx ctx = seccomp_init(otherwise);
	unsigned mask = listed ? groups_of(row) : 0;
	size_t i;

	if (ctx == NULL)
		log_fatal("event=seccomp-failed");
	/* A call by another architecture's numbers is an attack. */
	seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH,
	    SCMP_ACT_KILL_PROCESS);
	seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	for (i = 0; i < GROUPS; i++)
		if (mask & 1u << i)
			for_each_call(ctx, groups[i], SCMP_ACT_ALLOW);
	for (i = 0; i < sizeof(narrowed) / sizeof(narrowed[0]); i++)
		if (mask & 1u << narrowed[i].group &&
		    SCMP_ACT_ERRNO(narrowed[i].error) != otherwise)
			add_rule(ctx, narrowed[i].error == 0 ?
			    SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(narrowed[i].error),
			    narrowed[i].call, narrowed[i].n,
			    narrowed[i].args);
	if (listed)
		allow_signals_to(ctx, self);
	else
		for_each_call(ctx, denied, SCMP_ACT_ERRNO(EPERM));
	return ctx;
}

/* What the row above it may do and this one may not; all else is left to the
 * list of the one above, which stays in force. */
static scmp_filter_ctx
compile_beneath(const struct priv *row, const struct priv *above, pid_t self)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	unsigned mask = groups_of(row), more = groups_of(above) & ~mask;
	char name[CALL_BYTES];
	struct slice list;
	size_t i;

	if (ctx == NULL || (row->extra | above->extra) & (MAY_EXEC | MAY_TRY))
		log_fatal("event=seccomp-failed");
	seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH,
	    SCMP_ACT_KILL_PROCESS);
	seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	for (i = 0; i < GROUPS; i++) {
		list = slice_str(more & 1u << i && groups[i] != NULL ?
		    groups[i] : "");
		while (next_call(&list, name))
			take_away(ctx, mask, name, self);
	}
	for (i = 0; i < sizeof(narrowed) / sizeof(narrowed[0]); i++)
		if (more & 1u << narrowed[i].group)
			take_away(ctx, mask, narrowed[i].call, self);
	return ctx;
}

/* Of one call all that a row with these groups may not. */
static void
take_away(scmp_filter_ctx ctx, unsigned mask, const char *call, pid_t self)
{
	const struct scmp_arg_cmp others[] = { CMP(0, SCMP_CMP_NE,
	    (uint32_t)self) };
	size_t i;

	if (is_listed(mask, call))
		return;
	for (i = 0; i < sizeof(shared) / sizeof(shared[0]); i++)
		if (strcmp(call, shared[i].call) == 0) {
			add_rule(ctx, shared[i].error == 0 ? SCMP_ACT_TRAP :
			    SCMP_ACT_ERRNO(shared[i].error), call,
			    shared[i].n, shared[i].args);
			return;
		}
	if (strcmp(call, "tgkill") == 0)	/* allow_signals_to() */
		add_rule(ctx, SCMP_ACT_TRAP, call, 1, others);
	else
		add_rule(ctx, SCMP_ACT_TRAP, call, 0, NULL);
}

static bool
is_listed(unsigned mask, const char *call)
{
	char name[CALL_BYTES];
	struct slice list;
	size_t i;

	for (i = 0; i < GROUPS; i++) {
		list = slice_str(mask & 1u << i && groups[i] != NULL ?
		    groups[i] : "");
		while (next_call(&list, name))
			if (strcmp(name, call) == 0)
				return true;
	}
	return false;
}

static unsigned
groups_of(const struct priv *row)
{
	static const unsigned net[] = {
		[NO_NET] = 0,
		[NET_SERVE] = 1u << SERVE,
		[NET_DIAL] = 1u << DIAL,
		[NET_DNS] = 1u << DNS,
		[NET_LOCAL] = 1u << UNIX_SOCKETS | 1u << SERVE,
	};
	static const unsigned files[] = {
		[NO_FILES] = 0,
		[RO_FILES] = 1u << FILES_READ,
		[RW_FILES] = 1u << FILES_READ | 1u << FILES_WRITE,
		[SPAWN_FILES] = 1u << FILES_READ | 1u << FILES_WRITE,
	};
	unsigned mask = 1u << BASE | net[row->net] | files[row->files];

	if (row->extra & MAY_THREAD)
		mask |= 1u << THREADS;
	if (row->extra & MAY_FORK)
		mask |= 1u << FORKS;
	if (row->extra & MAY_TRY)
		mask |= 1u << TRIES;
	if (row->extra & MAY_PLACE)
		mask |= 1u << PLACES;
#ifdef SANITIZED
	mask |= 1u << SANITIZERS;
#endif
	return mask;
}

/* False at the end of the list. */
static bool
next_call(struct slice *list, char name[CALL_BYTES])
{
	struct slice part;

	do {
		if (!slice_next(list, ' ', &part))
			return false;
	} while (part.n == 0);
	if (part.n >= CALL_BYTES)
		log_fatal("event=seccomp-name-too-long");
	memcpy(name, part.p, part.n);
	name[part.n] = '\0';
	return true;
}

static void
for_each_call(scmp_filter_ctx ctx, const char *list, uint32_t action)
{
	struct slice rest = slice_str(list);
	char name[CALL_BYTES];

	while (next_call(&rest, name))
		add_rule(ctx, action, name, 0, NULL);
}

static void
add_rule(scmp_filter_ctx ctx, uint32_t action, const char *call, unsigned n,
    const struct scmp_arg_cmp *args)
{
	int nr = seccomp_syscall_resolve_name(call), r;

	if (nr < 0)
		return;		/* not on this architecture, or too new */
	r = seccomp_rule_add_array(ctx, action, nr, n, args);
	/* EEXIST: a wider rule of another group covers it. */
	if (r < 0 && r != -EEXIST)
		log_fatal("event=seccomp-rule-failed call=%s why=\"%s\"",
		    call, strerror(-r));
}

/* abort() and the handler below. */
static void
allow_signals_to(scmp_filter_ctx ctx, pid_t self)
{
	const struct scmp_arg_cmp to[] = {
		CMP(0, SCMP_CMP_EQ, self) };

	add_rule(ctx, SCMP_ACT_ALLOW, "tgkill", 1, to);
}

/* ---- the last words of a process that made a forbidden call -------------- */

#define CALL_NAMES	1024
static const char	*call_names[CALL_NAMES];

/* A fork has the names already. */
static void
name_forbidden_calls(void)
{
	struct sigaction sa = { .sa_sigaction = forbidden_call,
		.sa_flags = SA_SIGINFO | (int)SA_RESETHAND | SA_NODEFER };
	static bool named;
	int i;

	if (!named) {
		for (i = 0; i < CALL_NAMES; i++)
			call_names[i] = seccomp_syscall_resolve_num_arch(
			    SCMP_ARCH_NATIVE, i);
		named = true;
	}
	sigemptyset(&sa.sa_mask);
	if (sigaction(SIGSYS, &sa, NULL) == -1)
		log_fatal("event=sigaction-failed");
}

static void
forbidden_call(int sig, siginfo_t *info, void *context)
{
	int nr = info->si_syscall;

	(void)context;
	log_last_words("event=forbidden-call call=",
	    nr >= 0 && nr < CALL_NAMES && call_names[nr] != NULL ?
	    call_names[nr] : "?");
	raise(sig);	/* the default by now: ends the process */
	_exit(1);
}

/* ---- Landlock: what the C library's headers may not know yet ------------- */

#define LL_FS_EXECUTE		(1ull << 0)
#define LL_FS_WRITE_FILE	(1ull << 1)
#define LL_FS_READ_FILE		(1ull << 2)
#define LL_FS_READ_DIR		(1ull << 3)
#define LL_FS_REMOVE_DIR	(1ull << 4)
#define LL_FS_REMOVE_FILE	(1ull << 5)
#define LL_FS_MAKE_CHAR		(1ull << 6)
#define LL_FS_MAKE_DIR		(1ull << 7)
#define LL_FS_MAKE_REG		(1ull << 8)
#define LL_FS_MAKE_SOCK		(1ull << 9)
#define LL_FS_MAKE_FIFO		(1ull << 10)
#define LL_FS_MAKE_BLOCK	(1ull << 11)
#define LL_FS_MAKE_SYM		(1ull << 12)
#define LL_FS_REFER		(1ull << 13)	/* ABI 2 */
#define LL_FS_TRUNCATE		(1ull << 14)	/* ABI 3 */
#define LL_FS_IOCTL_DEV		(1ull << 15)	/* ABI 5 */
#define LL_NET_BIND_TCP		(1ull << 0)	/* ABI 4 */
#define LL_NET_CONNECT_TCP	(1ull << 1)
#define LL_SCOPE_ABSTRACT	(1ull << 0)	/* ABI 6 */
#define LL_SCOPE_SIGNAL		(1ull << 1)

#define LL_FS_READ	(LL_FS_READ_FILE | LL_FS_READ_DIR)
#define LL_FS_CHANGE	(LL_FS_READ | LL_FS_WRITE_FILE | LL_FS_REMOVE_DIR |  \
	LL_FS_REMOVE_FILE | LL_FS_MAKE_DIR | LL_FS_MAKE_REG | LL_FS_REFER |  \
	LL_FS_TRUNCATE)
#define LL_FS_NO_MAIL	(LL_FS_EXECUTE | LL_FS_MAKE_CHAR | LL_FS_MAKE_SOCK |   \
	LL_FS_MAKE_FIFO | LL_FS_MAKE_BLOCK | LL_FS_MAKE_SYM)
#define LL_FS_OF_A_FILE	(LL_FS_READ_FILE | LL_FS_WRITE_FILE | LL_FS_TRUNCATE)

enum { LL_RULE_PATH = 1, LL_RULE_PORT = 2 };

struct ll_ruleset {
	uint64_t	fs;
	uint64_t	net;		/* ABI 4 */
	uint64_t	scoped;		/* ABI 6 */
};
struct ll_path {
	uint64_t	allowed;
	int32_t		fd;
} __attribute__((packed));
struct ll_port {
	uint64_t	allowed;
	uint64_t	port;
};

static struct ll_ruleset ruleset_of(const struct priv *, int abi);
static void	 allow_paths(int ruleset, uint64_t handled,
		    const struct sandbox_paths *);
static void	 allow_any_source_port(int ruleset, uint64_t handled,
		    const struct priv *);

void
sandbox_open_paths(struct sandbox_paths *paths, const char *list,
    bool writable)
{
	struct slice rest = slice_str(list), part;
	char path[4096];
	int fd;

	while (slice_next(&rest, ':', &part)) {
		if (part.n == 0)
			continue;
		if (paths->n == SANDBOX_PATHS || part.n >= sizeof(path)) {
			if (writable)
				log_fatal("event=too-many-directories");
			log_warn("event=too-many-directories left_out=%s",
			    LOG_Q(part));
			continue;
		}
		memcpy(path, part.p, part.n);
		path[part.n] = '\0';
		fd = open(path, O_PATH | O_CLOEXEC);
		if (fd != -1) {
			paths->v[paths->n].fd = fd;
			paths->v[paths->n++].writable = writable;
		} else if (writable)
			log_fatal("event=no-directory path=%s why=\"%s\"",
			    LOG_Q(part), strerror(errno));
	}
}

void
sandbox_make_path(const char *path)
{
	char part[4096];
	size_t i, n = strlen(path);

	if (access(path, F_OK) == 0 || n == 0 || n >= sizeof(part))
		return;
	for (i = 1; i <= n; i++)
		if (path[i] == '/' || path[i] == '\0') {
			memcpy(part, path, i);
			part[i] = '\0';
			mkdir(part, 0700);
		}
}

int
sandbox_landlock_abi(void)
{
	enum { LL_VERSION = 1 };
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LL_VERSION);

	return abi < 0 ? 0 : (int)abi;
}

void
sandbox_landlock(const struct priv *row, struct sandbox_paths *paths)
{
	int abi = sandbox_landlock_abi(), fd;
	struct ll_ruleset rules = ruleset_of(row, abi);

	if (rules.fs == 0 && row->files != ANY_FILES)
		log_warn("event=no-landlock abi=%d advice=\"a newer kernel "
		    "confines this process better\"", abi);
	if (rules.fs != 0 || rules.net != 0 || rules.scoped != 0) {
		fd = (int)syscall(SYS_landlock_create_ruleset, &rules,
		    sizeof(rules), 0);
		if (fd == -1)
			log_fatal("event=landlock-failed abi=%d why=\"%s\"",
			    abi, strerror(errno));
		allow_paths(fd, rules.fs, paths);
		allow_any_source_port(fd, rules.net, row);
		if (syscall(SYS_landlock_restrict_self, fd, 0) == -1)
			log_fatal("event=landlock-failed abi=%d why=\"%s\"",
			    abi, strerror(errno));
		close(fd);
	}
	while (paths->n > 0)
		close(paths->v[--paths->n].fd);
}

/* What is forbidden unless a rule allows it. */
static struct ll_ruleset
ruleset_of(const struct priv *row, int abi)
{
	static const struct {
		int		 abi;
		uint64_t	 fs;
	} known[] = {
		{ 1, (1ull << 13) - 1 }, { 2, LL_FS_REFER },
		{ 3, LL_FS_TRUNCATE }, { 5, LL_FS_IOCTL_DEV },
	};
	struct ll_ruleset r = { 0, 0, 0 };
	size_t i;

	/* What no session may, whatever it is of; REFER is refused by every
	 * domain that does not name it. */
	if (row->files == SPAWN_FILES && abi >= 2)
		r.fs = LL_FS_NO_MAIL | LL_FS_REFER;
	/* ABI 1 forbids every rename into another directory, which is how
	 * mail gets from tmp to new. */
	else if (row->files != SPAWN_FILES && row->files != ANY_FILES &&
	    !(abi == 1 && row->files == RW_FILES))
		for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			if (abi >= known[i].abi)
				r.fs |= known[i].fs;
	if (abi >= 4 && row->net != ANY_NET)
		r.net = LL_NET_BIND_TCP;
	if (abi >= 4 && row->net != ANY_NET && row->net != NET_DIAL &&
	    row->net != NET_DNS)
		r.net |= LL_NET_CONNECT_TCP;
	if (abi >= 6)
		r.scoped = LL_SCOPE_ABSTRACT | LL_SCOPE_SIGNAL;
	return r;
}

static void
allow_paths(int ruleset, uint64_t handled, const struct sandbox_paths *paths)
{
	struct ll_path rule;
	struct stat st;
	size_t i;

	for (i = 0; i < paths->n && handled != 0; i++) {
		rule.fd = paths->v[i].fd;
		rule.allowed = handled & (paths->v[i].writable ?
		    LL_FS_CHANGE : LL_FS_READ);
		if (rule.allowed == 0)
			continue;
		if (fstat(rule.fd, &st) == 0 && !S_ISDIR(st.st_mode))
			rule.allowed &= LL_FS_OF_A_FILE;
		if (syscall(SYS_landlock_add_rule, ruleset, LL_RULE_PATH,
		    &rule, 0) == -1)
			log_fatal("event=landlock-rule-failed why=\"%s\"",
			    strerror(errno));
	}
}

/* bind() to an address with port 0, for a configured source address. */
static void
allow_any_source_port(int ruleset, uint64_t handled, const struct priv *row)
{
	struct ll_port rule = { LL_NET_BIND_TCP, 0 };

	if (!(handled & LL_NET_BIND_TCP) ||
	    (row->net != NET_DIAL && row->net != NET_DNS))
		return;
	if (syscall(SYS_landlock_add_rule, ruleset, LL_RULE_PORT, &rule,
	    0) == -1)
		log_fatal("event=landlock-rule-failed why=\"%s\"",
		    strerror(errno));
}
