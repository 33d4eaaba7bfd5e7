#pragma once

#include "cuda.hpp"

#include <cublasLt.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <type_traits>

/** Matrix products in bf16 by cuBLASLt, of a kind that a graph can record. */
namespace decode_block {

struct cublas_release {
  void operator()(cublasLtHandle_t handle) const { (void)cublasLtDestroy(handle); }
  void operator()(cublasLtMatmulDesc_t product) const { (void)cublasLtMatmulDescDestroy(product); }
  void operator()(cublasLtMatrixLayout_t layout) const {
    (void)cublasLtMatrixLayoutDestroy(layout);
  }
  void operator()(cublasLtMatmulPreference_t wish) const {
    (void)cublasLtMatmulPreferenceDestroy(wish);
  }
};
template <class Handle>
using unique_cublas = std::unique_ptr<std::remove_pointer_t<Handle>, cublas_release>;

[[nodiscard]] unique_cublas<cublasLtHandle_t> make_cublas();

/** The matrices of one product, row-major and dense. */
struct gemm_job {
  const bf16* in;      ///< (rows, k)
  const bf16* weight;  ///< (n, k)
  const bf16* add;     ///< (rows, n); used if the gemm adds
  bf16* out;           ///< (rows, n)
};

/**
 * out = in * transpose(weight) [+ add], summed in fp32, for a few numbers of rows. How each is
 * computed is chosen once, here, so that every `enqueue` puts the same work on the stream.
 */
class gemm {
 public:
  /**
   * Chooses the algorithm for each of `rows` and runs it once on memory of its own: cuBLASLt loads
   * a kernel when it is first launched, which is not for a stream capture to do. Waits for the
   * device. `handle` must outlive the gemm. Throws cuda_error and std::runtime_error.
   */
  gemm(cublasLtHandle_t handle, std::int64_t n, std::int64_t k, bool adds,
       std::span<const std::int32_t> rows);

  /** Device memory that an `enqueue` needs beside its matrices, aligned to 256 bytes. */
  [[nodiscard]] std::size_t workspace_bytes() const;

  /** `rows` is one of those given above. Stream-ordered, capture-safe, no allocation. Throws
   *  std::out_of_range and std::runtime_error. */
  void enqueue(const gemm_job& job, std::int64_t rows, std::span<std::byte> workspace,
               cudaStream_t stream) const;

 private:
  /** A number of rows, and how it is computed. */
  struct choice {
    unique_cublas<cublasLtMatrixLayout_t> in;
    unique_cublas<cublasLtMatrixLayout_t> out;
    cublasLtMatmulHeuristicResult_t found;
  };
  [[nodiscard]] choice choose(std::int64_t rows) const;
  void run_each_once() const;

  cublasLtHandle_t handle_;
  std::int64_t n_;
  std::int64_t k_;
  bool adds_;
  unique_cublas<cublasLtMatmulDesc_t> product_;
  unique_cublas<cublasLtMatrixLayout_t> weight_;
  std::map<std::int64_t, choice> choices_;
};

}  // namespace decode_block
