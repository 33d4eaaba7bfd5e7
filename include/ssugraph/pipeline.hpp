#pragma once

/**
 * @file
 * Recording and replaying the SSU layers of a model, and what runs between them: `pipeline_builder`
 * -> `pipeline` -> `lane` -> `replay`. One CUDA graph a batch bucket; dispatch is resolved when the
 * pipeline is built.
 *
 * Free between replays: the contents of every bound tensor, the live batch, the random state.
 * Baked: dtypes, strides, plans and, until `lane::rebind`, addresses.
 */

#include <ssugraph/binding.hpp>
#include <ssugraph/bucket_policy.hpp>
#include <ssugraph/export.hpp>
#include <ssugraph/lane.hpp>
#include <ssugraph/ssu_plan.hpp>
#include <ssugraph/stream.hpp>
#include <ssugraph/target.hpp>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace ssugraph {

namespace detail {
struct pipeline_core;
}  // namespace detail

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
  /**
   * Device memory that a lane takes, before there is one: its own (copies, counters, seeds,
   * scratch) and what the driver needs for the graphs of all buckets, by a measured figure a node.
   * An upper bound, which lanes that were made came within 10 % of, where no custom step and no
   * user's backend has more than two nodes, for which each is counted; but the driver takes memory
   * in pieces of 32 MiB, which lanes share. Host target: the lane's own, in host memory.
   */
  [[nodiscard]] std::size_t lane_bytes() const;
  /** A line a step and bucket: name, plan; of a custom step one line, its options. */
  [[nodiscard]] std::string describe() const;
  /** Config, buckets, steps and their plans as JSON; see lane::describe_json for the graphs. */
  [[nodiscard]] std::string describe_json() const;

 private:
  friend class pipeline_builder;
  explicit pipeline(std::shared_ptr<const detail::pipeline_core> core) noexcept;

  std::shared_ptr<const detail::pipeline_core> core_;
};

}  // namespace ssugraph
