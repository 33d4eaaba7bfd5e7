#include "lib/ops/ssu/problem/shapes.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

namespace ssugraph::detail {
namespace {

std::string_view name_of(ssu_axis axis) {
  switch (axis) {
    case ssu_axis::slots:
      return "slots";
    case ssu_axis::rows:
      return "rows";
    case ssu_axis::nheads:
      return "nheads";
    case ssu_axis::ngroups:
      return "ngroups";
    case ssu_axis::ring:
      return "R";
    case ssu_axis::dim:
      return "dim";
    case ssu_axis::dstate:
      return "dstate";
  }
  return "unknown";
}

std::int64_t extent_of(const ssu_args& args, const ssu_operand& operand, ssu_axis axis) {
  switch (axis) {
    case ssu_axis::slots:
      if (operand.member == &ssu_args::dst_state_scale) return args.dst_state.extent(0);
      if (operand.member == &ssu_args::dst_state) return args.dst_state.extent(0);  // any number
      return args.state.extent(0);
    case ssu_axis::rows:
      return args.x.extent(0);
    case ssu_axis::nheads:
      return args.state.extent(1);
    case ssu_axis::ngroups:
      return args.B.extent(1);
    case ssu_axis::ring:
      return args.x_ring.extent(2);
    case ssu_axis::dim:
      return args.state.extent(2);
    case ssu_axis::dstate:
      return args.state.extent(3);
  }
  return 0;
}

/** What `text_of` says of 0 to `count` - 1. */
template <class TextOf>
std::string joined(std::size_t count, TextOf text_of) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i)
    text += std::string{i > 0 ? ", " : ""}.append(text_of(i));
  return text;
}

/** The tensors that models keep one value a head of. */
bool may_be_one_a_head(const ssu_operand& operand) {
  constexpr std::array members{&ssu_args::dt, &ssu_args::A, &ssu_args::D, &ssu_args::dt_bias};
  return std::ranges::find(members, operand.member) != members.end();
}

}  // namespace

std::string tuple(std::span<const std::int64_t> extents) {
  return "(" + joined(extents.size(), [&](std::size_t i) { return std::to_string(extents[i]); }) +
         ")";
}

std::vector<std::int64_t> extents_of(const ssu_args& args, const ssu_operand& operand) {
  std::vector<std::int64_t> extents;
  extents.reserve(static_cast<std::size_t>(operand.shape.rank));
  for (int axis = 0; axis < operand.shape.rank; ++axis)
    extents.push_back(extent_of(args, operand, operand.shape.axes[static_cast<std::size_t>(axis)]));
  return extents;
}

std::string describe(const ssu_shape& shape, std::span<const std::int64_t> extents) {
  const auto name = [&](std::size_t axis) { return name_of(shape.axes[axis]); };
  return "shape (" + joined(extents.size(), name) + ") = " + tuple(extents) +
         ", of nheads, dim and dstate of state, rows of x and ngroups of B";
}

std::string expand_hint(const ssu_operand& operand, const tensor_view& given,
                        const ssu_args& args) {
  if (!may_be_one_a_head(operand)) return {};
  const std::vector<std::int64_t> extents = extents_of(args, operand);
  const std::size_t count = given.extents().size();
  if (count >= extents.size() ||
      !std::ranges::equal(given.extents(), std::span{extents}.first(count)))
    return {};
  const auto index = [&](std::size_t axis) { return axis < count ? ":" : "None"; };
  return "; one value along an axis has stride 0 there, in torch " +
         std::string{operand.what.name} + "[" + joined(extents.size(), index) + "].expand" +
         tuple(extents);
}

}  // namespace ssugraph::detail
