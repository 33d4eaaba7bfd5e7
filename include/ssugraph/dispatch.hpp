#pragma once

/** @file
 *  SSU calls one at a time: a config bound to its backend. */

#include <ssugraph/backend.hpp>
#include <ssugraph/config.hpp>
#include <ssugraph/export.hpp>
#include <ssugraph/random.hpp>
#include <ssugraph/ssu.hpp>
#include <ssugraph/ssu_plan.hpp>
#include <ssugraph/stream.hpp>

#include <cstdint>
#include <memory>

namespace ssugraph {

/**
 * A config bound to its backend: validates, resolves and launches SSU calls one at a time. Its own
 * random state serves stochastic rounding where a call passes no `rand_seed`. Safe to share between
 * threads.
 */
class SSUGRAPH_EXPORT ssu_dispatch {
 public:
  /** Throws invalid_argument on an unknown backend (with the valid names) or rounds outside 0..10.
   */
  explicit ssu_dispatch(mamba_config config, std::uint64_t seed = 0);
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
   * Enqueues one SSU on `stream` (reference: runs it before it returns). Throws as `plan`. Ordered
   * by the stream; no synchronisation, and no device allocation but for 8 stream-ordered bytes
   * where flashinfer draws its own seed. Capture-safe, except that a call that would draw its own
   * seed inside a capture throws invalid_state, for every replay would see the same seed: pass
   * `rand_seed` there.
   */
  void selective_state_update(const ssu_args& args, stream_handle stream);

  /** Seed stream of the calls that pass no `rand_seed`; counts draws already enqueued. */
  [[nodiscard]] ssugraph::random_state random_state() const noexcept;
  /** For calls to come. */
  void set_random_state(ssugraph::random_state state) noexcept;

 private:
  struct resident;

  std::unique_ptr<resident> resident_;
};

/** Makes `config` the process-wide default and returns it; a later call replaces it. Thread-safe.
 */
SSUGRAPH_EXPORT std::shared_ptr<ssu_dispatch> initialize_mamba_ssu_backend(mamba_config config,
                                                                           std::uint64_t seed = 0);

/** The process-wide default. Throws invalid_state before initialize_mamba_ssu_backend. */
[[nodiscard]] SSUGRAPH_EXPORT std::shared_ptr<ssu_dispatch> get_mamba_ssu_backend();

/** `get_mamba_ssu_backend()->selective_state_update(args, stream)`. */
SSUGRAPH_EXPORT void selective_state_update(const ssu_args& args, stream_handle stream);

}  // namespace ssugraph
