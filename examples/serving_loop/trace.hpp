#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <vector>

namespace serving_loop {

using seconds = std::chrono::duration<double>;

struct request {
  seconds arrival;  ///< after the first request
  std::int32_t context_tokens;
  std::int32_t generated_tokens;

  bool operator==(const request&) const = default;
};

/** Requests in the order in which they arrive. */
using trace = std::vector<request>;

/**
 * Reads lines `TIMESTAMP,ContextTokens,GeneratedTokens`, with or without that line as a header. A
 * timestamp is `YYYY-MM-DD HH:MM:SS` and up to nine decimals; times do not go back; at least one
 * token is generated. Throws ssugraph::invalid_argument with path and line.
 */
[[nodiscard]] trace read_trace(const std::filesystem::path& path);

/** A Poisson process of 256 requests; at the default speed some 30 of them run at a time. */
[[nodiscard]] trace make_poisson_trace(std::uint64_t seed);

}  // namespace serving_loop
