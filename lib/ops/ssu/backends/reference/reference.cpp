#include "lib/ops/ssu/backends/reference/reference.hpp"

#include "lib/ops/ssu/backends/reference/checkpointed.hpp"
#include "lib/ops/ssu/backends/reference/elements.hpp"
#include "lib/ops/ssu/problem/problem.hpp"
#include "lib/state/host_row.hpp"
#include "lib/step/sequence.hpp"

#include <ssugraph/error.hpp>

#include <cmath>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace ssugraph::detail::reference {
namespace {

/** One sequence of the call: its rows and the slots it reads and writes. */
class sequence {
 public:
  sequence(const sequence_rule& rule, std::int64_t i)
      : rule_{rule}, i_{i}, rows_{rows_of(rule, i)}, source_{source_slot(rule, i)} {}

  [[nodiscard]] const row_range& rows() const { return rows_; }
  [[nodiscard]] std::int64_t row(int t) const { return rows_.begin + t; }
  [[nodiscard]] int length() const { return rows_.length; }
  [[nodiscard]] std::int64_t source() const { return source_; }
  [[nodiscard]] bool is_null() const { return source_ == no_slot; }
  /** The slot that takes the state after token `t`, or no_slot. */
  [[nodiscard]] std::int64_t destination(int t) const {
    return destination_slot(rule_, i_, source_, t, rows_.length);
  }

 private:
  const sequence_rule& rule_;
  std::int64_t i_;
  row_range rows_;
  std::int64_t source_;
};

/** The update of one sequence in one head; `h` is its (dim, dstate) state in fp32. */
class head_update {
 public:
  head_update(const ssu_problem& problem, const ssu_args& args, std::int64_t drawn_seed,
              const sequence& rows, std::int64_t head)
      : problem_{problem},
        args_{args},
        sequence_{rows},
        head_{head},
        group_{head / (problem_.nheads / problem_.ngroups)} {
    if (problem_.stochastic_rounding) {
      seed_ = args.rand_seed ? element<std::int64_t>(args.rand_seed, 0) : drawn_seed;
    }
  }

  void read(float* h) const {
    for (std::int64_t d = 0; d < problem_.dim; ++d) {
      const host_row row{args_.state, args_.state_scale, sequence_.source(), head_, d};
      load_row(row, {h + d * problem_.dstate, dstate()});
    }
  }

  void run(float* h) const {
    for (int t = 0; t < sequence_.length(); ++t) {
      const std::int64_t destination = sequence_.destination(t);
      for (std::int64_t d = 0; d < problem_.dim; ++d) {
        float* row = h + d * problem_.dstate;
        update(sequence_.row(t), d, row);
        if (destination != no_slot) write(destination, t, d, row);
      }
    }
  }

 private:
  void update(std::int64_t row, std::int64_t d, float* h) const {
    const float x = load(args_.x, row, head_, d);
    const float dt = time_step(problem_, args_, row, head_, d);
    float sum = 0.0f;
    for (std::int64_t n = 0; n < problem_.dstate; ++n) {
      const float decay = std::exp(load(args_.A, head_, d, n) * dt);
      h[n] = h[n] * decay + (dt * x) * load(args_.B, row, group_, n);
      sum += h[n] * load(args_.C, row, group_, n);
    }
    write_out(args_, sum, row, head_, d);
  }

  void write(std::int64_t slot, int t, std::int64_t d, const float* h) const {
    const bool apart = problem_.has_dst_state;
    const host_row row{apart ? args_.dst_state : args_.state,
                       apart ? args_.dst_state_scale : args_.state_scale, slot, head_, d};
    const row_bits bits{.seed = seed_,
                        .first = (head_ * problem_.dim + d) * problem_.dstate,
                        .t = static_cast<std::uint32_t>(t),
                        .slot = sequence_.source(),
                        .rounds = problem_.philox_rounds};
    store_row(row, {h, dstate()}, problem_.stochastic_rounding ? &bits : nullptr);
  }

  [[nodiscard]] std::size_t dstate() const { return static_cast<std::size_t>(problem_.dstate); }

  const ssu_problem& problem_;
  const ssu_args& args_;
  const sequence& sequence_;
  std::int64_t head_;
  std::int64_t group_;
  std::int64_t seed_ = 0;
};

/** Runs before it returns. */
class reference_ssu final : public planned_ssu {
 public:
  explicit reference_ssu(const ssu_plan& plan) : planned_ssu{plan, plan.problem} {}

  [[nodiscard]] std::string why_not(const ssu_problem& /*problem*/) const override { return {}; }

  using planned_ssu::enqueue;
  void enqueue(const ssu_args& args, const ssu_launch& how, stream_handle stream) const override;
};

void reference_ssu::enqueue(const ssu_args& args, const ssu_launch& how, stream_handle) const {
  const ssu_problem& problem = plan().problem;
  const sequence_rule rule = rule_of(problem, args);
  std::vector<sequence> live;  // a bucket may be far larger
  const std::int64_t count = launched(how.sequences);
  for (std::int64_t i = 0; i < count; ++i) {
    const sequence each{rule, i};
    if (each.is_null()) {
      zero_out(args.out, each.rows());
    } else if (each.length() > 0) {
      live.push_back(each);
    }
  }

  // A head at a time, every source is read before any destination is written, as on a GPU.
  const auto elements = static_cast<std::size_t>(problem.dim * problem.dstate);
  std::vector<float> states(live.size() * elements);
  for (std::int64_t head = 0; head < problem.nheads; ++head) {
    const auto each = [&](auto&& apply) {
      for (std::size_t i = 0; i < live.size(); ++i) {
        const head_update update{problem, args, how.drawn_seed, live[i], head};
        apply(update, states.data() + i * elements);
      }
    };
    each([](const head_update& update, float* h) { update.read(h); });
    each([](const head_update& update, float* h) { update.run(h); });
  }
}

}  // namespace

std::string reference_backend::name() const {
  return "reference";
}

backend_features reference_backend::features() const {
  return all_features();
}

support reference_backend::serves(const ssu_problem& problem) const {
  if (problem.device.is_host()) return {};
  return {"it runs on the CPU and the tensors live on CUDA device " +
          std::to_string(problem.device.ordinal)};
}

std::shared_ptr<planned_ssu> reference_backend::resolve(const ssu_problem& problem,
                                                        std::int64_t sequences,
                                                        const std::string& algorithm) const {
  if (algorithm != "auto" && algorithm != "serial") {
    throw unsupported{{{name(), "algorithm '" + algorithm + "' is none of auto, serial"}}};
  }
  ssu_plan plan;
  plan.backend = name();
  plan.algorithm = "serial";
  plan.sequences = sequences;
  plan.problem = problem;
  plan.notes = notes_on_format(problem);
  if (problem.checkpoint_interval > 0) return std::make_shared<checkpointed_ssu>(plan);
  return std::make_shared<reference_ssu>(plan);
}

}  // namespace ssugraph::detail::reference
