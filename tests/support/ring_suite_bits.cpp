#include "tests/support/code_format.hpp"
#include "tests/support/float_format.hpp"
#include "tests/support/ring_suite.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <vector>

namespace ssugraph::test {
namespace {

constexpr std::array rounded_formats{dtype::float16, dtype::bfloat16, dtype::int16, dtype::int8,
                                     dtype::float8_e4m3};

std::vector<std::byte*> elements_of(const tensor_view& tensor) {
  std::vector<std::byte*> all;
  for_each_element(tensor, [&](std::byte* address) { all.push_back(address); });
  return all;
}

/** Entries from `from` on, along axis 0. */
tensor_view entries(const tensor_view& tensor, std::int64_t from, std::int64_t count) {
  auto* start = static_cast<std::byte*>(tensor.data());
  return tensor.at(start + from * tensor.stride(0) * size_of(tensor.dtype())).with_extent(0, count);
}

void fill(const tensor_view& tensor, double value) {
  for (std::byte* address : elements_of(tensor))
    store(address, tensor.dtype(), value);
}

/** Element by element, whatever the strides. */
void copy(const tensor_view& from, const tensor_view& to) {
  const auto sources = elements_of(from);
  const auto targets = elements_of(to);
  ASSERT_EQ(sources.size(), targets.size());
  for (std::size_t i = 0; i < sources.size(); ++i)
    std::memcpy(targets[i], sources[i], static_cast<std::size_t>(size_of(from.dtype())));
}

/**
 * A checkpoint whose value is known to the bit: A = 0 and dt = 1, from a state of zeros; of the
 * tokens that go into it the first has x = 1, the second x = 2^-6 and all others 0, so that h' =
 * B_0 + 2^-6 B_1, of multiples of 2^-10 that fp32 adds exactly.
 */
class known_checkpoint {
 public:
  known_checkpoint(const ring_spec& spec, const ring_execution& how)
      : run_{spec, how, random_engine{base_seed()}} {
    fill(run_.content().args().A, 0);
  }

  static ring_spec spec(dtype state, dtype io, bool stochastic, bool keyed) {
    ring_spec spec = ring_spec_of(ssu_mode::varlen);
    spec.call.state_dtype = state;
    spec.call.io_dtype = io;
    spec.call.has_D = spec.call.has_dt_bias = spec.call.dt_softplus = false;
    spec.call.stochastic_rounding = stochastic;
    spec.call.philox_rounds = stochastic && keyed ? 5 : 0;
    spec.has_key = keyed;
    spec.has_accepted = false;
    spec.interval = 4;
    spec.call.max_seqlen = 2;
    spec.call.batch = spec.call.capacity = 2;
    spec.call.dim = 16;
    spec.call.dstate = 64;
    return spec;
  }

  /** Slots 1 and 2, from `position` on, until both have stored. */
  void check(std::int64_t position) {
    const std::vector<std::int64_t> slots{1, 2};
    for (const std::int64_t slot : slots)
      start(slot, position);
    bool stored = false;
    for (int step = 0; !stored; ++step) {
      run_.content().next_step(slots, {1, 1}, run_.engine());
      put_inputs(step);
      ASSERT_TRUE(run_.step());
      stored = run_.plan().front().flush > 0;
    }
    for (const ring_plan_row& row : run_.plan())
      check_slot(row);
  }

 private:
  void start(std::int64_t slot, std::int64_t position) {
    run_.admit(slot, position);
    const ssu_args args = run_.content().args();
    for (const tensor_view& tensor : {args.state, args.state_scale}) {
      if (tensor) fill(entries(tensor, slot, 1), 0);
    }
    run_.begin(slot);
  }

  void put_inputs(int step) {
    const ssu_args args = run_.content().args();
    fill(entries(args.dt, 0, 2), 1);
    fill(entries(args.x, 0, 2), step == 0 ? 1 : step == 1 ? 0x1p-6 : 0);
    for (std::byte* address : elements_of(entries(args.B, 0, 2))) {
      const auto thousandths = static_cast<double>(pick(run_.engine(), 256, 1024));
      store(address, args.B.dtype(), (chance(run_.engine(), 0.5) ? 1 : -1) * thousandths / 1024);
    }
    if (step < 2) first_[static_cast<std::size_t>(step)] = values_of(args.B);
  }

  static std::vector<double> values_of(const tensor_view& B) {
    std::vector<double> values;
    for (const std::byte* address : elements_of(entries(B, 0, 2)))
      values.push_back(load(address, B.dtype()));
    return values;
  }

  /** Of each sequence, head by head and row by row. */
  void check_slot(const ring_plan_row& row) {
    const case_spec& call = run_.content().spec().call;
    const ssu_args args = with_all_axes(run_.content().args());
    for (std::int64_t head = 0; head < call.nheads; ++head) {
      for (std::int64_t d = 0; d < call.dim; ++d)
        check_row(args, row, head, d);
    }
  }

  void check_row(const ssu_args& args, const ring_plan_row& row, std::int64_t head,
                 std::int64_t d) {
    const case_spec& call = run_.content().spec().call;
    const std::int64_t group = head / (call.nheads / call.ngroups);
    const std::int64_t sequence = row.slot - 1;
    std::vector<float> h;
    std::vector<std::uint32_t> random;
    for (std::int64_t n = 0; n < call.dstate; ++n) {
      const auto at = static_cast<std::size_t>((sequence * call.ngroups + group) * call.dstate + n);
      const double second = row.flush > 1 ? 0x1p-6 * first_[1][at] : 0;
      h.push_back(static_cast<float>(first_[0][at] + second));
      random.push_back(bits_of(args, row, (head * call.dim + d) * call.dstate + n));
    }
    if (is_scaled(call.state_dtype)) {
      const stored_row stored = call.stochastic_rounding ? exact_row(call.state_dtype, h, random)
                                                         : exact_row(call.state_dtype, h);
      const double scale = load(address_of(args.state_scale, row.slot, head, d), dtype::float32);
      ASSERT_EQ(scale, stored.scale);
      for (std::int64_t n = 0; n < call.dstate; ++n)
        ASSERT_EQ(got(args, row, head, d, n), stored.codes[static_cast<std::size_t>(n)]) << n;
      return;
    }
    const float_format& format = format_of(call.state_dtype);
    for (std::int64_t n = 0; n < call.dstate; ++n) {
      const auto at = static_cast<std::size_t>(n);
      const double expected = call.stochastic_rounding
                                  ? format.round_stochastically(h[at], random[at])
                                  : format.decode(format.encode(h[at]));
      ASSERT_EQ(got(args, row, head, d, n), expected) << n << " of " << h[at];
    }
  }

  static double got(const ssu_args& args, const ring_plan_row& row, std::int64_t head,
                    std::int64_t d, std::int64_t n) {
    return load(address_of(args.state, row.slot, head, d, n), args.state.dtype());
  }

  /** The counter's word 1 is where the checkpoint lies; the key, where there is one, stands for the
   *  slot. */
  std::uint32_t bits_of(const ssu_args& args, const ring_plan_row& row, std::int64_t e) {
    const tensor_view& key = args.rounding_key;
    const std::int64_t slot =
        key ? load_index(address_of(key, row.slot), dtype::int64) : std::int64_t{row.slot};
    const int rounds = run_.content().spec().call.philox_rounds;
    const auto seed = static_cast<std::uint64_t>(load_index(args.rand_seed.data(), dtype::int64));
    return oracle_bits(seed, rounds == 0 ? 10 : rounds, e, row.position, slot);
  }

  ring_run run_;
  std::array<std::vector<double>, 2> first_;
};

TEST_P(ring_bits, of_checkpoints_known_to_the_bit) {
  for (const dtype state : rounded_formats) {
    for (const dtype io : {dtype::float32, dtype::float16, dtype::bfloat16}) {
      for (const bool stochastic : {false, true}) {
        for (const bool keyed : {false, true}) {
          const ring_spec spec = known_checkpoint::spec(state, io, stochastic, keyed);
          SCOPED_TRACE(to_string(spec));
          known_checkpoint known{spec, GetParam()};
          for (const std::int64_t position : {0, 1, 2, 3, 1'000'001})
            ASSERT_NO_FATAL_FAILURE(known.check(position));
        }
      }
    }
  }
}

/** The request of slot `from` begins in slot `there` of another run, too. */
void share_request(ring_run& run, std::int64_t from, ring_run& other, std::int64_t there) {
  const ssu_args source = with_all_axes(run.content().args());
  other.admit(there, run.tracker().cursor(from).position);
  const ssu_args target = with_all_axes(other.content().args());
  for (auto member : {&ssu_args::state, &ssu_args::state_scale, &ssu_args::rounding_key}) {
    if (source.*member) copy(entries(source.*member, from, 1), entries(target.*member, there, 1));
  }
  other.begin(there);
}

void share_tokens(ring_run& run, std::int64_t row, ring_run& other, std::int64_t there,
                  std::int64_t count) {
  const ssu_args source = with_all_axes(run.content().args());
  const ssu_args target = with_all_axes(other.content().args());
  for (auto member : {&ssu_args::x, &ssu_args::dt, &ssu_args::B, &ssu_args::C, &ssu_args::z}) {
    if (source.*member)
      copy(entries(source.*member, row, count), entries(target.*member, there, count));
  }
}

std::vector<std::byte> out_rows(ring_run& run, std::int64_t row, std::int64_t count) {
  const tensor_view out = run.content().args().out;
  std::vector<std::byte> bytes;
  for (const std::byte* address : elements_of(entries(out, row, count)))
    bytes.insert(bytes.end(), address, address + size_of(out.dtype()));
  return bytes;
}

ring_spec bits_spec(dtype state, bool stochastic) {
  ring_spec spec = ring_spec_of(ssu_mode::varlen);
  spec.call.state_dtype = state;
  spec.call.io_dtype = dtype::bfloat16;
  spec.call.stochastic_rounding = stochastic;
  spec.call.has_z = true;
  spec.has_key = stochastic;
  spec.call.dim = 64;
  spec.call.dstate = 128;
  spec.call.capacity = 8;
  return spec;
}

TEST_P(ring_bits, of_a_request_are_the_same_in_any_batch_and_slot) {
  for (const dtype state : {dtype::float32, dtype::bfloat16, dtype::int16, dtype::int8}) {
    const ring_spec spec = bits_spec(state, state != dtype::float32);
    SCOPED_TRACE(to_string(spec));
    ring_run alone{spec, GetParam(), random_engine{base_seed()}};
    ring_run among{spec, GetParam(), random_engine{base_seed()}};  // of the same parameters
    among.engine().seed(base_seed() + 1);
    constexpr std::int64_t slot = 1;
    constexpr std::int64_t other_slot = 6;
    share_request(alone, slot, among, other_slot);
    for (int step = 0; step < 24; ++step) {
      const std::int64_t length = pick(alone.engine(), 0, 4);
      const std::int64_t accepted = pick(alone.engine(), 0, 4);
      alone.content().next_step({slot}, {length}, alone.engine());
      alone.content().accept(0, accepted);
      // Its neighbours come and go: as sequence 3 of four, of eight.
      const std::vector<std::int64_t> few{2, 3, -1, other_slot};
      const std::vector<std::int64_t> many{2, 3, 4, other_slot, 5, 7, 8, 1};
      std::vector<std::int64_t> lengths{1, 4, 2, length, 3, 1, 4, 0};
      const bool is_full = step % 2 == 1;
      lengths.resize(is_full ? many.size() : few.size());
      among.content().next_step(is_full ? many : few, lengths, among.engine());
      among.content().accept(3, accepted);
      share_tokens(alone, 0, among, 7, length);
      ASSERT_TRUE(alone.step());
      ASSERT_TRUE(among.step());
      ASSERT_EQ(out_rows(alone, 0, length), out_rows(among, 7, length)) << "step " << step;
      ASSERT_EQ(alone.state(slot), among.state(other_slot)) << "step " << step;
    }
    EXPECT_GT(alone.errors().checkpoints, 0);
  }
}

TEST_P(ring_bits, of_a_request_are_those_of_its_copy) {
  for (const dtype state : {dtype::float32, dtype::bfloat16, dtype::int8}) {
    const ring_spec spec = bits_spec(state, state != dtype::float32);
    SCOPED_TRACE(to_string(spec));
    ring_run run{spec, GetParam(), random_engine{base_seed()}};
    for (int step = 0; step < 7; ++step) {
      run.content().next_step({3, 1}, {2, 3}, run.engine());
      ASSERT_TRUE(run.step());
    }
    run.copy_slot(1, 5);
    for (int step = 0; step < 16; ++step) {
      const std::int64_t length = pick(run.engine(), 1, 4);
      const std::int64_t accepted = pick(run.engine(), 0, 4);
      run.content().next_step({1, 3, 5}, {length, 2, length}, run.engine());
      run.content().accept(0, accepted);
      run.content().accept(2, accepted);
      share_tokens(run, 0, run, length + 2, length);
      ASSERT_TRUE(run.step());
      ASSERT_EQ(out_rows(run, 0, length), out_rows(run, length + 2, length)) << "step " << step;
      ASSERT_EQ(run.state(1), run.state(5)) << "step " << step;
    }
  }
}

TEST_P(ring_bits, of_outputs_do_not_depend_on_whether_a_step_flushes) {
  for (const dtype state : {dtype::float32, dtype::float16, dtype::bfloat16, dtype::int16,
                            dtype::int8, dtype::float8_e4m3}) {
    ring_spec spec = bits_spec(state, false);
    spec.call.batch = 1;
    SCOPED_TRACE(to_string(spec));
    ring_run run{spec, GetParam(), random_engine{base_seed()}};
    run.admit(1, 0);
    share_request(run, 1, run, 2);
    // Of the second, a checkpoint is due four tokens earlier.
    const ring_cursor ahead{.start = 7, .position = 4};
    run.set_cursor(2, ahead);
    bool flushed = false;
    while (!flushed) {
      run.content().next_step({1, 2}, {3, 3}, run.engine());
      run.content().accept(0, 2);
      run.content().accept(1, 2);
      share_tokens(run, 0, run, 3, 3);
      ASSERT_TRUE(run.step());
      flushed = run.plan()[1].flush > 0;
      ASSERT_EQ(run.plan()[0].flush, 0);
      ASSERT_EQ(out_rows(run, 0, 3), out_rows(run, 3, 3));
    }
  }
}

TEST_P(ring_bits, of_nothing_depend_on_dead_rows) {
  for (const dtype state : {dtype::float32, dtype::bfloat16, dtype::int8}) {
    for (const dtype io : {dtype::float32, dtype::bfloat16, dtype::float16}) {
      ring_spec spec = bits_spec(state, state != dtype::float32);
      spec.call.io_dtype = io;
      spec.call.dim = 16;
      SCOPED_TRACE(to_string(spec));
      ring_run clean{spec, GetParam(), random_engine{base_seed()}};
      ring_run dirty{spec, GetParam(), random_engine{base_seed()}};
      for (int step = 0; step < 16; ++step) {
        const std::vector<std::int64_t> slots{1, 2, 3};
        clean.content().next_step(slots, {4, 1, 3}, clean.engine());
        dirty.content().next_step(slots, {4, 1, 3}, dirty.engine());
        ASSERT_TRUE(clean.step(dead_rows::leftovers));
        ASSERT_TRUE(dirty.step(step % 2 == 0 ? dead_rows::nan : dead_rows::infinity));
        ASSERT_EQ(clean.out(), dirty.out()) << "step " << step;
        for (const std::int64_t slot : slots)
          ASSERT_EQ(clean.state(slot), dirty.state(slot)) << "step " << step;
      }
    }
  }
}

}  // namespace
}  // namespace ssugraph::test
