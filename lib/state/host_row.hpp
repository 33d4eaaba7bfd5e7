#pragma once

#include <ssugraph/tensor_view.hpp>

#include <cstdint>
#include <span>

/** A row of dstate on the CPU: from what is stored, in any format, to fp32 and back. The bits are
 *  those that kernels store. */
namespace ssugraph::detail {

/** Where the row (slot, head, d) of a state is in host memory. */
class host_row {
 public:
  /** `state` (slots, nheads, dim, dstate) and, of a scaled one, `scale` (slots, nheads, dim). */
  host_row(const tensor_view& state, const tensor_view& scale, std::int64_t slot, std::int64_t head,
           std::int64_t d);

  [[nodiscard]] dtype type() const { return type_; }
  [[nodiscard]] std::int64_t dstate() const { return dstate_; }
  [[nodiscard]] float& scale() const { return *scale_; }
  [[nodiscard]] std::byte* element(std::int64_t n) const { return first_ + n * stride_; }

 private:
  std::byte* first_;
  std::int64_t stride_;  // in bytes
  std::int64_t dstate_;
  dtype type_;
  float* scale_;  // of a scaled state
};

/** Whose random bits round a row. */
struct row_bits {
  std::int64_t seed;
  std::int64_t first;  ///< element of its slot that the row begins with
  std::uint32_t t;     ///< the token's position in its sequence
  std::int64_t slot;   ///< that the sequence was read from
  int rounds;
};

/** `h` becomes the dstate values of the row. */
void load_row(const host_row& row, std::span<float> h);

/** Stores `h`: to nearest or, with `bits`, by stochastic rounding, which fp32 has none of. */
void store_row(const host_row& row, std::span<const float> h, const row_bits* bits = nullptr);

}  // namespace ssugraph::detail
