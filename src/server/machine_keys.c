/* machine_keys.c - keys of machines out of one secret; see machine_keys.h. */
#include "server/machine_keys.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "config/whole_file.h"

#define FOLDER "ssh"
#define SECRET_FILE "machines.key.enc"
#define LOGIN_FILE "machines.key"
#define CONTEXT "keys of machines"
#define SECRET_BYTES 32u

struct machine_keys {
    struct secret *secret;
    char *identity;
    char *authorized;
};

/* A key for one purpose. */
static void seed_of(const struct machine_keys *k, const char *purpose, uint8_t seed[SSH_KEY_SEED_BYTES])
{
    CHECK(crypto_generichash(seed, SSH_KEY_SEED_BYTES, (const unsigned char *)purpose, strlen(purpose),
                             (const unsigned char *)secret_reveal(k->secret), SECRET_BYTES) == 0);
}

void machine_keys_host(const struct machine_keys *k, uint64_t server, uint64_t intent, struct ssh_key *ret)
{
    uint8_t seed[SSH_KEY_SEED_BYTES];
    char purpose[96];
    char comment[SSH_KEY_COMMENT_BYTES_MAX];

    (void)snprintf(purpose, sizeof(purpose), "host key of server %" PRIu64 ", create call %" PRIu64, server,
                   intent);
    (void)snprintf(comment, sizeof(comment), "wrata server %" PRIu64, server);
    seed_of(k, purpose, seed);
    ssh_key_from_seed(seed, comment, ret);
    mem_wipe(seed, sizeof(seed));
}

/* ---- the secret ---- */

static enum err make_secret(struct machine_keys *k, const struct sealer *sealer, const char *path,
                            struct why *reterr)
{
    struct buf sealed;
    enum err err;

    k->secret = secret_new(NULL, SECRET_BYTES);
    randombytes_buf(secret_bytes(k->secret), SECRET_BYTES);
    buf_init(&sealed, KIB(4));
    seal_value(sealer, CONTEXT, secret_reveal(k->secret), SECRET_BYTES, &sealed);
    buf_putc(&sealed, '\n');
    err = whole_file_write(path, sealed.data, sealed.len, reterr);
    buf_done(&sealed);
    return err;
}

static enum err find_secret(struct machine_keys *k, const struct sealer *sealer, const char *path,
                            struct why *reterr)
{
    struct buf sealed;
    struct why why;
    enum err err;

    buf_init(&sealed, KIB(4));
    err = whole_file_read(path, &sealed, NULL, &why);
    if (err == ERR_NOTFOUND) {
        err = make_secret(k, sealer, path, reterr);
    } else if (err != ERR_OK) {
        err = why_set(reterr, err, NULL, "%s", why.text);
    } else {
        char *text = xstrndup(sealed.data, strcspn(buf_str(&sealed), "\r\n"));

        err = unseal_value(sealer, CONTEXT, text, &k->secret, &why);
        if (err == ERR_OK && secret_len(k->secret) != SECRET_BYTES)
            err = why_set(&why, ERR_INVALID, NULL, "it has another length");
        if (err != ERR_OK)
            err = why_set(reterr, err, NULL, "%.100s cannot be opened: %.120s", path, why.text);
        free(text);
    }
    buf_done(&sealed);
    return err;
}

/* ---- who logs in ---- */

static enum err keep_login(struct machine_keys *k, struct slice login, struct why *reterr)
{
    struct buf authorized;
    enum err err;

    buf_init(&authorized, SSH_KEY_FILE_BYTES_MAX * 2);
    err = ssh_key_public_of(login, &authorized, reterr);
    if (err == ERR_OK) {
        buf_puts(&authorized, " wrata");
        k->authorized = buf_take(&authorized, NULL);
        err = whole_file_write(k->identity, login.ptr, login.len, reterr);
    }
    buf_done(&authorized);
    return err;
}

static enum err keep_own_login(struct machine_keys *k, struct why *reterr)
{
    uint8_t seed[SSH_KEY_SEED_BYTES];
    struct ssh_key key;
    enum err err;

    seed_of(k, "login", seed);
    ssh_key_from_seed(seed, "wrata", &key);
    err = keep_login(k, slice_of(key.private_file), reterr);
    ssh_key_done(&key);
    mem_wipe(seed, sizeof(seed));
    return err;
}

/* ssh refuses a key file without a line end behind its last line. */
static enum err keep_given_login(struct machine_keys *k, struct slice login, struct why *reterr)
{
    struct buf text;
    enum err err;

    buf_init(&text, SSH_KEY_FILE_BYTES_MAX + 1);
    err = buf_add(&text, login.ptr, login.len);
    if (err == ERR_OK && text.data[text.len - 1] != '\n')
        err = buf_add(&text, "\n", 1);
    if (err == ERR_OK)
        err = keep_login(k, buf_slice(&text), reterr);
    else
        err = why_set(reterr, ERR_INVALID, "ssh_key", "ssh_key: it has more than %u bytes",
                      SSH_KEY_FILE_BYTES_MAX);
    buf_wipe(&text);
    return err;
}

/* ---- all ---- */

enum err machine_keys_open(const char *data_dir, const struct sealer *sealer, struct slice login,
                           struct machine_keys **ret, struct why *reterr)
{
    struct machine_keys *k = xcalloc(1, sizeof(*k));
    char path[4096];
    enum err err;

    CHECK(sodium_init() >= 0);
    (void)snprintf(path, sizeof(path), "%s/" FOLDER, data_dir);
    err = folders_make(path, reterr);
    (void)snprintf(path, sizeof(path), "%s/" FOLDER "/" LOGIN_FILE, data_dir);
    k->identity = xstrdup(path);
    (void)snprintf(path, sizeof(path), "%s/" FOLDER "/" SECRET_FILE, data_dir);
    if (err == ERR_OK)
        err = find_secret(k, sealer, path, reterr);
    if (err == ERR_OK)
        err = login.len > 0 ? keep_given_login(k, login, reterr) : keep_own_login(k, reterr);
    if (err != ERR_OK) {
        machine_keys_free(k);
        return err;
    }
    *ret = k;
    return ERR_OK;
}

void machine_keys_free(struct machine_keys *k)
{
    if (k == NULL)
        return;
    secret_free(k->secret);
    free(k->identity);
    free(k->authorized);
    free(k);
}

const char *machine_keys_identity(const struct machine_keys *k)
{
    return k->identity;
}

const char *machine_keys_authorized(const struct machine_keys *k)
{
    return k->authorized;
}
