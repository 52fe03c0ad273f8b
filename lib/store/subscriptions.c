/* SPDX-License-Identifier: ISC */
/* subscriptions - see subscriptions.h. */
#include <errno.h>
#include <string.h>

#include "list.h"
#include "names.h"
#include "subscriptions.h"

#define FILE_NAME	"subscriptions"
#define COURIER_NAME	"courierimapsubscribed"
#define V2_HEADER	"V\t2\n\n"

enum subscriptions_form
subscriptions_form(struct slice text)
{
	return slice_starts(text, SLICE_LIT("V\t2\n")) ? SUBSCRIPTIONS_V2 :
	    SUBSCRIPTIONS_V1;
}

/* Version 2 escapes TAB, LF, NUL and SOH with SOH; none can be in a name. */
static bool
line_to_name(struct slice line, enum subscriptions_form form, struct buf *b)
{
	size_t i;

	buf_reset(b);
	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	if (form == SUBSCRIPTIONS_COURIER &&
	    slice_starts(line, SLICE_LIT("INBOX.")))
		line = slice_from(line, 6);
	if (slice_eq_nocase(line, SLICE_LIT("INBOX")))
		return buf_add(b, SLICE_LIT("INBOX")) == 0;
	/* With the layout fs the levels stood behind '/'. */
	if (form != SUBSCRIPTIONS_V2 &&
	    (form == SUBSCRIPTIONS_COURIER || line.n == 0 ||
	    memchr(line.p, '/', line.n) == NULL))
		return name_from_dir(line, b) == PARSE_OK;
	if (memchr(line.p, '.', line.n) != NULL)
		return false;
	{
		struct buf dir = BUF_INIT(4 * STORE_NAME_BYTES);
		bool ok = buf_add(&dir, line) == 0;

		for (i = 0; i < dir.n; i++)
			if (dir.p[i] == (form == SUBSCRIPTIONS_V2 ? '\t' :
			    '/'))
				dir.p[i] = '.';
		ok = ok && name_from_dir(buf_slice(&dir), b) == PARSE_OK;
		buf_clear(&dir);
		return ok;
	}
}

bool
subscriptions_parse(struct slice text, enum subscriptions_form form,
    bool (*each)(void *, struct slice), void *arg)
{
	struct buf b = BUF_INIT(STORE_NAME_BYTES + 1);
	struct slice line;
	bool go_on = true;
	unsigned n = 0;

	if (form == SUBSCRIPTIONS_V2)
		text = slice_from(text, sizeof("V\t2\n") - 1);
	while (go_on && n < STORE_MAILBOXES && text.n > 0 &&
	    slice_next(&text, '\n', &line))
		if (line.n > 0 && line_to_name(line, form, &b)) {
			go_on = each(arg, buf_slice(&b));
			n++;
		}
	buf_clear(&b);
	return go_on;
}

static void
read_text(struct store *s, struct buf *b, enum subscriptions_form *form_r)
{
	*form_r = SUBSCRIPTIONS_V1;
	if (fs_read_file(s->fs, s->root, FILE_NAME, b,
	    SUBSCRIPTIONS_BYTES, NULL) == 0)
		*form_r = subscriptions_form(buf_slice(b));
	else if (fs_read_file(s->fs, s->root, COURIER_NAME, b,
	    SUBSCRIPTIONS_BYTES, NULL) == 0)
		*form_r = SUBSCRIPTIONS_COURIER;
}

void
subscriptions_each(struct store *s, bool (*each)(void *, struct slice),
    void *arg)
{
	struct buf b = BUF_INIT(SUBSCRIPTIONS_BYTES);
	enum subscriptions_form form;

	read_text(s, &b, &form);
	subscriptions_parse(buf_slice(&b), form, each, arg);
	buf_clear(&b);
}

struct writer {
	struct buf	 text;
	const struct slice *names;	/* that are to be left out */
	size_t		 n, found;
	bool		 v2;
};

static bool
write_name(struct writer *w, struct slice name)
{
	struct buf b = BUF_INIT(4 * STORE_NAME_BYTES);
	size_t i;
	bool ok;

	if (slice_eq(name, SLICE_LIT("INBOX")))
		ok = buf_add(&b, SLICE_LIT(".INBOX")) == 0;
	else
		ok = name_to_dir(name, true, &b) == 0;
	for (i = 1; w->v2 && i < b.n; i++)
		if (b.p[i] == '.')
			b.p[i] = '\t';
	ok = ok && buf_add(&w->text, slice_from(buf_slice(&b), 1)) == 0 &&
	    buf_add_byte(&w->text, '\n') == 0;
	buf_clear(&b);
	return ok;
}

static bool
keep_name(void *arg, struct slice name)
{
	struct writer *w = arg;

	size_t i;

	for (i = 0; i < w->n; i++)
		if (slice_eq(name, w->names[i])) {
			w->found++;
			return true;
		}
	return write_name(w, name);
}

static enum store_result
change(struct store *s, const struct slice *names, size_t n, bool on)
{
	struct buf b = BUF_INIT(SUBSCRIPTIONS_BYTES);
	struct writer w = { .text = BUF_INIT(SUBSCRIPTIONS_BYTES),
		.names = names, .n = n };
	enum subscriptions_form form;
	enum store_result r = STORE_OK;
	size_t i;

	read_text(s, &b, &form);
	w.v2 = form == SUBSCRIPTIONS_V2;
	if (w.v2)
		buf_add(&w.text, SLICE_LIT(V2_HEADER));
	if (!subscriptions_parse(buf_slice(&b), form, keep_name, &w))
		r = STORE_LIMIT;
	for (i = 0; on && i < n; i++)
		if (!write_name(&w, names[i]))
			r = STORE_LIMIT;
	if (r == STORE_OK && w.found != (on ? n : 0) &&
	    fs_replace(s->fs, s->root, FILE_NAME, buf_slice(&w.text),
	    true) == -1)
		r = store_failed(s);
	buf_clear(&w.text);
	buf_clear(&b);
	return r;
}

enum store_result
subscriptions_add(struct store *s, const struct slice *names, size_t n)
{
	return change(s, names, n, true);
}

enum store_result
store_subscribe(struct store *s, struct slice name, bool on)
{
	enum store_result r;

	name = name_canonical(name);
	if (!name_is_valid(name))
		return STORE_BAD_NAME;
	r = store_lock(s);
	if (r != STORE_OK)
		return r;
	r = change(s, &name, 1, on);
	store_unlock(s);
	return r;
}
