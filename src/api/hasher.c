#include "api/hasher.h"

#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <utlist.h>
#include <uv.h>

#include "accounts/accounts.h"
#include "base/mem.h"

/* What an interactive sign-in may cost by libsodium's measure: some tens of milliseconds and 64 MiB. */
#define OPS crypto_pwhash_OPSLIMIT_INTERACTIVE
#define MEM crypto_pwhash_MEMLIMIT_INTERACTIVE
#define NICE_MORE 10

struct job {
    struct job *prev, *next;
    bool is_check;
    char *password; /* overwritten as soon as the work is done */
    size_t password_len;
    char *made; /* to be checked */
    void (*on_made)(void *ctx, const char *made);
    void (*on_checked)(void *ctx, bool is_right, const char *made_anew);
    void *ctx;

    bool is_right;
    bool has_result;
    char result[crypto_pwhash_STRBYTES];
};

struct hasher {
    pthread_t thread;
    uv_async_t wake;
    char dummy[crypto_pwhash_STRBYTES]; /* the thread's own; "" memory was short */

    /* Loop thread only. */
    unsigned n_jobs; /* whose `done` was not called */
    bool is_freed;

    /* Both threads, under the lock. */
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct job *waiting;
    struct job *finished;
    bool must_end;
};

static void job_free(struct job *j)
{
    if (j->password != NULL)
        sodium_memzero(j->password, j->password_len);
    free(j->password);
    free(j->made);
    free(j);
}

static void jobs_free(struct job **list)
{
    struct job *j;
    struct job *next;

    DL_FOREACH_SAFE(*list, j, next) {
        DL_DELETE(*list, j);
        job_free(j);
    }
}

/* ---- the thread ---- */

static bool make(const char *password, size_t len, char out[crypto_pwhash_STRBYTES])
{
    if (crypto_pwhash_str(out, password, len, OPS, MEM) == 0)
        return true;
    out[0] = '\0'; /* 64 MiB are not there just now */
    return false;
}

/* Somebody without a password (or nobody at all) costs what everybody costs: time must not tell who has an account. */
static void make_dummy(struct hasher *h)
{
    unsigned char random[16];

    randombytes_buf(random, sizeof(random));
    (void)make((const char *)random, sizeof(random), h->dummy);
}

static void work_check(struct hasher *h, struct job *j)
{
    bool is_ours = strncmp(j->made, crypto_pwhash_STRPREFIX, strlen(crypto_pwhash_STRPREFIX)) == 0;

    if (!is_ours) {
        if (h->dummy[0] == '\0')
            make_dummy(h);
        /* Whatever it says, nobody chose the dummy's 128 random bits. */
        if (crypto_pwhash_str_verify(h->dummy, j->password, j->password_len) == 0)
            j->is_right = false;
        return;
    }
    j->is_right = crypto_pwhash_str_verify(j->made, j->password, j->password_len) == 0;
    if (j->is_right && crypto_pwhash_str_needs_rehash(j->made, OPS, MEM) == 1)
        j->has_result = make(j->password, j->password_len, j->result);
}

static void work(struct hasher *h, struct job *j)
{
    if (j->is_check)
        work_check(h, j);
    else
        j->has_result = make(j->password, j->password_len, j->result);
    sodium_memzero(j->password, j->password_len);
}

static void *hasher_main(void *arg)
{
    struct hasher *h = arg;
    struct job *j;

    /* On Linux this is about a thread. When it is refused, the thread is only less polite. */
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), getpriority(PRIO_PROCESS, 0) + NICE_MORE);
    make_dummy(h);
    (void)pthread_mutex_lock(&h->lock);
    for (;;) {
        while (h->waiting == NULL && !h->must_end)
            (void)pthread_cond_wait(&h->more, &h->lock);
        if (h->must_end)
            break;
        j = h->waiting;
        DL_DELETE(h->waiting, j);
        (void)pthread_mutex_unlock(&h->lock);
        work(h, j);
        (void)pthread_mutex_lock(&h->lock);
        DL_APPEND(h->finished, j);
        (void)uv_async_send(&h->wake);
    }
    (void)pthread_mutex_unlock(&h->lock);
    return NULL;
}

/* ---- the loop ---- */

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void deliver(struct job *j)
{
    const char *result = j->has_result ? j->result : NULL;

    if (j->is_check)
        j->on_checked(j->ctx, j->is_right, result);
    else
        j->on_made(j->ctx, result);
}

/* `done` may give us more work, or free us: the memory stays until on_closed(), in a later phase of the loop. */
static void on_wake(uv_async_t *wake)
{
    struct hasher *h = wake->data;
    struct job *finished;
    struct job *j;

    (void)pthread_mutex_lock(&h->lock);
    finished = h->finished;
    h->finished = NULL;
    (void)pthread_mutex_unlock(&h->lock);
    while (finished != NULL && !h->is_freed) {
        j = finished;
        DL_DELETE(finished, j);
        h->n_jobs--;
        deliver(j);
        job_free(j);
    }
    jobs_free(&finished);
}

static int start_thread(struct hasher *h)
{
    sigset_t all;
    sigset_t before;
    int rc;

    /* Signals belong to the loop thread. */
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&h->thread, NULL, hasher_main, h);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

enum err hasher_new(struct uv_loop_s *loop, struct hasher **ret, struct why *reterr)
{
    struct hasher *h;
    int rc;

    if (sodium_init() < 0)
        return why_set(reterr, ERR_IO, NULL, "libsodium does not start: no source of random numbers");
    h = xcalloc(1, sizeof(*h));
    CHECK(pthread_mutex_init(&h->lock, NULL) == 0);
    CHECK(pthread_cond_init(&h->more, NULL) == 0);
    CHECK(uv_async_init(loop, &h->wake, on_wake) == 0);
    h->wake.data = h;
    rc = start_thread(h);
    if (rc != 0) {
        (void)pthread_cond_destroy(&h->more);
        (void)pthread_mutex_destroy(&h->lock);
        uv_close((uv_handle_t *)&h->wake, on_closed);
        return why_errno(reterr, ERR_IO, rc, "cannot start a thread for passwords");
    }
    *ret = h;
    return ERR_OK;
}

void hasher_free(struct hasher *h)
{
    if (h == NULL)
        return;
    (void)pthread_mutex_lock(&h->lock);
    h->must_end = true;
    (void)pthread_cond_signal(&h->more);
    (void)pthread_mutex_unlock(&h->lock);
    (void)pthread_join(h->thread, NULL);
    h->is_freed = true;
    jobs_free(&h->waiting);
    jobs_free(&h->finished);
    (void)pthread_cond_destroy(&h->more);
    (void)pthread_mutex_destroy(&h->lock);
    uv_close((uv_handle_t *)&h->wake, on_closed);
}

static struct job *job_new(const char *password, const char *made)
{
    struct job *j = xcalloc(1, sizeof(*j));
    size_t len = strlen(password);

    /* Nobody has so long a password: what is cut is checked against nothing, so it cannot be right. */
    if (len > PASSWORD_BYTES_MAX) {
        len = PASSWORD_BYTES_MAX;
        made = "";
    }
    j->password = xmalloc(len + 1);
    memcpy(j->password, password, len);
    j->password[len] = '\0';
    j->password_len = len;
    j->made = xstrdup(made);
    return j;
}

static void enqueue(struct hasher *h, struct job *j)
{
    h->n_jobs++;
    (void)pthread_mutex_lock(&h->lock);
    DL_APPEND(h->waiting, j);
    (void)pthread_cond_signal(&h->more);
    (void)pthread_mutex_unlock(&h->lock);
}

enum err hasher_make(struct hasher *h, const char *password, void (*done)(void *ctx, const char *made),
                     void *ctx)
{
    struct job *j;

    if (h->n_jobs >= HASHER_QUEUE_MAX)
        return ERR_BUSY;
    CHECK(strlen(password) <= PASSWORD_BYTES_MAX); /* password_check() comes before */
    j = job_new(password, "");
    j->on_made = done;
    j->ctx = ctx;
    enqueue(h, j);
    return ERR_OK;
}

enum err hasher_check(struct hasher *h, const char *password, const char *made,
                      void (*done)(void *ctx, bool is_right, const char *made_anew), void *ctx)
{
    struct job *j;

    if (h->n_jobs >= HASHER_QUEUE_MAX)
        return ERR_BUSY;
    j = job_new(password, made);
    j->is_check = true;
    j->on_checked = done;
    j->ctx = ctx;
    enqueue(h, j);
    return ERR_OK;
}
