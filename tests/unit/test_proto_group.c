/*
 * Multicast groups (proto/group.h) in virtual time.  Reports are written down as text and compared:
 * "R3 to 224.0.0.22 TO_EX 239.1.1.1" and so on; see note_report.
 */
#include "proto_test.h"

#include "proto/group.h"

enum { IF = 2 };

struct lab {
    struct world w;
    struct naru_group g;
    naru_time now;
    char log[4096];
};

static void lab_init(struct lab *l)
{
    memset(l, 0, sizeof(*l));
    world_init(&l->w, 3);
    naru_group_init(&l->g, &l->w.mem, &l->w.rand, 100);
}

static void lab_deinit(struct lab *l)
{
    naru_group_deinit(&l->g);
    world_deinit(&l->w);
}

static void join(struct lab *l, const char *who)
{
    struct naru_addr a = addr(who);
    assert_int_equal(naru_group_join(&l->g, IF, &a, l->now), NARU_OK);
}

static void leave(struct lab *l, const char *who)
{
    struct naru_addr a = addr(who);
    assert_int_equal(naru_group_leave(&l->g, IF, &a, l->now), NARU_OK);
}

static bool member(struct lab *l, const char *who)
{
    struct naru_addr a = addr(who);
    return naru_group_member(&l->g, IF, &a);
}

static void append(struct lab *l, const char *what)
{
    size_t len = strlen(l->log);
    snprintf(l->log + len, sizeof(l->log) - len, "%s", what);
}

static void append_addr(struct lab *l, const struct naru_addr *a)
{
    char text[NARU_ADDR_TEXT_SIZE];
    naru_addr_format(a, text, sizeof(text));
    append(l, text);
}

static void note_report(struct lab *l, const struct naru_group_report *r)
{
    static const char *const message[] = { "R1", "R2", "LEAVE", "R3" };
    static const char *const type[] = { "", "IS_IN ", "IS_EX ", "TO_IN ", "TO_EX " };
    append(l, l->log[0] == '\0' ? "" : "; ");
    append(l, message[r->message]);
    append(l, " to ");
    append_addr(l, &r->to);
    for (unsigned i = 0; i < r->record_count; i++) {
        append(l, " ");
        append(l, type[r->record[i].type]);
        append_addr(l, &r->record[i].group);
        for (unsigned n = 0; n < r->record[i].source_count; n++) {
            append(l, "<");
            append_addr(l, &r->record[i].source[n]);
        }
    }
}

static void told(struct lab *l, const char *wanted)
{
    struct naru_group_report r;
    l->log[0] = '\0';
    bool pending = naru_group_report_pending(&l->g, IF), any = false;
    while (naru_group_next_report(&l->g, IF, l->now, &r)) {
        any = true;
        assert_int_equal(r.ifindex, IF);
        note_report(l, &r);
    }
    assert_int_equal(pending, any);
    assert_string_equal(l->log, wanted);
}

static void pass(struct lab *l, int64_t ms)
{
    naru_time end = l->now + NARU_MS(ms), at;
    while ((at = naru_group_deadline(&l->g)) <= end) {
        l->now = at > l->now ? at : l->now;
        naru_group_tick(&l->g, l->now);
        if (naru_group_deadline(&l->g) <= l->now)
            fail_msg("no progress");
    }
    l->now = end;
}

/* group "" is a general query; sources: host numbers in 10.0.0.0/24. */
static void query(struct lab *l, unsigned version, const char *group, uint32_t max_ms,
                  const char *sources)
{
    uint8_t bytes[64 * 4];
    struct naru_group_msg q = {
        .kind = NARU_GROUP_KIND_QUERY,
        .family = NARU_IPV4,
        .version = (uint8_t)version,
        .group = group[0] == '\0' ? naru_addr_v4(0) : addr(group),
        .max_response_ms = max_ms,
    };
    for (; sources != NULL && *sources != '\0'; sources++) {
        naru_put32(bytes + q.source_count * 4, 0x0a000000U + (unsigned)(*sources - '0'));
        q.source_count++;
    }
    q.sources = naru_span(bytes, q.source_count * 4);
    naru_group_query(&l->g, IF, &q, l->now);
}

static void query6(struct lab *l, unsigned version, const char *group, uint32_t max_ms)
{
    struct naru_group_msg q = {
        .kind = NARU_GROUP_KIND_QUERY,
        .family = NARU_IPV6,
        .version = (uint8_t)version,
        .group = addr(group),
        .max_response_ms = max_ms,
    };
    naru_group_query(&l->g, IF, &q, l->now);
}

#define A "239.1.1.1"
#define B "239.1.1.2"

/* IGMP; MLDv2 listener with v1 fall-back; reports from :: allowed for DAD (RFC 3590); router alert,
 * hop limit 1 (H-3.3.7-2, V6-3810-4-1). */
static void joins_and_leaves_are_reported_twice(void **state)
{
    (void)state;
    struct lab l;
    lab_init(&l);
    assert_false(member(&l, A));
    join(&l, A);
    assert_true(member(&l, A));
    told(&l, "R3 to 224.0.0.22 TO_EX " A);
    pass(&l, 1000); /* robustness 2: again within a second */
    told(&l, "R3 to 224.0.0.22 TO_EX " A);
    pass(&l, 100000);
    told(&l, "");
    leave(&l, A);
    assert_false(member(&l, A));
    told(&l, "R3 to 224.0.0.22 TO_IN " A);
    pass(&l, 1000);
    told(&l, "R3 to 224.0.0.22 TO_IN " A);
    assert_int_equal(naru_table_count(&l.g.table), 0);
    assert_int_equal(naru_group_deadline(&l.g), NARU_NEVER);
    lab_deinit(&l);
}

static void users_are_counted(void **state)
{
    (void)state;
    struct lab l;
    struct naru_addr a = addr(A), unicast = addr("10.0.0.1");
    unsigned users;
    lab_init(&l);
    join(&l, A);
    join(&l, A);
    pass(&l, 5000);
    told(&l, "R3 to 224.0.0.22 TO_EX " A);
    assert_true(naru_group_get(&l.g, IF, 0, &a, &users));
    assert_int_equal(users, 2);
    assert_false(naru_group_get(&l.g, IF, 1, &a, &users));
    leave(&l, A);
    assert_true(member(&l, A));
    pass(&l, 5000);
    told(&l, "R3 to 224.0.0.22 TO_EX " A);
    leave(&l, A);
    assert_int_equal(naru_group_leave(&l.g, IF, &a, l.now), NARU_ERR_NOENT);
    assert_int_equal(naru_group_join(&l.g, IF, &unicast, l.now), NARU_ERR_INVAL);
    join(&l, A); /* back before anybody heard of the leaving */
    told(&l, "R3 to 224.0.0.22 TO_EX " A);
    assert_false(naru_group_member(&l.g, IF + 1, &a));
    lab_deinit(&l);
}

static void some_groups_are_never_reported(void **state)
{
    (void)state;
    struct lab l;
    lab_init(&l);
    assert_true(member(&l, "224.0.0.1"));
    assert_true(member(&l, "ff02::1"));
    assert_false(member(&l, "ff02::2"));
    join(&l, "224.0.0.1");
    join(&l, "ff02::1");
    join(&l, "ff01::5");
    join(&l, "ff00::5");
    told(&l, "");
    assert_true(member(&l, "ff01::5"));
    leave(&l, "ff01::5");
    leave(&l, "224.0.0.1");
    assert_true(member(&l, "224.0.0.1"));
    told(&l, "");
    join(&l, "ff02::1:ff00:1");
    told(&l, "R3 to ff02::16 TO_EX ff02::1:ff00:1");
    lab_deinit(&l);
}

static void several_changes_share_a_report(void **state)
{
    (void)state;
    struct lab l;
    lab_init(&l);
    join(&l, A);
    join(&l, "ff0e::1");
    join(&l, B);
    told(&l, "R3 to 224.0.0.22 TO_EX " A " TO_EX " B "; R3 to ff02::16 TO_EX ff0e::1");
    lab_deinit(&l);
}

static void many_groups_take_many_reports(void **state)
{
    (void)state;
    struct lab l;
    struct naru_group_report r;
    unsigned reports = 0, records = 0;
    lab_init(&l);
    for (unsigned i = 0; i < 50; i++) {
        struct naru_addr a = naru_addr_v4(0xef000001 + i);
        naru_group_join(&l.g, IF, &a, l.now);
    }
    while (naru_group_next_report(&l.g, IF, l.now, &r)) {
        reports++;
        records += r.record_count;
    }
    assert_int_equal(reports, 4);
    assert_int_equal(records, 50);
    query(&l, 3, "", 10000, NULL);
    pass(&l, 10000);
    reports = records = 0;
    while (naru_group_next_report(&l.g, IF, l.now, &r)) {
        reports++;
        records += r.record_count;
    }
    assert_int_equal(records, 100); /* the second report of each joining, and the answers */
    lab_deinit(&l);
}

/* ---- Queries ---- */

static void lab_settled(struct lab *l)
{
    lab_init(l);
    join(l, A);
    join(l, B);
    pass(l, 1);
    told(l, "R3 to 224.0.0.22 TO_EX " A " TO_EX " B);
    pass(l, 1000);
    struct naru_group_report r;
    while (naru_group_next_report(&l->g, IF, l->now, &r)) {
    }
    told(l, "");
}

static void general_queries(void **state)
{
    (void)state;
    struct lab l;
    lab_settled(&l);
    query(&l, 3, "", 10000, NULL);
    told(&l, "");
    assert_true(naru_group_deadline(&l.g) <= l.now + NARU_SEC(10));
    pass(&l, 10000);
    told(&l, "R3 to 224.0.0.22 IS_EX " A " IS_EX " B);
    pass(&l, 100000);
    told(&l, "");
    lab_deinit(&l);
}

static void group_queries(void **state)
{
    (void)state;
    struct lab l;
    lab_settled(&l);
    query(&l, 3, B, 1000, NULL);
    query(&l, 3, "239.9.9.9", 1000, NULL);
    pass(&l, 1000);
    told(&l, "R3 to 224.0.0.22 IS_EX " B);
    query(&l, 3, A, 1000, "12"); /* with sources: we take them all */
    query(&l, 3, A, 1000, "3");  /* and are asked for more (RFC 3376 5.2 rule 5) */
    pass(&l, 1000);
    told(&l, "R3 to 224.0.0.22 IS_IN " A "<10.0.0.1<10.0.0.2<10.0.0.3");
    query(&l, 3, A, 1000, "12");
    query(&l, 3, A, 1000, NULL); /* rule 4 */
    pass(&l, 1000);
    told(&l, "R3 to 224.0.0.22 IS_EX " A);
    query(&l, 3, A, 1000, NULL);
    query(&l, 3, A, 1000, "1"); /* rule 4 too: the group is answered for already */
    pass(&l, 1000);
    told(&l, "R3 to 224.0.0.22 IS_EX " A);
    query(&l, 3, A, 1000, "123456789:;<"); /* more than we remember */
    pass(&l, 1000);
    told(&l, "R3 to 224.0.0.22 IS_EX " A);
    query(&l, 3, A, 1000, "1234");
    query(&l, 3, A, 1000, "56789");
    pass(&l, 1000);
    told(&l, "R3 to 224.0.0.22 IS_EX " A);
    lab_deinit(&l);
}

static void a_query_of_a_group_left_is_not_answered(void **state)
{
    (void)state;
    struct lab l;
    lab_settled(&l);
    query(&l, 3, A, 1000, NULL);
    leave(&l, A);
    told(&l, "R3 to 224.0.0.22 TO_IN " A);
    pass(&l, 1000);
    told(&l, "R3 to 224.0.0.22 TO_IN " A);
    lab_deinit(&l);
}

/* ---- Old routers ---- */

static void igmpv2_querier(void **state)
{
    (void)state;
    struct lab l;
    struct naru_addr a = addr(A);
    lab_settled(&l);
    query(&l, 2, "", 1000, NULL);
    pass(&l, 1000);
    struct naru_group_report r;
    unsigned reports = 0;
    while (naru_group_next_report(&l.g, IF, l.now, &r)) {
        assert_int_equal(r.message, NARU_GROUP_REPORT_V2);
        assert_true(naru_addr_eq(&r.to, &r.record[0].group));
        reports++;
    }
    assert_int_equal(reports, 2);
    join(&l, "239.1.1.3");
    told(&l, "R2 to 239.1.1.3 239.1.1.3");
    pass(&l, 10000); /* unsolicited, within ten seconds */
    told(&l, "R2 to 239.1.1.3 239.1.1.3");
    leave(&l, "239.1.1.3");
    told(&l, "LEAVE to 224.0.0.2 239.1.1.3");
    query(&l, 2, A, 1000, NULL);
    naru_group_reported(&l.g, IF, &a, l.now); /* somebody else did */
    pass(&l, 1000);
    told(&l, "");
    leave(&l, A); /* and the last report was his: we leave silently */
    told(&l, "");
    pass(&l, 270000); /* no version 2 querier any more */
    query(&l, 3, "", 1000, NULL);
    pass(&l, 1000);
    told(&l, "R3 to 224.0.0.22 IS_EX " B);
    naru_group_reported(&l.g, IF, &a, l.now);
    lab_deinit(&l);
}

static void igmpv1_querier(void **state)
{
    (void)state;
    struct lab l;
    lab_settled(&l);
    query(&l, 2, "", 100, NULL);
    query(&l, 1, "", 10000, NULL);
    leave(&l, B); /* which version 1 has no word for */
    pass(&l, 10000);
    told(&l, "R1 to " A " " A);
    lab_deinit(&l);
}

/* What was begun in the new version is dropped when an old querier appears (RFC 3376 7.2.1). */
static void change_of_version_drops_what_was_planned(void **state)
{
    (void)state;
    struct lab l;
    lab_init(&l);
    join(&l, A);
    told(&l, "R3 to 224.0.0.22 TO_EX " A);
    query(&l, 2, "", 0, NULL);
    naru_group_tick(&l.g, l.now);
    told(&l, "R2 to " A " " A);
    pass(&l, 100000);
    told(&l, "");
    lab_deinit(&l);
}

/* MLDv2 listener with v1 fall-back; reports from :: allowed for DAD (RFC 3590); router alert, hop
 * limit 1 (V6-3810-4-1). */
static void mld_versions(void **state)
{
    (void)state;
    struct lab l;
    lab_init(&l);
    join(&l, "ff0e::1");
    told(&l, "R3 to ff02::16 TO_EX ff0e::1");
    pass(&l, 1000);
    told(&l, "R3 to ff02::16 TO_EX ff0e::1");
    query6(&l, 2, "::", 0);
    naru_group_tick(&l.g, l.now);
    told(&l, "R3 to ff02::16 IS_EX ff0e::1");
    query6(&l, 1, "::", 0);
    naru_group_tick(&l.g, l.now);
    told(&l, "R1 to ff0e::1 ff0e::1");
    leave(&l, "ff0e::1");
    told(&l, "LEAVE to ff02::2 ff0e::1");
    lab_deinit(&l);
}

static void link_comes_back(void **state)
{
    (void)state;
    struct lab l;
    lab_settled(&l);
    naru_group_iface_up(&l.g, IF, l.now);
    told(&l, "R3 to 224.0.0.22 TO_EX " A " TO_EX " B);
    naru_group_iface_remove(&l.g, IF);
    assert_false(member(&l, A));
    told(&l, "");
    naru_group_iface_up(&l.g, IF, l.now);
    naru_group_iface_remove(&l.g, IF);
    lab_deinit(&l);
}

static void members_are_bounded(void **state)
{
    (void)state;
    struct lab l;
    lab_init(&l);
    for (unsigned i = 0; i < 110; i++) {
        struct naru_addr a = naru_addr_v4(0xef000001 + i);
        assert_int_equal(naru_group_join(&l.g, IF, &a, l.now), i < 100 ? NARU_OK : NARU_ERR_NOBUFS);
    }
    lab_deinit(&l);
}

/* ---- Anything in any order: time goes on, members are who joined, reports end ---- */

static void random_query(struct lab *l, struct naru_rand *rand)
{
    static const char *const groups[] = { "", A, B, "239.9.9.9" };
    static const char *const groups6[] = { "::", "ff0e::1", "ff0e::2" };
    uint32_t max_ms = naru_rand_below(rand, 3) * 1000;
    if (naru_rand_below(rand, 2) == 0)
        query6(l, 1 + naru_rand_below(rand, 2), groups6[naru_rand_below(rand, 3)], max_ms);
    else
        query(l, 1 + naru_rand_below(rand, 3), groups[naru_rand_below(rand, 4)], max_ms,
              naru_rand_below(rand, 2) == 0 ? NULL : "1234");
}

static void random_run(uint64_t seed)
{
    static const char *const who[] = { A, B, "ff0e::1", "ff0e::2", "224.0.0.1", "ff01::9" };
    struct lab l;
    struct naru_rand rand;
    struct naru_group_report r;
    unsigned users[6] = { 0 };
    lab_init(&l);
    naru_rand_init_u64(&rand, seed);
    for (unsigned step = 0; step < 2000; step++) {
        unsigned n = naru_rand_below(&rand, 6);
        struct naru_addr a = addr(who[n]);
        switch (naru_rand_below(&rand, 7)) {
        case 0:
            join(&l, who[n]);
            users[n]++;
            break;
        case 1: {
            enum naru_err err = naru_group_leave(&l.g, IF, &a, l.now);
            SEED_CHECK(seed, err == (users[n] > 0 ? NARU_OK : NARU_ERR_NOENT));
            users[n] -= users[n] > 0;
            break;
        }
        case 2:
            random_query(&l, &rand);
            break;
        case 3:
            naru_group_reported(&l.g, IF, &a, l.now);
            break;
        case 4:
            if (naru_group_next_report(&l.g, IF, l.now, &r))
                SEED_CHECK(seed, r.record_count > 0);
            break;
        default:
            pass(&l, naru_rand_below(&rand, 20000));
            break;
        }
        for (unsigned i = 0; i < 4; i++)
            SEED_CHECK(seed, member(&l, who[i]) == (users[i] > 0));
    }
    for (unsigned i = 0; i < 6; i++) {
        for (; users[i] > 0; users[i]--)
            leave(&l, who[i]);
    }
    for (unsigned i = 0; i < 10; i++) {
        while (naru_group_next_report(&l.g, IF, l.now, &r))
            SEED_CHECK(seed, r.record_count > 0);
        pass(&l, 20000);
    }
    SEED_CHECK(seed, naru_table_count(&l.g.table) == 0);
    SEED_CHECK(seed, naru_group_deadline(&l.g) == NARU_NEVER);
    lab_deinit(&l);
}

static void anything_in_any_order(void **state)
{
    (void)state;
    for_each_seed(20, random_run);
}

static void without_memory(struct world *w)
{
    struct naru_group g;
    naru_group_init(&g, &w->mem, &w->rand, 100);
    for (unsigned i = 0; i < 30; i++) {
        struct naru_addr a = naru_addr_v4(0xef000001 + i);
        enum naru_err err = naru_group_join(&g, 1 + i % 3, &a, 0);
        assert_true(err == NARU_OK || err == NARU_ERR_NOMEM);
        assert_int_equal(naru_group_member(&g, 1 + i % 3, &a), err == NARU_OK);
    }
    naru_group_deinit(&g);
}

static void every_allocation_fails(void **state)
{
    (void)state;
    each_allocation_fails(without_memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(joins_and_leaves_are_reported_twice),
        cmocka_unit_test(users_are_counted),
        cmocka_unit_test(some_groups_are_never_reported),
        cmocka_unit_test(several_changes_share_a_report),
        cmocka_unit_test(many_groups_take_many_reports),
        cmocka_unit_test(general_queries),
        cmocka_unit_test(group_queries),
        cmocka_unit_test(a_query_of_a_group_left_is_not_answered),
        cmocka_unit_test(igmpv2_querier),
        cmocka_unit_test(igmpv1_querier),
        cmocka_unit_test(change_of_version_drops_what_was_planned),
        cmocka_unit_test(mld_versions),
        cmocka_unit_test(link_comes_back),
        cmocka_unit_test(members_are_bounded),
        cmocka_unit_test(anything_in_any_order),
        cmocka_unit_test(every_allocation_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
