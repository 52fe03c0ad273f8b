# SPDX-License-Identifier: ISC
"""Real servers as next hops: Postfix and Dovecot's LMTP server, from Debian.

Postfix is not installed (it would exclude another mail server): its package is
unpacked below CHASQUI_POSTFIX_ROOT by scripts/test, and run from there.
"""
import os
import pwd
import subprocess

from harness import POSTFIX_ROOT, Ports, Talk, maildir, run, wait_for


class Postfix:
    """Takes mail for a domain into Maildirs; sends the rest to a relay."""

    def __init__(self, story, domain, users, relay, extra=""):
        self.dir = d = story.directory("postfix")
        self.port = Ports.single()
        self.at = f"127.0.0.1:{self.port}"
        self.domain = domain
        conf = os.path.join(d, "etc")
        for sub in ("etc", "spool", "data", "mail"):
            os.mkdir(os.path.join(d, sub))
        owner = pwd.getpwnam("postfix")
        os.chown(os.path.join(d, "data"), owner.pw_uid, 0)
        os.chown(os.path.join(d, "mail"), owner.pw_uid, owner.pw_gid)
        lib = POSTFIX_ROOT + "/usr/lib/postfix"
        with open(os.path.join(conf, "vmailbox"), "w") as f:
            f.write("".join(f"{u}@{domain} {domain}/{u}/\n" for u in users))
        with open(os.path.join(conf, "main.cf"), "w") as f:
            f.write(f"""compatibility_level = 3.6
queue_directory = {d}/spool
data_directory = {d}/data
command_directory = {POSTFIX_ROOT}/usr/sbin
daemon_directory = {lib}/sbin
shlib_directory = {lib}
meta_directory = {conf}
import_environment = MAIL_CONFIG MAIL_DEBUG MAIL_LOGTAG TZ LANG=C POSTLOG_SERVICE POSTLOG_HOSTNAME LD_LIBRARY_PATH={lib}
maillog_file = {d}/log
maillog_file_prefixes = {d}
myhostname = postfix.{domain}
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
biff = no
virtual_mailbox_domains = {domain}
virtual_mailbox_base = {d}/mail
virtual_mailbox_maps = texthash:{conf}/vmailbox
virtual_minimum_uid = {min(owner.pw_uid, 100)}
virtual_uid_maps = static:{owner.pw_uid}
virtual_gid_maps = static:{owner.pw_gid}
relayhost = [127.0.0.1]:{relay}
disable_dns_lookups = yes
smtp_host_lookup = native
smtputf8_enable = yes
{extra}
""")
        with open(os.path.join(conf, "master.cf"), "w") as f:
            f.write(f"""{self.port} inet n - n - 20 smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
""")
        env = dict(os.environ, LD_LIBRARY_PATH=lib, MAIL_CONFIG=conf)
        os.makedirs(f"{d}/spool/pid", exist_ok=True)
        for sub, mode, who in (("active", 0o700, True), ("bounce", 0o700, True), ("corrupt", 0o700, True),
                               ("defer", 0o700, True), ("deferred", 0o700, True), ("flush", 0o700, True),
                               ("hold", 0o700, True), ("incoming", 0o700, True), ("saved", 0o700, True),
                               ("trace", 0o700, True), ("private", 0o700, True), ("public", 0o710, True),
                               ("maildrop", 0o730, True)):
            path = f"{d}/spool/{sub}"
            os.makedirs(path, exist_ok=True)
            os.chown(path, owner.pw_uid, 0)
            os.chmod(path, mode)
        self.err = os.path.join(d, "stderr")
        with open(self.err, "wb") as err:
            self.process = subprocess.Popen([f"{lib}/sbin/master", "-c", conf, "-d"], env=env,
                                            stdin=subprocess.DEVNULL, stdout=err, stderr=err)
        story.at_end(self.stop)
        wait_for(self.answers, lambda: "Postfix: " + self.log())

    def answers(self):
        if self.process.poll() is not None:
            raise AssertionError("Postfix ended: " + self.log())
        try:
            with Talk(("127.0.0.1", self.port), timeout=5) as t:
                return t.greeting[0] == 220
        except (OSError, EOFError):
            return False

    def log(self):
        text = ""
        for path in (os.path.join(self.dir, "log"), self.err):
            if os.path.exists(path):
                with open(path, errors="replace") as f:
                    text += f.read()[-3000:]
        return text

    def mail(self, user):
        return maildir(os.path.join(self.dir, "mail", self.domain, user))

    def wait_mail(self, user, n=1):
        return wait_for(lambda: (lambda m: m if len(m) >= n else None)(self.mail(user)),
                        lambda: f"{n} messages at Postfix for {user}:\n" + self.log())

    def stop(self):
        self.process.terminate()
        self.process.wait(20)


class Dovecot:
    """Dovecot's LMTP server on a port and on a Unix socket."""

    def __init__(self, story, domain, users):
        self.dir = d = story.directory("dovecot")
        self.port = Ports.single()
        self.at = f"127.0.0.1:{self.port}"
        self.socket = os.path.join(d, "lmtp.sock")
        owner = pwd.getpwnam("nobody")
        os.mkdir(os.path.join(d, "mail"))
        os.chown(os.path.join(d, "mail"), owner.pw_uid, owner.pw_gid)
        with open(os.path.join(d, "users"), "w") as f:
            f.write("".join(f"{u}@{domain}:{{PLAIN}}x\n" for u in users))
        with open(os.path.join(d, "dovecot.conf"), "w") as f:
            f.write(f"""base_dir = {d}/run
state_dir = {d}/run
log_path = {d}/log
protocols = lmtp
listen = 127.0.0.1
ssl = no
mail_location = maildir:{d}/mail/%n
first_valid_uid = 1
first_valid_gid = 1
passdb {{
  driver = passwd-file
  args = username_format=%u {d}/users
}}
userdb {{
  driver = static
  args = uid={owner.pw_uid} gid={owner.pw_gid} home={d}/mail/%n
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {self.port}
  }}
  unix_listener {self.socket} {{
    mode = 0666
  }}
}}
service stats {{
  unix_listener stats-writer {{
    mode = 0666
  }}
}}
""")
        with open(os.path.join(d, "stderr"), "wb") as err:
            self.process = subprocess.Popen(["dovecot", "-F", "-c", os.path.join(d, "dovecot.conf")],
                                            stdin=subprocess.DEVNULL, stdout=err, stderr=err)
        story.at_end(self.stop)
        wait_for(self.answers, lambda: "Dovecot: " + self.log())

    def answers(self):
        if self.process.poll() is not None:
            raise AssertionError("Dovecot ended: " + self.log())
        try:
            with Talk(("127.0.0.1", self.port), timeout=5) as t:
                return t.greeting[0] == 220
        except (OSError, EOFError):
            return False

    def log(self):
        text = ""
        for name in ("log", "stderr"):
            if os.path.exists(os.path.join(self.dir, name)):
                with open(os.path.join(self.dir, name), errors="replace") as f:
                    text += f.read()[-3000:]
        return text

    def mail(self, user):
        return maildir(os.path.join(self.dir, "mail", user))

    def wait_mail(self, user, n=1):
        return wait_for(lambda: (lambda m: m if len(m) >= n else None)(self.mail(user)),
                        lambda: f"{n} messages at Dovecot for {user}:\n" + self.log())

    def stop(self):
        self.process.terminate()
        self.process.wait(20)


def available():
    """Whether Postfix was unpacked here."""
    return bool(POSTFIX_ROOT) and os.path.exists(POSTFIX_ROOT + "/usr/lib/postfix/sbin/master") and \
        run(["id", "postfix"]).returncode == 0
