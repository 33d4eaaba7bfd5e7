#include "models.hpp"

#include <ssugraph/error.hpp>

#include <gtest/gtest.h>

#include <string>

namespace serving_loop {
namespace {

TEST(models, tp_divides_heads_and_groups) {
  const model whole = find_model("nemotron-h-8b", 1);
  EXPECT_EQ(whole.nheads, 128);
  EXPECT_EQ(whole.ngroups, 8);
  const model rank = find_model("nemotron-h-8b", 4);
  EXPECT_EQ(rank.nheads, 32);
  EXPECT_EQ(rank.ngroups, 2);
  EXPECT_EQ(rank.slot_bytes() * 4, whole.slot_bytes());
}

TEST(models, every_rank_has_a_single_group) {
  EXPECT_EQ(find_model("granite-4-h-small", 8).nheads, 16);
  EXPECT_EQ(find_model("granite-4-h-small", 8).ngroups, 1);
}

TEST(models, tp_divides_the_channels_of_mamba1) {
  const model rank = find_model("falcon-mamba-7b", 8);
  EXPECT_EQ(rank.dim, 1024);
  EXPECT_EQ(rank.conv_width(), 1024 + 2 * 16);
}

TEST(models, refuses_a_tp_that_does_not_divide) {
  EXPECT_THROW((void)find_model("mamba2-2.7b", 3), ssugraph::invalid_argument);
  EXPECT_THROW((void)find_model("nemotron-h-8b", 16), ssugraph::invalid_argument);
  EXPECT_THROW((void)find_model("falcon-mamba-7b", 3), ssugraph::invalid_argument);
  EXPECT_THROW((void)find_model("tiny", 0), ssugraph::invalid_argument);
}

TEST(models, lists_the_names_it_knows) {
  try {
    (void)find_model("mamba", 1);
    FAIL() << "found a model named mamba";
  } catch (const ssugraph::invalid_argument& error) {
    EXPECT_NE(std::string{error.what()}.find(model_names()), std::string::npos);
    EXPECT_NE(model_names().find("falcon-h1-34b"), std::string::npos);
  }
}

}  // namespace
}  // namespace serving_loop
