#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* clang-format off */
static const struct {
    const char *name;
    int http;
    int exit;
    const char *sentence;
} rows[] = {
    [ERR_OK] = {"OK", 200, 0, "no error"},
#define X(n, h, x, t) [ERR_##n] = {#n, h, x, t},
    ERR_MAP(X)
#undef X
};
/* clang-format on */
_Static_assert(ARRAY_LEN(rows) == ERR_COUNT, "a row for each error");

const char *err_name(enum err e)
{
    CHECK(e < ERR_COUNT);
    return rows[e].name;
}

int err_http(enum err e)
{
    CHECK(e < ERR_COUNT);
    return rows[e].http;
}

int err_exit(enum err e)
{
    CHECK(e < ERR_COUNT);
    return rows[e].exit;
}

const char *err_sentence(enum err e)
{
    CHECK(e < ERR_COUNT);
    return rows[e].sentence;
}

enum err why_set(struct why *reterr, enum err code, const char *field, const char *fmt, ...)
{
    va_list ap;

    if (reterr != NULL) {
        reterr->code = code;
        reterr->field = field;
        va_start(ap, fmt);
        (void)vsnprintf(reterr->text, sizeof(reterr->text), fmt, ap);
        va_end(ap);
    }
    return code;
}

enum err why_errno(struct why *reterr, enum err code, int errno_value, const char *fmt, ...)
{
    va_list ap;
    size_t len;

    if (reterr != NULL) {
        reterr->code = code;
        reterr->field = NULL;
        va_start(ap, fmt);
        (void)vsnprintf(reterr->text, sizeof(reterr->text), fmt, ap);
        va_end(ap);
        len = strlen(reterr->text);
        (void)snprintf(reterr->text + len, sizeof(reterr->text) - len, ": %s", strerror(errno_value));
    }
    return code;
}
