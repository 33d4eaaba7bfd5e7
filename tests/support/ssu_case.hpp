#pragma once

#include "tests/support/arena.hpp"

#include <ssugraph/config.hpp>
#include <ssugraph/random.hpp>
#include <ssugraph/ssu.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <random>
#include <string>

namespace ssugraph::test {

using random_engine = std::mt19937_64;

/** One SSU problem with its data. Copyable: tensors are relative to address 0 until `args_at`. */
struct ssu_case {
  std::string name;
  mamba_config config;  ///< the backend is the execution's choice
  arena memory;
  /** All tensors, with room for `capacity` sequences of up to `max_seqlen` tokens. */
  ssu_args layout;
  std::int64_t batch = 0;     ///< live sequences
  std::int64_t capacity = 0;  ///< sequences that the tensors hold
  std::int64_t max_seqlen = 1;
  std::int64_t live_rows = 0;
  bool keeps_promises = true;  ///< else nobody may verify them: lengths and counts are clamped
  /** Of which the call consumes the next draw, if it rounds stochastically. */
  random_state random;

  [[nodiscard]] std::int64_t seed() const;
  /** Every tensor, on memory that holds a copy of the arena. */
  [[nodiscard]] ssu_args args_at(std::byte* base) const { return relocate(layout, base); }
};

/** `args` cut down to their first `sequences` sequences, as an eager call passes them. */
[[nodiscard]] ssu_args first_sequences(const ssu_args& args, std::int64_t sequences);

/** Which input `out` is, too. */
enum class out_place : std::uint8_t { apart, on_x, on_z };

/** The shape of a random case. */
struct case_spec {
  ssu_mode mode = ssu_mode::plain;
  std::int64_t batch = 3;
  std::int64_t capacity = 3;
  std::int64_t slots = 0;       ///< 0: as many as the mode may need
  std::int64_t max_seqlen = 1;  ///< T; 1 in plain mode
  std::int64_t nheads = 4;
  std::int64_t dim = 16;
  std::int64_t dstate = 16;
  std::int64_t ngroups = 1;
  dtype state_dtype = dtype::float32;
  dtype io_dtype = dtype::float32;  ///< of x and, where they have none of their own, of
  std::optional<dtype> B_dtype = {}, C_dtype = {}, z_dtype = {}, out_dtype = {};
  dtype dt_dtype = dtype::float32;
  dtype A_dtype = dtype::float32;
  dtype D_dtype = dtype::float32;
  dtype dt_bias_dtype = dtype::float32;
  dtype index_dtype = dtype::int32;
  dtype count_dtype = dtype::int32;  ///< of cu_seqlens and num_accepted_tokens
  bool tied = true;
  bool has_D = true;
  bool has_z = false;
  bool has_dt_bias = true;
  bool dt_softplus = true;
  float dt_min = -std::numeric_limits<float>::infinity();
  float dt_max = std::numeric_limits<float>::infinity();
  bool has_indices = true;
  bool has_dst = false;
  bool has_dst_state = false;   ///< with destinations, sources are shared and written by others
  bool has_cu_seqlens = false;  ///< always in varlen mode
  bool null_sequences = false;  ///< some source slots are null, some destinations too
  std::int64_t null_block_id = 0;
  /** Dense, 16-byte aligned, x, B and C slices of one row; else any strides and offsets. */
  bool aligned = true;
  bool dim_innermost = false;  ///< of aligned states: dim is contiguous, not dstate
  bool scale_in_slot = false;  ///< of scaled states: scales lie behind the codes of their slot
  out_place out = out_place::apart;
  bool omit_axes = false;  ///< drop head and group axes of extent 1
  bool stochastic_rounding = false;
  int philox_rounds = 0;
};

[[nodiscard]] std::string to_string(const case_spec& spec);

/** A spec over everything that the operation allows, small enough for a float64 evaluation. */
[[nodiscard]] case_spec random_spec(random_engine& engine);

/**
 * Random data for `spec`. Rows and index entries behind the live ones are traps: NaN inputs, and
 * slots of state that nothing may touch. Gaps between strided elements hold 0xff.
 */
[[nodiscard]] ssu_case make_case(const case_spec& spec, random_engine& engine);

/** The same data in other memory, where every tensor lies `bytes` further on. */
[[nodiscard]] ssu_case shifted(const ssu_case& test, std::size_t bytes);

/** Calls `visit` with the address of every element, last axis fastest. */
void for_each_element(const tensor_view& tensor, const std::function<void(std::byte*)>& visit);

/** Values of a size all the same into every element of states; of scaled ones, now and then, a
 *  fresh row. */
void fill_states(const tensor_view& state, const tensor_view& scale, random_engine& engine);

/** Uniform in begin..end. */
[[nodiscard]] std::int64_t pick(random_engine& engine, std::int64_t begin, std::int64_t end);
[[nodiscard]] bool chance(random_engine& engine, double probability);
[[nodiscard]] double uniform(random_engine& engine, double low, double high);

/** SSUGRAPH_TEST_SEED, or a fixed seed. */
[[nodiscard]] std::uint64_t base_seed();
/** SSUGRAPH_TEST_CASES, or `otherwise`. */
[[nodiscard]] int case_count(int otherwise);

}  // namespace ssugraph::test
