/* SPDX-License-Identifier: ISC */
/* login - POP3 before the login. */
#ifndef POP3D_LOGIN_H
#define POP3D_LOGIN_H

#include "login/login.h"

extern const struct login_protocol pop3_login;

#endif
