#!/usr/bin/python3
"""User-mode networking beside its peers: `naru run --net user`, pasta and slirp4netns.

Inside is the client, on the loopback of a network namespace the server; MTU 65520 for all.  Bulk is
iperf3, one stream; up is from the program to the host.  rounds is 64 bytes there and back, connects
is connect, accept, close, one after the other (bench/ends.c).  CPU is the gateway's own time, user
and system, per gigabyte, round or connection; the programs at both ends are not in it.  The
contenders take turns, the median of the rounds counts; naru's limit is the better of the others in
the same round.  Needs root.

Usage: usernet.py [--json] [--rounds N] [--seconds N] [CONTENDER...]
"""

import argparse
import json
import os
import pathlib
import shutil
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "lib"))
import netns  # noqa: E402
import rows  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")
PORT = 5201
ENDS = netns.BUILD / "naru-ends"


def cpu_of(pid):
    """Seconds that this process has used, its children not counted."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1]
    except OSError:
        return None
    words = fields.split()
    return (int(words[11]) + int(words[12])) / TICK


def processes(*names):
    """Of those names, the oldest first."""
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*/comm"):
        try:
            if entry.read_text(encoding="ascii").strip() in names:
                found.append(int(entry.parent.name))
        except (OSError, UnicodeDecodeError):
            continue
    return sorted(found)


class Meter:
    """The CPU time of a process that ends by itself: the last that was seen of it."""

    def __init__(self, *names):
        self.names, self.before = names, set(processes(*names))
        self.used = 0.0
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def watch(self):
        seen = {}
        while not self.stop.is_set():
            for pid in processes(*self.names):
                used = cpu_of(pid) if pid not in self.before else None
                if used is not None:
                    seen[pid] = used
            self.used = max(seen.values(), default=0.0)
            time.sleep(0.05)

    def end(self):
        self.stop.set()
        self.thread.join()
        return self.used


class Naru:
    name = "naru"

    def __init__(self, world):
        self.world = world

    def argv(self, words):
        return [netns.NARU, "run", "--net", "user", "--host-loopback", "--mtu", "65520", "--",
                *words]

    def address(self):
        return "10.0.2.2"

    def run(self, words, timeout):
        meter = Meter("naru")
        done = self.world.run(self.argv(words), timeout)
        return done, meter.end()


class Pasta(Naru):
    name = "pasta"

    def argv(self, words):
        return ["pasta", "--foreground", "--config-net", "--ipv4-only", "--mtu", "65520", "-t",
                "none", "-u", "none", "-T", "none", "-U", "none", "--quiet", "--runas", "0", "--",
                *words]

    def address(self):
        return "192.0.2.254"

    def run(self, words, timeout):
        meter = Meter("pasta", "pasta.avx2", "passt", "passt.avx2")
        done = self.world.run(self.argv(words), timeout)
        return done, meter.end()


class Slirp(Naru):
    name = "slirp4netns"

    def run(self, words, timeout):
        holder = self.world.spawn(["unshare", "--user", "--map-root-user", "--net", "sleep", "120"])
        netns.wait_for(lambda: self.inside(holder), what="a namespace for slirp4netns")
        target = self.inside(holder)
        meter = Meter("slirp4netns")
        gateway = self.world.spawn(["slirp4netns", "--configure", "--mtu=65520", str(target),
                                    "tap0"])
        enter = ["nsenter", "--target", str(target), "--user", "--net", "--preserve-credentials"]
        netns.wait_for(lambda: "10.0.2.100" in self.world.run(
            [*enter, "ip", "address"]).stdout, what="slirp4netns")
        done = self.world.run([*enter, *words], timeout)
        used = meter.end()
        gateway.stop()
        holder.stop()
        return done, used

    @staticmethod
    def inside(holder):
        """The pid of the sleep in its new namespaces, once it is there: ip, unshare, sleep are
        one process."""
        return holder.pid if holder.pid in processes("sleep") else None


def iperf3(contender, world, seconds, reverse):
    """(gigabytes a second, CPU seconds per gigabyte) of one run, or None with a reason printed."""
    server = world.spawn(["iperf3", "-s", "-1"])
    world.wait_port(PORT)
    words = ["iperf3", "-c", contender.address(), "-t", str(seconds), "-J",
             *(["-R"] if reverse else [])]
    done, used = contender.run(words, seconds + 30)
    server.stop()
    try:
        total = json.loads(done.stdout)["end"]["sum_received"]
        return total["bits_per_second"] / 8e9, used / (total["bytes"] / 1e9)
    except (ValueError, KeyError, ZeroDivisionError):
        print(f"# {contender.name}: {done.stdout[-300:]} {done.stderr[-300:]}", file=sys.stderr)
        return None


def ends(contender, world, seconds, server, client):
    """(us, CPU us) of one round or connection, or None with a reason printed."""
    other = world.spawn([ENDS, server, "127.0.0.1", PORT])
    world.wait_port(PORT)
    done, used = contender.run([ENDS, client, contender.address(), str(PORT), str(seconds)],
                               seconds + 30)
    other.stop()
    try:
        rate = float(done.stdout)
        return 1e6 / rate, used * 1e6 / (rate * seconds)
    except (ValueError, ZeroDivisionError):
        print(f"# {contender.name}: {done.stdout[-300:]} {done.stderr[-300:]}", file=sys.stderr)
        return None


MEASURES = {
    "up": (lambda c, w, s: iperf3(c, w, s, False), ("GB/s", "s/GB"), True),
    "down": (lambda c, w, s: iperf3(c, w, s, True), ("GB/s", "s/GB"), True),
    "rounds": (lambda c, w, s: ends(c, w, s, "echo", "rounds"), ("us/round", "us/round"), False),
    "connects": (lambda c, w, s: ends(c, w, s, "take", "connects"), ("us/connect", "us/connect"),
                 False),
}


def report(out, results, names):
    """results: one dictionary a round, of pairs by (measure, contender)."""
    for measure, (_, units, more) in MEASURES.items():
        for part, suffix in enumerate(("", "-cpu")):
            better = max if more and part == 0 else min
            for name in names:
                others = [other for other in names if other != name]
                full = [r for r in results if all((measure, n) in r for n in names)]
                if not full:
                    out.skipped(f"usernet-{measure}-{name}{suffix}", "a contender failed")
                    continue
                limits = [better(r[measure, n][part] for n in others) for r in full] \
                    if name == "naru" and others else None
                # Beside others, CPU counts for bytes; of rounds and connections, time does.
                judged = limits and (part == 0 or more)
                out.add(f"usernet-{measure}-{name}{suffix}", units[part],
                        [r[measure, name][part] for r in full], more and part == 0, None, limits,
                        1.0 if judged else None)


def main():
    parser = argparse.ArgumentParser()
    rows.add_options(parser, 3)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("contender", nargs="*", default=["naru", "pasta", "slirp4netns"])
    options = parser.parse_args()
    out = rows.Rows(options.json)
    test = out.setup("usernet", lambda: netns.Test(root=True,
                                                   tools=["iperf3", "nsenter", "unshare"]))
    world = test.namespace()
    # pasta copies the host's own interface, and takes its gateway for the host.
    world.ip("link", "add", "world0", "type", "veth", "peer", "name", "world1")
    world.ip("link", "set", "world0", "up")
    world.ip("link", "set", "world1", "up")
    world.address("world0", "192.0.2.1/24")
    world.ip("route", "add", "default", "via", "192.0.2.254")
    wanted = [kind(world) for kind in (Naru, Pasta, Slirp) if kind.name in options.contender]
    contenders = [c for c in wanted if c.name == "naru" or shutil.which(c.name)]
    for missing in wanted:
        if missing not in contenders:
            out.skipped(f"usernet-{missing.name}", f"{missing.name} is not installed")
    results = []
    for number in range(options.rounds):
        results.append({})
        for measure, (run, _, _) in MEASURES.items():
            for contender in contenders[::1 if number % 2 == 0 else -1]:
                got = run(contender, world, options.seconds)
                if got:
                    results[-1][measure, contender.name] = got
                test.stop_processes()
    report(out, results, [c.name for c in contenders])
    test.clean()


main()
