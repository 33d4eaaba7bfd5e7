#include "tests/support/code_format.hpp"
#include "tests/support/execution.hpp"
#include "tests/support/float_format.hpp"
#include "tests/support/ssu_oracle.hpp"

#include <ssugraph/error.hpp>
#include <ssugraph/ssu.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <ostream>
#include <span>
#include <string>
#include <vector>

/**
 * Whether a backend's stochastic rounding is one, whichever bits it takes: how often it rounds up,
 * and that neighbours, slots and seeds are rounded independently. dt = 1 and a zero state make
 * h' = x * B, which fp32 holds exactly.
 */
namespace ssugraph::test {
namespace {

struct rounding_run {
  std::string backend;
  dtype state;
};

std::ostream& operator<<(std::ostream& stream, const rounding_run& run) {
  return stream << run.backend << '_' << to_string(run.state);
}

execution execution_of(const rounding_run& run) {
  return run.backend == "reference" ? reference_eager() : backend_eager(run.backend);
}

constexpr std::int64_t batch = 4;
constexpr std::int64_t heads = 32;
constexpr std::int64_t dim = 64;
constexpr std::int64_t dstate = 128;
/** In standard deviations; one sound test in a million goes beyond. */
constexpr double most = 4.9;

/** Every sequence has the same inputs, and a slot of its own. */
ssu_case product_case(const rounding_run& run, std::uint64_t draw) {
  arena_layout layout;
  ssu_case test;
  test.batch = test.capacity = test.live_rows = batch;
  test.config.stochastic_rounding = true;
  test.random = {base_seed(), draw};
  ssu_args& args = test.layout;
  args.state = layout.add(run.state, {batch + 1, heads, dim, dstate});
  if (is_scaled(run.state)) args.state_scale = layout.add(dtype::float32, {batch + 1, heads, dim});
  args.x = layout.add(dtype::bfloat16, {batch, heads, dim});
  args.dt = layout.add(dtype::float32, {batch, heads, dim}, {heads, 1, 0});
  args.A = layout.add(dtype::float32, {heads, dim, dstate}, {1, 0, 0});
  args.D = layout.add(dtype::float32, {heads, dim}, {1, 0});
  args.B = layout.add(dtype::bfloat16, {batch, 1, dstate});
  args.C = layout.add(dtype::bfloat16, {batch, 1, dstate});
  args.out = layout.add(dtype::bfloat16, {batch, heads, dim});
  args.state_batch_indices = layout.add(dtype::int32, {batch});
  args.rand_seed = layout.add(dtype::int64, {1});
  test.memory = arena{layout.bytes()};
  const ssu_args here = test.args_at(test.memory.data());
  random_engine engine{base_seed()};
  for (const tensor_view& zero : {here.state, here.state_scale}) {
    std::fill_n(static_cast<std::byte*>(zero.data()),
                zero ? zero.size() * size_of(zero.dtype()) : 0, std::byte{0});
  }
  for (std::int64_t head = 0; head < heads; ++head) {
    store(address_of(here.A, head, 0, 0), dtype::float32, 0);
    store(address_of(here.D, head, 0), dtype::float32, 0);
    for (std::int64_t i = 0; i < batch; ++i)
      store(address_of(here.dt, i, head, 0), dtype::float32, 1);
    for (std::int64_t d = 0; d < dim; ++d) {
      const double x = uniform(engine, 1, 2);
      for (std::int64_t i = 0; i < batch; ++i)
        store(address_of(here.x, i, head, d), dtype::bfloat16, x);
    }
  }
  for (std::int64_t n = 0; n < dstate; ++n) {
    const double value = uniform(engine, 1, 2) * (n % 3 == 0 ? -1 : 1);
    for (std::int64_t i = 0; i < batch; ++i) {
      store(address_of(here.B, i, 0, n), dtype::bfloat16, value);
      store(address_of(here.C, i, 0, n), dtype::bfloat16, 0);
    }
  }
  for (std::int64_t i = 0; i < batch; ++i)
    store_index(address_of(here.state_batch_indices, i), dtype::int32, i + 1);
  store_index(here.rand_seed.data(), dtype::int64, test.seed());
  return test;
}

/** Of each stored element in order: how far it went up beyond its chance, and the variance. */
struct surprise {
  double value;
  double variance;
};

/** An element in units of its format, where integers are rounded towards them and floats by their
 *  magnitudes. */
struct in_units {
  double value;
  double unit;
};

in_units units_of(const expected_tensor& tensor, std::size_t element, float encode) {
  const double value = tensor.elements[element].value;
  if (!is_scaled(tensor.dtype)) {
    return {std::abs(value), format_of(tensor.dtype).spacing(std::abs(value))};
  }
  if (tensor.dtype != dtype::float8_e4m3) return {value * double{encode}, 1};
  const double magnitude = std::abs(static_cast<float>(value * double{encode}));
  return {magnitude, code_format_of(tensor.dtype).spacing(magnitude)};
}

/** By what each element's row is encoded; 1 of a state without scales. */
std::vector<float> encode_factors(const expected_tensor& tensor) {
  std::vector<float> factors(tensor.elements.size(), 1.0f);
  for (const expected_row& row : tensor.rows) {
    const auto elements = std::span{tensor.elements}.subspan(row.first, row.count);
    double greatest = 0;
    for (const expected_element& element : elements)
      greatest = std::max(greatest, std::abs(element.value));
    const float factor = encode_factor(tensor.dtype, static_cast<float>(greatest), true);
    std::fill_n(factors.begin() + static_cast<std::ptrdiff_t>(row.first), row.count, factor);
  }
  return factors;
}

std::vector<surprise> surprises(const rounding_run& run, std::uint64_t draw) {
  const ssu_case test = product_case(run, draw);
  const arena after = run_on_copy(test, execution_of(run));
  arena before = test.memory;
  const expected_result expected =
      ssu_oracle(test.args_at(before.data()), test.config, test.seed());
  std::vector<surprise> result;
  const std::vector<float> encode_by = encode_factors(expected.state);
  const bool by_magnitude = run.state != dtype::int8 && run.state != dtype::int16;
  for (std::size_t i = 0; i < expected.state.elements.size(); ++i) {
    const expected_element& element = expected.state.elements[i];
    const auto [value, unit] = units_of(expected.state, i, encode_by[i]);
    const double below = std::floor(value / unit) * unit;
    const double up = (value - below) / unit;
    const double stored = load(after.data() + (element.address - before.data()), run.state);
    const double got = by_magnitude ? std::abs(stored) : stored;
    EXPECT_TRUE(got == below || got == below + unit) << value << " became " << got;
    result.push_back({(got > below ? 1.0 : 0.0) - up, up * (1 - up)});
  }
  return result;
}

/** Sum over its standard deviation. */
class score {
 public:
  void add(double value, double variance) {
    sum_ += value;
    variance_ += variance;
  }
  [[nodiscard]] double sum() const { return sum_; }
  /** None where nothing was left to chance, and nothing moved. */
  [[nodiscard]] double deviations() const { return sum_ == 0 ? 0 : sum_ / std::sqrt(variance_); }

 private:
  double sum_ = 0;
  double variance_ = 0;
};

/** Correlation of elements `apart` places of `a` and `b`, in standard deviations. */
double correlation(const std::vector<surprise>& a, const std::vector<surprise>& b,
                   std::size_t apart) {
  score together;
  for (std::size_t i = 0; i + apart < a.size(); ++i) {
    together.add(a[i].value * b[i + apart].value, a[i].variance * b[i + apart].variance);
  }
  return together.deviations();
}

class rounding_statistics : public testing::TestWithParam<rounding_run> {
 protected:
  void SetUp() override {
    if (!can_run(execution_of(GetParam()))) {
      GTEST_SKIP() << "no CUDA device, or no such backend in this build";
    }
    try {
      static_cast<void>(run_on_copy(product_case(GetParam(), 0), execution_of(GetParam())));
    } catch (const unsupported& error) {
      GTEST_SKIP() << error.what();
    }
  }
};

TEST_P(rounding_statistics, rounds_up_by_its_chance_wherever_an_element_lies) {
  score all;
  std::array<score, 8> by_place;
  std::array<score, 4> by_chance;
  const auto elements = surprises(GetParam(), 3);
  ASSERT_EQ(elements.size(), static_cast<std::size_t>(batch * heads * dim * dstate));
  for (std::size_t i = 0; i < elements.size(); ++i) {
    const auto [value, variance] = elements[i];
    all.add(value, variance);
    by_place[i % 8].add(value, variance);
    by_chance[static_cast<std::size_t>(variance * 15.99)].add(value, variance);
  }
  const double mean = all.sum() / static_cast<double>(elements.size());
  std::printf("%zu elements, %.2f standard deviations from unbiased, %.5f of a unit\n",
              elements.size(), all.deviations(), mean);
  EXPECT_LT(std::abs(mean), 0.005);
  EXPECT_LT(std::abs(all.deviations()), most);
  for (const score& part : by_place)
    EXPECT_LT(std::abs(part.deviations()), most);
  for (const score& part : by_chance)
    EXPECT_LT(std::abs(part.deviations()), most);
}

TEST_P(rounding_statistics, neighbours_slots_and_seeds_are_independent) {
  const auto elements = surprises(GetParam(), 3);
  const auto of_another_seed = surprises(GetParam(), 4);
  const std::size_t slot = elements.size() / batch;
  for (const std::size_t apart : {std::size_t{1}, std::size_t{2}, std::size_t{4}, std::size_t{8},
                                  std::size_t{dstate}, slot}) {
    EXPECT_LT(std::abs(correlation(elements, elements, apart)), most) << apart << " apart";
  }
  EXPECT_LT(std::abs(correlation(elements, of_another_seed, 0)), most);
}

INSTANTIATE_TEST_SUITE_P(
    eager, rounding_statistics,
    testing::Values(rounding_run{"reference", dtype::float16},
                    rounding_run{"reference", dtype::int16}, rounding_run{"reference", dtype::int8},
                    rounding_run{"reference", dtype::float8_e4m3},
                    rounding_run{"native", dtype::int16}, rounding_run{"native", dtype::int8},
                    rounding_run{"native", dtype::float8_e4m3},
                    rounding_run{"native", dtype::float16}, rounding_run{"native", dtype::bfloat16},
                    rounding_run{"triton", dtype::float16}, rounding_run{"triton", dtype::bfloat16},
                    rounding_run{"flashinfer", dtype::float16}),
    testing::PrintToStringParamName());

}  // namespace
}  // namespace ssugraph::test
