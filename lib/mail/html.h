/* SPDX-License-Identifier: ISC */
/* html - what little of HTML is needed to show and to find its text. */
#ifndef MAIL_HTML_H
#define MAIL_HTML_H

#include "base/slice.h"

#define HTML_ENTITY_BYTES 10	/* of "&frac14;", "&#1114111;"; no more are
				 * looked at */

/* The character reference at the front of s, which begins with '&': in UTF-8
 * to c; how many bytes of s it takes, never fewer than it becomes.  One that is
 * unknown is the '&' alone. */
size_t	 html_entity(struct slice s, char c[4], size_t *n_r);
/* All of a text, in place; how many bytes are left. */
size_t	 html_decode(char *, size_t);

#endif
