/* SPDX-License-Identifier: ISC */
/* outcomes - see outcomes.h. */
#include <assert.h>
#include <errno.h>

#include "outcomes.h"

struct outcome
outcome_delivered(void)
{
	return (struct outcome){ .status = OUTCOME_DELIVERED,
		.enhanced = { 2, 0, 0 }, .text = SLICE_EMPTY,
		.remote = SLICE_EMPTY };
}

struct outcome
outcome_of(const char *text)
{
	struct outcome o = { .remote = SLICE_EMPTY };
	struct slice s = slice_str(text);
	bool ok = enhanced_parse(&s, &o.enhanced);

	assert(ok && (o.enhanced.class == 4 || o.enhanced.class == 5));
	o.status = o.enhanced.class == 4 ? OUTCOME_DEFERRED : OUTCOME_FAILED;
	o.text = slice_trim(s);
	return o;
}

struct outcome
outcome_of_errno(int error)
{
	static const struct {
		int		 error;
		const char	*text;
	} texts[] = {
		{ EBUSY,   "4.2.0 the mailbox is being changed all the time" },
		{ ENOSPC,  "4.3.1 no space left for mail" },
		{ EDQUOT,
		     "4.2.2 disk quota of the mailbox's owner is used up" },
		{ EFBIG,   "4.2.2 message is larger than a file may be" },
		{ EIO,     "4.3.0 input/output error at the mailbox" },
		{ EROFS,   "4.3.0 the mailbox's file system is read-only" },
		{ EACCES,  "4.3.5 permission denied at the mailbox" },
		{ EPERM,   "4.3.5 permission denied at the mailbox" },
		{ ENOENT,  "4.3.5 the mailbox's directory does not exist" },
		{ ENOTDIR, "4.3.5 the mailbox is not a directory" },
		{ ELOOP,   "4.3.5 too many symbolic links at the mailbox" },
		{ ENAMETOOLONG, "4.3.5 the mailbox's path is too long" },
		{ EMFILE,  "4.3.2 too many open files" },
		{ ENFILE,  "4.3.2 too many open files" },
		{ EBADMSG, "4.3.0 the message is damaged in the queue" },
		{ ESTALE,  "4.3.0 the mailbox's file system went away" },
	};
	struct outcome o;
	size_t i = 0, n = sizeof(texts) / sizeof(texts[0]);

	while (i < n && texts[i].error != error)
		i++;
	o = outcome_of(i < n ? texts[i].text :
	    "4.3.0 the mailbox cannot be written");
	o.damaged = error == EBADMSG;
	return o;
}
