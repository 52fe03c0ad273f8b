/* SPDX-License-Identifier: ISC */
/*
 * terminal - the whole screen of a terminal for one program.
 *
 * Plain control sequences of ECMA-48, which every terminal of today has, and
 * the alternate screen of xterm; so nothing needs a terminal library.  However
 * the program ends, the terminal is as it was before: at exit, by a signal, by
 * an abort, and while it is stopped.
 */
#ifndef TOOLS_TERMINAL_H
#define TOOLS_TERMINAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

/* True where standard input and output are terminals. */
bool	 terminal_is_there(void);
void	 terminal_open(void);
void	 terminal_close(void);
void	 terminal_size(unsigned *rows_r, unsigned *columns_r);
/* Draws the lines of text, each cut at the width; a line that begins with '\1'
 * is shown in reverse. */
void	 terminal_draw(const struct buf *text);

enum { KEY_NONE = 0, KEY_END = -1, KEY_LEFT = 256, KEY_RIGHT, KEY_UP, KEY_DOWN,
    KEY_RESIZED };
/* The next key; KEY_NONE after ms, KEY_RESIZED when the size has changed or the
 * program goes on after a stop, KEY_END when it is to end. */
int	 terminal_key(int64_t ms);

#endif
