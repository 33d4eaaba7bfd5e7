#include "lib/ssu/traffic.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>

namespace ssugraph::test {
namespace {

ssu_problem model_problem() {
  ssu_problem problem;
  problem.nheads = 128;
  problem.dim = 64;
  problem.dstate = 128;
  problem.ngroups = 8;
  problem.state_dtype = problem.io_dtype = problem.dt_dtype = dtype::bfloat16;
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
  problem.has_z = true;
  problem.D_dtype = dtype::float32;
  problem.dt_bias_dtype = dtype::bfloat16;
  const std::int64_t without_D = 2 * slot + row + 128 * 64 * 2 + layer + 128 * 2;
  EXPECT_EQ(detail::ssu_traffic(problem, 1), without_D + 128 * 4);
  problem.layouts[static_cast<std::size_t>(ssu_tensor::D)].strides = {64, 1};
  EXPECT_EQ(detail::ssu_traffic(problem, 1), without_D + 128 * 64 * 4);
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

TEST(ssu_traffic, of_untied_parameters_has_one_for_each_element) {
  ssu_problem problem = model_problem();
  problem.tied = false;
  EXPECT_EQ(detail::ssu_traffic(problem, 1),
            2 * slot + row - 128 * 2 + 128 * 64 * 2 + 128 * 64 * 128 * 4);
}

}  // namespace
}  // namespace ssugraph::test
