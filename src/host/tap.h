/*
 * Linux TAP devices, with the kernel's offloads.
 *
 * The device is opened with IFF_NO_PI | IFF_VNET_HDR, so that every frame carries a virtio-net
 * header, which struct naru_offload mirrors: checksums are left to the reader, and one frame of up
 * to 64 KB stands for many segments, in both directions.
 *
 * Life: naru_tap_open; naru_iface_add with naru_tap_offload() in its config; naru_tap_attach; ...;
 * naru_tap_detach; naru_tap_close.  Giving the host's side an address and setting it up is not the
 * driver's job; link.h has helpers for programs that do it.
 *
 * Functions return 0 or a negative errno.
 */
#ifndef NARU_HOST_TAP_H
#define NARU_HOST_TAP_H

#include "host/loop.h"

struct naru_tap;

struct naru_tap_config {
    const char
        *name; /* an existing persistent device or a new one; NULL or "": the kernel names it */
    int fd;    /* >= 0: adopt this open TAP (made with IFF_VNET_HDR), name is not used; else -1 */
    bool no_offload;   /* MSS-sized frames with checksums only */
    unsigned rx_batch; /* frames read per turn; 0: 64 */
    unsigned tx_batch; /* frames written per turn; 0: 64 */
};

/* name NULL, fd -1, all else 0. */
void naru_tap_config_init(struct naru_tap_config *config);

/* -EPERM, -EBUSY (name in use by another), -ENOENT (/dev/net/tun), -EINVAL (no vnet header), ... */
int naru_tap_open(const struct naru_tap_config *config, struct naru_tap **out);
/* Closes the fd; a device that is not persistent is gone then.  Detaches first if need be. */
void naru_tap_close(struct naru_tap *tap);

/* As the kernel calls it. */
const char *naru_tap_name(const struct naru_tap *tap);
int naru_tap_fd(const struct naru_tap *tap);
/* What was agreed with the kernel: enum naru_iface_offload, or-ed, for naru_iface_config. */
uint32_t naru_tap_offload(const struct naru_tap *tap);

/* Frames flow between the device and that interface of attachment->stack, which is in a loop
 * already. */
int naru_tap_attach(struct naru_tap *tap, struct naru_attachment *attachment, unsigned ifindex);
void naru_tap_detach(struct naru_tap *tap);

struct naru_tap_stats {
    uint64_t rx_frames, rx_bytes,
        rx_gso;        /* read and handed to the stack; of these super-segments */
    uint64_t rx_nomem; /* frames read and thrown away: the stack had no memory for them */
    uint64_t rx_bad;   /* frames whose vnet header makes no sense, thrown away */
    uint64_t tx_frames, tx_bytes, tx_gso;
    uint64_t tx_full;   /* times the device had no room */
    uint64_t tx_failed; /* frames the device refused for good; the stack sees them as lost */
};

void naru_tap_get_stats(const struct naru_tap *tap, struct naru_tap_stats *stats);

#endif
