/*
 * Sixth to eighth check of RFC 9293 3.10.7.4: urgent pointer, text, FIN; and when to acknowledge
 * (3.8.6.3, RFC 5681 4.2): at once for what is out of order or fills a hole, for every second full
 * segment, while a connection is young; else 40 ms later, or with data of our own.
 */
#include "proto/tcp/internal.h"

#include "base/pktpool.h"

/* ---- When to acknowledge ---- */

bool naru_tcp_acks_at_once(const struct naru_tcp *c)
{
    return NARU_UNLIKELY((c->opt_flags & NARU_TCP_SET_QUICKACK) != 0) ||
           NARU_UNLIKELY(c->rcv.quick > 0 && !c->pingpong);
}

/* A young connection, or one that was silent: the peer is in slow start and lives on our ACKs. */
void naru_tcp_refill_quick(struct naru_tcp *c, naru_time now)
{
    if (NARU_LIKELY(c->last_recv != 0 && now - c->last_recv <= NARU_US((naru_time)c->rto)))
        return;
    if (!c->more->env->config->tcp_quickack)
        return;
    uint32_t n = c->rcv.wnd / (2u * NARU_MAX(c->rcv.mss, 1u));
    c->rcv.quick = (uint8_t)NARU_MIN(NARU_MAX(n, 2u), NARU_TCP_QUICK_MAX);
}

/* With the peer's FIN the user's may come soon, and take the ACK along; so it is where there were
 * data before (Linux; BSD does not wait).  False: it does not. */
static bool fin_expects_ours(struct naru_tcp *c)
{
    if (c->state != NARU_TCP_ESTABLISHED || c->last_recv == 0 || c->more->env->config->tcp_bsd)
        return false;
    c->pingpong = true;
    return true;
}

/* A delayed ACK waits less than 0.5 s (MUST-40, MUST-58, SHLD-18, SHLD-19). */
static void want_ack(struct naru_tcp *c, naru_time now)
{
    bool second = c->more->env->config->tcp_bsd && c->timer[NARU_TCP_TIMER_ACK] != NARU_NEVER;
    if (second || (c->flags & NARU_TCP_F_DSACK_DUE) ||
        naru_seq_len(c->rcv.ack, c->rcv.nxt) > c->rcv.mss || naru_tcp_acks_at_once(c) ||
        c->more->ooo != NULL)
        c->due |= NARU_TCP_DUE_ACK;
    else
        naru_tcp_timer_ack_wanted(c, now);
}

/* ---- Sixth: URG (3.8.5; RFC 6093; the byte before the pointer is the urgent one) ---- */

/* Urgent data of any length; the user is told when they are announced and when they move on
 * (MUST-30, MUST-31, MUST-32, MUST-66). */
bool naru_tcp_step_urg(struct naru_tcp *c, struct naru_tcp_seg *s)
{
    if (!s->urg || s->h->urg == 0)
        return true;
    if (c->state != NARU_TCP_ESTABLISHED && c->state != NARU_TCP_FIN_WAIT_1 &&
        c->state != NARU_TCP_FIN_WAIT_2)
        return true;
    naru_seq up = naru_seq_add(s->h->seq, (s->h->flags & NARU_TCP_SYN ? 1u : 0u) + s->h->urg - 1u);
    if (naru_seq_before(up, c->rcv.nxt))
        return true; /* passed already */
    if (c->more->urgent != NARU_TCP_URGENT_NONE && naru_seq_before_eq(up, c->more->rcv_up))
        return true;
    if (!naru_tcp_more_need(c))
        return true; /* the mark is lost, its byte is not */
    c->more->rcv_up = up;
    c->more->urgent = NARU_TCP_URGENT_ANNOUNCED;
    naru_tcp_event(c, NARU_READY_URGENT);
    return true;
}

/* The urgent byte passes by. */
static NARU_NOINLINE void note_urgent(struct naru_tcp *c, const struct naru_pkt *pkt)
{
    if (!naru_seq_in(c->more->rcv_up, c->rcv.nxt, pkt->len))
        return;
    c->more->urgent_byte = pkt->data[naru_seq_len(c->rcv.nxt, c->more->rcv_up)];
    c->more->urgent = NARU_TCP_URGENT_HERE;
    naru_tcp_event(c, NARU_READY_URGENT);
}

/* ---- Seventh: text ---- */

void naru_tcp_in_order(struct naru_tcp *c, struct naru_pkt *pkt)
{
    uint32_t len = pkt->len;
    if (c->more->urgent == NARU_TCP_URGENT_ANNOUNCED)
        note_urgent(c, pkt);
    c->rcv.nxt = naru_seq_add(c->rcv.nxt, len);
    c->rcv.wnd -= NARU_MIN(len, c->rcv.wnd);
    c->bytes_received += len;
    naru_tcp_rcvq_append(c, pkt);
}

/* A close that did not wait for the data: they are lost, and the peer is told (RFC 1122 4.2.2.13;
 * SHLD-3). */
static bool nobody_reads(struct naru_tcp *c, struct naru_tcp_seg *s)
{
    if (!(c->flags & NARU_TCP_F_ORPHAN))
        return false;
    s->drop = NARU_DROP_TCP_DATA_AFTER_CLOSE;
    s->reset = true;
    naru_tcp_die(c, NARU_OK, s->now);
    return true;
}

void naru_tcp_learn_mss(struct naru_tcp *c, uint32_t len, uint32_t gso_size)
{
    uint32_t size = gso_size != 0 ? gso_size : len;
    if (size > c->rcv.mss)
        c->rcv.mss = (uint16_t)NARU_MIN(size, (uint32_t)UINT16_MAX);
}

bool naru_tcp_step_text(struct naru_tcp *c, struct naru_tcp_seg *s)
{
    if (s->len == 0)
        return true;
    if (c->state != NARU_TCP_ESTABLISHED && c->state != NARU_TCP_FIN_WAIT_1 &&
        c->state != NARU_TCP_FIN_WAIT_2) {
        s->drop = NARU_DROP_TCP_DATA_AFTER_CLOSE; /* after its FIN: "should not occur" */
        return true;
    }
    if (nobody_reads(c, s))
        return false;
    if (naru_seq_eq(s->seq, c->rcv.nxt) && !naru_tcp_may_keep(c)) {
        s->drop = NARU_DROP_TCP_RECV_FULL; /* it comes again, when there is memory maybe */
        s->fin = false;
        c->due |= NARU_TCP_DUE_ACK;
        return true;
    }
    struct naru_pkt *pkt = s->pkt;
    uint32_t gso = pkt->offload.gso_size, len = s->len;
    naru_tcp_refill_quick(c, s->now);
    naru_tcp_learn_mss(c, len, gso);
    c->last_recv = s->now;
    c->data_in += gso == 0 ? 1 : naru_tcp_segments(len, gso);
    s->pkt = NULL;
    if (NARU_UNLIKELY(c->more->ecn != 0))
        naru_tcp_ecn_data(c, s->h);
    if (!naru_seq_eq(s->seq, c->rcv.nxt)) {
        if (naru_tcp_more_need(c) && c->more->ooo_in < UINT16_MAX)
            c->more->ooo_in++;
        c->due |= NARU_TCP_DUE_ACK;
        s->drop = naru_tcp_ooo_add(c, s->seq, pkt);
        return true;
    }
    naru_tcp_rcvwnd_rtt(c, s->h->ts_ecr, len, s->now);
    naru_tcp_in_order(c, pkt);
    if (c->more->ooo != NULL) {
        c->due |= NARU_TCP_DUE_ACK; /* it fills a hole, or part of one */
        if (naru_tcp_ooo_drain(c)) {
            s->fin = true;
            s->seq = c->rcv.nxt;
            s->len = 0;
        }
    }
    naru_tcp_rcvwnd_grow(c, len);
    if (s->fin)
        (void)fin_expects_ours(c);
    want_ack(c, s->now);
    naru_tcp_event(c, NARU_READY_READ);
    return true;
}

/* Data that came with the peer's SYN, before there was anybody to give them to. */
NARU_NOINLINE void naru_tcp_take_queued(struct naru_tcp *c, naru_time now)
{
    naru_seq before = c->rcv.nxt;
    (void)naru_tcp_ooo_drain(c);
    if (naru_seq_eq(before, c->rcv.nxt))
        return;
    want_ack(c, now);
    naru_tcp_event(c, NARU_READY_READ);
}

/* ---- Eighth: FIN ---- */

void naru_tcp_step_fin(struct naru_tcp *c, struct naru_tcp_seg *s)
{
    if (!s->fin)
        return;
    naru_seq fin = naru_seq_add(s->seq, s->len);
    if (!naru_seq_eq(fin, c->rcv.nxt)) { /* behind a hole */
        if (naru_seq_after(fin, c->rcv.nxt) && !(c->flags & NARU_TCP_F_FIN_RECEIVED) &&
            s->drop != NARU_DROP_NO_MEMORY)
            naru_tcp_ooo_fin(c, fin);
        c->due |= NARU_TCP_DUE_ACK;
        return;
    }
    if (c->flags & NARU_TCP_F_FIN_RECEIVED)
        return;
    c->flags |= NARU_TCP_F_FIN_RECEIVED;
    c->rcv.nxt = naru_seq_add(fin, 1);
    c->rcv.wnd -= NARU_MIN(1u, c->rcv.wnd);
    naru_tcp_ooo_free(c);
    if (fin_expects_ours(c))
        want_ack(c, s->now);
    else
        c->due |= NARU_TCP_DUE_ACK;
    naru_tcp_event(c, NARU_READY_READ | NARU_READY_READ_END);
    switch ((enum naru_tcp_state)c->state) {
    case NARU_TCP_ESTABLISHED:
        naru_tcp_enter(c, NARU_TCP_CLOSE_WAIT, s->now);
        break;
    case NARU_TCP_FIN_WAIT_1: /* our FIN is not acknowledged, else we were in FIN-WAIT-2 */
        naru_tcp_enter(c, NARU_TCP_CLOSING, s->now);
        if (c->more->env->config->tcp_bsd)
            c->flags |= NARU_TCP_F_FIN_AGAIN;
        naru_tcp_event(c, NARU_READY_HANGUP);
        break;
    case NARU_TCP_FIN_WAIT_2:
        naru_tcp_enter(c, NARU_TCP_TIME_WAIT, s->now);
        naru_tcp_event(c, NARU_READY_HANGUP);
        break;
    case NARU_TCP_CLOSED:
    case NARU_TCP_LISTEN:
    case NARU_TCP_SYN_SENT:
    case NARU_TCP_SYN_RECEIVED:
    case NARU_TCP_CLOSE_WAIT:
    case NARU_TCP_CLOSING:
    case NARU_TCP_LAST_ACK:
    case NARU_TCP_TIME_WAIT:
        break;
    }
}
