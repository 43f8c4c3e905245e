/* errno and sockaddr: there and back. */
#include "host/errno.h"
#include "host/sockaddr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void every_error_has_its_errno(void **state)
{
    (void)state;
    for (int err = NARU_ERR_PROTO; err < 0; err++) {
        int number = naru_errno(err);
        assert_int_not_equal(number, 0);
        assert_int_equal(naru_err_from_errno(number), err);
        for (int other = NARU_ERR_PROTO; other < err; other++)
            assert_int_not_equal(naru_errno(other), number);
    }
    assert_int_equal(naru_errno(NARU_OK), 0);
    assert_int_equal(naru_errno(INT64_C(5000000000)), 0);
    assert_int_equal(naru_err_from_errno(0), NARU_OK);
    assert_int_equal(naru_err_from_errno(ELOOP), NARU_ERR_PROTO);
    assert_int_equal(naru_errno(NARU_ERR_CONNREFUSED), ECONNREFUSED);
}

static struct naru_endpoint v4_endpoint(void)
{
    return (struct naru_endpoint){
        .addr = { { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 2, 3 } }, .port = 8080
    };
}

static void v4_on_a_v4_socket(void **state)
{
    struct naru_endpoint in = v4_endpoint(), out;
    struct sockaddr_storage ss;
    struct sockaddr_in sin;
    char text[64];

    (void)state;
    assert_int_equal(naru_sockaddr_emit(&in, NARU_IPV4, &ss), sizeof(struct sockaddr_in));
    memcpy(&sin, &ss, sizeof(sin));
    assert_int_equal(sin.sin_family, AF_INET);
    assert_int_equal(ntohs(sin.sin_port), 8080);
    assert_string_equal(inet_ntop(AF_INET, &sin.sin_addr, text, sizeof(text)), "10.0.2.3");
    assert_int_equal(naru_sockaddr_parse(&ss, sizeof(sin), NARU_IPV4, &out), NARU_OK);
    assert_memory_equal(out.addr.b, in.addr.b, 16);
    assert_int_equal(out.port, 8080);
    assert_int_equal(naru_sockaddr_family(&out.addr), NARU_IPV4);
}

static void v4_on_a_v6_socket_is_mapped(void **state)
{
    struct naru_endpoint in = v4_endpoint(), out;
    struct sockaddr_storage ss;
    struct sockaddr_in6 sin6;

    (void)state;
    assert_int_equal(naru_sockaddr_emit(&in, NARU_IPV6, &ss), sizeof(sin6));
    memcpy(&sin6, &ss, sizeof(sin6));
    assert_int_equal(sin6.sin6_family, AF_INET6);
    assert_true(IN6_IS_ADDR_V4MAPPED(&sin6.sin6_addr));
    assert_int_equal(naru_sockaddr_parse(&ss, sizeof(sin6), NARU_IPV6, &out), NARU_OK);
    assert_memory_equal(out.addr.b, in.addr.b, 16);
}

static void v6_keeps_its_scope(void **state)
{
    struct naru_endpoint in = { .addr = { { 0xfe, 0x80, [15] = 1 } }, .port = 22, .ifindex = 7 },
                         out;
    struct sockaddr_storage ss;

    (void)state;
    assert_int_equal(naru_sockaddr_emit(&in, NARU_IPV6, &ss), sizeof(struct sockaddr_in6));
    assert_int_equal(naru_sockaddr_parse_any(&ss, sizeof(ss), &out), NARU_OK);
    assert_int_equal(out.ifindex, 7);
    assert_int_equal(out.port, 22);
    assert_memory_equal(out.addr.b, in.addr.b, 16);
    assert_int_equal(naru_sockaddr_family(&out.addr), NARU_IPV6);
    /* It cannot be said on an IPv4 socket; "any" can. */
    assert_int_equal(naru_sockaddr_emit(&in, NARU_IPV4, &ss), 0);
    struct naru_endpoint any = { .port = 9 };
    assert_int_equal(naru_sockaddr_emit(&any, NARU_IPV4, &ss), sizeof(struct sockaddr_in));
}

static void wrong_family_and_short_length(void **state)
{
    struct sockaddr_in sin = { .sin_family = AF_INET };
    struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6 };
    struct sockaddr sa = { .sa_family = AF_UNIX };
    struct naru_endpoint out;

    (void)state;
    assert_int_equal(naru_sockaddr_parse(&sin, sizeof(sin), NARU_IPV6, &out), NARU_ERR_AFNOSUPPORT);
    assert_int_equal(naru_sockaddr_parse(&sin6, sizeof(sin6), NARU_IPV4, &out),
                     NARU_ERR_AFNOSUPPORT);
    assert_int_equal(naru_sockaddr_parse_any(&sa, sizeof(sa), &out), NARU_ERR_AFNOSUPPORT);
    assert_int_equal(naru_sockaddr_parse(&sin, sizeof(sin) - 1, NARU_IPV4, &out), NARU_ERR_INVAL);
    assert_int_equal(naru_sockaddr_parse(&sin6, 23, NARU_IPV6, &out), NARU_ERR_INVAL);
    assert_int_equal(naru_sockaddr_parse(&sin6, 24, NARU_IPV6, &out), NARU_OK);
    assert_int_equal(naru_sockaddr_parse_any(&sin, 1, &out), NARU_ERR_INVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_error_has_its_errno),     cmocka_unit_test(v4_on_a_v4_socket),
        cmocka_unit_test(v4_on_a_v6_socket_is_mapped),   cmocka_unit_test(v6_keeps_its_scope),
        cmocka_unit_test(wrong_family_and_short_length),
    };
    return cmocka_run_group_tests_name("host names", tests, NULL, NULL);
}
