/* fuzz_lfs.c - any bytes as a pointer of Git LFS, as a line that asks for a file, and as what git printed of files that may be such. No
 * crash; what is taken names a file by 64 hex digits and a size that is allowed, and written again it says the same. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "project/project_private.h"
#include "wire/agent_lfs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct lfs_pointer *p)
{
    struct lfs_pointer again;
    char text[LFS_POINTER_BYTES_MAX];
    char line[LFS_REQUEST_BYTES_MAX];
    size_t n = lfs_pointer_write(p, text, sizeof(text));

    CHECK(lfs_is_oid(slice_of(p->oid)));
    CHECK(p->size <= LFS_SIZE_MAX);
    CHECK(n >= LFS_POINTER_BYTES_MIN);
    CHECK(lfs_pointer_read((struct slice){text, n}, &again) == LFS_POINTER);
    CHECK(strcmp(again.oid, p->oid) == 0);
    CHECK(again.size == p->size);
    n = (size_t)snprintf(line, sizeof(line), "%s %llu", p->oid, (unsigned long long)p->size);
    CHECK(n < sizeof(line));
    CHECK(lfs_request_read((struct slice){line, n}, &again));
    CHECK(again.size == p->size);
}

/* The same bytes as a list, and as answers about a list of two. */
static void as_answers(struct slice in)
{
    struct lfs_file two[] = {{.path = "a.bin", .blob = "0123456789012345678901234567890123456789"},
                             {.path = "b/c.bin", .blob = "1123456789012345678901234567890123456789"}};
    struct lfs_file again[2];
    struct lfs_files files;
    struct arena arena;
    struct why why;

    arena_init(&arena);
    if (lfs_candidates(in, &arena, &files, &why) == ERR_OK) {
        for (uint32_t i = 0; i < files.n; i++) {
            CHECK(answer_is_id(files.at[i].blob, strlen(files.at[i].blob)));
            CHECK(files.at[i].path[0] != '\0');
        }
    }
    memcpy(again, two, sizeof(two));
    files = (struct lfs_files){again, 2};
    if (lfs_pointers(in, &files, &why) == ERR_OK) {
        CHECK(files.n <= 2);
        for (uint32_t i = 0; i < files.n; i++)
            CHECK(files.at[i].is_broken || lfs_is_oid(slice_of(files.at[i].pointer.oid)));
    }
    files = (struct lfs_files){two, 2};
    if (lfs_filtered(in, &files, &why) == ERR_OK)
        CHECK(files.n <= 2);
    (void)lfs_config_url(in, &arena);
    arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = {(const char *)data, size};
    struct lfs_pointer p;

    if (lfs_pointer_read(in, &p) == LFS_POINTER)
        check(&p);
    if (lfs_request_read(in, &p))
        check(&p);
    as_answers(in);
    return 0;
}
