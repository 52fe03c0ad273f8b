# SPDX-License-Identifier: ISC
"""The package's life on a fresh system below argv[1], in namespaces of its own.

Run by scripts/test-packages.  The steps build upon each other; the first that
fails ends it.
"""
import glob
import imaplib
import os
import re
import signal
import smtplib
import socket
import subprocess
import sys
import threading
import time
import traceback

ROOT = sys.argv[1]
PATIENCE = 60
HOST = "fresh"
steps = []


def step(function):
    steps.append(function)
    return function


def run(*argv, stdin=None, check=True, env=None):
    """A command in the fresh system; its output."""
    p = subprocess.run(["chroot", ROOT, *argv], input=stdin, text=True, timeout=300,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C",
                            "DEBIAN_FRONTEND": "noninteractive", **(env or {})})
    if check and p.returncode != 0:
        raise AssertionError(f"{' '.join(argv)}: status {p.returncode}\n{p.stdout}")
    return p.stdout


def path(name):
    return ROOT + name


def read(name):
    with open(path(name), errors="replace") as f:
        return f.read()


def write(name, text):
    with open(path(name), "w") as f:
        f.write(text)


def wait_for(condition, what):
    end = time.monotonic() + PATIENCE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("waited in vain for " + what)
        time.sleep(0.05)


def mail(directory, word):
    """The messages in a Maildir that have a word."""
    found = []
    for name in glob.glob(path(directory) + "/new/*") + glob.glob(path(directory) + "/cur/*"):
        with open(name, errors="replace") as f:
            text = f.read()
        if word in text:
            found.append(text)
    return found


def files():
    """All that a package could leave behind."""
    found = set()
    for top in ("/etc", "/usr", "/run", "/var", "/lib/systemd"):
        for where, directories, names in os.walk(path(top)):
            found |= {os.path.join(where, n)[len(ROOT):] for n in names + directories}
    # dpkg's and apt's own books, and what other packages' triggers write
    return {f for f in found if not re.match(
        r"/var/(lib/(dpkg|apt|systemd)|cache|log/(apt|dpkg|alternatives))|/run/cron|/etc/(passwd|group|shadow|gshadow|subuid|subgid)-?$"
        r"|/etc/\.pwd\.lock|/etc/ld\.so\.cache|/usr/lib/python3", f)}


def lock_pid():
    return int(read("/run/chasqui/master.pid"))


class Syslog(threading.Thread):
    """What the suite logs by /dev/log."""

    def __init__(self):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path("/dev/log"))
        os.chmod(path("/dev/log"), 0o666)
        self.lines = []

    def run(self):
        while True:
            self.lines.append(self.socket.recv(65536).decode("utf-8", "replace"))


# ---- the steps --------------------------------------------------------------------

@step
def apt_installs_it():
    global before
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["hostname", HOST], check=True)
    subprocess.run(["mount", "--rbind", "/proc", path("/proc")], check=True)
    write("/etc/hosts", f"127.0.0.1 localhost {HOST}\n::1 localhost\n")
    write("/etc/hostname", HOST + "\n")
    syslog.start()
    run("mkdir", "-p", "/run/lock")
    before = files()
    run("apt-get", "install", "-y", "--no-install-recommends", "/debs/first.deb")
    assert run("dpkg", "-V", "chasqui") == ""
    for name in ("/usr/sbin/sendmail", "/usr/lib/sendmail", "/usr/bin/mailq", "/usr/bin/newaliases"):
        run("test", "-x", name)
    assert "_chasqui_smtpd" in read("/etc/passwd")
    run("chasqui", "config", "check")


@step
def mail_waits_until_the_suite_is_started():
    run("useradd", "-m", "carol")
    run("sendmail", "carol", stdin="Subject: early\n\nbefore the start\n")
    run("chasqui", "start")
    wait_for(lambda: mail("/home/carol/Maildir", "before the start"), "the early message")


@step
def it_listens_to_this_host_alone():
    addresses = set()
    for name in ("/proc/self/net/tcp", "/proc/self/net/tcp6"):
        with open(name) as f:
            for line in f.readlines()[1:]:
                field = line.split()
                if field[3] == "0A":
                    addresses.add(field[1].split(":")[0])
    assert addresses <= {"0100007F", "00000000000000000000000001000000"}, addresses


@step
def mail_of_cron_arrives():
    write("/etc/cron.d/story", "* * * * * root echo the job has run\n")
    cron = subprocess.Popen(["chroot", ROOT, "cron", "-f"])
    try:
        # The job comes at the next full minute.
        try:
            wait_for(lambda: mail(f"/var/mail/chasqui/{HOST}/root/Maildir", "the job has run"), "cron's mail")
        except AssertionError:
            wait_for(lambda: mail(f"/var/mail/chasqui/{HOST}/root/Maildir", "the job has run"),
                     "cron's mail:\n" + "\n".join(syslog.lines[-30:]))
    finally:
        cron.kill()
        cron.wait()
        os.unlink(path("/etc/cron.d/story"))


@step
def a_configured_domain_works():
    write("/etc/chasqui/chasqui.conf", read("/etc/chasqui/chasqui.conf") + f"""
listener imap {{
	address = 127.0.0.1:143
	mode = imap
}}
domain example.org {{
	type = virtual
	mailboxes = users
}}
table users {{
	path = users
}}
domain away.example {{
	type = relay
	relay_to = [127.0.0.1]:9
}}
relay_networks = 127.0.0.0/8
""")
    write("/etc/chasqui/tables/users", "alice@example.org\n")
    run("chgrp", "_chasqui_lookup", "/etc/chasqui/tables/users")
    run("chasqui", "user", "add", "alice@example.org", stdin="secret\n")
    run("chasqui", "reload")
    send("alice@example.org", "to a domain")
    wait_for(lambda: fetch("to a domain"), "the message by IMAP")


def send(to, subject):
    with smtplib.SMTP("127.0.0.1", 25, local_hostname="client.example", timeout=PATIENCE) as s:
        s.sendmail("sender@client.example", [to], f"Subject: {subject}\r\n\r\ntext\r\n")


def login():
    imap = imaplib.IMAP4("127.0.0.1", 143, timeout=PATIENCE)
    imap.login("alice@example.org", "secret")
    imap.select("INBOX")
    return imap


def fetch(subject):
    imap = login()
    try:
        return imap.search(None, "SUBJECT", f'"{subject}"')[1][0]
    finally:
        imap.logout()


def waiting():
    return sorted(re.findall(r"waits \d", run("sh", "-c", "for i in $(chasqui queue list | "
                                              "grep -oE '^[0-9a-z]{10,}'); do chasqui queue show $i; done")))


@step
def an_upgrade_keeps_queue_and_configuration_and_sessions():
    for n in range(3):
        send("somebody@away.example", f"waits {n}")
    assert waiting() == ["waits 0", "waits 1", "waits 2"], run("chasqui", "queue", "list")
    configuration, pid, imap = read("/etc/chasqui/chasqui.conf"), lock_pid(), login()
    out = run("apt-get", "install", "-y", "/debs/later.deb")
    assert "restarted" in out, out
    assert "+later" in run("dpkg-query", "-W", "chasqui")
    assert lock_pid() != pid
    assert imap.noop()[0] == "OK"
    imap.logout()
    assert read("/etc/chasqui/chasqui.conf") == configuration
    assert waiting() == ["waits 0", "waits 1", "waits 2"]
    send("alice@example.org", "after the upgrade")
    wait_for(lambda: fetch("after the upgrade"), "the message by IMAP")


@step
def a_downgrade_keeps_them_too():
    pid = lock_pid()
    run("apt-get", "install", "-y", "--allow-downgrades", "/debs/first.deb")
    assert lock_pid() != pid
    assert waiting() == ["waits 0", "waits 1", "waits 2"]
    assert fetch("after the upgrade")


# What an engine does for `--read-only --tmpfs /run --tmpfs /tmp` with volumes.
CONTAINER = """
mount --make-rprivate /
umount -l "$1/proc"
mount --rbind "$1" "$1"
for d in /var/spool/chasqui /var/mail/chasqui; do mount --bind "$1$d" "$1$d"; done
mount -o remount,bind,ro "$1"
mount -t tmpfs none "$1/run"
mount -t tmpfs none "$1/tmp"
mount -t proc none "$1/proc"
exec chroot "$1" /bin/sh -c "exec chasqui start --foreground 2>&1"
"""


@step
def it_is_process_1_of_a_container_with_a_root_that_is_only_read():
    run("chasqui", "stop")
    log = open(path("/container.log"), "w+")
    unshare = subprocess.Popen(["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-ec", CONTAINER,
                                "container", ROOT], stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def logged(what):
        return re.search(what, read("/container.log"))

    def inside(*argv):
        with open(f"/proc/{unshare.pid}/task/{unshare.pid}/children") as f:
            first = f.read().split()[0]
        return subprocess.run(["nsenter", "--target", first, "--mount", "--pid", "--root", "--wd=/", *argv],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE)
    try:
        wait_for(lambda: logged("event=running"), "the suite to run")
        assert lock_pid_of(inside) == "1"
        p = inside("touch", "/etc/anything")
        assert p.returncode != 0 and "Read-only" in p.stdout, p.stdout
        send("alice@example.org", "to a container")
        wait_for(lambda: fetch("to a container"), "the message by IMAP")
        # It is in the Maildir before it is durable, and delivered only then.
        wait_for(lambda: logged("event=delivered"), "the delivery to be logged")
        # Nobody else would wait for an orphan.
        inside("sh", "-c", "sleep 0.1 & exit 0")
        wait_for(lambda: not re.search(r" Z ", inside("sh", "-c", "cat /proc/[0-9]*/stat").stdout), "the orphan to go")
        # Process 1 stays, whoever serves.
        p = inside("chasqui", "restart")
        assert p.returncode == 0, p.stdout
        assert lock_pid_of(inside) != "1"
        send("alice@example.org", "to another")
        wait_for(lambda: fetch("to another"), "the message by IMAP")
        with open(f"/proc/{unshare.pid}/task/{unshare.pid}/children") as f:
            os.kill(int(f.read().split()[0]), signal.SIGTERM)
        assert unshare.wait(PATIENCE) == 0, read("/container.log")[-3000:]
        assert logged("event=stopped")
    except Exception:
        print(read("/container.log")[-6000:])
        raise
    finally:
        unshare.kill()
        unshare.wait()
        log.close()
        os.unlink(path("/container.log"))
    run("chasqui", "start")


def lock_pid_of(inside):
    return inside("cat", "/run/chasqui/master.pid").stdout.strip()


@step
def a_removed_package_runs_no_more():
    run("apt-get", "remove", "-y", "chasqui")
    wait_for(lambda: not any(re.search(rb"chasqui|qmgr|smtpd", open(f"/proc/{p}/cmdline", "rb").read())
                             for p in os.listdir("/proc") if p.isdigit() and int(p) not in (1, os.getpid())
                             and os.path.exists(f"/proc/{p}/cmdline")), "the processes to end")
    assert os.path.exists(path("/etc/chasqui/chasqui.conf"))


@step
def a_purge_leaves_nothing_but_mail():
    out = run("apt-get", "purge", "-y", "chasqui")
    assert "mail that was not delivered is kept" in out, out
    left = {f for f in files() - before
            if not f.startswith(("/var/spool/chasqui/", "/var/mail/chasqui/", "/var/mail/carol", "/var/spool/mail"))}
    assert left == {"/var/spool/chasqui", "/var/mail/chasqui"}, left


@step
def installed_again_it_goes_on_with_the_queue():
    run("apt-get", "install", "-y", "--no-install-recommends", "/debs/first.deb")
    run("chasqui", "start")
    assert waiting() == ["waits 0", "waits 1", "waits 2"]
    run("chasqui", "queue", "delete", "--recipient", "somebody@away.example")
    run("apt-get", "purge", "-y", "chasqui")
    left = {f for f in files() - before if not f.startswith("/var/mail/")}
    assert left == set(), left


if __name__ == "__main__":
    syslog = Syslog()
    passed = failed = 0
    for each in steps:
        try:
            each()
            passed += 1
            print("passed ", each.__name__, flush=True)
        except Exception:
            failed = 1
            print("failed ", each.__name__)
            print("    | " + traceback.format_exc().replace("\n", "\n    | "))
            print("    | " + "\n    | ".join(l.strip() for l in syslog.lines[-40:]), flush=True)
            break
    print(f"{passed} passed, {failed} failed")
