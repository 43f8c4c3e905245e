/*
 * A script of the .pkt language, parsed: what happens when, and what must be seen.
 *
 * All of a script lives in one arena and goes with it.  Numbers are as the script writes them:
 * relative sequence numbers, script file descriptors, seconds turned into nanoseconds.
 *
 * Not done: encapsulation headers (gre, mpls), payloads other than zeros.
 */
#ifndef NARU_PKT_SCRIPT_H
#define NARU_PKT_SCRIPT_H

#include "pkt/arena.h"

#include <naru/types.h>

enum naru_script_version { NARU_SCRIPT_V4, NARU_SCRIPT_V6, NARU_SCRIPT_MAPPED };

/* What the lines at the top of a script say, or the command line for all scripts. */
struct naru_script_options {
    enum naru_script_version version;
    bool version_set;
    bool mtu_set;
    uint32_t mtu;
    uint32_t gso_size; /* of inbound segments; 0 */
    uint16_t bind_port, connect_port;
    struct naru_addr local[2], remote[2]; /* [0] IPv4, [1] IPv6 */
    naru_time tolerance;
    bool tolerance_set;
    double tolerance_percent;
    naru_time ts_tick; /* 0: TS val is not checked */
    bool ts_ecr_scaled;
    bool strict_segments;
};

/* ---- Time ---- */

enum naru_script_when {
    NARU_SCRIPT_ABSOLUTE,
    NARU_SCRIPT_RELATIVE,
    NARU_SCRIPT_ANY,
};

struct naru_script_time {
    enum naru_script_when when;
    bool window;   /* at..until */
    bool blocking; /* a call that begins at `at` and returns at `until` */
    naru_time at, until;
};

/* ---- Packets ---- */

enum naru_script_proto { NARU_SCRIPT_TCP, NARU_SCRIPT_UDP, NARU_SCRIPT_ICMP };

enum naru_script_ecn {
    NARU_SCRIPT_ECN_UNSAID,
    NARU_SCRIPT_ECN_NONE,
    NARU_SCRIPT_ECT0,
    NARU_SCRIPT_ECT1,
    NARU_SCRIPT_ECT01, /* either: outbound only */
    NARU_SCRIPT_CE,
};

struct naru_script_ip {
    enum naru_script_ecn ecn;
    bool has_tos, has_ttl, has_flow;
    uint8_t tos, ttl;
    uint32_t flow;
};

/* One TCP option: its bytes behind kind and length, in wire order. */
struct naru_script_opt {
    uint8_t kind, len; /* len: of data */
    uint8_t data[40];
};

enum { NARU_SCRIPT_OPTS_MAX = 40 };

struct naru_script_packet {
    bool inbound;
    enum naru_script_proto proto;
    struct naru_script_ip ip;
    uint16_t sport, dport; /* 0: the connection's */

    uint16_t flags; /* enum naru_tcp_flag */
    bool seq_any;   /* "...": not compared */
    uint32_t seq, len;
    bool has_ack, has_win, has_urg;
    uint32_t ack;
    uint16_t win, urg;
    bool opts_any; /* <...> */
    unsigned opt_count;
    struct naru_script_opt *opt;

    const char *icmp_type, *icmp_code; /* names or numbers; icmp_code NULL: none */
    uint32_t icmp_mtu;
    uint16_t icmp_id;
    bool quotes_tcp, quotes_udp;
};

/* ---- Calls ---- */

enum naru_script_expr_kind {
    NARU_SCRIPT_INT,
    NARU_SCRIPT_WORD, /* a symbol of which nothing is known (yet) */
    NARU_SCRIPT_STRING,
    NARU_SCRIPT_ELLIPSIS, /* "...": supplied here, or not compared */
    NARU_SCRIPT_LIST,     /* [a, b] */
    NARU_SCRIPT_STRUCT,   /* {a, name=b} */
};

struct naru_script_expr {
    enum naru_script_expr_kind kind;
    const char *name; /* of a member of a struct; NULL */
    int64_t value;
    const char *text;               /* WORD, STRING */
    struct naru_script_expr *first; /* LIST, STRUCT: its members */
    struct naru_script_expr *next;
};

struct naru_script_call {
    const char *name;
    unsigned arg_count;
    struct naru_script_expr *arg;
    struct naru_script_expr *result; /* INT or ELLIPSIS */
    int error;                       /* errno number; 0: not given */
    const char *error_name;
};

/* ---- Events ---- */

enum naru_script_kind {
    NARU_SCRIPT_PACKET,
    NARU_SCRIPT_CALL,
    NARU_SCRIPT_COMMAND,
    NARU_SCRIPT_CODE,
};

struct naru_script_event {
    unsigned line;
    struct naru_script_time time;
    enum naru_script_kind kind;
    union {
        struct naru_script_packet packet;
        struct naru_script_call call;
        const char *text; /* COMMAND, CODE */
    } u;
    struct naru_script_event *next;
};

struct naru_script {
    struct naru_script_options options;
    struct naru_script_event *first;
};

enum naru_script_verdict {
    NARU_SCRIPT_PASSED,
    NARU_SCRIPT_FAILED,
    NARU_SCRIPT_SKIPPED, /* needs what is not here; text says what */
};

struct naru_script_result {
    enum naru_script_verdict verdict;
    unsigned line;
    char text[1024];
};

struct naru_script_define {
    const char *name, *value;
};

/* What every script is read with: names given by -D, also for #ifdef. */
struct naru_script_defines {
    unsigned count;
    struct naru_script_define at[32];
};

void naru_script_options_init(struct naru_script_options *options);

/* "--name=value"; false and a reason in result if it is unknown or wrong. */
bool naru_script_option(struct naru_script_options *options, const char *name, const char *value,
                        struct naru_script_result *result);

/*
 * text need not outlive the script.  script->options are the defaults to begin with.  PASSED, or
 * FAILED with the line of an error, or SKIPPED.
 */
enum naru_script_verdict naru_script_parse(struct naru_script *script, struct naru_arena *arena,
                                           const char *text,
                                           const struct naru_script_defines *defines,
                                           struct naru_script_result *result);

#endif
