#include "wire/agent_image.h"

#include <stddef.h>
#include <string.h>

#define SMALL "abcdefghijklmnopqrstuvwxyz"
#define CAPITAL "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"
#define TAG_BYTES_MAX 128u
#define HEX_BYTES_MIN 32u

/* n bytes of s, all of `set`, at least one. */
static bool is_of(const char *s, size_t n, const char *set)
{
    for (size_t i = 0; i < n; i++)
        if (strchr(set, s[i]) == NULL || s[i] == '\0')
            return false;
    return n > 0;
}

/* One name between slashes: small letters and digits, with . _ __ or dashes inside. */
static const char *part_fault(const char *s, size_t n)
{
    size_t i = 0;

    if (n == 0)
        return "has an empty name between, before or behind its slashes";
    while (i < n) {
        size_t word = 0;
        size_t gap = 0;

        while (i + word < n && is_of(s + i + word, 1, SMALL DIGITS))
            word++;
        i += word;
        while (i + gap < n && is_of(s + i + gap, 1, "._-"))
            gap++;
        if (word == 0 && gap == 0)
            return is_of(s + i, 1, CAPITAL)
                       ? "has a capital letter where only small ones may be"
                       : "is not the name of an image like registry.example.org/qa/ruby:3.2";
        if (word == 0 || (gap > 0 && i + gap == n))
            return "has a name that begins or ends with . _ or -";
        if (gap > 1 && !is_of(s + i, gap, "-") && !(gap == 2 && is_of(s + i, gap, "_")))
            return "has two of . _ - beside each other";
        i += gap;
    }
    return NULL;
}

/* The first of several parts is a registry when it looks like a host, else a part like the others. */
static bool is_registry(const char *s, size_t n)
{
    return memchr(s, '.', n) != NULL || memchr(s, ':', n) != NULL ||
           (n == 9 && memcmp(s, "localhost", 9) == 0);
}

static const char *registry_fault(const char *s, size_t n)
{
    const char *colon = memchr(s, ':', n);
    size_t host = colon != NULL ? (size_t)(colon - s) : n;

    if (!is_of(s, host, SMALL CAPITAL DIGITS ".-") || strchr(".-", s[0]) != NULL ||
        strchr(".-", s[host - 1]) != NULL)
        return "does not begin with the name of a registry";
    if (colon != NULL && (n - host - 1 > 5 || !is_of(colon + 1, n - host - 1, DIGITS)))
        return "has a registry whose port is no number";
    return NULL;
}

static const char *digest_fault(const char *s)
{
    size_t algorithm = strcspn(s, ":");
    const char *hex = s + algorithm + (s[algorithm] == ':');

    if (!is_of(s, algorithm, SMALL DIGITS) || s[algorithm] != ':' ||
        !is_of(hex, strlen(hex), "abcdef" DIGITS) || strlen(hex) < HEX_BYTES_MIN)
        return "has a digest that is not sha256: and hex digits";
    if (strncmp(s, "sha256:", 7) == 0 && strlen(hex) != 64)
        return "has a digest that is not sha256: and 64 hex digits";
    return NULL;
}

static const char *tag_fault(const char *s, size_t n)
{
    if (n > TAG_BYTES_MAX || !is_of(s, n, SMALL CAPITAL DIGITS "_.-") || s[0] == '.' || s[0] == '-')
        return "has a tag that is not letters, digits, _ . and -";
    return NULL;
}

const char *image_name_fault(const char *name)
{
    const char *at = strchr(name, '@');
    size_t n = at != NULL ? (size_t)(at - name) : strlen(name);
    const char *fault = at != NULL ? digest_fault(at + 1) : NULL;
    size_t tag = n;

    if (strlen(name) > IMAGE_NAME_BYTES_MAX)
        return "is longer than 255 bytes";
    for (size_t i = n; i > 0 && name[i - 1] != '/'; i--)
        if (name[i - 1] == ':')
            tag = i - 1;
    if (fault == NULL && tag < n)
        fault = tag_fault(name + tag + 1, n - tag - 1);
    for (size_t i = 0; fault == NULL && i <= tag;) {
        size_t part = 0;

        while (i + part < tag && name[i + part] != '/')
            part++;
        if (i == 0 && part < tag && is_registry(name, part))
            fault = registry_fault(name, part);
        else
            fault = part_fault(name + i, part);
        i += part + 1;
    }
    return fault;
}

const char *image_text_fault(const char *text)
{
    char name[IMAGE_NAME_BYTES_MAX + 1];
    const char *at = strchr(text, '@');

    if (at == NULL)
        return "has no digest";
    if ((size_t)(at - text) >= sizeof(name))
        return "is longer than 255 bytes";
    memcpy(name, text, (size_t)(at - text));
    name[at - text] = '\0';
    return image_name_fault(name) != NULL ? image_name_fault(name) : digest_fault(at + 1);
}

bool image_name_is_pinned(const char *name)
{
    return strchr(name, '@') != NULL;
}

bool image_name_is_local(const char *name)
{
    return strncmp(name, "localhost/", 10) == 0;
}
