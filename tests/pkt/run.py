#!/usr/bin/python3
"""Packet scripts: naru's own, which pass over every version of IP, and wrong ones, which do not.

Folders are named for the state that the event of a script meets; those in bsd/ are of BSD's habits.
In wrong/ the first line of a script says how it must end: the line number, and a part of the
message.
"""

import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(os.environ["NARU_ROOT"]) / "tests" / "pkt"
PROGRAM = os.path.join(os.environ["NARU_BUILD"], "naru-pkt")
VERSIONS = ("ipv4", "ipv6", "ipv4-mapped-ipv6")
WAIT = 60

count = failed = 0


def verdict(name, good, detail=""):
    global count, failed
    count += 1
    failed += not good
    if not good:
        for line in str(detail).splitlines():
            print("# " + line)
    print(f"{'ok' if good else 'not ok'} {count} - {name}")


def run(*arguments):
    return subprocess.run([PROGRAM, *map(str, arguments)], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=WAIT, check=False)


def right_ones():
    for folder in sorted(path for path in ROOT.iterdir() if path.is_dir()):
        if folder.name == "wrong":
            continue
        scripts = len(list(folder.rglob("*.pkt")))
        for version in VERSIONS:
            profile = "freebsd" if folder.name == "bsd" else "linux"
            done = run("--profile", profile, "--ip-version", version, folder)
            last = done.stdout.splitlines()[-1:]
            good = done.returncode == 0 and last == [f"{scripts} passed, 0 failed, 0 skipped"]
            verdict(f"{folder.name} over {version}", good and scripts > 0, done.stdout)


def wrong_ones():
    for script in sorted((ROOT / "wrong").glob("*.pkt")):
        line, wanted = script.read_text().splitlines()[0].removeprefix("// ").split(": ", 1)
        skipped = wanted.startswith("skipped: ")
        done = run(script)
        said = done.stdout.splitlines()[0]
        good = said.startswith(f"{script}:{line}: ") and wanted in said
        good &= done.returncode == (0 if skipped else 1)
        verdict(f"wrong/{script.name}", good, f"wanted {line}: {wanted}\ngot {done.stdout}")


def command_line():
    done = run("--json", ROOT / "listen" / "rcv-syn.pkt", ROOT / "wrong" / "flags.pkt",
               ROOT / "wrong" / "skip-call.pkt")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    verdict("--json", [one["verdict"] for one in lines] == ["passed", "failed", "skipped"] and
            lines[1]["line"] == 10 and done.returncode == 1, done.stdout)
    verdict("two runs are the same", run("--json", ROOT).stdout == run("--json", ROOT).stdout)
    verdict("no argument", run().returncode == 2)
    verdict("no such profile", run("--profile", "cray", ROOT).returncode == 2)
    verdict("no such file", run(ROOT / "no-such.pkt").returncode == 2)
    verdict("--help", run("--help").returncode == 0)


right_ones()
wrong_ones()
command_line()
print(f"1..{count}")
sys.exit(1 if failed else 0)
