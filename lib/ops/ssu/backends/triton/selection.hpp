#pragma once

#include "lib/ops/ssu/backends/triton/image.hpp"

#include <ssugraph/ssu_problem.hpp>

#include <string>
#include <vector>

/** Which images serve a problem. Pure: needs no GPU. */
namespace ssugraph::detail::triton {

/** Whether a device of `compute_capability` (90 for 9.0) runs an image of `architecture`. */
[[nodiscard]] bool runs_on(int architecture, int compute_capability);

/** Why images for vector access do not serve `problem`; empty if they do. */
[[nodiscard]] std::string why_no_vectors(const ssu_problem& problem);

/** Why `image` cannot reach the tensors of `problem` for how they lie; empty if it can. */
[[nodiscard]] std::string why_no_access(const triton_image& image, const ssu_problem& problem);

/**
 * The images that serve `problem` best, which differ in their tiles alone; in the order of the
 * manifest. Empty if none serves it. Names tell tiles apart, not kinds of images: an image for any
 * layout may have the name of one for vector access.
 */
[[nodiscard]] std::vector<const triton_image*> select_images(std::span<const triton_image> images,
                                                             const ssu_problem& problem,
                                                             int compute_capability);

/** Among images that differ in their tiles alone, the one that the tile table chooses. */
struct tile_choice {
  const triton_image* image = nullptr;
  std::string reason;
};
[[nodiscard]] tile_choice choose_tile(const std::vector<const triton_image*>& images,
                                      const ssu_problem& problem, std::int64_t sequences);

/** ROWSxWARPS, which names an algorithm. */
[[nodiscard]] std::string tile_name(const triton_image& image);

/** The line of a manifest that would serve `problem` by its best kind of image. */
[[nodiscard]] std::string manifest_line(const ssu_problem& problem);

}  // namespace ssugraph::detail::triton
