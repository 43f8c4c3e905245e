/*
 * Readiness as poll and epoll tell it.
 */
#ifndef NARU_PKT_READY_H
#define NARU_PKT_READY_H

#include <stdint.h>

/* enum naru_ready in the bits that both share. */
uint32_t naru_pkt_poll_bits(unsigned ready);

#endif
