/*
 * A guest, a wire and a gateway in one process, and servers of the host on its loopback.
 *
 * The guest is a naru stack used as if its calls could block: guest_ functions turn the loop until
 * they are through, and fail the test when that takes longer than PATIENCE.  The servers are
 * threads with the host's own blocking sockets on 127.0.0.1 or ::1, which the guest knows as the
 * gateway's address.
 */
#ifndef NARU_TESTS_GATE_LAB_H
#define NARU_TESTS_GATE_LAB_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gate/gate.h"
#include "host/loop.h"
#include "host/wire.h"
#include <naru/naru.h>
#include <pthread.h>

#define PATIENCE NARU_SEC(30)

struct gate_lab {
    struct naru_loop *loop;
    struct naru_stack *guest;
    struct naru_attachment attachment;
    unsigned ifindex;
    struct naru_gate *gate;
    struct naru_wire wire;
    naru_time give_up_at;
};

/* config: as naru_gate_config_init gives it, changed by the test; NULL: with host_loopback. */
void lab_open(struct gate_lab *lab, const struct naru_gate_config *config);
void lab_close(struct gate_lab *lab);

/* The gateway as the guest sees it; family 4 or 6. */
struct naru_endpoint lab_gateway(int family, uint16_t port);
struct naru_endpoint lab_endpoint(const char *addr, uint16_t port);

/* One turn of the loop; fails the test when PATIENCE is over since the last lab_patience. */
void lab_turn(struct gate_lab *lab);
/* One that does not sleep. */
void lab_poll(struct gate_lab *lab);
void lab_patience(struct gate_lab *lab);
/* Turns for that time, whatever happens. */
void lab_run_for(struct gate_lab *lab, naru_time time);
struct naru_gate_stats lab_stats(const struct gate_lab *lab);

/* ---- The guest's sockets ---- */

struct naru_sock *guest_socket(struct gate_lab *lab, int family, enum naru_sock_type type);
/* NARU_OK, or how it failed. */
enum naru_err guest_connect(struct gate_lab *lab, struct naru_sock *sock,
                            const struct naru_endpoint *to);
/* A connected socket; the test fails if it cannot be had. */
struct naru_sock *guest_connected(struct gate_lab *lab, const struct naru_endpoint *to);
void guest_send(struct gate_lab *lab, struct naru_sock *sock, const void *data, size_t len);
/* What is there, at least one byte; 0 at the end; an error. */
int64_t guest_recv(struct gate_lab *lab, struct naru_sock *sock, void *data, size_t len);
/* Exactly len bytes, or the test fails. */
void guest_recv_all(struct gate_lab *lab, struct naru_sock *sock, void *data, size_t len);
void guest_shutdown(struct gate_lab *lab, struct naru_sock *sock);
void guest_close(struct gate_lab *lab, struct naru_sock *sock);
void guest_send_to(struct gate_lab *lab, struct naru_sock *sock, const struct naru_endpoint *to,
                   const void *data, size_t len);
/* A datagram and its sender. */
int64_t guest_recv_from(struct gate_lab *lab, struct naru_sock *sock, void *data, size_t len,
                        struct naru_endpoint *from);

/* ---- The host's servers ---- */

/* Bound to loopback, port of the kernel's choice; listening if it is a stream. */
int host_bound(int family, int type, uint16_t *port);
int host_accept(int fd);
void host_write_all(int fd, const void *data, size_t len);
void host_read_all(int fd, void *data, size_t len);
/* A thread; lab_join turns the loop until it has ended, and gives what it returned. */
pthread_t host_start(void *(*run)(void *), void *arg);
void *lab_join(struct gate_lab *lab, pthread_t thread);

/*
 * Runs a test in a child process and a network namespace of its own, in which the shell command has
 * been run before (loopback is up).  Skips the calling test, with a reason, where there can be
 * none.
 */
void lab_in_namespace(const char *command, CMUnitTestFunction run);

/* Bytes that tell where they belong: the byte at that place of a stream. */
uint8_t pattern_at(uint64_t place);
void pattern_fill(uint8_t *data, size_t len, uint64_t place);
/* The first place where data is not the pattern, or len. */
size_t pattern_check(const uint8_t *data, size_t len, uint64_t place);

#endif
