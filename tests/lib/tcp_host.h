/*
 * What a connection needs around it, without a stack: memory with a limit and an allocation that
 * fails on demand, pools, the environment.  And one way for two connections to exchange segments:
 * through the bytes of the wire format.
 */
#ifndef NARU_TESTS_TCP_HOST_H
#define NARU_TESTS_TCP_HOST_H

#include "base/block.h"
#include "base/mem.h"
#include "base/pktpool.h"
#include "base/rand.h"
#include "proto/tcp/tcp.h"

struct tcp_host {
    struct naru_config config;
    struct naru_mem mem;
    struct naru_pktpool pktpool;
    struct naru_blockpool blockpool;
    struct naru_rand rand;
    struct naru_tcp_env env;
    uint64_t allocations;
    uint64_t fail_at;    /* the number of the allocation that fails; 0: none */
    uint64_t fail_every; /* each so many fail; 0: none */
};

/* Linux-like defaults; change config before tcp_host_start. */
void tcp_host_init(struct tcp_host *h);
void tcp_host_start(struct tcp_host *h, uint64_t seed);
/* Asserts that everything has come home. */
void tcp_host_stop(struct tcp_host *h);

/* A segment as it travels. */
struct tcp_wire {
    uint8_t header[NARU_TCP_LEN_MAX];
    size_t header_len;
    uint8_t *payload;
    size_t payload_len;
    uint16_t gso_size;
    uint8_t ecn; /* enum naru_ecn: of the IP header that is not here */
};

/* Copies; free with tcp_wire_free. */
void tcp_wire_from(struct tcp_wire *w, const struct naru_tcp_segment *s);
void tcp_wire_free(struct tcp_wire *w);
/* Parses and gives it to c; drop NO_MEMORY if there was no packet to put it in. */
struct naru_tcp_verdict tcp_wire_input(struct tcp_host *h, struct naru_tcp *c,
                                       const struct tcp_wire *w, naru_time now);

#endif
