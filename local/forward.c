/* SPDX-License-Identifier: ISC */
/* forward - see forward.h. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/wire.h"
#include "forward.h"
#include "ipc/qmgr_lookup.h"
#include "mail/address.h"
#include "table/aliases.h"
#include "table/lines.h"

#define ARENA_BYTES	(512 * 1024)
#define DETAIL_BYTES	64	/* of a detail that names a file */

static bool	 add_line(struct forward *, struct arena *, struct slice line,
		    const struct forward_owner *, const char **why);
static bool	 add_target(struct forward *, const struct alias_target *,
		    const struct forward_owner *, const char **why);
static bool	 is_own(struct slice text, const struct forward_owner *);
static struct slice detail_of(const struct forward_owner *);
static enum forward_end read_one(const struct fs *, const char *name,
		    const struct forward_owner *, struct forward *,
		    struct buf *why);
static int	 read_text(const struct fs *, const char *path,
		    struct buf *text, const char **why);

void
forward_init(struct forward *f)
{
	*f = (struct forward){ .targets = BUF_INIT(190 * 1024) };
}

void
forward_clear(struct forward *f)
{
	buf_clear(&f->targets);
}

/* ---- the text ----------------------------------------------------------- */

enum parse
forward_parse(struct slice text, const struct forward_owner *owner,
    struct forward *f, struct buf *why)
{
	struct arena arena = ARENA_INIT(ARENA_BYTES);
	struct buf lines_why = BUF_INIT(500);
	enum lines_next r = LINES_BAD;
	const char *reason = "not text";
	struct lines lines;
	struct slice line;
	unsigned no = 1;

	f->here = false;
	f->ntargets = 0;
	buf_reset(&f->targets);
	lines_open_text(&lines, text);
	while ((r = lines_next(&lines, &line, &no, &lines_why)) == LINES_OK)
		if (!add_line(f, &arena, line, owner, &reason)) {
			r = LINES_BAD;
			break;
		}
	if (r == LINES_BAD && lines_why.n > 0)
		reason = buf_cstr(&lines_why);
	if (r == LINES_BAD)
		buf_printf(why, "line %u: %s", no, reason);
	lines_close(&lines);
	buf_clear(&lines_why);
	arena_clear(&arena);
	return r == LINES_END ? PARSE_OK : PARSE_BAD;
}

static bool
add_line(struct forward *f, struct arena *arena, struct slice line,
    const struct forward_owner *owner, const char **why)
{
	struct alias_target t;
	enum parse r;

	while ((r = alias_next(arena, &line, &t, why)) == PARSE_OK)
		if (!add_target(f, &t, owner, why))
			return false;
	return r == PARSE_MORE;
}

/* What passes on to qmgr, lookup and logs is text (get_text()). */
static bool
is_text(struct slice s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			return false;
	return true;
}

/* "@domain" of the file's owner for a name without one: reports and trace
 * fields are about whole addresses. */
static struct slice
missing_domain(struct slice text, const struct forward_owner *o)
{
	size_t at = slice_rfind(o->address, '@');

	if (address_split(text).domain.n > 0 ||
	    address_split(o->address).domain.n == 0)
		return SLICE_EMPTY;
	return slice_from(o->address, at);
}

static bool
add_target(struct forward *f, const struct alias_target *t,
    const struct forward_owner *owner, const char **why)
{
	struct slice mark = t->kind == ALIAS_COMMAND ? SLICE_LIT("|") :
	    SLICE_EMPTY;
	struct slice domain = t->kind == ALIAS_ADDRESS ?
	    missing_domain(t->text, owner) : SLICE_EMPTY;
	size_t n = mark.n + t->text.n + domain.n;

	*why = "a target is too long";
	if (n > TARGET_BYTES)
		return false;
	*why = "a target contains control characters";
	if (!is_text(t->text))
		return false;
	*why = ":include: is not for ~/.forward";
	if (t->kind == ALIAS_INCLUDE)
		return false;
	if (t->kind == ALIAS_ADDRESS && is_own(t->text, owner)) {
		f->here = true;
		return true;
	}
	*why = "too many targets";
	if (f->ntargets == FORWARD_TARGETS ||
	    put_u8(&f->targets, t->no_alias ? TARGET_NO_FORWARD : 0) == -1 ||
	    put_u32(&f->targets, (uint32_t)n) == -1 ||
	    buf_add(&f->targets, mark) == -1 ||
	    buf_add(&f->targets, t->text) == -1 ||
	    buf_add(&f->targets, domain) == -1)
		return false;
	f->ntargets++;
	return true;
}

/* user, user@domain and user+detail@domain mean the mailbox itself: each would
 * lead back to this file. */
static bool
is_own(struct slice text, const struct forward_owner *o)
{
	struct address a = address_split(text);
	struct address mine = address_split(o->address);

	if (slice_eq_nocase(text, o->address))
		return true;
	return slice_eq_nocase(a.local, o->user) && (a.domain.n == 0 ||
	    slice_eq_nocase(a.domain, mine.domain));
}

/* ---- the file ----------------------------------------------------------- */

enum forward_end
forward_read(const struct fs *fs, const struct forward_owner *o,
    struct forward *f, struct buf *why)
{
	char name[sizeof(".forward") + 1 + DETAIL_BYTES];
	struct slice detail = detail_of(o);
	enum forward_end r = FORWARD_NONE;

	if (detail.n > 0) {
		snprintf(name, sizeof(name), ".forward%c%.*s", o->delimiter,
		    SLICE_ARG(detail));
		r = read_one(fs, name, o, f, why);
	}
	return r != FORWARD_NONE ? r : read_one(fs, ".forward", o, f, why);
}

/* What follows the user's name and the delimiter, if it can be a part of a
 * file name and no path: the sender chose it. */
static struct slice
detail_of(const struct forward_owner *o)
{
	struct slice s = address_split(o->address).local;
	size_t i;

	if (o->delimiter == '\0' || s.n <= o->user.n ||
	    !slice_starts_nocase(s, o->user) || s.p[o->user.n] != o->delimiter)
		return SLICE_EMPTY;
	s = slice_from(s, o->user.n + 1);
	if (s.n == 0 || s.n > DETAIL_BYTES)
		return SLICE_EMPTY;
	for (i = 0; i < s.n; i++)
		if (s.p[i] == '/' || s.p[i] == '\0')
			return SLICE_EMPTY;
	return s;
}

static enum forward_end
read_one(const struct fs *fs, const char *name, const struct forward_owner *o,
    struct forward *f, struct buf *why)
{
	struct buf text = BUF_INIT(FORWARD_BYTES);
	enum forward_end end = FORWARD_BROKEN;
	const char *reason = "its path is too long";
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%.*s/%s", SLICE_ARG(o->home),
	    name);
	int r = n < 0 || (size_t)n >= sizeof(path) ? -1 :
	    read_text(fs, path, &text, &reason);

	buf_reset(why);
	buf_printf(why, "~/%s: ", name);
	if (r == -1)
		buf_add_str(why, reason);
	else if (r == 0)
		end = FORWARD_NONE;
	else if (forward_parse(buf_slice(&text), o, f, why) == PARSE_OK)
		end = f->here || f->ntargets > 0 ? FORWARD_OK : FORWARD_NONE;
	buf_clear(&text);
	return end;
}

/* 1, 0: there is none, -1: why.  Only what its owner, or root, has written
 * counts, and nobody else can change. */
static int
read_text(const struct fs *fs, const char *path, struct buf *text,
    const char **why)
{
	struct stat st;
	ssize_t n = -1;
	char *to = buf_reserve(text, FORWARD_BYTES);
	int fd = fs->openat(AT_FDCWD, path,
	    O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0);

	if (fd == -1 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	*why = "it cannot be read";
	if (fd == -1)
		return -1;
	if (fstat(fd, &st) == -1)
		*why = "it cannot be read";
	else if (!S_ISREG(st.st_mode))
		*why = "it is no regular file";
	else if (st.st_uid != geteuid() && st.st_uid != 0)
		*why = "it belongs to another user";
	else if (st.st_mode & (S_IWGRP | S_IWOTH))
		*why = "others than its owner may write to it";
	else if (st.st_size > FORWARD_BYTES)
		*why = "it is larger than 64 KiB";
	else
		n = read(fd, to, FORWARD_BYTES);
	fs->close(fd);
	if (n == -1)
		return -1;
	text->n = (size_t)n;
	return 1;
}
