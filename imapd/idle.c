/* SPDX-License-Identifier: ISC */
/* idle - IDLE (RFC 9051 6.3.13). */
#include "imap.h"

/* The answer comes with DONE; ->tag stays until then. */
void
cmd_idle(struct imap_session *s, struct cursor *c)
{
	if (!cur_end(c)) {
		bad_args(s, "nothing");
		return;
	}
	say(s, "+ idling");
	s->idling = true;
	if (s->state == S_SELECTED)
		sync_view(s, true);
}

void
idle_line(struct imap_session *s, struct slice line)
{
	s->idling = false;
	s->command = command_find(SLICE_LIT("IDLE"));
	if (slice_eq_nocase(line, SLICE_LIT("DONE")))
		tagged(s, OK, NULL, "Done");
	else
		bad_args(s, "DONE");
	s->command = NULL;
}
