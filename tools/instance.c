/* SPDX-License-Identifier: ISC */
/* instance - see instance.h. */
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "chasqui.h"
#include "ev/tls_self.h"
#include "instance.h"
#include "os/priv.h"

#define PREFIX		"_chasqui_"
#define SELF_DAYS	3650

/* ---- system users -------------------------------------------------------- */

static int
run_useradd(const char *name)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		execlp("useradd", "useradd", "--system", "--user-group",
		    "--no-create-home", "--home-dir", "/nonexistent",
		    "--shell", "/usr/sbin/nologin", "--comment",
		    "Chasqui mail", name, (char *)NULL);
		_exit(127);
	}
	if (pid == -1 || waitpid(pid, &status, 0) == -1)
		return -1;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

static int
make_user(const char *suffix)
{
	char name[64];

	snprintf(name, sizeof(name), PREFIX "%s", suffix);
	if (getpwnam(name) != NULL)
		return 0;
	if (run_useradd(name) == -1 && getpwnam(name) == NULL)
		return tool_fail(EX_OSERR, "the system user %s cannot be made "
		    "(useradd --system %s); make it by hand and try again",
		    name, name);
	printf("made the system user %s\n", name);
	return 0;
}

static int
find_group(const char *suffix, gid_t *gid_r)
{
	const struct passwd *pw;
	char name[64];

	snprintf(name, sizeof(name), PREFIX "%s", suffix);
	pw = getpwnam(name);
	if (pw == NULL)
		return tool_fail(EX_OSERR, "the system user %s has vanished",
		    name);
	*gid_r = pw->pw_gid;
	return 0;
}

int
instance_make_users(struct instance *in)
{
	const struct priv *row;
	unsigned role;
	int r = 0;

	if (geteuid() != 0)
		return 0;
	for (role = 0; r == 0 && role < ROLE_LIMIT; role++) {
		row = priv_of((enum role)role);
		if (row != NULL && row->user != NULL)
			r = make_user(row->user);
	}
	if (r == 0)
		r = make_user("mail");
	if (r == 0)
		r = find_group("lookup", &in->tables_gid);
	if (r == 0)
		r = find_group("verifier", &in->passwords_gid);
	in->as_root = true;
	return r;
}

/* ---- files --------------------------------------------------------------- */

int
instance_make_directories(const struct instance *in)
{
	/* queue, mail and run get their owners from master. */
	static const struct {
		const char	*name;
		mode_t		 mode;
	} dirs[] = { { "", 0755 }, { "tables", 0750 }, { "auth", 0750 },
		{ "tls", 0700 }, { "queue", 0711 }, { "mail", 0750 },
		{ "run", 0755 }, { "log", 0750 } };
	enum { TABLES = 1, AUTH = 2, TLS = 3 };
	char path[PATH_MAX], *p;
	size_t i;

	snprintf(path, sizeof(path), "%s", in->dir);
	for (p = strchr(path + 1, '/'); p != NULL; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdir(path, 0755) == -1 && errno != EEXIST)
			return tool_fail(EX_CANTCREAT, "%s: %s", path,
			    strerror(errno));
		*p = '/';
	}
	for (i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		if (!in->own_dir && i > TLS)
			break;
		snprintf(path, sizeof(path), "%s%s%s", in->dir,
		    dirs[i].name[0] == '\0' ? "" : "/", dirs[i].name);
		if (mkdir(path, dirs[i].mode) == -1 && errno != EEXIST)
			return tool_fail(EX_CANTCREAT, "%s: %s", path,
			    strerror(errno));
		if ((i == TABLES || i == AUTH) && in->as_root &&
		    (chown(path, 0, i == TABLES ? in->tables_gid :
		    in->passwords_gid) == -1 || chmod(path, 0750) == -1))
			return tool_fail(EX_CANTCREAT, "%s: %s", path,
			    strerror(errno));
	}
	return 0;
}

/* A file that is there stays as it is. */
int
instance_write(const struct instance *in, const char *name, mode_t mode,
    const struct buf *text)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", in->dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd == -1 && errno == EEXIST && strcmp(name, "chasqui.conf") != 0) {
		printf("%s is there already and is left alone\n", path);
		return 0;
	}
	if (fd == -1 || write(fd, text->p, text->n) != (ssize_t)text->n ||
	    fchmod(fd, mode) == -1 || fsync(fd) == -1 || close(fd) == -1)
		return tool_fail(EX_CANTCREAT, "%s: %s", path,
		    strerror(errno));
	printf("wrote %s\n", path);
	return 0;
}

int
instance_write_passwords(const struct instance *in, const struct buf *text)
{
	char path[PATH_MAX];
	int r = instance_write(in, "auth/passwords", in->as_root ? 0640 : 0600,
	    text);

	snprintf(path, sizeof(path), "%s/auth/passwords", in->dir);
	if (r == 0 && in->as_root && chown(path, 0, in->passwords_gid) == -1)
		r = tool_fail(EX_CANTCREAT, "%s: %s", path, strerror(errno));
	return r;
}

/* ---- TLS ----------------------------------------------------------------- */

static bool
is_there(const struct instance *in, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", in->dir, name);
	return access(path, F_OK) == 0;
}

/* So that nothing starts without TLS.  Both files or none are made: a key
 * that is left alone would not fit a new certificate. */
int
instance_write_certificate(const struct instance *in, const char *hostname)
{
	const char *names[] = { hostname };
	struct tls_self self = { TLS_SELF_P256, names, 1, NULL, SELF_DAYS };
	struct buf chain = BUF_INIT(65536), key = BUF_INIT(65536);
	int r;

	if (is_there(in, INSTANCE_CHAIN) && is_there(in, INSTANCE_KEY)) {
		printf("%s/" INSTANCE_CHAIN " is there already and is left "
		    "alone\n", in->dir);
		return 0;
	}
	if (is_there(in, INSTANCE_CHAIN) || is_there(in, INSTANCE_KEY))
		return tool_fail(EX_CANTCREAT, "%s: of " INSTANCE_CHAIN " and "
		    INSTANCE_KEY " one is there and one is not; move it away",
		    in->dir);
	if (tls_self_signed(&self, &chain, &key) == -1)
		r = tool_fail(EX_SOFTWARE, "no certificate can be made");
	else {
		r = instance_write(in, INSTANCE_CHAIN, 0600, &chain);
		if (r == 0)
			r = instance_write(in, INSTANCE_KEY, 0600, &key);
	}
	if (key.n > 0)
		explicit_bzero(key.p, key.n);
	buf_clear(&key);
	buf_clear(&chain);
	return r;
}

