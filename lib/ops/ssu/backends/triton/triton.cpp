#include "lib/ops/ssu/backends/triton/triton.hpp"

#include "lib/core/cuda_check.hpp"
#include "lib/core/device.hpp"
#include "lib/core/launch_limits.hpp"
#include "lib/device/octet.hpp"
#include "lib/ops/ssu/backends/ssu_kernel.hpp"
#include "lib/ops/ssu/backends/triton/image.hpp"
#include "lib/ops/ssu/backends/triton/lowering.hpp"
#include "lib/ops/ssu/backends/triton/selection.hpp"
#include "lib/ops/ssu/problem/problem.hpp"

#include <ssugraph/error.hpp>

#include <algorithm>
#include <mutex>
#include <set>
#include <utility>

namespace ssugraph::detail::triton {
namespace {

// --- What the device runs ------------------------------------------------------------------------

std::string architectures() {
  std::set<int> distinct;
  for (const triton_image& image : triton_images())
    distinct.insert(image.architecture);
  std::string list;
  for (const int architecture : distinct)
    list += (list.empty() ? "" : ";") + std::to_string(architecture);
  return list;
}

/** Why no image serves `problem` on a device of `capability`. */
std::string why_none(const ssu_problem& problem, int capability) {
  const bool has_architecture = std::ranges::any_of(
      triton_images(), [&](const auto& image) { return runs_on(image.architecture, capability); });
  if (!has_architecture) {
    return "no image runs on compute capability " + std::to_string(capability / 10) + "." +
           std::to_string(capability % 10) + ": build with -DSSUGRAPH_TRITON_ARCHITECTURES=\"" +
           architectures() + ";" + std::to_string(capability) + "\"";
  }
  return "it is outside the manifest, to which this line would add it: " + manifest_line(problem);
}

std::vector<const triton_image*> images_of(const ssu_problem& problem) {
  return select_images(triton_images(), problem, compute_capability(problem.device));
}

/** Throws unsupported. */
const triton_image& find_image(const ssu_problem& problem, const std::string& algorithm) {
  const auto images = images_of(problem);
  std::string names;
  for (const triton_image* image : images) {
    if (tile_name(*image) == algorithm) return *image;
    names += ", " + tile_name(*image);
  }
  throw unsupported{{{"triton", "algorithm '" + algorithm + "' is none of auto" + names}}};
}

// --- Loading -------------------------------------------------------------------------------------

/** The kernels in use. Never unloaded: executables of CUDA graphs may hold them to the end. */
class loaded_kernels {
 public:
  const void* load(const triton_image& image) {
    const std::lock_guard lock{mutex_};
    const auto index = static_cast<std::size_t>(&image - triton_images().data());
    if (kernels_[index] == nullptr) {
      cudaLibrary_t library = nullptr;
      check_cuda(cudaLibraryLoadData(&library, fatbin_of(image).data(), nullptr, nullptr, 0,
                                     nullptr, nullptr, 0),
                 "cudaLibraryLoadData of a Triton image");
      check_cuda(cudaLibraryGetKernel(&kernels_[index], library, triton_symbol),
                 "cudaLibraryGetKernel of a Triton image");
    }
    return kernels_[index];
  }

 private:
  std::mutex mutex_;
  std::vector<cudaKernel_t> kernels_ = std::vector<cudaKernel_t>(triton_images().size());
};

/** Thread-safe. */
const void* loaded_kernel(const triton_image& image) {
  static loaded_kernels& kernels = *new loaded_kernels;  // never destroyed: calls may come later
  return kernels.load(image);
}

// --- Plans ---------------------------------------------------------------------------------------

std::int64_t tiles_of(std::int64_t dim, std::int64_t rows) {
  return (dim + rows - 1) / rows;
}

ssu_plan make_plan(const ssu_problem& problem, std::int64_t sequences, const triton_image& image,
                   std::string reason) {
  ssu_plan plan;
  plan.backend = "triton";
  plan.algorithm = tile_name(image);
  plan.reason = std::move(reason);
  plan.sequences = sequences;
  plan.tile = {.rows = image.rows,
               .lanes = image.dstate / octet_size,
               .threads = image.warps * warp_threads};
  plan.grid = {sequences, problem.nheads, tiles_of(problem.dim, image.rows)};
  plan.problem = problem;
  if (!image.vector) {
    const std::string reason = why_no_vectors(problem);
    plan.notes.push_back("no 16-byte accesses: " + (reason.empty()
                                                        ? "the manifest has no such image"
                                                        : "planned where " + reason));
  }
  if (image.rounding) plan.notes.emplace_back("takes the same random bits as native");
  return plan;
}

/** One launch of one of the images. */
class triton_ssu final : public ssu_kernel {
 public:
  triton_ssu(const ssu_problem& problem, std::int64_t sequences, const triton_image& image,
             std::string reason)
      : ssu_kernel{make_plan(problem, sequences, image, std::move(reason)), false}, image_{image} {}

  [[nodiscard]] std::string why_not(const ssu_problem& problem) const override {
    return why_no_access(image_, problem);
  }

 private:
  [[nodiscard]] const void* kernel() const override { return loaded_kernel(image_); }
  [[nodiscard]] kernel_launch lower(const ssu_args& args,
                                    const launch_context& context) const override {
    return lowered(plan(), launched(context.sequences), image_, kernel(), args, context);
  }

  const triton_image& image_;
};

}  // namespace

std::string triton_backend::name() const {
  return "triton";
}

backend_features triton_backend::features() const {
  backend_features has = all_features();
  has.features.erase(ssu_feature::mixed_dtypes);
  has.features.erase(ssu_feature::dst_state);
  has.features.erase(ssu_feature::checkpointed);
  for (const dtype scaled : {dtype::int8, dtype::int16, dtype::float8_e4m3})
    has.state.erase(scaled);
  return has;
}

support triton_backend::serves(const ssu_problem& problem) const {
  if (problem.device.is_host()) return {"it runs on CUDA and the tensors live in host memory"};
  if (problem.nheads > max_grid_yz) return {"more than 65535 heads"};
  try {
    const auto images = images_of(problem);
    if (images.empty()) return {why_none(problem, compute_capability(problem.device))};
    const bool tall = std::ranges::any_of(images, [&](const triton_image* image) {
      return tiles_of(problem.dim, image->rows) > max_grid_yz;
    });
    if (tall) return {"dim needs more than 65535 tiles"};
  } catch (const cuda_error& error) {
    return {std::string{"its device does not answer: "} + error.what()};
  }
  return {};
}

std::shared_ptr<planned_ssu> triton_backend::resolve(const ssu_problem& problem,
                                                     std::int64_t sequences,
                                                     const std::string& algorithm) const {
  if (const support answer = serves(problem); !answer) {
    throw unsupported{{{name(), answer.why_not}}};
  }
  if (sequences > max_grid_x) throw unsupported{{{name(), "more than 2^31 - 1 sequences"}}};
  if (algorithm != "auto") {
    return std::make_shared<triton_ssu>(problem, sequences, find_image(problem, algorithm),
                                        "as asked");
  }
  const tile_choice choice = choose_tile(images_of(problem), problem, sequences);
  return std::make_shared<triton_ssu>(problem, sequences, *choice.image, choice.reason);
}

std::vector<ssu_plan> triton_backend::candidates(const ssu_problem& problem,
                                                 std::int64_t sequences) const {
  std::vector<ssu_plan> plans;
  for (const triton_image* image : images_of(problem)) {
    plans.push_back(make_plan(problem, sequences, *image, "as asked"));
  }
  return plans;
}

}  // namespace ssugraph::detail::triton
