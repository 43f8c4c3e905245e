/*
 * Keeps flows without connections: see keep.h.
 */
#include "gate/keep.h"

/* The timer never runs late; it may run early, when the first to expire was used again. */
static void arm(struct naru_gate_keep *keep, naru_time deadline)
{
    if (deadline == NARU_NEVER || (keep->timer.loop != NULL && keep->timer.at <= deadline))
        return;
    naru_loop_timer_set(keep->env->config.loop, &keep->timer, deadline);
}

static void expire(struct naru_loop_timer *timer, naru_time now)
{
    struct naru_gate_keep *keep = timer->user;
    struct naru_gate_entry *entry;

    while ((entry = naru_gate_table_expired(&keep->table, now)) != NULL) {
        keep->expired++;
        naru_gate_keep_drop(keep, entry);
    }
    arm(keep, naru_gate_table_deadline(&keep->table));
}

void naru_gate_keep_init(struct naru_gate_keep *keep, struct naru_gate_env *env, uint32_t max,
                         const naru_time lifetime[NARU_GATE_LIVES])
{
    keep->env = env;
    keep->timer = (struct naru_loop_timer){ .fire = expire, .user = keep };
    keep->expired = keep->evicted = 0;
    naru_gate_table_init(&keep->table, &env->mem, &env->rand, max, lifetime);
}

void naru_gate_keep_deinit(struct naru_gate_keep *keep)
{
    struct naru_gate_entry *entry;

    if (keep->env == NULL)
        return;
    while ((entry = naru_gate_table_oldest(&keep->table)) != NULL)
        naru_gate_keep_drop(keep, entry);
    naru_loop_timer_stop(&keep->timer);
    naru_gate_table_deinit(&keep->table);
}

bool naru_gate_keep_add(struct naru_gate_keep *keep, struct naru_gate_entry *entry)
{
    naru_time now = naru_gate_now(keep->env);

    if (!naru_gate_table_add(&keep->table, entry, now) &&
        (!naru_gate_keep_evict(keep) || !naru_gate_table_add(&keep->table, entry, now)))
        return false;
    arm(keep, now + keep->table.lifetime[entry->life]);
    return true;
}

void naru_gate_keep_touch(struct naru_gate_keep *keep, struct naru_gate_entry *entry,
                          enum naru_gate_life life)
{
    naru_time now = naru_gate_now(keep->env);
    bool other = entry->life != life;

    naru_gate_table_touch(&keep->table, entry, life, now);
    if (other)
        arm(keep, now + keep->table.lifetime[life]);
}

void naru_gate_keep_drop(struct naru_gate_keep *keep, struct naru_gate_entry *entry)
{
    naru_gate_table_remove(&keep->table, entry);
    keep->end(keep, entry);
}

bool naru_gate_keep_evict(struct naru_gate_keep *keep)
{
    struct naru_gate_entry *entry = naru_gate_table_oldest(&keep->table);

    if (entry == NULL)
        return false;
    keep->evicted++;
    naru_gate_keep_drop(keep, entry);
    return true;
}
