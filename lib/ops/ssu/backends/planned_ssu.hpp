#pragma once

#include "lib/step/planned_step.hpp"

#include <ssugraph/backend.hpp>
#include <ssugraph/candidate_timing.hpp>
#include <ssugraph/ssu.hpp>
#include <ssugraph/ssu_plan.hpp>
#include <ssugraph/ssu_problem.hpp>
#include <ssugraph/stream.hpp>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace ssugraph::detail {

/** How one call of a plan is enqueued. */
struct ssu_launch {
  std::int64_t drawn_seed = 0;  ///< where none is bound
  std::int64_t sequences = 0;   ///< the first of those that were planned; 0: all
  bool programmatic = false;  ///< may start under what is in front, if its kernel is loaded and can
};

/** An SSU that is resolved: the plan that a user sees, and what runs it, typed by its backend. */
class planned_ssu : public planned_step {
 public:
  [[nodiscard]] const ssu_plan& plan() const noexcept { return plan_; }

  [[nodiscard]] std::int64_t sequences() const final { return plan_.sequences; }
  [[nodiscard]] plan_choice choice() const final { return {plan_.backend, plan_.algorithm}; }
  [[nodiscard]] std::string text() const final { return to_string(plan_); }
  [[nodiscard]] plan_fields fields() const final;
  [[nodiscard]] std::int64_t bytes(std::int64_t sequences, std::int64_t rows) const final;
  [[nodiscard]] bool equals(const planned_step& other) const final;
  /** Why what it launches cannot run `problem`, which differs from the planned one in where the
   *  tensors lie; empty if it can. What would be planned for that, by the same name, tells nothing.
   */
  [[nodiscard]] virtual std::string why_not(const ssu_problem& problem) const = 0;
  [[nodiscard]] const std::vector<candidate_timing>& timings() const final { return plan_.timings; }
  void set_timings(std::vector<candidate_timing> timings) final {
    plan_.timings = std::move(timings);
  }

  /** With the seed of each launch bound, if it rounds. */
  void enqueue(std::span<const tensor_view> tensors, stream_handle stream) const final;
  /** As mamba_ssu_backend::enqueue. Tensors may be longer than the sequences of `how` need. */
  virtual void enqueue(const ssu_args& args, const ssu_launch& how, stream_handle stream) const = 0;

 protected:
  /** How many are to be launched, where 0 stands for all. */
  [[nodiscard]] std::int64_t launched(std::int64_t sequences) const noexcept {
    return sequences > 0 ? sequences : plan_.sequences;
  }

  /** Of `problem`, whatever a user's backend wrote into its plan. */
  planned_ssu(ssu_plan plan, const ssu_problem& problem);

  /** `tensors` with the scalars of the problem. */
  [[nodiscard]] ssu_args arguments(std::span<const tensor_view> tensors) const;

 private:
  ssu_plan plan_;
  ssu_args scalars_;  ///< without tensors
};

/** A backend of the library: its plans hold what they launch as values. Whoever asks, what it does
 *  not declare is refused first. */
class library_backend : public mamba_ssu_backend {
 public:
  [[nodiscard]] backend_features features() const override = 0;
  /** As `supports`, of problems that need no more than it declares. */
  [[nodiscard]] virtual support serves(const ssu_problem& problem) const = 0;
  /** As `plan`, and what runs it. */
  [[nodiscard]] virtual std::shared_ptr<planned_ssu> resolve(
      const ssu_problem& problem, std::int64_t sequences, const std::string& algorithm) const = 0;

  [[nodiscard]] support supports(const ssu_problem& problem) const final;
  [[nodiscard]] ssu_plan plan(const ssu_problem& problem, std::int64_t sequences,
                              const std::string& algorithm) const final;
  /** For who holds a plan alone: by the algorithm that it names. Throws invalid_argument where that
   *  cannot take `args` for where they lie. */
  void enqueue(const ssu_plan& plan, const ssu_args& args, std::int64_t drawn_seed,
               stream_handle stream) const final;
};

}  // namespace ssugraph::detail
