# SPDX-License-Identifier: ISC
"""TLS as clients see it: STARTTLS and implicit, names, renewal, tickets, keys."""
import os
import re
import signal
import smtplib
import socket
import ssl
import time
import unittest

import harness
from harness import PATIENCE, Ports, Story, Talk, message, needs_program, needs_root, parse, run, wait_for


def make_certificate(directory, name, host, algorithm="EC", days=30):
    """NAME.pem and NAME.key, self-signed, replaced by rename."""
    how = {"EC": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
           "RSA": ["-newkey", "rsa:2048"]}[algorithm]
    chain, key = (os.path.join(directory, name + end) for end in (".pem", ".key"))
    run(["openssl", "req", "-x509", *how, "-nodes", "-days", days, "-subj", "/CN=" + host,
         "-addext", "subjectAltName=DNS:" + host, "-keyout", key + ".new", "-out", chain + ".new"], check=True)
    os.chmod(key + ".new", 0o600)
    os.rename(key + ".new", key)
    os.rename(chain + ".new", chain)
    return chain, key


def fingerprint(chain):
    with open(chain) as f:
        return ssl.PEM_cert_to_DER_cert(f.read())


def context(version=None):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname = False
    c.verify_mode = ssl.CERT_NONE
    if version:
        c.minimum_version = c.maximum_version = version
    return c


class TlsTalk(Talk):
    """A conversation within TLS, from the first byte or after STARTTLS."""

    def __init__(self, address, starttls=True, host="mx.example.org", version=None, session=None, ctx=None):
        super().__init__(address, greet=starttls)
        if starttls:
            self.ehlo()
            self.cmd("STARTTLS", 220)
        self.s = (ctx or context(version)).wrap_socket(self.s, server_hostname=host, session=session)
        if not starttls:
            self.greeting = self.reply()

    def certificate(self):
        return self.s.getpeercert(True)

    def mail(self, to="alice@example.org", subject="within TLS"):
        self.cmd("EHLO client.example", 250)
        self.cmd("MAIL FROM:<sender@client.example>", 250)
        self.cmd(f"RCPT TO:<{to}>", 250)
        self.cmd("DATA", 354)
        self.send(message(to, subject=subject) + b".\r\n")
        code, text = self.reply()
        assert code == 250, text


class Tls(Story):
    @classmethod
    def arrange(cls):
        cls.certs = cls.directory("certs")
        cls.ec = make_certificate(cls.certs, "ec", "mx.example.org")
        cls.rsa = make_certificate(cls.certs, "rsa", "mx.example.org", "RSA")
        cls.other = make_certificate(cls.certs, "other", "other.example.net")
        cls.implicit, cls.required, cls.plain = (Ports.single() for _ in range(3))
        cls.box = cls.instance(tls__check="100ms", process__smtpd="2", conf=f"""
            certificate ec {{
            chain = {cls.ec[0]}
            key = {cls.ec[1]}
            }}
            certificate rsa {{
            chain = {cls.rsa[0]}
            key = {cls.rsa[1]}
            }}
            certificate other {{
            chain = {cls.other[0]}
            key = {cls.other[1]}
            }}
            listener smtps {{
            address = 127.0.0.1:{cls.implicit}
            tls = implicit
            certificates = ec, rsa, other
            }}
            listener strict {{
            address = 127.0.0.1:{cls.required}
            tls = required
            }}
            listener plain {{
            address = 127.0.0.1:{cls.plain}
            tls = none
            }}
            """)

    def starttls(self, **kw):
        return TlsTalk(("127.0.0.1", self.box.port), **kw)

    def smtps(self, **kw):
        return TlsTalk(("127.0.0.1", self.implicit), starttls=False, **kw)

    def s_client(self, *args, port=None, starttls=False):
        argv = ["openssl", "s_client", "-connect", f"127.0.0.1:{port or self.implicit}", *args]
        if starttls:
            argv += ["-starttls", "smtp"]
        return run(argv, stdin=b"QUIT\r\n")

    def test_starttls_is_offered_and_forgets(self):
        with self.box.talk() as t:
            self.assertIn("STARTTLS", t.ehlo())
        with self.starttls() as t:
            self.assertEqual(t.cmd("MAIL FROM:<a@b.example>")[0], 503)
            self.assertNotIn("STARTTLS", t.ehlo())
            self.assertEqual(t.cmd("STARTTLS")[0], 503)

    def test_none_means_none(self):
        with Talk(("127.0.0.1", self.plain)) as t:
            self.assertNotIn("STARTTLS", t.ehlo())
            t.cmd("STARTTLS", 502)

    def test_received_says_what_was_spoken(self):
        with self.starttls(version=ssl.TLSVersion.TLSv1_2) as t:
            t.mail(subject="by tls 1.2")
        with self.smtps() as t:
            t.mail(subject="by tls 1.3")
        for subject, version in (("by tls 1.2", "TLSv1.2"), ("by tls 1.3", "TLSv1.3")):
            field = " ".join(parse(self.box.wait_subject("alice@example.org", subject))["received"].split())
            self.assertRegex(field, r"with ESMTPS \(" + re.escape(version) + r" cipher \S+ bits \d+\) id ")
        self.box.wait_log(r"event=session .* tls=TLSv1\.2 messages=1")

    def test_smtplib_and_plain_text_still_work(self):
        with smtplib.SMTP("127.0.0.1", self.box.port, timeout=PATIENCE) as s:
            s.starttls(context=context())
            s.sendmail("a@client.example", ["bob@example.org"], message("bob@example.org", subject="smtplib"))
        self.box.send("bob@example.org", subject="in clear")
        for subject in ("smtplib", "in clear"):
            self.box.wait_subject("bob@example.org", subject)

    @needs_program("curl")
    def test_curl(self):
        mail = os.path.join(self.certs, "mail")
        with open(mail, "wb") as f:
            f.write(message("bob@example.org", subject="by curl"))
        for url in (f"smtp://127.0.0.1:{self.box.port}/client.example", f"smtps://127.0.0.1:{self.implicit}/client.example"):
            p = run(["curl", "-sS", "--insecure", "--ssl-reqd", url, "--mail-from", "a@client.example",
                     "--mail-rcpt", "bob@example.org", "--upload-file", mail])
            self.assertEqual(p.returncode, 0, p.stderr)

    @needs_program("swaks")
    def test_swaks(self):
        for args in (["--tls", "-s", f"127.0.0.1:{self.box.port}"],
                     ["--tls-on-connect", "-s", f"127.0.0.1:{self.implicit}"]):
            p = run(["swaks", "-t", "bob@example.org", "-f", "a@client.example", *args])
            if "requires Net::SSLeay" in p.stdout + p.stderr:
                self.skipTest("swaks has no Net::SSLeay")
            self.assertEqual(p.returncode, 0, p.stdout)

    def test_openssl_verifies(self):
        for args, starttls, port in (([], False, None), ([], True, self.box.port)):
            p = self.s_client("-servername", "mx.example.org", "-verify_return_error", "-CAfile",
                              self.ec[0] if not starttls else self.box.path("tls/self-signed.pem"),
                              "-verify_hostname", "mx.example.org", *args, starttls=starttls, port=port)
            self.assertIn("Verify return code: 0 (ok)", p.stdout)

    def test_each_name_and_each_kind_of_key_has_its_certificate(self):
        for host, algorithms, chain in (
                ("mx.example.org", "ECDSA+SHA256", self.ec), ("mx.example.org", "RSA-PSS+SHA256", self.rsa),
                ("MX.example.ORG", "ECDSA+SHA256", self.ec), ("other.example.net", "ECDSA+SHA256", self.other),
                ("nobody.example", "ECDSA+SHA256", self.ec), (None, "RSA-PSS+SHA256", self.rsa)):
            for version in ("-tls1_2", "-tls1_3"):
                args = ["-servername", host] if host else ["-noservername"]
                p = self.s_client(*args, "-sigalgs", algorithms, version, "-CAfile", chain[0], "-showcerts")
                with open(chain[0]) as f:
                    self.assertIn(f.read().strip(), p.stdout, (host, algorithms, version))

    def test_old_versions_and_renegotiation_are_refused(self):
        p = self.s_client("-tls1_1", "-cipher", "ALL:@SECLEVEL=0")
        self.assertNotEqual(p.returncode, 0)
        p = run(["openssl", "s_client", "-connect", f"127.0.0.1:{self.implicit}", "-tls1_2"], stdin=b"R\n")
        self.assertNotIn("RENEGOTIATING\ndepth", p.stdout + p.stderr)

    def test_required(self):
        with Talk(("127.0.0.1", self.required)) as t:
            t.ehlo()
            code, text = t.cmd("MAIL FROM:<a@b.example>")
            self.assertEqual((code, text[0][:5]), (530, "5.7.0"))
        with TlsTalk(("127.0.0.1", self.required)) as t:
            t.mail(subject="required")

    def test_nothing_is_injected(self):
        # A relay client may pipeline anything; what is behind STARTTLS is thrown away.
        with Talk(("127.0.0.1", self.box.port)) as t:
            t.ehlo()
            t.send("STARTTLS\r\nEHLO injected\r\nMAIL FROM:<injected@client.example>\r\n")
            self.assertEqual(t.reply()[0], 220)
            self.assertEqual(t.buffer, b"")
            t.s = context().wrap_socket(t.s, server_hostname="mx.example.org")
            self.assertEqual(t.cmd("RCPT TO:<alice@example.org>")[0], 503)
            self.assertEqual(t.cmd("MAIL FROM:<a@b.example>")[0], 503)

    def test_garbage_ends_only_its_connection(self):
        before = self.box.pids("smtpd")
        for data in (b"EHLO x\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"A" * 508,
                     b"\x16\x03\x01\x40\x00\x01\x01\xff\xff", b"\x80\x2e\x01\x00\x02", b"\0" * 1000):
            with socket.create_connection(("127.0.0.1", self.implicit), PATIENCE) as s:
                try:
                    s.sendall(data)
                    s.shutdown(socket.SHUT_WR)
                    while s.recv(4096):
                        pass
                except TimeoutError:
                    raise
                except OSError:
                    pass        # it was reset, perhaps before all was said
        with self.smtps() as t:
            t.ehlo()
        self.assertEqual(self.box.pids("smtpd"), before)

    def test_tickets_are_good_at_every_process(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            since = len(self.box.log())
            ctx = context(version)
            with self.smtps(ctx=ctx) as t:
                t.ehlo()
                session = t.s.session
            for n in range(20):
                with self.smtps(ctx=ctx, session=session) as t:
                    t.ehlo()
                    self.assertTrue(t.s.session_reused, (version, n))
            workers = lambda: set(re.findall(r"smtpd\[(\d+)\] info: event=session", self.box.log()[since:]))
            wait_for(lambda: len(workers()) == 2, "both processes to have had a session")
        # Also after all of them have started again.
        for pid in self.box.pids("smtpd"):
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: len(self.box.pids("smtpd")) == 2, "two new processes")
        with self.smtps(ctx=ctx, session=session) as t:
            self.assertTrue(t.s.session_reused)

    def test_a_ticket_of_one_listener_is_of_no_use_at_another(self):
        ctx = context()
        with self.smtps(ctx=ctx) as t:
            t.ehlo()
            session = t.s.session
        with self.starttls(ctx=ctx, session=session) as t:
            self.assertFalse(t.s.session_reused)

    def test_idle_sessions_are_small(self):
        def resident():
            total = 0
            for pid in self.box.pids("smtpd"):
                with open(f"/proc/{pid}/status") as f:
                    total += int(re.search(r"RssAnon:\s+(\d+)", f.read())[1])
            return total
        n = 300
        for _ in range(2):      # the first round warms up
            talks = []
            before = resident()
            for _ in range(n):
                talks.append(self.smtps())
            each = (resident() - before) / n
            for t in talks:
                t.close()
            wait_for(lambda: "sessions=0" in self.box.tool("status", "--processes").stdout.split("smtpd 0", 1)[1], "no sessions")
        self.assertLess(each, 40, "KiB a session")


class Renewal(Story):
    @classmethod
    def arrange(cls):
        cls.certs = cls.directory("certs")
        cls.first = make_certificate(cls.certs, "mx", "mx.example.org")
        cls.box = cls.instance(tls__check="100ms")
        text = cls.box.read_conf()
        text = re.sub(r"chain = \S+", "chain = " + cls.first[0], text)
        text = re.sub(r"key = \S+", "key = " + cls.first[1], text)
        cls.box.write_conf(text)
        cls.box.wait_log("event=running")
        cls.box.reload()

    def certificate(self):
        with TlsTalk(("127.0.0.1", self.box.port)) as t:
            t.ehlo()
            return t.certificate()

    def serves(self, der):
        wait_for(lambda: self.certificate() == der, "the certificate to be served", step=0.1)

    def test_a_renewed_certificate_serves_new_sessions_and_old_ones_go_on(self):
        self.serves(fingerprint(self.first[0]))
        pids = self.box.pids("smtpd") + self.box.pids("keys")
        with TlsTalk(("127.0.0.1", self.box.port)) as t:
            for algorithm in ("RSA", "EC"):
                chain, _ = make_certificate(self.certs, "mx", "mx.example.org", algorithm)
                self.serves(fingerprint(chain))
            t.mail(subject="on the old certificate")
        self.box.wait_subject("alice@example.org", "on the old certificate")
        self.assertEqual(self.box.pids("smtpd") + self.box.pids("keys"), pids)

    def test_a_broken_file_leaves_the_old_in_force(self):
        chain, key = self.first
        now = fingerprint(chain)
        self.serves(now)
        other = self.directory("other")
        for what in ("garbage", "mismatch", "missing"):
            since = len(self.box.log())
            saved = [open(p).read() for p in self.first]
            if what == "garbage":
                with open(key, "w") as f:
                    f.write("no key\n")
            elif what == "mismatch":
                os.replace(make_certificate(other, "x", "mx.example.org")[0], chain)
            else:
                os.unlink(key)
            self.box.wait_log(r"event=certificate-(refused|not-read) .*in_force=old", since=since)
            self.assertEqual(self.certificate(), now)
            for path, text in zip(self.first, saved):
                with open(path, "w") as f:
                    f.write(text)
            self.box.wait_log(r"event=certificate-renewed", since=since)
            self.assertEqual(self.certificate(), now)

    def test_check_and_reload_tell_what_is_wrong(self):
        text = self.box.read_conf()
        chain, key = make_certificate(self.directory("x"), "x", "mx.example.org")
        try:
            self.box.write_conf(text + f"certificate wrong {{\nchain = {chain}\nkey = {self.first[1]}\n}}\n")
            p = self.box.tool("config", "check")
            self.assertEqual(p.returncode, 78)
            self.assertIn("certificate wrong: the key does not fit the certificate", p.stderr)
            self.box.write_conf(text + f"certificate gone {{\nchain = {chain}.not\nkey = {key}\n}}\n")
            p = self.box.reload(check=False)
            self.assertEqual(p.returncode, 78)
            self.assertIn(f"{chain}.not: No such file", p.stdout + p.stderr)
            self.box.write_conf(text.replace("listener smtp {", "listener smtp {\ncertificates = nobody"))
            p = self.box.tool("config", "check")
            self.assertIn('there is no certificate "nobody"', p.stderr)
        finally:
            self.box.write_conf(text)
            self.box.reload()

    def test_the_least_version_can_be_1_3(self):
        try:
            self.box.set("tls.minimum", "1.3")
            self.box.reload()
            with TlsTalk(("127.0.0.1", self.box.port), version=ssl.TLSVersion.TLSv1_3) as t:
                t.ehlo()
            with self.assertRaises(ssl.SSLError):
                TlsTalk(("127.0.0.1", self.box.port), version=ssl.TLSVersion.TLSv1_2)
        finally:
            self.box.set("tls.minimum", "1.2")
            self.box.reload()

    def test_keys_that_dies_is_missed_for_a_moment_only(self):
        smtpd = self.box.pids("smtpd")
        for _ in range(3):
            os.kill(self.box.pids("keys")[0], signal.SIGKILL)
            wait_for(lambda: self.try_handshake(), "TLS to be spoken again")
        self.assertEqual(self.box.pids("smtpd"), smtpd)

    def test_keys_that_hangs_costs_a_handshake(self):
        smtpd, keys = self.box.pids("smtpd"), self.box.pids("keys")[0]
        os.kill(keys, signal.SIGSTOP)
        try:
            self.assertFalse(self.try_handshake())
            self.box.wait_log("event=not-signed key=.* why=\"keys is")
        finally:
            os.kill(keys, signal.SIGCONT)
        wait_for(self.try_handshake, "TLS to be spoken again")
        self.assertEqual(self.box.pids("smtpd"), smtpd)
        self.box.send("alice@example.org", subject="after all")

    def try_handshake(self):
        try:
            with TlsTalk(("127.0.0.1", self.box.port)) as t:
                t.ehlo()
            return True
        except (OSError, EOFError, AssertionError):
            return False


def memory(pid):
    """All that a process has in memory that can be read."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            m = re.match(r"([0-9a-f]+)-([0-9a-f]+) (r)", line)
            if not m or "[v" in line:
                continue
            start, end = int(m[1], 16), int(m[2], 16)
            try:
                mem.seek(start)
                yield mem.read(end - start)
            except (OSError, OverflowError, ValueError):
                pass


class Secrets(Story):
    @classmethod
    def arrange(cls):
        cls.box = cls.instance()
        certs = cls.directory("certs")
        # One file with both, as some keep them: the key must not go along.
        chain, key = make_certificate(certs, "both", "both.example.org", "RSA")
        cls.both = os.path.join(certs, "both")
        with open(cls.both, "w") as f:
            os.fchmod(f.fileno(), 0o600)
            f.write(open(key).read() + open(chain).read())
        cls.box.wait_log("event=running")
        cls.box.append(f"certificate both {{\nchain = {cls.both}\nkey = {cls.both}\n}}\n")
        cls.box.reload()
        cls.box.wait_log("event=certificate-renewed certificate=both")

    def secrets(self, path):
        """The secret numbers in both byte orders, and lines of the file."""
        with open(path) as f:
            pem = re.search(r"BEGIN PRIVATE KEY-----\n(.*?)-----END", f.read(), re.S)[1]
        text = run(["openssl", "pkey", "-in", path, "-text", "-noout"], check=True).stdout
        found = [pem.splitlines()[1].encode()]
        for name in ("priv", "prime1", "privateExponent"):
            m = re.search(name + r":\n((?:\s+[0-9a-f:]+\n)+)", text)
            if m:
                number = bytes.fromhex(re.sub(r"[\s:]", "", m[1]))[-32:]
                found += [number, number[::-1]]
        return found

    @needs_root
    def test_no_process_but_keys_has_a_private_key(self):
        paths = [self.box.path("tls/self-signed.key"), self.both]
        for host in ("mx.example.org", "both.example.org"):
            with TlsTalk(("127.0.0.1", self.box.port), host=host) as t:
                t.mail()
        secrets = [s for p in paths for s in self.secrets(p)]
        self.assertGreaterEqual(len(secrets), 8)
        have = {}
        for pid in harness.descendants(self.box.process.pid) + [self.box.process.pid]:
            name = harness.comm(pid)
            try:
                for piece in memory(pid):
                    have.setdefault(name, set()).update(i for i, s in enumerate(secrets) if s in piece)
            except PermissionError:
                self.skipTest("/proc/PID/mem may not be read here")
        self.assertTrue(have["keys"], "the keys are in keys")
        self.assertEqual({n: f for n, f in have.items() if f and n != "keys"}, {})

    def test_files_are_for_root_only(self):
        for name, mode in (("tls", 0o700), ("tls/self-signed.key", 0o600), ("tls/self-signed.pem", 0o600)):
            self.assertEqual(os.stat(self.box.path(name)).st_mode & 0o777, mode)
        p = run(["openssl", "x509", "-in", self.box.path("tls/self-signed.pem"), "-noout", "-text"], check=True)
        self.assertIn("DNS:mx.example.org", p.stdout)
        self.assertIn("prime256v1", p.stdout)


if __name__ == "__main__":
    unittest.main()
