#pragma once

#include <cstddef>

/** What a thread takes of the host's memory. The source replaces operator new in the whole program.
 */
namespace ssugraph::test {

/** In its scope, so many allocations of this thread succeed, and those behind them throw
 *  std::bad_alloc. */
class few_allocations {
 public:
  explicit few_allocations(long count);
  few_allocations(const few_allocations&) = delete;
  few_allocations& operator=(const few_allocations&) = delete;
  ~few_allocations();
};

/** Bytes that this thread has allocated so far, given back or not. */
[[nodiscard]] std::size_t allocated_bytes() noexcept;

}  // namespace ssugraph::test
