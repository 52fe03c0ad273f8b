# SPDX-License-Identifier: ISC
"""The SMTP extensions that are offered are true, and LMTP answers each recipient."""
from harness import Ports, Story, Talk, message, parse


class Extensions(Story):
    @classmethod
    def arrange(cls):
        cls.box = cls.instance()

    def begin(self, t, params="", to="alice@example.org"):
        t.ehlo()
        t.cmd(f"MAIL FROM:<s@client.example>{params}", 250)
        t.cmd(f"RCPT TO:<{to}>", 250)

    def test_ehlo_offers_what_is_documented(self):
        with self.box.talk() as t:
            offers = t.ehlo()
        for keyword in ("PIPELINING", "SIZE", "8BITMIME", "ENHANCEDSTATUSCODES", "DSN", "CHUNKING", "BINARYMIME",
                        "SMTPUTF8", "LIMITS"):
            self.assertIn(keyword, offers)
        self.assertEqual(offers["SIZE"], "SIZE 52428800")
        self.assertIn("RCPTMAX=1000", offers["LIMITS"])

    def test_helo_offers_nothing(self):
        with self.box.talk() as t:
            self.assertEqual(len(t.cmd("HELO client.example", 250)[1]), 1)

    def test_a_whole_group_at_once(self):
        with self.box.talk() as t:
            t.ehlo()
            t.send("MAIL FROM:<s@client.example>\r\nRCPT TO:<alice@example.org>\r\nRCPT TO:<nobody@example.org>\r\n"
                   "RCPT TO:<bob@example.org>\r\nDATA\r\n")
            codes = [t.reply()[0] for _ in range(5)]
            self.assertEqual(codes, [250, 250, 550, 250, 354])
            t.send(message(subject="pipelined") + b".\r\nNOOP\r\nQUIT\r\n")
            self.assertEqual([t.reply()[0] for _ in range(3)], [250, 250, 221])
        self.box.wait_subject("alice@example.org", "pipelined")
        self.box.wait_subject("bob@example.org", "pipelined")

    def test_pipelined_data_without_recipients(self):
        with self.box.talk() as t:
            t.ehlo()
            t.send("MAIL FROM:<s@client.example>\r\nRCPT TO:<nobody@example.org>\r\nDATA\r\n")
            self.assertEqual([t.reply()[0] for _ in range(2)], [250, 550])
            code = t.reply()[0]
            self.assertIn(code, (503, 554))
            self.assertEqual(t.cmd("NOOP")[0], 250)

    def test_bdat_in_chunks(self):
        raw = message(subject="chunks", body=".\r\nnot an end\r\n")
        with self.box.talk() as t:
            self.begin(t)
            for i in range(0, len(raw), 7):
                part = raw[i:i + 7]
                t.send(b"BDAT %d\r\n" % len(part) + part)
            t.send(b"BDAT 0 LAST\r\n")
            n = (len(raw) + 6) // 7 + 1
            self.assertEqual({t.reply()[0] for _ in range(n)}, {250})
        got = self.box.wait_subject("alice@example.org", "chunks")
        self.assertTrue(got.endswith(b"\n\n.\nnot an end\n"), got[-60:])

    def test_bdat_refused_recipient_swallows_the_chunk(self):
        with self.box.talk() as t:
            t.ehlo()
            t.cmd("MAIL FROM:<s@client.example>", 250)
            t.cmd("RCPT TO:<nobody@example.org>", 550)
            t.send(b"BDAT 14 LAST\r\nNOOP\r\nNOOP\r\nx\r")
            self.assertEqual(t.reply()[0] // 100, 5)
            self.assertEqual(t.cmd("RSET")[0], 250)

    def test_binarymime_keeps_every_byte(self):
        body = bytes(range(256)) * 8
        raw = (b"From: <s@client.example>\r\nTo: <bob@example.org>\r\nSubject: binary\r\nMIME-Version: 1.0\r\n"
               b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n") + body
        with self.box.talk() as t:
            self.begin(t, " BODY=BINARYMIME", "bob@example.org")
            t.send(b"BDAT %d LAST\r\n" % len(raw) + raw)
            self.assertEqual(t.reply()[0], 250)
        got = self.box.wait_subject("bob@example.org", "binary")
        self.assertEqual(len(got.split(b"\n\n", 1)[1].rstrip(b"\n")) > 2000, True)

    def test_data_after_binarymime_is_refused(self):
        with self.box.talk() as t:
            self.begin(t, " BODY=BINARYMIME")
            self.assertEqual(t.cmd("DATA")[0], 503)

    def test_smtputf8_addresses(self):
        with self.box.talk() as t:
            t.ehlo()
            t.cmd("MAIL FROM:<grüße@müller.example> SMTPUTF8", 250)
            t.cmd("RCPT TO:<alice@example.org>", 250)
            t.cmd("DATA", 354)
            t.send(message(subject="utf8") + b".\r\n")
            self.assertEqual(t.reply()[0], 250)
        got = self.box.wait_subject("alice@example.org", "utf8")
        self.assertTrue(got.startswith("Return-Path: <grüße@müller.example>\n".encode()), got[:80])
        self.assertIn("with UTF8SMTP id", " ".join(parse(got)["received"].split()))

    def test_utf8_without_smtputf8_is_refused(self):
        with self.box.talk() as t:
            t.ehlo()
            code = t.cmd("MAIL FROM:<grüße@client.example>")[0]
            self.assertIn(code, (501, 550, 553))

    def test_vrfy_help_noop_rset(self):
        with self.box.talk() as t:
            t.ehlo()
            self.assertEqual(t.cmd("VRFY alice@example.org")[0], 252)
            self.assertEqual(t.cmd("HELP")[0], 214)
            self.assertEqual(t.cmd("NOOP whatever")[0], 250)
            t.cmd("MAIL FROM:<s@client.example>", 250)
            t.cmd("RSET", 250)
            self.assertEqual(t.cmd("RCPT TO:<alice@example.org>")[0], 503)
            self.assertEqual(t.cmd("QUIT")[0], 221)
            self.assertTrue(t.closed())

    def test_an_address_literal_of_this_host_is_ours_or_refused_cleanly(self):
        with self.box.talk() as t:
            t.ehlo("[127.0.0.1]")
            t.cmd("MAIL FROM:<s@[192.0.2.1]>", 250)
            code = t.cmd("RCPT TO:<alice@[not.an.address]>")[0]
            self.assertEqual(code, 501)


class Lmtp(Story):
    @classmethod
    def arrange(cls):
        cls.port = Ports.single()
        cls.box = cls.instance(conf=f"listener lmtp {{ address = 127.0.0.1:{cls.port} ; mode = lmtp }}")

    def test_a_reply_for_each_recipient(self):
        with Talk(("127.0.0.1", self.port)) as t:
            t.cmd("LHLO client.example", 250)
            t.cmd("MAIL FROM:<s@client.example>", 250)
            t.cmd("RCPT TO:<alice@example.org>", 250)
            t.cmd("RCPT TO:<nobody@example.org>", 550)
            t.cmd("RCPT TO:<bob@example.org>", 250)
            t.cmd("DATA", 354)
            t.send(message(subject="by lmtp") + b".\r\n")
            self.assertEqual([t.reply()[0], t.reply()[0]], [250, 250])
            self.assertEqual(t.cmd("NOOP")[0], 250)
        got = self.box.wait_subject("alice@example.org", "by lmtp")
        self.box.wait_subject("bob@example.org", "by lmtp")
        self.assertIn("with LMTP id", " ".join(parse(got)["received"].split()))

    def test_ehlo_is_not_lmtp(self):
        with Talk(("127.0.0.1", self.port)) as t:
            self.assertEqual(t.cmd("EHLO client.example")[0] // 100, 5)
            self.assertEqual(t.cmd("LHLO client.example")[0], 250)
        with self.box.talk() as t:
            self.assertEqual(t.cmd("LHLO client.example")[0] // 100, 5)
