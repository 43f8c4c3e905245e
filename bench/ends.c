/*
 * The two ends of a connection as plain programs, for the benchmarks that stand beside the kernel
 * and beside other gateways: the same program runs on each of them.
 *
 *   ends echo ADDRESS PORT                  takes one connection, returns what comes
 *   ends rounds ADDRESS PORT SECONDS        64 bytes there and back, one after the other
 *   ends take ADDRESS PORT                  takes connections and closes them
 *   ends connects ADDRESS PORT SECONDS      connect, wait for the end, close, one after the other
 *   ends both rounds|connects ADDRESS PORT SECONDS     both ends, in two processes
 *
 * rounds and connects print how many a second.  Not done: more than one connection at a time.
 */
#include "ends.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROUND_BYTES = 64, BUFFER = 65536 };

union name {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static socklen_t parse(const char *address, const char *port, union name *name)
{
    memset(name, 0, sizeof(*name));
    uint16_t number = htons((uint16_t)strtoul(port, NULL, 10));
    if (inet_pton(AF_INET, address, &name->v4.sin_addr) == 1) {
        name->v4.sin_family = AF_INET;
        name->v4.sin_port = number;
        return sizeof(name->v4);
    }
    if (inet_pton(AF_INET6, address, &name->v6.sin6_addr) != 1)
        die(address);
    name->v6.sin6_family = AF_INET6;
    name->v6.sin6_port = number;
    return sizeof(name->v6);
}

static int listening(const char *address, const char *port)
{
    union name name;
    socklen_t len = parse(address, port, &name);
    int on = 1, fd = socket(name.any.sa_family, SOCK_STREAM, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        bind(fd, &name.any, len) < 0 || listen(fd, 128) < 0)
        die("listen");
    return fd;
}

static int connected(const union name *name, socklen_t len)
{
    int fd = socket(name->any.sa_family, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, &name->any, len) < 0)
        die("connect");
    return fd;
}

static void no_delay(int fd)
{
    int on = 1;
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
        die("TCP_NODELAY");
}

static void echo(int listener)
{
    static char bytes[BUFFER];
    int fd = accept(listener, NULL, NULL);
    if (fd < 0)
        die("accept");
    no_delay(fd);
    for (ssize_t got; (got = recv(fd, bytes, sizeof(bytes), 0)) > 0;)
        if (send(fd, bytes, (size_t)got, MSG_NOSIGNAL) != got)
            die("send");
    close(fd);
}

static void take(int listener)
{
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0)
            die("accept");
        close(fd);
    }
}

static double rounds(const union name *name, socklen_t len, double seconds)
{
    char bytes[ROUND_BYTES] = { 0 };
    int fd = connected(name, len);
    no_delay(fd);
    double begin = wall_now(), end;
    unsigned long count = 0;
    do {
        for (int i = 0; i < 16; i++) {
            if (send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL) != sizeof(bytes) ||
                recv(fd, bytes, sizeof(bytes), MSG_WAITALL) != sizeof(bytes))
                die("round");
        }
        count += 16;
        end = wall_now();
    } while (end - begin < seconds);
    close(fd);
    return (double)count / (end - begin);
}

static double connects(const union name *name, socklen_t len, double seconds)
{
    char bytes[ROUND_BYTES];
    double begin = wall_now(), end;
    unsigned long count = 0;
    do {
        int fd = connected(name, len);
        if (recv(fd, bytes, sizeof(bytes), 0) != 0)
            die("end");
        close(fd);
        count++;
        end = wall_now();
    } while (end - begin < seconds);
    return (double)count / (end - begin);
}

static void client(const char *what, char *const words[3])
{
    union name name;
    socklen_t len = parse(words[0], words[1], &name);
    bool is_rounds = strcmp(what, "rounds") == 0;
    printf("%.1f\n", (is_rounds ? rounds : connects)(&name, len, strtod(words[2], NULL)));
    fflush(stdout);
}

static void both(const char *what, char *const words[3])
{
    int listener = listening(words[0], words[1]);
    pid_t child = fork();
    if (child < 0)
        die("fork");
    if (child == 0) {
        (strcmp(what, "rounds") == 0 ? echo : take)(listener);
        _exit(0);
    }
    close(listener);
    client(what, words);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (argc == 4 && strcmp(what, "echo") == 0)
        echo(listening(argv[2], argv[3]));
    else if (argc == 4 && strcmp(what, "take") == 0)
        take(listening(argv[2], argv[3]));
    else if (argc == 5 && (strcmp(what, "rounds") == 0 || strcmp(what, "connects") == 0))
        client(what, argv + 2);
    else if (argc == 6 && strcmp(what, "both") == 0)
        both(argv[2], argv + 3);
    else {
        fprintf(stderr, "usage: ends echo|take ADDRESS PORT | rounds|connects ADDRESS PORT SECONDS"
                        " | both rounds|connects ADDRESS PORT SECONDS\n");
        return 2;
    }
    return 0;
}
