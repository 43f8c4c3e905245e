/*
 * What TCP_INFO tells, in Linux's struct and Linux's units: microseconds, milliseconds since,
 * segments.
 */
#ifndef NARU_HOST_TCPINFO_H
#define NARU_HOST_TCPINFO_H

#include <naru/sock.h>

struct tcp_info; /* <linux/tcp.h> */

/* A state in Linux's numbers. */
uint8_t naru_tcpinfo_state(enum naru_tcp_state state);

/* All of it; what naru does not count is 0. */
void naru_tcpinfo_linux(const struct naru_tcp_info *from, naru_time now, struct tcp_info *to);

#endif
