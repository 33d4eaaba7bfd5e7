#ifndef SSUGRAPH_C_SSU_H
#define SSUGRAPH_C_SSU_H

/**
 * @file
 * The tensors and scalars of the selective state update (SSU); C++: ssu.hpp, which has the
 * formula.
 */

#include <ssugraph/c/tensors.h>

#include <stddef.h>
#include <stdint.h>

/**
 * The tensors and scalars of one SSU call; C++: ssu_args. `rows` are tokens. Each tensor may omit
 * its nheads or ngroups axis (extent 1). state, x, dt, A, B, C and out are needed; fp32, fp16 and
 * bf16 may be mixed in any way. `out` is written, and `dst_state` or, without it, `state`,
 * with the scales of that one: no two of their elements may lie in one place, and none may overlap
 * another tensor, but that `out` may be `x` or `z` themselves.
 *
 * float8_e4m3 is DLPack's kDLFloat8_e4m3fn, code 10; headers before DLPack 1.1 have no name for it.
 *
 * An axis whose entries are all the same value has stride 0, and no memory of its own: that is what
 * torch's `expand` makes. A layer is *tied* (Mamba-2) if A, dt and dt_bias are one value a head
 * in that way, and faster than with the values written out: `A[:, None, None].expand(nheads, dim,
 * dstate)`, `dt[:, :, None].expand(rows, nheads, dim)`, `dt_bias[:, None].expand(nheads, dim)`.
 *
 * n is the number of sequences: the rows of x or, with cu_seqlens, one less than its entries. The
 * other index and count tensors may be longer; what is behind the n-th entry is not looked at.
 *
 * What index and count tensors hold is the caller's promise, which nobody verifies but checked mode
 * (`checked` of ssugraph_recording_options and of ssugraph_eager_options). In one call:
 *
 * - an index is the null block or in [0, slots), a destination that of `dst_state` where it is
 * bound;
 * - no slot is written twice, and none that one sequence writes is another one's source: of a fork,
 *   two sequences that read one slot, neither may write it. A sequence may write its own source.
 *   With `dst_state` any slot may be a source; sequences that share one round by the same bits;
 * - cu_seqlens start at 0 or more and do not decrease; no sequence is longer than T;
 * - 0 <= num_accepted_tokens <= T (with rings, of the previous step, 16).
 *
 * A broken promise makes wrong values, but nothing outside of the tensors is read or written: an
 * index that is no slot counts as the null block, rows and counts are cut to what there is, and a
 * slot that is written twice, or by one and read by another, holds (or gave) either state or parts
 * of both. Only flashinfer, whose kernels trust the caller, may leave the tensors.
 */
typedef struct ssugraph_ssu_args {
  size_t struct_size; /**< sizeof this struct */
  /** With `has_null_block`, the slot that is nobody's: a sequence that reads it has zero rows of
   *  `out` and no state, and one that would write it does not. Else 0 or negative, and every slot
   *  is somebody's. Plays no part without index tensors. */
  int64_t null_block_id;
  int64_t max_seqlen;      /**< T of varlen mode: no sequence is longer. 0: the number of rows */
  int32_t dt_softplus;     /**< 0 or 1 */
  int32_t has_null_block;  /**< 0 or 1: `null_block_id` is nobody's; vLLM's is 0 */
  const DLTensor* state;   /**< (slots, nheads, dim, dstate), fp32, fp16, bf16 or scaled */
  const DLTensor* x;       /**< (rows, nheads, dim), fp32, fp16 or bf16 */
  const DLTensor* dt;      /**< (rows, nheads, dim), fp32, fp16 or bf16; tied: stride 0 over dim */
  const DLTensor* A;       /**< (nheads, dim, dstate), fp32, fp16 or bf16; tied: 0 over both */
  const DLTensor* B;       /**< (rows, ngroups, dstate), fp32, fp16 or bf16 */
  const DLTensor* C;       /**< (rows, ngroups, dstate), fp32, fp16 or bf16 */
  const DLTensor* D;       /**< (nheads, dim), fp32, fp16 or bf16 */
  const DLTensor* z;       /**< (rows, nheads, dim), fp32, fp16 or bf16 */
  const DLTensor* dt_bias; /**< (nheads, dim), fp32, fp16 or bf16; tied: stride 0 over dim */
  const DLTensor* out;     /**< (rows, nheads, dim), fp32, fp16 or bf16 */
  /** (n) or (n, T), int32 or int64: slots read. Without it, sequence i reads slot i. */
  const DLTensor* state_batch_indices;
  /** The same shape, int32 or int64: slots written. Without it, those read. May be there alone,
   *  but for speculative mode. All null: for the output only, no state is written. */
  const DLTensor* dst_state_batch_indices;
  /** (n), int32 or int64. With it the mode is speculative, which wants indices of shape (n, T). */
  const DLTensor* num_accepted_tokens;
  /** (n + 1), int32 or int64: sequence i has rows cu[i] to cu[i + 1], in varlen mode or
   *  speculative. */
  const DLTensor* cu_seqlens;
  const DLTensor* rand_seed; /**< (1) or no axes, int64: seed of the stochastic rounding */
  /** Slots of its own, else as state: written instead of `state`, which is then only read. */
  const DLTensor* dst_state;
  /** (slots, nheads, dim), fp32: scales of a state that is scaled (int16, int8 or float8_e4m3), and
   *  of no other. */
  const DLTensor* state_scale;
  const DLTensor* dst_state_scale; /**< the same of a scaled dst_state */
  float dt_min;       /**< with dt_limited: dt, behind bias and softplus, is at least this */
  float dt_max;       /**< and at most this */
  int32_t dt_limited; /**< 0: no limits, whatever dt_min and dt_max are; or 1 */
  int32_t reserved;   /**< 0 */
  /* A checkpointed state; C++: ssu_args, which says what these are. All three rings or none. */
  const DLTensor* x_ring;      /**< (slots, nheads, R, dim), dtype of x */
  const DLTensor* B_ring;      /**< (slots, ngroups, R, dstate), dtype of B */
  const DLTensor* dt_ring;     /**< (slots, nheads, R), fp32 */
  const DLTensor* ring_cursor; /**< (slots, 4), int32: of a pipeline's steps; or */
  const DLTensor* ring_plan;   /**< (n, 8), int32: of eager calls, and of engines' own trackers */
  /** Optional (slots), int64: whose bits stochastic rounding takes. */
  const DLTensor* rounding_key;
  int64_t checkpoint_interval; /**< W, with rings: T to 64; 0 means 16 */
} ssugraph_ssu_args;

#endif
