/* yml_words.c - the placeholders in the words of a command: are they fine, and what becomes of them for a file. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "project/wrata_yml.h"

static const char *const placeholders[] = {"{file}", "{line}", "{id}"};

/* "{word}" of lower-case letters at p: its length, with *ret the place in the table, -1: an unknown one. 0: none. */
static size_t placeholder_at(const char *p, int *ret)
{
    size_t n;

    if (*p != '{')
        return 0;
    n = strspn(p + 1, "abcdefghijklmnopqrstuvwxyz") + 2;
    if (n == 2 || p[n - 1] != '}')
        return 0;
    *ret = -1;
    for (int i = 0; i < (int)ARRAY_LEN(placeholders); i++) {
        if (strlen(placeholders[i]) == n && memcmp(placeholders[i], p, n) == 0)
            *ret = i;
    }
    return n;
}

static bool fault(char *out, size_t size, const char *fmt, ...) PRINTF_LIKE(3, 4);

static bool fault(char *out, size_t size, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(out, size, fmt, ap);
    va_end(ap);
    return true;
}

bool yml_word_fault(const char *word, bool is_program, char *out, size_t size)
{
    bool has_file = false;
    bool has_part = false;
    int which = 0;

    for (const char *p = word; *p != '\0'; p++) {
        size_t n = placeholder_at(p, &which);

        if (p[0] == '{' && p[1] == '{') {
            p++;
            continue;
        }
        if (n == 0)
            continue;
        if (which < 0)
            return fault(out, size, "'%.*s' is none of {file}, {line} and {id}; {{ is a plain brace",
                         n > 40 ? 40 : (int)n, p);
        has_file |= which == 0;
        has_part |= which > 0;
        p += n - 1;
    }
    if (has_part && has_file)
        return fault(
            out, size,
            "a word with {line} or {id} is left out where none was asked for, so {file} may not stand"
            " in it");
    if (has_part && is_program)
        return fault(out, size, "the program's name may not depend on {line} or {id}");
    return false;
}

static bool command_takes_parts(const struct yml_command *c)
{
    for (uint32_t i = 0; i < c->run.n; i++) {
        for (const char *p = c->run.at[i]; *p != '\0'; p++) {
            int which = 0;
            size_t n = placeholder_at(p, &which);

            if (p[0] == '{' && p[1] == '{')
                p++;
            else if (n > 0 && which > 0)
                return true;
        }
    }
    return false;
}

/* The word with its values; NULL: it asks for one that is not there. */
static const char *word_with(const char *word, const char *const values[3], struct arena *arena)
{
    const char *s;
    struct buf out;
    int which = 0;

    buf_init(&out, MIB(64));
    for (const char *p = word; *p != '\0'; p++) {
        size_t n = placeholder_at(p, &which);

        if (p[0] == '{' && p[1] == '{') {
            buf_putc(&out, '{');
            p++;
        } else if (n > 0 && values[which][0] == '\0') {
            buf_done(&out);
            return NULL;
        } else if (n > 0) {
            buf_puts(&out, values[which]);
            p += n - 1;
        } else {
            buf_putc(&out, *p);
        }
    }
    s = arena_strdup(arena, buf_str(&out));
    buf_done(&out);
    return s;
}

const char *const *yml_command_words(const struct yml_command *c, const struct yml_target *t,
                                     struct arena *arena, uint32_t *retn)
{
    const char *file = command_takes_parts(c) ? t->file : t->chosen;
    const char **words = arena_alloc(arena, (c->run.n + 1) * sizeof(*words));
    uint32_t n = 0;

    for (uint32_t i = 0; i < c->run.n; i++) {
        const char *word = c->run.at[i];
        /* A file of the tree is never an option, and never a program of the PATH. */
        bool begins = strncmp(word, "{file}", 6) == 0 && (file[0] == '-' || i == 0);
        const char *const values[3] = {begins ? arena_printf(arena, "./%s", file) : file, t->line, t->id};
        const char *with = word_with(word, values, arena);

        if (with != NULL)
            words[n++] = with;
    }
    *retn = n;
    return words;
}
