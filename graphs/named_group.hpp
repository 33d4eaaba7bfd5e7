#pragma once

#include <ssugraph/sequence_group.hpp>
#include <ssugraph/ssu.hpp>

#include <string>

namespace ssugraph::detail {

/** Sequences that steps name instead of binding what tells of them. */
struct named_group {
  std::string name;
  sequence_group sequences;
};

/** `args` with all that `group` has. Throws invalid_argument for what is bound in both. */
[[nodiscard]] ssu_args with_sequences(ssu_args args, const named_group& group);

}  // namespace ssugraph::detail
