/* Which connection a frame belongs to, also when the frame is nonsense. */
#include "host/flowkey.h"
#include "host_frames.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct host_segment a_segment(void)
{
    return (struct host_segment){ .from = { .addr = naru_addr_v4(0x0a000001), .port = 40000 },
                                  .to = { .addr = naru_addr_v4(0x0a000002), .port = 80 },
                                  .flags = 24,
                                  .data = 100 };
}

static void ipv4_with_and_without_ethernet(void **state)
{
    struct host_segment s = a_segment();
    struct naru_flowkey key;
    uint8_t frame[256] = { 0 };
    size_t len = host_frame_make(&s, frame);

    (void)state;
    assert_true(naru_flowkey_parse(frame, len, len + 30, true, &key)); /* padded behind */
    assert_int_equal(key.proto, 6);
    assert_int_equal(key.transport, 34);
    assert_int_equal(key.end, len);
    assert_true(naru_flowkey_match(&key, true, &s.from, &s.to));
    assert_true(naru_flowkey_match(&key, false, &s.to, &s.from));
    assert_false(naru_flowkey_match(&key, false, &s.from, &s.to));
    assert_true(naru_flowkey_parse(frame + 14, len - 14, len - 14, false, &key));
    assert_int_equal(key.transport, 20);
    /* Only the headers can be read. */
    assert_true(naru_flowkey_parse(frame, 54, len, true, &key));
    assert_int_equal(key.end, len);
    assert_false(naru_flowkey_parse(frame, 41, len, true, &key));
    /* A later fragment has no ports. */
    frame[14 + 7] = 1;
    assert_false(naru_flowkey_parse(frame, len, len, true, &key));
}

static void vlan_tags(void **state)
{
    struct host_segment s = a_segment();
    struct naru_flowkey key;
    uint8_t frame[256], tagged[264];
    size_t len = host_frame_make(&s, frame);

    (void)state;
    memcpy(tagged, frame, 12);
    memcpy(tagged + 12, "\x81\x00\x00\x05\x81\x00\x00\x06", 8);
    memcpy(tagged + 20, frame + 12, len - 12);
    assert_true(naru_flowkey_parse(tagged, len + 8, len + 8, true, &key));
    assert_int_equal(key.transport, 42);
}

static void ipv6_extension_headers(void **state)
{
    uint8_t packet[40 + 8 + 16 + 8 + 8] = { 0x60 };
    struct naru_flowkey key;

    (void)state;
    naru_put16(packet + 4, sizeof(packet) - 40);
    packet[6] =
        0; /* hop-by-hop, then destination options of 16, then an atomic fragment, then UDP */
    packet[8] = 0xfd;
    packet[24] = 0xfe;
    packet[40] = 60;
    packet[48] = 44;
    packet[49] = 1;
    packet[64] = 17;
    naru_put16(packet + 72, 53);
    naru_put16(packet + 74, 5353);
    assert_true(naru_flowkey_parse(packet, sizeof(packet), sizeof(packet), false, &key));
    assert_int_equal(key.proto, 17);
    assert_int_equal(key.transport, 72);
    assert_int_equal(key.src.port, 53);
    assert_int_equal(key.dst.port, 5353);
    assert_int_equal(key.src.addr.b[0], 0xfd);
    packet[66] = 1; /* no longer atomic */
    assert_false(naru_flowkey_parse(packet, sizeof(packet), sizeof(packet), false, &key));
}

/* Bytes at random in memory of exactly that size, for the sanitizers to watch. */
static void nonsense(void **state)
{
    static const uint16_t types[] = { 0x0800, 0x86dd, 0x8100, 0x0806 };
    uint32_t x = 1;

    (void)state;
    for (unsigned i = 0; i < 20000; i++) {
        size_t len = i % 130;
        uint8_t *frame = malloc(len != 0 ? len : 1);
        struct naru_flowkey key;
        assert_non_null(frame);
        for (size_t k = 0; k < len; k++) {
            x = x * 1664525 + 1013904223;
            frame[k] = (uint8_t)(x >> 24);
        }
        if (len >= 18) {
            naru_put16(frame + 12, types[i / 130 % 4]);
            naru_put16(frame + 16, types[i / 520 % 4]);
        }
        if (naru_flowkey_parse(frame, len, 4 * len, i % 2 == 0, &key))
            assert_true(key.transport + 8 <= len && key.end <= 4 * len);
        free(frame);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ipv4_with_and_without_ethernet),
        cmocka_unit_test(vlan_tags),
        cmocka_unit_test(ipv6_extension_headers),
        cmocka_unit_test(nonsense),
    };
    return cmocka_run_group_tests_name("host flowkey", tests, NULL, NULL);
}
