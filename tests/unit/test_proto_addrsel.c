/*
 * Source address selection (proto/addrsel.h): the examples of RFC 6724 10.1, and our own.
 */
#include "proto_test.h"

#include "proto/addrsel.h"

/*
 * A candidate as text: "addr/len", then, after a blank, its interface (1 if not said) and letters:
 * d deprecated, t temporary, n tentative.
 */
static struct naru_addrsel_candidate candidate(const char *text)
{
    struct naru_addrsel_candidate c = { .ifindex = 1 };
    char copy[64];
    unsigned len;
    snprintf(copy, sizeof(copy), "%s", text);
    char *more = strchr(copy, ' ');
    if (more != NULL)
        *more++ = '\0';
    if (!naru_addr_parse_prefix(copy, &c.addr, &len))
        fail_msg("not a prefix: %s", copy);
    c.prefix_len = (uint8_t)len;
    for (; more != NULL && *more != '\0'; more++) {
        if (*more >= '1' && *more <= '9')
            c.ifindex = (uint16_t)(*more - '0');
        c.deprecated = c.deprecated || *more == 'd';
        c.temporary = c.temporary || *more == 't';
        c.tentative = c.tentative || *more == 'n';
    }
    return c;
}

/* Preferred lifetime over -> deprecated: no new communication starts from it if another fits,
 * existing goes on (V6-4862-5.5.4-1). */
static void examples(void **state)
{
    (void)state;
    static const struct {
        const char *dst;
        const char *candidate[3];
        int best;
    } t[] = {
        /* RFC 6724 10.1, with another interface where it has a home address */
        { "2001:db8:1::1", { "2001:db8:3::1/64", "fe80::1/64" }, 0 },
        { "ff05::1", { "2001:db8:3::1/64", "fe80::1/64" }, 0 },
        { "2001:db8:1::1", { "2001:db8:1::1/64 d", "2001:db8:3::1/64" }, 0 },
        { "fe80::1", { "fe80::2/64 d", "2001:db8:1::1/64" }, 0 },
        { "2001:db8:1::1", { "2001:db8:1::2/64", "2001:db8:3::2/64" }, 0 },
        { "2001:db8:1::1", { "2001:db8:1::2/64", "2001:db8:3::2/64 2" }, 0 },
        { "2002:c633:6401::1",
          { "2002:c633:6401::d5e3:7953:13eb:22e8/64 t", "2001:db8:1::2/64" },
          0 },
        { "2001:db8:1::d5e3:0:0:1",
          { "2001:db8:1::2/64", "2001:db8:1::d5e3:7953:13eb:22e8/64 t" },
          1 },
        /* Each rule, the worse one first. */
        { "2001:db8::1", { "2001:db8::2/64", "2001:db8::1/64" }, 1 },     /* 1 */
        { "2001:db8::1", { "fe80::1/64", "fd00::1/64" }, 1 },             /* 2 */
        { "fe80::9", { "2001:db8::1/64", "fe80::1/64" }, 1 },             /* 2 */
        { "2001:db8::1", { "2001:db8::2/64 d", "2001:db9::2/64" }, 1 },   /* 3 */
        { "2001:db8::1", { "2001:db8::2/64 2", "2001:db9::2/64 1" }, 1 }, /* 5 */
        { "fd00::1", { "2001:db8::1/64", "fd99::1/64" }, 1 },             /* 6 */
        { "2001:db8::1", { "2001:db9::1/64", "2001:db8::2/64" }, 1 },     /* 8 */
        { "2001:db8::1", { "2001:db8::2/64", "2001:db8::3/64" }, 0 },     /* equal: the first */
        /* Not taken at all. */
        { "2001:db8::1", { "2001:db8::1/64 n", "10.0.0.1/8" }, -1 },
        { "2001:db8::1", { "2001:db8::2/64 n", "fe80::1/64" }, 1 },
        { "fe80::9", { "fe80::1/64 2", "2001:db8::1/64 2" }, -1 }, /* of another link */
        { "fe80::1", { "fe80::1/64 2", "fe80::2/64" }, 0 },        /* but it is ourselves */
        { "ff02::1", { "fe80::1/64 2", "fe80::2/64 1" }, 1 },
        /* IPv4 */
        { "10.1.2.3", { "192.168.0.1/24", "10.1.2.1/24" }, 1 },
        { "10.1.2.3", { "10.1.2.1/24", "10.1.2.3/32" }, 1 },
        { "8.8.8.8", { "10.0.0.1/8 2", "192.168.0.1/24" }, 1 },
        { "8.8.8.8", { "127.0.0.1/8", "192.168.0.1/24" }, 1 },
        { "127.0.0.9", { "192.168.0.1/24", "127.0.0.1/8" }, 1 },
        { "8.8.8.8", { "169.254.1.1/16", "192.168.0.1/24" }, 1 },
        { "8.8.8.8", { "fd00::1/64" }, -1 },
    };
    for (size_t i = 0; i < NARU_ARRAY_LEN(t); i++) {
        struct naru_addrsel_candidate c[3];
        unsigned count = 0;
        while (count < 3 && t[i].candidate[count] != NULL) {
            c[count] = candidate(t[i].candidate[count]);
            count++;
        }
        struct naru_addr dst = addr(t[i].dst);
        int best = naru_addrsel_source(c, count, &dst, 1);
        if (best != t[i].best)
            fail_msg("row %zu, to %s: %d", i, t[i].dst, best);
    }
    assert_int_equal(naru_addrsel_source(NULL, 0, &(struct naru_addr){ { 0 } }, 0), -1);
}

/* RFC 6724 2.1 and 3.1. */
static void labels_and_scopes(void **state)
{
    (void)state;
    static const struct {
        const char *addr;
        unsigned label, scope;
    } t[] = {
        { "::1", 0, 2 },         { "2001:db8::1", 1, 14 }, { "2002::1", 2, 14 },
        { "::1.2.3.4", 3, 14 },  { "10.0.0.1", 4, 14 },    { "2001::1", 5, 14 },
        { "fec0::1", 11, 5 },    { "3ffe::1", 12, 14 },    { "fc00::1", 13, 14 },
        { "fd00::1", 13, 14 },   { "fe80::1", 1, 2 },      { "ff01::1", 1, 1 },
        { "ff05::1", 1, 5 },     { "127.0.0.1", 4, 2 },    { "169.254.0.1", 4, 2 },
        { "224.0.0.251", 4, 2 }, { "239.0.0.1", 4, 14 },
    };
    for (size_t i = 0; i < NARU_ARRAY_LEN(t); i++) {
        struct naru_addr a = addr(t[i].addr);
        if (naru_addrsel_label(&a) != t[i].label || naru_addrsel_scope(&a) != t[i].scope)
            fail_msg("%s: label %u, scope %u", t[i].addr, naru_addrsel_label(&a),
                     naru_addrsel_scope(&a));
    }
}

/* ---- Destinations ---- */

/* The sources are chosen among the candidates, as the stack would. */
static void sorted(const char *const *source, const char *const *wanted, const char *const *given)
{
    struct naru_addrsel_candidate c[4];
    struct naru_addrsel_dest d[4];
    unsigned sources = 0, count = 0;
    for (; sources < 4 && source[sources] != NULL; sources++)
        c[sources] = candidate(source[sources]);
    for (; count < 4 && given[count] != NULL; count++) {
        d[count] = (struct naru_addrsel_dest){ .addr = addr(given[count]) };
        int best = naru_addrsel_source(c, sources, &d[count].addr, 1);
        d[count].usable = best >= 0;
        if (best >= 0)
            d[count].source = c[best];
    }
    naru_addrsel_sort(d, count);
    for (unsigned i = 0; i < count; i++) {
        char text[NARU_ADDR_TEXT_SIZE];
        naru_addr_format(&d[i].addr, text, sizeof(text));
        assert_string_equal(text, wanted[i]);
    }
}

/* The examples of RFC 6724 10.2 but that of a home address (there is no Mobile IPv6 here), each
 * given in both orders, and one for each rule that they leave out (V6-6724-5-1). */
static void destinations(void **state)
{
    (void)state;
    static const struct {
        const char *source[4];
        const char *wanted[4];
    } t[] = {
        /* Matching scope. */
        { { "2001:db8:1::2/64", "fe80::1/64", "169.254.13.78/16" },
          { "2001:db8:1::1", "198.51.100.121" } },
        { { "fe80::1/64", "198.51.100.117/24" }, { "198.51.100.121", "2001:db8:1::1" } },
        /* Precedence. */
        { { "2001:db8:1::2/64", "fe80::1/64", "10.1.2.4/24" }, { "2001:db8:1::1", "10.1.2.3" } },
        /* Smaller scope. */
        { { "2001:db8:1::2/64", "fe80::2/64" }, { "fe80::1", "2001:db8:1::1" } },
        /* Deprecated. */
        { { "2001:db8:1::2/64", "fe80::2/64 d" }, { "2001:db8:1::1", "fe80::1" } },
        /* Longest prefix. */
        { { "2001:db8:1::2/64", "2001:db8:3f44::2/64", "fe80::2/64" },
          { "2001:db8:1::1", "2001:db8:3ffe::1" } },
        /* Matching label. */
        { { "2002:c633:6401::2/64", "fe80::2/64" }, { "2002:c633:6401::1", "2001:db8:1::1" } },
        /* Precedence again. */
        { { "2002:c633:6401::2/64", "2001:db8:1::2/64", "fe80::2/64" },
          { "2001:db8:1::1", "2002:c633:6401::1" } },
        /* What cannot be reached is the last. */
        { { "192.0.2.2/24" }, { "192.0.2.9", "2001:db8::1" } },
        /* The same subnet, of IPv4 too. */
        { { "192.0.2.2/24" }, { "192.0.2.200", "198.51.100.1" } },
        /* ULA, 6to4, Teredo and IPv4 as the default policy has them. */
        { { "fd00::1/64", "192.0.2.2/24" }, { "192.0.2.9", "fd00::9" } },
        { { "2001::1/64", "192.0.2.2/24" }, { "192.0.2.9", "2001::9" } },
        { { "::1/128", "2001:db8::2/64" }, { "::1", "2001:db8::1" } },
    };
    for (unsigned i = 0; i < NARU_ARRAY_LEN(t); i++) {
        const char *reversed[4] = { t[i].wanted[1], t[i].wanted[0] };
        sorted(t[i].source, t[i].wanted, t[i].wanted);
        sorted(t[i].source, t[i].wanted, reversed);
    }
}

/* Rule 10. */
static void equals_stay(void **state)
{
    (void)state;
    static const char *const source[4] = { "192.0.2.2/24", "2001:db8::2/64" };
    static const char *const wanted[4] = { "2001:db8:5::1", "2001:db8:5::9", "2001:db8:5::3",
                                           "203.0.113.1" };
    static const char *const given[4] = { "203.0.113.1", "2001:db8:5::1", "2001:db8:5::9",
                                          "2001:db8:5::3" };
    sorted(source, wanted, given);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples),
        cmocka_unit_test(labels_and_scopes),
        cmocka_unit_test(destinations),
        cmocka_unit_test(equals_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
