/*
 * The fields of TCP_INFO by name, as Linux counts them: microseconds, milliseconds since, segments.
 */
#include "pkt/info.h"
#include "base/defs.h"

#include <string.h>

struct field {
    const char *name;
    int64_t value;
};

/* enum naru_tcp_state in Linux's numbers, which begin with ESTABLISHED. */
static int64_t state_of(enum naru_tcp_state state)
{
    static const uint8_t numbers[] = {
        [NARU_TCP_CLOSED] = 7,       [NARU_TCP_LISTEN] = 10,     [NARU_TCP_SYN_SENT] = 2,
        [NARU_TCP_SYN_RECEIVED] = 3, [NARU_TCP_ESTABLISHED] = 1, [NARU_TCP_FIN_WAIT_1] = 4,
        [NARU_TCP_FIN_WAIT_2] = 5,   [NARU_TCP_CLOSE_WAIT] = 8,  [NARU_TCP_CLOSING] = 11,
        [NARU_TCP_LAST_ACK] = 9,     [NARU_TCP_TIME_WAIT] = 6,
    };
    return numbers[state];
}

static int64_t us(naru_time t) { return t <= 0 || t == NARU_NEVER ? 0 : t / 1000; }

static int64_t ms_since(naru_time then, naru_time now)
{
    return then == 0 || then > now ? 0 : (now - then) / NARU_MS(1);
}

static int64_t options_of(const struct naru_tcp_info *i)
{
    return (i->timestamps ? 1 : 0) | (i->sack ? 2 : 0) | (i->window_scale ? 4 : 0) |
           (i->ecn ? 8 : 0) | (i->ecn_seen ? 16 : 0) | (i->syn_data ? 32 : 0);
}

static bool find(const struct field *fields, size_t n, const char *name, int64_t *value)
{
    for (size_t k = 0; k < n; k++) {
        if (strcmp(fields[k].name, name) == 0) {
            *value = fields[k].value;
            return true;
        }
    }
    return false;
}

static bool find_time(const struct naru_tcp_info *i, const char *name, naru_time now,
                      int64_t *value)
{
    const struct field fields[] = {
        { "tcpi_rto", us(i->rto) },
        { "tcpi_ato", us(i->ato) },
        { "tcpi_rtt", us(i->rtt) },
        { "tcpi_rttvar", us(i->rttvar) },
        { "tcpi_min_rtt", us(i->min_rtt) },
        { "tcpi_rcv_rtt", us(i->rcv_rtt) },
        { "tcpi_last_data_sent", ms_since(i->last_data_sent, now) },
        { "tcpi_last_data_recv", ms_since(i->last_data_recv, now) },
        { "tcpi_last_ack_recv", ms_since(i->last_ack_recv, now) },
        { "tcpi_busy_time", us(i->busy_time) },
        { "tcpi_rwnd_limited", us(i->rwnd_limited) },
        { "tcpi_sndbuf_limited", us(i->sndbuf_limited) },
        { "tcpi_delivery_rate", (int64_t)i->delivery_rate },
        { "tcpi_pacing_rate", (int64_t)i->pacing_rate },
    };
    return find(fields, NARU_ARRAY_LEN(fields), name, value);
}

static bool find_count(const struct naru_tcp_info *i, const char *name, int64_t *value)
{
    const struct field fields[] = {
        { "tcpi_unacked", i->unacked_segments },
        { "tcpi_sacked", i->sacked_segments },
        { "tcpi_lost", i->lost_segments },
        { "tcpi_retrans", i->retrans_segments },
        { "tcpi_fackets", 0 },
        { "tcpi_total_retrans", i->total_retrans_segments },
        { "tcpi_reordering", i->reordering_segments },
        { "tcpi_reord_seen", i->reord_seen },
        { "tcpi_delivered", i->delivered_segments },
        { "tcpi_segs_in", i->segments_in },
        { "tcpi_segs_out", i->segments_out },
        { "tcpi_data_segs_in", i->data_segments_in },
        { "tcpi_data_segs_out", i->data_segments_out },
        { "tcpi_rcv_ooopack", i->rcv_ooo_segments },
        { "tcpi_dsack_dups", i->dsack_dups },
        { "tcpi_bytes_acked", (int64_t)i->bytes_acked },
        { "tcpi_bytes_received", (int64_t)i->bytes_received },
        { "tcpi_bytes_sent", (int64_t)i->bytes_sent },
        { "tcpi_bytes_retrans", (int64_t)i->bytes_retrans },
        { "tcpi_notsent_bytes", i->notsent_bytes },
    };
    return find(fields, NARU_ARRAY_LEN(fields), name, value);
}

bool naru_info_field(const struct naru_tcp_info *i, const char *name, naru_time now, int64_t *value)
{
    const struct field fields[] = {
        { "tcpi_state", state_of(i->state) },
        { "tcpi_ca_state", i->ca_state },
        { "tcpi_retransmits", i->retransmits },
        { "tcpi_probes", i->probes },
        { "tcpi_backoff", i->backoff },
        { "tcpi_options", options_of(i) },
        { "tcpi_snd_wscale", i->snd_wscale },
        { "tcpi_rcv_wscale", i->rcv_wscale },
        { "tcpi_snd_mss", i->snd_mss },
        { "tcpi_rcv_mss", i->rcv_mss },
        { "tcpi_advmss", i->advmss },
        { "tcpi_pmtu", i->pmtu },
        { "tcpi_snd_cwnd", i->snd_cwnd_segments },
        { "tcpi_snd_ssthresh", i->snd_ssthresh_segments },
        { "tcpi_rcv_ssthresh", i->rcv_ssthresh },
        { "tcpi_rcv_space", i->rcv_space },
        { "tcpi_snd_wnd", i->snd_wnd },
        { "tcpi_rcv_wnd", i->rcv_wnd },
    };
    return find(fields, NARU_ARRAY_LEN(fields), name, value) || find_count(i, name, value) ||
           find_time(i, name, now, value);
}
