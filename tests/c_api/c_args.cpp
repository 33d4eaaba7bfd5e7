#include "tests/c_api/c_args.hpp"

#include "tests/c_api/c_fields.hpp"
#include "tests/support/arena.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace ssugraph::test {
namespace {

DLDataType c_dtype(dtype type) {
  switch (type) {
    case dtype::float32:
      return {kDLFloat, 32, 1};
    case dtype::float16:
      return {kDLFloat, 16, 1};
    case dtype::bfloat16:
      return {kDLBfloat, 16, 1};
    case dtype::int32:
      return {kDLInt, 32, 1};
    case dtype::int64:
      return {kDLInt, 64, 1};
    case dtype::int8:
      return {kDLInt, 8, 1};
    case dtype::int16:
      return {kDLInt, 16, 1};
    case dtype::float8_e4m3:
      return {10, 8, 1};  // kDLFloat8_e4m3fn, from DLPack 1.1 on
  }
  throw std::logic_error{"no such dtype"};
}

/** In the order of `c_fields`. */
const named_tensor& named(std::size_t i) {
  return i < ssu_tensors.size() ? ssu_tensors[i] : ring_tensors[i - ssu_tensors.size()];
}

}  // namespace

c_tensor::c_tensor(const tensor_view& view, bool on_gpu) {
  set(view, on_gpu);
}

void c_tensor::set(const tensor_view& view, bool on_gpu) {
  std::ranges::copy(view.extents(), shape.begin());
  std::ranges::copy(view.strides(), strides.begin());
  tensor.data = view.data();
  tensor.device = {on_gpu ? kDLCUDA : kDLCPU, 0};
  tensor.ndim = view.rank();
  tensor.dtype = c_dtype(view.dtype());
  tensor.shape = shape.data();
  tensor.strides = strides.data();
}

c_args::c_args(const ssu_args& from, bool on_gpu) {
  args.struct_size = sizeof args;
  for (std::size_t i = 0; i < c_fields.size(); ++i) {
    const tensor_view& view = from.*named(i).member;
    tensors[i].set(view, on_gpu);
    if (view) args.*c_fields[i] = &tensors[i].tensor;
  }
  args.has_null_block = 1;
  args.null_block_id = from.null_block_id;
  args.max_seqlen = from.max_seqlen;
  args.checkpoint_interval = from.checkpoint_interval;
  args.dt_softplus = from.dt_softplus ? 1 : 0;
  args.dt_limited = std::isinf(from.dt_min) && std::isinf(from.dt_max) ? 0 : 1;
  args.dt_min = from.dt_min;
  args.dt_max = from.dt_max;
}

c_tensor& c_args::of(const std::string& name) {
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (name == named(i).name) return tensors[i];
  }
  throw std::logic_error{"no tensor is called " + name};
}

std::string refused_argument(ssugraph_status status) {
  if (status != SSUGRAPH_STATUS_INVALID_ARGUMENT) return ssugraph_status_string(status);
  const std::string text = ssugraph_last_error();
  return text.substr(0, text.find(": expected"));
}

}  // namespace ssugraph::test
