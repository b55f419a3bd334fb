/* The floor: pull from LSL, write a frame, nothing else; another process stamps its receipt.
 *
 *     floor SOURCE_ID CHANNELS RATE_HZ FRAME_BYTES OUT REAL_TIME(0|1) PRIORITY SINK_PRIORITY
 *
 * Rows of sample_ns, decided_ns, received_ns, 0 (int64) go to OUT when SIGTERM has come. On stdout, JSON lines:
 * {"event": "rights", "missing": [...]}, {"event": "heard"}. Linked against the liblsl that pylsl brings.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* lsl_c.h, as far as it is used */
typedef struct lsl_streaminfo_struct_ *lsl_streaminfo;
typedef struct lsl_inlet_struct_ *lsl_inlet;
int32_t lsl_resolve_byprop(lsl_streaminfo *, uint32_t, const char *, const char *, int32_t, double);
lsl_inlet lsl_create_inlet(lsl_streaminfo, int32_t max_buflen, int32_t max_chunklen, int32_t recover);
void lsl_open_stream(lsl_inlet, double, int32_t *);
double lsl_pull_sample_f(lsl_inlet, float *, int32_t, double, int32_t *);
unsigned long lsl_pull_chunk_f(lsl_inlet, float *, double *, unsigned long, unsigned long, double,
                               int32_t *);

enum { ROWS = 1 << 18, WIDTH = 4 };
static volatile sig_atomic_t ending;

static void end(int number) { (void)number; ending = 1; }

static int64_t now_ns(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* 0 if all was granted */
static int go_real_time(int priority) {
	struct sched_param param = {.sched_priority = priority};
	int lacking = mlockall(MCL_CURRENT | MCL_FUTURE) != 0;
	return sched_setscheduler(0, SCHED_FIFO, &param) != 0 || lacking;
}

static int receive(int fd, size_t size, const char *out) {
	int64_t *rows = calloc(ROWS, WIDTH * sizeof *rows);
	char *frame = malloc(size);
	size_t count = 0;
	if (!rows || !frame) return 1;
	memset(rows, 0, (size_t)ROWS * WIDTH * sizeof *rows); /* touched */
	for (;;) {
		fd_set set;
		FD_ZERO(&set);
		FD_SET(fd, &set);
		if (select(fd + 1, &set, NULL, NULL, NULL) < 0 && errno == EINTR) continue;
		ssize_t got = recv(fd, frame, size, 0);
		int64_t at_ns = now_ns();
		if (got <= 0) break;
		if (count == ROWS) return 1;
		memcpy(rows + count * WIDTH, frame, 2 * sizeof *rows);
		rows[count++ * WIDTH + 2] = at_ns;
		if (count == 1) {
			printf("{\"event\": \"heard\"}\n");
			fflush(stdout);
		}
	}
	FILE *file = fopen(out, "wb");
	if (!file || fwrite(rows, WIDTH * sizeof *rows, count, file) != count) return 1;
	return fclose(file) != 0;
}

int main(int argc, char **argv) {
	if (argc != 9) return 2;
	int channels = atoi(argv[2]), real_time = atoi(argv[6]), pair[2];
	unsigned long most = (unsigned long)atof(argv[3]); /* a second */
	size_t size = (size_t)atoi(argv[4]);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) != 0) return 1;
	pid_t sink = fork();
	if (sink == 0) {
		close(pair[0]);
		signal(SIGTERM, SIG_IGN); /* ends when nobody writes any more */
		if (real_time) go_real_time(atoi(argv[8]));
		return receive(pair[1], size, argv[5]);
	}
	close(pair[1]);
	signal(SIGTERM, end);
	int lacking = real_time ? go_real_time(atoi(argv[7])) : 0; /* before liblsl starts threads */
	printf("{\"event\": \"rights\", \"missing\": [%s]}\n",
	       !real_time ? "\"not asked for\"" : lacking ? "\"not granted\"" : "");
	fflush(stdout);
	lsl_streaminfo info;
	int32_t error = 0;
	if (lsl_resolve_byprop(&info, 1, "source_id", argv[1], 1, 10.0) != 1) return 1;
	lsl_inlet inlet = lsl_create_inlet(info, 1, 0, 0);
	lsl_open_stream(inlet, 10.0, &error);
	float *samples = malloc(most * (size_t)channels * sizeof *samples);
	double *stamps = malloc(most * sizeof *stamps);
	char *frame = calloc(1, size);
	if (error || !samples || !stamps || !frame) return 1;
	while (!ending) {
		/* as pylsl does it for min_samples=1: wait for one, take along what is there */
		double stamp = lsl_pull_sample_f(inlet, samples, channels, 0.1, &error);
		if (stamp == 0.0) continue;
		unsigned long got = lsl_pull_chunk_f(inlet, samples, stamps, most * (unsigned long)channels,
		                                     most, 0.0, &error);
		if (got) stamp = stamps[got / (unsigned long)channels - 1];
		int64_t times[2] = {llround(stamp * 1e9), now_ns()};
		memcpy(frame, times, sizeof times);
		if (write(pair[0], frame, size) != (ssize_t)size) return 1;
	}
	close(pair[0]);
	int status = 1;
	waitpid(sink, &status, 0);
	_exit(status != 0); /* liblsl's own threads are not waited for */
}
