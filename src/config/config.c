#include "config/config.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/nearest.h"
#include "config/flat.h"
#include "config/whole_file.h"

const struct setting_row setting_rows[N_SETTINGS] = {
#define SETTING(name_, kind_, preset_, unit_, min_, max_, arg_, env_, flag_, reload_, help_) \
    [SETTING_##name_] = {.name = #name_,                                                     \
                         .kind = SETTING_##kind_,                                            \
                         .offset = offsetof(struct settings, name_),                         \
                         .preset = preset_,                                                  \
                         .unit = unit_,                                                      \
                         .min = min_,                                                        \
                         .max = max_,                                                        \
                         .arg = arg_,                                                        \
                         .env = env_,                                                        \
                         .flag = flag_,                                                      \
                         .reload = RELOAD_##reload_,                                         \
                         .help = help_},
#include "config/settings.def"
#undef SETTING
};

static const struct {
    const char *word;
    bool value;
} bools[] = {
    {"true", true}, {"false", false}, {"yes", true}, {"no", false},
    {"on", true},   {"off", false},   {"1", true},   {"0", false},
};

static void *field_of(struct config *c, const struct setting_row *row)
{
    return (char *)&c->set + row->offset;
}

static const void *field_in(const struct config *c, const struct setting_row *row)
{
    return (const char *)&c->set + row->offset;
}

/* ---- one value ----
 *
 * Each writes what would be right into `wrong` (a sentence that goes on after the value) and returns false. */

#define WRONG_BYTES 200

static bool number_set(const struct setting_row *row, const char *text, int64_t *ret, char *wrong)
{
    char *end;
    long long v;

    errno = 0;
    v = strtoll(text, &end, 10);
    if (!isdigit((unsigned char)text[0]) || *end != '\0' || errno != 0 || v < row->min || v > row->max) {
        (void)snprintf(wrong, WRONG_BYTES, "is not a number of %s from %lld to %lld", row->unit,
                       (long long)row->min, (long long)row->max);
        return false;
    }
    *ret = v;
    return true;
}

static bool bool_set(const char *text, bool *ret, char *wrong)
{
    for (size_t i = 0; i < ARRAY_LEN(bools); i++) {
        if (strcasecmp(bools[i].word, text) == 0) {
            *ret = bools[i].value;
            return true;
        }
    }
    (void)snprintf(wrong, WRONG_BYTES, "is neither true nor false");
    return false;
}

static bool choice_set(const struct setting_row *row, const char *text, int *ret, char *wrong)
{
    size_t n = strlen(text);
    int i = 0;

    for (const char *p = row->arg; *p != '\0'; i++) {
        size_t len = strcspn(p, "|");

        if (len == n && strncmp(p, text, n) == 0) {
            *ret = i;
            return true;
        }
        p += len + (p[len] == '|');
    }
    (void)snprintf(wrong, WRONG_BYTES, "is none of %s", row->arg);
    return false;
}

static bool text_is_fine(const struct setting_row *row, const char *text, char *wrong)
{
    size_t n = strlen(text);

    if (n < (size_t)row->min || n > (size_t)row->max) {
        (void)snprintf(wrong, WRONG_BYTES, "is not a text of %lld to %lld bytes", (long long)row->min,
                       (long long)row->max);
        return false;
    }
    for (const char *p = text; *p != '\0'; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f) {
            (void)snprintf(wrong, WRONG_BYTES, "holds a control character");
            return false;
        }
    }
    return true;
}

/* HOST:PORT, [V6]:PORT, :PORT. Whether the host exists is found out when it is listened on. */
static bool address_is_fine(const char *text, char *wrong)
{
    const char *colon = strrchr(text, ':');
    const char *digits = colon != NULL ? colon + 1 : "";
    size_t n = strspn(digits, "0123456789");

    if (colon == NULL || n == 0 || n > 5 || digits[n] != '\0' || strtol(digits, NULL, 10) > 65535 ||
        strpbrk(text, " \t/") != NULL ||
        (text[0] != '[' && memchr(text, ':', (size_t)(colon - text)) != NULL)) {
        (void)snprintf(wrong, WRONG_BYTES, "is not ADDRESS:PORT, like 127.0.0.1:3000, [::1]:3000 or :3000");
        return false;
    }
    return true;
}

/* A relative path means: from the folder of the file, or from the current one. */
static const char *path_of(struct config *c, const char *text, enum setting_origin from)
{
    char cwd[PATH_MAX];
    const char *slash = strrchr(c->file, '/');

    if (text[0] == '/' || text[0] == '\0')
        return arena_strdup(&c->memory, text);
    if (from == ORIGIN_FILE && slash != NULL)
        return arena_printf(&c->memory, "%.*s/%s", (int)(slash - c->file), c->file, text);
    if (getcwd(cwd, sizeof(cwd)) == NULL)
        return arena_strdup(&c->memory, text); /* opening it will say what is wrong */
    return arena_printf(&c->memory, "%s/%s", cwd, text);
}

/* `where` begins the line of a problem: "config.yml:3: listen". */
static bool value_set(struct config *c, enum setting_id id, const char *text, enum setting_origin from,
                      int line, const char *where, struct buf *problems)
{
    const struct setting_row *row = &setting_rows[id];
    char wrong[WRONG_BYTES];
    char shown[100];
    bool ok = false;

    switch (row->kind) {
    case SETTING_TEXT:
    case SETTING_PATH:
        ok = text_is_fine(row, text, wrong);
        break;
    case SETTING_ADDRESS:
        ok = text_is_fine(row, text, wrong) && address_is_fine(text, wrong);
        break;
    case SETTING_CHOICE:
        ok = choice_set(row, text, field_of(c, row), wrong);
        break;
    case SETTING_BOOL:
        ok = bool_set(text, field_of(c, row), wrong);
        break;
    case SETTING_NUMBER:
        ok = number_set(row, text, field_of(c, row), wrong);
        break;
    }
    if (!ok) {
        buf_printf(problems, "%s: '%s' %s\n", where, flat_show(shown, sizeof(shown), text), wrong);
        return false;
    }
    if (row->kind == SETTING_PATH)
        *(const char **)field_of(c, row) = path_of(c, text, from);
    else if (row->kind == SETTING_TEXT || row->kind == SETTING_ADDRESS)
        *(const char **)field_of(c, row) = arena_strdup(&c->memory, text);
    c->at[id].from = from;
    c->at[id].line = line;
    return true;
}

/* ---- the file ---- */

static const char *setting_name(const void *ctx, size_t i)
{
    (void)ctx;
    return i < N_SETTINGS ? setting_rows[i].name : NULL;
}

static int setting_find(const char *name)
{
    for (int i = 0; i < N_SETTINGS; i++) {
        if (strcmp(setting_rows[i].name, name) == 0)
            return i;
    }
    return -1;
}

static void unknown_key(const char *where, const char *key, struct buf *problems)
{
    const char *near = nearest_name(key, setting_name, NULL);

    if (strcmp(key, "data") == 0)
        buf_printf(problems, "%s: the data folder is chosen by --data or WRATA_DATA: this file lies in it\n",
                   where);
    else if (near != NULL)
        buf_printf(problems, "%s: there is no such setting; did you mean %s?\n", where, near);
    else
        buf_printf(problems, "%s: there is no such setting; `wrata config show` lists them\n", where);
}

static bool item_set(struct config *c, const struct flat_item *it, struct buf *problems)
{
    int id = setting_find(it->key);
    char where[PATH_MAX + 128];
    char shown[100];

    (void)snprintf(where, sizeof(where), "%s:%d: %s", c->file, it->line,
                   flat_show(shown, sizeof(shown), it->key));
    if (id < 0) {
        unknown_key(where, it->key, problems);
        return false;
    }
    if (it->is_null) {
        buf_printf(problems, "%s: has no value; write one, or remove the line\n", where);
        return false;
    }
    if (it->is_list) {
        buf_printf(problems, "%s: is a list, but takes one value\n", where);
        return false;
    }
    return value_set(c, (enum setting_id)id, it->values[0], ORIGIN_FILE, it->line, where, problems);
}

static void set_defaults(struct config *c)
{
    *c = (struct config){0};
    arena_init(&c->memory);
    for (int i = 0; i < N_SETTINGS; i++) {
        struct buf none;

        buf_init(&none, KIB(1));
        CHECK(value_set(c, (enum setting_id)i, setting_rows[i].preset, ORIGIN_DEFAULT, 0, "", &none));
        buf_done(&none);
    }
}

static bool take_file(struct config *c, struct slice text, struct buf *problems)
{
    struct arena arena;
    struct flat flat;
    bool ok;

    arena_init(&arena);
    ok = flat_read(c->file, text, &arena, &flat, problems) == ERR_OK;
    for (uint32_t i = 0; i < flat.n; i++)
        ok = item_set(c, &flat.items[i], problems) && ok;
    arena_done(&arena);
    return ok;
}

static bool read_file(struct config *c, bool must_exist, struct buf *problems)
{
    struct buf text;
    struct why why;
    enum err err;
    bool ok = true;

    buf_init(&text, FLAT_BYTES_MAX + 1);
    err = whole_file_read(c->file, &text, NULL, &why);
    c->has_file = err == ERR_OK;
    if (err == ERR_OK) {
        ok = take_file(c, buf_slice(&text), problems);
    } else if (err != ERR_NOTFOUND || must_exist) {
        buf_printf(problems, "%s\n", why.text);
        ok = false;
    }
    buf_done(&text);
    return ok;
}

/* ---- all of it ---- */

static bool take_env_and_flags(struct config *c, const struct config_sources *s, struct buf *problems)
{
    bool ok = true;

    for (int i = 0; i < N_SETTINGS; i++) {
        const struct setting_row *row = &setting_rows[i];
        const char *env = s->no_env ? NULL : getenv(row->env);
        const char *flag = s->flags != NULL ? s->flags[i] : NULL;
        char where[80];

        if (env != NULL && env[0] != '\0')
            ok = value_set(c, (enum setting_id)i, env, ORIGIN_ENV, 0, row->env, problems) && ok;
        (void)snprintf(where, sizeof(where), "--%s", row->flag);
        if (flag != NULL)
            ok = value_set(c, (enum setting_id)i, flag, ORIGIN_FLAG, 0, where, problems) && ok;
    }
    return ok;
}

/* What no single value shows. Names both and where the later one comes from is easy to see in `config show`. */
static bool check_together(const struct config *c, struct buf *problems)
{
    bool ok = true;

    if (c->set.silence_shown_ms < 2 * c->set.beat_ms) {
        buf_printf(problems, "silence_shown_ms: '%lld' is less than two beats of beat_ms: '%lld'\n",
                   (long long)c->set.silence_shown_ms, (long long)c->set.beat_ms);
        ok = false;
    }
    if (c->set.reconnect_max_ms < c->set.reconnect_min_ms) {
        buf_printf(problems, "reconnect_max_ms: '%lld' is less than reconnect_min_ms: '%lld'\n",
                   (long long)c->set.reconnect_max_ms, (long long)c->set.reconnect_min_ms);
        ok = false;
    }
    return ok;
}

enum err config_load(const struct config_sources *s, struct config *ret, struct buf *problems)
{
    bool ok = true;
    int n;

    set_defaults(ret);
    if (s->file != NULL)
        n = snprintf(ret->file, sizeof(ret->file), "%s", s->file);
    else
        n = snprintf(ret->file, sizeof(ret->file), "%s/" CONFIG_FILE, s->data);
    if (n >= (int)sizeof(ret->file)) {
        buf_printf(problems, "--config: the path is too long\n");
        return ERR_INVALID;
    }
    ok = read_file(ret, s->file != NULL, problems);
    ok = take_env_and_flags(ret, s, problems) && ok;
    ok = check_together(ret, problems) && ok;
    return ok ? ERR_OK : ERR_INVALID;
}

enum err config_parse(const char *file, struct slice text, struct config *ret, struct buf *problems)
{
    bool ok;

    set_defaults(ret);
    (void)snprintf(ret->file, sizeof(ret->file), "%s", file);
    ret->has_file = true;
    ok = take_file(ret, text, problems);
    ok = check_together(ret, problems) && ok;
    return ok ? ERR_OK : ERR_INVALID;
}

void config_done(struct config *c)
{
    arena_done(&c->memory);
    *c = (struct config){0};
}

/* ---- showing ---- */

char *config_text(const struct config *c, enum setting_id id, char *out, size_t size)
{
    const struct setting_row *row = &setting_rows[id];
    const void *field = field_in(c, row);
    const char *p = row->arg;

    switch (row->kind) {
    case SETTING_TEXT:
    case SETTING_PATH:
    case SETTING_ADDRESS:
        (void)snprintf(out, size, "%s", *(const char *const *)field);
        break;
    case SETTING_CHOICE:
        for (int i = *(const int *)field; i > 0; i--)
            p += strcspn(p, "|") + 1;
        (void)snprintf(out, size, "%.*s", (int)strcspn(p, "|"), p);
        break;
    case SETTING_BOOL:
        (void)snprintf(out, size, "%s", *(const bool *)field ? "true" : "false");
        break;
    case SETTING_NUMBER:
        (void)snprintf(out, size, "%lld", (long long)*(const int64_t *)field);
        break;
    }
    return out;
}

bool config_is_equal(const struct config *a, const struct config *b, enum setting_id id)
{
    char left[PATH_MAX];
    char right[PATH_MAX];

    return strcmp(config_text(a, id, left, sizeof(left)), config_text(b, id, right, sizeof(right))) == 0;
}

void config_take_reloadable(struct config *to, const struct config *from)
{
    static const size_t sizes[] = {
        [SETTING_CHOICE] = sizeof(int), [SETTING_BOOL] = sizeof(bool), [SETTING_NUMBER] = sizeof(int64_t)};

    for (int i = 0; i < N_SETTINGS; i++) {
        const struct setting_row *row = &setting_rows[i];

        if (row->reload != RELOAD_NOW)
            continue;
        CHECK(row->kind >= SETTING_CHOICE);
        memcpy(field_of(to, row), field_in(from, row), sizes[row->kind]);
        to->at[i] = from->at[i];
    }
}

static void md_cell(struct buf *out, const char *s)
{
    for (; *s != '\0'; s++) {
        if (*s == '|')
            buf_putc(out, '\\');
        buf_putc(out, *s);
    }
}

static void md_range(struct buf *out, const struct setting_row *row)
{
    switch (row->kind) {
    case SETTING_NUMBER:
        buf_printf(out, "%lld to %lld %s", (long long)row->min, (long long)row->max, row->unit);
        break;
    case SETTING_BOOL:
        buf_puts(out, "`true`, `false`");
        break;
    default:
        buf_puts(out, "`");
        md_cell(out, row->arg);
        buf_puts(out, "`");
    }
}

void config_markdown(struct buf *out)
{
    buf_puts(
        out,
        "# Configuration\n\nMade by `wrata config --markdown` from the table in "
        "`src/config/settings.def`.\n\n"
        "Nothing has to be configured: an empty data folder works. What differs from the defaults stands in\n"
        "`config.yml` in the data folder (or in the file that `--config` or `WRATA_CONFIG` names), one\n"
        "`name: value` a line:\n\n```yaml\nlisten: 0.0.0.0:3000\nlog_level: debug\ntime_limit_s: "
        "1800\n```\n\n"
        "A variable of the environment goes before the file, a flag of `wrata serve` before both. The data "
        "folder\n"
        "itself is chosen by `--data` or `WRATA_DATA`, since the file lies in it. An unknown name, a value "
        "that does\n"
        "not fit or a name that stands there twice keeps the server from starting, with the file and the "
        "line.\n\n"
        "`wrata config check [FILE]` says whether a file is right, `wrata config show` what is in force and "
        "where it\n"
        "comes from: default, file, environment or flag.\n\n"
        "`kill -HUP` makes a running server read it again. What has *reload* in its row is in force at once; "
        "of the\n"
        "others the log says that they need a restart. A file with a mistake changes nothing.\n\n"
        "Secrets do not belong here: see `wrata credentials` in [security.md](security.md).\n\n"
        "| name | default | what fits | when | environment, flag | what |\n|---|---|---|---|---|---|\n");
    for (int i = 0; i < N_SETTINGS; i++) {
        const struct setting_row *row = &setting_rows[i];

        buf_printf(out, "| `%s` | %s%s%s | ", row->name, row->preset[0] != '\0' ? "`" : "none", row->preset,
                   row->preset[0] != '\0' ? "`" : "");
        md_range(out, row);
        buf_printf(out, " | %s | `%s` `--%s` | ", row->reload == RELOAD_NOW ? "reload" : "restart", row->env,
                   row->flag);
        md_cell(out, row->help);
        buf_puts(out, " |\n");
    }
}
