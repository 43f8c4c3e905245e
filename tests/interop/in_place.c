/* Reads and sends in place; see in_place.h. */
#include "interop/in_place.h"

#define PIECES 16

int in_place_discard(struct naru_sock *sock, naru_time now)
{
    struct naru_slice slice[PIECES];

    for (;;) {
        int count = naru_sock_recv_view(sock, slice, PIECES, now);
        size_t len = 0;
        if (count <= 0)
            return count == NARU_ERR_AGAIN ? 0 : count == 0 ? 1 : count;
        for (int i = 0; i < count; i++)
            len += slice[i].len;
        naru_sock_recv_consume(sock, len, now);
    }
}

int in_place_fill(struct naru_sock *sock, uint64_t *filled, uint64_t size, naru_time now)
{
    struct naru_room room[PIECES];

    while (*filled < size) {
        int count = naru_sock_send_reserve(sock, room, PIECES, now);
        uint64_t len = 0;
        if (count < 0)
            return count == NARU_ERR_AGAIN ? 0 : count;
        for (int i = 0; i < count; i++)
            len += room[i].len;
        if (len > size - *filled)
            len = size - *filled;
        naru_sock_send_commit(sock, (size_t)len, 0, now);
        *filled += len;
    }
    return 1;
}
