/* SPDX-License-Identifier: ISC */
/*
 * pam - passwords that PAM's modules check, for those that need no right of
 * their own: what asks a daemon by a Unix socket, or reads a file.
 *
 * The modules are loaded when the source is made, before the rights are
 * dropped; later no code is loaded, and none run as a program.  That ends
 * pam_unix, whose helper is set-id: sources of kind system are for that.
 */
#ifndef AUTH_PAM_H
#define AUTH_PAM_H

#include <stdbool.h>
#include <stdint.h>

#include "sasl/account.h"

struct pam_source;

/* service is copied.  Users of this machine below minimum_uid have none. */
struct pam_source *pam_source_new(const char *service, uint64_t minimum_uid);
void	 pam_source_free(struct pam_source **);
/* As sources_find(): nobody knows whom PAM knows, so one that is external. */
int	 pam_source_find(struct pam_source *, struct slice login,
	    struct account *);
/* As sources_ask(). */
int	 pam_source_ask(struct pam_source *, struct account *,
	    const char *password);

#endif
