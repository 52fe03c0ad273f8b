/* SPDX-License-Identifier: ISC */
/* explain - the schema for people: one key, or the man page's list. */
#include "base/num.h"
#include "conf/keys.h"

static bool	 explain_key(const struct conf_kind *, const struct conf_key *,
		    struct buf *);
static bool	 explain_group(struct slice, struct buf *);
static void	 explain_limits(const struct conf_key *, struct buf *);
static bool	 explain_nearest(struct slice, struct buf *);
static void	 mdoc_keys(const struct conf_kind *, struct buf *);
static void	 mdoc_text(const char *, struct buf *);

bool
conf_explain(const char *name, struct buf *out)
{
	struct slice s = slice_str(name);
	const struct conf_key *key = conf_key_find(&conf_kinds[0], s);
	size_t dot = slice_find(s, '.'), k;

	if (key != NULL)
		return explain_key(&conf_kinds[0], key, out);
	if (explain_group(s, out))
		return true;
	for (k = 1; k < CONF_KINDS && dot < s.n; k++) {
		if (!slice_eq(slice_first(s, dot),
		    slice_str(conf_kinds[k].name)))
			continue;
		key = conf_key_find(&conf_kinds[k], slice_from(s, dot + 1));
		if (key != NULL)
			return explain_key(&conf_kinds[k], key, out);
	}
	return explain_nearest(s, out);
}

static bool
explain_key(const struct conf_kind *kind, const struct conf_key *key,
    struct buf *out)
{
	const char *words = conf_words_of(kind, key);
	const char *dot = kind->name[0] == '\0' ? "" : ".";

	buf_printf(out, "%s%s%s\n    %s\n", kind->name, dot, key->name,
	    key->text);
	buf_printf(out, "    type: %s", conf_type_name(key->type));
	if (words != NULL)
		buf_printf(out, ", one of: %s", words);
	explain_limits(key, out);
	buf_printf(out, "\n    default: %s\n",
	    key->dflt[0] == '\0' ? "(empty)" : key->dflt);
	return true;
}

static void
explain_limits(const struct conf_key *key, struct buf *out)
{
	if (key->min == 0 && key->max == 0)
		return;
	buf_add_str(out, ", from ");
	if (key->type == CONF_SIZE) {
		conf_write_size(out, key->min);
		buf_add_str(out, " to ");
		conf_write_size(out, key->max);
	} else if (key->type == CONF_DURATION) {
		conf_write_duration(out, (int64_t)key->min);
		buf_add_str(out, " to ");
		conf_write_duration(out, (int64_t)key->max);
	} else {
		buf_printf(out, "%llu to %llu", (unsigned long long)key->min,
		    (unsigned long long)key->max);
	}
}

/* A section ("smtp") or a block kind: its text and its keys. */
static bool
explain_group(struct slice name, struct buf *out)
{
	const struct conf_kind *kind = &conf_kinds[0];
	const struct conf_key *key;
	size_t i, k;
	bool any = false;

	for (k = 1; k < CONF_KINDS; k++)
		if (slice_eq(name, slice_str(conf_kinds[k].name))) {
			kind = &conf_kinds[k];
			buf_printf(out, "%s NAME { ... }\n    %s\n\n",
			    kind->name, kind->text);
		}
	for (i = 0; i < kind->nkeys; i++) {
		key = &kind->keys[i];
		if (kind == conf_kinds &&
		    !(slice_starts(slice_str(key->name), name) &&
		    key->name[name.n] == '.'))
			continue;
		explain_key(kind, key, out);
		any = true;
	}
	return any;
}

void
conf_explain_all(struct buf *out)
{
	const struct conf_kind *kind;
	size_t i, k;

	for (k = 0; k < CONF_KINDS; k++) {
		kind = &conf_kinds[k];
		for (i = 0; i < kind->nkeys; i++)
			buf_printf(out, "%s%s%s\n", kind->name,
			    k == 0 ? "" : ".", kind->keys[i].name);
	}
	buf_add_str(out, "\n`chasqui config explain KEY` says more; so it does "
	    "for a section such as smtp.\n");
}

static bool
explain_nearest(struct slice name, struct buf *out)
{
	const char *names[CONF_KEYS_MAX + CONF_KINDS], *near;
	size_t i, n = 0;

	for (i = 1; i < CONF_KINDS; i++)
		names[n++] = conf_kinds[i].name;
	for (i = 0; i < conf_kinds[0].nkeys && n < CONF_KEYS_MAX; i++)
		names[n++] = conf_kinds[0].keys[i].name;
	names[n] = NULL;
	near = conf_nearest(name, names);
	if (near != NULL)
		buf_printf(out, "there is no key \"%s\"; did you mean "
		    "\"%s\"?\n", conf_show(name).s, near);
	else
		buf_printf(out, "there is no key \"%s\"\n", conf_show(name).s);
	return false;
}

int
conf_write_mdoc(struct buf *out)
{
	const struct conf_kind *kind;
	size_t k;

	buf_add_str(out, ".Ss Keys\n");
	mdoc_keys(&conf_kinds[0], out);
	for (k = 1; k < CONF_KINDS; k++) {
		kind = &conf_kinds[k];
		buf_printf(out, ".Ss %s NAME { ... }\n", kind->name);
		mdoc_text(kind->text, out);
		mdoc_keys(kind, out);
	}
	return out->n < out->max ? 0 : -1;
}

static void
mdoc_keys(const struct conf_kind *kind, struct buf *out)
{
	struct buf type = BUF_INIT(4096);
	const struct conf_key *key;
	const char *words;
	size_t i;

	buf_add_str(out, ".Bl -tag -width Ds\n");
	for (i = 0; i < kind->nkeys; i++) {
		key = &kind->keys[i];
		words = conf_words_of(kind, key);
		buf_printf(out, ".It Ic %s\n", key->name);
		mdoc_text(key->text, out);
		buf_reset(&type);
		buf_printf(&type, "Type: %s", conf_type_name(key->type));
		if (words != NULL)
			buf_printf(&type, ", one of: %s", words);
		explain_limits(key, &type);
		buf_add_byte(&type, '.');
		mdoc_text(buf_cstr(&type), out);
		if (key->dflt[0] == '\0')
			buf_add_str(out, "Default: empty.\n");
		else
			buf_printf(out, "Default:\n.Ql %s .\n", key->dflt);
	}
	buf_add_str(out, ".El\n");
	buf_clear(&type);
}

/* New sentence, new line; lines end before column 80; what mdoc would take as
 * its own is escaped. */
static void
mdoc_text(const char *text, struct buf *out)
{
	size_t column = 0, word;

	for (; *text != '\0'; text++) {
		if (text[0] == '.' && text[1] == ' ' && text[2] == ' ') {
			buf_add_str(out, ".\n");
			text += 2;
			column = 0;
			continue;
		}
		word = strcspn(text + 1, " ");
		if (*text == ' ' && column + 1 + word > 72) {
			buf_add_byte(out, '\n');
			column = 0;
			continue;
		}
		if (column == 0 && (*text == '.' || *text == '\''))
			buf_add_str(out, "\\&");
		if (*text == '\\')
			buf_add_str(out, "\\e");
		else if (*text == '~')
			buf_add_str(out, "\\(ti");
		else
			buf_add_byte(out, *text);
		column++;
	}
	buf_add_byte(out, '\n');
}
