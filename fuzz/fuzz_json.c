/* fuzz_json.c - bodies into structs by the real tables, and any bytes through the writer and back. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "api/api_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_bodies(const char *text, size_t size)
{
    for (const struct route *const *table = all_routes; *table != NULL; table++) {
        for (const struct route *r = *table; r->path != NULL; r++) {
            struct arena arena;
            struct why why = {0};
            void *out;

            if (r->body == NULL)
                continue;
            arena_init(&arena);
            out = arena_alloc(&arena, r->body_bytes);
            if (field_read_json(r->body, text, size, &arena, out, &why) != ERR_OK) {
                CHECK(strlen(why.text) > 0);
                CHECK(field_text_is_clean(why.text, utf8_whole(why.text, strlen(why.text)), true));
            }
            arena_done(&arena);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct json_out j;
    struct buf b;
    json_t *back;

    if (size > 65536)
        return 0;
    try_bodies(text, size);
    buf_init(&b, MIB(1));
    jo_begin(&j, &b);
    jo_textn(&j, text, size);
    back = json_loadb(buf_str(&b), b.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    CHECK(back != NULL);
    if (field_text_is_clean(text, size, true)) {
        CHECK(json_string_length(back) == size);
        CHECK(size == 0 || memcmp(json_string_value(back), text, size) == 0);
    }
    json_decref(back);
    CHECK(utf8_whole(text, size) <= size);
    buf_done(&b);
    return 0;
}
