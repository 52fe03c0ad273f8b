/* SPDX-License-Identifier: ISC */
/*
 * conf_edit - changes chasqui.conf for its owner: what is not concerned stays
 * byte for byte, and a text that does not pass the check is never put in place.
 */
#ifndef TOOLS_CONF_EDIT_H
#define TOOLS_CONF_EDIT_H

#include "chasqui.h"
#include "text_file.h"

struct conf_edit {
	struct tool	*tool;
	struct text_file file;
	struct buf	 text;	/* the new text; begins as the old one */
};

/* Locks and reads; 0, or an exit status and its reason has been told. */
int	 conf_edit_begin(struct conf_edit *, struct tool *);
/* Checks the new text, puts it in place, and has a running suite reload.  The
 * same results; the edit ends in any case. */
int	 conf_edit_finish(struct conf_edit *);
void	 conf_edit_abandon(struct conf_edit *);
/* Takes a block off the text, with the lines that it has to itself; false
 * where there is none. */
bool	 conf_edit_drop_block(struct conf_edit *, const char *kind,
	    const char *name);

#endif
