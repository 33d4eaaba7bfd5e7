#include "tests/support/arena.hpp"

#include "lib/core/alignment.hpp"

#include <algorithm>
#include <bit>

namespace ssugraph::test {

tensor_view arena_layout::add(dtype type, const std::vector<std::int64_t>& extents,
                              const std::vector<std::int64_t>& strides, std::int64_t misalignment) {
  std::int64_t lowest = 0;
  std::int64_t highest = 0;
  for (std::size_t axis = 0; axis < extents.size(); ++axis) {
    const std::int64_t reach = std::max<std::int64_t>(extents[axis] - 1, 0) * strides[axis];
    (reach < 0 ? lowest : highest) += reach;
  }
  const std::int64_t first = static_cast<std::int64_t>(end_) + misalignment * size_of(type);
  const std::int64_t address = first - lowest * size_of(type);
  const std::int64_t end = address + (highest + 1) * size_of(type);
  end_ = static_cast<std::size_t>(detail::aligned(end, 256));
  return {reinterpret_cast<const void*>(address), type, std::span{extents}, std::span{strides}};
}

tensor_view arena_layout::add(dtype type, const std::vector<std::int64_t>& extents) {
  const tensor_view dense{nullptr, type, std::span{extents}};
  return add(type, extents, {dense.strides().begin(), dense.strides().end()});
}

ssu_args relocate(const ssu_args& args, std::byte* base) {
  ssu_args moved = args;
  const auto move = [&](const named_tensor& each) {
    tensor_view& tensor = moved.*each.member;
    if (tensor) tensor = tensor.at(base + reinterpret_cast<std::uintptr_t>(tensor.data()));
  };
  std::ranges::for_each(ssu_tensors, move);
  std::ranges::for_each(ring_tensors, move);
  return moved;
}

tensor_view without_axis(const tensor_view& tensor, int axis) {
  std::vector<std::int64_t> extents(tensor.extents().begin(), tensor.extents().end());
  std::vector<std::int64_t> strides(tensor.strides().begin(), tensor.strides().end());
  extents.erase(extents.begin() + axis);
  strides.erase(strides.begin() + axis);
  return {tensor.data(), tensor.dtype(), std::span{extents}, std::span{strides}};
}

}  // namespace ssugraph::test
