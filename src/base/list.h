/*
 * Lists whose links live in the objects: a doubly linked ring, and a typed first-in first-out
 * queue.
 *
 * struct naru_list is for objects that leave from the middle.  A node that is in no list has NULL
 * links (a zeroed object is a node at rest); adding a linked node or removing a free one is an
 * assertion, not a corrupted list.
 */
#ifndef NARU_BASE_LIST_H
#define NARU_BASE_LIST_H

#include "base/defs.h"

struct naru_list_node {
    struct naru_list_node *next, *prev; /* both NULL when in no list */
};

struct naru_list {
    struct naru_list_node head; /* a ring: head.next is the first, head.prev the last */
};

NARU_INLINE void naru_list_init(struct naru_list *l) { l->head.next = l->head.prev = &l->head; }
NARU_INLINE void naru_list_node_init(struct naru_list_node *n) { n->next = n->prev = NULL; }
NARU_INLINE bool naru_list_empty(const struct naru_list *l) { return l->head.next == &l->head; }
NARU_INLINE bool naru_list_linked(const struct naru_list_node *n) { return n->next != NULL; }

/* Before at, which is in a list or its head. */
NARU_INLINE void naru_list_insert_before(struct naru_list_node *at, struct naru_list_node *n)
{
    NARU_ASSERT(n->next == NULL);
    n->next = at;
    n->prev = at->prev;
    at->prev->next = n;
    at->prev = n;
}

NARU_INLINE void naru_list_push_back(struct naru_list *l, struct naru_list_node *n)
{
    naru_list_insert_before(&l->head, n);
}

NARU_INLINE void naru_list_push_front(struct naru_list *l, struct naru_list_node *n)
{
    naru_list_insert_before(l->head.next, n);
}

NARU_INLINE void naru_list_remove(struct naru_list_node *n)
{
    NARU_ASSERT(n->next != NULL);
    n->next->prev = n->prev;
    n->prev->next = n->next;
    n->next = n->prev = NULL;
}

/* The first, the last, or NULL. */
NARU_INLINE struct naru_list_node *naru_list_first(const struct naru_list *l)
{
    return naru_list_empty(l) ? NULL : l->head.next;
}

NARU_INLINE struct naru_list_node *naru_list_last(const struct naru_list *l)
{
    return naru_list_empty(l) ? NULL : l->head.prev;
}

/* The one after n, or NULL. */
NARU_INLINE struct naru_list_node *naru_list_next(const struct naru_list *l,
                                                  const struct naru_list_node *n)
{
    return n->next == &l->head ? NULL : n->next;
}

/* Takes the first out, or NULL. */
NARU_INLINE struct naru_list_node *naru_list_pop(struct naru_list *l)
{
    struct naru_list_node *n = naru_list_first(l);
    if (n != NULL)
        naru_list_remove(n);
    return n;
}

/* At most one is in it. */
NARU_INLINE bool naru_list_at_most_one(const struct naru_list *l)
{
    return l->head.next == l->head.prev;
}

/* Moves all of from to the back of to, in order; from is then empty. */
NARU_INLINE void naru_list_splice(struct naru_list *to, struct naru_list *from)
{
    if (naru_list_empty(from))
        return;
    from->head.next->prev = to->head.prev;
    to->head.prev->next = from->head.next;
    from->head.prev->next = &to->head;
    to->head.prev = from->head.prev;
    naru_list_init(from);
}

/*
 * for (each object of type in l, through its naru_list_node member): obj may be removed (and freed)
 * in the body, any other may not.  next is a naru_list_node pointer of the caller.
 */
#define NARU_LIST_EACH(l, obj, next_node, type, member)                          \
    for (struct naru_list_node * next_node, *obj##_node_ = (l)->head.next;       \
         obj##_node_ != &(l)->head && (next_node = obj##_node_->next) != NULL && \
         ((obj) = NARU_CONTAINER_OF(obj##_node_, type, member)) != NULL;         \
         obj##_node_ = next_node)

/*
 * NARU_QUEUE_DEFINE(naru_pktq, struct naru_pkt) makes struct naru_pktq, a first-in first-out queue
 * through the member next of that type, with naru_pktq_init, _empty, _first, _push (at the back),
 * _push_front, _pop (NULL when empty) and _splice (all of from to the back of to).
 */
#define NARU_QUEUE_DEFINE(name, type)                                                            \
    struct name {                                                                                \
        type *first, *last; /* last means nothing while first is NULL */                         \
    };                                                                                           \
    NARU_UNUSED NARU_INLINE void name##_init(struct name *q) { q->first = q->last = NULL; }      \
    NARU_UNUSED NARU_INLINE bool name##_empty(const struct name *q) { return q->first == NULL; } \
    NARU_UNUSED NARU_INLINE type *name##_first(const struct name *q) { return q->first; }        \
    NARU_UNUSED NARU_INLINE void name##_push(struct name *q, type *item)                         \
    {                                                                                            \
        item->next = NULL;                                                                       \
        if (q->first == NULL)                                                                    \
            q->first = item;                                                                     \
        else                                                                                     \
            q->last->next = item;                                                                \
        q->last = item;                                                                          \
    }                                                                                            \
    NARU_UNUSED NARU_INLINE void name##_push_front(struct name *q, type *item)                   \
    {                                                                                            \
        item->next = q->first;                                                                   \
        if (q->first == NULL)                                                                    \
            q->last = item;                                                                      \
        q->first = item;                                                                         \
    }                                                                                            \
    NARU_UNUSED NARU_INLINE type *name##_pop(struct name *q)                                     \
    {                                                                                            \
        type *item = q->first;                                                                   \
        if (item != NULL) {                                                                      \
            q->first = item->next;                                                               \
            item->next = NULL;                                                                   \
        }                                                                                        \
        return item;                                                                             \
    }                                                                                            \
    NARU_UNUSED NARU_INLINE void name##_splice(struct name *to, struct name *from)               \
    {                                                                                            \
        if (from->first == NULL)                                                                 \
            return;                                                                              \
        if (to->first == NULL)                                                                   \
            to->first = from->first;                                                             \
        else                                                                                     \
            to->last->next = from->first;                                                        \
        to->last = from->last;                                                                   \
        from->first = from->last = NULL;                                                         \
    }                                                                                            \
    struct name

#endif
