/*
 * Multicast groups as a host; see group.h.
 *
 * A membership owes two kinds of message, each with a timer and a due flag: changes (join, leave;
 * repeated [robustness] times) and answers to queries.  A membership that nobody uses any more
 * stays until its leaving has been said often enough.
 *
 * Per interface and family there is a side: which version the querier speaks, and its parameters.
 */
#include "proto/group.h"

#include "base/addr.h"
#include "base/list.h"

#include <string.h>

enum {
    ROBUSTNESS = 2,
    QUERY_INTERVAL_S = 125,
    SOURCES = 8, /* of a group-and-source query that are remembered; more: the whole group */
    OLDEST = 0,  /* places in querier_until */
    OLDER = 1,
    REPORT_ROOM_V4 = 500, /* bytes of records */
    REPORT_ROOM_V6 = 1200,
};
#define QUERY_RESPONSE_INTERVAL NARU_SEC(10)
#define UNSOLICITED_NEW         NARU_SEC(1)  /* RFC 3376 8.11, RFC 3810 9.11 */
#define UNSOLICITED_OLD         NARU_SEC(10) /* RFC 2236 8.10, RFC 2710 7.10 */

struct member {
    struct naru_list_node node; /* in the interface's list */
    struct naru_addr addr;
    uint16_t ifindex;
    bool change_due, answer_due;
    bool last_reporter; /* IGMPv2, MLDv1: ours was the last report heard */
    uint8_t changes_left;
    uint8_t source_count;
    uint32_t users; /* 0: leaving */
    uint32_t hash;
    naru_time change_at, answer_at;
    struct naru_addr source[SOURCES]; /* asked for; 0: the group as such */
};

struct side {
    naru_time querier_until[2]; /* an IGMPv1, and an IGMPv2 or MLDv1, querier is about */
    naru_time answer_at;        /* to a general query of the newest version */
    uint32_t interval_s;
    uint8_t robustness;
};

struct naru_group_iface {
    struct naru_group_iface *next;
    uint16_t ifindex;
    struct side side[2]; /* IPv4, IPv6 */
    struct naru_list members;
};

/* What is spoken now: 3 the newest version (IGMPv3, MLDv2), 2 IGMPv2 or MLDv1, 1 IGMPv1. */
enum mode { V1 = 1, V2, V3 };

static enum mode mode_of(const struct side *side, naru_time now)
{
    if (side->querier_until[OLDEST] > now)
        return V1;
    return side->querier_until[OLDER] > now ? V2 : V3;
}

static bool is_v6(const struct naru_addr *addr) { return !naru_addr_is_v4(addr); }

static struct side *side_of(struct naru_group_iface *i, const struct naru_addr *addr)
{
    return &i->side[is_v6(addr)];
}

/* All-nodes is always there; what never leaves the node is nobody's business. */
static bool is_all_nodes(const struct naru_addr *addr)
{
    if (naru_addr_is_v4(addr))
        return naru_addr_v4_bits(addr) == 0xe0000001U;
    return naru_addr_lo(addr) == 1 && (naru_addr_hi(addr) == UINT64_C(0xff02000000000000) ||
                                       naru_addr_hi(addr) == UINT64_C(0xff01000000000000));
}

static bool is_reported(const struct naru_addr *addr)
{
    return !is_all_nodes(addr) && (naru_addr_is_v4(addr) || (addr->b[1] & 0x0f) > 1);
}

/* Uniform in 0 to max. */
static naru_time random_delay(struct naru_group *g, naru_time max)
{
    uint32_t ms = (uint32_t)NARU_MIN(max / NARU_MS(1), (naru_time)INT32_MAX);
    return NARU_MS(naru_rand_below(g->rand, ms + 1));
}

/* ---- Memory ---- */

void naru_group_init(struct naru_group *g, struct naru_mem *mem, struct naru_rand *rand,
                     uint32_t members_max)
{
    *g = (struct naru_group){ .mem = mem, .rand = rand, .deadline = NARU_NEVER };
    naru_siphash_key_init(&g->key, rand);
    naru_table_init(&g->table, mem, members_max);
    naru_pool_init(&g->pool, mem, sizeof(struct member), 16, members_max);
}

void naru_group_deinit(struct naru_group *g)
{
    while (g->iface != NULL)
        naru_group_iface_remove(g, g->iface->ifindex);
    naru_table_deinit(&g->table);
    naru_pool_deinit(&g->pool);
}

static struct naru_group_iface *find_iface(const struct naru_group *g, unsigned ifindex)
{
    struct naru_group_iface *i = g->iface;
    while (i != NULL && i->ifindex != ifindex)
        i = i->next;
    return i;
}

static struct naru_group_iface *need_iface(struct naru_group *g, unsigned ifindex)
{
    struct naru_group_iface *i = find_iface(g, ifindex);
    if (i != NULL)
        return i;
    i = naru_mem_alloc_zero(g->mem, sizeof(*i));
    if (i == NULL)
        return NULL;
    for (unsigned n = 0; n < 2; n++) {
        i->side[n] = (struct side){
            .querier_until = { INT64_MIN, INT64_MIN },
            .answer_at = NARU_NEVER,
            .interval_s = QUERY_INTERVAL_S,
            .robustness = ROBUSTNESS,
        };
    }
    i->ifindex = (uint16_t)ifindex;
    naru_list_init(&i->members);
    i->next = g->iface;
    g->iface = i;
    return i;
}

static struct member *find(const struct naru_group *g, unsigned ifindex,
                           const struct naru_addr *addr)
{
    struct naru_table_iter it;
    uint32_t hash = naru_hash_addr(&g->key, addr, ifindex);
    for (struct member *m = naru_table_first(&g->table, hash, &it); m != NULL;
         m = naru_table_next(&it)) {
        if (m->ifindex == ifindex && naru_addr_eq(&m->addr, addr))
            return m;
    }
    return NULL;
}

static void forget(struct naru_group *g, struct member *m)
{
    bool found = naru_table_remove(&g->table, m->hash, m);
    NARU_ASSERT(found);
    naru_list_remove(&m->node);
    naru_pool_put(&g->pool, m);
}

void naru_group_iface_remove(struct naru_group *g, unsigned ifindex)
{
    struct naru_group_iface **link = &g->iface;
    while (*link != NULL && (*link)->ifindex != ifindex)
        link = &(*link)->next;
    struct naru_group_iface *i = *link;
    if (i == NULL)
        return;
    *link = i->next;
    struct member *m;
    NARU_LIST_EACH(&i->members, m, next, struct member, node) { forget(g, m); }
    naru_mem_free(g->mem, i, sizeof(*i));
}

/* ---- Time ---- */

static void schedule(struct naru_group *g)
{
    naru_time first = NARU_NEVER;
    for (struct naru_group_iface *i = g->iface; i != NULL; i = i->next) {
        struct member *m;
        first = NARU_MIN(first, NARU_MIN(i->side[0].answer_at, i->side[1].answer_at));
        NARU_LIST_EACH(&i->members, m, next, struct member, node)
        {
            first = NARU_MIN(first, NARU_MIN(m->change_at, m->answer_at));
        }
    }
    g->deadline = first;
    naru_alarm_by(g->alarm, first);
}

static void member_tick(struct member *m, naru_time now)
{
    if (m->change_at <= now) {
        m->change_at = NARU_NEVER;
        m->change_due = true;
    }
    if (m->answer_at <= now) {
        m->answer_at = NARU_NEVER;
        m->answer_due = m->users > 0;
    }
}

void naru_group_tick(struct naru_group *g, naru_time now)
{
    if (now < g->deadline)
        return;
    for (struct naru_group_iface *i = g->iface; i != NULL; i = i->next) {
        bool general[2];
        struct member *m;
        for (unsigned n = 0; n < 2; n++) {
            general[n] = i->side[n].answer_at <= now;
            if (general[n])
                i->side[n].answer_at = NARU_NEVER;
        }
        NARU_LIST_EACH(&i->members, m, next, struct member, node)
        {
            member_tick(m, now);
            if (general[is_v6(&m->addr)] && m->users > 0 && is_reported(&m->addr)) {
                m->answer_due = true;
                m->answer_at = NARU_NEVER;
                m->source_count = 0;
            }
        }
    }
    schedule(g);
}

naru_time naru_group_deadline(const struct naru_group *g) { return g->deadline; }

/* ---- Joining and leaving ---- */

/* Says what became of the membership, at once and then again. */
static void change(struct naru_group_iface *i, struct member *m)
{
    m->changes_left = side_of(i, &m->addr)->robustness;
    m->change_due = true;
    m->change_at = NARU_NEVER;
    m->answer_due = m->answer_due && m->users > 0;
}

/* Each interface joins all-nodes and the solicited-node group of each address (V6-4861-7.2.1-1,
 * V6-4861-7.2.1-2, H-3.3.7-2). */
enum naru_err naru_group_join(struct naru_group *g, unsigned ifindex, const struct naru_addr *addr,
                              naru_time now)
{
    (void)now; /* the report is due at once */
    if (!naru_addr_is_multicast(addr))
        return NARU_ERR_INVAL;
    struct naru_group_iface *i = need_iface(g, ifindex);
    if (i == NULL)
        return NARU_ERR_NOMEM;
    struct member *m = find(g, ifindex, addr);
    if (m == NULL) {
        if (naru_table_count(&g->table) >= g->table.count_max && g->table.count_max != 0)
            return NARU_ERR_NOBUFS;
        m = naru_pool_get(&g->pool);
        if (m == NULL)
            return NARU_ERR_NOMEM;
        *m = (struct member){
            .addr = *addr,
            .ifindex = (uint16_t)ifindex,
            .hash = naru_hash_addr(&g->key, addr, ifindex),
            .change_at = NARU_NEVER,
            .answer_at = NARU_NEVER,
        };
        if (!naru_table_add(&g->table, m->hash, m)) {
            naru_pool_put(&g->pool, m);
            return NARU_ERR_NOMEM;
        }
        naru_list_push_back(&i->members, &m->node);
    }
    if (m->users++ == 0 && is_reported(addr))
        change(i, m);
    schedule(g);
    return NARU_OK;
}

enum naru_err naru_group_leave(struct naru_group *g, unsigned ifindex, const struct naru_addr *addr,
                               naru_time now)
{
    struct naru_group_iface *i = find_iface(g, ifindex);
    struct member *m = find(g, ifindex, addr);
    if (i == NULL || m == NULL || m->users == 0)
        return NARU_ERR_NOENT;
    if (--m->users > 0)
        return NARU_OK;
    enum mode mode = mode_of(side_of(i, addr), now);
    if (is_reported(addr) && (mode == V3 || (mode == V2 && m->last_reporter)))
        change(i, m);
    else
        forget(g, m);
    schedule(g);
    return NARU_OK;
}

void naru_group_iface_up(struct naru_group *g, unsigned ifindex, naru_time now)
{
    (void)now;
    struct naru_group_iface *i = find_iface(g, ifindex);
    struct member *m;
    if (i == NULL)
        return;
    NARU_LIST_EACH(&i->members, m, next, struct member, node)
    {
        if (m->users > 0 && is_reported(&m->addr))
            change(i, m);
    }
    schedule(g);
}

NARU_NOINLINE bool naru_group_member(const struct naru_group *g, unsigned ifindex,
                                     const struct naru_addr *addr)
{
    if (is_all_nodes(addr))
        return true;
    if (naru_table_count(&g->table) == 0)
        return false;
    const struct member *m = find(g, ifindex, addr);
    return m != NULL && m->users > 0;
}

bool naru_group_get(const struct naru_group *g, unsigned ifindex, unsigned n,
                    struct naru_addr *addr, unsigned *users)
{
    const struct naru_group_iface *i = find_iface(g, ifindex);
    struct member *m;
    if (i == NULL)
        return false;
    NARU_LIST_EACH(&i->members, m, next, struct member, node)
    {
        if (m->users > 0 && n-- == 0) {
            *addr = m->addr;
            *users = m->users;
            return true;
        }
    }
    return false;
}

/* ---- Queries ---- */

/* Another version is spoken from now: what was planned in the old one is dropped. */
static void change_mode(struct naru_group *g, struct naru_group_iface *i, enum naru_family family,
                        enum mode mode)
{
    struct member *m;
    i->side[family == NARU_IPV6].answer_at = NARU_NEVER;
    NARU_LIST_EACH(&i->members, m, next, struct member, node)
    {
        if (is_v6(&m->addr) != (family == NARU_IPV6))
            continue;
        m->answer_at = m->change_at = NARU_NEVER;
        m->answer_due = false;
        m->source_count = 0;
        m->change_due = m->users == 0;
        m->changes_left = m->users == 0;
        if (m->users == 0 && mode == V1) /* which knows no leaving */
            forget(g, m);
    }
}

static void hear_querier(struct naru_group *g, struct naru_group_iface *i,
                         const struct naru_group_msg *q, naru_time now)
{
    struct side *side = &i->side[q->family == NARU_IPV6];
    unsigned newest = q->family == NARU_IPV6 ? 2 : 3;
    enum mode before = mode_of(side, now);
    if (q->version < newest) {
        naru_time present = NARU_SEC(side->interval_s) * side->robustness + QUERY_RESPONSE_INTERVAL;
        side->querier_until[q->version + 1U == newest ? OLDER : OLDEST] = now + present;
    } else {
        side->robustness = q->robustness != 0 ? q->robustness : ROBUSTNESS;
        side->interval_s = q->interval_s != 0 ? q->interval_s : QUERY_INTERVAL_S;
    }
    if (mode_of(side, now) != before)
        change_mode(g, i, q->family, mode_of(side, now));
}

/* RFC 3376 5.2 rules 3 to 5; RFC 3810 6.2. */
static void answer_group(struct member *m, const struct naru_group_msg *q, naru_time at)
{
    bool pending = m->answer_due || m->answer_at != NARU_NEVER;
    if (q->source_count == 0 || q->source_count > SOURCES || (pending && m->source_count == 0)) {
        m->source_count = 0;
    } else {
        if (!pending)
            m->source_count = 0;
        for (unsigned n = 0; n < q->source_count; n++) {
            if (m->source_count == SOURCES) {
                m->source_count = 0;
                break;
            }
            m->source[m->source_count++] = naru_group_source(q->sources, q->family, n);
        }
    }
    if (!m->answer_due)
        m->answer_at = NARU_MIN(m->answer_at, at);
}

void naru_group_query(struct naru_group *g, unsigned ifindex, const struct naru_group_msg *q,
                      naru_time now)
{
    struct naru_group_iface *i = need_iface(g, ifindex);
    if (i == NULL || q->kind != NARU_GROUP_KIND_QUERY)
        return;
    hear_querier(g, i, q, now);
    struct side *side = &i->side[q->family == NARU_IPV6];
    naru_time max = NARU_MS(q->max_response_ms);

    if (!naru_addr_is_unspecified(&q->group)) {
        struct member *m = find(g, ifindex, &q->group);
        naru_time at = now + random_delay(g, max);
        if (m != NULL && m->users > 0 && is_reported(&m->addr) && side->answer_at > at)
            answer_group(m, q, at);
    } else if (mode_of(side, now) == V3) {
        side->answer_at = NARU_MIN(side->answer_at, now + random_delay(g, max));
    } else {
        struct member *m;
        NARU_LIST_EACH(&i->members, m, next, struct member, node)
        {
            naru_time at = now + random_delay(g, max);
            if (is_v6(&m->addr) == (q->family == NARU_IPV6) && m->users > 0 &&
                is_reported(&m->addr) && !m->answer_due)
                m->answer_at = NARU_MIN(m->answer_at, at);
        }
    }
    schedule(g);
}

void naru_group_reported(struct naru_group *g, unsigned ifindex, const struct naru_addr *addr,
                         naru_time now)
{
    struct naru_group_iface *i = find_iface(g, ifindex);
    struct member *m = find(g, ifindex, addr);
    if (i == NULL || m == NULL || mode_of(side_of(i, addr), now) == V3)
        return;
    m->answer_due = false;
    m->answer_at = NARU_NEVER;
    m->last_reporter = false;
    schedule(g);
}

/* ---- Reports ---- */

static bool owes(const struct member *m) { return m->change_due || m->answer_due; }

/* One change of m has been said. */
static void changed(struct naru_group *g, struct member *m, enum mode mode, naru_time now)
{
    m->change_due = false;
    m->changes_left = m->changes_left > 0 ? (uint8_t)(m->changes_left - 1) : 0;
    if (m->users == 0 && (m->changes_left == 0 || mode != V3))
        forget(g, m);
    else if (m->changes_left > 0)
        m->change_at = now + random_delay(g, mode == V3 ? UNSOLICITED_NEW : UNSOLICITED_OLD);
}

static struct naru_addr all_routers(enum naru_family family)
{
    return family == NARU_IPV6 ? (struct naru_addr){ { 0xff, 0x02, [15] = 2 } }
                               : (struct naru_addr){ { [10] = 0xff, 0xff, 224, 0, 0, 2 } };
}

static struct naru_addr all_report_routers(enum naru_family family)
{
    return family == NARU_IPV6 ? (struct naru_addr){ { 0xff, 0x02, [15] = 0x16 } }
                               : (struct naru_addr){ { [10] = 0xff, 0xff, 224, 0, 0, 22 } };
}

/* One group, one message: IGMPv1, IGMPv2, MLDv1. */
static void report_old(struct naru_group *g, struct member *m, enum mode mode, naru_time now,
                       struct naru_group_report *report)
{
    bool leaving = m->users == 0;
    report->record_count = 1;
    report->record[0] = (struct naru_group_record){ .group = m->addr };
    if (leaving)
        report->message = NARU_GROUP_LEAVE;
    else if (mode == V1 || report->family == NARU_IPV6)
        report->message = NARU_GROUP_REPORT_V1;
    else
        report->message = NARU_GROUP_REPORT_V2;
    report->to = leaving ? all_routers(report->family) : m->addr;
    m->answer_due = false;
    m->last_reporter = true;
    if (m->change_due)
        changed(g, m, mode, now);
}

static struct naru_group_record record_of(const struct member *m, bool answer)
{
    struct naru_group_record record = { .group = m->addr };
    if (!answer) {
        record.type = m->users > 0 ? NARU_GROUP_TO_EX : NARU_GROUP_TO_IN;
    } else if (m->source_count == 0) {
        record.type = NARU_GROUP_IS_EX;
    } else { /* all of those asked for: we exclude none */
        record.type = NARU_GROUP_IS_IN;
        record.source = m->source;
        record.source_count = m->source_count;
    }
    return record;
}

/* As many groups as fit, all of them changes or all of them answers. */
static void report_new(struct naru_group *g, struct naru_group_iface *i, bool answers,
                       naru_time now, struct naru_group_report *report)
{
    bool v6 = report->family == NARU_IPV6;
    size_t room = v6 ? REPORT_ROOM_V6 : REPORT_ROOM_V4, addr_len = v6 ? 16 : 4;
    struct member *m;
    report->message = NARU_GROUP_REPORT;
    report->to = all_report_routers(report->family);
    NARU_LIST_EACH(&i->members, m, next, struct member, node)
    {
        if (is_v6(&m->addr) != v6 || (answers ? !m->answer_due : !m->change_due))
            continue;
        struct naru_group_record record = record_of(m, answers);
        size_t size = 4 + addr_len * (1 + (size_t)record.source_count);
        if (report->record_count == NARU_GROUP_RECORDS || size > room)
            return;
        room -= size;
        report->record[report->record_count++] = record;
        if (answers) {
            m->answer_due = false;
            m->source_count = 0;
        } else {
            changed(g, m, V3, now);
        }
    }
}

bool naru_group_next_report(struct naru_group *g, unsigned ifindex, naru_time now,
                            struct naru_group_report *report)
{
    struct naru_group_iface *i = find_iface(g, ifindex);
    struct member *m, *first = NULL;
    if (i == NULL)
        return false;
    NARU_LIST_EACH(&i->members, m, next, struct member, node)
    {
        if (owes(m) && (first == NULL || (m->change_due && !first->change_due)))
            first = m;
    }
    if (first == NULL)
        return false;
    *report = (struct naru_group_report){
        .family = naru_addr_family(&first->addr),
        .ifindex = i->ifindex,
    };
    enum mode mode = mode_of(side_of(i, &first->addr), now);
    if (mode == V3)
        report_new(g, i, !first->change_due, now, report);
    else
        report_old(g, first, mode, now, report);
    schedule(g);
    return true;
}

bool naru_group_report_pending(const struct naru_group *g, unsigned ifindex)
{
    const struct naru_group_iface *i = find_iface(g, ifindex);
    struct member *m;
    if (i == NULL)
        return false;
    NARU_LIST_EACH(&i->members, m, next, struct member, node)
    {
        if (owes(m))
            return true;
    }
    return false;
}
