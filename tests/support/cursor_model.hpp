#pragma once

#include <ssugraph/rings.hpp>

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <optional>
#include <vector>

/** The cursors of rings, by the tokens of each sequence alone. */
namespace ssugraph {

///@{
/** As googletest prints them. */
void PrintTo(const ring_cursor& cursor, std::ostream* stream);
void PrintTo(const ring_plan_row& row, std::ostream* stream);
///@}

namespace test {

/** What steps make of the sequences that have slots. */
class cursor_model {
 public:
  cursor_model(std::int64_t slots, std::int64_t interval, std::int64_t ring_rows)
      : interval_{interval}, ring_rows_{ring_rows}, slots_(static_cast<std::size_t>(slots)) {}

  /** An empty ring of `slot`, from row `start` on, behind so many tokens. */
  void attach(std::int64_t slot, std::int64_t position, std::int64_t start);

  /** Steps `length` tokens of `slot`, at least one. `accepted` of those of its last step stand;
   * none said: all. */
  ring_plan_row step(std::int64_t slot, std::int64_t length, std::optional<std::int64_t> accepted);

  [[nodiscard]] std::vector<ring_cursor> cursors() const;

 private:
  struct sequence {
    std::int64_t first_row = 0;    ///< of the ring, for the token at
    std::int64_t first_token = 0;  ///< this position
    std::int64_t checkpoint = 0;   ///< tokens that it has seen
    std::int64_t settled = 0;      ///< tokens that stand
    std::int64_t drafts = 0;       ///< behind them
  };

  [[nodiscard]] ring_cursor cursor_of(const sequence& of) const;

  std::int64_t interval_;
  std::int64_t ring_rows_;
  std::vector<sequence> slots_;
};

}  // namespace test
}  // namespace ssugraph
