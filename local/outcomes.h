/* SPDX-License-Identifier: ISC */
/* outcomes - how local deliveries end, as values. */
#ifndef LOCAL_OUTCOMES_H
#define LOCAL_OUTCOMES_H

#include "mail/outcome.h"

struct outcome outcome_delivered(void);
/* text: "4.3.0 what went wrong", borrowed; its class decides between deferred
 * and failed. */
struct outcome outcome_of(const char *text);
/* A call for a mailbox failed with this errno, EBADMSG for damaged content.
 * Always deferred: an operator or the user can mend it.  The text lasts. */
struct outcome outcome_of_errno(int error);

#endif
