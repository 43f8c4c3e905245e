/* An in-memory wire; see wire.h. */
#include "host/wire.h"

#include <assert.h>

/* The largest frame an interface gives: a super-segment, or a whole IP packet, with its Ethernet
 * header. */
#define FRAME_MAX (65535 + 64)
/* Carried at once: what the other end has to say to it must not wait for megabytes. */
#define BYTES_MAX (256 * 1024)

/* A packet of the receiver that holds the frame: one of its size, or the spare. */
static struct naru_pkt *take_in(struct naru_wire_end *end, struct naru_stack *receiver, size_t len)
{
    struct naru_pkt *pkt = len <= FRAME_MAX / 2 ? naru_pkt_new(receiver, len) : NULL;

    if (pkt == NULL) {
        pkt = end->spare;
        end->spare = NULL;
    }
    return pkt;
}

/* Moves one frame from this end to the other; false when there is none or no memory for it. */
static bool carry(struct naru_wire_end *end, naru_time now)
{
    struct naru_device *to = &end->peer->device;
    struct naru_stack *receiver = to->attachment->stack;
    struct naru_frame frame;

    if (end->spare == NULL)
        end->spare = naru_pkt_new(receiver, FRAME_MAX);
    if (end->spare == NULL) {
        end->starved++;
        return false;
    }
    if (!naru_stack_output(end->device.attachment->stack, end->device.ifindex, &frame, now))
        return false;

    struct naru_pkt *pkt = take_in(end, receiver, frame.len);
    assert(frame.len <= FRAME_MAX && pkt != NULL);
    naru_frame_copy(&frame, pkt->data);
    pkt->len = (uint32_t)frame.len;
    pkt->offload = frame.offload;
    end->frames++;
    end->bytes += frame.len;
    naru_stack_input(receiver, to->ifindex, pkt, now);
    return true;
}

static bool wire_output(struct naru_device *device, naru_time now)
{
    struct naru_wire_end *end = (struct naru_wire_end *)(void *)device; /* its first member */
    unsigned n = 0;

    if (end->peer->device.attachment == NULL)
        return false; /* The other stack has left. */
    uint64_t until = end->bytes + BYTES_MAX;
    while (n < end->batch && end->bytes < until && carry(end, now))
        n++;
    return n > 0;
}

void naru_wire_attach(struct naru_wire *wire, struct naru_attachment *a, unsigned ifindex_a,
                      struct naru_attachment *b, unsigned ifindex_b)
{
    struct naru_attachment *side[2] = { a, b };
    unsigned ifindex[2] = { ifindex_a, ifindex_b };

    for (unsigned i = 0; i < 2; i++) {
        wire->end[i] = (struct naru_wire_end){
            .device = { .ifindex = ifindex[i], .output = wire_output },
            .peer = &wire->end[1 - i],
            .batch = wire->batch != 0 ? wire->batch : 64,
        };
        naru_device_add(side[i], &wire->end[i].device);
    }
}

void naru_wire_detach(struct naru_wire *wire)
{
    for (unsigned i = 0; i < 2; i++) {
        naru_device_remove(&wire->end[i].device);
        if (wire->end[i].spare != NULL)
            naru_pkt_free(wire->end[i].spare);
        wire->end[i].spare = NULL;
    }
}
