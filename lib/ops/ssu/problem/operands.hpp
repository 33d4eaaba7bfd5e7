#pragma once

#include "lib/step/operand.hpp"

#include <ssugraph/ssu.hpp>
#include <ssugraph/ssu_problem.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <tuple>

/** The tensors of the selective state update: each is described here, and nowhere else. */
namespace ssugraph::detail {

/** What an axis of a floating tensor counts. */
enum class ssu_axis : std::uint8_t { slots, rows, nheads, ngroups, ring, dim, dstate };

/** What elements a tensor has. */
enum class ssu_elements : std::uint8_t {
  state,     ///< a format that states are stored in
  floating,  ///< fp32, fp16 or bf16
  as_state,  ///< the dtype of the state
  scale,     ///< fp32
  index,     ///< int32 or int64
  seed,      ///< int64
  as_x,      ///< the dtype of x
  as_B,      ///< the dtype of B
  rows,      ///< int32, each row at a multiple of 16 bytes
  key,       ///< int64
};

/** The axes of a tensor; none where its shape depends on more than sizes. */
struct ssu_shape {
  int rank = 0;
  std::array<ssu_axis, tensor_view::max_rank> axes{};

  /** The axis that a caller may leave out, for its extent is then 1. */
  [[nodiscard]] constexpr int optional_axis() const {
    const auto counts_heads = [](ssu_axis axis) {
      return axis == ssu_axis::nheads || axis == ssu_axis::ngroups;
    };
    return static_cast<int>(std::ranges::find_if(axes, counts_heads) - axes.begin());
  }
  [[nodiscard]] constexpr bool ends_in_dstate() const {
    return rank > 0 && axes[static_cast<std::size_t>(rank - 1)] == ssu_axis::dstate;
  }
};

struct ssu_operand {
  operand what;
  tensor_view ssu_args::*member;
  ssu_elements elements;
  bool required;
  ssu_shape shape;
};

/** That of dst_state, too, which has slots of its own. */
inline constexpr ssu_shape state_shape{
    4, {ssu_axis::slots, ssu_axis::nheads, ssu_axis::dim, ssu_axis::dstate}};
inline constexpr ssu_shape scale_shape{3, {ssu_axis::slots, ssu_axis::nheads, ssu_axis::dim}};
inline constexpr ssu_shape x_shape{3, {ssu_axis::rows, ssu_axis::nheads, ssu_axis::dim}};
inline constexpr ssu_shape B_shape{3, {ssu_axis::rows, ssu_axis::ngroups, ssu_axis::dstate}};
inline constexpr ssu_shape A_shape{3, {ssu_axis::nheads, ssu_axis::dim, ssu_axis::dstate}};
inline constexpr ssu_shape x_ring_shape{
    4, {ssu_axis::slots, ssu_axis::nheads, ssu_axis::ring, ssu_axis::dim}};
inline constexpr ssu_shape B_ring_shape{
    4, {ssu_axis::slots, ssu_axis::ngroups, ssu_axis::ring, ssu_axis::dstate}};
inline constexpr ssu_shape dt_ring_shape{3, {ssu_axis::slots, ssu_axis::nheads, ssu_axis::ring}};
inline constexpr ssu_shape D_shape{2, {ssu_axis::nheads, ssu_axis::dim}};
inline constexpr bool required = true;

/** An index or count tensor, or the seed: optional, of a shape that the mode says. */
constexpr ssu_operand beside(std::string_view name, first_axis leading, operand_role role,
                             tensor_view ssu_args::*member,
                             ssu_elements elements = ssu_elements::index) {
  return {{name, leading, role}, member, elements, !required, {}};
}

/** In the order of `ssu_tensor`. */
inline constexpr std::array<ssu_operand, 24> ssu_operands{{
    {{"state", first_axis::slots, operand_role::state, operand_access::both},
     &ssu_args::state,
     ssu_elements::state,
     required,
     state_shape},
    {{"x", first_axis::rows}, &ssu_args::x, ssu_elements::floating, required, x_shape},
    {{"dt", first_axis::rows}, &ssu_args::dt, ssu_elements::floating, required, x_shape},
    // Negative in a measurement, so that states decay.
    {{"A", first_axis::none, operand_role::data, operand_access::read, operand::small_negative},
     &ssu_args::A,
     ssu_elements::floating,
     required,
     A_shape},
    {{"B", first_axis::rows}, &ssu_args::B, ssu_elements::floating, required, B_shape},
    {{"C", first_axis::rows}, &ssu_args::C, ssu_elements::floating, required, B_shape},
    {{"D", first_axis::none}, &ssu_args::D, ssu_elements::floating, !required, D_shape},
    {{"z", first_axis::rows}, &ssu_args::z, ssu_elements::floating, !required, x_shape},
    {{"dt_bias", first_axis::none}, &ssu_args::dt_bias, ssu_elements::floating, !required, D_shape},
    {{"out", first_axis::rows, operand_role::data, operand_access::write},
     &ssu_args::out,
     ssu_elements::floating,
     required,
     x_shape},
    beside("state_batch_indices", first_axis::sequences, operand_role::source_slots,
           &ssu_args::state_batch_indices),
    beside("dst_state_batch_indices", first_axis::sequences, operand_role::destination_slots,
           &ssu_args::dst_state_batch_indices),
    beside("num_accepted_tokens", first_axis::sequences, operand_role::counts,
           &ssu_args::num_accepted_tokens),
    beside("cu_seqlens", first_axis::boundaries, operand_role::bounds, &ssu_args::cu_seqlens),
    beside("rand_seed", first_axis::none, operand_role::seed, &ssu_args::rand_seed,
           ssu_elements::seed),
    {{"dst_state", first_axis::slots, operand_role::state, operand_access::write},
     &ssu_args::dst_state,
     ssu_elements::as_state,
     !required,
     state_shape},
    {{"state_scale", first_axis::slots, operand_role::state, operand_access::both},
     &ssu_args::state_scale,
     ssu_elements::scale,
     !required,
     scale_shape},
    {{"dst_state_scale", first_axis::slots, operand_role::state, operand_access::write},
     &ssu_args::dst_state_scale,
     ssu_elements::scale,
     !required,
     scale_shape},
    {{"x_ring", first_axis::slots, operand_role::state, operand_access::both},
     &ssu_args::x_ring,
     ssu_elements::as_x,
     !required,
     x_ring_shape},
    {{"B_ring", first_axis::slots, operand_role::state, operand_access::both},
     &ssu_args::B_ring,
     ssu_elements::as_B,
     !required,
     B_ring_shape},
    {{"dt_ring", first_axis::slots, operand_role::state, operand_access::both},
     &ssu_args::dt_ring,
     ssu_elements::scale,
     !required,
     dt_ring_shape},
    {{"ring_cursor", first_axis::slots, operand_role::ring_cursor, operand_access::both},
     &ssu_args::ring_cursor,
     ssu_elements::rows,
     !required,
     {}},
    beside("ring_plan", first_axis::sequences, operand_role::ring_plan, &ssu_args::ring_plan,
           ssu_elements::rows),
    beside("rounding_key", first_axis::slots, operand_role::rounding_key, &ssu_args::rounding_key,
           ssu_elements::key),
}};

inline constexpr std::size_t ssu_tensor_count = ssu_operands.size();
static_assert(static_cast<std::size_t>(ssu_tensor::rounding_key) + 1 == ssu_tensor_count &&
                  ssu_tensor_count == std::tuple_size_v<decltype(ssu_problem::layouts)>,
              "ssu_tensor, the layouts of a problem and the operands name the same tensors");

[[nodiscard]] constexpr std::string_view name_of(ssu_tensor tensor) {
  return ssu_operands[static_cast<std::size_t>(tensor)].what.name;
}

/** The same, as every step has it. Beside dst_state, the state is only read. */
[[nodiscard]] inline std::span<const operand> operands_of_ssu(bool has_dst_state) {
  static constexpr auto in_place = [] {
    std::array<operand, ssu_operands.size()> generic{};
    std::ranges::transform(ssu_operands, generic.begin(), &ssu_operand::what);
    return generic;
  }();
  static constexpr auto apart = [] {
    auto generic = in_place;
    for (const ssu_tensor read : {ssu_tensor::state, ssu_tensor::state_scale})
      generic[static_cast<std::size_t>(read)].access = operand_access::read;
    return generic;
  }();
  return has_dst_state ? apart : in_place;
}

[[nodiscard]] inline bound_tensors tensors_of(const ssu_args& args) {
  bound_tensors tensors;
  tensors.reserve(ssu_operands.size());
  for (const ssu_operand& each : ssu_operands)
    tensors.push_back(args.*each.member);
  return tensors;
}

/** `scalars` with these tensors in place of its own. */
[[nodiscard]] inline ssu_args with_tensors(ssu_args scalars, std::span<const tensor_view> tensors) {
  for (std::size_t i = 0; i < ssu_operands.size(); ++i)
    scalars.*ssu_operands[i].member = tensors[i];
  return scalars;
}

}  // namespace ssugraph::detail
