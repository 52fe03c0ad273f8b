# SPDX-License-Identifier: ISC
"""IMAP as people use it: curl, imaplib, mbsync, mutt, neomutt, getmail, fetchmail, openssl, and byte by byte."""
import contextlib
import imaplib
import mailbox
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import threading
import time

from harness import PATIENCE, Story, getmail, message, needs_program, parse, run, wait_for
from imaptalk import ImapTalk, pairs, subjects, wait_subjects
from login_sessions import title

OPENSSL = "openssl"


def on_a_terminal(argv, env=None, timeout=None):
    """Runs a program that wants a screen; (status, what it drew)."""
    master, slave = pty.openpty()
    p = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
                         env={**os.environ, "TERM": "xterm", "LINES": "24", "COLUMNS": "80", "LC_ALL": "C.UTF-8",
                              **(env or {})})
    os.close(slave)
    drawn, end = b"", time.monotonic() + (timeout or PATIENCE)
    try:
        while p.poll() is None:
            if time.monotonic() > end:
                os.killpg(p.pid, signal.SIGKILL)
                p.wait()
                raise AssertionError(f"{argv[0]} did not end; it drew {drawn[-3000:]!r}")
            if select.select([master], [], [], 0.05)[0]:
                with contextlib.suppress(OSError):
                    drawn += os.read(master, 65536)
    finally:
        os.close(master)
    return p.returncode, drawn


class ImapStory(Story):
    users = ("alice@example.org", "bob@example.org")
    keys = {}

    @classmethod
    def arrange(cls):
        cls.box = cls.instance(users=cls.users, **cls.keys)

    def talk(self, user="alice@example.org", tls=False, **kw):
        t = ImapTalk.to(self.box, user, tls, **kw)
        self.addCleanup(t.close)
        return t

    def deliver(self, user, *names, **kw):
        for s in names:
            self.box.send(user, subject=s, **kw)
        for s in names:
            self.box.wait_subject(user, s)

    def certificate(self):
        """The instance's own certificate, for clients that insist."""
        path = os.path.join(self.directory("certificate"), "server.pem")
        p = run([OPENSSL, "s_client", "-connect", f"127.0.0.1:{self.box.base + 993}", "-showcerts"], stdin=b"")
        pem = re.search(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", p.stdout, re.S)
        self.assertTrue(pem, p.stdout + p.stderr)
        with open(path, "w") as f:
            f.write(pem.group())
        os.chmod(path, 0o644)
        return path


@needs_program("curl")
class Curl(ImapStory):
    def curl(self, path="", *args, port=993, scheme="imaps", user="alice@example.org:secret", status=0, stdin=None):
        p = run(["curl", "-sSk", "-u", user, *args, f"{scheme}://127.0.0.1:{self.box.base + port}/{path}"], stdin=stdin)
        self.assertEqual(p.returncode, status, p.stdout + p.stderr)
        return p.stdout

    def test_lists_reads_searches_appends_and_flags(self):
        self.deliver("alice@example.org", "for curl", "other")
        self.assertRegex(self.curl(), r'(?m)^\* LIST \(.*\) ".?" "?INBOX"?')
        self.assertRegex(self.curl("INBOX?SUBJECT%20curl"), r"^\* SEARCH 1\r?\n$")
        text = self.curl("INBOX;MAILINDEX=1")
        self.assertIn("Subject: for curl", text)
        self.assertEqual(text, self.curl("INBOX;UID=1"))
        self.assertRegex(self.curl("INBOX;UID=1;SECTION=HEADER.FIELDS%20(SUBJECT)"), r"^Subject: for curl\s*$")
        path = os.path.join(self.directory("curl"), "draft")
        with open(path, "wb") as f:
            f.write(message(subject="a draft by curl"))
        self.curl("Drafts", "-T", path)
        self.assertIn("a draft by curl", self.curl("Drafts;UID=1"))
        self.assertIn("\\Flagged", self.curl("INBOX", "-X", "STORE 2 +FLAGS \\Flagged"))
        self.assertIn("\\Flagged", self.curl("INBOX", "-X", "FETCH 2 FLAGS"))

    def test_ways_to_log_in(self):
        for auth in ["PLAIN", "LOGIN"] + ["SCRAM-SHA-256"] * ("gsasl" in run(["curl", "-V"]).stdout):
            with self.subTest(auth):
                self.curl("", "--login-options", "AUTH=" + auth)
        self.curl("", "--ssl-reqd", scheme="imap", port=143)
        self.curl("", user="alice@example.org:wrong", status=67)


class Imaplib(ImapStory):
    """The command set through another's implementation."""

    def setUp(self):
        self.m = self.box.imap("alice@example.org", tls=True)
        self.addCleanup(self.m.shutdown)

    def ok(self, answer):
        self.assertEqual(answer[0], "OK", answer)
        return answer[1]

    def fresh(self, name):
        """A new mailbox, selected."""
        self.ok(self.m.create(name))
        self.ok(self.m.select(name))

    def append(self, name, *names, flags=None):
        for s in names:
            self.ok(self.m.append(name, flags, imaplib.Time2Internaldate(1700000000), message(subject=s)))

    def test_append_fetch_store_expunge(self):
        self.fresh("work")
        self.append("work", "one", "two", "three", flags="(\\Seen $Label1)")
        self.ok(self.m.noop())
        data = self.ok(self.m.fetch("1:3", "(UID FLAGS INTERNALDATE RFC822.SIZE)"))
        self.assertEqual(len(data), 3)
        self.assertIn(b"$Label1", data[0])
        self.assertEqual(time.mktime(imaplib.Internaldate2tuple(data[0])), 1700000000)
        size = int(re.search(rb"RFC822.SIZE (\d+)", data[0]).group(1))
        raw = self.ok(self.m.fetch("1", "(BODY.PEEK[])"))[0][1]
        self.assertEqual((raw, size), (message(subject="one"), len(raw)))
        self.assertEqual(self.ok(self.m.fetch("1", "(RFC822.HEADER)"))[0][1], raw.split(b"\r\n\r\n")[0] + b"\r\n\r\n")
        self.assertIn(b"\\Deleted", self.ok(self.m.store("2", "+FLAGS", "(\\Deleted)"))[0])
        self.assertEqual(self.ok(self.m.store("1", "FLAGS.SILENT", "()")), [None])
        self.assertEqual(self.ok(self.m.expunge()), [b"2"])
        self.assertEqual(self.ok(self.m.search(None, "UNSEEN")), [b"1"])
        self.assertEqual(self.ok(self.m.uid("SEARCH", "ALL")), [b"1 3"])
        self.assertEqual(self.ok(self.m.uid("STORE", "3", "+FLAGS", "\\Deleted"))[0].split()[0], b"2")
        self.ok(self.m.close())
        self.assertEqual(self.ok(self.m.select("work")), [b"1"])

    def test_nul_is_sent_within_a_literal8_only(self):
        with self.box.imap() as i:
            i.create("Binary")
            i.select("Binary")
            i.send(b"x1 APPEND Binary ~{54+}\r\nContent-Transfer-Encoding: binary\r\nSubject: b\r\n\r\na\0b\r\n\r\n")
            wait_for(lambda: i.readline().startswith(b"x1 OK"), "the APPEND")
            i.noop()
            i.send(b"x2 FETCH 1 (BODY.PEEK[TEXT] BINARY.PEEK[1] RFC822.SIZE)\r\n")
            answer = b""
            while b"x2 OK" not in answer:
                answer += i.readline()
            self.assertIn(b"BODY[TEXT] {5}\r\na\x80b\r\n BINARY[1] ~{5}\r\na\0b\r\n", answer)

    def test_inbox_in_any_case_of_letters(self):
        with self.box.imap() as i:
            i.create("inBox/below")
            names = [n.split(b" ")[-1] for n in i.list()[1]]
            self.assertEqual([n for n in names if n.upper().startswith(b"INBOX")], [b"INBOX", b"INBOX/below"])
            self.assertEqual(i.select("Inbox/below")[0], "OK")

    def test_copy_and_move(self):
        self.ok(self.m.create("there"))
        self.fresh("here")
        self.append("here", "one", "two", "three")
        self.ok(self.m.noop())
        self.ok(self.m.copy("1,3", "there"))
        self.assertRegex(self.m.response("COPYUID")[1][0], rb"^\d+ 1,3 1:2$")
        typ, data = self.m.uid("MOVE", "2", "there")
        self.assertEqual(typ, "OK")
        self.assertEqual(self.ok(self.m.search(None, "ALL")), [b"1 2"])
        self.ok(self.m.select("there"))
        self.assertEqual(self.ok(self.m.uid("SEARCH", "ALL")), [b"1 2 3"])
        typ, data = self.m.copy("1", "nowhere")
        self.assertEqual(typ, "NO")
        self.assertIn(b"TRYCREATE", data[0])

    def test_search_in_a_charset(self):
        self.fresh("words")
        self.ok(self.m.append("words", None, None,
                              b"From: x@example.net\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
                              b"Content-Type: text/plain; charset=iso-8859-1\r\n\r\nB\xe4ume\r\n"))
        self.append("words", "plain")
        self.ok(self.m.noop())
        for charset, key, word, found in (("UTF-8", "SUBJECT", "GR\u00dc", b"1"), ("UTF-8", "BODY", "b\u00e4UME", b"1"),
                                          ("ISO-8859-1", "SUBJECT", "gr\u00fc", b"1"), ("UTF-8", "TEXT", "B\u00e4che", b"")):
            with self.subTest(word=word, charset=charset):
                self.m.literal = word.encode(charset)
                self.assertEqual(self.ok(self.m.search(charset, key)), [found])
        self.m.literal = b"x"
        typ, data = self.m.uid("SEARCH", "CHARSET", "NO-SUCH", "TEXT")
        self.assertEqual(typ, "NO")
        self.assertIn(b"BADCHARSET", data[0])
        self.assertEqual(self.ok(self.m.uid("SORT", "(ARRIVAL)", "UTF-8", "ALL")), [b"2 1"])
        self.assertEqual(self.ok(self.m.thread("REFERENCES", "UTF-8", "ALL"))[0].count(b"("), 2)

    def test_mailboxes(self):
        m = self.m
        self.ok(m.create("a"))
        self.ok(m.create(f"a{self.delimiter()}b"))
        self.ok(m.create('"Entw&APw-rfe 2"'))
        self.ok(m.subscribe("a"))
        self.assertRegex(self.ok(m.list('""', '"a*"'))[0], rb'\\HasChildren.* "?a"?$')
        self.assertRegex(self.ok(m.lsub('""', '"*"'))[-1] or b"", rb"a")
        self.ok(m.rename("a", "renamed"))
        names = b"\n".join(self.ok(m.list('""', '"*"')))
        self.assertRegex(names, rb'(?m) "?renamed.b"?$')
        self.assertNotRegex(names, rb'(?m) "?a"?$')
        self.assertIn(b"Entw&APw-rfe 2", names)
        self.ok(m.delete(f"renamed{self.delimiter()}b"))
        self.ok(m.delete("renamed"))
        self.ok(m.unsubscribe("a"))
        self.assertEqual(m.create("INBOX")[0], "NO")
        self.assertEqual(m.delete("INBOX")[0], "NO")
        self.assertEqual(m.delete("nowhere")[0], "NO")
        self.assertEqual(m.select("nowhere")[0], "NO")

    def delimiter(self):
        return re.search(rb'\) "(.)" ', self.ok(self.m.list('""', '""'))[0]).group(1).decode()

    def test_status_quota_metadata_and_the_rest(self):
        m = self.m
        self.ok(m.create("counted"))
        self.append("counted", "one", "two")
        line = self.ok(m.status("counted", "(MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN SIZE HIGHESTMODSEQ)"))[0]
        for part in (b"MESSAGES 2", b"UIDNEXT 3", b"UNSEEN 2", b"SIZE %d" % sum(len(message(subject=s)) for s in ("one", "two"))):
            self.assertIn(part, line)
        roots, quotas = self.ok(m.getquotaroot("INBOX"))
        self.assertTrue(roots)
        self.ok(m.namespace())
        imaplib.Commands.update({n: ("AUTH", "SELECTED") for n in ("SETMETADATA", "GETMETADATA")})
        self.ok(m._simple_command("SETMETADATA", "counted", '(/private/comment "mine")'))
        self.ok(m._simple_command("GETMETADATA", "counted", "/private/comment"))
        self.assertIn(b"mine", m.response("METADATA")[1][0])
        self.ok(m.enable("UTF8=ACCEPT"))
        self.ok(m.select("counted", readonly=True))
        self.assertEqual(m.store("1", "+FLAGS", "\\Seen")[0], "NO")
        self.ok(m.unselect())
        self.ok(m.noop())

    def test_partial_fetch_and_sets(self):
        self.fresh("parts")
        self.append("parts", *[f"n{i}" for i in range(10)])
        self.ok(self.m.noop())
        self.assertEqual(self.ok(self.m.fetch("1", "(BODY.PEEK[]<0.4>)"))[0][1], b"From")
        self.assertEqual(len(self.ok(self.m.fetch("2,4:6,*", "(UID)"))), 5)
        self.assertEqual(self.ok(self.m.uid("FETCH", "100:200", "(FLAGS)")), [None])


class Raw(ImapStory):
    """What imaplib has no words for."""

    def test_condstore_and_qresync(self):
        t = self.talk()
        t.ok("CREATE q")
        for i in range(5):
            t.ok("APPEND q ", message(subject=f"n{i}"))
        a = t.ok("SELECT q (CONDSTORE)")
        modseq, validity = int(a.codes()["HIGHESTMODSEQ"][0]), int(a.codes()["UIDVALIDITY"][0])
        u = self.talk()
        u.ok("SELECT q")
        u.ok("UID STORE 2 +FLAGS.SILENT (\\Flagged)")
        u.ok("UID STORE 4 +FLAGS.SILENT (\\Deleted)")
        u.ok("UID EXPUNGE 4")
        a = t.ok("FETCH 1:* (FLAGS) (CHANGEDSINCE %d)" % modseq)
        self.assertIn(2, a.fetched())
        self.assertNotIn(1, a.fetched())
        self.assertGreater(int(a.fetched()[2]["MODSEQ"][0]), modseq)
        a = t.cmd("UID STORE 1:2 (UNCHANGEDSINCE %d) +FLAGS.SILENT (\\Seen)" % modseq)
        self.assertEqual(a.code, ["MODIFIED", "2"])
        r = self.talk()
        self.assertEqual(r.ok("ENABLE QRESYNC").one("ENABLED"), ["QRESYNC"])
        a = r.ok(f"SELECT q (QRESYNC ({validity} {modseq}))")
        self.assertEqual(a.one("VANISHED"), [["EARLIER"], "4"])
        self.assertEqual(set(a.by_uid()), {1, 2})
        self.assertIn("\\Flagged", a.by_uid()[2]["FLAGS"])
        u.ok("UID STORE 5 +FLAGS.SILENT (\\Deleted)")
        u.ok("EXPUNGE")
        a = r.ok("NOOP")
        self.assertEqual(a.all("VANISHED"), [["5"]])
        self.assertEqual(a.all("EXPUNGE"), [])

    def test_idle_hears_deliveries_flags_and_expunges(self):
        for tls in (False, True):
            with self.subTest(tls=tls):
                t, other = self.talk("bob@example.org", tls), self.talk("bob@example.org")
                n = int(t.ok("SELECT INBOX").one("EXISTS")[0])
                other.ok("SELECT INBOX")
                tag = t.idle()
                self.box.send("bob@example.org", subject="heard")
                t.hear_exists(n + 1)
                other.ok("NOOP")
                other.ok(f"STORE {n + 1} +FLAGS (\\Flagged)")
                t.hear(lambda r: r[1:2] == ["FETCH"] and "\\Flagged" in pairs(r[2]).get("FLAGS", []))
                other.ok(f"STORE {n + 1} +FLAGS.SILENT (\\Deleted)")
                other.ok("EXPUNGE")
                t.hear(lambda r: r[1:2] == ["EXPUNGE"] and int(r[0]) == n + 1)
                self.assertEqual(t.done(tag).status, "OK")
                t.logout()

    def test_notify_hears_of_mailboxes_and_of_their_mail(self):
        for tls in (False, True):
            with self.subTest(tls=tls):
                t, other = self.talk("bob@example.org", tls), self.talk("bob@example.org")
                name = f"Heard{tls}"
                t.ok("NOTIFY SET (selected (MessageNew (UID) MessageExpunge)) "
                     "(personal (MessageNew MessageExpunge MailboxName SubscriptionChange MailboxMetadataChange "
                     "ServerMetadataChange))")
                other.ok(f"CREATE {name}")
                t.hear(lambda r: r[0] == "LIST" and r[3] == name and "\\NonExistent" not in r[1])
                other.ok(f"SUBSCRIBE {name}")
                t.hear(lambda r: r[0] == "LIST" and r[3] == name and "\\Subscribed" in r[1])
                other.ok(f"APPEND {name} ", message(subject="x"))
                t.hear(lambda r: r[0] == "STATUS" and r[1] == name and pairs(r[2])["MESSAGES"] == "1")
                other.ok(f'SETMETADATA {name} (/private/comment "x{tls}")')
                t.hear(lambda r: r == ["METADATA", name, "/private/comment"])
                other.ok(f'SETMETADATA "" (/shared/comment "x{tls}")')
                t.hear(lambda r: r == ["METADATA", b"", "/shared/comment"])
                other.ok(f"RENAME {name} {name}2")
                old = t.hear(lambda r: r[0] == "LIST" and r[3] == name + "2")
                self.assertEqual(old[4], [b"OLDNAME", [name]])
                other.ok(f"DELETE {name}2")
                t.hear(lambda r: r[0] == "LIST" and r[3] == name + "2" and "\\NonExistent" in r[1])
                self.box.send("bob@example.org", subject="heard")
                t.hear(lambda r: r[0] == "STATUS" and r[1] == "INBOX")
                t.logout()

    def test_what_may_not_be_read_now_is_not_gone(self):
        t = self.talk("bob@example.org")
        t.ok("CREATE Closed")
        t.ok("APPEND Closed ", message(subject="x"))
        t.ok("SELECT Closed")
        cur = self.box.maildir("bob@example.org") + "/.Closed/cur"
        os.chmod(cur, 0)
        a = t.cmd("FETCH 1 (BODY.PEEK[TEXT])")
        os.chmod(cur, 0o700)
        self.assertEqual((a.status, a.code), ("NO", ["UNAVAILABLE"]))
        self.assertIn("a line", str(t.ok("FETCH 1 (BODY.PEEK[TEXT])").untagged))
        t.logout()

    def test_a_compressed_connection_changes_its_user(self):
        t = self.talk("bob@example.org", True)
        t.compress()
        t.ok("UNAUTHENTICATE")
        t.io.inflate = t.io.deflate = None
        t.ok("LOGIN alice@example.org secret")
        t.compress()
        t.ok("SELECT INBOX")
        t.logout()

    def test_move_tells_where_to(self):
        t = self.talk()
        t.ok("CREATE from")
        t.ok("CREATE to")
        a = t.ok("APPEND from (\\Seen) ", message(subject="a"))
        self.assertEqual((a.code[0], a.code[2]), ("APPENDUID", "1"))
        t.ok("APPEND from ", message(subject="b"), " ", message(subject="c"))
        t.ok("SELECT from")
        a = t.ok("UID MOVE 1,3 to")
        self.assertEqual(a.codes()["COPYUID"][1:], ["1,3", "1:2"])
        self.assertEqual([r[0] for r in a.all("EXPUNGE")], [3, 1])
        t.ok("SELECT to")
        self.assertEqual(subjects(t), {1: "a", 2: "c"})

    def test_many_commands_at_once_are_answered_in_order(self):
        t = self.talk()
        t.ok("CREATE pipe")
        tags = [t.send("APPEND pipe ", message(subject=f"n{i}")) for i in range(50)]
        tags += [t.send("SELECT pipe")]
        tags += [t.send(f"UID FETCH {i} (FLAGS BODY.PEEK[])") for i in range(1, 51)]
        tags += [t.send(f"UID STORE {i} +FLAGS.SILENT (\\Seen)") for i in range(1, 51)]
        tags += [t.send("UID SEARCH SEEN"), t.send("CLOSE")]
        answers = [t.answer(tag) for tag in tags]
        self.assertEqual({a.status for a in answers}, {"OK"})
        for i in range(50):
            self.assertIn(b"Subject: n%d\r\n" % i, answers[51 + i].by_uid()[i + 1]["BODY[]"])
        self.assertEqual(len(answers[-2].one("SEARCH")), 50)

    def test_compressed_connections(self):
        for tls in (False, True):
            with self.subTest(tls=tls):
                t = self.talk("bob@example.org", tls)
                self.assertIn("COMPRESS=DEFLATE", t.capabilities())
                t.compress()
                self.assertNotIn("COMPRESS=DEFLATE", t.capabilities())
                t.refused("COMPRESS DEFLATE")
                name = f"z{int(tls)}"
                t.ok("CREATE " + name)
                body = "the same line again and again\r\n" * 20000
                a = t.ok(f"APPEND {name} ", message(subject="much", body=body))
                self.assertEqual(a.code[0], "APPENDUID")
                before = t.io.raw
                t.ok("SELECT " + name)
                a = t.ok("FETCH 1 (BODY.PEEK[TEXT])")
                self.assertEqual(a.fetched()[1]["BODY[TEXT]"], body.encode())
                self.assertLess(t.io.raw - before, len(body) // 20)
                tag = t.idle()
                other = self.talk("bob@example.org")
                other.ok(f"APPEND {name} ", message(subject="more"))
                t.hear_exists(2)
                t.done(tag)
                t.logout()

    def test_starttls_then_everything(self):
        t = ImapTalk(self.box.base + 143)
        self.addCleanup(t.close)
        t.starttls()
        t.ok("LOGIN alice@example.org secret")
        t.ok("SELECT INBOX")
        t.logout()

    @needs_program("openssl")
    def test_openssl_s_client(self):
        for args in (["-connect", f"127.0.0.1:{self.box.base + 993}"],
                     ["-connect", f"127.0.0.1:{self.box.base + 143}", "-starttls", "imap"]):
            for version in ("-tls1_2", "-tls1_3"):
                with self.subTest(args=args, version=version):
                    p = subprocess.Popen([OPENSSL, "s_client", "-quiet", "-crlf", version, *args], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
                    out, _ = p.communicate(b"a LOGIN alice@example.org secret\nb SELECT INBOX\nc LOGOUT\n", timeout=PATIENCE)
                    self.assertRegex(out, rb"(?s)a OK .*\* \d+ EXISTS.*b OK .*\* BYE.*c OK ")

    def test_sessions_and_deliveries_at_once(self):
        """Four sessions append, flag, copy and expunge while mail arrives; all come to see the same."""
        user, rounds = "bob@example.org", 15
        setup = self.talk(user)
        setup.ok("CREATE busy")
        setup.ok("SELECT INBOX")
        before = len(subjects(setup))
        expected, wrong, lock = set(), [], threading.Lock()

        def one(i):
            try:
                t = ImapTalk.to(self.box, user, tls=bool(i % 2))
                t.ok("SELECT busy")
                for n in range(rounds):
                    a = t.ok("APPEND busy ", message(subject=f"s{i}.{n}"))
                    uid = int(a.code[2])
                    t.ok(f"UID STORE {uid} +FLAGS (k{i})")
                    if n % 3 == 0:
                        t.ok(f"UID STORE {uid} +FLAGS.SILENT (\\Deleted)")
                        t.ok(f"UID EXPUNGE {uid}")
                    else:
                        with lock:
                            expected.add((f"s{i}.{n}", f"k{i}"))
                t.logout()
            except Exception as e:      # noqa: BLE001, told by the story itself
                wrong.append((i, repr(e)))

        threads = [threading.Thread(target=one, args=(i,)) for i in range(4)]
        for th in threads:
            th.start()
        for n in range(rounds):
            self.box.send(user, subject=f"smtp {n}")
        for th in threads:
            th.join(3 * PATIENCE)
        self.assertFalse(wrong)
        t = self.talk(user)
        t.ok("SELECT busy")
        a = t.ok("UID FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        got = {(m["BODY[HEADER.FIELDS (SUBJECT)]"].split()[1].decode(),
                next(f for f in m["FLAGS"] if f.startswith("k"))) for m in a.by_uid().values()}
        self.assertEqual(got, expected)
        self.assertEqual(len(a.by_uid()), len(expected), "nothing twice")
        t.ok("SELECT INBOX")
        wait_for(lambda: t.ok("NOOP") and len(subjects(t)) == before + rounds, "all deliveries")

    def test_an_oversized_literal_and_a_broken_command_cost_little(self):
        t = self.talk()
        t.io.write(b"x APPEND INBOX {99999999999999}\r\n")
        self.assertIn(t.answer("x").status, ("NO", "BAD"))
        t.refused("FETCH 1 (", status="BAD")
        t.refused("NOSUCH", status="BAD")
        t.ok("NOOP")


class Mbsync(ImapStory):
    users = ("alice@example.org", "bob@example.org")

    def setUp(self):
        if not shutil.which("mbsync"):
            self.skipTest("not installed: mbsync")
        self.home = self.directory("mbsync")
        self.local = os.path.join(self.home, "mail")
        os.makedirs(self.local)

    def config(self, user, tls="IMAPS"):
        port = self.box.base + (993 if tls == "IMAPS" else 143)
        path = os.path.join(self.home, "rc")
        with open(path, "w") as f:
            f.write(f"IMAPAccount a\nHost 127.0.0.1\nPort {port}\nUser {user}\nPass secret\nSSLType {tls}\n"
                    f"CertificateFile {self.certificate()}\nAuthMechs LOGIN\n\n"
                    f"IMAPStore far\nAccount a\n\n"
                    f"MaildirStore near\nPath {self.local}/\nInbox {self.local}/INBOX\nSubFolders Verbatim\n\n"
                    f"Channel c\nFar :far:\nNear :near:\nPatterns * \nCreate Both\nExpunge Both\nRemove Both\nSyncState *\n")
        return path

    def sync(self, rc):
        p = run(["mbsync", "-V", "-c", rc, "-a"], env={**os.environ, "HOME": self.home})
        self.assertEqual(p.returncode, 0, p.stdout + p.stderr)
        return p.stdout + p.stderr

    def mbox(self, name):
        return mailbox.Maildir(os.path.join(self.local, name), create=False)

    def near(self, name="INBOX"):
        return {m["subject"]: m for m in self.mbox(name)}

    def test_two_ways(self):
        user = "alice@example.org"
        rc = self.config(user)
        self.deliver(user, "one", "two", "three")
        t = self.talk(user)
        t.ok("SELECT INBOX")
        self.sync(rc)
        self.assertEqual(set(self.near()), {"one", "two", "three"})
        for name in ("Sent", "Drafts", "Trash"):
            self.assertTrue(os.path.isdir(os.path.join(self.local, name)), os.listdir(self.local))
        files = self.files()
        # a second run moves nothing
        log = self.sync(rc)
        self.assertEqual(self.files(), files)
        self.assertNotRegex(log, r"(?i)pulling|pushing")
        # flags there and here
        uid = {s: u for u, s in subjects(t).items()}
        t.ok(f"UID STORE {uid['one']} +FLAGS (\\Flagged \\Seen)")
        box = self.mbox("INBOX")
        key = next(k for k, m in box.items() if m["subject"] == "two")
        m = box[key]
        m.set_subdir("cur")
        m.add_flag("R")
        box[key] = m
        self.sync(rc)
        self.assertEqual(set(self.near()["one"].get_flags()), set("FS"))
        a = t.ok(f"UID FETCH {uid['two']} (FLAGS)")
        self.assertIn("\\Answered", a.by_uid()[uid["two"]]["FLAGS"])
        # new mail there and here
        self.deliver(user, "four")
        box = self.mbox("INBOX")
        box.add(message(subject="five"))
        box = mailbox.Maildir(os.path.join(self.local, "Made here"), create=True)
        box.add(message(subject="six"))
        self.sync(rc)
        self.assertEqual(set(self.near()), {"one", "two", "three", "four", "five"})
        wait_subjects(t, ["one", "two", "three", "four", "five"])
        t.ok('SELECT "Made here"')
        self.assertEqual(list(subjects(t).values()), ["six"])
        t.ok("SELECT INBOX")
        # deletion there and here
        t.ok(f"UID STORE {uid['one']} +FLAGS.SILENT (\\Deleted)")
        t.ok("EXPUNGE")
        box = self.mbox("INBOX")
        box.remove(next(k for k, m in box.items() if m["subject"] == "two"))
        self.sync(rc)
        self.assertEqual(set(self.near()), {"three", "four", "five"})
        wait_subjects(t, ["three", "four", "five"])
        files = self.files()
        self.sync(rc)
        self.assertEqual(self.files(), files)

    def files(self):
        return sorted(os.path.join(d, n) for d, _, names in os.walk(self.local) for n in names
                      if os.path.basename(d) in ("cur", "new"))

    def test_many_messages_in_one_run(self):
        user = "bob@example.org"
        rc = self.config(user, "STARTTLS")
        box = mailbox.Maildir(os.path.join(self.local, "INBOX"), create=True)
        for i in range(300):
            box.add(message(subject=f"n{i}", body="x" * (i * 7 % 2000) + "\r\n"))
        self.sync(rc)
        t = self.talk(user)
        t.ok("SELECT INBOX")
        self.assertEqual(sorted(subjects(t).values()), sorted(f"n{i}" for i in range(300)))
        shutil.rmtree(self.local)
        os.makedirs(self.local)
        self.sync(rc)
        self.assertEqual(set(self.near()), {f"n{i}" for i in range(300)})

    @needs_program("msmtp")
    def test_sent_with_msmtp_and_read_with_mbsync(self):
        rc = self.config("bob@example.org")
        conf = os.path.join(self.home, "msmtprc")
        with open(conf, "w") as f:
            f.write(f"account a\nhost 127.0.0.1\nport {self.box.base + 465}\ntls on\ntls_starttls off\n"
                    f"tls_certcheck off\nauth on\nuser alice@example.org\npassword secret\nfrom alice@example.org\n"
                    f"account default : a\n")
        os.chmod(conf, 0o600)
        p = run(["msmtp", "-C", conf, "bob@example.org"],
                stdin=message(to="bob@example.org", sender="alice@example.org", subject="by msmtp"))
        self.assertEqual(p.returncode, 0, p.stderr)
        self.box.wait_subject("bob@example.org", "by msmtp")
        self.sync(rc)
        self.assertEqual(self.near()["by msmtp"]["from"], "<alice@example.org>")


class Readers(ImapStory):
    users = tuple(f"{n}@example.org" for n in ("mutt", "neomutt", "getmail", "fetchmail"))

    def mutt(self, program, user, keys, url=None):
        home = self.directory(program)
        rc = os.path.join(home, "rc")
        with open(rc, "w") as f:
            f.write(f'set imap_pass="secret" imap_user="{user}" ssl_starttls=no certificate_file="{self.certificate()}"\n'
                    f'set ssl_verify_host=no ssl_verify_dates=no header_cache="" record="" move=no quit=yes delete=yes\n'
                    f'set confirmappend=no wait_key=no sleep_time=0 mail_check=0 copy=no beep=no imap_idle=no\n'
                    f'set pipe_decode=no pipe_split=yes\n')
        url = url or f"imaps://127.0.0.1:{self.box.base + 993}/INBOX"
        status, drawn = on_a_terminal([program, "-n", "-F", rc, "-f", url, "-e", f"push '{keys}'"], {"HOME": home})
        self.assertEqual(status, 0, drawn[-3000:])
        return home, drawn

    def check_mutt(self, program):
        user = f"{program}@example.org"
        self.deliver(user, "kept", "flagged", "deleted", "saved")
        out = os.path.join(self.directory("piped"), "out")
        keys = (f"<search>~skept<enter><pipe-message>cat >>{out}<enter><display-message><exit>"
                "<search>~sflagged<enter><flag-message>"
                "<search>~sdeleted<enter><delete-message>"
                "<search>~ssaved<enter><save-message><kill-line>=Archive<enter>"
                "<sync-mailbox><quit>")
        self.mutt(program, user, keys.replace("=Archive", f"imaps://127.0.0.1:{self.box.base + 993}/Archive"))
        t = self.talk(user)
        t.ok("SELECT INBOX")
        found = {s: u for u, s in subjects(t).items()}
        self.assertEqual(sorted(found), ["flagged", "kept"])
        flags = {u: m["FLAGS"] for u, m in t.ok("UID FETCH 1:* (FLAGS)").by_uid().items()}
        self.assertIn("\\Flagged", flags[found["flagged"]])
        self.assertIn("\\Seen", flags[found["kept"]])
        t.ok("SELECT Archive")
        self.assertEqual(list(subjects(t).values()), ["saved"])
        with open(out, "rb") as f:
            self.assertEqual(parse(f.read())["subject"], "kept")

    @needs_program("mutt", "openssl")
    def test_mutt(self):
        self.check_mutt("mutt")

    @needs_program("neomutt", "openssl")
    def test_neomutt(self):
        self.check_mutt("neomutt")

    @needs_program("getmail")
    def test_getmail(self):
        user = "getmail@example.org"
        self.deliver(user, "for getmail")
        home = self.directory("getmail")
        for _ in range(2):
            getmail(home, f'type = SimpleIMAPSSLRetriever\nport = {self.box.base + 993}\nusername = {user}\n'
                          'mailboxes = ("INBOX",)\n')
        found = [m["subject"] for m in mailbox.Maildir(os.path.join(home, "Maildir"), create=False)]
        self.assertEqual(found, ["for getmail"], "nothing is fetched twice")

    @needs_program("fetchmail")
    def test_fetchmail(self):
        user = "fetchmail@example.org"
        self.deliver(user, "for fetchmail")
        home = self.directory("fetchmail")
        rc, got = os.path.join(home, "rc"), os.path.join(home, "mail")

        def fetch(*options):
            with open(rc, "w") as f:
                f.write(f'poll 127.0.0.1 service {self.box.base + 993} protocol imap user "{user}" password "secret" '
                        f'ssl sslproto "TLS1.2+" no sslcertck {" ".join(options)} mda "cat >>{got}"\n')
            os.chmod(rc, 0o700)
            p = run(["fetchmail", "-f", rc, "--pidfile", os.path.join(home, "pid"), "--nosyslog", "-v"],
                    env={**os.environ, "FETCHMAILHOME": home, "HOME": home})
            with contextlib.suppress(FileNotFoundError), open(got) as f:
                return p.returncode, f.read().count("Subject: for fetchmail"), p.stdout + p.stderr
            return p.returncode, 0, p.stdout + p.stderr

        self.assertEqual((r := fetch("keep"))[:2], (0, 1), r[2])
        self.assertEqual((r := fetch("keep"))[:2], (1, 1), "what is seen is not fetched again: " + r[2])
        self.assertEqual((r := fetch("fetchall"))[:2], (0, 2), r[2])
        t = self.talk(user)
        self.assertEqual(t.ok("SELECT INBOX").one("EXISTS"), [0])


class Foreign(ImapStory):
    """A Maildir that others touch at the same time."""
    users = ("alice@example.org", "bob@example.org", "carol@example.org")

    def maildir(self, user):
        return mailbox.Maildir(self.box.maildir(user), factory=None, create=False)

    def own(self, user):
        """What root wrote becomes the owner's."""
        if os.geteuid() != 0:
            return
        top = self.box.maildir(user)
        st = os.stat(top)
        for d, dirs, names in os.walk(top):
            for n in names:
                with contextlib.suppress(FileNotFoundError):
                    os.chown(os.path.join(d, n), st.st_uid, st.st_gid)

    def test_added_renamed_and_removed(self):
        user = "alice@example.org"
        self.deliver(user, "ours 1", "ours 2")
        t = self.talk(user)
        t.ok("SELECT INBOX")
        self.assertEqual(sorted(subjects(t).values()), ["ours 1", "ours 2"])
        box = self.maildir(user)
        box.add(message(subject="theirs"))
        self.own(user)
        wait_subjects(t, ["ours 1", "ours 2", "theirs"])
        uid = {s: u for u, s in subjects(t).items()}
        self.assertEqual(uid["theirs"], max(uid.values()))
        # flags
        key = next(k for k, m in box.items() if m["subject"] == "ours 1")
        m = box[key]
        m.set_subdir("cur")
        m.add_flag("FS")
        box[key] = m
        self.own(user)

        def flagged():
            t.ok("NOOP")
            return {"\\Flagged", "\\Seen"} <= set(t.ok(f"UID FETCH {uid['ours 1']} (FLAGS)").by_uid()[uid["ours 1"]]["FLAGS"])
        wait_for(flagged, "the flags to be seen")
        # both at once: ours by IMAP, theirs by a rename
        t.ok(f"UID STORE {uid['ours 2']} +FLAGS (\\Answered)")
        box.remove(next(k for k, m in box.items() if m["subject"] == "theirs"))
        wait_subjects(t, ["ours 1", "ours 2"])
        self.assertEqual({s: u for u, s in subjects(t).items()}, {s: uid[s] for s in ("ours 1", "ours 2")})
        u = self.talk(user)
        u.ok("SELECT INBOX")
        flags = {k: set(m["FLAGS"]) for k, m in u.ok("UID FETCH 1:* (FLAGS)").by_uid().items()}
        self.assertLessEqual({"\\Flagged", "\\Seen"}, flags[uid["ours 1"]])
        self.assertIn("\\Answered", flags[uid["ours 2"]])

    def test_a_foreign_delivery_is_seen(self):
        user = "bob@example.org"
        self.deliver(user, "there")
        t = self.talk(user)
        n = int(t.ok("SELECT INBOX").one("EXISTS")[0])
        box = self.maildir(user)
        box.add(message(subject="foreign"))
        self.own(user)
        t.ok("NOOP")
        wait_for(lambda: t.ok("NOOP") and len(subjects(t)) == n + 1, "the foreign message")

    def test_line_ends_of_both_kinds_cost_no_byte(self):
        user = "bob@example.org"
        t = self.talk(user)
        t.ok("SELECT INBOX")
        with open(os.path.join(self.box.maildir(user), "new", "1700000000.mixed.host"), "wb") as f:
            f.write(b"Subject: mixed\r\nX-Added: by a filter\n\r\none\ntwo\r\nthree\n")
        self.own(user)
        t.ok("NOOP")
        wait_for(lambda: t.ok("NOOP") and "mixed" in subjects(t).values(), "the foreign message")
        uid = next(u for u, s in subjects(t).items() if s == "mixed")
        got = t.ok(f"UID FETCH {uid} (RFC822.SIZE BODY.PEEK[] BODY.PEEK[]<4.1000>)").by_uid()[uid]
        whole = b"Subject: mixed\r\nX-Added: by a filter\r\n\r\none\r\ntwo\r\nthree\r\n"
        self.assertEqual((got["BODY[]"], got["BODY[]<4>"], int(got["RFC822.SIZE"])), (whole, whole[4:], len(whole)))

    @needs_program("mutt")
    def test_mutt_on_the_maildir(self):
        user = "carol@example.org"
        self.deliver(user, "kept", "deleted", "replied")
        t = self.talk(user)
        t.ok("SELECT INBOX")
        uid = {s: u for u, s in subjects(t).items()}
        home = self.directory("mutt")
        rc = os.path.join(home, "rc")
        with open(rc, "w") as f:
            # A folder that is missing is asked about, and the answer taken from what is pushed.
            f.write(f'set folder="{home}"\n'
                    'set header_cache="" record="" move=no quit=yes delete=yes wait_key=no sleep_time=0 mbox_type=Maildir\n'
                    'unset maildir_trash\n')
        status, drawn = on_a_terminal(
            ["mutt", "-n", "-F", rc, "-f", self.box.maildir(user), "-e",
             "push '<tag-pattern>~skept<enter><tag-prefix><flag-message><delete-pattern>~sdeleted<enter><sync-mailbox><quit>'"],
            {"HOME": home})
        self.assertEqual(status, 0, drawn[-2000:])
        self.own(user)
        wait_subjects(t, ["kept", "replied"])
        self.assertIn("\\Flagged", t.ok(f"UID FETCH {uid['kept']} (FLAGS)").by_uid()[uid["kept"]]["FLAGS"])
        t.ok(f"UID STORE {uid['replied']} +FLAGS (\\Answered)")
        t.ok("CLOSE")
        t.ok("SELECT INBOX")
        self.assertEqual({s: u for u, s in subjects(t).items()}, {s: uid[s] for s in ("kept", "replied")})


class Parked(ImapStory):
    """A silent session has no process; what comes next finds everything as it was."""
    keys = {"imap.park": "200ms", "imap.keep": "0"}

    def sessions(self, user):
        return [p for p in self.box.pids("imapd-session") if f"imap-session {user}" in title(p)]

    def parked(self, user):
        wait_for(lambda: not self.sessions(user), f"the sessions of {user} to be parked")

    def test_sequence_numbers_flags_and_expunges(self):
        user = "alice@example.org"
        for tls in (False, True):
            with self.subTest(tls=tls):
                name = f"p{int(tls)}"
                t = self.talk(user, tls)
                t.ok("CREATE " + name)
                for i in range(6):
                    t.ok(f"APPEND {name} ", message(subject=f"n{i}"))
                t.ok("SELECT " + name)
                t.ok("SEARCH RETURN (SAVE) SUBJECT n4")
                self.parked(user)
                other = self.talk(user)
                other.ok("SELECT " + name)
                other.ok("UID STORE 2,3 +FLAGS.SILENT (\\Deleted)")
                other.ok("UID STORE 6 +FLAGS.SILENT (\\Flagged)")
                other.ok("EXPUNGE")
                other.ok(f"APPEND {name} ", message(subject="n6"))
                other.logout()
                # What the client has not been told of does not move a number.
                a = t.ok("FETCH 4 (UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
                self.assertEqual(int(a.fetched()[4]["UID"]), 4)
                self.assertEqual(a.all("EXPUNGE"), [])
                self.parked(user)
                a = t.ok("NOOP")
                self.assertIn([r[0] for r in a.all("EXPUNGE")], ([3, 2], [2, 2]))
                told = t.ok("UID FETCH 1:* (FLAGS)")
                self.assertEqual({int(m["UID"]): n for n, m in told.fetched().items()}, {1: 1, 4: 2, 5: 3, 6: 4, 7: 5})
                self.assertIn("\\Flagged", told.by_uid()[6]["FLAGS"])
                self.parked(user)
                self.assertEqual(list(t.ok("UID FETCH $ (FLAGS)").by_uid()), [5])
                t.ok("UID STORE 7 +FLAGS (\\Seen)")
                t.logout()

    def test_what_was_enabled_and_read_only_stay(self):
        user = "bob@example.org"
        t = self.talk(user, tls=True)
        t.ok("CREATE e")
        t.ok("APPEND e ", message(subject="x"), " ", message(subject="y"))
        t.ok("ENABLE QRESYNC")
        t.ok("EXAMINE e")
        self.parked(user)
        t.refused("UID STORE 1 +FLAGS (\\Seen)")
        self.parked(user)
        other = self.talk(user)
        other.ok("SELECT e")
        other.ok("UID STORE 1 +FLAGS.SILENT (\\Deleted)")
        other.ok("EXPUNGE")
        other.logout()
        a = t.ok("NOOP")
        self.assertEqual(a.all("VANISHED"), [["1"]])
        t.logout()

    def test_idle_is_woken_by_mail_and_flags(self):
        user = "bob@example.org"
        t = self.talk(user, tls=True)
        n = int(t.ok("SELECT INBOX").one("EXISTS")[0])
        for i in range(1, 4):
            tag = t.idle()
            self.parked(user)
            self.box.send(user, subject=f"wakes {i}")
            t.hear_exists(n + i)
            self.parked(user)
            other = self.talk(user)
            other.ok("SELECT INBOX")
            other.ok(f"STORE {n + i} +FLAGS.SILENT (\\Answered)")
            other.logout()
            t.hear(lambda r: r[1:2] == ["FETCH"] and "\\Answered" in pairs(r[2])["FLAGS"])
            self.assertEqual(t.done(tag).status, "OK")
        t.logout()

    def test_mailbox_that_was_removed_meanwhile(self):
        user = "alice@example.org"
        t = self.talk(user)
        t.ok("CREATE doomed")
        t.ok("SELECT doomed")
        self.parked(user)
        other = self.talk(user)
        other.ok("DELETE doomed")
        other.logout()
        t.send("NOOP")
        self.assertEqual(t.read()[1][0], "BYE")
        self.assertTrue(t.closed())
        # The next connection is none the worse.
        self.talk(user).ok("SELECT INBOX")

    def test_many_parked_connections(self):
        user = "alice@example.org"
        held = [self.talk(user, tls=i % 2 == 0) for i in range(30)]
        for t in held:
            t.ok("SELECT INBOX")
        self.parked(user)
        tags = [t.idle() for t in held]
        self.box.send(user, subject="for all of them")
        for t in held:
            t.hear(lambda r: r[1:2] == ["EXISTS"])
        for t, tag in zip(held, tags):
            self.assertEqual(t.done(tag).status, "OK")


class Limits(ImapStory):
    keys = {"imap.user_sessions": "3", "imap.max_append": "20K", "imap.max_line": "8K"}

    def test_sessions_of_a_user(self):
        held = [self.talk() for _ in range(3)]
        t = ImapTalk(self.box.base + 143)
        self.addCleanup(t.close)
        a = t.refused("LOGIN alice@example.org secret")
        self.assertEqual(a.code, ["LIMIT"])
        self.talk("bob@example.org").logout()
        held.pop().logout()
        wait_for(lambda: t.cmd("LOGIN alice@example.org secret").status == "OK", "room for another")
        t.logout()

    def test_size_of_a_message_and_of_a_line(self):
        t = self.talk("bob@example.org")
        self.assertIn("APPENDLIMIT=20480", t.capabilities())
        a = t.refused("APPEND INBOX ", b"x" * 30000)
        self.assertEqual(a.code, ["TOOBIG"])
        t.ok("APPEND INBOX ", message(subject="small"))
        t.io.write(b"x APPEND INBOX {30000}\r\n")
        self.assertEqual(t.answer("x").status, "NO", "refused before it is sent")
        t.ok("SELECT INBOX")
        t.refused("FETCH 1 (" + "FLAGS " * 2000 + "UID)", status="BAD")
        self.assertEqual(t.read()[1][0], "BYE")
        self.assertTrue(t.closed())
