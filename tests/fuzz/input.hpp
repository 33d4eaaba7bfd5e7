#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

/** What fuzz targets read their choices from. */
namespace ssugraph::test {

/** The input, from its start; zeros behind its end. */
class fuzz_input {
 public:
  explicit fuzz_input(std::span<const std::uint8_t> bytes) : bytes_{bytes} {}

  template <class T>
  T take() {
    T value{};
    const std::size_t count = std::min(sizeof value, bytes_.size());
    if (count > 0) std::memcpy(&value, bytes_.data(), count);
    bytes_ = bytes_.subspan(count);
    return value;
  }
  /** Below `count`. */
  std::size_t pick(std::size_t count) { return take<std::uint8_t>() % count; }
  /** A number of any size: one byte, one shifted to anywhere, or all of it. */
  std::uint64_t number() {
    switch (pick(4)) {
      case 0:
        return take<std::uint8_t>();
      case 1:
        return static_cast<std::uint64_t>(take<std::int8_t>()) << pick(64);
      case 2:
        return (std::uint64_t{1} << pick(64)) - 1 + take<std::uint8_t>();
      default:
        return take<std::uint64_t>();
    }
  }
  [[nodiscard]] bool empty() const { return bytes_.empty(); }

 private:
  std::span<const std::uint8_t> bytes_;
};

}  // namespace ssugraph::test
