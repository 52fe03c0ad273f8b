/* SPDX-License-Identifier: ISC */
/*
 * list - the mailboxes of a store: Maildir++ directories beside the inbox's.
 *
 * A subfolder ".A.B" is the mailbox A/B, whether ".A" exists or not.  The
 * names may stand in modified UTF-7 or in UTF-8, as other servers were set;
 * ours are made in modified UTF-7.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/num.h"
#include "list.h"
#include "names.h"
#include "subscriptions.h"

#define DELETED_NAME	"chasqui.deleted"

struct item {
	struct slice	 name;		/* owned */
	bool		 exists, subscribed;
	bool		 has_children;	/* that exist */
	unsigned	 special_use;
};

struct list {
	struct item	*v;		/* owned */
	size_t		 n, cap;
};

static enum store_result gather(struct store *, struct list *);
static void	 add_parents(struct list *);
static void	 merge(struct list *);
static void	 set_uses(struct store *, struct list *);
static void	 list_clear(struct list *);
static enum store_result make_mailbox(struct store *, struct slice name,
		    unsigned special_use);
static void	 remove_tree(struct store *, int at, const char *name,
		    unsigned depth);

/* ---- names on disk ------------------------------------------------------ */

static bool
dir_exists(struct store *s, const char *dir)
{
	struct stat st;

	return s->fs->fstatat(s->root, dir, &st) == 0 && S_ISDIR(st.st_mode);
}

enum store_result
store_dir_of(struct store *s, struct slice name, char dir[NAME_MAX + 1])
{
	struct buf b = BUF_INIT(4 * STORE_NAME_BYTES + 16);
	enum store_result r = STORE_OK;
	int i;

	if (slice_eq_nocase(name, SLICE_LIT("INBOX"))) {
		memcpy(dir, ".", 2);
		return STORE_OK;
	}
	if (!name_is_valid(name))
		return STORE_BAD_NAME;
	store_create_special(s);
	/* UTF-8 only where such a directory is there. */
	for (i = 0; i < 2; i++) {
		buf_reset(&b);
		if (name_to_dir(name, i == 0, &b) == -1) {
			if (i == 0)
				r = STORE_BAD_NAME;
			break;
		}
		if (i == 0 || dir_exists(s, buf_cstr(&b)))
			memcpy(dir, buf_cstr(&b), b.n + 1);
		if (i == 0 && dir_exists(s, dir))
			break;
	}
	buf_clear(&b);
	return r;
}

/* ---- listing ------------------------------------------------------------ */

static struct item *
list_add(struct list *l, struct slice name)
{
	struct item *it;

	l->v = mem_room(l->v, l->n, &l->cap, sizeof(*l->v), 64);
	it = &l->v[l->n++];
	*it = (struct item){ .name = slice_of(mem_slicedup(name), name.n) };
	return it;
}

static void
list_clear(struct list *l)
{
	while (l->n > 0)
		free((void *)(uintptr_t)l->v[--l->n].name.p);
	free(l->v);
}

static int
by_name(const void *a, const void *b)
{
	return name_cmp(((const struct item *)a)->name,
	    ((const struct item *)b)->name);
}

static bool
is_mailbox_dir(struct store *s, const char *name)
{
	char path[NAME_MAX + 8];
	struct stat st;

	if (name[0] != '.' || name[1] == '.' || name[1] == '\0')
		return false;
	snprintf(path, sizeof(path), "%s/cur", name);
	return s->fs->fstatat(s->root, path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool
add_subscribed(void *arg, struct slice name)
{
	struct list *l = arg;

	if (l->n < 2 * STORE_MAILBOXES)
		list_add(l, name)->subscribed = true;
	return true;
}

static enum store_result
gather(struct store *s, struct list *l)
{
	struct buf b = BUF_INIT(STORE_NAME_BYTES + 1);
	DIR *d = fs_list(s->fs, s->root, ".", 0);
	struct dirent *e;

	if (d == NULL)
		return store_failed(s);
	list_add(l, SLICE_LIT("INBOX"))->exists = true;
	while ((e = readdir(d)) != NULL && l->n < STORE_MAILBOXES) {
		buf_reset(&b);
		if (is_mailbox_dir(s, e->d_name) &&
		    name_from_dir(slice_str(e->d_name + 1), &b) == PARSE_OK &&
		    !slice_eq_nocase(buf_slice(&b), SLICE_LIT("INBOX")))
			list_add(l, buf_slice(&b))->exists = true;
	}
	closedir(d);
	buf_clear(&b);
	subscriptions_each(s, add_subscribed, l);
	qsort(l->v, l->n, sizeof(*l->v), by_name);
	merge(l);
	add_parents(l);
	set_uses(s, l);
	return STORE_OK;
}

/* Of the same name, one. */
static void
merge(struct list *l)
{
	size_t i, to = 0;

	for (i = 1; i < l->n; i++) {
		if (!slice_eq(l->v[i].name, l->v[to].name)) {
			l->v[++to] = l->v[i];
			continue;
		}
		l->v[to].exists |= l->v[i].exists;
		l->v[to].subscribed |= l->v[i].subscribed;
		l->v[to].has_children |= l->v[i].has_children;
		free((void *)(uintptr_t)l->v[i].name.p);
	}
	l->n = l->n == 0 ? 0 : to + 1;
}

/* Levels above a mailbox, also above one that is only subscribed to. */
static void
add_parents(struct list *l)
{
	size_t n = l->n, i, slash;
	struct slice parent;
	struct item *above;

	for (i = 0; i < n; i++)
		for (parent = l->v[i].name;
		    (slash = slice_rfind(parent, '/')) < parent.n &&
		    l->n < 4 * STORE_MAILBOXES;) {
			parent = slice_first(parent, slash);
			above = list_add(l, parent);
			above->has_children = l->v[i].exists;
		}
	qsort(l->v, l->n, sizeof(*l->v), by_name);
	merge(l);
}

/* Names that clients have made for a use, where nobody has said which it is. */
static const struct { const char *name; unsigned use; } usual[] = {
	{ "Sent", SPECIAL_SENT }, { "Sent Items", SPECIAL_SENT },
	{ "Sent Messages", SPECIAL_SENT }, { "Drafts", SPECIAL_DRAFTS },
	{ "Trash", SPECIAL_TRASH }, { "Deleted Items", SPECIAL_TRASH },
	{ "Deleted Messages", SPECIAL_TRASH }, { "Junk", SPECIAL_JUNK },
	{ "Spam", SPECIAL_JUNK }, { "Junk E-mail", SPECIAL_JUNK },
	{ "Archive", SPECIAL_ARCHIVE }, { "Archives", SPECIAL_ARCHIVE },
};

static void
set_uses(struct store *s, struct list *l)
{
	unsigned given = 0;
	struct slice value;
	struct meta m;
	size_t i, k;

	if (meta_read(s, &m) == STORE_OK)
		for (i = 0; i < l->n; i++) {
			value = meta_get(&m, l->v[i].name,
			    SLICE_LIT(SPECIAL_ENTRY));
			if (value.p == NULL || !l->v[i].exists)
				continue;
			l->v[i].special_use = special_parse(value);
			given |= l->v[i].special_use;
		}
	meta_clear(&m);
	for (k = 0; k < sizeof(usual) / sizeof(usual[0]); k++)
		for (i = 0; i < l->n; i++)
			if (!(given & usual[k].use) && l->v[i].exists &&
			    slice_eq(l->v[i].name, slice_str(usual[k].name))) {
				l->v[i].special_use |= usual[k].use;
				given |= usual[k].use;
			}
}

enum store_result
store_list(struct store *s, bool (*each)(void *, const struct mailbox_entry *),
    void *arg)
{
	struct list l = { 0 };
	enum store_result r;
	struct mailbox_entry e;
	size_t i;

	store_create_special(s);
	r = gather(s, &l);
	for (i = 0; r == STORE_OK && i < l.n; i++) {
		e = (struct mailbox_entry){ .name = l.v[i].name,
			.exists = l.v[i].exists,
			.has_children = l.v[i].has_children,
			.subscribed = l.v[i].subscribed,
			.special_use = l.v[i].special_use };
		if (!each(arg, &e))
			break;
	}
	list_clear(&l);
	return r;
}

/* ---- making ------------------------------------------------------------- */

/* Never one that a mailbox of this store has had: one whose index was made when
 * it was first opened has a time of before. */
static enum store_result
next_uidvalidity(struct store *s, struct meta *m, uint32_t *v_r)
{
	static char text[16];
	struct slice last = meta_get(m, SLICE_EMPTY,
	    SLICE_LIT(UIDVALIDITY_ENTRY));
	uint64_t v = (uint64_t)time(NULL) + 1, was = takeover_uidvalidity(s);

	if (was >= v && was < UINT32_MAX - 1)
		v = was + 1;
	if (last.p != NULL && slice_to_u64(last, 1, UINT32_MAX - 1, &was) &&
	    was >= v)
		v = was + 1;
	snprintf(text, sizeof(text), "%llu", (unsigned long long)v);
	meta_set(m, SLICE_EMPTY, SLICE_LIT(UIDVALIDITY_ENTRY),
	    slice_str(text));
	*v_r = (uint32_t)v;
	return STORE_OK;
}

/* cur/ last: a directory is a mailbox when it has one.  The root is the
 * caller's to sync. */
static enum store_result
make_directories(struct store *s, const char *dir)
{
	static const char *const parts[] = { "new", "tmp", "cur" };
	const struct fs *fs = s->fs;
	enum store_result r = STORE_OK;
	size_t i;
	int fd, marker;

	if (fs->mkdirat(s->root, dir, 0700) == -1 && errno != EEXIST)
		return store_failed(s);
	fd = fs_open_dir(fs, s->root, dir);
	if (fd == -1)
		return store_failed(s);
	marker = fs->openat(fd, "maildirfolder", O_WRONLY | O_CREAT |
	    O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	fs_close(fs, marker);
	for (i = 0; i < 3 && r == STORE_OK; i++)
		if (fs->mkdirat(fd, parts[i], 0700) == -1 && errno != EEXIST)
			r = store_failed(s);
	fs_close(fs, fd);
	return r;
}

static enum store_result
sync_directory(struct store *s, const char *dir)
{
	const struct fs *fs = s->fs;
	int fd = fs_open_dir(fs, s->root, dir);
	enum store_result r = STORE_OK;

	if (fd == -1 || fs->fsync(fd) == -1 || fs->fsync(s->root) == -1)
		r = store_failed(s);
	fs_close(fs, fd);
	return r;
}

static enum store_result
make_mailbox(struct store *s, struct slice name, unsigned special_use)
{
	struct buf use = BUF_INIT(256);
	char dir[NAME_MAX + 1], path[NAME_MAX + 8];
	enum store_result r = store_dir_of(s, name, dir);
	struct mailbox *mb;
	uint32_t uidvalidity = 0;
	struct meta m;

	if (r != STORE_OK)
		return r;
	snprintf(path, sizeof(path), "%s/cur", dir);
	if (strcmp(dir, ".") == 0 || dir_exists(s, path))
		return STORE_EXISTS;
	r = meta_read(s, &m);
	if (r == STORE_OK)
		r = next_uidvalidity(s, &m, &uidvalidity);
	special_write(special_use, &use);
	meta_set(&m, name, SLICE_LIT(SPECIAL_ENTRY), special_use == 0 ?
	    (struct slice){ NULL, 0 } : buf_slice(&use));
	if (r == STORE_OK)
		r = meta_write(s, &m);
	meta_clear(&m);
	buf_clear(&use);
	if (r == STORE_OK)
		r = make_directories(s, dir);
	if (r == STORE_OK)
		r = sync_directory(s, dir);
	if (r == STORE_OK)
		r = mailbox_open_new(s, name, uidvalidity, &mb);
	if (r == STORE_OK)
		mailbox_close(&mb);
	return r;
}

enum store_result
store_create(struct store *s, struct slice name, unsigned special_use)
{
	enum store_result r;

	/* "A/" says that there will be others below: of no interest here. */
	if (name.n > 1 && name.p[name.n - 1] == '/')
		name.n--;
	r = store_lock(s);
	if (r != STORE_OK)
		return r;
	r = make_mailbox(s, name, special_use);
	store_unlock(s);
	return r;
}

static const struct special {
	struct slice	 name;
	struct slice	 attribute;
	unsigned	 use;
} specials[] = {
	{ { "Sent", 4 },	{ "\\Sent", 5 },	SPECIAL_SENT },
	{ { "Drafts", 6 },	{ "\\Drafts", 7 },	SPECIAL_DRAFTS },
	{ { "Trash", 5 },	{ "\\Trash", 6 },	SPECIAL_TRASH },
	{ { "Junk", 4 },	{ "\\Junk", 5 },	SPECIAL_JUNK },
	{ { "Archive", 7 },	{ "\\Archive", 8 },	SPECIAL_ARCHIVE },
};
#define NSPECIALS	(sizeof(specials) / sizeof(specials[0]))

static bool
specials_are_made(struct store *s, struct meta *m)
{
	return meta_read(s, m) != STORE_OK || meta_get(m, SLICE_EMPTY,
	    SLICE_LIT(SPECIALS_ENTRY)).p != NULL;
}

/* Indexes are made when the mailboxes are opened. */
static enum store_result
make_special(struct store *s, struct meta *m, const struct special *p)
{
	char dir[NAME_MAX + 1];
	enum store_result r = store_dir_of(s, p->name, dir);

	if (r == STORE_OK)
		r = make_directories(s, dir);
	meta_set(m, p->name, SLICE_LIT(SPECIAL_ENTRY), p->attribute);
	return r;
}

/* Under the lock.  The note that it is done comes last, so that one who dies
 * in between is followed by one who goes on. */
static enum store_result
make_specials(struct store *s, struct meta *m)
{
	struct slice missing[NSPECIALS + 1];
	enum store_result r;
	struct list l = { 0 };
	bool subscribed = false, make = false;
	unsigned have = 0;
	size_t i, n = 0;

	r = gather(s, &l);
	for (i = 0; i < l.n; i++) {
		have |= l.v[i].special_use;
		subscribed = subscribed || l.v[i].subscribed;
	}
	list_clear(&l);
	/* Who comes from another server, or has made some, has those that they
	 * want. */
	if (have == 0 && !takeover_is_theirs(s)) {
		/* Clients that go by LSUB look for the inbox, too. */
		if (!subscribed)
			missing[n++] = SLICE_LIT("INBOX");
		for (i = 0; i < NSPECIALS; i++)
			missing[n++] = specials[i].name;
		make = true;
	}
	if (r == STORE_OK && make)
		r = subscriptions_add(s, missing, n);
	for (i = 0; i < NSPECIALS && r == STORE_OK && make; i++)
		r = make_special(s, m, &specials[i]);
	if (r == STORE_OK && s->fs->fsync(s->root) == -1)
		r = store_failed(s);
	meta_set(m, SLICE_EMPTY, SLICE_LIT(SPECIALS_ENTRY), SLICE_LIT("1"));
	return r == STORE_OK ? meta_write(s, m) : r;
}

void
store_create_special(struct store *s)
{
	struct meta m;
	bool made;

	if (!s->owes_special)
		return;
	s->owes_special = false;
	made = specials_are_made(s, &m);
	meta_clear(&m);
	if (made || store_lock(s) != STORE_OK)
		return;
	if (!specials_are_made(s, &m))
		(void)!make_specials(s, &m);
	meta_clear(&m);
	store_unlock(s);
}

/* ---- removing ----------------------------------------------------------- */

static void
remove_tree(struct store *s, int at, const char *name, unsigned depth)
{
	DIR *d = fs_list(s->fs, at, name, 0);
	struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") ==
		    0 || s->fs->unlinkat(dirfd(d), e->d_name, 0) == 0)
			continue;
		if (depth > 0)
			remove_tree(s, dirfd(d), e->d_name, depth - 1);
	}
	if (d != NULL)
		closedir(d);
	s->fs->unlinkat(at, name, AT_REMOVEDIR);
}

/* Under another name it is gone at once; what a crash has left goes next
 * time. */
static void
remove_deleted(struct store *s)
{
	DIR *d = fs_list(s->fs, s->root, ".", 0);
	struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL)
		if (strncmp(e->d_name, DELETED_NAME ".",
		    sizeof(DELETED_NAME)) == 0)
			remove_tree(s, s->root, e->d_name, 4);
	if (d != NULL)
		closedir(d);
}

static bool
has_below(struct store *s, struct slice name)
{
	struct list l = { 0 };
	bool found = false;
	size_t i;

	if (gather(s, &l) == STORE_OK)
		for (i = 0; i < l.n; i++)
			found |= l.v[i].exists && name_is_below(l.v[i].name,
			    name);
	list_clear(&l);
	return found;
}

static enum store_result
drop_meta(struct store *s, struct slice name)
{
	struct meta m;
	enum store_result r = meta_read(s, &m);
	size_t i, n = m.n;

	for (i = 0; r == STORE_OK && i < m.n;)
		if (slice_eq(m.v[i].mailbox, name))
			m.v[i] = m.v[--m.n];
		else
			i++;
	if (r == STORE_OK && m.n != n)
		r = meta_write(s, &m);
	meta_clear(&m);
	return r;
}

static enum store_result
delete_mailbox(struct store *s, struct slice name)
{
	char dir[NAME_MAX + 1], to[64];
	enum store_result r = store_dir_of(s, name, dir);

	if (r != STORE_OK)
		return r == STORE_BAD_NAME ? STORE_NO_MAILBOX : r;
	if (strcmp(dir, ".") == 0)
		return STORE_BAD_NAME;
	if (!dir_exists(s, dir))
		return has_below(s, name) ? STORE_HAS_CHILDREN :
		    STORE_NO_MAILBOX;
	snprintf(to, sizeof(to), DELETED_NAME ".%ld.%ld.%u", (long)time(NULL),
	    (long)getpid(), s->turn++);
	if (s->fs->renameat(s->root, dir, s->root, to) == -1)
		return errno == ENOENT ? STORE_NO_MAILBOX : store_failed(s);
	if (s->fs->fsync(s->root) == -1)
		r = store_failed(s);
	drop_meta(s, name);
	remove_deleted(s);
	/* The sum of the quota is counted anew. */
	s->fs->unlinkat(s->root, "maildirsize", 0);
	return r;
}

enum store_result
store_delete(struct store *s, struct slice name)
{
	enum store_result r = store_lock(s);

	if (r != STORE_OK)
		return r;
	mailbox_close(&s->target);
	mailbox_drop_kept(s);
	r = delete_mailbox(s, name);
	store_unlock(s);
	return r;
}

/* ---- renaming ----------------------------------------------------------- */

static enum store_result
rename_one(struct store *s, struct slice from, struct slice to)
{
	char a[NAME_MAX + 1], b[NAME_MAX + 1];
	enum store_result r = store_dir_of(s, from, a);

	if (r == STORE_OK)
		r = store_dir_of(s, to, b);
	if (r != STORE_OK)
		return r;
	if (dir_exists(s, b))
		return STORE_EXISTS;
	if (s->fs->renameat(s->root, a, s->root, b) == -1)
		return store_failed(s);
	return STORE_OK;
}

/* Special uses and metadata go along. */
static enum store_result
rename_meta(struct store *s, struct slice from, struct slice to)
{
	struct meta m;
	enum store_result r = meta_read(s, &m);
	struct buf names = BUF_INIT((size_t)64 << 20);
	size_t i, at;
	bool any = false;

	/* Room for all at once: slices into it must stay. */
	buf_reserve(&names, m.n * (STORE_NAME_BYTES + 1));
	for (i = 0; r == STORE_OK && i < m.n; i++) {
		struct slice *name = &m.v[i].mailbox;

		if (!slice_eq(*name, from) && !name_is_below(*name, from))
			continue;
		if (to.n + name->n - from.n > STORE_NAME_BYTES)
			continue;
		at = names.n;
		buf_add(&names, to);
		buf_add(&names, slice_from(*name, from.n));
		*name = slice_of(names.p + at, names.n - at);
		any = true;
	}
	if (any)
		r = meta_write(s, &m);
	buf_clear(&names);
	meta_clear(&m);
	return r;
}

static bool
any_taken(struct store *s, const struct list *l, struct slice from,
    struct slice to)
{
	struct buf b = BUF_INIT(2 * STORE_NAME_BYTES);
	char dir[NAME_MAX + 1];
	bool taken = false;
	size_t i;

	for (i = 0; i < l->n && !taken; i++) {
		if (!l->v[i].exists || !name_is_below(l->v[i].name, from))
			continue;
		buf_reset(&b);
		buf_add(&b, to);
		buf_add(&b, slice_from(l->v[i].name, from.n));
		taken = store_dir_of(s, buf_slice(&b), dir) != STORE_OK ||
		    dir_exists(s, dir);
	}
	buf_clear(&b);
	return taken;
}

static enum store_result
rename_mailboxes(struct store *s, struct slice from, struct slice to)
{
	struct buf b = BUF_INIT(2 * STORE_NAME_BYTES);
	struct list l = { 0 };
	enum store_result r = gather(s, &l);
	bool any = false;
	size_t i;

	if (r == STORE_OK && any_taken(s, &l, from, to))
		r = STORE_EXISTS;
	for (i = 0; i < l.n && r == STORE_OK; i++) {
		if (!l.v[i].exists || (!slice_eq(l.v[i].name, from) &&
		    !name_is_below(l.v[i].name, from)))
			continue;
		buf_reset(&b);
		buf_add(&b, to);
		buf_add(&b, slice_from(l.v[i].name, from.n));
		r = rename_one(s, l.v[i].name, buf_slice(&b));
		any = true;
	}
	if (r == STORE_OK && !any)
		r = STORE_NO_MAILBOX;
	if (r == STORE_OK && s->fs->fsync(s->root) == -1)
		r = store_failed(s);
	if (r == STORE_OK)
		r = rename_meta(s, from, to);
	list_clear(&l);
	buf_clear(&b);
	return r;
}

/* RFC 9051 section 6.3.6: the messages move, the inbox stays. */
static enum store_result
rename_inbox(struct store *s, struct slice to)
{
	const struct message_entry *e;
	struct mailbox *mb;
	struct copied c;
	enum store_result r = store_create(s, to, 0);
	uint32_t *uids;
	size_t n, i;

	if (r != STORE_OK)
		return r;
	r = mailbox_open_quiet(s, SLICE_LIT("INBOX"), &mb);
	if (r != STORE_OK)
		return r;
	e = mailbox_entries(mb, &n);
	uids = mem_array(n + 1, sizeof(*uids));
	for (i = 0; i < n; i++)
		uids[i] = e[i].uid;
	r = mailbox_copy(mb, (struct uid_list){ uids, n }, to, true, &c);
	free(uids);
	if (r == STORE_OK) {
		free(c.from);
		free(c.to);
	}
	mailbox_close(&mb);
	return r;
}

enum store_result
store_rename(struct store *s, struct slice from, struct slice to)
{
	char dir[NAME_MAX + 1];
	enum store_result r = store_dir_of(s, to, dir);

	if (r != STORE_OK)
		return r;
	if (strcmp(dir, ".") == 0 || dir_exists(s, dir))
		return STORE_EXISTS;
	if (slice_eq_nocase(from, SLICE_LIT("INBOX")))
		return rename_inbox(s, to);
	r = store_dir_of(s, from, dir);
	if (r != STORE_OK)
		return STORE_NO_MAILBOX;
	if (name_is_below(to, from))
		return STORE_BAD_NAME;
	r = store_lock(s);
	if (r != STORE_OK)
		return r;
	mailbox_close(&s->target);
	mailbox_drop_kept(s);
	r = rename_mailboxes(s, from, to);
	store_unlock(s);
	return r;
}

/* ---- status ------------------------------------------------------------- */

enum store_result
store_status(struct store *s, struct slice name, struct mailbox_status *st)
{
	struct mailbox *mb;
	enum store_result r = mailbox_open_quiet(s, name, &mb);

	if (r != STORE_OK)
		return r;
	*st = mb->head;
	mailbox_close(&mb);
	return STORE_OK;
}
