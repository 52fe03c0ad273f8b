/* SPDX-License-Identifier: ISC */
/* notes - two files at the top of the queue directory that say what it is. */
#ifndef QMGR_NOTES_H
#define QMGR_NOTES_H

#define NOTE_EMPTY	"empty"

/* Before anything else is touched.  Writes the format where none is named; -1
 * with errno, and a line in the log, where a later version has been here. */
int	 notes_check_format(int dir);

/* For whoever removes the suite: a queue manager has ended here with no message
 * left.  It is gone, durably, before the next one takes a message. */
int	 notes_begin(int dir);
void	 notes_end_empty(int dir);

#endif
