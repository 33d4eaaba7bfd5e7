#include "tests/graphs/scale_out/scale_out.hpp"

#include "lib/core/device.hpp"

#include <ssugraph/error.hpp>

#include <array>
#include <optional>

namespace ssugraph::test {
namespace {

using detail::bound_tensors;
using detail::checked_step;
using detail::first_axis;
using detail::operand;
using detail::operand_access;
using detail::operand_role;
using detail::plan_choice;
using detail::planned_step;

void check_floats(const char* name, const tensor_view& tensor, int rank) {
  if (tensor && tensor.rank() == rank && tensor.dtype() == dtype::float32 &&
      tensor.stride(rank - 1) == 1) {
    return;
  }
  throw invalid_argument{name, "contiguous float32 of rank " + std::to_string(rank),
                         tensor ? to_string(tensor) : "nothing"};
}

detail::step_traits traits_of(const tensor_view& out, const tensor_view& factor) {
  check_floats("out", out, 2);
  check_floats("factor", factor, 1);
  const device home = detail::device_of(out.data());
  if (detail::device_of(factor.data()) != home) {
    throw invalid_argument{"factor", detail::describe_memory(home) + " as out",
                           detail::describe_memory(detail::device_of(factor.data()))};
  }
  detail::step_traits traits{.operation = "scale_out",
                             .operands = scale_operands(),
                             .tensors = {out, factor},
                             .sequences = {},
                             .device = home};
  traits.sequences.rows = out.extent(0);
  traits.sequences.max_seqlen = 1;
  return traits;
}

class checked_scale final : public checked_step {
 public:
  checked_scale(const tensor_view& out, const tensor_view& factor, int launches)
      : checked_step{traits_of(out, factor)}, launches_{launches} {}

  std::string problem() const override {
    return "scale_out of " + std::to_string(channels()) + " channels";
  }
  std::shared_ptr<const checked_step> on(bound_tensors tensors,
                                         std::optional<device>) const override {
    return check_scale_out(tensors[scaled_out], tensors[scale_factor], launches_);
  }
  std::shared_ptr<const checked_step> on_multiprocessors(int) const override {
    return on(traits().tensors, {});
  }
  std::string why_not(const planned_step&) const override { return {}; }

  std::shared_ptr<planned_step> plan(std::int64_t sequences) const override {
    return make_plan(sequences, launches_);
  }
  std::shared_ptr<planned_step> plan(std::int64_t sequences,
                                     const plan_choice& choice) const override {
    return make_plan(sequences, choice.algorithm == "halves" ? 2 : 1);
  }
  bool is_measured() const override { return false; }
  std::vector<plan_choice> candidates(std::int64_t sequences) const override {
    return {plan(sequences)->choice()};
  }

 private:
  std::int64_t channels() const { return traits().tensors[scaled_out].extent(1); }

  std::shared_ptr<planned_step> make_plan(std::int64_t sequences, int launches) const {
#if SSUGRAPH_CUDA
    if (!traits().device.is_host())
      return plan_scale_kernels(sequences, channels(), launches, traits().device.ordinal);
#endif
    return std::make_shared<planned_scale>(sequences, channels(), launches);
  }

  int launches_;
};

}  // namespace

std::span<const operand> scale_operands() {
  static constexpr std::array<operand, 2> table{{
      {"out", first_axis::rows, operand_role::data, operand_access::both},
      {"factor", first_axis::none},
  }};
  return table;
}

scale_params scale_params_of(std::span<const tensor_view> tensors, std::int64_t first,
                             std::int64_t last) {
  const tensor_view& out = tensors[scaled_out];
  return {.out = static_cast<float*>(out.data()),
          .factor = static_cast<const float*>(tensors[scale_factor].data()),
          .row_stride = out.stride(0),
          .rows = out.extent(0),
          .first = first,
          .last = last,
          .inputs_ahead = false};
}

std::string planned_scale::text() const {
  return "scale " + choice().algorithm + ", " + std::to_string(sequences_) + " sequences";
}

detail::plan_fields planned_scale::fields() const {
  return {{"bucket", sequences_},
          {"algorithm", choice().algorithm},
          {"launches", std::int64_t{parts_}}};
}

void planned_scale::enqueue(std::span<const tensor_view> tensors, stream_handle) const {
  const scale_params p = scale_params_of(tensors, 0, channels_);
  for (std::int64_t row = 0; row < p.rows; ++row) {
    for (std::int64_t i = 0; i < channels_; ++i)
      p.out[row * p.row_stride + i] *= *p.factor;
  }
}

std::shared_ptr<const checked_step> check_scale_out(const tensor_view& out,
                                                    const tensor_view& factor, int launches) {
  return std::make_shared<checked_scale>(out, factor, launches);
}

}  // namespace ssugraph::test
