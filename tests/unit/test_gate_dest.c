/*
 * Where a guest may go (gate/dest.h), address by address, and back.
 */
#include "base_test.h"

#include "base/addr.h"
#include "gate/dest.h"

static struct naru_endpoint endpoint(const char *text, uint16_t port)
{
    struct naru_endpoint e = { .port = port };
    if (!naru_addr_parse(text, &e.addr))
        fail_msg("not an address: %s", text);
    return e;
}

struct row {
    const char *to;
    uint16_t port;
    enum naru_gate_dest dest;
    const char *host; /* NULL: of no interest */
};

static void check_rows(const struct naru_gate_config *config, const struct row *row, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct naru_endpoint to = endpoint(row[i].to, row[i].port);
        struct naru_endpoint host;
        enum naru_gate_dest dest = naru_gate_dest(config, &to, &host);
        if (dest != row[i].dest)
            fail_msg("%s port %u: %d, not %d", row[i].to, row[i].port, dest, row[i].dest);
        if (row[i].host == NULL)
            continue;
        struct naru_endpoint want = endpoint(row[i].host, row[i].port);
        if (!naru_addr_eq(&host.addr, &want.addr) || host.port != want.port)
            fail_msg("%s goes to the wrong host", row[i].to);
    }
}

#define CHECK_ROWS(config, rows) check_rows(config, rows, sizeof(rows) / sizeof((rows)[0]))

static void the_world_is_relayed(void **state)
{
    static const struct row rows[] = {
        { "192.0.2.1", 80, NARU_GATE_DEST_RELAY, "192.0.2.1" },
        { "10.0.3.2", 80, NARU_GATE_DEST_RELAY, "10.0.3.2" },
        { "10.0.1.255", 80, NARU_GATE_DEST_RELAY, "10.0.1.255" },
        { "223.255.255.255", 1, NARU_GATE_DEST_RELAY, "223.255.255.255" },
        { "1.0.0.0", 65535, NARU_GATE_DEST_RELAY, "1.0.0.0" },
        { "2001:db8::1", 443, NARU_GATE_DEST_RELAY, "2001:db8::1" },
        { "fd00:0:0:1::2", 443, NARU_GATE_DEST_RELAY, "fd00:0:0:1::2" },
        { "192.0.2.1", 53, NARU_GATE_DEST_RELAY, "192.0.2.1" },
    };
    struct naru_gate_config config;
    (void)state;
    naru_gate_config_init(&config);
    CHECK_ROWS(&config, rows);
}

static void some_places_are_never_relayed(void **state)
{
    static const struct row rows[] = {
        { "127.0.0.1", 80, NARU_GATE_DEST_NEVER, NULL },
        { "127.255.0.1", 80, NARU_GATE_DEST_NEVER, NULL },
        { "0.0.0.0", 80, NARU_GATE_DEST_NEVER, NULL },
        { "0.1.2.3", 80, NARU_GATE_DEST_NEVER, NULL },
        { "169.254.169.254", 80, NARU_GATE_DEST_NEVER, NULL },
        { "224.0.0.1", 5353, NARU_GATE_DEST_NEVER, NULL },
        { "239.1.2.3", 5353, NARU_GATE_DEST_NEVER, NULL },
        { "240.0.0.1", 80, NARU_GATE_DEST_NEVER, NULL },
        { "255.255.255.255", 67, NARU_GATE_DEST_NEVER, NULL },
        { "::", 80, NARU_GATE_DEST_NEVER, NULL },
        { "::1", 80, NARU_GATE_DEST_NEVER, NULL },
        { "::7f00:1", 80, NARU_GATE_DEST_NEVER, NULL },
        { "fe80::1", 80, NARU_GATE_DEST_NEVER, NULL },
        { "febf::1", 80, NARU_GATE_DEST_NEVER, NULL },
        { "ff02::fb", 5353, NARU_GATE_DEST_NEVER, NULL },
    };
    struct naru_gate_config config;
    (void)state;
    naru_gate_config_init(&config);
    CHECK_ROWS(&config, rows);
    config.host_loopback = true;
    CHECK_ROWS(&config, rows);
}

static void own_addresses_are_closed_or_loopback(void **state)
{
    static const struct row closed[] = {
        { "10.0.2.2", 80, NARU_GATE_DEST_CLOSED, NULL },
        { "fd00::2", 80, NARU_GATE_DEST_CLOSED, NULL },
        { "10.0.2.2", 53, NARU_GATE_DEST_CLOSED, NULL },
    };
    static const struct row open[] = {
        { "10.0.2.2", 80, NARU_GATE_DEST_RELAY, "127.0.0.1" },
        { "fd00::2", 80, NARU_GATE_DEST_RELAY, "::1" },
    };
    static const struct row either[] = {
        { "10.0.2.3", 53, NARU_GATE_DEST_RESOLVER, NULL },
        { "fd00::3", 53, NARU_GATE_DEST_RESOLVER, NULL },
        { "10.0.2.3", 80, NARU_GATE_DEST_CLOSED, NULL },
        { "fd00::3", 54, NARU_GATE_DEST_CLOSED, NULL },
        { "10.0.2.4", 80, NARU_GATE_DEST_ABSENT, NULL },
        { "10.0.2.255", 80, NARU_GATE_DEST_ABSENT, NULL },
        { "fd00::1234", 80, NARU_GATE_DEST_ABSENT, NULL },
    };
    struct naru_gate_config config;
    (void)state;
    naru_gate_config_init(&config);
    CHECK_ROWS(&config, closed);
    CHECK_ROWS(&config, either);
    config.host_loopback = true;
    CHECK_ROWS(&config, open);
    CHECK_ROWS(&config, either);
}

static void a_family_or_dns_can_be_off(void **state)
{
    static const struct row rows[] = {
        { "10.0.2.3", 53, NARU_GATE_DEST_ABSENT, NULL },
        { "fd00::2", 80, NARU_GATE_DEST_RELAY, "fd00::2" },
    };
    struct naru_gate_config config;
    (void)state;
    naru_gate_config_init(&config);
    config.addr6 = (struct naru_addr){ { 0 } };
    config.dns4 = (struct naru_addr){ { 0 } };
    CHECK_ROWS(&config, rows);
}

static void check_source(const struct naru_gate_config *config, const char *host, const char *from)
{
    struct naru_endpoint source = endpoint(host, 53), got;
    bool seen = naru_gate_source(config, &source, &got);
    if (seen != (from != NULL))
        fail_msg("%s is %s", host, seen ? "seen" : "not seen");
    if (from == NULL)
        return;
    struct naru_endpoint want = endpoint(from, 53);
    assert_true(naru_addr_eq(&want.addr, &got.addr));
    assert_int_equal(got.port, 53);
}

static void sources_come_back_as_the_guest_knows_them(void **state)
{
    struct naru_gate_config config;
    (void)state;
    naru_gate_config_init(&config);
    check_source(&config, "192.0.2.1", "192.0.2.1");
    check_source(&config, "2001:db8::1", "2001:db8::1");
    check_source(&config, "127.0.0.1", NULL);
    check_source(&config, "::1", NULL);
    check_source(&config, "fe80::1", NULL);
    check_source(&config, "224.0.0.1", NULL);
    config.host_loopback = true;
    check_source(&config, "127.0.0.1", "10.0.2.2");
    check_source(&config, "127.0.0.2", NULL);
    check_source(&config, "::1", "fd00::2");
    config.addr6 = (struct naru_addr){ { 0 } };
    check_source(&config, "::1", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_world_is_relayed),
        cmocka_unit_test(some_places_are_never_relayed),
        cmocka_unit_test(own_addresses_are_closed_or_loopback),
        cmocka_unit_test(a_family_or_dns_can_be_off),
        cmocka_unit_test(sources_come_back_as_the_guest_knows_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
