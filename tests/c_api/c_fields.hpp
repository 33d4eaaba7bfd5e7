#pragma once

#include <ssugraph/ssugraph.h>

#include <array>

namespace ssugraph::test {

/** The tensors of ssugraph_ssu_args, in its order. */
inline constexpr std::array c_fields{
    &ssugraph_ssu_args::state,
    &ssugraph_ssu_args::x,
    &ssugraph_ssu_args::dt,
    &ssugraph_ssu_args::A,
    &ssugraph_ssu_args::B,
    &ssugraph_ssu_args::C,
    &ssugraph_ssu_args::D,
    &ssugraph_ssu_args::z,
    &ssugraph_ssu_args::dt_bias,
    &ssugraph_ssu_args::out,
    &ssugraph_ssu_args::state_batch_indices,
    &ssugraph_ssu_args::dst_state_batch_indices,
    &ssugraph_ssu_args::num_accepted_tokens,
    &ssugraph_ssu_args::cu_seqlens,
    &ssugraph_ssu_args::rand_seed,
    &ssugraph_ssu_args::dst_state,
    &ssugraph_ssu_args::state_scale,
    &ssugraph_ssu_args::dst_state_scale,
    &ssugraph_ssu_args::x_ring,
    &ssugraph_ssu_args::B_ring,
    &ssugraph_ssu_args::dt_ring,
    &ssugraph_ssu_args::ring_cursor,
    &ssugraph_ssu_args::ring_plan,
    &ssugraph_ssu_args::rounding_key,
};

}  // namespace ssugraph::test
