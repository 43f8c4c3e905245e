/*
 * Making and ending a stack, and its time.
 */
#include "stack/core.h"

#include "base/csum.h"

enum {
    MEMORY_MIN = 256 * 1024,
    LOOPBACK_MEMORY = 4 << 20, /* a stack of less cannot afford packets of 64 KB */
    LOOPBACK_MTU_SMALL = 1500,
    PKT_CACHE_MAX = 8 << 20,
    BLOCK_CACHE_MAX = 4 << 20,
    ROUTES_MAX = 65536,
    PMTU_MAX = 4096,
    GROUP_MEMBERS_MAX = 1024,
    RTO_MAX_MS = 120000,      /* of RFC 6298 2.5 at least 60 s; as Linux */
    RAND_STREAM = 0x6e617275, /* of the one seed, this stack's generator */
};

void naru_config_init(struct naru_config *config)
{
    *config = (struct naru_config){
        .memory_max = (uint64_t)256 << 20,
        .sockets_max = 1 << 20,
        .time_wait_max = 1 << 18,
        .syn_queue_max = 4096,
        .neigh_max = 1024,
        .neigh_reachable_ms = 30000,
        .metrics_max = 1024,
        .frag_memory_max = 1 << 20,
        .ooo_memory_max = 32 << 20,
        .tcp_rcvbuf_default = 131072,
        .tcp_rcvbuf_max = 6 << 20,
        .tcp_sndbuf_default = 65536,
        .tcp_sndbuf_max = 4 << 20,
        .udp_rcvbuf_default = 212992,
        .tcp_congestion = NARU_CONGESTION_CUBIC,
        .tcp_timestamps = true,
        .tcp_sack = true,
        .tcp_window_scale = true,
        .tcp_quickack = true,
        .tcp_tlp = true,
        .tcp_idle_restart = true,
        .ipv6_flow_label = true,
        .tcp_quick = true,
        .tcp_syn_cookies = true,
        .tcp_answer_unsent = true,
        .tcp_ecn = NARU_ECN_MODE_ACCEPT,
        .tcp_fastopen = NARU_FASTOPEN_CLIENT,
        .tcp_syn_retries = 7, /* RFC 9293 3.8.3: three minutes at least */
        .tcp_synack_retries = 5,
        .tcp_retries = 15,
        .tcp_rto_min_ms = 200,
        .tcp_rto_max_ms = RTO_MAX_MS,
        .tcp_mtu_probing = 1,
        .tcp_notsent_lowat = UINT32_MAX,
        .tcp_base_mss = 1024,
        .tcp_mtu_probe_ms = 600000,
        .tcp_uto_min_ms = 100000,
        .tcp_uto_max_ms = 3600000,
        .tcp_time_wait_ms = 60000,
        .tcp_fin_wait_2_ms = 60000,
        .port_min = 32768,
        .port_max = 60999,
        .hop_limit = 64,
    };
}

/* There is no forwarding, and nothing that pretends it (H-3.1-5, H-3.1-6, H-3.1-7). */
static bool config_good(const struct naru_config *c)
{
    return c->alloc.alloc != NULL && c->alloc.free != NULL && c->memory_max >= MEMORY_MIN &&
           c->sockets_max >= 1 && c->neigh_max >= 1 && c->neigh_reachable_ms >= 1 &&
           c->port_min >= 1 && c->port_min <= c->port_max && c->hop_limit >= 1 && !c->forward &&
           c->tcp_rcvbuf_default >= 4096 && c->tcp_rcvbuf_default <= c->tcp_rcvbuf_max &&
           c->tcp_rcvbuf_max <= (uint32_t)1 << 30 && c->tcp_sndbuf_default >= 4096 &&
           c->tcp_sndbuf_default <= c->tcp_sndbuf_max && c->tcp_sndbuf_max <= (uint32_t)1 << 30 &&
           c->tcp_congestion <= NARU_CONGESTION_RENO &&
           c->tcp_ecn <= NARU_ECN_MODE_ACCEPT_ACCURATE && c->tcp_rto_min_ms >= 1 &&
           c->tcp_rto_min_ms <= 60000 && c->tcp_rto_max_ms >= 1000 &&
           c->tcp_rto_max_ms <= RTO_MAX_MS && c->tcp_rto_max_ms >= c->tcp_rto_min_ms &&
           c->tcp_uto_min_ms >= 1 && c->tcp_notsent_lowat >= 1 && c->tcp_base_mss >= 64 &&
           c->tcp_base_mss <= 65535 && c->tcp_mtu_probe_ms >= 1 &&
           c->tcp_uto_min_ms <= c->tcp_uto_max_ms && c->tcp_uto_max_ms < UINT32_MAX;
}

static void init_pools(struct naru_stack *stack)
{
    const struct naru_config *c = &stack->config;
    struct naru_mem *mem = &stack->mem;
    naru_pktpool_init(&stack->pkts, mem, PKT_CACHE_MAX);
    naru_blockpool_init(&stack->blocks, mem, BLOCK_CACHE_MAX);
    naru_wheel_pages_init(&stack->timer_pages, mem);
    naru_pool_init(&stack->tcp_pool, mem, sizeof(struct naru_sock_tcp), NARU_CACHE_LINE, 0);
    naru_pool_init(&stack->udp_pool, mem, sizeof(struct naru_sock_udp), 16, 0);
    naru_pool_init(&stack->time_wait_pool, mem, sizeof(struct naru_time_wait), 16,
                   c->time_wait_max);
    naru_pool_init(&stack->bucket_pool, mem, sizeof(struct port_bucket), 16, 0);
    naru_pool_init(&stack->listen_pool, mem, sizeof(struct naru_listen), 16, 0);
    naru_pool_init(&stack->path_pool, mem, sizeof(struct naru_shared_path), NARU_CACHE_LINE, 0);
    naru_table_init(&stack->flows, mem, 0);
    naru_table_init(&stack->paths, mem, 0);
    naru_table_init(&stack->ports, mem, 0);
    for (unsigned i = 0; i < NARU_ARRAY_LEN(stack->any_port); i++)
        naru_list_init(&stack->any_port[i]);
    naru_list_init(&stack->events);
    naru_list_init(&stack->time_waits);
    naru_list_init(&stack->unbound);
    naru_timer_init(&stack->memory_timer, TIMER_MEMORY);
    naru_timer_init(&stack->time_wait_timer, TIMER_TIME_WAIT);
}

static enum naru_err init_machines(struct naru_stack *stack)
{
    const struct naru_config *c = &stack->config;
    struct naru_neigh_config neigh;
    naru_neigh_config_init(&neigh);
    neigh.entries_max = c->neigh_max;
    neigh.reachable = NARU_MS(c->neigh_reachable_ms); /* H-2.3.2.1-3 */
    neigh.incomplete_max = NARU_MIN(neigh.incomplete_max, (c->neigh_max + 1) / 2);
    enum naru_err err = naru_neigh_init(&stack->neigh, &neigh, &stack->mem, &stack->rand);
    if (err != NARU_OK)
        return err;
    struct naru_frag_config frag;
    naru_frag_config_init(&frag);
    frag.memory_max = c->frag_memory_max;
    naru_frag_init(&stack->frag, &frag, &stack->mem, &stack->pkts, &stack->rand);
    naru_frag_ident_init(&stack->ident, &stack->rand);
    naru_fib_init(&stack->fib, &stack->mem, ROUTES_MAX);
    naru_autoconf_init(&stack->autoconf, &stack->mem, &stack->rand);
    if (c->ipv6_secret_given)
        naru_autoconf_set_secret(&stack->autoconf, c->ipv6_secret);
    naru_group_init(&stack->group, &stack->mem, &stack->rand, GROUP_MEMBERS_MAX);
    naru_pmtu_init(&stack->pmtu, &stack->mem, &stack->rand, PMTU_MAX);
    naru_icmplimit_init(&stack->icmp_limit, &stack->rand, 1000, 50, 10, 10);
    naru_ports_init(&stack->ephemeral, &stack->rand, c->port_min, c->port_max);
    naru_metrics_init(&stack->metrics, &stack->mem, &stack->rand, c->metrics_max);
    stack->neigh.alarm = stack->autoconf.alarm = stack->group.alarm = &stack->alarm;
    stack->pmtu.alarm = stack->frag.alarm = &stack->alarm;
    return NARU_OK;
}

static enum naru_err add_loopback(struct naru_stack *stack)
{
    struct naru_iface_config config;
    struct naru_addr v4 = naru_addr_v4(0x7f000001), v6 = { .b[15] = 1 };
    unsigned ifindex;
    naru_iface_config_init(&config);
    config.name = "lo";
    config.kind = NARU_IFACE_IP;
    config.mtu = LOOPBACK_MTU;
    config.offload = NARU_OFFLOAD_TX_CSUM | NARU_OFFLOAD_TX_TSO;
    if (stack->config.memory_max < LOOPBACK_MEMORY) {
        config.mtu = LOOPBACK_MTU_SMALL;
        config.offload = NARU_OFFLOAD_TX_CSUM;
    }
    enum naru_err err = naru_iface_add(stack, &config, stack->now, &ifindex);
    if (err == NARU_OK)
        err = naru_ifaddr_add(stack, ifindex, &v4, 8, stack->now);
    if (err == NARU_OK)
        err = naru_ifaddr_add(stack, ifindex, &v6, 128, stack->now);
    return err;
}

enum naru_err naru_stack_new(const struct naru_config *config, naru_time now,
                             struct naru_stack **out)
{
    if (!config_good(config))
        return NARU_ERR_INVAL;
    struct naru_stack *stack = config->alloc.alloc(config->alloc.user, sizeof(*stack));
    if (stack == NULL)
        return NARU_ERR_NOMEM;
    memset(stack, 0, sizeof(*stack));
    stack->config = *config;
    stack->now = now;
    naru_mem_init(&stack->mem, config->alloc.alloc, config->alloc.free, config->alloc.user,
                  config->memory_max - sizeof(*stack));
    naru_rand_init(&stack->rand, config->seed, RAND_STREAM);
    naru_siphash_key_init(&stack->flow_key, &stack->rand);
    stack->port_key = naru_rand_u64(&stack->rand) | 1;
    stack->label_key = naru_rand_u64(&stack->rand) | 1;
    stack->csum = naru_csum_ops_best();
    naru_wheel_init(&stack->wheel, now, &stack->timer_pages);
    stack->alarm.at = NARU_NEVER;
    init_pools(stack);
    enum naru_err err = init_machines(stack);
    if (err == NARU_OK) {
        naru_stack_tcp_init(stack);
        err = add_loopback(stack);
    }
    if (err != NARU_OK) {
        naru_stack_free(stack);
        return err;
    }
    *out = stack;
    return NARU_OK;
}

static void free_iface(struct naru_stack *stack, struct naru_iface *iface)
{
    naru_pktpool_put_chain(naru_pktq_first(&iface->txq));
    naru_pktpool_put(iface->sending);
    naru_mem_free(&stack->mem, iface, sizeof(*iface));
}

/* At the end of a stack its sockets give back what they own, silently. */
static void free_socks(struct naru_stack *stack)
{
    struct naru_sock_walk walk = { 0 };
    struct naru_sock *sock;
    while ((sock = naru_sock_next(stack, &walk)) != NULL) {
        if (sock->type == NARU_SOCK_STREAM) {
            naru_tcp_deinit(&naru_sock_tcp_of(sock)->tcp);
            continue;
        }
        struct naru_sock_udp *su = naru_sock_udp_of(sock);
        naru_pktpool_put_chain(naru_pktq_first(&su->rx));
        naru_mem_free(&stack->mem, su->joins, JOINS_MAX * sizeof(*su->joins));
    }
}

void naru_stack_free(struct naru_stack *stack)
{
    if (stack == NULL)
        return;
    free_socks(stack);
    for (unsigned i = 1; i <= stack->iface_count; i++)
        free_iface(stack, stack->ifaces[i]);
    naru_frag_deinit(&stack->frag);
    naru_neigh_deinit(&stack->neigh);
    naru_fib_deinit(&stack->fib);
    naru_autoconf_deinit(&stack->autoconf);
    naru_group_deinit(&stack->group);
    naru_pmtu_deinit(&stack->pmtu);
    naru_metrics_deinit(&stack->metrics);
    naru_table_deinit(&stack->flows);
    naru_table_deinit(&stack->ports);
    naru_table_deinit(&stack->paths);
    naru_pool_deinit(&stack->timer_pages);
    naru_pool_deinit(&stack->tcp_pool);
    naru_tcp_env_deinit(&stack->tcp);
    naru_pool_deinit(&stack->udp_pool);
    naru_pool_deinit(&stack->time_wait_pool);
    naru_pool_deinit(&stack->bucket_pool);
    naru_pool_deinit(&stack->listen_pool);
    naru_pool_deinit(&stack->path_pool);
    naru_blockpool_deinit(&stack->blocks);
    naru_pktpool_deinit(&stack->pkts);
    NARU_ASSERT(stack->mem.used == 0);
    struct naru_alloc alloc = stack->config.alloc;
    alloc.free(alloc.user, stack, sizeof(*stack));
}

static NARU_NOINLINE struct naru_pkt *pkt_new_slow(struct naru_stack *stack, size_t capacity)
{
    if (capacity > NARU_PKT_ROOM_SUPER)
        return NULL;
    naru_stack_relieve(stack);
    return naru_pktpool_get(&stack->pkts, 0, capacity);
}

struct naru_pkt *naru_pkt_new(struct naru_stack *stack, size_t capacity)
{
    struct naru_pkt *pkt = naru_pktpool_get(&stack->pkts, 0, capacity);
    return NARU_LIKELY(pkt != NULL) ? pkt : pkt_new_slow(stack, capacity);
}

/* ---- Time ---- */

/* When the first machine beside TCP wants to be called; stack->alarm is never later. */
naru_time naru_machines_deadline(const struct naru_stack *stack)
{
    naru_time at = naru_neigh_deadline(&stack->neigh);
    at = NARU_MIN(at, naru_autoconf_deadline(&stack->autoconf));
    at = NARU_MIN(at, naru_group_deadline(&stack->group));
    at = NARU_MIN(at, naru_pmtu_deadline(&stack->pmtu));
    return NARU_MIN(at, naru_frag_deadline(&stack->frag));
}

/* All but TCP.  Each looks at the time itself. */
static void tick_machines(struct naru_stack *stack)
{
    naru_neigh_tick(&stack->neigh, stack->now);
    naru_autoconf_tick(&stack->autoconf, stack->now);
    naru_group_tick(&stack->group, stack->now);
    naru_pmtu_tick(&stack->pmtu, stack->now);
    naru_ip_frag_expire(stack);
    stack->chores = true;
    naru_nd_settle(stack);
}

/* A machine's instant has come; or none's, and the alarm was of one that has put it off since. */
static NARU_NOINLINE void machines_alarm(struct naru_stack *stack)
{
    if (naru_machines_deadline(stack) <= stack->now)
        tick_machines(stack);
    stack->alarm.at = naru_machines_deadline(stack);
}

void naru_stack_tick(struct naru_stack *stack, naru_time now)
{
    naru_stack_at(stack, now);
    if (NARU_UNLIKELY(naru_stack_pressed(stack)))
        naru_stack_relieve(stack);
    naru_stack_tcp_expire(stack);
    if (stack->alarm.at <= stack->now)
        machines_alarm(stack);
    naru_neigh_settle(stack);
    naru_loopback_turn(stack);
}

NARU_FLATTEN naru_time naru_stack_deadline(const struct naru_stack *stack)
{
    const struct naru_iface *lo = stack->ifaces[LOOPBACK];
    if (stack->chores || (lo->up && naru_iface_waiting(lo)))
        return stack->now;
    return NARU_MIN(naru_wheel_bound(&stack->wheel), stack->alarm.at);
}

/* ---- What it tells ---- */

uint64_t naru_stack_drops(const struct naru_stack *stack, enum naru_drop reason)
{
    return (unsigned)reason < NARU_DROP_COUNT ? stack->drops[reason] : 0;
}

void naru_stack_get_stats(const struct naru_stack *stack, struct naru_stack_stats *stats)
{
    const struct naru_tcp_counters *tcp = &stack->tcp.counters;
    *stats = (struct naru_stack_stats){
        .memory_used = stack->mem.used + sizeof(*stack),
        .memory_peak = stack->mem.peak + sizeof(*stack),
        .sockets = stack->sock_count,
        .flows = stack->flow_count,
        .half_open = stack->half_open,
        .time_wait = stack->time_wait_pool.count,
        .tcp_segments_in = tcp->segments_in,
        .tcp_segments_out = tcp->segments_out,
        .tcp_retransmits = tcp->retransmits,
        .tcp_rto_fires = tcp->rto_fires,
        .tcp_syn_cookies_sent = tcp->cookies_sent,
        .tcp_syn_cookies_accepted = tcp->cookies_accepted,
    };
    for (unsigned i = 1; i <= stack->iface_count; i++) {
        stats->rx_packets += stack->ifaces[i]->rx_packets;
        stats->tx_packets += stack->ifaces[i]->tx_packets;
    }
}
