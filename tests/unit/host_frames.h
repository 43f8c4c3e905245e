/* Frames made by hand, for the tests of what reads traces. */
#ifndef NARU_TESTS_HOST_FRAMES_H
#define NARU_TESTS_HOST_FRAMES_H

#include "base/csum.h"

#include <string.h>

struct host_segment {
    struct naru_endpoint from, to;
    uint8_t flags;
    uint32_t seq, ack;
    size_t data;
    bool csum_partial;
};

/* Ethernet, IPv4, TCP without options, data of 'n'; its length. */
static inline size_t host_frame_make(const struct host_segment *s, uint8_t *at)
{
    uint8_t *ip = at + 14, *tcp = ip + 20;
    size_t len = 20 + s->data;

    memset(at, 0, 54);
    naru_put16(at + 12, 0x0800);
    ip[0] = 0x45;
    naru_put16(ip + 2, (unsigned)(20 + len));
    ip[8] = 64;
    ip[9] = 6;
    memcpy(ip + 12, s->from.addr.b + 12, 4);
    memcpy(ip + 16, s->to.addr.b + 12, 4);
    naru_put16(ip + 10, naru_csum_finish(naru_csum_add(0, ip, 20)));
    naru_put16(tcp, s->from.port);
    naru_put16(tcp + 2, s->to.port);
    naru_put32(tcp + 4, s->seq);
    naru_put32(tcp + 8, s->ack);
    tcp[12] = 5 << 4;
    tcp[13] = s->flags;
    naru_put16(tcp + 14, 65000);
    memset(tcp + 20, 'n', s->data);
    uint32_t sum = naru_csum_pseudo(&s->from.addr, &s->to.addr, 6, (uint32_t)len);
    if (s->csum_partial)
        naru_put16(tcp + 16, naru_csum_fold(sum));
    else
        naru_put16(tcp + 16, naru_csum_finish(naru_csum_add(sum, tcp, len)));
    return 34 + len;
}

#endif
