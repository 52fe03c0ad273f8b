/* SPDX-License-Identifier: ISC */
/*
 * maildir - messages into Maildirs (https://cr.yp.to/proto/maildir.html, with
 * the sizes in the name that Courier and Dovecot know).
 *
 * A message is written to tmp/ (or in staging, see staging.h) and renamed to
 * new/.  Its name is made from the queue's number of the message and of the
 * recipient,
 *
 *	SECONDS.MmicrosecondsQid Rnumber.host,S=bytes,W=bytes-with-CRLF
 *
 * (without the blank), so that a delivery repeated after a crash finds its
 * earlier copy, in new/ or, seen by the user, in cur/.  A copy there counts
 * only if it is as long as its name says: a power cut can keep the name and
 * lose the data.
 *
 * Nothing here is durable until durable_start() or durable_now() has said so.
 */
#ifndef LOCAL_MAILDIR_H
#define LOCAL_MAILDIR_H

#include "content.h"
#include "durable.h"
#include "store/quota.h"

#define MAILDIR_CHECK_MS	1000
#define MAILDIR_FDS	5	/* of each that is kept open */

struct maildirs;

enum maildir_end {
	MAILDIR_STORED,		/* or found: an earlier attempt's copy */
	MAILDIR_FULL,		/* over its quota */
	MAILDIR_TOO_LARGE,	/* the message alone is */
	MAILDIR_FAILED,		/* errno */
};

/* One copy. */
struct maildir_copy {
	struct slice	 path;		/* absolute, shorter than PATH_MAX */
	struct slice	 root;		/* missing directories below it are
					 * made; empty: none are */
	uint64_t	 queue_id;
	uint32_t	 number;	/* the recipient's */
	int64_t		 arrived_ms;
	bool		 maybe_done;
	uint64_t	 quota_bytes;	/* 0: none */
	uint64_t	 quota_messages;
	struct slice	 prefix;	/* fields that come first, LF */
	const struct content *content;
};

/* staging_root: Maildirs that may be made below it (their copies' root) have
 * their files made in one place there (staging.h); empty: none.  open_max:
 * Maildirs whose directories are kept open; each takes MAILDIR_FDS.  host goes
 * into file names.  A path is looked at again after check_ms: it may be another
 * directory by then. */
struct maildirs *maildirs_new(const struct fs *, struct durable *,
	    const char *host, const char *staging_root, size_t open_max,
	    int64_t check_ms);
void	 maildirs_free(struct maildirs **);
enum maildir_end maildir_store(struct maildirs *, const struct maildir_copy *);
/* The indexes learn of what was stored since the last call: no scan is needed
 * for it then.  Whatever fails here is found by the next scan.  each() is told
 * every Maildir once. */
void	 maildirs_record(struct maildirs *,
	    void (*each)(void *arg, struct slice path), void *arg);
/* How full it is, when so many bytes are to be added; nothing where there is
 * none yet.  -1 with errno. */
int	 maildir_used(struct maildirs *, struct slice path, uint64_t bytes,
	    struct quota *);

#endif
