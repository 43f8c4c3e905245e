/* An arriving segment in SYN-SENT (RFC 9293 3.10.7.3), and what it is to become ESTABLISHED. */
#include "proto/tcp/internal.h"

/* The first round trip is known, the window of the peer too: from here on data may flow. */
NARU_NOINLINE void naru_tcp_established(struct naru_tcp *c, struct naru_tcp_seg *s)
{
    c->snd.wnd = s->wnd;
    c->snd.wnd_max = NARU_MAX(c->snd.wnd_max, s->wnd);
    c->snd.wl1 = s->seq;
    c->snd.wl2 = s->ack;
    bool early = (c->more->fastopen & NARU_TCP_FASTOPEN_EARLY) != 0; /* data may be out already */
    if (early)
        naru_tcp_fastopen_complete(c, s->now);
    else if (!(c->snd.lone & NARU_TCP_SENT_EVER))
        naru_tcp_rtt_sample(c, naru_tcp_us(s->now - c->sent_at));
    if (!early) {
        c->sent_at = s->now;
        c->snd.lone = 0;
    }
    c->bytes_acked = 0;
    c->delivered++; /* SYN was */
    c->heard_ms = naru_tcp_ms(s->now);
    c->space_us = naru_tcp_us_of(s->now);
    c->due &= (uint8_t)~NARU_TCP_DUE_SYN;
    naru_tcp_timer_acked(c, s->now);
    if (NARU_UNLIKELY(c->more->env->config->tcp_mtu_probing >= 2))
        naru_tcp_mtu_established(c, s->now);
    if (!early)
        naru_tcp_cc_init(c, s->now);
    naru_tcp_uto_established(c);
    naru_tcp_enter(c, NARU_TCP_ESTABLISHED, s->now);
    naru_tcp_event(c, NARU_READY_WRITE);
    c->progress = NARU_TCP_PROGRESS_ANSWERED | NARU_TCP_PROGRESS_OPEN;
    if (c->flags & NARU_TCP_F_FIN_WANTED) /* closed before it was open */
        naru_tcp_enter(c, NARU_TCP_FIN_WAIT_1, s->now);
    if (naru_tcp_unsent_new(c) > 0 || naru_tcp_fin_unsent(c))
        c->due |= NARU_TCP_DUE_DATA;
}

/* Simultaneous open (crossing SYNs) reaches ESTABLISHED on both sides (MUST-10). */
void naru_tcp_in_syn_sent(struct naru_tcp *c, struct naru_tcp_seg *s)
{
    bool ack_ok = s->has_ack && naru_seq_len(c->snd.nxt, s->ack) <= naru_tcp_syn_data(c);

    /* First: ACK */
    if (s->has_ack && !ack_ok) {
        s->drop = NARU_DROP_TCP_ACK_INVALID;
        s->reset = true; /* unless it is a RST */
        return;
    }
    /* Second: RST */
    if (s->rst) {
        s->drop = NARU_DROP_TCP_RST_IGNORED;
        if (ack_ok) {
            s->drop = NARU_DROP_NONE;
            naru_tcp_die(c, NARU_ERR_CONNREFUSED, s->now);
        }
        return;
    }
    /* Third: security.  Fourth: SYN */
    if (!s->syn) {
        s->drop = NARU_DROP_TCP_FLAGS;
        return;
    }
    if (ack_ok) {
        c->snd.una = s->ack;
        naru_tcp_fastopen_answered(c, s->ack);
    }
    if (ack_ok)
        naru_tcp_ecn_synack_in(c, s->h);
    else
        naru_tcp_ecn_syn_in(c, s->h);
    naru_tcp_sync_options(c, s->h, s->now);
    s->seq = naru_seq_add(s->seq, 1);
    if (!ack_ok) { /* simultaneous open; what else the SYN brought waits for ESTABLISHED */
        if (s->len > 0) {
            s->drop = naru_tcp_ooo_add(c, s->seq, s->pkt);
            s->pkt = NULL;
        }
        naru_tcp_enter(c, NARU_TCP_SYN_RECEIVED, s->now);
        c->due |= NARU_TCP_DUE_SYN;
        return;
    }
    naru_tcp_established(c, s);
    c->due |= NARU_TCP_DUE_ACK;
    s->syn = false;
    if (!naru_tcp_step_urg(c, s))
        return;
    if (!naru_tcp_step_text(c, s))
        return;
    naru_tcp_step_fin(c, s);
}
