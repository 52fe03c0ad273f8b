/* SPDX-License-Identifier: ISC */
/*
 * sasl - the server's side of SASL mechanisms (RFC 4422).
 *
 * A dialogue is a state machine on bytes: it knows neither channels nor
 * passwords.  It is fed what the client says and tells what is to happen next;
 * where it needs the tables of passwords it has a question, whose answer it is
 * given:
 *
 *	step = sasl_start(&s, mechanism, &context, initial or NULL);
 *	SASL_SEND	s.out is the next challenge; sasl_feed() its response
 *	SASL_ASK	s.question; sasl_answer() when it is known
 *	SASL_OK		s.login has logged in
 *	SASL_FAIL	he has not: s.why
 *	SASL_BAD	these are not the mechanism's bytes: s.why
 *
 * Nothing is kept of what the caller passes in.
 */
#ifndef SASL_SASL_H
#define SASL_SASL_H

#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"

#define SASL_LOGIN_BYTES	320	/* a login name */
#define SASL_TOKEN_BYTES	8192	/* a bearer token */
#define SASL_ARENA_BYTES	(48 * 1024)

/*        enumerator         name                  TLS only */
#define SASL_MECHANISMS(X)						\
	X(SASL_PLAIN,		"PLAIN",		SASL_CLEARTEXT)	\
	X(SASL_LOGIN,		"LOGIN",		SASL_CLEARTEXT)	\
	X(SASL_SCRAM_SHA_256_PLUS, "SCRAM-SHA-256-PLUS", SASL_PLUS)	\
	X(SASL_SCRAM_SHA_256,	"SCRAM-SHA-256",	0)		\
	X(SASL_SCRAM_SHA_1_PLUS, "SCRAM-SHA-1-PLUS",	SASL_PLUS)	\
	X(SASL_SCRAM_SHA_1,	"SCRAM-SHA-1",		0)		\
	X(SASL_EXTERNAL,	"EXTERNAL",		SASL_CERTIFICATE) \
	X(SASL_OAUTHBEARER,	"OAUTHBEARER",		SASL_CLEARTEXT | SASL_TOKEN) \
	X(SASL_XOAUTH2,		"XOAUTH2",		SASL_CLEARTEXT | SASL_TOKEN)

enum {
	SASL_CLEARTEXT = 1,	/* who listens learns what logs in */
	SASL_PLUS = 2,		/* bound to the TLS connection */
	SASL_CERTIFICATE = 4,	/* by the client's certificate */
	SASL_TOKEN = 8,		/* an OAuth 2.0 access token */
};

enum sasl_mechanism {
	SASL_NONE,
#define X(mechanism, name, flags) mechanism,
	SASL_MECHANISMS(X)
#undef X
	SASL_MECHANISM_LIMIT
};

/* By the name in any case; SASL_NONE. */
enum sasl_mechanism sasl_mechanism_find(struct slice name);
const char *sasl_mechanism_name(enum sasl_mechanism);	/* "?" */
unsigned sasl_mechanism_flags(enum sasl_mechanism);	/* SASL_* */

enum sasl_hash { SASL_SHA_1 = 1, SASL_SHA_256 = 2 };
#define SASL_HASH_BYTES	32	/* the longest */

struct sasl_context {
	/* A mechanism with -PLUS was offered to this client, so that one who
	 * says that we have none was deceived (RFC 5802 section 6). */
	bool		 plus_offered;
	struct slice	 exporter;	/* tls-exporter (RFC 9266), or empty */
	struct slice	 unique;	/* tls-unique (RFC 5929), or empty */
	struct slice	 certificate;	/* names in it, SP between, or empty */
	struct slice	 nonce;		/* ours: random, printable, no ',' */
};

enum sasl_step { SASL_SEND, SASL_ASK, SASL_OK, SASL_FAIL, SASL_BAD };

/* What the tables are asked; slices are the dialogue's. */
enum sasl_question_kind {
	SASL_Q_NONE,
	SASL_Q_PASSWORD,	/* login, password */
	SASL_Q_SCRAM_SALT,	/* login, hash */
	SASL_Q_SCRAM_PROOF,	/* login, hash, message, proof */
	SASL_Q_TOKEN,		/* login ("" that of the token), token */
	SASL_Q_ACCOUNT,		/* login: may he, without a password? */
};

struct sasl_question {
	enum sasl_question_kind kind;
	struct slice	 login;		/* prepared */
	struct slice	 password;
	enum sasl_hash	 hash;
	struct slice	 message;	/* RFC 5802's AuthMessage */
	struct slice	 proof;
	struct slice	 token;
};

struct sasl_answer {
	bool		 good;		/* SALT: always, for names nobody has too */
	struct slice	 login;		/* TOKEN: whose it is */
	struct slice	 salt;		/* SCRAM_SALT: raw */
	uint32_t	 iterations;
	struct slice	 signature;	/* SCRAM_PROOF: of the server, raw */
};

struct sasl {
	enum sasl_mechanism	 mechanism;
	unsigned		 state;		/* the mechanism's own */
	struct sasl_context	 context;	/* slices in the arena */
	struct arena		 arena;		/* owned: all slices below */
	struct buf		 out;		/* owned: the challenge */
	struct sasl_question	 question;
	struct slice		 login;		/* as far as it is known */
	const char		*why;		/* a word for the log */
	char			*secret;	/* in the arena: to be wiped */
	size_t			 nsecret;
	/* SCRAM: */
	struct slice		 gs2_header, client_first_bare, server_first,
				 nonce;
};

/* initial: NULL where the client gave none. */
enum sasl_step sasl_start(struct sasl *, enum sasl_mechanism,
	    const struct sasl_context *, const struct slice *initial);
enum sasl_step sasl_feed(struct sasl *, struct slice response);
enum sasl_step sasl_answer(struct sasl *, const struct sasl_answer *);
/* Secrets are wiped; also of a zeroed one. */
void	 sasl_clear(struct sasl *);

#endif
