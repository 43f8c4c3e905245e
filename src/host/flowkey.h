/*
 * Which connection a captured frame belongs to: just enough parsing to put an event to its frame.
 */
#ifndef NARU_HOST_FLOWKEY_H
#define NARU_HOST_FLOWKEY_H

#include <naru/types.h>

struct naru_flowkey {
    uint8_t proto; /* 6 or 17 */
    struct naru_endpoint src, dst;
    size_t transport; /* offset of the transport header */
    size_t end;       /* where the IP packet ends, in front of Ethernet padding */
};

/*
 * False for all that is not the beginning of a TCP or UDP packet.  have bytes of the frame, which
 * is len long, can be read; 128 are enough for all that naru sends.
 */
bool naru_flowkey_parse(const uint8_t *frame, size_t have, size_t len, bool ethernet,
                        struct naru_flowkey *key);

/* True if the frame went from local to remote (out) or from remote to local. */
bool naru_flowkey_match(const struct naru_flowkey *key, bool out, const struct naru_endpoint *local,
                        const struct naru_endpoint *remote);

#endif
