#!/usr/bin/python3
"""The end of a program under `naru run --net user`: what it has written arrives, or does not look
as if it had.

The server reads slowly, with little room of its own, so that most bytes are still naru's when the
program is gone.
"""

import hashlib
import pathlib
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import netns  # noqa: E402

SIZE = 12 << 20
PORT = 7000

SERVER = """
import hashlib, socket, sys, time
rate = float(sys.argv[1])
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
listener.bind(("127.0.0.1", 7000))
listener.listen()
connection, _ = listener.accept()
digest, size = hashlib.sha256(), 0
try:
    while data := connection.recv(65536):
        digest.update(data)
        size += len(data)
        time.sleep(len(data) / rate)
    print(size, digest.hexdigest(), flush=True)
except OSError as why:
    print(size, type(why).__name__, flush=True)
"""

CLIENT = """
import hashlib, socket, sys
block = hashlib.shake_256(b"naru").digest(1 << 20)
connection = socket.create_connection(("10.0.2.2", 7000))
for _ in range(12):
    connection.sendall(block)
"""

test = netns.Test(root=True)
world = test.namespace()


def run(rate):
    server = world.spawn(["/usr/bin/python3", "-c", SERVER, str(rate)])
    world.wait_port(PORT)
    client = world.spawn([netns.NARU, "run", "--net", "user", "--host-loopback", "--",
                          "/usr/bin/python3", "-c", CLIENT])
    return server, client


@test.case("a program ends before its bytes have arrived: they arrive")
def _():
    server, client = run(4 << 20)
    assert client.wait(60) == 0, client.output()
    assert server.wait(60) == 0
    block = hashlib.shake_256(b"naru").digest(1 << 20)
    wanted = hashlib.sha256(block * 12).hexdigest()
    assert server.output().split() == [str(SIZE), wanted], server.output()


@test.case("naru is killed in the middle: the server sees a reset, not an end")
def _():
    server, client = run(256 << 10)
    # Its gateway has taken the connection when the server has taken it.
    netns.wait_for(lambda: "ESTAB" in world.run(["ss", "-Hnt", f"sport = :{PORT}"]).stdout,
                   what="the connection")
    client.signal(signal.SIGKILL)
    assert server.wait(60) == 0
    assert server.output().split()[1] == "ConnectionResetError", server.output()


test.done()
