/*
 * Temporary addresses (RFC 8981), domains to search (RFC 8106 5.2) and secrets of identifiers (RFC
 * 7217), days of virtual time each.
 */
#include "autoconf_lab.h"

enum { DAY = 86400, SEEN_MAX = 64 };

/* The addresses of one prefix as their changes say. */
struct seen {
    struct naru_addr addr;
    bool temporary, preferred, there;
    naru_time made, preferred_at, deprecated_at, removed_at;
};

struct watch {
    struct seen seen[SEEN_MAX];
    unsigned count;
};

static void begin(struct lab *l)
{
    lab_init(l);
    l->config.solicit = l->config.slaac = l->config.temporary = true;
    lab_add(l);
}

static struct seen *find(struct watch *w, const struct naru_autoconf_change *c, naru_time now)
{
    for (unsigned n = 0; n < w->count; n++)
        if (naru_addr_eq(&w->seen[n].addr, &c->addr))
            return &w->seen[n];
    assert_true(w->count < SEEN_MAX);
    w->seen[w->count] = (struct seen){ .addr = c->addr, .temporary = c->temporary, .made = now };
    w->seen[w->count].there = true;
    return &w->seen[w->count++];
}

/* Everything that is due until now is told and sent. */
static void drain(struct lab *l, struct watch *w)
{
    struct naru_autoconf_change c;
    struct naru_autoconf_send s;
    while (naru_autoconf_next_change(&l->ac, &c)) {
        if (c.kind > NARU_AUTOCONF_ADDR_REMOVED)
            continue;
        struct seen *seen = find(w, &c, l->now);
        seen->preferred = c.kind == NARU_AUTOCONF_ADDR_PREFERRED;
        if (seen->preferred)
            seen->preferred_at = l->now;
        if (c.kind == NARU_AUTOCONF_ADDR_DEPRECATED)
            seen->deprecated_at = l->now;
        if (c.kind == NARU_AUTOCONF_ADDR_REMOVED)
            seen->removed_at = l->now;
        seen->there = c.kind != NARU_AUTOCONF_ADDR_REMOVED;
    }
    while (naru_autoconf_next_send(&l->ac, IF, l->now, &s))
        ;
}

static unsigned temporaries(const struct watch *w, bool preferred)
{
    unsigned count = 0;
    for (unsigned n = 0; n < w->count; n++)
        count += w->seen[n].temporary && w->seen[n].there && (!preferred || w->seen[n].preferred);
    return count;
}

/* Goes on, each deadline by itself. */
static void go(struct lab *l, struct watch *w, naru_time until)
{
    drain(l, w);
    for (;;) {
        naru_time at = naru_autoconf_deadline(&l->ac);
        if (at > until)
            break;
        if (at > l->now)
            l->now = at;
        naru_autoconf_tick(&l->ac, l->now);
        drain(l, w);
    }
    l->now = until;
}

/* A link where nothing was seen yet, and a router that says hello. */
static void begin_with_router(struct lab *l, struct watch *w)
{
    w->count = 0;
    begin(l);
    ra(l, 3600);
}

/* One is made with the lasting one, is replaced before it is deprecated, again and again, and each
 * goes after two days; there is always one to begin from (V6-8981-3-1). */
static void made_and_made_again(void **state)
{
    (void)state;
    struct lab l;
    static struct watch w;
    unsigned most = 0, replaced = 0;
    w.count = 0;
    begin(&l);
    for (unsigned half_hour = 0; half_hour < 10 * 48; half_hour++) {
        ra(&l, 3600);
        prefix(&l, "2001:db8::/64", "LA", 7 * DAY, 2 * DAY);
        go(&l, &w, l.now + NARU_SEC(1800));
        assert_true(temporaries(&w, true) >= 1);
        most = temporaries(&w, false) > most ? temporaries(&w, false) : most;
    }
    assert_true(w.count > 10 && w.count < 20);
    assert_true(most >= 2 && most <= 4);
    for (unsigned n = 0; n < w.count; n++) {
        const struct seen *a = &w.seen[n];
        if (!a->temporary) {
            assert_true(a->there && a->preferred);
            continue;
        }
        assert_true(naru_addr_hi(&a->addr) == naru_addr_hi(&w.seen[0].addr));
        if (a->deprecated_at == 0)
            continue;
        naru_time life = a->deprecated_at - a->made;
        assert_true(life <= NARU_SEC(DAY) && life >= NARU_SEC(DAY) * 6 / 10);
        assert_true(n + 1 < w.count && w.seen[n + 1].preferred_at < a->deprecated_at);
        assert_true(a->deprecated_at - w.seen[n + 1].made <= NARU_SEC(6));
        if (a->removed_at != 0)
            assert_true(a->removed_at - a->made == NARU_SEC(2 * DAY));
        replaced++;
    }
    assert_true(replaced >= 10);
    lab_deinit(&l);
}

/* They live no longer than their prefix (3.4), nor are made where that is preferred for moments. */
static void no_longer_than_the_prefix(void **state)
{
    (void)state;
    struct lab l;
    static struct watch w;
    begin_with_router(&l, &w);
    prefix(&l, "2001:db8::/64", "LA", 4 * 3600, 4);
    go(&l, &w, l.now + NARU_SEC(60));
    assert_int_equal(temporaries(&w, false), 0);
    prefix(&l, "2001:db8::/64", "LA", 4 * 3600, 3600);
    go(&l, &w, l.now + NARU_SEC(3000));
    assert_int_equal(temporaries(&w, true), 1);
    prefix(&l, "2001:db8::/64", "LA", 4 * 3600, 3600);
    go(&l, &w, l.now + NARU_SEC(3000)); /* its time went on with the prefix's */
    assert_int_equal(temporaries(&w, true), 1);
    go(&l, &w, l.now + NARU_SEC(1000)); /* and ends with it, without another */
    assert_int_equal(temporaries(&w, true), 0);
    assert_int_equal(temporaries(&w, false), 1);
    prefix(&l, "2001:db8::/64", "LA", 4 * 3600, 3600); /* both come back */
    go(&l, &w, l.now + NARU_SEC(10));
    assert_int_equal(temporaries(&w, true), 1);
    go(&l, &w, l.now + NARU_SEC(5 * 3600));
    assert_int_equal(temporaries(&w, false), 0);
    assert_int_equal(w.count, 2);
    lab_deinit(&l);
}

/* A duplicate is drawn again, three times; then there is none (3.3.3). */
static void duplicates_are_drawn_again(void **state)
{
    (void)state;
    struct lab l;
    static struct watch w;
    begin_with_router(&l, &w);
    prefix(&l, "2001:db8::/64", "LA", 7 * DAY, 2 * DAY);
    for (unsigned n = 0; n < 10; n++) {
        naru_autoconf_tick(&l.ac, l.now);
        drain(&l, &w);
        if (w.seen[w.count - 1].temporary)
            (void)naru_autoconf_advertised(&l.ac, IF, &w.seen[w.count - 1].addr);
    }
    assert_int_equal(w.count, 5); /* the lasting one, and four */
    prefix(&l, "2001:db8::/64", "LA", 7 * DAY, 2 * DAY);
    go(&l, &w, l.now + NARU_SEC(3600));
    assert_int_equal(w.count, 5);
    assert_int_equal(temporaries(&w, true), 0);
    lab_deinit(&l);
}

/* Off: none. */
static void none_unless_wanted(void **state)
{
    (void)state;
    struct lab l;
    static struct watch w;
    w.count = 0;
    lab_init(&l);
    l.config.solicit = l.config.slaac = true;
    lab_add(&l);
    ra(&l, 3600);
    prefix(&l, "2001:db8::/64", "LA", 7 * DAY, 2 * DAY);
    go(&l, &w, l.now + NARU_SEC(3 * DAY));
    assert_int_equal(w.count, 1);
    assert_false(w.seen[0].temporary);
    lab_deinit(&l);
}

/* The same secret makes the same address in the same network, whatever else is drawn; another
 * secret another (V6-7217-5-1). */
static void the_secret_makes_the_address(void **state)
{
    (void)state;
    struct naru_addr made[3];
    for (unsigned n = 0; n < 3; n++) {
        struct lab l;
        struct naru_autoconf_change c;
        uint8_t secret[16] = { 1, 2, 3, [15] = n == 2 };
        lab_init(&l);
        for (unsigned drawn = 0; drawn < n; drawn++)
            (void)naru_rand_u64(&l.w.rand);
        naru_autoconf_set_secret(&l.ac, secret);
        l.config.solicit = l.config.slaac = l.config.opaque = true;
        lab_add(&l);
        ra(&l, 3600);
        prefix(&l, "2001:db8::/64", "A", 3600, 3600);
        while (naru_autoconf_next_change(&l.ac, &c))
            if (c.kind == NARU_AUTOCONF_ADDR_TENTATIVE)
                made[n] = c.addr;
        lab_deinit(&l);
    }
    assert_true(naru_addr_eq(&made[0], &made[1]));
    assert_false(naru_addr_eq(&made[0], &made[2]));
}

/* Domains come, are renewed, and go with their lifetimes or with a 0; case is none; the list is
 * bounded (V6-8106-5-1). */
static void domains(void **state)
{
    (void)state;
    struct lab l;
    char long_name[NARU_AUTOCONF_DOMAIN + 1] = { 0 };
    memset(long_name, 'a', NARU_AUTOCONF_DOMAIN);
    lab_init(&l);
    l.config.solicit = true;
    lab_add(&l);
    ra(&l, 1800);
    told(&l, "+router " ROUTER);
    assert_null(naru_autoconf_domain_get(&l.ac, IF, 0));
    naru_autoconf_ra_domain(&l.ac, IF, "example.org", 100, l.now);
    naru_autoconf_ra_domain(&l.ac, IF, "lab.example", 0xffffffff, l.now);
    naru_autoconf_ra_domain(&l.ac, IF, "gone.example", 0, l.now);
    naru_autoconf_ra_domain(&l.ac, IF, "", 100, l.now);
    naru_autoconf_ra_domain(&l.ac, IF, long_name, 100, l.now);
    told(&l, "domains");
    assert_string_equal(naru_autoconf_domain_get(&l.ac, IF, 0), "example.org");
    assert_string_equal(naru_autoconf_domain_get(&l.ac, IF, 1), "lab.example");
    assert_null(naru_autoconf_domain_get(&l.ac, IF, 2));
    l.now += NARU_SEC(60);
    naru_autoconf_ra_domain(&l.ac, IF, "EXAMPLE.org", 100, l.now);
    told(&l, "");
    l.now += NARU_SEC(90);
    naru_autoconf_tick(&l.ac, l.now);
    told(&l, "");
    l.now += NARU_SEC(20);
    assert_true(naru_autoconf_deadline(&l.ac) <= l.now);
    naru_autoconf_tick(&l.ac, l.now);
    assert_string_equal(naru_autoconf_domain_get(&l.ac, IF, 0), "lab.example");
    naru_autoconf_ra_domain(&l.ac, IF, "lab.example", 0, l.now);
    assert_null(naru_autoconf_domain_get(&l.ac, IF, 0));
    for (unsigned n = 0; n < 100; n++) {
        char name[] = { (char)('a' + n % 26), (char)('a' + n / 26), '\0' };
        naru_autoconf_ra_domain(&l.ac, IF, name, 100, l.now);
    }
    assert_non_null(naru_autoconf_domain_get(&l.ac, IF, NARU_AUTOCONF_DOMAINS - 1));
    assert_null(naru_autoconf_domain_get(&l.ac, IF, NARU_AUTOCONF_DOMAINS));
    lab_deinit(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(made_and_made_again),          cmocka_unit_test(no_longer_than_the_prefix),
        cmocka_unit_test(duplicates_are_drawn_again),   cmocka_unit_test(none_unless_wanted),
        cmocka_unit_test(the_secret_makes_the_address), cmocka_unit_test(domains),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
