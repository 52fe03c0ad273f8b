# SPDX-License-Identifier: ISC
"""A Maildir that Courier has served: UIDs, UIDLs, keywords and subscriptions stay, and mbsync fetches nothing again.

Courier is not installed (it would exclude another IMAP server): its packages are unpacked below CHASQUI_COURIER_ROOT by
scripts/test.  Its programs for after the login are run as a tunnel would, on their standard input and output.
"""
import imaplib
import os
import re
import shlex
import subprocess
import unittest

from harness import COURIER_ROOT, IS_ROOT, PATIENCE, needs_program, run
from takeover import OthersMaildir

FOLDERS = ("INBOX", "Work", "Work/Old")


class Courier:
    """Courier's imapd and courierpop3d for one Maildir, logged in as its owner."""

    def __init__(self, maildir, owner):
        lib = COURIER_ROOT + "/usr/lib"
        self.start = ["setpriv", f"--reuid={owner.st_uid}", f"--regid={owner.st_gid}", "--clear-groups", "env",
                      f"LD_LIBRARY_PATH={lib}:{lib}/courier-authlib:" + ":".join(
                          os.path.join(lib, d) for d in sorted(os.listdir(lib)) if d.endswith("-linux-gnu")),
                      "HOME=" + os.path.dirname(maildir), "AUTHENTICATED=user", "AUTHUSER=user", "IMAP_KEYWORDS=1",
                      "IMAP_USELOCKS=0", "IMAP_CAPABILITY=IMAP4rev1 UIDPLUS NAMESPACE"]
        self.maildir = maildir

    def command(self, program):
        return [*self.start, COURIER_ROOT + program, self.maildir]

    def tunnel(self):
        # It misses the daemon that tells of changed files, says so, and does without.
        return shlex.join(self.command("/usr/bin/imapd")) + " 2>/dev/null | sed -u 1{/ALERT/d}"

    def imap(self):
        return imaplib.IMAP4_stream(self.tunnel())

    def pop3(self):
        """{UIDL: content}"""
        p = subprocess.Popen(self.command("/usr/lib/courier/courier/courierpop3d"), stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

        def ask(line, many):
            p.stdin.write(line + b"\r\n")
            p.stdin.flush()
            reply = p.stdout.readline()
            assert reply.startswith(b"+OK"), reply
            lines = []
            while many:
                lines.append(p.stdout.readline().rstrip(b"\r\n"))
                many = lines[-1] != b"."
            return lines[:-1]

        p.stdout.readline()
        found = {}
        for line in ask(b"UIDL", True):
            n, name = line.split()
            found[name.decode()] = b"\n".join(ask(b"RETR " + n, True))
        ask(b"QUIT", False)
        p.wait(PATIENCE)
        return found


def sees(i):
    """{mailbox: (UIDVALIDITY, {uid: flags and keywords})} and what is subscribed, whatever the server's names are like."""
    prefix, sep = re.search(rb'\(\("(.*?)" "(.)"\)\)', i.namespace()[1][0]).groups()
    found = {}
    for name in FOLDERS:
        there = name if name == "INBOX" else (prefix + name.encode().replace(b"/", sep)).decode()
        assert i.select(there, readonly=True)[0] == "OK", there
        validity = i.response("UIDVALIDITY")[1][0]
        found[name] = validity, {
            int(re.search(rb"UID (\d+)", l).group(1)):
                frozenset(re.search(rb"FLAGS \((.*?)\)", l).group(1).split()) - {b"\\Recent"}
            for l in i.uid("FETCH", "1:*", "(FLAGS)")[1] if l}
    # Courier names what is above them, too.
    subscribed = {l.split()[-1].strip(b'"').removeprefix(prefix).replace(sep, b"/") for l in i.lsub('""', "*")[1]
                  if l and b"\\Noselect" not in l}
    i.logout()
    return found, subscribed


@unittest.skipUnless(IS_ROOT and COURIER_ROOT, "needs root, and Courier as scripts/test unpacks it")
@needs_program("mbsync")
class ChangeOfServer(OthersMaildir):
    user = "cora@example.org"

    @classmethod
    def arrange(cls):
        super().arrange()
        cls.near = cls.directory("near")

    def mbsync(self, far):
        """How many messages it has got."""
        rc = os.path.join(self.near, "rc")
        with open(rc, "w", encoding="ascii") as f:
            f.write(f"IMAPStore far\n{far}\nMaildirStore near\nPath {self.near}/\nInbox {self.near}/INBOX\n"
                    "SubFolders Verbatim\n\nChannel all\nFar :far:\nNear :near:\nPatterns INBOX Work Work/Old\n"
                    "Create Near\nSync All\nExpunge None\nSyncState *\n")
        before = self.messages()
        p = run(["mbsync", "-c", rc, "-V", "all"], env={**os.environ, "HOME": self.near})
        self.assertEqual(p.returncode, 0, p.stdout + p.stderr)
        return len(self.messages() - before)

    def messages(self):
        return {os.path.join(os.path.dirname(top), n.partition(":2,")[0]) for top, _, names in os.walk(self.near)
                for n in names if os.path.basename(top) in ("cur", "new")}

    def test_nothing_is_fetched_again(self):
        courier = Courier(self.maildir, self.owner)
        self.fill(courier.imap(), "INBOX.")
        tunnel = f'Tunnel "{courier.tunnel()}"\nPath INBOX.\n'
        self.assertEqual(self.mbsync(tunnel), 11)
        self.assertEqual(self.mbsync(tunnel), 0)
        uidls, seen = courier.pop3(), sees(courier.imap())
        self.assertEqual({n: len(m) for n, (_, m) in seen[0].items()}, {"INBOX": 5, "Work": 3, "Work/Old": 3})
        self.assertEqual(len(uidls), 5)

        box = self.box
        box.start()
        host = (f"Host 127.0.0.1\nPort {box.base + 143}\nUser {self.user}\nPass secret\nSSLType None\n"
                "AuthMechs LOGIN\n")
        self.assertEqual(sees(box.imap(self.user)), seen, "UIDs, UIDVALIDITY, flags, keywords, subscriptions")
        pop3, found = box.pop3(self.user), {}
        for line in pop3.uidl()[1]:
            n, name = line.decode().split()
            found[name] = b"\n".join(pop3.retr(int(n))[1])
        pop3.quit()
        self.assertEqual(found, uidls)
        self.assertEqual(self.mbsync(host), 0, "with Chasqui")
        box.send(self.user, subject="news")
        box.wait_mail(self.user, 6)
        self.assertEqual(self.mbsync(host), 1, "only what is new")
