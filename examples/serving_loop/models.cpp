#include "models.hpp"

#include <ssugraph/error.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

namespace serving_loop {
namespace {

using ssugraph::dtype;

//                     name   layers  nheads  dim  dstate  ngroups
constexpr std::array models{
    model{"tiny", 2, 4, 16, 16, 2},
    model{"nemotron-h-8b", 24, 128, 64, 128, 8},
    model{"nemotron-nano-9b-v2", 27, 128, 80, 128, 8},
    model{"nemotron-3-nano-30b", 23, 64, 64, 128, 8, dtype::float32},
    model{"mamba2-2.7b", 64, 80, 64, 128, 1},
    model{"granite-4-h-small", 36, 128, 64, 128, 1},
    model{"falcon-h1-34b", 72, 32, 128, 256, 2},
    model{"zamba2-2.7b", 54, 80, 64, 64, 1},
    model{"falcon-mamba-7b", 64, 1, 8192, 16, 1, dtype::bfloat16, true},
};

void divide(std::int64_t& extent, std::int64_t tp, std::string_view name, std::string_view axis) {
  if (extent % tp != 0) {
    throw ssugraph::invalid_argument{
        "--tp", fmt::format("a divisor of the {} {} of {}", extent, axis, name),
        std::to_string(tp)};
  }
  extent /= tp;
}

}  // namespace

model find_model(std::string_view name, std::int64_t tp) {
  const auto found = std::ranges::find(models, name, &model::name);
  if (found == models.end()) {
    throw ssugraph::invalid_argument{"--model", "one of " + model_names(), std::string{name}};
  }
  if (tp < 1) throw ssugraph::invalid_argument{"--tp", "at least 1", std::to_string(tp)};

  model result = *found;
  if (result.mamba1) {
    divide(result.dim, tp, name, "channels");
  } else {
    divide(result.nheads, tp, name, "heads");
    if (result.ngroups > 1) divide(result.ngroups, tp, name, "groups");
  }
  return result;
}

std::string model_names() {
  std::array<std::string_view, models.size()> names;
  std::ranges::transform(models, names.begin(), &model::name);
  return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace serving_loop
