/*
 * Runs a fuzzer's function over files, without libFuzzer: the corpus as a plain test.
 *
 * Every argument is a file, or a directory whose files are taken in the order of their names.  The
 * name of each input is printed before it runs, so that a crash names its input.  An empty corpus
 * is a failure: it would test nothing.  Subdirectories are not entered.
 */
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define INPUT_MAX ((size_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned inputs;

static void replay_file(const char *path)
{
    FILE *in = fopen(path, "rb");
    if (in == NULL) {
        perror(path);
        exit(1);
    }
    uint8_t *room = malloc(INPUT_MAX);
    if (room == NULL)
        abort();
    size_t size = fread(room, 1, INPUT_MAX, in);
    fclose(in);

    /* An exact copy, so that the sanitizer sees one byte too far. */
    uint8_t *data = malloc(size > 0 ? size : 1);
    if (data == NULL)
        abort();
    memcpy(data, room, size);
    free(room);

    printf("# %s\n", path);
    fflush(stdout);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    inputs++;
}

static void replay(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        perror(path);
        exit(1);
    }
    if (!S_ISDIR(st.st_mode)) {
        replay_file(path);
        return;
    }

    struct dirent **entry;
    int count = scandir(path, &entry, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        char name[4096];
        int len = snprintf(name, sizeof name, "%s/%s", path, entry[i]->d_name);
        bool fits = len > 0 && (size_t)len < sizeof name;
        if (fits && stat(name, &st) == 0 && S_ISREG(st.st_mode))
            replay_file(name);
        free(entry[i]);
    }
    if (count >= 0)
        free(entry);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        replay(argv[i]);
    printf("%s 1 - %u inputs\n1..1\n", inputs > 0 ? "ok" : "not ok", inputs);
    return inputs > 0 ? 0 : 1;
}
