/*
 * What connections learn of a path, told to others that take it: path MTU that was found out by
 * sending (RFC 8899 5.3.3), round-trip time and reordering (RFC 9040).
 */
#include "stack/core.h"

#include "base/addr.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"

static void learn_mtu(const struct naru_sock_tcp *st)
{
    struct naru_stack *stack = st->s.stack;
    const struct naru_addr *remote = &st->s.flow.tuple.remote;
    uint32_t headers =
        (naru_addr_is_v4(remote) ? NARU_IPV4_LEN : NARU_IPV6_LEN) + (uint32_t)NARU_TCP_LEN;
    naru_pmtu_probed(&stack->pmtu, remote, naru_tcp_mtu_found(&st->tcp) + headers,
                     stack->ifaces[st->path->ifindex]->mtu, stack->now);
}

static void recall(struct naru_sock_tcp *st)
{
    struct naru_stack *stack = st->s.stack;
    struct naru_metrics_values v;
    if (!naru_metrics_find(&stack->metrics, &st->s.flow.tuple.remote, stack->now, &v))
        return;
    struct naru_tcp_metrics m = { .rtt = v.rtt,
                                  .rttvar = v.rttvar,
                                  .reordering = v.reordering,
                                  .ssthresh = stack->config.tcp_metrics_ssthresh ? v.ssthresh : 0 };
    naru_tcp_set_metrics(&st->tcp, &m);
}

static bool local(const struct naru_sock_tcp *st)
{
    return st->path->ifindex == 0 || st->path->ifindex == LOOPBACK;
}

NARU_COLD void naru_metrics_learn(struct naru_sock_tcp *st)
{
    if (local(st))
        return;
    if (st->tcp.progress & NARU_TCP_PROGRESS_MTU)
        learn_mtu(st);
    if (st->tcp.progress & NARU_TCP_PROGRESS_OPEN)
        recall(st);
}

enum { TELLING = 10 }; /* segments: a connection that has sent fewer has measured too little */

/* One whose peer fell silent knows nothing that is of use. */
void naru_metrics_end(struct naru_sock_tcp *st)
{
    struct naru_stack *stack = st->s.stack;
    if (st->tcp.data_out < TELLING || local(st) || st->tcp.error == NARU_ERR_TIMEDOUT ||
        st->tcp.srtt == 0)
        return;
    struct naru_tcp_metrics m = naru_tcp_get_metrics(&st->tcp);
    struct naru_metrics_values v = { m.rtt, m.rttvar, m.ssthresh, m.reordering };
    if (m.rtt != 0 || m.reordering != 0)
        naru_metrics_note(&stack->metrics, &st->s.flow.tuple.remote, &v, stack->now);
}
