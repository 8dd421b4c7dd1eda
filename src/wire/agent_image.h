/* agent_image.h - names of container images: registry.example.org:5000/qa/ruby:3.2@sha256:0123... Pure.
 *
 * Shared by `wrata`, which checks wrata.yml, and `wrata-agent`, which gives them to podman or docker. */
#ifndef WRATA_WIRE_AGENT_IMAGE_H
#define WRATA_WIRE_AGENT_IMAGE_H

#include <stdbool.h>

#define IMAGE_NAME_BYTES_MAX 255u

/* What is wrong with it, behind its quoted name: "has a capital letter ..."; NULL: nothing. */
const char *image_name_fault(const char *name);
/* The same of a name with the digest of what it stood for: "debian:12@sha256:...". */
const char *image_text_fault(const char *text);
/* It has a digest: whoever has such an image has the only one of that name. */
bool image_name_is_pinned(const char *name);
/* "localhost/...": made on the machine, no registry knows it. */
bool image_name_is_local(const char *name);

#endif
