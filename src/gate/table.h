/*
 * Flows without connections (UDP, DNS, echo): found by the guest's endpoint, forgotten by age.
 *
 * A hash table for finding, and one list per lifetime, oldest use first.  All flows of a list live
 * equally long, so the next to expire is the first of one of the lists: use, expiry and eviction
 * cost the same however many flows there are.  Entries are embedded in the flows and owned by them.
 */
#ifndef NARU_GATE_TABLE_H
#define NARU_GATE_TABLE_H

#include "base/list.h"
#include "base/siphash.h"
#include "base/table.h"
#include <naru/types.h>

enum naru_gate_life {
    NARU_GATE_LIFE_ONE_WAY, /* only the guest has spoken */
    NARU_GATE_LIFE_STREAM,  /* both have */
    NARU_GATE_LIFE_QUERY,   /* questions and answers: DNS */
    NARU_GATE_LIVES,
};

struct naru_gate_entry {
    struct naru_endpoint guest;
    enum naru_gate_life life;
    naru_time used_at;

    /* The table's own. */
    uint32_t hash;
    struct naru_list_node by_age;
};

struct naru_gate_table {
    struct naru_table by_guest;
    struct naru_siphash_key key;
    struct naru_list aged[NARU_GATE_LIVES]; /* the least recently used first */
    naru_time lifetime[NARU_GATE_LIVES];
};

/* deinit does not touch the entries: their owner takes them out, oldest by oldest, before. */
void naru_gate_table_init(struct naru_gate_table *table, struct naru_mem *mem,
                          struct naru_rand *rand, uint32_t max,
                          const naru_time lifetime[NARU_GATE_LIVES]);
void naru_gate_table_deinit(struct naru_gate_table *table);

struct naru_gate_entry *naru_gate_table_find(const struct naru_gate_table *table,
                                             const struct naru_endpoint *guest);

/* entry->guest and entry->life are set.  False: max is reached, or no memory. */
NARU_MUST_USE bool naru_gate_table_add(struct naru_gate_table *table, struct naru_gate_entry *entry,
                                       naru_time now);
void naru_gate_table_remove(struct naru_gate_table *table, struct naru_gate_entry *entry);

/* It was used just now, and lives on as that kind. */
void naru_gate_table_touch(struct naru_gate_table *table, struct naru_gate_entry *entry,
                           enum naru_gate_life life, naru_time now);

uint32_t naru_gate_table_count(const struct naru_gate_table *table);

/* One whose time is over, or NULL. */
struct naru_gate_entry *naru_gate_table_expired(const struct naru_gate_table *table, naru_time now);
/* The one that nobody used for longest, or NULL. */
struct naru_gate_entry *naru_gate_table_oldest(const struct naru_gate_table *table);
/* When the next one expires; NARU_NEVER. */
naru_time naru_gate_table_deadline(const struct naru_gate_table *table);

#endif
