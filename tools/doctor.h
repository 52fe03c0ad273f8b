/* SPDX-License-Identifier: ISC */
/*
 * doctor - what the parts of `chasqui doctor` share.
 *
 * Each part looks at one side of the machine and says what it finds; what is
 * not as it should be comes with what to do.  Nothing is changed.
 */
#ifndef TOOLS_DOCTOR_H
#define TOOLS_DOCTOR_H

#include <stdio.h>

#include "chasqui.h"

enum finding {
	FINDING_OK,
	FINDING_NOTE,	/* worth knowing; nothing need be done */
	FINDING_WARNING,	/* works, but something will go wrong */
	FINDING_FAULT,	/* something does not work */
};
#define FINDINGS	(FINDING_FAULT + 1)

struct doctor {
	struct tool	*tool;
	const struct conf *conf;	/* NULL: it has errors */
	bool		 running;	/* this instance's suite is */
	bool		 foreign;	/* it is another user's, and we are
					 * not root */
	bool		 json;
	bool		 verbose;	/* shows what is in order, too */
	const char	*area;		/* of the part that runs */
	unsigned	 count[FINDINGS];
};

/* A finding about subject; advice (NULL with FINDING_OK) is what to do.  The
 * text is a printf format. */
void	 doctor_say(struct doctor *, enum finding, const char *subject,
	    const char *advice, const char *fmt, ...)
	    __attribute__((format(printf, 5, 6)));

/* The parts; those but machine and others need the configuration. */
void	 doctor_ports(struct doctor *);
void	 doctor_certificates(struct doctor *);
void	 doctor_files(struct doctor *);
void	 doctor_disk(struct doctor *);
void	 doctor_dns(struct doctor *);
void	 doctor_others(struct doctor *);	/* other mail servers */


#endif
