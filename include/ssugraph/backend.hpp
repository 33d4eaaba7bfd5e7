#pragma once

/** @file
 *  Implementations of the SSU: what one must say of itself, and how a user adds one. */

#include <ssugraph/config.hpp>
#include <ssugraph/enum_set.hpp>
#include <ssugraph/export.hpp>
#include <ssugraph/ssu.hpp>
#include <ssugraph/ssu_plan.hpp>
#include <ssugraph/ssu_problem.hpp>
#include <ssugraph/stream.hpp>
#include <ssugraph/tensor_view.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace ssugraph {

/** Whether a backend serves a problem: yes, or the reason why not, in words. */
struct support {
  std::string why_not;  ///< empty: it does
  /** True if it does. */
  explicit operator bool() const noexcept { return why_not.empty(); }
};

/** What a problem may need of a backend beside one token a sequence of a tied model. */
enum class ssu_feature : std::uint8_t {
  untied,               ///< A, dt and dt_bias that are no scalar a head (Mamba-1)
  varlen,               ///< cu_seqlens
  speculative,          ///< num_accepted_tokens
  dst_indices,          ///< dst_state_batch_indices
  D,                    ///< the tensor of that name
  z,                    ///< the same
  dt_bias,              ///< the same
  dt_softplus,          ///< of dt + dt_bias
  stochastic_rounding,  ///< of the stored state
  mixed_dtypes,         ///< x, B, C, z and out of more than one dtype
  dt_limits,            ///< dt_min or dt_max
  dst_state,            ///< the tensor of that name
  out_in_place,         ///< `out` that is `x` or `z`
  dst_indices_alone,    ///< dst_state_batch_indices without state_batch_indices
  checkpointed,         ///< rings
};

/** What a backend has. What a problem needs beyond it is refused by name, so that nothing new ever
 *  runs as something else. */
struct backend_features {
  enum_set<ssu_feature> features;  ///< of those above
  enum_set<dtype> state;           ///< dtypes of the state; a scaled one comes with its scales
  enum_set<dtype> floats;          ///< of x, dt, A, B, C, D, z, dt_bias and out
  enum_set<dtype> indices;         ///< of index and count tensors

  bool operator==(const backend_features&) const = default;
};

/** All that version 0.1 had: the features up to stochastic_rounding, fp32, fp16 and bf16, int32 and
 *  int64. What later versions add is not in it. */
[[nodiscard]] SSUGRAPH_EXPORT backend_features features_of_0_1() noexcept;

/** As it is written here. */
[[nodiscard]] SSUGRAPH_EXPORT std::string to_string(ssu_feature feature);

/**
 * An implementation of SSU. Safe to share between threads. A user's own derives from this, too; a
 * pipeline records what its `enqueue` puts on the stream by stream capture.
 */
class SSUGRAPH_EXPORT mamba_ssu_backend {
 public:
  virtual ~mamba_ssu_backend() = default;

  /** What configs name it by. */
  [[nodiscard]] virtual std::string name() const = 0;
  /** What it has. A problem that needs more never reaches the functions below. */
  [[nodiscard]] virtual backend_features features() const { return features_of_0_1(); }
  /** Whether it can do `problem`, whatever the number of sequences. */
  [[nodiscard]] virtual support supports(const ssu_problem& problem) const = 0;
  /**
   * The launch of `problem` for `sequences` sequences, by `algorithm`: `auto`, or one that a plan
   * of this backend names. `problem` is served. Throws unsupported if the algorithm is unknown or
   * cannot do it.
   */
  [[nodiscard]] virtual ssu_plan plan(const ssu_problem& problem, std::int64_t sequences,
                                      const std::string& algorithm) const = 0;
  /**
   * The plans of `problem` worth measuring, at least one. Asking `plan` for the algorithm of one of
   * them, for any number of sequences, gives the same kernel. Throws as `plan`.
   */
  [[nodiscard]] virtual std::vector<ssu_plan> candidates(const ssu_problem& problem,
                                                         std::int64_t sequences) const;
  /**
   * Enqueues `plan` on `stream`. `args` are validated, in canonical form (every axis present),
   * match the plan and have its scalars. They are aligned at least as its problem says: where a
   * lane binds tensors that are aligned less than those planned for, `supports` and `plan` are
   * asked again, must give the same launch, and the problem has the lower alignment. The library's
   * own throw invalid_argument where a plan cannot take `args` for where they lie. Stochastic
   * rounding takes its seed from `args.rand_seed` or, where that is unbound, from `drawn_seed`.
   * Must be capture-safe wherever `args.rand_seed` is bound.
   */
  virtual void enqueue(const ssu_plan& plan, const ssu_args& args, std::int64_t drawn_seed,
                       stream_handle stream) const = 0;
};

/**
 * Adds a backend that configs can name from now on. Thread-safe. Throws invalid_argument if it is
 * null or its name is empty, taken, or `automatic`.
 */
SSUGRAPH_EXPORT void register_mamba_ssu_backend(std::shared_ptr<const mamba_ssu_backend> backend);

/** One backend's answer to a problem. */
struct backend_support {
  std::string backend;  ///< its name
  support answer;       ///< what it says
};

/** What every backend says to the problem of `args` under `config`; its backend plays no part.
 *  Throws invalid_argument. */
[[nodiscard]] SSUGRAPH_EXPORT std::vector<backend_support> backends_for(const ssu_args& args,
                                                                        const mamba_config& config);

}  // namespace ssugraph
