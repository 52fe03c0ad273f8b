/* SPDX-License-Identifier: ISC */
/* wiring - see wiring.h. */
#include "wiring/wiring.h"

/* Programs with several roles have a name for each. */
const char *
role_name(enum role role)
{
	switch (role) {
	case ROLE_WORKER:
		return "worker";
	case ROLE_COMMAND:
		return "command";
	case ROLE_VERIFIER:
		return "verifier";
	case ROLE_IMAP_SESSION:
		return "imap-session";
	case ROLE_POP3_SESSION:
		return "pop3-session";
	case ROLE_IMAP_SPAWN:
		return "imap-spawn";
	case ROLE_POP3_SPAWN:
		return "pop3-spawn";
	case ROLE_MASTER:
		return "master";
	case ROLE_SMTPD:
		return "smtpd";
	case ROLE_QMGR:
		return "qmgr";
	case ROLE_REMOTE:
		return "remote";
	case ROLE_LOCAL:
		return "local";
	case ROLE_BOUNCE:
		return "bounce";
	case ROLE_AUTH:
		return "auth";
	case ROLE_KEYS:
		return "keys";
	case ROLE_IMAP_LOGIN:
		return "imapd";
	case ROLE_POP3_LOGIN:
		return "pop3d";
	case ROLE_LOOKUP:
		return "lookup";
	case ROLE_RESOLVER:
		return "resolver";
	case ROLE_HISTORY:
		return "history";
	case ROLE_METRICS:
		return "metrics";
	case ROLE_TOOL:
		return "chasqui";
	case ROLE_LIMIT:
		break;
	}
	return "?";
}

int
role_is_trusted(enum role role)
{
	switch (role) {
	case ROLE_MASTER:
	case ROLE_QMGR:
	case ROLE_LOOKUP:
	case ROLE_KEYS:
	case ROLE_VERIFIER:
	case ROLE_HISTORY:
		return 1;
	case ROLE_SMTPD:
	case ROLE_REMOTE:
	case ROLE_LOCAL:
	case ROLE_WORKER:
	case ROLE_BOUNCE:
	case ROLE_RESOLVER:
	case ROLE_METRICS:
	case ROLE_TOOL:
	case ROLE_COMMAND:
	case ROLE_AUTH:
	case ROLE_IMAP_LOGIN:
	case ROLE_POP3_LOGIN:
	case ROLE_IMAP_SESSION:
	case ROLE_POP3_SESSION:
	case ROLE_IMAP_SPAWN:
	case ROLE_POP3_SPAWN:
	case ROLE_LIMIT:
		break;
	}
	return 0;
}
