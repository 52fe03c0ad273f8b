/* SPDX-License-Identifier: ISC */
/* keys - the schema as data; see keys.h. */
#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "conf/keys.h"

#define CONF_ARENA_BYTES	((size_t)512 * 1024 * 1024)

#define ROW(type_, field, name_, TYPE, dflt_, min_, max_, readers_, text_)	\
	{ name_, CONF_##TYPE, dflt_, min_, max_, readers_, text_,		\
	    offsetof(struct type_, field) },
#define ROW_conf(...)		ROW(conf, __VA_ARGS__)
#define ROW_listener(...)	ROW(conf_listener, __VA_ARGS__)
#define ROW_domain(...)		ROW(conf_domain, __VA_ARGS__)
#define ROW_table(...)		ROW(conf_table, __VA_ARGS__)
#define ROW_nexthop(...)	ROW(conf_nexthop, __VA_ARGS__)
#define ROW_certificate(...)	ROW(conf_certificate, __VA_ARGS__)
#define ROW_oauth(...)		ROW(conf_oauth, __VA_ARGS__)

static const struct conf_key top_keys[] = { CONF_KEYS(ROW_conf) };
#define KIND_KEYS(kind, KEYS, text)					\
	static const struct conf_key kind##_keys[] = { KEYS(ROW_##kind) };
CONF_BLOCK_KINDS(KIND_KEYS)

#define NKEYS(a)	(sizeof(a) / sizeof((a)[0]))
#define KIND_ROW(kind, KEYS, text_)					\
	{ #kind, kind##_keys, NKEYS(kind##_keys),			\
	    sizeof(struct conf_##kind), offsetof(struct conf, kind##s),	\
	    offsetof(struct conf, n##kind##s), text_ },

_Static_assert(NKEYS(top_keys) <= CONF_KEYS_MAX, "CONF_KEYS_MAX");

const struct conf_kind conf_kinds[CONF_KINDS] = {
	{ "", top_keys, NKEYS(top_keys), sizeof(struct conf), 0, 0, "" },
	CONF_BLOCK_KINDS(KIND_ROW)
};

/* Keys that take one of a few words. */
static const struct {
	const char	*kind;
	const char	*key;
	const char	*words;
} word_keys[] = {
	{ "", "log.level", "debug info warn error" },
	{ "", "log.facility", "mail daemon user local0 local1 local2 local3 "
	    "local4 local5 local6 local7" },
	{ "", "local.sync", "auto filesystem file" },
	{ "", "quota.full", "defer refuse" },
	{ "", "tls.minimum", "1.2 1.3" },
	{ "", "remote.tls", "none may encrypt verify" },
	{ "", "auth.backends", "file sqlite postgresql pam system" },
	{ "", "auth.mechanisms", "PLAIN LOGIN SCRAM-SHA-1 SCRAM-SHA-1-PLUS "
	    "SCRAM-SHA-256 SCRAM-SHA-256-PLUS EXTERNAL OAUTHBEARER XOAUTH2" },
	{ "", "auth.plaintext", "tls local any" },
	{ "", "pop3.uidl", "%08Xu%08Xv %v.%u %f %g" },
	{ "listener", "mode", "smtp submission lmtp imap pop3 metrics" },
	{ "listener", "tls", "none starttls required implicit" },
	{ "nexthop", "tls", "default none may encrypt verify fingerprint" },
	{ "domain", "type", "virtual system relay alias" },
	{ "table", "type", "inline file aliases btree hash pcre cidr" },
};

const struct conf_key *
conf_key_find(const struct conf_kind *kind, struct slice name)
{
	size_t i;

	for (i = 0; i < kind->nkeys; i++)
		if (slice_eq(slice_str(kind->keys[i].name), name))
			return &kind->keys[i];
	return NULL;
}

bool
conf_has(const struct conf_list *list, const char *word)
{
	size_t i;

	for (i = 0; i < list->n; i++)
		if (strcmp(list->v[i], word) == 0)
			return true;
	return false;
}

size_t
conf_count(const struct conf *c, const struct conf_kind *kind)
{
	size_t n;

	if (kind == conf_kinds)
		return 1;
	memcpy(&n, (const char *)c + kind->count, sizeof(n));
	return n;
}

void *
conf_object(const struct conf *c, const struct conf_kind *kind, size_t i)
{
	char *array;

	assert(kind != conf_kinds && i < conf_count(c, kind));
	memcpy(&array, (const char *)c + kind->array, sizeof(array));
	return array + i * kind->size;
}

const char *
conf_words_of(const struct conf_kind *kind, const struct conf_key *key)
{
	size_t i;

	for (i = 0; i < NKEYS(word_keys); i++)
		if (strcmp(word_keys[i].kind, kind->name) == 0 &&
		    strcmp(word_keys[i].key, key->name) == 0)
			return word_keys[i].words;
	return NULL;
}

bool
conf_word_in(const char *words, const char *word)
{
	struct slice rest = slice_str(words), part;

	while (slice_next(&rest, ' ', &part))
		if (slice_eq(part, slice_str(word)))
			return true;
	return false;
}

const char *
conf_type_name(enum conf_type type)
{
	static const char *const names[] = {
		[CONF_STRING] = "text",
		[CONF_BOOL] = "yes or no",
		[CONF_INT] = "number",
		[CONF_SIZE] = "size (bytes; K, M, G, T)",
		[CONF_DURATION] = "time (ms, s, m, h, d)",
		[CONF_LIST] = "list of words",
		[CONF_NETS] = "list of networks (192.0.2.0/24, 2001:db8::/32)",
	};

	return names[type];
}

int
conf_mark_cmp(const void *va, const void *vb)
{
	const struct conf_mark *a = va, *b = vb;

	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	if (a->block != b->block)
		return a->block < b->block ? -1 : 1;
	if (a->key != b->key)
		return (uintptr_t)a->key < (uintptr_t)b->key ? -1 : 1;
	if (a->item != b->item)
		return a->item < b->item ? -1 : 1;
	return 0;
}

struct conf *
conf_new(const char *path)
{
	struct arena *arena = mem_alloc(sizeof(*arena));
	struct conf *c;
	struct slice copy;

	*arena = ARENA_INIT(CONF_ARENA_BYTES);
	c = arena_alloc(arena, sizeof(*c));
	assert(c != NULL);
	c->arena = arena;
	if (arena_copy(arena, slice_str(path), &copy) == -1)
		copy = SLICE_EMPTY;
	c->path = copy.p;
	conf_set_defaults(arena, conf_kinds, c);
	return c;
}

void
conf_free(struct conf **cp)
{
	struct arena *arena;

	if (*cp == NULL)
		return;
	arena = (*cp)->arena;
	arena_clear(arena);	/* the conf itself is in it */
	free(arena);
	*cp = NULL;
}

void
conf_set_defaults(struct arena *arena, const struct conf_kind *kind,
    void *object)
{
	const char *words[16], *one;
	struct slice rest, part, copy;
	struct buf why = BUF_INIT(512);
	size_t i, n, bad;
	int r;

	for (i = 0; i < kind->nkeys; i++) {
		const struct conf_key *key = &kind->keys[i];

		n = 0;
		if (key->type != CONF_LIST && key->type != CONF_NETS) {
			one = key->dflt;
			words[n++] = one;
		} else if (key->dflt[0] != '\0') {
			rest = slice_str(key->dflt);
			while (slice_next(&rest, ' ', &part) && n < 16) {
				r = arena_copy(arena, part, &copy);
				assert(r == 0);
				words[n++] = copy.p;
			}
		}
		r = conf_value_set(arena, key, object, words, n, &why, &bad);
		assert(r == 0);
	}
	buf_clear(&why);
}
