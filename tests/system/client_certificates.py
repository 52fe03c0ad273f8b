# SPDX-License-Identifier: ISC
"""Logins by a client's certificate: SASL EXTERNAL (RFC 4422 appendix A) on a listener with client_ca."""
import base64
import os
import smtplib

from harness import PATIENCE, Ports, Story, Talk, any_certificate, run

ALICE, BOB = "alice@example.org", "bob@example.org"


class Authority:
    """Makes certificates of clients; context() is a TLS client that has one."""

    def __init__(self, directory, name, above=None):
        self.dir, self.chain = directory, os.path.join(directory, name + ".pem")
        self.key = os.path.join(directory, name + ".key")
        signed = ["-CA", above.chain, "-CAkey", above.key] if above else []
        run(["openssl", "req", "-x509", *signed, "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
             "-days", 30, "-subj", "/CN=" + name, "-keyout", self.key, "-out", self.chain], check=True)

    def context(self, name, subject="/CN=somebody", names=(), usage="clientAuth", days=30):
        key, ask, chain, extensions = (os.path.join(self.dir, name + end) for end in (".key", ".csr", ".crt", ".ext"))
        with open(extensions, "w") as f:
            f.write(f"extendedKeyUsage = {usage}\n")
            if names:
                f.write("subjectAltName = " + ", ".join("email:" + n for n in names) + "\n")
        run(["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", subject,
             "-keyout", key, "-out", ask], check=True)
        run(["openssl", "x509", "-req", "-in", ask, "-CA", self.chain, "-CAkey", self.key, "-CAcreateserial",
             "-days", days, "-extfile", extensions, "-out", chain], check=True)
        context = any_certificate()
        context.load_cert_chain(chain, key)
        return context


class Line(Talk):
    """IMAP or POP3 within TLS: lines, no replies of SMTP's form."""

    def __init__(self, port, context):
        super().__init__(("127.0.0.1", port), greet=False)
        self.s = context.wrap_socket(self.s)
        self.f = self.s.makefile("rb")
        self.greeting = self.line()

    def line(self):
        return self.f.readline().decode().rstrip("\r\n")

    def say(self, text):
        self.s.sendall(text.encode() + b"\r\n")
        return self.line()

    def until(self, start):
        lines = [self.line()]
        while not lines[-1].startswith(start):
            lines.append(self.line())
        return lines

    def close(self):
        self.f.close()
        super().close()


def b64(text):
    return base64.b64encode(text.encode()).decode()


class ClientCertificates(Story):
    @classmethod
    def arrange(cls):
        certs = cls.directory("certs")
        cls.ours, cls.foreign = Authority(certs, "ours"), Authority(certs, "foreign")
        cls.below = Authority(certs, "below", cls.foreign)
        cls.alice = cls.ours.context("alice", names=[ALICE])
        cls.issued = cls.below.context("issued", names=[ALICE])
        cls.both = cls.ours.context("both", names=["nobody@example.org", BOB, ALICE])
        cls.by_name = cls.ours.context("name", subject="/CN=" + ALICE)
        cls.nameless = cls.ours.context("nameless")
        cls.stranger = cls.foreign.context("stranger", names=[ALICE])
        cls.late = cls.ours.context("late", names=[ALICE], days=-1)
        cls.server = cls.ours.context("server", names=[ALICE], usage="serverAuth")
        cls.imaps, cls.pop3s, cls.submissions, cls.by_issuer = (Ports.single() for _ in range(4))
        ports = {"imap": cls.imaps, "pop3": cls.pop3s, "submission": cls.submissions}
        cls.box = cls.instance(auth__fail_delay="10ms", auth__fail_delay_max="10ms", auth__max_failures_client="1000",
                               auth__max_failures_network="1000", auth__max_failures_user="1000",
                               auth__mechanisms="PLAIN EXTERNAL",
                               conf="\n".join(f"""
            listener certified-{mode} {{
            address = 127.0.0.1:{port}
            mode = {mode}
            tls = implicit
            client_ca = {cls.ours.chain}
            }}""" for mode, port in ports.items()) + f"""
            listener issuer {{
            address = 127.0.0.1:{cls.by_issuer}
            mode = imap
            tls = implicit
            client_ca = {cls.below.chain}
            }}""")

    def line(self, port, context):
        c = Line(port, context)
        self.addCleanup(c.close)
        return c

    def test_imap(self):
        c = self.line(self.imaps, self.alice)
        self.assertIn(" AUTH=EXTERNAL", c.greeting)
        self.assertEqual(c.say("a AUTHENTICATE EXTERNAL"), "+ ")
        self.assertRegex(c.say(""), r"a OK ")
        c.say("b STATUS INBOX (MESSAGES)")
        self.box.wait_log(rf"event=login .*protocol=imap login={ALICE} mechanism=EXTERNAL tls=yes")

    def test_imap_initial_response(self):
        for initial, certificate in (("=", self.alice), (b64(ALICE), self.alice), ("=", self.by_name)):
            self.assertRegex(self.line(self.imaps, certificate).say("a AUTHENTICATE EXTERNAL " + initial), r"a OK ")

    def test_certificate_with_several_names(self):
        """It is for the one that the client names."""
        c = self.line(self.imaps, self.both)
        self.assertRegex(c.say("a AUTHENTICATE EXTERNAL " + b64(ALICE)), r"a OK ")
        self.box.wait_log(rf"event=login .*login={ALICE} mechanism=EXTERNAL")

    def test_pop3(self):
        c = self.line(self.pop3s, self.alice)
        c.say("CAPA")
        self.assertIn("SASL PLAIN EXTERNAL", c.until("."))
        self.assertRegex(c.say("AUTH EXTERNAL ="), r"\+OK ")
        self.assertRegex(c.say("STAT"), r"\+OK \d+ \d+")

    def test_submission(self):
        with smtplib.SMTP_SSL("127.0.0.1", self.submissions, context=self.alice, timeout=PATIENCE) as s:
            s.ehlo()
            self.assertIn("EXTERNAL", s.esmtp_features["auth"])
            self.assertEqual(s.docmd("AUTH", "EXTERNAL =")[0], 235)
            s.sendmail(ALICE, [BOB], f"From: {ALICE}\r\nSubject: by certificate\r\n\r\nx\r\n")
            # It may send as itself alone, as by any other login.
            self.assertIn(s.docmd(f"MAIL FROM:<{BOB}>")[0], (550, 553))
        self.box.wait_subject(BOB, "by certificate")

    def test_another_name_than_the_certificates(self):
        self.assertRegex(self.line(self.imaps, self.alice).say("a AUTHENTICATE EXTERNAL " + b64(BOB)),
                         r"a NO \[AUTHENTICATIONFAILED\]")
        self.assertRegex(self.line(self.pop3s, self.alice).say("AUTH EXTERNAL " + b64(BOB)), r"-ERR \[AUTH\]")
        self.box.wait_log(r"reason=certificate-names-another")

    def test_certificates_that_count_for_nothing(self):
        """Served like clients without one: by password."""
        for name in ("stranger", "late", "server"):
            with self.subTest(certificate=name):
                c = self.line(self.imaps, getattr(self, name))
                self.assertNotIn("EXTERNAL", c.greeting)
                self.assertRegex(c.say("a AUTHENTICATE EXTERNAL ="), r"a NO \[CANNOT\]")
                self.assertRegex(c.say(f"b LOGIN {ALICE} secret"), r"b OK ")

    def test_an_authority_below_another(self):
        """It is trusted for what it issues; who stands above it is not."""
        self.assertRegex(self.line(self.by_issuer, self.issued).say("a AUTHENTICATE EXTERNAL ="), r"a OK ")
        self.assertNotIn("EXTERNAL", self.line(self.by_issuer, self.stranger).greeting)

    def test_certificate_without_a_name(self):
        self.assertRegex(self.line(self.imaps, self.nameless).say("a AUTHENTICATE EXTERNAL ="), r"a NO \[")

    def test_no_certificate(self):
        for port in (self.imaps, self.box.base + 993):
            c = self.line(port, any_certificate())
            self.assertNotIn("EXTERNAL", c.greeting)
            self.assertRegex(c.say("a AUTHENTICATE EXTERNAL ="), r"a NO \[CANNOT\]")
            self.assertRegex(c.say(f"b LOGIN {ALICE} secret"), r"b OK ")

    def test_listener_that_asks_for_none(self):
        """A certificate in hand is worth nothing where no authority is named."""
        self.assertNotIn("EXTERNAL", self.line(self.box.base + 993, self.alice).greeting)
