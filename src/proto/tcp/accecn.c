/*
 * Accurate ECN (RFC 9768): the receiver counts what comes marked, and tells the counts.
 *
 * r.cep is the number of packets that came with CE.  Its lowest three bits are on every segment
 * without SYN, in the flags AE, CWR and ECE together: the ACE field.  s.cep is how far we know the
 * peer's counter of what we sent.  The option has the same in bytes of payload by mark, 24 bits of
 * each; it is told with SYN,ACK, with every bare acknowledgement that has room, and with data when
 * a counter has moved.  It is only ever a help: SACK blocks go first, and paths that take it away
 * or put zeros into it do no harm.
 *
 *   3.1, 3.2.2.1   SYN,ACK and the acknowledgement of it tell how the peer's SYN, or SYN,ACK, came
 *   3.2.2.2..4     marks that nobody set, or a field of zeros: the path spoils them, and what we
 *                  send is not marked from there on (NARU_TCP_ECN_UNMARKED)
 *   3.2.2.5.1      every second mark on data is acknowledged at once, every sixth on anything
 *   3.2.2.5.2      an acknowledgement of more packets than the field can count
 *   3.2.3          the option, in both its orders
 *
 * The counters live in an object of their own (struct naru_tcp_rare), which others do not have.
 *
 * Not here: feedback to congestion controls by the amount of marks (they hear that there were
 * some), and a test for paths that mark everything CE.
 */
#include "proto/tcp/internal.h"

#include "base/mem.h"

enum {
    CEP_FIRST = 5, /* 3.2.1: counters do not begin at zero, so that zeros are noticed */
    E0B_FIRST = 1,
    E1B_FIRST = 1,
    COUNTER_MASK = 0xffffff,
    ACE_COUNTS = 8,
    MARKS_ON_DATA = 2,
    MARKS_ON_ANY = 6,
    STRETCHED = 4, /* packets an acknowledgement covers on average: then it is the peer's habit */
    AVERAGE_SHIFT = 3,
};

/* ---- The field ---- */

uint16_t naru_tcp_accecn_ace(uint32_t cep)
{
    return (uint16_t)((cep & 4 ? NARU_TCP_AE : 0) | (cep & 2 ? NARU_TCP_CWR : 0) |
                      (cep & 1 ? NARU_TCP_ECE : 0));
}

static uint32_t ace_of(unsigned flags)
{
    return (flags & NARU_TCP_AE ? 4u : 0u) | (flags & NARU_TCP_CWR ? 2u : 0u) |
           (flags & NARU_TCP_ECE ? 1u : 0u);
}

/* Tables 2 and 3: how a SYN, or SYN,ACK, came. */
uint16_t naru_tcp_accecn_reflected(uint8_t ecn)
{
    static const uint8_t ace[] = {
        [NARU_ECN_NOT_ECT] = 2, [NARU_ECN_ECT1] = 3, [NARU_ECN_ECT0] = 4, [NARU_ECN_CE] = 6
    };
    return naru_tcp_accecn_ace(ace[ecn & 3]);
}

/* ---- The handshake ---- */

/* Both agree; the peer's SYN or SYN,ACK came with that codepoint. */
void naru_tcp_accecn_begin(struct naru_tcp *c, uint8_t ecn)
{
    struct naru_tcp_rare *x = c->more->rare;
    x->r.cep = x->s.cep = x->told_cep = CEP_FIRST;
    x->r.bytes[NARU_TCP_E0B] = x->s.bytes[NARU_TCP_E0B] = E0B_FIRST;
    x->r.bytes[NARU_TCP_E1B] = x->s.bytes[NARU_TCP_E1B] = E1B_FIRST;
    x->syn_ecn = ecn;
    c->more->ecn = NARU_TCP_ECN_ACCURATE;
    naru_tcp_set_slow(c, NARU_TCP_SLOW_ECN, true);
}

/* Our SYN and SYN,ACK leave without a mark: whoever saw one saw the path at work (3.2.2.3). */
static void check_reflected(struct naru_tcp *c, uint32_t ace)
{
    if (ace == 3 || ace == 4 || ace == 6)
        c->more->ecn |= NARU_TCP_ECN_UNMARKED;
}

/* The SYN,ACK, which agrees. */
void naru_tcp_accecn_answered(struct naru_tcp *c, unsigned flags)
{
    struct naru_tcp_rare *x = c->more->rare;
    check_reflected(c, ace_of(flags));
    x->reflect = true;
    x->option_due = true;
    if (x->syn_ecn == NARU_ECN_CE)
        x->r.cep++;
}

/* The first segment without SYN: a peer that connects tells how our SYN,ACK came.  True: it counts
 * marks. */
bool naru_tcp_accecn_first(struct naru_tcp *c, const struct naru_tcp_hdr *h, uint32_t len)
{
    uint32_t ace = ace_of(h->flags);
    c->more->rare->first_seen = true;
    if (ace == 0)
        c->more->ecn |= NARU_TCP_ECN_UNMARKED; /* 3.2.2.4 */
    if (!(c->flags & NARU_TCP_F_PASSIVE) || len > 0 || ace == 0)
        return ace != 0;
    check_reflected(c, ace);
    if (ace == 6)
        c->more->rare->s.cep = ace;
    return false;
}

/* ---- Segments in ---- */

/* An acceptable segment with len bytes, those that came before included. */
NARU_NOINLINE void naru_tcp_accecn_in(struct naru_tcp *c, const struct naru_tcp_hdr *h,
                                      uint32_t len, uint32_t gso_size)
{
    static const uint8_t counter[] = {
        [NARU_ECN_ECT0] = NARU_TCP_E0B, [NARU_ECN_CE] = NARU_TCP_CEB, [NARU_ECN_ECT1] = NARU_TCP_E1B
    };
    struct naru_tcp_rare *x = c->more->rare;
    if (h->ecn == NARU_ECN_NOT_ECT)
        return;
    c->more->ecn |= NARU_TCP_ECN_SEEN;
    x->r.bytes[counter[h->ecn]] += len;
    x->option_due = x->option_due || len > 0;
    if (h->ecn != NARU_ECN_CE)
        return;
    x->r.cep += gso_size == 0 ? 1 : NARU_MAX(naru_tcp_segments(len, gso_size), 1u);
    if (x->r.cep - x->told_cep >= (len > 0 ? (uint32_t)MARKS_ON_DATA : (uint32_t)MARKS_ON_ANY))
        c->due |= NARU_TCP_DUE_ACK;
}

/* Takes the counters of an option; *ceb: bytes newly known to have come with CE.  False: none. */
static bool take_option(struct naru_tcp *c, const struct naru_tcp_hdr *h, uint32_t *ceb)
{
    struct naru_tcp_rare *x = c->more->rare;
    bool first1 = (h->opts & NARU_TCP_OPT_ACCECN_FIRST1) != 0, has_ceb = false;
    if (!(h->opts & NARU_TCP_OPT_ACCECN) || h->accecn_count == 0 || x->option_zeroed)
        return false;
    unsigned first = first1 ? NARU_TCP_E1B : NARU_TCP_E0B;
    if (!x->option_seen && h->accecn[first] == 0) { /* 3.2.3.2.4: it cannot have begun so */
        x->option_zeroed = true;
        return false;
    }
    x->option_seen = true;
    for (unsigned i = 0; i < h->accecn_count; i++) {
        unsigned which = first1 ? 2 - i : i;
        uint32_t moved = (h->accecn[which] - x->s.bytes[which]) & COUNTER_MASK;
        if (moved > COUNTER_MASK / 2)
            continue; /* older than what we know */
        x->s.bytes[which] += moved;
        has_ceb = has_ceb || which == NARU_TCP_CEB;
        if (which == NARU_TCP_CEB)
            *ceb = moved;
    }
    return has_ceb;
}

/* Marks that the field tells of, when so many packets are newly acknowledged (A.2). */
static uint32_t marks(struct naru_tcp_rare *x, uint32_t told, uint32_t packets, bool has_ceb,
                      uint32_t ceb, uint32_t mss)
{
    uint32_t average = x->packets_avg;
    if (packets > 0)
        x->packets_avg =
            average + NARU_MIN(packets, (uint32_t)UINT16_MAX) - (average >> AVERAGE_SHIFT);
    if (packets < ACE_COUNTS)
        return told;
    if (has_ceb ? ceb <= told * mss : average >> AVERAGE_SHIFT >= STRETCHED)
        return told;
    return packets - ((packets - told) & (ACE_COUNTS - 1)); /* it may have gone round */
}

/* True: more of what we sent was marked CE. */
NARU_NOINLINE bool naru_tcp_accecn_acked(struct naru_tcp *c, const struct naru_tcp_hdr *h,
                                         const struct naru_tcp_acked *a)
{
    struct naru_tcp_rare *x = c->more->rare;
    uint32_t ceb = 0, packets = naru_tcp_segments(a->delivered, c->snd.mss);
    bool newer = (h->opts & NARU_TCP_OPT_TS) && (int32_t)(h->ts_val - x->ace_ts) > 0;
    bool counts = x->first_seen || naru_tcp_accecn_first(c, h, a->payload_len);
    if (h->opts & NARU_TCP_OPT_TS)
        x->ace_ts = newer || !x->ace_ts_known ? h->ts_val : x->ace_ts;
    newer = newer && x->ace_ts_known;
    x->ace_ts_known = (h->opts & NARU_TCP_OPT_TS) != 0;
    if (!counts || (a->delivered == 0 && !newer))
        return false; /* it may be older than one that came before */
    bool has_ceb = take_option(c, h, &ceb);
    uint32_t told = (ace_of(h->flags) - x->s.cep) & (ACE_COUNTS - 1);
    uint32_t n = marks(x, told, packets, has_ceb, ceb, c->snd.mss);
    x->s.cep += n;
    x->delivered_ce += n;
    return n > 0;
}

/* ---- Segments out ---- */

/* Counters that fit behind so many bytes of other options. */
static unsigned counters_that_fit(size_t used)
{
    unsigned n = NARU_TCP_ACCECN_COUNTERS;
    while (n > 0 && used + naru_round_up(2u + 3u * n, 4) > NARU_TCP_OPTIONS_MAX)
        n--;
    return n;
}

/* Bytes of it on the next segment with data, behind so many of other options. */
NARU_NOINLINE uint32_t naru_tcp_accecn_len(const struct naru_tcp *c, uint32_t used)
{
    unsigned n = c->more->rare->option_due ? counters_that_fit(used) : 0;
    return n == 0 ? 0 : (uint32_t)naru_round_up(2u + 3u * n, 4);
}

static void put_option(struct naru_tcp_rare *x, struct naru_tcp_hdr *h)
{
    unsigned n = counters_that_fit(naru_tcp_len(h) - NARU_TCP_LEN);
    if (n == 0)
        return;
    h->opts |= NARU_TCP_OPT_ACCECN;
    if (n == NARU_TCP_ACCECN_COUNTERS) /* Linux's order; else those first that say something */
        h->opts |= NARU_TCP_OPT_ACCECN_FIRST1;
    h->accecn_count = (uint8_t)n;
    for (unsigned i = 0; i < NARU_TCP_ACCECN_COUNTERS; i++)
        h->accecn[i] = x->r.bytes[i] & COUNTER_MASK;
    x->option_due = false;
}

NARU_NOINLINE void naru_tcp_accecn_put(struct naru_tcp *c, struct naru_tcp_segment *out)
{
    struct naru_tcp_rare *x = c->more->rare;
    struct naru_tcp_hdr *h = &out->hdr;
    bool syn = (h->flags & NARU_TCP_SYN) != 0;
    if (h->flags & NARU_TCP_RST)
        return;
    if (syn ? !out->retransmit : out->len == 0 || x->option_due)
        put_option(x, h);
    if (syn)
        return;
    bool reflect = x->reflect && out->len == 0;
    h->flags |= reflect ? naru_tcp_accecn_reflected(x->syn_ecn) : naru_tcp_accecn_ace(x->r.cep);
    x->reflect = false;
    x->told_cep = x->r.cep;
}
