#include "server/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "net/tls.h"
#include "server/server.h"

#define DEFAULT_LISTEN "127.0.0.1:3000"

enum {
    OPT_DATA = 1,
    OPT_LISTEN,
    OPT_REDIRECT,
    OPT_PUBLIC_HOST,
    OPT_INSECURE,
    OPT_PER_ADDRESS,
    OPT_PRIVATE,
    OPT_AGENT,
    OPT_LOG_LEVEL,
    OPT_LOG_JSON,
    OPT_HELP
};

static const struct option long_options[] = {
    {"data", required_argument, NULL, OPT_DATA},
    {"listen", required_argument, NULL, OPT_LISTEN},
    {"redirect", required_argument, NULL, OPT_REDIRECT},
    {"public-host", required_argument, NULL, OPT_PUBLIC_HOST},
    {"insecure-listen", no_argument, NULL, OPT_INSECURE},
    {"connections-per-address", required_argument, NULL, OPT_PER_ADDRESS},
    {"private", required_argument, NULL, OPT_PRIVATE},
    {"agent", required_argument, NULL, OPT_AGENT},
    {"log-level", required_argument, NULL, OPT_LOG_LEVEL},
    {"log-json", no_argument, NULL, OPT_LOG_JSON},
    {"help", no_argument, NULL, OPT_HELP},
    {0},
};

/* The page of the option table in cli/ is what people read; this is the same in short. */
static const char usage[] =
    "usage: wrata serve [--data DIR] [--listen ADDRESS:PORT] [--log-level debug|info|warn|error] "
    "[--log-json]\n"
    "  --data DIR        where everything is kept (default: $WRATA_DATA, else ~/.local/share/wrata)\n"
    "  --listen A:P      where the API and the page answer (default: " DEFAULT_LISTEN
    "; port 0: any free one)\n";

static const char *const levels[] = {"debug", "info", "warn", "error"};

static int usage_error(const char *what, const char *value)
{
    (void)fprintf(stderr, "wrata: serve: %s '%s'\n%s", what, value, usage);
    return 2;
}

/* $WRATA_DATA, else $XDG_DATA_HOME/wrata, else ~/.local/share/wrata. */
static bool default_data(char *out, size_t size)
{
    const char *data = getenv("WRATA_DATA");
    const char *xdg = getenv("XDG_DATA_HOME");
    const char *home = getenv("HOME");

    if (data != NULL && data[0] != '\0')
        return snprintf(out, size, "%s", data) < (int)size;
    if (xdg != NULL && xdg[0] == '/')
        return snprintf(out, size, "%s/wrata", xdg) < (int)size;
    return home != NULL && snprintf(out, size, "%s/.local/share/wrata", home) < (int)size;
}

static int parse_level(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
        if (strcmp(levels[i], name) == 0) {
            log_set_level((enum log_level)i);
            return 0;
        }
    }
    return usage_error("--log-level takes debug, info, warn or error, not", name);
}

static int parse_fd(const char *text, int *ret)
{
    char *end;
    long v = strtol(text, &end, 10);

    if (*text == '\0' || *end != '\0' || v < 3 || v > 1023 || fcntl((int)v, F_GETFD) < 0)
        return usage_error("--private takes the number of an open pipe, not", text);
    (void)fcntl((int)v, F_SETFD, FD_CLOEXEC);
    *ret = (int)v;
    return 0;
}

static int parse_per_address(const char *text, unsigned *ret)
{
    char *end;
    long v = strtol(text, &end, 10);

    if (*text == '\0' || *end != '\0' || v < 1 || v > 100000)
        return usage_error("--connections-per-address takes a number from 1 to 100000, not", text);
    *ret = (unsigned)v;
    return 0;
}

/* returns -1 to go on, else the exit code. */
static int parse(int argc, char **argv, struct server_opts *o, char *data, size_t data_size)
{
    int rc = 0;
    int c;

    optind = 1;
    while (rc == 0 && (c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        switch (c) {
        case OPT_DATA:
            if (snprintf(data, data_size, "%s", optarg) >= (int)data_size)
                rc = usage_error("--data: this path is too long:", optarg);
            break;
        case OPT_LISTEN:
            o->listen = optarg;
            break;
        case OPT_REDIRECT:
            o->redirect = optarg;
            break;
        case OPT_PUBLIC_HOST:
            o->public_host = optarg;
            break;
        case OPT_INSECURE:
            o->may_be_insecure = true;
            break;
        case OPT_PER_ADDRESS:
            rc = parse_per_address(optarg, &o->connections_per_address);
            break;
        case OPT_PRIVATE:
            rc = parse_fd(optarg, &o->private_fd);
            break;
        case OPT_AGENT:
            o->agent_path = optarg;
            break;
        case OPT_LOG_LEVEL:
            rc = parse_level(optarg);
            break;
        case OPT_LOG_JSON:
            log_set_json(1);
            break;
        case OPT_HELP:
            (void)fputs(usage, stdout);
            return 0;
        default:
            (void)fputs(usage, stderr);
            return 2;
        }
    }
    if (rc != 0)
        return rc;
    if (optind < argc)
        return usage_error("it takes no argument, but got", argv[optind]);
    if (data[0] == '\0' && !default_data(data, data_size))
        return usage_error("--data is needed: HOME is not set or too long:", "");
    return -1;
}

/* A path that does not depend on the current folder, since children run elsewhere. */
static enum err absolute(char *path, size_t size, struct why *reterr)
{
    char cwd[PATH_MAX];
    char rel[PATH_MAX];

    if (path[0] == '/')
        return ERR_OK;
    if (getcwd(cwd, sizeof(cwd)) == NULL)
        return why_errno(reterr, ERR_IO, errno, "the current folder cannot be read");
    (void)snprintf(rel, sizeof(rel), "%s", path);
    if (snprintf(path, size, "%s/%s", cwd, rel) >= (int)size)
        return why_set(reterr, ERR_INVALID, "data", "the path of the data folder is too long");
    return ERR_OK;
}

/* Every part of a path that is missing, with mode 0700: it holds logs and, later, secrets. */
static enum err make_folders(char *path, struct why *reterr)
{
    for (char *p = path + 1;; p++) {
        char c = *p;

        if (c != '/' && c != '\0')
            continue;
        *p = '\0';
        if (mkdir(path, 0700) != 0 && errno != EEXIST) {
            int e = errno;

            (void)why_errno(reterr, ERR_IO, e, "the folder %s cannot be made", path);
            *p = c;
            return ERR_IO;
        }
        *p = c;
        if (c == '\0')
            return ERR_OK;
    }
}

/* DATA/serve.json tells the command line where this server is, and by which key it is known: its certificate is for
 * a name, and this is an address. Written whole or not at all. */
static enum err announce(const struct server *s, struct why *reterr)
{
    const char *data = s->opts.data_dir;
    const char *url = api_url(s->api);
    char path[PATH_MAX + 32];
    char temp[PATH_MAX + 32];
    FILE *f;
    bool ok;

    (void)snprintf(path, sizeof(path), "%s/serve.json", data);
    (void)snprintf(temp, sizeof(temp), "%s/serve.json.new", data);
    f = fopen(temp, "we");
    if (f == NULL)
        return why_errno(reterr, ERR_IO, errno, "%s cannot be written", temp);
    ok = fprintf(f, "{\"url\":\"%s\",\"pid\":%ld", url, (long)getpid()) > 0;
    if (s->tls != NULL)
        ok = fprintf(f, ",\"pin\":\"%s\"", tls_info(s->tls)->pin) > 0 && ok;
    ok = fputs("}\n", f) >= 0 && ok;
    ok = fclose(f) == 0 && ok;
    if (!ok || rename(temp, path) != 0)
        return why_errno(reterr, ERR_IO, errno, "%s cannot be written", path);
    LOG_INFO("listening", "url=%s", url);
    return ERR_OK;
}

static void on_renewed(struct server *s)
{
    struct why why;

    if (!s->is_stopping && announce(s, &why) != ERR_OK)
        LOG_ERROR("server.announce", "why=\"%s\"", why.text);
}

void serve_unannounce(const char *data)
{
    char path[PATH_MAX + 32];

    (void)snprintf(path, sizeof(path), "%s/serve.json", data);
    (void)unlink(path); /* a stale one is noticed by whoever reads it: its url does not answer */
}

/* A link and its pipes per server, streams, readers: the usual 1024 files are too few for a large fleet. */
static void raise_file_limit(void)
{
    struct rlimit rl;

    if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur < rl.rlim_max) {
        rl.rlim_cur = rl.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &rl) != 0)
            LOG_WARN("server.files", "limit=%llu", (unsigned long long)rl.rlim_cur);
    }
}

int serve_main(int argc, char **argv)
{
    static struct server s; /* large, one a process */
    struct server_opts o = {.listen = DEFAULT_LISTEN, .private_fd = -1, .on_renewed = on_renewed};
    char data[PATH_MAX] = "";
    struct why why = {0};
    enum err err;
    int rc = parse(argc, argv, &o, data, sizeof(data));

    if (rc >= 0)
        return rc;
    (void)signal(SIGPIPE, SIG_IGN);
    raise_file_limit();
    err = absolute(data, sizeof(data), &why);
    if (err == ERR_OK)
        err = make_folders(data, &why);
    o.data_dir = data;
    if (err == ERR_OK)
        err = server_open(&s, &o, &why);
    if (err == ERR_OK)
        err = announce(&s, &why);
    if (err != ERR_OK) {
        (void)fprintf(stderr, "wrata: serve: %s\n", why.text);
        return err == ERR_INVALID ? 2 : 3;
    }
    server_run(&s);
    serve_unannounce(data);
    server_close(&s);
    LOG_INFO("server.stopped", "data=%s", data);
    return 0;
}
