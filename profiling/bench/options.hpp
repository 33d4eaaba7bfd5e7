#pragma once

#include <ssugraph/ssu.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

/** What the command line asks for, checked before CUDA is touched. */
namespace bench {

struct shape {
  std::string name;  ///< as given: NHEADSxDIMxDSTATEgNGROUPS
  std::int64_t nheads;
  std::int64_t dim;
  std::int64_t dstate;
  std::int64_t ngroups;
};

/** What stands in front of every SSU layer. */
enum class neighbour : std::uint8_t {
  nothing,
  kernel,  ///< somebody else's kernel
  early,   ///< the same, and it lets the SSU behind it start early
};

/** Who makes the seed of a layer's rounding. */
enum class seed_source : std::uint8_t {
  none,      ///< nobody within the time taken: the prologue is left out of it
  prologue,  ///< the prologue, all of them at once
  kernel,    ///< the same, and a kernel in front of each layer as well, as torch.randint is one
};

/** Where the rings of checkpointed states are when a replay begins. */
enum class ring_phase : std::uint8_t {
  spread,  ///< at all positions alike: a share of the sequences stores a checkpoint
  mid,     ///< W / 2 live rows: nobody stores one
  flush,   ///< W live rows: everybody does
};

struct options {
  std::vector<shape> shapes;
  ssugraph::dtype state;
  ssugraph::dtype io;          ///< of x, z and out
  ssugraph::dtype group_type;  ///< of B and C
  bool dim_innermost;          ///< of a state: dim is contiguous, not dstate
  int philox_rounds;           ///< 0: no stochastic rounding
  std::vector<std::int32_t> batches;
  std::optional<std::int32_t> live;
  ssugraph::ssu_mode mode;
  std::int64_t tokens;      ///< of a sequence
  std::int64_t checkpoint;  ///< W of checkpointed states; 0: every step stores the state
  ring_phase ring;
  bool untied;
  bool z;
  bool pdl;
  int layers;
  neighbour between;
  std::vector<seed_source> seeds;
  std::vector<std::string> backends;  ///< each NAME or NAME:ALGORITHM
  int rounds;
  std::string json;

  /** Live sequences in a bucket of `batch`. */
  [[nodiscard]] std::int32_t live_of(std::int32_t batch) const { return live.value_or(batch); }
  /** Speculative decoding keeps the state behind each token, unless rings keep the tokens. */
  [[nodiscard]] std::int64_t slots_a_sequence() const {
    return mode == ssugraph::ssu_mode::speculative && checkpoint == 0 ? tokens : 1;
  }
  /** Several tokens of a sequence are told apart by cu_seqlens. */
  [[nodiscard]] bool has_cu_seqlens() const { return mode != ssugraph::ssu_mode::plain; }
  /** Bytes of the state of one sequence in one layer, and of its scales if it is scaled. */
  [[nodiscard]] std::int64_t state_bytes(const shape& s) const {
    return s.nheads * s.dim * s.dstate * ssugraph::size_of(state);
  }
  [[nodiscard]] std::int64_t scale_bytes(const shape& s) const {
    return is_scaled(state) ? s.nheads * s.dim * std::int64_t{sizeof(float)} : 0;
  }
  /** Both. */
  [[nodiscard]] std::int64_t slot_bytes(const shape& s) const {
    return state_bytes(s) + scale_bytes(s);
  }
  /** R: the least that a cursor allows. */
  [[nodiscard]] std::int64_t ring_rows() const {
    return checkpoint > 0 ? checkpoint + 2 * tokens - 1 : 0;
  }
  /** Bytes of one row of one sequence's rings in one layer. */
  [[nodiscard]] std::int64_t ring_row_bytes(const shape& s) const {
    return s.nheads * (s.dim * ssugraph::size_of(io) + std::int64_t{sizeof(float)}) +
           s.ngroups * s.dstate * ssugraph::size_of(group_type);
  }
};

/**
 * Nothing if help was asked for, which is then printed. Throws invalid_argument with the name of
 * the option, and CLI::ParseError.
 */
[[nodiscard]] std::optional<options> parse_options(int argc, const char* const* argv);

/** Their names on the command line. */
[[nodiscard]] std::string name_of(ssugraph::dtype type);
[[nodiscard]] std::string name_of(neighbour between);
[[nodiscard]] std::string name_of(ring_phase ring);
[[nodiscard]] std::string name_of(seed_source seeds);

}  // namespace bench
