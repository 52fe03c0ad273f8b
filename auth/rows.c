/* SPDX-License-Identifier: ISC */
/* rows - see rows.h. */
#include "rows.h"

static const char *const names[ROW_COLUMNS] = { "password", "scram_sha_256",
	"scram_sha_1", "app", "protocols", "disabled", "expired" };

static struct slice	 text_of(const struct row_columns *, row_text_fn *,
			    void *arg, enum row_column);
static bool		 take_text(const struct row_columns *, row_text_fn *,
			    void *arg, struct arena *, enum row_column,
			    struct slice *);
static bool		 is_true(struct slice);

void
row_columns_init(struct row_columns *c)
{
	int i;

	for (i = 0; i < ROW_COLUMNS; i++)
		c->at[i] = -1;
}

bool
row_columns_add(struct row_columns *c, const char *name, int number)
{
	int i;

	for (i = 0; i < ROW_COLUMNS; i++)
		if (strcmp(name, names[i]) == 0) {
			c->at[i] = number;
			return true;
		}
	return false;
}

bool
row_take(const struct row_columns *c, row_text_fn *text, void *arg,
    struct arena *arena, struct slice login, struct account *a)
{
	struct slice protocols;

	*a = (struct account){ .protocols = ACCOUNT_ALL,
		.disabled = is_true(text_of(c, text, arg, ROW_DISABLED)),
		.expired = is_true(text_of(c, text, arg, ROW_EXPIRED)) };
	if (arena_copy(arena, login, &a->login) == -1 ||
	    !take_text(c, text, arg, arena, ROW_PASSWORD, &a->stored) ||
	    !take_text(c, text, arg, arena, ROW_SCRAM_SHA_256,
	    &a->scram[SASL_SHA_256]) ||
	    !take_text(c, text, arg, arena, ROW_SCRAM_SHA_1,
	    &a->scram[SASL_SHA_1]) ||
	    !take_text(c, text, arg, arena, ROW_APP, &a->app) ||
	    !take_text(c, text, arg, arena, ROW_PROTOCOLS, &protocols))
		return false;
	if (a->stored.n == 0)
		a->stored = SLICE_LIT("*");
	return (a->app.n == 0 || app_name_is_valid(a->app)) &&
	    (protocols.n == 0 ||
	    account_protocols_parse(protocols, &a->protocols));
}

static struct slice
text_of(const struct row_columns *c, row_text_fn *text, void *arg,
    enum row_column column)
{
	return c->at[column] == -1 ? SLICE_EMPTY : text(arg, c->at[column]);
}

static bool
take_text(const struct row_columns *c, row_text_fn *text, void *arg,
    struct arena *arena, enum row_column column, struct slice *out_r)
{
	struct slice s = text_of(c, text, arg, column);

	*out_r = SLICE_EMPTY;
	return s.n == 0 || (s.n <= ACCOUNT_LINE_BYTES &&
	    arena_copy(arena, s, out_r) == 0);
}

/* A word that is not known shuts a door, and opens none. */
static bool
is_true(struct slice s)
{
	static const char *const no[] = { "0", "f", "false", "n", "no" };
	size_t i;

	for (i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		if (slice_eq_nocase(s, slice_str(no[i])))
			return false;
	return s.n > 0;
}
