#pragma once

#include "tests/support/ssu_oracle.hpp"

#include <ssugraph/config.hpp>
#include <ssugraph/rings.hpp>
#include <ssugraph/ssu.hpp>

#include <cstdint>
#include <deque>
#include <map>
#include <vector>

/** Checkpointed states by the formulas of ssu.hpp and rings.hpp, in integers and float64: nothing
 *  here shares code with what it checks. */
namespace ssugraph::test {

/** W, T and R. */
struct ring_sizes {
  std::int64_t interval = 16;
  std::int64_t max_seqlen = 1;
  std::int64_t rows = 17;
};

/** The cursors of all slots, as the prologue keeps them. */
class ring_tracker {
 public:
  ring_tracker(std::int64_t slots, ring_sizes sizes)
      : sizes_{sizes}, cursors_(static_cast<std::size_t>(slots)) {}

  [[nodiscard]] const ring_cursor& cursor(std::int64_t slot) const {
    return cursors_.at(place(slot));
  }
  void set(std::int64_t slot, const ring_cursor& cursor) { cursors_.at(place(slot)) = cursor; }

  /** Plans a step of host tensors, and goes on past it. Of a sequence that is null or empty, the
   *  slot is -1. */
  [[nodiscard]] std::vector<ring_plan_row> plan(const ssu_args& args);

 private:
  static std::size_t place(std::int64_t slot) { return static_cast<std::size_t>(slot); }

  ring_sizes sizes_;
  std::vector<ring_cursor> cursors_;
};

/** What a step writes. Nothing else may change, but for cursors. */
struct ring_result {
  expected_tensor state;
  expected_tensor out;
  expected_tensor x_ring, B_ring, dt_ring;
};

/** The tokens that one layer was given and what its states should be. */
class ring_history {
 public:
  explicit ring_history(ring_sizes sizes) : sizes_{sizes} {}

  /** A request begins on the state that lies in `slot`, with an empty ring. */
  void admit(const ssu_args& args, std::int64_t slot);

  /** The request of `from` is that of `to`, too. */
  void copy(std::int64_t from, std::int64_t to) { requests_[to] = requests_.at(from); }

  /** A step by `plan` on host tensors, which hold the state and inputs from before it: the
   *  checkpoints that are stored there and the tokens since, in float64. `seed` serves stochastic
   *  rounding. */
  [[nodiscard]] ring_result step(const ssu_args& args, const std::vector<ring_plan_row>& plan,
                                 const mamba_config& config, std::int64_t seed);

  /** How far stored checkpoints, in `args` after the step, are from the recurrence that never
   *  rounded: the greatest part of what all roundings since may have added up to. */
  [[nodiscard]] double drift(const ssu_args& args);

 private:
  struct token {
    std::vector<double> x, B, dt;  ///< (nheads, dim), (ngroups, dstate), (nheads): dt'
  };

  struct element {
    double value;
    double terms;      ///< magnitudes that it is the sum of
    double exponents;  ///< of these, each times that of its decay

    /** What a sum in fp32 may be off by: its own roundings, and those of exponents. */
    [[nodiscard]] double slack() const { return terms * 0x1p-19 + exponents * 0x1p-21; }
  };

  /** Of an element of a state: exact, and how far the stored one may be from it. */
  struct tracked {
    double value;
    double bound;
  };

  struct request {
    std::deque<token> tokens;  ///< in the ring, the last step's at the end
    std::vector<tracked> truth;
  };

  struct sequence;

  token token_of(const ssu_args& args, std::int64_t row) const;
  void run_row(const sequence& of, std::int64_t head, std::int64_t d, ring_result& result);
  void store_row(const sequence& of, std::int64_t head, std::int64_t d,
                 const std::vector<element>& h, ring_result& result);
  void append(const sequence& of, std::int64_t t, const token& added, ring_result& result) const;

  ring_sizes sizes_;
  std::map<std::int64_t, request> requests_;  ///< by slot
  /** Rows of the last step's checkpoints: (slot, head, d). */
  struct stored_row {
    std::int64_t slot, head, d;
  };
  std::vector<stored_row> stored_;
};

}  // namespace ssugraph::test
