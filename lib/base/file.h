/* SPDX-License-Identifier: ISC */
/* file - opens what somebody has named in a configuration or on a command
 * line, and never waits: a FIFO has no other end. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

/* To read: a regular file or a device.  -1 with errno; ENODEV: it is a FIFO,
 * a socket or a block device, EISDIR: a directory. */
int	 file_open(const char *path);
/* strerror() of that. */
const char *file_error(int error);

#endif
