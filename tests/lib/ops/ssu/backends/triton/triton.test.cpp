#include "lib/ops/ssu/backends/triton/triton.hpp"

#include "lib/core/device.hpp"
#include "lib/step/kernel_launches.hpp"

#include <ssugraph/backend.hpp>
#include <ssugraph/device.hpp>
#include <ssugraph/error.hpp>
#include <ssugraph/ssu_plan.hpp>
#include <ssugraph/ssu_problem.hpp>

#include <gtest/gtest.h>

#include <set>
#include <string>

/** What the triton backend plans and loads. Needs a GPU for all but refusals. */
namespace ssugraph::detail::triton {
namespace {

/** Of every manifest. */
ssu_problem model_problem() {
  ssu_problem problem;
  problem.nheads = 128;
  problem.dim = 64;
  problem.dstate = 128;
  problem.ngroups = 8;
  problem.state_dtype = dtype::bfloat16;
  problem.x_dtype = problem.B_dtype = problem.C_dtype = problem.out_dtype = dtype::bfloat16;
  problem.tied = true;
  problem.device = {0};
  return problem;
}

TEST(triton_refusal, host_tensors) {
  ssu_problem problem = model_problem();
  problem.device = device::host();
  EXPECT_NE(triton_backend{}.supports(problem).why_not.find("host"), std::string::npos);
  EXPECT_THROW((void)triton_backend{}.plan(problem, 1, "auto"), unsupported);
}

TEST(triton_refusal, a_device_that_is_not_there) {
  ssu_problem problem = model_problem();
  problem.device = {1000};
  EXPECT_FALSE(triton_backend{}.supports(problem));
}

TEST(triton_refusal, scaled_states_by_name) {
  for (const dtype type : {dtype::int8, dtype::int16, dtype::float8_e4m3}) {
    ssu_problem problem = model_problem();
    problem.state_dtype = type;
    EXPECT_EQ(triton_backend{}.supports(problem).why_not,
              "it lacks " + std::string{ssugraph::to_string(type)} + " for state");
    EXPECT_THROW((void)triton_backend{}.plan(problem, 1, "auto"), unsupported);
  }
}

class triton_plan : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_cuda_device()) GTEST_SKIP() << "no CUDA device";
    if (const support answer = backend_.supports(model_problem()); !answer) {
      GTEST_SKIP() << answer.why_not;
    }
  }

  triton_backend backend_;
};

TEST_F(triton_plan, covers_the_problem) {
  const ssu_plan chosen = backend_.plan(model_problem(), 8, "auto");
  EXPECT_EQ(chosen.backend, "triton");
  EXPECT_EQ(chosen.grid[0], 8);
  EXPECT_EQ(chosen.grid[1], 128);
  EXPECT_GE(chosen.grid[2] * chosen.tile.rows, 64);
  EXPECT_TRUE(chosen.zeroes_null_rows);
  EXPECT_FALSE(chosen.reason.empty());
  EXPECT_EQ(backend_.plan(model_problem(), 8, chosen.algorithm).grid, chosen.grid);
}

TEST_F(triton_plan, candidates_differ_and_can_be_asked_for_by_name) {
  std::set<std::string> distinct;
  for (const ssu_plan& candidate : backend_.candidates(model_problem(), 8)) {
    EXPECT_TRUE(distinct.insert(candidate.algorithm).second) << candidate.algorithm;
    const ssu_plan other = backend_.plan(model_problem(), 64, candidate.algorithm);
    EXPECT_EQ(other.tile, candidate.tile);
  }
  EXPECT_TRUE(distinct.contains(backend_.plan(model_problem(), 8, "auto").algorithm));
}

TEST_F(triton_plan, refuses_a_tile_that_was_not_compiled) {
  try {
    (void)backend_.plan(model_problem(), 8, "3x5");
    FAIL() << "no error";
  } catch (const unsupported& error) {
    EXPECT_NE(std::string{error.what()}.find("auto"), std::string::npos);
  }
}

TEST_F(triton_plan, names_the_line_that_would_serve) {
  ssu_problem problem = model_problem();
  problem.dstate = 255;
  problem.x_dtype = problem.B_dtype = problem.C_dtype = problem.out_dtype = dtype::float16;
  problem.misalignment = "dstate is no multiple of 8";
  const support answer = backend_.supports(problem);
  if (answer) GTEST_SKIP() << "the manifest serves everything";
  EXPECT_NE(answer.why_not.find("dstate=256 step=tied tokens=one access=any"), std::string::npos)
      << answer.why_not;
}

TEST_F(triton_plan, its_image_waits_where_its_architecture_can) {
  const auto planned = backend_.resolve(model_problem(), 8, "auto");
  ASSERT_NE(planned->kernels(), nullptr);
  planned->load();
  EXPECT_EQ(planned->kernels()->launches().front().overlaps, compute_capability(device{0}) >= 90);
}

}  // namespace
}  // namespace ssugraph::detail::triton
