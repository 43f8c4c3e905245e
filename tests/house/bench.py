#!/usr/bin/python3
"""What naru-bench says has the shape that its manual promises; no figure of it is judged."""

import json
import os
import pathlib
import subprocess

BUILD = pathlib.Path(os.environ["NARU_BUILD"])
ROWS = {"bulk-1500-64k": True, "bulk-offload": True, "rr-1": False, "rr-64": False,
        "udp-64": False, "syn-flood": False}  # quick ones; true: has a limit
ALWAYS = {"row", "machine", "compiler", "commit", "value", "best", "unit", "better", "target"}
NONSENSE = (["--rows", "nothing"], ["--rows", ""], ["--rows", "rr-1,"], ["--seconds", "0"],
            ["--seconds", "1x"], ["--seconds", "nan"], ["--repeats", "0"], ["--repeats", "65"],
            ["--repeats", "1.5"], ["--fixed", "nothing"], ["--memory", "--fixed", "rr"],
            ["--nothing"], ["rr-1"])

count = 0


def bench(*args):
    return subprocess.run([BUILD / "naru-bench", *args], stdout=subprocess.PIPE, timeout=50,
                          stderr=subprocess.PIPE, text=True, check=False)


def passed(name):
    global count
    count += 1
    print(f"ok {count} - {name}", flush=True)


def check_objects():
    done = bench("--json", "--rows", ",".join(ROWS), "--seconds", "0.001", "--repeats", "1")
    assert done.returncode == 0, done.stderr
    rows = {row["row"]: row for row in map(json.loads, done.stdout.splitlines())}
    for name, limit in ROWS.items():
        for suffix in ("", "-v6"):
            row = rows[name + suffix]
            assert ALWAYS <= row.keys(), row
            assert row["value"] > 0 and row["machine"]["cores"] > 0 and row["machine"]["cpu"], row
            assert ("limit" in row and row["limit"] > 0) == limit, row
            assert ("v4_ratio" in row) == (suffix != "") and isinstance(row["met"], bool), row
    assert not rows.keys() - {n + s for n in ROWS for s in ("", "-v6")} - {"lwip-rr-1"}, rows.keys()
    passed("an object a row")


def check_table():
    done = bench("--rows", "rr-1-v6", "--seconds", "0.001", "--repeats", "2")
    assert done.returncode == 0, done.stderr
    lines = [line.split()[0] for line in done.stdout.splitlines()[3:]]
    assert lines[:2] == ["rr-1", "rr-1-v6"], done.stdout
    assert "at most 150.0: " in done.stdout and "IPv4 x " in done.stdout, done.stdout
    passed("a line a row")


def check_options():
    assert bench("--help").returncode == 0
    for args in NONSENSE:
        done = bench(*args)
        assert done.returncode == 2 and done.stdout == "" and done.stderr != "", (args, done)
    passed("nonsense is refused")


check_objects()
check_table()
check_options()
print(f"1..{count}")
