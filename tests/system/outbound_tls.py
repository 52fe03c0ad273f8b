# SPDX-License-Identifier: ISC
"""TLS to next hops: where it is offered, where it is demanded, what is remembered."""
import hashlib
import os
import re
import ssl
import unittest

from harness import IS_ROOT, Story, parse, run, wait_for
from real_servers import Postfix, available
from sink import DROP, Sink


class Authority:
    """Issues certificates; .pem is its own."""

    def __init__(self, directory, name):
        self.dir = directory
        self.pem, self.key = self.path(name + "-ca.pem"), self.path(name + "-ca.key")
        run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
             "-subj", f"/CN={name} authority", "-keyout", self.key, "-out", self.pem], check=True)

    def path(self, name):
        return os.path.join(self.dir, name)

    def issue(self, host, alternative=None):
        chain, key, request, names = (self.path(host + end) for end in (".pem", ".key", ".csr", ".ext"))
        run(["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=" + host,
             "-keyout", key, "-out", request], check=True)
        with open(names, "w") as f:
            f.write("subjectAltName=" + (alternative or "DNS:" + host) + "\n")
        run(["openssl", "x509", "-req", "-in", request, "-CA", self.pem, "-CAkey", self.key, "-CAcreateserial",
             "-days", "30", "-extfile", names, "-out", chain], check=True)
        return chain, key


def context(pair, minimum=None, maximum=None):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    c.load_cert_chain(*pair)
    if minimum:
        c.minimum_version = minimum
    if maximum:
        c.maximum_version = maximum
    return c


def fingerprint(pair):
    with open(pair[0]) as f:
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(f.read())).hexdigest()


def broken():
    """A server with which no handshake works: it has no certificate."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)


class OutboundTls(Story):
    @classmethod
    def arrange(cls):
        cls.dir = cls.directory("certificates")
        cls.authority = Authority(cls.dir, "right")
        cls.stranger = Authority(cls.dir, "wrong")
        cls.pair = cls.authority.issue("mx.next.example")
        cls.strange = cls.stranger.issue("mx.strange.example")
        tls, strange = context(cls.pair), context(cls.strange)
        cls.sinks = {
            "may": Sink(tls=tls),
            "old": Sink(tls=context(cls.pair, maximum=ssl.TLSVersion.TLSv1_2)),
            "clear": Sink(),
            "failing": Sink(tls=broken()),
            "none": Sink(tls=tls),
            "stripped": Sink(),
            "refused": Sink(tls=tls, replies={"STARTTLS": "454 4.7.0 not now"}),
            "broken": Sink(tls=broken()),
            "dropped": Sink(tls=tls, replies={"STARTTLS": DROP}),
            "verified": Sink(tls=tls),
            "misnamed": Sink(tls=tls),
            "literal": Sink(tls=context(cls.authority.issue("literal", "IP:127.0.0.1"))),
            "unknown": Sink(tls=strange),
            "printed": Sink(tls=strange),
            "misprinted": Sink(tls=tls),
            "smtps": Sink(tls=tls, implicit=True),
            "lmtp": Sink(tls=tls, lmtp=True),
            "resumed": Sink(tls=tls),
            "changing": Sink(tls=tls),
            "a.below": Sink(),
        }
        for s in cls.sinks.values():
            cls.at_end(s.stop)
        how = {"smtps": "smtps:", "lmtp": "lmtp:"}
        routes = "".join(f"{n}.example {how.get(n, '')}[127.0.0.1]:{s.port}\n" for n, s in cls.sinks.items())
        policies = {"none": "tls = none", "stripped": "tls = encrypt", "refused": "tls = encrypt",
                    "broken": "tls = encrypt", "dropped": "tls = encrypt",
                    "verified": "tls = verify ; tls_names = other.example, .next.example",
                    "literal": "tls = verify",
                    "misnamed": "tls = verify ; tls_names = mx.other.example",
                    "unknown": "tls = verify ; tls_names = mx.strange.example",
                    "printed": "tls = fingerprint ; tls_fingerprints = " + "0" * 64 + ", " + fingerprint(cls.strange),
                    "misprinted": "tls = fingerprint ; tls_fingerprints = " + fingerprint(cls.strange),
                    "resumed": "tls = verify ; tls_names = mx.next.example"}
        cls.box = cls.instance(
            tables={"tables/next-hops": routes},
            remote__idle="50ms", tls__ca_file=cls.authority.pem, log__level="debug", tls__check="100ms",
            conf="table next-hops { type = file ; path = next-hops }\nroute.tables = next-hops\n" +
                 "".join(f'nexthop "{how.get(n, "")}[127.0.0.1]:{cls.sinks[n].port}" {{ {p} }}\n'
                         for n, p in policies.items()))

    def arrives(self, name, n=1):
        """The session in which a new message came."""
        s = self.sinks[name]
        before = len(s.messages)
        self.box.send(f"x@{name}.example", sender="alice@example.org", subject=f"to {name}")
        return wait_for(lambda: s.messages[before:], lambda: self.box.log()[-3000:])[0].session

    def stays(self, name, pattern, status):
        """A message is deferred with these words, and nothing of it was said."""
        s = self.sinks[name]
        self.box.send(f"x@{name}.example", sender="alice@example.org", subject=f"to {name}")
        self.box.wait_log(rf"event=deferred rcpt=\"?x@{name}.example.* status={status}.*{pattern}")
        wait_for(lambda: re.search(pattern, self.box.tool("queue", "list", check=True).stdout),
                 lambda: self.box.tool("queue", "list").stdout)
        self.assertEqual((s.seen("MAIL"), s.messages), ([], []))

    def test_may_is_tls_where_it_is_offered(self):
        session = self.arrives("may")
        self.assertEqual(session.tls, "TLSv1.3")
        self.assertEqual([c.split()[0] for c in session.commands[:4]], ["EHLO", "STARTTLS", "EHLO", "MAIL"])
        self.box.wait_log(r"rcpt=\"?x@may.example.* tls=\"?TLSv1.3/encrypted")

    def test_tls_1_2(self):
        self.assertEqual(self.arrives("old").tls, "TLSv1.2")

    def test_may_is_in_clear_where_it_is_not_offered(self):
        self.assertIsNone(self.arrives("clear").tls)
        self.assertNotIn("tls=", self.box.wait_log(r"event=relayed rcpt=\"?x@clear.example.*")[0])

    def test_may_goes_on_in_clear_and_remembers(self):
        s = self.sinks["failing"]
        self.assertIsNone(self.arrives("failing").tls)
        self.box.wait_log("event=tls-failed")
        self.assertEqual(len(s.seen("STARTTLS")), 1)
        self.arrives("failing")
        self.assertEqual(len(s.seen("STARTTLS")), 1, "TLS was tried again at once")

    def test_none(self):
        self.assertIsNone(self.arrives("none").tls)
        self.assertEqual(self.sinks["none"].seen("STARTTLS"), [])

    def test_encrypt_never_goes_in_clear(self):
        self.stays("stripped", "does not offer STARTTLS", "4.7.4")
        self.stays("refused", "454 4.7.0 not now", "4.7.4")
        self.stays("broken", "TLS failed", "4.7.5")
        self.stays("dropped", "STARTTLS", "4.4.2")

    def test_verify(self):
        session = self.arrives("verified")
        self.assertEqual(session.tls, "TLSv1.3")
        self.box.wait_log(r"rcpt=\"?x@verified.example.* tls=\"?TLSv1.3/verified")
        # A next hop that is an address, by a certificate for that address.
        self.assertEqual(self.arrives("literal").tls, "TLSv1.3")

    def test_verify_wants_the_name_and_the_authority(self):
        self.stays("misnamed", "[hH]ost ?name mismatch", "4.7.5")
        self.stays("unknown", "unable to get local issuer|self.signed", "4.7.5")

    def test_fingerprint(self):
        self.arrives("printed")
        self.box.wait_log(r"rcpt=\"?x@printed.example.* tls=\"?TLSv1.3/fingerprint")
        self.stays("misprinted", "another fingerprint", "4.7.5")

    def test_tls_from_the_first_byte(self):
        session = self.arrives("smtps")
        self.assertEqual((session.tls, session.commands[0].split()[0]), ("TLSv1.3", "EHLO"))
        self.assertEqual(self.sinks["smtps"].seen("STARTTLS"), [])

    def test_lmtp(self):
        self.assertEqual(self.arrives("lmtp").tls, "TLSv1.3")

    def test_sessions_are_resumed(self):
        first = self.arrives("resumed")
        wait_for(lambda: self.sinks["resumed"].open == 0, lambda: "the end of the first connection")
        second = self.arrives("resumed")
        self.assertIsNot(first, second)
        self.assertEqual((first.resumed, second.resumed), (False, True))
        self.box.wait_log(r"rcpt=\"?x@resumed.example.* tls=\"?TLSv1.3/verified")

    def test_reload_changes_the_policy_and_a_domain_counts_for_all_below_it(self):
        self.assertEqual(self.arrives("changing").tls, "TLSv1.3")
        self.box.append(f"nexthop [127.0.0.1]:{self.sinks['changing'].port} {{ tls = none }}\n")
        self.box.reload()
        self.assertIsNone(self.arrives("changing").tls)

    def test_wrong_policies_are_refused(self):
        for text, why in (("nexthop a.example { tls = fingerprint }", "wants tls_fingerprints"),
                          ("nexthop a.example { tls_names = b.example }", "tls = verify"),
                          ("nexthop a.example { tls = fingerprint ; tls_fingerprints = xyz }", "SHA-256"),
                          ("nexthop a.example { tls = encript }", "encrypt")):
            with self.subTest(text=text):
                right = self.box.read_conf()
                self.box.append(text + "\n")
                out = self.box.tool("config", "check")
                self.box.write_conf(right)
                self.assertNotEqual(out.returncode, 0)
                self.assertIn(why, out.stdout + out.stderr)


class ToItself(Story):
    """From one instance to another: what one end does the other understands."""

    @classmethod
    def arrange(cls):
        cls.dir = cls.directory("certificates")
        cls.authority = Authority(cls.dir, "right")
        chain, key = cls.authority.issue("mail.there.example")
        cls.there = cls.instance(domains=("there.example",), users=("carol@there.example",),
                                 hostname="mx.there.example", conf=f"""
            certificate there {{
            chain = {chain}
            key = {key}
            }}
            """)
        cls.here = cls.instance(relay={"there.example": f"127.0.0.1:{cls.there.port}"},
                                tls__ca_file=cls.authority.pem, remote__idle="50ms",
                                conf=f"nexthop 127.0.0.1:{cls.there.port} "
                                     "{ tls = verify ; tls_names = mail.there.example }\n")

    def test_a_message_goes_verified_and_the_next_by_a_resumed_session(self):
        for n in range(3):
            self.here.send("carol@there.example", sender="alice@example.org", subject=f"secured {n}")
            m = self.there.wait_subject("carol@there.example", f"secured {n}")
            self.assertIn("with ESMTPS", parse(m)["received"])
            self.here.wait_queue(0)
        self.assertEqual(len([x for x in self.here.log().splitlines() if "TLSv1.3/verified" in x]), 3)


@unittest.skipUnless(available() and IS_ROOT, "Postfix is not there, or root is missing")
class ToPostfix(Story):
    @classmethod
    def arrange(cls):
        cls.dir = cls.directory("certificates")
        cls.authority = Authority(cls.dir, "right")
        chain, key = cls.authority.issue("postfix.next.example")
        both = os.path.join(cls.dir, "both.pem")
        with open(both, "w") as f:
            for path in (key, chain):
                with open(path) as part:
                    f.write(part.read())
        cls.box = cls.instance(start=False)
        cls.postfix = Postfix(cls, "next.example", ["x"], cls.box.port, extra=f"""smtpd_tls_chain_files = {both}
smtpd_tls_security_level = encrypt
smtpd_tls_received_header = yes
""")
        cls.box.set("tls.ca_file", cls.authority.pem)
        cls.box.append(f"""table next-hops {{ type = inline ; entries = "next.example=[127.0.0.1]:{cls.postfix.port}" }}
            route.tables = next-hops
            nexthop [127.0.0.1]:{cls.postfix.port} {{ tls = verify ; tls_names = .next.example }}
            """)
        cls.box.start()

    def test_postfix_takes_it_by_tls_alone(self):
        self.box.send("x@next.example", sender="alice@example.org", subject="verified")
        m = self.postfix.wait_mail("x")[0]
        self.assertIn("using TLSv1.3", parse(m)["received"])
        self.box.wait_log("tls=\"?TLSv1.3/verified")
