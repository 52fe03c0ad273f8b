/* SPDX-License-Identifier: ISC */
/* queue_select - see queue_select.h. */
#include <getopt.h>
#include <string.h>
#include <sysexits.h>

#include "base/num.h"
#include "chasqui.h"
#include "queue_select.h"

/* Options of terms are their kind, and what is their opposite has this. */
#define OPPOSITE	128

enum {
	OPT_YOUNGER = OPPOSITE + TERM_OLDER,
	OPT_SMALLER = OPPOSITE + TERM_LARGER,
	OPT_NOT = 256, OPT_ALL, OPT_DRY_RUN, OPT_JSON, OPT_FOR_GOOD, OPT_LAST,
	OPT_CONFIRM, OPT_TO, OPT_OUTPUT,
};

static const struct option options[] = {
	{ "recipient",	required_argument, NULL, TERM_RECIPIENT },
	{ "next-hop",	required_argument, NULL, TERM_NEXT_HOP },
	{ "reason",	required_argument, NULL, TERM_REASON },
	{ "sender",	required_argument, NULL, TERM_SENDER },
	{ "login",	required_argument, NULL, TERM_LOGIN },
	{ "client",	required_argument, NULL, TERM_CLIENT },
	{ "older",	required_argument, NULL, TERM_OLDER },
	{ "younger",	required_argument, NULL, OPT_YOUNGER },
	{ "larger",	required_argument, NULL, TERM_LARGER },
	{ "smaller",	required_argument, NULL, OPT_SMALLER },
	{ "attempts",	required_argument, NULL, TERM_ATTEMPTS },
	{ "state",	required_argument, NULL, TERM_STATES },
	{ "not",	no_argument,	   NULL, OPT_NOT },
	{ "all",	no_argument,	   NULL, OPT_ALL },
	{ "dry-run",	no_argument,	   NULL, OPT_DRY_RUN },
	{ "json",	no_argument,	   NULL, OPT_JSON },
	{ "for-good",	no_argument,	   NULL, OPT_FOR_GOOD },
	{ "last",	no_argument,	   NULL, OPT_LAST },
	{ "confirm",	required_argument, NULL, OPT_CONFIRM },
	{ "to",		required_argument, NULL, OPT_TO },
	{ "output",	required_argument, NULL, OPT_OUTPUT },
	{ NULL,		0,		   NULL, 0 },
};

static int	 take_option(struct selection *, int);
static int	 take_term(struct selection *, int opt, bool negated);
static int	 take_value(struct queue_term *, int opt);
static int	 take_state(struct queue_term *);
static int	 take_ids(struct selection *, int, char *[]);

int
select_messages(struct selection *s, int argc, char *argv[])
{
	bool negated = false;
	int opt, status;

	s->filter.ids = s->ids;
	s->filter.terms = s->terms;
	optind = 0;	/* getopt has seen the command before ours */
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == OPT_NOT) {
			negated = !negated;
			continue;
		}
		if (opt != '?' && opt < OPT_NOT)
			status = take_term(s, opt, negated);
		else if (negated)
			return tool_fail(EX_USAGE, "--not stands before what "
			    "is not to be: --not --sender A");
		else
			status = take_option(s, opt);
		if (status != EX_OK)
			return status;
		negated = false;
	}
	if (negated)
		return tool_fail(EX_USAGE, "--not stands before what is not to "
		    "be: --not --sender A");
	return take_ids(s, argc - optind, argv + optind);
}

static int
take_option(struct selection *s, int opt)
{
	switch (opt) {
	case OPT_ALL:
		s->all = true;
		return EX_OK;
	case OPT_DRY_RUN:
		s->given |= SELECT_DRY_RUN;
		s->dry_run = true;
		return EX_OK;
	case OPT_JSON:
		s->given |= SELECT_JSON;
		s->json = true;
		return EX_OK;
	case OPT_FOR_GOOD:
		s->given |= SELECT_FOR_GOOD;
		s->for_good = true;
		return EX_OK;
	case OPT_LAST:
		s->given |= SELECT_LAST;
		s->last = true;
		return EX_OK;
	case OPT_CONFIRM:
		s->given |= SELECT_CONFIRM;
		return slice_to_u64(slice_str(optarg), 1, UINT64_MAX,
		    &s->confirm) ? EX_OK : tool_fail(EX_USAGE, "%s is no "
		    "number of messages", optarg);
	case OPT_TO:
		s->given |= SELECT_TO;
		s->to = optarg;
		return EX_OK;
	case OPT_OUTPUT:
		s->given |= SELECT_OUTPUT;
		s->output = optarg;
		return EX_OK;
	default:
		return EX_USAGE;	/* getopt has said why */
	}
}

int
select_takes(const struct selection *s, const char *verb, unsigned takes)
{
	static const struct {
		const char		*name;
		enum select_option	 option;
	} names[] = {
		{ "dry-run", SELECT_DRY_RUN }, { "json", SELECT_JSON },
		{ "for-good", SELECT_FOR_GOOD }, { "last", SELECT_LAST },
		{ "confirm", SELECT_CONFIRM }, { "to", SELECT_TO },
		{ "output", SELECT_OUTPUT },
	};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (s->given & ~takes & names[i].option)
			return tool_fail(EX_USAGE, "%s has no --%s", verb,
			    names[i].name);
	return EX_OK;
}

/* Several states are any of them; everything else is to hold together. */
static int
take_term(struct selection *s, int opt, bool negated)
{
	struct queue_filter *f = &s->filter;
	struct queue_term *t;
	size_t i;

	s->any = true;
	for (i = 0; i < f->nterms && opt == TERM_STATES; i++)
		if (s->terms[i].kind == TERM_STATES &&
		    s->terms[i].negated == negated)
			return take_state(&s->terms[i]);
	if (f->nterms == QUEUE_FILTER_TERMS)
		return tool_fail(EX_USAGE, "at most %d conditions at once",
		    QUEUE_FILTER_TERMS);
	t = &s->terms[f->nterms++];
	*t = (struct queue_term){ .kind = (uint8_t)(opt & ~OPPOSITE),
		.negated = negated ^ ((opt & OPPOSITE) != 0) };
	return opt == TERM_STATES ? take_state(t) : take_value(t, opt);
}

static int
take_value(struct queue_term *t, int opt)
{
	struct slice value = slice_str(optarg);

	switch ((enum queue_term_kind)t->kind) {
	case TERM_OLDER:
		if (!conf_duration_parse(value, &t->number) || t->number == 0 ||
		    t->number > (uint64_t)TIME_MAX_MS)
			return tool_fail(EX_USAGE, "%s is no time: 90s, 30m, "
			    "4h, 2d", optarg);
		return EX_OK;
	case TERM_LARGER:
		if (!conf_size_parse(value, &t->number) || t->number == 0)
			return tool_fail(EX_USAGE, "%s is no size: 1000, 50K, "
			    "10M", optarg);
		if (opt == OPT_SMALLER)
			t->number--;	/* not larger than that */
		return EX_OK;
	case TERM_ATTEMPTS:
		if (!slice_to_u64(value, 0, UINT32_MAX, &t->number))
			return tool_fail(EX_USAGE, "%s is no number of "
			    "attempts", optarg);
		return EX_OK;
	case TERM_RECIPIENT:
	case TERM_NEXT_HOP:
	case TERM_REASON:
	case TERM_SENDER:
	case TERM_LOGIN:
	case TERM_CLIENT:
	case TERM_STATES:
		break;
	}
	t->text = value;
	if (value.n == 0 && t->kind != TERM_LOGIN)
		return tool_fail(EX_USAGE, "an empty text selects nothing; the "
		    "null reverse-path is <>");
	return EX_OK;
}

static int
take_state(struct queue_term *t)
{
	static const struct {
		const char		*name;
		enum queue_state	 state;
	} states[] = {
		{ "active", QUEUE_ACTIVE }, { "deferred", QUEUE_DEFERRED },
		{ "held", QUEUE_HELD },
	};
	size_t i;

	for (i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (strcmp(optarg, states[i].name) == 0) {
			t->number |= UINT64_C(1) << states[i].state;
			return EX_OK;
		}
	return tool_fail(EX_USAGE, "%s is no state: active, deferred, held",
	    optarg);
}

static int
take_ids(struct selection *s, int argc, char *argv[])
{
	int i;

	if (argc > QUEUE_FILTER_IDS)
		return tool_fail(EX_USAGE, "at most %d messages at once; use "
		    "--sender, --recipient and so on for more",
		    QUEUE_FILTER_IDS);
	for (i = 0; i < argc; i++) {
		if (!queue_id_parse(slice_str(argv[i]), &s->ids[i]))
			return tool_fail(EX_USAGE, "%s is no queue id: they "
			    "have %d letters and digits", argv[i],
			    QUEUE_ID_CHARS);
		s->any = true;
	}
	s->filter.nids = (size_t)argc;
	return EX_OK;
}
