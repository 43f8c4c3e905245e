/*
 * A fuzzer's input, taken from its beginning; behind its end there are zeros.
 */
#ifndef NARU_FUZZ_INPUT_H
#define NARU_FUZZ_INPUT_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define CHECK(cond)  \
    do {             \
        if (!(cond)) \
            abort(); \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const uint8_t *at;
    size_t len;
};

static inline uint8_t take8(struct input *in)
{
    if (in->len == 0)
        return 0;
    in->len--;
    return *in->at++;
}

static inline uint16_t take16(struct input *in)
{
    uint8_t high = take8(in);
    return (uint16_t)(high << 8 | take8(in));
}

#endif
