#pragma once

#include "lib/core/kernel_launch.hpp"
#include "lib/step/operand.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace ssugraph::detail {

/** What a lowering needs beyond the plan and the tensors. */
struct launch_context {
  /** Seed where none is bound. */
  std::int64_t drawn_seed = 0;
  /** No launch in front that may still run writes what this one reads with its state: read it
   *  meanwhile. Only with a programmatic launch. */
  bool state_ahead = false;
  /** Nor anything else that this one reads. */
  bool inputs_ahead = false;
  /** The launch behind knows what all launches in front of it write that may still run: let it
   *  start at once, before this one's own wait. Only where the plan can. */
  bool triggers_ahead = false;
  /** To launch for, at most as many as the plan is of; 0: those. */
  std::int64_t sequences = 0;
};

/** One launch of a plan, before it is lowered. */
struct planned_launch {
  launch_operands operands;
  bool can_trigger_ahead = false;
  /** It may start under a library kernel in front. Only known once its plan is loaded. */
  bool overlaps = false;
};

/** A plan that lowers to kernel launches, one or more in a row, and so to graph nodes without a
 *  capture. */
class kernel_launches {
 public:
  kernel_launches() = default;
  kernel_launches(const kernel_launches&) = delete;
  kernel_launches& operator=(const kernel_launches&) = delete;
  virtual ~kernel_launches() = default;

  /** In order. */
  [[nodiscard]] std::span<const planned_launch> launches() const noexcept { return launches_; }

  /** Launch `index` on `tensors` as a value. Enqueues nothing. */
  [[nodiscard]] virtual kernel_launch lower(std::size_t index, std::span<const tensor_view> tensors,
                                            const launch_context& context) const = 0;

 protected:
  std::vector<planned_launch> launches_;
};

}  // namespace ssugraph::detail
