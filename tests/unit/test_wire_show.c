/*
 * Packets as text (wire/show.h).  The lines are tcpdump's, but for what show.h says.
 */
#include "wire_test.h"

#include "wire/show.h"

#define SYN "IP 10.0.2.100.43210 > 10.0.2.2.80: Flags "
#define A4  "IP 10.0.2.100 > 10.0.2.2: "
#define A6  "IP6 fd00::100 > fd00::2: "

static const struct {
    const char *name;
    const char *line;
} lines[] = {
    { "tcp_syn",
      SYN "[S], seq 0, win 65535, options [mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 8], "
          "length 0" },
    { "tcp_syn_nots", SYN "[S], seq 0, win 65535, options [mss 1460,nop,nop,sackOK,nop,wscale 8], "
                          "length 0" },
    { "tcp_syn_ws", SYN "[SEW], seq 0, win 65535, options [mss 1460,nop,wscale 8], length 0" },
    { "tcp_synack6",
      "IP6 fd00::100.43210 > fd00::2.80: Flags [S.], seq 4294967294, ack 1, win 64260, "
      "options [mss 1440,nop,nop,sackOK], length 0" },
    { "tcp_data",
      SYN "[P.], seq 1:6, ack 1, win 512, options [nop,nop,TS val 100 ecr 200], length 5" },
    { "tcp_sack", SYN "[.], ack 1, win 512, options [nop,nop,sack 1 {1461:2921}], length 0" },
    { "tcp_ts_sack", SYN "[.], ack 1, win 512, options [nop,nop,TS val 100 ecr 200,nop,nop,sack 3 "
                         "{1461:2921}{4381:5841}{7301:8761}], length 0" },
    { "tcp_fin", SYN "[F.], seq 1, ack 1, win 512, length 0" },
    { "tcp_rst", SYN "[R], seq 1, win 0, length 0" },
    { "tcp_urg", SYN "[P.U], seq 1:4, ack 1, win 512, urg 3, length 3" },
    { "tcp_tfo",
      SYN "[S], seq 0, win 65535, options [mss 1460,nop,nop,tfo cookie 3021b9d889017eeb,nop,"
          "nop,eol], length 0" },
    { "tcp_tforeq",
      SYN "[S], seq 0, win 65535, options [mss 1460,tfo cookiereq,nop,nop], length 0" },
    { "tcp_tfoexp", SYN "[S], seq 0, win 65535, options [mss 1460,exp-tfo cookiereq], length 0" },
    { "tcp_uto", SYN "[S], seq 0, win 65535, options [uto 0x64], length 0" },
    { "udp4", "IP 10.0.2.100.1000 > 10.0.2.2.2000: UDP, length 5" },
    { "udp6", "IP6 fd00::100.1000 > fd00::2.2000: UDP, length 5" },
    { "udp_pad", "IP 10.0.2.100.1000 > 10.0.2.2.2000: UDP, length 1" },
    { "arp_req", "ARP, Request who-has 10.0.2.2 tell 10.0.2.100, length 28" },
    { "arp_rep", "ARP, Reply 10.0.2.100 is-at 02:00:00:00:00:01, length 28" },
    { "echo", A4 "ICMP echo request, id 4660, seq 7, length 16" },
    { "echo6", A6 "ICMP6, echo request, id 4660, seq 7, length 16" },
    { "unr_port", A4 "ICMP 10.0.2.100 udp port 53 unreachable, length 44" },
    { "unr_host", A4 "ICMP host 10.0.2.100 unreachable, length 44" },
    { "unr_net", A4 "ICMP net 10.0.2.100 unreachable, length 44" },
    { "unr_frag", A4 "ICMP 10.0.2.100 unreachable - need to frag (mtu 1400), length 48" },
    { "unr_admin", A4 "ICMP host 10.0.2.100 unreachable - admin prohibited filter, length 44" },
    { "ttl", A4 "ICMP time exceeded in-transit, length 44" },
    { "reasm", A4 "ICMP ip reassembly time exceeded, length 44" },
    { "param", A4 "ICMP parameter problem - octet 20, length 44" },
    { "redirect", A4 "ICMP redirect 10.0.2.100 to host 10.0.2.9, length 44" },
    { "unr6_port",
      A6 "ICMP6, destination unreachable, unreachable port, fd00::100 udp port 53, length 64" },
    { "toobig", A6 "ICMP6, packet too big, mtu 1280, length 64" },
    { "ttl6", A6 "ICMP6, time exceeded in-transit for fd00::100, length 64" },
    { "param6", A6 "ICMP6, parameter problem, next header - octet 6, length 64" },
    { "ns", "IP6 fe80::1 > ff02::1:ff00:2: ICMP6, neighbor solicitation, who has fe80::2, source "
            "link-address 02:00:00:00:00:01, length 32" },
    { "na", "IP6 fe80::2 > fe80::1: ICMP6, neighbor advertisement, tgt is fe80::2, flags router "
            "solicited override, destination link-address 02:00:00:00:00:02, length 32" },
    { "rs", "IP6 fe80::1 > ff02::2: ICMP6, router solicitation, source link-address "
            "02:00:00:00:00:01, length 16" },
    { "ra",
      "IP6 fe80::1 > ff02::1: ICMP6, router advertisement, hop limit 64, lifetime 1800s, source "
      "link-address 02:00:00:00:00:01, mtu 1500, prefix fd00:1::/64 onlink auto, rdnss "
      "fd00::53, rdnss fd00::54, length 104" },
    { "redir6", "IP6 fe80::1 > fd00::100: ICMP6, redirect, fd00::9 to fe80::2, destination "
                "link-address 02:00:00:00:00:02, length 112" },
    { "igmp_q2", "IP 10.0.2.100 > 224.0.0.1: igmp query v2 [max resp 10000 ms]" },
    { "igmp_r2", "IP 10.0.2.100 > 239.1.2.3: igmp v2 report 239.1.2.3" },
    { "igmp_lv", "IP 10.0.2.100 > 224.0.0.2: igmp leave 239.1.2.3" },
    { "igmp_q3", "IP 10.0.2.100 > 239.1.2.3: igmp query v3 [max resp 49600 ms] [gaddr 239.1.2.3, 2 "
                 "source(s)]" },
    { "igmp_r3",
      "IP 10.0.2.100 > 224.0.0.22: igmp v3 report, 2 group record(s) [239.1.2.3 to_ex {}] "
      "[232.1.1.1 is_in {10.0.0.7}]" },
    { "mld_q1",
      "IP6 fe80::1 > ff02::1: HBH ICMP6, multicast listener query v1 [max resp 10000 ms], "
      "length 24" },
    { "mld_r1", "IP6 fe80::1 > ff02::5555: HBH ICMP6, multicast listener v1 report ff02::5555, "
                "length 24" },
    { "mld_d1", "IP6 fe80::1 > ff02::2: HBH ICMP6, multicast listener done ff02::5555, length 24" },
    { "mld_q2",
      "IP6 fe80::1 > ff02::5555: HBH ICMP6, multicast listener query v2 [max resp 1000 ms] "
      "[gaddr ff02::5555, 1 source(s)], length 44" },
    { "mld_r2",
      "IP6 fe80::1 > ff02::16: HBH ICMP6, multicast listener v2 report, 1 group record(s) "
      "[ff02::5555 to_ex {}], length 28" },
    { "frag4a",
      "IP 10.0.2.100.1000 > 10.0.2.2.2000: UDP, length 2992 (frag id 77, offset 0, length 24, "
      "more)" },
    { "frag4b", A4 "udp (frag id 77, offset 1480, length 100)" },
    { "frag6a",
      "IP6 fd00::100.1000 > fd00::2.2000: UDP, length 2992 (frag id 99, offset 0, length 24, "
      "more)" },
    { "frag6b", A6 "udp (frag id 99, offset 1448, length 52)" },
    { "dstopt", "IP6 fd00::100.1000 > fd00::2.2000: DSTOPT UDP, length 5" },
    { "vlan", "vlan 100, p 3, IP 10.0.2.100.1000 > 10.0.2.2.2000: UDP, length 5" },
    { "qinq", "vlan 200, p 0, vlan 100, p 0, ARP, Request who-has 10.0.2.2 tell 10.0.2.100, "
              "length 28" },
    { "ospf", "IP 10.0.2.100 > 224.0.0.5: ospf 44" },
    { "lldp", "02:00:00:00:00:01 > 01:80:c2:00:00:0e, ethertype 0x88cc, length 46" },
    { "ipopts", "IP 10.0.2.100.1000 > 10.0.2.2.2000: UDP, length 5" },
};

static void every_frame_has_its_line(void **state)
{
    (void)state;
    assert_int_equal(NARU_ARRAY_LEN(lines), NARU_ARRAY_LEN(wire_frames));
    for (size_t i = 0; i < NARU_ARRAY_LEN(lines); i++) {
        char text[400];
        struct naru_text t;
        size_t len;
        uint8_t *frame = frame_get(lines[i].name, &len);
        naru_text_init(&t, text, sizeof(text));
        naru_show_frame(&t, frame, len);
        assert_string_equal(text, lines[i].line);
        free(frame);
    }
}

/* A frame's line, cut to cut bytes; the caller's to compare. */
static void show_cut(const uint8_t *frame, size_t cut, char *text, size_t size)
{
    struct naru_text t;
    uint8_t *copy = exact(frame, cut);
    naru_text_init(&t, text, size);
    naru_show_frame(&t, copy, cut);
    assert_true(t.len > 0);
    free(copy);
}

static void every_frame_cut_anywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < NARU_ARRAY_LEN(wire_frames); i++) {
        size_t len;
        uint8_t *frame = unhex(wire_frames[i].hex, &len);
        for (size_t cut = 0; cut <= len; cut++) {
            char text[400];
            show_cut(frame, cut, text, sizeof(text));
        }
        free(frame);
    }
}

static void what_is_missing_is_said(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t cut;
        const char *line;
    } cases[] = {
        { "tcp_data", 13, "[|ether]" },
        { "qinq", 17, "[|ether]" },
        { "tcp_data", 33, "IP [|ip]" },
        { "udp6", 53, "IP6 [|ip6]" },
        { "arp_req", 41, "ARP, [|arp]" },
        { "tcp_data", 50,
          "IP truncated-ip - 21 bytes missing! 10.0.2.100.43210 > 10.0.2.2.80: [|tcp]" },
        { "udp4", 36, "IP truncated-ip - 11 bytes missing! 10.0.2.100 > 10.0.2.2: [|udp]" },
        { "echo", 40, "IP truncated-ip - 10 bytes missing! 10.0.2.100 > 10.0.2.2: ICMP [|icmp]" },
    };
    for (size_t i = 0; i < NARU_ARRAY_LEN(cases); i++) {
        char text[400];
        size_t len;
        uint8_t *frame = frame_get(cases[i].name, &len);
        show_cut(frame, cases[i].cut, text, sizeof(text));
        assert_string_equal(text, cases[i].line);
        free(frame);
    }
}

static void damaged_frames_seed(uint64_t seed)
{
    struct naru_rand r;
    naru_rand_init_u64(&r, seed);
    size_t len;
    char text[64]; /* short: most lines are cut */
    uint8_t *frame = unhex(wire_frames[naru_rand_below(&r, NARU_ARRAY_LEN(wire_frames))].hex, &len);
    for (unsigned n = naru_rand_between(&r, 1, 6); n > 0; n--)
        frame[naru_rand_below(&r, (uint32_t)len)] = rand8(&r);
    show_cut(frame, naru_rand_between(&r, 0, (uint32_t)len), text, sizeof(text));
    SEED_CHECK(seed, memchr(text, '\0', sizeof(text)) != NULL);
    free(frame);
}

static void damaged_frames(void **state)
{
    (void)state;
    for_each_seed(20000, damaged_frames_seed);
}

static void parsed_headers_show_as_packets_do(void **state)
{
    (void)state;
    static const char *const names[] = { "tcp_syn", "tcp_data", "tcp_ts_sack", "tcp_urg" };
    for (size_t i = 0; i < NARU_ARRAY_LEN(names); i++) {
        struct opened o;
        struct naru_tcp_hdr h;
        struct naru_text t;
        char from_bytes[400], from_header[400];
        frame_open(names[i], &o);
        naru_text_init(&t, from_bytes, sizeof(from_bytes));
        naru_show_segment(&t, o.payload, o.payload.len);
        assert_int_equal(naru_tcp_parse(&o.payload, &h), NARU_DROP_NONE);
        naru_text_init(&t, from_header, sizeof(from_header));
        naru_show_tcp(&t, &h, o.payload.len);
        assert_string_equal(from_header, from_bytes);
        frame_close(&o);
    }
}

static void flags(void **state)
{
    (void)state;
    static const struct {
        unsigned flags;
        const char *text;
    } cases[] = {
        { 0, "none" },
        { NARU_TCP_ACK, "." },
        { NARU_TCP_FIN | NARU_TCP_PSH | NARU_TCP_ACK, "FP." },
        { NARU_TCP_RST | NARU_TCP_ACK, "R." },
        { 0x1ff, "FSRP.UEWe" },
    };
    for (size_t i = 0; i < NARU_ARRAY_LEN(cases); i++) {
        char text[16];
        struct naru_text t;
        naru_text_init(&t, text, sizeof(text));
        naru_show_tcp_flags(&t, cases[i].flags);
        assert_string_equal(text, cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_frame_has_its_line),
        cmocka_unit_test(every_frame_cut_anywhere),
        cmocka_unit_test(what_is_missing_is_said),
        cmocka_unit_test(damaged_frames),
        cmocka_unit_test(parsed_headers_show_as_packets_do),
        cmocka_unit_test(flags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
