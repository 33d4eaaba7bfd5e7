#pragma once

#include "lib/core/cuda_context.hpp"
#include "lib/core/cuda_handle.hpp"
#include "lib/ops/ssu/backends/planned_ssu.hpp"
#include "lib/ops/ssu/problem/operands.hpp"
#include "lib/step/kernel_launches.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

namespace ssugraph::detail {

/** An SSU that is one kernel of the library. */
class ssu_kernel : public planned_ssu, public kernel_launches {
 public:
  using planned_ssu::enqueue;

  void load() final {
    const device_guard guard{plan().problem.device.ordinal};
    const relaxed_capture relaxed;
    launches_.front().overlaps = load_kernel(kernel());
    is_loaded_ = true;
  }
  [[nodiscard]] const kernel_launches* kernels() const noexcept final { return this; }
  [[nodiscard]] kernel_launch lower(std::size_t /*index*/, std::span<const tensor_view> tensors,
                                    const launch_context& context) const final {
    return lower(arguments(tensors), context);
  }
  void enqueue(const ssu_args& args, const ssu_launch& how, stream_handle stream) const final {
    const device_guard guard{plan().problem.device.ordinal};
    std::optional<relaxed_capture> relaxed;  // a first launch may load its kernel
    if (!is_loaded_) relaxed.emplace();
    kernel_launch launch = lower(args, {.drawn_seed = how.drawn_seed, .sequences = how.sequences});
    launch.set_programmatic(how.programmatic && launches_.front().overlaps);
    launch.launch(stream);
  }

 protected:
  ssu_kernel(const ssu_plan& plan, bool can_trigger_ahead) : planned_ssu{plan, plan.problem} {
    launches_.push_back({.operands = operands_of_whole(operands_of_ssu(plan.problem.has_dst_state)),
                         .can_trigger_ahead = can_trigger_ahead});
  }

 private:
  /** As kernel_launch takes it. */
  [[nodiscard]] virtual const void* kernel() const = 0;
  [[nodiscard]] virtual kernel_launch lower(const ssu_args& args,
                                            const launch_context& context) const = 0;

  bool is_loaded_ = false;
};

}  // namespace ssugraph::detail
