/*
 * Packets as they cross the border between a driver and a stack.
 *
 * Inward: a driver takes an empty packet from the stack it will feed (naru_pkt_new), fills data and
 * len, describes what its device already did in offload, and hands the packet over with
 * naru_stack_input; from then on it is the stack's.
 *
 * Outward: nothing is queued.  The driver asks for the next frame when its device has room
 * (naru_stack_output) and gets slices that are good until its next call into that stack.
 */
#ifndef NARU_PKT_H
#define NARU_PKT_H

#include <naru/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct naru_stack;
struct naru_pktpool;

/* What is left to do, or already done, with the meaning of the virtio-net header. */
enum naru_gso {
    NARU_GSO_NONE = 0,
    NARU_GSO_TCP4 = 1,
    NARU_GSO_TCP6 = 2,
    NARU_GSO_UDP = 3, /* UDP segmentation (USO): datagrams of gso_size, the last may be shorter */
};

struct naru_offload {
    uint8_t csum_partial; /* checksum left to do: from csum_start to the end, into csum_start +
                             csum_offset */
    uint8_t csum_valid;   /* inward: the device has verified the transport checksum */
    uint8_t gso;          /* enum naru_gso */
    uint8_t reserved;
    uint16_t gso_size;   /* payload bytes of each segment the packet stands for; 0 without gso */
    uint16_t header_len; /* link, network and transport headers together; 0 without gso */
    uint16_t csum_start; /* from the first byte of the frame */
    uint16_t csum_offset;
};

/*
 * One received frame.  A driver sets data, len and offload; everything else is the stack's.
 * data points into the packet's own buffer of capacity bytes, at its first byte when new; a driver
 * may move it forward (for headroom), never beyond data + capacity.
 */
struct naru_pkt {
    uint8_t *data;
    uint32_t len;
    uint32_t capacity; /* bytes from the start of the buffer */
    struct naru_offload offload;

    /* The stack's own. */
    struct naru_pkt *next;
    struct naru_pktpool *pool;
    uint32_t seq; /* TCP: sequence number of data[0] */
    uint8_t size_class;
    uint8_t flags;
    uint16_t ifindex;
    uint8_t tos, hop_limit; /* as received */
    union {
        struct naru_endpoint endpoint[2]; /* received datagrams: from, to */
        struct {
            uint8_t mac[6]; /* packets to send: where the link layer sends it */
            uint16_t ethertype;
            uint32_t mtu; /* of the path: longer ones leave as fragments */
        } link;
    } meta;
};

/*
 * An empty packet with room for capacity bytes (at most 65535 + 64), or NULL when the allocator or
 * the stack's memory limit is exhausted: the driver then leaves the frame with its device and tries
 * again later, or reads and throws it away.  Owned by the caller until naru_stack_input or
 * naru_pkt_free.
 */
struct naru_pkt *naru_pkt_new(struct naru_stack *stack, size_t capacity);
void naru_pkt_free(struct naru_pkt *pkt);

/* A run of bytes that belongs to someone else. */
struct naru_slice {
    const void *at;
    size_t len;
};

/* The same, to be filled. */
struct naru_room {
    void *at;
    size_t len;
};

#define NARU_FRAME_SLICES 24
#define NARU_FRAME_HEAD   192

/*
 * One frame to transmit: slice[0..slice_count) are its bytes in order, len their sum.  The caller
 * provides the struct (it need not be cleared); the bytes stay good until the caller's next call
 * into the stack.  head is the storage of headers built for this frame.
 */
struct naru_frame {
    struct naru_slice slice[NARU_FRAME_SLICES];
    unsigned slice_count;
    size_t len;
    struct naru_offload offload;
    uint8_t head[NARU_FRAME_HEAD];
};

/* Copies the frame's bytes to at, which has room for frame->len. */
void naru_frame_copy(const struct naru_frame *frame, void *at);

#ifdef __cplusplus
}
#endif

#endif
