/*
 * What memory alone asks for the bytes of a bulk row, on this machine at this moment.
 *
 * Three copies: from the application into a ring as large as the send buffer, where a byte waits
 * for all before it; over the wire, into a ring as large as what is on the wire; and out to the
 * application.  Two checksums, made where the wire takes and verified where it gives, each in a
 * pass of its own: a stack that fuses them with a copy may be faster.
 */
#include "bench.h"

#include "base/csum.h"

#include <stdlib.h>
#include <string.h>

double bench_limit(const struct bench_limit *l, double seconds)
{
    const struct naru_csum_ops *ops = naru_csum_ops_best();
    size_t stride = (l->segment + 127) & ~(size_t)63, turn = 64;
    size_t sent = l->window / l->segment + 1, received = l->flight / l->segment + 1;
    uint8_t *ring = bench_calloc(sent, stride), *wire = bench_calloc(received, stride);
    uint8_t *app = bench_calloc(1, BENCH_CHUNK), *end = bench_calloc(1, BENCH_CHUNK);
    size_t chunks = BENCH_CHUNK / l->segment;
    size_t s = 0, r = 0;
    uint32_t sum = 0;
    uint64_t segments = 0;
    double start = 0, now;
    do {
        for (size_t i = 0; i < turn; i++) {
            uint8_t *write = ring + s * stride, *put = wire + r * stride;
            s = s + 1 < sent ? s + 1 : 0;
            r = r + 1 < received ? r + 1 : 0;
            const uint8_t *oldest = ring + s * stride, *get = wire + r * stride;
            memcpy(write, app + i % chunks * l->segment, l->segment);
            if (l->sums)
                sum = ops->add(sum, oldest, l->segment);
            memcpy(put, oldest, l->segment);
            if (l->sums)
                sum = ops->add(sum, get, l->segment);
            memcpy(end + i % chunks * l->segment, get, l->segment);
        }
        segments += turn;
        now = bench_now();
        if (start == 0 && segments > 2 * sent) { /* warm */
            start = now;
            segments = 0;
        }
    } while (start == 0 || now - start < seconds);
    volatile uint32_t keep = sum + end[0];
    (void)keep;
    free(ring);
    free(wire);
    free(app);
    free(end);
    return (now - start) * 1e9 / (double)segments;
}
