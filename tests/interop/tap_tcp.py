#!/usr/bin/python3
"""naru's TCP against the kernel's, over a TAP device: both roles, both families.

The same program (tests/lib/peer.py) runs on both sides: natively in a network namespace, and under
`naru run` on the other end of the TAP.  Usage: tap_tcp.py GROUP...  Groups: reach, bulk, loss, mtu,
close, churn (make test), gigabyte, stall (make test-long).
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import netns  # noqa: E402
import peer  # noqa: E402

PEER = netns.ROOT / "tests" / "lib" / "peer.py"
PORT = 7000
MB = 1 << 20
KERNEL = {4: "10.9.0.1", 6: "fd09::1"}
NARU = {4: "10.9.0.2", 6: "fd09::2"}

test = netns.Test(root=True, tools=["nft", "ping", "ss", "sysctl"])


class World:
    """A namespace with a TAP, and naru at its other end."""

    def __init__(self, mtu=None):
        self.mtu = mtu
        self.space = test.namespace()
        self.families = (4, 6) if mtu is None or mtu >= 1280 else (4,)
        if 6 not in self.families:
            self.space.sysctl("net.ipv6.conf.default.disable_ipv6", 1)
        addresses = [f"{KERNEL[4]}/24", f"{KERNEL[6]}/64"][: len(self.families)]
        self.space.tap("tap0", *addresses, mtu=mtu)

    def kernel(self, *words):
        return self.space.spawn([PEER, *words])

    def naru(self, *words):
        command = [netns.NARU, "run", "--net", "tap:tap0", "--ip", f"{NARU[4]}/24"]
        if 6 in self.families:
            command += ["--ip", f"{NARU[6]}/64"]
        if self.mtu:
            command += ["--mtu", self.mtu]
        return self.space.spawn([*command, "--", *words])

    def pair(self, family, listener, listens, dials, rounds=1, limit=60):
        """Runs both ends to their end; what the kernel's side printed, and naru's."""
        if listener == "naru":
            server = self.naru(PEER, "listen", NARU[family], PORT, rounds, *listens)
            netns.wait_for(lambda: "listening" in server.output() or not server.running(),
                           what="naru's listener")
            client = self.kernel("dial", NARU[family], PORT, rounds, *dials)
        else:
            server = self.kernel("listen", KERNEL[family], PORT, rounds, *listens)
            netns.wait_for(lambda: "listening" in server.output() or not server.running(),
                           what="the kernel's listener")
            client = self.naru(PEER, "dial", KERNEL[family], PORT, rounds, *dials)
        for one in (client, server):
            status = one.wait(limit)
            assert status == 0, f"{one}: exit status {status}\n{one.output()}"
        return server.output(), client.output()

    def nothing_left(self):
        """The kernel's side has forgotten every connection, but for its TIME-WAIT."""
        def none():
            done = self.space.run(["ss", "-Htan", "state", "connected", "exclude", "time-wait"])
            return not done.stdout.strip()
        netns.wait_for(none, what="the kernel's connections to end")


def got(size, seed):
    return f"got {size} {peer.pattern_hash(size, seed)}"


def transfer(world, family, listener, size, limit=60, left=True):
    """
    size bytes each way at once, each end ending its direction when it has sent; left: and both
    are told that the other has everything.
    """
    server, client = world.pair(family, listener, [f"meet:{size}:server"],
                                [f"meet:{size}:client"], limit=limit)
    assert got(size, "client") in server, server
    assert got(size, "server") in client, client
    if left:
        world.nothing_left()


def each(world):
    """Both roles, all families of a world."""
    return [(family, who) for family in world.families for who in ("naru", "kernel")]


def reach():
    world = World()
    for family in (4, 6):
        @test.case(f"the kernel pings naru, IPv{family}")
        def _(family=family):
            world.naru("sleep", 5)
            netns.wait_for(lambda: world.space.run(
                ["ping", "-c", 1, "-W", 1, NARU[family]]).returncode == 0, 5, "an echo reply")
            done = world.space.run(["ping", "-c", 20, "-i", "0.01", "-s", 3000, NARU[family]])
            assert " 0% packet loss" in done.stdout, done.stdout

        @test.case(f"a port that nobody listens on refuses, IPv{family}")
        def _(family=family):
            done = world.naru("/usr/bin/python3", "-c", "import socket,sys\n"
                              f"try: socket.create_connection(('{KERNEL[family]}', 9), 5)\n"
                              "except ConnectionRefusedError: sys.exit(42)")
            assert done.wait() == 42, done.output()


def bulk(size=64 * MB, limit=60):
    world = World()
    for family, listener in each(world):
        @test.case(f"{size // MB} MB each way, IPv{family}, {listener} listens")
        def _(family=family, listener=listener):
            transfer(world, family, listener, size, limit)


def loss(size=20 * MB, percent=2, limit=120):
    world = World()
    world.space.lossy("tap0", percent)
    for family, listener in each(world):
        @test.case(f"{size // MB} MB each way, {percent} % lost, IPv{family}, {listener} listens")
        def _(family=family, listener=listener):
            # The last ACK may be what is lost, and naru is gone when it is asked for again.
            transfer(world, family, listener, size, limit, left=False)


def mtu():
    for bytes_ in (576, 1280, 9000):
        world = World(mtu=bytes_)
        for family, listener in each(world):
            @test.case(f"MTU {bytes_}, IPv{family}, {listener} listens")
            def _(world=world, family=family, listener=listener):
                transfer(world, family, listener, 4 * MB)


def close():
    world = World()
    for family, listener in each(world):
        other = "kernel" if listener == "naru" else "naru"
        shown = f"IPv{family}, {listener} listens"

        @test.case(f"{listener} closes first, {shown}")
        def _(family=family, listener=listener):
            _, client = world.pair(family, listener, ["send:100000:x", "shut", "recv"],
                                   ["recv", "send:100:y"], rounds=3)
            assert client.count(got(100000, "x")) == 3, client
            world.nothing_left()

        @test.case(f"{other} closes first, {shown}")
        def _(family=family, listener=listener):
            server, _ = world.pair(family, listener, ["recv", "send:100:y"],
                                   ["send:100000:x", "shut", "recv"], rounds=3)
            assert server.count(got(100000, "x")) == 3, server
            world.nothing_left()

        @test.case(f"both close at once, {shown}")
        def _(family=family, listener=listener):
            world.pair(family, listener, ["send:1:x", "recv:1", "close"],
                       ["send:1:x", "recv:1", "close"], rounds=50)
            world.nothing_left()

        @test.case(f"{listener} aborts, {shown}")
        def _(family=family, listener=listener):
            _, client = world.pair(family, listener, ["recv:1000", "abort"],
                                   ["send:1000:x", "reset"], rounds=3)
            assert client.count("reset\n") == 3, client
            world.nothing_left()

        @test.case(f"{other} aborts, {shown}")
        def _(family=family, listener=listener):
            server, _ = world.pair(family, listener, ["send:1000:x", "reset"],
                                   ["recv:1000", "abort"], rounds=3)
            assert server.count("reset\n") == 3, server
            world.nothing_left()


def churn():
    world = World()
    for family, listener in each(world):
        @test.case(f"1000 connections, IPv{family}, {listener} listens")
        def _(family=family, listener=listener):
            server, client = world.pair(family, listener, ["recv:1", "send:1:s", "recv"],
                                        ["send:1:c", "recv:1"], rounds=1000)
            assert server.count(got(1, "c")) == 1000 and client.count(got(1, "s")) == 1000
            world.nothing_left()


def stall(seconds=10):
    world = World()
    size = 32 * MB
    for family, listener in ((4, "naru"), (6, "kernel")):
        @test.case(f"the reader stops for {seconds} s, both ways, IPv{family}, {listener} listens")
        def _(family=family, listener=listener):
            there = [f"send:{size}:a", "shut", f"wait:{seconds}", "recv"]
            back = [f"wait:{seconds}", "recv", f"send:{size}:b", "shut"]
            server, client = world.pair(family, listener, there, back, limit=60)
            assert got(size, "a") in client and got(size, "b") in server, server + client
            world.nothing_left()


GROUPS = {
    "reach": reach, "bulk": bulk, "loss": loss, "mtu": mtu, "close": close, "churn": churn,
    "gigabyte": lambda: bulk(1024 * MB, 180), "stall": stall,
}


def main():
    for name in sys.argv[1:] or GROUPS:
        GROUPS[name]()
    test.done()


main()
