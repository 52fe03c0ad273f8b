/* SPDX-License-Identifier: ISC */
/* verifier - the process that has the tables of passwords. */
#ifndef AUTH_VERIFIER_H
#define AUTH_VERIFIER_H

int	 verifier_main(int argc, char *argv[]);

#endif
