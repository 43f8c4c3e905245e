/*
 * Paths that do something to the marks of ECN (RFC 3168, RFC 9768): one that marks everything, one
 * that clears every mark, one that marks at random or writes nonsense.  Whatever was negotiated,
 * transfers end, in a time that a window of a few segments explains.
 */
#include "lib/hand.h"

enum { ECT1 = 1, ECT0 = 2, CE = 3, MEGABYTE = 1 << 20 };

static uint8_t *field_of(uint8_t *frame, bool *v4)
{
    *v4 = craft_get16(frame + 12) == 0x0800;
    return frame + CRAFT_ETH + 1;
}

static unsigned ecn_of(uint8_t *frame)
{
    bool v4;
    uint8_t *field = field_of(frame, &v4);
    return v4 ? *field & 3 : *field >> 4 & 3;
}

static void set_ecn(uint8_t *frame, size_t len, unsigned ecn)
{
    bool v4;
    uint8_t *field = field_of(frame, &v4);
    if (v4)
        *field = (uint8_t)((*field & 0xfcu) | ecn);
    else
        *field = (uint8_t)((*field & 0xcfu) | ecn << 4);
    craft_repair(frame, len);
}

static bool is_ip(const uint8_t *frame)
{
    unsigned type = craft_get16(frame + 12);
    return type == 0x0800 || type == 0x86dd;
}

static bool has_payload(const uint8_t *frame, size_t len)
{
    struct craft_heard heard;
    return craft_heard(frame, len, &heard) && heard.len > 0;
}

struct path {
    unsigned marked, ect; /* frames with payload */
};

/* As routers do: what can carry a mark. */
static bool marks_all(struct lab *lab, int from, uint8_t *frame, size_t *len)
{
    struct path *path = lab->user;
    (void)from;
    if (is_ip(frame) && ecn_of(frame) != 0) {
        path->ect += has_payload(frame, *len);
        set_ecn(frame, *len, CE);
        path->marked++;
    }
    return true;
}

/* As a broken box does: SYN and all. */
static bool marks_everything(struct lab *lab, int from, uint8_t *frame, size_t *len)
{
    struct path *path = lab->user;
    (void)from;
    if (is_ip(frame)) {
        path->ect += ecn_of(frame) != 0 && has_payload(frame, *len);
        set_ecn(frame, *len, CE);
        path->marked++;
    }
    return true;
}

static bool bleaches(struct lab *lab, int from, uint8_t *frame, size_t *len)
{
    struct path *path = lab->user;
    (void)from;
    if (is_ip(frame) && ecn_of(frame) != 0) {
        path->ect += has_payload(frame, *len);
        set_ecn(frame, *len, 0);
    }
    return true;
}

/* ECT(1) where ECT(0) was sent, and a third of all is CE. */
static bool scrambles(struct lab *lab, int from, uint8_t *frame, size_t *len)
{
    struct path *path = lab->user;
    (void)from;
    if (is_ip(frame)) {
        unsigned n = path->marked++ % 6;
        path->ect += ecn_of(frame) != 0 && has_payload(frame, *len);
        set_ecn(frame, *len, n < 2 ? CE : n < 4 ? ECT1 : n == 4 ? ECT0 : 0);
    }
    return true;
}

static void with_classic(struct naru_config *config) { config->tcp_ecn = NARU_ECN_MODE_ON; }

static void with_accurate(struct naru_config *config) { config->tcp_ecn = NARU_ECN_MODE_ACCURATE; }

/* What a transfer came to: what its sender knew at the end, and what its path saw. */
struct ending {
    struct naru_tcp_info info;
    struct path path;
    naru_time took;
};

typedef bool (*path_filter)(struct lab *, int, uint8_t *, size_t *);

static void transfer(enum naru_family family, bool accurate, uint64_t total, path_filter filter,
                     struct ending *out)
{
    struct lab lab = { 0 };
    struct lab_options options = { .delay = NARU_MS(5) };
    struct naru_sock *client, *server;
    options.tune = accurate ? with_accurate : with_classic;
    out->path = (struct path){ 0 };
    assert_true(lab_pair(&lab, &options));
    lab.user = &out->path;
    lab.wire[0].filter = filter;
    assert_true(lab_established(&lab, family, 80, &client, &server));
    naru_time began = lab.now;
    assert_true(lab_transfer(&lab, client, server, total, lab.now + NARU_SEC(600)));
    out->took = lab.now - began;
    assert_int_equal(naru_sock_tcp_info(client, &out->info, lab.now), NARU_OK);
    naru_sock_close(client, lab.now);
    naru_sock_close(server, lab.now);
    lab_run(&lab, lab.now + NARU_SEC(5));
    lab_end(&lab);
}

/* Over both families, with classic and with accurate ECN. */
static void each_way(uint64_t total, path_filter filter, void (*check)(const struct ending *))
{
    for (int f = 0; f < 2; f++)
        for (int accurate = 0; accurate < 2; accurate++) {
            struct ending end;
            transfer(families[f], accurate, total, filter, &end);
            check(&end);
        }
}

static void at_the_floor(const struct ending *end)
{
    assert_true(end->info.ecn && end->info.delivered_ce_segments > 0);
    assert_true(end->path.ect > 500);
    assert_in_range(end->info.snd_cwnd_segments, 1, 4);
    assert_int_equal(end->info.total_retrans_segments, 0);
    assert_true(end->took < NARU_SEC(16)); /* one segment in 10 ms would be 8 s */
}

/* Every segment says congestion: the window is at its floor, the ACK clock goes on, nothing is sent
 * twice and no timer fires.  A window of 2 segments in 10 ms is 283 KB/s. */
static void all_is_marked(void **state)
{
    (void)state;
    each_way(MEGABYTE, marks_all, at_the_floor);
}

static void slow_at_worst(const struct ending *end)
{
    assert_int_equal(end->info.total_retrans_segments, 0);
    assert_true(end->took < NARU_SEC(16));
}

/* Marks on SYN and pure ACKs too, where none may be: RFC 3168 is given up with its SYN, accurate
 * ECN goes on at the floor of its window. */
static void everything_is_marked(void **state)
{
    (void)state;
    each_way(MEGABYTE, marks_everything, slow_at_worst);
}

static void as_without(const struct ending *end)
{
    assert_int_equal(end->info.delivered_ce_segments, 0);
    assert_int_equal(end->info.total_retrans_segments, 0);
    assert_true(end->info.snd_cwnd_segments > 20);
    assert_true(end->took < NARU_SEC(3));
}

/* Marks are cleared: nothing is ever told, and it is as fast as without ECN. */
static void all_marks_are_cleared(void **state)
{
    (void)state;
    each_way(8 * MEGABYTE, bleaches, as_without);
}

/* Marks without sense: the transfer ends all the same. */
static void marks_are_scrambled(void **state)
{
    (void)state;
    each_way(MEGABYTE, scrambles, slow_at_worst);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_is_marked),
        cmocka_unit_test(everything_is_marked),
        cmocka_unit_test(all_marks_are_cleared),
        cmocka_unit_test(marks_are_scrambled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
