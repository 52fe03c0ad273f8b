/* SPDX-License-Identifier: ISC */
/*
 * settings - the configuration in the form that sessions use it.
 *
 * A session keeps the settings it began with: a reload makes new ones for new
 * sessions, and the old go with their last session.
 */
#ifndef SMTPD_SETTINGS_H
#define SMTPD_SETTINGS_H

#include "base/buf.h"
#include "conf/conf.h"

struct nets {
	struct conf_net	*v;		/* owned */
	size_t		 n;
};

struct settings {
	unsigned	 refs;
	char		*hostname;	/* owned */
	struct buf	 greeting;	/* "220 ...\r\n" */
	struct buf	 ehlo;		/* the reply to EHLO and LHLO, without
					 * what depends on the session */
	struct nets	 relay;		/* clients that may relay */
	struct nets	 bare_lf;	/* clients whose LF is taken for CRLF */
	uint64_t	 max_message;
	uint64_t	 max_line;
	uint64_t	 max_recipients;
	uint64_t	 max_sessions;
	uint64_t	 max_errors;
	uint64_t	 max_transactions;
	uint64_t	 max_hops;
	uint64_t	 memory;
	uint64_t	 inline_bytes;	/* content up to this: SUBMIT */
	uint64_t	 client_sessions;
	uint64_t	 rate_connections;
	uint64_t	 rate_messages;
	int64_t		 rate_window;	/* ms, like all times */
	int64_t		 timeout_command;
	int64_t		 timeout_data;
	int64_t		 greet_delay;
	bool		 reverse_dns;
	bool		 check_header;	/* of submissions; so are these: */
	bool		 hide_client;
	uint64_t	 max_header;
	int64_t		 max_hold;
};

/* With one reference.  NULL and why when a value cannot be used. */
struct settings *settings_new(const struct conf *, struct buf *why);
struct settings *settings_ref(struct settings *);
void	 settings_release(struct settings **);
bool	 nets_have(const struct nets *, const uint8_t addr[16]);

#endif
