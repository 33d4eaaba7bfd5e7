#pragma once

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace ssugraph::timeline::test {

/**
 * What of a trace breaks the trace-event format, or what this project asks beyond it; empty:
 * nothing. Required fields and their types by phase, known phases only, times that never fall,
 * every B closed by an E of its name on its thread, and no two X on one track that overlap without
 * being nested.
 */
[[nodiscard]] std::vector<std::string> problems_of(const nlohmann::json& trace);

}  // namespace ssugraph::timeline::test
