#include "tests/support/ring_suite.hpp"

#include "tests/support/float_format.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <tuple>
#include <vector>

namespace ssugraph::test {

void ring_suite::walk(const ring_spec& spec, int steps) {
  SCOPED_TRACE(to_string(spec) + "; seed " + std::to_string(base_seed()));
  ring_run run{spec, GetParam(), random_engine{base_seed()}};
  for (int i = 0; i < steps; ++i)
    ASSERT_TRUE(run.random_step());
  EXPECT_GT(run.errors().checkpoints, 0);
}

void ring_suite::walk_anything(int cases) {
  for (int i = 0; i < cases; ++i) {
    const std::uint64_t seed = base_seed() + static_cast<std::uint64_t>(i);
    random_engine engine{seed};
    const ring_spec spec = random_ring_spec(engine);
    SCOPED_TRACE(to_string(spec) + "; reproduce with SSUGRAPH_TEST_CASES=1 SSUGRAPH_TEST_SEED=" +
                 std::to_string(seed));
    ring_run run{spec, GetParam(), engine};
    for (int step = 0; step < 12; ++step)
      ASSERT_TRUE(run.random_step());
  }
}

namespace {

constexpr std::array all_formats{dtype::float32, dtype::float16, dtype::bfloat16,
                                 dtype::int16,   dtype::int8,    dtype::float8_e4m3};
constexpr std::array ring_modes{ssu_mode::plain, ssu_mode::varlen};

TEST_P(ring_suite, random_cases_agree_with_float64) {
  walk_anything(case_count(60));
}

TEST_P(ring_ways, random_cases_agree_with_float64) {
  walk_anything(case_count(60));
}

TEST_P(ring_suite, hundreds_of_steps) {
  for (const ssu_mode mode : ring_modes) {
    for (const dtype state : {dtype::float32, dtype::bfloat16, dtype::int8}) {
      ring_spec spec = ring_spec_of(mode);
      spec.call.state_dtype = state;
      spec.call.dim = 8;
      spec.call.dstate = 16;
      ring_run run{spec, GetParam(), random_engine{base_seed()}};
      SCOPED_TRACE(to_string(spec));
      for (int step = 0; step < case_count(400); ++step)
        ASSERT_TRUE(run.random_step());
      const ring_errors& errors = run.errors();
      std::printf(
          "%s %-11s: %ld steps, %ld checkpoints; out %.1e of largest, state %.1e of "
          "largest, %.2f units, drift %.2f of what roundings add up to\n",
          GetParam().name.c_str(), std::string{ssugraph::to_string(state)}.c_str(), errors.steps,
          errors.checkpoints, errors.out.of_largest, errors.state.of_largest, errors.state.ulps,
          errors.drift);
    }
  }
}

TEST_P(ring_suite, every_state_format_nearest_and_stochastic) {
  for (const ssu_mode mode : ring_modes) {
    for (const dtype state : all_formats) {
      for (const bool stochastic : {false, true}) {
        if (stochastic && state == dtype::float32) continue;
        ring_spec spec = ring_spec_of(mode);
        spec.call.state_dtype = state;
        spec.call.io_dtype = dtype::bfloat16;
        spec.call.stochastic_rounding = stochastic;
        walk(spec, 40);
        spec.has_key = stochastic;
        spec.call.io_dtype = dtype::float16;
        spec.call.philox_rounds = stochastic ? 7 : 0;
        walk(spec, 20);
      }
    }
  }
}

TEST_P(ring_suite, shapes_of_models) {
  using shape = std::array<std::int64_t, 4>;  // nheads, dim, dstate, ngroups
  for (const auto& [nheads, dim, dstate, ngroups] :
       {shape{4, 64, 128, 2}, shape{2, 80, 128, 1}, shape{4, 64, 64, 1}, shape{2, 64, 256, 2},
        shape{1, 128, 256, 1}, shape{2, 64, 16, 1}}) {
    for (const dtype state : all_formats) {
      ring_spec spec = ring_spec_of(ssu_mode::varlen);
      std::tie(spec.call.nheads, spec.call.dim, spec.call.dstate, spec.call.ngroups) =
          std::tie(nheads, dim, dstate, ngroups);
      spec.interval = 8;
      spec.call.state_dtype = state;
      spec.call.io_dtype = dtype::bfloat16;
      spec.call.dt_dtype = dtype::bfloat16;
      spec.call.batch = spec.call.capacity = 2;
      spec.call.omit_axes = true;
      walk(spec, 14);
    }
  }
}

TEST_P(ring_suite, odd_shapes) {
  using shape = std::array<std::int64_t, 2>;  // dim, dstate
  for (const auto& [dim, dstate] : {shape{5, 3}, shape{5, 7}, shape{1, 1}, shape{16, 129},
                                    shape{130, 5}, shape{7, 256}, shape{33, 100}}) {
    for (const dtype state : {dtype::float32, dtype::bfloat16, dtype::int8}) {
      ring_spec spec = ring_spec_of(ssu_mode::varlen);
      spec.call.dim = dim;
      spec.call.dstate = dstate;
      spec.call.state_dtype = state;
      spec.call.aligned = false;
      spec.rings = ring_place::strided;
      walk(spec, 24);
    }
  }
}

TEST_P(ring_suite, every_interval_and_length) {
  using pair = std::array<std::int64_t, 2>;  // W, T
  for (const auto& [interval, tokens] :
       {pair{1, 1}, pair{2, 1}, pair{64, 1}, pair{2, 2}, pair{3, 2}, pair{4, 4}, pair{16, 16},
        pair{17, 16}, pair{64, 16}}) {
    for (const dtype state : {dtype::float32, dtype::bfloat16}) {
      ring_spec spec = ring_spec_of(ssu_mode::varlen);
      spec.interval = interval;
      spec.call.max_seqlen = tokens;
      spec.call.state_dtype = state;
      spec.call.batch = spec.call.capacity = 3;
      walk(spec, 60);
      spec.spare_rows = 128 - spec.sizes().rows;  // the longest ring there may be
      walk(spec, 30);
    }
  }
}

TEST_P(ring_suite, gates_limits_and_what_may_be_absent) {
  for (const bool there : {false, true}) {
    for (const ssu_mode mode : ring_modes) {
      ring_spec spec = ring_spec_of(mode);
      spec.call.has_D = spec.call.has_z = there;
      spec.call.has_dt_bias = spec.call.dt_softplus = !there;
      spec.call.io_dtype = dtype::bfloat16;
      walk(spec, 30);
      spec.call.dt_min = 0.05f;
      spec.call.dt_max = 0.5f;
      walk(spec, 30);
      spec.call.has_indices = false;
      spec.has_accepted = !there;
      walk(spec, 30);
    }
  }
}

TEST_P(ring_suite, every_tensor_has_its_own_dtype) {
  constexpr std::array floats{dtype::float32, dtype::float16, dtype::bfloat16};
  for (const dtype x : floats) {
    for (const dtype B : floats) {
      for (const dtype C : floats) {
        ring_spec spec = ring_spec_of(ssu_mode::varlen);
        spec.call.state_dtype = dtype::float16;
        spec.call.io_dtype = x;
        spec.call.B_dtype = B;
        spec.call.C_dtype = C;
        spec.call.out_dtype = C;
        spec.call.z_dtype = B;
        spec.call.has_z = true;
        spec.call.dt_dtype = spec.call.D_dtype = C;
        spec.call.A_dtype = spec.call.dt_bias_dtype = B;
        walk(spec, 16);
      }
    }
  }
}

TEST_P(ring_suite, any_strides) {
  for (const ring_place rings : {ring_place::apart, ring_place::strided, ring_place::in_slot}) {
    for (const bool aligned : {false, true}) {
      for (const dtype state : {dtype::bfloat16, dtype::int8}) {
        ring_spec spec = ring_spec_of(ssu_mode::varlen);
        spec.rings = rings;
        spec.call.aligned = aligned;
        spec.call.state_dtype = state;
        spec.call.io_dtype = dtype::bfloat16;
        walk(spec, 20);
        spec.call.dim_innermost = aligned;
        spec.call.out = out_place::on_x;
        walk(spec, 20);
      }
    }
  }
}

TEST_P(ring_suite, indices_of_either_kind) {
  for (const dtype index : {dtype::int32, dtype::int64}) {
    for (const dtype count : {dtype::int32, dtype::int64}) {
      for (const std::int64_t null : {0, 3, -1}) {
        ring_spec spec = ring_spec_of(ssu_mode::varlen);
        spec.call.index_dtype = index;
        spec.call.count_dtype = count;
        spec.call.null_block_id = null;
        spec.call.null_sequences = true;
        walk(spec, 30);
      }
    }
  }
}

TEST_P(ring_suite, null_and_empty_sequences_touch_nothing) {
  ring_spec spec = ring_spec_of(ssu_mode::varlen);
  ring_run run{spec, GetParam(), random_engine{base_seed()}};
  const std::vector<std::int64_t> slots{1, -1, 2, 3, -1};
  for (int step = 0; step < 30; ++step) {
    run.content().next_step(slots, {2, 3, 0, 4, 0}, run.engine());
    ASSERT_TRUE(run.step());
  }
  // Of all slots, nothing changed but of 1 and 3.
  EXPECT_EQ(run.tracker().cursor(2).pending, 0);
  run.content().next_step({-1, -1, -1}, {1, 2, 0}, run.engine());
  ASSERT_TRUE(run.step());
  run.content().next_step(slots, {0, 0, 0, 0, 0}, run.engine());
  ASSERT_TRUE(run.step());
}

TEST_P(ring_suite, nothing_accepted_is_one_token) {
  for (const std::int64_t accepted : {0, 1, 3, 4}) {
    ring_spec spec = ring_spec_of(ssu_mode::varlen);
    ring_run run{spec, GetParam(), random_engine{base_seed()}};
    run.admit(1, 0);
    std::int64_t position = 0;
    for (int step = 0; step < 40; ++step) {
      run.content().next_step({1}, {4}, run.engine());
      run.content().accept(0, accepted);
      ASSERT_TRUE(run.step());
      position += step == 0 ? 0 : std::max<std::int64_t>(accepted, 1);
      const ring_cursor& cursor = run.tracker().cursor(1);
      ASSERT_EQ(cursor.position + cursor.count, position);
      ASSERT_EQ(cursor.position % 16, 0);
    }
    EXPECT_GT(run.errors().checkpoints, 1);
  }
}

TEST_P(ring_suite, a_flush_leaves_rows_and_wraps_around) {
  ring_spec spec = ring_spec_of(ssu_mode::varlen);
  spec.interval = 5;
  spec.call.state_dtype = dtype::float32;
  ring_run run{spec, GetParam(), random_engine{base_seed()}};
  bool left = false;
  bool wrapped = false;
  for (int step = 0; step < 60; ++step) {
    run.content().next_step({1, 2}, {4, 3}, run.engine());
    run.content().accept(0, 4);
    run.content().accept(1, 2);
    ASSERT_TRUE(run.step());
    for (const ring_plan_row& row : run.plan()) {
      left |= row.flush > 0 && row.flush < row.count;
      wrapped |= row.flush > 0 && row.start + row.flush > spec.sizes().rows;
    }
  }
  EXPECT_TRUE(left && wrapped);
}

/** vLLM's and FlashInfer's rule: all that is live goes into the checkpoint where the step's tokens
 *  would not fit a window of W beside it. */
TEST_P(ring_plans, of_windows_that_fill_up) {
  for (const dtype state : {dtype::float32, dtype::bfloat16, dtype::int8}) {
    for (const std::int64_t length : {1, 3}) {
      ring_spec spec = ring_spec_of(ssu_mode::varlen);
      spec.call.state_dtype = state;
      spec.interval = 8;
      spec.spare_rows = -3;  // as many as the engine needs: W and T
      ring_run run{spec, GetParam(), random_engine{base_seed()}};
      SCOPED_TRACE(to_string(spec));
      ring_plan_row row{.start = 3, .shift = 1, .slot = 2};
      for (int step = 0; step < 30; ++step) {
        run.content().next_step({-1, 2, 3}, {2, length, 0}, run.engine());
        row.length = static_cast<std::int32_t>(length);
        row.flush = row.count + length > spec.interval ? row.count : 0;
        row.position += row.flush;
        ASSERT_TRUE(run.step_by({{}, row, {}}));
        row.start = (row.start + row.flush) % static_cast<std::int32_t>(spec.sizes().rows);
        // Of three drafts, one does not stand.
        row.count += row.length - row.flush - (length == 3 ? 1 : 0);
      }
      EXPECT_GT(run.errors().checkpoints, 2);
    }
  }
}

TEST_P(ring_garbage, stays_inside_the_tensors) {
  for (const dtype state : {dtype::bfloat16, dtype::int8}) {
    for (const ring_place rings : {ring_place::apart, ring_place::strided, ring_place::in_slot}) {
      ring_spec spec = ring_spec_of(ssu_mode::varlen);
      spec.call.state_dtype = state;
      spec.rings = rings;
      ring_run run{spec, GetParam(), random_engine{base_seed()}};
      random_engine& engine = run.engine();
      const auto any = [&] {
        constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max();
        const std::array values{pick(engine, -most - 1, most),
                                pick(engine, -2, 24),
                                most,
                                -most - 1,
                                std::int64_t{128},
                                pick(engine, 0, 12)};
        return values[static_cast<std::size_t>(pick(engine, 0, values.size() - 1))];
      };
      for (int step = 0; step < case_count(100); ++step) {
        run.content().next_step(5, engine);
        const ssu_args args = run.content().args();
        for (const tensor_view& table : {args.ring_cursor, args.ring_plan}) {
          for_each_element(table, [&](std::byte* address) {
            if (chance(engine, 0.6)) store_index(address, dtype::int32, any());
          });
        }
        if (GetParam().planner != ring_planner::caller) {
          for (std::int64_t i = 0; i < 5; ++i)
            run.content().accept(i, any());
        }
        ASSERT_TRUE(run.step_anyhow()) << to_string(spec) << "; step " << step;
      }
    }
  }
}

}  // namespace
}  // namespace ssugraph::test
