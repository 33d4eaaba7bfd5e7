#pragma once

#include <ssugraph/bucket_policy.hpp>
#include <ssugraph/random.hpp>
#include <ssugraph/ssu.hpp>
#include <ssugraph/stream.hpp>
#include <ssugraph/tensor_view.hpp>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

/**
 * Recording and replaying the SSU layers of a model: `pipeline_builder` -> `pipeline` -> `lane` ->
 * `replay`. One CUDA graph a batch bucket; dispatch is resolved when the pipeline is built.
 *
 * Free between replays: the contents of every bound tensor, the live batch, the random state.
 * Baked: dtypes, strides, plans and addresses.
 */
namespace ssugraph {

namespace detail {
struct pipeline_core;
class lane_engine;
}  // namespace detail

/** Where a pipeline runs. The host records the same steps, buckets, padding and seeds, and replays
 *  them by the reference backend. It is only ever chosen by name. */
enum class target : std::uint8_t { cuda, host };

/** Another address for one bound tensor of one step; its layout stays. */
struct binding {
  std::string step;
  ssu_tensor tensor = ssu_tensor::state;
  const void* data = nullptr;
};

/**
 * What one stream replays a pipeline with: an executable graph a bucket, its own random state,
 * scratch and padded index copies. One user at a time; a second thread gets invalid_state. Lanes in
 * flight together must touch disjoint slots. Outlives its pipeline safely. Move-only; the stream
 * must outlive it. Destroying it frees its memory after its last replay, without waiting; while
 * the stream is captured, the memory is leaked instead.
 */
class lane {
 public:
  lane(lane&&) noexcept;
  lane& operator=(lane&&) noexcept;
  ~lane();

  /**
   * Launches the smallest bucket that holds `batch` live sequences: the first `batch` of every
   * bound tensor. At most one node update and one graph launch; no allocation, synchronisation or
   * copy of user data. Many replays may be in flight at once. `batch` 0 does nothing and draws no
   * seed.
   *
   * Without cu_seqlens the `out` rows batch..bucket-1 become zero; with it, rows past
   * cu_seqlens[batch] stay untouched. No index or count tensor of the user's is written.
   *
   * Not to be called while the stream is captured. Throws invalid_argument (batch negative or above
   * the largest bucket) and invalid_state (not this lane's stream; it is being captured; another
   * thread is inside the lane; moved from), before anything was enqueued; cuda_error. Host target:
   * runs before it returns.
   */
  void replay(std::int32_t batch, stream_handle stream);

  /** The oracle of `replay`: same prologue, plans, padding, launches, errors, but no graph. */
  void run_eager(std::int32_t batch, stream_handle stream);

  /** Waits for the stream, then reads the random state. Throws as `replay`. */
  [[nodiscard]] ssugraph::random_state random_state();
  /** Sets the random state for replays enqueued later, in stream order. Throws as `replay`. */
  void set_random_state(ssugraph::random_state state, stream_handle stream);

  /**
   * Hands the lane to another stream of its device: work there waits, by event, for what is in
   * flight here. Throws as `replay`, and invalid_argument if a lane on a third stream reads or
   * writes what this one writes; the lane then stays where it was.
   */
  void move_to(stream_handle stream);

  [[nodiscard]] stream_handle stream() const;

 private:
  friend class pipeline;
  struct resident;
  class visit;
  using run_function = void (detail::lane_engine::*)(std::int32_t batch, std::size_t bucket_index);
  explicit lane(std::unique_ptr<detail::lane_engine> engine);
  void run(const char* range_name, run_function function, std::int32_t batch, stream_handle stream);

  std::unique_ptr<resident> resident_;
};

/** Ordered steps, resolved for every bucket. Const, cheap to copy and shareable between threads. */
class pipeline {
 public:
  /**
   * Records and instantiates one graph a bucket for `stream`. Each binding replaces an address.
   * Allocates and waits for internal streams only; nothing runs on bound tensors. The lane starts
   * at random state {seed 0, draw 0}: `set_random_state` sets lanes apart.
   *
   * Throws invalid_argument: an unknown step, a tensor that the step does not bind, an address that
   * breaks the plan's alignment or lives elsewhere, a stream of another device, or an `out` that
   * another live lane on another stream reads or writes. Throws cuda_error.
   */
  [[nodiscard]] lane make_lane(stream_handle stream, std::span<const binding> bindings = {}) const;

  [[nodiscard]] std::size_t step_count() const noexcept;
  [[nodiscard]] const bucket_policy& buckets() const noexcept;
  [[nodiscard]] target where() const noexcept;
  /** The plan of step `step` in bucket `bucket_index`. Throws invalid_argument out of range. */
  [[nodiscard]] const ssu_plan& plan(std::size_t step, std::size_t bucket_index) const;
  /** How many seeds one replay draws. */
  [[nodiscard]] std::int64_t seeds_per_replay() const noexcept;
  /** A line a step and bucket: name, plan. */
  [[nodiscard]] std::string describe() const;

 private:
  friend class pipeline_builder;
  explicit pipeline(std::shared_ptr<const detail::pipeline_core> core) noexcept;

  std::shared_ptr<const detail::pipeline_core> core_;
};

/** How backend `automatic` chooses, and whether buckets may differ. */
struct tuning_options {
  /** Measure the candidates of every bucket when the pipeline is built; else go by a fixed table.
   *  Only backend `automatic` measures. */
  bool measure = true;
  /** One backend, algorithm and tile for all buckets of a problem, so that a sequence's results do
   *  not depend on how many others there are. Any backend. */
  bool batch_invariant = false;
  /** Of the free device memory, what scratch may take. A bucket that does not fit takes the plan of
   *  the largest that did. */
  double scratch_fraction = 0.25;
  /** JSON file that keeps measurements, by GPU, driver, library version and problem. Empty: none.
   *  What does not fit or cannot be read is measured anew, with one warning to the log. */
  std::string cache_file = {};

  bool operator==(const tuning_options&) const = default;
};

/** Collects steps, then resolves them for every bucket. Not shared between threads. */
class pipeline_builder {
 public:
  /**
   * Throws invalid_argument as `ssu_dispatch` does, and for `target::cuda` with the CPU backend
   * `reference`; unsupported for `target::cuda` without a CUDA device. `target::host` resolves
   * every step to `reference`, whatever `config.backend` says.
   */
  pipeline_builder(mamba_config config, bucket_policy buckets, target where = target::cuda);

  /**
   * Appends one SSU layer. x, dt, z, B, C and out need at least max_batch * T rows, indices and
   * num_accepted_tokens max_batch entries, cu_seqlens max_batch + 1. Varlen needs `max_seqlen`. All
   * steps share one mode and one T. `rand_seed` must be unbound: seeds come from the lane.
   *
   * Throws invalid_argument (names step and tensor) or unsupported; the builder is then unchanged.
   */
  pipeline_builder& ssu(std::string name, const ssu_args& args);

  /** Whether library kernels overlap by programmatic dependent launch (default: where they can). */
  pipeline_builder& programmatic_dependent_launch(bool enabled) noexcept;

  /** Throws invalid_argument unless scratch_fraction is in (0, 1]. */
  pipeline_builder& tuning(tuning_options options);

  /**
   * Resolves every step for every bucket and loads the kernels without running them. With backend
   * `automatic`, measures candidates on scratch memory and streams of its own first, and waits for
   * those; never on bound tensors. Throws invalid_state without a step, cuda_error. The builder
   * stays as it was and may build again.
   */
  [[nodiscard]] pipeline build() const;

 private:
  struct named_step {
    std::string name;
    ssu_args args;
    ssu_problem problem;
  };

  [[nodiscard]] named_step checked_step(const std::string& name, const ssu_args& args) const;

  mamba_config config_;
  bucket_policy buckets_;
  target where_;
  std::shared_ptr<const mamba_ssu_backend> backend_;
  bool pdl_ = true;
  tuning_options tuning_;
  std::vector<named_step> steps_;
};

}  // namespace ssugraph
