/* fuzz_wrata_yml.c - bytes as wrata.yml: reading ends, what is refused is explained, what is accepted can be written as
 * JSON and makes commands. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "project/wrata_yml.h"
#include "wire/json_out.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *fault(void *ctx, const char *path, bool is_script)
{
    (void)ctx;
    (void)is_script;
    CHECK(path[0] != '\0' && path[0] != '/');
    return path[0] != 'n' ? NULL : "is not in the project";
}

static void use(const struct yml_file *f, struct arena *arena)
{
    const struct yml_target target = {"-a/b.x:1", "-a/b.x", "1", ""};
    struct json_out j;
    struct buf out;
    uint32_t n;

    buf_init(&out, MIB(64));
    jo_begin(&j, &out);
    wrata_yml_json(f, &j);
    CHECK(j.depth == 0 && out.len > 2);
    buf_done(&out);
    for (uint32_t i = 0; i < f->commands.n; i++) {
        const char *const *words = yml_command_words(&f->commands.at[i], &target, arena, &n);

        CHECK(n >= 1 && n <= f->commands.at[i].run.n && words[0][0] != '\0');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct yml_problems problems = {.arena = &arena};
    struct yml_file f;
    char text[4096];

    arena_init(&arena);
    if (wrata_yml_parse((struct slice){(const char *)data, size}, &f, &problems) == ERR_OK) {
        CHECK(problems.n == 0);
        use(&f, &arena);
        wrata_yml_check_paths(&f, fault, NULL, &problems);
    } else {
        CHECK(problems.n > 0);
    }
    for (uint32_t i = 0; i < problems.n; i++) {
        CHECK(problems.at[i].line >= 0 && problems.at[i].text[0] != '\0');
        yml_problem_text(&problems.at[i], WRATA_YML, text, sizeof(text));
        CHECK(strncmp(text, WRATA_YML ":", 10) == 0);
    }
    arena_done(&arena);
    return 0;
}
