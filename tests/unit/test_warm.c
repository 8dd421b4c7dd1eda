/* test_warm.c - the processes that fork runs, with a stand-in for rspec that does what a test tells it: who may share one, and
 * that every run which is taken goes on, whatever the process does. The real one is met in tests/e2e/test_warm.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/launch.h"
#include "agent/warm.h"
#include "agent/warm_plan.h"

#define WAIT_MS 30000

/* ---- the plan ---- */

static const char *const argv_rspec[] = {"rspec", "a_spec.rb", NULL};
static const char *const argv_bundle[] = {"bundle", "exec", "rspec", "a_spec.rb", NULL};
static const char *const argv_other[] = {"bin/rspec", "a_spec.rb", NULL};

static void file_put(const char *dir, const char *name, const char *text, mode_t mode)
{
    char path[256];
    int fd;

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    (void)close(fd);
}

/* With the files that a test may have put there. */
static void dir_remove(const char *dir)
{
    static const char *const names[] = {"Gemfile", "gems.rb", "x.gemspec", "rspec"};
    char path[256];

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
        (void)unlink(path);
    }
    assert_int_equal(rmdir(dir), 0);
}

struct planned {
    struct arena arena;
    struct secret_env secrets;
    struct warm_plan plan;
    bool ok;
};

/* env: lines, the last `n_secrets` of them secret. */
static void plan_it(struct planned *p, const char *const *argv, const char *cwd, const char *preload,
                    const char *const *env, uint32_t n_secrets)
{
    struct warm_run r = {.launch = 1,
                         .project = 2,
                         .commit = SLICE("c"),
                         .argv = (char *const *)argv,
                         .secrets = &p->secrets,
                         .cwd = cwd,
                         .preload = slice_of(preload)};
    char **envp;
    char *to;
    size_t n = 0;

    *p = (struct planned){.secrets = {NULL, 0}};
    arena_init(&p->arena);
    while (env[n] != NULL)
        n++;
    envp = arena_alloc(&p->arena, (n + 1) * sizeof(*envp));
    p->secrets.len = n_secrets > 0 ? 1000 : 0;
    to = p->secrets.at = n_secrets > 0 ? arena_alloc(&p->arena, 1000) : NULL;
    for (size_t i = 0; i < n; i++) {
        envp[i] = (char *)env[i];
        if (i >= n - n_secrets) {
            envp[i] = strcpy(to, env[i]);
            to += strlen(to) + 1;
        }
    }
    r.envp = envp;
    p->ok = warm_plan(&r, "/x/wrata_warm.rb", "WRATA_AGENT_RUN=m", &p->arena, &p->plan);
}

static void planned_done(struct planned *p)
{
    arena_done(&p->arena);
}

static void test_warm__is_for_rspec_alone(void **state)
{
    static const char *const env[] = {"A=1", "RUBYOPT=-w", "WRATA_RUN_ID=5", "SPEC_LANGUAGE=de", NULL};
    struct planned p;

    (void)state;
    plan_it(&p, argv_other, "/", NULL, env, 0);
    assert_false(p.ok);
    planned_done(&p);
    plan_it(&p, argv_rspec, "/", NULL, env, 0);
    assert_true(p.ok);
    assert_int_equal(p.plan.n_words, 1);
    assert_string_equal(p.plan.argv[0], "rspec");
    assert_string_equal(p.plan.argv[1], "--version");
    assert_null(p.plan.argv[3]);
    assert_string_equal(p.plan.envp[0], "A=1");
    assert_string_equal(p.plan.envp[1], "RUBYOPT=-r/x/wrata_warm.rb -w");
    assert_string_equal(p.plan.envp[2], "WRATA_WARM=");
    assert_string_equal(p.plan.envp[3], "WRATA_AGENT_RUN=m");
    assert_null(p.plan.envp[4]);
    planned_done(&p);
    plan_it(&p, argv_bundle, "/", "spec/h.rb", env, 0);
    assert_int_equal(p.plan.n_words, 3);
    assert_string_equal(p.plan.argv[3], "--version");
    assert_string_equal(p.plan.envp[1], "SPEC_LANGUAGE=de"); /* what is preloaded may look at it */
    assert_string_equal(p.plan.envp[3], "WRATA_WARM=spec/h.rb");
    planned_done(&p);
}

static bool keys_are_equal(const char *const *argv, const char *cwd, const char *preload,
                           const char *const *one, const char *const *two)
{
    struct planned a;
    struct planned b;
    bool equal;

    plan_it(&a, argv, cwd, preload, one, 0);
    plan_it(&b, argv, cwd, preload, two, 0);
    assert_true(a.ok && b.ok);
    equal = slice_eq(a.plan.key, b.plan.key);
    planned_done(&a);
    planned_done(&b);
    return equal;
}

static void test_warm__equal_runs_share_a_process(void **state)
{
    static const char *const one[] = {"A=1", "SPEC_LANGUAGE=de", "SPEC_BROWSER=x", "WRATA_RUN_ID=1", NULL};
    static const char *const again[] = {"A=1", "SPEC_LANGUAGE=fr", "WRATA_RUN_ID=2", "WRATA_ATTEMPT=2", NULL};
    static const char *const other[] = {"A=2", "SPEC_LANGUAGE=de", "SPEC_BROWSER=x", "WRATA_RUN_ID=1", NULL};
    char dir[] = "/tmp/wrata-warm-XXXXXX";

    (void)state;
    assert_non_null(mkdtemp(dir));
    assert_true(keys_are_equal(argv_rspec, dir, NULL, one, again));
    assert_false(keys_are_equal(argv_rspec, dir, NULL, one, other));
    assert_false(keys_are_equal(argv_rspec, dir, "h.rb", one, again));
    assert_true(keys_are_equal(argv_bundle, dir, NULL, one, again));
    file_put(dir, "x.gemspec", "s.version = ENV['V']", 0644);
    assert_true(keys_are_equal(argv_rspec, dir, NULL, one, again)); /* nobody reads it */
    assert_false(keys_are_equal(argv_bundle, dir, NULL, one, again));
    file_put(dir, "x.gemspec", "", 0644);
    file_put(dir, "Gemfile", "eval_gemfile 'other'", 0644);
    assert_false(keys_are_equal(argv_bundle, dir, NULL, one, again));
    dir_remove(dir);
}

static void test_warm__secrets_are_never_missed(void **state)
{
    static const char *const env[] = {"A=1", "KEY=secret", NULL};
    static const char *const boot[] = {"A=1", "BUNDLE_GITHUB__COM=secret", NULL};
    char dir[] = "/tmp/wrata-warm-XXXXXX";
    struct planned p;

    (void)state;
    assert_non_null(mkdtemp(dir));
    plan_it(&p, argv_bundle, dir, "h.rb", env, 1);
    assert_true(p.ok);
    assert_int_equal(p.plan.preload.len, 0);
    for (char *const *e = p.plan.envp; *e != NULL; e++)
        assert_null(strstr(*e, "secret"));
    assert_null(memmem(p.plan.key.ptr, p.plan.key.len, "secret", 6));
    planned_done(&p);
    plan_it(&p, argv_bundle, dir, NULL, boot, 1);
    assert_false(p.ok);
    planned_done(&p);
    file_put(dir, "gems.rb", "gem 'x' if ENV['KEY']", 0644);
    plan_it(&p, argv_bundle, dir, NULL, env, 1);
    assert_false(p.ok);
    planned_done(&p);
    plan_it(&p, argv_rspec, dir, NULL, env, 1);
    assert_true(p.ok);
    planned_done(&p);
    dir_remove(dir);
}

/* ---- the processes ---- */

/* What $MODE says; as adapters/rspec/wrata_warm.rb else. */
static const char stand_in[] =
    "#!/usr/bin/python3 -I\n"
    "import os, socket, sys, time\n"
    "mode = os.environ['MODE']\n"
    "print('booting', flush=True)\n"
    "if mode == 'exits': sys.exit('no database')\n"
    "if mode == 'loud': print('x' * 70000, flush=True)\n"
    "if mode == 'never': time.sleep(1000)\n"
    "s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, 3)\n"
    "if mode == 'nonsense': s.send(b'what')\n"
    "s.send(b'ready')\n"
    "os.dup2(os.open('/dev/null', os.O_WRONLY), 1)\n"
    "while True:\n"
    "    words = s.recv(4096).decode().split()\n"
    "    if not words: sys.exit()\n"
    "    if mode == 'mute': continue\n"
    "    if mode == 'stranger': s.send(b'child 1')\n"
    "    if mode == 'stale': s.send(b'stale Gemfile')\n"
    "    if mode == 'failed': s.send(b'failed no luck')\n"
    "    if mode == 'dies': os.kill(os.getpid(), 9)\n"
    "    if mode != 'ok': continue\n"
    "    agent, log, results, request = words[1:]\n"
    "    between = os.fork()\n"
    "    if between:\n"
    "        os.waitpid(between, 0)\n"
    "        continue\n"
    "    if os.fork(): os._exit(0)\n"
    "    os.setsid()\n"
    "    def find(text, how):\n"
    "        number, inode = text.split(':')\n"
    "        fd = os.open('/proc/%s/fd/%s' % (agent, number), how)\n"
    "        assert os.fstat(fd).st_ino == int(inode)\n"
    "        return fd\n"
    "    out, request = find(log, os.O_WRONLY), os.fdopen(find(request, os.O_RDONLY), 'rb')\n"
    "    while os.getppid() != int(agent): time.sleep(0.001)\n"
    "    s.send(b'child %d' % os.getpid())\n"
    "    os.write(out, request.read().replace(b'\\0', b','))\n"
    "    os._exit(7)\n";

struct world {
    char dir[32];
    struct warm *warm;
    struct mono now;
    int log[2];
    int results[2];
    uint64_t run; /* that was given last */
    /* How it went on. */
    pid_t child;
    char said[64];
    bool went_plain;
    char why[400];
};

static void on_child(void *ctx, uint64_t run, pid_t pid, struct slice said)
{
    struct world *w = ctx;

    assert_int_equal(run, w->run);
    assert_int_equal(w->child, 0);
    assert_false(w->went_plain);
    w->child = pid;
    (void)snprintf(w->said, sizeof(w->said), "%.*s", (int)said.len, said.ptr);
}

static void on_plain(void *ctx, uint64_t run, const char *why)
{
    struct world *w = ctx;

    assert_int_equal(run, w->run);
    assert_int_equal(w->child, 0);
    assert_false(w->went_plain);
    w->went_plain = true;
    (void)snprintf(w->why, sizeof(w->why), "%s", why != NULL ? why : "");
}

static int world_setup(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));

    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    memcpy(w->dir, "/tmp/wrata-warm-XXXXXX", 23);
    assert_non_null(mkdtemp(w->dir));
    file_put(w->dir, "rspec", stand_in, 0755);
    assert_int_equal(pipe2(w->log, O_CLOEXEC), 0);
    assert_int_equal(pipe2(w->results, O_CLOEXEC), 0);
    w->warm = warm_new(
        &(struct warm_opts){.script = "/x.rb", .mark = "m", .child = on_child, .plain = on_plain, .ctx = w});
    w->now = mono_now();
    *state = w;
    return 0;
}

static int world_teardown(void **state)
{
    struct world *w = *state;
    int status;

    warm_free(w->warm);
    while (waitpid(-1, &status, 0) > 0)
        continue; /* all of them go: nothing is left to wait for */
    assert_int_equal(errno, ECHILD);
    dir_remove(w->dir);
    for (int i = 0; i < 2; i++) {
        (void)close(w->log[i]);
        (void)close(w->results[i]);
    }
    free(w);
    return 0;
}

static bool take(struct world *w, const char *mode, const char *preload)
{
    char path[64];
    char entry[32];
    char *env[] = {path, entry, NULL};
    char *argv[] = {"rspec", "a", "b c", NULL};
    struct secret_env none = {NULL, 0};

    (void)snprintf(path, sizeof(path), "PATH=%s:/usr/bin", w->dir);
    (void)snprintf(entry, sizeof(entry), "MODE=%s", mode);
    w->run++;
    w->child = 0;
    w->went_plain = false;
    return warm_take(w->warm, w->now,
                     &(struct warm_run){.run = w->run,
                                        .launch = 1,
                                        .project = 1,
                                        .commit = SLICE("c"),
                                        .argv = argv,
                                        .envp = env,
                                        .secrets = &none,
                                        .cwd = w->dir,
                                        .preload = slice_of(preload),
                                        .log = w->log[1],
                                        .results = w->results[1]});
}

/* Until the run goes on, one way or the other. Only a process that is none of these is not waited for here. */
static void settle(struct world *w)
{
    struct mono end = mono_add_ms(mono_now(), WAIT_MS);

    while (w->child == 0 && !w->went_plain) {
        struct pollfd fds[4];
        size_t n = warm_poll_add(w->warm, fds, 4);
        siginfo_t info = {0};

        if (!mono_before(mono_now(), end))
            fail_msg("the run does not go on");
        (void)poll(fds, n, 5);
        warm_poll_done(w->warm, w->now, fds, n);
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid > 0 &&
            warm_is_known_pid(w->warm, info.si_pid)) {
            assert_int_equal(waitpid(info.si_pid, NULL, 0), info.si_pid);
            assert_true(warm_reaped(w->warm, w->now, info.si_pid));
        }
    }
}

static void assert_plain(struct world *w, const char *mode, const char *preload, const char *why)
{
    assert_true(take(w, mode, preload));
    settle(w);
    assert_true(w->went_plain);
    if (strstr(w->why, why) == NULL || (why[0] == '\0' && w->why[0] != '\0'))
        fail_msg("%s: '%s' does not have '%s'", mode, w->why, why);
}

static void assert_forked(struct world *w)
{
    char text[400] = "";
    int status;

    assert_true(take(w, "ok", NULL));
    settle(w);
    assert_false(w->went_plain);
    assert_string_equal(w->said, "booting\n");
    assert_int_equal(waitpid(w->child, &status, 0), w->child);
    assert_int_equal(WEXITSTATUS(status), 7);
    assert_true(read(w->log[0], text, sizeof(text) - 1) > 0);
    assert_non_null(strstr(text, "2,a,b c,2,PATH="));
    assert_non_null(strstr(text, "MODE=ok,end,"));
    warm_leave(w->warm, w->now, 0);
}

static void test_warm__runs_are_forked_one_after_the_other(void **state)
{
    struct world *w = *state;

    for (int i = 0; i < 5; i++)
        assert_forked(w);
}

static void test_warm__a_boot_that_fails_is_tried_once(void **state)
{
    struct world *w = *state;

    assert_plain(w, "exits", NULL, "");
    assert_false(take(w, "exits", NULL));
    assert_plain(w, "exits", "spec/h.rb",
                 "[wrata: spec/h.rb is not preloaded, each file starts by itself: it ended while it started: "
                 "booting no database]\n");
    assert_false(take(w, "exits", "spec/h.rb"));
    assert_plain(w, "loud", NULL, "");
    assert_plain(w, "nonsense", "h.rb", "what");
    assert_plain(w, "failed", NULL, "");
    assert_false(take(w, "failed", NULL));
    assert_forked(w);
}

static void test_warm__whatever_it_does_the_run_goes_on(void **state)
{
    static const char *const modes[] = {"stranger", "stale", "dies"};
    struct world *w = *state;

    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        if (!take(w, modes[i], NULL)) /* the one before served nobody: two in a row are asked for */
            assert_true(take(w, modes[i], NULL));
        settle(w);
        assert_true(w->went_plain);
        assert_string_equal(w->why, "");
    }
}

static void test_warm__nobody_waits_longer_than_so(void **state)
{
    struct world *w = *state;

    assert_true(take(w, "never", NULL));
    w->now = mono_add_ms(w->now, WARM_BOOT_MS - 1);
    warm_tick(w->warm, w->now);
    assert_false(w->went_plain);
    w->now = mono_add_ms(w->now, 1);
    assert_false(mono_before(w->now, warm_deadline(w->warm)));
    warm_tick(w->warm, w->now);
    assert_true(w->went_plain);
    assert_false(take(w, "never", NULL));
    assert_true(take(w, "mute", NULL));
    for (struct mono end = mono_add_ms(mono_now(), WAIT_MS);
         warm_deadline(w->warm).us - w->now.us > WARM_FORK_MS * 1000;) {
        struct pollfd fds[4];
        size_t n = warm_poll_add(w->warm, fds, 4);

        assert_true(mono_before(mono_now(), end));
        (void)poll(fds, n, 5);
        warm_poll_done(w->warm, w->now, fds, n);
    }
    warm_tick(w->warm, mono_add_ms(w->now, WARM_FORK_MS - 1));
    assert_false(w->went_plain);
    warm_tick(w->warm, mono_add_ms(w->now, WARM_FORK_MS));
    assert_true(w->went_plain);
}

static void test_warm__is_given_back_after_a_minute_without_runs(void **state)
{
    struct world *w = *state;
    struct pollfd fds[4];

    assert_forked(w);
    assert_true(take(w, "ok", NULL));
    settle(w);
    w->now = mono_add_ms(w->now, 3 * WARM_IDLE_MS);
    assert_int_equal(warm_deadline(w->warm).us, INT64_MAX); /* while a run of it lasts it is needed */
    warm_tick(w->warm, w->now);
    warm_leave(w->warm, w->now, 0);
    warm_tick(w->warm, mono_add_ms(w->now, WARM_IDLE_MS - 1));
    assert_int_equal(warm_deadline(w->warm).us, mono_add_ms(w->now, WARM_IDLE_MS).us);
    warm_tick(w->warm, mono_add_ms(w->now, WARM_IDLE_MS));
    assert_int_equal(warm_deadline(w->warm).us, INT64_MAX);
    assert_int_equal(warm_poll_add(w->warm, fds, 4), 0);
    assert_int_equal(waitpid(w->child, NULL, 0), w->child); /* its last child is not its own */
    assert_true(read(w->log[0], w->why, sizeof(w->why)) > 0);
    assert_forked(w);
}

static void test_warm__age_ends_it(void **state)
{
    struct world *w = *state;

    assert_forked(w);
    assert_forked(w);
    w->now = mono_add_ms(w->now, WARM_AGE_MS + 1);
    assert_true(take(w, "ok", NULL));
    assert_true(warm_deadline(w->warm).us - w->now.us > WARM_FORK_MS * 1000); /* it boots */
    settle(w);
    assert_true(w->child > 0);
}

static void test_warm__a_run_that_is_given_up_never_begins(void **state)
{
    struct world *w = *state;
    char text[8];

    assert_true(take(w, "ok", NULL)); /* it boots */
    warm_leave(w->warm, w->now, 0);
    assert_forked(w);
    assert_true(take(w, "ok", NULL)); /* it forks */
    warm_leave(w->warm, w->now, 0);
    (void)fcntl(w->log[0], F_SETFL, O_NONBLOCK);
    while (waitpid(-1, NULL, 0) > 0)
        continue; /* the process was killed, and a child that comes too late goes by itself */
    assert_int_equal(read(w->log[0], text, sizeof(text)), -1);
    assert_int_equal(w->child, 0);
    assert_false(w->went_plain);
}

static void test_warm__turns_of_different_kinds_do_not_pay(void **state)
{
    struct world *w = *state;

    assert_forked(w);
    assert_false(take(w, "mute", NULL)); /* ends the other, which served one run */
    assert_false(take(w, "ok", NULL));
    assert_false(take(w, "mute", NULL));
    assert_false(take(w, "ok", NULL));
    assert_forked(w);
}

int main(void)
{
#define WITH_WORLD(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_warm__is_for_rspec_alone),
        cmocka_unit_test(test_warm__equal_runs_share_a_process),
        cmocka_unit_test(test_warm__secrets_are_never_missed),
        WITH_WORLD(test_warm__runs_are_forked_one_after_the_other),
        WITH_WORLD(test_warm__a_boot_that_fails_is_tried_once),
        WITH_WORLD(test_warm__whatever_it_does_the_run_goes_on),
        WITH_WORLD(test_warm__nobody_waits_longer_than_so),
        WITH_WORLD(test_warm__is_given_back_after_a_minute_without_runs),
        WITH_WORLD(test_warm__age_ends_it),
        WITH_WORLD(test_warm__a_run_that_is_given_up_never_begins),
        WITH_WORLD(test_warm__turns_of_different_kinds_do_not_pay),
    };

    launch_init();
    return cmocka_run_group_tests_name("warm", tests, NULL, NULL);
}
