#ifndef SSUGRAPH_C_CACHE_LAYOUT_H
#define SSUGRAPH_C_CACHE_LAYOUT_H

/** @file
 *  Where what layers keep may lie in a pool of equal slots; C++: cache_layout.hpp. */

#include <ssugraph/c/export.h>
#include <ssugraph/c/status.h>
#include <ssugraph/c/tensors.h>

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What a layer keeps of a sequence, by size, and what a pool asks of its slots; C++: cache_sizes
 *  and cache_layout_options. Zero is the default where there is one. */
typedef struct ssugraph_cache_sizes {
  size_t struct_size;          /**< sizeof(ssugraph_cache_sizes) */
  int64_t nheads;              /**< from 1 */
  int64_t dim;                 /**< from 1 */
  int64_t dstate;              /**< 1 to 256 */
  int64_t ngroups;             /**< a divisor of nheads; 0: 1 */
  int64_t checkpoint_interval; /**< W, max_seqlen to 64; 0: no rings */
  int64_t max_seqlen;          /**< T, 1 to 16; 0: 1 */
  int64_t layers;              /**< in one slot, up to 4096; 0: 1 */
  int64_t slot_alignment;      /**< bytes, a multiple of 256; 0: 256 */
  int64_t ring_rows;           /**< R, up to 128; 0: W + 2T - 1 */
  DLDataType state_dtype;      /**< any that states have; all zero: bfloat16 */
  DLDataType x_dtype;          /**< floating, of x_ring; all zero: bfloat16 */
  DLDataType B_dtype;          /**< floating, of B_ring; all zero: bfloat16 */
  int32_t reserved;            /**< 0 */
} ssugraph_cache_sizes;

/** A tensor of a layer in such a pool, but for where that is and how many slots it has. */
typedef struct ssugraph_cache_part {
  int64_t offset;     /**< bytes from the pool to the tensor's first element, in the first layer */
  int64_t shape[4];   /**< as a DLTensor's; the first, 0, is for the number of slots */
  int64_t strides[4]; /**< in elements */
  int32_t ndim;       /**< 0: there is no such tensor */
  DLDataType dtype;   /**< of its elements */
} ssugraph_cache_part;

/** Filled up to its struct_size, which the caller sets. */
typedef struct ssugraph_cache_layout {
  size_t struct_size;              /**< sizeof(ssugraph_cache_layout) */
  int64_t slot_bytes;              /**< of all layers: from slot to slot of the pool */
  int64_t layer_bytes;             /**< from layer to layer within a slot: add it to the offsets */
  int64_t ring_rows;               /**< R; 0 without rings */
  ssugraph_cache_part state;       /**< there always */
  ssugraph_cache_part state_scale; /**< of scaled states */
  ssugraph_cache_part x_ring;      /**< with rings */
  ssugraph_cache_part B_ring;      /**< with rings */
  ssugraph_cache_part dt_ring;     /**< with rings */
} ssugraph_cache_layout;

/** Lays out a slot: the pool lies at a multiple of 256 bytes and has slot_bytes for each; C++:
 *  cache_layout::of and view. Cursors and rounding keys are not in it, for layers share them.
 *  INVALID_ARGUMENT names the size. */
SSUGRAPH_C_API ssugraph_status ssugraph_lay_out_cache(const ssugraph_cache_sizes* sizes,
                                                      ssugraph_cache_layout* layout);

#ifdef __cplusplus
}
#endif

#endif
