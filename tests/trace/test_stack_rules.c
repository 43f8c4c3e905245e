/*
 * Requirements of RFC 9293 on TCP and what is around it: addresses, checksums, the fields of IP,
 * ICMP, neighbours.  Stack 1 is looked at; frames of a third host are made by hand.
 */
#include "lib/hand.h"

/* The last TCP segment that stack 1 has to say; the frame too. */
static bool said(struct lab *lab, struct craft_heard *heard, uint8_t *frame)
{
    uint8_t out[CRAFT_MAX];
    bool any = false;
    size_t len;
    while ((len = lab_take(lab, 1, out, sizeof(out))) != 0)
        if (craft_heard(out, len, heard)) {
            memcpy(frame, out, len);
            any = true;
        }
    return any;
}

static int64_t get(struct naru_sock *sock, enum naru_opt opt)
{
    int64_t value = -1;
    assert_int_equal(naru_sock_get(sock, opt, &value), NARU_OK);
    return value;
}

static void say_hello(struct lab *lab, struct naru_sock *sock)
{
    struct naru_slice slice = { "hello", 5 };
    assert_int_equal(naru_sock_send(sock, &slice, 1, 0, NULL, lab->now), 5);
}

/* ---- Checksums ---- */

static bool sums_are_right(struct lab *lab, int from, uint8_t *frame, size_t *len)
{
    uint8_t copy[CRAFT_MAX];
    (void)from;
    assert_true(*len <= sizeof(copy));
    memcpy(copy, frame, *len);
    assert_true(craft_get16(frame + 12) >= 0x800); /* a type: no length, no trailers */
    assert_true(craft_get16(frame + 12) < 0x1000 || craft_get16(frame + 12) > 0x100f);
    craft_repair(copy, *len);
    assert_memory_equal(copy, frame, *len);
    ++*(unsigned *)lab->user;
    return true;
}

/* Every frame carries the checksums that somebody else computes, of TCP (MUST-2), of UDP unasked
 * (H-4.1.3.4-4) and of IPv4 (H-4.1.3.4-1, H-2.3.1-2, H-2.3.3-5). */
static void checksums_are_always_made(void **state)
{
    (void)state;
    for (int f = 0; f < 2; f++) {
        struct lab lab;
        struct naru_sock *client, *server;
        unsigned frames = 0;
        hand_begin(&lab);
        lab.user = &frames;
        lab.wire[0].filter = sums_are_right;
        assert_true(lab_established(&lab, families[f], 80, &client, &server));
        assert_true(lab_transfer(&lab, client, server, 100000, lab.now + NARU_SEC(60)));
        struct naru_sock *udp = lab_udp(&lab, 0, families[f], 5000);
        struct naru_endpoint to = { .addr = f == 0 ? lab.v4[1] : lab.v6[1], .port = 9 };
        assert_int_equal(naru_sock_connect(udp, &to, lab.now), NARU_OK);
        for (size_t n = 0; n < 40; n++) {
            struct naru_slice slice = { "0123456789012345678901234567890123456789", n };
            (void)naru_sock_send(udp, &slice, 1, 0, NULL, lab.now);
            lab_run(&lab, lab.now + NARU_MS(10));
        }
        naru_sock_abort(client, lab.now);
        naru_sock_close(server, lab.now);
        naru_sock_close(udp, lab.now);
        lab_run(&lab, lab.now + NARU_SEC(1));
        assert_true(frames > 100);
        lab_end(&lab);
    }
}

/* ---- MSS ---- */

/* The MSS option of a SYN that came to stack 1's wire; 0: none. */
static unsigned mss_of(const uint8_t *frame)
{
    bool v4 = craft_get16(frame + 12) == 0x0800;
    const uint8_t *tcp = frame + CRAFT_ETH + (v4 ? CRAFT_IPV4 : CRAFT_IPV6);
    return tcp[20] == 2 ? craft_get16(tcp + 22) : 0;
}

/* What is announced is what a packet of the link can carry behind its headers (MUST-67, H-3.3.2-4).
 */
static void announced_mss_fits_the_link(void **state)
{
    (void)state;
    static const uint32_t mtu[] = { 1280, 1500, 9000 };
    for (int f = 0; f < 2; f++)
        for (int i = 0; i < 3; i++) {
            struct lab lab = { 0 };
            struct lab_options options = { .mtu = mtu[i] };
            struct craft_heard heard;
            uint8_t frame[CRAFT_MAX];
            assert_true(lab_pair(&lab, &options));
            lab_run(&lab, lab.now + NARU_SEC(30));
            struct craft_ends ends = from_hand(&lab, families[f]);
            struct craft_segment syn = { .sport = 4000, .dport = 80, .flags = CRAFT_SYN };
            struct naru_sock *listener = lab_listen(&lab, 1, families[f], 80);
            lab_inject(&lab, 1, frame, craft_tcp(frame, &ends, &syn));
            assert_true(said(&lab, &heard, frame));
            assert_int_equal(heard.flags, CRAFT_SYN | CRAFT_ACK);
            assert_int_equal(mss_of(frame), mtu[i] - (f == 0 ? 40 : 60));
            naru_sock_close(listener, lab.now);
            lab_end(&lab);
        }
}

/* Opens a connection from the third host without a single option; the accepted socket. */
static struct naru_sock *plain_open(struct lab *lab, const struct craft_ends *ends,
                                    struct naru_sock *listener, struct craft_segment *s)
{
    struct craft_heard heard;
    struct naru_sock *sock;
    uint8_t frame[CRAFT_MAX];
    *s = (struct craft_segment){
        .sport = 4000, .dport = 80, .flags = CRAFT_SYN, .seq = 1000, .window = 60000
    };
    lab_inject(lab, 1, frame, craft_tcp(frame, ends, s));
    assert_true(said(lab, &heard, frame));
    s->seq++;
    s->ack = heard.next;
    s->flags = CRAFT_ACK;
    lab_inject(lab, 1, frame, craft_tcp(frame, ends, s));
    assert_int_equal(naru_sock_accept(listener, &sock, lab->now), NARU_OK);
    return sock;
}

/* A peer that names no MSS has 536 by IPv4 and 1220 by IPv6 (MUST-15). */
static void default_mss_by_family(void **state)
{
    (void)state;
    for (int f = 0; f < 2; f++) {
        struct lab lab;
        struct craft_segment s;
        struct naru_tcp_info info;
        hand_begin(&lab);
        struct craft_ends ends = from_hand(&lab, families[f]);
        struct naru_sock *listener = lab_listen(&lab, 1, families[f], 80);
        struct naru_sock *sock = plain_open(&lab, &ends, listener, &s);
        assert_int_equal(naru_sock_tcp_info(sock, &info, lab.now), NARU_OK);
        assert_int_equal(info.snd_mss, f == 0 ? 536 : 1220);
        naru_sock_abort(sock, lab.now);
        naru_sock_close(listener, lab.now);
        lab_end(&lab);
    }
}

/* Who knows the clock and the names still does not know the number: another secret gives another
 * one (MUST-9). */
static void initial_numbers_need_the_secret(void **state)
{
    (void)state;
    struct lab lab;
    uint32_t equal = 0;
    hand_begin(&lab);
    for (uint16_t port = 1; port < 1000; port++) {
        struct naru_hash_tuple t = {
            .local = &lab.v4[0], .remote = &lab.v4[1], .local_port = port, .remote_port = 80
        };
        struct naru_tcp_secret a = naru_tcp_secret(&lab.stack[0]->tcp, &t);
        struct naru_tcp_secret b = naru_tcp_secret(&lab.stack[1]->tcp, &t);
        equal += naru_tcp_isn(&a, lab.now).v == naru_tcp_isn(&b, lab.now).v;
    }
    assert_true(equal <= 1);
    lab_end(&lab);
}

/* ---- Addresses of OPEN ---- */

struct sources {
    struct naru_addr want;
    unsigned seen;
};

static bool source_stays(struct lab *lab, int from, uint8_t *frame, size_t *len)
{
    struct sources *s = lab->user;
    struct craft_heard heard;
    if (from == 0 && craft_heard(frame, *len, &heard)) {
        const uint8_t *src = frame + CRAFT_ETH + (heard.v4 ? 12 : 8);
        assert_memory_equal(src, heard.v4 ? s->want.b + 12 : s->want.b, heard.v4 ? 4 : 16);
        s->seen++;
    }
    return true;
}

/* A local address may be given (MUST-43); else IP chooses before the first SYN (MUST-44); either
 * stays for the whole connection (MUST-45), though another one comes that would suit better
 * (H-3.3.4.2-2, H-4.1.3.5-4, H-3.1-3). */
static void one_local_address_for_the_whole_connection(void **state)
{
    (void)state;
    for (int given = 0; given < 2; given++)
        for (int f = 0; f < 2; f++) {
            struct lab lab;
            struct sources sources = { .seen = 0 };
            struct naru_sock *client;
            hand_begin(&lab);
            struct naru_addr other = f == 0 ? naru_addr_v4(0x0a000050)
                                            : (struct naru_addr){ .b = { 0xfd, [15] = 0x50 } };
            assert_int_equal(
                naru_ifaddr_add(lab.stack[0], lab.ifindex[0], &other, f == 0 ? 24 : 64, lab.now),
                NARU_OK);
            sources.want = given ? other : f == 0 ? lab.v4[0] : lab.v6[0];
            struct naru_sock *listener = lab_listen(&lab, 1, families[f], 80);
            struct naru_endpoint local = { .addr = other }, got;
            struct naru_endpoint to = { .addr = f == 0 ? lab.v4[1] : lab.v6[1], .port = 80 };
            assert_int_equal(naru_sock_new(lab.stack[0], families[f], NARU_SOCK_STREAM, &client),
                             NARU_OK);
            if (given)
                assert_int_equal(naru_sock_bind(client, &local), NARU_OK);
            lab.user = &sources;
            lab.wire[0].filter = source_stays;
            assert_int_equal(naru_sock_connect(client, &to, lab.now), NARU_ERR_INPROGRESS);
            naru_sock_local(client, &got);
            if (!given)
                sources.want = got.addr;
            assert_memory_equal(&got.addr, &sources.want, sizeof(got.addr));
            struct naru_sock *server = lab_accept(&lab, listener);
            assert_non_null(server);
            assert_true(lab_transfer(&lab, client, server, 20000, lab.now + NARU_SEC(5)));
            naru_sock_close(client, lab.now);
            naru_sock_close(server, lab.now);
            naru_sock_close(listener, lab.now);
            lab_run(&lab, lab.now + NARU_SEC(2));
            assert_true(sources.seen > 5);
            lab_end(&lab);
        }
}

/* A port on which others are being opened can be listened on (MUST-42), and no connection notices
 * (MUST-41). */
static void listening_disturbs_nobody(void **state)
{
    (void)state;
    for (int f = 0; f < 2; f++) {
        struct lab lab;
        struct naru_sock *opening, *listener, *old, *client, *server;
        hand_begin(&lab);
        struct naru_addr self = f == 0 ? lab.v4[1] : lab.v6[1];
        struct naru_addr nobody =
            f == 0 ? naru_addr_v4(0x0a000063) : (struct naru_addr){ .b = { 0xfd, [15] = 0x63 } };
        struct naru_endpoint local = { .addr = self, .port = 80 };
        struct naru_endpoint remote = { .addr = nobody, .port = 80 };
        struct naru_stack *stack = lab.stack[1];

        old = lab_listen(&lab, 1, families[f], 80);
        assert_int_equal(naru_sock_set(old, NARU_OPT_REUSEADDR, 1, lab.now), NARU_OK);
        client = lab_connect(&lab, 0, 1, families[f], 80);
        server = lab_accept(&lab, old); /* a connection of that port, and its listener gone */
        assert_non_null(server);
        naru_sock_close(old, lab.now);

        assert_int_equal(naru_sock_new(stack, families[f], NARU_SOCK_STREAM, &opening), NARU_OK);
        assert_int_equal(naru_sock_set(opening, NARU_OPT_REUSEADDR, 1, lab.now), NARU_OK);
        assert_int_equal(naru_sock_bind(opening, &local), NARU_OK);
        assert_int_equal(naru_sock_connect(opening, &remote, lab.now), NARU_ERR_INPROGRESS);
        assert_int_equal(lab_state(opening), NARU_TCP_SYN_SENT);

        assert_int_equal(naru_sock_new(stack, families[f], NARU_SOCK_STREAM, &listener), NARU_OK);
        assert_int_equal(naru_sock_set(listener, NARU_OPT_REUSEADDR, 1, lab.now), NARU_OK);
        assert_int_equal(naru_sock_bind(listener, &local), NARU_OK);
        assert_int_equal(naru_sock_listen(listener, 5, lab.now), NARU_OK);
        assert_int_equal(lab_state(opening), NARU_TCP_SYN_SENT);
        assert_int_equal(lab_state(server), NARU_TCP_ESTABLISHED);
        assert_true(lab_transfer(&lab, client, server, 20000, lab.now + NARU_SEC(5)));
        struct naru_sock *second = lab_connect(&lab, 0, 1, families[f], 80);
        struct naru_sock *accepted = lab_accept(&lab, listener);
        assert_non_null(accepted);

        struct naru_sock *all[] = { opening, listener, client, server, second, accepted };
        for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
            naru_sock_abort(all[i], lab.now);
        lab_end(&lab);
    }
}

/* What is no single host cannot be connected to (MUST-46). */
static void connecting_to_many_fails(void **state)
{
    (void)state;
    static const uint32_t bad[] = { 0xffffffff, 0x0a0000ff, 0xe0000001 };
    struct lab lab;
    hand_begin(&lab);
    for (int i = 0; i < 4; i++) {
        struct naru_sock *sock;
        struct naru_endpoint to = { .port = 80 };
        to.addr = i < 3 ? naru_addr_v4(bad[i]) : (struct naru_addr){ .b = { 0xff, 2, [15] = 1 } };
        assert_int_equal(
            naru_sock_new(lab.stack[1], i < 3 ? NARU_IPV4 : NARU_IPV6, NARU_SOCK_STREAM, &sock),
            NARU_OK);
        enum naru_err err = naru_sock_connect(sock, &to, lab.now);
        assert_true(err == NARU_ERR_NETUNREACH || err == NARU_ERR_ACCES);
        assert_int_equal(lab_state(sock), NARU_TCP_CLOSED);
        assert_int_equal(answers(&lab), 0);
        to.addr = i < 3 ? lab.v4[0] : lab.v6[0]; /* it can still be used */
        assert_int_equal(naru_sock_connect(sock, &to, lab.now), NARU_ERR_INPROGRESS);
        naru_sock_abort(sock, lab.now);
    }
    lab_end(&lab);
}

/* ---- Fields of IP ---- */

/* The application sets DiffServ (MUST-48), also while connected (SHLD-21), and TTL (MUST-49); the
 * packets show just these (SHLD-22, H-3.2.1.6-1, H-3.2.1.7-3). */
static void fields_of_ip_are_the_applications(void **state)
{
    (void)state;
    for (int f = 0; f < 2; f++) {
        struct lab lab;
        struct craft_segment s;
        struct craft_heard heard;
        uint8_t frame[CRAFT_MAX];
        hand_begin(&lab);
        struct craft_ends ends = from_hand(&lab, families[f]);
        struct naru_sock *listener = lab_listen(&lab, 1, families[f], 80);
        assert_int_equal(naru_sock_set(listener, NARU_OPT_TOS, 0x28, lab.now), NARU_OK);
        struct naru_sock *sock = plain_open(&lab, &ends, listener, &s);
        for (unsigned i = 0; i < 3; i++) {
            unsigned tos = i == 0 ? 0x28 : 0xb8, ttl = i == 2 ? 1 : 64;
            if (i == 1)
                assert_int_equal(naru_sock_set(sock, NARU_OPT_TOS, 0xb8, lab.now), NARU_OK);
            if (i == 2)
                assert_int_equal(naru_sock_set(sock, NARU_OPT_TTL, 1, lab.now), NARU_OK);
            say_hello(&lab, sock);
            assert_true(said(&lab, &heard, frame));
            const uint8_t *ip = frame + CRAFT_ETH;
            assert_int_equal(f == 0 ? ip[1] : craft_get16(ip) >> 4 & 0xff, tos);
            assert_int_equal(f == 0 ? ip[8] : ip[7], ttl);
            s.ack = heard.next;
            lab_inject(&lab, 1, frame, craft_tcp(frame, &ends, &s));
        }
        assert_int_equal(naru_sock_set(sock, NARU_OPT_TTL, 0, lab.now), NARU_ERR_INVAL);
        assert_int_equal(naru_sock_set(sock, NARU_OPT_TTL, 256, lab.now), NARU_ERR_INVAL);
        naru_sock_abort(sock, lab.now);
        naru_sock_close(listener, lab.now);
        lab_end(&lab);
    }
}

/* IP options that nobody here knows change nothing: unknown ones (MUST-50, H-3.2.1.8-3), a stream
 * identifier (H-3.2.1.8b-2). */
static void unknown_ip_options_are_ignored(void **state)
{
    (void)state;
    static const uint8_t options[][4] = {
        { 1, 1, 1, 0 },    /* no operation, end */
        { 0x5e, 4, 1, 2 }, /* an experiment of others */
        { 0x88, 4, 0, 1 }, /* stream identifier */
        { 0x94, 4, 0, 0 }, /* router alert */
    };
    for (int i = 0; i < 4; i++) {
        struct lab lab;
        struct craft_heard heard;
        uint8_t frame[CRAFT_MAX];
        hand_begin(&lab);
        struct craft_ends ends = from_hand(&lab, NARU_IPV4);
        struct naru_sock *listener = lab_listen(&lab, 1, NARU_IPV4, 80);
        struct craft_segment s = { .sport = 4000, .dport = 80, .flags = CRAFT_SYN };
        size_t len = craft_tcp(frame, &ends, &s);
        uint8_t *ip = frame + CRAFT_ETH;
        memmove(ip + 24, ip + 20, len - CRAFT_ETH - 20);
        memcpy(ip + 20, options[i], 4);
        ip[0] = 0x46;
        craft_put16(ip + 2, craft_get16(ip + 2) + 4);
        craft_repair(frame, len + 4);
        lab_inject(&lab, 1, frame, len + 4);
        assert_true(said(&lab, &heard, frame));
        assert_int_equal(heard.flags, CRAFT_SYN | CRAFT_ACK);
        naru_sock_close(listener, lab.now);
        lab_end(&lab);
    }
}

/* A SYN to many (MUST-57), or from what is no single host (MUST-63, H-3.2.1.3-4), gets no answer at
 * all. */
static void strange_syns_get_silence(void **state)
{
    (void)state;
    static const struct {
        uint32_t src, dst;
        bool link_broadcast;
    } rows[] = {
        { 0x0a000066, 0x0a0000ff, true },  { 0x0a000066, 0xffffffff, true },
        { 0x0a000066, 0xe0000001, false }, { 0x0a000066, 0x0a000002, true },
        { 0xe0000001, 0x0a000002, false }, { 0xffffffff, 0x0a000002, false },
        { 0x0a0000ff, 0x0a000002, false }, { 0x00000000, 0x0a000002, false },
        { 0x7f000001, 0x0a000002, false }, { 0x0a000002, 0x0a000002, false },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (uint16_t port = 80; port < 82; port++) { /* open, closed */
            struct lab lab;
            uint8_t frame[CRAFT_MAX];
            hand_begin(&lab);
            struct craft_ends ends = from_hand(&lab, NARU_IPV4);
            struct naru_endpoint any = { .addr = naru_addr_v4(0), .port = 80 };
            struct naru_sock *listener;
            assert_int_equal(naru_sock_new(lab.stack[1], NARU_IPV4, NARU_SOCK_STREAM, &listener),
                             NARU_OK);
            assert_int_equal(naru_sock_bind(listener, &any), NARU_OK);
            assert_int_equal(naru_sock_listen(listener, 5, lab.now), NARU_OK);
            struct craft_segment s = { .sport = 4000, .dport = port, .flags = CRAFT_SYN };
            struct naru_route back = { .prefix = naru_addr_v4(0),
                                       .has_gateway = true,
                                       .gateway = ends.src }; /* an answer would find its way */
            assert_int_equal(naru_route_add(lab.stack[1], &back), NARU_OK);
            ends.src = naru_addr_v4(rows[i].src);
            ends.dst = naru_addr_v4(rows[i].dst);
            if (rows[i].link_broadcast)
                memset(ends.dst_mac, 0xff, 6);
            lab_inject(&lab, 1, frame, craft_tcp(frame, &ends, &s));
            if (answers(&lab) != 0)
                fail_msg("row %zu was answered", i);
            assert_int_equal(lab.stack[1]->half_open, 0);
            naru_sock_close(listener, lab.now);
            lab_end(&lab);
        }
}

static void note_drop(void *user, const struct naru_trace_event *event)
{
    enum naru_drop *reason = user;
    if (event->kind == NARU_TRACE_DROP)
        *reason = event->reason;
}

static enum naru_drop noted;

static void with_trace(struct naru_config *config)
{
    config->trace = note_drop;
    config->trace_user = &noted;
}

/* Each discarded packet is told to who wants to write it down, with the reason (H-3.1-8). */
static void drops_can_be_logged(void **state)
{
    (void)state;
    struct lab lab = { 0 };
    struct lab_options options = { .tune = with_trace };
    uint8_t frame[CRAFT_MAX];
    assert_true(lab_pair(&lab, &options));
    lab_run(&lab, lab.now + NARU_SEC(30));
    struct craft_ends ends = from_hand(&lab, NARU_IPV4);
    lab_inject(&lab, 1, frame, craft_udp(frame, &ends, 4000, 9, "x", 1));
    assert_int_equal(noted, NARU_DROP_UDP_NO_PORT);
    lab_end(&lab);
}

/* ---- ICMP ---- */

static void report(struct lab *lab, const struct craft_ends *ends, const struct craft_segment *s,
                   unsigned type_code)
{
    uint8_t frame[CRAFT_MAX], tcp[8];
    struct craft_ends quoted = *ends;
    quoted.src = ends->dst;
    quoted.dst = ends->src;
    craft_put16(tcp, s->dport);
    craft_put16(tcp + 2, s->sport);
    craft_put32(tcp + 4, s->ack);
    lab_inject(lab, 1, frame,
               craft_error(frame, ends, &quoted, type_code, 0, CRAFT_TCP_PROTO, tcp, 8));
}

/* Nothing that ICMP says ends a connection that stands, soft (MUST-56) or hard; a source quench is
 * not even heard (MUST-55); what was said is found and kept for the user (MUST-54, SHLD-25,
 * H-3.2.2.1-2, H-3.2.2.1-3, H-3.2.2.1-4, H-3.2.2.4-1, H-3.2.2.5-2, C-network-unreachable). */
static void icmp_ends_no_connection(void **state)
{
    (void)state;
    static const unsigned type_code[2][20] = {
        { 0x0400, 0x0300, 0x0301, 0x0302, 0x0303, 0x0305, 0x0306, 0x0307, 0x0308, 0x0309, 0x030a,
          0x030b, 0x030c, 0x030d, 0x030e, 0x030f, 0x0b00, 0x0b01, 0x0c00 },
        { 0x0100, 0x0101, 0x0102, 0x0103, 0x0104, 0x0105, 0x0106, 0x0300, 0x0301, 0x0400, 0x0401 },
    };
    for (int f = 0; f < 2; f++)
        for (int i = 0; i < 20 && type_code[f][i] != 0; i++) {
            struct lab lab;
            struct craft_segment s;
            hand_begin(&lab);
            struct craft_ends ends = from_hand(&lab, families[f]);
            struct naru_sock *listener = lab_listen(&lab, 1, families[f], 80);
            struct naru_sock *sock = plain_open(&lab, &ends, listener, &s);
            say_hello(&lab, sock);
            assert_true(answers(&lab) == 1);
            report(&lab, &ends, &s, type_code[f][i]);
            assert_int_equal(answers(&lab), 0);
            assert_int_equal(lab_state(sock), NARU_TCP_ESTABLISHED);
            bool quench = type_code[f][i] == 0x0400 && f == 0;
            assert_int_equal(naru_sock_tcp_of(sock)->tcp.more->soft_error != 0, !quench);
            assert_int_equal(naru_stack_drops(lab.stack[1], NARU_DROP_ICMP_IGNORED), quench);
            assert_int_equal(get(sock, NARU_OPT_ERROR), NARU_OK);
            naru_sock_abort(sock, lab.now);
            naru_sock_close(listener, lab.now);
            lab_end(&lab);
        }
}

/* ---- Neighbours ---- */

/* A connection whose segments are not acknowledged lets its next hop be asked whether it is there,
 * after three retransmissions at least (MUST-20, SHLD-10), and not before (H-3.3.1.4-5). */
static void a_silent_peer_has_its_neighbour_probed(void **state)
{
    (void)state;
    for (int f = 0; f < 2; f++) {
        struct lab lab;
        struct naru_sock *client, *server;
        struct naru_tcp_info info;
        uint8_t out[CRAFT_MAX];
        unsigned asked = 0, retransmits = 0;
        hand_begin(&lab);
        assert_true(lab_established(&lab, families[f], 80, &client, &server));
        assert_true(lab_transfer(&lab, server, client, 1000, lab.now + NARU_SEC(1)));
        lab_run(&lab, lab.now + NARU_SEC(60)); /* nobody believes any more that it is there */
        assert_true(lab_transfer(&lab, server, client, 1000, lab.now + NARU_SEC(1)));
        lab_run(&lab, lab.now + NARU_SEC(60));
        say_hello(&lab, server);
        for (int ms = 0; ms < 60000 && asked == 0; ms += 10) {
            naru_stack_tick(lab.stack[1], lab.now);
            for (size_t len; (len = lab_take(&lab, 1, out, sizeof(out))) != 0;) {
                unsigned type = craft_get16(out + 12);
                asked += type == 0x0806 || (type == 0x86dd && out[CRAFT_ETH + 6] == CRAFT_ICMPV6);
            }
            assert_int_equal(naru_sock_tcp_info(server, &info, lab.now), NARU_OK);
            retransmits = info.retransmits;
            lab.now += NARU_MS(10);
        }
        assert_int_equal(asked, 1);
        assert_true(retransmits >= 3);
        naru_sock_abort(client, lab.now);
        naru_sock_abort(server, lab.now);
        lab_end(&lab);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checksums_are_always_made),
        cmocka_unit_test(announced_mss_fits_the_link),
        cmocka_unit_test(default_mss_by_family),
        cmocka_unit_test(initial_numbers_need_the_secret),
        cmocka_unit_test(one_local_address_for_the_whole_connection),
        cmocka_unit_test(listening_disturbs_nobody),
        cmocka_unit_test(connecting_to_many_fails),
        cmocka_unit_test(fields_of_ip_are_the_applications),
        cmocka_unit_test(unknown_ip_options_are_ignored),
        cmocka_unit_test(strange_syns_get_silence),
        cmocka_unit_test(drops_can_be_logged),
        cmocka_unit_test(icmp_ends_no_connection),
        cmocka_unit_test(a_silent_peer_has_its_neighbour_probed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
