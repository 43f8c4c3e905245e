#!/usr/bin/python3
"""`naru run` itself: processes, signals, terminals, interfaces, interrupted calls."""

import json
import os
import pathlib
import pty
import select
import shutil
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import netns

test = netns.Test(root=True, tools=["ip"])
world = test.namespace()
PYTHON = "/usr/bin/python3"


def naru(*words, timeout=60.0):
    return test.run([netns.NARU, "run", "--net", "none", *words], timeout)


def output(done, status=0):
    assert done.returncode == status, done
    return done.stdout


@test.case("a process left behind is ended with the program")
def _():
    began = time.monotonic()
    done = naru("--", "sh", "-c", "sleep 60 >/dev/null 2>&1 & echo $!; exit 3")
    pid = int(output(done, 3))
    assert time.monotonic() - began < 30
    netns.wait_for(lambda: not os.path.exists(f"/proc/{pid}"), what="its end")


@test.case("--wait: the processes left behind are waited for, the status is the program's")
def _():
    done = naru("--wait", "--", "sh", "-c", "(sleep 0.5; echo late) & exit 4")
    assert output(done, 4) == "late\n", done


@test.case("a server that forks into the background goes on with --wait")
def _():
    code = """
import os, socket, time
l = socket.create_server(("127.0.0.1", 7000))
if os.fork() == 0:
    os.setsid()
    c, _ = l.accept()
    c.sendall(b"from the background")
    os._exit(0)
l.close()
if os.fork() == 0:
    time.sleep(0.3)
    print(socket.create_connection(("127.0.0.1", 7000)).recv(100).decode(), flush=True)
    os._exit(0)
"""
    assert output(naru("--wait", "--", PYTHON, "-c", code)) == "from the background\n"


@test.case("bytes sent before exit arrive after it")
def _():
    world.tap("tap0", "10.8.0.1/24")
    server = world.spawn([PYTHON, "-c", """
import socket, time
l = socket.create_server(("10.8.0.1", 7001))
c, _ = l.accept()
time.sleep(1)
n = 0
while True:
    part = c.recv(65536)
    if not part: break
    n += len(part)
print(n)
"""])
    world.wait_port(7001)
    code = ("import socket; s = socket.create_connection(('10.8.0.1', 7001));"
            "s.sendall(b'x' * 3000000)")
    output(world.run([netns.NARU, "run", "--net", "tap:tap0", "--ip", "10.8.0.2/24", "--",
                      PYTHON, "-c", code]))
    assert server.wait() == 0 and server.output() == "3000000\n", server.output()


@test.case("a blocked connect is interrupted by a signal, and ends by itself")
def _():
    code = """
import ctypes, os, signal, socket, struct, time
libc = ctypes.CDLL(None, use_errno=True)
signal.signal(signal.SIGALRM, lambda *_: None)
signal.siginterrupt(signal.SIGALRM, True)
s = socket.socket()
name = struct.pack("=H2s4s8x", socket.AF_INET, struct.pack("!H", 9), bytes([10, 8, 0, 77]))
signal.setitimer(signal.ITIMER_REAL, 0.2)
print(libc.connect(s.fileno(), name, 16), os.strerror(ctypes.get_errno()))
print(libc.connect(s.fileno(), name, 16), os.strerror(ctypes.get_errno()))
"""
    done = world.run([netns.NARU, "run", "--net", "tap:tap0", "--ip", "10.8.0.2/24", "--", PYTHON,
                      "-c", code])
    lines = output(done).splitlines()
    assert lines[0] == "-1 Interrupted system call", done
    assert lines[1] == "-1 No route to host", done


RECEIVER = """
import hashlib, os, socket, sys, threading
l = socket.create_server(("127.0.0.1", 7003))
def stream(size):
    return b"".join(i.to_bytes(4, "big") for i in range(size // 4))
def received():
    c, _ = l.accept()
    data = bytearray()
    while part := c.recv(1 << 20):
        data += part
    return bytes(data)
"""


@test.case("more than a share, and the program is gone at once: all of it arrives, then the end")
def _():
    code = RECEIVER + """
for size in (1 << 17, (1 << 17) + 4, 3 << 16, 5 << 20):
    if (child := os.fork()) == 0:
        s = socket.create_connection(("127.0.0.1", 7003))
        s.sendall(stream(size))
        os._exit(0)
    print(received() == stream(size))
    os.waitpid(child, 0)
"""
    assert output(naru("--", PYTHON, "-c", code)) == "True\n" * 4


@test.case("bytes written before a connection is there go out first, and none waits for the next")
def _():
    code = RECEIVER + """
import errno
for early in (b"", b"early"):
    s = socket.socket()
    s.setblocking(False)
    print(s.connect_ex(("127.0.0.1", 7003)) == errno.EINPROGRESS, end=" ")
    if early:
        try:
            s.send(early)
        except BlockingIOError:
            early = b""
    c, _ = l.accept()
    c.settimeout(20)
    s.setblocking(True)
    if early:
        print(c.recv(100) == early, end=" ")
    s.sendall(b"late")
    print(c.recv(100) == b"late", end=" ")
    c.sendall(b"back")
    print(s.recv(100) == b"back")
    s.close()
    c.close()
"""
    done = output(naru("--", PYTHON, "-c", code))
    assert "False" not in done and done.count("True") >= 6, done


@test.case("an accept that waits hands out name and connection, its token is not left behind")
def _():
    code = RECEIVER + """
import select, time
names = []
def server():
    for _ in range(3):
        c, name = l.accept()
        names.append(name)
        c.sendall(b"x")
        c.close()
t = threading.Thread(target=server)
t.start()
for _ in range(3):
    s = socket.create_connection(("127.0.0.1", 7003))
    print(s.recv(10) == b"x" and s.recv(10) == b"", end=" ")
    mine = s.getsockname()
    s.close()
    while mine not in names: time.sleep(0.01)
t.join()
print(select.select([l], [], [], 0)[0] == [])
"""
    assert output(naru("--", PYTHON, "-c", code)) == "True True True True\n"


@test.case("a storm of signals loses no answer")
def _():
    code = """
import os, signal, socket, threading
signal.signal(signal.SIGUSR1, lambda *_: None)
signal.siginterrupt(signal.SIGUSR1, False)
if (child := os.fork()) == 0:
    import time
    while os.getppid() != 1:
        for _ in range(20):
            os.kill(os.getppid(), signal.SIGUSR1)
        time.sleep(0.0005)
l = socket.create_server(("127.0.0.1", 7002))
for i in range(300):
    c = socket.create_connection(("127.0.0.1", 7002))
    s, _ = l.accept()
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    c.sendall(b"%d" % i)
    assert s.recv(10) == b"%d" % i
    c.close()
    s.close()
os.kill(child, signal.SIGKILL)
print("done")
"""
    assert output(naru("--", PYTHON, "-c", code, timeout=60)) == "done\n"


def terminal(argv, steps):
    """Runs argv on a terminal; each step is what to wait for and what to type then."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(argv[0], argv)
    seen, status = "", None
    end = time.monotonic() + 20
    try:
        for wanted, text in steps:
            while wanted not in seen:
                assert time.monotonic() < end, f"no {wanted!r} in {seen!r}"
                if select.select([fd], [], [], 0.2)[0]:
                    seen += os.read(fd, 4096).decode(errors="replace")
            seen = seen.split(wanted, 1)[1]
            time.sleep(0.3)  # who has said it is not yet what will be interrupted
            os.write(fd, text.encode())
        while status is None and time.monotonic() < end:
            got, code = os.waitpid(pid, os.WNOHANG)
            status = os.waitstatus_to_exitcode(code) if got else None
            if status is None and select.select([fd], [], [], 0.1)[0]:
                try:
                    os.read(fd, 4096)
                except OSError:
                    time.sleep(0.05)
    finally:
        if status is None:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        os.close(fd)
    return status


@test.case("Ctrl-C on a terminal ends the program")
def _():
    command = [netns.NARU, "run", "--net", "none", "--", "sh", "-c", "echo ready; sleep 30"]
    assert terminal(command, [("ready", "\x03")]) == 130


@test.case("Ctrl-Z stops it as a job, and it goes on")
def _():
    shell = ["/bin/bash", "--norc", "-i"]
    job = f"{netns.NARU} run --net none -- sh -c 'echo re''ady; sleep 30; echo no'\n"
    assert terminal(shell, [("$" if os.geteuid() else "#", job), ("ready", "\x1a"),
                            ("Stopped", "fg\n"), ("sh -c", "\x03"),
                            ("#" if not os.geteuid() else "$", "exit 7\n")]) == 7


@test.case("an interactive shell under naru has job control")
def _():
    shell = [netns.NARU, "run", "--net", "none", "--", "bash", "--norc", "-i"]
    # A shell whose stopped job is not gone yet does not end.
    assert terminal(shell, [("#", "sleep 30\n"), ("sleep 30", "\x1a"),
                            ("Stopped", "kill %1; wait %1\n"), ("#", "exit 5\n")]) == 5


@test.case("one naru in another is refused with a reason")
def _():
    done = naru("--", netns.NARU, "run", "--net", "none", "--", "true")
    assert done.returncode == 125 and "nested" in done.stderr, done
    assert len(done.stderr.splitlines()) == 1, done


@test.case("doctor --json can be read by machines")
def _():
    done = test.run([netns.NARU, "doctor", "--json"])
    checks = {line["check"]: line["verdict"] for line in json.loads(output(done))}
    assert checks["--net user"] == "ok" and checks["seccomp"] == "ok", checks


@test.case("getifaddrs, ip: naru's interfaces, not the host's")
def _():
    done = test.run([netns.NARU, "run", "--ip", "10.7.0.5/24", "--ip", "fd07::5/64", "--", "sh",
                     "-c", "ip -br addr; ip route; ip -6 route"])
    text = output(done)
    for word in ("naru0", "10.7.0.5/24", "fd07::5/64", "default via 10.7.0.2",
                 "default via fd07::2"):
        assert word in text, text
    assert "eth0" not in text, text


@test.case("/proc/net, by fopen: naru's sockets, interfaces and routes")
def _():
    code = """
import socket, subprocess
a = socket.create_server(("127.0.0.1", 4444))
b = socket.create_connection(("127.0.0.1", 4444))
c = socket.create_server(("::", 4445), family=socket.AF_INET6)
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.bind(("10.7.0.5", 4446))
for name in "tcp", "tcp6", "udp", "if_inet6", "route", "ipv6_route", "dev":
    print(subprocess.run(["cat", "/proc/net/" + name], stdout=subprocess.PIPE, text=True).stdout)
"""
    text = output(test.run([netns.NARU, "run", "--ip", "10.7.0.5/24", "--ip", "fd07::5/64", "--",
                            PYTHON, "-c", code]))
    for words in ("0100007F:115C 00000000:0000 0A", "0100007F:115C 0100007F:",
                  f"{'0' * 32}:115D {'0' * 32}:0000 0A", "0500070A:115E 00000000:0000 07",
                  "fd070000000000000000000000000005 02 40 00 80    naru0",
                  "naru0\t00000000\t0200070A\t0003", "naru0\t0000070A\t00000000\t0001",
                  f"{'0' * 32} 00 {'0' * 32} 00 fd070000000000000000000000000002", "naru0: "):
        assert words in text, (words, text)
    assert "eth0" not in text, text


@test.case("netstat, ss, ifconfig: what they make of it")
def _():
    code = """
import socket, subprocess
a = socket.create_server(("127.0.0.1", 4444))
b = socket.create_connection(("127.0.0.1", 4444))
for words in ["netstat", "-tan"], ["ss", "-tan"], ["ifconfig", "-a"], ["route", "-n"]:
    try:
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        print(words[0], done.returncode, done.stdout)
    except FileNotFoundError:
        pass
"""
    text = output(test.run([netns.NARU, "run", "--", PYTHON, "-c", code]))
    assert "ss 0" in text and text.count("127.0.0.1:4444") >= 3, text
    for tool, word in (("netstat", "ESTABLISHED"), ("ifconfig", "naru0: flags"),
                       ("route", "10.0.2.2")):
        assert shutil.which(tool) is None or (f"{tool} 0" in text and word in text), text
    assert "eth0" not in text, text


@test.case("ping: the loopback and the gateway, both families")
def _():
    netns.need("ping")
    for address in ("127.0.0.1", "::1", "10.0.2.2", "fd00::2"):
        done = test.run([netns.NARU, "run", "--", "ping", "-c", "2", "-i", "0.2", address])
        assert "2 received" in output(done) and "ttl=64" in done.stdout, done


@test.case("twelve thousand connections by three at once: none is lost, no descriptor stays")
def _():
    code = """
import os, socket, sys, time
l = socket.create_server(("127.0.0.1", 7005), backlog=128)
descriptors = lambda: len(os.listdir(f"/proc/{os.getppid()}/fd"))
before = descriptors()
server = os.fork()
while server == 0:
    l.accept()[0].close()
def client():
    for _ in range(4000):
        with socket.create_connection(("127.0.0.1", 7005)) as c:
            if c.recv(1) != b"":
                os._exit(1)
    os._exit(0)
clients = [os.fork() or client() for _ in range(3)]
print([os.waitpid(pid, 0)[1] for pid in clients])
os.kill(server, 9)
os.waitpid(server, 0)
end = time.monotonic() + 20
while descriptors() > before + 20 and time.monotonic() < end:
    time.sleep(0.05)
print(descriptors() <= before + 20)
"""
    assert output(naru("--", PYTHON, "-c", code)) == "[0, 0, 0]\nTrue\n"


@test.case("PR_SET_DUMPABLE, raw sockets, io_uring")
def _():
    code = """
import ctypes, socket
libc = ctypes.CDLL(None, use_errno=True)
print(libc.prctl(4, 0, 0, 0, 0), socket.socket().fileno() > 2)
try: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)
except PermissionError: print("raw: EPERM")
print(libc.syscall(425, 1, 0), ctypes.get_errno())
"""
    assert output(naru("--", PYTHON, "-c", code)) == "0 True\nraw: EPERM\n-1 38\n"


@test.case("a program that runs out of descriptors is told so, and loses nothing")
def _():
    code = """
import os, resource, socket
l = socket.create_server(("127.0.0.1", 7003))
c = socket.create_connection(("127.0.0.1", 7003))
held = []
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
try:
    while True: held.append(os.dup(0))
except OSError as e: print(e.errno)
try: l.accept()
except OSError as e: print(e.errno)
os.close(held.pop())
s, _ = l.accept()
c.sendall(b"kept")
print(s.recv(10))
"""
    assert output(naru("--", PYTHON, "-c", code)) == "24\n24\nb'kept'\n"


test.done()
