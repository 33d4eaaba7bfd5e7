#include "tests/support/cursor_model.hpp"

#include <algorithm>
#include <ostream>

namespace ssugraph {

void PrintTo(const ring_cursor& cursor, std::ostream* stream) {
  *stream << "(" << cursor.start << ", " << cursor.count << ", " << cursor.pending << ", "
          << cursor.position << ")";
}

void PrintTo(const ring_plan_row& row, std::ostream* stream) {
  *stream << "(" << row.start << ", " << row.count << ", " << row.flush << ", " << row.length
          << ", " << row.shift << ", slot " << row.slot << ", " << row.position << ")";
}

namespace test {

void cursor_model::attach(std::int64_t slot, std::int64_t position, std::int64_t start) {
  slots_[static_cast<std::size_t>(slot)] = {start, position, position, position, 0};
}

ring_plan_row cursor_model::step(std::int64_t slot, std::int64_t length,
                                 std::optional<std::int64_t> accepted) {
  sequence& of = slots_[static_cast<std::size_t>(slot)];
  std::int64_t stand = of.drafts;
  if (accepted && stand > 0) stand = std::min(std::max<std::int64_t>(*accepted, 1), stand);
  const bool is_first = of.drafts == 0;
  of.settled += stand;
  const ring_cursor before = cursor_of(of);
  const std::int64_t mark = (of.checkpoint / interval_ + 1) * interval_;
  const std::int64_t stored = of.settled >= mark ? mark - of.checkpoint : 0;
  of.checkpoint += stored;
  of.drafts = length;
  return {before.start,
          before.count,
          static_cast<std::int32_t>(stored),
          static_cast<std::int32_t>(length),
          is_first ? 1 : static_cast<std::int32_t>(stand),
          static_cast<std::int32_t>(slot),
          static_cast<std::int32_t>(of.checkpoint),
          0};
}

ring_cursor cursor_model::cursor_of(const sequence& of) const {
  const std::int64_t start = (of.first_row + of.checkpoint - of.first_token) % ring_rows_;
  return {static_cast<std::int32_t>(start), static_cast<std::int32_t>(of.settled - of.checkpoint),
          static_cast<std::int32_t>(of.drafts), static_cast<std::int32_t>(of.checkpoint)};
}

std::vector<ring_cursor> cursor_model::cursors() const {
  std::vector<ring_cursor> all;
  for (const sequence& each : slots_)
    all.push_back(cursor_of(each));
  return all;
}

}  // namespace test
}  // namespace ssugraph
