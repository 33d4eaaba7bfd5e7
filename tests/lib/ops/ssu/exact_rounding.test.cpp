#include "tests/support/code_format.hpp"
#include "tests/support/execution.hpp"
#include "tests/support/float_format.hpp"
#include "tests/support/ssu_oracle.hpp"
#include "tests/support/ssu_suite.hpp"

#include <ssugraph/error.hpp>
#include <ssugraph/ssu.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <vector>

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
  if (is_scaled(state)) args.state_scale = layout.add(dtype::float32, {batch, heads, dim});
  args.x = layout.add(dtype::float32, {batch, heads, dim}, {0, 0, 0});
  args.dt = layout.add(dtype::float32, {batch, heads, dim}, {0, 0, 0});
  args.A = layout.add(dtype::float32, {heads, dim, dstate}, {0, 0, 0});
  args.B = layout.add(dtype::float32, {batch, heads, dstate});
  args.C = layout.add(dtype::float32, {batch, heads, dstate});
  args.out = layout.add(dtype::float32, {batch, heads, dim});
  args.rand_seed = layout.add(dtype::int64, {1});
  test.memory = arena{layout.bytes()};
  const ssu_args here = test.args_at(test.memory.data());
  for (const tensor_view& zero : {here.state, here.state_scale}) {
    std::fill_n(static_cast<std::byte*>(zero.data()),
                zero ? zero.size() * size_of(zero.dtype()) : 0, std::byte{0});
  }
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

// --- Scaled states: rows of codes, and their scales

/** What `value` gives in each row, as it must be stored, to the bit. */
void expect_exact_rows(const ssu_case& test, const execution& how) {
  const dtype type = test.layout.state.dtype();
  const arena after = run_on_copy(test, how);
  arena memory = test.memory;
  const expected_result expected =
      ssu_oracle(test.args_at(memory.data()), test.config, test.seed());
  const auto stored = [&](const std::byte* address, dtype of) {
    return load(after.data() + (address - memory.data()), of);
  };
  std::int64_t wrong = 0;
  for (const expected_row& row : expected.state.rows) {
    std::vector<float> h;
    std::vector<std::uint32_t> random;
    for (std::size_t n = row.first; n < row.first + row.count; ++n) {
      h.push_back(static_cast<float>(expected.state.elements[n].value));
      if (test.config.stochastic_rounding) random.push_back(expected.state.elements[n].random);
    }
    const stored_row right = exact_row(type, h, random);
    const double scale = stored(row.scale, dtype::float32);
    if (std::isnan(right.scale) ? !std::isnan(scale) : scale != double{right.scale}) {
      if (wrong++ == 0) ADD_FAILURE() << "scale " << right.scale << ", got " << scale;
    }
    for (std::size_t n = 0; n < h.size(); ++n) {
      const double got = stored(expected.state.elements[row.first + n].address, type);
      if (got == right.codes[n] || wrong++ > 0) continue;
      ADD_FAILURE() << h[n] << " of scale " << right.scale << " by "
                    << (random.empty() ? 0 : random[n]) << ": " << right.codes[n] << ", got "
                    << got;
    }
  }
  EXPECT_EQ(expected.state.rows.size(), static_cast<std::size_t>(batch * heads * dim));
  EXPECT_EQ(wrong, 0);
}

constexpr std::array scaled{dtype::int8, dtype::int16, dtype::float8_e4m3};

using row_values = std::function<float(std::int64_t, std::int64_t, std::int64_t)>;

/** In every format, to nearest and by random bits, but in those that a backend refuses. */
void expect_exact_codes(const execution& how, const std::function<row_values(dtype)>& values) {
  std::string refusals;
  for (const dtype state : scaled) {
    for (const bool stochastic : {false, true}) {
      ssu_case test = case_of(state, values(state));
      test.config.stochastic_rounding = stochastic;
      SCOPED_TRACE(std::string{to_string(state)} + (stochastic ? " stochastic" : " nearest"));
      try {
        expect_exact_rows(test, how);
      } catch (const unsupported& error) {
        if (!how.may_refuse) throw;
        refusals += std::string{error.what()} + "\n";
      }
    }
  }
  if (!refusals.empty()) GTEST_SKIP() << refusals;
}

TEST_P(exact_rounding, of_codes_of_rows_of_any_size) {
  expect_exact_codes(GetParam(), [](dtype) -> row_values {
    return [engine = random_engine{base_seed()}, size = 1.0](std::int64_t, std::int64_t,
                                                             std::int64_t n) mutable {
      if (n == 0)
        size = std::ldexp(uniform(engine, 1, 2), static_cast<int>(pick(engine, -98, 120)));
      return static_cast<float>(std::ldexp(
          uniform(engine, -size, size), -static_cast<int>(pick(engine, 0, n % 3 == 0 ? 20 : 1))));
    };
  });
}

/** Of every kind of float, most rows having some without a number; and of those that have all. */
TEST_P(exact_rounding, of_codes_of_every_kind_of_float) {
  for (const bool finite : {false, true}) {
    expect_exact_codes(GetParam(), [finite](dtype) -> row_values {
      return [engine = random_engine{base_seed()}, finite](std::int64_t, std::int64_t,
                                                           std::int64_t) mutable {
        const auto value = std::bit_cast<float>(static_cast<std::uint32_t>(engine()));
        return std::isfinite(value) || !finite ? value : 1.0f;
      };
    });
  }
}

/** The greatest of each row makes enc a power of two, and the others are halves of codes. */
TEST_P(exact_rounding, of_ties_between_codes) {
  expect_exact_codes(GetParam(), [](dtype type) -> row_values {
    const code_format& format = code_format_of(type);
    return [engine = random_engine{base_seed()}, &format](std::int64_t i, std::int64_t head,
                                                          std::int64_t n) mutable {
      const double power = std::ldexp(1.0, static_cast<int>(i * heads + head) - 128);
      if (n == 5) return static_cast<float>(format.most * power);
      const double code = format.nearest(uniform(engine, -1, 1) * format.most * 0.99 *
                                         std::ldexp(1.0, -static_cast<int>(n % 4) * 4));
      return static_cast<float>((code + format.spacing(code) / 2) * power);
    };
  });
}

/** Rows below 2^-100 are zeros, scale and all. */
TEST_P(exact_rounding, of_codes_where_rows_become_zeros) {
  expect_exact_codes(GetParam(), [](dtype) -> row_values {
    return [](std::int64_t i, std::int64_t head, std::int64_t n) {
      const float greatest[]{0x1p-100f, std::nextafter(0x1p-100f, 0.0f), 0x1p-101f, 0.0f,
                             0x1p-149f, std::nextafter(0x1p-100f, 1.0f), 0x1p-99f,  -0x1p-100f};
      const float row = greatest[(i + head) % 8];
      return n == 77 ? row : row * static_cast<float>(n % 7) / 8;
    };
  });
}

/** Below half a percent of a unit over 2^20 elements. */
TEST_P(exact_rounding, mean_of_a_million_codes_is_the_value) {
  for (const dtype state : scaled) {
    random_engine engine{base_seed()};
    const code_format& format = code_format_of(state);
    const ssu_case test = case_of(state, [&](std::int64_t, std::int64_t, std::int64_t n) {
      return static_cast<float>(n == 0 ? format.most : uniform(engine, -1, 1) * format.most);
    });
    arena after;
    try {
      after = run_on_copy(test, GetParam());
    } catch (const unsupported& error) {
      if (!GetParam().may_refuse) throw;
      GTEST_SKIP() << error.what();
    }
    arena memory = test.memory;
    const expected_result expected =
        ssu_oracle(test.args_at(memory.data()), test.config, test.seed());
    double sum = 0;
    for (const expected_element& element : expected.state.elements) {
      const double code = load(after.data() + (element.address - memory.data()), state);
      sum += (code - element.value) / format.spacing(element.value);
    }
    const auto count = expected.state.elements.size();
    EXPECT_GE(count, std::size_t{1} << 20);
    EXPECT_LT(std::abs(sum / static_cast<double>(count)), 0.005) << to_string(state);
    std::printf("%s: %.5f of a unit off over %zu elements\n", std::string{to_string(state)}.c_str(),
                sum / static_cast<double>(count), count);
  }
}

}  // namespace
}  // namespace ssugraph::test
