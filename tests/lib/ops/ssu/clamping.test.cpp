#include "tests/support/compare.hpp"
#include "tests/support/execution.hpp"
#include "tests/support/float_format.hpp"
#include "tests/support/ssu_suite.hpp"

#include <ssugraph/ssu.hpp>

#include <gtest/gtest.h>

#include <vector>

namespace ssugraph::test {
namespace {

ssu_case speculative_case(std::int64_t capacity = 4) {
  case_spec spec;
  spec.mode = ssu_mode::speculative;
  spec.has_cu_seqlens = true;
  spec.has_dst = true;
  spec.max_seqlen = 3;
  spec.batch = 4;
  spec.capacity = capacity;
  random_engine engine{base_seed()};
  ssu_case test = make_case(spec, engine);
  test.keeps_promises = false;
  return test;
}

/** Writes the entries of a 1-D index tensor of the case. */
void set(ssu_case& test, tensor_view ssu_args::*member, const std::vector<std::int64_t>& values) {
  const tensor_view tensor = test.args_at(test.memory.data()).*member;
  for (std::size_t i = 0; i < values.size(); ++i) {
    store_index(address_of(tensor, i), tensor.dtype(), values[i]);
  }
}

/** Rows that a clamped length reaches need inputs. */
void fill_rows(ssu_case& test) {
  const ssu_args args = test.args_at(test.memory.data());
  for (auto member : {&ssu_args::x, &ssu_args::dt, &ssu_args::B, &ssu_args::C}) {
    const tensor_view& tensor = args.*member;
    for (std::int64_t i = 0; i < tensor.extent(0); ++i) {
      for (std::int64_t j = 0; j < tensor.extent(1); ++j) {
        for (std::int64_t k = 0; k < tensor.extent(2); ++k) {
          store(address_of(tensor, i, j, k), tensor.dtype(),
                0.25 + 0.125 * static_cast<double>(k % 5));
        }
      }
    }
  }
}

TEST_P(clamping, more_accepted_tokens_than_columns) {
  ssu_case test = speculative_case();
  set(test, &ssu_args::num_accepted_tokens, {4, 1'000'000, -3, 0});
  EXPECT_TRUE(agrees_with_float64(test, GetParam()));
}

TEST_P(clamping, sequences_longer_than_they_may_be) {
  ssu_case test = speculative_case();
  fill_rows(test);
  set(test, &ssu_args::cu_seqlens, {0, 5, 6, 11, 12});
  EXPECT_TRUE(agrees_with_float64(test, GetParam()));
}

TEST_P(clamping, a_length_below_zero_counts_as_empty) {
  ssu_case test = speculative_case();
  fill_rows(test);
  set(test, &ssu_args::cu_seqlens, {2, 0, 0, 1, 4});
  EXPECT_TRUE(agrees_with_float64(test, GetParam()));
}

TEST_P(clamping, rows_behind_the_last_one_are_neither_read_nor_written) {
  ssu_case test = speculative_case(5);
  fill_rows(test);
  set(test, &ssu_args::cu_seqlens, {2, 5, 8, 11, 14});
  // The tensors end two rows before the last sequence does, with rows enough for four.
  test.capacity = 4;
  for (auto member : {&ssu_args::x, &ssu_args::dt, &ssu_args::B, &ssu_args::C, &ssu_args::out}) {
    test.layout.*member = (test.layout.*member).with_extent(0, 12);
  }
  const arena before = test.memory;
  const arena after = run_on_copy(test, GetParam());
  ssu_case shorter = test;
  set(shorter, &ssu_args::cu_seqlens, {2, 5, 8, 11, 12});
  const outcome expected = run_and_evaluate(shorter, GetParam());
  EXPECT_NE(before, after);
  const ssu_args args = test.args_at(test.memory.data());
  arena comparable = after;
  store_index(comparable.data() + (address_of(args.cu_seqlens, 4) - test.memory.data()),
              args.cu_seqlens.dtype(), 12);
  EXPECT_EQ(comparable, expected.after);
}

}  // namespace
}  // namespace ssugraph::test
