/*
 * UDP flows: see udp.h.
 */
#include "gate/udp.h"

#include "base/addr.h"
#include "gate/dest.h"
#include "gate/host_sock.h"
#include "host/sockaddr.h"
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define DNS_PORT     53
#define DATAGRAM_MAX 65535
#define PLACE        65536 /* bytes of memory for one datagram */
#define BATCH        32
#define QUEUE        (4 << 20) /* bytes of datagrams of all guests that wait to be relayed */
#define TURN         128       /* datagrams of guests relayed before the others have their turn */

struct flow {
    struct naru_gate_entry entry; /* first */
    struct naru_gate_udp *udp;
    struct naru_watch watch;
    struct naru_list_node in_blocked;
    enum naru_family family;
};

/* Room for one batch, either way; used within one call, by all flows in turn. */
struct naru_gate_udp_batch {
    struct flow *flow; /* guest to host: whose datagrams wait to be sent */
    unsigned count;
    size_t used; /* bytes of data, from the first */
    struct mmsghdr msg[BATCH];
    struct iovec iov[BATCH];
    struct sockaddr_storage addr[BATCH];
    uint8_t data[BATCH * PLACE];
};

static uint8_t *place(struct naru_gate_udp_batch *batch, unsigned i)
{
    return batch->data + (size_t)i * PLACE;
}

static struct naru_gate_udp_side *side_of(struct naru_gate_udp *udp, enum naru_family family)
{
    return &udp->side[family == NARU_IPV4 ? 0 : 1];
}

/* ---- What could not be delivered ---- */

/* The guest learns what the host learned of a datagram to that place of the host's world. */
static void report_to_guest(struct flow *flow, const struct naru_endpoint *host, size_t len,
                            int error)
{
    struct naru_gate_udp *udp = flow->udp;
    struct naru_gate_env *env = udp->env;
    struct naru_msg_info info = { .from = flow->entry.guest, .len = (uint32_t)len };

    env->stats.udp_errors++;
    if (error == EMSGSIZE || naru_host_sock_is_shortage(error))
        return; /* the host knows the path now, and cuts the next one; or it was full */
    if (naru_gate_source(&env->config, host, &info.to))
        (void)naru_sock_answer_datagram(side_of(udp, flow->family)->sock, &info,
                                        naru_host_sock_answer(error), naru_gate_now(env));
}

/* Empties the error queue; true if there was something, which may have failed a call for others. */
static bool read_reports(struct flow *flow)
{
    struct naru_host_sock_report report;
    unsigned count = 0;

    while (count < BATCH && naru_host_sock_next_report(flow->watch.fd, &report)) {
        count++;
        if (report.error != 0)
            report_to_guest(flow, &report.to, report.len, report.error);
    }
    return count > 0;
}

/* ---- Guest to host ---- */

/* The host did not take this one: its own fault, or the news of an earlier one? */
static bool send_again(struct flow *flow, const struct mmsghdr *msg, int error)
{
    struct naru_endpoint host;

    if (read_reports(flow) && sendmsg(flow->watch.fd, &msg->msg_hdr, MSG_DONTWAIT) >= 0)
        return true;
    if (naru_sockaddr_parse_any(msg->msg_hdr.msg_name, msg->msg_hdr.msg_namelen, &host) == NARU_OK)
        report_to_guest(flow, &host, msg->msg_hdr.msg_iov[0].iov_len, error);
    return false;
}

/* Hands what waits to the host.  One that it will not take is passed over. */
static void flush_out(struct naru_gate_udp *udp)
{
    struct naru_gate_udp_batch *batch = udp->batch;
    struct naru_gate_stats *stats = &udp->env->stats;
    unsigned sent = 0;

    while (sent < batch->count) {
        int n = sendmmsg(batch->flow->watch.fd, batch->msg + sent, batch->count - sent,
                         MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0) {
            stats->udp_out += (unsigned)n;
            sent += (unsigned)n;
            continue;
        }
        if (send_again(batch->flow, &batch->msg[sent], errno))
            stats->udp_out++;
        sent++;
    }
    batch->count = 0;
    batch->used = 0;
    batch->flow = NULL;
}

static void queue_out(struct flow *flow, const struct naru_endpoint *to, uint8_t *data, size_t len)
{
    struct naru_gate_udp_batch *batch = flow->udp->batch;
    unsigned i = batch->count++;
    socklen_t addr_len = naru_sockaddr_emit(to, flow->family, &batch->addr[i]);

    batch->flow = flow;
    batch->used = (size_t)(data - batch->data) + len;
    batch->iov[i] = (struct iovec){ .iov_base = data, .iov_len = len };
    batch->msg[i].msg_hdr = (struct msghdr){
        .msg_name = &batch->addr[i],
        .msg_namelen = addr_len,
        .msg_iov = &batch->iov[i],
        .msg_iovlen = 1,
    };
}

/* ---- Host to guest ---- */

static void pass_in(struct flow *flow, const struct mmsghdr *msg, const struct sockaddr_storage *sa,
                    const uint8_t *data)
{
    struct naru_gate_udp *udp = flow->udp;
    struct naru_gate_env *env = udp->env;
    struct naru_msg_info info = { .to = flow->entry.guest };
    struct naru_slice slice = { .at = data, .len = msg->msg_len };
    struct naru_endpoint host;

    if (naru_sockaddr_parse_any(sa, msg->msg_hdr.msg_namelen, &host) != NARU_OK ||
        !naru_gate_source(&env->config, &host, &info.from)) {
        env->stats.udp_filtered++;
        return;
    }
    if (naru_sock_send(side_of(udp, flow->family)->sock, &slice, 1, 0, &info, naru_gate_now(env)) <
        0)
        env->stats.udp_errors++;
    else
        env->stats.udp_in++;
}

/* Up to a batch; the count, or 0 when there is nothing or only an error to be told. */
static unsigned read_host(struct flow *flow)
{
    struct naru_gate_udp_batch *batch = flow->udp->batch;
    int n;

    for (unsigned i = 0; i < BATCH; i++) {
        batch->iov[i] = (struct iovec){ .iov_base = place(batch, i), .iov_len = DATAGRAM_MAX };
        batch->msg[i].msg_hdr = (struct msghdr){
            .msg_name = &batch->addr[i],
            .msg_namelen = sizeof(batch->addr[i]),
            .msg_iov = &batch->iov[i],
            .msg_iovlen = 1,
        };
    }
    n = recvmmsg(flow->watch.fd, batch->msg, BATCH, MSG_DONTWAIT, NULL);
    return n < 0 ? 0 : (unsigned)n;
}

/* Level-triggered: what is left is told again in the next turn. */
static void host_ready(struct naru_watch *watch, uint32_t events)
{
    struct flow *flow = watch->user;
    struct naru_gate_udp *udp = flow->udp;
    unsigned count;

    if ((events & EPOLLERR) != 0 && !read_reports(flow))
        (void)naru_host_sock_error(watch->fd); /* one without a report: told now, and gone */
    if ((naru_sock_ready(side_of(udp, flow->family)->sock) & NARU_READY_WRITE) == 0) {
        if (naru_watch_modify(watch, 0) == 0 && !naru_list_linked(&flow->in_blocked))
            naru_list_push_back(&udp->blocked, &flow->in_blocked);
        return;
    }
    count = read_host(flow);
    for (unsigned i = 0; i < count; i++)
        pass_in(flow, &udp->batch->msg[i], &udp->batch->addr[i], place(udp->batch, i));
    if (count == 0)
        return;
    naru_gate_keep_touch(&udp->keep, &flow->entry,
                         flow->entry.life == NARU_GATE_LIFE_QUERY ? NARU_GATE_LIFE_QUERY
                                                                  : NARU_GATE_LIFE_STREAM);
}

static void unblock_all(struct naru_gate_udp *udp)
{
    struct naru_list_node *node;

    while ((node = naru_list_pop(&udp->blocked)) != NULL) {
        struct flow *flow = NARU_CONTAINER_OF(node, struct flow, in_blocked);
        (void)naru_watch_modify(&flow->watch, EPOLLIN);
    }
}

/* ---- Flows ---- */

static void end_flow(struct naru_gate_keep *keep, struct naru_gate_entry *entry)
{
    struct flow *flow = NARU_CONTAINER_OF(entry, struct flow, entry);

    naru_watch_remove(&flow->watch);
    close(flow->watch.fd);
    if (naru_list_linked(&flow->in_blocked))
        naru_list_remove(&flow->in_blocked);
    keep->env->stats.udp_flows--;
    naru_mem_free(&keep->env->mem, flow, sizeof(*flow));
}

/* A descriptor, or a negative errno; when they are short, the least recently used flow gives. */
static int open_host(struct naru_gate_udp *udp, enum naru_family family)
{
    int fd = naru_host_sock_dgram(family);

    if (fd < 0 && naru_host_sock_is_shortage(-fd) && naru_gate_keep_evict(&udp->keep))
        fd = naru_host_sock_dgram(family);
    return fd;
}

static bool start_flow(struct flow *flow, enum naru_family family)
{
    struct naru_gate_udp *udp = flow->udp;
    int fd = open_host(udp, family);

    if (fd < 0)
        return false;
    flow->family = family;
    flow->watch =
        (struct naru_watch){ .fd = fd, .events = EPOLLIN, .ready = host_ready, .user = flow };
    if (naru_watch_add(udp->env->config.loop, &flow->watch) == 0) {
        udp->env->stats.udp_flows++;
        if (naru_gate_keep_add(&udp->keep, &flow->entry))
            return true;
        udp->env->stats.udp_flows--;
        naru_watch_remove(&flow->watch);
    }
    close(fd);
    return false;
}

static struct flow *new_flow(struct naru_gate_udp *udp, const struct naru_endpoint *guest,
                             enum naru_gate_life life)
{
    struct naru_gate_env *env = udp->env;
    struct flow *flow = naru_mem_alloc_zero(&env->mem, sizeof(*flow));

    if (flow != NULL) {
        flow->entry.guest = *guest;
        flow->entry.life = life;
        flow->udp = udp;
        if (start_flow(flow, naru_addr_family(&guest->addr))) {
            env->stats.udp_opened++;
            return flow;
        }
        naru_mem_free(&env->mem, flow, sizeof(*flow));
    }
    env->stats.udp_ignored++;
    return NULL;
}

/* The flow of a guest who sends to that port of the host; NULL: there is no room for it. */
static struct flow *flow_for(struct naru_gate_udp *udp, const struct naru_endpoint *guest,
                             uint16_t port)
{
    struct naru_gate_entry *entry = naru_gate_table_find(&udp->keep.table, guest);
    enum naru_gate_life life = port == DNS_PORT ? NARU_GATE_LIFE_QUERY : NARU_GATE_LIFE_ONE_WAY;

    if (entry == NULL) {
        flush_out(udp); /* making room may end the flow whose datagrams wait */
        return new_flow(udp, guest, life);
    }
    if (entry->life != NARU_GATE_LIFE_QUERY)
        life = entry->life;
    naru_gate_keep_touch(&udp->keep, entry, life);
    return NARU_CONTAINER_OF(entry, struct flow, entry);
}

/* ---- What guests send ---- */

static void filter_out(struct naru_gate_udp_side *side, const struct naru_msg_info *info,
                       enum naru_answer answer)
{
    struct naru_gate_env *env = side->udp->env;

    env->stats.udp_filtered++;
    /* Nobody answers for a group (RFC 1122 3.2.2). */
    if (!naru_addr_is_multicast(&info->to.addr) && !naru_addr_is_limited_broadcast(&info->to.addr))
        (void)naru_sock_answer_datagram(side->sock, info, answer, naru_gate_now(env));
}

static void relay_out(struct naru_gate_udp_side *side, const struct naru_msg_info *info,
                      uint8_t *data, size_t len)
{
    struct naru_gate_udp *udp = side->udp;
    struct naru_endpoint host;
    struct flow *flow;

    switch (naru_gate_dest(&udp->env->config, &info->to, &host)) {
    case NARU_GATE_DEST_RELAY:
        flow = flow_for(udp, &info->from, host.port);
        if (flow == NULL)
            return;
        if (udp->batch->flow != flow)
            flush_out(udp);
        queue_out(flow, &host, data, len);
        return;
    case NARU_GATE_DEST_RESOLVER:
        naru_gate_dns_question(udp->dns, side->sock, info, data, len);
        return;
    case NARU_GATE_DEST_CLOSED:
        filter_out(side, info, NARU_ANSWER_REFUSE);
        return;
    case NARU_GATE_DEST_ABSENT:
        filter_out(side, info, NARU_ANSWER_HOST_UNREACHABLE);
        return;
    case NARU_GATE_DEST_NEVER:
        filter_out(side, info, NARU_ANSWER_PROHIBITED);
        return;
    }
}

/*
 * Reads datagrams of guests side by side into the batch's memory, which is full when the largest
 * might not fit any more.  False: there are no more.
 */
static bool read_guests(struct naru_gate_udp_side *side)
{
    struct naru_gate_udp *udp = side->udp;
    struct naru_gate_udp_batch *batch = udp->batch;
    uint8_t *data = batch->data + batch->used;
    struct naru_room room = { .at = data, .len = DATAGRAM_MAX };
    struct naru_msg_info info;
    int64_t len = naru_sock_recv(side->sock, &room, 1, 0, &info, naru_gate_now(udp->env));

    if (len == NARU_ERR_AGAIN)
        return false;
    if (len < 0) {
        udp->env->stats.udp_errors++;
        return true;
    }
    relay_out(side, &info, data, (size_t)len);
    if (batch->count == BATCH || batch->used + DATAGRAM_MAX > sizeof(batch->data))
        flush_out(udp);
    return true;
}

static void side_event(struct naru_gate_handler *handler, const struct naru_event *event)
{
    struct naru_gate_udp_side *side = (struct naru_gate_udp_side *)(void *)handler;
    struct naru_gate_udp *udp = side->udp;
    unsigned turn = 0;

    if ((event->ready & NARU_READY_WRITE) != 0)
        unblock_all(udp);
    while (turn < TURN && read_guests(side))
        turn++;
    flush_out(udp);
    if (turn == TURN)
        naru_loop_timer_set(udp->env->config.loop, &udp->work_timer, naru_gate_now(udp->env));
}

static void work(struct naru_loop_timer *timer, naru_time now)
{
    struct naru_gate_udp *udp = timer->user;
    struct naru_event event = { .ready = NARU_READY_READ };

    (void)now;
    for (unsigned i = 0; i < NARU_ARRAY_LEN(udp->side); i++)
        side_event(&udp->side[i].handler, &event);
}

/* ---- Composition ---- */

enum naru_err naru_gate_udp_init(struct naru_gate_udp *udp, struct naru_gate_env *env,
                                 struct naru_gate_dns *dns)
{
    const struct naru_gate_config *config = &env->config;
    const naru_time lifetime[NARU_GATE_LIVES] = {
        [NARU_GATE_LIFE_ONE_WAY] = NARU_MS(config->udp_timeout_ms),
        [NARU_GATE_LIFE_STREAM] = NARU_MS(config->udp_stream_timeout_ms),
        [NARU_GATE_LIFE_QUERY] = NARU_MS(config->dns_timeout_ms),
    };

    *udp = (struct naru_gate_udp){ .env = env, .dns = dns };
    naru_list_init(&udp->blocked);
    udp->work_timer = (struct naru_loop_timer){ .fire = work, .user = udp };
    udp->keep.end = end_flow;
    udp->keep.user = udp;
    naru_gate_keep_init(&udp->keep, env, config->udp_flows_max, lifetime);
    udp->batch = naru_mem_alloc(&env->mem, sizeof(*udp->batch));
    if (udp->batch == NULL)
        return NARU_ERR_NOMEM;
    udp->batch->flow = NULL;
    udp->batch->count = 0;
    udp->batch->used = 0;
    for (unsigned i = 0; i < NARU_ARRAY_LEN(udp->side); i++) {
        struct naru_gate_udp_side *side = &udp->side[i];
        side->handler.event = side_event;
        side->udp = udp;
        enum naru_err err = naru_gate_any_sock(env, i == 0 ? NARU_IPV4 : NARU_IPV6, NARU_SOCK_DGRAM,
                                               &side->handler, &side->sock);
        if (err == NARU_OK)
            err = naru_sock_set(side->sock, NARU_OPT_RCVBUF, QUEUE, naru_gate_now(env));
        if (err != NARU_OK)
            return err;
    }
    return NARU_OK;
}

void naru_gate_udp_deinit(struct naru_gate_udp *udp)
{
    if (udp->env == NULL)
        return;
    naru_gate_keep_deinit(&udp->keep);
    naru_loop_timer_stop(&udp->work_timer);
    naru_mem_free(&udp->env->mem, udp->batch, sizeof(*udp->batch));
}
