/* SPDX-License-Identifier: ISC */
/*
 * criteria - what search_parse.c makes of a search program, and search.c asks
 * of each message; what search_text.c finds in a message's text.
 */
#ifndef IMAPD_CRITERIA_H
#define IMAPD_CRITERIA_H

#include "mail/message.h"
#include "mail/summary.h"
#include "search.h"

#define SEARCH_DEPTH	32	/* of NOT, OR and parentheses together */
#define SEARCH_BYTES	(256 * 1024) /* criteria and their texts */
#define SEARCH_PART_BYTES (16 * 1024 * 1024) /* of an encoded part, decoded */
#define SEARCH_CHUNK	(64 * 1024)

/* In the order of what they cost: within AND and OR the cheap ones are asked
 * first. */
enum criterion_kind {
	C_ALL, C_FLAGS, C_KEYWORD, C_SEQUENCE, C_UIDS, C_UID_RANGE, C_SAVED,
	C_SIZE, C_INTERNAL_DAY, C_INTERNAL_AGE, C_SAVED_DAY, C_MODSEQ,
	C_EMAILID, C_SENT_DAY, C_THREADID, C_SUBJECT, C_HEADER, C_BODY, C_TEXT,
	C_NOT, C_AND, C_OR,
};

enum cost { COST_ENTRY, COST_SUMMARY, COST_CONTENT };

struct criterion {
	enum criterion_kind kind;
	enum cost	 cost;
	uint8_t		 mask, want;	/* C_FLAGS */
	struct set	 set;		/* owned; C_SEQUENCE, C_UIDS */
	int		 bit;		/* C_KEYWORD, found at the beginning */
	/* C_SIZE, C_*_DAY (days since 1970), C_INTERNAL_AGE (ms since 1970),
	 * C_MODSEQ, C_UID_RANGE: matches from least to most. */
	int64_t		 least, most;
	struct slice	 name;		/* field, keyword, an id */
	struct slice	 needle;	/* in the form for comparison */
	struct criterion *first, *next;	/* of C_NOT, C_AND, C_OR; siblings */
	struct criterion *all;		/* of all there are, for their sets */
};

struct search {
	struct arena	 arena;		/* all criteria and their texts */
	struct criterion *root, *all;
	unsigned	 keys;
	bool		 uses_modseq;
	bool		 wants_summaries;
	/* From search_begin() on. */
	struct view	*view;
	size_t		 at;		/* position */
	struct uids	 hits;
	struct uids	 saved;		/* "$" as it was */
	struct candidate *candidate;	/* owned */
};

struct search *search_new(size_t bytes);

/* One message that is asked about: what has been read of it. */
struct candidate *candidate_new(void);
void	 candidate_free(struct candidate **);
void	 candidate_set(struct candidate *, struct mailbox *, uint32_t uid);
/* None of these answers is of use when the message could not be read. */
bool	 candidate_failed(const struct candidate *);
/* Minutes of the zone are in it: the day as it is written. */
bool	 candidate_sent_day(struct candidate *, int64_t *days_r);
/* As thread_id() gives it; false: not known. */
bool	 candidate_thread(struct candidate *, uint8_t id_r[16]);
bool	 candidate_subject_has(struct candidate *, struct slice needle);
bool	 candidate_header_has(struct candidate *, struct slice name,
	    struct slice needle);
bool	 candidate_text_has(struct candidate *, struct slice needle,
	    bool with_header);

#endif
