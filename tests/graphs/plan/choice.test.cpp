#include "graphs/plan/choice.hpp"

#include "tests/support/ssu_case.hpp"

#include <ssugraph/ssugraph.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

/** How a pipeline chooses by the times of candidates, whoever measured them. */
namespace ssugraph::test {
namespace {

using detail::timing_table;

/** A plan that is only chosen, never run. */
class one_way final : public detail::planned_step {
 public:
  one_way(std::int64_t sequences, detail::plan_choice choice)
      : sequences_{sequences}, choice_{std::move(choice)} {}

  std::int64_t sequences() const override { return sequences_; }
  detail::plan_choice choice() const override { return choice_; }
  std::string text() const override { return choice_.label(); }
  detail::plan_fields fields() const override { return {}; }
  std::int64_t bytes(std::int64_t, std::int64_t) const override { return 0; }
  bool equals(const planned_step& other) const override { return choice_ == other.choice(); }
  const std::vector<candidate_timing>& timings() const override { return timings_; }
  void set_timings(std::vector<candidate_timing> timings) override {
    timings_ = std::move(timings);
  }
  void enqueue(std::span<const tensor_view>, stream_handle) const override {
    FAIL() << "nothing is to run";
  }

 private:
  std::int64_t sequences_;
  detail::plan_choice choice_;
  std::vector<candidate_timing> timings_;
};

/** A step that can be run in any way. */
class two_ways final : public detail::checked_step {
 public:
  two_ways() : checked_step{{}} {}

  std::string problem() const override { return "left or right"; }
  std::shared_ptr<const checked_step> on(detail::bound_tensors,
                                         std::optional<device>) const override {
    return nullptr;
  }
  std::shared_ptr<const checked_step> on_multiprocessors(int) const override { return nullptr; }
  std::string why_not(const detail::planned_step&) const override { return {}; }
  std::shared_ptr<detail::planned_step> plan(std::int64_t sequences) const override {
    return plan(sequences, {"two_ways", "left"});
  }
  std::shared_ptr<detail::planned_step> plan(std::int64_t sequences,
                                             const detail::plan_choice& choice) const override {
    return std::make_shared<one_way>(sequences, choice);
  }
  bool is_measured() const override { return true; }
  std::vector<detail::plan_choice> candidates(std::int64_t) const override { return {}; }
};

class choice : public testing::Test {
 protected:
  static timing_table timed(double left_us, double right_us) {
    return {{"two_ways", "left", left_us, 0.5, {}}, {"two_ways", "right", right_us, 0.5, {}}};
  }

  static std::vector<std::string> algorithms(const detail::bucket_plans& plans) {
    std::vector<std::string> names;
    for (const auto& planned : plans)
      names.push_back(planned->choice().algorithm);
    return names;
  }

  const bucket_policy buckets_{{1, 2, 4}};
  const two_ways step_;
};

TEST_F(choice, takes_the_fastest_of_each_bucket) {
  const std::vector tables{timed(1, 2), timed(3, 2), timed(4, 4.4)};
  const auto plans = detail::choose(step_, buckets_, tables, false);
  EXPECT_EQ(algorithms(plans), (std::vector<std::string>{"left", "right", "left"}));
  for (std::size_t i = 0; i < plans.size(); ++i) {
    EXPECT_EQ(plans[i]->sequences(), buckets_.buckets()[i]);
    ASSERT_EQ(plans[i]->timings().size(), 2u);
    EXPECT_EQ(plans[i]->timings()[0].verdict, "chosen");
    EXPECT_LE(plans[i]->timings()[0].median_us, plans[i]->timings()[1].median_us);
  }
  EXPECT_EQ(plans[2]->timings()[1].verdict, "10.0% slower");
}

TEST_F(choice, may_be_one_for_all_buckets) {
  // Right loses the first bucket by a little and wins the others by more.
  const std::vector tables{timed(1, 1.1), timed(3, 2), timed(4, 3.9)};
  const auto plans = detail::choose(step_, buckets_, tables, true);
  EXPECT_EQ(algorithms(plans), (std::vector<std::string>{"right", "right", "right"}));
  EXPECT_EQ(plans[0]->timings()[0].algorithm, "left");
  EXPECT_EQ(plans[0]->timings()[1].verdict, "chosen for all buckets");
}

TEST_F(choice, a_bucket_that_was_not_measured_takes_the_largest_that_was) {
  const std::vector tables{timed(1, 2), timed(3, 2)};
  const auto plans = detail::choose(step_, buckets_, tables, false);
  EXPECT_EQ(algorithms(plans), (std::vector<std::string>{"left", "right", "right"}));
  EXPECT_EQ(plans[2]->sequences(), 4);
  ASSERT_EQ(plans[2]->timings().size(), 1u);
  EXPECT_NE(plans[2]->timings()[0].verdict.find("as bucket 2"), std::string::npos);
}

TEST(ssu_plan, is_equal_to_one_that_was_measured_apart) {
  ssu_plan one;
  one.timings = {{"native", "8x128", 1.0, 0.5, "chosen"}};
  ssu_plan other = one;
  other.timings.front().median_us = 5.0;
  EXPECT_EQ(one, other);
  EXPECT_NE(to_table(one), to_table(other));
  other.algorithm = "scalar";
  EXPECT_NE(one, other);
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
