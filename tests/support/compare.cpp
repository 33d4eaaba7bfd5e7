#include "tests/support/compare.hpp"

#include "tests/support/code_format.hpp"
#include "tests/support/float_format.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <sstream>
#include <vector>

namespace ssugraph::test {
namespace {

double largest_magnitude(const expected_tensor& tensor) {
  double largest = 0;
  for (const expected_element& element : tensor.elements) {
    if (std::isfinite(element.value)) largest = std::max(largest, std::abs(element.value));
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
  const double unit = format_of(tensor.dtype).spacing(element.value);
  return error <= std::max(slack + (element.slack > 0 ? unit / 2 : 0), unit);
}

/** A row of a scaled state as it came. */
class row_check {
 public:
  row_check(const expected_tensor& expected, const expected_row& row, const std::byte* before,
            const std::byte* after)
      : tensor_{expected},
        format_{code_format_of(expected.dtype)},
        elements_{std::span{expected.elements}.subspan(row.first, row.count)},
        before_{before},
        after_{after},
        scale_{load(after + (row.scale - before), dtype::float32)} {
    for (const expected_element& element : elements_) {
      has_no_number_ |= !std::isfinite(element.value);
      greatest_ = std::max(greatest_, std::abs(element.value));
      slack_ = std::max(slack_, slack_of(element));
    }
  }

  [[nodiscard]] std::span<const expected_element> elements() const { return elements_; }
  [[nodiscard]] double code(const expected_element& element) const {
    return load(after_ + (element.address - before_), tensor_.dtype);
  }
  [[nodiscard]] double scale() const { return scale_; }

  /** 1 / (QMAX / greatest) in fp32, of a greatest within its slack; 0 below 2^-100. */
  [[nodiscard]] bool has_right_scale() const {
    constexpr double few_units = 0x1p-21;
    constexpr double least = 0x1p-100;
    if (has_no_number_) return std::isnan(scale_);
    const bool own = tensor_.bits != rounding_bits::contract;
    if (own && greatest_ == 0) return std::isfinite(scale_);
    if (scale_ == 0) return greatest_ - slack_ < least;
    return greatest_ + slack_ >= least &&
           scale_ * format_.most >= (greatest_ - slack_) * (1 - few_units) &&
           scale_ * format_.most <= (greatest_ + slack_) * (1 + few_units);
  }

  [[nodiscard]] bool has_right_code(const expected_element& element) const {
    if (has_no_number_ || scale_ == 0) return code(element) == 0;
    const double value = element.value / scale_;
    const double slack = slack_of(element) / scale_ + std::abs(value) * 0x1p-22;
    return rounded(value - slack, element, false) <= code(element) &&
           code(element) <= rounded(value + slack, element, true);
  }

 private:
  static double slack_of(const expected_element& element) {
    return std::max(part_of_terms * element.terms, element.slack);
  }

  /** By bits that are not ours, down or up. */
  [[nodiscard]] double rounded(double value, const expected_element& element, bool up) const {
    if (!tensor_.stochastic) return format_.nearest(value);
    if (tensor_.bits == rounding_bits::contract) return format_.dithered(value, element.random);
    const bool by_magnitude = tensor_.dtype == dtype::float8_e4m3;
    const bool all_set = by_magnitude ? up == (value > 0) : up;
    return format_.dithered(value, all_set ? 0xffffu : 0u);
  }

  const expected_tensor& tensor_;
  const code_format& format_;
  std::span<const expected_element> elements_;
  const std::byte* before_;
  const std::byte* after_;
  double scale_;
  bool has_no_number_ = false;
  double greatest_ = 0;
  double slack_ = 0;
};

tensor_error compare_rows(const expected_tensor& expected, const std::byte* before,
                          const std::byte* after) {
  tensor_error result;
  const double largest = largest_magnitude(expected);
  const code_format& format = code_format_of(expected.dtype);
  for (const expected_row& row : expected.rows) {
    const row_check check{expected, row, before, after};
    const bool right_scale = check.has_right_scale();
    for (const expected_element& element : check.elements()) {
      const double code = check.code(element);
      const double error = std::abs(code * check.scale() - element.value);
      if (largest > 0) result.of_largest = std::max(result.of_largest, error / largest);
      if (check.scale() > 0)
        result.ulps = std::max(result.ulps, error / check.scale() / format.spacing(code));
      if (right_scale && check.has_right_code(element)) continue;
      if (result.failures++ > 0) continue;
      std::ostringstream text;
      text.precision(9);
      text << expected.name << " at byte " << element.address - before << ": expected "
           << element.value << ", got code " << code << " of scale " << check.scale()
           << (right_scale ? "" : ", which is wrong");
      result.first_failure = text.str();
    }
  }
  return result;
}

}  // namespace

tensor_error compare(const expected_tensor& expected, const std::byte* before,
                     const std::byte* after) {
  if (is_scaled(expected.dtype)) return compare_rows(expected, before, after);
  tensor_error result;
  const double largest = largest_magnitude(expected);
  for (const expected_element& element : expected.elements) {
    const double slack = std::max(relative_tolerance * largest, element.slack);
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

testing::AssertionResult untouched(std::span<const expected_tensor* const> written,
                                   std::span<const std::byte> before,
                                   std::span<const std::byte> after) {
  std::vector<bool> owned(before.size());
  for (const expected_tensor* tensor : written) {
    for (const expected_element& element : tensor->elements) {
      const auto offset = element.address - before.data();
      std::fill_n(owned.begin() + offset, size_of(tensor->dtype), true);
    }
    for (const expected_row& row : tensor->rows)
      std::fill_n(owned.begin() + (row.scale - before.data()), size_of(dtype::float32), true);
  }
  std::size_t changed = 0;
  std::size_t first = 0;
  for (std::size_t byte = before.size(); byte-- > 0;) {
    if (owned[byte] || before[byte] == after[byte]) continue;
    ++changed;
    first = byte;
  }
  if (changed == 0) return testing::AssertionSuccess();
  return testing::AssertionFailure()
         << changed << " bytes changed that no sequence owns, the first "
         << "at byte " << first;
}

testing::AssertionResult untouched(const expected_result& expected,
                                   std::span<const std::byte> before,
                                   std::span<const std::byte> after) {
  return untouched(std::array{&expected.state, &expected.out}, before, after);
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
