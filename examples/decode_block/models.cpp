#include "models.hpp"

#include <ssugraph/error.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

namespace decode_block {
namespace {

//                     name   layers  d_model  nheads  dim  dstate  ngroups
constexpr std::array models{
    model{"tiny", 2, 64, 8, 16, 16, 2},
    model{"nemotron-h-8b", 24, 4096, 128, 64, 128, 8},
    model{"nemotron-nano-9b-v2", 27, 4480, 128, 80, 128, 8},
    model{"mamba2-2.7b", 64, 2560, 80, 64, 128, 1},
    model{"granite-4-h-small", 36, 4096, 128, 64, 128, 1},
};

}  // namespace

model find_model(std::string_view name) {
  const auto found = std::ranges::find(models, name, &model::name);
  if (found == models.end()) {
    throw ssugraph::invalid_argument{"--model", "one of " + model_names(), std::string{name}};
  }
  return *found;
}

std::string model_names() {
  std::array<std::string_view, models.size()> names;
  std::ranges::transform(models, names.begin(), &model::name);
  return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace decode_block
