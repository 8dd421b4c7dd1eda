/* yml_node.h - YAML as a tree of nodes that know their lines: mappings, lists, texts. Pure.
 *
 * libyaml reads; what a small file has no need of is refused with its line: anchors and aliases (so nothing is
 * larger than it looks), tags, several documents, keys that are there twice or are no text, depth, number. */
#ifndef WRATA_PROJECT_YML_NODE_H
#define WRATA_PROJECT_YML_NODE_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/mem.h"

#define YML_BYTES_MAX KIB(256)
#define YML_DEPTH_MAX 8u
#define YML_NODES_MAX 20000u
#define YML_KEYS_MAX 300u /* of one mapping */
#define YML_KEY_BYTES_MAX 64u
#define YML_PROBLEMS_MAX 50u

enum yml_kind { YML_TEXT, YML_LIST, YML_MAP };

struct yml_node {
    enum yml_kind kind;
    int line;              /* of its beginning, from 1; of a value in a mapping: of its key */
    const char *key;       /* in a mapping; NULL in a list */
    const char *text;      /* of a text, without NUL inside */
    bool is_plain;         /* written without quotes */
    struct yml_node *next; /* in the same mapping or list */
    struct yml_node *first;
    struct yml_node *last;
    uint32_t n; /* members of a mapping or list */
};

struct yml_problem {
    int line;         /* 0: none */
    const char *key;  /* "commands[2].glob"; "" the file as a whole */
    const char *text; /* what is wrong and what would be right */
};

/* What is wrong with a file, in the order of its lines. Everything lives in the arena. */
struct yml_problems {
    struct arena *arena;
    struct yml_problem at[YML_PROBLEMS_MAX];
    uint32_t n;
    uint32_t n_more;       /* that are not kept */
    struct yml_node *root; /* of the file, for the lines of what is checked later */
};

/* Texts are cut at some 400 bytes; control characters in them are shown as \xNN. */
void yml_problem_add(struct yml_problems *p, int line, const char *key, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

/* Read text. Everything lives in p->arena. NULL with problems in p; an empty file is an empty mapping. */
struct yml_node *yml_read(struct slice text, struct yml_problems *p);

/* "nothing", "a list", "a mapping" or the text in quotes, cut, into out (size bytes); returns out. */
const char *yml_show(const struct yml_node *node, char *out, size_t size);
/* Nothing stands behind the key: plain "", "~" or "null". */
bool yml_is_nothing(const struct yml_node *node);

#endif
