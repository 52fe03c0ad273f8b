# SPDX-License-Identifier: ISC
"""chasqui watch: what it shows of real clients' sessions, and what never."""
import base64
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import time

from harness import (CHASQUI, PATIENCE, Story, Talk, any_certificate, message, needs_program, run, wait_for)
from sink import Sink

LINE = re.compile(r"\d\d:\d\d:\d\d\.\d{3} ([a-z0-9*]+) (\d+\.\d+) (\S+) ([-<>]) (.*)")


def traces_of(secret):
    """Every form in which base64 shows a secret, wherever it begins: without what its neighbours change."""
    raw = secret.encode()
    forms = [secret]
    for before in range(3):
        text = base64.b64encode(b"\0" * before + raw + b"\0\0").decode()
        begin = [0, 2, 3][before]
        end = (before + len(raw)) * 8 // 6
        forms.append(text[begin:end])
    return forms


class Watch:
    """A running `chasqui watch` whose output goes to a file, or to a pipe that nobody reads."""

    def __init__(self, story, box, *args, read=True):
        self.path = os.path.join(story.directory("watch"), "out")
        self.errors = self.path + ".err"
        self.pipe = None if read else os.pipe()
        with open(self.path, "wb") as out, open(self.errors, "wb") as err:
            self.process = subprocess.Popen([CHASQUI, "-C", box.dir, "watch", *args], stdin=subprocess.DEVNULL,
                                            stdout=out if read else self.pipe[1], stderr=err)
        story.addCleanup(self.stop)
        wait_for(lambda: "watching" in self.said() or self.process.poll() is not None, "chasqui watch to begin")

    def said(self):
        with open(self.errors, errors="replace") as f:
            return f.read()

    def text(self):
        with open(self.path, errors="replace") as f:
            return f.read()

    def lines(self):
        """(protocol, session, peer, direction, text) of each line; all lines have that form."""
        found = []
        for line in self.text().splitlines():
            m = LINE.fullmatch(line)
            assert m, f"not a line of a dialogue: {line!r}"
            found.append(m.groups())
        return found

    def wait(self, *texts):
        """Until lines with these texts have come, in this order (each "> text" or "< text")."""
        def there():
            rest = iter(f"{d} {t}" for _, _, _, d, t in self.lines())
            return all(any(re.search(want, line) for line in rest) for want in texts)
        wait_for(there, lambda: f"the lines {texts} in\n{self.text()}")

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            self.process.wait(PATIENCE)
        for fd in self.pipe or ():
            os.close(fd)
        self.pipe = None


class Watching(Story):
    @classmethod
    def arrange(cls):
        cls.box = cls.instance(users=[u + "@example.org" for u in ("alice", "bob", "carol")], process__smtpd="2",
                               auth__fail_delay="10ms", auth__fail_delay_max="20ms",
                               auth__max_failures_client="1000", auth__max_failures_user="1000")

    def begin(self, *args, **kw):
        w = Watch(self, self.box, *args, **kw)

        def probed():
            with self.box.talk() as t:
                t.cmd("QUIT", 221)
            return "221" in w.text()
        if kw.get("read", True) and not any("protocol" in a for a in args):
            wait_for(probed, "a session to be shown")
        return w

    def no_secret(self, w):
        for form in traces_of("secret"):
            self.assertNotIn(form, w.text())

    def test_a_message_is_shown_without_its_content(self):
        w = self.begin("127.0.0.0/8")
        with self.box.talk() as t:
            t.ehlo()
            t.send(b"MAIL FROM:<a@client.example>\r\nRCPT TO:<alice@example.org>\r\nDATA\r\n")
            self.assertEqual([t.reply()[0] for _ in range(3)], [250, 250, 354])
            t.send(b"Subject: a secret\r\n\r\nRSET secret\r\n.\r\nQUIT\r\n")
            self.assertEqual([t.reply()[0] for _ in range(2)], [250, 221])
        w.wait("> EHLO client.example", "< 250-", "> MAIL FROM:<a@client.example>", "< 250 2.1.0",
               "> RCPT TO:<alice@example.org>", "> DATA", "< 354", r"> \(message content, 34 bytes\)",
               "< 250 2.0.0", "> QUIT", "< 221", "- closed")
        self.no_secret(w)

    def test_lines_for_programs(self):
        w = Watch(self, self.box, "--json", "127.0.0.1")

        def objects():
            with self.box.talk() as t:
                t.cmd('NOOP "quoted" \\', 250)
                t.cmd("QUIT", 221)
            whole = w.text().rpartition("\n")[0]       # the last line may be about to be written
            return [o for o in map(json.loads, whole.splitlines()) if o["text"].startswith("NOOP")]
        o = wait_for(objects, lambda: w.text())[0]
        self.assertEqual((o["protocol"], o["peer"], o["direction"]), ("smtp", "127.0.0.1", ">"))
        self.assertRegex(o["session"], r"^\d+\.\d+$")
        self.assertLess(abs(o["time_ms"] / 1000 - time.time()), 3600)

    def test_bytes_for_a_terminal_stay_text(self):
        w = self.begin("127.0.0.1")
        with self.box.talk() as t:
            t.cmd("NOOP \x1b]0;owned\x07\x1b[2J\x9b\u202e", 500)
            t.cmd("NOOP " + "y" * 1500, 250)
            t.send(b"\x00\xff\r\r\n")
        with self.box.talk() as t:
            t.cmd("NOOP end", 250)
        w.wait(r"> NOOP \\x1b\]0;owned\\x07\\x1b\[2J", r"> NOOP y{790,800} \.\.\. \(1505 bytes\)", "> NOOP end")
        for line in w.text().splitlines():
            self.assertRegex(line, r"\A[ -~]{1,3500}\Z")

    def test_only_the_network_and_the_protocols_that_were_asked_for(self):
        other = self.begin("192.0.2.0/24", "--protocol", "smtp")
        imap = self.begin("127.0.0.1", "--protocol", "imap,pop3")
        w = self.begin("127.0.0.1")
        with self.box.talk() as t:
            t.cmd("NOOP something", 250)
        w.wait("> NOOP something")
        self.assertEqual(other.text() + imap.text(), "")

    @needs_program("swaks")
    def test_submission_by_swaks(self):
        w = self.begin("127.0.0.1")
        for mechanism in ("PLAIN", "LOGIN"):
            for password, want in (("secret", 0), ("wrong-secret", 28)):
                p = run(["swaks", "--server", "127.0.0.1", "--port", self.box.base + 587, "--tls", "--auth", mechanism,
                         "--auth-user", "alice@example.org", "--auth-password", password,
                         "--from", "alice@example.org", "--to", "bob@example.org",
                         "--body", "the secret"])
                self.assertEqual(p.returncode, want, p.stdout + p.stderr)
        w.wait("> STARTTLS", r"< \(TLS begins\)", r"> AUTH PLAIN \(hidden", "< 235", "> DATA", r"\(message content",
               r"> AUTH PLAIN \(hidden", "< 535", "> AUTH LOGIN", r"< 334 \(challenge", r"> \(SASL response",
               r"< 334 \(challenge", r"> \(SASL response", "< 235", "< 535")
        self.no_secret(w)
        self.assertEqual({l[0] for l in w.lines()}, {"smtp", "submission"})

    @needs_program("curl")
    def test_imap_and_pop3_by_curl(self):
        self.box.send("carol@example.org", subject="the secret", body="secret\r\nA1 OK secret\r\n")
        self.box.wait_mail("carol@example.org")
        w = self.begin("127.0.0.1")
        user = ["--user", "carol@example.org:secret", "-sS", "-k"]
        for how in ("AUTH=PLAIN", "AUTH=LOGIN", "AUTH=SCRAM-SHA-256", "AUTH=SCRAM-SHA-1", "AUTH=+LOGIN", "AUTH=*"):
            for scheme, port, path in (("imaps", 993, "/INBOX/;MAILINDEX=1"), ("pop3s", 995, "/1")):
                for ir in ([], ["--sasl-ir"]):
                    p = run(["curl", *user, *ir, "--login-options", how,
                             f"{scheme}://127.0.0.1:{self.box.base + port}{path}"])
                    if p.returncode == 0:
                        self.assertIn("A1 OK secret", p.stdout)
        # Without TLS, as 127.0.0.1 may.
        run(["curl", *user, f"imap://127.0.0.1:{self.box.base + 143}/INBOX"])
        run(["curl", *user, f"pop3://127.0.0.1:{self.box.base + 110}/"])
        w.wait(r"> \S+ AUTHENTICATE PLAIN \(hidden, \d+ bytes\)", r"< \S+ OK", r"> \S+ AUTHENTICATE LOGIN",
               r"< \+ \(challenge", r"> \(SASL response, \d+ bytes\)", r"< \S+ OK",
               r"> \S+ SELECT", r"> \S+ FETCH 1 BODY\[\]", r"< \* 1 FETCH .*\{\d+\}$", r"< \(literal, \d+ bytes\)")
        w.wait(r"> AUTH PLAIN$", r"> \(SASL response", r"< \+OK", "> RETR 1", r"< \(message content, \d+ bytes\)", r"< \.")
        w.wait("- logged in without TLS")
        self.no_secret(w)

    @needs_program("openssl")
    def test_logins_by_hand_within_openssl_s_client(self):
        w = self.begin("127.0.0.1")
        name = "alice@example.org"

        def say(port, starttls, text, until):
            extra = ["-starttls", starttls] if starttls else []
            p = subprocess.Popen(["openssl", "s_client", "-quiet", "-crlf", "-connect", f"127.0.0.1:{self.box.base + port}",
                                  *extra], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            p.stdin.write(text.encode())
            p.stdin.flush()
            w.wait(until)
            p.kill()
            p.communicate()
        plain = base64.b64encode(b"\0" + name.encode() + b"\0secret").decode()
        say(993, None, f"a login {name} secret\nb NOOP\nc LOGOUT\n", r"< c OK")
        say(143, "imap", f"d login {{{len(name)}+}}\n{name} {{6+}}\nsecret\ne LOGOUT\n", r"< e OK")
        say(993, None, f"f authenticate plain\n{plain}\n", r"< f OK")
        say(993, None, f"h authenticate oauthbearer {plain}\n{plain}\n", r"SASL response")
        say(995, None, f"USER {name}\nPASS secret\nLIST 7\nQUIT\n", r"> LIST 7")
        say(995, None, f"AUTH PLAIN\n{plain}\n", r"< \+OK Logged in")
        say(587, "smtp", f"EHLO me\nAUTH PLAIN {plain}\nNOOP in\nquit\n", r"> NOOP in")
        say(587, "smtp", f"EHLO me\nAUTH XOAUTH2 {plain}\n{plain}\nNOOP out\nquit\n", r"> NOOP out")
        self.no_secret(w)
        self.assertNotIn(plain[:16], w.text())

    def test_a_session_in_idle_and_what_wakes_it(self):
        w = self.begin("127.0.0.1", "--protocol", "imap")
        i = self.box.imap(user="bob@example.org", tls=True)
        i.select()
        i.send(b"z IDLE\r\n")
        self.assertTrue(i.readline().startswith(b"+ "))
        self.box.send("bob@example.org")
        w.wait(r"> \S+ LOGIN \(hidden", r"> z IDLE", r"< \+ ", r"< \* \d+ EXISTS")
        i.send(b"DONE\r\n")
        w.wait("> DONE", "< z OK")
        self.no_secret(w)

    def test_one_who_comes_later_sees_no_secret_either(self):
        with Talk(("127.0.0.1", self.box.base + 587)) as t:
            raw = t.s
            t.ehlo()
            t.cmd("STARTTLS", 220)
            t.s = any_certificate().wrap_socket(raw)
            t.ehlo()
            t.cmd("AUTH LOGIN", 334)
            w = self.begin("127.0.0.1")
            t.cmd(base64.b64encode(b"alice@example.org").decode(), 334)
            t.cmd(base64.b64encode(b"secret").decode(), 235)
            t.cmd("NOOP now", 250)
            w.wait(r"\(not shown: it was looked at from the middle on", "< 235", "> NOOP now")
            self.no_secret(w)

    def test_a_reader_that_has_stopped_harms_nobody(self):
        w = self.begin("127.0.0.1", read=False)
        w.process.send_signal(signal.SIGSTOP)
        with self.box.talk() as t:
            t.ehlo()
            for _ in range(50):
                t.send(b"NOOP " + b"x" * 700 + b"\r\n" + b"NOOP\r\n" * 9)
                self.assertEqual([t.reply()[0] for _ in range(10)], [250] * 10)
            for _ in range(1500):
                t.cmd("NOOP " + "x" * 700, 250)
            t.cmd("QUIT", 221)
        self.box.send("bob@example.org")
        w.process.send_signal(signal.SIGCONT)
        os.close(w.pipe[1])
        self.assertEqual(b"", os.read(w.pipe[0], 0))
        with os.fdopen(w.pipe[0], "rb", closefd=True) as f:
            w.pipe = None
            while True:     # once there is room again, what was lost is told
                with self.box.talk() as t:
                    t.cmd("QUIT", 221)
                line = f.readline().decode()
                while "221" not in line and "lines lost" not in line:
                    line = f.readline().decode()
                if "lines lost" in line:
                    break
        self.assertRegex(line, r" - \d+ lines lost: the reader was too slow")

    def test_who_may_watch_and_how_many(self):
        some = [self.begin("192.0.2.1", "--protocol", "smtp") for _ in range(4)]
        p = self.box.tool("watch", "192.0.2.1")
        self.assertEqual(p.returncode, 75, p.stderr)
        self.assertIn("as many", p.stderr)
        some[0].stop()
        wait_for(lambda: "watching" in Watch(self, self.box, "192.0.2.1").said(), "a place", step=0.2)
        for args, status in ((["watch"], 64), (["watch", "mail.example.org"], 64),
                             (["watch", "--protocol", "ftp", "::1"], 64)):
            self.assertEqual(self.box.tool(*args).returncode, status)
        if os.geteuid() == 0:
            p = run(["runuser", "-u", "nobody", "--", CHASQUI, "-C", self.box.dir, "watch", "::/0"])
            self.assertIn(p.returncode, (77, 78), p.stdout + p.stderr)


class WatchingOthers(Story):
    @classmethod
    def arrange(cls):
        cls.sink = Sink()
        cls.at_end(cls.sink.stop)
        cls.box = cls.instance(relay={"elsewhere.example": f"127.0.0.1:{cls.sink.port}"})

    def test_what_is_said_to_a_next_hop(self):
        w = Watch(self, self.box, "127.0.0.1", "--protocol", "remote")
        self.box.send("far@elsewhere.example", subject="the secret", body="RSET secret\r\n")
        w.wait("> EHLO mx.example.org", "< 250", "> MAIL FROM:<sender@client.example>",
               "> RCPT TO:<far@elsewhere.example>", r"> \(message content, \d+ bytes\)", "< 250")
        self.assertNotIn("secret", w.text())
        self.assertEqual({l[0] for l in w.lines()}, {"remote"})

    def test_it_ends_with_the_suite(self):
        box = self.instance()
        w = Watch(self, box, "127.0.0.1")
        self.assertEqual(box.tool("restart").returncode, 0)
        wait_for(lambda: w.process.poll() is not None, "the watch to end with the restart")
        self.assertEqual(w.process.returncode, 75)
        self.assertIn("watch again", w.said())
        w = Watch(self, box, "127.0.0.1")
        box.stop()
        wait_for(lambda: w.process.poll() is not None, "the watch to end with the suite")
        self.assertEqual(w.process.returncode, 69)


class WatchingThroughCrashes(Story):
    @classmethod
    def arrange(cls):
        cls.box = cls.instance()

    def test_a_process_that_starts_meanwhile_is_watched_too(self):
        w = Watch(self, self.box, "127.0.0.1")
        (old,) = self.box.pids("smtpd")
        os.kill(old, signal.SIGKILL)
        wait_for(lambda: self.box.pids("smtpd") not in ([], [old]), "another smtpd")
        with self.box.talk() as t:
            t.cmd("NOOP anew", 250)
        w.wait("> NOOP anew")
