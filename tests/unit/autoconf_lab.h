/*
 * What the tests of autoconfiguration share: one interface in virtual time.  What the machine tells
 * and sends is written down as text (log_change) and compared with what was wanted.
 */
#ifndef NARU_TESTS_AUTOCONF_LAB_H
#define NARU_TESTS_AUTOCONF_LAB_H

#include "proto_test.h"

#include "proto/autoconf.h"

enum { IF = 2 };

struct lab {
    struct world w;
    struct naru_autoconf ac;
    struct naru_autoconf_iface_config config;
    naru_time now;
    char log[4096];
    size_t log_len;
    uint8_t nonce[6];
};

#define ROUTER "fe80::1"
#define LOCAL  "fe80::200:5eff:fe00:5301"

static inline void lab_init(struct lab *l)
{
    memset(l, 0, sizeof(*l));
    world_init(&l->w, 3);
    naru_autoconf_init(&l->ac, &l->w.mem, &l->w.rand);
    l->config = (struct naru_autoconf_iface_config){
        .mac = { 0x00, 0x00, 0x5e, 0x00, 0x53, 0x01 },
        .mtu = 1500,
        .dad_transmits = 1,
    };
}

static inline void lab_add(struct lab *l)
{
    assert_int_equal(naru_autoconf_iface_add(&l->ac, IF, &l->config, l->now), NARU_OK);
}

static inline void lab_deinit(struct lab *l)
{
    naru_autoconf_deinit(&l->ac);
    world_deinit(&l->w);
}

static inline void note(struct lab *l, const char *what, const struct naru_addr *a,
                        const char *more)
{
    char text[NARU_ADDR_TEXT_SIZE] = "";
    if (a != NULL)
        naru_addr_format(a, text, sizeof(text));
    l->log_len += (size_t)snprintf(l->log + l->log_len, sizeof(l->log) - l->log_len, "%s%s%s%s",
                                   l->log_len == 0 ? "" : ", ", what, text, more);
}

static inline void log_change(struct lab *l, const struct naru_autoconf_change *c)
{
    static const char *const what[] = {
        [NARU_AUTOCONF_ADDR_TENTATIVE] = "tentative ",
        [NARU_AUTOCONF_ADDR_PREFERRED] = "preferred ",
        [NARU_AUTOCONF_ADDR_DEPRECATED] = "deprecated ",
        [NARU_AUTOCONF_ADDR_DUPLICATE] = "duplicate ",
        [NARU_AUTOCONF_ADDR_REMOVED] = "removed ",
        [NARU_AUTOCONF_PREFIX_ADDED] = "+link ",
        [NARU_AUTOCONF_PREFIX_REMOVED] = "-link ",
        [NARU_AUTOCONF_ROUTER_ADDED] = "+router ",
        [NARU_AUTOCONF_ROUTER_REMOVED] = "-router ",
        [NARU_AUTOCONF_DNS_ADDED] = "+dns ",
        [NARU_AUTOCONF_DNS_REMOVED] = "-dns ",
        [NARU_AUTOCONF_MTU] = "mtu",
        [NARU_AUTOCONF_HOP_LIMIT] = "hops",
        [NARU_AUTOCONF_NEIGH_TIMERS] = "timers",
        [NARU_AUTOCONF_DISABLED] = "disabled",
        [NARU_AUTOCONF_DOMAINS_CHANGED] = "domains",
    };
    char more[32] = "";
    bool with_addr = c->kind < NARU_AUTOCONF_MTU;
    if (c->kind == NARU_AUTOCONF_MTU || c->kind == NARU_AUTOCONF_HOP_LIMIT)
        snprintf(more, sizeof(more), " %u", c->value);
    else if (c->kind == NARU_AUTOCONF_NEIGH_TIMERS)
        snprintf(more, sizeof(more), " %d %d", (int)(c->reachable / NARU_MS(1)),
                 (int)(c->retrans / NARU_MS(1)));
    else if (c->kind == NARU_AUTOCONF_PREFIX_ADDED || c->kind == NARU_AUTOCONF_PREFIX_REMOVED)
        snprintf(more, sizeof(more), "/%u", c->prefix_len);
    assert_int_equal(c->ifindex, IF);
    note(l, what[c->kind], with_addr ? &c->addr : NULL, more);
}

/* Drains everything and compares; wanted without times. */
static inline void told(struct lab *l, const char *wanted)
{
    struct naru_autoconf_change c;
    struct naru_autoconf_send s;
    l->log_len = 0;
    l->log[0] = '\0';
    while (naru_autoconf_next_change(&l->ac, &c))
        log_change(l, &c);
    bool pending = naru_autoconf_send_pending(&l->ac, IF);
    bool sent = false;
    while (naru_autoconf_next_send(&l->ac, IF, l->now, &s)) {
        sent = true;
        if (s.solicitation) {
            memcpy(l->nonce, s.nonce, 6);
            note(l, "NS ", &s.target, "");
        } else {
            note(l, "RS from ", &s.source, "");
        }
    }
    assert_int_equal(pending, sent);
    assert_string_equal(l->log, wanted);
}

static inline void pass_s(struct lab *l, int64_t s)
{
    naru_time end = l->now + NARU_SEC(s), at;
    while ((at = naru_autoconf_deadline(&l->ac)) <= end) {
        l->now = at > l->now ? at : l->now;
        naru_autoconf_tick(&l->ac, l->now);
        if (naru_autoconf_deadline(&l->ac) <= l->now)
            fail_msg("no progress");
    }
    l->now = end;
}

static inline void ra(struct lab *l, uint16_t lifetime_s)
{
    struct naru_autoconf_ra m = { .router = addr(ROUTER), .lifetime_s = lifetime_s };
    naru_autoconf_ra(&l->ac, IF, &m, l->now);
}

/* flags of "LA". */
static inline void prefix(struct lab *l, const char *text, const char *flags, uint32_t valid_s,
                          uint32_t preferred_s)
{
    struct naru_autoconf_prefix p = {
        .on_link = strchr(flags, 'L') != NULL,
        .autonomous = strchr(flags, 'A') != NULL,
        .valid_s = valid_s,
        .preferred_s = preferred_s,
    };
    unsigned len;
    assert_true(naru_addr_parse_prefix(text, &p.prefix, &len));
    p.prefix_len = (uint8_t)len;
    naru_autoconf_ra_prefix(&l->ac, IF, &p, l->now);
}

#endif
