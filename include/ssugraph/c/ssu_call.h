#ifndef SSUGRAPH_C_SSU_CALL_H
#define SSUGRAPH_C_SSU_CALL_H

/** @file
 *  A prepared SSU call: planned once, launched with other addresses; C++: ssu_call.hpp. */

#include <ssugraph/c/dispatch.h>
#include <ssugraph/c/export.h>
#include <ssugraph/c/ssu.h>
#include <ssugraph/c/status.h>
#include <ssugraph/c/stream.h>

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** C++: ssu_call. */
typedef struct ssugraph_call ssugraph_call;

/** Where the first elements of the tensors of an ssugraph_ssu_args lie, by name. NULL: not bound;
 *  C++: ssu_addresses. */
typedef struct ssugraph_ssu_addresses {
  size_t struct_size;                  /**< sizeof this struct */
  const void* state;                   /**< of the tensor of that name */
  const void* x;                       /**< the same */
  const void* dt;                      /**< the same */
  const void* A;                       /**< the same */
  const void* B;                       /**< the same */
  const void* C;                       /**< the same */
  const void* D;                       /**< the same */
  const void* z;                       /**< the same */
  const void* dt_bias;                 /**< the same */
  const void* out;                     /**< the same */
  const void* state_batch_indices;     /**< the same */
  const void* dst_state_batch_indices; /**< the same */
  const void* num_accepted_tokens;     /**< the same */
  const void* cu_seqlens;              /**< the same */
  const void* rand_seed;               /**< the same */
  const void* dst_state;               /**< the same */
  const void* state_scale;             /**< the same */
  const void* dst_state_scale;         /**< the same */
  const void* x_ring;                  /**< the same */
  const void* B_ring;                  /**< the same */
  const void* dt_ring;                 /**< the same */
  const void* ring_cursor;             /**< the same */
  const void* ring_plan;               /**< the same */
  const void* rounding_key;            /**< the same */
} ssugraph_ssu_addresses;

/** `args`, of the largest batch, validated, planned and loaded once; enqueues nothing. It outlives
 *  the dispatch. INVALID_ARGUMENT, UNSUPPORTED, CUDA_ERROR. */
SSUGRAPH_C_API ssugraph_status ssugraph_call_create(const ssugraph_dispatch* dispatch,
                                                    const ssugraph_ssu_args* args,
                                                    ssugraph_call** call);

/** Ends the handle. INVALID_ARGUMENT. */
SSUGRAPH_C_API ssugraph_status ssugraph_call_destroy(ssugraph_call* call);

/**
 * Enqueues the SSU of the first `batch` sequences at other addresses. INVALID_ARGUMENT: a batch
 * outside of what was prepared, an address that is NULL where a tensor was bound or the other way
 * round, or aligned less than the kernel needs. That each address has memory for all of its tensor
 * on the device of the call, and what is written overlaps nothing but
 * `out` an `x` or `z` that it is, is the caller's promise. Seeds,
 * captures and errors else as of ssugraph_dispatch_selective_state_update. May be called by many
 * threads at a time. Stream-ordered; capture-safe.
 */
SSUGRAPH_C_API ssugraph_status ssugraph_call_launch(const ssugraph_call* call,
                                                    const ssugraph_ssu_addresses* addresses,
                                                    int64_t batch, ssugraph_stream stream);

#ifdef __cplusplus
}
#endif

#endif
