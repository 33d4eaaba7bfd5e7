#include "tests/graphs/replay.hpp"

#include "tests/golden/golden_case.hpp"
#include "tests/support/float_format.hpp"

#include <ssugraph/ssugraph.hpp>

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

namespace ssugraph::test {
namespace {

/** Replays of a bucket of exactly the recorded batch, and of larger ones, which pad it. */
void check_recorded(target where, const std::string& backend = "native") {
  for (const std::int64_t extra_sequences : {0, 1, 5}) {
    check_golden_cases(recorded(where, lane_call::replay, backend), extra_sequences);
  }
}

TEST(golden, host_replay) {
  check_recorded(target::host);
}

TEST(golden, native_replay) {
  if (!has_cuda_device()) GTEST_SKIP() << "no CUDA device";
  check_recorded(target::cuda);
}

TEST(golden, triton_replay) {
  check_recorded(target::cuda, "triton");
}

TEST(golden, flashinfer_replay) {
  check_recorded(target::cuda, "flashinfer");
}

/** The same, with states in every scaled dtype. */
void check_scaled_recorded(target where) {
  for (const std::int64_t extra_sequences : {0, 5})
    check_scaled_golden_cases(recorded(where, lane_call::replay), extra_sequences);
}

TEST(golden, scaled_host_replay) {
  check_scaled_recorded(target::host);
}

TEST(golden, scaled_native_replay) {
  if (!has_cuda_device()) GTEST_SKIP() << "no CUDA device";
  check_scaled_recorded(target::cuda);
}

/** Four layers that round: each replay must consume the four draws that torch's graph did. */
void check_torch_draws(target where) {
  case_spec spec;
  spec.state_dtype = dtype::bfloat16;
  spec.stochastic_rounding = true;
  const auto cases = make_layers(spec, 4);
  const nlohmann::json random = read_golden_random();
  ASSERT_FALSE(random.at("torch_randint").at("cases").empty());
  for (const auto& entry : random.at("torch_randint").at("cases")) {
    const std::vector<std::vector<std::int64_t>> replays = entry.at("graph_replays_of_4");
    model layers{where, cases, false};
    model eager{where, cases, false};
    const placed_stream stream{place_of(where)};
    lane lane = layers.build(bucket_policy{{3}}).make_lane(stream.get());
    lane.set_random_state({entry.at("manual_seed"), 0}, stream.get());
    ssu_dispatch dispatch{
        {.backend = where == target::host ? "reference" : "native", .stochastic_rounding = true}};
    placed_memory seed{place_of(where), sizeof(std::int64_t)};
    for (std::size_t i = 0; i < replays.size(); ++i) {
      ASSERT_EQ(replays[i].size(), 4u);
      lane.replay(3, stream.get());
      for (std::size_t layer = 0; layer < 4; ++layer) {
        seed.write(0, std::as_bytes(std::span{&replays[i][layer], 1}));
        ssu_args args = eager.args(layer);
        args.rand_seed = tensor_view{seed.data(), dtype::int64, {1}};
        dispatch.selective_state_update(args, stream.get());
      }
      stream.wait();
      ASSERT_EQ(layers.read(), eager.read()) << "replay " << i;
    }
    EXPECT_EQ(lane.random_state().next_draw, 4 * replays.size());
  }
}

TEST(golden, host_graph_replays_of_4) {
  check_torch_draws(target::host);
}

TEST(golden, native_graph_replays_of_4) {
  if (!has_cuda_device()) GTEST_SKIP() << "no CUDA device";
  check_torch_draws(target::cuda);
}

}  // namespace
}  // namespace ssugraph::test
