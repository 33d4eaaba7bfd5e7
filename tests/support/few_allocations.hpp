#pragma once

namespace ssugraph::test {

/** In its scope, so many allocations of this thread succeed, and those behind them throw
 *  std::bad_alloc. Its source replaces operator new in the whole program. */
class few_allocations {
 public:
  explicit few_allocations(long count);
  few_allocations(const few_allocations&) = delete;
  few_allocations& operator=(const few_allocations&) = delete;
  ~few_allocations();
};

}  // namespace ssugraph::test
