#!/usr/bin/python3
"""ECN, accurate ECN and Fast Open against the kernel's TCP, over a TAP device: both roles, both
families.  Usage: tap_open.py GROUP...  Groups: ecn, fastopen.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import netns  # noqa: E402

OPENER = netns.ROOT / "tests" / "lib" / "opener.py"
PORT = 7000
KERNEL = {4: "10.9.0.1", 6: "fd09::1"}
NARU = {4: "10.9.0.2", 6: "fd09::2"}
SIZE = 1 << 20

test = netns.Test(root=True, tools=["nft", "ss", "sysctl"])

# Every fourth of what may be marked is, both ways.
MARKS = "".join(f"""
    chain {name} {{
        type filter hook {name} device tap0 priority 0; policy accept;
        ip ecn ect0 numgen inc mod 4 0 ip ecn set ce
        ip6 ecn ect0 numgen inc mod 4 0 ip6 ecn set ce
    }}""" for name in ("ingress", "egress"))


def world(**sysctls):
    space = test.namespace()
    space.tap("tap0", f"{KERNEL[4]}/24", f"{KERNEL[6]}/64")
    for name, value in sysctls.items():
        assert space.sysctl(f"net.ipv4.{name}", value), f"{name}={value}"
    return space


def both(space, family, listener, options, dial, count=1, size=SIZE):
    """What the listener and the client printed, line by line."""
    def naru(*words):
        return space.spawn([netns.NARU, "run", "--net", "tap:tap0", "--ip", f"{NARU[4]}/24",
                            "--ip", f"{NARU[6]}/64", *options, "--", OPENER, *words])

    def kernel(*words):
        return space.spawn([OPENER, *words])
    ear, mouth = (naru, kernel) if listener == "naru" else (kernel, naru)
    address = (NARU if listener == "naru" else KERNEL)[family]
    server = ear("listen", address, PORT, count, size)
    netns.wait_for(lambda: "listening" in server.output() or not server.running(),
                   what="the listener")
    client = mouth("dial", address, PORT, count, size, *dial)
    for one in (client, server):
        status = one.wait()
        assert status == 0, f"{one}: exit status {status}\n{one.output()}"
    return server.output().splitlines()[1:], client.output().splitlines()


def each():
    return [(family, who) for family in (4, 6) for who in ("naru", "kernel")]


def ecn():
    accurate = test.namespace().sysctl("net.ipv4.tcp_ecn", 3)  # newer kernels can
    for mode, what in ((1, "ECN"), (3, "accurate ECN"))[: 1 + accurate]:
        for family, listener in each():
            @test.case(f"{what}, IPv{family}, {listener} listens: marks are told, both ways")
            def _(mode=mode, family=family, listener=listener):
                space = world(tcp_ecn=mode)
                space.nft(f"table netdev marks {{{MARKS}\n}}")
                for side in both(space, family, listener, ["--ecn", mode], []):
                    assert side == [f"got {SIZE} ecn ecn-seen ce"], side
    for naru, kernel in ((0, 1), (2, 0), (3, 1), (1, 3))[: 3 + accurate]:
        for listener in ("naru", "kernel"):
            @test.case(f"naru's tcp_ecn {naru}, the kernel's {kernel}, {listener} listens")
            def _(naru=naru, kernel=kernel, listener=listener):
                space = world(tcp_ecn=kernel)
                want = f"got {SIZE}" + ("" if 0 in (naru, kernel) else " ecn")
                for side in both(space, 4, listener, ["--ecn", naru], []):
                    assert side[0].strip().removesuffix(" ecn-seen") == want, side


def fastopen():
    for family, listener in each():
        for how in ("fast", "connect"):
            @test.case(f"Fast Open by {how}, IPv{family}, {listener} listens")
            def _(family=family, listener=listener, how=how):
                space = world(tcp_fastopen=3)
                server, client = both(space, family, listener, ["--fastopen", 3], [how], 3, 1000)
                wanted = ["got 1000", "got 1000 syn-data", "got 1000 syn-data"]
                assert [line.strip() for line in client] == wanted, client
                assert [line.strip() for line in server] == wanted, server


groups = {"ecn": ecn, "fastopen": fastopen}
for group in sys.argv[1:] or groups:
    groups[group]()
test.done()
