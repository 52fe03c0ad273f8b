/* SPDX-License-Identifier: ISC */
/* queue_select - which messages a command line of `chasqui queue` means. */
#ifndef TOOLS_QUEUE_SELECT_H
#define TOOLS_QUEUE_SELECT_H

#include "ipc/queue_tool.h"

/* Lines of the help text. */
#define SELECT_USAGE							\
	"    SELECTION: [ID...] [[--not] CONDITION]... [--all]\n"		\
	"    CONDITION: --sender A | --recipient A | --next-hop H | "	\
	"--reason TEXT |\n"						\
	"        --login NAME | --client ADDR | --older T | --younger T |\n"	\
	"        --larger N | --smaller N | --attempts N |\n"		\
	"        --state active|deferred|held"

/* Options that are of the command rather than of messages. */
enum select_option {
	SELECT_DRY_RUN = 1, SELECT_JSON = 2, SELECT_FOR_GOOD = 4,
	SELECT_LAST = 8, SELECT_CONFIRM = 16, SELECT_TO = 32,
	SELECT_OUTPUT = 64,
};

struct selection {
	struct queue_filter	 filter;
	uint64_t		 ids[QUEUE_FILTER_IDS];
	struct queue_term	 terms[QUEUE_FILTER_TERMS];
	bool			 any;		/* something was selected */
	bool			 all;
	unsigned		 given;		/* of enum select_option */
	bool			 dry_run;
	bool			 json;
	bool			 for_good;
	bool			 last;
	uint64_t		 confirm;	/* that many are expected */
	const char		*to;		/* a next hop */
	const char		*output;
};

/* Takes apart what follows the verb (argv[0]); slices and pointers are of argv.
 * An exit status, and what was wrong has been said. */
int	 select_messages(struct selection *, int argc, char *argv[]);
/* Refuses what was given and is not of `takes`, as select_messages() does. */
int	 select_takes(const struct selection *, const char *verb,
	    unsigned takes);

#endif
