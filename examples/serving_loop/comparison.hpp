#pragma once

#include <ssugraph/tensor_view.hpp>

#include <cstddef>
#include <stdexcept>
#include <string_view>

namespace serving_loop {

/** A step did something else than it should. Says where, and the numbers. */
class check_failure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/** How far results are from those of the reference. */
struct difference {
  double error = 0;     ///< the largest, as a share of what is tolerated
  double elements = 0;  ///< share of the elements that are stored as something else
};

/** Floats, or codes and a scale for each `row` of them. */
struct stored_numbers {
  const void* data;
  const float* scales = nullptr;
  std::size_t row = 1;
};

/** How far two results may be apart. */
struct tolerance {
  double units = 1;                ///< in the last place, for being rounded
  double share = 1e-5;             ///< of the largest magnitude, for sums in another order
  bool zeroes_subnormals = false;  ///< a zero may stand for what is no normal number
};

/**
 * Compares `count` elements. Both sides round values that are a share of the largest magnitude
 * apart, in one way that keeps their order: the results may be that and one unit in the last place
 * apart; two where they are rounded in two ways. The unit is the dtype's at the element, 1 of an
 * integer and none of fp32, times the scale. Throws check_failure if an error is larger; `what` is
 * in its text.
 */
difference compare(std::string_view what, const stored_numbers& got, const stored_numbers& want,
                   ssugraph::dtype type, std::size_t count, const tolerance& allowed = {});

}  // namespace serving_loop
