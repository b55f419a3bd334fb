/* The floor: liblsl itself, no Python. Pulls, writes a frame as long as a lease to another process, which reads the
 * clock. Nothing is processed. Compiled when it is measured, against the liblsl that pylsl brings; the prototypes are
 * those of lsl_c.h, liblsl 1.16 and later.
 *
 *     floor STREAM SECONDS FILE PRIORITY      FILE: pairs of doubles, the stamp in seconds and microseconds from it
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LEASE_BYTES = 158, MOST = 200000, CHANNELS = 64, SAMPLES = 4096 };
#define WARM_UP_S 2.0

typedef void *handle;
extern int lsl_resolve_byprop(handle *, unsigned, const char *, const char *, int, double);
extern handle lsl_create_inlet(handle, int, int, int);
extern void lsl_open_stream(handle, double, int *);
extern int lsl_get_channel_count(handle);
extern double lsl_pull_sample_f(handle, float *, int, double, int *);
extern unsigned long lsl_pull_chunk_f(handle, float *, double *, unsigned long, unsigned long, double, int *);

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static void real_time(int priority) {
    struct sched_param parameter = {.sched_priority = priority};
    if (!priority) return;
    if (mlockall(MCL_CURRENT | MCL_FUTURE) || sched_setscheduler(0, SCHED_FIFO, &parameter)) {
        perror("no real-time rights");
        exit(1);
    }
}

static double taken[MOST][2];

static void reads(int end, double seconds, const char *file) {
    double from_s = now_s() + WARM_UP_S, to_s = from_s + seconds, stamp_s;
    char frame[LEASE_BYTES];
    long count = 0;
    while (count < MOST && recv(end, frame, sizeof frame, 0) > 0) {
        double at_s = now_s();
        if (at_s >= to_s) break;
        memcpy(&stamp_s, frame, sizeof stamp_s);
        if (at_s >= from_s) {
            taken[count][0] = stamp_s;
            taken[count++][1] = (at_s - stamp_s) * 1e6;
        }
    }
    FILE *out = fopen(file, "wb");
    if (!out || fwrite(taken, sizeof *taken, count, out) != (size_t)count || fclose(out)) exit(1);
}

int main(int argc, char **argv) {
    static float samples[SAMPLES * CHANNELS];
    static double stamps[SAMPLES];
    int pair[2], priority = argc == 5 ? atoi(argv[4]) : 0, error = 0;
    handle info;
    char frame[LEASE_BYTES] = {0};
    if (argc != 5 || socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair)) return 2;
    if (lsl_resolve_byprop(&info, 1, "name", argv[1], 1, 10.0) != 1) return 3;
    pid_t child = fork();
    if (!child) {
        close(pair[0]);
        real_time(priority ? priority + 10 : 0);
        reads(pair[1], atof(argv[2]), argv[3]);
        _exit(0);
    }
    close(pair[1]);
    signal(SIGPIPE, SIG_IGN);
    real_time(priority);
    int channels = lsl_get_channel_count(info);
    handle inlet = lsl_create_inlet(info, 1, 0, 0);
    lsl_open_stream(inlet, 10.0, &error);
    if (error || channels > CHANNELS) return 4;
    for (;;) {
        double stamp_s = lsl_pull_sample_f(inlet, samples, channels, 1.0, &error);
        if (error) return 5;
        if (stamp_s == 0.0) continue;
        unsigned long more = lsl_pull_chunk_f(inlet, samples, stamps, (unsigned long)SAMPLES * channels, SAMPLES, 0.0, &error);
        if (more) stamp_s = stamps[more / channels - 1];
        memcpy(frame, &stamp_s, sizeof stamp_s);
        if (send(pair[0], frame, sizeof frame, 0) < 0) break; /* the reader has enough */
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 6;
}
