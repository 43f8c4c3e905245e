#!/usr/bin/python3
"""Servers of Debian with their clients on one stack, both unmodified, under `naru run --net none`.

Usage: packages.py GROUP...  Groups: ftp, haproxy, http2, http3.
"""

import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import netns  # noqa: E402

MB = 1 << 20
test = netns.Test(tools=["curl", "openssl"])
SHELL = """
up() {
    for _ in $(seq 100); do
        curl -s -m 1 -o /dev/null "telnet://127.0.0.1:$1" </dev/null && return
        [ $? = 7 ] || return 0
        sleep 0.1
    done
    echo "nobody on $1"
    exit 1
}
same() { cmp "$1" "$FILE" || exit 1; echo "same $1"; }
"""


def room(name):
    """A folder with a file of 5 MB to be served, and a key with its certificate."""
    where = test.dir / name
    (where / "served").mkdir(parents=True)
    netns.random_file(where / "served" / "big", 5 * MB)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-keyout", where / "key", "-out", where / "cert"],
                   check=True, stderr=subprocess.DEVNULL)
    return where


def together(where, script):
    """Runs a shell script in that folder, on a stack of its own; what it printed."""
    text = f"cd {where}; FILE={where}/served/big\n{SHELL}{script}"
    done = test.run([netns.NARU, "run", "--net", "none", "--", "sh", "-c", text], 60)
    assert done.returncode == 0, done
    return done.stdout


def ftp():
    @test.case("vsftpd and curl: passive and active")
    def _():
        netns.need("vsftpd")
        where = room("ftp")
        pathlib.Path("/var/run/vsftpd/empty").mkdir(parents=True, exist_ok=True)
        (where / "conf").write_text(
            "listen=YES\nlisten_port=2121\nanonymous_enable=YES\nbackground=NO\n"
            f"anon_root={where}/served\nseccomp_sandbox=NO\n", encoding="ascii")
        text = together(where, """
            vsftpd ./conf & up 2121
            curl -sS -o passive ftp://127.0.0.1:2121/big; same passive
            curl -sS -P 127.0.0.1 -o active ftp://127.0.0.1:2121/big; same active""")
        assert "same active" in text, text


def haproxy():
    @test.case("HAProxy before two servers: a frontend is paused, and goes on")
    def _():
        netns.need("haproxy", "socat")
        where = room("haproxy")
        (where / "conf").write_text(
            f"global\n stats socket {where}/control mode 600 level admin\n"
            "defaults\n mode http\n timeout connect 5s\n timeout client 20s\n timeout server 20s\n"
            "frontend f\n bind 127.0.0.1:8100\n default_backend b\n"
            "backend b\n server one 127.0.0.1:8101\n server two 127.0.0.1:8102\n", encoding="ascii")
        text = together(where, """
            for port in 8101 8102; do
                /usr/bin/python3 -m http.server -b 127.0.0.1 -d served $port 2>/dev/null & up $port
            done
            haproxy -db -f conf & up 8100
            for n in 1 2 3; do curl -sS -o got$n http://127.0.0.1:8100/big; same got$n; done
            echo "disable frontend f" | socat - UNIX-CONNECT:control
            curl -s -m 5 -o none http://127.0.0.1:8100/big; echo "paused $?"
            echo "enable frontend f" | socat - UNIX-CONNECT:control
            curl -sS -o again http://127.0.0.1:8100/big; same again""")
        assert "paused 7" in text and "same again" in text, text  # 7: the connection was refused


def http2():
    @test.case("nghttpd with h2load and curl: HTTP/2 over TLS")
    def _():
        netns.need("nghttpd", "h2load")
        text = together(room("http2"), """
            nghttpd -d served 8443 key cert & up 8443
            curl -sSk --http2 -w '%{http_version}\\n' -o got https://127.0.0.1:8443/big; same got
            h2load -n 200 -c 10 -m 5 https://127.0.0.1:8443/big""")
        assert "2\n" in text and "200 succeeded" in text, text


def http3():
    for address, host in (("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")):
        @test.case(f"ngtcp2's server and client: HTTP/3, {address}")
        def _(address=address, host=host):
            netns.need("gtlsserver", "gtlsclient")
            text = together(room(f"http3-{address.count(':')}"), f"""
                gtlsserver -q -d served {address} 4433 key cert >server 2>&1 &
                for _ in $(seq 50); do
                    timeout 20 gtlsclient -q --exit-on-all-streams-close --download . {address} \\
                        4433 https://{host}:4433/big && [ -s big ] && break
                    sleep 0.1
                done
                same big""")
            assert "same big" in text, text


groups = {"ftp": ftp, "haproxy": haproxy, "http2": http2, "http3": http3}
for word in sys.argv[1:] or groups:
    groups[word]()
test.done()
