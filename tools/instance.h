/* SPDX-License-Identifier: ISC */
/* instance - what has to be there before a suite can start: for the commands
 * that make a configuration.  Reasons of failures have been told. */
#ifndef TOOLS_INSTANCE_H
#define TOOLS_INSTANCE_H

#include <sys/types.h>

#include "base/buf.h"

struct instance {
	const char	*dir;		/* of the configuration */
	bool		 own_dir;	/* queue, mail, ... are below it, too */
	bool		 as_root;	/* set by instance_make_users() */
	gid_t		 tables_gid;	/* as root: who reads the tables */
	gid_t		 passwords_gid;	/* as root: who reads the passwords */
};

/* The files of the self-signed certificate, below dir. */
#define INSTANCE_CHAIN	"tls/self-signed.pem"
#define INSTANCE_KEY	"tls/self-signed.key"

/* As root makes the system users that are missing.  All four return 0 or an
 * exit status. */
int	 instance_make_users(struct instance *);
int	 instance_make_directories(const struct instance *);
/* A file below dir; one that is there stays as it is, but chasqui.conf. */
int	 instance_write(const struct instance *, const char *name, mode_t,
	    const struct buf *);
/* auth/passwords, which only verifiers may read. */
int	 instance_write_passwords(const struct instance *, const struct buf *);
/* So that nothing starts without TLS. */
int	 instance_write_certificate(const struct instance *,
	    const char *hostname);

#endif
