/* SPDX-License-Identifier: ISC */
/* notes - small files at the top of the queue directory: two that say what it
 * is, and those that are replaced as a whole. */
#ifndef QMGR_NOTES_H
#define QMGR_NOTES_H

#include <stdbool.h>

#include "base/slice.h"

#define NOTE_EMPTY	"empty"

/* Before anything else is touched.  Writes the format where none is named; -1
 * with errno, and a line in the log, where a later version has been here. */
int	 notes_check_format(int dir);

/* Before anything is written that version 1 would misread (records REROUTE and
 * BACK, files in deleted/): the format is 2 from now on, durably.  -1 with
 * errno. */
int	 notes_need_format_2(int dir);
/* Nobody starts on this queue any more, durably. */
int	 notes_set_adopted(int dir);
/* It says so; false also where it cannot be read. */
bool	 notes_are_adopted(int dir);

/* For whoever removes the suite: a queue manager has ended here with no message
 * left.  It is gone, durably, before the next one takes a message. */
int	 notes_begin(int dir);
void	 notes_end_empty(int dir);

/* A file that is replaced as a whole: NOTE_MAGIC_BYTES of magic, u32 CRC-32C of
 * what follows, the body.  It is durable when this returns; -1 with errno. */
#define NOTE_MAGIC_BYTES 8
int	 notes_write(int dir, const char *name, const char *magic,
	    struct slice body);
/* The body of such a file; false: it is damaged, or none. */
bool	 notes_read(struct slice file, const char *magic,
	    struct slice *body_r);

#endif
