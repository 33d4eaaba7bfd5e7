#include "tests/graphs/target_suite.hpp"
#include "tests/support/float_format.hpp"

#include <ssugraph/ssugraph.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

/** Thousands of steps of a changing batch: replay against its oracle, bit for bit. */
namespace ssugraph::test {
namespace {

constexpr std::int32_t most_sequences = 16;
constexpr std::size_t layer_count = 3;

std::vector<ssu_case> layers_of(ssu_mode mode) {
  case_spec spec;
  spec.mode = mode;
  spec.has_cu_seqlens = mode != ssu_mode::plain;
  spec.max_seqlen = mode == ssu_mode::plain ? 1 : 2;
  spec.batch = most_sequences;
  spec.capacity = most_sequences;
  spec.nheads = 2;
  spec.state_dtype = dtype::bfloat16;
  spec.stochastic_rounding = true;
  return make_layers(spec, layer_count);
}

/** `tensor`, which lies in `memory`, in a copy of that memory. */
tensor_view in_copy(const tensor_view& tensor, const placed_memory& memory, arena& copy) {
  return tensor.at(copy.data() + (static_cast<std::byte*>(tensor.data()) - memory.data()));
}

/** Gives two sequences each other's slots. */
void swap_sequences(model& layers, std::int64_t i, std::int64_t j) {
  arena content = layers.memory(0).read_all();
  tensor_view indices = in_copy(layers.args(0).state_batch_indices, layers.memory(0), content);
  if (indices.rank() == 1) indices = indices.with_unit_axis(1);
  for (std::int64_t column = 0; column < indices.extent(1); ++column) {
    auto* first = address_of(indices, i, column);
    auto* second = address_of(indices, j, column);
    std::swap_ranges(first, first + size_of(indices.dtype()), second);
  }
  layers.memory(0).write(0, {content.data(), content.size()});
}

/** Null slot and guard slots, which no sequence owns. */
std::vector<double> unowned_state(const model& layers, std::size_t layer, arena& content,
                                  const placed_memory& memory) {
  std::vector<double> values;
  const tensor_view state = in_copy(layers.args(layer).state, memory, content);
  for (const std::int64_t slot : {std::int64_t{0}, state.extent(0) - 2, state.extent(0) - 1}) {
    for (std::int64_t head = 0; head < state.extent(1); ++head) {
      for (std::int64_t d = 0; d < state.extent(2); ++d) {
        for (std::int64_t n = 0; n < state.extent(3); ++n) {
          values.push_back(load(address_of(state, slot, head, d, n), state.dtype()));
        }
      }
    }
  }
  return values;
}

std::vector<std::int64_t> indices_of(const model& layers, arena& content,
                                     const placed_memory& memory) {
  std::vector<std::int64_t> values;
  tensor_view indices = in_copy(layers.args(0).state_batch_indices, memory, content);
  if (indices.rank() == 1) indices = indices.with_unit_axis(1);
  for (std::int64_t i = 0; i < indices.extent(0); ++i) {
    for (std::int64_t j = 0; j < indices.extent(1); ++j) {
      values.push_back(load_index(address_of(indices, i, j), indices.dtype()));
    }
  }
  std::ranges::sort(values);
  return values;
}

class long_run : public target_suite {
 protected:
  /** Steps both models and compares all of their memory every now and then. */
  static void compare(model& replayed, model& eager, int steps) {
    const placed_stream stream{where()};
    const bucket_policy buckets{{1, 2, 4, 8, 12, 16}};
    lane replaying = replayed.build(buckets).make_lane(stream.get());
    lane oracle = eager.build(buckets).make_lane(stream.get());
    for (lane* lane : {&replaying, &oracle})
      lane->set_random_state({11, 0}, stream.get());
    random_engine engine{base_seed()};
    for (int step = 1; step <= steps; ++step) {
      const auto batch = static_cast<std::int32_t>(pick(engine, 0, most_sequences));
      replaying.replay(batch, stream.get());
      oracle.run_eager(batch, stream.get());
      if (step % 25 != 0) continue;
      ASSERT_EQ(replayed.read(), eager.read()) << "by step " << step;
      const std::int64_t i = pick(engine, 0, most_sequences - 1);
      const std::int64_t j = pick(engine, 0, most_sequences - 1);
      swap_sequences(replayed, i, j);
      swap_sequences(eager, i, j);
    }
    EXPECT_EQ(replaying.random_state(), oracle.random_state());
    EXPECT_GT(replaying.random_state().next_draw, static_cast<std::uint64_t>(steps));
  }
};

TEST_P(long_run, replay_equals_run_eager) {
  for (const ssu_mode mode : {ssu_mode::plain, ssu_mode::varlen, ssu_mode::speculative}) {
    SCOPED_TRACE(to_string(mode));
    const auto cases = layers_of(mode);
    model replayed{GetParam(), cases, true};
    model eager{GetParam(), cases, true};
    auto before = replayed.read();
    ASSERT_NO_FATAL_FAILURE(compare(replayed, eager, on_gpu() ? 10'000 : 300));
    auto after = replayed.read();
    EXPECT_NE(before, after);
    for (std::size_t layer = 0; layer < layer_count; ++layer) {
      placed_memory& memory = replayed.memory(layer);
      EXPECT_EQ(unowned_state(replayed, layer, before[layer], memory),
                unowned_state(replayed, layer, after[layer], memory))
          << "a slot that no sequence owns changed in layer " << layer;
    }
    EXPECT_EQ(indices_of(replayed, before[0], replayed.memory(0)),
              indices_of(replayed, after[0], replayed.memory(0)))
        << "the user's own indices changed";
  }
}

SSUGRAPH_ON_BOTH_TARGETS(long_run);

/** The reference gives the same bits whatever the bucket, so here eager calls are an oracle, too.
 */
TEST(host_pipeline, equals_eager_calls_with_the_seeds_of_the_stream) {
  const auto cases = layers_of(ssu_mode::plain);
  model replayed{target::host, cases, true};
  model called{target::host, cases, true};
  lane lane = replayed.build(bucket_policy{{4, 16}}).make_lane(nullptr);
  lane.set_random_state({5, 40}, nullptr);
  ssu_dispatch dispatch{{.backend = "reference", .stochastic_rounding = true}, 5};
  dispatch.set_random_state({5, 40});
  random_engine engine{base_seed()};
  for (int step = 0; step < 100; ++step) {
    const std::int64_t batch = pick(engine, 1, most_sequences);
    lane.replay(static_cast<std::int32_t>(batch), nullptr);
    for (std::size_t layer = 0; layer < layer_count; ++layer) {
      const ssu_args& args = called.args(layer);
      dispatch.selective_state_update(first_sequences(args, batch), nullptr);
      for (std::int64_t row = batch; row < (batch <= 4 ? 4 : 16); ++row) {
        for (std::int64_t head = 0; head < args.out.extent(1); ++head) {
          for (std::int64_t d = 0; d < args.out.extent(2); ++d) {
            store(address_of(args.out, row, head, d), args.out.dtype(), 0);
          }
        }
      }
    }
    ASSERT_EQ(replayed.read(), called.read()) << "step " << step << ", batch " << batch;
  }
  EXPECT_EQ(lane.random_state(), dispatch.random_state());
}

}  // namespace
}  // namespace ssugraph::test
