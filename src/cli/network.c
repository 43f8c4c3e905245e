/*
 * Building the network of a run.
 *
 * user: the gateway's stack and the program's are joined by a wire in memory, with all offloads;
 * the MTU is large because nothing real is between them. tap: the device gets the program's frames.
 * If naru makes it, naru also gives the host's side the gateway's address and sets it up; a device
 * that was there before is its owner's business.
 */
#include "cli/network.h"

#include "gate/gate.h"
#include "host/clock.h"
#include "host/errno.h"
#include "host/link.h"
#include "host/tap.h"
#include "host/tracefan.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#define MTU_USER 65520
#define MTU_TAP  1500

static void default_addresses(struct naru_cli_network *network)
{
    network->ip[0] = (struct naru_cli_addr){ naru_addr_v4(0x0a000264), 24 };
    network->ip[1] = (struct naru_cli_addr){ { .b = { 0xfd, [14] = 0x01 } }, 64 };
    network->ip_count = network->mtu >= 1280 ? 2 : 1;
}

/* The n-th host of the prefix an address is in: n from the lowest address. */
static struct naru_addr host_of(const struct naru_cli_addr *ip, uint8_t n)
{
    struct naru_addr addr = ip->addr;
    unsigned keep = naru_cli_is_v4(&ip->addr) ? 96 + ip->len : ip->len;
    for (unsigned bit = keep; bit < 128; bit++)
        addr.b[bit / 8] = (uint8_t)(addr.b[bit / 8] & ~(0x80u >> bit % 8));
    addr.b[15] = (uint8_t)(addr.b[15] + n);
    return addr;
}

/* The gateway's and the resolver's place in the program's own prefix, unless the program sits
 * there.
 */
static void default_gateway(const struct naru_cli_addr *ip, struct naru_addr *gateway,
                            struct naru_addr *dns, bool wants_dns)
{
    struct naru_addr second = host_of(ip, 2), third = host_of(ip, 3), first = host_of(ip, 1);
    if (naru_cli_unset(gateway))
        *gateway = memcmp(&second, &ip->addr, sizeof second) == 0 ? first : second;
    if (naru_cli_unset(dns) && wants_dns)
        *dns = memcmp(&third, &ip->addr, sizeof third) == 0 ? first : third;
}

void naru_cli_network_plan(struct naru_cli_network *network, const struct naru_run_options *options)
{
    bool user = options->net == NARU_NET_USER;
    *network = (struct naru_cli_network){
        .options = options,
        .ip_count = options->ip_count,
        .gateway4 = options->gateway4,
        .gateway6 = options->gateway6,
        .dns4 = options->dns4,
        .dns6 = options->dns6,
        .mtu = options->mtu != 0 ? options->mtu
               : user            ? MTU_USER
                                 : MTU_TAP,
    };
    if (options->net == NARU_NET_NONE)
        return;
    memcpy(network->ip, options->ip, sizeof network->ip);
    if (network->ip_count == 0)
        default_addresses(network);
    else if (!user)
        return; /* one's own addresses on a real network: gateways are not to be guessed */
    for (unsigned i = network->ip_count; i-- > 0;) {
        bool v4 = naru_cli_is_v4(&network->ip[i].addr);
        default_gateway(&network->ip[i], v4 ? &network->gateway4 : &network->gateway6,
                        v4 ? &network->dns4 : &network->dns6, user);
    }
}

static int complain(const char *what, int error)
{
    fprintf(stderr, "naru run: %s: %s\n", what, strerror(-error));
    return error;
}

static int complain_addr(const char *what, const struct naru_addr *addr, enum naru_err err)
{
    char text[NARU_ADDR_TEXT_SIZE];
    naru_addr_format(addr, text, sizeof text);
    fprintf(stderr, "naru run: %s %s: %s\n", what, text, naru_err_text(err));
    return -EINVAL;
}

/* A locally administered address that a second run will not have. */
static void mac_from(const uint8_t seed[32], uint8_t mac[6])
{
    memcpy(mac, seed + 26, 6);
    mac[0] = (uint8_t)((mac[0] & 0xfc) | 0x02);
}

static int add_iface(struct naru_cli_network *network, struct naru_stack *stack, const char *name,
                     uint32_t offload, const uint8_t seed[32], naru_time now)
{
    struct naru_iface_config config;
    naru_iface_config_init(&config);
    config.name = name;
    config.mtu = network->mtu;
    config.offload = offload;
    config.link_local = network->mtu >= 1280;
    mac_from(seed, config.mac);
    network->ifname = name;
    enum naru_err err = naru_iface_add(stack, &config, now, &network->ifindex);
    if (err == NARU_OK)
        err = naru_iface_set_up(stack, network->ifindex, true, now);
    if (err != NARU_OK) {
        fprintf(stderr, "naru run: interface %s: %s\n", name, naru_err_text(err));
        return -EINVAL;
    }
    return 0;
}

static int add_route(struct naru_cli_network *network, struct naru_stack *stack,
                     const struct naru_addr *gateway)
{
    struct naru_route route = {
        .prefix = naru_cli_is_v4(gateway) ? naru_addr_v4(0) : (struct naru_addr){ { 0 } },
        .has_gateway = true,
        .gateway = *gateway,
        .ifindex = (uint16_t)network->ifindex,
    };
    if (naru_cli_unset(gateway))
        return 0;
    enum naru_err err = naru_route_add(stack, &route);
    return err == NARU_OK ? 0 : complain_addr("--gateway", gateway, err);
}

static int configure(struct naru_cli_network *network, struct naru_stack *stack, naru_time now)
{
    for (unsigned i = 0; i < network->ip_count; i++) {
        const struct naru_cli_addr *ip = &network->ip[i];
        enum naru_err err = naru_ifaddr_add(stack, network->ifindex, &ip->addr, ip->len, now);
        if (err != NARU_OK)
            return complain_addr("--ip", &ip->addr, err);
    }
    int error = add_route(network, stack, &network->gateway4);
    return error < 0 ? error : add_route(network, stack, &network->gateway6);
}

/* ---- user ---- */

static unsigned prefix_of(const struct naru_cli_network *network, bool v4, unsigned otherwise)
{
    for (unsigned i = 0; i < network->ip_count; i++)
        if (naru_cli_is_v4(&network->ip[i].addr) == v4)
            return network->ip[i].len;
    return otherwise;
}

static int gateway_up(struct naru_cli_network *network, struct naru_loop *loop,
                      const uint8_t seed[32], struct naru_trace_fan *fan)
{
    struct naru_gate_config config;
    naru_gate_config_init(&config);
    config.loop = loop;
    memcpy(config.seed, seed, sizeof config.seed);
    config.seed[0] ^= 0x5a; /* not the program's numbers */
    config.addr4 = network->gateway4;
    config.addr6 = network->gateway6;
    config.prefix4 = prefix_of(network, true, config.prefix4);
    config.prefix6 = prefix_of(network, false, config.prefix6);
    config.dns4 = network->dns4;
    config.dns6 = network->dns6;
    config.mtu = network->mtu;
    config.offload = NARU_WIRE_OFFLOAD;
    config.host_loopback = network->options->host_loopback;
    if (fan->count > 0) {
        config.trace = naru_trace_fan_event;
        config.trace_user = fan;
    }
    enum naru_err err = naru_gate_new(&config, &network->gate);
    return -naru_errno(err);
}

static int user_up(struct naru_cli_network *network, struct naru_loop *loop,
                   struct naru_attachment *program, const uint8_t seed[32],
                   struct naru_trace_fan *fan)
{
    int error = gateway_up(network, loop, seed, fan);
    if (error < 0)
        return complain("the gateway cannot start", error);
    error = add_iface(network, program->stack, "naru0", NARU_WIRE_OFFLOAD, seed, naru_clock_now());
    if (error < 0)
        return error;
    naru_wire_attach(&network->wire, program, network->ifindex, naru_gate_attachment(network->gate),
                     naru_gate_ifindex(network->gate));
    return 0;
}

/* ---- tap ---- */

static int tap_complain(const char *name, int error)
{
    const char *fix = strerror(-error);
    if (error == -EPERM && name != NULL && if_nametoindex(name) != 0)
        fix = "not yours; as root: ip tuntap add NAME mode tap vnet_hdr user $USER";
    else if (error == -EPERM || error == -EACCES)
        fix = "not permitted; as root, once: ip tuntap add NAME mode tap vnet_hdr user $USER, and "
              "make /dev/net/tun accessible; or use --net user, which needs nothing";
    else if (error == -ENOENT)
        fix = "/dev/net/tun is not there; as root: modprobe tun, or use --net user";
    else if (error == -EBUSY)
        fix = "another program has it open";
    else if (error == -EINVAL)
        fix = "not a TAP device, or one made without vnet_hdr";
    fprintf(stderr, "naru run: --net tap%s%s: %s\n", name != NULL ? ":" : "",
            name != NULL ? name : "", fix);
    return error;
}

/* The host's end of a device that was made just now. */
static int host_side_up(struct naru_cli_network *network, const char *name)
{
    int error = naru_link_set_mtu(name, network->mtu);
    if (error == 0)
        error = naru_link_set_up(name, true);
    if (error == 0 && !naru_cli_unset(&network->gateway4))
        error = naru_link_add_addr(name, &network->gateway4, prefix_of(network, true, 32));
    if (error == 0 && !naru_cli_unset(&network->gateway6))
        error = naru_link_add_addr(name, &network->gateway6, prefix_of(network, false, 128));
    return error < 0 ? complain(name, error) : 0;
}

static int tap_up(struct naru_cli_network *network, struct naru_attachment *program,
                  const uint8_t seed[32])
{
    const char *name = network->options->tap;
    bool existed = name != NULL && if_nametoindex(name) != 0;
    struct naru_tap_config config;
    unsigned mtu;
    naru_tap_config_init(&config);
    config.name = name;
    int error = naru_tap_open(&config, &network->tap);
    if (error < 0)
        return tap_complain(name, error);
    name = naru_tap_name(network->tap);
    if (existed && network->options->mtu == 0 && naru_link_mtu(name, &mtu) == 0)
        network->mtu = mtu;
    if (!existed)
        error = host_side_up(network, name);
    if (error == 0)
        error = add_iface(network, program->stack, name, naru_tap_offload(network->tap), seed,
                          naru_clock_now());
    if (error < 0)
        return error;
    error = naru_tap_attach(network->tap, program, network->ifindex);
    return error < 0 ? complain(name, error) : 0;
}

int naru_cli_network_up(struct naru_cli_network *network, struct naru_loop *loop,
                        struct naru_attachment *program, const uint8_t seed[32],
                        struct naru_trace_fan *fan)
{
    int error = 0;
    switch (network->options->net) {
    case NARU_NET_USER:
        error = user_up(network, loop, program, seed, fan);
        break;
    case NARU_NET_TAP:
        error = tap_up(network, program, seed);
        break;
    case NARU_NET_NONE:
        return 0;
    }
    return error < 0 ? error : configure(network, program->stack, naru_clock_now());
}

void naru_cli_network_down(struct naru_cli_network *network)
{
    if (network->wire.end[0].peer != NULL)
        naru_wire_detach(&network->wire);
    if (network->gate != NULL)
        naru_gate_free(network->gate);
    if (network->tap != NULL)
        naru_tap_close(network->tap);
    network->gate = NULL;
    network->tap = NULL;
}

bool naru_cli_network_busy(const struct naru_cli_network *network)
{
    struct naru_gate_stats stats;
    if (network->gate == NULL)
        return false;
    naru_gate_get_stats(network->gate, &stats);
    return stats.tcp_flows > 0;
}

uint64_t naru_cli_network_undelivered(const struct naru_cli_network *network)
{
    return network->gate == NULL ? 0 : naru_gate_undelivered(network->gate);
}
