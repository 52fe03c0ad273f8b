/* SPDX-License-Identifier: ISC */
/* users - see users.h. */
#include <sys/stat.h>

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/num.h"
#include "users.h"

#define PASSWD		"/etc/passwd"
#define NAME_BYTES	64
#define ENTRY_BYTES	65536	/* room for getpwnam_r() */
#define SLOTS		16384	/* a power of two above USERS_MAX */

struct entry {
	char		*name;		/* owned; NULL: free slot */
	char		*home;		/* owned */
	uint32_t	 uid, gid;
	enum user_found	 found;
	int64_t		 until_ms;
};

struct users {
	struct entry	*v;		/* owned, SLOTS of them */
	size_t		 n;
	uint64_t	 key[2];
	struct stat	 passwd;
	char		*room;		/* owned */
};

static struct entry	*slot_of(const struct users *, struct slice);
static void		 ask(struct users *, struct entry *);
static void		 forget(struct users *);
static bool		 is_user_name(struct slice);

struct users *
users_new(void)
{
	struct users *u = mem_alloc(sizeof(*u));

	u->v = mem_array(SLOTS, sizeof(*u->v));
	u->room = mem_alloc(ENTRY_BYTES);
	arc4random_buf(u->key, sizeof(u->key));
	users_check(u);
	return u;
}

void
users_free(struct users **up)
{
	struct users *u = *up;

	if (u == NULL)
		return;
	forget(u);
	free(u->v);
	free(u->room);
	free(u);
	*up = NULL;
}

void
users_warm_up(struct users *u)
{
	struct user user;

	users_find(u, SLICE_LIT("root"), &user);
	forget(u);
}

bool
users_check(struct users *u)
{
	struct stat st;
	bool changed;

	memset(&st, 0, sizeof(st));
	stat(PASSWD, &st);
	changed = st.st_ino != u->passwd.st_ino ||
	    st.st_size != u->passwd.st_size ||
	    st.st_mtim.tv_sec != u->passwd.st_mtim.tv_sec ||
	    st.st_mtim.tv_nsec != u->passwd.st_mtim.tv_nsec;
	u->passwd = st;
	if (changed)
		forget(u);
	return changed;
}

enum user_found
users_find(void *arg, struct slice name, struct user *user)
{
	struct users *u = arg;
	struct entry *e;

	if (!is_user_name(name))
		return USER_UNKNOWN;
	e = slot_of(u, name);
	if (e->name == NULL && u->n == USERS_MAX) {
		forget(u);
		e = slot_of(u, name);
	}
	if (e->name == NULL) {
		e->name = mem_slicedup(name);
		u->n++;
	}
	if (e->until_ms <= clock_mono_ms())
		ask(u, e);
	if (e->found == USER_FOUND)
		*user = (struct user){ e->uid, e->gid, slice_str(e->name),
			slice_str(e->home) };
	return e->found;
}

/* Trouble is not remembered: the next message may fare better. */
static void
ask(struct users *u, struct entry *e)
{
	struct passwd pw, *hit = NULL;
	int error;

	free(e->home);
	e->home = NULL;
	do {
		error = getpwnam_r(e->name, &pw, u->room, ENTRY_BYTES, &hit);
	} while (error == EINTR);
	e->until_ms = clock_mono_ms() + USERS_MS;
	if (hit != NULL) {
		e->found = USER_FOUND;
		e->uid = pw.pw_uid;
		e->gid = pw.pw_gid;
		e->home = mem_strdup(pw.pw_dir);
	} else if (error == 0 || error == ENOENT || error == ESRCH) {
		e->found = USER_UNKNOWN;
	} else {
		e->found = USER_TROUBLE;
		e->until_ms = 0;
	}
}

static struct entry *
slot_of(const struct users *u, struct slice name)
{
	size_t i = siphash(u->key, name) & (SLOTS - 1);

	while (u->v[i].name != NULL &&
	    !slice_eq(slice_str(u->v[i].name), name))
		i = (i + 1) & (SLOTS - 1);
	return &u->v[i];
}

static void
forget(struct users *u)
{
	size_t i;

	for (i = 0; i < SLOTS && u->n > 0; i++) {
		if (u->v[i].name == NULL)
			continue;
		free(u->v[i].name);
		free(u->v[i].home);
		u->v[i] = (struct entry){ .name = NULL };
		u->n--;
	}
}

/* What other names can mean to a name service is not for a stranger to try. */
static bool
is_user_name(struct slice s)
{
	size_t i;

	if (s.n == 0 || s.n > NAME_BYTES || s.p[0] == '-' || s.p[0] == '.')
		return false;
	for (i = 0; i < s.n; i++)
		if (!((s.p[i] >= 'a' && s.p[i] <= 'z') ||
		    (s.p[i] >= 'A' && s.p[i] <= 'Z') ||
		    (s.p[i] >= '0' && s.p[i] <= '9') || s.p[i] == '_' ||
		    s.p[i] == '-' || s.p[i] == '.'))
			return false;
	return true;
}
