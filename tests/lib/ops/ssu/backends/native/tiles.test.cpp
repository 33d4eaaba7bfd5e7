#include "tests/support/compare.hpp"
#include "tests/support/execution.hpp"
#include "tests/support/float_format.hpp"
#include "tests/support/model_case.hpp"

#include <ssugraph/device.hpp>
#include <ssugraph/dispatch.hpp>
#include <ssugraph/ssu.hpp>
#include <ssugraph/ssu_plan.hpp>
#include <ssugraph/stream.hpp>

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

/** Every tile of the native backend serves, and none of them changes a bit. */
namespace ssugraph::test {
namespace {

/** The algorithms that measure their tiles, beside the one that `auto` takes for so small a case.
 */
std::vector<std::string> tiles_for(const ssu_case& test) {
  const ssu_dispatch dispatch{test.config};
  std::vector<std::string> names;
  const auto ask = [&](const ssu_case& placed, std::byte* base, stream_handle) {
    const ssu_plan plan = dispatch.plan(first_sequences(placed.args_at(base), placed.batch));
    for (const ssu_plan& each : dispatch.backend().candidates(plan.problem, plan.sequences))
      names.push_back(each.algorithm);
  };
  (void)run_on_copy(test, {"plan", place::device, [](const ssu_case& c) { return c.batch; }, ask});
  return names;
}

class native_tiles : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_cuda_device()) GTEST_SKIP() << "no CUDA device";
  }

  void expect_same_bits(ssu_case test) {
    test.config.backend = "native";
    ASSERT_TRUE(agrees_with_float64(test, native_eager())) << test.name;
    const arena expected = run_on_copy(test, native_eager());
    EXPECT_TRUE(agrees_with_float64(test, native_scalar_eager())) << test.name;
    for (const std::string& tile : tiles_for(test)) {
      EXPECT_EQ(run_on_copy(test, backend_eager("native", tile)), expected)
          << tile << " of " << test.name;
      ++tiles_;
    }
  }

  int tiles_ = 0;
};

/** Rows and dstate that fill tiles and leave rests, all dtypes, modes, and roundings. */
TEST_F(native_tiles, give_the_same_bits) {
  for (int i = 0; i < case_count(150); ++i) {
    const std::uint64_t seed = base_seed() + static_cast<std::uint64_t>(i);
    random_engine engine{seed};
    case_spec spec = random_spec(engine);
    spec.aligned = true;
    spec.dstate = 8 * pick(engine, 1, 32);
    spec.dim = i % 2 == 0 ? 16 * pick(engine, 1, 9) : pick(engine, 1, 150);
    SCOPED_TRACE("SSUGRAPH_TEST_CASES=1 SSUGRAPH_TEST_SEED=" + std::to_string(seed));
    ASSERT_NO_FATAL_FAILURE(expect_same_bits(make_case(spec, engine)));
  }
}

TEST_F(native_tiles, of_models_give_the_same_bits) {
  for (const auto& [dim, dstate] :
       {std::pair{64, 128}, {80, 128}, {64, 64}, {64, 256}, {128, 256}, {64, 16}}) {
    for (const dtype state : {dtype::float32, dtype::float16, dtype::bfloat16}) {
      case_spec spec;
      spec.nheads = 8;
      spec.ngroups = 2;
      spec.dim = dim;
      spec.dstate = dstate;
      spec.state_dtype = state;
      spec.io_dtype = dtype::bfloat16;
      spec.stochastic_rounding = state != dtype::float32;
      random_engine engine{base_seed()};
      const int before = tiles_;
      ASSERT_NO_FATAL_FAILURE(expect_same_bits(model_case(spec, engine)));
      EXPECT_EQ(tiles_ - before, dstate == 16 ? 1 : 3) << "tiles of " << dim << "x" << dstate;
    }
  }
}

/** Rows of two threads, of which each may own several. */
TEST_F(native_tiles, of_short_rows_give_the_same_bits) {
  for (const int dim : {128, 256, 640}) {
    for (const int dstate : {8, 16}) {
      for (const dtype state : {dtype::float32, dtype::float16, dtype::bfloat16}) {
        for (const bool tied : {true, false}) {
          case_spec spec;
          spec.nheads = 3;
          spec.dim = dim;
          spec.dstate = dstate;
          spec.state_dtype = state;
          spec.io_dtype = dtype::bfloat16;
          spec.tied = tied;
          spec.has_z = true;
          spec.has_dst = true;
          spec.null_sequences = true;
          spec.stochastic_rounding = state != dtype::float32;
          random_engine engine{base_seed()};
          const int before = tiles_;
          ASSERT_NO_FATAL_FAILURE(expect_same_bits(make_case(spec, engine)));
          EXPECT_EQ(tiles_ - before, 2) << "tiles of " << dim << "x" << dstate;
        }
      }
    }
  }
}

/** A spec of sequences of up to `tokens`, with all that a layer may have. */
case_spec spec_of_tokens(ssu_mode mode, std::int64_t tokens, dtype state, bool tied) {
  case_spec spec;
  spec.mode = mode;
  spec.has_cu_seqlens = true;
  spec.max_seqlen = tokens;
  spec.batch = 8;
  spec.capacity = 8;
  spec.nheads = 2;
  spec.state_dtype = state;
  spec.io_dtype = dtype::bfloat16;
  spec.tied = tied;
  spec.has_z = true;
  spec.stochastic_rounding = state == dtype::float16;
  return spec;
}

/** Of more tokens than are staged at a time. */
TEST_F(native_tiles, of_long_sequences_give_the_same_bits) {
  for (const auto& [dim, dstate] : {std::pair{64, 128}, {80, 128}, {64, 256}, {64, 16}, {33, 24}}) {
    for (const ssu_mode mode : {ssu_mode::varlen, ssu_mode::speculative}) {
      for (const dtype state : {dtype::float16, dtype::bfloat16}) {
        for (const bool tied : {true, false}) {
          case_spec spec = spec_of_tokens(mode, 20, state, tied);
          spec.dim = dim;
          spec.dstate = dstate;
          spec.has_dst = true;
          spec.null_sequences = true;
          random_engine engine{base_seed()};
          ASSERT_NO_FATAL_FAILURE(expect_same_bits(make_case(spec, engine)));
        }
      }
    }
  }
}

/** A NaN in one row of each head stays there, whatever the row's place in its thread. */
TEST_F(native_tiles, keep_a_nan_to_its_row) {
  for (const ssu_mode mode : {ssu_mode::plain, ssu_mode::varlen}) {
    for (const dtype state : {dtype::float16, dtype::bfloat16}) {
      for (const int row : {0, 5, 21, 38, 63}) {
        case_spec spec = spec_of_tokens(mode, mode == ssu_mode::plain ? 1 : 3, state, true);
        spec.has_cu_seqlens = mode == ssu_mode::varlen;
        spec.dim = 64;
        spec.dstate = row == 21 ? 120 : 128;
        spec.stochastic_rounding = true;
        random_engine engine{base_seed()};
        ssu_case test = make_case(spec, engine);
        const tensor_view x = test.args_at(test.memory.data()).x;
        for (std::int64_t token = 0; token < x.extent(0); ++token) {
          for (std::int64_t head = 0; head < spec.nheads; ++head) {
            store(address_of(x, token, head, row), spec.io_dtype,
                  std::numeric_limits<double>::quiet_NaN());
          }
        }
        ASSERT_NO_FATAL_FAILURE(expect_same_bits(std::move(test)));
      }
    }
  }
}

}  // namespace
}  // namespace ssugraph::test
