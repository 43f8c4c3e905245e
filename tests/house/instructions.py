#!/usr/bin/python3
"""No row of fixed work costs more instructions than bench/budget.tsv says, with 3 % of room.

valgrind counts them, so the machine and what else it does are of no account; the compiler is, and
the file says which one it is for.  --write: the file says what is so now.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(os.environ.get("NARU_ROOT", pathlib.Path(__file__).parents[2]))
BUILD = pathlib.Path(os.environ.get("NARU_BUILD", ROOT / "build"))
BUDGET = ROOT / "bench" / "budget.tsv"
ROOM = 1.03
SKIPPED = 77
HEAD = """\
# Instructions of `naru-bench --fixed`, of both ends together; syn-flood: of the flooded one.
# tests/house/instructions.py checks that no row costs 3 % more, and with --write writes this file.
# compiler: {compiler}
row\tunit\tinstructions
"""


def compiler():
    words = subprocess.run(["gcc", "--version"], check=True, stdout=subprocess.PIPE, text=True)
    return words.stdout.splitlines()[0]


def count(row):
    """The unit of a row, and the instructions that one takes."""
    with tempfile.NamedTemporaryFile() as out:
        done = subprocess.run(
            ["valgrind", "--tool=callgrind", "--toggle-collect=bench_fixed_work",
             f"--callgrind-out-file={out.name}", BUILD / "naru-bench", "--fixed", row],
            check=False, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    collected = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or collected is None:
        sys.exit(f"{row}: {done.returncode}\n{done.stdout}{done.stderr}")
    units, unit = done.stdout.split()
    return unit.rstrip("s"), int(collected[1]) / int(units)


def read():
    lines = BUDGET.read_text(encoding="utf-8").splitlines()
    made_for = next(line for line in lines if line.startswith("# compiler: "))
    rows = [line.split("\t") for line in lines if not line.startswith("#")][1:]
    return made_for.removeprefix("# compiler: "), rows


def write():
    _, rows = read()
    text = HEAD.format(compiler=compiler())
    for row, *_ in rows:
        unit, instructions = count(row)
        text += f"{row}\t{unit}\t{instructions:.0f}\n"
    BUDGET.write_text(text, encoding="utf-8")


def main():
    made_for, rows = read()
    if made_for != compiler():
        print(f"the budget is for {made_for}, this is {compiler()}")
        return SKIPPED
    failed = 0
    for number, (row, unit, budget) in enumerate(rows, 1):
        _, instructions = count(row)
        over = instructions > int(budget) * ROOM
        failed |= over
        print(f"{'not ok' if over else 'ok'} {number} - {row}: {instructions:.0f} instructions "
              f"a {unit}, budget {budget}")
        sys.stdout.flush()
    print(f"1..{len(rows)}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(write() if sys.argv[1:] == ["--write"] else main())
