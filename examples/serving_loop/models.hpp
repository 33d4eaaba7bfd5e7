#pragma once

#include <ssugraph/tensor_view.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace serving_loop {

/** The SSU layers of a model, as one rank of a tensor-parallel group sees them. */
struct model {
  std::string_view name;
  std::int32_t layers;
  std::int64_t nheads;
  std::int64_t dim;
  std::int64_t dstate;
  std::int64_t ngroups;
  ssugraph::dtype state_dtype = ssugraph::dtype::bfloat16;
  /** No heads or groups axis, A, dt, D and dt_bias of their own for every element of dim, z gate.
   */
  bool mamba1 = false;

  /** Elements of x in one token. */
  [[nodiscard]] std::int64_t inner() const { return nheads * dim; }
  /** Elements of the row that holds x, B and C of one token. */
  [[nodiscard]] std::int64_t conv_width() const { return inner() + 2 * ngroups * dstate; }
  /** Elements of dt in one token. */
  [[nodiscard]] std::int64_t dt_width() const { return mamba1 ? dim : nheads; }
  /** Elements of the z gate in one token; Mamba-2 gates in the norm behind the SSU. */
  [[nodiscard]] std::int64_t z_width() const { return mamba1 ? dim : 0; }
  /** Elements of the state of one sequence. */
  [[nodiscard]] std::int64_t slot_elements() const { return inner() * dstate; }
  [[nodiscard]] std::int64_t state_bytes() const {
    return slot_elements() * ssugraph::size_of(state_dtype);
  }
  /** Bytes of it, and of the scales that lie behind those of a scaled state. */
  [[nodiscard]] std::int64_t slot_bytes() const {
    return state_bytes() + (is_scaled(state_dtype) ? inner() * std::int64_t{sizeof(float)} : 0);
  }
};

/**
 * The model `name` on one of `tp` ranks, each with 1 / tp of the heads (Mamba-1: of dim) and of the
 * groups; a single group serves the heads of every rank, so each rank has it. Throws
 * invalid_argument: an unknown name (with the valid ones), or a `tp` that does not divide them.
 */
[[nodiscard]] model find_model(std::string_view name, std::int64_t tp);

/** The names that `find_model` knows. */
[[nodiscard]] std::string model_names();

}  // namespace serving_loop
