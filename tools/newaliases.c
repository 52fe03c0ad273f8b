/* SPDX-License-Identifier: ISC */
/* newaliases - see newaliases(1). */
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "chasqui.h"
#include "submission.h"

int
main(int argc, char *argv[])
{
	struct tool t = { 0 };
	const char *dir = NULL;
	int opt;

	tool_begin();
	while ((opt = getopt(argc, argv, "C:")) != -1) {
		if (opt != 'C') {
			fprintf(stderr, "usage: newaliases [-C directory]\n");
			return EX_USAGE;
		}
		dir = optarg;
	}
	if (optind != argc) {
		fprintf(stderr, "usage: newaliases [-C directory]\n");
		return EX_USAGE;
	}
	tool_directory(&t, dir);
	return tool_finish(newaliases(&t));
}
