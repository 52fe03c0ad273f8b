/* SPDX-License-Identifier: ISC */
/*
 * doctor_others - what other mail servers have left: processes, services that
 * start at boot, mail in their queues, aliases, /usr/sbin/sendmail.
 */
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/num.h"
#include "doctor.h"
#include "os/proc.h"
#include "table/table.h"
#include "table_edit.h"

#define FILES_MAX	100000	/* counted in one queue */
#define DEPTH_MAX	4	/* directories below each other there */

static void	 check_processes(struct doctor *);
static void	 check_services(struct doctor *);
static void	 check_queues(struct doctor *);
static void	 check_sendmail(struct doctor *);
static void	 check_aliases(struct doctor *);
static bool	 same_file(const char *, const char *);

void
doctor_others(struct doctor *d)
{
	check_processes(d);
	check_services(d);
	check_queues(d);
	check_sendmail(d);
	if (d->conf != NULL)
		check_aliases(d);
}

/* ---- programs ------------------------------------------------------------ */

/* What a process is of, by the path of its program; NULL: none of them. */
static const char *
server_of(const char *path)
{
	static const struct {
		const char	*end, *name;
	} known[] = {
		{ "/postfix/sbin/master", "Postfix" },
		{ "/postfix/master", "Postfix" },
		{ "/exim4", "Exim" }, { "/exim", "Exim" },
		{ "/sendmail-mta", "Sendmail" },
		{ "/sm-mta/sendmail", "Sendmail" },
		{ "/sbin/smtpd", "OpenSMTPD" },
		{ "/qmail-send", "qmail" },
		{ "/sbin/dovecot", "Dovecot" },
		{ "/courier/imapd", "Courier" },
		{ "/sbin/master", "Cyrus" },
	};
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (slice_ends_nocase(slice_str(path),
		    slice_str(known[i].end)))
			return known[i].name;
	return NULL;
}

static void
check_processes(struct doctor *d)
{
	DIR *dir = opendir("/proc");
	char link[300], path[PATH_MAX], pid_text[64];
	const char *name;
	struct dirent *e;
	uint64_t pid;
	unsigned found = 0;
	ssize_t n;

	while (dir != NULL && (e = readdir(dir)) != NULL) {
		if (!slice_to_u64(slice_str(e->d_name), 1, UINT32_MAX, &pid))
			continue;
		snprintf(link, sizeof(link), "/proc/%s/exe", e->d_name);
		n = readlink(link, path, sizeof(path) - 1);
		path[n > 0 ? n : 0] = '\0';
		name = server_of(path);
		if (name == NULL || slice_starts(slice_str(path),
		    SLICE_LIT(LIBEXEC_DIR "/")))
			continue;
		found++;
		snprintf(pid_text, sizeof(pid_text), "process %.20s",
		    e->d_name);
		doctor_say(d, FINDING_WARNING, name, "`systemctl disable --now "
		    "NAME` when this suite has taken over; two servers on "
		    "other ports do not disturb each other", "runs (%s, %s)",
		    pid_text, path);
	}
	if (dir != NULL)
		closedir(dir);
	if (found == 0)
		doctor_say(d, FINDING_OK, "processes", NULL, "no other mail "
		    "server that can be seen runs");
}

static void
check_services(struct doctor *d)
{
	static const char *const units[] = { "postfix", "exim4", "exim",
		"sendmail", "opensmtpd", "dovecot", "courier-imap",
		"cyrus-imapd" };
	char path[128];
	size_t i;

	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		snprintf(path, sizeof(path), "/etc/systemd/system/"
		    "multi-user.target.wants/%s.service", units[i]);
		if (faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			doctor_say(d, FINDING_WARNING, units[i], "`systemctl "
			    "disable NAME`, and `mask` it if a package wants "
			    "to start it again", "starts at boot (%s)", path);
	}
}

/* ---- queues -------------------------------------------------------------- */

static size_t
count_files(int at, const char *name, unsigned depth)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
	    O_CLOEXEC);
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);
	struct dirent *e;
	struct stat st;
	size_t n = 0;

	while (dir != NULL && n < FILES_MAX && (e = readdir(dir)) != NULL) {
		if (e->d_name[0] == '.' || fstatat(dirfd(dir), e->d_name, &st,
		    AT_SYMLINK_NOFOLLOW) == -1)
			continue;
		if (S_ISREG(st.st_mode))
			n++;
		else if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX)
			n += count_files(dirfd(dir), e->d_name, depth + 1);
	}
	if (dir != NULL)
		closedir(dir);
	return n;
}

static void
check_queues(struct doctor *d)
{
	static const struct {
		const char	*path, *advice;
		unsigned	 per_message;	/* files */
	} queues[] = {
		{ "/var/spool/postfix/maildrop", "`postfix start`, `postqueue "
		    "-f`, wait until `postqueue -p` is empty", 1 },
		{ "/var/spool/postfix/incoming", "as maildrop", 1 },
		{ "/var/spool/postfix/active", "as maildrop", 1 },
		{ "/var/spool/postfix/deferred", "as maildrop; it is mail "
		    "whose next host has not taken it yet", 1 },
		{ "/var/spool/postfix/hold", "see `postcat -q`; `postsuper -H "
		    "ALL` lets it go", 1 },
		{ "/var/spool/exim4/input", "start Exim and `exim4 -qff`, wait "
		    "until `exim4 -bpc` says 0", 2 },
		{ "/var/spool/exim/input", "start Exim and `exim -qff`", 2 },
		{ "/var/spool/mqueue", "start Sendmail and `sendmail -q`", 2 },
		{ "/var/spool/smtpd/queue", "start OpenSMTPD and `smtpctl "
		    "schedule all`", 2 },
	};
	size_t i, n, found = 0;

	for (i = 0; i < sizeof(queues) / sizeof(queues[0]); i++) {
		n = count_files(AT_FDCWD, queues[i].path, 0);
		if (n == 0)
			continue;
		found++;
		n = (n + queues[i].per_message - 1) / queues[i].per_message;
		doctor_say(d, FINDING_WARNING, queues[i].path,
		    queues[i].advice, "%zu messages of another mail server "
		    "wait there; nobody else delivers them", n);
	}
	if (found == 0)
		doctor_say(d, FINDING_OK, "queues", NULL, "no mail of other "
		    "servers that can be seen waits");
}

/* ---- what programs of this host call, and read --------------------------- */

static bool
same_file(const char *a, const char *b)
{
	struct stat x, y;

	return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev &&
	    x.st_ino == y.st_ino;
}

static void
check_sendmail(struct doctor *d)
{
	static const char path[] = "/usr/sbin/sendmail";
	char self[PATH_MAX], real[PATH_MAX], ours[PATH_MAX + 16];
	char advice[PATH_MAX + 64];

	if (proc_program(self) == -1)
		self[0] = '\0';
	snprintf(ours, sizeof(ours), "%s/sendmail", dirname(self));
	snprintf(advice, sizeof(advice), "`ln -s %s %s`", ours, path);
	if (access(path, F_OK) == -1)
		doctor_say(d, FINDING_NOTE, path, advice, "is not there: cron "
		    "and the like cannot send mail");
	else if (same_file(path, ours))
		doctor_say(d, FINDING_OK, path, NULL, "is this suite's");
	else
		doctor_say(d, FINDING_WARNING, path, "have the package manager "
		    "or `update-alternatives` make it this suite's, or link "
		    "it to that", "is %s, not %s: mail of cron and the like "
		    "goes there", realpath(path, real) == NULL ? "another" :
		    real, ours);
}

static bool
is_read_here(const struct conf *c, const char *path)
{
	const struct conf_table *t;
	size_t i;

	for (i = 0; i < c->alias_tables.n; i++) {
		t = table_conf(c, c->alias_tables.v[i]);
		if (t != NULL && same_file(t->path, path))
			return true;
	}
	return false;
}

static bool
has_alias(const struct conf *c, struct slice name)
{
	struct buf why = BUF_INIT(8192);
	const struct conf_table *t;
	struct table_hit hit;
	struct table *table;
	bool has = false;
	size_t i;

	for (i = 0; i < c->alias_tables.n && !has; i++) {
		t = table_conf(c, c->alias_tables.v[i]);
		if (t == NULL)
			continue;
		table = table_new(t, c->table_max_entries);
		has = table_load(table, &why) == 0 &&
		    table_find(table, name, &hit, &why) == TABLE_FOUND;
		table_free(&table);
		buf_reset(&why);
	}
	buf_clear(&why);
	return has;
}

static void
check_aliases(struct doctor *d)
{
	static const char path[] = "/etc/aliases";
	struct buf why = BUF_INIT(1024), missing = BUF_INIT(400);
	struct table_reader r = { .form = TABLE_FORM_ALIASES };
	struct text_file f = { .lock_fd = -1 };
	struct table_entry e;
	enum lines_next got;
	const char *reason;
	size_t n = 0;

	if (!has_alias(d->conf, SLICE_LIT("root")))
		doctor_say(d, FINDING_NOTE, "root", "`chasqui alias add root "
		    "you@example.org`", "nobody is named who reads root's "
		    "mail, and that of cron and postmaster");
	if (access(path, R_OK) == -1 || is_read_here(d->conf, path) ||
	    text_file_open(&f, path, false, &why) == -1)
		return;
	r.rest = buf_slice(&f.text);
	while ((got = table_text_next(&r, &e, &reason)) != LINES_END) {
		if (got != LINES_OK || has_alias(d->conf, e.key))
			continue;
		n++;
		buf_printf(&missing, "%s%.*s", missing.n > 0 ? " " : "",
		    SLICE_ARG(e.key));
	}
	if (n > 0)
		doctor_say(d, FINDING_WARNING, path,
		    "`chasqui alias add` them, "
		    "or read the file: `table system { type = aliases; path = "
		    "/etc/aliases }` in alias.tables", "%zu of its names are "
		    "in no table of alias.tables: %.300s", n,
		    buf_cstr(&missing));
	else
		doctor_say(d, FINDING_OK, path, NULL, "all its names are "
		    "known here");
	table_reader_clear(&r);
	text_file_close(&f);
	buf_clear(&missing);
	buf_clear(&why);
}
