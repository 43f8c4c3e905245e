/*
 * Two real stacks on a wire in one loop: a request, an answer of a megabyte, the close; told by the
 * ladder, the capture and the text at once.
 */
#include "host/alloc.h"
#include "host/clock.h"
#include "host/ladder.h"
#include "host/pcapng.h"
#include "host/tracefan.h"
#include "host/tracetext.h"
#include "host/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define ANSWER (1u << 20)

struct host {
    struct naru_stack *stack;
    struct naru_attachment attachment;
    struct naru_trace_fan fan;
    struct naru_trace_text text;
    unsigned ifindex;
    struct naru_sock *listener, *sock;
    size_t received, sent;
};

struct world {
    struct naru_loop *loop;
    struct naru_wire wire;
    struct host client, server;
    struct naru_ladder *ladder;
    struct naru_pcapng *capture;
    char path[64];
    int fd;
    char *lines;
    size_t lines_size;
    FILE *lines_file;
};

static struct world w;
static uint8_t data[65536];

static void client_event(struct naru_attachment *a, const struct naru_event *event)
{
    naru_time now = naru_loop_now(w.loop);
    struct host *h = a->user;
    struct naru_room room = { data, sizeof(data) };
    int64_t n;

    assert_int_equal(event->ready & NARU_READY_ERROR, 0);
    if ((event->ready & NARU_READY_WRITE) != 0 && h->sent == 0) {
        struct naru_slice slice = { "GET", 3 };
        n = naru_sock_send(h->sock, &slice, 1, 0, NULL, now);
        assert_int_equal(n, 3);
        h->sent = 3;
    }
    while ((n = naru_sock_recv(h->sock, &room, 1, 0, NULL, now)) > 0)
        h->received += (size_t)n;
    if (n == 0) {
        naru_sock_close(h->sock, now);
        naru_loop_stop(w.loop);
    }
}

static void server_event(struct naru_attachment *a, const struct naru_event *event)
{
    naru_time now = naru_loop_now(w.loop);
    struct host *h = a->user;
    struct naru_room room = { data, sizeof(data) };
    struct naru_slice slice = { data, sizeof(data) };
    int64_t n = 1;

    (void)event;
    if (h->listener != NULL && naru_sock_accept(h->listener, &h->sock, now) == NARU_OK) {
        naru_sock_close(h->listener, now);
        h->listener = NULL;
    }
    if (h->sock == NULL)
        return;
    while (h->received < 3 && n > 0) {
        n = naru_sock_recv(h->sock, &room, 1, 0, NULL, now);
        h->received += n > 0 ? (size_t)n : 0;
    }
    while (h->received == 3 && h->sent < ANSWER &&
           (n = naru_sock_send(h->sock, &slice, 1, 0, NULL, now)) > 0) {
        h->sent += (size_t)n;
        if (ANSWER - h->sent < slice.len)
            slice.len = ANSWER - h->sent;
    }
    if (h->sent == ANSWER) {
        naru_sock_close(h->sock, now);
        h->sock = NULL;
    }
}

static void make_host(struct host *h, const char *name, uint32_t ip, bool is_client)
{
    struct naru_config config;
    struct naru_iface_config iface;
    struct naru_addr addr = naru_addr_v4(ip);
    naru_time now = naru_clock_now();

    naru_config_init(&config);
    config.alloc = naru_alloc_malloc();
    naru_seed_from_number(ip, config.seed);
    config.trace = naru_trace_fan_event;
    config.trace_user = &h->fan;
    assert_int_equal(naru_stack_new(&config, now, &h->stack), NARU_OK);
    naru_iface_config_init(&iface);
    iface.name = "eth0";
    iface.mac[0] = 2;
    iface.mac[5] = (uint8_t)ip;
    assert_int_equal(naru_iface_add(h->stack, &iface, now, &h->ifindex), NARU_OK);
    assert_int_equal(naru_ifaddr_add(h->stack, h->ifindex, &addr, 24, now), NARU_OK);
    h->attachment = (struct naru_attachment){ .stack = h->stack,
                                              .event = is_client ? client_event : server_event,
                                              .user = h };
    assert_int_equal(naru_loop_attach(w.loop, &h->attachment), 0);

    struct naru_pcapng_source *source = naru_pcapng_add_source(w.capture, name);
    assert_non_null(source);
    assert_int_equal(naru_pcapng_add_iface(source, h->ifindex, "eth0"), 0);
    h->text = (struct naru_trace_text){ .file = w.lines_file, .origin = now, .name = name };
    naru_trace_fan_add(&h->fan, naru_pcapng_event, source);
    naru_trace_fan_add(&h->fan, naru_trace_text_event, &h->text);
    naru_trace_fan_add(&h->fan, is_client ? naru_ladder_client_event : naru_ladder_server_event,
                       w.ladder);
}

static void play(void)
{
    struct naru_endpoint to = { .addr = naru_addr_v4(0x0a000002), .port = 80 };
    naru_time now = naru_clock_now();

    snprintf(w.path, sizeof(w.path), "/tmp/naru-story-XXXXXX");
    w.fd = mkstemp(w.path);
    struct naru_pcapng_config capture = { .fd = w.fd, .wall_offset = naru_clock_wall_offset() };
    assert_int_equal(naru_pcapng_open(&capture, &w.capture), 0);
    w.lines_file = open_memstream(&w.lines, &w.lines_size);
    w.ladder = naru_ladder_new(80);
    assert_int_equal(naru_loop_new(&w.loop), 0);
    make_host(&w.client, "client", 0x0a000001, true);
    make_host(&w.server, "server", 0x0a000002, false);
    naru_wire_attach(&w.wire, &w.client.attachment, w.client.ifindex, &w.server.attachment,
                     w.server.ifindex);
    struct host *s = &w.server;
    assert_int_equal(naru_sock_new(s->stack, NARU_IPV4, NARU_SOCK_STREAM, &s->listener), 0);
    assert_int_equal(naru_sock_bind(s->listener, &to), NARU_OK);
    assert_int_equal(naru_sock_listen(s->listener, 1, now), NARU_OK);
    struct host *c = &w.client;
    assert_int_equal(naru_sock_new(c->stack, NARU_IPV4, NARU_SOCK_STREAM, &c->sock), 0);
    assert_int_equal(naru_sock_connect(c->sock, &to, now), NARU_ERR_INPROGRESS);
    assert_int_equal(naru_loop_run(w.loop), 0);
    assert_int_equal(naru_loop_turn(w.loop, 0), 0); /* the last acknowledgements */
}

static void end(void)
{
    naru_wire_detach(&w.wire);
    naru_loop_free(w.loop);
    naru_stack_free(w.client.stack);
    naru_stack_free(w.server.stack);
    assert_int_equal(naru_pcapng_close(w.capture), 0);
    naru_ladder_free(w.ladder);
    close(w.fd);
    unlink(w.path);
}

/* The line of text that holds all of these words. */
static bool has_line(const char *text, const char *a, const char *b, const char *c)
{
    char line[512];

    while (*text != '\0') {
        size_t len = strcspn(text, "\n");
        snprintf(line, sizeof(line), "%.*s", (int)len, text);
        if (strstr(line, a) != NULL && strstr(line, b) != NULL && strstr(line, c) != NULL)
            return true;
        text += len + (text[len] == '\n');
    }
    return false;
}

static void check_ladder(void)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    assert_true(naru_ladder_print(w.ladder, out, "client", "server"));
    fclose(out);
    assert_true(has_line(text, "SYN-SENT", "-- SYN seq 0", "SYN-RECEIVED"));
    assert_true(has_line(text, "ESTABLISHED", "SYN,ACK seq 0 ack 1", "SYN-RECEIVED"));
    assert_true(has_line(text, "ESTABLISHED", "seq 1:4 (3) ack 1", "ESTABLISHED"));
    assert_true(has_line(text, "CLOSE-WAIT", "FIN", "FIN-WAIT-1"));
    assert_true(has_line(text, "LAST-ACK", "-- FIN,ACK seq 4", "TIME-WAIT"));
    assert_true(has_line(text, "CLOSED", "ack 5 --|", "TIME-WAIT"));
    free(text);
}

static void check_lines(void)
{
    fclose(w.lines_file);
    assert_true(has_line(w.lines, "client/if2 = 10.0.0.1:", "- 10.0.0.2:80", "-> SYN-SENT"));
    assert_true(has_line(w.lines, "server/if2 < IP 10.0.0.1.", "> 10.0.0.2.80:", "Flags [S]"));
    assert_true(has_line(w.lines, "server/if2 > IP 10.0.0.2.80", "Flags [S.]", "ack"));
    assert_true(has_line(w.lines, "client/if2 > ARP, Request who-has 10.0.0.2", "", ""));
    free(w.lines);
}

/* Nothing in the capture that Wireshark marks as an error or a warning. */
static void check_capture(void)
{
    char command[256], got[256] = "";

    naru_pcapng_flush(w.capture);
    if (system("command -v tshark >/dev/null") != 0)
        return;
    snprintf(command, sizeof(command),
             "tshark -r %s -o tcp.check_checksum:TRUE -o ip.check_checksum:TRUE "
             "-Y '_ws.expert.severity >= 0x600000 && frame.interface_id == 0' 2>/dev/null",
             w.path);
    FILE *tshark = popen(command, "r");
    assert_non_null(tshark);
    size_t len = fread(got, 1, sizeof(got) - 1, tshark);
    got[len] = '\0';
    assert_int_equal(pclose(tshark), 0);
    assert_string_equal(got, "");
}

static void story(void **state)
{
    (void)state;
    play();
    assert_int_equal(w.client.received, ANSWER);
    check_ladder();
    check_lines();
    check_capture();
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(story) };

    return cmocka_run_group_tests_name("host story", tests, NULL, NULL);
}
