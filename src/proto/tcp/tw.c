/*
 * TIME-WAIT as a small record: enough to acknowledge a FIN that comes again, to keep old segments
 * away from a new connection of the same name, and to let a new one in early when nothing can be
 * confused (RFC 9293 3.6.1, 3.10.7.4; RFC 6191).  A RST does not end it unless it is exact (RFC
 * 1337, RFC 5961).
 */
#include "proto/tcp/internal.h"

void naru_tcp_tw_init(struct naru_tcp_tw *tw, const struct naru_tcp *c, naru_time now)
{
    *tw = (struct naru_tcp_tw){
        .snd_nxt = c->snd.nxt,
        .rcv_nxt = c->rcv.nxt,
        .rcv_wnd = c->rcv.wnd,
        .ts_recent = c->ts_recent,
        .ts_recent_ms = c->heard_ms,
        .ts_offset = c->ts_offset,
        .answered_ms = naru_tcp_ms(now) - NARU_TCP_ANSWER_MS,
        .wscale = c->rcv.wscale,
        .timestamps = (c->flags & NARU_TCP_F_TIMESTAMPS) != 0,
        .expires = now + NARU_MS(c->more->env->config->tcp_time_wait_ms),
    };
}

static void reply(const struct naru_tcp_tw *tw, const struct naru_tcp_hdr *h, naru_time now,
                  struct naru_tcp_hdr *out)
{
    *out = (struct naru_tcp_hdr){
        .sport = h->dport,
        .dport = h->sport,
        .seq = tw->snd_nxt,
        .ack = tw->rcv_nxt,
        .flags = NARU_TCP_ACK,
        .wnd = (uint16_t)NARU_MIN(tw->rcv_wnd >> tw->wscale, 65535u),
    };
    if (tw->timestamps) {
        out->opts = NARU_TCP_OPT_TS;
        out->ts_val = naru_tcp_ms(now) + tw->ts_offset;
        out->ts_ecr = tw->ts_recent;
    }
}

static bool has_timestamp(const struct naru_tcp_tw *tw, const struct naru_tcp_hdr *h)
{
    return tw->timestamps && (h->opts & NARU_TCP_OPT_TS);
}

/* RFC 6191 2: a SYN that cannot be an old one (SHLD-4, MAY-2). */
static bool new_syn(const struct naru_tcp_tw *tw, const struct naru_tcp_hdr *h)
{
    if ((h->flags & (NARU_TCP_SYN | NARU_TCP_ACK | NARU_TCP_RST)) != NARU_TCP_SYN)
        return false;
    if (naru_seq_after(h->seq, tw->rcv_nxt))
        return true;
    return has_timestamp(tw, h) && (int32_t)(h->ts_val - tw->ts_recent) > 0;
}

static enum naru_tcp_tw_act answer(struct naru_tcp_tw *tw, const struct naru_tcp_hdr *h,
                                   naru_time now, struct naru_tcp_hdr *out)
{
    uint32_t ms = naru_tcp_ms(now);
    if (ms - tw->answered_ms < NARU_TCP_ANSWER_MS)
        return NARU_TCP_TW_DROP;
    tw->answered_ms = ms;
    reply(tw, h, now, out);
    return NARU_TCP_TW_REPLY;
}

enum naru_tcp_tw_act naru_tcp_tw_input(const struct naru_tcp_env *env, struct naru_tcp_tw *tw,
                                       const struct naru_tcp_hdr *h, uint32_t seg_len,
                                       naru_time now, struct naru_tcp_hdr *out)
{
    bool old = has_timestamp(tw, h) && (int32_t)(h->ts_val - tw->ts_recent) < 0;
    naru_seq end = naru_seq_add(h->seq, seg_len);
    if (h->flags & NARU_TCP_RST) {
        if (env->config->tcp_bsd)
            return NARU_TCP_TW_DROP; /* RFC 1337 3 */
        bool exact = naru_seq_eq(h->seq, tw->rcv_nxt) && !old;
        return exact ? NARU_TCP_TW_ENDED : NARU_TCP_TW_DROP;
    }
    if (new_syn(tw, h) && !old)
        return NARU_TCP_TW_NEW_SYN;
    if (env->config->tcp_bsd && !(h->flags & NARU_TCP_ACK))
        return NARU_TCP_TW_DROP;
    if (h->flags & NARU_TCP_SYN || !(h->flags & NARU_TCP_ACK) || old)
        return answer(tw, h, now, out);
    if ((h->flags & NARU_TCP_FIN) && naru_seq_eq(end, tw->rcv_nxt)) {
        /* The peer has not heard our last ACK. */
        if (has_timestamp(tw, h)) {
            tw->ts_recent = h->ts_val;
            tw->ts_recent_ms = naru_tcp_ms(now);
        }
        tw->expires = now + NARU_MS(env->config->tcp_time_wait_ms);
        reply(tw, h, now, out);
        return NARU_TCP_TW_RESTART;
    }
    bool all = !env->config->tcp_bsd || naru_seq_eq(h->ack, tw->snd_nxt);
    if (seg_len == 0 && naru_seq_eq(h->seq, tw->rcv_nxt) && all)
        return NARU_TCP_TW_DROP; /* an acknowledgement, as it should be */
    if (seg_len == 0)
        return answer(tw, h, now, out);
    reply(tw, h, now, out);
    return NARU_TCP_TW_REPLY;
}

naru_seq naru_tcp_tw_iss(const struct naru_tcp_tw *tw, naru_seq iss)
{
    naru_seq least = naru_seq_add(tw->snd_nxt, 65535 + 2);
    return naru_seq_before(iss, least) ? least : iss;
}

bool naru_tcp_tw_reusable(const struct naru_tcp_tw *tw, naru_time now)
{
    return tw->timestamps && naru_tcp_ms(now) - tw->ts_recent_ms >= 1000;
}
