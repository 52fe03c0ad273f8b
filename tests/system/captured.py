# SPDX-License-Identifier: ISC
"""What somebody gets who has taken over a process: of a build with --enable-test-hooks.

In such a build a session of mallory's does the system calls that it is told
to, as code would that runs in it.  Mallory and bob share the uid of virtual
mailboxes, so that nothing but the session's confinement is between them.
"""
import os
import socket
import struct
import unittest

from harness import HOOKS_PREFIX, PATIENCE, Story, any_certificate, descendants, needs_root, run, wait_for
from login_sessions import title

MALLORY, BOB = "mallory@example.org", "bob@example.org"
KILLED = "killed"
AT_FDCWD = -100


class Captured:
    """A connection whose process does what it is told; anew when it was killed."""

    def __init__(self, box, port, begin, word=b"* ", tls=False):
        self.box, self.port, self.begin, self.word, self.tls = box, port, begin, word, tls
        self.s = None

    def connect(self):
        def once():
            self.s = socket.create_connection(("127.0.0.1", self.box.base + self.port), PATIENCE)
            if self.tls:
                self.s = any_certificate().wrap_socket(self.s)
            self.f = self.s.makefile("rb")
            try:
                return self.begin(self) or True
            except (EOFError, ConnectionError):
                self.close()
                return False
        wait_for(once, "a process to take over", step=0.2)

    def line(self):
        line = self.f.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        return line

    def until(self, start):
        while not self.line().startswith(start):
            pass

    def send(self, line):
        self.s.sendall(line.encode() + b"\r\n")

    def close(self):
        if self.s:
            self.f.close()
            self.s.close()
        self.s = None

    def call(self, *words):
        """KILLED, or (result, "EPERM")."""
        if not self.s:
            self.connect()
        try:
            self.send("XTAKEOVER " + " ".join(map(str, words)))
            answer = self.line()
        except (EOFError, ConnectionError):
            self.close()
            return KILLED
        if answer.startswith(b"* BYE"):      # of the login process, for it
            self.close()
            return KILLED
        assert answer.startswith(self.word), answer
        result, error = answer[len(self.word):].decode().split()
        assert error != "NOSUCHCALL", words
        return int(result), error


def imap_begin(c):
    c.until(b"* OK")
    c.send(f"a LOGIN {MALLORY} secret")
    c.until(b"* taken over")


def pop3_begin(c):
    c.until(b"+OK")
    c.send(f"USER {MALLORY}")
    c.until(b"+OK")
    c.send("PASS secret")
    c.until(b"* taken over")


@needs_root
@unittest.skipUnless(HOOKS_PREFIX, "needs a build with --enable-test-hooks")
class CapturedStory(Story):
    keep = "0"      # what a story has done to a process is nothing to the next

    @classmethod
    def arrange(cls):
        cls.box = cls.instance(prefix=HOOKS_PREFIX, users=(MALLORY, BOB), imap__user_sessions="1000",
                               pop3__user_sessions="1000", process__memory="256M",
                               imap__keep=cls.keep, pop3__keep=cls.keep)
        cls.box.send(BOB, subject="for bob alone")
        cls.box.wait_subject(BOB, "for bob alone")
        cls.box.send(MALLORY, subject="for mallory")
        cls.box.wait_subject(MALLORY, "for mallory")
        cls.bobs = cls.box.imap(BOB)
        cls.at_end(cls.bobs.shutdown)
        cls.bobs.select()
        mail = cls.box.maildir(BOB)
        cls.bob_dir = os.path.realpath(mail)
        cls.bob_file = next(os.path.join(mail, d, f) for d in ("cur", "new") for f in os.listdir(os.path.join(mail, d)))

    def bob_session(self):
        def find():
            for p in descendants(self.box.master()):
                if f"imap-session {BOB}" in title(p):
                    return p
            return None
        return wait_for(find, "bob's session")

    def refused(self, captured, name, *words, error=None):
        """Killed or failed; and bob's session and the suite are as they were."""
        with self.subTest(attempt=name):
            got = captured.call(*words)
            if got == KILLED:
                self.box.wait_log(rf"event=forbidden-call call={words[0]}\b")
                return
            self.assertEqual(got[0], -1, f"{words} worked: {got}")
            if error:
                self.assertIn(got[1], error)
            self.assertIn(got[1], ("EPERM", "EACCES", "ENOENT", "EXDEV", "ENOMEM", "EMFILE", "ENOTDIR", "ENOSYS"), words)


class Session:
    """What a session tries; in both protocols."""

    def roads(self):
        """Paths by which bob's message could be reached from inside."""
        pid, master = self.bob_session(), self.box.master()
        inner = os.path.relpath(self.bob_file, "/")
        domain = os.path.relpath(self.bob_file, self.box.path("mail", "example.org"))
        yield self.bob_file
        yield "../" * 30 + inner
        yield "../" + domain
        yield "/../" + domain
        yield f"/proc/{pid}/root/{inner}"
        yield f"/proc/{pid}/cwd/{domain}"
        yield f"/proc/{master}/root/{inner}"
        yield f"/proc/self/root/{inner}"
        for fd in range(0, 16):
            yield f"/proc/{pid}/fd/{fd}"
        yield f"/proc/{pid}/mem"

    def test_anothers_mail_is_out_of_reach(self):
        c = self.captured()
        for road in self.roads():
            self.refused(c, "open " + road, "openat", AT_FDCWD, road, os.O_RDONLY, 0)
            self.refused(c, "write " + road, "openat", AT_FDCWD, road, os.O_WRONLY, 0)
            self.refused(c, "link " + road, "linkat", AT_FDCWD, road, AT_FDCWD, "stolen", 0)
            self.refused(c, "follow " + road, "linkat", AT_FDCWD, road, AT_FDCWD, "stolen", 0x400)
            self.refused(c, "rename " + road, "renameat2", AT_FDCWD, road, AT_FDCWD, "stolen", 0)
            self.refused(c, "unlink " + road, "unlinkat", AT_FDCWD, road, 0)
            self.refused(c, "look at " + road, "newfstatat", AT_FDCWD, road, "@", 0)
            self.refused(c, "access " + road, "faccessat", AT_FDCWD, road, 0)
            self.refused(c, "readlink " + road, "readlinkat", AT_FDCWD, road, "@", 4096)
        for d in (self.bob_dir, self.bob_dir + "/new", "/etc", "/proc", self.box.path("mail", "example.org")):
            self.refused(c, "list " + d, "openat", AT_FDCWD, d, os.O_RDONLY | os.O_DIRECTORY, 0)
            self.refused(c, "by O_PATH " + d, "openat", AT_FDCWD, d, os.O_PATH | os.O_DIRECTORY, 0)
            self.refused(c, "enter " + d, "chdir", d)
        self.assertTrue(os.path.exists(self.bob_file))
        self.assertFalse(os.path.exists(os.path.join(self.box.path("mail", "example.org", "mallory"), "stolen")))

    def test_the_root_is_its_own_directory(self):
        c = self.captured()
        fd = c.call("openat", AT_FDCWD, "/", os.O_RDONLY | os.O_DIRECTORY, 0)[0]
        self.assertGreater(fd, 0)
        session = next(p for p in descendants(self.box.master()) if f"-session {MALLORY}" in title(p))
        self.assertTrue(os.path.samefile(f"/proc/{session}/fd/{fd}", f"/proc/{session}/root"))
        self.assertRegex(os.readlink(f"/proc/{session}/root"), r"/mail/example\.org/mallory(/Maildir)?$")

    def test_outside_of_its_mail_nothing_is_written(self):
        c = self.captured()
        for path in ("/etc/captured", self.box.path("captured"), self.bob_dir + "/captured",
                     self.box.path("run", "captured")):
            self.refused(c, "create " + path, "openat", AT_FDCWD, path, os.O_WRONLY | os.O_CREAT, 0o600)
            self.refused(c, "mkdir " + path, "mkdirat", AT_FDCWD, path, 0o700)
        # Upwards there is nothing: this is in its own directory.
        self.assertEqual(c.call("mkdirat", AT_FDCWD, "../../captured", 0o700)[1], "OK")
        found = run(["find", self.box.dir, "-name", "captured"]).stdout.split()
        self.assertEqual([f for f in found if "/mail/example.org/mallory/" not in f], [])
        self.assertEqual(c.call("unlinkat", AT_FDCWD, "captured", 0x200)[1], "OK")
        self.refused(c, "symlink", "symlinkat", self.bob_dir, AT_FDCWD, "bobs")
        self.refused(c, "device", "mknodat", AT_FDCWD, "device", 0o20600, 0x103)
        self.refused(c, "fifo", "mknodat", AT_FDCWD, "fifo", 0o10600, 0)
        self.refused(c, "chmod", "fchmodat", AT_FDCWD, self.bob_dir, 0o777)
        self.refused(c, "chown", "fchownat", AT_FDCWD, self.bob_dir, os.getuid(), 0, 0)
        self.refused(c, "times", "utimensat", AT_FDCWD, self.bob_dir, 0, 0)
        self.refused(c, "attributes", "setxattr", self.bob_dir, "user.x", "x", 1, 0)
        self.refused(c, "by handle", "open_by_handle_at", AT_FDCWD, "@", 0)
        self.refused(c, "its handle", "name_to_handle_at", AT_FDCWD, self.bob_dir, "@", "@", 0)

    def test_no_sockets(self):
        c = self.captured()
        for name, family, kind in (("TCP", socket.AF_INET, socket.SOCK_STREAM), ("TCP by IPv6", socket.AF_INET6, socket.SOCK_STREAM),
                                   ("UDP", socket.AF_INET, socket.SOCK_DGRAM), ("Unix", socket.AF_UNIX, socket.SOCK_STREAM),
                                   ("Unix datagrams", socket.AF_UNIX, socket.SOCK_DGRAM), ("netlink", socket.AF_NETLINK, socket.SOCK_RAW),
                                   ("packets", socket.AF_PACKET, socket.SOCK_RAW), ("vsock", 40, socket.SOCK_STREAM)):
            self.refused(c, name, "socket", family, kind, 0)
        self.refused(c, "datagrams that go anywhere", "socketpair", socket.AF_UNIX, socket.SOCK_DGRAM, 0, "@")
        # The suite's sockets: by path there is none, by what it holds neither.
        for path in ("run/control.sock", "run/queue.sock", "run/lookup.sock"):
            self.refused(c, path, "openat", AT_FDCWD, self.box.path(path), os.O_PATH, 0)
        for fd in range(3, 7):
            self.refused(c, f"connect {fd}", "connect", fd, "@", 16)
            self.refused(c, f"bind {fd}", "bind", fd, "@", 16)
            self.refused(c, f"listen {fd}", "listen", fd, 1)
            self.refused(c, f"accept {fd}", "accept4", fd, 0, 0, 0)

    def test_other_processes_of_its_uid_are_left_alone(self):
        c, bob, master = self.captured(), self.bob_session(), self.box.master()
        for pid in (bob, master):
            self.refused(c, "kill", "kill", pid, 9)
            self.refused(c, "tkill", "tkill", pid, 9)
            self.refused(c, "tgkill", "tgkill", pid, pid, 9)
            self.refused(c, "sigqueue", "rt_sigqueueinfo", pid, 9, "@")
            self.refused(c, "pidfd", "pidfd_open", pid, 0)
            self.refused(c, "ptrace", "ptrace", 0x4206, pid, 0, 0)
            self.refused(c, "read memory", "process_vm_readv", pid, "@", 1, "@", 1, 0)
            self.refused(c, "write memory", "process_vm_writev", pid, "@", 1, "@", 1, 0)
            self.refused(c, "limits", "prlimit64", pid, 7, "@", 0)
            self.refused(c, "priority", "setpriority", 0, pid, 19)
        # The kernel sends signals for who asks it to.
        for command in (8, 15, 10):          # F_SETOWN, F_SETOWN_EX, F_SETSIG
            self.refused(c, f"fcntl {command}", "fcntl", 4, command, bob)
        self.refused(c, "O_ASYNC", "fcntl", 4, 4, os.O_ASYNC)
        self.refused(c, "FIOSETOWN", "ioctl", 4, 0x8901, "@")
        self.refused(c, "timer", "timer_create", 0, "@", "@")
        self.assertEqual(self.bobs.noop()[0], "OK")
        self.assertEqual(self.bob_session(), bob)

    def test_it_does_not_outlive_its_client(self):
        c = self.captured(tls=True)
        pid = c.call("getpid")[0]
        c.send("XTAKEOVER poll 0 0 -1")     # deaf to all that could end it

        def is_deaf():
            with open(f"/proc/{pid}/syscall") as f:
                return f.read().split()[1:3] == ["0x0", "0x0"]
        wait_for(is_deaf, "the session to be deaf")
        c.s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        c.close()                           # by a reset
        self.box.wait_log(r"event=session-killed .*login=mallory")
        wait_for(lambda: not os.path.exists(f"/proc/{pid}"), "the end of the session")
        self.box.wait_log(rf"event=session-died .*child={pid} signal=SIGKILL")
        self.assertEqual(self.bobs.noop()[0], "OK")

    def test_no_programs_processes_mounts_or_users(self):
        c = self.captured()
        for name, *words in (
                ("exec", "execve", "/bin/sh", 0, 0), ("exec of a descriptor", "execveat", 0, "@", 0, 0, 0x1000),
                ("fork", "fork"), ("vfork", "vfork"), ("clone", "clone", 17, 0, 0, 0, 0), ("clone3", "clone3", "@", 88),
                ("anonymous file", "memfd_create", "x", 0), ("code", "mmap", 0, 4096, 7, 0x22, -1, 0),
                ("mount", "mount", "none", "/", "tmpfs", 0, 0), ("umount", "umount2", "/", 0), ("namespace", "unshare", 0x10000000),
                ("setns", "setns", 3, 0), ("chroot", "chroot", "/"), ("pivot_root", "pivot_root", "/", "/"),
                ("new mount", "fsopen", "tmpfs", 0), ("open_tree", "open_tree", AT_FDCWD, "/", 0),
                ("setuid", "setuid", 0), ("setresuid", "setresuid", 0, 0, 0), ("setgid", "setgid", 0),
                ("groups", "setgroups", 0, 0), ("capabilities", "capset", "@", "@"), ("prctl", "prctl", 4, 1, 0, 0, 0),
                ("seccomp", "seccomp", 1, 0, "@"), ("personality", "personality", 0x0400000), ("keys", "keyctl", 0, -4, 0, 0, 0),
                ("bpf", "bpf", 0, "@", 128), ("io_uring", "io_uring_setup", 8, "@"), ("perf", "perf_event_open", "@", 0, -1, -1, 0),
                ("userfaultfd", "userfaultfd", 0), ("inotify", "inotify_init1", 0), ("fanotify", "fanotify_init", 0, 0),
                ("shared memory", "shmget", 0, 4096, 0o1666), ("message queue", "mq_open", "x", 0o102, 0o600, 0),
                ("modules", "init_module", "@", 4096, "x"), ("reboot", "reboot", 0, 0, 0, 0), ("swap", "swapon", "/x", 0),
                ("clock", "clock_settime", 0, "@"), ("hostname", "sethostname", "x", 1), ("quota", "quotactl", 0, "x", 0, "@"),
                ("kernel log", "syslog", 3, "@", 4096), ("terminal", "ioctl", 0, 0x5412, "x"), ("more memory", "setrlimit", 9, "@")):
            self.refused(c, name, *words)

    def test_memory_and_descriptors_end(self):
        c = self.captured()
        self.assertEqual(c.call("mmap", 0, 1 << 30, 3, 0x22, -1, 0), (-1, "ENOMEM"))
        got = []
        while len(got) < 2000 and (not got or got[-1][0] >= 0):
            got.append(c.call("dup", 0))
        self.assertEqual(got[-1], (-1, "EMFILE"))
        self.assertLessEqual(len(got), 512)
        # Nobody else has fewer for it.
        self.assertEqual(self.bobs.noop()[0], "OK")

    def test_it_holds_its_own_descriptors_and_no_others(self):
        c = self.captured()
        c.call("getpid")
        open_fds = [fd for fd in range(0, 64) if c.call("fcntl", fd, 1, 0)[0] >= 0]
        # Three, the channel, the client, the line, the log, the loop's three.
        self.assertLessEqual(max(open_fds), 9, open_fds)
        # None is a directory, by which a root can be left.
        for fd in open_fds:
            self.refused(c, f"leave by {fd}", "fchdir", fd)

    def test_its_own_mail_works(self):
        c = self.captured()
        self.assertGreater(c.call("getpid")[0], 0)
        self.own_mail(c)


class CapturedImap(Session, CapturedStory):
    def captured(self, tls=False):
        c = Captured(self.box, 993 if tls else 143, imap_begin, tls=tls)
        self.addCleanup(c.close)
        return c

    def own_mail(self, c):
        c.send("XTAKEOVER on")
        c.until(b"a OK")
        c.send("b SELECT INBOX")
        c.until(b"b OK")
        c.send("c FETCH 1 BODY[HEADER.FIELDS (SUBJECT)]")
        c.until(b"Subject: for mallory")
        c.until(b"c OK")


class CapturedPop3(Session, CapturedStory):
    def captured(self, tls=False):
        c = Captured(self.box, 995 if tls else 110, pop3_begin, tls=tls)
        self.addCleanup(c.close)
        return c

    def own_mail(self, c):
        c.send("XTAKEOVER on")
        c.until(b"+OK")
        c.send("TOP 1 0")
        c.until(b"Subject: for mallory")
        c.until(b".\r\n")


class CapturedAndKept(CapturedStory):
    """A process that waits for its user's next login meets nobody else."""
    keep = "10m"

    def begin(self):
        c = Captured(self.box, 143, imap_begin)
        self.addCleanup(c.close)
        return c

    def end(self, c):
        c.send("XTAKEOVER on")
        c.until(b"a OK")
        c.send("b LOGOUT")
        c.until(b"b OK")
        self.assertEqual(c.f.read(), b"")
        c.close()

    def descriptors(self, pid):
        return {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}

    def sleeps(self, pid):
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0] == "S"

    def test_nothing_of_a_client_is_left_and_nobody_elses_comes(self):
        c = self.begin()
        pid = c.call("getpid")[0]
        during = self.descriptors(pid)
        self.end(c)
        # The client hears of the end before all of it is put away; then it sleeps.
        wait_for(lambda: len(self.descriptors(pid)) < len(during) and self.sleeps(pid), lambda: f"fewer than {during}")
        before = self.descriptors(pid)
        bob = self.box.imap(BOB)
        self.assertNotEqual(self.bob_session(), pid)
        bob.select()
        self.assertEqual(self.descriptors(pid), before)
        self.assertEqual(bob.logout()[0], "BYE")
        # his own next login finds it as it left it
        c = self.begin()
        self.assertEqual(c.call("getpid")[0], pid)
        self.end(c)

    def test_it_learns_nothing_along_its_line(self):
        c = self.begin()
        fds = [fd for fd in range(3, 16) if c.call("fcntl", fd, 1, 0)[0] >= 0]
        self.assertEqual([fd for fd in fds if c.call("recvfrom", fd, "@", 4096, 0x40, 0, 0)[0] > 0], [])
        # nor does master hear of it
        self.assertIn("EPIPE", [c.call("sendto", fd, "@", 1, 0x4000, 0, 0)[1] for fd in fds if fd != 4])


class CapturedFronts(CapturedStory):
    """Processes that strangers speak with, before anybody has logged in."""

    def tries(self, c):
        pid = self.box.master()
        for name, *words in (("code", "mmap", 0, 4096, 7, 0x22, -1, 0), ("limits", "prlimit64", 0, 7, "@", 0),
                             ("open", "openat", AT_FDCWD, "/etc/passwd", os.O_RDONLY, 0), ("socket", "socket", 2, 1, 0),
                             ("signal", "kill", pid, 9), ("owner of signals", "fcntl", 3, 8, pid), ("exec", "execve", "/bin/sh", 0, 0)):
            self.refused(c, name, *words)
        c.close()

    def test_smtpd(self):
        self.tries(Captured(self.box, 25, lambda c: c.until(b"220"), b"250 "))

    def test_imapd_before_the_login(self):
        self.tries(Captured(self.box, 143, lambda c: c.until(b"* OK")))
