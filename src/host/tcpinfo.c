/* TCP_INFO as Linux tells it; see tcpinfo.h. */
#include "host/tcpinfo.h"

#include <linux/tcp.h>
#include <string.h>

/* enum naru_tcp_state in Linux's numbers, which begin with ESTABLISHED. */
static const uint8_t linux_state[] = {
    [NARU_TCP_CLOSED] = 7,       [NARU_TCP_LISTEN] = 10,     [NARU_TCP_SYN_SENT] = 2,
    [NARU_TCP_SYN_RECEIVED] = 3, [NARU_TCP_ESTABLISHED] = 1, [NARU_TCP_FIN_WAIT_1] = 4,
    [NARU_TCP_FIN_WAIT_2] = 5,   [NARU_TCP_CLOSE_WAIT] = 8,  [NARU_TCP_CLOSING] = 11,
    [NARU_TCP_LAST_ACK] = 9,     [NARU_TCP_TIME_WAIT] = 6,
};

uint8_t naru_tcpinfo_state(enum naru_tcp_state state) { return linux_state[state]; }

static uint32_t us(naru_time time)
{
    return time < 0 || time == NARU_NEVER ? 0 : (uint32_t)(time / 1000);
}

static uint8_t info_options(const struct naru_tcp_info *from)
{
    return (uint8_t)((from->timestamps ? TCPI_OPT_TIMESTAMPS : 0) |
                     (from->sack ? TCPI_OPT_SACK : 0) | (from->window_scale ? TCPI_OPT_WSCALE : 0) |
                     (from->ecn ? TCPI_OPT_ECN : 0) | (from->ecn_seen ? TCPI_OPT_ECN_SEEN : 0) |
                     (from->syn_data ? TCPI_OPT_SYN_DATA : 0));
}

static uint32_t ms_since(naru_time then, naru_time now)
{
    return then == 0 || then > now ? 0 : (uint32_t)((now - then) / NARU_MS(1));
}

static void info_times(struct tcp_info *to, const struct naru_tcp_info *from, naru_time now)
{
    to->tcpi_last_data_sent = ms_since(from->last_data_sent, now);
    to->tcpi_last_data_recv = ms_since(from->last_data_recv, now);
    to->tcpi_last_ack_recv = ms_since(from->last_ack_recv, now);
    to->tcpi_busy_time = (uint64_t)from->busy_time / 1000;
    to->tcpi_rwnd_limited = (uint64_t)from->rwnd_limited / 1000;
    to->tcpi_sndbuf_limited = (uint64_t)from->sndbuf_limited / 1000;
    to->tcpi_delivery_rate = from->delivery_rate;
    to->tcpi_delivery_rate_app_limited = from->delivery_rate_app_limited;
    to->tcpi_pacing_rate = from->pacing_rate != 0 ? from->pacing_rate : UINT64_MAX;
    to->tcpi_max_pacing_rate = from->max_pacing_rate;
}

static void info_segments(struct tcp_info *to, const struct naru_tcp_info *from)
{
    to->tcpi_unacked = from->unacked_segments;
    to->tcpi_sacked = from->sacked_segments;
    to->tcpi_lost = from->lost_segments;
    to->tcpi_retrans = from->retrans_segments;
    to->tcpi_total_retrans = from->total_retrans_segments;
    to->tcpi_segs_in = from->segments_in;
    to->tcpi_segs_out = from->segments_out;
    to->tcpi_data_segs_in = from->data_segments_in;
    to->tcpi_data_segs_out = from->data_segments_out;
    to->tcpi_delivered = from->delivered_segments;
    to->tcpi_delivered_ce = from->delivered_ce_segments;
    to->tcpi_rcv_ooopack = from->rcv_ooo_segments;
    to->tcpi_dsack_dups = from->dsack_dups;
    to->tcpi_reord_seen = from->reord_seen;
    to->tcpi_reordering = from->reordering_segments;
    to->tcpi_bytes_acked = from->bytes_acked;
    to->tcpi_bytes_received = from->bytes_received;
    to->tcpi_bytes_sent = from->bytes_sent;
    to->tcpi_bytes_retrans = from->bytes_retrans;
    to->tcpi_notsent_bytes = from->notsent_bytes;
}

static void info_figures(struct tcp_info *to, const struct naru_tcp_info *from)
{
    to->tcpi_ca_state = (uint8_t)from->ca_state;
    to->tcpi_retransmits = from->retransmits;
    to->tcpi_probes = from->probes;
    to->tcpi_backoff = from->backoff;
    to->tcpi_options = info_options(from);
    to->tcpi_snd_wscale = from->snd_wscale & 15u;
    to->tcpi_rcv_wscale = from->rcv_wscale & 15u;
    to->tcpi_rto = us(from->rto);
    to->tcpi_ato = us(from->ato);
    to->tcpi_rtt = us(from->rtt);
    to->tcpi_rttvar = us(from->rttvar);
    to->tcpi_min_rtt = us(from->min_rtt);
    to->tcpi_rcv_rtt = us(from->rcv_rtt);
    to->tcpi_snd_mss = from->snd_mss;
    to->tcpi_rcv_mss = from->rcv_mss;
    to->tcpi_advmss = from->advmss;
    to->tcpi_pmtu = from->pmtu;
    to->tcpi_snd_cwnd = from->snd_cwnd_segments;
    to->tcpi_snd_ssthresh = from->snd_ssthresh_segments;
    to->tcpi_rcv_ssthresh = from->rcv_ssthresh;
    to->tcpi_rcv_space = from->rcv_space;
    to->tcpi_snd_wnd = from->snd_wnd;
}

void naru_tcpinfo_linux(const struct naru_tcp_info *from, naru_time now, struct tcp_info *to)
{
    memset(to, 0, sizeof(*to));
    to->tcpi_state = naru_tcpinfo_state(from->state);
    info_figures(to, from);
    info_segments(to, from);
    info_times(to, from, now);
}
