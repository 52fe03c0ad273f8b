# SPDX-License-Identifier: ISC
"""POP3 as people use it: poplib, curl, fetchmail, getmail, and byte by byte."""
import base64
import os
import poplib
import re
import socket
import ssl
import time

from harness import Story, any_certificate, getmail, needs_program, run, wait_for


class Line:
    """A connection under the story's full control."""

    def __init__(self, port, tls=False):
        self.s = socket.create_connection(("127.0.0.1", port), 20)
        if tls:
            self.s = any_certificate().wrap_socket(self.s)
        self.buffer = b""

    def line(self):
        while b"\r\n" not in self.buffer:
            data = self.s.recv(65536)
            if not data:
                raise EOFError(self.buffer)
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line.decode()

    def say(self, text):
        self.s.sendall(text.encode())
        return self.line()

    def lines(self):
        found = []
        while (line := self.line()) != ".":
            found.append(line)
        return found

    def closed(self):
        self.s.settimeout(20)
        try:
            while self.s.recv(65536):
                pass
        except ConnectionResetError:
            pass
        return True


class Pop3(Story):
    @classmethod
    def arrange(cls):
        cls.box = cls.instance(users=("alice@example.org", "bob@example.org", "carol@example.org",
                                      "dave@example.org", "erin@example.org", "frank@example.org"))

    def line(self, tls=False):
        c = Line(self.box.base + (995 if tls else 110), tls)
        self.at_end_of_test(c)
        return c

    def at_end_of_test(self, c):
        self.addCleanup(c.s.close)

    def deliver(self, user, *subjects, **kw):
        for s in subjects:
            self.box.send(user, subject=s, **kw)
        for s in subjects:
            self.box.wait_subject(user, s)

    def test_a_token_comes_with_auth_in_one_line(self):
        # Access tokens are longer than a command line of RFC 2449; Thunderbird sends them so.
        word = "x" * 900
        plain = base64.b64encode(f"\0alice@example.org\0{word}".encode()).decode()
        for command in (f"AUTH PLAIN {plain}", f"USER alice@example.org\r\nPASS {word}"):
            c = self.line(tls=True)
            c.line()
            answer = c.say(command + "\r\n")
            if "PASS" in command:
                answer = c.line()
            self.assertRegex(answer, r"^-ERR \[AUTH\]")
            self.assertEqual(c.say("NOOP\r\n"), "+OK")

    def test_a_maildrop_is_read_and_emptied(self):
        self.deliver("alice@example.org", "one", "two")
        p = self.box.pop3("alice@example.org")
        n, size = p.stat()
        self.assertEqual(n, 2)
        sizes = [int(l.split()[1]) for l in p.list()[1]]
        self.assertEqual(sum(sizes), size)
        names = [l.split()[1] for l in p.uidl()[1]]
        self.assertEqual(len(set(names)), 2)
        _, text, octets = p.retr(1)
        self.assertEqual(octets, sizes[0], "LIST tells the octets with CRLF")
        self.assertIn(b"Subject: one", text)
        self.assertIn(b"", p.top(2, 0)[1])
        p.dele(1)
        p.quit()
        p = self.box.pop3("alice@example.org")
        self.assertEqual([l.split()[1] for l in p.uidl()[1]], names[1:], "a name stays with its message")
        p.quit()

    def test_without_quit_everything_stays(self):
        self.deliver("bob@example.org", "stays")
        p = self.box.pop3("bob@example.org")
        p.dele(1)
        p.close()
        p = self.box.pop3("bob@example.org")
        self.assertEqual(p.stat()[0], 1)
        p.quit()

    def test_capabilities_and_order(self):
        c = self.line()
        c.line()
        for command in ("STAT", "LIST", "RETR 1", "QUOTA", "PASS x", "APOP a b"):
            self.assertTrue(c.say(command + "\r\n").startswith("-ERR"), command)
        self.assertTrue(c.say("CAPA\r\n").startswith("+OK"))
        capa = c.lines()
        for word in ("TOP", "UIDL", "PIPELINING", "RESP-CODES", "AUTH-RESP-CODE", "UTF8 USER", "LANG", "EXPIRE NEVER",
                     "STLS", "USER", "IMPLEMENTATION Chasqui"):
            self.assertIn(word, capa)
        self.assertTrue(any(l.startswith("SASL ") and "PLAIN" in l for l in capa), capa)

    def test_a_wrong_password_is_told_as_such_and_late(self):
        c = self.line()
        c.line()
        begun = time.monotonic()
        c.say("USER alice@example.org\r\n")
        self.assertTrue(c.say("PASS wrong\r\n").startswith("-ERR [AUTH]"))
        self.assertGreater(time.monotonic() - begun, 1)

    def test_sasl_with_and_without_an_initial_response(self):
        token = base64.b64encode(b"\0dave@example.org\0secret").decode()
        c = self.line(tls=True)
        c.line()
        self.assertTrue(c.say(f"AUTH PLAIN {token}\r\n").startswith("+OK"))
        c = self.line(tls=True)
        c.line()
        self.assertEqual(c.say("AUTH PLAIN\r\n"), "+ ")
        self.assertTrue(c.say("*\r\n").startswith("-ERR"))
        self.assertEqual(c.say("AUTH PLAIN\r\n"), "+ ")
        self.assertTrue(c.say("!!!\r\n").startswith("-ERR"))
        self.assertEqual(c.say("AUTH PLAIN\r\n"), "+ ")
        self.assertTrue(c.say(token + "\r\n").startswith("+OK"))

    def test_what_is_sent_behind_stls_is_thrown_away(self):
        c = self.line()
        c.line()
        c.s.sendall(b"STLS\r\nUSER mallory\r\nQUIT\r\n")
        self.assertTrue(c.line().startswith("+OK"))
        self.assertEqual(c.buffer, b"")
        c.s = any_certificate().wrap_socket(c.s)
        self.assertTrue(c.say("PASS x\r\n").startswith("-ERR Say USER"))

    def test_pipelined_commands_across_the_login(self):
        self.deliver("frank@example.org", "piped")
        c = self.line()
        c.s.sendall(b"USER frank@example.org\r\nPASS secret\r\nSTAT\r\nRETR 1\r\nNOOP\r\nQUIT\r\n")
        self.assertTrue(c.line().startswith("+OK"))
        self.assertEqual(c.line(), "+OK")
        self.assertTrue(c.line().startswith("+OK Logged in"))
        self.assertRegex(c.line(), r"^\+OK 1 \d+$")
        self.assertRegex(c.line(), r"^\+OK \d+ octets$")
        self.assertIn("Subject: piped", c.lines())
        self.assertEqual(c.line(), "+OK")
        self.assertTrue(c.line().startswith("+OK"))
        self.assertTrue(c.closed())

    def test_two_sessions_on_one_maildrop(self):
        self.deliver("erin@example.org", "first", "second")
        a, b = self.box.pop3("erin@example.org"), self.box.pop3("erin@example.org")
        a.dele(1)
        a.quit()
        self.assertEqual(b.stat()[0], 2, "numbers stay")
        with self.assertRaisesRegex(poplib.error_proto, "expunged"):
            b.retr(1)
        self.assertIn(b"Subject: second", b.retr(2)[1])
        b.dele(1)
        b.dele(2)
        b.quit()
        c = self.box.pop3("erin@example.org")
        self.assertEqual(c.stat()[0], 0)
        c.quit()

    def test_dots_and_line_ends_come_through(self):
        body = ".\r\n..\r\n.x\r\n\r\nend"
        self.deliver("dave@example.org", "dots", body=body + "\r\n")
        p = self.box.pop3("dave@example.org", tls=True)
        n = p.stat()[0]
        text = b"\r\n".join(p.retr(n)[1])
        self.assertTrue(text.endswith(b"\r\n\r\n" + body.encode()), text)
        p.quit()

    @needs_program("curl")
    def test_curl(self):
        self.deliver("alice@example.org", "for curl")
        for args in ([f"pop3s://127.0.0.1:{self.box.base + 995}/"],
                     ["--ssl-reqd", f"pop3://127.0.0.1:{self.box.base + 110}/"],
                     ["--login-options", "AUTH=PLAIN", f"pop3s://127.0.0.1:{self.box.base + 995}/"]):
            p = run(["curl", "-sk", "-u", "alice@example.org:secret", *args])
            self.assertEqual(p.returncode, 0, (args, p.stderr))
            self.assertRegex(p.stdout, r"^1 \d+\r?\n")
        p = run(["curl", "-sk", "-u", "alice@example.org:wrong", f"pop3s://127.0.0.1:{self.box.base + 995}/"])
        self.assertEqual(p.returncode, 67)

    @needs_program("fetchmail")
    def test_fetchmail_keeps_and_takes(self):
        self.deliver("bob@example.org", "for fetchmail")
        home = self.directory("fetchmail")
        rc = os.path.join(home, "rc")

        def fetch(*options):
            with open(rc, "w") as f:
                f.write(f'poll 127.0.0.1 service {self.box.base + 995} protocol pop3 uidl user "bob@example.org" '
                        f'password "secret" ssl sslproto "TLS1.2+" no sslcertck {" ".join(options)} '
                        f'mda "cat >>{home}/mail"\n')
            os.chmod(rc, 0o700)
            return run(["fetchmail", "-f", rc, "-i", os.path.join(home, "ids"), "--pidfile", os.path.join(home, "pid"),
                        "--nosyslog", "-v"], env={**os.environ, "FETCHMAILHOME": home, "HOME": home})

        def got():
            try:
                with open(os.path.join(home, "mail")) as f:
                    return f.read().count("Subject: for fetchmail")
            except FileNotFoundError:
                return 0
        p = fetch("keep")
        self.assertEqual((p.returncode, got()), (0, 1), p.stdout + p.stderr)
        p = fetch("keep")
        self.assertEqual((p.returncode, got()), (1, 1), "nothing is fetched twice: " + p.stdout)
        p = fetch("fetchall", "nokeep")
        self.assertEqual((p.returncode, got()), (0, 2), p.stdout + p.stderr)
        q = self.box.pop3("bob@example.org")
        self.assertEqual(q.stat()[0], 0)
        q.quit()

    @needs_program("getmail")
    def test_getmail(self):
        self.deliver("carol@example.org", "for getmail")
        home = self.directory("getmail")
        for _ in range(2):
            getmail(home, f"type = SimplePOP3SSLRetriever\nport = {self.box.base + 995}\nusername = carol@example.org\n")
        texts = []
        for d, _, files in os.walk(os.path.join(home, "Maildir")):
            for n in files:
                with open(os.path.join(d, n)) as f:
                    texts.append(f.read())
        self.assertEqual(sum("Subject: for getmail" in t for t in texts), 1, "nothing is fetched twice")

    def test_a_client_that_never_ends_a_line_is_cut_off(self):
        c = self.line()
        c.line()
        c.s.sendall(b"x" * 24000)
        self.assertTrue(c.line().startswith("-ERR"))
        self.assertTrue(c.closed())

    def test_the_log_has_a_line_for_each_connection(self):
        c = self.line()
        c.line()
        c.say("QUIT\r\n")
        wait_for(lambda: re.search(r"pop3d\[\d+\] info: event=connection client=127\.0\.0\.1 tls=no login=- .*end=quit",
                                   self.box.log()), "the line")
