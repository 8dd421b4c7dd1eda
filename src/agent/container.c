#include "agent/container.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MARK_LABEL "wrata.agent"
#define RUN_LABEL "wrata.run"
#define WORDS_MAX 64u /* of create, beside its mounts */
#define PATIENCE_MAX_S 3600

static const char *const engines[] = {
    [ENGINE_NONE] = "none", [ENGINE_PODMAN] = "podman", [ENGINE_DOCKER] = "docker"};

_Static_assert(ARRAY_LEN(engines) == ENGINE_COUNT, "each engine has a name");

const char *engine_name(enum engine e)
{
    return engines[e];
}

enum engine engine_parse(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(engines); i++)
        if (strcmp(engines[i], name) == 0)
            return (enum engine)i;
    return ENGINE_COUNT;
}

bool engine_setting(const char *text, enum engine *retengine, int64_t *retpatience_ms)
{
    char name[16] = "";
    char patience[8] = "";
    char more[2] = "";
    int n = sscanf(text, "%15s %7s %1s", name, patience, more);
    enum engine e = engine_parse(name);
    char *end = patience;
    long seconds = n >= 2 ? strtol(patience, &end, 10) : 1;

    if (n <= 0)
        return true;
    if (e == ENGINE_COUNT || n > 2 || *end != '\0' || seconds < 1 || seconds > PATIENCE_MAX_S)
        return false;
    *retengine = e;
    if (n == 2)
        *retpatience_ms = (int64_t)seconds * 1000;
    return true;
}

/* ---- names ---- */

/* Of the letters that a container's name may have, the others become '-'. */
static void put_plain(char *ret, size_t size, const char *text)
{
    size_t n = 0;

    for (; *text != '\0' && n + 1 < size; text++)
        ret[n++] = isalnum((unsigned char)*text) ? *text : '-';
    ret[n] = '\0';
}

static void prefix_of(const char *mark, uint64_t incarnation, char *ret)
{
    char plain[72];

    put_plain(plain, sizeof(plain), mark);
    (void)snprintf(ret, CONTAINER_NAME_BYTES, "wrata-%s-%016" PRIx64 "-", plain, incarnation);
}

void container_name(const char *mark, uint64_t incarnation, uint64_t run, uint32_t step, char *ret)
{
    size_t n;

    prefix_of(mark, incarnation, ret);
    n = strlen(ret);
    if (step == 0)
        (void)snprintf(ret + n, CONTAINER_NAME_BYTES - n, "%" PRIu64, run);
    else
        (void)snprintf(ret + n, CONTAINER_NAME_BYTES - n, "%" PRIu64 "-p%u", run, step);
}

const char *container_box(const char *name, const char *mark)
{
    size_t n = strlen("wrata-") + strlen(mark) + 1;

    return strlen(name) > n ? name + n : name;
}

bool container_is_left(const char *name, const char *mark, uint64_t incarnation)
{
    char own[CONTAINER_NAME_BYTES];
    size_t n;

    prefix_of(mark, incarnation, own);
    n = strlen(own) - 17; /* without the incarnation */
    return strncmp(name, own, n) == 0 && strncmp(name, own, strlen(own)) != 0;
}

void container_host(const char *server, uint32_t slot, char *ret)
{
    char end[16];
    size_t n = 0;
    size_t room;

    (void)snprintf(end, sizeof(end), "-%u", slot);
    room = 63 - strlen(end) - 6;
    memcpy(ret, "wrata-", 7);
    for (; *server != '\0' && n < room; server++)
        ret[6 + n++] = isalnum((unsigned char)*server) ? *server : '-';
    while (n > 0 && ret[6 + n - 1] == '-')
        n--;
    if (n == 0)
        n--; /* "wrata-0" */
    (void)snprintf(ret + 6 + n, 64 - 6 - n, "%s", end);
}

/* ---- what is asked ---- */

const char *container_path_fault(const char *path)
{
    /* As in setup_mount_fault(); here for the agent's own folders too. */
    return strpbrk(path, ",:\"\n") != NULL
               ? "holds a comma, a colon or a quote, with which podman and docker cannot mount it"
               : NULL;
}

char **container_argv(struct arena *a, enum engine e, const char *const *words)
{
    size_t n = 0;
    char **argv;

    while (words[n] != NULL)
        n++;
    argv = arena_alloc(a, (n + 2) * sizeof(*argv));
    argv[0] = arena_strdup(a, engine_name(e));
    for (size_t i = 0; i < n; i++)
        argv[i + 1] = arena_strdup(a, words[i]);
    return argv;
}

struct words {
    struct arena *a;
    const char **at;
    size_t n;
};

static void put(struct words *w, const char *word)
{
    w->at[w->n++] = word;
}

static void put2(struct words *w, const char *option, const char *value)
{
    put(w, option);
    put(w, value);
}

static void put_limits(struct words *w, const struct container_spec *s)
{
    const char *memory = arena_printf(w->a, "%" PRIu64, s->memory_bytes);

    put2(w, "--shm-size",
         arena_printf(w->a, "%" PRIu64, s->shm_bytes > 0 ? s->shm_bytes : CONTAINER_SHM_BYTES));
    if (s->memory_bytes > 0) {
        put2(w, "--memory", memory);
        put2(w, "--memory-swap", memory); /* together: no swap beyond it */
    }
    if (s->pids > 0)
        put2(w, "--pids-limit", arena_printf(w->a, "%" PRIu64, s->pids));
    if (s->is_privileged)
        put(w, "--privileged");
    else if (!s->has_new_privileges)
        put2(w, "--security-opt", "no-new-privileges");
}

char **container_create_argv(struct arena *a, const struct container_spec *s)
{
    struct words w = {.a = a};

    w.at = arena_alloc(a, (WORDS_MAX + 2 * (size_t)s->n_mounts) * sizeof(*w.at));
    put(&w, "create");
    put2(&w, "--name", s->name);
    put2(&w, "--label", arena_printf(a, MARK_LABEL "=%s", s->mark));
    put2(&w, "--label", arena_printf(a, RUN_LABEL "=%" PRIu64, s->run));
    put2(&w, "--pull", "never");      /* it was, and a tag may mean something else by now */
    put2(&w, "--log-driver", "none"); /* what it writes goes to our own pipes */
    put(&w, "--no-healthcheck");
    put2(&w, "--security-opt", "label=disable"); /* SELinux: it must reach our socket and the work tree */
    if (s->engine == ENGINE_PODMAN)
        put(&w, "--http-proxy=false"); /* variables come from the image and from the run */
    put2(&w, "--user", "0:0");         /* `inside` becomes who the run wants to be */
    if (s->host[0] != '\0')
        put2(&w, "--hostname", s->host);
    if (s->network[0] != '\0')
        put2(&w, "--network", s->network);
    put_limits(&w, s);
    for (uint32_t i = 0; i < s->n_mounts; i++)
        put2(&w, "--mount",
             arena_printf(a, "type=bind,src=%s,dst=%s%s", s->mounts[i].source, s->mounts[i].target,
                          s->mounts[i].is_read_only ? ",readonly" : ""));
    put2(&w, "--entrypoint", BOX_INSIDE "/agent");
    put(&w, s->image);
    put(&w, "inside");
    CHECK(w.n < WORDS_MAX + 2 * (size_t)s->n_mounts);
    put(&w, NULL);
    return container_argv(a, s->engine, w.at);
}

char **container_ended_argv(struct arena *a, enum engine e, const char *name)
{
    return container_argv(a, e, (const char *[]){"wait", name, NULL});
}

char **container_state_argv(struct arena *a, enum engine e, const char *name)
{
    return container_argv(
        a, e,
        (const char *[]){"container", "inspect", "--format",
                         "{{.State.Status}}|{{.State.ExitCode}}|{{.State.OOMKilled}}|{{.State.Error}}", name,
                         NULL});
}

char **container_remove_argv(struct arena *a, enum engine e, const char *name)
{
    /* -v: volumes of the image that have no name are the container's own. */
    return container_argv(a, e, (const char *[]){"rm", "-f", "-v", name, NULL});
}

char **container_list_argv(struct arena *a, enum engine e, const char *mark)
{
    return container_argv(a, e,
                          (const char *[]){"ps", "-a", "--filter",
                                           arena_printf(a, "label=" MARK_LABEL "=%s", mark), "--format",
                                           "{{.Names}}", NULL});
}

char **container_image_argv(struct arena *a, enum engine e, const char *name)
{
    return container_argv(
        a, e,
        (const char *[]){"image", "inspect", "--format",
                         "{{.Id}}|{{.Config.User}}|{{json .RepoDigests}}|{{json .Config.Env}}", name, NULL});
}

char **container_version_argv(struct arena *a, enum engine e)
{
    /* docker's own version says nothing of a daemon; podman has none, and needs none. */
    return container_argv(a, e,
                          (const char *[]){"version", "--format",
                                           e == ENGINE_DOCKER ? "{{.Server.Version}}" : "{{.Client.Version}}",
                                           NULL});
}

/* ---- what is answered ---- */

/* The next field up to '|' or the line's end, into ret. Moves *at behind it. False: it does not fit, or there is none. */
static bool field(const char **at, char *ret, size_t size)
{
    size_t n = strcspn(*at, "|\n");

    if (n >= size || (*at)[n] == '\0')
        return false;
    memcpy(ret, *at, n);
    ret[n] = '\0';
    *at += n + 1;
    return true;
}

static bool number(const char *text, uint32_t *ret)
{
    char *end;
    long v = strtol(text, &end, 10);

    if (end == text || *end != '\0' || v < 0 || v > 255)
        return false;
    *ret = (uint32_t)v;
    return true;
}

bool container_state_parse(const char *text, struct container_state *ret)
{
    char status[24];
    char code[12];
    char oom[8];

    *ret = (struct container_state){0};
    if (!field(&text, status, sizeof(status)) || !field(&text, code, sizeof(code)) ||
        !number(code, &ret->code) || !field(&text, oom, sizeof(oom)))
        return false;
    ret->is_running =
        strcmp(status, "exited") != 0 && strcmp(status, "dead") != 0 && strcmp(status, "stopped") != 0;
    ret->oom = strcmp(oom, "true") == 0;
    container_last_words(text, ret->error, sizeof(ret->error));
    return strcmp(oom, "true") == 0 || strcmp(oom, "false") == 0;
}

static bool is_id(const char *s)
{
    size_t n = strspn(s, "0123456789abcdef");

    return n >= 32 && n <= 64 && s[n] == '\0';
}

/* How well "registry/a/b@sha256:..." of n bytes fits the name of an image: 2 it is of its repository, 1 of another, 0 it is none. */
static int digest_rank(const char *entry, size_t n, const char *name)
{
    const char *at = memchr(entry, '@', n);
    size_t own = at != NULL ? (size_t)(at - entry) : 0;
    size_t repository = strlen(name);
    size_t tag = repository;

    if (at == NULL)
        return 0;
    while (tag > 0 && name[tag - 1] != '/' && name[tag - 1] != ':')
        tag--;
    if (tag > 0 && name[tag - 1] == ':')
        repository = tag - 1;
    if (own < repository || memcmp(at - repository, name, repository) != 0)
        return 1;
    return own == repository || at[-(ptrdiff_t)repository - 1] == '/'
               ? 2
               : 1; /* "debian" of docker.io/library/debian */
}

/* Of a JSON list of texts without escapes, as digests are, the one that fits best; the first of equals. */
static void best_digest(const char *json, const char *name, char *ret, size_t size)
{
    int best = 0;
    const char *at = json[0] == '[' ? json + 1 : "";

    while (at[0] == '"') {
        size_t n = strcspn(at + 1, "\"\\");
        int rank = digest_rank(at + 1, n, name);

        if (at[n + 1] != '"')
            return;
        if (rank > best && n < size) {
            best = rank;
            memcpy(ret, at + 1, n);
            ret[n] = '\0';
        }
        at += n + 2;
        at += *at == ',';
    }
}

bool container_image_parse(const char *text, const char *name, struct container_image *ret)
{
    char id[80];
    char user[sizeof(ret->user)];
    char digests[8192];
    char digest[sizeof(ret->digest)] = "";
    const char *plain = id;
    const char *at;

    *ret = (struct container_image){0};
    if (!field(&text, id, sizeof(id)) || !field(&text, user, sizeof(user)) ||
        !field(&text, digests, sizeof(digests)))
        return false;
    if (strncmp(id, "sha256:", 7) == 0)
        plain += 7;
    if (!is_id(plain))
        return false;
    memcpy(ret->id, plain, strlen(plain) + 1);
    memcpy(ret->user, user, strlen(user) + 1);
    if (strchr(name, '@') != NULL) /* it was found by it, also where no name leads to it any more */
        (void)snprintf(digest, sizeof(digest), "%s", strchr(name, '@'));
    else
        best_digest(digests, name, digest, sizeof(digest));
    at = strchr(digest, '@');
    (void)snprintf(ret->digest, sizeof(ret->digest), "%s%s",
                   at != NULL ? at + 1 : "sha256:", at != NULL ? "" : plain);
    ret->has_home = strstr(text, "\"HOME=") != NULL;
    return true;
}

bool container_version_parse(const char *text, char *ret, size_t size)
{
    size_t n = strspn(text, "0123456789abcdefghijklmnopqrstuvwxyz.+~-");

    if (n == 0 || n >= size || text[0] < '0' || text[0] > '9' || (text[n] != '\n' && text[n] != '\0'))
        return false;
    memcpy(ret, text, n);
    ret[n] = '\0';
    return true;
}

void container_last_words(const char *text, char *ret, size_t size)
{
    size_t end = strlen(text);
    size_t from;
    size_t n = 0;

    while (end > 0 && isspace((unsigned char)text[end - 1]))
        end--;
    for (from = end; from > 0 && text[from - 1] != '\n'; from--)
        continue;
    if (strncmp(text + from, "Error: ", 7) == 0)
        from += 7;
    for (; from < end && n + 1 < size; from++)
        ret[n++] = (unsigned char)text[from] < 0x20 || text[from] == 0x7f ? ' ' : text[from];
    ret[n] = '\0';
}
