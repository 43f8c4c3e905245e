/*
 * Any text into the parser of packet scripts (src/pkt), under every name that scripts ask for.
 *
 * Beside the sanitizers, this checks that a verdict has its reason: what failed or was skipped says
 * where and why.
 */
#include "pkt/script.h"
#include "pkt/arena.h"

#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 16384 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char text[TEXT_MAX + 1];
    static const struct naru_script_defines defines = {
        .count = 2,
        .at = { { "FreeBSD", "" }, { "TFO_COOKIE", "3021b9d889017eeb" } },
    };
    struct naru_arena arena = { NULL };
    struct naru_script script;
    struct naru_script_result result;
    size = size < TEXT_MAX ? size : TEXT_MAX;
    memcpy(text, data, size);
    text[size] = '\0';
    memset(&script, 0, sizeof(script));
    memset(&result, 0, sizeof(result));
    naru_script_options_init(&script.options);
    enum naru_script_verdict verdict = naru_script_parse(&script, &arena, text, &defines, &result);
    if (verdict != NARU_SCRIPT_PASSED && (result.text[0] == '\0' || result.verdict != verdict))
        abort();
    naru_arena_free(&arena);
    return 0;
}
