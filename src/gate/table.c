/*
 * Flows without connections: see table.h.
 */
#include "gate/table.h"

#include "base/addr.h"

static uint32_t guest_hash(const struct naru_gate_table *table, const struct naru_endpoint *guest)
{
    return naru_hash_addr(&table->key, &guest->addr, guest->port);
}

static bool same_guest(const struct naru_endpoint *a, const struct naru_endpoint *b)
{
    return a->port == b->port && naru_addr_eq(&a->addr, &b->addr);
}

static struct naru_gate_entry *entry_of(struct naru_list_node *node)
{
    return NARU_CONTAINER_OF(node, struct naru_gate_entry, by_age);
}

/* The least recently used of one life, or NULL. */
static struct naru_gate_entry *first_of(const struct naru_gate_table *table, unsigned life)
{
    struct naru_list_node *node = naru_list_first(&table->aged[life]);
    return node == NULL ? NULL : entry_of(node);
}

void naru_gate_table_init(struct naru_gate_table *table, struct naru_mem *mem,
                          struct naru_rand *rand, uint32_t max,
                          const naru_time lifetime[NARU_GATE_LIVES])
{
    naru_table_init(&table->by_guest, mem, max);
    naru_siphash_key_init(&table->key, rand);
    for (unsigned i = 0; i < NARU_GATE_LIVES; i++) {
        naru_list_init(&table->aged[i]);
        table->lifetime[i] = lifetime[i];
    }
}

void naru_gate_table_deinit(struct naru_gate_table *table)
{
    NARU_ASSERT(naru_table_count(&table->by_guest) == 0);
    naru_table_deinit(&table->by_guest);
}

struct naru_gate_entry *naru_gate_table_find(const struct naru_gate_table *table,
                                             const struct naru_endpoint *guest)
{
    struct naru_table_iter it;
    struct naru_gate_entry *entry =
        naru_table_first(&table->by_guest, guest_hash(table, guest), &it);

    while (entry != NULL && !same_guest(&entry->guest, guest))
        entry = naru_table_next(&it);
    return entry;
}

bool naru_gate_table_add(struct naru_gate_table *table, struct naru_gate_entry *entry,
                         naru_time now)
{
    entry->hash = guest_hash(table, &entry->guest);
    if (!naru_table_add(&table->by_guest, entry->hash, entry))
        return false;
    entry->used_at = now;
    naru_list_node_init(&entry->by_age);
    naru_list_push_back(&table->aged[entry->life], &entry->by_age);
    return true;
}

void naru_gate_table_remove(struct naru_gate_table *table, struct naru_gate_entry *entry)
{
    bool found = naru_table_remove(&table->by_guest, entry->hash, entry);

    NARU_ASSERT(found);
    naru_list_remove(&entry->by_age);
}

void naru_gate_table_touch(struct naru_gate_table *table, struct naru_gate_entry *entry,
                           enum naru_gate_life life, naru_time now)
{
    entry->used_at = NARU_MAX(entry->used_at, now);
    if (entry->life == life && naru_list_last(&table->aged[life]) == &entry->by_age)
        return;
    entry->life = life;
    naru_list_remove(&entry->by_age);
    naru_list_push_back(&table->aged[life], &entry->by_age);
}

uint32_t naru_gate_table_count(const struct naru_gate_table *table)
{
    return naru_table_count(&table->by_guest);
}

struct naru_gate_entry *naru_gate_table_expired(const struct naru_gate_table *table, naru_time now)
{
    for (unsigned i = 0; i < NARU_GATE_LIVES; i++) {
        struct naru_gate_entry *entry = first_of(table, i);
        if (entry != NULL && entry->used_at + table->lifetime[i] <= now)
            return entry;
    }
    return NULL;
}

struct naru_gate_entry *naru_gate_table_oldest(const struct naru_gate_table *table)
{
    struct naru_gate_entry *oldest = NULL;

    for (unsigned i = 0; i < NARU_GATE_LIVES; i++) {
        struct naru_gate_entry *entry = first_of(table, i);
        if (entry != NULL && (oldest == NULL || entry->used_at < oldest->used_at))
            oldest = entry;
    }
    return oldest;
}

naru_time naru_gate_table_deadline(const struct naru_gate_table *table)
{
    naru_time deadline = NARU_NEVER;

    for (unsigned i = 0; i < NARU_GATE_LIVES; i++) {
        struct naru_gate_entry *entry = first_of(table, i);
        if (entry != NULL)
            deadline = NARU_MIN(deadline, entry->used_at + table->lifetime[i]);
    }
    return deadline;
}
