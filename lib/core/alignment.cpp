#include "lib/core/alignment.hpp"

#include <ssugraph/error.hpp>

#include <cstdint>

namespace ssugraph::detail {

void check_address(const std::string& name, const tensor_view& tensor) {
  const auto address = reinterpret_cast<std::uintptr_t>(tensor.data());
  if (address == 0) throw invalid_argument{name, "an address", "null"};
  if (address % static_cast<std::uintptr_t>(size_of(tensor.dtype())) != 0)
    throw invalid_argument{name, "an address aligned to its dtype", std::to_string(address)};
}

}  // namespace ssugraph::detail
