# SPDX-License-Identifier: ISC
"""From a connection to a session and back: limits, parking, crashes, restarts."""
import os
import re
import signal
import time

from harness import Story, any_certificate, descendants, message, needs_root, wait_for
from pop3 import Line


def title(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            return f.read().split(b"\0")[0].decode()
    except (FileNotFoundError, ProcessLookupError):
        return ""


class Imap(Line):
    """A conversation in IMAP: each command has the next tag."""

    def __init__(self, port, tls=False):
        super().__init__(port, tls)
        self.n = 0
        self.greeting = self.line()

    def command(self, text):
        """(what was said before, the tagged answer without its tag)"""
        self.n += 1
        tag = f"t{self.n}"
        self.s.sendall(f"{tag} {text}\r\n".encode())
        return self.answer(tag)

    def answer(self, tag):
        said = []
        while True:
            line = self.line()
            if line.startswith(tag + " "):
                return said, line[len(tag) + 1:]
            said.append(line)


class LoginStory(Story):
    keys = {}

    @classmethod
    def arrange(cls):
        cls.box = cls.instance(**cls.keys)

        def ready():
            c = Imap(cls.box.base + 143)
            c.s.close()
            return "AUTH=PLAIN" in c.greeting
        wait_for(ready, "logins to be possible")

    def imap(self, tls=False):
        c = Imap(self.box.base + (993 if tls else 143), tls)
        self.addCleanup(c.s.close)
        return c

    def sessions(self, role="imap-session"):
        return [p for p in descendants(self.box.master()) if f" {role} " in title(p) + " "]

    def logged_in(self, user="alice@example.org", tls=False):
        c = self.imap(tls)
        self.assertRegex(c.command(f"LOGIN {user} secret")[1], "^OK")
        return c


class Imap4(LoginStory):
    def test_before_the_login(self):
        c = self.imap()
        self.assertRegex(c.greeting, r"^\* OK \[CAPABILITY IMAP4rev1 .*STARTTLS.*\]")
        self.assertRegex(c.command("NOOP")[1], "^OK")
        self.assertRegex(c.command('ID ("name" "a client" "version" NIL)')[0][0], r"^\* ID ")
        self.assertRegex(c.command("SELECT INBOX")[1], "^BAD")
        self.assertRegex(c.command("LOGIN")[1], "^BAD")
        self.assertRegex(c.command("AUTHENTICATE NOTHING")[1], "^NO")
        self.assertRegex(c.command("LOGIN alice@example.org wrong")[1], r"^NO \[AUTHENTICATIONFAILED\]")
        c.s.sendall(b"l LOGIN {17}\r\n")
        self.assertRegex(c.line(), r"^\+ ")
        c.s.sendall(b"alice@example.org {6+}\r\nsecret\r\nn NOOP\r\n")
        self.assertRegex(c.answer("l")[1], r"^OK \[CAPABILITY")
        self.assertRegex(c.answer("n")[1], "^OK")

    def test_a_dialogue_can_be_cancelled(self):
        c = self.imap()
        c.s.sendall(b"a AUTHENTICATE PLAIN\r\n")
        self.assertEqual(c.line(), "+ ")
        c.s.sendall(b"*\r\n")
        self.assertRegex(c.answer("a")[1], "^BAD")
        self.assertRegex(c.command("AUTHENTICATE PLAIN AGFsaWNlQGV4YW1wbGUub3JnAHNlY3JldA==")[1], "^OK")

    def test_what_is_sent_behind_starttls_is_thrown_away(self):
        c = self.imap()
        c.s.sendall(b"a STARTTLS\r\nb NOOP\r\n")
        self.assertRegex(c.answer("a")[1], "^OK")
        self.assertEqual(c.buffer, b"")
        c.s = any_certificate().wrap_socket(c.s)
        said, answer = c.command("CAPABILITY")
        self.assertNotIn("STARTTLS", said[0])
        self.assertRegex(answer, "^OK")

    def test_too_much_input_ends_it(self):
        for hostile in (b"a LOGIN {100000}\r\n", b"a LOGIN {100000+}\r\n", b"x" * 40000,
                        b"a LOGIN {4294967295}\r\n", b"a NOOP\n", b"\n"):
            with self.subTest(hostile[:20]):
                c = self.imap()
                c.s.sendall(hostile)
                self.assertTrue(c.closed())

    def test_too_many_errors_end_it(self):
        c = self.imap()
        c.s.sendall(b"a XYZ\r\n" * 30)
        lines = []
        try:
            while True:
                lines.append(c.line())
        except EOFError:
            pass
        self.assertRegex(lines[-1], r"^\* BYE")

    def test_unauthenticate_leads_back_to_the_login(self):
        for tls in (False, True):
            c = self.logged_in(tls=tls)
            self.assertRegex(c.command("UNAUTHENTICATE")[1], "^OK")
            self.assertRegex(c.command("SELECT INBOX")[1], "^BAD")
            self.assertRegex(c.command("LOGIN bob@example.org secret")[1], "^OK")
            self.assertRegex(c.command("SELECT INBOX")[1], "^OK")

    def test_a_session_that_is_killed_is_logged_with_its_user(self):
        c = self.logged_in("bob@example.org")
        pid = next(p for p in self.sessions() if title(p).endswith("bob@example.org"))
        os.kill(pid, signal.SIGSEGV)
        self.assertRegex(c.line(), r"^\* BYE")
        self.assertTrue(c.closed())
        wait_for(lambda: re.search(rf"event=session-died role=imap-spawn login=bob@example.org child={pid} signal=SIGSEGV",
                                   self.box.log()), "the line")

    def test_sessions_outlive_their_spawn(self):
        c = self.logged_in()
        os.kill(next(p for p in self.box.pids("imapd-session") if "imap-spawn" in open(f"/proc/{p}/cmdline").read()), signal.SIGKILL)
        self.assertRegex(c.command("NOOP")[1], "^OK")

        def again():
            d = self.imap()
            return d.command("LOGIN alice@example.org secret")[1].startswith("OK")
        wait_for(again, "a new spawn to start sessions")
        self.assertRegex(c.command("SELECT INBOX")[1], "^OK")
        self.assertRegex(c.command("LOGOUT")[1], "^OK")


class Parked(LoginStory):
    keys = {"imap.park": "300ms"}

    def test_an_idle_session_has_no_process_and_hears_of_mail(self):
        for tls in (False, True):
            with self.subTest(tls=tls):
                c = self.logged_in(tls=tls)
                said, _ = c.command("SELECT INBOX")
                exists = int(next(l for l in said if l.endswith("EXISTS")).split()[1])
                c.s.sendall(b"i IDLE\r\n")
                self.assertRegex(c.line(), r"^\+ ")
                wait_for(lambda: not self.sessions(), "the session to be parked")
                other = self.box.imap("alice@example.org")
                other.append("INBOX", None, None, message(subject="news"))
                other.logout()
                wait_for(lambda: c.line().endswith(f"{exists + 1} EXISTS"), "the news", step=0)
                c.s.sendall(b"DONE\r\n")
                self.assertRegex(c.answer("i")[1], "^OK")
                self.assertRegex(c.command("LOGOUT")[1], "^OK")

    def test_a_command_brings_a_parked_session_back(self):
        c = self.logged_in("bob@example.org", tls=True)
        c.command("SELECT INBOX")
        for _ in range(3):
            wait_for(lambda: not self.sessions(), "the session to be parked")
            self.assertRegex(c.command("NOOP")[1], "^OK")
        self.assertRegex(c.command("LOGOUT")[1], "^OK")

    def test_a_parked_session_survives_its_spawn(self):
        c = self.logged_in("bob@example.org")
        c.command("SELECT INBOX")
        wait_for(lambda: not self.sessions(), "the session to be parked")
        os.kill(next(p for p in self.box.pids("imapd-session") if "imap-spawn" in open(f"/proc/{p}/cmdline").read()), signal.SIGKILL)
        self.assertRegex(c.command("NOOP")[1], "^OK")

    def test_a_delivery_is_heard_of(self):
        c = self.logged_in("bob@example.org")
        c.command("SELECT INBOX")
        c.s.sendall(b"i IDLE\r\n")
        c.line()
        wait_for(lambda: not self.sessions(), "the session to be parked")
        self.box.send("bob@example.org", subject="delivered")
        wait_for(lambda: c.line().endswith("EXISTS"), "the news", step=0)


class Limits(LoginStory):
    keys = {"imap.user_sessions": "2", "imap.max_connections": "5", "imap.login_timeout": "1s", "process.login": "1"}

    def test_sessions_of_one_user(self):
        keep = [self.logged_in(), self.logged_in()]
        c = self.imap()
        self.assertRegex(c.command("LOGIN alice@example.org secret")[1], r"^NO \[LIMIT\]")
        keep[0].command("LOGOUT")

        def again():
            return c.command("LOGIN alice@example.org secret")[1].startswith("OK")
        wait_for(again, "room for another")

    def test_connections(self):
        held = [self.imap() for _ in range(5)]
        c = self.imap()
        self.assertRegex(c.greeting, r"^\* BYE")
        self.assertTrue(c.closed())
        for h in held:
            h.s.close()
        wait_for(lambda: self.imap().greeting.startswith("* OK"), "room for another")

    def test_who_does_not_log_in_is_cut_off(self):
        c = self.imap()
        begun = time.monotonic()
        self.assertRegex(c.line(), r"^\* BYE")
        self.assertTrue(c.closed())
        self.assertLess(time.monotonic() - begun, 5)


@needs_root
class Stopping(LoginStory):
    def test_sessions_are_told_of_the_stop(self):
        a, b = self.logged_in(), self.logged_in("bob@example.org", tls=True)
        begun = time.monotonic()
        self.box.stop()
        self.assertLess(time.monotonic() - begun, 15)
        self.assertRegex(a.line(), r"^\* BYE")
        self.assertRegex(b.line(), r"^\* BYE")
