/* What a connection tells about itself: TCP_INFO, the trace, and the stack's environment. */
#include "proto/tcp/internal.h"

#include "base/rand.h"
#include <string.h>

/* ---- struct naru_tcp_env ---- */

/* Keep-alive is off, and begins after two hours (MUST-25, MUST-28). */
void naru_tcp_env_init(struct naru_tcp_env *env, const struct naru_config *config,
                       struct naru_mem *mem, struct naru_pktpool *pktpool,
                       struct naru_blockpool *blockpool, struct naru_rand *rand)
{
    memset(env, 0, sizeof(*env));
    env->config = config;
    env->mem = mem;
    env->pktpool = pktpool;
    env->blockpool = blockpool;
    env->rand = rand;
    naru_siphash_key_init(&env->name_key, rand);
    naru_tcp_cookie_init(env);
    env->ooo_max = config->ooo_memory_max;
    naru_tcp_more_init(env);
    if (config->tcp_window_scale)
        while (env->wscale < 14 && config->tcp_rcvbuf_max >> env->wscale > 65535u)
            env->wscale++;
    env->opts = (struct naru_tcp_opts){
        .sndbuf = config->tcp_sndbuf_default,
        .rcvbuf = config->tcp_rcvbuf_default,
        .keepidle_ms = 7200000,
        .keepintvl_ms = 75000,
        .keepcnt = 9,
        .linger_ms = -1,
        .linger2_ms = 0,
        .rcvlowat = 1,
        .congestion = config->tcp_congestion,
        .pacing_max = UINT64_MAX,
        .flags = config->tcp_pacing ? NARU_TCP_SET_PACING : 0,
        .ecn = config->tcp_ecn,
    };
}

void naru_tcp_env_deinit(struct naru_tcp_env *env)
{
    naru_tcp_more_check(env);
    naru_tcp_more_deinit(env);
}

struct naru_tcp_secret naru_tcp_secret(const struct naru_tcp_env *env,
                                       const struct naru_hash_tuple *tuple)
{
    uint64_t hash = naru_siphash_flow(&env->name_key, tuple);
    return (struct naru_tcp_secret){ .isn = (uint32_t)hash, .ts = (uint32_t)(hash >> 32) };
}

/* A clock of 4 us and a keyed hash of the names (MUST-8, MUST-9, SHLD-1). */
naru_seq naru_tcp_isn(const struct naru_tcp_secret *secret, naru_time now)
{
    return naru_seq_of(secret->isn + (uint32_t)(uint64_t)(now / NARU_US(4)));
}

/* ---- TCP_INFO ---- */

/* So long ago, as far as is known; never, if nobody took note of it. */
static naru_time before(naru_time now, naru_time span, uint32_t note)
{
    return note == 0 ? 0 : NARU_MAX(now - span, (naru_time)1);
}

static uint32_t in_segments(const struct naru_tcp *c, uint32_t bytes)
{
    return (bytes + c->snd.mss - 1) / c->snd.mss;
}

static void info_sending(const struct naru_tcp *c, struct naru_tcp_info *info)
{
    uint32_t flight = naru_tcp_synchronized(c) ? naru_tcp_flight(c) : 0;
    info->snd_mss = c->snd.mss;
    info->unacked_segments = in_segments(c, flight);
    info->sacked_segments =
        in_segments(c, c->flags & NARU_TCP_F_SACK ? c->more->sacked : c->more->reno);
    info->lost_segments = in_segments(c, c->more->lost);
    info->retrans_segments = in_segments(c, c->more->retrans);
    info->reordering_segments = NARU_MAX((uint32_t)c->more->reordering, NARU_TCP_DUPTHRESH);
    info->reord_seen = c->more->reord_seen;
    info->snd_cwnd_segments = c->cwnd / c->snd.mss;
    info->snd_ssthresh_segments =
        c->ssthresh >= NARU_TCP_SSTHRESH_INF ? INT32_MAX : c->ssthresh / c->snd.mss;
    info->snd_wnd = c->snd.wnd;
    info->bytes_acked = c->bytes_acked;
    info->bytes_retrans = c->more->retransmitted;
    info->bytes_sent = c->bytes_acked + flight + c->more->retransmitted;
    info->notsent_bytes = naru_tcp_synchronized(c) ? naru_tcp_unsent_new(c) : 0;
    info->total_retrans_segments = c->more->segments_retrans;
    info->delivered_segments = c->delivered;
    info->dsack_dups = c->more->dsack_dups;
    info->retransmits = c->more->retransmits;
    info->probes = c->more->probes;
    info->backoff = c->more->backoff;
    info->rto = naru_tcp_rto(c);
    info->rtt = NARU_US((naru_time)c->srtt);
    info->rttvar = NARU_US((naru_time)c->rttvar);
    info->min_rtt = NARU_US((naru_time)c->min_rtt);
}

void naru_tcp_get_info(const struct naru_tcp *c, struct naru_tcp_info *info, naru_time now)
{
    memset(info, 0, sizeof(*info));
    info->state = c->state;
    info->ca_state = c->ca_state;
    info->timestamps = (c->flags & NARU_TCP_F_TIMESTAMPS) != 0;
    info->sack = (c->flags & NARU_TCP_F_SACK) != 0;
    info->window_scale = (c->flags & NARU_TCP_F_WSCALE) != 0;
    info->ecn = (c->more->ecn & (NARU_TCP_ECN_CLASSIC | NARU_TCP_ECN_ACCURATE)) != 0;
    info->ecn_seen = (c->more->ecn & NARU_TCP_ECN_SEEN) != 0;
    info->syn_data = (c->more->fastopen & NARU_TCP_FASTOPEN_TAKEN) != 0;
    info->delivered_ce_segments = c->more->rare == NULL ? 0 : c->more->rare->delivered_ce;
    info->snd_wscale = c->snd.wscale;
    info->rcv_wscale = c->rcv.wscale;
    info_sending(c, info);
    naru_tcp_rate_info(c, info, now);
    info->ato = c->last_recv != 0 ? NARU_TCP_ATO_MIN : 0;
    info->rcv_rtt = NARU_US((naru_time)c->space_rtt);
    info->rcv_mss = c->rcv.mss;
    info->advmss = c->mss_advertised;
    info->pmtu = c->mss_path;
    info->rcv_ssthresh = c->rcv_ssthresh;
    info->rcv_space = c->space;
    info->rcv_wnd = c->rcv.wnd;
    info->segments_in = c->segments_in;
    info->segments_out = c->segments_out;
    info->data_segments_in = c->data_in;
    info->data_segments_out = c->data_out;
    info->rcv_ooo_segments = c->more->ooo_in;
    info->bytes_received = c->bytes_received;
    info->last_data_sent =
        c->data_out > 0 ? before(now, naru_tcp_since(now, c->sent_tick), c->sent_tick) : 0;
    info->last_data_recv = c->last_recv;
    info->last_ack_recv = before(now, naru_tcp_since_ms(now, c->heard_ms), c->heard_ms);
}

void naru_tcp_get_trace(const struct naru_tcp *c, struct naru_trace_tcp *out)
{
    *out = (struct naru_trace_tcp){
        .from = c->state,
        .state = c->state,
        .cwnd = c->cwnd,
        .ssthresh = c->ssthresh,
        .in_flight = naru_tcp_flight(c),
        .snd_wnd = c->snd.wnd,
        .rcv_wnd = c->rcv.wnd,
        .iss = naru_tcp_iss(c).v,
        .irs = naru_tcp_irs(c).v,
        .srtt = NARU_US((naru_time)c->srtt),
        .rto = naru_tcp_rto(c),
    };
}
