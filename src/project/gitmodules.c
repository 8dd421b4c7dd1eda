/* gitmodules.c - what a .gitmodules says, and where a submodule may be. Pure.
 *
 * git itself reads the file (`git config --blob`); here is what it printed. The file is written by whoever may push to the
 * project, so what git would refuse or pass over in it with a warning is refused here as well, with a sentence. What decides
 * is the commit: only places where it has a submodule are looked up in the file. */
#include <stdlib.h>
#include <string.h>

#include "project/project_private.h"
#include "wire/agent_setup.h"

#define MODULES_MAX 1000u /* sections of a file; many of them may be of other commits */

/* ---- the file ---- */

static struct gitmodule *module_of(struct gitmodules *m, struct arena *arena, const char *name, size_t n)
{
    /* From the end: the keys of a section stand together. */
    for (uint32_t i = m->n; i > 0; i--) {
        if (strlen(m->at[i - 1].name) == n && memcmp(m->at[i - 1].name, name, n) == 0)
            return &m->at[i - 1];
    }
    if (m->n == MODULES_MAX)
        return NULL;
    m->at[m->n] = (struct gitmodule){.name = arena_strndup(arena, name, n), .path = "", .url = ""};
    return &m->at[m->n++];
}

static enum err take_text(const char **ret, struct arena *arena, const char *name, struct slice value,
                          const char *key, struct why *reterr)
{
    if (!text_is_utf8(value.ptr, value.len))
        return why_set(reterr, ERR_INVALID, "submodules", ".gitmodules: %s of '%.60s' is not UTF-8", key,
                       name);
    if ((*ret)[0] != '\0' && (strlen(*ret) != value.len || memcmp(*ret, value.ptr, value.len) != 0))
        return why_set(reterr, ERR_INVALID, "submodules", ".gitmodules: '%.60s' has more than one %s", name,
                       key);
    *ret = arena_strndup(arena, value.ptr, value.len);
    return ERR_OK;
}

/* "submodule.NAME.key" of n bytes; NAME may have dots. */
static enum err take_key(struct gitmodules *m, struct arena *arena, const char *key, size_t n,
                         struct slice value, struct why *reterr)
{
    static const char section[] = "submodule.";
    const size_t skip = sizeof(section) - 1;
    const char *dot = memrchr(key, '.', n);
    struct gitmodule *one;
    struct slice word;

    if (n <= skip || memcmp(key, section, skip) != 0 || dot == NULL || dot < key + skip)
        return ERR_OK;
    if (!text_is_utf8(key, n))
        return why_set(reterr, ERR_INVALID, "submodules", ".gitmodules: a name is not UTF-8");
    word = (struct slice){dot + 1, n - (size_t)(dot + 1 - key)};
    if (!slice_eq(word, SLICE("path")) && !slice_eq(word, SLICE("url")) && !slice_eq(word, SLICE("update")))
        return ERR_OK;
    one = module_of(m, arena, key + skip, (size_t)(dot - key) - skip);
    if (one == NULL)
        return why_set(reterr, ERR_LIMIT, "submodules", ".gitmodules: more than %u submodules", MODULES_MAX);
    if (slice_eq(word, SLICE("path")))
        return take_text(&one->path, arena, one->name, value, "path", reterr);
    if (slice_eq(word, SLICE("url")))
        return take_text(&one->url, arena, one->name, value, "url", reterr);
    one->is_left_out =
        slice_eq(value, SLICE("none")); /* whatever else: a checkout; commands in it are never run */
    return ERR_OK;
}

static int by_module_path(const void *a, const void *b)
{
    return strcmp(((const struct gitmodule *)a)->path, ((const struct gitmodule *)b)->path);
}

enum err gitmodules_parse(struct slice out, struct arena *arena, struct gitmodules *ret, struct why *reterr)
{
    struct gitmodules m = {.at = arena_alloc(arena, MODULES_MAX * sizeof(*m.at))};
    enum err err = ERR_OK;

    for (size_t at = 0; at < out.len && err == ERR_OK;) {
        const char *p = out.ptr + at;
        const char *nul = memchr(p, '\0', out.len - at);
        size_t n = nul != NULL ? (size_t)(nul - p) : out.len - at;
        const char *line = memchr(p, '\n', n); /* a key without a value has none */
        size_t key = line != NULL ? (size_t)(line - p) : n;
        struct slice value = {p + key + (line != NULL), n - key - (line != NULL)};

        err = take_key(&m, arena, p, key, value, reterr);
        at += n + 1;
    }
    if (err != ERR_OK)
        return err;
    if (m.n > 1)
        qsort(m.at, m.n, sizeof(*m.at), by_module_path);
    for (uint32_t i = 1; i < m.n; i++) {
        if (m.at[i].path[0] != '\0' && strcmp(m.at[i - 1].path, m.at[i].path) == 0 &&
            strcmp(m.at[i - 1].url, m.at[i].url) != 0)
            return why_set(reterr, ERR_INVALID, "submodules",
                           ".gitmodules: %.100s is there twice, with two urls", m.at[i].path);
    }
    *ret = m;
    return ERR_OK;
}

static int module_compare(const void *key, const void *module)
{
    return strcmp(key, ((const struct gitmodule *)module)->path);
}

const struct gitmodule *gitmodules_find(const struct gitmodules *m, const char *path)
{
    return m->n == 0 ? NULL : bsearch(path, m->at, m->n, sizeof(*m->at), module_compare);
}

/* ---- places ---- */

enum err submodule_path_check(const char *path, struct why *reterr)
{
    const char *fault = setup_submodule_fault(slice_of(path));

    for (const char *p = path; *p != '\0'; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return why_set(reterr, ERR_INVALID, "submodules", "submodules: a path holds a control character");
    }
    if (fault != NULL)
        return why_set(reterr, ERR_INVALID, "submodules", "submodule '%.100s': its path %s", path, fault);
    if (!text_is_utf8(path, strlen(path)))
        return why_set(reterr, ERR_INVALID, "submodules", "submodules: a path is not UTF-8");
    return ERR_OK;
}

static enum err place_check(const struct tree *t, const struct tree_link *link, struct why *reterr)
{
    size_t n = strlen(link->path);
    uint32_t i;

    if (submodule_path_check(link->path, reterr) != ERR_OK)
        return ERR_INVALID;
    for (size_t k = 0; k <= n; k++) {
        if ((k == n || link->path[k] == '/') && tree_find(t, link->path, k) != NULL)
            return why_set(reterr, ERR_INVALID, "submodules", "submodule '%.80s': '%.*s' is a file as well",
                           link->path, (int)(k > 80 ? 80 : k), link->path);
    }
    i = tree_lower(t, link->path, n);
    while (i < t->n_files && strncmp(t->files[i].path, link->path, n) == 0 && t->files[i].path[n] < '/')
        i++;
    if (i < t->n_files && strncmp(t->files[i].path, link->path, n) == 0 && t->files[i].path[n] == '/')
        return why_set(reterr, ERR_INVALID, "submodules",
                       "submodule '%.80s': it is a folder with files as well", link->path);
    return ERR_OK;
}

enum err submodule_places_check(const struct tree *t, struct why *reterr)
{
    if (t->n_links > SUBMODULES_MAX)
        return why_set(reterr, ERR_LIMIT, "submodules", "there are more than %u submodules", SUBMODULES_MAX);
    for (uint32_t i = 0; i < t->n_links; i++) {
        const struct tree_link *link = &t->links[i];

        if (place_check(t, link, reterr) != ERR_OK)
            return ERR_INVALID;
        if (tree_link_of(t, link->path, strlen(link->path)) != link)
            return why_set(reterr, ERR_INVALID, "submodules",
                           "submodule '%.100s': it is in another one, or there twice", link->path);
    }
    return ERR_OK;
}
