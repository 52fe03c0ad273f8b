/* SPDX-License-Identifier: ISC */
/* commands - the table of commands, and what is offered. */
#include "imap.h"

static const struct command commands[] = {
	/* by what clients say most */
	{ "FETCH",	S_SELECTED, HOLDS_EXPUNGES | NOT_UIDONLY,
	    cmd_fetch, cmd_fetch },
	{ "STORE",	S_SELECTED, HOLDS_EXPUNGES | NOT_UIDONLY | NEEDS_WRITE,
	    cmd_store, cmd_store },
	{ "NOOP",	S_ANY, 0, cmd_noop, NULL },
	{ "IDLE",	S_ANY, 0, cmd_idle, NULL },
	{ "SELECT",	S_ANY, NO_SYNC, cmd_select, NULL },
	{ "STATUS",	S_ANY, 0, cmd_status, NULL },
	{ "SEARCH",	S_SELECTED, HOLDS_EXPUNGES | NOT_UIDONLY,
	    cmd_search, cmd_search },
	{ "APPEND",	S_ANY, STREAMS, cmd_append, NULL },
	{ "COPY",	S_SELECTED, NOT_UIDONLY, cmd_copy, cmd_copy },
	{ "MOVE",	S_SELECTED, NOT_UIDONLY | NEEDS_WRITE,
	    cmd_move, cmd_move },
	{ "EXPUNGE",	S_SELECTED, NEEDS_WRITE, cmd_expunge, cmd_uid_expunge },
	{ "SORT",	S_SELECTED, HOLDS_EXPUNGES | NOT_UIDONLY,
	    cmd_sort, cmd_sort },
	{ "THREAD",	S_SELECTED, HOLDS_EXPUNGES | NOT_UIDONLY,
	    cmd_thread, cmd_thread },
	{ "EXAMINE",	S_ANY, NO_SYNC, cmd_examine, NULL },
	{ "CLOSE",	S_SELECTED, NO_SYNC, cmd_close, NULL },
	{ "UNSELECT",	S_SELECTED, NO_SYNC, cmd_unselect, NULL },
	{ "CHECK",	S_SELECTED, 0, cmd_noop, NULL },
	{ "LIST",	S_ANY, 0, cmd_list, NULL },
	{ "LSUB",	S_ANY, 0, cmd_lsub, NULL },
	{ "NAMESPACE",	S_ANY, 0, cmd_namespace, NULL },
	{ "CREATE",	S_ANY, 0, cmd_create, NULL },
	{ "DELETE",	S_ANY, 0, cmd_delete, NULL },
	{ "RENAME",	S_ANY, 0, cmd_rename, NULL },
	{ "SUBSCRIBE",	S_ANY, 0, cmd_subscribe, NULL },
	{ "UNSUBSCRIBE", S_ANY, 0, cmd_unsubscribe, NULL },
	{ "GETQUOTAROOT", S_ANY, 0, cmd_getquotaroot, NULL },
	{ "GETQUOTA",	S_ANY, 0, cmd_getquota, NULL },
	{ "SETQUOTA",	S_ANY, 0, cmd_setquota, NULL },
	{ "GETMETADATA", S_ANY, 0, cmd_getmetadata, NULL },
	{ "SETMETADATA", S_ANY, 0, cmd_setmetadata, NULL },
	{ "REPLACE",	S_SELECTED, STREAMS | NOT_UIDONLY | NEEDS_WRITE,
	    cmd_replace, cmd_replace },
	{ "NOTIFY",	S_ANY, 0, cmd_notify, NULL },
	{ "ENABLE",	S_ANY, NO_SYNC, cmd_enable, NULL },
	{ "COMPRESS",	S_ANY, NO_SYNC, cmd_compress, NULL },
	{ "ID",		S_ANY, 0, cmd_id, NULL },
	{ "CAPABILITY",	S_ANY, 0, cmd_capability, NULL },
	{ "LOGOUT",	S_ANY, NO_SYNC, cmd_logout, NULL },
	{ "UNAUTHENTICATE", S_ANY, NO_SYNC, cmd_unauthenticate, NULL },
	{ "LOGIN",	S_ANY, NO_SYNC, cmd_no_login, NULL },
	{ "AUTHENTICATE", S_ANY, NO_SYNC, cmd_no_login, NULL },
	{ "STARTTLS",	S_ANY, NO_SYNC, cmd_no_login, NULL },
};

const struct command *
command_find(struct slice name)
{
	size_t i;

	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (slice_eq_nocase(name, slice_str(commands[i].name)))
			return &commands[i];
	return NULL;
}

/* ---- what is offered ----------------------------------------------------- */

void
capability_write(struct imap_session *s, struct buf *b)
{
	buf_add_str(b, "IMAP4rev1 IMAP4rev2 LITERAL+ ID ENABLE SASL-IR IDLE "
	    "NAMESPACE UNSELECT UIDPLUS CHILDREN CONDSTORE QRESYNC MOVE "
	    "SPECIAL-USE CREATE-SPECIAL-USE LIST-EXTENDED LIST-STATUS "
	    "STATUS=SIZE ESEARCH SEARCHRES SORT SORT=DISPLAY "
	    "THREAD=ORDEREDSUBJECT THREAD=REFERENCES BINARY NOTIFY METADATA "
	    "QUOTA QUOTA=RES-STORAGE QUOTA=RES-MESSAGE WITHIN MULTIAPPEND "
	    "CATENATE SAVEDATE OBJECTID PREVIEW REPLACE PARTIAL UIDONLY "
	    "INPROGRESS UTF8=ACCEPT I18NLEVEL=1");
	if (s->config.unauthenticate)
		buf_add_str(b, " UNAUTHENTICATE");
	buf_printf(b, " MESSAGELIMIT=%d", MESSAGE_LIMIT);
	if (s->config.append_bytes > 0)
		buf_printf(b, " APPENDLIMIT=%llu",
		    (unsigned long long)s->config.append_bytes);
	if (s->config.compress && s->deflate == NULL)
		buf_add_str(b, " COMPRESS=DEFLATE");
}

void
cmd_capability(struct imap_session *s, struct cursor *c)
{
	if (!cur_end(c)) {
		bad_args(s, "nothing");
		return;
	}
	put_str(s, "* CAPABILITY ");
	capability_write(s, &s->out);
	put_str(s, "\r\n");
	tagged(s, OK, NULL, "Done");
}

static const struct {
	const char	*name;
	unsigned	 bits;
} features[] = {
	{ "IMAP4rev2", EN_REV2 }, { "UTF8=ACCEPT", EN_UTF8 },
	{ "CONDSTORE", EN_CONDSTORE }, { "QRESYNC", EN_QRESYNC | EN_CONDSTORE },
	{ "UIDONLY", EN_UIDONLY },
};

/* RFC 5161; what is not known is passed over. */
void
cmd_enable(struct imap_session *s, struct cursor *c)
{
	unsigned now = s->enabled;
	struct buf names = BUF_INIT(1000);
	struct slice word;
	size_t i, n = 0;

	for (; cur_sp(c) && cur_atom(c, &word); n++)
		for (i = 0; i < sizeof(features) / sizeof(features[0]); i++)
			if (slice_eq_nocase(word,
			    slice_str(features[i].name)) &&
			    (features[i].bits & ~now) != 0) {
				now |= features[i].bits;
				buf_printf(&names, " %s", features[i].name);
			}
	if (n == 0 || !cur_end(c))
		bad_args(s, "names of features");
	else {
		s->enabled = now;
		say(s, "* ENABLED%s", buf_cstr(&names));
		tagged(s, OK, NULL, "Done");
	}
	buf_clear(&names);
}

/* RFC 2971.  What the client says of itself is read and forgotten. */
void
cmd_id(struct imap_session *s, struct cursor *c)
{
	struct slice text;
	bool good = cur_sp(c);

	if (good && cur_open(c)) {
		while (good && !cur_close(c)) {
			cur_sp(c);
			good = cur_string(c, &text) && cur_sp(c) &&
			    cur_nstring(c, &text);
		}
	} else
		good = good && cur_word(c, "NIL");
	if (!good || !cur_end(c)) {
		bad_args(s, "NIL, or a list of strings");
		return;
	}
	say(s, "* ID (\"name\" \"Chasqui\")");
	tagged(s, OK, NULL, "Done");
}

void
cmd_noop(struct imap_session *s, struct cursor *c)
{
	if (!cur_end(c))
		bad_args(s, "nothing");
	else
		tagged(s, OK, NULL, "Done");
}

void
cmd_logout(struct imap_session *s, struct cursor *c)
{
	if (!cur_end(c)) {
		bad_args(s, "nothing");
		return;
	}
	say(s, "* BYE Until next time");
	tagged(s, OK, NULL, "Done");
	session_over(s, "logout");
}

/* RFC 8437: all of the session is forgotten; login goes on.  NO is no answer
 * that it has. */
void
cmd_unauthenticate(struct imap_session *s, struct cursor *c)
{
	if (!cur_end(c)) {
		bad_args(s, "nothing");
		return;
	}
	if (!s->config.unauthenticate) {
		tagged(s, BAD, NULL, "That is not offered");
		return;
	}
	deselect(s);
	s->enabled = 0;
	tagged(s, OK, NULL, "Done");
	flush(s);
	deflate_leave(s);
	s->unauthenticates = true;	/* command_done() */
}

void
cmd_no_login(struct imap_session *s, struct cursor *c)
{
	(void)c;
	tagged(s, BAD, NULL, "You are logged in already");
}

void
cmd_namespace(struct imap_session *s, struct cursor *c)
{
	if (!cur_end(c)) {
		bad_args(s, "nothing");
		return;
	}
	say(s, "* NAMESPACE ((\"\" \"%c\")) NIL NIL", DELIMITER);
	tagged(s, OK, NULL, "Done");
}
