/*
 * Fast Open (RFC 7413) as TCP sees it: a SYN with data, and data before the handshake is complete.
 * Whose cookies are good, and which we have, is proto/fastopen.h's; the stack carries them.
 *
 *   client  SYN with cookie and data; what of the data SYN,ACK does not acknowledge is sent again
 * at once (4.2.1).  A SYN that is sent again has neither (4.2.1, 4.1.3.1). server  data of a SYN
 * with a good cookie are the user's at once, and his answer may go before the handshake is complete
 * (4.2.2): sending in SYN-RECEIVED, FIN alone excepted
 *
 * Data of a SYN stay in the send buffer, and SND.NXT behind SYN, until SYN,ACK tells what became of
 * them; so they are new data if they were not taken, and SYN-SENT knows no flight.
 *
 * As Linux does: SYN,ACK carries a cookie once, not when it is sent again; a SYN with data leaves
 * 40 bytes of its segment for options.
 */
#include "proto/tcp/internal.h"

enum { OPTION_SPACE = 40 };

/* ---- Client ---- */

int64_t naru_tcp_open_fast(struct naru_tcp *c, naru_seq iss, const struct naru_tcp_fastopen *how,
                           const struct naru_slice *slice, unsigned slice_count, naru_time now)
{
    int64_t taken = 0;
    naru_tcp_open(c, iss, now);
    if (naru_tcp_rare_need(c) == NULL)
        return 0; /* an ordinary SYN */
    c->more->rare->fastopen = *how;
    if (how->option)
        c->more->fastopen |= NARU_TCP_FASTOPEN_OPTION;
    uint32_t mss = c->mss_path;
    if (how->mss != 0)
        mss = NARU_MIN(mss, (uint32_t)how->mss);
    if (how->data && mss > OPTION_SPACE)
        taken = naru_tcp_sndq_write(c, slice, slice_count,
                                    NARU_MIN(mss - (uint32_t)OPTION_SPACE, naru_tcp_sndq_room(c)));
    if (taken > 0)
        c->more->fastopen |= NARU_TCP_FASTOPEN_DATA;
    return NARU_MAX(taken, (int64_t)0);
}

uint32_t naru_tcp_syn_data(const struct naru_tcp *c)
{
    return c->more->fastopen & NARU_TCP_FASTOPEN_DATA ? c->more->rare->syn_data : 0;
}

/* Into the first SYN. */
void naru_tcp_fastopen_put_data(struct naru_tcp *c, struct naru_tcp_segment *out)
{
    uint32_t len = naru_seq_len(c->snd.nxt, c->snd.end);
    out->slice_count = naru_tcp_sndq_slices(c, c->snd.nxt, &len, out->slice, NARU_TCP_SLICES);
    out->len = c->more->rare->syn_data = len;
    c->more->rare->syn_end = naru_seq_add(c->snd.nxt, len);
}

/* SYN,ACK acknowledges SYN and maybe data. */
void naru_tcp_fastopen_answered(struct naru_tcp *c, naru_seq ack)
{
    if (naru_seq_eq(ack, c->snd.nxt))
        return;
    c->snd.nxt = c->snd.sml = c->more->rtx_next = c->more->snd_up = ack;
    c->more->high_sacked = c->more->lost_upto = ack;
    c->more->fastopen |= NARU_TCP_FASTOPEN_TAKEN;
    naru_tcp_sndq_acked(c);
}

/* ---- Server ---- */

bool naru_tcp_offer_cookie(struct naru_tcp *c, const struct naru_tcp_fastopen *how)
{
    if (naru_tcp_rare_need(c) == NULL)
        return false;
    c->more->rare->fastopen = *how;
    c->more->fastopen |= NARU_TCP_FASTOPEN_OPTION;
    return true;
}

bool naru_tcp_accept_fast(struct naru_tcp *c, struct naru_pkt *pkt, naru_time now)
{
    uint32_t len = pkt == NULL ? 0 : pkt->len;
    if (naru_tcp_rare_need(c) == NULL || (len > 0 && !naru_tcp_may_keep(c)))
        return false;
    c->more->fastopen |= NARU_TCP_FASTOPEN_EARLY;
    c->snd.sml = c->more->iss; /* nothing small is out */
    naru_tcp_cc_init(c, now);
    if (len > 0) {
        c->more->fastopen |= NARU_TCP_FASTOPEN_TAKEN;
        c->data_in++;
        /* The first window begins behind these data, as it would had they come after it. */
        c->rcv_ssthresh = NARU_MIN(c->rcv_ssthresh + len, c->rcv.buf);
        naru_tcp_in_order(c, pkt);
        naru_tcp_event(c, NARU_READY_READ);
    }
    naru_tcp_event(c, NARU_READY_WRITE);
    return true;
}

/* SYN,ACK has gone: its round trip is measured apart, the records are for data. */
void naru_tcp_fastopen_sent(struct naru_tcp *c, bool again, naru_time now)
{
    c->more->rare->synack_again = again;
    if (!again)
        c->more->rare->synack_at = now;
}

void naru_tcp_fastopen_complete(struct naru_tcp *c, naru_time now)
{
    if (!c->more->rare->synack_again)
        naru_tcp_rtt_sample(c, naru_tcp_us(now - c->more->rare->synack_at));
}
