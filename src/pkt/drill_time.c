/*
 * naru-packetdrill.so: time, packets, and calls that block; see drill.h.
 */
#include "pkt/drill.h"

#include "pkt/settings.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REST_MAX = 100000 };

void drill_lock(void) { pthread_mutex_lock(&drill.lock); }

void drill_unlock(void) { pthread_mutex_unlock(&drill.lock); }

/* ---- The stack ---- */

static void read_sysctl(const char *name)
{
    char path[sizeof(drill.sysctl) + 300], value[256] = "", dotted[280];
    bool ignored = false;
    snprintf(path, sizeof(path), "%s/net/ipv4/%s", drill.sysctl, name);
    snprintf(dotted, sizeof(dotted), "net.ipv4.%s", name);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return;
    if (fgets(value, sizeof(value), file) != NULL) {
        value[strcspn(value, "\n")] = '\0';
        (void)naru_settings_sysctl(&drill.config, &ignored, dotted, value);
    }
    fclose(file);
}

static void configure(void)
{
    char path[sizeof(drill.sysctl) + 16];
    struct dirent *entry;
    naru_settings_init(&drill.config, drill.freebsd);
    if (drill.sysctl[0] == '\0')
        return;
    snprintf(path, sizeof(path), "%s/net/ipv4", drill.sysctl);
    DIR *dir = opendir(path);
    if (dir == NULL)
        return;
    while ((entry = readdir(dir)) != NULL)
        if (strncmp(entry->d_name, "tcp_", 4) == 0)
            read_sysctl(entry->d_name);
    closedir(dir);
}

static bool add_family(unsigned v6)
{
    struct naru_route route = { .ifindex = (uint16_t)drill.ifindex };
    route.prefix = v6 ? (struct naru_addr){ 0 } : naru_addr_v4(0);
    return naru_ifaddr_add(drill.stack, drill.ifindex, &drill.local[v6], v6 ? 64 : 16, drill.now) ==
               NARU_OK &&
           naru_route_add(drill.stack, &route) == NARU_OK;
}

/* A stack is configured when it is made: anew for each socket while there is no other. */
bool drill_need_stack(void)
{
    struct naru_iface_config iface;
    bool held = false, good;
    for (unsigned i = 0; i < DRILL_FDS; i++)
        held = held || (drill.fd[i].number >= 0 && drill.fd[i].sock != NULL);
    if (drill.stack != NULL && (held || drill.sysctl[0] == '\0'))
        return true;
    naru_stack_free(drill.stack);
    configure();
    if (naru_stack_new(&drill.config, drill.now, &drill.stack) != NARU_OK) {
        drill.stack = NULL;
        return false;
    }
    naru_iface_config_init(&iface);
    iface.name = "pkt0";
    iface.kind = NARU_IFACE_IP;
    iface.mtu = drill.mtu;
    good = naru_iface_add(drill.stack, &iface, drill.now, &drill.ifindex) == NARU_OK;
    for (unsigned v6 = 0; v6 < 2 && good; v6++)
        if (drill.has_local[v6] && (v6 == 0 || drill.mtu >= 1280))
            good = add_family(v6);
    return good;
}

/* ---- What it has to say ---- */

/* Multicast reports and the like are no part of a script. */
static bool is_chatter(const uint8_t *p, size_t len)
{
    bool v6 = len >= 41 && p[0] >> 4 == 6;
    if (v6)
        return p[6] == 0 || (p[6] == 58 && p[40] >= 130);
    return len >= 20 && p[9] == 2;
}

static bool collect(void)
{
    struct naru_frame frame;
    bool any = false;
    for (unsigned n = 0;
         n < REST_MAX && naru_stack_output(drill.stack, drill.ifindex, &frame, drill.now); n++) {
        struct drill_packet *packet = malloc(sizeof(*packet) + frame.len);
        if (packet == NULL)
            return any;
        *packet = (struct drill_packet){ .at = drill.now, .len = frame.len };
        naru_frame_copy(&frame, packet->bytes);
        any = true;
        if (is_chatter(packet->bytes, packet->len)) {
            free(packet);
            continue;
        }
        *drill.sent_end = packet;
        drill.sent_end = &packet->next;
    }
    return any;
}

/* What was told on error queues is an edge, too. */
static bool note(void)
{
    bool any = false;
    for (unsigned i = 0; i < DRILL_FDS; i++) {
        struct drill_fd *f = &drill.fd[i];
        if (f->sock == NULL || !naru_notices_look(&f->notices, f->sock, drill.now))
            continue;
        drill_edge(f->sock, NARU_READY_ERROR);
        any = true;
    }
    return any;
}

/* The call of the other thread, done for it; then it is waited for until it has its result. */
static bool serve(void)
{
    struct drill_waiter *w = drill.waiter;
    int before = errno;
    if (w == NULL || w->done || !pthread_equal(drill.first, pthread_self()))
        return false;
    w->done = w->attempt(w->call, &w->result);
    w->error = errno;
    errno = before;
    if (!w->done)
        return false;
    w->at = drill.now;
    pthread_cond_broadcast(&drill.changed);
    while (drill.waiter == w)
        pthread_cond_wait(&drill.changed, &drill.lock);
    return true;
}

void drill_settle(void)
{
    struct naru_event event;
    bool any = drill.stack != NULL;
    for (unsigned n = 0; any && n < REST_MAX; n++) {
        any = collect();
        any |= note();
        while (naru_stack_event(drill.stack, &event)) {
            drill_edge(event.sock, event.changed);
            any = true;
        }
        any |= serve();
    }
}

/* To the next thing that happens, at most until then; false: nothing does. */
static bool step(naru_time until)
{
    naru_time next = drill.stack != NULL ? naru_stack_deadline(drill.stack) : NARU_NEVER;
    if (next > until)
        return false;
    drill.now = NARU_MAX(drill.now, next);
    naru_stack_tick(drill.stack, drill.now);
    drill_settle();
    return true;
}

void drill_run(naru_time until)
{
    drill_settle();
    for (unsigned n = 0; n < REST_MAX && step(until); n++) {
    }
    drill.now = NARU_MAX(drill.now, until);
    drill_settle();
}

/* ---- Calls that block ---- */

int64_t drill_call(drill_try attempt, void *call, bool may_block)
{
    int64_t result = -1;
    naru_time patience = drill.now + NARU_SEC(DRILL_PATIENCE_S);
    if (attempt(call, &result)) {
        int error = errno;
        drill_settle();
        errno = error;
        return result;
    }
    if (!may_block)
        return drill_fail(EAGAIN);
    if (pthread_equal(drill.first, pthread_self())) {
        while (step(patience))
            if (attempt(call, &result))
                return result;
        return drill_fail(ETIMEDOUT);
    }
    struct drill_waiter w = { .attempt = attempt, .call = call };
    drill.waiter = &w;
    while (!w.done)
        pthread_cond_wait(&drill.changed, &drill.lock);
    drill.waiter = NULL;
    drill.told_later = true;
    drill.told_at = w.at;
    pthread_cond_broadcast(&drill.changed);
    errno = w.error;
    return w.result;
}

/* ---- The driver's clock and device ---- */

int drill_gettimeofday(void *user, struct timeval *tv, struct timezone *tz)
{
    (void)user;
    (void)tz;
    drill_lock();
    naru_time at;
    if (drill.told_later && !pthread_equal(drill.first, pthread_self())) {
        drill.told_later = false;
        at = drill.told_at;
    } else {
        drill_run(drill.now + NARU_US(1));
        at = drill.now;
    }
    drill_unlock();
    *tv = (struct timeval){ .tv_sec = at / NARU_SEC(1), .tv_usec = at % NARU_SEC(1) / 1000 };
    return 0;
}

int drill_usleep(void *user, useconds_t us)
{
    (void)user;
    drill_lock();
    drill_run(drill.now + NARU_US((naru_time)us));
    drill_unlock();
    return 0;
}

int drill_netdev_send(void *user, const void *bytes, size_t len)
{
    (void)user;
    int result = -1;
    drill_lock();
    if (len > 0 && len <= DRILL_PACKET_MAX && drill_need_stack()) {
        struct naru_pkt *pkt = naru_pkt_new(drill.stack, len);
        if (pkt != NULL) {
            memcpy(pkt->data, bytes, len);
            pkt->len = (uint32_t)len;
            naru_stack_input(drill.stack, drill.ifindex, pkt, drill.now);
            drill_settle();
            result = 0;
        }
    }
    drill_unlock();
    return result;
}

/* The next packet, however long that takes; a count of 0 when none comes in five minutes. */
int drill_netdev_receive(void *user, void *bytes, size_t *len, long long *time_us)
{
    (void)user;
    drill_lock();
    naru_time patience = drill.now + NARU_SEC(DRILL_PATIENCE_S);
    drill_settle();
    while (drill.sent == NULL && step(patience)) {
    }
    struct drill_packet *packet = drill.sent;
    *time_us = (packet != NULL ? packet->at : drill.now) / 1000;
    if (packet == NULL) {
        *len = 0;
    } else {
        *len = NARU_MIN(*len, packet->len);
        memcpy(bytes, packet->bytes, *len);
        drill.sent = packet->next;
        if (drill.sent == NULL)
            drill.sent_end = &drill.sent;
        free(packet);
    }
    drill_unlock();
    return 0;
}
