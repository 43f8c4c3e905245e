/*
 * A short list per socket; most sockets have none or two.
 */
#include "run/memo.h"

int64_t naru_memo_get(const struct naru_object *object, int level, int name, int64_t otherwise)
{
    for (unsigned i = 0; i < object->memo_count; i++)
        if (object->memo[i].level == level && object->memo[i].name == name)
            return object->memo[i].value;
    return otherwise;
}

bool naru_memo_set(struct naru_object *object, int level, int name, int64_t value)
{
    unsigned i = 0;
    while (i < object->memo_count &&
           (object->memo[i].level != level || object->memo[i].name != name))
        i++;
    if (i == NARU_MEMOS)
        return false;
    object->memo[i] = (struct naru_memo){ .level = level, .name = name, .value = value };
    if (i == object->memo_count)
        object->memo_count++;
    return true;
}
