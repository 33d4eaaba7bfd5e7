#pragma once

/**
 * @file
 * Custom steps: whatever of the user's runs between the SSU layers of a pipeline (GEMMs, a
 * convolution, an all-reduce), as a callable that enqueues it.
 */

#include <ssugraph/byte_range.hpp>
#include <ssugraph/stream.hpp>
#include <ssugraph/tensor_view.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

namespace ssugraph {

/**
 * What a custom step works on in one bucket. All memory is the lane's: device memory (host memory
 * in a host pipeline), the same in every replay, written by the prologue of each. Only the
 * addresses may be used while the step is recorded; what they hold is known on the device alone. On
 * the host nothing is recorded: the step reads what they hold when it is called.
 */
struct step_context {
  std::int32_t bucket = 0;  ///< sequences that the graph serves
  std::int64_t rows = 0;  ///< of its row tensors: bucket; with cu_seqlens bucket * T, or the budget
  const std::int32_t* live_sequences = nullptr;  ///< one: the batch of the replay
  /** One: how many rows that batch has. Without cu_seqlens one a sequence; with it
   *  cu_seqlens[batch] - cu_seqlens[0], from `first_row` on. */
  const std::int32_t* live_rows = nullptr;
  const std::int32_t* first_row = nullptr;  ///< one: 0; with cu_seqlens cu_seqlens[0]
  /** The padded copies that the next SSU step takes (behind the last one: the last one), cut to the
   *  bucket; see graphs/README.md. Where the user binds no sources, `state_batch_indices` holds
   *  0, 1, ... and `null_block_id` is -1, in destinations, too. Unbound tensors are empty views. */
  tensor_view state_batch_indices;
  tensor_view dst_state_batch_indices;  ///< as state_batch_indices
  tensor_view num_accepted_tokens;      ///< padded with 1
  tensor_view cu_seqlens;               ///< padded with empty sequences
  /** (bucket, 8) int32, of steps with rings: what they do with each sequence, a `ring_plan_row` of
   *  rings.hpp, padded with null ones. Column 4 is what a convolution's window moves on by. */
  tensor_view ring_plan;
  std::int64_t null_block_id = 0;       ///< what the indices are padded with
  std::span<const std::int64_t> seeds;  ///< `step_options::seeds` draws of the replay
  /** `step_options::scratch_bytes`, aligned to 256 bytes. Holds anything when the step starts, for
   *  the steps of a lane share it. */
  std::span<std::byte> scratch;
};

/**
 * Enqueues a step on `stream`: kernels, library calls, copies between device and pinned memory.
 * Called once a bucket and recording (again after a rebind; and up to three times more for each
 * step whose capture somebody spoiled, its own or a later one's, for the graph is lost with it),
 * and once a `run_eager`; must enqueue the same each time. A CUDA replay never calls it; a host
 * pipeline calls it in every replay, and there it does the work before it returns. While a step is
 * recorded, `stream` is being captured: no synchronisation, no allocation, no copy from or to
 * pageable memory; other streams may be forked off and must be joined. A kernel that is launched
 * programmatically calls cudaGridDependencySynchronize in every block. What it throws passes
 * through the call that records. A recording that fails leaves no last error in the program's CUDA
 * runtime that was not there before.
 *
 * What a callable owns lives until the last replay of the lanes of its pipeline is over, also where
 * the lane, the pipeline and the builder went earlier: it is destroyed by the lane's end where
 * nothing is in flight any more, else by the first later call for CUDA, on any lane, device or
 * thread, that builds a pipeline, makes, rebinds, rebuilds or ends a lane, or reads a random state.
 * Never where there is no such call, or where the lane ended while its stream was captured.
 */
using step_function = std::function<void(const step_context& context, stream_handle stream)>;

/** What the library must know of a custom step. */
struct step_options {
  /** Seeds that each replay draws for it. */
  std::int64_t seeds = 0;
  /** Scratch that the largest bucket needs. */
  std::size_t scratch_bytes = 0;
  /**
   * All that the step writes, its scratch aside, within 62 bits of address. Declared, the SSU step
   * behind may start under the step's last kernel (a programmatic edge; it reads its state ahead if
   * the step does not write there). Not declared, it waits in full.
   */
  std::optional<std::vector<byte_range>> writes = std::nullopt;
  /**
   * A promise: the step's last kernel calls cudaTriggerProgrammaticLaunchCompletion before it ends,
   * and a kernel of the step that is itself launched programmatically does so in no block before
   * its cudaGridDependencySynchronize. Needs `writes`. Without the promise, a step with a kernel
   * launched programmatically gives no programmatic edge.
   */
  bool triggers_early = false;
  /** Call it once before the first recording of a lane, on a stream that is not captured, with live
   *  counts of 0 and all sequences null: for libraries that allocate on first use. */
  bool warm_up = false;
};

}  // namespace ssugraph
