#include "tests/graphs/target_suite.hpp"
#include "tests/support/float_format.hpp"
#include "tests/support/ssu_oracle.hpp"

#include <ssugraph/ssugraph.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

/** Steps of the user's between SSU layers: what they are told, and that they run where they stand.
 */
namespace ssugraph::test {
namespace {

constexpr std::int32_t most_sequences = 8;

case_spec spec_of(ssu_mode mode) {
  case_spec spec;
  spec.mode = mode;
  spec.has_cu_seqlens = mode == ssu_mode::varlen;
  spec.has_dst = mode == ssu_mode::speculative;
  spec.max_seqlen = mode == ssu_mode::plain ? 1 : 3;
  spec.batch = most_sequences;
  spec.capacity = most_sequences;
  spec.nheads = 2;
  spec.state_dtype = dtype::bfloat16;
  spec.stochastic_rounding = true;
  return spec;
}

/** What a custom step saw, copied out by the step itself. */
struct sighting {
  std::int32_t live_sequences;
  std::int32_t live_rows;
  std::int32_t first_row;
  std::int64_t seeds[3];
  std::int32_t indices[most_sequences * 3];
  std::int32_t dst_indices[most_sequences * 3];
  std::int32_t accepted[most_sequences];
  std::int32_t boundaries[most_sequences + 1];
};

/** Tensors of the user's, read on the host. Of one model's layer, as it was. */
class users_tensors {
 public:
  users_tensors(model& of, std::size_t layer)
      : content_{of.memory(layer).read_all()}, base_{of.memory(layer).data()} {}

  [[nodiscard]] std::int64_t at(tensor_view view, std::int64_t i, std::int64_t j = 0) {
    view = view.at(content_.data() + (static_cast<std::byte*>(view.data()) - base_));
    return load_index(view.rank() == 2 ? address_of(view, i, j) : address_of(view, i),
                      view.dtype());
  }

 private:
  arena content_;
  const std::byte* base_;
};

class custom_steps : public target_suite {
 protected:
  /** A step that copies what its context shows to a `sighting`, and keeps the context. */
  static step_function seer(std::byte* to, step_context& last) {
    return [to, &last](const step_context& context, stream_handle stream) {
      last = context;
      auto* seen = reinterpret_cast<sighting*>(to);
      const auto copy = [&](auto& field, const void* from, std::size_t bytes) {
        if (bytes != 0) enqueue_copy(where(), &field, from, bytes, stream);
      };
      copy(seen->live_sequences, context.live_sequences, sizeof(std::int32_t));
      copy(seen->live_rows, context.live_rows, sizeof(std::int32_t));
      copy(seen->first_row, context.first_row, sizeof(std::int32_t));
      copy(seen->seeds, context.seeds.data(), context.seeds.size_bytes());
      const auto bytes = [](const tensor_view& view) {
        return view ? static_cast<std::size_t>(view.size() * size_of(view.dtype())) : 0;
      };
      const auto copy_all = [&](auto& field, const tensor_view& view) {
        copy(field, view.data(), bytes(view));
      };
      copy_all(seen->indices, context.state_batch_indices);
      copy_all(seen->dst_indices, context.dst_state_batch_indices);
      copy_all(seen->accepted, context.num_accepted_tokens);
      copy_all(seen->boundaries, context.cu_seqlens);
    };
  }

  static sighting seen_in(const placed_memory& memory, std::size_t place = 0) {
    sighting seen;
    memory.read(place * sizeof(sighting), std::as_writable_bytes(std::span{&seen, 1}));
    return seen;
  }

  static std::string refused_argument(pipeline_builder& builder, const std::string& name,
                                      step_function step, step_options options) {
    try {
      builder.step(name, std::move(step), std::move(options));
    } catch (const invalid_argument& error) {
      return error.argument();
    }
    return "no error";
  }

  /** The elements of `state` and `out` of a layer. */
  static std::vector<double> state_and_out(model& of, std::size_t layer) {
    arena content = of.memory(layer).read_all();
    std::vector<double> values;
    const tensor_view& out = of.args(layer).out;
    for (tensor_view view : {of.args(layer).state, out.with_unit_axis(0)}) {
      view = view.at(content.data() +
                     (static_cast<std::byte*>(view.data()) - of.memory(layer).data()));
      for (std::int64_t i = 0; i < view.extent(0); ++i)
        for (std::int64_t j = 0; j < view.extent(1); ++j)
          for (std::int64_t k = 0; k < view.extent(2); ++k)
            for (std::int64_t l = 0; l < view.extent(3); ++l)
              values.push_back(load(address_of(view, i, j, k, l), view.dtype()));
    }
    return values;
  }

  static step_function nothing() {
    return [](const step_context&, stream_handle) {};
  }
};

TEST_P(custom_steps, see_the_live_batch_their_seeds_and_the_padded_copies) {
  for (const ssu_mode mode : {ssu_mode::plain, ssu_mode::varlen, ssu_mode::speculative}) {
    SCOPED_TRACE(to_string(mode));
    model layers{GetParam(), make_layers(spec_of(mode), 2), false};
    const placed_memory sightings{where(), 2 * sizeof(sighting)};
    const placed_stream stream{where()};
    pipeline_builder builder{{.stochastic_rounding = true}, bucket_policy{{3, 8}}, GetParam()};
    step_context in_front;
    step_context behind;
    builder.step("in front", seer(sightings.data(), in_front), {.seeds = 2});
    builder.ssu("layer0", layers.args(0));
    builder.ssu("layer1", layers.args(1));
    builder.step("behind", seer(sightings.data() + sizeof(sighting), behind), {.seeds = 3});
    const pipeline built = builder.build();
    EXPECT_EQ(built.seeds_per_replay(), 2 + 1 + 1 + 3);
    lane lane = built.make_lane(stream.get());

    users_tensors users{layers, 0};
    random_state random{99, 1000};
    lane.set_random_state(random, stream.get());
    for (const lane_call call : {lane_call::replay, lane_call::run_eager}) {
      for (const std::int32_t batch : {2, 8, 1, 5, 3}) {
        SCOPED_TRACE(batch);
        test::run(lane, call, batch, stream.get());
        stream.wait();
        const std::int32_t bucket = batch <= 3 ? 3 : 8;
        const tensor_view indices = layers.args(0).state_batch_indices;
        const tensor_view dst = layers.args(0).dst_state_batch_indices;
        const tensor_view accepted = layers.args(0).num_accepted_tokens;
        const std::int64_t columns = indices.rank() == 2 ? indices.extent(1) : 1;
        for (const std::size_t place : {0, 1}) {
          const sighting seen = seen_in(sightings, place);
          EXPECT_EQ(seen.live_sequences, batch);
          const tensor_view cu = layers.args(0).cu_seqlens;
          EXPECT_EQ(seen.live_rows, cu ? users.at(cu, batch) - users.at(cu, 0) : batch);
          EXPECT_EQ(seen.first_row, cu ? users.at(cu, 0) : 0);
          for (std::size_t i = 0; i < (place == 0 ? 2u : 3u); ++i) {
            const std::uint64_t consumer = (place == 0 ? 0 : 4) + i;
            EXPECT_EQ(seen.seeds[i], oracle_draw(random.seed, random.next_draw + consumer));
          }
          for (std::int64_t i = 0; i < bucket * columns; ++i) {
            const bool live = i / columns < batch;
            EXPECT_EQ(seen.indices[i], live ? users.at(indices, i / columns, i % columns) : 0) << i;
            if (!dst) continue;
            EXPECT_EQ(seen.dst_indices[i], live ? users.at(dst, i / columns, i % columns) : 0) << i;
          }
          for (std::int64_t i = 0; accepted && i < bucket; ++i)
            EXPECT_EQ(seen.accepted[i], i < batch ? users.at(accepted, i) : 1) << i;
          for (std::int64_t i = 0; cu && i <= bucket; ++i)
            EXPECT_EQ(seen.boundaries[i], users.at(cu, std::min<std::int64_t>(i, batch)));
        }
        random.next_draw += 7;
      }
    }
    for (const step_context& context : {in_front, behind}) {
      EXPECT_EQ(context.null_block_id, 0);
      EXPECT_EQ(context.rows, context.bucket * (mode == ssu_mode::varlen ? 3 : 1));
      EXPECT_EQ(bool{context.dst_state_batch_indices}, mode == ssu_mode::speculative);
      EXPECT_EQ(bool{context.num_accepted_tokens}, mode == ssu_mode::speculative);
      EXPECT_EQ(bool{context.cu_seqlens}, mode == ssu_mode::varlen);
    }
    EXPECT_EQ(lane.random_state(), random);
  }
}

TEST_P(custom_steps, see_where_the_live_rows_begin_and_how_many_they_are) {
  case_spec spec = spec_of(ssu_mode::varlen);
  spec.batch = 4;
  spec.capacity = 4;
  std::vector<ssu_case> cases = make_layers(spec, 1);
  const tensor_view cu = cases[0].args_at(cases[0].memory.data()).cu_seqlens;
  const std::vector<std::int64_t> bounds{6, 7, 8, 10, 10};
  for (std::int64_t i = 0; i <= 4; ++i)
    store_index(address_of(cu, i), cu.dtype(), bounds[static_cast<std::size_t>(i)]);
  const model layers{GetParam(), cases, false};
  const placed_memory sightings{where(), sizeof(sighting)};
  const placed_stream stream{where()};
  step_context last;
  pipeline_builder builder{{.stochastic_rounding = true}, bucket_policy{{4}}, GetParam()};
  builder.step("mine", seer(sightings.data(), last), {.seeds = 2});
  lane lane = builder.ssu("layer", layers.args(0)).build().make_lane(stream.get());
  for (const auto& [batch, rows] : {std::pair{4, 4}, {3, 4}, {2, 2}, {1, 1}}) {
    for (const lane_call call : {lane_call::replay, lane_call::run_eager}) {
      test::run(lane, call, batch, stream.get());
      stream.wait();
      const sighting seen = seen_in(sightings);
      EXPECT_EQ(seen.live_sequences, batch);
      EXPECT_EQ(seen.first_row, 6) << "batch " << batch;
      EXPECT_EQ(seen.live_rows, rows) << "batch " << batch;
    }
  }
}

TEST_P(custom_steps, see_the_copies_of_the_next_layer_and_at_the_end_of_the_last_one) {
  case_spec spec = spec_of(ssu_mode::plain);
  spec.has_dst = true;
  model both{GetParam(), make_layers(spec, 1), false};
  spec.has_dst = false;
  spec.null_block_id = -1;
  model negative{GetParam(), make_layers(spec, 1), false};
  spec.has_indices = false;
  model none{GetParam(), make_layers(spec, 1), false};
  const std::vector<model*> layers{&both, &negative, &none};

  const placed_memory sightings{where(), 4 * sizeof(sighting)};
  const placed_stream stream{where()};
  std::vector<step_context> contexts(4);
  pipeline_builder builder{{.stochastic_rounding = true}, bucket_policy{{8}}, GetParam()};
  for (std::size_t place = 0; place < 4; ++place) {
    builder.step("step" + std::to_string(place),
                 seer(sightings.data() + place * sizeof(sighting), contexts[place]));
    if (place < 3) builder.ssu(model::name_of(place), layers[place]->args(0));
  }
  lane lane = builder.build().make_lane(stream.get());
  lane.replay(5, stream.get());
  stream.wait();
  for (std::size_t place = 0; place < 4; ++place) {
    SCOPED_TRACE(place);
    const sighting seen = seen_in(sightings, place);
    const step_context& context = contexts[place];
    EXPECT_EQ(context.null_block_id, place == 0 ? 0 : -1);
    EXPECT_EQ(bool{context.dst_state_batch_indices}, place == 0);
    users_tensors users{*layers[std::min<std::size_t>(place, 2)], 0};
    const ssu_args& args = layers[std::min<std::size_t>(place, 2)]->args(0);
    for (std::int64_t i = 0; i < most_sequences; ++i) {
      const tensor_view& indices = args.state_batch_indices;
      const std::int64_t live = indices ? users.at(indices, i) : i;
      EXPECT_EQ(seen.indices[i], i < 5 ? live : context.null_block_id) << i;
      if (place > 0) continue;
      EXPECT_EQ(seen.dst_indices[i], i < 5 ? users.at(args.dst_state_batch_indices, i) : 0) << i;
    }
  }
}

TEST_P(custom_steps, run_between_the_layers_where_they_stand) {
  case_spec spec = spec_of(ssu_mode::plain);
  spec.aligned = true;
  const auto cases = make_layers(spec, 3);
  model chained{GetParam(), cases, true};
  model copied{GetParam(), cases, false};
  const placed_stream stream{where()};
  const bucket_policy buckets{{4, 8}};
  lane expected = chained.build(buckets).make_lane(stream.get());

  pipeline_builder builder{{.stochastic_rounding = true}, buckets, GetParam()};
  std::vector<int> calls(3, 0);
  for (std::size_t layer = 0; layer < 3; ++layer) {
    builder.ssu(model::name_of(layer), copied.args(layer));
    if (layer == 2) break;
    builder.step(
        "copy" + std::to_string(layer), [&, layer](const step_context& context, stream_handle on) {
          ++calls[layer];
          const tensor_view from = copied.args(layer).out;
          const tensor_view to = copied.args(layer + 1).x;
          for (std::int64_t row = 0; row < context.rows; ++row) {
            for (std::int64_t head = 0; head < from.extent(1); ++head) {
              const auto bytes = static_cast<std::size_t>(from.extent(2) * size_of(from.dtype()));
              enqueue_copy(where(), address_of(to, row, head, 0), address_of(from, row, head, 0),
                           bytes, on);
            }
          }
        });
  }
  lane own = builder.build().make_lane(stream.get());
  if (on_gpu()) {
    EXPECT_EQ(calls, (std::vector{2, 2, 0})) << "once a bucket";
  }
  const std::vector<int> recorded = calls;
  for (const std::int32_t batch : {8, 3, 4, 7, 1, 8}) {
    expected.replay(batch, stream.get());
    own.replay(batch, stream.get());
  }
  stream.wait();
  for (std::size_t layer = 0; layer < 3; ++layer)
    EXPECT_EQ(state_and_out(copied, layer), state_and_out(chained, layer)) << "layer " << layer;
  if (on_gpu()) {
    EXPECT_EQ(calls, recorded) << "a replay called them";
  }
}

TEST_P(custom_steps, share_scratch_of_the_size_that_each_asks_for) {
  model layers{GetParam(), make_layers(spec_of(ssu_mode::plain), 1), false};
  placed_memory patterns{where(), 3 * 256};
  placed_memory result{where(), 512};
  const placed_stream stream{where()};
  std::vector<std::byte> bytes(3 * 256);
  for (std::size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<std::byte>(i * 7 + i / 256);
  patterns.write(0, bytes);

  pipeline_builder builder{{.stochastic_rounding = true}, bucket_policy{{8}}, GetParam()};
  const auto through_scratch = [&](std::size_t from, std::size_t to) {
    return [&, from, to](const step_context& context, stream_handle on) {
      ASSERT_EQ(context.scratch.size(), 200u + from);
      ASSERT_EQ(reinterpret_cast<std::uintptr_t>(context.scratch.data()) % 256, 0u);
      enqueue_copy(where(), context.scratch.data(), patterns.data() + from, 200, on);
      enqueue_copy(where(), result.data() + to, context.scratch.data(), 200, on);
    };
  };
  builder.step("first", through_scratch(0, 0), {.scratch_bytes = 200});
  builder.ssu("layer", layers.args(0));
  builder.step("second", through_scratch(256, 256), {.scratch_bytes = 456});
  builder.step("none", [&](const step_context& context, stream_handle on) {
    EXPECT_TRUE(context.scratch.empty());
    enqueue_copy(where(), result.data() + 500, patterns.data(), 4, on);
  });
  lane lane = builder.build().make_lane(stream.get());
  lane.replay(3, stream.get());
  stream.wait();
  const arena read = result.read_all();
  EXPECT_EQ(std::memcmp(read.data(), bytes.data(), 200), 0);
  EXPECT_EQ(std::memcmp(read.data() + 256, bytes.data() + 256, 200), 0);
}

TEST_P(custom_steps, refuse_bad_options_and_leave_the_builder_as_it_was) {
  const model layers{GetParam(), make_layers(spec_of(ssu_mode::plain), 1), false};
  pipeline_builder builder{{.stochastic_rounding = true}, bucket_policy{{8}}, GetParam()};
  builder.step("taken", nothing());
  EXPECT_THROW((void)builder.build(), invalid_state) << "no SSU step gives it a device and a T";
  EXPECT_EQ(refused_argument(builder, "taken", nothing(), {}), "name");
  EXPECT_EQ(refused_argument(builder, "", nothing(), {}), "name");
  EXPECT_EQ(refused_argument(builder, "empty", {}, {}), "empty");
  EXPECT_EQ(refused_argument(builder, "seeds", nothing(), {.seeds = -1}), "seeds.seeds");
  EXPECT_EQ(refused_argument(builder, "early", nothing(), {.triggers_early = true}),
            "early.triggers_early");
  const byte_range wraps{reinterpret_cast<void*>(~std::uintptr_t{255}), 512};
  EXPECT_EQ(refused_argument(builder, "writer", nothing(), {.writes = std::vector{wraps}}),
            "writer.writes");
  builder.ssu("layer", layers.args(0));
  EXPECT_EQ(refused_argument(builder, "layer", nothing(), {}), "name");
  const pipeline built = builder.build();
  EXPECT_EQ(built.step_count(), 2u);
  EXPECT_EQ(built.step_index("layer"), 1u);
  EXPECT_THROW((void)built.step_index("nobody"), invalid_argument);
  EXPECT_THROW((void)built.plan(0, 0), invalid_argument) << "a custom step has no plan";
  EXPECT_NO_THROW((void)built.plan(1, 0));
}

TEST_P(custom_steps, may_throw_what_they_like) {
  struct users_error {};
  const model layers{GetParam(), make_layers(spec_of(ssu_mode::plain), 1), false};
  const placed_stream stream{where()};
  pipeline_builder builder{{.stochastic_rounding = true}, bucket_policy{{8}}, GetParam()};
  bool angry = true;
  placed_memory target{where(), 256};
  builder.ssu("layer", layers.args(0));
  builder.step("step", [&](const step_context&, stream_handle on) {
    enqueue_copy(where(), target.data(), target.data() + 128, 64, on);
    if (angry) throw users_error{};
  });
  const pipeline built = builder.build();
  const auto use = [&] {
    lane lane = built.make_lane(stream.get());
    lane.replay(2, stream.get());
    stream.wait();
  };
  EXPECT_THROW(use(), users_error);
  angry = false;
  EXPECT_NO_THROW(use());
}

SSUGRAPH_ON_BOTH_TARGETS(custom_steps);

}  // namespace
}  // namespace ssugraph::test
