/* SPDX-License-Identifier: ISC */
/* store - one user's Maildir: opening it, and what all of the rest needs. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sys/file.h>

#include "base/clock.h"
#include "base/mem.h"
#include "list.h"
#include "names.h"
#include "quota.h"
#include "staging.h"

static int	 make_parts(struct store *, int dir);
static void	 begin_staging(struct store *);
static void	 host_for_names(struct store *);

struct store *
store_open(const char *path, const struct store_options *o)
{
	static const struct store_options none;
	struct store *s = mem_alloc(sizeof(*s));
	int error;

	if (o == NULL)
		o = &none;
	s->options = *o;
	s->fs = o->fs != NULL ? o->fs : &fs_real;
	s->path = mem_strdup(path);
	host_for_names(s);
	s->root = fs_open_dir(s->fs, AT_FDCWD, path);
	if (s->root == -1 && errno == ENOENT && o->create &&
	    (s->fs->mkdirat(AT_FDCWD, path, 0700) == 0 || errno == EEXIST))
		s->root = fs_open_dir(s->fs, AT_FDCWD, path);
	if (s->root == -1 || (o->create && make_parts(s, s->root) == -1)) {
		error = errno;
		store_close(&s);
		errno = error;
		return NULL;
	}
	s->owes_special = o->create_special;
	if (o->staging)
		begin_staging(s);
	return s;
}

/* In tmp/, where it is nobody's mailbox. */
static void
begin_staging(struct store *s)
{
	struct buf root = BUF_INIT(PATH_MAX);

	if (buf_printf(&root, "%s/tmp", s->path) == 0)
		s->staging = staging_new(s->fs, buf_cstr(&root), true);
	buf_clear(&root);
}

void
store_close(struct store **sp)
{
	struct store *s = *sp;

	*sp = NULL;
	if (s == NULL)
		return;
	mailbox_close(&s->target);
	mailbox_drop_kept(s);
	deliveries_free(&s->deliveries);
	staging_free(&s->staging);
	fs_close(s->fs, s->root);
	free(s->path);
	free(s);
}

bool
store_rest(struct store *s)
{
	struct stat st;

	mailbox_close(&s->target);
	return s->fs->fstat(s->root, &st) == 0 && st.st_nlink > 0;
}

static int
make_parts(struct store *s, int dir)
{
	static const char *const parts[] = { "cur", "new", "tmp" };
	size_t i;

	for (i = 0; i < 3; i++)
		if (s->fs->mkdirat(dir, parts[i], 0700) == -1 &&
		    errno != EEXIST)
			return -1;
	return 0;
}

int
store_errno(const struct store *s)
{
	return s->error;
}

enum store_result
store_failed(struct store *s)
{
	s->error = errno;
	return errno == EDQUOT ? STORE_OVER_QUOTA :
	    errno == EROFS ? STORE_READ_ONLY : STORE_FAILED;
}

const char *
store_strerror(enum store_result r)
{
	switch (r) {
	case STORE_OK:
		return "OK";
	case STORE_NO_MAILBOX:
		return "There is no such mailbox";
	case STORE_EXISTS:
		return "A mailbox of that name exists";
	case STORE_BAD_NAME:
		return "A mailbox cannot have that name";
	case STORE_HAS_CHILDREN:
		return "The mailbox has others below it";
	case STORE_OVER_QUOTA:
		return "The mailboxes are full";
	case STORE_TOO_LARGE:
		return "The message is too large";
	case STORE_READ_ONLY:
		return "The mailbox is read-only";
	case STORE_NO_KEYWORD:
		return "The mailbox has too many keywords";
	case STORE_EXPUNGED:
		return "That message is gone";
	case STORE_BUSY:
		return "The mailbox is locked by another program";
	case STORE_DAMAGED:
		return "The mailbox's index is damaged";
	case STORE_NEWER:
		return "The mailbox's index is of a newer version";
	case STORE_LIMIT:
		return "A limit is reached";
	case STORE_FAILED:
		break;
	}
	return "The mailbox cannot be read or written now";
}

/* ---- names of files ----------------------------------------------------- */

/* As local's names have it. */
static void
host_for_names(struct store *s)
{
	char *p;

	if (gethostname(s->host, sizeof(s->host) - 1) == -1 ||
	    s->host[0] == '\0')
		snprintf(s->host, sizeof(s->host), "localhost");
	for (p = s->host; *p != '\0'; p++)
		if (*p == '/' || *p == ':' || *p == ',' || *p <= ' ')
			*p = '_';
}

void
store_unique_name(struct store *s, char to[MESSAGE_NAME_BYTES],
    int64_t *now_ms_r)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	snprintf(to, MESSAGE_NAME_BYTES, "%lld.M%06ldP%ldQ%u.%s",
	    (long long)t.tv_sec, t.tv_nsec / 1000, (long)getpid(), s->turn++,
	    s->host);
	*now_ms_r = (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- the lock of the list ----------------------------------------------- */

enum store_result
store_lock(struct store *s)
{
	int64_t until = clock_mono_ms() + STORE_LOCK_MS;

	store_create_special(s);
	while (flock(s->root, LOCK_EX | LOCK_NB) == -1) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return store_failed(s);
		if (clock_mono_ms() > until)
			return STORE_BUSY;
		usleep(500);
	}
	return STORE_OK;
}

void
store_unlock(struct store *s)
{
	flock(s->root, LOCK_UN);
}

/* ---- usage -------------------------------------------------------------- */

bool
store_has_quota(const struct store *s, struct store_usage *limits_r)
{
	*limits_r = (struct store_usage){ s->options.quota_bytes,
		s->options.quota_messages };
	return limits_r->bytes > 0 || limits_r->messages > 0;
}

enum store_result
store_usage(struct store *s, struct store_usage *u)
{
	struct quota used;

	if (quota_used(s->fs, s->root, 0, &used) == -1)
		return store_failed(s);
	*u = (struct store_usage){ used.bytes, used.messages };
	return STORE_OK;
}

enum store_result
store_has_room(struct store *s, uint64_t bytes, uint64_t messages)
{
	struct quota limits = { s->options.quota_bytes,
		s->options.quota_messages };

	if (limits.bytes == 0 && limits.messages == 0)
		return STORE_OK;
	if (limits.bytes > 0 && bytes > limits.bytes)
		return STORE_TOO_LARGE;
	return quota_has_room(s->fs, s->root, &limits,
	    &(struct quota){ bytes, messages }) == 0 ? STORE_OVER_QUOTA :
	    STORE_OK;
}
