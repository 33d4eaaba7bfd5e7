#include "tests/support/ring_oracle.hpp"

#include "tests/support/code_format.hpp"
#include "tests/support/float_format.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace ssugraph::test {
namespace {

template <class... Index>
double at(const tensor_view& tensor, Index... index) {
  return load(address_of(tensor, index...), tensor.dtype());
}

double state_at(const ssu_args& args, std::int64_t slot, std::int64_t head, std::int64_t d,
                std::int64_t n) {
  const double scale = args.state_scale ? at(args.state_scale, slot, head, d) : 1.0;
  return at(args.state, slot, head, d, n) * scale;
}

/** Distance of what a stored state can hold, near what it holds. */
double unit_at(const ssu_args& args, std::int64_t slot, std::int64_t head, std::int64_t d,
               std::int64_t n) {
  const double stored = at(args.state, slot, head, d, n);
  if (!args.state_scale) return format_of(args.state.dtype()).spacing(stored);
  return code_format_of(args.state.dtype()).spacing(stored) * at(args.state_scale, slot, head, d);
}

std::int64_t entry(const tensor_view& table, std::int64_t i) {
  return load_index(table.rank() == 1 ? address_of(table, i) : address_of(table, i, 0),
                    table.dtype());
}

std::int64_t sequences_of(const ssu_args& args) {
  return args.cu_seqlens ? args.cu_seqlens.extent(0) - 1 : args.x.extent(0);
}

std::int64_t first_row(const ssu_args& args, std::int64_t i) {
  return args.cu_seqlens ? entry(args.cu_seqlens, i) : i;
}

std::int64_t length_of(const ssu_args& args, std::int64_t i) {
  return args.cu_seqlens ? entry(args.cu_seqlens, i + 1) - entry(args.cu_seqlens, i) : 1;
}

/** -1 where the sequence is null. */
std::int64_t slot_of(const ssu_args& args, std::int64_t i) {
  if (!args.state_batch_indices) return i;
  const std::int64_t slot = entry(args.state_batch_indices, i);
  const bool live = slot != args.null_block_id && slot >= 0 && slot < args.state.extent(0);
  return live ? slot : -1;
}

expected_tensor tensor_of(const char* name, const tensor_view& tensor) {
  return {.name = name, .dtype = tensor.dtype(), .elements = {}, .rows = {}};
}

}  // namespace

std::vector<ring_plan_row> ring_tracker::plan(const ssu_args& args) {
  std::vector<ring_plan_row> rows(static_cast<std::size_t>(sequences_of(args)));
  const auto narrow = [](std::int64_t value) { return static_cast<std::int32_t>(value); };
  for (std::int64_t i = 0; i < std::ssize(rows); ++i) {
    const std::int64_t slot = slot_of(args, i);
    const std::int64_t length = length_of(args, i);
    if (slot < 0 || length == 0) continue;
    ring_cursor& now = cursors_.at(place(slot));
    std::int64_t stand = now.pending;
    if (args.num_accepted_tokens && now.pending > 0) {
      stand = std::clamp<std::int64_t>(entry(args.num_accepted_tokens, i), 1, now.pending);
    }
    const std::int64_t count = now.count + stand;
    const std::int64_t due = sizes_.interval - now.position % sizes_.interval;
    const std::int64_t flush = count >= due ? due : 0;
    rows[place(i)] = {.start = now.start,
                      .count = narrow(count),
                      .flush = narrow(flush),
                      .length = narrow(length),
                      .shift = narrow(now.pending > 0 ? stand : 1),
                      .slot = narrow(slot),
                      .position = narrow(now.position + flush)};
    now = {.start = narrow((now.start + flush) % sizes_.rows),
           .count = narrow(count - flush),
           .pending = narrow(length),
           .position = narrow(now.position + flush)};
  }
  return rows;
}

/** One of a step. */
struct ring_history::sequence {
  const ssu_args& args;
  const ring_plan_row& plan;
  std::int64_t first_row;
  std::int64_t rounds_slot;  ///< in the counter of rounding bits
  std::uint64_t seed;
  int rounds;
  request& of;

  [[nodiscard]] std::int64_t element_of(std::int64_t head, std::int64_t d, std::int64_t n) const {
    return (head * args.state.extent(2) + d) * args.state.extent(3) + n;
  }
};

void ring_history::admit(const ssu_args& given, std::int64_t slot) {
  const ssu_args args = with_all_axes(given);
  request fresh;
  for (std::int64_t head = 0; head < args.state.extent(1); ++head) {
    for (std::int64_t d = 0; d < args.state.extent(2); ++d) {
      for (std::int64_t n = 0; n < args.state.extent(3); ++n)
        fresh.truth.push_back({state_at(args, slot, head, d, n), 0});
    }
  }
  requests_[slot] = std::move(fresh);
}

ring_history::token ring_history::token_of(const ssu_args& args, std::int64_t row) const {
  token made;
  for (std::int64_t head = 0; head < args.x.extent(1); ++head) {
    made.dt.push_back(oracle_dt(args, row, head, 0));
    for (std::int64_t d = 0; d < args.x.extent(2); ++d)
      made.x.push_back(at(args.x, row, head, d));
  }
  for (std::int64_t group = 0; group < args.B.extent(1); ++group) {
    for (std::int64_t n = 0; n < args.B.extent(2); ++n)
      made.B.push_back(at(args.B, row, group, n));
  }
  return made;
}

ring_result ring_history::step(const ssu_args& given, const std::vector<ring_plan_row>& plan,
                               const mamba_config& config, std::int64_t seed) {
  const ssu_args args = with_all_axes(given);
  stored_.clear();
  ring_result result{tensor_of("state", args.state), tensor_of("out", args.out),
                     tensor_of("x_ring", args.x_ring), tensor_of("B_ring", args.B_ring),
                     tensor_of("dt_ring", args.dt_ring)};
  result.state.stochastic = config.stochastic_rounding;
  for (std::int64_t i = 0; i < std::ssize(plan); ++i) {
    const ring_plan_row& row = plan[static_cast<std::size_t>(i)];
    const std::int64_t first = first_row(args, i);
    if (row.slot < 0) {
      expected_result zeroed{{}, std::move(result.out)};
      expect_zero_rows(zeroed, args.out, first, first + length_of(args, i));
      result.out = std::move(zeroed.out);
      continue;
    }
    request& of = requests_.at(row.slot);
    of.tokens.resize(static_cast<std::size_t>(row.count));  // drafts that do not stand
    for (std::int64_t t = 0; t < row.length; ++t)
      of.tokens.push_back(token_of(args, first + t));
    const tensor_view& key = args.rounding_key;
    const sequence one{
        .args = args,
        .plan = row,
        .first_row = first,
        .rounds_slot = key ? load_index(address_of(key, row.slot), key.dtype()) : row.slot,
        .seed = static_cast<std::uint64_t>(seed),
        .rounds = config.philox_rounds == 0 ? 10 : config.philox_rounds,
        .of = of};
    for (std::int64_t head = 0; head < args.state.extent(1); ++head) {
      for (std::int64_t d = 0; d < args.state.extent(2); ++d)
        run_row(one, head, d, result);
    }
    for (std::int64_t t = 0; t < row.length; ++t)
      append(one, t, of.tokens[static_cast<std::size_t>(row.count + t)], result);
    of.tokens.erase(of.tokens.begin(), of.tokens.begin() + row.flush);
  }
  return result;
}

void ring_history::run_row(const sequence& one, std::int64_t head, std::int64_t d,
                           ring_result& result) {
  const ssu_args& args = one.args;
  const std::int64_t dstate = args.state.extent(3);
  const std::int64_t ngroups = args.B.extent(1);
  const std::int64_t group = head / (args.state.extent(1) / ngroups);
  const double A = at(args.A, head, 0, 0);
  const double D = args.D ? at(args.D, head, d) : 0;
  std::vector<element> h(static_cast<std::size_t>(dstate));
  for (std::int64_t n = 0; n < dstate; ++n) {
    const double value = state_at(args, one.plan.slot, head, d, n);
    h[static_cast<std::size_t>(n)] = {value, std::abs(value), 0};
  }
  tracked* truth = &one.of.truth[static_cast<std::size_t>(one.element_of(head, d, 0))];
  for (std::int64_t j = 0; j < std::ssize(one.of.tokens); ++j) {
    const token& now = one.of.tokens[static_cast<std::size_t>(j)];
    const double dt = now.dt[static_cast<std::size_t>(head)];
    const double x = now.x[static_cast<std::size_t>(head * args.x.extent(2) + d)];
    const double decay = std::exp(A * dt);
    for (std::int64_t n = 0; n < dstate; ++n) {
      const double added = dt * x * now.B[static_cast<std::size_t>(group * dstate + n)];
      auto& [value, terms, exponents] = h[static_cast<std::size_t>(n)];
      value = value * decay + added;
      exponents = (exponents + terms * std::abs(A * dt)) * decay;
      terms = terms * decay + std::abs(added);
      if (j >= one.plan.flush) continue;
      truth[n] = {truth[n].value * decay + added, truth[n].bound * decay};
    }
    if (j + 1 == one.plan.flush) store_row(one, head, d, h, result);
    if (j < one.plan.count) continue;
    const std::int64_t row = one.first_row + j - one.plan.count;
    element sum{D * x, std::abs(D * x), 0};
    for (std::int64_t n = 0; n < dstate; ++n) {
      const double C = at(args.C, row, group, n);
      sum.value += h[static_cast<std::size_t>(n)].value * C;
      sum.terms += h[static_cast<std::size_t>(n)].terms * std::abs(C);
      sum.exponents += h[static_cast<std::size_t>(n)].exponents * std::abs(C);
    }
    if (args.z) {
      const double z = at(args.z, row, head, d);
      const double gate = z / (1 + std::exp(-z));
      sum = {sum.value * gate, sum.terms * std::abs(gate), sum.exponents * std::abs(gate)};
    }
    result.out.elements.push_back({.address = address_of(args.out, row, head, d),
                                   .value = sum.value,
                                   .terms = sum.terms,
                                   .slack = sum.slack()});
  }
}

void ring_history::store_row(const sequence& one, std::int64_t head, std::int64_t d,
                             const std::vector<element>& h, ring_result& result) {
  const ssu_args& args = one.args;
  const std::int64_t slot = one.plan.slot;
  stored_.push_back({slot, head, d});
  if (args.state_scale) {
    result.state.rows.push_back(
        {address_of(args.state_scale, slot, head, d), result.state.elements.size(), h.size()});
  }
  for (std::int64_t n = 0; n < std::ssize(h); ++n) {
    const element& sum = h[static_cast<std::size_t>(n)];
    const std::int64_t e = one.element_of(head, d, n);
    const double slack = sum.slack();
    one.of.truth[static_cast<std::size_t>(e)].bound += slack;
    const bool stochastic = result.state.stochastic;
    result.state.elements.push_back(
        {.address = address_of(args.state, slot, head, d, n),
         .value = sum.value,
         .random = stochastic
                       ? oracle_bits(one.seed, one.rounds, e, one.plan.position, one.rounds_slot)
                       : 0,
         .terms = sum.terms,
         .slack = slack});
  }
}

void ring_history::append(const sequence& one, std::int64_t t, const token& added,
                          ring_result& result) const {
  const ssu_args& args = one.args;
  const std::int64_t row = (one.plan.start + one.plan.count + t) % sizes_.rows;
  const std::int64_t slot = one.plan.slot;
  constexpr bool exact = true;
  for (std::int64_t head = 0; head < args.x_ring.extent(1); ++head) {
    const double dt = added.dt[static_cast<std::size_t>(head)];
    result.dt_ring.elements.push_back({.address = address_of(args.dt_ring, slot, head, row),
                                       .value = dt,
                                       .slack = std::abs(dt) * 0x1p-20});
    for (std::int64_t d = 0; d < args.x_ring.extent(3); ++d) {
      const double x = added.x[static_cast<std::size_t>(head * args.x_ring.extent(3) + d)];
      result.x_ring.elements.push_back(
          {.address = address_of(args.x_ring, slot, head, row, d), .value = x, .exact = exact});
    }
  }
  for (std::int64_t group = 0; group < args.B_ring.extent(1); ++group) {
    for (std::int64_t n = 0; n < args.B_ring.extent(3); ++n) {
      const double B = added.B[static_cast<std::size_t>(group * args.B_ring.extent(3) + n)];
      result.B_ring.elements.push_back(
          {.address = address_of(args.B_ring, slot, group, row, n), .value = B, .exact = exact});
    }
  }
}

double ring_history::drift(const ssu_args& given) {
  const ssu_args args = with_all_axes(given);
  double worst = 0;
  for (const stored_row& row : stored_) {
    std::vector<tracked>& truth = requests_.at(row.slot).truth;
    for (std::int64_t n = 0; n < args.state.extent(3); ++n) {
      const std::int64_t e = (row.head * args.state.extent(2) + row.d) * args.state.extent(3) + n;
      tracked& exact = truth[static_cast<std::size_t>(e)];
      exact.bound += unit_at(args, row.slot, row.head, row.d, n);
      const double error = std::abs(state_at(args, row.slot, row.head, row.d, n) - exact.value);
      worst = std::max(worst, error / exact.bound);
    }
  }
  return worst;
}

}  // namespace ssugraph::test
