#include "lib/step/sequence.hpp"

#include "tests/support/ssu_case.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

/** The rule of rows, slots and nulls, against its words in ssugraph/ssu.hpp, on anything that index
 *  and count tensors may hold. */
namespace ssugraph::test {
namespace {

using detail::no_slot;

/** Integers as a caller may have them: of either width, with gaps. */
class table {
 public:
  table(random_engine& engine, std::int64_t rows, std::int64_t columns, std::int64_t least,
        std::int64_t most)
      : wide_{chance(engine, 0.5)},
        pitch_{columns * 2 + pick(engine, 0, 3)},
        narrow_values_(static_cast<std::size_t>(rows * pitch_), -7),
        wide_values_(narrow_values_.size(), -7) {
    for (std::int64_t i = 0; i < rows; ++i) {
      for (std::int64_t j = 0; j < columns; ++j)
        set(i, j, pick(engine, least, most));
    }
  }

  void set(std::int64_t i, std::int64_t j, std::int64_t value) {
    const auto at = static_cast<std::size_t>(i * pitch_ + 2 * j);
    narrow_values_[at] = static_cast<std::int32_t>(value);
    wide_values_[at] = value;
  }
  [[nodiscard]] std::int64_t at(std::int64_t i, std::int64_t j = 0) const {
    return wide_values_[static_cast<std::size_t>(i * pitch_ + 2 * j)];
  }
  [[nodiscard]] detail::index_tensor view() const {
    const void* data =
        wide_ ? static_cast<const void*>(wide_values_.data()) : narrow_values_.data();
    return {.data = data, .stride = {pitch_, 2}, .wide = wide_};
  }

 private:
  bool wide_;
  std::int64_t pitch_;
  std::vector<std::int32_t> narrow_values_;
  std::vector<std::int64_t> wide_values_;
};

struct random_rule {
  std::int64_t sequences;
  std::int64_t columns;
  std::optional<table> indices, destinations, accepted, bounds;
  detail::sequence_rule rule{};

  explicit random_rule(random_engine& engine)
      : sequences{pick(engine, 1, 6)}, columns{pick(engine, 1, 4)} {
    const std::int64_t slots = pick(engine, 1, 8);
    const auto slot_table = [&] { return table{engine, sequences, columns, -2, slots + 1}; };
    const bool speculative = chance(engine, 0.4);
    rule.slots = slots;
    rule.dst_slots = slots + pick(engine, 0, 2);
    rule.rows = pick(engine, 0, 12);
    rule.max_seqlen = columns;
    rule.null_block_id = pick(engine, -1, slots);
    if (speculative || chance(engine, 0.8)) rule.indices = indices.emplace(slot_table()).view();
    if (indices && chance(engine, 0.5))
      rule.dst_indices = destinations.emplace(slot_table()).view();
    if (destinations && chance(engine, 0.3)) rule.dst_slots = pick(engine, 1, 8);
    if (speculative) rule.accepted = accepted.emplace(engine, sequences, 1, -2, columns + 2).view();
    if (chance(engine, 0.5))
      rule.cu_seqlens = bounds.emplace(engine, sequences + 1, 1, -3, 15).view();
  }

  /** The slot if it exists and is somebody's. */
  [[nodiscard]] std::int64_t somebodys(std::int64_t slot, std::int64_t slots) const {
    const bool exists = slot >= 0 && slot < slots;
    return exists && slot != rule.null_block_id ? slot : no_slot;
  }
};

TEST(sequence_rule, says_which_rows_and_slots_a_sequence_has) {
  random_engine engine{base_seed()};
  SCOPED_TRACE(base_seed());
  for (int i = 0; i < case_count(2000); ++i) {
    const random_rule of{engine};
    for (std::int64_t sequence = 0; sequence < of.sequences; ++sequence) {
      const detail::row_range rows = detail::rows_of(of.rule, sequence);
      std::int64_t begin = sequence;
      std::int64_t length = 1;
      if (of.bounds) {
        // What lies outside the tensor is cut off, and what goes backwards is empty.
        begin = std::min(std::max<std::int64_t>(of.bounds->at(sequence), 0), of.rule.rows);
        const std::int64_t end = std::min(of.bounds->at(sequence + 1), of.rule.rows);
        length = std::min(std::max<std::int64_t>(end - begin, 0), of.columns);
      }
      ASSERT_EQ(rows.begin, begin);
      ASSERT_EQ(rows.length, length);

      std::int64_t source = sequence;
      if (of.indices) {
        std::int64_t column = 0;
        if (of.accepted) {
          column = of.accepted->at(sequence) - 1;
          column = std::min(std::max<std::int64_t>(column, 0), of.columns - 1);
        }
        source = of.somebodys(of.indices->at(sequence, column), of.rule.slots);
      }
      ASSERT_EQ(detail::source_slot(of.rule, sequence), source);

      for (int t = 0; t < rows.length; ++t) {
        std::int64_t destination = no_slot;
        if (of.accepted) {
          const table& written = of.destinations ? *of.destinations : *of.indices;
          destination = of.somebodys(written.at(sequence, t), of.rule.dst_slots);
        } else if (t == rows.length - 1) {
          destination = of.destinations
                            ? of.somebodys(of.destinations->at(sequence), of.rule.dst_slots)
                            : source;
        }
        ASSERT_EQ(detail::destination_slot(of.rule, sequence, source, t, rows.length), destination)
            << t;
      }
    }
  }
}

}  // namespace
}  // namespace ssugraph::test
