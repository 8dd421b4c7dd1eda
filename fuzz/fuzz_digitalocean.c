/* fuzz_digitalocean.c - whatever a cloud answers, reading it ends, and what is read keeps to its limits.
 *
 * The first byte chooses the reader, the rest is the answer. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "fleet/do_read.h"
#include "fleet/do_write.h"
#include "net/http_call.h"
#include "wire/field.h"

static void check_text(const char *s)
{
    size_t n = strlen(s);

    CHECK(n <= 255);
    CHECK(field_text_is_clean(s, n, false));
}

static void check_machine(const struct machine *m)
{
    CHECK(m->id[0] >= '1' && m->id[0] <= '9');
    CHECK(strspn(m->id, "0123456789") == strlen(m->id));
    CHECK(strspn(m->address, "0123456789.") == strlen(m->address)); /* it becomes a word of a command */
    CHECK((m->server == 0) == (m->intent == 0));
    CHECK(m->price_hour_microusd >= -1);
    check_text(m->name);
    check_text(m->size);
    check_text(m->region);
}

static void check_tags(const struct do_droplet *d)
{
    for (uint32_t i = 0; i < d->n_tags; i++)
        check_text(d->tags[i]);
}

static void read_one(struct slice in, struct arena *arena)
{
    const struct do_reading how = {.instance = "0123456789abcdef"};
    struct do_droplet d;
    struct why why;

    if (do_read_droplet(in, &how, arena, &d, &why) == ERR_OK) {
        check_machine(&d.m);
        check_tags(&d);
    }
    if (do_read_created(in, &how, arena, &d, &why) == ERR_OK)
        check_machine(&d.m);
}

static void read_list(struct slice in, struct arena *arena)
{
    const struct do_reading how = {.instance = NULL, .is_private = true};
    struct do_droplets list;
    struct why why;

    if (do_read_droplets(in, &how, arena, &list, &why) != ERR_OK)
        return;
    CHECK(list.n <= DO_PAGE_ITEMS_MAX);
    for (uint32_t i = 0; i < list.n; i++) {
        check_machine(&list.at[i].m);
        check_tags(&list.at[i]);
    }
}

static void read_catalog(struct slice in, struct arena *arena)
{
    struct do_sizes sizes;
    struct do_regions regions;
    struct do_images images;
    struct do_tags tags;
    uint32_t limit;
    struct why why;

    if (do_read_sizes(in, arena, &sizes, &why) == ERR_OK) {
        for (uint32_t i = 0; i < sizes.n; i++)
            check_text(sizes.at[i].name);
    }
    if (do_read_regions(in, arena, &regions, &why) == ERR_OK) {
        for (uint32_t i = 0; i < regions.n; i++)
            check_text(regions.at[i].name);
    }
    if (do_read_images(in, arena, &images, &why) == ERR_OK) {
        for (uint32_t i = 0; i < images.n; i++) {
            CHECK(images.at[i].id != 0);
            check_text(images.at[i].image.id);
            check_text(images.at[i].image.name);
        }
    }
    if (do_read_tags(in, arena, &tags, &why) == ERR_OK) {
        for (uint32_t i = 0; i < tags.n; i++) {
            struct buf path;

            check_text(tags.at[i].name);
            buf_init(&path, KIB(2));
            do_write_segment(tags.at[i].name, &path);
            CHECK(strpbrk(buf_str(&path), "/?#&") == NULL);
            buf_done(&path);
        }
    }
    if (do_read_account(in, &limit, &why) != ERR_OK)
        CHECK(why.code == ERR_PROTO);
}

static void read_headers(struct slice in)
{
    static const char *const names[] = {"RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset",
                                        "Retry-After"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        CHECK(http_call_number(in, names[i]) >= -1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = {(const char *)data + 1, size - 1};
    struct arena arena;
    char said[200];

    if (size == 0)
        return 0;
    arena_init(&arena);
    switch (data[0] % 4) {
    case 0:
        read_one(in, &arena);
        break;
    case 1:
        read_list(in, &arena);
        break;
    case 2:
        read_catalog(in, &arena);
        break;
    default:
        read_headers(in);
        break;
    }
    CHECK(strlen(do_read_error(in, said, sizeof(said))) < sizeof(said));
    arena_done(&arena);
    return 0;
}
