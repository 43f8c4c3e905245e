/*
 * naru-pkt: plays scripts of the .pkt language against the stack, in virtual time.
 *
 * Exit status: 0 when none failed, 1 when one did, 2 when the command line is wrong.
 */
#include "pkt/play.h"

#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct run {
    struct naru_script_options options;
    struct naru_script_defines defines;
    enum naru_play_profile profile;
    bool json, quiet;
    unsigned count[3]; /* by enum naru_script_verdict */
};

static const char usage[] =
    "naru-pkt [OPTION]... FILE|DIRECTORY...\n"
    "\n"
    "Plays packet scripts (.pkt) against the stack, in virtual time.\n"
    "\n"
    "  --profile linux|freebsd   whose habits the scripts expect (linux);\n"
    "                            freebsd also defines FreeBSD, for #ifdef\n"
    "  --ip-version VERSION      ipv4, ipv6 or ipv4-mapped-ipv6, where a script does not say\n"
    "  -D, --define NAME=VALUE   a word that scripts use\n"
    "  --set NAME=VALUE          an option as scripts have it at their top\n"
    "  --json                    one object for each script\n"
    "  --quiet                   only failures, skips and the last line\n"
    "  --help\n"
    "\n"
    "The last line is: N passed, N failed, N skipped.\n";

/* ---- Output ---- */

static void put_json_text(const char *text)
{
    putchar('"');
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            printf("\\%c", c);
        else if (c < 0x20)
            printf("\\u%04x", c);
        else
            putchar(c);
    }
    putchar('"');
}

static void report(struct run *run, const char *file, const struct naru_script_result *result)
{
    static const char *const verdicts[] = { "passed", "failed", "skipped" };
    run->count[result->verdict]++;
    if (run->json) {
        fputs("{\"script\":", stdout);
        put_json_text(file);
        printf(",\"verdict\":\"%s\"", verdicts[result->verdict]);
        if (result->verdict != NARU_SCRIPT_PASSED) {
            printf(",\"line\":%u,\"text\":", result->line);
            put_json_text(result->text);
        }
        puts("}");
    } else if (result->verdict == NARU_SCRIPT_FAILED) {
        printf("%s:%u: %s\n", file, result->line, result->text);
    } else if (result->verdict == NARU_SCRIPT_SKIPPED) {
        printf("%s:%u: skipped: %s\n", file, result->line, result->text);
    } else if (!run->quiet) {
        printf("%s: passed\n", file);
    }
}

/* ---- One script ---- */

static char *read_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    size_t len = 0, room = 65536;
    char *text = malloc(room);
    while (f != NULL && text != NULL) {
        size_t n = fread(text + len, 1, room - len - 1, f);
        len += n;
        if (n == 0)
            break;
        if (room - len < 2) {
            char *more = realloc(text, room *= 2);
            if (more == NULL)
                free(text);
            text = more;
        }
    }
    bool good = f != NULL && text != NULL && !ferror(f);
    if (f != NULL)
        fclose(f);
    if (!good) {
        free(text);
        return NULL;
    }
    text[len] = '\0';
    return text;
}

/* Scripts that do not name a version expect segments of the same size over both. */
static void adapt(struct naru_script *script)
{
    enum { V6_HEADER_MORE = 20 };
    if (script->options.version == NARU_SCRIPT_V6 && !script->options.version_set &&
        !script->options.mtu_set)
        script->options.mtu += V6_HEADER_MORE;
}

static void play_file(struct run *run, const char *path)
{
    struct naru_arena arena = { 0 };
    struct naru_script script = { .options = run->options };
    struct naru_script_result result = { .verdict = NARU_SCRIPT_PASSED };
    char *text = read_file(path);
    if (text == NULL) {
        result.verdict = NARU_SCRIPT_FAILED;
        snprintf(result.text, sizeof(result.text), "cannot be read: %s", strerror(errno));
    } else if (naru_script_parse(&script, &arena, text, &run->defines, &result) ==
               NARU_SCRIPT_PASSED) {
        adapt(&script);
        naru_play(&script, run->profile, &arena, &result);
    }
    report(run, path, &result);
    naru_arena_free(&arena);
    free(text);
}

/* ---- Files and directories ---- */

static int wanted(const struct dirent *e) { return e->d_name[0] != '.'; }

static bool is_script(const char *name)
{
    size_t len = strlen(name);
    return len > 4 && strcmp(name + len - 4, ".pkt") == 0;
}

/* Names of a folder in order: the output is the same everywhere. */
static bool play_path(struct run *run, const char *path, bool named)
{
    struct stat st;
    struct dirent **list;
    if (stat(path, &st) != 0) {
        fprintf(stderr, "naru-pkt: %s: %s\n", path, strerror(errno));
        return false;
    }
    if (!S_ISDIR(st.st_mode)) {
        if (named || is_script(path))
            play_file(run, path);
        return true;
    }
    int n = scandir(path, &list, wanted, alphasort);
    bool good = n >= 0;
    for (int i = 0; i < n; i++) {
        size_t size = strlen(path) + strlen(list[i]->d_name) + 2;
        char *inner = malloc(size);
        if (inner != NULL) {
            snprintf(inner, size, "%s/%s", path, list[i]->d_name);
            good &= play_path(run, inner, false);
        }
        free(inner);
        free(list[i]);
    }
    if (n >= 0)
        free(list);
    return good;
}

/* ---- Command line ---- */

static bool set_option(struct run *run, char *text)
{
    struct naru_script_result result = { 0 };
    char *equals = strchr(text, '=');
    if (equals != NULL)
        *equals = '\0';
    if (naru_script_option(&run->options, text, equals != NULL ? equals + 1 : "1", &result))
        return true;
    fprintf(stderr, "naru-pkt: %s\n", result.text);
    return false;
}

static bool define(struct run *run, char *text)
{
    char *equals = strchr(text, '=');
    if (run->defines.count == NARU_ARRAY_LEN(run->defines.at)) {
        fprintf(stderr, "naru-pkt: too many -D\n");
        return false;
    }
    if (equals != NULL)
        *equals = '\0';
    run->defines.at[run->defines.count++] =
        (struct naru_script_define){ text, equals != NULL ? equals + 1 : "1" };
    return true;
}

static bool set_profile(struct run *run, const char *name)
{
    if (strcmp(name, "linux") == 0)
        run->profile = NARU_PLAY_LINUX;
    else if (strcmp(name, "freebsd") == 0)
        run->profile = NARU_PLAY_FREEBSD;
    else {
        fprintf(stderr, "naru-pkt: no profile %s: linux, freebsd\n", name);
        return false;
    }
    return true;
}

static bool set_version(struct run *run, const char *value)
{
    struct naru_script_result result = { 0 };
    if (!naru_script_option(&run->options, "ip_version", value, &result)) {
        fprintf(stderr, "naru-pkt: %s\n", result.text);
        return false;
    }
    run->options.version_set = false; /* a script may still say otherwise */
    return true;
}

static int parse_arguments(struct run *run, int argc, char **argv)
{
    static const struct option options[] = {
        { "profile", required_argument, NULL, 'p' },
        { "ip-version", required_argument, NULL, 'i' },
        { "ip_version", required_argument, NULL, 'i' },
        { "define", required_argument, NULL, 'D' },
        { "set", required_argument, NULL, 's' },
        { "json", no_argument, NULL, 'j' },
        { "quiet", no_argument, NULL, 'q' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    int c;
    while ((c = getopt_long(argc, argv, "D:h", options, NULL)) != -1) {
        bool good = true;
        if (c == 'p')
            good = set_profile(run, optarg);
        else if (c == 'i')
            good = set_version(run, optarg);
        else if (c == 'D')
            good = define(run, optarg);
        else if (c == 's')
            good = set_option(run, optarg);
        else if (c == 'j')
            run->json = true;
        else if (c == 'q')
            run->quiet = true;
        else if (c == 'h')
            return 0;
        else
            good = false;
        if (!good)
            return -1;
    }
    return optind < argc ? 1 : -1;
}

int main(int argc, char **argv)
{
    struct run run = { .profile = NARU_PLAY_LINUX };
    naru_script_options_init(&run.options);
    int go = parse_arguments(&run, argc, argv);
    if (go <= 0) {
        fputs(usage, go == 0 ? stdout : stderr);
        return go == 0 ? 0 : 2;
    }
    char freebsd[] = "FreeBSD";
    if (run.profile == NARU_PLAY_FREEBSD && !define(&run, freebsd))
        return 2;
    bool good = true;
    for (int i = optind; i < argc; i++)
        good &= play_path(&run, argv[i], true);
    if (!run.json)
        printf("%u passed, %u failed, %u skipped\n", run.count[NARU_SCRIPT_PASSED],
               run.count[NARU_SCRIPT_FAILED], run.count[NARU_SCRIPT_SKIPPED]);
    if (!good)
        return 2;
    return run.count[NARU_SCRIPT_FAILED] > 0;
}
