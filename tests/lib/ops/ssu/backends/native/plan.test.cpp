#include "lib/ops/ssu/backends/native/native.hpp"
#include "lib/ops/ssu/problem/problem.hpp"
#include "tests/support/ssu_case.hpp"

#include <ssugraph/ssugraph.hpp>

#include <gtest/gtest.h>

#include <cstddef>
#include <string>

/** What the native backend decides. Plans are made without a GPU. */
namespace ssugraph::test {
namespace {

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

class native_plan : public testing::Test {
 protected:
  [[nodiscard]] ssu_plan plan(const ssu_problem& problem, const std::string& algorithm) const {
    return dispatch_.backend().plan(problem, 8, algorithm);
  }

  ssu_dispatch dispatch_{{.backend = "native"}};
};

TEST_F(native_plan, takes_16_byte_accesses_where_it_can) {
  const ssu_plan chosen = plan(model_problem(), "auto");
  EXPECT_EQ(chosen.backend, "native");
  EXPECT_EQ(chosen.algorithm, "8x128");
  EXPECT_EQ(chosen.tile.rows, 64);
  EXPECT_EQ(chosen.tile.lanes, 16);
  EXPECT_EQ(chosen.sequences, 8);
  EXPECT_EQ(chosen.grid[0], 8);
  EXPECT_EQ(chosen.grid[1], 128);
  EXPECT_TRUE(chosen.zeroes_null_rows);
  EXPECT_EQ(chosen, plan(model_problem(), "vector"));
}

TEST_F(native_plan, falls_back_to_scalar_accesses_and_says_why) {
  ssu_problem problem = model_problem();
  problem.misalignment = "B is not 16-byte aligned";
  const ssu_plan chosen = plan(problem, "auto");
  EXPECT_EQ(chosen.algorithm, "scalar");
  EXPECT_EQ(chosen.reason, problem.misalignment);
  EXPECT_NE(to_string(chosen).find(problem.misalignment), std::string::npos);
}

TEST_F(native_plan, holds_fewer_rows_where_few_blocks_would_have_more_to_do) {
  ssu_problem problem = model_problem();
  EXPECT_EQ(dispatch_.backend().plan(problem, 2, "auto").algorithm, "4x128");
  EXPECT_EQ(dispatch_.backend().plan(problem, 3, "auto").algorithm, "8x128");
  problem.has_cu_seqlens = true;
  problem.max_seqlen = 4;
  EXPECT_EQ(dispatch_.backend().plan(problem, 1, "auto").algorithm, "4x128");
  EXPECT_EQ(dispatch_.backend().plan(problem, 2, "auto").algorithm, "8x128");
}

TEST_F(native_plan, leaves_a_rest_of_dim_to_tiles_that_may_have_one) {
  ssu_problem problem = model_problem();
  problem.dim = 50;
  const ssu_plan chosen = plan(problem, "auto");
  EXPECT_EQ(chosen.algorithm[0], '2') << chosen.algorithm;
  EXPECT_EQ(dispatch_.backend().candidates(problem, 8).size(), 1u);
  EXPECT_THROW((void)plan(problem, "8x128"), unsupported);
}

TEST_F(native_plan, cuts_dim_without_a_rest_where_it_can) {
  ssu_problem problem = model_problem();
  problem.dim = 80;
  EXPECT_EQ(plan(problem, "auto").tile.rows, 80);
  problem.dim = 64;
  problem.dstate = 64;
  EXPECT_EQ(plan(problem, "auto").tile.rows, 64);
}

TEST_F(native_plan, finds_a_tile_for_every_problem) {
  for (const bool tied : {true, false}) {
    for (const dtype io : {dtype::float32, dtype::float16}) {
      for (std::int64_t dstate = 8; dstate <= 256; dstate += 8) {
        for (std::int64_t dim = 1; dim <= 130; ++dim) {
          ssu_problem problem = model_problem();
          problem.tied = tied;
          problem.x_dtype = problem.B_dtype = problem.C_dtype = problem.out_dtype = io;
          problem.dstate = dstate;
          problem.dim = dim;
          const ssu_plan chosen = plan(problem, "auto");
          EXPECT_GE(chosen.grid[2] * chosen.tile.rows, dim);
          EXPECT_LT((chosen.grid[2] - 1) * chosen.tile.rows, dim);
        }
      }
    }
  }
}

TEST_F(native_plan, takes_a_tile_by_name_for_any_batch) {
  for (const ssu_plan& candidate : dispatch_.backend().candidates(model_problem(), 8)) {
    EXPECT_EQ(plan(model_problem(), candidate.algorithm).tile, candidate.tile);
    EXPECT_EQ(dispatch_.backend().plan(model_problem(), 1, candidate.algorithm).tile,
              candidate.tile);
  }
  EXPECT_EQ(dispatch_.backend().candidates(model_problem(), 8).size(), 3u);
}

TEST_F(native_plan, takes_scalar_accesses_for_strides_beyond_32_bits) {
  ssu_problem problem = model_problem();
  problem.layouts[static_cast<std::size_t>(ssu_tensor::x)].strides[0] = std::int64_t{1} << 30;
  EXPECT_EQ(plan(problem, "auto").algorithm, "scalar");
  EXPECT_NE(plan(problem, "auto").reason.find("stride 0 of x"), std::string::npos);
  problem = model_problem();
  problem.layouts[static_cast<std::size_t>(ssu_tensor::state)].strides[0] = std::int64_t{1} << 40;
  EXPECT_EQ(plan(problem, "auto").algorithm, "8x128");
}

TEST_F(native_plan, scalar_serves_aligned_tensors_too) {
  EXPECT_EQ(plan(model_problem(), "scalar").algorithm, "scalar");
}

TEST_F(native_plan, refuses_what_it_cannot_do_with_the_reason) {
  ssu_problem problem = model_problem();
  problem.misalignment = "B is not 16-byte aligned";
  try {
    (void)plan(problem, "vector");
    FAIL() << "no error";
  } catch (const unsupported& error) {
    ASSERT_EQ(error.refusals().size(), 1u);
    EXPECT_EQ(error.refusals().front().backend, "native");
    EXPECT_NE(error.refusals().front().reason.find(problem.misalignment), std::string::npos);
  }
  EXPECT_THROW((void)plan(model_problem(), "serial"), unsupported);
}

TEST_F(native_plan, says_itself_what_its_kernel_can_take) {
  const detail::native::native_backend backend;
  ssu_problem misaligned = model_problem();
  misaligned.misalignment = "B is not 16-byte aligned";
  for (const char* algorithm : {"auto", "2x128"}) {
    const auto planned = backend.resolve(model_problem(), 8, algorithm);
    EXPECT_EQ(planned->why_not(model_problem()), "");
    EXPECT_EQ(planned->why_not(misaligned), misaligned.misalignment);
  }
  for (const ssu_problem& problem : {model_problem(), misaligned}) {
    const auto planned = backend.resolve(problem, 8, "scalar");
    EXPECT_EQ(planned->why_not(model_problem()), "");
    EXPECT_EQ(planned->why_not(misaligned), "");
  }
}

/** Who holds a plan alone may have made it for other tensors. */
TEST_F(native_plan, is_not_launched_on_what_it_cannot_take) {
  random_engine engine{base_seed()};
  ssu_case test = make_case({}, engine);
  ssu_args args = test.args_at(test.memory.data());
  ssu_problem problem = detail::problem_of(args, {}, device::host());
  problem.device = {0};
  const ssu_plan plan = dispatch_.backend().plan(problem, test.capacity, "vector");
  args.C = args.C.at(static_cast<const std::byte*>(args.C.data()) + 4);
  try {
    dispatch_.backend().enqueue(plan, args, 0, nullptr);
    FAIL() << "no error";
  } catch (const invalid_argument& error) {
    EXPECT_EQ(error.argument(), "args");
    EXPECT_NE(error.expected().find("of native"), std::string::npos) << error.expected();
    EXPECT_EQ(error.came(), "C is not 16-byte aligned");
  }
}

TEST_F(native_plan, tiles_cover_every_row_of_dim) {
  for (const std::int64_t dim : {1, 16, 64, 80, 127, 8192}) {
    for (const std::int64_t dstate : {8, 16, 64, 96, 128, 256}) {
      ssu_problem problem = model_problem();
      problem.dim = dim;
      problem.dstate = dstate;
      for (const char* algorithm : {"vector", "scalar"}) {
        const ssu_plan chosen = plan(problem, algorithm);
        EXPECT_GE(chosen.grid[2] * chosen.tile.rows, dim) << to_string(chosen);
        EXPECT_LT((chosen.grid[2] - 1) * chosen.tile.rows, dim) << to_string(chosen);
        EXPECT_GE(chosen.tile.lanes * 8, dstate) << to_string(chosen);
      }
    }
  }
}

TEST_F(native_plan, serves_device_memory_only) {
  ssu_problem problem = model_problem();
  EXPECT_TRUE(dispatch_.backend().supports(problem));
  problem.device = device::host();
  EXPECT_FALSE(dispatch_.backend().supports(problem));
  EXPECT_FALSE(dispatch_.backend().supports(problem).why_not.empty());
}

}  // namespace
}  // namespace ssugraph::test
