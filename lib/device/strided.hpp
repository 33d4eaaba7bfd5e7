#pragma once

#include <ssugraph/tensor_view.hpp>

#include <cstdint>

namespace ssugraph::detail {

/** A tensor as the kernels see it; strides in bytes. */
template <int Rank>
struct strided {
  void* data;
  std::int64_t stride[Rank];
  dtype type;
};

}  // namespace ssugraph::detail
