#include "project/yml_node.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "base/show.h"

#define SHOW_BYTES 60
#define TEXT_BYTES 400

struct reading {
    struct yml_problems *problems;
    yaml_parser_t parser;
    struct yml_node *open[YML_DEPTH_MAX]; /* mappings and lists that have not ended */
    uint32_t depth;
    uint32_t n_nodes;
    uint32_t n_documents;
    struct yml_node *root;
    const char *key; /* of the value that comes next; NULL: in a mapping a key comes */
    int key_line;
};

void yml_problem_add(struct yml_problems *p, int line, const char *key, const char *fmt, ...)
{
    char text[TEXT_BYTES * 4];
    char shown[TEXT_BYTES * 4 + 16];
    va_list ap;

    if (p->n == YML_PROBLEMS_MAX) {
        p->n_more++;
        return;
    }
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    (void)show_text(shown, sizeof(shown), text, TEXT_BYTES);
    p->at[p->n++] = (struct yml_problem){
        .line = line, .key = arena_strdup(p->arena, key), .text = arena_strdup(p->arena, shown)};
}

const char *yml_show(const struct yml_node *node, char *out, size_t size)
{
    char text[SHOW_BYTES + 32];

    if (yml_is_nothing(node)) {
        (void)snprintf(out, size, "nothing");
    } else if (node->kind != YML_TEXT) {
        (void)snprintf(out, size, "%s", node->kind == YML_LIST ? "a list" : "a mapping");
    } else {
        (void)show_text(text, sizeof(text), node->text, SHOW_BYTES);
        (void)snprintf(out, size, "'%s'", text);
    }
    return out;
}

bool yml_is_nothing(const struct yml_node *node)
{
    return node->kind == YML_TEXT && node->is_plain &&
           (node->text[0] == '\0' || strcmp(node->text, "~") == 0 || strcmp(node->text, "null") == 0);
}

/* ---- events ---- */

static bool bad(struct reading *r, int line, const char *text)
{
    yml_problem_add(r->problems, line, "", "%s", text);
    return false;
}

/* A key, of the mapping that is open. */
static bool on_key(struct reading *r, const yaml_event_t *ev, int line)
{
    const struct yml_node *map = r->open[r->depth - 1];
    const char *text = (const char *)ev->data.scalar.value;
    size_t n = ev->data.scalar.length;

    if (ev->type != YAML_SCALAR_EVENT)
        return bad(r, line, "a list or a mapping where a key belongs; quote what begins with [ or {");
    if (n == 0 || n > YML_KEY_BYTES_MAX || strlen(text) != n) {
        yml_problem_add(r->problems, line, "", "a key has 1 to %u characters", YML_KEY_BYTES_MAX);
        return false;
    }
    for (const struct yml_node *it = map->first; it != NULL; it = it->next) {
        if (strcmp(it->key, text) == 0) {
            yml_problem_add(r->problems, line, text, "is there already, in line %d; remove one of them",
                            it->line);
            return false;
        }
    }
    if (map->n == YML_KEYS_MAX) {
        yml_problem_add(r->problems, line, "", "more than %u keys in one mapping", YML_KEYS_MAX);
        return false;
    }
    r->key = arena_strdup(r->problems->arena, text);
    r->key_line = line;
    return true;
}

static struct yml_node *node_add(struct reading *r, enum yml_kind kind, int line)
{
    struct yml_node *node;
    struct yml_node *parent = r->depth > 0 ? r->open[r->depth - 1] : NULL;

    if (++r->n_nodes > YML_NODES_MAX) {
        yml_problem_add(r->problems, line, "", "more than %u values", YML_NODES_MAX);
        return NULL;
    }
    node = arena_alloc(r->problems->arena, sizeof(*node));
    *node = (struct yml_node){.kind = kind, .line = line, .key = r->key, .text = ""};
    if (parent != NULL && parent->kind == YML_MAP)
        node->line = r->key_line;
    r->key = NULL;
    if (parent == NULL) {
        r->root = node;
        return node;
    }
    if (parent->last == NULL)
        parent->first = node;
    else
        parent->last->next = node;
    parent->last = node;
    parent->n++;
    return node;
}

static bool on_text(struct reading *r, const yaml_event_t *ev, int line)
{
    const char *text = (const char *)ev->data.scalar.value;
    size_t n = ev->data.scalar.length;
    struct yml_node *node;

    if (strlen(text) != n)
        return bad(r, line, "a text holds a NUL character");
    node = node_add(r, YML_TEXT, line);
    if (node == NULL)
        return false;
    node->text = arena_strndup(r->problems->arena, text, n);
    node->is_plain = ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    return true;
}

static bool on_open(struct reading *r, enum yml_kind kind, int line)
{
    struct yml_node *node;

    if (r->depth == YML_DEPTH_MAX) {
        yml_problem_add(r->problems, line, "", "mappings and lists nest deeper than %u", YML_DEPTH_MAX);
        return false;
    }
    node = node_add(r, kind, line);
    if (node == NULL)
        return false;
    r->open[r->depth++] = node;
    return true;
}

static bool has_anchor_or_tag(const yaml_event_t *ev)
{
    switch (ev->type) {
    case YAML_SCALAR_EVENT:
        return ev->data.scalar.anchor != NULL || ev->data.scalar.tag != NULL;
    case YAML_SEQUENCE_START_EVENT:
        return ev->data.sequence_start.anchor != NULL || ev->data.sequence_start.tag != NULL;
    case YAML_MAPPING_START_EVENT:
        return ev->data.mapping_start.anchor != NULL || ev->data.mapping_start.tag != NULL;
    default:
        return false;
    }
}

static bool on_event(struct reading *r, const yaml_event_t *ev)
{
    int line = (int)ev->start_mark.line + 1;
    bool is_start = ev->type == YAML_SCALAR_EVENT || ev->type == YAML_SEQUENCE_START_EVENT ||
                    ev->type == YAML_MAPPING_START_EVENT;

    if (has_anchor_or_tag(ev))
        return bad(r, line, "anchors (&) and tags (!) are not understood here; quote the text");
    if (is_start && r->depth > 0 && r->open[r->depth - 1]->kind == YML_MAP && r->key == NULL)
        return on_key(r, ev, line);
    switch (ev->type) {
    case YAML_DOCUMENT_START_EVENT:
        return ++r->n_documents == 1 || bad(r, line, "a second document (---); there is one in a file");
    case YAML_MAPPING_START_EVENT:
        return on_open(r, YML_MAP, line);
    case YAML_SEQUENCE_START_EVENT:
        return on_open(r, YML_LIST, line);
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        r->depth--;
        return true;
    case YAML_SCALAR_EVENT:
        return on_text(r, ev, line);
    case YAML_ALIAS_EVENT:
        return bad(r, line, "aliases (*) are not understood here; quote the text, as in \"*.feature\"");
    default:
        return true;
    }
}

static void syntax_problem(struct reading *r)
{
    const yaml_parser_t *p = &r->parser;
    size_t line = (p->problem_mark.line > 0 ? p->problem_mark.line : p->context_mark.line) + 1;

    if (p->error == YAML_READER_ERROR)
        yml_problem_add(r->problems, (int)p->mark.line + 1, "",
                        "the text is not UTF-8, or holds control characters");
    else
        yml_problem_add(r->problems, (int)line, "", "this is not YAML: %s%s%s",
                        p->problem != NULL ? p->problem : "cannot be read", p->context != NULL ? " " : "",
                        p->context != NULL ? p->context : "");
}

struct yml_node *yml_read(struct slice text, struct yml_problems *p)
{
    struct reading r = {.problems = p};
    bool more = true;

    if (text.len > YML_BYTES_MAX) {
        yml_problem_add(p, 0, "", "the file has %zu bytes; %zu is the most", text.len, YML_BYTES_MAX);
        return NULL;
    }
    CHECK(yaml_parser_initialize(&r.parser) == 1);
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)(text.ptr != NULL ? text.ptr : ""),
                                 text.len);
    while (more && p->n == 0) {
        yaml_event_t ev;

        if (yaml_parser_parse(&r.parser, &ev) != 1) {
            syntax_problem(&r);
            break;
        }
        more = ev.type != YAML_STREAM_END_EVENT && on_event(&r, &ev);
        yaml_event_delete(&ev);
    }
    yaml_parser_delete(&r.parser);
    if (p->n == 0 && (r.root == NULL || yml_is_nothing(r.root))) { /* comments alone */
        r.root = arena_alloc(p->arena, sizeof(*r.root));
        *r.root = (struct yml_node){.kind = YML_MAP, .line = 1, .text = ""};
    }
    return p->n == 0 ? r.root : NULL;
}
