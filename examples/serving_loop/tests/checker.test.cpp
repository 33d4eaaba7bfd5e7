#include "checker.hpp"

#include "machine.hpp"
#include "models.hpp"
#include "scheduler.hpp"
#include "workload.hpp"

#include <ssugraph/bucket_policy.hpp>
#include <ssugraph/config.hpp>
#include <ssugraph/lane.hpp>
#include <ssugraph/pipeline.hpp>
#include <ssugraph/pipeline_builder.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace serving_loop {
namespace {

constexpr std::uint64_t seed = 11;
constexpr std::array<std::int32_t, 1> followed{1};
const trace requests{{seconds{0}, 10, 3}, {seconds{0}, 20, 3}};

/** Two requests on the host, of which the second is followed, and hands that get in between. */
class served_by_hand {
 public:
  explicit served_by_hand(const served_shape& shape)
      : work_{*on_, shape},
        lane_{make_lane(work_)},
        schedule_{requests,
                  {.max_batch = shape.max_batch,
                   .tokens = shape.tokens,
                   .slots = shape.slots_a_sequence()}},
        check_{*on_, work_, config, seed, followed} {
    lane_.set_random_state({seed, 0}, nullptr);
  }

  void step(const std::function<void()>& before_replay = {},
            const std::function<void()>& after_replay = {}, std::uint64_t skipped_draws = 0) {
    const auto running = schedule_.begin_step();
    work_.prepare(on_->begin_step(), running, schedule_.started());
    if (before_replay) before_replay();
    check_.before(running);
    lane_.replay(static_cast<std::int32_t>(running.size()), nullptr);
    if (after_replay) after_replay();
    check_.after(running, draws_ + skipped_draws);
    draws_ += 2;
    schedule_.end_step();
  }

  /** Element 3 of the first slot of request 1 in layer 1. */
  void damage_state() { damage_state_of(1); }
  void damage_other_request() { damage_state_of(0); }
  /** Of the first row there, by a hundredth. */
  void damage_scale() {
    auto* scale = reinterpret_cast<float*>(slot_of(1) + served().state_bytes());
    *scale = *scale == 0 ? 1 : *scale * 1.01F;
  }
  void damage_out() {
    const served_shape& shape = work_.shape();
    work_.layer(0).out[shape.tokens * shape.model.inner() + 5] ^= 0x4000;
  }

  /** Of the followed request in layer 1: ones in head 0 as the first input of its ring. */
  void damage_ring() {
    constexpr std::uint16_t one = 0x3f80;
    const layer_memory& layer = work_.layer(1);
    const std::int64_t first = slot_number(1) * work_.shape().ring_rows();
    layer.x_ring[first * served().inner()] = one;
    std::fill_n(layer.B_ring + first * served().ngroups * served().dstate, served().dstate, one);
    layer.dt_ring[first * served().nheads] = 1;
  }
  /** As if the slot's last owner had left an input there. */
  void damage_cursor() { work_.layer(1).cursor[4 * slot_number(1) + 1] = 1; }

  const checker& check() const { return check_; }

 private:
  static inline const ssugraph::mamba_config config{.backend = "reference",
                                                    .stochastic_rounding = true};

  static ssugraph::lane make_lane(const workload& work) {
    ssugraph::pipeline_builder builder{
        config, ssugraph::bucket_policy::serving(work.shape().max_batch), ssugraph::target::host};
    builder.ssu("layer 0", work.args(0)).ssu("layer 1", work.args(1));
    return builder.build().make_lane(nullptr);
  }

  const model& served() const { return work_.shape().model; }
  std::int64_t slot_number(std::int32_t request) const {
    return 1 + request * work_.shape().slots_a_sequence();
  }
  std::byte* slot_of(std::int32_t request) {
    return work_.layer(1).state + slot_number(request) * served().slot_bytes();
  }
  void damage_state_of(std::int32_t request) {
    slot_of(request)[3 * ssugraph::size_of(served().state_dtype)] ^= std::byte{0x80};
  }

  std::unique_ptr<machine> on_ = make_machine(ssugraph::target::host, 1024);
  workload work_;
  ssugraph::lane lane_;
  scheduler schedule_;
  checker check_;
  std::uint64_t draws_ = 0;
};

struct served_case {
  const char* name;
  std::int32_t tokens;
  ssugraph::dtype state = ssugraph::dtype::bfloat16;
  std::int32_t checkpoint = 0;
};

model tiny_model(ssugraph::dtype state) {
  model tiny = find_model("tiny", 1);
  tiny.state_dtype = state;
  return tiny;
}

class checking : public testing::TestWithParam<served_case> {
 protected:
  /** The message of the check_failure that `action` throws. */
  static std::string failure_of(const std::function<void()>& action) {
    try {
      action();
    } catch (const check_failure& failure) {
      return failure.what();
    }
    return "no failure";
  }

  served_by_hand serving_{{.model = tiny_model(GetParam().state),
                           .max_batch = 4,
                           .tokens = GetParam().tokens,
                           .speculative = GetParam().tokens > 1,
                           .checkpoint = GetParam().checkpoint}};
};

TEST_P(checking, passes_what_is_right) {
  serving_.step();
  serving_.step();
  EXPECT_EQ(serving_.check().steps(), 2);
  EXPECT_EQ(serving_.check().worst().state, 0);
}

TEST_P(checking, leaves_other_requests_alone) {
  serving_.step();
  serving_.step({}, [&] { serving_.damage_other_request(); });
  EXPECT_EQ(serving_.check().steps(), 2);
}

TEST_P(checking, finds_a_wrong_state) {
  serving_.step();
  const auto damage = [&] { serving_.damage_state(); };
  const std::string text = failure_of([&] { serving_.step({}, damage); });
  EXPECT_NE(text.find("layer 1"), std::string::npos) << text;
  const std::int64_t byte = 3 * ssugraph::size_of(GetParam().state);
  const std::string element =
      GetParam().checkpoint > 0 ? "byte " + std::to_string(byte) : "element 3";
  EXPECT_NE(text.find("state, " + element), std::string::npos) << text;
}

TEST_P(checking, finds_a_wrong_out) {
  const auto damage = [&] { serving_.damage_out(); };
  const std::string text = failure_of([&] { serving_.step({}, damage); });
  EXPECT_NE(text.find("layer 0"), std::string::npos) << text;
  EXPECT_NE(text.find("out, element 5"), std::string::npos) << text;
}

TEST_P(checking, finds_a_state_that_changed_between_steps) {
  serving_.step();
  const auto damage = [&] { serving_.damage_state(); };
  const std::string text = failure_of([&] { serving_.step(damage); });
  const std::int64_t byte = 3 * ssugraph::size_of(GetParam().state);
  EXPECT_NE(text.find("byte " + std::to_string(byte) + " "), std::string::npos) << text;
}

TEST_P(checking, finds_a_slot_that_was_not_reset) {
  const auto damage = [&] { serving_.damage_state(); };
  EXPECT_NE(failure_of([&] { serving_.step(damage); }), "no failure");
}

class checking_bits : public checking {};

TEST_P(checking_bits, finds_another_seed) {
  const std::string text = failure_of([&] { serving_.step({}, {}, 1); });
  EXPECT_NE(text.find("seed"), std::string::npos) << text;
}

const auto stored_every_step = testing::Values(
    served_case{"plain", 1}, served_case{"speculative", 3},
    served_case{"int16", 1, ssugraph::dtype::int16}, served_case{"int8", 1, ssugraph::dtype::int8},
    served_case{"fp8", 3, ssugraph::dtype::float8_e4m3});
const auto checkpointed =
    testing::Values(served_case{"rings", 1, ssugraph::dtype::bfloat16, 2},
                    served_case{"int8_rings", 1, ssugraph::dtype::int8, 2},
                    served_case{"speculative_rings", 2, ssugraph::dtype::float16, 2});
const auto name_of = [](const auto& each) { return each.param.name; };

INSTANTIATE_TEST_SUITE_P(modes, checking, stored_every_step, name_of);
INSTANTIATE_TEST_SUITE_P(modes, checking_bits, stored_every_step, name_of);
INSTANTIATE_TEST_SUITE_P(rings, checking, checkpointed, name_of);

class checking_rings : public checking {};

TEST_P(checking_rings, passes_a_checkpoint) {
  for (int step = 0; step < (GetParam().tokens > 1 ? 2 : 3); ++step)
    serving_.step();
  EXPECT_LE(serving_.check().worst().state, 1);
  EXPECT_LE(serving_.check().worst().out, 1);
}

TEST_P(checking_rings, finds_a_wrong_input_in_a_ring) {
  serving_.step();
  const auto damage = [&] { serving_.damage_ring(); };
  const std::string text = failure_of([&] { serving_.step(damage); });
  EXPECT_NE(text.find("layer 1, slot 2, out, element "), std::string::npos) << text;
}

TEST_P(checking_rings, finds_a_ring_that_was_not_reset) {
  const auto damage = [&] {
    serving_.damage_ring();
    serving_.damage_cursor();
  };
  const std::string text = failure_of([&] { serving_.step(damage); });
  EXPECT_NE(text.find("layer 1, slot 2, out, element "), std::string::npos) << text;
}

INSTANTIATE_TEST_SUITE_P(rings, checking_rings, checkpointed, name_of);

class checking_scaled : public checking {};

TEST_P(checking_scaled, finds_a_wrong_scale) {
  serving_.step();
  const auto damage = [&] { serving_.damage_scale(); };
  const std::string text = failure_of([&] { serving_.step({}, damage); });
  EXPECT_NE(text.find("layer 1"), std::string::npos) << text;
  EXPECT_NE(text.find("state, element "), std::string::npos) << text;
}

TEST_P(checking_scaled, finds_a_scale_that_was_not_reset) {
  const auto damage = [&] { serving_.damage_scale(); };
  EXPECT_NE(failure_of([&] { serving_.step(damage); }), "no failure");
}

INSTANTIATE_TEST_SUITE_P(modes, checking_scaled,
                         testing::Values(served_case{"int16", 1, ssugraph::dtype::int16},
                                         served_case{"int8", 3, ssugraph::dtype::int8}),
                         [](const auto& each) { return each.param.name; });

}  // namespace
}  // namespace serving_loop
