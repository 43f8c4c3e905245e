/*
 * A script at play: time, and one event after the other; see play.h.
 */
#include "pkt/play.h"
#include "pkt/settings.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REST_MAX = 100000, WAIT_MAX_S = 300 };

/* ---- The end ---- */

NARU_PRINTF(3, 0)
static void conclude(struct naru_play *p, enum naru_script_verdict verdict, const char *format,
                     va_list args)
{
    if (naru_play_ended(p))
        return;
    p->result->verdict = verdict;
    p->result->line = p->line;
    vsnprintf(p->result->text, sizeof(p->result->text), format, args);
}

void naru_play_fail(struct naru_play *p, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    conclude(p, NARU_SCRIPT_FAILED, format, args);
    va_end(args);
}

void naru_play_skip(struct naru_play *p, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    conclude(p, NARU_SCRIPT_SKIPPED, format, args);
    va_end(args);
}

/* ---- The stack ---- */

static void add_iface(struct naru_play *p)
{
    struct naru_iface_config iface;
    naru_iface_config_init(&iface);
    iface.name = "pkt0";
    iface.kind = NARU_IFACE_IP;
    iface.mtu = p->options.mtu;
    enum naru_err err = naru_iface_add(p->stack, &iface, p->now, &p->ifindex);
    for (unsigned v6 = 0; v6 < 2 && err == NARU_OK; v6++) {
        if (v6 == 1 && p->options.mtu < 1280)
            break;
        struct naru_route route = { .ifindex = (uint16_t)p->ifindex };
        route.prefix = v6 ? (struct naru_addr){ 0 } : naru_addr_v4(0);
        err = naru_ifaddr_add(p->stack, p->ifindex, &p->options.local[v6], v6 ? 64 : 16, p->now);
        if (err == NARU_OK)
            err = naru_route_add(p->stack, &route);
    }
    if (err != NARU_OK)
        naru_play_fail(p, "the stack's interface: %s", naru_err_text(err));
}

void naru_play_need_stack(struct naru_play *p)
{
    if (p->stack != NULL || naru_play_ended(p))
        return;
    enum naru_err err = naru_stack_new(&p->config, p->now, &p->stack);
    if (err != NARU_OK) {
        p->stack = NULL;
        naru_play_fail(p, "the stack: %s", naru_err_text(err));
        return;
    }
    add_iface(p);
}

/* ---- Time ---- */

/* Multicast reports and the like are no part of a script. */
static bool is_chatter(const struct naru_seen *seen)
{
    return seen->proto == NARU_PROTO_IGMP || seen->proto == NARU_PROTO_HOP_BY_HOP ||
           (seen->proto == NARU_PROTO_ICMPV6 && seen->icmp_type >= 130);
}

static bool collect(struct naru_play *p)
{
    struct naru_frame frame;
    bool any = false;
    for (unsigned n = 0; n < REST_MAX; n++) {
        if (!naru_stack_output(p->stack, p->ifindex, &frame, p->now))
            return any;
        struct naru_seen *seen = naru_arena_take(p->arena, sizeof(*seen) + frame.len);
        seen->at = p->now;
        seen->len = frame.len;
        naru_frame_copy(&frame, seen->bytes);
        naru_seen_parse(seen);
        if (is_chatter(seen))
            continue;
        *p->seen_end = seen;
        p->seen_end = &seen->next;
        any = true;
    }
    naru_play_fail(p, "the stack sends without end");
    return any;
}

static bool hear(struct naru_play *p)
{
    struct naru_event event;
    bool any = false;
    for (unsigned i = 0; i < NARU_PLAY_FDS; i++) {
        struct naru_play_fd *f = &p->fd[i];
        if (f->sock == NULL || !naru_notices_look(&f->notices, f->sock, p->now))
            continue;
        naru_poll_edge(p, f->sock, NARU_READY_ERROR);
        any = true;
    }
    while (naru_stack_event(p->stack, &event)) {
        naru_poll_edge(p, event.sock, event.changed);
        any = true;
    }
    return any;
}

void naru_play_settle(struct naru_play *p)
{
    if (p->stack == NULL)
        return;
    bool any = true;
    for (unsigned n = 0; any && n < REST_MAX && !naru_play_ended(p); n++) {
        any = collect(p);
        any |= hear(p);
        naru_call_retry(p);
    }
}

void naru_play_run(struct naru_play *p, naru_time until, bool stop_at_packet)
{
    unsigned idle = 0;
    naru_play_settle(p);
    while (p->stack != NULL && !naru_play_ended(p)) {
        if (stop_at_packet && p->seen != NULL)
            return;
        naru_time next = naru_stack_deadline(p->stack);
        if (p->pending.event != NULL)
            next = NARU_MIN(next, p->pending.wake);
        if (next > until)
            break;
        idle = next > p->now ? 0 : idle + 1;
        if (idle > REST_MAX)
            naru_play_fail(p, "the stack does not come to rest");
        p->now = NARU_MAX(p->now, next);
        naru_stack_tick(p->stack, p->now);
        naru_play_settle(p);
    }
    p->now = NARU_MAX(p->now, until);
    naru_play_settle(p);
}

/* ---- Connections ---- */

void naru_play_new_conn(struct naru_play *p, uint16_t local_port, uint16_t remote_port)
{
    p->conn = naru_arena_take(p->arena, sizeof(*p->conn));
    p->conn->local_port = local_port;
    p->conn->remote_port = remote_port;
}

/* ---- Events ---- */

/* The time that an event's own is counted from. */
static naru_time origin_of(const struct naru_play *p, const struct naru_script_event *e)
{
    return e->time.when == NARU_SCRIPT_RELATIVE ? p->last_at : NARU_SEC(NARU_PLAY_ORIGIN_S);
}

/* Changes that a cleanup takes back matter to nothing any more. */
static bool only_commands_follow(const struct naru_script_event *e)
{
    for (e = e->next; e != NULL; e = e->next)
        if (e->kind != NARU_SCRIPT_COMMAND)
            return false;
    return true;
}

static void play_event(struct naru_play *p, const struct naru_script_event *e)
{
    naru_time origin = origin_of(p, e);
    bool inbound = e->kind == NARU_SCRIPT_PACKET && e->u.packet.inbound;
    if (e->kind == NARU_SCRIPT_PACKET && !inbound) {
        naru_expect(p, e, origin);
        p->last_was_inbound = false;
        return;
    }
    naru_time at = origin + e->time.at;
    naru_play_run(p, at, false);
    if (naru_play_ended(p))
        return;
    switch (e->kind) {
    case NARU_SCRIPT_PACKET:
        naru_inject(p, &e->u.packet);
        break;
    case NARU_SCRIPT_CALL:
        naru_call_begin(p, e, origin);
        break;
    case NARU_SCRIPT_COMMAND:
        if (p->stack == NULL || !only_commands_follow(e) || strncmp(e->u.text, "sysctl", 6) != 0)
            naru_command(p, e->u.text);
        break;
    case NARU_SCRIPT_CODE:
        naru_code(p, e->u.text);
        break;
    }
    naru_play_settle(p);
    /* Two inbound packets keep the script's distance; all else counts from when it happened. */
    p->last_at = inbound && p->last_was_inbound ? at : NARU_MAX(at, p->now);
    if (e->kind == NARU_SCRIPT_CALL && e->time.blocking)
        p->last_at = at;
    p->last_was_inbound = inbound;
}

static void set_up(struct naru_play *p)
{
    naru_settings_init(&p->config, p->profile == NARU_PLAY_FREEBSD);
    p->now = NARU_SEC(NARU_PLAY_ORIGIN_S);
    p->last_at = p->now;
    p->seen_end = &p->seen;
    p->next_port = 40000;
    p->under_test = -1;
    for (unsigned i = 0; i < NARU_PLAY_FDS; i++)
        p->fd[i].number = -1;
    naru_play_new_conn(p, 0, 0);
}

void naru_play(const struct naru_script *script, enum naru_play_profile profile,
               struct naru_arena *arena, struct naru_script_result *result)
{
    struct naru_play *p = naru_arena_take(arena, sizeof(*p));
    p->script = script;
    p->options = script->options;
    p->profile = profile;
    p->arena = arena;
    p->result = result;
    set_up(p);
    for (const struct naru_script_event *e = script->first; e != NULL; e = e->next) {
        p->line = e->line;
        play_event(p, e);
        if (naru_play_ended(p))
            break;
    }
    if (!naru_play_ended(p) && p->pending.event != NULL)
        naru_call_finish(p);
    if (p->stack != NULL)
        naru_stack_free(p->stack);
}
