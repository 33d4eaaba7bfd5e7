#include "tests/golden/golden_case.hpp"
#include "tests/support/code_format.hpp"
#include "tests/support/compare.hpp"
#include "tests/support/float_format.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <limits>
#include <set>
#include <string>

namespace ssugraph::test {
namespace {

/** Encodes rows of `state` in float64 into `codes` and `scales`; all three have their head axis. */
void encode(const tensor_view& state, const tensor_view& codes, const tensor_view& scales) {
  const code_format& format = code_format_of(codes.dtype());
  for (std::int64_t slot = 0; slot < state.extent(0); ++slot) {
    for (std::int64_t head = 0; head < state.extent(1); ++head) {
      for (std::int64_t d = 0; d < state.extent(2); ++d) {
        const auto h = [&](std::int64_t n) {
          return load(address_of(state, slot, head, d, n), state.dtype());
        };
        double greatest = 0;
        for (std::int64_t n = 0; n < state.extent(3); ++n)
          greatest = std::isfinite(h(n)) ? std::max(greatest, std::abs(h(n)))
                                         : std::numeric_limits<double>::quiet_NaN();
        const double scale = greatest / format.most;
        const bool has_codes = scale > 0;
        store(address_of(scales, slot, head, d), dtype::float32, scale);
        for (std::int64_t n = 0; n < state.extent(3); ++n)
          store(address_of(codes, slot, head, d, n), codes.dtype(), has_codes ? h(n) / scale : 0);
      }
    }
  }
}

std::string name_of(dtype type, bool stochastic) {
  return std::string{to_string(type)} + (stochastic ? " stochastic" : " nearest");
}

/** The recorded case with its state in codes, at the strides that it had, and scales. */
ssu_case scaled(const ssu_case& recorded, dtype type, bool stochastic) {
  arena_layout layout;
  const auto size = static_cast<std::int64_t>(recorded.memory.size());
  const tensor_view before = layout.add(dtype::int8, {size});
  ssu_case test = shifted(recorded, reinterpret_cast<std::uintptr_t>(before.data()));
  const tensor_view state = test.layout.state;
  const std::vector<std::int64_t> extents{state.extents().begin(), state.extents().end()};
  test.layout.state = layout.add(type, extents, {state.strides().begin(), state.strides().end()});
  test.layout.state_scale = layout.add(dtype::float32, {extents.begin(), extents.end() - 1});
  arena memory{layout.bytes()};
  std::copy_n(test.memory.data(), test.memory.size(), memory.data());
  test.memory = memory;
  test.config.stochastic_rounding = stochastic;
  test.name += " " + name_of(type, stochastic);
  const ssu_args args = test.args_at(test.memory.data());
  const auto with_heads = [](const tensor_view& tensor, int rank) {
    return tensor.rank() == rank ? tensor : tensor.with_unit_axis(1);
  };
  const tensor_view there =
      state.at(test.memory.data() + reinterpret_cast<std::uintptr_t>(state.data()));
  encode(with_heads(there, 4), with_heads(args.state, 4), with_heads(args.state_scale, 3));
  return test;
}

void check_scaled_case(const ssu_case& test, const execution& how) {
  const outcome result = run_and_evaluate(test, how);
  std::printf("%s %-34s", how.name.c_str(), test.name.c_str());
  for (const expected_tensor* tensor : {&result.expected.state, &result.expected.out}) {
    const tensor_error error = compare(*tensor, result.before.data(), result.after.data());
    std::printf("  %s %.1e of largest, %.3f of a unit;", tensor->name.c_str(), error.of_largest,
                error.ulps);
    EXPECT_EQ(error.failures, 0) << test.name << ": " << error.first_failure;
  }
  std::printf("\n");
  EXPECT_TRUE(untouched(result.expected, {result.before.data(), result.before.size()},
                        {result.after.data(), result.after.size()}))
      << test.name;
}

}  // namespace

void check_scaled_golden_cases(const execution& how, std::int64_t extra_sequences) {
  const auto files = golden_files();
  ASSERT_FALSE(files.empty()) << "no recorded case in " << find_golden_folder().path;
  if (!can_run(how)) GTEST_SKIP() << "no CUDA device, or no such backend in this build";
  refusals tally;
  std::set<std::string> all;
  std::set<std::string> served;
  for (const auto& path : files) {
    const golden_case golden = read_golden_case(path, extra_sequences);
    for (const dtype type : {dtype::int8, dtype::int16, dtype::float8_e4m3}) {
      for (const bool stochastic : {false, true}) {
        all.insert(name_of(type, stochastic));
        try {
          check_scaled_case(scaled(golden.test, type, stochastic), how);
          tally.served();
          served.insert(name_of(type, stochastic));
        } catch (const unsupported& error) {
          if (!how.may_refuse) throw;
          tally.refused(error);
        }
      }
    }
  }
  if (how.may_refuse) tally.print(how.name);
  // Every list of FlashInfer's shapes has what most recorded cases are, with int16.
  EXPECT_EQ(served, how.backend == "flashinfer" ? std::set<std::string>{"int16 nearest"} : all);
}

}  // namespace ssugraph::test
