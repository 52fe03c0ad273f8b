/* SPDX-License-Identifier: ISC */
/*
 * resolve - what an address is, where its mail goes, whose a login is.
 *
 * The order, for an address of any domain:
 *
 *  1. alias.virtual: the whole address; without its detail (user+detail); the
 *     name alone, in system domains; @domain.  What comes out starts here again.
 *  2. By the kind of its domain:
 *     system   alias.tables by local-part, then without detail; a system user
 *     virtual  the mailboxes tables by address, then by local-part
 *     relay    the recipients tables, if any; then relay_to or the routes
 *     alias    nothing more
 *     not ours the route tables; then the domain itself
 *  3. For what was not found in a domain of ours: the domain's catch_all;
 *     postmaster goes on to the configured postmaster, then to root, which
 *     without an alias has a Maildir of its own: path.mail/HOST/root/Maildir.
 *
 * So unlike Postfix's, a catch_all never takes the mail of a mailbox that
 * exists.  A name that comes up within its own expansion is left as it is where
 * a mailbox has it, and is an error where none has.
 *
 * Nothing here logs; why something failed is in the result.  A table that
 * cannot be read makes the answer temporary, never "unknown".
 */
#ifndef LOOKUP_RESOLVE_H
#define LOOKUP_RESOLVE_H

#include "base/arena.h"
#include "ipc/auth_lookup.h"
#include "ipc/destination.h"
#include "ipc/smtpd_lookup.h"
#include "domains.h"

struct user {
	uint32_t	 uid;
	uint32_t	 gid;
	struct slice	 name;		/* valid until the next call */
	struct slice	 home;
};

enum user_found {
	USER_FOUND,
	USER_UNKNOWN,
	USER_TROUBLE,	/* the name service did not answer */
};

/* The world outside: system users and included files.  Tests have their own. */
struct resolve_world {
	enum user_found	(*user)(void *arg, struct slice name, struct user *);
	/* The text of a file that root or owner owns, valid until control
	 * returns to the loop; -1 and why. */
	int		(*include)(void *arg, struct slice path,
			    uint32_t owner, struct slice *text_r,
			    struct buf *why);
	void		*arg;
	/* With PRIV_USER all mail is delivered as this one user. */
	bool		 one_user;
	uint32_t	 uid, gid;	/* ours */
	/* Addresses of this host, for user@[address]. */
	const uint8_t	(*addresses)[16];
	size_t		 naddresses;
};

struct resolver {
	const struct conf		*conf;
	const struct resolve_world	*world;
	struct domains			 domains;
	struct table_list		 virtual;	/* alias.virtual */
	struct table_list		 aliases;	/* alias.tables */
	struct table_list		 routes;
	struct table_list		 senders;	/* submission.senders */
};

/* conf, tables and world must outlive the resolver. */
void	 resolver_init(struct resolver *, const struct conf *,
	    const struct tables *, const struct resolve_world *);
void	 resolver_clear(struct resolver *);

#define RESOLVE_ARENA	((size_t)64 * 1024 * 1024)

struct target {
	struct slice	 text;		/* an address, "|command", "/file", "/dir/" */
	uint8_t		 flags;		/* TARGET_* */
	struct slice	 reverse_path;	/* "" keeps the message's */
};

struct route {
	/* ntargets 0: the destination of the recipient itself. */
	struct destination to;
	struct target	*targets;	/* those with one reverse-path together */
	size_t		 ntargets;
	bool		 trouble;	/* log it: a table, a file, a user */
};

/* trace: a line a step for people, or NULL.  Everything is in the arena. */
void	 resolve_route(const struct resolver *, struct arena *,
	    unsigned flags, struct slice recipient, struct slice owner,
	    struct buf *trace, struct route *);

struct verdict {
	enum {
		VERDICT_ACCEPT,
		VERDICT_REFUSE,		/* code and text */
		VERDICT_ASK_USAGE,	/* accept if the mailbox has room */
	}		 kind;
	uint16_t	 code;
	struct slice	 text;
	struct destination mailbox;	/* ASK_USAGE */
	bool		 trouble;
};
void	 resolve_rcpt(const struct resolver *, struct arena *, bool may_relay,
	    struct slice recipient, struct buf *trace, struct verdict *);
/* Whether a mailbox with this use has room for one message of size bytes; a
 * refusal's code and text else. */
bool	 resolve_has_room(const struct resolver *, const struct destination *,
	    uint64_t bytes, uint64_t messages, uint64_t size,
	    struct verdict *);

/*
 * May a login (as auth names it) send as an address?  As itself and itself
 * with a detail; as every address whose mail, after all aliases, goes to its
 * mailbox and nowhere else; and as submission.senders says.
 */
enum sender_verdict resolve_sender(const struct resolver *, struct arena *,
	    struct slice login, struct slice address);

struct login {
	enum login_found found;
	struct slice	 login;		/* FOUND: canonical */
	struct slice	 directory;	/* FOUND: all that the session needs */
	struct destination to;		/* FOUND: a Maildir */
	struct slice	 why;		/* TROUBLE: for the log */
};
/* As said in ipc/auth_lookup.h; everything is in the arena. */
void	 resolve_login(const struct resolver *, struct arena *,
	    struct slice login, struct buf *trace, struct login *);

/* What a file's name is for a local-part: no '/', no leading '.', other bytes
 * than letters, digits and ._+=,@- as %XX.  -1: longer than a name may be. */
int	 local_file_name(struct slice local, struct buf *);

#endif
