#pragma once

#include "memory.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/** The arrays that steps write, compared bit for bit. */
namespace decode_block {

struct written_array {
  std::string name;  ///< ends in what a row is
  std::span<std::byte> data;
  std::int64_t row;  ///< in bytes
};

[[nodiscard]] std::vector<written_array> written_arrays(const model& model,
                                                        const decode_memory& memory);

/** Throws check_failure if two runs left something else in the arrays of a step. */
void compare_copies(const std::vector<written_array>& eager,
                    const std::vector<written_array>& replayed, std::string_view where,
                    cudaStream_t stream);

/** The null block and the last slot, which no sequence has. */
class idle_slots {
 public:
  idle_slots(const decode_memory& memory, cudaStream_t stream);

  /** Throws check_failure unless they are what they were. */
  void check_untouched() const;

 private:
  struct idle_slot {
    std::string array;
    std::int64_t slot;
    std::vector<std::byte> bytes;
  };

  [[nodiscard]] std::vector<idle_slot> read() const;

  const decode_memory& memory_;
  cudaStream_t stream_;
  std::vector<idle_slot> before_;
};

}  // namespace decode_block
