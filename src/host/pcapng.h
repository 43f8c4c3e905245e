/*
 * Captures in pcapng, as Wireshark reads them, with a comment on each packet that did something.
 *
 * One file may hold several stacks, each with several interfaces.  A frame is held back until the
 * next frame event, because the events that follow it (state, drop, the connection's
 * figures) become its comments.  Frames whose checksum the device is to complete are completed in
 * the copy; super-segments stay whole.
 *
 * A regular file is written through a buffer, anything else (a pipe) packet by packet.  Writing
 * blocks.  The first write error is kept (naru_pcapng_error), told once through failed, and
 * ends the capture, never the run.  Programs that capture into a pipe must ignore SIGPIPE.
 */
#ifndef NARU_HOST_PCAPNG_H
#define NARU_HOST_PCAPNG_H

#include <naru/trace.h>

struct naru_pcapng;
struct naru_pcapng_source;

struct naru_pcapng_config {
    int fd;              /* open for writing; naru_pcapng_close does not close it */
    uint32_t snaplen;    /* bytes kept of each frame; 0: 262 144 */
    int64_t wall_offset; /* naru_clock_wall_offset(); 0: time as the stack sees it */
    const char *program; /* for the section header ("naru 0.1.0"); may be NULL */
    bool quiet;          /* no comments */
    void (*failed)(void *user, int error); /* may be NULL */
    void *user;
};

/* Writes the section header.  0, or a negative errno. */
int naru_pcapng_open(const struct naru_pcapng_config *config, struct naru_pcapng **out);
/* Writes what is held.  0, or the first write error as a negative errno.  Frees its sources. */
int naru_pcapng_close(struct naru_pcapng *capture);
int naru_pcapng_error(const struct naru_pcapng *capture); /* 0, or the errno that ended it */
/*
 * Writes the held frame and what is buffered.  A reader of a live capture is one packet late
 * without it; call it when the loop has been idle for a moment.
 */
void naru_pcapng_flush(struct naru_pcapng *capture);

/* A stack whose events come; name prefixes its interfaces ("gateway"), may be "".  NULL: no memory.
 */
struct naru_pcapng_source *naru_pcapng_add_source(struct naru_pcapng *capture, const char *name);
/*
 * Optional, before its first frame: the name of an interface; one not named is "if2".  -EEXIST: it
 * has one; -ENOBUFS: 64 interfaces.
 */
int naru_pcapng_add_iface(struct naru_pcapng_source *source, unsigned ifindex, const char *name);

/* config.trace of the stack; user is the struct naru_pcapng_source. */
void naru_pcapng_event(void *user, const struct naru_trace_event *event);

#endif
