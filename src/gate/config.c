/*
 * The gateway's defaults, and what it will not start with.
 */
#include "base/addr.h"
#include "gate/inside.h"

void naru_gate_config_init(struct naru_gate_config *config)
{
    *config = (struct naru_gate_config){
        .memory_max = 256U << 20,
        .addr4 = naru_addr_v4(0x0a000202),
        .addr6 = { .b = { 0xfd, [15] = 2 } },
        .prefix4 = 24,
        .prefix6 = 64,
        .dns4 = naru_addr_v4(0x0a000203),
        .dns6 = { .b = { 0xfd, [15] = 3 } },
        .mac = { 0x52, 0x55, 0x0a, 0x00, 0x02, 0x02 },
        .mtu = 65520,
        .tcp_flows_max = 16384,
        .udp_flows_max = 1024,
        .ping_flows_max = 64,
        .connect_timeout_ms = 30000,
        .udp_timeout_ms = 30000,
        .udp_stream_timeout_ms = 180000,
        .dns_timeout_ms = 10000,
    };
}

bool naru_gate_config_is_valid(const struct naru_gate_config *config)
{
    bool has4 = !naru_addr_is_zero(&config->addr4);
    bool has6 = !naru_addr_is_zero(&config->addr6);

    return config->loop != NULL && (has4 || has6) && config->prefix4 <= 32 &&
           config->prefix6 <= 128 && (!has4 || naru_addr_is_v4(&config->addr4)) &&
           (!has6 || !naru_addr_is_v4(&config->addr6)) &&
           config->resolver_count <= NARU_GATE_DNS_MAX && config->tcp_flows_max > 0 &&
           config->udp_flows_max > 0 && config->connect_timeout_ms > 0 &&
           config->udp_timeout_ms > 0 && config->udp_stream_timeout_ms > 0 &&
           config->dns_timeout_ms > 0;
}
