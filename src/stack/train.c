/*
 * Frames out, many of one connection: segments that differ in nothing but their number and their
 * bytes follow each other while nothing else happens.
 *
 * The first went the usual way (tcp_out.c).  How many may follow was known then, for as long as
 * nobody calls the stack but for its next frame, and no time goes by; stack->train forgets it with
 * any other call.  So what goes out is what would have gone out, and it is decided no earlier: a
 * train is a question that is not asked again, not segments that were made before they were wanted.
 */
#include "stack/core.h"

#include "wire/plain.h"

/* Nobody else wants to speak on iface. */
static bool alone(const struct naru_stack *stack, const struct naru_iface *iface)
{
    return naru_list_at_most_one(&iface->ready) && naru_pktq_empty(&iface->txq) &&
           iface->cut_header_len == 0 && !stack->chores && stack->config.trace == NULL;
}

/* frame, whose headers are those of wire/plain.h, is the first of some. */
void naru_train_begin(struct naru_iface *iface, struct naru_sock_tcp *st,
                      const struct naru_tcp_segment *segment, const struct naru_frame *frame)
{
    struct naru_train *t = &iface->train;
    struct naru_plain_in in;
    size_t link_len = iface->link_layer ? NARU_ETH_LEN : 0;
    const uint8_t *ip = frame->head + link_len;
    if (!alone(st->s.stack, iface) || frame->slice_count < 2)
        return;
    t->left = naru_tcp_quick_more(&st->tcp, segment);
    if (t->left == 0)
        return;
    if (!(naru_addr_is_v4(&st->s.flow.tuple.remote)
              ? naru_plain_parse4(ip, frame->len - link_len, &in)
              : naru_plain_parse6(ip, frame->len - link_len, &in)))
        return;
    t->st = st;
    t->len = (uint32_t)frame->len;
    t->header_len = (uint16_t)(link_len + in.header_len);
    t->offload = frame->offload;
    t->sum = in.sum - in.tcp.seq.v - ((uint64_t)in.tcp.checksum << 16);
    memcpy(t->head, frame->head, sizeof(t->head));
    st->s.stack->train = iface;
}

static void header(const struct naru_train *t, const struct naru_csum_ops *csum, naru_seq seq,
                   struct naru_frame *frame)
{
    uint8_t *tcp = frame->head + t->header_len - NARU_PLAIN_TCP_LEN;
    memcpy(frame->head, t->head, sizeof(t->head));
    naru_put32(tcp + NARU_TCP_SEQ_AT, seq.v);
    if (t->offload.csum_partial)
        return;
    uint32_t payload = naru_ip_slices_sum(csum, 0, frame->slice + 1, frame->slice_count - 1);
    uint64_t sum = t->sum + seq.v + naru_csum_as_words(payload);
    naru_put16(tcp + NARU_TCP_CHECKSUM_AT, (uint16_t)~naru_csum_fold_words(sum));
}

/* The next of them; false: they are through, or somebody has to look. */
NARU_NOINLINE NARU_FLATTEN bool naru_train_frame(struct naru_stack *stack, struct naru_iface *iface,
                                                 struct naru_frame *frame)
{
    struct naru_train *t = &iface->train;
    struct naru_tcp *c = &t->st->tcp;
    naru_seq seq = c->snd.nxt;
    if (t->left == 0)
        return false;
    unsigned count = naru_tcp_quick_next(c, frame->slice + 1, NARU_TCP_SLICES, stack->now);
    if (count == 0)
        return false;
    t->left--;
    frame->slice_count = 1 + count;
    header(t, stack->csum, seq, frame);
    frame->slice[0] = (struct naru_slice){ frame->head, t->header_len };
    frame->len = t->len;
    frame->offload = t->offload;
    iface->turn = !iface->turn;
    iface->tx_packets++;
    iface->tx_bytes += t->len;
    return true;
}
