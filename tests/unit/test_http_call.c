/* test_http_call.c - requests against a server that answers, dawdles, breaks off and lies; with and without TLS. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/http_call.h"

/* ---- a server: what it does is said by the path ---- */

struct peer {
    uv_tcp_t tcp;
    struct world *w;
    struct buf in;
    unsigned requests; /* on this connection */
};

struct world {
    uv_loop_t loop;
    uv_tcp_t listener;
    int port;
    struct http_calls *calls;
    struct http_call *call;
    unsigned connections;
    unsigned requests;
    char last[4096]; /* head and body of the newest request */
    unsigned answers;
    enum http_fate fate;
    int status;
    char body[1024];
    char error[512];
    int64_t limit;
    const char *then; /* started from inside of the next answer */
};

static void on_peer_closed(uv_handle_t *h)
{
    struct peer *p = CONTAINER_OF(h, struct peer, tcp);

    buf_done(&p->in);
    free(p);
}

static void peer_close(struct peer *p)
{
    if (!uv_is_closing((uv_handle_t *)&p->tcp))
        uv_close((uv_handle_t *)&p->tcp, on_peer_closed);
}

static void on_sent(uv_write_t *req, int status)
{
    (void)status;
    free(req->data);
    free(req);
}

static void say(struct peer *p, const char *text)
{
    uv_write_t *req = xmalloc(sizeof(*req));
    char *copy = xstrdup(text);
    uv_buf_t b = uv_buf_init(copy, (unsigned)strlen(text));

    req->data = copy;
    if (uv_write(req, (uv_stream_t *)&p->tcp, &b, 1, on_sent) != 0) {
        free(copy);
        free(req);
    }
}

static void serve(struct peer *p, const char *path)
{
    if (strcmp(path, "/ok") == 0) {
        say(p, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nRateLimit-Remaining: 4816\r\nRetry-After:  7 "
               "\r\n\r\nhello");
    } else if (strcmp(path, "/gone") == 0) {
        say(p, "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}");
    } else if (strcmp(path, "/away") == 0) {
        say(p, "HTTP/1.1 302 Found\r\nLocation: /ok\r\nContent-Length: 0\r\n\r\n");
    } else if (strcmp(path, "/close") == 0) {
        peer_close(p);
    } else if (strcmp(path, "/half") == 0) {
        say(p, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf");
        peer_close(p);
    } else if (strcmp(path, "/once") == 0) { /* a second request on the same connection finds it dead */
        if (p->requests > 1)
            peer_close(p);
        else
            say(p, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst");
    } else if (strcmp(path, "/headers") == 0) {
        say(p, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n");
        for (int i = 0; i < 1000; i++)
            say(p,
                "X-Many: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n");
        say(p, "\r\n");
    }
    /* else: silence */
}

static void on_bytes(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
    struct peer *p = CONTAINER_OF(s, struct peer, tcp);
    char path[64];
    const char *head_end;
    const char *length;
    size_t body = 0;
    size_t whole;

    if (n < 0) {
        peer_close(p);
    } else if (n > 0) {
        buf_put(&p->in, b->base, (size_t)n);
        head_end = strstr(buf_str(&p->in), "\r\n\r\n");
        if (head_end != NULL) {
            length = strstr(buf_str(&p->in), "Content-Length: ");
            if (length != NULL && length < head_end)
                body = (size_t)strtoul(length + 16, NULL, 10);
            whole = (size_t)(head_end - buf_str(&p->in)) + 4 + body;
            if (p->in.len >= whole) {
                (void)snprintf(p->w->last, sizeof(p->w->last), "%.*s", (int)whole, buf_str(&p->in));
                (void)sscanf(p->w->last, "%*s %63s", path);
                buf_consume(&p->in, whole);
                p->requests++;
                p->w->requests++;
                serve(p, path);
            }
        }
    }
    free(b->base);
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *b)
{
    (void)h;
    *b = uv_buf_init(xmalloc(suggested), (unsigned)suggested);
}

static void on_connection(uv_stream_t *s, int status)
{
    struct world *w = s->data;
    struct peer *p = xcalloc(1, sizeof(*p));

    assert_int_equal(status, 0);
    p->w = w;
    w->connections++;
    buf_init(&p->in, KIB(256));
    assert_int_equal(uv_tcp_init(&w->loop, &p->tcp), 0);
    assert_int_equal(uv_accept(s, (uv_stream_t *)&p->tcp), 0);
    assert_int_equal(uv_read_start((uv_stream_t *)&p->tcp, on_alloc, on_bytes), 0);
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    struct sockaddr_in at;
    int len = sizeof(at);

    assert_non_null(w);
    (void)signal(SIGPIPE, SIG_IGN);
    assert_int_equal(uv_loop_init(&w->loop), 0);
    assert_int_equal(uv_tcp_init(&w->loop, &w->listener), 0);
    w->listener.data = w;
    assert_int_equal(uv_ip4_addr("127.0.0.1", 0, &at), 0);
    assert_int_equal(uv_tcp_bind(&w->listener, (const struct sockaddr *)&at, 0), 0);
    assert_int_equal(uv_listen((uv_stream_t *)&w->listener, 16, on_connection), 0);
    assert_int_equal(uv_tcp_getsockname(&w->listener, (struct sockaddr *)&at, &len), 0);
    w->port = ntohs(at.sin_port);
    w->calls = http_calls_new(&w->loop, &(struct http_calls_opts){0});
    *state = w;
    return 0;
}

static void close_any(uv_handle_t *h, void *ctx)
{
    (void)ctx;
    if (!uv_is_closing(h) && h->type == UV_TCP && uv_is_active(h) && h->data == NULL)
        peer_close(CONTAINER_OF(h, struct peer, tcp));
}

static int teardown(void **state)
{
    struct world *w = *state;

    http_calls_free(w->calls);
    uv_close((uv_handle_t *)&w->listener, NULL);
    uv_walk(&w->loop, close_any, NULL);
    while (uv_run(&w->loop, UV_RUN_DEFAULT) != 0) {
    }
    assert_int_equal(uv_loop_close(&w->loop), 0);
    free(w);
    return 0;
}

/* ---- asking ---- */

static void url_of(const struct world *w, const char *path, char *out, size_t size)
{
    (void)snprintf(out, size, "http://127.0.0.1:%d%s", w->port, path);
}

static void on_answer(void *ctx, const struct http_answer *a)
{
    struct world *w = ctx;
    char url[128];

    w->call = NULL;
    w->answers++;
    w->fate = a->fate;
    w->status = a->status;
    (void)snprintf(w->body, sizeof(w->body), "%.*s", (int)a->body.len,
                   a->body.ptr != NULL ? a->body.ptr : "");
    (void)snprintf(w->error, sizeof(w->error), "%s", a->error);
    w->limit = http_call_number(a->headers, "ratelimit-remaining");
    if (w->then != NULL) {
        url_of(w, w->then, url, sizeof(url));
        w->then = NULL;
        http_call_start(w->calls, &(struct http_call_opts){.url = url, .on_answer = on_answer, .ctx = w},
                        &w->call);
    }
}

static void on_late(uv_timer_t *t)
{
    *(bool *)t->data = true;
}

/* Turn the loop until so many answers came. */
static void await(struct world *w, unsigned answers)
{
    bool late = false;
    uv_timer_t t;

    (void)uv_timer_init(&w->loop, &t);
    t.data = &late;
    (void)uv_timer_start(&t, on_late, 20000, 0);
    while (w->answers < answers && !late)
        (void)uv_run(&w->loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&t, NULL);
    (void)uv_run(&w->loop, UV_RUN_NOWAIT);
    assert_false(late);
}

static void ask(struct world *w, const char *path, struct http_call_opts o)
{
    char url[128];

    url_of(w, path, url, sizeof(url));
    o.url = url;
    o.on_answer = on_answer;
    o.ctx = w;
    w->call = NULL;
    http_call_start(w->calls, &o, &w->call);
    assert_non_null(w->call); /* the answer did not come from inside */
    await(w, w->answers + 1);
}

/* ---- claims ---- */

static void test_http_call__an_answer_comes_with_status_headers_and_body(void **state)
{
    struct world *w = *state;

    ask(w, "/ok", (struct http_call_opts){0});
    assert_int_equal(w->fate, HTTP_ANSWERED);
    assert_int_equal(w->status, 200);
    assert_string_equal(w->body, "hello");
    assert_string_equal(w->error, "");
    assert_int_equal(w->limit, 4816);
    ask(w, "/gone", (struct http_call_opts){0});
    assert_int_equal(w->fate, HTTP_ANSWERED);
    assert_int_equal(w->status, 404);
    assert_int_equal(w->connections, 1); /* a kept one was used */
}

static void test_http_call__sends_method_body_and_bearer(void **state)
{
    struct world *w = *state;

    ask(w, "/ok",
        (struct http_call_opts){
            .method = "POST", .body = SLICE("{\"a\":1}"), .bearer = SLICE("s3cret"), .body_is_secret = true});
    assert_int_equal(w->status, 200);
    assert_ptr_equal(strstr(w->last, "POST /ok HTTP/1.1\r\n"), w->last);
    assert_non_null(strstr(w->last, "\r\nAuthorization: Bearer s3cret\r\n"));
    assert_non_null(strstr(w->last, "\r\nContent-Type: application/json\r\n"));
    assert_null(strstr(w->last, "Expect"));
    assert_non_null(strstr(w->last, "\r\n\r\n{\"a\":1}"));
    ask(w, "/ok", (struct http_call_opts){.method = "DELETE"});
    assert_ptr_equal(strstr(w->last, "DELETE /ok HTTP/1.1\r\n"), w->last);
    assert_null(strstr(w->last, "Authorization"));
}

static void test_http_call__a_redirect_is_not_followed(void **state)
{
    struct world *w = *state;

    ask(w, "/away", (struct http_call_opts){.bearer = SLICE("s3cret")});
    assert_int_equal(w->status, 302);
    assert_int_equal(w->requests, 1);
}

static void test_http_call__what_was_sent_without_an_answer_is_lost(void **state)
{
    static const char *const paths[] = {"/close", "/half", "/silence", "/headers"};
    struct world *w = *state;

    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        unsigned before = w->requests;

        ask(w, paths[i],
            (struct http_call_opts){
                .method = "POST", .body = SLICE("{}"), .bearer = SLICE("s3cret"), .deadline_ms = 300});
        assert_int_equal(w->fate, HTTP_LOST);
        assert_int_equal(w->status, 0);
        assert_int_equal(w->requests - before, 1); /* never twice */
        assert_true(strlen(w->error) > 10);
        assert_null(strstr(w->error, "s3cret"));
    }
}

static void test_http_call__a_body_over_the_limit_is_lost(void **state)
{
    struct world *w = *state;

    ask(w, "/ok", (struct http_call_opts){.answer_max = 4});
    assert_int_equal(w->fate, HTTP_LOST);
    assert_string_equal(w->error, "127.0.0.1 answered more than fits");
}

static void test_http_call__nobody_listening_means_not_sent(void **state)
{
    struct world *w = *state;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t len = sizeof(at);
    char url[64];

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/", ntohs(at.sin_port));
    http_call_start(w->calls,
                    &(struct http_call_opts){
                        .url = url, .method = "POST", .body = SLICE("{}"), .on_answer = on_answer, .ctx = w},
                    &w->call);
    await(w, 1);
    assert_int_equal(w->fate, HTTP_NOT_SENT);
    (void)close(fd);
}

static void test_http_call__a_dead_kept_connection_repeats_a_get_and_never_a_post(void **state)
{
    struct world *w = *state;

    ask(w, "/once", (struct http_call_opts){0});
    ask(w, "/once", (struct http_call_opts){0});
    assert_int_equal(w->fate, HTTP_ANSWERED);
    assert_int_equal(w->requests, 3); /* the second found the connection dead and was repeated on a new one */
    ask(w, "/once", (struct http_call_opts){.method = "POST", .body = SLICE("{}")});
    assert_int_equal(w->fate, HTTP_ANSWERED);
    assert_int_equal(w->requests, 4);
    ask(w, "/once", (struct http_call_opts){.method = "POST", .body = SLICE("{}")});
    assert_int_equal(w->requests, 5);
    assert_int_equal(w->connections, 4);
}

static void test_http_call__a_cancelled_call_is_not_answered(void **state)
{
    struct world *w = *state;
    char url[128];

    url_of(w, "/ok", url, sizeof(url));
    http_call_start(w->calls, &(struct http_call_opts){.url = url, .on_answer = on_answer, .ctx = w},
                    &w->call);
    http_call_cancel(&w->call);
    assert_null(w->call);
    http_call_cancel(&w->call);
    ask(w, "/ok", (struct http_call_opts){0});
    assert_int_equal(w->answers, 1);
}

static void test_http_call__an_answer_may_start_another_call(void **state)
{
    struct world *w = *state;

    w->then = "/gone";
    ask(w, "/ok", (struct http_call_opts){0});
    await(w, 2);
    assert_int_equal(w->status, 404);
}

static void test_http_call__many_at_once_wait_their_turn(void **state)
{
    struct world *w = *state;
    struct http_call *calls[60];
    char url[128];

    url_of(w, "/ok", url, sizeof(url));
    for (size_t i = 0; i < ARRAY_LEN(calls); i++)
        http_call_start(w->calls, &(struct http_call_opts){.url = url, .on_answer = on_answer, .ctx = w},
                        &calls[i]);
    await(w, ARRAY_LEN(calls));
    assert_int_equal(w->requests, ARRAY_LEN(calls));
    assert_true(w->connections <= 16);
}

static void test_http_call__urls_that_would_show_a_secret_are_refused(void **state)
{
    static const char *const good[] = {"https://api.example.org", "http://127.0.0.1:3000/x",
                                       "http://localhost:1", "http://[::1]:80"};
    static const char *const bad[] = {"http://api.example.org",
                                      "http://127.0.0.1.example.org",
                                      "https://u:p@host",
                                      "ftp://host",
                                      "https://",
                                      "nonsense",
                                      "",
                                      "http://10.0.0.1"};
    struct why why;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        if (http_call_url_check(good[i], &why) != ERR_OK)
            fail_msg("%s: %s", good[i], why.text);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (http_call_url_check(bad[i], &why) != ERR_INVALID)
            fail_msg("'%s' is accepted", bad[i]);
        assert_null(strstr(why.text, "u:p"));
    }
}

static void test_http_call__a_header_is_found_whatever_its_case(void **state)
{
    struct slice h =
        SLICE("HTTP/1.1 200 OK\r\nRateLimit-Reset:1444931833\r\nX: y\r\nratelimit: 9\r\nRetry-After: \t29 "
              "\r\nBad: 12x\r\nHuge: 99999999999999999999\r\nEmpty:\r\n\r\n");
    struct slice v;

    (void)state;
    assert_int_equal(http_call_number(h, "ratelimit-reset"), 1444931833);
    assert_int_equal(http_call_number(h, "Retry-After"), 29);
    assert_int_equal(http_call_number(h, "RateLimit"), 9);
    assert_int_equal(http_call_number(h, "bad"), -1);
    assert_int_equal(http_call_number(h, "huge"), -1);
    assert_int_equal(http_call_number(h, "empty"), -1);
    assert_int_equal(http_call_number(h, "http/1.1 200 ok"), -1);
    assert_true(http_call_header(h, "x", &v));
    assert_true(slice_eq(v, SLICE("y")));
    assert_false(http_call_header((struct slice){NULL, 0}, "x", &v));
}

/* ---- TLS ---- */

static char *folder_new(void)
{
    char path[] = "/tmp/wrata-http-call-XXXXXX";

    assert_non_null(mkdtemp(path));
    return xstrdup(path);
}

static void run_in(const char *folder, const char *script)
{
    char command[2048];

    (void)snprintf(command, sizeof(command), "cd '%s' && { %s; } >log 2>&1", folder, script);
    if (system(command) != 0)
        fail_msg("%s", command);
}

/* `openssl s_server` on a free port: it says which. */
static pid_t tls_server(const char *folder, int *port)
{
    int out[2];
    char line[512];
    pid_t pid;
    FILE *f;

    assert_int_equal(pipe(out), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)dup2(out[1], STDOUT_FILENO);
        (void)close(out[0]);
        if (chdir(folder) == 0)
            (void)execlp("openssl", "openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", "crt", "-key",
                         "key", "-www", (char *)NULL);
        _exit(127);
    }
    (void)close(out[1]);
    f = fdopen(out[0], "r");
    assert_non_null(f);
    *port = 0;
    while (*port == 0 && fgets(line, sizeof(line), f) != NULL)
        (void)sscanf(line, "ACCEPT 127.0.0.1:%d", port);
    assert_true(*port > 0);
    (void)fclose(f);
    return pid;
}

static void ask_tls(struct world *w, const char *ca, const char *host, int port)
{
    struct http_calls *calls = http_calls_new(&w->loop, &(struct http_calls_opts){.ca = ca});
    char url[128];

    (void)snprintf(url, sizeof(url), "https://%s:%d/", host, port);
    http_call_start(
        calls,
        &(struct http_call_opts){.url = url, .bearer = SLICE("s3cret"), .on_answer = on_answer, .ctx = w},
        &w->call);
    await(w, w->answers + 1);
    http_calls_free(calls);
}

static void test_http_call__a_certificate_is_verified_before_anything_is_sent(void **state)
{
    struct world *w = *state;
    char *folder = folder_new();
    char ca[256];
    char command[256];
    int port;
    pid_t server;

    run_in(folder,
           "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key -out crt "
           "-days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost");
    server = tls_server(folder, &port);
    (void)snprintf(ca, sizeof(ca), "%s/crt", folder);
    ask_tls(w, ca, "localhost", port);
    assert_int_equal(w->fate, HTTP_ANSWERED);
    ask_tls(w, NULL, "localhost", port); /* an authority that nobody knows */
    assert_int_equal(w->fate, HTTP_NOT_SENT);
    assert_non_null(strstr(w->error, "certificate"));
    ask_tls(w, ca, "127.0.0.1", port); /* another name than the one in the certificate */
    assert_int_equal(w->fate, HTTP_NOT_SENT);
    assert_int_equal(kill(server, SIGKILL), 0);
    assert_int_equal(waitpid(server, NULL, 0), server);
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    assert_int_equal(system(command), 0);
    free(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_http_call__an_answer_comes_with_status_headers_and_body, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_http_call__sends_method_body_and_bearer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_http_call__a_redirect_is_not_followed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_http_call__what_was_sent_without_an_answer_is_lost, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_http_call__a_body_over_the_limit_is_lost, setup, teardown),
        cmocka_unit_test_setup_teardown(test_http_call__nobody_listening_means_not_sent, setup, teardown),
        cmocka_unit_test_setup_teardown(test_http_call__a_dead_kept_connection_repeats_a_get_and_never_a_post,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_http_call__a_cancelled_call_is_not_answered, setup, teardown),
        cmocka_unit_test_setup_teardown(test_http_call__an_answer_may_start_another_call, setup, teardown),
        cmocka_unit_test_setup_teardown(test_http_call__many_at_once_wait_their_turn, setup, teardown),
        cmocka_unit_test(test_http_call__urls_that_would_show_a_secret_are_refused),
        cmocka_unit_test(test_http_call__a_header_is_found_whatever_its_case),
        cmocka_unit_test_setup_teardown(test_http_call__a_certificate_is_verified_before_anything_is_sent,
                                        setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
