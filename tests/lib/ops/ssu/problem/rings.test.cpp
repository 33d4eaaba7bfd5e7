#include "lib/ops/ssu/problem/validate.hpp"
#include "tests/support/bad_rings.hpp"
#include "tests/support/ring_execution.hpp"

#include <ssugraph/ssugraph.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <tuple>

/** What is wrong of calls with rings is said before anything ran. */
namespace ssugraph::test {
namespace {

template <class Call>
std::string refused_argument(Call call) {
  try {
    call();
  } catch (const invalid_argument& error) {
    return error.argument();
  }
  return "nothing";
}

void check_all(ring_binding binding) {
  ring_case good = good_rings();
  const ssu_args right = bound_to(good.live_args(), binding);
  EXPECT_EQ(refused_argument([&] { (void)detail::validate(right, {}, std::nullopt); }), "nothing");
  for (const bad_rings& bad : all_bad_rings(binding)) {
    ssu_args args = right;
    bad.spoil(args);
    const auto validated = [&] { (void)detail::validate(args, {}, std::nullopt); };
    EXPECT_EQ(refused_argument(validated), bad.argument) << bad.name;
  }
}

TEST(bad_rings, with_a_cursor_name_the_operand) {
  check_all(ring_binding::cursor);
}

TEST(bad_rings, with_a_plan_name_the_operand) {
  check_all(ring_binding::plan);
}

TEST(bad_rings, change_nothing_in_an_eager_call) {
  ring_case good = good_rings();
  const ssu_args right = bound_to(good.live_args(), ring_binding::plan);
  const arena before = good.test().memory;
  ssu_dispatch dispatch{{.backend = "reference"}};
  for (const bad_rings& bad : all_bad_rings(ring_binding::plan)) {
    ssu_args args = right;
    bad.spoil(args);
    EXPECT_EQ(refused_argument([&] { dispatch.selective_state_update(args, nullptr); }),
              bad.argument)
        << bad.name;
    EXPECT_EQ(refused_argument([&] { (void)dispatch.prepare(args); }), bad.argument) << bad.name;
  }
  EXPECT_TRUE(good.test().memory == before);
}

TEST(bad_rings, an_eager_call_has_no_cursor) {
  ring_case good = good_rings();
  const ssu_args args = bound_to(good.live_args(), ring_binding::cursor);
  ssu_dispatch dispatch{{.backend = "reference"}};
  EXPECT_EQ(refused_argument([&] { dispatch.selective_state_update(args, nullptr); }),
            "ring_cursor");
  EXPECT_EQ(refused_argument([&] { (void)dispatch.prepare(args); }), "ring_cursor");
}

TEST(bad_rings, stochastic_rounding_needs_a_format_that_rounds) {
  ring_case good = good_rings();
  const ssu_args args = bound_to(good.live_args(), ring_binding::plan);
  const mamba_config config{.backend = "reference", .stochastic_rounding = true};
  EXPECT_EQ(refused_argument([&] { (void)ssu_dispatch{config}.plan(args); }), "state");
}

/** The most that is allowed, and the least. */
TEST(bad_rings, limits_themselves_are_right) {
  for (const auto& [interval, tokens, spare] :
       {std::tuple{1, 1, 0}, {64, 1, 0}, {64, 16, 0}, {16, 16, 0}, {64, 16, 33}, {1, 1, 126}}) {
    ring_spec spec = ring_spec_of(ssu_mode::varlen);
    spec.interval = interval;
    spec.call.max_seqlen = tokens;
    spec.spare_rows = spare;
    random_engine engine{base_seed()};
    ring_case test{spec, engine};
    for (const ring_binding binding : {ring_binding::cursor, ring_binding::plan}) {
      const ssu_args args = bound_to(test.args(), binding);
      EXPECT_EQ(refused_argument([&] { (void)detail::validate(args, {}, std::nullopt); }),
                "nothing")
          << to_string(spec);
    }
  }
}

/** A backend of 0.1: it would take everything, and lacks what came since. */
class backend_of_0_1 : public mamba_ssu_backend {
 public:
  [[nodiscard]] std::string name() const override { return "of_0_1"; }
  [[nodiscard]] support supports(const ssu_problem&) const override { return {}; }
  [[nodiscard]] ssu_plan plan(const ssu_problem& problem, std::int64_t sequences,
                              const std::string&) const override {
    ssu_plan plan;
    plan.backend = name();
    plan.sequences = sequences;
    plan.problem = problem;
    return plan;
  }
  void enqueue(const ssu_plan&, const ssu_args&, std::int64_t, stream_handle) const override {
    ADD_FAILURE() << "it ran";
  }
};

std::string refusal_by(const std::string& backend, const ssu_args& args) {
  try {
    (void)ssu_dispatch{{.backend = backend}}.plan(args);
  } catch (const unsupported& error) {
    EXPECT_EQ(error.refusals().front().backend, backend);
    return error.refusals().front().reason;
  }
  return "none";
}

TEST(bad_rings, a_backend_of_0_1_lacks_the_feature) {
  register_mamba_ssu_backend(std::make_shared<backend_of_0_1>());
  ring_case good = good_rings();
  const ssu_args args = bound_to(good.live_args(), ring_binding::plan);
  const std::string reason = refusal_by("of_0_1", args);
  EXPECT_NE(reason.find("checkpointed"), std::string::npos) << reason;
}

/** Where they are in the build. */
TEST(bad_rings, triton_and_flashinfer_say_why) {
  if (!has_cuda_device()) GTEST_SKIP() << "no CUDA device";
  const ring_case good = good_rings();
  const placed_memory memory{place::device, good.test().memory};
  const ssu_args args = bound_to(
      first_sequences(good.test().args_at(memory.data()), good.test().batch), ring_binding::plan);
  for (const std::string backend : {"triton", "flashinfer"}) {
    if (!can_run(backend_eager(backend))) continue;
    const std::string reason = refusal_by(backend, args);
    EXPECT_NE(reason.find("checkpoint"), std::string::npos) << backend << ": " << reason;
  }
}

}  // namespace
}  // namespace ssugraph::test
