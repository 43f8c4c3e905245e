/*
 * What an embedder sees of autoconfiguration: resolvers and domains (RFC 8106), identifiers of a
 * secret (RFC 7217), temporary addresses (RFC 8981).
 */
#include "lib/hand.h"

#include "proto/autoconf.h"
#include "wire/nd.h"

static void with_secret(struct naru_config *config)
{
    config->ipv6_secret_given = true;
    memset(config->ipv6_secret, 0x5e, sizeof(config->ipv6_secret));
}

static void begin(struct lab *lab, const struct lab_options *options)
{
    *lab = (struct lab){ 0 };
    assert_true(lab_pair(lab, options));
    lab_run(lab, lab->now + NARU_SEC(5));
}

/* Stack 1 hears a router's advertisement with these options. */
static void advertise(struct lab *lab, const uint8_t *option, size_t len)
{
    uint8_t frame[CRAFT_MAX], body[512] = { 0 };
    struct craft_ends ends = from_hand(lab, NARU_IPV6);
    ends.src = (struct naru_addr){ .b = { 0xfe, 0x80, [15] = 0x66 } };
    ends.hop_limit = 255;
    memcpy(body + 8, option, len);
    size_t frame_len = craft_icmp(frame, &ends, 134, 0, 0x40000708, body, 8 + len);
    lab_inject(lab, 1, frame, frame_len);
}

/* The event is a number that changes, the lists are calls; they go with their lifetimes
 * (V6-8106-5-1). */
static void resolvers_are_told(void **state)
{
    (void)state;
    struct lab lab;
    struct lab_options options = { .autoconf = true };
    struct naru_addr server[2] = { { .b = { 0xfd, [15] = 0x53 } },
                                   { .b = { 0xfe, 0x80, [15] = 0x53 } } };
    struct naru_endpoint got;
    char name[NARU_DNS_SEARCH_SIZE];
    uint8_t option[256];
    begin(&lab, &options);
    struct naru_stack *stack = lab.stack[1];
    unsigned ifindex = lab.ifindex[1];
    uint32_t before = naru_dns_generation(stack);
    assert_int_equal(naru_dns_server_get(stack, ifindex, 0, &got), NARU_ERR_NOENT);
    assert_int_equal(naru_dns_server_get(stack, 99, 0, &got), NARU_ERR_NOENT);

    size_t len = naru_nd_rdnss_emit(option, 600, server, 2);
    len += naru_nd_dnssl_emit(option + len, 60, "example.org");
    advertise(&lab, option, len);
    assert_int_not_equal(naru_dns_generation(stack), before);
    before = naru_dns_generation(stack);
    advertise(&lab, option, len); /* no news */
    assert_int_equal(naru_dns_generation(stack), before);
    for (unsigned n = 0; n < 2; n++) {
        assert_int_equal(naru_dns_server_get(stack, ifindex, n, &got), NARU_OK);
        assert_memory_equal(&got.addr, &server[n], sizeof(got.addr));
        assert_int_equal(got.port, 53);
        assert_int_equal(got.ifindex, n == 0 ? 0 : ifindex);
    }
    assert_int_equal(naru_dns_server_get(stack, ifindex, 2, &got), NARU_ERR_NOENT);
    assert_int_equal(naru_dns_search_get(stack, ifindex, 0, name), NARU_OK);
    assert_string_equal(name, "example.org");
    assert_int_equal(naru_dns_search_get(stack, ifindex, 1, name), NARU_ERR_NOENT);

    lab_run(&lab, lab.now + NARU_SEC(61));
    assert_int_not_equal(naru_dns_generation(stack), before);
    assert_int_equal(naru_dns_search_get(stack, ifindex, 0, name), NARU_ERR_NOENT);
    len = naru_nd_rdnss_emit(option, 0, server, 1);
    advertise(&lab, option, len);
    assert_int_equal(naru_dns_server_get(stack, ifindex, 0, &got), NARU_OK);
    assert_memory_equal(&got.addr, &server[1], sizeof(got.addr));
    assert_int_equal(naru_dns_server_get(stack, ifindex, 1, &got), NARU_ERR_NOENT);
    lab_end(&lab);
}

static struct naru_addr link_local(const struct lab *lab)
{
    struct naru_ifaddr_info info;
    for (unsigned n = 0; naru_ifaddr_get(lab->stack[1], lab->ifindex[1], n, &info) == NARU_OK; n++)
        if (info.addr.b[0] == 0xfe && info.automatic)
            return info.addr;
    fail_msg("no link-local address");
    return info.addr;
}

/* Stacks that draw other random numbers have the same address, if they have the same secret; it
 * says nothing of the MAC (V6-7217-5-1). */
static void a_secret_outlives_the_stack(void **state)
{
    (void)state;
    struct naru_addr made[3], mac;
    for (uint8_t n = 0; n < 3; n++) {
        struct lab lab;
        struct lab_options options = { .autoconf = true, .seed = n };
        options.tune = n < 2 ? with_secret : NULL;
        begin(&lab, &options);
        made[n] = link_local(&lab);
        mac = naru_autoconf_eui64(&made[n], (const uint8_t[]){ 2, 0, 0, 0, 0, 2 });
        lab_end(&lab);
    }
    assert_memory_equal(&made[0], &made[1], sizeof(mac));
    assert_memory_not_equal(&made[0], &mac, sizeof(mac));
    assert_memory_equal(&made[2], &mac, sizeof(mac));
}

/* New connections begin from the temporary address (RFC 6724 rule 7, V6-8981-3-1). */
static void connections_begin_from_temporary_addresses(void **state)
{
    (void)state;
    struct lab lab;
    struct lab_options options = { .autoconf = true, .temporary = true };
    struct naru_nd_prefix p = { .prefix = { .b = { 0x20, 1, 0xd, 0xb8 } },
                                .prefix_len = 64,
                                .on_link = true,
                                .autonomous = true,
                                .valid_s = 864000,
                                .preferred_s = 864000 };
    struct naru_ifaddr_info info, temporary = { .prefix_len = 0 };
    struct naru_sock *sock;
    struct naru_endpoint to = { .port = 9 }, from;
    uint8_t option[64];
    unsigned lasting = 0;
    begin(&lab, &options);
    advertise(&lab, option, naru_nd_prefix_emit(option, &p));
    lab_run(&lab, lab.now + NARU_SEC(5));
    for (unsigned n = 0; naru_ifaddr_get(lab.stack[1], lab.ifindex[1], n, &info) == NARU_OK; n++) {
        if (info.temporary)
            temporary = info;
        lasting += info.automatic && !info.temporary && info.addr.b[0] == 0x20;
    }
    assert_int_equal(lasting, 1);
    assert_int_equal(temporary.prefix_len, 64);
    assert_true(temporary.automatic && !temporary.tentative && !temporary.deprecated);
    to.addr = p.prefix;
    to.addr.b[15] = 9;
    assert_int_equal(naru_sock_new(lab.stack[1], NARU_IPV6, NARU_SOCK_DGRAM, &sock), NARU_OK);
    assert_int_equal(naru_sock_connect(sock, &to, lab.now), NARU_OK);
    naru_sock_local(sock, &from);
    assert_memory_equal(&from.addr, &temporary.addr, sizeof(from.addr));
    naru_sock_close(sock, lab.now);
    lab_end(&lab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resolvers_are_told),
        cmocka_unit_test(a_secret_outlives_the_stack),
        cmocka_unit_test(connections_begin_from_temporary_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
