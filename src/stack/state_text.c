/* The names of TCP's states, as RFC 9293 3.3.2 prints them. */
#include "base/defs.h"
#include <naru/trace.h>

static const char *const texts[] = {
    [NARU_TCP_CLOSED] = "CLOSED",           [NARU_TCP_LISTEN] = "LISTEN",
    [NARU_TCP_SYN_SENT] = "SYN-SENT",       [NARU_TCP_SYN_RECEIVED] = "SYN-RECEIVED",
    [NARU_TCP_ESTABLISHED] = "ESTABLISHED", [NARU_TCP_FIN_WAIT_1] = "FIN-WAIT-1",
    [NARU_TCP_FIN_WAIT_2] = "FIN-WAIT-2",   [NARU_TCP_CLOSE_WAIT] = "CLOSE-WAIT",
    [NARU_TCP_CLOSING] = "CLOSING",         [NARU_TCP_LAST_ACK] = "LAST-ACK",
    [NARU_TCP_TIME_WAIT] = "TIME-WAIT",
};

const char *naru_tcp_state_text(enum naru_tcp_state state)
{
    return (unsigned)state < NARU_ARRAY_LEN(texts) ? texts[state] : "?";
}
