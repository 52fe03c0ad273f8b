/* SPDX-License-Identifier: ISC */
/* backends - see backends.h. */
#include <sys/stat.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ipc/backends.h"

#define SHADOW	"/etc/shadow"

#ifdef HAVE_SQLITE3
#define BUILT_SQLITE	true
#else
#define BUILT_SQLITE	false
#endif
#ifdef HAVE_POSTGRESQL
#define BUILT_POSTGRESQL true
#else
#define BUILT_POSTGRESQL false
#endif
#ifdef HAVE_PAM
#define BUILT_PAM	true
#else
#define BUILT_PAM	false
#endif

typedef bool	 check_fn(const struct conf *, bool as_root, struct buf *why);
static check_fn	 check_nothing, check_postgresql, check_system, check_pam;

static const struct {
	const char	*name;
	bool		 is_built;
	check_fn	*check;
} backends[] = {
	{ "file",	true,			check_nothing },
	{ "sqlite",	BUILT_SQLITE,		check_nothing },
	{ "postgresql",	BUILT_POSTGRESQL,	check_postgresql },
	{ "system",	true,			check_system },
	{ "pam",	BUILT_PAM,		check_pam },
};

int
backends_check(const struct conf *c, bool as_root, struct buf *why)
{
	int r = 0;
	size_t i;

	for (i = 0; i < sizeof(backends) / sizeof(backends[0]); i++) {
		if (!conf_has(&c->auth_backends, backends[i].name))
			continue;
		if (!backends[i].is_built) {
			buf_printf(why, "auth.backends %s: this build is "
			    "without it (configure --with-%s)\n",
			    backends[i].name, backends[i].name);
			r = -1;
		} else if (!backends[i].check(c, as_root, why))
			r = -1;
	}
	return r;
}

static bool
check_nothing(const struct conf *c, bool as_root, struct buf *why)
{
	(void)c;
	(void)as_root;
	(void)why;
	return true;
}

static bool
check_postgresql(const struct conf *c, bool as_root, struct buf *why)
{
	const char *dir = c->auth_postgresql_socket;

	(void)as_root;
	if (dir[0] == '/' && strchr(dir, ',') == NULL)
		return true;
	buf_printf(why, "auth.postgresql_socket %s: an absolute path of a "
	    "directory is wanted; the verifiers reach no host by TCP\n", dir);
	return false;
}

gid_t
backends_shadow_group(void)
{
	struct stat st;

	if (stat(SHADOW, &st) == -1 || (st.st_mode & S_IRGRP) == 0)
		return 0;
	return st.st_gid;
}

static bool
check_system(const struct conf *c, bool as_root, struct buf *why)
{
	(void)c;
	if (!as_root)
		buf_add_str(why, "auth.backends system: only a suite that is "
		    "started by root can check the passwords of the system's "
		    "users\n");
	else if (backends_shadow_group() == 0)
		buf_add_str(why, "auth.backends system: " SHADOW " is "
		    "readable for no group but root's; the verifiers, which "
		    "are not root, need one (chgrp shadow " SHADOW "; chmod "
		    "640 " SHADOW ")\n");
	else
		return true;
	return false;
}

bool
backends_pam_file(const char *service, char *path, size_t size)
{
	static const char *const places[] = { "/etc/pam.d",
		"/usr/lib/pam.d" };
	size_t i;

	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(path, size, "%s/%s", places[i], service);
		if (access(path, R_OK) == 0)
			return true;
	}
	return false;
}

/* Of a service without a file the rules are those of "other", which nobody
 * has written for us. */
static bool
check_pam(const struct conf *c, bool as_root, struct buf *why)
{
	const struct conf_list *l = &c->auth_backends;
	char path[300];

	(void)as_root;
	if (strcmp(l->v[l->n - 1], "pam") != 0)
		buf_add_str(why, "auth.backends pam: has to be the last, "
		    "since it takes every name\n");
	else if (c->auth_pam_service[0] == '\0' ||
	    strlen(c->auth_pam_service) > 64 ||
	    strchr(c->auth_pam_service, '/') != NULL)
		buf_printf(why, "auth.pam_service %s: is not the name of a "
		    "service\n", c->auth_pam_service);
	else if (!backends_pam_file(c->auth_pam_service, path, sizeof(path)))
		buf_printf(why, "auth.backends pam: there is no "
		    "/etc/pam.d/%s\n", c->auth_pam_service);
	else
		return true;
	return false;
}

bool
backends_have_no_keys(const struct conf *c)
{
	size_t i;

	for (i = 0; i < c->auth_backends.n; i++)
		if (strcmp(c->auth_backends.v[i], "system") != 0 &&
		    strcmp(c->auth_backends.v[i], "pam") != 0)
			return false;
	return true;
}
