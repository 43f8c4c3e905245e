#!/usr/bin/python3
"""naru's UDP against the kernel's over a TAP, without the runner: naru gives back what it gets.

Sizes from nothing to the largest, fragments both ways, UDP segmentation (a kernel's super-datagram
in, one of naru's own out), and bursts.
"""

import pathlib
import platform
import socket
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import netns  # noqa: E402

PEER = netns.BUILD / "tests" / "stack-peer"
PORT = 7000
NARU = {4: "10.9.0.2", 6: "fd09::2"}
UDP_SEGMENT = 103

CLIENT = f"""
import hashlib, socket, sys
address, what = sys.argv[1:3]
sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
sock.connect((address, {PORT}))
sock.settimeout(5)
data = hashlib.shake_256(b"udp").digest(65536)
if what == "sizes":
    for size in (0, 1, 2, 1471, 1472, 1473, 2944, 8000, 9001, 40000, 65507):
        sock.send(data[:size])
        back = sock.recv(65536)
        assert back == data[:size], (size, len(back))
elif what == "gso":
    for size, count in ((100, 7), (1000, 60), (1452, 44)):
        sock.setsockopt(socket.IPPROTO_UDP, {UDP_SEGMENT}, size)
        whole = data[:size * count - 17]
        sock.send(whole)
        got = b"".join(sock.recv(65536) for _ in range(count))
        assert got == whole, (size, count, len(got))
elif what == "burst":
    sock.send(b"first")  # The kernel disorders what waits for its neighbour's address.
    assert sock.recv(65536) == b"first"
    for round in range(50):
        for number in range(40):
            sock.send(bytes([number]) * 600)
        got = [sock.recv(65536) for _ in range(40)]
        assert got == [bytes([number]) * 600 for number in range(40)], (round, [g[0] for g in got])
elif what == "quit":
    sock.send(b"quit")
print("fine")
"""

test = netns.Test(root=True, naru=False)
space = test.namespace()
space.tap("tap0", "10.9.0.1/24", "fd09::1/64")


def has_segmentation():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 1000)
        except OSError:
            return False
    return True


def echo(family, what, *options):
    naru = space.spawn([PEER, "run", "--net", "tap:tap0", "--ip", f"{NARU[4]}/24", "--ip",
                        f"{NARU[6]}/64", *options, "--", "udp-echo", NARU[family], PORT])
    netns.wait_for(lambda: "listening" in naru.output() or not naru.running())
    for each in (what, "quit"):
        done = space.run(["/usr/bin/python3", "-c", CLIENT, NARU[family], each])
        assert done.returncode == 0, done.stderr + naru.output()
    assert naru.wait(10) == 0, naru.output()
    return naru.output()


for family in (4, 6):
    for what in ("sizes", "burst"):
        @test.case(f"{what}, IPv{family}")
        def _(family=family, what=what):
            echo(family, what)

        @test.case(f"{what} without offloads, IPv{family}")
        def _(family=family, what=what):
            echo(family, what, "--no-offload")

    @test.case(f"segmentation, IPv{family}")
    def _(family=family):
        if not has_segmentation():
            raise netns.Skip("needs UDP_SEGMENT, Linux 4.18")
        out = echo(family, "gso")
        kernel = tuple(int(n) for n in platform.release().split(".")[:2])
        assert kernel < (6, 2) or "merged 683 in 100" in out, out

test.done()
