/*
 * ECN: routers mark instead of dropping, and the sender hears of it (SHLD-8; RFC 3168 6.1; what is
 * accurate about it, RFC 9768, is in accecn.c).
 *
 *   SYN, SYN,ACK   who may, offers and accepts: RFC 3168 6.1.1, RFC 9768 3.1
 *   data           marked ECT(0) when it goes out for the first time, and nothing else is
 *   CE             is echoed as ECE with every segment until CWR comes
 *   ECE            reduces cwnd once a window, and CWR rides on the next new data
 *
 * Which of it is offered and accepted is the connection's option (NARU_OPT_ECN), by default the
 * stack's (config.tcp_ecn), with the numbers of Linux's tcp_ecn.  A SYN that is not answered is
 * said again without (RFC 3168 6.1.1.1): some paths drop those that offer.
 *
 * The reduction itself is recover.c's (CWR, one of Linux's phases), by how much cc.c's.
 *
 * Linux's choices: a SYN that itself is marked ECT does not negotiate RFC 3168; a reduction after a
 * mark is as deep as after a loss (RFC 8511 would allow less); recovery and RTO say CWR, too.
 *
 * Not here: marking SYN, pure acknowledgements or retransmissions (ECN++), ECT(1) and L4S.
 */
#include "proto/tcp/internal.h"

enum { OFFER = NARU_TCP_ECE | NARU_TCP_CWR, ALL = NARU_TCP_AE | NARU_TCP_CWR | NARU_TCP_ECE };

/* ---- Negotiation ---- */

static enum naru_ecn_mode mode(const struct naru_tcp *c)
{
    return (enum naru_ecn_mode)naru_tcp_opts(c)->ecn;
}

static bool asks_accurate(enum naru_ecn_mode m) { return m == NARU_ECN_MODE_ACCURATE; }

static bool asks(enum naru_ecn_mode m)
{
    return m == NARU_ECN_MODE_ON || m == NARU_ECN_MODE_ACCURATE ||
           m == NARU_ECN_MODE_ACCEPT_ACCURATE_ASK;
}

static bool accepts_accurate(enum naru_ecn_mode m) { return m >= NARU_ECN_MODE_ACCURATE; }

/* Retransmissions of a SYN that still offer (RFC 9768 3.1.4.1: one more at least). */
static unsigned tries(const struct naru_tcp *c)
{
    unsigned n = c->more->env->config->tcp_ecn_retries;
    return c->more->ecn & NARU_TCP_ECN_ASKED_ACCURATE ? NARU_MAX(n, 1u) : n;
}

static NARU_NOINLINE uint16_t offer(struct naru_tcp *c)
{
    if (!asks(mode(c)) || !naru_tcp_more_need(c))
        return 0;
    c->more->ecn |= NARU_TCP_ECN_ASKED;
    if (asks_accurate(mode(c)) && naru_tcp_rare_need(c) != NULL)
        c->more->ecn |= NARU_TCP_ECN_ASKED_ACCURATE;
    if (c->more->retransmits > tries(c)) {
        if (c->more->ecn & NARU_TCP_ECN_ASKED_ACCURATE)
            c->more->ecn |= NARU_TCP_ECN_UNMARKED; /* RFC 9768 3.1.5 */
        return 0;
    }
    return c->more->ecn & NARU_TCP_ECN_ASKED_ACCURATE ? ALL : OFFER;
}

uint16_t naru_tcp_ecn_syn_flags(struct naru_tcp *c, bool answer)
{
    if (!answer)
        return offer(c);
    if (c->more->ecn & NARU_TCP_ECN_CLASSIC)
        return NARU_TCP_ECE;
    if (!(c->more->ecn & NARU_TCP_ECN_ACCURATE))
        return 0;
    if (c->more->retransmits > 1) { /* RFC 9768 3.1.4.2 */
        c->more->ecn |= NARU_TCP_ECN_UNMARKED;
        return 0;
    }
    return naru_tcp_accecn_reflected(c->more->rare->syn_ecn);
}

/* The peer's SYN, to a listener or crossing ours.  What is new in it is as if it were accurate
 * (RFC 9768 3.1.3). */
void naru_tcp_ecn_syn_in(struct naru_tcp *c, const struct naru_tcp_hdr *h)
{
    unsigned asked = h->flags & ALL;
    if (c->more->ecn != 0)
        c->more->ecn = 0;
    if (asked == 0 || mode(c) == NARU_ECN_MODE_OFF)
        return;
    if (accepts_accurate(mode(c)) && asked != OFFER) {
        if (naru_tcp_rare_need(c) != NULL)
            naru_tcp_accecn_begin(c, h->ecn);
    } else if ((asked & OFFER) == OFFER && (h->ecn == NARU_ECN_NOT_ECT || (asked & NARU_TCP_AE)) &&
               naru_tcp_more_need(c)) {
        c->more->ecn = NARU_TCP_ECN_CLASSIC;
    }
}

/* The answer to our SYN (RFC 9768 3.1.2, table 2). */
void naru_tcp_ecn_synack_in(struct naru_tcp *c, const struct naru_tcp_hdr *h)
{
    unsigned answer = h->flags & ALL, before = c->more->ecn;
    if (!(before & NARU_TCP_ECN_ASKED)) /* nor anything else */
        return;
    c->more->ecn = 0;
    if (!(before & NARU_TCP_ECN_ASKED_ACCURATE)) {
        if ((answer & OFFER) == NARU_TCP_ECE)
            c->more->ecn = NARU_TCP_ECN_CLASSIC;
    } else if (answer == NARU_TCP_ECE) {
        c->more->ecn = NARU_TCP_ECN_CLASSIC;
    } else if (answer != 0 && answer != ALL) { /* nobody, or somebody who repeats what he hears */
        naru_tcp_accecn_begin(c, h->ecn);
        c->more->ecn |= before & NARU_TCP_ECN_UNMARKED;
        naru_tcp_accecn_answered(c, answer);
    }
    if (!(c->more->ecn & NARU_TCP_ECN_ACCURATE) && c->more->fastopen == 0)
        naru_tcp_rare_spare(c);
}

/* ---- RFC 3168 ---- */

/* Data that were accepted: CE is said back until the peer says that it heard. */
NARU_NOINLINE void naru_tcp_ecn_data(struct naru_tcp *c, const struct naru_tcp_hdr *h)
{
    if (!(c->more->ecn & NARU_TCP_ECN_CLASSIC))
        return;
    if (h->flags & NARU_TCP_CWR) { /* its cwnd may be a single segment now */
        c->more->ecn &= (uint8_t)~NARU_TCP_ECN_ECHO;
        c->due |= NARU_TCP_DUE_ACK;
    }
    if (h->ecn == NARU_ECN_CE) {
        c->more->ecn |= NARU_TCP_ECN_ECHO;
        c->due |= NARU_TCP_DUE_ACK;
    }
    if (h->ecn != NARU_ECN_NOT_ECT)
        c->more->ecn |= NARU_TCP_ECN_SEEN;
}

/* What an acknowledgement tells of marks on what we sent.  True: there were some. */
NARU_NOINLINE bool naru_tcp_ecn_acked(struct naru_tcp *c, const struct naru_tcp_hdr *h,
                                      const struct naru_tcp_acked *a)
{
    if (h->flags & NARU_TCP_SYN)
        return false;
    if (c->more->ecn & NARU_TCP_ECN_ACCURATE)
        return naru_tcp_accecn_acked(c, h, a);
    if (!(c->more->ecn & NARU_TCP_ECN_CLASSIC) || !(h->flags & NARU_TCP_ECE))
        return false;
    if (naru_tcp_rare_need(c) != NULL)
        c->more->rare->delivered_ce += naru_tcp_segments(a->delivered, c->snd.mss);
    return true;
}

void naru_tcp_ecn_reduced(struct naru_tcp *c)
{
    if (c->more->ecn & NARU_TCP_ECN_CLASSIC)
        c->more->ecn |= NARU_TCP_ECN_CWR;
}

/* ---- Segments out ---- */

NARU_NOINLINE void naru_tcp_ecn_mark_segment(struct naru_tcp *c, struct naru_tcp_segment *out,
                                             bool fresh)
{
    struct naru_tcp_hdr *h = &out->hdr;
    if (c->more->ecn & NARU_TCP_ECN_ACCURATE)
        naru_tcp_accecn_put(c, out);
    if (h->flags & NARU_TCP_SYN)
        return;
    if (c->more->ecn & NARU_TCP_ECN_ECHO)
        h->flags |= NARU_TCP_ECE;
    if (!fresh || out->len == 0 || !(c->more->ecn & (NARU_TCP_ECN_CLASSIC | NARU_TCP_ECN_ACCURATE)))
        return;
    bool again =
        (c->more->fastopen & NARU_TCP_FASTOPEN_DATA) && /* with SYN they were sent before */
        naru_seq_before(h->seq, c->more->rare->syn_end);
    if (!(c->more->ecn & NARU_TCP_ECN_UNMARKED) && !again)
        h->ecn = NARU_ECN_ECT0;
    if (c->more->ecn & NARU_TCP_ECN_CWR) {
        h->flags |= NARU_TCP_CWR;
        c->more->ecn &= (uint8_t)~NARU_TCP_ECN_CWR;
    }
}

/* CWR of either meaning on a super-segment: what cuts it would clear it on all but the first. */
NARU_NOINLINE bool naru_tcp_ecn_stands_alone(const struct naru_tcp *c)
{
    if (c->more->ecn & NARU_TCP_ECN_ACCURATE)
        return (naru_tcp_accecn_ace(c->more->rare->r.cep) & NARU_TCP_CWR) != 0;
    return (c->more->ecn & NARU_TCP_ECN_CWR) != 0;
}
