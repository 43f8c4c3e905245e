/*
 * TCP segments as text (see show.h).
 */
#include "wire/show.h"

void naru_show_tcp_flags(struct naru_text *t, unsigned flags)
{
    static const char letters[] = "FSRP.UEWe"; /* from the lowest bit */
    if ((flags & ((1U << (sizeof(letters) - 1)) - 1)) == 0)
        naru_text_str(t, "none");
    for (unsigned i = 0; i < sizeof(letters) - 1; i++)
        if ((flags >> i & 1) != 0)
            naru_text_char(t, letters[i]);
}

static void hex_show(struct naru_text *t, const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        naru_text_hex(t, p[i], 2);
}

static void sack_show(struct naru_text *t, const uint8_t *p, size_t len)
{
    naru_text_str(t, "sack ");
    naru_text_uint(t, len / 8);
    naru_text_char(t, ' ');
    for (; len >= 8; p += 8, len -= 8) {
        naru_text_char(t, '{');
        naru_text_uint(t, naru_get32(p));
        naru_text_char(t, ':');
        naru_text_uint(t, naru_get32(p + 4));
        naru_text_char(t, '}');
    }
}

static void ts_show(struct naru_text *t, const uint8_t *p)
{
    naru_text_str(t, "TS val ");
    naru_text_uint(t, naru_get32(p));
    naru_text_str(t, " ecr ");
    naru_text_uint(t, naru_get32(p + 4));
}

static void fastopen_show(struct naru_text *t, const char *name, const uint8_t *p, size_t len)
{
    naru_text_str(t, name);
    naru_text_str(t, len == 0 ? " cookiereq" : " cookie ");
    hex_show(t, p, len);
}

/* As tcpdump shows it. */
static void accecn_show(struct naru_text *t, bool first1, const uint8_t *p, size_t len)
{
    static const char *const names[] = { " e0b ", " ceb ", " e1b " };
    naru_text_str(t, "ACCECN");
    for (size_t i = 0; i * 3 < len; i++, p += 3) {
        naru_text_str(t, names[first1 ? 2 - i : i]);
        naru_text_uint(t, (uint32_t)p[0] << 16 | naru_get16(p + 1));
    }
}

static void number_show(struct naru_text *t, const char *name, uint32_t n)
{
    naru_text_str(t, name);
    naru_text_uint(t, n);
}

/* One option with a length; p and len are its data. */
static void option_show(struct naru_text *t, uint8_t kind, const uint8_t *p, size_t len)
{
    if (kind == NARU_TCP_KIND_MSS && len == 2) {
        number_show(t, "mss ", naru_get16(p));
    } else if (kind == NARU_TCP_KIND_WSCALE && len == 1) {
        number_show(t, "wscale ", p[0]);
    } else if (kind == NARU_TCP_KIND_SACK_OK && len == 0) {
        naru_text_str(t, "sackOK");
    } else if (kind == NARU_TCP_KIND_SACK && len % 8 == 0) {
        sack_show(t, p, len);
    } else if (kind == NARU_TCP_KIND_TS && len == 8) {
        ts_show(t, p);
    } else if (kind == NARU_TCP_KIND_USER_TIMEOUT && len == 2) {
        naru_text_str(t, "uto 0x");
        naru_text_hex(t, naru_get16(p), 1);
    } else if ((kind == NARU_TCP_KIND_ACCECN_FIRST0 || kind == NARU_TCP_KIND_ACCECN_FIRST1) &&
               len % 3 == 0 && len <= 9) {
        accecn_show(t, kind == NARU_TCP_KIND_ACCECN_FIRST1, p, len);
    } else if (kind == NARU_TCP_KIND_FASTOPEN) {
        fastopen_show(t, "tfo", p, len);
    } else if (kind == NARU_TCP_KIND_EXPERIMENT && len >= 2 &&
               naru_get16(p) == NARU_TCP_FASTOPEN_EXID) {
        fastopen_show(t, "exp-tfo", p + 2, len - 2);
    } else {
        number_show(t, "unknown-", kind);
        if (len > 0)
            naru_text_str(t, " 0x");
        hex_show(t, p, len);
    }
}

static void options_show(struct naru_text *t, const uint8_t *p, size_t len)
{
    const uint8_t *end = p + len;
    naru_text_str(t, ", options [");
    for (bool first = true; p < end; first = false) {
        if (!first)
            naru_text_char(t, ',');
        if (*p == 0) {
            naru_text_str(t, "eol");
            break;
        }
        if (*p == 1) {
            naru_text_str(t, "nop");
            p++;
            continue;
        }
        if (end - p < 2 || p[1] < 2 || p[1] > end - p) {
            naru_text_str(t, "[bad opt]");
            break;
        }
        option_show(t, p[0], p + 2, (size_t)p[1] - 2);
        p += p[1];
    }
    naru_text_char(t, ']');
}

static void header_show(struct naru_text *t, const struct naru_tcp_hdr *h, const uint8_t *options,
                        size_t options_len, size_t payload_len)
{
    naru_text_str(t, "Flags [");
    naru_show_tcp_flags(t, h->flags);
    naru_text_char(t, ']');
    if (payload_len > 0 || (h->flags & (NARU_TCP_SYN | NARU_TCP_FIN | NARU_TCP_RST)) != 0)
        number_show(t, ", seq ", h->seq.v);
    if (payload_len > 0)
        number_show(t, ":", h->seq.v + (uint32_t)payload_len);
    if ((h->flags & NARU_TCP_ACK) != 0)
        number_show(t, ", ack ", h->ack.v);
    number_show(t, ", win ", h->wnd);
    if ((h->flags & NARU_TCP_URG) != 0)
        number_show(t, ", urg ", h->urg);
    if (options_len > 0)
        options_show(t, options, options_len);
    naru_text_str(t, ", length ");
    naru_text_uint(t, payload_len);
}

void naru_show_segment(struct naru_text *t, struct naru_span in, size_t len)
{
    struct naru_tcp_hdr h;
    const uint8_t *p = in.at;
    enum naru_drop drop = naru_tcp_parse(&in, &h);
    if (drop != NARU_DROP_NONE) {
        naru_text_str(t, drop == NARU_DROP_TCP_SHORT ? "[|tcp]" : "[bad hdr length]");
        return;
    }
    size_t payload_len = len > h.header_len ? len - h.header_len : 0;
    header_show(t, &h, p + NARU_TCP_LEN, (size_t)h.header_len - NARU_TCP_LEN, payload_len);
}

void naru_show_tcp(struct naru_text *t, const struct naru_tcp_hdr *h, size_t payload_len)
{
    uint8_t bytes[NARU_TCP_LEN_MAX];
    struct naru_tcp_hdr shown = *h;
    while (!naru_tcp_fits(&shown) && shown.sack_count > 1)
        shown.sack_count--;
    if (!naru_tcp_fits(&shown))
        shown.opts &= (uint16_t) ~(NARU_TCP_OPT_SACK | NARU_TCP_OPT_FASTOPEN | NARU_TCP_OPT_ACCECN);
    size_t len = naru_tcp_emit(bytes, &shown);
    header_show(t, h, bytes + NARU_TCP_LEN, len - NARU_TCP_LEN, payload_len);
}
