/*
 * The default panic hook; see panic.h.  Weak, so that an embedder's own definition wins in the
 * shared library too.
 */
#include "host/panic.h"

#include <stdio.h>
#include <stdlib.h>

__attribute__((weak)) _Noreturn void naru_panic(const char *file, int line, const char *what)
{
    fprintf(stderr, "naru: internal error: %s (%s:%d)\n", what, file, line);
    abort();
}
