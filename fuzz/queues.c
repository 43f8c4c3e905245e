/*
 * The structures that a peer decides about, beside slow twins that know each byte:
 *
 *   the receive queue and what is out of order    which bytes are there, and what they are
 *   SACK blocks to be sent                        ranges of the twin, whole ones, the latest first
 *   records of what is in flight, the scoreboard  which bytes were SACKed or marked as lost
 *   fragments of IPv4 and IPv6                    which bytes came, and what they are
 *
 * The first byte of the input chooses; then acts of a few bytes each.
 */
#include "input.h"
#include "lib/tcp_host.h"
#include "proto/frag.h"
#include "proto/tcp/internal.h"

#include <stdlib.h>
#include <string.h>

enum { SPACE = 1 << 16, MSS = 1000 };

static struct tcp_host host;
static uint8_t twin[SPACE + 8192]; /* of each byte of the stream */

static uint8_t stream(uint32_t i) { return (uint8_t)(i * 31 ^ i >> 8); }

/* In ESTABLISHED, both numbers just before the wrap. */
static void established(struct naru_tcp *c, unsigned how)
{
    struct naru_tcp_setup setup = { .mss = MSS, .mss_default = 536 };
    struct naru_tcp_hdr syn = { .seq = naru_seq_of(0xfffffffeu),
                                .flags = NARU_TCP_SYN,
                                .opts =
                                    NARU_TCP_OPT_SACK_OK | NARU_TCP_OPT_MSS | NARU_TCP_OPT_WSCALE,
                                .mss = MSS,
                                .wscale = 8,
                                .wnd = 65535 };
    struct naru_tcp_hdr ack = syn;
    struct naru_tcp_segment out;
    tcp_host_init(&host);
    host.config.tcp_sndbuf_default = 1u << 20;
    if (how & 8)
        host.config.ooo_memory_max = 1 << 16;
    tcp_host_start(&host, 1);
    naru_tcp_init(c, &host.env, &setup, 0);
    naru_tcp_open_passive(c, &syn, naru_seq_of(0xfffffffeu), false, 0);
    CHECK(naru_tcp_output(c, NULL, &out, 0));
    ack.flags = NARU_TCP_ACK;
    ack.opts = 0;
    ack.seq = ack.ack = naru_seq_of(0xffffffffu);
    naru_tcp_input(c, &ack, NULL, NARU_MS(10));
    CHECK(c->state == NARU_TCP_ESTABLISHED);
    while (naru_tcp_output(c, NULL, &out, NARU_MS(10))) {
    }
    CHECK(naru_tcp_more_need(c)); /* parts are called alone, as if something were amiss */
    memset(twin, 0, sizeof(twin));
}

static void finished(struct naru_tcp *c)
{
    naru_tcp_deinit(c);
    tcp_host_stop(&host);
}

/* ---- Receiving ---- */

/* False: the segment was not kept, whole. */
static bool give(struct naru_tcp *c, uint32_t from, uint32_t len, naru_time now)
{
    struct naru_pkt *pkt = naru_pktpool_get(&host.pktpool, 0, NARU_MAX(len, 256u));
    struct naru_tcp_hdr h = { .seq = naru_seq_add(naru_tcp_irs(c), 1 + from),
                              .ack = c->snd.nxt,
                              .flags = NARU_TCP_ACK,
                              .wnd = 65535 };
    CHECK(pkt != NULL);
    for (uint32_t i = 0; i < len; i++)
        pkt->data[i] = stream(from + i);
    pkt->len = len;
    enum naru_drop drop = naru_tcp_input(c, &h, pkt, now).drop;
    return drop == NARU_DROP_NONE || drop == NARU_DROP_TCP_DUPLICATE;
}

static void check_blocks(struct naru_tcp *c, uint32_t next)
{
    struct naru_tcp_sack block[NARU_TCP_SACK_MAX];
    naru_seq base = naru_seq_add(naru_tcp_irs(c), 1);
    unsigned count = naru_tcp_ooo_blocks(c, block, NARU_TCP_SACK_MAX);
    for (unsigned i = 0; i < count; i++) {
        uint32_t left = naru_seq_len(base, block[i].left);
        uint32_t right = naru_seq_len(base, block[i].right);
        CHECK(left > next && left < right && right <= SPACE);
        for (uint32_t k = left; k < right; k++)
            CHECK(twin[k] == 1);
        CHECK(twin[right] == 0 && twin[left - 1] == 0);
        for (unsigned k = 0; k < i; k++)
            CHECK(!naru_seq_eq(block[k].left, block[i].left));
    }
}

static void receiving(struct input *in, unsigned how)
{
    struct naru_tcp c;
    struct naru_tcp_segment out;
    uint32_t next = 0, read = 0;
    naru_time now = NARU_SEC(1);
    established(&c, how);
    while (in->len > 0 && next < SPACE) {
        unsigned act = take8(in);
        uint32_t from = take16(in), len = 1 + (act & 63) * 23;
        if (act < 128)
            from = next + from % 4096; /* near what is expected */
        from = NARU_MIN(from, (uint32_t)SPACE - 1);
        len = NARU_MIN(len, (uint32_t)SPACE - from);
        uint32_t right = naru_seq_len(naru_seq_add(naru_tcp_irs(&c), 1), c.rcv.nxt) + 60000;
        if (act >= 128 && act < 192 && from + len < right)
            from = NARU_MIN(next, (uint32_t)SPACE - len); /* exactly what is expected */
        if (from + len < right && give(&c, from, len, now))
            memset(twin + from, 1, len);
        naru_tcp_check(&c);
        while (twin[next] == 1)
            next++;
        CHECK(next == naru_seq_len(naru_seq_add(naru_tcp_irs(&c), 1), c.rcv.nxt));
        check_blocks(&c, next);
        while (naru_tcp_output(&c, NULL, &out, now)) {
        }
        uint8_t bytes[8192];
        struct naru_room room = { .at = bytes, .len = 1 + (act * 32) };
        int64_t got = act % 4 != 0 ? naru_tcp_recv(&c, &room, 1, 0, now) : 0;
        for (int64_t i = 0; i < got; i++)
            CHECK(bytes[i] == stream(read + (uint32_t)i));
        read += got > 0 ? (uint32_t)got : 0;
        now += NARU_MS(1);
    }
    finished(&c);
}

/* ---- The scoreboard ---- */

enum { SACKED = 1, LOST = 2 };

static void compare(struct naru_tcp *c, uint32_t una, uint32_t nxt)
{
    uint32_t sacked = 0;
    naru_seq base = naru_seq_add(naru_tcp_iss(c), 1);
    naru_tcp_sent_check(c);
    for (uint32_t i = una; i < nxt; i++)
        sacked += (twin[i] & SACKED) != 0;
    CHECK(sacked == c->more->sacked);
    for (unsigned i = 0; i < naru_tcp_sent_count(c); i++) {
        const struct naru_tcp_sent *r = naru_tcp_sent_at(c, i);
        bool is_sacked = (r->flags & NARU_TCP_SENT_SACKED) != 0;
        bool is_lost = (r->flags & NARU_TCP_SENT_LOST) != 0;
        for (uint32_t k = naru_seq_len(base, r->start); k < naru_seq_len(base, r->end); k++)
            CHECK(((twin[k] & SACKED) != 0) == is_sacked && ((twin[k] & LOST) != 0) == is_lost);
    }
}

/* What a block tells of: whole segments, where it is known how they were cut. */
static void twin_sack(uint32_t left, uint32_t right, const uint32_t *cuts, unsigned count)
{
    for (unsigned i = 0; i + 1 < count; i++)
        if (cuts[i] >= left && cuts[i + 1] <= right)
            memset(twin + cuts[i], SACKED, cuts[i + 1] - cuts[i]);
}

static void scoreboard(struct input *in)
{
    static uint32_t cuts[SPACE / MSS + 2];
    struct naru_tcp c;
    unsigned count = 1;
    naru_time now = NARU_SEC(1);
    uint32_t una = 0, nxt = 0;
    established(&c, 0);
    naru_seq base = naru_seq_add(naru_tcp_iss(&c), 1);
    while (in->len > 0 && nxt + MSS < SPACE) {
        unsigned act = take8(in);
        now += NARU_MS(1);
        if (act < 96) { /* some segments are sent at one instant */
            unsigned some = 1 + act % 8;
            for (unsigned i = 0; i < some && nxt + MSS < SPACE; i++) {
                naru_seq start = naru_seq_add(base, nxt);
                nxt += MSS;
                cuts[count++] = nxt;
                naru_tcp_sent_push(&c, start, naru_seq_add(base, nxt), NARU_TCP_SENT_EVEN, now);
                c.snd.nxt = c.snd.end = naru_seq_add(base, nxt);
            }
        } else if (act < 192 && nxt > una) { /* a block arrives */
            struct naru_tcp_acked a = { .first_sent = NARU_NEVER };
            struct naru_tcp_hdr h = { .sack_count = 1 };
            uint32_t left = una + take16(in) % (nxt - una), len = 1 + take16(in) % 8000;
            uint32_t right = NARU_MIN(left + len, nxt);
            if (act % 2 == 0) { /* as a peer has it: whole segments */
                left -= left % MSS;
                right = NARU_MIN(left + (1 + len / MSS) * MSS, nxt);
            }
            left = NARU_MAX(left, una);
            h.sack[0] =
                (struct naru_tcp_sack){ naru_seq_add(base, left), naru_seq_add(base, right) };
            naru_tcp_sack_input(&c, &h, c.snd.una, &a);
            twin_sack(left, right, cuts, count);
        } else if (act < 224 && nxt > una) { /* all below a point is acknowledged */
            struct naru_tcp_acked a = { .first_sent = NARU_NEVER };
            uint32_t before = una;
            una += (1 + take16(in) % (nxt - una) / MSS) * MSS;
            una = NARU_MIN(una, nxt);
            a.acked = una - before;
            c.snd.una = naru_seq_add(base, una);
            naru_tcp_sent_pop(&c, c.snd.una, &a);
        } else if (nxt > una) { /* a record is thought to be lost */
            unsigned i = take8(in) % naru_tcp_sent_count(&c);
            struct naru_tcp_sent *r = naru_tcp_sent_at(&c, i);
            uint32_t from = naru_seq_len(base, r->start), to = naru_seq_len(base, r->end);
            if (!(r->flags & NARU_TCP_SENT_SACKED)) {
                naru_tcp_recover_mark(&c, r);
                memset(twin + from, LOST, to - from);
                naru_tcp_sent_merge(&c, i);
            }
        }
        compare(&c, una, nxt);
    }
    naru_tcp_sent_free(&c);
    finished(&c);
}

/* ---- Fragments ---- */

enum { IDENTS = 4, V4_HEADER = 20, V6_HEADER = 48 };

static uint8_t came[IDENTS][1 << 16];

static uint8_t byte_at(uint32_t ident, uint32_t at) { return (uint8_t)(ident * 37 ^ at ^ at >> 8); }

static struct naru_pkt *piece(const struct naru_frag_info *info)
{
    size_t len = (size_t)info->header_len + info->payload_len;
    struct naru_pkt *pkt = naru_pktpool_get(&host.pktpool, 0, len);
    CHECK(pkt != NULL);
    uint8_t *ip = naru_pkt_append(pkt, len);
    memset(ip, 0, info->header_len);
    ip[0] = info->family == NARU_IPV6 ? 0x60 : 0x45;
    if (info->family == NARU_IPV6)
        ip[6] = 44;
    for (uint32_t i = 0; i < info->payload_len; i++)
        ip[info->header_len + i] = byte_at(info->ident, info->offset + i);
    return pkt;
}

/* Each byte of it came, and is what it was. */
static void check_whole(const struct naru_pkt *whole, const struct naru_frag_info *info)
{
    uint32_t header_len = info->family == NARU_IPV6 ? 40 : V4_HEADER;
    CHECK(whole->len > header_len && whole->len <= 65535 + 40);
    for (uint32_t i = 0; i < whole->len - header_len; i++)
        CHECK(came[info->ident][i] && whole->data[header_len + i] == byte_at(info->ident, i));
}

static void fragments(struct input *in, unsigned how)
{
    struct naru_frag_config config;
    struct naru_frag frag;
    naru_time now = NARU_SEC(1);
    tcp_host_init(&host);
    tcp_host_start(&host, 1);
    naru_frag_config_init(&config);
    config.memory_max = how & 8 ? 20000 : 1u << 20;
    naru_frag_init(&frag, &config, &host.mem, &host.pktpool, &host.rand);
    memset(came, 0, sizeof(came));
    while (in->len > 0) {
        unsigned act = take8(in);
        bool v6 = (how & 16) != 0;
        struct naru_frag_result result;
        struct naru_frag_expired expired;
        struct naru_frag_info info = { .family = v6 ? NARU_IPV6 : NARU_IPV4,
                                       .ident = act % IDENTS,
                                       .offset = (take16(in) & (act & 64 ? 0xfff8 : 0x7f8)),
                                       .more = (act & 32) != 0,
                                       .protocol = 50,
                                       .header_len = v6 ? V6_HEADER : V4_HEADER,
                                       .payload_len = (uint16_t)((take8(in) + 1u) * 8 - act / 128),
                                       .next_header_at = 6 };
        for (uint32_t i = 0; i < info.payload_len && info.offset + i < sizeof(came[0]); i++)
            came[info.ident][info.offset + i] = 1;
        struct naru_pkt *pkt = piece(&info);
        (void)naru_frag_input(&frag, pkt, &info, now, &result);
        if (result.problem != NARU_FRAG_FINE)
            naru_pktpool_put(pkt);
        if (result.whole != NULL) {
            check_whole(result.whole, &info);
            naru_pktpool_put(result.whole);
        }
        CHECK(frag.memory <= config.memory_max);
        now += (act & 16) != 0 ? NARU_SEC(11) : 0;
        while (naru_frag_next_expired(&frag, now, &expired))
            if (expired.first != NULL)
                naru_pktpool_put(expired.first);
    }
    naru_frag_deinit(&frag);
    CHECK(frag.memory == 0);
    tcp_host_stop(&host);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = { data, size };
    unsigned how = take8(&in);
    if (how % 4 == 2)
        fragments(&in, how);
    else if (how % 2 == 0)
        receiving(&in, how);
    else
        scoreboard(&in);
    return 0;
}
