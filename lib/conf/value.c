/* SPDX-License-Identifier: ISC */
/*
 * value - typed values from words and back.
 *
 * What conf_value_write() writes, conf_parse() reads as the same value.
 */
#include <assert.h>
#include <inttypes.h>

#include "base/mem.h"
#include "base/num.h"
#include "conf/keys.h"

static int	 set_string(void *, const char *);
static int	 set_bool(void *, const char *, struct buf *);
static int	 set_number(const struct conf_key *, void *, const char *,
		    struct buf *);
static int	 set_list(struct arena *, const struct conf_key *, void *,
		    const char *const *, size_t, struct buf *, size_t *);
static int	 write_list(struct buf *, const struct conf_list *);
static void	 write_number(struct buf *, enum conf_type, uint64_t);

struct unit {
	const char	*name;
	uint64_t	 n;
};

/* The greatest first, so that writing finds the shortest form. */
static const struct unit sizes[] = {
	{ "T", (uint64_t)1 << 40 }, { "G", 1 << 30 }, { "M", 1 << 20 },
	{ "K", 1 << 10 }, { "", 1 },
};
static const struct unit durations[] = {
	{ "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 },
	{ "ms", 1 },
};
#define NUNITS	5

int
conf_value_set(struct arena *arena, const struct conf_key *key, void *object,
    const char *const *words, size_t n, struct buf *why, size_t *bad_r)
{
	void *to = (char *)object + key->offset;

	*bad_r = 0;
	if (key->type == CONF_LIST || key->type == CONF_NETS)
		return set_list(arena, key, to, words, n, why, bad_r);
	if (n != 1) {
		*bad_r = n > 1 ? 1 : 0;
		buf_printf(why, n == 0 ?
		    "%s wants a value (\"\" for an empty one)" :
		    "%s takes one value: put blanks and commas in quotes",
		    key->name);
		return -1;
	}
	switch (key->type) {
	case CONF_STRING:
		return set_string(to, words[0]);
	case CONF_BOOL:
		return set_bool(to, words[0], why);
	case CONF_INT:
	case CONF_SIZE:
	case CONF_DURATION:
		return set_number(key, to, words[0], why);
	case CONF_LIST:
	case CONF_NETS:
		break;
	}
	return -1;
}

/* The word lives in the configuration's arena already, or is a constant. */
static int
set_string(void *to, const char *word)
{
	*(const char **)to = word;
	return 0;
}

static int
set_bool(void *to, const char *word, struct buf *why)
{
	if (conf_word_in("yes true on", word)) {
		*(bool *)to = true;
		return 0;
	}
	if (conf_word_in("no false off", word)) {
		*(bool *)to = false;
		return 0;
	}
	buf_printf(why, "yes or no expected, not \"%s\"",
	    conf_show(slice_str(word)).s);
	return -1;
}

static int
set_number(const struct conf_key *key, void *to, const char *word,
    struct buf *why)
{
	struct slice s = slice_str(word);
	uint64_t v;
	bool ok;

	ok = key->type == CONF_INT ? slice_to_u64(s, 0, UINT64_MAX, &v) :
	    key->type == CONF_SIZE ? conf_size_parse(s, &v) :
	    conf_duration_parse(s, &v);
	if (!ok) {
		buf_printf(why, "%s expected, not \"%s\"",
		    key->type == CONF_INT ? "a number" :
		    key->type == CONF_SIZE ? "a size such as 512, 64K or 20M" :
		    "a time with its unit, such as 30s, 5m or 1h",
		    conf_show(s).s);
		return -1;
	}
	if (v < key->min || v > key->max) {
		buf_printf(why, "%s must be from ", key->name);
		write_number(why, key->type, key->min);
		buf_add_str(why, " to ");
		write_number(why, key->type, key->max);
		return -1;
	}
	if (key->type == CONF_DURATION)
		*(int64_t *)to = (int64_t)v;
	else
		*(uint64_t *)to = v;
	return 0;
}

static int
set_list(struct arena *arena, const struct conf_key *key, void *to,
    const char *const *words, size_t n, struct buf *why, size_t *bad_r)
{
	struct conf_list *list = to;
	struct conf_net net;
	const char **v;
	size_t i;

	for (i = 0; key->type == CONF_NETS && i < n; i++)
		if (!conf_net_parse(words[i], &net)) {
			*bad_r = i;
			buf_printf(why, "\"%s\" is not a network such as "
			    "192.0.2.0/24 or 2001:db8::/32 (bits behind the "
			    "prefix must be zero)",
			    conf_show(slice_str(words[i])).s);
			return -1;
		}
	v = arena_alloc(arena, (n + 1) * sizeof(*v));
	if (v == NULL) {
		buf_add_str(why, "the configuration is too large");
		return -1;
	}
	for (i = 0; i < n; i++)
		v[i] = words[i];
	*list = (struct conf_list){ v, n };
	return 0;
}

bool
conf_size_parse(struct slice s, uint64_t *v_r)
{
	uint64_t v;
	size_t i;

	if (parse_u64(&s, &v) != PARSE_OK)
		return false;
	for (i = 0; i < NUNITS; i++)
		if (slice_eq_nocase(s, slice_str(sizes[i].name)))
			return !__builtin_mul_overflow(v, sizes[i].n, v_r);
	return false;
}

bool
conf_limit_parse(struct slice s, struct conf_limit *limit_r)
{
	size_t slash = slice_find(s, '/');
	uint64_t n, ms;

	if (slash == s.n ||
	    !slice_to_u64(slice_first(s, slash), 1, 1000000000, &n) ||
	    !conf_duration_parse(slice_from(s, slash + 1), &ms) ||
	    ms < 1000 || ms > UINT64_C(31) * 86400000)
		return false;
	*limit_r = (struct conf_limit){ n, (int64_t)ms };
	return true;
}

bool
conf_duration_parse(struct slice s, uint64_t *v_r)
{
	uint64_t total = 0, v;
	size_t i, n;

	if (slice_eq(s, SLICE_LIT("0"))) {
		*v_r = 0;
		return true;
	}
	do {
		if (parse_u64(&s, &v) != PARSE_OK)
			return false;
		for (n = 0; n < s.n && (s.p[n] < '0' || s.p[n] > '9'); n++)
			;
		for (i = 0; i < NUNITS; i++)
			if (slice_eq(slice_first(s, n),
			    slice_str(durations[i].name)))
				break;
		if (i == NUNITS ||
		    __builtin_mul_overflow(v, durations[i].n, &v) ||
		    __builtin_add_overflow(total, v, &total))
			return false;
		s = slice_from(s, n);
	} while (s.n > 0);
	if (total > INT64_MAX)
		return false;
	*v_r = total;
	return true;
}

bool
conf_is_word_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') ||
	    (c != '\0' && strchr("._-+*:/@[]=!~%^|<>?", c) != NULL);
}

int
conf_value_write(const struct conf_key *key, const void *object,
    struct buf *out)
{
	const void *from = (const char *)object + key->offset;

	switch (key->type) {
	case CONF_STRING:
		return conf_word_write(out, *(const char *const *)from);
	case CONF_BOOL:
		return buf_add_str(out, *(const bool *)from ? "yes" : "no");
	case CONF_INT:
		return buf_printf(out, "%" PRIu64, *(const uint64_t *)from);
	case CONF_SIZE:
		return conf_write_size(out, *(const uint64_t *)from);
	case CONF_DURATION:
		return conf_write_duration(out, *(const int64_t *)from);
	case CONF_LIST:
	case CONF_NETS:
		return write_list(out, from);
	}
	return -1;
}

int
conf_word_write(struct buf *out, const char *word)
{
	size_t i;
	int r = 0;

	for (i = 0; conf_is_word_char(word[i]); i++)
		;
	if (i > 0 && word[i] == '\0')
		return buf_add_str(out, word);
	r |= buf_add_byte(out, '"');
	for (i = 0; word[i] != '\0'; i++) {
		if (word[i] == '"' || word[i] == '\\')
			r |= buf_add_byte(out, '\\');
		r |= buf_add_byte(out, word[i]);
	}
	r |= buf_add_byte(out, '"');
	return r;
}

static int
write_list(struct buf *out, const struct conf_list *list)
{
	size_t i;
	int r;

	if (list->n == 0)
		return buf_add_str(out, "{ }");
	for (i = 0, r = 0; i < list->n; i++) {
		if (i > 0)
			r |= buf_add_byte(out, ' ');
		r |= conf_word_write(out, list->v[i]);
	}
	return r;
}

static void
write_number(struct buf *out, enum conf_type type, uint64_t v)
{
	if (type == CONF_SIZE)
		conf_write_size(out, v);
	else if (type == CONF_DURATION)
		conf_write_duration(out, (int64_t)v);
	else
		buf_printf(out, "%" PRIu64, v);
}

static int
write_unit(struct buf *out, const struct unit *units, uint64_t v)
{
	size_t i;

	for (i = 0; i < NUNITS - 1 && (v == 0 || v % units[i].n != 0); i++)
		;
	return buf_printf(out, "%" PRIu64 "%s", v / units[i].n, units[i].name);
}

int
conf_write_size(struct buf *out, uint64_t v)
{
	return write_unit(out, sizes, v);
}

int
conf_write_duration(struct buf *out, int64_t v)
{
	assert(v >= 0);
	return v == 0 ? buf_add_str(out, "0s") :
	    write_unit(out, durations, (uint64_t)v);
}
