/* cmd_artifacts.c - `wrata artifacts`: the files that runs left to be kept. */
#include <stdio.h>
#include <string.h>

#include "cli/download.h"

static void print_list(struct cli *cli, const struct download_of *of, const json_t *list)
{
    static const char *const heads[] = {"ARTIFACT", "RUN", "SIZE", "EXAMPLE", "FILE"};
    const json_t *item;
    struct table t;
    struct buf out;
    struct buf size;
    size_t i;

    if (json_array_size(js_obj(list, "items")) == 0) {
        (void)printf("%s %lld left no files to be kept. `artifacts` of wrata.yml, or `wrata run --artifacts "
                     "GLOB`, asks "
                     "for some.\n",
                     of->run != 0 ? "Run" : "Launch", (long long)(of->run != 0 ? of->run : of->launch));
        return;
    }
    table_init(&t, ARRAY_LEN(heads));
    for (i = 0; i < ARRAY_LEN(heads); i++)
        table_cell(&t, heads[i]);
    json_array_foreach(js_obj(list, "items"), i, item)
    {
        const json_t *example = js_obj(item, "example");

        buf_init(&size, 64);
        text_bytes(&size, js_int(item, "bytes"));
        table_cellf(&t, "%lld", (long long)js_int(item, "id"));
        table_cellf(&t, "%lld", (long long)js_int(item, "run"));
        table_cell(&t, buf_str(&size));
        if (json_is_integer(example))
            table_cellf(&t, "%lld", (long long)json_integer_value(example));
        else
            table_cell(&t, "-");
        table_cell(&t, js_text(item, "path"));
        buf_done(&size);
    }
    buf_init(&out, MIB(256));
    table_print(&t, &cli->out, &out);
    (void)fwrite(buf_str(&out), 1, out.len, stdout);
    buf_done(&out);
    table_done(&t);
}

static void say_downloaded(const struct cli *cli, int64_t files, int64_t bytes, const char *where)
{
    struct buf out;

    if (cli->o.json)
        return;
    buf_init(&out, KIB(64));
    if (files >= 0) {
        text_count(&out, files, "file", "files");
        buf_puts(&out, ", ");
    }
    text_bytes(&out, bytes);
    buf_puts(&out, files >= 0 ? ", below " : " in ");
    text_escape(&out, where);
    (void)puts(buf_str(&out));
    buf_done(&out);
}

int cmd_artifacts(struct cli *cli)
{
    const char *text = cli->args[0];
    bool is_run = strncmp(text, "run:", 4) == 0;
    struct download_of of = {0};
    struct why why = {0};
    json_t *list = NULL;
    int64_t files = -1;
    int64_t bytes = 0;
    enum err err =
        parse_id(is_run ? "run" : "launch", is_run ? text + 4 : text, is_run ? &of.run : &of.launch, &why);

    interrupts_watch();
    client_cancel_by(cli->client, &interrupts);
    if (err == ERR_OK && cli->o.download != NULL && cli->o.zip != NULL)
        err = why_set(&why, ERR_INVALID, "zip", "--download and --zip exclude each other");
    if (err == ERR_OK && cli->o.zip != NULL) {
        err = download_zip(cli, &of, cli->o.zip, &bytes, &why);
        if (err == ERR_OK)
            say_downloaded(cli, files, bytes, cli->o.zip);
    } else if (err == ERR_OK && cli->o.download != NULL) {
        err = download_all(cli, &of, cli->o.download, &files, &bytes, &why);
        if (err == ERR_OK)
            say_downloaded(cli, files, bytes, cli->o.download);
    } else if (err == ERR_OK) {
        err = download_list(cli, &of, &list, &why);
    }
    if (list != NULL && cli->o.json) {
        (void)json_dumpf(list, stdout, JSON_COMPACT);
        (void)puts("");
    } else if (list != NULL) {
        print_list(cli, &of, list);
    }
    json_decref(list);
    return err == ERR_OK ? EXIT_PASSED : cli_fail_why(&why);
}
