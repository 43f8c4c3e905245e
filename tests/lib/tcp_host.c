/* The surroundings of a connection under test. */
#include "lib/tcp_host.h"

#include <stdlib.h>
#include <string.h>

static void *host_alloc(void *user, size_t size)
{
    struct tcp_host *h = user;
    h->allocations++;
    if (h->allocations == h->fail_at || (h->fail_every != 0 && h->allocations % h->fail_every == 0))
        return NULL;
    return malloc(size);
}

static void host_free(void *user, void *ptr, size_t size)
{
    (void)user;
    (void)size;
    free(ptr);
}

void tcp_host_init(struct tcp_host *h)
{
    memset(h, 0, sizeof(*h));
    naru_config_init(&h->config);
    h->config.tcp_rcvbuf_max = 15u << 20; /* window scale 8, as in the traces */
}

void tcp_host_start(struct tcp_host *h, uint64_t seed)
{
    naru_mem_init(&h->mem, host_alloc, host_free, h, h->config.memory_max);
    naru_pktpool_init(&h->pktpool, &h->mem, 1u << 20);
    naru_blockpool_init(&h->blockpool, &h->mem, 1u << 20);
    naru_rand_init_u64(&h->rand, seed);
    naru_tcp_env_init(&h->env, &h->config, &h->mem, &h->pktpool, &h->blockpool, &h->rand);
}

void tcp_host_stop(struct tcp_host *h)
{
    NARU_ASSERT(h->env.ooo_bytes == 0);
    NARU_ASSERT(h->pktpool.outstanding == 0);
    NARU_ASSERT(h->blockpool.outstanding == 0);
    naru_tcp_env_deinit(&h->env);
    naru_pktpool_deinit(&h->pktpool);
    naru_blockpool_deinit(&h->blockpool);
    NARU_ASSERT(h->mem.used == 0);
}

void tcp_wire_from(struct tcp_wire *w, const struct naru_tcp_segment *s)
{
    struct naru_tcp_hdr hdr = s->hdr;
    hdr.sport = 1;
    hdr.dport = 2;
    w->header_len = naru_tcp_emit(w->header, &hdr);
    w->payload_len = s->len;
    w->payload = s->len > 0 ? malloc(s->len) : NULL;
    w->gso_size = s->gso_size;
    size_t at = 0;
    for (unsigned i = 0; i < s->slice_count; i++) {
        NARU_ASSERT(at + s->slice[i].len <= s->len);
        memcpy(w->payload + at, s->slice[i].at, s->slice[i].len);
        at += s->slice[i].len;
    }
    NARU_ASSERT(at == s->len);
}

void tcp_wire_free(struct tcp_wire *w)
{
    free(w->payload);
    w->payload = NULL;
}

struct naru_tcp_verdict tcp_wire_input(struct tcp_host *h, struct naru_tcp *c,
                                       const struct tcp_wire *w, naru_time now)
{
    struct naru_span in = { .at = w->header, .len = w->header_len };
    struct naru_tcp_hdr hdr;
    enum naru_drop drop = naru_tcp_parse(&in, &hdr);
    NARU_ASSERT(drop == NARU_DROP_NONE && in.len == 0);
    struct naru_pkt *pkt = NULL;
    if (w->payload_len > 0) {
        size_t room =
            w->payload_len + 64 > NARU_PKT_ROOM_FRAME ? w->payload_len : NARU_PKT_ROOM_FRAME - 64;
        pkt = naru_pktpool_get(&h->pktpool, 64, room);
        if (pkt == NULL)
            return (struct naru_tcp_verdict){ .drop = NARU_DROP_NO_MEMORY };
        memcpy(pkt->data, w->payload, w->payload_len);
        pkt->len = (uint32_t)w->payload_len;
        pkt->offload.gso_size = w->gso_size;
    }
    hdr.ecn = w->ecn;
    return naru_tcp_input(c, &hdr, pkt, now);
}
