#!/usr/bin/python3
"""docs/goodput.md is what naru-sim --table says, and no cell of it stalls.

Without an argument the cells that take a moment, with "all" every one.  --write writes the file.
"""

import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("NARU_BUILD", ROOT / "build"))
DOCUMENT = ROOT / "docs" / "goodput.md"


def differences(want, got, every):
    """Lines that differ, as pairs; a cell that was not measured ("-") agrees with any."""
    for a, b in zip(want, got):
        if a == b:
            continue
        cells_a, cells_b = a.split("|"), b.split("|")
        same = len(cells_a) == len(cells_b) and all(
            x == y or (not every and y.strip() == "-") for x, y in zip(cells_a, cells_b))
        if not same and (every or " cells; " not in b):
            yield a, b


def main():
    every = sys.argv[1:] in (["all"], ["--write"])
    command = [BUILD / "naru-sim", "--table"] + ([] if every else ["--fast"])
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
    if sys.argv[1:] == ["--write"]:
        DOCUMENT.write_text(done.stdout, encoding="utf-8")
        return done.returncode
    if done.returncode != 0:
        print(done.stdout)
        sys.exit("a cell stalls, or has less than a third of what is possible")
    want = DOCUMENT.read_text(encoding="utf-8").splitlines()
    got = done.stdout.splitlines()
    wrong = list(differences(want, got, every))
    for a, b in wrong:
        print(f"docs/goodput.md: {a}\nnaru-sim:        {b}")
    if wrong or len(want) != len(got):
        sys.exit("docs/goodput.md is not what naru-sim --table says; tests/sim/goodput.py --write")
    print(f"ok: {sum(line.count('%)') for line in got)} cells")
    return 0


if __name__ == "__main__":
    sys.exit(main())
