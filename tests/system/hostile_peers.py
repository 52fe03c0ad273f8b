# SPDX-License-Identifier: ISC
"""Clients and next hops that mean harm: too many, too slow, endless, gone too early.

What a peer does costs nothing but its own connection: mail of others flows
meanwhile (its latency is printed), and all processes together keep below what
their limits add up to.
"""
import contextlib
import os
import re
import resource
import selectors
import socket
import ssl
import threading
import time

from harness import PATIENCE, Story, any_certificate, descendants, message, wait_for
from sink import Sink

LONG = bool(os.environ.get("CHASQUI_LONG"))
CONNECTIONS = 10000 if LONG else 2000
# The most that a connection may hold (doc/architecture.md, A6), with what the kernel and the table take.
PER_CONNECTION = 48 * 1024
BASE = 300 * 2**20


def memory(box):
    """What all processes have in memory, shared pages counted once."""
    total = 0
    for pid in descendants(box.process.pid):
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/smaps_rollup") as f:
                total += int(re.search(r"(?m)^Pss:\s+(\d+)", f.read()).group(1)) * 1024
    return total


class Crowd:
    """As many connections as asked for, to one port."""

    def __init__(self, port, n, source="127.0.0.%d"):
        self.sockets = []
        self.refused = 0
        for i in range(n):
            s = socket.socket()
            # Ports of one address would not do for all.
            s.bind((source % (2 + i % 50), 0))
            s.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                s.connect(("127.0.0.1", port))
            self.sockets.append(s)

    def heard(self, within=60):
        """(greeted, refused with 421 or BYE, closed or silent)."""
        said = {}
        sel = selectors.DefaultSelector()
        for s in self.sockets:
            sel.register(s, selectors.EVENT_READ)
        end = time.monotonic() + within
        while len(said) < len(self.sockets) and time.monotonic() < end:
            ready = sel.select(1)
            if not ready and said:
                break
            for key, _ in ready:
                sel.unregister(key.fileobj)
                try:
                    said[key.fileobj] = key.fileobj.recv(200)
                except OSError:
                    said[key.fileobj] = b""
        sel.close()
        greeted = sum(t.startswith((b"220", b"* OK")) for t in said.values())
        refused = sum(t.startswith((b"421", b"* BYE")) for t in said.values())
        return greeted, refused, len(self.sockets) - greeted - refused

    def close(self):
        for s in self.sockets:
            s.close()


class Hostile(Story):
    def setUp(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))

    def serves(self, what, n=5):
        """Mail of others comes through; how long it takes."""
        times = []
        for i in range(n):
            begun = time.monotonic()
            self.box.send("alice@example.org", subject=f"{what} {i}")
            self.box.wait_subject("alice@example.org", f"{what} {i}")
            times.append(time.monotonic() - begun)
        print(f"# {what}: {n} messages delivered, {1000 * sum(times) / n:.0f} ms each, at most {1000 * max(times):.0f} ms",
              flush=True)

    def nobody_died(self):
        self.assertNotIn("event=died", self.box.log())


class Crowds(Hostile):
    @classmethod
    def arrange(cls):
        cls.box = cls.instance(imap__client_connections="100000", pop3__client_connections="100000",
                               smtp__max_sessions=str(CONNECTIONS + 100))      # of each smtpd

    def crowd(self, what, port):
        before = memory(self.box)
        crowd = Crowd(port, CONNECTIONS)
        try:
            greeted, refused, silent = crowd.heard()
            self.serves(f"beside {CONNECTIONS} connections to {what}")
            after = memory(self.box)
            print(f"# {what}: {greeted} greeted, {refused} refused, {silent} wait; {after - before >> 10} KiB for them, "
                  f"{after >> 20} MiB in all", flush=True)
            self.assertGreater(greeted, 0)
            self.assertLess(after, BASE + CONNECTIONS * PER_CONNECTION)
        finally:
            crowd.close()
        self.serves(f"after {CONNECTIONS} connections to {what}", n=1)
        self.nobody_died()

    def test_smtp(self):
        self.crowd("smtpd", self.box.port)

    def test_imap(self):
        self.crowd("imapd", self.box.base + 143)


# What a client has said when it becomes slow: (what, port above the base, TLS, lines).
STATES = (
    ("smtp greeting", 25, False, b""),
    ("smtp half a command", 25, False, b"EHLO cli"),
    ("smtp MAIL", 25, False, b"EHLO c\r\nMAIL FROM:<a@b.example>\r\n"),
    ("smtp RCPT", 25, False, b"EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<alice@example.org>\r\n"),
    ("smtp DATA", 25, False, b"EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<alice@example.org>\r\nDATA\r\n"),
    ("smtp content", 25, False, b"EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<alice@example.org>\r\nDATA\r\nSubject: x\r\n\r\nx"),
    ("smtp before the dot", 25, False,
     b"EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<alice@example.org>\r\nDATA\r\nSubject: slow\r\n\r\nx\r\n."),
    ("smtp BDAT", 25, False, b"EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<alice@example.org>\r\nBDAT 1000 LAST\r\nx"),
    ("smtp half a handshake", 25, False, b"EHLO c\r\nSTARTTLS\r\n\x16\x03\x01\x02\x00\x01\x00"),
    ("imap greeting", 143, False, b""),
    ("imap half a command", 143, False, b"a LOGI"),
    ("imap literal", 143, False, b"a LOGIN {5}\r\nal"),
    ("imap half a password", 143, False, b'a AUTHENTICATE PLAIN\r\nAGFsaW'),
    ("imaps half a handshake", 993, False, b"\x16\x03\x01\x02\x00\x01\x00"),
    ("imaps silent", 993, False, b""),
    ("pop3 greeting", 110, False, b""),
    ("pop3 USER", 110, False, b"USER alice@example.org\r\n"),
    ("pop3s half a handshake", 995, False, b"\x16\x03\x01\x02\x00\x01\x00"),
)


class SlowClients(Hostile):
    EACH = 40 if LONG else 8

    @classmethod
    def arrange(cls):
        cls.box = cls.instance(imap__login_timeout="10s", pop3__login_timeout="10s",
                               imap__client_connections="100000", pop3__client_connections="100000")

    def test_in_every_state(self):
        """A byte now and then does not keep a connection for ever, nor does it keep others from theirs."""
        slow = []
        for what, port, _, said in STATES:
            for _ in range(self.EACH):
                s = socket.create_connection(("127.0.0.1", self.box.base + port), PATIENCE)
                s.sendall(said)
                s.setblocking(False)
                slow.append((what, s))
        before = memory(self.box)
        self.serves(f"beside {len(slow)} slow clients in {len(STATES)} states")
        self.assertLess(before, BASE + len(slow) * PER_CONNECTION)
        # a byte each, from time to time, while others are served
        for _ in range(3):
            for _, s in slow:
                with contextlib.suppress(OSError):
                    s.send(b"x")
            self.serves("another byte of each", n=1)
        for _, s in slow:
            s.close()
        self.nobody_died()

    def test_a_client_that_is_gone_before_the_last_reply(self):
        """Whether its message counts is decided once: it comes once, or not at all."""
        gone = 30
        for i in range(gone):
            with socket.create_connection(("127.0.0.1", self.box.port), PATIENCE) as s:
                s.sendall(b"EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n")
                text = b""
                while b"354" not in text:
                    text += s.recv(4096)
                s.sendall(message("bob@example.org", subject=f"gone {i}") + b".\r\n")
                if i % 2:
                    # a reset instead of an end
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.serves("after clients that were gone")
        self.box.wait_queue(0)
        subjects = re.findall(r"Subject: (gone \d+)", "".join(m.decode() for m in self.box.mail("bob@example.org")))
        self.assertEqual(len(subjects), len(set(subjects)))
        print(f"# {gone} clients gone before the reply: {len(subjects)} messages taken, none twice", flush=True)


    def test_a_client_that_half_closes_gets_its_reply(self):
        """Whose FIN comes with the final dot, or just after it, still listens."""
        for i in range(10):
            with self.box.talk() as t:
                for line in ("EHLO c", "MAIL FROM:<a@b.example>", "RCPT TO:<alice@example.org>", "DATA"):
                    t.cmd(line)
                t.send(message(subject=f"half-closed {i}") + b".\r\n")
                t.s.shutdown(socket.SHUT_WR)
                self.assertEqual(t.reply()[0], 250)
                self.assertTrue(t.closed())
        for i in range(10):
            self.box.wait_subject("alice@example.org", f"half-closed {i}")


class OddHop:
    """A next hop that behaves until a step and then does harm.

    how: "stall", "reset", "close", "endless" (a line without end), "lines" (a
    reply without end), "garbage", "bytes" (the right reply, one byte at a
    time)."""
    STEPS = ("connect", "EHLO", "MAIL", "RCPT", "DATA", ".")
    WAYS = ("stall", "reset", "close", "endless", "lines", "garbage", "bytes")

    def __init__(self, step, how):
        self.step, self.how = step, how
        self.taken = 0
        self.cured = False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.open = set()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                s, _ = self.listener.accept()
                self.open.add(s)
                threading.Thread(target=self.serve, args=(s,), daemon=True).start()

    def stop(self):
        self.listener.close()
        for s in list(self.open):
            s.close()

    def serve(self, s):
        with contextlib.suppress(OSError, ValueError), s:
            f = s.makefile("rb")
            if not self.say(s, "connect", b"220 odd\r\n"):
                return
            while True:
                line = f.readline()
                if not line:
                    return
                verb = line.split()[0].upper().decode() if line.split() else ""
                if verb == "QUIT":
                    s.sendall(b"221 bye\r\n")
                    return
                if not self.say(s, verb, b"354 go\r\n" if verb == "DATA" else b"250 ok\r\n"):
                    return
                if verb == "DATA":
                    while (line := f.readline()) != b".\r\n":
                        if not line:
                            return
                    if not self.say(s, ".", b"250 taken\r\n"):
                        return
                    self.taken += 1

    def say(self, s, step, right):
        if self.cured or step != self.step:
            s.sendall(right)
            return True
        if self.how == "stall":
            s.recv(1, socket.MSG_PEEK)
            time.sleep(3600)
        elif self.how == "reset":
            # at the end of serve()
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        elif self.how == "endless":
            while True:
                s.sendall(right[:3] + b"-" + b"x" * 65536)
        elif self.how == "lines":
            while True:
                s.sendall((right[:3] + b"-more\r\n") * 1000)
        elif self.how == "garbage":
            s.sendall(b"\0\xff\r\n\n\r2x0 what\r\n99999 \r\n")
        elif self.how == "bytes":
            for i in range(len(right)):
                s.sendall(right[i:i + 1])
                time.sleep(0.01)
            return True
        return False


class OddHops(Hostile):
    """All at once, a domain for each step and way."""

    @classmethod
    def arrange(cls):
        cls.hops = {}
        for step in OddHop.STEPS:
            for how in OddHop.WAYS:
                hop = OddHop(step, how)
                name = f"{how}-at-{'dot' if step == '.' else step.lower()}.example"
                cls.hops[name] = hop
                cls.at_end(hop.stop)
        cls.box = cls.instance(relay={name: f"127.0.0.1:{hop.port}" for name, hop in cls.hops.items()})

    def test_at_every_step(self):
        before = memory(self.box)
        for name in self.hops:
            self.box.send(f"x@{name}", subject="odd")
        self.serves(f"beside {len(self.hops)} odd next hops")
        good = [n for n, h in self.hops.items() if h.how == "bytes"]
        wait_for(lambda: all(self.hops[n].taken == 1 for n in good), "what is only slow")
        quick = [n for n, h in self.hops.items() if h.how in ("reset", "close", "endless", "lines", "garbage")]
        waiting = wait_for(lambda: (lambda log: log if all(
            re.search(rf"event=deferred rcpt=x@{re.escape(n)} ", log) or
            re.search(rf"event=failed rcpt=x@{re.escape(n)} ", log) for n in quick) else None)(self.box.log()),
            lambda: "each to be deferred: " + str([n for n in quick if f"event=deferred rcpt=x@{n} " not in self.box.log()]))
        # Nobody has taken them, so none counts as delivered.
        for n in quick:
            self.assertNotRegex(waiting, rf"event=(relayed|delivered|sent) rcpt=x@{re.escape(n)} ")
        self.serves("still")
        after = memory(self.box)
        print(f"# {len(self.hops)} odd next hops: {after - before >> 10} KiB more, {after >> 20} MiB in all", flush=True)
        self.assertLess(after, BASE)
        # Cured, they take what waited, each once.
        for hop in self.hops.values():
            hop.cured = True
            if hop.how == "stall":
                for s in list(hop.open):
                    with contextlib.suppress(OSError):
                        s.shutdown(socket.SHUT_RDWR)
        self.box.tool("queue", "retry", "--all", check=True)
        failed = set(re.findall(r"event=failed rcpt=x@(\S+) ", self.box.log()))
        wait_for(lambda: all(h.taken >= 1 for n, h in self.hops.items() if n not in failed),
                 lambda: "each to come: " + str([n for n, h in self.hops.items() if not h.taken]))
        self.box.wait_queue(0)
        self.assertEqual({n: h.taken for n, h in self.hops.items() if h.taken > 1}, {})
        self.nobody_died()
