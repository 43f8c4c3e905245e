/*
 * Captures in pcapng; see pcapng.h.  Format: draft-ietf-opsawg-pcapng, sections 4.1 (section
 * header), 4.2 (interface description), 4.3 (enhanced packet); written in the host's byte order,
 * which the section header tells.
 *
 * One frame is held at a time: stacks of one thread take turns, so an event of another frame means
 * that everything about this one has been said.  State changes that come without a frame (a timer,
 * a call of the application) wait for the next frame of their connection.
 *
 * Not done: name resolution and statistics blocks, compression.
 */
#include "host/pcapng.h"
#include "base/csum.h"
#include "host/flowkey.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK_SECTION   0x0a0d0d0au
#define BLOCK_INTERFACE 1u
#define BLOCK_PACKET    6u
#define BYTE_ORDER_MARK 0x1a2b3c4du
#define LINK_ETHERNET   1
#define LINK_RAW        101

#define OPT_END       0
#define OPT_COMMENT   1
#define OPT_APPL      4 /* section */
#define OPT_NAME      2 /* interface */
#define OPT_TSRESOL   9 /* interface */
#define OPT_EPB_FLAGS 2 /* packet */

#define FRAME_MAX    (65535 + 64)
#define SNAPLEN      262144
#define BUFFER_SIZE  (FRAME_MAX + 192 * 1024)
#define OPTIONS_MAX  2048
#define COMMENT_MAX  160
#define COMMENTS_MAX 8
#define IFACES_MAX   64
#define PENDING_MAX  8
#define LOOPBACK     1 /* its ifindex in every stack */

struct comment {
    char text[COMMENT_MAX];
    struct naru_endpoint local, remote; /* pending ones only */
};

struct naru_pcapng_source {
    struct naru_pcapng *capture;
    struct naru_pcapng_source *next;
    char name[32];
    struct {
        unsigned ifindex;
        bool described; /* in the file, as number id */
        uint32_t id;
        char name[16];
    } iface[IFACES_MAX];
    unsigned iface_count;
};

/* The frame whose comments are still coming. */
struct held {
    bool present, out, has_key, loopback;
    struct naru_pcapng_source *source;
    uint32_t iface_id;
    naru_time time;
    uint32_t len;
    struct naru_flowkey key;
    struct comment comment[COMMENTS_MAX];
    unsigned comment_count;
    uint8_t frame[FRAME_MAX];
};

struct naru_pcapng {
    struct naru_pcapng_config config;
    bool each; /* write every packet at once */
    int error;
    uint32_t iface_count;
    struct naru_pcapng_source *sources;
    struct comment pending[PENDING_MAX];
    unsigned pending_count;
    size_t used;
    uint8_t buffer[BUFFER_SIZE];
    struct held held;
};

/* ---- Bytes to the file ---- */

static void fail(struct naru_pcapng *c, int error)
{
    c->error = error;
    c->used = 0;
    if (c->config.failed != NULL)
        c->config.failed(c->config.user, error);
}

static void write_out(struct naru_pcapng *c)
{
    size_t done = 0;

    while (done < c->used && c->error == 0) {
        ssize_t n = write(c->config.fd, c->buffer + done, c->used - done);
        if (n >= 0) {
            done += (size_t)n;
        } else if (errno == EAGAIN) {
            struct pollfd p = { .fd = c->config.fd, .events = POLLOUT };
            (void)poll(&p, 1, -1);
        } else if (errno != EINTR) {
            fail(c, errno);
        }
    }
    c->used = 0;
}

static void put(struct naru_pcapng *c, const void *at, size_t len)
{
    memcpy(c->buffer + c->used, at, len);
    c->used += len;
}

static void put32(struct naru_pcapng *c, uint32_t value) { put(c, &value, sizeof(value)); }

static void put_padded(struct naru_pcapng *c, const void *at, size_t len)
{
    put(c, at, len);
    put(c, "\0\0\0", -len & 3);
}

/* ---- Blocks ---- */

/* Options of one block, put together before its length is written. */
struct options {
    size_t len;
    uint8_t at[OPTIONS_MAX];
};

/* What does not fit is left out. */
static void option_add(struct options *o, uint16_t code, const void *value, size_t len)
{
    uint16_t len16 = (uint16_t)len;
    size_t padded = (len + 3) & ~(size_t)3;

    if (o->len + 4 + padded + 4 > sizeof(o->at))
        return;
    memcpy(o->at + o->len, &code, 2);
    memcpy(o->at + o->len + 2, &len16, 2);
    memset(o->at + o->len + 4, 0, padded);
    if (len > 0)
        memcpy(o->at + o->len + 4, value, len);
    o->len += 4 + padded;
}

static void option_text(struct options *o, uint16_t code, const char *text)
{
    option_add(o, code, text, strlen(text));
}

/* Makes room, and begins a block whose body and options have these lengths; returns the whole
 * length. */
static uint32_t block_begin(struct naru_pcapng *c, uint32_t type, size_t body, struct options *o)
{
    if (o->len > 0)
        option_add(o, OPT_END, NULL, 0);
    uint32_t len = (uint32_t)(12 + body + o->len);
    if (c->used + len > sizeof(c->buffer))
        write_out(c);
    put32(c, type);
    put32(c, len);
    return len;
}

static void block_end(struct naru_pcapng *c, uint32_t len, const struct options *o)
{
    put(c, o->at, o->len);
    put32(c, len);
    if (c->each)
        write_out(c);
}

static void write_section(struct naru_pcapng *c)
{
    static const uint16_t version[2] = { 1, 0 };
    static const uint64_t unknown_len = UINT64_MAX;
    struct options o = { 0 };

    if (c->config.program != NULL)
        option_text(&o, OPT_APPL, c->config.program);
    uint32_t len = block_begin(c, BLOCK_SECTION, 16, &o);
    put32(c, BYTE_ORDER_MARK);
    put(c, version, sizeof(version));
    put(c, &unknown_len, sizeof(unknown_len));
    block_end(c, len, &o);
}

static void write_interface(struct naru_pcapng *c, const char *name, bool ethernet)
{
    static const uint8_t nanoseconds = 9;
    uint16_t link[2] = { ethernet ? LINK_ETHERNET : LINK_RAW, 0 };
    struct options o = { 0 };

    option_text(&o, OPT_NAME, name);
    option_add(&o, OPT_TSRESOL, &nanoseconds, 1);
    uint32_t len = block_begin(c, BLOCK_INTERFACE, 8, &o);
    put(c, link, sizeof(link));
    put32(c, c->config.snaplen);
    block_end(c, len, &o);
}

static void write_held(struct naru_pcapng *c)
{
    struct held *h = &c->held;
    struct options o = { 0 };
    uint32_t flags = h->out ? 2 : 1;
    uint64_t stamp = (uint64_t)(h->time + c->config.wall_offset);
    uint32_t kept = h->len < c->config.snaplen ? h->len : c->config.snaplen;

    h->present = false;
    if (c->error != 0)
        return;
    option_add(&o, OPT_EPB_FLAGS, &flags, sizeof(flags));
    for (unsigned i = 0; i < h->comment_count; i++)
        option_text(&o, OPT_COMMENT, h->comment[i].text);
    uint32_t len = block_begin(c, BLOCK_PACKET, 20 + ((kept + 3u) & ~3u), &o);
    put32(c, h->iface_id);
    put32(c, (uint32_t)(stamp >> 32));
    put32(c, (uint32_t)stamp);
    put32(c, kept);
    put32(c, h->len);
    put_padded(c, h->frame, kept);
    block_end(c, len, &o);
}

/* ---- Sources and interfaces ---- */

/* Its place in the table, by name if need be; negative when the table is full. */
static int find_iface(struct naru_pcapng_source *s, unsigned ifindex)
{
    for (unsigned i = 0; i < s->iface_count; i++) {
        if (s->iface[i].ifindex == ifindex)
            return (int)i;
    }
    if (s->iface_count == IFACES_MAX)
        return -1;
    unsigned i = s->iface_count++;
    s->iface[i].ifindex = ifindex;
    snprintf(s->iface[i].name, sizeof(s->iface[i].name), "if%u", ifindex);
    return (int)i;
}

/* The number of the interface in the file; with its first frame it is described there. */
static bool iface_id(struct naru_pcapng_source *s, const struct naru_trace_event *event,
                     uint32_t *id)
{
    struct naru_pcapng *c = s->capture;
    char full[64];
    int i = find_iface(s, event->ifindex);

    if (i < 0)
        return false;
    if (!s->iface[i].described) {
        snprintf(full, sizeof(full), "%s%s%s", s->name, s->name[0] != '\0' ? "/" : "",
                 s->iface[i].name);
        write_interface(c, full, event->ethernet);
        s->iface[i].described = true;
        s->iface[i].id = c->iface_count++;
    }
    *id = s->iface[i].id;
    return true;
}

struct naru_pcapng_source *naru_pcapng_add_source(struct naru_pcapng *capture, const char *name)
{
    struct naru_pcapng_source *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return NULL;
    s->capture = capture;
    snprintf(s->name, sizeof(s->name), "%s", name);
    s->next = capture->sources;
    capture->sources = s;
    return s;
}

int naru_pcapng_add_iface(struct naru_pcapng_source *source, unsigned ifindex, const char *name)
{
    unsigned before = source->iface_count;
    int i = find_iface(source, ifindex);

    if (i < 0)
        return -ENOBUFS;
    if (source->iface_count == before)
        return -EEXIST;
    snprintf(source->iface[i].name, sizeof(source->iface[i].name), "%s", name);
    return 0;
}

/* ---- Events ---- */

/* Writes what the device was to compute; the field holds the sum of the pseudo header. */
static void complete_checksum(uint8_t *frame, size_t len, const struct naru_offload *offload)
{
    size_t field = (size_t)offload->csum_start + offload->csum_offset;

    if (!offload->csum_partial || field + 2 > len)
        return;
    uint16_t sum =
        naru_csum_finish(naru_csum_add(0, frame + offload->csum_start, len - offload->csum_start));
    bool udp = offload->csum_offset == 6;
    naru_put16(frame + field, udp && sum == 0 ? 0xffff : sum);
}

/* True if the held frame belongs to that connection; on the loopback both its ends are here. */
static bool is_held_of(const struct held *h, const struct naru_endpoint *local,
                       const struct naru_endpoint *remote)
{
    return h->has_key && (naru_flowkey_match(&h->key, h->out, local, remote) ||
                          (h->loopback && naru_flowkey_match(&h->key, !h->out, local, remote)));
}

/* State changes that came without a frame and belong to this one's connection. */
static void take_pending(struct naru_pcapng *c)
{
    struct held *h = &c->held;
    unsigned left = 0;

    for (unsigned i = 0; i < c->pending_count; i++) {
        struct comment *p = &c->pending[i];
        bool ours = is_held_of(h, &p->local, &p->remote);
        if (ours && h->comment_count < COMMENTS_MAX)
            h->comment[h->comment_count++] = *p;
        else if (!ours)
            c->pending[left++] = *p;
    }
    c->pending_count = left;
}

static void hold_frame(struct naru_pcapng_source *s, const struct naru_trace_event *event)
{
    struct naru_pcapng *c = s->capture;
    struct held *h = &c->held;
    size_t at = 0;

    if (event->len > FRAME_MAX || !iface_id(s, event, &h->iface_id))
        return;
    for (unsigned i = 0; i < event->slice_count; i++) {
        NARU_ASSERT(event->slice[i].len <= event->len - at);
        if (event->slice[i].len > 0)
            memcpy(h->frame + at, event->slice[i].at, event->slice[i].len);
        at += event->slice[i].len;
    }
    complete_checksum(h->frame, event->len, &event->offload);
    h->present = true;
    h->out = event->kind == NARU_TRACE_FRAME_OUT;
    h->loopback = event->ifindex == LOOPBACK;
    h->source = s;
    h->time = event->time;
    h->len = (uint32_t)event->len;
    h->has_key = naru_flowkey_parse(h->frame, event->len, event->len, event->ethernet, &h->key);
    h->comment_count = 0;
    take_pending(c);
}

/* Where a comment on the held frame goes, or NULL if the event is not about that frame. */
static struct comment *comment_room(struct naru_pcapng_source *s,
                                    const struct naru_trace_event *event, bool connection)
{
    struct held *h = &s->capture->held;

    if (!h->present || h->source != s || h->time != event->time || h->comment_count == COMMENTS_MAX)
        return NULL;
    if (connection && !is_held_of(h, &event->local, &event->remote))
        return NULL;
    return &h->comment[h->comment_count++];
}

static void on_state(struct naru_pcapng_source *s, const struct naru_trace_event *event)
{
    struct naru_pcapng *c = s->capture;
    struct comment *to = comment_room(s, event, true);

    if (to == NULL) {
        if (c->pending_count == PENDING_MAX) {
            memmove(&c->pending[0], &c->pending[1], (PENDING_MAX - 1) * sizeof(c->pending[0]));
            c->pending_count--;
        }
        to = &c->pending[c->pending_count++];
        to->local = event->local;
        to->remote = event->remote;
    }
    snprintf(to->text, sizeof(to->text), "%s -> %s", naru_tcp_state_text(event->tcp.from),
             naru_tcp_state_text(event->tcp.state));
}

static void on_segment(struct naru_pcapng_source *s, const struct naru_trace_event *event)
{
    struct comment *to = comment_room(s, event, true);
    const struct naru_trace_tcp *tcp = &event->tcp;

    if (to == NULL)
        return;
    int64_t srtt_us = tcp->srtt / 1000;
    int n = snprintf(to->text, sizeof(to->text), "%s%s cwnd %u in flight %u",
                     tcp->retransmit ? "retransmission, " : "", naru_tcp_state_text(tcp->state),
                     tcp->cwnd, tcp->in_flight);
    if (srtt_us > 0 && n > 0 && (size_t)n < sizeof(to->text))
        snprintf(to->text + n, sizeof(to->text) - (size_t)n, " srtt %lld.%03d ms",
                 (long long)(srtt_us / 1000), (int)(srtt_us % 1000));
}

static void on_drop(struct naru_pcapng_source *s, const struct naru_trace_event *event)
{
    struct comment *to = comment_room(s, event, false);

    if (to != NULL)
        snprintf(to->text, sizeof(to->text), "dropped: %s", naru_drop_text(event->reason));
}

void naru_pcapng_event(void *user, const struct naru_trace_event *event)
{
    struct naru_pcapng_source *s = user;
    struct naru_pcapng *c = s->capture;

    if (c->error != 0)
        return;
    switch (event->kind) {
    case NARU_TRACE_FRAME_IN:
        if (event->ifindex == LOOPBACK)
            break; /* held already, on its way out */
        NARU_FALLTHROUGH;
    case NARU_TRACE_FRAME_OUT:
        if (c->held.present)
            write_held(c);
        hold_frame(s, event);
        break;
    case NARU_TRACE_DROP:
        if (!c->config.quiet)
            on_drop(s, event);
        break;
    case NARU_TRACE_STATE:
        if (!c->config.quiet)
            on_state(s, event);
        break;
    case NARU_TRACE_SEGMENT:
        if (!c->config.quiet)
            on_segment(s, event);
        break;
    }
}

/* ---- Life ---- */

int naru_pcapng_open(const struct naru_pcapng_config *config, struct naru_pcapng **out)
{
    struct stat st;

    if (fstat(config->fd, &st) < 0)
        return -errno;
    struct naru_pcapng *c = malloc(sizeof(*c));
    if (c == NULL)
        return -ENOMEM;
    memset(c, 0, offsetof(struct naru_pcapng, buffer));
    c->config = *config;
    if (c->config.snaplen == 0)
        c->config.snaplen = SNAPLEN;
    c->each = !S_ISREG(st.st_mode);
    c->held.present = false;
    write_section(c);
    if (c->error != 0) {
        int error = c->error;
        free(c);
        return -error;
    }
    *out = c;
    return 0;
}

void naru_pcapng_flush(struct naru_pcapng *capture)
{
    if (capture->held.present)
        write_held(capture);
    if (capture->error == 0)
        write_out(capture);
}

int naru_pcapng_error(const struct naru_pcapng *capture) { return capture->error; }

int naru_pcapng_close(struct naru_pcapng *capture)
{
    if (capture == NULL)
        return 0;
    naru_pcapng_flush(capture);
    int error = capture->error;
    while (capture->sources != NULL) {
        struct naru_pcapng_source *s = capture->sources;
        capture->sources = s->next;
        free(s);
    }
    free(capture);
    return -error;
}
