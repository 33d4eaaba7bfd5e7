#include "tests/support/ssu_case.hpp"

#include <ssugraph/ssugraph.hpp>

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>

namespace ssugraph::test {
namespace {

ssu_problem problem_of(const ssu_case& test) {
  mamba_config config = test.config;
  config.backend = "reference";
  arena memory = test.memory;
  const ssu_args args = first_sequences(test.args_at(memory.data()), test.batch);
  return ssu_dispatch{config}.plan(args).problem;
}

TEST(ssu_problem, carries_shapes_dtypes_and_mode) {
  case_spec spec;
  spec.mode = ssu_mode::varlen;
  spec.has_cu_seqlens = true;
  spec.max_seqlen = 3;
  spec.ngroups = 2;
  spec.state_dtype = dtype::bfloat16;
  spec.io_dtype = dtype::float16;
  spec.has_D = false;
  spec.stochastic_rounding = true;
  random_engine engine{base_seed()};
  const ssu_problem problem = problem_of(make_case(spec, engine));
  EXPECT_EQ(problem.mode, ssu_mode::varlen);
  EXPECT_EQ(problem.nheads, 4);
  EXPECT_EQ(problem.dim, 16);
  EXPECT_EQ(problem.dstate, 16);
  EXPECT_EQ(problem.ngroups, 2);
  EXPECT_EQ(problem.max_seqlen, 3);
  EXPECT_EQ(problem.state_dtype, dtype::bfloat16);
  EXPECT_EQ(problem.x_dtype, dtype::float16);
  EXPECT_EQ(problem.D_dtype, std::nullopt);
  EXPECT_EQ(problem.dt_bias_dtype, dtype::float32);
  EXPECT_FALSE(problem.z_dtype);
  EXPECT_TRUE(problem.has_indices);
  EXPECT_TRUE(problem.has_cu_seqlens);
  EXPECT_TRUE(problem.stochastic_rounding);
  EXPECT_EQ(problem.philox_rounds, 10);
  EXPECT_TRUE(problem.device.is_host());
  EXPECT_TRUE(problem.tied);
  EXPECT_EQ(problem.misalignment, "");
}

TEST(ssu_problem, is_tied_by_strides_and_extents_alone) {
  random_engine engine{base_seed()};
  for (int i = 0; i < 300; ++i) {
    const case_spec spec = random_spec(engine);
    const ssu_case test = make_case(spec, engine);
    const bool scalar = spec.dim == 1 && spec.dstate == 1;
    ASSERT_EQ(problem_of(test).tied, spec.tied || scalar) << test.name;
  }
}

TEST(ssu_problem, tied_minds_A_dt_and_dt_bias_but_not_D) {
  case_spec spec;
  random_engine engine{base_seed()};
  const ssu_case tied = make_case(spec, engine);
  spec.tied = false;
  const ssu_case untied = make_case(spec, engine);
  const auto apart = [](const tensor_view& tensor) {
    return tensor.at(static_cast<const std::byte*>(tensor.data()) + (1 << 20));
  };
  for (auto member : {&ssu_args::A, &ssu_args::dt, &ssu_args::dt_bias}) {
    ssu_case mixed = tied;
    mixed.layout.*member = apart(untied.layout.*member);
    EXPECT_FALSE(problem_of(mixed).tied);
  }
  ssu_case mixed = tied;
  mixed.layout.D = apart(untied.layout.D);
  EXPECT_TRUE(problem_of(mixed).tied);
}

TEST(ssu_problem, random_cases_cover_both_kinds_of_alignment) {
  random_engine engine{base_seed()};
  int aligned = 0;
  int misaligned = 0;
  for (int i = 0; i < 300; ++i) {
    const case_spec spec = random_spec(engine);
    const std::string reason = problem_of(make_case(spec, engine)).misalignment;
    if (spec.aligned && !spec.dim_innermost) {
      ASSERT_EQ(reason, "") << to_string(spec);
    }
    (reason.empty() ? aligned : misaligned)++;
  }
  EXPECT_GT(aligned, 60);
  EXPECT_GT(misaligned, 60);
}

TEST(ssu_problem, names_the_first_tensor_that_is_not_aligned) {
  case_spec spec;
  spec.tied = false;
  spec.state_dtype = dtype::bfloat16;
  random_engine engine{base_seed()};
  const ssu_case test = make_case(spec, engine);
  EXPECT_EQ(problem_of(test).misalignment, "");
  // Behind everything else, wherever strides lead, one element past an aligned address.
  constexpr std::size_t room = 1 << 19;
  auto* const behind = reinterpret_cast<std::byte*>((test.memory.size() / room + 1) * room);
  arena memory{test.memory.size() + 2 * room};
  for (const auto& [name, member] : ssu_tensors) {
    const std::string field = name;
    if (field != "state" && field != "A" && field != "B" && field != "C") continue;
    ssu_case shifted = test;
    tensor_view& tensor = shifted.layout.*member;
    tensor = tensor.at(behind + size_of(tensor.dtype()));
    const ssu_dispatch dispatch{{.backend = "reference"}};
    const ssu_plan plan = dispatch.plan(shifted.args_at(memory.data()));
    EXPECT_NE(plan.problem.misalignment.find(name), std::string::npos) << plan.problem.misalignment;
  }
}

TEST(ssu_problem, holds_neither_address_nor_batch) {
  case_spec spec;
  random_engine engine{base_seed()};
  const ssu_case test = make_case(spec, engine);
  ssu_case shorter = test;
  shorter.batch = 1;
  EXPECT_EQ(problem_of(test), problem_of(shorter));
  EXPECT_EQ(problem_of(test), problem_of(ssu_case{test}));
}

TEST(ssu_problem, prints) {
  case_spec spec;
  random_engine engine{base_seed()};
  const ssu_problem problem = problem_of(make_case(spec, engine));
  const std::string text = to_string(problem);
  EXPECT_NE(text.find("plain"), std::string::npos) << text;
  EXPECT_NE(text.find("4x16x16"), std::string::npos) << text;
  EXPECT_EQ(to_string(ssu_mode::plain), "plain");
  EXPECT_EQ(to_string(ssu_mode::varlen), "varlen");
  EXPECT_EQ(to_string(ssu_mode::speculative), "speculative");
}

TEST(state_bytes, of_a_dense_state) {
  ssu_problem problem;
  problem.nheads = 128;
  problem.dim = 64;
  problem.dstate = 128;
  problem.state_dtype = dtype::bfloat16;
  EXPECT_EQ(state_bytes(problem, 0), 0u);
  EXPECT_EQ(state_bytes(problem, 1), 2u << 20);
  EXPECT_EQ(state_bytes(problem, 4096), std::size_t{8} << 30);
  problem.state_dtype = dtype::float32;
  EXPECT_EQ(state_bytes(problem, 3), 12u << 20);
}

TEST(state_bytes, refuses_negative_and_too_many_slots) {
  ssu_problem problem;
  problem.nheads = 128;
  problem.dim = 64;
  problem.dstate = 128;
  EXPECT_THROW((void)state_bytes(problem, -1), invalid_argument);
  EXPECT_THROW((void)state_bytes(problem, std::numeric_limits<std::int64_t>::max()),
               invalid_argument);
}

}  // namespace
}  // namespace ssugraph::test
