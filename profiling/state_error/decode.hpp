#pragma once

#include "profiling/state_error/sequence.hpp"

#include <ssugraph/target.hpp>
#include <ssugraph/tensor_view.hpp>

#include <cstdint>
#include <vector>

namespace state_error {

/** How the state of a sequence is kept while it is decoded. */
struct storage {
  ssugraph::dtype format;
  bool stochastic;
  std::int64_t every;  ///< tokens of a call, behind the last of which the state is stored
  bool rings;          ///< calls of one token instead, the inputs since the last store in a ring
};

/** out of the library's eager calls: `reference` on the host, `native` on a GPU. */
[[nodiscard]] std::vector<float> decode(const sequence& given, const storage& how,
                                        ssugraph::target where);

}  // namespace state_error
