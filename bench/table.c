/*
 * The table of rows: what is measured in which setup, and what it is to reach.
 *
 * Each runs for IPv4 and for IPv6 (-v6).  Rows of one setup stand together and share it.  Bulk rows
 * come in both modes of acknowledging: naru answers once a turn of its driver, by one ACK for all
 * that it was given; in the -ack2 rows the driver gives it no more than two segments a turn.
 */
#include "bench.h"

#include "base/defs.h"

#ifdef NARU_BENCH_LWIP
#define LWIP(beside_) &(beside_)
#else
#define LWIP(beside_) NULL
#endif

#define SEGMENTS(setup_) \
    .unit = "ns/segment", .setup = (setup_), .measure = bench_bulk_ns, .limit = true
#define BYTES(setup_) \
    .unit = "GB/s", .setup = (setup_), .measure = bench_bulk_gb, .more = true, .limit = true
#define ROUNDS(setup_) .unit = "ns/round", .setup = (setup_), .measure = bench_rr_ns
#define FLIGHT(setup_) .unit = "ns/round", .setup = (setup_), .measure = bench_rr_flight_ns
#define CONNECTIONS(setup_) \
    .unit = "connections/s", .setup = (setup_), .measure = bench_churn_rate, .more = true

const struct bench_row bench_rows[] = {
    { "bulk-1500-64k", SEGMENTS(&bench_bulk_64k), .target = 130, .limit_factor = 1.5 },
    { "bulk-1500-64k-ack2", SEGMENTS(&bench_bulk_64k_ack2), .target = 130, .limit_factor = 1.5,
      .beside = LWIP(bench_lwip_bulk) },
    { "bulk-1500-1m", SEGMENTS(&bench_bulk_1m), .target = 130, .limit_factor = 1.5 },
    { "bulk-1500-4m", SEGMENTS(&bench_bulk_4m), .target = 130, .limit_factor = 1.5 },
    { "bulk-1500-4m-ack2", SEGMENTS(&bench_bulk_4m_ack2), .target = 130, .limit_factor = 1.5 },
    { "bulk-1500-4m-flight", SEGMENTS(&bench_bulk_4m_flight), .limit_factor = 1.5 },
    { "bulk-offload", BYTES(&bench_bulk_offload), .target = 20 },
    { "bulk-9000", BYTES(&bench_bulk_9000), .target = 14 },
    { "rr-1", ROUNDS(&bench_rr_1), .target = 150, .beside = LWIP(bench_lwip_rr) },
    { "rr-64", ROUNDS(&bench_rr_64), .target = 170 },
    { "rr-64-flight", FLIGHT(&bench_rr_64) },
    { "rr-random-100", ROUNDS(&bench_rr_100) },
    { "rr-random-10k", ROUNDS(&bench_rr_10k), .target = 300 },
    { "rr-random-10k-flight", FLIGHT(&bench_rr_10k) },
    { "rr-random-100k", ROUNDS(&bench_rr_100k) },
    { "rr-random-100k-flight", FLIGHT(&bench_rr_100k) },
    { "idle-bytes", .unit = "bytes/endpoint", .setup = &bench_rr_100k, .measure = bench_rr_bytes,
      .exact = true, .target = 400 },
    { "rr-random-1m", ROUNDS(&bench_rr_1m), .target = 700 },
    { "rr-random-1m-flight", FLIGHT(&bench_rr_1m) },
    { "memory-1m", .unit = "MB", .setup = &bench_rr_1m, .measure = bench_rr_memory, .exact = true,
      .target = 1000 },
    { "churn-tw100k", CONNECTIONS(&bench_churn_1), .target = 2e6 },
    { "churn-tw100k-64", CONNECTIONS(&bench_churn_64), .target = 2e6 },
    { "udp-64", .unit = "ns/datagram", .setup = &bench_udp_1, .measure = bench_udp_ns,
      .target = 90 },
    { "syn-flood", .unit = "ns/SYN", .setup = &bench_syn_flood, .measure = bench_syn_ns,
      .target = 100 },
    { "syn-flood-bytes", .unit = "bytes/SYN", .setup = &bench_syn_flood, .measure = bench_syn_bytes,
      .exact = true, .nothing = true },
};

const unsigned bench_row_count = NARU_ARRAY_LEN(bench_rows);
