#!/usr/bin/python3
"""The socket calls' corner cases: under naru each must answer as on the kernel's own stack.

sockcalls (C, beside this file) prints a line per answer.  It runs in an empty network namespace on
the kernel, and under `naru run --net none`; the lines must be the same.
"""

import difflib
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import netns

GROUPS = ("names", "listen", "connect", "stream", "close", "urgent", "dgram", "control", "options",
          "v6", "signals", "share", "epoll", "ioctl",
          "errors", "pause", "netlink", "groups")
PROGRAM = netns.BUILD / "tests" / "sockcalls"

test = netns.Test(root=True)
world = test.namespace()
for group in GROUPS:
    @test.case(f"{group}: the same answers as the kernel's")
    def _(group=group):
        kernel = world.run([PROGRAM, group], 60)
        naru = test.run([netns.NARU, "run", "--net", "none", "--", PROGRAM, group], 60)
        assert kernel.returncode == 0, kernel
        wrong = list(difflib.unified_diff(kernel.stdout.splitlines(), naru.stdout.splitlines(),
                                          "kernel", "naru", lineterm="", n=1))
        assert not wrong and naru.returncode == 0, "\n".join(["", *wrong, naru.stderr])
test.done()
