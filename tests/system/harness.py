# SPDX-License-Identifier: ISC
"""What the stories share: instances of the suite, clients, servers, reports.

A story is a method of a class derived from Story.  Whatever it starts (an
instance of the suite, a name server, a sink) lives until the stories of its
class are done and is then stopped and removed.  Nothing here sleeps to let
something happen: wait_for() looks at a condition until its deadline.

As root the runner gives each file of stories a network namespace of its own,
so that ports never clash and port 25 and 127.0.0.2 to 127.0.0.255 are free;
otherwise ports come from a range that the runner gives.
"""
import contextlib
import email
import email.policy
import imaplib
import json
import os
import poplib
import pwd
import re
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import tempfile
import time
import unittest

PREFIX = os.environ.get("CHASQUI_PREFIX", "")
HOOKS_PREFIX = os.environ.get("CHASQUI_HOOKS_PREFIX", "")
CHASQUI = os.path.join(PREFIX, "sbin", "chasqui")
SENDMAIL = os.path.join(PREFIX, "sbin", "sendmail")
MAILQ = os.path.join(PREFIX, "bin", "mailq")
NEWALIASES = os.path.join(PREFIX, "bin", "newaliases")
WORK = os.environ.get("CHASQUI_TEST_WORK", "/var/tmp/chasqui-stories")
POSTFIX_ROOT = os.environ.get("CHASQUI_POSTFIX_ROOT", "")
COURIER_ROOT = os.environ.get("CHASQUI_COURIER_ROOT", "")
OWN_NET = os.environ.get("CHASQUI_OWN_NET") == "1"
PORTS = int(os.environ.get("CHASQUI_PORTS", "20000"))
PATIENCE = float(os.environ.get("CHASQUI_PATIENCE", "40"))
IS_ROOT = os.geteuid() == 0


class Late(AssertionError):
    """A condition did not come true before its deadline."""


def wait_for(condition, what, timeout=None, step=0.02):
    """The first true value of condition(); Late after timeout seconds."""
    end = time.monotonic() + (PATIENCE if timeout is None else timeout)
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Late("waited in vain for " + (what() if callable(what) else what))
        time.sleep(step)


def needs_root(thing):
    return unittest.skipUnless(IS_ROOT, "needs root")(thing)


def needs_net(thing):
    return unittest.skipUnless(OWN_NET, "needs a network namespace (root)")(thing)


def needs_program(*names):
    missing = [n for n in names if not shutil.which(n, path=os.environ["PATH"] + ":/usr/sbin:/sbin")]
    return unittest.skipIf(missing, "not installed: " + " ".join(missing))


class Ports:
    """Port numbers of this process: eleven instances, then single ports."""
    instances = 0
    singles = 0

    @classmethod
    def base(cls):
        # 3 apart, the ports of eleven instances within 1000 never coincide.
        n = PORTS + 3 * cls.instances
        cls.instances += 1
        if cls.instances > 11:
            raise AssertionError("too many instances in one file of stories")
        return n

    @classmethod
    def single(cls):
        cls.singles += 1
        return PORTS + 200 + cls.singles


def run(argv, stdin=None, timeout=60, check=False, **kw):
    """A finished program: .returncode, .stdout, .stderr (text)."""
    p = subprocess.run([str(a) for a in argv], input=stdin, timeout=timeout,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       stdin=subprocess.DEVNULL if stdin is None else None, **kw)
    p.stdout = p.stdout.decode("utf-8", "replace")
    p.stderr = p.stderr.decode("utf-8", "replace")
    if check and p.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, argv))}: status {p.returncode}\n{p.stdout}{p.stderr}")
    return p


def getmail(home, retriever):
    """Fetches into home/Maildir what is new, and leaves it on the server; retriever: the lines of its section.

    As root it would deliver in a child, for which it now and then waits for
    ever, so all of it is run as nobody.
    """
    for d in ("cur", "new", "tmp"):
        os.makedirs(os.path.join(home, "Maildir", d), exist_ok=True)
    with open(os.path.join(home, "rc"), "w", encoding="ascii") as f:
        f.write(f"[retriever]\nserver = 127.0.0.1\npassword = secret\n{retriever}"
                f"[destination]\ntype = Maildir\npath = {home}/Maildir/\n[options]\nread_all = false\ndelete = false\n")
    as_nobody = []
    if IS_ROOT:
        run(["chown", "-R", "nobody:nogroup", home], check=True)
        as_nobody = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]
    p = run([*as_nobody, "getmail", "--getmaildir", home, "--rcfile", "rc"], env={**os.environ, "HOME": home})
    if p.returncode != 0:
        raise AssertionError(p.stdout + p.stderr)


def descendants(pid):
    """Process ids of all that descends from pid."""
    found = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as f:
                for child in f.read().split():
                    found += [int(child)] + descendants(int(child))
    except (FileNotFoundError, ProcessLookupError):
        pass
    return found


def comm(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            return os.path.basename(f.read().split(b"\0")[0].split(b" ")[0].rstrip(b":")).decode()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def any_certificate():
    """A TLS context for the self-signed certificate that `chasqui init` makes."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


# ---- messages ----------------------------------------------------------------

def message(to="alice@example.org", sender="sender@client.example", subject="hello",
            body="a line\r\n", **fields):
    """A small message as bytes, CRLF line ends."""
    head = {"From": f"<{sender}>", "To": f"<{to}>", "Subject": subject}
    head.update({k.replace("_", "-"): v for k, v in fields.items()})
    text = "".join(f"{k}: {v}\r\n" for k, v in head.items()) + "\r\n" + body
    return text.encode("utf-8")


def parse(raw):
    return email.message_from_bytes(raw, policy=email.policy.default)


class Report:
    """A delivery status notification (RFC 3464) taken apart."""

    def __init__(self, raw):
        self.raw = raw
        # compat32 keeps every field as it was written.
        self.message = m = email.message_from_bytes(raw)
        assert m.get_content_type() == "multipart/report", m.get_content_type()
        assert m.get_param("report-type") == "delivery-status"
        parts = m.get_payload()
        assert len(parts) == 3, f"{len(parts)} parts"
        self.text = parts[0].get_payload(decode=True).decode("utf-8")
        assert parts[1].get_content_type() in ("message/delivery-status", "message/global-delivery-status")
        blocks = parts[1].get_payload()
        if parts[1].get_content_type() == "message/global-delivery-status":
            # The email package takes it for one message.
            text = blocks[0].as_bytes().decode("utf-8")
            blocks = [email.message_from_string(b) for b in re.split(r"\n\s*\n", text.strip())]
        self.fields = {k.lower(): " ".join(v.split()) for k, v in blocks[0].items()}
        self.recipients = [{k.lower(): " ".join(v.split()) for k, v in b.items()}
                           for b in blocks[1:] if b.keys()]
        self.returned_type = parts[2].get_content_type()
        if self.returned_type.startswith("message/") and parts[2].is_multipart():
            self.returned = parts[2].get_payload()[0]
        else:
            self.returned = email.message_from_bytes(parts[2].get_payload(decode=True))

    def recipient(self, address):
        for r in self.recipients:
            if r["final-recipient"].split(";", 1)[1].strip().lower() == address.lower():
                return r
        raise AssertionError(f"no Final-Recipient {address} in {self.recipients}")


def is_report(raw):
    return parse(raw).get_content_type() == "multipart/report"


# ---- a conversation byte by byte -----------------------------------------------

class Talk:
    """An SMTP conversation under the story's full control."""

    def __init__(self, address, timeout=None, greet=True, source=None):
        if isinstance(address, str):
            self.s = socket.socket(socket.AF_UNIX)
            self.s.settimeout(timeout or PATIENCE)
            self.s.connect(address)
        else:
            self.s = socket.create_connection(address, timeout or PATIENCE,
                                              source_address=(source, 0) if source else None)
        self.buffer = b""
        self.greeting = self.reply() if greet else None

    def line(self):
        while b"\n" not in self.buffer:
            data = self.s.recv(65536)
            if not data:
                raise EOFError("the server closed the connection after %r" % self.buffer)
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        if not line.endswith(b"\r"):
            raise AssertionError("a reply line without CRLF: %r" % line)
        return line[:-1].decode("utf-8")

    def reply(self):
        """(code, [text of each line])."""
        lines = []
        while True:
            line = self.line()
            if not re.match(r"\d{3}[ -]", line):
                raise AssertionError("not a reply: %r" % line)
            lines.append(line[4:])
            if line[3] == " ":
                return int(line[:3]), lines

    def send(self, data):
        self.s.sendall(data if isinstance(data, bytes) else data.encode("utf-8"))

    def cmd(self, line, expect=None):
        self.send(line.encode("utf-8") + b"\r\n")
        reply = self.reply()
        if expect is not None and reply[0] != expect:
            raise AssertionError(f"{line!r} was answered {reply}, not {expect}")
        return reply

    def ehlo(self, name="client.example"):
        return {k.split(" ")[0].upper(): k for k in self.cmd("EHLO " + name, 250)[1][1:]}

    def closed(self):
        """True when the server has closed; what it said stays in buffer."""
        try:
            data = self.s.recv(65536)
        except ConnectionResetError:
            return True
        self.buffer += data
        return not data

    def close(self):
        self.s.close()

    def __enter__(self):
        return self

    def __exit__(self, *a):
        self.close()


# ---- the suite -------------------------------------------------------------------

class Instance:
    """One instance of the suite in a directory of its own."""

    def __init__(self, story, domains=("example.org",), users=("alice@example.org", "bob@example.org"),
                 hostname="mx.example.org", dns=None, relay=None, conf="", tables=None, user=None,
                 start=True, prefix=PREFIX, **keys):
        self.program = os.path.join(prefix, "sbin", "chasqui")
        self.user = user                # a system user's name: run without root
        self.dir = story.directory("chasqui")
        if user:
            shutil.chown(self.dir, user)
        self.base = Ports.base()
        self.port = self.base + 25
        self.process = None
        self.under = []                 # a command that starts the suite, as prlimit(1)
        self.logfile = self.dir + ".log"
        os.rmdir(self.dir)
        argv = [self.program, "init", "--dir", self.dir, "--hostname", hostname, "--port-base", self.base]
        for d in domains:
            argv += ["--domain", d]
        for u in users:
            argv += ["--user", u + ":secret"]
        if dns:
            argv += ["--dns", dns]
        for domain, hop in (relay or {}).items():
            argv += ["--relay", f"{domain}={hop}"]
        if user:
            # the parent directory must let the user make it
            os.makedirs(self.dir)
            shutil.chown(self.dir, user)
        run(self.as_user(argv), check=True)
        self.conf_path = os.path.join(self.dir, "chasqui.conf")
        for name, text in (tables or {}).items():
            self.write(name, text)
        # Stories are about behaviour, not about waiting.
        quick = {"queue.retry_first": "300ms", "queue.retry_max": "1s", "table.check": "50ms",
                 "dns.timeout": "5s", "queue.journal": "8M", "process.smtpd": "1", "process.remote": "1", "process.login": "1", "process.verifier": "1"}
        for key, value in {**quick, **{k.replace("__", "."): v for k, v in keys.items()}}.items():
            self.set(key, value)
        if conf:
            self.append(conf)
        if start:
            self.start()

    def as_user(self, argv):
        return ["runuser", "-u", self.user, "--"] + list(map(str, argv)) if self.user else argv

    # -- configuration --

    def read_conf(self):
        with open(self.conf_path) as f:
            return f.read()

    def write_conf(self, text):
        with open(self.conf_path, "w") as f:
            f.write(text)

    def set(self, key, value):
        """A top-level key, replacing an earlier setting of it."""
        text = self.read_conf()
        line = f"{key} = {value}"
        new, n = re.subn(rf"(?m)^{re.escape(key)}\s*=.*$", lambda m: line, text)
        self.write_conf(new if n else text.rstrip("\n") + "\n" + line + "\n")

    def append(self, text):
        """Blocks, and keys that replace earlier settings of them."""
        depth, blocks = 0, []
        for line in (l.strip() for l in text.strip().splitlines()):
            key, equals, value = line.partition(" = ")
            if depth == 0 and equals and re.fullmatch(r"[a-z_.0-9]+", key):
                self.set(key, value)
            else:
                blocks.append(line)
                depth += line.count("{") - line.count("}")
        self.write_conf(self.read_conf().rstrip("\n") + "\n" + "\n".join(blocks) + "\n")

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def write(self, name, text):
        """A file below the instance's directory, replaced by rename."""
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path + ".tmp", "w") as f:
            f.write(text)
        if self.user:
            shutil.chown(path + ".tmp", self.user)
        os.rename(path + ".tmp", path)
        return path

    # -- reading mail --

    def pop3(self, user="alice@example.org", password="secret", tls=False):
        """A session of poplib's, logged in."""
        if tls:
            p = poplib.POP3_SSL("127.0.0.1", self.base + 995, context=any_certificate(), timeout=PATIENCE)
        else:
            p = poplib.POP3("127.0.0.1", self.base + 110, timeout=PATIENCE)
        p.user(user)
        p.pass_(password)
        return p

    def imap(self, user="alice@example.org", password="secret", tls=False):
        """A session of imaplib's, logged in."""
        if tls:
            i = imaplib.IMAP4_SSL("127.0.0.1", self.base + 993, ssl_context=any_certificate(), timeout=PATIENCE)
        else:
            i = imaplib.IMAP4("127.0.0.1", self.base + 143, timeout=PATIENCE)
        i.login(user, password)
        return i

    # -- running --

    def start(self, wait=True):
        log = open(self.logfile, "ab")
        self.log_before = log.tell()
        self.process = subprocess.Popen(
            list(map(str, self.as_user([*self.under, self.program, "-C", self.dir, "start", "--foreground"]))),
            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        log.close()
        if wait:
            self.wait_ready()

    def wait_ready(self):
        """All processes are there: smtpd greets while others still read their tables."""
        def ready():
            if self.process.poll() is not None:
                raise AssertionError(f"the suite ended with {self.process.returncode}:\n{self.log()[-3000:]}")
            with open(self.logfile, "rb") as f:
                f.seek(self.log_before)
                return b"event=running" in f.read()
        wait_for(ready, lambda: "the suite to answer:\n" + self.log()[-3000:])

    def master(self):
        """The process id of master, also behind runuser."""
        for pid in [self.process.pid] + descendants(self.process.pid):
            if comm(pid) == "master":
                return pid
        raise AssertionError("no master process")

    def pids(self, name):
        return [p for p in descendants(self.process.pid) if comm(p) == name]

    def stop(self):
        if self.process is None:
            return
        if self.process.poll() is None:
            all_of_it = [self.process.pid] + descendants(self.process.pid)
            self.tool("stop", timeout=60)
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.kill(all_of_it)
                raise AssertionError("the suite did not stop")
        self.process = None

    def kill(self, pids=None):
        """SIGKILL for the whole suite, master first."""
        pids = pids or [self.process.pid] + descendants(self.process.pid)
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if self.process:
            self.process.wait()
        wait_for(lambda: not any(os.path.exists(f"/proc/{p}") and not zombie(p) for p in pids),
                 "the killed processes to be gone")
        self.process = None

    def tool(self, *args, stdin=None, timeout=60, check=False):
        return run(self.as_user([self.program, "-C", self.dir, *args]), stdin=stdin, timeout=timeout, check=check)

    def sendmail(self, *args, stdin=b"", env=None, user=None):
        argv = [SENDMAIL, "-C", self.dir, *args]
        if user or self.user:
            argv = ["runuser", "-u", user or self.user, "--"] + argv
        return run(argv, stdin=stdin)

    def reload(self, check=True):
        return self.tool("reload", check=check)

    # -- looking --

    def log(self):
        with open(self.logfile, errors="replace") as f:
            return f.read()

    def wait_log(self, pattern, timeout=None, since=0):
        """The first match in the log (behind offset since)."""
        return wait_for(lambda: re.search(pattern, self.log()[since:]),
                        lambda: f"a log line like {pattern!r} in\n{self.log()[since:][-3000:]}", timeout)

    def queue(self, *args):
        """The queue's entries as dictionaries."""
        out = self.tool("queue", "list", "--json", *args, check=True).stdout
        entries = []
        for line in out.splitlines():
            line = line.strip().rstrip(",")
            if line.startswith("{"):
                entries.append(json.loads(line))
        return entries

    def wait_queue(self, n=0, timeout=None):
        """Until the queue holds n messages; returns them."""
        seen = []

        def right():
            seen[:] = self.queue()
            return len(seen) == n
        wait_for(right, lambda: f"{n} messages in the queue, which has {seen}", timeout, step=0.1)
        return seen

    def maildir(self, address):
        local, domain = address.rsplit("@", 1)
        return self.path("mail", domain, local, "Maildir")

    def mail(self, address):
        """The messages in a mailbox as bytes, in the order of their names."""
        return maildir(self.maildir(address) if "@" in address else address)

    def wait_mail(self, address, n=1, timeout=None):
        """Until a mailbox holds at least n messages."""
        return wait_for(lambda: (lambda m: m if len(m) >= n else None)(self.mail(address)),
                        lambda: f"{n} messages for {address}; it has {len(self.mail(address))}; log:\n" + self.log()[-4000:],
                        timeout)

    def wait_subject(self, address, subject, timeout=None):
        """The message with a subject, as bytes."""
        def there():
            for raw in self.mail(address):
                if parse(raw)["subject"] == subject:
                    return raw
        return wait_for(there, lambda: f"a message {subject!r} for {address}; log:\n" + self.log()[-4000:], timeout)

    def wait_report(self, address, about=None, timeout=None):
        """The first report for an address (about: a word in it)."""
        def there():
            for raw in self.mail(address):
                if is_report(raw) and (about is None or about.encode() in raw):
                    return raw
        return Report(wait_for(there, lambda: f"a report for {address}; log:\n" + self.log()[-4000:], timeout))

    # -- clients --

    def talk(self, **kw):
        return Talk(("127.0.0.1", self.port), **kw)

    def smtp(self):
        return smtplib.SMTP("127.0.0.1", self.port, local_hostname="client.example", timeout=PATIENCE)

    def send(self, to, sender="sender@client.example", subject="hello", body="a line\r\n",
             mail_options=(), rcpt_options=(), raw=None):
        """One message by smtplib; {recipient: (code, text)} of the refused."""
        to = [to] if isinstance(to, str) else list(to)
        with self.smtp() as s:
            return s.sendmail(sender, to, raw or message(to[0], sender, subject, body),
                              mail_options, rcpt_options)


def zombie(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def maildir(path):
    """The messages of a Maildir as bytes; one that a session moves or renames meanwhile counts once."""
    def names():
        found = []
        for sub in ("new", "cur"):
            with contextlib.suppress(FileNotFoundError):
                found += [os.path.join(path, sub, name) for name in sorted(os.listdir(os.path.join(path, sub)))]
        return found

    while True:
        before, messages = names(), []
        with contextlib.suppress(FileNotFoundError):
            for name in before:
                with open(name, "rb") as f:
                    messages.append(f.read())
        if set(before) <= set(names()):
            return messages


# ---- a name server ----------------------------------------------------------------

class NameServer:
    """nsd with zones of the story's own: {"example.net": "records"}."""

    def __init__(self, story, zones, address="127.0.0.1"):
        self.dir = story.directory("nsd")
        self.address, self.port = address, Ports.single()
        self.at = f"{address}:{self.port}"
        self.zones = dict(zones)
        self.serial = 0
        conf = [
            "server:", f'  ip-address: {address}@{self.port}', '  username: ""', '  chroot: ""',
            f'  zonesdir: "{self.dir}"', '  database: ""', f'  pidfile: "{self.dir}/pid"',
            f'  zonelistfile: "{self.dir}/zone.list"', f'  xfrdfile: "{self.dir}/xfrd"',
            f'  xfrdir: "{self.dir}"', f'  logfile: "{self.dir}/log"', "  server-count: 1", "  rrl-ratelimit: 0",
            "remote-control:", "  control-enable: no"]
        for zone in zones:
            conf += ["zone:", f'  name: "{zone}"', f'  zonefile: "{zone}.zone"']
        self.conf = os.path.join(self.dir, "nsd.conf")
        with open(self.conf, "w") as f:
            f.write("\n".join(conf) + "\n")
        for zone in zones:
            self.write(zone)
        self.process = subprocess.Popen([shutil.which("nsd", path="/usr/sbin:/sbin:" + os.environ["PATH"]),
                                         "-d", "-c", self.conf], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        story.at_end(self.stop)
        wait_for(self.answers, "the name server")

    def write(self, zone):
        self.serial += 1
        origin = zone if zone.endswith(".") else zone + "."
        with open(os.path.join(self.dir, zone + ".zone"), "w") as f:
            f.write(f"$ORIGIN {origin}\n$TTL 1\n"
                    f"@ SOA ns.{origin} root.{origin} {self.serial} 3600 600 86400 1\n@ NS ns.{origin}\n"
                    f"ns A 127.0.0.1\n" + "\n".join(l.strip() if not l[:1].isspace() else l
                                                    for l in self.zones[zone].strip("\n").splitlines()) + "\n")

    def answers(self):
        if self.process.poll() is not None:
            raise AssertionError("nsd ended: " + open(os.path.join(self.dir, "log")).read())
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(0.2)
            zone = next(iter(self.zones)).rstrip(".")
            name = b"".join(bytes([len(l)]) + l.encode() for l in zone.split(".") if l) + b"\0"
            try:
                s.sendto(b"\x12\x34\0\0\0\1\0\0\0\0\0\0" + name + b"\0\6\0\1", (self.address, self.port))
                return s.recv(512)[3] & 15 == 0
            except OSError:
                return False

    def change(self, zone, records):
        self.zones[zone] = records
        self.write(zone)
        self.process.send_signal(signal.SIGHUP)

    def stop(self):
        self.process.terminate()
        self.process.wait(PATIENCE)


# ---- stories ------------------------------------------------------------------------

class Story(unittest.TestCase):
    longMessage = True
    instances = []

    @classmethod
    def setUpClass(cls):
        cls.instances = []
        cls.arrange()

    @classmethod
    def arrange(cls):
        """What all stories of the class need; at_end() undoes it."""

    @classmethod
    def at_end(cls, function, *args):
        cls.addClassCleanup(function, *args)

    @classmethod
    def directory(cls, what):
        os.makedirs(WORK, exist_ok=True)
        path = tempfile.mkdtemp(prefix=what + "-", dir=WORK)
        os.chmod(path, 0o755)
        if not os.environ.get("CHASQUI_KEEP"):
            cls.at_end(shutil.rmtree, path, True)
        return path

    @classmethod
    def instance(cls, **kw):
        start = kw.pop("start", True)
        box = Instance(cls, start=False, **kw)
        cls.instances.append(box)
        cls.at_end(box.stop)
        if start:
            box.start()
        return box

    @classmethod
    def nameserver(cls, zones, **kw):
        return NameServer(cls, zones, **kw)

    @classmethod
    def system_user(cls, hint):
        """A user of this machine with a home directory, for these stories."""
        name = f"cht{os.getpid() % 100000}{hint}"
        home = cls.directory("home-" + hint)
        wait_for(lambda: run(["useradd", "-M", "-U", "-d", home, "-s", "/bin/sh", name]).returncode == 0,
                 "useradd " + name)
        cls.at_end(lambda: wait_for(lambda: run(["userdel", name]).returncode in (0, 6), "userdel " + name))
        shutil.chown(home, name, name)
        return pwd.getpwnam(name)


