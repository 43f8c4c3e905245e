/*
 * DNS messages and names (wire/dns.h).
 */
#include "wire_test.h"

#include "wire/dns.h"

enum { SEEDS = 2000 };

/* "www.example.org", AAAA; and an answer with compressed names, as servers write them. */
static const char query_hex[] =
    "abcd0100000100000000000003777777076578616d706c65036f726700001c0001";
static const char answer_hex[] =
    "abcd8180000100020000000003777777076578616d706c65036f72670000010001c00c000500010000012c"
    "000603776562c010c02d000100010000003c0004c0000207";

static void assert_name(const struct naru_dns_name *name, const char *text)
{
    char got[1100];
    struct naru_text t;
    naru_text_init(&t, got, sizeof(got));
    naru_dns_name_show(&t, name);
    assert_string_equal(got, text);
}

static void query_golden(void **state)
{
    (void)state;
    struct naru_dns_hdr h = { .id = 0xabcd, .rd = true, .questions = 1 };
    struct naru_dns_question q = { .qtype = NARU_DNS_AAAA, .qclass = NARU_DNS_IN };
    uint8_t out[64];
    size_t len;
    uint8_t *want = unhex(query_hex, &len);
    assert_true(naru_dns_name_from_text(&q.name, "www.example.org"));
    struct naru_writer w = naru_writer(out, sizeof(out));
    naru_dns_emit(naru_writer_take(&w, NARU_DNS_LEN), &h);
    assert_true(naru_dns_question_emit(&w, &q));
    assert_int_equal(w.at - out, len);
    assert_memory_equal(out, want, len);
    free(want);
}

static void answer_golden(void **state)
{
    (void)state;
    struct naru_dns_hdr h;
    struct naru_dns_question q;
    struct naru_dns_record r;
    struct naru_dns_name name;
    struct naru_addr a;
    size_t len, at = NARU_DNS_LEN;
    uint8_t *bytes = unhex(answer_hex, &len);
    struct naru_span message = naru_span(bytes, len), in = message;
    assert_int_equal(naru_dns_parse(&in, &h), NARU_DROP_NONE);
    assert_int_equal(h.id, 0xabcd);
    assert_true(h.response && h.rd && h.ra && !h.aa && !h.tc);
    assert_int_equal(h.rcode, NARU_DNS_NOERROR);
    assert_int_equal(h.questions, 1);
    assert_int_equal(h.answers, 2);

    assert_int_equal(naru_dns_question_parse(message, &at, &q), NARU_DROP_NONE);
    assert_name(&q.name, "www.example.org");
    assert_int_equal(naru_dns_record_parse(message, &at, &r), NARU_DROP_NONE);
    assert_name(&r.name, "www.example.org");
    assert_int_equal(r.type, NARU_DNS_CNAME);
    assert_int_equal(r.ttl_s, 300);
    assert_false(naru_dns_addr(&r, &a));
    size_t inside = (size_t)(r.data.at - bytes);
    assert_int_equal(naru_dns_name_parse(message, &inside, &name), NARU_DROP_NONE);
    assert_name(&name, "web.example.org");
    assert_int_equal(naru_dns_record_parse(message, &at, &r), NARU_DROP_NONE);
    assert_true(naru_dns_name_eq(&r.name, &name));
    assert_true(naru_dns_addr(&r, &a));
    assert_addr(&a, "192.0.2.7");
    assert_int_equal(at, len);
    assert_int_equal(naru_dns_record_parse(message, &at, &r), NARU_DROP_DNS_SHORT);
    free(bytes);
}

static void cut_anywhere(void **state)
{
    (void)state;
    size_t len;
    uint8_t *bytes = unhex(answer_hex, &len);
    for (size_t cut = 0; cut < len; cut++) {
        struct naru_dns_hdr h;
        struct naru_dns_question q;
        struct naru_dns_record r;
        uint8_t *copy = exact(bytes, cut);
        struct naru_span in = naru_span(copy, cut), message = in;
        size_t at = NARU_DNS_LEN;
        enum naru_drop drop = naru_dns_parse(&in, &h);
        assert_int_equal(drop, cut < NARU_DNS_LEN ? NARU_DROP_DNS_SHORT : NARU_DROP_NONE);
        if (drop == NARU_DROP_NONE)
            drop = naru_dns_question_parse(message, &at, &q);
        for (unsigned i = 0; i < 2 && drop == NARU_DROP_NONE; i++)
            drop = naru_dns_record_parse(message, &at, &r);
        assert_int_equal(drop, NARU_DROP_DNS_SHORT);
        free(copy);
    }
    free(bytes);
}

/* ---- Hostile names ---- */

static enum naru_drop name_parse(const void *bytes, size_t len, size_t *at)
{
    struct naru_dns_name name;
    uint8_t *copy = exact(bytes, len);
    enum naru_drop drop = naru_dns_name_parse(naru_span(copy, len), at, &name);
    free(copy);
    return drop;
}

static void pointers_only_lead_backward(void **state)
{
    (void)state;
    static const struct {
        uint8_t bytes[8];
        size_t len, at;
        enum naru_drop drop;
    } cases[] = {
        { { 0xc0, 0 }, 2, 0, NARU_DROP_DNS_NAME },                  /* to itself */
        { { 0xc0, 2, 0xc0, 0 }, 4, 0, NARU_DROP_DNS_NAME },         /* forward */
        { { 0xc0, 2, 0xc0, 0 }, 4, 2, NARU_DROP_DNS_NAME },         /* two that point in a circle */
        { { 1, 'a', 0xc0, 0 }, 4, 0, NARU_DROP_DNS_NAME },          /* into its own name */
        { { 1, 'a', 0xc0, 0, 0xc0, 0 }, 6, 4, NARU_DROP_DNS_NAME }, /* a loop before it */
        { { 0xc0, 0xff }, 2, 0, NARU_DROP_DNS_NAME },               /* beyond the message */
        { { 0xc0 }, 1, 0, NARU_DROP_DNS_SHORT },                    /* half of one */
        { { 1, 'a', 0, 0xc0, 0 }, 5, 3, NARU_DROP_NONE },
        { { 0x40, 0 }, 2, 0, NARU_DROP_DNS_NAME }, /* reserved kinds */
        { { 0x80, 0 }, 2, 0, NARU_DROP_DNS_NAME },
        { { 3, 'a', 'b' }, 3, 0, NARU_DROP_DNS_SHORT },
        { { 1, 'a' }, 2, 0, NARU_DROP_DNS_SHORT },
        { { 0 }, 1, 1, NARU_DROP_DNS_SHORT }, /* begins at the end */
        { { 0 }, 1, 9, NARU_DROP_DNS_SHORT },
    };
    for (size_t i = 0; i < NARU_ARRAY_LEN(cases); i++) {
        size_t at = cases[i].at;
        assert_int_equal(name_parse(cases[i].bytes, cases[i].len, &at), cases[i].drop);
        if (cases[i].drop == NARU_DROP_NONE)
            assert_int_equal(at, cases[i].len);
    }
}

static void names_have_255_bytes_at_most(void **state)
{
    (void)state;
    uint8_t bytes[512] = { 0 };
    size_t at = 0, len = 0;
    for (unsigned i = 0; i < 4; i++) {
        bytes[len] = i < 3 ? 63 : 61;
        len += 1U + bytes[len];
    }
    assert_int_equal(len + 1, NARU_DNS_NAME_MAX);
    assert_int_equal(name_parse(bytes, len + 1, &at), NARU_DROP_NONE);
    assert_int_equal(at, 255);
    bytes[3 * 64] = 62; /* one more */
    at = 0;
    assert_int_equal(name_parse(bytes, sizeof(bytes), &at), NARU_DROP_DNS_NAME);

    /* A chain of pointers, a label before each, adds up as well: 127 labels fit, not 128. */
    memset(bytes, 0, sizeof(bytes));
    size_t last = 0;
    for (len = 1; len + 4 <= sizeof(bytes); last = len, len += 4) {
        bytes[len] = 1;
        bytes[len + 1] = 'x';
        naru_put16(bytes + len + 2, (unsigned)(0xc000 | last));
    }
    assert_int_equal(last, 1 + 126 * 4);
    at = last;
    assert_int_equal(name_parse(bytes, sizeof(bytes), &at), NARU_DROP_NONE);
    uint8_t more[516] = { 1, 'x', 0 };
    memcpy(more + 3, bytes + 1, 508);
    for (size_t i = 3; i < 511; i += 4) /* the same, three bytes further, and one label more */
        naru_put16(more + i + 2, (unsigned)(0xc000 | (i == 3 ? 0 : i - 4)));
    at = 511 - 4;
    assert_int_equal(name_parse(more, sizeof(more), &at), NARU_DROP_DNS_NAME);
}

static void garbage_seed(uint64_t seed)
{
    struct naru_rand r;
    struct naru_dns_question q;
    struct naru_dns_record rec;
    naru_rand_init_u64(&r, seed);
    uint8_t bytes[128];
    size_t len = naru_rand_below(&r, sizeof(bytes)), at = naru_rand_below(&r, 20);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(rand_bool(&r)   ? 0xc0
                             : rand_bool(&r) ? naru_rand_below(&r, 8)
                                             : rand32(&r));
    uint8_t *copy = exact(bytes, len);
    struct naru_span message = naru_span(copy, len);
    if (naru_dns_question_parse(message, &at, &q) == NARU_DROP_NONE)
        SEED_CHECK(seed, at <= len && q.name.b[q.name.len - 1] == 0);
    if (naru_dns_record_parse(message, &at, &rec) == NARU_DROP_NONE)
        SEED_CHECK(seed, at <= len && rec.data.len <= len);
    free(copy);
}

static void garbage(void **state)
{
    (void)state;
    for_each_seed(20000, garbage_seed);
}

/* ---- Names and text ---- */

static void names_from_text(void **state)
{
    (void)state;
    static const char *const good[][2] = {
        { "", "." },
        { ".", "." },
        { "a", "a" },
        { "a.b.", "a.b" },
        { "A-1.b_c.org", "A-1.b_c.org" },
    };
    static const char *const bad[] = { "..", "a..b", ".a", "a.b.." };
    struct naru_dns_name name;
    for (size_t i = 0; i < NARU_ARRAY_LEN(good); i++) {
        assert_true(naru_dns_name_from_text(&name, good[i][0]));
        assert_name(&name, good[i][1]);
    }
    for (size_t i = 0; i < NARU_ARRAY_LEN(bad); i++)
        assert_false(naru_dns_name_from_text(&name, bad[i]));

    char text[300];
    memset(text, 'a', 64);
    text[63] = '\0';
    assert_true(naru_dns_name_from_text(&name, text));
    text[63] = 'a';
    text[64] = '\0';
    assert_false(naru_dns_name_from_text(&name, text));
    for (size_t i = 0; i < 254; i++)
        text[i] = i % 2 == 0 ? 'a' : '.';
    text[253] = '\0'; /* 127 labels of one letter: 255 bytes */
    assert_true(naru_dns_name_from_text(&name, text));
    assert_int_equal(name.len, 255);
    memcpy(text + 253, ".a", 3);
    assert_false(naru_dns_name_from_text(&name, text));
}

static void what_cannot_be_printed_is_escaped(void **state)
{
    (void)state;
    struct naru_dns_name name = { .len = 7, .b = { 5, 'a', '.', '\\', 0, 0xff, 0 } };
    assert_name(&name, "a\\046\\092\\000\\255");
}

static void case_does_not_count(void **state)
{
    (void)state;
    struct naru_dns_name a, b;
    assert_true(naru_dns_name_from_text(&a, "WwW.Example.org"));
    assert_true(naru_dns_name_from_text(&b, "www.eXample.ORG."));
    assert_true(naru_dns_name_eq(&a, &b));
    assert_true(naru_dns_name_from_text(&b, "www.example.orh"));
    assert_false(naru_dns_name_eq(&a, &b));
}

static void reverse_names(void **state)
{
    (void)state;
    struct naru_dns_name name;
    struct naru_addr a = addr("10.0.2.100");
    naru_dns_name_from_addr(&name, &a);
    assert_name(&name, "100.2.0.10.in-addr.arpa");
    a = addr("2001:db8::567:89ab");
    naru_dns_name_from_addr(&name, &a);
    assert_name(&name, "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
}

static void rand_name(struct naru_rand *r, struct naru_dns_name *name)
{
    char text[128];
    size_t len = naru_rand_below(r, 100);
    for (size_t i = 0; i < len; i++)
        text[i] = i % 7 == 6 && i + 1 < len ? '.' : (char)naru_rand_between(r, 'a', 'z');
    text[len] = '\0';
    assert_true(naru_dns_name_from_text(name, text));
}

static void parse_undoes_emit_seed(uint64_t seed)
{
    struct naru_rand r;
    naru_rand_init_u64(&r, seed);
    uint8_t out[512], data[40];
    rand_bytes(&r, data, sizeof(data));
    struct naru_dns_hdr h = {
        .id = rand16(&r), .response = rand_bool(&r), .opcode = rand8(&r) & 15,
        .aa = rand_bool(&r), .tc = rand_bool(&r), .rd = rand_bool(&r), .ra = rand_bool(&r),
        .ad = rand_bool(&r), .cd = rand_bool(&r), .rcode = rand8(&r) & 15, .questions = rand16(&r),
        .answers = rand16(&r), .authorities = rand16(&r), .additionals = rand16(&r),
    }, h2;
    struct naru_dns_question q = { .qtype = rand16(&r), .qclass = rand16(&r) }, q2;
    struct naru_dns_record rec = {
        .type = rand16(&r), .rclass = rand16(&r), .ttl_s = rand32(&r),
        .data = naru_span(data, naru_rand_below(&r, sizeof(data))),
    }, rec2;
    rand_name(&r, &q.name);
    rand_name(&r, &rec.name);
    struct naru_writer w = naru_writer(out, sizeof(out));
    naru_dns_emit(naru_writer_take(&w, NARU_DNS_LEN), &h);
    SEED_CHECK(seed, naru_dns_question_emit(&w, &q) && naru_dns_record_emit(&w, &rec));

    struct naru_span message = naru_span(out, sizeof(out) - w.len), in = message;
    size_t at = NARU_DNS_LEN;
    SEED_CHECK(seed, naru_dns_parse(&in, &h2) == NARU_DROP_NONE);
    SEED_CHECK(seed, h.id == h2.id && h.response == h2.response && h.opcode == h2.opcode);
    SEED_CHECK(seed, h.aa == h2.aa && h.tc == h2.tc && h.rd == h2.rd && h.ra == h2.ra);
    SEED_CHECK(seed, h.ad == h2.ad && h.cd == h2.cd && h.rcode == h2.rcode);
    SEED_CHECK(seed, h.questions == h2.questions && h.answers == h2.answers);
    SEED_CHECK(seed, h.authorities == h2.authorities && h.additionals == h2.additionals);
    SEED_CHECK(seed, naru_dns_question_parse(message, &at, &q2) == NARU_DROP_NONE);
    SEED_CHECK(seed, naru_dns_name_eq(&q.name, &q2.name));
    SEED_CHECK(seed, q.qtype == q2.qtype && q.qclass == q2.qclass);
    SEED_CHECK(seed, naru_dns_record_parse(message, &at, &rec2) == NARU_DROP_NONE);
    SEED_CHECK(seed, at == message.len && naru_dns_name_eq(&rec.name, &rec2.name));
    SEED_CHECK(seed, rec.type == rec2.type && rec.rclass == rec2.rclass);
    SEED_CHECK(seed, rec.ttl_s == rec2.ttl_s && rec.data.len == rec2.data.len);
    SEED_CHECK(seed, memcmp(rec.data.at, rec2.data.at, rec.data.len) == 0);

    w = naru_writer(out, naru_rand_below(&r, (uint32_t)q.name.len + 4));
    SEED_CHECK(seed, !naru_dns_question_emit(&w, &q));
}

static void parse_undoes_emit(void **state)
{
    (void)state;
    for_each_seed(SEEDS, parse_undoes_emit_seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(query_golden),
        cmocka_unit_test(answer_golden),
        cmocka_unit_test(cut_anywhere),
        cmocka_unit_test(pointers_only_lead_backward),
        cmocka_unit_test(names_have_255_bytes_at_most),
        cmocka_unit_test(garbage),
        cmocka_unit_test(names_from_text),
        cmocka_unit_test(what_cannot_be_printed_is_escaped),
        cmocka_unit_test(case_does_not_count),
        cmocka_unit_test(reverse_names),
        cmocka_unit_test(parse_undoes_emit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
