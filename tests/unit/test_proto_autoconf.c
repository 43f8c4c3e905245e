/*
 * IPv6 autoconfiguration (proto/autoconf.h) in virtual time.
 */
#include "autoconf_lab.h"

/* ---- Duplicate address detection ---- */

/* DAD runs on every unicast address however it was obtained (V6-4862-5.4-1). */
static void detection_takes_a_second(void **state)
{
    (void)state;
    struct lab l;
    struct naru_addr a = addr("fd00::5");
    lab_init(&l);
    assert_int_equal(naru_autoconf_addr_add(&l.ac, IF, &a, 64, 0), NARU_ERR_NOENT);
    lab_add(&l);
    assert_int_equal(naru_autoconf_deadline(&l.ac), NARU_NEVER);
    assert_int_equal(naru_autoconf_addr_add(&l.ac, IF, &a, 64, l.now), NARU_OK);
    assert_int_equal(naru_autoconf_addr_add(&l.ac, IF, &a, 64, l.now), NARU_ERR_EXIST);
    told(&l, "tentative fd00::5");
    naru_autoconf_tick(&l.ac, l.now);
    told(&l, "NS fd00::5");
    l.now += NARU_MS(999);
    naru_autoconf_tick(&l.ac, l.now);
    told(&l, "");
    l.now += NARU_MS(1);
    naru_autoconf_tick(&l.ac, l.now);
    told(&l, "preferred fd00::5");
    assert_int_equal(naru_autoconf_deadline(&l.ac), NARU_NEVER);
    lab_deinit(&l);
}

/* DupAddrDetectTransmits is configurable per interface (default 1, 0 = off; V6-4862-5.1-1). */
static void detection_can_be_off_or_longer(void **state)
{
    (void)state;
    struct lab l;
    struct naru_addr a = addr("fd00::5");
    lab_init(&l);
    l.config.dad_transmits = 0;
    lab_add(&l);
    naru_autoconf_addr_add(&l.ac, IF, &a, 64, l.now);
    told(&l, "preferred fd00::5");
    lab_deinit(&l);

    lab_init(&l);
    l.config.dad_transmits = 3;
    lab_add(&l);
    naru_autoconf_addr_add(&l.ac, IF, &a, 64, l.now);
    told(&l, "tentative fd00::5");
    for (int i = 0; i < 3; i++) {
        naru_autoconf_tick(&l.ac, l.now);
        told(&l, "NS fd00::5");
        l.now += NARU_SEC(1);
    }
    naru_autoconf_tick(&l.ac, l.now);
    told(&l, "preferred fd00::5");
    lab_deinit(&l);
}

/* Nothing counts as asked while the device takes nothing. */
static void a_probe_must_have_left(void **state)
{
    (void)state;
    struct lab l;
    struct naru_addr a = addr("fd00::5");
    lab_init(&l);
    lab_add(&l);
    naru_autoconf_addr_add(&l.ac, IF, &a, 64, l.now);
    pass_s(&l, 100);
    told(&l, "tentative fd00::5, NS fd00::5");
    pass_s(&l, 1);
    told(&l, "preferred fd00::5");
    lab_deinit(&l);
}

/* Each address is tested by itself (V6-4862-5.4-3, V6-4862-5.4.3-1, V6-4862-5.4.4-1). */
static void others_say_it_is_theirs(void **state)
{
    (void)state;
    struct lab l;
    struct naru_addr a = addr("fd00::5"), b = addr("fd00::6"), c = addr("fd00::7");
    const uint8_t other[6] = { 1, 2, 3, 4, 5, 6 };
    lab_init(&l);
    lab_add(&l);
    naru_autoconf_addr_add(&l.ac, IF, &a, 64, l.now);
    naru_autoconf_addr_add(&l.ac, IF, &b, 64, l.now);
    naru_autoconf_tick(&l.ac, l.now);
    told(&l, "tentative fd00::5, tentative fd00::6, NS fd00::5, NS fd00::6");
    /* From a unicast address somebody only resolves it: silence. */
    assert_int_equal(naru_autoconf_solicited(&l.ac, IF, &a, false, NULL),
                     NARU_AUTOCONF_ND_TENTATIVE);
    /* Our own, looped back (RFC 7527). */
    assert_int_equal(naru_autoconf_solicited(&l.ac, IF, &b, true, l.nonce),
                     NARU_AUTOCONF_ND_TENTATIVE);
    told(&l, "");
    assert_int_equal(naru_autoconf_solicited(&l.ac, IF, &a, true, other),
                     NARU_AUTOCONF_ND_DUPLICATE);
    assert_int_equal(naru_autoconf_solicited(&l.ac, IF, &a, true, NULL),
                     NARU_AUTOCONF_ND_TENTATIVE);
    assert_int_equal(naru_autoconf_advertised(&l.ac, IF, &b), NARU_AUTOCONF_ND_DUPLICATE);
    assert_int_equal(naru_autoconf_advertised(&l.ac, IF, &c), NARU_AUTOCONF_ND_OTHER);
    pass_s(&l, 100);
    told(&l, "duplicate fd00::5, duplicate fd00::6");
    assert_int_equal(naru_autoconf_addr_remove(&l.ac, IF, &a), NARU_OK);
    assert_int_equal(naru_autoconf_addr_remove(&l.ac, IF, &a), NARU_ERR_NOENT);
    naru_autoconf_addr_add(&l.ac, IF, &a, 64, l.now); /* again */
    pass_s(&l, 0);
    told(&l, "tentative fd00::5, NS fd00::5");
    pass_s(&l, 1);
    told(&l, "preferred fd00::5");
    assert_int_equal(naru_autoconf_advertised(&l.ac, IF, &a), NARU_AUTOCONF_ND_OTHER);
    assert_int_equal(naru_autoconf_solicited(&l.ac, IF, &a, true, other), NARU_AUTOCONF_ND_OTHER);
    lab_deinit(&l);
}

/* RFC 4862 5.4.5: two of one MAC, IPv6 is off (V6-4862-5.4.5-2). */
static void duplicate_mac_disables(void **state)
{
    (void)state;
    struct lab l;
    struct naru_addr a = addr(LOCAL);
    lab_init(&l);
    l.config.link_local = l.config.solicit = true;
    lab_add(&l);
    told(&l, "tentative " LOCAL);
    assert_int_equal(naru_autoconf_advertised(&l.ac, IF, &a), NARU_AUTOCONF_ND_DUPLICATE);
    told(&l, "duplicate " LOCAL ", disabled");
    pass_s(&l, 100);
    ra(&l, 1800);
    told(&l, "");
    naru_autoconf_iface_up(&l.ac, IF, l.now);
    told(&l, "tentative " LOCAL);
    lab_deinit(&l);
}

/* RFC 7217 6: another identifier, three times. */
static void opaque_identifiers_try_again(void **state)
{
    (void)state;
    struct lab l;
    struct naru_autoconf_change c;
    struct naru_addr seen[8];
    unsigned count = 0;
    lab_init(&l);
    l.config.link_local = l.config.opaque = true;
    lab_add(&l);
    for (unsigned i = 0; i < 20; i++) {
        while (naru_autoconf_next_change(&l.ac, &c)) {
            if (c.kind != NARU_AUTOCONF_ADDR_TENTATIVE)
                continue;
            assert_true(naru_addr_is_link_local(&c.addr));
            for (unsigned k = 0; k < count; k++)
                assert_false(naru_addr_eq(&seen[k], &c.addr));
            seen[count++] = c.addr;
        }
        naru_autoconf_tick(&l.ac, l.now);
        naru_autoconf_advertised(&l.ac, IF, &seen[count - 1]);
    }
    assert_int_equal(count, 4);
    lab_deinit(&l);

    lab_init(&l); /* and the first one is the same every time */
    l.config.link_local = l.config.opaque = true;
    lab_add(&l);
    assert_true(naru_autoconf_next_change(&l.ac, &c));
    assert_true(naru_addr_eq(&c.addr, &seen[0]));
    lab_deinit(&l);
}

/* ---- Routers ---- */

/* Up to 3 solicitations, at least 4 s apart, after a random delay up to 1 s (V6-4861-6.3.7-1). */
static void routers_are_solicited(void **state)
{
    (void)state;
    struct lab l;
    lab_init(&l);
    l.config.solicit = true;
    lab_add(&l);
    naru_time first = naru_autoconf_deadline(&l.ac);
    assert_true(first > 0 && first <= NARU_SEC(1));
    for (int i = 0; i < 3; i++) {
        l.now = first + NARU_SEC(4) * i;
        naru_autoconf_tick(&l.ac, l.now - 1);
        told(&l, "");
        naru_autoconf_tick(&l.ac, l.now);
        told(&l, "RS from ::");
    }
    assert_int_equal(naru_autoconf_deadline(&l.ac), NARU_NEVER);
    lab_deinit(&l);
}

/* After a valid RA with lifetime > 0 solicitation stops (V6-4861-6.3.7-2). */
static void an_advertisement_ends_soliciting(void **state)
{
    (void)state;
    struct lab l;
    lab_init(&l);
    l.config.solicit = l.config.link_local = true;
    lab_add(&l);
    pass_s(&l, 1);
    told(&l, "tentative " LOCAL ", NS " LOCAL);
    pass_s(&l, 1); /* the solicitation has waited for its source */
    told(&l, "preferred " LOCAL ", RS from " LOCAL);
    ra(&l, 0); /* no default router: we go on */
    pass_s(&l, 5);
    told(&l, "RS from " LOCAL);
    ra(&l, 1800);
    told(&l, "+router " ROUTER);
    pass_s(&l, 100);
    told(&l, "");
    pass_s(&l, 1700);
    told(&l, "-router " ROUTER);
    lab_deinit(&l);
}

/* A zero (unspecified) value does not reset a variable to default (V6-4861-6.3.4-2,
 * V6-4861-6.3.4-4, V6-4861-6.3.4-8). */
static void router_parameters(void **state)
{
    (void)state;
    struct lab l;
    struct naru_addr dns = addr("fd00::53");
    lab_init(&l);
    l.config.solicit = true;
    lab_add(&l);
    struct naru_autoconf_ra m = {
        .router = addr(ROUTER),
        .lifetime_s = 10,
        .hop_limit = 32,
        .reachable_ms = 10000,
        .retrans_ms = 200,
    };
    naru_autoconf_ra(&l.ac, IF, &m, l.now);
    naru_autoconf_ra_mtu(&l.ac, IF, 1279);
    naru_autoconf_ra_mtu(&l.ac, IF, 1501);
    told(&l, "+router " ROUTER ", hops 32, timers 10000 200");
    naru_autoconf_ra_mtu(&l.ac, IF, 1400);
    naru_autoconf_ra_dns(&l.ac, IF, &dns, 5, l.now);
    told(&l, "+dns fd00::53, mtu 1400");
    naru_autoconf_ra(&l.ac, IF, &m, l.now); /* no news */
    m.hop_limit = 0;
    m.reachable_ms = m.retrans_ms = 0; /* unspecified changes nothing (RFC 4861 6.3.4) */
    naru_autoconf_ra(&l.ac, IF, &m, l.now);
    m.reachable_ms = 3600001;
    naru_autoconf_ra(&l.ac, IF, &m, l.now);
    naru_autoconf_ra_mtu(&l.ac, IF, 1400);
    told(&l, "");
    pass_s(&l, 6);
    told(&l, "-dns fd00::53");
    naru_autoconf_ra_dns(&l.ac, IF, &dns, 0xffffffff, l.now);
    told(&l, "+dns fd00::53");
    naru_autoconf_not_router(&l.ac, IF, &m.router);
    told(&l, "-router " ROUTER);
    naru_autoconf_ra_dns(&l.ac, IF, &dns, 0, l.now);
    naru_autoconf_ra_dns(&l.ac, IF, &dns, 9, l.now); /* away and back: nobody need know */
    told(&l, "");
    lab_deinit(&l);
}

static void hosts_that_do_not_solicit_do_not_listen(void **state)
{
    (void)state;
    struct lab l;
    lab_init(&l);
    lab_add(&l);
    ra(&l, 1800);
    prefix(&l, "fd00::/64", "LA", 100, 100);
    naru_autoconf_ra_mtu(&l.ac, IF, 1400);
    told(&l, "");
    naru_autoconf_ra_mtu(&l.ac, IF + 1, 1400);
    assert_false(naru_autoconf_send_pending(&l.ac, IF + 1));
    lab_deinit(&l);
}

/* As many as there is room for, two at least (V6-4861-6.3.4-3). */
static void router_list_is_bounded(void **state)
{
    (void)state;
    struct lab l;
    struct naru_autoconf_change c;
    unsigned added = 0;
    lab_init(&l);
    l.config.solicit = true;
    lab_add(&l);
    for (unsigned i = 0; i < 100; i++) {
        struct naru_autoconf_ra m = { .router = addr("fe80::"), .lifetime_s = 10 };
        m.router.b[15] = (uint8_t)i;
        naru_autoconf_ra(&l.ac, IF, &m, l.now);
    }
    while (naru_autoconf_next_change(&l.ac, &c))
        added += c.kind == NARU_AUTOCONF_ROUTER_ADDED;
    assert_int_equal(added, NARU_AUTOCONF_ROUTERS);
    lab_deinit(&l);
}

/* ---- Prefixes ---- */

#define GLOBAL "2001:db8::200:5eff:fe00:5301"

static void lab_slaac(struct lab *l)
{
    lab_init(l);
    l->config.solicit = l->config.slaac = true;
    lab_add(l);
    ra(l, 1800);
    told(l, "+router " ROUTER);
}

/* First message on the interface, or address from a multicast RA: join after a random delay 0..1 s
 * (V6-4862-5.4.2-2, V6-4862-5.5.3-3, V6-4862-5.5.3-4, V6-4862-5.5.4-1, V6-4862-5.5.4-2). */
static void prefixes_make_addresses(void **state)
{
    (void)state;
    struct lab l;
    lab_slaac(&l);
    prefix(&l, "2001:db8::/64", "LA", 1000, 500);
    told(&l, "tentative " GLOBAL ", +link 2001:db8::/64");
    pass_s(&l, 1); /* up to a second of delay (RFC 4862 5.4.2) */
    told(&l, "NS " GLOBAL);
    pass_s(&l, 1);
    told(&l, "preferred " GLOBAL);
    pass_s(&l, 498);
    told(&l, "deprecated " GLOBAL);
    prefix(&l, "2001:db8::/64", "LA", 1000, 500); /* and renewed */
    told(&l, "preferred " GLOBAL);
    pass_s(&l, 500);
    told(&l, "deprecated " GLOBAL);
    pass_s(&l, 500);
    told(&l, "removed " GLOBAL ", -link 2001:db8::/64");
    assert_true(naru_autoconf_deadline(&l.ac) > l.now);
    lab_deinit(&l);
}

/* A prefix with L=0 says nothing about off-link; an earlier on-link mark stays (V6-4861-4.6.2-1,
 * V6-4861-4.6.2-2, V6-4862-5.5.3-1, V6-4862-5.5.3-2). */
static void bad_prefixes_are_ignored(void **state)
{
    (void)state;
    struct lab l;
    lab_slaac(&l);
    prefix(&l, "fe80::/64", "LA", 1000, 500);    /* link-local */
    prefix(&l, "ff02::/64", "LA", 1000, 500);    /* multicast */
    prefix(&l, "2001:db8::/64", "A", 500, 1000); /* preferred beyond valid */
    prefix(&l, "2001:db8::/63", "A", 1000, 500); /* does not add up to 128 */
    prefix(&l, "2001:db8::/64", "A", 0, 0);      /* over before it began */
    prefix(&l, "2001:db8::/64", "", 1000, 500);
    told(&l, "");
    prefix(&l, "2001:db8::/56", "L", 1000, 500); /* on-link may be of any length */
    told(&l, "+link 2001:db8::/56");
    prefix(&l, "2001:db8::/56", "", 1000, 0); /* L=0 takes nothing back */
    told(&l, "");
    prefix(&l, "2001:db8::/56", "L", 0, 0);
    told(&l, "-link 2001:db8::/56");
    lab_deinit(&l);
}

/* RFC 4862 5.5.3 e: left and offered valid lifetimes, and what comes of them, in seconds
 * (V6-4862-5.5.3-5). */
static void two_hour_rule(void **state)
{
    (void)state;
    static const struct {
        uint32_t before, offered, after;
    } t[] = {
        { 100000, 7201, 7201 }, /* more than two hours: taken */
        { 100000, 7200, 7200 }, /* not more, and much is left: two hours */
        { 100000, 10, 7200 },   { 100000, 0, 7200 },
        { 5000, 10, 5000 },                           /* less than two hours left: ignored */
        { 5000, 0, 5000 },      { 5000, 6000, 6000 }, /* more than what is left: taken */
        { 7200, 10, 7200 },     { 0xffffffff, 10, 7200 },
    };
    for (size_t i = 0; i < NARU_ARRAY_LEN(t); i++) {
        struct lab l;
        lab_slaac(&l);
        prefix(&l, "2001:db8::/64", "A", t[i].before, 0);
        naru_autoconf_ra_prefix(&l.ac, IF,
                                &(struct naru_autoconf_prefix){
                                    .prefix = addr("2001:db8::"),
                                    .prefix_len = 64,
                                    .autonomous = true,
                                    .valid_s = t[i].offered,
                                },
                                l.now);
        l.now += NARU_SEC(t[i].after) - 1;
        naru_autoconf_tick(&l.ac, l.now);
        struct naru_autoconf_change c;
        while (naru_autoconf_next_change(&l.ac, &c))
            assert_int_not_equal(c.kind, NARU_AUTOCONF_ADDR_REMOVED);
        l.now += 1;
        naru_autoconf_tick(&l.ac, l.now);
        bool removed = false;
        while (naru_autoconf_next_change(&l.ac, &c))
            removed = removed || c.kind == NARU_AUTOCONF_ADDR_REMOVED;
        if (!removed)
            fail_msg("row %zu", i);
        lab_deinit(&l);
    }
}

static void preferred_lifetime_zero_deprecates(void **state)
{
    (void)state;
    struct lab l;
    lab_slaac(&l);
    prefix(&l, "2001:db8::/64", "A", 1000, 500);
    pass_s(&l, 1);
    told(&l, "tentative " GLOBAL ", NS " GLOBAL);
    pass_s(&l, 1);
    told(&l, "preferred " GLOBAL);
    prefix(&l, "2001:db8::/64", "A", 1000, 0);
    told(&l, "deprecated " GLOBAL);
    prefix(&l, "2001:db8:1::/64", "A", 1000, 0); /* deprecated from its first day */
    pass_s(&l, 1);
    told(&l, "tentative 2001:db8:1:0:200:5eff:fe00:5301, NS 2001:db8:1:0:200:5eff:fe00:5301");
    pass_s(&l, 1);
    told(&l, "deprecated 2001:db8:1:0:200:5eff:fe00:5301");
    lab_deinit(&l);
}

/* A flood of prefixes fills the list and nothing else. */
static void address_list_is_bounded(void **state)
{
    (void)state;
    struct lab l;
    lab_slaac(&l);
    for (unsigned i = 0; i < 1000; i++) {
        char text[40];
        snprintf(text, sizeof(text), "2001:db8:%x::/64", i + 1);
        prefix(&l, text, "LA", 1000, 500);
    }
    struct naru_autoconf_change c;
    unsigned addrs = 0, links = 0;
    while (naru_autoconf_next_change(&l.ac, &c)) {
        addrs += c.kind == NARU_AUTOCONF_ADDR_TENTATIVE;
        links += c.kind == NARU_AUTOCONF_PREFIX_ADDED;
    }
    assert_int_equal(addrs, NARU_AUTOCONF_ADDRS);
    assert_int_equal(links, NARU_AUTOCONF_PREFIXES);
    struct naru_addr a = addr("fd00::1");
    assert_int_equal(naru_autoconf_addr_add(&l.ac, IF, &a, 64, l.now), NARU_ERR_NOBUFS);
    lab_deinit(&l);
}

static void solicited_node_groups(void **state)
{
    (void)state;
    struct naru_addr a = addr("2001:db8::1:800:200e:8c6c");
    struct naru_addr group = naru_autoconf_solicited_node(&a);
    check_addr(&group, "ff02::1:ff0e:8c6c");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(detection_takes_a_second),
        cmocka_unit_test(detection_can_be_off_or_longer),
        cmocka_unit_test(a_probe_must_have_left),
        cmocka_unit_test(others_say_it_is_theirs),
        cmocka_unit_test(duplicate_mac_disables),
        cmocka_unit_test(opaque_identifiers_try_again),
        cmocka_unit_test(routers_are_solicited),
        cmocka_unit_test(an_advertisement_ends_soliciting),
        cmocka_unit_test(router_parameters),
        cmocka_unit_test(hosts_that_do_not_solicit_do_not_listen),
        cmocka_unit_test(router_list_is_bounded),
        cmocka_unit_test(prefixes_make_addresses),
        cmocka_unit_test(bad_prefixes_are_ignored),
        cmocka_unit_test(two_hour_rule),
        cmocka_unit_test(preferred_lifetime_zero_deprecates),
        cmocka_unit_test(address_list_is_bounded),
        cmocka_unit_test(solicited_node_groups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
