#pragma once

#include "lib/core/alignment.hpp"

#include <cstddef>
#include <cstdint>

namespace ssugraph::detail {

/** Deals out one block of memory, piece behind piece. From null it deals out nothing that is there
 *  and counts what a block must have. */
class arena_cursor {
 public:
  static constexpr std::size_t alignment = 256;

  /** What a piece of `bytes` takes of a block. */
  [[nodiscard]] static constexpr std::size_t aligned(std::size_t bytes) noexcept {
    return detail::aligned(bytes, alignment);
  }

  /** `begin` is aligned to `alignment`. */
  explicit arena_cursor(std::byte* begin) noexcept
      : begin_{reinterpret_cast<std::uintptr_t>(begin)}, end_{begin_} {}

  /** The next piece, for so many values. It is aligned, too. */
  template <class Value>
  [[nodiscard]] Value* take(std::size_t count) noexcept {
    const std::uintptr_t piece = end_;
    end_ += aligned(count * sizeof(Value));
    return reinterpret_cast<Value*>(piece);
  }

  /** Bytes dealt out so far. */
  [[nodiscard]] std::size_t bytes() const noexcept { return end_ - begin_; }

 private:
  std::uintptr_t begin_;
  std::uintptr_t end_;
};

}  // namespace ssugraph::detail
