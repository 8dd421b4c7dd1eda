/* search.c - which paths somebody looks for: words that may stand anywhere in it, and a glob. Pure. */
#include <string.h>

#include "project/project_private.h"

#define WORDS_MAX 16u

struct file_filter {
    const char *words[WORDS_MAX]; /* folded */
    uint32_t n_words;
    const char *glob; /* "" none */
};

/* Small letters for large ones, of the alphabets whose two have the same number of bytes: Latin, Greek, Cyrillic. Folds
 * n bytes in place. */
static void fold(char *p, size_t n)
{
    for (size_t i = 0; i < n;) {
        unsigned char c = (unsigned char)p[i];
        size_t len;
        uint32_t rune;

        if (c < 0x80) {
            if (c >= 'A' && c <= 'Z')
                p[i] = (char)(c + ('a' - 'A'));
            i++;
            continue;
        }
        rune = text_rune(p + i, n - i, &len);
        if ((rune >= 0xc0 && rune <= 0xde && rune != 0xd7) || (rune >= 0x391 && rune <= 0x3a9) ||
            (rune >= 0x410 && rune <= 0x42f))
            rune += 0x20;
        else if (rune >= 0x400 && rune <= 0x40f)
            rune += 0x50;
        if (len == 2) {
            p[i] = (char)(0xc0 | rune >> 6);
            p[i + 1] = (char)(0x80 | (rune & 0x3f));
        }
        i += len > 0 ? len : 1;
    }
}

enum err file_filter_new(struct arena *arena, const char *words, const char *glob, struct file_filter **ret,
                         struct why *reterr)
{
    struct file_filter *f = arena_alloc(arena, sizeof(*f));

    *f = (struct file_filter){.glob = arena_strdup(arena, glob)};
    while (*(words += strspn(words, " \t")) != '\0') {
        size_t n = strcspn(words, " \t");
        char *word;

        if (f->n_words == WORDS_MAX)
            return why_set(reterr, ERR_INVALID, "q", "q: it has more than %u words", WORDS_MAX);
        word = arena_strndup(arena, words, n);
        fold(word, n);
        f->words[f->n_words++] = word;
        words += n;
    }
    *ret = f;
    return ERR_OK;
}

bool file_filter_match(const struct file_filter *f, const char *path)
{
    char folded[PATH_BYTES_MAX];
    size_t n;

    if (f->n_words > 0) {
        n = strlen(path);
        if (n >= sizeof(folded))
            return false;
        memcpy(folded, path, n + 1);
        fold(folded, n);
        for (uint32_t i = 0; i < f->n_words; i++) {
            if (strstr(folded, f->words[i]) == NULL)
                return false;
        }
    }
    return f->glob[0] == '\0' || glob_match(f->glob, path);
}
