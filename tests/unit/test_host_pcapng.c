/*
 * The capture file, read back twice: block by block here, and by tshark where there is one, which
 * must agree about times, names, comments and checksums.
 */
#include "host/pcapng.h"
#include "host_frames.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define SECOND INT64_C(1700000000000000000)

struct fixture {
    char path[64];
    int fd;
    struct naru_pcapng *capture;
    struct naru_pcapng_source *source;
    struct naru_endpoint client, server;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    if (f == NULL)
        return -1;
    snprintf(f->path, sizeof(f->path), "/tmp/naru-pcapng-XXXXXX");
    f->fd = mkstemp(f->path);
    f->client = (struct naru_endpoint){ .addr = naru_addr_v4(0x0a000264), .port = 40000 };
    f->server = (struct naru_endpoint){ .addr = naru_addr_v4(0x0a000202), .port = 80 };
    struct naru_pcapng_config config = { .fd = f->fd,
                                         .wall_offset = SECOND,
                                         .program = "naru test" };
    if (f->fd < 0 || naru_pcapng_open(&config, &f->capture) != 0)
        return -1;
    f->source = naru_pcapng_add_source(f->capture, "program");
    *state = f;
    return f->source == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    naru_pcapng_close(f->capture);
    close(f->fd);
    unlink(f->path);
    free(f);
    return 0;
}

/* In two slices, as the stack hands frames out. */
static void frame_event(struct fixture *f, naru_time time, bool out, uint8_t flags, size_t data,
                        bool partial)
{
    static uint8_t bytes[70000];
    struct host_segment segment = { .from = out ? f->client : f->server,
                                    .to = out ? f->server : f->client,
                                    .flags = flags,
                                    .seq = 1000,
                                    .ack = (flags & 16) != 0 ? 2000 : 0,
                                    .data = data,
                                    .csum_partial = partial };
    size_t len = host_frame_make(&segment, bytes);
    struct naru_slice slice[2] = { { bytes, 54 }, { bytes + 54, len - 54 } };
    struct naru_trace_event event = {
        .kind = out ? NARU_TRACE_FRAME_OUT : NARU_TRACE_FRAME_IN,
        .time = time,
        .ifindex = 2,
        .ethernet = true,
        .slice = slice,
        .slice_count = 2,
        .len = len,
    };
    if (partial) {
        event.offload.csum_partial = 1;
        event.offload.csum_start = 34;
        event.offload.csum_offset = 16;
    }
    naru_pcapng_event(f->source, &event);
}

static void state_event(struct fixture *f, naru_time time, enum naru_tcp_state from,
                        enum naru_tcp_state to)
{
    struct naru_trace_event event = {
        .kind = NARU_TRACE_STATE,
        .time = time,
        .ifindex = 2,
        .local = f->client,
        .remote = f->server,
        .tcp = { .from = from, .state = to },
    };
    naru_pcapng_event(f->source, &event);
}

static void play(struct fixture *f)
{
    struct naru_trace_event segment = {
        .kind = NARU_TRACE_SEGMENT,
        .time = 3000,
        .local = f->client,
        .remote = f->server,
        .tcp = { .state = NARU_TCP_ESTABLISHED,
                 .cwnd = 14480,
                 .in_flight = 2896,
                 .srtt = 213000,
                 .retransmit = true },
    };
    struct naru_trace_event drop = {
        .kind = NARU_TRACE_DROP, .time = 4000, .ifindex = 2, .reason = (enum naru_drop)1
    };

    assert_int_equal(naru_pcapng_add_iface(f->source, 2, "eth0"), 0);
    assert_int_equal(naru_pcapng_add_iface(f->source, 2, "eth0"), -EEXIST);
    state_event(f, 900, NARU_TCP_CLOSED, NARU_TCP_SYN_SENT); /* before its frame */
    frame_event(f, 1000, true, 2, 0, true);
    frame_event(f, 2000, false, 18, 0, false);
    state_event(f, 2000, NARU_TCP_SYN_SENT, NARU_TCP_ESTABLISHED);
    frame_event(f, 3000, true, 24, 40000, true); /* a super-segment */
    naru_pcapng_event(f->source, &segment);
    frame_event(f, 4000, false, 16, 6, false);
    naru_pcapng_event(f->source, &drop);
    naru_pcapng_flush(f->capture);
}

static uint32_t get32(const uint8_t *p)
{
    uint32_t value;

    memcpy(&value, p, sizeof(value));
    return value;
}

/* Walks the blocks; each must say its length twice. */
static void blocks_are_whole(void **state)
{
    struct fixture *f = *state;
    static uint8_t file[200000];
    unsigned count[7] = { 0 };
    size_t at = 0;

    play(f);
    ssize_t len = pread(f->fd, file, sizeof(file), 0);
    assert_true(len > 40000);
    assert_int_equal(get32(file), 0x0a0d0d0a);
    assert_int_equal(get32(file + 8), 0x1a2b3c4d);
    while (at < (size_t)len) {
        uint32_t type = get32(file + at), block = get32(file + at + 4);
        assert_true(block % 4 == 0 && block >= 12 && at + block <= (size_t)len);
        assert_int_equal(get32(file + at + block - 4), block);
        if (type < 7)
            count[type]++;
        at += block;
    }
    assert_int_equal(at, len);
    assert_int_equal(count[1], 1);
    assert_int_equal(count[6], 4);
}

/* Bare IP packets that go out and come in again: once in the file, with what both ends made of
 * them. */
static void loopback_is_kept_once(void **state)
{
    struct fixture *f = *state;
    static uint8_t file[4096], bytes[128];
    struct host_segment segment = { .from = f->client, .to = f->server, .flags = 2, .seq = 1 };
    size_t at = 0, packets = 0, len = host_frame_make(&segment, bytes) - 14;
    struct naru_slice slice = { bytes + 14, len };
    struct naru_trace_event frame = { .kind = NARU_TRACE_FRAME_OUT,
                                      .time = 1000,
                                      .ifindex = 1,
                                      .slice = &slice,
                                      .slice_count = 1,
                                      .len = len };
    struct naru_trace_event change = { .kind = NARU_TRACE_STATE,
                                       .time = 1000,
                                       .local = f->server,
                                       .remote = f->client,
                                       .tcp = { .from = NARU_TCP_LISTEN,
                                                .state = NARU_TCP_SYN_RECEIVED } };

    assert_int_equal(naru_pcapng_add_iface(f->source, 1, "lo"), 0);
    naru_pcapng_event(f->source, &frame);
    frame.kind = NARU_TRACE_FRAME_IN;
    naru_pcapng_event(f->source, &frame);
    naru_pcapng_event(f->source, &change);
    naru_pcapng_flush(f->capture);
    ssize_t size = pread(f->fd, file, sizeof(file), 0);
    for (; at < (size_t)size; at += get32(file + at + 4)) {
        if (get32(file + at) == 1)
            assert_int_equal(get32(file + at + 8) & 0xffff, 101); /* LINKTYPE_RAW */
        if (get32(file + at) == 6) {
            packets++;
            assert_non_null(memmem(file + at, get32(file + at + 4), "LISTEN -> SYN-RECEIVED", 22));
        }
    }
    assert_int_equal(packets, 1);
}

static void tshark_agrees(void **state)
{
    struct fixture *f = *state;
    char command[512], line[1024], wanted[160];
    const char *const comment[4] = {
        "CLOSED -> SYN-SENT",
        "SYN-SENT -> ESTABLISHED",
        "retransmission, ESTABLISHED cwnd 14480 in flight 2896 srtt 0.213 ms",
        NULL,
    };
    const unsigned len[4] = { 54, 54, 40054, 60 };

    if (system("command -v tshark >/dev/null") != 0)
        skip();
    play(f);
    snprintf(command, sizeof(command),
             "tshark -r %s -o tcp.check_checksum:TRUE -o ip.check_checksum:TRUE "
             "-T fields -E separator='|' "
             "-e frame.time_epoch -e frame.interface_name -e frame.len -e tcp.checksum.status "
             "-e ip.checksum.status -e frame.packet_flags_direction -e frame.comment 2>/dev/null",
             f->path);
    FILE *tshark = popen(command, "r");
    assert_non_null(tshark);
    for (unsigned i = 0; i < 4; i++) {
        assert_non_null(fgets(line, sizeof(line), tshark));
        snprintf(wanted, sizeof(wanted), "1700000000.00000%u000|program/eth0|%u|1|1|0x%08x|", i + 1,
                 len[i], i % 2 == 0 ? 2u : 1u);
        assert_memory_equal(line, wanted, strlen(wanted));
        if (comment[i] != NULL) {
            assert_int_equal(strlen(line), strlen(wanted) + strlen(comment[i]) + 1);
            assert_memory_equal(line + strlen(wanted), comment[i], strlen(comment[i]));
        } else {
            assert_non_null(strstr(line, "|dropped: "));
        }
    }
    assert_null(fgets(line, sizeof(line), tshark));
    assert_int_equal(pclose(tshark), 0);
}

static void count_failure(void *user, int error)
{
    assert_int_equal(error, EPIPE);
    (*(unsigned *)user)++;
}

/* The reader of a pipe goes away: told once, and the run goes on. */
static void a_broken_pipe_ends_the_capture_once(void **state)
{
    struct fixture *f = *state;
    unsigned failures = 0;
    int pipes[2];

    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(pipe(pipes), 0);
    struct naru_pcapng_config config = { .fd = pipes[1],
                                         .failed = count_failure,
                                         .user = &failures };
    struct naru_pcapng *capture;
    assert_int_equal(naru_pcapng_open(&config, &capture), 0);
    struct naru_pcapng_source *mine = f->source;
    f->source = naru_pcapng_add_source(capture, "");
    frame_event(f, 1, true, 2, 0, true);
    assert_int_equal(naru_pcapng_error(capture), 0);
    close(pipes[0]);
    frame_event(f, 2, true, 2, 0, true);
    frame_event(f, 3, true, 2, 0, true);
    assert_int_equal(naru_pcapng_error(capture), EPIPE);
    assert_int_equal(failures, 1);
    assert_int_equal(naru_pcapng_close(capture), -EPIPE);
    close(pipes[1]);
    f->source = mine;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(blocks_are_whole),
        TEST(loopback_is_kept_once),
        TEST(tshark_agrees),
        TEST(a_broken_pipe_ends_the_capture_once),
    };
    return cmocka_run_group_tests_name("host pcapng", tests, NULL, NULL);
}
