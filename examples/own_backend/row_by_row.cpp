// Compiled by nvcc where the library is built with CUDA, else by the host's compiler.
#include "row_by_row.hpp"

#include <ssugraph/error.hpp>

#include <cmath>

#if SSUGRAPH_CUDA
#define HOST_DEVICE __host__ __device__
#else
#define HOST_DEVICE
#endif

namespace {

using ssugraph::dtype;

/** A tensor as a kernel takes it. */
template <class T>
struct strided {
  explicit strided(const ssugraph::tensor_view& view) : data{static_cast<T*>(view.data())} {
    for (int axis = 0; axis < view.rank(); ++axis)
      strides[axis] = view.stride(axis);
  }
  [[nodiscard]] HOST_DEVICE T& at(std::int64_t i, std::int64_t j = 0, std::int64_t k = 0,
                                  std::int64_t l = 0) const {
    return data[i * strides[0] + j * strides[1] + k * strides[2] + l * strides[3]];
  }

  T* data;
  std::int64_t strides[4]{};
};

struct params {
  strided<float> state, x, dt, A, B, C, out;
  strided<std::int32_t> slots;
  std::int64_t null_block_id, heads_a_group, dim, dstate;
};

HOST_DEVICE void update_row(const params& p, std::int64_t i, std::int64_t head, std::int64_t d) {
  const std::int64_t slot = p.slots.at(i);
  const std::int64_t group = head / p.heads_a_group;
  float out = 0;
  if (slot != p.null_block_id) {  // else: the row is zero, and nobody's state is touched
    const float dt = p.dt.at(i, head, d);
    for (std::int64_t n = 0; n < p.dstate; ++n) {
      float& h = p.state.at(slot, head, d, n);
      h = h * std::exp(p.A.at(head, d, n) * dt) + dt * p.x.at(i, head, d) * p.B.at(i, group, n);
      out += h * p.C.at(i, group, n);
    }
  }
  p.out.at(i, head, d) = out;
}

#if SSUGRAPH_CUDA
__global__ void update_rows(params p) {
  for (std::int64_t d = threadIdx.x; d < p.dim; d += blockDim.x)
    update_row(p, blockIdx.x, blockIdx.y, d);
}

void launch(const params& p, std::int64_t sequences, std::int64_t heads, cudaStream_t stream) {
  const dim3 grid{static_cast<unsigned>(sequences), static_cast<unsigned>(heads)};
  update_rows<<<grid, 128, 0, stream>>>(p);
  const cudaError_t error = cudaGetLastError();
  if (error != cudaSuccess)
    throw ssugraph::cuda_error{error, "update_rows", cudaGetErrorString(error)};
}
#endif

}  // namespace

ssugraph::backend_features row_by_row::features() const {
  return {.features = {ssugraph::ssu_feature::untied},
          .state = {dtype::float32},
          .floats = {dtype::float32},
          .indices = {dtype::int32}};
}

ssugraph::support row_by_row::supports(const ssugraph::ssu_problem& problem) const {
  // A pipeline always launches with indices, its own where none are bound.
  return problem.has_indices ? ssugraph::support{} : ssugraph::support{"it needs indices"};
}

ssugraph::ssu_plan row_by_row::plan(const ssugraph::ssu_problem& problem, std::int64_t sequences,
                                    const std::string& algorithm) const {
  if (algorithm != "auto" && algorithm != "rows")
    throw ssugraph::unsupported{{{name(), "algorithm '" + algorithm + "' is none of auto, rows"}}};
  ssugraph::ssu_plan plan;
  plan.backend = name();
  plan.algorithm = "rows";
  plan.sequences = sequences;
  plan.problem = problem;
  return plan;
}

void row_by_row::enqueue(const ssugraph::ssu_plan& plan, const ssugraph::ssu_args& args,
                         std::int64_t, [[maybe_unused]] ssugraph::stream_handle stream) const {
  const ssugraph::ssu_problem& problem = plan.problem;
  const params p{strided<float>{args.state},
                 strided<float>{args.x},
                 strided<float>{args.dt},
                 strided<float>{args.A},
                 strided<float>{args.B},
                 strided<float>{args.C},
                 strided<float>{args.out},
                 strided<std::int32_t>{args.state_batch_indices},
                 problem.null_block_id,
                 problem.nheads / problem.ngroups,
                 problem.dim,
                 problem.dstate};
#if SSUGRAPH_CUDA
  if (!problem.device.is_host()) return launch(p, plan.sequences, problem.nheads, stream);
#endif
  for (std::int64_t i = 0; i < plan.sequences; ++i)
    for (std::int64_t head = 0; head < problem.nheads; ++head)
      for (std::int64_t d = 0; d < problem.dim; ++d)
        update_row(p, i, head, d);
}
