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
  double elements = 0;  ///< share of the elements that differ
};

/**
 * Compares `count` elements of a floating `type`: one unit in the last place of a 16-bit dtype and
 * 1e-5 of the largest magnitude are tolerated. With `own_rounding`, by other bits than the
 * reference's, that is two units, and a zero in place of what is no normal number. Throws
 * check_failure if an error is larger; `what` is in its text.
 */
difference compare(std::string_view what, const void* got, const void* want, ssugraph::dtype type,
                   std::size_t count, bool own_rounding = false);

}  // namespace serving_loop
