#include "lib/state/host_row.hpp"

#include "tests/support/arena.hpp"
#include "tests/support/code_format.hpp"
#include "tests/support/float_format.hpp"
#include "tests/support/ssu_case.hpp"
#include "tests/support/ssu_oracle.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace ssugraph::test {
namespace {

constexpr std::int64_t slots = 2;
constexpr std::int64_t nheads = 2;
constexpr std::int64_t dim = 3;

/** Rows in an arena, at strides that few would choose. */
class placed_rows {
 public:
  placed_rows(dtype type, std::int64_t dstate, const std::vector<std::int64_t>& strides) {
    arena_layout layout;
    state_ = layout.add(type, {slots, nheads, dim, dstate}, strides, 1);
    if (is_scaled(type)) scale_ = layout.add(dtype::float32, {slots, nheads, dim}, {1, -2, 4}, 3);
    memory_ = arena{layout.bytes()};
    const auto here = [&](const tensor_view& tensor) {
      return tensor.at(memory_.data() + reinterpret_cast<std::uintptr_t>(tensor.data()));
    };
    state_ = here(state_);
    if (scale_) scale_ = here(scale_);
  }

  [[nodiscard]] detail::host_row row(std::int64_t slot, std::int64_t head, std::int64_t d) const {
    return {state_, scale_, slot, head, d};
  }
  [[nodiscard]] double stored(std::int64_t slot, std::int64_t head, std::int64_t d,
                              std::int64_t n) const {
    return load(address_of(state_, slot, head, d, n), state_.dtype());
  }
  [[nodiscard]] float scale(std::int64_t slot, std::int64_t head, std::int64_t d) const {
    return static_cast<float>(load(address_of(scale_, slot, head, d), dtype::float32));
  }
  [[nodiscard]] const arena& memory() const { return memory_; }

  /** All that is not of this row as it was in `before`. */
  void expect_untouched(const arena& before, std::int64_t slot, std::int64_t head,
                        std::int64_t d) const {
    std::vector<bool> owned(before.size());
    const auto own = [&](const std::byte* address, std::int64_t size) {
      std::fill_n(owned.begin() + (address - memory_.data()), size, true);
    };
    for (std::int64_t n = 0; n < state_.extent(3); ++n)
      own(address_of(state_, slot, head, d, n), size_of(state_.dtype()));
    if (scale_) own(address_of(scale_, slot, head, d), size_of(dtype::float32));
    for (std::size_t byte = 0; byte < before.size(); ++byte) {
      ASSERT_TRUE(owned[byte] || before.data()[byte] == memory_.data()[byte]) << byte;
    }
  }

 private:
  tensor_view state_;
  tensor_view scale_;
  arena memory_;
};

/** Half-word of element `e` of a slot. */
std::uint32_t random_of(const detail::row_bits& bits, std::int64_t e) {
  const auto low = static_cast<std::uint64_t>(e >> 3) | std::uint64_t{bits.t} << 32;
  const auto words = oracle_philox(static_cast<std::uint64_t>(bits.seed), low,
                                   static_cast<std::uint64_t>(bits.slot), bits.rounds);
  const std::uint32_t word = words[static_cast<std::size_t>((e & 7) / 2)];
  return e % 2 == 0 ? word & 0xffffu : word >> 16;
}

class host_rows : public testing::TestWithParam<dtype> {
 protected:
  static std::vector<float> values(std::int64_t dstate, random_engine& engine) {
    std::vector<float> h(static_cast<std::size_t>(dstate));
    for (float& each : h)
      each = static_cast<float>(uniform(engine, -3, 3));
    return h;
  }

  /** What element n of `h` becomes. */
  static std::vector<double> expected(const std::vector<float>& h, const detail::row_bits* bits) {
    std::vector<std::uint32_t> random;
    for (std::size_t n = 0; bits != nullptr && n < h.size(); ++n)
      random.push_back(random_of(*bits, bits->first + static_cast<std::int64_t>(n)));
    if (is_scaled(GetParam())) return exact_row(GetParam(), h, random).codes;
    const float_format& format = format_of(GetParam());
    std::vector<double> stored;
    for (std::size_t n = 0; n < h.size(); ++n) {
      stored.push_back(bits != nullptr ? format.round_stochastically(h[n], random[n])
                                       : format.decode(format.encode(h[n])));
    }
    return stored;
  }
};

/** Slot, head, d and dstate in any order, gaps, and steps backwards. */
std::vector<std::vector<std::int64_t>> strides_for(std::int64_t dstate) {
  return {{6 * dstate, 3 * dstate, dstate, 1},
          {9 * dstate + 9, -(3 * dstate + 3), dstate + 1, 1},
          {1, 2, 4, 17},
          {-(14 * dstate), 7 * dstate, 2 * dstate + 1, 2},
          {6 * dstate, 3 * dstate, dstate, -1}};
}

TEST_P(host_rows, are_stored_and_loaded_at_any_strides) {
  random_engine engine{base_seed()};
  for (const std::int64_t dstate : {1, 3, 8, 13, 16, 127, 256}) {
    for (const auto& strides : strides_for(dstate)) {
      placed_rows rows{GetParam(), dstate, strides};
      for (std::int64_t d = 0; d < dim; ++d) {
        const std::vector<float> h = values(dstate, engine);
        const arena before = rows.memory();
        detail::store_row(rows.row(1, 1, d), h);
        rows.expect_untouched(before, 1, 1, d);
        const std::vector<double> stored = expected(h, nullptr);
        const bool scaled = is_scaled(GetParam());
        const float scale = scaled ? exact_row(GetParam(), h).scale : 1.0f;
        if (scaled) {
          ASSERT_EQ(rows.scale(1, 1, d), scale);
        }
        std::vector<float> loaded(h.size());
        detail::load_row(rows.row(1, 1, d), loaded);
        for (std::size_t n = 0; n < h.size(); ++n) {
          ASSERT_EQ(rows.stored(1, 1, d, static_cast<std::int64_t>(n)), stored[n]) << h[n];
          ASSERT_EQ(loaded[n], static_cast<float>(stored[n]) * scale);
        }
      }
    }
  }
}

/** Rows do not begin at a multiple of eight elements where dstate is none. */
TEST_P(host_rows, are_rounded_by_the_bits_of_their_elements) {
  if (GetParam() == dtype::float32) GTEST_SKIP() << "fp32 is not rounded";
  random_engine engine{base_seed()};
  for (const std::int64_t dstate : {1, 5, 8, 12, 29, 64}) {
    for (std::int64_t row = 0; row < 24; ++row) {
      placed_rows rows{GetParam(), dstate, strides_for(dstate)[static_cast<std::size_t>(row) % 5]};
      const detail::row_bits bits{.seed = 0x9876'5432,
                                  .first = row * dstate,
                                  .t = static_cast<std::uint32_t>(row % 3),
                                  .slot = row % 2 == 0 ? row : (std::int64_t{1} << 33) + row,
                                  .rounds = row % 2 == 0 ? 10 : 7};
      const std::vector<float> h = values(dstate, engine);
      const arena before = rows.memory();
      detail::store_row(rows.row(0, 1, row % dim), h, &bits);
      rows.expect_untouched(before, 0, 1, row % dim);
      const std::vector<double> stored = expected(h, &bits);
      for (std::int64_t n = 0; n < dstate; ++n) {
        ASSERT_EQ(rows.stored(0, 1, row % dim, n), stored[static_cast<std::size_t>(n)])
            << "dstate " << dstate << " row " << row << " element " << n;
      }
      if (is_scaled(GetParam())) {
        const std::vector<std::uint32_t> any(h.size());
        ASSERT_EQ(rows.scale(0, 1, row % dim), exact_row(GetParam(), h, any).scale);
      }
    }
  }
}

TEST_P(host_rows, of_zero_bytes_are_zeros_and_of_no_number_none) {
  placed_rows rows{GetParam(), 9, strides_for(9)[0]};
  detail::store_row(rows.row(0, 0, 0), std::vector<float>(9, 0.0f));
  std::vector<float> loaded(9, 7.0f);
  detail::load_row(rows.row(0, 0, 0), loaded);
  EXPECT_EQ(loaded, std::vector<float>(9, 0.0f));
  for (std::int64_t n = 0; n < 9; ++n)
    EXPECT_EQ(rows.stored(0, 0, 0, n), 0);
  if (!is_scaled(GetParam())) return;
  EXPECT_EQ(rows.scale(0, 0, 0), 0);
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  for (const float bad : {nan, std::numeric_limits<float>::infinity()}) {
    std::vector<float> h(9, 1.0f);
    h[8] = bad;
    detail::store_row(rows.row(0, 0, 1), h);
    detail::load_row(rows.row(0, 0, 1), loaded);
    for (const float each : loaded)
      EXPECT_TRUE(std::isnan(each));
  }
}

INSTANTIATE_TEST_SUITE_P(, host_rows,
                         testing::Values(dtype::float32, dtype::float16, dtype::bfloat16,
                                         dtype::int8, dtype::int16, dtype::float8_e4m3),
                         [](const auto& info) { return std::string{to_string(info.param)}; });

}  // namespace
}  // namespace ssugraph::test
