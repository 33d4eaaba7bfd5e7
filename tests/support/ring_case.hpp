#pragma once

#include "tests/support/ring_oracle.hpp"
#include "tests/support/ssu_case.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace ssugraph::test {

/** How the rings of a case lie. */
enum class ring_place : std::uint8_t {
  apart,    ///< each in memory of its own, dense
  strided,  ///< the same at any strides, and at any addresses
  in_slot,  ///< behind the state and its scales, in the slot of a pool
};

/** A layer with rings. */
struct ring_spec {
  /** Plain or varlen, tied, in place: the rest is as of any call. T is its max_seqlen. */
  case_spec call;
  std::int64_t interval = 16;   ///< W
  std::int64_t spare_rows = 0;  ///< R beyond W + 2T - 1
  ring_place rings = ring_place::apart;
  bool has_accepted = false;
  bool has_key = false;

  [[nodiscard]] ring_sizes sizes() const {
    return {interval, call.max_seqlen, interval + 2 * call.max_seqlen - 1 + spare_rows};
  }
};

[[nodiscard]] std::string to_string(const ring_spec& spec);

/** The smallest spec of a mode: five sequences, T 1 or 4. */
[[nodiscard]] ring_spec ring_spec_of(ssu_mode mode);

/** A spec over everything that checkpointed states allow. */
[[nodiscard]] ring_spec random_ring_spec(random_engine& engine);

/** One slot of a tensor. */
[[nodiscard]] tensor_view slot_of(const tensor_view& tensor, std::int64_t slot);

/** What dead rows of rings hold. */
enum class dead_rows : std::uint8_t { leftovers, nan, infinity, large };

/**
 * A layer with its data, from step to step. `test.layout` binds the cursor and the plan both: an
 * eager call takes one, a pipeline the other. All slots but the null one start at cursors that
 * steps may have left behind, with an empty ring.
 */
class ring_case {
 public:
  ring_case(const ring_spec& spec, random_engine& engine);

  [[nodiscard]] const ring_spec& spec() const { return spec_; }
  [[nodiscard]] ssu_case& test() { return test_; }
  [[nodiscard]] const ssu_case& test() const { return test_; }
  [[nodiscard]] ssu_args args() { return test_.args_at(test_.memory.data()); }
  /** Those of the live batch. */
  [[nodiscard]] ssu_args live_args() { return first_sequences(args(), test_.batch); }

  /** Slots that sequences may have. */
  [[nodiscard]] const std::vector<std::int64_t>& slots() const { return slots_; }

  /** A request begins: a state and, at `position`, an empty ring that starts anywhere. */
  ring_cursor admit(std::int64_t slot, std::int64_t position, random_engine& engine);

  /** The next step's sequences: slots, lengths, acceptance, and rows of inputs. */
  void next_step(std::int64_t batch, random_engine& engine);
  /** The same, of sequences that are given: slots (-1: null) and lengths. */
  void next_step(const std::vector<std::int64_t>& slots, const std::vector<std::int64_t>& lengths,
                 random_engine& engine);
  /** Tokens of the previous step that stand, for sequence i. */
  void accept(std::int64_t i, std::int64_t count);

  /** Writes the plan of the live batch, as an engine does, and over all rows that are dead in it.
   */
  void put_plan(const std::vector<ring_plan_row>& plan, dead_rows dead, random_engine& engine);

 private:
  void place_rings(random_engine& engine);
  void fill_inputs(random_engine& engine);

  ring_spec spec_;
  ssu_case test_;
  std::vector<std::int64_t> slots_;
};

}  // namespace ssugraph::test
