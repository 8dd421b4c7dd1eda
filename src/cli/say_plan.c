/* say_plan.c - what wrata.yml makes of a project: `wrata run --dry-run`, `wrata projects config`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/run_private.h"
#include "cli/verbs.h"

static void put_words(struct buf *out, const json_t *words)
{
    size_t i;
    const json_t *word;

    json_array_foreach(words, i, word)
    {
        struct buf shown;

        buf_init(&shown, MIB(1));
        text_escape(&shown, json_string_value(word));
        if (i > 0)
            buf_putc(out, ' ');
        text_shell_word(out, buf_str(&shown));
        buf_done(&shown);
    }
}

static void put_limit(struct buf *out, const char *name, int64_t s)
{
    if (s > 0) {
        buf_printf(out, ", %s ", name);
        text_duration(out, s * 1000);
    }
}

static void put_file(struct buf *out, const json_t *file)
{
    text_escape(out, js_text(file, "path"));
    buf_puts(out, "\n    ");
    put_words(out, js_obj(file, "command"));
    buf_printf(out, "\n    report %s", js_text(file, "report"));
    if (json_array_size(js_obj(file, "reports")) > 0) {
        buf_puts(out, " in ");
        put_words(out, js_obj(file, "reports"));
    }
    put_limit(out, "time limit", js_int(file, "time_limit_s"));
    put_limit(out, "silence limit", js_int(file, "silence_limit_s"));
    buf_printf(out, ", retries %lld", (long long)js_int(file, "retries"));
    if (js_text(file, "rule")[0] != '\0') {
        buf_puts(out, ", by wrata.yml for ");
        text_escape(out, js_text(file, "rule"));
    }
    buf_putc(out, '\n');
}

static void put_value(struct buf *out, const json_t *value, int depth);
static void put_members(struct buf *out, const json_t *object, int depth);

static void put_image(struct buf *out, const json_t *plan)
{
    if (js_text(plan, "image")[0] == '\0')
        return;
    buf_puts(out, "in containers of ");
    text_escape(out, js_text(plan, "image"));
    buf_putc(out, '\n');
    put_members(out, js_obj(plan, "container"), 2);
}

void run_say_plan(const struct cli *cli, const json_t *plan)
{
    const json_t *files = js_obj(plan, "files");
    const json_t *item;
    struct buf out;
    size_t i;

    if (cli->o.json) {
        print_json(plan);
        return;
    }
    buf_init(&out, MIB(512));
    put_image(&out, plan);
    json_array_foreach(js_obj(plan, "prepare"), i, item)
    {
        buf_puts(&out, "prepare: ");
        text_escape(&out, js_text(item, "name"));
        buf_puts(&out, "\n    ");
        put_words(&out, js_obj(item, "command"));
        buf_putc(&out, '\n');
    }
    json_array_foreach(files, i, item)
    {
        put_file(&out, item);
    }
    if (js_int(plan, "slots") > 0)
        buf_printf(&out, "at most %lld at a time on one server\n", (long long)js_int(plan, "slots"));
    text_count(&out, (int64_t)json_array_size(files), "file", "files");
    buf_printf(&out, " at %.10s; nothing was started\n", js_text(plan, "commit"));
    (void)fputs(buf_str(&out), stdout);
    buf_done(&out);
}

/* ---- wrata projects config ---- */

/* As YAML, with what is not given left out. */
static void put_members(struct buf *out, const json_t *object, int depth)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        if (json_is_null(value))
            continue;
        text_pad(out, depth * 2);
        text_escape(out, key);
        buf_putc(out, ':');
        put_value(out, value, depth + 1);
    }
}

static void put_value(struct buf *out, const json_t *value, int depth)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    const json_t *item;
    size_t i;

    if (json_is_object(value)) {
        buf_putc(out, '\n');
        put_members(out, value, depth);
    } else if (json_is_array(value) && json_is_object(json_array_get(value, 0))) {
        buf_putc(out, '\n');
        json_array_foreach(value, i, item)
        {
            text_pad(out, depth * 2);
            buf_puts(out, "-\n");
            put_members(out, item, depth + 1);
        }
    } else {
        buf_putc(out, ' ');
        text_escape(out, text != NULL ? text : "");
        buf_putc(out, '\n');
    }
    free(text);
}

static void put_config(struct buf *out, const json_t *config)
{
    const json_t *limits = js_obj(config, "limits");

    buf_printf(out, "# %s at %.10s\n",
               json_is_true(json_object_get(config, "has_file")) ? "wrata.yml" : "there is no wrata.yml",
               js_text(config, "commit"));
    put_members(out, js_obj(config, "config"), 0);
    buf_puts(out, "# in force, unless a launch says it itself\n");
    put_members(out, limits, 0);
}

static void say_problems(const json_t *config)
{
    const json_t *item;
    size_t i;

    json_array_foreach(js_obj(config, "problems"), i, item)
    {
        const char *key = js_text(item, "key");

        if (js_int(item, "line") > 0)
            (void)cli_fail(EXIT_USAGE, "wrata.yml:%lld: %s%s%s", (long long)js_int(item, "line"), key,
                           key[0] != '\0' ? ": " : "", js_text(item, "message"));
        else
            (void)cli_fail(EXIT_USAGE, "wrata.yml: %s", js_text(item, "message"));
    }
    if (js_int(config, "problems_more") > 0)
        (void)cli_fail(EXIT_USAGE, "wrata.yml: and %lld more", (long long)js_int(config, "problems_more"));
}

static void put_query(struct buf *out, const char *ref)
{
    buf_puts(out, "?ref=");
    for (; *ref != '\0'; ref++)
        buf_printf(out, "%%%02X", (unsigned char)*ref);
}

int say_project_config(struct cli *cli)
{
    json_t *config = NULL;
    struct why why = {0};
    struct buf path;
    struct buf out;
    int64_t id = 0;
    int rc = EXIT_PASSED;
    enum err err = ask_id_by_name(cli, API "/projects", "project", cli->args[1], &id, &why);

    if (err != ERR_OK)
        return cli_fail_why(&why);
    buf_init(&path, MIB(1));
    buf_printf(&path, API "/projects/%lld/config", (long long)id);
    if (cli->o.ref != NULL)
        put_query(&path, cli->o.ref);
    err = ask(cli, "GET", buf_str(&path), NULL, &config, &why);
    buf_done(&path);
    if (err != ERR_OK)
        return cli_fail_why(&why);
    if (json_array_size(js_obj(config, "problems")) > 0)
        rc = EXIT_USAGE;
    if (cli->o.json) {
        print_json(config);
    } else if (rc != EXIT_PASSED) {
        say_problems(config);
    } else {
        buf_init(&out, MIB(64));
        put_config(&out, config);
        (void)fputs(buf_str(&out), stdout);
        buf_done(&out);
    }
    json_decref(config);
    return rc;
}
