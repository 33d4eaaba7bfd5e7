#include "lib/ops/ssu/problem/dtypes.hpp"

#include "lib/ops/ssu/problem/operands.hpp"
#include "lib/state/check_scale.hpp"

#include <ssugraph/error.hpp>

#include <string>
#include <utility>

namespace ssugraph::detail {
namespace {

/** Which dtypes the elements may have, in words; empty if `tensor` has one of them. */
std::string wanted_dtype(ssu_elements elements, const tensor_view& tensor, const ssu_args& args) {
  const dtype type = tensor.dtype();
  switch (elements) {
    case ssu_elements::state:
      return is_state_format(type)
                 ? ""
                 : "float32, float16 or bfloat16, or scaled int16, int8 or float8_e4m3";
    case ssu_elements::floating:
      return is_floating(type) ? "" : "float32, float16 or bfloat16";
    case ssu_elements::as_state:
      return type == args.state.dtype() ? ""
                                        : std::string{to_string(args.state.dtype())} + " as state";
    case ssu_elements::scale:
      return type == dtype::float32 ? "" : "float32";
    case ssu_elements::index:
      return type == dtype::int32 || type == dtype::int64 ? "" : "int32 or int64";
    case ssu_elements::seed:
    case ssu_elements::key:
      return type == dtype::int64 ? "" : "int64";
    case ssu_elements::as_x:
      return type == args.x.dtype() ? "" : std::string{to_string(args.x.dtype())} + " as x";
    case ssu_elements::as_B:
      return type == args.B.dtype() ? "" : std::string{to_string(args.B.dtype())} + " as B";
    case ssu_elements::rows:
      return type == dtype::int32 ? "" : "int32";
  }
  return "another dtype";
}

void check_elements(const ssu_args& args) {
  for (const ssu_operand& each : ssu_operands) {
    const tensor_view& tensor = args.*each.member;
    if (!tensor) continue;
    std::string wanted = wanted_dtype(each.elements, tensor, args);
    if (wanted.empty()) continue;
    throw invalid_argument{std::string{each.what.name}, std::move(wanted), to_string(tensor)};
  }
}

}  // namespace

void check_dtypes(const ssu_args& args) {
  check_elements(args);
  check_scale("state_scale", args.state_scale, "state", args.state);
  check_scale("dst_state_scale", args.dst_state_scale, "dst_state", args.dst_state);
}

void check_rounding(const tensor_view& state, const mamba_config& config) {
  if (!config.stochastic_rounding || state.dtype() != dtype::float32) return;
  throw invalid_argument{"state", "a dtype other than float32 for stochastic_rounding",
                         to_string(state)};
}

}  // namespace ssugraph::detail
