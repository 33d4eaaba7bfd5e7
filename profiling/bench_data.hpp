#pragma once

#include <ssugraph/tensor_view.hpp>

#include <cstddef>
#include <cstdint>

namespace bench {

/** Uniform in shift - scale .. shift + scale. */
struct noise {
  std::uint64_t salt;
  float scale;
  float shift;
};

/** Fills device memory with `count` random floats of `type`, on the legacy stream. */
void fill_random(ssugraph::dtype type, void* data, std::size_t count, noise values);

}  // namespace bench
