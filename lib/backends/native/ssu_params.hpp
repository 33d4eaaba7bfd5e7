#pragma once

#include <ssugraph/tensor_view.hpp>

#include <cstdint>

namespace ssugraph::detail {

/** A tensor as the kernels see it; strides in elements. */
template <int Rank>
struct strided {
  void* data;
  std::int64_t stride[Rank];
  dtype type;
};

/** An index or count tensor; absent if `data` is null. */
struct index_tensor {
  const void* data;
  std::int64_t stride[2];
  bool wide;  ///< int64, else int32
};

/** The one argument of every native SSU kernel. */
struct ssu_params {
  strided<4> state;
  strided<3> x, dt, z, out;
  strided<3> A, B, C;
  strided<2> D, dt_bias;
  index_tensor indices, dst_indices, accepted, cu_seqlens;
  const std::int64_t* rand_seed;  ///< null: drawn_seed
  std::int64_t drawn_seed;
  std::int64_t slots;
  std::int64_t rows;
  std::int64_t max_seqlen;
  std::int64_t null_block_id;
  std::int32_t dim;
  std::int32_t dstate;
  std::int32_t heads_per_group;
  std::int32_t philox_rounds;
  bool dt_softplus;
  bool reads_ahead;
};

}  // namespace ssugraph::detail
