/*
 * The nameserver lines of resolv.conf (gate/resolver.h).
 */
#include "base_test.h"

#include "gate/resolver.h"

static void check(const char *text, unsigned count, const char *first)
{
    struct naru_resolvers r;
    char name[NARU_ADDR_TEXT_SIZE];

    naru_resolvers_parse(text, strlen(text), &r);
    if (r.count != count)
        fail_msg("%u servers, not %u, in: %s", r.count, count, text);
    if (count == 0)
        return;
    naru_addr_format(&r.server[0].addr, name, sizeof(name));
    assert_string_equal(name, first);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(r.server[i].port, 53);
}

static void servers_are_found(void **state)
{
    (void)state;
    check("nameserver 192.0.2.1\n", 1, "192.0.2.1");
    check("nameserver 192.0.2.1", 1, "192.0.2.1");
    check("# made by hand\nsearch example.org\nnameserver\t2001:db8::1\r\noptions edns0\n", 1,
          "2001:db8::1");
    check("nameserver 192.0.2.1 # home\nnameserver 192.0.2.2\n", 2, "192.0.2.1");
    check("  nameserver 192.0.2.9\n", 1, "192.0.2.9");
}

static void at_most_three(void **state)
{
    (void)state;
    check("nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\n"
          "nameserver 192.0.2.4\n",
          3, "192.0.2.1");
}

static void nonsense_is_passed_over(void **state)
{
    (void)state;
    check("", 0, NULL);
    check("\n\n\n", 0, NULL);
    check("nameserver\n", 0, NULL);
    check("nameserver \n", 0, NULL);
    check("nameserver 192.0.2\nnameserver x\nnameserver 192.0.2.7\n", 1, "192.0.2.7");
    check("nameservers 192.0.2.1\n#nameserver 192.0.2.1\n;nameserver 192.0.2.1\n", 0, NULL);
    check("nameserver fe80::1%nosuchlink0\n", 0, NULL);
    check("nameserver 11111111111111111111111111111111111111111111111111111111111111111111111\n", 0,
          NULL);
}

static void a_scope_is_the_hosts(void **state)
{
    struct naru_resolvers r;
    static const char text[] = "nameserver fe80::1%lo\n";

    (void)state;
    naru_resolvers_parse(text, sizeof(text) - 1, &r);
    assert_int_equal(r.count, 1);
    assert_int_equal(r.server[0].ifindex, 1);
}

static void without_a_file_loopback_is_asked(void **state)
{
    struct naru_resolvers r;
    char name[NARU_ADDR_TEXT_SIZE];

    (void)state;
    naru_resolvers_read("/nonexistent/resolv.conf", &r);
    assert_int_equal(r.count, 1);
    naru_addr_format(&r.server[0].addr, name, sizeof(name));
    assert_string_equal(name, "127.0.0.1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(servers_are_found),
        cmocka_unit_test(at_most_three),
        cmocka_unit_test(nonsense_is_passed_over),
        cmocka_unit_test(a_scope_is_the_hosts),
        cmocka_unit_test(without_a_file_loopback_is_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
