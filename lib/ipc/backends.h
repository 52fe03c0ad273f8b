/* SPDX-License-Identifier: ISC */
/* backends - what auth.backends needs of this build and this machine: for
 * master before it starts, and for `chasqui config check`. */
#ifndef IPC_BACKENDS_H
#define IPC_BACKENDS_H

#include <sys/types.h>

#include "base/buf.h"
#include "conf/conf.h"

/* -1, and a line for each that cannot work. */
int	 backends_check(const struct conf *, bool as_root, struct buf *why);
/* The group that may read /etc/shadow and is not root's; 0: none. */
gid_t	 backends_shadow_group(void);
/* The file of a PAM service; false: there is none. */
bool	 backends_pam_file(const char *service, char *path, size_t size);
/* None of them has keys for SCRAM. */
bool	 backends_have_no_keys(const struct conf *);

#endif
