#pragma once

#include "graphs/core/pipeline_core.hpp"
#include "lib/core/kernel_launch.hpp"

#include <cuda_runtime_api.h>

#include <variant>
#include <vector>

/** Steps behind one another on one stream, lowered to what is launched or recorded. */
namespace ssugraph::detail {

/** A step that is none of the library's kernels, and enqueues itself. */
struct foreign_launch {
  planned_pointer planned;
  bound_tensors tensors;

  /** Throws what its backend throws. */
  void launch(stream_handle stream) const { planned->enqueue(tensors, stream); }
};

/** A custom step in one bucket. */
struct custom_launch {
  const custom_step* step;
  step_context context;

  /** Throws what the callable throws. */
  void launch(stream_handle stream) const { step->enqueue(context, stream); }
};

/** One launch of a step on its tensors, as a value. */
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

/** A step of the library's as launches, and what the launch behind them must know. */
struct lowered_step {
  std::vector<step_launch> launches;
  launch_front behind;
};

/**
 * One step behind `front`, whose launches are programmatic where `front` and what they read allow
 * it. `next`: the step that is launched right behind it by what `behind` says, or null. Between two
 * launches in a row, and so through any number of them, kernels are let start before the ones in
 * front of theirs are over.
 */
[[nodiscard]] lowered_step lower(const planned_pointer& planned, const bound_tensors& tensors,
                                 launch_front front, const planned_step* next);

/** The same with launches that each wait for the end of the one in front. */
[[nodiscard]] std::vector<step_launch> lower_in_turn(const planned_pointer& planned,
                                                     const bound_tensors& tensors);

/** Enqueues one launch. Throws cuda_error, and what a callable or a user's backend throws. */
void launch(const step_launch& step, stream_handle stream);

}  // namespace ssugraph::detail
