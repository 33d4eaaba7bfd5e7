#pragma once

#include <ssugraph/ssu.hpp>

#include <array>
#include <cstdint>
#include <string_view>

namespace ssugraph::detail {

/** What the first axis of a tensor counts, and so how it grows with the batch. */
enum class leading_axis : std::uint8_t { slots, rows, sequences, boundaries, none };

/** A tensor of ssu_args by name. */
struct tensor_field {
  std::string_view name;
  tensor_view ssu_args::*member;
  leading_axis leading;
};

/** All tensors of ssu_args, in the order of `ssu_tensor`, then rand_seed. */
inline constexpr std::array<tensor_field, 15> tensor_fields{{
    {"state", &ssu_args::state, leading_axis::slots},
    {"x", &ssu_args::x, leading_axis::rows},
    {"dt", &ssu_args::dt, leading_axis::rows},
    {"A", &ssu_args::A, leading_axis::none},
    {"B", &ssu_args::B, leading_axis::rows},
    {"C", &ssu_args::C, leading_axis::rows},
    {"D", &ssu_args::D, leading_axis::none},
    {"z", &ssu_args::z, leading_axis::rows},
    {"dt_bias", &ssu_args::dt_bias, leading_axis::none},
    {"out", &ssu_args::out, leading_axis::rows},
    {"state_batch_indices", &ssu_args::state_batch_indices, leading_axis::sequences},
    {"dst_state_batch_indices", &ssu_args::dst_state_batch_indices, leading_axis::sequences},
    {"num_accepted_tokens", &ssu_args::num_accepted_tokens, leading_axis::sequences},
    {"cu_seqlens", &ssu_args::cu_seqlens, leading_axis::boundaries},
    {"rand_seed", &ssu_args::rand_seed, leading_axis::none},
}};

}  // namespace ssugraph::detail
