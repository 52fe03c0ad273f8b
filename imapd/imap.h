/* SPDX-License-Identifier: ISC */
/*
 * imap - what the parts of an IMAP session share.
 *
 * session.c	the connection: commands in, answers out, states, time
 * commands.c	the table of commands
 * answer.c	how things are written: names, strings, flags
 * sync.c	what has changed in the selected mailbox, told
 * select.c fetch.c flags.c copy.c append.c list.c folders.c idle.c
 * search_cmd.c quota.c metadata.c notify.c compress.c	commands
 * names.c	the list of mailboxes, for NOTIFY
 * entries.c	the metadata, for NOTIFY
 * park.c	a session as bytes, and back
 *
 * Each with a header of its own: parse.c, set.c, pattern.c (grammar), view.c
 * (the selected mailbox), search.c (with sort.c and thread.c), fetch.h,
 * catenate.c.
 */
#ifndef IMAPD_IMAP_H
#define IMAPD_IMAP_H

#include <stdarg.h>

#include "ev/stream.h"
#include "parse.h"
#include "session.h"
#include "set.h"
#include "view.h"

#define ARENA_BYTES	(1024 * 1024)	/* of one command */
#define LITERAL_BYTES	(256 * 1024)	/* collected literals of a command */
#define SKIP_BYTES	(256 * 1024 * 1024) /* of a literal thrown away */
#define OUT_BYTES	(32 * 1024 * 1024)	/* one answer, or what waits */
#define UNSENT_BYTES	(256 * 1024)	/* then a command pauses */
#define PIECE_BYTES	(64 * 1024)	/* written at once */
#define STATE_BYTES	(256 * 1024)	/* of a parked session */
#define BAD_COMMANDS	50		/* then BYE */
#define MESSAGE_LIMIT	1000000		/* RFC 9738: of one command */
#define DELIMITER	'/'

/* What ENABLE, and commands that imply it, have switched on. */
enum {
	EN_CONDSTORE = 1, EN_QRESYNC = 2, EN_REV2 = 4, EN_UTF8 = 8,
	EN_UIDONLY = 16,
};
#define EN_ALL	31

/* The states of RFC 9051 section 3, and those in which no command is read:
 *
 *   AUTH <--CLOSE, UNSELECT, failed SELECT-- SELECTED
 *   AUTH --SELECT, EXAMINE--> SELECTED
 *   either --IDLE--> the same with ->idling, until DONE
 *   either --LOGOUT, errors, time--> OVER
 */
enum state { S_AUTH = 1, S_SELECTED = 2, S_OVER = 4 };
#define S_ANY	(S_AUTH | S_SELECTED)

enum status { OK, NO, BAD };

struct job;
struct append_command;
struct notify;
struct names;
struct entries;
struct deflate_pair;

struct imap_session {
	struct ev_loop	*loop;
	struct store	*store;			/* the caller's */
	struct imap_session_config config;
	const struct imap_seat_ops *ops;
	void		*arg;

	struct stream	 stream;
	struct collector in;
	struct buf	 out;		/* answers not given to the stream yet */
	struct deflate_pair *deflate;	/* owned; NULL: not compressed */
	struct buf	 unread;	/* input that login had read */
	struct ev_timer	 go_on;		/* a job that lets the loop turn */
	struct ev_timer	 time;		/* timeout_ms */
	struct ev_timer	 silence;	/* park_ms */

	enum state	 state;
	bool		 idling;	/* IDLE waits for DONE */
	bool		 stuck;		/* out reached OUT_BYTES */
	bool		 parked;	/* the caller has taken the state */
	bool		 closed;	/* the client has closed its side */
	bool		 working;	/* in run(): no recursion */
	bool		 unauthenticates;
	const char	*why;		/* it is over */
	unsigned	 bad;		/* commands in a row */
	unsigned	 enabled;	/* EN_* */

	/* The command under way. */
	char		 tag[TAG_BYTES + 1];
	struct arena	 arena;
	const struct command *command;
	bool		 by_uid;	/* UID FETCH and so on */
	bool		 not_utf7;	/* a name was none: for bad_args() */
	struct job	*job;		/* owned; NULL: nothing goes on */
	struct append_command *append;	/* owned; literals are streamed to it */

	/* The selected mailbox. */
	struct view	 view;
	bool		 read_only;
	unsigned	 keywords_told;

	struct notify	*notify;	/* owned; NULL: not in use */
};

/* ---- session.c ----------------------------------------------------------- */

/* Work that answers in pieces: called while there is room in the output, until
 * it is done; free() runs then, and when the session ends. */
enum job_state {
	JOB_MORE,
	JOB_LATER,		/* let the loop turn first */
	JOB_DONE,		/* tagged() was called */
};
struct job {
	enum job_state (*step)(struct imap_session *, struct job *);
	void	(*free)(struct job *);
};
void	 session_work(struct imap_session *, struct job *take);
/* Tag and name off the front; sets ->tag ("*" where there is none that can be
 * answered) and ->by_uid. */
const struct command *take_command(struct imap_session *, struct cursor *);
/* The answer of the command: what has changed is told first, where the command
 * allows. code: "NONEXISTENT" or NULL. */
void	 tagged(struct imap_session *, enum status, const char *code,
	    const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* The arguments are not the grammar. */
void	 bad_args(struct imap_session *, const char *expected);
/* NO with the response code that says it best. */
void	 store_refused(struct imap_session *, enum store_result);
void	 changed(struct imap_session *, struct slice mailbox);
void	 watch(struct imap_session *);
void	 session_over(struct imap_session *, const char *why);
/* Gives what is written to the stream. */
void	 flush(struct imap_session *);

/* ---- commands.c ---------------------------------------------------------- */

enum {
	NEEDS_WRITE = 1,	/* not after EXAMINE */
	HOLDS_EXPUNGES = 2,	/* RFC 9051 7.5.1: unless by UID */
	NO_SYNC = 4,		/* nothing is told before the answer */
	NOT_UIDONLY = 8,	/* RFC 9586: only by UID then */
	STREAMS = 16,		/* takes literals as they come */
};
struct command {
	const char	*name;
	unsigned	 legal_in;
	unsigned	 flags;
	void		(*run)(struct imap_session *, struct cursor *);
	void		(*run_by_uid)(struct imap_session *, struct cursor *);
};
/* NULL: there is none of this name. */
const struct command *command_find(struct slice name);
void	 capability_write(struct imap_session *, struct buf *);

/* ---- answer.c ------------------------------------------------------------ */

void	 say(struct imap_session *, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));	/* a line; adds CRLF */
void	 put(struct imap_session *, struct slice);
void	 put_str(struct imap_session *, const char *);
void	 put_number(struct imap_session *, uint64_t);
/* quoted, or a literal where it must be; .p NULL: NIL. */
void	 put_nstring(struct imap_session *, struct slice);
/* As it is where that is an atom, else as put_nstring() does. */
void	 put_astring(struct imap_session *, struct slice);
/* A mailbox's name (UTF-8) as an astring: in UTF-7 for clients that want it. */
void	 put_mailbox(struct imap_session *, struct slice name);
/* "(\Seen $Junk)". */
void	 put_flag_list(struct imap_session *, uint8_t flags, uint64_t keywords);
void	 put_internaldate(struct imap_session *, int64_t ms);
/* "(M0123...)" (RFC 8474). */
void	 put_object_id(struct imap_session *, char prefix,
	    const uint8_t guid[16]);
/* FLAG_*; 0: it is none of them. */
uint8_t	 system_flag(struct slice name);
/* "* 5 FETCH (", or "* 70 UIDFETCH (" (RFC 9586); uid: with "UID 70" first. */
void	 begin_fetch(struct imap_session *, size_t position, bool uid);
/* Names as clients write them, into UTF-8 as the store has them; the
 * arena's. */
bool	 cur_mailbox(struct imap_session *, struct cursor *, struct slice *);
static inline bool
speaks_utf8(const struct imap_session *s)
{
	return (s->enabled & (EN_REV2 | EN_UTF8)) != 0;
}

/* ---- sync.c -------------------------------------------------------------- */

/* Takes in what is new, and tells it; gone messages only where expunges. */
void	 sync_view(struct imap_session *, bool expunges);
/* "* 5 FETCH (FLAGS (...))", with MODSEQ where CONDSTORE is enabled. */
void	 tell_flags_of(struct imap_session *, size_t position, bool uid);
/* "* FLAGS (...)" and PERMANENTFLAGS. */
void	 tell_keywords(struct imap_session *);

/* ---- the commands -------------------------------------------------------- */

#define CMD(name)	void name(struct imap_session *, struct cursor *)
CMD(cmd_capability); CMD(cmd_noop); CMD(cmd_logout); CMD(cmd_enable);
CMD(cmd_id); CMD(cmd_idle); CMD(cmd_namespace); CMD(cmd_unauthenticate);
CMD(cmd_compress); CMD(cmd_no_login); CMD(cmd_starttls);
CMD(cmd_select); CMD(cmd_examine); CMD(cmd_close); CMD(cmd_unselect);
CMD(cmd_fetch); CMD(cmd_store); CMD(cmd_copy); CMD(cmd_move);
CMD(cmd_expunge); CMD(cmd_uid_expunge); CMD(cmd_search); CMD(cmd_sort);
CMD(cmd_thread); CMD(cmd_append); CMD(cmd_replace);
CMD(cmd_list); CMD(cmd_lsub); CMD(cmd_status); CMD(cmd_create);
CMD(cmd_delete); CMD(cmd_rename); CMD(cmd_subscribe); CMD(cmd_unsubscribe);
CMD(cmd_getquota); CMD(cmd_getquotaroot); CMD(cmd_setquota);
CMD(cmd_getmetadata); CMD(cmd_setmetadata); CMD(cmd_notify);
#undef CMD

/* idle.c: DONE, or anything else. */
void	 idle_line(struct imap_session *, struct slice line);
/* select.c: leaves the selected mailbox. */
void	 deselect(struct imap_session *);
/* "* VANISHED (EARLIER) 41,43:116": of these UIDs; n 0: of all. */
void	 tell_vanished(struct imap_session *, uint64_t since,
	    struct set *known);
/* list.c: SPECIAL_*; 0: it is none of them. */
unsigned special_use_of(struct slice name);
/* Whether a mailbox can be given all of these; none: no. */
bool	 special_uses_allowed(unsigned uses);
enum { STATUS_MESSAGES = 1, STATUS_UIDNEXT = 2, STATUS_UIDVALIDITY = 4,
	STATUS_UNSEEN = 8, STATUS_DELETED = 16, STATUS_SIZE = 32,
	STATUS_RECENT = 64, STATUS_HIGHESTMODSEQ = 128,
	    STATUS_APPENDLIMIT = 256,
	STATUS_MAILBOXID = 512, STATUS_DELETED_STORAGE = 1024 };
/* "* STATUS name (...)"; not STORE_OK: nothing is written. */
enum store_result status_tell(struct imap_session *, struct slice mailbox,
	    unsigned items);

/* append.c: a literal of the command is announced, its bytes come, the line
 * ends. */
void	 append_literal(struct imap_session *);
void	 append_bytes_come(struct imap_session *, struct slice);
void	 append_ends(struct imap_session *);
void	 append_free(struct imap_session *);

/* fetch.c: what NOTIFY's MessageNew asks for. */
struct fetch;
void	 fetch_tell(struct imap_session *, const struct fetch *,
	    size_t position);

/* "1:100", or "-1:-100" from the end (RFC 9394). */
bool	 partial_parse(struct cursor *, int64_t *from_r, int64_t *to_r);
/* Which of n results these are: n_r from first_r on. */
void	 partial_range(int64_t from, int64_t to, size_t n, size_t *first_r,
	    size_t *n_r);

/* list.c: one entry, as LIST would; old: what it was called, .n 0 the same. */
void	 list_tell(struct imap_session *, const struct mailbox_entry *,
	    struct slice old);

/* notify.c */
enum { EV_NEW = 1, EV_EXPUNGE = 2, EV_FLAGS = 4, EV_NAME = 8,
	EV_SUBSCRIPTION = 16, EV_METADATA = 32, EV_SERVER_METADATA = 64 };
void	 notify_free(struct imap_session *);
void	 notify_news(struct imap_session *, struct slice mailbox);
/* Between commands. */
void	 notify_due(struct imap_session *);
/* This session has made, renamed, removed, (un)subscribed these; .n 0: none. */
void	 notify_own(struct imap_session *, struct slice, struct slice);
/* It has set these. */
struct own_entries {
	struct slice	 mailbox;	/* empty: the server's */
	const struct slice *names;
	size_t		 n;
};
void	 notify_own_metadata(struct imap_session *, const struct own_entries *);
/* What it wants to know of a mailbox that is not the selected one. */
unsigned notify_events(const struct imap_session *, struct slice mailbox,
	    bool subscribed);

bool	 notify_wants_metadata(struct imap_session *, struct slice mailbox);

/* names.c: the list as it is now; what has changed since it was taken, but for
 * what is this session's own doing; it is then as it is now. */
struct names *names_new(struct imap_session *);
void	 names_free(struct names **);
void	 names_tell(struct imap_session *, struct names **,
	    struct slice own_from, struct slice own_to);

/* entries.c: the same of metadata; own: may be NULL. */
struct entries *entries_new(struct imap_session *);
void	 entries_free(struct entries **);
void	 entries_tell(struct imap_session *, struct entries **,
	    const struct own_entries *own);

/* compress.c */
void	 deflate_end(struct imap_session *);
/* Both directions end behind the command under way; what the client has sent
 * behind it is the stream's input, as it is. */
void	 deflate_leave(struct imap_session *);
void	 deflate_write(struct imap_session *, struct slice);
/* Inflates input until *plain_r has some; false: the stream is broken. */
bool	 inflate_input(struct imap_session *, struct slice *plain_r);
void	 inflate_consume(struct imap_session *, size_t n);

/* park.c */
bool	 state_write(const struct imap_session *, struct buf *);
bool	 state_read(struct imap_session *, struct slice);

#endif
