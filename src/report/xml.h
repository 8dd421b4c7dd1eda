/* xml.h - a small reader of XML, for reports: bytes in, cut anywhere; elements, attributes and text out.
 *
 * UTF-8 only. Entities are the five of XML and characters by number: a document type is refused, so nothing can grow. Bytes that are
 * not UTF-8 and control characters are let through (frameworks write them); who shows them cleans them. Pure. */
#ifndef WRATA_REPORT_XML_H
#define WRATA_REPORT_XML_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

#define XML_DEPTH_MAX 64u
#define XML_NAME_MAX 256u
#define XML_ATTRS_MAX 64u
#define XML_VALUE_MAX KIB(64) /* of an attribute; the rest is dropped, it ends in "…" */

struct xml_attr {
    char name[XML_NAME_MAX];
    struct buf value;
};

struct xml_handler {
    void (*open)(void *ctx, const char *name, const struct xml_attr *attrs, uint32_t n);
    void (*text)(void *ctx, const char *s, size_t n); /* in pieces */
    void (*close)(void *ctx, const char *name);
};

enum xml_state {
    XML_TEXT,
    XML_TAG,    /* behind "<" */
    XML_NAME,   /* of an opening tag */
    XML_IN_TAG, /* before an attribute, "/" or ">" */
    XML_ATTR_NAME,
    XML_ATTR_EQ,
    XML_ATTR_QUOTE,
    XML_ATTR_VALUE,
    XML_EMPTY,     /* behind "/" */
    XML_CLOSE,     /* behind "</" */
    XML_CLOSE_END, /* behind its name */
    XML_BANG,      /* behind "<!" */
    XML_COMMENT,
    XML_CDATA,
    XML_PI,
    XML_FAILED,
};

struct xml {
    const struct xml_handler *handler;
    void *ctx;
    enum xml_state state;
    char names[XML_DEPTH_MAX][XML_NAME_MAX];
    uint32_t depth;
    bool had_root;
    char name[XML_NAME_MAX];
    uint32_t name_len;
    char word[64]; /* of an entity, of "<!...", of the declaration */
    uint32_t word_len;
    bool in_entity;
    uint32_t ends; /* characters seen of "-->", "]]>", "?>" */
    char quote;
    struct xml_attr attrs[XML_ATTRS_MAX];
    uint32_t n_attrs;
    uint32_t line;
    uint64_t at; /* bytes seen */
    struct buf declaration;
    char why[240]; /* FAILED: in words */
};

void xml_init(struct xml *x, const struct xml_handler *handler, void *ctx);
void xml_done(struct xml *x);
bool xml_feed(struct xml *x, const char *bytes, size_t n); /* false: it is no such XML; see why and line */
bool xml_end(struct xml *x);                               /* false: it ends in the middle */

#endif
