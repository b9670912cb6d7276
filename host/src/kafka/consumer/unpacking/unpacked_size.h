/* How many bytes a compressed batch unpacks to. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Returns the size of what a batch with this codec (the attribute's number in Kafka's protocol) unpacks to, or with zstd at least
 * that; `max + 1` if it is more than `max`; 0 if it is unknown because the batch is damaged. Needs less than 1 MiB of memory, and with
 * zstd also a window, which is filled up to `max`. */
uint64_t tidegate_unpacked_size(int codec, const void *batch, size_t length, uint64_t max);

/* Unpacks a batch in gzip whose size is known. Returns memory for free(), or NULL if the batch is damaged or there is no memory. */
void *tidegate_unpack_gzip(const void *batch, size_t length, uint64_t size);

/* Unpacks a batch in gzip if it has the size that its last bytes say, and that is not more than `max`: most have, and need not be
 * measured before. Sets `size`, and returns memory for free(); otherwise NULL. */
void *tidegate_unpack_gzip_at_once(const void *batch, size_t length, uint64_t max, uint64_t *size);
