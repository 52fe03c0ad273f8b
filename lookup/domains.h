/* SPDX-License-Identifier: ISC */
/*
 * domains - which domains are ours, and of what kind.
 *
 * Beside those of the configuration the host's name and localhost are system
 * domains, so that a host that is not configured at all delivers its own mail.
 */
#ifndef LOOKUP_DOMAINS_H
#define LOOKUP_DOMAINS_H

#include "conf/conf.h"
#include "tables.h"

enum domain_type {
	DOMAIN_VIRTUAL,
	DOMAIN_SYSTEM,
	DOMAIN_RELAY,
	DOMAIN_ALIAS,
};

struct table_list {
	struct table	**v;	/* owned array of borrowed tables */
	size_t		 n;
};

struct domain {
	char			*name;		/* owned; A-labels, lower case */
	enum domain_type	 type;
	const char		*catch_all;	/* "" for none */
	const char		*relay_to;	/* "" by MX */
	struct table_list	 keys;		/* mailboxes, or recipients */
};

struct domains {
	struct domain		*v;		/* owned, sorted by name */
	size_t			 n;
	const char		*first_system;	/* in the file; else the host */
	struct domain		 literal;	/* for [addresses] of this host */
};

void	 domains_init(struct domains *, const struct conf *,
	    const struct tables *);
void	 domains_clear(struct domains *);
/* By the canonical name; NULL: not ours. */
const struct domain *domains_find(const struct domains *, struct slice);

void	 table_list_init(struct table_list *, const struct conf_list *names,
	    const struct tables *);

#endif
