#include "tests/golden_ops/golden_ops.hpp"
#include "tests/support/compare.hpp"
#include "tests/support/float_format.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <vector>

namespace ssugraph::test {
namespace {

/** How a recorded row of tokens is cut into steps. */
struct stepping {
  std::int64_t interval;
  std::int64_t tokens;    ///< of a step
  std::int64_t position;  ///< where the first one starts
};

/** W as recorded, another one, other phases, several tokens at once. */
constexpr std::array steppings{stepping{16, 1, 0}, stepping{4, 1, 0}, stepping{16, 1, 11},
                               stepping{16, 4, 0}, stepping{8, 5, 3}, stepping{64, 16, 40}};

struct recorded {
  explicit recorded(const std::filesystem::path& path)
      : file{path}, meta(nlohmann::json::parse(file.metadata("case"))) {
    const auto& x = file.at("x").shape;
    steps = meta.at("steps");
    sequences = x[1];
    nheads = x[2];
    dim = x[3];
    ngroups = file.at("B").shape[2];
    dstate = file.at("B").shape[3];
  }

  [[nodiscard]] ring_spec spec(const stepping& how) const {
    ring_spec spec;
    case_spec& call = spec.call;
    call.mode = ssu_mode::varlen;
    call.has_cu_seqlens = true;
    call.batch = call.capacity = sequences;
    call.max_seqlen = how.tokens;
    call.nheads = nheads;
    call.dim = dim;
    call.dstate = dstate;
    call.ngroups = ngroups;
    call.state_dtype = file.at("state").dtype;
    call.io_dtype = file.at("x").dtype;
    call.B_dtype = file.at("B").dtype;
    call.C_dtype = file.at("C").dtype;
    call.dt_dtype = file.at("dt").dtype;
    call.out_dtype = file.at("expected_out").dtype;
    call.has_z = file.contains("z");
    call.dt_softplus = meta.at("dt_softplus");
    spec.interval = how.interval;
    return spec;
  }

  /** Writes one element into a tensor of the case. */
  template <class... Index>
  void put(const tensor_view& tensor, const char* name, std::int64_t i, Index... index) const {
    store(address_of(tensor, index...), tensor.dtype(),
          file.element(name, static_cast<std::size_t>(i)));
  }

  safetensors_file file;
  nlohmann::json meta;
  std::int64_t steps = 0, sequences = 0, nheads = 0, dim = 0, ngroups = 0, dstate = 0;
};

/** Sequence i has slot i + 1. */
void put_states(const recorded& golden, ring_run& run, const stepping& how) {
  const ssu_args args = with_all_axes(run.content().args());
  for (std::int64_t head = 0; head < golden.nheads; ++head) {
    golden.put(args.A, "A", head, head, 0, 0);
    for (std::int64_t d = 0; d < golden.dim; ++d)
      golden.put(args.D, "D", head, head, d);
    golden.put(args.dt_bias, "dt_bias", head, head, 0);
  }
  const std::int64_t slot_size = golden.nheads * golden.dim * golden.dstate;
  for (std::int64_t i = 0; i < golden.sequences; ++i) {
    run.admit(i + 1, how.position);
    const auto from = static_cast<std::int64_t>(
        load_index(golden.file.at("state_batch_indices").bytes.data() + 4 * i, dtype::int32));
    for (std::int64_t e = 0; e < slot_size; ++e) {
      golden.put(args.state, "state", from * slot_size + e, i + 1, e / golden.dstate / golden.dim,
                 e / golden.dstate % golden.dim, e % golden.dstate);
    }
    run.begin(i + 1);
  }
}

/** Row `row` of the tensors of the case is token `token` of sequence `i`. */
void put_token(const recorded& golden, const ssu_args& args, std::int64_t token, std::int64_t i,
               std::int64_t row) {
  const std::int64_t at = token * golden.sequences + i;
  for (std::int64_t head = 0; head < golden.nheads; ++head) {
    golden.put(args.dt, "dt", at * golden.nheads + head, row, head, 0);
    for (std::int64_t d = 0; d < golden.dim; ++d) {
      const std::int64_t e = (at * golden.nheads + head) * golden.dim + d;
      golden.put(args.x, "x", e, row, head, d);
      if (args.z) golden.put(args.z, "z", e, row, head, d);
    }
  }
  for (std::int64_t group = 0; group < golden.ngroups; ++group) {
    for (std::int64_t n = 0; n < golden.dstate; ++n) {
      const std::int64_t e = (at * golden.ngroups + group) * golden.dstate + n;
      golden.put(args.B, "B", e, row, group, n);
      golden.put(args.C, "C", e, row, group, n);
    }
  }
}

struct distance {
  double worst = 0;
  double largest = 0;

  void add(double got, double recorded) {
    worst = std::max(worst, std::abs(got - recorded));
    largest = std::max(largest, std::abs(recorded));
  }
};

/** What `out` of two kernels may differ by, as a part of the largest: a rounding to its dtype
 *  each, and what the dtype of states made of their checkpoints, at other positions. */
double part_of_out(const recorded& golden) {
  const auto unit = [](dtype type) { return std::ldexp(1.0, -format_of(type).mantissa_bits); };
  return relative_tolerance + unit(golden.file.at("expected_out").dtype) / 2 +
         unit(golden.file.at("state").dtype) / 2;
}

/** The state behind the last token, in float64: of the checkpoint and the rows that live in the
 *  ring, all of the last step's accepted. */
double state_behind(const ssu_args& args, const ring_cursor& cursor, std::int64_t slot,
                    std::int64_t head, std::int64_t d, std::int64_t n) {
  const auto at = [](const tensor_view& tensor, auto... index) {
    return load(address_of(tensor, index...), tensor.dtype());
  };
  const std::int64_t group = head / (args.x_ring.extent(1) / args.B_ring.extent(1));
  double h = at(args.state, slot, head, d, n);
  for (std::int64_t j = 0; j < cursor.count + cursor.pending; ++j) {
    const std::int64_t row = (cursor.start + j) % args.x_ring.extent(2);
    const double dt = at(args.dt_ring, slot, head, row);
    h = h * std::exp(at(args.A, head, 0, 0) * dt) +
        dt * at(args.x_ring, slot, head, row, d) * at(args.B_ring, slot, group, row, n);
  }
  return h;
}

distance distance_of_states(const recorded& golden, ring_run& run) {
  const ssu_args args = with_all_axes(run.content().args());
  distance of;
  const std::int64_t slot_size = golden.nheads * golden.dim * golden.dstate;
  for (std::int64_t e = 0; e < golden.sequences * slot_size; ++e) {
    const std::int64_t slot = e / slot_size + 1;
    const std::int64_t within = e % slot_size;
    of.add(state_behind(args, run.tracker().cursor(slot), slot, within / golden.dstate / golden.dim,
                        within / golden.dstate % golden.dim, within % golden.dstate),
           golden.file.element("true_state", static_cast<std::size_t>(e)));
  }
  return of;
}

void check_checkpointed(const recorded& golden, const stepping& how, const ring_execution& by) {
  ring_run run{golden.spec(how), by, random_engine{base_seed()}};
  put_states(golden, run, how);
  std::vector<std::int64_t> slots;
  for (std::int64_t i = 0; i < golden.sequences; ++i)
    slots.push_back(i + 1);
  distance out;
  for (std::int64_t token = 0; token < golden.steps; token += how.tokens) {
    const std::int64_t length = std::min(how.tokens, golden.steps - token);
    const std::vector<std::int64_t> lengths(slots.size(), length);
    run.content().next_step(slots, lengths, run.engine());
    const ssu_args args = with_all_axes(run.content().args());
    for (std::int64_t row = 0; row < golden.sequences * length; ++row)
      put_token(golden, args, token + row % length, row / length, row);
    ASSERT_TRUE(run.step());
    for (std::int64_t e = 0; e < golden.sequences * length * golden.nheads * golden.dim; ++e) {
      const std::int64_t row = e / golden.dim / golden.nheads;
      const std::int64_t at = (token + row % length) * golden.sequences + row / length;
      const std::int64_t within = e % (golden.nheads * golden.dim);
      const auto i = static_cast<std::size_t>(at * golden.nheads * golden.dim + within);
      out.add(load(address_of(args.out, row, within / golden.dim, within % golden.dim),
                   args.out.dtype()),
              golden.file.element("expected_out", i));
    }
  }
  const distance state = distance_of_states(golden, run);
  const auto stores =
      1 + static_cast<double>(run.errors().checkpoints) / static_cast<double>(golden.sequences);
  const double unit = format_of(golden.file.at("state").dtype).spacing(state.largest);
  const std::string name = golden.meta.at("name");
  std::printf(
      "%s %-12s W %-2lld T %-2lld from %-2lld  out recorded %.1e of largest, float64 %.1e; "
      "state %.1e, %.2f units\n",
      by.name.c_str(), name.c_str(), static_cast<long long>(how.interval),
      static_cast<long long>(how.tokens), static_cast<long long>(how.position),
      out.worst / out.largest, run.errors().out.of_largest, state.worst / state.largest,
      state.worst / unit);
  EXPECT_LE(out.worst, part_of_out(golden) * out.largest) << name;
  EXPECT_LE(state.worst, relative_tolerance * state.largest + stores * unit / 2) << name;
  EXPECT_GT(run.errors().checkpoints, 0) << name;
}

}  // namespace

golden_folder find_golden_ops() {
  return find_recorded("SSUGRAPH_GOLDEN_OPS_DIR", "golden_ops");
}

void check_checkpointed_cases(const ring_execution& how) {
  if (!can_run(how)) GTEST_SKIP() << "no CUDA device";
  for (const auto& path : safetensors_in(find_golden_ops())) {
    const nlohmann::json meta = nlohmann::json::parse(safetensors_file{path}.metadata("case"));
    if (meta.at("op") != "checkpointed_ssu") continue;
    for (const stepping& each : steppings)
      check_checkpointed(recorded{path}, each, how);
  }
}

TEST(golden_ops, checkpointed_reference_eager) {
  check_checkpointed_cases(reference_rings());
}

TEST(golden_ops, checkpointed_native_eager) {
  check_checkpointed_cases(native_rings());
}

}  // namespace ssugraph::test
