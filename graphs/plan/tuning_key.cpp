#include "graphs/plan/tuning_key.hpp"

namespace ssugraph::detail {
namespace {

std::string name_of(launch_manner manner) {
  switch (manner) {
    case launch_manner::in_turn:
      return "in turn";
    case launch_manner::overlapping:
      return "overlapping";
    case launch_manner::back_to_back:
      return "back to back";
  }
  return "unknown";
}

}  // namespace

std::string tuning_key(const checked_step& step, launch_manner manner, std::int64_t row_budget,
                       std::span<const plan_choice> candidates) {
  std::string key = step.tuning_key() + ", on " + std::to_string(step.traits().multiprocessors) +
                    " multiprocessors " + name_of(manner) + " |";
  if (row_budget != 0) key += " at most " + std::to_string(row_budget) + " rows |";
  for (const plan_choice& candidate : candidates)
    key += " " + candidate.label();
  return key;
}

}  // namespace ssugraph::detail
