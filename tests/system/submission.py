# SPDX-License-Identifier: ISC
"""Users log in and send: TLS, AUTH, what is checked, added and kept back; with real clients."""
import base64
import email.utils
import os
import smtplib
import ssl
import time

from harness import MAILQ, Story, Talk, message, needs_program, parse, run, wait_for


def trusting():
    """A client that takes the suite's own certificate."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Submission(Story):
    conf = ""

    @classmethod
    def arrange(cls):
        cls.box = cls.instance(conf=cls.conf)

    @property
    def starttls(self):
        return self.box.base + 587

    @property
    def implicit(self):
        return self.box.base + 465

    def client(self, login="alice@example.org", password="secret"):
        c = smtplib.SMTP_SSL("127.0.0.1", self.implicit, "client.example", context=trusting())
        self.addCleanup(c.close)
        if login:
            c.login(login, password)
        return c

    def send(self, raw, sender="alice@example.org", to="bob@example.org", client=None, options=()):
        c = client or self.client()
        c.sendmail(sender, [to], raw, mail_options=options)
        return c

    def refused(self, expect, call, *args, **kw):
        """The words of a refusal, which smtplib raises or returns."""
        with self.assertRaises((smtplib.SMTPResponseException, smtplib.SMTPSenderRefused)) as caught:
            reply = call(*args, **kw)
            if reply:
                raise smtplib.SMTPResponseException(*reply)
        self.assertEqual(caught.exception.smtp_code, expect, caught.exception.smtp_error)
        return caught.exception.smtp_error.decode()


class Rules(Submission):
    conf = ("alias.virtual = virtual\n"
            "submission.senders = may\n"
            "table may { type = inline; entries = \"bob@example.org=boss@example.org @club.example\" }\n")

    def test_ehlo_before_and_after_tls(self):
        with Talk(("127.0.0.1", self.starttls)) as t:
            offers = t.ehlo()
            self.assertIn("STARTTLS", offers)
            self.assertNotIn("AUTH", offers)
            self.assertEqual(t.cmd("MAIL FROM:<alice@example.org>")[0], 530)
            self.assertEqual(t.cmd("AUTH PLAIN AGEAYg==")[0], 530)
        c = smtplib.SMTP("127.0.0.1", self.starttls, "client.example")
        c.starttls(context=trusting())
        c.ehlo()
        for word in ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"):
            self.assertIn(word, c.esmtp_features["auth"].split())
        self.assertNotIn("EXTERNAL", c.esmtp_features["auth"].split())
        for word in ("futurerelease", "deliverby", "mt-priority"):
            self.assertIn(word, c.esmtp_features)
        self.assertNotIn("requiretls", c.esmtp_features)
        c.login("alice@example.org", "secret")
        c.sendmail("alice@example.org", ["bob@example.org"], message(sender="alice@example.org", subject="by 587"))
        c.quit()
        self.box.wait_subject("bob@example.org", "by 587")

    def test_port_25_has_no_logins(self):
        with self.box.talk() as t:
            offers = t.ehlo()
            self.assertNotIn("AUTH", offers)
            self.assertNotIn("FUTURERELEASE", offers)
            self.assertEqual(t.cmd("AUTH PLAIN AGEAYg==")[0], 502)

    def test_nobody_sends_without_a_login(self):
        c = self.client(login=None)
        c.ehlo()
        self.assertIn("5.7.0", self.refused(530, c.sendmail, "alice@example.org", ["bob@example.org"], b"x"))

    def test_wrong_passwords(self):
        c = self.client(login=None)
        self.refused(535, c.login, "alice@example.org", "Sesame-0815")
        self.refused(535, c.login, "nobody@example.org", "secret")
        # Neither is in the log, nor is the password.
        log = self.box.log()
        self.assertNotIn("Sesame", log)
        self.assertNotIn(base64.b64encode(b"\0alice@example.org\0Sesame-0815").decode(), log)
        self.assertNotIn(base64.b64encode(b"Sesame-0815").decode(), log)

    def test_each_mechanism_of_smtplib(self):
        for name in ("PLAIN", "LOGIN"):
            c = self.client(login=None)
            c.ehlo()
            c.user, c.password = "alice@example.org", "secret"
            code, _ = c.auth(name, getattr(c, "auth_" + name.lower()))
            self.assertEqual(code, 235)
            c.quit()

    def test_cancelled_and_then_right(self):
        c = self.client(login=None)
        c.ehlo()
        self.assertEqual(c.docmd("AUTH", "LOGIN")[0], 334)
        self.assertEqual(c.docmd("*")[0], 501)
        self.assertEqual(c.docmd("AUTH", "PLAIN")[0], 334)
        self.assertEqual(c.docmd(base64.b64encode(b"\0alice@example.org\0secret").decode())[0], 235)
        self.assertEqual(c.docmd("AUTH", "PLAIN")[0], 503)

    def test_what_is_missing_is_added_and_bcc_removed(self):
        self.send(b"Subject: bare\r\nBcc: secret@example.org\r\nReturn-Path: <x>\r\n\r\nhello\r\n")
        got = parse(self.box.wait_subject("bob@example.org", "bare"))
        self.assertEqual(got["from"], "alice@example.org")
        self.assertIsNone(got["bcc"])
        self.assertEqual(got.get_all("return-path"), ["<alice@example.org>"])
        self.assertIsNotNone(email.utils.parsedate_to_datetime(got["date"]))
        self.assertRegex(got["message-id"], r"^<\w+@mx\.example\.org>$")
        self.assertEqual(got.get_content(), "hello\n")
        self.assertIn("with ESMTPSA (TLSv1.3", " ".join(got["received"].split()))
        self.assertIn("[127.0.0.1]", got["received"])
        self.assertNotIn("login", str(got))

    def test_a_complete_header_section_stays_as_it_is(self):
        raw = (b"x-Odd:  spaces \t\r\n\tfolded\r\nFrom: Me <alice@example.org>\r\nSubject: complete\r\n"
               b"Date: Mon, 01 Jan 2024 00:00:00 +0000\r\nMessage-ID: <mine@here>\r\n\r\nbody\r\n")
        self.send(raw)
        got = self.box.wait_subject("bob@example.org", "complete")
        self.assertTrue(got.endswith(raw.replace(b"\r\n", b"\n")), got)

    def test_large_messages_lose_their_bcc_too(self):
        raw = message(sender="alice@example.org", subject="large", Bcc="secret@example.org",
                      body="0123456789" * 8 + "\r\n")
        raw += b"x" * 76 + b"\r\n"
        self.send(raw + (b"y" * 76 + b"\r\n") * 20000)
        got = self.box.wait_subject("bob@example.org", "large")
        self.assertNotIn(b"Bcc", got)
        self.assertGreater(len(got), 1500000)
        self.assertEqual(len(self.box.queue()), 0)

    def test_senders(self):
        c = self.client()
        self.assertIn("5.7.1", self.refused(553, c.mail, "bob@example.org"))
        self.assertEqual(c.mail("alice+work@example.org")[0], 250)
        c.rset()
        self.assertEqual(c.mail("")[0], 250)
        c.rset()
        self.assertIn("5.7.1", self.refused(550, self.send, message(sender="bob@example.org"), client=c))
        raw = message(sender="alice@example.org", Sender="bob@example.org")
        self.assertIn("bob@example.org", self.refused(550, self.send, raw, client=c))
        b = self.client("bob@example.org")
        for sender in ("boss@example.org", "any@club.example"):
            self.send(message(sender=sender, subject="may " + sender), sender=sender, to="alice@example.org", client=b)
            self.box.wait_subject("alice@example.org", "may " + sender)

    def test_an_alias_is_its_owners(self):
        self.box.write("tables/virtual", "info@example.org alice@example.org\n"
                       "all@example.org alice@example.org, bob@example.org\n")
        c = self.client()
        wait_for(lambda: (c.rset(), c.mail("info@example.org"))[1][0] == 250, "the alias to be known")
        c.rset()
        self.refused(553, c.mail, "all@example.org")

    def test_two_from_fields_and_lines_that_are_none(self):
        c = self.client()
        for raw in (b"From: alice@example.org\r\nFrom: bob@example.org\r\n\r\n",
                    b"From: alice@example.org\r\nnot a field\r\nBcc: x\r\n\r\n",
                    b"From: \r\n\r\n"):
            self.refused(550, self.send, raw, client=c)
        self.refused(552, self.send, b"X: y\r\n" * 30000 + b"\r\n", client=c)
        self.send(message(sender="alice@example.org", subject="still alive"), client=c)
        self.box.wait_subject("bob@example.org", "still alive")

    def test_the_log_says_who_it_was(self):
        self.send(message(sender="alice@example.org", subject="logged"))
        self.box.wait_subject("bob@example.org", "logged")
        self.box.wait_log(r'event=login client=127\.0\.0\.1 login="?alice@example\.org"? tls=yes')
        self.box.wait_log(r'event=accepted .*login="?alice@example\.org')
        self.assertNotIn(base64.b64encode(b"\0alice@example.org\0secret").decode(), self.box.log())

    def test_held_until_its_time(self):
        self.send(message(sender="alice@example.org", subject="in an hour"), options=["HOLDFOR=3600"])
        entry = wait_for(lambda: self.box.queue("--sender", "alice@example.org"), "the message to be in the queue")[0]
        shown = self.box.tool("queue", "show", entry["id"], check=True).stdout
        self.assertIn("release: 20", shown)
        self.assertIn("login: alice@example.org", shown.replace('"', ""))
        self.assertEqual(entry["login"], "alice@example.org")
        self.assertIn("to be released", run([MAILQ, "-C", self.box.dir], check=True).stdout)
        self.box.tool("queue", "delete", entry["id"], check=True)
        start = time.time()
        self.send(message(sender="alice@example.org", subject="in three seconds"), options=["HOLDFOR=3"])
        self.box.tool("queue", "retry", "--all")
        self.box.wait_subject("bob@example.org", "in three seconds")
        self.assertGreaterEqual(time.time() - start, 2.9)

    def test_returned_in_time(self):
        start = time.time()
        self.send(message(sender="alice@example.org", subject="in vain"), to="x@nowhere.invalid",
                  options=["BY=3;R", "MT-PRIORITY=4"])
        wait_for(lambda: b"in vain" in b"".join(self.box.mail("alice@example.org")), "the report")
        self.assertLess(time.time() - start, 30)


class Limits(Submission):
    conf = "submission.limits = 3/1h\nsubmission.recipient_limits = 5/1d\n"

    def test_limits_survive_a_restart(self):
        c = self.client()
        for i in range(2):
            self.send(message(sender="alice@example.org", subject=f"number {i}"), client=c)
        c.mail("alice@example.org")
        codes = [c.rcpt(f"{n}+x@example.org")[0] for n in ("alice", "bob", "alice", "bob")]
        self.assertEqual(codes, [250, 250, 250, 452])
        c.rset()
        self.send(message(sender="alice@example.org", subject="the last"), client=c)
        self.assertIn("4.7.1", self.refused(450, c.mail, "alice@example.org"))
        self.box.wait_subject("bob@example.org", "the last")
        self.box.wait_log(r'event=refused .*login="?alice@example\.org"? stage=mail code=450')
        other = self.client("bob@example.org")
        self.assertEqual(other.mail("bob@example.org")[0], 250)
        self.box.kill()
        self.box.start()
        self.assertIn("4.7.1", self.refused(450, self.client().mail, "alice@example.org"))
        self.box.stop()
        self.box.start()
        self.assertIn("4.7.1", self.refused(450, self.client().mail, "alice@example.org"))
        self.assertEqual(self.client("bob@example.org").mail("bob@example.org")[0], 250)


class Clients(Submission):
    @needs_program("swaks")
    def test_swaks(self):
        for i, how in enumerate((["--tls", "-p", self.starttls, "--auth", "PLAIN"],
                                 ["--tlsc", "-p", self.implicit, "--auth", "LOGIN"],
                                 ["--tlsc", "-p", self.implicit, "--auth", "PLAIN", "--auth-user", "bob@example.org"])):
            user = "bob@example.org" if "--auth-user" in how else "alice@example.org"
            p = run(["swaks", "--server", "127.0.0.1", "--from", user, "--to", "bob@example.org",
                     "--auth-user", user, "--auth-password", "secret", "--helo", "swaks.example",
                     "--header", f"Subject: swaks {i}"] + how)
            self.assertEqual(p.returncode, 0, p.stdout + p.stderr)
            self.box.wait_subject("bob@example.org", f"swaks {i}")

    @needs_program("msmtp")
    def test_msmtp(self):
        for i, (port, starttls, auth) in enumerate(((self.starttls, "on", "plain"), (self.implicit, "off", "login"),
                                                    (self.implicit, "off", "scram-sha-256"))):
            conf = self.box.write(f"msmtp{i}", f"defaults\ntls on\ntls_certcheck off\ntls_starttls {starttls}\n"
                                  f"account a\nhost 127.0.0.1\nport {port}\nfrom alice@example.org\nauth {auth}\n"
                                  "user alice@example.org\npassword secret\naccount default : a\n")
            os.chmod(conf, 0o600)
            p = run(["msmtp", "-C", conf, "bob@example.org"],
                    stdin=f"From: alice@example.org\nSubject: msmtp {i}\nBcc: x@example.org\n\nhello\n".encode())
            if auth == "scram-sha-256" and "not" in p.stderr and "support" in p.stderr:
                continue        # this build of it does not know SCRAM
            self.assertEqual(p.returncode, 0, p.stdout + p.stderr)
            self.box.wait_subject("bob@example.org", f"msmtp {i}")

    @needs_program("curl")
    def test_curl(self):
        path = self.box.write("message", "From: <alice@example.org>\nSubject: curl\n\nhello\n")
        for url, more in ((f"smtps://127.0.0.1:{self.implicit}/client.example", []),
                          (f"smtp://127.0.0.1:{self.starttls}/client.example", ["--ssl-reqd"]),
                          (f"smtps://127.0.0.1:{self.implicit}/client.example", ["--login-options", "AUTH=PLAIN",
                                                                                 "--sasl-ir"])):
            before = len(self.box.mail("bob@example.org"))
            p = run(["curl", "-sSk", "--crlf", "--url", url, "--user", "alice@example.org:secret",
                     "--mail-from", "alice@example.org", "--mail-rcpt", "bob@example.org",
                     "--upload-file", path] + more)
            self.assertEqual(p.returncode, 0, p.stderr)
            wait_for(lambda: len(self.box.mail("bob@example.org")) > before, "curl's mail")
        p = run(["curl", "-sSk", "--url", f"smtps://127.0.0.1:{self.implicit}/c", "--user",
                 "alice@example.org:wrong", "--mail-from", "alice@example.org", "--mail-rcpt", "bob@example.org",
                 "--upload-file", path])
        self.assertNotEqual(p.returncode, 0)

    @needs_program("s-nail")
    def test_s_nail(self):
        p = run(["s-nail", "-:/", "-S", "v15-compat", "-S", "tls-verify=ignore", "-S", "smtp-auth=plain",
                 "-S", f"mta=smtps://alice%40example.org:secret@127.0.0.1:{self.implicit}",
                 "-S", "from=alice@example.org", "-S", "hostname=client.example", "-S", "sendwait",
                 "-s", "from s-nail", "bob@example.org"], stdin=b"hello\n")
        self.assertEqual(p.returncode, 0, p.stdout + p.stderr)
        got = parse(self.box.wait_subject("bob@example.org", "from s-nail"))
        self.assertEqual(got["from"], "alice@example.org")
