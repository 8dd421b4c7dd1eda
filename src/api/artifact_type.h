/* artifact_type.h - what kind of file an artifact is, by its name: nobody has looked at its bytes, and nobody may believe them. */
#ifndef WRATA_API_ARTIFACT_TYPE_H
#define WRATA_API_ARTIFACT_TYPE_H

/* How a browser gets it. */
enum artifact_shown {
    SHOWN_AS_FILE, /* saved, never shown: whatever it holds, nothing of it runs here */
    SHOWN_AS_TEXT, /* as plain text, also when it is HTML's neighbour: XML, JSON, a script */
    SHOWN_AS_IS,   /* an image or a video that browsers know */
};

struct artifact_type {
    const char *ending; /* lower case */
    const char *media;
    enum artifact_shown shown;
};

/* Never NULL: what is not known is application/octet-stream. Endings count whatever their case. */
const struct artifact_type *artifact_type_of(const char *path);

#endif
