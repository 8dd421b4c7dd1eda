/* cmd_mail.c - `wrata mail`: a test mail, what waits and what failed, another try. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "cli/verbs.h"
#include "wire/json_out.h"

#define LOOK_MS 150
#define WAIT_MS (150 * 1000) /* as long as one try may take */

/* ---- list ---- */

static void mail_row(struct table *t, const json_t *m)
{
    table_cellf(t, "%lld", (long long)js_int(m, "id"));
    table_cell(t, js_text(m, "state"));
    table_cell(t, js_text(m, "kind"));
    table_cell(t, js_text(m, "to"));
    list_time(t, m, "created_at", "");
    table_cellf(t, "%lld", (long long)js_int(m, "tries"));
    table_cell(t, js_text(m, "error"));
}

static int mail_list(struct cli *cli)
{
    static const char *const heads[] = {"MAIL", "STATE", "KIND", "TO", "CREATED", "TRIES", "ERROR"};
    const struct list_view view = {.path = API "/mails",
                                   .heads = heads,
                                   .n_heads = ARRAY_LEN(heads),
                                   .row = mail_row,
                                   .empty = "No mail yet. To see whether it works: wrata mail test"};

    return list_show(cli, &view);
}

/* ---- test ---- */

/* Until its first try is over. *ret is the mail then. */
static enum err wait_for_try(struct cli *cli, int64_t id, json_t **ret, struct why *reterr)
{
    const struct timespec nap = {0, LOOK_MS * 1000000L};
    struct mono end = mono_add_ms(mono_now(), WAIT_MS);
    char path[64];
    enum err err;

    (void)snprintf(path, sizeof(path), API "/mails/%lld", (long long)id);
    for (;;) {
        json_decref(*ret);
        *ret = NULL;
        err = ask(cli, "GET", path, NULL, ret, reterr);
        if (err != ERR_OK || js_int(*ret, "tries") > 0)
            return err;
        if (!mono_before(mono_now(), end))
            return why_set(reterr, ERR_TIMEOUT, NULL,
                           "mail %lld still waits for its first try; `wrata mail list` shows it",
                           (long long)id);
        (void)nanosleep(&nap, NULL);
    }
}

static int say_outcome(const json_t *mail)
{
    const char *state = js_text(mail, "state");

    if (strcmp(state, "sent") != 0)
        return cli_fail(EXIT_INFRA, "mail %lld to %s was not sent%s: %s", (long long)js_int(mail, "id"),
                        js_text(mail, "to"), strcmp(state, "waiting") == 0 ? " and will be tried again" : "",
                        js_text(mail, "error"));
    say_out("mail %lld to %s was handed over to the mail server", (long long)js_int(mail, "id"),
            js_text(mail, "to"));
    return EXIT_PASSED;
}

static int mail_test(struct cli *cli)
{
    struct json_out j;
    struct buf body;
    struct why why = {0};
    json_t *mail = NULL;
    enum err err;
    int rc;

    buf_init(&body, KIB(64));
    jo_begin(&j, &body);
    jo_obj(&j);
    if (cli->n_args > 1)
        jo_ktext(&j, "to", cli->args[1]);
    jo_obj_end(&j);
    err = ask(cli, "POST", API "/mails/test", buf_str(&body), &mail, &why);
    if (err == ERR_OK)
        err = wait_for_try(cli, js_int(mail, "id"), &mail, &why);
    buf_done(&body);
    if (err != ERR_OK) {
        rc = cli_fail_why(&why);
    } else if (cli->o.json) {
        print_json(mail);
        rc = strcmp(js_text(mail, "state"), "sent") == 0 ? EXIT_PASSED : EXIT_INFRA;
    } else {
        rc = say_outcome(mail);
    }
    json_decref(mail);
    return rc;
}

/* ---- retry ---- */

static int mail_retry(struct cli *cli)
{
    struct why why = {0};
    json_t *answer = NULL;

    if (ask(cli, "POST", API "/mails/retry", NULL, &answer, &why) != ERR_OK)
        return cli_fail_why(&why);
    if (cli->o.json)
        (void)printf("{\"waiting\":%lld}\n", (long long)js_int(answer, "waiting"));
    else
        (void)printf("%lld mails are tried now; `wrata mail list` shows what becomes of them\n",
                     (long long)js_int(answer, "waiting"));
    json_decref(answer);
    return EXIT_PASSED;
}

/* ---- which ---- */

int cmd_mail(struct cli *cli)
{
    static const struct verb verbs[] = {{"list", 0, 0, mail_list},
                                        {"test", 0, 1, mail_test},
                                        {"retry", 0, 0, mail_retry},
                                        {NULL, 0, 0, NULL}};

    return verbs_run(cli, verbs);
}
