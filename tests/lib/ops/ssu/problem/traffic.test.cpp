#include "lib/ops/ssu/problem/traffic.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>

namespace ssugraph::test {
namespace {

void lay_out(ssu_problem& problem, ssu_tensor tensor, std::array<std::int64_t, 4> strides) {
  problem.layouts[static_cast<std::size_t>(tensor)].strides = strides;
}

/** Rows dense; what is tied has a stride of 0 over dim and dstate. */
ssu_problem model_problem() {
  ssu_problem problem;
  for (const ssu_tensor tensor : {ssu_tensor::x, ssu_tensor::z, ssu_tensor::out})
    lay_out(problem, tensor, {128 * 64, 64, 1});
  for (const ssu_tensor tensor : {ssu_tensor::B, ssu_tensor::C})
    lay_out(problem, tensor, {8 * 128, 128, 1});
  lay_out(problem, ssu_tensor::dt, {128, 1, 0});
  for (const ssu_tensor tensor : {ssu_tensor::A, ssu_tensor::D, ssu_tensor::dt_bias})
    lay_out(problem, tensor, {1, 0, 0});
  problem.nheads = 128;
  problem.dim = 64;
  problem.dstate = 128;
  problem.ngroups = 8;
  problem.state_dtype = problem.x_dtype = problem.B_dtype = problem.C_dtype = problem.out_dtype =
      problem.dt_dtype = dtype::bfloat16;
  problem.tied = true;
  return problem;
}

constexpr std::int64_t slot = 128 * 64 * 128 * 2;
/** x and out, B and C, dt. */
constexpr std::int64_t row = 2 * 128 * 64 * 2 + 2 * 8 * 128 * 2 + 128 * 2;
/** A in fp32. */
constexpr std::int64_t layer = 128 * 4;

TEST(ssu_traffic, is_every_byte_once) {
  EXPECT_EQ(detail::ssu_traffic(model_problem(), 1), 2 * slot + row + layer);
  EXPECT_EQ(detail::ssu_traffic(model_problem(), 7), 7 * (2 * slot + row) + layer);
}

TEST(ssu_traffic, counts_what_is_bound) {
  ssu_problem problem = model_problem();
  problem.z_dtype = dtype::bfloat16;
  problem.D_dtype = dtype::float32;
  problem.dt_bias_dtype = dtype::bfloat16;
  const std::int64_t without_D = 2 * slot + row + 128 * 64 * 2 + layer + 128 * 2;
  EXPECT_EQ(detail::ssu_traffic(problem, 1), without_D + 128 * 4);
  lay_out(problem, ssu_tensor::D, {64, 1});
  EXPECT_EQ(detail::ssu_traffic(problem, 1), without_D + 128 * 64 * 4);
}

TEST(ssu_traffic, of_rings_is_the_mean_over_their_positions) {
  ssu_problem problem = model_problem();
  problem.checkpoint_interval = 16;
  problem.ring_rows = 17;
  constexpr std::int64_t ring_row = 128 * 64 * 2 + 8 * 128 * 2 + 128 * 4;
  // 1 to 16 live rows, one appended; one state in 16 steps.
  constexpr std::int64_t sixteen = 17 * slot + 16 * row + (16 * 17 / 2 + 16) * ring_row;
  EXPECT_EQ(detail::ssu_traffic(problem, 1), sixteen / 16 + layer);
  EXPECT_EQ(detail::ssu_traffic(problem, 8), sixteen / 2 + layer);
  EXPECT_EQ(detail::ssu_traffic(problem, 16), sixteen + layer);
}

TEST(ssu_traffic, of_several_tokens_writes_one_state_or_all) {
  ssu_problem problem = model_problem();
  problem.has_cu_seqlens = true;
  problem.max_seqlen = 4;
  problem.mode = ssu_mode::varlen;
  EXPECT_EQ(detail::ssu_traffic(problem, 3), 3 * (2 * slot + 4 * row) + layer);
  problem.mode = ssu_mode::speculative;
  EXPECT_EQ(detail::ssu_traffic(problem, 3), 3 * (5 * slot + 4 * row) + layer);
}

TEST(ssu_traffic, of_scaled_states_has_a_scale_for_each_row) {
  constexpr std::int64_t codes = 128 * 64 * 128;
  constexpr std::int64_t scales = 128 * 64 * 4;
  for (const dtype type : {dtype::int8, dtype::int16, dtype::float8_e4m3}) {
    ssu_problem problem = model_problem();
    problem.state_dtype = type;
    const std::int64_t scaled = codes * size_of(type) + scales;
    EXPECT_EQ(detail::ssu_traffic(problem, 1), 2 * scaled + row + layer) << to_string(type);
    EXPECT_EQ(state_bytes(problem, 3), static_cast<std::size_t>(3 * scaled)) << to_string(type);
    problem.has_dst_state = true;
    EXPECT_EQ(detail::ssu_traffic(problem, 1), 2 * scaled + row + layer) << to_string(type);
    problem.has_cu_seqlens = true;
    problem.max_seqlen = 4;
    problem.mode = ssu_mode::speculative;
    EXPECT_EQ(detail::ssu_traffic(problem, 3), 3 * (5 * scaled + 4 * row) + layer);
  }
  EXPECT_EQ(state_bytes(model_problem(), 3), static_cast<std::size_t>(3 * slot));
}

TEST(ssu_traffic, of_untied_parameters_has_one_for_each_element) {
  ssu_problem problem = model_problem();
  problem.tied = false;
  lay_out(problem, ssu_tensor::dt, {128 * 64, 64, 1});
  lay_out(problem, ssu_tensor::A, {64 * 128, 128, 1});
  EXPECT_EQ(detail::ssu_traffic(problem, 1),
            2 * slot + row - 128 * 2 + 128 * 64 * 2 + 128 * 64 * 128 * 4);
}

}  // namespace
}  // namespace ssugraph::test
