/*
 * Two stacks, and calls at both of them mixed with what becomes of each frame between them.
 *
 * The input says who calls what, and of the frames under way which is delivered, lost, doubled,
 * held back or damaged, and when time passes.  Beside the sanitizers and what must hold between two
 * events (stack/check.h) there is a twin: of every connection what was written.  What is read must
 * be the beginning of it; the end comes only where the end is; all memory returns.
 */
#include "input.h"
#include "stack/check.h"

#include <naru/naru.h>

#include <stdlib.h>
#include <string.h>

enum {
    SOCKS = 3,
    WIRE_MAX = 64,
    STREAM_MAX = 1 << 17,
    STEPS_MAX = 2000,
    PORT = 80,
    FRAME_MAX = 1500
};

struct frame {
    size_t len;
    uint8_t bytes[FRAME_MAX];
};

/* One connection's end.  stream n of side s is what that end writes: a byte tells both and where.
 */
struct end {
    struct naru_sock *sock;
    bool shut; /* no more is written */
    uint32_t written, read;
};

struct world {
    struct naru_stack *stack[2];
    struct naru_sock *listener;
    unsigned ifindex;
    naru_time now;
    size_t allocated;
    struct end end[2][SOCKS];
    struct frame wire[2][WIRE_MAX];
    unsigned wire_count[2];
};

static uint8_t byte_of(unsigned n, unsigned side, uint32_t i)
{
    return (uint8_t)(i * 31 ^ i >> 8 ^ n << 6 ^ side << 5);
}

/* ---- The world ---- */

static void *world_alloc(void *user, size_t size)
{
    struct world *w = user;
    void *at = malloc(size);
    w->allocated += at != NULL ? size : 0;
    return at;
}

static void world_free(void *user, void *at, size_t size)
{
    struct world *w = user;
    w->allocated -= size;
    free(at);
}

static void add_stack(struct world *w, unsigned side, unsigned how)
{
    struct naru_config config;
    struct naru_iface_config iface;
    struct naru_addr addr = naru_addr_v4(0x0a000001u + side);
    struct naru_route route = { .prefix = naru_addr_v4(0) };
    naru_config_init(&config);
    config.alloc = (struct naru_alloc){ world_alloc, world_free, w };
    config.seed[0] = (uint8_t)side;
    config.tcp_timestamps = (how & 1) == 0;
    config.tcp_sack = (how & 2) == 0;
    config.tcp_congestion = how & 4 ? NARU_CONGESTION_RENO : NARU_CONGESTION_CUBIC;
    config.tcp_rcvbuf_default = how & 8 ? 4096 : 65536;
    CHECK(naru_stack_new(&config, w->now, &w->stack[side]) == NARU_OK);
    naru_iface_config_init(&iface);
    iface.name = "wire0";
    iface.kind = NARU_IFACE_IP;
    CHECK(naru_iface_add(w->stack[side], &iface, w->now, &w->ifindex) == NARU_OK);
    route.ifindex = (uint16_t)w->ifindex;
    CHECK(naru_ifaddr_add(w->stack[side], w->ifindex, &addr, 32, w->now) == NARU_OK);
    CHECK(naru_route_add(w->stack[side], &route) == NARU_OK);
}

static void connect_all(struct world *w)
{
    struct naru_endpoint to = { .addr = naru_addr_v4(0x0a000002u), .port = PORT };
    CHECK(naru_sock_new(w->stack[1], NARU_IPV4, NARU_SOCK_STREAM, &w->listener) == NARU_OK);
    CHECK(naru_sock_bind(w->listener, &to) == NARU_OK);
    CHECK(naru_sock_listen(w->listener, 4, w->now) == NARU_OK);
    for (unsigned n = 0; n < SOCKS; n++) {
        struct naru_endpoint from = { .addr = naru_addr_v4(0x0a000001u),
                                      .port = (uint16_t)(4000 + n) };
        struct end *e = &w->end[0][n];
        CHECK(naru_sock_new(w->stack[0], NARU_IPV4, NARU_SOCK_STREAM, &e->sock) == NARU_OK);
        CHECK(naru_sock_bind(e->sock, &from) == NARU_OK);
        CHECK(naru_sock_connect(e->sock, &to, w->now) == NARU_ERR_INPROGRESS);
    }
}

/* ---- Frames ---- */

static void collect(struct world *w, unsigned side)
{
    struct naru_frame frame;
    while (w->wire_count[side] < WIRE_MAX &&
           naru_stack_output(w->stack[side], w->ifindex, &frame, w->now)) {
        struct frame *f = &w->wire[side][w->wire_count[side]++];
        CHECK(frame.len <= FRAME_MAX);
        f->len = frame.len;
        naru_frame_copy(&frame, f->bytes);
    }
}

static void deliver(struct world *w, unsigned side, unsigned at, int damage)
{
    const struct frame *f = &w->wire[side][at];
    struct naru_pkt *pkt = naru_pkt_new(w->stack[!side], f->len);
    if (pkt == NULL)
        return;
    memcpy(pkt->data, f->bytes, f->len);
    if (damage >= 0)
        pkt->data[(unsigned)damage % f->len] ^= 4; /* one bit: every checksum finds it */
    pkt->len = (uint32_t)f->len;
    naru_stack_input(w->stack[!side], w->ifindex, pkt, w->now);
}

static void forget(struct world *w, unsigned side, unsigned at)
{
    w->wire_count[side]--;
    memmove(&w->wire[side][at], &w->wire[side][at + 1],
            (w->wire_count[side] - at) * sizeof(w->wire[0][0]));
}

static void act_frame(struct world *w, unsigned what, struct input *in)
{
    unsigned side = what & 1, count = w->wire_count[side];
    if (count == 0)
        return;
    unsigned at = what & 2 ? take8(in) % count : 0;
    switch (what >> 2 & 7) {
    case 0: /* lost */
        break;
    case 1: /* arrives twice */
        deliver(w, side, at, -1);
        deliver(w, side, at, -1);
        break;
    case 2: /* arrives, and once more later */
        deliver(w, side, at, -1);
        return;
    case 3:
        deliver(w, side, at, take8(in));
        break;
    case 4: /* all of them */
        for (unsigned i = 0; i < count; i++)
            deliver(w, side, i, -1);
        w->wire_count[side] = 0;
        return;
    default:
        deliver(w, side, at, -1);
        break;
    }
    forget(w, side, at);
}

/* ---- Calls ---- */

static void do_write(struct world *w, unsigned side, unsigned n, uint32_t len, unsigned flags)
{
    static uint8_t bytes[65536];
    struct end *e = &w->end[side][n];
    struct naru_slice slice = { bytes, len };
    if (e->written + len > STREAM_MAX)
        return;
    for (uint32_t i = 0; i < len; i++)
        bytes[i] = byte_of(n, side, e->written + i);
    int64_t sent = naru_sock_send(e->sock, &slice, 1, flags, NULL, w->now);
    CHECK(sent <= (int64_t)len && (sent <= 0 || !e->shut));
    e->written += sent > 0 ? (uint32_t)sent : 0;
}

static void do_read(struct world *w, unsigned side, unsigned n, uint32_t len, unsigned flags)
{
    static uint8_t bytes[65536];
    struct end *e = &w->end[side][n], *peer = &w->end[!side][n];
    struct naru_room room = { bytes, len };
    int64_t got = naru_sock_recv(e->sock, &room, 1, flags, NULL, w->now);
    if (got <= 0)
        return;
    CHECK(got <= (int64_t)len && e->read + got <= peer->written);
    for (int64_t i = 0; i < got; i++)
        CHECK(bytes[i] == byte_of(n, !side, e->read + (uint32_t)i));
    if ((flags & NARU_MSG_PEEK) == 0)
        e->read += (uint32_t)got;
}

/* Which connection it is, the client's port says. */
static void do_accept(struct world *w)
{
    struct naru_endpoint peer;
    struct naru_sock *sock;
    if (naru_sock_accept(w->listener, &sock, w->now) != NARU_OK)
        return;
    if (naru_sock_remote(sock, &peer) != NARU_OK || peer.port < 4000 || peer.port >= 4000 + SOCKS ||
        w->end[1][peer.port - 4000].sock != NULL) {
        naru_sock_close(sock, w->now);
        return;
    }
    w->end[1][peer.port - 4000].sock = sock;
}

static void act_option(struct world *w, struct naru_sock *sock, struct input *in)
{
    static const enum naru_opt options[] = {
        NARU_OPT_NODELAY,       NARU_OPT_CORK,
        NARU_OPT_QUICKACK,      NARU_OPT_MAXSEG,
        NARU_OPT_SNDBUF,        NARU_OPT_RCVBUF,
        NARU_OPT_WINDOW_CLAMP,  NARU_OPT_RCVLOWAT,
        NARU_OPT_NOTSENT_LOWAT, NARU_OPT_CONGESTION,
        NARU_OPT_KEEPALIVE,     NARU_OPT_OOBINLINE,
        NARU_OPT_LINGER_MS,     NARU_OPT_USER_TIMEOUT_MS,
    };
    enum naru_opt option = options[take8(in) % (sizeof(options) / sizeof(options[0]))];
    int64_t value = take8(in) * (take8(in) % 2 == 0 ? 1 : 300);
    (void)naru_sock_set(sock, option, value, w->now);
}

static void act_call(struct world *w, unsigned what, struct input *in)
{
    unsigned side = what & 1, n = take8(in) % SOCKS;
    struct end *e = &w->end[side][n];
    if ((what >> 1) % 8 == 7)
        do_accept(w);
    if (e->sock == NULL)
        return;
    uint32_t len = 1 + take8(in) * (uint32_t)(take8(in) % 4 == 0 ? 200 : 3);
    switch ((what >> 1) % 8) {
    case 0:
    case 1:
        do_write(w, side, n, len, what & 32 ? NARU_MSG_MORE : 0);
        break;
    case 2:
    case 3:
        do_read(w, side, n, len, what & 32 ? NARU_MSG_PEEK : 0);
        break;
    case 4:
        act_option(w, e->sock, in);
        break;
    case 5:
        e->shut = e->shut || naru_sock_shutdown(e->sock, NARU_SHUTDOWN_WRITE, w->now) == NARU_OK;
        break;
    case 6:
        if (len % 8 == 0)
            naru_sock_abort(e->sock, w->now);
        else if (len % 8 == 1)
            naru_sock_close(e->sock, w->now);
        if (len % 8 < 2)
            e->sock = NULL;
        break;
    default:
        break;
    }
}

static void act_time(struct world *w, unsigned what)
{
    static const naru_time units[] = { 1, NARU_US(50), NARU_MS(1), NARU_MS(250), NARU_SEC(5) };
    naru_time next = NARU_NEVER;
    for (unsigned side = 0; side < 2; side++)
        next =
            next < naru_stack_deadline(w->stack[side]) ? next : naru_stack_deadline(w->stack[side]);
    if (what % 8 < 5)
        w->now += units[what % 8];
    else if (next != NARU_NEVER && next > w->now)
        w->now = next;
    for (unsigned side = 0; side < 2; side++)
        naru_stack_tick(w->stack[side], w->now);
}

static void step(struct world *w, struct input *in)
{
    unsigned what = take8(in);
    struct naru_event event;
    if (what < 112)
        act_frame(w, what, in);
    else if (what < 224)
        act_call(w, what, in);
    else
        act_time(w, what);
    for (unsigned side = 0; side < 2; side++) {
        while (naru_stack_event(w->stack[side], &event)) {
        }
        collect(w, side);
        naru_stack_check(w->stack[side]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world w;
    struct input in = { data, size };
    memset(&w, 0, offsetof(struct world, wire));
    w.wire_count[0] = w.wire_count[1] = 0;
    w.now = NARU_SEC(1);
    for (unsigned side = 0; side < 2; side++)
        add_stack(&w, side, take8(&in));
    connect_all(&w);
    for (unsigned n = 0; n < STEPS_MAX && in.len > 0; n++)
        step(&w, &in);
    for (unsigned side = 0; side < 2; side++)
        naru_stack_free(w.stack[side]);
    CHECK(w.allocated == 0);
    return 0;
}
