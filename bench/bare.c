/*
 * What a TAP with offloads carries when nothing but reads and writes happens at its other end: the
 * reference of bench/tap.py.
 *
 *   bare in|out TAP OURS THEIRS PORT BYTES      (IPv4 addresses: ours, and the kernel's)
 *
 * in: the kernel sends; frames are read into one buffer, and an ACK for all of a batch is written.
 * out: super-segments of one buffer are written as far as the kernel's window goes, and its ACKs
 * are read.  Only sequence numbers are kept of TCP (RFC 9293): no checks, no options but the scale
 * of windows (RFC 7323), no checksums (the device's), no buffers, no copies.
 * Prints bytes a second and CPU seconds of this process, as JSON.
 */
#include "ends.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    ETH = 14,
    IP = ETH,
    TCP = IP + 20,
    PAYLOAD = TCP + 20,
    FRAME_MAX = 65535 + 64,
    MSS = 1460,
    SUPER = 44 * MSS, /* the most that is below 64 KB */
    BATCH = 4,        /* frames read before they are acknowledged */
    SCALE = 10,
    RETRY_MS = 200,
    FIN = 1,
    SYN = 2,
    ACK = 16,
};

struct bare {
    int fd;
    uint8_t our_mac[6], their_mac[6];
    uint32_t ours, theirs;         /* addresses, in network order */
    uint16_t our_port, their_port; /* in host order */
    uint32_t snd_nxt, snd_una, rcv_nxt, window;
    unsigned scale; /* of their window */
    bool open, fin; /* SYN was acknowledged; the other side has ended */
    uint8_t in[FRAME_MAX], out[FRAME_MAX];
};

static void put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
    put16(at, value >> 16);
    put16(at + 2, value);
}

static uint32_t get16(const uint8_t *at) { return (uint32_t)at[0] << 8 | at[1]; }

static uint32_t get32(const uint8_t *at) { return get16(at) << 16 | get16(at + 2); }

/* ---- The device ---- */

static void open_tap(struct bare *bare, const char *name)
{
    struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
    int header = sizeof(struct virtio_net_hdr);
    int any = socket(AF_INET, SOCK_DGRAM, 0);

    snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
    bare->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
    if (bare->fd < 0 || ioctl(bare->fd, TUNSETIFF, &ifr) < 0 ||
        ioctl(bare->fd, TUNSETVNETHDRSZ, &header) < 0 ||
        ioctl(bare->fd, TUNSETOFFLOAD, (unsigned long)(TUN_F_CSUM | TUN_F_TSO4)) < 0)
        die("TAP");
    if (any < 0 || ioctl(any, SIOCGIFHWADDR, &ifr) < 0)
        die("the device's address");
    memcpy(bare->their_mac, ifr.ifr_hwaddr.sa_data, 6);
    memcpy(bare->our_mac, "\x02\0\0\0\0\x02", 6);
    close(any);
}

/* False: nothing for so long. */
static bool wait_for(const struct bare *bare, short events, int timeout_ms)
{
    struct pollfd poller = { .fd = bare->fd, .events = events };
    return poll(&poller, 1, timeout_ms) > 0;
}

static void must_wait_for(const struct bare *bare, short events)
{
    if (!wait_for(bare, events, 10000))
        die("nothing for ten seconds");
}

static void write_frame(struct bare *bare, const struct virtio_net_hdr *v, size_t len)
{
    struct virtio_net_hdr head = *v;
    struct iovec iov[2] = { { &head, sizeof(head) }, { bare->out, len } };
    while (writev(bare->fd, iov, 2) < 0) {
        if (errno != EAGAIN)
            die("write");
        must_wait_for(bare, POLLOUT);
    }
}

/* Frames of the length, without its vnet header; 0 if there is none. */
static size_t read_frame(struct bare *bare)
{
    struct virtio_net_hdr v;
    struct iovec iov[2] = { { &v, sizeof(v) }, { bare->in, sizeof(bare->in) } };
    ssize_t got = readv(bare->fd, iov, 2);
    if (got < 0 && errno != EAGAIN)
        die("read");
    return got <= (ssize_t)sizeof(v) ? 0 : (size_t)got - sizeof(v);
}

/* ---- Headers ---- */

static void answer_arp(struct bare *bare)
{
    uint8_t *p = bare->out + ETH;
    struct virtio_net_hdr v = { 0 };

    memcpy(bare->out, bare->in + 6, 6);
    memcpy(bare->out + 6, bare->our_mac, 6);
    memcpy(p - 2, bare->in + ETH - 2, 8); /* type, and what ARP is for */
    put16(p + 6, 2);
    memcpy(p + 8, bare->our_mac, 6);
    memcpy(p + 14, &bare->ours, 4);
    memcpy(p + 18, bare->in + ETH + 8, 10);
    write_frame(bare, &v, ETH + 28);
}

static uint16_t sum_of(const uint8_t *at, size_t len, uint32_t sum)
{
    for (size_t i = 0; i < len; i += 2)
        sum += get16(at + i);
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

/* Headers in front of len bytes of payload that nobody looks at. */
static void send_segment(struct bare *bare, unsigned flags, size_t len)
{
    uint8_t *ip = bare->out + IP, *tcp = bare->out + TCP;
    size_t options = (flags & SYN) != 0 ? 8 : 0;
    struct virtio_net_hdr v = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
                                .csum_start = TCP,
                                .csum_offset = 16,
                                .hdr_len = PAYLOAD };

    if (len > MSS) {
        v.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
        v.gso_size = MSS;
    }
    memcpy(bare->out, bare->their_mac, 6);
    memcpy(bare->out + 6, bare->our_mac, 6);
    put16(bare->out + 12, ETH_P_IP);
    memset(ip, 0, 40);
    put16(ip, 0x4500);
    put16(ip + 2, (uint32_t)(40 + options + len));
    put16(ip + 6, 0x4000);
    put16(ip + 8, 64 << 8 | IPPROTO_TCP);
    memcpy(ip + 12, &bare->ours, 4);
    memcpy(ip + 16, &bare->theirs, 4);
    put16(ip + 10, (uint16_t)~sum_of(ip, 20, 0));
    put16(tcp, bare->our_port);
    put16(tcp + 2, bare->their_port);
    put32(tcp + 4, bare->snd_nxt);
    put32(tcp + 8, (flags & ACK) != 0 ? bare->rcv_nxt : 0);
    put16(tcp + 12, (uint32_t)(5 + options / 4) << 12 | flags);
    put16(tcp + 14, 16384);
    if (options != 0) {
        put32(tcp + 20, 2U << 24 | 4U << 16 | MSS);
        put32(tcp + 24, 1U << 24 | 3U << 16 | 3U << 8 | SCALE);
    }
    put16(tcp + 16, sum_of(ip + 12, 8, IPPROTO_TCP + (uint32_t)(20 + options + len)));
    write_frame(bare, &v, PAYLOAD + options + len);
    bare->snd_nxt += (uint32_t)len + ((flags & (SYN | FIN)) != 0);
}

static void parse_syn(struct bare *bare, const uint8_t *tcp, size_t header)
{
    for (size_t i = 20; i + 1 < header && tcp[i] != 0;
         i += tcp[i] == 1 || tcp[i + 1] == 0 ? 1 : tcp[i + 1])
        if (tcp[i] == 3)
            bare->scale = tcp[i + 2];
    bare->their_port = (uint16_t)get16(tcp);
    bare->rcv_nxt = get32(tcp + 4) + 1;
}

/* The bytes of payload in the frame that was read; it may be anything. */
static size_t take_frame(struct bare *bare, size_t len)
{
    const uint8_t *ip = bare->in + IP, *tcp = bare->in + TCP;
    if (len >= ETH + 28 && get16(bare->in + 12) == ETH_P_ARP && get16(bare->in + ETH + 6) == 1)
        answer_arp(bare);
    if (len < PAYLOAD || get16(bare->in + 12) != ETH_P_IP || ip[9] != IPPROTO_TCP ||
        get16(tcp + 2) != bare->our_port)
        return 0;
    unsigned flags = tcp[13];
    size_t header = 4 * (size_t)(tcp[12] >> 4), payload = get16(ip + 2) - 20 - header;
    if ((flags & SYN) != 0)
        parse_syn(bare, tcp, header);
    if ((flags & ACK) != 0) {
        bare->open = true;
        bare->snd_una = get32(tcp + 8);
        bare->window = get16(tcp + 14) << ((flags & SYN) != 0 ? 0 : bare->scale);
    }
    bare->rcv_nxt += (uint32_t)payload;
    bare->fin = bare->fin || (flags & FIN) != 0;
    return payload;
}

/* ---- The two directions ---- */

static uint64_t run_in(struct bare *bare, double *begin)
{
    uint64_t total = 0;
    size_t len;
    while (bare->rcv_nxt == 0) {
        must_wait_for(bare, POLLIN);
        while ((len = read_frame(bare)) > 0)
            take_frame(bare, len);
    }
    send_segment(bare, SYN | ACK, 0);
    *begin = wall_now();
    while (!bare->fin) {
        uint64_t before = total;
        must_wait_for(bare, POLLIN);
        for (int i = 0; i < BATCH && (len = read_frame(bare)) > 0; i++)
            total += take_frame(bare, len);
        if (total != before && !bare->fin)
            send_segment(bare, ACK, 0);
    }
    bare->rcv_nxt++;
    send_segment(bare, ACK | FIN, 0);
    return total;
}

static void read_acks(struct bare *bare)
{
    size_t len;
    while ((len = read_frame(bare)) > 0)
        take_frame(bare, len);
}

/* What of len may be sent now: all of it, or what there is when nothing is on the way. */
static size_t room_for(const struct bare *bare, size_t len)
{
    uint32_t flight = bare->snd_nxt - bare->snd_una;
    size_t room = bare->window > flight ? bare->window - flight : 0;
    if (len <= room)
        return len;
    return flight == 0 ? room : 0;
}

/* Waits for an ACK; without one, what is on the way is said anew: what it returns. */
static uint32_t await_ack(struct bare *bare)
{
    uint32_t lost = bare->snd_nxt - bare->snd_una;
    if (wait_for(bare, POLLIN, RETRY_MS))
        return 0;
    fprintf(stderr, "bare: %u bytes again\n", lost);
    bare->snd_nxt = bare->snd_una;
    return lost;
}

static uint64_t run_out(struct bare *bare, uint64_t bytes, double *begin)
{
    uint64_t left = bytes;
    while (!bare->open) {
        if (bare->snd_nxt == bare->snd_una)
            send_segment(bare, SYN, 0);
        await_ack(bare);
        read_acks(bare);
    }
    send_segment(bare, ACK, 0);
    *begin = wall_now();
    while (left > 0 || bare->snd_una != bare->snd_nxt) {
        size_t len = room_for(bare, left < SUPER ? (size_t)left : SUPER);
        if (len > 0)
            send_segment(bare, ACK, len);
        else
            left += await_ack(bare);
        left -= len;
        read_acks(bare);
    }
    return bytes;
}

static void end_out(struct bare *bare)
{
    send_segment(bare, ACK | FIN, 0);
    while (!bare->fin) {
        must_wait_for(bare, POLLIN);
        read_acks(bare);
    }
    bare->rcv_nxt++;
    send_segment(bare, ACK, 0);
}

int main(int argc, char **argv)
{
    static struct bare bare;
    struct rusage usage;
    bool is_in = argc == 7 && strcmp(argv[1], "in") == 0;
    double begin;
    if (argc != 7 || inet_pton(AF_INET, argv[3], &bare.ours) != 1 ||
        inet_pton(AF_INET, argv[4], &bare.theirs) != 1) {
        fprintf(stderr, "usage: bare in|out TAP OURS THEIRS PORT BYTES\n");
        return 2;
    }
    bare.our_port = is_in ? (uint16_t)strtoul(argv[5], NULL, 10) : 40000;
    bare.their_port = (uint16_t)strtoul(argv[5], NULL, 10);
    bare.snd_nxt = bare.snd_una = 1;
    open_tap(&bare, argv[2]);
    printf("listening\n");
    fflush(stdout);
    uint64_t total =
        is_in ? run_in(&bare, &begin) : run_out(&bare, strtoull(argv[6], NULL, 10), &begin);
    double took = wall_now() - begin;
    if (!is_in)
        end_out(&bare);
    getrusage(RUSAGE_SELF, &usage);
    printf("[%.0f, %.4f]\n", (double)total / took,
           (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec * 1e-6 +
               (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec * 1e-6);
    return 0;
}
