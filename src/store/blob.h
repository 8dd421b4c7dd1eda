/* blob.h - compressed logs: one gzip file per log, made of blocks that are read on their own.
 *
 *     header (10) | block | block | ... | last block | crc32 (4) | size (4)
 *
 * Every block is deflated from a fresh state and ends on a full flush, so it can be inflated knowing only where it
 * begins, and the blocks one after the other are one deflate stream: a file that has ended is one gzip member that
 * any tool reads. The caller keeps offsets, sizes and the running CRC (they are rows), so a file can be continued by
 * another process: cut it to what the rows say and go on. Storage thread for writers; a reader belongs to one thread. */
#ifndef WRATA_STORE_BLOB_H
#define WRATA_STORE_BLOB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define BLOB_BLOCK_BYTES 262144u /* most raw bytes in a block */
#define BLOB_HEADER_BYTES 10u

struct blob_writer;
struct blob_reader;

struct blob_writer *blob_writer_new(const char *dir); /* the data folder; borrowed */
void blob_writer_free(struct blob_writer *w);         /* NULL is fine; what was not synced may be lost */

/* What is known of a file between two blocks. All zero before the first. */
struct blob_pos {
    uint64_t raw_bytes;
    uint64_t file_bytes;
    uint32_t crc;
};

/* Write the next block at pos->file_bytes, at most BLOB_BLOCK_BYTES, and move pos. The first block makes the file
 * anew. `last`: the gzip trailer follows. *ret_file_offset: where the block begins. On failure pos is as before. */
MUST_USE enum err blob_write(struct blob_writer *w, uint64_t run, struct blob_pos *pos, const char *bytes,
                             uint32_t len, bool last, uint64_t *ret_file_offset, struct why *reterr);

/* Everything written so far is on disk when this returns ERR_OK. */
MUST_USE enum err blob_sync(struct blob_writer *w, struct why *reterr);

/* A whole small log as one gzip member, appended to out. */
void blob_gzip(struct blob_writer *w, const char *bytes, uint32_t len, struct buf *out);

struct blob_reader *blob_reader_new(const char *dir); /* borrowed */
void blob_reader_free(struct blob_reader *r);

/* Inflate one block into out (raw_bytes of room). ERR_IO when the file is not what the rows say. */
MUST_USE enum err blob_read(struct blob_reader *r, uint64_t run, uint64_t file_offset, uint64_t file_bytes,
                            uint32_t raw_bytes, char *out, struct why *reterr);

/* The reverse of blob_gzip(). */
MUST_USE enum err blob_gunzip(struct blob_reader *r, struct slice gzip, uint32_t raw_bytes, char *out,
                              struct why *reterr);

/* Cut the file to `file_bytes`, or remove it when that is 0. Fine when there is none and should be none. */
MUST_USE enum err blob_cut(const char *dir, uint64_t run, uint64_t file_bytes, struct why *reterr);

/* <dir>/blobs/<aa>/<run>.gz into path; aa is the low byte of the run's number, so that no folder grows large. */
void blob_path(char *path, size_t size, const char *dir, uint64_t run);

#endif
