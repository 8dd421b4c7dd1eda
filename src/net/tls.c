#include "net/tls.h"

#include <errno.h>
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <uv.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"

#define LOOK_MS 10000
#define SETTLE_MS 1000 /* two files are never replaced at once: wait until nothing moves */
#define FILE_BYTES_MAX KIB(256)
#define DATE_BYTES 32

struct tls_pair {
    unsigned refs;
    gnutls_certificate_credentials_t credentials;
    char *crt_pem;
    char *key_pem;
    struct tls_info info;
};

/* What tells that a file is another one. */
struct stamp {
    dev_t dev;
    ino_t ino;
    off_t size;
    struct timespec mtime;
    struct timespec ctime;
};

struct tls {
    char *crt;
    char *key;
    struct tls_pair *pair;
    struct stamp tried[2]; /* of the files that were read last, for better or worse */
    struct stamp seen[2];  /* at the last look */
    uv_timer_t timer;
    void (*on_renewed)(void *ctx);
    void *ctx;
};

/* ---- reading ---- */

static enum err read_file(const char *path, const char *what, char **ret, struct why *reterr)
{
    FILE *f = fopen(path, "re");
    char *text;
    size_t n;

    if (f == NULL)
        return why_errno(reterr, ERR_INVALID, errno, "%s: the %s cannot be read", path, what);
    text = xmalloc(FILE_BYTES_MAX + 1);
    n = fread(text, 1, FILE_BYTES_MAX + 1, f);
    if (ferror(f) != 0 || n > FILE_BYTES_MAX) {
        (void)fclose(f);
        free(text);
        return why_set(reterr, ERR_INVALID, NULL, "%s: the %s cannot be read: %s", path, what,
                       n > FILE_BYTES_MAX ? "it is too large" : "it is no file");
    }
    (void)fclose(f);
    text[n] = '\0';
    *ret = text;
    return ERR_OK;
}

static void wipe(char *text)
{
    if (text != NULL)
        gnutls_memset(text, 0, strlen(text));
    free(text);
}

static gnutls_datum_t datum(char *text)
{
    return (gnutls_datum_t){.data = (unsigned char *)text, .size = (unsigned)strlen(text)};
}

static void date_of(int64_t s, char *out)
{
    time_t t = (time_t)s;
    struct tm tm;

    (void)gmtime_r(&t, &tm);
    (void)strftime(out, DATE_BYTES, "%Y-%m-%d %H:%M UTC", &tm);
}

/* ---- checking ---- */

struct chain {
    gnutls_x509_crt_t *certs; /* the server's own first */
    unsigned n;
    gnutls_x509_privkey_t key;
};

static void chain_done(struct chain *c)
{
    for (unsigned i = 0; i < c->n; i++)
        gnutls_x509_crt_deinit(c->certs[i]);
    gnutls_free(c->certs);
    if (c->key != NULL)
        gnutls_x509_privkey_deinit(c->key);
    *c = (struct chain){0};
}

static enum err parse_chain(const char *crt, char *crt_pem, const char *key, char *key_pem, struct chain *c,
                            struct why *reterr)
{
    gnutls_datum_t data = datum(crt_pem);
    int rc = gnutls_x509_crt_list_import2(&c->certs, &c->n, &data, GNUTLS_X509_FMT_PEM, 0);

    if (rc < 0 || c->n == 0) {
        c->n = 0;
        return why_set(reterr, ERR_INVALID, NULL, "%s: there is no certificate in PEM form in it: %s", crt,
                       gnutls_strerror(rc));
    }
    data = datum(key_pem);
    CHECK(gnutls_x509_privkey_init(&c->key) == 0);
    rc = gnutls_x509_privkey_import2(c->key, &data, GNUTLS_X509_FMT_PEM, NULL, 0);
    if (rc == GNUTLS_E_DECRYPTION_FAILED)
        return why_set(reterr, ERR_INVALID, NULL, "%s: the key has a passphrase; store it without one", key);
    if (rc < 0)
        return why_set(reterr, ERR_INVALID, NULL, "%s: there is no private key in PEM form in it: %s", key,
                       gnutls_strerror(rc));
    return ERR_OK;
}

static enum err check_match(const char *crt, const char *key, const struct chain *c, struct why *reterr)
{
    unsigned char of_crt[64];
    unsigned char of_key[64];
    size_t crt_n = sizeof(of_crt);
    size_t key_n = sizeof(of_key);

    if (gnutls_x509_crt_get_key_id(c->certs[0], GNUTLS_KEYID_USE_SHA256, of_crt, &crt_n) < 0 ||
        gnutls_x509_privkey_get_key_id(c->key, GNUTLS_KEYID_USE_SHA256, of_key, &key_n) < 0)
        return why_set(reterr, ERR_INVALID, NULL, "%s: a key of a kind that is not known", key);
    if (crt_n != key_n || memcmp(of_crt, of_key, crt_n) != 0)
        return why_set(reterr, ERR_INVALID, NULL,
                       "%s is the key of another certificate than the first one in %s", key, crt);
    return ERR_OK;
}

static enum err check_time(const char *crt, const struct chain *c, struct tls_info *info, struct why *reterr)
{
    const time_t now = time(NULL);
    char date[DATE_BYTES];

    for (unsigned i = 0; i < c->n; i++) {
        int64_t end = gnutls_x509_crt_get_expiration_time(c->certs[i]);

        if (i == 0 || end < info->not_after_s)
            info->not_after_s = end;
    }
    for (unsigned i = 0; i < c->n; i++) {
        int64_t begin = gnutls_x509_crt_get_activation_time(c->certs[i]);
        int64_t end = gnutls_x509_crt_get_expiration_time(c->certs[i]);

        date_of(end <= now ? end : begin, date);
        if (end <= now)
            return why_set(reterr, ERR_INVALID, NULL, "%s: certificate %u of it expired on %s", crt, i + 1,
                           date);
        if (begin > now)
            return why_set(reterr, ERR_INVALID, NULL, "%s: certificate %u of it is valid only from %s", crt,
                           i + 1, date);
    }
    return ERR_OK;
}

/* Each is signed by the next. Whether the last is one that clients know is theirs to say. */
static enum err check_order(const char *crt, const struct chain *c, struct why *reterr)
{
    for (unsigned i = 0; i + 1 < c->n; i++) {
        unsigned verdict = 0;
        int rc = gnutls_x509_crt_verify(
            c->certs[i], &c->certs[i + 1], 1,
            GNUTLS_VERIFY_DISABLE_TIME_CHECKS | GNUTLS_VERIFY_DISABLE_TRUSTED_TIME_CHECKS, &verdict);

        if (rc < 0 || verdict != 0)
            return why_set(reterr, ERR_INVALID, NULL,
                           "%s: the chain is broken: certificate %u was not issued by certificate %u; the "
                           "server's own comes first, then its issuer, and so on",
                           crt, i + 1, i + 2);
    }
    return ERR_OK;
}

static enum err make_pin(const struct chain *c, struct tls_info *info, struct why *reterr)
{
    unsigned char id[32];
    size_t n = sizeof(id);
    gnutls_datum_t raw = {.data = id, .size = sizeof(id)};
    gnutls_datum_t text = {0};

    /* the key's id is the SHA-256 of SubjectPublicKeyInfo: what a pin is made of */
    if (gnutls_x509_crt_get_key_id(c->certs[0], GNUTLS_KEYID_USE_SHA256, id, &n) < 0 || n != sizeof(id) ||
        gnutls_base64_encode2(&raw, &text) < 0)
        return why_set(reterr, ERR_IO, NULL, "the certificate's key has no digest");
    (void)snprintf(info->pin, sizeof(info->pin), "sha256//%.*s", (int)text.size, (char *)text.data);
    gnutls_free(text.data);
    return ERR_OK;
}

static enum err load(const char *crt, const char *key, struct tls_pair **ret, struct tls_info *ret_info,
                     struct why *reterr)
{
    struct tls_pair *p = xcalloc(1, sizeof(*p));
    struct chain c = {0};
    enum err err;
    int rc;

    p->refs = 1;
    err = read_file(crt, "certificate", &p->crt_pem, reterr);
    if (err == ERR_OK)
        err = read_file(key, "certificate's key", &p->key_pem, reterr);
    if (err == ERR_OK)
        err = parse_chain(crt, p->crt_pem, key, p->key_pem, &c, reterr);
    if (err == ERR_OK)
        err = check_match(crt, key, &c, reterr);
    if (err == ERR_OK)
        err = check_time(crt, &c, &p->info, reterr);
    if (err == ERR_OK)
        err = check_order(crt, &c, reterr);
    if (err == ERR_OK)
        err = make_pin(&c, &p->info, reterr);
    if (err == ERR_OK) {
        CHECK(gnutls_certificate_allocate_credentials(&p->credentials) == 0);
        rc = gnutls_certificate_set_x509_key(p->credentials, c.certs, (int)c.n, c.key);
        if (rc < 0)
            err = why_set(reterr, ERR_INVALID, NULL, "%s: the certificate cannot be used: %s", crt,
                          gnutls_strerror(rc));
    }
    *ret_info = p->info;
    chain_done(&c);
    if (err != ERR_OK)
        tls_release(p);
    else
        *ret = p;
    return err;
}

enum err tls_check(const char *crt, const char *key, struct tls_info *ret, struct why *reterr)
{
    struct tls_pair *p = NULL;
    enum err err = load(crt, key, &p, ret, reterr);

    tls_release(p);
    return err;
}

/* ---- pairs ---- */

struct tls_pair *tls_hold(struct tls *t)
{
    t->pair->refs++;
    return t->pair;
}

void tls_release(struct tls_pair *p)
{
    if (p == NULL || --p->refs > 0)
        return;
    if (p->credentials != NULL)
        gnutls_certificate_free_credentials(p->credentials);
    free(p->crt_pem);
    wipe(p->key_pem);
    free(p);
}

void *tls_credentials(const struct tls_pair *p)
{
    return p->credentials;
}

const char *tls_crt_pem(const struct tls_pair *p)
{
    return p->crt_pem;
}

const char *tls_key_pem(const struct tls_pair *p)
{
    return p->key_pem;
}

/* ---- watching ---- */

static void stamp_of(const char *path, struct stamp *ret)
{
    struct stat st;

    *ret = (struct stamp){0};
    if (stat(path, &st) != 0)
        return; /* gone for a moment, or for good: reading it will tell */
    ret->dev = st.st_dev;
    ret->ino = st.st_ino;
    ret->size = st.st_size;
    ret->mtime = st.st_mtim;
    ret->ctime = st.st_ctim;
}

static bool time_is(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool stamps_are(const struct stamp a[2], const struct stamp b[2])
{
    for (int i = 0; i < 2; i++) {
        if (a[i].dev != b[i].dev || a[i].ino != b[i].ino || a[i].size != b[i].size ||
            !time_is(a[i].mtime, b[i].mtime) || !time_is(a[i].ctime, b[i].ctime))
            return false;
    }
    return true;
}

static void on_look(uv_timer_t *timer);

static void look_again(struct tls *t, uint64_t ms)
{
    (void)uv_timer_start(&t->timer, on_look, ms, 0);
}

static void take(struct tls *t)
{
    struct tls_pair *p = NULL;
    struct tls_info info;
    struct why why = {0};
    char text[400];
    char date[DATE_BYTES];

    memcpy(t->tried, t->seen, sizeof(t->tried));
    if (load(t->crt, t->key, &p, &info, &why) != ERR_OK) {
        LOG_ERROR("tls.kept", "the old certificate stays in use; why=%s",
                  log_quote(text, sizeof(text), why.text));
        return;
    }
    tls_release(t->pair);
    t->pair = p;
    date_of(info.not_after_s, date);
    LOG_INFO("tls.renewed", "until=\"%s\"", date);
    if (t->on_renewed != NULL)
        t->on_renewed(t->ctx);
}

static void on_look(uv_timer_t *timer)
{
    struct tls *t = timer->data;
    struct stamp now[2];
    bool is_settled;

    stamp_of(t->crt, &now[0]);
    stamp_of(t->key, &now[1]);
    is_settled = stamps_are(now, t->seen);
    memcpy(t->seen, now, sizeof(now));
    if (stamps_are(now, t->tried)) {
        look_again(t, LOOK_MS);
        return;
    }
    if (is_settled)
        take(t);
    look_again(t, is_settled ? LOOK_MS : SETTLE_MS);
}

void tls_reload(struct tls *t)
{
    stamp_of(t->crt, &t->seen[0]);
    stamp_of(t->key, &t->seen[1]);
    take(t);
}

const struct tls_info *tls_info(const struct tls *t)
{
    return &t->pair->info;
}

enum err tls_open(struct uv_loop_s *loop, const char *crt, const char *key, void (*on_renewed)(void *ctx),
                  void *ctx, struct tls **ret, struct why *reterr)
{
    struct tls *t = xcalloc(1, sizeof(*t));
    struct tls_info info;
    enum err err;

    stamp_of(crt, &t->seen[0]);
    stamp_of(key, &t->seen[1]);
    memcpy(t->tried, t->seen, sizeof(t->tried));
    err = load(crt, key, &t->pair, &info, reterr);
    if (err != ERR_OK) {
        free(t);
        return err;
    }
    t->crt = xstrdup(crt);
    t->key = xstrdup(key);
    t->on_renewed = on_renewed;
    t->ctx = ctx;
    CHECK(uv_timer_init(loop, &t->timer) == 0);
    t->timer.data = t;
    uv_unref((uv_handle_t *)&t->timer);
    look_again(t, LOOK_MS);
    *ret = t;
    return ERR_OK;
}

static void on_closed(uv_handle_t *handle)
{
    struct tls *t = handle->data;

    tls_release(t->pair);
    free(t->crt);
    free(t->key);
    free(t);
}

void tls_close(struct tls *t)
{
    if (t == NULL)
        return;
    (void)uv_timer_stop(&t->timer);
    uv_close((uv_handle_t *)&t->timer, on_closed);
}
