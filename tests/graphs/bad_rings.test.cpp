#include "tests/support/bad_rings.hpp"

#include "tests/graphs/replay.hpp"

#include <ssugraph/ssugraph.hpp>

#include <gtest/gtest.h>

#include <string>

namespace ssugraph::test {
namespace {

/** The argument that building a pipeline of this layer is refused for. */
std::string refused_argument(const ssu_args& args, mamba_config config = {}) {
  try {
    pipeline_builder builder{config, bucket_policy{{3}}, target::host};
    builder.ssu("layer", args);
    (void)builder.build();
  } catch (const invalid_argument& error) {
    return error.argument();
  }
  return "nothing";
}

/** With cursors and with plans of the caller's own. */
TEST(bad_rings, of_a_pipeline_name_operand_and_step) {
  for (const ring_binding binding : {ring_binding::cursor, ring_binding::plan}) {
    ring_case good = good_rings();
    const ssu_args right = without_seed(bound_to(good.args(), binding));
    const arena before = good.test().memory;
    EXPECT_EQ(refused_argument(right), "nothing");
    for (const bad_rings& bad : all_bad_rings(binding)) {
      ssu_args args = right;
      bad.spoil(args);
      EXPECT_EQ(refused_argument(args), "layer." + bad.argument) << bad.name;
    }
    EXPECT_TRUE(good.test().memory == before);
  }
}

}  // namespace
}  // namespace ssugraph::test
