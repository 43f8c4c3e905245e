/*
 * The neighbour machine (proto/neigh.h) in virtual time: RFC 4861 7.2 and 7.3 state by state.
 */
#include "neigh_lab.h"

/* ---- Resolution ---- */

static void resolves(void **state)
{
    (void)state;
    struct lab l;
    struct naru_neigh_event e;
    lab_begin(&l);
    lab_init(&l);
    assert_int_equal(naru_neigh_deadline(&l.t), NARU_NEVER);
    assert_int_equal(look(&l, "10.0.0.2"), NARU_NEIGH_WAIT);
    assert_false(naru_neigh_ref_good(&l.ref));
    assert_null(queue(&l, "10.0.0.2", 1));
    assert_null(queue(&l, "10.0.0.2", 2));
    assert_int_equal(probe(&l), 'm');
    assert_int_equal(probe(&l), '-');
    assert_true(advert(&l, "10.0.0.2", mac_a, "SO"));
    assert_int_equal(event(&l, &e), NARU_NEIGH_RESOLVED);
    assert_true(e.waited_for);
    assert_memory_equal(e.mac, mac_a, 6);
    assert_int_equal(e.pkt->seq, 1);
    assert_int_equal(e.pkt->next->seq, 2);
    assert_int_equal(naru_pktpool_put_chain(e.pkt), 2);
    assert_int_equal(event(&l, &e), -1);
    assert_int_equal(look(&l, "10.0.0.2"), NARU_NEIGH_READY);
    assert_true(naru_neigh_ref_good(&l.ref));
    assert_memory_equal(l.ref.entry->mac, mac_a, 6);
    lab_deinit(&l);
}

/* Three probes, a second apart, then an error for those who wait (RFC 4861 7.2.2; H-2.3.2.1-2,
 * V6-4861-7.2.2-5, V6-4861-7.2.2-6). */
static void gives_up_after_three(void **state)
{
    (void)state;
    struct lab l;
    struct naru_neigh_event e;
    lab_begin(&l);
    lab_init(&l);
    assert_int_equal(look(&l, "fe80::2"), NARU_NEIGH_WAIT);
    assert_null(queue(&l, "fe80::2", 1));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(probe(&l), 'm');
        pass(&l, 999);
        assert_int_equal(probe(&l), '-');
        assert_int_equal(look(&l, "fe80::2"), NARU_NEIGH_WAIT);
        assert_int_equal(event(&l, &e), -1);
        pass(&l, 1);
    }
    assert_int_equal(probe(&l), '-');
    assert_int_equal(look(&l, "fe80::2"), NARU_NEIGH_NO);
    assert_int_equal(event(&l, &e), NARU_NEIGH_UNREACHABLE);
    assert_true(e.waited_for);
    assert_int_equal(naru_pktpool_put_chain(e.pkt), 1);
    pass(&l, 999);
    assert_int_equal(look(&l, "fe80::2"), NARU_NEIGH_NO); /* hold-down */
    pass(&l, 1);
    assert_int_equal(state_of(&l, "fe80::2"), NARU_NEIGH_FREE);
    assert_int_equal(look(&l, "fe80::2"), NARU_NEIGH_WAIT); /* and again */
    assert_int_equal(probe(&l), 'm');
    lab_deinit(&l);
}

/* An event nobody fetched yet must not be answered with packets of the next attempt. */
static void failure_is_told_before_the_next_attempt(void **state)
{
    (void)state;
    struct lab l;
    struct naru_neigh_event e;
    lab_begin(&l);
    lab_init(&l);
    look(&l, "fe80::2");
    pass(&l, 10000);
    assert_int_equal(look(&l, "fe80::2"), NARU_NEIGH_NO);
    assert_int_equal(event(&l, &e), NARU_NEIGH_UNREACHABLE);
    assert_int_equal(look(&l, "fe80::2"), NARU_NEIGH_WAIT);
    assert_int_equal(event(&l, &e), -1);
    lab_deinit(&l);
}

static void probe_uses_the_packets_source(void **state)
{
    (void)state;
    struct lab l;
    struct naru_neigh_probe p;
    struct naru_addr to = addr("fd00::2"), from = addr("fd00::1");
    lab_begin(&l);
    lab_init(&l);
    naru_neigh_lookup(&l.t, IF, &to, &from, l.now, &l.ref);
    assert_false(naru_neigh_next_probe(&l.t, IF + 1, &p));
    assert_true(naru_neigh_probe_pending(&l.t, IF));
    assert_false(naru_neigh_probe_pending(&l.t, IF + 1));
    assert_true(naru_neigh_next_probe(&l.t, 0, &p));
    check_addr(&p.source, "fd00::1");
    check_addr(&p.target, "fd00::2");
    assert_false(naru_neigh_probe_pending(&l.t, 0));
    lab_deinit(&l);
}

/* The newest wait, the oldest go (H-2.3.2.2-1, V6-4861-7.2.2-3, V6-4861-7.2.2-4). */
static void queue_is_bounded(void **state)
{
    (void)state;
    struct lab l;
    struct naru_neigh_event e;
    lab_begin(&l);
    l.config.queue_max = 3;
    l.config.queue_total_max = 4;
    lab_init(&l);
    look(&l, "10.0.0.2");
    for (uint32_t i = 0; i < 3; i++)
        assert_null(queue(&l, "10.0.0.2", i));
    for (uint32_t i = 3; i < 6; i++) { /* the oldest goes */
        struct naru_pkt *old = queue(&l, "10.0.0.2", i);
        assert_int_equal(old->seq, i - 3);
        naru_pkt_free(old);
    }
    look(&l, "10.0.0.3");
    assert_null(queue(&l, "10.0.0.3", 10));
    struct naru_pkt *old = queue(&l, "10.0.0.3", 11); /* full in all: of this one the oldest */
    assert_int_equal(old->seq, 10);
    naru_pkt_free(old);
    look(&l, "10.0.0.4");
    old = queue(&l, "10.0.0.4", 12);
    assert_int_equal(old->seq, 12);
    naru_pkt_free(old);
    old = queue(&l, "10.0.0.5", 13); /* nobody asked for it */
    assert_int_equal(old->seq, 13);
    naru_pkt_free(old);
    assert_true(advert(&l, "10.0.0.2", mac_a, "SO"));
    assert_int_equal(event(&l, &e), NARU_NEIGH_RESOLVED);
    assert_int_equal(e.pkt->seq, 3);
    assert_int_equal(naru_pktpool_put_chain(e.pkt), 3);
    assert_int_equal(l.t.queued, 1);
    lab_deinit(&l); /* puts the one that waits */
}

/* ---- Reachability ---- */

/* Believed for a time, asked again when somebody sends, and not before, then forgotten
 * (H-2.3.2.1-1, H-3.3.1.4-1, H-3.3.1.4-3, H-3.3.1.4-4, V6-4861-7.3.3-1, V6-4861-7.3.3-2,
 * V6-4861-7.3.3-3). */
static void life_of_an_entry(void **state)
{
    (void)state;
    struct lab l;
    struct naru_neigh_event e;
    lab_begin(&l);
    lab_init(&l);
    reachable(&l, "fe80::2", mac_a);
    struct naru_neigh_ref ref = l.ref;
    pass(&l, 14900); /* at least half of 30 s */
    assert_true(naru_neigh_ref_good(&ref));
    pass(&l, 30200); /* at most one and a half */
    assert_int_equal(state_of(&l, "fe80::2"), NARU_NEIGH_STALE);
    assert_false(naru_neigh_ref_good(&ref));
    pass(&l, 100000);
    assert_int_equal(state_of(&l, "fe80::2"), NARU_NEIGH_STALE); /* nobody asks */
    assert_int_equal(look(&l, "fe80::2"), NARU_NEIGH_READY);
    assert_int_equal(state_of(&l, "fe80::2"), NARU_NEIGH_DELAY);
    ref = l.ref;
    pass(&l, 4999);
    assert_int_equal(probe(&l), '-');
    pass(&l, 1);
    assert_int_equal(state_of(&l, "fe80::2"), NARU_NEIGH_PROBE);
    assert_true(naru_neigh_ref_good(&ref)); /* is sent to all the while */
    for (int i = 0; i < 3; i++) {
        assert_int_equal(probe(&l), 'u');
        assert_int_equal(probe(&l), '-');
        pass(&l, 1000);
    }
    assert_int_equal(state_of(&l, "fe80::2"), NARU_NEIGH_FAILED);
    assert_false(naru_neigh_ref_good(&ref));
    assert_int_equal(event(&l, &e), NARU_NEIGH_UNREACHABLE);
    lab_deinit(&l);
}

/* Upper and lower layers give advice (TCP progress = reachable); upper-layer progress (new ACKs)
 * confirms reachability (H-3.3.1.4-6, V6-4861-7.3.1-1). */
static void progress_confirms(void **state)
{
    (void)state;
    struct lab l;
    lab_begin(&l);
    lab_init(&l);
    reachable(&l, "fe80::2", mac_a);
    struct naru_neigh_ref ref = l.ref;
    for (int i = 0; i < 100; i++) {
        pass(&l, 10000);
        naru_neigh_confirm(&l.t, &ref, l.now);
        assert_true(naru_neigh_ref_good(&ref));
    }
    pass(&l, 60000);
    naru_neigh_confirm(&l.t, &ref, l.now); /* an old reference says nothing */
    assert_int_equal(state_of(&l, "fe80::2"), NARU_NEIGH_STALE);
    look(&l, "fe80::2");
    naru_neigh_confirm(&l.t, &l.ref, l.now);
    assert_int_equal(state_of(&l, "fe80::2"), NARU_NEIGH_REACHABLE);
    pass(&l, 60000);
    look(&l, "fe80::2");
    pass(&l, 5000);
    assert_int_equal(state_of(&l, "fe80::2"), NARU_NEIGH_PROBE);
    naru_neigh_confirm(&l.t, &l.ref, l.now);
    assert_int_equal(state_of(&l, "fe80::2"), NARU_NEIGH_REACHABLE);
    assert_int_equal(probe(&l), '-'); /* the probe is not needed any more */
    lab_deinit(&l);
}

/* How long an answer is believed is drawn anew after hours, and when routers say so
 * (V6-4861-6.3.4-5). */
static void reachable_time_is_drawn_again(void **state)
{
    (void)state;
    struct lab l;
    naru_time seen[8];
    unsigned same = 0;
    lab_begin(&l);
    lab_init(&l);
    for (int i = 0; i < 8; i++) {
        look(&l, "fe80::2");
        advert(&l, "fe80::2", mac_a, "SO");
        seen[i] = l.t.timers.reachable;
        assert_true(seen[i] >= NARU_SEC(15) && seen[i] <= NARU_SEC(45));
        same += i > 0 && seen[i] == seen[i - 1];
        pass(&l, 4 * 3600 * 1000);
    }
    assert_true(same <= 1);
    lab_deinit(&l);
}

/* Cur Hop Limit, Reachable Time, Retrans Timer are taken when non-zero (V6-4861-6.3.4-4). */
static void routers_set_the_timers(void **state)
{
    (void)state;
    struct lab l;
    lab_begin(&l);
    lab_init(&l);
    assert_int_equal(naru_neigh_set_timers(&l.t, IF, NARU_MS(100), NARU_MS(50), l.now), NARU_OK);
    assert_int_equal(naru_neigh_set_timers(&l.t, IF, 0, 0, l.now), NARU_OK); /* unspecified */
    reachable(&l, "fe80::2", mac_a);
    pass(&l, 49);
    assert_int_equal(state_of(&l, "fe80::2"), NARU_NEIGH_REACHABLE);
    pass(&l, 101);
    assert_int_equal(state_of(&l, "fe80::2"), NARU_NEIGH_STALE);
    look(&l, "fe80::3");
    assert_int_equal(probe(&l), 'm');
    pass(&l, 50);
    assert_int_equal(probe(&l), 'm');
    naru_neigh_remove_iface(&l.t, IF);
    assert_int_equal(naru_neigh_set_timers(&l.t, IF + 1, 0, NARU_MS(1), l.now), NARU_OK);
    assert_int_equal(l.t.iface_count, 1); /* the place is used again */
    lab_deinit(&l);
}

/* ---- RFC 4861 7.2.5, appendix C: what an advertisement does, row by row ---- */

/* O=0 with another link address does not update (REACHABLE -> STALE only; V6-4861-7.2.5-2,
 * V6-4861-7.2.5-3, V6-4861-7.3.1-2). */
static void advertisements(void **state)
{
    (void)state;
    static const struct {
        enum naru_neigh_state before;
        char mac; /* 'a' the known one, 'b' another, '-' none */
        const char *flags;
        enum naru_neigh_state after;
        char mac_after;
        bool good_after; /* is an old reference still good? */
    } t[] = {
        { NARU_NEIGH_INCOMPLETE, '-', "SO", NARU_NEIGH_INCOMPLETE, '-', false },
        { NARU_NEIGH_INCOMPLETE, 'b', "S", NARU_NEIGH_REACHABLE, 'b', false },
        { NARU_NEIGH_INCOMPLETE, 'b', "O", NARU_NEIGH_STALE, 'b', false },
        { NARU_NEIGH_INCOMPLETE, 'b', "", NARU_NEIGH_STALE, 'b', false },
        { NARU_NEIGH_REACHABLE, 'a', "S", NARU_NEIGH_REACHABLE, 'a', true },
        { NARU_NEIGH_REACHABLE, '-', "S", NARU_NEIGH_REACHABLE, 'a', true },
        { NARU_NEIGH_REACHABLE, 'a', "", NARU_NEIGH_REACHABLE, 'a', true },
        { NARU_NEIGH_REACHABLE, 'b', "S", NARU_NEIGH_STALE, 'a', false },
        { NARU_NEIGH_REACHABLE, 'b', "", NARU_NEIGH_STALE, 'a', false },
        { NARU_NEIGH_REACHABLE, 'b', "O", NARU_NEIGH_STALE, 'b', false },
        { NARU_NEIGH_REACHABLE, 'b', "SO", NARU_NEIGH_REACHABLE, 'b', false },
        { NARU_NEIGH_STALE, 'a', "S", NARU_NEIGH_REACHABLE, 'a', false },
        { NARU_NEIGH_STALE, 'a', "O", NARU_NEIGH_STALE, 'a', false },
        { NARU_NEIGH_STALE, 'b', "S", NARU_NEIGH_STALE, 'a', false },
        { NARU_NEIGH_STALE, 'b', "SO", NARU_NEIGH_REACHABLE, 'b', false },
        { NARU_NEIGH_DELAY, 'a', "S", NARU_NEIGH_REACHABLE, 'a', true },
        { NARU_NEIGH_DELAY, 'b', "S", NARU_NEIGH_DELAY, 'a', true },
        { NARU_NEIGH_DELAY, 'b', "O", NARU_NEIGH_STALE, 'b', false },
        { NARU_NEIGH_PROBE, 'a', "SO", NARU_NEIGH_REACHABLE, 'a', true },
        { NARU_NEIGH_PROBE, 'a', "O", NARU_NEIGH_PROBE, 'a', true },
        { NARU_NEIGH_PROBE, 'b', "S", NARU_NEIGH_PROBE, 'a', true },
        { NARU_NEIGH_PROBE, 'b', "SO", NARU_NEIGH_REACHABLE, 'b', false },
        { NARU_NEIGH_PERMANENT, 'b', "SO", NARU_NEIGH_PERMANENT, 'a', true },
    };
    for (size_t i = 0; i < NARU_ARRAY_LEN(t); i++) {
        struct lab l;
        struct naru_addr who = addr("fe80::2");
        lab_begin(&l);
        lab_init(&l);
        if (t[i].before == NARU_NEIGH_INCOMPLETE) {
            look(&l, "fe80::2");
        } else if (t[i].before == NARU_NEIGH_PERMANENT) {
            naru_neigh_set_permanent(&l.t, IF, &who, mac_a, l.now);
            look(&l, "fe80::2");
        } else {
            reachable(&l, "fe80::2", mac_a);
            if (t[i].before != NARU_NEIGH_REACHABLE)
                pass(&l, 50000);
            if (t[i].before == NARU_NEIGH_DELAY || t[i].before == NARU_NEIGH_PROBE)
                look(&l, "fe80::2");
            if (t[i].before == NARU_NEIGH_PROBE)
                pass(&l, 5000);
        }
        assert_int_equal(state_of(&l, "fe80::2"), t[i].before);
        const uint8_t *mac = t[i].mac == 'a' ? mac_a : t[i].mac == 'b' ? mac_b : NULL;
        advert(&l, "fe80::2", mac, t[i].flags);
        if (state_of(&l, "fe80::2") != t[i].after)
            fail_msg("row %zu: state %d", i, state_of(&l, "fe80::2"));
        const struct naru_neigh *e = naru_neigh_find(&l.t, IF, &who);
        if (t[i].mac_after != '-')
            assert_memory_equal(e->mac, t[i].mac_after == 'a' ? mac_a : mac_b, 6);
        if (naru_neigh_ref_good(&l.ref) != t[i].good_after)
            fail_msg("row %zu: reference", i);
        lab_deinit(&l);
    }
}

/* NA without a cache entry is dropped (V6-4861-7.2.5-1). */
static void unwanted_advertisements_make_nothing(void **state)
{
    (void)state;
    struct lab l;
    lab_begin(&l);
    lab_init(&l);
    assert_false(advert(&l, "fe80::2", mac_a, "SO"));
    assert_false(learn(&l, "10.0.0.2", mac_a, NARU_NEIGH_FROM_ARP));
    assert_false(learn(&l, "fe80::2", NULL, NARU_NEIGH_FROM_ROUTER));
    assert_int_equal(l.t.count, 0);
    lab_deinit(&l);
}

/* RFC 4861 7.2.3: what a solicitation's source link-layer address does (V6-4861-7.2.3-2,
 * V6-4861-7.2.3-3, V6-4861-7.3.3-4). */
static void solicitations_teach(void **state)
{
    (void)state;
    struct lab l;
    struct naru_neigh_event e;
    lab_begin(&l);
    lab_init(&l);
    assert_true(learn(&l, "fe80::2", mac_a, NARU_NEIGH_FROM_SOLICITATION));
    assert_int_equal(state_of(&l, "fe80::2"), NARU_NEIGH_STALE);
    assert_int_equal(event(&l, &e), -1);
    reachable(&l, "fe80::3", mac_a);
    assert_true(learn(&l, "fe80::3", mac_a, NARU_NEIGH_FROM_SOLICITATION)); /* no news */
    assert_int_equal(state_of(&l, "fe80::3"), NARU_NEIGH_REACHABLE);
    assert_true(learn(&l, "fe80::3", mac_b, NARU_NEIGH_FROM_SOLICITATION));
    assert_int_equal(state_of(&l, "fe80::3"), NARU_NEIGH_STALE);
    look(&l, "fe80::4"); /* somebody waits: that is enough to send to him */
    queue(&l, "fe80::4", 1);
    assert_true(learn(&l, "fe80::4", mac_a, NARU_NEIGH_FROM_SOLICITATION));
    assert_int_equal(event(&l, &e), NARU_NEIGH_RESOLVED);
    assert_int_equal(naru_pktpool_put_chain(e.pkt), 1);
    assert_int_equal(state_of(&l, "fe80::4"), NARU_NEIGH_STALE);
    look(&l, "10.0.0.5");
    assert_true(learn(&l, "10.0.0.5", mac_a, NARU_NEIGH_FROM_ARP));
    assert_int_equal(event(&l, &e), NARU_NEIGH_RESOLVED);
    lab_deinit(&l);
}

/* NS does not alter IsRouter of an existing entry; from :: it touches nothing (V6-4861-7.2.3-4,
 * V6-4861-7.2.5-4, V6-4861-6.3.4-6). */
static void routers_come_and_go(void **state)
{
    (void)state;
    struct lab l;
    struct naru_neigh_event e;
    struct naru_addr who = addr("fe80::1");
    lab_begin(&l);
    lab_init(&l);
    assert_true(learn(&l, "fe80::1", mac_a, NARU_NEIGH_FROM_ROUTER));
    const struct naru_neigh *entry = naru_neigh_find(&l.t, IF, &who);
    assert_true(entry->router);
    assert_true(learn(&l, "fe80::1", mac_a, NARU_NEIGH_FROM_SOLICITATION));
    assert_true(entry->router); /* 7.2.3: a solicitation says nothing about that */
    assert_true(advert(&l, "fe80::1", mac_a, "RSO"));
    assert_int_equal(event(&l, &e), -1);
    assert_true(advert(&l, "fe80::1", mac_a, "SO"));
    assert_false(entry->router);
    assert_int_equal(event(&l, &e), NARU_NEIGH_NOT_ROUTER);
    check_addr(&e.addr, "fe80::1");
    assert_int_equal(event(&l, &e), -1);
    assert_true(learn(&l, "fe80::9", mac_b, NARU_NEIGH_FROM_REDIRECT_ROUTER));
    who = addr("fe80::9");
    assert_true(naru_neigh_find(&l.t, IF, &who)->router);
    assert_int_equal(state_of(&l, "fe80::9"), NARU_NEIGH_STALE);
    lab_deinit(&l);
}

static void permanent_entries_stay(void **state)
{
    (void)state;
    struct lab l;
    struct naru_neigh_event e;
    struct naru_addr who = addr("10.0.0.2");
    lab_begin(&l);
    lab_init(&l);
    look(&l, "10.0.0.2");
    queue(&l, "10.0.0.2", 1);
    assert_int_equal(naru_neigh_set_permanent(&l.t, IF, &who, mac_a, l.now), NARU_OK);
    assert_int_equal(event(&l, &e), NARU_NEIGH_RESOLVED);
    naru_pktpool_put_chain(e.pkt);
    assert_int_equal(look(&l, "10.0.0.2"), NARU_NEIGH_READY);
    struct naru_neigh_ref ref = l.ref;
    pass(&l, 1000000);
    assert_true(naru_neigh_ref_good(&ref));
    learn(&l, "10.0.0.2", mac_b, NARU_NEIGH_FROM_SOLICITATION);
    assert_memory_equal(ref.entry->mac, mac_a, 6);
    assert_int_equal(naru_neigh_remove(&l.t, IF, &who), NARU_OK);
    assert_int_equal(naru_neigh_remove(&l.t, IF, &who), NARU_ERR_NOENT);
    assert_false(naru_neigh_ref_good(&ref));
    lab_deinit(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resolves),
        cmocka_unit_test(gives_up_after_three),
        cmocka_unit_test(failure_is_told_before_the_next_attempt),
        cmocka_unit_test(probe_uses_the_packets_source),
        cmocka_unit_test(queue_is_bounded),
        cmocka_unit_test(life_of_an_entry),
        cmocka_unit_test(progress_confirms),
        cmocka_unit_test(reachable_time_is_drawn_again),
        cmocka_unit_test(routers_set_the_timers),
        cmocka_unit_test(advertisements),
        cmocka_unit_test(unwanted_advertisements_make_nothing),
        cmocka_unit_test(solicitations_teach),
        cmocka_unit_test(routers_come_and_go),
        cmocka_unit_test(permanent_entries_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
