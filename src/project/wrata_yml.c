/* wrata_yml.c - nodes to the structs of wrata_yml.def: each value checked by its row, then what rows cannot say. */
#include "project/wrata_yml.h"

#include <stdio.h>
#include <string.h>

#include "base/nearest.h"
#include "wire/agent_image.h"
#include "wire/agent_setup.h"

#define PATH_BYTES 160u /* of a key's path: "commands[2].reports[1]" */

/* ---- texts ---- */

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"

static const char *check_path(const char *s)
{
    if (s[0] == '/')
        return "is absolute; paths begin at the project's root";
    if (s[0] == '.' && s[1] == '/')
        return "begins with ./; paths begin at the project's root";
    for (const char *p = s; *p != '\0'; p++) {
        if (p[0] == '.' && p[1] == '.' && (p[2] == '/' || p[2] == '\0') && (p == s || p[-1] == '/'))
            return "leads out of the project by '..'";
        if (p[0] == '/' && (p[1] == '/' || p[1] == '\0'))
            return "has an empty name between or behind its slashes";
    }
    return NULL;
}

static const char *check_mount(const char *s)
{
    struct slice source;
    struct slice target;
    bool is_read_only;

    if (!setup_mount_split(slice_of(s), &source, &target, &is_read_only))
        return "is not /source:/target or /source:/target:ro, both absolute";
    return setup_mount_fault(source, target);
}

static bool is_of(const char *s, const char *letters)
{
    return strspn(s, letters) == strlen(s) && strchr(LETTERS DIGITS, s[0]) != NULL;
}

/* What is wrong with it; NULL: nothing. */
static const char *text_fault(enum yml_check check, const char *s)
{
    for (const char *p = s; *p != '\0' && check != YML_CHECK_word; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return "holds a control character";
    }
    switch (check) {
    case YML_CHECK_glob:
    case YML_CHECK_path:
        return check_path(s);
    case YML_CHECK_image:
        return image_name_fault(s);
    case YML_CHECK_network:
        return is_of(s, LETTERS DIGITS "._-") ? NULL : "is not the name of a network";
    case YML_CHECK_user:
        return is_of(s, LETTERS DIGITS "._-:") ? NULL : "is not a user like 1000, nobody or 1000:1000";
    case YML_CHECK_host:
        return is_of(s, LETTERS DIGITS "-") ? NULL : "is not a host name: letters, digits and -";
    case YML_CHECK_mount:
        return check_mount(s);
    case YML_CHECK_none:
    case YML_CHECK_word:
    case YML_CHECK_line:
    default:
        return NULL;
    }
}

const char *yml_glob_fault(const char *glob)
{
    return text_fault(YML_CHECK_glob, glob);
}

/* ---- values ---- */

struct checking {
    struct yml_problems *p;
    struct arena *arena;
};

#define FAULT(c, node, path, ...) yml_problem_add((c)->p, (node)->line, path, __VA_ARGS__)

static void must_be(const struct checking *c, const struct yml_row *row, const struct yml_node *node,
                    const char *path)
{
    char shown[120];
    char takes[200];

    FAULT(c, node, path, "%s is not %s", yml_show(node, shown, sizeof(shown)),
          yml_row_takes(row, takes, sizeof(takes)));
}

/* Digits at *p, at most 18 of them; false: none, or too many. */
static bool digits(const char **p, int64_t *ret)
{
    size_t n = strspn(*p, DIGITS);

    *ret = 0;
    if (n == 0 || n > 18)
        return false;
    for (size_t i = 0; i < n; i++)
        *ret = *ret * 10 + (*(*p)++ - '0');
    return true;
}

/* "90s", "1h30m", and 0 without a unit; in seconds. */
static bool read_duration(const char *s, int64_t *ret)
{
    int64_t last = INT64_MAX;
    int64_t n;

    *ret = 0;
    if (strcmp(s, "0") == 0)
        return true;
    do {
        const char *unit;
        static const char units[] = "smhd";
        static const int64_t seconds[] = {1, 60, 3600, 86400};
        int64_t each;

        if (!digits(&s, &n) || *s == '\0' || (unit = strchr(units, *s)) == NULL || n > 100000000)
            return false;
        each = seconds[unit - units];
        if (each >= last) /* larger units first, each once */
            return false;
        last = each;
        *ret += n * each;
        s++;
    } while (*s != '\0');
    return true;
}

static bool read_size(const char *s, int64_t *ret)
{
    static const char units[] = "bkmgt";
    const char *unit;

    if (!digits(&s, ret) || *ret > INT64_C(1) << 50)
        return false;
    if (*s == '\0')
        return true;
    unit = strchr(units, *s >= 'A' && *s <= 'Z' ? *s - 'A' + 'a' : *s);
    if (unit == NULL || s[1] != '\0' || *ret > (INT64_C(1) << 50) >> (10 * (unit - units)))
        return false;
    *ret <<= 10 * (unit - units);
    return true;
}

static void take_number(const struct checking *c, const struct yml_row *row, const struct yml_node *node,
                        const char *path, int64_t *ret)
{
    const char *s = node->kind == YML_TEXT ? node->text : "";
    const char *unitless = "";
    int64_t v;
    bool is_read;

    if (row->type == YML_TYPE_DURATION) {
        is_read = read_duration(s, &v);
        if (!is_read && s[0] != '\0' && strspn(s, DIGITS) == strlen(s))
            unitless = "; it has no unit";
    } else if (row->type == YML_TYPE_SIZE) {
        is_read = read_size(s, &v);
    } else {
        is_read = node->kind == YML_TEXT && node->is_plain && digits(&s, &v) && *s == '\0';
    }
    if (!is_read || v < row->min || v > row->max) {
        char shown[120];
        char takes[200];

        FAULT(c, node, path, "%s is not %s%s", yml_show(node, shown, sizeof(shown)),
              yml_row_takes(row, takes, sizeof(takes)), unitless);
        return;
    }
    *ret = row->type == YML_TYPE_DURATION ? v * 1000 : v;
}

static void take_text(const struct checking *c, const struct yml_row *row, const struct yml_node *node,
                      const char *path, const char **ret)
{
    char shown[120];
    const char *fault;
    size_t n;

    if (node->kind != YML_TEXT || yml_is_nothing(node)) {
        must_be(c, row, node, path);
        return;
    }
    n = strlen(node->text);
    if ((int64_t)n < row->min || (int64_t)n > row->max) {
        FAULT(c, node, path, "has %zu bytes, and may have %lld to %lld", n, (long long)row->min,
              (long long)row->max);
        return;
    }
    fault = text_fault(row->check, node->text);
    if (fault != NULL)
        FAULT(c, node, path, "%s %s", yml_show(node, shown, sizeof(shown)), fault);
    else
        *ret = node->text;
}

static void take_texts(const struct checking *c, const struct yml_row *row, const struct yml_node *node,
                       const char *path, struct yml_texts *ret)
{
    const struct yml_row one = {.type = YML_TYPE_TEXT,
                                .check = row->check,
                                .min = row->check == YML_CHECK_word ? 0 : 1,
                                .max = row->check == YML_CHECK_word ? YML_WORD_BYTES_MAX : 400};
    const char **at;
    uint32_t i = 0;

    if (node->kind != YML_LIST) {
        must_be(c, row, node, path);
        return;
    }
    if (node->n < row->min || node->n > row->max) {
        FAULT(c, node, path, "has %u items, and may have %lld to %lld", node->n, (long long)row->min,
              (long long)row->max);
        return;
    }
    at = arena_alloc(c->arena, (node->n + 1) * sizeof(*at));
    for (const struct yml_node *it = node->first; it != NULL; it = it->next, i++) {
        at[i] = "";
        take_text(c, &one, it, arena_printf(c->arena, "%.*s[%u]", (int)PATH_BYTES, path, i), &at[i]);
    }
    *ret = (struct yml_texts){at, node->n};
}

static void take_choice(const struct checking *c, const struct yml_row *row, const struct yml_node *node,
                        const char *path, int *ret)
{
    const char *at = row->choices;
    int i = 0;

    for (; node->kind == YML_TEXT && *at != '\0'; i++) {
        size_t n = strcspn(at, "|");

        if (strlen(node->text) == n && memcmp(at, node->text, n) == 0) {
            *ret = i;
            return;
        }
        at += n + (at[n] == '|');
    }
    must_be(c, row, node, path);
}

static void take_bool(const struct checking *c, const struct yml_row *row, const struct yml_node *node,
                      const char *path, int *ret)
{
    bool is_true = node->kind == YML_TEXT && node->is_plain && strcmp(node->text, "true") == 0;
    bool is_false = node->kind == YML_TEXT && node->is_plain && strcmp(node->text, "false") == 0;

    if (is_true || is_false)
        *ret = is_true;
    else
        must_be(c, row, node, path);
}

/* returns the bytes of its line; 0: a problem */
static size_t take_variable(const struct checking *c, const struct yml_node *it, const char *path,
                            const char **ret)
{
    const char *name = it->key;
    char shown[120];

    if (strspn(name, LETTERS DIGITS "_") != strlen(name) || strchr(DIGITS, name[0]) != NULL)
        FAULT(c, it, path, "is not the name of a variable: letters, digits and _");
    else if (strncmp(name, "WRATA_", 6) == 0)
        FAULT(c, it, path, "names that begin with WRATA_ are wrata's own");
    else if (it->kind != YML_TEXT || yml_is_nothing(it))
        FAULT(c, it, path, "%s is not a text; an empty one is \"\"", yml_show(it, shown, sizeof(shown)));
    else {
        *ret = arena_printf(c->arena, "%s=%s", name, it->text);
        return strlen(*ret) + 1;
    }
    return 0;
}

static void take_env(const struct checking *c, const struct yml_row *row, const struct yml_node *node,
                     const char *path, struct yml_texts *ret)
{
    const char **at;
    size_t bytes = 0;
    uint32_t i = 0;

    if (node->kind != YML_MAP) {
        must_be(c, row, node, path);
        return;
    }
    if (node->n > row->max) {
        FAULT(c, node, path, "has %u variables; %lld is the most", node->n, (long long)row->max);
        return;
    }
    at = arena_alloc(c->arena, (node->n + 1) * sizeof(*at));
    for (const struct yml_node *it = node->first; it != NULL; it = it->next) {
        size_t n =
            take_variable(c, it, arena_printf(c->arena, "%.*s.%s", (int)PATH_BYTES, path, it->key), &at[i]);

        i += n > 0;
        bytes += n;
    }
    if (bytes > YML_ENV_BYTES_MAX)
        FAULT(c, node, path, "has %zu bytes together; %zu is the most", bytes, YML_ENV_BYTES_MAX);
    *ret = (struct yml_texts){at, i};
}

/* ---- sections ---- */

static void take_section(const struct checking *c, const struct yml_section *s, const struct yml_node *node,
                         const char *path, void *out);
static void check_section(const struct checking *c, const struct yml_section *s, const struct yml_node *node,
                          const char *path, const void *out);

/* A list of sections looks as struct yml_texts does: a pointer, and how many. */
static void take_list(const struct checking *c, const struct yml_row *row, const struct yml_node *node,
                      const char *path, void *ret)
{
    char *at;
    struct {
        const void *at;
        uint32_t n;
    } list;
    uint32_t i = 0;

    if (node->kind != YML_LIST) {
        must_be(c, row, node, path);
        return;
    }
    if (node->n > row->max) {
        FAULT(c, node, path, "has %u items; %lld is the most", node->n, (long long)row->max);
        return;
    }
    at = arena_alloc(c->arena, (node->n + 1) * row->section->size);
    for (const struct yml_node *it = node->first; it != NULL; it = it->next, i++) {
        take_section(c, row->section, it, arena_printf(c->arena, "%.*s[%u]", (int)PATH_BYTES, path, i),
                     at + i * row->section->size);
    }
    list.at = at;
    list.n = node->n;
    memcpy(ret, &list, sizeof(list));
}

static void take_value(const struct checking *c, const struct yml_row *row, const struct yml_node *node,
                       const char *path, void *out)
{
    void *at = (char *)out + row->offset;

    switch (row->type) {
    case YML_TYPE_TEXT:
        take_text(c, row, node, path, at);
        break;
    case YML_TYPE_TEXTS:
        take_texts(c, row, node, path, at);
        break;
    case YML_TYPE_CHOICE:
        take_choice(c, row, node, path, at);
        break;
    case YML_TYPE_BOOL:
        take_bool(c, row, node, path, at);
        break;
    case YML_TYPE_NUMBER:
    case YML_TYPE_DURATION:
    case YML_TYPE_SIZE:
        take_number(c, row, node, path, at);
        break;
    case YML_TYPE_ENV:
        take_env(c, row, node, path, at);
        break;
    case YML_TYPE_LIST:
        take_list(c, row, node, path, at);
        break;
    case YML_TYPE_MAP:
        take_section(c, row->section, node, path, at);
        break;
    case YML_TYPE_REFUSED:
        FAULT(c, node, path, "%s", row->help);
        break;
    default:
        CHECK(!"a type of a row");
    }
}

static const char *next_key(const void *ctx, size_t i)
{
    const struct yml_section *s = ctx;

    return i < s->n_rows ? s->rows[i].key : NULL;
}

static const struct yml_row *row_of(const struct yml_section *s, const char *key)
{
    for (uint32_t i = 0; i < s->n_rows; i++) {
        if (strcmp(s->rows[i].key, key) == 0)
            return &s->rows[i];
    }
    return NULL;
}

static void unknown_key(const struct checking *c, const struct yml_section *s, const struct yml_node *node,
                        const char *path)
{
    const char *near = nearest_name(node->key, next_key, s);
    struct buf known;

    if (near != NULL) {
        FAULT(c, node, path, "there is no such key; did you mean %s?", near);
        return;
    }
    buf_init(&known, KIB(4));
    for (uint32_t i = 0; i < s->n_rows; i++) {
        if (s->rows[i].type != YML_TYPE_REFUSED)
            buf_printf(&known, "%s%s", known.len > 0 ? ", " : "", s->rows[i].key);
    }
    FAULT(c, node, path, "there is no such key; there are %s", buf_str(&known));
    buf_done(&known);
}

static const char *key_path(const struct checking *c, const char *path, const char *key)
{
    return path[0] == '\0' ? key : arena_printf(c->arena, "%.*s.%s", (int)PATH_BYTES, path, key);
}

static void take_section(const struct checking *c, const struct yml_section *s, const struct yml_node *node,
                         const char *path, void *out)
{
    const uint32_t n_before = c->p->n + c->p->n_more;
    char shown[120];

    yml_section_unset(s, out);
    *(int *)out = node->line;
    if (node->kind == YML_TEXT && yml_section_is_short(s) && !yml_is_nothing(node)) {
        take_value(c, &s->rows[0], node, path, out);
        return;
    }
    if (node->kind != YML_MAP) {
        FAULT(c, node, path, "%s is not a mapping; write one `key: value` a line",
              yml_show(node, shown, sizeof(shown)));
        return;
    }
    for (const struct yml_node *it = node->first; it != NULL; it = it->next) {
        const struct yml_row *row = row_of(s, it->key);

        if (row == NULL)
            unknown_key(c, s, it, key_path(c, path, it->key));
        else
            take_value(c, row, it, key_path(c, path, it->key), out);
    }
    if (c->p->n + c->p->n_more != n_before)
        return; /* what is missing may only be misspelt */
    for (uint32_t i = 0; i < s->n_rows; i++) {
        if (s->rows[i].required && !yml_row_is_set(&s->rows[i], out))
            FAULT(c, node, path, "has no %s", s->rows[i].key);
    }
    check_section(c, s, node, path, out);
}

/* ---- what rows cannot say ---- */

static const struct yml_node *child(const struct yml_node *node, const char *key)
{
    for (const struct yml_node *it = node->first; it != NULL; it = it->next) {
        if (strcmp(it->key, key) == 0)
            return it;
    }
    return node;
}

static void check_command(const struct checking *c, const struct yml_node *node, const char *path,
                          const struct yml_command *command)
{
    const struct yml_node *run = child(node, "run");
    const struct yml_node *it = run->first;

    for (uint32_t i = 0; i < command->run.n; i++, it = it != NULL ? it->next : NULL) {
        char fault[200];

        if (yml_word_fault(command->run.at[i], i == 0, fault, sizeof(fault)))
            FAULT(c, it != NULL ? it : run, arena_printf(c->arena, "%.*s.run[%u]", (int)PATH_BYTES, path, i),
                  "%s", fault);
    }
    if (command->run.n > 0 && command->run.at[0][0] == '\0')
        FAULT(c, run, key_path(c, path, "run[0]"), "the program's name is empty");
}

/* The report is known when the whole file is. */
static void check_report(const struct checking *c, const struct yml_node *node, const char *path,
                         const struct yml_command *command, int report)
{
    const struct yml_texts *run = &command->run;

    if (report == YML_REPORT_JUNIT && command->reports.n == 0)
        FAULT(c, node, path, "with report junit, `reports` must say which files it writes");
    if (report != YML_REPORT_JUNIT && command->reports.n > 0)
        FAULT(c, child(node, "reports"), key_path(c, path, "reports"), "is of use with report junit alone");
    if (report == YML_REPORT_RSPEC && strcmp(run->at[0], "rspec") != 0 &&
        (run->n < 3 || strcmp(run->at[2], "rspec") != 0))
        FAULT(c, child(node, "run"), key_path(c, path, "run"),
              "with report rspec, the first or the third word must be rspec, as in bundle exec rspec");
}

static void check_file(const struct checking *c, const struct yml_node *node, const struct yml_file *f)
{
    const struct yml_node *it = child(node, "commands")->first;

    for (uint32_t i = 0; i < f->commands.n && it != NULL; i++, it = it->next) {
        const struct yml_command *command = &f->commands.at[i];
        int report = command->report >= 0 ? command->report : f->report >= 0 ? f->report : YML_REPORT_EXIT;

        check_report(c, it, arena_printf(c->arena, "commands[%u]", i), command, report);
    }
    if (f->container.line > 0 && f->image[0] == '\0')
        FAULT(c, child(node, "container"), "container", "is of use with `image` alone");
    if (f->preload[0] != '\0' && f->warm == 0)
        FAULT(c, child(node, "preload"), "preload", "is of use with `warm: true` alone");
}

static void check_section(const struct checking *c, const struct yml_section *s, const struct yml_node *node,
                          const char *path, const void *out)
{
    if (s == &yml_command_section) {
        check_command(c, node, path, out);
    } else if (s == &yml_step_section) {
        const struct yml_step *step = out;

        if ((step->run.n > 0) == (step->script[0] != '\0'))
            FAULT(c, node, path, "has %s of run and script, and needs one",
                  step->run.n > 0 ? "both" : "none");
        else if (step->run.n > 0 && step->run.at[0][0] == '\0')
            FAULT(c, child(node, "run"), key_path(c, path, "run[0]"), "the program's name is empty");
    } else if (s == &yml_file_section) {
        check_file(c, node, out);
    }
}

/* ---- what others call ---- */

void wrata_yml_empty(struct yml_file *ret)
{
    yml_section_unset(&yml_file_section, ret);
}

enum err wrata_yml_parse(struct slice text, struct yml_file *ret, struct yml_problems *p)
{
    const struct checking c = {p, p->arena};

    wrata_yml_empty(ret);
    p->root = yml_read(text, p);
    if (p->root != NULL)
        take_section(&c, &yml_file_section, p->root, "", ret);
    return p->n == 0 ? ERR_OK : ERR_INVALID;
}

/* The line of prepare[i].script, or of a key of the file. */
static int line_of(const struct yml_node *root, const char *key, const char *key_of_item, uint32_t i)
{
    const struct yml_node *node = child(root, key);
    const struct yml_node *item = node->first;

    while (item != NULL && i-- > 0)
        item = item->next;
    return item != NULL ? child(item, key_of_item)->line : node->line;
}

void wrata_yml_check_paths(const struct yml_file *f, yml_fault_fn *fault, void *ctx, struct yml_problems *p)
{
    const char *text;

    for (uint32_t i = 0; i < f->prepare.n; i++) {
        const char *script = f->prepare.at[i].script;

        if (script[0] != '\0' && (text = fault(ctx, script, true)) != NULL)
            yml_problem_add(p, line_of(p->root, "prepare", "script", i),
                            arena_printf(p->arena, "prepare[%u].script", i), "'%s' %s", script, text);
    }
    if (f->preload[0] != '\0' && (text = fault(ctx, f->preload, false)) != NULL)
        yml_problem_add(p, line_of(p->root, "preload", "", 0), "preload", "'%s' %s", f->preload, text);
}

void yml_problem_text(const struct yml_problem *p, const char *file, char *out, size_t size)
{
    if (p->line > 0)
        (void)snprintf(out, size, "%s:%d: %s%s%s", file, p->line, p->key, p->key[0] != '\0' ? ": " : "",
                       p->text);
    else
        (void)snprintf(out, size, "%s: %s%s%s", file, p->key, p->key[0] != '\0' ? ": " : "", p->text);
}
