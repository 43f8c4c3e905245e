/*
 * The lab of stack_lab.h: frames fly between stacks as copies with a due time; time jumps from one
 * event to the next.
 */
#include "lib/stack_lab.h"

#include "lab/digest.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Memory that is counted and can fail ---- */

static void *lab_alloc(void *user, size_t size)
{
    struct lab_memory *memory = user;
    struct lab *lab = memory->lab;
    lab->allocations++;
    if (lab->fail_at != 0 &&
        (lab->allocations == lab->fail_at || (lab->fail_after && lab->allocations > lab->fail_at)))
        return NULL;
    void *ptr = malloc(size);
    if (ptr == NULL)
        return NULL;
    lab->allocated += size;
    memory->allocated += size;
    if (memory->allocated > memory->peak)
        memory->peak = memory->allocated;
    return ptr;
}

static void lab_free(void *user, void *ptr, size_t size)
{
    struct lab_memory *memory = user;
    if (ptr == NULL)
        return;
    assert(memory->allocated >= size);
    memory->allocated -= size;
    memory->lab->allocated -= size;
    free(ptr);
}

/* ---- Making ---- */

static bool add_host(struct lab *lab, int n, const struct lab_options *options)
{
    struct naru_config config;
    naru_config_init(&config);
    lab->memory[n].lab = lab;
    config.alloc =
        (struct naru_alloc){ .alloc = lab_alloc, .free = lab_free, .user = &lab->memory[n] };
    config.seed[0] = (uint8_t)(n + 1);
    config.seed[1] = options->seed;
    if (options->tune != NULL)
        options->tune(&config);
    if (naru_stack_new(&config, lab->now, &lab->stack[n]) != NARU_OK)
        return false;
    struct naru_iface_config iface;
    naru_iface_config_init(&iface);
    iface.name = "eth0";
    iface.mac[0] = 2;
    iface.mac[5] = (uint8_t)(n + 1);
    iface.mtu = options->mtu != 0 ? options->mtu : 1500;
    iface.offload = options->offload;
    iface.dad = options->dad;
    iface.autoconf = options->autoconf;
    iface.temporary = options->temporary;
    iface.accept_any = options->accept_any;
    if (naru_iface_add(lab->stack[n], &iface, lab->now, &lab->ifindex[n]) != NARU_OK)
        return false;
    lab->v4[n] = naru_addr_v4(0x0a000001u + (uint32_t)n);
    lab->v6[n] = (struct naru_addr){ .b = { 0xfd, [15] = (uint8_t)(n + 1) } };
    if (naru_ifaddr_add(lab->stack[n], lab->ifindex[n], &lab->v4[n], 24, lab->now) != NARU_OK)
        return false;
    return iface.mtu < 1280 ||
           naru_ifaddr_add(lab->stack[n], lab->ifindex[n], &lab->v6[n], 64, lab->now) == NARU_OK;
}

void lab_long_way(struct naru_config *config) { config->tcp_quick = false; }

bool lab_pair(struct lab *lab, const struct lab_options *options)
{
    lab->now = NARU_SEC(1);
    lab->digest = NARU_DIGEST_NONE;
    lab->random = 1u + options->seed;
    lab->stack_count = 2;
    if (!add_host(lab, 0, options) || !add_host(lab, 1, options))
        return false;
    lab->wire_count = 1;
    lab->wire[0] = (struct lab_wire){
        .end = { 0, 1 },
        .ifindex = { lab->ifindex[0], lab->ifindex[1] },
        .delay = options->delay,
        .loss_percent = options->loss_percent,
    };
    return true;
}

void lab_end(struct lab *lab)
{
    for (unsigned i = 0; i < lab->flying_count; i++)
        free(lab->flying[i].data);
    lab->flying_count = 0;
    for (unsigned i = 0; i < lab->stack_count; i++)
        naru_stack_free(lab->stack[i]);
    assert(lab->allocated == 0);
}

/* ---- Time and frames ---- */

static uint32_t lab_random(struct lab *lab)
{
    lab->random = lab->random * 1664525u + 1013904223u;
    return lab->random >> 8;
}

static void launch(struct lab *lab, int w, int side, const struct naru_frame *frame)
{
    struct lab_wire *wire = &lab->wire[w];
    uint8_t *data = malloc(frame->len);
    size_t len = frame->len;
    assert(data != NULL);
    naru_frame_copy(frame, data);
    lab->frames++;
    lab->bytes += len;
    lab->digest = naru_digest_frame(lab->digest, lab->now, (unsigned)wire->end[side], data, len);
    bool lost = wire->loss_percent != 0 && lab_random(lab) % 100 < wire->loss_percent;
    if (lost || (wire->filter != NULL && !wire->filter(lab, wire->end[side], data, &len))) {
        free(data);
        return;
    }
    assert(lab->flying_count < LAB_DELAYED);
    lab->flying[lab->flying_count++] = (struct lab_frame){
        .data = data,
        .len = len,
        .offload = frame->offload,
        .due = lab->now + wire->delay,
        .wire = w,
        .to = !side,
    };
}

static bool collect(struct lab *lab)
{
    bool any = false;
    for (unsigned w = 0; w < lab->wire_count; w++) {
        for (int side = 0; side < 2; side++) {
            struct naru_frame frame;
            struct lab_wire *wire = &lab->wire[w];
            for (unsigned n = 0; n < 32; n++) {
                if (!naru_stack_output(lab->stack[wire->end[side]], wire->ifindex[side], &frame,
                                       lab->now))
                    break;
                launch(lab, (int)w, side, &frame);
                any = true;
            }
        }
    }
    return any;
}

static void land(struct lab *lab, const struct lab_frame *frame)
{
    struct lab_wire *wire = &lab->wire[frame->wire];
    struct naru_stack *stack = lab->stack[wire->end[frame->to]];
    struct naru_pkt *pkt = naru_pkt_new(stack, frame->len);
    if (pkt == NULL)
        return; /* as a device does whose ring is full */
    memcpy(pkt->data, frame->data, frame->len);
    pkt->len = (uint32_t)frame->len;
    pkt->offload = frame->offload;
    naru_stack_input(stack, wire->ifindex[frame->to], pkt, lab->now);
}

static bool deliver(struct lab *lab)
{
    bool any = false;
    for (unsigned i = 0; i < lab->flying_count;) {
        if (lab->flying[i].due > lab->now) {
            i++;
            continue;
        }
        struct lab_frame frame = lab->flying[i];
        lab->flying_count--;
        memmove(&lab->flying[i], &lab->flying[i + 1], (lab->flying_count - i) * sizeof(frame));
        land(lab, &frame);
        free(frame.data);
        any = true;
    }
    return any;
}

static naru_time next_event(const struct lab *lab)
{
    naru_time at = NARU_NEVER;
    for (unsigned i = 0; i < lab->stack_count; i++) {
        naru_time deadline = naru_stack_deadline(lab->stack[i]);
        at = deadline < at ? deadline : at;
    }
    for (unsigned i = 0; i < lab->flying_count; i++)
        at = lab->flying[i].due < at ? lab->flying[i].due : at;
    return at;
}

static bool step(struct lab *lab)
{
    bool any = deliver(lab);
    for (unsigned i = 0; i < lab->stack_count; i++) {
        if (naru_stack_deadline(lab->stack[i]) <= lab->now) {
            naru_stack_tick(lab->stack[i], lab->now);
            any = true;
        }
    }
    return collect(lab) || any;
}

static bool never(struct lab *lab, void *arg)
{
    (void)lab;
    (void)arg;
    return false;
}

bool lab_until(struct lab *lab, naru_time until, bool (*cond)(struct lab *lab, void *arg),
               void *arg)
{
    for (unsigned idle = 0;;) {
        if (cond(lab, arg))
            return true;
        if (step(lab)) {
            if (++idle < 100000)
                continue;
            fprintf(stderr, "lab: time does not go on at %lld\n", (long long)lab->now);
            abort();
        }
        idle = 0;
        naru_time at = next_event(lab);
        if (at > until) {
            lab->now = until;
            return cond(lab, arg);
        }
        lab->now = at > lab->now ? at : lab->now + 1;
    }
}

void lab_run(struct lab *lab, naru_time until) { (void)lab_until(lab, until, never, NULL); }

void lab_inject(struct lab *lab, int n, const void *data, size_t len)
{
    struct naru_pkt *pkt = naru_pkt_new(lab->stack[n], len);
    assert(pkt != NULL);
    memcpy(pkt->data, data, len);
    pkt->len = (uint32_t)len;
    naru_stack_input(lab->stack[n], lab->ifindex[n], pkt, lab->now);
}

size_t lab_take(struct lab *lab, int n, uint8_t *buf, size_t size)
{
    struct naru_frame frame;
    if (!naru_stack_output(lab->stack[n], lab->ifindex[n], &frame, lab->now))
        return 0;
    assert(frame.len <= size);
    naru_frame_copy(&frame, buf);
    return frame.len;
}

/* ---- Sockets ---- */

static struct naru_endpoint end_of(const struct lab *lab, int n, enum naru_family family,
                                   uint16_t port)
{
    return (struct naru_endpoint){ .addr = family == NARU_IPV4 ? lab->v4[n] : lab->v6[n],
                                   .port = port };
}

static struct naru_sock *bound(struct lab *lab, int n, enum naru_family family,
                               enum naru_sock_type type, uint16_t port)
{
    struct naru_sock *sock;
    struct naru_endpoint local = end_of(lab, n, family, port);
    if (naru_sock_new(lab->stack[n], family, type, &sock) != NARU_OK)
        return NULL;
    if (naru_sock_bind(sock, &local) == NARU_OK)
        return sock;
    naru_sock_close(sock, lab->now);
    return NULL;
}

struct naru_sock *lab_listen(struct lab *lab, int n, enum naru_family family, uint16_t port)
{
    struct naru_sock *sock = bound(lab, n, family, NARU_SOCK_STREAM, port);
    if (sock == NULL || naru_sock_listen(sock, 16, lab->now) == NARU_OK)
        return sock;
    naru_sock_close(sock, lab->now);
    return NULL;
}

struct naru_sock *lab_udp(struct lab *lab, int n, enum naru_family family, uint16_t port)
{
    return bound(lab, n, family, NARU_SOCK_DGRAM, port);
}

struct naru_sock *lab_connect(struct lab *lab, int n, int to, enum naru_family family,
                              uint16_t port)
{
    struct naru_sock *sock;
    struct naru_endpoint remote = end_of(lab, to, family, port);
    if (naru_sock_new(lab->stack[n], family, NARU_SOCK_STREAM, &sock) != NARU_OK)
        return NULL;
    if (naru_sock_connect(sock, &remote, lab->now) == NARU_ERR_INPROGRESS)
        return sock;
    naru_sock_close(sock, lab->now);
    return NULL;
}

struct accepting {
    struct naru_sock *listener, *sock;
};

static bool accepted(struct lab *lab, void *arg)
{
    struct accepting *a = arg;
    return naru_sock_accept(a->listener, &a->sock, lab->now) == NARU_OK;
}

struct naru_sock *lab_accept(struct lab *lab, struct naru_sock *listener)
{
    struct accepting a = { .listener = listener };
    return lab_until(lab, lab->now + NARU_SEC(10), accepted, &a) ? a.sock : NULL;
}

enum naru_tcp_state lab_state(struct naru_sock *sock)
{
    int64_t state = -1;
    assert(naru_sock_get(sock, NARU_OPT_STATE, &state) == NARU_OK);
    return (enum naru_tcp_state)state;
}

static bool is_established(struct lab *lab, void *arg)
{
    (void)lab;
    return lab_state(arg) == NARU_TCP_ESTABLISHED;
}

bool lab_established(struct lab *lab, enum naru_family family, uint16_t port,
                     struct naru_sock **client, struct naru_sock **server)
{
    struct naru_sock *listener = lab_listen(lab, 1, family, port);
    *client = *server = NULL;
    if (listener == NULL)
        return false;
    *client = lab_connect(lab, 0, 1, family, port);
    if (*client != NULL)
        *server = lab_accept(lab, listener);
    bool good = *server != NULL && lab_until(lab, lab->now + NARU_SEC(10), is_established, *client);
    naru_sock_close(listener, lab->now);
    return good;
}

/* ---- Transfers ---- */

static uint8_t byte_at(uint64_t n) { return (uint8_t)(n * 167 + (n >> 8) * 13 + (n >> 16)); }

struct transfer {
    struct naru_sock *from, *to;
    uint64_t total, sent, received;
    bool wrong;
};

static void send_more(struct lab *lab, struct transfer *t)
{
    uint8_t buf[16384];
    while (t->sent < t->total) {
        size_t len = t->total - t->sent < sizeof(buf) ? (size_t)(t->total - t->sent) : sizeof(buf);
        for (size_t i = 0; i < len; i++)
            buf[i] = byte_at(t->sent + i);
        struct naru_slice slice = { buf, len };
        int64_t n = naru_sock_send(t->from, &slice, 1, 0, NULL, lab->now);
        if (n <= 0)
            return;
        t->sent += (uint64_t)n;
    }
}

static bool transferred(struct lab *lab, void *arg)
{
    struct transfer *t = arg;
    uint8_t buf[16384];
    struct naru_room room = { buf, sizeof(buf) };
    int64_t n;
    send_more(lab, t);
    while ((n = naru_sock_recv(t->to, &room, 1, 0, NULL, lab->now)) > 0) {
        for (int64_t i = 0; i < n; i++)
            t->wrong |= buf[i] != byte_at(t->received + (uint64_t)i);
        t->received += (uint64_t)n;
    }
    return t->received >= t->total || t->wrong;
}

bool lab_transfer(struct lab *lab, struct naru_sock *from, struct naru_sock *to, uint64_t total,
                  naru_time until)
{
    struct transfer t = { .from = from, .to = to, .total = total };
    return lab_until(lab, until, transferred, &t) && !t.wrong && t.received == total;
}
