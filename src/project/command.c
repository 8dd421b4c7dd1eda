/* command.c - how a file is run, by its name. Pure. A row of the table is a kind of file; the first that fits. */
#include <string.h>

#include "project/project_private.h"

#define SPEC_END "_spec.rb"

static const struct kind {
    const char *begins;
    const char *ends;
    enum adapter_kind adapter;
    bool is_test; /* a folder means these */
    const char *words[3];
} kinds[] = {
    {"", SPEC_END, ADAPTER_RSPEC, true, {"rspec"}},     {"test_", ".py", ADAPTER_PYTEST, true, {"pytest"}},
    {"", "_test.py", ADAPTER_PYTEST, true, {"pytest"}}, {"", ".sh", ADAPTER_EXIT, true, {"bash"}},
    {"", ".rb", ADAPTER_EXIT, false, {"ruby"}},
};

/* ":12", ":12:40" or "[1:2,1:3]": what rspec takes behind the name of a file. */
static bool is_example_end(const char *s)
{
    size_t n = strlen(s);

    if (s[0] == '[')
        return n > 2 && s[n - 1] == ']' && strspn(s + 1, "0123456789:,") == n - 2;
    while (*s == ':') {
        size_t digits = strspn(s + 1, "0123456789");

        if (digits == 0 || digits > 9)
            return false;
        s += 1 + digits;
    }
    return *s == '\0';
}

size_t command_path_len(const char *path)
{
    const char *p = path;
    const char *end;

    while ((p = strstr(p, SPEC_END)) != NULL) {
        end = p + sizeof(SPEC_END) - 1;
        if ((*end == ':' || *end == '[') && is_example_end(end))
            return (size_t)(end - path);
        p = end;
    }
    return strlen(path);
}

size_t command_any_path_len(const char *path)
{
    for (const char *p = path; *p != '\0'; p++) {
        if ((*p == ':' || *p == '[') && p != path && p[-1] != '/' && is_example_end(p))
            return (size_t)(p - path);
    }
    return strlen(path);
}

static const struct kind *kind_of(const char *path, size_t n)
{
    const char *base = path;

    for (size_t i = 0; i < n; i++) {
        if (path[i] == '/')
            base = path + i + 1;
    }
    n -= (size_t)(base - path);
    for (unsigned i = 0; i < ARRAY_LEN(kinds); i++) {
        size_t begins = strlen(kinds[i].begins);
        size_t ends = strlen(kinds[i].ends);

        if (n >= begins && n >= ends && memcmp(base, kinds[i].begins, begins) == 0 &&
            memcmp(base + n - ends, kinds[i].ends, ends) == 0)
            return &kinds[i];
    }
    return NULL;
}

bool command_is_test(const char *path)
{
    const struct kind *k = kind_of(path, strlen(path));

    return k != NULL && k->is_test;
}

enum err command_for(const char *path, bool is_executable, bool has_gemfile_lock, struct arena *arena,
                     struct plan_file *ret, struct why *reterr)
{
    const struct kind *k = kind_of(path, command_path_len(path));
    const char **argv;
    const char *file = path;
    uint32_t n = 0;

    if (k == NULL && !is_executable)
        return why_set(
            reterr, ERR_INVALID, "files",
            "files: %.100s is not runnable: wrata runs *_spec.rb, *.rb, *.sh, test_*.py, *_test.py and files "
            "with the executable bit",
            path);
    argv = arena_alloc(arena, 8 * sizeof(*argv));
    if (k == NULL || path[0] == '-') /* a program of the tree; never an option */
        file = arena_printf(arena, "./%s", path);
    if (k != NULL && k->adapter == ADAPTER_RSPEC && has_gemfile_lock) {
        argv[n++] = "bundle";
        argv[n++] = "exec";
    }
    for (unsigned i = 0; k != NULL && i < ARRAY_LEN(k->words) && k->words[i] != NULL; i++)
        argv[n++] = k->words[i];
    argv[n++] = file;
    *ret = (struct plan_file){
        .path = path, .adapter = k != NULL ? k->adapter : ADAPTER_EXIT, .argv = argv, .n_argv = n};
    return ERR_OK;
}
