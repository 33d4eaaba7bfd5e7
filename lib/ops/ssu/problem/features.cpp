#include "lib/ops/ssu/problem/problem.hpp"

#include <ssugraph/backend.hpp>

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>

namespace ssugraph {
namespace detail {
namespace {

bool has_mixed_dtypes(const ssu_problem& problem) {
  const dtype x = problem.x_dtype;
  return problem.B_dtype != x || problem.C_dtype != x || problem.out_dtype != x ||
         problem.z_dtype.value_or(x) != x;
}

/** Each feature, and whether `problem` needs it. */
auto needs_of(const ssu_problem& problem) {
  return std::array{
      std::pair{ssu_feature::untied, !problem.tied},
      std::pair{ssu_feature::varlen, problem.has_cu_seqlens},
      std::pair{ssu_feature::speculative, problem.mode == ssu_mode::speculative},
      std::pair{ssu_feature::dst_indices, problem.has_dst_indices},
      std::pair{ssu_feature::D, problem.D_dtype.has_value()},
      std::pair{ssu_feature::z, problem.z_dtype.has_value()},
      std::pair{ssu_feature::dt_bias, problem.dt_bias_dtype.has_value()},
      std::pair{ssu_feature::dt_softplus, problem.dt_softplus},
      std::pair{ssu_feature::stochastic_rounding, problem.stochastic_rounding},
      std::pair{ssu_feature::mixed_dtypes, has_mixed_dtypes(problem)},
      std::pair{ssu_feature::dt_limits, has_dt_limits(problem)},
      std::pair{ssu_feature::dst_state, problem.has_dst_state},
      std::pair{ssu_feature::out_in_place, problem.out_in_place},
      std::pair{ssu_feature::dst_indices_alone, problem.has_dst_indices && !problem.has_indices},
      std::pair{ssu_feature::checkpointed, problem.checkpoint_interval > 0}};
}

/** The dtypes that a backend has of such elements. */
enum_set<dtype> dtypes_of(const backend_features& has, ssu_elements elements) {
  switch (elements) {
    case ssu_elements::state:
    case ssu_elements::as_state:
      return has.state;
    case ssu_elements::scale:
      return {dtype::float32};
    case ssu_elements::floating:
    case ssu_elements::as_x:
    case ssu_elements::as_B:
      return has.floats;
    case ssu_elements::index:
      return has.indices;
    case ssu_elements::rows:
      return {dtype::int32};
    case ssu_elements::seed:
    case ssu_elements::key:
      return {dtype::int64};
  }
  return {};
}

}  // namespace

backend_features all_features() {
  backend_features has = features_of_0_1();
  has.features = has.features | enum_set{ssu_feature::mixed_dtypes,      ssu_feature::dt_limits,
                                         ssu_feature::dst_state,         ssu_feature::out_in_place,
                                         ssu_feature::dst_indices_alone, ssu_feature::checkpointed};
  has.state = has.state | enum_set{dtype::int8, dtype::int16, dtype::float8_e4m3};
  return has;
}

std::string why_lacks(const backend_features& has, const ssu_problem& problem) {
  for (const auto& [feature, needed] : needs_of(problem)) {
    if (needed && !has.features.contains(feature))
      return "it lacks the feature " + to_string(feature);
  }
  for (std::size_t i = 0; i < ssu_tensor_count; ++i) {
    const std::optional<dtype> type = dtype_of(problem, static_cast<ssu_tensor>(i));
    if (!type || dtypes_of(has, ssu_operands[i].elements).contains(*type)) continue;
    return "it lacks " + std::string{ssugraph::to_string(*type)} + " for " +
           std::string{ssu_operands[i].what.name};
  }
  return {};
}

}  // namespace detail

backend_features features_of_0_1() noexcept {
  const enum_set floats{dtype::float32, dtype::float16, dtype::bfloat16};
  return {
      .features = {ssu_feature::untied, ssu_feature::varlen, ssu_feature::speculative,
                   ssu_feature::dst_indices, ssu_feature::D, ssu_feature::z, ssu_feature::dt_bias,
                   ssu_feature::dt_softplus, ssu_feature::stochastic_rounding},
      .state = floats,
      .floats = floats,
      .indices = {dtype::int32, dtype::int64}};
}

std::string to_string(ssu_feature feature) {
  switch (feature) {
    case ssu_feature::untied:
      return "untied";
    case ssu_feature::varlen:
      return "varlen";
    case ssu_feature::speculative:
      return "speculative";
    case ssu_feature::dst_indices:
      return "dst_indices";
    case ssu_feature::D:
      return "D";
    case ssu_feature::z:
      return "z";
    case ssu_feature::dt_bias:
      return "dt_bias";
    case ssu_feature::dt_softplus:
      return "dt_softplus";
    case ssu_feature::stochastic_rounding:
      return "stochastic_rounding";
    case ssu_feature::mixed_dtypes:
      return "mixed_dtypes";
    case ssu_feature::dt_limits:
      return "dt_limits";
    case ssu_feature::dst_state:
      return "dst_state";
    case ssu_feature::out_in_place:
      return "out_in_place";
    case ssu_feature::dst_indices_alone:
      return "dst_indices_alone";
    case ssu_feature::checkpointed:
      return "checkpointed";
  }
  return "unknown";
}

}  // namespace ssugraph
