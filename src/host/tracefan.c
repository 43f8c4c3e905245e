/* One trace hook, several listeners; see tracefan.h. */
#include "host/tracefan.h"

#include <assert.h>

void naru_trace_fan_add(struct naru_trace_fan *fan,
                        void (*event)(void *user, const struct naru_trace_event *event), void *user)
{
    assert(fan->count < NARU_TRACE_FAN_MAX);
    fan->listener[fan->count].event = event;
    fan->listener[fan->count].user = user;
    fan->count++;
}

void naru_trace_fan_event(void *user, const struct naru_trace_event *event)
{
    struct naru_trace_fan *fan = user;

    for (unsigned i = 0; i < fan->count; i++)
        fan->listener[i].event(fan->listener[i].user, event);
}
