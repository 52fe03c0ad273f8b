/* SPDX-License-Identifier: ISC */
/*
 * doctor_files - certificates, who may read and write what, and room on the
 * disks.
 */
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/file.h"
#include "doctor.h"
#include "ev/key_pair.h"
#include "os/fs.h"
#include "os/priv.h"

#define SOON_DAYS	14
#define DAY		86400L

/* A system user of the suite. */
struct account {
	bool	 known;
	uid_t	 uid;
	gid_t	 gid;
};

static void	 check_certificate(struct doctor *,
		    const struct conf_certificate *);
static void	 check_names(struct doctor *, const struct conf_certificate *);
static struct account find_account(struct doctor *, const char *suffix);
static void	 check_users(struct doctor *);
static void	 check_owner(struct doctor *, const char *path,
		    struct account, mode_t);
static void	 check_not_writable(struct doctor *, const char *path);
static void	 check_readable(struct doctor *, const char *path,
		    struct account, const char *user);
static void	 check_secret(struct doctor *, const char *path,
		    const char *what);
static void	 check_room(struct doctor *, const char *path,
		    const char *without, uint64_t least);

/* ---- certificates -------------------------------------------------------- */

void
doctor_certificates(struct doctor *d)
{
	const struct conf *c = d->conf;
	size_t i;

	for (i = 0; i < c->ncertificates; i++)
		check_certificate(d, &c->certificates[i]);
	for (i = 0; i < c->nlisteners && c->ncertificates == 0; i++)
		if (strcmp(c->listeners[i].tls, "required") == 0 ||
		    strcmp(c->listeners[i].tls, "implicit") == 0)
			doctor_say(d, FINDING_FAULT, c->listeners[i].name,
			    "add a certificate block; `chasqui init` makes a "
			    "self-signed one", "the listener wants TLS, and "
			    "there is no certificate");
}

static void
check_certificate(struct doctor *d, const struct conf_certificate *c)
{
	int key_fd = file_open(c->key);
	int chain_fd = file_open(c->chain);
	struct buf why = BUF_INIT(1000);
	EVP_PKEY *key = NULL;
	long left = 0;

	if (chain_fd == -1 && errno == EACCES && d->foreign)
		doctor_say(d, FINDING_NOTE, c->name, "run this as root", "its "
		    "files are not to be seen by this user, as it should be");
	else if (chain_fd == -1)
		doctor_say(d, FINDING_FAULT, c->name, "see whether the ACME "
		    "client has made it", "%s: %s", c->chain, strerror(errno));
	else if (key_fd == -1 && geteuid() != 0 && errno == EACCES)
		doctor_say(d, FINDING_NOTE, c->name, "run this as root", "its "
		    "key is not readable for this user, as it should be");
	else if (key_fd == -1)
		doctor_say(d, FINDING_FAULT, c->name, "see whether the ACME "
		    "client has made it", "%s: %s", c->key, strerror(errno));
	else if ((key = key_pair_read(key_fd, chain_fd, &why)) == NULL)
		doctor_say(d, FINDING_FAULT, c->name, "put the key and the "
		    "chain that belong together there; clients get the old "
		    "pair, or none", "%s", buf_cstr(&why));
	if (chain_fd != -1)
		left = key_pair_seconds_left(chain_fd);
	if (chain_fd != -1 && left <= 0)
		doctor_say(d, FINDING_FAULT, c->name, "renew it, and see to "
		    "the clock", "it is not valid now");
	else if (chain_fd != -1 && left < SOON_DAYS * DAY)
		doctor_say(d, FINDING_WARNING, c->name, "see why the ACME "
		    "client has not renewed it (`certbot renew --dry-run`)",
		    "it is valid for %ld more days", left / DAY);
	else if (key != NULL)
		doctor_say(d, FINDING_OK, c->name, NULL, "key and chain fit; "
		    "valid for %ld days", left / DAY);
	if (chain_fd != -1)
		check_names(d, c);
	if (key_fd != -1)
		check_secret(d, c->key, "a private key");
	EVP_PKEY_free(key);
	buf_clear(&why);
	if (key_fd != -1)
		close(key_fd);
	if (chain_fd != -1)
		close(chain_fd);
}

static void
check_names(struct doctor *d, const struct conf_certificate *c)
{
	int fd = file_open(c->chain);
	FILE *f = fd == -1 ? NULL : fdopen(fd, "r");
	X509 *x = f == NULL ? NULL : PEM_read_X509(f, NULL, NULL, NULL);
	const char *name = d->conf->hostname;

	if (f != NULL)
		fclose(f);
	if (x == NULL)
		return;
	if (X509_check_host(x, name, strlen(name), 0, NULL) == 1)
		doctor_say(d, FINDING_OK, c->name, NULL, "has the name %s",
		    name);
	else
		doctor_say(d, d->conf->ncertificates > 1 ? FINDING_NOTE :
		    FINDING_WARNING, c->name, "get one with the name that "
		    "clients and the MX record use", "it does not have the "
		    "name %s", name);
	if (X509_NAME_cmp(X509_get_subject_name(x),
	    X509_get_issuer_name(x)) == 0)
		doctor_say(d, FINDING_NOTE, c->name, "get one that mail "
		    "programs believe, see operating.md", "it is signed by "
		    "itself: mail programs will complain");
	X509_free(x);
}

/* ---- owners and modes ---------------------------------------------------- */

void
doctor_files(struct doctor *d)
{
	const struct conf *c = d->conf;
	struct account root = { true, 0, 0 }, qmgr, mail, lookup, verifier,
	    history;
	char path[PATH_MAX];
	const char *table;
	size_t i;

	if (geteuid() == 0)
		check_users(d);
	qmgr = find_account(d, "qmgr");
	history = find_account(d, "history");
	lookup = find_account(d, "lookup");
	verifier = find_account(d, "verifier");
	mail = find_account(d, NULL);
	if (geteuid() != 0 && !d->foreign)
		root = qmgr = mail = history = (struct account){ true,
		    geteuid(),
			getegid() };
	snprintf(path, sizeof(path), "%s", c->path);
	check_not_writable(d, path);
	check_not_writable(d, dirname(path));
	check_not_writable(d, c->path_tables);
	check_owner(d, c->path_run, root, 0755);
	check_owner(d, c->path_queue, qmgr, 0711);
	if (c->history_size != 0)
		check_owner(d, c->path_history, history, 0750);
	snprintf(path, sizeof(path), "%s/drop", c->path_queue);
	check_owner(d, path, qmgr, 03733);
	check_owner(d, c->path_mail, mail, 0750);
	for (i = 0; i < c->ntables; i++) {
		table = c->tables[i].path;
		if (table[0] == '\0')
			continue;
		check_not_writable(d, table);
		check_readable(d, table, lookup, "lookup");
	}
	for (i = 0; i < c->auth_passwords.n; i++) {
		check_secret(d, c->auth_passwords.v[i], "password hashes");
		check_readable(d, c->auth_passwords.v[i], verifier,
		    "verifier");
	}
}

/* NULL: the owner of virtual mailboxes. */
static struct account
find_account(struct doctor *d, const char *suffix)
{
	char name[256];
	const struct passwd *pw;

	snprintf(name, sizeof(name), "%s%s", suffix == NULL ?
	    d->conf->user_mail : d->conf->user_prefix,
	    suffix == NULL ? "" : suffix);
	pw = getpwnam(name);
	if (pw == NULL || geteuid() != 0)
		return (struct account){ .known = false };
	return (struct account){ true, pw->pw_uid, pw->pw_gid };
}

static void
check_users(struct doctor *d)
{
	const struct priv *row;
	const struct passwd *pw;
	char name[256];
	unsigned role, missing = 0;

	for (role = 0; role < ROLE_LIMIT; role++) {
		row = priv_of((enum role)role);
		if (row == NULL || row->user == NULL)
			continue;
		snprintf(name, sizeof(name), "%s%s", d->conf->user_prefix,
		    row->user);
		pw = getpwnam(name);
		if (pw != NULL && pw->pw_uid != 0 && pw->pw_gid != 0)
			continue;
		missing++;
		doctor_say(d, FINDING_FAULT, name, "useradd --system "
		    "--user-group --no-create-home --home-dir /nonexistent "
		    "--shell /usr/sbin/nologin NAME", "%s", pw == NULL ?
		    "there is no such system user" :
		    "the system user has uid or gid 0");
	}
	if (missing == 0)
		doctor_say(d, FINDING_OK, "system users", NULL, "all are "
		    "there");
}

/* Directories that master makes and owns: it mends them at each start, so
 * before one nothing is wrong. */
static void
check_owner(struct doctor *d, const char *path, struct account who,
    mode_t mode)
{
	static const char advice[] = "`chasqui start` mends it";
	enum finding wrong = d->running ? FINDING_FAULT : FINDING_NOTE;
	struct stat st;

	if (stat(path, &st) == -1 && errno == ENOENT)
		doctor_say(d, wrong, path, "`chasqui start` makes it",
		    "is not there");
	else if (stat(path, &st) == -1)
		doctor_say(d, FINDING_FAULT, path, "see the directories above "
		    "it", "%s", strerror(errno));
	else if (!S_ISDIR(st.st_mode))
		doctor_say(d, FINDING_FAULT, path, "move it away", "is no "
		    "directory");
	else if (who.known && (st.st_uid != who.uid || st.st_gid != who.gid))
		doctor_say(d, wrong, path, advice, "belongs to uid %u gid %u "
		    "instead of %u and %u", (unsigned)st.st_uid,
		    (unsigned)st.st_gid, (unsigned)who.uid, (unsigned)who.gid);
	else if ((st.st_mode & 07777) != mode)
		doctor_say(d, wrong, path, advice, "has mode %04o instead of "
		    "%04o", (unsigned)st.st_mode & 07777u, (unsigned)mode);
	else
		doctor_say(d, FINDING_OK, path, NULL, "owner and mode are "
		    "right");
}

/* What decides where mail goes is not for everybody to change. */
static void
check_not_writable(struct doctor *d, const char *path)
{
	struct stat st;

	if (stat(path, &st) == -1 && errno == EACCES && d->foreign) {
		doctor_say(d, FINDING_NOTE, path, "run this as root", "is not "
		    "to be seen by this user, as it should be");
		return;
	}
	if (stat(path, &st) == -1) {
		doctor_say(d, FINDING_FAULT, path, "make it, or mend the path "
		    "in the configuration", "%s", strerror(errno));
		return;
	}
	if ((st.st_mode & 0002) != 0)
		doctor_say(d, FINDING_FAULT, path, "chmod o-w", "everybody may "
		    "write to it");
	else if ((st.st_mode & 0020) != 0 && st.st_gid != 0)
		doctor_say(d, FINDING_NOTE, path, "chmod g-w, unless that "
		    "group is meant to", "its group %u may write to it",
		    (unsigned)st.st_gid);
	else
		doctor_say(d, FINDING_OK, path, NULL, "only its owner may "
		    "write to it");
}

static bool
may(const struct stat *st, struct account who, mode_t bit)
{
	if (st->st_uid == who.uid)
		return (st->st_mode & bit << 6) != 0;
	if (st->st_gid == who.gid)
		return (st->st_mode & bit << 3) != 0;
	return (st->st_mode & bit) != 0;
}

/* The directories above, and then the file. */
static void
check_readable(struct doctor *d, const char *path, struct account who,
    const char *user)
{
	char part[PATH_MAX];
	const char *slash = path;
	struct stat st;

	if (!who.known)
		return;
	while ((slash = strchr(slash + 1, '/')) != NULL) {
		snprintf(part, sizeof(part), "%.*s", (int)(slash - path),
		    path);
		if (stat(part, &st) == 0 && !may(&st, who, 1)) {
			doctor_say(d, FINDING_FAULT, path, "chgrp and chmod "
			    "g+x that directory", "%s%s may not enter %s",
			    d->conf->user_prefix, user, part);
			return;
		}
	}
	if (stat(path, &st) == 0 && !may(&st, who, 4))
		doctor_say(d, FINDING_FAULT, path, "chgrp it to that user's "
		    "group and chmod g+r", "%s%s may not read it",
		    d->conf->user_prefix, user);
}

static void
check_secret(struct doctor *d, const char *path, const char *what)
{
	struct stat st;

	if (stat(path, &st) == -1)
		return;
	if ((st.st_mode & 0007) != 0)
		doctor_say(d, FINDING_FAULT, path, "chmod o-rwx", "everybody "
		    "may read %s", what);
	else
		doctor_say(d, FINDING_OK, path, NULL, "is kept from others");
}

/* ---- disks --------------------------------------------------------------- */

void
doctor_disk(struct doctor *d)
{
	const struct conf *c = d->conf;
	const char *unfit = fs_unfit(c->path_queue);

	check_room(d, c->path_queue, "the queue: new mail is refused with 452",
	    c->queue_min_free);
	check_room(d, c->path_mail, "mailboxes: mail for them waits in the "
	    "queue", 0);
	check_room(d, c->path_history, "the event history: what happens is "
	    "not kept there", 0);
	if (strchr(c->log_target, '/') != NULL)
		check_room(d, c->log_target, "the log: what happens is not "
		    "logged", 0);
	if (unfit != NULL)
		doctor_say(d, FINDING_WARNING, c->path_queue, "put the "
		    "queue on a local disk that keeps what it has synced",
		    "is on %s: mail that was taken may be lost with a crash",
		    unfit);
}

static void
check_room(struct doctor *d, const char *path, const char *without,
    uint64_t least)
{
	struct slice what = slice_first(slice_str(without),
	    slice_find(slice_str(without), ':'));
	struct statvfs v;
	uint64_t room, percent, inodes;

	if (statvfs(path, &v) == -1)
		return;		/* a part before this one has said so */
	room = (uint64_t)v.f_bavail * v.f_frsize;
	percent = v.f_blocks == 0 ? 100 : (uint64_t)v.f_bavail * 100 /
	    v.f_blocks;
	inodes = v.f_files == 0 ? 100 : (uint64_t)v.f_favail * 100 /
	    v.f_files;
	if (room <= least)
		doctor_say(d, FINDING_FAULT, path, least == 0 ? "make room" :
		    "make room, or lower queue.min_free",
		    "%llu MiB are free for %s",
		    (unsigned long long)room >> 20, without);
	else if (percent < 5 && room < (uint64_t)5 << 30)
		doctor_say(d, FINDING_WARNING, path, "make room", "%llu MiB "
		    "(%llu %%) are free for %.*s",
		    (unsigned long long)room >> 20,
		    (unsigned long long)percent, SLICE_ARG(what));
	else if (inodes < 5)
		doctor_say(d, inodes < 1 ? FINDING_FAULT : FINDING_WARNING,
		    path, "remove small files, or make a file system with "
		    "more inodes", "%llu %% of the inodes are free for %.*s",
		    (unsigned long long)inodes, SLICE_ARG(what));
	else
		doctor_say(d, FINDING_OK, path, NULL, "%llu MiB are free for "
		    "%.*s", (unsigned long long)room >> 20, SLICE_ARG(what));
}
