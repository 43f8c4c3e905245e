/*
 * Socket objects: making, finding and ending them, and who is told of what happens on the pair.
 *
 * The pair is watched edge-triggered with everything at once: EPOLLHUP cannot be masked, and a
 * level-triggered hang-up would spin.
 *
 * UDP uses SOCK_SEQPACKET, not SOCK_DGRAM: only a connected kind tells us when the program closes.
 */
#include "run/object.h"

#include "host/errno.h"
#include "run/accept.h"
#include "run/connect.h"
#include "run/dgram.h"
#include "run/netlink.h"
#include "run/runner.h"
#include "run/stream.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STOCK_MAX   4
#define CLOSING_MAX 4 /* what was used a short while ago is still in the cache */

_Static_assert(CLOSING_MAX < NARU_OBJECT_ENDED_MAX, "who is closed at last is still remembered");

static void use_spare_time(struct naru_loop_idle *idle);

void naru_object_table_init(struct naru_object_table *table, struct naru_runner *runner)
{
    memset(table, 0, sizeof *table);
    table->ended_last = &table->ended_first;
    table->stock.closing_last = &table->stock.closing_first;
    table->stock.idle = (struct naru_loop_idle){ .run = use_spare_time, .user = runner };
}

static struct naru_object **bucket_of(struct naru_object_table *table, ino_t inode)
{
    return &table->bucket[inode % NARU_OBJECT_BUCKETS];
}

static void table_remove(struct naru_object_table *table, struct naru_object *object)
{
    struct naru_object **at = bucket_of(table, object->inode);
    while (*at != object)
        at = &(*at)->bucket_next;
    *at = object->bucket_next;
    table->count--;
}

struct naru_object *naru_object_find(struct naru_object_table *table, ino_t inode)
{
    struct naru_object *object = *bucket_of(table, inode);
    while (object != NULL && object->inode != inode)
        object = object->bucket_next;
    return object;
}

static void forget_oldest_ended(struct naru_object_table *table)
{
    struct naru_object *object = table->ended_first;
    assert(object->watch.fd < 0);
    table->ended_first = object->ended_next;
    if (table->ended_first == NULL)
        table->ended_last = &table->ended_first;
    table->ended_count--;
    table_remove(table, object);
    free(object);
}

/* The pair that is unused for the longest time; false if there is none. */
static bool close_pair(struct naru_object_stock *stock)
{
    struct naru_object *object = stock->closing_first;
    if (object == NULL)
        return false;
    stock->closing_first = object->spare_next;
    if (stock->closing_first == NULL)
        stock->closing_last = &stock->closing_first;
    stock->closing_count--;
    naru_watch_close(&object->watch);
    return true;
}

/* NULL: none is left. */
static struct naru_object *take_made(struct naru_object_stock *stock)
{
    struct naru_object *object = stock->made;
    if (object == NULL)
        return NULL;
    stock->made = object->spare_next;
    stock->made_count--;
    return object;
}

static struct naru_object *first_living(struct naru_object *object)
{
    while (object != NULL && object->phase == NARU_PHASE_ENDED)
        object = object->bucket_next;
    return object;
}

void naru_object_table_deinit(struct naru_object_table *table, naru_time now)
{
    for (size_t i = 0; i < NARU_OBJECT_BUCKETS; i++) {
        struct naru_object *object;
        while ((object = first_living(table->bucket[i])) != NULL)
            naru_object_end(object, now);
    }
    naru_loop_idle_stop(&table->stock.idle);
    while (close_pair(&table->stock))
        ;
    while (table->stock.made != NULL) {
        struct naru_object *object = take_made(&table->stock);
        naru_watch_close(&object->watch);
        close(object->program_end);
        free(object);
    }
    while (table->ended_first != NULL)
        forget_oldest_ended(table);
}

static void pair_ready(struct naru_watch *watch, uint32_t events)
{
    struct naru_object *object = watch->user;
    naru_time now = naru_loop_now(watch->loop);
    if (object->netlink) {
        naru_netlink_pair_ready(object, events, now);
        return;
    }
    if (object->type != NARU_SOCK_STREAM) {
        naru_datagram_pair_ready(object, events, now);
        return;
    }
    switch (object->phase) {
    case NARU_PHASE_OPEN:
        naru_stream_pair_ready(object, events, now);
        break;
    case NARU_PHASE_FRESH:
    case NARU_PHASE_CONNECTING:
    case NARU_PHASE_LISTENING:
        object->early_events |= events;
        if ((events & EPOLLHUP) != 0) {
            naru_waiters_fail(object, EINVAL);
            naru_object_end(object, now);
        }
        break;
    case NARU_PHASE_ENDED:
        break;
    }
}

void naru_object_sock_event(struct naru_object *object, const struct naru_event *event)
{
    naru_time now = naru_loop_now(object->runner->loop);
    if (object->type != NARU_SOCK_STREAM) {
        naru_datagram_sock_event(object, event, now);
        return;
    }
    switch (object->phase) {
    case NARU_PHASE_OPEN:
        naru_stream_sock_event(object, event, now);
        break;
    case NARU_PHASE_CONNECTING:
        naru_connect_sock_event(object, event, now);
        break;
    case NARU_PHASE_LISTENING:
        naru_listen_sock_event(object, event);
        break;
    case NARU_PHASE_FRESH:
    case NARU_PHASE_ENDED:
        break;
    }
}

/*
 * Our end hears of everything from the beginning on, and urgent bytes stay in their place.  0, or a
 * negative errno.
 */
static int watch_pair(struct naru_object *object, enum naru_sock_type type)
{
    int on = 1;
    bool stream = type == NARU_SOCK_STREAM;
    struct stat st;
    object->watch.events = stream ? NARU_STREAM_EVENTS : NARU_STREAM_EVENTS | EPOLLOUT;
    object->watch.ready = pair_ready;
    object->watch.user = object;
    if (fstat(object->program_end, &st) < 0)
        return -errno;
    object->inode = st.st_ino;
    if (stream)
        setsockopt(object->watch.fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof on);
    return naru_watch_add(object->runner->loop, &object->watch);
}

/* An object that has its pair, and nothing else; NULL: *error is a negative errno. */
static struct naru_object *make(struct naru_runner *runner, enum naru_sock_type type, int *error)
{
    int pair[2], kind = type == NARU_SOCK_STREAM ? SOCK_STREAM : SOCK_SEQPACKET;
    struct naru_object *object = calloc(1, sizeof *object);
    *error = -ENOMEM;
    if (object == NULL)
        return NULL;
    if (socketpair(AF_UNIX, kind | SOCK_CLOEXEC, 0, pair) < 0) {
        *error = -errno;
        free(object);
        return NULL;
    }
    object->runner = runner;
    object->watch.fd = pair[0];
    object->program_end = pair[1];
    *error = watch_pair(object, type);
    if (*error == 0)
        return object;
    close(pair[0]);
    close(pair[1]);
    free(object);
    return NULL;
}

/* One piece of work: a pair is closed, or made. */
static void use_spare_time(struct naru_loop_idle *idle)
{
    struct naru_runner *runner = idle->user;
    struct naru_object_stock *stock = &runner->objects.stock;
    int error;
    if (!close_pair(stock)) {
        struct naru_object *object = make(runner, NARU_SOCK_STREAM, &error);
        if (object == NULL)
            return; /* whoever needs one will be told why */
        object->spare_next = stock->made;
        stock->made = object;
        stock->made_count++;
    }
    if (stock->closing_first != NULL || stock->made_count < STOCK_MAX)
        naru_loop_idle_set(runner->loop, idle);
}

/* From the stock, or made now. */
static struct naru_object *take(struct naru_runner *runner, enum naru_sock_type type, int *error)
{
    struct naru_object_stock *stock = &runner->objects.stock;
    if (type != NARU_SOCK_STREAM)
        return make(runner, type, error);
    struct naru_object *object = take_made(stock);
    naru_loop_idle_set(runner->loop, &stock->idle);
    return object != NULL ? object : make(runner, type, error);
}

int naru_object_new(struct naru_runner *runner, struct naru_sock *sock, enum naru_family family,
                    enum naru_sock_type type, int protocol, struct naru_object **out,
                    int *program_end)
{
    struct naru_object_table *table = &runner->objects;
    int error;
    struct naru_object *object = take(runner, type, &error);
    if (object == NULL)
        return error;

    object->sock = sock;
    object->netlink = sock == NULL;
    object->family = family;
    object->type = type;
    object->protocol = protocol;
    object->phase = type == NARU_SOCK_STREAM ? NARU_PHASE_FRESH : NARU_PHASE_OPEN;
    object->recv_timeout = object->send_timeout = NARU_NEVER;
    naru_waiter_list_init(&object->waiters);

    /* An older object of that number can only be an ended one: the newer is found first. */
    object->bucket_next = *bucket_of(table, object->inode);
    *bucket_of(table, object->inode) = object;
    table->count++;
    if (sock != NULL)
        naru_sock_set_user(sock, object);
    *out = object;
    *program_end = object->program_end;
    object->program_end = -1;
    return 0;
}

/* Now, or, where the program is not waiting for it, in our spare time. */
static void give_up_pair(struct naru_object *object)
{
    struct naru_object_stock *stock = &object->runner->objects.stock;
    if (!object->stream.hung_up) {
        naru_watch_close(&object->watch);
        return;
    }
    if (stock->closing_count == CLOSING_MAX)
        (void)close_pair(stock);
    object->spare_next = NULL;
    *stock->closing_last = object;
    stock->closing_last = &object->spare_next;
    stock->closing_count++;
    naru_loop_idle_set(object->runner->loop, &stock->idle);
}

/* The pair and what belongs to the living; the naru socket is gone already. */
static void bury(struct naru_object *object)
{
    struct naru_object_table *table = &object->runner->objects;
    give_up_pair(object);
    naru_loop_timer_stop(&object->stream.more);
    object->sock = NULL;
    object->phase = NARU_PHASE_ENDED;
    free(object->dgram.held);
    object->dgram.held = NULL;
    naru_waiters_fail(object, object->so_error != 0 ? object->so_error : EINVAL);

    object->ended_next = NULL;
    *table->ended_last = object;
    table->ended_last = &object->ended_next;
    if (++table->ended_count > NARU_OBJECT_ENDED_MAX)
        forget_oldest_ended(table);
}

static void remember_names(struct naru_object *object)
{
    naru_sock_local(object->sock, &object->local);
    object->has_remote = naru_sock_remote(object->sock, &object->remote) == NARU_OK;
}

void naru_object_end(struct naru_object *object, naru_time now)
{
    if (object->netlink) {
        bury(object);
        return;
    }
    remember_names(object);
    if (object->undelivered != NULL)
        naru_sock_abort(object->undelivered, now);
    object->undelivered = NULL;
    naru_sock_close(object->sock, now);
    bury(object);
}

void naru_object_abort(struct naru_object *object, naru_time now)
{
    remember_names(object);
    naru_sock_abort(object->sock, now);
    bury(object);
}

struct naru_sock *naru_object_release(struct naru_object *object)
{
    struct naru_sock *sock = object->sock;
    naru_sock_set_user(sock, NULL);
    bury(object);
    return sock;
}

int naru_object_holder(struct naru_object *object)
{
    return naru_task_find_holder(&object->runner->tasks, object->hint_pid, object->hint_fd,
                                 object->inode);
}

int naru_object_take_error(struct naru_object *object)
{
    int64_t pending = 0;
    int error = object->so_error;
    object->so_error = 0;
    if (object->sock != NULL && naru_sock_get(object->sock, NARU_OPT_ERROR, &pending) == NARU_OK &&
        error == 0)
        error = naru_errno(pending);
    return error;
}

int naru_object_domain(const struct naru_object *object)
{
    return object->family == NARU_IPV4 ? AF_INET : AF_INET6;
}
