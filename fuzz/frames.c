/*
 * Frames into a living stack: half-open, open and closing connections, listeners, datagram sockets.
 *
 * The input is a list of acts, each a byte that names it and what the act needs.  A third of them
 * are frames (as they are, or with their checksums made right), a third are segments near the
 * truth of a flow, the rest is time, socket calls, and memory that runs out.  A crash, a
 * sanitizer's word, lost memory or a connection table that does not settle is a finding.
 *
 * Not covered here: several interfaces, VLAN, offloaded packets.
 */
#include "world.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const uint8_t *at;
    size_t len;
};

static uint8_t take8(struct input *in)
{
    if (in->len == 0)
        return 0;
    in->len--;
    return *in->at++;
}

static uint16_t take16(struct input *in)
{
    uint8_t high = take8(in);
    return (uint16_t)(high << 8 | take8(in));
}

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

static void act_frame(struct world *w, struct input *in, bool repaired)
{
    size_t len = take16(in) % WORLD_FRAME_MAX;
    const uint8_t *frame = take(in, &len);
    if (repaired)
        world_frame_repaired(w, frame, len);
    else
        world_frame(w, frame, len);
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
    struct world_flow *flow = &w->flow[take8(in) % WORLD_FLOWS];
    struct world_segment s = { .flags = take8(in) };
    s.seq = flow->seq + distance(in);
    s.ack = flow->ack + distance(in);
    s.window = take16(in);
    s.urgent = (s.flags & WORLD_URG) != 0 ? take16(in) : 0;
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
    }
    world_segment(w, flow, &s);
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

static void act_data(struct world *w, struct naru_sock *sock, unsigned what, struct input *in)
{
    static uint8_t room[1 << 16];
    size_t len = take16(in);
    unsigned flags = take8(in) & (NARU_MSG_OOB | NARU_MSG_MORE | NARU_MSG_EOR | NARU_MSG_PEEK);
    struct naru_msg_info info;
    memset(&info, 0, sizeof info);
    if (what == 0) {
        struct naru_room r = { room, len };
        naru_sock_recv(sock, &r, 1, flags & (NARU_MSG_PEEK | NARU_MSG_OOB), &info, w->now);
    } else if (what == 1) {
        struct naru_slice s = { room, len };
        naru_sock_send(sock, &s, 1, flags & ~(unsigned)NARU_MSG_PEEK, NULL, w->now);
    } else {
        struct naru_slice view[4];
        int count = naru_sock_recv_view(sock, view, 4, w->now);
        if (count > 0)
            naru_sock_recv_consume(sock, len < view[0].len ? len : view[0].len, w->now);
    }
}

static void act_sock(struct world *w, struct input *in)
{
    struct naru_sock **sock = &w->sock[take8(in) % WORLD_SOCKS];
    unsigned what = take8(in) % 12;
    if (*sock == NULL)
        return;
    if (what < 3) {
        act_data(w, *sock, what, in);
    } else if (what == 3) {
        naru_sock_shutdown(*sock, take8(in) & 3, w->now);
    } else if (what == 4) {
        naru_sock_close(*sock, w->now);
        *sock = NULL;
    } else if (what == 5) {
        naru_sock_abort(*sock, w->now);
        *sock = NULL;
    } else if (what == 6) {
        struct naru_sock **to = world_free_sock(w);
        if (to != NULL && naru_sock_accept(*sock, to, w->now) != NARU_OK)
            *to = NULL;
    } else if (what == 7) {
        struct naru_tcp_info info;
        naru_sock_tcp_info(*sock, &info, w->now);
    } else if (what < 10) {
        enum naru_opt opt = (enum naru_opt)(take8(in) % (NARU_OPT_UDP_GRO + 1));
        naru_sock_set(*sock, opt, (int16_t)take16(in), w->now);
    } else {
        int64_t value;
        naru_sock_get(*sock, (enum naru_opt)(take8(in) % (NARU_OPT_UDP_GRO + 1)), &value);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world w;
    struct input in = { data, size };
    world_init(&w);
    while (in.len > 0) {
        uint8_t act = take8(&in);
        if (act < 48)
            act_frame(&w, &in, false);
        else if (act < 96)
            act_frame(&w, &in, true);
        else if (act < 176)
            act_segment(&w, &in);
        else if (act < 208)
            act_time(&w, &in);
        else if (act < 248)
            act_sock(&w, &in);
        else
            w.allocs_to_fail = take8(&in) % 8;
        world_settle(&w);
    }
    w.allocs_to_fail = 0;
    world_deinit(&w);
    return 0;
}
