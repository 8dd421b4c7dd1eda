/* main.c - the commands of wrata-agent. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent_core.h"
#include "agent/artifacts.h"
#include "agent/container_tidy.h"
#include "agent/health.h"
#include "agent/inside.h"
#include "agent/lfs.h"
#include "agent/report_files.h"
#include "agent/serve.h"
#include "agent/sha256.h"
#include "base/log.h"

#ifndef WRATA_VERSION
#define WRATA_VERSION "0.0.0"
#endif

#define IDLE_MAX_S 100000000 /* three years */

static const char usage[] =
    "wrata-agent attach [--dir DIR] --instance ID     the stdio end of a link; starts the agent if none "
    "runs\n"
    "wrata-agent serve [--dir DIR] --instance ID [--foreground]   the agent itself\n"
    "wrata-agent channel SOCKET PARAMS                git's way to the controller\n"
    "wrata-agent reports START whole|cut GLOB...      a run's report files, for the agent\n"
    "wrata-agent artifacts DIR RUN START ...          what a run leaves to be kept, for the agent\n"
    "wrata-agent container VERB ...                   runs in containers, for the agent\n"
    "wrata-agent tools                                the versions of what is installed, for the agent\n"
    "wrata-agent lfs DIR/ID PROJECT                   git's filter for files of Git LFS\n"
    "wrata-agent inside                               the first process of such a container\n"
    "wrata-agent version\n"
    "DIR is ~/.wrata unless given. --idle-exit-s N: end after so long without a link and without runs.\n"
    "--no-cgroup: do without control groups even where there are some.\n";

/* A whole number, 0 to max; false when the text is anything else. */
static bool number(const char *text, long long max, long long *ret)
{
    char *end;

    errno = 0;
    *ret = strtoll(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && *ret >= 0 && *ret <= max;
}

struct args {
    struct serve_opts opts;
    bool foreground;
};

static bool parse(int argc, char **argv, struct args *ret)
{
    for (int i = 2; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        long long n;

        if (strcmp(argv[i], "--foreground") == 0) {
            ret->foreground = true;
            continue;
        }
        if (strcmp(argv[i], "--no-cgroup") == 0) {
            ret->opts.no_cgroup = true;
            continue;
        }
        if (value == NULL)
            return false;
        if (strcmp(argv[i], "--dir") == 0)
            ret->opts.dir = value;
        else if (strcmp(argv[i], "--instance") == 0)
            ret->opts.instance = value;
        else if (strcmp(argv[i], "--idle-exit-s") == 0 && number(value, IDLE_MAX_S, &n))
            ret->opts.idle_exit_ms = n * 1000;
        else if (strcmp(argv[i], "--ready-fd") == 0 && number(value, 65535, &n))
            ret->opts.ready_fd = (int)n;
        else
            return false;
        i++;
    }
    return ret->opts.instance != NULL;
}

static int end_of(enum err e, const struct why *why)
{
    if (e == ERR_OK)
        return 0;
    (void)fprintf(stderr, "wrata-agent: %s\n", why->text[0] != '\0' ? why->text : err_sentence(e));
    return err_exit(e);
}

static int version(void)
{
    char hash[65] = "";

    (void)printf("wrata-agent %s protocol %d", WRATA_VERSION, WRATA_PROTOCOL);
    if (sha256_file("/proc/self/exe", hash) == ERR_OK)
        (void)printf(" %s", hash);
    (void)printf("\n");
    return 0;
}

int main(int argc, char **argv)
{
    struct args a = {.opts = {.idle_exit_ms = AGENT_IDLE_EXIT_MS, .ready_fd = -1}};
    const char *command = argc > 1 ? argv[1] : "";
    struct why why = {0};
    char home_dir[1024];

    if (strcmp(command, "version") == 0)
        return version();
    if (strcmp(command, "artifacts") == 0)
        return artifacts_main(argc - 2, argv + 2);
    if (strcmp(command, "reports") == 0)
        return report_files_main(argc - 2, argv + 2);
    if (strcmp(command, "container") == 0)
        return container_main(argc - 2, argv + 2);
    if (strcmp(command, "tools") == 0)
        return health_tools_main();
    if (strcmp(command, "lfs") == 0)
        return lfs_main(argc - 2, argv + 2);
    if (strcmp(command, "inside") == 0)
        return inside_main();
    if (strcmp(command, "channel") == 0 && argc == 4)
        return end_of(attach_channel(argv[2], argv[3], &why), &why);
    if ((strcmp(command, "attach") != 0 && strcmp(command, "serve") != 0) || !parse(argc, argv, &a)) {
        (void)fputs(usage, stderr);
        return 2;
    }
    if (a.opts.dir == NULL) {
        (void)snprintf(home_dir, sizeof(home_dir), "%s/.wrata", getenv("HOME") != NULL ? getenv("HOME") : "");
        a.opts.dir = home_dir;
    }
    if (strcmp(command, "attach") == 0)
        return end_of(attach(&a.opts, &why), &why);
    if (!a.foreground) {
        enum err e = serve_enter(a.opts.dir, a.opts.instance, &why);

        return end_of(e != ERR_OK ? e : serve_start_daemon(&a.opts, &why), &why);
    }
    return end_of(serve(&a.opts, &why), &why);
}
