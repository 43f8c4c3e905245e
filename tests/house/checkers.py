#!/usr/bin/python3
"""The checkers check: each rule of the tree is broken once, in a tree of its own, and is found.

A checker that finds nothing is worth nothing until it has been seen to find something.
"""

import importlib.machinery
import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(os.environ["NARU_ROOT"])
HEAD = "/* A file of a test. */\n"
WAIT = 60

count = failed = 0


def verdict(name, good, detail=""):
    global count, failed
    count += 1
    if not good:
        failed += 1
        for line in str(detail).splitlines():
            print("# " + line)
    print(f"{'ok' if good else 'not ok'} {count} - {name}")
    sys.stdout.flush()


def checked(tool, files, runs=((),)):
    """Exit status and output of a checker over a tree that holds these files; of the last run."""
    with tempfile.TemporaryDirectory() as tree:
        tree = pathlib.Path(tree)
        (tree / "tools").mkdir()
        shutil.copy(ROOT / "tools" / tool, tree / "tools" / tool)
        subprocess.run(["git", "init", "-q", str(tree)], check=True)
        for name, text in files.items():
            path = tree / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        for args in runs:
            done = subprocess.run([str(tree / "tools" / tool), *args], cwd=tree,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, timeout=WAIT, check=False)
        return done.returncode, done.stdout


def finds(tool, what, files, said):
    status, output = checked(tool, files)
    verdict(f"{tool} finds {what}", status == 1 and said in output, output)


def passes(tool, what, files):
    status, output = checked(tool, files)
    verdict(f"{tool} passes {what}", status == 0, output)


def including(path, *lines):
    """A tree of some headers, and one file with these includes."""
    files = {name: HEAD for name in (
        "include/naru/types.h", "src/base/bytes.h", "src/wire/tcp.h", "src/proto/seq.h",
        "src/proto/neigh.h", "src/proto/route.h", "src/proto/tcp/conn.h", "src/stack/stack.h",
        "src/host/loop.h", "src/run/run.h", "src/gate/gate.h")}
    files[path] = HEAD + "".join(f"#include {line}\n" for line in lines)
    return files


def includes():
    tool = "check-includes"
    passes(tool, "what goes down", including(
        "src/stack/in.c", "<naru/types.h>", "<string.h>", '"base/bytes.h"', '"wire/tcp.h"',
        '"proto/neigh.h"', '"proto/tcp/conn.h"', '"stack/stack.h"'))
    passes(tool, "a machine's own headers", including(
        "src/proto/neigh_cache.c", '"proto/neigh.h"', '"proto/seq.h"'))
    finds(tool, "an arrow up", including("src/wire/tcp.c", '"proto/seq.h"'), "wire/ may not know")
    finds(tool, "two machines that meet", including("src/proto/neigh.c", '"proto/route.h"'),
          "machines do not know each other")
    finds(tool, "a machine that knows TCP",
          including("src/proto/route.c", '"proto/tcp/conn.h"'),
          "machines do not know each other")
    finds(tool, "a system header in the engine", including("src/sock/sock.c", "<stdio.h>"),
          "the engine knows no system")
    finds(tool, "run and gate together", including("src/gate/tcp.c", '"run/run.h"'),
          "gate/ may not know run/")
    finds(tool, "an include without its folder",
          including("src/base/bytes.c", '"bytes.h"'),
          "includes name the folder")
    finds(tool, "a public header that looks inside",
          including("include/naru/x.h", '"base/bytes.h"'),
          "a public header includes only")


def style():
    tool = "check-style"
    long_function = "int f(void)\n{\n" + "    g();\n" * 90 + "}\n"
    passes(tool, "a small file", {"src/base/a.c": HEAD + "int f(void)\n{\n    return 1;\n}\n"})
    for what, text, said in (
            ("a long function", HEAD + long_function, "lines in a function"),
            ("a long file", HEAD + "int x;\n" * 800, "lines in a file"),
            ("a long line", HEAD + "int " + "x" * 100 + ";\n", "columns"),
            ("a tab", HEAD + "\tint x;\n", "a tab"),
            ("a blank at the end", HEAD + "int x; \n", "blanks at the end"),
            ("a missing head", "int x;\n", "head comment is missing"),
            ("unfinished work", HEAD + "/* TO" "DO: the rest */\n", "finish it"),
            ("a call without a bound", HEAD + "int f(char *s) { return ato" "i(s); }\n",
             "no bound")):
        finds(tool, what, {"src/base/a.c": text}, said)


def embed():
    tool = "check-embed"
    pure = HEAD + "int f(int x);\nint f(int x) { return x + 1; }\n"
    passes(tool, "a pure function", {"src/base/a.c": pure, "include/naru/types.h": HEAD})
    passes(tool, "a constant table with pointers", {
        "src/base/a.c": HEAD + 'const char *const t[] = { "a", "b" };\n',
        "include/naru/types.h": HEAD})
    for what, text, said in (
            ("a system call", "int puts(const char *);\nint f(void);\n"
             'int f(void) { return puts("x"); }\n', "wants puts"),
            ("a global that changes", "int x = 1;\n", "x"),
            ("a static that changes", "int f(void);\nint f(void) { static int n; return n++; }\n",
             "writable bytes")):
        finds(tool, what, {"src/base/a.c": HEAD + text, "include/naru/types.h": HEAD}, said)


def runner():
    """What tools/run-tests makes of a test's output and status."""
    path = str(ROOT / "tools" / "run-tests")
    loader = importlib.machinery.SourceFileLoader("run_tests", path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("run_tests", loader))
    sys.dont_write_bytecode = True
    loader.exec_module(module)
    tap = "1..3\nok 1 - a\nnot ok 2 - b\n# why\nok 3 - c # SKIP no moon\n"
    for what, text, status, wanted in (
            ("a program without TAP", "hello\n", 0, (1, 0, 0)),
            ("a program that fails", "hello\n", 3, (0, 1, 0)),
            ("a program that dies", "hello\n", -11, (0, 1, 0)),
            ("status 77", "needs root\n", 77, (0, 0, 1)),
            ("TAP", tap, 1, (1, 1, 1)),
            ("a case of cmocka that skips", "1..1\n# no moon\nnot ok 1 # SKIP moon\n", 0,
             (0, 0, 1)),
            ("TAP that ends early", "1..3\nok 1 - a\n", 0, (1, 2, 0)),
            ("TAP that dies after its cases", "1..1\nok 1 - a\n", -6, (1, 1, 0)),
            ("TAP with the plan at the end", "ok 1 - a\nok 2 - b\n1..2\n", 0, (2, 0, 0))):
        out = module.Outcome({"limit": 1})
        out.output = text
        module.judge(out, status, False)
        got = (out.passed, out.failed, len(out.skips))
        verdict(f"run-tests counts {what}", got == wanted, f"{got}, not {wanted}")


def requiring(changes=None):
    """A tree with two requirements: a test proves one, the other is excused."""
    files = {f"docs/requirements/{name}.tsv": "id\tlevel\tdescription\n"
             for name in ("rfc9293", "rfc1122", "ipv6", "checklist")}
    files["docs/requirements/rfc9293.tsv"] += "MUST-1\tMUST\tone\nMAY-2\tMAY\ttwo\n"
    files["docs/requirements/not-done.tsv"] = "id\tkind\treason\nMAY-2\tnot done\tno need\n"
    files["tests/meson.build"] = "unit_tests = {\n  'x': ['unit/x.c'],\n}\n"
    files["tests/unit/x.c"] = (HEAD + "/* It does (MUST-1). */\nstatic void does(void **state)\n"
                               "{\n}\nint main(void)\n{\n    cmocka_unit_test(does);\n}\n")
    files["src/base/x.c"] = HEAD + "/* MUST-1. */\nstatic int one(void)\n{\n    return 1;\n}\n"
    for name, old, new in changes or ():
        assert old in files[name], name
        files[name] = files[name].replace(old, new)
    return files


def requirements():
    tool, test = "requirements", "tests/unit/x.c"
    excuses = "docs/requirements/not-done.tsv"
    status, output = checked(tool, requiring(), ((), ("--check",)))
    verdict(f"{tool} passes what is proved or excused", status == 0, output)
    for what, change, said in (
            ("a row that nothing proves", (test, " (MUST-1)", ""), "MUST-1: no test: one"),
            ("a test that is not run", (test, "    cmocka_unit_test(does);\n", ""),
             "does is not in the list"),
            ("a test in no list", ("tests/meson.build", "unit/x.c", "unit/y.c"), "does not list"),
            ("an id above no test", (test, "*/\nstatic", "*/\n\nstatic"), "stands above no test"),
            ("an id that no table knows", ("src/base/x.c", "MUST-1", "MUST-9"),
             "MUST-9: no table knows it"),
            ("an excuse for what is proved", (excuses, "MAY-2", "MUST-1"), "excused, and yet"),
            ("an excuse without a reason", (excuses, "no need", ""), "and a reason"),
    ):
        status, output = checked(tool, requiring([change]), ((), ("--check",)))
        verdict(f"{tool} finds {what}", status == 1 and said in output, output)
    status, output = checked(tool, requiring(), (("--check",),))
    verdict(f"{tool} finds a document that is not written", status == 1 and "rfc.md" in output,
            output)


includes()
requirements()
style()
embed()
runner()
print(f"1..{count}")
sys.exit(1 if failed else 0)
