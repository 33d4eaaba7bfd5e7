#include "tests/support/ring_execution.hpp"

#include "tests/support/float_format.hpp"

#include <ssugraph/device.hpp>
#include <ssugraph/dispatch.hpp>
#include <ssugraph/rings.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <ostream>
#include <span>

namespace ssugraph::test {
namespace {

/** `args` as an eager call takes them. */
ssu_args with_plan(ssu_args args) {
  args.ring_cursor = {};
  return args;
}

ring_execution eager(const std::string& name, const std::string& backend, place where) {
  const auto start = [backend](const ssu_case& test, std::byte* base, stream_handle stream) {
    mamba_config config = test.config;
    config.backend = backend;
    const auto dispatch = std::make_shared<ssu_dispatch>(config);
    return [=](const ssu_case& now) {
      const ssu_args args = first_sequences(with_plan(now.args_at(base)), now.batch);
      dispatch->selective_state_update(args, stream);
    };
  };
  return {.name = name,
          .where = where,
          .backend = backend,
          .sequences = [](const ssu_case& test) { return test.batch; },
          .start = start};
}

ring_plan_args plan_args_of(const ssu_args& args, std::int64_t ring_rows) {
  return {.ring_plan = args.ring_plan,
          .ring_cursor = args.ring_cursor,
          .state_batch_indices = args.state_batch_indices,
          .num_accepted_tokens = args.num_accepted_tokens,
          .cu_seqlens = args.cu_seqlens,
          .null_block_id = args.null_block_id,
          .max_seqlen = args.max_seqlen,
          .checkpoint_interval = args.checkpoint_interval,
          .ring_rows = ring_rows};
}

ssu_addresses addresses_of(const ssu_args& args) {
  return {.state = args.state.data(),
          .x = args.x.data(),
          .dt = args.dt.data(),
          .A = args.A.data(),
          .B = args.B.data(),
          .C = args.C.data(),
          .D = args.D.data(),
          .z = args.z.data(),
          .dt_bias = args.dt_bias.data(),
          .out = args.out.data(),
          .state_batch_indices = args.state_batch_indices.data(),
          .num_accepted_tokens = args.num_accepted_tokens.data(),
          .cu_seqlens = args.cu_seqlens.data(),
          .rand_seed = args.rand_seed.data(),
          .state_scale = args.state_scale.data(),
          .x_ring = args.x_ring.data(),
          .B_ring = args.B_ring.data(),
          .dt_ring = args.dt_ring.data(),
          .ring_plan = args.ring_plan.data(),
          .rounding_key = args.rounding_key.data()};
}

std::span<const std::byte> bytes(const arena& memory) {
  return {memory.data(), memory.size()};
}

void keep_worst(tensor_error& worst, const tensor_error& error) {
  worst.of_largest = std::max(worst.of_largest, error.of_largest);
  worst.ulps = std::max(worst.ulps, error.ulps);
}

}  // namespace

std::ostream& operator<<(std::ostream& stream, const ring_execution& how) {
  return stream << how.name;
}

ring_execution reference_rings() {
  return eager("reference_eager", "reference", place::host);
}

ring_execution native_rings() {
  return eager("native_eager", "native", place::device);
}

ring_execution planned_rings(const ring_execution& how) {
  ring_execution planned = how;
  planned.name = how.backend + "_planned";
  planned.planner = ring_planner::plan_rings;
  planned.start = [start = how.start](const ssu_case& test, std::byte* base,
                                      stream_handle stream) -> ring_stepper {
    const std::int64_t rows = with_all_axes(test.layout).x_ring.extent(2);
    return [=, run = start(test, base, stream)](const ssu_case& now) {
      plan_rings(plan_args_of(first_sequences(now.args_at(base), now.batch), rows), stream);
      run(now);
    };
  };
  return planned;
}

ring_execution prepared_rings(const ring_execution& how) {
  ring_execution prepared = how;
  prepared.name = how.backend + "_prepared";
  prepared.start = [backend = how.backend](const ssu_case& test, std::byte* base,
                                           stream_handle stream) -> ring_stepper {
    mamba_config config = test.config;
    config.backend = backend;
    const ssu_args all = first_sequences(with_plan(test.args_at(base)), test.capacity);
    const ssu_call call = ssu_dispatch{config}.prepare(all);
    return [=](const ssu_case& now) { call.launch(addresses_of(all), now.batch, stream); };
  };
  return prepared;
}

bool can_run(const ring_execution& how) {
  return how.where == place::host || has_cuda_device();
}

ring_run::ring_run(const ring_spec& spec, const ring_execution& how, random_engine engine)
    : how_{how},
      engine_{engine},
      case_{spec, engine_},
      tracker_{case_.args().state.extent(0), spec.sizes()},
      history_{spec.sizes()},
      memory_{how.where, case_.test().memory},
      stream_{how.where} {
  // A cursor of zero bytes is a fresh one, as that of any slot that no request has had.
  for (std::int64_t slot = 0; slot < case_.args().state.extent(0); ++slot) {
    for (std::int64_t column = 0; column < 4; ++column)
      store_index(address_of(case_.args().ring_cursor, slot, column), dtype::int32, 0);
  }
  for (const std::int64_t slot : case_.slots())
    admit(slot, pick(engine_, 0, 3 * spec.interval));
  run_ = how.start(case_.test(), memory_.data(), stream_.get());
}

void ring_run::admit(std::int64_t slot, std::int64_t position) {
  tracker_.set(slot, case_.admit(slot, position, engine_));
  begin(slot);
}

void ring_run::copy_slot(std::int64_t from, std::int64_t to) {
  const ssu_args args = case_.args();
  for (const tensor_view& tensor : {args.state, args.state_scale, args.x_ring, args.B_ring,
                                    args.dt_ring, args.ring_cursor, args.rounding_key}) {
    if (!tensor) continue;
    const auto size = static_cast<std::size_t>(size_of(tensor.dtype()));
    const std::int64_t apart = (to - from) * tensor.stride(0) * size_of(tensor.dtype());
    for_each_element(slot_of(tensor, from),
                     [&](std::byte* address) { std::memcpy(address + apart, address, size); });
  }
  tracker_.set(to, tracker_.cursor(from));
  history_.copy(from, to);
}

void ring_run::set_cursor(std::int64_t slot, const ring_cursor& cursor) {
  tracker_.set(slot, cursor);
  std::memcpy(address_of(case_.args().ring_cursor, slot, 0), &cursor, sizeof cursor);
}

testing::AssertionResult ring_run::random_step() {
  for (const std::int64_t slot : case_.slots()) {
    if (chance(engine_, 0.02)) admit(slot, pick(engine_, 0, 3 * case_.spec().interval));
  }
  case_.next_step(pick(engine_, 1, case_.spec().call.capacity), engine_);
  const auto dead = static_cast<dead_rows>(pick(engine_, 0, 3));
  return step(dead);
}

testing::AssertionResult ring_run::step(dead_rows dead) {
  return step_by(tracker_.plan(case_.live_args()), dead);
}

testing::AssertionResult ring_run::step_by(const std::vector<ring_plan_row>& plan, dead_rows dead) {
  ssu_case& test = case_.test();
  plan_ = plan;
  case_.put_plan(plan_, dead, engine_);
  const bool is_keyed = case_.spec().has_key;
  const std::uint64_t draw = is_keyed ? 0 : test.random.next_draw;
  const std::int64_t seed = oracle_draw(test.random.seed, draw);
  store_index(case_.args().rand_seed.data(), dtype::int64, seed);
  arena before = test.memory;
  run_on_memory();
  if (test.config.stochastic_rounding) ++test.random.next_draw;

  const ssu_args args = first_sequences(test.args_at(before.data()), test.batch);
  ring_result expected = history_.step(args, plan_, test.config, seed);
  expected_result padded{{}, std::move(expected.out)};
  if (!args.cu_seqlens) {
    expect_zero_rows(padded, test.args_at(before.data()).out, test.batch, how_.sequences(test));
  }
  expected.out = std::move(padded.out);
  return compare_step(expected, before);
}

void ring_run::run_on_memory() {
  ssu_case& test = case_.test();
  memory_.write(0, bytes(test.memory));
  run_(test);
  stream_.wait();
  memory_.read(0, {test.memory.data(), test.memory.size()});
}

testing::AssertionResult ring_run::step_anyhow() {
  arena before = case_.test().memory;
  run_on_memory();
  const ssu_args args = case_.test().args_at(before.data());
  std::vector<expected_tensor> tensors;
  for (const tensor_view& tensor : {args.state, args.state_scale, args.out, args.x_ring,
                                    args.B_ring, args.dt_ring, args.ring_cursor, args.ring_plan}) {
    const bool is_plan = tensor == args.ring_cursor || tensor == args.ring_plan;
    if (!tensor || (is_plan && how_.planner == ring_planner::caller)) continue;
    expected_tensor& written = tensors.emplace_back();
    written.dtype = tensor.dtype();
    for_each_element(tensor, [&](std::byte* address) { written.elements.push_back({address, 0}); });
  }
  std::vector<const expected_tensor*> written;
  for (const expected_tensor& tensor : tensors)
    written.push_back(&tensor);
  return untouched(written, bytes(before), bytes(case_.test().memory));
}

testing::AssertionResult ring_run::compare_step(const ring_result& expected, arena& before) {
  const arena& after = case_.test().memory;
  ++errors_.steps;
  for (const ring_plan_row& row : plan_)
    errors_.checkpoints += row.flush > 0 ? 1 : 0;
  std::vector<const expected_tensor*> written{&expected.state, &expected.out, &expected.x_ring,
                                              &expected.B_ring, &expected.dt_ring};
  for (const expected_tensor* tensor : written) {
    const tensor_error error = compare(*tensor, before.data(), after.data());
    if (tensor == &expected.state) keep_worst(errors_.state, error);
    if (tensor == &expected.out) keep_worst(errors_.out, error);
    if (error.failures == 0) continue;
    return testing::AssertionFailure()
           << "step " << errors_.steps << ": " << error.failures << " of "
           << tensor->elements.size() << " elements are off; " << error.first_failure;
  }
  const std::vector<expected_tensor> plans = written_by_planner(before);
  for (const expected_tensor& tensor : plans)
    written.push_back(&tensor);
  if (auto same = untouched(written, bytes(before), bytes(after)); !same)
    return same << " (step " << errors_.steps << ")";
  if (auto same = cursors_agree(); !same) return same;
  if (auto same = plans_agree(); !same) return same;
  errors_.drift = std::max(errors_.drift, history_.drift(case_.args()));
  if (errors_.drift <= 1) return testing::AssertionSuccess();
  return testing::AssertionFailure()
         << "checkpoints drifted by " << errors_.drift << " of what their roundings may add up to";
}

std::vector<expected_tensor> ring_run::written_by_planner(arena& before) {
  expected_tensor cursors{.name = "ring_cursor", .dtype = dtype::int32, .elements = {}, .rows = {}};
  expected_tensor plans{.name = "ring_plan", .dtype = dtype::int32, .elements = {}, .rows = {}};
  if (how_.planner == ring_planner::caller) return {};
  const ssu_args args = case_.test().args_at(before.data());
  for (const ring_plan_row& row : plan_) {
    for (std::int64_t column = 0; row.slot >= 0 && column < 4; ++column)
      cursors.elements.push_back({address_of(args.ring_cursor, row.slot, column), 0});
  }
  if (how_.planner == ring_planner::prologue) return {cursors};
  for_each_element(args.ring_plan.with_extent(0, std::ssize(plan_)), [&](std::byte* address) {
    plans.elements.push_back({address, 0});
  });
  return {cursors, plans};
}

testing::AssertionResult ring_run::plans_agree() {
  if (how_.planner != ring_planner::plan_rings) return testing::AssertionSuccess();
  for (std::int64_t i = 0; i < std::ssize(plan_); ++i) {
    const ring_plan_row& expected = plan_[static_cast<std::size_t>(i)];
    ring_plan_row got;
    std::memcpy(&got, address_of(case_.args().ring_plan, i, 0), sizeof got);
    const bool is_null = got.slot < 0 || got.slot >= case_.args().state.extent(0);
    if (expected.slot < 0 ? is_null || got.length == 0 : got == expected) continue;
    return testing::AssertionFailure() << "the plan of sequence " << i << " is another";
  }
  return testing::AssertionSuccess();
}

testing::AssertionResult ring_run::cursors_agree() {
  if (how_.planner == ring_planner::caller) return testing::AssertionSuccess();
  const tensor_view cursors = case_.args().ring_cursor;
  for (const ring_plan_row& row : plan_) {
    if (row.slot < 0) continue;
    const ring_cursor& expected = tracker_.cursor(row.slot);
    ring_cursor got;
    std::memcpy(&got, address_of(cursors, row.slot, 0), sizeof got);
    if (got == expected) continue;
    return testing::AssertionFailure()
           << "cursor of slot " << row.slot << " is (" << got.start << ", " << got.count << ", "
           << got.pending << ", " << got.position << "), not (" << expected.start << ", "
           << expected.count << ", " << expected.pending << ", " << expected.position << ")";
  }
  return testing::AssertionSuccess();
}

std::vector<std::byte> ring_run::bytes_of(tensor_view ssu_args::*member) {
  const tensor_view tensor = case_.args().*member;
  std::vector<std::byte> all;
  for_each_element(tensor.with_extent(0, case_.test().live_rows), [&](std::byte* address) {
    all.insert(all.end(), address, address + size_of(tensor.dtype()));
  });
  return all;
}

std::vector<std::byte> ring_run::state(std::int64_t slot) {
  std::vector<std::byte> all;
  for (const tensor_view& tensor : {case_.args().state, case_.args().state_scale}) {
    if (!tensor) continue;
    for_each_element(slot_of(tensor, slot), [&](std::byte* address) {
      all.insert(all.end(), address, address + size_of(tensor.dtype()));
    });
  }
  return all;
}

}  // namespace ssugraph::test
