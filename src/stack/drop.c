/*
 * Every packet ends in one counted word: the texts, the counters, the trace.
 */
#include "stack/core.h"

static const char *const texts[NARU_DROP_COUNT] = {
    "kept",
#define X(symbol, text, kind) text,
#include <naru/drop.def>
#undef X
};

static const uint8_t kinds[NARU_DROP_COUNT] = {
    NARU_DROP_KIND_NORMAL,
#define X(symbol, text, kind) NARU_DROP_KIND_##kind,
#include <naru/drop.def>
#undef X
};

const char *naru_drop_text(enum naru_drop reason)
{
    return (unsigned)reason < NARU_DROP_COUNT ? texts[reason] : "unknown";
}

enum naru_drop_kind naru_drop_kind(enum naru_drop reason)
{
    return (unsigned)reason < NARU_DROP_COUNT ? (enum naru_drop_kind)kinds[reason]
                                              : NARU_DROP_KIND_NORMAL;
}

/* count packets that came in through iface (NULL: or were about to leave) ended for that reason
 * (H-3.1-9). */
NARU_COLD void naru_drop_count(struct naru_stack *stack, enum naru_drop reason, unsigned count)
{
    if (reason == NARU_DROP_NONE || count == 0)
        return;
    stack->drops[reason] += count;
    if (stack->config.trace != NULL) {
        struct naru_trace_event event = { .kind = NARU_TRACE_DROP,
                                          .time = stack->now,
                                          .reason = reason,
                                          .ifindex = stack->in_ifindex };
        stack->config.trace(stack->config.trace_user, &event);
    }
}

/* Ends pkt; for "return naru_pkt_drop(pkt, reason)". */
NARU_COLD enum naru_drop naru_pkt_drop(struct naru_pkt *pkt, enum naru_drop reason)
{
    naru_pktpool_put(pkt);
    return reason;
}
