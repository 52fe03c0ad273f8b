/* SPDX-License-Identifier: ISC */
/*
 * meta - special uses and METADATA of all mailboxes, in one file of the root:
 * a record a value, the file made anew for each change.  The lock of the list
 * is held meanwhile.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"
#include "list.h"
#include "names.h"

#define META_BYTES	((size_t)64 << 20)
#define META_MAGIC	"CHASQMET"
#define META_ENTRY_BYTES 1024

static bool	 parse(struct meta *);

static const struct { const char *name; unsigned bit; } uses[] = {
	{ "\\All", SPECIAL_ALL }, { "\\Archive", SPECIAL_ARCHIVE },
	{ "\\Drafts", SPECIAL_DRAFTS }, { "\\Flagged", SPECIAL_FLAGGED },
	{ "\\Junk", SPECIAL_JUNK }, { "\\Sent", SPECIAL_SENT },
	{ "\\Trash", SPECIAL_TRASH }, { "\\Important", SPECIAL_IMPORTANT },
};
#define NUSES	(sizeof(uses) / sizeof(uses[0]))

unsigned
special_parse(struct slice s)
{
	struct slice word;
	unsigned mask = 0;
	size_t i;

	while (s.n > 0 && slice_next(&s, ' ', &word))
		for (i = 0; i < NUSES; i++)
			if (slice_eq_nocase(word, slice_str(uses[i].name)))
				mask |= uses[i].bit;
	return mask;
}

void
special_write(unsigned mask, struct buf *b)
{
	size_t i;

	for (i = 0; i < NUSES; i++)
		if (mask & uses[i].bit)
			buf_printf(b, "%s%s", b->n > 0 ? " " : "",
			    uses[i].name);
}

/* A file that is damaged is as if it were not there, but kept. */
enum store_result
meta_read(struct store *s, struct meta *m)
{
	memset(m, 0, sizeof(*m));
	buf_init(&m->text, META_BYTES);
	if (fs_read_file(s->fs, s->root, META_NAME, &m->text, META_BYTES,
	    NULL) == -1)
		return errno == ENOENT ? STORE_OK : store_failed(s);
	if (!parse(m)) {
		m->n = 0;
		(void)!fs_replace(s->fs, s->root,
		    META_NAME ".damaged", buf_slice(&m->text), false);
	}
	return STORE_OK;
}

void
meta_clear(struct meta *m)
{
	buf_clear(&m->text);
	free(m->v);
	memset(m, 0, sizeof(*m));
}

static void
meta_push(struct meta *m, struct slice mailbox, struct slice entry,
    struct slice value)
{
	m->v = mem_room(m->v, m->n, &m->cap, sizeof(*m->v), 16);
	m->v[m->n++] = (struct meta_entry){ mailbox, entry, value };
}

/* Magic, version, CRC-32C of the rest; then three slices each. */
static bool
parse(struct meta *m)
{
	struct slice in = buf_slice(&m->text), mailbox, entry, value;
	struct wire w;
	uint32_t crc;

	if (in.n < 16 || memcmp(in.p, META_MAGIC, 8) != 0)
		return false;
	w = wire_of(slice_from(in, 8));
	if (get_u32(&w) != FORMAT_VERSION)
		return false;
	crc = get_u32(&w);
	if (crc != crc32c(0, w.rest))
		return false;
	while (w.rest.n > 0) {
		mailbox = get_slice(&w, STORE_NAME_BYTES);
		entry = get_slice(&w, META_ENTRY_BYTES);
		value = get_slice(&w, STORE_METADATA_BYTES);
		if (w.bad)
			return false;
		meta_push(m, mailbox, entry, value);
	}
	return true;
}

enum store_result
meta_write(struct store *s, const struct meta *m)
{
	struct buf body = BUF_INIT(META_BYTES), all = BUF_INIT(META_BYTES + 16);
	enum store_result r = STORE_LIMIT;
	int bad = 0;
	size_t i;

	for (i = 0; i < m->n && bad == 0; i++)
		bad = put_slice(&body, m->v[i].mailbox) == -1 ||
		    put_slice(&body, m->v[i].entry) == -1 ||
		    put_slice(&body, m->v[i].value) == -1;
	if (bad == 0) {
		buf_add(&all, SLICE_LIT(META_MAGIC));
		put_u32(&all, FORMAT_VERSION);
		put_u32(&all, crc32c(0, buf_slice(&body)));
		buf_add(&all, buf_slice(&body));
		r = fs_replace(s->fs, s->root, META_NAME,
		    buf_slice(&all), true) == -1 ||
		    s->fs->fsync(s->root) == -1 ? store_failed(s) : STORE_OK;
	}
	buf_clear(&body);
	buf_clear(&all);
	return r;
}

void
meta_set(struct meta *m, struct slice mailbox, struct slice entry,
    struct slice value)
{
	size_t i;

	for (i = 0; i < m->n; i++)
		if (slice_eq(m->v[i].mailbox, mailbox) &&
		    slice_eq_nocase(m->v[i].entry, entry)) {
			if (value.p == NULL)
				m->v[i] = m->v[--m->n];
			else
				m->v[i].value = value;
			return;
		}
	if (value.p != NULL)
		meta_push(m, mailbox, entry, value);
}

struct slice
meta_get(const struct meta *m, struct slice mailbox, struct slice entry)
{
	size_t i;

	for (i = 0; i < m->n; i++)
		if (slice_eq(m->v[i].mailbox, mailbox) &&
		    slice_eq_nocase(m->v[i].entry, entry))
			return m->v[i].value;
	return (struct slice){ NULL, 0 };
}

/* ---- METADATA ----------------------------------------------------------- */

static enum store_result
must_exist(struct store *s, struct slice mailbox)
{
	struct stat st;
	char dir[NAME_MAX + 1];

	if (mailbox.n == 0)
		return STORE_OK;
	if (store_dir_of(s, mailbox, dir) != STORE_OK ||
	    s->fs->fstatat(s->root, dir, &st) == -1)
		return STORE_NO_MAILBOX;
	return STORE_OK;
}

/* Entries of the store's own stand under no name that a client can give. */
static bool
is_ours(struct slice entry)
{
	return slice_starts(entry, SLICE_LIT("/chasqui/"));
}

enum store_result
store_metadata_all(struct store *s,
    bool (*each)(void *, struct slice, struct slice, struct slice), void *arg)
{
	struct meta m;
	enum store_result r = meta_read(s, &m);
	size_t i;

	for (i = 0; r == STORE_OK && i < m.n; i++)
		if (!is_ours(m.v[i].entry) && !each(arg, m.v[i].mailbox,
		    m.v[i].entry, m.v[i].value))
			break;
	meta_clear(&m);
	return r;
}

enum store_result
store_metadata_each(struct store *s, struct slice mailbox,
    bool (*each)(void *, struct slice, struct slice), void *arg)
{
	enum store_result r = must_exist(s, mailbox);
	struct meta m;
	size_t i;

	if (r != STORE_OK)
		return r;
	mailbox = name_canonical(mailbox);
	r = meta_read(s, &m);
	for (i = 0; r == STORE_OK && i < m.n; i++)
		if (slice_eq(m.v[i].mailbox, mailbox) &&
		    !is_ours(m.v[i].entry) &&
		    !each(arg, m.v[i].entry, m.v[i].value))
			break;
	meta_clear(&m);
	return r;
}

enum store_result
store_metadata_set(struct store *s, struct slice mailbox, struct slice entry,
    struct slice value)
{
	enum store_result r = must_exist(s, mailbox);
	struct meta m;
	size_t i, n = 0;

	if (r != STORE_OK)
		return r;
	if (value.n > STORE_METADATA_BYTES || entry.n > META_ENTRY_BYTES ||
	    entry.n == 0 || is_ours(entry))
		return STORE_LIMIT;
	mailbox = name_canonical(mailbox);
	r = store_lock(s);
	if (r != STORE_OK)
		return r;
	r = meta_read(s, &m);
	if (r == STORE_OK) {
		meta_set(&m, mailbox, entry, value);
		for (i = 0; i < m.n; i++)
			n += slice_eq(m.v[i].mailbox, mailbox);
		r = n > STORE_METADATA_ENTRIES ? STORE_LIMIT :
		    meta_write(s, &m);
	}
	meta_clear(&m);
	store_unlock(s);
	return r;
}
