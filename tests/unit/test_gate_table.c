/*
 * Flows found by guest and forgotten by age (gate/table.h): the lists' order, and the whole table
 * beside a slow twin.
 */
#include "base_test.h"

#include "base/addr.h"
#include "gate/table.h"

#define MAX 40

static const naru_time lifetime[NARU_GATE_LIVES] = { NARU_SEC(30), NARU_SEC(180), NARU_SEC(10) };

struct fixture {
    struct naru_mem mem;
    struct test_alloc alloc;
    struct naru_rand rand;
    struct naru_gate_table table;
};

static void setup(struct fixture *f, uint64_t seed)
{
    test_mem_init(&f->mem, &f->alloc, UINT64_MAX);
    naru_rand_init_u64(&f->rand, seed);
    naru_gate_table_init(&f->table, &f->mem, &f->rand, MAX, lifetime);
}

static void teardown(struct fixture *f)
{
    struct naru_gate_entry *entry;
    while ((entry = naru_gate_table_oldest(&f->table)) != NULL)
        naru_gate_table_remove(&f->table, entry);
    naru_gate_table_deinit(&f->table);
    assert_int_equal(f->alloc.bytes, 0);
}

static struct naru_endpoint guest(unsigned n)
{
    return (struct naru_endpoint){ .addr = naru_addr_v4(0x0a000264 + n / 8),
                                   .port = (uint16_t)(1000 + n % 8) };
}

static void lives_end_in_their_own_time(void **state)
{
    struct fixture f;
    struct naru_gate_entry e[3] = { 0 };
    (void)state;
    setup(&f, 1);
    for (unsigned i = 0; i < 3; i++) {
        e[i].guest = guest(i);
        e[i].life = (enum naru_gate_life)i;
        assert_true(naru_gate_table_add(&f.table, &e[i], NARU_SEC(1)));
    }
    assert_int_equal(naru_gate_table_deadline(&f.table), NARU_SEC(11));
    assert_null(naru_gate_table_expired(&f.table, NARU_SEC(11) - 1));
    assert_ptr_equal(naru_gate_table_expired(&f.table, NARU_SEC(11)), &e[NARU_GATE_LIFE_QUERY]);
    naru_gate_table_touch(&f.table, &e[NARU_GATE_LIFE_QUERY], NARU_GATE_LIFE_QUERY, NARU_SEC(11));
    assert_null(naru_gate_table_expired(&f.table, NARU_SEC(20)));

    /* An answer came: the one that would end at 31 lives until 195. */
    naru_gate_table_touch(&f.table, &e[NARU_GATE_LIFE_ONE_WAY], NARU_GATE_LIFE_STREAM,
                          NARU_SEC(15));
    naru_gate_table_remove(&f.table, &e[NARU_GATE_LIFE_QUERY]);
    assert_int_equal(naru_gate_table_deadline(&f.table), NARU_SEC(181));
    naru_gate_table_remove(&f.table, &e[NARU_GATE_LIFE_STREAM]);
    assert_int_equal(naru_gate_table_deadline(&f.table), NARU_SEC(195));
    naru_gate_table_remove(&f.table, &e[NARU_GATE_LIFE_ONE_WAY]);
    assert_true(naru_gate_table_deadline(&f.table) == NARU_NEVER);
    assert_null(naru_gate_table_oldest(&f.table));
    teardown(&f);
}

static void a_full_table_refuses(void **state)
{
    struct fixture f;
    struct naru_gate_entry e[MAX + 1] = { 0 };
    (void)state;
    setup(&f, 1);
    for (unsigned i = 0; i <= MAX; i++) {
        e[i].guest = guest(i);
        assert_int_equal(naru_gate_table_add(&f.table, &e[i], (naru_time)i), i < MAX);
    }
    naru_gate_table_touch(&f.table, &e[0], NARU_GATE_LIFE_ONE_WAY, 100);
    assert_ptr_equal(naru_gate_table_oldest(&f.table), &e[1]);
    naru_gate_table_remove(&f.table, &e[1]);
    assert_true(naru_gate_table_add(&f.table, &e[MAX], 101));
    assert_null(naru_gate_table_find(&f.table, &e[1].guest));
    assert_ptr_equal(naru_gate_table_find(&f.table, &e[MAX].guest), &e[MAX]);
    teardown(&f);
}

static void ports_and_families_tell_guests_apart(void **state)
{
    struct fixture f;
    struct naru_gate_entry a = { .guest = guest(1) }, b = { .guest = guest(2) };
    struct naru_endpoint v6 = guest(1);
    (void)state;
    setup(&f, 1);
    assert_true(naru_gate_table_add(&f.table, &a, 0));
    assert_true(naru_gate_table_add(&f.table, &b, 0));
    v6.addr.b[0] = 0xfd;
    assert_ptr_equal(naru_gate_table_find(&f.table, &a.guest), &a);
    assert_ptr_equal(naru_gate_table_find(&f.table, &b.guest), &b);
    assert_null(naru_gate_table_find(&f.table, &v6));
    teardown(&f);
}

/* ---- Beside a twin that looks at all entries each time ---- */

#define GUESTS 64

struct twin {
    struct naru_gate_entry entry[GUESTS];
    bool in[GUESTS];
    naru_time used_at[GUESTS];
};

static naru_time twin_deadline(const struct twin *t)
{
    naru_time deadline = NARU_NEVER;
    for (unsigned i = 0; i < GUESTS; i++) {
        if (t->in[i] && t->used_at[i] + lifetime[t->entry[i].life] < deadline)
            deadline = t->used_at[i] + lifetime[t->entry[i].life];
    }
    return deadline;
}

static naru_time twin_oldest(const struct twin *t)
{
    naru_time oldest = NARU_NEVER;
    for (unsigned i = 0; i < GUESTS; i++) {
        if (t->in[i] && t->used_at[i] < oldest)
            oldest = t->used_at[i];
    }
    return oldest;
}

static void twin_step(struct fixture *f, struct twin *t, naru_time now)
{
    unsigned n = naru_rand_below(&f->rand, GUESTS);
    struct naru_gate_entry *e = &t->entry[n];
    enum naru_gate_life life = (enum naru_gate_life)naru_rand_below(&f->rand, NARU_GATE_LIVES);

    if (!t->in[n]) {
        *e = (struct naru_gate_entry){ .guest = guest(n), .life = life };
        if (naru_gate_table_add(&f->table, e, now)) {
            t->in[n] = true;
            t->used_at[n] = now;
        }
    } else if (naru_rand_below(&f->rand, 3) == 0) {
        naru_gate_table_remove(&f->table, e);
        t->in[n] = false;
    } else {
        naru_gate_table_touch(&f->table, e, life, now);
        t->used_at[n] = now;
    }
}

static void run_twin(uint64_t seed)
{
    struct fixture f;
    struct twin t = { 0 };
    naru_time now = 0;

    setup(&f, seed);
    for (unsigned step = 0; step < 3000; step++) {
        now += NARU_MS(naru_rand_below(&f.rand, 2000));
        twin_step(&f, &t, now);
        for (unsigned i = 0; i < GUESTS; i++) {
            struct naru_endpoint g = guest(i);
            SEED_CHECK(seed, naru_gate_table_find(&f.table, &g) == (t.in[i] ? &t.entry[i] : NULL));
        }
        const struct naru_gate_entry *oldest = naru_gate_table_oldest(&f.table);
        SEED_CHECK(seed, naru_gate_table_deadline(&f.table) == twin_deadline(&t));
        SEED_CHECK(seed, (oldest == NULL ? NARU_NEVER : oldest->used_at) == twin_oldest(&t));
        SEED_CHECK(seed,
                   (naru_gate_table_expired(&f.table, now) != NULL) == (twin_deadline(&t) <= now));
    }
    teardown(&f);
}

static void table_does_as_its_twin(void **state)
{
    (void)state;
    for_each_seed(5, run_twin);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lives_end_in_their_own_time),
        cmocka_unit_test(a_full_table_refuses),
        cmocka_unit_test(ports_and_families_tell_guests_apart),
        cmocka_unit_test(table_does_as_its_twin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
