/* SPDX-License-Identifier: ISC */
/*
 * command - runs programs that take mail, under their user's uid.
 *
 * A program gets the message on standard input (Return-Path and Delivered-To
 * first, lines end in LF), the words of its command as arguments, and only the
 * environment below.  It has its own session; after local.command_time its
 * process group is killed.  Its exit status means what sysexits.h says.
 *
 *	HOME LOGNAME USER	of the user; HOME is also where it runs
 *	PATH SHELL		fixed
 *	SENDER			the reverse-path
 *	RECIPIENT		the address that the copy is for
 *	ORIGINAL_RECIPIENT	what it was before any expansion
 *	LOCAL DOMAIN EXTENSION	the parts of RECIPIENT
 *
 * Characters of addresses that a careless script could trip over are '_'.
 */
#ifndef LOCAL_COMMAND_H
#define LOCAL_COMMAND_H

#include "ipc/child.h"
#include "mail/outcome.h"

struct runner;

int	 command_main(int argc, char *argv[]);

/* For tests: a runner without its process. */
struct runner *runner_new(struct ev_loop *, const struct conf *);
void	 runner_free(struct runner **);
extern const struct channel_ops runner_ops;	/* arg: struct runner */


#endif
