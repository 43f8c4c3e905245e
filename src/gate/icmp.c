/*
 * Echo to the world: see icmp.h.
 */
#include "gate/icmp.h"

#include "base/addr.h"
#include "gate/dest.h"
#include "gate/host_sock.h"
#include "host/sockaddr.h"
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define TURN 32 /* messages read from one side before the others have their turn */

/* RFC 792, RFC 4443 4.1: type, code, checksum (2), identifier (2), sequence number (2). */
#define HEADER_LEN 8
#define REQUEST_V4 8
#define REPLY_V4   0
#define REQUEST_V6 128
#define REPLY_V6   129

struct flow {
    struct naru_gate_entry entry; /* first; guest.port is the identifier */
    struct naru_gate_icmp *icmp;
    struct naru_watch watch;
    enum naru_family family;
};

static struct naru_gate_icmp_side *side_of(struct naru_gate_icmp *icmp, enum naru_family family)
{
    return &icmp->side[family == NARU_IPV4 ? 0 : 1];
}

/* ---- World to guest ---- */

static void pass_in(struct flow *flow, const struct sockaddr_storage *sa, socklen_t sa_len,
                    uint8_t *data, size_t len)
{
    struct naru_gate_env *env = flow->icmp->env;
    struct naru_msg_info info = { .to = flow->entry.guest };
    struct naru_slice slice = { .at = data, .len = len };
    struct naru_endpoint host;

    if (len < HEADER_LEN || data[0] != (flow->family == NARU_IPV4 ? REPLY_V4 : REPLY_V6))
        return;
    if (naru_sockaddr_parse_any(sa, sa_len, &host) != NARU_OK ||
        !naru_gate_source(&env->config, &host, &info.from))
        return;
    info.from.port = flow->entry.guest.port;
    if (naru_sock_send(side_of(flow->icmp, flow->family)->sock, &slice, 1, 0, &info,
                       naru_gate_now(env)) >= 0)
        env->stats.ping_in++;
}

static void host_ready(struct naru_watch *watch, uint32_t events)
{
    struct flow *flow = watch->user;
    uint8_t *data = flow->icmp->env->scratch;

    (void)events;
    for (unsigned i = 0; i < TURN; i++) {
        struct sockaddr_storage sa;
        socklen_t sa_len = sizeof(sa);
        ssize_t len = recvfrom(watch->fd, data, NARU_GATE_SCRATCH, MSG_DONTWAIT,
                               (struct sockaddr *)&sa, &sa_len);
        if (len < 0)
            return;
        pass_in(flow, &sa, sa_len, data, (size_t)len);
    }
}

/* ---- Flows ---- */

static void end_flow(struct naru_gate_keep *keep, struct naru_gate_entry *entry)
{
    struct flow *flow = NARU_CONTAINER_OF(entry, struct flow, entry);

    naru_watch_remove(&flow->watch);
    close(flow->watch.fd);
    keep->env->stats.ping_flows--;
    naru_mem_free(&keep->env->mem, flow, sizeof(*flow));
}

static bool start_flow(struct flow *flow)
{
    struct naru_gate_env *env = flow->icmp->env;
    int fd = naru_host_sock_ping(flow->family);

    if (fd < 0)
        return false;
    flow->watch =
        (struct naru_watch){ .fd = fd, .events = EPOLLIN, .ready = host_ready, .user = flow };
    if (naru_watch_add(env->config.loop, &flow->watch) == 0) {
        env->stats.ping_flows++;
        if (naru_gate_keep_add(&flow->icmp->keep, &flow->entry))
            return true;
        env->stats.ping_flows--;
        naru_watch_remove(&flow->watch);
    }
    close(fd);
    return false;
}

/* NULL: the host does not allow it, or is short of something. */
static struct flow *flow_for(struct naru_gate_icmp *icmp, const struct naru_endpoint *guest)
{
    struct naru_gate_entry *entry = naru_gate_table_find(&icmp->keep.table, guest);
    struct naru_gate_env *env = icmp->env;
    struct flow *flow;

    if (entry != NULL) {
        naru_gate_keep_touch(&icmp->keep, entry, NARU_GATE_LIFE_QUERY);
        return NARU_CONTAINER_OF(entry, struct flow, entry);
    }
    flow = naru_mem_alloc_zero(&env->mem, sizeof(*flow));
    if (flow == NULL)
        return NULL;
    flow->entry.guest = *guest;
    flow->entry.life = NARU_GATE_LIFE_QUERY;
    flow->icmp = icmp;
    flow->family = naru_addr_family(&guest->addr);
    if (start_flow(flow))
        return flow;
    naru_mem_free(&env->mem, flow, sizeof(*flow));
    return NULL;
}

/* ---- Guest to world ---- */

static bool is_request(const uint8_t *data, size_t len, enum naru_family family)
{
    return len >= HEADER_LEN && data[0] == (family == NARU_IPV4 ? REQUEST_V4 : REQUEST_V6);
}

static void relay_out(struct naru_gate_icmp *icmp, const struct naru_msg_info *info,
                      const uint8_t *data, size_t len)
{
    struct naru_gate_env *env = icmp->env;
    struct sockaddr_storage sa;
    struct naru_endpoint host;
    struct flow *flow = NULL;

    if (is_request(data, len, naru_addr_family(&info->from.addr)) &&
        naru_gate_dest(&env->config, &info->to, &host) == NARU_GATE_DEST_RELAY)
        flow = flow_for(icmp, &info->from);
    if (flow != NULL) {
        host.port = 0;
        socklen_t sa_len = naru_sockaddr_emit(&host, flow->family, &sa);
        if (sendto(flow->watch.fd, data, len, MSG_DONTWAIT, (struct sockaddr *)&sa, sa_len) >= 0) {
            env->stats.ping_out++;
            return;
        }
    }
    env->stats.ping_ignored++;
}

static void side_event(struct naru_gate_handler *handler, const struct naru_event *event)
{
    struct naru_gate_icmp_side *side = (struct naru_gate_icmp_side *)(void *)handler;
    struct naru_gate_env *env = side->icmp->env;
    struct naru_room room = { .at = env->scratch, .len = NARU_GATE_SCRATCH };

    (void)event;
    for (;;) {
        struct naru_msg_info info;
        int64_t len = naru_sock_recv(side->sock, &room, 1, 0, &info, naru_gate_now(env));
        if (len < 0)
            return;
        relay_out(side->icmp, &info, env->scratch, (size_t)len);
    }
}

/* ---- Composition ---- */

enum naru_err naru_gate_icmp_init(struct naru_gate_icmp *icmp, struct naru_gate_env *env)
{
    naru_time life = NARU_MS(env->config.udp_timeout_ms);

    *icmp = (struct naru_gate_icmp){ .env = env };
    icmp->keep.end = end_flow;
    icmp->keep.user = icmp;
    naru_gate_keep_init(&icmp->keep, env, env->config.ping_flows_max,
                        (const naru_time[NARU_GATE_LIVES]){ life, life, life });
    for (unsigned i = 0; i < NARU_ARRAY_LEN(icmp->side); i++) {
        struct naru_gate_icmp_side *side = &icmp->side[i];
        side->handler.event = side_event;
        side->icmp = icmp;
        enum naru_err err = naru_gate_any_sock(env, i == 0 ? NARU_IPV4 : NARU_IPV6, NARU_SOCK_PING,
                                               &side->handler, &side->sock);
        if (err != NARU_OK)
            return err;
    }
    return NARU_OK;
}

void naru_gate_icmp_deinit(struct naru_gate_icmp *icmp)
{
    if (icmp->env != NULL)
        naru_gate_keep_deinit(&icmp->keep);
}
