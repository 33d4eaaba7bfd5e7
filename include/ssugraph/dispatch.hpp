#pragma once

/** @file
 *  SSU calls one at a time: a config bound to its backend. */

#include <ssugraph/backend.hpp>
#include <ssugraph/config.hpp>
#include <ssugraph/export.hpp>
#include <ssugraph/random.hpp>
#include <ssugraph/ssu.hpp>
#include <ssugraph/ssu_call.hpp>
#include <ssugraph/ssu_plan.hpp>
#include <ssugraph/stream.hpp>

#include <cstdint>
#include <memory>
#include <optional>

namespace ssugraph {

namespace detail {
struct eager_state;
}

/** How eager calls run. */
struct eager_options {
  /**
   * Verify what callers promise of index and count tensors (ssu.hpp) before each call is launched:
   * one kernel more, on the stream and the tensors of the call, which then waits for that stream.
   * For debugging. The first sequence that breaks a promise is an invalid_argument
   * ("state_batch_indices[17]"), as is a tensor that does not lie in live allocations, and the call
   * does nothing else. In a capture, where nobody can wait, each call is an invalid_state. Unset:
   * what the library was built with (CMake option SSUGRAPH_CHECKED, off by default).
   */
  std::optional<bool> checked = {};
  /**
   * Launch programmatically (programmatic dependent launch), where a kernel was compiled for 9.0 or
   * later: it may start while what was enqueued in front of it still runs, if that triggers, and
   * waits for all of it before it touches memory. So it is always safe, in captures, too.
   */
  bool programmatic_dependent_launch = false;

  bool operator==(const eager_options&) const = default;
};

/**
 * A config bound to its backend: validates, resolves and launches SSU calls one at a time. Its own
 * random state serves stochastic rounding where a call passes no `rand_seed`. Safe to share between
 * threads.
 *
 * Programmatic dependent launch: every block of every kernel of this library waits
 * (`griddepcontrol.wait`) before it reads or writes any memory but its own arguments, and triggers
 * (`griddepcontrol.launch_dependents`) only behind that wait, if at all; on a GPU of 9.0 or later,
 * that is, for which it was compiled. So a caller who makes the edge in front of a launch of ours
 * programmatic, in a graph that captured it, changes no result, whatever the kernel in front writes
 * and however early it triggers. A kernel behind ours that is launched so must wait in turn. This
 * holds of all that eager calls, reset_slots, load_slots and store_slots launch, but for
 * FlashInfer's own kernels; the steps of a lane read ahead of their wait what the library knows
 * that nothing in front writes.
 */
class SSUGRAPH_EXPORT ssu_dispatch {
 public:
  /** Throws invalid_argument on an unknown backend (with the valid names) or rounds other than
   *  0 and 3..10. */
  explicit ssu_dispatch(mamba_config config, std::uint64_t seed = 0, eager_options options = {});
  ssu_dispatch(const ssu_dispatch&) = delete;
  ssu_dispatch& operator=(const ssu_dispatch&) = delete;
  ~ssu_dispatch();

  /** As given. */
  [[nodiscard]] const mamba_config& config() const noexcept;
  /** The one that `config` names. */
  [[nodiscard]] const mamba_ssu_backend& backend() const noexcept;

  /**
   * Validates `args` and resolves them without running anything. Throws invalid_argument or
   * unsupported. Reads no tensor.
   */
  [[nodiscard]] ssu_plan plan(const ssu_args& args) const;

  /**
   * Enqueues one SSU on `stream` (reference: runs it before it returns). Throws as `plan`, and as
   * `eager_options::checked` says. Ordered by the stream; no synchronisation unless checked, and no
   * device allocation but for 8 stream-ordered bytes where flashinfer draws its own seed.
   * Capture-safe unless checked, except that a call that would draw its own
   * seed inside a capture throws invalid_state, for every replay would see the same seed: pass
   * `rand_seed` there.
   */
  void selective_state_update(const ssu_args& args, stream_handle stream);

  /**
   * `args`, of the largest batch, validated, planned and loaded once, to be launched with other
   * addresses and up to as many sequences. Enqueues nothing, and reads no tensor. Throws as `plan`,
   * and cuda_error.
   */
  [[nodiscard]] ssu_call prepare(const ssu_args& args) const;

  /** Seed stream of the calls that pass no `rand_seed`; counts draws already enqueued. */
  [[nodiscard]] ssugraph::random_state random_state() const noexcept;
  /** For calls to come. */
  void set_random_state(ssugraph::random_state state) noexcept;

 private:
  std::shared_ptr<detail::eager_state> state_;
};

/** Makes `config` the process-wide default and returns it; a later call replaces it. Thread-safe.
 */
SSUGRAPH_EXPORT std::shared_ptr<ssu_dispatch> initialize_mamba_ssu_backend(
    mamba_config config, std::uint64_t seed = 0, eager_options options = {});

/** The process-wide default. Throws invalid_state before initialize_mamba_ssu_backend. */
[[nodiscard]] SSUGRAPH_EXPORT std::shared_ptr<ssu_dispatch> get_mamba_ssu_backend();

/** `get_mamba_ssu_backend()->selective_state_update(args, stream)`. */
SSUGRAPH_EXPORT void selective_state_update(const ssu_args& args, stream_handle stream);

}  // namespace ssugraph
