#pragma once

#include "graphs/pipeline_core.hpp"
#include "lib/core/kernel_launch.hpp"

#include <cuda_runtime_api.h>

#include <span>
#include <variant>
#include <vector>

/** Steps behind one another on one stream, lowered to what is launched or recorded. */
namespace ssugraph::detail {

/** What a backend that is no kernel_backend enqueues for a step. */
struct foreign_launch {
  backend_pointer backend;
  ssu_plan plan;
  ssu_args args;  ///< with rand_seed bound, if it rounds

  /** Throws what the backend throws. */
  void launch(stream_handle stream) const { backend->enqueue(plan, args, 0, stream); }
};

/** A custom step in one bucket. */
struct custom_launch {
  const custom_step* step;
  step_context context;

  /** Throws what the callable throws. */
  void launch(stream_handle stream) const { step->enqueue(context, stream); }
};

/** One step on its arguments, as a value. */
using step_launch = std::variant<kernel_launch, foreign_launch, custom_launch>;

struct written_tensor {
  tensor_view view;
  byte_range reach;  ///< reach_of(view)
};

/** What a library kernel must know of the launches in front of it. */
struct launch_front {
  bool may_overlap = false;               ///< it may start while they still run
  std::vector<written_tensor> tensors{};  ///< those that may still run write these
  std::vector<byte_range> ranges{};       ///< and these
};

/** An SSU step as a launch, and what the launch behind it must know. */
struct lowered_step {
  step_launch launch;
  launch_front behind;
};

/**
 * One SSU step behind `front`: programmatic only if `front` allows it. `next`: the SSU step that is
 * launched right behind it by what `behind` says, or null. Between the two of them, and so through
 * any number of such steps, kernels are let start before the ones in front of theirs are over.
 */
[[nodiscard]] lowered_step lower(const step_plan& planned, const ssu_args& args, launch_front front,
                                 const step_plan* next);

struct chain_link {
  const step_plan* planned;
  ssu_args args;
};

/** Lowers SSU steps that run one after another, programmatically wherever that may be; the first
 *  waits in full. Unless they are `back_to_back`, each is as if a step of another kind followed. */
[[nodiscard]] std::vector<step_launch> lower_chain(std::span<const chain_link> links,
                                                   bool back_to_back);

/** Enqueues one step. Throws cuda_error, and what a callable or a user's backend throws. */
void launch(const step_launch& step, stream_handle stream);

}  // namespace ssugraph::detail
