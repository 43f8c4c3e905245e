/*
 * naru-bench: what naru costs, with what memory alone would cost beside it.
 *
 *     naru-bench [--json] [--seconds S] [--repeats N] [--v6] [ROW]
 *     naru-bench --fixed ROW
 */
#include "bench.h"

#include "base/csum.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

double bench_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static int compare(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

double bench_median(double *values, unsigned count)
{
    qsort(values, count, sizeof(*values), compare);
    return count % 2 == 1 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

bool bench_wanted(const struct bench_options *options, const char *row)
{
    return options->only == NULL || strncmp(row, options->only, strlen(options->only)) == 0;
}

void bench_print(const struct bench_options *options, const char *row, double value, double best,
                 const char *unit, double limit)
{
    if (options->json) {
        printf("{\"row\": \"%s\", \"value\": %.2f, \"best\": %.2f, \"unit\": \"%s\"", row, value,
               best, unit);
        if (limit > 0)
            printf(", \"limit\": %.2f", limit);
        printf("}\n");
    } else {
        printf("%-16s %10.1f %-14s best %10.1f", row, value, unit, best);
        if (limit > 0)
            printf("   limit %.1f", limit);
        printf("\n");
    }
    fflush(stdout);
}

double bench_limit(size_t segment, size_t window)
{
    enum { REPEATS = 5 };
    size_t slots = window / segment + 1;
    uint8_t *from = calloc(slots, 2048), *to = calloc(slots, 2048), *end = calloc(slots, 2048);
    uint8_t *app = calloc(1, 65536);
    if (from == NULL || to == NULL || end == NULL || app == NULL || segment > 2048)
        bench_die("limit: no memory");
    const struct naru_csum_ops *ops = naru_csum_ops_best();
    double ns[REPEATS];
    uint64_t sum = 0;
    for (unsigned r = 0; r < REPEATS; r++) {
        size_t rounds = 400000 / slots + 1;
        double start = bench_now();
        for (size_t i = 0; i < rounds; i++) {
            for (size_t s = 0; s < slots; s++) {
                uint8_t *a = from + s * 2048, *b = to + s * 2048;
                memcpy(a, app + (s % 32) * 1024, segment);
                sum += ops->add(0, a, segment);
                memcpy(b, a, segment);
                sum += ops->add(0, b, segment);
                memcpy(end + (s % 32) * 2048, b, segment);
            }
        }
        ns[r] = (bench_now() - start) * 1e9 / (double)(rounds * slots);
    }
    if (sum == 1)
        printf("\n"); /* keeps the sums alive */
    free(from);
    free(to);
    free(end);
    free(app);
    return bench_median(ns, REPEATS);
}

static void limit_row(const struct bench_options *options, const char *row, size_t window)
{
    double ns[32];
    for (unsigned i = 0; i < options->repeats; i++)
        ns[i] = bench_limit(1448, window);
    double median = bench_median(ns, options->repeats);
    bench_print(options, row, median, ns[0], "ns/segment", 0);
}

/* What memory alone asks for the same bytes, at this moment. */
static void limit_rows(const struct bench_options *options)
{
    static const struct {
        const char *row;
        size_t window;
    } rows[] = { { "limit-64k", 65536 }, { "limit-1m", 1 << 20 }, { "limit-4m", 4 << 20 } };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (bench_wanted(options, rows[i].row))
            limit_row(options, rows[i].row, rows[i].window);
}

/* Rows that need network namespaces are scripts beside the sources; does not return if it is one.
 */
static void script_row(const char *row, bool json)
{
    char self[4096], path[sizeof(self) + 32];
    if (strcmp(row, "tap") != 0 && strcmp(row, "usernet") != 0)
        return;
    ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (len <= 0)
        bench_die("cannot find myself");
    self[len] = '\0';
    for (unsigned up = 0; up < 2; up++) { /* out of the build directory */
        char *slash = strrchr(self, '/');
        if (slash != NULL)
            *slash = '\0';
    }
    snprintf(path, sizeof(path), "%s/bench/%s.py", self, row);
    execl(path, path, json ? "--json" : (char *)NULL, (char *)NULL);
    fprintf(stderr, "naru-bench: %s: cannot run it\n", path);
    exit(1);
}

static _Noreturn void usage(int status)
{
    fprintf(
        status == 0 ? stdout : stderr,
        "usage: naru-bench [--json] [--seconds S] [--repeats N] [--v6] [ROW]\n"
        "rows: limit-64k limit-1m limit-4m bulk-1500-64k bulk-1500-1m bulk-1500-4m bulk-9000\n"
        "      bulk-offload rr-1 rr-64 rr-random-10k churn-tw100k idle-bytes rr-random-100k\n"
        "      udp-64, or a prefix of these; tap (with veth, as root) and usernet by whole name\n"
        "       naru-bench --fixed bulk|rr|churn|churn-again|syn-flood|udp\n"
        "the same small piece of work each time, to count the instructions of\n");
    exit(status);
}

int main(int argc, char **argv)
{
    struct bench_options options = { .seconds = 0.5, .repeats = 5 };
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            options.json = true;
        else if (strcmp(argv[i], "--v6") == 0)
            options.v6 = true;
        else if (strcmp(argv[i], "--help") == 0)
            usage(0);
        else if (strcmp(argv[i], "--fixed") == 0 && i + 2 == argc)
            return bench_fixed(argv[i + 1]) ? 0 : (usage(2), 2);
        else if (strcmp(argv[i], "--seconds") == 0 && i + 1 < argc)
            options.seconds = strtod(argv[++i], NULL);
        else if (strcmp(argv[i], "--repeats") == 0 && i + 1 < argc)
            options.repeats = (unsigned)strtoul(argv[++i], NULL, 10);
        else if (argv[i][0] != '-' && options.only == NULL)
            options.only = argv[i];
        else
            usage(2);
    }
    if (options.seconds <= 0 || options.repeats < 1 || options.repeats > 32)
        usage(2);
    if (options.only != NULL)
        script_row(options.only, options.json);
    limit_rows(&options);
    bench_bulk(&options);
    bench_rr(&options);
    bench_churn(&options);
    bench_idle(&options);
    bench_udp(&options);
    return 0;
}
