/*
 * Neighbours: states and timers; see neigh.h.  How entries are made, found and given up is in
 * neigh_table.c.
 *
 * Every change of state goes through enter(), which keeps the generation, the lists and the timer
 * in step with it.
 */
#include "proto/neigh_table.h"

#include "base/addr.h"
#include "base/pktpool.h"

#include <string.h>

/* ---- Parameters ---- */

/* Uniform in half to one and a half of base (RFC 4861 6.3.2). */
static naru_time draw_reachable(struct naru_neigh_table *t, naru_time base)
{
    uint32_t ms = (uint32_t)(base / NARU_MS(1));
    if (ms < 2)
        return base;
    return NARU_MS((naru_time)ms / 2 + naru_rand_below(t->rand, ms));
}

/* The randomised ReachableTime is redrawn at change and every few hours (V6-4861-6.3.4-5). */
static const struct naru_neigh_timers *timers_of(struct naru_neigh_table *t, unsigned ifindex,
                                                 naru_time now)
{
    struct naru_neigh_timers *timers = &t->timers;
    for (uint32_t i = 0; i < t->iface_count; i++) {
        if (t->iface[i].ifindex == ifindex)
            timers = &t->iface[i];
    }
    if (now >= timers->redraw_at) {
        timers->reachable = draw_reachable(t, timers->base_reachable);
        timers->redraw_at = now + NARU_NEIGH_REDRAW;
    }
    return timers;
}

enum naru_err naru_neigh_set_timers(struct naru_neigh_table *t, unsigned ifindex,
                                    naru_time base_reachable, naru_time retrans, naru_time now)
{
    struct naru_neigh_timers *own = NULL;
    for (uint32_t i = 0; i < t->iface_count; i++) {
        if (t->iface[i].ifindex == ifindex)
            own = &t->iface[i];
    }
    for (uint32_t i = 0; own == NULL && i < t->iface_count; i++) {
        if (t->iface[i].ifindex == 0)
            own = &t->iface[i];
    }
    if (own == NULL) {
        size_t size = sizeof(*own);
        struct naru_neigh_timers *grown = naru_mem_alloc(t->mem, (t->iface_count + 1) * size);
        if (grown == NULL)
            return NARU_ERR_NOMEM;
        if (t->iface != NULL)
            memcpy(grown, t->iface, t->iface_count * size);
        naru_mem_free(t->mem, t->iface, t->iface_count * size);
        t->iface = grown;
        own = &t->iface[t->iface_count++];
        own->ifindex = 0;
    }
    if (own->ifindex == 0) {
        *own = t->timers;
        own->ifindex = (uint16_t)ifindex;
    }
    if (retrans > 0)
        own->retrans = retrans;
    if (base_reachable > 0 && base_reachable != own->base_reachable) {
        own->base_reachable = base_reachable;
        own->reachable = draw_reachable(t, base_reachable);
        own->redraw_at = now + NARU_NEIGH_REDRAW;
    }
    return NARU_OK;
}

/* ---- States ---- */

static void arm(struct naru_neigh_table *t, struct naru_neigh *e, naru_time now, naru_time after)
{
    if (!t->started) {
        naru_wheel_init(&t->wheel, now, NULL);
        t->started = true;
    }
    naru_wheel_arm(&t->wheel, &e->timer, now + after);
    naru_alarm_by(t->alarm, now + after);
}

/* May be sent to without a look-up? */
static bool passes(enum naru_neigh_state state)
{
    return state == NARU_NEIGH_REACHABLE || state == NARU_NEIGH_DELAY ||
           state == NARU_NEIGH_PROBE || state == NARU_NEIGH_PERMANENT;
}

static void tell(struct naru_neigh_table *t, struct naru_neigh *e, enum naru_neigh_event_kind kind)
{
    if (kind != NARU_NEIGH_NOT_ROUTER) /* the latest outcome is the one that counts */
        e->events &= (uint8_t) ~(1U << NARU_NEIGH_RESOLVED | 1U << NARU_NEIGH_UNREACHABLE);
    e->events |= (uint8_t)(1U << kind);
    if (!naru_list_linked(&e->event))
        naru_list_push_back(&t->events, &e->event);
}

static void probe(struct naru_neigh_table *t, struct naru_neigh *e, naru_time now)
{
    e->probes++;
    if (!naru_list_linked(&e->due))
        naru_list_push_back(&t->due, &e->due);
    arm(t, e, now, timers_of(t, e->ifindex, now)->retrans);
}

NARU_NOINLINE void naru_neigh_enter(struct naru_neigh_table *t, struct naru_neigh *e,
                                    enum naru_neigh_state state, naru_time now)
{
    enum naru_neigh_state old = e->state;
    if (passes(old) && !passes(state))
        e->gen++;
    if (old == NARU_NEIGH_INCOMPLETE) {
        naru_list_remove(&e->half);
        t->incomplete--;
    }
    if (naru_list_linked(&e->due))
        naru_list_remove(&e->due);
    naru_wheel_cancel(&t->wheel, &e->timer);
    e->state = (uint8_t)state;
    e->probes = 0;

    switch (state) {
    case NARU_NEIGH_INCOMPLETE:
        naru_list_push_back(&t->half, &e->half);
        t->incomplete++;
        probe(t, e, now);
        break;
    case NARU_NEIGH_REACHABLE:
        e->confirmed_at = now;
        arm(t, e, now, timers_of(t, e->ifindex, now)->reachable);
        break;
    case NARU_NEIGH_DELAY:
        arm(t, e, now, t->config.delay);
        break;
    case NARU_NEIGH_PROBE:
        probe(t, e, now);
        break;
    case NARU_NEIGH_FAILED:
        arm(t, e, now, t->config.hold_down);
        tell(t, e, NARU_NEIGH_UNREACHABLE);
        break;
    case NARU_NEIGH_FREE:
    case NARU_NEIGH_STALE:
    case NARU_NEIGH_PERMANENT:
        break;
    }
    if (old == NARU_NEIGH_INCOMPLETE || old == NARU_NEIGH_FAILED) {
        if (state == NARU_NEIGH_REACHABLE || state == NARU_NEIGH_STALE ||
            state == NARU_NEIGH_PERMANENT)
            tell(t, e, NARU_NEIGH_RESOLVED);
    }
}

static void set_mac(struct naru_neigh *e, const uint8_t mac[6])
{
    if (memcmp(e->mac, mac, 6) == 0)
        return;
    memcpy(e->mac, mac, 6);
    e->gen++;
}

static void set_router(struct naru_neigh_table *t, struct naru_neigh *e, bool router)
{
    if (e->router && !router)
        tell(t, e, NARU_NEIGH_NOT_ROUTER);
    e->router = router;
}

/* ---- Asking ---- */

/* Is that neighbour there?  Who is not known is asked for, who is STALE is asked soon (H-2.3.2.1-1,
 * V6-4861-7.3.3-1). */
NARU_NOINLINE enum naru_neigh_verdict naru_neigh_lookup(struct naru_neigh_table *t,
                                                        unsigned ifindex,
                                                        const struct naru_addr *addr,
                                                        const struct naru_addr *source,
                                                        naru_time now, struct naru_neigh_ref *ref)
{
    *ref = (struct naru_neigh_ref){ NULL, 0 };
    struct naru_neigh *e = naru_neigh_entry(t, ifindex, addr);
    if (e == NULL) {
        e = naru_neigh_make(t, ifindex, addr, true);
        if (e == NULL)
            return NARU_NEIGH_NO_ROOM;
    }
    naru_neigh_touch(t, e);

    switch ((enum naru_neigh_state)e->state) {
    case NARU_NEIGH_FAILED:
        if (e->events != 0 || (naru_timer_armed(&e->timer) && e->timer.at > now))
            return NARU_NEIGH_NO;
        NARU_FALLTHROUGH;
    case NARU_NEIGH_FREE:
        if (t->incomplete >= t->config.incomplete_max)
            naru_neigh_evict_incomplete(t);
        e->source = source != NULL ? *source : (struct naru_addr){ { 0 } };
        e->waited_for = true;
        naru_neigh_enter(t, e, NARU_NEIGH_INCOMPLETE, now);
        return NARU_NEIGH_WAIT;
    case NARU_NEIGH_INCOMPLETE:
        e->waited_for = true;
        return NARU_NEIGH_WAIT;
    case NARU_NEIGH_STALE:
        if (source != NULL)
            e->source = *source;
        naru_neigh_enter(t, e, NARU_NEIGH_DELAY, now);
        break;
    case NARU_NEIGH_REACHABLE:
    case NARU_NEIGH_DELAY:
    case NARU_NEIGH_PROBE:
    case NARU_NEIGH_PERMANENT:
        break;
    }
    *ref = (struct naru_neigh_ref){ e, e->gen };
    return NARU_NEIGH_READY;
}

/* ---- Facts ---- */

/* What a packet says of its sender unasked: STALE if it is news, a router or not (V6-4861-7.2.3-2,
 * V6-4861-7.2.3-3, V6-4861-7.2.3-4, V6-4861-7.3.3-4, V6-4861-6.3.4-6, V6-4861-6.3.4-7). */
bool naru_neigh_learn(struct naru_neigh_table *t, unsigned ifindex, const struct naru_addr *addr,
                      const uint8_t *mac, enum naru_neigh_from from, naru_time now)
{
    struct naru_neigh *e = naru_neigh_entry(t, ifindex, addr);
    if (e == NULL) {
        if (mac == NULL || from == NARU_NEIGH_FROM_ARP)
            return false;
        e = naru_neigh_make(t, ifindex, addr, false);
        if (e == NULL)
            return false;
    }
    if (from == NARU_NEIGH_FROM_ROUTER || from == NARU_NEIGH_FROM_REDIRECT_ROUTER)
        set_router(t, e, true);
    else if (from == NARU_NEIGH_FROM_RS)
        set_router(t, e, false);
    if (mac == NULL || e->state == NARU_NEIGH_PERMANENT)
        return true;

    bool unknown = e->state == NARU_NEIGH_FREE || e->state == NARU_NEIGH_INCOMPLETE ||
                   e->state == NARU_NEIGH_FAILED;
    if (unknown || memcmp(e->mac, mac, 6) != 0) {
        set_mac(e, mac);
        naru_neigh_enter(t, e, NARU_NEIGH_STALE, now);
    }
    return true;
}

/* RFC 4861 7.2.5, an entry whose link-layer address is not known. */
static bool advertised_unknown(struct naru_neigh_table *t, struct naru_neigh *e,
                               const struct naru_neigh_advert *advert, naru_time now)
{
    if (advert->mac == NULL)
        return false;
    set_mac(e, advert->mac);
    if (!naru_addr_is_v4(&e->addr))
        set_router(t, e, advert->router);
    naru_neigh_enter(t, e, advert->solicited ? NARU_NEIGH_REACHABLE : NARU_NEIGH_STALE, now);
    return true;
}

/* An answer, or what looks like one: by its flags and what is known already (V6-4861-7.2.5-1,
 * V6-4861-7.2.5-2, V6-4861-7.2.5-3, V6-4861-7.3.1-2). */
bool naru_neigh_advertised(struct naru_neigh_table *t, unsigned ifindex,
                           const struct naru_addr *target, const struct naru_neigh_advert *advert,
                           naru_time now)
{
    struct naru_neigh *e = naru_neigh_entry(t, ifindex, target);
    if (e == NULL)
        return false;
    if (e->state == NARU_NEIGH_INCOMPLETE || e->state == NARU_NEIGH_FAILED)
        return advertised_unknown(t, e, advert, now);

    bool differs = advert->mac != NULL && memcmp(e->mac, advert->mac, 6) != 0;
    bool permanent = e->state == NARU_NEIGH_PERMANENT;
    if (differs && (!advert->override || permanent)) {
        if (e->state == NARU_NEIGH_REACHABLE)
            naru_neigh_enter(t, e, NARU_NEIGH_STALE, now);
        return true;
    }
    if (!naru_addr_is_v4(&e->addr))
        set_router(t, e, advert->router);
    if (permanent)
        return true;
    if (differs)
        set_mac(e, advert->mac);
    if (advert->solicited)
        naru_neigh_enter(t, e, NARU_NEIGH_REACHABLE, now);
    else if (differs)
        naru_neigh_enter(t, e, NARU_NEIGH_STALE, now);
    return true;
}

/* Upper and lower layers give advice (TCP progress = reachable); upper-layer progress (new ACKs)
 * confirms reachability (H-3.3.1.4-6, V6-4861-7.3.1-1). */
void naru_neigh_confirm(struct naru_neigh_table *t, const struct naru_neigh_ref *ref, naru_time now)
{
    struct naru_neigh *e = ref->entry;
    if (e == NULL || e->gen != ref->gen)
        return;
    if (NARU_LIKELY(e->state == NARU_NEIGH_REACHABLE))
        e->confirmed_at = now; /* its timer looks at this when it fires */
    else if (e->state == NARU_NEIGH_DELAY || e->state == NARU_NEIGH_PROBE)
        naru_neigh_enter(t, e, NARU_NEIGH_REACHABLE, now);
}

enum naru_err naru_neigh_set_permanent(struct naru_neigh_table *t, unsigned ifindex,
                                       const struct naru_addr *addr, const uint8_t mac[6],
                                       naru_time now)
{
    struct naru_neigh *e = naru_neigh_entry(t, ifindex, addr);
    if (e == NULL) {
        e = naru_neigh_make(t, ifindex, addr, true);
        if (e == NULL)
            return t->count >= t->config.entries_max ? NARU_ERR_NOBUFS : NARU_ERR_NOMEM;
    }
    set_mac(e, mac);
    naru_neigh_enter(t, e, NARU_NEIGH_PERMANENT, now);
    return NARU_OK;
}

/* ---- What is due ---- */

/* Time is over for an entry: the next question, or the end (H-2.3.2.1-2, H-3.3.1.4-1, H-3.3.1.4-3,
 * V6-4861-7.2.2-5, V6-4861-7.2.2-6, V6-4861-7.3.3-2, V6-4861-7.3.3-3). */
static void fire(struct naru_neigh_table *t, struct naru_neigh *e, naru_time now)
{
    switch ((enum naru_neigh_state)e->state) {
    case NARU_NEIGH_INCOMPLETE:
        if (e->probes >= t->config.multicast_probes)
            naru_neigh_enter(t, e, NARU_NEIGH_FAILED, now);
        else
            probe(t, e, now);
        break;
    case NARU_NEIGH_REACHABLE: {
        naru_time until = e->confirmed_at + timers_of(t, e->ifindex, now)->reachable;
        if (until > now)
            arm(t, e, now, until - now);
        else
            naru_neigh_enter(t, e, NARU_NEIGH_STALE, now);
        break;
    }
    case NARU_NEIGH_DELAY:
        naru_neigh_enter(t, e, NARU_NEIGH_PROBE, now);
        break;
    case NARU_NEIGH_PROBE:
        if (e->probes >= t->config.unicast_probes)
            naru_neigh_enter(t, e, NARU_NEIGH_FAILED, now);
        else
            probe(t, e, now);
        break;
    case NARU_NEIGH_FAILED:
        if (e->events == 0)
            naru_neigh_release(t, e);
        break; /* else it stays until that has been told */
    case NARU_NEIGH_FREE:
    case NARU_NEIGH_STALE:
    case NARU_NEIGH_PERMANENT:
        break;
    }
}

void naru_neigh_tick(struct naru_neigh_table *t, naru_time now)
{
    struct naru_timer *timer;
    if (!t->started)
        return;
    while ((timer = naru_wheel_expire(&t->wheel, now)) != NULL)
        fire(t, NARU_CONTAINER_OF(timer, struct naru_neigh, timer), now);
}

naru_time naru_neigh_deadline(const struct naru_neigh_table *t)
{
    return naru_wheel_bound(&t->wheel);
}

static struct naru_neigh *first_due(const struct naru_neigh_table *t, unsigned ifindex)
{
    for (struct naru_list_node *n = naru_list_first(&t->due); n != NULL;
         n = naru_list_next(&t->due, n)) {
        struct naru_neigh *e = NARU_CONTAINER_OF(n, struct naru_neigh, due);
        if (ifindex == 0 || e->ifindex == ifindex)
            return e;
    }
    return NULL;
}

bool naru_neigh_probe_pending(const struct naru_neigh_table *t, unsigned ifindex)
{
    return first_due(t, ifindex) != NULL;
}

bool naru_neigh_next_probe(struct naru_neigh_table *t, unsigned ifindex,
                           struct naru_neigh_probe *out)
{
    struct naru_neigh *e = first_due(t, ifindex);
    if (e == NULL)
        return false;
    naru_list_remove(&e->due);
    *out = (struct naru_neigh_probe){
        .ifindex = e->ifindex,
        .unicast = e->state == NARU_NEIGH_PROBE,
        .target = e->addr,
        .source = e->source,
    };
    memcpy(out->mac, e->mac, 6);
    return true;
}

bool naru_neigh_next_event(struct naru_neigh_table *t, struct naru_neigh_event *event)
{
    if (t->evicted != NULL) {
        *event = (struct naru_neigh_event){ .kind = NARU_NEIGH_EVICTED, .pkt = t->evicted };
        t->evicted = NULL;
        return true;
    }
    struct naru_list_node *n = naru_list_first(&t->events);
    if (n == NULL)
        return false;
    struct naru_neigh *e = NARU_CONTAINER_OF(n, struct naru_neigh, event);
    enum naru_neigh_event_kind kind = (enum naru_neigh_event_kind)naru_bit_lowest(e->events);
    *event = (struct naru_neigh_event){
        .kind = kind,
        .router = e->router,
        .ifindex = e->ifindex,
        .addr = e->addr,
    };
    memcpy(event->mac, e->mac, 6);
    if (kind != NARU_NEIGH_NOT_ROUTER) {
        event->waited_for = e->waited_for;
        e->waited_for = false;
        event->pkt = naru_neigh_take_queue(t, e);
    }
    e->events &= (uint8_t)(e->events - 1);
    if (e->events == 0) {
        naru_list_remove(&e->event);
        if (e->state == NARU_NEIGH_FAILED && !naru_timer_armed(&e->timer))
            naru_neigh_release(t, e);
    }
    return true;
}
