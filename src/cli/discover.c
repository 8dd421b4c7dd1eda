/* discover.c - which server a command talks to.
 *
 * A private server holds the read end of a pipe whose write end is ours alone (nothing we start inherits it), so it
 * learns of our end, however we end. Its output goes to DATA/private.log and not to a pipe: it may outlive us, when
 * another `wrata run` uses it, and must then have somewhere to write to.
 *
 * Two that start at the same moment are put in order by a lock on DATA/start.lock; the second finds the server of
 * the first. */
#include "cli/discover.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/caller.h"
#include "cli/cli_private.h"
#include "config/whole_file.h"

#define START_MS 20000
#define HEALTH_MS 3000
#define LOOK_MS 5  /* between looks at serve.json while our server starts */
#define END_MS 500 /* how long we wait for our server's end: usually it is done in a few */
#define CHILD_FD 3 /* the pipe in the private server */
#define LAST_LINES_BYTES 1500

extern char **environ;

struct discovery {
    char *url;
    char *ca;
    char *data;
    char *host_token; /* of serve.json; NULL: none */
    bool may_start;
    pid_t child; /* 0: none of ours */
    int pipe_fd; /* write end; -1 */
};

struct discovery *discovery_new(const struct discovery_opts *opts)
{
    struct discovery *d = xcalloc(1, sizeof(*d));

    d->url = opts->url != NULL ? xstrdup(opts->url) : NULL;
    d->ca = opts->ca != NULL ? xstrdup(opts->ca) : NULL;
    d->data = xstrdup(opts->data);
    d->may_start = opts->may_start;
    d->pipe_fd = -1;
    return d;
}

static void forget_host_token(struct discovery *d)
{
    if (d->host_token != NULL)
        explicit_bzero(d->host_token, strlen(d->host_token));
    free(d->host_token);
    d->host_token = NULL;
}

static void nap(void)
{
    const struct timespec ts = {0, LOOK_MS * 1000000L};

    (void)nanosleep(&ts, NULL);
}

void discovery_free(struct discovery *d)
{
    if (d == NULL)
        return;
    if (d->pipe_fd >= 0)
        (void)close(d->pipe_fd);
    for (int i = 0; d->child > 0 && i < END_MS / LOOK_MS && waitpid(d->child, NULL, WNOHANG) == 0; i++)
        nap();
    free(d->url);
    free(d->ca);
    free(d->data);
    forget_host_token(d);
    free(d);
}

static void path_in(const struct discovery *d, const char *name, char *out, size_t size)
{
    (void)snprintf(out, size, "%s/%s", d->data, name);
}

/* ---- the one that is there ---- */

/* A server answers /healthz with "ok"; anything else on that port is not ours. */
static enum err is_healthy(const char *url, const char *ca, const char *pin, struct client **ret,
                           struct why *reterr)
{
    struct client *c = NULL;
    struct client_request rq = {.path = "/healthz", .deadline_ms = HEALTH_MS};
    struct client_reply reply;
    enum err err = client_new(url, &c, reterr);

    if (err != ERR_OK)
        return err;
    client_trust(c, ca, pin);
    err = client_call(c, &rq, &reply, reterr);
    if (err == ERR_OK && strncmp(buf_str(&reply.body), "ok", 2) != 0)
        err = why_set(reterr, ERR_PROTO, NULL, "what answers at %s is not a wrata server", url);
    client_reply_done(&reply);
    if (err != ERR_OK)
        client_free(c);
    else
        *ret = c;
    return err;
}

/* DATA/serve.json and whoever it names. */
static enum err find_announced(struct discovery *d, struct client **ret)
{
    char path[PATH_MAX];
    struct why ignored; /* a stale file, a port that somebody else has now: there is just no server */
    json_t *doc;
    const char *url;
    const char *pin;
    enum err err = ERR_NOTFOUND;
    pid_t pid;

    path_in(d, "serve.json", path, sizeof(path));
    doc = json_load_file(path, 0, NULL);
    url = js_text(doc, "url");
    pin = js_text(doc, "pin"); /* its certificate is for a name, and this URL has an address */
    pid = (pid_t)js_int(doc, "pid");
    if (url[0] != '\0' && (pid <= 0 || kill(pid, 0) == 0 || errno == EPERM))
        err = is_healthy(url, NULL, pin[0] != '\0' ? pin : NULL, ret, &ignored);
    if (err == ERR_OK) {
        forget_host_token(d);
        d->host_token = xstrdup(js_text(doc, "token"));
    }
    json_decref(doc);
    return err;
}

/* ---- a private one ---- */

static enum err spawn_server(struct discovery *d, struct why *reterr)
{
    char log[PATH_MAX];
    char fd_text[16];
    char *argv[] = {"wrata",       "serve",     "--data", d->data, "--listen",
                    "127.0.0.1:0", "--private", fd_text,  NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t signals;
    int fds[2];
    int rc;

    path_in(d, "private.log", log, sizeof(log));
    (void)snprintf(fd_text, sizeof(fd_text), "%d", CHILD_FD);
    if (pipe2(fds, O_CLOEXEC) != 0)
        return why_errno(reterr, ERR_IO, errno, "no pipe for the private server");
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawnattr_init(&attr);
    (void)posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    (void)posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
    (void)posix_spawn_file_actions_adddup2(&actions, 1, 2);
    (void)posix_spawn_file_actions_adddup2(&actions, fds[0], CHILD_FD);
    /* a session of its own: Ctrl-C and the end of the terminal are our business */
    (void)posix_spawnattr_setflags(&attr,
                                   POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    (void)sigemptyset(&signals);
    (void)posix_spawnattr_setsigmask(&attr, &signals);
    (void)sigfillset(&signals);
    (void)posix_spawnattr_setsigdefault(&attr, &signals);
    rc = posix_spawn(&d->child, "/proc/self/exe", &actions, &attr, argv, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)posix_spawnattr_destroy(&attr);
    (void)close(fds[0]);
    if (rc != 0) {
        d->child = 0;
        (void)close(fds[1]);
        return why_errno(reterr, ERR_IO, rc, "the private server cannot be started");
    }
    if (d->pipe_fd >= 0)
        (void)close(d->pipe_fd);
    d->pipe_fd = fds[1];
    return ERR_OK;
}

/* Show what the server said before it gave up: the end of its log, from the beginning of a line. */
static void show_last_lines(const struct discovery *d)
{
    char log[PATH_MAX];
    char bytes[LAST_LINES_BYTES + 1];
    const char *p = bytes;
    struct buf out;
    FILE *f;
    size_t n;

    path_in(d, "private.log", log, sizeof(log));
    f = fopen(log, "re");
    if (f == NULL)
        return;
    if (fseek(f, -LAST_LINES_BYTES, SEEK_END) != 0)
        rewind(f);
    n = fread(bytes, 1, LAST_LINES_BYTES, f);
    (void)fclose(f);
    bytes[n] = '\0';
    if (n == LAST_LINES_BYTES && strchr(p, '\n') != NULL)
        p = strchr(p, '\n') + 1;
    buf_init(&out, KIB(64));
    text_escape_lines(&out, p, "  | ");
    if (out.len > 0)
        (void)fprintf(stderr, "  | %s\n", buf_str(&out));
    buf_done(&out);
}

static enum err await_server(struct discovery *d, struct client **ret, struct why *reterr)
{
    const struct mono end = mono_add_ms(mono_now(), START_MS);
    int status;

    while (mono_before(mono_now(), end) && interrupts == 0) {
        if (find_announced(d, ret) == ERR_OK)
            return ERR_OK;
        if (waitpid(d->child, &status, WNOHANG) == d->child) {
            d->child = 0;
            /* another one was first, one that we did not see: a `wrata serve` */
            if (find_announced(d, ret) == ERR_OK)
                return ERR_OK;
            show_last_lines(d);
            return why_set(reterr, ERR_IO, NULL, "the private server ended as it started");
        }
        nap();
    }
    if (interrupts != 0)
        return why_set(reterr, ERR_TIMEOUT, NULL, "interrupted");
    show_last_lines(d);
    (void)kill(d->child, SIGTERM);
    return why_set(reterr, ERR_TIMEOUT, NULL, "the private server was not ready after %d s", START_MS / 1000);
}

static enum err start_private(struct discovery *d, struct client **ret, struct why *reterr)
{
    char path[PATH_MAX];
    enum err err = folders_make(d->data, reterr);
    int fd;

    if (err != ERR_OK)
        return err;
    path_in(d, "start.lock", path, sizeof(path));
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return why_errno(reterr, ERR_IO, errno, "%s cannot be opened", path);
    while (flock(fd, LOCK_EX) != 0 && errno == EINTR && interrupts == 0)
        continue;
    err = find_announced(d, ret);
    if (err != ERR_OK) {
        err = spawn_server(d, reterr);
        if (err == ERR_OK)
            err = await_server(d, ret, reterr);
    }
    (void)close(fd);
    return err;
}

static enum err find(struct discovery *d, struct client **ret, struct why *reterr)
{
    enum err err;

    if (d->url != NULL)
        return is_healthy(d->url, d->ca, NULL, ret, reterr);
    err = find_announced(d, ret);
    if (err != ERR_OK && !d->may_start)
        return why_set(reterr, ERR_BUSY, NULL,
                       "no server is running on %s; start one with `wrata serve`, or name one with --url",
                       d->data);
    return err != ERR_OK ? start_private(d, ret, reterr) : ERR_OK;
}

/* What answers is a wrata server before it is shown who asks. */
enum err discovery_find(struct discovery *d, struct client **ret, struct why *reterr)
{
    struct client *c = NULL;
    enum err err = find(d, &c, reterr);

    if (err == ERR_OK)
        err = caller_authorize(c, d->url != NULL ? NULL : d->host_token, reterr);
    if (err != ERR_OK)
        client_free(c);
    else
        *ret = c;
    return err;
}
