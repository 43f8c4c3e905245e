#!/usr/bin/env python3
"""What the documents promise is there: each `file:function`, each file named, each row."""

import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.environ.get("NARU_ROOT") or os.path.dirname(os.path.dirname(HERE))


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


def check_threats():
    bound = re.findall(r"`(tests/[\w./]+\.c):(\w+|\*)`", read("docs/security.md"))
    if len(bound) < 30:
        sys.exit("docs/security.md: fewer than thirty tests are named")
    for name, function in bound:
        source = read(name) if os.path.exists(os.path.join(ROOT, name)) else ""
        if function == "*":
            function = ""
        if not re.search(r"cmocka_unit_test\w*\(%s" % function, source):
            sys.exit(f"docs/security.md: {name} has no test {function}")
    rows = [line for line in read("docs/security.md").splitlines() if line.startswith("| ")]
    for line in rows:
        head = line.startswith(("| attack", "| family"))
        if not head and "`tests/" not in line:
            sys.exit(f"docs/security.md: no test is named for: {line.split('|')[1].strip()}")
    print(f"ok threats: {len(rows) - 3} rows, {len(bound)} tests")


def check_rows():
    rows = re.findall(r'^    \{ "([\w-]+)"', read("bench/table.c"), re.M)
    if len(rows) < 10:
        sys.exit("bench/table.c: fewer than ten rows are found")
    figures, manual = read("docs/performance.md"), read("man/naru-bench.1")
    for row in rows:
        if f"| {row} |" not in figures or f"| {row}-v6 |" not in figures:
            sys.exit(f"docs/performance.md: {row} is missing; make bench-doc writes it")
        if not re.search(r"\b%s\b(?!-)" % row, manual):
            sys.exit(f"man/naru-bench.1: {row} is missing")
    print(f"ok rows: {len(rows)}")


check_stops()
check_threats()
check_rows()
