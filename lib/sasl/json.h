/* SPDX-License-Identifier: ISC */
/* json - RFC 8259 as far as tokens need it: one object, taken apart one level.
 * Strict: names occur once, nesting is limited, nothing follows the end. */
#ifndef SASL_JSON_H
#define SASL_JSON_H

#include <stdint.h>

#include "base/arena.h"
#include "base/slice.h"

#define JSON_MEMBERS	100	/* of the object, or of an array */
#define JSON_DEPTH	16

enum json_kind {
	JSON_STRING, JSON_NUMBER, JSON_OBJECT, JSON_ARRAY, JSON_TRUE,
	JSON_FALSE, JSON_NULL,
};

struct json_value {
	enum json_kind	 kind;
	struct slice	 raw;		/* points into the text */
	struct slice	 text;		/* STRING: decoded, in the arena */
};

struct json_member {
	struct slice	 name;		/* decoded, in the arena */
	struct json_value value;
};

struct json_object {
	struct json_member	 v[JSON_MEMBERS];
	size_t			 n;
};

bool	 json_object_parse(struct slice text, struct arena *,
	    struct json_object *);
/* NULL: there is none of that name. */
const struct json_value *json_find(const struct json_object *,
	    const char *name);
/* The strings of an array (of a string: itself), at most room; -1 where another
 * value is among them. */
int	 json_strings(const struct json_value *, struct arena *,
	    struct slice *out, int room);
/* A whole number, or the whole part of another, from 0 to 2^53. */
bool	 json_time(const struct json_value *, int64_t *seconds_r);

#endif
