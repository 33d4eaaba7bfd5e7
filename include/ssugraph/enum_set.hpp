#pragma once

/** @file
 *  Sets of enumerators. */

#include <ssugraph/export.hpp>

#include <cstdint>
#include <initializer_list>
#include <type_traits>

namespace ssugraph {

/** A set of the values of an enumeration that counts up from 0 and has at most 64 of them. */
template <class Enum>
requires std::is_enum_v<Enum>
class enum_set {
 public:
  /** Of nothing. */
  constexpr enum_set() noexcept = default;
  /** Of these. */
  constexpr enum_set(std::initializer_list<Enum> values) noexcept {
    for (const Enum value : values)
      bits_ |= bit(value);
  }

  /** Whether `value` is in it. */
  [[nodiscard]] constexpr bool contains(Enum value) const noexcept {
    return (bits_ & bit(value)) != 0;
  }
  /** Puts `value` in. */
  constexpr void insert(Enum value) noexcept { bits_ |= bit(value); }
  /** Takes `value` out. */
  constexpr void erase(Enum value) noexcept { bits_ &= ~bit(value); }

  /** What is in either. */
  friend constexpr enum_set operator|(enum_set a, enum_set b) noexcept {
    a.bits_ |= b.bits_;
    return a;
  }
  bool operator==(const enum_set&) const = default;

 private:
  static constexpr std::uint64_t bit(Enum value) noexcept {
    return std::uint64_t{1} << static_cast<unsigned>(value);
  }

  std::uint64_t bits_ = 0;
};

}  // namespace ssugraph
