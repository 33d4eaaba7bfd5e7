#pragma once

#include "lib/core/cuda_handle.hpp"
#include "lib/core/kernel_launch.hpp"

#include <ssugraph/ssu.hpp>

#include <cstdint>

namespace ssugraph::detail {

/** What a lowering needs beyond the plan and the tensors. */
struct launch_context {
  /** Seed where args.rand_seed is unbound. */
  std::int64_t drawn_seed = 0;
  /** No launch in front that may still run writes this one's state, indices and counts: read them
   *  meanwhile. Only with a programmatic launch. */
  bool state_ahead = false;
  /** Nor anything else that this one reads. */
  bool inputs_ahead = false;
  /** The launch behind knows what all launches in front of it write that may still run: let it
   *  start at once, before this one's own wait. Only where the backend can. */
  bool triggers_ahead = false;
};

/** A backend whose plans lower to one kernel launch, and so to one graph node without a capture. */
class kernel_backend : public mamba_ssu_backend {
 public:
  /** The kernel that `plan` launches. */
  [[nodiscard]] virtual const void* kernel(const ssu_plan& plan) const = 0;

  /** Whether it may be told to trigger ahead. */
  [[nodiscard]] virtual bool can_trigger_ahead(const ssu_plan& /*plan*/) const { return false; }

  /** `plan` on `args` (as in `enqueue`) as a value. Enqueues nothing. */
  [[nodiscard]] virtual kernel_launch lower(const ssu_plan& plan, const ssu_args& args,
                                            const launch_context& context) const = 0;

  void enqueue(const ssu_plan& plan, const ssu_args& args, std::int64_t drawn_seed,
               stream_handle stream) const final {
    const device_guard guard{plan.problem.device.ordinal};
    lower(plan, args, {.drawn_seed = drawn_seed}).launch(stream);
  }
};

}  // namespace ssugraph::detail
