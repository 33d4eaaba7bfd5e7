#include "lib/ops/ssu/backends/reference/checkpointed.hpp"

#include "lib/ops/ssu/backends/reference/elements.hpp"
#include "lib/ops/ssu/problem/problem.hpp"
#include "lib/state/host_row.hpp"
#include "lib/step/planned_step.hpp"
#include "lib/step/ring.hpp"

#include <cmath>
#include <cstddef>
#include <vector>

namespace ssugraph::detail::reference {
namespace {

/** One sequence in one step. */
struct ring_step {
  live_ring ring;
  row_range tokens;
};

/** An input as the sums take it, of one head: live ones from the ring, then the new ones. */
struct ring_input {
  float dt;
  double sum_dt;  ///< of it and all before: their differences must stay exact
  std::vector<float> x;
  std::vector<float> B;
};

/** A step of one sequence in one head. */
class head_step {
 public:
  head_step(const ssu_problem& problem, const ssu_args& args, std::int64_t seed,
            const ring_step& step, std::int64_t head)
      : problem_{problem},
        args_{args},
        step_{step},
        seed_{seed},
        head_{head},
        group_{head / (problem.nheads / problem.ngroups)},
        A_{load(args.A, head, 0, 0)} {
    for (int j = 0; j < step_.ring.count; ++j)
      add(load(args_.dt_ring, slot(), head_, ring_row(j)), args_.x_ring, args_.B_ring, j);
    for (int t = 0; t < step_.tokens.length; ++t)
      add_token(step_.tokens.begin + t);
  }

  /** Reads before any sequence of this head writes. */
  void run() {
    std::vector<float> stored(static_cast<std::size_t>(problem_.dstate));
    for (std::int64_t d = 0; d < problem_.dim; ++d) {
      const host_row row{args_.state, args_.state_scale, slot(), head_, d};
      load_row(row, stored);
      for (int t = 0; t < step_.tokens.length; ++t)
        write_out(args_, out_of(t, d, stored), step_.tokens.begin + t, head_, d);
      if (step_.ring.flush > 0) store_checkpoint(row, d, stored);
    }
  }

  /** The new tokens' rows; those of B once a group. */
  void append() const {
    for (int t = 0; t < step_.tokens.length; ++t) {
      const ring_input& token = inputs_[input_of(t)];
      const std::int64_t at = ring_row(step_.ring.count + t);
      element<float>(args_.dt_ring, slot(), head_, at) = token.dt;
      for (std::int64_t d = 0; d < problem_.dim; ++d)
        store(args_.x_ring, token.x[static_cast<std::size_t>(d)], slot(), head_, at, d);
      if (head_ % (problem_.nheads / problem_.ngroups) != 0) continue;
      for (std::int64_t n = 0; n < problem_.dstate; ++n)
        store(args_.B_ring, token.B[static_cast<std::size_t>(n)], slot(), group_, at, n);
    }
  }

 private:
  [[nodiscard]] std::int64_t slot() const { return step_.ring.slot; }
  [[nodiscard]] std::int64_t ring_row(int j) const {
    return step_.ring.row(j, static_cast<int>(problem_.ring_rows));
  }

  /** The number of new token `t` among the inputs. */
  [[nodiscard]] std::size_t input_of(int t) const {
    return static_cast<std::size_t>(step_.ring.count) + static_cast<std::size_t>(t);
  }

  void add(float dt, const tensor_view& x, const tensor_view& B, int j) {
    ring_input input = empty_input(dt);
    for (std::int64_t d = 0; d < problem_.dim; ++d)
      input.x[static_cast<std::size_t>(d)] = load(x, slot(), head_, ring_row(j), d);
    for (std::int64_t n = 0; n < problem_.dstate; ++n)
      input.B[static_cast<std::size_t>(n)] = load(B, slot(), group_, ring_row(j), n);
    inputs_.push_back(std::move(input));
  }

  void add_token(std::int64_t row) {
    ring_input input = empty_input(time_step(problem_, args_, row, head_, 0));
    for (std::int64_t d = 0; d < problem_.dim; ++d)
      input.x[static_cast<std::size_t>(d)] = load(args_.x, row, head_, d);
    for (std::int64_t n = 0; n < problem_.dstate; ++n)
      input.B[static_cast<std::size_t>(n)] = load(args_.B, row, group_, n);
    inputs_.push_back(std::move(input));
  }

  [[nodiscard]] ring_input empty_input(float dt) const {
    const double before = inputs_.empty() ? 0.0 : inputs_.back().sum_dt;
    return {dt, before + dt, std::vector<float>(static_cast<std::size_t>(problem_.dim)),
            std::vector<float>(static_cast<std::size_t>(problem_.dstate))};
  }

  /** exp(L_last - L_j). */
  [[nodiscard]] float decay(const ring_input& last, const ring_input& j) const {
    return std::exp(A_ * static_cast<float>(last.sum_dt - j.sum_dt));
  }

  /** The sum over dstate of new token `t`. */
  [[nodiscard]] float out_of(int t, std::int64_t d, const std::vector<float>& stored) const {
    const std::size_t last = input_of(t);
    const std::int64_t row = step_.tokens.begin + t;
    const auto product = [&](const std::vector<float>& of_dstate) {
      float sum = 0.0f;
      for (std::size_t n = 0; n < of_dstate.size(); ++n)
        sum += of_dstate[n] * load(args_.C, row, group_, static_cast<std::int64_t>(n));
      return sum;
    };
    float sum = std::exp(A_ * static_cast<float>(inputs_[last].sum_dt)) * product(stored);
    for (std::size_t j = 0; j <= last; ++j) {
      const ring_input& input = inputs_[j];
      sum += decay(inputs_[last], input) * input.dt * product(input.B) *
             input.x[static_cast<std::size_t>(d)];
    }
    return sum;
  }

  void store_checkpoint(const host_row& row, std::int64_t d, std::vector<float>& stored) const {
    const auto flush = static_cast<std::size_t>(step_.ring.flush);
    const ring_input& last = inputs_[flush - 1];
    for (float& h : stored)
      h *= std::exp(A_ * static_cast<float>(last.sum_dt));
    for (std::size_t j = 0; j < flush; ++j) {
      const ring_input& input = inputs_[j];
      const float by = decay(last, input) * input.dt * input.x[static_cast<std::size_t>(d)];
      for (std::size_t n = 0; n < stored.size(); ++n)
        stored[n] += by * input.B[n];
    }
    const row_bits bits{
        .seed = seed_,
        .first = (head_ * problem_.dim + d) * problem_.dstate,
        .t = static_cast<std::uint32_t>(step_.ring.position),
        .slot = args_.rounding_key ? element<std::int64_t>(args_.rounding_key, slot()) : slot(),
        .rounds = problem_.philox_rounds};
    store_row(row, stored, problem_.stochastic_rounding ? &bits : nullptr);
  }

  const ssu_problem& problem_;
  const ssu_args& args_;
  const ring_step& step_;
  std::int64_t seed_;
  std::int64_t head_;
  std::int64_t group_;
  float A_;
  std::vector<ring_input> inputs_;
};

}  // namespace

void checkpointed_ssu::enqueue(const ssu_args& args, const ssu_launch& how, stream_handle) const {
  const ssu_problem& problem = plan().problem;
  const sequence_rule rule = rule_of(problem, args);
  const index_tensor plans = index_of(args.ring_plan);
  std::int64_t seed = how.drawn_seed;
  if (problem.stochastic_rounding && args.rand_seed)
    seed = element<std::int64_t>(args.rand_seed, 0);
  for (std::int64_t i = 0; i < launched(how.sequences); ++i) {
    const row_range tokens = rows_of(rule, i);
    const ring_step step{
        live_ring_of(plan_row(plans, i), rule, static_cast<int>(problem.ring_rows), tokens.length),
        tokens};
    if (step.ring.slot == no_slot) zero_out(args.out, tokens);
    if (step.ring.slot == no_slot || tokens.length == 0) continue;
    for (std::int64_t head = 0; head < problem.nheads; ++head) {
      head_step of_head{problem, args, seed, step, head};
      of_head.append();
      of_head.run();
    }
  }
}

}  // namespace ssugraph::detail::reference
