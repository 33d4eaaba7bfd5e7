#pragma once

#include "lib/ops/ssu/backends/native/kernels.hpp"

#include <ssugraph/error.hpp>
#include <ssugraph/ssu_problem.hpp>

#include <cstdint>
#include <string>
#include <vector>

/** Which kernel and which tile serve a problem, by the numbers of policy.hpp. */
namespace ssugraph::detail::native {

/** Rows of a thread, and threads of a block that hold rows. */
struct tile_choice {
  int rows;
  int workers;

  [[nodiscard]] int rows_of_block(int lanes) const { return workers / lanes * rows; }
  /** As algorithms are named. */
  [[nodiscard]] std::string name() const {
    return std::to_string(rows) + "x" + std::to_string(workers);
  }
  bool operator==(const tile_choice&) const = default;
};

/** How a problem is done, and why so. */
struct algorithm_choice {
  state_access access;
  int lanes;  ///< threads a row
  tile_choice tile;
  std::string reason;

  [[nodiscard]] int rows_of_block() const { return tile.rows_of_block(lanes); }
};

/** Takes `algorithm`, as native_backend names them. Throws unsupported. */
algorithm_choice choose(const ssu_problem& problem, std::int64_t sequences,
                        const std::string& algorithm);

/** What is compiled for it. */
kernel_key key_of(const ssu_problem& problem, const algorithm_choice& choice);

/** The tiles for an access in vectors, by descending rows. */
std::vector<tile_choice> vector_tiles(const ssu_problem& problem, state_access access);

/** Why a kernel of that access cannot serve; empty if it can. The stride over slots is wide in
 * every kernel. */
std::string why_not(const ssu_problem& problem, state_access access);

/** The fewest threads that hold a row of dstate, so many octets each. */
int lanes_for(std::int64_t dstate, int octets);

/** How many tiles of `rows` hold dim. */
std::int64_t tiles_of(std::int64_t dim, int rows);

unsupported refusal(std::string reason);

}  // namespace ssugraph::detail::native
