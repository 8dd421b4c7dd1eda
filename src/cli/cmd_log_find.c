/* cmd_log_find.c - `wrata log --grep`, `--regex`: the server searches, page by page; lines are printed as they are found. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/cmd_log.h"

#define PAGE_LINES 500

struct find {
    struct cli *cli;
    int64_t run;
    int64_t first;
    int64_t last;
    int64_t found;
    int64_t gave_up;
    int64_t gave_up_first;
    bool is_over; /* a line behind the last one came */
};

static void put_escaped(struct buf *path, const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;

        if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
            buf_putc(path, (char)c);
        else
            buf_printf(path, "%%%02X", c);
    }
}

/* Bytes of text that are `units` UTF-16 units, from `at` on. The text is valid UTF-8. */
static size_t bytes_of_units(const char *text, size_t at, int64_t units)
{
    while (units > 0 && text[at] != '\0') {
        units -= (unsigned char)text[at] >= 0xf0 ? 2 : 1;
        at++;
        while (((unsigned char)text[at] & 0xc0) == 0x80)
            at++;
    }
    return at;
}

/* A part of a line: for a terminal without what could move its cursor. */
static void put_part(const struct find *f, struct buf *out, const char *text, size_t n, enum color color)
{
    char *part = xstrndup(text, n);

    if (f->cli->out.is_tty) {
        struct buf safe;

        buf_init(&safe, MIB(1));
        text_escape(&safe, part);
        term_paint(out, &f->cli->out, color, buf_str(&safe));
        buf_done(&safe);
    } else {
        term_paint(out, &f->cli->out, color, part);
    }
    free(part);
}

static void put_match(struct find *f, const json_t *m, struct buf *out)
{
    const char *text = js_text(m, "text");
    const json_t *pair;
    size_t done = 0;
    int64_t units = 0;
    size_t i;

    if (f->cli->o.times)
        log_clock(out, js_int(m, "ms"));
    buf_printf(out, "%lld: ", (long long)js_int(m, "line"));
    if (js_int(m, "text_byte") > js_int(m, "byte"))
        buf_puts(out, "...");
    json_array_foreach(js_obj(m, "at"), i, pair)
    {
        int64_t from = json_integer_value(json_array_get(pair, 0));
        int64_t to = json_integer_value(json_array_get(pair, 1));
        size_t begin = bytes_of_units(text, done, from - units);
        size_t end = bytes_of_units(text, begin, to - from);

        put_part(f, out, text + done, begin - done, COLOR_NONE);
        put_part(f, out, text + begin, end - begin, COLOR_RED);
        done = end;
        units = to;
    }
    put_part(f, out, text + done, strlen(text + done), COLOR_NONE);
    buf_putc(out, '\n');
}

/* One page; *ret_next: the line where the next one begins, 0 there is none. */
static enum err find_page(struct find *f, int64_t from, int64_t *ret_next, struct why *reterr)
{
    const struct cli_opts *o = &f->cli->o;
    const json_t *m;
    json_t *doc = NULL;
    struct buf path;
    struct buf out;
    size_t i;
    enum err err;

    buf_init(&path, KIB(8));
    buf_init(&out, MIB(64));
    buf_printf(&path,
               API "/runs/%lld/log/search?regex=%d&case=%s&limit=%d&from_line=%lld&q=", (long long)f->run,
               o->regex != NULL, o->ignore_case ? "no" : "smart", PAGE_LINES, (long long)from);
    put_escaped(&path, o->regex != NULL ? o->regex : o->grep);
    err = ask(f->cli, "GET", buf_str(&path), NULL, &doc, reterr);
    json_array_foreach(js_obj(doc, "matches"), i, m)
    {
        f->is_over = js_int(m, "line") > f->last;
        if (f->is_over)
            break;
        put_match(f, m, &out);
        f->found++;
    }
    *ret_next = f->is_over ? 0 : js_int(doc, "next_line");
    if (f->gave_up == 0)
        f->gave_up_first = js_int(js_obj(doc, "gave_up"), "first");
    f->gave_up += js_int(js_obj(doc, "gave_up"), "lines");
    json_decref(doc);
    if (err == ERR_OK && fwrite(buf_str(&out), 1, out.len, stdout) != out.len)
        err = why_set(reterr, ERR_LIMIT, NULL, "standard output is closed");
    (void)fflush(stdout);
    buf_done(&out);
    buf_done(&path);
    return err;
}

int log_find(struct cli *cli, int64_t run)
{
    struct find f = {.cli = cli, .run = run, .first = 1, .last = INT64_MAX};
    const char *query = cli->o.regex != NULL ? cli->o.regex : cli->o.grep;
    struct why why = {0};
    int64_t next;
    enum err err = ERR_OK;

    if (query[0] == '\0' || strlen(query) > 1000)
        return cli_fail(EXIT_USAGE, "%s wants 1 to 1000 bytes", cli->o.regex != NULL ? "--regex" : "--grep");
    if (cli->o.lines != NULL)
        err = log_lines_parse(cli->o.lines, &f.first, &f.last, &why);
    for (next = f.first; err == ERR_OK && next > 0 && next <= f.last;)
        err = find_page(&f, next, &next, &why);
    if (err == ERR_LIMIT)
        return EXIT_PASSED;
    if (err != ERR_OK)
        return cli_fail_why(&why);
    if (f.gave_up > 0)
        cli_note(
            "%lld lines were passed over, line %lld is the first: the expression needs too many steps there",
            (long long)f.gave_up, (long long)f.gave_up_first);
    return f.found > 0 ? EXIT_PASSED : EXIT_FAILED;
}
