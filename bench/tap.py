#!/usr/bin/python3
"""One TCP stream between naru and the Linux kernel over a TAP with offloads, in turns with what a
bare read and write loop reaches on the same TAP, and with the kernel's own over a veth.

tap-in is from the kernel to naru, tap-out from naru to the kernel, veth from kernel to kernel; MTU
1500.  The kernel's end is the same plain program in all of them; naru's end is the library alone
(the program of the interop tests), which reads and sends in place and, as the bare loop
(bench/bare.c, IPv4 alone), looks at no byte; in tap-out-copied the application copies all it sends.
Figures are medians.  The limit of a rate is the bare loop's (1.11 times: 90 % of it), that of CPU
time the veth's.  cpu is user and system time of naru's process, of the kernel's work for its system
calls too; for veth of both processes.  Needs root.

Usage: tap.py [--json] [--rounds N] [--megabytes N]
"""

import argparse
import json
import pathlib
import resource
import socket
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve()
sys.path.insert(0, str(HERE.parents[1] / "tests" / "lib"))
import netns  # noqa: E402
import rows  # noqa: E402

PEER = netns.BUILD / "tests" / "stack-peer"
BARE = netns.BUILD / "naru-bare"
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

    def tap_out(self, family, action="fill:{}"):
        kernel = self.kernel(self.near, "recv", KERNEL[family])
        self.near.wait_port(PORT)
        naru = self.naru("dial", KERNEL[family], PORT, 1, action.format(self.size))
        rate, _ = self.result(kernel)
        return rate, self.used(naru)

    def bare(self, way):
        return self.near.spawn([BARE, way, "tap0", NARU[4], KERNEL[4], PORT, self.size])

    def bare_in(self):
        bare = self.bare("in")
        netns.wait_for(lambda: "listening" in bare.output() or not bare.running())
        rate, _ = self.result(self.kernel(self.near, "send", NARU[4]))
        return rate, self.result(bare)[1]

    def bare_out(self):
        kernel = self.kernel(self.near, "recv", KERNEL[4])
        self.near.wait_port(PORT)
        bare = self.bare("out")
        rate, _ = self.result(kernel)
        return rate, self.result(bare)[1]

    def veth(self, family):
        address = "10.8.0.2" if family == 4 else "fd08::2"
        kernel = self.kernel(self.far, "recv", address)
        self.far.wait_port(PORT)
        other = self.kernel(self.near, "send", address)
        rate, used = self.result(kernel)
        return rate, used + self.result(other)[1]


def report(out, got, size):
    rate = {name: [g[0] / 1e9 for g in of] for name, of in got.items()}
    cpu = {name: [g[1] / size * 1e9 for g in of] for name, of in got.items()}
    for family in ("", "-v6"):
        for way in ("in", "out"):
            name = f"tap-{way}{family}"
            out.add(name, "GB/s", rate[name], True, limits=rate[f"bare-{way}"], at_most=1.11)
            out.add(f"{name}-cpu", "s/GB", cpu[name], False, limits=cpu["veth" + family],
                    at_most=1.0)
    for name in ("tap-out-copied", "bare-in", "bare-out", "veth", "veth-v6"):
        out.add(name, "GB/s", rate[name], True)
        out.add(f"{name}-cpu", "s/GB", cpu[name], False)


def main():
    parser = argparse.ArgumentParser()
    rows.add_options(parser, 5)
    parser.add_argument("--megabytes", type=int, default=1024)
    parser.add_argument("--end", nargs=3)
    options = parser.parse_args()
    if options.end:
        end(options.end[0], options.end[1], int(options.end[2]))
        return
    out = rows.Rows(options.json)
    test = out.setup("tap", lambda: netns.Test(root=True, naru=False))
    subprocess.run(["ninja", "--quiet", "-C", netns.BUILD, "tests/stack-peer", "naru-bare"],
                   check=True, stdout=subprocess.DEVNULL)
    world = World(test, options.megabytes << 20)
    kinds = {"tap-in": lambda: world.tap_in(4), "bare-in": world.bare_in,
             "tap-in-v6": lambda: world.tap_in(6), "tap-out": lambda: world.tap_out(4),
             "tap-out-copied": lambda: world.tap_out(4, "send:{}:x"),
             "bare-out": world.bare_out, "tap-out-v6": lambda: world.tap_out(6),
             "veth": lambda: world.veth(4), "veth-v6": lambda: world.veth(6)}
    got = {name: [] for name in kinds}
    for number in range(options.rounds):
        for name in list(kinds)[::1 if number % 2 == 0 else -1]:
            got[name].append(kinds[name]())
            test.stop_processes()
    report(out, got, world.size)
    test.clean()


main()
