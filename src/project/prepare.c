/* prepare.c - the steps of wrata.yml: their commands, and keys that change when they must be done again. Pure. */
#include <sodium.h>
#include <string.h>

#include "project/project_private.h"

#define KEY_BYTES 32u

static void hash_text(crypto_generichash_state *h, const char *s)
{
    (void)crypto_generichash_update(h, (const unsigned char *)s, strlen(s) + 1);
}

/* Names and contents of what the step's globs find, of submodules their commits; the same file by two globs counts twice, which does no harm. */
static void hash_key_files(crypto_generichash_state *h, const struct tree *t, const struct yml_step *step)
{
    for (uint32_t k = 0; k < step->key.n; k++) {
        const char *glob = step->key.at[k];
        size_t fixed = strcspn(glob, "*?[\\");

        for (uint32_t i = tree_lower(t, glob, fixed); i < t->n_files; i++) {
            const struct tree_file *f = &t->files[i];

            if (strncmp(f->path, glob, fixed) != 0)
                break;
            if (!glob_match(glob, f->path))
                continue;
            hash_text(h, f->path);
            hash_text(h, f->blob);
        }
        for (uint32_t i = 0; i < t->n_links; i++) {
            if (!glob_match(glob, t->links[i].path))
                continue;
            hash_text(h, t->links[i].path);
            hash_text(h, t->links[i].commit);
        }
        hash_text(h, "");
    }
}

static const char *key_of(const struct tree *t, const struct yml_step *step, const struct plan_step *made,
                          const char *before, struct arena *arena)
{
    char *hex = arena_alloc(arena, KEY_BYTES * 2 + 1);
    unsigned char digest[KEY_BYTES];
    crypto_generichash_state h;
    const struct tree_file *script = tree_find(t, step->script, strlen(step->script));

    (void)crypto_generichash_init(&h, NULL, 0, sizeof(digest));
    hash_text(&h, before);
    for (uint32_t i = 0; i < made->n_argv; i++)
        hash_text(&h, made->argv[i]);
    hash_text(&h, "");
    hash_text(&h, script != NULL ? script->blob : "");
    hash_key_files(&h, t, step);
    (void)crypto_generichash_final(&h, digest, sizeof(digest));
    (void)sodium_bin2hex(hex, KEY_BYTES * 2 + 1, digest, sizeof(digest));
    return hex;
}

enum err prepare_make(const struct tree *t, struct arena *arena, struct plan *ret, struct why *reterr)
{
    const struct yml_file *yml = &t->yml;
    struct plan_step *steps = arena_alloc(arena, (yml->prepare.n + 1) * sizeof(*steps));
    const char *before = yml->image;

    for (uint32_t i = 0; i < yml->prepare.n; i++) {
        const struct yml_step *step = &yml->prepare.at[i];
        struct plan_step *made = &steps[i];
        const struct tree_file *script = tree_find(t, step->script, strlen(step->script));
        struct plan_file as_test;

        *made = (struct plan_step){.argv = step->run.at, .n_argv = step->run.n};
        if (script != NULL) {
            enum err err = command_for(script->path, script->is_executable, t->has_gemfile_lock, arena,
                                       &as_test, reterr);

            if (err != ERR_OK)
                return err;
            made->argv = as_test.argv;
            made->n_argv = as_test.n_argv;
        }
        made->name = step->name[0] != '\0' ? step->name : script != NULL ? script->path : made->argv[0];
        made->time_limit_ms = step->time_limit >= 0 ? step->time_limit : yml->prepare_time_limit;
        made->key = before = key_of(t, step, made, before, arena);
    }
    ret->prepare = steps;
    ret->n_prepare = yml->prepare.n;
    return ERR_OK;
}
