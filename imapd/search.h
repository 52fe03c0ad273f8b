/* SPDX-License-Identifier: ISC */
/*
 * search - SEARCH, SORT and THREAD on a view: criteria parsed and evaluated
 * (RFC 9051 6.4.4, 5256, 5957, 5032, 7162, 8474, 8514).
 *
 * The commands themselves (RETURN options, what is answered, SEARCHRES,
 * PARTIAL) are search_cmd.c's.
 */
#ifndef IMAPD_SEARCH_H
#define IMAPD_SEARCH_H

#include "parse.h"
#include "set.h"
#include "view.h"

#define SEARCH_KEYS	1000	/* criteria of one search */
#define SORT_KEYS	16	/* of one SORT */

struct search;
struct summary;

enum search_error {
	SEARCH_OK,
	SEARCH_BAD,		/* not the grammar: BAD */
	SEARCH_BADCHARSET,	/* NO [BADCHARSET (...)] */
	SEARCH_LIMIT,		/* SEARCH_KEYS, nesting: NO [LIMIT] */
	SEARCH_UIDREQUIRED,	/* SEARCH_UIDONLY: BAD [UIDREQUIRED] */
};

enum {
	SEARCH_CHARSET_FIRST = 1, /* SORT, THREAD: a charset stands before the
				 * criteria, always and without "CHARSET" */
	SEARCH_UTF8 = 2,	/* UTF8=ACCEPT is enabled: CHARSET is refused */
	SEARCH_UIDONLY = 4,	/* sequence numbers are refused (RFC 9586) */
};
/* From the first criterion (or CHARSET) to the end of the cursor. */
enum search_error search_parse(struct cursor *, unsigned flags,
	    struct search **);
void	 search_free(struct search **);
/* A criterion MODSEQ is among them: CONDSTORE is enabled by it, and answers
 * have MODSEQ. */
bool	 search_uses_modseq(const struct search *);
/* Evaluation also has the summaries of what matches made, so that SORT and
 * THREAD, which cannot give way to the loop, find them there. */
void	 search_wants_summaries(struct search *);
/* The charsets that we know, "UTF-8 US-ASCII ...", for BADCHARSET. */
extern const char search_charsets[];

/*
 * Evaluation.  Begun once (that settles sets, "*" and "$" by the view as it is
 * now), then called until it is done: each call works for about ms
 * milliseconds.  The view must not change meanwhile; messages that are gone
 * from the store match nothing.
 */
void	 search_begin(struct search *, struct view *);
enum search_state {
	SEARCH_GOING_ON,
	SEARCH_DONE,
} search_step(struct search *, int64_t ms);
/* For INPROGRESS (RFC 9585): of how many messages it knows now. */
void	 search_progress(const struct search *, uint32_t *done_r,
	    uint32_t *all_r);
/* When done: positions in the view that match, ascending; the search's. */
const struct uids *search_hits(const struct search *);

/* ---- SORT ---------------------------------------------------------------- */

enum sort_by {
	SORT_ARRIVAL, SORT_CC, SORT_DATE, SORT_FROM, SORT_SIZE, SORT_SUBJECT,
	SORT_TO, SORT_DISPLAYFROM, SORT_DISPLAYTO,
};
struct sort_key { enum sort_by by; bool reverse; };
/* "(REVERSE DATE FROM)"; keys[SORT_KEYS]. */
bool	 sort_parse(struct cursor *, struct sort_key *keys, size_t *n_r);
/* Whether these keys read summaries. */
bool	 sort_reads(const struct sort_key *keys, size_t nkeys);
/* Orders positions; ties by position (RFC 5256 section 3). */
void	 sort_positions(struct view *, const struct sort_key *, size_t nkeys,
	    struct uids *positions);

/* ---- THREAD -------------------------------------------------------------- */

enum thread_algorithm { THREAD_ORDEREDSUBJECT, THREAD_REFERENCES };
/* Appends "(1)(2 3 (4)(5 6))": sequence numbers, or UIDs, of positions.  -1:
 * the ceiling of the buf. */
int	 thread_write(struct view *, enum thread_algorithm,
	    const struct uids *positions, bool uids, struct buf *);
/* THREADID (RFC 8474): messages have the same whose References, or failing
 * these In-Reply-To, begin alike, or that are what others begin with; one that
 * has no id is alone. */
void	 thread_id(const struct summary *, const uint8_t guid[16],
	    uint8_t id_r[16]);

#endif
