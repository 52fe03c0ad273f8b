# SPDX-License-Identifier: ISC
"""Aliases, lists, programs and ~/.forward lead mail where they say."""
import os
import shutil
import smtplib

from harness import Report, Story, maildir, message, needs_root, parse, wait_for
from sink import Sink


class VirtualAliases(Story):
    @classmethod
    def arrange(cls):
        cls.sink = Sink()
        cls.at_end(cls.sink.stop)
        cls.box = cls.instance(
            domains=["example.org"], users=["alice@example.org", "bob@example.org"],
            relay={"elsewhere.example": f"127.0.0.1:{cls.sink.port}"},
            tables={"tables/virtual": "sales@example.org alice@example.org, bob@example.org\n"
                                      "info@example.org sales@example.org\n"
                                      "out@example.org someone@elsewhere.example\n"
                                      "loop-a@example.org loop-b@example.org\n"
                                      "loop-b@example.org loop-a@example.org\n"
                                      "@old.example alice@example.org\n"
                                      "twice@example.org alice@example.org, alice@example.org, info@example.org\n"
                                      "alice@other.example alice@example.org\n"},
            conf="""table my-virtual { type = file ; path = virtual }
                    alias.virtual = my-virtual
                    domain old.example { type = virtual }
                    domain other.example { type = alias }""")

    def test_an_alias_becomes_several_mailboxes(self):
        self.box.send("sales@example.org", subject="to sales")
        self.box.wait_subject("alice@example.org", "to sales")
        self.box.wait_subject("bob@example.org", "to sales")

    def test_an_alias_of_an_alias(self):
        self.box.send("info@example.org", subject="to info")
        self.box.wait_subject("alice@example.org", "to info")
        self.box.wait_subject("bob@example.org", "to info")

    def test_who_is_named_twice_gets_one_copy(self):
        self.box.send("twice@example.org", subject="once only")
        self.box.wait_subject("bob@example.org", "once only")
        self.box.wait_queue(0)
        copies = [m for m in self.box.mail("alice@example.org") if parse(m)["subject"] == "once only"]
        self.assertEqual(len(copies), 1)

    def test_an_alias_to_another_host(self):
        self.box.send("out@example.org", subject="outward")
        m = wait_for(lambda: [m for m in self.sink.messages if b"Subject: outward" in m.data], "the sink's copy")[0]
        self.assertEqual(m.recipients, ["someone@elsewhere.example"])
        self.assertEqual(m.sender, "sender@client.example")

    def test_a_whole_domain_to_one_mailbox(self):
        self.box.send("anyone@old.example", subject="whole domain")
        self.box.wait_subject("alice@example.org", "whole domain")

    def test_an_alias_domain_has_only_its_aliases(self):
        self.box.send("alice@other.example", subject="via other")
        self.box.wait_subject("alice@example.org", "via other")
        with self.assertRaises(smtplib.SMTPRecipientsRefused) as e:
            self.box.send("bob@other.example")
        self.assertEqual(e.exception.recipients["bob@other.example"][0], 550)

    def test_aliases_that_run_in_a_circle_are_refused_at_rcpt(self):
        with self.assertRaises(smtplib.SMTPRecipientsRefused) as e:
            self.box.send("loop-a@example.org")
        code, text = e.exception.recipients["loop-a@example.org"]
        self.assertEqual(code // 100, 5, text)


@needs_root
class SystemUsers(Story):
    @classmethod
    def arrange(cls):
        cls.anna, cls.karl = cls.system_user("a"), cls.system_user("k")
        cls.sink = Sink()
        cls.at_end(cls.sink.stop)
        cls.out = cls.directory("pipe")
        os.chmod(cls.out, 0o777)
        script = os.path.join(cls.out, "take")
        with open(script, "w") as f:
            f.write("#!/bin/sh\n{ printf '%s\\n' \"$@\"; id -un; cat; } > " + cls.out + "/$1.tmp\n"
                    f"mv {cls.out}/$1.tmp {cls.out}/$1\n")
        os.chmod(script, 0o755)
        for name, status in (("tempfail", 75), ("hardfail", 1)):
            with open(os.path.join(cls.out, name), "w") as f:
                f.write(f"#!/bin/sh\ncat >/dev/null\necho no luck today >&2\nexit {status}\n")
            os.chmod(os.path.join(cls.out, name), 0o755)
        a, k = cls.anna.pw_name, cls.karl.pw_name
        cls.list_file = os.path.join(cls.out, "members")
        with open(cls.list_file, "w") as f:
            f.write(f"# the members\n{a}\n{k}, someone@elsewhere.example\n")
        cls.box = cls.instance(
            domains=[], users=[], relay={"elsewhere.example": f"127.0.0.1:{cls.sink.port}"},
            tables={"tables/aliases": f"""# aliases(5)
root: {a}
Postmaster: root
both: {a}, {k}
folded: {a},
    {k}
list: :include:{cls.list_file}
owner-list: {k}
prog: "|{script} one two"
tricky: "|{script} three $(id) ;id 'a b'"
temp: |{cls.out}/tempfail
hard: |{cls.out}/hardfail
file: {cls.out}/mbox
nothing: /dev/null
long: "|{script} long {'x' * 1500} end"
comments: {a} (the first), "Karl" <{k}> (away)
large: {', '.join(f'm{i}@elsewhere.example' for i in range(5000))}
circle: circle2
circle2: circle
"""},
            conf=f"""table my-aliases {{ type = aliases ; path = aliases }}
                    alias.tables = my-aliases
                    alias.includes = {cls.out}
                    domain system.example {{ type = system }}""")

    def mail(self, who):
        return maildir(os.path.join(who.pw_dir, "Maildir"))

    def wait(self, who, subject):
        def there():
            return [m for m in self.mail(who) if parse(m)["subject"] == subject]
        return wait_for(there, lambda: f"{subject!r} for {who.pw_name}; log:\n" + self.box.log()[-4000:])[0]

    def forward(self, who, text, mode=0o644, owner=None):
        path = os.path.join(who.pw_dir, ".forward")
        if text is None:
            if os.path.exists(path):
                os.unlink(path)
            return
        with open(path + ".new", "w") as f:
            f.write(text)
        os.chmod(path + ".new", mode)
        shutil.chown(path + ".new", owner or who.pw_name)
        os.rename(path + ".new", path)

    def test_a_system_user_gets_mail_in_the_home_directory(self):
        self.box.send(f"{self.anna.pw_name}@system.example", subject="home")
        self.wait(self.anna, "home")
        new = os.path.join(self.anna.pw_dir, "Maildir", "new")
        for name in os.listdir(new):
            st = os.stat(os.path.join(new, name))
            self.assertEqual((st.st_uid, st.st_gid, st.st_mode & 0o077), (self.anna.pw_uid, self.anna.pw_gid, 0))

    def test_detail_of_a_system_user(self):
        self.box.send(f"{self.anna.pw_name}+shop@system.example", subject="home detail")
        self.wait(self.anna, "home detail")

    def test_users_below_the_minimum_uid_get_none(self):
        with self.assertRaises(smtplib.SMTPRecipientsRefused):
            self.box.send("daemon@system.example")

    def test_root_is_an_alias(self):
        self.box.send("root@system.example", subject="for root")
        self.wait(self.anna, "for root")

    def test_names_match_in_any_case(self):
        self.box.send("POSTMASTER@system.example", subject="capitals")
        self.wait(self.anna, "capitals")

    def test_several_and_folded_lines(self):
        for name in ("both", "folded"):
            self.box.send(f"{name}@system.example", subject=name)
            self.wait(self.anna, name)
            self.wait(self.karl, name)

    def test_a_list_from_a_file_with_its_owner_as_reverse_path(self):
        self.box.send("list@system.example", subject="to the list")
        self.wait(self.anna, "to the list")
        raw = self.wait(self.karl, "to the list")
        self.assertTrue(raw.startswith(b"Return-Path: <owner-list@system.example>\n"), raw[:100])
        m = wait_for(lambda: [m for m in self.sink.messages if b"Subject: to the list" in m.data], "the sink's copy")[0]
        self.assertEqual((m.sender, m.recipients), ("owner-list@system.example", ["someone@elsewhere.example"]))

    def test_a_list_file_that_changed_is_read_again(self):
        path = os.path.join(self.out, "members")
        with open(path) as f:
            before = f.read()
        try:
            with open(path + ".new", "w") as f:
                f.write(self.karl.pw_name + "\n")
            os.rename(path + ".new", path)

            def only_karl():
                out = self.box.tool("explain", "list@system.example").stdout
                return self.karl.pw_name in out and self.anna.pw_name not in out
            wait_for(only_karl, "the changed list")
            self.box.send("list@system.example", subject="smaller list")
            self.wait(self.karl, "smaller list")
            self.box.wait_queue(0)
            self.assertFalse([m for m in self.mail(self.anna) if b"smaller list" in m])
        finally:
            with open(path + ".new", "w") as f:
                f.write(before)
            os.rename(path + ".new", path)
            wait_for(lambda: self.anna.pw_name in self.box.tool("explain", "list@system.example").stdout,
                     "the list as it was")

    def test_a_program_gets_the_message_by_argv_without_a_shell(self):
        self.box.send("prog@system.example", subject="for a program")
        text = wait_for(lambda: os.path.exists(self.out + "/one") and open(self.out + "/one").read(), "the program's file")
        lines = text.splitlines()
        self.assertEqual(lines[:3], ["one", "two", "nobody"])
        self.assertIn("Subject: for a program", lines)
        self.box.send("tricky@system.example", subject="no shell")
        text = wait_for(lambda: os.path.exists(self.out + "/three") and open(self.out + "/three").read(),
                        "the program's file")
        self.assertIn("$(id)", text)
        self.assertNotIn("uid=", text)

    def test_a_long_command_is_run_whole(self):
        self.box.send("long@system.example", subject="long command")
        text = wait_for(lambda: os.path.exists(self.out + "/long") and open(self.out + "/long").read(),
                        "the program's file")
        self.assertEqual(text.splitlines()[:3], ["long", "x" * 1500, "end"])

    def test_comments_beside_addresses(self):
        self.box.send("comments@system.example", subject="comments")
        self.wait(self.anna, "comments")
        self.wait(self.karl, "comments")

    def test_a_list_of_thousands_in_the_table_itself(self):
        self.box.send("large@system.example", subject="to thousands")

        def served():
            return [r for m in self.sink.messages if b"Subject: to thousands" in m.data for r in m.recipients]
        wait_for(lambda: len(served()) >= 5000, "all members")
        self.assertEqual(len(set(served())), 5000)

    def test_a_program_that_fails_for_now_is_run_again(self):
        self.box.send("temp@system.example", subject="try again")
        self.box.wait_log(r"deferred.*no luck today")
        entry = [e for e in self.box.queue() if "no luck today" in str(e)]
        self.assertEqual(len(entry), 1)
        self.box.tool("queue", "delete", entry[0]["id"], check=True)

    def test_a_program_that_fails_makes_a_bounce(self):
        self.box.send("hard@system.example", sender=f"{self.anna.pw_name}@system.example", subject="bounce me")

        def report():
            return [m for m in self.mail(self.anna) if b"bounce me" in m and b"multipart/report" in m]
        raw = wait_for(report, lambda: "the bounce; log:\n" + self.box.log()[-3000:])[0]
        self.assertIn(b"no luck today", raw)

    def test_a_file_and_dev_null(self):
        self.box.send("file@system.example", subject="for a file")
        text = wait_for(lambda: os.path.exists(self.out + "/mbox") and open(self.out + "/mbox").read(), "the mbox")
        self.assertRegex(text, r"^From sender@client\.example ")
        self.box.send("nothing@system.example", subject="for nobody")
        self.box.wait_queue(0)

    def test_a_circle_is_refused_at_rcpt(self):
        with self.assertRaises(smtplib.SMTPRecipientsRefused):
            self.box.send("circle@system.example")

    def test_forward_to_another_host_and_keep_a_copy(self):
        self.forward(self.karl, f"\\{self.karl.pw_name}\nkarl@elsewhere.example\n")
        try:
            self.box.send(f"{self.karl.pw_name}@system.example", subject="forwarded")
            self.wait(self.karl, "forwarded")
            m = wait_for(lambda: [m for m in self.sink.messages if b"Subject: forwarded" in m.data], "the sink's copy")[0]
            self.assertEqual(m.recipients, ["karl@elsewhere.example"])
        finally:
            self.forward(self.karl, None)

    def test_a_name_in_a_forward_is_of_the_users_domain(self):
        self.forward(self.karl, f"\\{self.anna.pw_name}, nobody-at-all\n")
        try:
            self.box.send(f"{self.karl.pw_name}@system.example", subject="bare names",
                          sender=f"{self.anna.pw_name}@system.example")
            raw = wait_for(lambda: [m for m in self.mail(self.anna) if b"multipart/report" in m and b"bare names" in m],
                           lambda: "the report; log:\n" + self.box.log()[-3000:])[0]
            Report(raw).recipient("nobody-at-all@system.example")
            self.wait(self.anna, "bare names")
        finally:
            self.forward(self.karl, None)

    def test_forward_to_a_program_runs_as_the_user(self):
        self.forward(self.karl, f'"|{self.out}/take karl"\n')
        try:
            self.box.send(f"{self.karl.pw_name}@system.example", subject="own program")
            text = wait_for(lambda: os.path.exists(self.out + "/karl") and open(self.out + "/karl").read(),
                            lambda: "the program's file; log:\n" + self.box.log()[-3000:])
            self.assertEqual(text.splitlines()[:2], ["karl", self.karl.pw_name])
        finally:
            self.forward(self.karl, None)

    def test_a_forward_that_others_may_write_is_not_followed(self):
        self.forward(self.karl, "karl@elsewhere.example\n", mode=0o666)
        try:
            self.box.send(f"{self.karl.pw_name}@system.example", subject="writable forward")
            self.box.wait_log(r"forward.*writ|writ.*forward")
            self.assertFalse([m for m in self.sink.messages if b"writable forward" in m.data])
        finally:
            self.forward(self.karl, None)
        self.wait(self.karl, "writable forward")

    def test_a_forward_to_oneself_does_not_loop(self):
        self.forward(self.anna, f"{self.anna.pw_name}@system.example\n")
        try:
            self.box.send(f"{self.anna.pw_name}@system.example", subject="to myself")
            self.wait(self.anna, "to myself")
            self.box.wait_queue(0)
            self.assertEqual(len([m for m in self.mail(self.anna) if parse(m)["subject"] == "to myself"]), 1)
        finally:
            self.forward(self.anna, None)

    def test_two_forwards_in_a_circle_end(self):
        self.forward(self.anna, f"{self.karl.pw_name}@system.example\n")
        self.forward(self.karl, f"{self.anna.pw_name}@system.example\n")
        try:
            self.box.send(f"{self.anna.pw_name}@system.example", subject="round and round", sender="")
            self.box.wait_queue(0)
        finally:
            self.forward(self.anna, None)
            self.forward(self.karl, None)
