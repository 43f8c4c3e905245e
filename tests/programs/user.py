#!/usr/bin/python3
"""Unmodified clients under `naru run --net user`, as an ordinary user, against real servers.

The servers run on the loopback of a network namespace; --host-loopback makes it 10.0.2.2 and
fd00::2 for the programs.  Usage: user.py GROUP...  Groups: curl, ssh, git, dig, iperf3.
"""

import json
import pathlib
import shutil
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import netns  # noqa: E402
import services  # noqa: E402

MB = 1 << 20
GATEWAY = {4: "10.0.2.2", 6: "fd00::2"}
URL = {4: "http://10.0.2.2", 6: "http://[fd00::2]"}

test = netns.Test(root=True, tools=["setpriv", "ss"])
world = test.namespace()
# Where an ordinary user can read the program, wherever the tree is.
program = shutil.copy(netns.NARU, test.dir / "naru")


def naru(words, *options, timeout=60.0, user=True, **more):
    """Runs a program under naru in the namespace, to its end."""
    command = [program, "run", "--net", "user", "--host-loopback", *options, "--", *words]
    return world.run(netns.as_user(command) if user else command, timeout, **more)


def room(name):
    """A directory that the program may write to."""
    where = test.dir / name
    where.mkdir()
    where.chmod(0o777)
    return where


def curl():
    where = room("curl")
    out = room("curl-out")

    def serve():
        netns.need("nginx", "curl")
        server = services.nginx(world.spawn, where, 8000)
        world.wait_port(8000)
        return server

    for family in (4, 6):
        @test.case(f"curl, 100 MB, IPv{family}")
        def _(family=family):
            serve()
            wanted = netns.random_file(where / "html" / "big", 100 * MB)
            done = naru(["curl", "-sS", "--fail", "-o", out / f"big{family}",
                         f"{URL[family]}:8000/big"])
            assert done.returncode == 0, done
            assert netns.sha256(out / f"big{family}") == wanted

        @test.case(f"curl uploads 20 MB, IPv{family}")
        def _(family=family):
            serve()
            wanted = netns.random_file(out / "up", 20 * MB, seed=family)
            done = naru(["curl", "-sS", "--fail", "-T", out / "up", f"{URL[family]}:8000/up"])
            assert done.returncode == 0, done
            assert netns.sha256(where / "html" / "up") == wanted

        @test.case(f"curl, 50 transfers at once, IPv{family}")
        def _(family=family):
            serve()
            wanted = [netns.random_file(where / "html" / f"f{n}", MB + n, seed=n)
                      for n in range(1, 51)]
            done = naru(["curl", "-sS", "--fail", "--parallel", "--parallel-immediate",
                         "--parallel-max", "50", "-o", out / "f#1",
                         f"{URL[family]}:8000/f[1-50]"])
            assert done.returncode == 0, done
            assert [netns.sha256(out / f"f{n}") for n in range(1, 51)] == wanted

    @test.case("curl, a port that nobody listens on")
    def _():
        netns.need("curl")
        began = time.monotonic()
        done = naru(["curl", "-sS", "--max-time", "10", f"{URL[4]}:9/"])
        assert done.returncode == 7 and time.monotonic() - began < 9, done


def ssh():
    @test.case("ssh, a pipe of 20 MB each way")
    def _():
        netns.need("ssh", "sshd", "ssh-keygen")
        where = room("ssh")
        services.ssh_key(where)
        services.sshd(world.spawn, where, 2222, "127.0.0.1")
        world.wait_port(2222)
        wanted = netns.random_file(where / "data", 20 * MB)
        with open(where / "data", "rb") as source, open(where / "back", "wb") as sink:
            done = naru(services.ssh_words(where, 2222, GATEWAY[4], "cat"), user=False,
                        stdin=source, stdout=sink)
        assert done.returncode == 0, done
        assert netns.sha256(where / "back") == wanted


def git():
    @test.case("git clone over git://")
    def _():
        netns.need("git")
        where = room("git")
        services.git_repository(where, 20 * MB)
        services.git_daemon(world.spawn, where, 9418, "127.0.0.1")
        world.wait_port(9418)
        clone = room("git-out") / "clone"
        done = naru(["env", f"HOME={clone.parent}", "git", "clone", "-q",
                     f"git://{GATEWAY[4]}/repo.git", clone])
        assert done.returncode == 0, done
        assert netns.sha256(clone / "file") == netns.sha256(where / "work" / "file")


def dig():
    where = room("dig")
    long_text = " ".join(f'"{chr(97 + n) * 200}"' for n in range(12))
    records = ["a.example.test. A 192.0.2.7", "a.example.test. AAAA 2001:db8::7",
               f"long.example.test. TXT {long_text}"]

    def ask(*words):
        done = naru(["dig", "+short", "+tries=2", "+time=3", *words])
        assert done.returncode == 0, done
        return done.stdout.split("\n")

    @test.case("dig, a real resolver: UDP, both kinds of address, TCP for a long answer")
    def _():
        netns.need("dig", "unbound")
        services.unbound(world.spawn, where, 5353, "127.0.0.1", records)
        world.wait_port(5353, "u")
        at = [f"@{GATEWAY[4]}", "-p", "5353"]
        assert "192.0.2.7" in ask(*at, "a.example.test", "A")
        assert "2001:db8::7" in ask(*at, "a.example.test", "AAAA")
        assert "l" * 200 in ask(*at, "+bufsize=512", "long.example.test", "TXT")[0]
        assert "192.0.2.7" in ask(*at, "+tcp", "a.example.test", "A")

    @test.case("dig, the relay at 10.0.2.3 asks the host's resolver")
    def _():
        netns.need("dig", "unbound")
        world.resolver("127.0.0.1")
        services.unbound(world.spawn, where, 53, "127.0.0.1", records)
        world.wait_port(53, "u")
        assert "192.0.2.7" in ask("@10.0.2.3", "a.example.test", "A")
        assert "192.0.2.7" in ask("@10.0.2.3", "+tcp", "a.example.test", "A")


def iperf3():
    def measure(*options):
        netns.need("iperf3")
        world.spawn(["iperf3", "-s", "-1", "-B", "127.0.0.1"])
        world.wait_port(5201)
        done = naru(["iperf3", "-J", "-t", "1", "-c", GATEWAY[4], *options])
        assert done.returncode == 0, done
        return json.loads(done.stdout)["end"]

    for name, options in (("up", []), ("down", ["-R"]), ("4 streams", ["-P", "4"]),
                          ("4 streams down", ["-P", "4", "-R"])):
        @test.case(f"iperf3, TCP, {name}")
        def _(options=options):
            assert measure(*options)["sum_received"]["bytes"] > 10 * MB

    for name, options in (("up", []), ("down", ["-R"])):
        @test.case(f"iperf3, UDP at 20 Mbit/s, {name}")
        def _(options=options):
            end = measure("-u", "-b", "20M", *options)["sum"]
            # A busy machine may leave a queue standing until it is full: some loss is UDP.
            assert end["bytes"] > MB and end["lost_percent"] < 50, end


GROUPS = {"curl": curl, "ssh": ssh, "git": git, "dig": dig, "iperf3": iperf3}


def main():
    for name in sys.argv[1:] or GROUPS:
        GROUPS[name]()
    test.done()


main()
