/*
 * Frames into a living stack: half-open, open and closing connections, listeners, datagram sockets,
 * groups, an interface that configures itself, a VLAN.
 *
 * The input is a list of acts, each a byte that names it and what the act needs: frames as they are
 * or with their checksums made right, segments near the truth of a flow, messages between names
 * that matter, ICMP errors about a flow, fragments, time, socket calls, memory that runs out.  A
 * crash, a sanitizer's word, lost memory, a broken invariant or a stack that does not settle is a
 * finding.  seeds.py writes the corpus and knows this format.
 *
 * Not covered here: offloaded packets.
 */
#include "input.h"
#include "world.h"

#include <string.h>

enum act {
    ACT_FRAME,    /* interface and repair, length, bytes */
    ACT_SEGMENT,  /* flow, flags, distances, window, urgent, options, payload */
    ACT_TIME,     /* how long */
    ACT_SOCK,     /* socket, call, arguments */
    ACT_MESSAGE,  /* interface and family, names, protocol, hop limit, payload */
    ACT_ERROR,    /* flow, type, code, rest, what it quotes, distance */
    ACT_FRAGMENT, /* as MESSAGE, with its place in the datagram */
    ACT_NO_MEMORY,
    ACTS,
};

/* Up to len bytes of the input. */
static const uint8_t *take(struct input *in, size_t *len)
{
    if (*len > in->len)
        *len = in->len;
    const uint8_t *at = in->at;
    in->at += *len;
    in->len -= *len;
    return at;
}

static void act_frame(struct world *w, struct input *in)
{
    uint8_t frame[WORLD_FRAME_MAX];
    uint8_t how = take8(in);
    size_t len = take16(in) % WORLD_FRAME_MAX;
    const uint8_t *at = take(in, &len);
    if (len > 0)
        memcpy(frame, at, len);
    if (how & 2)
        craft_repair(frame, len);
    world_frame(w, how & 1, frame, len);
}

/* A small signed distance, mostly zero or one, sometimes far. */
static uint32_t distance(struct input *in)
{
    uint8_t b = take8(in);
    if (b < 128)
        return 0;
    if (b < 192)
        return (uint32_t)(b - 160);
    if (b < 224)
        return (uint32_t)((b - 208) * 1448);
    return (uint32_t)take16(in) << 16 | take16(in);
}

static void act_segment(struct world *w, struct input *in)
{
    const struct world_flow *flow = &w->flow[take8(in) % WORLD_FLOWS];
    struct craft_segment s = { .flags = take8(in) };
    s.seq = flow->seq + distance(in);
    s.ack = flow->ack + distance(in);
    s.window = take16(in);
    s.urgent = (s.flags & CRAFT_URG) != 0 ? take16(in) : 0;
    s.option_len = take8(in) % 41;
    s.option = take(in, &s.option_len);
    static const uint8_t zeros[1460];
    uint8_t kind = take8(in);
    if (kind < 128) {
        s.payload_len = kind % 16;
        s.payload = take(in, &s.payload_len);
    } else if (kind < 192) {
        s.payload = zeros;
        s.payload_len = (size_t)(kind - 127) * 22;
    } else { /* marked, or not ECN-capable any more */
        s.payload = zeros;
        s.payload_len = (size_t)(kind >> 2 & 15) * 97;
        w->tos = kind & 3;
    }
    world_segment(w, flow, &s);
    w->tos = 0;
}

static struct craft_ends names(struct input *in, unsigned *n)
{
    uint8_t how = take8(in), who = take8(in);
    *n = how & 1;
    struct craft_ends ends =
        world_ends(*n, how & 2 ? NARU_IPV6 : NARU_IPV4, (enum world_name)((who & 15) % WORLD_NAMES),
                   (enum world_name)((who >> 4) % WORLD_NAMES));
    if (how & 4)
        memset(ends.dst_mac, 0xff, 6);
    if (how & 8)
        ends.vlan = 7;
    return ends;
}

static void act_message(struct world *w, struct input *in)
{
    uint8_t frame[CRAFT_MAX];
    unsigned n;
    struct craft_ends ends = names(in, &n);
    unsigned proto = take8(in);
    ends.hop_limit = take8(in);
    size_t len = take16(in) % 1460;
    const uint8_t *payload = take(in, &len);
    world_frame(w, n, frame, craft_ip(frame, &ends, proto, payload, len));
}

static void act_fragment(struct world *w, struct input *in)
{
    uint8_t frame[CRAFT_MAX];
    static const uint8_t zeros[1460];
    unsigned n;
    struct craft_ends ends = names(in, &n);
    unsigned proto = take8(in);
    struct craft_piece piece = { .ident = take8(in) };
    piece.offset = take16(in) & 0xfff8;
    uint8_t kind = take8(in);
    piece.more = (kind & 1) != 0;
    size_t len = (size_t)(kind >> 1) * 8;
    const uint8_t *payload = zeros;
    if (len >= 512)
        len = len / 512 * 736;
    else
        payload = take(in, &len);
    world_frame(w, n, frame, craft_fragment(frame, &ends, proto, &piece, payload, len));
}

static void act_error(struct world *w, struct input *in)
{
    uint8_t frame[CRAFT_MAX], quoted[8] = { 0 };
    bool v4;
    unsigned proto = CRAFT_TCP_PROTO;
    const struct world_flow *flow = &w->flow[take8(in) % WORLD_FLOWS];
    struct craft_ends there = world_ends(0, flow->family, WORLD_STACK, WORLD_PEER);
    struct craft_ends here = world_ends(0, flow->family, WORLD_PEER, WORLD_STACK);
    unsigned type_code = take16(in);
    uint32_t rest = take16(in);
    uint8_t how = take8(in);
    craft_put16(quoted, flow->port);
    craft_put16(quoted + 2, flow->peer_port);
    craft_put32(quoted + 4, flow->ack + distance(in));
    v4 = flow->family == NARU_IPV4;
    if (how & 4) { /* of the datagram socket */
        proto = CRAFT_UDP;
        craft_put16(quoted, 53);
    } else if (how & 8) { /* of the echo socket */
        proto = v4 ? CRAFT_ICMP : CRAFT_ICMPV6;
        craft_put16(quoted, v4 ? 0x0800 : 0x8000);
        craft_put16(quoted + 4, 7);
    } else if (how & 1) {
        proto = CRAFT_UDP;
    }
    world_frame(w, 0, frame,
                craft_error(frame, &here, &there, type_code, rest, proto, quoted, how & 2 ? 4 : 8));
}

static void act_time(struct world *w, struct input *in)
{
    static const naru_time unit[] = {
        1,           NARU_US(50),  NARU_MS(1),    NARU_MS(40), NARU_MS(250),
        NARU_SEC(1), NARU_SEC(30), NARU_SEC(3600)
    };
    uint8_t b = take8(in);
    if (b >= 224) {
        naru_time next = naru_stack_deadline(w->stack);
        world_wait(w, next == NARU_NEVER || next < w->now ? 0 : next - w->now);
        return;
    }
    world_wait(w, unit[b % 8] * (b / 8 + 1));
}

/* ---- Socket calls ---- */

enum call {
    CALL_RECV,
    CALL_SEND,
    CALL_VIEW,
    CALL_RESERVE,
    CALL_SHUTDOWN,
    CALL_CLOSE,
    CALL_ABORT,
    CALL_ACCEPT,
    CALL_INFO,
    CALL_SET,
    CALL_GET,
    CALL_NEW,
    CALL_BIND,
    CALL_CONNECT,
    CALL_LISTEN,
    CALL_JOIN,
    CALL_LEAVE,
    CALL_SEND_TO,
    CALL_ANSWER,
    CALL_ASK, /* what the stack can be asked that is no socket's */
    CALLS,
};

static struct naru_endpoint endpoint(struct input *in)
{
    uint8_t how = take8(in);
    struct craft_ends ends = world_ends(how >> 7, how & 64 ? NARU_IPV6 : NARU_IPV4, WORLD_PEER,
                                        (enum world_name)((how & 15) % WORLD_NAMES));
    static const uint16_t port[] = { 0, 80, 53, 40000, 40001, 40005, 7, 1 };
    return (struct naru_endpoint){ .addr = ends.dst,
                                   .port = port[take8(in) % 8],
                                   .ifindex = how >> 4 & 3 };
}

static uint8_t room[1 << 16];

static void call_data(struct world *w, struct naru_sock *sock, enum call call, struct input *in)
{
    size_t len = take16(in);
    unsigned flags = take8(in) & (NARU_MSG_OOB | NARU_MSG_MORE | NARU_MSG_EOR | NARU_MSG_PEEK |
                                  NARU_MSG_ERRQUEUE);
    struct naru_msg_info info;
    struct naru_room r[4] = { { room, len } };
    struct naru_slice s = { room, len }, view[4];
    int64_t unread = 0;
    int count;
    memset(&info, 0, sizeof info);
    if (call == CALL_RECV) {
        (void)naru_sock_recv(sock, r, 1, flags & (NARU_MSG_PEEK | NARU_MSG_OOB | NARU_MSG_ERRQUEUE),
                             &info, w->now);
    } else if (call == CALL_SEND) {
        flags &= NARU_MSG_OOB | NARU_MSG_MORE | NARU_MSG_EOR;
        (void)naru_sock_send(sock, &s, 1, flags, NULL, w->now);
    } else if (call == CALL_VIEW) {
        count = naru_sock_recv_view(sock, view, 4, w->now);
        if (count > 0)
            naru_sock_recv_consume(sock, len < view[0].len ? len : view[0].len, w->now);
    } else {
        count = naru_sock_send_reserve(sock, r, 4, w->now);
        for (int i = 0; i < count; i++) {
            memset(r[i].at, 7, r[i].len);
            unread += (int64_t)r[i].len;
        }
        if (count > 0)
            naru_sock_send_commit(sock, (int64_t)len < unread ? len : (size_t)unread, 0, w->now);
    }
}

static void call_send_to(struct world *w, struct naru_sock *sock, struct input *in)
{
    struct naru_msg_info info;
    memset(&info, 0, sizeof info);
    info.to = endpoint(in);
    info.gso_size = take8(in);
    room[0] = take8(in);
    uint8_t size = take8(in);
    struct naru_slice s = { room, (size_t)size * 16 };
    (void)naru_sock_send(sock, &s, 1, size & 1 ? NARU_MSG_FASTOPEN : 0, &info, w->now);
    room[0] = 0;
}

static void call_new(struct world *w, struct input *in)
{
    uint8_t how = take8(in);
    struct naru_sock **to = world_free_sock(w);
    enum naru_sock_type type = (enum naru_sock_type)(how % 3);
    if (to != NULL && naru_sock_new(w->stack, how & 4 ? NARU_IPV6 : NARU_IPV4, type, to) != NARU_OK)
        *to = NULL;
}

static void call_option(struct world *w, struct naru_sock *sock, bool set, struct input *in)
{
    enum naru_opt opt = (enum naru_opt)(take8(in) % (NARU_OPT_RECVERR + 1));
    int64_t value;
    if (set)
        (void)naru_sock_set(sock, opt, (int16_t)take16(in), w->now);
    else
        (void)naru_sock_get(sock, opt, &value);
}

static void call_name(struct world *w, struct naru_sock *sock, enum call call, struct input *in)
{
    struct naru_endpoint to = endpoint(in);
    if (call == CALL_BIND)
        (void)naru_sock_bind(sock, &to);
    else if (call == CALL_CONNECT)
        (void)naru_sock_connect(sock, &to, w->now);
    else if (call == CALL_JOIN)
        (void)naru_sock_join(sock, &to.addr, to.ifindex, w->now);
    else
        (void)naru_sock_leave(sock, &to.addr, to.ifindex, w->now);
}

/* The order of destinations, and what routers have said of resolvers. */
static void call_ask(struct world *w, struct input *in)
{
    struct naru_addr addr[4];
    struct naru_endpoint server;
    char name[NARU_DNS_SEARCH_SIZE];
    for (unsigned i = 0; i < 4; i++)
        addr[i] = endpoint(in).addr;
    naru_addr_sort(w->stack, addr, 4);
    for (unsigned n = 0; naru_dns_server_get(w->stack, w->ifindex[1], n, &server) == NARU_OK; n++)
        ;
    for (unsigned n = 0; naru_dns_search_get(w->stack, w->ifindex[1], n, name) == NARU_OK; n++)
        ;
}

static void act_sock(struct world *w, struct input *in)
{
    struct naru_sock **sock = &w->sock[take8(in) % WORLD_SOCKS];
    struct naru_tcp_info info;
    enum call call = (enum call)(take8(in) % CALLS);
    if (call == CALL_NEW) {
        call_new(w, in);
        return;
    }
    if (*sock == NULL)
        return;
    switch (call) {
    case CALL_RECV:
    case CALL_SEND:
    case CALL_VIEW:
    case CALL_RESERVE:
        call_data(w, *sock, call, in);
        break;
    case CALL_SHUTDOWN:
        (void)naru_sock_shutdown(*sock, take8(in) & 3, w->now);
        break;
    case CALL_CLOSE:
        naru_sock_close(*sock, w->now);
        *sock = NULL;
        break;
    case CALL_ABORT:
        naru_sock_abort(*sock, w->now);
        *sock = NULL;
        break;
    case CALL_ACCEPT: {
        struct naru_sock **to = world_free_sock(w);
        if (to != NULL && naru_sock_accept(*sock, to, w->now) != NARU_OK)
            *to = NULL;
        break;
    }
    case CALL_INFO:
        (void)naru_sock_tcp_info(*sock, &info, w->now);
        break;
    case CALL_SET:
    case CALL_GET:
        call_option(w, *sock, call == CALL_SET, in);
        break;
    case CALL_BIND:
    case CALL_CONNECT:
    case CALL_JOIN:
    case CALL_LEAVE:
        call_name(w, *sock, call, in);
        break;
    case CALL_LISTEN:
        (void)naru_sock_listen(*sock, take8(in), w->now);
        break;
    case CALL_SEND_TO:
        call_send_to(w, *sock, in);
        break;
    case CALL_ANSWER:
        (void)naru_sock_answer(*sock, (enum naru_answer)(take8(in) % 6), w->now);
        break;
    case CALL_ASK:
        call_ask(w, in);
        break;
    case CALL_NEW:
    case CALLS:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const acts[ACTS])(struct world *, struct input *) = {
        [ACT_FRAME] = act_frame,       [ACT_SEGMENT] = act_segment, [ACT_TIME] = act_time,
        [ACT_SOCK] = act_sock,         [ACT_MESSAGE] = act_message, [ACT_ERROR] = act_error,
        [ACT_FRAGMENT] = act_fragment,
    };
    struct world w;
    struct input in = { data, size };
    world_init(&w);
    while (in.len > 0) {
        uint8_t act = take8(&in) % ACTS;
        if (act == ACT_NO_MEMORY)
            w.allocs_to_fail = take8(&in) % 8;
        else
            acts[act](&w, &in);
        world_settle(&w);
        world_check(&w);
    }
    w.allocs_to_fail = 0;
    world_deinit(&w);
    return 0;
}
