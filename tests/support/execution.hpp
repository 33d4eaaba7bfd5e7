#pragma once

#include "tests/support/device.hpp"
#include "tests/support/ssu_case.hpp"
#include "tests/support/ssu_oracle.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <iosfwd>
#include <string>

namespace ssugraph::test {

/** One way to run the SSU of a case whose tensors lie on `base`. */
struct execution {
  std::string name;
  place where = place::host;
  /** Sequences that the call serves, padded ones included. */
  std::function<std::int64_t(const ssu_case&)> sequences;
  std::function<void(const ssu_case&, std::byte* base, stream_handle)> run;
};

std::ostream& operator<<(std::ostream& stream, const execution& how);

/** One eager call by a backend. */
[[nodiscard]] execution reference_eager();
[[nodiscard]] execution native_eager();
/** By the native algorithm that serves any alignment, aligned tensors included. */
[[nodiscard]] execution native_scalar_eager();

/** True if this process has what `how` needs. */
[[nodiscard]] bool can_run(const execution& how);

/** A case before and after it ran, and what the float64 evaluation says it should have done. */
struct outcome {
  arena before;
  arena after;
  expected_result expected;
};

/** Runs `test` and evaluates it; its memory is the outcome's `before`. */
[[nodiscard]] outcome run_and_evaluate(const ssu_case& test, const execution& how);

/** The same, compared. */
[[nodiscard]] testing::AssertionResult agrees_with_float64(const ssu_case& test,
                                                           const execution& how);

/** Memory after the run alone. */
[[nodiscard]] arena run_on_copy(const ssu_case& test, const execution& how);

}  // namespace ssugraph::test
