/*
 * An imperfect link; see link.h.
 */
#include "lab/link.h"

#include "wire/eth.h"
#include "wire/ip.h"

#include <stdlib.h>
#include <string.h>

void naru_link_init(struct naru_link *link, const struct naru_link_config *config, uint64_t seed,
                    naru_time now)
{
    *link = (struct naru_link){ .config = *config, .free_at = now, .last_due = now, .began = now };
    naru_rand_init_u64(&link->rand, seed);
}

void naru_link_deinit(struct naru_link *link)
{
    struct naru_link_frame *frame;
    while ((frame = link->first) != NULL) {
        link->first = frame->next;
        free(frame);
    }
}

static bool chance(struct naru_link *link, uint32_t ppm)
{
    return ppm != 0 && naru_rand_below(&link->rand, 1000000) < ppm;
}

static bool is_down(const struct naru_link *link, naru_time now)
{
    const struct naru_link_config *c = &link->config;
    return c->down != 0 && (now - link->began) % (c->up + c->down) >= c->up;
}

/* The two states of Gilbert and Elliott; one frame is one step. */
static void turn_bad(struct naru_link *link, naru_time now)
{
    const struct naru_link_config *c = &link->config;
    if (link->bad) {
        link->bad = now < link->bad_until && !chance(link, c->elliott_ppm);
    } else if (chance(link, c->gilbert_ppm)) {
        link->bad = true;
        link->bad_until = now + c->bad_max;
    }
}

/* Lost by itself, or in a burst? */
static bool is_lost(struct naru_link *link, naru_time now)
{
    const struct naru_link_config *c = &link->config;
    if (now >= link->burst_until && c->burst > 0 && chance(link, c->burst_ppm))
        link->burst_until =
            now + 1 + (naru_time)(naru_rand_u64(&link->rand) % (uint64_t)(2 * c->burst));
    turn_bad(link, now);
    return link->bad || now < link->burst_until || chance(link, c->loss_ppm);
}

/* Waits for its turn; false: no room to wait. */
static bool take_turn(struct naru_link *link, size_t len, naru_time now, naru_time *sent)
{
    const struct naru_link_config *c = &link->config;
    *sent = now;
    if (c->rate == 0)
        return true;
    naru_time begin = NARU_MAX(now, link->free_at);
    uint64_t waiting = (uint64_t)(begin - now) * c->rate / (uint64_t)NARU_SEC(1);
    if (c->queue != 0 && waiting + len > c->queue && waiting > 0)
        return false;
    *sent = link->free_at = begin + (naru_time)((uint64_t)len * (uint64_t)NARU_SEC(1) / c->rate);
    return true;
}

static bool half_full(const struct naru_link *link, naru_time now)
{
    const struct naru_link_config *c = &link->config;
    uint64_t waiting = link->free_at <= now ? 0 : (uint64_t)(link->free_at - now) * c->rate;
    return c->rate != 0 && waiting / (uint64_t)NARU_SEC(1) > c->queue / 2;
}

/* Nearly all go to the end. */
static void insert(struct naru_link *link, struct naru_link_frame *frame)
{
    struct naru_link_frame **at = &link->first;
    if (link->first != NULL && link->last->due <= frame->due)
        at = &link->last->next;
    while (*at != NULL && (*at)->due <= frame->due)
        at = &(*at)->next;
    frame->next = *at;
    *at = frame;
    if (frame->next == NULL)
        link->last = frame;
}

/* Marks an Ethernet frame CE, if what is in it is IP that may be. */
static bool mark(uint8_t *frame, size_t len)
{
    enum { TYPE = 12, VERSION = NARU_ETH_LEN, SUM = NARU_ETH_LEN + 10 };
    if (len < NARU_ETH_LEN + 20)
        return false;
    uint32_t type = naru_get16(frame + TYPE), word = naru_get16(frame + VERSION);
    unsigned shift = type == NARU_ETHERTYPE_IPV6 ? 4 : 0; /* of the two bits in the first word */
    if ((type != NARU_ETHERTYPE_IPV4 && shift == 0) || (word >> shift & 3) == NARU_ECN_NOT_ECT)
        return false;
    uint32_t marked = word | (uint32_t)NARU_ECN_CE << shift;
    naru_put16(frame + VERSION, marked);
    if (shift == 0) { /* RFC 1624 */
        uint32_t sum = (~naru_get16(frame + SUM) & 0xffffu) + (~word & 0xffffu) + marked;
        sum = (sum & 0xffff) + (sum >> 16);
        naru_put16(frame + SUM, ~(sum + (sum >> 16)) & 0xffff);
    }
    return true;
}

static void travel(struct naru_link *link, const void *bytes, size_t len, bool marks, naru_time due)
{
    struct naru_link_frame *frame = malloc(sizeof(*frame) + len);
    if (frame == NULL)
        return; /* one more that is lost */
    frame->due = due;
    frame->len = len;
    memcpy(frame->bytes, bytes, len);
    const struct naru_link_config *c = &link->config;
    if (marks && mark(frame->bytes, len))
        link->counters.marked++;
    if (len > c->corrupt_from && len >= c->corrupt_shortest && chance(link, c->corrupt_ppm)) {
        uint32_t at = naru_rand_between(&link->rand, c->corrupt_from, (uint32_t)len - 1);
        frame->bytes[at] ^= (uint8_t)(1U << naru_rand_below(&link->rand, 8));
        link->counters.corrupted++;
    }
    insert(link, frame);
}

static naru_time arrival(struct naru_link *link, naru_time sent)
{
    const struct naru_link_config *c = &link->config;
    naru_time due = sent + c->delay;
    if (c->jitter != 0)
        due += (naru_time)(naru_rand_u64(&link->rand) % (uint64_t)c->jitter);
    if (chance(link, c->reorder_ppm)) {
        link->counters.reordered++;
        return due + c->reorder_delay;
    }
    link->last_due = NARU_MAX(due, link->last_due);
    return link->last_due;
}

void naru_link_push(struct naru_link *link, const void *frame, size_t len, naru_time now)
{
    naru_time sent;
    if (is_down(link, now) || is_lost(link, now)) {
        link->counters.lost++;
        return;
    }
    if (!take_turn(link, len, now, &sent)) {
        link->counters.overflowed++;
        return;
    }
    bool marks =
        chance(link, link->config.mark_ppm) || (link->config.marks_queue && half_full(link, now));
    naru_time due = arrival(link, sent);
    travel(link, frame, len, marks, due);
    if (chance(link, link->config.duplicate_ppm)) {
        link->counters.duplicated++;
        travel(link, frame, len, marks, due + NARU_US(1 + naru_rand_below(&link->rand, 5000)));
    }
}

naru_time naru_link_deadline(const struct naru_link *link)
{
    return link->first == NULL ? NARU_NEVER : link->first->due;
}

struct naru_link_frame *naru_link_pop(struct naru_link *link, naru_time now)
{
    struct naru_link_frame *frame = link->first;
    if (frame == NULL || frame->due > now)
        return NULL;
    link->first = frame->next;
    link->counters.frames++;
    link->counters.bytes += frame->len;
    return frame;
}
