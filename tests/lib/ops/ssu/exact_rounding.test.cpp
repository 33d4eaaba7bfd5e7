#include "tests/support/execution.hpp"
#include "tests/support/float_format.hpp"
#include "tests/support/ssu_oracle.hpp"
#include "tests/support/ssu_suite.hpp"

#include <ssugraph/error.hpp>
#include <ssugraph/ssu.hpp>

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>

namespace ssugraph::test {
namespace {

constexpr std::int64_t batch = 16;
constexpr std::int64_t heads = 16;
constexpr std::int64_t dim = 16;
constexpr std::int64_t dstate = 256;
static_assert(batch * heads * dim * dstate >= 1 << 20);

/** A call whose state becomes `value(sequence, head, n)` in every row of dim, before rounding. */
ssu_case case_of(dtype state,
                 const std::function<float(std::int64_t, std::int64_t, std::int64_t)>& value) {
  arena_layout layout;
  ssu_case test;
  test.batch = batch;
  test.capacity = batch;
  test.live_rows = batch;
  test.config.stochastic_rounding = true;
  test.random = {base_seed(), 17};
  ssu_args& args = test.layout;
  args.state = layout.add(state, {batch, heads, dim, dstate});
  args.x = layout.add(dtype::float32, {batch, heads, dim}, {0, 0, 0});
  args.dt = layout.add(dtype::float32, {batch, heads, dim}, {0, 0, 0});
  args.A = layout.add(dtype::float32, {heads, dim, dstate}, {0, 0, 0});
  args.B = layout.add(dtype::float32, {batch, heads, dstate});
  args.C = layout.add(dtype::float32, {batch, heads, dstate});
  args.out = layout.add(dtype::float32, {batch, heads, dim});
  args.rand_seed = layout.add(dtype::int64, {1});
  test.memory = arena{layout.bytes()};
  const ssu_args here = test.args_at(test.memory.data());
  std::fill_n(static_cast<std::byte*>(here.state.data()), 2 * here.state.size(), std::byte{0});
  store(here.x.data(), dtype::float32, 1);
  store(here.dt.data(), dtype::float32, 1);
  store(here.A.data(), dtype::float32, 0);
  store_index(here.rand_seed.data(), dtype::int64, test.seed());
  for (std::int64_t i = 0; i < batch; ++i) {
    for (std::int64_t head = 0; head < heads; ++head) {
      for (std::int64_t n = 0; n < dstate; ++n) {
        const float v = value(i, head, n);
        std::memcpy(address_of(here.B, i, head, n), &v, sizeof v);
        store(address_of(here.C, i, head, n), dtype::float32, 0);
      }
    }
  }
  return test;
}

/** Calls `visit(value before rounding, random bits, stored value)` for every element. */
void for_each_result(const ssu_case& test, const arena& after,
                     const std::function<void(double, std::uint32_t, double)>& visit) {
  arena memory = test.memory;
  const ssu_args args = test.args_at(memory.data());
  const expected_result expected = ssu_oracle(args, test.config, test.seed());
  for (const expected_element& element : expected.state.elements) {
    const auto offset = element.address - memory.data();
    visit(element.value, element.random, load(after.data() + offset, expected.state.dtype));
  }
}

void expect_exact(const ssu_case& test, const execution& how) {
  const float_format& format = format_of(test.layout.state.dtype());
  std::int64_t wrong = 0;
  for_each_result(
      test, run_on_copy(test, how), [&](double value, std::uint32_t random, double got) {
        const double expected = format.round_stochastically(value, random);
        const bool same = std::isnan(expected) ? std::isnan(got) : got == expected;
        if (!same && wrong++ == 0) {
          ADD_FAILURE() << value << " by " << random << ": " << expected << ", got " << got;
        }
      });
  EXPECT_EQ(wrong, 0);
}

}  // namespace

void exact_rounding::SetUp() {
  ssu_suite::SetUp();
  if (IsSkipped() || !GetParam().may_refuse) return;
  try {
    const auto one = [](std::int64_t, std::int64_t, std::int64_t) { return 1.0f; };
    static_cast<void>(run_on_copy(case_of(dtype::float16, one), GetParam()));
  } catch (const unsupported& error) {
    GTEST_SKIP() << error.what();
  }
}

namespace {

TEST_P(exact_rounding, of_every_kind_of_float) {
  for (const dtype state : {dtype::float16, dtype::bfloat16}) {
    random_engine engine{base_seed()};
    const auto any_float = [&](std::int64_t, std::int64_t, std::int64_t) {
      const auto value = std::bit_cast<float>(static_cast<std::uint32_t>(engine()));
      return std::isnan(value) ? 1.0f : value;
    };
    expect_exact(case_of(state, any_float), GetParam());
  }
}

TEST_P(exact_rounding, of_subnormals_and_around_the_largest) {
  for (const dtype state : {dtype::float16, dtype::bfloat16}) {
    const float_format& format = format_of(state);
    random_engine engine{base_seed()};
    const auto extreme = [&](std::int64_t, std::int64_t, std::int64_t n) {
      if (n % 2 == 0) return static_cast<float>(uniform(engine, -30, 30) * format.spacing(0));
      return static_cast<float>(uniform(engine, -1.001, 1.001) * format.largest());
    };
    expect_exact(case_of(state, extreme), GetParam());
  }
}

TEST_P(exact_rounding, of_infinities_and_nan) {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  for (const dtype state : {dtype::float16, dtype::bfloat16}) {
    const auto special = [](std::int64_t, std::int64_t, std::int64_t n) {
      const float values[]{infinity, -infinity, std::numeric_limits<float>::quiet_NaN(),
                           std::numeric_limits<float>::max()};
      return values[n % 4];
    };
    expect_exact(case_of(state, special), GetParam());
  }
}

TEST_P(exact_rounding, of_the_largest_values) {
  constexpr float most = std::numeric_limits<float>::max();
  const float nearly_most = std::bit_cast<float>(0x7f7fe002u);
  for (const dtype state : {dtype::float16, dtype::bfloat16}) {
    const auto large = [&](std::int64_t, std::int64_t, std::int64_t n) {
      const float values[]{most,     -most,     nearly_most, -nearly_most,
                           65503.0f, -65520.0f, 3.0f,        -7e4f};
      return values[n % 8];
    };
    expect_exact(case_of(state, large), GetParam());
  }
}

TEST_P(exact_rounding, leaves_representable_values_alone) {
  for (const dtype state : {dtype::float16, dtype::bfloat16}) {
    const float_format& format = format_of(state);
    const auto representable = [&](std::int64_t i, std::int64_t head, std::int64_t n) {
      const auto bits = static_cast<std::uint32_t>((i * heads + head) * dstate + n);
      const double value = format.decode(bits);
      return std::isfinite(value) ? static_cast<float>(value) : 0.0f;
    };
    const ssu_case test = case_of(state, representable);
    std::int64_t moved = 0;
    for_each_result(test, run_on_copy(test, GetParam()),
                    [&](double value, std::uint32_t, double got) { moved += got != value; });
    EXPECT_EQ(moved, 0);
  }
}

TEST_P(exact_rounding, mean_of_a_million_is_the_value) {
  for (const dtype state : {dtype::float16, dtype::bfloat16}) {
    const double spacing = format_of(state).spacing(1.0);
    const auto between = [&](std::int64_t, std::int64_t, std::int64_t) {
      return static_cast<float>(1.0 + 0.3 * spacing);
    };
    const ssu_case test = case_of(state, between);
    double sum = 0;
    std::int64_t count = 0;
    for_each_result(test, run_on_copy(test, GetParam()),
                    [&](double value, std::uint32_t, double got) {
                      sum += (got - value) / spacing;
                      ++count;
                    });
    EXPECT_GE(count, 1 << 20);
    EXPECT_LT(std::abs(sum / static_cast<double>(count)), 0.005);
  }
}

TEST_P(exact_rounding, of_the_nearest_kind_keeps_infinities_and_nan) {
  for (const dtype state : {dtype::float16, dtype::bfloat16}) {
    const float_format& format = format_of(state);
    random_engine engine{base_seed()};
    ssu_case test = case_of(state, [&](std::int64_t, std::int64_t, std::int64_t) {
      return std::bit_cast<float>(static_cast<std::uint32_t>(engine()));
    });
    test.config.stochastic_rounding = false;
    std::int64_t wrong = 0;
    for_each_result(test, run_on_copy(test, GetParam()),
                    [&](double value, std::uint32_t, double got) {
                      const double expected = format.decode(format.encode(value));
                      wrong += std::isnan(expected) ? !std::isnan(got) : got != expected;
                    });
    EXPECT_EQ(wrong, 0);
  }
}

}  // namespace
}  // namespace ssugraph::test
