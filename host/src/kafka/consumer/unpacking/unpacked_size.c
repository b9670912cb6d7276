/* How many bytes a compressed batch unpacks to, without the memory for them.
 *
 * A few kilobytes can unpack to gigabytes, and what a batch says of its size may be wrong. So a size is believed only where the
 * codec's own decoder stops at it (snappy), and counted otherwise. The formats: RFC 1952 (gzip), snappy's format_description.txt,
 * with the frames of snappy-java, lz4_Frame_format.md and lz4_Block_format.md, RFC 8878 (zstd).
 *
 * Every function that measures returns `max + 1` once it knows that the size is larger than `max`, and 0 for a damaged batch.
 */
#include "unpacked_size.h"

#include <stdlib.h>
#include <string.h>

#define ZSTD_STATIC_LINKING_ONLY /* ZSTD_decompressBound */
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

/* Numbers of codecs in the attributes of a batch. */
enum { GZIP = 1, SNAPPY = 2, LZ4 = 3, ZSTD = 4 };

static uint64_t at_most(uint64_t size, uint64_t max) {
        return size > max ? max + 1 : size;
}

static uint64_t gzip_size(const unsigned char *batch, size_t length, uint64_t max) {
        unsigned char scratch[16384];
        z_stream stream;
        uint64_t size = 0;
        int result;

        memset(&stream, 0, sizeof(stream));
        /* 15: the largest window; 32: gzip or zlib, as librdkafka reads it. */
        if (length > UINT32_MAX || inflateInit2(&stream, 15 + 32) != Z_OK)
                return 0;
        stream.next_in  = (unsigned char *)batch;
        stream.avail_in = (unsigned int)length;
        do {
                stream.next_out  = scratch;
                stream.avail_out = sizeof(scratch);
                result           = inflate(&stream, Z_NO_FLUSH);
                size += sizeof(scratch) - stream.avail_out;
        } while ((result == Z_OK || result == Z_BUF_ERROR) && stream.avail_out == 0 && size <= max);
        inflateEnd(&stream);
        if (result != Z_OK && result != Z_BUF_ERROR && result != Z_STREAM_END)
                return 0;
        return at_most(size, max);
}

/* Unpacks into `size` bytes; returns NULL if it is not exactly as many. `result` is that of inflate(). */
static void *inflate_exactly(const void *batch, size_t length, uint64_t size, int *result) {
        unsigned char *unpacked;
        z_stream stream;

        memset(&stream, 0, sizeof(stream));
        if (!size || size > UINT32_MAX || length > UINT32_MAX || !(unpacked = malloc(size)))
                return NULL;
        if (inflateInit2(&stream, 15 + 32) != Z_OK) {
                free(unpacked);
                return NULL;
        }
        stream.next_in   = (unsigned char *)batch;
        stream.avail_in  = (unsigned int)length;
        stream.next_out  = unpacked;
        stream.avail_out = (unsigned int)size;
        *result          = inflate(&stream, Z_FINISH);
        inflateEnd(&stream);
        if ((*result == Z_STREAM_END || *result == Z_BUF_ERROR) && stream.avail_out == 0)
                return unpacked;
        free(unpacked);
        return NULL;
}

void *tidegate_unpack_gzip(const void *batch, size_t length, uint64_t size) {
        int result;

        /* Also without its checksum at the end, which librdkafka has always accepted. */
        return inflate_exactly(batch, length, size, &result);
}

void *tidegate_unpack_gzip_at_once(const void *batch, size_t length, uint64_t max, uint64_t *size) {
        const unsigned char *end = (const unsigned char *)batch + length;
        void *unpacked;
        int result;

        if (length < 18)
                return NULL;
        *size = end[-4] | (uint64_t)end[-3] << 8 | (uint64_t)end[-2] << 16 | (uint64_t)end[-1] << 24;
        /* Nothing unpacks to more than 1,032 times its size: memory is not taken for what cannot be. */
        if (*size > max || *size / 1032 > length)
                return NULL;
        unpacked = inflate_exactly(batch, length, *size, &result);
        if (unpacked && result == Z_STREAM_END)
                return unpacked;
        free(unpacked);
        return NULL;
}

/* The size at the beginning of a block, a varint of up to 32 bits. */
static uint64_t snappy_block_size(const unsigned char *block, size_t length) {
        uint64_t size = 0;
        size_t i;

        for (i = 0; i < length && i < 5; i++) {
                size |= (uint64_t)(block[i] & 0x7f) << (7 * i);
                if (!(block[i] & 0x80))
                        return size;
        }
        return 0;
}

static uint64_t snappy_size(const unsigned char *batch, size_t length, uint64_t max) {
        static const unsigned char java[8] = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0};
        const size_t header                = sizeof(java) + 4 + 4;
        uint64_t size                      = 0;
        size_t at                          = header;

        if (length <= header + 4 || memcmp(batch, java, sizeof(java)))
                return at_most(snappy_block_size(batch, length), max);
        while (length - at >= 4 && size <= max) {
                const unsigned char *start = batch + at;
                size_t block = (size_t)start[0] << 24 | (size_t)start[1] << 16 | (size_t)start[2] << 8 | start[3];

                at += 4;
                if (block > length - at)
                        return 0;
                size += snappy_block_size(batch + at, block);
                at += block;
        }
        return at_most(size, max);
}

/* Adds the bytes that continue a length of 15; returns whether it ends before `end`. */
static int add_lz4_length(const unsigned char **at, const unsigned char *end, uint64_t *length) {
        unsigned char more;

        if (*length != 15)
                return 1;
        do {
                if (*at == end)
                        return 0;
                more = *(*at)++;
                *length += more;
        } while (more == 255);
        return 1;
}

/* Adds up the lengths of a block's literals and matches. */
static uint64_t lz4_block_size(const unsigned char *at, const unsigned char *end) {
        uint64_t size = 0;

        while (at < end) {
                unsigned char token = *at++;
                uint64_t literals   = token >> 4;
                uint64_t match      = token & 15;

                if (!add_lz4_length(&at, end, &literals))
                        return size;
                size += literals;
                /* The last sequence has no match. */
                if (literals + 2 > (uint64_t)(end - at))
                        return size;
                at += literals + 2;
                if (!add_lz4_length(&at, end, &match))
                        return size;
                size += match + 4;
        }
        return size;
}

static uint64_t lz4_size(const unsigned char *batch, size_t length, uint64_t max) {
        static const unsigned char magic[4] = {0x04, 0x22, 0x4d, 0x18};
        const uint32_t uncompressed         = UINT32_C(1) << 31;
        uint64_t size                       = 0;
        unsigned char flags;
        size_t at, checksum;

        if (length < 7 || memcmp(batch, magic, sizeof(magic)))
                return 0;
        flags    = batch[4];
        checksum = flags & 0x10 ? 4 : 0;
        at       = 7 + (flags & 0x08 ? 8 : 0) + (flags & 0x01 ? 4 : 0);
        while (at <= length && length - at >= 4 && size <= max) {
                const unsigned char *start = batch + at;
                uint32_t head              = start[0] | (uint32_t)start[1] << 8 | (uint32_t)start[2] << 16 | (uint32_t)start[3] << 24;
                size_t block               = head & ~uncompressed;

                if (!block)
                        break;
                at += 4;
                if (block > length - at)
                        return 0;
                size += head & uncompressed ? block : lz4_block_size(batch + at, batch + at + block);
                at += block + checksum;
        }
        return at_most(size, max);
}

static uint64_t zstd_size(const unsigned char *batch, size_t length, uint64_t max) {
        unsigned long long bound = ZSTD_decompressBound(batch, length);
        ZSTD_inBuffer in         = {batch, length, 0};
        uint64_t size            = 0;
        size_t scratch_size      = ZSTD_DStreamOutSize();
        size_t result            = 0;
        ZSTD_DStream *stream;
        void *scratch;

        if (bound == ZSTD_CONTENTSIZE_ERROR)
                return 0;
        /* Without the size in its head, a frame counts as full blocks, so that most need not be unpacked for it. */
        if (bound <= max)
                return bound;
        stream  = ZSTD_createDStream();
        scratch = malloc(scratch_size);
        while (stream && scratch && in.pos < in.size && size <= max) {
                ZSTD_outBuffer out = {scratch, scratch_size, 0};

                result = ZSTD_decompressStream(stream, &out, &in);
                size += out.pos;
                if (ZSTD_isError(result))
                        break;
        }
        free(scratch);
        ZSTD_freeDStream(stream);
        /* More than 128 MiB of window, which only unpacking at once can do without: not counted, so it is taken for too large. */
        if (ZSTD_getErrorCode(result) == ZSTD_error_frameParameter_windowTooLarge)
                return max + 1;
        if (ZSTD_isError(result))
                return 0;
        return at_most(size, max);
}

uint64_t tidegate_unpacked_size(int codec, const void *batch, size_t length, uint64_t max) {
        switch (codec) {
        case GZIP:
                return gzip_size(batch, length, max);
        case SNAPPY:
                return snappy_size(batch, length, max);
        case LZ4:
                return lz4_size(batch, length, max);
        case ZSTD:
                return zstd_size(batch, length, max);
        default:
                return 0;
        }
}
