#include "cli/git.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/cli_private.h"

#define WORDS_MAX 600
#define ENV_EXTRA 16
#define ERROR_BYTES KIB(16)

extern char **environ;

/* What `git rev-parse --local-env-vars` lists, without configuration, which may be meant for us: they would lead git to another repository, for instance when we are
 * called from a hook. */
static const char *const local_variables[] = {
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_OBJECT_DIRECTORY",
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_GRAFT_FILE",
    "GIT_INDEX_FILE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_REPLACE_REF_BASE",
    "GIT_PREFIX",
    "GIT_SHALLOW_FILE",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_LITERAL_PATHSPECS",
    "GIT_GLOB_PATHSPECS",
    "GIT_AUTHOR_NAME",
    "GIT_AUTHOR_EMAIL",
    "GIT_AUTHOR_DATE",
    "GIT_COMMITTER_NAME",
    "GIT_COMMITTER_EMAIL",
    "GIT_COMMITTER_DATE",
    "LC_ALL",
};

/* Calm whatever a configuration could start or ask, and leave the user's index alone in every way. */
static const char *const calm[] = {
    "-c", "core.fsmonitor=false",
    "-c", "core.hooksPath=/dev/null",
    "-c", "core.splitIndex=false",
    "-c", "core.safecrlf=false",
    "-c", "gc.auto=0",
    "-c", "advice.addEmbeddedRepo=false",
    "-c", "core.quotePath=false",
    "-c", "commit.gpgSign=false",
    "-c", "core.untrackedCache=false",
};

struct child_env {
    char **vars;
    size_t n;
    char *made[ENV_EXTRA]; /* of them, those we made */
    size_t n_made;
};

static void env_add(struct child_env *e, const char *name, const char *value)
{
    struct buf b;

    if (value == NULL)
        return;
    CHECK(e->n_made < ENV_EXTRA);
    buf_init(&b, MIB(1));
    buf_printf(&b, "%s=%s", name, value);
    e->made[e->n_made] = buf_take(&b, NULL);
    e->vars[e->n++] = e->made[e->n_made++];
}

static bool is_local(const char *var)
{
    for (size_t i = 0; i < ARRAY_LEN(local_variables); i++) {
        size_t n = strlen(local_variables[i]);

        if (strncmp(var, local_variables[i], n) == 0 && var[n] == '=')
            return true;
    }
    return false;
}

static void env_make(struct child_env *e, const struct git *g)
{
    size_t n = 0;

    while (environ[n] != NULL)
        n++;
    *e = (struct child_env){.vars = xcalloc(n + ENV_EXTRA + 1, sizeof(char *))};
    for (size_t i = 0; i < n; i++) {
        if (!is_local(environ[i]))
            e->vars[e->n++] = environ[i];
    }
    env_add(e, "GIT_DIR", g->git_dir);
    env_add(e, "GIT_WORK_TREE", g->work_tree);
    env_add(e, "GIT_INDEX_FILE", g->index_file);
    env_add(e, "GIT_OBJECT_DIRECTORY", g->object_dir);
    env_add(e, "GIT_TERMINAL_PROMPT", "0");
    env_add(e, "LC_ALL", "C"); /* we show its words; and C keeps byte order in its lists */
    if (g->date == NULL)
        return;
    env_add(e, "GIT_AUTHOR_NAME", "wrata");
    env_add(e, "GIT_AUTHOR_EMAIL", "wrata@localhost");
    env_add(e, "GIT_AUTHOR_DATE", g->date);
    env_add(e, "GIT_COMMITTER_NAME", "wrata");
    env_add(e, "GIT_COMMITTER_EMAIL", "wrata@localhost");
    env_add(e, "GIT_COMMITTER_DATE", g->date);
}

static void env_done(struct child_env *e)
{
    for (size_t i = 0; i < e->n_made; i++)
        free(e->made[i]);
    free(e->vars);
}

/* Read what is there; false at the end. A buffer that is full keeps its beginning. */
static bool drain(int fd, struct buf *into, bool *ret_full)
{
    char bytes[65536];
    ssize_t n = read(fd, bytes, sizeof(bytes));

    if (n < 0)
        return errno == EINTR || errno == EAGAIN;
    if (n > 0 && into != NULL && buf_add(into, bytes, (size_t)n) != ERR_OK)
        *ret_full = true;
    return n > 0;
}

static bool collect(int out_fd, int err_fd, struct buf *out, struct buf *errors)
{
    struct pollfd fds[2] = {{.fd = out_fd, .events = POLLIN}, {.fd = err_fd, .events = POLLIN}};
    bool is_full = false;
    bool ignored = false;

    while (fds[0].fd >= 0 || fds[1].fd >= 0) {
        if (poll(fds, 2, -1) < 0)
            continue; /* EINTR: git has the signal as well, and ends */
        if (fds[0].revents != 0 && !drain(out_fd, out, &is_full))
            fds[0].fd = -1;
        if (fds[1].revents != 0 && !drain(err_fd, errors, &ignored))
            fds[1].fd = -1;
    }
    return !is_full;
}

static int spawn_git(char *const *argv, char *const *vars, int out_fd, int err_fd, pid_t *ret)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t defaults;
    int rc;

    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    (void)posix_spawn_file_actions_adddup2(&actions, out_fd, 1);
    (void)posix_spawn_file_actions_adddup2(&actions, err_fd, 2);
    (void)posix_spawnattr_init(&attr);
    (void)sigemptyset(&defaults);
    (void)sigaddset(&defaults, SIGPIPE);
    (void)sigaddset(&defaults, SIGINT);
    (void)sigaddset(&defaults, SIGTERM);
    (void)posix_spawnattr_setsigdefault(&attr, &defaults);
    (void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF);
    rc = posix_spawnp(ret, "git", &actions, &attr, argv, vars);
    (void)posix_spawnattr_destroy(&attr);
    (void)posix_spawn_file_actions_destroy(&actions);
    return rc;
}

/* The last line that says something. */
static void last_words(struct buf *errors, char *out, size_t size)
{
    const char *text = buf_str(errors);
    const char *line = text;
    size_t n = errors->len;

    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
        n--;
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '\n')
            line = text + i + 1;
    }
    (void)snprintf(out, size, "%.*s", (int)(text + n - line), line);
}

enum err git_run(const struct git *g, const char *const *argv, struct buf *out, struct why *reterr)
{
    const char *words[WORDS_MAX + 1] = {"git"};
    size_t n = 1;
    struct child_env env;
    struct buf errors;
    char said[200];
    int out_fds[2] = {-1, -1};
    int err_fds[2] = {-1, -1};
    int status = 0;
    bool fits;
    pid_t pid;
    int rc;

    if (g->folder != NULL) {
        words[n++] = "-C";
        words[n++] = g->folder;
    }
    for (size_t i = 0; i < ARRAY_LEN(calm); i++)
        words[n++] = calm[i];
    for (size_t i = 0; argv[i] != NULL; i++) {
        CHECK(n < WORDS_MAX);
        words[n++] = argv[i];
    }
    if (pipe2(out_fds, O_CLOEXEC) != 0 || pipe2(err_fds, O_CLOEXEC) != 0)
        return why_errno(reterr, ERR_IO, errno, "no pipe for git");
    env_make(&env, g);
    rc = spawn_git((char *const *)words, env.vars, out_fds[1], err_fds[1], &pid);
    env_done(&env);
    (void)close(out_fds[1]);
    (void)close(err_fds[1]);
    if (rc != 0) {
        (void)close(out_fds[0]);
        (void)close(err_fds[0]);
        if (rc == ENOENT)
            return why_set(reterr, ERR_IO, NULL,
                           "git is not installed here, and is needed to send the files");
        return why_errno(reterr, ERR_IO, rc, "git cannot be started");
    }
    buf_init(&errors, ERROR_BYTES);
    fits = collect(out_fds[0], err_fds[0], out, &errors);
    (void)close(out_fds[0]);
    (void)close(err_fds[0]);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    last_words(&errors, said, sizeof(said));
    buf_done(&errors);
    if (interrupts != 0)
        return why_set(reterr, ERR_TIMEOUT, NULL, "interrupted");
    if (!fits)
        return why_set(reterr, ERR_LIMIT, NULL, "git %s printed more than fits", argv[0]);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return why_set(reterr, ERR_IO, NULL, "git %s: %s", argv[0], said[0] != '\0' ? said : "failed");
    return ERR_OK;
}

enum err git_line(const struct git *g, const char *const *argv, struct buf *out, struct why *reterr)
{
    enum err err = git_run(g, argv, out, reterr);

    while (out->len > 0 && out->data[out->len - 1] == '\n')
        out->data[--out->len] = '\0';
    return err;
}
