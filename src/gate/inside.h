/*
 * What the parts of the gateway share: where they are, what they may use, what they count.
 *
 * Every socket of the gateway's stack has a struct naru_gate_handler as its user value, embedded in
 * whatever owns the socket; gate.c hands each event of the stack to its handler.
 */
#ifndef NARU_GATE_INSIDE_H
#define NARU_GATE_INSIDE_H

#include "base/mem.h"
#include "base/rand.h"
#include "gate/gate.h"
#include "gate/resolver.h"
#include "host/loop.h"
#include <naru/sock.h>

struct naru_gate_env {
    struct naru_gate_config config; /* as given, defaults filled in */
    struct naru_stack *stack;
    unsigned ifindex;
    struct naru_mem mem; /* flows and tables; not the stack's */
    struct naru_rand rand;
    struct naru_resolvers resolvers;
    naru_time resolvers_read_at;
    struct naru_gate_stats stats;
    uint8_t *scratch; /* NARU_GATE_SCRATCH bytes, anybody's during one call */
};

/* More than any datagram has. */
#define NARU_GATE_SCRATCH 65536

struct naru_gate_handler {
    void (*event)(struct naru_gate_handler *handler, const struct naru_event *event);
};

/*
 * A socket of the gateway's stack that gets what is sent to any address and port of that family.
 * The socket is *out; handler is its user value.
 */
enum naru_err naru_gate_any_sock(struct naru_gate_env *env, enum naru_family family,
                                 enum naru_sock_type type, struct naru_gate_handler *handler,
                                 struct naru_sock **out);

bool naru_gate_config_is_valid(const struct naru_gate_config *config);

/* Whom to ask, at least one; read again when the host's file may have changed. */
const struct naru_resolvers *naru_gate_resolvers(struct naru_gate_env *env);

/* The time of this turn of the loop. */
static inline naru_time naru_gate_now(const struct naru_gate_env *env)
{
    return naru_loop_now(env->config.loop);
}

#endif
