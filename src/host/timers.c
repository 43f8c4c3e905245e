/*
 * A pairing heap; see timers.h.
 *
 * child is a timer's first child, next its right sibling; prev is the left sibling, or the parent
 * for a first child, or NULL for the root.
 */
#include "host/timers.h"

#include <assert.h>

/* a and b are roots or NULL; the later one becomes the first child of the other. */
static struct naru_loop_timer *merge(struct naru_loop_timer *a, struct naru_loop_timer *b)
{
    if (a == NULL)
        return b;
    if (b == NULL)
        return a;
    if (b->at < a->at) {
        struct naru_loop_timer *t = a;
        a = b;
        b = t;
    }
    b->prev = a;
    b->next = a->child;
    if (b->next != NULL)
        b->next->prev = b;
    a->child = b;
    return a;
}

/* Makes one heap of a list of siblings: in pairs from the left, then all of them from the right. */
static struct naru_loop_timer *merge_siblings(struct naru_loop_timer *first)
{
    struct naru_loop_timer *pairs = NULL;
    struct naru_loop_timer *root = NULL;

    while (first != NULL) {
        struct naru_loop_timer *a = first;
        struct naru_loop_timer *b = a->next;
        first = b != NULL ? b->next : NULL;
        a->next = a->prev = NULL;
        if (b != NULL)
            b->next = b->prev = NULL;
        a = merge(a, b);
        a->next = pairs;
        pairs = a;
    }
    while (pairs != NULL) {
        struct naru_loop_timer *a = pairs;
        pairs = a->next;
        a->next = NULL;
        root = merge(root, a);
    }
    return root;
}

struct naru_loop_timer *naru_timers_add(struct naru_loop_timer *root, struct naru_loop_timer *timer)
{
    timer->child = timer->next = timer->prev = NULL;
    return merge(root, timer);
}

struct naru_loop_timer *naru_timers_remove(struct naru_loop_timer *root,
                                           struct naru_loop_timer *timer)
{
    struct naru_loop_timer *below = merge_siblings(timer->child);

    timer->child = NULL;
    if (timer == root)
        return below;

    assert(timer->prev != NULL);
    if (timer->prev->child == timer)
        timer->prev->child = timer->next;
    else
        timer->prev->next = timer->next;
    if (timer->next != NULL)
        timer->next->prev = timer->prev;
    timer->next = timer->prev = NULL;
    return merge(root, below);
}
