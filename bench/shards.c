/*
 * Several pairs of stacks at once, each in a thread of its own: the engine has no variable, so that
 * nothing is shared but what malloc and the machine share.
 *
 * One thread alone and all of them take turns; what counts is the sum of all threads' work per
 * second of their own processor time, so that other programs, which take processors away, do not
 * make it less.  What does make it less: a lock, a cache line that two of them write, memory that
 * is not fast enough for both.  The rows called -wall are the same by the clock on the wall, and
 * say something on a machine that has nothing else to do.  Where there are fewer processors than
 * threads there is nothing to say.
 */
#include "bench.h"
#include "ends.h"

#include <pthread.h>
#include <unistd.h>

#define WINDOW 65536
#define PER    0.9 /* of the number of shards: two are at least 1.8 times one */

/* Units a second. */
struct rate {
    double cpu, wall;
};

struct shard {
    pthread_t thread;
    pthread_barrier_t *start;
    struct bench_pair pair;
    struct naru_sock *client, *server;
    double (*work)(struct shard *shard);
    double seconds;
    struct rate rate;
};

/* ---- What a shard does: a moment's work, in units ---- */

static double bulk(struct shard *s)
{
    uint64_t bytes = 0;
    for (unsigned i = 0; i < 64; i++) {
        bench_fill(&s->pair, s->client);
        bench_pair_turn(&s->pair);
        bytes += bench_drain(&s->pair, s->server);
    }
    return (double)bytes / 1e9;
}

static double rr(struct shard *s)
{
    for (unsigned i = 0; i < 256; i++)
        bench_round(&s->pair, s->client, s->server);
    return 256 / 1e6;
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
    double units = 0, cpu, wall;
    pthread_barrier_wait(s->start);
    double cpu_begin = bench_now(), wall_begin = wall_now();
    do {
        units += s->work(s);
        cpu = bench_now() - cpu_begin;
        wall = wall_now() - wall_begin;
    } while (wall < s->seconds);
    s->rate = (struct rate){ .cpu = units / cpu, .wall = units / wall };
    return NULL;
}

/* The sum of the first count shards. */
static struct rate together(struct shard *const *shard, unsigned count, double seconds,
                            double (*work)(struct shard *shard))
{
    struct rate sum = { 0 };
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
        sum.cpu += shard[i]->rate.cpu;
        sum.wall += shard[i]->rate.wall;
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

struct series {
    double one[BENCH_REPEATS_MAX], all[BENCH_REPEATS_MAX], ratio[BENCH_REPEATS_MAX];
};

static void report_series(const struct bench_options *options, const char *what, const char *suffix,
                          const char *unit, double target, const struct series *s)
{
    char name[64];
    snprintf(name, sizeof(name), "shards-1-%s", what);
    report(options, name, suffix, unit, 0, s->one);
    snprintf(name, sizeof(name), "shards-%u-%s", options->shards, what);
    report(options, name, suffix, unit, 0, s->all);
    snprintf(name, sizeof(name), "shards-%u-%s-ratio", options->shards, what);
    report(options, name, suffix, "x one", target, s->ratio);
}

static void note(struct series *s, unsigned at, double one, double all)
{
    s->one[at] = one;
    s->all[at] = all;
    s->ratio[at] = all / one;
}

static void measure(const struct bench_options *options, struct shard *const *shard, bool v6,
                    const char *what, const char *unit, double (*work)(struct shard *shard))
{
    struct series cpu, wall;
    char what_wall[32];
    for (unsigned i = 0; i < options->repeats; i++) {
        struct rate one, all;
        if (i % 2 == 1)
            all = together(shard, options->shards, options->seconds, work);
        one = together(shard, 1, options->seconds, work);
        if (i % 2 == 0)
            all = together(shard, options->shards, options->seconds, work);
        note(&cpu, i, one.cpu, all.cpu);
        note(&wall, i, one.wall, all.wall);
    }
    snprintf(what_wall, sizeof(what_wall), "%s-wall", what);
    report_series(options, what, v6 ? "-v6" : "", unit, PER * options->shards, &cpu);
    report_series(options, what_wall, v6 ? "-v6" : "", unit, 0, &wall);
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
