#include "tests/graphs/target_suite.hpp"
#include "tests/support/float_format.hpp"

#include <ssugraph/ssugraph.hpp>

#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

/** Two lanes of one pipeline on two streams: rows and indices of their own, one state. */
namespace ssugraph::test {
namespace {

constexpr std::int32_t sequences = 6;
constexpr std::size_t layer_count = 3;
constexpr int replays = 100;

/** Layers of 2 * sequences slots; sequence i lives in slot 2 * i + parity. */
std::vector<ssu_case> layers_of_parity(std::int64_t parity) {
  case_spec spec;
  spec.batch = sequences;
  spec.capacity = sequences;
  spec.nheads = 2;
  spec.state_dtype = dtype::bfloat16;
  spec.stochastic_rounding = true;
  spec.has_dst = true;  // for as many slots
  spec.null_block_id = -1;
  auto layers = make_layers(spec, layer_count);
  for (ssu_case& layer : layers) {
    layer.layout.dst_state_batch_indices = {};
    const tensor_view indices = layer.args_at(layer.memory.data()).state_batch_indices;
    for (std::int64_t i = 0; i < sequences; ++i) {
      auto* slot = indices.rank() == 1 ? address_of(indices, i) : address_of(indices, i, 0);
      store_index(slot, indices.dtype(), 2 * i + parity);
    }
  }
  return layers;
}

/** Everything that a lane of `rows` does not share with one of the model that was built on. */
std::vector<binding> rows_and_indices(const model& rows) {
  std::vector<binding> bindings;
  for (std::size_t layer = 0; layer < rows.size(); ++layer) {
    const ssu_args& args = rows.args(layer);
    const auto bind = [&](const std::string& tensor, const tensor_view& view) {
      bindings.push_back({model::name_of(layer), tensor, view.data()});
    };
    bind("x", args.x);
    bind("B", args.B);
    bind("C", args.C);
    bind("dt", args.dt);
    bind("out", args.out);
    bind("state_batch_indices", args.state_batch_indices);
  }
  return bindings;
}

class two_lanes : public target_suite {
 protected:
  void SetUp() override {
    target_suite::SetUp();
    if (IsSkipped()) return;
    even_.emplace(GetParam(), layers_of_parity(0), false);
    odd_.emplace(GetParam(), layers_of_parity(1), false);
    stream_.emplace(where());
    other_.emplace(GetParam());
  }

  static void run(lane lane, std::uint64_t seed, stream_handle stream) {
    lane.set_random_state({seed, 0}, stream);
    for (int i = 0; i < replays; ++i)
      lane.replay(1 + i % sequences, stream);
  }

  std::vector<arena> read() const {
    auto contents = even_->read();
    const auto odd = odd_->read();
    contents.insert(contents.end(), odd.begin(), odd.end());
    return contents;
  }

  std::string refused_argument(const std::function<void()>& call) {
    try {
      call();
    } catch (const invalid_argument& error) {
      return error.argument();
    }
    return "no error";
  }

  std::optional<model> even_;
  std::optional<model> odd_;
  std::optional<placed_stream> stream_;
  std::optional<second_stream> other_;
};

TEST_P(two_lanes, in_flight_together_give_what_they_give_one_after_the_other) {
  const pipeline built = even_->build(bucket_policy::powers_of_two(sequences));
  const auto before_even = even_->read();
  const auto before_odd = odd_->read();
  const auto run_both = [&](bool together) {
    even_->write(before_even);
    odd_->write(before_odd);
    const auto run_even = [&] { run(built.make_lane(stream_->get()), 1, stream_->get()); };
    const auto run_odd = [&] {
      run(built.make_lane(other_->get(), rows_and_indices(*odd_)), 2, other_->get());
    };
    if (together) {
      std::thread second{run_odd};
      run_even();
      second.join();
    } else {
      run_even();
      stream_->wait();
      run_odd();
    }
    stream_->wait();
    other_->wait();
    return read();
  };
  const auto before = read();
  const auto expected = run_both(false);
  EXPECT_NE(expected, before);
  EXPECT_EQ(run_both(true), expected);
}

TEST_P(two_lanes, on_two_streams_may_not_write_the_same_rows) {
  const pipeline built = even_->build(bucket_policy{{6}});
  std::optional<lane> first{built.make_lane(stream_->get())};
  EXPECT_EQ(refused_argument([&] { (void)built.make_lane(other_->get()); }), "layer0.out");
  const lane same_stream = built.make_lane(stream_->get());
  first.reset();
  EXPECT_EQ(refused_argument([&] { (void)built.make_lane(other_->get()); }), "layer0.out");
}

TEST_P(two_lanes, may_use_the_same_rows_one_after_the_other) {
  const pipeline built = even_->build(bucket_policy{{6}});
  std::optional<lane> first{built.make_lane(stream_->get())};
  first->replay(3, stream_->get());
  stream_->wait();
  first.reset();
  lane second = built.make_lane(other_->get());
  second.replay(3, other_->get());
  EXPECT_EQ(second.random_state().next_draw, layer_count);
}

TEST_P(two_lanes, may_not_read_what_the_other_writes) {
  const pipeline built = even_->build(bucket_policy{{6}});
  const lane first = built.make_lane(stream_->get());
  auto bindings = rows_and_indices(*odd_);
  bindings.push_back({"layer2", "x", even_->args(1).out.data()});
  EXPECT_EQ(refused_argument([&] { (void)built.make_lane(other_->get(), bindings); }), "layer2.x");
}

TEST_P(two_lanes, may_not_meet_by_a_move) {
  const pipeline built = even_->build(bucket_policy{{6}});
  lane first = built.make_lane(stream_->get());
  lane second = built.make_lane(stream_->get());
  EXPECT_EQ(refused_argument([&] { second.move_to(other_->get()); }), "layer0.out");
  EXPECT_EQ(second.stream(), stream_->get());
  second.replay(2, stream_->get());
  EXPECT_EQ(second.random_state().next_draw, layer_count);
}

SSUGRAPH_ON_BOTH_TARGETS(two_lanes);

}  // namespace
}  // namespace ssugraph::test
