# SPDX-License-Identifier: ISC
"""A Maildir that Dovecot has served, served here, and by Dovecot again: nobody's mail gets another UID."""
import os
import pwd
import re
import unittest

from harness import CHASQUI, IS_ROOT, Story, message, needs_program, run

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
