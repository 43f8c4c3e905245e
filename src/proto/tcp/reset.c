/* The RST for a segment that belongs to nobody (RFC 9293 3.5.2, 3.10.7.1). */
#include "proto/tcp/internal.h"

uint32_t naru_tcp_seg_len(const struct naru_tcp_hdr *h, size_t payload_len)
{
    return (uint32_t)payload_len + (h->flags & NARU_TCP_SYN ? 1 : 0) +
           (h->flags & NARU_TCP_FIN ? 1 : 0);
}

bool naru_tcp_reset_reply(const struct naru_tcp_hdr *h, uint32_t seg_len, struct naru_tcp_hdr *out)
{
    if (h->flags & NARU_TCP_RST)
        return false;
    *out = (struct naru_tcp_hdr){ .sport = h->dport, .dport = h->sport };
    if (h->flags & NARU_TCP_ACK) {
        out->seq = h->ack;
        out->flags = NARU_TCP_RST;
    } else {
        out->ack = naru_seq_add(h->seq, seg_len);
        out->flags = NARU_TCP_RST | NARU_TCP_ACK;
    }
    return true;
}
