/* SPDX-License-Identifier: ISC */
/* event - see event.h. */
#include "history/event.h"

static struct slice take_value(struct slice *rest, char **room);
static struct slice take_quoted(struct slice *rest, char **room);
static int	 hex_digit(char);

void
history_event_parse(struct history_event *e, struct slice line, char *room)
{
	struct slice rest = line, key, value;
	size_t end;

	e->line = line;
	e->id = e->name = SLICE_EMPTY;
	e->nfields = 0;
	while (rest.n > 0 && e->nfields < HISTORY_FIELDS) {
		end = slice_find(rest, ' ');
		key = slice_first(rest, slice_find(rest, '='));
		if (key.n >= end || key.n == 0) {
			/* no word of ours; at its end a blank, or all */
			rest = slice_from(rest, end < rest.n ? end + 1 : end);
			continue;
		}
		rest = slice_from(rest, key.n + 1);
		value = take_value(&rest, &room);
		e->fields[e->nfields++] = (struct history_field){ key, value };
		if (e->id.n == 0 && slice_eq(key, SLICE_LIT("id")))
			e->id = value;
		else if (e->name.n == 0 && slice_eq(key, SLICE_LIT("event")))
			e->name = value;
	}
}

/* Up to a blank, which is taken too. */
static struct slice
take_value(struct slice *rest, char **room)
{
	struct slice value;

	if (rest->n > 0 && rest->p[0] == '"')
		return take_quoted(rest, room);
	value = slice_first(*rest, slice_find(*rest, ' '));
	*rest = slice_from(*rest, value.n < rest->n ? value.n + 1 : value.n);
	return value;
}

/* From '"' to '"', or to the end of a line that was cut.  Words of our own may
 * hold backslashes that mean nothing. */
static struct slice
take_quoted(struct slice *rest, char **room)
{
	struct slice in = slice_from(*rest, 1);
	char *to = *room, *start = to;
	size_t i;

	for (i = 0; i < in.n && in.p[i] != '"'; i++) {
		if (in.p[i] == '\\' && in.n - i > 3 && in.p[i + 1] == 'x' &&
		    hex_digit(in.p[i + 2]) != -1 &&
		    hex_digit(in.p[i + 3]) != -1) {
			*to++ = (char)(hex_digit(in.p[i + 2]) << 4 |
			    hex_digit(in.p[i + 3]));
			i += 3;
		} else
			*to++ = in.p[i];
	}
	*room = to;
	in = slice_from(in, i < in.n ? i + 1 : i);
	*rest = in.n > 0 && in.p[0] == ' ' ? slice_from(in, 1) : in;
	return slice_of(start, (size_t)(to - start));
}

static int
hex_digit(char c)
{
	c = ascii_lower(c);
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

struct slice
history_event_field(const struct history_event *e, const char *key)
{
	size_t i, n = strlen(key);

	for (i = 0; i < e->nfields; i++)
		if (e->fields[i].key.n == n &&
		    memcmp(e->fields[i].key.p, key, n) == 0)
			return e->fields[i].value;
	return (struct slice){ NULL, 0 };
}
