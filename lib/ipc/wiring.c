/* SPDX-License-Identifier: ISC */
/* wiring - see wiring.h. */
#include "ipc/wiring.h"

const char *
role_name(enum role role)
{
	switch (role) {
#define X(name, no, program, instances)					\
	case ROLE_##name:						\
		return ROLE_##name == ROLE_WORKER ? "worker" :		\
		    ROLE_##name == ROLE_COMMAND ? "command" : program;
	ROLES(X)
#undef X
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
		return 1;
	case ROLE_SMTPD:
	case ROLE_REMOTE:
	case ROLE_LOCAL:
	case ROLE_WORKER:
	case ROLE_BOUNCE:
	case ROLE_RESOLVER:
	case ROLE_TOOL:
	case ROLE_COMMAND:
	case ROLE_LIMIT:
		break;
	}
	return 0;
}
