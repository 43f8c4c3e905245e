/*
 * TCP flows: see tcp.h.
 */
#include "gate/tcp.h"

#include "base/addr.h"
#include "gate/dest.h"
#include "gate/host_sock.h"
#include "gate/relay.h"
#include <errno.h>
#include <unistd.h>

#define BACKLOG 256
#define PAUSE   NARU_MS(100)

enum state {
    CONNECTING,
    ANSWERED,
    OPEN,
};

struct flow {
    struct naru_gate_handler handler; /* first: the guest's events */
    struct naru_gate_tcp *tcp;
    struct naru_list_node in_flows, in_work;
    struct naru_gate_relay relay; /* the guest's socket and the host's descriptor */
    struct naru_watch watch;
    struct naru_loop_timer give_up; /* while CONNECTING */
    struct naru_endpoint to;        /* on the host */
    enum state state;
    bool to_resolver;
    unsigned resolver; /* of those, the one that is tried */
};

static void accept_waiting(struct naru_gate_tcp *tcp);

/* ---- The end of a flow ---- */

static void stop_work(struct flow *flow)
{
    naru_loop_timer_stop(&flow->give_up);
    if (naru_list_linked(&flow->in_work))
        naru_list_remove(&flow->in_work);
}

static void free_flow(struct flow *flow)
{
    struct naru_gate_tcp *tcp = flow->tcp;
    struct naru_gate_env *env = tcp->env;

    env->stats.tcp_bytes_out += flow->relay.bytes_out;
    env->stats.tcp_bytes_in += flow->relay.bytes_in;
    /* Others may have waited for this place; not from here, where flows may end in a row. */
    if (env->stats.tcp_flows-- == env->config.tcp_flows_max)
        naru_loop_timer_set(env->config.loop, &tcp->work_timer, naru_gate_now(env));
    naru_list_remove(&flow->in_flows);
    naru_mem_free(&env->mem, flow, sizeof(*flow));
}

/* The relay is through, or the guest is gone. */
static void end_flow(struct flow *flow, bool reset_host)
{
    naru_time now = naru_gate_now(flow->tcp->env);

    stop_work(flow);
    if (flow->relay.fd >= 0 && !reset_host) {
        naru_watch_close(&flow->watch);
    } else if (flow->relay.fd >= 0) {
        naru_watch_remove(&flow->watch);
        naru_host_sock_reset(flow->relay.fd);
    }
    naru_sock_close(flow->relay.guest, now);
    free_flow(flow);
}

/* The host's connection broke: so does the guest's. */
static void abort_flow(struct flow *flow)
{
    stop_work(flow);
    naru_watch_close(&flow->watch);
    naru_sock_abort(flow->relay.guest, naru_gate_now(flow->tcp->env));
    free_flow(flow);
}

/* ---- OPEN ---- */

static void run_flow(struct flow *flow)
{
    struct naru_gate_tcp *tcp = flow->tcp;
    naru_time now = naru_gate_now(tcp->env);

    switch (naru_gate_relay_run(&flow->relay, now)) {
    case NARU_GATE_WAIT:
        break;
    case NARU_GATE_MORE:
        if (!naru_list_linked(&flow->in_work))
            naru_list_push_back(&tcp->work, &flow->in_work);
        naru_loop_timer_set(tcp->env->config.loop, &tcp->work_timer, now);
        break;
    case NARU_GATE_DONE:
        end_flow(flow, false);
        break;
    case NARU_GATE_GUEST_FAILED:
        end_flow(flow, true);
        break;
    case NARU_GATE_HOST_FAILED:
        abort_flow(flow);
        break;
    }
}

/* Each flow that has more to move gets one more share; then those who wait for a place. */
static void work(struct naru_loop_timer *timer, naru_time now)
{
    struct naru_gate_tcp *tcp = timer->user;
    struct naru_list batch;
    struct naru_list_node *node;

    (void)now;
    naru_list_init(&batch);
    naru_list_splice(&batch, &tcp->work);
    while ((node = naru_list_pop(&batch)) != NULL)
        run_flow(NARU_CONTAINER_OF(node, struct flow, in_work));
    accept_waiting(tcp);
}

/* ---- CONNECTING and ANSWERED ---- */

static void host_ready(struct naru_watch *watch, uint32_t events);

/* Makes one more for a family that is in use. */
static void fill_stock(struct naru_loop_idle *idle)
{
    struct naru_gate_tcp *tcp = idle->user;

    for (unsigned i = 0; i < NARU_ARRAY_LEN(tcp->stock); i++) {
        struct naru_gate_stock *stock = &tcp->stock[i];
        if (!stock->wanted || stock->count == NARU_GATE_STOCK)
            continue;
        int fd = naru_host_sock_stream(i == 0 ? NARU_IPV4 : NARU_IPV6);
        if (fd < 0)
            return; /* who needs one is told why */
        stock->fd[stock->count++] = fd;
        naru_loop_idle_set(tcp->env->config.loop, idle);
        return;
    }
}

/* A socket that has begun to connect; the stock's, or one made now.  Or a negative errno. */
static int connecting(struct naru_gate_tcp *tcp, const struct naru_endpoint *to)
{
    enum naru_family family = naru_addr_family(&to->addr);
    struct naru_gate_stock *stock = &tcp->stock[family != NARU_IPV4];
    int fd = stock->count > 0 ? stock->fd[--stock->count] : naru_host_sock_stream(family);
    int error = fd < 0 ? fd : naru_host_sock_connect(fd, to);

    stock->wanted = true;
    naru_loop_idle_set(tcp->env->config.loop, &tcp->idle);
    if (error == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return error;
}

static int begin_connect(struct flow *flow)
{
    struct naru_gate_env *env = flow->tcp->env;
    int fd = connecting(flow->tcp, &flow->to);
    int error;

    if (fd < 0)
        return -fd;
    flow->relay = (struct naru_gate_relay){ .guest = flow->relay.guest, .fd = fd };
    flow->watch = (struct naru_watch){
        .fd = flow->relay.fd,
        .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET,
        .ready = host_ready,
        .user = flow,
    };
    error = -naru_watch_add(env->config.loop, &flow->watch);
    if (error != 0) {
        close(flow->relay.fd);
        flow->relay.fd = -1;
    }
    return error;
}

/* Counts and answers a connection that cannot be made. */
static void refuse_flow(struct flow *flow, enum naru_answer answer)
{
    struct naru_gate_stats *stats = &flow->tcp->env->stats;

    switch (answer) {
    case NARU_ANSWER_ACCEPT:
        break;
    case NARU_ANSWER_REFUSE:
    case NARU_ANSWER_PROHIBITED:
        stats->tcp_refused++;
        break;
    case NARU_ANSWER_NET_UNREACHABLE:
    case NARU_ANSWER_HOST_UNREACHABLE:
        stats->tcp_unreachable++;
        break;
    case NARU_ANSWER_IGNORE:
        stats->tcp_ignored++;
        break;
    }
    /* It can fail only if the guest has given up meanwhile. */
    (void)naru_sock_answer(flow->relay.guest, answer, naru_gate_now(flow->tcp->env));
    end_flow(flow, true);
}

/* The next resolver, if it was one that failed.  False: there is none. */
static bool try_next_resolver(struct flow *flow)
{
    const struct naru_resolvers *resolvers = naru_gate_resolvers(flow->tcp->env);

    while (flow->to_resolver && ++flow->resolver < resolvers->count) {
        if (flow->relay.fd >= 0)
            naru_watch_close(&flow->watch);
        flow->relay.fd = -1;
        flow->to = resolvers->server[flow->resolver];
        if (begin_connect(flow) == 0)
            return true;
    }
    return false;
}

static void connect_failed(struct flow *flow, int error)
{
    struct naru_gate_tcp *tcp = flow->tcp;

    if (naru_host_sock_is_shortage(error))
        naru_loop_timer_set(tcp->env->config.loop, &tcp->pause, naru_gate_now(tcp->env) + PAUSE);
    else if (try_next_resolver(flow))
        return;
    refuse_flow(flow, naru_host_sock_answer(error));
}

static void give_up(struct naru_loop_timer *timer, naru_time now)
{
    (void)now;
    connect_failed(timer->user, ETIMEDOUT);
}

static void connect_ended(struct flow *flow, uint32_t events)
{
    struct naru_gate_env *env = flow->tcp->env;
    bool broken = (events & (EPOLLERR | EPOLLHUP)) != 0;
    int error = broken ? naru_host_sock_error(flow->relay.fd) : 0;

    if (error != 0) {
        connect_failed(flow, error);
        return;
    }
    naru_loop_timer_stop(&flow->give_up);
    env->stats.tcp_opened++;
    flow->state = ANSWERED;
    if (naru_sock_answer(flow->relay.guest, NARU_ANSWER_ACCEPT, naru_gate_now(env)) != NARU_OK)
        end_flow(flow, true);
}

static void host_ready(struct naru_watch *watch, uint32_t events)
{
    struct flow *flow = watch->user;

    naru_gate_relay_note(&flow->relay, events);
    switch (flow->state) {
    case CONNECTING:
        if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0)
            connect_ended(flow, events);
        break;
    case ANSWERED:
        break;
    case OPEN:
        run_flow(flow);
        break;
    }
}

static void guest_event(struct naru_gate_handler *handler, const struct naru_event *event)
{
    struct flow *flow = (struct flow *)(void *)handler;
    bool failed = (event->ready & NARU_READY_ERROR) != 0;

    if (flow->state != OPEN)
        failed = failed || (event->ready & NARU_READY_HANGUP) != 0;
    if (failed) {
        end_flow(flow, true);
        return;
    }
    if (flow->state == ANSWERED && (event->ready & (NARU_READY_WRITE | NARU_READY_READ)) != 0)
        flow->state = OPEN;
    if ((event->ready & NARU_READY_URGENT) != 0)
        flow->relay.guest_urgent = true;
    if (flow->state == OPEN)
        run_flow(flow);
}

/* ---- The beginning of a flow ---- */

static struct flow *new_flow(struct naru_gate_tcp *tcp, struct naru_sock *guest)
{
    struct naru_gate_env *env = tcp->env;
    struct flow *flow = naru_mem_alloc_zero(&env->mem, sizeof(*flow));

    if (flow == NULL)
        return NULL;
    flow->handler.event = guest_event;
    flow->tcp = tcp;
    flow->relay.guest = guest;
    flow->relay.fd = -1;
    flow->give_up = (struct naru_loop_timer){ .fire = give_up, .user = flow };
    flow->state = CONNECTING;
    naru_list_push_back(&tcp->flows, &flow->in_flows);
    env->stats.tcp_flows++;
    naru_sock_set_user(guest, flow);
    return flow;
}

static void set_guest_options(struct naru_sock *guest, naru_time now)
{
    /* Each is the stack's own and in range. */
    (void)naru_sock_set(guest, NARU_OPT_NODELAY, 1, now);
    (void)naru_sock_set(guest, NARU_OPT_KEEPALIVE, 1, now);
    (void)naru_sock_set(guest, NARU_OPT_OOBINLINE, 1, now);
}

static void start_flow(struct flow *flow, naru_time now)
{
    struct naru_gate_env *env = flow->tcp->env;
    struct naru_endpoint asked;
    int error;

    naru_sock_local(flow->relay.guest, &asked);
    switch (naru_gate_dest(&env->config, &asked, &flow->to)) {
    case NARU_GATE_DEST_RELAY:
        break;
    case NARU_GATE_DEST_RESOLVER:
        flow->to_resolver = true;
        flow->to = naru_gate_resolvers(env)->server[0];
        break;
    case NARU_GATE_DEST_CLOSED:
        refuse_flow(flow, NARU_ANSWER_REFUSE);
        return;
    case NARU_GATE_DEST_ABSENT:
        refuse_flow(flow, NARU_ANSWER_HOST_UNREACHABLE);
        return;
    case NARU_GATE_DEST_NEVER:
        refuse_flow(flow, NARU_ANSWER_PROHIBITED);
        return;
    }
    set_guest_options(flow->relay.guest, now);
    naru_loop_timer_set(env->config.loop, &flow->give_up,
                        now + NARU_MS(env->config.connect_timeout_ms));
    error = begin_connect(flow);
    if (error != 0)
        connect_failed(flow, error);
}

static bool may_accept(const struct naru_gate_tcp *tcp)
{
    return tcp->pause.loop == NULL && tcp->env->stats.tcp_flows < tcp->env->config.tcp_flows_max;
}

/* False: nobody waits, or the stack is short of memory. */
static bool accept_one(struct naru_gate_listener *listener)
{
    struct naru_gate_env *env = listener->tcp->env;
    naru_time now = naru_gate_now(env);
    struct naru_sock *guest;
    struct flow *flow;

    if (listener->sock == NULL || naru_sock_accept(listener->sock, &guest, now) != NARU_OK)
        return false;
    flow = new_flow(listener->tcp, guest);
    if (flow != NULL) {
        start_flow(flow, now);
        return true;
    }
    env->stats.tcp_ignored++;
    (void)naru_sock_answer(guest, NARU_ANSWER_IGNORE, now);
    naru_sock_close(guest, now);
    naru_loop_timer_set(env->config.loop, &listener->tcp->pause, now + PAUSE);
    return true;
}

static void accept_waiting(struct naru_gate_tcp *tcp)
{
    for (unsigned i = 0; i < NARU_ARRAY_LEN(tcp->listener); i++) {
        while (may_accept(tcp) && accept_one(&tcp->listener[i]))
            ;
    }
}

static void listener_event(struct naru_gate_handler *handler, const struct naru_event *event)
{
    struct naru_gate_listener *listener = (struct naru_gate_listener *)(void *)handler;

    (void)event;
    accept_waiting(listener->tcp);
}

static void pause_over(struct naru_loop_timer *timer, naru_time now)
{
    (void)now;
    accept_waiting(timer->user);
}

/* ---- Composition ---- */

static enum naru_err open_listener(struct naru_gate_listener *listener, enum naru_family family)
{
    struct naru_gate_env *env = listener->tcp->env;
    naru_time now = naru_gate_now(env);
    struct naru_sock *sock;
    enum naru_err err;

    listener->handler.event = listener_event;
    err = naru_gate_any_sock(env, family, NARU_SOCK_STREAM, &listener->handler, &sock);
    if (err != NARU_OK)
        return err;
    err = naru_sock_set(sock, NARU_OPT_DEFER_ANSWER, 1, now);
    if (err == NARU_OK)
        err = naru_sock_listen(sock, BACKLOG, now);
    if (err == NARU_OK)
        listener->sock = sock;
    else
        naru_sock_close(sock, now);
    return err;
}

enum naru_err naru_gate_tcp_init(struct naru_gate_tcp *tcp, struct naru_gate_env *env)
{
    enum naru_err err;

    *tcp = (struct naru_gate_tcp){ .env = env };
    naru_list_init(&tcp->flows);
    naru_list_init(&tcp->work);
    tcp->work_timer = (struct naru_loop_timer){ .fire = work, .user = tcp };
    tcp->pause = (struct naru_loop_timer){ .fire = pause_over, .user = tcp };
    tcp->idle = (struct naru_loop_idle){ .run = fill_stock, .user = tcp };
    tcp->listener[0].tcp = tcp->listener[1].tcp = tcp;
    err = open_listener(&tcp->listener[0], NARU_IPV4);
    return err == NARU_OK ? open_listener(&tcp->listener[1], NARU_IPV6) : err;
}

void naru_gate_tcp_add_bytes(const struct naru_gate_tcp *tcp, struct naru_gate_stats *stats)
{
    struct flow *flow;

    NARU_LIST_EACH(&tcp->flows, flow, next, struct flow, in_flows)
    {
        stats->tcp_bytes_out += flow->relay.bytes_out;
        stats->tcp_bytes_in += flow->relay.bytes_in;
    }
}

static uint64_t undelivered(const struct flow *flow)
{
    int64_t unread = 0;
    bool ended = (naru_sock_ready(flow->relay.guest) & NARU_READY_READ_END) != 0;

    if (flow->relay.out_done || flow->state == CONNECTING)
        return 0;
    (void)naru_sock_get(flow->relay.guest, NARU_OPT_UNREAD, &unread);
    return (uint64_t)unread + ended;
}

uint64_t naru_gate_tcp_undelivered(const struct naru_gate_tcp *tcp)
{
    struct flow *flow;
    uint64_t sum = 0;

    NARU_LIST_EACH(&tcp->flows, flow, next, struct flow, in_flows)
    sum += undelivered(flow);
    return sum;
}

void naru_gate_tcp_deinit(struct naru_gate_tcp *tcp)
{
    struct naru_list_node *node;

    if (tcp->env == NULL)
        return;
    naru_loop_timer_stop(&tcp->work_timer);
    naru_loop_timer_stop(&tcp->pause);
    naru_loop_idle_stop(&tcp->idle);
    for (unsigned i = 0; i < NARU_ARRAY_LEN(tcp->stock); i++)
        while (tcp->stock[i].count > 0)
            close(tcp->stock[i].fd[--tcp->stock[i].count]);
    while ((node = naru_list_pop(&tcp->flows)) != NULL) {
        struct flow *flow = NARU_CONTAINER_OF(node, struct flow, in_flows);
        stop_work(flow);
        if (flow->relay.fd >= 0)
            naru_watch_close(&flow->watch); /* a reset, where the guest has not ended */
        naru_mem_free(&tcp->env->mem, flow, sizeof(*flow));
    }
}
