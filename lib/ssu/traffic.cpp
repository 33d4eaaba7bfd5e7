#include "lib/ssu/traffic.hpp"

namespace ssugraph::detail {
namespace {

std::int64_t bytes_of(std::optional<dtype> type) {
  return type ? size_of(*type) : 0;
}

/** Elements of a (nheads, dim) tensor that differ: tied ones are a scalar a head. */
std::int64_t per_head(const ssu_problem& problem) {
  return problem.nheads * (problem.tied ? 1 : problem.dim);
}

/** D plays no part in `tied`, and is mostly one scalar a head, too. */
std::int64_t D_elements(const ssu_problem& problem) {
  const bool broadcast = problem.layout(ssu_tensor::D).strides[1] == 0;
  return problem.nheads * (broadcast ? 1 : problem.dim);
}

std::int64_t state_traffic(const ssu_problem& problem, std::int64_t sequences) {
  const std::int64_t slot =
      problem.nheads * problem.dim * problem.dstate * size_of(problem.state_dtype);
  const std::int64_t written = problem.mode == ssu_mode::speculative ? problem.max_seqlen : 1;
  return sequences * slot * (1 + written);
}

}  // namespace

std::int64_t ssu_traffic(const ssu_problem& problem, std::int64_t sequences) {
  const std::int64_t rows = sequences * (problem.has_cu_seqlens ? problem.max_seqlen : 1);
  const std::int64_t x_or_out = problem.nheads * problem.dim * size_of(problem.io_dtype);
  const std::int64_t B_or_C = problem.ngroups * problem.dstate * size_of(problem.io_dtype);
  const std::int64_t row = x_or_out * (problem.has_z ? 3 : 2) + 2 * B_or_C +
                           per_head(problem) * size_of(problem.dt_dtype);
  const std::int64_t A_elements = per_head(problem) * (problem.tied ? 1 : problem.dstate);
  const std::int64_t layer = A_elements * size_of(problem.A_dtype) +
                             per_head(problem) * bytes_of(problem.dt_bias_dtype) +
                             D_elements(problem) * bytes_of(problem.D_dtype);
  return state_traffic(problem, sequences) + rows * row + layer;
}

}  // namespace ssugraph::detail
