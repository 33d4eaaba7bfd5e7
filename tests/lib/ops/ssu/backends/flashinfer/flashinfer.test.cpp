#include "tests/support/compare.hpp"
#include "tests/support/execution.hpp"
#include "tests/support/float_format.hpp"
#include "tests/support/model_case.hpp"

#include <ssugraph/ssugraph.hpp>

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <ostream>
#include <string>
#include <vector>

/**
 * FlashInfer's kernels against the float64 evaluation. The shapes are those of shapes_ci.txt, so
 * that two dims, token counts and Philox rounds run in one program.
 */
namespace ssugraph::test {
namespace {

struct flashinfer_run {
  std::string name;
  std::string algorithm;
  case_spec spec;
  /** Destinations are the sources: by the T-token kernel, with counters of the slots written. */
  bool returns_to_sources = false;
};

std::ostream& operator<<(std::ostream& stream, const flashinfer_run& run) {
  return stream << run.name;
}

case_spec model_spec(dtype state) {
  case_spec spec;
  spec.batch = 5;
  spec.capacity = 5;
  spec.nheads = 4;
  spec.dim = 64;
  spec.dstate = 128;
  spec.ngroups = 2;
  spec.state_dtype = state;
  spec.io_dtype = dtype::bfloat16;
  return spec;
}

case_spec changed(case_spec spec, void (*change)(case_spec&)) {
  change(spec);
  return spec;
}

std::vector<flashinfer_run> exact_runs() {
  const case_spec plain = model_spec(dtype::bfloat16);
  const case_spec half = model_spec(dtype::float16);
  const case_spec gated = changed(plain, [](case_spec& s) {
    s.has_z = true;
    s.null_sequences = true;
  });
  const case_spec ungrouped = changed(plain, [](case_spec& s) {
    s.has_indices = false;
    s.has_D = false;
    s.has_dt_bias = false;
    s.dt_softplus = false;
  });
  const case_spec full = changed(plain, [](case_spec& s) { s.batch = s.capacity = 80; });
  const case_spec destinations = changed(half, [](case_spec& s) {
    s.has_dst = true;
    s.null_sequences = true;
    s.null_block_id = -1;
  });
  const case_spec varlen = changed(plain, [](case_spec& s) {
    s.mode = ssu_mode::varlen;
    s.max_seqlen = 6;
    s.has_cu_seqlens = true;
    s.null_sequences = true;
  });
  const case_spec varlen_destinations = changed(varlen, [](case_spec& s) { s.has_dst = true; });
  const case_spec speculative = changed(plain, [](case_spec& s) {
    s.mode = ssu_mode::speculative;
    s.dim = 32;
    s.max_seqlen = 2;
    s.has_cu_seqlens = true;
    s.has_z = true;
  });
  const case_spec speculative_destinations = changed(speculative, [](case_spec& s) {
    s.has_dst = true;
    s.null_sequences = true;
  });
  const case_spec one_token = changed(plain, [](case_spec& s) {
    s.mode = ssu_mode::speculative;
    s.max_seqlen = 3;
    s.null_sequences = true;
  });
  return {
      {"simple", "simple", plain},
      {"vertical", "vertical", plain},
      {"horizontal", "horizontal", plain},
      {"simple_half", "simple", half},
      {"vertical_half", "vertical", half},
      {"horizontal_half", "horizontal", half},
      {"simple_gated_nulls", "simple", gated},
      {"vertical_gated_nulls", "vertical", gated},
      {"horizontal_gated_nulls", "horizontal", gated},
      {"simple_no_indices", "simple", ungrouped},
      {"vertical_no_indices", "vertical", ungrouped},
      {"simple_full", "simple", full},
      {"auto_full", "auto", full},
      {"destinations", "auto", destinations},
      {"varlen", "auto", varlen},
      {"varlen_destinations", "auto", varlen_destinations},
      {"speculative", "auto", speculative},
      {"speculative_destinations", "auto", speculative_destinations},
      {"speculative_one_token", "auto", one_token},
  };
}

execution flashinfer_eager(const std::string& algorithm) {
  const auto run = [algorithm](const ssu_case& test, std::byte* base, stream_handle stream) {
    mamba_config config = test.config;
    config.backend = "flashinfer";
    config.algorithm = algorithm;
    ssu_dispatch{config}.selective_state_update(test.args_at(base), stream);
  };
  return {"flashinfer_" + algorithm, place::device, [](const ssu_case& test) { return test.batch; },
          run};
}

class flashinfer_backend_test : public testing::TestWithParam<flashinfer_run> {
 protected:
  void SetUp() override {
    if (!has_cuda_device()) GTEST_SKIP() << "no CUDA device";
    random_engine engine{base_seed()};
    test_ = model_case(GetParam().spec, engine);
    if (GetParam().returns_to_sources) return_to_sources();
    how_ = flashinfer_eager(GetParam().algorithm);
    mamba_config config = test_.config;
    config.backend = "flashinfer";
    config.algorithm = GetParam().algorithm;
    const placed_memory memory{place::device, test_.memory};
    try {
      plan_ = ssu_dispatch{config}.plan(test_.args_at(memory.data()));
    } catch (const unsupported& error) {
      GTEST_SKIP() << error.what();  // another list of shapes, or an older device
    }
  }

  void return_to_sources() {
    const ssu_args args = test_.args_at(test_.memory.data());
    for (std::int64_t i = 0; i < test_.batch; ++i) {
      const tensor_view& sources = args.state_batch_indices;
      const tensor_view& destinations = args.dst_state_batch_indices;
      store_index(address_of(destinations, i), destinations.dtype(),
                  load_index(address_of(sources, i), sources.dtype()));
    }
  }

  ssu_case test_;
  execution how_;
  ssu_plan plan_;
};

class flashinfer_exact : public flashinfer_backend_test {};

TEST_P(flashinfer_exact, agrees_with_float64) {
  EXPECT_TRUE(agrees_with_float64(test_, how_)) << test_.name;
}

TEST_P(flashinfer_exact, is_captured) {
  const placed_memory memory{place::device, test_.memory};
  const placed_stream stream{place::device};
  ASSERT_EQ(cudaStreamBeginCapture(stream.get(), cudaStreamCaptureModeThreadLocal), cudaSuccess);
  how_.run(test_, memory.data(), stream.get());
  cudaGraph_t graph = nullptr;
  ASSERT_EQ(cudaStreamEndCapture(stream.get(), &graph), cudaSuccess);
  EXPECT_EQ(memory.read_all(), test_.memory) << "capturing ran something";
  cudaGraphExec_t executable = nullptr;
  ASSERT_EQ(cudaGraphInstantiate(&executable, graph, 0), cudaSuccess);
  ASSERT_EQ(cudaGraphLaunch(executable, stream.get()), cudaSuccess);
  stream.wait();
  EXPECT_EQ(memory.read_all(), run_on_copy(test_, how_));
  EXPECT_EQ(cudaGraphExecDestroy(executable), cudaSuccess);
  EXPECT_EQ(cudaGraphDestroy(graph), cudaSuccess);
}

std::string name_of_run(const testing::TestParamInfo<flashinfer_run>& info) {
  return info.param.name;
}

INSTANTIATE_TEST_SUITE_P(runs, flashinfer_exact, testing::ValuesIn(exact_runs()), name_of_run);

/** How far apart the elements are that share a counter: what each algorithm reads at once. */
struct counter_run {
  std::int64_t length;
  /** Two elements share a word, its halves; else each has a word. */
  bool halves;
};

counter_run counter_run_of(const ssu_plan& plan) {
  const bool many_tokens = plan.problem.has_dst_indices;
  if (many_tokens) return {4, true};
  if (plan.algorithm == "vertical") return {2, false};
  return {std::min<std::int64_t>(4, plan.problem.dstate / 32), false};
}

/** The rounding bits of element `e` of the state, counted from slot 0: README.md. */
std::uint32_t random_bits(std::int64_t e, std::int64_t seed, int rounds, counter_run run) {
  const std::int64_t place = e % run.length;
  const auto words = oracle_philox(static_cast<std::uint64_t>(seed),
                                   static_cast<std::uint64_t>(e - place), 0, rounds);
  if (!run.halves) return words[static_cast<std::size_t>(place)] & 0x1fffu;
  const std::uint32_t word = words[static_cast<std::size_t>(place / 2)];
  return (place % 2 == 0 ? word : word >> 16) & 0x1fffu;
}

std::vector<flashinfer_run> rounded_runs() {
  const auto rounded = [](std::int64_t dim, int rounds) {
    case_spec spec = model_spec(dtype::float16);
    spec.dim = dim;
    spec.stochastic_rounding = true;
    spec.philox_rounds = rounds;
    return spec;
  };
  const case_spec in_place =
      changed(rounded(64, 10), [](case_spec& s) { s.null_sequences = true; });
  const case_spec returning = changed(rounded(64, 10), [](case_spec& s) { s.has_dst = true; });
  return {
      {"simple_64_rounds_10", "simple", rounded(64, 10)},
      {"simple_80_rounds_7", "simple", rounded(80, 7)},
      {"vertical_64_rounds_10", "vertical", rounded(64, 10)},
      {"vertical_80_rounds_7", "vertical", rounded(80, 7)},
      {"nulls", "simple", in_place},
      {"destinations", "simple", returning, true},
  };
}

class flashinfer_rounded : public flashinfer_backend_test {
 protected:
  /** Bits by FlashInfer's counters, of those elements that it does not flush. */
  void expect_flashinfer_bits(const outcome& result) const {
    expected_tensor state = result.expected.state;
    const tensor_view tensor = test_.args_at(const_cast<std::byte*>(result.before.data())).state;
    const auto* first = static_cast<const std::byte*>(tensor.data());
    std::erase_if(state.elements, [](const expected_element& element) {
      return std::abs(element.value) < std::ldexp(1.0, -13);
    });
    for (expected_element& element : state.elements) {
      element.random = random_bits((element.address - first) / size_of(state.dtype), test_.seed(),
                                   plan_.problem.philox_rounds, counter_run_of(plan_));
    }
    const tensor_error error = compare(state, result.before.data(), result.after.data());
    EXPECT_EQ(error.failures, 0) << error.first_failure;
    EXPECT_GT(state.elements.size(), std::size_t{1000});
  }
};

TEST_P(flashinfer_rounded, rounds_by_the_documented_bits) {
  const outcome result = run_and_evaluate(test_, how_);
  expect_flashinfer_bits(result);
  const tensor_error out = compare(result.expected.out, result.before.data(), result.after.data());
  EXPECT_EQ(out.failures, 0) << out.first_failure;
  EXPECT_TRUE(untouched(result.expected, {result.before.data(), result.before.size()},
                        {result.after.data(), result.after.size()}));
}

TEST_P(flashinfer_rounded, takes_a_drawn_seed_where_none_is_bound) {
  const auto run = [this](std::uint64_t seed) {
    const placed_memory memory{place::device, test_.memory};
    const placed_stream stream{place::device};
    mamba_config config = test_.config;
    config.backend = "flashinfer";
    config.algorithm = GetParam().algorithm;
    ssu_args args = test_.args_at(memory.data());
    args.rand_seed = {};
    ssu_dispatch{config, seed}.selective_state_update(args, stream.get());
    stream.wait();
    return memory.read_all();
  };
  EXPECT_EQ(run(1), run(1));
  EXPECT_NE(run(1), run(2));
}

TEST_P(flashinfer_rounded, flushes_what_would_be_subnormal_and_says_so) {
  const ssu_args args = test_.args_at(test_.memory.data());
  const auto fill = [](const tensor_view& tensor, double value) {
    auto* element = static_cast<std::byte*>(tensor.data());
    for (std::int64_t i = 0; i < tensor.size(); ++i)
      store(element + i * size_of(tensor.dtype()), tensor.dtype(), value);
  };
  fill(args.state, std::ldexp(1.0, -16));
  for (std::int64_t row = 0; row < args.x.extent(0); ++row) {
    for (std::int64_t head = 0; head < args.x.extent(1); ++head) {
      for (std::int64_t d = 0; d < args.x.extent(2); ++d)
        store(address_of(args.x, row, head, d), args.x.dtype(), 0);
    }
  }
  const outcome result = run_and_evaluate(test_, how_);
  for (const expected_element& element : result.expected.state.elements) {
    const auto offset = element.address - result.before.data();
    ASSERT_EQ(load(result.after.data() + offset, dtype::float16), 0.0);
  }
  EXPECT_TRUE(std::ranges::any_of(plan_.notes, [](const std::string& note) {
    return note.find("2^-14") != std::string::npos;
  }));
}

INSTANTIATE_TEST_SUITE_P(runs, flashinfer_rounded, testing::ValuesIn(rounded_runs()), name_of_run);

}  // namespace
}  // namespace ssugraph::test
