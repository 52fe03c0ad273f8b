# SPDX-License-Identifier: ISC
"""A Maildir that Dovecot has served, served here, and by Dovecot again: nobody's mail gets another UID."""
import imaplib
import json
import os
import poplib
import pwd
import re
import socket
import subprocess
import unittest

from harness import CHASQUI, IS_ROOT, PATIENCE, Ports, Story, getmail, message, needs_program, run, wait_for

OWNER = "mail"


@unittest.skipUnless(IS_ROOT, "needs root")
@needs_program("doveadm")
class Dovecot(Story):
    @classmethod
    def arrange(cls):
        cls.dir = cls.directory("takeover")
        os.chmod(cls.dir, 0o755)
        cls.maildir = os.path.join(cls.dir, "maildir")
        for part in "cur", "new", "tmp":
            os.makedirs(os.path.join(cls.maildir, part))
        for i in range(1, 6):
            with open(f"{cls.maildir}/new/170000000{i}.M1P1.host", "wb") as f:
                f.write(message(subject=f"number {i}"))
        os.chmod(os.path.dirname(cls.dir), 0o755)
        cls.conf = os.path.join(cls.dir, "dovecot.conf")
        with open(cls.conf, "w", encoding="ascii") as f:
            f.write(f"base_dir = {cls.dir}/run\nstate_dir = {cls.dir}/run\nssl = no\nprotocols =\n"
                    f"log_path = /dev/stderr\nmail_location = maildir:{cls.maildir}\n")
        cls.own()

    @classmethod
    def own(cls):
        p = pwd.getpwnam(OWNER)
        for top, dirs, files in os.walk(cls.maildir):
            for name in [top] + [os.path.join(top, n) for n in files]:
                os.chown(name, p.pw_uid, p.pw_gid)

    def doveadm(self, *args):
        p = run(["setpriv", f"--reuid={OWNER}", f"--regid={OWNER}", "--clear-groups", "env", "USER=u",
                 f"HOME={self.maildir}", "doveadm", "-c", self.conf, *args])
        self.assertEqual(p.returncode, 0, p.stderr)
        return p.stdout

    def mailbox(self, verb, *args):
        p = run([CHASQUI, "mailbox", verb, self.maildir, *args])
        self.assertEqual(p.returncode, 0, p.stdout + p.stderr)
        return p.stdout

    def messages(self, name="INBOX"):
        """{uid: (flags, subject)} as Dovecot sees them."""
        text = self.doveadm("fetch", "uid flags hdr.subject", "mailbox", name, "all")
        found = re.findall(r"uid: (\d+)\s+flags: ?(.*)\s+hdr.subject: (.*)", text)
        return {int(u): (set(f.split()) - {"\\Recent"}, s) for u, f, s in found}

    def uidvalidity(self):
        return self.doveadm("mailbox", "status", "uidvalidity", "INBOX").split("=")[1].strip()

    def test_uids_survive_the_way_here_and_back(self):
        self.doveadm("flags", "add", "\\Seen work", "mailbox", "INBOX", "uid", "2")
        self.doveadm("expunge", "mailbox", "INBOX", "uid", "1")
        self.doveadm("mailbox", "create", "-s", "Entw\u00fcrfe.x")
        before, validity = self.messages(), self.uidvalidity()
        self.assertEqual(sorted(before), [2, 3, 4, 5])
        p = run([CHASQUI, "mailbox", "list", "--json", self.maildir])
        self.assertEqual(p.returncode, 0, p.stderr)
        listed = p.stdout
        self.assertIn("Entw\u00fcrfe/x", listed)
        self.assertIn(f'"uidvalidity":{validity}', listed)
        self.assertIn('"uidnext":6', listed)
        self.mailbox("verify")
        more = os.path.join(self.dir, "more")
        with open(more, "wb") as f:
            f.write(message(subject="number 6"))
        os.chmod(more, 0o644)
        self.mailbox("import", "INBOX", more)
        self.mailbox("export-uidlist")
        after = self.messages()
        self.assertEqual(self.uidvalidity(), validity)
        self.assertEqual({u: m for u, m in after.items() if u != 6}, before)
        self.assertEqual(after[6][1], "number 6")


class PrivateDovecot:
    """Dovecot's IMAP and POP3 servers for one user of a Maildir."""

    def __init__(self, story, owner, maildir, user, **settings):
        self.dir = story.directory("dovecot")
        self.owner, self.maildir, self.user = owner, maildir, user
        self.imap_port, self.pop3_port = Ports.single(), Ports.single()
        self.process = None
        self.settings = settings
        story.at_end(self.stop)

    def start(self, **settings):
        home = os.path.join(self.dir, "home")
        os.makedirs(home, exist_ok=True)
        os.chown(home, self.owner.st_uid, self.owner.st_gid)
        conf = os.path.join(self.dir, "dovecot.conf")
        lines = {**{"mail_location": f"maildir:{self.maildir}"}, **self.settings, **settings}
        with open(conf, "w", encoding="ascii") as f:
            f.write(f"base_dir = {self.dir}/run\nstate_dir = {self.dir}/run\nlog_path = {self.dir}/log\nssl = no\n"
                    "protocols = imap pop3\nlisten = 127.0.0.1\ndisable_plaintext_auth = no\nfirst_valid_uid = 1\n"
                    "first_valid_gid = 1\nauth_mechanisms = plain login\npassdb {\n driver = static\n"
                    " args = password=secret\n}\nuserdb {\n driver = static\n"
                    f" args = uid={self.owner.st_uid} gid={self.owner.st_gid} home={home}\n}}\n"
                    f"service imap-login {{\n inet_listener imap {{\n port = {self.imap_port}\n }}\n"
                    " inet_listener imaps {\n port = 0\n }\n}\n"
                    f"service pop3-login {{\n inet_listener pop3 {{\n port = {self.pop3_port}\n }}\n"
                    " inet_listener pop3s {\n port = 0\n }\n}\n" +
                    "".join(f"{k} = {v}\n" for k, v in lines.items()))
        self.process = subprocess.Popen(["dovecot", "-F", "-c", conf], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(lambda: self.answers(self.imap_port) and self.answers(self.pop3_port),
                 lambda: "Dovecot:\n" + self.log())

    def log(self):
        try:
            with open(self.dir + "/log", errors="replace") as f:
                return f.read()[-3000:]
        except FileNotFoundError:
            return "no log"

    @staticmethod
    def answers(port):
        try:
            with socket.create_connection(("127.0.0.1", port), 5) as s:
                s.settimeout(5)
                return bool(s.recv(100))
        except OSError:
            return False

    def stop(self):
        if self.process is None:
            return
        self.process.terminate()
        self.process.wait(20)
        self.process = None


class Clients:
    """mbsync, fetchmail, getmail and a table of UIDLs, all of which leave the mail on the server."""

    def __init__(self, story, user):
        self.user = user
        self.dir = story.directory("clients")
        self.mail = os.path.join(self.dir, "getmail", "Maildir")
        for path in ("near", "home", os.path.join(self.mail, "new")):
            os.makedirs(os.path.join(self.dir, path))

    def near(self):
        """What mbsync has, and under which names: path -> flags."""
        found = {}
        for top, _, files in os.walk(os.path.join(self.dir, "near")):
            for n in files:
                if os.path.basename(top) in ("cur", "new"):
                    base, _, flags = os.path.join(os.path.dirname(top), n).partition(":2,")
                    found[base] = flags
        return found

    def mbsync(self, port):
        """How many messages it has got, and how many it has put on the server."""
        rc = os.path.join(self.dir, "mbsyncrc")
        with open(rc, "w", encoding="ascii") as f:
            f.write(f"IMAPStore far\nHost 127.0.0.1\nPort {port}\nUser {self.user}\nPass secret\nSSLType None\n"
                    f"AuthMechs LOGIN\n\nMaildirStore near\nPath {self.dir}/near/\nInbox {self.dir}/near/INBOX\n"
                    "SubFolders Verbatim\n\nChannel all\nFar :far:\nNear :near:\nPatterns INBOX Work Work/Old\n"
                    "Create Near\nSync All\nExpunge None\nSyncState *\n")
        near, far = self.near(), self.far(port)
        p = run(["mbsync", "-c", rc, "-V", "all"], env={**os.environ, "HOME": os.path.join(self.dir, "home")})
        assert p.returncode == 0, p.stdout + p.stderr
        return len(set(self.near()) - set(near)), self.far(port) - far

    def far(self, port):
        """How many messages the server has."""
        return sum(len(m[1]) for m in self.sees(port)[0].values())

    def count(self, path):
        try:
            with open(path, "rb") as f:
                return f.read().count(b"\nSubject: ")
        except FileNotFoundError:
            return 0

    def fetchmail(self, port):
        home = os.path.join(self.dir, "home")
        rc, got = os.path.join(home, "fetchmailrc"), os.path.join(home, "fetched")
        with open(rc, "w", encoding="ascii") as f:
            f.write(f'poll 127.0.0.1 service {port} protocol pop3 auth password uidl user "{self.user}" password '
                    f'"secret" sslproto "" keep mda "cat >>{got}"\n')
        os.chmod(rc, 0o700)
        before = self.count(got)
        p = run(["fetchmail", "-f", rc, "-i", os.path.join(home, "ids"), "--pidfile", os.path.join(home, "pid"),
                 "--nosyslog"], env={**os.environ, "FETCHMAILHOME": home, "HOME": home})
        assert p.returncode in (0, 1), p.stdout + p.stderr
        return self.count(got) - before

    def getmail(self, port):
        home = os.path.join(self.dir, "getmail")
        # The port is in the name of its list of what it has.
        for name in os.listdir(home):
            if name.startswith("oldmail-"):
                os.rename(os.path.join(home, name), os.path.join(home, re.sub(r"-\d+-", f"-{port}-", name, count=1)))
        before = len(os.listdir(os.path.join(self.mail, "new")))
        getmail(home, f"type = SimplePOP3Retriever\nport = {port}\nusername = {self.user}\n")
        return len(os.listdir(os.path.join(self.mail, "new"))) - before

    def uidls(self, port):
        p = poplib.POP3("127.0.0.1", port, timeout=PATIENCE)
        p.user(self.user)
        p.pass_("secret")
        # {UIDL: content}
        found = {}
        for line in p.uidl()[1]:
            n, name = line.decode().split()
            found[name] = b"\n".join(p.retr(int(n))[1])
        p.quit()
        return found

    def sees(self, port):
        """{mailbox: (UIDVALIDITY, {uid: flags and keywords})} and what is subscribed."""
        i = imaplib.IMAP4("127.0.0.1", port, timeout=PATIENCE)
        i.login(self.user, "secret")
        found = {}
        for name in ("INBOX", "Work", "Work/Old"):
            # Dovecot's separator is a dot, as the Maildir's.
            sep = re.search(rb'"(.)"', i.list('""', "INBOX")[1][0]).group(1).decode()
            assert i.select(name.replace("/", sep), readonly=True)[0] == "OK", name
            validity = i.response("UIDVALIDITY")[1][0]
            lines = i.uid("FETCH", "1:*", "(FLAGS)")[1]
            found[name] = validity, {
                int(re.search(rb"UID (\d+)", l).group(1)):
                    frozenset(re.search(rb"FLAGS \((.*?)\)", l).group(1).split()) - {b"\\Recent"}
                for l in lines if l}
        subscribed = {l.split()[-1].strip(b'"').replace(b".", b"/") for l in i.lsub('""', "*")[1] if l}
        i.logout()
        return found, subscribed


class OthersMaildir(Story):
    """A stopped suite, and the empty Maildir of one of its users, for another server to fill first."""
    user = None

    @classmethod
    def arrange(cls):
        cls.box = cls.instance(users=("bob@example.org", cls.user))
        cls.box.send("bob@example.org", subject="whose")
        cls.box.wait_mail("bob@example.org")
        cls.owner = os.stat(cls.box.maildir("bob@example.org"))
        cls.box.stop()
        cls.maildir = cls.box.maildir(cls.user)
        for part in "cur", "new", "tmp":
            os.makedirs(os.path.join(cls.maildir, part))
        run(["chown", "-R", f"{cls.owner.st_uid}:{cls.owner.st_gid}", os.path.dirname(cls.maildir)], check=True)

    @staticmethod
    def fill(i, prefix=""):
        """By a session of the other server, whose mailboxes have that prefix and dots in their names."""
        for name in ("Work", "Work.Old"):
            i.create(prefix + name)
        i.subscribe(prefix + "Work.Old")
        for n in range(1, 8):
            i.append("INBOX", None, None, message(subject=f"inbox {n}"))
        for n in range(1, 4):
            i.append(prefix + "Work", r"(\Seen)", None, message(subject=f"work {n}"))
            i.append(prefix + "Work.Old", None, None, message(subject=f"old {n}"))
        i.select("INBOX")
        i.uid("STORE", "2", "+FLAGS", r"(\Flagged \Answered $Label1 blue)")
        i.uid("STORE", "3", "+FLAGS", r"(\Seen blue)")
        i.uid("STORE", "1,5", "+FLAGS", r"(\Deleted)")
        i.expunge()
        i.select(prefix + "Work")
        i.uid("STORE", "2", "+FLAGS", r"(other)")
        i.logout()


@unittest.skipUnless(IS_ROOT, "needs root")
@needs_program("dovecot", "mbsync", "fetchmail", "getmail")
class ChangeOfServer(OthersMaildir):
    """Clients that know a mailbox from Dovecot get nothing again from Chasqui, nor from Dovecot again."""
    user = "dora@example.org"

    def nothing_again(self, clients, imap, pop3, where):
        self.assertEqual(clients.mbsync(imap), (0, 0), where)
        self.assertEqual(clients.fetchmail(pop3), 0, where)
        self.assertEqual(clients.getmail(pop3), 0, where)

    def test_nothing_is_fetched_again(self):
        dovecot = PrivateDovecot(type(self), self.owner, self.maildir, self.user, pop3_uidl_format="%08Xu%08Xv")
        dovecot.start()
        i = imaplib.IMAP4("127.0.0.1", dovecot.imap_port, timeout=PATIENCE)
        i.login(self.user, "secret")
        self.fill(i)
        clients = Clients(type(self), self.user)
        self.assertEqual(clients.mbsync(dovecot.imap_port), (11, 0))
        self.assertEqual(clients.fetchmail(dovecot.pop3_port), 5)
        self.assertEqual(clients.getmail(dovecot.pop3_port), 5)
        self.nothing_again(clients, dovecot.imap_port, dovecot.pop3_port, "with Dovecot still")
        uidls, sees = clients.uidls(dovecot.pop3_port), clients.sees(dovecot.imap_port)
        # What POP3 has read is seen, there too.
        self.assertEqual(clients.mbsync(dovecot.imap_port), (0, 0))
        near = clients.near()
        dovecot.stop()

        box = self.box
        box.start()
        self.assertEqual(clients.sees(box.base + 143), sees, "UIDs, UIDVALIDITY, flags, keywords, subscriptions")
        self.assertEqual(clients.uidls(box.base + 110), uidls)
        self.nothing_again(clients, box.base + 143, box.base + 110, "with Chasqui")
        self.assertEqual(clients.near(), near, "and no flag has changed")
        box.send(self.user, subject="news")
        box.wait_mail(self.user, 6)
        i = box.imap(self.user)
        i.select("INBOX")
        i.uid("STORE", "4", "+FLAGS", r"(\Seen green)")
        i.logout()
        self.assertEqual(clients.mbsync(box.base + 143), (1, 0), "only what is new")
        self.assertEqual(clients.fetchmail(box.base + 110), 1)
        self.assertEqual(clients.getmail(box.base + 110), 1)
        uidls, sees = clients.uidls(box.base + 110), clients.sees(box.base + 143)
        box.tool("mailbox", "export-uidlist", self.user, check=True)
        box.stop()

        dovecot.start()
        self.assertEqual(clients.sees(dovecot.imap_port), sees)
        self.assertEqual(clients.uidls(dovecot.pop3_port), uidls)
        self.nothing_again(clients, dovecot.imap_port, dovecot.pop3_port, "with Dovecot again")
        # What Dovecot adds meanwhile has the same number here too.
        i = imaplib.IMAP4("127.0.0.1", dovecot.imap_port, timeout=PATIENCE)
        i.login(self.user, "secret")
        for n in range(3):
            i.append("INBOX", None, None, message(subject=f"while away {n}"))
        i.select("INBOX")
        i.uid("STORE", "9", "+FLAGS", r"(\Deleted)")
        i.expunge()
        i.uid("STORE", "10", "+FLAGS", r"(violet)")
        i.logout()
        self.assertEqual(clients.mbsync(dovecot.imap_port), (2, 0))
        uidls, sees = clients.uidls(dovecot.pop3_port), clients.sees(dovecot.imap_port)
        dovecot.stop()
        box.start()
        self.assertEqual(clients.sees(box.base + 143), sees)
        self.assertEqual(clients.uidls(box.base + 110), uidls)
        self.assertEqual(clients.mbsync(box.base + 143), (0, 0))
        box.tool("mailbox", "export-uidlist", self.user, check=True)
        box.stop()

        for form in ("%v.%u", "%f", "%g"):
            with self.subTest(form):
                dovecot.start(pop3_uidl_format=form)
                uidls = clients.uidls(dovecot.pop3_port)
                dovecot.stop()
                box.set("pop3.uidl", form)
                box.start()
                self.assertEqual(clients.uidls(box.base + 110), uidls)
                box.stop()


@unittest.skipUnless(IS_ROOT, "needs root")
class ByAddress(Story):
    """`chasqui mailbox` while the suite runs; it asks lookup whose Maildir it is."""
    user = "alice@example.org"

    @classmethod
    def arrange(cls):
        cls.box = cls.instance(users=[cls.user, "new@example.org"])
        cls.box.send(cls.user, subject="first")
        cls.box.wait_mail(cls.user)

    def mailbox(self, verb, *args, status=0, user=None):
        before = args[:1] if args[:1] == ("--json",) else ()
        p = self.box.tool("mailbox", verb, *before, user or self.user, *args[len(before):])
        self.assertEqual(p.returncode, status, p.stdout + p.stderr)
        return p.stdout + p.stderr

    def listed(self):
        return {e["name"]: e for e in map(json.loads, self.mailbox("list", "--json").splitlines())}

    def test_the_verbs(self):
        self.assertEqual(self.listed()["INBOX"]["messages"], 1)
        self.assertRegex(self.mailbox("list"), r"(?m)^ +1 +1 +\d+  INBOX$")
        self.mailbox("create", "inbox/below")
        self.assertIn("INBOX/below", self.listed())
        self.mailbox("create", "Projekt/\u00fc")
        self.mailbox("create", "Projekt/\u00fc", status=65)
        self.mailbox("rename", "Projekt/\u00fc", "Fertig")
        names = self.listed()
        self.assertIn("Fertig", names)
        self.assertNotIn("Projekt/\u00fc", names)
        self.mailbox("delete", "Fertig")
        self.assertNotIn("Fertig", self.listed())
        self.mailbox("delete", "Fertig", status=65)
        self.assertIn("verify", self.mailbox("frobnicate", status=64))

    def test_an_address_that_nobody_has(self):
        self.assertIn("no mailbox", self.mailbox("list", user="nobody@example.org", status=67))
        self.mailbox("list", user="nobody@elsewhere.example", status=67)

    def test_an_address_whose_mailbox_is_not_there_yet(self):
        self.assertRegex(self.mailbox("list", user="new@example.org"), r"(?m)^ +0 +0 +0  INBOX$")
        self.assertEqual(os.stat(self.box.maildir("new@example.org")).st_uid,
                         os.stat(self.box.maildir(self.user)).st_uid)
        with self.box.imap("new@example.org") as i:
            self.assertIn(b"Sent", b"".join(i.list()[1]))

    def test_a_directory_that_is_no_maildir_stays_as_it_is(self):
        other = self.directory("other")
        for verb in ("list", "verify", "repair", "export-uidlist"):
            self.assertIn("is no Maildir", self.mailbox(verb, user=other, status=66))
        self.assertEqual(os.listdir(other), [])

    def test_a_damaged_index_is_named_and_mended(self):
        self.mailbox("create", "Damaged")
        one = os.path.join(self.box.dir, "one")
        with open(one, "wb") as f:
            f.write(message(subject="one"))
        self.mailbox("import", "Damaged", one, one)
        self.mailbox("verify", "Damaged")
        before = self.listed()["Damaged"]
        directory = os.path.join(self.box.maildir(self.user), ".Damaged")
        cur = os.path.join(directory, "cur")
        os.unlink(os.path.join(cur, sorted(os.listdir(cur))[0]))
        self.assertIn("missing", self.mailbox("verify", "Damaged", status=1))
        with open(os.path.join(directory, "chasqui.log"), "r+b") as f:
            f.seek(20)
            f.write(b"\xff" * 60)
        self.mailbox("verify", "Damaged", status=1)
        self.assertIn("Damaged: repaired", self.mailbox("repair", "Damaged"))
        self.assertEqual(self.mailbox("verify", "Damaged"), "")
        after = self.listed()["Damaged"]
        self.assertEqual(after["messages"], 1)
        self.assertGreaterEqual(after["uidnext"], before["uidnext"])

    def test_messages_and_an_mbox_come_in(self):
        mbox = os.path.join(self.box.dir, "mbox")
        with open(mbox, "wb") as f:
            f.write(b"From a@example.net Thu Jan  1 12:00:00 2015\nSubject: a\n\none\n>From here\nFrom there\n\n"
                    b"From b@example.net Fri Jan  2 12:00:00 2015\nSubject: b\n\n>>From quoted\n\n")
        self.mailbox("create", "Old")
        self.assertIn("2 messages", self.mailbox("import", "Old", mbox))
        with self.box.imap(self.user) as i:
            i.select("Old")
            texts = [d[1] for d in i.fetch("1:*", "(INTERNALDATE BODY.PEEK[])")[1] if isinstance(d, tuple)]
            dates = i.fetch("1:*", "(INTERNALDATE)")[1]
        self.assertEqual(texts, [b"Subject: a\r\n\r\none\r\nFrom here\r\nFrom there\r\n",
                                 b"Subject: b\r\n\r\n>From quoted\r\n"])
        self.assertIn(b" 1-Jan-2015 12:00:00", dates[0].replace(b'"01', b'" 1'))
        with open(mbox, "w", encoding="ascii") as f:
            f.write("From a Thu Jan  1 12:00:00 2015\nSubject: read\nStatus: RO\nX-Status: A\nX-Keywords: $Work\n\n"
                    "Status: D\n\nFrom b\nX-Mozilla-Status: 0004\n\nFrom c\nSubject: no body\nStatus: O")
        self.mailbox("create", "Flags")
        self.assertIn("3 messages", self.mailbox("import", "Flags", mbox))
        with self.box.imap(self.user) as i:
            i.select("Flags", readonly=True)
            self.assertEqual([sorted(set(imaplib.ParseFlags(l)) - {b"\\Recent"}) for l in i.fetch("1:*", "(FLAGS)")[1]],
                             [[b"$Work", b"\\Answered", b"\\Seen"], [b"\\Flagged"], []])
            self.assertIn(b"no body\r\nStatus: O", i.fetch("3", "(BODY[])")[1][0][1])
        self.assertIn("0 messages", self.mailbox("import", "Flags", "/dev/null"))
        self.mailbox("import", "Nowhere", mbox, status=65)
        self.mailbox("import", "Old", mbox + ".missing", status=66)
        self.mailbox("import", "Old", self.box.dir, status=66)
        self.assertEqual(self.listed()["Old"]["messages"], 2)
