/* SPDX-License-Identifier: ISC */
/* account - see account.h. */
#include "sasl/account.h"
#include "sasl/prep.h"

static const struct {
	const char	*name;
	unsigned	 bit;
} protocols[] = {
	{ "imap", ACCOUNT_IMAP }, { "pop3", ACCOUNT_POP3 },
	{ "smtp", ACCOUNT_SMTP },
};
#define NPROTOCOLS	(sizeof(protocols) / sizeof(protocols[0]))

static bool	 take_field(struct slice *rest, struct slice *field_r);
static enum parse take_attributes(struct slice, struct account *,
		    const char **why);
static enum parse parse_colons(struct slice, struct account *,
		    const char **why);
static bool	 is_login(struct slice);

/* Up to blanks, which are skipped. */
static bool
take_field(struct slice *rest, struct slice *field_r)
{
	size_t i = 0, j;

	while (i < rest->n && (rest->p[i] == ' ' || rest->p[i] == '\t'))
		i++;
	for (j = i; j < rest->n && rest->p[j] != ' ' && rest->p[j] != '\t'; j++)
		;
	*field_r = slice_first(slice_from(*rest, i), j - i);
	*rest = slice_from(*rest, j);
	return field_r->n > 0;
}

enum parse
account_parse(struct slice line, struct account *a, const char **why)
{
	struct slice rest = slice_trim(line);
	size_t i;

	if (rest.n == 0 || rest.p[0] == '#')
		return PARSE_MORE;
	*a = (struct account){ .protocols = ACCOUNT_ALL };
	*why = "too long";
	if (rest.n > ACCOUNT_LINE_BYTES)
		return PARSE_BAD;
	*why = "control characters";
	for (i = 0; i < rest.n; i++)
		if (((unsigned char)rest.p[i] < ' ' && rest.p[i] != '\t') ||
		    rest.p[i] == 127)
			return PARSE_BAD;
	take_field(&rest, &a->login);
	if (slice_find(a->login, ':') < a->login.n)
		return parse_colons(slice_trim(line), a, why);
	*why = "not a login name";
	if (!is_login(a->login))
		return PARSE_BAD;
	*why = "no password (\"*\" for none)";
	if (!take_field(&rest, &a->stored))
		return PARSE_BAD;
	return take_attributes(rest, a, why);
}

/* Only what is prepared already can be found. */
static bool
is_login(struct slice s)
{
	struct buf b = BUF_INIT(SASL_LOGIN_BYTES);
	bool ok = s.n <= SASL_LOGIN_BYTES && sasl_prep_name(s, &b) &&
	    b.n == s.n && slice_eq_nocase(s, buf_slice(&b));

	buf_clear(&b);
	return ok;
}

/* login:stored:uid:gid:gecos:home:shell:extra */
static enum parse
parse_colons(struct slice line, struct account *a, const char **why)
{
	struct slice rest = line;

	slice_next(&rest, ':', &a->login);
	slice_next(&rest, ':', &a->stored);
	*why = "not a login name";
	if (!is_login(a->login))
		return PARSE_BAD;
	*why = "blanks in the password";
	if (slice_find(a->stored, ' ') < a->stored.n ||
	    slice_find(a->stored, '\t') < a->stored.n)
		return PARSE_BAD;
	/* "nologin" among the extra fields is a lock. */
	a->disabled = rest.p != NULL &&
	    memmem(rest.p, rest.n, "nologin", 7) != NULL;
	if (a->stored.n == 0)
		a->stored = SLICE_LIT("*");
	return PARSE_OK;
}

static enum parse
take_attributes(struct slice rest, struct account *a, const char **why)
{
	struct slice word, name, value;

	while (take_field(&rest, &word)) {
		name = slice_first(word, slice_find(word, '='));
		value = name.n < word.n ? slice_from(word, name.n + 1) :
		    SLICE_EMPTY;
		if (slice_eq(name, SLICE_LIT("scram-sha-256"))) {
			a->scram[SASL_SHA_256] = value;
		} else if (slice_eq(name, SLICE_LIT("scram-sha-1"))) {
			a->scram[SASL_SHA_1] = value;
		} else if (slice_eq(name, SLICE_LIT("app"))) {
			*why = "not a name of an app password";
			if (!app_name_is_valid(value))
				return PARSE_BAD;
			a->app = value;
		} else if (slice_eq(name, SLICE_LIT("made"))) {
			a->made = value;
		} else if (slice_eq(name, SLICE_LIT("protocols"))) {
			*why = "protocols are imap, pop3 and smtp";
			if (!account_protocols_parse(value, &a->protocols))
				return PARSE_BAD;
		} else if (slice_eq(word, SLICE_LIT("disabled"))) {
			a->disabled = true;
		} else if (slice_eq(word, SLICE_LIT("expired"))) {
			a->expired = true;
		} else {
			/* To pass over "disable" would be to let him in. */
			*why = "unknown attribute";
			return PARSE_BAD;
		}
	}
	return PARSE_OK;
}

bool
account_protocols_parse(struct slice s, unsigned *mask_r)
{
	struct slice word;
	unsigned mask = 0;
	size_t i;

	while (slice_next(&s, ',', &word)) {
		for (i = 0; i < NPROTOCOLS; i++)
			if (slice_eq_nocase(word,
			    slice_str(protocols[i].name)))
				break;
		if (i == NPROTOCOLS)
			return false;
		mask |= protocols[i].bit;
	}
	*mask_r = mask;
	return mask != 0;
}

bool
app_name_is_valid(struct slice s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (!((s.p[i] >= 'a' && s.p[i] <= 'z') ||
		    (s.p[i] >= 'A' && s.p[i] <= 'Z') ||
		    (s.p[i] >= '0' && s.p[i] <= '9') ||
		    (i > 0 && strchr("._-", s.p[i]) != NULL &&
		    s.p[i] != '\0')))
			return false;
	return s.n > 0 && s.n <= APP_NAME_BYTES;
}

int
account_write(struct buf *b, const struct account *a)
{
	size_t from = b->n, i;
	const char *sep = "";
	int r;

	r = buf_printf(b, "%.*s\t%.*s", SLICE_ARG(a->login),
	    SLICE_ARG(a->stored));
	if (a->scram[SASL_SHA_256].n > 0)
		r |= buf_printf(b, "\tscram-sha-256=%.*s",
		    SLICE_ARG(a->scram[SASL_SHA_256]));
	if (a->scram[SASL_SHA_1].n > 0)
		r |= buf_printf(b, "\tscram-sha-1=%.*s",
		    SLICE_ARG(a->scram[SASL_SHA_1]));
	if (a->app.n > 0)
		r |= buf_printf(b, "\tapp=%.*s", SLICE_ARG(a->app));
	if (a->made.n > 0)
		r |= buf_printf(b, "\tmade=%.*s", SLICE_ARG(a->made));
	if (a->protocols != ACCOUNT_ALL) {
		r |= buf_add_str(b, "\tprotocols=");
		for (i = 0; i < NPROTOCOLS; i++)
			if (a->protocols & protocols[i].bit) {
				r |= buf_printf(b, "%s%s", sep,
				    protocols[i].name);
				sep = ",";
			}
	}
	if (a->disabled)
		r |= buf_add_str(b, "\tdisabled");
	if (a->expired)
		r |= buf_add_str(b, "\texpired");
	r |= buf_add_byte(b, '\n');
	if (r != 0 || b->n - from > ACCOUNT_LINE_BYTES)
		b->n = from;
	return b->n > from ? 0 : -1;
}
