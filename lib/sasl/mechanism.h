/* SPDX-License-Identifier: ISC */
/* mechanism - what sasl.c and the files of the mechanisms share. */
#ifndef SASL_MECHANISM_H
#define SASL_MECHANISM_H

#include "sasl/sasl.h"

/* The steps of a mechanism: which function takes the client's next response,
 * or the next answer, is the state. */
enum sasl_step	 sasl_fail(struct sasl *, const char *why);
enum sasl_step	 sasl_bad(struct sasl *, const char *why);
/* The challenge is in out; the response goes to the step of `state`. */
enum sasl_step	 sasl_send(struct sasl *, unsigned state);
enum sasl_step	 sasl_ask(struct sasl *, enum sasl_question_kind,
	    unsigned state);
/* A prepared name in the arena; false: SASL_FAIL is to follow. */
bool		 sasl_set_login(struct sasl *, struct slice name);
/* An authorisation identity: nobody acts for another. */
bool		 sasl_is_own(const struct sasl *, struct slice authzid);
bool		 sasl_keep(struct sasl *, struct slice, struct slice *copy_r);
/* The one password or token of the dialogue, wiped at its end. */
bool		 sasl_keep_secret(struct sasl *, struct slice,
		    struct slice *copy_r);

bool		 sasl_name_decode(struct sasl *, struct slice,
		    struct slice *name_r);

enum sasl_step	 scram_feed(struct sasl *, struct slice);
enum sasl_step	 scram_answer(struct sasl *, const struct sasl_answer *);
enum sasl_step	 oauth_feed(struct sasl *, struct slice);
enum sasl_step	 oauth_answer(struct sasl *, const struct sasl_answer *);

#endif
