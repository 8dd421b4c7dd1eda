#include "api/artifact_type.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "base/check.h"

/* HTML and SVG can hold scripts, PDF nearly so: they are for saving. */
static const struct artifact_type types[] = {
    {"png", "image/png", SHOWN_AS_IS},          {"jpg", "image/jpeg", SHOWN_AS_IS},
    {"jpeg", "image/jpeg", SHOWN_AS_IS},        {"gif", "image/gif", SHOWN_AS_IS},
    {"webp", "image/webp", SHOWN_AS_IS},        {"avif", "image/avif", SHOWN_AS_IS},
    {"bmp", "image/bmp", SHOWN_AS_IS},          {"mp4", "video/mp4", SHOWN_AS_IS},
    {"m4v", "video/mp4", SHOWN_AS_IS},          {"webm", "video/webm", SHOWN_AS_IS},
    {"ogv", "video/ogg", SHOWN_AS_IS},          {"txt", "text/plain", SHOWN_AS_TEXT},
    {"log", "text/plain", SHOWN_AS_TEXT},       {"out", "text/plain", SHOWN_AS_TEXT},
    {"err", "text/plain", SHOWN_AS_TEXT},       {"md", "text/markdown", SHOWN_AS_TEXT},
    {"csv", "text/csv", SHOWN_AS_TEXT},         {"tap", "text/plain", SHOWN_AS_TEXT},
    {"diff", "text/plain", SHOWN_AS_TEXT},      {"json", "application/json", SHOWN_AS_TEXT},
    {"har", "application/json", SHOWN_AS_TEXT}, {"xml", "application/xml", SHOWN_AS_TEXT},
    {"yml", "application/yaml", SHOWN_AS_TEXT}, {"yaml", "application/yaml", SHOWN_AS_TEXT},
    {"html", "text/html", SHOWN_AS_FILE},       {"htm", "text/html", SHOWN_AS_FILE},
    {"svg", "image/svg+xml", SHOWN_AS_FILE},    {"pdf", "application/pdf", SHOWN_AS_FILE},
    {"mov", "video/quicktime", SHOWN_AS_FILE},  {"mkv", "video/x-matroska", SHOWN_AS_FILE},
    {"avi", "video/x-msvideo", SHOWN_AS_FILE},  {"zip", "application/zip", SHOWN_AS_FILE},
    {"gz", "application/gzip", SHOWN_AS_FILE},
};
static const struct artifact_type other = {"", "application/octet-stream", SHOWN_AS_FILE};

const struct artifact_type *artifact_type_of(const char *path)
{
    const char *name = strrchr(path, '/');
    const char *dot = strrchr(name != NULL ? name : path, '.');

    for (size_t i = 0; dot != NULL && i < ARRAY_LEN(types); i++)
        if (strcasecmp(dot + 1, types[i].ending) == 0)
            return &types[i];
    return &other;
}
