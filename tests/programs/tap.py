#!/usr/bin/python3
"""Unmodified servers and clients under `naru run --net tap`, with the host's own programs across.

Usage: tap.py GROUP...  Groups: http, nginx, iperf3, sshd, go, trace.
"""

import json
import os
import pathlib
import re
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import netns  # noqa: E402
import services  # noqa: E402

MB = 1 << 20
HOST = {4: "10.9.0.1", 6: "fd09::1"}
NARU = {4: "10.9.0.2", 6: "fd09::2"}
URL = {4: "http://10.9.0.2", 6: "http://[fd09::2]"}

test = netns.Test(root=True, tools=["ss"])
world = test.namespace()
world.tap("tap0", f"{HOST[4]}/24", f"{HOST[6]}/64")


def under(words):
    """The command line of a program under naru at the other end of the TAP."""
    return [netns.NARU, "run", "--net", "tap:tap0", "--ip", f"{NARU[4]}/24", "--ip",
            f"{NARU[6]}/64", "--", *words]


def naru(words, **options):
    """Starts it in the background."""
    return world.spawn(under(words), **options)


def room(name):
    where = test.dir / name
    where.mkdir()
    where.chmod(0o777)
    return where


def fetch(url, to):
    done = world.run(["curl", "-sS", "--fail", "-o", to, url])
    assert done.returncode == 0, done
    return netns.sha256(to)


def http():
    for family in (4, 6):
        @test.case(f"python3 -m http.server, 20 MB for the host's curl, IPv{family}")
        def _(family=family):
            netns.need("curl")
            where = room(f"http{family}")
            wanted = netns.random_file(where / "big", 20 * MB)
            services.python_http(naru, where, 8000)
            world.wait_connect(NARU[family], 8000)
            assert fetch(f"{URL[family]}:8000/big", where / "got") == wanted


def wrk_counts(text):
    """Requests that succeeded, and everything that did not."""
    requests = int(re.search(r"(\d+) requests in", text).group(1))
    errors = re.findall(r"(?:Socket errors|Non-2xx).*", text)
    return requests, errors


def nginx():
    where = room("nginx")

    def serve():
        netns.need("nginx", "wrk", "curl")
        (where / "html").mkdir(exist_ok=True)
        (where / "html" / "small").write_text("hello\n" * 100, encoding="ascii")
        services.nginx(naru, where, 8080, workers=3)
        world.wait_connect(NARU[4], 8080)

    for family in (4, 6):
        @test.case(f"nginx, 3 workers, the host's wrk on 50 connections, IPv{family}")
        def _(family=family):
            serve()
            done = world.run(["wrk", "-t", 2, "-c", 50, "-d", "3s", f"{URL[family]}:8080/small"])
            requests, errors = wrk_counts(done.stdout)
            assert requests > 1000 and not errors, done.stdout

    @test.case("nginx, a large file by 8 at once")
    def _():
        serve()
        wanted = netns.random_file(where / "html" / "big", 20 * MB)
        gets = [world.spawn(["curl", "-sS", "--fail", "-o", where / f"got{n}",
                             f"{URL[4]}:8080/big"]) for n in range(8)]
        assert [get.wait() for get in gets] == [0] * 8
        assert all(netns.sha256(where / f"got{n}") == wanted for n in range(8))

    @test.case("nginx, a reload under load loses no request")
    def _():
        serve()
        load = world.spawn(["wrk", "-t", 1, "-c", 20, "-d", "4s", f"{URL[4]}:8080/small"])
        master = int((where / "nginx.pid").read_text(encoding="ascii"))
        for count in range(60):
            if count in (10, 30):
                os.kill(master, signal.SIGHUP)
            done = world.run(["curl", "-sS", "--fail", "-o", "/dev/null", f"{URL[4]}:8080/small"])
            assert done.returncode == 0, f"request {count}: {done.stderr}"
        assert load.wait() == 0
        assert "Non-2xx" not in load.output(), load.output()


def iperf3():
    def measure(family, *options):
        netns.need("iperf3")
        world.spawn(["iperf3", "-s", "-1"])
        world.wait_port(5201)
        done = world.run(under(["iperf3", "-J", "-t", "1", "-c", HOST[family], *options]))
        assert done.returncode == 0, done
        return json.loads(done.stdout)["end"]

    for family in (4, 6):
        for name, options in (("to the host", []), ("from the host", ["-R"]),
                              ("4 streams", ["-P", "4"]), ("4 streams back", ["-P", "4", "-R"])):
            @test.case(f"iperf3, TCP, {name}, IPv{family}")
            def _(family=family, options=options):
                assert measure(family, *options)["sum_received"]["bytes"] > 10 * MB

    for name, options in (("to the host", []), ("from the host", ["-R"])):
        @test.case(f"iperf3, UDP at 20 Mbit/s, {name}")
        def _(options=options):
            end = measure(4, "-u", "-b", "20M", *options)["sum"]
            # A busy machine may leave a queue standing until it is full: some loss is UDP.
            assert end["bytes"] > MB and end["lost_percent"] < 50, end

    @test.case("iperf3, the server under naru, 4 streams")
    def _():
        netns.need("iperf3")
        server = naru(["iperf3", "-s", "--forceflush"])
        netns.wait_for(lambda: "listening" in server.output(), what="iperf3's server")
        for options in ([], ["-R"], ["-P", "4"]):
            done = world.run(["iperf3", "-J", "-t", "1", "-c", NARU[4], *options])
            assert done.returncode == 0, done.stdout[-1000:]
            assert json.loads(done.stdout)["end"]["sum_received"]["bytes"] > 10 * MB


def sshd():
    @test.case("sshd under naru, a pipe of 20 MB each way by the host's ssh")
    def _():
        netns.need("ssh", "sshd", "ssh-keygen")
        where = room("ssh")
        services.ssh_key(where)
        services.sshd(naru, where, 2222, "0.0.0.0")
        world.wait_connect(NARU[4], 2222)
        wanted = netns.random_file(where / "data", 20 * MB)
        with open(where / "data", "rb") as source, open(where / "back", "wb") as sink:
            done = world.run(services.ssh_words(where, 2222, NARU[4], "cat"), stdin=source,
                             stdout=sink, timeout=60)
        assert done.returncode == 0, done
        assert netns.sha256(where / "back") == wanted


def go():
    where = room("go")
    source = pathlib.Path(__file__).with_name("echo.go")

    def build():
        netns.need("go")
        if not (where / "echo").exists():
            env = dict(os.environ, CGO_ENABLED="0", GOFLAGS="-mod=mod", GOTOOLCHAIN="local",
                       GOCACHE=str(netns.BUILD / "gocache"), HOME=str(where))
            done = test.run(["go", "build", "-o", where / "echo", source], 240, env=env)
            assert done.returncode == 0, done.stderr
        return where / "echo"

    @test.case("a static Go server under naru")
    def _():
        echo = build()
        naru([echo, "serve", f"{NARU[4]}:7000"])
        world.wait_connect(NARU[4], 7000)
        done = world.run([echo, "dial", f"{NARU[4]}:7000"])
        assert done.returncode == 0, done

    @test.case("a static Go client under naru")
    def _():
        echo = build()
        world.spawn([echo, "serve", f"{HOST[4]}:7000"])
        world.wait_port(7000)
        client = naru([echo, "dial", f"{HOST[4]}:7000"])
        assert client.wait() == 0, client.output()


# As traceroute does it without rights: datagrams with small hop limits, and who complains.
TRACE = """
import select, socket, struct, sys
family, target, kind = int(sys.argv[1]), sys.argv[2], sys.argv[3]
v6 = family == 6
s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM,
                  0 if kind == "udp" else socket.IPPROTO_ICMPV6 if v6 else socket.IPPROTO_ICMP)
level, recverr, hops = (41, 25, 16) if v6 else (0, 11, 2)
s.setsockopt(level, recverr, 1)
for limit in (1, 2, 3):
    s.setsockopt(level, hops, limit)
    probe = struct.pack("!BBHHH", 128 if v6 else 8, 0, 0, 0, limit) + b"probe%d" % limit
    s.sendto(probe, (target, 33434 + limit if kind == "udp" else 0))
    if not select.select([s], [], [], 20)[0]:
        sys.exit(f"{limit}: silence")
    try:
        data, control, flags, name = s.recvmsg(100, 1000, socket.MSG_ERRQUEUE)
    except BlockingIOError:
        data, name = s.recvfrom(100)
        print(limit, "answer", name[0], data[8:].decode())
        break
    for at_level, at_type, value in control:
        if (at_level, at_type) == (level, recverr):
            number, origin, type_, code, _, info, _ = struct.unpack_from("=IBBBBII", value)
            who = value[24:40] if v6 else value[20:24]
            who = socket.inet_ntop(s.family, who)
            print(limit, type_, code, who, name[0], data[8:].decode(), flush=True)
"""


def trace():
    far = test.namespace()
    world.veth("far0", far, "near0", "10.9.1.1/24", "fd10::1/64")
    far.address("near0", "10.9.1.2/24", "fd10::2/64")
    far.ip("route", "add", "default", "via", "10.9.1.1")
    far.ip("-6", "route", "add", "default", "via", "fd10::1")
    world.sysctl("net.ipv4.ip_forward", 1)
    world.sysctl("net.ipv6.conf.all.forwarding", 1)
    far_addr = {4: "10.9.1.2", 6: "fd10::2"}
    exceeded = {4: "11 0", 6: "3 0"}
    no_port = {4: "3 3", 6: "1 4"}
    for family in (4, 6):
        for kind in ("udp", "icmp"):
            @test.case(f"the hops to a host, by {kind}, IPv{family}")
            def _(family=family, kind=kind):
                command = under(["/usr/bin/python3", "-c", TRACE, family, far_addr[family], kind])
                command[2:2] = ["--gateway", HOST[family]]
                done = world.run(command)
                assert done.returncode == 0, done
                to = far_addr[family]
                last = (f"2 {no_port[family]} {to} {to} probe2" if kind == "udp"
                        else f"2 answer {to} probe2")
                assert done.stdout.splitlines()[:2] == [
                    f"1 {exceeded[family]} {HOST[family]} {to} probe1", last], done.stdout


GROUPS = {"http": http, "nginx": nginx, "iperf3": iperf3, "sshd": sshd, "go": go, "trace": trace}


def main():
    for name in sys.argv[1:] or GROUPS:
        GROUPS[name]()
    test.done()


main()
