#!/usr/bin/python3
"""The naru command itself: loopback inside the stack, exit statuses, signals, wrong options."""

import pathlib
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import netns  # noqa: E402

test = netns.Test()


def naru(*words, **options):
    return test.run([netns.NARU, *words], **options)


def script(text, *options, **more):
    return naru("run", "--net", "none", *options, "--", "sh", "-c", text, **more)


for shown, url, bind in (("127.0.0.1", "http://127.0.0.1:8000", "127.0.0.1"),
                         ("::1", "http://[::1]:8000", "::1")):
    @test.case(f"a server and a client over {shown} inside the stack")
    def _(url=url, bind=bind):
        wanted = netns.random_file(test.dir / "big", 20 << 20)
        done = script(f"/usr/bin/python3 -m http.server --bind {bind} -d {test.dir} 8000 & "
                      f"curl -sS --fail --retry 20 --retry-connrefused --retry-delay 0 "
                      f"--retry-max-time 20 -o {test.dir}/got {url}/big; "
                      "status=$?; kill $!; exit $status", timeout=60)
        assert done.returncode == 0, done
        assert netns.sha256(test.dir / "got") == wanted


@test.case("the host's network is not reachable with --net none")
def _():
    done = script("curl -sS --max-time 5 http://192.0.2.1/")
    assert done.returncode == 7, done


@test.case("the host's loopback is not the program's")
def _():
    server = test.spawn(["/usr/bin/python3", "-c", "import socket\n"
                         "s = socket.create_server(('127.0.0.1', 0))\n"
                         "print(s.getsockname()[1], flush=True)\ns.accept()"])
    netns.wait_for(lambda: server.output().strip(), what="a listener of the host")
    done = script(f"curl -sS --max-time 5 http://127.0.0.1:{server.output().strip()}/")
    assert done.returncode == 7, done


for status in (0, 1, 42, 255):
    @test.case(f"exit status {status} is the program's")
    def _(status=status):
        done = script(f"exit {status}")
        assert done.returncode == status, done


@test.case("127 when the program does not exist")
def _():
    done = naru("run", "--net", "none", "--", "/nonexistent/program")
    assert done.returncode == 127 and "/nonexistent/program" in done.stderr, done


@test.case("126 when the program cannot be run")
def _():
    path = test.dir / "plain"
    path.write_text("not a program\n", encoding="ascii")
    path.chmod(0o644)
    done = naru("run", "--net", "none", "--", str(path))
    assert done.returncode == 126, done


@test.case("the program's signal is naru's: 128 + 15")
def _():
    done = script("kill -TERM $$")
    assert done.returncode in (128 + 15, -signal.SIGTERM), done


@test.case("a signal for naru reaches the program")
def _():
    child = test.spawn([netns.NARU, "run", "--net", "none", "--", "sh", "-c",
                        "trap 'echo caught; exit 5' TERM; echo ready; "
                        "while :; do sleep 0.05; done"])
    netns.wait_for(lambda: "ready" in child.output(), what="the program")
    child.signal(signal.SIGTERM)
    assert child.wait(10) == 5 and "caught" in child.output(), child.output()


@test.case("standard input and output are the program's")
def _():
    done = naru("run", "--net", "none", "--", "cat", input="a\nb\n")
    assert done.returncode == 0 and done.stdout == "a\nb\n", done


for wrong in (["run", "--net", "moon", "--", "true"], ["run", "--nonsense", "--", "true"],
              ["run", "--ip", "10.0.0.300/24", "--", "true"],
              ["run", "--ip", "10.0.0.1/33", "--", "true"], ["run", "--ip", "x", "--", "true"],
              ["run", "--gateway", "x", "--", "true"], ["run", "--dns", "1.2.3", "--", "true"],
              ["run", "--mtu", "12", "--", "true"], ["run", "--mtu", "x", "--", "true"],
              ["run", "--seed", "x", "--", "true"], ["run"], ["run", "--"], ["moon"], []):
    @test.case(f"naru {' '.join(wrong)}: one line, status 2")
    def _(wrong=wrong):
        done = naru(*wrong)
        assert done.returncode == 2, done
        assert done.stdout == "" and len(done.stderr.splitlines()) == 1, done


@test.case("the capture is a pcapng file, and the trace has a line per segment")
def _():
    capture, trace = test.dir / "all.pcapng", test.dir / "trace"
    done = script("/usr/bin/python3 -c 'import socket\n"
                  "s = socket.create_server((\"127.0.0.1\", 7))\n"
                  "c = socket.create_connection((\"127.0.0.1\", 7))\n"
                  "a = s.accept()[0]; c.sendall(b\"x\" * 1000); c.close()\n"
                  "while a.recv(9999): pass'",
                  "--capture", str(capture), f"--trace={trace}", "--seed", "7")
    assert done.returncode == 0, done
    assert capture.read_bytes()[:4] == b"\x0a\x0d\x0d\x0a"
    assert "ESTABLISHED" in trace.read_text(encoding="utf-8")


@test.case("naru doctor says something about every mode")
def _():
    done = naru("doctor")
    for mode in ("user", "tap", "none"):
        assert mode in done.stdout, done


test.done()
