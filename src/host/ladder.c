/*
 * The story of one TCP connection as a ladder; see ladder.h.
 *
 * A rung is a segment as its sender handed it to the device, with the state of both ends after it.
 * The states of RFC 9293 3.3.2 change for two causes, and each has its place: those that a segment
 * of our own brings (SYN-SENT, FIN-WAIT-1, LAST-ACK) belong to the rung of that segment, which may
 * be still to come; all others to the rung of the segment that arrived.
 *
 * Not done: segments that are lost on the way look as if they had arrived.
 */
#include "host/ladder.h"
#include "base/bytes.h"
#include "host/flowkey.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define HEADERS_MAX    192
#define HANDSHAKE_MAX  12
#define FIRST_DATA_MAX 8
#define CLOSE_MAX      16
#define DATA_EACH      2 /* segments with data each way that are shown */
#define ARROW_WIDTH    52

#define FLAG_FIN 1
#define FLAG_SYN 2
#define FLAG_RST 4
#define FLAG_PSH 8
#define FLAG_ACK 16
#define FLAG_URG 32

enum side { CLIENT, SERVER };

struct segment {
    enum side from;
    uint8_t flags;
    uint32_t seq, ack;
    size_t data;
};

struct rung {
    naru_time time;
    struct segment segment; /* absolute numbers */
    bool no_segment;        /* a timer changed a state */
    enum naru_tcp_state state[2];
};

enum phase { NOTHING, HANDSHAKE, FIRST_DATA, MIDDLE, CLOSE };

struct naru_ladder {
    uint16_t remote_port;
    enum phase phase;
    struct naru_endpoint client, server;
    bool established, reset;
    uint32_t isn[2];
    enum naru_tcp_state state[2];
    unsigned data_seen[2];
    uint64_t middle_segments[2], middle_bytes[2];
    uint64_t left_out; /* segments of the close beyond the last rung */
    struct rung rung[HANDSHAKE_MAX + FIRST_DATA_MAX + CLOSE_MAX];
    unsigned rung_count;
    unsigned middle_at; /* rungs in front of the middle */
    unsigned phase_count;
};

struct naru_ladder *naru_ladder_new(uint16_t remote_port)
{
    struct naru_ladder *l = calloc(1, sizeof(*l));

    if (l != NULL)
        l->remote_port = remote_port;
    return l;
}

void naru_ladder_free(struct naru_ladder *ladder) { free(ladder); }

/* ---- What happened ---- */

/* The headers of an outgoing frame, if it is TCP. */
static bool read_segment(const struct naru_trace_event *event, enum side from,
                         struct naru_flowkey *key, struct segment *segment)
{
    uint8_t head[HEADERS_MAX] = { 0 };
    size_t have = 0;

    for (unsigned i = 0; i < event->slice_count && have < sizeof(head); i++) {
        size_t len = event->slice[i].len;
        if (len > sizeof(head) - have)
            len = sizeof(head) - have;
        if (len > 0)
            memcpy(head + have, event->slice[i].at, len);
        have += len;
    }
    if (!naru_flowkey_parse(head, have, event->len, event->ethernet, key) || key->proto != 6 ||
        key->transport + 20 > have)
        return false;
    const uint8_t *tcp = head + key->transport;
    size_t header = 4u * (tcp[12] >> 4);
    if (key->transport + header > key->end)
        return false;
    *segment = (struct segment){ .from = from,
                                 .flags = tcp[13] & 0x3f,
                                 .seq = naru_get32(tcp + 4),
                                 .ack = naru_get32(tcp + 8),
                                 .data = key->end - key->transport - header };
    return true;
}

static bool is_ours(const struct naru_ladder *l, const struct naru_endpoint *client,
                    const struct naru_endpoint *server)
{
    return l->phase != NOTHING && client->port == l->client.port &&
           server->port == l->server.port && memcmp(client->addr.b, l->client.addr.b, 16) == 0 &&
           memcmp(server->addr.b, l->server.addr.b, 16) == 0;
}

/* Takes up this connection, if there is none yet or the one before never came to anything. */
static void begin(struct naru_ladder *l, const struct naru_endpoint *client,
                  const struct naru_endpoint *server)
{
    uint16_t remote_port = l->remote_port;

    if (remote_port != 0 && server->port != remote_port)
        return;
    if (l->phase != NOTHING && (l->established || !l->reset || is_ours(l, client, server)))
        return;
    *l = (struct naru_ladder){ .remote_port = remote_port, .phase = HANDSHAKE };
    l->client = *client;
    l->server = *server;
    l->state[SERVER] = NARU_TCP_LISTEN;
}

static void enter(struct naru_ladder *l, enum phase phase)
{
    l->phase = phase;
    l->phase_count = 0;
    if (phase == MIDDLE)
        l->middle_at = l->rung_count;
}

/* Which part of the story this segment belongs to. */
static void advance(struct naru_ladder *l, const struct segment *s)
{
    if ((s->flags & (FLAG_FIN | FLAG_RST)) != 0 && l->phase != CLOSE) {
        if (l->phase != MIDDLE)
            enter(l, MIDDLE); /* an empty one */
        enter(l, CLOSE);
        l->reset = l->reset || (s->flags & FLAG_RST) != 0;
    } else if (l->phase == HANDSHAKE && s->data > 0) {
        enter(l, FIRST_DATA);
    }
    if (l->phase == FIRST_DATA &&
        ((s->data > 0 && l->data_seen[s->from] >= DATA_EACH) || l->phase_count == FIRST_DATA_MAX))
        enter(l, MIDDLE);
}

static void add_rung(struct naru_ladder *l, const struct rung *rung)
{
    if (l->rung_count < sizeof(l->rung) / sizeof(l->rung[0])) {
        l->rung[l->rung_count++] = *rung;
        l->phase_count++;
    } else {
        l->left_out++;
    }
}

static void on_segment(struct naru_ladder *l, const struct segment *s, naru_time time)
{
    if ((s->flags & FLAG_SYN) != 0)
        l->isn[s->from] = s->seq;
    advance(l, s);
    if (s->data > 0)
        l->data_seen[s->from]++;
    if (l->phase == MIDDLE) {
        l->middle_segments[s->from]++;
        l->middle_bytes[s->from] += s->data;
        return;
    }
    if ((l->phase == HANDSHAKE && l->phase_count == HANDSHAKE_MAX) ||
        (l->phase == CLOSE && l->phase_count == CLOSE_MAX)) {
        l->left_out++;
        return;
    }
    struct rung rung = { .time = time, .segment = *s };
    rung.state[CLIENT] = l->state[CLIENT];
    rung.state[SERVER] = l->state[SERVER];
    add_rung(l, &rung);
}

/* States that a segment of this end brings, not one that arrived. */
static bool is_by_sending(enum naru_tcp_state state)
{
    return state == NARU_TCP_SYN_SENT || state == NARU_TCP_FIN_WAIT_1 || state == NARU_TCP_LAST_ACK;
}

static void on_state(struct naru_ladder *l, enum side side, const struct naru_trace_event *event)
{
    enum naru_tcp_state state = event->tcp.state;
    struct rung *last = l->rung_count > 0 ? &l->rung[l->rung_count - 1] : NULL;

    l->state[side] = state;
    if (state == NARU_TCP_ESTABLISHED)
        l->established = true;
    if (last == NULL || l->phase == MIDDLE)
        return;
    bool own = last->segment.from == side && !last->no_segment;
    if (is_by_sending(state)) {
        if (own && (last->segment.flags & (FLAG_SYN | FLAG_FIN)) != 0)
            last->state[side] = state;
    } else if (!own && !last->no_segment) {
        last->state[side] = state;
    } else if (own && (last->segment.flags & FLAG_RST) != 0) {
        last->state[side] = state;
    } else {
        struct rung rung = { .time = event->time, .no_segment = true };
        rung.state[CLIENT] = l->state[CLIENT];
        rung.state[SERVER] = l->state[SERVER];
        add_rung(l, &rung);
    }
}

static void on_event(struct naru_ladder *l, enum side side, const struct naru_trace_event *event)
{
    const struct naru_endpoint *client = side == CLIENT ? &event->local : &event->remote;
    const struct naru_endpoint *server = side == CLIENT ? &event->remote : &event->local;
    struct naru_flowkey key;
    struct segment s;

    if (event->kind == NARU_TRACE_STATE) {
        if (side == CLIENT && event->tcp.state == NARU_TCP_SYN_SENT)
            begin(l, client, server);
        if (is_ours(l, client, server))
            on_state(l, side, event);
    } else if (event->kind == NARU_TRACE_FRAME_OUT && read_segment(event, side, &key, &s)) {
        client = side == CLIENT ? &key.src : &key.dst;
        server = side == CLIENT ? &key.dst : &key.src;
        if (side == CLIENT && (s.flags & (FLAG_SYN | FLAG_ACK)) == FLAG_SYN)
            begin(l, client, server);
        if (is_ours(l, client, server))
            on_segment(l, &s, event->time);
    }
}

void naru_ladder_client_event(void *user, const struct naru_trace_event *event)
{
    on_event(user, CLIENT, event);
}

void naru_ladder_server_event(void *user, const struct naru_trace_event *event)
{
    on_event(user, SERVER, event);
}

/* ---- The picture ---- */

static void describe(const struct naru_ladder *l, const struct segment *s, char *text, size_t size)
{
    static const struct {
        uint8_t flag;
        const char *name;
    } names[] = { { FLAG_SYN, "SYN" }, { FLAG_FIN, "FIN" }, { FLAG_RST, "RST" },
                  { FLAG_PSH, "PSH" }, { FLAG_URG, "URG" }, { FLAG_ACK, "ACK" } };
    size_t at = 0;

    text[0] = '\0';
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if ((s->flags & names[i].flag) != 0)
            at += (size_t)snprintf(text + at, size - at, "%s%s", at > 0 ? "," : "", names[i].name);
    }
    uint32_t seq = s->seq - l->isn[s->from];
    at += (size_t)snprintf(text + at, size - at, " seq %" PRIu32, seq);
    if (s->data > 0)
        at += (size_t)snprintf(text + at, size - at, ":%" PRIu32 " (%zu)", seq + (uint32_t)s->data,
                               s->data);
    if ((s->flags & FLAG_ACK) != 0)
        snprintf(text + at, size - at, " ack %" PRIu32, s->ack - l->isn[1 - s->from]);
}

/* The text in a line of dashes with a head at the far end; long texts take the dashes' room. */
static void print_arrow(FILE *out, enum side from, const char *text)
{
    static const char line[] = "--------------------------------------------------------------";
    int room = ARROW_WIDTH - 4 - (int)strlen(text); /* dashes on both sides together */
    int tail = room > 3 ? 2 : room > 1 ? room - 1 : 0;
    int fill = room - tail > 0 ? room - tail : 0;

    if (from == CLIENT)
        fprintf(out, "|%.*s %s %.*s>|", tail, line, text, fill, line);
    else
        fprintf(out, "|<%.*s %s %.*s|", fill, line, text, tail, line);
}

static void print_rung(const struct naru_ladder *l, FILE *out, const struct rung *r)
{
    char text[128];
    double ms = (double)(r->time - l->rung[0].time) / 1e6;

    fprintf(out, "%10.3f ms  %-13s", ms, naru_tcp_state_text(r->state[CLIENT]));
    if (r->no_segment) {
        fprintf(out, "|%*s|", ARROW_WIDTH - 1, "");
    } else {
        describe(l, &r->segment, text, sizeof(text));
        print_arrow(out, r->segment.from, text);
    }
    fprintf(out, "  %s\n", naru_tcp_state_text(r->state[SERVER]));
}

static void print_middle(const struct naru_ladder *l, FILE *out)
{
    char text[2][96];

    if (l->middle_segments[CLIENT] + l->middle_segments[SERVER] == 0)
        return;
    for (unsigned side = 0; side < 2; side++)
        snprintf(text[side], sizeof(text[side]), "%" PRIu64 " segments, %" PRIu64 " bytes",
                 l->middle_segments[side], l->middle_bytes[side]);
    fprintf(out, "%13s  %-13s|%*s|\n", "...", "", ARROW_WIDTH - 1, "");
    fprintf(out, "%13s  %-13s|   %-*s>|\n", "", "", ARROW_WIDTH - 5, text[CLIENT]);
    fprintf(out, "%13s  %-13s|<%*s   |\n", "", "", ARROW_WIDTH - 5, text[SERVER]);
    fprintf(out, "%13s  %-13s|%*s|\n", "...", "", ARROW_WIDTH - 1, "");
}

bool naru_ladder_print(const struct naru_ladder *ladder, FILE *out, const char *client,
                       const char *server)
{
    char addr[2][NARU_ADDR_TEXT_SIZE], head[96];

    if (ladder->rung_count == 0)
        return false;
    naru_addr_format(&ladder->client.addr, addr[CLIENT], sizeof(addr[CLIENT]));
    naru_addr_format(&ladder->server.addr, addr[SERVER], sizeof(addr[SERVER]));
    snprintf(head, sizeof(head), "%s %s port %u", client, addr[CLIENT], ladder->client.port);
    fprintf(out, "%13s  %-*s  %s %s port %u\n", "", ARROW_WIDTH + 14, head, server, addr[SERVER],
            ladder->server.port);
    for (unsigned i = 0; i < ladder->rung_count; i++) {
        if (i == ladder->middle_at && i > 0)
            print_middle(ladder, out);
        print_rung(ladder, out, &ladder->rung[i]);
    }
    if (ladder->middle_at >= ladder->rung_count)
        print_middle(ladder, out);
    if (ladder->left_out > 0)
        fprintf(out, "%13s  (%" PRIu64 " more segments)\n", "", ladder->left_out);
    return true;
}
