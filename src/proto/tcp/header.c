/*
 * Headers of segments that a connection sends: acknowledgement, window, timestamps, SACK blocks.
 *
 * Building one that carries ACK is what sends the acknowledgement: RCV.WND and Last.ACK.sent move
 * here, and whatever waited for an ACK has had it.
 */
#include "proto/tcp/internal.h"

static bool uto_due(const struct naru_tcp *c)
{
    return NARU_UNLIKELY(c->more->rare != NULL) && c->more->rare->uto_due;
}

/* SACK blocks that fit beside the other options. */
static unsigned sack_max(const struct naru_tcp *c)
{
    unsigned max = c->flags & NARU_TCP_F_TIMESTAMPS ? 3 : NARU_TCP_SACK_MAX;
    return max - (uto_due(c) ? 1 : 0);
}

/* RFC 2018 4, RFC 2883 4: the duplicate first, then the most recent ranges. */
static NARU_NOINLINE void put_sack(struct naru_tcp *c, struct naru_tcp_hdr *h)
{
    unsigned max = sack_max(c), count = 0;
    if (c->flags & NARU_TCP_F_DSACK_DUE) {
        h->sack[count++] =
            (struct naru_tcp_sack){ .left = c->more->dsack_start, .right = c->more->dsack_end };
        c->flags &= ~(uint32_t)NARU_TCP_F_DSACK_DUE;
    }
    if (c->more->ooo != NULL)
        count += naru_tcp_ooo_blocks(c, h->sack + count, max - count);
    h->sack_count = (uint8_t)count;
    if (count > 0)
        h->opts |= NARU_TCP_OPT_SACK;
}

static uint32_t sack_len(const struct naru_tcp *c)
{
    unsigned count = naru_tcp_ooo_ranges(c) + (c->flags & NARU_TCP_F_DSACK_DUE ? 1 : 0);
    return count == 0 ? 0 : 4 + 8 * NARU_MIN(count, sack_max(c));
}

uint32_t naru_tcp_options_len(const struct naru_tcp *c)
{
    uint32_t len = 0;
    if ((c->flags & NARU_TCP_F_SACK) && (c->more->ooo != NULL || (c->flags & NARU_TCP_F_DSACK_DUE)))
        len = sack_len(c);
    if (uto_due(c))
        len += 4;
    if (NARU_UNLIKELY(c->more->ecn & NARU_TCP_ECN_ACCURATE))
        len += naru_tcp_accecn_len(
            c, len + (c->flags & NARU_TCP_F_TIMESTAMPS ? (uint32_t)NARU_TCP_TS_LEN : 0));
    return len;
}

/* MSS is said here and nowhere else (MUST-14, MUST-65, SHLD-5, MAY-3). */
static NARU_NOINLINE void put_syn_options(const struct naru_tcp *c, struct naru_tcp_hdr *h)
{
    const struct naru_config *config = c->more->env->config;
    bool offer = !(h->flags & NARU_TCP_ACK); /* else only what the peer offered */
    if (c->opt_flags & NARU_TCP_SET_NO_OPTIONS)
        return;
    h->opts |= NARU_TCP_OPT_MSS;
    h->mss = c->mss_advertised;
    if (offer && config->tcp_syn_plain != 0 && c->more->retransmits >= config->tcp_syn_plain)
        return; /* an answer to an earlier one may still bring what that offered */
    if (offer ? config->tcp_sack : (c->flags & NARU_TCP_F_SACK) != 0)
        h->opts |= NARU_TCP_OPT_SACK_OK;
    if (offer ? config->tcp_window_scale : (c->flags & NARU_TCP_F_WSCALE) != 0) {
        h->opts |= NARU_TCP_OPT_WSCALE;
        h->wscale = c->more->env->wscale;
    }
    if (offer && config->tcp_timestamps)
        h->opts |= NARU_TCP_OPT_TS;
    if ((c->more->fastopen & NARU_TCP_FASTOPEN_OPTION) && !(c->flags & NARU_TCP_F_SYN_SENT)) {
        const struct naru_tcp_fastopen *f = &c->more->rare->fastopen;
        h->opts |= NARU_TCP_OPT_FASTOPEN | (f->experimental ? NARU_TCP_OPT_FASTOPEN_EXP : 0);
        h->cookie = f->cookie;
        h->cookie_len = f->cookie_len;
    }
    if (naru_tcp_opts(c)->uto_ms != 0 &&
        !(h->opts & NARU_TCP_OPT_FASTOPEN)) /* for both there is no room */
        naru_tcp_uto_put(c, h);
}

/* The acknowledgement has gone out with this header. */
void naru_tcp_ack_sent(struct naru_tcp *c)
{
    c->due &= (uint8_t)~NARU_TCP_DUE_ACK;
    c->rcv.ack = c->rcv.nxt;
    if (c->rcv.quick > 0)
        c->rcv.quick--;
    naru_tcp_timer_ack_sent(c);
}

/* The urgent pointer names the octet after the urgent data (MUST-62). */
void naru_tcp_header(struct naru_tcp *c, struct naru_tcp_hdr *h, naru_seq seq, uint16_t flags,
                     naru_time now)
{
    bool syn = (flags & NARU_TCP_SYN) != 0;
    h->sport = h->dport = 0;
    h->seq = seq;
    h->ack = naru_seq_of(0);
    h->flags = flags;
    h->urg = h->checksum = 0;
    h->header_len = h->ecn = h->sack_count = h->cookie_len = 0;
    h->opts = 0;
    h->cookie = NULL;
    if (c->flags & NARU_TCP_F_TIMESTAMPS)
        h->opts |= NARU_TCP_OPT_TS;
    if (syn)
        put_syn_options(c, h);
    h->ts_val = naru_tcp_ts_now(c, now);
    h->ts_ecr = 0;
    h->wnd = flags & NARU_TCP_RST ? 0 : naru_tcp_rcvwnd_select(c, syn);
    if (flags & NARU_TCP_ACK) {
        h->ack = c->rcv.nxt;
        h->ts_ecr = c->ts_recent;
        if (!syn && (c->flags & NARU_TCP_F_SACK) && !(flags & NARU_TCP_RST) &&
            (c->more->ooo != NULL || (c->flags & NARU_TCP_F_DSACK_DUE)))
            put_sack(c, h);
        if (uto_due(c) && !syn && !(flags & NARU_TCP_RST)) {
            naru_tcp_uto_put(c, h);
            c->more->rare->uto_due = false;
        }
        naru_tcp_ack_sent(c);
    }
    bool urgent = naru_tcp_up_ahead(c, c->snd.una); /* a probe's number is before SND.UNA */
    if (urgent && naru_seq_after(c->more->snd_up, seq) && !syn && !(flags & NARU_TCP_RST)) {
        uint32_t up = naru_seq_len(seq, c->more->snd_up); /* RFC 6093 2.1: the octet after it */
        if (up <= UINT16_MAX) {
            h->flags |= NARU_TCP_URG;
            h->urg = (uint16_t)up;
        }
    }
    c->segments_out++;
    c->more->env->counters.segments_out++;
}
