#pragma once

#include <ssugraph/ssu.hpp>
#include <ssugraph/tensor_view.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

/**
 * All tensors of a test case live in one block of memory, so that the case moves to a device and
 * back as a whole, and a stray write anywhere is seen.
 */
namespace ssugraph::test {

/** Host memory, 256-byte aligned, filled with 0xff: NaN in every float format, -1 as an index. */
class arena {
 public:
  explicit arena(std::size_t bytes = 0) : blocks_((bytes + sizeof(block) - 1) / sizeof(block)) {}

  [[nodiscard]] std::byte* data() { return blocks_.data()->bytes.data(); }
  [[nodiscard]] const std::byte* data() const { return blocks_.data()->bytes.data(); }
  [[nodiscard]] std::size_t size() const { return blocks_.size() * sizeof(block); }

  bool operator==(const arena&) const = default;

 private:
  struct alignas(256) block {
    block() { bytes.fill(std::byte{0xff}); }
    bool operator==(const block&) const = default;
    std::array<std::byte, 256> bytes;
  };
  std::vector<block> blocks_;
};

/** Lays tensors out from address 0 upwards; `relocate` moves them onto real memory. */
class arena_layout {
 public:
  /** A tensor whose lowest element is `misalignment` elements past a multiple of 256 bytes. */
  tensor_view add(dtype type, const std::vector<std::int64_t>& extents,
                  const std::vector<std::int64_t>& strides, std::int64_t misalignment = 0);
  /** The same, dense. */
  tensor_view add(dtype type, const std::vector<std::int64_t>& extents);

  [[nodiscard]] std::size_t bytes() const { return end_; }

 private:
  std::size_t end_ = 256;  // no tensor gets the null address
};

struct named_tensor {
  const char* name;
  tensor_view ssu_args::*member;
};

/** The tensors of ssu_args, with their names. */
inline constexpr std::array<named_tensor, 18> ssu_tensors{{
    {"state", &ssu_args::state},
    {"x", &ssu_args::x},
    {"dt", &ssu_args::dt},
    {"A", &ssu_args::A},
    {"B", &ssu_args::B},
    {"C", &ssu_args::C},
    {"D", &ssu_args::D},
    {"z", &ssu_args::z},
    {"dt_bias", &ssu_args::dt_bias},
    {"out", &ssu_args::out},
    {"state_batch_indices", &ssu_args::state_batch_indices},
    {"dst_state_batch_indices", &ssu_args::dst_state_batch_indices},
    {"num_accepted_tokens", &ssu_args::num_accepted_tokens},
    {"cu_seqlens", &ssu_args::cu_seqlens},
    {"rand_seed", &ssu_args::rand_seed},
    {"dst_state", &ssu_args::dst_state},
    {"state_scale", &ssu_args::state_scale},
    {"dst_state_scale", &ssu_args::dst_state_scale},
}};

/** Those of checkpointed states. */
inline constexpr std::array<named_tensor, 6> ring_tensors{{
    {"x_ring", &ssu_args::x_ring},
    {"B_ring", &ssu_args::B_ring},
    {"dt_ring", &ssu_args::dt_ring},
    {"ring_cursor", &ssu_args::ring_cursor},
    {"ring_plan", &ssu_args::ring_plan},
    {"rounding_key", &ssu_args::rounding_key},
}};

/** `args` with every tensor moved from addresses relative to 0 to addresses relative to `base`. */
[[nodiscard]] ssu_args relocate(const ssu_args& args, std::byte* base);

/** The tensor without an axis of extent 1. */
[[nodiscard]] tensor_view without_axis(const tensor_view& tensor, int axis);

}  // namespace ssugraph::test
