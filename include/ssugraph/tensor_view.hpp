#pragma once

/** @file
 *  Element types and strided tensors. */

#include <ssugraph/export.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

namespace ssugraph {

/** Element types. Floating tensors take the first three, indices and counts int32 and int64; states
 *  the first three and the last three, which are scaled (ssu_args::state_scale). */
enum class dtype : std::uint8_t {
  float32,
  float16,
  bfloat16,
  int32,
  int64,
  int8,
  int16,
  float8_e4m3,  ///< without infinities (e4m3fn)
};

/** Bytes of an element. */
[[nodiscard]] constexpr std::int64_t size_of(dtype type) noexcept {
  switch (type) {
    case dtype::int8:
    case dtype::float8_e4m3:
      return 1;
    case dtype::int16:
    case dtype::float16:
    case dtype::bfloat16:
      return 2;
    case dtype::float32:
    case dtype::int32:
      return 4;
    case dtype::int64:
      return 8;
  }
  return 0;
}

/** True of float32, float16 and bfloat16. */
[[nodiscard]] constexpr bool is_floating(dtype type) noexcept {
  return type == dtype::float32 || type == dtype::float16 || type == dtype::bfloat16;
}

/** True of int8, int16 and float8_e4m3: a state of these has a scale for each row of dstate. */
[[nodiscard]] constexpr bool is_scaled(dtype type) noexcept {
  return type == dtype::int8 || type == dtype::int16 || type == dtype::float8_e4m3;
}

/** True of what states are stored in: floating or scaled. */
[[nodiscard]] constexpr bool is_state_format(dtype type) noexcept {
  return is_floating(type) || is_scaled(type);
}

/** As it is written here. */
[[nodiscard]] SSUGRAPH_EXPORT std::string_view to_string(dtype type) noexcept;

/**
 * A non-owning view of a strided tensor of rank 1 to 4. Extents and strides are in elements; a
 * stride may be 0 (broadcast) or negative. Where its bytes lie is not looked at here: each call
 * that takes a view refuses one that leaves 62 bits of address, by name. A default-constructed view
 * means "not passed".
 */
class SSUGRAPH_EXPORT tensor_view {
 public:
  static constexpr int max_rank = 4;  ///< axes of the state

  tensor_view() = default;

  /** Dense, last axis contiguous. Throws invalid_argument unless the rank is 1..4. */
  tensor_view(const void* data, ssugraph::dtype type, std::span<const std::int64_t> extents);
  /** The same. */
  tensor_view(const void* data, ssugraph::dtype type, std::initializer_list<std::int64_t> extents)
      : tensor_view{data, type, std::span{extents.begin(), extents.size()}} {}

  /** Throws invalid_argument unless the rank is 1..4, strides match it and no extent is negative.
   */
  tensor_view(const void* data, ssugraph::dtype type, std::span<const std::int64_t> extents,
              std::span<const std::int64_t> strides);
  /** The same. */
  tensor_view(const void* data, ssugraph::dtype type, std::initializer_list<std::int64_t> extents,
              std::initializer_list<std::int64_t> strides)
      : tensor_view{data, type, std::span{extents.begin(), extents.size()},
                    std::span{strides.begin(), strides.size()}} {}

  /** True unless default-constructed. */
  explicit operator bool() const noexcept { return rank_ > 0; }

  ///@{
  /** As constructed. `axis` is below the rank, which is 0 of what was default-constructed. */
  [[nodiscard]] void* data() const noexcept { return data_; }
  [[nodiscard]] ssugraph::dtype dtype() const noexcept { return dtype_; }
  [[nodiscard]] int rank() const noexcept { return rank_; }
  [[nodiscard]] std::int64_t extent(int axis) const noexcept {
    return extents_[static_cast<std::size_t>(axis)];
  }
  [[nodiscard]] std::int64_t stride(int axis) const noexcept {
    return strides_[static_cast<std::size_t>(axis)];
  }
  [[nodiscard]] std::span<const std::int64_t> extents() const noexcept {
    return {extents_.data(), static_cast<std::size_t>(rank_)};
  }
  [[nodiscard]] std::span<const std::int64_t> strides() const noexcept {
    return {strides_.data(), static_cast<std::size_t>(rank_)};
  }
  ///@}

  /** Number of elements. */
  [[nodiscard]] std::int64_t size() const noexcept;

  /** The same layout at another address. */
  [[nodiscard]] tensor_view at(const void* data) const noexcept;
  /** The same tensor with another extent on `axis`. */
  [[nodiscard]] tensor_view with_extent(int axis, std::int64_t extent) const noexcept;
  /** The same tensor with an axis of extent 1 and stride 0 put in at `axis`. Rank must be below 4.
   */
  [[nodiscard]] tensor_view with_unit_axis(int axis) const noexcept;

  /** Same address, dtype, extents and strides. */
  bool operator==(const tensor_view&) const = default;

 private:
  void* data_ = nullptr;
  ssugraph::dtype dtype_ = ssugraph::dtype::float32;
  int rank_ = 0;
  std::array<std::int64_t, max_rank> extents_{};
  std::array<std::int64_t, max_rank> strides_{};
};

/** For example `bfloat16 (256, 128, 64, 128) strides (1048576, 8192, 128, 1)`. */
[[nodiscard]] SSUGRAPH_EXPORT std::string to_string(const tensor_view& tensor);

}  // namespace ssugraph
