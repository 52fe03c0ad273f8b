# SPDX-License-Identifier: ISC
"""Tables and configuration change under a running suite, or are refused."""
import os
import re
import smtplib

from harness import Ports, Story, Talk, message, wait_for


class Tables(Story):
    @classmethod
    def arrange(cls):
        cls.box = cls.instance(
            tables={"tables/people": "one@t.example\n", "tables/virt": "alias@t.example one@t.example\n"},
            conf="""table people { type = file ; path = people }
                    table virt { type = file ; path = virt }
                    table patterns { type = pcre ; path = patterns }
                    alias.virtual = virt patterns
                    domain t.example { type = virtual ; mailboxes = people }""", start=False)
        cls.box.write("tables/patterns", "/^re-(one)@t\\.example$/ $1@t.example\n")
        cls.box.start()

    def code(self, to):
        with self.box.talk() as t:
            t.ehlo()
            t.cmd("MAIL FROM:<s@client.example>", 250)
            return t.cmd(f"RCPT TO:<{to}>")[0]

    def test_a_fifo_in_a_file_s_place_is_not_waited_for(self):
        since = len(self.box.log())
        for path, status in ((self.box.path("tables", "people"), 0), (self.box.conf_path, os.EX_CONFIG)):
            os.rename(path, path + ".kept")
            os.mkfifo(path)
            try:
                r = self.box.tool("config", "check")
                self.assertEqual(r.returncode, os.EX_CONFIG)
                self.assertIn(path, r.stderr)
                self.assertEqual(self.box.reload(check=False).returncode, status)
                # What was read before is there, or it is for a moment not.
                self.assertIn(self.code("one@t.example") // 100, (2, 4))
            finally:
                os.rename(path + ".kept", path)
            self.box.reload()
            wait_for(lambda: self.code("one@t.example") == 250, "the file to be read again")
        self.box.wait_log("event=table-broken table=people", since=since)

    def test_a_changed_file_is_noticed(self):
        self.assertEqual(self.code("two@t.example"), 550)
        self.box.write("tables/people", "one@t.example\ntwo@t.example\n")
        wait_for(lambda: self.code("two@t.example") == 250, "the new user")
        self.box.send("two@t.example", subject="new user")
        self.box.wait_subject("two@t.example", "new user")
        self.box.write("tables/people", "one@t.example\n")
        wait_for(lambda: self.code("two@t.example") == 550, "the user to be gone")

    def test_a_pattern(self):
        self.assertEqual(self.code("re-one@t.example"), 250)
        self.assertEqual(self.code("re-two@t.example"), 550)

    def test_a_broken_table_leaves_the_old_in_force_and_says_so(self):
        since = len(self.box.log())
        self.box.write("tables/patterns", "/^re-(one@t\\.example$/ one@t.example\n")
        self.box.wait_log(r"patterns.*1", since=since)
        self.assertEqual(self.code("re-one@t.example"), 250)
        self.box.write("tables/patterns", "/^re-(one)@t\\.example$/ $1@t.example\n")

    def test_a_table_that_disappears_leaves_the_old_in_force(self):
        since = len(self.box.log())
        path = self.box.path("tables", "virt")
        os.rename(path, path + ".away")
        try:
            self.box.wait_log(r"virt", since=since)
            self.assertEqual(self.code("alias@t.example"), 250)
        finally:
            os.rename(path + ".away", path)

    def test_chasqui_table_query(self):
        p = self.box.tool("table", "query", "virt", "alias@t.example")
        self.assertEqual((p.returncode, p.stdout.strip()), (0, "one@t.example"), p.stderr)
        self.assertNotEqual(self.box.tool("table", "query", "virt", "nothing@t.example").returncode, 0)


class BerkeleyDb(Story):
    @classmethod
    def arrange(cls):
        cls.box = cls.instance(start=False, tables={"tables/dbpeople": "one@db.example\n",
                                                    "tables/dbvirt": "v@db.example one@db.example\n"},
                               conf="""table dbpeople { type = btree ; path = dbpeople }
                                       table dbvirt { type = hash ; path = dbvirt }
                                       alias.virtual = dbvirt
                                       domain db.example { type = virtual ; mailboxes = dbpeople }""")
        for t in ("dbpeople", "dbvirt"):
            cls.box.tool("table", "make", t, check=True)
        cls.box.start()

    def test_btree_and_hash_files_are_read_and_noticed(self):
        self.box.send("v@db.example", subject="from db")
        self.box.wait_subject("one@db.example", "from db")
        self.box.write("tables/dbpeople", "one@db.example\ntwo@db.example\n")
        self.box.tool("table", "make", "dbpeople", check=True)

        def two():
            try:
                self.box.send("two@db.example", subject="second")
                return True
            except smtplib.SMTPRecipientsRefused:
                return False
        wait_for(two, "the new user")
        self.box.wait_subject("two@db.example", "second")


class Reload(Story):
    @classmethod
    def arrange(cls):
        cls.box = cls.instance(tables={"tables/users2": "carol@new.example\n"})

    def setUp(self):
        self.good = self.box.read_conf()

    def tearDown(self):
        self.box.write_conf(self.good)
        self.box.reload()

    def test_a_new_domain_without_dropping_a_connection(self):
        with self.box.talk() as t:
            t.ehlo()
            t.cmd("MAIL FROM:<s@client.example>", 250)
            t.cmd("RCPT TO:<alice@example.org>", 250)
            self.box.append("""table users2 { type = file ; path = users2 }
                               domain new.example { type = virtual ; mailboxes = users2 }""")
            self.box.reload()
            t.cmd("DATA", 354)
            t.send(message(subject="across a reload") + b".\r\n")
            self.assertEqual(t.reply()[0], 250)
        self.box.wait_subject("alice@example.org", "across a reload")

        def accepted():
            try:
                self.box.send("carol@new.example", subject="new domain")
                return True
            except smtplib.SMTPRecipientsRefused:
                return False
        wait_for(accepted, "the new domain")
        self.box.wait_subject("carol@new.example", "new domain")

    def test_a_new_limit(self):
        self.box.set("smtp.max_message", "10K")
        self.box.reload()

        def offered():
            with self.box.talk() as t:
                return t.ehlo()["SIZE"] == "SIZE 10240"
        wait_for(offered, "the new limit")

    def test_a_new_listener(self):
        port = Ports.single()
        self.box.append(f"listener more {{ address = 127.0.0.1:{port} }}")
        self.box.reload()

        def answers():
            try:
                with Talk(("127.0.0.1", port), timeout=5) as t:
                    return t.greeting[0] == 220
            except OSError:
                return False
        wait_for(answers, "the new listener")

    def test_broken_configuration_is_refused_with_its_place(self):
        n = self.good.rstrip("\n").count("\n") + 2
        for line, word in (("smpt.max_message = 5M", "smtp.max_message"), ("smtp.max_message = lots", "size"),
                                   ("domain x.example { type = virtuel }", "virtual"),
                                   ('smtp.banner = "open', "quot"), ("domain y.example { mailboxes = not-there }", "not-there")):
            with self.subTest(line=line):
                self.box.write_conf(self.good.rstrip("\n") + "\n" + line + "\n")
                p = self.box.reload(check=False)
                self.assertNotEqual(p.returncode, 0)
                text = p.stdout + p.stderr
                self.assertRegex(text, rf"chasqui\.conf:{n}:\d+: ", line)
                self.assertIn(word.lower(), text.lower())
                check = self.box.tool("config", "check")
                self.assertNotEqual(check.returncode, 0)
                self.assertRegex(check.stdout + check.stderr, rf"chasqui\.conf:{n}:\d+: ")
                self.box.send("alice@example.org", subject="still here")
        self.assertGreaterEqual(len(self.box.wait_mail("alice@example.org", 5)), 5)

    def test_mail_flows_through_many_reloads(self):
        with self.box.smtp() as s:
            for i in range(20):
                s.sendmail("s@client.example", ["bob@example.org"], message(subject=f"reload {i}"))
                self.box.reload()
        mail = self.box.wait_mail("bob@example.org", 20)
        self.assertEqual(len({re.search(rb"Subject: (reload \d+)", m).group(1) for m in mail}), 20)
