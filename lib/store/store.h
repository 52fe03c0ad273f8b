/* SPDX-License-Identifier: ISC */
/*
 * store - one user's mailboxes: Maildir++ with an index beside each.
 *
 * Who calls it: a session of imapd or pop3d, a worker of local, and the tools;
 * several of them at once on one mailbox.  Nobody else touches the files, but
 * for other programs on the same Maildir, whose changes are seen and taken in.
 *
 * Always (architecture.md, S1 to S4):
 *	S1  what append, copy and move have acknowledged survives a power cut;
 *	    flags and expunges do after at most a second
 *	S2  a UID never changes its message; no UID or mod-sequence is ever
 *	    given out twice
 *	S3  two sessions and a delivery at once never lose a change
 *	S4  no file here, however broken, takes more than its limits
 *
 * All calls block.  Mailbox names are UTF-8, '/' between levels, "INBOX" in
 * any case for the inbox; how that is on disk is the store's own business.
 * Content is stored with LF line ends, as other Maildir programs have it; sizes
 * are those with CRLF (RFC822.SIZE) unless a name says otherwise.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

struct store;
struct mailbox;
struct append;
struct fs;

enum store_result {
	STORE_OK,
	STORE_NO_MAILBOX,	/* no such mailbox: [NONEXISTENT], [TRYCREATE] */
	STORE_EXISTS,		/* the name is taken: [ALREADYEXISTS] */
	STORE_BAD_NAME,		/* [CANNOT] */
	STORE_HAS_CHILDREN,
	STORE_OVER_QUOTA,	/* [OVERQUOTA] */
	STORE_TOO_LARGE,	/* the message alone: [TOOBIG] */
	STORE_READ_ONLY,
	STORE_NO_KEYWORD,	/* the mailbox has STORE_KEYWORDS already */
	STORE_EXPUNGED,		/* that message is gone: [EXPUNGEISSUED] */
	STORE_BUSY,		/* the lock was not to be had: [INUSE] */
	STORE_DAMAGED,		/* set aside; `chasqui mailbox repair` */
	STORE_NEWER,		/* a later version's; nothing was touched */
	STORE_LIMIT,		/* one of the limits below: [LIMIT] */
	STORE_FAILED,		/* errno of store_errno(): [UNAVAILABLE] */
};

#define STORE_NAME_BYTES	1024	/* of a mailbox name, UTF-8 */
#define STORE_DEPTH		32	/* levels of a name */
#define STORE_MAILBOXES		100000	/* of one user */
#define STORE_KEYWORDS		64	/* of one mailbox */
#define STORE_KEYWORD_BYTES	128
#define STORE_MESSAGES		10000000 /* of one mailbox */
#define STORE_LOCK_MS		10000	/* how long a lock is waited for */

enum uidl_format {
	UIDL_OURS,		/* as Dovecot's default: UID and UIDVALIDITY in hex */
	UIDL_COURIER,		/* UID1-1234567890 */
	UIDL_DOTTED,		/* UIDVALIDITY.UID */
	UIDL_NAME,		/* the file's name, without flags */
	UIDL_GUID,		/* the message's GUID, of Dovecot the name */
};
/* From Dovecot's pop3_uidl_format. */
enum uidl_format uidl_format_parse(struct slice);

struct store_options {
	const struct fs	*fs;		/* NULL: the real calls */
	bool		 create;	/* make the Maildir where there is none */
	bool		 create_special; /* and Sent, Drafts, Trash, Junk, Archive,
					 * where there is none of these */
	bool		 names_at_once;	/* flags go into file names at once */
	bool		 staging;	/* see staging.h; takes MAY_PLACE */
	uint64_t	 quota_bytes;	/* 0: none */
	uint64_t	 quota_messages;
	/* Fills a message's summary for the cache (mail/summary.h); NULL: what
	 * is not cached stays so. */
	int		(*summarise)(struct slice message, struct buf *);
	/* How a UIDL is made where the mailbox's own files do not say. */
	enum uidl_format uidl_format;
	/* Told of what another server has left broken; may be NULL. */
	void		(*warn)(const char *mailbox, const char *text);
};

/* The Maildir's own directory (with cur, new, tmp); path is for messages.
 * Options are copied.  NULL with errno. */
struct store *store_open(const char *path, const struct store_options *);
void	 store_close(struct store **);
/* Nobody uses it for a while: what was put off is done, and what makes opening
 * a mailbox again cheap is kept.  False: the Maildir was removed. */
bool	 store_rest(struct store *);
int	 store_errno(const struct store *);
/* A result in words, for people; never NULL. */
const char *store_strerror(enum store_result);

/*
 * Work put off: changes of flags and expunges are synced, at the latest, when
 * store_work() is called at the time that store_due_ms() names
 * (clock_mono_ms(); INT64_MAX: there is none).  Whoever holds a store asks
 * after each change, or S1's second passes.  mailbox_close() does it too.
 */
int64_t	 store_due_ms(const struct store *);
enum store_result store_work(struct store *);

/* ---- the list of mailboxes ---------------------------------------------- */

enum special_use {		/* RFC 6154 */
	SPECIAL_ALL = 1, SPECIAL_ARCHIVE = 2, SPECIAL_DRAFTS = 4,
	SPECIAL_FLAGGED = 8, SPECIAL_JUNK = 16, SPECIAL_SENT = 32,
	SPECIAL_TRASH = 64, SPECIAL_IMPORTANT = 128,
};

struct mailbox_entry {
	struct slice	 name;
	bool		 exists;	/* false: only subscribed, or only a level
					 * above one that exists:
					 * \NonExistent */
	bool		 has_children;
	bool		 subscribed;
	unsigned	 special_use;	/* mask */
};
/* All of them, sorted by name with INBOX first; each slice is valid within the
 * callback. A callback that returns false ends it. */
enum store_result store_list(struct store *,
	    bool (*each)(void *arg, const struct mailbox_entry *), void *arg);
enum store_result store_create(struct store *, struct slice name,
	    unsigned special_use);
enum store_result store_delete(struct store *, struct slice name);
/* INBOX: its messages move into a new mailbox (RFC 9051 6.3.6).  Children of
 * the others go with it. */
enum store_result store_rename(struct store *, struct slice from,
	    struct slice to);
enum store_result store_subscribe(struct store *, struct slice name, bool on);

/* METADATA (RFC 5464); mailbox empty: the server's.  A value is NULL-less
 * bytes; .p NULL: none.  set with .p NULL removes. */
#define STORE_METADATA_BYTES	(64 * 1024)	/* of one value */
#define STORE_METADATA_ENTRIES	100		/* of one mailbox */
enum store_result store_metadata_each(struct store *, struct slice mailbox,
	    bool (*each)(void *arg, struct slice entry, struct slice value),
	    void *arg);
/* Of all mailboxes and of the server, in no order. */
enum store_result store_metadata_all(struct store *,
	    bool (*each)(void *arg, struct slice mailbox, struct slice entry,
	    struct slice value), void *arg);
enum store_result store_metadata_set(struct store *, struct slice mailbox,
	    struct slice entry, struct slice value);

struct mailbox_status {
	uint32_t	 messages;
	uint32_t	 recent;	/* arrived since a session last looked */
	uint32_t	 unseen;
	uint32_t	 deleted;
	uint32_t	 uidnext;
	uint32_t	 uidvalidity;
	uint64_t	 highestmodseq;
	uint8_t		 guid[16];	/* MAILBOXID (RFC 8474) */
};
/* Without opening it; takes in foreign changes first. */
enum store_result store_status(struct store *, struct slice name,
	    struct mailbox_status *);
/* Bytes of its messages, or only of those that have \Deleted, with CRLF; reads
 * each message whose size nobody has asked for before. */
enum store_result store_size(struct store *, struct slice name,
	    bool deleted_only, uint64_t *bytes_r);

struct store_usage { uint64_t bytes, messages; };
/* Of all mailboxes together. */
enum store_result store_usage(struct store *, struct store_usage *);
bool	 store_has_quota(const struct store *, struct store_usage *limits_r);

/* ---- one mailbox -------------------------------------------------------- */

enum flag {
	FLAG_SEEN = 1, FLAG_ANSWERED = 2, FLAG_FLAGGED = 4, FLAG_DELETED = 8,
	FLAG_DRAFT = 16,
	FLAG_RECENT = 32,	/* never stored: of the session that saw it first */
};
#define FLAGS_STORED	(FLAG_SEEN | FLAG_ANSWERED | FLAG_FLAGGED |	\
			    FLAG_DELETED | FLAG_DRAFT)

struct message_entry {
	uint32_t	 uid;
	uint8_t		 flags;		/* enum flag */
	uint8_t		 marks;		/* the store's own */
	uint32_t	 name_hash;	/* the store's own */
	uint64_t	 keywords;	/* bit i: mailbox_keyword_name(i) */
	uint64_t	 modseq;
};

/* What is told of a message only when somebody asks: a Maildir that is opened
 * for the first time gives names and nothing else. */
enum message_fact {
	FACT_SIZE = 1,		/* may read the whole message, once */
	FACT_DATES = 2,		/* may look at the file, once */
};
#define FACT_GUID	0	/* is always known */

struct message_facts {
	uint64_t	 size;		/* with CRLF */
	int64_t		 internal_ms;	/* INTERNALDATE, since 1970 */
	int64_t		 saved_ms;	/* SAVEDATE */
	uint8_t		 guid[16];	/* EMAILID: stays with copies */
};

/* read_only: EXAMINE; nothing is changed, \Recent neither. */
enum store_result mailbox_open(struct store *, struct slice name,
	    bool read_only, struct mailbox **);
void	 mailbox_close(struct mailbox **);

/* As of the last refresh; entries sorted by UID.  Valid until the next call
 * that may change the mailbox. */
const struct mailbox_status *mailbox_head(const struct mailbox *);
const struct message_entry *mailbox_entries(const struct mailbox *,
	    size_t *n_r);
/* NULL: there is no such message. */
const struct message_entry *mailbox_find(const struct mailbox *, uint32_t uid);
/* wanted: enum message_fact, or'ed; others are set where they are known.  What
 * the files do not give any more is 0, and the answer is not STORE_OK. */
enum store_result mailbox_facts(struct mailbox *, uint32_t uid,
	    unsigned wanted, struct message_facts *);
bool	 mailbox_is_read_only(const struct mailbox *);
struct slice mailbox_name(const struct mailbox *);

/* Keywords: at most STORE_KEYWORDS, each a bit; how many there are.  Those of a
 * mailbox that was taken over may leave bits out: their name is empty. */
unsigned mailbox_keywords(const struct mailbox *);
const char *mailbox_keyword_name(const struct mailbox *, unsigned bit);
/* The bit of a keyword, case ignored; create: made where it is missing.  -1:
 * there is none, or no room. */
int	 mailbox_keyword(struct mailbox *, struct slice name, bool create);

/*
 * Takes in what others have changed.  changes_r, if not NULL, gets what is
 * different since the last refresh, in order of UID: valid until the next
 * call.  This session's own expunges and appends are among them, its own
 * changes of flags are not.  Entries, and so sequence numbers, change only
 * here: a message that is expunged meanwhile stays in the array.  Costs two or
 * three system calls where nothing has changed.
 */
struct mailbox_change {
	uint32_t	 uid;
	enum { CHANGE_NEW = 1, CHANGE_FLAGS = 2, CHANGE_EXPUNGED = 4 } what;
	uint64_t	 modseq;
};
enum store_result mailbox_refresh(struct mailbox *,
	    const struct mailbox_change **changes_r, size_t *n_r);

/* UIDs that were expunged after a mod-sequence (RFC 7162).  False: it is too
 * long ago to be known; every UID that is not there may be one. */
bool	 mailbox_vanished(struct mailbox *, uint64_t since,
	    void (*each)(void *arg, uint32_t uid), void *arg);

/* ---- content ------------------------------------------------------------ */

#define STORE_HELD_BYTES	(128 * 1024)	/* of a message that waits */

/*
 * What is larger than STORE_HELD_BYTES can be let go of while somebody waits:
 * bytes stays where it is, but may be looked at again only where it was
 * wanted since.
 */
struct message_content {
	struct slice	 bytes;		/* as stored: line ends LF, CRLF or both */
	/* private: */
	void		*map;
	size_t		 map_bytes;
	const struct fs	*fs;		/* NULL: all of it is always there */
	int		 fd;		/* owned, where there is fs */
	bool		 away;		/* only what was wanted is there */
	bool		 wanted;	/* something was */
};
/* A file that is shortened meanwhile by somebody else never kills the
 * reader. */
enum store_result mailbox_content(struct mailbox *, uint32_t uid,
	    struct message_content *);
/* The same, but nothing of a large one is there before it is wanted; what was
 * not to be read is NULs. */
enum store_result mailbox_content_away(struct mailbox *, uint32_t uid,
	    struct message_content *);
/* part: of bytes. */
void	 message_content_want(struct message_content *, struct slice part);
void	 message_content_let_go(struct message_content *);
/* A copy of at most n stored bytes, also where they are not there; 0: at is the
 * end, or they cannot be read. */
size_t	 message_content_read(const struct message_content *, size_t at,
	    char *to, size_t n);
void	 message_content_clear(struct message_content *);
/* Its summary, from the cache, or made now and cached; valid until the next
 * call.  .n 0 where there is none. */
enum store_result mailbox_summary(struct mailbox *, uint32_t uid,
	    struct slice *summary_r);

/* ---- changes ------------------------------------------------------------ */

/* UIDs ascending.  What is not there any more is left out in silence. */
struct uid_list { const uint32_t *v; size_t n; };

enum flag_change { FLAGS_SET, FLAGS_ADD, FLAGS_REMOVE };
struct flag_request {
	enum flag_change how;
	uint8_t		 flags;		/* FLAGS_STORED */
	uint64_t	 keywords;
	uint64_t	 unchanged_since; /* RFC 7162; UINT64_MAX: no matter */
};
/* All or nothing but for messages that fail UNCHANGEDSINCE, which failed() is
 * told (may be NULL).  The mod-sequence of the change is *modseq_r. */
enum store_result mailbox_set_flags(struct mailbox *, struct uid_list,
	    const struct flag_request *,
	    void (*failed)(void *arg, uint32_t uid),
	    void *arg, uint64_t *modseq_r);
/* Only those that have \Deleted where deleted_only. */
enum store_result mailbox_expunge(struct mailbox *, struct uid_list,
	    bool deleted_only);

/* UIDs of a copy, pairwise: from[i] became to[i]. */
struct copied {
	uint32_t	 uidvalidity;
	uint32_t	*from, *to;	/* owned: free() */
	size_t		 n;
};
/* S1: durable when it returns.  All or nothing. */
enum store_result mailbox_copy(struct mailbox *, struct uid_list,
	    struct slice to, bool move, struct copied *);

/*
 * New messages: append_begin, then for each message append_message, any number
 * of append_bytes, append_end; then append_commit, which makes all of them
 * durable and visible together (S1), or append_abort.  Bytes come with CRLF or
 * LF and are stored with LF.
 */
enum store_result append_begin(struct store *, struct slice mailbox,
	    struct append **);
/* The message that append_replace() will expunge makes room for the new one. */
void	 append_frees(struct append *, struct mailbox *, uint32_t uid);
/* size: announced, 0 unknown; quota is looked at. keywords are names. */
enum store_result append_message(struct append *, uint64_t size,
	    uint8_t flags, const struct slice *keywords, size_t nkeywords,
	    int64_t internal_ms);
enum store_result append_bytes(struct append *, struct slice);
enum store_result append_end(struct append *);
struct appended {
	uint32_t	 uidvalidity;
	uint32_t	 first_uid;	/* they are consecutive */
	uint32_t	 n;
};
enum store_result append_commit(struct append **, struct appended *);
/* The same, and one message of another mailbox expunged with it: RFC 8508. */
enum store_result append_replace(struct append **, struct mailbox *,
	    uint32_t uid, struct appended *);
void	 append_abort(struct append **);

/* ---- delivery (local's worker) ------------------------------------------ */

/*
 * A message that the worker has put into new/ under this file name, durable or
 * not yet: gives it a UID and caches its summary, so that no scan is needed.
 * message empty: it is read where that is wanted.
 * Nothing is lost when it fails or is never called: the file is then found by
 * the next scan.  Written with the next store_deliveries_write(), or before;
 * durable when somebody syncs the file system.
 */
enum store_result store_delivered(struct store *, struct slice mailbox,
	    const char *file_name, uint64_t stored_bytes, struct slice message);
enum store_result store_deliveries_write(struct store *);

/* ---- POP3 --------------------------------------------------------------- */

/* The UIDL of a message (at most 70 bytes, RFC 1939): that of the server from
 * which the Maildir was taken over, or ours. */
enum store_result mailbox_uidl(struct mailbox *, uint32_t uid, struct buf *);

/* ---- tools -------------------------------------------------------------- */

/* A line for each difference between index and Maildir; *bad_r counts them.
 * A file that a power cut has left in pieces has a line, and is no difference.
 * repair: mends them, UIDs kept wherever they are known. */
enum store_result store_verify(struct store *, struct slice mailbox,
	    bool repair, void (*line)(void *arg, const char *), void *arg,
	    unsigned *bad_r);
/* Mailboxes in directories below each other (Dovecot's LAYOUT=fs) become those
 * of Maildir++; a line for each.  dry: they are only named.  *n_r counts those
 * that were found. */
enum store_result store_convert(struct store *, bool dry,
	    void (*line)(void *arg, const char *), void *arg, unsigned *n_r);
/* Writes dovecot-uidlist (v3) and dovecot-keywords, flags into the names. */
enum store_result store_export_uidlist(struct store *, struct slice mailbox);

#endif
