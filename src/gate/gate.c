/*
 * The gateway put together: its stack, its addresses, its parts.
 *
 * Life of a packet: the caller's link gives a frame to the stack, whose interface takes packets to
 * any address; the stack notes an event on one of the gateway's sockets; the loop tells gate_event,
 * which hands it to the socket's owner (tcp.c, udp.c, icmp.c).  The other way a host descriptor
 * becomes readable, the loop tells its owner, who sends on his socket of the stack; the loop then
 * asks the stack for frames.
 *
 * Not done: router advertisements to guests (they are configured by the caller), more than one
 * interface, keeping the guest's source address towards the host.
 */
#include "gate/gate.h"

#include "base/addr.h"
#include "gate/dns.h"
#include "gate/icmp.h"
#include "gate/inside.h"
#include "gate/tcp.h"
#include "gate/udp.h"
#include "host/alloc.h"
#include <string.h>

#define RESOLV_CONF  "/etc/resolv.conf"
#define RESOLV_AGAIN NARU_SEC(5)

struct naru_gate {
    struct naru_gate_env env;
    struct naru_attachment attachment;
    struct naru_gate_dns dns;
    struct naru_gate_tcp tcp;
    struct naru_gate_udp udp;
    struct naru_gate_icmp icmp;
};

/* ---- What the parts share ---- */

const struct naru_resolvers *naru_gate_resolvers(struct naru_gate_env *env)
{
    naru_time now = naru_gate_now(env);

    if (env->config.resolver_count == 0 && now >= env->resolvers_read_at + RESOLV_AGAIN) {
        naru_resolvers_read(RESOLV_CONF, &env->resolvers);
        env->resolvers_read_at = now;
    }
    return &env->resolvers;
}

static void init_resolvers(struct naru_gate_env *env)
{
    const struct naru_gate_config *config = &env->config;

    env->resolvers_read_at = naru_gate_now(env);
    if (config->resolver_count == 0) {
        naru_resolvers_read(RESOLV_CONF, &env->resolvers);
        return;
    }
    env->resolvers.count = config->resolver_count;
    for (unsigned i = 0; i < config->resolver_count; i++) {
        env->resolvers.server[i] = config->resolver[i];
        if (config->resolver[i].port == 0)
            env->resolvers.server[i].port = 53;
    }
}

enum naru_err naru_gate_any_sock(struct naru_gate_env *env, enum naru_family family,
                                 enum naru_sock_type type, struct naru_gate_handler *handler,
                                 struct naru_sock **out)
{
    const struct naru_endpoint any = { .addr = family == NARU_IPV4 ? naru_addr_v4(0)
                                                                   : (struct naru_addr){ { 0 } } };
    naru_time now = naru_gate_now(env);
    struct naru_sock *sock;
    enum naru_err err = naru_sock_new(env->stack, family, type, &sock);

    if (err != NARU_OK)
        return err;
    err = naru_sock_set(sock, NARU_OPT_TRANSPARENT, 1, now);
    if (err == NARU_OK && family == NARU_IPV6)
        err = naru_sock_set(sock, NARU_OPT_V6ONLY, 1, now);
    if (err == NARU_OK)
        err = naru_sock_bind(sock, &any);
    if (err != NARU_OK) {
        naru_sock_close(sock, now);
        return err;
    }
    naru_sock_set_user(sock, handler);
    *out = sock;
    return NARU_OK;
}

/* ---- The stack ---- */

static void gate_event(struct naru_attachment *attachment, const struct naru_event *event)
{
    struct naru_gate_handler *handler = event->user;

    (void)attachment;
    if (handler != NULL)
        handler->event(handler, event);
}

static enum naru_err new_stack(struct naru_gate_env *env, naru_time now)
{
    const struct naru_gate_config *config = &env->config;
    struct naru_config stack;

    naru_config_init(&stack);
    stack.alloc = config->alloc;
    memcpy(stack.seed, config->seed, sizeof(stack.seed));
    stack.memory_max = config->memory_max;
    stack.trace = config->trace;
    stack.trace_user = config->trace_user;
    return naru_stack_new(&stack, now, &env->stack);
}

static enum naru_err add_addr(struct naru_gate_env *env, const struct naru_addr *addr,
                              unsigned prefix_len, naru_time now)
{
    if (naru_addr_is_zero(addr))
        return NARU_OK;
    return naru_ifaddr_add(env->stack, env->ifindex, addr, prefix_len, now);
}

static enum naru_err new_iface(struct naru_gate_env *env, naru_time now)
{
    const struct naru_gate_config *config = &env->config;
    struct naru_iface_config iface;
    enum naru_err err;

    naru_iface_config_init(&iface);
    iface.name = "gate0";
    memcpy(iface.mac, config->mac, sizeof(iface.mac));
    iface.mtu = config->mtu;
    iface.offload = config->offload;
    iface.accept_any = true;
    iface.link_local = !naru_addr_is_zero(&config->addr6);
    err = naru_iface_add(env->stack, &iface, now, &env->ifindex);
    if (err == NARU_OK)
        err = add_addr(env, &config->addr4, config->prefix4, now);
    if (err == NARU_OK)
        err = add_addr(env, &config->addr6, config->prefix6, now);
    if (err == NARU_OK)
        err = add_addr(env, &config->dns4, 32, now);
    if (err == NARU_OK)
        err = add_addr(env, &config->dns6, 128, now);
    return err;
}

/* ---- Life ---- */

static enum naru_err init_env(struct naru_gate_env *env, const struct naru_gate_config *config)
{
    naru_time now = naru_loop_now(config->loop);
    enum naru_err err;

    env->config = *config;
    naru_mem_init(&env->mem, config->alloc.alloc, config->alloc.free, config->alloc.user,
                  UINT64_MAX);
    naru_rand_init(&env->rand, config->seed, 0x67617465); /* a stream beside the stack's */
    init_resolvers(env);
    env->scratch = naru_mem_alloc(&env->mem, NARU_GATE_SCRATCH);
    if (env->scratch == NULL)
        return NARU_ERR_NOMEM;
    err = new_stack(env, now);
    return err == NARU_OK ? new_iface(env, now) : err;
}

static enum naru_err init_parts(struct naru_gate *gate)
{
    struct naru_gate_env *env = &gate->env;
    enum naru_err err;

    gate->attachment = (struct naru_attachment){ .stack = env->stack, .event = gate_event };
    if (naru_loop_attach(env->config.loop, &gate->attachment) < 0)
        return NARU_ERR_NOMEM;
    naru_gate_dns_init(&gate->dns, env);
    err = naru_gate_tcp_init(&gate->tcp, env);
    if (err == NARU_OK)
        err = naru_gate_udp_init(&gate->udp, env, &gate->dns);
    return err == NARU_OK ? naru_gate_icmp_init(&gate->icmp, env) : err;
}

enum naru_err naru_gate_new(const struct naru_gate_config *config, struct naru_gate **out)
{
    struct naru_gate_config filled = *config;
    struct naru_gate *gate;
    enum naru_err err;

    if (!naru_gate_config_is_valid(config))
        return NARU_ERR_INVAL;
    if (filled.alloc.alloc == NULL)
        filled.alloc = naru_alloc_malloc();
    gate = filled.alloc.alloc(filled.alloc.user, sizeof(*gate));
    if (gate == NULL)
        return NARU_ERR_NOMEM;
    memset(gate, 0, sizeof(*gate));
    err = init_env(&gate->env, &filled);
    if (err == NARU_OK)
        err = init_parts(gate);
    if (err == NARU_OK)
        *out = gate;
    else
        naru_gate_free(gate);
    return err;
}

void naru_gate_free(struct naru_gate *gate)
{
    struct naru_gate_env *env;
    struct naru_alloc alloc;

    if (gate == NULL)
        return;
    env = &gate->env;
    alloc = env->config.alloc;
    naru_gate_icmp_deinit(&gate->icmp);
    naru_gate_udp_deinit(&gate->udp);
    naru_gate_tcp_deinit(&gate->tcp);
    naru_gate_dns_deinit(&gate->dns);
    if (gate->attachment.loop != NULL)
        naru_loop_detach(&gate->attachment);
    if (env->stack != NULL)
        naru_stack_free(env->stack);
    naru_mem_free(&env->mem, env->scratch, NARU_GATE_SCRATCH);
    alloc.free(alloc.user, gate, sizeof(*gate));
}

struct naru_attachment *naru_gate_attachment(struct naru_gate *gate) { return &gate->attachment; }

struct naru_stack *naru_gate_stack(const struct naru_gate *gate) { return gate->env.stack; }

unsigned naru_gate_ifindex(const struct naru_gate *gate) { return gate->env.ifindex; }

uint64_t naru_gate_undelivered(const struct naru_gate *gate)
{
    return naru_gate_tcp_undelivered(&gate->tcp);
}

void naru_gate_get_stats(const struct naru_gate *gate, struct naru_gate_stats *stats)
{
    *stats = gate->env.stats;
    stats->udp_flows += naru_gate_table_count(&gate->dns.keep.table);
    stats->udp_expired = gate->udp.keep.expired + gate->dns.keep.expired;
    stats->udp_evicted = gate->udp.keep.evicted + gate->dns.keep.evicted;
    naru_gate_tcp_add_bytes(&gate->tcp, stats);
}
