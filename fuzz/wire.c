/*
 * Any bytes into every parser of src/wire, and into the text of packets.
 *
 * Beside the sanitizers, this checks that a header that was parsed says the same when it is written
 * and parsed again, and that no span leads out of the input.
 */
#include "input.h"
#include "wire/arp.h"
#include "wire/dhcp.h"
#include "wire/dns.h"
#include "wire/eth.h"
#include "wire/group.h"
#include "wire/icmp.h"
#include "wire/icmpv6.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/nd.h"
#include "wire/quote.h"
#include "wire/show.h"
#include "wire/tcp.h"
#include "wire/udp.h"

#include "base/addr.h"

#include <stdlib.h>
#include <string.h>

static struct naru_span whole; /* the input */

/* Inside the input, and readable to its end. */
static void inside(struct naru_span s)
{
    if (s.at == NULL) {
        CHECK(s.len == 0);
        return;
    }
    CHECK(s.at >= whole.at && s.len <= whole.len);
    CHECK((size_t)(s.at - whole.at) <= whole.len - s.len);
}

static void fuzz_eth(struct naru_span in)
{
    struct naru_eth_hdr h;
    uint8_t out[NARU_ETH_LEN_MAX];
    const uint8_t *at = in.at;
    if (naru_eth_parse(&in, &h) != NARU_DROP_NONE)
        return;
    inside(in);
    CHECK(naru_eth_emit(out, &h) == (size_t)(in.at - at));
    CHECK(memcmp(out, at, naru_eth_len(&h)) == 0);
}

static void fuzz_arp(struct naru_span in)
{
    struct naru_arp_hdr h;
    uint8_t out[NARU_ARP_LEN];
    const uint8_t *at = in.at;
    if (naru_arp_parse(&in, &h) != NARU_DROP_NONE)
        return;
    inside(in);
    naru_arp_emit(out, &h);
    CHECK(memcmp(out, at, sizeof(out)) == 0);
}

static void fuzz_ipv4(struct naru_span in)
{
    struct naru_ipv4_hdr h, again;
    struct naru_ipv4_options o;
    struct naru_span quoted = in;
    uint8_t out[NARU_IPV4_LEN_MAX];
    const uint8_t *at = in.at;
    if (naru_ipv4_parse_quoted(&quoted, &h) == NARU_DROP_NONE)
        inside(quoted);
    if (naru_ipv4_parse(&in, &h) != NARU_DROP_NONE)
        return;
    inside(in);
    inside(h.options);
    naru_ipv4_checksum_ok(at, h.header_len);
    if (naru_ipv4_options_parse(&h, &o) == NARU_DROP_NONE) {
        inside(o.rr);
        inside(o.ts);
        inside(o.lsrr);
        inside(o.ssrr);
    } else {
        CHECK(o.problem >= NARU_IPV4_LEN && o.problem <= h.header_len);
    }
    h.total_len = h.header_len;
    struct naru_span written = naru_span(out, naru_ipv4_emit(out, &h));
    CHECK(naru_ipv4_checksum_ok(out, written.len));
    CHECK(naru_ipv4_parse(&written, &again) == NARU_DROP_NONE);
    CHECK(naru_addr_eq(&again.src, &h.src) && naru_addr_eq(&again.dst, &h.dst));
    CHECK(again.frag_offset == h.frag_offset && again.mf == h.mf && again.df == h.df);
}

static void fuzz_ipv6(struct naru_span in)
{
    struct naru_ipv6_hdr h;
    struct naru_ipv6_walk w;
    struct naru_span quoted = in;
    uint8_t out[NARU_IPV6_LEN];
    const uint8_t *at = in.at;
    if (naru_ipv6_parse_quoted(&quoted, &h) == NARU_DROP_NONE)
        inside(quoted);
    if (naru_ipv6_parse(&in, &h) != NARU_DROP_NONE)
        return;
    inside(in);
    naru_ipv6_emit(out, &h);
    CHECK(memcmp(out, at, sizeof(out)) == 0);
    size_t len = in.len;
    enum naru_drop drop = naru_ipv6_walk(&in, &h, &w);
    CHECK(w.next_header_at < NARU_IPV6_LEN + len && w.problem_at < NARU_IPV6_LEN + len);
    if (drop == NARU_DROP_NONE) {
        inside(in);
        CHECK(w.header_len + in.len == NARU_IPV6_LEN + len);
        CHECK(w.answer == NARU_IPV6_SILENT);
    }
}

static void fuzz_icmp(struct naru_span in)
{
    struct naru_icmp_hdr h;
    struct naru_icmpv6_hdr h6;
    struct naru_quote q;
    struct naru_span in6 = in;
    naru_icmp_checksum_ok(in.at, in.len);
    if (naru_icmp_parse(&in, &h) == NARU_DROP_NONE)
        inside(in);
    if (naru_icmpv6_parse(&in6, &h6) == NARU_DROP_NONE)
        inside(in6);
    if (naru_quote_parse(in, NARU_IPV4, &q) == NARU_DROP_NONE)
        inside(q.transport);
    if (naru_quote_parse(in, NARU_IPV6, &q) == NARU_DROP_NONE)
        inside(q.transport);
}

static void fuzz_nd(struct naru_span in)
{
    struct naru_nd_ra ra;
    struct naru_nd_ns ns;
    struct naru_nd_na na;
    struct naru_nd_redirect redirect;
    struct naru_nd_options o;
    struct naru_nd_option one;
    struct naru_nd_prefix prefix;
    struct naru_nd_rdnss rdnss;
    struct naru_nd_dnssl dnssl;
    char name[NARU_ND_DOMAIN_SIZE];
    struct naru_span s = in;
    naru_nd_rs_parse(&s);
    s = in;
    naru_nd_ra_parse(&s, &ra);
    s = in;
    naru_nd_ns_parse(&s, &ns);
    s = in;
    naru_nd_na_parse(&s, &na);
    s = in;
    naru_nd_redirect_parse(&s, &redirect);
    inside(s);
    if (naru_nd_options_parse(in, &o) == NARU_DROP_NONE)
        inside(o.redirected);
    while (naru_nd_option_next(&in, &one)) {
        inside(one.data);
        if (naru_nd_prefix_parse(&one, &prefix))
            CHECK(prefix.prefix_len <= 128);
        if (naru_nd_rdnss_parse(&one, &rdnss))
            for (unsigned i = 0; i < rdnss.count; i++)
                naru_nd_rdnss_get(&rdnss, i);
        if (naru_nd_dnssl_parse(&one, &dnssl))
            while (naru_nd_dnssl_next(&dnssl, name)) {
                inside(dnssl.names);
                CHECK(name[0] != '\0' && memchr(name, '\0', sizeof(name)) != NULL);
            }
    }
}

static void fuzz_group_message(struct naru_group_msg *m)
{
    struct naru_group_rec r;
    unsigned count = 0;
    inside(m->sources);
    for (unsigned i = 0; i < m->source_count; i++)
        naru_group_source(m->sources, m->family, i);
    for (; naru_group_rec_next(m, &r); count++)
        inside(r.sources);
    CHECK(count == m->record_count);
}

static void fuzz_group(struct naru_span in)
{
    static const uint8_t types[] = { NARU_ICMPV6_MLD_QUERY, NARU_ICMPV6_MLD_REPORT,
                                     NARU_ICMPV6_MLD_DONE, NARU_ICMPV6_MLDV2_REPORT };
    struct naru_group_msg m;
    if (naru_igmp_parse(in, &m) == NARU_DROP_NONE)
        fuzz_group_message(&m);
    for (size_t i = 0; i < sizeof(types); i++)
        if (naru_mld_parse(in, types[i], &m) == NARU_DROP_NONE)
            fuzz_group_message(&m);
}

static void fuzz_tcp(struct naru_span in)
{
    struct naru_tcp_hdr h, again;
    uint8_t out[NARU_TCP_LEN_MAX];
    char text[200];
    struct naru_text t;
    if (naru_tcp_parse(&in, &h) != NARU_DROP_NONE)
        return;
    inside(in);
    inside(naru_span(h.cookie, h.cookie_len));
    naru_text_init(&t, text, sizeof(text));
    naru_show_tcp(&t, &h, in.len);
    if (!naru_tcp_fits(&h))
        return;
    struct naru_span written = naru_span(out, naru_tcp_emit(out, &h));
    CHECK(naru_tcp_parse(&written, &again) == NARU_DROP_NONE);
    CHECK(again.opts == h.opts && again.sack_count == h.sack_count && again.flags == h.flags);
    CHECK(memcmp(again.sack, h.sack, h.sack_count * sizeof(h.sack[0])) == 0);
    CHECK(h.cookie_len == 0 || memcmp(again.cookie, h.cookie, h.cookie_len) == 0);
    if (!(h.opts & NARU_TCP_OPT_ACCECN))
        return;
    CHECK(again.accecn_count == h.accecn_count);
    for (unsigned i = 0; i < h.accecn_count; i++) {
        unsigned at = h.opts & NARU_TCP_OPT_ACCECN_FIRST1 ? NARU_TCP_E1B - i : i;
        CHECK(again.accecn[at] == h.accecn[at]);
    }
}

static void fuzz_udp(struct naru_span in)
{
    struct naru_udp_hdr h;
    uint8_t out[NARU_UDP_LEN];
    const uint8_t *at = in.at;
    if (naru_udp_parse(&in, &h) != NARU_DROP_NONE)
        return;
    inside(in);
    naru_udp_emit(out, &h);
    CHECK(memcmp(out, at, sizeof(out)) == 0);
}

static void fuzz_dns(struct naru_span in)
{
    struct naru_dns_hdr h;
    struct naru_dns_question q;
    struct naru_dns_record r;
    struct naru_dns_name name;
    struct naru_addr addr;
    struct naru_span message = in;
    size_t at = NARU_DNS_LEN, inside_at;
    char text[1100];
    struct naru_text t;
    if (naru_dns_parse(&in, &h) != NARU_DROP_NONE)
        return;
    while (h.questions-- > 0 && naru_dns_question_parse(message, &at, &q) == NARU_DROP_NONE) {
        naru_text_init(&t, text, sizeof(text));
        naru_dns_name_show(&t, &q.name);
        CHECK(!naru_text_cut(&t) && t.len > 0 && at <= message.len);
    }
    while (naru_dns_record_parse(message, &at, &r) == NARU_DROP_NONE) {
        inside(r.data);
        CHECK(at <= message.len && naru_dns_name_eq(&r.name, &r.name));
        naru_dns_addr(&r, &addr);
        inside_at = (size_t)(r.data.at - message.at);
        if (naru_dns_name_parse(message, &inside_at, &name) == NARU_DROP_NONE)
            CHECK(name.len > 0 && name.b[name.len - 1] == 0);
    }
}

static void fuzz_dhcp(struct naru_span in)
{
    static uint8_t out[4096];
    struct naru_dhcp_msg m, again;
    if (naru_dhcp_parse(in, &m) != NARU_DROP_NONE)
        return;
    inside(m.host_name);
    inside(m.domain);
    inside(m.client_id);
    inside(m.parameters);
    inside(m.options);
    size_t len = naru_dhcp_emit(out, sizeof(out), &m);
    CHECK(len >= NARU_DHCP_LEN_MIN);
    CHECK(naru_dhcp_parse(naru_span(out, len), &again) == NARU_DROP_NONE);
    CHECK(again.type == m.type && again.lease_s == m.lease_s && again.dns_count == m.dns_count);
}

static void fuzz_show(struct naru_span in)
{
    char text[300], all[4096];
    struct naru_text t;
    naru_text_init(&t, text, sizeof(text));
    naru_show_frame(&t, in.at, in.len);
    CHECK(t.len > 0 && memchr(text, '\0', sizeof(text)) != NULL);
    naru_text_init(&t, all, sizeof(all));
    naru_show_packet(&t, in.at, in.len);
    CHECK(t.len > 0);
    naru_show_igmp(&t, in);
    naru_show_icmp(&t, in, in.len);
    naru_show_icmpv6(&t, in, in.len);
    naru_show_segment(&t, in, in.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    whole = naru_span(data, size);
    fuzz_eth(whole);
    fuzz_arp(whole);
    fuzz_ipv4(whole);
    fuzz_ipv6(whole);
    fuzz_icmp(whole);
    fuzz_nd(whole);
    fuzz_group(whole);
    fuzz_tcp(whole);
    fuzz_udp(whole);
    fuzz_dns(whole);
    fuzz_dhcp(whole);
    fuzz_show(whole);
    return 0;
}
