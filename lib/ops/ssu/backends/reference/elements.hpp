#pragma once

#include "lib/state/float16.hpp"
#include "lib/step/sequence.hpp"

#include <ssugraph/error.hpp>
#include <ssugraph/ssu.hpp>
#include <ssugraph/ssu_problem.hpp>
#include <ssugraph/tensor_view.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

/** Elements of tensors in host memory, and what becomes of one. */
namespace ssugraph::detail::reference {

template <class T>
T& element(const tensor_view& tensor, std::int64_t i, std::int64_t j = 0, std::int64_t k = 0,
           std::int64_t l = 0) {
  return static_cast<T*>(tensor.data())[i * tensor.stride(0) + j * tensor.stride(1) +
                                        k * tensor.stride(2) + l * tensor.stride(3)];
}

[[noreturn]] inline void refuse(dtype type) {
  throw unsupported{{{"reference", "it has no elements of " + std::string{to_string(type)}}}};
}

template <class... Index>
float load(const tensor_view& tensor, Index... index) {
  switch (tensor.dtype()) {
    case dtype::float32:
      return element<float>(tensor, index...);
    case dtype::float16:
      return to_float(element<float16>(tensor, index...));
    case dtype::bfloat16:
      return to_float(element<bfloat16>(tensor, index...));
    case dtype::int32:
    case dtype::int64:
    case dtype::int8:
    case dtype::int16:
    case dtype::float8_e4m3:
      break;
  }
  refuse(tensor.dtype());
}

template <class... Index>
void store(const tensor_view& tensor, float value, Index... index) {
  switch (tensor.dtype()) {
    case dtype::float32:
      element<float>(tensor, index...) = value;
      return;
    case dtype::float16:
      element<float16>(tensor, index...) = from_float<float16>(value);
      return;
    case dtype::bfloat16:
      element<bfloat16>(tensor, index...) = from_float<bfloat16>(value);
      return;
    case dtype::int32:
    case dtype::int64:
    case dtype::int8:
    case dtype::int16:
    case dtype::float8_e4m3:
      break;
  }
  refuse(tensor.dtype());
}

/** dt' of a token. */
inline float time_step(const ssu_problem& problem, const ssu_args& args, std::int64_t row,
                       std::int64_t head, std::int64_t d) {
  float dt = load(args.dt, row, head, d);
  if (args.dt_bias) dt += load(args.dt_bias, head, d);
  if (problem.dt_softplus && dt <= 20.0f) dt = std::log1p(std::exp(dt));
  if (dt < problem.dt_min) return problem.dt_min;
  return dt > problem.dt_max ? problem.dt_max : dt;
}

/** `out` of a token, from the sum over dstate. */
inline void write_out(const ssu_args& args, float sum, std::int64_t row, std::int64_t head,
                      std::int64_t d) {
  if (args.D) sum += load(args.D, head, d) * load(args.x, row, head, d);
  if (args.z) {
    const float z = load(args.z, row, head, d);
    sum *= z / (1.0f + std::exp(-z));
  }
  store(args.out, sum, row, head, d);
}

/** Of a sequence without a state. Zero is zero bytes in every dtype. */
inline void zero_out(const tensor_view& out, const row_range& rows) {
  const std::int64_t size = size_of(out.dtype());
  const bool is_dense = out.stride(2) == 1;
  const std::int64_t pieces = is_dense ? 1 : out.extent(2);
  const auto bytes = static_cast<std::size_t>((is_dense ? out.extent(2) : 1) * size);
  auto* const first = static_cast<std::byte*>(out.data());
  for (int t = 0; t < rows.length; ++t) {
    for (std::int64_t head = 0; head < out.extent(1); ++head) {
      for (std::int64_t d = 0; d < pieces; ++d) {
        const std::int64_t at =
            (rows.begin + t) * out.stride(0) + head * out.stride(1) + d * out.stride(2);
        std::memset(first + at * size, 0, bytes);
      }
    }
  }
}

}  // namespace ssugraph::detail::reference
