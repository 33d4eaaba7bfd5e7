#include "lib/ops/ssu/backends/flashinfer/plan.hpp"

#include <ssugraph/error.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

/** Which of FlashInfer's kernels a plan names, and how it cuts the work. Asks no device. */
namespace ssugraph::detail::flashinfer {
namespace {

constexpr flashinfer_device hopper{.multiprocessors = 132, .major = 9};
constexpr flashinfer_device blackwell{.multiprocessors = 148, .major = 10};

ssu_problem problem_of(std::int64_t nheads) {
  ssu_problem problem;
  problem.nheads = nheads;
  problem.dim = 64;
  problem.dstate = 128;
  problem.ngroups = 8;
  problem.state_dtype = dtype::bfloat16;
  problem.x_dtype = problem.B_dtype = problem.C_dtype = problem.out_dtype = dtype::bfloat16;
  problem.tied = true;
  problem.device = {0};
  for (tensor_layout& layout : problem.layouts)
    layout.alignment = tensor_layout::max_alignment;
  return problem;
}

ssu_plan plan_of(const ssu_problem& problem, std::int64_t sequences, const std::string& algorithm,
                 const flashinfer_device& device) {
  return flashinfer_plan(problem, sequences,
                         choose_algorithm(problem, sequences, algorithm, device), device);
}

bool has_note(const ssu_plan& plan, const std::string& part) {
  return std::ranges::any_of(
      plan.notes, [&](const std::string& note) { return note.find(part) != std::string::npos; });
}

TEST(flashinfer_plan, auto_is_flashinfers_own_rule_by_name) {
  EXPECT_EQ(plan_of(problem_of(128), 2, "auto", hopper).algorithm, "simple");
  EXPECT_EQ(plan_of(problem_of(128), 3, "auto", hopper).algorithm, "vertical");
  EXPECT_EQ(plan_of(problem_of(128), 3, "auto", blackwell).algorithm, "horizontal");
  ssu_problem wide = problem_of(128);
  wide.state_dtype = dtype::float32;
  EXPECT_EQ(plan_of(wide, 3, "auto", blackwell).algorithm, "vertical");
}

TEST(flashinfer_plan, of_scaled_states_goes_by_rows_and_rounds_by_itself) {
  ssu_problem problem = problem_of(128);
  problem.state_dtype = dtype::int16;
  const ssu_plan plan = plan_of(problem, 3, "auto", blackwell);
  EXPECT_EQ(plan.algorithm, "vertical");
  EXPECT_TRUE(has_note(plan, "rounds int16 by itself"));
  EXPECT_FALSE(plan.contract_bits);
  problem.has_indices = true;
  problem.null_block_id = -1;
  EXPECT_EQ(plan_of(problem, 3, "auto", hopper).reason,
            "the one that reads no scale of a null_block_id that is no slot");
}

TEST(flashinfer_plan, auto_says_why_it_is_not_the_rule) {
  ssu_problem problem = problem_of(128);
  problem.dim = 192;
  const ssu_plan plan = plan_of(problem, 64, "auto", hopper);
  EXPECT_EQ(plan.algorithm, "simple");
  EXPECT_EQ(plan.reason, "not vertical: it leaves rows of out beyond dim 128 unwritten");
}

TEST(flashinfer_plan, destinations_take_the_kernel_that_skips_null_ones) {
  ssu_problem problem = problem_of(128);
  problem.has_dst_indices = true;
  EXPECT_EQ(plan_of(problem, 64, "auto", hopper).algorithm, "simple");
  EXPECT_THROW((void)plan_of(problem, 64, "vertical", hopper), unsupported);
  EXPECT_THROW((void)plan_of(problem, 64, "horizontal", hopper), unsupported);
}

TEST(flashinfer_plan, an_unknown_algorithm_is_refused_with_the_names) {
  try {
    (void)plan_of(problem_of(4), 1, "fast", hopper);
    FAIL() << "no exception";
  } catch (const unsupported& error) {
    EXPECT_NE(std::string{error.what()}.find("auto, simple, vertical, horizontal"),
              std::string::npos);
  }
}

TEST(flashinfer_plan, shows_how_the_work_is_cut) {
  using grid = std::array<std::int64_t, 3>;
  EXPECT_EQ(plan_of(problem_of(128), 1, "simple", hopper).grid, (grid{1, 128, 16}));
  EXPECT_EQ(plan_of(problem_of(128), 64, "simple", hopper).grid, (grid{64, 128, 1}));
  EXPECT_EQ(plan_of(problem_of(128), 64, "vertical", hopper).tile.threads, 160);
  EXPECT_EQ(plan_of(problem_of(128), 64, "horizontal", hopper).tile.threads, 160);
  ssu_problem problem = problem_of(128);
  problem.has_dst_indices = true;
  EXPECT_EQ(plan_of(problem, 1, "auto", hopper).grid, (grid{1, 128, 4}));
  EXPECT_EQ(plan_of(problem, 4, "auto", hopper).grid, (grid{4, 128, 2}));
  EXPECT_EQ(plan_of(problem, 64, "auto", hopper).grid, (grid{64, 128, 1}));
}

TEST(flashinfer_plan, notes_what_a_user_must_know) {
  ssu_problem problem = problem_of(128);
  EXPECT_TRUE(plan_of(problem, 1, "auto", hopper).notes.empty());
  problem.state_dtype = dtype::float16;
  problem.stochastic_rounding = true;
  problem.philox_rounds = 10;
  EXPECT_TRUE(has_note(plan_of(problem, 1, "auto", hopper), "below 2^-14 become zero"));
  EXPECT_FALSE(has_note(plan_of(problem, 1, "auto", hopper), "same bits"));
  problem.mode = ssu_mode::speculative;
  problem.max_seqlen = 4;
  problem.has_cu_seqlens = true;
  EXPECT_TRUE(has_note(plan_of(problem, 1, "auto", hopper), "same bits"));
  EXPECT_TRUE(has_note(plan_of(problem, 1, "auto", hopper), "longer than 4 tokens"));
}

}  // namespace
}  // namespace ssugraph::detail::flashinfer
