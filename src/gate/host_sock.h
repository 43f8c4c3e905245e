/*
 * The host's sockets as the gateway uses them: always non-blocking, closed on exec.
 *
 * Functions that make a descriptor return it, or a negative errno.
 */
#ifndef NARU_GATE_HOST_SOCK_H
#define NARU_GATE_HOST_SOCK_H

#include <naru/sock.h>
#include <naru/types.h>

/*
 * TCP, not connected yet.  Until naru_host_sock_end its close is a reset, also when this process is
 * killed: the host's peer must not take half a stream for a whole one.
 */
int naru_host_sock_stream(enum naru_family family);
/*
 * Of that family: begins.  It is writable when that has ended, and where epoll told of an error or
 * a hang-up naru_host_sock_error says how.  0, or a negative errno.
 */
int naru_host_sock_connect(int fd, const struct naru_endpoint *to);

/* UDP and ICMP echo, open for every destination of the family. */
int naru_host_sock_dgram(enum naru_family family);
int naru_host_sock_ping(enum naru_family family);

/* UDP with one peer: the kernel lets no other in, and tells its ICMP errors. */
int naru_host_sock_dgram_to(const struct naru_endpoint *to);

/*
 * An error about a datagram that was sent before, from the network (ICMP) or from the host itself:
 * where it was sent to, how long it was as far as is known, and the errno.
 */
struct naru_host_sock_report {
    struct naru_endpoint to;
    size_t len;
    int error;
};

/* The next one of a socket open for every destination; false: there are no more. */
bool naru_host_sock_next_report(int fd, struct naru_host_sock_report *report);

/* SO_ERROR: an errno, 0 if all is well. */
int naru_host_sock_error(int fd);

/* FIN after what was written. */
int naru_host_sock_end(int fd);
/* The same by close, which is to follow at once. */
void naru_host_sock_end_by_close(int fd);

/* RST at once. */
void naru_host_sock_reset(int fd);

/* How a guest's SYN is answered when connecting on the host ended with that errno. */
enum naru_answer naru_host_sock_answer(int error);

/* The host ran out of something that may come back: descriptors, memory, local ports. */
bool naru_host_sock_is_shortage(int error);

#endif
