/* SPDX-License-Identifier: ISC */
/* cmd_queue_shape - `chasqui queue shape`: how much waits, where to, and for
 * how long. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "base/mem.h"
#include "base/num.h"
#include "chasqui.h"
#include "ipc/json.h"
#include "ipc/queue_shape.h"
#include "suite_view.h"

#define ROWS		20	/* without --rows */
#define NAME_COLUMNS	20
#define BAR_COLUMNS	40
/* An age class has a letter of its own in a bar. */
#define BAR_LETTERS	".:-=+*xX%#"

static const struct option options[] = {
	{ "by",	  required_argument, NULL, 'b' },
	{ "rows", required_argument, NULL, 'r' },
	{ "bars", no_argument,	     NULL, 'B' },
	{ "json", no_argument,	     NULL, 'j' },
	{ NULL,	  0,		     NULL, 0 },
};

struct picture {
	enum shape_by	 by;
	uint32_t	 rows;
	bool		 bars;
	bool		 json;
	uint64_t	 all;		/* messages */
	uint64_t	 most;		/* of one row: the longest bar */
	bool		 begun;
};

static int	 read_options(struct picture *, int, char *[]);
static void	 on_message(void *, struct message *);
static void	 show_legend(const struct picture *);
static void	 show_row(const struct shape_row *);
static void	 show_bar(const struct picture *, const struct shape_row *);
static void	 show_json(const struct shape_row *);

static const struct {
	const char	*name;
	enum shape_by	 by;
} bys[] = {
	{ "next-hop", SHAPE_BY_NEXT_HOP },
	{ "sender-domain", SHAPE_BY_SENDER_DOMAIN },
	{ "recipient-domain", SHAPE_BY_RECIPIENT_DOMAIN },
};

int
run_queue_shape(struct tool *t, int argc, char *argv[])
{
	struct picture p = { .by = SHAPE_BY_NEXT_HOP, .rows = ROWS };
	int status = read_options(&p, argc, argv);
	struct channel *c;
	struct buf *b;

	if (status != EX_OK)
		return status;
	c = tool_connect(t, SOCKET_QUEUE);
	b = channel_begin(c, TL_QUEUE_SHAPE, 1);
	if (b != NULL) {
		put_u8(b, (uint8_t)p.by);
		put_u32(b, p.rows);
	}
	channel_end(c);
	status = tool_answer(c, on_message, &p);
	channel_free(&c);
	return status;
}

static int
read_options(struct picture *p, int argc, char *argv[])
{
	uint64_t n;
	size_t i;
	int ch;

	optind = 0;	/* getopt has seen the command before ours */
	while ((ch = getopt_long(argc, argv, "", options, NULL)) != -1)
		switch (ch) {
		case 'b':
			for (i = 0; i < sizeof(bys) / sizeof(bys[0]); i++)
				if (strcmp(optarg, bys[i].name) == 0)
					break;
			if (i == sizeof(bys) / sizeof(bys[0]))
				return tool_fail(EX_USAGE, "--by next-hop, "
				    "sender-domain or recipient-domain");
			p->by = bys[i].by;
			break;
		case 'r':
			if (!slice_to_u64(slice_str(optarg), 1, SHAPE_ROWS,
			    &n))
				return tool_fail(EX_USAGE, "--rows takes a "
				    "number from 1 to %d", SHAPE_ROWS);
			p->rows = (uint32_t)n;
			break;
		case 'B':
			p->bars = true;
			break;
		case 'j':
			p->json = true;
			break;
		default:
			return EX_USAGE;	/* getopt has said why */
		}
	if (optind != argc)
		return tool_fail(EX_USAGE, "shape takes no message ids");
	return EX_OK;
}

/* The row of all comes first, then the largest. */
static void
on_message(void *arg, struct message *m)
{
	struct picture *p = arg;
	struct shape_row r;

	if (m->type != TL_SHAPE)
		return;
	shape_row_unpack(&m->body, &r);
	if (!wire_done(&m->body))
		return;
	if (p->json) {
		show_json(&r);
		return;
	}
	if (!p->begun) {
		p->begun = true;
		p->all = shape_row_total(&r);
		show_legend(p);
		if (!p->bars)
			show_row(&r);
		return;
	}
	if (p->most == 0)
		p->most = shape_row_total(&r);
	if (p->bars)
		show_bar(p, &r);
	else
		show_row(&r);
}

static void
show_legend(const struct picture *p)
{
	unsigned i;

	if (p->bars) {
		printf("%" PRIu64 " messages; minutes:", p->all);
		for (i = 0; i < SHAPE_CLASSES - 1; i++)
			printf(" %c<%d", BAR_LETTERS[i],
			    SHAPE_FIRST_MINUTES << i);
		printf(" %c more\n", BAR_LETTERS[i]);
		return;
	}
	printf("%*s%6s", NAME_COLUMNS, "minutes", "all");
	for (i = 0; i < SHAPE_CLASSES - 1; i++)
		printf("%5d", SHAPE_FIRST_MINUTES << i);
	printf("%4d+\n", SHAPE_FIRST_MINUTES << (SHAPE_CLASSES - 2));
}

static void
show_row(const struct shape_row *r)
{
	char *name = clean_text(r->name);
	unsigned i;

	printf("%*.*s%6s", NAME_COLUMNS, NAME_COLUMNS,
	    r->name.n == 0 ? "ALL" : name, count_text(shape_row_total(r)).s);
	for (i = 0; i < SHAPE_CLASSES; i++)
		printf("%5s", count_text(r->n[i]).s);
	printf("\n");
	free(name);
}

/* Each class that is not empty shows, be it small. */
static void
show_bar(const struct picture *p, const struct shape_row *r)
{
	char *name = clean_text(r->name);
	uint64_t most = p->most > 0 ? p->most : 1, n;
	unsigned i, column = 0, wide;

	printf("%*.*s %6s ", NAME_COLUMNS + 8, NAME_COLUMNS + 8, name,
	    count_text(shape_row_total(r)).s);
	for (i = 0; i < SHAPE_CLASSES; i++) {
		n = r->n[i] * BAR_COLUMNS;
		wide = n == 0 ? 0 : n < most ? 1 : (unsigned)(n / most);
		for (; wide > 0 && column < BAR_COLUMNS; wide--, column++)
			putchar(BAR_LETTERS[i]);
	}
	printf("\n");
	free(name);
}

static void
show_json(const struct shape_row *r)
{
	unsigned i;

	printf("{");
	if (r->name.n == 0)
		printf("\"all\":true");
	else
		json_text("name", r->name);
	printf(",\"messages\":%" PRIu64 ",\"ages\":[", shape_row_total(r));
	for (i = 0; i < SHAPE_CLASSES; i++) {
		printf("%s{", i > 0 ? "," : "");
		if (i < SHAPE_CLASSES - 1)
			printf("\"below_minutes\":%d,",
			    SHAPE_FIRST_MINUTES << i);
		printf("\"messages\":%" PRIu64 "}", r->n[i]);
	}
	printf("]}\n");
}
