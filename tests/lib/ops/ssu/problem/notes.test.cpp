#include "lib/ops/ssu/problem/problem.hpp"

#include <ssugraph/ssu_problem.hpp>

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace ssugraph::test {
namespace {

struct stored {
  dtype state;
  ssu_mode mode;
  std::int64_t max_seqlen;
  bool stochastic;
};

std::vector<std::string> notes_on(const stored& how) {
  ssu_problem problem;
  problem.state_dtype = how.state;
  problem.mode = how.mode;
  problem.max_seqlen = how.max_seqlen;
  problem.stochastic_rounding = how.stochastic;
  return detail::notes_on_format(problem);
}

TEST(notes_on_format, warn_of_one_byte_to_nearest_at_every_token) {
  for (const auto& [how, format] :
       {std::pair{stored{dtype::int8, ssu_mode::plain, 1, false}, "int8"},
        {{dtype::int8, ssu_mode::speculative, 3, false}, "int8"},
        {{dtype::float8_e4m3, ssu_mode::plain, 1, false}, "float8_e4m3"},
        {{dtype::float8_e4m3, ssu_mode::varlen, 1, false}, "float8_e4m3"}}) {
    EXPECT_EQ(notes_on(how),
              std::vector{"rounds " + std::string{format} + " to nearest at every token"})
        << to_string(how.mode);
  }
}

TEST(notes_on_format, are_none_of_what_loses_little) {
  for (const stored& how : {stored{dtype::int16, ssu_mode::plain, 1, false},
                            {dtype::bfloat16, ssu_mode::plain, 1, false},
                            {dtype::int8, ssu_mode::plain, 1, true},
                            {dtype::float8_e4m3, ssu_mode::speculative, 3, true},
                            {dtype::int8, ssu_mode::varlen, 3, false},
                            {dtype::float8_e4m3, ssu_mode::varlen, 3, false}}) {
    EXPECT_EQ(notes_on(how), std::vector<std::string>{})
        << to_string(how.state) << ' ' << to_string(how.mode);
  }
}

}  // namespace
}  // namespace ssugraph::test
