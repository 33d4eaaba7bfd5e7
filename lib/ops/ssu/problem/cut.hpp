#pragma once

#include "lib/ops/ssu/problem/operands.hpp"

#include <cstdint>

namespace ssugraph::detail {

/** `args` with the entries of their first `sequences` sequences alone and, where each of them has
 *  one row, the rows. No tensor may have fewer. */
[[nodiscard]] inline ssu_args cut_to(ssu_args args, std::int64_t sequences) {
  for (const ssu_operand& each : ssu_operands) {
    tensor_view& tensor = args.*each.member;
    if (!tensor) continue;
    const std::int64_t entries = tensor.extent(0);
    const std::int64_t rows = args.cu_seqlens ? entries : sequences;
    tensor = tensor.with_extent(0, entries_of(each.what, sequences, rows, entries));
  }
  return args;
}

}  // namespace ssugraph::detail
