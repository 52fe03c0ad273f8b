#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""auth and a verifier, started as master starts them, with this test in the
place of master, of smtpd, imapd and pop3d (the clients) and of lookup.

Runs as any user; rights are dropped as far as that user can.
"""
import base64
import hashlib
import hmac
import json
import os
import re
import shutil
import socket
import sqlite3
import struct
import subprocess
import tempfile
import time
import unittest

BUILD = os.getcwd()             # automake runs tests in the build directory
PATIENCE = 30
SMTPD, AUTH, VERIFIER, IMAP, POP3, LOOKUP = 2, 8, 9, 11, 12, 14
SMTP_P, IMAP_P, POP3_P = 1, 2, 3
TLS, LOCAL, INITIAL = 1, 2, 4
(AU_MECHANISMS, AU_START, AU_CHALLENGE, AU_RESPONSE, AU_CANCEL, AU_OK, AU_FAIL,
 AU_LOGOUT) = range(1, 9)
BAD, TRY_LATER, NOT_ALLOWED, NEEDS_TLS, EXPIRED, TOO_MANY, PROTOCOL, NO_MECHANISM = range(1, 9)
SECRET = b"S" * 32
DIALOGUES_MAX = 16384           # auth.h


def u8(n):
    return struct.pack("<B", n)


def u32(n):
    return struct.pack("<I", n)


def u64(n):
    return struct.pack("<Q", n)


def text(s):
    s = s.encode() if isinstance(s, str) else s
    return u32(len(s)) + s


class Wire:
    def __init__(self, body):
        self.body = body

    def take(self, n):
        part, self.body = self.body[:n], self.body[n:]
        assert len(part) == n
        return part

    def u8(self):
        return self.take(1)[0]

    def u32(self):
        return struct.unpack("<I", self.take(4))[0]

    def u64(self):
        return struct.unpack("<Q", self.take(8))[0]

    def text(self):
        return self.take(self.u32())


class Channel:
    """One end; frames of lib/ipc/channel.h."""

    def __init__(self, s):
        self.s = s
        self.s.settimeout(PATIENCE)
        self.got = b""

    def send(self, kind, ident=0, body=b"", fds=()):
        frame = struct.pack("<IHHQ", 16 + len(body), kind, len(fds), ident) + body
        socket.send_fds(self.s, [frame], list(fds)) if fds else self.s.sendall(frame)

    def receive(self, timeout=PATIENCE):
        """(type, id, Wire)"""
        self.s.settimeout(timeout)
        while True:
            if len(self.got) >= 4:
                n = struct.unpack("<I", self.got[:4])[0]
                if len(self.got) >= n:
                    break
            data = self.s.recv(65536)
            if not data:
                raise EOFError
            self.got += data
        frame, self.got = self.got[:n], self.got[n:]
        _, kind, _, ident = struct.unpack("<IHHQ", frame[:16])
        return kind, ident, Wire(frame[16:])


def memfd(content):
    fd = os.memfd_create("test")
    os.write(fd, content)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


class Process:
    """A child of `master`."""

    def __init__(self, readable, program, role, number, conf, log, lent=0, group=0):
        ours, theirs = socket.socketpair()
        fd = theirs.fileno()
        self.p = subprocess.Popen([program, role], pass_fds=(3, fd), stdin=subprocess.DEVNULL, stderr=log,
                                  stdout=log, preexec_fn=lambda: fd == 3 or os.dup2(fd, 3))
        theirs.close()
        self.master = Channel(ours)
        body = (u32(number) + u32(0) + u32(os.getuid()) + u32(os.getgid()) + u8(2) + u64(1 << 31) +
                u64(1000) + text("") + text("") + text(f"/etc/machine-id:{readable}") + text("") + u8(lent) + u32(group))
        fd = memfd(conf)
        self.master.send(1, 0, body, [fd])
        os.close(fd)

    def channel(self, role, index, s):
        self.master.send(4, 0, u32(role) + u32(index) + u8(0), [s.fileno()])
        s.close()

    def go(self):
        self.master.send(6)
        kind, _, _ = self.master.receive()
        assert kind == 7, kind

    def end(self):
        self.master.s.close()
        self.p.wait(PATIENCE)


class Suite:
    def __init__(self, test, passwords, secret=True, readable=None, more="", **conf):
        self.dir = tempfile.mkdtemp(prefix="auth_test.", dir="/tmp")
        test.addCleanup(self.clean)
        self.passwords = os.path.join(self.dir, "passwords")
        self.write(passwords)
        values = {"hostname": "mx.example.org", "auth.passwords": self.passwords,
                  "auth.fail_delay": "50ms", "auth.fail_delay_max": "200ms"}
        values.update(conf)
        self.conf = "".join(f"{k} = {v}\n" for k, v in values.items()).encode() + more.encode()
        readable = self.dir + (":" + readable if readable else "")
        self.logfile = os.path.join(self.dir, "log")
        self.processes = []
        program = os.path.join(BUILD, "auth")
        with open(self.logfile, "ab") as log:
            self.auth = Process(readable, program, "auth", AUTH, self.conf, log)
            self.verifier = Process(readable, program, "verifier", VERIFIER, self.conf, log)
        self.processes = [self.auth, self.verifier]
        if secret:
            fd = memfd(SECRET)
            self.auth.master.send(5, 0, text("grant"), [fd])
            os.close(fd)
        self.join()
        ours, theirs = socket.socketpair()
        self.auth.channel(LOOKUP, 0, theirs)
        self.lookup = Channel(ours)
        self.clients = []
        for role, index in ((SMTPD, 0), (IMAP, 0), (POP3, 0)):
            ours, theirs = socket.socketpair()
            self.auth.channel(role, index, theirs)
            self.clients.append(Channel(ours))
        self.verifier.go()
        self.auth.go()
        self.offered = []
        for c in self.clients:
            kind, _, w = c.receive()
            assert kind == AU_MECHANISMS
            self.offered.append((w.text().decode().split(), w.text().decode().split()))
        self.smtp, self.imap, self.pop3 = self.clients
        self.serial = 0

    def join(self):
        one, other = socket.socketpair()
        self.auth.channel(VERIFIER, 0, one)
        self.verifier.channel(AUTH, 0, other)

    def write(self, passwords):
        with open(self.passwords + ".tmp", "w") as f:
            f.write(passwords)
        os.rename(self.passwords + ".tmp", self.passwords)

    def log(self):
        with open(self.logfile, errors="replace") as f:
            return f.read()

    def wait_log(self, pattern):
        """Lines are written at the end of a turn, answers a little before."""
        end = time.monotonic() + PATIENCE
        while not re.search(pattern, self.log()):
            if time.monotonic() > end:
                raise AssertionError(f"no {pattern!r} in\n{self.log()}")
            time.sleep(0.01)

    def clean(self):
        for p in self.processes:
            p.end()
        for c in self.clients + [self.lookup]:
            c.s.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    # -- a client

    def start(self, mechanism, initial=None, protocol=IMAP_P, flags=TLS, client="192.0.2.1",
              exporter=b"", unique=b"", certificate="", channel=None):
        self.serial += 1
        addr = socket.inet_pton(socket.AF_INET6, client if ":" in client else "::ffff:" + client)
        body = (u8(protocol) + u8(flags | (INITIAL if initial is not None else 0)) + addr + addr +
                text(exporter) + text(unique) + text(certificate) + text("client.example") + text(mechanism) +
                text(initial or b""))
        (channel or self.of(protocol)).send(AU_START, self.serial, body)
        return self.serial

    def answer(self, ident, channel=None, mailbox=True):
        """The next message to a client; lookup answers meanwhile."""
        channel = channel or self.imap
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                kind, got, w = channel.receive(0.01)
                if got == ident:
                    return kind, w
            except socket.timeout:
                pass
            try:
                self.serve_lookup(mailbox)
            except socket.timeout:
                pass
        raise AssertionError("no answer\n" + self.log())

    def serve_lookup(self, mailbox):
        kind, ident, w = self.lookup.receive(0.01)
        login = w.text()
        self.asked = login
        if not mailbox:
            self.lookup.send(2, ident, u8(2) + text(""))
            return
        self.lookup.send(2, ident, u8(1) + text(login) + u32(1000) + u32(1001) + text("") +
                         text("/mail/x") + text("/mail/x/Maildir") + u64(5) + u64(6))

    def of(self, protocol):
        return {SMTP_P: self.smtp, IMAP_P: self.imap, POP3_P: self.pop3}[protocol]

    def plain(self, user, password, mailbox=True, **kw):
        ident = self.start("PLAIN", b"\0" + user.encode() + b"\0" + password.encode(), **kw)
        channel = kw.get("channel") or self.of(kw.get("protocol", IMAP_P))
        return self.result(*self.answer(ident, channel, mailbox))

    @staticmethod
    def result(kind, w):
        if kind == AU_OK:
            return "ok", w.text().decode(), w.text()
        assert kind == AU_FAIL, kind
        return "fail", w.u8(), w.text()


def yescrypt(password):
    import warnings
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import crypt
    return crypt.crypt(password, "$y$j9T$saltsaltsalt")


def scram_keys(password, name="sha256", salt=b"0123456789abcdef", rounds=4096):
    salted = hashlib.pbkdf2_hmac(name, password.encode(), salt, rounds)
    client = hmac.digest(salted, b"Client Key", name)
    stored = hashlib.new(name, client).digest()
    server = hmac.digest(salted, b"Server Key", name)
    return ",".join([str(rounds)] + [base64.b64encode(x).decode() for x in (salt, stored, server)])


ALICE = "alice@example.org\t" + yescrypt("secret") + "\tscram-sha-256=" + scram_keys("secret") + "\n"


def open_grant(sealed):
    body, mac = sealed[:-32], sealed[-32:]
    assert hmac.digest(SECRET, body, "sha256") == mac
    w = Wire(body)
    g = {"version": w.u8(), "protocol": w.u8(), "nonce": w.take(16), "until": w.u64(), "login": w.text(),
         "uid": w.u32(), "gid": w.u32(), "user": w.text(), "directory": w.text(), "maildir": w.text(),
         "bytes": w.u64(), "messages": w.u64()}
    assert w.body == b""
    return g


class Plain(unittest.TestCase):
    def test_right_password_gives_a_grant(self):
        s = Suite(self, ALICE)
        begun = time.monotonic()
        kind, login, sealed = s.plain("alice@example.org", "secret")
        over = time.monotonic()
        self.assertEqual((kind, login), ("ok", "alice@example.org"))
        g = open_grant(sealed)
        self.assertEqual((g["protocol"], g["login"], g["uid"], g["gid"]), (IMAP_P, b"alice@example.org", 1000, 1001))
        self.assertEqual((g["directory"], g["maildir"], g["bytes"], g["messages"]), (b"/mail/x", b"/mail/x/Maildir", 5, 6))
        self.assertTrue(begun - 0.01 < g["until"] / 1000 - 60 <= over)
        s.wait_log(r"event=login client=192\.0\.2\.1 protocol=imap login=alice@example\.org mechanism=PLAIN tls=yes")

    def test_smtp_gets_no_grant_and_needs_no_mailbox(self):
        s = Suite(self, ALICE)
        self.assertEqual(s.plain("Alice@Example.ORG", "secret", protocol=SMTP_P, channel=s.smtp),
                         ("ok", "alice@example.org", b""))
        self.assertEqual(s.plain("alice@example.org", "secret", protocol=SMTP_P, channel=s.smtp, mailbox=False)[0], "ok")
        self.assertEqual(s.plain("alice@example.org", "secret", mailbox=False)[:2], ("fail", NOT_ALLOWED))

    def test_wrong_password_and_unknown_user_look_alike(self):
        s = Suite(self, ALICE)
        one = s.plain("alice@example.org", "Secret")
        other = s.plain("bob@example.org", "secret")
        self.assertEqual(one[:2], ("fail", BAD))
        self.assertEqual(one, other)
        s.wait_log(r'event=login-failed client=192\.0\.2\.1 protocol=imap login=alice@example\.org '
                                  r'mechanism=PLAIN tls=yes reason=wrong-password name=client\.example')
        s.wait_log(r"login=bob@example\.org .* reason=unknown-user")

    def test_failures_are_held_back_longer_each_time(self):
        s = Suite(self, ALICE, **{"auth.fail_delay": "300ms", "auth.fail_delay_max": "1s"})
        times = []
        for i in range(4):
            begun = time.monotonic()
            s.plain("alice@example.org", f"wrong{i}")
            times.append(time.monotonic() - begun)
        for least, took in zip((0.3, 0.6, 1, 1), times):
            self.assertGreater(took, least - 0.02)

    def test_failing_client_holds_nobody_else(self):
        # longer than any answer is waited for
        s = Suite(self, ALICE, **{"auth.fail_delay": "1m", "auth.fail_delay_max": "1m"})
        s.start("PLAIN", b"\0alice@example.org\0wrong")
        self.assertEqual(s.plain("alice@example.org", "secret", client="192.0.2.9")[0], "ok")

    def test_who_has_waited_longest_makes_room(self):
        s = Suite(self, ALICE, **{"auth.fail_delay": "1m", "auth.fail_delay_max": "2m"})
        waiting = DIALOGUES_MAX - DIALOGUES_MAX // 8
        started = [s.start("PLAIN", b"no PLAIN") for _ in range(waiting)]
        with self.assertRaises(socket.timeout):
            s.imap.receive(0.2)
        started += [s.start("PLAIN", b"no PLAIN") for _ in range(3)]
        for ident in started[:3]:
            kind, got, w = s.imap.receive()
            self.assertEqual((kind, got, w.u8()), (AU_FAIL, ident, PROTOCOL))
        self.assertEqual(s.plain("alice@example.org", "secret", client="198.51.100.1")[0], "ok")

    def test_client_over_the_limit_is_not_even_looked_at(self):
        s = Suite(self, ALICE, **{"auth.max_failures_client": "3"})
        for i in range(3):
            self.assertEqual(s.plain("alice@example.org", f"wrong{i}")[1], BAD)
        self.assertEqual(s.plain("alice@example.org", "secret")[:2], ("fail", TRY_LATER))
        s.wait_log("reason=client-limit")
        # who is elsewhere is not concerned
        self.assertEqual(s.plain("alice@example.org", "secret", client="198.51.100.1")[0], "ok")

    def test_user_whose_name_is_attacked_still_logs_in_from_where_he_did(self):
        s = Suite(self, ALICE, **{"auth.max_failures_user": "3"})
        self.assertEqual(s.plain("alice@example.org", "secret", client="198.51.100.1")[0], "ok")
        for i in range(3):
            self.assertEqual(s.plain("alice@example.org", f"wrong{i}", client=f"203.0.{i}.1")[1], BAD)
        self.assertEqual(s.plain("alice@example.org", "secret", client="192.0.2.1")[1], TRY_LATER)
        self.assertEqual(s.plain("alice@example.org", "secret", client="198.51.100.1")[0], "ok")

    def test_same_wrong_password_again_counts_once(self):
        s = Suite(self, ALICE, **{"auth.max_failures_client": "3"})
        for _ in range(6):
            self.assertEqual(s.plain("alice@example.org", "the old one")[1], BAD)
        self.assertEqual(s.plain("alice@example.org", "secret")[0], "ok")

    def test_changed_table_is_seen_at_once(self):
        s = Suite(self, ALICE)
        self.assertEqual(s.plain("alice@example.org", "secret")[0], "ok")
        s.write(ALICE.replace(yescrypt("secret"), yescrypt("new")))
        self.assertEqual(s.plain("alice@example.org", "secret")[:2], ("fail", BAD))
        self.assertEqual(s.plain("alice@example.org", "new")[0], "ok")

    def test_second_login_costs_no_hash(self):
        s = Suite(self, ALICE)
        s.plain("alice@example.org", "secret")
        before = cpu(s.verifier.p.pid)
        for _ in range(50):
            self.assertEqual(s.plain("alice@example.org", "secret")[0], "ok")
        # a yescrypt takes 20 ms at least
        self.assertLess(cpu(s.verifier.p.pid) - before, 0.3)

    def test_attributes_decide(self):
        s = Suite(self, ALICE.replace("alice", "off").strip() + " disabled\n" +
                  ALICE.replace("alice", "pop").strip() + " protocols=pop3\n" +
                  ALICE.replace("alice", "old").strip() + " expired\n" +
                  ALICE.replace("alice", "typo").strip() + " disable\n" +
                  "none@example.org\t*\n")
        for login, failure in (("off", NOT_ALLOWED), ("pop", NOT_ALLOWED), ("old", EXPIRED), ("typo", BAD), ("none", BAD)):
            with self.subTest(login=login):
                self.assertEqual(s.plain(login + "@example.org", "secret")[:2], ("fail", failure))
        self.assertEqual(s.plain("pop@example.org", "secret", protocol=POP3_P)[0], "ok")
        self.assertEqual(s.plain("off@example.org", "wrong")[1], BAD)

    def test_app_password(self):
        digest = hashlib.sha256(b"abcdefgh" + b"saltsalt").digest() + b"saltsalt"
        s = Suite(self, ALICE + "alice@example.org\t{SSHA256}" + base64.b64encode(digest).decode() +
                  "\tapp=phone\tprotocols=imap\n")
        self.assertEqual(s.plain("alice@example.org", "abcdefgh")[0], "ok")
        s.wait_log("app=phone")
        self.assertEqual(s.plain("alice@example.org", "abcdefgh", protocol=POP3_P)[:2], ("fail", NOT_ALLOWED))
        self.assertEqual(s.plain("alice@example.org", "secret")[0], "ok")

    def test_in_clear_only_where_it_may_be(self):
        s = Suite(self, ALICE)
        self.assertEqual(s.plain("alice@example.org", "secret", flags=0)[1], NEEDS_TLS)
        self.assertEqual(s.plain("alice@example.org", "secret", flags=LOCAL)[0], "ok")
        s = Suite(self, ALICE, **{"auth.plaintext": "tls"})
        self.assertEqual(s.plain("alice@example.org", "secret", flags=LOCAL)[1], NEEDS_TLS)
        s = Suite(self, ALICE, **{"auth.plaintext": "any"})
        self.assertEqual(s.plain("alice@example.org", "secret", flags=0)[0], "ok")

    def test_sqlite(self):
        d = tempfile.mkdtemp(prefix="auth_test.", dir="/tmp")
        self.addCleanup(shutil.rmtree, d)
        path = os.path.join(d, "accounts.sqlite")
        db = sqlite3.connect(path)
        db.execute("CREATE TABLE accounts (login TEXT, password TEXT, scram_sha_256 TEXT, app TEXT, "
                   "protocols TEXT, disabled INT)")
        rows = [("alice@example.org", yescrypt("secret"), scram_keys("secret"), None, None, 0),
                ("alice@example.org", "{PLAIN}app-secret", None, "phone", "imap", 0),
                ("off@example.org", "{PLAIN}secret", None, None, None, 1)]
        db.executemany("INSERT INTO accounts VALUES (?, ?, ?, ?, ?, ?)", rows)
        db.commit()
        s = Suite(self, "file@example.org {PLAIN}secret\n", readable=d, **{"auth.backends": "file sqlite", "auth.sqlite": path})
        if "this build has no SQLite" in s.log():
            self.skipTest("built without SQLite")
        self.assertEqual(s.plain("alice@example.org", "secret")[0], "ok")
        self.assertEqual(s.plain("alice@example.org", "app-secret")[0], "ok")
        self.assertEqual(s.plain("alice@example.org", "app-secret", protocol=POP3_P)[:2], ("fail", NOT_ALLOWED))
        self.assertEqual(s.plain("off@example.org", "secret")[:2], ("fail", NOT_ALLOWED))
        self.assertEqual(s.plain("file@example.org", "secret")[0], "ok")
        self.assertEqual(s.plain("x'OR'1'='1", "secret")[:2], ("fail", BAD))
        db.execute("UPDATE accounts SET password = '{PLAIN}new' WHERE login = 'alice@example.org' AND app IS NULL")
        db.commit()
        self.assertEqual(s.plain("alice@example.org", "secret")[:2], ("fail", BAD))
        self.assertEqual(s.plain("alice@example.org", "new")[0], "ok")
        db.close()

    def test_sqlite_query_with_an_unknown_column_lets_nobody_in(self):
        d = tempfile.mkdtemp(prefix="auth_test.", dir="/tmp")
        self.addCleanup(shutil.rmtree, d)
        path = os.path.join(d, "accounts.sqlite")
        db = sqlite3.connect(path)
        db.execute("CREATE TABLE accounts (login TEXT, password TEXT, disable INT)")
        db.execute("INSERT INTO accounts VALUES ('a@b.example', '{PLAIN}secret', 0)")
        db.commit()
        db.close()
        s = Suite(self, "", readable=d, **{
            "auth.backends": "sqlite", "auth.sqlite": path,
            "auth.sqlite_query": '"SELECT password, disable FROM accounts WHERE login = :login"'})
        self.assertEqual(s.plain("a@b.example", "secret")[:2], ("fail", TRY_LATER))

    def test_default_domain(self):
        s = Suite(self, ALICE, **{"auth.default_domain": "example.org"})
        self.assertEqual(s.plain("alice", "secret")[:2], ("ok", "alice@example.org"))

    def test_sessions_are_counted_and_given_back(self):
        s = Suite(self, ALICE, **{"auth.max_sessions": "2"})
        for _ in range(2):
            self.assertEqual(s.plain("alice@example.org", "secret")[0], "ok")
        self.assertEqual(s.plain("alice@example.org", "secret")[1], TOO_MANY)
        s.imap.send(AU_LOGOUT, 0, text("alice@example.org"))
        self.assertEqual(s.plain("alice@example.org", "secret")[0], "ok")

    def test_verifier_that_dies_is_a_temporary_failure(self):
        s = Suite(self, ALICE)
        s.verifier.p.kill()
        s.verifier.p.wait()
        self.assertEqual(s.plain("alice@example.org", "secret")[:2], ("fail", TRY_LATER))

    def test_unreadable_table_is_a_temporary_failure(self):
        s = Suite(self, ALICE, **{"auth.passwords": "/nonexistent/passwords"})
        self.assertEqual(s.plain("alice@example.org", "secret")[:2], ("fail", TRY_LATER))

    def test_cancelled_login_gets_no_answer(self):
        s = Suite(self, ALICE)
        ident = s.start("PLAIN", b"\0alice@example.org\0wrong")
        s.imap.send(AU_CANCEL, ident)
        self.assertEqual(s.plain("alice@example.org", "secret")[0], "ok")
        with self.assertRaises(socket.timeout):
            s.imap.receive(0.5)

    def test_a_process_has_grants_for_its_own_protocol_alone(self):
        s = Suite(self, ALICE)
        s.start("PLAIN", b"\0alice@example.org\0secret", channel=s.smtp, protocol=IMAP_P)
        with self.assertRaises((EOFError, ConnectionError)):
            s.smtp.receive()
        self.assertEqual(s.plain("alice@example.org", "secret")[0], "ok")

    def test_many_hostile_starts_end_only_their_own_channel(self):
        s = Suite(self, ALICE)
        s.smtp.send(AU_START, 1, b"\xff" * 60)
        with self.assertRaises((EOFError, ConnectionError)):
            s.smtp.receive()
        self.assertEqual(s.plain("alice@example.org", "secret")[0], "ok")


def cpu(pid):
    with open(f"/proc/{pid}/stat") as f:
        words = f.read().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


class Mechanisms(unittest.TestCase):
    def test_offered_with_and_without_tls(self):
        s = Suite(self, ALICE)
        tls, clear = s.offered[0]
        self.assertIn("PLAIN", tls)
        self.assertIn("SCRAM-SHA-256-PLUS", tls)
        self.assertEqual(clear, ["SCRAM-SHA-256", "SCRAM-SHA-1"])
        ident = s.start("CRAM-MD5", b"")
        self.assertEqual(s.result(*s.answer(ident))[1], NO_MECHANISM)

    def test_login(self):
        s = Suite(self, ALICE)
        ident = s.start("LOGIN")
        self.assertEqual(s.answer(ident)[1].body, b"Username:")
        s.imap.send(AU_RESPONSE, ident, b"alice@example.org")
        self.assertEqual(s.answer(ident)[1].body, b"Password:")
        s.imap.send(AU_RESPONSE, ident, b"secret")
        self.assertEqual(s.result(*s.answer(ident))[0], "ok")

    def scram(self, s, password, mechanism="SCRAM-SHA-256", flag="n", exporter=b"", user="alice@example.org", **kw):
        name = "sha1" if "SHA-1" in mechanism else "sha256"
        binding = kw.get("unique") if flag == "p=tls-unique" else exporter
        bare = f"n={user},r=clientnonce"
        gs2 = f"{flag},,"
        ident = s.start(mechanism, (gs2 + bare).encode(), exporter=exporter, **kw)
        kind, w = s.answer(ident)
        if kind != AU_CHALLENGE:
            return s.result(kind, w)
        first = w.body.decode()
        nonce, salt, rounds = (p[2:] for p in first.split(","))
        self.assertTrue(nonce.startswith("clientnonce") and len(nonce) > 30)
        bound = gs2.encode() + (binding if flag.startswith("p=") else b"")
        final = f"c={base64.b64encode(bound).decode()},r={nonce}"
        auth = f"{bare},{first},{final}".encode()
        salted = hashlib.pbkdf2_hmac(name, password.encode(), base64.b64decode(salt), int(rounds))
        client = hmac.digest(salted, b"Client Key", name)
        signature = hmac.digest(hashlib.new(name, client).digest(), auth, name)
        proof = bytes(a ^ b for a, b in zip(client, signature))
        s.imap.send(AU_RESPONSE, ident, f"{final},p={base64.b64encode(proof).decode()}".encode())
        kind, w = s.answer(ident)
        if kind != AU_CHALLENGE:
            return s.result(kind, w)
        server = hmac.digest(hmac.digest(salted, b"Server Key", name), auth, name)
        self.assertEqual(w.body, b"v=" + base64.b64encode(server))
        s.imap.send(AU_RESPONSE, ident, b"")
        return s.result(*s.answer(ident))

    def test_scram(self):
        s = Suite(self, ALICE)
        self.assertEqual(self.scram(s, "secret")[:2], ("ok", "alice@example.org"))
        self.assertEqual(self.scram(s, "secret", flags=0)[0], "ok")
        self.assertEqual(self.scram(s, "wrong")[:2], ("fail", BAD))
        self.assertEqual(self.scram(s, "secret", user="bob@example.org")[:2], ("fail", BAD))
        self.assertEqual(self.scram(s, "secret", mechanism="SCRAM-SHA-1")[:2], ("fail", BAD))
        s.wait_log("reason=no-scram-keys")

    def test_scram_bound_to_the_connection(self):
        s = Suite(self, ALICE)
        bound = dict(mechanism="SCRAM-SHA-256-PLUS", flag="p=tls-exporter", exporter=b"E" * 32)
        self.assertEqual(self.scram(s, "secret", **bound)[0], "ok")
        both = dict(bound, flag="p=tls-unique", unique=b"U" * 12)
        self.assertEqual(self.scram(s, "secret", **both)[0], "ok")
        ident = s.start(both["mechanism"], b"p=tls-unique,,n=alice@example.org,r=x", exporter=b"E" * 32)
        self.assertEqual(s.result(*s.answer(ident))[:2], ("fail", BAD))
        s.wait_log("reason=no-channel-binding")
        # somebody between has another TLS connection with each side
        ident = s.start("SCRAM-SHA-256", b"y,,n=alice@example.org,r=x", exporter=b"E" * 32)
        self.assertEqual(s.result(*s.answer(ident))[:2], ("fail", BAD))
        s.wait_log("reason=downgrade")
        # where we cannot bind, "y" is true
        self.assertEqual(self.scram(s, "secret", flag="y")[0], "ok")

    def test_scram_of_a_password_in_clear(self):
        s = Suite(self, "carl@example.org\t{PLAIN}pencil\n")
        for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-1"):
            self.assertEqual(self.scram(s, "pencil", mechanism=mechanism, user="carl@example.org")[0], "ok")
            self.assertEqual(self.scram(s, "pen", mechanism=mechanism, user="carl@example.org")[0], "fail")

    def test_salt_of_nobody_is_always_the_same(self):
        s = Suite(self, ALICE)
        salts = set()
        for _ in range(3):
            ident = s.start("SCRAM-SHA-256", b"n,,n=nobody@example.org,r=x")
            salts.add(s.answer(ident)[1].body.split(b",", 1)[1])
            s.imap.send(AU_CANCEL, ident)
        self.assertEqual(len(salts), 1)

    def test_external(self):
        s = Suite(self, ALICE, **{"auth.mechanisms": "EXTERNAL PLAIN"})
        ident = s.start("EXTERNAL", b"", certificate="Other@Example.org alice@example.org")
        self.assertEqual(s.result(*s.answer(ident))[1], BAD)
        ident = s.start("EXTERNAL", b"alice@example.org", certificate="other@example.org alice@example.org")
        self.assertEqual(s.result(*s.answer(ident))[:2], ("ok", "alice@example.org"))
        ident = s.start("EXTERNAL", b"alice@example.org", certificate="other@example.org")
        self.assertEqual(s.result(*s.answer(ident))[1], BAD)
        ident = s.start("EXTERNAL", b"", certificate="")
        self.assertEqual(s.result(*s.answer(ident))[1], BAD)

    @unittest.skipUnless(shutil.which("openssl"), "no openssl")
    def test_access_token(self):
        d = tempfile.mkdtemp(prefix="auth_test.", dir="/tmp")
        self.addCleanup(shutil.rmtree, d)
        key, public = os.path.join(d, "key"), os.path.join(d, "public.pem")
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", key], check=True)
        subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-out", public], check=True)

        def b64(x):
            return base64.urlsafe_b64encode(x).rstrip(b"=")

        def token(**claims):
            body = {"iss": "https://id.example", "aud": "mail", "exp": int(time.time()) + 100,
                    "email": "alice@example.org"}
            body.update(claims)
            head = b64(b'{"alg":"EdDSA"}') + b"." + b64(json.dumps(body).encode())
            name = os.path.join(d, "input")
            with open(name, "wb") as f:
                f.write(head)
            sig = subprocess.run(["openssl", "pkeyutl", "-sign", "-inkey", key, "-rawin", "-in", name],
                                 check=True, stdout=subprocess.PIPE).stdout
            return head + b"." + b64(sig)

        s = Suite(self, ALICE.strip() + "\n" + "off@example.org * disabled\n", readable=d,
                  more=f'oauth id {{ issuer = "https://id.example"; audience = mail; keys = "{public}" }}\n')
        self.assertIn("OAUTHBEARER", s.offered[0][0])

        def bearer(t, user=b"alice@example.org"):
            ident = s.start("OAUTHBEARER", b"n,a=" + user + b",\1auth=Bearer " + t + b"\1\1")
            kind, w = s.answer(ident)
            if kind == AU_CHALLENGE:
                self.assertEqual(json.loads(w.body), {"status": "invalid_token"})
                s.imap.send(AU_RESPONSE, ident, b"\1")
                kind, w = s.answer(ident)
            return s.result(kind, w)

        self.assertEqual(bearer(token())[:2], ("ok", "alice@example.org"))
        self.assertEqual(bearer(token(email="not.in.the.table@example.org"), b"not.in.the.table@example.org")[0], "ok")
        self.assertEqual(bearer(token(email="off@example.org"), b"off@example.org")[:2], ("fail", NOT_ALLOWED))
        self.assertEqual(bearer(token(), b"eve@example.org")[:2], ("fail", BAD))
        self.assertEqual(bearer(token(exp=1))[:2], ("fail", BAD))
        s.wait_log("reason=token-expired")
        self.assertEqual(bearer(token()[:-4] + b"AAAA")[:2], ("fail", BAD))
        s.wait_log("reason=bad-signature")
        ident = s.start("XOAUTH2", b"user=alice@example.org\1auth=Bearer " + token() + b"\1\1")
        self.assertEqual(s.result(*s.answer(ident))[0], "ok")


if __name__ == "__main__":
    unittest.main(verbosity=1)
