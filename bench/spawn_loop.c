/* spawn_loop.c - the yardstick: the least that running N commands with a log each can cost.
 *
 *   spawn_loop COUNT PARALLEL LOG_DIR -- COMMAND [ARG...]
 *
 * Keeps PARALLEL children alive, each with standard output and error in a file of its own, by posix_spawn and
 * wait: no history, no durability, no limits, no results. */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static double now_s(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int start(long i, const char *dir, char **argv)
{
    posix_spawn_file_actions_t fa;
    char path[4096];
    pid_t pid;
    int rc;

    (void)snprintf(path, sizeof(path), "%s/%ld.log", dir, i);
    if (posix_spawn_file_actions_init(&fa) != 0)
        return -1;
    (void)posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDONLY, 0);
    (void)posix_spawn_file_actions_addopen(&fa, 1, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    (void)posix_spawn_file_actions_adddup2(&fa, 1, 2);
    rc = posix_spawnp(&pid, argv[0], &fa, NULL, argv, environ);
    (void)posix_spawn_file_actions_destroy(&fa);
    if (rc != 0)
        (void)fprintf(stderr, "spawn_loop: %s: %s\n", argv[0], strerror(rc));
    return rc;
}

int main(int argc, char **argv)
{
    long count;
    long parallel;
    long started = 0;
    long alive = 0;
    long failed = 0;
    double begin;
    int status;

    if (argc < 6 || strcmp(argv[4], "--") != 0) {
        (void)fprintf(stderr, "usage: spawn_loop COUNT PARALLEL LOG_DIR -- COMMAND [ARG...]\n");
        return 2;
    }
    count = strtol(argv[1], NULL, 10);
    parallel = strtol(argv[2], NULL, 10);
    begin = now_s();
    while (started < count || alive > 0) {
        while (started < count && alive < parallel) {
            if (start(started++, argv[3], argv + 5) != 0)
                return 3;
            alive++;
        }
        if (wait(&status) > 0) {
            alive--;
            failed += status != 0;
        }
    }
    (void)printf("{\"seconds\":%.6f,\"failed\":%ld}\n", now_s() - begin, failed);
    return failed != 0;
}
