/*
 * The neighbour machine (proto/neigh.h) in virtual time: RFC 4861 7.2 and 7.3 state by state.
 */
#include "proto_test.h"

#include "proto/neigh.h"

enum { IF = 2 };

struct lab {
    struct world w;
    struct naru_neigh_config config;
    struct naru_neigh_table t;
    naru_time now;
    struct naru_neigh_ref ref;
};

static const uint8_t mac_a[6] = { 2, 0, 0, 0, 0, 0xa }, mac_b[6] = { 2, 0, 0, 0, 0, 0xb };

static void lab_begin(struct lab *l)
{
    memset(l, 0, sizeof(*l));
    world_init(&l->w, 1);
    naru_neigh_config_init(&l->config);
}

static void lab_init(struct lab *l)
{
    l->now = NARU_SEC(1000);
    assert_int_equal(naru_neigh_init(&l->t, &l->config, &l->w.mem, &l->w.rand), NARU_OK);
}

static void lab_deinit(struct lab *l)
{
    naru_neigh_deinit(&l->t);
    world_deinit(&l->w);
}

static enum naru_neigh_verdict look(struct lab *l, const char *who)
{
    struct naru_addr a = addr(who);
    return naru_neigh_lookup(&l->t, IF, &a, NULL, l->now, &l->ref);
}

static enum naru_neigh_state state_of(struct lab *l, const char *who)
{
    struct naru_addr a = addr(who);
    const struct naru_neigh *e = naru_neigh_find(&l->t, IF, &a);
    return e == NULL ? NARU_NEIGH_FREE : (enum naru_neigh_state)e->state;
}

/* Goes on by ms, tick by tick. */
static void pass(struct lab *l, int64_t ms)
{
    naru_time end = l->now + NARU_MS(ms);
    naru_time at;
    while ((at = naru_neigh_deadline(&l->t)) <= end) {
        l->now = at > l->now ? at : l->now;
        naru_neigh_tick(&l->t, l->now);
    }
    l->now = end;
}

/* The probe that is due: 'm'ulticast, 'u'nicast or '-' none. */
static char probe(struct lab *l)
{
    struct naru_neigh_probe p;
    if (!naru_neigh_next_probe(&l->t, IF, &p))
        return '-';
    assert_int_equal(p.ifindex, IF);
    return p.unicast ? 'u' : 'm';
}

static int event(struct lab *l, struct naru_neigh_event *e)
{
    memset(e, 0, sizeof(*e));
    return naru_neigh_next_event(&l->t, e) ? (int)e->kind : -1;
}

static bool learn(struct lab *l, const char *who, const uint8_t *mac, enum naru_neigh_from from)
{
    struct naru_addr a = addr(who);
    return naru_neigh_learn(&l->t, IF, &a, mac, from, l->now);
}

/* flags: of "RSO". */
static bool advert(struct lab *l, const char *who, const uint8_t *mac, const char *flags)
{
    struct naru_addr a = addr(who);
    struct naru_neigh_advert advert = {
        .mac = mac,
        .router = strchr(flags, 'R') != NULL,
        .solicited = strchr(flags, 'S') != NULL,
        .override = strchr(flags, 'O') != NULL,
    };
    return naru_neigh_advertised(&l->t, IF, &a, &advert, l->now);
}

static void reachable(struct lab *l, const char *who, const uint8_t *mac)
{
    struct naru_neigh_event e;
    assert_int_equal(look(l, who), NARU_NEIGH_WAIT);
    assert_int_equal(probe(l), 'm');
    assert_true(advert(l, who, mac, "SO"));
    assert_int_equal(event(l, &e), NARU_NEIGH_RESOLVED);
    assert_int_equal(look(l, who), NARU_NEIGH_READY);
    assert_int_equal(state_of(l, who), NARU_NEIGH_REACHABLE);
}

static struct naru_pkt *packet(struct lab *l, uint32_t mark)
{
    struct naru_pkt *pkt = naru_pktpool_get(&l->w.packets, 0, 100);
    pkt->seq = mark;
    return pkt;
}

static struct naru_pkt *queue(struct lab *l, const char *who, uint32_t mark)
{
    struct naru_addr a = addr(who);
    return naru_neigh_queue(&l->t, IF, &a, packet(l, mark));
}

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

/* Three probes, a second apart, then an error for those who wait (RFC 4861 7.2.2). */
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

/* RFC 4861 7.2.3: what a solicitation's source link-layer address does. */
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

/* ---- Limits ---- */

static void scan(struct lab *l, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct naru_addr a = naru_addr_v4(0x0a010000 + i);
        assert_int_equal(naru_neigh_lookup(&l->t, IF, &a, NULL, l->now, &l->ref), NARU_NEIGH_WAIT);
    }
}

/* RFC 6583: whoever scans the link does not push out those who are talked to. */
static void a_scan_is_survived(void **state)
{
    (void)state;
    struct lab l;
    struct naru_neigh_event e;
    lab_begin(&l);
    l.config.entries_max = 64;
    l.config.incomplete_max = 16;
    lab_init(&l);
    reachable(&l, "10.0.0.2", mac_a);
    struct naru_neigh_ref ref = l.ref;
    look(&l, "10.0.0.3");
    queue(&l, "10.0.0.3", 7);
    scan(&l, 1000);
    assert_int_equal(l.t.incomplete, 16);
    assert_true(naru_neigh_ref_good(&ref));
    assert_int_equal(event(&l, &e), NARU_NEIGH_EVICTED);
    assert_int_equal(e.pkt->seq, 7);
    naru_pktpool_put_chain(e.pkt);
    look(&l, "10.0.0.4"); /* and can be resolved all the while */
    scan(&l, 15);
    assert_true(advert(&l, "10.0.0.4", mac_b, "SO"));
    pass(&l, 10000);
    while (event(&l, &e) >= 0) {
    }
    pass(&l, 10000);
    assert_int_equal(l.t.incomplete, 0);
    lab_deinit(&l);
}

static void unasked_entries_go_first(void **state)
{
    (void)state;
    struct lab l;
    struct naru_addr who;
    lab_begin(&l);
    l.config.entries_max = 8;
    lab_init(&l);
    for (unsigned i = 0; i < 4; i++) {
        who = naru_addr_v4(0x0a000001 + i);
        assert_int_equal(naru_neigh_set_permanent(&l.t, IF, &who, mac_a, l.now), NARU_OK);
    }
    reachable(&l, "10.0.0.9", mac_a);
    for (unsigned i = 0; i < 100; i++) { /* strangers solicit us */
        who = naru_addr_v4(0x0a020000 + i);
        assert_true(naru_neigh_learn(&l.t, IF, &who, mac_b, NARU_NEIGH_FROM_SOLICITATION, l.now));
    }
    assert_int_equal(l.t.count, 8);
    assert_int_equal(state_of(&l, "10.0.0.1"), NARU_NEIGH_PERMANENT);
    assert_int_equal(state_of(&l, "10.0.0.9"), NARU_NEIGH_REACHABLE);
    for (unsigned i = 0; i < 4; i++) {
        who = naru_addr_v4(0x0a000005 + i);
        naru_neigh_set_permanent(&l.t, IF, &who, mac_a, l.now);
    }
    assert_int_equal(look(&l, "10.0.0.77"), NARU_NEIGH_NO_ROOM);
    who = addr("10.0.0.77");
    assert_int_equal(naru_neigh_set_permanent(&l.t, IF, &who, mac_a, l.now), NARU_ERR_NOBUFS);
    naru_neigh_remove_iface(&l.t, IF);
    assert_int_equal(l.t.count, 0);
    lab_deinit(&l);
}

static void limits_of_zero_are_refused(void **state)
{
    (void)state;
    struct lab l;
    lab_begin(&l);
    l.config.queue_max = 0;
    assert_int_equal(naru_neigh_init(&l.t, &l.config, &l.w.mem, &l.w.rand), NARU_ERR_INVAL);
    world_deinit(&l.w);
}

/* ---- Anything in any order: the counts stay right and every packet comes back ---- */

static void check_counts(uint64_t seed, struct lab *l)
{
    unsigned count = 0, incomplete = 0, queued = 0;
    const struct naru_neigh *e;
    for (unsigned n = 0; (e = naru_neigh_get(&l->t, n)) != NULL; n++) {
        count++;
        incomplete += e->state == NARU_NEIGH_INCOMPLETE;
        queued += e->queued;
        SEED_CHECK(seed, e->state != NARU_NEIGH_FREE);
        bool timer = e->state != NARU_NEIGH_STALE && e->state != NARU_NEIGH_PERMANENT;
        SEED_CHECK(seed, naru_timer_armed(&e->timer) == timer ||
                             (e->state == NARU_NEIGH_FAILED && e->events != 0));
    }
    SEED_CHECK(seed, count == l->t.count && count <= l->config.entries_max);
    SEED_CHECK(seed, incomplete == l->t.incomplete && incomplete <= l->config.incomplete_max);
    SEED_CHECK(seed, queued == l->t.queued && queued <= l->config.queue_total_max);
    SEED_CHECK(seed, naru_wheel_check(&l->t.wheel) && naru_table_check(&l->t.table));
}

static void random_step(struct lab *l, struct naru_rand *rand)
{
    struct naru_addr a = naru_addr_v4(0x0a000000 + naru_rand_below(rand, 24));
    if (naru_rand_below(rand, 2) == 0)
        a = (struct naru_addr){ { 0xfe, 0x80, [15] = a.b[15] } };
    const uint8_t *mac = naru_rand_below(rand, 3) == 0 ? mac_a : mac_b;
    struct naru_neigh_advert adv = {
        .mac = naru_rand_below(rand, 8) == 0 ? NULL : mac,
        .router = naru_rand_below(rand, 2) != 0,
        .solicited = naru_rand_below(rand, 2) != 0,
        .override = naru_rand_below(rand, 2) != 0,
    };
    switch (naru_rand_below(rand, 10)) {
    case 0:
    case 1:
    case 2:
        if (naru_neigh_lookup(&l->t, IF, &a, NULL, l->now, &l->ref) == NARU_NEIGH_WAIT)
            naru_pkt_free(naru_neigh_queue(&l->t, IF, &a, packet(l, 0)));
        break;
    case 3:
        naru_neigh_advertised(&l->t, IF, &a, &adv, l->now);
        break;
    case 4:
        naru_neigh_learn(&l->t, IF, &a, adv.mac, (enum naru_neigh_from)naru_rand_below(rand, 6),
                         l->now);
        break;
    case 5:
        naru_neigh_confirm(&l->t, &l->ref, l->now);
        break;
    case 6:
        if (naru_rand_below(rand, 10) == 0)
            naru_neigh_remove(&l->t, IF, &a);
        break;
    case 7:
        probe(l);
        break;
    default:
        l->now += NARU_MS(naru_rand_below(rand, 4000));
        naru_neigh_tick(&l->t, l->now);
        break;
    }
}

static void random_run(uint64_t seed)
{
    struct lab l;
    struct naru_neigh_event e;
    lab_begin(&l);
    l.config.entries_max = 16;
    l.config.incomplete_max = 6;
    l.config.queue_max = 3;
    l.config.queue_total_max = 8;
    lab_init(&l);
    struct naru_rand rand;
    naru_rand_init_u64(&rand, seed);
    for (unsigned step = 0; step < 3000; step++) {
        random_step(&l, &rand);
        if (naru_rand_below(&rand, 4) == 0 && event(&l, &e) >= 0)
            naru_pktpool_put_chain(e.pkt);
        check_counts(seed, &l);
    }
    lab_deinit(&l);
}

static void anything_in_any_order(void **state)
{
    (void)state;
    for_each_seed(10, random_run);
}

static void without_memory(struct world *w)
{
    struct naru_neigh_config config;
    struct naru_neigh_table t;
    struct naru_neigh_ref ref;
    naru_neigh_config_init(&config);
    assert_int_equal(naru_neigh_init(&t, &config, &w->mem, &w->rand), NARU_OK);
    for (unsigned i = 0; i < 50; i++) {
        struct naru_addr a = naru_addr_v4(0x0a000000 + i);
        enum naru_neigh_verdict v = naru_neigh_lookup(&t, IF, &a, NULL, 0, &ref);
        assert_true(v == NARU_NEIGH_WAIT || v == NARU_NEIGH_NO_ROOM);
        naru_neigh_set_timers(&t, i, 0, NARU_SEC(1), 0);
    }
    naru_neigh_deinit(&t);
}

static void every_allocation_fails(void **state)
{
    (void)state;
    each_allocation_fails(without_memory);
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
        cmocka_unit_test(routers_set_the_timers),
        cmocka_unit_test(advertisements),
        cmocka_unit_test(unwanted_advertisements_make_nothing),
        cmocka_unit_test(solicitations_teach),
        cmocka_unit_test(routers_come_and_go),
        cmocka_unit_test(permanent_entries_stay),
        cmocka_unit_test(a_scan_is_survived),
        cmocka_unit_test(unasked_entries_go_first),
        cmocka_unit_test(limits_of_zero_are_refused),
        cmocka_unit_test(anything_in_any_order),
        cmocka_unit_test(every_allocation_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
