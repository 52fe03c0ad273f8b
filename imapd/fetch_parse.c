/* SPDX-License-Identifier: ISC */
/* fetch_parse - the items of a FETCH (RFC 9051 section 9, fetch-att). */
#include "fetch.h"

#define ENTRY_ITEMS	(sizeof(simple) / sizeof(simple[0]))

static bool	 take_item(struct cursor *, struct fetch *);
static bool	 take_macro(struct cursor *, struct fetch *);
static bool	 take_preview(struct cursor *);
static bool	 take_section_item(struct cursor *, struct fetch *);
static bool	 take_section(struct cursor *, struct section *, bool texts);
static bool	 take_path(struct cursor *, struct section *);
static bool	 take_fields(struct cursor *, struct section *);
static bool	 take_partial(struct cursor *, struct fetch_item *);
static bool	 write_label(struct cursor *, const char *, struct fetch_item *);

static const struct {
	const char	*name;
	enum fetch_what	 what;
} simple[] = {
	{ "UID", F_UID }, { "FLAGS", F_FLAGS },
	{ "INTERNALDATE", F_INTERNALDATE }, { "RFC822.SIZE", F_SIZE },
	{ "MODSEQ", F_MODSEQ }, { "EMAILID", F_EMAILID },
	{ "THREADID", F_THREADID }, { "SAVEDATE", F_SAVEDATE },
	{ "ENVELOPE", F_ENVELOPE }, { "BODYSTRUCTURE", F_BODYSTRUCTURE },
};

/* The words before "[", and what stands alone. */
static const struct {
	const char	*name;
	enum fetch_what	 what;
	bool		 peek;
} sections[] = {
	{ "BODY.PEEK", F_SECTION, true }, { "BODY", F_SECTION, false },
	{ "BINARY.PEEK", F_BINARY, true }, { "BINARY.SIZE", F_BINARY_SIZE, true },
	{ "BINARY", F_BINARY, false },
};

static const struct {
	const char	*name;
	enum section_what what;
	bool		 peek;
} rfc822[] = {
	{ "RFC822", SECTION_ALL, false },
	{ "RFC822.HEADER", SECTION_HEADER, true },
	{ "RFC822.TEXT", SECTION_TEXT, false },
};

bool
fetch_parse(struct cursor *c, struct fetch *f)
{
	*f = (struct fetch){ 0 };
	if (take_macro(c, f))
		return true;
	if (!cur_open(c))
		return take_item(c, f);
	do {
		if (!take_item(c, f))
			return false;
	} while (cur_sp(c));
	return cur_close(c);
}

static struct fetch_item *
add_item(struct fetch *f, enum fetch_what what)
{
	struct fetch_item *it;

	if (f->n == FETCH_ITEMS)
		return NULL;
	it = &f->items[f->n++];
	it->what = what;
	f->has |= 1u << what;
	return it;
}

static bool
take_macro(struct cursor *c, struct fetch *f)
{
	static const struct {
		const char	*name;
		unsigned	 items;
	} macros[] = {
		{ "ALL", 4 }, { "FAST", 3 }, { "FULL", 5 },
	};
	static const enum fetch_what items[] = {
		F_FLAGS, F_INTERNALDATE, F_SIZE, F_ENVELOPE, F_BODY,
	};
	size_t i, k;

	for (i = 0; i < 3; i++)
		if (cur_word(c, macros[i].name)) {
			for (k = 0; k < macros[i].items; k++)
				add_item(f, items[k]);
			return true;
		}
	return false;
}

static bool
take_item(struct cursor *c, struct fetch *f)
{
	struct fetch_item *it;
	size_t i;

	for (i = 0; i < ENTRY_ITEMS; i++)
		if (cur_word(c, simple[i].name))
			return (f->has & 1u << simple[i].what) != 0 ||
			    add_item(f, simple[i].what) != NULL;
	for (i = 0; i < sizeof(rfc822) / sizeof(rfc822[0]); i++) {
		if (!cur_word(c, rfc822[i].name))
			continue;
		it = add_item(f, F_SECTION);
		if (it == NULL)
			return false;
		it->section.what = rfc822[i].what;
		it->label = slice_str(rfc822[i].name);
		f->sets_seen |= !rfc822[i].peek;
		return true;
	}
	if (cur_word(c, "PREVIEW"))
		return take_preview(c) && add_item(f, F_PREVIEW) != NULL;
	return take_section_item(c, f);
}

/* Ours is there at once, so LAZY changes nothing (RFC 8970 section 4). */
static bool
take_preview(struct cursor *c)
{
	struct cursor at = *c;

	if (!cur_sp(&at) || !cur_open(&at))
		return true;
	*c = at;
	return cur_word(c, "LAZY") && cur_close(c);
}

static bool
take_section_item(struct cursor *c, struct fetch *f)
{
	struct fetch_item *it;
	struct cursor at = *c;
	struct slice word;
	size_t i, n;

	/* "[" is an atom's character. */
	n = slice_find(c->rest, '[');
	word = slice_first(c->rest, n);
	for (i = 0; n < c->rest.n && i < sizeof(sections) / sizeof(sections[0]);
	     i++) {
		if (!slice_eq_nocase(word, slice_str(sections[i].name)))
			continue;
		it = add_item(f, sections[i].what);
		c->rest = slice_from(c->rest, n + 1);
		if (it == NULL || !take_section(c, &it->section,
		    it->what == F_SECTION) || !cur_byte(c, ']') ||
		    (it->what != F_BINARY_SIZE && !take_partial(c, it)))
			return false;
		f->sets_seen |= !sections[i].peek;
		return write_label(c, it->what == F_SECTION ? "BODY" :
		    it->what == F_BINARY ? "BINARY" : "BINARY.SIZE", it);
	}
	*c = at;
	return cur_word(c, "BODY") && add_item(f, F_BODY) != NULL;
}

bool
section_parse(struct cursor *c, struct section *sec)
{
	*sec = (struct section){ 0 };
	return take_section(c, sec, true);
}

/* texts: more than a part may be named. */
static bool
take_section(struct cursor *c, struct section *sec, bool texts)
{
	static const struct {
		const char	*name;
		enum section_what what;
	} words[] = {
		{ "HEADER.FIELDS.NOT", SECTION_FIELDS_NOT },
		{ "HEADER.FIELDS", SECTION_FIELDS },
		{ "HEADER", SECTION_HEADER }, { "TEXT", SECTION_TEXT },
		{ "MIME", SECTION_MIME },
	};
	size_t i;

	if (!take_path(c, sec))
		return false;
	sec->what = SECTION_ALL;
	if (cur_end(c) || cur_peek(c) == ']')
		return true;
	if (!texts || (sec->npath > 0 && !cur_byte(c, '.')))
		return false;
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!cur_word(c, words[i].name))
			continue;
		sec->what = words[i].what;
		if (sec->what == SECTION_MIME && sec->npath == 0)
			return false;
		return (sec->what != SECTION_FIELDS &&
		    sec->what != SECTION_FIELDS_NOT) || take_fields(c, sec);
	}
	return false;
}

/* "1.2.3", before "]" or ".TEXT" */
static bool
take_path(struct cursor *c, struct section *sec)
{
	uint32_t path[MESSAGE_DEPTH + 1], *copy;
	struct cursor at = *c;

	sec->npath = 0;
	while (sec->npath <= MESSAGE_DEPTH &&
	    cur_nz_number(&at, &path[sec->npath])) {
		sec->npath++;
		*c = at;
		if (!cur_byte(&at, '.'))
			break;
	}
	if (sec->npath > MESSAGE_DEPTH)
		return false;
	if (sec->npath == 0)
		return true;
	copy = arena_alloc(c->arena, sec->npath * sizeof(*copy));
	if (copy == NULL)
		return false;
	memcpy(copy, path, sec->npath * sizeof(*copy));
	sec->path = copy;
	return true;
}

static bool
take_fields(struct cursor *c, struct section *sec)
{
	struct slice names[SECTION_FIELD_NAMES], *copy;

	if (!cur_sp(c) || !cur_open(c))
		return false;
	do {
		if (sec->nfields == SECTION_FIELD_NAMES ||
		    !cur_astring(c, &names[sec->nfields++]))
			return false;
	} while (cur_sp(c));
	copy = arena_alloc(c->arena, sec->nfields * sizeof(*copy));
	if (copy == NULL || !cur_close(c))
		return false;
	memcpy(copy, names, sec->nfields * sizeof(*copy));
	sec->fields = copy;
	return true;
}

static bool
take_partial(struct cursor *c, struct fetch_item *it)
{
	if (!cur_byte(c, '<'))
		return true;
	it->partial = true;
	return cur_number64(c, &it->from) && cur_byte(c, '.') &&
	    cur_number64(c, &it->max) && it->max > 0 && cur_byte(c, '>');
}

/* A field's name as it came: an atom, or quoted. */
static void
add_name(struct buf *b, struct slice name)
{
	size_t i = 0;

	while (i < name.n && imap_is(name.p[i], IC_ASTRING))
		i++;
	if (i == name.n && i > 0) {
		buf_add(b, name);
		return;
	}
	buf_add_byte(b, '"');
	for (i = 0; i < name.n; i++) {
		if (name.p[i] == '"' || name.p[i] == '\\')
			buf_add_byte(b, '\\');
		/* Not even quoted may it stand; no field has such a name. */
		buf_add_byte(b, imap_is(name.p[i], IC_QUOTED) ||
		    name.p[i] == '"' || name.p[i] == '\\' ? name.p[i] : '?');
	}
	buf_add_byte(b, '"');
}

static bool
write_label(struct cursor *c, const char *word, struct fetch_item *it)
{
	static const char *const texts[] = {
		[SECTION_ALL] = "", [SECTION_HEADER] = "HEADER",
		[SECTION_TEXT] = "TEXT", [SECTION_MIME] = "MIME",
		[SECTION_FIELDS] = "HEADER.FIELDS (",
		[SECTION_FIELDS_NOT] = "HEADER.FIELDS.NOT (",
	};
	struct buf b = BUF_INIT(ARENA_BYTES);
	const struct section *sec = &it->section;
	size_t i;
	int r;

	buf_printf(&b, "%s[", word);
	for (i = 0; i < sec->npath; i++)
		buf_printf(&b, "%s%u", i > 0 ? "." : "", sec->path[i]);
	buf_printf(&b, "%s%s", sec->npath > 0 && sec->what != SECTION_ALL ?
	    "." : "", texts[sec->what]);
	for (i = 0; i < sec->nfields; i++) {
		if (i > 0)
			buf_add_byte(&b, ' ');
		add_name(&b, sec->fields[i]);
	}
	buf_add_str(&b, sec->nfields > 0 ? ")]" : "]");
	if (it->partial)
		buf_printf(&b, "<%llu>", (unsigned long long)it->from);
	r = arena_copy(c->arena, buf_slice(&b), &it->label);
	buf_clear(&b);
	return r == 0;
}
