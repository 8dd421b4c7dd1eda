/* tap_private.h - what a YAML block of TAP says about its point (tap_yaml.c). */
#ifndef WRATA_REPORT_TAP_PRIVATE_H
#define WRATA_REPORT_TAP_PRIVATE_H

#include "report/report.h"

struct tap_yaml {
    struct buf message;
    struct buf stack;
    struct buf exception;
    struct buf file;
    uint32_t line;
    double ms;
};

void tap_yaml_init(struct tap_yaml *y);
void tap_yaml_clear(struct tap_yaml *y);
void tap_yaml_done(struct tap_yaml *y);

/* Only what producers write is understood: keys at the left edge, plain, quoted and block texts, one map below `at`. */
void tap_yaml_read(struct tap_yaml *y, struct slice text, const char *root);

/* Digits at s as a number; false when there are none or more than nine. */
bool tap_number(const char *s, size_t n, uint32_t *ret, size_t *retlen);

/* "12.5" as a number; 0 when it is none. */
double tap_decimal(const char *s, size_t n);

#endif
