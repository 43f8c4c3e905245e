#!/usr/bin/python3
"""An embedder's first minute: install, ask pkg-config, compile a program, run it.

Installs into a directory of its own (DESTDIR), compiles a small program, and the C program between
the example marks of README.md, against libnaru.a and against libnaru.so, and runs the small one.
Also: the shared library exports what the public headers declare, and nothing else.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(os.environ["NARU_ROOT"])
BUILD = os.environ["NARU_BUILD"]
EXAMPLE = re.compile(r"<!-- example: begin -->.*?```c\n(.*?)```.*?<!-- example: end -->", re.S)
FLAGS = ["-Wall", "-Wextra", "-Werror"]

SMALL = r"""
#include <naru/naru.h>
#include <stdlib.h>
#include <string.h>

static void *get(void *user, size_t size)
{
    *(size_t *)user += size;
    return malloc(size);
}

static void put(void *user, void *ptr, size_t size)
{
    *(size_t *)user -= size;
    free(ptr);
}

int main(void)
{
    size_t held = 0;
    struct naru_config config;
    naru_config_init(&config);
    config.alloc = (struct naru_alloc){ get, put, &held };
    memset(config.seed, 1, sizeof config.seed);
    struct naru_stack *stack;
    if (naru_stack_new(&config, 0, &stack) != NARU_OK || held == 0)
        return 1;
    struct naru_sock *sock;
    if (naru_sock_new(stack, NARU_IPV6, NARU_SOCK_STREAM, &sock) != NARU_OK)
        return 2;
    naru_sock_close(sock, 0);
    naru_stack_free(stack);
    return held == 0 ? 0 : 3;
}
"""

count = 0


def run(*command, **env):
    done = subprocess.run(command, env=dict(os.environ, **env), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60,
                          check=False)
    if done.returncode != 0:
        print(f"# {' '.join(map(str, command))}: {done.returncode}")
        for line in done.stdout.splitlines()[-30:]:
            print("#   " + line)
        raise SystemExit(1)
    return done.stdout


def passed(name):
    global count
    count += 1
    print(f"ok {count} - {name}")
    sys.stdout.flush()


def exports(library, headers, where):
    script = where / "declared.map"
    run(str(ROOT / "tools" / "export-map"), str(script), *map(str, headers))
    wanted = set(re.findall(r"^    (naru_\w+);", script.read_text(), re.M))
    symbols = run("nm", "-D", "--defined-only", str(library))
    found = {line.split()[-1] for line in symbols.splitlines()}
    if wanted != found:
        print("# declared and not there:", *sorted(wanted - found))
        print("# there and not declared:", *sorted(found - wanted))
        raise SystemExit(1)


def manual(program, tree):
    told = set(re.findall(r"--([a-z][a-z-]+)", run(str(next(tree.rglob("bin/" + program))),
                                                    "--help")))
    page = (ROOT / "man" / (program + ".1")).read_text(encoding="utf-8")
    items = set(re.findall(r"^\.It Fl (?:\w , )?-([a-z][a-z-]+)", page, re.M))
    if told | {"help"} != items:
        print(f"# {program}: in one and not in the other:", *sorted((told | {"help"}) ^ items))
        raise SystemExit(1)


def main():
    example = EXAMPLE.search((ROOT / "README.md").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as tree:
        tree = pathlib.Path(tree)
        run("meson", "install", "--no-rebuild", "-C", BUILD, DESTDIR=str(tree))
        pc = next(tree.rglob("naru.pc"))
        include = next(tree.rglob("naru/naru.h")).parent
        shared = next(tree.rglob("libnaru.so"))
        for program in ("naru", "naru-bench", "naru-pkt", "naru-sim"):
            next(tree.rglob("bin/" + program))
            next(tree.rglob(f"man1/{program}.1*"))
        passed("everything is installed")

        for program in ("naru-bench", "naru-pkt", "naru-sim"):
            manual(program, tree)
        passed("the manual has the options of --help, and no others")

        exports(shared, sorted(include.glob("*.h")), tree)
        passed("libnaru.so exports what the headers declare")

        env = {"PKG_CONFIG_LIBDIR": str(pc.parent), "PKG_CONFIG_SYSROOT_DIR": str(tree)}
        cflags = run("pkg-config", "--cflags", "naru", **env).split()
        libs = run("pkg-config", "--libs", "naru", **env).split()
        programs = {"a small program": SMALL}
        if example:
            programs["the README's example"] = example.group(1)
        for name, text in programs.items():
            source, program = tree / "program.c", str(tree / "program")
            source.write_text(text, encoding="utf-8")
            archive = str(shared.parent / "libnaru.a")
            run("cc", *FLAGS, *cflags, str(source), archive, "-o", program)
            if text is SMALL:
                run(program)
            passed(f"{name}, static")
            run("cc", *FLAGS, *cflags, str(source), *libs, "-o", program)
            if text is SMALL:
                run(program, LD_LIBRARY_PATH=str(shared.parent))
            passed(f"{name}, shared")
    print(f"1..{count}")


main()
