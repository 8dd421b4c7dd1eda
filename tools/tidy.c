/* tidy.c - our own rules about our own source, as a test: `wrata-tidy ROOT`.
 *
 * What a compiler cannot know: which folder may see which, which calls we do not make and what we call
 * instead, how long a function or a file may grow, what may not be left behind. Every rule is a row of a
 * table below; a new rule is a new row, and a line in tools/tidy-fixtures that shows it bites.
 *
 * Output is "path:line: fault", sorted by path; exit 1 when there was a fault. Warnings do not count. */
#include <dirent.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define FUNCTION_WARN_LINES 100
#define FUNCTION_MAX_LINES 150
#define FILE_MAX_LINES 1000
#define OPENING_FROM_LINES 40
#define FILES_MAX 8192
#define PATH_BYTES 1024

/* ---- the rules ------------------------------------------------------------------------------------------- */

/* Which folder of src/ may include which; its own is always allowed. "*" is all. A name with a slash is
 * one header. A folder without a row may not exist. */
static const struct {
    const char *folder;
    const char *may[13];
} directions[] = {
    {"base", {NULL}},
    {"wire", {"base"}},
    {"model", {"base", "wire"}},
    {"engine", {"base", "model"}},
    {"config", {"base"}},
    {"store", {"base", "model"}},
    {"net", {"base"}},
    {"link", {"base", "wire", "model", "net"}},
    {"fleet", {"base", "wire", "model", "net"}},
    {"project", {"base", "wire", "model", "net"}},
    {"notify", {"base", "wire", "model", "net"}},
    {"api",
     {"base", "wire", "model", "net", "project", "store", "accounts", "schedule", "config/seal.h",
      "config/secret.h", "engine/event.h", "engine/outbox.h"}},
    {"accounts", {"base", "model"}},
    {"schedule", {"base"}},
    {"report", {"base", "wire"}},
    {"agent", {"base", "wire", "report"}},
    {"cli", {"base", "wire", "model", "net", "config", "project/wrata_yml.h", "fleet/reap.h"}},
    {"server", {"*"}},
};

/* Headers made by the build, and who may see them. */
static const struct {
    const char *header;
    const char *folders[3];
} generated[] = {
    {"embed_agents.h", {"link", "server"}},
    {"embed_adapters.h", {"agent"}},
};

/* System headers that a part of src/ never sees; a trailing slash is a whole folder. */
static const struct {
    const char *under;
    const char *header;
    const char *instead;
} headers[] = {
    {"src/engine/", "time.h", "\"now\" arrives with the event"},
    {"src/engine/", "pthread.h", "the engine has one thread"},
    {"src/engine/", "unistd.h", "write what must happen in the outbox"},
    {"src/engine/", "stdio.h", "arena_printf, buf_printf"},
    {"src/engine/", "sys/", "write what must happen in the outbox"},
    {"src/engine/", "fcntl.h", "write what must happen in the outbox"},
    {"src/engine/", "signal.h", "write what must happen in the outbox"},
    {"src/engine/", "uv.h", "write what must happen in the outbox"},
    {"src/accounts/", "time.h", "\"now\" comes with the call"},
    {"src/accounts/", "pthread.h", "accounts have one thread"},
    {"src/accounts/", "unistd.h", "append a change; the caller acts"},
    {"src/accounts/", "sodium.h", "secrets come as digests, passwords as what argon2id made"},
    {"src/engine/", "jansson.h", "the engine sees structs of model/"},
    {"src/engine/", "sqlite3.h", "write a change in the outbox"},
    {"src/wire/", "sys/socket.h", "wire/ turns bytes into structs; link/ moves them"},
    {"src/wire/", "time.h", "wire/ does not know the time"},
};

/* Calls we do not make. */
static const struct {
    const char *under;
    const char *name;
    const char *instead;
} calls[] = {
    {"src/", "strcpy", "buf_puts, arena_strdup or snprintf"},
    {"src/", "strcat", "buf_puts or snprintf"},
    {"src/", "sprintf", "snprintf or buf_printf"},
    {"src/", "vsprintf", "vsnprintf"},
    {"src/", "gets", "a buffer with a maximum"},
    {"src/", "strtok", "a loop over a slice, or strtok_r"},
    {"src/", "system", "an argument vector and the spawn wrapper: nothing a user types meets a shell"},
    {"src/", "popen", "an argument vector and the spawn wrapper: nothing a user types meets a shell"},
    {"src/", "atoi", "strtoll with a check of its end and its range"},
    {"src/", "atol", "strtoll with a check of its end and its range"},
    {"src/", "tmpnam", "mkstemp or mkdtemp"},
    {"src/", "mktemp", "mkstemp or mkdtemp"},
    {"src/", "uv_spawn", "the posix_spawn wrapper: uv_spawn forks, which is slow in a large process"},
    {"src/engine/", "malloc", "xmalloc or the outbox's arena (base/mem.h)"},
    {"src/engine/", "calloc", "xcalloc (base/mem.h)"},
    {"src/engine/", "realloc", "xrealloc (base/mem.h)"},
    {"src/engine/", "strdup", "xstrdup (base/mem.h)"},
    {"src/engine/", "strndup", "xstrndup (base/mem.h)"},
    {"src/engine/", "rand", "the engine's own rng, seeded in its options"},
    {"src/engine/", "random", "the engine's own rng, seeded in its options"},
    {"src/engine/", "fopen", "a change in the outbox"},
    {"src/engine/", "open", "a change in the outbox"},
    {"src/engine/", "getenv", "a field of the engine's options"},
    {"src/engine/", "time", "the now of the event"},
    {"src/engine/", "clock_gettime", "the now of the event"},
    {"src/engine/", "mono_now", "the now of the event"},
    {"src/engine/", "wall_now", "the now of the event"},
    {"src/engine/", "log_line", "a note in the outbox"},
    {"src/agent/agent_core", "mono_now", "the now of the event"},
    {"src/agent/agent_core", "wall_now", "the now of the event"},
    {"src/agent/agent_core", "clock_gettime", "the now of the event"},
};

/* Production code does not ask whether it is tested: the world it is given differs, not its branches. */
static const char *const testing_words[] = {"testing", "is_testing", "in_test", "test_mode", "under_test"};

/* Written so that this file does not hold them. */
static const char *const leftovers[] = {"TO"
                                        "DO",
                                        "FIX"
                                        "ME",
                                        "XX"
                                        "X"};

static const char *const text_endings[] = {".c",   ".h",  ".def", ".sql", ".py",   ".rb",
                                           ".mjs", ".ts", ".css", ".sh",  ".cmake"};

static const char *const tops[] = {"src",   "tools", "tests",   "sim",      "fuzz",    "bench",
                                   "cmake", "web",   "scripts", "adapters", "examples"};

static const char *const skipped_folders[] = {"node_modules", "dist", "tidy-fixtures", "corpus",
                                              "__pycache__"};

/* ---- one file in memory ---------------------------------------------------------------------------------- */

struct source {
    const char *path; /* from the root: "src/engine/queue.c" */
    char *text;       /* as it is */
    char *code;       /* the same length, comments and literals as blanks; C only, else NULL */
    size_t len;
    int lines;
    bool is_header;
    bool has_own_header; /* x.c beside x.h */
};

static int fault_count;
static int warning_count;

static void fault(const struct source *s, int line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void warning(const struct source *s, int line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void fault(const struct source *s, int line, const char *fmt, ...)
{
    va_list ap;

    fault_count++;
    printf("%s:%d: ", s->path, line);
    va_start(ap, fmt);
    (void)vprintf(fmt, ap);
    va_end(ap);
    printf("\n");
}

static void warning(const struct source *s, int line, const char *fmt, ...)
{
    va_list ap;

    warning_count++;
    printf("%s:%d: warning: ", s->path, line);
    va_start(ap, fmt);
    (void)vprintf(fmt, ap);
    va_end(ap);
    printf("\n");
}

static void die(const char *what, const char *path)
{
    fprintf(stderr, "wrata-tidy: %s: %s\n", path, what);
    exit(2);
}

static bool starts_with(const char *s, const char *start)
{
    return strncmp(s, start, strlen(start)) == 0;
}

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s);
    size_t m = strlen(end);

    return n >= m && strcmp(s + n - m, end) == 0;
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* The next place of `word` standing alone, from `from` on; NULL when there is none. */
static const char *find_word(const char *text, const char *from, const char *word)
{
    size_t n = strlen(word);
    const char *p = from;

    while ((p = strstr(p, word)) != NULL) {
        if ((p == text || !is_word(p[-1])) && !is_word(p[n]))
            return p;
        p += n;
    }
    return NULL;
}

static int line_of(const char *text, const char *at)
{
    int line = 1;

    for (const char *p = text; p < at; p++)
        line += *p == '\n';
    return line;
}

/* Blank out comments, strings and characters, keeping newlines, so that rules meet code alone. */
static char *code_of(const char *text, size_t len)
{
    enum { CODE, LINE_COMMENT, COMMENT, STRING, CHAR } state = CODE;
    char *code = malloc(len + 1);

    if (code == NULL)
        abort();
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        char next = text[i + 1]; /* the NUL at the end is part of the text */

        code[i] = c == '\n' || state == CODE ? c : ' ';
        switch (state) {
        case CODE:
            if (c == '/' && (next == '/' || next == '*')) {
                state = next == '/' ? LINE_COMMENT : COMMENT;
                code[i++] = ' ';
                code[i] = ' ';
            } else if (c == '"') {
                state = STRING;
            } else if (c == '\'') {
                state = CHAR;
            }
            break;
        case LINE_COMMENT:
            if (c == '\n')
                state = CODE;
            break;
        case COMMENT:
            if (c == '*' && next == '/') {
                code[++i] = ' ';
                state = CODE;
            }
            break;
        case STRING:
        case CHAR:
            if (c == '\\' && next != '\0')
                code[++i] = next == '\n' ? '\n' : ' ';
            else if (c == (state == STRING ? '"' : '\''))
                state = CODE;
            break;
        }
    }
    code[len] = '\0';
    return code;
}

/* ---- the checks ------------------------------------------------------------------------------------------ */

static bool in_list(const char *const *list, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (list[i] != NULL && strcmp(list[i], name) == 0)
            return true;
    }
    return false;
}

/* "src/engine/queue.c" -> "engine"; false for other places. */
static bool folder_of(const char *path, char *out, size_t size)
{
    const char *slash;

    if (!starts_with(path, "src/"))
        return false;
    path += 4;
    slash = strchr(path, '/');
    if (slash == NULL || (size_t)(slash - path) >= size)
        return false;
    (void)snprintf(out, size, "%.*s", (int)(slash - path), path);
    return true;
}

static bool may_include(const char *folder, const char *header, const char *target)
{
    for (size_t i = 0; i < ARRAY_LEN(directions); i++) {
        const char *const *may = directions[i].may;

        if (strcmp(directions[i].folder, folder) != 0)
            continue;
        return in_list(may, ARRAY_LEN(directions[i].may), "*") ||
               in_list(may, ARRAY_LEN(directions[i].may), target) ||
               in_list(may, ARRAY_LEN(directions[i].may), header);
    }
    return false;
}

static void check_own_include(const struct source *s, int line, const char *folder, const char *header)
{
    const char *slash = strchr(header, '/');
    char target[64];

    if (slash == NULL) {
        for (size_t i = 0; i < ARRAY_LEN(generated); i++) {
            if (strcmp(generated[i].header, header) == 0) {
                if (!in_list(generated[i].folders, ARRAY_LEN(generated[i].folders), folder))
                    fault(s, line, "%s/ may not include \"%s\"", folder, header);
                return;
            }
        }
        fault(s, line, "write the folder: #include \"%s/%s\"", folder, header);
        return;
    }
    (void)snprintf(target, sizeof(target), "%.*s", (int)(slash - header), header);
    if (strcmp(target, folder) != 0 && !may_include(folder, header, target))
        fault(s, line, "%s/ may not include \"%s\": dependencies point one way (tools/tidy.c, directions)",
              folder, header);
}

static void check_system_include(const struct source *s, int line, const char *header)
{
    for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
        bool hit = ends_with(headers[i].header, "/") ? starts_with(header, headers[i].header)
                                                     : strcmp(header, headers[i].header) == 0;

        if (hit && starts_with(s->path, headers[i].under))
            fault(s, line, "%s never sees <%s>; use: %s", headers[i].under, header, headers[i].instead);
    }
}

static void check_includes(const struct source *s)
{
    char folder[64];
    char header[256];
    const char *p = s->text;
    int line = 0;

    if (!folder_of(s->path, folder, sizeof(folder)))
        return;
    if (!may_include(folder, "", folder)) {
        size_t known = 0;

        for (size_t i = 0; i < ARRAY_LEN(directions); i++)
            known += strcmp(directions[i].folder, folder) == 0;
        if (known == 0)
            fault(s, 1, "src/%s/ is not a module: give it a row in tools/tidy.c, directions", folder);
    }
    for (; p != NULL && *p != '\0'; p = strchr(p, '\n') == NULL ? NULL : strchr(p, '\n') + 1) {
        line++;
        if (sscanf(p, "#include \"%255[^\"]\"", header) == 1)
            check_own_include(s, line, folder, header);
        else if (sscanf(p, "#include <%255[^>]>", header) == 1)
            check_system_include(s, line, header);
    }
}

static void check_calls(const struct source *s)
{
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        const char *p = s->code;

        if (!starts_with(s->path, calls[i].under))
            continue;
        while ((p = find_word(s->code, p, calls[i].name)) != NULL) {
            const char *after = p + strlen(calls[i].name);
            bool is_member = p > s->code && (p[-1] == '.' || p[-1] == '>');

            while (*after == ' ')
                after++;
            if (*after == '(' && !is_member)
                fault(s, line_of(s->code, p), "no %s here; use: %s", calls[i].name, calls[i].instead);
            p = after;
        }
    }
}

static void check_testing(const struct source *s)
{
    const char *p = s->code;

    if (!starts_with(s->path, "src/"))
        return;
    while ((p = find_word(s->code, p, "if")) != NULL) {
        const char *end = strchr(p, '\n');
        char cond[512];

        if (end == NULL)
            end = p + strlen(p);
        (void)snprintf(cond, sizeof(cond), "%.*s", (int)(end - p), p);
        for (size_t i = 0; i < ARRAY_LEN(testing_words); i++) {
            if (find_word(cond, cond, testing_words[i]) != NULL)
                fault(s, line_of(s->code, p), "code does not ask whether it is tested; inject what differs");
        }
        p = end;
    }
}

/* The name before the first parenthesis of the lines from `from` to `to`. */
static void function_name(const char *from, const char *to, char *out, size_t size)
{
    const char *open = memchr(from, '(', (size_t)(to - from));
    const char *start;

    if (open == NULL) {
        (void)snprintf(out, size, "the block");
        return;
    }
    start = open;
    while (start > from && is_word(start[-1]))
        start--;
    (void)snprintf(out, size, "%.*s", (int)(open - start), start);
}

/* A body opens with a brace alone in the first column and closes the same way: the format check holds that. */
static void check_functions(const struct source *s)
{
    const char *head = s->code; /* after the last line that ended something */
    const char *p = s->code;
    char name[128];
    int opened = 0;
    int line = 0;

    while (*p != '\0') {
        const char *end = strchr(p, '\n');
        size_t n;

        if (end == NULL)
            end = p + strlen(p);
        n = (size_t)(end - p);
        line++;
        if (n == 1 && *p == '{') {
            opened = line;
            function_name(head, p, name, sizeof(name));
        } else if (n >= 1 && *p == '}') {
            int length = line - opened + 1;

            if (opened > 0 && length > FUNCTION_MAX_LINES)
                fault(s, opened, "%s is %d lines long; %d is the most", name, length, FUNCTION_MAX_LINES);
            else if (opened > 0 && length > FUNCTION_WARN_LINES)
                warning(s, opened, "%s is %d lines long; is it two?", name, length);
            opened = 0;
        }
        if (n == 0 || p[n - 1] == ';' || p[n - 1] == '}' || *p == '#')
            head = *end == '\0' ? end : end + 1;
        p = *end == '\0' ? end : end + 1;
    }
}

static void check_text(const struct source *s)
{
    const char *p = s->text;
    int line = 0;

    while (*p != '\0') {
        const char *end = strchr(p, '\n');

        if (end == NULL)
            end = p + strlen(p);
        line++;
        if (memchr(p, '\t', (size_t)(end - p)) != NULL)
            fault(s, line, "a tab; use four spaces");
        if (end > p && (end[-1] == ' ' || end[-1] == '\r'))
            fault(s, line, "a blank at the end of the line");
        p = *end == '\0' ? end : end + 1;
    }
    for (size_t i = 0; i < ARRAY_LEN(leftovers); i++) {
        p = s->text;
        while ((p = find_word(s->text, p, leftovers[i])) != NULL) {
            fault(s, line_of(s->text, p), "%s left behind; do it now, or open an issue", leftovers[i]);
            p++;
        }
    }
    if (s->len > 0 && s->text[s->len - 1] != '\n')
        fault(s, s->lines, "no newline at the end of the file");
}

static void check_shape(const struct source *s)
{
    if (s->lines > FILE_MAX_LINES)
        fault(s, s->lines, "%d lines; more than %d are two files", s->lines, FILE_MAX_LINES);
    if (starts_with(s->text, "/*"))
        return;
    if (s->is_header || (s->lines > OPENING_FROM_LINES && !s->has_own_header))
        fault(s, 1, "open with a comment: what it is, why it is so, what always holds");
}

/* ---- walking the tree ------------------------------------------------------------------------------------ */

struct paths {
    char *at[FILES_MAX];
    size_t count;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void walk(const char *root, const char *under, struct paths *found)
{
    char full[PATH_BYTES];
    struct dirent *entry;
    DIR *dir;

    (void)snprintf(full, sizeof(full), "%s/%s", root, under);
    dir = opendir(full);
    if (dir == NULL)
        return; /* a tree need not have every folder */
    while ((entry = readdir(dir)) != NULL) {
        char path[PATH_BYTES];
        struct stat st;

        if (entry->d_name[0] == '.' || in_list(skipped_folders, ARRAY_LEN(skipped_folders), entry->d_name))
            continue;
        if ((size_t)snprintf(path, sizeof(path), "%s/%s", under, entry->d_name) >= sizeof(path) ||
            (size_t)snprintf(full, sizeof(full), "%s/%s", root, path) >= sizeof(full))
            die("the path is too long", under);
        if (lstat(full, &st) != 0)
            continue; /* it went away between the two calls */
        if (S_ISDIR(st.st_mode)) {
            walk(root, path, found);
        } else if (S_ISREG(st.st_mode)) {
            if (found->count == FILES_MAX)
                die("too many files", root);
            found->at[found->count] = strdup(path);
            if (found->at[found->count++] == NULL)
                abort();
        }
    }
    (void)closedir(dir);
}

static char *read_all(const char *path, size_t *retlen)
{
    FILE *f = fopen(path, "rb");
    struct stat st;
    char *text;

    if (f == NULL || fstat(fileno(f), &st) != 0)
        die("cannot be read", path);
    text = malloc((size_t)st.st_size + 1);
    if (text == NULL)
        abort();
    *retlen = fread(text, 1, (size_t)st.st_size, f);
    text[*retlen] = '\0';
    (void)fclose(f);
    return text;
}

static void check_file(const char *root, const char *path)
{
    struct source s = {.path = path, .is_header = ends_with(path, ".h")};
    bool is_c = s.is_header || ends_with(path, ".c");
    char full[PATH_BYTES * 2];

    (void)snprintf(full, sizeof(full), "%s/%s", root, path);
    s.text = read_all(full, &s.len);
    for (size_t i = 0; i < s.len; i++)
        s.lines += s.text[i] == '\n';
    check_text(&s);
    if (is_c) {
        struct stat st;

        full[strlen(full) - 1] = 'h';
        s.has_own_header = stat(full, &st) == 0;
        s.code = code_of(s.text, s.len);
        check_shape(&s);
        check_includes(&s);
        check_calls(&s);
        check_testing(&s);
        check_functions(&s);
    }
    free(s.code);
    free(s.text);
}

int main(int argc, char **argv)
{
    static struct paths found;
    int checked = 0;

    if (argc != 2) {
        fprintf(stderr, "usage: wrata-tidy ROOT\n");
        return 2;
    }
    for (size_t i = 0; i < ARRAY_LEN(tops); i++)
        walk(argv[1], tops[i], &found);
    qsort(found.at, found.count, sizeof(found.at[0]), by_name);
    for (size_t i = 0; i < found.count; i++) {
        bool wanted = false;

        for (size_t j = 0; j < ARRAY_LEN(text_endings); j++)
            wanted = wanted || ends_with(found.at[i], text_endings[j]);
        if (wanted) {
            check_file(argv[1], found.at[i]);
            checked++;
        }
        free(found.at[i]);
    }
    printf("tidy: %d files, %d faults, %d warnings\n", checked, fault_count, warning_count);
    return fault_count > 0 ? 1 : 0;
}
