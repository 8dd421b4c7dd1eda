#include "project/askpass.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define QUESTION_BYTES 1024

/* As a git of 2.48 or later shows a name. */
static void percent(const char *s, char *out, size_t size)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
    size_t at = 0;

    for (; *s != '\0' && at + 4 <= size; s++)
        if (strchr(plain, *s) != NULL)
            out[at++] = *s;
        else
            at += (size_t)snprintf(out + at, size - at, "%%%02x", (unsigned)(unsigned char)*s);
    out[at] = '\0';
}

/* How git asks, and git-lfs; of a name some show what is not a letter as %XX. */
static const struct {
    bool is_git;
    bool is_shown;
} forms[] = {{true, false}, {true, true}, {false, false}, {false, true}};

const char *askpass_answer(const char *question, const char *host, const char *user, const char *token)
{
    char expect[QUESTION_BYTES];
    char shown[QUESTION_BYTES];
    int n;

    percent(user, shown, sizeof(shown));
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        const char *name = forms[i].is_shown ? shown : user;

        n = snprintf(expect, sizeof(expect),
                     forms[i].is_git ? "Password for 'https://%s@%s': " : "Password for \"https://%s@%s\"",
                     name, host);
        if (n < (int)sizeof(expect) && strcmp(question, expect) == 0)
            return token;
        n = snprintf(expect, sizeof(expect),
                     forms[i].is_git ? "Username for 'https://%s': " : "Username for \"https://%s\"", host);
        if (n < (int)sizeof(expect) && strcmp(question, expect) == 0)
            return user;
    }
    return NULL;
}

bool askpass_is_wanted(void)
{
    return getenv(ASKPASS_HOST) != NULL && getenv(ASKPASS_USER) != NULL && getenv(ASKPASS_TOKEN) != NULL;
}

int askpass_main(int argc, char **argv)
{
    const char *answer = NULL;

    if (argc == 2)
        answer = askpass_answer(argv[1], getenv(ASKPASS_HOST), getenv(ASKPASS_USER), getenv(ASKPASS_TOKEN));
    if (answer == NULL)
        return 1;
    return printf("%s\n", answer) > 0 && fflush(stdout) == 0 ? 0 : 1;
}
