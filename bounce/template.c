/* SPDX-License-Identifier: ISC */
/* template - see template.h. */
#include <sys/stat.h>

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "mail/address.h"
#include "template.h"

static const struct {
	const char	*subject;
	const char	*text;
} builtin[NKINDS] = {
	[REPORT_FAILURE] = { "Your message was not delivered",
	    "This is the mail system of ${hostname}.\n"
	    "\n"
	    "Your message of ${arrival}\n"
	    "could not be delivered to:\n"
	    "\n"
	    "${recipients}"
	    "\n"
	    "No further attempt is made.  The message, or its header, is\n"
	    "attached.  If you need help, write to postmaster at your own\n"
	    "mail provider, and include this report.\n" },
	[REPORT_DELAY] = { "Your message is delayed",
	    "This is the mail system of ${hostname}.\n"
	    "\n"
	    "Your message of ${arrival}\n"
	    "could not be delivered yet to:\n"
	    "\n"
	    "${recipients}"
	    "\n"
	    "You need do nothing: delivery is tried until\n"
	    "${until}.\n"
	    "If it has not succeeded by then, you will be told.\n" },
	[REPORT_SUCCESS] = { "Your message was delivered",
	    "This is the mail system of ${hostname}.\n"
	    "\n"
	    "You asked to be told what became of your message of\n"
	    "${arrival}:\n"
	    "\n"
	    "${recipients}" },
	[REPORT_POSTMASTER] = { "Mail that could be neither delivered nor returned",
	    "This is the mail system of ${hostname}.\n"
	    "\n"
	    "The message ${queue_id} of ${arrival}\n"
	    "has no sender that its failure could be reported to.  It was for:\n"
	    "\n"
	    "${recipients}"
	    "\n"
	    "Its header is attached.\n" },
};

static int	read_file(int fd, struct buf *, const char *file,
		    struct buf *why);
static int	check(struct slice, const char *name, struct buf *why);
static size_t	value_length(const char *, enum template_value *);

void
templates_init(struct templates *t)
{
	unsigned i;

	memset(t, 0, sizeof(*t));
	for (i = 1; i < NKINDS; i++) {
		t->of[i].subject = mem_strdup(builtin[i].subject);
		t->of[i].text = mem_strdup(builtin[i].text);
	}
}

void
templates_clear(struct templates *t)
{
	unsigned i;

	for (i = 0; i < NKINDS; i++) {
		free(t->of[i].subject);
		free(t->of[i].text);
	}
	memset(t, 0, sizeof(*t));
}

int
templates_take(struct templates *t, struct slice name, int fd, struct buf *why)
{
	struct buf text = BUF_INIT(TEMPLATE_BYTES);
	unsigned i;
	int r;

	for (i = 1; i < NKINDS; i++)
		if (slice_eq(name, slice_str(report_text_file(i))))
			break;
	if (i == NKINDS) {
		buf_printf(why, "%.*s: not a text of reports",
		    SLICE_ARG(name));
		return -1;
	}
	r = read_file(fd, &text, report_text_file(i), why);
	if (r == 0)
		r = template_parse(&t->of[i], buf_slice(&text),
		    report_text_file(i), why);
	buf_clear(&text);
	return r;
}

static int
read_file(int fd, struct buf *b, const char *file, struct buf *why)
{
	char part[4096];
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode)) {
		buf_printf(why, "%s: not a file; ", file);
		return -1;
	}
	while ((n = read(fd, part, sizeof(part))) > 0) {
		if (buf_add(b, slice_of(part, (size_t)n)) == -1) {
			buf_printf(why, "%s: longer than %d bytes; ", file,
			    TEMPLATE_BYTES);
			return -1;
		}
	}
	if (n == -1)
		buf_printf(why, "%s: %s; ", file, strerror(errno));
	return n == -1 ? -1 : 0;
}

int
template_parse(struct template *t, struct slice s, const char *name,
    struct buf *why)
{
	const struct slice field = SLICE_LIT("Subject: ");
	struct slice subject = SLICE_EMPTY;
	size_t n;

	if (check(s, name, why) == -1)
		return -1;
	if (slice_starts(s, field)) {
		n = slice_find(s, '\n');
		subject = slice_trim(slice_from(slice_first(s, n), field.n));
		s = slice_from(s, n < s.n ? n + 1 : n);
		if (s.n > 0 && s.p[0] == '\n')
			s = slice_from(s, 1);
	}
	if (subject.n > 0) {
		free(t->subject);
		t->subject = mem_slicedup(subject);
	}
	free(t->text);
	t->text = mem_slicedup(s);
	return 0;
}

/* UTF-8, no control characters but LF and TAB, no unknown value. */
static int
check(struct slice s, const char *name, struct buf *why)
{
	enum template_value value;
	unsigned line = 1;
	char *text;
	size_t i;
	int r = 0;

	if (!slice_is_utf8(s)) {
		buf_printf(why, "%s: not UTF-8; ", name);
		return -1;
	}
	text = mem_slicedup(s);
	for (i = 0; i < s.n && r == 0; i++) {
		line += s.p[i] == '\n';
		if (((unsigned char)s.p[i] < ' ' && s.p[i] != '\n' &&
			s.p[i] != '\t') || s.p[i] == 127) {
			buf_printf(why, "%s:%u: a control character; ", name,
			    line);
			r = -1;
		} else if (text[i] == '$' && text[i + 1] == '{' &&
		    value_length(text + i, &value) == 0) {
			buf_printf(why, "%s:%u: no such value: %.20s; ", name,
			    line, text + i);
			r = -1;
		}
	}
	free(text);
	return r;
}

/* The length of "${name}" at the front; 0 where there is none. */
static size_t
value_length(const char *p, enum template_value *value_r)
{
	static const char *const names[] = {
#define X(name, text)	[VALUE_##name] = "${" text "}",
		TEMPLATE_VALUES(X)
#undef X
	};
	unsigned i;

	for (i = 0; i < NVALUES; i++) {
		if (strncmp(p, names[i], strlen(names[i])) == 0) {
			*value_r = (enum template_value)i;
			return strlen(names[i]);
		}
	}
	return 0;
}

bool
template_next(const char **text, struct slice *plain_r,
    enum template_value *value_r)
{
	const char *from = *text, *p = from;
	size_t n = value_length(p, value_r);

	if (*p == '\0')
		return false;
	*plain_r = SLICE_EMPTY;
	if (n > 0) {
		*text = p + n;
		return true;
	}
	for (p++; *p != '\0' && (*p != '$' || value_length(p, value_r) == 0);)
		p++;
	*plain_r = slice_of(from, (size_t)(p - from));
	*value_r = NVALUES;
	*text = p;
	return true;
}
