#pragma once

/** @file
 *  From steps to a pipeline. */

#include <ssugraph/bucket_policy.hpp>
#include <ssugraph/config.hpp>
#include <ssugraph/detail/callers_runtime.hpp>
#include <ssugraph/export.hpp>
#include <ssugraph/pipeline.hpp>
#include <ssugraph/recording.hpp>
#include <ssugraph/sequence_group.hpp>
#include <ssugraph/ssu.hpp>
#include <ssugraph/step.hpp>
#include <ssugraph/target.hpp>
#include <ssugraph/tuning.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace ssugraph {

namespace detail {
struct pipeline_draft;
}  // namespace detail

/** What the library must know of an SSU step beside its arguments. */
struct ssu_options {
  /** This step reads and writes the state of an earlier one, with the scales of that. Else that is
   *  an error, and always where one of both has rings. */
  bool shares_state = false;
  /** The name of the sequences that this step is of (`pipeline_builder::sequences`). It binds none
   * of their tensors itself then, and its scalars of theirs are not set, or equal. */
  std::string sequences{};
};

/**
 * Collects steps, then resolves them for every bucket. Not shared between threads.
 *
 * @code{.cpp}
 * ssugraph::pipeline_builder builder{{.stochastic_rounding = true},       // backend: native
 *                                    ssugraph::bucket_policy::serving(256)};
 * builder.ssu("mixer0", mixer0)                                           // ssu_args of a layer
 *     .step("between",
 *           [](const ssugraph::step_context& context, ssugraph::stream_handle stream) {
 *             enqueue_gemms(context.rows, stream);                        // whatever of yours
 *           })
 *     .ssu("mixer1", mixer1);
 * const ssugraph::pipeline pipeline = builder.build();                    // dispatch ends here
 * @endcode
 */
class SSUGRAPH_EXPORT pipeline_builder {
 public:
  /**
   * Throws invalid_argument as `ssu_dispatch` does, and for `target::cuda` with the CPU backend
   * `reference`; unsupported for `target::cuda` without a CUDA device, with the reason;
   * invalid_state for it in a process forked from one that used CUDA. `target::host` resolves every
   * step to `reference`, whatever `config.backend` says, and does not begin the use of CUDA.
   */
  [[gnu::always_inline]] pipeline_builder(mamba_config config, bucket_policy buckets,
                                          target where = target::cuda)
      : pipeline_builder{std::move(config),
                         std::move(buckets),
                         where,
                         {&detail::peek_at_callers_last_error, &detail::get_callers_last_error}} {}
  /** A builder of its own that goes on from the same steps; a move is a copy. */
  pipeline_builder(const pipeline_builder& other);
  /** As the copy; on failure this one is as it was. */
  pipeline_builder& operator=(const pipeline_builder& other);
  ~pipeline_builder();

  /**
   * Appends one SSU layer. x, dt, z, B, C and out need at least max_batch rows, with cu_seqlens
   * max_batch * T (or fewer: see `rows`); indices and num_accepted_tokens max_batch entries,
   * cu_seqlens max_batch + 1. Varlen needs `max_seqlen`. All steps share one mode and one T.
   * `rand_seed` must be unbound: seeds come from the lane. Steps on one `ring_cursor` agree in W,
   * R, T, slots, null_block_id, indices, cu_seqlens and num_accepted_tokens; other cursors lie
   * apart.
   *
   * Throws invalid_argument (names step and tensor; also where the state, a ring or the cursor
   * overlaps what an earlier step keeps and `options` do not say so) or unsupported; the builder is
   * then unchanged.
   */
  pipeline_builder& ssu(std::string name, const ssu_args& args, ssu_options options = {});

  /**
   * Names sequences for the steps behind that ask for them. `rebind` and the bindings of a lane
   * replace a tensor of theirs in all of these steps at once, by this name. All steps of a pipeline
   * share one mode and one T, and one batch. In these steps such tensors are not bound, and such
   * numbers are those of the sequences or their defaults, which count as not set.
   *
   * Throws invalid_argument (a name that is empty, or that a step or other sequences have); what is
   * wrong with a tensor, the step says that names them. The builder is then unchanged.
   */
  pipeline_builder& sequences(std::string name, const sequence_group& group);

  /**
   * Appends a custom step. Throws invalid_argument (a name that is taken or empty, no callable, a
   * negative number of seeds, `triggers_early` without `writes`); the builder is then unchanged.
   */
  pipeline_builder& step(std::string name, step_function enqueue, step_options options = {});

  /**
   * A budget of rows for what cu_seqlens bound, as engines have one of tokens: a bucket of b
   * sequences has min(b * T, `count`) rows then, and row tensors need no more than the largest. The
   * caller promises that cu_seqlens[batch] is never above that. Checked mode verifies it; `native`
   * and `reference` touch nothing behind those rows in any case. 0, the default: b * T.
   *
   * Throws invalid_argument (negative) and invalid_state (behind a step of the library's). `ssu`
   * throws invalid_argument then for a step without cu_seqlens, and for a T above `count`.
   */
  pipeline_builder& rows(std::int64_t count);

  /** Whether library kernels overlap by programmatic dependent launch (default: where they can). */
  pipeline_builder& programmatic_dependent_launch(bool enabled) noexcept;

  /** Throws invalid_argument unless scratch_fraction is in (0, 1]. */
  pipeline_builder& tuning(tuning_options options);

  /** For all lanes of what is built. */
  pipeline_builder& recording(recording_options options) noexcept;

  /**
   * Resolves every step for every bucket and loads the kernels without running them. With backend
   * `automatic`, measures candidates on scratch memory and streams of its own first, and waits for
   * those; never on bound tensors. Throws invalid_state without an SSU step, invalid_argument for
   * more buckets than the budget has graphs, cuda_error. The builder stays as it was and may build
   * again.
   */
  [[nodiscard]] pipeline build() const;

 private:
  friend struct detail::pipeline_draft;
  pipeline_builder(mamba_config config, bucket_policy buckets, target where,
                   detail::callers_last_error last_error);

  std::unique_ptr<detail::pipeline_draft> draft_;
};

}  // namespace ssugraph
