/* fuzz_form.c - bytes as a query or a URL-encoded form: what is refused is explained, what is accepted keeps to its row
 * and reads the same when it is written down again. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/field.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct form {
    int64_t number;
    bool yes;
    const char *name;
    const char *text;
    int word;
    uint32_t set;
    struct field_int_or_text either;
};

static const char *const words[] = {"red", "green", "blue", NULL};

static const struct field table[] = {
    {.name = "number", .type = FIELD_INT, .offset = offsetof(struct form, number), .min = -5, .max = 1000},
    {.name = "yes", .type = FIELD_BOOL, .offset = offsetof(struct form, yes)},
    {.name = "name", .type = FIELD_TEXT, .offset = offsetof(struct form, name), .min = 1, .max = 20},
    {.name = "text",
     .type = FIELD_TEXT,
     .offset = offsetof(struct form, text),
     .flags = FIELD_LINES,
     .max = 1000},
    {.name = "word", .type = FIELD_ENUM, .offset = offsetof(struct form, word), .names = words},
    {.name = "set", .type = FIELD_ENUM_SET, .offset = offsetof(struct form, set), .names = words},
    {.name = "either",
     .type = FIELD_INT_OR_TEXT,
     .offset = offsetof(struct form, either),
     .min = 1,
     .max = 30},
    {.type = FIELD_END},
};

/* As a browser does, and more: every byte that is not a letter or a digit. */
static void add(struct buf *b, const char *name, const char *value)
{
    buf_printf(b, "%s%s=", b->len > 0 ? "&" : "", name);
    for (; *value != '\0'; value++) {
        unsigned char c = (unsigned char)*value;

        if (c == ' ')
            buf_putc(b, '+');
        else if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
            buf_putc(b, (char)c);
        else
            buf_printf(b, "%%%02X", c);
    }
}

static void write_form(const struct form *f, struct buf *b)
{
    char text[100];
    size_t n = 0;

    (void)snprintf(text, sizeof(text), "%" PRId64, f->number);
    add(b, "number", text);
    add(b, "yes", f->yes ? "1" : "0");
    if (f->name != NULL)
        add(b, "name", f->name);
    if (f->text != NULL)
        add(b, "text", f->text);
    add(b, "word", words[f->word]);
    text[0] = '\0';
    for (int i = 0; i < 3; i++) {
        if ((f->set >> i) & 1)
            n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", n > 0 ? "," : "", words[i]);
    }
    if (f->set != 0)
        add(b, "set", text);
    (void)snprintf(text, sizeof(text), "%" PRId64, f->either.number);
    add(b, "either", f->either.text != NULL ? f->either.text : text);
}

static bool is_same(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static void check_form(const struct form *f, struct arena *arena)
{
    struct form again = {0};
    struct buf b;
    struct why why = {0};

    CHECK(f->number >= -5 && f->number <= 1000);
    CHECK(f->word >= 0 && f->word < 3);
    CHECK(f->set < 8);
    CHECK(f->name == NULL || (strlen(f->name) >= 1 && strlen(f->name) <= 20));
    CHECK(f->name == NULL || field_text_is_clean(f->name, strlen(f->name), false));
    CHECK(f->text == NULL || strlen(f->text) <= 1000);
    CHECK(f->text == NULL || field_text_is_clean(f->text, strlen(f->text), true));
    buf_init(&b, KIB(16));
    write_form(f, &b);
    CHECK(field_read_query(table, buf_str(&b), arena, &again, &why) == ERR_OK);
    CHECK(f->number == again.number && f->yes == again.yes && f->word == again.word && f->set == again.set);
    CHECK(is_same(f->name, again.name) && is_same(f->text, again.text));
    CHECK(f->either.number == again.either.number && is_same(f->either.text, again.either.text));
    buf_done(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct form form = {0};
    struct arena arena;
    struct why why = {0};
    const char *query;
    const char *plain;

    if (size > 16384)
        return 0;
    arena_init(&arena);
    query = arena_strndup(&arena, (const char *)data, size);
    if (field_read_query(table, query, &arena, &form, &why) == ERR_OK) {
        check_form(&form, &arena);
    } else {
        CHECK(strlen(why.text) > 0);
        CHECK(field_text_is_clean(why.text, utf8_whole(why.text, strlen(why.text)), true));
    }
    plain = field_unescape(query, strlen(query), false, &arena);
    CHECK(plain == NULL || strlen(plain) <= strlen(query));
    arena_done(&arena);
    return 0;
}
