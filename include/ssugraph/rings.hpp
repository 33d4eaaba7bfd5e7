#pragma once

/**
 * @file
 * The rings of checkpointed states (ssu.hpp) from step to step: which rows are live, when a
 * checkpoint is stored. A pipeline's prologue does this by itself for steps that bind
 * `ring_cursor`; here it is for eager calls, and for engines that keep trackers of their own.
 *
 * For each sequence with slot s and T_i tokens in this step, with a = num_accepted_tokens[i], how
 * many of the previous step's tokens stand (0 counts as 1; unbound: all):
 *
 *     a = pending ? min(max(a, 1), pending) : 0;  c = count + a
 *     due = W - position % W;  flush = c >= due ? due : 0
 *     plan   = {start, c, flush, T_i, pending ? a : 1, s, position + flush, 0}
 *     cursor = {(start + flush) % R, c - flush, T_i, position + flush}
 *
 * so that checkpoints lie where W divides the position, whatever was accepted. A null or empty
 * sequence changes no cursor. A cursor that no step left behind (start outside [0, R), a count that
 * was due, pending above W, 16 or what R has room for, a position outside of 0 to 2^31 - 65) is
 * left alone, and its sequence counts as null: checked mode names it. Lanes and calls with disjoint
 * slots may share one tensor of cursors; two that plan one step of one slot take its cursor on
 * twice.
 */

#include <ssugraph/export.hpp>
#include <ssugraph/stream.hpp>
#include <ssugraph/tensor_view.hpp>

#include <cstdint>

namespace ssugraph {

/** What is live of a slot's ring: a row of ssu_args::ring_cursor. Of zero bytes, nothing: a fresh
 *  slot, whose state is zero, or an empty ring on the state that lies there. */
struct ring_cursor {
  std::int32_t start = 0;     ///< ring row of the oldest input
  std::int32_t count = 0;     ///< inputs from there on that stand, the ring being round
  std::int32_t pending = 0;   ///< behind them the last step's, of which the next one is told
  std::int32_t position = 0;  ///< tokens that the checkpoint has seen

  /** Of the same inputs. */
  bool operator==(const ring_cursor&) const = default;
};

/** What a step does with a sequence: a row of ssu_args::ring_plan. */
struct ring_plan_row {
  std::int32_t start = 0;     ///< ring row of the oldest live input
  std::int32_t count = 0;     ///< live inputs; this step's tokens are appended behind them
  std::int32_t flush = 0;     ///< of these, the first so many go into a new checkpoint; 0: none is
  std::int32_t length = 0;    ///< tokens of the sequence in this step
  std::int32_t shift = 0;     ///< tokens that a convolution's window moves on by
  std::int32_t slot = -1;     ///< of the sequence; a slot that does not exist: it is null
  std::int32_t position = 0;  ///< tokens that the checkpoint has seen, behind this step
  std::int32_t reserved = 0;  ///< 0

  /** Of the same rows. */
  bool operator==(const ring_plan_row&) const = default;
};

/** The tensors and scalars of plan_rings; those that ssu_args has are as there. */
struct ring_plan_args {
  tensor_view ring_plan;                  ///< (n, 8) int32, written
  tensor_view ring_cursor;                ///< (slots, 4) int32, read and written
  tensor_view state_batch_indices{};      ///< optional (n) or (n, T), int32 or int64; column 0
  tensor_view num_accepted_tokens{};      ///< optional (n), int32 or int64, of the previous step
  tensor_view cu_seqlens{};               ///< optional (n + 1), int32 or int64
  std::int64_t null_block_id = 0;         ///< as in ssu_args
  std::int64_t max_seqlen = 1;            ///< T, with cu_seqlens: 1 to 16
  std::int64_t checkpoint_interval = 16;  ///< W: T to 64
  std::int64_t ring_rows = 0;             ///< R of the rings: W + 2T - 1 to 128
};

/**
 * Plans a step of eager calls, and advances the cursors past it: once a step, however many layers
 * take the plan. Without cu_seqlens n is the rows of ring_plan: cut it to the batch, or cursors of
 * what lies behind go on, too. With cu_seqlens n is one less than its entries, and rows of
 * ring_plan behind are left alone. One kernel, stream-ordered, capture-safe, no allocation; on the
 * host: before it returns. Throws invalid_argument before anything ran (shapes, dtypes, alignment,
 * devices, W, T and R; an element of what is written on top of another tensor), cuda_error.
 */
SSUGRAPH_EXPORT void plan_rings(const ring_plan_args& args, stream_handle stream);

/** The tensors and scalars of plan_from_trackers. */
struct tracker_plan_args {
  tensor_view ring_plan;              ///< (n, 8) int32, written
  tensor_view ring_start;             ///< (slots) int32: ring row of the oldest live input
  tensor_view prev_tokens;            ///< (slots) int32: live inputs
  tensor_view positions{};            ///< optional (slots) int32: tokens that checkpoints have seen
  tensor_view state_batch_indices{};  ///< optional (n) or (n, T), int32 or int64; column 0
  tensor_view cu_seqlens{};           ///< optional (n + 1), int32 or int64
  std::int64_t null_block_id = 0;     ///< as in ssu_args
  std::int64_t max_seqlen = 1;        ///< T, with cu_seqlens: 1 to 16
  std::int64_t checkpoint_interval = 16;  ///< W: T to 64
};

/**
 * Plans a step by FlashInfer's rule, which vLLM's FlashInfer backend has, too: where the live
 * inputs and the step's tokens would be more than W, all live inputs go into the checkpoint (flush
 * = prev + T_i > W ? prev : 0). vLLM's Triton kernel is told when to store: write such rows
 * yourself. Reads the trackers, which stay the caller's to advance. `shift` becomes the sequence's
 * length, right where each step has as many tokens as the last and all stand; else write that
 * column yourself. `positions` are for stochastic rounding alone: without them all checkpoints of a
 * slot take the bits of position 0, of different seeds. n, order, capture and errors as plan_rings.
 */
SSUGRAPH_EXPORT void plan_from_trackers(const tracker_plan_args& args, stream_handle stream);

}  // namespace ssugraph
