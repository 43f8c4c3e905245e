/* Readiness as poll and epoll tell it; see ready.h. */
#include "pkt/ready.h"

#include <naru/sock.h>
#include <poll.h>

uint32_t naru_pkt_poll_bits(unsigned ready)
{
    uint32_t bits = 0;
    bits |= ready & NARU_READY_READ ? POLLIN | POLLRDNORM : 0U;
    bits |= ready & NARU_READY_WRITE ? POLLOUT | POLLWRNORM : 0U;
    bits |= ready & NARU_READY_URGENT ? (uint32_t)POLLPRI : 0U;
    bits |= ready & NARU_READY_READ_END ? (uint32_t)POLLRDHUP : 0U;
    bits |= ready & NARU_READY_HANGUP ? (uint32_t)POLLHUP : 0U;
    bits |= ready & NARU_READY_ERROR ? (uint32_t)POLLERR : 0U;
    return bits;
}
