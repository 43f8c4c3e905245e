/*
 * Where a guest may go: see dest.h.
 */
#include "gate/dest.h"

#include "base/addr.h"

#define DNS_PORT 53

static struct naru_addr host_loopback(bool v4)
{
    return v4 ? naru_addr_v4(0x7f000001) : (struct naru_addr){ .b = { [15] = 1 } };
}

/* 0.0.0.0/8 and 240.0.0.0/4; ::/96 (RFC 4291 2.5.5.1). */
static bool is_special(const struct naru_addr *addr)
{
    static const struct naru_addr zero;

    if (naru_addr_is_v4(addr))
        return addr->b[12] == 0 || addr->b[12] >= 240;
    return naru_addr_match128(addr, &zero, 96);
}

static bool is_never(const struct naru_addr *addr)
{
    return is_special(addr) || naru_addr_is_loopback(addr) || naru_addr_is_link_local(addr) ||
           naru_addr_is_multicast(addr);
}

enum naru_gate_dest naru_gate_dest(const struct naru_gate_config *config,
                                   const struct naru_endpoint *to, struct naru_endpoint *host)
{
    bool v4 = naru_addr_is_v4(&to->addr);
    const struct naru_addr *own = v4 ? &config->addr4 : &config->addr6;
    const struct naru_addr *dns = v4 ? &config->dns4 : &config->dns6;

    *host = (struct naru_endpoint){ .addr = to->addr, .port = to->port };
    if (is_never(&to->addr))
        return NARU_GATE_DEST_NEVER;
    if (naru_addr_eq(&to->addr, dns))
        return to->port == DNS_PORT ? NARU_GATE_DEST_RESOLVER : NARU_GATE_DEST_CLOSED;
    if (naru_addr_is_zero(own))
        return NARU_GATE_DEST_RELAY;
    if (naru_addr_eq(&to->addr, own)) {
        host->addr = host_loopback(v4);
        return config->host_loopback ? NARU_GATE_DEST_RELAY : NARU_GATE_DEST_CLOSED;
    }
    if (naru_addr_in_prefix(&to->addr, own, v4 ? config->prefix4 : config->prefix6))
        return NARU_GATE_DEST_ABSENT;
    return NARU_GATE_DEST_RELAY;
}

bool naru_gate_source(const struct naru_gate_config *config, const struct naru_endpoint *host,
                      struct naru_endpoint *from)
{
    bool v4 = naru_addr_is_v4(&host->addr);
    struct naru_addr loopback = host_loopback(v4);

    *from = (struct naru_endpoint){ .addr = host->addr, .port = host->port };
    if (config->host_loopback && naru_addr_eq(&host->addr, &loopback)) {
        from->addr = v4 ? config->addr4 : config->addr6;
        return !naru_addr_is_zero(&from->addr);
    }
    return !is_never(&host->addr);
}
