/* SPDX-License-Identifier: ISC */
/* next_client - see next_client.h.  A message is one byte, and its
 * descriptors. */
#include <sys/socket.h>

#include <errno.h>
#include <string.h>

#include "ipc/next_client.h"

#define FDS_BYTES	(NEXT_CLIENT_FDS * sizeof(int))

union control {
	struct cmsghdr	align;
	char		bytes[CMSG_SPACE(FDS_BYTES)];
};

int
next_client_line(int line_r[2])
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, line_r) ==
	    -1)
		return -1;
	/* Nothing can be sent to master. */
	shutdown(line_r[0], SHUT_RD);
	return 0;
}

int
next_client_send(int line, const int fds[NEXT_CLIENT_FDS])
{
	char byte = 0;
	union control control = { 0 };
	struct iovec iov = { &byte, 1 };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *cm = CMSG_FIRSTHDR(&mh);

	cm->cmsg_level = SOL_SOCKET;
	cm->cmsg_type = SCM_RIGHTS;
	cm->cmsg_len = CMSG_LEN(FDS_BYTES);
	memcpy(CMSG_DATA(cm), fds, FDS_BYTES);
	return sendmsg(line, &mh, MSG_NOSIGNAL | MSG_DONTWAIT) == 1 ? 0 : -1;
}

int
next_client_wait(int line, int fds_r[NEXT_CLIENT_FDS])
{
	char byte;
	union control control;
	struct iovec iov = { &byte, 1 };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *cm;
	ssize_t n;

	do {
		n = recvmsg(line, &mh, MSG_CMSG_CLOEXEC);
	} while (n == -1 && errno == EINTR);
	cm = n == 1 ? CMSG_FIRSTHDR(&mh) : NULL;
	if (cm == NULL || cm->cmsg_type != SCM_RIGHTS ||
	    cm->cmsg_len != CMSG_LEN(FDS_BYTES))
		return -1;
	memcpy(fds_r, CMSG_DATA(cm), FDS_BYTES);
	return 0;
}
