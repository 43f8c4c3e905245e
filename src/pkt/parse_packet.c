/*
 * Packets of a script: TCP segments with their options, UDP datagrams, ICMP messages.
 */
#include "base/bytes.h"
#include "pkt/parse.h"
#include "wire/tcp.h"

#include <ctype.h>
#include <string.h>

/* ---- What is said of the IP header ---- */

static void one_ip_word(struct naru_scan *s, struct naru_script_ip *ip)
{
    static const struct {
        const char *name;
        enum naru_script_ecn ecn;
    } names[] = {
        { "noecn", NARU_SCRIPT_ECN_NONE }, { "ect0", NARU_SCRIPT_ECT0 },
        { "ect1", NARU_SCRIPT_ECT1 },      { "ect01", NARU_SCRIPT_ECT01 },
        { "ce", NARU_SCRIPT_CE },
    };
    for (size_t i = 0; i < NARU_ARRAY_LEN(names); i++) {
        if (naru_scan_accept_word(s, names[i].name)) {
            ip->ecn = names[i].ecn;
            return;
        }
    }
    if (naru_scan_accept_word(s, "tos")) {
        ip->has_tos = true;
        ip->tos = (uint8_t)naru_scan_uint(s, UINT8_MAX);
    } else if (naru_scan_accept_word(s, "ttl")) {
        ip->has_ttl = true;
        ip->ttl = (uint8_t)naru_scan_uint(s, UINT8_MAX);
    } else if (naru_scan_accept_word(s, "flowlabel")) {
        ip->has_flow = true;
        ip->flow = naru_scan_uint(s, 0xfffff);
    } else {
        naru_scan_fail(s, "unknown word about the IP header");
    }
}

static void parse_ip(struct naru_scan *s, struct naru_script_ip *ip)
{
    const char *close = naru_scan_accept(s, "(") ? ")" : naru_scan_accept(s, "[") ? "]" : NULL;
    if (close == NULL)
        return;
    do
        one_ip_word(s, ip);
    while (naru_scan_accept(s, ","));
    naru_scan_need(s, close);
}

/* ---- TCP options ---- */

static void put_hex(struct naru_scan *s, struct naru_script_opt *opt)
{
    const char *from = s->at, *text;
    if (isalpha(naru_scan_peek(s)) != 0) {
        const char *word = naru_scan_word(s);
        text = naru_scan_defined(s, word);
        if (text == NULL) {
            text = word;
            for (const char *p = word; *p != '\0'; p++)
                if (!isxdigit((unsigned char)*p))
                    s->at = from;
            if (s->at == from)
                return;
        }
    } else if (isdigit(naru_scan_peek(s))) {
        size_t n = 0;
        while (isxdigit((unsigned char)s->at[n]))
            n++;
        text = naru_arena_text(s->arena, s->at, n);
        s->at += n;
    } else {
        return;
    }
    for (; isxdigit((unsigned char)text[0]) && isxdigit((unsigned char)text[1]); text += 2) {
        unsigned high = isdigit((unsigned char)text[0]) ? (unsigned)(text[0] - '0')
                                                        : (unsigned)(text[0] | 32) - 'a' + 10;
        unsigned low = isdigit((unsigned char)text[1]) ? (unsigned)(text[1] - '0')
                                                       : (unsigned)(text[1] | 32) - 'a' + 10;
        if (opt->len < sizeof(opt->data) - 2)
            opt->data[opt->len++] = (uint8_t)(high << 4 | low);
    }
}

static void put_sack(struct naru_scan *s, struct naru_script_opt *opt)
{
    while (isdigit(naru_scan_peek(s)) && opt->len + 8U <= sizeof(opt->data) - 2) {
        naru_put32(opt->data + opt->len, naru_scan_uint(s, UINT32_MAX));
        naru_scan_need(s, ":");
        naru_put32(opt->data + opt->len + 4, naru_scan_uint(s, UINT32_MAX));
        opt->len = (uint8_t)(opt->len + 8);
    }
}

static void put_timestamps(struct naru_scan *s, struct naru_script_opt *opt)
{
    opt->len = 8;
    if (!naru_scan_accept_word(s, "val"))
        naru_scan_fail(s, "TS val V ecr E is wanted");
    naru_put32(opt->data, naru_scan_uint(s, UINT32_MAX));
    if (!naru_scan_accept_word(s, "ecr"))
        naru_scan_fail(s, "TS val V ecr E is wanted");
    naru_put32(opt->data + 4, naru_scan_uint(s, UINT32_MAX));
}

/* "e1b 1 ceb 0 e0b 1" or "e0b 1 ceb 0 e1b 1", or the first of them: the first name is the order. */
static void put_accecn(struct naru_scan *s, struct naru_script_opt *opt)
{
    static const char *const names[] = { "e0b", "ceb", "e1b" };
    bool first1 = false;
    for (unsigned n = 0; n < 3; n++, opt->len = (uint8_t)(opt->len + 3)) {
        if (n == 0)
            first1 = naru_scan_accept_word(s, "e1b");
        if (!(n == 0 && first1) && !naru_scan_accept_word(s, names[first1 ? 2 - n : n]))
            break;
        uint32_t value = naru_scan_uint(s, 0xffffff);
        naru_put8(opt->data + opt->len, value >> 16);
        naru_put16(opt->data + opt->len + 1, value & 0xffff);
    }
    opt->kind = first1 ? NARU_TCP_KIND_ACCECN_FIRST1 : NARU_TCP_KIND_ACCECN_FIRST0;
}

static void option_value(struct naru_scan *s, struct naru_script_opt *opt)
{
    switch (opt->kind) {
    case NARU_TCP_KIND_MSS:
        opt->len = 2;
        naru_put16(opt->data, naru_scan_uint(s, UINT16_MAX));
        break;
    case NARU_TCP_KIND_WSCALE:
        opt->len = 1;
        opt->data[0] = (uint8_t)naru_scan_uint(s, UINT8_MAX);
        break;
    case NARU_TCP_KIND_SACK:
        put_sack(s, opt);
        break;
    case NARU_TCP_KIND_TS:
        put_timestamps(s, opt);
        break;
    case NARU_TCP_KIND_EXPERIMENT:
        opt->len = 2;
        naru_put16(opt->data, NARU_TCP_FASTOPEN_EXID);
        put_hex(s, opt);
        break;
    case NARU_TCP_KIND_MD5:
    case NARU_TCP_KIND_FASTOPEN:
        put_hex(s, opt);
        break;
    default:
        break;
    }
}

static bool parse_option(struct naru_scan *s, struct naru_script_opt *opt)
{
    static const struct {
        const char *name;
        uint8_t kind;
    } names[] = {
        { "nop", NARU_TCP_KIND_NOP },
        { "eol", NARU_TCP_KIND_EOL },
        { "mss", NARU_TCP_KIND_MSS },
        { "wscale", NARU_TCP_KIND_WSCALE },
        { "sackOK", NARU_TCP_KIND_SACK_OK },
        { "sack", NARU_TCP_KIND_SACK },
        { "TS", NARU_TCP_KIND_TS },
        { "FO", NARU_TCP_KIND_FASTOPEN },
        { "FOEXP", NARU_TCP_KIND_EXPERIMENT },
        { "md5", NARU_TCP_KIND_MD5 },
    };
    for (size_t i = 0; i < NARU_ARRAY_LEN(names); i++) {
        if (!naru_scan_accept_word(s, names[i].name))
            continue;
        opt->kind = names[i].kind;
        option_value(s, opt);
        return true;
    }
    if (naru_scan_accept_word(s, "ECN")) {
        put_accecn(s, opt);
        return true;
    }
    const char *word = naru_scan_word(s);
    naru_scan_fail(s, "unknown TCP option %s", word != NULL ? word : "");
    return false;
}

static unsigned option_size(const struct naru_script_opt *opt)
{
    return opt->kind == NARU_TCP_KIND_EOL || opt->kind == NARU_TCP_KIND_NOP ? 1 : 2U + opt->len;
}

static void parse_options(struct naru_scan *s, struct naru_script_packet *p)
{
    unsigned size = 0;
    if (!naru_scan_accept(s, "<"))
        return;
    if (naru_scan_accept(s, "...")) {
        p->opts_any = true;
        if (p->inbound)
            naru_scan_fail(s, "<...> is for packets from the stack");
    } else if (naru_scan_peek(s) != '>') {
        p->opt = naru_arena_take(s->arena, NARU_SCRIPT_OPTS_MAX * sizeof(*p->opt));
        do {
            if (p->opt_count == NARU_SCRIPT_OPTS_MAX || !parse_option(s, &p->opt[p->opt_count]))
                break;
            size += option_size(&p->opt[p->opt_count++]);
        } while (naru_scan_accept(s, ","));
    }
    naru_scan_need(s, ">");
    if (size % 4 != 0 || size > NARU_TCP_OPTIONS_MAX)
        naru_scan_fail(s, "TCP options of %u bytes: a multiple of 4 is wanted, 40 at most", size);
}

/* ---- TCP ---- */

static void parse_flags(struct naru_scan *s, struct naru_script_packet *p)
{
    static const char letters[] = "FSRP.UEWA";
    static const uint16_t flags[] = { NARU_TCP_FIN, NARU_TCP_SYN, NARU_TCP_RST,
                                      NARU_TCP_PSH, NARU_TCP_ACK, NARU_TCP_URG,
                                      NARU_TCP_ECE, NARU_TCP_CWR, NARU_TCP_AE };
    const char *begin;
    (void)naru_scan_peek(s);
    begin = s->at;
    if (naru_scan_accept(s, "-"))
        return;
    for (; !s->failed && *s->at != '\0' && strchr(letters, *s->at) != NULL; s->at++)
        p->flags |= flags[strchr(letters, *s->at) - letters];
    if (s->at != begin && *s->at >= '0' && *s->at <= '7') { /* the ACE field (RFC 9768) */
        unsigned ace = (unsigned)(*s->at++ - '0');
        p->flags |= (uint16_t)((ace & 4 ? NARU_TCP_AE : 0) | (ace & 2 ? NARU_TCP_CWR : 0) |
                               (ace & 1 ? NARU_TCP_ECE : 0));
    }
    if (s->at == begin)
        naru_scan_fail(s, "syntax: the flags of a segment are wanted (F S R P U E W A . or -)");
}

static void parse_range(struct naru_scan *s, struct naru_script_packet *p)
{
    if (naru_scan_accept(s, "...")) {
        p->seq_any = true;
        naru_scan_need(s, "(");
        p->len = naru_scan_uint(s, UINT16_MAX);
        naru_scan_need(s, ")");
        return;
    }
    p->seq = naru_scan_uint(s, UINT32_MAX);
    naru_scan_need(s, ":");
    uint32_t end = naru_scan_uint(s, UINT32_MAX);
    naru_scan_need(s, "(");
    p->len = naru_scan_uint(s, INT32_MAX);
    naru_scan_need(s, ")");
    if (p->seq + p->len != end)
        naru_scan_fail(s, "%u:%u(%u): the length and the sequence numbers disagree", p->seq, end,
                       p->len);
}

static void parse_tcp(struct naru_scan *s, struct naru_script_packet *p)
{
    if (isdigit(naru_scan_peek(s))) {
        p->sport = (uint16_t)naru_scan_uint(s, UINT16_MAX);
        naru_scan_need(s, ">");
        p->dport = (uint16_t)naru_scan_uint(s, UINT16_MAX);
    }
    parse_flags(s, p);
    parse_range(s, p);
    p->has_ack = naru_scan_accept_word(s, "ack");
    if (p->has_ack)
        p->ack = naru_scan_uint(s, UINT32_MAX);
    p->has_win = naru_scan_accept_word(s, "win");
    if (p->has_win)
        p->win = (uint16_t)naru_scan_uint(s, UINT16_MAX);
    p->has_urg = naru_scan_accept_word(s, "urg");
    if (p->has_urg)
        p->urg = (uint16_t)naru_scan_uint(s, UINT16_MAX);
    if (!p->has_ack && (p->flags & NARU_TCP_ACK))
        naru_scan_fail(s, "a segment with the ACK flag says which: ack N");
    if (!p->has_win && p->inbound)
        naru_scan_fail(s, "a segment to the stack says its window: win N");
    parse_options(s, p);
}

/* ---- UDP and ICMP ---- */

static void parse_quote(struct naru_scan *s, struct naru_script_packet *p)
{
    if (!naru_scan_accept(s, "["))
        return;
    if (naru_scan_accept_word(s, "udp")) {
        p->quotes_udp = true;
        naru_scan_need(s, "(");
        p->len = naru_scan_uint(s, UINT16_MAX);
        naru_scan_need(s, ")");
    } else if (naru_scan_accept_word(s, "raw")) {
        naru_scan_skip(s, "ICMP that quotes raw bytes");
    } else {
        p->quotes_tcp = true;
        parse_range(s, p);
    }
    naru_scan_need(s, "]");
}

static const char *name_or_number(struct naru_scan *s)
{
    size_t n = 0;
    if (isalpha(naru_scan_peek(s))) {
        const char *word = naru_scan_word(s);
        const char *value = naru_scan_defined(s, word);
        return value != NULL ? value : word;
    }
    while (isdigit((unsigned char)s->at[n]))
        n++;
    const char *text = naru_arena_text(s->arena, s->at, n);
    s->at += n;
    return text;
}

static void parse_icmp(struct naru_scan *s, struct naru_script_packet *p)
{
    p->icmp_type = name_or_number(s);
    while (!s->failed) {
        if (naru_scan_accept_word(s, "mtu")) {
            p->icmp_mtu = naru_scan_uint(s, UINT32_MAX);
        } else if (naru_scan_accept_word(s, "id")) {
            p->icmp_id = (uint16_t)naru_scan_uint(s, UINT16_MAX);
        } else if (p->icmp_code == NULL && isalpha(naru_scan_peek(s))) {
            p->icmp_code = name_or_number(s);
        } else {
            break;
        }
    }
    parse_quote(s, p);
}

void naru_parse_packet(struct naru_scan *s, struct naru_script_packet *p)
{
    static const char *const outer[] = { "ipv4", "ipv6", "gre", "mpls" };
    p->inbound = naru_scan_accept(s, "<");
    if (!p->inbound)
        naru_scan_need(s, ">");
    parse_ip(s, &p->ip);
    if (p->ip.ecn == NARU_SCRIPT_ECT01 && p->inbound)
        naru_scan_fail(s, "ect01 is for packets from the stack");
    for (size_t i = 0; i < NARU_ARRAY_LEN(outer); i++)
        if (naru_scan_accept_word(s, outer[i]))
            naru_scan_skip(s, "encapsulated packets (%s)", outer[i]);
    if (naru_scan_accept_word(s, "udp")) {
        p->proto = NARU_SCRIPT_UDP;
        naru_scan_need(s, "(");
        p->len = naru_scan_uint(s, UINT16_MAX);
        naru_scan_need(s, ")");
    } else if (naru_scan_accept_word(s, "icmp")) {
        p->proto = NARU_SCRIPT_ICMP;
        parse_icmp(s, p);
    } else {
        parse_tcp(s, p);
    }
}
