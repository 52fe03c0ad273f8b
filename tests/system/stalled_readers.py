# SPDX-License-Identifier: ISC
"""Clients that ask for large messages and do not read them cost little memory."""
import os
import re
import zlib

from harness import descendants, wait_for
from login_sessions import Imap, LoginStory, title
from pop3 import Line

LINE = b"QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2\r\n"
MESSAGE = 10_000_000
CLIENTS = 6
HELD = 1_500_000            # a client: the session's process and what login carries


def private(pid):
    try:
        with open(f"/proc/{pid}/smaps_rollup") as f:
            return int(re.search(r"(?m)^Private_Dirty:\s+(\d+)", f.read())[1]) * 1024
    except (FileNotFoundError, ProcessLookupError, TypeError):
        return 0


class StalledReaders(LoginStory):
    keys = {"users": ("alice@example.org",), "imap__keep": "0s", "pop3__keep": "0s"}

    @classmethod
    def arrange(cls):
        super().arrange()
        part = (b"Content-Type: application/octet-stream\r\n"
                b"Content-Transfer-Encoding: base64\r\n\r\n")
        cls.text = (b"Subject: large\r\nMIME-Version: 1.0\r\n"
                    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
                    b"--b\r\n\r\nhello\r\n--b\r\n" + part +
                    LINE * (MESSAGE // len(LINE)) + b"--b--\r\n")
        cls.decoded = len(LINE * (MESSAGE // len(LINE))) // len(LINE) * 48
        c = Imap(cls.box.base + 143)
        c.command("LOGIN alice@example.org secret")
        for _ in range(2):
            c.s.sendall(b"x APPEND INBOX {%d+}\r\n" % len(cls.text) + cls.text + b"\r\n")
            assert c.answer("x")[1].startswith("OK")
        c.command("LOGOUT")

    def held(self):
        return sum(private(p) for p in descendants(self.box.master())
                   if re.search("imap|pop3", title(p)))

    def stall(self, begin, tls=False):
        """What CLIENTS more such clients make us hold, each."""
        wait_for(lambda: not self.sessions() and not self.sessions("pop3-session"),
                 "the sessions of before to end")
        before = self.held()
        clients = [begin(tls) for _ in range(CLIENTS)]
        known = []

        def quiet():
            known.append(self.held())
            return len(known) > 20 and max(known[-20:]) - min(known[-20:]) < 100_000
        wait_for(quiet, "the sessions to wait for their clients")
        return clients, (known[-1] - before) / CLIENTS

    def fetching(self, what):
        def begin(tls):
            c = self.logged_in(tls=tls)
            self.assertRegex(c.command("SELECT INBOX")[1], "^OK")
            c.s.sendall(f"f FETCH 1:* {what}\r\n".encode())
            return c
        return begin

    def bounded(self, begin, tls=False):
        clients, each = self.stall(begin, tls)
        self.assertLess(each, HELD)
        return clients

    def whole(self, c):
        text = bytearray(c.buffer)
        while not re.search(rb"f OK [^\r]*\r\n\Z", text[-200:]):
            more = c.s.recv(1 << 20)
            self.assertTrue(more)
            text += more
        return bytes(text)

    def test_of_whole_messages(self):
        clients = self.bounded(self.fetching("BODY.PEEK[]"))
        got = self.whole(clients[0])
        self.assertEqual(got.count(self.text), 2)

    def test_within_tls(self):
        clients = self.bounded(self.fetching("BODY.PEEK[]"), tls=True)
        self.assertEqual(self.whole(clients[0]).count(self.text), 2)

    def test_compressed(self):
        noise = os.urandom(700_000).hex().encode()
        text = b"Subject: noise\r\n\r\n" + b"\r\n".join(
            noise[i:i + 76] for i in range(0, len(noise), 76)) + b"\r\n"
        c = self.logged_in()
        c.command("CREATE noise")
        for _ in range(4):
            c.s.sendall(b"x APPEND noise {%d+}\r\n" % len(text) + text + b"\r\n")
            self.assertRegex(c.answer("x")[1], "^OK")

        def begin(tls):
            c = self.logged_in()
            self.assertRegex(c.command("SELECT noise")[1], "^OK")
            self.assertRegex(c.command("COMPRESS DEFLATE")[1], "^OK")
            z = zlib.compressobj(9, zlib.DEFLATED, -15)
            c.s.sendall(z.compress(b"f FETCH 1:* BODY.PEEK[]\r\n") + z.flush(zlib.Z_SYNC_FLUSH))
            return c
        clients = self.bounded(begin)
        inflate = zlib.decompressobj(-15)
        got = bytearray(inflate.decompress(clients[0].buffer))
        while b"f OK" not in got[-200:]:
            got += inflate.decompress(clients[0].s.recv(1 << 20))
        self.assertEqual(got.count(text), 4)

    def test_of_parts(self):
        clients = self.bounded(self.fetching("(BODY.PEEK[2] BODY.PEEK[1] BODY.PEEK[HEADER])"))
        got = self.whole(clients[0])
        self.assertEqual(got.count(b"BODY[1] {5}\r\nhello"), 2)
        self.assertEqual(got.count(b"Subject: large\r\n"), 2)

    def test_of_ranges(self):
        clients = self.bounded(self.fetching("BODY.PEEK[]<1000.9000000>"))
        got = self.whole(clients[0])
        self.assertEqual(got.count(self.text[1000:9001000]), 2)

    def test_decoded(self):
        clients = self.bounded(self.fetching("(BINARY.PEEK[2] BINARY.SIZE[2])"))
        got = self.whole(clients[0])
        plain = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuv"
        self.assertEqual(got.count(plain * (self.decoded // 48)), 2)
        self.assertEqual(got.count(b"BINARY[2] {%d}" % self.decoded), 2)
        self.assertEqual(got.count(b"BINARY.SIZE[2] %d" % self.decoded), 2)

    def test_pop3(self):
        def begin(tls):
            c = Line(self.box.base + (995 if tls else 110), tls)
            self.addCleanup(c.s.close)
            c.line()
            for said in (b"USER alice@example.org\r\n", b"PASS secret\r\n"):
                c.s.sendall(said)
                self.assertRegex(c.line(), r"^\+OK")
            c.s.sendall(b"RETR 1\r\nRETR 2\r\nTOP 1 100000\r\n")
            return c
        for tls in (False, True):
            with self.subTest(tls=tls):
                clients = self.bounded(begin, tls)
                c = clients[0]
                c.s.sendall(b"QUIT\r\n")
                got = bytearray(c.buffer)
                while more := c.s.recv(1 << 20):
                    got += more
                self.assertEqual(got.count(self.text + b".\r\n"), 2)
                self.assertEqual(got.count(LINE), 2 * self.text.count(LINE) + 100_000 - 7)
                for c in clients:
                    c.s.close()
