#include "wire/agent_lfs.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"

/* All that ever were: git-lfs reads each of them. */
static const char *const versions[] = {
    "version https://git-lfs.github.com/spec/v1",
    "version https://hawser.github.com/spec/v1",
    "version http://git-media.io/v/2",
};

bool lfs_is_oid(struct slice s)
{
    if (s.len != LFS_OID_CHARS)
        return false;
    for (size_t i = 0; i < s.len; i++)
        if (!((s.ptr[i] >= '0' && s.ptr[i] <= '9') || (s.ptr[i] >= 'a' && s.ptr[i] <= 'f')))
            return false;
    return true;
}

static bool take_size(struct slice s, uint64_t *ret)
{
    uint64_t n = 0;

    if (s.len == 0 || s.len > 15)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
        n = n * 10 + (uint64_t)(s.ptr[i] - '0');
    }
    *ret = n;
    return n <= LFS_SIZE_MAX;
}

static bool take_oid(struct slice s, struct lfs_pointer *ret)
{
    if (!lfs_is_oid(s))
        return false;
    memcpy(ret->oid, s.ptr, LFS_OID_CHARS);
    ret->oid[LFS_OID_CHARS] = '\0';
    return true;
}

/* The next line, without its end and the CR before it, which *rest moves past. */
static struct slice next_line(struct slice *rest)
{
    const char *end = rest->len > 0 ? memchr(rest->ptr, '\n', rest->len) : NULL;
    size_t n = end != NULL ? (size_t)(end - rest->ptr) : rest->len;
    struct slice line = {rest->ptr, n};

    *rest = end != NULL ? (struct slice){end + 1, rest->len - n - 1} : (struct slice){rest->ptr, 0};
    if (line.len > 0 && line.ptr[line.len - 1] == '\r')
        line.len--;
    return line;
}

/* What follows `key` and a blank. */
static bool value_of(struct slice line, const char *key, struct slice *ret)
{
    size_t n = strlen(key);

    if (line.len < n || memcmp(line.ptr, key, n) != 0)
        return false;
    *ret = (struct slice){line.ptr + n, line.len - n};
    return true;
}

static bool is_blank(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (strchr(" \t\r\n", s.ptr[i]) == NULL || s.ptr[i] == '\0')
            return false;
    return true;
}

enum lfs_kind lfs_pointer_read(struct slice text, struct lfs_pointer *ret)
{
    struct slice rest = text;
    struct slice line;
    struct slice value;
    bool is_version = false;

    *ret = (struct lfs_pointer){.size = 0};
    if (text.len == 0 || text.len > LFS_POINTER_BYTES_MAX)
        return LFS_NONE;
    line = next_line(&rest);
    for (size_t i = 0; i < ARRAY_LEN(versions); i++)
        is_version |= slice_eq(line, slice_of(versions[i]));
    if (!is_version)
        return LFS_NONE;
    line = next_line(&rest);
    if (!value_of(line, "oid sha256:", &value) || !take_oid(value, ret))
        return LFS_BROKEN;
    line = next_line(&rest);
    if (!value_of(line, "size ", &value) || !take_size(value, &ret->size) || !is_blank(rest))
        return LFS_BROKEN;
    return LFS_POINTER;
}

size_t lfs_pointer_write(const struct lfs_pointer *p, char *out, size_t size)
{
    int n = snprintf(out, size, "%s\noid sha256:%s\nsize %" PRIu64 "\n", versions[0], p->oid, p->size);

    return n > 0 && (size_t)n < size ? (size_t)n : 0;
}

bool lfs_request_read(struct slice line, struct lfs_pointer *ret)
{
    const char *blank = line.len > 0 ? memchr(line.ptr, ' ', line.len) : NULL;
    struct slice oid;
    struct slice size;

    if (blank == NULL)
        return false;
    oid = (struct slice){line.ptr, (size_t)(blank - line.ptr)};
    size = (struct slice){blank + 1, line.len - oid.len - 1};
    return take_oid(oid, ret) && take_size(size, &ret->size);
}
