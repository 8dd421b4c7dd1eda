/* fuzz_credentials.c - the first byte chooses: a sealed file as it is, a plain text, or a plain text in which a key
 * is set. Nothing that was not sealed opens, and what was set is what is read. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/credentials.h"
#include "config/vault.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_sealed(const struct secret *key, struct slice bytes)
{
    struct secret *text = NULL;

    CHECK(vault_unseal(key, bytes, &text, NULL) != ERR_OK);
    CHECK(text == NULL);
}

static void try_parse(struct slice bytes)
{
    struct credentials c;
    struct buf problems;
    struct buf warnings;
    enum err err;

    buf_init(&problems, CREDENTIALS_PROBLEMS_BYTES);
    buf_init(&warnings, CREDENTIALS_PROBLEMS_BYTES);
    err = credentials_parse("f", bytes, &c, &problems, &warnings);
    CHECK((err == ERR_OK) == (problems.len == 0));
    credentials_done(&c);
    buf_done(&problems);
    buf_done(&warnings);
}

/* VALUE NUL TEXT */
static void try_set(struct slice bytes)
{
    char *value = xstrndup(bytes.ptr, bytes.len);
    const char *const values[] = {value};
    size_t n = strlen(value) + 1;
    struct slice text = {bytes.ptr + (n < bytes.len ? n : bytes.len), n < bytes.len ? bytes.len - n : 0};
    struct buf out;
    struct buf problems;
    struct arena arena;
    struct flat flat;

    arena_init(&arena);
    buf_init(&out, MIB(4));
    buf_init(&problems, CREDENTIALS_PROBLEMS_BYTES);
    if (flat_set("f", text, "git_token", values, 1, false, &out, &problems) == ERR_OK) {
        CHECK(flat_read("f", buf_slice(&out), &arena, &flat, &problems) == ERR_OK);
        CHECK(strcmp(flat_find(&flat, "git_token")->values[0], value) == 0);
    }
    arena_done(&arena);
    buf_done(&out);
    buf_done(&problems);
    free(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct secret *key;
    struct slice rest = {0};

    if (key == NULL)
        key = secret_new(NULL, VAULT_KEY_BYTES);
    if (size < 1)
        return 0;
    rest = (struct slice){(const char *)data + 1, size - 1};
    if (data[0] == 's')
        try_sealed(key, rest);
    else if (data[0] == 'p')
        try_parse(rest);
    else
        try_set(rest);
    return 0;
}
