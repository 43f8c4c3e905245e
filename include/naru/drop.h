/*
 * Drop reasons: every packet ends in exactly one counted word, "kept" or a reason of drop.def.
 */
#ifndef NARU_DROP_H
#define NARU_DROP_H

#ifdef __cplusplus
extern "C" {
#endif

enum naru_drop {
    NARU_DROP_NONE = 0, /* kept */
#define X(symbol, text, kind) NARU_DROP_##symbol,
#include <naru/drop.def>
#undef X
    NARU_DROP_COUNT,
};

enum naru_drop_kind {
    NARU_DROP_KIND_NORMAL,   /* happens on a healthy network */
    NARU_DROP_KIND_HOSTILE,  /* needs a broken or malicious sender */
    NARU_DROP_KIND_PRESSURE, /* a limit of ours bit */
};

/* "tcp-checksum"; "kept" for NARU_DROP_NONE; never NULL. */
const char *naru_drop_text(enum naru_drop reason);

enum naru_drop_kind naru_drop_kind(enum naru_drop reason);

#ifdef __cplusplus
}
#endif

#endif
