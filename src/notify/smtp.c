#include "notify/smtp.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

#define POLL_MS 1000
#define REPLY_BYTES 200
#define SOCKETS_MAX 8u

static const char *const commands[] = {"EHLO", "HELO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA"};

struct job {
    struct smtp_server server; /* OWNED texts */
    char *to;
    struct buf message;
    size_t at; /* of the message */
    /* What was said last: who is at fault is read from it. */
    const char *command; /* of commands[] */
    char reply[REPLY_BYTES];
    /* The sockets that libcurl has open for it: two, when it tries IPv4 beside IPv6. */
    curl_socket_t sockets[SOCKETS_MAX];
    unsigned n_sockets;
    bool has_quit;
};

struct smtp {
    void (*wake)(void *ctx);
    void *ctx;
    CURLM *multi; /* the thread's; curl_multi_wakeup() from anywhere */
    pthread_t thread;
    bool is_running; /* the loop's */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* under lock */
    struct job *job; /* waits or is at work */
    bool has_result;
    struct smtp_result result;
    bool stop; /* end when there is no job */
    bool cut;  /* and at once */
};

/* ---- what is given, kept --------------------------------------------------------------------------------- */

static struct job *job_new(const struct smtp_server *server, const char *to, struct buf *message)
{
    struct job *j = xcalloc(1, sizeof(*j));

    j->command = "";
    j->server = *server;
    j->server.host = xstrdup(server->host);
    j->server.user = xstrdup(server->user);
    j->server.password = xstrdup(server->password);
    j->server.from = xstrdup(server->from);
    j->server.ca = xstrdup(server->ca);
    j->to = xstrdup(to);
    j->message = *message;
    *message = (struct buf){0};
    return j;
}

static void job_free(struct job *j)
{
    if (j == NULL)
        return;
    explicit_bzero((char *)j->server.password, strlen(j->server.password));
    free((char *)j->server.host);
    free((char *)j->server.user);
    free((char *)j->server.password);
    free((char *)j->server.from);
    free((char *)j->server.ca);
    free(j->to);
    buf_done(&j->message);
    free(j);
}

/* ---- one transfer, on the thread ------------------------------------------------------------------------- */

static size_t on_read(char *to, size_t size, size_t n, void *ctx)
{
    struct job *j = ctx;
    size_t room = size * n;
    size_t left = j->message.len - j->at;

    if (room > left)
        room = left;
    if (room > 0)
        memcpy(to, j->message.data + j->at, room);
    j->at += room;
    return room;
}

static curl_socket_t on_open(void *ctx, curlsocktype purpose, struct curl_sockaddr *a)
{
    struct job *j = ctx;
    curl_socket_t fd;

    (void)purpose;
    if (j->n_sockets == SOCKETS_MAX)
        return CURL_SOCKET_BAD;
    fd = socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
    if (fd >= 0)
        j->sockets[j->n_sockets++] = fd;
    return fd >= 0 ? fd : CURL_SOCKET_BAD;
}

static int on_close(void *ctx, curl_socket_t fd)
{
    struct job *j = ctx;
    unsigned i = 0;

    while (i < j->n_sockets && j->sockets[i] != fd)
        i++;
    if (i < j->n_sockets)
        j->sockets[i] = j->sockets[--j->n_sockets];
    return close(fd);
}

/* Our goodbye has been written. libcurl would wait for the answer with the verdict in its hands, and a server that does not
 * answer would keep it from us; so there is none to wait for. */
static void quit(struct job *j)
{
    j->has_quit = true;
    for (unsigned i = 0; i < j->n_sockets; i++)
        (void)shutdown(j->sockets[i], SHUT_RDWR);
}

/* Which command a line begins with; -1: none, like the lines of an AUTH dialogue, which hold the password. */
static int command_of(const char *data, size_t n)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        size_t len = strlen(commands[i]);

        if (n > len && memcmp(data, commands[i], len) == 0 && (data[len] == ' ' || data[len] == '\r'))
            return (int)i;
    }
    return -1;
}

/* Notes the last command and the last line of the last reply. */
static int on_debug(CURL *easy, curl_infotype type, char *data, size_t n, void *ctx)
{
    struct job *j = ctx;
    size_t len = 0;

    (void)easy;
    if (j->has_quit)
        return 0;
    if (type == CURLINFO_HEADER_OUT && n >= 4 && memcmp(data, "QUIT", 4) == 0) {
        quit(j);
    } else if (type == CURLINFO_HEADER_OUT && command_of(data, n) >= 0) {
        j->command = commands[command_of(data, n)];
    } else if (type == CURLINFO_HEADER_IN && n >= 3) {
        while (len < n && len < sizeof(j->reply) - 1 && data[len] != '\r' && data[len] != '\n') {
            j->reply[len] = data[len] >= 0x20 && data[len] < 0x7f ? data[len] : '?';
            len++;
        }
        j->reply[len] = '\0';
    }
    return 0;
}

static void make_url(const struct smtp_server *sv, struct buf *out)
{
    bool is_v6 = strchr(sv->host, ':') != NULL;

    buf_printf(out, "%s://%s%s%s:%u", sv->port == 465 ? "smtps" : "smtp", is_v6 ? "[" : "", sv->host,
               is_v6 ? "]" : "", sv->port);
}

static long use_ssl(const struct smtp_server *sv)
{
    switch (sv->tls) {
    case SMTP_TLS_OPTIONAL:
        return CURLUSESSL_TRY;
    case SMTP_TLS_OFF:
        return CURLUSESSL_NONE;
    case SMTP_TLS_REQUIRED:
        break;
    }
    return CURLUSESSL_ALL;
}

static void set_up(CURL *easy, struct job *j, const char *url, struct curl_slist *to, char *error)
{
    const struct smtp_server *sv = &j->server;

    (void)curl_easy_setopt(easy, CURLOPT_URL, url);
    (void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    (void)curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* what the environment says is for HTTP */
    (void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error);
    (void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)sv->connect_ms);
    (void)curl_easy_setopt(easy, CURLOPT_SERVER_RESPONSE_TIMEOUT, (long)(sv->whole_ms + 999) / 1000);
    (void)curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)sv->whole_ms);
    (void)curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_USE_SSL, use_ssl(sv));
    (void)curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (sv->ca[0] != '\0') {
        (void)curl_easy_setopt(easy, CURLOPT_CAINFO, sv->ca);
        (void)curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    }
    if (sv->user[0] != '\0') {
        (void)curl_easy_setopt(easy, CURLOPT_USERNAME, sv->user);
        (void)curl_easy_setopt(easy, CURLOPT_PASSWORD, sv->password);
    }
    (void)curl_easy_setopt(easy, CURLOPT_MAIL_FROM, sv->from);
    (void)curl_easy_setopt(easy, CURLOPT_MAIL_RCPT, to);
    (void)curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
    (void)curl_easy_setopt(easy, CURLOPT_READDATA, j);
    (void)curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
    (void)curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, j);
    (void)curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close);
    (void)curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, j);
    (void)curl_easy_setopt(easy, CURLOPT_VERBOSE, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_DEBUGFUNCTION, on_debug);
    (void)curl_easy_setopt(easy, CURLOPT_DEBUGDATA, j);
}

/* Was it the mail, the server's mood, or the way there? The server has spoken when its reply is an error; what it
 * says to RCPT and to the content is about this mail, anything else would be said to every other one, too. */
static enum smtp_verdict judge(const struct job *j, CURLcode code)
{
    bool is_mail = strcmp(j->command, "RCPT") == 0 || strcmp(j->command, "DATA") == 0;

    if (code == CURLE_OK)
        return SMTP_SENT;
    if (!is_mail)
        return strcmp(j->command, "MAIL") == 0 && (j->reply[0] == '4' || j->reply[0] == '5') ? SMTP_LATER
                                                                                             : SMTP_UNREACHED;
    return j->reply[0] == '5' ? SMTP_REFUSED : SMTP_LATER;
}

static void say(const struct job *j, CURLcode code, const char *error, struct smtp_result *ret)
{
    bool has_reply = j->reply[0] == '4' || j->reply[0] == '5';

    ret->text[0] = '\0';
    if (code == CURLE_OK)
        return;
    if (has_reply)
        (void)snprintf(ret->text, sizeof(ret->text), "%.60s port %u answered %s%swith: %.140s",
                       j->server.host, j->server.port, j->command, j->command[0] != '\0' ? " " : "",
                       j->reply);
    else
        (void)snprintf(ret->text, sizeof(ret->text), "%.60s port %u: %.160s", j->server.host, j->server.port,
                       error[0] != '\0' ? error : curl_easy_strerror(code));
    for (char *p = ret->text; *p != '\0'; p++) {
        if ((unsigned char)*p < 0x20 || (unsigned char)*p > 0x7e)
            *p = '?';
    }
}

static bool is_cut(struct smtp *s)
{
    bool cut;

    (void)pthread_mutex_lock(&s->lock);
    cut = s->cut;
    (void)pthread_mutex_unlock(&s->lock);
    return cut;
}

/* The only way to cut a transfer short: taken out of the multi handle, libcurl would end the mail with its dot where it
 * is, and the server would take the half for the whole. */
static int on_progress(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    (void)a;
    (void)b;
    (void)c;
    (void)d;
    return is_cut(ctx) ? 1 : 0;
}

static CURLcode perform(struct smtp *s, CURL *easy)
{
    CURLcode code = CURLE_FAILED_INIT;
    int running = 1;
    int left;
    CURLMsg *msg;

    (void)curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    (void)curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
    (void)curl_easy_setopt(easy, CURLOPT_XFERINFODATA, s);
    CHECK(curl_multi_add_handle(s->multi, easy) == CURLM_OK);
    while (running > 0) {
        CHECK(curl_multi_perform(s->multi, &running) == CURLM_OK);
        if (running > 0)
            CHECK(curl_multi_poll(s->multi, NULL, 0, POLL_MS, NULL) == CURLM_OK);
    }
    while ((msg = curl_multi_info_read(s->multi, &left)) != NULL) {
        if (msg->msg == CURLMSG_DONE)
            code = msg->data.result;
    }
    (void)curl_multi_remove_handle(s->multi, easy);
    return code;
}

static void transfer(struct smtp *s, struct job *j, struct smtp_result *ret)
{
    char error[CURL_ERROR_SIZE] = "";
    struct curl_slist *to = curl_slist_append(NULL, j->to);
    CURL *easy = curl_easy_init();
    CURLcode code;
    struct buf url;

    CHECK(easy != NULL);
    CHECK(to != NULL);
    buf_init(&url, KIB(1));
    make_url(&j->server, &url);
    set_up(easy, j, buf_str(&url), to, error);
    code = perform(s, easy);
    ret->verdict = code == CURLE_ABORTED_BY_CALLBACK ? SMTP_CANCELLED : judge(j, code);
    say(j, code, error, ret);
    curl_easy_cleanup(easy);
    curl_slist_free_all(to);
    buf_done(&url);
}

static void *thread_main(void *arg)
{
    struct smtp *s = arg;

    (void)pthread_mutex_lock(&s->lock);
    for (;;) {
        struct smtp_result result;
        struct job *job;

        while (!s->stop && (s->job == NULL || s->has_result))
            (void)pthread_cond_wait(&s->changed, &s->lock);
        if (s->job == NULL || s->has_result)
            break;
        job = s->job;
        (void)pthread_mutex_unlock(&s->lock);
        transfer(s, job, &result);
        (void)pthread_mutex_lock(&s->lock);
        s->result = result;
        s->has_result = true;
        (void)pthread_cond_broadcast(&s->changed);
        s->wake(s->ctx);
    }
    (void)pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* ---- the loop's side ------------------------------------------------------------------------------------- */

struct smtp *smtp_new(void (*wake)(void *ctx), void *ctx)
{
    struct smtp *s = xcalloc(1, sizeof(*s));
    pthread_condattr_t attr;
    sigset_t all;
    sigset_t before;

    s->wake = wake;
    s->ctx = ctx;
    CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == 0);
    s->multi = curl_multi_init();
    CHECK(s->multi != NULL);
    CHECK(pthread_mutex_init(&s->lock, NULL) == 0);
    CHECK(pthread_condattr_init(&attr) == 0);
    CHECK(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_cond_init(&s->changed, &attr) == 0);
    CHECK(pthread_condattr_destroy(&attr) == 0);
    (void)sigfillset(&all); /* signals are the loop's */
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    CHECK(pthread_create(&s->thread, NULL, thread_main, s) == 0);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    s->is_running = true;
    return s;
}

void smtp_send(struct smtp *s, const struct smtp_server *server, const char *to, TAKES struct buf *message)
{
    struct job *j = job_new(server, to, message);

    (void)pthread_mutex_lock(&s->lock);
    CHECK(s->job == NULL);
    s->job = j;
    (void)pthread_cond_broadcast(&s->changed);
    (void)pthread_mutex_unlock(&s->lock);
}

bool smtp_take(struct smtp *s, struct smtp_result *ret)
{
    struct job *done = NULL;
    bool has;

    (void)pthread_mutex_lock(&s->lock);
    has = s->has_result;
    if (has) {
        *ret = s->result;
        done = s->job;
        s->job = NULL;
        s->has_result = false;
    }
    (void)pthread_mutex_unlock(&s->lock);
    job_free(done);
    return has;
}

void smtp_stop(struct smtp *s, uint32_t grace_ms)
{
    struct mono end = mono_add_ms(mono_now(), grace_ms);
    const struct timespec until = {end.us / 1000000, end.us % 1000000 * 1000};

    if (!s->is_running)
        return;
    (void)pthread_mutex_lock(&s->lock);
    s->stop = true;
    (void)pthread_cond_broadcast(&s->changed);
    while (s->job != NULL && !s->has_result) {
        if (pthread_cond_timedwait(&s->changed, &s->lock, &until) == ETIMEDOUT)
            break;
    }
    s->cut = true;
    (void)pthread_mutex_unlock(&s->lock);
    (void)curl_multi_wakeup(s->multi);
    CHECK(pthread_join(s->thread, NULL) == 0);
    s->is_running = false;
}

void smtp_free(struct smtp *s)
{
    if (s == NULL)
        return;
    smtp_stop(s, 0);
    job_free(s->job);
    (void)curl_multi_cleanup(s->multi);
    CHECK(pthread_cond_destroy(&s->changed) == 0);
    CHECK(pthread_mutex_destroy(&s->lock) == 0);
    free(s);
}
