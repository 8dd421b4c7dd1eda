/* wrata_yml.h - what a project says about its runs in `wrata.yml`. Pure; any thread.
 *
 * Strict: an unknown key, a wrong type, a value out of range is a problem with its line, and a file with a problem is
 * not used at all. The structs are made of wrata_yml.def: a member per key. */
#ifndef WRATA_PROJECT_WRATA_YML_H
#define WRATA_PROJECT_WRATA_YML_H

#include "base/err.h"
#include "project/yml_node.h"

#define WRATA_YML "wrata.yml"
#define YML_WORD_BYTES_MAX 4096u
#define YML_ENV_BYTES_MAX KIB(128) /* of all variables together */

struct arena;
struct json_out;

/* The choices of `container.pull`, in the order of the table. */
enum yml_pull { YML_PULL_ALWAYS, YML_PULL_MISSING, YML_PULL_NEVER };
const char *yml_pull_name(int pull); /* "always" */

struct yml_texts {
    const char *const *at;
    uint32_t n;
};

/* Not given: "" of a text, -1 of a number, duration (milliseconds), size (bytes), choice (its place in the list, from 0) and of a
 * bool; n 0 of a list; line 0 of a section. ENV is lines NAME=value. */
#define YML_MEMBER_TEXT(key, of) const char *key;
#define YML_MEMBER_TEXTS(key, of) struct yml_texts key;
#define YML_MEMBER_CHOICE(key, of) int key;
#define YML_MEMBER_BOOL(key, of) int key;
#define YML_MEMBER_NUMBER(key, of) int64_t key;
#define YML_MEMBER_DURATION(key, of) int64_t key;
#define YML_MEMBER_SIZE(key, of) int64_t key;
#define YML_MEMBER_ENV(key, of) struct yml_texts key;
#define YML_MEMBER_LIST(key, of)   \
    struct {                       \
        const struct yml_##of *at; \
        uint32_t n;                \
    } key;
#define YML_MEMBER_MAP(key, of) struct yml_##of key;
#define YML_MEMBER_REFUSED(key, of)
#define YML_SECTION(name, title) \
    struct yml_##name {          \
        int line;
#define YML_KEY(section, key, kind, of, min, max, required, help) YML_MEMBER_##kind(key, of)
#define YML_END(name) \
    }                 \
    ;
#include "project/wrata_yml.def"
#undef YML_SECTION
#undef YML_KEY
#undef YML_END

/* The choices of `report`, in the order of the table. */
enum yml_report { YML_REPORT_RSPEC, YML_REPORT_JUNIT, YML_REPORT_TAP, YML_REPORT_PYTEST, YML_REPORT_EXIT };
const char *yml_report_name(int report); /* "rspec" */

/* Everything lives in p->arena. ERR_INVALID: there are problems in p, and *ret is not to be used. */
MUST_USE enum err wrata_yml_parse(struct slice text, struct yml_file *ret, struct yml_problems *p);
/* As an empty file would be read. */
void wrata_yml_empty(struct yml_file *ret);
/* What is wrong with a glob that looks for files of a project; NULL: nothing. */
const char *yml_glob_fault(const char *glob);

/* What only the project's files can tell: are the scripts and the preload there, can the scripts be run? `fault` gets a path and
 * says what is wrong with it ("is not in the project"), or NULL. */
typedef const char *yml_fault_fn(void *ctx, const char *path, bool is_script);
void wrata_yml_check_paths(const struct yml_file *f, yml_fault_fn *fault, void *ctx, struct yml_problems *p);

/* "wrata.yml:12: commands[2].glob: what is wrong", into out (size bytes). */
void yml_problem_text(const struct yml_problem *p, const char *file, char *out, size_t size);

/* The words of a command for one file. `line` and `id` may be "": then a word that asks for it is left out. Words and
 * the list live in the arena. */
struct yml_target {
    const char *chosen; /* "spec/a_spec.rb:12" */
    const char *file;   /* "spec/a_spec.rb" */
    const char *line;   /* "12" */
    const char *id;     /* "1:2" of "spec/a_spec.rb[1:2]" */
};
const char *const *yml_command_words(const struct yml_command *c, const struct yml_target *t,
                                     struct arena *arena, uint32_t *retn);

/* What is wrong with the placeholders of a word, into out (size bytes); false: nothing. */
bool yml_word_fault(const char *word, bool is_program, char *out, size_t size);

/* ---- the table ---- */

enum yml_type {
    YML_TYPE_TEXT,
    YML_TYPE_TEXTS,
    YML_TYPE_CHOICE,
    YML_TYPE_BOOL,
    YML_TYPE_NUMBER,
    YML_TYPE_DURATION,
    YML_TYPE_SIZE,
    YML_TYPE_ENV,
    YML_TYPE_LIST,
    YML_TYPE_MAP,
    YML_TYPE_REFUSED
};

enum yml_check {
    YML_CHECK_none,
    YML_CHECK_word,
    YML_CHECK_line,
    YML_CHECK_glob,
    YML_CHECK_path,
    YML_CHECK_image,
    YML_CHECK_network,
    YML_CHECK_user,
    YML_CHECK_host,
    YML_CHECK_mount
};

struct yml_section;

struct yml_row {
    const char *key;
    enum yml_type type;
    enum yml_check check;
    const char *choices;               /* "rspec|junit" */
    const struct yml_section *section; /* of LIST and MAP */
    int64_t min;
    int64_t max;
    bool required;
    size_t offset;
    const char *help;
};

struct yml_section {
    const char *name;
    const char *title;
    const struct yml_row *rows;
    uint32_t n_rows;
    size_t size;
};

extern const struct yml_section yml_artifact_section, yml_step_section, yml_command_section,
    yml_container_section, yml_file_section;
void yml_section_unset(const struct yml_section *s, void *out); /* nothing is given */
/* A text in place of a mapping is its first key, where no other must be given: `artifacts: [ "*.png" ]`. */
bool yml_section_is_short(const struct yml_section *s);
/* "a number from 1 to 256", into out; returns out. */
const char *yml_row_takes(const struct yml_row *row, char *out, size_t size);
/* Is it given in the struct `s`? */
bool yml_row_is_set(const struct yml_row *row, const void *s);

/* ---- for people and editors (wrata_yml_doc.c) ---- */

void wrata_yml_markdown(struct buf *out); /* docs/wrata-yml.md */
void wrata_yml_schema(struct buf *out);   /* a JSON schema */
extern const char wrata_yml_example[];    /* a file that has every key */
/* Every key in one object; null where nothing is given. Durations as KEY_s, sizes as KEY_bytes. */
void wrata_yml_json(const struct yml_file *f, struct json_out *j);
/* What `container` says, likewise. */
void wrata_yml_container_json(const struct yml_container *c, struct json_out *j);
/* "problems":[{"line","key","message"}] and "problems_more". */
void yml_problems_json(const struct yml_problems *p, struct json_out *j);

#endif
