/* A whole connection, told by hand, comes out as the ladder that is wanted. */
#include "host/ladder.h"
#include "host_frames.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define CLIENT 0
#define SERVER 1
#define FIN    1
#define SYN    2
#define RST    4
#define PSH    8
#define ACK    16

struct story {
    struct naru_ladder *ladder;
    struct naru_endpoint end[2];
    uint32_t next[2]; /* sequence numbers */
    naru_time now;
};

static const uint32_t isn[2] = { 0xfffffffe, 5000 };

static struct story begin(uint16_t remote_port)
{
    struct story s = { .ladder = naru_ladder_new(remote_port), .next = { isn[0], isn[1] } };

    assert_non_null(s.ladder);
    s.end[CLIENT] = (struct naru_endpoint){ .addr = naru_addr_v4(0x0a000264), .port = 40000 };
    s.end[SERVER] = (struct naru_endpoint){ .addr = naru_addr_v4(0x0a000202), .port = 80 };
    return s;
}

static void tell(struct story *s, int side, const struct naru_trace_event *event)
{
    if (side == CLIENT)
        naru_ladder_client_event(s->ladder, event);
    else
        naru_ladder_server_event(s->ladder, event);
}

static void state(struct story *s, int side, enum naru_tcp_state to)
{
    struct naru_trace_event event = { .kind = NARU_TRACE_STATE,
                                      .time = s->now,
                                      .local = s->end[side],
                                      .remote = s->end[1 - side],
                                      .tcp = { .state = to } };
    tell(s, side, &event);
}

static void segment(struct story *s, int side, uint8_t flags, size_t data)
{
    static uint8_t bytes[70000];
    struct host_segment segment = { .from = s->end[side],
                                    .to = s->end[1 - side],
                                    .flags = flags,
                                    .seq = s->next[side],
                                    .ack = (flags & ACK) != 0 ? s->next[1 - side] : 0,
                                    .data = data };
    size_t len = host_frame_make(&segment, bytes);
    struct naru_slice slice = { bytes, len };
    struct naru_trace_event event = { .kind = NARU_TRACE_FRAME_OUT,
                                      .time = s->now,
                                      .ifindex = 2,
                                      .ethernet = true,
                                      .slice = &slice,
                                      .slice_count = 1,
                                      .len = len };
    s->next[side] += (uint32_t)data + ((flags & (SYN | FIN)) != 0);
    s->now += NARU_US(10);
    tell(s, side, &event);
    event.kind = NARU_TRACE_FRAME_IN;
    tell(s, 1 - side, &event);
}

static void handshake(struct story *s)
{
    state(s, CLIENT, NARU_TCP_SYN_SENT);
    segment(s, CLIENT, SYN, 0);
    state(s, SERVER, NARU_TCP_SYN_RECEIVED);
    segment(s, SERVER, SYN | ACK, 0);
    state(s, CLIENT, NARU_TCP_ESTABLISHED);
    segment(s, CLIENT, ACK, 0);
    state(s, SERVER, NARU_TCP_ESTABLISHED);
}

static void expect(struct story *s, const char *wanted)
{
    char *got = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&got, &size);

    assert_non_null(out);
    assert_true(naru_ladder_print(s->ladder, out, "client", "server"));
    fclose(out);
    assert_string_equal(got, wanted);
    free(got);
    naru_ladder_free(s->ladder);
}

/* clang-format off */
static const char download[] =
"               client 10.0.2.100 port 40000                                        "
"server 10.0.2.2 port 80\n"
"     0.000 ms  SYN-SENT     |-- SYN seq 0 ------------------------------------->|  SYN-RECEIVED\n"
"     0.010 ms  ESTABLISHED  |<--------------------------- SYN,ACK seq 0 ack 1 --|  SYN-RECEIVED\n"
"     0.020 ms  ESTABLISHED  |-- ACK seq 1 ack 1 ------------------------------->|  ESTABLISHED\n"
"     0.030 ms  ESTABLISHED  |-- PSH,ACK seq 1:79 (78) ack 1 ------------------->|  ESTABLISHED\n"
"     0.040 ms  ESTABLISHED  |<------------------ ACK seq 1:1001 (1000) ack 79 --|  ESTABLISHED\n"
"     0.050 ms  ESTABLISHED  |-- ACK seq 79 ack 1001 --------------------------->|  ESTABLISHED\n"
"     0.060 ms  ESTABLISHED  |<--------------- ACK seq 1001:2001 (1000) ack 79 --|  ESTABLISHED\n"
"     0.070 ms  ESTABLISHED  |-- ACK seq 79 ack 2001 --------------------------->|  ESTABLISHED\n"
"          ...               |                                                   |\n"
"                            |   18 segments, 0 bytes                           >|\n"
"                            |<                       18 segments, 18000 bytes   |\n"
"          ...               |                                                   |\n"
"     0.440 ms  CLOSE-WAIT   |<---------------------- FIN,ACK seq 20001 ack 79 --|  FIN-WAIT-1\n"
"     0.450 ms  CLOSE-WAIT   |-- ACK seq 79 ack 20002 -------------------------->|  FIN-WAIT-2\n"
"     0.460 ms  LAST-ACK     |-- FIN,ACK seq 79 ack 20002 ---------------------->|  TIME-WAIT\n"
"     0.470 ms  CLOSED       |<-------------------------- ACK seq 20002 ack 80 --|  TIME-WAIT\n";

static const char another[] =
"               client 10.0.2.100 port 40001                                        "
"server 10.0.2.2 port 80\n"
"     0.000 ms  SYN-SENT     |-- SYN seq 0 ------------------------------------->|  SYN-RECEIVED\n"
"     0.010 ms  ESTABLISHED  |<--------------------------- SYN,ACK seq 0 ack 1 --|  SYN-RECEIVED\n"
"     0.020 ms  ESTABLISHED  |-- ACK seq 1 ack 1 ------------------------------->|  ESTABLISHED\n";
/* clang-format on */

static void download_and_close(void **unused)
{
    struct story s = begin(80);

    (void)unused;
    handshake(&s);
    segment(&s, CLIENT, PSH | ACK, 78);
    for (unsigned i = 0; i < 20; i++) {
        segment(&s, SERVER, ACK, 1000);
        segment(&s, CLIENT, ACK, 0);
    }
    state(&s, SERVER, NARU_TCP_FIN_WAIT_1);
    segment(&s, SERVER, FIN | ACK, 0);
    state(&s, CLIENT, NARU_TCP_CLOSE_WAIT);
    segment(&s, CLIENT, ACK, 0);
    state(&s, SERVER, NARU_TCP_FIN_WAIT_2);
    segment(&s, CLIENT, FIN | ACK, 0);
    state(&s, CLIENT, NARU_TCP_LAST_ACK); /* after its frame, this time */
    state(&s, SERVER, NARU_TCP_TIME_WAIT);
    segment(&s, SERVER, ACK, 0);
    state(&s, CLIENT, NARU_TCP_CLOSED);
    expect(&s, download);
}

static void refused_then_another(void **unused)
{
    struct story s = begin(0);

    (void)unused;
    state(&s, CLIENT, NARU_TCP_SYN_SENT);
    segment(&s, CLIENT, SYN, 0);
    segment(&s, SERVER, RST | ACK, 0);
    state(&s, CLIENT, NARU_TCP_CLOSED);
    s.end[CLIENT].port = 40001; /* The first came to nothing: the next one is the story. */
    s.next[CLIENT] = isn[CLIENT];
    s.next[SERVER] = isn[SERVER];
    handshake(&s);
    s.end[CLIENT].port = 40002; /* not this one */
    segment(&s, CLIENT, SYN, 0);
    expect(&s, another);
}

static void nothing_to_tell(void **unused)
{
    struct story s = begin(443);

    (void)unused;
    handshake(&s);
    assert_false(naru_ladder_print(s.ladder, stdout, "client", "server"));
    naru_ladder_free(s.ladder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(download_and_close),
        cmocka_unit_test(refused_then_another),
        cmocka_unit_test(nothing_to_tell),
    };
    return cmocka_run_group_tests_name("host ladder", tests, NULL, NULL);
}
