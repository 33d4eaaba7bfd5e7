#include "lib/core/cuda_check.hpp"

namespace ssugraph::detail {

std::string built_architectures() {
  std::string list;
  for (const int architecture : {__CUDA_ARCH_LIST__}) {
    list += list.empty() ? "" : ", ";
    list += std::to_string(architecture / 100) + "." + std::to_string(architecture / 10 % 10);
  }
  return list;
}

}  // namespace ssugraph::detail
