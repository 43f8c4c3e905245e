/*
 * Options that are only remembered, or that say what the runner itself shall do.
 */
#ifndef NARU_RUN_MEMO_H
#define NARU_RUN_MEMO_H

#include "run/object.h"

int64_t naru_memo_get(const struct naru_object *object, int level, int name, int64_t otherwise);
/* False: no room. */
bool naru_memo_set(struct naru_object *object, int level, int name, int64_t value);

#endif
