#!/usr/bin/python3
"""Linux to Linux and naru to Linux over the same bad link, with the same congestion control.

The link is a program between two TAPs (bench/wan.c): delay, losses by chance from a seed, a
bottleneck with one bandwidth-delay product of queue.  Behind its first TAP is a bridge with the
kernel's own address on it and naru's TAP; so both senders pass the same bridge.  Sender and
receiver are the same program, under naru or not.  Goodput is what the receiver reads in the first
--seconds of the connection; the stacks take turns and the median of the rounds counts.

In real time: a machine that does other things gives other figures.  Needs root.

Usage: wan.py [--json] [--seconds N] [--rounds N] [--rate MBIT] [--cc cubic|reno] [--rtt MS,MS...]
              [--loss PERCENT,PERCENT...]
"""

import argparse
import json
import pathlib
import socket
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve()
sys.path.insert(0, str(HERE.parents[1] / "tests" / "lib"))
import netns  # noqa: E402

PORT = 7000
KERNEL, NARU, FAR = "10.7.0.1", "10.7.0.2", "10.7.0.3"
LINK = netns.BUILD / "naru-wan"


def send(seconds, cc):
    """Sends zeros as fast as they are taken, a little longer than is measured."""
    sock = socket.socket()
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, cc.encode())
    sock.connect((FAR, PORT))
    block = bytes(1 << 16)
    sock.settimeout(seconds + 30)
    try:
        while True:
            sock.sendall(block)
    except OSError:
        pass  # the receiver has seen enough


def receive(seconds):
    """Prints the bits a second that were read in so many seconds."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((FAR, PORT))
        listener.listen()
        sock = listener.accept()[0]
    end = time.monotonic() + seconds
    room = bytearray(1 << 20)
    count = 0
    while (left := end - time.monotonic()) > 0:
        sock.settimeout(left)
        try:
            got = sock.recv_into(room)
        except TimeoutError:
            break
        if got == 0:
            break
        count += got
    print(json.dumps(count * 8 / seconds))


class World:
    """Two namespaces; between them the link, one cell after the other."""

    def __init__(self, test, options):
        self.test, self.options = test, options
        self.near, self.far = test.namespace(), test.namespace()
        near, far = self.near, self.far
        near.tap("tap0")
        near.ip("tuntap", "add", "wan0", "mode", "tap")
        near.ip("link", "add", "br0", "type", "bridge")
        for port in ("tap0", "wan0"):
            near.ip("link", "set", port, "master", "br0")
            near.ip("link", "set", port, "up")
        near.ip("link", "set", "br0", "up")
        near.address("br0", KERNEL + "/24")
        far.ip("tuntap", "add", "wan1", "mode", "tap")
        far.ip("link", "set", "wan1", "up")
        far.address("wan1", FAR + "/24")
        for space in (near, far):
            space.sysctl("net.ipv4.tcp_no_metrics_save", 1)

    def link(self, rtt_ms, loss, seed):
        rate = self.options.rate * 125000
        queue = max(rate * rtt_ms // 1000, 15000)
        process = self.test.spawn([LINK, self.near.name, "wan0", self.far.name, "wan1",
                                   rtt_ms * 500, rate, queue, round(loss * 10000), seed])
        netns.wait_for(lambda: "ready" in process.output() or not process.running())

    def goodput(self, stack, rtt_ms, loss, seed):
        """Mbit/s of one connection."""
        seconds = self.options.seconds
        self.link(rtt_ms, loss, seed)
        receiver = self.far.spawn(["/usr/bin/python3", HERE, "--end", "receive", seconds],
                                  stderr=subprocess.DEVNULL)
        self.far.wait_port(PORT)
        sender = ["/usr/bin/python3", str(HERE), "--end", "send", str(seconds), self.options.cc]
        if stack == "naru":
            sender = [netns.NARU, "run", "--net", "tap:tap0", "--ip", NARU + "/24", "--"] + sender
        sending = self.near.spawn(sender)
        assert receiver.wait(seconds + 60) == 0, receiver.output() + sending.output()
        rate = json.loads(receiver.output().splitlines()[-1]) / 1e6
        self.test.stop_processes()
        return rate


def numbers(text):
    return [float(word) for word in text.split(",")]


def main():
    parser = argparse.ArgumentParser(description="naru and Linux over the same bad link")
    parser.add_argument("--json", action="store_true", help="one object a cell")
    parser.add_argument("--seconds", type=float, default=8.0, help="of each connection (8)")
    parser.add_argument("--rounds", type=int, default=1, help="the median counts (1)")
    parser.add_argument("--rate", type=int, default=50, metavar="MBIT", help="bottleneck (50)")
    parser.add_argument("--cc", choices=("cubic", "reno"), default="cubic")
    parser.add_argument("--rtt", type=numbers, default=[10, 50, 100], metavar="MS,...")
    parser.add_argument("--loss", type=numbers, default=[0, 0.1, 1], metavar="PERCENT,...")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--end", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.end:
        seconds = float(options.end[1])
        if options.end[0] == "send":
            send(seconds, options.end[2])
        else:
            receive(seconds)
        return
    test = netns.Test(root=True, naru=True)
    world = World(test, options)
    for rtt in options.rtt:
        for loss in options.loss:
            got = {"linux": [], "naru": []}
            for turn in range(options.rounds):
                for stack, rates in got.items():
                    rates.append(world.goodput(stack, int(rtt), loss, options.seed + turn))
            linux, naru = (statistics.median(got[stack]) for stack in ("linux", "naru"))
            if options.json:
                print(json.dumps({"row": f"wan-{options.cc}-{rtt:g}ms-{loss:g}%",
                                  "value": round(naru, 3), "unit": "Mbit/s",
                                  "limit": round(linux, 3)}))
            else:
                print(f"{options.cc:5} {rtt:4g} ms {loss:5g} %   naru {naru:8.2f}   Linux "
                      f"{linux:8.2f} Mbit/s   {naru / linux if linux else 0:5.2f}")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
