/* SPDX-License-Identifier: ISC */
/* fake_store - see fake_store.h. */
#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "fake_store.h"
#include "mail/message.h"
#include "mail/summary.h"
#include "store/fake_content.h"
#include "store/names.h"

#define BOXES	64
#define META	200

#define FAKE_HELD_BYTES	150	/* as STORE_HELD_BYTES */

struct text {
	unsigned	 refs;
	char		*p;
	size_t		 n;
};

struct mail {
	struct message_entry e;
	struct message_facts f;
	struct text	*text;
};

struct box {
	char		*name;		/* NULL: free */
	struct mailbox_status st;	/* counts are made when asked */
	struct mail	*v;
	size_t		 n;
	uint32_t	 *gone;		/* uid */
	uint64_t	 *gone_at;	/* mod-sequence */
	size_t		 ngone;
	uint64_t	 forgotten;
	char		*keywords[STORE_KEYWORDS];
	unsigned	 nkeywords;
	unsigned	 special_use;
	uint32_t	 recent_from;	/* UIDs from here on are recent */
};

static struct {
	struct box	 boxes[BOXES];
	char		*subscribed[BOXES];
	struct { char *box, *entry; struct buf value; } meta[META];
	struct store_usage limits;
	enum store_result fail;
	uint32_t	 uidvalidity;
	uint8_t		 guid;
	int64_t		 now;
} world;

struct store { int unused; };

struct mailbox {
	char		*name;
	bool		 read_only;
	uint32_t	 uidvalidity;
	struct message_entry *v;
	size_t		 n;
	struct mailbox_status st;
	struct mailbox_change *changes;
	unsigned	 nkeywords;
	struct buf	 summary;
};

struct append {
	char		*box;
	struct mail	 mails[64];
	struct slice	 keywords[64][STORE_KEYWORDS];
	size_t		 nkeywords[64];
	size_t		 n;
	struct buf	 text;
};

/* ---- the world ----------------------------------------------------------- */

static char *
dup(struct slice s)
{
	return mem_slicedup(s);
}

static struct box *
box_find(struct slice name)
{
	size_t i;

	name = name_canonical(name);
	for (i = 0; i < BOXES; i++)
		if (world.boxes[i].name != NULL &&
		    slice_eq(slice_str(world.boxes[i].name), name))
			return &world.boxes[i];
	return NULL;
}

static void
text_release(struct text *t)
{
	if (t == NULL || --t->refs > 0)
		return;
	free(t->p);
	free(t);
}

static void
box_clear(struct box *b)
{
	size_t i;

	for (i = 0; i < b->n; i++)
		text_release(b->v[i].text);
	for (i = 0; i < b->nkeywords; i++)
		free(b->keywords[i]);
	free(b->v);
	free(b->gone);
	free(b->gone_at);
	free(b->name);
	*b = (struct box){ 0 };
}

static struct box *
box_new(struct slice name, unsigned special_use)
{
	struct box *b;
	size_t i;

	for (i = 0; i < BOXES && world.boxes[i].name != NULL; i++)
		;
	if (i == BOXES)
		return NULL;
	b = &world.boxes[i];
	b->name = dup(name);
	b->special_use = special_use;
	b->st.uidvalidity = world.uidvalidity++;
	b->st.uidnext = 1;
	b->st.highestmodseq = 1;
	b->st.guid[15] = ++world.guid;
	b->recent_from = 1;
	return b;
}

void
fake_store_reset(void)
{
	size_t i;

	for (i = 0; i < BOXES; i++) {
		box_clear(&world.boxes[i]);
		free(world.subscribed[i]);
		world.subscribed[i] = NULL;
	}
	for (i = 0; i < META; i++) {
		free(world.meta[i].box);
		free(world.meta[i].entry);
		buf_clear(&world.meta[i].value);
	}
	memset(&world, 0, sizeof(world));
	world.uidvalidity = 100;
	world.now = INT64_C(1000000000000);
	box_new(SLICE_LIT("INBOX"), 0);
}

void
fake_store_quota(uint64_t bytes, uint64_t messages)
{
	world.limits = (struct store_usage){ bytes, messages };
}

void
fake_store_fail(enum store_result r)
{
	world.fail = r;
}

static enum store_result
trouble(void)
{
	enum store_result r = world.fail;

	world.fail = STORE_OK;
	return r;
}

void
fake_store_forget(const char *name)
{
	struct box *b = box_find(slice_str(name));

	b->forgotten = b->st.highestmodseq;
}

void
fake_store_skip_keyword(const char *name)
{
	struct box *b = box_find(slice_str(name));

	b->keywords[b->nkeywords++] = dup(SLICE_EMPTY);
}

static struct text *
text_new(struct slice from)
{
	struct text *t = mem_alloc(sizeof(*t));
	size_t i;

	/* CRLF becomes LF. */
	t->refs = 1;
	t->p = mem_alloc(from.n + 1);
	for (i = 0; i < from.n; i++)
		if (from.p[i] != '\r' || i + 1 == from.n ||
		    from.p[i + 1] != '\n')
			t->p[t->n++] = from.p[i];
	return t;
}

static struct mail *
box_add(struct box *b, const struct mail *m)
{
	struct mail *to;

	b->v = mem_regrow(b->v, b->n + 1, sizeof(*b->v));
	to = &b->v[b->n++];
	*to = *m;
	to->e.uid = b->st.uidnext++;
	to->e.modseq = ++b->st.highestmodseq;
	return to;
}

static struct mail
mail_of(struct slice text)
{
	struct mail m = { 0 };

	m.text = text_new(text);
	m.f.size = crlf_size(slice_of(m.text->p, m.text->n));
	m.f.internal_ms = m.f.saved_ms = world.now;
	m.f.guid[0] = 0xab;
	m.f.guid[14] = (uint8_t)(world.guid >> 8);
	m.f.guid[15] = ++world.guid;
	return m;
}

uint32_t
fake_store_deliver(const char *mailbox, const char *message)
{
	struct mail m = mail_of(slice_str(message));

	return box_add(box_find(slice_str(mailbox)), &m)->e.uid;
}

static struct mail *
mail_find(struct box *b, uint32_t uid)
{
	size_t i;

	for (i = 0; i < b->n; i++)
		if (b->v[i].e.uid == uid)
			return &b->v[i];
	return NULL;
}

static void
mail_remove(struct box *b, struct mail *m, uint64_t modseq)
{
	b->gone = mem_regrow(b->gone, b->ngone + 1, sizeof(*b->gone));
	b->gone_at = mem_regrow(b->gone_at, b->ngone + 1, sizeof(*b->gone_at));
	b->gone[b->ngone] = m->e.uid;
	b->gone_at[b->ngone++] = modseq;
	text_release(m->text);
	memmove(m, m + 1, (size_t)(b->v + b->n - m - 1) * sizeof(*m));
	b->n--;
}

/* ---- the store ----------------------------------------------------------- */

struct store *
store_open(const char *path, const struct store_options *o)
{
	(void)path;
	(void)o;
	return mem_alloc(sizeof(struct store));
}

void
store_close(struct store **s)
{
	free(*s);
	*s = NULL;
}

int
store_errno(const struct store *s)
{
	(void)s;
	return 0;
}

const char *
store_strerror(enum store_result r)
{
	static const char *const texts[] = {
		"Fine", "No such mailbox", "It exists", "Bad name",
		"It has children", "Over quota", "Too large", "Read-only",
		"No more keywords", "Expunged", "Busy", "Damaged", "Limit",
		"Failed",
	};

	return texts[r];
}

static int
by_name(const void *va, const void *vb)
{
	const struct mailbox_entry *a = va, *b = vb;
	struct slice inbox = SLICE_LIT("INBOX");

	if (slice_eq(a->name, inbox) || slice_eq(b->name, inbox))
		return slice_eq(a->name, inbox) ? -1 : 1;
	return slice_cmp(a->name, b->name);
}

static struct mailbox_entry *
entry_of(struct mailbox_entry *v, size_t *n, struct slice name)
{
	size_t i;

	for (i = 0; i < *n; i++)
		if (slice_eq(v[i].name, name))
			return &v[i];
	v[*n] = (struct mailbox_entry){ .name = name };
	return &v[(*n)++];
}

enum store_result
store_list(struct store *s, bool (*each)(void *, const struct mailbox_entry *),
    void *arg)
{
	struct mailbox_entry v[BOXES * 8], *e;
	size_t n = 0, i, at;
	struct slice name;

	(void)s;
	for (i = 0; i < BOXES; i++) {
		if (world.boxes[i].name == NULL)
			continue;
		name = slice_str(world.boxes[i].name);
		e = entry_of(v, &n, name);
		e->exists = true;
		e->special_use = world.boxes[i].special_use;
		for (; (at = slice_rfind(name, '/')) < name.n;) {
			name.n = at;
			entry_of(v, &n, name)->has_children = true;
		}
	}
	for (i = 0; i < BOXES; i++)
		if (world.subscribed[i] != NULL)
			entry_of(v, &n, slice_str(world.subscribed[i]))->
			    subscribed = true;
	qsort(v, n, sizeof(*v), by_name);
	for (i = 0; i < n && each(arg, &v[i]); i++)
		;
	return STORE_OK;
}

static bool
good_name(struct slice name)
{
	return name.n > 0 && name.n < STORE_NAME_BYTES && name.p[0] != '/' &&
	    name.p[name.n - 1] != '/' && memmem(name.p, name.n, "//", 2) ==
	    NULL && memchr(name.p, '\0', name.n) == NULL;
}

enum store_result
store_create(struct store *s, struct slice name, unsigned special_use)
{
	enum store_result r = trouble();

	(void)s;
	if (r != STORE_OK)
		return r;
	if (!good_name(name))
		return STORE_BAD_NAME;
	if (box_find(name) != NULL)
		return STORE_EXISTS;
	return box_new(name, special_use) == NULL ? STORE_LIMIT : STORE_OK;
}

enum store_result
store_delete(struct store *s, struct slice name)
{
	struct box *b = box_find(name);
	enum store_result r = trouble();

	(void)s;
	if (r != STORE_OK)
		return r;
	if (b == NULL)
		return STORE_NO_MAILBOX;
	if (strcmp(b->name, "INBOX") == 0)
		return STORE_BAD_NAME;
	box_clear(b);
	return STORE_OK;
}

enum store_result
store_rename(struct store *s, struct slice from, struct slice to)
{
	struct box *b = box_find(from), *n, *c;
	char *name;
	size_t i;

	(void)s;
	if (b == NULL)
		return STORE_NO_MAILBOX;
	if (!good_name(to))
		return STORE_BAD_NAME;
	if (box_find(to) != NULL)
		return STORE_EXISTS;
	if (strcmp(b->name, "INBOX") == 0) {
		n = box_new(to, 0);
		if (n == NULL)
			return STORE_LIMIT;
		while (b->n > 0) {
			struct mail m = b->v[0];

			m.text->refs++;
			box_add(n, &m);
			mail_remove(b, &b->v[0], ++b->st.highestmodseq);
		}
		return STORE_OK;
	}
	for (i = 0; i < BOXES; i++) {
		c = &world.boxes[i];
		if (c->name == NULL || c == b ||
		    !slice_starts(slice_str(c->name), from) ||
		    c->name[from.n] != '/')
			continue;
		name = mem_alloc(to.n + strlen(c->name) + 1);
		memcpy(name, to.p, to.n);
		memcpy(name + to.n, c->name + from.n,
		    strlen(c->name) - from.n);
		free(c->name);
		c->name = name;
	}
	name = dup(to);
	free(b->name);
	b->name = name;
	return STORE_OK;
}

enum store_result
store_subscribe(struct store *s, struct slice name, bool on)
{
	size_t i, room = BOXES;

	(void)s;
	if (!good_name(name))
		return STORE_BAD_NAME;
	for (i = 0; i < BOXES; i++) {
		if (world.subscribed[i] == NULL)
			room = i;
		else if (slice_eq(slice_str(world.subscribed[i]), name)) {
			if (!on) {
				free(world.subscribed[i]);
				world.subscribed[i] = NULL;
			}
			return STORE_OK;
		}
	}
	if (on && room < BOXES)
		world.subscribed[room] = dup(name);
	return room < BOXES || !on ? STORE_OK : STORE_LIMIT;
}

enum store_result
store_metadata_each(struct store *s, struct slice mailbox,
    bool (*each)(void *, struct slice, struct slice), void *arg)
{
	size_t i;

	(void)s;
	if (mailbox.n > 0 && box_find(mailbox) == NULL)
		return STORE_NO_MAILBOX;
	for (i = 0; i < META; i++)
		if (world.meta[i].entry != NULL &&
		    slice_eq(slice_str(world.meta[i].box), mailbox) &&
		    !each(arg, slice_str(world.meta[i].entry),
		    buf_slice(&world.meta[i].value)))
			break;
	return STORE_OK;
}

enum store_result
store_metadata_all(struct store *s,
    bool (*each)(void *, struct slice, struct slice, struct slice), void *arg)
{
	size_t i;

	(void)s;
	for (i = 0; i < META; i++)
		if (world.meta[i].entry != NULL &&
		    !each(arg, slice_str(world.meta[i].box),
		    slice_str(world.meta[i].entry),
		    buf_slice(&world.meta[i].value)))
			break;
	return STORE_OK;
}

enum store_result
store_metadata_set(struct store *s, struct slice mailbox, struct slice entry,
    struct slice value)
{
	size_t i, at = META;

	(void)s;
	if (mailbox.n > 0 && box_find(mailbox) == NULL)
		return STORE_NO_MAILBOX;
	for (i = 0; i < META; i++) {
		if (world.meta[i].entry == NULL)
			at = at == META ? i : at;
		else if (slice_eq(slice_str(world.meta[i].box), mailbox) &&
		    slice_eq(slice_str(world.meta[i].entry), entry)) {
			at = i;
			break;
		}
	}
	if (at == META)
		return value.p == NULL ? STORE_OK : STORE_LIMIT;
	free(world.meta[at].entry);
	free(world.meta[at].box);
	buf_clear(&world.meta[at].value);
	world.meta[at].entry = world.meta[at].box = NULL;
	if (value.p == NULL)
		return STORE_OK;
	world.meta[at].entry = dup(entry);
	world.meta[at].box = dup(mailbox);
	buf_init(&world.meta[at].value, STORE_METADATA_BYTES);
	buf_add(&world.meta[at].value, value);
	return STORE_OK;
}

static void
count(struct box *b, struct mailbox_status *st)
{
	size_t i;

	*st = b->st;
	st->messages = (uint32_t)b->n;
	st->recent = st->unseen = st->deleted = 0;
	for (i = 0; i < b->n; i++) {
		st->recent += b->v[i].e.uid >= b->recent_from;
		st->unseen += (b->v[i].e.flags & FLAG_SEEN) == 0;
		st->deleted += (b->v[i].e.flags & FLAG_DELETED) != 0;
	}
}

enum store_result
store_status(struct store *s, struct slice name, struct mailbox_status *st)
{
	struct box *b = box_find(name);

	(void)s;
	if (b == NULL)
		return STORE_NO_MAILBOX;
	count(b, st);
	return STORE_OK;
}

static uint64_t
size_of(const struct box *b, bool deleted_only)
{
	uint64_t bytes = 0;
	size_t i;

	for (i = 0; i < b->n; i++)
		if (!deleted_only || b->v[i].e.flags & FLAG_DELETED)
			bytes += b->v[i].f.size;
	return bytes;
}

enum store_result
store_size(struct store *s, struct slice name, bool deleted_only,
    uint64_t *bytes_r)
{
	struct box *b = box_find(name);

	(void)s;
	if (b == NULL)
		return STORE_NO_MAILBOX;
	*bytes_r = size_of(b, deleted_only);
	return STORE_OK;
}

enum store_result
store_usage(struct store *s, struct store_usage *u)
{
	size_t i;

	(void)s;
	*u = (struct store_usage){ 0, 0 };
	for (i = 0; i < BOXES; i++)
		if (world.boxes[i].name != NULL) {
			u->bytes += size_of(&world.boxes[i], false);
			u->messages += world.boxes[i].n;
		}
	return STORE_OK;
}

bool
store_has_quota(const struct store *s, struct store_usage *limits)
{
	(void)s;
	*limits = world.limits;
	return limits->bytes > 0 || limits->messages > 0;
}

/* ---- one mailbox --------------------------------------------------------- */

static struct box *
box_of(const struct mailbox *m)
{
	struct box *b = box_find(slice_str(m->name));

	return b != NULL && b->st.uidvalidity == m->uidvalidity ? b : NULL;
}

/* What is recent in a session stays so, though others take what comes
 * between. */
static void
take_in(struct mailbox *m, struct box *b)
{
	struct message_entry *old = m->v;
	size_t nold = m->n, i, j = 0;
	uint32_t recent_from = UINT32_MAX, uid;

	if (!m->read_only) {
		recent_from = b->recent_from;
		b->recent_from = b->st.uidnext;
	}
	m->v = mem_array(b->n + 1, sizeof(*m->v));
	m->n = b->n;
	for (i = 0; i < b->n; i++) {
		m->v[i] = b->v[i].e;
		uid = m->v[i].uid;
		while (j < nold && old[j].uid < uid)
			j++;
		if (uid >= recent_from || (j < nold && old[j].uid == uid &&
		    old[j].flags & FLAG_RECENT))
			m->v[i].flags |= FLAG_RECENT;
	}
	free(old);
	count(b, &m->st);
	m->nkeywords = b->nkeywords;
}

enum store_result
mailbox_open(struct store *s, struct slice name, bool read_only,
    struct mailbox **mr)
{
	struct box *b = box_find(name);
	struct mailbox *m;

	(void)s;
	if (b == NULL)
		return STORE_NO_MAILBOX;
	m = mem_alloc(sizeof(*m));
	m->name = mem_strdup(b->name);
	m->read_only = read_only;
	m->uidvalidity = b->st.uidvalidity;
	buf_init(&m->summary, 10 * SUMMARY_BYTES);
	take_in(m, b);
	*mr = m;
	return STORE_OK;
}

void
mailbox_close(struct mailbox **mp)
{
	struct mailbox *m = *mp;

	*mp = NULL;
	free(m->name);
	free(m->v);
	free(m->changes);
	buf_clear(&m->summary);
	free(m);
}

const struct mailbox_status *
mailbox_head(const struct mailbox *m)
{
	return &m->st;
}

const struct message_entry *
mailbox_entries(const struct mailbox *m, size_t *n_r)
{
	*n_r = m->n;
	return m->v;
}

const struct message_entry *
mailbox_find(const struct mailbox *m, uint32_t uid)
{
	size_t i;

	for (i = 0; i < m->n; i++)
		if (m->v[i].uid == uid)
			return &m->v[i];
	return NULL;
}

enum store_result
mailbox_facts(struct mailbox *m, uint32_t uid, unsigned wanted,
    struct message_facts *f)
{
	struct box *b = box_find(slice_str(m->name));
	struct mail *mail = b == NULL ? NULL : mail_find(b, uid);

	(void)wanted;
	*f = mail == NULL ? (struct message_facts){ 0 } : mail->f;
	return mail == NULL ? STORE_EXPUNGED : STORE_OK;
}

bool
mailbox_is_read_only(const struct mailbox *m)
{
	return m->read_only;
}

struct slice
mailbox_name(const struct mailbox *m)
{
	return slice_str(m->name);
}

unsigned
mailbox_keywords(const struct mailbox *m)
{
	struct box *b = box_of(m);
	unsigned i, n = 0;

	for (i = 0; b != NULL && i < b->nkeywords; i++)
		n += b->keywords[i][0] != '\0';
	return n;
}

const char *
mailbox_keyword_name(const struct mailbox *m, unsigned bit)
{
	struct box *b = box_of(m);

	return b == NULL || bit >= b->nkeywords ? "" : b->keywords[bit];
}

static int
keyword(struct box *b, struct slice name, bool create)
{
	unsigned i;

	for (i = 0; i < b->nkeywords; i++)
		if (slice_eq_nocase(slice_str(b->keywords[i]), name))
			return (int)i;
	if (!create || i == STORE_KEYWORDS || name.n > STORE_KEYWORD_BYTES)
		return -1;
	b->keywords[b->nkeywords++] = dup(name);
	return (int)i;
}

int
mailbox_keyword(struct mailbox *m, struct slice name, bool create)
{
	struct box *b = box_of(m);

	return b == NULL ? -1 : keyword(b, name, create && !m->read_only);
}

enum store_result
mailbox_refresh(struct mailbox *m, const struct mailbox_change **changes_r,
    size_t *n_r)
{
	struct box *b = box_of(m);

	assert(changes_r == NULL && n_r == NULL);
	if (b == NULL)
		return STORE_NO_MAILBOX;
	take_in(m, b);
	return STORE_OK;
}

bool
mailbox_vanished(struct mailbox *m, uint64_t since,
    void (*each)(void *, uint32_t), void *arg)
{
	struct box *b = box_of(m);
	size_t i;

	if (b == NULL || since < b->forgotten)
		return false;
	for (i = 0; i < b->ngone; i++)
		if (b->gone_at[i] > since)
			each(arg, b->gone[i]);
	return true;
}

enum store_result
mailbox_content(struct mailbox *m, uint32_t uid, struct message_content *c)
{
	struct box *b = box_of(m);
	struct mail *mail = b == NULL ? NULL : mail_find(b, uid);

	if (mail == NULL)
		return STORE_EXPUNGED;
	mail->text->refs++;
	*c = (struct message_content){ .map = mail->text,
		.bytes = slice_of(mail->text->p, mail->text->n) };
	return STORE_OK;
}

/* What is read in windows is the same as what is there. */
enum store_result
mailbox_content_away(struct mailbox *m, uint32_t uid, struct message_content *c)
{
	enum store_result r = mailbox_content(m, uid, c);

	c->away = r == STORE_OK && c->bytes.n > FAKE_HELD_BYTES;
	return r;
}

void
message_content_clear(struct message_content *c)
{
	text_release(c->map);
	*c = (struct message_content){ 0 };
}

enum store_result
mailbox_summary(struct mailbox *m, uint32_t uid, struct slice *r)
{
	struct box *b = box_of(m);
	struct mail *mail = b == NULL ? NULL : mail_find(b, uid);

	if (mail == NULL)
		return STORE_EXPUNGED;
	buf_reset(&m->summary);
	if (summary_build(slice_of(mail->text->p, mail->text->n),
	    &m->summary) == -1)
		buf_reset(&m->summary);
	*r = buf_slice(&m->summary);
	return STORE_OK;
}

/* ---- changes ------------------------------------------------------------- */

enum store_result
mailbox_set_flags(struct mailbox *m, struct uid_list l,
    const struct flag_request *q, void (*failed)(void *, uint32_t), void *arg,
    uint64_t *modseq_r)
{
	struct box *b = box_of(m);
	enum store_result r = trouble();
	struct mail *mail;
	uint64_t modseq, keywords;
	uint8_t flags;
	size_t i;

	if (r != STORE_OK)
		return r;
	if (b == NULL)
		return STORE_NO_MAILBOX;
	if (m->read_only)
		return STORE_READ_ONLY;
	modseq = b->st.highestmodseq + 1;
	for (i = 0; i < l.n; i++) {
		mail = mail_find(b, l.v[i]);
		if (mail == NULL)
			continue;
		if (mail->e.modseq > q->unchanged_since) {
			if (failed != NULL)
				failed(arg, l.v[i]);
			continue;
		}
		flags = mail->e.flags;
		keywords = mail->e.keywords;
		if (q->how == FLAGS_SET) {
			flags = q->flags;
			keywords = q->keywords;
		} else if (q->how == FLAGS_ADD) {
			flags |= q->flags;
			keywords |= q->keywords;
		} else {
			flags &= (uint8_t)~q->flags;
			keywords &= ~q->keywords;
		}
		if (flags == mail->e.flags && keywords == mail->e.keywords)
			continue;
		mail->e.flags = flags;
		mail->e.keywords = keywords;
		mail->e.modseq = b->st.highestmodseq = modseq;
	}
	*modseq_r = b->st.highestmodseq;
	take_in(m, b);
	return STORE_OK;
}

enum store_result
mailbox_expunge(struct mailbox *m, struct uid_list l, bool deleted_only)
{
	struct box *b = box_of(m);
	enum store_result r = trouble();
	struct mail *mail;
	size_t i;

	if (r != STORE_OK)
		return r;
	if (b == NULL)
		return STORE_NO_MAILBOX;
	for (i = 0; i < l.n; i++) {
		mail = mail_find(b, l.v[i]);
		if (mail == NULL ||
		    (deleted_only && (mail->e.flags & FLAG_DELETED) == 0))
			continue;
		mail_remove(b, mail, ++b->st.highestmodseq);
	}
	take_in(m, b);
	return STORE_OK;
}

static uint64_t
move_keywords(struct box *from, struct box *to, uint64_t keywords)
{
	uint64_t r = 0;
	unsigned i;
	int bit;

	for (i = 0; i < from->nkeywords; i++)
		if (keywords >> i & 1 && (bit = keyword(to,
		    slice_str(from->keywords[i]), true)) >= 0)
			r |= UINT64_C(1) << bit;
	return r;
}

enum store_result
mailbox_copy(struct mailbox *m, struct uid_list l, struct slice name, bool move,
    struct copied *done)
{
	struct box *b = box_of(m), *to = box_find(name);
	enum store_result r = trouble();
	struct mail *mail, copy;
	size_t i;

	*done = (struct copied){ 0 };
	if (r != STORE_OK)
		return r;
	if (b == NULL || to == NULL)
		return STORE_NO_MAILBOX;
	done->uidvalidity = to->st.uidvalidity;
	done->from = mem_array(l.n + 1, sizeof(*done->from));
	done->to = mem_array(l.n + 1, sizeof(*done->to));
	for (i = 0; i < l.n; i++) {
		mail = mail_find(b, l.v[i]);
		if (mail == NULL)
			continue;
		copy = *mail;
		copy.text->refs++;
		copy.f.saved_ms = world.now;
		copy.e.keywords = move_keywords(b, to, copy.e.keywords);
		done->from[done->n] = l.v[i];
		done->to[done->n++] = box_add(to, &copy)->e.uid;
		if (move)
			mail_remove(b, mail_find(b, l.v[i]),
			    ++b->st.highestmodseq);
	}
	take_in(m, b);
	return STORE_OK;
}

/* ---- new messages -------------------------------------------------------- */

enum store_result
append_begin(struct store *s, struct slice mailbox, struct append **ar)
{
	struct append *a;

	(void)s;
	if (box_find(mailbox) == NULL)
		return STORE_NO_MAILBOX;
	a = mem_alloc(sizeof(*a));
	a->box = dup(mailbox);
	buf_init(&a->text, 100 * 1024 * 1024);
	*ar = a;
	return STORE_OK;
}

void
append_frees(struct append *a, struct mailbox *m, uint32_t uid)
{
	(void)a;
	(void)m;
	(void)uid;
}

enum store_result
append_message(struct append *a, uint64_t size, uint8_t flags,
    const struct slice *keywords, size_t nkeywords, int64_t internal_ms)
{
	struct store_usage u;
	struct mail *m;
	size_t i;

	store_usage(NULL, &u);
	if (world.limits.bytes > 0 && u.bytes + size > world.limits.bytes)
		return STORE_OVER_QUOTA;
	if (a->n == 64)
		return STORE_LIMIT;
	m = &a->mails[a->n];
	m->e.flags = flags;
	m->f.internal_ms = internal_ms;
	for (i = 0; i < nkeywords; i++)
		a->keywords[a->n][i] = slice_str(dup(keywords[i]));
	a->nkeywords[a->n++] = nkeywords;
	return STORE_OK;
}

enum store_result
append_bytes(struct append *a, struct slice bytes)
{
	return buf_add(&a->text, bytes) == 0 ? STORE_OK : STORE_TOO_LARGE;
}

enum store_result
append_end(struct append *a)
{
	struct mail m = mail_of(buf_slice(&a->text)), *to;

	to = &a->mails[a->n - 1];
	m.e.flags = to->e.flags;
	m.f.internal_ms = to->f.internal_ms;
	*to = m;
	buf_reset(&a->text);
	return STORE_OK;
}

static void
free_append(struct append **ap, bool texts)
{
	union { const char *from; char *to; } u;
	struct append *a = *ap;
	size_t i, k;

	*ap = NULL;
	for (i = 0; i < a->n; i++) {
		if (texts)
			text_release(a->mails[i].text);
		for (k = 0; k < a->nkeywords[i]; k++) {
			u.from = a->keywords[i][k].p;
			free(u.to);
		}
	}
	buf_clear(&a->text);
	free(a->box);
	free(a);
}

enum store_result
append_commit(struct append **ap, struct appended *done)
{
	struct append *a = *ap;
	struct box *b = box_find(slice_str(a->box));
	enum store_result r = trouble();
	size_t i, k;
	int bit;

	if (r == STORE_OK && b == NULL)
		r = STORE_NO_MAILBOX;
	if (r != STORE_OK) {
		free_append(ap, true);
		return r;
	}
	*done = (struct appended){ b->st.uidvalidity, b->st.uidnext,
		(uint32_t)a->n };
	for (i = 0; i < a->n; i++) {
		for (k = 0; k < a->nkeywords[i]; k++)
			if ((bit = keyword(b, a->keywords[i][k], true)) >= 0)
				a->mails[i].e.keywords |= UINT64_C(1) << bit;
		box_add(b, &a->mails[i]);
	}
	free_append(ap, false);
	return STORE_OK;
}

enum store_result
append_replace(struct append **ap, struct mailbox *m, uint32_t uid,
    struct appended *done)
{
	struct box *b = box_of(m);
	struct mail *mail = b == NULL ? NULL : mail_find(b, uid);
	enum store_result r;

	if (mail == NULL) {
		free_append(ap, true);
		return STORE_EXPUNGED;
	}
	r = append_commit(ap, done);
	if (r == STORE_OK)
		mail_remove(b, mail_find(b, uid), ++b->st.highestmodseq);
	return r;
}

void
append_abort(struct append **ap)
{
	free_append(ap, true);
}
