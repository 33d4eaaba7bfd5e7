#include "profiling/bench/layers.hpp"

#include "lib/core/cuda_check.hpp"
#include "profiling/bench/kernels.hpp"

#include <ssugraph/error.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>

namespace bench {
namespace {

using ssugraph::dtype;
using ssugraph::tensor_view;
using ssugraph::detail::check_cuda;

std::int64_t cache_bytes() {
  int device = 0;
  int bytes = 0;
  check_cuda(cudaGetDevice(&device), "cudaGetDevice");
  check_cuda(cudaDeviceGetAttribute(&bytes, cudaDevAttrL2CacheSize, device),
             "cudaDeviceGetAttribute");
  return bytes;
}

/** `slots`, unless states of so many do not fit beside what the rest takes. */
std::int64_t fitting(std::int64_t slots, const options& opts, const shape& s) {
  constexpr double rest_gigabytes = 2.0;
  std::size_t free_bytes = 0;
  std::size_t total_bytes = 0;
  check_cuda(cudaMemGetInfo(&free_bytes, &total_bytes), "cudaMemGetInfo");
  const std::int64_t bytes = opts.slot_bytes(s) + opts.ring_rows() * opts.ring_row_bytes(s);
  const double wanted = 1e-9 * static_cast<double>(slots * bytes) * opts.layers;
  const double most = 1e-9 * static_cast<double>(free_bytes) - rest_gigabytes;
  if (wanted <= most) return slots;
  throw ssugraph::invalid_argument{
      "--batch", fmt::format("state of all layers that fits into {:.1f} GB", most),
      fmt::format("{:.1f} GB; fewer --layers or sequences take less", wanted)};
}

/** Of what a state begins with: the greatest code, or 1 where nothing is scaled. */
float greatest_of(dtype state) {
  switch (state) {
    case dtype::int16:
      return 32767.0f;
    case dtype::int8:
      return 127.0f;
    case dtype::float8_e4m3:
      return 448.0f;
    case dtype::float32:
    case dtype::float16:
    case dtype::bfloat16:
    case dtype::int32:
    case dtype::int64:
      break;
  }
  return 1.0f;
}

}  // namespace

random_tensor::random_tensor(dtype type, std::int64_t count, float scale, float shift)
    : element_size_{ssugraph::size_of(type)},
      memory_{allocate(static_cast<std::size_t>(count * element_size_))} {
  static std::uint64_t salt = 0;
  fill_random(type, memory_.get(), static_cast<std::size_t>(count),
              {.salt = ++salt, .scale = scale, .shift = shift});
}

void* random_tensor::at(std::int64_t element) const {
  return static_cast<std::byte*>(memory_.get()) + element * element_size_;
}

layer::layer(const options& opts, const shape& s, std::int64_t rows, std::int64_t slots)
    : shape_{s},
      state_type_{opts.state},
      ring_rows_{opts.ring_rows()},
      rows_{rows},
      slots_{slots},
      untied_{opts.untied},
      dim_innermost_{opts.dim_innermost},
      io_{opts.io},
      group_type_{opts.group_type},
      x_width_{s.nheads * s.dim},
      group_width_{s.ngroups * s.dstate},
      state_{opts.state, slots * s.nheads * s.dim * s.dstate, greatest_of(opts.state)},
      row_{io_, rows * (x_width_ + 2 * group_width_), 1.0f},
      out_{io_, rows * x_width_, 1.0f} {
  const std::int64_t channels = s.nheads * (untied_ ? s.dim : 1);
  if (group_type_ != io_) group_row_ = {group_type_, rows * (x_width_ + 2 * group_width_), 1.0f};
  if (is_scaled(state_type_)) {
    const float scale = 1.0f / greatest_of(state_type_);
    scale_ = {dtype::float32, slots * s.nheads * s.dim, 0.5f * scale, scale};
  }
  if (ring_rows_ > 0) {
    x_ring_ = {io_, slots * ring_rows_ * x_width_, 1.0f};
    B_ring_ = {group_type_, slots * ring_rows_ * group_width_, 1.0f};
    dt_ring_ = {dtype::float32, slots * ring_rows_ * s.nheads, 0.14f, 0.15f};
  }
  if (opts.z) z_ = {io_, rows * x_width_, 1.0f};
  dt_ = {dtype::bfloat16, rows * channels, 1.0f};
  A_ = {dtype::float32, channels * (untied_ ? s.dstate : 1), 7.5f, -8.5f};
  D_ = {dtype::bfloat16, channels, 1.0f};
  // Behind the softplus, dt is then 0.001 to 0.3.
  dt_bias_ = {dtype::bfloat16, channels, 2.0f, -4.0f};
}

tensor_view layer::per_channel(const random_tensor& tensor) const {
  const auto& [name, nheads, dim, dstate, ngroups] = shape_;
  if (untied_) return {tensor.at(0), dtype::bfloat16, {nheads, dim}};
  return {tensor.at(0), dtype::bfloat16, {nheads, dim}, {1, 0}};
}

ssugraph::ssu_args layer::args(const sequences& seqs) const {
  const auto& [name, nheads, dim, dstate, ngroups] = shape_;
  const std::int64_t width = x_width_ + 2 * group_width_;
  const random_tensor& group_row = group_type_ == io_ ? row_ : group_row_;
  ssugraph::ssu_args args;
  args.state = {state_.at(0), state_type_, {slots_, nheads, dim, dstate}};
  if (dim_innermost_) {
    const std::int64_t head = dim * dstate;
    args.state = {
        state_.at(0), state_type_, {slots_, nheads, dim, dstate}, {nheads * head, head, 1, dim}};
  }
  if (scale_.at(0) != nullptr)
    args.state_scale = {scale_.at(0), dtype::float32, {slots_, nheads, dim}};
  if (ring_rows_ > 0) {
    args.x_ring = {x_ring_.at(0), io_, {slots_, nheads, ring_rows_, dim}};
    args.B_ring = {B_ring_.at(0), group_type_, {slots_, ngroups, ring_rows_, dstate}};
    args.dt_ring = {dt_ring_.at(0), dtype::float32, {slots_, nheads, ring_rows_}};
  }
  args.x = {row_.at(0), io_, {rows_, nheads, dim}, {width, dim, 1}};
  args.B = {group_row.at(x_width_), group_type_, {rows_, ngroups, dstate}, {width, dstate, 1}};
  args.C = args.B.at(group_row.at(x_width_ + group_width_));
  args.out = {out_.at(0), io_, {rows_, nheads, dim}};
  if (z_.at(0) != nullptr) args.z = args.out.at(z_.at(0));
  args.D = per_channel(D_);
  args.dt_bias = per_channel(dt_bias_);
  if (untied_) {
    args.dt = {dt_.at(0), dtype::bfloat16, {rows_, nheads, dim}};
    args.A = {A_.at(0), dtype::float32, {nheads, dim, dstate}};
  } else {
    args.dt = {dt_.at(0), dtype::bfloat16, {rows_, nheads, dim}, {nheads, 1, 0}};
    args.A = {A_.at(0), dtype::float32, {nheads, dim, dstate}, {1, 0, 0}};
  }
  args.dt_softplus = true;
  seqs.bind(args);
  return args;
}

model::model(const options& opts, const bench::shape& s)
    : model{opts, s, fitting(slots_for(opts, s, cache_bytes()), opts, s)} {}

model::model(const options& opts, const bench::shape& s, std::int64_t slots)
    : shape{s}, seqs{opts, slots} {
  const std::int64_t rows = *std::ranges::max_element(opts.batches) * opts.tokens;
  for (int i = 0; i < opts.layers; ++i)
    layers.emplace_back(opts, s, rows, slots);
  check_cuda(cudaDeviceSynchronize(), "cudaDeviceSynchronize of the data");
}

}  // namespace bench
