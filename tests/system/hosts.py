# SPDX-License-Identifier: ISC
"""Hosts of their own: network namespaces joined by a bridge of veth pairs.

Made inside the stories' own network namespace, so that nothing of it is seen
on the machine; a host's processes end with it.
"""
import os
import subprocess
import sys

from harness import run, wait_for

SINK_PROGRAM = """
import json, sys
sys.path.insert(0, %r)
from sink import Sink
s = Sink([tuple(a) for a in json.loads(sys.argv[1])], hostname=sys.argv[2])
print("ready", flush=True)
seen = 0
while True:
    s.wait(seen + 1, timeout=10**6)
    m = s.messages[seen]
    seen += 1
    print(json.dumps({"sender": m.sender, "recipients": m.recipients, "data": m.data.decode("utf-8", "replace"),
                      "peer": m.session.peer[0]}), flush=True)
"""


def ip(*args):
    run(["ip", *args], check=True)


class Network:
    """Hosts on 10.99.0.0/24 and fd99::/64; this namespace is .1 of both."""

    def __init__(self, story):
        self.story, self.names, self.links, self.processes = story, [], [], []
        self.tag = f"ch{os.getpid()}"
        ip("link", "add", "br0", "type", "bridge")
        ip("addr", "add", "10.99.0.1/24", "dev", "br0")
        ip("-6", "addr", "add", "fd99::1/64", "dev", "br0", "nodad")
        ip("link", "set", "br0", "up")
        story.at_end(self.remove)

    def host(self, name, n, addresses):
        """A namespace with addresses; n numbers its end of the bridge."""
        full = f"{self.tag}{name}"
        ip("netns", "add", full)
        self.names.append(full)
        ip("link", "add", f"v{n}", "type", "veth", "peer", "name", "eth0", "netns", full)
        self.links.append(f"v{n}")
        ip("link", "set", f"v{n}", "master", "br0", "up")
        ip("-n", full, "link", "set", "lo", "up")
        for a in addresses:
            ip("-n", full, "addr", "add", a, "dev", "eth0", *(["nodad"] if ":" in a else []))
        ip("-n", full, "link", "set", "eth0", "up")
        return full

    def sink(self, name, addresses, hostname):
        """A sink that runs in a host; its messages come as lines of JSON."""
        import json
        out = open(os.path.join(self.story.directory("sink"), "out"), "w+")
        p = subprocess.Popen(["ip", "netns", "exec", name, sys.executable, "-c",
                              SINK_PROGRAM % os.path.dirname(os.path.abspath(__file__)), json.dumps(addresses), hostname],
                             stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
        self.processes.append(p)

        def lines():
            with open(out.name) as f:
                return f.read().splitlines()
        wait_for(lambda: "ready" in lines(), lambda: "the sink: " + "\n".join(lines()))
        return lambda: [json.loads(l) for l in lines() if l.startswith("{")]

    def remove(self):
        for p in self.processes:
            p.terminate()
            p.wait(10)
        # The end of a namespace comes some time after its name's; its links
        # must be gone before the next story makes links of these names.
        for link in self.links:
            run(["ip", "link", "del", link])
        for name in self.names:
            run(["ip", "netns", "del", name])
        run(["ip", "link", "del", "br0"])
