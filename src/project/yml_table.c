/* yml_table.c - wrata_yml.def as rows, and what can be said of a row alone. */
#include <stdio.h>
#include <string.h>

#include "project/wrata_yml.h"

#define YML_OF_TEXT(of) .check = YML_CHECK_##of
#define YML_OF_TEXTS(of) .check = YML_CHECK_##of
#define YML_OF_CHOICE(of) .choices = of
#define YML_OF_BOOL(of) .choices = NULL
#define YML_OF_NUMBER(of) .choices = NULL
#define YML_OF_DURATION(of) .choices = NULL
#define YML_OF_SIZE(of) .choices = NULL
#define YML_OF_ENV(of) .choices = NULL
#define YML_OF_REFUSED(of) .choices = NULL
#define YML_OF_LIST(of) .section = &yml_##of##_section
#define YML_OF_MAP(of) .section = &yml_##of##_section
#define YML_OFFSET_TEXT(s, key) offsetof(struct yml_##s, key)
#define YML_OFFSET_TEXTS YML_OFFSET_TEXT
#define YML_OFFSET_CHOICE YML_OFFSET_TEXT
#define YML_OFFSET_BOOL YML_OFFSET_TEXT
#define YML_OFFSET_NUMBER YML_OFFSET_TEXT
#define YML_OFFSET_DURATION YML_OFFSET_TEXT
#define YML_OFFSET_SIZE YML_OFFSET_TEXT
#define YML_OFFSET_ENV YML_OFFSET_TEXT
#define YML_OFFSET_LIST YML_OFFSET_TEXT
#define YML_OFFSET_MAP YML_OFFSET_TEXT
#define YML_OFFSET_REFUSED(s, key) 0

/* clang-format off */
#define YML_SECTION(name, title) static const struct yml_row name##_rows[] = {
#define YML_KEY(s, key_, kind, of, min_, max_, required_, help_)                                                 \
    {.key = #key_, .type = YML_TYPE_##kind, YML_OF_##kind(of), .min = min_, .max = max_, .required = required_, \
     .offset = YML_OFFSET_##kind(s, key_), .help = help_},
#define YML_END(name) };
#include "project/wrata_yml.def"
#undef YML_SECTION
#undef YML_KEY
#undef YML_END
/* clang-format on */

/* clang-format off */
#define YML_SECTION(name_, title_) const struct yml_section yml_##name_##_section = { \
    .name = #name_, .title = title_, .rows = name_##_rows, .n_rows = ARRAY_LEN(name_##_rows), \
    .size = sizeof(struct yml_##name_)};
#define YML_KEY(s, key_, kind, of, min_, max_, required_, help_)
#define YML_END(name)
#include "project/wrata_yml.def"
#undef YML_SECTION
#undef YML_KEY
#undef YML_END
/* clang-format on */

bool yml_section_is_short(const struct yml_section *s)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < s->n_rows; i++)
        n += s->rows[i].required;
    return n == 1 && s->rows[0].required && s->rows[0].type == YML_TYPE_TEXT;
}

static void duration_text(int64_t s, char *out, size_t size)
{
    const char *unit = "s";

    if (s != 0 && s % 86400 == 0) {
        s /= 86400;
        unit = "d";
    } else if (s != 0 && s % 3600 == 0) {
        s /= 3600;
        unit = "h";
    }
    (void)snprintf(out, size, "%lld%s", (long long)s, unit);
}

static void size_text(int64_t bytes, char *out, size_t size)
{
    static const char units[] = "bkmgt";
    unsigned u = 0;

    while (bytes != 0 && bytes % 1024 == 0 && u < 4) {
        bytes /= 1024;
        u++;
    }
    (void)snprintf(out, size, "%lld%c", (long long)bytes, units[u]);
}

const char *yml_row_takes(const struct yml_row *row, char *out, size_t size)
{
    char min[32];
    char max[32];
    char choices[128];
    size_t n = 0;

    switch (row->type) {
    case YML_TYPE_TEXT:
        (void)snprintf(out, size, "a text");
        break;
    case YML_TYPE_TEXTS:
        (void)snprintf(out, size, "a list of texts");
        break;
    case YML_TYPE_CHOICE:
        for (const char *c = row->choices; *c != '\0' && n + 4 < sizeof(choices); c++) {
            choices[n++] = *c == '|' ? ',' : *c;
            if (*c == '|')
                choices[n++] = ' ';
        }
        choices[n] = '\0';
        (void)snprintf(out, size, "one of %s", choices);
        break;
    case YML_TYPE_BOOL:
        (void)snprintf(out, size, "true or false");
        break;
    case YML_TYPE_NUMBER:
        (void)snprintf(out, size, "a number from %lld to %lld", (long long)row->min, (long long)row->max);
        break;
    case YML_TYPE_DURATION:
        duration_text(row->min, min, sizeof(min));
        duration_text(row->max, max, sizeof(max));
        (void)snprintf(out, size, "a duration like 90s, 15m or 2h, from %s to %s", min, max);
        break;
    case YML_TYPE_SIZE:
        size_text(row->min, min, sizeof(min));
        size_text(row->max, max, sizeof(max));
        (void)snprintf(out, size, "a size like 512m or 2g, from %s to %s", min, max);
        break;
    case YML_TYPE_ENV:
        (void)snprintf(out, size, "a mapping of names to texts");
        break;
    case YML_TYPE_LIST:
        (void)snprintf(out, size, "a list");
        break;
    case YML_TYPE_MAP:
        (void)snprintf(out, size, "a mapping");
        break;
    case YML_TYPE_REFUSED:
    default:
        (void)snprintf(out, size, "nothing");
        break;
    }
    return out;
}

bool yml_row_is_set(const struct yml_row *row, const void *s)
{
    const char *at = (const char *)s + row->offset;

    switch (row->type) {
    case YML_TYPE_TEXT:
        return (*(const char *const *)(const void *)at)[0] != '\0';
    case YML_TYPE_CHOICE:
    case YML_TYPE_BOOL:
        return *(const int *)(const void *)at >= 0;
    case YML_TYPE_NUMBER:
    case YML_TYPE_DURATION:
    case YML_TYPE_SIZE:
        return *(const int64_t *)(const void *)at >= 0;
    case YML_TYPE_TEXTS:
    case YML_TYPE_ENV:
    case YML_TYPE_LIST: /* as a list of texts: a pointer and a number */
        return ((const struct yml_texts *)(const void *)at)->n > 0;
    case YML_TYPE_MAP:
        return *(const int *)(const void *)at > 0;
    case YML_TYPE_REFUSED:
    default:
        return false;
    }
}

void yml_section_unset(const struct yml_section *s, void *out)
{
    memset(out, 0, s->size);
    for (uint32_t i = 0; i < s->n_rows; i++) {
        void *at = (char *)out + s->rows[i].offset;

        if (s->rows[i].type == YML_TYPE_TEXT)
            *(const char **)at = "";
        else if (s->rows[i].type == YML_TYPE_CHOICE || s->rows[i].type == YML_TYPE_BOOL)
            *(int *)at = -1;
        else if (s->rows[i].type == YML_TYPE_NUMBER || s->rows[i].type == YML_TYPE_DURATION ||
                 s->rows[i].type == YML_TYPE_SIZE)
            *(int64_t *)at = -1;
        else if (s->rows[i].type == YML_TYPE_MAP)
            yml_section_unset(s->rows[i].section, at);
    }
}

const char *yml_report_name(int report)
{
    static const char *const names[] = {"rspec", "junit", "tap", "pytest", "exit"};

    CHECK(report >= 0 && report < (int)ARRAY_LEN(names));
    return names[report];
}

const char *yml_pull_name(int pull)
{
    static const char *const names[] = {
        [YML_PULL_ALWAYS] = "always", [YML_PULL_MISSING] = "missing", [YML_PULL_NEVER] = "never"};

    CHECK(pull >= 0 && pull < (int)ARRAY_LEN(names));
    return names[pull];
}
