/*
 * Packets in the words of scripts, for messages.
 */
#include "base/text.h"
#include "pkt/play.h"

static void show_flags(struct naru_text *t, unsigned flags)
{
    static const struct {
        char letter;
        uint16_t flag;
    } letters[] = {
        { 'S', NARU_TCP_SYN }, { 'F', NARU_TCP_FIN }, { 'R', NARU_TCP_RST },
        { 'P', NARU_TCP_PSH }, { 'U', NARU_TCP_URG }, { 'E', NARU_TCP_ECE },
        { 'W', NARU_TCP_CWR }, { 'A', NARU_TCP_AE },  { '.', NARU_TCP_ACK },
    };
    for (size_t i = 0; i < NARU_ARRAY_LEN(letters); i++)
        if (flags & letters[i].flag)
            naru_text_char(t, letters[i].letter);
    if (flags == 0)
        naru_text_char(t, '-');
}

static void show_range(struct naru_text *t, uint32_t seq, uint32_t len)
{
    naru_text_uint(t, seq);
    naru_text_char(t, ':');
    naru_text_uint(t, seq + len);
    naru_text_char(t, '(');
    naru_text_uint(t, len);
    naru_text_char(t, ')');
}

static void show_field(struct naru_text *t, const char *name, uint64_t value)
{
    naru_text_str(t, name);
    naru_text_uint(t, value);
}

static void show_option(struct naru_text *t, unsigned kind, const uint8_t *data, size_t len)
{
    if (kind == NARU_TCP_KIND_EOL || kind == NARU_TCP_KIND_NOP) {
        naru_text_str(t, kind == NARU_TCP_KIND_EOL ? "eol" : "nop");
    } else if (kind == NARU_TCP_KIND_MSS && len == 2) {
        show_field(t, "mss ", naru_get16(data));
    } else if (kind == NARU_TCP_KIND_WSCALE && len == 1) {
        show_field(t, "wscale ", data[0]);
    } else if (kind == NARU_TCP_KIND_SACK_OK) {
        naru_text_str(t, "sackOK");
    } else if (kind == NARU_TCP_KIND_SACK) {
        naru_text_str(t, "sack");
        for (size_t i = 0; i + 8 <= len; i += 8) {
            show_field(t, " ", naru_get32(data + i));
            show_field(t, ":", naru_get32(data + i + 4));
        }
    } else if (kind == NARU_TCP_KIND_TS && len == 8) {
        show_field(t, "TS val ", naru_get32(data));
        show_field(t, " ecr ", naru_get32(data + 4));
    } else if (kind == NARU_TCP_KIND_ACCECN_FIRST0 || kind == NARU_TCP_KIND_ACCECN_FIRST1) {
        static const char *const names[] = { " e0b ", " ceb ", " e1b " };
        naru_text_str(t, "ECN");
        for (size_t i = 0; i < 3 && i * 3 + 3 <= len; i++)
            show_field(t, names[kind == NARU_TCP_KIND_ACCECN_FIRST1 ? 2 - i : i],
                       (uint32_t)data[i * 3] << 16 | naru_get16(data + i * 3 + 1));
    } else {
        naru_text_str(t, kind == NARU_TCP_KIND_FASTOPEN     ? "FO "
                         : kind == NARU_TCP_KIND_EXPERIMENT ? "EXP "
                                                            : "option ");
        if (kind != NARU_TCP_KIND_FASTOPEN && kind != NARU_TCP_KIND_EXPERIMENT)
            show_field(t, "", kind);
        for (size_t i = 0; i < len; i++)
            naru_text_hex(t, data[i], 2);
    }
}

static void show_wanted_options(struct naru_text *t, const struct naru_script_packet *s)
{
    if (s->opts_any)
        naru_text_str(t, " <...>");
    for (unsigned i = 0; i < s->opt_count; i++) {
        naru_text_str(t, i == 0 ? " <" : ",");
        show_option(t, s->opt[i].kind, s->opt[i].data, s->opt[i].len);
    }
    if (s->opt_count > 0)
        naru_text_char(t, '>');
}

static void show_ip(struct naru_text *t, const struct naru_script_ip *ip)
{
    static const char *const names[] = {
        "", "[noecn] ", "[ect0] ", "[ect1] ", "[ect01] ", "[ce] "
    };
    naru_text_str(t, names[ip->ecn]);
    if (ip->has_tos)
        show_field(t, "[tos] ", ip->tos);
}

size_t naru_show_wanted(const struct naru_script_packet *s, char *buf, size_t size)
{
    struct naru_text t;
    naru_text_init(&t, buf, size);
    naru_text_str(&t, "> ");
    show_ip(&t, &s->ip);
    if (s->proto == NARU_SCRIPT_ICMP) {
        naru_text_str(&t, "icmp ");
        naru_text_str(&t, s->icmp_type);
        return t.len;
    }
    if (s->proto == NARU_SCRIPT_UDP) {
        show_field(&t, "udp (", s->len);
        naru_text_char(&t, ')');
        return t.len;
    }
    show_flags(&t, s->flags);
    naru_text_char(&t, ' ');
    if (s->seq_any) {
        show_field(&t, "...(", s->len);
        naru_text_char(&t, ')');
    } else {
        show_range(&t, s->seq, s->len);
    }
    if (s->has_ack)
        show_field(&t, " ack ", s->ack);
    if (s->has_win)
        show_field(&t, " win ", s->win);
    if (s->has_urg)
        show_field(&t, " urg ", s->urg);
    show_wanted_options(&t, s);
    return t.len;
}

static void show_seen_options(struct naru_text *t, const struct naru_seen *seen)
{
    const uint8_t *o = seen->options.at;
    size_t len = seen->options.len, i = 0;
    while (i < len) {
        size_t size = o[i] == NARU_TCP_KIND_EOL || o[i] == NARU_TCP_KIND_NOP ? 1
                      : i + 1 < len                                          ? o[i + 1]
                                                                             : len - i;
        if (size == 0 || size > len - i)
            break;
        naru_text_str(t, i == 0 ? " <" : ",");
        show_option(t, o[i], o + i + 2, size >= 2 ? size - 2 : 0);
        i += size;
    }
    if (i > 0)
        naru_text_char(t, '>');
}

static void show_tcp(struct naru_text *t, const struct naru_play *p, const struct naru_seen *seen)
{
    const struct naru_tcp_hdr *h = &seen->tcp;
    const char *const ecn[] = { "", "[ect1] ", "[ect0] ", "[ce] " };
    naru_text_str(t, ecn[seen->tos & 3]);
    show_flags(t, h->flags);
    naru_text_char(t, ' ');
    show_range(t, h->seq.v - p->conn->offset, seen->payload_len);
    if (h->flags & NARU_TCP_ACK)
        show_field(t, " ack ", h->ack.v);
    show_field(t, " win ", h->wnd);
    if (h->urg != 0)
        show_field(t, " urg ", h->urg);
    show_seen_options(t, seen);
}

size_t naru_show_seen(const struct naru_play *p, const struct naru_seen *seen, char *buf,
                      size_t size)
{
    struct naru_text t;
    naru_text_init(&t, buf, size);
    naru_text_str(&t, "> ");
    if (seen->proto == NARU_PROTO_TCP) {
        show_tcp(&t, p, seen);
    } else if (seen->proto == NARU_PROTO_UDP) {
        show_field(&t, "udp (", seen->payload_len);
        naru_text_char(&t, ')');
    } else {
        show_field(&t, "icmp ", seen->icmp_type);
        show_field(&t, " ", seen->icmp_code);
    }
    return t.len;
}
