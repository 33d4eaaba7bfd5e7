#include "graphs/choice.hpp"

#include "tests/support/ssu_case.hpp"

#include <ssugraph/error.hpp>
#include <ssugraph/pipeline.hpp>

#include <gtest/gtest.h>

#include <string>
#include <vector>

/** How a pipeline chooses by the times of candidates, whoever measured them. */
namespace ssugraph::test {
namespace {

using detail::timing_table;

/** A backend of two algorithms; it is never run. */
class two_ways : public mamba_ssu_backend {
 public:
  std::string name() const override { return "two_ways"; }
  support supports(const ssu_problem& problem) const override {
    // Nothing that another test runs has no head.
    return problem.nheads == 0 ? support{} : support{"it serves problems of no heads"};
  }
  ssu_plan plan(const ssu_problem& problem, std::int64_t sequences,
                const std::string& algorithm) const override {
    ssu_plan plan;
    plan.backend = name();
    plan.algorithm = algorithm;
    plan.sequences = sequences;
    plan.problem = problem;
    return plan;
  }
  void enqueue(const ssu_plan&, const ssu_args&, std::int64_t, stream_handle) const override {
    FAIL() << "nothing is to run";
  }
};

class choice : public testing::Test {
 protected:
  static void SetUpTestSuite() { register_mamba_ssu_backend(std::make_shared<two_ways>()); }

  static timing_table timed(double left_us, double right_us) {
    return {{"two_ways", "left", left_us, 0.5, {}}, {"two_ways", "right", right_us, 0.5, {}}};
  }

  static std::vector<std::string> algorithms(const std::vector<ssu_plan>& plans) {
    std::vector<std::string> names;
    for (const ssu_plan& plan : plans)
      names.push_back(plan.algorithm);
    return names;
  }

  const bucket_policy buckets_{{1, 2, 4}};
};

TEST_F(choice, takes_the_fastest_of_each_bucket) {
  const std::vector tables{timed(1, 2), timed(3, 2), timed(4, 4.4)};
  const auto plans = detail::choose({}, buckets_, tables, false);
  EXPECT_EQ(algorithms(plans), (std::vector<std::string>{"left", "right", "left"}));
  for (std::size_t i = 0; i < plans.size(); ++i) {
    EXPECT_EQ(plans[i].sequences, buckets_.buckets()[i]);
    ASSERT_EQ(plans[i].timings.size(), 2u);
    EXPECT_EQ(plans[i].timings[0].verdict, "chosen");
    EXPECT_LE(plans[i].timings[0].median_us, plans[i].timings[1].median_us);
  }
  EXPECT_EQ(plans[2].timings[1].verdict, "10.0% slower");
  EXPECT_NE(to_table(plans[1]).find("right"), std::string::npos);
}

TEST_F(choice, may_be_one_for_all_buckets) {
  // Right loses the first bucket by a little and wins the others by more.
  const std::vector tables{timed(1, 1.1), timed(3, 2), timed(4, 3.9)};
  const auto plans = detail::choose({}, buckets_, tables, true);
  EXPECT_EQ(algorithms(plans), (std::vector<std::string>{"right", "right", "right"}));
  EXPECT_EQ(plans[0].timings[0].algorithm, "left");
  EXPECT_EQ(plans[0].timings[1].verdict, "chosen for all buckets");
}

TEST_F(choice, a_bucket_that_was_not_measured_takes_the_largest_that_was) {
  const std::vector tables{timed(1, 2), timed(3, 2)};
  const auto plans = detail::choose({}, buckets_, tables, false);
  EXPECT_EQ(algorithms(plans), (std::vector<std::string>{"left", "right", "right"}));
  EXPECT_EQ(plans[2].sequences, 4);
  EXPECT_NE(to_table(plans[2]).find("as bucket 2"), std::string::npos) << to_table(plans[2]);
}

TEST_F(choice, equal_plans_may_have_been_measured_apart) {
  const auto one = detail::choose({}, buckets_, std::vector<timing_table>{timed(1, 2)}, false);
  const auto other = detail::choose({}, buckets_, std::vector<timing_table>{timed(5, 9)}, false);
  EXPECT_EQ(one, other);
}

TEST(tuning_options, refuses_a_fraction_that_is_none) {
  pipeline_builder builder{{}, bucket_policy{{1}}, target::host};
  for (const double fraction : {0.0, -1.0, 1.5, std::nan("")}) {
    EXPECT_THROW(builder.tuning({.scratch_fraction = fraction}), invalid_argument) << fraction;
  }
  builder.tuning({.scratch_fraction = 1.0});
}

TEST(tuning_options, the_host_has_nothing_to_measure) {
  case_spec spec;
  random_engine engine{base_seed()};
  ssu_case test = make_case(spec, engine);
  pipeline_builder builder{{.backend = "automatic"}, bucket_policy{{1, 3}}, target::host};
  ssu_args args = test.args_at(test.memory.data());
  args.rand_seed = {};
  builder.ssu("layer", args);
  const pipeline built = builder.build();
  EXPECT_EQ(built.plan(0, 1).backend, "reference");
  EXPECT_TRUE(built.plan(0, 1).timings.empty());
}

}  // namespace
}  // namespace ssugraph::test
