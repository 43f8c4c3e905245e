/*
 * What a connection has of its own while something about it is not usual: struct naru_tcp_more.
 *
 * Of a million connections nearly all are calm most of the time, and then nothing is in there that
 * could not be told from the rest of the connection.  So they share one object, in which nothing is
 * amiss.  Everybody may read it, but for the numbers of sequence in it; nobody writes to it: who
 * has something to remember asks for an own object first (naru_tcp_more_need), and the connection
 * gives it back when all is calm again (naru_tcp_more_spare, from naru_tcp_look_usual).
 *
 * Memory for it may be refused.  Then a connection does without: ECN is not agreed, what SACK and
 * duplicate acknowledgements say is not heard, data beyond a hole are dropped, a window does not
 * grow, urgent data that come are data, no cork is put in, keep-alive counts by time; a
 * retransmission timer fires again soon, since without a note of it nothing can be sent again, and
 * ends the connection if that lasts for two minutes in which the peer says nothing either.  A send
 * of urgent data or of the end of a record is refused; what was written in place goes unmarked.
 */
#include "proto/tcp/cc.h"

#include "base/pool.h"

#include <string.h>

static const struct naru_tcp_more nothing_amiss = { .timer = { NARU_NEVER, NARU_NEVER } };

/* How far both streams have come since their SYN; it may be once around the circle, and more. */
static uint32_t acked(const struct naru_tcp *c) { return (uint32_t)c->bytes_acked; }

static uint32_t received(const struct naru_tcp *c)
{
    return (uint32_t)c->bytes_received + (c->flags & NARU_TCP_F_FIN_RECEIVED ? 1 : 0);
}

/* Our SYN is not acknowledged, nor anything behind it: SND.UNA is its number. */
static bool syn_in_flight(const struct naru_tcp *c)
{
    return !naru_tcp_synchronized(c) && c->delivered == 0 && !naru_seq_eq(c->snd.una, c->snd.nxt);
}

static naru_seq told_iss(const struct naru_tcp *c)
{
    return syn_in_flight(c) ? c->snd.una : naru_seq_sub(c->snd.una, acked(c) + 1);
}

static naru_seq told_irs(const struct naru_tcp *c)
{
    return naru_seq_sub(c->rcv.nxt, received(c) + 1);
}

naru_seq naru_tcp_iss(const struct naru_tcp *c)
{
    return naru_tcp_is_calm(c) ? told_iss(c) : c->more->iss;
}

naru_seq naru_tcp_irs(const struct naru_tcp *c)
{
    return naru_tcp_is_calm(c) ? told_irs(c) : c->more->irs;
}

/* The numbers of sequence and what follows them: nothing that a calm connection is asked for. */
enum { NUMBERS = offsetof(struct naru_tcp_more, iss) };

static void lock_numbers(struct naru_tcp_env *env)
{
    NARU_POISON(&env->calm.iss, sizeof(env->calm) - NUMBERS);
}

static void unlock_numbers(struct naru_tcp_env *env)
{
    NARU_UNPOISON(&env->calm.iss, sizeof(env->calm) - NUMBERS);
}

void naru_tcp_more_init(struct naru_tcp_env *env)
{
    naru_pool_init(&env->more_pool, env->mem, sizeof(struct naru_tcp_more), 16, 0);
    env->calm = nothing_amiss;
    env->calm.env = env;
    env->calm.calm = true;
    lock_numbers(env);
}

void naru_tcp_more_deinit(struct naru_tcp_env *env)
{
    unlock_numbers(env);
    naru_pool_deinit(&env->more_pool);
}

/* Its numbers of sequence, as if it had been there since c was opened. */
void naru_tcp_more_tell(struct naru_tcp *c)
{
    struct naru_tcp_more *m = c->more;
    m->iss = told_iss(c);
    m->irs = told_irs(c);
    m->rcv_up = naru_seq_sub(c->rcv.nxt, 1);
    m->snd_up = m->recover = m->high_sacked = m->lost_upto = m->rtx_next = c->snd.una;
}

NARU_NOINLINE bool naru_tcp_more_make(struct naru_tcp *c)
{
    struct naru_tcp_env *env = c->more->env;
    struct naru_tcp_more *m = naru_pool_get(&env->more_pool);
    if (m == NULL)
        return false;
    *m = nothing_amiss;
    m->env = env;
    c->more = m;
    naru_tcp_more_tell(c);
    naru_tcp_cc_begin(c);
    return true;
}

void naru_tcp_more_free(struct naru_tcp *c)
{
    struct naru_tcp_env *env = c->more->env;
    if (!naru_tcp_is_calm(c))
        naru_pool_put(&env->more_pool, c->more);
    c->more = &env->calm;
}

/* All but the numbers of sequence is as nobody had ever written to it. */
static bool untouched(const struct naru_tcp_more *m)
{
    const size_t from = offsetof(struct naru_tcp_more, ring);
    return memcmp(&m->ring, &nothing_amiss.ring, offsetof(struct naru_tcp_more, cc) - from) == 0;
}

/* What naru_tcp_more_make would say of these is true. */
static bool can_be_told(const struct naru_tcp *c)
{
    return naru_seq_len(c->more->iss, c->snd.una) == acked(c) + 1 &&
           naru_seq_len(c->more->irs, c->rcv.nxt) == received(c) + 1;
}

void naru_tcp_more_spare(struct naru_tcp *c)
{
    if (!naru_tcp_is_calm(c) && untouched(c->more) && can_be_told(c) && naru_tcp_cc_is_new(c))
        naru_tcp_more_free(c);
}

/* Nobody has written to what all share. */
void naru_tcp_more_check(struct naru_tcp_env *env)
{
    const size_t from = offsetof(struct naru_tcp_more, ring);
    const size_t len = offsetof(struct naru_tcp_more, lone) - from;
    unlock_numbers(env);
    NARU_ASSERT(env->calm.env == env && env->calm.calm &&
                memcmp(&env->calm.ring, &nothing_amiss.ring, len) == 0);
    lock_numbers(env);
}
