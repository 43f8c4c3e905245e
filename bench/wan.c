/*
 * A link between two TAPs of two network namespaces, in real time: delay, losses, rate and queue of
 * lab/link.h, from a seed, so that two runs lose frames of the same numbers.
 *
 *     naru-wan NETNS TAP NETNS TAP DELAY_US RATE QUEUE LOSS_PPM SEED
 *
 * RATE is bytes a second and QUEUE bytes, of each direction; LOSS_PPM is of the frames from the
 * first to the second end that are longer than 200 bytes.  Prints "ready", then carries frames
 * until it is ended.  Needs root.
 */
#include "base/defs.h"
#include "lab/link.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { FRAME_MAX = 65536, ACK_MAX = 200, TURN = 64 };

struct end {
    int fd;
    struct naru_link out;  /* what it sends */
    struct naru_link bare; /* its short frames: the same path, but no losses */
};

static naru_time clock_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return NARU_SEC((naru_time)ts.tv_sec) + ts.tv_nsec;
}

static void fail(const char *what)
{
    fprintf(stderr, "naru-wan: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int open_tap(const char *netns, const char *name)
{
    char path[128];
    struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };
    snprintf(path, sizeof(path), "/var/run/netns/%s", netns);
    int space = open(path, O_RDONLY | O_CLOEXEC);
    if (space < 0 || setns(space, CLONE_NEWNET) < 0)
        fail(path);
    close(space);
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
    if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) < 0)
        fail(name);
    return fd;
}

/* Frames that the kernel sends into the TAP begin to travel. */
static void take(struct end *e, naru_time now)
{
    static uint8_t frame[FRAME_MAX];
    for (unsigned i = 0; i < TURN; i++) {
        ssize_t len = read(e->fd, frame, sizeof(frame));
        if (len <= 0)
            return;
        naru_link_push(len > ACK_MAX ? &e->out : &e->bare, frame, (size_t)len, now);
    }
}

static void deliver(struct naru_link *link, int fd, naru_time now)
{
    struct naru_link_frame *frame;
    while ((frame = naru_link_pop(link, now)) != NULL) {
        if (write(fd, frame->bytes, frame->len) < 0 && errno != EAGAIN && errno != EIO)
            fail("write");
        free(frame);
    }
}

static void carry(struct end end[2])
{
    for (;;) {
        naru_time now = clock_now(), next = now + NARU_SEC(1);
        struct pollfd fds[2] = { { end[0].fd, POLLIN, 0 }, { end[1].fd, POLLIN, 0 } };
        for (unsigned n = 0; n < 2; n++) {
            take(&end[n], now);
            deliver(&end[n].out, end[!n].fd, now);
            deliver(&end[n].bare, end[!n].fd, now);
            next = NARU_MIN(next, naru_link_deadline(&end[n].out));
            next = NARU_MIN(next, naru_link_deadline(&end[n].bare));
        }
        naru_time wait = NARU_MAX(next - clock_now(), 0);
        struct timespec ts = { .tv_sec = wait / NARU_SEC(1), .tv_nsec = wait % NARU_SEC(1) };
        if (ppoll(fds, 2, &ts, NULL) < 0 && errno != EINTR)
            fail("ppoll");
    }
}

int main(int argc, char **argv)
{
    static struct end end[2];
    if (argc != 10) {
        fprintf(stderr, "usage: naru-wan NETNS TAP NETNS TAP DELAY_US RATE QUEUE LOSS_PPM SEED\n");
        return 2;
    }
    unsigned long number[5];
    for (int i = 0; i < 5; i++)
        number[i] = strtoul(argv[5 + i], NULL, 10);
    struct naru_link_config config = { .delay = NARU_US((naru_time)number[0]),
                                       .rate = number[1],
                                       .queue = (uint32_t)number[2] };
    struct naru_link_config short_config = { .delay = config.delay };
    for (unsigned n = 0; n < 2; n++) {
        config.loss_ppm = n == 0 ? (uint32_t)number[3] : 0;
        end[n].fd = open_tap(argv[1 + 2 * n], argv[2 + 2 * n]);
        naru_link_init(&end[n].out, &config, number[4] + n, clock_now());
        naru_link_init(&end[n].bare, &short_config, 0, clock_now());
    }
    puts("ready");
    fflush(stdout);
    carry(end);
    return 0;
}
