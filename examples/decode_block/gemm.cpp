#include "gemm.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>
#include <stdexcept>

namespace decode_block {
namespace {

/** What cuBLAS recommends for Hopper. */
constexpr std::size_t max_workspace_bytes = std::size_t{32} << 20;

void check(cublasStatus_t status, std::string_view call) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw std::runtime_error{fmt::format("{}: {}", call, cublasLtGetStatusString(status))};
}

/** cuBLASLt is column-major: a row-major (rows, columns) is its (columns, rows). */
unique_cublas<cublasLtMatrixLayout_t> row_major(std::int64_t rows, std::int64_t columns) {
  cublasLtMatrixLayout_t layout = nullptr;
  check(cublasLtMatrixLayoutCreate(&layout, CUDA_R_16BF, static_cast<std::uint64_t>(columns),
                                   static_cast<std::uint64_t>(rows), columns),
        "cublasLtMatrixLayoutCreate");
  return unique_cublas<cublasLtMatrixLayout_t>{layout};
}

/** transpose(first) * second in cuBLASLt's terms: transpose(out) = weight * transpose(in) in ours.
 */
unique_cublas<cublasLtMatmulDesc_t> make_product() {
  cublasLtMatmulDesc_t product = nullptr;
  check(cublasLtMatmulDescCreate(&product, CUBLAS_COMPUTE_32F, CUDA_R_32F),
        "cublasLtMatmulDescCreate");
  unique_cublas<cublasLtMatmulDesc_t> owned{product};
  const cublasOperation_t transposed = CUBLAS_OP_T;
  check(cublasLtMatmulDescSetAttribute(product, CUBLASLT_MATMUL_DESC_TRANSA, &transposed,
                                       sizeof transposed),
        "cublasLtMatmulDescSetAttribute");
  return owned;
}

unique_cublas<cublasLtMatmulPreference_t> make_preference() {
  cublasLtMatmulPreference_t preference = nullptr;
  check(cublasLtMatmulPreferenceCreate(&preference), "cublasLtMatmulPreferenceCreate");
  unique_cublas<cublasLtMatmulPreference_t> owned{preference};
  const auto set = [&](cublasLtMatmulPreferenceAttributes_t name, const auto& value) {
    check(cublasLtMatmulPreferenceSetAttribute(preference, name, &value, sizeof value),
          "cublasLtMatmulPreferenceSetAttribute");
  };
  set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, max_workspace_bytes);
  // Partial sums stay fp32.
  set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
      static_cast<std::uint32_t>(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));
  return owned;
}

}  // namespace

unique_cublas<cublasLtHandle_t> make_cublas() {
  cublasLtHandle_t handle = nullptr;
  check(cublasLtCreate(&handle), "cublasLtCreate");
  return unique_cublas<cublasLtHandle_t>{handle};
}

gemm::gemm(cublasLtHandle_t handle, std::int64_t n, std::int64_t k, bool adds,
           std::span<const std::int32_t> rows)
    : handle_{handle},
      n_{n},
      k_{k},
      adds_{adds},
      product_{make_product()},
      weight_{row_major(n, k)} {
  for (const std::int32_t each : rows)
    choices_.emplace(each, choose(each));
  run_each_once();
}

gemm::choice gemm::choose(std::int64_t rows) const {
  choice made{row_major(rows, k_), row_major(rows, n_), {}};
  const auto preference = make_preference();
  int count = 0;
  check(cublasLtMatmulAlgoGetHeuristic(handle_, product_.get(), weight_.get(), made.in.get(),
                                       made.out.get(), made.out.get(), preference.get(), 1,
                                       &made.found, &count),
        fmt::format("cublasLtMatmulAlgoGetHeuristic for {} x {} x {}", rows, n_, k_));
  if (count == 0) {
    throw std::runtime_error{fmt::format("cuBLASLt has no kernel for {} x {} x {}", rows, n_, k_)};
  }
  check(made.found.state, "cublasLtMatmulAlgoGetHeuristic");
  return made;
}

void gemm::run_each_once() const {
  const std::int64_t rows = choices_.rbegin()->first;
  const device_array<bf16> weight{n_ * k_};
  const device_array<bf16> in{rows * k_};
  const device_array<bf16> out{rows * n_};
  const device_array<std::byte> workspace{static_cast<std::int64_t>(workspace_bytes()) + 1};
  const unique_stream stream = make_stream();
  for (const std::int64_t each : std::views::keys(choices_)) {
    enqueue({in.data(), weight.data(), out.data(), out.data()}, each,
            {workspace.data(), workspace_bytes()}, stream.get());
  }
  decode_block::check(cudaStreamSynchronize(stream.get()), "cudaStreamSynchronize");
}

std::size_t gemm::workspace_bytes() const {
  std::size_t bytes = 0;
  for (const choice& each : std::views::values(choices_))
    bytes = std::max(bytes, each.found.workspaceSize);
  return bytes;
}

void gemm::enqueue(const gemm_job& job, std::int64_t rows, std::span<std::byte> workspace,
                   cudaStream_t stream) const {
  const choice& chosen = choices_.at(rows);
  const float alpha = 1.0f;
  const float beta = adds_ ? 1.0f : 0.0f;
  check(cublasLtMatmul(handle_, product_.get(), &alpha, job.weight, weight_.get(), job.in,
                       chosen.in.get(), &beta, adds_ ? job.add : job.out, chosen.out.get(), job.out,
                       chosen.out.get(), &chosen.found.algo, workspace.data(), workspace.size(),
                       stream),
        "cublasLtMatmul");
}

}  // namespace decode_block
