#ifndef SSUGRAPH_C_STAGING_H
#define SSUGRAPH_C_STAGING_H

/** @file
 *  Pinned memory through which the index and count tensors of each batch go; C++: staging.hpp. */

#include <ssugraph/c/export.h>
#include <ssugraph/c/status.h>
#include <ssugraph/c/stream.h>
#include <ssugraph/c/tensors.h>

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** C++: staging_ring. */
typedef struct ssugraph_staging_ring ssugraph_staging_ring;

/** Pinned memory for `depth` batches of `bytes` each; `device` is a CUDA ordinal, or -1 for the
 *  host. INVALID_ARGUMENT, UNSUPPORTED, CUDA_ERROR, OUT_OF_MEMORY. */
SSUGRAPH_C_API ssugraph_status ssugraph_staging_ring_create(size_t bytes, size_t depth,
                                                            int32_t device,
                                                            ssugraph_staging_ring** ring);

/** Waits, on the host, for copies that are still to run. */
SSUGRAPH_C_API ssugraph_status ssugraph_staging_ring_destroy(ssugraph_staging_ring* ring);

/** Starts a batch. Waits, on the host, for the copies of the batch `depth` submits ago. */
SSUGRAPH_C_API ssugraph_status ssugraph_staging_ring_begin(ssugraph_staging_ring* ring);

/** Memory for the first `rows` rows of `destination`, a dense int32 or int64 tensor: `*count`
 *  elements of its dtype, to be written before the submit. INVALID_ARGUMENT, INVALID_STATE. */
SSUGRAPH_C_API ssugraph_status ssugraph_staging_ring_take(ssugraph_staging_ring* ring,
                                                          const DLTensor* destination, int64_t rows,
                                                          void** memory, size_t* count);

/** Ends the batch: copies, in stream order. INVALID_STATE in a capture. */
SSUGRAPH_C_API ssugraph_status ssugraph_staging_ring_submit(ssugraph_staging_ring* ring,
                                                            ssugraph_stream stream);

#ifdef __cplusplus
}
#endif

#endif
