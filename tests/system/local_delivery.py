# SPDX-License-Identifier: ISC
"""Mail that comes in by SMTP is found in the recipient's Maildir."""
import os
import re
import unittest

from harness import Story, message, needs_program, parse, run, wait_for

USERS = [f"user{i:03}@example.org" for i in range(60)]


class LocalDelivery(Story):
    @classmethod
    def arrange(cls):
        cls.box = cls.instance(
            domains=["example.org", "second.example"],
            users=["alice@example.org", "bob@example.org", "alice@second.example"] + USERS,
            postmaster="bob@example.org")

    @needs_program("swaks")
    def test_swaks_delivers_to_a_mailbox(self):
        p = run(["swaks", "--server", f"127.0.0.1:{self.box.port}", "--to", "alice@example.org",
                 "--from", "sender@client.example", "--header", "Subject: by swaks", "--body", "from swaks",
                 "--helo", "client.example"])
        self.assertEqual(p.returncode, 0, p.stdout + p.stderr)
        raw = self.box.wait_subject("alice@example.org", "by swaks")
        self.assertIn(b"from swaks", raw)

    @needs_program("curl")
    def test_curl_delivers_to_two_mailboxes(self):
        p = run(["curl", "-sS", "--url", f"smtp://127.0.0.1:{self.box.port}/client.example",
                 "--mail-from", "sender@client.example", "--mail-rcpt", "alice@example.org",
                 "--mail-rcpt", "bob@example.org", "--upload-file", "-"], stdin=message(subject="by curl"))
        self.assertEqual(p.returncode, 0, p.stderr)
        self.box.wait_subject("alice@example.org", "by curl")
        self.box.wait_subject("bob@example.org", "by curl")

    @needs_program("msmtp")
    def test_msmtp_delivers_to_a_mailbox(self):
        p = run(["msmtp", "--host=127.0.0.1", f"--port={self.box.port}", "--from=sender@client.example",
                 "--domain=client.example", "alice@example.org"], stdin=message(subject="by msmtp").replace(b"\r\n", b"\n"))
        self.assertEqual(p.returncode, 0, p.stderr)
        self.box.wait_subject("alice@example.org", "by msmtp")

    def test_trace_fields_say_what_happened(self):
        self.box.send("alice@example.org", subject="trace")
        raw = self.box.wait_subject("alice@example.org", "trace")
        self.assertNotIn(b"\r", raw)
        lines = raw.decode().split("\n")
        self.assertEqual(lines[0], "Return-Path: <sender@client.example>")
        m = parse(raw)
        self.assertEqual(m["delivered-to"], "alice@example.org")
        received = " ".join(m["received"].split())
        self.assertRegex(received, r"^from client\.example \(.*\[127\.0\.0\.1\]\) by mx\.example\.org .*"
                                   r"with ESMTP id \S+.*; \w{3}, +\d+ \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}")
        self.assertEqual(m.get_payload(), "a line\n")

    def test_the_null_reverse_path_is_kept(self):
        self.box.send("alice@example.org", sender="", subject="null path")
        raw = self.box.wait_subject("alice@example.org", "null path")
        self.assertTrue(raw.startswith(b"Return-Path: <>\n"), raw[:80])

    def test_one_message_for_many_recipients(self):
        self.assertEqual(self.box.send(USERS, subject="to all"), {})
        for user in USERS:
            m = parse(self.box.wait_subject(user, "to all"))
            self.assertEqual(m["delivered-to"], user)

    def test_many_messages_in_one_session(self):
        with self.box.smtp() as s:
            for i in range(100):
                s.sendmail("s@client.example", ["alice@second.example"], message(subject=f"number {i}"))
        mail = self.box.wait_mail("alice@second.example", 100)
        subjects = {parse(m)["subject"] for m in mail}
        self.assertEqual(subjects, {f"number {i}" for i in range(100)})

    def test_content_arrives_unchanged(self):
        body = ("." + "\r\n..\r\n.x\r\n" + "y" * 998 + "\r\n\r\n tab\t \r\n" + "Grüße\r\n" + "From here\r\n")
        self.box.send("bob@example.org", subject="content", raw=message(subject="content", body=body),
                      mail_options=["BODY=8BITMIME"])
        raw = self.box.wait_subject("bob@example.org", "content")
        self.assertEqual(raw.split(b"\n\n", 1)[1], body.replace("\r\n", "\n").encode())

    def test_a_large_message_arrives_whole(self):
        line = bytes(range(33, 127))[:76]
        body = b"".join(b"%07d %s\r\n" % (i, line) for i in range(120000))
        raw = message(subject="large") + body
        self.box.send("bob@example.org", raw=raw)
        got = self.box.wait_subject("bob@example.org", "large")
        self.assertEqual(got.split(b"\n\n", 1)[1], b"a line\n" + body.replace(b"\r\n", b"\n"))

    def test_detail_behind_plus_reaches_the_user(self):
        self.box.send("alice+lists@example.org", subject="with detail")
        m = parse(self.box.wait_subject("alice@example.org", "with detail"))
        self.assertEqual(m["delivered-to"], "alice+lists@example.org")

    def test_the_local_part_matches_in_any_case(self):
        self.box.send("ALICE@EXAMPLE.ORG", subject="in capitals")
        self.box.wait_subject("alice@example.org", "in capitals")

    def test_a_needlessly_quoted_local_part_is_the_same_mailbox(self):
        self.box.send('"alice"@example.org', subject="quoted")
        self.box.wait_subject("alice@example.org", "quoted")

    def test_a_source_route_is_ignored(self):
        with self.box.talk() as t:
            t.ehlo()
            t.cmd("MAIL FROM:<@a.example,@b.example:s@client.example>", 250)
            t.cmd("RCPT TO:<@hop.example:alice@example.org>", 250)
            t.cmd("DATA", 354)
            t.send(message(subject="routed") + b".\r\n")
            self.assertEqual(t.reply()[0], 250)
        raw = self.box.wait_subject("alice@example.org", "routed")
        self.assertTrue(raw.startswith(b"Return-Path: <s@client.example>\n"))

    def test_postmaster_without_domain(self):
        with self.box.talk() as t:
            t.ehlo()
            t.cmd("MAIL FROM:<s@client.example>", 250)
            t.cmd("RCPT TO:<Postmaster>", 250)
            t.cmd("DATA", 354)
            t.send(message(subject="dear postmaster") + b".\r\n")
            self.assertEqual(t.reply()[0], 250)
        self.box.wait_subject("bob@example.org", "dear postmaster")

    def test_two_domains_keep_their_users_apart(self):
        self.box.send("alice@second.example", subject="for the second")
        self.box.wait_subject("alice@second.example", "for the second")
        self.assertFalse([m for m in self.box.mail("alice@example.org") if b"for the second" in m])
        refused = None
        try:
            self.box.send("bob@second.example")
        except Exception as e:          # smtplib: all recipients refused
            refused = e.recipients["bob@second.example"]
        self.assertEqual(refused[0], 550)

    def test_the_queue_is_empty_afterwards(self):
        self.box.send("alice@example.org", subject="last")
        self.box.wait_subject("alice@example.org", "last")
        self.box.wait_queue(0)

    def test_mailbox_files_belong_to_one_owner_only(self):
        self.box.send("alice@example.org", subject="modes")
        self.box.wait_subject("alice@example.org", "modes")
        new = os.path.join(self.box.maildir("alice@example.org"), "new")
        for name in os.listdir(new):
            st = os.stat(os.path.join(new, name))
            self.assertEqual(st.st_mode & 0o077, 0, oct(st.st_mode))
            self.assertEqual(st.st_uid, os.stat(new).st_uid)
        self.assertEqual(os.listdir(os.path.join(self.box.maildir("alice@example.org"), "tmp")), [])

    def test_one_id_runs_from_acceptance_to_the_mailbox_in_the_log(self):
        with self.box.talk() as t:
            t.ehlo()
            t.cmd("MAIL FROM:<s@client.example>", 250)
            t.cmd("RCPT TO:<alice@example.org>", 250)
            t.cmd("DATA", 354)
            t.send(message(subject="logged") + b".\r\n")
            code, lines = t.reply()
        self.assertEqual(code, 250)
        queue_id = re.search(r"queued as (\S+)", lines[-1]).group(1)
        self.box.wait_subject("alice@example.org", "logged")
        wait_for(lambda: re.search(rf"id={queue_id} .*delivered", self.box.log()), "the delivery's log line")
        with_id = [l for l in self.box.log().splitlines() if f"id={queue_id}" in l]
        self.assertGreaterEqual(len(with_id), 2, with_id)
        self.assertIn(f"id {queue_id}", " ".join(parse(self.box.wait_subject("alice@example.org", "logged"))["received"].split()))


class CatchAll(Story):
    @classmethod
    def arrange(cls):
        cls.box = cls.instance(domains=["example.org"], users=["alice@example.org"],
                               conf="domain all.example { type = virtual; catch_all = alice@example.org }")

    def test_any_address_of_the_domain_reaches_one_mailbox(self):
        self.box.send("whoever@all.example", subject="to whoever")
        self.box.wait_subject("alice@example.org", "to whoever")


if __name__ == "__main__":
    unittest.main()
