/*
 * From SYN to connection: listeners, their half-open connections, their accept queues.
 *
 * A SYN makes a whole connection in SYN-RECEIVED (RFC 9293 3.10.7.2); it waits in the listener's
 * half-open list until the handshake is done, then in its accept queue until the application takes
 * it.  When there are too many half-open ones, SYN cookies answer without remembering anything (RFC
 * 4987 3.6).  As Linux does: while the accept queue is full, SYNs and the last ACK of a handshake
 * are dropped, and the peer tries again.  With Fast Open (fastopen.c) the application may take it
 * before the handshake is done.
 *
 * A listener that defers its answers (NARU_OPT_DEFER_ANSWER) hands out the connection at once; its
 * holder decides what the SYN is answered with.
 */
#include "stack/core.h"

#include "base/addr.h"

enum { COOKIE_MEMORY_S = 120 }; /* how long after the last cookie ACKs are tried as one */

static bool accept_full(const struct naru_listen *listen)
{
    return listen->accept_count > listen->backlog;
}

/* The last step of a handshake waits while nobody accepts (C-listen-backlog). */
NARU_NOINLINE bool naru_listen_blocked(const struct naru_sock_tcp *child)
{
    return child->s.half_open && accept_full(child->s.listener->s.listen);
}

static void enqueue(struct naru_sock_tcp *child)
{
    struct naru_listen *listen = child->s.listener->s.listen;
    naru_list_push_back(&listen->accept_queue, &child->s.event_node);
    listen->accept_count++;
    child->s.queued = true;
    naru_sock_note(&child->s.listener->s, NARU_READY_READ);
}

static void leave_half_open(struct naru_sock_tcp *child)
{
    NARU_ASSERT(child->s.half_open);
    naru_list_remove(&child->s.event_node);
    child->s.half_open = false;
    child->s.listener->s.listen->half_open--;
    child->s.stack->half_open--;
}

/* The handshake of a half-open connection has ended, one way or the other. */
NARU_NOINLINE void naru_listen_promote(struct naru_sock_tcp *child)
{
    leave_half_open(child);
    if (child->tcp.state == NARU_TCP_CLOSED)
        naru_sock_tie(&child->s, TIE_NONE);
    else
        enqueue(child);
}

/* Takes a connection out of whatever list of its listener it is in. */
void naru_listen_forget(struct naru_sock_tcp *child)
{
    if (child->s.half_open) {
        leave_half_open(child);
    } else if (child->s.queued) {
        naru_list_remove(&child->s.event_node);
        child->s.queued = false;
        child->s.listener->s.listen->accept_count--;
    }
    naru_sock_tie(&child->s, TIE_NONE);
}

/* The oldest connection that waits to be accepted, or NULL. */
struct naru_sock_tcp *naru_listen_take(struct naru_sock_tcp *listener)
{
    struct naru_list_node *node = naru_list_first(&listener->s.listen->accept_queue);
    if (node == NULL)
        return NULL;
    struct naru_sock_tcp *child =
        naru_sock_tcp_of(NARU_CONTAINER_OF(node, struct naru_sock, event_node));
    naru_listen_forget(child);
    return child;
}

/* Half-open ones end without a word, as Linux ends them: the peer's ACK will earn the reset. */
static void end_all(struct naru_list *list, bool silently)
{
    struct naru_list_node *node;
    while ((node = naru_list_first(list)) != NULL) {
        struct naru_sock_tcp *child =
            naru_sock_tcp_of(NARU_CONTAINER_OF(node, struct naru_sock, event_node));
        naru_listen_forget(child);
        if (silently) {
            naru_tcp_sock_release(child);
        } else {
            naru_tcp_abort(&child->tcp, child->s.stack->now);
            naru_tcp_settle(child);
        }
    }
}

enum naru_err naru_listen_open(struct naru_sock_tcp *st, unsigned backlog)
{
    struct naru_listen *listen = naru_pool_get(&st->s.stack->listen_pool);
    if (listen == NULL)
        return NARU_ERR_NOMEM;
    *listen = (struct naru_listen){ .backlog = backlog };
    naru_list_init(&listen->accept_queue);
    naru_list_init(&listen->half_queue);
    naru_sock_tie(&st->s, TIE_LISTEN);
    st->s.listen = listen;
    return NARU_OK;
}

/* Nobody listens any more: what was not accepted is reset (RFC 9293 3.10.4, LISTEN;
 * C-noaccept-close-rst). */
void naru_listen_close(struct naru_sock_tcp *listener)
{
    if (!naru_sock_listens(&listener->s))
        return;
    struct naru_listen *listen = listener->s.listen;
    end_all(&listen->half_queue, true);
    end_all(&listen->accept_queue, false);
    naru_sock_tie(&listener->s, TIE_NONE);
    naru_pool_put(&listener->s.stack->listen_pool, listen);
}

/* ---- Segments for a listener ---- */

static struct naru_sock_tcp *make_child(struct naru_sock_tcp *listener,
                                        const struct naru_tuple *tuple, uint32_t hash,
                                        const struct naru_tcp_secret *secret)
{
    struct naru_stack *stack = listener->s.stack;
    struct naru_sock_tcp *child = naru_tcp_sock_child(listener, tuple, secret);
    if (child == NULL)
        return NULL;
    child->s.v6 = listener->s.v6;
    child->s.v6only = listener->s.v6only;
    child->s.tos = listener->s.tos;
    child->s.ttl = listener->s.ttl;
    child->s.bind_iface = listener->s.bind_iface;
    child->s.mtu_discover = listener->s.mtu_discover;
    child->s.transparent = listener->s.transparent;
    child->s.reuseaddr = listener->s.reuseaddr;
    child->s.reuseport = listener->s.reuseport;
    child->s.fast_no_cookie = listener->s.fast_no_cookie;
    child->s.connected = true;
    naru_sock_tie(&child->s, TIE_LISTENER);
    child->s.listener = listener;
    if (!naru_flow_add(stack, &child->s.flow, hash)) {
        naru_sock_tie(&child->s, TIE_NONE);
        naru_tcp_sock_release(child);
        return NULL;
    }
    return child;
}

static struct naru_hash_tuple hash_tuple(const struct naru_tuple *t)
{
    return (struct naru_hash_tuple){
        .local = &t->local,
        .remote = &t->remote,
        .local_port = t->local_port,
        .remote_port = t->remote_port,
    };
}

static void to_half_open(struct naru_sock_tcp *child)
{
    struct naru_listen *listen = child->s.listener->s.listen;
    naru_list_push_back(&listen->half_queue, &child->s.event_node);
    listen->half_open++;
    child->s.stack->half_open++;
    child->s.half_open = true;
}

static enum naru_drop cookie_answer(struct naru_sock_tcp *listener, const struct naru_ip_in *in,
                                    const struct naru_tuple *tuple, uint32_t hash,
                                    const struct naru_tcp_hdr *h, struct naru_pkt *pkt)
{
    struct naru_stack *stack = listener->s.stack;
    struct naru_hash_tuple key = hash_tuple(tuple);
    struct naru_tcp_setup setup = naru_tcp_setup_for(tuple, in->iface->mtu);
    struct naru_tcp_hdr reply;
    setup.like = &listener->tcp;
    if (h->opts & NARU_TCP_OPT_TS)
        setup.secret = naru_tcp_secret_of(stack, tuple);
    naru_tcp_cookie_make(&stack->tcp, &key, &setup, h, stack->now, &reply);
    stack->cookies_until = stack->now + NARU_SEC(COOKIE_MEMORY_S);
    naru_tcp_reply(stack, in, hash, &reply, pkt);
    return NARU_DROP_NONE;
}

/* Data of a SYN are not kept, but for Fast Open: the peer sends them again.  NULL. */
static struct naru_pkt *put(struct naru_pkt *pkt)
{
    if (pkt != NULL)
        naru_pktpool_put(pkt);
    return NULL;
}

static enum naru_drop drop(struct naru_pkt *pkt, enum naru_drop reason)
{
    put(pkt);
    return reason;
}

/* The user gets it, with its data, before the handshake is complete. */
static bool open_fast(struct naru_sock_tcp *child, struct naru_pkt *pkt)
{
    struct naru_pkt *data = pkt->len > 0 ? pkt : NULL;
    if (!naru_tcp_accept_fast(&child->tcp, data, child->s.stack->now))
        return false;
    if (data == NULL)
        put(pkt);
    naru_fastopen_began(child);
    return true;
}

static enum naru_drop syn_in(struct naru_sock_tcp *listener, const struct naru_ip_in *in,
                             const struct naru_tuple *tuple, uint32_t hash,
                             const struct naru_tcp_hdr *h, struct naru_pkt *pkt,
                             const struct naru_tcp_tw *old)
{
    struct naru_stack *stack = listener->s.stack;
    struct naru_listen *listen = listener->s.listen;
    if (accept_full(listen))
        return drop(pkt, NARU_DROP_TCP_BACKLOG_FULL);
    if (listen->half_open > listen->backlog || stack->half_open >= stack->config.syn_queue_max) {
        if (!stack->config.tcp_syn_cookies || listener->s.defer_answer)
            return drop(pkt, NARU_DROP_TCP_SYN_QUEUE_FULL);
        return cookie_answer(listener, in, tuple, hash, h, pkt);
    }
    struct naru_tcp_fastopen how;
    bool fast = naru_fastopen_syn(listener, in, h, pkt->len, &how);
    pkt = fast ? pkt : put(pkt);
    struct naru_tcp_secret secret = naru_tcp_secret_of(stack, tuple);
    struct naru_sock_tcp *child = make_child(listener, tuple, hash, &secret);
    if (child == NULL)
        return drop(pkt, NARU_DROP_NO_MEMORY);
    naru_seq iss = naru_tcp_isn(&secret, stack->now);
    if (old != NULL)
        iss = naru_tcp_tw_iss(old, iss);
    naru_tcp_open_passive(&child->tcp, h, iss, listener->s.defer_answer, stack->now);
    if (how.option)
        (void)naru_tcp_offer_cookie(&child->tcp, &how);
    if (listener->s.defer_answer) {
        child->s.deferred = true;
        enqueue(child);
    } else if (fast && open_fast(child, pkt)) {
        enqueue(child);
    } else {
        put(pkt);
        to_half_open(child);
    }
    naru_tcp_settle(child);
    return NARU_DROP_NONE;
}

/* An ACK that may answer a cookie of ours. */
static enum naru_drop cookie_in(struct naru_sock_tcp *listener, const struct naru_ip_in *in,
                                const struct naru_tuple *tuple, uint32_t hash,
                                const struct naru_tcp_hdr *h, struct naru_pkt *pkt)
{
    struct naru_stack *stack = listener->s.stack;
    struct naru_hash_tuple key = hash_tuple(tuple);
    struct naru_tcp_cookie cookie;
    if (stack->now >= stack->cookies_until ||
        !naru_tcp_cookie_check(&stack->tcp, &key, h, stack->now, &cookie)) {
        naru_tcp_reset_segment(stack, in, hash, h, pkt->len);
        return naru_pkt_drop(pkt, NARU_DROP_TCP_COOKIE_INVALID);
    }
    if (accept_full(listener->s.listen))
        return naru_pkt_drop(pkt, NARU_DROP_TCP_BACKLOG_FULL);
    struct naru_tcp_secret secret = naru_tcp_secret_of(stack, tuple);
    struct naru_sock_tcp *child = make_child(listener, tuple, hash, &secret);
    if (child == NULL)
        return naru_pkt_drop(pkt, NARU_DROP_NO_MEMORY);
    naru_tcp_open_cookie(&child->tcp, &cookie, stack->now);
    to_half_open(child);
    return naru_tcp_connection_in(child, in, h, pkt);
}

/*
 * A segment that belongs to no connection but to a listener: RFC 9293 3.10.7.2.  hash: of the tuple
 * (naru_tuple_hash).  old: it takes over the name of a connection in TIME-WAIT, or NULL.
 */
NARU_NOINLINE enum naru_drop naru_listen_input(struct naru_sock_tcp *listener,
                                               const struct naru_ip_in *in,
                                               const struct naru_tuple *tuple, uint32_t hash,
                                               const struct naru_tcp_hdr *h, struct naru_pkt *pkt,
                                               const struct naru_tcp_tw *old)
{
    if (h->flags & NARU_TCP_RST)
        return naru_pkt_drop(pkt, NARU_DROP_TCP_RST_IGNORED);
    if (h->flags & NARU_TCP_ACK) {
        if (h->flags & NARU_TCP_SYN) {
            if (!listener->s.stack->config.tcp_bsd)
                naru_tcp_reset_segment(listener->s.stack, in, hash, h, pkt->len);
            return naru_pkt_drop(pkt, NARU_DROP_TCP_FLAGS);
        }
        return cookie_in(listener, in, tuple, hash, h, pkt);
    }
    bool fin_refused = (h->flags & NARU_TCP_FIN) != 0 && !listener->s.stack->config.tcp_bsd;
    if ((h->flags & NARU_TCP_SYN) == 0 || fin_refused)
        return naru_pkt_drop(pkt, NARU_DROP_TCP_FLAGS);
    return syn_in(listener, in, tuple, hash, h, pkt, old);
}
