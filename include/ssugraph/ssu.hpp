#pragma once

#include <ssugraph/enum_set.hpp>
#include <ssugraph/export.hpp>
#include <ssugraph/random.hpp>
#include <ssugraph/stream.hpp>
#include <ssugraph/tensor_view.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

/**
 * The selective state update (SSU): one decode step of a Mamba layer for a batch of sequences.
 * For one token, all arithmetic in fp32:
 *
 *     dt' = dt + dt_bias;  if dt_softplus: dt' = dt' <= 20 ? log1p(exp(dt')) : dt'
 *     h'  = h * exp(A * dt') + (dt' * x) * B       (B and C of group  head / (nheads / ngroups))
 *     out = (sum over dstate of h' * C  [+ D * x])  [* z * sigmoid(z)]
 *
 * Source: Gu and Dao, "Mamba" (2023), section 3, and Dao and Gu, "Transformers are SSMs" (2024),
 * for the tied form. Between the tokens of one call the state stays fp32; only stored copies are
 * rounded, and `out` uses the unrounded h'.
 */
namespace ssugraph {

/** Which implementation runs, and how it stores 16-bit state. */
struct mamba_config {
  /** Name of a backend: `native`, `triton` or `flashinfer` (CUDA), `reference` (CPU), one that
   *  register_mamba_ssu_backend added, or `automatic`: the fastest that serves the problem. */
  std::string backend = "native";
  /** Store fp16 and bf16 state with stochastic rounding; an error for fp32 state. */
  bool stochastic_rounding = false;
  /** Rounds of Philox-4x32 behind the rounding bits, 1..10; 0 means 10. */
  int philox_rounds = 0;
  /** `auto`, or an algorithm that the backend names; native: `vector`, `scalar` or a tile, rows a
   *  thread x threads, as `8x128`; triton: a tile, rows x warps, as `16x4`; flashinfer: `simple`,
   *  `vertical`, `horizontal`. */
  std::string algorithm = "auto";

  bool operator==(const mamba_config&) const = default;
};

/**
 * The tensors and scalars of one SSU call. Nothing is owned. `rows` are tokens; without cu_seqlens
 * a sequence has one row. Each tensor may omit its nheads or ngroups axis (extent 1). Any stride is
 * legal on any axis of an input, as long as no byte leaves 62 bits of address; along an axis of one
 * entry it may be any number. `state` and `out` are written: no two of their elements may lie in
 * one place, and neither may share a byte with another tensor. What is known to be disjoint is:
 * spans apart from each other, and slices of the rows of one buffer (equal outer stride, disjoint
 * within the row). Any other interleaving is refused.
 */
struct ssu_args {
  tensor_view state;                    ///< (slots, nheads, dim, dstate), fp32, fp16 or bf16
  tensor_view x;                        ///< (rows, nheads, dim), fp32, fp16 or bf16
  tensor_view dt;                       ///< (rows, nheads, dim), fp32, fp16 or bf16
  tensor_view A;                        ///< (nheads, dim, dstate), fp32, fp16 or bf16
  tensor_view B;                        ///< (rows, ngroups, dstate), dtype of x
  tensor_view C;                        ///< (rows, ngroups, dstate), dtype of x
  tensor_view D;                        ///< optional (nheads, dim), fp32, fp16 or bf16
  tensor_view z;                        ///< optional (rows, nheads, dim), dtype of x
  tensor_view dt_bias;                  ///< optional (nheads, dim), fp32, fp16 or bf16
  tensor_view out;                      ///< (rows, nheads, dim), dtype of x
  tensor_view state_batch_indices;      ///< optional (n) or (n, T), int32 or int64: slots read
  tensor_view dst_state_batch_indices;  ///< optional, same shape: slots written (default: those)
  tensor_view num_accepted_tokens;      ///< optional (n): speculative mode; wants 2-D indices
  tensor_view cu_seqlens;               ///< optional (n + 1): sequence i has rows cu[i]..cu[i + 1)
  tensor_view rand_seed;                ///< optional int64 (1): seed of the stochastic rounding
  bool dt_softplus = false;             ///< of dt + dt_bias
  /** A sequence whose source slot is this reads and writes no state and gets zero `out` rows. A
   *  destination that is this is not written. Native and reference treat a slot outside
   *  [0, slots) the same way. */
  std::int64_t null_block_id = 0;
  /** T of varlen mode: no sequence is longer. 0: the number of rows. Ignored otherwise. */
  std::int64_t max_seqlen = 0;

  bool operator==(const ssu_args&) const = default;
};

/** The tensors of `ssu_args` by name, but for rand_seed. */
enum class ssu_tensor : std::uint8_t {
  state,
  x,
  dt,
  A,
  B,
  C,
  D,
  z,
  dt_bias,
  out,
  state_batch_indices,
  dst_state_batch_indices,
  num_accepted_tokens,
  cu_seqlens,
};

/** Which tensors are bound decides: num_accepted_tokens speculative, else cu_seqlens varlen. */
enum class ssu_mode : std::uint8_t { plain, varlen, speculative };

/** Where tensors live: ordinal of a CUDA device, or host. */
struct device {
  int ordinal = host_ordinal;  ///< as CUDA counts

  static constexpr int host_ordinal = -1;  ///< no device of CUDA's
  /** The host. */
  static constexpr device host() noexcept { return {}; }
  /** True of the host. */
  [[nodiscard]] bool is_host() const noexcept { return ordinal == host_ordinal; }

  bool operator==(const device&) const = default;
};

/** How a tensor lies in memory, every axis present. */
struct tensor_layout {
  /** The largest alignment that is told apart, bytes. */
  static constexpr std::int64_t max_alignment = 128;

  /** Elements; 0 on an axis of extent 1, unless it is the first and counts slots, rows or
   *  sequences. */
  std::array<std::int64_t, tensor_view::max_rank> strides{};
  std::int64_t alignment = 0;  ///< of the address: a power of two up to 128; 0: nothing is bound

  bool operator==(const tensor_layout&) const = default;
};

/**
 * What `ssu_args` boil down to for dispatch, as they are launched. Holds no address and no batch.
 * A pipeline launches its own copies of index and count tensors: dense, aligned, the indices there
 * even where none are bound (int32 then, and null_block_id is -1).
 */
struct ssu_problem {
  ///@{
  /** As of the tensors in ssu_args. */
  ssu_mode mode = ssu_mode::plain;
  std::int64_t nheads = 0;
  std::int64_t dim = 0;
  std::int64_t dstate = 0;
  std::int64_t ngroups = 0;
  ///@}
  /** T: most tokens of a sequence, and so rows a sequence has in a bucket. Plain: 1. */
  std::int64_t max_seqlen = 1;
  ///@{
  /** Of the tensor of that name, or whether it is bound. Without a value, it is not. */
  dtype state_dtype = dtype::float32;
  dtype io_dtype = dtype::float32;  ///< of x, B, C, z and out
  dtype dt_dtype = dtype::float32;
  dtype A_dtype = dtype::float32;
  std::optional<dtype> D_dtype;
  std::optional<dtype> dt_bias_dtype;
  bool has_z = false;
  bool has_indices = false;
  bool has_dst_indices = false;
  bool has_cu_seqlens = false;
  std::optional<dtype> index_dtype;  ///< of state_batch_indices
  std::optional<dtype> dst_index_dtype;
  std::optional<dtype> accepted_dtype;
  std::optional<dtype> cu_seqlens_dtype;
  bool has_rand_seed = false;  ///< else the seed comes by value
  ///@}
  std::int64_t slots = 0;          ///< of the state
  std::int64_t null_block_id = 0;  ///< as in ssu_args; -1 if the indices cannot hold that
  bool dt_softplus = false;        ///< as in ssu_args
  /** A, dt and dt_bias are one scalar a head (Mamba-2). */
  bool tied = false;
  bool stochastic_rounding = false;  ///< of the stored state
  int philox_rounds = 0;             ///< 1..10 with stochastic rounding, else 0
  ssugraph::device device;           ///< where all tensors are
  /** Empty if state, (untied) A, B and C allow 16-byte accesses of 8 elements along dstate; else
   *  the first tensor that does not, with the reason. */
  std::string misalignment;
  /** Of each ssu_tensor; see layout(). */
  std::array<tensor_layout, 14> layouts{};
  bool is_blackwell = false;  ///< the device's compute capability is 10.0 or later
  /** That launches may use: the device's, or of a lane whose stream has a part of them, that
   * part's. 0: not told, or the host. */
  int multiprocessors = 0;

  /** How `tensor` lies. */
  [[nodiscard]] const tensor_layout& layout(ssu_tensor tensor) const noexcept {
    return layouts[static_cast<std::size_t>(tensor)];
  }

  bool operator==(const ssu_problem&) const = default;
};

/** What the measured choice made of one candidate for a bucket. */
struct candidate_timing {
  std::string backend;       ///< its name
  std::string algorithm;     ///< of that backend
  double median_us = 0.0;    ///< a launch, under graph replay, state out of L2
  double limit_share = 0.0;  ///< bytes that must move over the copy rate, over that time
  std::string verdict;       ///< `chosen`, or why not
};

/** How one SSU of one bucket runs. Resolved once; printable and comparable: equal plans launch the
 *  same, whatever was measured. */
struct ssu_plan {
  /** What one block works on. */
  struct tile {
    int rows = 0;     ///< rows of (dim) that one block owns
    int lanes = 0;    ///< threads that share a row
    int threads = 0;  ///< of a block that hold rows
    bool operator==(const tile&) const = default;
  };

  std::string backend;                 ///< its name
  std::string algorithm;               ///< of that backend; never `auto`
  std::string reason;                  ///< why this algorithm, in words
  std::int64_t sequences = 0;          ///< the bucket, or the batch of an eager call
  ssu_plan::tile tile;                 ///< zeros where the backend does not tell
  std::array<std::int64_t, 3> grid{};  ///< blocks: sequences, heads, tiles of dim
  bool zeroes_null_rows = true;        ///< keeps the promise that null sequences get zero `out`
  bool contract_bits = true;           ///< if it rounds, then by the same bits of a seed as native
  ssu_problem problem;                 ///< what is planned
  std::vector<std::string> notes;  ///< what a user must know, such as which random bits it takes
  /** By time, if backend `automatic` measured; see to_table. */
  std::vector<candidate_timing> timings;

  friend bool operator==(const ssu_plan& a, const ssu_plan& b) {
    const auto launch = [](const ssu_plan& plan) {
      return std::tie(plan.backend, plan.algorithm, plan.reason, plan.sequences, plan.tile,
                      plan.grid, plan.zeroes_null_rows, plan.contract_bits, plan.problem,
                      plan.notes);
    };
    return launch(a) == launch(b);
  }
};

/** As it is written here. */
[[nodiscard]] SSUGRAPH_EXPORT std::string to_string(ssu_mode mode);
///@{
/** One line for people, without its end. */
[[nodiscard]] SSUGRAPH_EXPORT std::string to_string(const ssu_problem& problem);
[[nodiscard]] SSUGRAPH_EXPORT std::string to_string(const ssu_plan& plan);
///@}
/** The timings of a plan, a line each; empty if nothing was measured. */
[[nodiscard]] SSUGRAPH_EXPORT std::string to_table(const ssu_plan& plan);

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
};

/** What a backend has. What a problem needs beyond it is refused by name, so that nothing new ever
 *  runs as something else. */
struct backend_features {
  enum_set<ssu_feature> features;  ///< of those above
  enum_set<dtype> state;           ///< dtypes of the state
  enum_set<dtype> floats;          ///< of x, dt, A, B, C, D, z, dt_bias and out
  enum_set<dtype> indices;         ///< of index and count tensors

  bool operator==(const backend_features&) const = default;
};

/** All that version 0.1 had: each feature above, fp32, fp16 and bf16, int32 and int64. What later
 *  versions add is not in it. */
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
 * A config bound to its backend: validates, resolves and launches SSU calls one at a time. Its own
 * random state serves stochastic rounding where a call passes no `rand_seed`. Safe to share between
 * threads.
 */
class SSUGRAPH_EXPORT ssu_dispatch {
 public:
  /** Throws invalid_argument on an unknown backend (with the valid names) or rounds outside 0..10.
   */
  explicit ssu_dispatch(mamba_config config, std::uint64_t seed = 0);

  /** As given. */
  [[nodiscard]] const mamba_config& config() const noexcept { return config_; }
  /** The one that `config` names. */
  [[nodiscard]] const mamba_ssu_backend& backend() const noexcept { return *backend_; }

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
  std::int64_t draw_seed() noexcept;

  mamba_config config_;
  std::shared_ptr<const mamba_ssu_backend> backend_;
  mutable std::mutex random_mutex_;
  ssugraph::random_state random_;
};

/** Makes `config` the process-wide default and returns it; a later call replaces it. Thread-safe.
 */
SSUGRAPH_EXPORT std::shared_ptr<ssu_dispatch> initialize_mamba_ssu_backend(mamba_config config,
                                                                           std::uint64_t seed = 0);

/** The process-wide default. Throws invalid_state before initialize_mamba_ssu_backend. */
[[nodiscard]] SSUGRAPH_EXPORT std::shared_ptr<ssu_dispatch> get_mamba_ssu_backend();

/** `get_mamba_ssu_backend()->selective_state_update(args, stream)`. */
SSUGRAPH_EXPORT void selective_state_update(const ssu_args& args, stream_handle stream);

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

/**
 * Takes the library's messages, one line each without its end. Called from any thread, one at a
 * time; must not throw. It may call the library, `set_log_sink` included: what that logs on this
 * thread goes to stderr. It must not wait for another thread that may have a line to log.
 */
using log_sink = std::function<void(std::string_view line)>;

/** Replaces where messages go (default, and for an empty sink: stderr). When it returns, the one
 *  before runs no more, unless it made this call. Thread-safe. */
SSUGRAPH_EXPORT void set_log_sink(log_sink sink);

/** Bytes of a dense state tensor of `slots` slots. Throws invalid_argument if negative or too big.
 */
[[nodiscard]] SSUGRAPH_EXPORT std::size_t state_bytes(const ssu_problem& problem,
                                                      std::int64_t slots);

/**
 * Zeroes slots of the states of all layers, as a sequence that starts anew needs: one kernel for up
 * to 400 layers, stream-ordered, capture-safe, no device allocation. On the host: before it
 * returns.
 *
 * @param states  (slots, nheads, dim, dstate) or (slots, dim, dstate) each; shapes may differ
 * @param slots   int32 or int64 (n), where the states are; a slot outside a state is skipped
 * Throws invalid_argument: also of a tensor that leaves 62 bits of address.
 */
SSUGRAPH_EXPORT void reset_slots(std::span<const tensor_view> states, const tensor_view& slots,
                                 stream_handle stream);

}  // namespace ssugraph
