# SPDX-License-Identifier: ISC
"""Configurations of Postfix and Dovecot become ones of ours, which start."""
import glob
import hashlib
import os
import re
import shutil
import stat

from harness import CHASQUI, POSTFIX_ROOT, PREFIX, Instance, Ports, Story, run

HERE = os.path.dirname(os.path.abspath(__file__))
CONFIGURATIONS = os.path.join(HERE, "..", "import")


def digest(directory):
    """Names, modes and contents of all files below a directory."""
    found = {}
    for path in sorted(glob.glob(directory + "/**", recursive=True)):
        s = os.lstat(path)
        with open(path, "rb") if stat.S_ISREG(s.st_mode) else open(os.devnull, "rb") as f:
            found[path] = (s.st_mode, s.st_mtime_ns, hashlib.sha256(f.read()).hexdigest())
    return found


class Imported(Instance):
    """An instance made by `chasqui import`, on ports of its own."""

    def __init__(self, story, directory):
        self.program, self.user, self.process = CHASQUI, None, None
        self.under = []
        self.dir = directory
        self.base = Ports.base()
        self.port = self.base + 25
        self.logfile = directory + ".log"
        self.conf_path = os.path.join(directory, "chasqui.conf")
        self.others = 0

        def shifted(m):
            port = int(m.group(1))
            if port >= 1000:
                self.others += 1
                port = 190 + self.others
            return f"address = 127.0.0.1:{self.base + port}"
        text = re.sub(r"(?m)^\taddress = .*?:(\d+).*$", lambda m: "\t" + shifted(m), self.read_conf())
        self.write_conf(text)
        for key, value in {"path.queue": "queue", "path.mail": "mail", "path.history": "history", "path.run": "run", "queue.journal": "8M",
                           "process.smtpd": "1", "process.remote": "1", "process.login": "1", "process.verifier": "1",
                           "table.check": "50ms"}.items():
            self.set(key, value)
        story.at_end(self.stop)
        self.start()


class Import(Story):
    def source(self, *names):
        """Copies of these configurations in one directory."""
        to = self.directory("theirs")
        for name in names:
            shutil.copytree(os.path.join(CONFIGURATIONS, name), to, dirs_exist_ok=True)
        os.mkdir(os.path.join(to, "tls"))
        made = self.directory("certificate")
        os.rmdir(made)
        run([CHASQUI, "init", "--dir", made, "--hostname", "mx.example.org", "--port-base", "20000"], check=True)
        shutil.copy(made + "/tls/self-signed.pem", to + "/tls/chain.pem")
        shutil.copy(made + "/tls/self-signed.key", to + "/tls/key.pem")
        for path in glob.glob(to + "/**", recursive=True):
            if os.path.isfile(path):
                with open(path) as f:
                    text = f.read()
                with open(path, "w") as f:
                    f.write(text.replace("@DIR@", to))
        return to

    def taken_over(self, *servers):
        """Imports; the directory and the report.  The result passes the check, the originals stay."""
        to = self.directory("ours")
        os.rmdir(to)
        roots = [os.path.dirname(s) if os.path.isfile(s) else s for s in servers[1::2]]
        before = [digest(r) for r in roots]
        p = run([CHASQUI, "import", "--to", to, *servers])
        self.assertEqual(p.returncode, 0, p.stdout + p.stderr)
        self.assertEqual([digest(r) for r in roots], before)
        p = run([CHASQUI, "-C", to, "config", "check"])
        self.assertEqual(p.returncode, 0, p.stdout + p.stderr)
        with open(to + "/import-report.txt") as f:
            return to, f.read()

    def section(self, report, title):
        return re.search(rf"== {title}.*?==\n(.*?)(?=\n== |\Z)", report, re.S).group(1)

    def outcome(self, box, address):
        return box.tool("explain", address).stdout.strip().splitlines()

    def test_debian_as_installed(self):
        to, report = self.taken_over("postfix", self.source("debian"))
        box = Imported(self, to)
        with box.smtp() as s:
            self.assertEqual(s.ehlo()[0], 250)
        self.assertIn("main.cf:27: recipient_delimiter = +", self.section(report, "Taken over"))
        self.assertIn("master.cf:27: maildrop", self.section(report, "Without an equivalent"))

    def test_debians_own_file(self):
        path = POSTFIX_ROOT + "/usr/share/postfix/main.cf.debian"
        if not POSTFIX_ROOT or not os.path.exists(path):
            self.skipTest("Postfix is not unpacked")
        source = self.source("debian")
        shutil.copy(path, source + "/main.cf")
        self.taken_over("postfix", source)

    def test_an_offices_server(self):
        to, report = self.taken_over("postfix", self.source("relay"))
        none = self.section(report, "Without an equivalent")
        self.assertIn("DOES NOT LOG IN AT A NEXT HOP", none)
        self.assertIn("transport:4: 2 entries", none)
        self.assertNotIn("not-a-secret", report)
        box = Imported(self, to)
        for address, hop in (("x@branch.example.net", "[192.0.2.20]:2525"), ("x@a.branch.example.net", "[192.0.2.20]"),
                             ("x@lists.example.net", "lmtp:/run/lists.sock"), ("x@inline.example", "[192.0.2.40]"),
                             ("x@elsewhere.example", "[smtp.provider.example]:587")):
            with self.subTest(address=address):
                self.assertTrue(any(f"next hop {hop}" in l for l in self.outcome(box, address)),
                                self.outcome(box, address))
        self.assertIn("alice@", " ".join(self.outcome(box, "sales@example.net")))
        self.assertEqual(box.tool("table", "query", "aliases", "archive").stdout.strip(),
                         '"|/usr/local/bin/archive --now"')

    def test_a_backup_mx(self):
        to, report = self.taken_over("postfix", self.source("backup"))
        box = Imported(self, to)
        with box.smtp() as s:
            s.ehlo()
            s.mail("x@client.example")
            for address, code in (("alice@example.com", 250), ("nobody@example.com", 550), ("any@example.edu", 250),
                                  ("any@example.info", 550)):
                with self.subTest(address=address):
                    self.assertEqual(s.rcpt(address)[0], code)
        self.assertIn("[192.0.2.25]", " ".join(self.outcome(box, "alice@example.com")))
        self.assertIn("queue.lifetime = 10d", report)
        self.assertIn("postscreen", self.section(report, "Differs"))

    def fake_mysql(self, directory, answers):
        """A client that answers as a data base with these rows would."""
        path = os.path.join(directory, "mysql")
        with open(path, "w") as f:
            f.write("#!/bin/sh\nfor query; do :; done\necho \"$MYSQL_PWD $*\" >>\"$0.log\"\ncase $query in\n")
            for pattern, rows in answers.items():
                f.write(f"*'{pattern}'*) printf '%b' '{rows}' ;;\n")
            f.write("*) echo \"no such table\" >&2; exit 1 ;;\nesac\n")
        os.chmod(path, 0o755)
        return path + ".log"

    def test_virtual_hosting_with_sql(self):
        source = self.source("hosting", "dovecot")
        to, report = self.taken_over("postfix", source, "dovecot", source + "/dovecot.conf")
        for name in ("chasqui.conf", "import-report.txt", "fetch-tables"):
            with open(os.path.join(to, name)) as f:
                self.assertNotIn("not-a-secret", f.read())
        stored = run(["openssl", "passwd", "-6", "-salt", "saltsalt", "secret"], check=True).stdout.strip()
        tools = self.directory("bin")
        rows = {
            "FROM domain ": "customer.example\\n", "SELECT username, maildir": "alice@customer.example\\ta/\\n",
            "FROM alias ": "sales@customer.example\\talice@customer.example\\n",
            "FROM sender": "brand@other.example\\talice@customer.example\\nshop@other.example\\talice@customer.example\\n",
            "SELECT username, password": f"alice@customer.example\\t{stored}\\n"}
        env = dict(os.environ, PATH=f"{tools}:{PREFIX}/sbin:" + os.environ["PATH"])
        self.fake_mysql(tools, {})
        self.assertNotEqual(run([to + "/fetch-tables"], env=env).returncode, 0)
        with open(to + "/tables/mailboxes") as f:
            self.assertTrue(f.read().startswith("#"), "a query that fails changes nothing")
        log = self.fake_mysql(tools, rows)
        p = run([to + "/fetch-tables"], env=env)
        self.assertEqual(p.returncode, 0, p.stdout + p.stderr)
        p = run([to + "/fetch-tables"], env=env)
        self.assertEqual(p.returncode, 0, p.stdout + p.stderr)
        with open(log) as f:
            self.assertTrue(all(l.startswith("not-a-secret ") for l in f if "SELECT" in l))
        with open(to + "/tables/senders") as f:
            self.assertEqual(f.read(), "alice@customer.example\tbrand@other.example, shop@other.example\n")
        box = Imported(self, to)
        for recipient in ("alice@customer.example", "sales@customer.example", "info@parked.example"):
            box.send(recipient, subject="to " + recipient)
            box.wait_subject("alice@customer.example", "to " + recipient)
        self.assertIn("tickets+17@customer.example", " ".join(self.outcome(box, "ticket-17@customer.example")))
        with box.imap("alice@customer.example", "secret", tls=True) as i:
            self.assertEqual(i.select()[1], [b"3"])

    def test_dovecot_alone_with_sqlite(self):
        source = self.source("dovecot")
        with open(source + "/conf.d/10-auth.conf", "a") as f:
            f.write(f"passdb {{ driver = passwd-file\n args = {source}/users\n }}\n")
        with open(source + "/conf.d/10-auth.conf") as f:
            text = f.read()
        with open(source + "/conf.d/10-auth.conf", "w") as f:
            f.write(text.replace("dovecot-sql.conf.ext", "dovecot-sqlite.conf.ext"))
        with open(source + "/users", "w") as f:
            f.write("bob@example.org:{PLAIN}secret::::::\n")
        to, report = self.taken_over("dovecot", source + "/dovecot.conf")
        with open(to + "/chasqui.conf") as f:
            conf = f.read()
        self.assertIn("auth.backends = sqlite", conf)
        self.assertIn("SELECT password FROM mailbox WHERE username = :login AND active = '1'", conf)
        with open(to + "/auth/passwords") as f:
            self.assertEqual(f.read(), "bob@example.org:{PLAIN}secret::::::\n")
        self.assertIn("INBOX.", self.section(report, "Differs"))

    def test_what_cannot_be_read_is_said(self):
        to = self.directory("ours")
        os.rmdir(to)
        p = run([CHASQUI, "import", "--to", to, "postfix", "/nonexistent"])
        self.assertEqual(p.returncode, 66, p.stderr)
        self.assertFalse(os.path.exists(to))
        self.assertEqual(run([CHASQUI, "import", "postfix", "/etc/postfix"]).returncode, 64)
        source = self.source("relay")
        to, _ = self.taken_over("postfix", source)
        p = run([CHASQUI, "import", "--to", to, "postfix", source])
        self.assertEqual(p.returncode, 73)
        self.assertIn("is there already", p.stderr)
