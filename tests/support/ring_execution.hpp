#pragma once

#include "tests/support/compare.hpp"
#include "tests/support/device.hpp"
#include "tests/support/execution.hpp"
#include "tests/support/ring_case.hpp"
#include "tests/support/ring_oracle.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace ssugraph::test {

/** Runs one step of a case whose tensors, already filled for it, lie where it was made. */
using ring_stepper = std::function<void(const ssu_case&)>;

/** Who plans a step and takes the cursors on. */
enum class ring_planner : std::uint8_t {
  caller,      ///< the test's model; nobody reads the cursors
  plan_rings,  ///< the function of that name, in front of an eager call
  prologue,    ///< a lane's, on a plan of its own
};

/** One way to run the steps of a checkpointed state. */
struct ring_execution {
  std::string name;
  place where = place::host;
  std::string backend = "native";
  ring_planner planner = ring_planner::caller;
  /** Sequences that a step serves, padded ones included. */
  std::function<std::int64_t(const ssu_case&)> sequences;
  std::function<ring_stepper(const ssu_case&, std::byte* base, stream_handle)> start;
};

std::ostream& operator<<(std::ostream& stream, const ring_execution& how);

[[nodiscard]] ring_execution reference_rings();
[[nodiscard]] ring_execution native_rings();
/** The same, by the plans of plan_rings. */
[[nodiscard]] ring_execution planned_rings(const ring_execution& how);
/** The same, prepared once, launched each step. */
[[nodiscard]] ring_execution prepared_rings(const ring_execution& how);

[[nodiscard]] bool can_run(const ring_execution& how);

/** How far a run has been off, at most. */
struct ring_errors {
  tensor_error state, out;
  double drift = 0;  ///< of what all roundings since a request began may have added up to
  long steps = 0, checkpoints = 0;
};

/** A case and all of its requests, step by step, each compared with float64. */
class ring_run {
 public:
  /** Admits a request to every slot. */
  ring_run(const ring_spec& spec, const ring_execution& how, random_engine engine);

  [[nodiscard]] ring_case& content() { return case_; }
  [[nodiscard]] ring_tracker& tracker() { return tracker_; }
  [[nodiscard]] random_engine& engine() { return engine_; }
  [[nodiscard]] const ring_errors& errors() const { return errors_; }

  /** A request begins at `position`, on a random state. */
  void admit(std::int64_t slot, std::int64_t position);
  /** The same, on the state that now lies there. */
  void begin(std::int64_t slot) { history_.admit(case_.args(), slot); }
  /** The same request once more: state, rings, cursor and key of `from` in `to`, verbatim. */
  void copy_slot(std::int64_t from, std::int64_t to);
  /** Where an empty ring begins, and the position. */
  void set_cursor(std::int64_t slot, const ring_cursor& cursor);

  /** Runs the step that `content()` holds. */
  [[nodiscard]] testing::AssertionResult step(dead_rows dead = dead_rows::nan);
  /** The same by a plan that keeps other rules, whose rows are live in the ring. */
  [[nodiscard]] testing::AssertionResult step_by(const std::vector<ring_plan_row>& plan,
                                                 dead_rows dead = dead_rows::nan);
  /** Runs what `content()` holds, whatever that is: only tensors that steps write may change. */
  [[nodiscard]] testing::AssertionResult step_anyhow();
  /** A random batch; now and then requests begin. */
  [[nodiscard]] testing::AssertionResult random_step();

  /** Bytes of the step's `out`, of the live rows in order. */
  [[nodiscard]] std::vector<std::byte> out() { return bytes_of(&ssu_args::out); }
  /** Bytes of a slot's state and scales. */
  [[nodiscard]] std::vector<std::byte> state(std::int64_t slot);
  /** The plan of the last step. */
  [[nodiscard]] const std::vector<ring_plan_row>& plan() const { return plan_; }

 private:
  [[nodiscard]] std::vector<std::byte> bytes_of(tensor_view ssu_args::*member);
  /** To where it runs, and back. */
  void run_on_memory();
  [[nodiscard]] testing::AssertionResult compare_step(const ring_result& expected, arena& before);
  [[nodiscard]] testing::AssertionResult cursors_agree();
  [[nodiscard]] testing::AssertionResult plans_agree();
  [[nodiscard]] std::vector<expected_tensor> written_by_planner(arena& before);

  ring_execution how_;
  random_engine engine_;
  ring_case case_;
  ring_tracker tracker_;
  ring_history history_;
  placed_memory memory_;
  placed_stream stream_;
  ring_stepper run_;
  std::vector<ring_plan_row> plan_;
  ring_errors errors_;
};

}  // namespace ssugraph::test
