#include "tests/support/compare.hpp"

#include "tests/support/float_format.hpp"

#include <algorithm>
#include <cmath>
#include <sstream>
#include <vector>

namespace ssugraph::test {
namespace {

double largest_magnitude(const expected_tensor& tensor) {
  double largest = 0;
  for (const expected_element& element : tensor.elements) {
    largest = std::max(largest, std::abs(element.value));
  }
  return largest;
}

bool is_rounding_of(const expected_tensor& tensor, const expected_element& element, double got,
                    double slack) {
  const float_format& format = format_of(tensor.dtype);
  const bool own = tensor.bits != rounding_bits::contract;
  const auto round = [&](double value, bool up) {
    // Away from zero with all bits set, towards it with none.
    const std::uint32_t bits = up == (value > 0) ? 0xffffu : 0u;
    return format.round_stochastically(value, own ? bits : element.random);
  };
  if (round(element.value - slack, false) <= got && got <= round(element.value + slack, true)) {
    return true;
  }
  return tensor.bits == rounding_bits::own_flushed && got == 0 &&
         std::abs(element.value) - slack < format.smallest_normal();
}

bool is_close(const expected_tensor& tensor, const expected_element& element, double got,
              double slack) {
  if (element.exact) return got == element.value;
  if (std::isnan(element.value)) return std::isnan(got);
  if (tensor.stochastic) return is_rounding_of(tensor, element, got, slack);
  if (std::isinf(element.value)) return got == element.value;
  const double error = std::abs(got - element.value);
  if (tensor.dtype == dtype::float32) return error <= slack;
  return error <= std::max(slack, format_of(tensor.dtype).spacing(element.value));
}

}  // namespace

tensor_error compare(const expected_tensor& expected, const std::byte* before,
                     const std::byte* after) {
  tensor_error result;
  const double largest = largest_magnitude(expected);
  const double slack = relative_tolerance * largest;
  for (const expected_element& element : expected.elements) {
    const auto offset = element.address - before;
    const double got = load(after + offset, expected.dtype);
    const double error = std::abs(got - element.value);
    if (largest > 0) result.of_largest = std::max(result.of_largest, error / largest);
    if (error > slack && expected.dtype != dtype::float32) {
      const double ulp = format_of(expected.dtype).spacing(element.value);
      result.ulps = std::max(result.ulps, error / ulp);
    }
    if (is_close(expected, element, got, slack)) continue;
    if (result.failures++ > 0) continue;
    std::ostringstream text;
    text.precision(9);
    text << expected.name << " at byte " << offset << ": expected " << element.value << ", got "
         << got << ", largest magnitude " << largest;
    result.first_failure = text.str();
  }
  return result;
}

testing::AssertionResult untouched(const expected_result& expected,
                                   std::span<const std::byte> before,
                                   std::span<const std::byte> after) {
  std::vector<bool> written(before.size());
  for (const expected_tensor* tensor : {&expected.state, &expected.out}) {
    for (const expected_element& element : tensor->elements) {
      const auto offset = element.address - before.data();
      std::fill_n(written.begin() + offset, size_of(tensor->dtype), true);
    }
  }
  std::size_t changed = 0;
  std::size_t first = 0;
  for (std::size_t byte = before.size(); byte-- > 0;) {
    if (written[byte] || before[byte] == after[byte]) continue;
    ++changed;
    first = byte;
  }
  if (changed == 0) return testing::AssertionSuccess();
  return testing::AssertionFailure()
         << changed << " bytes changed that no sequence owns, the first "
         << "at byte " << first;
}

testing::AssertionResult agrees(const expected_result& expected, std::span<const std::byte> before,
                                std::span<const std::byte> after) {
  for (const expected_tensor* tensor : {&expected.state, &expected.out}) {
    const tensor_error error = compare(*tensor, before.data(), after.data());
    if (error.failures == 0) continue;
    return testing::AssertionFailure() << error.failures << " of " << tensor->elements.size()
                                       << " elements are off; " << error.first_failure;
  }
  return untouched(expected, before, after);
}

}  // namespace ssugraph::test
