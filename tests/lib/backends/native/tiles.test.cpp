#include "tests/support/compare.hpp"
#include "tests/support/execution.hpp"
#include "tests/support/model_case.hpp"

#include <ssugraph/ssu.hpp>

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace ssugraph::test
