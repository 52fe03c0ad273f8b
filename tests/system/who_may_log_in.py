# SPDX-License-Identifier: ISC
"""Who may log in, by what mechanism, and what follows a failure."""
import base64
import hashlib
import hmac
import imaplib
import os
import poplib
import re
import signal
import socket
import ssl
import subprocess
import time

from harness import CHASQUI, PATIENCE, Story, Talk, any_certificate, needs_program, run, wait_for


def tls():
    # the certificate of an instance is its own
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Logins(Story):
    @classmethod
    def arrange(cls):
        cls.box = cls.instance(auth__fail_delay="100ms", auth__fail_delay_max="200ms",
                               auth__max_failures_client="1000", auth__max_failures_network="1000",
                               auth__max_failures_user="1000")

    def imap(self, user, password):
        """None, or why not."""
        m = imaplib.IMAP4_SSL("127.0.0.1", self.box.base + 993, ssl_context=tls(), timeout=30)
        try:
            m.login(user, password)
            m.logout()
        except imaplib.IMAP4.error as e:
            m.shutdown()
            return str(e)
        return None

    def pop3(self, user, password):
        p = poplib.POP3_SSL("127.0.0.1", self.box.base + 995, timeout=30, context=tls())
        try:
            p.user(user)
            p.pass_(password)
            p.quit()
        except poplib.error_proto as e:
            p.close()
            return str(e)
        return None

    def user(self, *args, stdin=None, status=0):
        p = run([CHASQUI, "-C", self.box.dir, "user", *args], stdin=stdin)
        self.assertEqual(p.returncode, status, p.stdout + p.stderr)
        return p.stdout

    def test_right_and_wrong(self):
        self.assertIsNone(self.imap("alice@example.org", "secret"))
        self.assertIsNone(self.imap("Alice@Example.org", "secret"))
        self.assertIsNone(self.pop3("alice@example.org", "secret"))
        for login, password in (("alice@example.org", "Secret"), ("alice@example.org", "secret "),
                                ("nobody@example.org", "secret"), ("alice", "secret"), ("alice+x@example.org", "secret")):
            with self.subTest(login=login, password=password):
                self.assertIn("AUTHENTICATIONFAILED", self.imap(login, password))
                self.assertIn("[AUTH]", self.pop3(login, password))
        self.box.wait_log(r"event=login-failed client=127\.0\.0\.1 protocol=imap login=nobody@example\.org "
                          r"mechanism=PLAIN tls=yes reason=unknown-user")
        self.box.wait_log(r"event=login client=127\.0\.0\.1 protocol=pop3 login=alice@example\.org mechanism=PLAIN tls=yes")

    def test_accounts_change_while_it_runs(self):
        who = "carol@example.org"
        with open(self.box.path("tables", "mailboxes"), "a") as f:
            f.write(who + "\n")
        wait_for(lambda: "accepted" in self.box.tool("explain", who).stdout, "the mailbox to be known")
        self.assertIn("AUTHENTICATIONFAILED", self.imap(who, "first"))
        self.user("add", who, stdin=b"first\n")
        self.assertIsNone(self.imap(who, "first"))
        self.user("add", who, stdin=b"other\n", status=73)
        self.user("passwd", who, stdin=b"second\n")
        self.assertIsNotNone(self.imap(who, "first"))
        self.assertIsNone(self.imap(who, "second"))
        self.user("disable", who)
        self.assertIn("AUTHORIZATIONFAILED", self.imap(who, "second"))
        self.user("enable", who)
        self.assertIsNone(self.imap(who, "second"))
        self.user("del", who)
        self.assertIsNotNone(self.imap(who, "second"))
        self.user("passwd", who, stdin=b"x\n", status=1)

    def test_a_password_that_could_not_be_used_is_refused(self):
        for stdin in (b"a\0b\n", b"a\rb\n", b"\n"):
            self.user("add", "fay@example.org", stdin=stdin, status=65)
        for stored in ("word", "{SSHA}bogus", "$6$abc$def", "{NONE}x"):
            self.user("add", "fay@example.org", "--stored", stored, status=65)

    def test_app_passwords(self):
        password = self.user("app-password", "add", "bob@example.org", "phone", "--protocols", "imap").strip()
        self.assertRegex(password, r"^[a-z0-9]{5}(-[a-z0-9]{5}){3}$")
        with open(self.box.path("auth", "passwords")) as f:
            self.assertNotIn(password, f.read())
        self.assertIsNone(self.imap("bob@example.org", password))
        self.assertIn("[AUTH]", self.pop3("bob@example.org", password))
        self.assertIsNone(self.pop3("bob@example.org", "secret"))
        self.box.wait_log(r"event=login .*login=bob@example\.org .*app=phone")
        self.assertIn("phone", self.user("app-password", "list", "bob@example.org"))
        self.user("app-password", "revoke", "bob@example.org", "phone")
        self.assertIsNotNone(self.imap("bob@example.org", password))
        self.user("app-password", "revoke", "bob@example.org", "phone", status=1)

    def test_broken_line_concerns_only_itself(self):
        path = self.box.path("auth", "passwords")
        with open(path, "a") as f:
            f.write("dora@example.org\n\x01\x02\n")
        self.assertIsNone(self.imap("alice@example.org", "secret"))
        self.box.wait_log(r'event=passwords-bad-line .*reason="no password')

    def test_passwords_are_readable_for_nobody_else(self):
        st = os.stat(self.box.path("auth", "passwords"))
        self.assertEqual(st.st_mode & 0o137, 0)
        self.user("add", "mode@example.org", stdin=b"x\n")
        after = os.stat(self.box.path("auth", "passwords"))
        self.assertEqual((after.st_uid, after.st_gid, after.st_mode), (st.st_uid, st.st_gid, st.st_mode))

    def test_killed_processes_come_back(self):
        for pid in self.box.pids("auth"):
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: self.try_login() is None, "logins to work again")

    def try_login(self):
        try:
            return self.imap("alice@example.org", "secret")
        except (OSError, imaplib.IMAP4.error) as e:
            return str(e)

    def test_failure_is_held_back(self):
        begun = time.monotonic()
        self.imap("alice@example.org", "held")
        self.assertGreater(time.monotonic() - begun, 0.1)

    @needs_program("gsasl")
    def scram_bound(self, context, mechanism, session=None):
        """A login over TLS 1.2 that is bound by tls-unique: the TLS session, and whether it was resumed."""
        name = "sha1" if "SHA-1" in mechanism else "sha256"
        with socket.create_connection(("127.0.0.1", self.box.base + 993), PATIENCE) as s, \
                context.wrap_socket(s, session=session) as tls, tls.makefile("rb") as f:
            f.readline()
            gs2, bare = "p=tls-unique,,", "n=alice@example.org,r=mine"
            tls.sendall(f"a AUTHENTICATE {mechanism} {base64.b64encode((gs2 + bare).encode()).decode()}\r\n".encode())
            first = base64.b64decode(f.readline()[2:]).decode()
            nonce, salt, rounds = (p[2:] for p in first.split(","))
            bound = base64.b64encode(gs2.encode() + tls.get_channel_binding("tls-unique")).decode()
            final = f"c={bound},r={nonce}"
            text = f"{bare},{first},{final}".encode()
            salted = hashlib.pbkdf2_hmac(name, b"secret", base64.b64decode(salt), int(rounds))
            key = hmac.digest(salted, b"Client Key", name)
            signature = hmac.digest(hashlib.new(name, key).digest(), text, name)
            proof = base64.b64encode(bytes(a ^ b for a, b in zip(key, signature))).decode()
            tls.sendall(base64.b64encode(f"{final},p={proof}".encode()) + b"\r\n")
            self.assertTrue(f.readline().startswith(b"+ "))
            tls.sendall(b"\r\n")
            self.assertTrue(f.readline().startswith(b"a OK"))
            return tls.session, tls.session_reused

    def test_bound_to_a_connection_of_tls_1_2(self):
        context = tls()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        for mechanism in ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS"):
            session, _ = self.scram_bound(context, mechanism)
            self.assertTrue(self.scram_bound(context, mechanism, session)[1], "the session was not resumed")

    def test_mechanisms_with_another_implementation(self):
        for mechanism, starttls in (("SCRAM-SHA-256-PLUS", True), ("SCRAM-SHA-256", False), ("SCRAM-SHA-1", False), ("PLAIN", True),
                                    ("LOGIN", True)):
            for password, good in (("secret", True), ("wrong", False)):
                with self.subTest(mechanism=mechanism, password=password):
                    p = subprocess.run(["gsasl", "--imap", f"--connect=127.0.0.1:{self.box.base + 143}", "-m", mechanism,
                                        "-a", "alice@example.org", "-p", password,
                                        "--starttls" if starttls else "--no-starttls", "--x509-ca-file="],
                                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
                    said = p.stdout.decode()
                    self.assertEqual(bool(re.search(r"^\. OK .*Logged in", said, re.M)), good, said)
        self.box.wait_log(r"event=login .*mechanism=SCRAM-SHA-256-PLUS tls=yes")


class Limits(Story):
    @classmethod
    def arrange(cls):
        cls.box = cls.instance(auth__fail_delay="10ms", auth__fail_delay_max="20ms", auth__max_failures_client="4")

    def test_client_that_guesses_is_asked_to_try_later(self):
        said = []
        for i in range(6):
            m = imaplib.IMAP4("127.0.0.1", self.box.base + 143, timeout=30)
            try:
                m.login("alice@example.org", f"guess {i}")
            except imaplib.IMAP4.error as e:
                said.append(str(e))
            m.shutdown()
        self.assertIn("AUTHENTICATIONFAILED", said[0])
        self.assertIn("UNAVAILABLE", said[-1])
        self.box.wait_log("reason=client-limit")


class DomainInEitherForm(Story):
    """A login's domain may be typed in Unicode or in ASCII, whichever its account has."""
    U, A = "b\u00fccher.example", "xn--bcher-kva.example"

    @classmethod
    def arrange(cls):
        cls.box = cls.instance(domains=(cls.A,), users=(f"ann@{cls.A}",))
        cls.box.tool("user", "add", f"ben@{cls.U}", "--mailbox", stdin=b"secret\n", check=True)
        wait_for(lambda: cls.box.tool("explain", f"ben@{cls.A}").returncode == 0, "ben's mailbox")

    def forms(self, user):
        return [f"{user}@{d}" for d in (self.U, self.A, self.U.upper(), self.A.upper())]

    def imap(self, mechanism, answer):
        i = imaplib.IMAP4_SSL("127.0.0.1", self.box.base + 993, ssl_context=any_certificate())
        self.addCleanup(i.shutdown)
        return i.authenticate(mechanism, answer)

    def test_passwords(self):
        for login in self.forms("ann") + self.forms("ben"):
            with self.subTest(login):
                self.imap("PLAIN", lambda _, login=login: b"\0" + login.encode() + b"\0secret")
                said = iter((login.encode(), b"secret"))
                self.imap("LOGIN", lambda _: next(said))
        with self.assertRaises(imaplib.IMAP4.error):
            self.imap("PLAIN", lambda _: f"\0ben@{self.A}\0wrong".encode())

    def test_scram(self):
        for login in self.forms("ann") + self.forms("ben"):
            with self.subTest(login):
                self.imap("SCRAM-SHA-256", Scram(login, "secret"))

    def test_senders(self):
        for login in self.forms("ben"):
            for sender in self.forms("ben"):
                with self.subTest(login=login, sender=sender):
                    t = Talk(("127.0.0.1", self.box.base + 587))
                    self.addCleanup(t.close)
                    t.ehlo()
                    t.cmd("STARTTLS", 220)
                    t.s = any_certificate().wrap_socket(t.s)
                    t.ehlo()
                    plain = b"\0" + login.encode() + b"\0secret"
                    t.cmd("AUTH PLAIN " + base64.b64encode(plain).decode(), 235)
                    t.cmd(f"MAIL FROM:<{sender}> SMTPUTF8", 250)
                    t.cmd("RSET", 250)
                    t.cmd(f"MAIL FROM:<ann@{self.A}>", 553)

    def test_keys_that_are_missing_show_in_the_list(self):
        path = self.box.path("auth", "passwords")

        def listed():
            return re.search(rf"(?m)^ann@{self.A} .*? (scram\S*) ", self.box.tool("user", "list", check=True).stdout)[1]
        self.assertEqual(listed(), "scram")
        with open(path) as f:
            old = re.sub(r"[ \t]scram-sha-1=\S+", "", f.read())
        with open(path, "w") as f:
            f.write(old)
        self.assertEqual(listed(), "scram-sha-256")
        self.box.tool("user", "passwd", f"ann@{self.U}", stdin=b"secret\n", check=True)
        self.assertEqual(listed(), "scram")

    def test_tools(self):
        for login in self.forms("ben"):
            self.assertNotEqual(self.box.tool("user", "add", login, stdin=b"x\n").returncode, 0)
            app = self.box.tool("user", "app-password", "add", login, "phone", check=True).stdout.strip()
            i = imaplib.IMAP4("127.0.0.1", self.box.base + 143)
            i.login(f"ben@{self.A}", app)
            self.box.tool("user", "app-password", "revoke", login, "phone", check=True)
            self.assertIn(b"Your login was changed", i.readline())
            i.shutdown()


class Scram:
    """A client of SCRAM-SHA-256 for imaplib."""

    def __init__(self, login, password):
        self.password, self.turn = password.encode(), 0
        self.bare = b"n=" + login.encode() + b",r=abcdefghijkl"

    def __call__(self, challenge):
        self.turn += 1
        if self.turn == 1:
            return b"n,," + self.bare
        if self.turn == 3:
            return b""
        said = dict(p.split(b"=", 1) for p in challenge.split(b","))
        salted = hashlib.pbkdf2_hmac("sha256", self.password, base64.b64decode(said[b"s"]), int(said[b"i"]))
        key = hmac.digest(salted, b"Client Key", "sha256")
        final = b"c=biws,r=" + said[b"r"]
        signature = hmac.digest(hashlib.sha256(key).digest(), self.bare + b"," + challenge + b"," + final, "sha256")
        return final + b",p=" + base64.b64encode(bytes(a ^ b for a, b in zip(key, signature)))
