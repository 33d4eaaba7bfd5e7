#pragma once

#include "graphs/record/bucket_graph.hpp"
#include "graphs/record/describe.hpp"

namespace ssugraph::detail {

/** What CUDA says that was recorded. Throws cuda_error. */
[[nodiscard]] described_graph read_graph(const bucket_graph& recorded, const pipeline_core& core);

}  // namespace ssugraph::detail
