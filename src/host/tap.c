/*
 * Linux TAP devices; see tap.h.
 *
 * Reading.  A packet that would hold the largest frame is kept ready (big); one readv fills the
 * vnet header and it.  A large frame goes to the stack in it; a small one is copied into a packet
 * of its own size, so that a queue of small segments does not pin 64 KB each.  When the stack has
 * no memory for a big one, frames are read into memory of the driver's own, so that an
 * acknowledgement which would free some still gets in.
 *
 * Writing.  A frame that the device did not take is copied and held, and the stack is not asked for
 * another until it has gone: nothing is lost while a device is down or full.
 *
 * Not done: several queues (IFF_MULTI_QUEUE is set only to open a device made with it), io_uring.
 */
#include "host/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

/* Newer than the headers of some systems we build on. */
#define OFFLOAD_USO4 0x20 /* TUN_F_USO4, Linux 6.2 */
#define OFFLOAD_USO6 0x40 /* TUN_F_USO6 */
#define GSO_UDP_L4   5    /* VIRTIO_NET_HDR_GSO_UDP_L4 */

#define FRAME_MAX      (65535 + 64)
#define RX_BYTES_MAX   (256 * 1024) /* per turn: acknowledgements must not wait for megabytes */
#define RX_BURST       16           /* frames read before the stack sees the first */
#define SMALL_MAX      (FRAME_MAX / 2)
#define RETRY_INTERVAL NARU_MS(1)

struct naru_tap {
    struct naru_device device;
    struct naru_watch watch;
    struct naru_loop_timer retry;
    char name[IFNAMSIZ];
    uint32_t offload; /* enum naru_iface_offload */
    unsigned rx_batch, tx_batch;
    bool blocked; /* a frame is held; wait for EPOLLOUT or the timer */
    bool gone;    /* the device was removed under us */

    struct naru_pkt *big;
    uint8_t *scratch; /* FRAME_MAX bytes, only once memory was short */

    uint8_t *held;
    size_t held_len;

    struct naru_tap_stats stats;
};

/* ---- Opening ---- */

void naru_tap_config_init(struct naru_tap_config *config)
{
    *config = (struct naru_tap_config){ .fd = -1 };
}

static int open_by_name(const char *name)
{
    struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };

    if (name == NULL)
        name = "";
    if (strlen(name) >= sizeof(ifr.ifr_name))
        return -EINVAL;
    memcpy(ifr.ifr_name, name, strlen(name) + 1);
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    if (ioctl(fd, TUNSETIFF, &ifr) == 0)
        return fd;
    int error = errno;
    if (error == EINVAL && name[0] != '\0') {
        /* A persistent device made with several queues insists on the flag. */
        ifr.ifr_flags |= IFF_MULTI_QUEUE;
        if (ioctl(fd, TUNSETIFF, &ifr) == 0)
            return fd;
    }
    close(fd);
    return -error;
}

/* Agrees on offloads; what the kernel refuses is not used. */
static int negotiate(struct naru_tap *tap, bool no_offload)
{
    int fd = tap->watch.fd;
    struct ifreq ifr = { 0 };
    int header = sizeof(struct virtio_net_hdr);

    if (ioctl(fd, TUNGETIFF, &ifr) < 0)
        return -errno;
    if ((ifr.ifr_flags & IFF_TAP) == 0 || (ifr.ifr_flags & IFF_VNET_HDR) == 0 ||
        (ifr.ifr_flags & IFF_NO_PI) == 0)
        return -EINVAL;
    memcpy(tap->name, ifr.ifr_name, sizeof(tap->name));
    tap->name[sizeof(tap->name) - 1] = '\0';
    if (ioctl(fd, TUNSETVNETHDRSZ, &header) < 0)
        return -errno;

    unsigned tso = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
    unsigned uso = OFFLOAD_USO4 | OFFLOAD_USO6;
    tap->offload = 0;
    if (no_offload)
        return ioctl(fd, TUNSETOFFLOAD, 0UL) < 0 ? -errno : 0;
    if (ioctl(fd, TUNSETOFFLOAD, (unsigned long)(tso | uso)) == 0)
        tap->offload = NARU_OFFLOAD_TX_CSUM | NARU_OFFLOAD_TX_TSO | NARU_OFFLOAD_TX_USO;
    else if (ioctl(fd, TUNSETOFFLOAD, (unsigned long)tso) == 0)
        tap->offload = NARU_OFFLOAD_TX_CSUM | NARU_OFFLOAD_TX_TSO;
    else
        return ioctl(fd, TUNSETOFFLOAD, 0UL) < 0 ? -errno : 0;
    return 0;
}

int naru_tap_open(const struct naru_tap_config *config, struct naru_tap **out)
{
    int fd = config->fd;

    if (fd < 0)
        fd = open_by_name(config->name);
    else if (fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK) < 0)
        return -errno;
    if (fd < 0)
        return fd;

    struct naru_tap *tap = calloc(1, sizeof(*tap));
    int error = -ENOMEM;
    if (tap != NULL) {
        tap->watch.fd = fd;
        tap->rx_batch = config->rx_batch != 0 ? config->rx_batch : 64;
        tap->tx_batch = config->tx_batch != 0 ? config->tx_batch : 64;
        error = negotiate(tap, config->no_offload);
    }
    if (error < 0) {
        free(tap);
        if (config->fd < 0)
            close(fd); /* A descriptor that was lent stays the caller's. */
        return error;
    }
    *out = tap;
    return 0;
}

void naru_tap_close(struct naru_tap *tap)
{
    if (tap == NULL)
        return;
    naru_tap_detach(tap);
    close(tap->watch.fd);
    free(tap->scratch);
    free(tap->held);
    free(tap);
}

const char *naru_tap_name(const struct naru_tap *tap) { return tap->name; }
int naru_tap_fd(const struct naru_tap *tap) { return tap->watch.fd; }
uint32_t naru_tap_offload(const struct naru_tap *tap) { return tap->offload; }
void naru_tap_get_stats(const struct naru_tap *tap, struct naru_tap_stats *stats)
{
    *stats = tap->stats;
}

/* ---- virtio-net header <-> struct naru_offload ---- */

/*
 * Where the transport header ends.  The header's own hdr_len is only a hint: Linux writes the
 * length of the linear part of its buffer there.
 */
static uint32_t headers_len(const uint8_t *data, uint32_t len, const struct virtio_net_hdr *v,
                            enum naru_gso gso)
{
    if (gso == NARU_GSO_UDP)
        return v->csum_start + 8u;
    if (v->csum_start + 20u > len)
        return len + 1;
    return v->csum_start + 4u * (data[v->csum_start + 12u] >> 4);
}

static bool offload_parse(const struct virtio_net_hdr *v, const uint8_t *data, uint32_t len,
                          struct naru_offload *offload)
{
    enum naru_gso gso = NARU_GSO_NONE;

    *offload = (struct naru_offload){ .csum_valid = (v->flags & VIRTIO_NET_HDR_F_DATA_VALID) != 0 };
    if ((v->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) != 0) {
        if ((uint32_t)v->csum_start + v->csum_offset + 2u > len)
            return false;
        offload->csum_partial = 1;
        offload->csum_start = v->csum_start;
        offload->csum_offset = v->csum_offset;
    }
    switch (v->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
    case VIRTIO_NET_HDR_GSO_NONE:
        return true;
    case VIRTIO_NET_HDR_GSO_TCPV4:
        gso = NARU_GSO_TCP4;
        break;
    case VIRTIO_NET_HDR_GSO_TCPV6:
        gso = NARU_GSO_TCP6;
        break;
    case GSO_UDP_L4:
        gso = NARU_GSO_UDP;
        break;
    default:
        return false;
    }
    uint32_t headers = headers_len(data, len, v, gso);
    if (offload->csum_partial == 0 || v->gso_size == 0 || headers > len)
        return false;
    offload->gso = (uint8_t)gso;
    offload->gso_size = v->gso_size;
    offload->header_len = (uint16_t)headers;
    return true;
}

static void offload_emit(const struct naru_offload *offload, struct virtio_net_hdr *v)
{
    static const uint8_t gso_type[] = {
        [NARU_GSO_NONE] = VIRTIO_NET_HDR_GSO_NONE,
        [NARU_GSO_TCP4] = VIRTIO_NET_HDR_GSO_TCPV4,
        [NARU_GSO_TCP6] = VIRTIO_NET_HDR_GSO_TCPV6,
        [NARU_GSO_UDP] = GSO_UDP_L4,
    };

    memset(v, 0, sizeof(*v));
    if (offload->csum_partial) {
        v->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
        v->csum_start = offload->csum_start;
        v->csum_offset = offload->csum_offset;
    }
    if (offload->gso != NARU_GSO_NONE) {
        v->gso_type = gso_type[offload->gso];
        v->gso_size = offload->gso_size;
        v->hdr_len = offload->header_len;
    }
}

/* ---- From the device ---- */

/* The device was deleted or the descriptor taken away: no carrier any more. */
static void lose_device(struct naru_tap *tap, naru_time now)
{
    tap->gone = true;
    naru_watch_remove(&tap->watch);
    naru_loop_timer_stop(&tap->retry);
    (void)naru_iface_set_up(tap->device.attachment->stack, tap->device.ifindex, false, now);
}

/* A packet with the len bytes at frame, or NULL. */
static struct naru_pkt *copy_in(struct naru_stack *stack, const uint8_t *frame, uint32_t len)
{
    struct naru_pkt *pkt = naru_pkt_new(stack, len);

    if (pkt != NULL) {
        memcpy(pkt->data, frame, len);
        pkt->len = len;
    }
    return pkt;
}

/* Where the next frame is read to: the big packet, or, without memory, the driver's own; or NULL.
 */
static uint8_t *room_in(struct naru_tap *tap)
{
    if (tap->big == NULL)
        tap->big = naru_pkt_new(tap->device.attachment->stack, FRAME_MAX);
    if (tap->big != NULL)
        return tap->big->data;
    if (tap->scratch == NULL)
        tap->scratch = malloc(FRAME_MAX);
    return tap->scratch;
}

/* One frame, len bytes at room, in a packet that fits it, or NULL. */
static struct naru_pkt *packet_of(struct naru_tap *tap, const struct virtio_net_hdr *v,
                                  const uint8_t *room, uint32_t len)
{
    struct naru_pkt *pkt;
    struct naru_offload offload;

    if (!offload_parse(v, room, len, &offload)) {
        tap->stats.rx_bad++;
        return NULL;
    }
    if (tap->big != NULL && len > SMALL_MAX) {
        pkt = tap->big;
        pkt->len = len;
        tap->big = NULL;
    } else {
        pkt = copy_in(tap->device.attachment->stack, room, len);
    }
    if (pkt == NULL) {
        tap->stats.rx_nomem++;
        return NULL;
    }
    pkt->offload = offload;
    tap->stats.rx_frames++;
    tap->stats.rx_bytes += len;
    tap->stats.rx_gso += offload.gso != NARU_GSO_NONE;
    return pkt;
}

/* One read; the length of the frame, 0 when there is none; *pkt: it, or NULL. */
static uint32_t read_frame(struct naru_tap *tap, struct naru_pkt **pkt, naru_time now)
{
    struct virtio_net_hdr v;
    uint8_t *room = room_in(tap);
    struct iovec iov[2] = { { .iov_base = &v, .iov_len = sizeof(v) },
                            { .iov_base = room, .iov_len = FRAME_MAX } };

    if (room == NULL)
        return 0;
    ssize_t got = readv(tap->watch.fd, iov, 2);
    if (got < 0 && errno != EAGAIN && errno != EINTR && errno != ENOMEM && errno != ENOBUFS)
        lose_device(tap, now);
    if (got <= (ssize_t)sizeof(v))
        return 0;
    uint32_t len = (uint32_t)((size_t)got - sizeof(v));
    *pkt = packet_of(tap, &v, room, len);
    return len;
}

/* At most max frames, and about so many bytes; false: there is nothing more for this turn. */
static bool read_burst(struct naru_tap *tap, unsigned max, uint32_t *bytes, naru_time now)
{
    struct naru_pkt *pkt[RX_BURST];
    unsigned count = 0;
    bool more = true;

    for (unsigned i = 0; i < max && more; i++) {
        uint32_t len = read_frame(tap, &pkt[count], now);
        more = len != 0 && (*bytes += len) < RX_BYTES_MAX;
        count += len != 0 && pkt[count] != NULL;
    }
    if (count > 0)
        naru_stack_input_burst(tap->device.attachment->stack, tap->device.ifindex, pkt, count, now);
    return more;
}

static void read_batch(struct naru_tap *tap, naru_time now)
{
    uint32_t bytes = 0;
    unsigned left = tap->rx_batch, part;

    do {
        part = left < RX_BURST ? left : RX_BURST;
        left -= part;
    } while (read_burst(tap, part, &bytes, now) && left > 0);
}

/* ---- To the device ---- */

/* Keeps the frame (its iovec, vnet header first) until the device takes it again. */
static bool hold(struct naru_tap *tap, const struct iovec *iov, unsigned count, size_t len)
{
    tap->held = malloc(len);
    if (tap->held == NULL)
        return false;
    tap->held_len = 0;
    for (unsigned i = 0; i < count; i++) {
        memcpy(tap->held + tap->held_len, iov[i].iov_base, iov[i].iov_len);
        tap->held_len += iov[i].iov_len;
    }
    return true;
}

/* The device took nothing now and said error: wait for room, or a little, or give it up. */
static void wait_for_room(struct naru_tap *tap, int error, naru_time now)
{
    tap->blocked = true;
    tap->stats.tx_full++;
    if (error == ENOMEM || error == ENOBUFS)
        naru_loop_timer_set(tap->watch.loop, &tap->retry, now + RETRY_INTERVAL);
    else
        (void)naru_watch_modify(&tap->watch, EPOLLIN | EPOLLOUT);
}

/* EIO: the device is down, and tells by EPOLLOUT when it is up again. */
static bool error_passes(int error)
{
    return error == EAGAIN || error == EIO || error == ENOMEM || error == ENOBUFS;
}

static void write_failed(struct naru_tap *tap, const struct iovec *iov, unsigned count, size_t len,
                         int error, naru_time now)
{
    if (error == EBADFD || error == EBADF) {
        tap->stats.tx_failed++;
        lose_device(tap, now);
    } else if (error_passes(error) && hold(tap, iov, count, len)) {
        wait_for_room(tap, error, now);
    } else {
        tap->stats.tx_failed++;
    }
}

static ssize_t write_iov(struct naru_tap *tap, const struct iovec *iov, unsigned count)
{
    ssize_t done;

    do {
        done = writev(tap->watch.fd, iov, (int)count);
    } while (done < 0 && errno == EINTR);
    return done;
}

static void write_frame(struct naru_tap *tap, const struct naru_frame *frame, naru_time now)
{
    struct virtio_net_hdr v;
    struct iovec iov[1 + NARU_FRAME_SLICES];
    unsigned count = 1;

    offload_emit(&frame->offload, &v);
    iov[0] = (struct iovec){ .iov_base = &v, .iov_len = sizeof(v) };
    for (unsigned i = 0; i < frame->slice_count; i++) {
        union {
            const void *from;
            void *to;
        } at = { .from = frame->slice[i].at }; /* writev only reads */
        iov[count++] = (struct iovec){ .iov_base = at.to, .iov_len = frame->slice[i].len };
    }
    tap->stats.tx_frames++;
    tap->stats.tx_bytes += frame->len;
    tap->stats.tx_gso += frame->offload.gso != NARU_GSO_NONE;
    if (write_iov(tap, iov, count) < 0)
        write_failed(tap, iov, count, sizeof(v) + frame->len, errno, now);
}

static bool tap_output(struct naru_device *device, naru_time now)
{
    struct naru_tap *tap = (struct naru_tap *)(void *)device; /* its first member */
    struct naru_frame frame;
    unsigned n = 0;

    while (n < tap->tx_batch && !tap->blocked && !tap->gone &&
           naru_stack_output(device->attachment->stack, device->ifindex, &frame, now)) {
        write_frame(tap, &frame, now);
        n++;
    }
    return n > 0;
}

/* The held frame goes first; then the loop asks for the next when it settles. */
static void write_held(struct naru_tap *tap, naru_time now)
{
    if (!tap->blocked)
        return;
    struct iovec iov = { .iov_base = tap->held, .iov_len = tap->held_len };
    if (write_iov(tap, &iov, 1) < 0) {
        if (error_passes(errno)) {
            wait_for_room(tap, errno, now);
            return;
        }
        tap->stats.tx_failed++;
    }
    free(tap->held);
    tap->held = NULL;
    tap->blocked = false;
    (void)naru_watch_modify(&tap->watch, EPOLLIN);
}

/* ---- In the loop ---- */

static void tap_retry(struct naru_loop_timer *timer, naru_time now)
{
    write_held(timer->user, now);
}

static void tap_ready(struct naru_watch *watch, uint32_t events)
{
    struct naru_tap *tap = watch->user;
    naru_time now = naru_loop_now(watch->loop);

    if (tap->device.attachment == NULL) { /* The stack was detached without us. */
        naru_tap_detach(tap);
        return;
    }
    if ((events & EPOLLOUT) != 0)
        write_held(tap, now);
    if ((events & EPOLLIN) != 0)
        read_batch(tap, now);
    else if ((events & (EPOLLERR | EPOLLHUP)) != 0)
        lose_device(tap, now);
}

int naru_tap_attach(struct naru_tap *tap, struct naru_attachment *attachment, unsigned ifindex)
{
    if (tap->watch.loop != NULL || attachment->loop == NULL)
        return -EINVAL;
    tap->watch.events = EPOLLIN;
    tap->watch.ready = tap_ready;
    tap->watch.user = tap;
    int error = naru_watch_add(attachment->loop, &tap->watch);
    if (error < 0)
        return error;
    tap->retry.fire = tap_retry;
    tap->retry.user = tap;
    tap->device.ifindex = ifindex;
    tap->device.output = tap_output;
    naru_device_add(attachment, &tap->device);
    return 0;
}

void naru_tap_detach(struct naru_tap *tap)
{
    naru_watch_remove(&tap->watch);
    naru_loop_timer_stop(&tap->retry);
    naru_device_remove(&tap->device);
    if (tap->big != NULL)
        naru_pkt_free(tap->big);
    tap->big = NULL;
    free(tap->held);
    tap->held = NULL;
    tap->blocked = false;
}
