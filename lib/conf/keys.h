/* SPDX-License-Identifier: ISC */
/* keys - the schema as data, for the files of this directory only. */
#ifndef CONF_KEYS_H
#define CONF_KEYS_H

#include "base/arena.h"
#include "conf/conf.h"

enum conf_type {
	CONF_STRING,
	CONF_BOOL,
	CONF_INT,
	CONF_SIZE,
	CONF_DURATION,
	CONF_LIST,
	CONF_NETS,
};

struct conf_key {
	const char	*name;		/* "smtp.max_message", "address" */
	enum conf_type	 type;
	const char	*dflt;
	uint64_t	 min, max;
	uint32_t	 readers;
	const char	*text;
	size_t		 offset;	/* in its struct */
};

/* A block kind; the first one is the file itself, an object that exists
 * once. */
struct conf_kind {
	const char		*name;	/* "listener", "" */
	const struct conf_key	*keys;
	size_t			 nkeys;
	size_t			 size;	/* of one object */
	size_t			 array;	/* offset of the array in struct conf */
	size_t			 count;	/* offset of its length */
	const char		*text;
};

#define COUNT_KIND_(kind, KEYS, text)	+ 1
#define CONF_KINDS	(1 CONF_BLOCK_KINDS(COUNT_KIND_))
#define CONF_KEYS_MAX	256	/* of one kind */

extern const struct conf_kind conf_kinds[CONF_KINDS];

/* Where a value, or with key NULL a block's name, stands in the file.  Sorted
 * by all but the position. */
struct conf_mark {
	const struct conf_key	*key;
	size_t			 kind;	/* index in conf_kinds */
	size_t			 block;	/* index in its array */
	size_t			 item;	/* of a list */
	unsigned		 line, column;
};
int	 conf_mark_cmp(const void *, const void *);

/* The key of a kind; NULL where there is none. */
const struct conf_key *conf_key_find(const struct conf_kind *, struct slice);
/* Objects of a kind in a configuration. */
size_t	 conf_count(const struct conf *, const struct conf_kind *);
void	*conf_object(const struct conf *, const struct conf_kind *, size_t i);
/* The words that a STRING may be, blank-separated; NULL: any. */
const char *conf_words_of(const struct conf_kind *, const struct conf_key *);
bool	 conf_word_in(const char *words, const char *word);
const char *conf_type_name(enum conf_type);

/* As conf_parse(), but what is left of a text with mistakes is given back, too:
 * *ok_r is false.  NULL: it is too large. */
struct conf *conf_parse_anyway(struct slice text, const char *name,
	    struct buf *why, bool *ok_r);
/* A configuration in which every key has its default. */
struct conf *conf_new(const char *path);
void	 conf_set_defaults(struct arena *, const struct conf_kind *,
	    void *object);
/* Sets a key from n words.  -1 and why when they do not fit; *bad_r is then the
 * number of the word. */
int	 conf_value_set(struct arena *, const struct conf_key *, void *object,
	    const char *const *words, size_t n, struct buf *why, size_t *bad_r);
/* The value as conf_parse() reads it. */
int	 conf_value_write(const struct conf_key *, const void *object,
	    struct buf *);
bool	 conf_is_word_char(char);
int	 conf_write_size(struct buf *, uint64_t);
int	 conf_write_duration(struct buf *, int64_t);

/* The nearest of names (ended by NULL) to a misspelt one; NULL: none is
 * near. */
const char *conf_nearest(struct slice wrong, const char *const *names);
/* A word of the file for a message: printable, cut. */
struct conf_shown {
	char	s[68];
};
struct conf_shown conf_show(struct slice);

/* ADDRESS, ADDRESS:PORT, [v6]:PORT, v6%scope. */
bool	 conf_name_server_is_valid(const char *);
/* dns.servers from the nameserver lines of resolv.conf(5); other lines and
 * broken ones are passed over. */
void	 conf_take_resolv_conf(struct conf *, struct slice text);

#endif
