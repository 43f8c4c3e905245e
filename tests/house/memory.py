#!/usr/bin/python3
"""docs/memory.md says what naru-bench --memory says.  --write: it says what is so now."""

import difflib
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(os.environ.get("NARU_ROOT", pathlib.Path(__file__).parents[2]))
BUILD = pathlib.Path(os.environ.get("NARU_BUILD", ROOT / "build"))
DOCUMENT = ROOT / "docs" / "memory.md"


def main():
    now = subprocess.run([BUILD / "naru-bench", "--memory"], check=True, stdout=subprocess.PIPE,
                         text=True).stdout
    if sys.argv[1:] == ["--write"]:
        DOCUMENT.write_text(now, encoding="utf-8")
        return 0
    then = DOCUMENT.read_text(encoding="utf-8")
    if now != then:
        sys.stdout.writelines(difflib.unified_diff(then.splitlines(True), now.splitlines(True),
                                                   "docs/memory.md", "naru-bench --memory"))
        print("tests/house/memory.py --write makes it current")
        return 1
    print("ok 1 - docs/memory.md is current\n1..1")
    return 0


sys.exit(main())
