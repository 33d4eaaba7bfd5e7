#include "tests/support/device.hpp"
#include "tests/support/execution.hpp"

#include <ssugraph/ssugraph.hpp>

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

/** Prepared calls do at other addresses and for fewer sequences what eager calls do. */
namespace ssugraph::test {
namespace {

/** The argument that a launch refuses; empty: none. */
std::string refused(const ssu_call& call, const ssu_addresses& addresses, std::int64_t batch = 1) {
  const bool on_host = call.plan().problem.device.is_host();
  const placed_stream stream{on_host ? place::host : place::device};
  try {
    call.launch(addresses, batch, stream.get());
  } catch (const invalid_argument& error) {
    return error.argument();
  }
  stream.wait();
  return {};
}

class prepared_calls : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (on_gpu() && !has_cuda_device()) GTEST_SKIP() << "no CUDA device";
    try {
      ssu_dispatch{{.backend = GetParam()}};
    } catch (const unsupported& error) {
      GTEST_SKIP() << error.what();
    }
  }

  [[nodiscard]] static bool on_gpu() { return GetParam() != "reference"; }
  [[nodiscard]] static place where() { return on_gpu() ? place::device : place::host; }

  /** Where the tensors of `args` lie. */
  static ssu_addresses at(const ssu_args& args) {
    return {.state = args.state.data(),
            .x = args.x.data(),
            .dt = args.dt.data(),
            .A = args.A.data(),
            .B = args.B.data(),
            .C = args.C.data(),
            .D = args.D.data(),
            .z = args.z.data(),
            .dt_bias = args.dt_bias.data(),
            .out = args.out.data(),
            .state_batch_indices = args.state_batch_indices.data(),
            .dst_state_batch_indices = args.dst_state_batch_indices.data(),
            .num_accepted_tokens = args.num_accepted_tokens.data(),
            .cu_seqlens = args.cu_seqlens.data(),
            .rand_seed = args.rand_seed.data(),
            .dst_state = args.dst_state.data(),
            .state_scale = args.state_scale.data(),
            .dst_state_scale = args.dst_state_scale.data()};
  }
};

TEST_P(prepared_calls, do_what_eager_calls_do) {
  random_engine engine{base_seed()};
  const placed_stream stream{where()};
  int served = 0;
  for (int i = 0; i < case_count(80); ++i) {
    const case_spec spec = random_spec(engine);
    SCOPED_TRACE(to_string(spec));
    const ssu_case test = make_case(spec, engine);
    mamba_config config = test.config;
    config.backend = GetParam();
    const placed_memory prepared{where(), test.memory};
    const ssu_args args = first_sequences(test.args_at(prepared.data()), test.batch);
    std::unique_ptr<ssu_call> call;
    try {
      call = std::make_unique<ssu_call>(ssu_dispatch{config}.prepare(args));
    } catch (const unsupported&) {
      continue;
    }
    ++served;
    EXPECT_EQ(call->max_batch(), test.batch);
    EXPECT_EQ(call->addresses(), at(args));
    EXPECT_EQ(prepared.read_all(), test.memory) << "something ran";
    config.algorithm = call->plan().algorithm;
    for (std::int64_t batch = 0; batch <= test.batch; ++batch) {
      const placed_memory by_eager{where(), test.memory};
      const placed_memory by_call{where(), test.memory};
      try {
        ssu_dispatch{config}.selective_state_update(
            first_sequences(test.args_at(by_eager.data()), batch), stream.get());
      } catch (const unsupported&) {
        continue;  // of that algorithm for so few
      }
      call->launch(at(test.args_at(by_call.data())), batch, stream.get());
      stream.wait();
      EXPECT_EQ(by_call.read_all(), by_eager.read_all()) << batch;
    }
  }
  std::printf("%d cases served\n", served);
}

TEST_P(prepared_calls, draw_from_their_dispatch_as_eager_calls_do) {
  case_spec spec;
  spec.dim = 64;
  spec.dstate = 128;
  spec.state_dtype = spec.io_dtype = dtype::bfloat16;
  spec.stochastic_rounding = true;
  random_engine engine{base_seed()};
  const ssu_case test = make_case(spec, engine);
  const mamba_config config{.backend = GetParam(), .stochastic_rounding = true};
  const placed_memory by_eager{where(), test.memory};
  const placed_memory by_call{where(), test.memory};
  const placed_stream stream{where()};
  const auto args_on = [&](const placed_memory& memory) {
    ssu_args args = test.args_at(memory.data());
    args.rand_seed = {};
    return args;
  };
  ssu_dispatch eager{config, 7};
  ssu_dispatch dispatch{config, 7};
  std::unique_ptr<ssu_call> call;
  try {
    call = std::make_unique<ssu_call>(dispatch.prepare(args_on(by_call)));
  } catch (const unsupported& error) {
    GTEST_SKIP() << error.what();
  }
  for (int i = 0; i < 3; ++i) {
    eager.selective_state_update(args_on(by_eager), stream.get());
    call->launch(call->addresses(), test.batch, stream.get());
  }
  stream.wait();
  EXPECT_EQ(by_call.read_all(), by_eager.read_all());
  EXPECT_EQ(dispatch.random_state(), (random_state{7, 3}));
}

TEST_P(prepared_calls, refuse_what_was_not_prepared) {
  case_spec spec;
  spec.dim = 64;
  spec.dstate = 128;
  spec.state_dtype = spec.io_dtype = dtype::bfloat16;
  random_engine engine{base_seed()};
  const ssu_case test = make_case(spec, engine);
  const placed_memory memory{where(), test.memory};
  ssu_args args = test.args_at(memory.data());
  args.rand_seed = {};
  std::unique_ptr<ssu_call> call;
  try {
    call = std::make_unique<ssu_call>(ssu_dispatch{{.backend = GetParam()}}.prepare(args));
  } catch (const unsupported& error) {
    GTEST_SKIP() << error.what();
  }
  const ssu_addresses right = call->addresses();
  EXPECT_EQ(refused(*call, right, -1), "batch");
  EXPECT_EQ(refused(*call, right, test.batch + 1), "batch");
  ssu_addresses wrong = right;
  wrong.x = nullptr;
  EXPECT_EQ(refused(*call, wrong), "x");
  wrong = right;
  wrong.z = right.x;
  EXPECT_EQ(refused(*call, wrong), "z");
  wrong = right;
  wrong.rand_seed = right.dt;
  EXPECT_EQ(refused(*call, wrong), "rand_seed");
  wrong = right;
  wrong.B = static_cast<const std::byte*>(right.B) + 1;
  EXPECT_EQ(refused(*call, wrong), "B");
  EXPECT_EQ(memory.read_all(), test.memory);
  EXPECT_EQ(refused(*call, right), "");
}

TEST_P(prepared_calls, take_each_alignment_that_their_kernel_can) {
  if (GetParam() == "flashinfer") GTEST_SKIP() << "whose layouts are its own";
  case_spec spec;
  spec.dim = 64;
  spec.dstate = 128;
  spec.state_dtype = spec.io_dtype = dtype::bfloat16;
  random_engine engine{base_seed()};
  const ssu_case test = make_case(spec, engine);
  const placed_stream stream{where()};
  for (const std::string algorithm : {"auto", "scalar"}) {
    if (algorithm == "scalar" && GetParam() != "native") continue;
    for (const std::size_t bytes : {0, 16, 48, 2}) {
      SCOPED_TRACE(algorithm + " at " + std::to_string(bytes));
      const ssu_case moved = shifted(test, bytes);
      const placed_memory home{where(), test.memory};
      const placed_memory memory{where(), moved.memory};
      const ssu_call call = ssu_dispatch{{.backend = GetParam(), .algorithm = algorithm}}.prepare(
          test.args_at(home.data()));
      // fp32 tensors stay where they are.
      ssu_addresses addresses = call.addresses();
      const ssu_addresses there = at(moved.args_at(memory.data()));
      addresses.state = there.state;
      addresses.x = there.x;
      addresses.B = there.B;
      addresses.C = there.C;
      const bool takes = bytes % 16 == 0 || algorithm == "scalar" || GetParam() == "reference";
      EXPECT_EQ(refused(call, addresses, test.batch), takes ? "" : "addresses");
    }
  }
}

/** As of 0.1: `out` has memory of its own. */
class apart_backend : public mamba_ssu_backend {
 public:
  std::string name() const override { return "apart"; }
  support supports(const ssu_problem&) const override { return {}; }
  ssu_plan plan(const ssu_problem& problem, std::int64_t, const std::string&) const override {
    ssu_plan plan;
    plan.algorithm = "none";
    plan.problem = problem;
    return plan;
  }
  void enqueue(const ssu_plan&, const ssu_args& args, std::int64_t, stream_handle) const override {
    rows = args.x.extent(0);
  }
  static inline std::int64_t rows = -1;

  static void register_once() {
    static const bool registered = [] {
      register_mamba_ssu_backend(std::make_shared<apart_backend>());
      return true;
    }();
    static_cast<void>(registered);
  }
};

TEST(prepared_call, is_asked_again_where_out_comes_onto_x) {
  apart_backend::register_once();
  case_spec spec;
  spec.out = out_place::on_x;
  random_engine engine{base_seed()};
  ssu_case test = make_case(spec, engine);
  arena elsewhere = test.memory;
  ssu_args args = first_sequences(test.args_at(test.memory.data()), test.batch);
  args.out = args.out.at(test.args_at(elsewhere.data()).out.data());
  for (const auto& [backend, argument] : {std::pair{"apart", "addresses"}, {"reference", ""}}) {
    const ssu_call call = ssu_dispatch{{.backend = backend}}.prepare(args);
    ssu_addresses at = call.addresses();
    at.out = at.x;
    EXPECT_EQ(refused(call, at, test.batch), argument) << backend;
  }
}

/** Whatever it writes into its plans. */
TEST(prepared_call, gives_a_users_backend_the_batch_that_was_meant) {
  apart_backend::register_once();
  random_engine engine{base_seed()};
  ssu_case test = make_case({}, engine);
  const ssu_args args = first_sequences(test.args_at(test.memory.data()), test.batch);
  const ssu_call call = ssu_dispatch{{.backend = "apart"}}.prepare(args);
  for (const std::int64_t batch : {test.batch, std::int64_t{1}}) {
    call.launch(call.addresses(), batch, nullptr);
    EXPECT_EQ(apart_backend::rows, batch);
  }
}

TEST(prepared_call, of_a_checked_dispatch_is_checked) {
  random_engine engine{base_seed()};
  ssu_case test = make_case({}, engine);
  const ssu_args args = test.args_at(test.memory.data());
  const ssu_call call = ssu_dispatch{{.backend = "reference"}, 0, {.checked = true}}.prepare(args);
  const std::vector<std::int32_t> twice(static_cast<std::size_t>(2 * test.batch), 1);
  ssu_addresses addresses = call.addresses();
  addresses.state_batch_indices = twice.data();
  try {
    call.launch(addresses, test.batch, nullptr);
    FAIL() << "launched";
  } catch (const invalid_argument& error) {
    EXPECT_EQ(error.argument(), "state_batch_indices[1]");
  }
}

/** Counts the plans that it made. */
class planning final : public mamba_ssu_backend {
 public:
  [[nodiscard]] std::string name() const override { return "planning"; }
  [[nodiscard]] support supports(const ssu_problem&) const override { return {}; }
  [[nodiscard]] ssu_plan plan(const ssu_problem& problem, std::int64_t sequences,
                              const std::string&) const override {
    ssu_plan plan;
    plan.algorithm = "only";
    plan.sequences = sequences;
    plan.problem = problem;
    return plan;
  }
  void enqueue(const ssu_plan& plan, const ssu_args& args, std::int64_t,
               stream_handle) const override {
    launched = plan.sequences;
    rows = args.x.extent(0);
    indices = args.state_batch_indices.extent(0);
  }

  mutable std::int64_t launched = 0;
  mutable std::int64_t rows = 0;
  mutable std::int64_t indices = 0;
};

TEST(prepared_call, is_planned_again_for_fewer_by_a_users_backend) {
  const auto backend = std::make_shared<planning>();
  register_mamba_ssu_backend(backend);
  random_engine engine{base_seed()};
  ssu_case test = make_case({}, engine);
  const ssu_call call =
      ssu_dispatch{{.backend = "planning"}}.prepare(test.args_at(test.memory.data()));
  for (std::int64_t batch = test.batch; batch > 0; --batch) {
    call.launch(call.addresses(), batch, nullptr);
    EXPECT_EQ(backend->launched, batch);
    EXPECT_EQ(backend->rows, batch);
    EXPECT_EQ(backend->indices, batch);
  }
}

INSTANTIATE_TEST_SUITE_P(, prepared_calls,
                         testing::Values("reference", "native", "triton", "flashinfer"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace ssugraph::test
