/*
 * The redirection of DNS: which destinations change, and what the answers seem to come from.
 */
#include "run/resolver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct naru_addr addr(const char *text)
{
    struct naru_addr out;
    assert_true(naru_addr_parse(text, &out));
    return out;
}

static struct naru_endpoint at(const char *text, uint16_t port)
{
    return (struct naru_endpoint){ .addr = addr(text), .port = port };
}

/* A resolver that has read this file. */
static struct naru_resolver reading(const char *text)
{
    struct naru_resolver resolver = { .server_count = 0 };
    char path[] = "/tmp/naru-resolv-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    naru_resolver_read(&resolver, path);
    unlink(path);
    resolver.relay4 = addr("10.0.2.3");
    resolver.relay6 = addr("fd00::3");
    return resolver;
}

static void maps(const struct naru_resolver *resolver, struct naru_endpoint to, const char *text)
{
    struct naru_endpoint asked = { .port = 0 }, was = to, back;
    struct naru_addr wanted = addr(text);
    naru_resolver_map(resolver, NULL, &to, &asked);
    assert_memory_equal(&to.addr, &wanted, sizeof wanted);
    assert_int_equal(to.port, was.port);
    back = to;
    naru_resolver_unmap(resolver, &asked, &back);
    assert_memory_equal(&back.addr, &was.addr, sizeof was.addr);
}

static void test_file(void **state)
{
    struct naru_resolver resolver = reading("# nameserver 1.1.1.1\n"
                                            "search example.org\n"
                                            "nameserver 192.0.2.53\n"
                                            "  nameserver\t2001:db8::53\n"
                                            "nameserver fe80::1%eth0\n"
                                            "nameserver moon\n"
                                            "options edns0\n");
    (void)state;
    assert_int_equal(resolver.server_count, 3);
    assert_memory_equal(&resolver.server[0], addr("192.0.2.53").b, 16);
    assert_memory_equal(&resolver.server[1], addr("2001:db8::53").b, 16);
    assert_memory_equal(&resolver.server[2], addr("fe80::1").b, 16);
}

static void test_no_file(void **state)
{
    struct naru_resolver resolver = { .server_count = 0 };
    (void)state;
    naru_resolver_read(&resolver, "/nonexistent/resolv.conf");
    assert_int_equal(resolver.server_count, 0);
}

static void test_map(void **state)
{
    struct naru_resolver resolver = reading("nameserver 192.0.2.53\nnameserver 2001:db8::53\n");
    (void)state;
    maps(&resolver, at("192.0.2.53", 53), "10.0.2.3");
    maps(&resolver, at("2001:db8::53", 53), "fd00::3");
    maps(&resolver, at("192.0.2.53", 443), "192.0.2.53");
    maps(&resolver, at("8.8.8.8", 53), "8.8.8.8");
}

static void test_without_relay(void **state)
{
    struct naru_resolver resolver = reading("nameserver 192.0.2.53\nnameserver 2001:db8::53\n");
    (void)state;
    memset(&resolver.relay6, 0, sizeof resolver.relay6);
    maps(&resolver, at("192.0.2.53", 53), "10.0.2.3");
    maps(&resolver, at("2001:db8::53", 53), "2001:db8::53");
}

/* Who spoke to the relay under its own address hears it under that. */
static void test_relay_itself(void **state)
{
    struct naru_resolver resolver = reading("nameserver 192.0.2.53\n");
    struct naru_endpoint asked = { .port = 0 }, from = at("10.0.2.3", 53);
    (void)state;
    naru_resolver_unmap(&resolver, &asked, &from);
    assert_memory_equal(&from.addr, addr("10.0.2.3").b, 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file),         cmocka_unit_test(test_no_file),
        cmocka_unit_test(test_map),          cmocka_unit_test(test_without_relay),
        cmocka_unit_test(test_relay_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
