#pragma once

#include <ssugraph/bucket_policy.hpp>
#include <ssugraph/export.hpp>
#include <ssugraph/lane.hpp>
#include <ssugraph/ssu.hpp>
#include <ssugraph/step.hpp>
#include <ssugraph/stream.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

/**
 * Recording and replaying the SSU layers of a model, and what runs between them: `pipeline_builder`
 * -> `pipeline` -> `lane` -> `replay`. One CUDA graph a batch bucket; dispatch is resolved when the
 * pipeline is built.
 *
 * Free between replays: the contents of every bound tensor, the live batch, the random state.
 * Baked: dtypes, strides, plans and, until `lane::rebind`, addresses.
 */
namespace ssugraph {

namespace detail {
struct pipeline_core;
struct pipeline_draft;
// Of the including program: null where it links no CUDA runtime.
[[gnu::weakref("cudaPeekAtLastError")]] static int peek_at_callers_last_error();
[[gnu::weakref("cudaGetLastError")]] static int get_callers_last_error();
}  // namespace detail

/** Where a pipeline runs. The host records the same steps, buckets, padding and seeds, and replays
 *  them by the reference backend. It is only ever chosen by name. */
enum class target : std::uint8_t { cuda, host };

/** Ordered steps, resolved for every bucket. Const, cheap to copy and shareable between threads. */
class SSUGRAPH_EXPORT pipeline {
 public:
  // Copied where others are moved: a pipeline is never left empty.
  pipeline(const pipeline&) = default;
  pipeline& operator=(const pipeline&) = default;

  /**
   * Records and instantiates one graph a bucket for `stream`, the largest first (lazily: none).
   * Each binding replaces an address. Allocates and waits for internal streams only; nothing runs
   * on bound tensors, but for custom steps that ask for a warm-up. Where `stream` may only use a
   * part of the device's multiprocessors (a green context), plans are made for that part first, and
   * by `automatic` measured there. May be called while any stream is captured. The lane starts at
   * random state {seed 0, draw 0}: `set_random_state` sets lanes apart.
   *
   * Throws invalid_argument: an unknown step, a tensor that the step does not bind or that is bound
   * twice, an address that breaks the plan's alignment or lives elsewhere, states of two steps that
   * come to overlap, a stream of another device, an `out` that another live lane on another stream
   * reads or writes, a custom step that enqueues what a graph cannot keep, or a budget that is
   * exceeded. Throws unsupported (a part of the multiprocessors that a backend has no plan for),
   * cuda_error, and what a custom step throws. Nothing stays behind then.
   */
  [[nodiscard]] lane make_lane(stream_handle stream, std::span<const binding> bindings = {}) const;

  /** SSU layers and custom steps. */
  [[nodiscard]] std::size_t step_count() const noexcept;
  /** Those of the builder. */
  [[nodiscard]] const bucket_policy& buckets() const noexcept;
  /** Never the host unless it was named. */
  [[nodiscard]] target where() const noexcept;
  /** The place of the step called `name`. Throws invalid_argument. */
  [[nodiscard]] std::size_t step_index(std::string_view name) const;
  /** The plan of SSU step `step` in bucket `bucket_index`. Throws invalid_argument out of range and
   *  for a custom step. */
  [[nodiscard]] const ssu_plan& plan(std::size_t step, std::size_t bucket_index) const;
  /** How many seeds one replay draws. */
  [[nodiscard]] std::int64_t seeds_per_replay() const noexcept;
  /** A line a step and bucket: name, plan; of a custom step one line, its options. */
  [[nodiscard]] std::string describe() const;
  /** Config, buckets, steps and their plans as JSON; see lane::describe_json for the graphs. */
  [[nodiscard]] std::string describe_json() const;

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
   *  What does not fit or cannot be read, whatever the file holds, is left aside with one warning
   *  to the log, measured anew and replaced; only what is no regular file stays as it is. Processes
   *  may share the file: each adds to what it holds by then, in turns where the file system has
   *  locks. A file of that name with `.lock` behind it stays beside it. */
  std::string cache_file = {};

  bool operator==(const tuning_options&) const = default;
};

/** How lanes record their graphs. */
struct recording_options {
  /** Record a bucket when it is first used, not when the lane is made. That replay allocates and
   *  waits for internal streams; `lane_stats::lazy_builds` counts it. */
  bool lazy = false;
  /** Capture custom steps on a blocking stream, so that what they put on the legacy default stream
   *  by mistake is an error. Other threads must then leave that stream alone during a build. Not on
   *  a part of the multiprocessors, whose streams do not block: make_lane throws invalid_argument.
   */
  bool strict_capture = false;
  /** Graphs that a lane may have; 0: any number. */
  std::size_t max_graphs = 0;
  /** Device memory that a lane may take, by the estimate of lane_stats; 0: any. */
  std::size_t max_bytes = 0;
  /**
   * Verify what callers promise of index and count tensors: one kernel more a replay, and in what
   * is recorded elsewhere. The first sequence that breaks a promise is an invalid_argument
   * ("layer3.state_batch_indices[17]") of the next replay, run_eager, record_prologue or
   * random_state that comes after it ran; that call does nothing else. Tensors must also lie in
   * live allocations when they are bound; in reserved addresses, memory must be mapped wherever
   * they have an element, which asks the driver once a mapping. The lane's end then waits for its
   * stream. Unset: what the library was built with (CMake option SSUGRAPH_CHECKED, off by default).
   */
  std::optional<bool> checked = {};

  bool operator==(const recording_options&) const = default;
};

/** What the library must know of an SSU step beside its arguments. */
struct ssu_options {
  /** This step reads and writes the state of an earlier one. Else that is an error. */
  bool shares_state = false;
};

/** Collects steps, then resolves them for every bucket. Not shared between threads. */
class SSUGRAPH_EXPORT pipeline_builder {
 public:
  /**
   * Throws invalid_argument as `ssu_dispatch` does, and for `target::cuda` with the CPU backend
   * `reference`; unsupported for `target::cuda` without a CUDA device, with the reason;
   * invalid_state for it in a process forked from one that used CUDA. `target::host` resolves every
   * step to `reference`, whatever `config.backend` says, and does not begin the use of CUDA.
   */
  [[gnu::always_inline]] pipeline_builder(mamba_config config, bucket_policy buckets,
                                          target where = target::cuda)
      : pipeline_builder{std::move(config),
                         std::move(buckets),
                         where,
                         {&detail::peek_at_callers_last_error, &detail::get_callers_last_error}} {}
  /** A builder of its own that goes on from the same steps; a move is a copy. */
  pipeline_builder(const pipeline_builder& other);
  /** As the copy; on failure this one is as it was. */
  pipeline_builder& operator=(const pipeline_builder& other);
  ~pipeline_builder();

  /**
   * Appends one SSU layer. x, dt, z, B, C and out need at least max_batch * T rows, indices and
   * num_accepted_tokens max_batch entries, cu_seqlens max_batch + 1. Varlen needs `max_seqlen`. All
   * steps share one mode and one T. `rand_seed` must be unbound: seeds come from the lane.
   *
   * Throws invalid_argument (names step and tensor; also where the state overlaps that of an
   * earlier step and `options` do not say so) or unsupported; the builder is then unchanged.
   */
  pipeline_builder& ssu(std::string name, const ssu_args& args, ssu_options options = {});

  /**
   * Appends a custom step. Throws invalid_argument (a name that is taken or empty, no callable, a
   * negative number of seeds, `triggers_early` without `writes`); the builder is then unchanged.
   */
  pipeline_builder& step(std::string name, step_function enqueue, step_options options = {});

  /** Whether library kernels overlap by programmatic dependent launch (default: where they can). */
  pipeline_builder& programmatic_dependent_launch(bool enabled) noexcept;

  /** Throws invalid_argument unless scratch_fraction is in (0, 1]. */
  pipeline_builder& tuning(tuning_options options);

  /** For all lanes of what is built. */
  pipeline_builder& recording(recording_options options) noexcept;

  /**
   * Resolves every step for every bucket and loads the kernels without running them. With backend
   * `automatic`, measures candidates on scratch memory and streams of its own first, and waits for
   * those; never on bound tensors. Throws invalid_state without an SSU step, invalid_argument for
   * more buckets than the budget has graphs, cuda_error. The builder stays as it was and may build
   * again.
   */
  [[nodiscard]] pipeline build() const;

 private:
  friend struct detail::pipeline_draft;
  pipeline_builder(mamba_config config, bucket_policy buckets, target where,
                   detail::callers_last_error last_error);

  std::unique_ptr<detail::pipeline_draft> draft_;
};

}  // namespace ssugraph
