/* The trace as text, line by line, and several listeners on one hook. */
#include "host/tracefan.h"
#include "host/tracetext.h"
#include "host_frames.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct fixture {
    char *got;
    size_t size;
    struct naru_trace_text text;
};

static struct fixture begin(void)
{
    struct fixture f = { .text = { .origin = NARU_SEC(5), .iface = { [2] = "eth0" } } };

    return f;
}

static const struct naru_endpoint client = {
    .addr = { { [10] = 0xff, [11] = 0xff, [12] = 10, [13] = 0, [14] = 2, [15] = 100 } },
    .port = 40000
};
static const struct naru_endpoint server = {
    .addr = { { [10] = 0xff, [11] = 0xff, [12] = 10, [13] = 0, [14] = 2, [15] = 2 } }, .port = 80
};

static void tell_frame(struct naru_trace_text *text, enum naru_trace_kind kind, unsigned ifindex,
                       uint16_t gso_size)
{
    static uint8_t bytes[70000];
    struct host_segment s = { .from = kind == NARU_TRACE_FRAME_OUT ? client : server,
                              .to = kind == NARU_TRACE_FRAME_OUT ? server : client,
                              .flags = 24,
                              .seq = 1,
                              .ack = 7,
                              .data = gso_size != 0 ? 50000 : 10 };
    size_t len = host_frame_make(&s, bytes);
    struct naru_slice slice[2] = { { bytes, 54 }, { bytes + 54, len - 54 } };
    struct naru_trace_event event = { .kind = kind,
                                      .time = NARU_SEC(5) + NARU_US(1204),
                                      .ifindex = ifindex,
                                      .ethernet = true,
                                      .slice = slice,
                                      .slice_count = 2,
                                      .len = len };
    if (gso_size != 0) {
        event.offload.gso = NARU_GSO_TCP4;
        event.offload.gso_size = gso_size;
    }
    naru_trace_text_event(text, &event);
}

static void lines(void **state)
{
    struct fixture f = begin();
    struct naru_trace_event event = { .kind = NARU_TRACE_STATE,
                                      .time = NARU_SEC(6),
                                      .ifindex = 2,
                                      .local = client,
                                      .remote = server,
                                      .tcp = { .from = NARU_TCP_CLOSED,
                                               .state = NARU_TCP_SYN_SENT } };

    (void)state;
    f.text.file = open_memstream(&f.got, &f.size);
    tell_frame(&f.text, NARU_TRACE_FRAME_OUT, 2, 0);
    tell_frame(&f.text, NARU_TRACE_FRAME_IN, 3, 1448);
    naru_trace_text_event(&f.text, &event);
    event.kind = NARU_TRACE_SEGMENT; /* nothing that its frame does not say */
    naru_trace_text_event(&f.text, &event);
    event.tcp.retransmit = true;
    naru_trace_text_event(&f.text, &event);
    f.text.name = "gateway";
    event.kind = NARU_TRACE_DROP;
    event.reason = NARU_DROP_TCP_CHECKSUM;
    naru_trace_text_event(&f.text, &event);
    fclose(f.text.file);
    assert_string_equal(
        f.got, "0.001204 eth0 > IP 10.0.2.100.40000 > 10.0.2.2.80: Flags [P.], seq 1:11, ack 7, "
               "win 65000, length 10\n"
               "0.001204 if3 < IP 10.0.2.2.80 > 10.0.2.100.40000: Flags [P.], seq 1:50001, ack 7, "
               "win 65000, length 50000, in segments of 1448\n"
               "1.000000 eth0 = 10.0.2.100:40000 - 10.0.2.2:80 CLOSED -> SYN-SENT\n"
               "1.000000 eth0 = 10.0.2.100:40000 - 10.0.2.2:80 retransmission\n"
               "1.000000 gateway/eth0 ! tcp-checksum\n");
    free(f.got);
}

static void count(void *user, const struct naru_trace_event *event)
{
    *(unsigned *)user += (unsigned)event->len;
}

static void fan(void **state)
{
    unsigned seen[2] = { 0, 0 };
    struct naru_trace_fan f = { 0 };
    struct naru_trace_event event = { .len = 3 };

    (void)state;
    naru_trace_fan_event(&f, &event);
    naru_trace_fan_add(&f, count, &seen[0]);
    naru_trace_fan_event(&f, &event);
    naru_trace_fan_add(&f, count, &seen[1]);
    naru_trace_fan_event(&f, &event);
    assert_int_equal(seen[0], 6);
    assert_int_equal(seen[1], 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines),
        cmocka_unit_test(fan),
    };
    return cmocka_run_group_tests_name("host trace", tests, NULL, NULL);
}
