#include "tests/support/cursor_model.hpp"
#include "tests/support/device.hpp"
#include "tests/support/ssu_case.hpp"

#include <ssugraph/device.hpp>
#include <ssugraph/error.hpp>
#include <ssugraph/rings.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

/** Plans of eager calls, against a plain model of cursors. */
namespace ssugraph::test {
namespace {

using integers = std::vector<std::int64_t>;

/** The tensors of calls, in one memory. */
struct planning {
  planning(place where, std::int64_t sequences, std::int64_t slots, dtype index) : most{sequences} {
    arena_layout layout;
    cursor.ring_plan = layout.add(dtype::int32, {sequences, 8}, {12, 1});
    cursor.ring_cursor = layout.add(dtype::int32, {slots, 4}, {8, 1});
    cursor.state_batch_indices = layout.add(index, {sequences, 3}, {5, 1});
    cursor.num_accepted_tokens = layout.add(index, {sequences}, {2});
    cursor.cu_seqlens = layout.add(index, {sequences + 1});
    tracker.ring_start = layout.add(dtype::int32, {slots}, {3});
    tracker.prev_tokens = layout.add(dtype::int32, {slots});
    tracker.positions = layout.add(dtype::int32, {slots}, {2});
    const arena content{layout.bytes()};
    memory.emplace_back(where, content);
    for (tensor_view* tensor : {&cursor.ring_plan, &cursor.ring_cursor, &cursor.state_batch_indices,
                                &cursor.num_accepted_tokens, &cursor.cu_seqlens,
                                &tracker.ring_start, &tracker.prev_tokens, &tracker.positions}) {
      *tensor =
          tensor->at(memory.front().data() + reinterpret_cast<std::uintptr_t>(tensor->data()));
    }
    tracker.ring_plan = cursor.ring_plan;
    tracker.state_batch_indices = cursor.state_batch_indices;
    tracker.cu_seqlens = cursor.cu_seqlens;
  }

  /** The first column. */
  void write(const tensor_view& tensor, const integers& values) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      const auto wide = values[i];
      const auto narrow = static_cast<std::int32_t>(wide);
      const std::size_t at = offset(tensor, i);
      if (tensor.dtype() == dtype::int64) {
        memory.front().write(at, std::as_bytes(std::span{&wide, 1}));
      } else {
        memory.front().write(at, std::as_bytes(std::span{&narrow, 1}));
      }
    }
  }
  template <class Row>
  void write_row(const tensor_view& tensor, std::size_t i, const Row& row) {
    memory.front().write(offset(tensor, i), std::as_bytes(std::span{&row, 1}));
  }
  template <class Row>
  [[nodiscard]] std::vector<Row> rows(const tensor_view& tensor, std::int64_t count) const {
    std::vector<Row> all(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < all.size(); ++i)
      memory.front().read(offset(tensor, i), std::as_writable_bytes(std::span{&all[i], 1}));
    return all;
  }
  [[nodiscard]] std::size_t offset(const tensor_view& tensor, std::size_t i) const {
    const auto first = static_cast<std::byte*>(tensor.data()) - memory.front().data();
    return static_cast<std::size_t>(first + static_cast<std::int64_t>(i) * tensor.stride(0) *
                                                size_of(tensor.dtype()));
  }

  std::int64_t most;
  ring_plan_args cursor;
  tracker_plan_args tracker;
  std::vector<placed_memory> memory;
};

class planned_rings : public testing::TestWithParam<place> {
 protected:
  void SetUp() override {
    if (GetParam() == place::device && !has_cuda_device()) GTEST_SKIP() << "no CUDA device";
  }

  static void follow_the_model(std::int64_t interval, std::int64_t max_seqlen, std::int64_t spare,
                               dtype index, bool has_bounds) {
    constexpr std::int64_t slots = 300;
    constexpr std::int64_t null_block = 7;
    const std::int64_t ring_rows = interval + 2 * max_seqlen - 1 + spare;
    planning calls{GetParam(), 270, slots, index};  // more than a block of threads has
    const placed_stream stream{GetParam()};
    cursor_model model{slots, interval, ring_rows};
    for (std::size_t slot = 0; slot < slots; ++slot)
      calls.write_row(calls.cursor.ring_cursor, slot, ring_cursor{});
    random_engine engine{base_seed()};
    for (int step = 0; step < 60; ++step) {
      SCOPED_TRACE("step " + std::to_string(step));
      integers sources(slots);
      for (std::size_t i = 0; i < slots; ++i)
        sources[i] = static_cast<std::int64_t>(i);
      std::ranges::shuffle(sources, engine);
      const std::int64_t count = step % 5 == 0 ? calls.most : pick(engine, 0, 9);
      sources.resize(static_cast<std::size_t>(count));
      integers bounds{0};
      integers accepted;
      std::vector<ring_plan_row> expected;
      for (std::int64_t& slot : sources) {
        if (chance(engine, 0.1)) slot = pick(engine, 0, 1) == 0 ? null_block : slots + 3;
        const std::int64_t length = has_bounds ? pick(engine, 0, max_seqlen) : 1;
        bounds.push_back(bounds.back() + length);
        accepted.push_back(pick(engine, 0, max_seqlen));
        const bool is_live = slot != null_block && slot < slots && length > 0;
        expected.push_back(is_live ? model.step(slot, length, accepted.back()) : ring_plan_row{});
      }
      calls.write(calls.cursor.state_batch_indices, sources);
      calls.write(calls.cursor.num_accepted_tokens, accepted);
      calls.write(calls.cursor.cu_seqlens, bounds);
      ring_plan_args args = calls.cursor;
      args.cu_seqlens = has_bounds ? args.cu_seqlens.with_extent(0, count + 1) : tensor_view{};
      if (!has_bounds) args.ring_plan = args.ring_plan.with_extent(0, count);
      args.null_block_id = null_block;
      args.max_seqlen = max_seqlen;
      args.checkpoint_interval = interval;
      args.ring_rows = ring_rows;
      plan_rings(args, stream.get());
      stream.wait();
      ASSERT_EQ(calls.rows<ring_plan_row>(args.ring_plan, count), expected);
      ASSERT_EQ(calls.rows<ring_cursor>(args.ring_cursor, slots), model.cursors());
    }
  }
};

TEST_P(planned_rings, follow_a_plain_model) {
  follow_the_model(16, 1, 0, dtype::int32, false);
  follow_the_model(1, 1, 3, dtype::int64, false);
  follow_the_model(16, 4, 0, dtype::int32, true);
  follow_the_model(16, 16, 0, dtype::int64, true);
  follow_the_model(64, 3, 10, dtype::int32, true);
}

TEST_P(planned_rings, of_sequences_without_indices_and_counts) {
  planning calls{GetParam(), 3, 4, dtype::int32};
  const placed_stream stream{GetParam()};
  calls.write_row(calls.cursor.ring_cursor, 0, ring_cursor{});
  calls.write_row(calls.cursor.ring_cursor, 1, ring_cursor{.start = 2, .count = 3, .pending = 1});
  calls.write_row(calls.cursor.ring_cursor, 2, ring_cursor{.start = 9});
  ring_plan_args args = calls.cursor;
  args.state_batch_indices = args.num_accepted_tokens = args.cu_seqlens = {};
  args.checkpoint_interval = 4;
  args.ring_rows = 5;
  plan_rings(args, stream.get());
  stream.wait();
  const std::vector<ring_plan_row> expected{{0, 0, 0, 1, 1, 0, 0, 0}, {2, 4, 4, 1, 1, 1, 4, 0}, {}};
  EXPECT_EQ(calls.rows<ring_plan_row>(args.ring_plan, 3), expected);
  const auto cursors = calls.rows<ring_cursor>(args.ring_cursor, 3);
  EXPECT_EQ(cursors[1], (ring_cursor{.start = 1, .count = 0, .pending = 1, .position = 4}));
  EXPECT_EQ(cursors[2], ring_cursor{.start = 9}) << "which no step left";
}

TEST_P(planned_rings, by_trackers_of_other_engines) {
  planning calls{GetParam(), 5, 4, dtype::int64};
  const placed_stream stream{GetParam()};
  calls.write(calls.tracker.ring_start, {0, 11, 3, 5});
  calls.write(calls.tracker.prev_tokens, {0, 14, 15, 0});
  calls.write(calls.tracker.positions, {0, 100, 200, 300});
  calls.write(calls.tracker.state_batch_indices, {1, 2, 0, 3, 9});
  calls.write(calls.tracker.cu_seqlens, {0, 2, 4, 6, 6, 8});
  tracker_plan_args args = calls.tracker;
  args.max_seqlen = 2;
  plan_from_trackers(args, stream.get());
  stream.wait();
  std::vector<ring_plan_row> expected{
      {11, 14, 0, 2, 2, 1, 100, 0}, {3, 15, 15, 2, 2, 2, 215, 0}, {}, {}, {}};
  EXPECT_EQ(calls.rows<ring_plan_row>(args.ring_plan, 5), expected);
  args.null_block_id = -1;
  args.positions = {};
  plan_from_trackers(args, stream.get());
  stream.wait();
  expected[0].position = expected[1].position = 0;
  expected[2] = {0, 0, 0, 2, 2, 0, 0, 0};
  EXPECT_EQ(calls.rows<ring_plan_row>(args.ring_plan, 5), expected);
}

TEST_P(planned_rings, refuse_bad_input_and_change_nothing) {
  planning calls{GetParam(), 4, 6, dtype::int32};
  const planning elsewhere{place::host, 4, 6, dtype::int32};
  const placed_stream stream{GetParam()};
  const arena before = calls.memory.front().read_all();
  const auto refused = [&](const std::function<void(ring_plan_args&)>& change) {
    ring_plan_args args = calls.cursor;
    args.max_seqlen = 2;
    args.ring_rows = 19;
    change(args);
    try {
      plan_rings(args, stream.get());
    } catch (const invalid_argument& error) {
      return error.argument();
    }
    return std::string{"no error"};
  };
  const auto is_refused = [&](tensor_view ring_plan_args::*member, const tensor_view& tensor) {
    return refused([&](ring_plan_args& args) { args.*member = tensor; });
  };
  const ring_plan_args& all = calls.cursor;
  const auto as = [](const tensor_view& tensor, dtype type) {
    return tensor_view{tensor.data(), type, tensor.extents(), tensor.strides()};
  };
  constexpr std::int64_t far = std::int64_t{1} << 62;
  EXPECT_EQ(is_refused(&ring_plan_args::ring_plan, {}), "ring_plan");
  EXPECT_EQ(is_refused(&ring_plan_args::ring_cursor, {}), "ring_cursor");
  EXPECT_EQ(is_refused(&ring_plan_args::ring_plan, as(all.ring_plan, dtype::int64)), "ring_plan");
  EXPECT_EQ(is_refused(&ring_plan_args::ring_cursor, as(all.ring_cursor, dtype::float32)),
            "ring_cursor");
  EXPECT_EQ(
      is_refused(&ring_plan_args::state_batch_indices, as(all.state_batch_indices, dtype::float32)),
      "state_batch_indices");
  EXPECT_EQ(is_refused(&ring_plan_args::ring_plan, all.ring_plan.with_extent(0, 3)), "ring_plan");
  EXPECT_EQ(is_refused(&ring_plan_args::ring_plan, all.ring_plan.with_extent(1, 7)), "ring_plan");
  EXPECT_EQ(is_refused(&ring_plan_args::ring_plan, all.ring_plan.at(nullptr)), "ring_plan");
  EXPECT_EQ(is_refused(&ring_plan_args::ring_plan,
                       all.ring_plan.at(static_cast<std::byte*>(all.ring_plan.data()) + 4)),
            "ring_plan");
  EXPECT_EQ(
      is_refused(&ring_plan_args::ring_plan, {all.ring_plan.data(), dtype::int32, {4, 8}, {4, 1}}),
      "ring_plan");
  EXPECT_EQ(is_refused(&ring_plan_args::ring_plan,
                       {all.ring_plan.data(), dtype::int32, {4, 8}, {far, 1}}),
            "ring_plan");
  EXPECT_EQ(is_refused(&ring_plan_args::ring_plan, all.ring_plan.at(all.ring_cursor.data())),
            "ring_plan");
  EXPECT_EQ(is_refused(&ring_plan_args::ring_cursor,
                       {all.ring_cursor.data(), dtype::int32, {6, 4}, {2, 1}}),
            "ring_cursor");
  EXPECT_EQ(
      is_refused(&ring_plan_args::ring_cursor, {all.ring_cursor.data(), dtype::int32, {6, 3}}),
      "ring_cursor");
  EXPECT_EQ(is_refused(&ring_plan_args::ring_cursor, all.ring_cursor.at(all.cu_seqlens.data())),
            "ring_cursor");
  EXPECT_EQ(
      is_refused(&ring_plan_args::num_accepted_tokens, all.num_accepted_tokens.with_extent(0, 3)),
      "num_accepted_tokens");
  EXPECT_EQ(
      is_refused(&ring_plan_args::state_batch_indices, all.state_batch_indices.with_extent(0, 3)),
      "state_batch_indices");
  EXPECT_EQ(is_refused(&ring_plan_args::cu_seqlens, {}), "cu_seqlens");
  EXPECT_EQ(refused([](ring_plan_args& args) {
              args.state_batch_indices = {};
              args.ring_cursor = args.ring_cursor.with_extent(0, 3);
            }),
            "ring_cursor");
  EXPECT_EQ(refused([](ring_plan_args& args) { args.max_seqlen = 17; }), "max_seqlen");
  EXPECT_EQ(refused([](ring_plan_args& args) { args.max_seqlen = 0; }), "max_seqlen");
  EXPECT_EQ(refused([](ring_plan_args& args) { args.checkpoint_interval = 1; }),
            "checkpoint_interval");
  EXPECT_EQ(refused([](ring_plan_args& args) { args.checkpoint_interval = 65; }),
            "checkpoint_interval");
  EXPECT_EQ(refused([](ring_plan_args& args) { args.ring_rows = 18; }), "ring_rows");
  EXPECT_EQ(refused([](ring_plan_args& args) { args.ring_rows = 129; }), "ring_rows");
  if (GetParam() == place::device) {
    EXPECT_EQ(is_refused(&ring_plan_args::cu_seqlens, elsewhere.cursor.cu_seqlens), "cu_seqlens");
  }
  const auto tracker_refused = [&](tensor_view tracker_plan_args::*member,
                                   const tensor_view& tensor) {
    tracker_plan_args args = calls.tracker;
    args.max_seqlen = 2;
    args.*member = tensor;
    try {
      plan_from_trackers(args, stream.get());
    } catch (const invalid_argument& error) {
      return error.argument();
    }
    return std::string{"no error"};
  };
  const tracker_plan_args& of = calls.tracker;
  EXPECT_EQ(tracker_refused(&tracker_plan_args::ring_start, {}), "ring_start");
  EXPECT_EQ(tracker_refused(&tracker_plan_args::prev_tokens, {}), "prev_tokens");
  EXPECT_EQ(tracker_refused(&tracker_plan_args::prev_tokens, of.prev_tokens.with_extent(0, 5)),
            "prev_tokens");
  EXPECT_EQ(tracker_refused(&tracker_plan_args::positions, of.positions.with_extent(0, 5)),
            "positions");
  EXPECT_EQ(tracker_refused(&tracker_plan_args::ring_start, as(of.ring_start, dtype::int64)),
            "ring_start");
  EXPECT_EQ(tracker_refused(&tracker_plan_args::ring_plan, of.ring_plan.at(of.positions.data())),
            "ring_plan");
  EXPECT_EQ(calls.memory.front().read_all(), before);
}

INSTANTIATE_TEST_SUITE_P(, planned_rings, testing::Values(place::host, place::device),
                         [](const auto& info) {
                           return info.param == place::host ? "host" : "device";
                         });

}  // namespace
}  // namespace ssugraph::test
