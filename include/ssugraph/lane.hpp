#pragma once

/** @file
 *  What replays a pipeline. */

#include <ssugraph/binding.hpp>
#include <ssugraph/cache_view.hpp>
#include <ssugraph/export.hpp>
#include <ssugraph/lane_stats.hpp>
#include <ssugraph/random.hpp>
#include <ssugraph/stream.hpp>
#include <ssugraph/suggest_buckets.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace ssugraph {

namespace detail {
class lane_engine;
}  // namespace detail

/** What `lane::rebind` did to the graph of one bucket. */
enum class rebind_outcome : std::uint8_t {
  updated,       ///< the executable took the new addresses
  instantiated,  ///< recorded and instantiated anew, for the update was refused
  unrecorded,    ///< there is none: its first use, or `rebuild`, records it with the new addresses
};

/**
 * What one stream replays a pipeline with: an executable graph a bucket, its own random state,
 * scratch and padded index copies. One user at a time; a second thread gets invalid_state. Lanes in
 * flight together must touch disjoint slots. Outlives its pipeline safely. Move-only; the stream
 * and its context must outlive it.
 *
 * @code{.cpp}
 * ssugraph::lane lane = pipeline.make_lane(stream);  // records one graph per bucket
 * lane.set_random_state({.seed = 42}, stream);
 * while (const std::int32_t batch = next_batch(stream)) {  // yours: fills x, dt, slots
 *   lane.replay(batch, stream);                            // one launch
 * }
 * const ssugraph::lane_stats stats = lane.stats();  // replays and padding
 * @endcode
 *
 * Its graphs run in the context of its stream, on the multiprocessors of a green context if the
 * stream is of one. A default stream is that of the context that is current when the lane is made,
 * if that is of its device. Nothing that a lane does beside a capture of somebody else's, in
 * whatever mode and thread, spoils that or is kept from working by it; but the legacy stream cannot
 * be used, which is an invalid_state, while a blocking stream is captured.
 *
 * Destroying it frees its memory after its last replay, without waiting (checked mode waits, for
 * reports still to come), and keeps what callables of steps own until then (see step_function);
 * while the stream is captured, all that is leaked instead.
 */
class SSUGRAPH_EXPORT lane {
 public:
  lane(lane&&) noexcept;
  lane& operator=(lane&&) noexcept;
  ~lane();

  /**
   * Launches the smallest bucket that holds `batch` live sequences: the first `batch` of every
   * bound tensor. At most one node update and one graph launch; no allocation, synchronisation or
   * copy of user data (but where a lazy bucket is recorded by this first use). Many replays may be
   * in flight at once. `batch` 0 does nothing and draws no seed.
   *
   * Without cu_seqlens the `out` rows batch..bucket-1 become zero; with it, rows past
   * cu_seqlens[batch] stay untouched. No index or count tensor of the user's is written.
   *
   * Not to be called while the stream is captured: see `record`. Throws invalid_argument (batch
   * negative or above the largest bucket; in checked mode, a promise that an earlier replay found
   * broken) and invalid_state (not this lane's stream; it is being captured; the bucket was lost to
   * a failed rebind; another thread is inside the lane; moved from), before anything was enqueued;
   * cuda_error. Host target: runs before it returns.
   */
  void replay(std::int32_t batch, stream_handle stream);

  /** The oracle of `replay`: same prologue, plans, padding, launches, errors, but no graph. */
  void run_eager(std::int32_t batch, stream_handle stream);

  /**
   * Records the prologue of `bucket` into the caller's own capture of `stream`, which may be any
   * stream of the lane's device. `live` is a device int32 that holds the batch whenever the
   * caller's graph runs, from 0 to `bucket`; anything else counts as the nearer of them. The graph
   * then serves the first `*live` sequences, and draws its seeds even for 0.
   *
   * Record all layers on its cursors behind it, or their rings lack the tokens of the step.
   *
   * Allocates nothing and works in every capture mode. The caller's graphs use the lane's memory
   * and random state: the lane must outlive them, and they and its replays run one after another.
   *
   * Throws invalid_argument (not a bucket; `live` null or pageable; a stream of another device; in
   * checked mode, a promise that an earlier replay found broken) and invalid_state (the stream is
   * not being captured; host target) before anything was recorded; cuda_error.
   */
  void record_prologue(std::int32_t bucket, const std::int32_t* live, stream_handle stream);
  /**
   * Records step `step` where the capture of `stream` stands, behind its prologue. Each step once a
   * prologue, in any order, on any stream of that capture. Directly behind another SSU step of
   * this lane, the launch starts while that one still runs. Throws invalid_argument (out of range)
   * and invalid_state (no prologue in this capture; recorded already) before anything was recorded;
   * what a custom step throws. A custom step or user's backend is held to what `make_lane` asks of
   * it, by step and bucket: invalid_argument (it added nothing, or what a graph cannot keep),
   * invalid_state (it ended the capture), cuda_error (it spoiled the capture, which nobody tries
   * again). The capture is to be ended and its graph dropped then.
   *
   * `bindings` are addresses of row tensors (x, dt, z, B, C, out) of this step, for this recording
   * alone: memory that the caller allocates within the capture, say. Only the rows of the bucket
   * need to be there. What the step may overlap is proved anew against these addresses. All other
   * recordings and replays go by the lane's own. Throws invalid_argument as `rebind` does, and for
   * another step or any other tensor, before anything was recorded; but other lanes are not looked
   * at, nor, in checked mode, whether the memory is there already.
   */
  void record_step(std::size_t step, stream_handle stream, std::span<const binding> bindings = {});
  /** The prologue and every step in order, with `bindings` of any of them. Throws as they do, for
   *  `bindings` before anything was recorded. */
  void record(std::int32_t bucket, const std::int32_t* live, stream_handle stream,
              std::span<const binding> bindings = {});

  /**
   * Adds the whole graph of `bucket` to `graph` as one child graph node behind `predecessors`; else
   * as `record`. Throws as `record`, but needs no capture.
   */
  [[nodiscard]] graph_node_handle add_child_graph(graph_handle graph,
                                                  std::span<const graph_node_handle> predecessors,
                                                  std::int32_t bucket, const std::int32_t* live);

  /**
   * Gives bound tensors other addresses, for all replays to come; those in flight keep theirs. Give
   * a scaled state and its `state_scale` theirs together: codes mean nothing without it; and of a
   * checkpointed state its rings and cursor.
   * Checked like `make_lane`. A bucket of library kernels alone gets new node parameters; one with
   * other steps is recorded again and its executable updated, or instantiated anew. May allocate;
   * waits for nothing in flight.
   *
   * What the caller recorded of this lane must not run again, for the padded copies may lie
   * elsewhere and hold other tensors: record it anew, prologue included.
   *
   * One outcome a bucket. Throws as `make_lane`, and what a custom step throws: nothing changed
   * then. An update that fails, by a cuda_error or for want of the host's memory, leaves its bucket
   * unusable until `rebuild`; the others have the new addresses.
   */
  std::vector<rebind_outcome> rebind(std::span<const binding> bindings);

  /** Records and instantiates the bucket of `batch` again. Throws as `make_lane`, and as `replay`
   *  for its batch. */
  void rebuild(std::int32_t batch);

  /** Waits for the stream, then reads the random state. Throws as `replay`. */
  [[nodiscard]] ssugraph::random_state random_state();
  /** Sets the random state for replays enqueued later, in stream order. Throws as `replay`. */
  void set_random_state(ssugraph::random_state state, stream_handle stream);

  /**
   * Hands the lane to another stream of its context: work there waits, by event, for what is in
   * flight here. Throws as `replay`; invalid_state if either stream is being captured;
   * invalid_argument for a stream of another device or of other multiprocessors, and if a lane on a
   * third stream reads or writes what this one writes; the lane then stays where it was.
   */
  void move_to(stream_handle stream);

  /** The one that it belongs to. Throws invalid_state (another thread is inside; moved from). */
  [[nodiscard]] stream_handle stream() const;

  /** What its layers keep of their sequences, where it is bound now, for reset_slots, load_slots
   * and store_slots: of each step that has a state, in step order, what it reads, with all axes,
   * rings, cursor and rounding key included; each state once, and no `dst_state`. Throws as
   * `stream`. */
  [[nodiscard]] std::vector<cache_view> caches() const;

  /** A replay pays nanoseconds for it: it counts its batch, all else is derived here. */
  [[nodiscard]] lane_stats stats() const;
  /** How often `replay` served each batch: entry b counts batch b, up to the largest bucket. */
  [[nodiscard]] std::vector<std::uint64_t> batch_histogram() const;

  /**
   * The pipeline's describe_json and the graphs that were recorded: nodes with their steps, edges
   * with type (`full`, `programmatic`) and ports, bytes of the lane's own memory. Holds no address
   * and no time, so that two builds of one thing can be compared. Throws cuda_error.
   */
  [[nodiscard]] std::string describe_json() const;
  /** The graph of `bucket` in the language of Graphviz, with the steps' names; programmatic edges
   *  are dashed. Throws invalid_argument (not a bucket) and invalid_state (not recorded). */
  [[nodiscard]] std::string dot(std::int32_t bucket) const;

  /**
   * Replays every bucket full and takes the median of `rounds`. Runs on what the bound tensors hold
   * and so changes state, rings, cursors and out: for a lane that does not serve yet. The random
   * state is put back, also where it throws. Waits for the stream. Throws as `replay`.
   */
  [[nodiscard]] std::vector<bucket_time> time_buckets(int rounds, stream_handle stream);

 private:
  friend class pipeline;
  struct resident;
  class visit;
  enum class way : std::uint8_t { replayed, eager };
  explicit lane(std::unique_ptr<detail::lane_engine> engine);
  void run(way how, std::int32_t batch, stream_handle stream);

  std::unique_ptr<resident> resident_;
};

}  // namespace ssugraph
