#!/usr/bin/python3
"""One TCP stream between naru and the Linux kernel over a TAP with offloads, beside the kernel's
own over a veth, in turns in the same run.

tap-in is from the kernel to naru, tap-out from naru to the kernel, veth from kernel to kernel; MTU
1500.  The kernel's end is the same plain program in all of them; naru's end is the library alone
(the program of the interop tests).  Figures are medians; the limit is the kernel's own figure.  cpu
is user and system time of naru's process, of the kernel's work for its system calls too; for veth
of both processes.  Needs root.

Usage: tap.py [--json] [--rounds N] [--megabytes N]
"""

import argparse
import json
import pathlib
import resource
import socket
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve()
sys.path.insert(0, str(HERE.parents[1] / "tests" / "lib"))
import netns  # noqa: E402

PEER = netns.BUILD / "tests" / "stack-peer"
PORT = 7000
KERNEL = {4: "10.9.0.1", 6: "fd09::1"}
NARU = {4: "10.9.0.2", 6: "fd09::2"}


def end(role, address, size):
    """A kernel socket that sends or receives size bytes; prints bytes a second and CPU seconds."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    room = bytearray(1 << 20)
    if role == "send":
        sock = socket.create_connection((address, PORT), 10)
        sock.settimeout(None)
        begin = time.monotonic()
        for _ in range(size >> 20):
            sock.sendall(room)
        sock.shutdown(socket.SHUT_WR)
        sock.recv(1)
        count = size
    else:
        with socket.socket(family) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((address, PORT))
            listener.listen()
            sock = listener.accept()[0]
        begin = time.monotonic()
        count = 0
        while got := sock.recv_into(room):
            count += got
    took = time.monotonic() - begin
    sock.close()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps([count / took, usage.ru_utime + usage.ru_stime]))


class World:
    """Two namespaces with a veth between them, the first also with a TAP."""

    def __init__(self, test, size):
        self.size = size
        self.near, self.far = test.namespace(), test.namespace()
        self.near.tap("tap0", f"{KERNEL[4]}/24", f"{KERNEL[6]}/64")
        self.near.veth("veth0", self.far, "veth1", "10.8.0.1/24", "fd08::1/64")
        self.far.address("veth1", "10.8.0.2/24", "fd08::2/64")

    def kernel(self, space, role, address):
        return space.spawn(["/usr/bin/python3", HERE, "--end", role, address, str(self.size)],
                           stderr=subprocess.DEVNULL)

    def naru(self, *words):
        return self.near.spawn([PEER, "run", "--net", "tap:tap0", "--ip", f"{NARU[4]}/24", "--ip",
                                f"{NARU[6]}/64", "--", "peer", *words])

    @staticmethod
    def result(process):
        assert process.wait(120) == 0, process.output()
        return json.loads(process.output().splitlines()[-1])

    def used(self, process):
        """CPU seconds of naru's process, as it says at its end."""
        assert process.wait(30) == 0, process.output()
        words = process.output().split()
        return float(words[words.index("cpu") + 1])

    def tap_in(self, family):
        naru = self.naru("listen", NARU[family], PORT, 1, "discard")
        netns.wait_for(lambda: "listening" in naru.output() or not naru.running())
        rate, _ = self.result(self.kernel(self.near, "send", NARU[family]))
        return rate, self.used(naru)

    def tap_out(self, family):
        kernel = self.kernel(self.near, "recv", KERNEL[family])
        self.near.wait_port(PORT)
        naru = self.naru("dial", KERNEL[family], PORT, 1, f"send:{self.size}:x")
        rate, _ = self.result(kernel)
        return rate, self.used(naru)

    def veth(self, family):
        address = "10.8.0.2" if family == 4 else "fd08::2"
        kernel = self.kernel(self.far, "recv", address)
        self.far.wait_port(PORT)
        other = self.kernel(self.near, "send", address)
        rate, used = self.result(kernel)
        return rate, used + self.result(other)[1]


def report(rows, as_json):
    for row, value, unit, limit in rows:
        if as_json:
            line = {"row": row, "value": round(value, 3), "unit": unit}
            if limit is not None:
                line["limit"] = round(limit, 3)
            print(json.dumps(line))
        else:
            beside = f"   {value / limit:5.2f} of {limit:.2f}" if limit else ""
            print(f"{row:20} {value:8.3f} {unit}{beside}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--megabytes", type=int, default=1024)
    parser.add_argument("--end", nargs=3)
    options = parser.parse_args()
    if options.end:
        end(options.end[0], options.end[1], int(options.end[2]))
        return
    test = netns.Test(root=True, naru=False)
    subprocess.run(["ninja", "--quiet", "-C", netns.BUILD, "tests/stack-peer"], check=True,
                   stdout=subprocess.DEVNULL)
    world = World(test, options.megabytes << 20)
    kinds = {"tap-in": world.tap_in, "tap-out": world.tap_out, "veth": world.veth}
    rows = []
    for family, suffix in ((4, ""), (6, "-v6")):
        got = {name: [] for name in kinds}
        for _ in range(options.rounds):
            for name, measure in kinds.items():
                got[name].append(measure(family))
                test.stop_processes()
        rate = {n: statistics.median(g[0] for g in got[n]) / 1e9 for n in kinds}
        cpu = {n: statistics.median(g[1] for g in got[n]) / world.size * 1e9 for n in kinds}
        for name in kinds:
            rows.append((name + suffix, rate[name], "GB/s", rate["veth"]))
            rows.append((name + "-cpu" + suffix, cpu[name], "s/GB", cpu["veth"]))
    report(rows, options.json)
    test.clean()


main()
