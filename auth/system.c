/* SPDX-License-Identifier: ISC */
/* system - see system.h. */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "system.h"

#define NAME_BYTES	64
#define LINE_BYTES	4096
#define AGAIN_MS	1000
#define DAY_MS		(INT64_C(24) * 3600 * 1000)

struct system_source {
	const char	*passwd, *shadow;
	uint64_t	 minimum_uid;
	int64_t		 said_ms;	/* that it cannot be read */
	char		 name[NAME_BYTES + 1];
	char		 user_room[LINE_BYTES];
	char		 room[LINE_BYTES];	/* the account is in it */
};

static int	 find_user(struct system_source *);
static int	 find_shadow(struct system_source *, struct account *);
static int	 trouble(struct system_source *, const char *path, int error);
static bool	 take_name(struct system_source *, struct slice);

struct system_source *
system_source_new(const char *passwd, const char *shadow, uint64_t minimum_uid)
{
	struct system_source *s = mem_alloc(sizeof(*s));

	s->passwd = passwd;
	s->shadow = shadow;
	s->minimum_uid = minimum_uid;
	return s;
}

void
system_source_free(struct system_source **sp)
{
	if (*sp != NULL)
		explicit_bzero((*sp)->room, sizeof((*sp)->room));
	free(*sp);
	*sp = NULL;
}

int
system_source_find(struct system_source *s, struct slice login,
    struct account *a)
{
	int n;

	if (!take_name(s, login))
		return 0;
	n = find_user(s);
	return n == 1 ? find_shadow(s, a) : n;
}

/* '+' and '-' begin the lines of an old name service. */
static bool
take_name(struct system_source *s, struct slice login)
{
	if (login.n == 0 || login.n > NAME_BYTES || login.p[0] == '+' ||
	    login.p[0] == '-' || memchr(login.p, '\0', login.n) != NULL)
		return false;
	memcpy(s->name, login.p, login.n);
	s->name[login.n] = '\0';
	return true;
}

static int
find_user(struct system_source *s)
{
	FILE *f = fopen(s->passwd, "re");
	struct passwd pw, *found;
	int n = 0, e;

	if (f == NULL)
		return trouble(s, s->passwd, errno);
	while ((e = fgetpwent_r(f, &pw, s->user_room, sizeof(s->user_room),
	    &found)) == 0)
		if (strcmp(pw.pw_name, s->name) == 0) {
			n = pw.pw_uid >= s->minimum_uid;
			break;
		}
	fclose(f);
	return e == 0 || e == ENOENT ? n : trouble(s, s->passwd, e);
}

/* A hash and nothing else is a password: an empty one, one that is locked, and
 * what would be a scheme of a password file are none. */
static int
find_shadow(struct system_source *s, struct account *a)
{
	FILE *f = fopen(s->shadow, "re");
	struct spwd sp, *found = NULL;
	int e;

	if (f == NULL)
		return trouble(s, s->shadow, errno);
	*a = (struct account){ .login = slice_str(s->name),
		.stored = SLICE_LIT("*"), .protocols = ACCOUNT_ALL };
	while ((e = fgetspent_r(f, &sp, s->room, sizeof(s->room), &found)) ==
	    0)
		if (strcmp(sp.sp_namp, s->name) == 0) {
			if (sp.sp_pwdp[0] != '\0' && sp.sp_pwdp[0] != '{')
				a->stored = slice_str(sp.sp_pwdp);
			a->expired = shadow_is_expired(&sp,
			    (long)(clock_wall_ms() / DAY_MS));
			break;
		}
	fclose(f);
	return e == 0 || e == ENOENT ? 1 : trouble(s, s->shadow, e);
}

/* Once a second, whoever asks. */
static int
trouble(struct system_source *s, const char *path, int error)
{
	int64_t now = clock_mono_ms();

	if (s->said_ms == 0 || now - s->said_ms >= AGAIN_MS)
		log_error("event=system-failed path=%s why=\"%s\"", path,
		    strerror(error));
	s->said_ms = now;
	return -1;
}

/* -1 in a field: it says nothing. */
bool
shadow_is_expired(const struct spwd *sp, long today)
{
	if (sp->sp_expire >= 0 && today >= sp->sp_expire)
		return true;
	if (sp->sp_lstchg == 0)
		return true;
	return sp->sp_lstchg > 0 && sp->sp_max >= 0 &&
	    today - sp->sp_lstchg > sp->sp_max;
}
