/* SPDX-License-Identifier: ISC */
/* login - IMAP before the login. */
#ifndef IMAPD_LOGIN_H
#define IMAPD_LOGIN_H

#include "login/login.h"

extern const struct login_protocol imap_login;

#endif
