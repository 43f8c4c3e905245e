/*
 * The values every part of naru speaks in: time, addresses, errors.
 *
 * Nothing here allocates, blocks or depends on the host.  All functions may be called at any time,
 * from any thread, on any stack.
 */
#ifndef NARU_TYPES_H
#define NARU_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Nanoseconds on the caller's monotonic clock; any origin.  The engine never reads a clock: time is
 * handed in with every call that needs it.  A time earlier than one seen before counts as "no time
 * has passed".  Intervals are the same type.
 */
typedef int64_t naru_time;

#define NARU_NEVER  INT64_MAX
#define NARU_US(n)  ((naru_time)(n)*1000)
#define NARU_MS(n)  ((naru_time)(n)*1000000)
#define NARU_SEC(n) ((naru_time)(n)*1000000000)

/*
 * One address of either family: an IPv6 address in network order, or an IPv4 address a.b.c.d as
 * ::ffff:a.b.c.d (RFC 4291 2.5.5.2).  On the wire each family has its own form; inside naru there
 * is one type, one comparison and one TCP.
 */
struct naru_addr {
    uint8_t b[16];
};

/* Text forms of an address never exceed this, the terminating NUL included. */
#define NARU_ADDR_TEXT_SIZE 46

/* "10.0.0.1", "fe80::1", "::ffff:10.0.0.1".  False, and *out untouched, if it is not an address. */
bool naru_addr_parse(const char *text, struct naru_addr *out);

/* "10.0.0.1/24", "fd00::1/64"; len counts bits of the text's own family (0..32 or 0..128). */
bool naru_addr_parse_prefix(const char *text, struct naru_addr *out, unsigned *len);

/*
 * Writes the text of a (dotted for IPv4, RFC 5952 for IPv6) and a NUL; cuts at size.  Returns the
 * length without the NUL that the whole text has.
 */
size_t naru_addr_format(const struct naru_addr *a, char *buf, size_t size);

/* a.b.c.d from its 32-bit value in host order: 0x7f000001 is 127.0.0.1. */
struct naru_addr naru_addr_v4(uint32_t host_order);

/*
 * A transport endpoint.  ifindex names an interface of the stack (from 1), and 0 any; it matters
 * for link-local and multicast addresses.  port is in host order, 0 where none is meant.
 */
struct naru_endpoint {
    struct naru_addr addr;
    uint16_t port;
    uint16_t ifindex;
};

enum naru_family {
    NARU_IPV4 = 4,
    NARU_IPV6 = 6,
};

/*
 * What the caller asked for cannot be done.  Zero is success, counts are positive, errors negative.
 * The host layer maps each to the errno of the same name.
 */
enum naru_err {
    NARU_OK = 0,
    NARU_ERR_AGAIN = -1,       /* nothing to read, no room to write, no connection to accept yet */
    NARU_ERR_INPROGRESS = -2,  /* connect has begun; readiness tells the end */
    NARU_ERR_ALREADY = -3,     /* an earlier connect is still under way */
    NARU_ERR_ISCONN = -4,      /* connected already */
    NARU_ERR_NOTCONN = -5,     /* not connected, or no listener */
    NARU_ERR_CONNREFUSED = -6, /* the peer answered with a reset, or port unreachable */
    NARU_ERR_CONNRESET = -7,   /* the peer reset an established connection */
    NARU_ERR_CONNABORTED = -8, /* ended here: aborted by this side or by memory pressure */
    NARU_ERR_TIMEDOUT = -9,    /* retransmission, keep-alive or user timeout */
    NARU_ERR_PIPE = -10,       /* sending after the sending side is closed */
    NARU_ERR_ADDRINUSE = -11,  /* that address and port belong to another socket */
    NARU_ERR_ADDRNOTAVAIL = -12, /* not an address of this stack, or no port is free */
    NARU_ERR_NETUNREACH = -13,   /* no route */
    NARU_ERR_HOSTUNREACH = -14,  /* neighbour does not answer, or ICMP said so */
    NARU_ERR_NETDOWN = -15,      /* the interface is down */
    NARU_ERR_MSGSIZE = -16,      /* datagram too long, or the path MTU says so */
    NARU_ERR_DESTADDRREQ = -17,  /* send without a destination on an unconnected socket */
    NARU_ERR_ACCES = -18,        /* broadcast without the option that allows it */
    NARU_ERR_AFNOSUPPORT = -19,  /* address of the other family */
    NARU_ERR_OPNOTSUPP = -20,    /* this kind of socket cannot do that */
    NARU_ERR_NOPROTOOPT = -21,   /* unknown option */
    NARU_ERR_INVAL = -22,        /* an argument out of its range */
    NARU_ERR_NOMEM = -23,        /* allocator or budget exhausted; retry later or give up */
    NARU_ERR_NOBUFS = -24,       /* a bounded queue or table is full */
    NARU_ERR_EXIST = -25,        /* already there */
    NARU_ERR_NOENT = -26,        /* not there */
    NARU_ERR_PROTO = -27,        /* ICMP: protocol or parameter problem */
};

/* "connection refused": a short English phrase; never NULL, also for values not in the list. */
const char *naru_err_text(int err);

#ifdef __cplusplus
}
#endif

#endif
