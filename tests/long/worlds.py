#!/usr/bin/python3
"""Ten thousand simulated worlds, each two times."""

import os
import pathlib
import subprocess
import sys

SIM = pathlib.Path(os.environ["NARU_BUILD"]) / "naru-sim"


def main():
    done = subprocess.run([SIM, "--seed", "1000", "--runs", "10000", "--twice"], check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    print("1..1")
    if done.returncode != 0:
        print("\n".join("# " + line for line in done.stdout.splitlines()[-20:]))
        print("not ok 1 - worlds")
        return 1
    print("ok 1 - worlds: " + done.stdout.splitlines()[-1])
    return 0


if __name__ == "__main__":
    sys.exit(main())
