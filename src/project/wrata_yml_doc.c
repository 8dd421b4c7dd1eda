/* wrata_yml_doc.c - the table of wrata.yml for people (docs/wrata-yml.md), for editors (a JSON schema) and for the API. */
#include <string.h>

#include "project/wrata_yml.h"
#include "wire/json_out.h"

const char wrata_yml_example[] =
    "image: registry.example.org/qa/ruby:3.2   # without it: on the machine itself\n"
    "container:\n"
    "  pull: missing\n"
    "  shm: 2g\n"
    "  network: bridge\n"
    "  memory: 4g\n"
    "  pids: 2000\n"
    "  user: \"1000:1000\"\n"
    "  hostname: qa\n"
    "  new_privileges: false\n"
    "  privileged: false\n"
    "  mounts:\n"
    "    - /srv/fonts:/usr/share/fonts:ro\n"
    "\n"
    "prepare:                    # once on each machine, again when a lock file changed\n"
    "  - name: gems\n"
    "    run: [bundle, install, --local]\n"
    "    key: [Gemfile.lock]\n"
    "    time_limit: 15m\n"
    "  - name: browser\n"
    "    script: ci/browser.sh   # a file of the project\n"
    "prepare_time_limit: 30m\n"
    "\n"
    "report: exit                # of commands that do not say it\n"
    "commands:                   # the first one that fits a file is taken\n"
    "  - glob: features/**/*.feature\n"
    "    run: [bundle, exec, cucumber, \"{file}\"]\n"
    "    time_limit: 20m\n"
    "    silence_limit: 3m\n"
    "    retries: 1\n"
    "  - glob: web/test/*.test.mjs\n"
    "    run: [node, --test, --test-reporter=tap, \"{file}\"]\n"
    "    report: tap\n"
    "  - glob: java/**/*Test.java\n"
    "    run: [ci/junit.sh, \"{file}\", \"--line={line}\"]\n"
    "    report: junit\n"
    "    reports: [\"java/target/*.xml\"]\n"
    "\n"
    "artifacts:\n"
    "  - \"tmp/screenshots/**/*.png\"\n"
    "  - glob: tmp/videos/*.mp4\n"
    "    max_size: 50m\n"
    "\n"
    "time_limit: 30m             # of a run, where its command does not say it\n"
    "silence_limit: 10m\n"
    "retries: 2                  # when a machine or the way to it failed\n"
    "lease: 2m\n"
    "env:\n"
    "  RAILS_ENV: test\n"
    "  PORT: 8080                # a text, as it stands here\n"
    "submodules: true            # false: their folders stay empty\n"
    "lfs: true                   # false: files of Git LFS are their pointers\n"
    "slots: 4\n"
    "warm: true                  # RSpec is forked for each file\n"
    "preload: spec/spec_helper.rb\n";

/* ---- docs/wrata-yml.md ---- */

static const char begin[] =
    "# wrata.yml\n"
    "\n"
    "<!-- Made of src/project/wrata_yml.def by `wrata project --markdown`. -->\n"
    "\n"
    "A project may say how its files are run, in a file `wrata.yml` in its root. It is read at the commit "
    "that a launch\n"
    "runs, so every branch has its own. Without it the built-in rules work; each key is optional.\n"
    "\n"
    "- What a launch says itself goes before the file, the file before the settings of the server. Of a "
    "command and the\n"
    "  file as a whole, the command. Of variables with the same name: the launch's, the user's, the file's.\n"
    "- The file is strict: a key that is not known, a value of the wrong kind or out of range, a key that is "
    "there twice\n"
    "  are refused, with the line, and the launch is not made.\n"
    "- It is YAML without anchors, aliases and tags, at most 256 KiB, nested at most 8 deep.\n"
    "- `wrata project check` looks at the file of a folder, `wrata projects config NAME --ref REF` shows "
    "what is in force at a\n"
    "  commit, `wrata run --dry-run FILE...` what would be run, file by file.\n"
    "\n"
    "## An example\n"
    "\n"
    "It has every key.\n"
    "\n"
    "```yaml\n";

static const char end[] =
    "\n"
    "## Commands\n"
    "\n"
    "For each file that a launch chooses, the first item of `commands` whose `glob` fits it is taken, else "
    "the built-in rule for\n"
    "its name (`*_spec.rb`, `test_*.py`, `*_test.py`, `*.sh`, `*.rb`, or the executable bit). A folder in a "
    "launch means the\n"
    "tests below it: by the built-in rules, and all that an item of `commands` is for.\n"
    "\n"
    "A command is a list of words, up to the program's start: no shell looks at it, so nothing has to be "
    "quoted but for YAML.\n"
    "In a word, alone or as a part of it:\n"
    "\n"
    "| placeholder | becomes |\n"
    "|---|---|\n"
    "| `{file}` | the path of the file from the project's root; as it was chosen (`a.feature:12`), unless "
    "the command has `{line}` or"
    " `{id}` |\n"
    "| `{line}` | `12` of `a.feature:12`; a word with it is left out where no line was asked for |\n"
    "| `{id}` | `1:2` of `spec/a_spec.rb[1:2]`; likewise |\n"
    "| `{{` | `{` |\n"
    "\n"
    "## Slots\n"
    "\n"
    "`slots` counts every run of the project that a machine holds, whoever started it: for a database or a "
    "port that two\n"
    "runs cannot share, or a browser that needs half the memory. What the launches of the project say that "
    "are not over\n"
    "holds for all of them, and the least of it goes. A machine that may not have more of the project runs "
    "tests of others\n"
    "meanwhile, and takes the next one of it as soon as one has ended there. `wrata run --per-server N` says "
    "it for a launch.\n"
    "\n"
    "## Globs\n"
    "\n"
    "As in `wrata run`: `*`, `?` and `[a-z]` within a name, `**` for any number of folders, from the "
    "project's root:\n"
    "`*.feature` are those in the root alone, `**/*.feature` all of them. Quote what begins with `*`.\n"
    "\n"
    "## Editors\n"
    "\n"
    "`wrata project schema` prints a JSON schema, which editors use to complete and check the file.\n";

static void put_row(struct buf *out, const struct yml_row *row)
{
    char takes[200];

    if (row->type == YML_TYPE_REFUSED)
        return;
    buf_printf(out, "| `%s`%s | ", row->key, row->required ? " (must be given)" : "");
    if (row->type == YML_TYPE_LIST)
        buf_printf(out, "a list of at most %lld, see below", (long long)row->max);
    else if (row->type == YML_TYPE_MAP)
        buf_puts(out, "see below");
    else
        buf_puts(out, yml_row_takes(row, takes, sizeof(takes)));
    buf_printf(out, " | %s |\n", row->help);
}

static void put_section(struct buf *out, const struct yml_section *s)
{
    buf_printf(out, "\n## %s\n\n| key | takes | what it does |\n|---|---|---|\n", s->title);
    for (uint32_t i = 0; i < s->n_rows; i++)
        put_row(out, &s->rows[i]);
    for (uint32_t i = 0; i < s->n_rows; i++) {
        if (s->rows[i].section != NULL)
            put_section(out, s->rows[i].section);
    }
}

void wrata_yml_markdown(struct buf *out)
{
    buf_puts(out, begin);
    buf_puts(out, wrata_yml_example);
    buf_puts(out, "```\n");
    put_section(out, &yml_file_section);
    buf_puts(out, end);
}

/* ---- the schema ---- */

static void schema_section(struct json_out *j, const struct yml_section *s);

static void schema_choices(struct json_out *j, const char *choices)
{
    jo_karr(j, "enum");
    while (*choices != '\0') {
        size_t n = strcspn(choices, "|");

        jo_textn(j, choices, n);
        choices += n + (choices[n] == '|');
    }
    jo_arr_end(j);
}

static void schema_item(struct json_out *j, const struct yml_section *s)
{
    jo_key(j, "items");
    if (!yml_section_is_short(s)) {
        schema_section(j, s);
        return;
    }
    jo_obj(j);
    jo_karr(j, "anyOf");
    jo_obj(j);
    jo_ktext(j, "type", "string");
    jo_obj_end(j);
    schema_section(j, s);
    jo_arr_end(j);
    jo_obj_end(j);
}

static void schema_texts(struct json_out *j, const struct yml_row *row)
{
    jo_ktext(j, "type", "array");
    jo_kint(j, "minItems", row->min);
    jo_kint(j, "maxItems", row->max);
    jo_kobj(j, "items");
    jo_karr(j, "type"); /* a plain 12 is the text 12 */
    jo_text(j, "string");
    jo_text(j, "number");
    jo_text(j, "boolean");
    jo_arr_end(j);
    jo_obj_end(j);
}

static void schema_env(struct json_out *j, const struct yml_row *row)
{
    jo_ktext(j, "type", "object");
    jo_kint(j, "maxProperties", row->max);
    jo_kobj(j, "propertyNames");
    jo_ktext(j, "pattern", "^(?!WRATA_)[A-Za-z_][A-Za-z0-9_]*$");
    jo_obj_end(j);
    jo_kobj(j, "additionalProperties");
    jo_karr(j, "type");
    jo_text(j, "string");
    jo_text(j, "number");
    jo_text(j, "boolean");
    jo_arr_end(j);
    jo_obj_end(j);
}

static void schema_row(struct json_out *j, const struct yml_row *row)
{
    jo_key(j, row->key);
    if (row->type == YML_TYPE_MAP) {
        schema_section(j, row->section);
        return;
    }
    jo_obj(j);
    jo_ktext(j, "description", row->help);
    switch (row->type) {
    case YML_TYPE_TEXT:
        jo_ktext(j, "type", "string");
        jo_kint(j, "minLength", 1);
        jo_kint(j, "maxLength", row->max);
        break;
    case YML_TYPE_TEXTS:
        schema_texts(j, row);
        break;
    case YML_TYPE_CHOICE:
        schema_choices(j, row->choices);
        break;
    case YML_TYPE_BOOL:
        jo_ktext(j, "type", "boolean");
        break;
    case YML_TYPE_NUMBER:
        jo_ktext(j, "type", "integer");
        jo_kint(j, "minimum", row->min);
        jo_kint(j, "maximum", row->max);
        break;
    case YML_TYPE_DURATION:
        jo_ktext(j, "pattern", "^(0|([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?)$");
        break;
    case YML_TYPE_SIZE:
        jo_ktext(j, "pattern", "^[0-9]+[bkmgtBKMGT]?$");
        break;
    case YML_TYPE_ENV:
        schema_env(j, row);
        break;
    case YML_TYPE_LIST:
        jo_ktext(j, "type", "array");
        jo_kint(j, "maxItems", row->max);
        schema_item(j, row->section);
        break;
    case YML_TYPE_MAP:
    case YML_TYPE_REFUSED:
    default:
        break;
    }
    jo_obj_end(j);
}

static void schema_members(struct json_out *j, const struct yml_section *s)
{
    jo_ktext(j, "type", "object");
    jo_kbool(j, "additionalProperties", false);
    jo_kobj(j, "properties");
    for (uint32_t i = 0; i < s->n_rows; i++) {
        if (s->rows[i].type != YML_TYPE_REFUSED)
            schema_row(j, &s->rows[i]);
    }
    jo_obj_end(j);
    jo_karr(j, "required");
    for (uint32_t i = 0; i < s->n_rows; i++) {
        if (s->rows[i].required)
            jo_text(j, s->rows[i].key);
    }
    jo_arr_end(j);
}

static void schema_section(struct json_out *j, const struct yml_section *s)
{
    jo_obj(j);
    schema_members(j, s);
    jo_obj_end(j);
}

void wrata_yml_schema(struct buf *out)
{
    struct json_out j;

    jo_begin(&j, out);
    jo_obj(&j);
    jo_ktext(&j, "$schema", "http://json-schema.org/draft-07/schema#");
    jo_ktext(&j, "title", WRATA_YML);
    schema_members(&j, &yml_file_section);
    jo_obj_end(&j);
    buf_putc(out, '\n');
}

/* ---- what a file says, for the API ---- */

static void json_section(struct json_out *j, const struct yml_section *s, const void *from);

static void json_key(struct json_out *j, const struct yml_row *row)
{
    char key[80];
    const char *unit = row->type == YML_TYPE_DURATION ? "_s" : row->type == YML_TYPE_SIZE ? "_bytes" : "";
    size_t n = strlen(row->key);

    memcpy(key, row->key, n);
    memcpy(key + n, unit, strlen(unit) + 1);
    jo_key(j, key);
}

static void json_texts(struct json_out *j, const struct yml_texts *texts)
{
    jo_arr(j);
    for (uint32_t i = 0; i < texts->n; i++)
        jo_text(j, texts->at[i]);
    jo_arr_end(j);
}

static void json_list(struct json_out *j, const struct yml_section *s, const void *at)
{
    struct {
        const char *at;
        uint32_t n;
    } list;

    memcpy(&list, at, sizeof(list));
    jo_arr(j);
    for (uint32_t i = 0; i < list.n; i++)
        json_section(j, s, list.at + i * s->size);
    jo_arr_end(j);
}

static void json_choice(struct json_out *j, const char *choices, int choice)
{
    size_t n;

    for (; choice > 0; choice--)
        choices += strcspn(choices, "|") + 1;
    n = strcspn(choices, "|");
    jo_textn(j, choices, n);
}

static void json_value(struct json_out *j, const struct yml_row *row, const void *from)
{
    const void *at = (const char *)from + row->offset;

    switch (row->type) {
    case YML_TYPE_TEXT:
        jo_text(j, *(const char *const *)at);
        break;
    case YML_TYPE_TEXTS:
    case YML_TYPE_ENV:
        json_texts(j, at);
        break;
    case YML_TYPE_CHOICE:
        json_choice(j, row->choices, *(const int *)at);
        break;
    case YML_TYPE_BOOL:
        jo_bool(j, *(const int *)at > 0);
        break;
    case YML_TYPE_NUMBER:
    case YML_TYPE_SIZE:
        jo_int(j, *(const int64_t *)at);
        break;
    case YML_TYPE_DURATION:
        jo_int(j, *(const int64_t *)at / 1000);
        break;
    case YML_TYPE_LIST:
        json_list(j, row->section, at);
        break;
    case YML_TYPE_MAP:
        json_section(j, row->section, at);
        break;
    case YML_TYPE_REFUSED:
    default:
        jo_null(j);
        break;
    }
}

static void json_section(struct json_out *j, const struct yml_section *s, const void *from)
{
    jo_obj(j);
    for (uint32_t i = 0; i < s->n_rows; i++) {
        const struct yml_row *row = &s->rows[i];

        if (row->type == YML_TYPE_REFUSED)
            continue;
        json_key(j, row);
        if (yml_row_is_set(row, from))
            json_value(j, row, from);
        else
            jo_null(j);
    }
    jo_obj_end(j);
}

void wrata_yml_json(const struct yml_file *f, struct json_out *j)
{
    json_section(j, &yml_file_section, f);
}

void wrata_yml_container_json(const struct yml_container *c, struct json_out *j)
{
    json_section(j, &yml_container_section, c);
}

void yml_problems_json(const struct yml_problems *p, struct json_out *j)
{
    jo_karr(j, "problems");
    for (uint32_t i = 0; i < p->n; i++) {
        jo_obj(j);
        jo_kint(j, "line", p->at[i].line);
        jo_ktext(j, "key", p->at[i].key);
        jo_ktext(j, "message", p->at[i].text);
        jo_obj_end(j);
    }
    jo_arr_end(j);
    jo_kuint(j, "problems_more", p->n_more);
}
