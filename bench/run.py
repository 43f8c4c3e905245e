#!/usr/bin/python3
"""Programs under `naru run`, both ends on the loopback of its one stack, in turns with the same
programs on the kernel's own loopback.

run-bulk is iperf3 to iperf3, one stream; its cpu is the user and system time of naru's process and
of both programs, so that the kernel's (both programs alone) stands beside it.  run-rounds is 64
bytes there and back, one after the other; run-connects is connect, accept, close, one after the
other (bench/ends.c).  Figures are medians; the limit is the kernel's figure.  Everything is in a
network namespace of its own: needs root.

Usage: run.py [--json] [--rounds N] [--seconds N]
"""

import argparse
import json
import pathlib
import resource
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "lib"))
import netns  # noqa: E402
import rows  # noqa: E402

ENDS = netns.BUILD / "naru-ends"
UNDER = {"naru": [netns.NARU, "run", "--net", "none", "--"], "kernel": []}
# iperf3 says that it could not connect with exit status 0.
IPERF3 = ("iperf3 -s -1 -B 127.0.0.1 -p {port} >&2 & for i in $(seq 100); do sleep 0.05; "
          "out=$(iperf3 -c 127.0.0.1 -p {port} -t {seconds} -J); "
          "case $out in *sum_received*) break;; esac; done; echo \"$out\"; wait")


def used():
    """CPU seconds of all children that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class World:
    def __init__(self, test, seconds):
        self.space = test.namespace()
        self.seconds = seconds
        self.port = 7000

    def run(self, who, words):
        self.port += 1
        done = self.space.run([*UNDER[who], *map(str, words(self.port))], self.seconds + 60)
        assert done.returncode == 0, done
        return done.stdout

    def ends(self, who, kind):
        return float(self.run(who, lambda port: [ENDS, "both", kind, "127.0.0.1", port,
                                                 self.seconds]))

    def bulk(self, who):
        """Bytes a second, and CPU seconds a gigabyte."""
        before = used()
        text = self.run(who, lambda port: ["sh", "-c", IPERF3.format(port=port,
                                                                     seconds=self.seconds)])
        total = json.loads(text)["end"]["sum_received"]
        return total["bits_per_second"] / 8, (used() - before) / (total["bytes"] / 1e9)


def main():
    parser = argparse.ArgumentParser()
    rows.add_options(parser, 5)
    parser.add_argument("--seconds", type=int, default=2)
    options = parser.parse_args()
    out = rows.Rows(options.json)
    test = out.setup("run", lambda: netns.Test(root=True, tools=["iperf3"]))
    world = World(test, options.seconds)
    got = {}

    def note(row, who, value):
        got.setdefault((row, who), []).append(value)

    for number in range(options.rounds):
        for who in ("naru", "kernel") if number % 2 == 0 else ("kernel", "naru"):
            rate, cpu = world.bulk(who)
            note("bulk", who, rate / 1e9)
            note("bulk-cpu", who, cpu)
            note("rounds", who, 1e6 / world.ends(who, "rounds"))
            note("connects", who, 1e6 / world.ends(who, "connects"))
    for row, unit, more, target, at_most in (
            ("bulk", "GB/s", True, 2.5, None), ("bulk-cpu", "s/GB", False, None, None),
            ("rounds", "us/round", False, None, 1.5), ("connects", "us/connect", False, None, 1.5)):
        out.add(f"run-{row}", unit, got[row, "naru"], more, target, got[row, "kernel"], at_most)
        out.add(f"run-{row}-kernel", unit, got[row, "kernel"], more)
    test.clean()


main()
