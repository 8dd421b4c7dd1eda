/* ssh_key.c - ed25519 keys in OpenSSH's forms; see ssh_key.h.
 *
 * The private file is base64 of (PROTOCOL.key of OpenSSH):
 *
 *     "openssh-key-v1" NUL
 *     string "none"   string "none"   string ""      no cipher, no key derivation
 *     uint32 1        string public                  one key
 *     string          uint32 check, twice            equal when the decryption was right
 *                     string "ssh-ed25519"  string public key  string seed and public key  string comment
 *                     1 2 3 ...                      up to a multiple of 8 bytes
 *
 * A string is its length in four bytes, most significant first, and its bytes. */
#include "net/ssh_key.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define TYPE "ssh-ed25519"
#define BLOB_BYTES 512u
#define LINE_CHARS 70u
#define PUBLIC_LINE_BYTES_MAX 16384u

struct blob {
    uint8_t at[BLOB_BYTES];
    size_t n;
};

static void put(struct blob *b, const void *bytes, size_t n)
{
    CHECK(b->n + n <= sizeof(b->at));
    memcpy(b->at + b->n, bytes, n);
    b->n += n;
}

static void put_u32(struct blob *b, uint32_t v)
{
    const uint8_t bytes[] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};

    put(b, bytes, sizeof(bytes));
}

static void put_string(struct blob *b, const void *bytes, size_t n)
{
    put_u32(b, (uint32_t)n);
    put(b, bytes, n);
}

static void put_public(struct blob *b, const uint8_t *public_key)
{
    put_string(b, TYPE, strlen(TYPE));
    put_string(b, public_key, crypto_sign_PUBLICKEYBYTES);
}

static void write_private(const struct blob *b, char *out, size_t size)
{
    static const char head[] = "-----BEGIN OPENSSH PRIVATE KEY-----\n";
    static const char tail[] = "-----END OPENSSH PRIVATE KEY-----\n";
    char text[BLOB_BYTES * 2];
    size_t n = 0;
    size_t len;

    CHECK(sodium_bin2base64(text, sizeof(text), b->at, b->n, sodium_base64_VARIANT_ORIGINAL) != NULL);
    len = strlen(text);
    CHECK(len + len / LINE_CHARS + sizeof(head) + sizeof(tail) < size);
    n += (size_t)snprintf(out + n, size - n, "%s", head);
    for (size_t at = 0; at < len; at += LINE_CHARS)
        n += (size_t)snprintf(out + n, size - n, "%.*s\n", (int)LINE_CHARS, text + at);
    (void)snprintf(out + n, size - n, "%s", tail);
    mem_wipe(text, sizeof(text));
}

void ssh_key_from_seed(const uint8_t seed[SSH_KEY_SEED_BYTES], const char *comment, struct ssh_key *ret)
{
    uint8_t public_key[crypto_sign_PUBLICKEYBYTES];
    uint8_t secret_key[crypto_sign_SECRETKEYBYTES]; /* the seed, then the public key: as OpenSSH wants it */
    uint8_t sum[crypto_hash_sha256_BYTES];
    char base64[128];
    struct blob of_public = {.n = 0};
    struct blob secret = {.n = 0};
    struct blob file = {.n = 0};
    size_t comment_len = strnlen(comment, SSH_KEY_COMMENT_BYTES_MAX);

    _Static_assert(SSH_KEY_SEED_BYTES == crypto_sign_SEEDBYTES, "an ed25519 seed");
    memset(ret, 0, sizeof(*ret));
    CHECK(sodium_init() >= 0);
    CHECK(crypto_sign_seed_keypair(public_key, secret_key, seed) == 0);
    put_public(&of_public, public_key);
    CHECK(sodium_bin2base64(base64, sizeof(base64), of_public.at, of_public.n,
                            sodium_base64_VARIANT_ORIGINAL) != NULL);
    (void)snprintf(ret->public_line, sizeof(ret->public_line), "%s %s%s%.*s", TYPE, base64,
                   comment_len > 0 ? " " : "", (int)comment_len, comment);

    /* Any number will do, as long as it is there twice. */
    CHECK(crypto_hash_sha256(sum, public_key, sizeof(public_key)) == 0);
    for (int twice = 0; twice < 2; twice++)
        put(&secret, sum, 4);
    put_public(&secret, public_key);
    put_string(&secret, secret_key, sizeof(secret_key));
    put_string(&secret, comment, comment_len);
    for (uint8_t pad = 1; secret.n % 8 != 0; pad++)
        put(&secret, &pad, 1);

    put(&file, "openssh-key-v1", sizeof("openssh-key-v1"));
    put_string(&file, "none", 4);
    put_string(&file, "none", 4);
    put_string(&file, "", 0);
    put_u32(&file, 1);
    put_string(&file, of_public.at, of_public.n);
    put_string(&file, secret.at, secret.n);
    write_private(&file, ret->private_file, sizeof(ret->private_file));
    mem_wipe(secret_key, sizeof(secret_key));
    mem_wipe(&secret, sizeof(secret));
    mem_wipe(&file, sizeof(file));
}

void ssh_key_new_seed(uint8_t seed[SSH_KEY_SEED_BYTES])
{
    CHECK(sodium_init() >= 0);
    randombytes_buf(seed, SSH_KEY_SEED_BYTES);
}

void ssh_key_done(struct ssh_key *k)
{
    if (k != NULL)
        mem_wipe(k, sizeof(*k));
}

/* The two words of a public line; false: it is none. */
static bool split(const char *line, struct slice *type, struct slice *base64)
{
    size_t n = strlen(line);

    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)line[i] < 0x20 || (unsigned char)line[i] > 0x7e)
            return false;
    }
    *type = (struct slice){line, strcspn(line, " ")};
    if (line[type->len] != ' ')
        return false;
    base64->ptr = line + type->len + 1;
    base64->len = strcspn(base64->ptr, " ");
    return true;
}

bool ssh_key_is_public_line(const char *line)
{
    uint8_t blob[PUBLIC_LINE_BYTES_MAX];
    size_t n = 0;
    size_t type_len;
    struct slice type;
    struct slice base64;

    if (strnlen(line, PUBLIC_LINE_BYTES_MAX + 1) > PUBLIC_LINE_BYTES_MAX || !split(line, &type, &base64))
        return false;
    if (sodium_base642bin(blob, sizeof(blob), base64.ptr, base64.len, NULL, &n, NULL,
                          sodium_base64_VARIANT_ORIGINAL) != 0 ||
        n < 8)
        return false;
    type_len = (size_t)blob[0] << 24 | (size_t)blob[1] << 16 | (size_t)blob[2] << 8 | blob[3];
    return type_len == type.len && n > 4 + type_len && memcmp(blob + 4, type.ptr, type_len) == 0;
}

/* ---- a private file ---- */

struct reading {
    const uint8_t *at;
    size_t left;
};

/* The next string. */
static bool take_string(struct reading *r, struct slice *ret)
{
    size_t n;

    if (r->left < 4)
        return false;
    n = (size_t)r->at[0] << 24 | (size_t)r->at[1] << 16 | (size_t)r->at[2] << 8 | r->at[3];
    if (n > r->left - 4)
        return false;
    *ret = (struct slice){(const char *)r->at + 4, n};
    r->at += 4 + n;
    r->left -= 4 + n;
    return true;
}

/* What stands before the secret half: never encrypted. */
static enum err read_head(struct reading *r, struct slice *public_blob, struct why *reterr)
{
    struct slice cipher;
    struct slice ignored;
    static const size_t magic = sizeof("openssh-key-v1");

    if (r->left < magic || memcmp(r->at, "openssh-key-v1", magic) != 0)
        return why_set(reterr, ERR_INVALID, "ssh_key", "ssh_key: it is broken");
    r->at += magic;
    r->left -= magic;
    if (!take_string(r, &cipher) || !take_string(r, &ignored) || !take_string(r, &ignored) || r->left < 4)
        return why_set(reterr, ERR_INVALID, "ssh_key", "ssh_key: it is broken");
    if (!slice_eq(cipher, SLICE("none")))
        return why_set(reterr, ERR_INVALID, "ssh_key",
                       "ssh_key: it has a passphrase, which nobody could type in here; `ssh-keygen -p -f "
                       "FILE` takes it off");
    r->at += 4; /* how many keys */
    r->left -= 4;
    if (!take_string(r, public_blob) || public_blob->len < 8)
        return why_set(reterr, ERR_INVALID, "ssh_key", "ssh_key: it is broken");
    return ERR_OK;
}

static enum err public_of_blob(struct slice blob, struct buf *out, struct why *reterr)
{
    struct reading r = {(const uint8_t *)blob.ptr, blob.len};
    struct slice type;
    char base64[SSH_KEY_FILE_BYTES_MAX * 2];

    if (!take_string(&r, &type) || type.len == 0 || type.len > 64)
        return why_set(reterr, ERR_INVALID, "ssh_key", "ssh_key: it is broken");
    CHECK(sodium_bin2base64(base64, sizeof(base64), (const uint8_t *)blob.ptr, blob.len,
                            sodium_base64_VARIANT_ORIGINAL) != NULL);
    buf_put(out, type.ptr, type.len);
    buf_putc(out, ' ');
    buf_puts(out, base64);
    return ERR_OK;
}

enum err ssh_key_public_of(struct slice file, struct buf *out, struct why *reterr)
{
    static const char head[] = "-----BEGIN OPENSSH PRIVATE KEY-----";
    static const char tail[] = "-----END OPENSSH PRIVATE KEY-----";
    uint8_t bytes[SSH_KEY_FILE_BYTES_MAX];
    const char *from = file.len > 0 ? memmem(file.ptr, file.len, head, sizeof(head) - 1) : NULL;
    const char *to =
        from != NULL ? memmem(from, file.len - (size_t)(from - file.ptr), tail, sizeof(tail) - 1) : NULL;
    struct reading r = {bytes, 0};
    struct slice blob;
    enum err err;

    CHECK(sodium_init() >= 0);
    if (from == NULL && file.len > 0 && memmem(file.ptr, file.len, " PRIVATE KEY-----", 17) != NULL)
        return why_set(reterr, ERR_INVALID, "ssh_key",
                       "ssh_key: it is in an older form; `ssh-keygen -p -f FILE` writes it in OpenSSH's own");
    if (to == NULL || file.len > SSH_KEY_FILE_BYTES_MAX)
        return why_set(reterr, ERR_INVALID, "ssh_key",
                       "ssh_key: it is no private key as ssh-keygen writes it");
    from += sizeof(head) - 1;
    if (sodium_base642bin(bytes, sizeof(bytes), from, (size_t)(to - from), "\r\n \t", &r.left, NULL,
                          sodium_base64_VARIANT_ORIGINAL) != 0)
        err = why_set(reterr, ERR_INVALID, "ssh_key", "ssh_key: it is broken");
    else
        err = read_head(&r, &blob, reterr);
    if (err == ERR_OK)
        err = public_of_blob(blob, out, reterr);
    mem_wipe(bytes, sizeof(bytes));
    return err;
}

/* ---- known_hosts ---- */

/* A pattern of known_hosts ends at a comma or blank, and `*?!|@#[` mean something there. */
static bool is_host(const char *address)
{
    size_t n = strlen(address);

    return n > 0 && n <= SSH_HOST_BYTES_MAX && address[0] != '-' &&
           strspn(address, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.:_-%") == n;
}

enum err ssh_known_host(const char *address, uint32_t port, const char *public_line, struct buf *out,
                        struct why *reterr)
{
    struct slice type;
    struct slice base64;

    if (!is_host(address))
        return why_set(reterr, ERR_INVALID, "address",
                       "address: '%.80s' is neither a host name nor an address", address);
    if (port > 65535)
        return why_set(reterr, ERR_INVALID, "port", "port: %u is not in 0..65535", port);
    if (!ssh_key_is_public_line(public_line) || !split(public_line, &type, &base64))
        return why_set(reterr, ERR_INVALID, "host_key", "host_key: it is not the line of a public key");
    if (port == 0 || port == 22)
        buf_printf(out, "%s ", address);
    else
        buf_printf(out, "[%s]:%u ", address, port);
    buf_put(out, type.ptr, type.len);
    buf_putc(out, ' ');
    buf_put(out, base64.ptr, base64.len);
    buf_putc(out, '\n');
    return ERR_OK;
}
