/*
 * Cutting datagrams into fragments, and naming them; see frag.h.
 */
#include "proto/frag.h"

bool naru_frag_cut_init(struct naru_frag_cut *cut, uint32_t header_len, uint32_t payload_len,
                        uint32_t mtu)
{
    uint32_t room = mtu > header_len ? mtu - header_len : 0;
    *cut = (struct naru_frag_cut){
        .payload_len = payload_len,
        .piece_max = payload_len <= room ? payload_len : room & ~7U,
    };
    return cut->piece_max > 0 || payload_len == 0;
}

bool naru_frag_cut_next(struct naru_frag_cut *cut, struct naru_frag_piece *piece)
{
    if (cut->offset >= cut->payload_len)
        return false;
    uint32_t left = cut->payload_len - cut->offset;
    piece->offset = cut->offset;
    piece->len = NARU_MIN(left, cut->piece_max);
    piece->more = left > cut->piece_max;
    cut->offset += piece->len;
    return true;
}

void naru_frag_ident_init(struct naru_frag_ident *ident, struct naru_rand *rand)
{
    naru_siphash_key_init(&ident->key, rand);
    naru_rand_fill(rand, ident->counter, sizeof(ident->counter));
}

NARU_NOINLINE struct naru_frag_ident_place naru_frag_ident_place(
    const struct naru_frag_ident *ident, const struct naru_addr *src, const struct naru_addr *dst)
{
    struct naru_hash_tuple tuple = { .local = src, .remote = dst };
    uint64_t hash = naru_hash_flow64(&ident->key, &tuple);
    return (struct naru_frag_ident_place){
        .offset = (uint32_t)hash,
        .counter = (uint32_t)(hash >> 32) % NARU_ARRAY_LEN(ident->counter),
    };
}

uint32_t naru_frag_ident_next(struct naru_frag_ident *ident, const struct naru_addr *src,
                              const struct naru_addr *dst)
{
    struct naru_frag_ident_place place = naru_frag_ident_place(ident, src, dst);
    return naru_frag_ident_take(ident, &place);
}
