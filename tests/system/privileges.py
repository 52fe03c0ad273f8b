# SPDX-License-Identifier: ISC
"""Every process of a running suite is what its row of the privilege table says.

The rows are written down here once more, from doc/architecture.md and not from
lib/os/priv.c: a change of the table must be made twice, by somebody who means
it.  All facts come from /proc.
"""
import os
import pwd
import re
import signal
import stat

from harness import PREFIX, Story, comm, descendants, message, needs_root, wait_for
from sink import Sink

EMPTY, QUEUE, HISTORY, WHOLE = "run/empty", "queue", "history", None
OWN = "mail/example.org/alice"          # a session's

# Roots, and what kinds of descriptors there may be.  Every process may have
# /dev/null, Unix sockets (its channels, the log), an epoll set and what wakes
# it, and the log's file.
ROWS = {
    #            user        root   descriptors
    "smtpd":    ("smtpd",    EMPTY, {"tcp", "queue-file"}),
    "qmgr":     ("qmgr",     QUEUE, {"queue-file", "queue-directory"}),
    "remote":   ("remote",   EMPTY, {"tcp", "queue-file"}),
    "local":    ("local",    EMPTY, {"queue-file"}),
    "worker":   ("mail",     WHOLE, {"mail-file", "mail-directory", "queue-file", "workers-file"}),
    "bounce":   ("bounce",   EMPTY, {"queue-file"}),
    "lookup":   ("lookup",   WHOLE, {"table-file", "etc-file"}),
    "auth":     ("auth",     EMPTY, set()),
    "verifier": ("verifier", WHOLE, set()),
    "resolver": ("resolver", EMPTY, {"tcp", "udp", "etc-file"}),
    "keys":     ("keys",     EMPTY, set()),
    "history":  ("history",  HISTORY, {"history-file", "history-directory"}),
    "metrics":  ("metrics",  EMPTY, {"tcp"}),
    "imapd":    ("imapd",    EMPTY, {"tcp", "rate", "tickets"}),
    "pop3d":    ("pop3d",    EMPTY, {"tcp", "rate", "tickets"}),
    "imap-spawn": ("imapspawn", WHOLE, set()),
    "pop3-spawn": ("pop3spawn", WHOLE, set()),
    "imap-session": ("mail", OWN, {"tcp", "mail-file", "mail-directory"}),
    "pop3-session": ("mail", OWN, {"tcp", "mail-file", "mail-directory"}),
}
THREADS = {"qmgr", "worker"}     # which sync files beside their loop
MAIL = {"worker", "imap-session", "pop3-session"}    # run as the mail's owner
# They fork sessions, which take their users' uids: CAP_SETGID, CAP_SETUID, CAP_SYS_CHROOT.
SPAWNS = {"imap-spawn", "pop3-spawn"}
COMMON = {"null", "unix", "epoll", "wake", "log"}
NOTHING = "0" * 16
SPAWN_CAPABILITIES = "00000000000400c0"


def status(pid):
    with open(f"/proc/{pid}/status") as f:
        return dict(l.rstrip("\n").split(":\t", 1) for l in f if ":\t" in l)


def limits(pid):
    """{"Max processes": (soft, hard)}"""
    found = {}
    with open(f"/proc/{pid}/limits") as f:
        for line in list(f)[1:]:
            name, soft, hard = line[:26].strip(), line[26:47].strip(), line[47:68].strip()
            found[name] = (soft, hard)
    return found


def role_of(pid):
    with open(f"/proc/{pid}/cmdline", "rb") as f:
        words = f.read().rstrip(b"\0").split(b"\0")
    if b": " in words[0]:        # a session: "imapd: imap-session alice@example.org"
        return words[0].split()[1].decode()
    return words[1].decode() if len(words) > 1 else comm(pid)


def socket_inodes(pid, name):
    """Inodes of the sockets in the process's network namespace."""
    found = {}
    try:
        with open(f"/proc/{pid}/net/{name}") as f:
            for line in list(f)[1:]:
                words = line.split()
                if name == "unix":
                    found[words[6]] = words
                else:
                    found[words[9]] = words
    except FileNotFoundError:
        pass
    return found


class Facts:
    """What can be seen of one process."""

    def __init__(self, pid, box):
        self.pid, self.role = pid, role_of(pid)
        self.status, self.limits = status(pid), limits(pid)
        self.root = os.readlink(f"/proc/{pid}/root")
        self.cwd = os.readlink(f"/proc/{pid}/cwd")
        with open(f"/proc/{pid}/maps") as maps:
            self.sanitized = "libasan" in maps.read()
        self.owner = os.stat(f"/proc/{pid}/maps").st_uid
        self.descriptors = {}
        tables = {n: socket_inodes(pid, n) for n in ("tcp", "tcp6", "udp", "udp6", "unix")}
        for fd in os.listdir(f"/proc/{pid}/fd"):
            try:
                target = os.readlink(f"/proc/{pid}/fd/{fd}")
                mode = os.stat(f"/proc/{pid}/fd/{fd}").st_mode
            except FileNotFoundError:
                continue
            self.descriptors[int(fd)] = self.kind(target, mode, tables, box), target

    def kind(self, target, mode, tables, box):
        inode = re.fullmatch(r"socket:\[(\d+)\]", target)
        if inode:
            for name, inodes in tables.items():
                if inode[1] in inodes:
                    return name.rstrip("6")
            # One that is not bound yet; or a datagram socket of the log.
            return "unknown-socket"
        if target == "/dev/null":
            return "null"
        if target == "anon_inode:[eventpoll]":
            return "epoll"
        if target.startswith(("anon_inode:[eventfd]", "pipe:")):
            return "wake"
        memory = re.match(r"/memfd:chasqui-(rate|counters|tickets|pem|grant)\b", target)
        if memory:
            return memory[1]
        target = target.removesuffix(" (deleted)")
        what = "directory" if stat.S_ISDIR(mode) else "file"
        for place, top in (("log", box.logfile), ("queue", box.path("queue")), ("history", box.path("history")), ("mail", box.path("mail")),
                           ("workers", box.path("run", "workers")), ("table", box.path("tables")), ("tls", box.path("tls")), ("etc", "/etc")):
            if target == top or target.startswith(top + "/"):
                return "log" if place == "log" else f"{place}-{what}"
        return f"{what} {target}"

    def kinds(self):
        return {k for k, target in self.descriptors.values()}


def open_flags(pid, fd):
    with open(f"/proc/{pid}/fdinfo/{fd}") as f:
        return int(re.search(r"(?m)^flags:\s*(\d+)", f.read())[1], 8)


@needs_root
class Privileges(Story):
    @classmethod
    def arrange(cls):
        cls.sink = Sink()
        cls.at_end(cls.sink.stop)
        cls.box = cls.instance(relay={"elsewhere.example": f"127.0.0.1:{cls.sink.port}"},
                               **{"process.smtpd": "2", "process.remote": "2", "imap.park": "1h"})
        # Each process has done some of its work.
        cls.box.send("alice@example.org", subject="wakes a worker")
        cls.box.wait_subject("alice@example.org", "wakes a worker")
        cls.box.send("x@elsewhere.example", subject="goes out")
        cls.sink.wait()
        cls.pop3 = cls.box.pop3()
        cls.imap = cls.box.imap()
        cls.at_end(cls.imap.shutdown)
        cls.at_end(cls.pop3.close)
        cls.facts = [Facts(p, cls.box) for p in descendants(cls.box.master())]

    def each(self):
        """Each process and its row; a failure names the role."""
        for f in self.facts:
            self.role = f.role
            yield f, ROWS[f.role]

    def _formatMessage(self, msg, standard):
        return super()._formatMessage(msg, f"{getattr(self, 'role', 'all')}: {standard}")

    def test_every_row_has_its_processes(self):
        count = {r: sum(f.role == r for f in self.facts) for r in ROWS}
        self.assertEqual(count, {r: 2 if r in ("smtpd", "remote") else 1 for r in ROWS})
        self.assertEqual({f.role for f in self.facts} - set(ROWS), set())

    def test_uids_gids_and_groups(self):
        for f, (user, _, _) in self.each():
            pw = pwd.getpwnam("_chasqui_" + user)
            self.assertEqual(f.status["Uid"].split(), [str(pw.pw_uid)] * 4)
            self.assertEqual(f.status["Gid"].split(), [str(pw.pw_gid)] * 4)
            self.assertEqual(f.status["Groups"].split(), [])

    def test_no_two_roles_share_a_uid(self):
        uids = {}
        for f in self.facts:
            uids.setdefault(f.status["Uid"].split()[0], set()).add("mail" if f.role in MAIL else f.role)
        self.assertEqual([r for r in uids.values() if len(r) > 1], [])
        self.assertNotIn("0", uids)

    def test_no_capabilities_and_no_way_to_any(self):
        for f, _ in self.each():
            for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
                may = SPAWN_CAPABILITIES if f.role in SPAWNS and name in ("CapPrm", "CapEff") else NOTHING
                self.assertEqual(f.status[name], may, name)
            self.assertEqual(f.status["NoNewPrivs"], "1")

    def test_system_calls_are_filtered(self):
        for f, _ in self.each():
            self.assertEqual(f.status["Seccomp"], "2")

    def test_threads_are_confined_like_their_process(self):
        for f, _ in self.each():
            for tid in os.listdir(f"/proc/{f.pid}/task"):
                s = status(f"{f.pid}/task/{tid}")
                for name in ("Uid", "Gid", "Groups", "CapEff", "CapPrm", "CapBnd", "NoNewPrivs", "Seccomp"):
                    self.assertEqual(s[name], f.status[name], name)

    def test_root_directories(self):
        for f, (_, root, _) in self.each():
            self.assertEqual(f.root, os.path.realpath(self.box.path(root)) if root else "/")
            # nowhere above it, nor where somebody has started the suite
            self.assertEqual(f.cwd, f.root)
        self.assertEqual(os.readlink(f"/proc/{self.box.master()}/cwd"), "/")
        empty = self.box.path("run", "empty")
        self.assertEqual(os.listdir(empty), [])
        st = os.stat(empty)
        self.assertEqual((st.st_uid, stat.S_IMODE(st.st_mode) & 0o222), (0, 0))

    def test_not_dumpable_so_not_traceable_by_their_own_uid(self):
        for f, _ in self.each():
            # The kernel gives what is not dumpable to root.
            self.assertEqual(f.owner, 0)

    def test_limits(self):
        for f, _ in self.each():
            self.assertEqual(f.limits["Max core file size"], ("0", "0"))
            if f.role not in THREADS | SPAWNS:
                self.assertEqual(f.limits["Max processes"], ("0", "0"))
            if f.role not in THREADS:
                self.assertEqual(f.status["Threads"], "1")
            # The shadow memory of a build with ASan is terabytes of addresses.
            for name in ("Max open files",) + (() if f.sanitized else ("Max address space",)):
                soft, hard = f.limits[name]
                self.assertEqual(soft, hard, name)
                self.assertNotEqual(soft, "unlimited", name)

    def test_descriptors(self):
        for f, (_, _, kinds) in self.each():
            wrong = {fd: d for fd, d in f.descriptors.items()
                     if d[0] not in kinds | COMMON and not (d[0] == "unknown-socket" and "tcp" in kinds)}
            self.assertEqual(wrong, {})

    def test_no_process_has_a_listener_that_is_not_its_own(self):
        for f, _ in self.each():
            listening = [w for n in ("tcp", "tcp6") for i, w in socket_inodes(f.pid, n).items()
                         if w[3] == "0A" and any(t == f"socket:[{i}]" for _, t in f.descriptors.values())]
            ports = {int(w[1].rsplit(":", 1)[1], 16) for w in listening}
            own = {"smtpd": (25, 465, 587), "imapd": (143, 993), "pop3d": (110, 995)}.get(f.role, ())
            self.assertEqual(ports, {self.box.base + p for p in own})

    def test_master(self):
        pid = self.box.master()
        s = status(pid)
        self.assertEqual(s["Uid"].split(), ["0"] * 4)
        self.assertEqual(s["NoNewPrivs"], "1")
        f = Facts(pid, self.box)
        # Opened by their names alone: a process that starts again is of master's version.
        own = os.path.join(PREFIX, "libexec", "chasqui")
        programs = {f"file {os.path.join(own, name)}" for name in os.listdir(own)}
        self.assertLessEqual(f.kinds() - {"table-file"}, COMMON | programs |
                             {"tcp", "rate", "counters", "tickets", "pem", "grant", "tls-file", "workers-file",
                              f"file {self.box.path('run', 'master.pid')}"})

    def test_chasqui_confinement_finds_nothing(self):
        p = self.box.tool("confinement")
        self.assertEqual(p.returncode, 0, p.stdout + p.stderr)
        self.assertNotRegex(p.stdout, "WORKED|BROKEN|WRONG")
        for role in ROWS.keys() - {"imap-session", "pop3-session"}:
            self.assertRegex(p.stdout, rf"(?m)^{role} +\d+ +\d+ as its row says$")


@needs_root
class Hurt(Story):
    """What a process that is killed or stopped leaves behind, and what a new one is."""

    @classmethod
    def arrange(cls):
        cls.box = cls.instance()

    def test_a_restarted_process_is_confined_like_the_first(self):
        for name in ("smtpd", "qmgr", "remote", "local", "bounce", "lookup", "auth", "resolver", "keys",
                     "metrics", "history"):
            with self.subTest(name=name):
                old = self.box.pids(name)[0]
                os.kill(old, signal.SIGKILL)
                new = wait_for(lambda: next((p for p in self.box.pids(name)
                                             if p != old and confined(p)), None), f"a new {name}")
                s = status(new)
                self.assertEqual(s["CapBnd"], NOTHING)
                self.assertNotIn("0", s["Uid"].split())
        self.box.send("alice@example.org", subject="after all that")
        self.box.wait_subject("alice@example.org", "after all that")

    def test_a_large_message_gives_smtpd_one_file_and_only_to_write(self):
        with self.box.talk() as t:
            t.ehlo()
            t.cmd("MAIL FROM:<s@client.example>", 250)
            t.cmd("RCPT TO:<alice@example.org>", 250)
            t.cmd("DATA", 354)
            head = message(subject="large").replace(b"a line\r\n", b"")
            t.send(head + (b"x" * 70 + b"\r\n") * 20000)

            def files():
                return [(p, fd) for p in self.box.pids("smtpd") for fd, (kind, _) in Facts(p, self.box).descriptors.items()
                        if kind == "queue-file"]
            found = wait_for(lambda: files(), "smtpd to have the message's file")
            self.assertEqual(len(found), 1)
            self.assertEqual(open_flags(*found[0]) & os.O_ACCMODE, os.O_WRONLY)
            t.send(b".\r\n")
            self.assertEqual(t.reply()[0], 250)
            wait_for(lambda: not files(), "smtpd to let go of the file")
        self.box.wait_subject("alice@example.org", "large")


def confined(pid):
    try:
        return status(pid).get("Seccomp") == "2"
    except (FileNotFoundError, ProcessLookupError):
        return False
