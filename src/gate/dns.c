/*
 * The DNS address: see dns.h.
 */
#include "gate/dns.h"

#include "base/bytes.h"
#include "gate/host_sock.h"
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FLOWS_MAX    256
#define REMEMBER     4   /* questions of one guest port that are under way */
#define REMEMBER_LEN 512 /* longer ones are passed on, but not asked a second time */
#define ANSWERS      16  /* read per turn and flow */

/* RFC 1035 4.1.1. */
#define HEADER_LEN 12
#define FLAG_QR    0x80 /* in the third byte: it is an answer */
#define FLAG_RA    0x80 /* in the fourth: recursion is available */
#define SERVFAIL   2

struct question {
    uint16_t len; /* 0: free */
    uint8_t data[REMEMBER_LEN];
};

struct flow {
    struct naru_gate_entry entry; /* first */
    struct naru_gate_dns *dns;
    struct naru_sock *guest_side;
    struct naru_endpoint asked; /* the DNS address, whence the answers come */
    struct naru_watch watch;
    unsigned resolver;
    unsigned failures; /* resolvers that failed since one answered */
    unsigned next;     /* place of the next question */
    struct question question[REMEMBER];
};

/* ---- To the guest ---- */

static void answer(struct flow *flow, const void *data, size_t len)
{
    struct naru_msg_info info = { .from = flow->asked, .to = flow->entry.guest };
    struct naru_slice slice = { .at = data, .len = len };
    struct naru_gate_env *env = flow->dns->env;

    if (naru_sock_send(flow->guest_side, &slice, 1, 0, &info, naru_gate_now(env)) < 0)
        env->stats.dns_errors++;
    else
        env->stats.dns_answers++;
}

/* All resolvers failed: says so to every question that waits. */
static void answer_servfail(struct flow *flow)
{
    for (unsigned i = 0; i < REMEMBER; i++) {
        struct question *q = &flow->question[i];
        if (q->len < HEADER_LEN)
            continue;
        q->data[2] |= FLAG_QR;
        q->data[3] = FLAG_RA | SERVFAIL;
        memset(q->data + 6, 0, 6); /* no records */
        answer(flow, q->data, q->len);
        q->len = 0;
    }
}

/* ---- Questions under way ---- */

static uint16_t id_of(const void *message) { return naru_get16(message); }

static struct question *find_question(struct flow *flow, uint16_t id)
{
    for (unsigned i = 0; i < REMEMBER; i++) {
        if (flow->question[i].len != 0 && id_of(flow->question[i].data) == id)
            return &flow->question[i];
    }
    return NULL;
}

static void remember(struct flow *flow, const void *data, size_t len)
{
    struct question *q = &flow->question[flow->next];

    if (len > REMEMBER_LEN)
        return;
    q->len = (uint16_t)len;
    memcpy(q->data, data, len);
    flow->next = (flow->next + 1) % REMEMBER;
}

/* ---- The host's side ---- */

static void host_ready(struct naru_watch *watch, uint32_t events);

static void close_host(struct flow *flow)
{
    if (flow->watch.fd < 0)
        return;
    naru_watch_remove(&flow->watch);
    close(flow->watch.fd);
    flow->watch.fd = -1;
}

/* 0, or an errno. */
static int open_host(struct flow *flow)
{
    struct naru_gate_env *env = flow->dns->env;
    const struct naru_resolvers *resolvers = naru_gate_resolvers(env);
    int fd = naru_host_sock_dgram_to(&resolvers->server[flow->resolver % resolvers->count]);
    int error;

    if (fd < 0)
        return -fd;
    flow->watch =
        (struct naru_watch){ .fd = fd, .events = EPOLLIN, .ready = host_ready, .user = flow };
    error = -naru_watch_add(env->config.loop, &flow->watch);
    if (error != 0) {
        close(fd);
        flow->watch.fd = -1;
    }
    return error;
}

static bool ask(const struct flow *flow, const void *data, size_t len)
{
    return send(flow->watch.fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0 || errno == EAGAIN;
}

static bool ask_all_again(const struct flow *flow)
{
    for (unsigned i = 0; i < REMEMBER; i++) {
        const struct question *q = &flow->question[i];
        if (q->len != 0 && !ask(flow, q->data, q->len))
            return false;
    }
    return true;
}

/* The present resolver is of no use: the next, and so on, until one takes the questions. */
static void next_resolver(struct flow *flow)
{
    struct naru_gate_env *env = flow->dns->env;

    for (;;) {
        close_host(flow);
        env->stats.dns_errors++;
        flow->failures++;
        flow->resolver++;
        if (flow->failures >= naru_gate_resolvers(env)->count) {
            answer_servfail(flow);
            naru_gate_keep_drop(&flow->dns->keep, &flow->entry);
            return;
        }
        if (open_host(flow) == 0 && ask_all_again(flow))
            return;
    }
}

static void take_answer(struct flow *flow, const void *data, size_t len)
{
    struct question *q = len < HEADER_LEN ? NULL : find_question(flow, id_of(data));

    if (q != NULL)
        q->len = 0;
    flow->failures = 0;
    flow->dns->preferred = flow->resolver;
    answer(flow, data, len);
}

static void host_ready(struct naru_watch *watch, uint32_t events)
{
    struct flow *flow = watch->user;
    uint8_t *data = flow->dns->env->scratch;

    (void)events;
    for (unsigned i = 0; i < ANSWERS; i++) {
        ssize_t len = recv(watch->fd, data, NARU_GATE_SCRATCH, MSG_DONTWAIT);
        if (len < 0 && errno == EAGAIN)
            break;
        if (len < 0) {
            next_resolver(flow);
            return;
        }
        take_answer(flow, data, (size_t)len);
    }
    naru_gate_keep_touch(&flow->dns->keep, &flow->entry, NARU_GATE_LIFE_QUERY);
}

/* ---- Flows ---- */

static void end_flow(struct naru_gate_keep *keep, struct naru_gate_entry *entry)
{
    struct flow *flow = NARU_CONTAINER_OF(entry, struct flow, entry);

    close_host(flow);
    naru_mem_free(&keep->env->mem, flow, sizeof(*flow));
}

static struct flow *new_flow(struct naru_gate_dns *dns, struct naru_sock *guest_side,
                             const struct naru_msg_info *info)
{
    struct flow *flow = naru_mem_alloc_zero(&dns->env->mem, sizeof(*flow));

    if (flow == NULL)
        return NULL;
    flow->entry.guest = info->from;
    flow->entry.life = NARU_GATE_LIFE_QUERY;
    flow->dns = dns;
    flow->guest_side = guest_side;
    flow->asked = info->to;
    flow->watch.fd = -1;
    flow->resolver = dns->preferred;
    if (naru_gate_keep_add(&dns->keep, &flow->entry))
        return flow;
    naru_mem_free(&dns->env->mem, flow, sizeof(*flow));
    return NULL;
}

/* The flow of that guest, made if need be; NULL when there is no memory. */
static struct flow *find_flow(struct naru_gate_dns *dns, struct naru_sock *guest_side,
                              const struct naru_msg_info *info)
{
    struct naru_gate_entry *entry = naru_gate_table_find(&dns->keep.table, &info->from);

    if (entry != NULL)
        return NARU_CONTAINER_OF(entry, struct flow, entry);
    return new_flow(dns, guest_side, info);
}

/* False: there is no resolver to be reached, or no descriptor. */
static bool reach_resolver(struct flow *flow)
{
    int error = flow->watch.fd >= 0 ? 0 : open_host(flow);

    if (error == 0)
        return true;
    if (!naru_host_sock_is_shortage(error)) {
        next_resolver(flow);
        return false;
    }
    flow->dns->env->stats.udp_ignored++;
    naru_gate_keep_drop(&flow->dns->keep, &flow->entry);
    return false;
}

void naru_gate_dns_question(struct naru_gate_dns *dns, struct naru_sock *guest_side,
                            const struct naru_msg_info *info, const void *data, size_t len)
{
    struct flow *flow = len < HEADER_LEN ? NULL : find_flow(dns, guest_side, info);
    bool repeated;

    if (flow == NULL) {
        dns->env->stats.dns_errors++;
        return;
    }
    dns->env->stats.dns_queries++;
    naru_gate_keep_touch(&dns->keep, &flow->entry, NARU_GATE_LIFE_QUERY);
    repeated = find_question(flow, id_of(data)) != NULL;
    if (!repeated)
        remember(flow, data, len);
    if (!reach_resolver(flow))
        return;
    if (repeated && naru_gate_resolvers(dns->env)->count > 1) {
        close_host(flow);
        flow->resolver++;
        if (!reach_resolver(flow))
            return;
    }
    if (!ask(flow, data, len))
        next_resolver(flow);
}

void naru_gate_dns_init(struct naru_gate_dns *dns, struct naru_gate_env *env)
{
    naru_time life = NARU_MS(env->config.dns_timeout_ms);

    *dns = (struct naru_gate_dns){ .env = env };
    dns->keep.end = end_flow;
    dns->keep.user = dns;
    naru_gate_keep_init(&dns->keep, env, FLOWS_MAX,
                        (const naru_time[NARU_GATE_LIVES]){ life, life, life });
}

void naru_gate_dns_deinit(struct naru_gate_dns *dns)
{
    if (dns->env != NULL)
        naru_gate_keep_deinit(&dns->keep);
}
