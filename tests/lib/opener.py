#!/usr/bin/python3
"""A few connections, one after the other, and what the system says of each: for tests of how they
open and what marks they see.

    opener.py listen ADDRESS PORT COUNT BYTES
    opener.py dial ADDRESS PORT COUNT BYTES [fast|connect]

The client sends BYTES, the server as many back, and each prints a line per connection: the number
of bytes that came, and of TCP_INFO the options, by name, and whether segments were delivered with
CE.
fast: sendto with MSG_FASTOPEN; connect: TCP_FASTOPEN_CONNECT.
"""

import socket
import struct
import sys

FASTOPEN, FASTOPEN_CONNECT, MSG_FASTOPEN = 23, 30, 0x20000000
OPTIONS_AT, DELIVERED_CE_AT = 5, 196
NAMES = ((8, "ecn"), (16, "ecn-seen"), (32, "syn-data"))


def told(sock):
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 232)
    words = [name for bit, name in NAMES if info[OPTIONS_AT] & bit]
    if struct.unpack_from("=I", info, DELIVERED_CE_AT)[0] > 0:
        words.append("ce")
    return " ".join(words)


def read(sock, count):
    got = 0
    while got < count and (block := sock.recv(65536)):
        got += len(block)
    return got


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def listen(address, port, count, size):
    ear = socket.socket(family_of(address), socket.SOCK_STREAM)
    ear.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    ear.setsockopt(socket.IPPROTO_TCP, FASTOPEN, 5)
    ear.bind((address, port))
    ear.listen()
    print("listening", flush=True)
    for _ in range(count):
        sock, _ = ear.accept()
        got = read(sock, size)
        sock.sendall(bytes(size))
        read(sock, 1)  # the client has all of it
        print("got", got, told(sock), flush=True)
        sock.close()


def dial(address, port, count, size, how):
    for _ in range(count):
        sock = socket.socket(family_of(address), socket.SOCK_STREAM)
        data = bytes(size)
        if how == "fast":
            data = data[sock.sendto(data, MSG_FASTOPEN, (address, port)):]
        else:
            if how == "connect":
                sock.setsockopt(socket.IPPROTO_TCP, FASTOPEN_CONNECT, 1)
            sock.connect((address, port))
        sock.sendall(data)
        got = read(sock, size)
        print("got", got, told(sock), flush=True)
        sock.sendall(b".")
        read(sock, 1)
        sock.close()


if __name__ == "__main__":
    what, at, where, connections, length = sys.argv[1:6]
    if what == "listen":
        listen(at, int(where), int(connections), int(length))
    else:
        dial(at, int(where), int(connections), int(length), (sys.argv[6:] or [""])[0])
