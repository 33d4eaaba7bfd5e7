#pragma once

/**
 * @file
 * The selective state update (SSU): one decode step of a Mamba layer for a batch of sequences.
 * For one token, all arithmetic in fp32:
 *
 *     dt' = dt + dt_bias;  if dt_softplus: dt' = dt' <= 20 ? log1p(exp(dt')) : dt'
 *     dt' = min(max(dt', dt_min), dt_max)          (a NaN stays one)
 *     h'  = h * exp(A * dt') + (dt' * x) * B       (B and C of group  head / (nheads / ngroups))
 *     out = (sum over dstate of h' * C  [+ D * x])  [* z * sigmoid(z)]
 *
 * Source: Gu and Dao, "Mamba" (2023), section 3, and Dao and Gu, "Transformers are SSMs" (2024),
 * for the tied form. Between the tokens of one call the state stays fp32; only stored copies are
 * rounded, and `out` uses the unrounded h'.
 *
 * A *scaled* state (int16, int8, float8_e4m3) is q * s: codes, and a scale s for each row of
 * dstate. With QMAX the greatest code (32767, 127, 448), a row is stored as
 *
 *     a = max |h'|;  enc = QMAX / a;  q = round(h' * enc);  s = 1 / enc
 *
 * q is at most QMAX in magnitude: where integers are rounded stochastically, enc is the float below
 * wherever enc * a is above QMAX. A row with a < 2^-100 is q = 0, s = 0, so that a slot of zero
 * bytes is a fresh one; a row with a NaN or an infinity is q = 0, s = NaN, which reads back as NaN.
 * q is rounded to nearest even or, with stochastic rounding by 16 bits r, floor(h' * enc + r /
 * 2^16) of integers, and of float8_e4m3 as of other floats: the magnitude, by its spacing.
 *
 * A *checkpointed* state (ReplaySSM; tied models) is stored every W tokens alone. What is stored is
 * a checkpoint S; the inputs since lie in a ring of R rows a slot, the live ones from `start` on,
 * `count` of them. With L_j = A * (dt'_0 + ... + dt'_j) over the live rows and the new tokens
 * behind them, c live rows and new token t:
 *
 *     out = exp(L_{c+t}) (S . C) + sum over j <= c+t of exp(L_{c+t} - L_j) dt'_j (B_j . C) x_j [..]
 *     S' = exp(L_{f-1}) S + sum over j < f of exp(L_{f-1} - L_j) dt'_j x_j B_j      (a flush of f)
 *
 * with D and z as above. New tokens are appended to the ring, accepted or not. rings.hpp says how
 * rows, cursor and plan go on from step to step; lib/ops/ssu/CHECKPOINTS.md when to use it.
 */

#include <ssugraph/export.hpp>
#include <ssugraph/tensor_view.hpp>

#include <cstdint>
#include <limits>
#include <string>

namespace ssugraph {

/**
 * The tensors and scalars of one SSU call. Nothing is owned. `rows` are tokens; without cu_seqlens
 * a sequence has one row. Each tensor may omit its nheads or ngroups axis (extent 1). Any stride is
 * legal on any axis of an input, as long as no byte leaves 62 bits of address; along an axis of one
 * entry it may be any number. Where they are needed, fp32, fp16 and bf16 may be mixed in any way.
 * `out` is written, and `dst_state` or, where that is unbound, `state`, with the scales of that
 * one: no two of their elements may lie in one place, and none may share a byte with another
 * tensor, but that `out` may be `x` or `z` themselves: same address, dtype, shape and strides. What
 * is known to be disjoint is: spans apart from each other, and slices of the rows of one buffer
 * (equal outer stride, disjoint within the row; on further axes alike, as scales behind each row of
 * a state). Any other interleaving is refused.
 *
 * n is the number of sequences: the rows of x or, with cu_seqlens, one less than its entries. The
 * other index and count tensors may be longer; what is behind the n-th entry is not looked at.
 *
 * What index and count tensors hold is the caller's promise, which nobody verifies but checked mode
 * (`recording_options::checked`, `eager_options::checked`). In one call:
 *
 * - an index is null_block_id or in [0, slots), a destination that of `dst_state` where it is
 * bound;
 * - no slot is written twice, and none that one sequence writes is another one's source: of a fork,
 *   two sequences that read one slot, neither may write it. A sequence may write its own source.
 *   With `dst_state` any slot may be a source; sequences that share one round by the same bits;
 * - cu_seqlens start at 0 or more and do not decrease; no sequence is longer than T;
 * - 0 <= num_accepted_tokens <= T (with rings, below, 16).
 *
 * A broken promise makes wrong values, but nothing outside of the tensors is read or written: an
 * index that is no slot counts as null_block_id, rows and counts are cut to what there is, and a
 * slot that is written twice, or by one and read by another, holds (or gave) either state or parts
 * of both. Only flashinfer, whose kernels trust the caller, may leave the tensors.
 *
 * With rings (x_ring, B_ring and dt_ring, which come together, and one of ring_cursor and
 * ring_plan) a sequence has one slot, column 0 of its indices, and no destination: neither
 * dst_state nor dst_state_batch_indices. The rings are written, too, and by a pipeline's prologue
 * ring_cursor. Several tokens need cu_seqlens and max_seqlen. num_accepted_tokens says how many
 * tokens of the *previous* step stand, 0 counting as 1, of which no more count than that step had;
 * unbound: all of them. It plays no part beside ring_plan, whose slots count and not those of
 * indices, with which they agree, and whose lengths are those of cu_seqlens.
 */
struct ssu_args {
  /** (slots, nheads, dim, dstate), fp32, fp16, bf16 or, with state_scale, int16, int8 or
   *  float8_e4m3. */
  tensor_view state;
  tensor_view x;        ///< (rows, nheads, dim), fp32, fp16 or bf16
  tensor_view dt;       ///< (rows, nheads, dim), fp32, fp16 or bf16
  tensor_view A;        ///< (nheads, dim, dstate), fp32, fp16 or bf16
  tensor_view B;        ///< (rows, ngroups, dstate), fp32, fp16 or bf16
  tensor_view C;        ///< (rows, ngroups, dstate), fp32, fp16 or bf16
  tensor_view D;        ///< optional (nheads, dim), fp32, fp16 or bf16
  tensor_view z;        ///< optional (rows, nheads, dim), fp32, fp16 or bf16
  tensor_view dt_bias;  ///< optional (nheads, dim), fp32, fp16 or bf16
  tensor_view out;      ///< (rows, nheads, dim), fp32, fp16 or bf16
  /** Optional (n) or (n, T), int32 or int64: slots read, from 1 on unless null_block_id is no
   * longer 0. Default: sequence i reads slot i. */
  tensor_view state_batch_indices;
  /** Optional, the same shape: slots written. Default: those read. May be there alone, but for
   *  speculative mode. All null: for the output only, no state is written. */
  tensor_view dst_state_batch_indices;
  tensor_view num_accepted_tokens;  ///< optional (n): speculative mode; wants 2-D indices
  tensor_view cu_seqlens;           ///< optional (n + 1): sequence i has rows cu[i]..cu[i + 1)
  tensor_view rand_seed;            ///< optional int64 (1): seed of the stochastic rounding
  /** Optional (slots of its own, nheads, dim, dstate), dtype of the state, strides of its own:
   *  written instead of `state`, which is then only read, so that sequences may share a source and
   *  a slot may be one sequence's source and another's destination. Destinations are slots of it:
   *  those of dst_state_batch_indices or, if it has no fewer slots than `state`, those read. */
  tensor_view dst_state;
  /** Scales of a state that is scaled, and of no other: fp32 (slots, nheads, dim), any strides, for
   *  example behind the state in one slot. Read and written with it. */
  tensor_view state_scale;
  tensor_view dst_state_scale;  ///< the same of a scaled dst_state
  ///@{
  /** Of a checkpointed state: the inputs since the checkpoint, R rows a slot, any strides. Slots as
   *  of the state; R is at least W + 2T - 1 with the largest T of any step on these rings, at most
   *  128. All that step them have the same W and R. Rows that are not live are never read as
   * values. Read and written. */
  tensor_view x_ring;   ///< (slots, nheads, R, dim), dtype of x
  tensor_view B_ring;   ///< (slots, ngroups, R, dstate), dtype of B
  tensor_view dt_ring;  ///< (slots, nheads, R), fp32: dt'
  ///@}
  /** (slots, 4) int32, each row 16 bytes at a multiple of 16: see `ring_cursor` of rings.hpp. Of a
   *  pipeline's steps, whose prologue advances it once a replay, however many layers share it; an
   *  eager call refuses it and takes ring_plan. */
  tensor_view ring_cursor;
  /** (n, 8) int32, each row 32 bytes at a multiple of 16: see `ring_plan_row` of rings.hpp. Instead
   *  of the cursor: of eager calls, by plan_rings, and of engines that keep trackers of their own.
   *  R is then at least the rows in use and T; that is the caller's promise. */
  tensor_view ring_plan;
  /** Optional, int64 (slots), beside rings: whose bits stochastic rounding takes. Its value takes
   *  the slot's place in the counter, and in a pipeline the seed of consumer c is draw c of the
   *  stream in every replay: bits are a function of seed, layer, key and position. */
  tensor_view rounding_key;
  bool dt_softplus = false;  ///< of dt + dt_bias
  ///@{
  /** Limits of dt', behind the softplus: `time_step_limit` of a model. None by default. */
  float dt_min = -std::numeric_limits<float>::infinity();
  float dt_max = std::numeric_limits<float>::infinity();
  ///@}
  /** The slot that is nobody's: a sequence that reads it gets zero `out` rows and no state, and a
   *  destination that is this is not written. By default 0: number sequences from slot 1 on, or set
   *  -1, and every slot is somebody's. Plays no part without index tensors. All backends but
   * flashinfer treat a slot outside [0, slots) the same way. */
  std::int64_t null_block_id = 0;
  /** T of varlen mode: no sequence is longer. 0: the number of rows. With rings at most 16. Ignored
   *  in other modes. */
  std::int64_t max_seqlen = 0;
  /** W, with rings: a checkpoint is stored wherever W divides the number of tokens that it has
   * seen. T to 64. Ignored otherwise. */
  std::int64_t checkpoint_interval = 16;

  bool operator==(const ssu_args&) const = default;
};

/** The tensors of `ssu_args` by name. */
enum class ssu_tensor : std::uint8_t {
  state,
  x,
  dt,
  A,
  B,
  C,
  D,
  z,
  dt_bias,
  out,
  state_batch_indices,
  dst_state_batch_indices,
  num_accepted_tokens,
  cu_seqlens,
  rand_seed,
  dst_state,
  state_scale,
  dst_state_scale,
  x_ring,
  B_ring,
  dt_ring,
  ring_cursor,
  ring_plan,
  rounding_key,
};

/** Which tensors are bound decides: num_accepted_tokens speculative, else cu_seqlens varlen. With
 *  rings, where no token has a slot of its own, cu_seqlens varlen, else plain. */
enum class ssu_mode : std::uint8_t { plain, varlen, speculative };

/** As it is written here. */
[[nodiscard]] SSUGRAPH_EXPORT std::string to_string(ssu_mode mode);

}  // namespace ssugraph
