/*
 * Packets and blocks (base/pktpool.h, base/block.h): classes, room, free lists, limits.
 */
#include "proto_test.h"

#include "base/block.h"

static void classes_fit(void **state)
{
    (void)state;
    static const struct {
        size_t headroom, capacity;
        uint32_t room;
    } t[] = {
        { 0, 0, NARU_PKT_ROOM_SMALL },      { 0, 256, NARU_PKT_ROOM_SMALL },
        { 1, 256, NARU_PKT_ROOM_FRAME },    { 100, 1514, NARU_PKT_ROOM_FRAME },
        { 0, 2049, NARU_PKT_ROOM_JUMBO },   { 0, 9018, NARU_PKT_ROOM_JUMBO },
        { 64, 65535, NARU_PKT_ROOM_SUPER }, { 65664, 0, NARU_PKT_ROOM_SUPER },
    };
    struct world w;
    world_init(&w, 1);
    for (size_t i = 0; i < NARU_ARRAY_LEN(t); i++) {
        struct naru_pkt *pkt = naru_pktpool_get(&w.packets, t[i].headroom, t[i].capacity);
        assert_non_null(pkt);
        assert_int_equal(pkt->capacity, t[i].room);
        assert_int_equal(naru_pkt_headroom(pkt), t[i].headroom);
        assert_true(naru_pkt_tailroom(pkt) >= t[i].capacity);
        assert_int_equal((uintptr_t)naru_pkt_buffer(pkt) % 16, 0);
        memset(naru_pkt_buffer(pkt), 0x5a, pkt->capacity);
        naru_pkt_free(pkt);
    }
    assert_null(naru_pktpool_get(&w.packets, 0, NARU_PKT_ROOM_SUPER + 1));
    assert_null(naru_pktpool_get(&w.packets, SIZE_MAX, 10));
    assert_null(naru_pktpool_get(&w.packets, 10, SIZE_MAX));
    naru_pkt_free(NULL);
    world_deinit(&w);
}

static void room_moves(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 1);
    struct naru_pkt *pkt = naru_pktpool_get(&w.packets, 16, 100);
    assert_int_equal(naru_pkt_tailroom(pkt), 240);
    assert_null(naru_pkt_append(pkt, 241));
    assert_ptr_equal(naru_pkt_append(pkt, 240), naru_pkt_buffer(pkt) + 16);
    assert_null(naru_pkt_push(pkt, 17));
    assert_ptr_equal(naru_pkt_push(pkt, 16), naru_pkt_buffer(pkt));
    assert_int_equal(pkt->len, 256);
    assert_false(naru_pkt_pull(pkt, 257));
    assert_true(naru_pkt_pull(pkt, 56));
    assert_false(naru_pkt_trim(pkt, 201));
    assert_true(naru_pkt_trim(pkt, 100));
    assert_int_equal(naru_pkt_headroom(pkt), 56);
    assert_int_equal(naru_pkt_tailroom(pkt), 100);
    naru_pkt_free(pkt);
    world_deinit(&w);
}

static void freed_packets_come_again(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 1);
    struct naru_pkt *a = naru_pktpool_get(&w.packets, 0, 1500);
    size_t size = naru_pkt_truesize(a);
    assert_int_equal(w.packets.outstanding, size);
    a->seq = 9;
    a->offload.gso = NARU_GSO_TCP4;
    naru_pkt_free(a);
    assert_int_equal(w.packets.outstanding, 0);
    assert_int_equal(w.packets.cached, size);
    struct naru_pkt *b = naru_pktpool_get(&w.packets, 0, 1500);
    assert_ptr_equal(a, b);
    assert_int_equal(b->seq, 0);
    assert_int_equal(b->offload.gso, NARU_GSO_NONE);
    naru_pkt_free(b);
    naru_pktpool_trim(&w.packets);
    assert_int_equal(w.packets.cached, 0);
    assert_int_equal(w.mem.used, 0);
    world_deinit(&w);
}

static void free_lists_are_bounded(void **state)
{
    (void)state;
    struct world w;
    struct naru_pkt *chain = NULL;
    world_init(&w, 1);
    naru_pktpool_init(&w.packets, &w.mem, 10000);
    for (unsigned i = 0; i < 20; i++) {
        struct naru_pkt *pkt = naru_pktpool_get(&w.packets, 0, 1500);
        pkt->next = chain;
        chain = pkt;
    }
    assert_int_equal(naru_pktpool_put_chain(chain), 20);
    assert_true(w.packets.cached <= 10000 && w.packets.cached > 0);
    assert_int_equal(w.mem.used, w.packets.cached);
    world_deinit(&w);
}

/* A full budget: the free lists are given back before a request is refused. */
static void free_lists_go_before_anything_is_refused(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 1);
    naru_mem_init(&w.mem, world_get, world_put, &w, 12000);
    struct naru_pkt *small[3];
    for (unsigned i = 0; i < 3; i++)
        small[i] = naru_pktpool_get(&w.packets, 0, 1500);
    for (unsigned i = 0; i < 3; i++)
        naru_pkt_free(small[i]);
    assert_true(w.packets.cached > 6000);
    struct naru_pkt *jumbo = naru_pktpool_get(&w.packets, 0, 9000);
    assert_non_null(jumbo);
    assert_int_equal(w.packets.cached, 0);
    assert_null(naru_pktpool_get(&w.packets, 0, 9000));
    naru_pkt_free(jumbo);
    world_deinit(&w);
}

#ifndef NARU_ASAN /* which would stop the test at the first touch */
static void a_second_free_is_found(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 1);
    struct naru_pkt *pkt = naru_pktpool_get(&w.packets, 0, 100);
    naru_pkt_free(pkt);
    expect_assert_failure(naru_pkt_free(pkt));
    world_deinit(&w);
}
#endif

static void blocks_have_classes(void **state)
{
    (void)state;
    static const struct {
        size_t len;
        uint32_t room;
    } t[] = {
        { 0, NARU_BLOCK_ROOM_SMALL },       { 480, NARU_BLOCK_ROOM_SMALL },
        { 481, NARU_BLOCK_ROOM_MEDIUM },    { 4064, NARU_BLOCK_ROOM_MEDIUM },
        { 4065, NARU_BLOCK_ROOM_LARGE },    { 32736, NARU_BLOCK_ROOM_LARGE },
        { 1 << 20, NARU_BLOCK_ROOM_LARGE }, /* less than asked for: the caller takes another */
    };
    struct world w;
    struct naru_blockpool pool;
    world_init(&w, 1);
    naru_blockpool_init(&pool, &w.mem, 1 << 20);
    for (size_t i = 0; i < NARU_ARRAY_LEN(t); i++) {
        struct naru_block *b = naru_block_get(&pool, t[i].len);
        assert_int_equal(b->capacity, t[i].room);
        assert_int_equal(b->start + b->end + b->seq, 0);
        assert_null(b->next);
        memset(naru_block_data(b), 0x5a, b->capacity);
        assert_int_equal(pool.outstanding, naru_block_truesize(b));
        b->start = b->end = b->seq = 3;
        naru_block_put(&pool, b);
    }
    naru_block_put(&pool, NULL);
    naru_blockpool_deinit(&pool);
    world_deinit(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes_fit),
        cmocka_unit_test(room_moves),
        cmocka_unit_test(freed_packets_come_again),
        cmocka_unit_test(free_lists_are_bounded),
        cmocka_unit_test(free_lists_go_before_anything_is_refused),
#ifndef NARU_ASAN
        cmocka_unit_test(a_second_free_is_found),
#endif
        cmocka_unit_test(blocks_have_classes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
