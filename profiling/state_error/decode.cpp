#include "profiling/state_error/decode.hpp"

#if SSUGRAPH_CUDA
#include "lib/core/cuda_check.hpp"
#endif

#include <ssugraph/dispatch.hpp>
#include <ssugraph/rings.hpp>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <iterator>
#include <memory>
#include <optional>

namespace state_error {
namespace {

using ssugraph::dtype;
using ssugraph::target;
using ssugraph::tensor_view;

/** Zeroed bytes that both the host and the target reach. */
std::shared_ptr<std::byte> allocate(std::size_t bytes, [[maybe_unused]] target where) {
#if SSUGRAPH_CUDA
  if (where == target::cuda) {
    void* data = nullptr;
    ssugraph::detail::check_cuda(cudaMallocManaged(&data, bytes), "cudaMallocManaged of a tensor");
    std::memset(data, 0, bytes);
    return {static_cast<std::byte*>(data), [](std::byte* mine) { cudaFree(mine); }};
  }
#endif
  return {new std::byte[bytes](), std::default_delete<std::byte[]>{}};
}

void wait([[maybe_unused]] target where) {
#if SSUGRAPH_CUDA
  if (where == target::cuda) {
    ssugraph::detail::check_cuda(cudaDeviceSynchronize(), "cudaDeviceSynchronize of a decode");
  }
#endif
}

/** A tensor in memory of its own. */
class owned_tensor {
 public:
  owned_tensor(dtype type, const std::vector<std::int64_t>& extents, target where)
      : view_{nullptr, type, extents},
        memory_{allocate(static_cast<std::size_t>(view_.size() * size_of(type)), where)} {
    view_ = view_.at(memory_.get());
  }
  template <class Value>
  owned_tensor(dtype type, const std::vector<std::int64_t>& extents, target where,
               const std::vector<Value>& content)
      : owned_tensor{type, extents, where} {
    std::memcpy(memory_.get(), content.data(), content.size() * sizeof(Value));
  }

  [[nodiscard]] const tensor_view& view() const { return view_; }
  /** `count` entries of the first axis from `first` on. */
  [[nodiscard]] tensor_view part(std::int64_t first, std::int64_t count) const {
    return view_.at(memory_.get() + first * view_.stride(0) * size_of(view_.dtype()))
        .with_extent(0, count);
  }

 private:
  tensor_view view_;
  std::shared_ptr<std::byte> memory_;
};

/** One value for each entry of the first axes, broadcast over the others. */
tensor_view expanded(const tensor_view& given, const std::vector<std::int64_t>& extents) {
  std::vector<std::int64_t> strides(extents.size(), 0);
  std::ranges::copy(given.strides(), strides.begin());
  return {given.data(), given.dtype(), extents, strides};
}

/** Of one slot, whose state is stored every `interval` tokens. */
class owned_rings {
 public:
  owned_rings(std::int64_t interval, target where)
      : interval_{interval},
        x_{dtype::float32, {1, nheads, interval + 1, dim}, where},
        B_{dtype::float32, {1, 1, interval + 1, dstate}, where},
        dt_{dtype::float32, {1, nheads, interval + 1}, where},
        cursor_{dtype::int32, {1, 4}, where},
        plan_{dtype::int32, {1, 8}, where} {}

  void bind(ssugraph::ssu_args& args) const {
    args.x_ring = x_.view();
    args.B_ring = B_.view();
    args.dt_ring = dt_.view();
    args.ring_plan = plan_.view();
    args.checkpoint_interval = interval_;
  }

  /** In front of a step of one token. */
  void plan() const {
    ssugraph::plan_rings({.ring_plan = plan_.view(),
                          .ring_cursor = cursor_.view(),
                          .null_block_id = -1,
                          .checkpoint_interval = interval_,
                          .ring_rows = interval_ + 1},
                         nullptr);
  }

 private:
  std::int64_t interval_;
  owned_tensor x_, B_, dt_, cursor_, plan_;
};

}  // namespace

std::vector<float> decode(const sequence& given, const storage& how, target where) {
  constexpr dtype fp32 = dtype::float32;
  const std::int64_t tokens = given.tokens;
  const owned_tensor state{how.format, {1, nheads, dim, dstate}, where};
  const owned_tensor scale{fp32, {1, nheads, dim}, where};
  const owned_tensor x{fp32, {tokens, nheads, dim}, where, given.x};
  const owned_tensor dt{fp32, {tokens, nheads}, where, given.dt};
  const owned_tensor B{fp32, {tokens, 1, dstate}, where, given.B};
  const owned_tensor C{fp32, {tokens, 1, dstate}, where, given.C};
  const owned_tensor out{fp32, {tokens, nheads, dim}, where};
  std::vector<float> A_of_head;
  std::ranges::transform(kinds(), std::back_inserter(A_of_head), &head_kind::A);
  const owned_tensor A{fp32, {nheads}, where, A_of_head};
  const std::int64_t step = how.rings ? 1 : how.every;
  const owned_tensor bounds{
      dtype::int32, {2}, where, std::vector{0, static_cast<std::int32_t>(step)}};
  std::optional<owned_rings> rings;
  if (how.rings) rings.emplace(how.every, where);

  ssugraph::ssu_args args;
  args.state = state.view();
  if (is_scaled(how.format)) args.state_scale = scale.view();
  args.A = expanded(A.view(), {nheads, dim, dstate});
  args.cu_seqlens = bounds.view();
  args.max_seqlen = step;
  if (rings) rings->bind(args);
  ssugraph::ssu_dispatch dispatch{{.backend = where == target::host ? "reference" : "native",
                                   .stochastic_rounding = how.stochastic}};
  for (std::int64_t first = 0; first < tokens; first += step) {
    args.x = x.part(first, step);
    args.dt = expanded(dt.part(first, step), {step, nheads, dim});
    args.B = B.part(first, step);
    args.C = C.part(first, step);
    args.out = out.part(first, step);
    if (rings) rings->plan();
    dispatch.selective_state_update(args, nullptr);
  }
  wait(where);
  const auto* const values = static_cast<const float*>(out.view().data());
  return {values, values + out.view().size()};
}

}  // namespace state_error
