#pragma once

#include "tests/support/arena.hpp"
#include "tests/support/ssu_case.hpp"

#include <ssugraph/ssugraph.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

/** Layers with rings, one behind the other on one cursor. */
namespace ssugraph::test {

struct chain_spec {
  dtype state = dtype::float32;
  dtype io = dtype::float32;
  std::int64_t max_seqlen = 1;  ///< T; above 1 with cu_seqlens
  bool has_accepted = false;
  bool chained = false;  ///< x of a layer is `out` of the one in front
};

/** What the index and count tensors of a step hold. */
struct chain_batch {
  std::vector<std::int64_t> slots;
  std::vector<std::int64_t> lengths;
  std::vector<std::int64_t> accepted;  ///< of the step before

  [[nodiscard]] std::int32_t size() const { return static_cast<std::int32_t>(slots.size()); }
};

/** Three layers of W = 4 and R = 9, with room for steps of three tokens. Their tensors lie on
 *  address 0, those first that each step writes anew. */
class ring_chain {
 public:
  static constexpr std::size_t layers = 3;
  static constexpr std::int64_t slots = 9;
  static constexpr std::int32_t most_sequences = 6;
  static constexpr std::int32_t small_bucket = 3;
  static constexpr std::int64_t interval = 4;
  static constexpr std::int64_t most_tokens = 3;

  ring_chain(const chain_spec& spec, random_engine& engine);

  /** NaN in rings, numbers in weights and states, zeros in `out` and cursors. */
  [[nodiscard]] const arena& first_contents() const { return memory_; }

  /** Of a step: what lies in front. NaN behind its rows, -1 behind its sequences. */
  [[nodiscard]] arena inputs(const chain_batch& batch, random_engine& engine) const;

  [[nodiscard]] ssu_args args(std::size_t layer, std::byte* base) const {
    return relocate(args_[layer], base);
  }
  [[nodiscard]] pipeline build(target where, std::byte* base) const;
  /** Of the same layers, in plain steps of one token. */
  [[nodiscard]] pipeline build_plain(target where, std::byte* base) const;

  /** Of the tensor that has the byte at `offset`. */
  [[nodiscard]] std::string name_at(std::size_t offset) const;

 private:
  void add_inputs();
  void add_rest();
  void fill(random_engine& engine);
  [[nodiscard]] pipeline build(target where, std::byte* base,
                               ssu_args (*as_bound)(const ssu_args&)) const;

  chain_spec spec_;
  arena_layout layout_;
  std::vector<ssu_args> args_;
  std::size_t input_bytes_ = 0;
  arena memory_;
};

/** Some live sequences, some of them null or, where T is above 1, empty. */
[[nodiscard]] chain_batch random_chain_batch(std::int64_t max_seqlen, std::int64_t most_accepted,
                                             random_engine& engine);

}  // namespace ssugraph::test
