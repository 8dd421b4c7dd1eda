#include "config/vault.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "config/whole_file.h"

#define MAGIC "wrata-credentials "
#define VERSION 1
#define NONCE_BYTES crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG_BYTES crypto_aead_xchacha20poly1305_ietf_ABYTES
#define SEALED_BYTES_MAX KIB(128)
#define LOCK_FILE "credentials.lock"

/* ---- keys ---- */

static struct secret *key_decode(const char *text, size_t n)
{
    struct secret *key = secret_new(NULL, VAULT_KEY_BYTES);
    size_t got = 0;
    bool ok;

    if (n == (size_t)VAULT_KEY_BYTES * 2)
        ok = sodium_hex2bin(secret_bytes(key), VAULT_KEY_BYTES, text, n, NULL, &got, NULL) == 0;
    else
        ok = sodium_base642bin(secret_bytes(key), VAULT_KEY_BYTES, text, n, NULL, &got, NULL,
                               sodium_base64_VARIANT_ORIGINAL) == 0;
    if (ok && got == VAULT_KEY_BYTES)
        return key;
    secret_free(key);
    return NULL;
}

enum err vault_key_parse(const char *what, const char *text, struct secret **ret, struct why *reterr)
{
    struct secret *key;
    size_t n;

    while (isspace((unsigned char)*text))
        text++;
    n = strlen(text);
    while (n > 0 && isspace((unsigned char)text[n - 1]))
        n--;
    key = key_decode(text, n);
    if (key == NULL)
        return why_set(
            reterr, ERR_INVALID, NULL,
            "%s does not hold a key: %u bytes as 64 hex digits or as base64 are expected, and it has %zu "
            "characters",
            what, VAULT_KEY_BYTES, n);
    *ret = key;
    return ERR_OK;
}

void vault_key_id(const struct secret *key, char out[VAULT_ID_CHARS + 1])
{
    static const unsigned char label[] = "wrata key id";
    unsigned char hash[crypto_generichash_BYTES_MIN];

    CHECK(secret_len(key) == VAULT_KEY_BYTES);
    CHECK(crypto_generichash(hash, sizeof(hash), label, sizeof(label) - 1,
                             (const unsigned char *)secret_reveal(key), VAULT_KEY_BYTES) == 0);
    (void)sodium_bin2hex(out, VAULT_ID_CHARS + 1, hash, VAULT_ID_CHARS / 2);
}

/* ---- the sealed text ---- */

void vault_seal(const struct secret *key, const char *text, size_t n, struct buf *out)
{
    char id[VAULT_ID_CHARS + 1];
    char header[64];
    size_t bytes = NONCE_BYTES + n + TAG_BYTES;
    unsigned char *box = xmalloc(bytes);
    size_t chars = sodium_base64_encoded_len(bytes, sodium_base64_VARIANT_ORIGINAL);
    char *base64 = xmalloc(chars);

    vault_key_id(key, id);
    (void)snprintf(header, sizeof(header), MAGIC "%d %s\n", VERSION, id);
    randombytes_buf(box, NONCE_BYTES);
    CHECK(crypto_aead_xchacha20poly1305_ietf_encrypt(box + NONCE_BYTES, NULL, (const unsigned char *)text, n,
                                                     (const unsigned char *)header, strlen(header), NULL, box,
                                                     (const unsigned char *)secret_reveal(key)) == 0);
    (void)sodium_bin2base64(base64, chars, box, bytes, sodium_base64_VARIANT_ORIGINAL);
    buf_puts(out, header);
    buf_puts(out, base64);
    buf_putc(out, '\n');
    free(base64);
    free(box);
}

/* The id in the header, and where the header ends; -1 when it is none. */
static enum err read_header(struct slice sealed, char id[VAULT_ID_CHARS + 1], size_t *ret_len,
                            struct why *reterr)
{
    const char *end = sealed.len > 0 ? memchr(sealed.ptr, '\n', sealed.len) : NULL;
    char line[64];
    char *after;
    long version;

    if (end == NULL || end - sealed.ptr >= (ptrdiff_t)sizeof(line) ||
        strncmp(sealed.ptr, MAGIC, sizeof(MAGIC) - 1) != 0)
        return why_set(reterr, ERR_INVALID, NULL,
                       "it does not begin as a credentials file does: \"" MAGIC "1 …\"");
    (void)snprintf(line, sizeof(line), "%.*s", (int)(end - sealed.ptr), sealed.ptr);
    version = strtol(line + sizeof(MAGIC) - 1, &after, 10);
    if (version != VERSION)
        return why_set(reterr, ERR_INVALID, NULL, "it is of version %ld, and this wrata knows version %d",
                       version, VERSION);
    if (*after != ' ' || strlen(after + 1) != VAULT_ID_CHARS)
        return why_set(reterr, ERR_INVALID, NULL, "its first line is damaged");
    memcpy(id, after + 1, VAULT_ID_CHARS + 1);
    *ret_len = (size_t)(end - sealed.ptr) + 1;
    return ERR_OK;
}

static enum err decrypt(const struct secret *key, struct slice sealed, size_t header, struct secret **ret,
                        struct why *reterr)
{
    size_t max = sealed.len; /* base64 only gets shorter */
    unsigned char *box = xmalloc(max);
    size_t n = 0;
    struct secret *text = NULL;
    bool ok = sodium_base642bin(box, max, sealed.ptr + header, sealed.len - header, "\r\n ", &n, NULL,
                                sodium_base64_VARIANT_ORIGINAL) == 0;

    ok = ok && n >= NONCE_BYTES + TAG_BYTES;
    if (ok) {
        text = secret_new(NULL, n - NONCE_BYTES - TAG_BYTES);
        ok = crypto_aead_xchacha20poly1305_ietf_decrypt(secret_bytes(text), NULL, NULL, box + NONCE_BYTES,
                                                        n - NONCE_BYTES, (const unsigned char *)sealed.ptr,
                                                        header, box,
                                                        (const unsigned char *)secret_reveal(key)) == 0;
    }
    free(box);
    if (!ok) {
        secret_free(text);
        return why_set(reterr, ERR_INVALID, NULL,
                       "it was changed or is damaged: it does not open with the key it was sealed with");
    }
    *ret = text;
    return ERR_OK;
}

enum err vault_unseal(const struct secret *key, struct slice sealed, struct secret **ret, struct why *reterr)
{
    char theirs[VAULT_ID_CHARS + 1];
    char ours[VAULT_ID_CHARS + 1];
    size_t header = 0;
    enum err err = read_header(sealed, theirs, &header, reterr);

    if (err != ERR_OK)
        return err;
    vault_key_id(key, ours);
    if (strcmp(ours, theirs) != 0)
        return why_set(reterr, ERR_DENIED, NULL, "it was sealed with another key (%s, and this one is %s)",
                       theirs, ours);
    return decrypt(key, sealed, header, ret, reterr);
}

/* ---- the data folder ---- */

static void path_in(const struct vault *v, const char *name, char out[PATH_MAX])
{
    (void)snprintf(out, PATH_MAX, "%s/%s", v->data, name);
}

/* ERR_NOTFOUND: there is no such file. */
static enum err key_from_file(const char *path, struct secret **ret, struct why *reterr)
{
    struct buf text;
    struct stat st;
    enum err err;

    buf_init(&text, 4096);
    err = whole_file_read(path, &text, &st, reterr);
    if (err == ERR_OK && (st.st_mode & 077) != 0)
        err = why_set(reterr, ERR_INVALID, NULL, "%s can be read by others (mode %04o); run: chmod 600 %s",
                      path, (unsigned)st.st_mode & 07777, path);
    if (err == ERR_OK)
        err = vault_key_parse(path, buf_str(&text), ret, reterr);
    buf_wipe(&text);
    return err;
}

static enum err key_to_file(const char *path, const struct secret *key, struct why *reterr)
{
    char hex[VAULT_KEY_BYTES * 2 + 2];
    enum err err;

    (void)sodium_bin2hex(hex, sizeof(hex), (const unsigned char *)secret_reveal(key), VAULT_KEY_BYTES);
    hex[sizeof(hex) - 2] = '\n';
    err = whole_file_write(path, hex, sizeof(hex) - 1, reterr);
    sodium_memzero(hex, sizeof(hex));
    return err;
}

static struct secret *key_make(void)
{
    struct secret *key = secret_new(NULL, VAULT_KEY_BYTES);

    randombytes_buf(secret_bytes(key), VAULT_KEY_BYTES);
    return key;
}

/* ---- the two sealed files ---- */

enum sealed_file { CREDENTIALS, DATA_KEY, SEALED_FILES };
static const char *const sealed_names[SEALED_FILES] = {VAULT_FILE, VAULT_DATA_KEY_FILE};

static enum err read_sealed(const struct vault *v, enum sealed_file which, struct buf *out,
                            struct why *reterr)
{
    char path[PATH_MAX];

    path_in(v, sealed_names[which], path);
    return whole_file_read(path, out, NULL, reterr);
}

static enum err write_sealed(const struct vault *v, enum sealed_file which, const struct secret *key,
                             const char *text, size_t n, struct why *reterr)
{
    char path[PATH_MAX];
    struct buf sealed;
    enum err err;

    path_in(v, sealed_names[which], path);
    buf_init(&sealed, SEALED_BYTES_MAX);
    vault_seal(key, text, n, &sealed);
    err = whole_file_write(path, sealed.data, sealed.len, reterr);
    buf_done(&sealed);
    return err;
}

/* Is it there, and sealed with this key? */
static bool is_sealed_with(const struct vault *v, enum sealed_file which, const struct secret *key)
{
    char theirs[VAULT_ID_CHARS + 1];
    char id[VAULT_ID_CHARS + 1];
    struct buf sealed;
    size_t header;
    bool is;

    buf_init(&sealed, SEALED_BYTES_MAX);
    vault_key_id(key, id);
    is = read_sealed(v, which, &sealed, NULL) == ERR_OK &&
         read_header(buf_slice(&sealed), theirs, &header, NULL) == ERR_OK && strcmp(id, theirs) == 0;
    buf_done(&sealed);
    return is;
}

static bool is_there(const struct vault *v, enum sealed_file which)
{
    return which == CREDENTIALS ? v->has_file : v->has_data_key;
}

static enum err open_sealed(const struct vault *v, enum sealed_file which, struct secret **ret,
                            struct why *reterr)
{
    struct buf sealed;
    struct why why = {0};
    enum err err;

    if (v->key == NULL)
        return why_set(reterr, ERR_NOTFOUND, NULL,
                       "%s/%s is there, but not its key: put it into " VAULT_KEY_FILE
                       " beside it (chmod 600), or into " VAULT_KEY_ENV,
                       v->data, sealed_names[which]);
    buf_init(&sealed, SEALED_BYTES_MAX);
    err = read_sealed(v, which, &sealed, &why);
    if (err == ERR_OK)
        err = vault_unseal(v->key, buf_slice(&sealed), ret, &why);
    if (err == ERR_DENIED && v->next != NULL &&
        vault_unseal(v->next, buf_slice(&sealed), ret, NULL) == ERR_OK)
        err = ERR_OK;
    buf_done(&sealed);
    if (err != ERR_OK)
        return why_set(reterr, err, NULL, "%s/%s cannot be opened: %s", v->data, sealed_names[which],
                       why.text);
    return ERR_OK;
}

/* ---- the keys of a folder ---- */

/* With the key in the environment the next one is there too, while a rotation goes on. */
static enum err find_env_keys(struct vault *v, const char *env, struct why *reterr)
{
    const char *next = getenv(VAULT_KEY_NEXT_ENV);
    enum err err = vault_key_parse(VAULT_KEY_ENV, env, &v->key, reterr);

    v->key_is_env = true;
    if (err == ERR_OK && next != NULL && next[0] != '\0')
        err = vault_key_parse(VAULT_KEY_NEXT_ENV, next, &v->next, reterr);
    return err;
}

static enum err find_key(struct vault *v, struct why *reterr)
{
    const char *env = getenv(VAULT_KEY_ENV);
    char path[PATH_MAX];
    enum err err;

    if (env != NULL && env[0] != '\0')
        return find_env_keys(v, env, reterr);
    path_in(v, VAULT_KEY_FILE, path);
    err = key_from_file(path, &v->key, reterr);
    if (err != ERR_OK && err != ERR_NOTFOUND)
        return err;
    path_in(v, VAULT_KEY_NEXT, path);
    if (key_from_file(path, &v->next, NULL) != ERR_OK)
        v->next = NULL; /* none, or one that was not written whole: nothing is sealed with it */
    return ERR_OK;
}

/* Seal with the next key what is not yet. The files that are there stay whole at every moment (whole_file_write), and
 * until all are done both keys are. */
static enum err reseal(const struct vault *v, struct why *reterr)
{
    enum err err = ERR_OK;

    for (enum sealed_file f = 0; f < SEALED_FILES && err == ERR_OK; f++) {
        struct secret *text = NULL;

        if (!is_there(v, f) || is_sealed_with(v, f, v->next))
            continue;
        err = open_sealed(v, f, &text, reterr);
        if (err == ERR_OK)
            err = write_sealed(v, f, v->next, secret_reveal(text), secret_len(text), reterr);
        secret_free(text);
    }
    return err;
}

/* The next key gets the name of the present one, and is it from here on. */
static enum err adopt_next(struct vault *v, struct why *reterr)
{
    char next_path[PATH_MAX];
    char path[PATH_MAX];

    path_in(v, VAULT_KEY_NEXT, next_path);
    path_in(v, VAULT_KEY_FILE, path);
    if (rename(next_path, path) != 0)
        return why_errno(reterr, ERR_IO, errno, "%s cannot be written", path);
    secret_free(v->key);
    v->key = v->next;
    v->next = NULL;
    return folder_sync(path, reterr);
}

/* A rotation writes the next key, then the files sealed with it, then gives the key its name. Cut short when none of the
 * files was reached, it is as if it had never begun; later, it is brought to its end. */
static enum err finish_rotation(struct vault *v, bool may_write, struct why *reterr)
{
    bool is_begun = false;
    enum err err;

    for (enum sealed_file f = 0; f < SEALED_FILES && v->next != NULL; f++)
        is_begun = is_begun || is_sealed_with(v, f, v->next);
    if (v->key_is_env)
        return ERR_OK; /* both keys are somebody else's: `rotate` goes on when it is asked again */
    if (!is_begun) {
        secret_free(v->next); /* the next rotation writes over it */
        v->next = NULL;
        return ERR_OK;
    }
    if (v->key == NULL) { /* somebody took the old one away; the files may need none but the next */
        v->key = v->next;
        v->next = NULL;
        return ERR_OK;
    }
    if (!may_write)
        return ERR_OK;
    err = reseal(v, reterr);
    return err == ERR_OK ? adopt_next(v, reterr) : err;
}

static enum err take_lock(struct vault *v, struct why *reterr)
{
    char path[PATH_MAX];

    path_in(v, LOCK_FILE, path);
    v->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (v->lock_fd < 0)
        return why_errno(reterr, ERR_IO, errno, "%s cannot be opened", path);
    if (flock(v->lock_fd, LOCK_EX | LOCK_NB) != 0)
        return why_set(reterr, ERR_CONFLICT, NULL, "somebody else is changing the credentials in %s just now",
                       v->data);
    return ERR_OK;
}

enum err vault_open(struct vault *v, const char *data, bool may_write, struct why *reterr)
{
    struct buf sealed;
    enum err err = ERR_OK;

    CHECK(sodium_init() >= 0);
    *v = (struct vault){.data = data, .lock_fd = -1};
    if (strlen(data) + 64 > PATH_MAX)
        return why_set(reterr, ERR_INVALID, NULL, "the path of the data folder is too long");
    if (may_write)
        err = take_lock(v, reterr);
    if (err == ERR_OK)
        err = find_key(v, reterr);
    if (err != ERR_OK)
        return err;
    for (enum sealed_file f = 0; f < SEALED_FILES && err == ERR_OK; f++) {
        buf_init(&sealed, SEALED_BYTES_MAX);
        err = read_sealed(v, f, &sealed, reterr);
        if (f == CREDENTIALS)
            v->has_file = err == ERR_OK;
        else
            v->has_data_key = err == ERR_OK;
        err = err == ERR_NOTFOUND ? ERR_OK : err;
        buf_done(&sealed);
    }
    return err == ERR_OK ? finish_rotation(v, may_write, reterr) : err;
}

void vault_close(struct vault *v)
{
    secret_free(v->key);
    secret_free(v->next);
    v->key = v->next = NULL;
    if (v->lock_fd >= 0)
        (void)close(v->lock_fd);
    v->lock_fd = -1;
}

enum err vault_read(const struct vault *v, struct secret **ret, struct why *reterr)
{
    if (!v->has_file) {
        *ret = secret_new("", 0);
        return ERR_OK;
    }
    return open_sealed(v, CREDENTIALS, ret, reterr);
}

/* A master key, when there is none and nothing is sealed with one. */
static enum err need_key(struct vault *v, struct why *reterr)
{
    struct secret *key;
    char path[PATH_MAX];
    enum err err;

    CHECK(v->lock_fd >= 0);
    if (v->key != NULL)
        return ERR_OK;
    if (v->has_file || v->has_data_key)
        return why_set(reterr, ERR_NOTFOUND, NULL, "the key of %s/%s is not there", v->data,
                       sealed_names[v->has_file ? CREDENTIALS : DATA_KEY]);
    key = key_make();
    path_in(v, VAULT_KEY_FILE, path);
    err = key_to_file(path, key, reterr);
    if (err == ERR_OK)
        v->key = key;
    else
        secret_free(key);
    return err;
}

enum err vault_write(struct vault *v, const char *text, size_t n, struct why *reterr)
{
    enum err err;

    if (n > FLAT_BYTES_MAX)
        return why_set(reterr, ERR_LIMIT, NULL, "the credentials have more than %zu bytes", FLAT_BYTES_MAX);
    err = need_key(v, reterr);
    if (err == ERR_OK)
        err = write_sealed(v, CREDENTIALS, v->key, text, n, reterr);
    v->has_file = v->has_file || err == ERR_OK;
    return err;
}

/* ---- the data key: 64 hex digits, sealed ---- */

enum err vault_read_data_key(const struct vault *v, struct secret **ret, struct why *reterr)
{
    struct secret *text = NULL;
    enum err err;

    if (!v->has_data_key)
        return why_set(reterr, ERR_NOTFOUND, NULL, "there is no %s/" VAULT_DATA_KEY_FILE, v->data);
    err = open_sealed(v, DATA_KEY, &text, reterr);
    if (err == ERR_OK)
        err = vault_key_parse(VAULT_DATA_KEY_FILE, secret_reveal(text), ret, reterr);
    secret_free(text);
    return err;
}

enum err vault_make_data_key(struct vault *v, struct secret **ret, struct why *reterr)
{
    struct secret *key;
    struct secret *hex;
    enum err err;

    if (v->has_data_key)
        return vault_read_data_key(v, ret, reterr);
    err = need_key(v, reterr);
    if (err != ERR_OK)
        return err;
    key = key_make();
    hex = secret_new(NULL, VAULT_KEY_BYTES * 2); /* its own NUL makes room for sodium's */
    (void)sodium_bin2hex((char *)secret_bytes(hex), VAULT_KEY_BYTES * 2 + 1,
                         (const unsigned char *)secret_reveal(key), VAULT_KEY_BYTES);
    err = write_sealed(v, DATA_KEY, v->key, secret_reveal(hex), secret_len(hex), reterr);
    secret_free(hex);
    if (err != ERR_OK) {
        secret_free(key);
        return err;
    }
    v->has_data_key = true;
    *ret = key;
    return ERR_OK;
}

/* ---- rotation ---- */

static enum err rotate_env(struct vault *v, struct why *reterr)
{
    if (v->next == NULL)
        return why_set(reterr, ERR_INVALID, NULL,
                       "the key comes from " VAULT_KEY_ENV
                       ", so the new one must, too: make one (openssl rand -hex 32) "
                       "and give it as " VAULT_KEY_NEXT_ENV);
    if (secret_eq(v->next, v->key))
        return why_set(reterr, ERR_INVALID, NULL, VAULT_KEY_NEXT_ENV " is the key that is used already");
    return reseal(v, reterr);
}

static enum err rotate_file(struct vault *v, struct why *reterr)
{
    char next_path[PATH_MAX];
    enum err err;

    CHECK(v->next == NULL); /* an unfinished rotation was finished when the vault was opened */
    v->next = key_make();
    path_in(v, VAULT_KEY_NEXT, next_path);
    err = key_to_file(next_path, v->next, reterr);
    if (err == ERR_OK)
        err = reseal(v, reterr);
    return err == ERR_OK ? adopt_next(v, reterr) : err;
}

enum err vault_rotate(struct vault *v, struct why *reterr)
{
    struct secret *text = NULL;
    enum err err = ERR_OK;

    CHECK(v->lock_fd >= 0);
    if (!v->has_file && !v->has_data_key)
        return why_set(reterr, ERR_NOTFOUND, NULL, "there are no credentials in %s yet", v->data);
    for (enum sealed_file f = 0; f < SEALED_FILES && err == ERR_OK;
         f++) { /* all of them can be, or none is touched */
        if (is_there(v, f))
            err = open_sealed(v, f, &text, reterr);
        secret_free(text);
        text = NULL;
    }
    if (err == ERR_OK)
        err = v->key_is_env ? rotate_env(v, reterr) : rotate_file(v, reterr);
    return err;
}
