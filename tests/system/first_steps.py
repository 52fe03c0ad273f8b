# SPDX-License-Identifier: ISC
"""What an operator does first: init, then domains, users and aliases by command."""
import json
import os
import pty
import select
import subprocess
import time

from harness import CHASQUI, PATIENCE, Story, run, wait_for


class Terminal:
    """A program at a terminal."""

    def __init__(self, argv):
        master, slave = pty.openpty()
        self.fd = master
        self.process = subprocess.Popen(list(map(str, argv)), stdin=slave, stdout=slave, stderr=slave,
                                        start_new_session=True)
        os.close(slave)
        self.seen = ""

    def expect(self, text):
        end = time.monotonic() + PATIENCE
        while text not in self.seen:
            if not select.select([self.fd], [], [], max(0, end - time.monotonic()))[0]:
                raise AssertionError(f"no {text!r} in {self.seen!r}")
            try:
                data = os.read(self.fd, 4096)
            except OSError:
                data = b""
            if not data:
                raise AssertionError(f"ended without {text!r}: {self.seen!r}")
            self.seen += data.decode()
        self.seen = self.seen.split(text, 1)[1]

    def answer(self, question, line):
        self.expect(question)
        os.write(self.fd, line.encode() + b"\n")

    def end(self):
        """The rest of what it said, and its status."""
        while True:
            try:
                data = os.read(self.fd, 4096)
            except OSError:
                break
            if not data:
                break
            self.seen += data.decode()
        os.close(self.fd)
        return self.process.wait(PATIENCE), self.seen


class Init(Story):
    def test_asks_what_it_cannot_know(self):
        d = self.directory("init")
        os.rmdir(d)
        t = Terminal([CHASQUI, "init", "--dir", d])
        t.answer("The name of this host", "mx.example.org")
        t.answer("A domain whose mail is received here", "example.org")
        t.answer("Its first mailbox", "alice")
        t.answer("Its password", "secret")
        t.answer("Once more", "secret")
        status, said = t.end()
        self.assertEqual(status, 0, said)
        for record in ("mx.example.org. A ", "example.org. MX 10 mx.example.org.", '"v=spf1 mx -all"',
                       "_dmarc.example.org. TXT", "PTR"):
            self.assertIn(record, said)
        with open(d + "/auth/passwords") as f:
            text = f.read()
        self.assertRegex(text, r"(?m)^alice@example.org\s")
        self.assertNotIn("secret", text)
        p = run([CHASQUI, "-C", d, "config", "check"])
        self.assertEqual(p.returncode, 0, p.stderr)

    def test_passwords_that_differ_write_nothing(self):
        d = self.directory("init")
        os.rmdir(d)
        t = Terminal([CHASQUI, "init", "--dir", d, "--hostname", "mx.example.org"])
        t.answer("A domain", "example.org")
        t.answer("Its first mailbox", "alice@example.org")
        t.answer("Its password", "secret")
        t.answer("Once more", "secrte")
        status, said = t.end()
        self.assertEqual(status, 65, said)
        self.assertFalse(os.path.exists(d))


class Domains(Story):
    @classmethod
    def arrange(cls):
        cls.box = cls.instance(start=True)

    def ok(self, *args, **kw):
        p = self.box.tool(*args, **kw)
        self.assertEqual(p.returncode, 0, p.stdout + p.stderr)
        return p.stdout

    def refused(self, status, reason, *args, **kw):
        before = self.box.read_conf()
        p = self.box.tool(*args, **kw)
        self.assertEqual(p.returncode, status, p.stdout + p.stderr)
        self.assertIn(reason, p.stderr)
        self.assertEqual(self.box.read_conf(), before)

    def test_a_domain_comes_on_line_and_goes(self):
        before = self.box.read_conf()
        said = self.ok("domain", "add", "new.example")
        self.assertIn("new.example. MX 10 mx.example.org.", said)
        self.ok("user", "add", "carol@new.example", "--mailbox", stdin=b"secret\n")
        wait_for(lambda: self.box.tool("explain", "carol@new.example").returncode == 0 and "accepted" in
                 self.box.tool("explain", "carol@new.example").stdout, "the mailbox to be known")
        self.box.send("carol@new.example", subject="first")
        self.box.wait_subject("carol@new.example", "first")
        self.assertIn({"domain": "new.example", "type": "virtual", "mailboxes": ["mailboxes"], "recipients": [],
                       "catch_all": "", "relay_to": ""},
                      [json.loads(l) for l in self.ok("domain", "list", "--json").splitlines()])
        said = self.ok("domain", "del", "NEW.example")
        self.assertIn("the table mailboxes keeps its 1 addresses", said)
        self.assertEqual(self.box.read_conf(), before)
        self.assertNotIn("Maildir", self.box.tool("explain", "carol@new.example").stdout)

    def test_a_domain_in_letters_of_all_alphabets(self):
        where = os.path.join(self.directory("idn"), "x")
        run([CHASQUI, "init", "--dir", where, "--hostname", "mx.example.org", "--domain", "b\u00fccher.example",
             "--user", "carol@b\u00fccher.example:secret", "--port-base", self.box.base + 500], check=True)
        run([CHASQUI, "-C", where, "config", "check"], check=True)
        for said in (self.ok("domain", "add", "b\u00fccher.example"), self.ok("domain", "records", "b\u00fccher.example")):
            self.assertIn("\nxn--bcher-kva.example. MX 10 mx.example.org.", said)
        self.ok("domain", "del", "b\u00fccher.example")

    def test_mail_programs_are_led_here_only_where_there_are_mailboxes(self):
        said = self.ok("domain", "add", "boxes.example")
        self.assertRegex(said, r"_imaps\._tcp\.boxes\.example\. SRV .* mx\.example\.org\.")
        for domain, more in (("on.example", ["--type", "relay", "--relay-to", "[192.0.2.1]:25"]),
                             ("names.example", ["--type", "alias"])):
            for said in (self.ok("domain", "add", domain, *more), self.ok("domain", "records", domain)):
                self.assertIn(f"{domain}. MX 10 mx.example.org.", said)
                self.assertNotIn("SRV", said)
            self.ok("domain", "del", domain)
        self.ok("domain", "del", "boxes.example")

    def test_what_is_wrong_is_refused_with_its_reason(self):
        self.refused(65, "is there already", "domain", "add", "example.org")
        self.refused(64, "not a domain", "domain", "add", "exa mple")
        self.refused(64, "not a domain", "domain", "add", "alice@example.org")
        self.refused(65, "no next hop", "domain", "add", "r.example", "--type", "relay", "--relay-to", "a b")
        self.refused(65, "did you mean", "domain", "add", "v.example", "--type", "vitrual")
        self.refused(64, "--relay-to is for", "domain", "add", "v.example", "--relay-to", "[192.0.2.1]")
        self.refused(1, "is no domain of", "domain", "del", "none.example")

    def test_an_account_is_what_was_asked_for(self):
        for args in (["passwd", "alice@example.org", "--mailbox"], ["del", "alice@example.org", "--protocols", "imap"],
                     ["list", "--mailbox"], ["app-password", "add", "alice@example.org", "phone", "--json"]):
            self.refused(64, "usage: ", "user", *args)
        # A domain that is mistyped.
        self.refused(65, "exmaple.org is not a domain of this host", "user", "add", "dora@exmaple.org", "--mailbox",
                     stdin=b"secret\n")
        self.assertNotIn("dora", self.ok("user", "list"))
        self.ok("user", "add", "dora@example.org", "--mailbox", stdin=b"secret\n")
        self.ok("user", "passwd", "dora@example.org", "--protocols", "imap", stdin=b"secret\n")
        self.assertEqual([(a["login"], a["protocols"]) for a in map(json.loads, self.ok("user", "list", "--json").splitlines())
                          if a["login"].startswith("dora")], [("dora@example.org", "imap")])

    def test_a_broken_configuration_is_not_built_upon(self):
        text = self.box.read_conf()
        self.box.write_conf(text + "nonsense = 1\n")
        p = self.box.tool("domain", "add", "more.example")
        self.box.write_conf(text)
        self.assertEqual(p.returncode, 78)

    def read(self, table):
        with open(self.box.path("tables", table)) as f:
            return f.read()

    def test_aliases_keep_what_stands_around_them(self):
        text = ("# people\nsales@example.org alice@example.org,\n  # not in March\n  bob@example.org\n\n"
                "# the last\ninfo@example.org\talice@example.org")
        self.box.write("tables/virtual", text)
        self.assertEqual(self.ok("alias", "add", "help@example.org", "bob@example.org"),
                         "help@example.org: bob@example.org\n")
        self.assertEqual(self.read("virtual"), text + "\nhelp@example.org\tbob@example.org\n")
        self.ok("alias", "add", "SALES@example.org", "x@elsewhere.example", "bob@example.org")
        self.assertEqual(self.read("virtual"), "# people\nsales@example.org\talice@example.org, bob@example.org, "
                         "x@elsewhere.example\n\n# the last\ninfo@example.org\talice@example.org\n"
                         "help@example.org\tbob@example.org\n")
        self.ok("alias", "del", "sales@example.org", "alice@example.org", "x@elsewhere.example")
        self.ok("alias", "del", "help@example.org")
        self.assertEqual(self.read("virtual"), "# people\nsales@example.org\tbob@example.org\n\n# the last\n"
                         "info@example.org\talice@example.org\n")
        wait_for(lambda: "bob@example.org" in self.box.tool("explain", "sales@example.org").stdout and
                 "alice" not in self.box.tool("explain", "sales@example.org").stdout, "the change in force")
        names = [json.loads(l)["name"] for l in self.ok("alias", "list", "--json").splitlines()]
        self.assertEqual([n for n in names if "@" in n], ["sales@example.org", "info@example.org"])

    def test_system_aliases(self):
        self.ok("alias", "add", "root", "alice@example.org")
        self.ok("alias", "add", "archive", '"|/usr/bin/archive a, b"', "/var/mail/archive/", ":include:/etc/list")
        self.assertIn('\narchive: "|/usr/bin/archive a, b", /var/mail/archive/, :include:/etc/list\n',
                      self.read("aliases"))
        self.ok("alias", "del", "archive", "/var/mail/archive/")
        self.assertIn('\narchive: "|/usr/bin/archive a, b", :include:/etc/list\n', self.read("aliases"))
        self.ok("alias", "del", "archive")

    def test_wrong_aliases_give_the_reason(self):
        self.box.write("tables/virtual", "postmaster@example.org alice@example.org\n")
        for reason, args in (
                ("is no domain that is received here", ("add", "a@elsewhere.example", "b@example.org")),
                ("addresses only", ("add", "a@example.org", "|/bin/program")),
                ("an address with its domain", ("add", "a@example.org", "bob")),
                ("more than one target", ("add", "a@example.org", "b@example.org, c@example.org")),
                ("it is not an address", ("add", "a@example.org", "b@@example.org")),
                ("is not an address", ("add", "a b@example.org", "b@example.org")),
                ("has no nobody@example.org", ("del", "nobody@example.org")),
                ("does not lead to", ("del", "postmaster@example.org", "x@example.org")),
                ("is not in alias.virtual", ("add", "a@example.org", "b@example.org", "--table", "mailboxes"))):
            with self.subTest(args=args):
                before = self.read("virtual")
                p = self.box.tool("alias", *args)
                self.assertNotEqual(p.returncode, 0)
                self.assertIn(reason, p.stderr)
                self.assertEqual(self.read("virtual"), before)

    def test_other_kinds_of_tables(self):
        box = self.instance(start=False, conf="""
alias.virtual = db patterns
table db {
type = hash
path = db
}
table patterns {
type = pcre
path = patterns
}
""")
        box.write("tables/db", "x@example.org alice@example.org\n")
        box.write("tables/patterns", "/a/ b@example.org\n")
        box.tool("table", "make", check=True)
        p = box.tool("alias", "add", "y@example.org", "bob@example.org")
        self.assertEqual(p.returncode, 0, p.stderr)
        self.assertEqual(box.tool("table", "query", "db", "y@example.org").stdout, "bob@example.org\n")
        p = box.tool("alias", "add", "y@example.org", "bob@example.org", "--table", "patterns")
        self.assertEqual(p.returncode, 65)
        self.assertIn("by hand", p.stderr)

    def test_the_first_virtual_alias_declares_its_table(self):
        box = self.instance(start=False)
        text = box.read_conf()
        box.write_conf(text.replace("alias.virtual = virtual\n", "").replace(
            "table virtual { type = file; path = virtual }\n", ""))
        os.unlink(box.path("tables", "virtual"))
        p = box.tool("alias", "add", "y@example.org", "bob@example.org")
        self.assertEqual(p.returncode, 0, p.stderr)
        self.assertEqual(box.tool("table", "query", "virtual", "y@example.org").stdout, "bob@example.org\n")
