/* texts.c - copies of texts that the accounts keep. */
#include "accounts/accounts_private.h"
#include "model/rules.h"

const char *text_copy(const char *s)
{
    return xstrdup(s == NULL ? "" : s);
}

void text_free(const char *s)
{
    free((void *)(uintptr_t)s);
}

const char *text_lower(const char *s)
{
    char *copy = xstrdup(s);
    char *p;

    for (p = copy; *p != '\0'; p++) {
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p - 'A' + 'a');
    }
    return copy;
}

const char *text_clean(const char *s, uint32_t max)
{
    char *copy = xstrndup(s == NULL ? "" : s, strnlen(s == NULL ? "" : s, max));
    char *p;

    /* A client says what it wants here: one byte that is not clean, or one cut in two, makes all of it ASCII. */
    if (text_check("text", copy, max, NULL) == ERR_OK)
        return copy;
    for (p = copy; *p != '\0'; p++) {
        if (*p < 0x20 || *p > 0x7e)
            *p = '?';
    }
    return copy;
}
