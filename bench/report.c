/*
 * Figures for people, a line a row with what is to be reached and whether it is, and for machines,
 * an object a row.
 */
#include "bench.h"

#include "bench_commit.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifdef __clang__
#define COMPILER __VERSION__
#else
#define COMPILER "gcc " __VERSION__
#endif

/* IPv6 is within so much of IPv4. */
#define TWIN_FACTOR 1.05

struct judged {
    double value, best;
    double limit, limit_ratio; /* 0: none; how many times worse than the limit */
    double twin_ratio;         /* 0: none; how many times worse than IPv4 */
    double naru_ratio;         /* 0: this is naru; how many times worse than naru */
    bool target_met, limit_met, twin_met;
};

static void cpu_model(char *model, size_t room)
{
    char line[256];
    snprintf(model, room, "unknown");
    FILE *f = fopen("/proc/cpuinfo", "r");
    if (f == NULL)
        return;
    while (fgets(line, sizeof(line), f) != NULL) {
        char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) == 0 && colon != NULL) {
            colon[strcspn(colon, "\n")] = '\0';
            snprintf(model, room, "%s", colon + 2);
            break;
        }
    }
    fclose(f);
}

static double worse(const struct bench_row *row, double value, double than)
{
    if (than == value)
        return 1;
    return row->more ? than / value : value / than;
}

static bool better(const struct bench_row *row, double a, double b)
{
    return row->more ? a > b : a < b;
}

static struct judged judge(const struct bench_row *row, const struct bench_figures *f)
{
    struct judged j = { .value = bench_median(f->value, f->count), .best = f->value[0] };
    double ratio[BENCH_REPEATS_MAX];
    for (unsigned i = 1; i < f->count; i++)
        if (better(row, f->value[i], j.best))
            j.best = f->value[i];
    if (row->limit && f->naru == NULL) {
        j.limit = bench_median(f->limit, f->count);
        for (unsigned i = 0; i < f->count; i++)
            ratio[i] = worse(row, f->value[i], f->limit[i]);
        j.limit_ratio = bench_median(ratio, f->count);
    }
    const struct bench_figures *than = f->v4 != NULL ? f->v4 : f->naru;
    for (unsigned i = 0; than != NULL && i < f->count; i++)
        ratio[i] = worse(row, f->value[i], than->value[i]);
    if (than != NULL)
        *(f->v4 != NULL ? &j.twin_ratio : &j.naru_ratio) = bench_median(ratio, f->count);
    j.target_met =
        row->nothing ? j.value <= 0 : row->target == 0 || !better(row, row->target, j.value);
    j.limit_met = row->limit_factor == 0 || j.limit_ratio <= row->limit_factor;
    j.twin_met = f->v4 == NULL || j.twin_ratio <= TWIN_FACTOR;
    return j;
}

/* ---- For people ---- */

void bench_report_head(const struct bench_options *options)
{
    char model[128];
    if (options->json)
        return;
    cpu_model(model, sizeof(model));
    printf("%s, %ld cores; %s; %s\n", model, sysconf(_SC_NPROCESSORS_ONLN), COMPILER, BENCH_COMMIT);
    printf("medians of %u times %.2f s of processor time, best in brackets; both ends\n\n",
           options->repeats, options->seconds);
}

/* The value in the row's own number of digits. */
static const char *figure(char text[32], double value)
{
    if (value >= 100000)
        snprintf(text, 32, "%.0f", value);
    else if (value < 100)
        snprintf(text, 32, "%.2f", value);
    else
        snprintf(text, 32, "%.1f", value);
    return text;
}

static void print_target(const struct bench_row *row, const struct judged *j)
{
    char text[32];
    if (row->nothing) {
        printf("; nothing: %s", j->target_met ? "met" : "missed");
        return;
    }
    if (row->target == 0)
        return;
    printf("; %s %s: ", row->more ? "at least" : "at most", figure(text, row->target));
    if (j->target_met)
        printf("met");
    else if (row->more)
        printf("missed by %.0f %%", 100 - 100 * j->value / row->target);
    else
        printf("missed by %.0f %%", 100 * j->value / row->target - 100);
}

static void print_row(const struct bench_row *row, const char *name, const struct judged *j)
{
    char value[32], best[32], limit[32], bracket[40] = "";
    if (!row->exact)
        snprintf(bracket, sizeof(bracket), "(%s)", figure(best, j->best));
    printf("%-22s %9s %9s %-14s", name, figure(value, j->value), bracket, row->unit);
    if (j->naru_ratio > 0)
        printf("; naru's x %.2f", j->naru_ratio);
    else
        print_target(row, j);
    if (j->limit > 0) {
        printf("; limit %s x %.2f", figure(limit, j->limit), j->limit_ratio);
        if (row->limit_factor > 0)
            printf(", at most %.1f: %s", row->limit_factor, j->limit_met ? "met" : "missed");
    }
    if (j->twin_ratio > 0)
        printf("; IPv4 x %.2f: %s", j->twin_ratio, j->twin_met ? "met" : "missed");
    printf("\n");
}

/* ---- For machines ---- */

static void add_number(struct json_object *object, const char *name, double value)
{
    char text[32];
    snprintf(text, sizeof(text), "%.2f", value);
    json_object_object_add(object, name, json_object_new_double_s(value, text));
}

static struct json_object *object_of(const char *name)
{
    char model[128];
    struct json_object *object = json_object_new_object(), *machine = json_object_new_object();
    cpu_model(model, sizeof(model));
    json_object_object_add(machine, "cpu", json_object_new_string(model));
    json_object_object_add(machine, "cores",
                           json_object_new_int((int)sysconf(_SC_NPROCESSORS_ONLN)));
    json_object_object_add(object, "row", json_object_new_string(name));
    json_object_object_add(object, "machine", machine);
    json_object_object_add(object, "compiler", json_object_new_string(COMPILER));
    json_object_object_add(object, "commit", json_object_new_string(BENCH_COMMIT));
    return object;
}

static void print_object(struct json_object *object)
{
    puts(json_object_to_json_string_ext(object,
                                        JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(object);
}

static void print_json(const struct bench_row *row, const char *name, const struct judged *j)
{
    struct json_object *object = object_of(name);
    bool ours = j->naru_ratio == 0;
    bool judged =
        ours && (row->target > 0 || row->nothing || row->limit_factor > 0 || j->twin_ratio > 0);
    add_number(object, "value", j->value);
    add_number(object, "best", j->best);
    json_object_object_add(object, "unit", json_object_new_string(row->unit));
    json_object_object_add(object, "better", json_object_new_string(row->more ? "more" : "less"));
    if (ours && (row->target > 0 || row->nothing))
        add_number(object, "target", row->target);
    if (j->limit > 0) {
        add_number(object, "limit", j->limit);
        add_number(object, "limit_ratio", j->limit_ratio);
    }
    if (ours && row->limit_factor > 0)
        add_number(object, "limit_ratio_target", row->limit_factor);
    if (j->twin_ratio > 0) {
        add_number(object, "v4_ratio", j->twin_ratio);
        add_number(object, "v4_ratio_target", TWIN_FACTOR);
    }
    if (!ours)
        add_number(object, "naru_ratio", j->naru_ratio);
    if (judged)
        json_object_object_add(
            object, "met", json_object_new_boolean(j->target_met && j->limit_met && j->twin_met));
    print_object(object);
}

void bench_report(const struct bench_options *options, const struct bench_row *row,
                  const struct bench_figures *figures)
{
    struct judged j = judge(row, figures);
    char name[64];
    snprintf(name, sizeof(name), "%s%s", figures->name, figures->suffix);
    if (options->json)
        print_json(row, name, &j);
    else
        print_row(row, name, &j);
    fflush(stdout);
}

void bench_report_skipped(const struct bench_options *options, const struct bench_row *row,
                          const char *why)
{
    if (options->json) {
        struct json_object *object = object_of(row->name);
        json_object_object_add(object, "skipped", json_object_new_string(why));
        print_object(object);
    } else
        printf("%-23s skipped: %s\n", row->name, why);
}
