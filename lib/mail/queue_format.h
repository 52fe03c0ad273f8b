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
#define QUEUE_FORMAT		1	/* the highest that is known here */
#define QUEUE_FORMAT_TEXT	"chasqui-queue 1\n"
#define QUEUE_FORMAT_BYTES	100	/* of the file */

/* The number in the file; false, and nothing changed, for what is none. */
bool	 queue_format_parse(struct slice file, uint64_t *version_r);

#endif
