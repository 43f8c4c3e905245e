/*
 * Fast Open (RFC 7413) in the stack: which SYN of ours carries what, and which of others' is
 * believed.
 *
 * A listener takes data of a SYN while fewer connections than it asked for (NARU_OPT_FASTOPEN) are
 * open in that way and unconfirmed, counted over the whole stack: an answer to a forged address
 * goes to somebody who asked for nothing.  One that ended with a reset, as such a somebody answers,
 * counts for a minute more (5.1).  Beyond that a SYN is an ordinary one.
 *
 * SYN cookies remember nothing, so a SYN that is answered with one has neither data nor cookie.
 */
#include "stack/core.h"

enum { RESETS_COUNT_S = 60 };

/* ---- Keys ---- */

/* Few sockets have keys of their own, and those are kept apart from all the others. */
struct naru_fastopen_own {
    struct naru_fastopen_own *next;
    const struct naru_sock_tcp *owner;
    struct naru_fastopen_keys keys;
};

/* The link that points to st's, or the last one. */
static struct naru_fastopen_own **own_of(const struct naru_sock_tcp *st)
{
    struct naru_fastopen_own **link = &st->s.stack->fast_own;
    while (*link != NULL && (*link)->owner != st)
        link = &(*link)->next;
    return link;
}

const struct naru_fastopen_keys *naru_fastopen_own_keys(const struct naru_sock_tcp *st)
{
    return st->s.fast_keyed ? &(*own_of(st))->keys : NULL;
}

enum naru_err naru_fastopen_own_set(struct naru_sock_tcp *st, const struct naru_fastopen_keys *keys)
{
    struct naru_fastopen_own **link = own_of(st);
    if (*link == NULL) {
        *link = naru_mem_alloc(&st->s.stack->mem, sizeof(**link));
        if (*link == NULL)
            return NARU_ERR_NOMEM;
        (*link)->next = NULL;
        (*link)->owner = st;
        st->s.fast_keyed = true;
    }
    (*link)->keys = *keys;
    return NARU_OK;
}

void naru_fastopen_own_drop(struct naru_sock_tcp *st)
{
    if (!st->s.fast_keyed)
        return;
    struct naru_fastopen_own **link = own_of(st), *own = *link;
    *link = own->next;
    naru_mem_free(&st->s.stack->mem, own, sizeof(*own));
    st->s.fast_keyed = false;
}

static const struct naru_fastopen_keys *keys_of(struct naru_sock_tcp *listener)
{
    struct naru_stack *stack = listener->s.stack;
    const struct naru_fastopen_keys *own = naru_fastopen_own_keys(listener);
    if (own != NULL)
        return own;
    if (stack->fast_keys.count == 0 && stack->config.tcp_fastopen_key_given)
        (void)naru_fastopen_keys_set(&stack->fast_keys, stack->config.tcp_fastopen_key,
                                     sizeof(stack->config.tcp_fastopen_key));
    else if (stack->fast_keys.count == 0)
        naru_fastopen_keys_random(&stack->fast_keys, &stack->rand);
    return &stack->fast_keys;
}

/* ---- Server ---- */

static bool has_place(const struct naru_sock_tcp *listener)
{
    struct naru_stack *stack = listener->s.stack;
    unsigned max = listener->s.fast_max;
    if (!(stack->config.tcp_fastopen & NARU_FASTOPEN_SERVER) || listener->s.defer_answer)
        return false;
    if (max == 0 && (stack->config.tcp_fastopen & NARU_FASTOPEN_SERVER_ALL))
        max = listener->s.listen->backlog;
    if (stack->now - stack->fast_reset_at >= NARU_SEC(RESETS_COUNT_S))
        stack->fast_resets = 0;
    return stack->fast_pending + stack->fast_resets < max;
}

/* What a SYN with payload_len bytes gets: how->option a cookie; true: data and connection at once.
 */
bool naru_fastopen_syn(struct naru_sock_tcp *listener, const struct naru_ip_in *in,
                       const struct naru_tcp_hdr *h, size_t payload_len,
                       struct naru_tcp_fastopen *how)
{
    const struct naru_stack *stack = listener->s.stack;
    bool asked = (h->opts & NARU_TCP_OPT_FASTOPEN) != 0;
    *how = (struct naru_tcp_fastopen){ .option = false };
    if ((!asked && payload_len == 0) || (h->flags & NARU_TCP_FIN) || !has_place(listener))
        return false;
    if (listener->s.fast_no_cookie || (stack->config.tcp_fastopen & NARU_FASTOPEN_SERVER_NO_COOKIE))
        return true;
    if (!asked)
        return false;
    const struct naru_fastopen_keys *keys = keys_of(listener);
    enum naru_fastopen_good good =
        naru_fastopen_check(keys, &in->src, &in->dst, h->cookie, h->cookie_len);
    if (good == NARU_FASTOPEN_GOOD)
        return true;
    how->option = true;
    how->experimental = (h->opts & NARU_TCP_OPT_FASTOPEN_EXP) != 0;
    how->cookie_len = NARU_FASTOPEN_COOKIE_LEN;
    naru_fastopen_cookie(keys, &in->src, &in->dst, how->cookie);
    return good == NARU_FASTOPEN_OLD;
}

void naru_fastopen_began(struct naru_sock_tcp *child)
{
    child->s.early = true;
    child->s.stack->fast_pending++;
}

/* The handshake is over, one way or the other. */
NARU_NOINLINE void naru_fastopen_over(struct naru_sock_tcp *child)
{
    struct naru_stack *stack = child->s.stack;
    if (!child->s.early)
        return;
    child->s.early = false;
    stack->fast_pending--;
    if (child->tcp.state == NARU_TCP_CLOSED && child->tcp.error == NARU_ERR_CONNRESET) {
        stack->fast_resets++;
        stack->fast_reset_at = stack->now;
    }
}

/* ---- Client ---- */

/* What the first SYN of st, whose name is known, says.  True: data may go with it. */
bool naru_fastopen_ask(struct naru_sock_tcp *st, struct naru_tcp_fastopen *how)
{
    struct naru_stack *stack = st->s.stack;
    const struct naru_tuple *t = &st->s.flow.tuple;
    const struct naru_fastopen_entry *e =
        naru_fastopen_find(&stack->fast_cache, &t->local, &t->remote, stack->now);
    bool free =
        st->s.fast_no_cookie || (stack->config.tcp_fastopen & NARU_FASTOPEN_CLIENT_NO_COOKIE);
    *how = (struct naru_tcp_fastopen){ .option = !free, .mss = e == NULL ? 0 : e->mss };
    if (e != NULL && naru_fastopen_avoided(e, stack->now)) {
        how->option = false;
        return false;
    }
    if (e != NULL && !free) {
        how->cookie_len = e->cookie_len;
        how->experimental = e->experimental;
        memcpy(how->cookie, e->cookie, e->cookie_len);
    }
    how->data = free || how->cookie_len > 0;
    return how->data;
}

/* The answer to it has come. */
static void answered(struct naru_sock_tcp *st, const struct naru_tcp_hdr *h)
{
    struct naru_stack *stack = st->s.stack;
    const struct naru_tuple *t = &st->s.flow.tuple;
    const struct naru_tcp *c = &st->tcp;
    bool data = (c->more->fastopen & NARU_TCP_FASTOPEN_DATA) != 0;
    st->s.fast_asked = false;
    if (!(h->flags & NARU_TCP_SYN) || c->state < NARU_TCP_ESTABLISHED)
        return;
    bool cookie = (h->opts & NARU_TCP_OPT_FASTOPEN) != 0 && h->cookie_len > 0;
    struct naru_fastopen_news news = {
        .cookie = h->cookie,
        .cookie_len = cookie && (c->more->fastopen & NARU_TCP_FASTOPEN_OPTION) ? h->cookie_len : 0,
        .experimental = (h->opts & NARU_TCP_OPT_FASTOPEN_EXP) != 0,
        .mss = h->opts & NARU_TCP_OPT_MSS ? h->mss : 0,
        .lost = !cookie && data && c->more->segments_retrans > 0 &&
                !(c->more->fastopen & NARU_TCP_FASTOPEN_TAKEN),
    };
    naru_fastopen_learn(&stack->fast_cache, &t->local, &t->remote, &news, stack->now);
}

/* A segment while SYN waits for its answer.  The cookie's bytes go with pkt. */
NARU_NOINLINE struct naru_tcp_verdict naru_fastopen_input(struct naru_sock_tcp *st,
                                                          const struct naru_tcp_hdr *h,
                                                          struct naru_pkt *pkt)
{
    uint8_t cookie[NARU_FASTOPEN_COOKIE_MAX];
    struct naru_tcp_hdr kept = *h;
    kept.cookie = cookie;
    if (h->cookie_len > 0)
        memcpy(cookie, h->cookie, h->cookie_len);
    struct naru_tcp_verdict verdict = naru_tcp_input(&st->tcp, h, pkt, st->s.stack->now);
    if (st->tcp.state != NARU_TCP_SYN_SENT)
        answered(st, &kept);
    return verdict;
}
