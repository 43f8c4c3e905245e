/*
 * The applications of a simulation; see sim_app.h.
 */
#include "lab/sim_app.h"

enum { SIZE_MOST = 65536, TURNS = 64 };

/* ---- Behaviour ---- */

static bool one_in(struct naru_rand *r, uint32_t n) { return naru_rand_below(r, n) == 0; }

/* A size of any order of magnitude up to max. */
static uint32_t some_size(struct naru_rand *r, uint32_t max)
{
    uint32_t bits = naru_rand_between(r, 1, 17);
    return NARU_MIN(naru_rand_between(r, 1, 1u << bits), max);
}

void naru_sim_end_draw(struct naru_sim_end *end, struct naru_rand *r, unsigned flow, unsigned side)
{
    *end = (struct naru_sim_end){
        .flow = flow,
        .side = side,
        .total = one_in(r, 6) ? 0 : some_size(r, 1u << 17),
        .write_size = one_in(r, 8) ? 1 : some_size(r, SIZE_MOST),
        .write_pause = one_in(r, 3) ? NARU_US(naru_rand_below(r, 20000)) : 0,
        .read_size = one_in(r, 8) ? 1 : some_size(r, SIZE_MOST),
        .read_pause = one_in(r, 4) ? NARU_US(naru_rand_below(r, 20000)) : 0,
        .stop_at = one_in(r, 4) ? naru_rand_below(r, 1u << 16) : UINT32_MAX,
        .stop_for = NARU_MS(naru_rand_below(r, 20000)),
        .abort_at = one_in(r, 8) ? some_size(r, 1u << 16) : UINT32_MAX,
        .close_early = one_in(r, 2),
        .half_close = one_in(r, 2),
    };
    /* One byte at a time with a pause after each would take for ever. */
    if (end->write_size < 64)
        end->total = NARU_MIN(end->total, 4096u);
    if (end->write_size < 512)
        end->write_pause = NARU_MIN(end->write_pause, NARU_MS(1));
    if (end->read_size < 512)
        end->read_pause = 0;
}

/* ---- Bytes ---- */

static uint8_t byte_at(unsigned flow, unsigned side, uint32_t offset)
{
    uint32_t x = (offset + 1) * 0x9e3779b1u ^ flow * 0x85ebca6bu ^ side * 0xc2b2ae35u;
    x ^= x >> 15;
    return (uint8_t)(x * 0x2c1b3c6du >> 24);
}

static void give_up(struct naru_sim_end *end, enum naru_err error, naru_time now)
{
    end->error = error;
    end->gave_up = end->done = true;
    naru_sock_close(end->sock, now);
    end->sock = NULL;
}

static const char *read_some(struct naru_sim_end *end, uint32_t peer_total, naru_time now)
{
    uint8_t bytes[4096] = { 0 };
    for (unsigned i = 0; i < TURNS && now >= end->read_again && !end->eof; i++) {
        struct naru_room room = { bytes, NARU_MIN(sizeof(bytes), (size_t)end->read_size) };
        int64_t n = naru_sock_recv(end->sock, &room, 1, 0, NULL, now);
        if (n == NARU_ERR_AGAIN)
            return NULL;
        if (n < 0) {
            give_up(end, (enum naru_err)n, now);
            return NULL;
        }
        end->eof = n == 0;
        for (uint32_t k = 0; k < (uint32_t)n; k++)
            if (bytes[k] != byte_at(end->flow, !end->side, end->received + k))
                return "a byte is not what was sent";
        end->received += (uint32_t)n;
        if (end->received > peer_total)
            return "more bytes came than were sent";
        if (end->received >= end->stop_at) {
            end->stop_at = UINT32_MAX;
            end->read_again = now + end->stop_for;
        } else if (end->read_pause != 0) {
            end->read_again = now + end->read_pause;
        }
    }
    if (!end->eof && end->read_again <= now)
        end->read_again = now + NARU_US(10); /* others have their turn */
    return NULL;
}

static void write_some(struct naru_sim_end *end, naru_time now)
{
    uint8_t bytes[4096];
    for (unsigned i = 0; i < TURNS && end->sent < end->total && now >= end->write_again; i++) {
        uint32_t len = NARU_MIN(end->write_size, end->total - end->sent);
        len = NARU_MIN(len, (uint32_t)sizeof(bytes));
        for (uint32_t k = 0; k < len; k++)
            bytes[k] = byte_at(end->flow, end->side, end->sent + k);
        struct naru_slice slice = { bytes, len };
        int64_t n = naru_sock_send(end->sock, &slice, 1, 0, NULL, now);
        if (n == NARU_ERR_AGAIN)
            return;
        if (n < 0) {
            give_up(end, (enum naru_err)n, now);
            return;
        }
        end->sent += (uint32_t)n;
        if (end->write_pause != 0)
            end->write_again = now + end->write_pause;
    }
    if (end->sent < end->total && end->write_again <= now)
        end->write_again = now + NARU_US(10);
}

static void maybe_end(struct naru_sim_end *end, uint32_t peer_total, naru_time now)
{
    if (end->sent == end->total && end->half_close && !end->shut) {
        end->shut = true;
        (void)naru_sock_shutdown(end->sock, NARU_SHUTDOWN_WRITE, now);
    }
    if (end->sent < end->total || (end->received < peer_total && !end->eof))
        return;
    end->done = true;
    naru_sock_close(end->sock, now);
    end->sock = NULL;
}

/* A peer that aborts may not be heard: whoever only waits asks from time to time. */
static void keep_alive(struct naru_sim_end *end, naru_time now)
{
    (void)naru_sock_set(end->sock, NARU_OPT_KEEPIDLE_MS, 10000, now);
    (void)naru_sock_set(end->sock, NARU_OPT_KEEPINTVL_MS, 5000, now);
    (void)naru_sock_set(end->sock, NARU_OPT_KEEPALIVE, 1, now);
    end->asks = true;
}

static bool connecting(struct naru_sim_end *end)
{
    int64_t state = NARU_TCP_CLOSED;
    (void)naru_sock_get(end->sock, NARU_OPT_STATE, &state);
    return state == NARU_TCP_SYN_SENT || state == NARU_TCP_SYN_RECEIVED;
}

const char *naru_sim_end_step(struct naru_sim_end *end, uint32_t peer_total, naru_time now)
{
    if (end->sock == NULL || end->done || connecting(end))
        return NULL;
    if (!end->asks)
        keep_alive(end, now);
    if (end->sent + end->received >= end->abort_at) {
        end->gave_up = end->done = true;
        if (end->close_early)
            naru_sock_close(end->sock, now);
        else
            naru_sock_abort(end->sock, now);
        end->sock = NULL;
        return NULL;
    }
    const char *wrong = read_some(end, peer_total, now);
    if (wrong == NULL && end->sock != NULL)
        write_some(end, now);
    if (wrong == NULL && end->sock != NULL)
        maybe_end(end, peer_total, now);
    return wrong;
}

naru_time naru_sim_end_deadline(const struct naru_sim_end *end, naru_time now)
{
    naru_time at = NARU_NEVER;
    if (end->sock == NULL || end->done)
        return at;
    if (end->sent < end->total && end->write_again > now)
        at = NARU_MIN(at, end->write_again);
    if (!end->eof && end->read_again > now)
        at = NARU_MIN(at, end->read_again);
    return at;
}
