#include "lib/ops/ssu/backends/flashinfer/limits.hpp"

#include "lib/ops/ssu/backends/flashinfer/flashinfer.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

/** What FlashInfer's kernels cannot do, each with its reason. Asks no device. */
namespace ssugraph::detail::flashinfer {
namespace {

tensor_layout& layout(ssu_problem& problem, ssu_tensor tensor) {
  return problem.layouts[static_cast<std::size_t>(tensor)];
}

/** A Mamba-2 layer of 8 heads in 2 groups, all tensors as FlashInfer wants them. */
ssu_problem served_problem() {
  ssu_problem problem;
  problem.nheads = 8;
  problem.dim = 64;
  problem.dstate = 128;
  problem.ngroups = 2;
  problem.state_dtype = dtype::bfloat16;
  problem.x_dtype = problem.B_dtype = problem.C_dtype = problem.out_dtype = dtype::bfloat16;
  problem.D_dtype = dtype::float32;
  problem.dt_bias_dtype = dtype::float32;
  problem.z_dtype = dtype::bfloat16;
  problem.has_indices = true;
  problem.index_dtype = dtype::int32;
  problem.slots = 9;
  problem.tied = true;
  problem.device = {0};
  layout(problem, ssu_tensor::state) = {{65536, 8192, 128, 1}, 128};
  layout(problem, ssu_tensor::x) = {{1024, 64, 1}, 128};
  layout(problem, ssu_tensor::z) = {{512, 64, 1}, 128};
  layout(problem, ssu_tensor::out) = {{512, 64, 1}, 128};
  layout(problem, ssu_tensor::B) = {{1024, 128, 1}, 128};
  layout(problem, ssu_tensor::C) = {{1024, 128, 1}, 128};
  layout(problem, ssu_tensor::dt) = {{8, 1, 0}, 128};
  layout(problem, ssu_tensor::A) = {{1, 0, 0}, 128};
  layout(problem, ssu_tensor::D) = {{1, 0}, 128};
  layout(problem, ssu_tensor::dt_bias) = {{1, 0}, 128};
  layout(problem, ssu_tensor::state_batch_indices) = {{1}, 128};
  return problem;
}

void make_varlen(ssu_problem& problem, std::int64_t tokens) {
  problem.mode = ssu_mode::varlen;
  problem.max_seqlen = tokens;
  problem.has_cu_seqlens = true;
  problem.cu_seqlens_dtype = dtype::int32;
  layout(problem, ssu_tensor::cu_seqlens) = {{1}, 128};
}

/** Scales lie behind the state of a slot. */
void make_scaled(ssu_problem& problem) {
  problem.state_dtype = dtype::int16;
  layout(problem, ssu_tensor::state).strides[0] = 66560;
  layout(problem, ssu_tensor::state_scale) = {{33280, 64, 1}, 128};
}

void add_destinations(ssu_problem& problem) {
  problem.has_dst_indices = true;
  problem.dst_index_dtype = problem.index_dtype;
}

struct limit {
  std::string reason;  ///< a part of it
  std::function<void(ssu_problem&)> broken_by;
};

TEST(flashinfer_limits, serve_a_model) {
  EXPECT_EQ(why_not(served_problem()), "");
  for (const auto algorithm : {flashinfer_algorithm::simple, flashinfer_algorithm::vertical,
                               flashinfer_algorithm::horizontal}) {
    EXPECT_EQ(why_not(served_problem(), algorithm), "");
  }
}

TEST(flashinfer_limits, serve_a_scaled_state) {
  ssu_problem problem = served_problem();
  make_scaled(problem);
  EXPECT_EQ(why_not(problem), "");
  EXPECT_EQ(why_not(problem, flashinfer_algorithm::vertical), "");
  EXPECT_FALSE(takes_many_tokens(problem));
  EXPECT_EQ(to_string(shape_of(problem)), "64 128 int16 bfloat16 float32 float32 int32 1 0 int32");
  EXPECT_TRUE(flashinfer_backend{}.features().state.contains(dtype::int16));
}

TEST(flashinfer_limits, leave_a_scale_that_no_slot_has_to_the_kernel_that_reads_none) {
  for (const std::int64_t null : {-1, 9}) {
    ssu_problem problem = served_problem();
    problem.null_block_id = null;
    EXPECT_FALSE(takes_many_tokens(problem)) << null;
    make_scaled(problem);
    EXPECT_TRUE(takes_many_tokens(problem)) << null;
    EXPECT_EQ(why_not(problem), "");
    EXPECT_EQ(shape_of(problem).tokens, 1);
    problem.has_indices = false;
    EXPECT_FALSE(takes_many_tokens(problem)) << null;
  }
}

TEST(flashinfer_limits, of_other_scaled_states_are_dtypes) {
  for (const dtype type : {dtype::int8, dtype::float8_e4m3}) {
    ssu_problem problem = served_problem();
    make_scaled(problem);
    problem.state_dtype = type;
    EXPECT_EQ(flashinfer_backend{}.supports(problem).why_not,
              "it lacks " + std::string{ssugraph::to_string(type)} + " for state");
  }
}

TEST(flashinfer_limits, are_reasons) {
  const std::vector<limit> limits{
      {"host memory", [](ssu_problem& p) { p.device = device::host(); }},
      {"dt, D and dt_bias differ", [](ssu_problem& p) { p.D_dtype = dtype::bfloat16; }},
      {"dt, D and dt_bias differ", [](ssu_problem& p) { p.dt_bias_dtype = dtype::float16; }},
      {"dst_state_batch_indices differ",
       [](ssu_problem& p) {
         add_destinations(p);
         p.dst_index_dtype = dtype::int64;
       }},
      {"num_accepted_tokens differ",
       [](ssu_problem& p) {
         make_varlen(p, 4);
         p.accepted_dtype = dtype::int64;
       }},
      {"null_block_id is an int32",
       [](ssu_problem& p) {
         p.index_dtype = dtype::int64;
         p.null_block_id = std::int64_t{1} << 40;
       }},
      {"float16 only",
       [](ssu_problem& p) {
         p.stochastic_rounding = true;
         p.philox_rounds = 10;
       }},
      {"float16 only",
       [](ssu_problem& p) {
         make_scaled(p);
         p.stochastic_rounding = true;
         p.philox_rounds = 10;
       }},
      {"stride 1 of state_scale is 65",
       [](ssu_problem& p) {
         make_scaled(p);
         layout(p, ssu_tensor::state_scale).strides[1] = 65;
       }},
      {"stride 2 of state_scale is 8",
       [](ssu_problem& p) {
         make_scaled(p);
         layout(p, ssu_tensor::state_scale).strides = {512, 1, 8};
       }},
      {"its kernel for null_block_ids that are no slot takes dim 32 or",
       [](ssu_problem& p) {
         make_scaled(p);
         p.null_block_id = -1;
         p.dim = 80;
       }},
      {"65535 heads", [](ssu_problem& p) { p.nheads = 65536; }},
      {"dim is no multiple of 16", [](ssu_problem& p) { p.dim = 72; }},
      {"dstate is no multiple of 32", [](ssu_problem& p) { p.dstate = 16; }},
      {"dim 32 or a multiple of 64",
       [](ssu_problem& p) {
         add_destinations(p);
         p.dim = 80;
       }},
      {"128 bytes or more",
       [](ssu_problem& p) {
         make_varlen(p, 4);
         p.dstate = 32;
       }},
      {"1 to 128 tokens", [](ssu_problem& p) { make_varlen(p, 129); }},
      {"of shared memory",
       [](ssu_problem& p) {
         make_varlen(p, 128);
         p.dstate = 256;
         p.x_dtype = p.B_dtype = p.C_dtype = p.out_dtype = dtype::float32;
       }},
      {"nheads / ngroups",
       [](ssu_problem& p) {
         add_destinations(p);
         p.nheads = 6;
       }},
      {"stride 2 of state is 136",
       [](ssu_problem& p) { layout(p, ssu_tensor::state).strides[2] = 136; }},
      {"stride 1 of x is 72", [](ssu_problem& p) { layout(p, ssu_tensor::x).strides[1] = 72; }},
      {"stride 1 of dt is 64", [](ssu_problem& p) { layout(p, ssu_tensor::dt).strides[1] = 64; }},
      {"stride 1 of D is 1",
       [](ssu_problem& p) {
         layout(p, ssu_tensor::D).strides = {1, 1};
       }},
      {"stride 0 of cu_seqlens is 2",
       [](ssu_problem& p) {
         make_varlen(p, 4);
         layout(p, ssu_tensor::cu_seqlens).strides[0] = 2;
       }},
      {"B is not aligned to 16", [](ssu_problem& p) { layout(p, ssu_tensor::B).alignment = 8; }},
      {"stride 0 of x is no multiple of 16 bytes",
       [](ssu_problem& p) { layout(p, ssu_tensor::x).strides[0] = 1028; }},
  };
  for (const limit& rule : limits) {
    ssu_problem problem = served_problem();
    rule.broken_by(problem);
    EXPECT_NE(why_not(problem).find(rule.reason), std::string::npos)
        << "'" << why_not(problem) << "' lacks '" << rule.reason << "'";
  }
}

TEST(flashinfer_limits, do_not_bind_where_they_do_not_apply) {
  const std::vector<std::function<void(ssu_problem&)>> harmless{
      [](ssu_problem& p) { p.null_block_id = std::int64_t{1} << 40; },
      [](ssu_problem& p) { p.nheads = 6; },
      [](ssu_problem& p) { p.D_dtype.reset(); },
      [](ssu_problem& p) {
        layout(p, ssu_tensor::state_batch_indices).strides = {-3, 7};
      },
      [](ssu_problem& p) { layout(p, ssu_tensor::dt).strides[0] = 33; },
      [](ssu_problem& p) {
        p.nheads = 1;
        p.ngroups = 1;
        layout(p, ssu_tensor::state).strides[1] = 0;
        layout(p, ssu_tensor::A).strides[0] = 0;
      },
  };
  for (const auto& change : harmless) {
    ssu_problem problem = served_problem();
    change(problem);
    EXPECT_EQ(why_not(problem), "");
  }
}

TEST(flashinfer_limits, of_the_pipelined_kernels_are_reasons) {
  struct algorithm_limit {
    flashinfer_algorithm algorithm;
    limit rule;
  };
  using enum flashinfer_algorithm;
  const auto destinations = [](ssu_problem& p) { add_destinations(p); };
  const auto unaligned = [](ssu_problem& p) { layout(p, ssu_tensor::state).alignment = 64; };
  const std::vector<algorithm_limit> limits{
      {vertical, {"null destinations", destinations}},
      {horizontal, {"null destinations", destinations}},
      {vertical, {"plain calls only", [](ssu_problem& p) { make_varlen(p, 1); }}},
      {vertical, {"state is not aligned to 128", unaligned}},
      {horizontal, {"state is not aligned to 128", unaligned}},
      {horizontal,
       {"stride of slots",
        [](ssu_problem& p) { layout(p, ssu_tensor::state).strides[0] = -65536; }}},
      {vertical, {"beyond dim 128", [](ssu_problem& p) { p.dim = 192; }}},
      {vertical, {"64 or more", [](ssu_problem& p) { p.dim = 32; }}},
      {vertical,
       {"z is not aligned to 128",
        [](ssu_problem& p) { layout(p, ssu_tensor::z).alignment = 64; }}},
      {vertical,
       {"state_scale is not aligned to 128",
        [](ssu_problem& p) {
          make_scaled(p);
          layout(p, ssu_tensor::state_scale).alignment = 64;
        }}},
      {vertical,
       {"stride 0 of state_scale is no multiple of 16 bytes",
        [](ssu_problem& p) {
          make_scaled(p);
          layout(p, ssu_tensor::state_scale).strides[0] = 33282;
        }}},
      {vertical,
       {"reads the scale of null_block_id",
        [](ssu_problem& p) {
          make_scaled(p);
          p.null_block_id = -1;
        }}},
      {horizontal, {"a scale is of a whole row", make_scaled}},
      {horizontal, {"dim is none of", [](ssu_problem& p) { p.dim = 80; }}},
      {horizontal, {"nheads / ngroups", [](ssu_problem& p) { p.nheads = 6; }}},
  };
  for (const auto& [algorithm, rule] : limits) {
    ssu_problem problem = served_problem();
    rule.broken_by(problem);
    EXPECT_NE(why_not(problem, algorithm).find(rule.reason), std::string::npos)
        << "'" << why_not(problem, algorithm) << "' lacks '" << rule.reason << "'";
  }
}

TEST(flashinfer_limits, name_the_line_that_would_compile_a_shape) {
  ssu_problem problem = served_problem();
  EXPECT_EQ(to_string(shape_of(problem)),
            "64 128 bfloat16 bfloat16 float32 float32 int32 1 0 int32");
  problem.state_dtype = dtype::float16;
  problem.stochastic_rounding = true;
  problem.philox_rounds = 7;
  make_varlen(problem, 6);
  problem.index_dtype = dtype::int64;
  EXPECT_EQ(to_string(shape_of(problem)),
            "64 128 float16 bfloat16 float32 float32 int64 6 7 int32");
}

TEST(flashinfer_limits, are_what_supports_answers) {
  const flashinfer_backend backend;
  ssu_problem problem = served_problem();
  EXPECT_FALSE(backend.features().features.contains(ssu_feature::untied));
  problem.dim = 72;
  EXPECT_EQ(backend.supports(problem).why_not, why_not(problem));
  problem.dim = 64;
  problem.state_dtype = dtype::float32;
  problem.A_dtype = dtype::float16;
  EXPECT_NE(backend.supports(problem).why_not.find(
                "add the line '64 128 float32 bfloat16 float32 float16 int32 1 0 int32'"),
            std::string::npos);
}

TEST(flashinfer_limits, speculation_without_cu_seqlens_is_one_token) {
  ssu_problem problem = served_problem();
  problem.mode = ssu_mode::speculative;
  problem.max_seqlen = 3;
  EXPECT_EQ(shape_of(problem).tokens, 1);
  make_varlen(problem, 3);
  problem.mode = ssu_mode::speculative;
  EXPECT_EQ(shape_of(problem).tokens, 3);
}

}  // namespace
}  // namespace ssugraph::detail::flashinfer
