#include "lib/state/check_scale.hpp"

#include <ssugraph/error.hpp>

#include <string>

namespace ssugraph::detail {

void check_scale(std::string_view name, const tensor_view& scale, std::string_view of,
                 const tensor_view& state) {
  const bool is_needed = state && is_scaled(state.dtype());
  if (static_cast<bool>(scale) == is_needed) return;
  const std::string reason =
      std::string{of} + " is " + (state ? std::string{to_string(state.dtype())} : "not bound");
  throw invalid_argument{std::string{name},
                         (is_needed ? "a tensor, for " : "nothing, for ") + reason,
                         scale ? to_string(scale) : "nothing"};
}

}  // namespace ssugraph::detail
