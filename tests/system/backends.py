# SPDX-License-Identifier: ISC
"""Logins whose passwords are elsewhere: the system's users, PostgreSQL, PAM."""
import contextlib
import imaplib
import os
import poplib
import shutil
import smtplib
import subprocess
import unittest

from harness import CHASQUI, Story, any_certificate, message, needs_root, run, wait_for
from imap_kills import role_of

POSTGRES = "/usr/lib/postgresql"
QUICK = {"auth.fail_delay": "10ms", "auth.fail_delay_max": "20ms", "auth.max_failures_client": "1000",
         "auth.max_failures_network": "1000", "auth.max_failures_user": "1000"}


def why_not(box, user, password):
    """What IMAP says to a login; None where it worked."""
    m = imaplib.IMAP4_SSL("127.0.0.1", box.base + 993, ssl_context=any_certificate(), timeout=40)
    try:
        m.login(user, password)
        m.logout()
    except imaplib.IMAP4.error as e:
        m.shutdown()
        return str(e)
    return None


def proc_status(pid):
    """Empty where it has ended."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        with open(f"/proc/{pid}/status") as f:
            return dict(l.rstrip("\n").split(":\t", 1) for l in f if ":\t" in l)
    return {}


def verifiers(box):
    return [p for p in box.pids("auth") if role_of(p) == "verifier"]


@needs_root
class System(Story):
    @classmethod
    def arrange(cls):
        cls.anna = cls.system_user("anna")
        cls.old = cls.system_user("old")
        cls.locked = cls.system_user("lock")
        cls.empty = cls.system_user("empty")
        for user in (cls.anna, cls.old, cls.locked):
            run(["chpasswd"], stdin=f"{user.pw_name}:right\n".encode(), check=True)
        run(["chage", "-E", "2000-01-01", cls.old.pw_name], check=True)
        run(["usermod", "-L", cls.locked.pw_name], check=True)
        run(["passwd", "-d", cls.empty.pw_name], check=True)
        cls.box = cls.instance(conf="""
            domain host.example { type = system }
            """, **{"auth.backends": "file system", **QUICK})

    def test_mail_is_delivered_and_read_under_the_users_uid(self):
        name = self.anna.pw_name
        self.box.send(name + "@host.example", subject="to the system user")
        m = self.box.imap(name, "right", tls=True)
        self.addCleanup(m.shutdown)
        wait_for(lambda: m.select()[1] == [b"1"] or m.noop() and False, "the message")
        sessions = [p for p in self.box.pids("imapd-session") if proc_status(p).get("Uid", "-").split()[0] == str(self.anna.pw_uid)]
        self.assertEqual(len(sessions), 1)
        self.assertEqual(proc_status(sessions[0])["Seccomp"], "2")
        self.assertEqual(proc_status(sessions[0])["Groups"].split(), [])
        new = os.path.join(self.anna.pw_dir, "Maildir")
        self.assertEqual(os.stat(new).st_uid, self.anna.pw_uid)
        p = self.box.pop3(name, "right", tls=True)
        self.assertEqual(p.stat()[0], 1)
        p.quit()

    def test_submission(self):
        name = self.anna.pw_name
        with smtplib.SMTP_SSL("127.0.0.1", self.box.base + 465, context=any_certificate(), timeout=40) as c:
            c.login(name, "right")
            c.sendmail(name + "@host.example", ["alice@example.org"],
                       message(sender=name + "@host.example", subject="by a system user"))
        self.box.wait_subject("alice@example.org", "by a system user")

    def test_who_is_refused(self):
        self.assertIn("AUTHENTICATIONFAILED", why_not(self.box, self.anna.pw_name, "wrong"))
        self.box.wait_log(rf"login={self.anna.pw_name} .*reason=wrong-password")
        self.assertIn("EXPIRED", why_not(self.box, self.old.pw_name, "right"))
        self.assertIn("AUTHENTICATIONFAILED", why_not(self.box, self.old.pw_name, "wrong"))
        self.assertIn("AUTHENTICATIONFAILED", why_not(self.box, self.locked.pw_name, "right"))
        self.box.wait_log(rf"login={self.locked.pw_name} .*reason=locked")
        self.assertIn("AUTHENTICATIONFAILED", why_not(self.box, self.empty.pw_name, "x"))
        self.assertIn("AUTHENTICATIONFAILED", why_not(self.box, "root", "x"))
        self.box.wait_log(r"login=root .*reason=unknown-user")
        # one of the password file is still the file's
        self.assertIsNone(why_not(self.box, "alice@example.org", "secret"))

    def test_changed_password_counts_at_once(self):
        self.assertIsNone(why_not(self.box, self.anna.pw_name, "right"))
        run(["chpasswd"], stdin=f"{self.anna.pw_name}:other\n".encode(), check=True)
        try:
            self.assertIsNotNone(why_not(self.box, self.anna.pw_name, "right"))
            self.assertIsNone(why_not(self.box, self.anna.pw_name, "other"))
        finally:
            run(["chpasswd"], stdin=f"{self.anna.pw_name}:right\n".encode(), check=True)

    def test_verifier_has_one_group_and_nothing_else(self):
        gid = os.stat("/etc/shadow").st_gid
        for pid in verifiers(self.box):
            s = proc_status(pid)
            self.assertEqual(s["Groups"].split(), [str(gid)])
            self.assertEqual(s["CapBnd"], "0" * 16)
            self.assertEqual(s["Seccomp"], "2")
        for pid in self.box.pids("auth") + self.box.pids("smtpd") + self.box.pids("lookup"):
            if pid not in verifiers(self.box):
                self.assertEqual(proc_status(pid)["Groups"].split(), [])
        p = self.box.tool("confinement")
        self.assertEqual(p.returncode, 0, p.stdout + p.stderr)

    def test_explain_login(self):
        p = self.box.tool("explain", "login", self.anna.pw_name)
        self.assertEqual(p.returncode, 0, p.stdout + p.stderr)
        for line in ("backend: system", "password: yescrypt; for imap pop3 smtp", "sessions: ", f"uid {self.anna.pw_uid}"):
            self.assertIn(line, p.stdout)
        self.assertNotIn("$y$", p.stdout)
        p = self.box.tool("explain", "login", "alice@example.org")
        self.assertIn("backend: file", p.stdout)
        p = self.box.tool("explain", "login", "nobody@example.org")
        self.assertIn("backend: none has it", p.stdout)
        self.assertNotEqual(p.returncode, 0)

    def test_reload_takes_the_right_away_again(self):
        box = self.instance(**{"auth.backends": "file system", **QUICK})
        self.assertNotEqual(proc_status(verifiers(box)[0])["Groups"].split(), [])
        box.set("auth.backends", "file")
        box.tool("reload", check=True)
        wait_for(lambda: [proc_status(p).get("Groups", "-").split() for p in verifiers(box)] == [[]], "a new verifier")
        self.assertIn("AUTHENTICATIONFAILED", why_not(box, self.anna.pw_name, "right"))
        self.assertIsNone(why_not(box, "alice@example.org", "secret"))

    def test_without_root_it_is_refused(self):
        user = self.system_user("plain")
        box = self.instance(user=user.pw_name, start=False)
        box.set("auth.backends", "system")
        for args in (["config", "check"], ["start", "--foreground"]):
            p = run(box.as_user([CHASQUI, "-C", box.dir] + args))
            self.assertEqual(p.returncode, 78, p.stdout + p.stderr)
            self.assertIn("auth.backends system: only a suite that is started by root", p.stderr)


@needs_root
@unittest.skipUnless(os.path.isdir(POSTGRES), "not installed: postgresql")
class PostgreSQL(Story):
    @classmethod
    def arrange(cls):
        cls.bin = os.path.join(POSTGRES, max(os.listdir(POSTGRES), key=int), "bin")
        cls.owner = cls.system_user("pg").pw_name
        cls.dir = cls.directory("postgresql")
        shutil.chown(cls.dir, cls.owner)
        os.chmod(cls.dir, 0o755)
        cls.data = os.path.join(cls.dir, "data")
        cls.as_owner("initdb", "-D", cls.data, "-A", "peer", "-U", cls.owner, "--no-sync")
        with open(os.path.join(cls.data, "postgresql.conf"), "a") as f:
            f.write(f"listen_addresses = ''\nunix_socket_directories = '{cls.dir}'\nfsync = off\n")
        cls.at_end(cls.stop)
        cls.begin()
        cls.sql("""CREATE ROLE "_chasqui_verifier" LOGIN;
            CREATE TABLE accounts (login text, password text, scram_sha_256 text, app text, protocols text, disabled bool);
            GRANT SELECT ON accounts TO "_chasqui_verifier";
            INSERT INTO accounts VALUES ('pg@example.org', '{PLAIN}secret', NULL, NULL, NULL, false),
                ('pg@example.org', '{PLAIN}app-secret', NULL, 'phone', 'imap', false),
                ('off@example.org', '{PLAIN}secret', NULL, NULL, NULL, true)""")
        cls.box = cls.instance(users=("alice@example.org", "pg@example.org", "off@example.org"), **{
            "auth.backends": "postgresql", "auth.postgresql_socket": cls.dir, "auth.postgresql_database": "postgres",
            "auth.cache_time": "0s", **QUICK})

    @classmethod
    def as_owner(cls, program, *args):
        return run(["runuser", "-u", cls.owner, "--", os.path.join(cls.bin, program), *args], check=True, cwd="/")

    @classmethod
    def begin(cls):
        # pg_ctl leaves a server behind that has our descriptors
        subprocess.run(["runuser", "-u", cls.owner, "--", os.path.join(cls.bin, "pg_ctl"), "-D", cls.data, "-w",
                        "-l", os.path.join(cls.dir, "log"), "start"], check=True, cwd="/", stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)

    @classmethod
    def stop(cls):
        run(["runuser", "-u", cls.owner, "--", os.path.join(cls.bin, "pg_ctl"), "-D", cls.data, "-m", "immediate", "-w",
             "stop"], cwd="/")

    @classmethod
    def sql(cls, text):
        return cls.as_owner("psql", "-h", cls.dir, "-d", "postgres", "-v", "ON_ERROR_STOP=1", "-c", text).stdout

    def test_logins(self):
        self.assertIsNone(why_not(self.box, "pg@example.org", "secret"))
        self.assertIsNone(why_not(self.box, "pg@example.org", "app-secret"))
        self.assertRaises(poplib.error_proto, self.box.pop3, "pg@example.org", "app-secret")
        self.assertIn("AUTHENTICATIONFAILED", why_not(self.box, "pg@example.org", "wrong"))
        self.assertIn("AUTHORIZATIONFAILED", why_not(self.box, "off@example.org", "secret"))
        for name in ("x'or'1'='1", "$1", "nobody@example.org"):
            self.assertIn("AUTHENTICATIONFAILED", why_not(self.box, name, "secret"))
        for pid in verifiers(self.box):
            self.assertEqual(proc_status(pid)["Groups"].split(), [])

    def test_change_counts_at_once(self):
        self.sql("UPDATE accounts SET password = '{PLAIN}new' WHERE login = 'pg@example.org' AND app IS NULL")
        try:
            self.assertIsNotNone(why_not(self.box, "pg@example.org", "secret"))
            self.assertIsNone(why_not(self.box, "pg@example.org", "new"))
        finally:
            self.sql("UPDATE accounts SET password = '{PLAIN}secret' WHERE login = 'pg@example.org' AND app IS NULL")

    def test_restarted_server_is_found_again(self):
        self.assertIsNone(why_not(self.box, "pg@example.org", "secret"))
        self.stop()
        self.begin()
        self.assertIsNone(why_not(self.box, "pg@example.org", "secret"))

    def test_server_that_is_away_is_a_temporary_failure(self):
        self.stop()
        try:
            self.assertIn("UNAVAILABLE", why_not(self.box, "pg@example.org", "secret"))
        finally:
            self.begin()
        wait_for(lambda: why_not(self.box, "pg@example.org", "secret") is None, "logins to work again")

    def test_table_that_is_locked_keeps_nobody_waiting(self):
        p = subprocess.Popen(["runuser", "-u", self.owner, "--", os.path.join(self.bin, "psql"), "-h", self.dir,
                              "-d", "postgres"], cwd="/", stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        try:
            p.stdin.write(b"BEGIN; LOCK TABLE accounts IN ACCESS EXCLUSIVE MODE;\n")
            p.stdin.flush()
            wait_for(lambda: "AccessExclusive" in self.sql("SELECT mode FROM pg_locks"), "the lock")
            self.assertIn("UNAVAILABLE", why_not(self.box, "pg@example.org", "secret"))
        finally:
            p.communicate()     # the end of its input ends it, and the lock
        wait_for(lambda: why_not(self.box, "pg@example.org", "secret") is None, "logins to work again")


@needs_root
class Pam(Story):
    @classmethod
    def arrange(cls):
        cls.service = f"chasqui-test-{os.getpid()}"
        cls.file = "/etc/pam.d/" + cls.service
        cls.data = "/etc/" + cls.service
        cls.at_end(cls.remove)
        # Debian's own Python is linked with the Berkeley DB that pam_userdb reads.
        run(["/usr/bin/python3", "-c", "import dbm.ndbm, sys; dbm.ndbm.open(sys.argv[1], 'c', 0o644)['pam@example.org'] = 'secret'",
             cls.data], check=True)
        cls.rules("auth required pam_userdb.so db=%s\naccount required pam_userdb.so db=%s\n" % (cls.data, cls.data))
        cls.box = cls.instance(users=("alice@example.org", "pam@example.org"), **{
            "auth.backends": "pam", "auth.pam_service": cls.service, **QUICK})

    @classmethod
    def rules(cls, text):
        with open(cls.file, "w") as f:
            f.write(text)

    @classmethod
    def remove(cls):
        for name in (cls.file, cls.data + ".db"):
            if os.path.exists(name):
                os.unlink(name)

    def test_modules_decide(self):
        box = self.box
        self.assertIsNone(why_not(box, "pam@example.org", "secret"))
        self.assertIn("AUTHENTICATIONFAILED", why_not(box, "pam@example.org", "wrong"))
        self.assertIn("AUTHENTICATIONFAILED", why_not(box, "alice@example.org", "secret"))
        self.assertIn("AUTHENTICATIONFAILED", why_not(box, "root", "secret"))
        # clients do not choose what nobody could answer
        m = imaplib.IMAP4_SSL("127.0.0.1", box.base + 993, ssl_context=any_certificate(), timeout=40)
        self.assertNotIn("SCRAM", str(m.capabilities))
        m.shutdown()

    def test_other_modules_after_a_reload(self):
        before = open(self.file).read()
        pids = verifiers(self.box)
        for rules, said in (("auth required pam_deny.so\naccount required pam_permit.so\n", "AUTHENTICATIONFAILED"),
                            ("auth required pam_permit.so\naccount required pam_debug.so acct=acct_expired\n", "EXPIRED"),
                            ("auth required pam_permit.so\naccount required pam_deny.so\n", "AUTHENTICATIONFAILED"),
                            ("auth required pam_debug.so auth=authinfo_unavail\naccount required pam_permit.so\n", "UNAVAILABLE"),
                            # whose helper is set-id: refused, and nothing dies
                            ("auth required pam_unix.so\naccount required pam_permit.so\n", "AUTHENTICATIONFAILED"),
                            ("auth required pam_exec.so /bin/true\naccount required pam_permit.so\n", None)):
            with self.subTest(rules=rules):
                self.rules(rules)
                self.box.tool("reload", check=True)
                answer = why_not(self.box, "pam@example.org", "x")
                if said:
                    self.assertIn(said, answer)
                else:
                    self.assertIsNotNone(answer)
        self.assertNotIn("forbidden-call", self.box.log())
        self.assertNotEqual(verifiers(self.box), pids)
        self.rules(before)
        self.box.tool("reload", check=True)
        self.assertIsNone(why_not(self.box, "pam@example.org", "secret"))

    def test_service_without_a_file_is_refused(self):
        box = self.instance(start=False, **{"auth.backends": "pam", "auth.pam_service": self.service + "-none"})
        p = box.tool("config", "check")
        self.assertEqual(p.returncode, 78)
        self.assertIn("there is no /etc/pam.d/", p.stderr)
