#include <ssugraph/error.hpp>
#include <ssugraph/tensor_view.hpp>

#include <algorithm>

namespace ssugraph {
namespace {

std::string tuple(std::span<const std::int64_t> values) {
  std::string text = "(";
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i > 0) text += ", ";
    text += std::to_string(values[i]);
  }
  return text + ")";
}

void check_extents(std::span<const std::int64_t> extents) {
  if (extents.empty() || extents.size() > tensor_view::max_rank) {
    throw invalid_argument{"extents", "1 to 4 axes", tuple(extents)};
  }
  if (std::ranges::any_of(extents, [](std::int64_t extent) { return extent < 0; })) {
    throw invalid_argument{"extents", "no negative extent", tuple(extents)};
  }
  std::int64_t count = 1;
  for (const std::int64_t extent : extents) {
    if (__builtin_mul_overflow(count, std::max<std::int64_t>(extent, 1), &count)) {
      throw invalid_argument{"extents", "fewer than 2^63 elements", tuple(extents)};
    }
  }
}

}  // namespace

std::string_view to_string(dtype type) noexcept {
  switch (type) {
    case dtype::float32:
      return "float32";
    case dtype::float16:
      return "float16";
    case dtype::bfloat16:
      return "bfloat16";
    case dtype::int32:
      return "int32";
    case dtype::int64:
      return "int64";
    case dtype::int8:
      return "int8";
    case dtype::int16:
      return "int16";
    case dtype::float8_e4m3:
      return "float8_e4m3";
  }
  return "unknown";
}

tensor_view::tensor_view(const void* data, ssugraph::dtype type,
                         std::span<const std::int64_t> extents)
    : data_{const_cast<void*>(data)}, dtype_{type}, rank_{static_cast<int>(extents.size())} {
  check_extents(extents);
  std::int64_t stride = 1;
  for (int axis = rank_ - 1; axis >= 0; --axis) {
    extents_[axis] = extents[axis];
    strides_[axis] = stride;
    stride *= std::max<std::int64_t>(extents[axis], 1);
  }
}

tensor_view::tensor_view(const void* data, ssugraph::dtype type,
                         std::span<const std::int64_t> extents,
                         std::span<const std::int64_t> strides)
    : data_{const_cast<void*>(data)}, dtype_{type}, rank_{static_cast<int>(extents.size())} {
  check_extents(extents);
  if (strides.size() != extents.size()) {
    throw invalid_argument{"strides", std::to_string(extents.size()) + " strides", tuple(strides)};
  }
  std::ranges::copy(extents, extents_.begin());
  std::ranges::copy(strides, strides_.begin());
}

std::int64_t tensor_view::size() const noexcept {
  if (rank_ == 0) return 0;
  std::int64_t count = 1;
  for (const std::int64_t extent : extents())
    count *= extent;
  return count;
}

tensor_view tensor_view::at(const void* data) const noexcept {
  tensor_view moved = *this;
  moved.data_ = const_cast<void*>(data);
  return moved;
}

tensor_view tensor_view::with_extent(int axis, std::int64_t extent) const noexcept {
  tensor_view resized = *this;
  resized.extents_[axis] = extent;
  return resized;
}

tensor_view tensor_view::with_unit_axis(int axis) const noexcept {
  tensor_view raised = *this;
  std::shift_right(raised.extents_.begin() + axis, raised.extents_.end(), 1);
  std::shift_right(raised.strides_.begin() + axis, raised.strides_.end(), 1);
  raised.extents_[axis] = 1;
  raised.strides_[axis] = 0;
  ++raised.rank_;
  return raised;
}

std::string to_string(const tensor_view& tensor) {
  if (!tensor) return "nothing";
  return std::string{to_string(tensor.dtype())} + ' ' + tuple(tensor.extents()) + " strides " +
         tuple(tensor.strides());
}

}  // namespace ssugraph
