#include "lib/random/philox.hpp"

#include <ssugraph/random.hpp>

namespace ssugraph {

std::int64_t seed_draw(std::uint64_t seed, std::uint64_t n) noexcept {
  return detail::draw_seed(seed, n);
}

}  // namespace ssugraph
