/* SPDX-License-Identifier: ISC */
/*
 * queue_format - the file "format" of the queue directory.
 *
 * Its one line names the highest version of any format in the directory.  A
 * version of the suite that brings a new one writes it there before anything
 * else; one that knows only lower numbers starts nothing and touches nothing.
 */
#ifndef MAIL_QUEUE_FORMAT_H
#define MAIL_QUEUE_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

#define QUEUE_FORMAT_NAME	"format"
#define QUEUE_FORMAT		2	/* the highest that is known here */
#define QUEUE_FORMAT_TEXT	"chasqui-queue 1\n"	/* a new queue's */
#define QUEUE_FORMAT_2_TEXT	"chasqui-queue 2\n"	/* see qmgr/notes.h */
/* No version's: another instance has taken this queue over, and nobody is to
 * send what is in it. */
#define QUEUE_FORMAT_ADOPTED	UINT32_MAX
#define QUEUE_FORMAT_ADOPTED_TEXT "chasqui-queue 4294967295\n"
#define QUEUE_FORMAT_BYTES	100	/* of the file */

/* The number in the file; false, and nothing changed, for what is none. */
bool	 queue_format_parse(struct slice file, uint64_t *version_r);

#endif
