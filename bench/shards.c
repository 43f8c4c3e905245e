/*
 * Several pairs of stacks at once, each in a thread of its own: the engine has no variable, so that
 * nothing is shared but what malloc and the machine share.
 *
 * One thread alone and all of them take turns; what counts is the sum of all threads' work per
 * second of their own processor time, so that other programs, which take processors away, do not
 * make it less.  What does make it less: a lock, a cache line that two of them write, memory that
 * is not fast enough for both.  Where there are fewer processors than threads it says nothing.
 */
#include "bench.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WINDOW 65536
#define PER    0.9 /* of the number of shards: two are at least 1.8 times one */

struct shard {
    pthread_t thread;
    pthread_barrier_t *start;
    struct bench_pair pair;
    struct naru_sock *client, *server;
    double (*work)(struct shard *shard, double seconds);
    double seconds, rate;
    uint8_t bytes[BENCH_CHUNK];
};

/* ---- What a shard does: units a second of its processor time ---- */

static uint64_t bulk_turn(struct shard *s)
{
    struct naru_room room = { s->bytes, sizeof(s->bytes) };
    uint64_t total = 0;
    int64_t got;
    bench_fill(&s->pair, s->client);
    bench_pair_turn(&s->pair);
    while ((got = naru_sock_recv(s->server, &room, 1, 0, NULL, s->pair.now)) > 0)
        total += (uint64_t)got;
    return total;
}

static double bulk(struct shard *s, double seconds)
{
    uint64_t bytes = 0;
    double begin = bench_now(), end;
    do {
        for (unsigned i = 0; i < 64; i++)
            bytes += bulk_turn(s);
        end = bench_now();
    } while (end - begin < seconds);
    return (double)bytes / (end - begin) / 1e9;
}

static double rr(struct shard *s, double seconds)
{
    uint64_t rounds = 0;
    double begin = bench_now(), end;
    do {
        for (unsigned i = 0; i < 256; i++)
            bench_round(&s->pair, s->client, s->server);
        rounds += 256;
        end = bench_now();
    } while (end - begin < seconds);
    return (double)rounds / (end - begin) / 1e6;
}

/* ---- Together ---- */

static struct shard *open_shard(bool v6)
{
    static const struct bench_link link = { .mtu = 1500, .window = WINDOW };
    struct shard *s = bench_calloc(1, sizeof(*s));
    bench_pair_init(&s->pair, &link, v6);
    struct naru_sock *listener = bench_listen(&s->pair, BENCH_PORT, 8, 2 * WINDOW);
    bench_connect(&s->pair, listener, &s->client, &s->server);
    return s;
}

static void *run(void *arg)
{
    struct shard *s = arg;
    pthread_barrier_wait(s->start);
    s->rate = s->work(s, s->seconds);
    pthread_barrier_wait(s->start); /* nobody works alone at the end */
    return NULL;
}

/* The sum of the first count shards. */
static double together(struct shard *const *shard, unsigned count, double seconds,
                       double (*work)(struct shard *shard, double seconds))
{
    double sum = 0;
    pthread_barrier_t start;
    if (pthread_barrier_init(&start, NULL, count) != 0)
        bench_die("barrier");
    for (unsigned i = 0; i < count; i++) {
        shard[i]->start = &start;
        shard[i]->work = work;
        shard[i]->seconds = seconds;
        if (pthread_create(&shard[i]->thread, NULL, run, shard[i]) != 0)
            bench_die("thread");
    }
    for (unsigned i = 0; i < count; i++) {
        pthread_join(shard[i]->thread, NULL);
        sum += shard[i]->rate;
    }
    pthread_barrier_destroy(&start);
    return sum;
}

static void report(const struct bench_options *options, const char *name, const char *suffix,
                   const char *unit, double target, const double *values)
{
    struct bench_row row = { .name = name, .unit = unit, .more = true, .target = target };
    struct bench_figures figures = { .name = name, .suffix = suffix, .count = options->repeats };
    memcpy(figures.value, values, sizeof(figures.value));
    bench_report(options, &row, &figures);
}

static void measure(const struct bench_options *options, struct shard *const *shard, bool v6,
                    const char *what, const char *unit,
                    double (*work)(struct shard *shard, double seconds))
{
    double one[BENCH_REPEATS_MAX], all[BENCH_REPEATS_MAX], ratio[BENCH_REPEATS_MAX];
    const char *suffix = v6 ? "-v6" : "";
    char name[64];
    for (unsigned i = 0; i < options->repeats; i++) {
        bool turned = i % 2 == 1;
        if (turned)
            all[i] = together(shard, options->shards, options->seconds, work);
        one[i] = together(shard, 1, options->seconds, work);
        if (!turned)
            all[i] = together(shard, options->shards, options->seconds, work);
        ratio[i] = all[i] / one[i];
    }
    snprintf(name, sizeof(name), "shards-1-%s", what);
    report(options, name, suffix, unit, 0, one);
    snprintf(name, sizeof(name), "shards-%u-%s", options->shards, what);
    report(options, name, suffix, unit, 0, all);
    snprintf(name, sizeof(name), "shards-%u-%s-ratio", options->shards, what);
    report(options, name, suffix, "x one", PER * options->shards, ratio);
}

void bench_shards(const struct bench_options *options)
{
    struct shard *shard[BENCH_SHARDS_MAX];
    bench_report_head(options);
    if (sysconf(_SC_NPROCESSORS_ONLN) < (long)options->shards) {
        struct bench_row row = { .name = "shards" };
        bench_report_skipped(options, &row, "fewer processors than shards");
        return;
    }
    for (int v6 = 0; v6 < 2; v6++) {
        for (unsigned i = 0; i < options->shards; i++)
            shard[i] = open_shard(v6 == 1);
        /* In this order: bulk leaves bytes on the way. */
        measure(options, shard, v6 == 1, "rr", "Mrounds/s", rr);
        measure(options, shard, v6 == 1, "bulk", "GB/s", bulk);
        for (unsigned i = 0; i < options->shards; i++) {
            bench_pair_deinit(&shard[i]->pair);
            free(shard[i]);
        }
    }
}
