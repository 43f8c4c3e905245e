"""Network namespaces, processes with time limits, and TAP output for tests against real programs.

    import netns

    test = netns.Test(root=True, tools=["iperf3"])    # or prints the reason and exits with 77
    world = test.namespace()                          # removed at the end, whatever happens
    world.tap("tap0", "10.9.0.1/24", "fd09::1/64")

    @test.case("bulk, IPv4")
    def _():
        server = world.spawn(["iperf3", "-s", "-1"])
        world.wait_port(5201)
        done = world.run([netns.NARU, "run", "--net", "tap:tap0", ..., "--", "iperf3", ...])
        assert done.returncode == 0, done

    test.done()

A case fails when it raises; the others still run.  Everything that was started is stopped at the
end of its case (processes) or of the test (namespaces): also after SIGTERM, which is how the runner
ends a test that takes too long.  Nothing here touches the machine's own network.
"""

import atexit
import contextlib
import hashlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

ROOT = pathlib.Path(os.environ.get("NARU_ROOT", pathlib.Path(__file__).resolve().parents[2]))
BUILD = pathlib.Path(os.environ.get("NARU_BUILD", ROOT / "build"))
NARU = os.environ.get("NARU", str(BUILD / "naru"))
SKIPPED = 77

os.environ["PATH"] = os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin"


class Skip(Exception):
    """Raised in a case that cannot run here; its text is the reason."""


def skip(reason):
    """Ends the whole test program as skipped."""
    print(reason)
    sys.stdout.flush()
    sys.exit(SKIPPED)


def need(*tools):
    """For a case: skips it where one of them is not there."""
    for tool in tools:
        if shutil.which(tool) is None:
            raise Skip(f"needs {tool}, which is not installed")


def wait_for(condition, timeout=30.0, what="condition"):
    """Calls condition until it is true; its value, or an AssertionError after timeout seconds."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {timeout} s for: {what}")
        time.sleep(0.02)


def sha256(path):
    """The SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as source:
        while block := source.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def random_file(path, size, seed=1):
    """Fills path with size bytes that do not compress, the same for the same seed; its SHA-256."""
    digest = hashlib.sha256()
    block = hashlib.shake_256(str(seed).encode()).digest(1 << 20)
    with open(path, "wb") as sink:
        left = size
        number = 0
        while left:
            part = (number.to_bytes(8, "big") + block[8:])[:left]
            sink.write(part)
            digest.update(part)
            left -= len(part)
            number += 1
    return digest.hexdigest()


class Process:
    """A child in its own process group, its output in a file."""

    def __init__(self, argv, where, **options):
        self.argv = [str(word) for word in argv]
        self.log = tempfile.NamedTemporaryFile(dir=where, prefix="log-", delete=False)
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("stdout", self.log)
        options.setdefault("stderr", subprocess.STDOUT)
        self.child = subprocess.Popen(self.argv, start_new_session=True, **options)

    @property
    def pid(self):
        return self.child.pid

    def output(self):
        return pathlib.Path(self.log.name).read_text(encoding="utf-8", errors="replace")

    def running(self):
        return self.child.poll() is None

    def wait(self, timeout=60.0):
        """The exit status; when there is none in time, everything is stopped and it raises."""
        try:
            return self.child.wait(timeout)
        except subprocess.TimeoutExpired:
            self.stop()
            text = self.output()[-2000:]
            raise AssertionError(f"no end after {timeout} s: {self}\n{text}") from None

    def signal(self, number):
        self.child.send_signal(number)

    def stop(self):
        """Ends the process group, and waits until it is gone."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.child.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.child.wait(2)
                break
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.child.pid, signal.SIGKILL)

    def __str__(self):
        return " ".join(self.argv)


class Namespace:
    """One network namespace, with loopback up."""

    def __init__(self, test, name):
        self.test = test
        self.name = name
        test.namespaces.append(self)
        sh("ip", "netns", "add", name)
        self.ip("link", "set", "lo", "up")
        # Compare like with like: the machine's default may be something else.
        for algorithm in ("cubic", "reno"):
            if self.sysctl("net.ipv4.tcp_congestion_control", algorithm):
                break

    def ip(self, *words):
        """ip(8) inside the namespace."""
        return sh("ip", "-n", self.name, *words)

    def sysctl(self, key, value):
        """True when the setting was taken."""
        done = subprocess.run(self.argv(["sysctl", "-q", "-w", f"{key}={value}"]), check=False,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return done.returncode == 0

    def address(self, device, *addresses):
        """Addresses such as 10.9.0.1/24 and fd09::1/64, usable at once (no DAD)."""
        for one in addresses:
            extra = ["nodad"] if ":" in one else []
            self.ip("address", "add", one, "dev", device, *extra)

    def tap(self, device, *addresses, user=None, mtu=None):
        """A TAP device that carries virtio headers, as naru opens it."""
        owner = ["user", user] if user else []
        self.ip("tuntap", "add", device, "mode", "tap", "vnet_hdr", *owner)
        if mtu:
            self.ip("link", "set", device, "mtu", str(mtu))
        self.ip("link", "set", device, "up")
        self.address(device, *addresses)

    def veth(self, device, other, peer, *addresses):
        """A veth pair between here (device) and another namespace (peer); both ends up."""
        self.ip("link", "add", device, "type", "veth", "peer", "name", peer, "netns", other.name)
        self.ip("link", "set", device, "up")
        other.ip("link", "set", peer, "up")
        self.address(device, *addresses)

    def nft(self, rules):
        """Loads an nftables ruleset, given as text."""
        subprocess.run(self.argv(["nft", "-f", "-"]), input=rules, text=True, check=True)

    def lossy(self, device, percent):
        """Drops percent of all packets in each direction of device."""
        self.nft(f"""
            table netdev naru {{
                chain in {{
                    type filter hook ingress device {device} priority 0; policy accept;
                    numgen random mod 1000 < {int(percent * 10)} drop
                }}
                chain out {{
                    type filter hook egress device {device} priority 0; policy accept;
                    numgen random mod 1000 < {int(percent * 10)} drop
                }}
            }}""")

    def resolver(self, address):
        """/etc/resolv.conf of the programs that are started inside from now on."""
        where = pathlib.Path("/etc/netns") / self.name
        where.mkdir(parents=True, exist_ok=True)
        (where / "resolv.conf").write_text(f"nameserver {address}\n", encoding="ascii")

    def argv(self, words):
        return ["ip", "netns", "exec", self.name, *map(str, words)]

    def spawn(self, words, **options):
        """A background process, stopped at the end of the case."""
        return self.test.spawn(self.argv(words), **options)

    def run(self, words, timeout=60.0, **options):
        """Runs to the end: CompletedProcess with text output, both streams captured."""
        return self.test.run(self.argv(words), timeout, **options)

    def listening(self, port, kind="t"):
        done = subprocess.run(self.argv(["ss", "-Hln" + kind, f"sport = :{port}"]), check=True,
                              stdout=subprocess.PIPE, text=True)
        return bool(done.stdout.strip())

    def wait_port(self, port, kind="t", timeout=30.0):
        """Waits until a program of the host's own stack listens here (kind t or u)."""
        wait_for(lambda: self.listening(port, kind), timeout, f"a listener on port {port}")

    def connects(self, address, port):
        """Whether a TCP connection from this namespace's own stack is answered."""
        code = ("import socket,sys\n"
                "try: socket.create_connection((sys.argv[1], int(sys.argv[2])), 1).close()\n"
                "except OSError: sys.exit(1)")
        return subprocess.run(self.argv(["/usr/bin/python3", "-c", code, address, str(port)]),
                              check=False).returncode == 0

    def wait_connect(self, address, port, timeout=30.0):
        """Waits until a server (under naru, say) takes connections from this namespace."""
        wait_for(lambda: self.connects(address, port), timeout, f"{address} port {port} to answer")

    def remove(self):
        """Ends what still runs inside, and removes it."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            done = subprocess.run(["ip", "netns", "pids", self.name], check=False, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            pids = [int(word) for word in done.stdout.split()]
            if not pids:
                break
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            time.sleep(0.2)
        subprocess.run(["ip", "netns", "delete", self.name], check=False)
        shutil.rmtree(pathlib.Path("/etc/netns") / self.name, ignore_errors=True)


def sh(*words):
    """Runs a command that must succeed; what it printed."""
    done = subprocess.run([str(word) for word in words], check=False, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, words))}: {done.stdout.strip()}")
    return done.stdout


class Test:
    """One test program: its cases, and everything it must clean up."""

    def __init__(self, root=False, tools=(), naru=True):
        self.cases = 0
        self.failed = 0
        self.namespaces = []
        self.processes = []
        if root and os.geteuid() != 0:
            skip("needs root, for network namespaces")
        for tool in ("ip", *tools) if root else tools:
            if shutil.which(tool) is None:
                skip(f"needs {tool}, which is not installed")
        if root and subprocess.run(["unshare", "--net", "true"], check=False,
                                   stderr=subprocess.DEVNULL).returncode != 0:
            skip("needs to make network namespaces, which this machine does not allow")
        if naru and not os.access(NARU, os.X_OK):
            skip(f"needs {NARU}, which is not built")
        # Readable by other users: some programs give up their rights.
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="naru-test-"))
        self.dir.chmod(0o755)
        atexit.register(self.clean)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda got, _frame: sys.exit(128 + got))

    def namespace(self):
        """A new network namespace with a name of its own."""
        name = f"naru-{os.getpid()}-{len(self.namespaces)}"
        return Namespace(self, name)

    def spawn(self, words, **options):
        process = Process(words, self.dir, **options)
        self.processes.append(process)
        return process

    @staticmethod
    def run(words, timeout=60.0, **options):
        """Runs to the end; after timeout seconds the whole group is killed and it raises."""
        words = [str(word) for word in words]
        given = options.pop("input", None)
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        options.setdefault("text", True)
        if options["text"]:
            options.setdefault("errors", "replace")
        source = subprocess.DEVNULL if given is None else subprocess.PIPE
        with subprocess.Popen(words, stdin=options.pop("stdin", source), start_new_session=True,
                              **options) as child:
            try:
                out, err = child.communicate(given, timeout)
            except BaseException as why:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGTERM)
                    time.sleep(0.5)
                    os.killpg(child.pid, signal.SIGKILL)
                if not isinstance(why, subprocess.TimeoutExpired):
                    raise
                out, err = child.communicate()
                raise AssertionError(f"no end after {timeout} s: {' '.join(words)}\n"
                                     f"{str(out)[-1500:]}\n{str(err)[-1500:]}") from None
        return subprocess.CompletedProcess(words, child.returncode, out, err)

    def case(self, name):
        """Decorator: runs the function at once as one case."""
        def decorate(function):
            self.cases += 1
            began = time.monotonic()
            try:
                function()
                verdict = f"ok {self.cases} - {name}"
            except Skip as why:
                verdict = f"ok {self.cases} - {name} # SKIP {why}"
            except Exception:  # noqa: a case may fail in any way, and the others still run
                self.failed += 1
                for line in traceback.format_exc().rstrip().splitlines():
                    print("# " + line)
                for process in self.processes:
                    state = "runs" if process.running() else process.child.returncode
                    print(f"# {process} ({state})")
                    for line in process.output().splitlines()[-15:]:
                        print("#   " + line)
                verdict = f"not ok {self.cases} - {name}"
            self.stop_processes()
            print(f"{verdict}\n#   {time.monotonic() - began:.2f} s")
            sys.stdout.flush()
            return function
        return decorate

    def stop_processes(self):
        for process in reversed(self.processes):
            process.stop()
        self.processes.clear()

    def clean(self):
        self.stop_processes()
        for space in self.namespaces:
            space.remove()
        self.namespaces.clear()
        shutil.rmtree(self.dir, ignore_errors=True)

    def done(self):
        """Prints the plan and ends the program."""
        print(f"1..{self.cases}")
        sys.stdout.flush()
        sys.exit(1 if self.failed else 0)


def free_port():
    """A TCP port that nobody listens on, on the machine's loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def as_user(words, user="nobody"):
    """The same command as an ordinary user without any capability."""
    return ["setpriv", f"--reuid={user}", "--regid=nogroup", "--clear-groups", "--inh-caps=-all",
            "--bounding-set=-all", *map(str, words)]
