/* csv.h - cells of CSV files (RFC 4180). */
#ifndef WRATA_WIRE_CSV_H
#define WRATA_WIRE_CSV_H

#include "base/buf.h"

/* A cell, quoted; and no formula, for which a spreadsheet takes one that begins so. Pure. */
void csv_text(struct buf *out, const char *s);

#endif
