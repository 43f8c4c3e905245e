#!/usr/bin/env python3
"""Writes the hand-made part of fuzz/corpus: of frames the classic attacks, in the format of
frames.c; of wire single headers and options.

Each seed is a list of acts.  Seeds that the fuzzer found lie beside them, named by their hash.
"""
import os
import struct

FRAME, SEGMENT, TIME, SOCK, MESSAGE, ERROR, FRAGMENT, NO_MEMORY = range(8)
FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
V6, BROADCAST, VLAN = 2, 4, 8  # how of a message
SECOND = 1  # its interface
PEER, STACK, LINK_LOCAL, NOBODY, ALL, GROUP, OWN_LL, STRANGER = range(8)
RECV, SEND, VIEW, RESERVE, SHUTDOWN, CLOSE, ABORT, ACCEPT, INFO, SET, GET, NEW, BIND, CONNECT, \
    LISTEN, JOIN, LEAVE, SEND_TO, ANSWER, ASK = range(20)
SYN_SENT, SYN_SENT6, SYN_RCVD, SYN_RCVD6, OPEN, OPEN6, FIN_WAIT, BUSY6 = range(8)  # flows
SOCK_OF = {SYN_SENT: 6, SYN_SENT6: 7, OPEN: 8, OPEN6: 9, FIN_WAIT: 10, BUSY6: 11}
NEXT = 255  # time: to the next deadline


def u16(v):
    return struct.pack('>H', v & 0xffff)


def u32(v):
    return struct.pack('>I', v & 0xffffffff)


def far(v):
    return bytes([224]) + u32(v)


def near(n):
    """A distance: zero, a few bytes, a few segments, or anything."""
    if n == 0:
        return b'\0'
    if -32 <= n < 32:
        return bytes([160 + n])
    if n % 1448 == 0 and -16 <= n // 1448 < 16:
        return bytes([208 + n // 1448])
    return far(n)


def segment(flow, flags, seq=0, ack=0, window=512, urgent=0, option=b'', size=0, data=b''):
    out = bytes([SEGMENT, flow, flags]) + near(seq) + near(ack) + u16(window)
    if flags & URG:
        out += u16(urgent)
    out += bytes([len(option)]) + option
    if data:
        return out + bytes([len(data) % 16]) + data[:15]
    if size:
        return out + bytes([127 + min(64, max(1, size // 22))])
    return out + b'\0'


def ts(value, echo=0):
    return b'\x01\x01\x08\x0a' + u32(value) + u32(echo)


def sack(*blocks):
    return b'\x01\x01\x05' + bytes([2 + 8 * len(blocks)]) + b''.join(
        u32(a) + u32(b) for a, b in blocks)


def wait(b):
    return bytes([TIME, b])


def call(sock, what, args=b''):
    return bytes([SOCK, sock, what]) + args


def message(how, src, dst, proto, payload, hop=255):
    return bytes([MESSAGE, how, src | dst << 4, proto, hop]) + u16(len(payload)) + payload


def fragment(how, src, dst, proto, ident, offset, more, eights=0, data=b''):
    if data:
        assert len(data) % 8 == 0 or not more
        eights = (len(data) + 7) // 8
    kind = eights << 1 | more
    return bytes([FRAGMENT, how, src | dst << 4, proto, ident]) + u16(offset) + bytes([kind]) + \
        (data if eights * 8 < 512 else b'')


def error(flow, kind, code, rest=0, how=0, seq=0):
    return bytes([ERROR, flow, kind, code]) + u16(rest) + bytes([how]) + near(seq)


def frame(data, repair=True, iface=0):
    return bytes([FRAME, iface | (2 if repair else 0)]) + u16(len(data)) + data


def icmp(kind, code=0, rest=b'\0\0\0\0', more=b''):
    return bytes([kind, code, 0, 0]) + rest + more


TARGET = bytes([0xfd] + [0] * 14 + [1])
OTHER = bytes([0xfd] + [0] * 14 + [0x63])
SLLA = b'\x01\x01\x02\0\0\0\0\x02'
TLLA = b'\x02\x01\x02\0\0\0\0\x02'
ROUTER = b'\x40\x00\x07\x08' + b'\0' * 8


def prefix(first, bits=64, flags=0xc0, valid=7200, preferred=3600):
    return bytes([3, 4, bits, flags]) + u32(valid) + u32(preferred) + b'\0' * 4 + \
        u16(first) + b'\0' * 14


# example.org, and one more
SEARCH = bytes([31, 4, 0, 0]) + u32(600) + b'\x07example\x03org\0\x03lab\0' + b'\0' * 6
MAC = bytes([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2])


def ipv4(proto, payload, src=b'\x0a\0\0\x02', dst=b'\x0a\0\0\x01', options=b'', flags=0, ident=0):
    head = 20 + len(options)
    return MAC + b'\x08\0' + bytes([0x40 | head // 4, 0]) + u16(head + len(payload)) + \
        u16(ident) + u16(flags) + bytes([64, proto, 0, 0]) + src + dst + options + payload


def ipv6(chain, payload, first):
    return MAC + b'\x86\xdd\x60\0\0\0' + u16(len(chain + payload)) + bytes([first, 64]) + \
        bytes([0xfd] + [0] * 14 + [2]) + TARGET + chain + payload


UDP = b'\x0f\xa0\x00\x35\x00\x10\0\0ABCDEFGH'
TCP_SYN = b'\x0f\xa0\x00\x50' + u32(1000) + u32(0) + b'\x50\x02\x20\0\0\0\0\0'
PAD = b'\x3c\0\x01\x04\0\0\0\0'

seeds = {
    # IPv4 fragments
    'teardrop': fragment(0, PEER, STACK, 17, 1, 0, 1, data=bytes(40)) +
                fragment(0, PEER, STACK, 17, 1, 24, 0, data=bytes(8)) + wait(NEXT),
    'ping-of-death': b''.join(fragment(0, PEER, STACK, 1, 2, o, 1, eights=100) for o in
                              range(0, 65000, 1472)) +
                     fragment(0, PEER, STACK, 1, 2, 65528, 0, data=bytes(100)) + wait(NEXT),
    'fragments-reversed': fragment(0, PEER, STACK, 17, 3, 16, 0, data=bytes(8)) +
                          fragment(0, PEER, STACK, 17, 3, 8, 1, data=bytes(8)) +
                          fragment(0, PEER, STACK, 17, 3, 0, 1, data=UDP[:8]),
    'fragments-ends-differ': fragment(0, PEER, STACK, 17, 4, 16, 0, data=bytes(8)) +
                             fragment(0, PEER, STACK, 17, 4, 8, 0, data=bytes(8)) +
                             fragment(0, PEER, STACK, 17, 4, 24, 1, data=bytes(8)),
    'fragments-timeout': fragment(0, PEER, STACK, 17, 5, 0, 1, data=UDP) + wait(6 * 0 + 14) * 3,
    'fragment-flood': b''.join(fragment(0, PEER, STACK, 17, i, 8, 1, eights=64)
                               for i in range(100)),
    # IPv6 fragments and extension headers
    'v6-overlap': fragment(V6, PEER, STACK, 17, 1, 0, 1, data=bytes(40)) +
                  fragment(V6, PEER, STACK, 17, 1, 32, 0, data=bytes(8)) +
                  fragment(V6, PEER, STACK, 17, 1, 40, 0, data=bytes(8)) + wait(NEXT),
    'v6-atomic': frame(ipv6(b'\x11\0\0\0\0\0\0\x01', UDP, 44)),
    'v6-not-eights': frame(ipv6(b'\x11\0\0\x01\0\0\0\x01', UDP + b'x', 44)),
    'v6-too-long': frame(ipv6(b'\x11\0\xff\xf8\0\0\0\x01', UDP, 44)),
    'v6-reassembled-chain': fragment(V6, PEER, STACK, 60, 9, 0, 1, data=b'\x2c\0\x01\x04\0\0\0\0') +
                            fragment(V6, PEER, STACK, 60, 9, 8, 0,
                                     data=b'\x11\0\0\0\0\0\0\x01' + UDP),
    'v6-chain': frame(ipv6(PAD * 12, UDP, 60)),
    'v6-chain-good': frame(ipv6(b'\x3c\0\x05\x02\0\0\x01\0' + b'\x2b\0\x01\x04\0\0\0\0' +
                                b'\x11\0\0\0\0\0\0\0', UDP, 0)),
    'v6-options': frame(ipv6(b'\x11\0\xbe\x04\0\0\0\0', UDP, 60)) +
                  frame(ipv6(b'\x11\0\xfe\x04\0\0\0\0', UDP, 60)) +
                  frame(ipv6(b'\x11\xff\x01\x04\0\0\0\0', UDP, 60)),
    'v6-routing-0': frame(ipv6(b'\x11\x02\0\x01\0\0\0\0' + OTHER, UDP, 43)),
    'v6-jumbo': frame(ipv6(b'\x11\0\xc2\x04\0\x01\0\0', UDP, 0)),
    # IPv4 oddities
    'land': frame(ipv4(6, TCP_SYN[:1] + b'\x50' + TCP_SYN[2:], src=b'\x0a\0\0\x01')),
    'options': frame(ipv4(17, UDP, options=b'\x83\x07\x04\x0a\0\0\x02\0')) +
               frame(ipv4(17, UDP, options=b'\x44\x04\x05\0')) +
               frame(ipv4(17, UDP, options=b'\x07\0\0\0')) +
               frame(ipv4(17, UDP, options=b'\x94\x04\0\0')),
    'smurf': message(BROADCAST, PEER, ALL, 1, icmp(8, more=b'x' * 16), 64),
    'echo': message(0, PEER, STACK, 1, icmp(8, more=b'x' * 16), 64) +
            message(V6, PEER, STACK, 58, icmp(128, more=b'x' * 16), 64) +
            message(V6, PEER, ALL, 58, icmp(128, more=b'x' * 16), 64),
    'udp': message(0, PEER, STACK, 17, UDP, 64) + message(V6, PEER, GROUP, 17, UDP, 64) +
           call(2, RECV, u16(100) + b'\0') +
           message(0, PEER, STACK, 17, UDP[:2] + b'\0\x09' + UDP[4:]),
    'vlan': message(VLAN, PEER, STACK, 17, UDP) + message(VLAN | V6, PEER, ALL, 58, icmp(128)),
    # ARP and ND
    'arp': frame(MAC + b'\x08\x06\0\x01\x08\0\x06\x04\0\x01' + MAC[6:] +
                 b'\x0a\0\0\x02' + bytes(6) +
                 b'\x0a\0\0\x01') +
           frame(MAC + b'\x08\x06\0\x01\x08\0\x06\x04\0\x02' + MAC[6:] + b'\x0a\0\0\x01' + MAC[:6] +
                 b'\x0a\0\0\x01'),
    'ns': message(V6, PEER, STACK, 58, icmp(135, more=TARGET + SLLA)) +
          message(V6, NOBODY, ALL, 58, icmp(135, more=TARGET)) +
          message(V6, PEER, STACK, 58, icmp(135, more=TARGET + b'\x01\0\x02\0\0\0\0\x02')) +
          message(V6, PEER, STACK, 58, icmp(135, more=TARGET + SLLA * 40)),
    'na': message(V6, PEER, STACK, 58, icmp(136, rest=b'\xe0\0\0\0', more=OTHER + TLLA)) +
          message(V6, PEER, ALL, 58, icmp(136, rest=b'\x20\0\0\0', more=TARGET + TLLA)),
    'dad-collision': message(SECOND | V6, NOBODY, ALL, 58,
                             icmp(135, more=b'\xfe\x80' + bytes(6) + b'\0\0\0\xff\xfe\0\x01\x01')) +
                     wait(5) + wait(5),
    'slaac': wait(5) * 4 +
             message(SECOND | V6, LINK_LOCAL, ALL, 58, icmp(134, rest=ROUTER[:4], more=ROUTER[4:] +
                     SLLA + prefix(0xfd99) + b'\x05\x01\0\0' + u32(1280) +
                     b'\x19\x03\0\0' + u32(600) + OTHER)) + wait(5) * 4 +
             message(SECOND | V6, LINK_LOCAL, ALL, 58, icmp(134, rest=b'\0\0\0\0', more=ROUTER[4:] +
                     prefix(0xfd99, valid=0, preferred=0))) + wait(7 + 8 * 2),
    'ra-flood': wait(5) * 3 + b''.join(
        message(SECOND | V6, LINK_LOCAL, ALL, 58, icmp(134, rest=ROUTER[:4], more=ROUTER[4:] +
                prefix(0xfd00 + 3 * i) + prefix(0xfd01 + 3 * i))) for i in range(1, 24)) + wait(7),
    'ra-bad': wait(5) + message(SECOND | V6, LINK_LOCAL, ALL, 58, icmp(134, rest=ROUTER[:4],
              more=ROUTER[4:] + prefix(0xff02, bits=200))) +
              message(SECOND | V6, LINK_LOCAL, ALL, 58, icmp(134, rest=ROUTER[:4],
              more=ROUTER[4:] + b'\x03\0' + bytes(30))),
    # groups
    'igmp': message(0, PEER, ALL, 2, b'\x11\x64\0\0\0\0\0\0', 1) +
            message(0, PEER, GROUP, 2, b'\x11\x0a\0\0\xe0\0\x01\x23\x02\x7d\0\x01\x0a\0\0\x05', 1) +
            message(0, PEER, GROUP, 2, b'\x16\0\0\0\xe0\0\x01\x23', 1) + wait(5) * 4,
    'mld': message(V6, LINK_LOCAL, ALL, 58, icmp(130, rest=u32(1000 << 16), more=bytes(16)), 1) +
           message(V6, LINK_LOCAL, ALL, 58, icmp(130, rest=u32(1 << 16), more=bytes(16) +
                   b'\x02\x7d\0\xff'), 1) + wait(5) * 4,
    # ICMP errors
    'too-big': error(OPEN, 3, 4, 100) + error(BUSY6, 2, 0, 1280, seq=-1448) +
               error(BUSY6, 2, 0, 0, seq=-5000) + error(BUSY6, 2, 0, 1400, seq=100000) + wait(NEXT),
    'unreachable': error(SYN_SENT, 3, 3) + error(SYN_SENT6, 1, 4, seq=-1) +
                   error(OPEN, 3, 1) + error(BUSY6, 1, 0, how=2) + error(FIN_WAIT, 3, 2, how=1),
    # TCP segments
    'rst': segment(OPEN, RST, seq=1) + segment(OPEN, RST, seq=100000000) +
           segment(OPEN6, RST | ACK, seq=5) + segment(OPEN6, RST) + segment(SYN_SENT, RST | ACK) +
           segment(SYN_RCVD, RST),
    'syn-in-window': segment(OPEN, SYN, seq=10) + segment(OPEN, SYN | ACK) +
                     segment(OPEN, SYN, seq=-1) + segment(FIN_WAIT, SYN, seq=1),
    'simultaneous-open': segment(SYN_SENT, SYN) + segment(SYN_SENT, SYN | ACK) + wait(NEXT),
    'split-handshake': segment(SYN_SENT, ACK) + segment(SYN_SENT, SYN) + segment(SYN_SENT, ACK),
    'options-bad': segment(OPEN, ACK, option=b'\x02\0') + segment(OPEN, ACK, option=b'\x08\x0a\0') +
                   segment(OPEN, ACK, option=b'\x05\x03\0') +
                   segment(OPEN, ACK, option=b'\x05\xff') +
                   segment(SYN_SENT, SYN | ACK, option=b'\x03\x03\xff\x02\x04\0\0\x04\x02') +
                   segment(SYN_SENT6, SYN | ACK,
                           option=b'\x02\x04\xff\xff\x03\x03\x0e' + ts(1)[2:]),
    'syn-mss-0': segment(SYN_SENT, SYN | ACK, option=b'\x02\x04\0\0') +
                 call(SOCK_OF[SYN_SENT], SEND, u16(5000) + b'\0') +
                 segment(SYN_SENT, ACK) + wait(NEXT),
    'sack': segment(BUSY6, ACK, ack=-5000, option=ts(3) + sack((0, 100))) +
            segment(BUSY6, ACK, ack=-1448, option=ts(3) + sack((0xffffffff, 1), (5, 5))) +
            segment(BUSY6, ACK, option=ts(4) + sack((100, 1))) + wait(NEXT) * 3,
    'dup-acks': segment(BUSY6, ACK, ack=-5000, option=ts(3)) * 5 + wait(NEXT) +
                segment(BUSY6, ACK, option=ts(9)),
    'ack-division': b''.join(segment(BUSY6, ACK, ack=-4900 + 31 * i, option=ts(3 + i))
                             for i in range(20)),
    'optimistic-ack': segment(BUSY6, ACK, ack=1448) + segment(BUSY6, ACK, ack=1 << 30) +
                      segment(BUSY6, ACK, ack=-(1 << 30)),
    'urgent': segment(OPEN, ACK | URG, urgent=0, data=b'abc', option=ts(3)) +
              segment(OPEN, ACK | URG, urgent=65535, data=b'abc', option=ts(3)) +
              segment(OPEN, ACK | URG, urgent=1, data=b'abc', option=ts(3)) +
              call(SOCK_OF[OPEN], RECV, u16(10) + b'\x02') +
              call(SOCK_OF[OPEN], RECV, u16(10) + b'\0'),
    'paws': segment(OPEN, ACK, data=b'abc', option=ts(0)) +
            segment(OPEN, ACK, data=b'abc', option=ts(0x80000000)) +
            segment(OPEN, ACK, data=b'abc', option=ts(5)) + wait(7 + 8 * 24) * 2 +
            segment(OPEN, ACK, data=b'abc', option=ts(1)),
    'out-of-order': b''.join(segment(OPEN, ACK, seq=2 * i, data=b'x', option=ts(3))
                             for i in range(15, 0, -1)) +
                    segment(OPEN, ACK, data=b'0123456789', option=ts(3)) +
                    segment(OPEN, ACK | FIN, seq=20, option=ts(3)) +
                    segment(OPEN, ACK, size=1400, option=ts(3)) + call(8, RECV, u16(65535) + b'\0'),
    'overlaps': segment(OPEN, ACK, seq=1448, size=1400, option=ts(3)) +
                segment(OPEN, ACK, seq=2896, size=1400, option=ts(3)) +
                segment(OPEN, ACK, seq=1500, size=1400, option=ts(3)) +
                segment(OPEN, ACK, size=1400, option=ts(3)) +
                segment(OPEN, ACK, seq=-100, size=1400, option=ts(3)),
    'fin-behind-hole': segment(OPEN, ACK | FIN, seq=5, option=ts(3)) +
                       segment(OPEN, ACK | FIN, seq=9, option=ts(3)) +
                       segment(OPEN, ACK, data=b'12345', option=ts(3)) + wait(NEXT),
    'closing': segment(FIN_WAIT, ACK | FIN, ack=-1, option=ts(3)) +
               segment(FIN_WAIT, ACK, option=ts(4)) + wait(NEXT) +
               segment(FIN_WAIT, SYN, seq=100000, option=ts(9)) + wait(6 + 8 * 2) * 2,
    'time-wait': segment(FIN_WAIT, ACK | FIN, option=ts(3)) + wait(NEXT) +
                 segment(FIN_WAIT, RST) + segment(FIN_WAIT, ACK | FIN, seq=-1) +
                 segment(FIN_WAIT, SYN, seq=-100000) + segment(FIN_WAIT, SYN, seq=1000),
    'data-after-close': call(SOCK_OF[OPEN], CLOSE) + segment(OPEN, ACK, data=b'abc', option=ts(3)) +
                        segment(OPEN, ACK, option=ts(4)),
    'zero-window': segment(BUSY6, ACK, window=0, option=ts(3)) +
                   call(SOCK_OF[BUSY6], SEND, u16(9000) + b'\0') + wait(NEXT) * 6 +
                   segment(BUSY6, ACK, window=1, option=ts(4)) + wait(NEXT) * 3,
    'half-open': segment(SYN_RCVD, ACK, ack=5) + segment(SYN_RCVD, SYN, seq=-1) +
                 segment(SYN_RCVD, ACK | FIN, option=ts(3)) + call(0, ACCEPT) + wait(NEXT) * 4,
    'listener-closed': call(0, CLOSE) + segment(SYN_RCVD, ACK, option=ts(3)) + wait(NEXT),
    'syn-flood': b''.join(frame(ipv4(6, u16(1000 + i) + TCP_SYN[2:])) for i in range(40)) +
                 frame(ipv4(6,
                            b'\x0f\xa0\x00\x50' + u32(1001) + u32(77) + b'\x50\x10\x20\0\0\0\0\0')),
    # errors about datagrams and echoes, into their queues
    'errors-queued': b''.join(error(OPEN + n % 2, kind, code, 1300, how)
                              for n in range(4) for how in (4, 6, 8)
                              for kind, code in ((11, 0), (3, 3), (3, 4), (1, 4), (2, 0), (3, 0))) +
                     b''.join(call(sock, RECV, u16(100) + bytes([flags]))
                              for sock in (2, 3, 4, 5) for flags in (64, 72, 64, 0)) +
                     call(2, SET, b'\x37' + u16(0)),
    'marks': call(SOCK_OF[OPEN], SEND, u16(60000) + b'\0') +
             b''.join(segment(OPEN, ACK, option=b'\xac\x0b\0\0\1\0\0' + bytes([n]) +
                              b'\0\0\1\1')[:-1] + bytes([192 | 5 << 2 | 3])
                      for n in range(8)) + wait(NEXT) * 3,
    'days-of-temporary': b''.join(
        message(V6 | SECOND, LINK_LOCAL, ALL, 58, icmp(134, 0, b'\x40\0\x07\x08', b'\0' * 8 +
                prefix(0x2001, valid=864000, preferred=864000) + SEARCH)) + wait(5) * 2 +
        wait(7 + 8 * 11) for _ in range(8)) + call(2, ASK, b'\x40\0\0\0\x47\0\7\0'),
    # sockets
    'calls': call(0, NEW, b'\0') + call(12, CONNECT, b'\0\x01') + call(0, NEW, b'\x01') +
             call(13, BIND, b'\x01\x02') + call(13, SEND_TO, b'\0\x02\x10x\x20') +
             call(13, JOIN, b'\x15\0') + call(13, LEAVE, b'\x15\0') + wait(5) +
             call(0, NEW, b'\x04') + call(14, LISTEN, b'\x05') + call(14, SET, b'\x1c' + u16(1)),
    'no-memory': bytes([NO_MEMORY, 7]) + call(SOCK_OF[OPEN], SEND, u16(60000) + b'\0') +
                 bytes([NO_MEMORY, 7]) + segment(OPEN, ACK, seq=1448, size=1400, option=ts(3)) +
                 bytes([NO_MEMORY, 7]) + wait(NEXT),
}




def tcp_header(option):
    option += b'\0' * (-len(option) % 4)
    return b'\x9c\x40\0\x50' + u32(1) + u32(2) + bytes([(5 + len(option) // 4) << 4, ACK]) + \
        u16(512) + b'\0' * 4 + option


wire_seeds = {
    'dnssl': SEARCH + b'\x19\x03\0\0' + u32(600) + OTHER,
    'dnssl-cut': b'\x1f\x02\0\0' + u32(600) + b'\x3fexample',
    'accecn-0': tcp_header(b'\xac\x0b' + b'\0\0\1' * 3 + b'\1'),
    'accecn-1': tcp_header(b'\xae\x08' + b'\0\0\1' * 2),
    'accecn-cut': tcp_header(b'\xac\x07\0\0\1\0'),
    'user-timeout': tcp_header(b'\x1c\x04\x80\x05'),
    'fast-open': tcp_header(b'\x22\x0a' + b'cookiecc' + b'\1\1'),
}


def main():
    for kind, of_it in (('frames', seeds), ('wire', wire_seeds)):
        folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'corpus', kind)
        os.makedirs(folder, exist_ok=True)
        for name, data in of_it.items():
            with open(os.path.join(folder, name), 'wb') as out:
                out.write(data)


if __name__ == '__main__':
    main()
