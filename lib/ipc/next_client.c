/* SPDX-License-Identifier: ISC */
/* next_client - see next_client.h.  The message is one byte, and its
 * descriptors. */
#include <sys/socket.h>

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "ipc/next_client.h"

#define FDS_BYTES	(LINE_FDS * sizeof(int))

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
	return line_send(line, slice_of("", 1), fds, NEXT_CLIENT_FDS);
}

int
next_client_wait(int line, int fds_r[NEXT_CLIENT_FDS])
{
	char byte;

	return line_wait(line, &byte, 1, fds_r, NEXT_CLIENT_FDS) == 1 ? 0 :
	    -1;
}

int
line_send(int line, struct slice bytes, const int *fds, size_t nfds)
{
	union control control = { 0 };
	struct iovec iov = { (void *)(uintptr_t)bytes.p, bytes.n };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = CMSG_SPACE(nfds * sizeof(int)) };
	struct cmsghdr *cm = CMSG_FIRSTHDR(&mh);

	assert(nfds > 0 && nfds <= LINE_FDS);
	cm->cmsg_level = SOL_SOCKET;
	cm->cmsg_type = SCM_RIGHTS;
	cm->cmsg_len = CMSG_LEN(nfds * sizeof(int));
	memcpy(CMSG_DATA(cm), fds, nfds * sizeof(int));
	return sendmsg(line, &mh, MSG_NOSIGNAL | MSG_DONTWAIT) ==
	    (ssize_t)bytes.n ? 0 : -1;
}

ssize_t
line_wait(int line, void *to, size_t room, int *fds_r, size_t nfds)
{
	union control control;
	struct iovec iov = { to, room };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *cm;
	ssize_t n;

	do {
		n = recvmsg(line, &mh, MSG_CMSG_CLOEXEC);
	} while (n == -1 && errno == EINTR);
	cm = n > 0 ? CMSG_FIRSTHDR(&mh) : NULL;
	if (cm == NULL || cm->cmsg_type != SCM_RIGHTS ||
	    cm->cmsg_len != CMSG_LEN(nfds * sizeof(int)) ||
	    mh.msg_flags & MSG_TRUNC)
		return -1;
	memcpy(fds_r, CMSG_DATA(cm), nfds * sizeof(int));
	return n;
}
