#include "graphs/plan/tuning_machine.hpp"

#include "lib/core/cuda_check.hpp"

#include <cuda_runtime_api.h>

#include <fstream>

namespace ssugraph::detail {
namespace {

std::string driver_version() {
  std::string version;
  if (std::ifstream{"/sys/module/nvidia/version"} >> version) return version;
  int cuda = 0;
  check_cuda(cudaDriverGetVersion(&cuda), "cudaDriverGetVersion");
  return "CUDA " + std::to_string(cuda);
}

}  // namespace

tuning_machine machine_of(device where) {
  cudaDeviceProp properties{};
  check_cuda(cudaGetDeviceProperties(&properties, where.ordinal), "cudaGetDeviceProperties");
  return {properties.name, driver_version(), SSUGRAPH_VERSION};
}

}  // namespace ssugraph::detail
