#include "notify/template.h"

#include <stdbool.h>
#include <string.h>

static const char subject_mark[] = "Subject: ";

/* ---- replacing ---- */

static const struct template_value *value_of(const struct template_value *values, size_t n, struct slice name)
{
    for (size_t i = 0; i < n; i++) {
        if (slice_eq(slice_of(values[i].name), name))
            return &values[i];
    }
    return NULL;
}

static enum err add_escaped(struct buf *out, const char *s)
{
    static const struct {
        char c;
        const char *as;
    } escapes[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&#39;"}};
    enum err err = ERR_OK;

    for (; *s != '\0' && err == ERR_OK; s++) {
        const char *as = NULL;

        for (size_t i = 0; i < ARRAY_LEN(escapes); i++) {
            if (escapes[i].c == *s)
                as = escapes[i].as;
        }
        err = as != NULL ? buf_add(out, as, strlen(as)) : buf_add(out, s, 1);
    }
    return err;
}

struct source {
    const char *kind;
    const struct template_value *values;
    size_t n;
};

static enum err replace(const struct source *src, struct slice in, bool is_html, struct buf *out,
                        struct why *reterr)
{
    const char *p = in.ptr;
    const char *end = in.ptr + in.len;
    enum err err = ERR_OK;

    while (p < end && err == ERR_OK) {
        const char *open = memmem(p, (size_t)(end - p), "{{", 2);
        const char *close = open != NULL ? memmem(open, (size_t)(end - open), "}}", 2) : NULL;
        const struct template_value *v;

        if (open == NULL) {
            err = buf_add(out, p, (size_t)(end - p));
            break;
        }
        if (close == NULL)
            return why_set(reterr, ERR_INVALID, "template", "template %s: a {{ without its }}", src->kind);
        v = value_of(src->values, src->n, (struct slice){open + 2, (size_t)(close - open - 2)});
        if (v == NULL)
            return why_set(reterr, ERR_INVALID, "template", "template %s: {{%.*s}} has no value", src->kind,
                           (int)(close - open - 2), open + 2);
        err = buf_add(out, p, (size_t)(open - p));
        if (err == ERR_OK)
            err = is_html ? add_escaped(out, v->value) : buf_add(out, v->value, strlen(v->value));
        p = close + 2;
    }
    if (err != ERR_OK)
        return why_set(reterr, err, "template", "template %s: with these values it is too long", src->kind);
    return ERR_OK;
}

/* ---- a mail ---- */

enum err template_render(const char *kind, const struct template_value *values, size_t n, struct buf *subject,
                         struct buf *text, struct buf *html, struct why *reterr)
{
    const struct source src = {.kind = kind, .values = values, .n = n};
    const struct mail_template *t = mail_templates;
    const char *end;
    const char *line;
    enum err err;

    while (t->kind != NULL && strcmp(t->kind, kind) != 0)
        t++;
    if (t->kind == NULL)
        return why_set(reterr, ERR_NOTFOUND, "kind", "there is no mail template '%.60s'", kind);
    end = strchr(t->text, '\n');
    if (strncmp(t->text, subject_mark, sizeof(subject_mark) - 1) != 0 || end == NULL || end[1] != '\n')
        return why_set(reterr, ERR_INVALID, "template",
                       "template %s: begins with \"Subject: ...\" and an empty line", kind);
    line = t->text + sizeof(subject_mark) - 1;
    err = replace(&src, (struct slice){line, (size_t)(end - line)}, false, subject, reterr);
    if (err == ERR_OK && strpbrk(buf_str(subject), "\r\n") != NULL)
        err = why_set(reterr, ERR_INVALID, "subject", "template %s: a value in its subject has a line end",
                      kind);
    if (err == ERR_OK)
        err = replace(&src, slice_of(end + 2), false, text, reterr);
    if (err == ERR_OK)
        err = replace(&src, slice_of(t->html), true, html, reterr);
    return err;
}
