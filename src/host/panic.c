/*
 * The default panic hook: what the engine calls when an assertion of its own fails.  One line to
 * standard error, then abort.  Weak, so that an embedder who defines naru_panic gets his own, in
 * the shared library too.
 */
#include "base/defs.h"

#include <stdio.h>
#include <stdlib.h>

__attribute__((weak)) _Noreturn void naru_panic(const char *what, const char *file, int line)
{
    fprintf(stderr, "naru: internal error: %s (%s:%d)\n", what, file, line);
    abort();
}
