#pragma once

#include "tests/support/device.hpp"
#include "tests/support/ssu_case.hpp"
#include "tests/support/ssu_oracle.hpp"

#include <ssugraph/error.hpp>

#include <gtest/gtest.h>

#include <functional>
#include <iosfwd>
#include <map>
#include <string>

namespace ssugraph::test {

/** One way to run the SSU of a case whose tensors lie on `base`. */
struct execution {
  std::string name;
  place where = place::host;
  /** Sequences that the call serves, padded ones included. */
  std::function<std::int64_t(const ssu_case&)> sequences;
  std::function<void(const ssu_case&, std::byte* base, stream_handle)> run;
  std::string backend = "native";
  rounding_bits bits = rounding_bits::contract;
  /** Its backend serves only what it was compiled for: `unsupported` is an answer, and counted. */
  bool may_refuse = false;
  /** It takes the caller at their word that no slot but the null one is out of range. */
  bool trusts_slots = false;
};

std::ostream& operator<<(std::ostream& stream, const execution& how);

/** One eager call by a backend. */
[[nodiscard]] execution reference_eager();
[[nodiscard]] execution native_eager();
/** By the native algorithm that serves any alignment, aligned tensors included. */
[[nodiscard]] execution native_scalar_eager();

/** One eager call by `triton`, `flashinfer` or another backend that may refuse. */
[[nodiscard]] execution backend_eager(const std::string& backend,
                                      const std::string& algorithm = "auto");
/** `how`, as a backend that may refuse runs it. */
[[nodiscard]] execution by_backend(execution how, const std::string& backend);

/** True if this process has what `how` needs: a device, and its backend in the build. */
[[nodiscard]] bool can_run(const execution& how);

/** What a backend that may refuse made of the cases of a test. */
class refusals {
 public:
  void served() { ++served_; }
  void refused(const unsupported& error) { ++reasons_[error.refusals().front().reason]; }
  [[nodiscard]] int served_count() const { return served_; }
  /** Prints both counts and every reason with its count. */
  void print(const std::string& name) const;

 private:
  int served_ = 0;
  std::map<std::string, int> reasons_;
};

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

/** The same; where `how` may refuse, its refusal is counted and is no failure. */
[[nodiscard]] testing::AssertionResult agrees_or_refuses(const ssu_case& test, const execution& how,
                                                         refusals& tally);

/** Memory after the run alone. */
[[nodiscard]] arena run_on_copy(const ssu_case& test, const execution& how);

}  // namespace ssugraph::test
