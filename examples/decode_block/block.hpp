#pragma once

#include "gemm.hpp"
#include "memory.hpp"
#include "models.hpp"

#include <ssugraph/bucket_policy.hpp>
#include <ssugraph/config.hpp>
#include <ssugraph/pipeline.hpp>

#include <cstdint>
#include <span>

/** The decode step of a stack of Mamba-2 layers as a pipeline: the part to copy. */
namespace decode_block {

/** The two GEMMs of a layer, for every bucket; all layers share them. */
struct projections {
  /** Waits for the device. Throws as `gemm`. */
  projections(const model& shape, std::span<const std::int32_t> buckets);

  unique_cublas<cublasLtHandle_t> cublas;
  gemm in_proj;   ///< (rows, d_model) to (rows, projected)
  gemm out_proj;  ///< (rows, inner) to (rows, d_model), added to the residual stream
};

/**
 * embed, then for each layer
 *
 *     pre_norm -> in_proj -> conv -> ssu -> norm -> out_proj (+ residual)
 *
 * where `ssu` is the library's and all else are custom steps. `overlap`: kernels start under those
 * in front of them where they may (programmatic dependent launch). The last norm and the head of a
 * model come behind its last layer and are left out. `weights`, `products` and `memory` must
 * outlive the pipeline and its lanes. Throws as pipeline_builder.
 */
[[nodiscard]] ssugraph::pipeline build_decoder(
    const model_weights& weights, const projections& products, const decode_memory& memory,
    ssugraph::mamba_config config, const ssugraph::bucket_policy& buckets, bool overlap);

}  // namespace decode_block
