#include "agent/describe.h"

#include <stdlib.h>
#include <string.h>

#include "agent/procs.h"
#include "base/mem.h"

#define SHOWN_IN_REASON 100u /* bytes of a command line */
#define SHOWN_IN_NOTE 400u
#define PROCESSES_IN_NOTE 40u
#define CMDLINE_BYTES KIB(64)
#define EXAMPLE_BYTES 300u

/* One line of text at most `max` bytes long, cut between characters. */
static void put_cut(struct buf *b, struct slice s, size_t max)
{
    size_t n = s.len < max ? s.len : max;

    while (n > 0 && n < s.len && ((unsigned char)s.ptr[n] & 0xc0) == 0x80)
        n--;
    for (size_t i = 0; i < n; i++)
        buf_putc(b, (unsigned char)s.ptr[i] < 0x20 || s.ptr[i] == 0x7f ? ' ' : s.ptr[i]);
    if (n < s.len)
        buf_puts(b, "...");
}

/* The words of a process, hidden where they must be, into out. */
static void command_of(const struct describe_from *f, const struct proc_info *info, char *raw,
                       struct buf *out)
{
    size_t n = proc_cmdline(info->pid, raw, CMDLINE_BYTES);
    struct mask_stream ms;

    buf_clear(out);
    while (n > 0 && raw[n - 1] == ' ')
        n--;
    if (n == 0) { /* it wiped them, or is of the kernel */
        buf_puts(out, info->name);
    } else if (f->mask == NULL) {
        buf_put(out, raw, n);
    } else {
        mask_stream_init(&ms, f->mask);
        mask_feed(&ms, raw, n, out);
        mask_end(&ms, out);
        mask_stream_done(&ms);
        mem_wipe(raw, CMDLINE_BYTES);
    }
}

static void put_processes(const struct describe_from *f, size_t max, struct buf *reason, struct buf *note)
{
    char *raw = xmalloc(CMDLINE_BYTES);
    struct proc_info info;
    struct buf line;
    size_t named = 0;

    buf_init(&line, MASK_GROWTH * (CMDLINE_BYTES + MASK_FORM_BYTES_MAX));
    buf_puts(reason, "running:");
    for (size_t i = 0; i < f->n_pids && named < PROCESSES_IN_NOTE; i++) {
        if (!proc_get(f->pids[i], &info) || info.state == 'Z' ||
            (f->session != 0 && info.session != f->session))
            continue;
        command_of(f, &info, raw, &line);
        if (reason->len < max / 2) {
            buf_puts(reason, named > 0 ? ", " : " ");
            put_cut(reason, buf_slice(&line), SHOWN_IN_REASON);
        }
        buf_printf(note, "  process %d (parent %d): ", (int)info.pid, (int)info.ppid);
        put_cut(note, buf_slice(&line), SHOWN_IN_NOTE);
        buf_putc(note, '\n');
        named++;
    }
    buf_done(&line);
    free(raw);
}

/* ---- the example ---- */

/* The JSON text that begins at p (behind its quote), unescaped as far as names need it. Past it, or NULL. */
static const char *put_json_text(const char *p, const char *end, struct buf *out)
{
    for (; p < end && *p != '"'; p++) {
        char c = *p;

        if (c == '\\' && p + 1 < end) {
            p++;
            c = *p == 'n' || *p == 't' || *p == 'r' ? ' ' : *p;
            if (*p == 'u') /* rare in names: as it stands */
                buf_putc(out, '\\');
        }
        if (out->len < EXAMPLE_BYTES)
            buf_putc(out, c);
    }
    return p < end ? p + 1 : NULL;
}

static const char *find(const char *p, const char *end, const char *what)
{
    return p == NULL || p >= end ? NULL : memmem(p, (size_t)(end - p), what, strlen(what));
}

/* Adapters write {"e":"running","id":"...","path":["..",".."]}; the newest that no "example" follows is at work. */
static bool put_example(struct slice results, struct buf *out)
{
    const char *line = NULL;
    const char *end = NULL;
    const char *p = results.ptr;
    const char *last = results.ptr + results.len;

    while (p != NULL && p < last) {
        const char *nl = memchr(p, '\n', (size_t)(last - p));
        const char *stop = nl != NULL ? nl : last;

        if (find(p, stop, "\"e\":\"running\"") != NULL || find(p, stop, "\"e\": \"running\"") != NULL) {
            line = p;
            end = stop;
        } else if (nl != NULL && stop > p) {
            line = NULL;
        }
        p = nl != NULL ? nl + 1 : NULL;
    }
    if (line == NULL)
        return false;
    p = find(line, end, "\"path\":");
    p = p == NULL ? NULL : find(p, end, "[");
    for (p = find(p, end, "\""); p != NULL && *p == '"';) {
        p = put_json_text(p + 1, end, out);
        if (p != NULL && p < end && *p == ',')
            buf_putc(out, ' ');
        p = p != NULL && p < end && *p == ',' ? find(p, end, "\"") : NULL;
    }
    p = find(line, end, "\"id\":");
    p = p == NULL ? NULL : find(p + 5, end, "\"");
    if (p != NULL) {
        buf_puts(out, out->len > 0 ? " (" : "(");
        (void)put_json_text(p + 1, end, out);
        buf_putc(out, ')');
    }
    return out->len > 0;
}

/* "a | b | c": the last three lines. */
static void put_last_lines(struct slice s, size_t max, struct buf *out)
{
    size_t from;
    int lines = 0;

    while (s.len > 0 && (s.ptr[s.len - 1] == '\n' || s.ptr[s.len - 1] == '\r'))
        s.len--;
    for (from = s.len; from > 0; from--)
        if (s.ptr[from - 1] == '\n' && ++lines == 3)
            break;
    if (s.len > 0)
        buf_puts(out, "; last lines: ");
    for (; from < s.len && out->len < max; from++) {
        if (s.ptr[from] == '\n')
            buf_puts(out, " | ");
        else if (s.ptr[from] != '\r')
            buf_putc(out, s.ptr[from] == '\0' ? ' ' : s.ptr[from]);
    }
}

void describe_run(const struct describe_from *f, size_t max, struct buf *reason, struct buf *note)
{
    struct buf example;

    buf_init(&example, KIB(4));
    buf_puts(note, "\n[wrata: a limit ended it; at that moment it was running:\n");
    put_processes(f, max, reason, note);
    if (f->results.len > 0 && put_example(f->results, &example)) {
        buf_puts(reason, "; example: ");
        put_cut(reason, buf_slice(&example), EXAMPLE_BYTES);
        buf_puts(note, "  example: ");
        put_cut(note, buf_slice(&example), EXAMPLE_BYTES);
        buf_putc(note, '\n');
    }
    buf_done(&example);
    buf_puts(note, "]\n");
    put_last_lines(f->last, max, reason);
}
