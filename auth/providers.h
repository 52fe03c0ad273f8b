/* SPDX-License-Identifier: ISC */
/* providers - the oauth blocks of the configuration, with their keys. */
#ifndef AUTH_PROVIDERS_H
#define AUTH_PROVIDERS_H

#include "conf/conf.h"
#include "sasl/jwt.h"

struct providers {
	struct jwt_provider	*v;	/* owned; borrows from the conf */
	size_t			 n;
};

/* Keys that cannot be read are logged and left out.  conf must live as long. */
void	 providers_load(struct providers *, const struct conf *);
void	 providers_clear(struct providers *);

#endif
