#include "wire/agent_setup.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "wire/agent_image.h"
#include "wire/frame.h"

#define SETUP_BYTES_MAX ((uint64_t)1 << 50)
#define SETUP_NAME_BYTES_MAX 64u

struct reading {
    struct setup *to;
    struct arena *lists;
    struct why *why;
    struct slice line;
};

static enum err refuse(struct reading *r, enum err err, const char *what)
{
    return why_set(r->why, err, "setup", "setup line '%.*s': %s", r->line.len > 80 ? 80 : (int)r->line.len,
                   r->line.ptr, what);
}

static enum err number(struct reading *r, struct slice v, uint64_t max, uint64_t *ret)
{
    uint64_t n = 0;

    if (v.len == 0 || v.len > 18)
        return refuse(r, ERR_INVALID, "its number is none");
    for (size_t i = 0; i < v.len; i++) {
        if (v.ptr[i] < '0' || v.ptr[i] > '9')
            return refuse(r, ERR_INVALID, "its number is none");
        n = n * 10 + (uint64_t)(v.ptr[i] - '0');
    }
    if (n > max)
        return refuse(r, ERR_LIMIT, "its number is too large");
    *ret = n;
    return ERR_OK;
}

static enum err add_text(struct reading *r, struct slice **list, uint32_t *n, uint32_t max, struct slice v)
{
    if (v.len == 0)
        return refuse(r, ERR_INVALID, "it is empty");
    if (*n == max)
        return refuse(r, ERR_LIMIT, "there are too many of its kind");
    if (*list == NULL)
        *list = arena_alloc(r->lists, max * sizeof(**list));
    (*list)[(*n)++] = v;
    return ERR_OK;
}

/* ---- submodules ---- */

/* A name that means something else to a file system or to git. */
static bool is_special_name(const char *name, size_t n)
{
    return n == 0 || (n == 1 && name[0] == '.') || (n == 2 && name[0] == '.' && name[1] == '.') ||
           (n == 4 && strncasecmp(name, ".git", 4) == 0);
}

const char *setup_submodule_fault(struct slice path)
{
    size_t from = 0;

    if (path.len == 0 || path.len > SETUP_SUBMODULE_PATH_MAX)
        return path.len == 0 ? "is empty" : "is too long";
    if (path.ptr[0] == '/' || path.ptr[0] == '-')
        return path.ptr[0] == '/' ? "is absolute" : "begins with '-'";
    for (size_t i = 0; i <= path.len; i++) {
        if (i < path.len && ((unsigned char)path.ptr[i] < 0x20 || path.ptr[i] == 0x7f))
            return "holds a control character";
        if (i < path.len && path.ptr[i] != '/')
            continue;
        if (is_special_name(path.ptr + from, i - from))
            return "has a part that is empty, '.', '..' or '.git'";
        from = i + 1;
    }
    return NULL;
}

static bool is_commit(struct slice s)
{
    if (s.len != 40 && s.len != 64)
        return false;
    for (size_t i = 0; i < s.len; i++)
        if (!((s.ptr[i] >= '0' && s.ptr[i] <= '9') || (s.ptr[i] >= 'a' && s.ptr[i] <= 'f')))
            return false;
    return true;
}

static enum err on_submodule(struct reading *r, struct slice v)
{
    const char *blank = v.len > 0 ? memchr(v.ptr, ' ', v.len) : NULL;
    struct setup *s = r->to;
    struct setup_submodule m;
    const char *fault;

    if (blank == NULL)
        return refuse(r, ERR_INVALID, "it is not COMMIT PATH");
    m.commit = (struct slice){v.ptr, (size_t)(blank - v.ptr)};
    m.path = (struct slice){blank + 1, v.len - m.commit.len - 1};
    if (!is_commit(m.commit))
        return refuse(r, ERR_INVALID, "its commit is not a full commit id");
    fault = setup_submodule_fault(m.path);
    if (fault != NULL)
        return refuse(r, ERR_INVALID, fault);
    if (s->n_submodules == SETUP_SUBMODULES_MAX)
        return refuse(r, ERR_LIMIT, "there are too many submodules");
    if (s->submodules == NULL)
        s->submodules = arena_alloc(r->lists, SETUP_SUBMODULES_MAX * sizeof(*s->submodules));
    s->submodules[s->n_submodules++] = m;
    return ERR_OK;
}

/* ---- one function a key ---- */

static struct setup_step *last_step(struct reading *r)
{
    return r->to->n_steps == 0 ? NULL : &r->to->steps[r->to->n_steps - 1];
}

static enum err on_step(struct reading *r, struct slice v)
{
    struct setup *s = r->to;

    if (s->n_steps == SETUP_STEPS_MAX)
        return refuse(r, ERR_LIMIT, "there are too many steps");
    if (s->steps == NULL)
        s->steps = arena_alloc(r->lists, SETUP_STEPS_MAX * sizeof(*s->steps));
    s->steps[s->n_steps++] = (struct setup_step){.name = v, .limit_ms = SETUP_STEP_LIMIT_MS};
    return ERR_OK;
}

static enum err on_arg(struct reading *r, struct slice v)
{
    struct setup_step *step = last_step(r);

    if (step == NULL)
        return refuse(r, ERR_INVALID, "no step stands before it");
    if (step->n_argv == SETUP_ARGS_MAX)
        return refuse(r, ERR_LIMIT, "the command has too many words");
    if (step->argv == NULL)
        step->argv = arena_alloc(r->lists, SETUP_ARGS_MAX * sizeof(*step->argv));
    step->argv[step->n_argv++] = v;
    return ERR_OK;
}

static enum err on_limit(struct reading *r, struct slice v)
{
    struct setup_step *step = last_step(r);
    uint64_t n = 0;
    enum err err = number(r, v, (uint64_t)SETUP_LIMIT_MS_MAX, &n);

    if (step == NULL)
        return refuse(r, ERR_INVALID, "no step stands before it");
    if (n > 0)
        step->limit_ms = (int64_t)n;
    return err;
}

static enum err on_key(struct reading *r, struct slice v)
{
    r->to->key = v;
    return ERR_OK;
}

static enum err on_env(struct reading *r, struct slice v)
{
    const char *eq = v.len > 0 ? memchr(v.ptr, '=', v.len) : NULL;

    if (eq == NULL || eq == v.ptr)
        return refuse(r, ERR_INVALID, "it is not NAME=value");
    return add_text(r, &r->to->env, &r->to->n_env, SETUP_ENV_MAX, v);
}

static enum err on_lfs(struct reading *r, struct slice v)
{
    for (size_t i = 0; i < v.len; i++)
        if (!((v.ptr[i] >= '0' && v.ptr[i] <= '9') || (v.ptr[i] >= 'a' && v.ptr[i] <= 'f')))
            return refuse(r, ERR_INVALID, "it is not a key");
    if (v.len == 0 || v.len > SETUP_LFS_KEY_MAX)
        return refuse(r, ERR_INVALID, "it is not a key");
    r->to->lfs = v;
    return ERR_OK;
}

static enum err on_preload(struct reading *r, struct slice v)
{
    r->to->preload = v;
    return ERR_OK;
}

static enum err on_warm(struct reading *r, struct slice v)
{
    r->to->is_cold = slice_eq(v, SLICE("off"));
    return ERR_OK;
}

static enum err on_artifact(struct reading *r, struct slice v)
{
    struct setup *s = r->to;

    if (v.len == 0)
        return refuse(r, ERR_INVALID, "it is empty");
    if (s->n_artifacts == SETUP_ARTIFACTS_MAX)
        return refuse(r, ERR_LIMIT, "there are too many globs of artifacts");
    if (s->artifacts == NULL)
        s->artifacts = arena_alloc(r->lists, SETUP_ARTIFACTS_MAX * sizeof(*s->artifacts));
    s->artifacts[s->n_artifacts++] = (struct setup_artifact){.glob = v, .max_bytes = UINT64_MAX};
    return ERR_OK;
}

static enum err on_artifact_max(struct reading *r, struct slice v)
{
    struct setup *s = r->to;

    if (s->n_artifacts == 0)
        return refuse(r, ERR_INVALID, "no artifact stands before it");
    return number(r, v, UINT64_MAX, &s->artifacts[s->n_artifacts - 1].max_bytes);
}

static enum err on_file_max(struct reading *r, struct slice v)
{
    return number(r, v, UINT64_MAX, &r->to->file_bytes_max);
}

static enum err on_run_max(struct reading *r, struct slice v)
{
    return number(r, v, UINT64_MAX, &r->to->run_bytes_max);
}

static enum err on_files_max(struct reading *r, struct slice v)
{
    uint64_t n = 0;
    enum err err = number(r, v, UINT32_MAX, &n);

    if (err == ERR_OK)
        r->to->files_max = (uint32_t)n;
    return err;
}

/* ---- containers ---- */

static enum err on_image(struct reading *r, struct slice v)
{
    char name[IMAGE_NAME_BYTES_MAX + 1];

    if (v.len == 0 || v.len > IMAGE_NAME_BYTES_MAX)
        return refuse(r, ERR_INVALID, "it is not the name of an image");
    memcpy(name, v.ptr, v.len);
    name[v.len] = '\0';
    if (image_name_fault(name) != NULL)
        return refuse(r, ERR_INVALID, "it is not the name of an image");
    r->to->container.image = v;
    return ERR_OK;
}

static enum err on_pull(struct reading *r, struct slice v)
{
    static const char *const words[] = {
        [SETUP_PULL_ALWAYS] = "always", [SETUP_PULL_MISSING] = "missing", [SETUP_PULL_NEVER] = "never"};

    for (size_t i = SETUP_PULL_ALWAYS; i < ARRAY_LEN(words); i++)
        if (slice_eq(v, slice_of(words[i]))) {
            r->to->container.pull = (enum setup_pull)i;
            return ERR_OK;
        }
    return refuse(r, ERR_INVALID, "it is none of always, missing, never");
}

static enum err on_shm(struct reading *r, struct slice v)
{
    return number(r, v, SETUP_BYTES_MAX, &r->to->container.shm_bytes);
}

static enum err on_memory(struct reading *r, struct slice v)
{
    return number(r, v, SETUP_BYTES_MAX, &r->to->container.memory_bytes);
}

static enum err on_pids(struct reading *r, struct slice v)
{
    uint64_t n = 0;
    enum err err = number(r, v, UINT32_MAX / 2, &n);

    if (err == ERR_OK)
        r->to->container.pids = (uint32_t)n;
    return err;
}

/* A name that becomes a word of a command line: no option, no blank. */
static enum err take_name(struct reading *r, struct slice v, struct slice *ret)
{
    for (size_t i = 0; i < v.len; i++)
        if (v.ptr[i] == '\0' ||
            strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-:", v.ptr[i]) == NULL)
            return refuse(r, ERR_INVALID, "it is not a name");
    if (v.len == 0 || v.len > SETUP_NAME_BYTES_MAX || v.ptr[0] == '-')
        return refuse(r, ERR_INVALID, "it is not a name");
    *ret = v;
    return ERR_OK;
}

static enum err on_network(struct reading *r, struct slice v)
{
    return take_name(r, v, &r->to->container.network);
}

static enum err on_user(struct reading *r, struct slice v)
{
    return take_name(r, v, &r->to->container.user);
}

static enum err on_host(struct reading *r, struct slice v)
{
    return take_name(r, v, &r->to->container.host);
}

static enum err on_mount(struct reading *r, struct slice v)
{
    struct slice source;
    struct slice target;
    bool read_only;

    if (!setup_mount_split(v, &source, &target, &read_only))
        return refuse(r, ERR_INVALID, "it is not /source:/target or /source:/target:ro");
    if (setup_mount_fault(source, target) != NULL)
        return refuse(r, ERR_INVALID, setup_mount_fault(source, target));
    return add_text(r, &r->to->container.mounts, &r->to->container.n_mounts, SETUP_MOUNTS_MAX, v);
}

static enum err take_switch(struct reading *r, struct slice v, bool *ret)
{
    if (!slice_eq(v, SLICE("1")) && !slice_eq(v, SLICE("0")))
        return refuse(r, ERR_INVALID, "it is neither 0 nor 1");
    *ret = v.ptr[0] == '1';
    return ERR_OK;
}

static enum err on_privileged(struct reading *r, struct slice v)
{
    return take_switch(r, v, &r->to->container.is_privileged);
}

static enum err on_new_privileges(struct reading *r, struct slice v)
{
    return take_switch(r, v, &r->to->container.has_new_privileges);
}

static const struct {
    const char *key;
    uint32_t protocol; /* an older agent would pass it over; 1: which it may */
    enum err (*take)(struct reading *r, struct slice v);
} keys[] = {
    {"submodule", PROTOCOL_WITH_SUBMODULES, on_submodule},
    {"lfs", PROTOCOL_WITH_LFS, on_lfs},
    {"step", PROTOCOL_WITH_SETUP, on_step},
    {"arg", PROTOCOL_WITH_SETUP, on_arg},
    {"limit_ms", PROTOCOL_WITH_SETUP, on_limit},
    {"key", PROTOCOL_WITH_SETUP, on_key},
    {"prepare_env", PROTOCOL_WITH_SETUP, on_env},
    {"preload", 1, on_preload},
    {"warm", 1, on_warm},
    {"artifact", 1, on_artifact},
    {"artifact_max", 1, on_artifact_max},
    {"artifact_file_max", 1, on_file_max},
    {"artifact_run_max", 1, on_run_max},
    {"artifact_files_max", 1, on_files_max},
    {"image", PROTOCOL_WITH_IMAGE, on_image},
    {"pull", PROTOCOL_WITH_IMAGE, on_pull},
    {"container_shm", PROTOCOL_WITH_IMAGE, on_shm},
    {"container_memory", PROTOCOL_WITH_IMAGE, on_memory},
    {"container_pids", PROTOCOL_WITH_IMAGE, on_pids},
    {"container_network", PROTOCOL_WITH_IMAGE, on_network},
    {"container_user", PROTOCOL_WITH_IMAGE, on_user},
    {"container_host", PROTOCOL_WITH_IMAGE, on_host},
    {"container_mount", PROTOCOL_WITH_IMAGE, on_mount},
    {"container_privileged", PROTOCOL_WITH_IMAGE, on_privileged},
    {"container_new_privileges", PROTOCOL_WITH_IMAGE, on_new_privileges},
};

uint32_t setup_protocol(const char *const *lines, uint32_t n)
{
    uint32_t protocol = 1;

    for (uint32_t i = 0; i < n; i++) {
        struct slice key = {lines[i], strcspn(lines[i], "=")};

        for (size_t k = 0; k < ARRAY_LEN(keys); k++)
            if (slice_eq(key, slice_of(keys[k].key)) && keys[k].protocol > protocol)
                protocol = keys[k].protocol;
    }
    return protocol;
}

static enum err take_line(struct reading *r)
{
    const char *eq = r->line.len > 0 ? memchr(r->line.ptr, '=', r->line.len) : NULL;
    struct slice key;
    struct slice value;

    if (eq == NULL)
        return refuse(r, ERR_INVALID, "it is not KEY=value");
    key = (struct slice){r->line.ptr, (size_t)(eq - r->line.ptr)};
    value = (struct slice){eq + 1, r->line.len - key.len - 1};
    if (value.len > 0 && memchr(value.ptr, '\0', value.len) != NULL)
        return refuse(r, ERR_INVALID, "it holds a NUL");
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (slice_eq(key, slice_of(keys[i].key)))
            return keys[i].take(r, value);
    return ERR_OK; /* of a newer controller */
}

enum err setup_read(const struct slice *lines, uint32_t n, struct arena *lists, struct setup *ret,
                    struct why *reterr)
{
    struct reading r = {.to = ret, .lists = lists, .why = reterr};
    enum err err = ERR_OK;

    *ret = (struct setup){.file_bytes_max = ARTIFACT_FILE_BYTES_DEFAULT,
                          .run_bytes_max = ARTIFACT_RUN_BYTES_DEFAULT,
                          .files_max = ARTIFACT_FILES_DEFAULT,
                          .preload = {"", 0}};
    for (uint32_t i = 0; i < n && err == ERR_OK; i++) {
        r.line = lines[i];
        err = take_line(&r);
    }
    for (uint32_t i = 0; i < ret->n_steps && err == ERR_OK; i++)
        if (ret->steps[i].n_argv == 0)
            err = why_set(reterr, ERR_INVALID, "setup", "step '%.*s' has no command",
                          ret->steps[i].name.len > 60 ? 60 : (int)ret->steps[i].name.len,
                          ret->steps[i].name.ptr);
    return err;
}

/* "/a/b" of n bytes, without a "." or ".." between its slashes. */
static bool is_absolute(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        size_t n = 1;

        if (s.ptr[i] != '/')
            continue;
        while (i + n < s.len && s.ptr[i + n] != '/')
            n++;
        if ((n == 2 && s.ptr[i + 1] == '.') || (n == 3 && s.ptr[i + 1] == '.' && s.ptr[i + 2] == '.'))
            return false;
    }
    return s.len > 0 && s.ptr[0] == '/';
}

static bool holds(struct slice s, const char *letters)
{
    for (size_t i = 0; i < s.len; i++)
        if (strchr(letters, s.ptr[i]) != NULL)
            return true;
    return false;
}

const char *setup_mount_fault(struct slice source, struct slice target)
{
    static const char box[] = "/.wrata";
    size_t n = target.len;

    /* They are written as src=A,dst=B, and docker's API turns them into A:B for podman. */
    if (holds(source, ",:\"") || holds(target, ",:\""))
        return "holds a comma, a colon or a quote, with which podman and docker cannot mount it";
    while (n > 1 && target.ptr[n - 1] == '/')
        n--;
    if (n == 1)
        return "would hide the whole image: its target is /";
    if (n >= strlen(box) && memcmp(target.ptr, box, strlen(box)) == 0 &&
        (n == strlen(box) || target.ptr[strlen(box)] == '/'))
        return "has a target in /.wrata, where wrata's own part of the container is";
    return NULL;
}

bool setup_mount_split(struct slice mount, struct slice *retsource, struct slice *rettarget,
                       bool *retread_only)
{
    const char *colon = mount.len > 0 ? memchr(mount.ptr, ':', mount.len) : NULL;
    struct slice rest;
    struct slice mode = {"", 0};

    if (colon == NULL)
        return false;
    *retsource = (struct slice){mount.ptr, (size_t)(colon - mount.ptr)};
    rest = (struct slice){colon + 1, mount.len - retsource->len - 1};
    colon = rest.len > 0 ? memchr(rest.ptr, ':', rest.len) : NULL;
    *rettarget = rest;
    if (colon != NULL) {
        rettarget->len = (size_t)(colon - rest.ptr);
        mode = (struct slice){colon + 1, rest.len - rettarget->len - 1};
    }
    *retread_only = slice_eq(mode, SLICE("ro"));
    return is_absolute(*retsource) && is_absolute(*rettarget) &&
           (colon == NULL || *retread_only || slice_eq(mode, SLICE("rw")));
}
