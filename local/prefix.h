/* SPDX-License-Identifier: ISC */
/* prefix - the fields that final delivery puts before a message (RFC 5321
 * section 4.4), and what it looks for in them. */
#ifndef LOCAL_PREFIX_H
#define LOCAL_PREFIX_H

#include "base/buf.h"
#include "ipc/delivery.h"

/* The address that a copy is for: of a program or file the one that led to
 * it. */
struct slice prefix_address(const struct job_recipient *);
/* Return-Path, Delivered-To, and X-Original-To where that differs; lines end
 * in LF.  Appends. */
void	 prefix_write(struct buf *, const struct job *,
	    const struct job_recipient *);
/* Whether a message with this header section was delivered to the address
 * already: a Delivered-To field has it. */
bool	 prefix_has_looped(struct slice head, struct slice address);

#endif
