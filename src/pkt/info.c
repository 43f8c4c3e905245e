/*
 * The fields of TCP_INFO by name, with the values that Linux's struct gives them.
 */
#include "pkt/info.h"

#include "base/defs.h"
#include "host/tcpinfo.h"

#include <linux/tcp.h>
#include <string.h>

#define FIELD(name)                                            \
    {                                                          \
        "tcpi_" #name, offsetof(struct tcp_info, tcpi_##name), \
            sizeof(((struct tcp_info *)NULL)->tcpi_##name)     \
    }

static const struct field {
    const char *name;
    size_t at, size;
} fields[] = {
    FIELD(rto),
    FIELD(ato),
    FIELD(rtt),
    FIELD(rttvar),
    FIELD(min_rtt),
    FIELD(rcv_rtt),
    FIELD(last_data_sent),
    FIELD(last_data_recv),
    FIELD(last_ack_recv),
    FIELD(busy_time),
    FIELD(rwnd_limited),
    FIELD(sndbuf_limited),
    FIELD(delivery_rate),
    FIELD(pacing_rate),
    FIELD(max_pacing_rate),
    FIELD(unacked),
    FIELD(sacked),
    FIELD(lost),
    FIELD(retrans),
    FIELD(fackets),
    FIELD(total_retrans),
    FIELD(reordering),
    FIELD(reord_seen),
    FIELD(delivered),
    FIELD(segs_in),
    FIELD(segs_out),
    FIELD(data_segs_in),
    FIELD(data_segs_out),
    FIELD(rcv_ooopack),
    FIELD(dsack_dups),
    FIELD(bytes_acked),
    FIELD(bytes_received),
    FIELD(bytes_sent),
    FIELD(bytes_retrans),
    FIELD(notsent_bytes),
    FIELD(state),
    FIELD(ca_state),
    FIELD(retransmits),
    FIELD(probes),
    FIELD(backoff),
    FIELD(options),
    FIELD(snd_mss),
    FIELD(rcv_mss),
    FIELD(advmss),
    FIELD(pmtu),
    FIELD(snd_cwnd),
    FIELD(snd_ssthresh),
    FIELD(rcv_ssthresh),
    FIELD(rcv_space),
    FIELD(snd_wnd),
};

static int64_t number(const void *at, size_t size)
{
    uint8_t u8;
    uint32_t u32;
    uint64_t u64;
    switch (size) {
    case sizeof(u8):
        memcpy(&u8, at, sizeof(u8));
        return u8;
    case sizeof(u32):
        memcpy(&u32, at, sizeof(u32));
        return u32;
    default:
        memcpy(&u64, at, sizeof(u64));
        return (int64_t)u64;
    }
}

bool naru_info_field(const struct naru_tcp_info *i, const char *name, naru_time now, int64_t *value)
{
    struct tcp_info linux_info;
    naru_tcpinfo_linux(i, now, &linux_info);
    for (size_t k = 0; k < NARU_ARRAY_LEN(fields); k++) {
        if (strcmp(fields[k].name, name) == 0) {
            *value = number((const char *)&linux_info + fields[k].at, fields[k].size);
            return true;
        }
    }
    /* Bit fields, and what the header may be too old for. */
    if (strcmp(name, "tcpi_snd_wscale") == 0)
        *value = i->snd_wscale;
    else if (strcmp(name, "tcpi_rcv_wscale") == 0)
        *value = i->rcv_wscale;
    else if (strcmp(name, "tcpi_delivery_rate_app_limited") == 0)
        *value = i->delivery_rate_app_limited;
    else if (strcmp(name, "tcpi_rcv_wnd") == 0)
        *value = i->rcv_wnd;
    else
        return false;
    return true;
}
