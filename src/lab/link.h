/*
 * One direction of an imperfect link, in virtual time, from a seed.
 *
 * A frame that is pushed waits in a queue of bounded length for its turn at the link's rate, and
 * then travels: it may be lost (each by chance, or many in a row), arrive twice, late, or with one
 * bit turned, or marked CE where it is ECN-capable (RFC 3168 5).  While the link is down what is
 * pushed is lost.  What fate a frame has depends on the seed and on the frames before it alone.
 *
 * Frames are bytes: the checksums of what is pushed must be complete.
 */
#ifndef NARU_LAB_LINK_H
#define NARU_LAB_LINK_H

#include "base/rand.h"
#include <naru/types.h>

struct naru_link_config {
    naru_time delay;        /* of every frame */
    naru_time jitter;       /* and up to so much more, in order */
    uint64_t rate;          /* bytes a second; 0: no limit */
    uint32_t queue;         /* bytes that may wait for their turn; 0: no limit */
    uint32_t loss_ppm;      /* chance of each frame, of a million */
    uint32_t burst_ppm;     /* chance that a burst of losses begins */
    naru_time burst;        /* its mean length: everything is lost in it */
    uint32_t gilbert_ppm;   /* Gilbert-Elliott, by frames: chance that the bad state begins, */
    uint32_t elliott_ppm;   /* and that it ends; in it everything is lost */
    naru_time bad_max;      /* it ends after this time, too */
    uint32_t duplicate_ppm; /* arrives twice */
    uint32_t reorder_ppm;   /* arrives reorder_delay late, overtaken by others */
    uint32_t corrupt_ppm;   /* arrives with one bit turned */
    uint32_t mark_ppm;      /* is marked CE, if it is ECN-capable */
    bool marks_queue;       /* the same for all that find the queue half full */
    naru_time reorder_delay;
    uint32_t corrupt_from; /* the first byte that may be: those before are checked by a device */
    uint32_t corrupt_shortest; /* shorter frames are spared: ARP has no checksum of its own */
    naru_time up, down; /* goes down for so long after each time of being up; down 0: never */
};

struct naru_link_counters {
    uint64_t frames, bytes; /* delivered */
    uint64_t lost, overflowed, duplicated, reordered, corrupted, marked;
};

struct naru_link_frame {
    struct naru_link_frame *next;
    naru_time due;
    size_t len;
    uint8_t bytes[];
};

struct naru_link {
    struct naru_link_config config;
    struct naru_rand rand;
    struct naru_link_frame *first, *last; /* by due, those of one instant in the order of pushing */
    naru_time free_at;                    /* when the frame at its turn has been sent */
    naru_time last_due;                   /* of those in order */
    naru_time began;
    naru_time burst_until;
    bool bad; /* the state of Gilbert and Elliott */
    naru_time bad_until;
    struct naru_link_counters counters;
};

void naru_link_init(struct naru_link *link, const struct naru_link_config *config, uint64_t seed,
                    naru_time now);
void naru_link_deinit(struct naru_link *link);

/* The frame's bytes are copied.  Time does not go backward from call to call. */
void naru_link_push(struct naru_link *link, const void *frame, size_t len, naru_time now);

/* When the next frame arrives; NARU_NEVER. */
naru_time naru_link_deadline(const struct naru_link *link);

/* The next frame that has arrived by now, for the caller to free(); NULL. */
struct naru_link_frame *naru_link_pop(struct naru_link *link, naru_time now);

#endif
