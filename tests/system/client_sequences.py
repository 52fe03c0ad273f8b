# SPDX-License-Identifier: ISC
"""What Thunderbird, Apple Mail, Outlook and Roundcube say, and what they need to hear.

Each story is one client's morning: the commands in its order, with its
choice of items, and its reading of the answers.  What a client builds its
view from (UIDs, counts, flags, header fields, structure) is compared with
what was put there.
"""
import base64
import email.utils
import re

from harness import message
from imap import ImapStory
from imaptalk import ImapTalk, pairs

BIG = 300000            # bytes of an attachment, more than one chunk of Thunderbird's


def multipart(subject, attachment=b"0123456789abcdef" * 64):
    lines = base64.encodebytes(attachment).replace(b"\n", b"\r\n")
    return (f"From: =?utf-8?q?J=C3=B6rg?= <joerg@example.net>\r\nTo: <alice@example.org>\r\nSubject: {subject}\r\n"
            f"Date: Thu, 26 Nov 2026 10:00:00 +0000\r\nMessage-ID: <{subject}@example.net>\r\n"
            f"References: <first@example.net>\r\nMIME-Version: 1.0\r\n"
            f'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
            f"--b\r\nContent-Type: multipart/alternative; boundary=\"c\"\r\n\r\n"
            f"--c\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nplain\r\n"
            f"--c\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>html</p>\r\n--c--\r\n"
            f'--b\r\nContent-Type: application/pdf; name="a.pdf"\r\nContent-Transfer-Encoding: base64\r\n'
            f'Content-Disposition: attachment; filename="a.pdf"\r\n\r\n').encode() + lines + b"--b--\r\n"


def header(raw, *names):
    """The fields of these names as they stand, and the empty line: what a server returns."""
    head = raw.split(b"\r\n\r\n")[0] + b"\r\n"
    fields = re.findall(rb"[^\r\n]+\r\n(?:[ \t][^\r\n]*\r\n)*", head)
    wanted = {n.lower().encode() for n in names}
    return b"".join(f for f in fields if f.split(b":")[0].lower() in wanted) + b"\r\n"


def section(item, names):
    return f"{item}[HEADER.FIELDS ({' '.join(names)})]"


def fields_of(m):
    """The value of the one item BODY[HEADER.FIELDS (...)], whatever the order of its names."""
    found = [v for k, v in m.items() if k.startswith("BODY[HEADER.FIELDS")]
    assert len(found) == 1, m
    return found[0]


class ClientStory(ImapStory):
    """Each story has an inbox of its own with the same mail."""
    users = tuple(f"{n}@example.org" for n in ("thunderbird", "condstore", "apple", "ios", "outlook", "roundcube", "quick"))

    def fill(self, user):
        self.raw = [message(subject=f"n{i}", Date=email.utils.formatdate(1700000000 + i), Message_ID=f"<n{i}@x>")
                    for i in range(5)] + [multipart("with a part", b"x" * BIG)]
        t = self.talk(user)
        for i, raw in enumerate(self.raw):
            t.ok("APPEND INBOX " + ("(\\Seen) " if i % 2 else ""), raw)
        t.logout()

    def special(self, a):
        """{use: name} of LIST's answer."""
        found = {}
        for flags, delimiter, name, *more in a.all("LIST"):
            for f in flags:
                found[f.lower()] = name if isinstance(name, str) else name.decode()
        return found


class Thunderbird(ClientStory):
    FIELDS = ("From", "To", "Cc", "Bcc", "Subject", "Date", "Message-ID", "Priority", "X-Priority", "References",
              "Newsgroups", "In-Reply-To", "Content-Type", "Reply-To")

    def connect(self, user):
        t = ImapTalk(self.box.base + 143)
        self.addCleanup(t.close)
        self.assertIn("STARTTLS", t.capabilities())
        t.starttls()
        self.assertIn("AUTH=PLAIN", t.capabilities())
        token = base64.b64encode(f"\0{user}\0secret".encode()).decode()
        t.ok("AUTHENTICATE PLAIN " + token)
        capabilities = t.capabilities()
        t.ok('ID ("name" "Thunderbird" "version" "128.0")')
        if "UTF8=ACCEPT" in capabilities:
            self.assertIn("UTF8=ACCEPT", t.ok("ENABLE UTF8=ACCEPT").one("ENABLED"))
        if "COMPRESS=DEFLATE" in capabilities:
            t.compress()
        self.assertEqual(len(t.ok("NAMESPACE").one("NAMESPACE")), 3)
        return t

    def test_a_morning(self):
        user = "thunderbird@example.org"
        self.fill(user)
        t = self.connect(user)
        use = self.special(t.ok('LIST (SPECIAL-USE) "" "*"'))
        self.assertLessEqual({"\\sent", "\\drafts", "\\trash", "\\junk", "\\archive"}, set(use))
        names = {r[2] if isinstance(r[2], str) else r[2].decode() for r in t.ok('LSUB "" "*"').all("LSUB")}
        self.assertIn(use["\\sent"], names)
        # every folder is asked for what is new
        for name in sorted(names - {"INBOX"}):
            s = pairs(t.ok(f'STATUS "{name}" (UIDNEXT MESSAGES UNSEEN RECENT)').one("STATUS")[1])
            self.assertEqual(set(s), {"UIDNEXT", "MESSAGES", "UNSEEN", "RECENT"})
        a = t.ok('SELECT "INBOX"')
        self.assertEqual(a.one("EXISTS"), [6])
        codes = a.codes()
        self.assertIn("UIDVALIDITY", codes)
        self.assertEqual(codes["UIDNEXT"], ["7"])
        self.assertIn("\\*", codes["PERMANENTFLAGS"][0])
        flags = t.ok("UID FETCH 1:* (FLAGS)").by_uid()
        self.assertEqual({u: "\\Seen" in m["FLAGS"] for u, m in flags.items()}, {u: u % 2 == 0 for u in range(1, 7)})
        a = t.ok(f"UID FETCH 1:6 (UID RFC822.SIZE FLAGS {section('BODY.PEEK', self.FIELDS)})")
        for u, m in a.by_uid().items():
            self.assertEqual(int(m["RFC822.SIZE"]), len(self.raw[u - 1]))
            self.assertEqual(fields_of(m), header(self.raw[u - 1], *self.FIELDS))
        # the large one in chunks, which grow; the first may say less than is asked for only at the end
        got, size, chunk = b"", len(self.raw[5]), 65536
        while len(got) < size:
            m = t.ok(f"UID FETCH 6 (UID RFC822.SIZE BODY.PEEK[]<{len(got)}.{chunk}>)").by_uid()[6]
            part = m[f"BODY[]<{len(got)}>"]
            self.assertEqual(len(part), min(chunk, size - len(got)))
            got, chunk = got + part, chunk + 32768
        self.assertEqual(got, self.raw[5])
        # what is read becomes seen by its own command
        a = t.ok("UID STORE 1 +FLAGS (\\Seen)")
        self.assertIn("\\Seen", a.by_uid()[1]["FLAGS"])
        # new mail while it idles
        tag = t.idle()
        self.box.send(user, subject="new")
        t.hear_exists(7)
        self.assertEqual(t.done(tag).status, "OK")
        a = t.ok("UID FETCH 7:* (FLAGS)")
        self.assertEqual(list(a.by_uid()), [7])
        self.assertNotIn("\\Seen", a.by_uid()[7]["FLAGS"])
        # "n:*" above the last names the last message
        self.assertEqual(list(t.ok("UID FETCH 99:* (FLAGS)").by_uid()), [7])
        roots = t.ok('GETQUOTAROOT "INBOX"')
        self.assertTrue(roots.all("QUOTAROOT"))
        # delete: to the trash, then gone here
        a = t.cmd(f'UID MOVE 2 "{use[chr(92) + "trash"]}"')
        self.assertEqual(a.status, "OK")
        self.assertEqual(a.codes()["COPYUID"][1:], ["2", "1"])
        self.assertEqual([r[0] for r in a.all("EXPUNGE")], [2])
        # sent mail is put away
        a = t.ok(f'APPEND "{use[chr(92) + "sent"]}" (\\Seen) ', message(subject="sent"))
        self.assertEqual(a.code[0], "APPENDUID")
        t.ok("CLOSE")
        t.logout()

    def test_a_mailbox_whose_name_is_not_ascii(self):
        user = "thunderbird@example.org"
        t = self.connect(user)
        t.ok('CREATE "Entw\u00fcrfe/\u65e5\u672c"')
        names = [r[2].decode() if isinstance(r[2], bytes) else r[2] for r in t.ok('LIST "" "Entw*"').all("LIST")]
        self.assertIn("Entw\u00fcrfe/\u65e5\u672c", names)
        old = self.talk(user)
        names = [r[2].decode() if isinstance(r[2], bytes) else r[2] for r in old.ok('LIST "" "Entw*"').all("LIST")]
        self.assertIn("Entw&APw-rfe/&ZeVnLA-", names)
        t.ok('SELECT "Entw\u00fcrfe/\u65e5\u672c"')

    def test_with_condstore(self):
        user = "condstore@example.org"
        self.fill(user)
        t = self.connect(user)
        a = t.ok('SELECT "INBOX" (CONDSTORE)')
        modseq = int(a.codes()["HIGHESTMODSEQ"][0])
        other = self.talk(user)
        other.ok("SELECT INBOX")
        other.ok("UID STORE 3 +FLAGS.SILENT ($Label1)")
        a = t.ok(f"UID FETCH 1:* (FLAGS) (CHANGEDSINCE {modseq})")
        self.assertEqual(list(a.by_uid()), [3])
        self.assertIn("$Label1", a.by_uid()[3]["FLAGS"])
        self.assertGreater(int(a.by_uid()[3]["MODSEQ"][0]), modseq)

    def test_five_connections(self):
        user = "quick@example.org"
        all_of_them = [self.connect(user) for _ in range(5)]
        for t in all_of_them:
            t.ok("SELECT INBOX")
        all_of_them[0].ok("APPEND INBOX ", message(subject="seen by all"))
        for t in all_of_them:
            t.ok("NOOP")
            self.assertEqual(t.ok("UID SEARCH ALL").one("SEARCH"), ["1"])


class Apple(ClientStory):
    FIELDS = ("date", "subject", "from", "to", "cc", "message-id", "in-reply-to", "references", "x-priority",
              "x-uniform-type-identifier", "x-universally-unique-identifier")

    def connect(self, user):
        t = ImapTalk(self.box.base + 993, tls=True)
        self.addCleanup(t.close)
        t.ok("CAPABILITY")
        t.ok('ID ("name" "Mac OS X Mail" "version" "16.0" "os" "Mac OS X" "vendor" "Apple Inc.")')
        t.ok(f"LOGIN {user} secret")
        t.ok("CAPABILITY")
        return t

    def test_mail_on_a_mac(self):
        user = "apple@example.org"
        self.fill(user)
        t = self.connect(user)
        self.assertIn("CONDSTORE", t.ok("ENABLE CONDSTORE").one("ENABLED"))
        use = self.special(t.ok('LIST "" "*" RETURN (SPECIAL-USE)'))
        self.assertIn("\\sent", use)
        s = pairs(t.ok("STATUS INBOX (MESSAGES UIDNEXT UIDVALIDITY UNSEEN HIGHESTMODSEQ)").one("STATUS")[1])
        self.assertEqual((s["MESSAGES"], s["UIDNEXT"], s["UNSEEN"]), ("6", "7", "3"))
        a = t.ok("SELECT INBOX")
        self.assertEqual(a.codes()["HIGHESTMODSEQ"], [s["HIGHESTMODSEQ"]])
        a = t.ok(f"FETCH 1:6 (INTERNALDATE UID RFC822.SIZE FLAGS {section('BODY.PEEK', self.FIELDS)} MODSEQ)")
        self.assertEqual(sorted(a.by_uid()), [1, 2, 3, 4, 5, 6])
        for u, m in a.by_uid().items():
            self.assertRegex(m["INTERNALDATE"].decode(), r"^[ \d]\d-\w{3}-\d{4} \d\d:\d\d:\d\d [+-]\d{4}$")
            self.assertEqual(fields_of(m), header(self.raw[u - 1], *self.FIELDS))
            self.assertGreater(int(m["MODSEQ"][0]), 0)
        structure = t.ok("UID FETCH 6 (BODYSTRUCTURE)").by_uid()[6]["BODYSTRUCTURE"]
        self.assertEqual([structure[0][2], structure[2]], [b"alternative", b"mixed"])
        self.assertEqual(structure[1][:2], [b"application", b"pdf"])
        self.assertEqual(structure[1][2], [b"name", b"a.pdf"])
        self.assertEqual(structure[1][8], [b"attachment", [b"filename", b"a.pdf"]])
        a = t.ok("UID FETCH 6 (BODY.PEEK[1.1] BODY.PEEK[1.2.MIME] BODY.PEEK[2]<0.100>)").by_uid()[6]
        self.assertEqual(a["BODY[1.1]"], b"plain")
        self.assertEqual(a["BODY[1.2.MIME]"], b"Content-Type: text/html; charset=utf-8\r\n\r\n")
        self.assertEqual(len(a["BODY[2]<0>"]), 100)
        self.assertEqual(int(structure[1][6]), len(t.ok("UID FETCH 6 (BODY.PEEK[2])").by_uid()[6]["BODY[2]"]))

    def test_ios_comes_back_with_qresync(self):
        user = "ios@example.org"
        self.fill(user)
        t = self.connect(user)
        self.assertIn("QRESYNC", t.ok("ENABLE QRESYNC").one("ENABLED"))
        codes = t.ok("SELECT INBOX").codes()
        validity, modseq = codes["UIDVALIDITY"][0], codes["HIGHESTMODSEQ"][0]
        t.logout()
        other = self.talk(user)
        other.ok("SELECT INBOX")
        other.ok("UID STORE 2 +FLAGS.SILENT (\\Deleted)")
        other.ok("EXPUNGE")
        other.ok("UID STORE 3 +FLAGS.SILENT (\\Answered)")
        self.box.send(user, subject="meanwhile")
        self.box.wait_subject(user, "meanwhile")
        t = self.connect(user)
        t.ok("ENABLE QRESYNC")
        a = t.ok(f"SELECT INBOX (QRESYNC ({validity} {modseq} 1:6))")
        self.assertEqual(a.one("VANISHED"), [["EARLIER"], "2"])
        self.assertEqual(a.one("EXISTS"), [6])
        # Of what it says to know; it fetches the rest itself.
        self.assertEqual(set(a.by_uid()), {3})
        self.assertIn("\\Answered", a.by_uid()[3]["FLAGS"])
        self.assertEqual(a.codes()["UIDNEXT"], ["8"])
        self.assertEqual(set(t.ok("UID FETCH 7:* (FLAGS)").by_uid()), {7})
        # and again: nothing
        codes = a.codes()
        a = t.ok(f"SELECT INBOX (QRESYNC ({validity} {codes['HIGHESTMODSEQ'][0]}))")
        self.assertEqual((a.all("VANISHED"), a.all("FETCH")), ([], []))


class Outlook(ClientStory):
    def test_a_morning(self):
        user = "outlook@example.org"
        self.fill(user)
        t = ImapTalk(self.box.base + 993, tls=True)
        self.addCleanup(t.close)
        t.ok("CAPABILITY")
        t.ok(f"LOGIN {user} secret")
        t.ok("CAPABILITY")
        for kind in ("LIST", "LSUB"):
            found = t.ok(f'{kind} "" "*"').all(kind)
            self.assertIn("INBOX", [r[2] if isinstance(r[2], str) else r[2].decode() for r in found])
        self.assertEqual(t.ok('SELECT "INBOX"').one("EXISTS"), [6])
        self.assertEqual(sorted(t.ok("UID FETCH 1:* (UID)").by_uid()), [1, 2, 3, 4, 5, 6])
        self.assertEqual(sorted(t.ok("FETCH 1:6 (UID FLAGS)").by_uid()), [1, 2, 3, 4, 5, 6])
        for u in range(1, 7):
            m = t.ok(f"UID FETCH {u} (BODY.PEEK[HEADER] UID)").by_uid()[u]
            self.assertEqual(m["BODY[HEADER]"], self.raw[u - 1].split(b"\r\n\r\n")[0] + b"\r\n\r\n")
            m = t.ok(f"UID FETCH {u} (BODY.PEEK[] UID)").by_uid()[u]
            self.assertEqual(m["BODY[]"], self.raw[u - 1])
        tag = t.idle()
        self.box.send(user, subject="new")
        t.hear_exists(7)
        self.assertEqual(t.done(tag).status, "OK")
        self.assertEqual(list(t.ok("UID FETCH 7:* (UID FLAGS)").by_uid()), [7])
        t.ok("UID STORE 7 +FLAGS (\\Seen \\Deleted)")
        self.assertEqual([r[0] for r in t.ok("EXPUNGE").all("EXPUNGE")], [7])
        t.logout()

    def test_many_users_from_one_address(self):
        """The cloud behind a mobile client has few addresses."""
        held = [self.talk(u, tls=True) for u in self.users for _ in range(3)]
        for t in held:
            t.ok("NOOP")


class Roundcube(ClientStory):
    FIELDS = ("DATE", "FROM", "TO", "SUBJECT", "CONTENT-TYPE", "CC", "REPLY-TO", "LIST-POST",
              "DISPOSITION-NOTIFICATION-TO", "X-PRIORITY")

    def request(self, user):
        """One HTTP request is one connection."""
        t = ImapTalk(self.box.base + 143)
        self.addCleanup(t.close)
        t.ok(f"LOGIN {user} secret")
        t.ok('ID ("name" "Roundcube" "version" "1.6" "php" "8.2" "os" "Linux" "command" "/")')
        return t

    def test_requests(self):
        user = "roundcube@example.org"
        self.fill(user)
        t = self.request(user)
        a = t.ok('LIST (SUBSCRIBED) "" "*" RETURN (STATUS (MESSAGES UNSEEN))')
        listed = {r[2] if isinstance(r[2], str) else r[2].decode() for r in a.all("LIST")}
        counted = {(r[0] if isinstance(r[0], str) else r[0].decode()): pairs(r[1]) for r in a.all("STATUS")}
        self.assertEqual(set(counted), listed)
        a = t.ok('LIST "" "*" RETURN (SPECIAL-USE)')
        self.assertIn("\\trash", self.special(a))
        t.logout()
        # the list of messages
        t = self.request(user)
        s = pairs(t.ok("STATUS INBOX (MESSAGES UNSEEN UIDNEXT)").one("STATUS")[1])
        self.assertEqual((s["MESSAGES"], s["UNSEEN"]), ("6", "3"))
        t.ok("SELECT INBOX")
        a = t.ok("UID SORT (REVERSE DATE) US-ASCII ALL UNDELETED")
        self.assertEqual(a.one("SORT"), ["6", "5", "4", "3", "2", "1"])
        a = t.ok("UID SORT (SUBJECT) US-ASCII ALL")
        self.assertEqual(a.one("SORT"), ["1", "2", "3", "4", "5", "6"])
        roots = t.ok("UID THREAD REFERENCES US-ASCII ALL UNDELETED")
        self.assertEqual(sorted(int(x[0]) for x in roots.one("THREAD")), [1, 2, 3, 4, 5, 6])
        a = t.ok("UID SEARCH RETURN (ALL) UNSEEN")
        self.assertEqual(a.one("ESEARCH"), [["TAG", a.tag.encode()], "UID", "ALL", "1,3,5"])
        a = t.ok("UID SEARCH RETURN (COUNT MIN MAX) ALL")
        self.assertEqual(pairs(a.one("ESEARCH")[2:]), {"COUNT": "6", "MIN": "1", "MAX": "6"})
        a = t.ok(f"UID FETCH 1:6 (UID RFC822.SIZE FLAGS INTERNALDATE BODYSTRUCTURE {section('BODY.PEEK', self.FIELDS)})")
        for u, m in a.by_uid().items():
            self.assertEqual(fields_of(m), header(self.raw[u - 1], *self.FIELDS))
            self.assertIn(m["BODYSTRUCTURE"][0] if u < 6 else m["BODYSTRUCTURE"][2], (b"text", b"mixed"))
        roots = t.ok('GETQUOTAROOT "INBOX"')
        self.assertTrue(roots.all("QUOTAROOT"))
        t.logout()
        # one message: shown, flagged, put away
        t = self.request(user)
        t.ok("SELECT INBOX")
        m = t.ok("UID FETCH 6 (UID RFC822.SIZE FLAGS INTERNALDATE BODYSTRUCTURE BODY.PEEK[HEADER])").by_uid()[6]
        self.assertEqual(m["BODYSTRUCTURE"][1][:2], [b"application", b"pdf"])
        m = t.ok("UID FETCH 6 (BODY.PEEK[1.2])").by_uid()[6]
        self.assertEqual(m["BODY[1.2]"], b"<p>html</p>")
        self.assertEqual(t.ok("UID FETCH 6 (BINARY.PEEK[2]<0.10>)").by_uid()[6]["BINARY[2]<0>"], b"x" * 10)
        t.ok("UID STORE 1,3,5 +FLAGS.SILENT (\\Seen)")
        self.assertEqual(t.ok("UID SEARCH RETURN (COUNT) UNSEEN").one("ESEARCH")[2:], ["COUNT", "0"])
        a = t.ok("UID MOVE 1:2 Trash")
        self.assertEqual(a.codes()["COPYUID"][1:], ["1:2", "1:2"])
        t.logout()
        t = self.request(user)
        t.ok("SELECT Trash")
        t.ok("UID STORE 1:* +FLAGS.SILENT (\\Deleted)")
        t.ok("UID EXPUNGE 1:*")
        self.assertEqual(pairs(t.ok("STATUS Trash (MESSAGES)").one("STATUS")[1]), {"MESSAGES": "0"})
        t.ok("CREATE Trash/old")
        t.refused("CREATE Trash/old")
        t.ok("SUBSCRIBE Trash/old")
        t.ok("DELETE Trash/old")
        t.logout()
