#include "lib/step/operand.hpp"

#include <ssugraph/error.hpp>

#include <algorithm>
#include <string>
#include <utility>

namespace ssugraph::detail {

launch_operands operands_of_whole(std::span<const operand> operands) {
  launch_operands all;
  for (std::size_t i = 0; i < operands.size(); ++i) {
    const operand& what = operands[i];
    all.writes[i] = what.is_written();
    all.reads_with_state[i] = what.is_read() && what.comes_with_state();
    all.reads_otherwise[i] = what.is_read() && !what.comes_with_state();
  }
  return all;
}

std::size_t find_operand(std::span<const operand> operands, std::string_view name) {
  return static_cast<std::size_t>(std::ranges::find(operands, name, &operand::name) -
                                  operands.begin());
}

std::size_t find_operand(std::span<const operand> operands, operand_role role) {
  return static_cast<std::size_t>(std::ranges::find(operands, role, &operand::role) -
                                  operands.begin());
}

std::int64_t entries_of(const operand& what, std::int64_t sequences, std::int64_t rows,
                        std::int64_t otherwise) {
  switch (what.leading) {
    case first_axis::rows:
      return rows;
    case first_axis::sequences:
      return sequences;
    case first_axis::boundaries:
      return sequences + 1;
    case first_axis::slots:
    case first_axis::none:
      break;
  }
  return otherwise;
}

bound_tensors first_sequences(std::span<const operand> operands, bound_tensors tensors,
                              std::int64_t sequences, std::int64_t rows) {
  for (std::size_t i = 0; i < operands.size(); ++i) {
    tensor_view& tensor = tensors[i];
    if (!tensor) continue;
    const std::int64_t wanted = entries_of(operands[i], sequences, rows, tensor.extent(0));
    if (tensor.extent(0) < wanted) {
      throw invalid_argument{std::string{operands[i].name},
                             "at least " + std::to_string(wanted) +
                                 " entries on its first axis for " + std::to_string(sequences) +
                                 " sequences of " + std::to_string(rows) + " rows",
                             to_string(tensor)};
    }
    tensor = tensor.with_extent(0, wanted);
  }
  return tensors;
}

}  // namespace ssugraph::detail
