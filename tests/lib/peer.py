#!/usr/bin/python3
"""One end of a TCP connection that does as it is told: an ordinary program for interop tests.

    peer.py listen ADDRESS PORT ROUNDS ACTION...     peer.py dial ADDRESS PORT ROUNDS ACTION...

The same program runs on the kernel's stack and under naru, so that each test needs only two lists
of actions.  They are done in order, once per connection; ROUNDS connections come one after another.

    send:BYTES:SEED    sends a pattern                shut     ends our direction (SHUT_WR)
    recv               receives until the end         close    closes
    recv:BYTES         receives so many               abort    closes with a reset
    echo               gives back until the end       reset    waits for the peer's reset
    meet:BYTES:SEED    sends while it receives until the end, ends its direction when all is sent

Each receiving action prints "got BYTES SHA256"; the last line is "done".
"""

import hashlib
import socket
import struct
import sys
import threading
import time

BLOCK = 1 << 18


def pattern(size, seed):
    """size bytes in blocks, different in each block, the same for the same seed."""
    body = hashlib.shake_256(str(seed).encode()).digest(BLOCK)
    number = 0
    while size > 0:
        part = number.to_bytes(8, "big") + body[8:]
        yield part[:size] if size < BLOCK else part
        size -= BLOCK
        number += 1


def pattern_hash(size, seed):
    digest = hashlib.sha256()
    for part in pattern(size, seed):
        digest.update(part)
    return digest.hexdigest()


def send(sock, size, seed):
    for part in pattern(size, seed):
        sock.sendall(part)


def receive(sock, size=None):
    """Receives size bytes, or until the end; prints how many and their SHA-256."""
    digest = hashlib.sha256()
    room = memoryview(bytearray(1 << 20))
    count = 0
    while size is None or count < size:
        want = len(room) if size is None else min(len(room), size - count)
        got = sock.recv_into(room[:want])
        if got == 0:
            break
        digest.update(room[:got])
        count += got
    print(f"got {count} {digest.hexdigest()}", flush=True)


def echo(sock):
    room = memoryview(bytearray(1 << 16))
    while got := sock.recv_into(room):
        sock.sendall(room[:got])


def meet(sock, size, seed):
    def sender():
        send(sock, size, seed)
        sock.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=sender, daemon=True)
    thread.start()
    receive(sock)
    thread.join()


def wait_reset(sock):
    try:
        while sock.recv(1 << 16):
            pass
    except ConnectionResetError:
        print("reset", flush=True)
        return
    raise SystemExit("the connection ended without a reset")


def act(sock, action):
    name, *words = action.split(":")
    if name == "send":
        send(sock, int(words[0]), words[1])
    elif name == "recv":
        receive(sock, int(words[0]) if words else None)
    elif name == "echo":
        echo(sock)
    elif name == "meet":
        meet(sock, int(words[0]), words[1])
    elif name == "shut":
        sock.shutdown(socket.SHUT_WR)
    elif name == "close":
        sock.close()
    elif name == "abort":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
    elif name == "reset":
        wait_reset(sock)
    elif name == "wait":
        time.sleep(float(words[0]))
    elif name == "option":
        sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, words[0]), int(words[1]))
    else:
        raise SystemExit(f"unknown action {action}")


def main():
    role, address, port, rounds, *actions = sys.argv[1:]
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = None
    if role == "listen":
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, int(port)))
        listener.listen(128)
        print("listening", flush=True)
    for _ in range(int(rounds)):
        if listener:
            sock = listener.accept()[0]
        else:
            sock = socket.socket(family, socket.SOCK_STREAM)
            sock.settimeout(30)
            sock.connect((address, int(port)))
            sock.settimeout(None)
        for action in actions:
            act(sock, action)
        sock.close()
    print("done", flush=True)


if __name__ == "__main__":
    main()
