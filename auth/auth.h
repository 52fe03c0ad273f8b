/* SPDX-License-Identifier: ISC */
/*
 * auth - what its files share.
 *
 *	auth.c		the process, its channels, what is offered
 *	dialogue.c	one login, from AU_START to its answer
 *	pool.c		which verifier is asked
 *	limits.c	who fails too often
 *	sessions.c	how many sessions a login has
 *	verifier.c	the other process of this program: has the passwords
 */
#ifndef AUTH_AUTH_H
#define AUTH_AUTH_H

#include <sys/queue.h>
#include <sys/tree.h>

#include "ipc/auth_client.h"
#include "ipc/auth_lookup.h"
#include "ipc/auth_verifier.h"
#include "ipc/child.h"
#include "ipc/grant.h"
#include "limits.h"
#include "sasl/sasl.h"
#include "sessions.h"

#define DIALOGUES_MAX	16384	/* at once */

struct dialogue;
TAILQ_HEAD(dialogue_list, dialogue);
RB_HEAD(dialogue_tree, dialogue);

/* A process whose clients log in. */
struct client {
	TAILQ_ENTRY(client)	 entry;
	struct channel		*channel;
	unsigned		 number;	/* for sessions */
	struct dialogue_list	 dialogues;
};
TAILQ_HEAD(client_list, client);

/* A verifier, and what it has been asked. */
struct verifier {
	struct channel		*channel;	/* NULL: none */
	size_t			 asked;
};

#define VERIFIERS	64

struct auth {
	struct child		 child;
	struct limits		*limits;	/* owned */
	struct sessions		*sessions;	/* owned */
	struct client_list	 clients;
	unsigned		 last_client;
	struct dialogue		*slots[DIALOGUES_MAX];	/* by id */
	size_t			 free_slots[DIALOGUES_MAX];
	size_t			 nfree;
	uint64_t		 serial;
	struct dialogue_tree	 by_client;	/* and its id */
	struct verifier		 verifiers[VERIFIERS];
	bool			 offered[SASL_MECHANISM_LIMIT];
	bool			 has_secret;
	uint8_t			 secret[GRANT_SECRET_BYTES];
};

/* dialogue.c */
void	 dialogue_start(struct auth *, struct client *, struct message *);
void	 dialogue_response(struct auth *, struct client *, uint64_t id,
	    struct slice);
void	 dialogue_cancel(struct auth *, struct client *, uint64_t id);
void	 dialogue_cancel_all(struct auth *, struct client *);
/* Answers, by our ids; false: their fields are wrong. */
bool	 dialogue_salt(struct auth *, uint64_t id, struct wire *);
bool	 dialogue_verdict(struct auth *, uint64_t id, struct wire *);
bool	 dialogue_mailbox(struct auth *, uint64_t id, struct wire *);
/* Nobody will answer those who wait for lookup, or for a verifier. */
void	 dialogue_lookup_lost(struct auth *);
void	 dialogue_verifier_lost(struct auth *, unsigned index);

/* pool.c */
/* -1: none can be asked now.  *index_r is to be given back. */
int	 pool_ask(struct auth *, uint64_t id, enum auth_protocol,
	    const struct sasl_question *, unsigned *index_r);
void	 pool_answered(struct auth *, unsigned index);
void	 pool_cancel(struct auth *, uint64_t id, unsigned index);
void	 pool_up(struct auth *, struct channel *);
void	 pool_down(struct auth *, struct channel *);
size_t	 pool_asked(const struct auth *);

#endif
