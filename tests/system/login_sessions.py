# SPDX-License-Identifier: ISC
"""From a connection to a session and back: limits, parking, crashes, restarts."""
import base64
import os
import re
import signal
import time

from harness import Story, Talk, any_certificate, descendants, message, needs_root, wait_for
from imap_kills import role_of
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

    def spawn(self):
        return next(p for p in descendants(self.box.master()) if role_of(p) == "imap-spawn")

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
        os.kill(self.spawn(), signal.SIGKILL)
        self.assertRegex(c.command("NOOP")[1], "^OK")

        def again():
            try:
                return self.imap().command("LOGIN alice@example.org secret")[1].startswith("OK")
            except EOFError:    # it was handed to the one that died
                return False
        wait_for(again, "a new spawn to start sessions")
        self.assertRegex(c.command("SELECT INBOX")[1], "^OK")
        self.assertRegex(c.command("LOGOUT")[1], "^OK")


class Kept(LoginStory):
    """A process waits for the next login of the same user, and serves nobody else."""
    keys = {"imap.park": "1h", "imap.keep": "10m", "pop3.keep": "10m"}

    def setUp(self):
        """What another story has left is gone."""
        self.box.reload()
        wait_for(lambda: not self.sessions() + self.sessions("pop3-session"), "the end of all that was kept")

    def sole(self, user="alice@example.org", role="imap-session"):
        pids = [p for p in self.sessions(role) if title(p).endswith(user)]
        self.assertEqual(len(pids), 1, pids)
        return pids[0]

    def kept(self, user="alice@example.org", tls=False):
        """The process of a session that is over."""
        c = self.logged_in(user, tls)
        pid, since = self.sole(user), len(self.box.log())
        self.assertRegex(c.command("LOGOUT")[1], "^OK")
        self.assertTrue(c.closed())
        self.free(user, "logout", since)
        return pid

    def free(self, user, end, since):
        """Until master has heard that the process is free, which it does before this is logged."""
        self.box.wait_log(rf"event=connection .* login={user} .* end={end}\n", since=since)

    def ended(self, pid):
        wait_for(lambda: not os.path.exists(f"/proc/{pid}"), "the end of the process")

    def test_the_next_login_has_the_process_and_sees_what_is_new(self):
        pid = self.kept()
        for n, tls in enumerate((False, True, True, False)):
            subject = f"news {n}"
            self.box.send("alice@example.org", subject=subject)
            self.box.wait_subject("alice@example.org", subject)
            c, since = self.logged_in(tls=tls), len(self.box.log())
            self.assertEqual(self.sole(), pid)
            said, answer = c.command("SELECT INBOX")
            self.assertRegex(answer, r"^OK \[READ-WRITE\]")
            exists = int(next(l for l in said if l.endswith("EXISTS")).split()[1])
            self.assertEqual(exists, len(self.box.mail("alice@example.org")))
            self.assertRegex(c.command(f"FETCH {exists} ENVELOPE")[0][0], subject)
            # nothing was selected, enabled or saved before
            self.assertRegex(c.command("CLOSE")[1], "^OK")
            self.assertRegex(c.command(f"FETCH {exists} FLAGS")[1], "^BAD")
            if n == 2:      # also after a client that only goes away
                c.s.close()
            else:
                self.assertRegex(c.command("LOGOUT")[1], "^OK")
            self.free("alice@example.org", "closed" if n == 2 else "logout", since)

    def test_pop3_too(self):
        pids = set()
        for n, tls in enumerate((False, True, False)):
            subject, since = f"one more {n}", len(self.box.log())
            self.box.send("bob@example.org", subject=subject)
            self.box.wait_subject("bob@example.org", subject)
            p = self.box.pop3("bob@example.org", tls=tls)
            pids.add(self.sole("bob@example.org", "pop3-session"))
            self.assertEqual(p.stat()[0], len(self.box.mail("bob@example.org")))
            p.quit()
            self.free("bob@example.org", "quit", since)
        self.assertEqual(len(pids), 1, (pids, self.box.tool("status").stdout))

    def test_another_user_of_the_same_uid_has_his_own(self):
        pid = self.kept()
        c = self.logged_in("bob@example.org")
        self.assertNotEqual(self.sole("bob@example.org"), pid)
        self.assertEqual(self.sole(), pid)
        self.assertRegex(c.command("LOGOUT")[1], "^OK")

    def test_a_session_that_goes_on_leaves_the_next_a_process_of_its_own(self):
        c, d = self.logged_in(), self.logged_in()
        self.assertEqual(len(self.sessions()), len(set(self.sessions())))
        for s in (c, d):
            self.assertRegex(s.command("NOOP")[1], "^OK")
            self.assertRegex(s.command("LOGOUT")[1], "^OK")
            s.closed()

    def test_one_that_is_killed_costs_nobody_a_login(self):
        pid = self.kept("bob@example.org")
        os.kill(pid, signal.SIGKILL)
        self.box.wait_log(rf"event=session-died role=imap-spawn login=bob@example.org child={pid} signal=SIGKILL")
        c = self.logged_in("bob@example.org")
        self.assertNotEqual(self.sole("bob@example.org"), pid)
        self.assertRegex(c.command("LOGOUT")[1], "^OK")

    def test_the_password_is_asked_for_each_time(self):
        pid = self.kept("bob@example.org")
        self.box.tool("user", "passwd", "bob@example.org", stdin=b"other\n", check=True)
        c = self.imap()
        self.assertRegex(c.command("LOGIN bob@example.org secret")[1], "^NO")
        self.assertRegex(c.command("LOGIN bob@example.org other")[1], "^OK")
        self.assertEqual(self.sole("bob@example.org"), pid)
        self.assertRegex(c.command("LOGOUT")[1], "^OK")
        c.closed()
        self.box.tool("user", "passwd", "bob@example.org", stdin=b"secret\n", check=True)

    def test_a_reload_ends_it(self):
        pid = self.kept("bob@example.org")
        busy = self.logged_in()
        old = self.sole()
        self.box.reload()
        self.ended(pid)
        self.assertRegex(busy.command("NOOP")[1], "^OK")
        self.assertRegex(busy.command("LOGOUT")[1], "^OK")
        self.ended(old)

    def test_unauthenticate_leads_to_another_process(self):
        c = self.logged_in("bob@example.org")
        pid = self.sole("bob@example.org")
        self.assertRegex(c.command("UNAUTHENTICATE")[1], "^OK")
        self.ended(pid)
        self.assertRegex(c.command("LOGIN bob@example.org secret")[1], "^OK")
        self.assertRegex(c.command("LOGOUT")[1], "^OK")


class KeptUntil(LoginStory):
    """A kept process ends with the suite, and in its time."""
    keys = {"imap.keep": "10m"}

    def test_a_restart_and_a_stop_end_it(self):
        def kept():
            c = self.logged_in()
            self.assertRegex(c.command("LOGOUT")[1], "^OK")
            c.closed()
            return self.sessions()[0]
        first = kept()
        self.box.tool("restart", check=True)
        wait_for(lambda: not os.path.exists(f"/proc/{first}"), "the end of the first")
        second = kept()
        self.assertNotEqual(first, second)
        self.box.stop()
        wait_for(lambda: not os.path.exists(f"/proc/{second}"), "the end of the second")


class Parked(LoginStory):
    keys = {"imap.park": "300ms", "imap.keep": "0"}

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
        os.kill(self.spawn(), signal.SIGKILL)
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
    keys = {"imap.user_sessions": "2", "imap.max_connections": "5", "process.login": "1"}

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


class LoginTime(LoginStory):
    keys = {"imap.login_timeout": "1s"}

    def test_who_does_not_log_in_is_cut_off(self):
        c = self.imap()
        self.assertRegex(c.line(), r"^\* BYE")
        self.assertTrue(c.closed())


@needs_root
class Stopping(LoginStory):
    def test_sessions_are_told_of_the_stop(self):
        a, b = self.logged_in(), self.logged_in("bob@example.org", tls=True)
        begun = time.monotonic()
        self.box.stop()
        self.assertLess(time.monotonic() - begun, 15)
        self.assertRegex(a.line(), r"^\* BYE")
        self.assertRegex(b.line(), r"^\* BYE")


class LoggedOut(LoginStory):
    """A login that is good no more takes its connections with it."""
    keys = {"users": ("alice@example.org", "bob@example.org"), "imap__park": "200ms", "imap__keep": "0s",
            "pop3__keep": "0s"}

    def change(self, *args, stdin=b""):
        return self.box.tool("user", *args, stdin=stdin, check=True)

    def opened(self, password="secret"):
        """A session in each protocol, one in the middle of an answer, one in IDLE and parked."""
        def imap(tls=False):
            c = self.imap(tls)
            self.assertRegex(c.command(f"LOGIN alice@example.org {password}")[1], "^OK")
            self.assertRegex(c.command("SELECT INBOX")[1], "^OK")
            return c
        idle = imap(tls=True)
        idle.s.sendall(b"i IDLE\r\n")
        self.assertRegex(idle.line(), r"^\+")
        wait_for(lambda: not self.sessions(), "it to be parked")
        clear, tls, busy = imap(), imap(tls=True), imap()
        busy.s.sendall(b"".join(b"b%d FETCH 1:* BODY.PEEK[]\r\n" % n for n in range(60)))
        pop = Line(self.box.base + 110)
        self.addCleanup(pop.s.close)
        for text in ("", "USER alice@example.org\r\n", f"PASS {password}\r\n"):
            self.assertRegex(pop.say(text), r"^\+OK")
        smtp = Talk(("127.0.0.1", self.box.base + 587))
        self.addCleanup(smtp.close)
        plain = base64.b64encode(b"\0alice@example.org\0" + password.encode()).decode()
        smtp.ehlo()
        smtp.cmd("STARTTLS", 220)
        smtp.s = any_certificate().wrap_socket(smtp.s)
        smtp.ehlo()
        smtp.cmd(f"AUTH PLAIN {plain}", 235)
        smtp.cmd("MAIL FROM:<alice@example.org>", 250)
        return (clear, tls, idle), busy, pop, smtp

    def gone(self, opened):
        told, busy, pop, smtp = opened
        for c in told:
            self.assertRegex(c.line(), r"^\* BYE Your login was changed")
            self.assertTrue(c.closed())
        self.assertRegex(pop.line(), "^-ERR .*Your login was changed")
        self.assertTrue(pop.closed())
        self.assertRegex(smtp.line(), "^421 4.7.0 Your login was changed")
        self.assertTrue(smtp.closed())
        wait_for(lambda: not self.sessions() and not self.sessions("pop3-session"),
                 "the sessions to end, also of who does not read")
        self.assertTrue(busy.closed())

    def test_by_each_change(self):
        c = self.imap()
        self.assertRegex(c.command("LOGIN alice@example.org secret")[1], "^OK")
        text = b"Subject: large\r\n\r\n" + b"a line of some length\r\n" * 40000
        c.s.sendall(b"x APPEND INBOX {%d+}\r\n" % len(text) + text + b"\r\n")
        self.assertRegex(c.answer("x")[1], "^OK")
        c.command("LOGOUT")
        password = "secret"
        for change in (("passwd", b"another\n", "another"), ("disable", b"", "another"),
                       ("logout", b"", "another"), ("del", b"", None)):
            with self.subTest(change[0]):
                opened = self.opened(password)
                others = self.logged_in("bob@example.org")
                self.change(change[0], "alice@example.org", stdin=change[1])
                self.gone(opened)
                self.assertRegex(others.command("NOOP")[1], "^OK")
                others.command("LOGOUT")
                others.closed()
                password = change[2]
                if change[0] == "disable":
                    self.change("enable", "alice@example.org")
        c = self.imap()
        self.assertRegex(c.command("LOGIN alice@example.org another")[1], "^NO")
        self.change("add", "alice@example.org", stdin=b"secret\n")

    def test_by_an_app_password_that_is_revoked(self):
        app = self.change("app-password", "add", "bob@example.org", "phone").stdout.strip()
        self.change("app-password", "add", "bob@example.org", "desk")
        c = self.imap()
        self.assertRegex(c.command(f"LOGIN bob@example.org {app}")[1], "^OK")
        self.change("app-password", "revoke", "bob@example.org", "phone")
        self.assertRegex(c.line(), r"^\* BYE Your login was changed")
        c = self.imap()
        self.assertRegex(c.command(f"LOGIN bob@example.org {app}")[1], "^NO")

    def test_also_at_the_suite_before(self):
        c = self.logged_in("bob@example.org")
        self.box.tool("restart", check=True)
        self.assertRegex(c.command("NOOP")[1], "^OK")
        self.change("logout", "BOB@example.org")
        self.assertRegex(c.line(), r"^\* BYE Your login was changed")
