/* SPDX-License-Identifier: ISC */
/*
 * chasqui - the administrator's tool: one table of commands, one file each.
 */
#include <err.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "chasqui.h"
#include "os/takeover.h"

/* In the order of the help text. */
static const struct command *const commands[] = {
	&cmd_init, &cmd_doctor, &cmd_start, &cmd_stop, &cmd_reload,
	&cmd_restart, &cmd_status, &cmd_top, &cmd_watch, &cmd_report,
	&cmd_queue, &cmd_pause, &cmd_resume, &cmd_domain, &cmd_user, &cmd_alias,
	&cmd_mailbox, &cmd_config, &cmd_table, &cmd_explain, &cmd_trace,
	&cmd_confinement, &cmd_import,
};
#define NCOMMANDS	(sizeof(commands) / sizeof(commands[0]))

static void	 usage(FILE *);
static void	 help(const struct command *, FILE *);
static bool	 wants_help(int argc, char *argv[]);
static const struct command *find(const char *name);

int
main(int argc, char *argv[])
{
	static struct tool t;
	const struct command *c;
	const char *dir = NULL;
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	bool wanted = false;
	int ch;

	tool_begin();
	log_open("chasqui", LOG_LEVEL_WARN);
	while ((ch = getopt_long(argc, argv, "+C:hV", options, NULL)) != -1)
		switch (ch) {
		case 'C':
			dir = optarg;
			break;
		case 'h':
			usage(stdout);
			return tool_finish(EX_OK);
		case 'V':
			printf("chasqui %s%s\n", PACKAGE_VERSION,
			    TAKEOVER_BUILD);
			return tool_finish(EX_OK);
		default:
			usage(stderr);
			return EX_USAGE;
		}
	if (optind == argc) {
		usage(stderr);
		return EX_USAGE;
	}
	argc -= optind;
	argv += optind;
	if (strcmp(argv[0], "help") == 0) {
		if (argc == 1) {
			usage(stdout);
			return tool_finish(EX_OK);
		}
		argv[0] = argv[1];
		wanted = true;
	}
	c = find(argv[0]);
	if (c == NULL) {
		warnx("there is no command \"%s\"; `chasqui help` lists them",
		    argv[0]);
		return EX_USAGE;
	}
	if (wanted || wants_help(argc, argv)) {
		help(c, stdout);
		return tool_finish(EX_OK);
	}
	tool_name(c->name);
	tool_directory(&t, dir);
	optind = 0;	/* the command's own options; 0: glibc starts anew */
	return tool_finish(c->run(&t, argc, argv));
}

static void
usage(FILE *f)
{
	size_t i;

	fprintf(f, "usage: chasqui [-C DIR] COMMAND [ARGUMENT]...\n\n");
	for (i = 0; i < NCOMMANDS; i++)
		fprintf(f, "  %-14s %s\n", commands[i]->name,
		    commands[i]->text);
	fprintf(f, "  %-14s %s\n\n", "help COMMAND",
	    "what a command takes");
	fprintf(f, "DIR is where chasqui.conf is; without -C it is "
	    "CHASQUI_DIR of the environment,\nor %s.\n", CONF_DIR);
}

static void
help(const struct command *c, FILE *f)
{
	fprintf(f, "usage: chasqui [-C DIR] %s %s\n\n%s\n", c->name, c->usage,
	    c->text);
}

static bool
wants_help(int argc, char *argv[])
{
	int i;

	for (i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--help") == 0)
			return true;
	return false;
}

static const struct command *
find(const char *name)
{
	size_t i;

	for (i = 0; i < NCOMMANDS; i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

int
tool_usage(const struct command *c)
{
	help(c, stderr);
	return EX_USAGE;
}
