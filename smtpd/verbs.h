/* SPDX-License-Identifier: ISC */
/* verbs - the commands of SMTP and LMTP. */
#ifndef SMTPD_VERBS_H
#define SMTPD_VERBS_H

#include <stdbool.h>

struct session;

/* Takes one command line off the input and obeys it.  False: there is no
 * whole line, or it has to wait until those before it have their replies. */
bool	 verbs_take_line(struct session *);
/* MAIL may be taken; the transaction gets its queue id. */
void	 mail_go_on(struct session *);
/* The queue id is there. */
void	 mail_begun(struct session *);

#endif
