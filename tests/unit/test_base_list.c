/*
 * The ring list and the typed queue (base/list.h).
 */
#include "base_test.h"

#include "base/list.h"

struct thing {
    int id;
    struct naru_list_node node;
    struct thing *next;
};

NARU_QUEUE_DEFINE(thing_queue, struct thing);

/* The ids in order as a decimal number, the first in front. */
static int digits(const struct naru_list *l)
{
    struct thing *t;
    int n = 0;
    NARU_LIST_EACH(l, t, next, struct thing, node)
    n = n * 10 + t->id;
    return n;
}

static void list_keeps_order(void **state)
{
    (void)state;
    struct thing t[4] = { { .id = 1 }, { .id = 2 }, { .id = 3 }, { .id = 4 } };
    struct naru_list l;

    naru_list_init(&l);
    assert_true(naru_list_empty(&l));
    assert_null(naru_list_first(&l));
    assert_null(naru_list_last(&l));
    assert_null(naru_list_pop(&l));
    naru_list_push_back(&l, &t[1].node);
    naru_list_push_back(&l, &t[2].node);
    naru_list_push_front(&l, &t[0].node);
    naru_list_insert_before(&t[2].node, &t[3].node);
    assert_int_equal(digits(&l), 1243);
    assert_ptr_equal(naru_list_last(&l), &t[2].node);
    assert_ptr_equal(naru_list_next(&l, &t[1].node), &t[3].node);
    assert_null(naru_list_next(&l, &t[2].node));
    naru_list_remove(&t[3].node);
    assert_false(naru_list_linked(&t[3].node));
    assert_int_equal(digits(&l), 123);
    assert_ptr_equal(naru_list_pop(&l), &t[0].node);
    assert_int_equal(digits(&l), 23);
}

static void body_may_remove_its_object(void **state)
{
    (void)state;
    struct thing t[5] = { { .id = 1 }, { .id = 2 }, { .id = 3 }, { .id = 4 }, { .id = 5 } };
    struct thing *it;
    struct naru_list l;

    naru_list_init(&l);
    for (size_t i = 0; i < 5; i++)
        naru_list_push_back(&l, &t[i].node);
    NARU_LIST_EACH(&l, it, next, struct thing, node)
    {
        if (it->id % 2 == 1)
            naru_list_remove(&it->node);
    }
    assert_int_equal(digits(&l), 24);
}

static void splice_appends_and_empties(void **state)
{
    (void)state;
    struct thing t[4] = { { .id = 1 }, { .id = 2 }, { .id = 3 }, { .id = 4 } };
    struct naru_list a, b;

    naru_list_init(&a);
    naru_list_init(&b);
    naru_list_push_back(&a, &t[0].node);
    naru_list_splice(&a, &b);
    assert_int_equal(digits(&a), 1);
    for (size_t i = 1; i < 4; i++)
        naru_list_push_back(&b, &t[i].node);
    naru_list_splice(&a, &b);
    assert_int_equal(digits(&a), 1234);
    assert_true(naru_list_empty(&b));
    naru_list_splice(&b, &a);
    assert_int_equal(digits(&b), 1234);
}

static void misuse_is_an_assertion(void **state)
{
    (void)state;
    struct thing t = { .id = 1 };
    struct naru_list l;

    naru_list_init(&l);
    expect_assert_failure(naru_list_remove(&t.node));
    naru_list_push_back(&l, &t.node);
    expect_assert_failure(naru_list_push_back(&l, &t.node));
    naru_list_remove(&t.node);
    expect_assert_failure(naru_list_remove(&t.node));
}

static void queue_is_first_in_first_out(void **state)
{
    (void)state;
    struct thing t[5] = { { .id = 1 }, { .id = 2 }, { .id = 3 }, { .id = 4 }, { .id = 5 } };
    struct thing_queue q, r;

    thing_queue_init(&q);
    thing_queue_init(&r);
    assert_null(thing_queue_pop(&q));
    thing_queue_push(&q, &t[1]);
    thing_queue_push(&q, &t[2]);
    thing_queue_push_front(&q, &t[0]);
    thing_queue_push_front(&r, &t[3]);
    thing_queue_push(&r, &t[4]);
    thing_queue_splice(&q, &r);
    assert_true(thing_queue_empty(&r));
    thing_queue_splice(&q, &r);
    assert_ptr_equal(thing_queue_first(&q), &t[0]);
    for (size_t i = 0; i < 5; i++) {
        struct thing *got = thing_queue_pop(&q);
        assert_ptr_equal(got, &t[i]);
        assert_null(got->next);
    }
    assert_true(thing_queue_empty(&q));
    thing_queue_splice(&r, &q);
    assert_true(thing_queue_empty(&r));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(list_keeps_order),
        cmocka_unit_test(body_may_remove_its_object),
        cmocka_unit_test(splice_appends_and_empties),
        cmocka_unit_test(misuse_is_an_assertion),
        cmocka_unit_test(queue_is_first_in_first_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
