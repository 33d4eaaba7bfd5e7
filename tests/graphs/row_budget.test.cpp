#include "graphs/builder.hpp"
#include "graphs/plan/scratch_layout.hpp"
#include "lib/ops/ssu/problem/traffic.hpp"
#include "tests/graphs/target_suite.hpp"
#include "tests/support/float_format.hpp"

#include <ssugraph/ssugraph.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <random>
#include <string>
#include <vector>

/** Pipelines whose sequences share fewer rows than each of them could have. */
namespace ssugraph::test {
namespace {

constexpr std::int32_t most_sequences = 8;

struct budget {
  ssu_mode mode;
  std::int64_t max_seqlen;
  std::int64_t rows;
};

constexpr tensor_view ssu_args::*row_tensors[] = {&ssu_args::x, &ssu_args::dt, &ssu_args::B,
                                                  &ssu_args::C, &ssu_args::z,  &ssu_args::out};

case_spec spec_of(const budget& of) {
  case_spec spec;
  spec.mode = of.mode;
  spec.has_cu_seqlens = of.mode != ssu_mode::plain;
  spec.max_seqlen = of.mode == ssu_mode::plain ? 1 : of.max_seqlen;
  spec.batch = most_sequences;
  spec.capacity = most_sequences;
  spec.nheads = 2;
  spec.has_z = true;
  spec.state_dtype = dtype::bfloat16;
  spec.stochastic_rounding = true;
  return spec;
}

/** With no more rows than the budget has. */
ssu_args cut(ssu_args args, std::int64_t rows) {
  for (auto member : row_tensors) {
    if (args.*member) args.*member = (args.*member).with_extent(0, rows);
  }
  return args;
}

void write_bounds(ssu_case& test, const std::vector<std::int64_t>& bounds) {
  const tensor_view cu = test.args_at(test.memory.data()).cu_seqlens;
  for (std::size_t i = 0; i < bounds.size(); ++i)
    store_index(address_of(cu, static_cast<std::int64_t>(i)), cu.dtype(), bounds[i]);
}

/** A case of `batch` sequences of random lengths, of at most `rows` rows in all. Behind these are
 *  traps. */
ssu_case random_case(const budget& of, std::int64_t batch, std::int64_t rows,
                     random_engine& engine) {
  case_spec spec = spec_of(of);
  spec.batch = batch;
  ssu_case test = make_case(spec, engine);
  const std::int64_t most = std::min(rows, test.live_rows);
  std::vector<std::int64_t> bounds(most_sequences + 1, 0);
  for (std::int64_t i = 0; i < batch; ++i) {
    const std::int64_t left = most - bounds[static_cast<std::size_t>(i)];
    std::fill(bounds.begin() + i + 1, bounds.end(),
              bounds[static_cast<std::size_t>(i)] + pick(engine, 0, std::min(left, of.max_seqlen)));
  }
  write_bounds(test, bounds);
  test.live_rows = bounds.back();
  for (auto member : row_tensors) {
    tensor_view tensor = test.args_at(test.memory.data()).*member;
    for (std::int64_t row = test.live_rows; tensor && row < tensor.extent(0); ++row) {
      for (std::int64_t j = 0; j < tensor.extent(1); ++j) {
        for (std::int64_t k = 0; k < tensor.extent(2); ++k) {
          std::fill_n(const_cast<std::byte*>(address_of(tensor, row, j, k)),
                      size_of(tensor.dtype()), std::byte{0xff});
        }
      }
    }
  }
  return test;
}

class row_budget : public target_suite {
 protected:
  static pipeline_builder builder_of(const budget& of, const mamba_config& config) {
    pipeline_builder builder{config, bucket_policy{{2, 5, most_sequences}}, GetParam()};
    builder.rows(of.rows);
    return builder;
  }

  static execution by(lane_call call, const budget& of) {
    const auto sequences = [](const ssu_case& test) {
      return bucket_policy{{2, 5, most_sequences}}.bucket_for(
          static_cast<std::int32_t>(test.batch));
    };
    const auto run = [=](const ssu_case& test, std::byte* base, stream_handle stream) {
      pipeline_builder builder = builder_of(of, test.config);
      builder.ssu("layer", cut(without_seed(test.args_at(base)), of.rows));
      lane lane = builder.build().make_lane(stream);
      lane.set_random_state(test.random, stream);
      test::run(lane, call, static_cast<std::int32_t>(test.batch), stream);
    };
    return {"budget", where(), sequences, run};
  }

  static std::string refused_argument(const std::function<void()>& call) {
    try {
      call();
    } catch (const invalid_argument& error) {
      return error.argument();
    }
    return "no error";
  }
};

TEST_P(row_budget, is_enough_for_sequences_that_share_it) {
  random_engine engine{base_seed()};
  for (const budget& of :
       {budget{ssu_mode::varlen, 64, 128}, budget{ssu_mode::varlen, 20, 100},
        budget{ssu_mode::speculative, 64, 128}, budget{ssu_mode::speculative, 5, 17}}) {
    for (const std::int64_t batch : {8, 5, 3, 2, 1, 7, 8}) {
      SCOPED_TRACE(to_string(of.mode) + " " + std::to_string(of.rows) + " rows, batch " +
                   std::to_string(batch));
      const std::int64_t bucket = batch <= 2 ? 2 : batch <= 5 ? 5 : 8;
      const std::int64_t rows = std::min(bucket * of.max_seqlen, of.rows);
      const ssu_case test = random_case(of, batch, rows, engine);
      EXPECT_TRUE(agrees_with_float64(test, by(lane_call::replay, of)));
      EXPECT_EQ(run_on_copy(test, by(lane_call::replay, of)),
                run_on_copy(test, by(lane_call::run_eager, of)));
    }
  }
}

TEST_P(row_budget, is_not_exceeded_by_who_breaks_the_promise) {
  random_engine engine{base_seed()};
  const budget of{ssu_mode::varlen, 20, 100};
  ssu_case test = make_case(spec_of(of), engine);
  write_bounds(test, {0, 20, 40, 60, 80, 90, 110, 130, 150});
  // What lies behind the budget is as it was, whatever became of the rows in it.
  arena after = run_on_copy(test, by(lane_call::replay, of));
  const tensor_view before = test.args_at(test.memory.data()).out;
  const tensor_view out = test.args_at(after.data()).out;
  for (std::int64_t row = of.rows; row < out.extent(0); ++row) {
    for (std::int64_t j = 0; j < out.extent(1); ++j) {
      for (std::int64_t k = 0; k < out.extent(2); ++k) {
        ASSERT_TRUE(std::equal(address_of(out, row, j, k), address_of(out, row, j, k) + 4,
                               address_of(before, row, j, k)))
            << row;
      }
    }
  }
}

TEST_P(row_budget, is_refused_where_nothing_can_keep_to_it) {
  const budget of{ssu_mode::varlen, 20, 100};
  const model layers{GetParam(), make_layers(spec_of(of), 1), false};
  const model plain{GetParam(), make_layers(spec_of({ssu_mode::plain, 1, 100}), 1), false};
  pipeline_builder builder = builder_of(of, {.stochastic_rounding = true});
  EXPECT_EQ(refused_argument([&] { builder.rows(-1); }), "rows");
  EXPECT_EQ(refused_argument([&] { builder.ssu("mine", plain.args(0)); }), "mine.cu_seqlens");
  builder.rows(19);
  EXPECT_EQ(refused_argument([&] { builder.ssu("mine", layers.args(0)); }), "mine.rows");
  builder.rows(100);
  EXPECT_EQ(refused_argument([&] { builder.ssu("mine", cut(layers.args(0), 99)); }), "mine.x");
  builder.ssu("mine", cut(layers.args(0), 100));
  EXPECT_THROW(builder.rows(120), invalid_state);
  EXPECT_EQ(builder.build().step_count(), 1u);
  pipeline_builder generous = builder_of({ssu_mode::varlen, 20, 1000}, {});
  EXPECT_EQ(refused_argument([&] { generous.ssu("mine", cut(layers.args(0), 159)); }), "mine.x");
  EXPECT_EQ(refused_argument([&] { generous.ssu("mine", cut(layers.args(0), 160)); }), "no error");
}

TEST_P(row_budget, is_verified_in_checked_mode) {
  const budget of{ssu_mode::varlen, 20, 100};
  std::vector<ssu_case> cases = make_layers(spec_of(of), 1);
  const placed_stream stream{where()};
  const auto found = [&](const std::vector<std::int64_t>& bounds, std::int32_t batch) {
    write_bounds(cases.front(), bounds);
    const model layers{GetParam(), cases, false};
    pipeline_builder builder = builder_of(of, {.stochastic_rounding = true});
    builder.recording({.checked = true}).ssu("mine", cut(layers.args(0), of.rows));
    lane lane = builder.build().make_lane(stream.get());
    lane.replay(batch, stream.get());
    stream.wait();
    return refused_argument([&] { lane.replay(batch, stream.get()); });
  };
  EXPECT_EQ(found({0, 20, 40, 60, 80, 90, 95, 99, 100}, 8), "no error");
  EXPECT_EQ(found({0, 20, 40, 60, 80, 90, 95, 101, 102}, 8), "mine.cu_seqlens[6]");
  EXPECT_EQ(found({0, 20, 40, 60, 80, 90, 95, 101, 102}, 6), "no error") << "not live";
  EXPECT_EQ(found({3, 23, 40, 60, 80, 90, 95, 99, 100}, 2), "no error");
  EXPECT_EQ(found({30, 45, 60, 60, 80, 90, 95, 99, 100}, 2), "mine.cu_seqlens[0]")
      << "a bucket of 2 sequences has 40 rows";
}

TEST_P(row_budget, is_what_custom_steps_are_told) {
  const budget of{ssu_mode::varlen, 20, 100};
  const model layers{GetParam(), make_layers(spec_of(of), 1), false};
  const placed_stream stream{where()};
  const placed_memory scrap{where(), 64};
  std::vector<std::int64_t> rows;
  pipeline_builder builder = builder_of(of, {.stochastic_rounding = true});
  builder.step("mine", [&](const step_context& context, stream_handle on) {
    rows.push_back(context.rows);
    enqueue_copy(where(), scrap.data(), scrap.data() + 32, 32, on);
  });
  builder.ssu("layer", cut(layers.args(0), of.rows));
  lane lane = builder.build().make_lane(stream.get());
  for (const std::int32_t batch : {8, 5, 2})
    lane.run_eager(batch, stream.get());
  stream.wait();
  rows.erase(rows.begin(), rows.end() - 3);
  EXPECT_EQ(rows, (std::vector<std::int64_t>{100, 100, 40}));
}

TEST_P(row_budget, bounds_the_bytes_that_are_counted) {
  const budget of{ssu_mode::varlen, 20, 100};
  const model layers{GetParam(), make_layers(spec_of(of), 1), false};
  const placed_stream stream{where()};
  pipeline_builder builder = builder_of(of, {.stochastic_rounding = true});
  builder.ssu("layer", cut(layers.args(0), of.rows));
  const pipeline built = builder.build();
  lane lane = built.make_lane(stream.get());
  lane.replay(8, stream.get());
  lane.replay(2, stream.get());
  stream.wait();
  const ssu_problem& problem = built.plan(0, 0).problem;
  EXPECT_EQ(lane.stats().moved_bytes,
            static_cast<std::uint64_t>(detail::ssu_traffic(problem, 8, 100) +
                                       detail::ssu_traffic(problem, 2, 40)));
}

/** Candidates are timed on as many sequences as the bucket has, which share its rows. */
TEST_P(row_budget, is_shared_where_plans_are_measured) {
  const budget of{ssu_mode::varlen, 20, 100};
  const model layers{GetParam(), make_layers(spec_of(of), 1), false};
  pipeline_builder builder = builder_of(of, {.stochastic_rounding = true});
  builder.ssu("layer", cut(layers.args(0), of.rows));
  const auto core = detail::pipeline_draft::of(builder).resolve();
  const detail::scratch_layout scratch{core->steps[0].library()->checked->traits(), 1 << 20};
  EXPECT_EQ(scratch.most_sequences_in(std::size_t{1} << 40), 8);
  EXPECT_EQ(scratch.rows_of(8), 100);
  EXPECT_EQ(scratch.rows_of(2), 40);
  if (!on_gpu()) return;
  pipeline_builder measured = builder_of(of, {.backend = "automatic", .stochastic_rounding = true});
  measured.ssu("layer", cut(layers.args(0), of.rows));
  const pipeline built = measured.build();
  for (std::size_t bucket = 0; bucket < 3; ++bucket)
    EXPECT_FALSE(built.plan(0, bucket).timings.empty()) << bucket;
}

SSUGRAPH_ON_BOTH_TARGETS(row_budget);

}  // namespace
}  // namespace ssugraph::test
