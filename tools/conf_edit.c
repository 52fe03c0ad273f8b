/* SPDX-License-Identifier: ISC */
/* conf_edit - see conf_edit.h. */
#include <errno.h>
#include <stdio.h>
#include <sysexits.h>

#include "conf_edit.h"

static struct slice whole_lines(struct slice text, struct slice span);
static int	 fail(struct conf_edit *, int status, const char *why);

int
conf_edit_begin(struct conf_edit *e, struct tool *t)
{
	struct buf why = BUF_INIT(8192);

	e->tool = t;
	e->text = BUF_INIT(CONF_FILE_BYTES);
	tool_conf(t);	/* a broken one is not built upon */
	if (text_file_open(&e->file, tool_conf_path(t), true, &why) == -1)
		return fail(e, errno == EACCES ? EX_NOPERM : EX_CANTCREAT,
		    buf_cstr(&why));
	buf_add(&e->text, buf_slice(&e->file.text));
	if (e->text.n > 0 && e->text.p[e->text.n - 1] != '\n')
		buf_add_byte(&e->text, '\n');
	return 0;
}

static int
fail(struct conf_edit *e, int status, const char *why)
{
	conf_edit_abandon(e);
	return tool_fail(status, "%s", why);
}

void
conf_edit_abandon(struct conf_edit *e)
{
	text_file_close(&e->file);
	buf_clear(&e->text);
}

int
conf_edit_finish(struct conf_edit *e)
{
	struct buf why = BUF_INIT(64 * 1024);
	struct conf *c = conf_parse(buf_slice(&e->text), e->file.path, &why);
	int r;

	if (c == NULL) {
		fprintf(stderr, "%s", buf_cstr(&why));
		buf_clear(&why);
		return fail(e, EX_DATAERR, "with this change the configuration "
		    "would have errors (the lines are those it would have "
		    "had); nothing was changed");
	}
	conf_free(&c);
	r = text_file_replace(&e->file, buf_slice(&e->text), &why);
	if (r == -1 || why.n > 0)
		return fail(e, EX_CANTCREAT, buf_cstr(&why));
	conf_edit_abandon(e);
	return tool_reload_if_running(e->tool);
}

bool
conf_edit_drop_block(struct conf_edit *e, const char *kind, const char *name)
{
	struct slice span, lines, before;
	struct buf rest = BUF_INIT(CONF_FILE_BYTES);

	if (!conf_block_find(buf_slice(&e->text), kind, name, &span))
		return false;
	lines = whole_lines(buf_slice(&e->text), span);
	before = slice_first(buf_slice(&e->text),
	    (size_t)(lines.p - e->text.p));
	buf_add(&rest, before);
	buf_add(&rest, slice_from(buf_slice(&e->text), before.n + lines.n));
	buf_clear(&e->text);
	e->text = rest;
	return true;
}

/* Blanks before it, and behind it up to the line's end, if that is all that
 * its lines have beside it, and an empty line where one stands on either side;
 * otherwise the span as it is. */
static struct slice
whole_lines(struct slice text, struct slice span)
{
	size_t from = (size_t)(span.p - text.p), to = from + span.n;
	size_t a = from, b = to;

	while (a > 0 && (text.p[a - 1] == ' ' || text.p[a - 1] == '\t'))
		a--;
	while (b < text.n && (text.p[b] == ' ' || text.p[b] == '\t' ||
	    text.p[b] == ';'))
		b++;
	if ((a > 0 && text.p[a - 1] != '\n') ||
	    (b < text.n && text.p[b] != '\n'))
		return span;
	b += b < text.n ? 1 : 0;
	if (a > 1 && text.p[a - 2] == '\n' && (b == text.n ||
	    text.p[b] == '\n'))
		a--;
	return slice_of(text.p + a, b - a);
}
