#pragma once

#include <ssugraph/tensor_view.hpp>

#include <cstddef>
#include <optional>
#include <span>

namespace ssugraph::detail::triton {

/** One specialisation of the kernel, compiled for one architecture and embedded in the library. */
struct triton_image {
  int architecture;  ///< 80, 90, ...
  dtype state;
  bool rounding;
  std::optional<dtype> io;  ///< none: any
  int dstate;               ///< at most
  bool tied;
  bool many;    ///< any number of tokens a sequence, else one
  bool vector;  ///< 16-byte accesses, else any layout
  int rows;     ///< of dim, that a block owns
  int warps;    ///< of a block
  unsigned shared_bytes;
  std::size_t offset;  ///< of its fat binary, among all
  std::size_t size;
};

/** Name of the kernel in every image. */
inline constexpr const char* triton_symbol = "ssu";

/** What this build compiled, in the order of its manifest. Generated. */
[[nodiscard]] std::span<const triton_image> triton_images();

/** The fat binary of this image alone, compressed. Generated. */
[[nodiscard]] std::span<const std::byte> fatbin_of(const triton_image& image);

}  // namespace ssugraph::detail::triton
