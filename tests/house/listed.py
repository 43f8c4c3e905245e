#!/usr/bin/python3
"""Nothing lies in the tree unbuilt: every C file is compiled, each test script is a test."""

import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(os.environ["NARU_ROOT"]).resolve()
BUILD = pathlib.Path(os.environ["NARU_BUILD"]).resolve()
OPTIONAL = {"bench/lwip.c"}  # compiled where lwIP is installed
COMPILED = ("src/", "tests/", "fuzz/", "bench/")
SCRIPTS = ("tests/house/", "tests/pkt/", "tests/interop/", "tests/programs/", "tests/long/")


def tree():
    """The files that are or could be committed."""
    done = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT,
                          check=True, stdout=subprocess.PIPE)
    return [name for name in done.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


def inside(path, directory):
    """path, absolute or seen from directory, as seen from the root of the tree."""
    return os.path.relpath(os.path.join(directory, path), ROOT)


def main():
    commands = json.loads((BUILD / "compile_commands.json").read_text(encoding="utf-8"))
    known = OPTIONAL | {inside(one["file"], one["directory"]) for one in commands}
    raw = subprocess.run(["meson", "introspect", "--tests", str(BUILD)], check=True,
                         stdout=subprocess.PIPE).stdout
    for test in json.loads(raw):
        known |= {inside(word, BUILD) for word in test["cmd"]}

    bad = 0
    for name in tree():
        compiled = name.startswith(COMPILED) and name.endswith(".c")
        script = name.startswith(SCRIPTS) and os.access(ROOT / name, os.X_OK)
        if (compiled or script) and name not in known:
            print(f"{name}: in no list of any meson.build")
            bad += 1
    print(f"{bad} files are not listed")
    return 1 if bad else 0


sys.exit(main())
