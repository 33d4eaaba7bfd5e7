#include "graphs/layout/lane_memory.hpp"

#include <vector>

namespace ssugraph::detail {

void upload_tables(const lane_layout& layout, cudaStream_t stream) {
  const std::vector<std::byte> tables = layout.tables();
  check_cuda(cudaMemcpyAsync(layout.table_address(), tables.data(), tables.size(),
                             cudaMemcpyHostToDevice, stream),
             "cudaMemcpyAsync of a lane's tables");
}

void write_random_state(const lane_layout& layout, const random_state& state, cudaStream_t stream) {
  check_cuda(cudaMemcpyAsync(layout.random(), &state, sizeof state, cudaMemcpyHostToDevice, stream),
             "cudaMemcpyAsync of the random state");
}

random_state read_random_state(const lane_layout& layout, cudaStream_t stream) {
  random_state state;
  check_cuda(cudaMemcpyAsync(&state, layout.random(), sizeof state, cudaMemcpyDeviceToHost, stream),
             "cudaMemcpyAsync of the random state");
  check_cuda(cudaStreamSynchronize(stream), "cudaStreamSynchronize for the random state");
  return state;
}

}  // namespace ssugraph::detail
