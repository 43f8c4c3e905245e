#!/usr/bin/env python3
"""What the documents promise is there: each `file:function` exists, and the README's example compiles."""

import os
import re
import subprocess
import sys
import tempfile

ROOT = os.environ.get("NARU_ROOT") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def read(name):
    with open(os.path.join(ROOT, name), encoding="utf-8") as f:
        return f.read()


def check_stops():
    stops = re.findall(r"`(src/[\w./]+\.[ch]):(\w+)`", read("ARCHITECTURE.md"))
    if len(stops) < 10:
        sys.exit("ARCHITECTURE.md: the life of one segment has fewer than ten stops")
    for name, function in stops:
        if not re.search(r"^\w.*\b%s\(" % function, read(name), re.M):
            sys.exit(f"ARCHITECTURE.md: {name} has no function {function}")
    for name in re.findall(r"`((?:src|tests|tools)/[\w./]+\.\w+)`", read("ARCHITECTURE.md")):
        if not os.path.exists(os.path.join(ROOT, name)):
            sys.exit(f"ARCHITECTURE.md: there is no {name}")
    print(f"ok stops: {len(stops)}")


def check_example():
    example = re.search(r"<!-- example: begin -->.*?```c\n(.*?)```", read("README.md"), re.S)
    if not example:
        sys.exit("README.md: no example")
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, "embed.c")
        with open(source, "w", encoding="utf-8") as f:
            f.write(example.group(1))
        subprocess.run(["cc", "-std=c17", "-D_DEFAULT_SOURCE", "-Wall", "-Wextra", "-Werror", "-I",
                        os.path.join(ROOT, "include"), "-c", source, "-o", os.path.join(folder, "embed.o")],
                       check=True)
    print("ok example")


check_stops()
check_example()
