#!/usr/bin/python3
"""The library over a TAP with little memory, without offloads, and with capture and trace on.

Usage: stack_limits.py
"""

import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import netns  # noqa: E402
import peer  # noqa: E402

KERNEL_PEER = netns.ROOT / "tests" / "lib" / "peer.py"
STACK_PEER = netns.BUILD / "tests" / "stack-peer"
PORT = 7000
MB = 1 << 20
NARU = {4: "10.9.0.2", 6: "fd09::2"}

test = netns.Test(root=True, naru=False)
space = test.namespace()
space.tap("tap0", "10.9.0.1/24", "fd09::1/64")


def meet(family, size, *options):
    """size bytes each way at once; what naru's side wrote."""
    naru = space.spawn([STACK_PEER, "run", "--net", "tap:tap0", "--ip", f"{NARU[4]}/24", "--ip",
                        f"{NARU[6]}/64", *options, "--", "peer", "listen", NARU[family], PORT, 1,
                        f"meet:{size}:n"])
    netns.wait_for(lambda: "listening" in naru.output() or not naru.running())
    kernel = space.spawn([KERNEL_PEER, "dial", NARU[family], PORT, 1, f"meet:{size}:k"])
    for one in (kernel, naru):
        assert one.wait(60) == 0, one.output()
    assert f"got {size} {peer.pattern_hash(size, 'k')}" in naru.output(), naru.output()
    assert f"got {size} {peer.pattern_hash(size, 'n')}" in kernel.output(), kernel.output()
    return naru.output()


for family in (4, 6):
    for kilobytes in (256, 1024, 4096):
        @test.case(f"20 MB each way with {kilobytes} KB of memory, IPv{family}")
        def _(family=family, kilobytes=kilobytes):
            words = meet(family, 20 * MB, "--memory", kilobytes << 10).split()
            peak = int(words[words.index("peak") + 1].rstrip(";"))
            assert peak <= kilobytes << 10, peak

    @test.case(f"8 MB each way without offloads, IPv{family}")
    def _(family=family):
        assert "(0 gso" in meet(family, 8 * MB, "--no-offload")


def expert(capture):
    """What Wireshark finds wrong with a capture, one line each."""
    done = test.run(["tshark", "-r", capture, "-d", f"tcp.port=={PORT},data",
                     "-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE",
                     "-Y", "_ws.malformed || tcp.checksum.status == 0",
                     "-T", "fields", "-e", "frame.number", "-e", "_ws.col.Info"], 120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@test.case("capture and trace of 4 MB each way with 2 % lost")
def _():
    capture = test.dir / "lost.pcapng"
    space.lossy("tap0", 2)
    words = meet(4, 4 * MB, "--no-offload", "--capture", capture, "--trace")
    for line in ("SYN-RECEIVED -> ESTABLISHED", "Flags [S.]", "retransmission"):
        assert line in words, line
    if shutil.which("tshark") is None:
        raise netns.Skip("the capture itself: needs tshark")
    assert expert(capture) == "", expert(capture)
    done = test.run(["tshark", "-r", capture, "-Y", "frame.comment contains \"retransmission\"",
                     "-T", "fields", "-e", "frame.comment"], 120)
    assert "cwnd" in done.stdout, done.stdout[:500]


test.done()
