#pragma once

#include "comparison.hpp"
#include "machine.hpp"
#include "recomputation.hpp"
#include "scheduler.hpp"
#include "workload.hpp"

#include <ssugraph/config.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace serving_loop {

/** Largest errors of a step against the reference, as shares of what is tolerated. */
struct check_errors {
  double state = 0;
  double out = 0;
  /** Stochastic rounding: share of the state's elements that are not the reference's bits; 0 of
   *  checkpointed states, whose bits the reference has not. */
  double rounding = 0;
};

/**
 * Follows some requests through every step that they are in. Around the step their slots are copied
 * from every layer. The copy before it must equal, bit for bit, the one after the step before (at
 * first: zeros); the one after it, and `out`, must be what the reference backend makes of the same
 * state, slot, seed and inputs, within one unit in the last place of what a state is rounded to and
 * 1e-5 of the largest magnitude. With stochastic rounding the bits themselves must be the
 * reference's, but for the few elements whose sums differ in fp32. Of checkpointed states the
 * reference goes on from the checkpoint by all inputs since, without rings: a state that is stored
 * may be two units apart, another one not at all, and `out` by what tensor cores cost. A checked
 * step waits for the device; the marks of the step leave that out.
 */
class checker {
 public:
  /** `config` and `seed` are those of the lane, `requests` the numbers of those to be followed. */
  checker(machine& on, const workload& work, const ssugraph::mamba_config& config,
          std::uint64_t seed, std::span<const std::int32_t> requests);

  /** Behind the preparation of a step, in front of its replay. Throws check_failure. */
  void before(std::span<const sequence> running);
  /** Behind the replay, whose first layer has draw `first_draw`. Throws check_failure. */
  void after(std::span<const sequence> running, std::uint64_t first_draw);

  [[nodiscard]] const check_errors& worst() const { return worst_; }
  /** Steps checked, one for each request that was followed through it. */
  [[nodiscard]] std::int64_t steps() const { return steps_; }

 private:
  struct followed {
    std::int32_t request;
    std::vector<std::byte> before;   ///< its slots in every layer
    std::vector<std::byte> after;    ///< from the step before until the replay is over
    std::vector<std::uint16_t> out;  ///< its rows in every layer
  };

  [[nodiscard]] followed* find(const sequence& running);
  /** Of all slots of a sequence in a layer. */
  [[nodiscard]] std::int64_t slot_bytes() const;
  void copy_slots(const sequence& running, std::vector<std::byte>& to);
  [[noreturn]] void fail_untouched(const followed& request, const sequence& running) const;
  /** Throws check_failure if the step changed a byte of the slots in `layer`. */
  void require_unchanged(const std::string& where, const followed& request,
                         std::int32_t layer) const;
  [[nodiscard]] tolerance state_tolerance() const;
  [[nodiscard]] tolerance out_tolerance() const;
  [[nodiscard]] difference compare_slot(const std::string& where, const std::byte* got,
                                        const std::byte* want, const tolerance& allowed) const;
  [[nodiscard]] check_errors check_layer(std::int32_t layer, const followed& request,
                                         const sequence& running) const;

  machine* machine_;
  const workload* work_;
  bool rounding_;
  bool own_rounding_;
  recomputation again_;
  std::vector<followed> followed_;
  check_errors worst_;
  std::int64_t steps_ = 0;
};

}  // namespace serving_loop
