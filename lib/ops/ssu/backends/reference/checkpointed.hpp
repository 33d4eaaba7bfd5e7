#pragma once

#include "lib/ops/ssu/backends/planned_ssu.hpp"

#include <string>

namespace ssugraph::detail::reference {

/** A step of checkpointed states: checkpoint and ring in, `out` out, new rows into the ring and, of
 *  sequences that flush, a new checkpoint. Runs before it returns. */
class checkpointed_ssu final : public planned_ssu {
 public:
  explicit checkpointed_ssu(const ssu_plan& plan) : planned_ssu{plan, plan.problem} {}

  [[nodiscard]] std::string why_not(const ssu_problem& /*problem*/) const override { return {}; }

  using planned_ssu::enqueue;
  void enqueue(const ssu_args& args, const ssu_launch& how, stream_handle stream) const override;
};

}  // namespace ssugraph::detail::reference
