#include "tests/support/execution.hpp"
#include "tests/support/float_format.hpp"
#include "tests/support/ssu_suite.hpp"

#include <ssugraph/ssu.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace ssugraph::test {
namespace {

ssu_case infinite_case(std::int64_t dstate, bool aligned) {
  case_spec spec;
  spec.dstate = dstate;
  spec.has_D = false;
  spec.aligned = aligned;
  random_engine engine{base_seed()};
  ssu_case test = make_case(spec, engine);
  const ssu_args args = test.args_at(test.memory.data());
  const auto fill = [&](const tensor_view& tensor, double value) {
    for (std::int64_t i = 0; i < test.batch; ++i) {
      for (std::int64_t j = 0; j < tensor.extent(1); ++j) {
        for (std::int64_t k = 0; k < tensor.extent(2); ++k) {
          store(address_of(tensor, i, j, k), tensor.dtype(), value);
        }
      }
    }
  };
  fill(args.x, std::numeric_limits<double>::infinity());
  fill(args.B, 1.0);
  fill(args.C, 1.0);
  return test;
}

TEST_P(infinity, passes_through) {
  for (const std::int64_t dstate : {8, 16, 20, 24, 40}) {
    for (const bool aligned : {true, false}) {
      const ssu_case test = infinite_case(dstate, aligned);
      arena after = run_on_copy(test, GetParam());
      const tensor_view out = test.args_at(after.data()).out;
      for (std::int64_t i = 0; i < test.batch; ++i) {
        for (std::int64_t j = 0; j < out.extent(1); ++j) {
          for (std::int64_t k = 0; k < out.extent(2); ++k) {
            const double value = load(address_of(out, i, j, k), out.dtype());
            ASSERT_TRUE(std::isinf(value)) << value << " at dstate " << dstate;
          }
        }
      }
    }
  }
}

/** Limits of dt take no NaN away. */
TEST_P(infinity, and_no_limit_makes_a_number_of_nan) {
  case_spec spec;
  spec.dt_min = 0.125f;
  spec.dt_max = 0.5f;
  random_engine engine{base_seed()};
  ssu_case test = make_case(spec, engine);
  const ssu_args args = test.args_at(test.memory.data());
  store(address_of(args.dt, 1, 0, 0), args.dt.dtype(), std::numeric_limits<double>::quiet_NaN());
  arena after = run_on_copy(test, GetParam());
  const tensor_view out = test.args_at(after.data()).out;
  EXPECT_TRUE(std::isnan(load(address_of(out, 1, 0, 0), out.dtype())));
  EXPECT_FALSE(std::isnan(load(address_of(out, 0, 0, 0), out.dtype())));
}

}  // namespace
}  // namespace ssugraph::test
